"""What the parameters of a call say of columns, as their texts stand on its span."""

from __future__ import annotations

import ast
import re
from typing import Final

from otelprov.lineage.column_sources import Question
from otelprov.model import Names

_FUNCTION: Final = re.compile(
    r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
    r"""|(?<![\w.])[A-Za-z_<][\w.<>]*(?:[ ]\([^()'"]*:\d+\))?"""
)
"""A text in quotes, or what may be a function: ``own``, ``<lambda> (report.py:7)``."""
_OF_LABELS: Final = re.compile(r"TimeGrouper\(freq=[^()]*\)")
_COMPUTED: Final = re.compile(r"<([^<>]*) of ([^<>]*)>")
_CALLED: Final = "<function>"
_GROUPER: Final = re.compile(r"(?:Time)?Grouper\(key='(\w+)',[^()]*\)")


def literal(value: object) -> object:
    """What a parameter was, where its text says it in full."""
    if not isinstance(value, str) or "…" in value:
        return None
    try:
        return ast.literal_eval(value)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def with_functions(value: object) -> object:
    """The same of one that may hold functions: each is a text, as the name of a function is."""
    if not isinstance(value, str):
        return None
    return literal(_FUNCTION.sub(_as_text, value))


def _as_text(match: re.Match[str]) -> str:
    plain = match[1] is not None or match[0] in ("None", "True", "False")
    return match[0] if plain else repr(_CALLED)


def listed(value: object) -> list[str] | None:
    """A parameter that is a name or several; None where it is none, or not known."""
    if not isinstance(value, str) or value in ("None", "<no default>"):
        return None
    if value[:1] in ("[", "("):
        said = literal(value)
        if isinstance(said, (list, tuple)) and all(
            one is None or isinstance(one, str) for one in said
        ):
            return ["" if one is None else one for one in said]
        return None
    return None if value.startswith("<") or "…" in value else [value]


def grouped_by(value: object) -> list[str] | None:
    """The columns of a grouping; ``Grouper(key="day", freq="W")`` is one of them."""
    if isinstance(value, str) and "Grouper(" in value:
        value = _GROUPER.sub(r"'\1'", value).strip("'")
    if isinstance(value, str) and _COMPUTED.fullmatch(value):
        return [value]
    return listed(value)


def computed_key(key: str) -> tuple[str, list[str]] | None:
    """What a key is called, and the columns that it was computed of (empty where these are not
    known), of one that was computed before: ``<month of day>``."""
    found = _COMPUTED.fullmatch(key)
    if found is None:
        return None
    return found[1], [] if found[2] == "?" else found[2].split(", ")


def keys_of(question: Question, before: Names) -> list[str] | None:
    """What the rows of a table are grouped by: ``groupby("a")``, ``resample("W", on="day")``."""
    levels, by = [one for one in before.index if one is not None], question.given("by")
    if isinstance(by, str) and len(levels) == 1:
        by = _OF_LABELS.sub(repr(levels[0]), by)
        by = by.strip("'") if by == repr(levels[0]) else by
    keys = grouped_by(by) or []
    if question.given("rule") is not None:
        keys += listed(question.given("on")) or listed(question.given("level")) or levels
    elif question.given("level") is not None and not keys:
        keys = _levels_of(question.given("level"), before)
    return keys or None


def _levels_of(given: object, before: Names) -> list[str]:
    """The levels of an index, by names or places; empty where they are not known."""
    places = given if type(given) is int else literal(given)
    numbers = list(places) if isinstance(places, (list, tuple)) else [places]
    found: list[str] = []
    for one in numbers:
        if type(one) is not int:
            return listed(given) or []
        name = before.index[one] if -len(before.index) <= one < len(before.index) else None
        if name is None:
            return []
        found.append(name)
    return found


def aggregates(question: Question) -> dict[str, str]:
    """By name of a figure: the column that it is of. ``agg(total=("amount", "sum"))``, and
    ``agg("sum")`` and ``agg({"amount": "sum"})``, whose figures have the names of the columns."""
    operation = question.operation
    names = question.made_names()
    func = question.given("func")
    key = question.given("key")
    found: dict[str, str] = {}
    for name in operation.given:
        value = with_functions(operation.parameters.get(name))
        if name not in ("func", "by", "key") and isinstance(value, tuple) and len(value) == 2:
            found[name] = str(value[0])
    said = with_functions(func)
    if names is None:
        return found
    if isinstance(key, str) and key[:1] != "[":  # of one column, whatever they are called
        found.update(dict.fromkeys(names.columns, key))
    elif operation.name.endswith(".apply"):
        return found  # a function is given all columns of a group at once
    elif isinstance(said, dict) and all(isinstance(one, str) for one in said.values()):
        found.update({str(name): str(name) for name in said})
    elif isinstance(func, str) and func != "None" and (func.isidentifier() or said == _CALLED):
        # A function is given one column after the other, but with arguments of its own all.
        found.update({name: name for name in names.columns if "args" not in operation.given})
    elif isinstance(said, (dict, list)) or operation.name.endswith(".describe"):
        # Figures of several kinds: a column of the result is named by both, `('amount', 'sum')`.
        for name in names.columns:
            pair = literal(name)
            if isinstance(pair, tuple) and len(pair) == 2:
                found[name] = str(pair[0])
    return found


def one_table(question: Question) -> tuple[str, Names, Names] | None:
    """The one table that a call was given: its id, its names and those of what was made; None where
    a name does not say which of its columns is meant."""
    table, names = question.self_(), question.made_names()
    before = None if table is None else question.names_of(table.artifact.id)
    if table is None or names is None or before is None or ambiguous(before):
        return None
    return table.artifact.id, before, names


def ambiguous(names: Names) -> bool:
    """Whether a name does not say which column is meant."""
    return not names.complete or len(set(names.columns)) < len(names.columns)


def all_names(names: Names) -> list[str]:
    """Of columns and levels of the index."""
    return [*names.columns, *(one for one in names.index if one is not None)]

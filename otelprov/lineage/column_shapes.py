"""Where the columns come from of a table of pandas that was given another shape: columns became
rows, values became columns, one table was laid over another.
"""

from __future__ import annotations

import re

from otelprov.lineage.column_parameters import (
    all_names,
    ambiguous,
    grouped_by,
    listed,
    literal,
    one_table,
    with_functions,
)
from otelprov.lineage.column_sources import From, Question, Sources
from otelprov.model import Names


def pivoted(question: Question) -> Sources | None:
    """``pivot_table`` and ``pivot``: a column of each value of one, filled from another."""
    found = _reshaped(question)
    across = grouped_by(question.given("columns"))
    index = grouped_by(question.given("index"))
    if found is None or question.reads_inside:
        return None
    id_, before, names = found
    plain = question.operation.name.endswith(".pivot")
    if index is None and plain and question.given("index") in (None, "None", "<no default>"):
        index = [one for one in before.index if one is not None]
    if across is None and question.given("columns") == "None":
        across = []
    known = all_names(before)
    if index is None or across is None or any(one not in known for one in (*index, *across)):
        return None
    values = question.given("values")
    # `('sum', 'amount', '2024')`, else `('amount', '2024')`, or `amount`.
    place = 1 if isinstance(with_functions(question.given("aggfunc")), list) else 0
    how = "identity" if plain else "aggregation"
    columns: dict[str, tuple[From, ...]] = {}
    for name in names.columns:
        parts = literal(name)
        base: object = parts[place] if isinstance(parts, tuple) and len(parts) > place else name
        if isinstance(values, str) and values in known:
            base = values
        if base in before.columns:
            columns[name] = (From(id_, str(base), how),)
    columns |= {name: (From(id_, name, "identity"),) for name in names.index if name in index}
    rows = tuple(From(id_, one, "group_by") for one in (*index, *across))
    return Sources(columns, {}, rows)


def counted_across(question: Question) -> Sources | None:
    """``crosstab``: how many rows have two values, or a figure of a third."""
    names = question.made_names()
    down, across = (question.parameter_columns(one) for one in ("index", "columns"))
    values = question.parameter_columns("values") or ()
    if names is None or ambiguous(names) or not down or not across or question.reads_inside:
        return None
    if any(one.how == "opaque" for one in (*down, *across, *values)):
        return None
    cell = tuple(From(one.artifact, one.column, "aggregation") for one in values)
    columns = dict.fromkeys(names.columns, cell)
    for level in names.index:
        same = tuple(one for one in down if one.column == level or len(down) == 1)
        if level is not None and same:
            columns[level] = same
    rows = tuple(From(one.artifact, one.column, "group_by") for one in (*down, *across))
    return Sources(columns, {}, tuple(dict.fromkeys(rows)))


def melted(question: Question) -> Sources | None:
    """``melt``: the values of several columns in one, beside the name of each."""
    found = _reshaped(question)
    if found is None:
        return None
    id_, before, names = found
    kept = listed(question.given("id_vars")) or []
    taken = listed(question.given("value_vars"))
    for said in (question.given("id_vars"), question.given("value_vars")):
        if said not in (None, "None") and listed(said) is None:
            return None
    taken = taken or [one for one in before.columns if one not in kept]
    value = str(question.given("value_name") or "value")
    if len(names.columns) != len(kept) + 2 or names.columns[-1] != value:
        return None
    columns: dict[str, tuple[From, ...]] = {
        name: (From(id_, name, "identity"),) for name in names.columns[: len(kept)] if name in kept
    }
    columns[value] = tuple(From(id_, one, "identity") for one in taken if one in before.columns)
    columns[names.columns[-2]] = ()  # the names of the columns
    return Sources({**columns, **_levels(id_, before, names)})


def lengthened(question: Question) -> Sources | None:
    """``wide_to_long``: ``sold1`` and ``sold2`` become ``sold``."""
    found = _reshaped(question)
    stubs = listed(question.given("stubnames"))
    suffix = question.given("suffix")
    if found is None or stubs is None or not isinstance(suffix, str):
        return None
    id_, before, names = found
    columns: dict[str, tuple[From, ...]] = {}
    for name in all_names(names):
        if name in before.columns:
            columns[name] = (From(id_, name, "identity"),)
        elif name == str(question.given("j")):
            columns[name] = ()  # what the names of the columns end in
        elif name in stubs:
            begin = re.escape(f"{name}{question.given('sep') or ''}")
            try:
                ending = re.compile(f"{begin}{suffix}")
            except re.error:
                return None
            taken = [one for one in before.columns if ending.fullmatch(one)]
            columns[name] = tuple(From(id_, one, "identity") for one in taken)
    return Sources(columns)


def stacked(question: Question) -> Sources | None:
    """``stack``: the values of all columns in one, beside the name of each."""
    found = _reshaped(question)
    if found is None:
        return None
    id_, before, names = found
    if len(names.columns) != 1 or any(isinstance(literal(one), tuple) for one in before.columns):
        return None
    return Sources(
        {
            names.columns[0]: tuple(From(id_, one, "identity") for one in before.columns),
            **_levels(id_, before, names, others=()),
        }
    )


def unstacked(question: Question) -> Sources | None:
    """``unstack``: a column for each value of a level of the index."""
    found = _reshaped(question)
    if found is None:
        return None
    id_, before, names = found
    columns: dict[str, tuple[From, ...]] = {}
    for name in names.columns:
        parts = literal(name)
        base = parts[0] if isinstance(parts, tuple) else None
        if len(before.columns) == 1:
            columns[name] = (From(id_, before.columns[0], "identity"),)
        elif base in before.columns:
            columns[name] = (From(id_, str(base), "identity"),)
    return Sources({**columns, **_levels(id_, before, names)})


def dummies(question: Question) -> Sources | None:
    """``get_dummies``: a column for each value of one, with the name of that before it."""
    names, one = question.made_names(), question.parameter_columns("data")
    if names is None or ambiguous(names):
        return None
    if one is not None and len(one) == 1 and one[0].how != "opaque":
        every = (From(one[0].artifact, one[0].column, "transformation"),)
        return Sources(dict.fromkeys(names.columns, every))
    found = _reshaped(question)
    if found is None:
        return None
    id_, before, names = found
    taken = listed(question.given("columns"))
    if question.given("columns") not in (None, "None") and taken is None:
        return None
    gone = taken or [one for one in before.columns if one not in names.columns]
    columns: dict[str, tuple[From, ...]] = {
        name: (From(id_, name, "identity"),) for name in names.columns if name in before.columns
    }
    columns |= _levels(id_, before, names)
    begins = _prefixes(question, gone)
    for name in names.columns:
        of = [one for one, begin in begins.items() if name.startswith(begin)]
        if name not in columns and len(of) == 1:
            columns[name] = (From(id_, of[0], "transformation"),)
    return Sources(columns, reason="it is not known of which column it is")


def _prefixes(question: Question, gone: list[str]) -> dict[str, str]:
    """By column: how the names of the columns that are made of it begin."""
    given, between = question.given("prefix"), question.given("prefix_sep")
    said = literal(given)
    if between in (None, "None"):
        between = "_"
    if not isinstance(between, str) or between[:1] in ("[", "{"):
        return {}
    if given in (None, "None"):
        return {one: f"{one}{between}" for one in gone}
    if isinstance(said, dict):
        return {one: f"{said.get(one, one)}{between}" for one in gone}
    if isinstance(said, (list, tuple)):
        if len(said) != len(gone):
            return {}
        return {one: f"{begin}{between}" for one, begin in zip(gone, said, strict=True)}
    return dict.fromkeys(gone, f"{given}{between}")


def laid_over(question: Question) -> Sources | None:
    """``a.combine_first(b)``, ``a.update(b)``: the columns of the same name of both."""
    names = question.made_names()
    if names is None or not question.tables_only or question.reads_inside:
        return None
    ids = dict.fromkeys(one.artifact.id for one in question.used)
    known = {id_: question.names_of(id_) for id_ in ids}
    if len(known) != 2 or any(own is None or ambiguous(own) for own in known.values()):
        return None
    own = question.self_()
    plain = question.operation.name.rpartition(".")[2]
    if own is None or ambiguous(names):
        return None
    how = "transformation" if plain == "combine" else "identity"
    columns: dict[str, tuple[From, ...]] = {}
    for name in all_names(names):
        columns[name] = tuple(
            From(id_, name, how)
            for id_, their in known.items()
            if their is not None
            and name in all_names(their)
            and not (plain == "update" and id_ != own.artifact.id and name in names.index)
        )
    return Sources({name: origins for name, origins in columns.items() if origins})


def _reshaped(question: Question) -> tuple[str, Names, Names] | None:
    """As ``one_table``, of names that are no more ambiguous; of a table of which some columns were
    taken only these."""
    found = one_table(question)
    if found is None or ambiguous(found[2]):
        return None
    id_, before, names = found
    taken = next(iter(question.operation.inputs.values()), {})
    columns = next(iter(taken.values()), None)
    if len(question.operation.inputs) == 1 and columns is not None and columns[1:]:
        # Some of its columns, as they are there.
        before = Names(tuple(one for one in columns if one is not None), before.index)
    return id_, before, names


def _levels(
    id_: str, before: Names, names: Names, others: tuple[From, ...] | None = None
) -> dict[str, tuple[From, ...]]:
    """The levels of the index that it had before; ``others`` are the origins of those that are new,
    None where these are not known."""
    found: dict[str, tuple[From, ...]] = {}
    for level in names.index:
        if level is not None and level in before.index:
            found[level] = (From(id_, level, "identity"),)
        elif level is not None and others is not None:
            found[level] = others
    return found


def without_index(question: Question) -> Sources | None:
    """``reset_index``: the levels become columns, before the others."""
    found = _reshaped(question)
    if found is None or question.given("drop") is True:
        return None
    id_, before, names = found
    if question.given("level") not in (None, "None") or not before.columns:
        return None
    number = len(names.columns) - len(before.columns)
    if number < 0 or (before.index and number != len(before.index)):
        return None
    columns = {
        after: (From(id_, name, "identity"),)
        for name, after in zip(before.columns, names.columns[number:], strict=True)
    }
    for name, after in zip(before.index, names.columns, strict=False):
        if name is not None:
            columns[after] = (From(id_, name, "identity"),)
    return Sources(columns)


def without_index_of_computed(question: Question) -> Sources | None:
    """The same of a column that steps have made: ``total.add(other).reset_index()``."""
    names, values = question.made_names(), question.parameter_columns("self")
    inputs = question.operation.inputs
    if names is None or not values or list(inputs) != ["self"] or not names.columns:
        return None
    if any(one.how == "opaque" for one in values) or question.given("drop") is True:
        return None
    known = {one.artifact.id: question.names_of(one.artifact.id) for one in question.used}
    *levels, value = names.columns
    if not all(own is not None and set(levels) <= {*own.index} for own in known.values()):
        return None
    columns = {name: tuple(From(id_, name, "identity") for id_ in known) for name in levels}
    return Sources({**columns, value: values})

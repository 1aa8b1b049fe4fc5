"""SQL over frames: which tables a query of Polars asks for."""

from __future__ import annotations

import contextlib
import re
import sys
import weakref
from collections.abc import Mapping
from types import FrameType
from typing import Any

from otelprov.artifacts import digest_value
from otelprov.artifacts.registry import Step, registry
from otelprov.artifacts.snapshots import snapshot
from otelprov.instrumentation._calls import Function
from otelprov.instrumentation._wrapping import followed
from otelprov.recording import observation
from otelprov.recording.plans import Plan, after, given, plans
from otelprov.statements import from_first_word, later

# The tables of a context by name: what is known of it, or the frame itself as it was registered.
_contexts: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()


def registering(original: Function) -> Function:
    """For ``SQLContext.register``: a frame has a name from now on."""
    return followed(original, _registered, "a table of an SQLContext is not known")


def _registered(_: FrameType, __: object, context: Any, name: str, frame: Any) -> None:
    known: object = plans.lookup(frame)
    if known is None and registry.lookup(frame) is None:
        # Many are registered that are never asked for: of these nothing is digested.
        known = snapshot(frame) if type(frame).__module__.startswith("polars.") else None
    if known is None and observation.data_kind(frame) is not None:
        known = given(name, observation.identity_of(frame))
    tables = _contexts.setdefault(context, {})
    if known is None:
        tables.pop(name, None)
    else:
        tables[name] = known


def unregistering(original: Function) -> Function:
    """For ``SQLContext.unregister``."""
    return followed(original, _unregistered, "a table of an SQLContext is not known")


def _unregistered(_: FrameType, __: object, context: Any, names: Any) -> None:
    for name in (names,) if isinstance(names, str) else names:
        _contexts.get(context, {}).pop(name, None)


def tables_of(parameters: Mapping[str, Any]) -> list[tuple[str, Plan]]:
    """The tables of an SQLContext that a query asks for."""
    query = parameters["query"]
    tables = _contexts.get(parameters["self"], {})
    found = []
    for name in table_names(query):
        known = tables.get(name)
        if known is not None and not isinstance(known, Plan):
            known = tables[name] = given(name, observation.identity_of(known))
        if known is not None:
            found.append((name, known))
    made = _CREATED.match(from_first_word(query)[1])
    if made is not None:
        before = [plan for _, plan in found]
        step = Step("polars", "SQLContext.execute")
        _contexts.setdefault(parameters["self"], {})[made[1].strip('"')] = after(
            step, before, digest_value(query)
        )
    return found


def tables_in_scope(parameters: Mapping[str, Any]) -> list[tuple[str, Plan]]:
    """The variables of the program that ``pl.sql`` takes for tables, found as it finds them."""
    names = set(table_names(parameters["query"]))
    frames = sys.modules["polars.sql.context"]._get_frame_locals(all_compatible=True, named=names)
    found = []
    for name, frame in frames.items():
        plan = plans.lookup(frame)
        if plan is None and observation.data_kind(frame) is not None:
            plan = given(name, observation.identity_of(frame))
        if plan is not None:
            found.append((name, plan))
    return found


def is_eager(parameters: Mapping[str, Any], target: Any) -> bool:
    """Whether a statement is executed at once."""
    eager = parameters.get("eager")
    return bool(eager or getattr(target, "_eager_execution", False))


_WORD = r'(?:"[^"]+"|[^\W\d]\w*)'
_CREATED = later(rf"CREATE\s+(?:OR\s+REPLACE\s+)?TABLE\s+({_WORD})\s+AS\b", re.IGNORECASE)
_LITERAL = later(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_ASKED = later(
    rf"\b(?:FROM|JOIN|TABLE)\s+({_WORD}(?:(?:\s+(?:AS\s+)?{_WORD})?\s*,\s*{_WORD})*)", re.IGNORECASE
)
_NAMED = later(rf"({_WORD})\s*(?:\([^()]*\)\s*)?AS\s*\(", re.IGNORECASE)


def table_names(query: str) -> list[str]:
    """The names of the tables that a query asks for."""
    identifiers = getattr(sys.modules["polars.sql.context"].PySQLContext, "table_identifiers", None)
    if identifiers is not None:  # not in Polars 1.0
        with contextlib.suppress(Exception):  # a statement of another kind, or wrong
            return list(identifiers(query, include_schema=False, unique=True))
    text = _LITERAL.sub(" ", query)
    names: dict[str, None] = {}
    for match in _ASKED.finditer(text):
        for part in match[1].split(","):
            names[part.split()[0].strip('"')] = None
    for match in _NAMED.finditer(text):
        names.pop(match[1].strip('"'), None)
    return list(names)

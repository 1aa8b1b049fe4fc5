"""What the plans and the SQL of Polars say about themselves."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import warnings
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

from otelprov.artifacts import digest_value, identify
from otelprov.artifacts.deferred import resolve
from otelprov.artifacts.digest import NoCanonicalForm
from otelprov.artifacts.registration import register
from otelprov.artifacts.registry import Step, registry
from otelprov.artifacts.snapshots import size, snapshot
from otelprov.instrumentation._calls import Function, is_internal
from otelprov.instrumentation._wrapping import followed
from otelprov.recording import faults, observation
from otelprov.recording.plans import Execution, Explained, Plan, Taken, after, given, plans
from otelprov.recording.recorder import Call, OpenOperation
from otelprov.recording.run import run
from otelprov.statements import later

# --- what stands for an expression in ids ---------------------------------------------------------


@register("polars.expr.expr.Expr", name="polars.Expr")
def _expression(value: Any) -> object:
    """Its serialised form, which belongs to one version of Polars."""
    plan = plans.lookup(value)
    if plan is not None:  # it holds data, or functions, which Polars would pickle
        raise NoCanonicalForm("what an expression holds is said by its plan")
    return sys.modules["polars"].__version__, value.meta.serialize()


@register("polars.lazyframe.opt_flags.QueryOptFlags", name="polars.QueryOptFlags")
def _flags(value: Any) -> object:
    """What is switched on does not change what a query gives."""
    return ()


# --- optimised plans ------------------------------------------------------------------------------


def explain(parameters: Mapping[str, Any]) -> Explained | None:
    """The optimised plan of a LazyFrame that was executed, and what it took of its sources.

    Polars optimises it a second time for that, which reads nothing: what files hold is known from
    the first time. None where that would call functions of the program's own.
    """
    lazy = parameters["self"]
    plan = plans.lookup(lazy)
    if plan is None or plan.runs_functions or not hasattr(lazy, "explain"):
        return None
    with _unwarned():
        return Explained(lazy.explain(), tuple(_taken(lazy._ldf)))


def explain_all(parameters: Mapping[str, Any]) -> Explained | None:
    """The same of several."""
    found = [explain({"self": lazy}) for lazy in parameters["lazy_frames"]]
    if any(one is None for one in found):
        return None
    known = [one for one in found if one is not None]
    return Explained(
        "\n\n".join(one.text for one in known), tuple(t for one in known for t in one.taken)
    )


def _taken(lazy: Any) -> Iterable[Taken]:
    """What the nodes of an optimised plan that read something say. What cuDF reads plans with:
    there since Polars 1.0, and not documented."""
    try:
        nodes = lazy.visit()
    except Exception:  # a plan that it cannot show
        return
    todo, seen = [nodes.get_node()], set()
    while todo:
        number = todo.pop()
        if number in seen:
            continue
        seen.add(number)
        nodes.set_node(number)
        todo.extend(nodes.get_inputs())
        try:
            node = nodes.view_current_node()
        except NotImplementedError:
            continue
        kind = type(node).__name__
        if kind == "Scan":
            options = node.file_options
            columns = options.with_columns
            yield Taken(
                tuple(map(str, node.paths)),
                None if columns is None else tuple(columns),
                selects=columns is not None,
                partial=options.n_rows is not None,
            )
        elif kind == "DataFrameScan":
            names = tuple(node.df.columns())
            taken = names if node.projection is None else tuple(node.projection)
            yield Taken((), taken, all_columns=names, selects=taken != names)


def arriving(original: Function) -> Function:
    """For ``LazyFrame.__setstate__``: a plan that came from elsewhere names its files itself."""
    return followed(original, _arrived, "the sources of an unpickled plan are not known")


def _arrived(_: FrameType, __: object, lazy: Any, state: object) -> None:
    plans.assign(lazy, Plan((), os.urandom(32)))


class _Warnings:
    """The module ``warnings``, but one thread is not warned."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def __getattr__(self, name: str) -> Any:
        if name == "warn" and threading.get_ident() == self._thread:
            return _unheard
        return getattr(warnings, name)


def _unheard(*arguments: object, **keywords: object) -> None:
    """The program has been warned of its plan when it was executed."""


_lock = threading.Lock()


def _new_lock() -> None:
    global _lock
    _lock = threading.Lock()  # another thread may have held it when the process was forked


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


@contextmanager
def _unwarned() -> Iterator[None]:
    """What Polars warns of a plan it says each time that it optimises it. The filters of
    ``warnings`` are those of all threads, and are not touched."""
    package = sys.modules["polars"]
    warn = getattr(package, "_polars_warn", None) or sys.modules["polars._utils"]._polars_warn
    room = warn.__globals__
    with _lock:
        before = room["warnings"]
        room["warnings"] = _Warnings()
        try:
            yield
        finally:
            room["warnings"] = before


# --- the Arrow stream interface -------------------------------------------------------------------


def exporting(original: Function) -> Function:
    """For ``__arrow_c_stream__``: what ``pyarrow.table(frame)`` makes is known by its content."""
    return followed(original, _exported, "an exported table is of unknown origin")


def _exported(frame: FrameType, _: object, table: Any, *how: Any, **said: Any) -> None:
    identity = registry.lookup(table)
    if identity is None or is_internal(frame):
        return
    limit = run.settings.digest_limit
    if limit is not None and size(table) > limit:
        return
    known = identity.artifact
    if known is not None and resolve(known).coverage == "full":
        registry.remember(known)
        return
    version = sys.modules["polars"].__version__
    operation = OpenOperation(Call("polars", "to_arrow", "transform", version), frame, {}, ())
    operation.use("self", identity)
    content = identify(table)
    operation.generate("content", content)
    registry.remember(replace(content, maker=operation.id))
    operation.end()


# --- SQL ------------------------------------------------------------------------------------------

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
    made = _CREATED.match(query)
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
_CREATED = later(rf"\s*CREATE\s+(?:OR\s+REPLACE\s+)?TABLE\s+({_WORD})\s+AS\b", re.IGNORECASE)
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


# --- results that come later ----------------------------------------------------------------------


def fetching(original: Function) -> Function:
    """For ``InProcessQuery.fetch``: the query has been executed when it gives something."""
    return followed(original, _fetched, "a query in the background was not recorded")


def _fetched(frame: FrameType, result: object, query: Any) -> None:
    plan = plans.lookup(query)
    if result is None or plan is None:
        return
    operation = _collecting(frame)
    execution = Execution(operation, [("self", plan)])
    execution.returned()
    observation.outputs(operation, result, by_content=False)
    operation.end()


def awaited(original: Function) -> Function:
    """For ``collect_async`` and ``collect_all_async``."""
    return followed(original, _begun, "a query in the background was not recorded")


def _begun(frame: FrameType, result: Any, lazy: Any, **options: Any) -> None:
    """An asyncio future has it, and calls first who asked first: before whoever waits for it."""
    future: Any = getattr(result, "result", None)
    if is_internal(frame) or not hasattr(future, "add_done_callback"):
        return
    lazies = list(lazy) if isinstance(lazy, (list, tuple)) else [lazy]
    operation = _collecting(frame)
    execution = Execution(operation, plans.find({"self": lazies}))
    operation.enter()
    operation.leave()
    operation.end_time = None

    def done(future: Any) -> None:
        with faults.contained("the end of a query in the background was not recorded"):
            error = getattr(future, "_exception", None)  # not asked for: asyncio notes who does
            if future.cancelled() or error is not None:
                execution.failed()
                operation.end(error)
                return
            execution.returned()
            observation.outputs(operation, future.result(), by_content=False)
            operation.end()

    future.add_done_callback(done)


def _collecting(frame: FrameType) -> OpenOperation:
    version = sys.modules["polars"].__version__
    return OpenOperation(Call("polars", "collect", "query", version), frame, {}, ())

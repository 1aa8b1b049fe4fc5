"""What an optimised plan of Polars says, and what stands for an expression in ids."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from otelprov.artifacts.digest import NoCanonicalForm
from otelprov.artifacts.interruptions import is_of_the_program
from otelprov.artifacts.registration import register
from otelprov.instrumentation.polars.column_sources import column_sources
from otelprov.recording import faults
from otelprov.recording.column_sources import ColumnSources
from otelprov.recording.plans import Explained, Taken, plans


def explain(parameters: Mapping[str, Any]) -> Explained | None:
    """The optimised plan of a LazyFrame that is about to be executed, and what that takes.

    Polars optimises it once more for that, which reads no data: the heads of files that it looks at
    are not looked at again. None where that would call functions of the program's own or be told to
    the program in log lines, and for a plan that is wrong, as Polars will say itself.
    """
    lazy = parameters["self"]
    plan = plans.lookup(lazy)
    if plan is None or plan.runs_functions or not hasattr(lazy, "explain"):
        return None
    if os.environ.get("POLARS_VERBOSE", "0") not in ("", "0"):  # its optimiser writes to stderr
        return None
    try:
        with _unwarned():
            # In this order: visit() holds the GIL while it asks a store for the head of a file of
            # CSV or JSON lines, and Polars waits for the GIL to ask (2.1). What explain() has
            # seen of it is not asked for again.
            text = lazy.explain()
            nodes = lazy._ldf.visit()
            return Explained(text, tuple(_taken(nodes)), *_columns(nodes))
    except BaseException as error:
        # A panic in Rust is no Exception.
        if type(error).__name__ != "PanicException" and (
            not isinstance(error, Exception) or is_of_the_program(error)
        ):
            raise
        return None


def explain_all(parameters: Mapping[str, Any]) -> Explained | None:
    """The same of several."""
    found = [explain({"self": lazy}) for lazy in parameters["lazy_frames"]]
    if any(one is None for one in found):
        return None
    known = [one for one in found if one is not None]
    if len(known) == 1:
        return known[0]
    return Explained(
        "\n\n".join(one.text for one in known), tuple(t for one in known for t in one.taken)
    )


def _columns(nodes: Any) -> tuple[ColumnSources | None, tuple[Taken, ...]]:
    """Where the columns come from. A plan that is of another form than is known says less."""
    found = None
    with faults.contained("where the columns of a query come from is not known"):
        found = column_sources(nodes)
    return (None, ()) if found is None else found


def _taken(nodes: Any) -> Iterable[Taken]:
    """What the nodes of an optimised plan that read something say. What cuDF reads plans with:
    there since Polars 1.0, and not documented."""
    start = nodes.get_node()
    todo, seen = [start], set()
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
    nodes.set_node(start)


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


# Reentrant: a signal handler of the program may execute a plan while this is held.
_lock = threading.RLock()


def _new_lock() -> None:
    global _lock
    _lock = threading.RLock()  # another thread may have held it when the process was forked


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

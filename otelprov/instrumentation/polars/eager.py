"""Where the columns of an eager result come from, as the expressions among its arguments say."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from otelprov.artifacts.registry import Identity
from otelprov.instrumentation._calls import Observed
from otelprov.recording import observation
from otelprov.recording.column_sources import ColumnSources, Origin
from otelprov.recording.plans import plans


class Computed(Observed):
    """A call whose arguments are columns: so is an array of a few values."""

    __slots__ = ()

    def _inputs(self) -> tuple[list[tuple[str, Identity]], set[str]]:
        return observation.inputs(self.parameters, few=True)


class _Said(NamedTuple):
    """One expression: the name that it gives, and the columns in it."""

    name: str
    roots: tuple[str, ...]
    how: str


def said_by(name: str) -> Callable[[Mapping[str, Any]], ColumnSources | None]:
    """Where the columns of ``DataFrame.<name>``, or of ``agg``, come from; None where an expression
    stands for several columns, or holds data or functions: then the reader has to say less."""
    return partial(_come_from, name)


def _come_from(name: str, parameters: Mapping[str, Any]) -> ColumnSources | None:
    target = parameters["self"]
    if name == "agg":
        keys = _all_said((*_flat(target.by), *target.named_by.items()))
        values = _given(parameters, "aggs", "named_aggs")
        if keys is None or values is None:
            return None
        columns = {one.name: _origins(one) for one in keys}
        columns |= {one.name: _origins(one, "aggregation") for one in values}
        return ColumnSources(columns, rows=_rows(keys, "group_by"))
    if name == "filter":
        said = _given(parameters, "predicates", "constraints")
        if said is None or any(one.how == "constraint" for one in said):
            return None
        return ColumnSources({}, rows=_rows(said, "filter"), others=0)
    if name == "sort":
        said = _all_said([*_flat([parameters["by"]]), *_flat(parameters.get("more_by", ()))])
        return None if said is None else ColumnSources({}, rows=_rows(said, "sort"), others=0)
    said = _given(parameters, "exprs", "named_exprs")
    if said is None:
        return None
    made = {one.name: _origins(one) for one in said}
    return ColumnSources(made, others=None if name.startswith("select") else 0)


def _origins(said: _Said, how: str | None = None) -> tuple[Origin, ...]:
    return tuple(Origin(0, root, how or said.how) for root in said.roots)


def _rows(said: Iterable[_Said], why: str) -> tuple[Origin, ...]:
    roots = dict.fromkeys(root for one in said for root in one.roots)
    return tuple(Origin(0, root, why) for root in roots)


_OWN = frozenset({"self", "maintain_order", "descending", "nulls_last", "multithreaded"})


def _given(parameters: Mapping[str, Any], several: str, named: str) -> list[_Said] | None:
    """What ``*exprs`` and ``**named_exprs`` took up."""
    positional = _flat(parameters.get(several, ()))
    keywords = [
        (name, value)
        for name, value in parameters.items()
        if name not in _OWN and name not in (several, named)
    ]
    return _all_said((*positional, *keywords))


def _flat(values: Any) -> Iterator[Any]:
    for value in values if isinstance(values, (list, tuple)) else (values,):
        if isinstance(value, (list, tuple)):
            yield from _flat(value)
        else:
            yield value


def _all_said(values: Iterable[Any]) -> list[_Said] | None:
    expression = sys.modules["polars"].Expr
    found = []
    for value in values:
        name = None
        if isinstance(value, tuple):
            name, value = value
        if isinstance(value, str):
            if name is None and (value == "*" or value.startswith("^")):
                return None
            # `x="a"` is the column `a`, too.
            found.append(_Said(name or value, (value,), "identity"))
        elif isinstance(value, (bool, int, float, type(None))) and name is not None:
            found.append(_Said(name, (), "transformation"))
        elif isinstance(value, expression):
            one = _of_expression(value, name)
            if one is None:
                return None
            found.append(one)
        else:
            return None
    return found


def _of_expression(value: Any, name: str | None) -> _Said | None:
    meta = value.meta
    if plans.lookup(value) is not None or meta.has_multiple_outputs():
        return None
    name = name or meta.output_name(raise_if_undetermined=False)
    if name is None:
        return None
    roots = tuple(dict.fromkeys(meta.root_names()))
    same = len(roots) == 1 and meta.undo_aliases().meta.eq(sys.modules["polars"].col(roots[0]))
    return _Said(name, roots, "identity" if same else "transformation")

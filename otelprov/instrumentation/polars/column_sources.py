"""Where the columns of a query come from, as the optimised plan of Polars says it.

Node by node, from the sources: what Polars hands to other engines (cuDF), there since 1.0 and not
documented. A node or an expression that it does not show, or that is not known here, makes the
columns after it opaque: all that they can come from is said, and that it is no more than that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from otelprov._record import record
from otelprov.recording.column_sources import ColumnSources, Origin, by_name
from otelprov.recording.plans import Taken

MAX_NODES: Final = 2_000
"""Nodes and expressions of one plan that are looked at: 0.5 µs each."""


def column_sources(nodes: Any) -> tuple[ColumnSources, tuple[Taken, ...]] | None:
    """Of the plan that ``nodes`` (``NodeTraverser``) goes through: its columns, and its sources by
    number. None for a plan that is too long."""
    plan = _Plan(nodes)
    try:
        made = plan.at(nodes.get_node())
    except _TooLong:
        return None
    return (
        ColumnSources(
            by_name({name: column.origins for name, column in made.items()}),
            frozenset(name for name, column in made.items() if column.opaque),
            tuple(dict.fromkeys(plan.rows)),
        ),
        tuple(plan.leaves),
    )


class _TooLong(Exception):
    """A plan of more nodes than are looked at."""


@record
class _Column:
    origins: tuple[Origin, ...] = ()
    opaque: bool = False


_Table = Mapping[str, _Column]

# The parts of an expression by its kind: attributes that hold the number of one, or several.
_PARTS: Final = {
    "Alias": ("expr",),
    "BinaryExpr": ("left", "right"),
    "Cast": ("expr",),
    "Explode": ("expr",),
    "Sort": ("expr",),
    "SortBy": ("expr", "by"),
    "Gather": ("expr", "idx"),
    "Filter": ("input", "by"),
    "Ternary": ("predicate", "truthy", "falsy"),
    "Function": ("input",),
    "Slice": ("input", "offset", "length"),
    "Window": ("function", "partition_by", "order_by"),
    "Agg": ("arguments",),
    "Rolling": ("function",),
    "Literal": (),
    "Len": (),
}
_AGGREGATES: Final = frozenset({"Agg", "Len"})
_SAME: Final = frozenset({"Alias", "Sort", "Slice", "Explode"})
"""Kinds of expressions that choose and order values, and change none."""


class _Plan:
    def __init__(self, nodes: Any) -> None:
        self._nodes = nodes
        self._known: dict[int, _Table] = {}
        self._left = MAX_NODES
        self.leaves: list[Taken] = []
        self.rows: list[Origin] = []

    def at(self, number: int) -> _Table:
        """The columns that a node gives."""
        found = self._known.get(number)
        if found is None:
            found = self._known[number] = self._made(number)
        return found

    def _made(self, number: int) -> _Table:
        self._count()
        nodes = self._nodes
        nodes.set_node(number)
        names = list(nodes.get_schema())
        inputs = list(nodes.get_inputs())
        try:
            node = nodes.view_current_node()
        except NotImplementedError:
            node = None
        kind = type(node).__name__
        if kind == "Scan":
            return self._scan(node, names, number)
        if kind == "DataFrameScan":
            columns = tuple(node.df.columns())
            leaf = self._leaf(Taken((), None, all_columns=columns))
            return {name: _Column((Origin(leaf, name, "identity"),)) for name in names}
        if node is None and not inputs:
            return self._unseen(names)
        before = [self.at(one) for one in inputs]
        nodes.set_node(number)
        known = self._of(kind, node, names, before, inputs)
        return known if known is not None else _any(names, before)

    def _of(
        self, kind: str, node: Any, names: list[str], before: list[_Table], inputs: list[int]
    ) -> _Table | None:
        if kind in ("SimpleProjection", "Slice", "Cache", "Sink", "Filter", "Sort", "Distinct"):
            (table,) = before
            if kind == "Filter":
                self._row((node.predicate,), table, "filter")
            elif kind == "Sort":
                self._row(node.by_column, table, "sort")
            return _same(names, table)
        if kind == "Select":
            return {one.output_name: self._column(one.node, before[0]) for one in node.expr}
        if kind == "HStack":
            own = {one.output_name: self._column(one.node, before[0]) for one in node.exprs}
            return {name: own.get(name) or before[0][name] for name in names}
        if kind == "GroupBy":
            (table,) = before
            self._row(node.keys, table, "group_by")
            found = {one.output_name: self._column(one.node, table) for one in node.keys}
            for one in node.aggs:
                found[one.output_name] = _turned(self._column(one.node, table), "aggregation")
            return found if set(found) == set(names) and not node.apply else None
        if kind == "Join":
            return self._join(node, names, before, inputs)
        if kind == "Union":
            return {
                name: _all([table[name] for table in before if name in table]) for name in names
            }
        if kind == "HConcat":
            found = {}
            for table in before:
                found.update(table)
            return {name: found[name] for name in names} if set(names) <= set(found) else None
        if kind == "MapFunction":
            return _mapped(node.function, names, before[0])
        return None

    def _unseen(self, names: list[str]) -> _Table:
        """Of a source that Polars does not show (a scan of an IPC file), or that has no name."""
        leaf = self._leaf(Taken((), None))
        return dict.fromkeys(names, _Column((Origin(leaf, None, "transformation"),), True))

    def _scan(self, node: Any, names: list[str], number: int) -> _Table:
        if not node.paths:
            return self._unseen(names)
        leaf = self._leaf(Taken(tuple(map(str, node.paths)), None))
        found = {name: _Column((Origin(leaf, name, "identity"),)) for name in names}
        options = node.file_options
        for made in (
            getattr(options, "row_index", None),
            getattr(options, "include_file_paths", None),
        ):
            name = made[0] if isinstance(made, tuple) else made
            if isinstance(name, str) and name in found:
                found[name] = _Column()
        if node.predicate is not None:
            read = {name: (Origin(leaf, name, "identity"),) for name in self._roots(node.predicate)}
            self._row((node.predicate,), {n: _Column(one) for n, one in read.items()}, "filter")
            self._nodes.set_node(number)
        return found

    def _join(
        self, node: Any, names: list[str], before: list[_Table], inputs: list[int]
    ) -> _Table | None:
        left, right = before
        how, options = node.options[0], node.options
        texts = [one for one in options[2:] if isinstance(one, str)]
        flags = [one for one in options[3:] if isinstance(one, bool)]
        if not isinstance(how, str) or not texts:
            return None
        suffix, coalesces = texts[0], bool(flags and flags[0])
        self._nodes.set_node(inputs[0])
        self._row(node.left_on, left, "join")
        self._nodes.set_node(inputs[1])
        self._row(node.right_on, right, "join")
        keys = {
            one.output_name: other.output_name
            for one, other in zip(node.left_on, node.right_on, strict=False)
        }
        found: dict[str, _Column] = {}
        for name in names:
            base = name[: -len(suffix)] if suffix and name.endswith(suffix) else None
            if name in left and name in keys and coalesces and how in ("Right", "Full"):
                other = right.get(keys[name], _Column(opaque=True))
                found[name] = other if how == "Right" else _all([left[name], other])
            elif name in left:
                found[name] = left[name]
            elif name in right:
                found[name] = right[name]
            elif base is not None and base in right:
                found[name] = right[base]
            else:
                return None
        return found

    # --- expressions ---

    def _column(self, number: int, table: _Table) -> _Column:
        """What an expression over a table gives."""
        self._count()
        try:
            node = self._nodes.view_expression(number)
        except NotImplementedError:
            return _all(table.values(), opaque=True)
        kind = type(node).__name__
        if kind == "Column":
            return table.get(node.name, _Column(opaque=True))
        parts = _PARTS.get(kind)
        if parts is None:
            return _all(table.values(), opaque=True)
        numbers: list[int] = []
        for part in parts:
            value = getattr(node, part, None)
            numbers += value if isinstance(value, list) else [] if value is None else [value]
        if any(type(one) is not int for one in numbers):
            return _all(table.values(), opaque=True)
        found = _all([self._column(one, table) for one in numbers])
        if kind in _SAME:
            return found
        return _turned(found, "aggregation" if kind in _AGGREGATES else "transformation")

    def _roots(self, expression: Any) -> list[str]:
        """The names of the columns in an expression."""
        found: list[str] = []
        todo = [expression.node]
        while todo:
            self._count()
            try:
                node = self._nodes.view_expression(todo.pop())
            except NotImplementedError:
                continue
            if type(node).__name__ == "Column":
                found.append(node.name)
            for part in _PARTS.get(type(node).__name__, ()):
                value = getattr(node, part, None)
                todo += [
                    one
                    for one in (value if isinstance(value, list) else [value])
                    if type(one) is int
                ]
        return found

    def _row(self, expressions: Iterable[Any], table: _Table, why: str) -> None:
        for one in expressions:
            self.rows += [
                Origin(origin.source, origin.column, why)
                for origin in self._column(one.node, table).origins
            ]

    def _leaf(self, taken: Taken) -> int:
        if taken not in self.leaves:
            self.leaves.append(taken)
        return self.leaves.index(taken)

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise _TooLong


def _mapped(function: Any, names: list[str], table: _Table) -> _Table | None:
    """A function over a whole table."""
    kind, *rest = function if isinstance(function, tuple) else (function,)
    if kind == "rename" and len(rest) > 1:
        before = dict(zip(rest[1], rest[0], strict=False))
        if all(before.get(name, name) in table for name in names):
            return {name: table[before.get(name, name)] for name in names}
    if kind in ("explode", "row_index", "rechunk", "drop_nulls", "fast_count"):
        return {name: table.get(name, _Column()) for name in names}
    return None


def _same(names: Sequence[str], table: _Table) -> _Table:
    return {name: table.get(name, _Column(opaque=True)) for name in names}


def _any(names: Sequence[str], before: Iterable[_Table]) -> _Table:
    """Nothing is known but what they can come from."""
    every = _all([one for table in before for one in table.values()], opaque=True)
    return dict.fromkeys(names, every)


def _all(columns: Iterable[_Column], *, opaque: bool = False) -> _Column:
    columns = list(columns)
    origins = dict.fromkeys(origin for one in columns for origin in one.origins)
    return _Column(tuple(origins), opaque or any(one.opaque for one in columns))


def _turned(column: _Column, how: str) -> _Column:
    """An aggregation stays one, whatever is computed of it."""
    return _Column(
        tuple(
            Origin(one.source, one.column, one.how if one.how == "aggregation" else how)
            for one in column.origins
        ),
        column.opaque,
    )

"""Calls that follow each other in a chain, all from one line of code: one row for them.

A loop that changes a table 1,000 times is 1,000 operations, and says nothing new in each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from otelprov.model import Operation
from otelprov.render.layout import Row

_FEWEST = 4  # three and fewer are told one by one
_CORNERS = {"├─": "│ ", "╰─": "  "}


def fold(
    rows: Sequence[Row], operations: Mapping[str, Operation], stands_out: Callable[[str], bool]
) -> list[Row]:
    """The rows, with one for each sequence of like operations between which nothing branches off.

    ``stands_out`` says of an operation that it must keep its own row: it is referred to.
    """
    found: list[Row] = []
    group: list[Row] = []
    for place, row in enumerate(rows):
        operation = operations.get(row.id) if row.kind == "operation" else None
        rest = _rest(row.gutter)
        after = rows[place + 1].gutter if place + 1 < len(rows) else ""
        branches = after in [rest + corner for corner in _CORNERS]
        like = operation is not None and not branches and not stands_out(row.id)
        if group and not (
            like
            and row.gutter == _rest(group[-1].gutter)
            and _likeness(operation) == _likeness(operations[group[-1].id])
        ):
            found += _folded(group)
            group = []
        if like and _likeness(operation) is not None:
            group.append(row)
        else:
            found.append(row)
    return found + _folded(group)


def summary(operations: Sequence[Operation], shown: Operation) -> Operation:
    """One operation for several: all their calls, and the parameters that never changed."""
    constant = [
        name
        for name in shown.given
        if all(
            name in one.given and one.parameters.get(name) == shown.parameters.get(name)
            for one in operations
        )
    ]
    return replace(shown, calls=sum(one.calls for one in operations), given=tuple(constant))


def _rest(gutter: str) -> str:
    """What stands before the following rows of a chain."""
    return gutter[:-2] + _CORNERS.get(gutter[-2:], gutter[-2:])


def _likeness(operation: Operation | None) -> tuple[object, ...] | None:
    """What operations that are told together have in common; None for one told by itself."""
    if operation is None or operation.status != "ok" or operation.pending:
        return None
    code = operation.code
    if not code.file or code.line is None:
        return None
    return (operation.name, code.file, code.line, code.revision, code.dirty, operation.run)


def _folded(group: list[Row]) -> list[Row]:
    if len(group) < _FEWEST:
        return group
    return [replace(group[0], folded=tuple(row.id for row in group))]

"""What ``otelprov id A B --explain`` prints: for people, and as JSON (docs/difference-json.md)."""

# ruff: noqa: RUF001 - the sign is the right one

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from otelprov.cli.explain import EQUAL, Explanation, FileDifference, Side, Verdict
from otelprov.render.words import clean, short_id

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from otelprov.artifacts.compare import ColumnPair, Rows, TableDifference
    from otelprov.artifacts.compare import Side as Column
    from otelprov.artifacts.differences import Cell, ColumnCells

SCHEMA: Final = "otelprov.difference/1"
_LISTED = 20
_RANGES = 5
_LONGEST = 60

_VERDICTS: Final[dict[Verdict, str]] = {
    "same bytes": "equal: the same bytes",
    "same table": "equal: the same table, different bytes",
    "different table": "different tables",
    "different bytes": "different bytes",
}


# --- for people ----------------------------------------------------------------------------------


def print_explanation(found: Explanation, *, values: bool) -> None:
    """Print it on a console of 100 columns at most."""
    from rich.table import Table
    from rich.text import Text

    from otelprov.cli.common import console

    out = console()
    sides = Table.grid(padding=(0, 2))
    for letter, side in (("A", found.a), ("B", found.b)):
        asked = f"{clean(side.asked)} in " if side.asked else ""
        sides.add_row(
            letter, asked + clean(str(side.path)), short_id(side.table or side.artifact.id)
        )
    out.print(sides)
    colour = "green" if found.verdict in EQUAL else "red"
    out.print(Text(_VERDICTS[found.verdict], style=f"bold {colour}"))
    body = Table.grid(padding=(0, 2))
    body.add_column(no_wrap=True)
    body.add_column(overflow="fold")
    _file_rows(body, found.files)
    if found.first_byte is not None:
        sizes = [side.artifact.bytes or 0 for side in (found.a, found.b)]
        what = "the shorter is the beginning of the longer" if found.first_byte == min(sizes) else (
            f"the first that differs is byte {found.first_byte:,}"
        )  # fmt: skip
        body.add_row("bytes", f"{sizes[0]:,} in A, {sizes[1]:,} in B; {what}")
    if found.table is not None:
        _table_rows(body, found.table, found)
    for note in found.notes:
        body.add_row("note", clean(note))
    if body.rows:
        out.print(body)
    if found.cells is not None and found.cells.first:
        out.print(Text(_heading(found), style="bold"))
        out.print(_cells_table(found.cells.first, values))
    if found.table is not None and not found.equal:
        out.print(Text("rows and columns are counted from 0", style="dim"))


def _table_rows(body: Table, table: TableDifference, found: Explanation) -> None:
    a, b = table.rows
    both = f"{a:,} in both" if a == b else f"{a:,} in A, {b:,} in B"
    body.add_row("rows", both)
    if found.shift is not None:
        body.add_row("", _shift(found.shift.row, found.shift.count, a))
    body.add_row("columns", f"{len(table.pairs):,} in both")
    if table.equal:
        return
    _listed(body, "only in A", [f"{_name(c.name)}  {clean(c.type)}" for c in table.only_a])
    _listed(body, "only in B", [f"{_name(c.name)}  {clean(c.type)}" for c in table.only_b])
    renamed = [pair for pair in table.pairs if pair.renamed]
    _listed(
        body,
        "renamed",
        [f"{_name(p.a.name)} → {_name(p.b.name)}, content the same" for p in renamed],
    )
    names_b = {one.position: one.name for one in (*(p.b for p in table.pairs), *table.only_b)}
    moved = [
        f"{_name(pair.b.name)}, now after {_name(names_b[pair.b.position - 1])}"
        if pair.b.position
        else f"{_name(pair.b.name)}, now first"
        for pair in table.moved
    ]
    _listed(body, "moved", moved)
    if found.shift is not None:
        return
    counted = {one.column: one for one in found.cells.columns} if found.cells else {}
    differing = [
        f"{_name(pair.b.name)}  {_differs(pair, counted.get(pair), table)}"
        for pair in table.differing
    ]
    _listed(body, "differs", differing)
    same = sum(pair.equal for pair in table.pairs)
    if differing and same:
        body.add_row("the same", f"{same:,} other column{'' if same == 1 else 's'}")
    if a != b:
        shorter, longer = ("A", "B") if a < b else ("B", "A")
        body.add_row(
            "not compared",
            f"rows {_rows_text(table.common_rows, max(a, b))}, which only {longer} has: rows are "
            f"compared one with one, as far as {shorter} has any",
        )


def _shift(row: int, count: int, rows_of_a: int) -> str:
    longer, shorter = ("B", "A") if count > 0 else ("A", "B")
    number = abs(count)
    shared = min(rows_of_a, rows_of_a + count)
    where = (
        f"rows {_rows_text(row, row + number)}" if number > 1 else f"row {row:,}"
    ) + f" of {longer}"
    only = f"{where}: not in {shorter}"
    if row == shared:
        return f"{only}; all rows before are the same"
    if row == 0:
        return f"{only}; all rows after are the same, moved by {number:,}"
    return f"{only}; all rows before are the same, all rows after too, moved by {number:,}"


def _differs(pair: ColumnPair, counted: ColumnCells | None, table: TableDifference) -> str:
    parts = []
    if pair.retyped:
        parts.append(f"type {clean(pair.a.type)} → {clean(pair.b.type)}")
    if counted is None:
        if table.common_rows and not pair.blocks:
            parts.append("the same bytes")
    elif counted.differing is None:
        parts.append(clean(counted.reason or "not compared"))
    elif pair.retyped and not counted.differing:
        parts.append("all values are the same")
    elif counted.differing or pair.blocks:
        of = f"{counted.differing:,} of {table.common_rows:,} cells"
        parts.append(f"{of}, in rows {_ranges(pair.blocks)}" if counted.differing else of)
    return "; ".join(parts) or "in the rows that only one has"


def _ranges(blocks: Sequence[Rows]) -> str:
    shown = ", ".join(_rows_text(one.start, one.stop) for one in blocks[:_RANGES])
    more = len(blocks) - _RANGES
    return shown + (f" and {more:,} ranges more" if more > 0 else "")


def _rows_text(start: int, stop: int) -> str:
    return f"{start:,}–{stop - 1:,}" if stop - start > 1 else f"{start:,}"


def _heading(found: Explanation) -> str:
    assert found.cells is not None
    rows = found.cells.rows
    shown = len({cell.row for cell in found.cells.first})
    if rows == 1:
        return "1 row differs"
    return f"{rows:,} rows differ" + (f"; the first {shown}" if shown < rows else "")


def _cells_table(cells: Iterable[Cell], values: bool) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("row", justify="right", no_wrap=True)
    table.add_column("column", overflow="fold", max_width=40)
    if values:
        table.add_column("A", overflow="fold")
        table.add_column("B", overflow="fold")
    before = None
    for number, cell in enumerate(cells):
        if number >= 2 * _LISTED:
            table.add_row("…", "")
            break
        row = "" if cell.row == before else f"{cell.row:,}"
        before = cell.row
        shown: list[str | Text] = [row, _name(cell.column.b.name)]
        if values:
            shown += [Text(_value(cell.a), style="red"), Text(_value(cell.b), style="green")]
        table.add_row(*shown)
    return table


def _file_rows(body: Table, files: Sequence[FileDifference]) -> None:
    if not files:
        return
    same = sum(one.state == "same bytes" for one in files)
    body.add_row("files", f"{same:,} of {len(files):,} have the same bytes")
    for state in ("same table", "different", "moved", "only in A", "only in B"):
        label = "same table, other bytes" if state == "same table" else state
        _listed(
            body,
            label,
            [
                clean(one.path) + (f" → {clean(one.to)}" if one.to else "")
                for one in files
                if one.state == state
            ],
        )


def _listed(body: Table, label: str, lines: Sequence[str]) -> None:
    for number, line in enumerate(lines[:_LISTED]):
        body.add_row("" if number else label, line)
    if len(lines) > _LISTED:
        body.add_row("", f"… and {len(lines) - _LISTED:,} more (--format json has all)")


def _name(name: str) -> str:
    return _shortened(clean(name) or '""')


def _value(value: object) -> str:
    return "null" if value is None else _shortened(clean(repr(value)))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


# --- for programs --------------------------------------------------------------------------------


def to_dict(found: Explanation, *, values: bool) -> dict[str, Any]:
    """As docs/difference-json.md describes it."""
    return {
        "schema": SCHEMA,
        "equal": found.equal,
        "verdict": found.verdict,
        "a": _side(found.a),
        "b": _side(found.b),
        "table": None if found.table is None else _table(found.table, found, values),
        "first_byte": found.first_byte,
        "files": [{"path": one.path, "state": one.state, "to": one.to} for one in found.files],
        "notes": list(found.notes),
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "path": str(side.path),
        "asked": side.asked,
        "id": side.artifact.id,
        "bytes": side.artifact.bytes,
        "table": side.table,
    }


def _table(table: TableDifference, found: Explanation, values: bool) -> dict[str, Any]:
    cells, shift = found.cells, found.shift
    counted = {one.column: one for one in cells.columns} if cells else {}
    return {
        "rows": {"a": table.rows[0], "b": table.rows[1]},
        "columns": [_pair(pair, counted.get(pair), pair in table.moved) for pair in table.pairs],
        "only_in_a": [_column(one) for one in table.only_a],
        "only_in_b": [_column(one) for one in table.only_b],
        "shift": None if shift is None else {"row": shift.row, "count": shift.count},
        "rows_differing": None if cells is None else cells.rows,
        "first": [_cell(one, values) for one in cells.first] if cells else [],
    }


def _pair(pair: ColumnPair, counted: ColumnCells | None, moved: bool) -> dict[str, Any]:
    return {
        "a": _column(pair.a),
        "b": _column(pair.b),
        "equal": pair.equal,
        "moved": moved,
        "blocks": [[one.start, one.stop] for one in pair.blocks],
        "cells_differing": counted.differing if counted else 0 if pair.equal else None,
        "reason": counted.reason if counted else None,
    }


def _column(column: Column) -> dict[str, Any]:
    return {"position": column.position, "name": column.name, "type": column.type}


def _cell(cell: Cell, values: bool) -> dict[str, Any]:
    told = {"row": cell.row, "a_column": cell.column.a.name, "b_column": cell.column.b.name}
    return {**told, "a": _plain(cell.a), "b": _plain(cell.b)} if values else told


def _plain(value: object) -> object:
    """What JSON has, and the text of everything else."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return repr(value) if not isinstance(value, float) else str(value)

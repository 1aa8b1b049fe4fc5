"""Which rows and cells of two tables differ: only the blocks that do are read again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from otelprov._record import record
from otelprov.artifacts import cells
from otelprov.artifacts.compare import ColumnPair, Rows, TableDifference
from otelprov.artifacts.digest import BLOCK_ROWS
from otelprov.artifacts.stored import Progress, StoredTable, blocks, digest_from, overlapping


@record
class Cell:
    """A cell that differs. ``a`` and ``b`` are the values, where they were asked for."""

    row: int
    column: ColumnPair
    a: object = None
    b: object = None


@record
class ColumnCells:
    """How many cells of a column differ; None and a reason where that cannot be said."""

    column: ColumnPair
    differing: int | None
    reason: str | None = None


@record
class Shift:
    """Rows that only one table has, between rows that both have.

    ``count`` rows from ``row`` on are only in B, or with ``count`` below 0 only in A. All before
    them are the same, and all after them too, moved by ``count``.
    """

    row: int
    count: int


@record
class Cells:
    """What the closer look found. Only rows that both tables have are compared, one with one."""

    columns: tuple[ColumnCells, ...]
    rows: int
    """Rows in which a cell differs."""
    first: tuple[Cell, ...]
    """The first cells that differ, by row and column."""


def look(
    a: StoredTable,
    b: StoredTable,
    difference: TableDifference,
    *,
    examples: int,
    values: bool = False,
    progress: Progress | None = None,
) -> Cells:
    """Compare the blocks that differ, cell by cell.

    ``examples`` is the number of rows that are told one by one, ``values`` whether with what is in
    their cells.

    Raises:
        Unreadable: a part of a table cannot be read.
        NoCanonicalForm: for values that have no canonical form.
    """
    pairs = difference.differing
    counts: list[int | None] = [0] * len(pairs)
    reasons: list[str | None] = [None] * len(pairs)
    found: list[Cell] = []
    rows = shown = 0
    wanted = _blocks(pairs)
    for piece, arrays_a, arrays_b in _side_by_side(a, b, pairs, wanted):
        masks = []
        for number, pair in enumerate(pairs):
            mask = None
            if counts[number] is not None and _touches(pair, piece):
                try:
                    mask = cells.differing(
                        arrays_a[number],
                        arrays_b[number],
                        a.schema.field(pair.a.position),
                        b.schema.field(pair.b.position),
                    )
                except cells.Incomparable as error:
                    counts[number], reasons[number] = None, str(error)
                else:
                    counts[number] = (counts[number] or 0) + int(mask.sum())
            masks.append(mask)
        places = _any(masks)
        rows += len(places)
        for place in places[: max(examples - shown, 0)]:
            shown += 1
            for number, mask in enumerate(masks):
                if mask is not None and mask[place]:
                    seen = (arrays_a[number], arrays_b[number]) if values else ()
                    found.append(
                        Cell(piece.start + place, pairs[number], *(_value(s, place) for s in seen))
                    )
        if progress is not None:
            progress(piece.stop - piece.start)
    columns = zip(pairs, counts, reasons, strict=True)
    return Cells(tuple(ColumnCells(*column) for column in columns), rows, tuple(found))


def shift(
    a: StoredTable, b: StoredTable, difference: TableDifference, progress: Progress | None = None
) -> Shift | None:
    """Whether rows were put in or taken out at one place, and nothing else was changed.

    Found by content alone: the rows before the first that differs are the same, and those after it
    have the same digests when they are counted from the other row.

    Raises:
        Unreadable: a part of a table cannot be read.
        NoCanonicalForm: for values that have no canonical form.
    """
    pairs = difference.pairs
    count = difference.rows[1] - difference.rows[0]
    whole = not difference.only_a and not difference.only_b
    if not count or not whole or any(pair.retyped for pair in pairs):
        return None
    row = _first_row(a, b, difference)
    start_a, start_b = (row, row + count) if count > 0 else (row - count, row)
    one = digest_from(a, start_a, [pair.a.position for pair in pairs], progress)
    other = digest_from(b, start_b, [pair.b.position for pair in pairs], progress)
    digests = ([column.digest for column in table.columns] for table in (one, other))
    return Shift(row, count) if one.rows == other.rows and next(digests) == next(digests) else None


def _first_row(a: StoredTable, b: StoredTable, difference: TableDifference) -> int:
    """The first row in which a cell differs; the row after the shorter table if none does."""
    pairs = difference.differing
    for piece, arrays_a, arrays_b in _side_by_side(a, b, pairs, _blocks(pairs)):
        masks = [
            cells.differing(
                arrays_a[number],
                arrays_b[number],
                a.schema.field(pair.a.position),
                b.schema.field(pair.b.position),
            )
            if _touches(pair, piece)
            else None
            for number, pair in enumerate(pairs)
        ]
        places = _any(masks)
        if places:
            return piece.start + places[0]
    return difference.common_rows


def _side_by_side(
    a: StoredTable, b: StoredTable, pairs: Sequence[ColumnPair], wanted: Sequence[Rows]
) -> Iterator[tuple[Rows, list[Any], list[Any]]]:
    first = blocks(a, [pair.a.position for pair in pairs], wanted)
    second = blocks(b, [pair.b.position for pair in pairs], wanted)
    for (piece, arrays_a), (_, arrays_b) in zip(first, second, strict=True):
        yield piece, arrays_a, arrays_b


def _blocks(pairs: Sequence[ColumnPair]) -> list[Rows]:
    """The rows of all blocks in which some column differs, in order."""
    starts: dict[int, int] = {}
    for pair in pairs:
        for rows in pair.blocks:
            for start in range(rows.start, rows.stop, BLOCK_ROWS):
                starts[start] = min(start + BLOCK_ROWS, rows.stop)
    return [Rows(start, starts[start]) for start in sorted(starts)]


def _touches(pair: ColumnPair, piece: Rows) -> bool:
    return overlapping(piece.start, piece.stop - piece.start, pair.blocks)


def _any(masks: Sequence[Any]) -> list[int]:
    """The places at which one of the masks is true."""
    import numpy

    real = [mask for mask in masks if mask is not None]
    if not real:
        return []
    found: list[int] = numpy.flatnonzero(numpy.logical_or.reduce(real)).tolist()
    return found


def _value(pieces: Sequence[Any], place: int) -> object:
    for piece in pieces:
        if place < len(piece):
            scalar = piece[place]
            try:
                return scalar.as_py()
            except Exception:  # a zone that Python does not know, a year after 9999
                return str(scalar)
        place -= len(piece)
    raise IndexError(place)

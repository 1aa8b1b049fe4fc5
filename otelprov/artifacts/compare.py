"""Where two tables differ, from their digests alone: no value is read.

The tree of docs/artifact-identity.md answers in three steps: equal ids are equal tables; of tables
that differ, equal column digests are columns that passed unchanged, whatever they are called; and
of columns that differ, equal block digests are rows that need not be looked at.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping

from otelprov._record import record
from otelprov.artifacts.digest import BLOCK_ROWS, ColumnDigest, TableDigest


@record
class Rows:
    """Rows from ``start`` on, up to and without ``stop``; the first row of a table is 0."""

    start: int
    stop: int


@record
class Side:
    """A column of one of the tables; the first position is 0."""

    position: int
    name: str
    type: str


@record
class ColumnPair:
    """A column that both tables have."""

    a: Side
    b: Side
    equal: bool
    """Whether types and values are the same; names and positions may differ."""
    blocks: tuple[Rows, ...] = ()
    """The blocks that differ, those beside each other as one; only rows that both tables have."""

    @property
    def renamed(self) -> bool:
        """Whether it has another name. Columns of different names are paired by content alone."""
        return self.a.name != self.b.name

    @property
    def retyped(self) -> bool:
        """Whether it has another type."""
        return self.a.type != self.b.type


@record
class TableDifference:
    """How table B differs from table A."""

    equal: bool
    rows: tuple[int, int]
    """Rows of A and of B."""
    pairs: tuple[ColumnPair, ...]
    """In the order of A."""
    only_a: tuple[Side, ...]
    only_b: tuple[Side, ...]
    moved: tuple[ColumnPair, ...]
    """The fewest columns that must be put elsewhere to give the others the same order."""

    @property
    def differing(self) -> tuple[ColumnPair, ...]:
        """The columns whose type or values differ."""
        return tuple(pair for pair in self.pairs if not pair.equal)

    @property
    def common_rows(self) -> int:
        """How many rows can be compared, one with one."""
        return min(self.rows)


def compare(a: TableDigest, b: TableDigest) -> TableDifference:
    """Which columns and which blocks of rows differ between two tables.

    Raises:
        ValueError: the digests were made without those of the blocks.
    """
    places = _paired(a.columns, b.columns)
    common = min(a.rows, b.rows)
    pairs = tuple(
        _pair(_side(a, i), _side(b, j), a.columns[i], b.columns[j], common)
        for i, j in sorted(places.items())
    )
    taken = set(places.values())
    return TableDifference(
        equal=a.id == b.id,
        rows=(a.rows, b.rows),
        pairs=pairs,
        only_a=tuple(_side(a, i) for i in range(len(a.columns)) if i not in places),
        only_b=tuple(_side(b, j) for j in range(len(b.columns)) if j not in taken),
        moved=_moved(pairs),
    )


def _side(table: TableDigest, position: int) -> Side:
    column = table.columns[position]
    return Side(position, column.name, column.type)


def _pair(a: Side, b: Side, first: ColumnDigest, second: ColumnDigest, common: int) -> ColumnPair:
    if first.digest == second.digest:
        return ColumnPair(a, b, equal=True)
    if first.blocks is None or second.blocks is None:
        raise ValueError("these digests were made without those of the blocks")
    if a.type != b.type and first.blocks != second.blocks:
        # Blocks of two types are written differently: theirs says nothing about the values.
        return ColumnPair(a, b, equal=False, blocks=(Rows(0, common),) if common else ())
    differing = (
        number
        for number, (one, other) in enumerate(zip(first.blocks, second.blocks, strict=False))
        if one != other
    )
    return ColumnPair(a, b, equal=False, blocks=_merged(differing, common))


def _merged(blocks: Iterable[int], common: int) -> tuple[Rows, ...]:
    found: list[Rows] = []
    for number in blocks:
        rows = Rows(number * BLOCK_ROWS, min((number + 1) * BLOCK_ROWS, common))
        if found and found[-1].stop == rows.start:
            rows = Rows(found.pop().start, rows.stop)
        found.append(rows)
    return tuple(found)


# --- which column is which ------------------------------------------------------------------------


def _paired(a: tuple[ColumnDigest, ...], b: tuple[ColumnDigest, ...]) -> dict[int, int]:
    """Positions in A to positions in B: equal name and content; a rename; equal name."""
    pairs = _in_order([(c.name, c.digest) for c in a], [(c.name, c.digest) for c in b])
    left = [i for i in range(len(a)) if i not in pairs]
    taken = set(pairs.values())
    right = [j for j in range(len(b)) if j not in taken]
    pairs |= _renamed({i: a[i] for i in left}, {j: b[j] for j in right})
    taken = set(pairs.values())
    left = [i for i in left if i not in pairs]
    right = [j for j in right if j not in taken]
    named = _in_order([(a[i].name,) for i in left], [(b[j].name,) for j in right])
    return pairs | {left[i]: right[j] for i, j in named.items()}


def _in_order(a: list[tuple[str, ...]], b: list[tuple[str, ...]]) -> dict[int, int]:
    """The first of a kind in A to the first in B, the second to the second…"""
    waiting: defaultdict[tuple[str, ...], deque[int]] = defaultdict(deque)
    for j, key in enumerate(b):
        waiting[key].append(j)
    return {i: waiting[key].popleft() for i, key in enumerate(a) if waiting[key]}


def _renamed(a: Mapping[int, ColumnDigest], b: Mapping[int, ColumnDigest]) -> dict[int, int]:
    """Columns whose content is that of one column of another name, where that explains the names.

    A content that stands several times on one side is left out: which is which was not observed.
    So is a rename from or to a name that both tables have, unless the other column of that name was
    renamed too (``a`` and ``b`` swapped): a column that changed while another happens to have its
    old content is told as changed.
    """
    of_a, of_b = _once(a), _once(b)
    pairs = {i: of_b[digest] for digest, i in of_a.items() if digest in of_b}
    back = {j: i for i, j in pairs.items()}
    names_a, names_b = _by_name(a), _by_name(b)
    check = deque(pairs)
    while check:
        i = check.popleft()
        if i not in pairs:
            continue
        j = pairs[i]
        same_in_b = names_b.get(a[i].name, ())
        same_in_a = names_a.get(b[j].name, ())
        if all(k in back for k in same_in_b) and all(k in pairs for k in same_in_a):
            continue
        del pairs[i], back[j]
        # Whoever relied on this pair is looked at again.
        check.extend(k for k in names_a.get(b[j].name, ()) if k in pairs)
        check.extend(back[k] for k in names_b.get(a[i].name, ()) if k in back)
    return pairs


def _once(columns: Mapping[int, ColumnDigest]) -> dict[str, int]:
    places: dict[str, int] = {}
    several = set()
    for position, column in columns.items():
        if column.digest in places:
            several.add(column.digest)
        places[column.digest] = position
    return {digest: place for digest, place in places.items() if digest not in several}


def _by_name(columns: Mapping[int, ColumnDigest]) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for position, column in columns.items():
        found[column.name].append(position)
    return found


def _moved(pairs: tuple[ColumnPair, ...]) -> tuple[ColumnPair, ...]:
    """All pairs but a longest increasing subsequence of their places in B."""
    ends: list[int] = []  # the smallest end of an increasing sequence of each length
    owners: list[int] = []
    before: list[int | None] = []
    for number, pair in enumerate(pairs):
        length = bisect_left(ends, pair.b.position)
        before.append(owners[length - 1] if length else None)
        ends[length : length + 1] = [pair.b.position]
        owners[length : length + 1] = [number]
    stay = set()
    last = owners[-1] if owners else None
    while last is not None:
        stay.add(last)
        last = before[last]
    return tuple(pair for number, pair in enumerate(pairs) if number not in stay)

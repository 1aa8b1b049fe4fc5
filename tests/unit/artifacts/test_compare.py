"""Where two tables differ, told from their digests alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otelprov.artifacts import tables
from otelprov.artifacts.compare import Rows, TableDifference, compare
from otelprov.artifacts.digest import BLOCK_ROWS

ROWS = 3 * BLOCK_ROWS + 10


def difference(a: pa.Table, b: pa.Table) -> TableDifference:
    return compare(tables.digest(a, blocks=True), tables.digest(b, blocks=True))


def table(**columns: Sequence[Any]) -> pa.Table:
    return pa.table(dict(columns))


def renames(found: TableDifference) -> list[tuple[str, str]]:
    return [(pair.a.name, pair.b.name) for pair in found.pairs if pair.renamed]


def test_equal_tables_differ_nowhere() -> None:
    found = difference(table(a=[1, 2], b=["x", "y"]), table(a=[1, 2], b=["x", "y"]))
    assert found.equal
    assert found.differing == found.moved == found.only_a == found.only_b == ()


def test_a_changed_cell_is_told_as_its_block_of_rows() -> None:
    numbers = np.arange(ROWS)
    changed = numbers.copy()
    changed[BLOCK_ROWS + 5] = -1
    (pair,) = difference(table(n=numbers, m=numbers), table(n=changed, m=numbers)).differing
    assert (pair.a.name, pair.b.name) == ("n", "n")
    assert pair.blocks == (Rows(BLOCK_ROWS, 2 * BLOCK_ROWS),)


def test_blocks_beside_each_other_are_told_as_one_range() -> None:
    numbers = np.arange(ROWS)
    changed = numbers.copy()
    changed[[0, BLOCK_ROWS, ROWS - 1]] = -1
    (pair,) = difference(table(n=numbers), table(n=changed)).differing
    assert pair.blocks == (Rows(0, 2 * BLOCK_ROWS), Rows(3 * BLOCK_ROWS, ROWS))


def test_columns_of_one_table_only_are_named() -> None:
    found = difference(table(a=[1], b=[2], c=[3]), table(b=[2], d=["x"]))
    assert [(c.name, c.position, c.type) for c in found.only_a] == [
        ("a", 0, "int64"),
        ("c", 2, "int64"),
    ]
    assert [c.name for c in found.only_b] == ["d"]
    assert [pair.a.name for pair in found.pairs] == ["b"]


def test_a_renamed_column_is_found_by_its_content() -> None:
    found = difference(table(a=[1, 2], k=[5, 6]), table(k=[5, 6], b=[1, 2]))
    assert renames(found) == [("a", "b")]
    assert found.differing == found.only_a == found.only_b == ()
    assert not found.equal


def test_swapped_and_handed_on_names_are_renames() -> None:
    assert renames(difference(table(a=[1], b=[2]), table(a=[2], b=[1]))) == [("a", "b"), ("b", "a")]
    handed_on = difference(table(a=[1], b=[2]), table(b=[1], c=[2]))
    assert renames(handed_on) == [("a", "b"), ("b", "c")]


def test_a_column_that_changed_is_not_told_as_renamed_to_one_that_has_its_old_content() -> None:
    found = difference(table(a=[1, 2], b=[3, 4]), table(a=[3, 4], c=[5, 6]))
    assert renames(found) == []
    assert [pair.a.name for pair in found.differing] == ["a"]
    assert [c.name for c in found.only_a] == ["b"]
    assert [c.name for c in found.only_b] == ["c"]


def test_equal_columns_of_one_table_are_not_told_as_renames() -> None:
    """Which of the two became which was not observed."""
    found = difference(table(a=[0, 0], b=[0, 0]), table(c=[0, 0], d=[0, 0]))
    assert renames(found) == []
    assert [c.name for c in (*found.only_a, *found.only_b)] == ["a", "b", "c", "d"]


def test_another_type_is_told_with_both() -> None:
    a, b = table(n=pa.array([1, 2], pa.int32())), table(n=pa.array([1, 2], pa.int64()))
    (pair,) = difference(a, b).differing
    assert pair.retyped
    assert (pair.a.type, pair.b.type) == ("int32", "int64")
    assert pair.blocks == (Rows(0, 2),)


def test_the_same_bytes_under_another_type_need_no_look() -> None:
    (pair,) = difference(table(n=["a"]), table(n=[b"a"])).differing
    assert pair.retyped
    assert pair.blocks == ()


def test_the_fewest_columns_are_told_as_moved() -> None:
    a, b = table(a=[1], b=[2], c=[3], d=[4]), table(d=[4], a=[1], b=[2], c=[3])
    (pair,) = difference(a, b).moved
    assert (pair.a.name, pair.a.position, pair.b.position) == ("d", 3, 0)


def test_columns_of_one_name_are_paired_by_content_first() -> None:
    a = pa.table([[1], [2]], names=["n", "n"])
    b = pa.table([[2], [3]], names=["n", "n"])
    found = difference(a, b)
    assert [(p.a.position, p.b.position, p.equal) for p in found.pairs] == [
        (0, 1, False),
        (1, 0, True),
    ]


def test_only_rows_that_both_have_are_compared() -> None:
    a, b = table(n=range(BLOCK_ROWS + 5)), table(n=range(BLOCK_ROWS + 3))
    found = difference(a, b)
    assert found.rows == (BLOCK_ROWS + 5, BLOCK_ROWS + 3)
    assert found.pairs[0].blocks == (Rows(BLOCK_ROWS, BLOCK_ROWS + 3),)
    assert difference(table(n=[]), table(n=pa.array([], pa.int8()))).pairs[0].blocks == ()


def test_digests_without_blocks_are_refused() -> None:
    a, b = tables.digest(table(n=[1])), tables.digest(table(n=[2]))
    with pytest.raises(ValueError, match="without those of the blocks"):
        compare(a, b)


NAMES = st.lists(st.sampled_from("abcdef"), max_size=6)
COLUMN = st.tuples(st.sampled_from("abcdef"), st.integers(0, 3))


@settings(deadline=None)
@given(st.lists(COLUMN, max_size=6), st.lists(COLUMN, max_size=6))
def test_every_column_is_told_once_and_equal_ones_hold_the_same(
    a: list[tuple[str, int]], b: list[tuple[str, int]]
) -> None:
    one = pa.table([[value] for _, value in a], names=[name for name, _ in a])
    other = pa.table([[value] for _, value in b], names=[name for name, _ in b])
    found = difference(one, other)
    for side, pairs, only in (
        (a, [p.a for p in found.pairs], found.only_a),
        (b, [p.b for p in found.pairs], found.only_b),
    ):
        told = sorted(c.position for c in (*pairs, *only))
        assert told == list(range(len(side)))
        assert all(side[c.position][0] == c.name for c in (*pairs, *only))
    for pair in found.pairs:
        same = a[pair.a.position][1] == b[pair.b.position][1]
        assert pair.equal == same
        assert same or not pair.renamed
    # A name that stands on both sides is left alone on neither.
    assert not {c.name for c in found.only_a} & {c.name for c in found.only_b}

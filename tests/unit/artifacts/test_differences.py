"""The closer look at two tables on disk: which rows and cells differ, and rows that moved."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from otelprov.artifacts import compare, stored, tables
from otelprov.artifacts.compare import TableDifference
from otelprov.artifacts.differences import Cells, Shift, look, shift
from otelprov.artifacts.digest import BLOCK_ROWS
from otelprov.artifacts.stored import StoredTable

ROWS = 2 * BLOCK_ROWS + 100
Pair = Callable[[pa.Table, pa.Table], tuple[StoredTable, StoredTable, TableDifference]]


def parquet(table: pa.Table, path: Path) -> None:
    pyarrow.parquet.write_table(table, path, row_group_size=30_000)


def arrow(table: pa.Table, path: Path) -> None:
    pyarrow.feather.write_feather(table, path, chunksize=50_000)


@pytest.fixture(params=[(parquet, parquet), (parquet, arrow), (arrow, parquet)])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:

        def both(a: pa.Table, b: pa.Table) -> tuple[StoredTable, StoredTable, TableDifference]:
            opened = []
            for name, table, write in zip("ab", (a, b), request.param, strict=True):
                write(table, tmp_path / name)
                opened.append(stack.enter_context(stored.opened(tmp_path / name)))
            one, other = opened
            return one, other, compare.compare(stored.digest(one), stored.digest(other))

        yield both


def numbers(rows: int = ROWS) -> pa.Table:
    values = np.arange(rows)
    return pa.table({"n": values, "text": [f"row {i}" for i in values], "same": values % 7})


def changed(table: pa.Table, name: str, *rows: int) -> pa.Table:
    values = table.column(name).to_pylist()
    for row in rows:
        values[row] = None
    place = table.schema.get_field_index(name)
    return table.set_column(place, name, pa.array(values, table.schema.field(name).type))


def counts(found: Cells) -> dict[str, int | None]:
    return {one.column.a.name: one.differing for one in found.columns}


def test_a_stored_table_has_the_digest_of_the_table_in_memory(pair: Pair) -> None:
    table = numbers()
    one, other, _ = pair(table, table)
    assert stored.digest(one) == stored.digest(other) == tables.digest(table, blocks=True)


def test_the_cells_that_differ_are_counted_and_the_first_are_told(pair: Pair) -> None:
    a = numbers()
    b = changed(changed(a, "n", 5, BLOCK_ROWS, ROWS - 1), "text", 5, 6)
    found = look(*pair(a, b), examples=2, values=True)
    assert counts(found) == {"n": 3, "text": 2}
    assert found.rows == 4
    assert [(c.row, c.column.a.name, c.a, c.b) for c in found.first] == [
        (5, "n", 5, None),
        (5, "text", "row 5", None),
        (6, "text", "row 6", None),
    ]


def test_no_value_is_told_that_was_not_asked_for(pair: Pair) -> None:
    a = numbers()
    found = look(*pair(a, changed(a, "n", 5)), examples=5)
    assert [(c.row, c.a, c.b) for c in found.first] == [(5, None, None)]


def test_columns_in_another_order_and_under_other_names_are_still_compared(pair: Pair) -> None:
    a = numbers()
    b = changed(a, "n", 70_000).select(["same", "n", "text"]).rename_columns(["s", "n", "t"])
    one, other, difference = pair(a, b)
    found = look(one, other, difference, examples=1)
    assert counts(found) == {"n": 1}
    assert found.first[0].row == 70_000


def test_names_with_dots_and_equal_names_are_read_by_their_place(tmp_path: Path) -> None:
    """Parquet columns are chosen by paths of names: `a.b` could be a field of `a`."""
    nested = pa.array([{"b": i} for i in range(3)])
    a = pa.Table.from_arrays([nested, pa.array([1, 2, 3])], names=["a", "a.b"])
    b = pa.Table.from_arrays([nested, pa.array([1, 2, 4])], names=["a", "a.b"])
    parquet(a, tmp_path / "a")
    parquet(b, tmp_path / "b")
    with stored.opened(tmp_path / "a") as one, stored.opened(tmp_path / "b") as other:
        difference = compare.compare(stored.digest(one), stored.digest(other))
        assert counts(look(one, other, difference, examples=0)) == {"a.b": 1}


def test_another_type_with_the_same_values_differs_in_no_cell(pair: Pair) -> None:
    a = pa.table({"n": pa.array(range(ROWS), pa.int64())})
    b = pa.table({"n": pa.array(range(ROWS), pa.int32())})
    assert counts(look(*pair(a, b), examples=5)) == {"n": 0}


def test_types_that_cannot_be_compared_are_told_so(pair: Pair) -> None:
    a, b = pa.table({"n": [1, 2], "m": [1, 2]}), pa.table({"n": ["1", "2"], "m": [1, 3]})
    found = look(*pair(a, b), examples=5)
    assert counts(found) == {"n": None, "m": 1}
    assert "int64 and of string" in (found.columns[0].reason or "")


@pytest.mark.parametrize("row", [0, 1, BLOCK_ROWS, 70_000, ROWS])
@pytest.mark.parametrize("count", [1, 3])
def test_rows_that_were_put_in_or_taken_out_are_found(pair: Pair, row: int, count: int) -> None:
    a = numbers()
    new = pa.table({"n": [-1] * count, "text": ["new"] * count, "same": [0] * count})
    b = pa.concat_tables([a[:row], new, a[row:]])
    one, other, difference = pair(a, b)
    assert shift(one, other, difference) == Shift(row, count)
    back = compare.compare(stored.digest(other), stored.digest(one))
    assert shift(other, one, back) == Shift(row, -count)


def test_a_shift_is_told_only_if_all_else_is_the_same(pair: Pair) -> None:
    a = numbers()
    b = pa.concat_tables([a[:10], a[:1], changed(a, "n", ROWS - 1)[10:]])
    assert shift(*pair(a, b)) is None
    c = a.append_column("more", pa.array(range(ROWS)))
    assert shift(*pair(a, pa.concat_tables([c, c[:1]]))) is None
    assert shift(*pair(a, changed(a, "n", 5))) is None


def test_only_the_blocks_that_differ_are_looked_at(pair: Pair) -> None:
    a = numbers()
    seen = 0

    def count(rows: int) -> None:
        nonlocal seen
        seen += rows

    look(*pair(a, changed(a, "n", ROWS - 1)), examples=0, progress=count)
    assert seen == 100


def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    rows = 40 * BLOCK_ROWS
    peaks = []
    for part in (1, 4):
        for name, end in (("a", 0), ("b", 1)):
            values = np.arange(rows // 4 * part)
            values[-1] = -end
            parquet(pa.table({"n": values}), tmp_path / name)
        before = pa.total_allocated_bytes()
        peak = 0

        def watch(_: int, start: int = before) -> None:
            nonlocal peak
            peak = max(peak, pa.total_allocated_bytes() - start)

        tracemalloc.start()
        with stored.opened(tmp_path / "a") as one, stored.opened(tmp_path / "b") as other:
            difference = compare.compare(stored.digest(one, watch), stored.digest(other, watch))
            look(one, other, difference, examples=1, progress=watch)
        peaks.append(peak + tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 2**20, peaks


def test_what_is_no_table_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n\n1\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing more")
    (tmp_path / "empty").mkdir()
    for name, why in (
        ("a.csv", "neither a Parquet nor an Arrow file"),
        ("broken.parquet", "cannot be read"),
        ("empty", "there are no Parquet files"),
        ("missing", "neither"),
    ):
        with pytest.raises(stored.Unreadable, match=why), stored.opened(tmp_path / name):
            pass

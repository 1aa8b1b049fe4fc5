"""What the digest of a table says about its columns and their blocks of rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from otelprov.artifacts import tables
from otelprov.artifacts.digest import BLOCK_ROWS


@pytest.mark.parametrize("rows", [0, 1, BLOCK_ROWS, BLOCK_ROWS + 1, 3 * BLOCK_ROWS])
def test_the_digests_of_blocks_say_which_rows_differ(rows: int) -> None:
    numbers = np.arange(rows)
    other = numbers.copy()
    other[-1:] = -1
    columns = tables.digest(pa.table({"a": numbers, "b": numbers, "c": other}), blocks=True).columns
    a, b, c = (column.blocks for column in columns)
    assert a is not None and c is not None
    assert a == b
    assert len(a) == -(-rows // BLOCK_ROWS)
    assert all(len(block) == 32 for block in a)
    same = [x == y for x, y in zip(a, c, strict=True)]
    assert same == [True] * (len(a) - 1) + [False] * bool(rows)


def test_the_digests_of_blocks_are_kept_only_if_they_are_asked_for() -> None:
    value = pa.table({"a": [1, 2]})
    plain, full = tables.digest(value), tables.digest(value, blocks=True)
    assert plain.id == full.id
    assert plain.columns[0].blocks is None
    assert full.columns[0].blocks is not None

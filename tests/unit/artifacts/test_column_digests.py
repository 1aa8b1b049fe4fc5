"""What the digest of a table says about its columns and their blocks of rows."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from otelprov.artifacts import ColumnDigest, tables
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


class Kept(dict[Hashable, ColumnDigest]):
    """Digests of columns, and how many were asked for in vain."""

    misses = 0

    def get(self, key: Hashable, default: Any = None) -> Any:
        found = super().get(key, default)
        self.misses += found is None
        return found


TABLE = pa.table(
    {
        "i": pa.array([1, None, 3]),
        "b": pa.array([True, None, False]),
        "s": pa.array(["a", None, "a string of more than twelve bytes"]),
        "v": pa.array(["a", None, "a string of more than twelve bytes"], pa.string_view()),
        "t": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
    }
)
ARROW_BACKED = TABLE.to_pandas(types_mapper=pd.ArrowDtype)


@pytest.mark.parametrize(
    "value", [TABLE, TABLE.combine_chunks().to_batches()[0], pl.from_arrow(TABLE), ARROW_BACKED]
)
def test_a_column_that_is_known_is_not_hashed_again(value: Any) -> None:
    known = Kept()
    first = tables.digest(value, known=known)
    assert known.misses == len(known) == len(first.columns)
    assert tables.digest(value, known=known) == first == tables.digest(value)
    assert known.misses == len(known)

    key = next(iter(known))
    known[key] = replace(known[key], digest="00" * 32)
    assert tables.digest(value, known=known).columns[0].digest == "00" * 32


def test_a_known_column_has_the_name_that_it_has_now() -> None:
    known = Kept()
    tables.digest(TABLE, known=known)
    renamed = TABLE.rename_columns(list("vwxyz"))
    assert tables.digest(renamed, known=known) == tables.digest(renamed)
    assert known.misses == len(known)


def test_columns_of_pandas_text_are_known() -> None:
    frame = pd.DataFrame({"s": pd.array(["a", None, "b"], "string[pyarrow]")})
    known = Kept()
    tables.digest(frame, known=known)
    tables.digest(frame[["s"]].rename(columns={"s": "t"}), known=known)
    assert (len(known), known.misses) == (1, 1)


@pytest.mark.parametrize(
    "value",
    [
        pd.DataFrame({"i": [1, 2], "o": ["a", "b"]}, dtype=object),
        pd.DataFrame({"i": pd.array([1, None], "Int64"), "f": [0.5, 1.5]}),
        pd.DataFrame({"c": pd.Categorical(["a", "b"])}),
        pa.table({"l": [[1], [2]], "d": pa.array(["a", "b"]).dictionary_encode()}),
        pl.DataFrame({"l": [[1], [2]], "c": pl.Series(["a", "b"], dtype=pl.Categorical)}),
    ],
)
def test_a_column_that_may_be_written_to_or_hides_its_buffers_is_never_known(value: Any) -> None:
    known = Kept()
    assert tables.digest(value, known=known) == tables.digest(value)
    assert not known


def test_values_of_other_types_or_rows_in_the_same_place_are_not_known() -> None:
    numbers = pa.array(range(100))
    known = Kept()
    for values in (
        numbers,
        numbers.view(pa.timestamp("us")),
        numbers.view(pa.float64()),
        numbers[:99],
        numbers[1:],
        numbers[1:1],
        pa.chunked_array([numbers, numbers]),
    ):
        assert tables.digest(values, known=known) == tables.digest(values)
    assert len(known) == known.misses == 7


def test_blocks_are_there_if_they_are_asked_for_later() -> None:
    known = Kept()
    plain = tables.digest(TABLE, known=known)
    assert tables.digest(TABLE, blocks=True, known=known) == tables.digest(TABLE, blocks=True)
    assert tables.digest(TABLE, known=known) == plain

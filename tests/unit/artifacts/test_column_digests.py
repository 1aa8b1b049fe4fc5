"""What the digest of a table says about its columns and their blocks of rows."""

from __future__ import annotations

import gc
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from otelprov.artifacts import columns, tables
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


# --- digests that are kept between operations -----------------------------------------------------


@pytest.fixture
def frame() -> pd.DataFrame:
    made = pd.DataFrame({"s": ["a", None, "bc"], "n": [1, 2, 3]})
    made["s"] = made["s"].astype("string[pyarrow]")
    made["n"] = made["n"].astype(pd.ArrowDtype(pa.int64()))
    return made


def poison(frame: pd.DataFrame) -> None:
    """Give every kept digest another value, so that it is seen when it is used."""
    for name in frame:
        entry = columns.kept(columns.arrow_values(frame[name].array))
        assert entry is not None and entry.digest is not None
        entry.digest = replace(entry.digest, digest="00" * 32)


def poisoned(frame: pd.DataFrame) -> list[str]:
    return [column.name for column in tables.digest(frame).columns if column.digest == "00" * 32]


def test_a_column_that_was_read_is_hashed_once(frame: pd.DataFrame) -> None:
    plain = tables.digest(frame)
    columns.fill(frame)
    assert tables.digest(frame) == plain
    poison(frame)
    assert poisoned(frame) == ["s", "n"]
    assert poisoned(frame.copy()) == poisoned(frame.assign(z=1)) == ["s", "n"]
    assert poisoned(frame.rename(columns={"s": "t"}).drop(columns="n")) == ["t"]
    assert poisoned(frame.iloc[:2]) == []
    assert poisoned(frame.assign(n=frame["n"] + 0)) == ["s"]


def test_what_a_frame_was_not_filled_with_is_hashed_each_time(frame: pd.DataFrame) -> None:
    tables.digest(frame)
    assert columns.kept(columns.arrow_values(frame["s"].array)) is None


def test_blocks_are_hashed_though_the_column_is_kept(frame: pd.DataFrame) -> None:
    columns.fill(frame)
    tables.digest(frame)
    poison(frame)
    found = tables.digest(frame, blocks=True).columns
    assert all(column.blocks and column.digest != "00" * 32 for column in found)


def test_nothing_is_kept_of_a_column_that_is_gone(frame: pd.DataFrame) -> None:
    before = len(columns._kept)
    columns.fill(frame)
    assert len(columns._kept) == before + 2
    del frame["n"]
    gc.collect()
    assert len(columns._kept) == before + 1


@pytest.mark.parametrize("type_", ["int64", "object", "category", "Int64", "string[python]"])
def test_columns_that_are_written_to_in_place_are_never_kept(type_: str) -> None:
    before = len(columns._kept)
    columns.fill(pd.DataFrame({"x": pd.Series([1, 2], dtype=type_)}))
    assert len(columns._kept) == before

"""The footer of a Parquet file without pyarrow, beside what pyarrow says of it."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otelprov.artifacts import footers, formats

TABLES = {
    "plain": pa.table({"a": [1, 2], "b": ["x", None]}),
    "metadata": pa.table({"a": [1]}).replace_schema_metadata(
        {"k": "v", "é": "", "long": "x" * 900}
    ),
    "nested": pa.table(
        {
            "s": [{"x": 1, "y": [{"z": 1}]}],
            "l": [[[1, 2]]],
            "m": pa.array([[("a", {"b": 1})]], pa.map_(pa.string(), pa.struct({"b": pa.int8()}))),
            "é ü": ["x"],
            "last": [1.5],
        }
    ),
    "types": pa.table({"d": pa.array([1], pa.decimal128(9, 2)), "t": pa.array([1], pa.date32())}),
    "wide": pa.table({f"c{index}": [index] for index in range(400)}),
    "nothing": pa.table({}),
    "no rows": pa.table({"a": pa.array([], pa.int32())}),
}


def footer(path: Path) -> bytes:
    data = path.read_bytes()
    return data[-8 - int.from_bytes(data[-8:-4], "little") : -8]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("options", [{}, {"version": "1.0"}, {"row_group_size": 1}])
def test_it_says_what_pyarrow_says(name: str, options: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(TABLES[name], path, **options)
    told = pq.read_metadata(path)
    metadata, names = footers.parsed(footer(path))
    assert metadata == (told.metadata or {})
    assert names == tuple(told.schema.to_arrow_schema().names)
    assert footers.parsed(footer(path), b"nowhere in it") == ({}, names)
    assert all(footers.parsed(footer(path), key) == (metadata, names) for key in metadata)


def test_it_reads_what_other_writers_wrote(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": [1, 2], "b": [[1], []]}).write_parquet(path, statistics="full")
    told = pq.read_metadata(path)
    assert footers.parsed(footer(path)) == (
        told.metadata or {},
        tuple(told.schema.to_arrow_schema().names),
    )


def test_a_broken_footer_is_a_value_error_and_takes_no_time(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(TABLES["nested"], path)
    whole = footer(path)
    numbers = random.Random(0)
    for _ in range(3_000):
        broken = bytearray(whole[: numbers.randrange(len(whole))])
        for _ in range(numbers.randrange(4)):
            if broken:
                broken[numbers.randrange(len(broken))] = numbers.randrange(256)
        with contextlib.suppress(ValueError):
            footers.parsed(bytes(broken))


HEAD = """
import sys
from otelprov.artifacts import formats
print(formats.head(sys.argv[1]), "pyarrow" in sys.modules)
"""


def test_pyarrow_is_loaded_only_where_the_footer_is_too_much(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(TABLES["plain"], path)
    told = subprocess.run(
        [sys.executable, "-c", HEAD, path], capture_output=True, text=True, check=True
    )
    assert told.stdout == f"{formats.head(path)} False\n"
    data = path.read_bytes()
    path.write_bytes(data[:-8] + (footers.MAX_BYTES + 1).to_bytes(4, "little") + b"PAR1")
    again = subprocess.run([sys.executable, "-c", HEAD, path], capture_output=True, text=True)
    assert "ArrowInvalid" in again.stderr

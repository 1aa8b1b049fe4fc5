"""Arrow columns stored otherwise: other layouts, and through files, other libraries, a process.

A trip costs as much for one column as for many, so the columns that the examples of a family make
travel together, as tables of one length, after all of them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather
import pyarrow.parquet as pq

from otelprov.artifacts import identify, table_tree
from zoo.families import holds
from zoo.processes import Worker

types = pa.types


def one(values: pa.Array | pa.ChunkedArray, name: str = "c") -> pa.Table:
    return pa.Table.from_arrays([values], [name])


def layouts(values: pa.Array) -> list[pa.Array]:
    """The same values in every other layout of Arrow that there is for them."""
    type_ = values.type
    others = []
    for small, wide, view in (
        (pa.string(), pa.large_string(), pa.string_view()),
        (pa.binary(), pa.large_binary(), pa.binary_view()),
    ):
        if type_ in (small, wide, view):
            others += [values.cast(t) for t in (small, wide, view) if t != type_]
    if types.is_list(type_):
        wide = pa.LargeListArray.from_arrays(
            values.offsets.cast(pa.int64()), values.values, mask=values.is_null()
        )  # a cast makes arrays that are not valid of nested nulls (pyarrow 26.0.1)
        others.append(wide)
        sizes = pc.list_value_length(values).fill_null(0)
        view = pa.ListViewArray.from_arrays(
            values.offsets[:-1], sizes, values.values, mask=values.is_null()
        )
        others.append(view)
    # Not floats: Arrow's own encodings take 0.0 and -0.0 for one.
    if types.is_integer(type_) or types.is_string(type_) or _is_time(type_):
        others += [values.dictionary_encode(), pc.run_end_encode(values)]
    if types.is_dictionary(type_):
        others.append(values.dictionary_decode())
        turned = values.dictionary[::-1]
        last = len(turned) - 1
        indices = pc.subtract(pa.scalar(last, pa.int64()), values.indices.cast(pa.int64()))
        others.append(pa.DictionaryArray.from_arrays(indices, turned))
    return others


def _is_time(type_: pa.DataType) -> bool:
    return bool(types.is_temporal(type_) and not types.is_interval(type_))


def stream(table: pa.Table) -> pa.Table:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    return pa.ipc.open_stream(sink.getvalue()).read_all()


def through_feather(table: pa.Table) -> pa.Table:
    sink = io.BytesIO()
    feather.write_feather(table, sink, compression="lz4", chunksize=3)
    return feather.read_table(io.BytesIO(sink.getvalue()))


def through_parquet(table: pa.Table) -> pa.Table | None:
    """None for what pyarrow cannot write or read."""
    sink = io.BytesIO()
    try:
        pq.write_table(table, sink, row_group_size=3)
        return pq.ParquetFile(io.BytesIO(sink.getvalue())).read()
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return None


def through_polars(table: pa.Table) -> pl.DataFrame:
    return pl.from_arrow(table)


def polars_has(type_: pa.DataType) -> bool:
    """Not what Polars has no type for, and makes another type of (2.1).

    Fixed-size binary becomes binary, times become nanoseconds, durations in seconds become
    milliseconds, date64 a timestamp; 256 bits, intervals, run-ends and views of lists it refuses;
    of extension types it knows few; names of columns must differ.
    """
    return not holds(
        type_,
        types.is_fixed_size_binary, types.is_decimal256, types.is_interval, types.is_date64,
        types.is_run_end_encoded, types.is_list_view, types.is_time,
        lambda t: types.is_duration(t) and t.unit == "s",
        lambda t: isinstance(t, pa.BaseExtensionType),
        # Its to_arrow() raises for these, and its stream aborts the process.
        lambda t: types.is_nested(t) and holds(t, types.is_decimal32, types.is_decimal64),
        # A field whose name has a NUL in it aborts the process.
        lambda t: types.is_struct(t) and any("\0" in f.name for f in t),
        lambda t: types.is_timestamp(t) and t.tz and t.tz[0] in "+-",
    )  # fmt: skip


def through_duckdb(table: pa.Table) -> pa.Table | None:
    try:
        return DUCKDB.from_arrow(table).to_arrow_table()
    except duckdb.InvalidInputException as error:
        assert "duplicate key" in str(error)  # maps with a key twice
        return None


def duckdb_has(type_: pa.DataType) -> bool:
    """Not what DuckDB has no type for, and makes another type of (1.5 and 2.0).

    Fixed-size binary becomes binary, times in milliseconds become microseconds, zones become the
    session's, durations become intervals; float16 and 256 bits it refuses; extension types become
    types of its own; a field is renamed that has no name, a NUL in it, or one that differs in case
    only.
    """
    return not holds(
        type_,
        types.is_fixed_size_binary, types.is_decimal256, types.is_duration, types.is_float16,
        types.is_interval, types.is_time32,
        lambda t: types.is_timestamp(t) and t.tz is not None,
        lambda t: isinstance(t, pa.BaseExtensionType),
        lambda t: types.is_struct(t) and not _own_names(t),
        types.is_null,  # 1.5 makes integers of it
        # A nested dictionary without values breaks the database.
        lambda t: types.is_nested(t) and holds(t, types.is_dictionary),
    )  # fmt: skip


DUCKDB = duckdb.connect()


def _own_names(type_: pa.DataType) -> bool:
    names = [field.name.casefold() for field in type_]
    return all(names) and "\0" not in "".join(names) and len(set(names)) == len(names)


def through_pandas(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def pandas_has(type_: pa.DataType) -> bool:
    """Not where pandas' Arrow types lose something: nulls and dictionaries (2.3 and 3.1)."""
    return not holds(type_, types.is_null, types.is_dictionary)


Trip = tuple[Callable[[pa.Table], Any], Callable[[pa.DataType], bool]]
TRIPS: list[Trip] = [
    (stream, lambda type_: True),
    (through_feather, lambda type_: True),
    (through_parquet, lambda type_: True),
    (through_polars, polars_has),
    (through_duckdb, duckdb_has),
    (through_pandas, pandas_has),
]

WIDTH = 50
"""Columns that travel together."""


class Trips:
    """Columns that are to have the same digest after every trip; ``settle`` sends them."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._columns: dict[int, list[tuple[pa.Array, str]]] = {}

    def add(self, values: pa.Array, digest: str) -> None:
        """A column and its digest."""
        self._columns.setdefault(len(values), []).append((values, digest))

    def settle(self) -> None:
        """Let all of them travel.

        Raises:
            AssertionError: with a column that came back as another.
        """
        waiting, self._columns = self._columns, {}
        for columns in waiting.values():
            for start in range(0, len(columns), WIDTH):
                part = columns[start : start + WIDTH]
                table = _table(part)
                assert self._worker.table(table) == identify(table).id, "in another process"
                for trip in TRIPS:
                    _send(trip, part)


def _table(columns: list[tuple[pa.Array, str]]) -> pa.Table:
    return pa.Table.from_arrays([c for c, _ in columns], [f"c{i}" for i in range(len(columns))])


def _send(trip: Trip, columns: list[tuple[pa.Array, str]]) -> None:
    through, has = trip
    columns = [column for column in columns if has(column[0].type)]
    if not columns:
        return
    result = through(_table(columns))
    if result is None:  # for the sake of some of them
        for column in columns if len(columns) > 1 else []:
            _send(trip, [column])
        return
    tree = table_tree(result)
    assert tree is not None, through.__name__
    for (values, digest), found in zip(columns, tree.columns, strict=True):
        assert found.digest == digest, f"{through.__name__}: {values.type} {values}"

"""Tables of each family of Arrow types: one content has one id, and another content another."""

from __future__ import annotations

import io
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from arrow_data import array
from hypothesis import given
from hypothesis import strategies as st

from otelprov.artifacts import identify
from zoo.examples import examples
from zoo.families import (
    FAMILIES,
    WORDS,
    Typed,
    column_content,
    holds,
    with_nulls,
)
from zoo.processes import Worker

types = pa.types

ROWS = 8


def table_id(value: object) -> str:
    artifact = identify(value)
    assert artifact.coverage == "full", artifact.reason
    assert artifact.kind == "table"
    return artifact.id


def one(values: pa.Array | pa.ChunkedArray, name: str = "c") -> pa.Table:
    return pa.Table.from_arrays([values], [name])


@st.composite
def columns(draw: st.DrawFn, family: str) -> tuple[Typed, list[Any]]:
    typed = draw(FAMILIES[family])
    return typed, draw(st.lists(st.none() | typed[1], max_size=ROWS))


# --- stored otherwise -----------------------------------------------------------------------------


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


def through_polars(table: pa.Table) -> pl.DataFrame | None:
    """None for what Polars has no type for, and makes another type of (2.1).

    Fixed-size binary becomes binary, times become nanoseconds, durations in seconds become
    milliseconds, date64 a timestamp; 256 bits, intervals, run-ends and views of lists it refuses;
    of extension types it knows few; names of columns must differ.
    """
    if any(
        holds(
            t,
            types.is_fixed_size_binary, types.is_decimal256, types.is_interval, types.is_date64,
            types.is_run_end_encoded, types.is_list_view, types.is_time,
            lambda t: types.is_duration(t) and t.unit == "s",
            lambda t: isinstance(t, pa.BaseExtensionType),
            # Its to_arrow() raises for these, and its stream aborts the process.
            lambda t: types.is_nested(t) and holds(t, types.is_decimal32, types.is_decimal64),
            # A field whose name has a NUL in it aborts the process.
            lambda t: types.is_struct(t) and any("\0" in f.name for f in t),
            lambda t: types.is_timestamp(t) and t.tz and t.tz[0] in "+-",
        )
        for t in table.schema.types
    ):  # fmt: skip
        return None
    return pl.from_arrow(table)


def through_duckdb(table: pa.Table) -> pa.Table | None:
    """None for what DuckDB has no type for, and makes another type of (1.5 and 2.0).

    Fixed-size binary becomes binary, times in milliseconds become microseconds, zones become the
    session's, durations become intervals; float16 and 256 bits it refuses, and
    maps with a key twice; extension types become
    types of its own; a field is renamed that has no name, a NUL in it, or one that
    differs in case only.
    """
    if any(
        holds(
            t,
            types.is_fixed_size_binary, types.is_decimal256, types.is_duration, types.is_float16,
            types.is_interval, types.is_time32,
            lambda t: types.is_timestamp(t) and t.tz is not None,
            lambda t: isinstance(t, pa.BaseExtensionType),
            lambda t: types.is_struct(t) and not _own_names(t),
            types.is_null,  # 1.5 makes integers of it
            # A nested dictionary without values breaks the database.
            lambda t: types.is_nested(t) and holds(t, types.is_dictionary),
        )
        for t in table.schema.types
    ):  # fmt: skip
        return None
    try:
        return DUCKDB.from_arrow(table).to_arrow_table()
    except duckdb.InvalidInputException as error:
        assert "duplicate key" in str(error)
        return None


DUCKDB = duckdb.connect()


def _own_names(type_: pa.DataType) -> bool:
    names = [field.name.casefold() for field in type_]
    return all(names) and "\0" not in "".join(names) and len(set(names)) == len(names)


def through_pandas(table: pa.Table) -> pd.DataFrame | None:
    """None where pandas' Arrow types lose something: nulls and dictionaries (2.3 and 3.1)."""
    if any(holds(t, types.is_null, types.is_dictionary) for t in table.schema.types):
        return None
    return table.to_pandas(types_mapper=pd.ArrowDtype)


@pytest.mark.parametrize("family", FAMILIES)
def test_one_content_has_one_id_however_it_is_stored(family: str, worker: Worker) -> None:
    @examples
    @given(columns(family), st.data())
    def check(column: tuple[Typed, list[Any]], data: st.DataObject) -> None:
        (type_, cells), values = column[0], column[1]
        plain = array(values, type_)
        table = one(plain)
        expected = table_id(table)

        cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=3)))
        spans = list(zip([0, *cuts], [*cuts, len(values)], strict=True))
        assert table_id(one(pa.chunked_array([plain[a:b] for a, b in spans], type_))) == expected
        pieces = [array(values[a:b], type_) for a, b in spans]
        assert table_id(one(pa.chunked_array(pieces, type_))) == expected, "chunks of their own"

        before, after = (data.draw(st.lists(st.none() | cells, max_size=9)) for _ in "ba")
        longer = array([*before, *values, *after], type_)
        part = longer.slice(len(before), len(values))
        assert table_id(one(part)) == expected, "a slice"
        assert identify(pa.RecordBatch.from_arrays([part], ["c"])).id == expected

        if None in values and type_ != pa.null():
            filled = [data.draw(cells) if v is None else v for v in values]
            hidden = with_nulls(array(filled, type_), [v is not None for v in values])
            assert table_id(one(hidden)) == expected, "garbage under nulls"
            part = hidden.slice(1)
            assert table_id(one(part)) == table_id(one(array(values[1:], type_)))

        for other in layouts(plain):
            assert table_id(one(other)) == expected, other.type
            assert table_id(one(other.slice(1))) == table_id(one(plain.slice(1))), other.type

        assert table_id(stream(table)) == expected, "an IPC stream"
        assert table_id(through_feather(table)) == expected, "Feather"
        for trip in (through_parquet, through_polars, through_duckdb, through_pandas):
            result = trip(table)
            if result is not None:
                assert table_id(result) == expected, trip.__name__
        assert worker.table(table) == expected, "another process"

    check()


# --- another content ------------------------------------------------------------------------------


def edits(draw: Any, typed: Typed, family: str, values: list[Any]) -> list[tuple[Any, list[Any]]]:
    """Columns that are almost this one; some may be of its very content."""
    type_, cells = typed
    rows = len(values)
    edited = [(type_, [*values, None])]
    if rows:
        i = draw(st.integers(0, rows - 1))
        j = draw(st.integers(0, rows - 1))
        edited += [
            (type_, [*values[:i], draw(cells), *values[i + 1 :]]),
            (type_, [*values[:i], None, *values[i + 1 :]]),
            (type_, [*values[:i], *values[i + 1 :]]),
            (type_, [*values[:i], values[i], *values[i:]]),
            (type_, [values[j] if k == i else values[i] if k == j else v
                     for k, v in enumerate(values)]),
        ]  # fmt: skip
        if (
            i + 1 < rows
            and all(isinstance(v, (str, bytes, list)) for v in values[i : i + 2])
            and not (types.is_fixed_size_list(type_) or types.is_fixed_size_binary(type_))
        ):
            joined = values[i] + values[i + 1]
            cut = draw(st.integers(0, len(joined)))
            edited.append((type_, [*values[:i], joined[:cut], joined[cut:], *values[i + 2 :]]))
    other = draw(FAMILIES[family])[0]
    edited.append((other, values))
    return edited


@pytest.mark.parametrize("family", FAMILIES)
def test_another_content_has_another_id(family: str) -> None:
    @examples
    @given(columns(family), WORDS, st.data())
    def check(column: tuple[Typed, list[Any]], name: str, data: st.DataObject) -> None:
        typed, values = column
        seen: dict[Any, str] = {}
        owners: dict[str, Any] = {}
        for type_, cells in [(typed[0], values), *edits(data.draw, typed, family, values)]:
            try:
                made, what = array(cells, type_), column_content(type_, cells)
            except (
                pa.ArrowException,
                OverflowError,
                TypeError,
                ValueError,
                KeyError,
                AttributeError,
            ):
                continue  # not cells of that type
            artifact = identify(one(made, name))
            if artifact.coverage == "none":  # cells of one type need not be times of another
                assert "range" in artifact.reason or "whole day" in artifact.reason
                continue
            id_ = artifact.id
            assert seen.setdefault(what, id_) == id_, "equal content, two ids"
            assert owners.setdefault(id_, what) == what, "two contents, one id"
        assert len(seen) == len(owners)

    check()


@st.composite
def wholes(draw: st.DrawFn) -> list[tuple[str, pa.DataType, list[Any]]]:
    """Tables of several columns: names, types and cells."""
    rows = draw(st.integers(0, 4))
    made = []
    for _ in range(draw(st.integers(1, 4))):
        type_, cells = draw(FAMILIES["everything"])
        values = draw(st.lists(st.none() | cells, min_size=rows, max_size=rows))
        made.append((draw(WORDS), type_, values))
    return made


@examples
@given(wholes(), st.data())
def test_a_table_is_its_names_and_columns_in_their_order(
    table: list[tuple[str, pa.DataType, list[Any]]], data: st.DataObject
) -> None:
    i, j = (data.draw(st.integers(0, len(table) - 1)) for _ in "ij")
    name = data.draw(WORDS)
    names = table[i][0] + table[j][0]
    cut = data.draw(st.integers(0, len(names)))

    def renamed(*changes: tuple[int, str]) -> list[tuple[str, pa.DataType, list[Any]]]:
        new = dict(changes)
        return [(new.get(k, c[0]), c[1], c[2]) for k, c in enumerate(table)]

    swapped = list(table)
    swapped[i], swapped[j] = table[j], table[i]
    variants = [
        table,
        renamed((i, name)),
        renamed((i, names[:cut]), (j, names[cut:])),
        swapped,
        [*table[:i], *table[i + 1 :]],
        [*table, table[i]],
        [(n, t, v[::-1]) for n, t, v in table],
        [(n, t, [*v, None]) for n, t, v in table],
        [(n, t, v[1:]) for n, t, v in table],
    ]
    owners: dict[str, Any] = {}
    seen: dict[Any, str] = {}
    for variant in variants:
        if not variant:
            continue
        what = tuple((n, column_content(t, v)) for n, t, v in variant)
        arrays = [array(v, t) for _, t, v in variant]
        id_ = table_id(pa.Table.from_arrays(arrays, [n for n, _, _ in variant]))
        assert seen.setdefault(what, id_) == id_
        assert owners.setdefault(id_, what) == what

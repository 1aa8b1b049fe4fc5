"""Every layout that the same values may have in memory is read alike.

The id that each layout must have is that of the values built anew from Python's objects, which
``test_specification.py`` compares with the specification.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_specification import specified

from otelprov.artifacts import identify, tables
from otelprov.artifacts.digest import BLOCK_ROWS


def same(array: Any, cells: list[Any], type_: pa.DataType) -> None:
    """The array has the id that the specification gives to these cells."""
    expected = specified(pa.table({"0": pa.array(cells, type_)}))
    assert identify(array).id == expected


# --- strings in views -----------------------------------------------------------------------------


def view(value: bytes, buffer: int, place: int) -> bytes:
    head = len(value).to_bytes(4, "little")
    if len(value) <= 12:
        return head + value.ljust(12, b"\0")
    return head + value[:4] + buffer.to_bytes(4, "little") + place.to_bytes(4, "little")


def views(
    cells: list[bytes | None], places: list[tuple[int, int]], buffers: list[bytes], under: bytes
) -> pa.Array:
    """An array of views; ``places`` says in which buffer and where each long value lies, and
    ``under`` is what lies under nulls."""
    data = b"".join(
        under if cell is None else view(cell, *place)
        for cell, place in zip(cells, places, strict=True)
    )
    valid = np.packbits(np.array([cell is not None for cell in cells], "?"), bitorder="little")
    parts = [valid if None in cells else None, data, *buffers]
    return pa.Array.from_buffers(
        pa.binary_view(),
        len(cells),
        [None if part is None else pa.py_buffer(part) for part in parts],
    )


LONG = b"a value of more than 12 bytes"
CELLS = st.lists(
    st.none() | st.binary(max_size=12) | st.binary(min_size=13, max_size=40),
    max_size=40,
)
FIXED = st.integers(0, 14).flatmap(
    lambda n: st.lists(st.binary(min_size=n, max_size=n), min_size=1, max_size=40)
)
LONGS = st.lists(st.binary(min_size=13, max_size=40), min_size=1, max_size=40)


@given(CELLS | FIXED | LONGS, st.integers(1, 3), st.randoms(), st.data())
def test_views_are_read_wherever_their_strings_lie(
    cells: list[bytes | None], count: int, random: Any, data: st.DataObject
) -> None:
    buffers = [bytearray(b"#" * random.randrange(4)) for _ in range(count)]
    order = list(range(len(cells)))
    if data.draw(st.booleans(), "out of order"):
        random.shuffle(order)
    gap = b"-" if data.draw(st.booleans(), "gaps") else b""
    places = [(0, 0)] * len(cells)
    for i in order:
        buffer = random.randrange(count)
        places[i] = (buffer, len(buffers[buffer]))
        if len(cells[i] or b"") > 12:
            buffers[buffer] += (cells[i] or b"") + gap
    under = data.draw(st.sampled_from([bytes(16), b"\xff" * 16, view(b"abc", 0, 0)]))
    array = views(cells, places, [bytes(buffer) for buffer in buffers], under)
    start = data.draw(st.integers(0, len(cells)))
    same(array[start:], cells[start:], pa.binary())
    again = pa.chunked_array([array[:start], array[start:], array[:start]])
    same(again, cells + cells[:start], pa.binary())


def test_strings_that_share_their_bytes_are_each_read() -> None:
    places = [(0, 0)] * 3
    same(views([LONG] * 3, places, [LONG], bytes(16)), [LONG] * 3, pa.binary())


def test_strings_in_a_row_that_go_on_in_another_buffer_are_each_read() -> None:
    size = len(LONG)
    cells = [LONG, LONG.upper(), LONG.title(), LONG]
    buffers = [LONG + b"?" * size + b"!" * size + LONG, b"?" * size + LONG.upper() + LONG.title()]
    places = [(0, 0), (1, size), (1, 2 * size), (0, 3 * size)]
    same(views(cells, places, buffers, bytes(16)), cells, pa.binary())


def test_the_first_two_strings_in_a_row_say_nothing_about_the_others() -> None:
    size = len(LONG)
    cells = [LONG, LONG.upper(), LONG.title(), LONG[::-1]]
    buffer = LONG + LONG.upper() + LONG[::-1] + LONG.title()
    places = [(0, 0), (0, size), (0, 3 * size), (0, 2 * size)]
    same(views(cells, places, [buffer], bytes(16)), cells, pa.binary())


@pytest.mark.parametrize("length", range(15))
@pytest.mark.parametrize("nulls", [False, True])
def test_strings_of_one_length_are_read_from_their_views(length: int, nulls: bool) -> None:
    cells: list[str | None] = [f"{i:014d}"[14 - length :] for i in range(100)]
    if nulls:
        cells[::7] = [None] * 15
    same(pa.array(cells, pa.string_view()), cells, pa.string())
    same(pa.array(cells, pa.string_view())[3:], cells[3:], pa.string())
    same(pl.Series("0", cells, pl.String), cells, pa.string())
    same(pl.Series("0", cells, pl.String)[5:], cells[5:], pa.string())


# --- nulls ----------------------------------------------------------------------------------------

FIXED_TYPES = [
    pa.int8(), pa.uint16(), pa.int32(), pa.float32(), pa.int64(), pa.float64(),
    pa.decimal128(38, 2), pa.binary(3), pa.binary(0), pa.bool_(), pa.timestamp("us"),
]  # fmt: skip


@pytest.mark.parametrize("type_", FIXED_TYPES, ids=str)
@pytest.mark.parametrize("every", [2, 100])
@pytest.mark.parametrize("garbage", [0, 1])
def test_what_lies_under_nulls_is_not_read(type_: pa.DataType, every: int, garbage: int) -> None:
    rows = 777
    width = 0 if type_ == pa.bool_() else type_.bit_width // 8
    size = rows * width if width else (rows + 7) // 8
    data = np.full(size, garbage, "u1")
    valid = np.arange(rows) % every != 1
    buffers = [pa.py_buffer(np.packbits(valid, bitorder="little")), pa.py_buffer(data)]
    array = pa.Array.from_buffers(type_, rows, buffers)
    cells = array.to_pylist()
    for start, stop in [(0, rows), (1, rows), (8, 500), (13, 400), (0, 1), (1, 2), (1, 3)]:
        clean = pa.array(cells[start:stop], type_)
        assert identify(array[start:stop]).id == specified(pa.table({"0": clean}))
    pieces = pa.chunked_array([array[5:300], array[300:302], array[301:302], array[302:]])
    clean = pa.array(cells[5:302] + cells[301:302] + cells[302:], type_)
    assert identify(pieces).id == specified(pa.table({"0": clean}))


@given(
    st.lists(st.none() | st.booleans(), max_size=70),
    st.integers(0, 70),
    st.integers(0, 70),
)
def test_bits_are_read_from_any_place(cells: list[bool | None], start: int, stop: int) -> None:
    same(pa.array(cells, pa.bool_())[start:stop], cells[start:stop], pa.bool_())


# --- blocks of several chunks ---------------------------------------------------------------------

TYPES = [
    pa.int32(), pa.float64(), pa.bool_(), pa.string(), pa.large_string(), pa.string_view(),
    pa.decimal128(30, 2), pa.decimal256(30, 2), pa.date64(), pa.time32("s"),
]  # fmt: skip


def numbers(type_: pa.DataType, rows: int, *, nulls: bool) -> pa.Array:
    values = np.arange(rows) % 1000
    if type_ == pa.bool_():
        values = values % 3 == 0
    array = pa.array(values, mask=values % 10 == 3) if nulls else pa.array(values)
    if type_ == pa.date64():
        return array.cast(pa.int32()).cast(pa.date32()).cast(type_)
    if type_ == pa.time32("s"):
        return array.cast(pa.int32()).cast(type_)
    if type_ == pa.string_view():
        return array.cast(pa.string()).cast(type_)
    return array.cast(type_)


@pytest.mark.parametrize("type_", TYPES, ids=str)
@pytest.mark.parametrize("nulls", [False, True])
def test_chunks_that_end_within_a_block_change_nothing(type_: pa.DataType, nulls: bool) -> None:
    rows = BLOCK_ROWS + 10_007
    array = numbers(type_, rows, nulls=nulls)
    whole = identify(array).id
    for cuts in ([5], [BLOCK_ROWS - 1], [BLOCK_ROWS + 1], [9, 9, 17, 30_000, 66_000, 70_001]):
        ends = [0, *cuts, rows]
        chunks = [array[a:b] for a, b in itertools.pairwise(ends)]
        assert identify(pa.chunked_array(chunks)).id == whole
        copies = [pa.concat_arrays([chunk]) for chunk in chunks]
        assert identify(pa.chunked_array(copies)).id == whole


@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_a_chunk_of_nulls_in_a_block_of_values_counts(type_: pa.DataType) -> None:
    array, nothing = numbers(type_, 100, nulls=False), pa.nulls(50, type_)
    for chunks in ([array, nothing], [nothing, array], [nothing, array, nothing]):
        joined = pa.concat_arrays(chunks)
        assert identify(pa.chunked_array(chunks)).id == specified(pa.table({"0": joined}))
    assert identify(pa.chunked_array([nothing, nothing])).id == specified(
        pa.table({"0": pa.nulls(100, type_)})
    )


# --- Polars and pandas ----------------------------------------------------------------------------


def test_a_polars_frame_whose_columns_are_cut_at_different_rows_keeps_its_id() -> None:
    rows = BLOCK_ROWS + 100
    values = [f"{i % 977}" * (i % 5) for i in range(rows)]
    text = pl.concat([pl.Series("s", values[:33]), pl.Series(values[33:])], rechunk=False)
    ints = pl.concat([pl.Series("i", range(60_000)), pl.Series(range(60_000, rows))], rechunk=False)
    assert (text.n_chunks(), ints.n_chunks()) == (2, 2)
    table = pa.table({"s": values, "i": range(rows)})
    assert identify(pl.DataFrame([text, ints])).id == identify(table).id


@pytest.mark.parametrize("dtype", ["f4", "f8", "c16", "M8[us]"])
@pytest.mark.parametrize("missing", [0, 1, 50, 100])
def test_missing_values_of_numpy_are_nulls(dtype: str, missing: int) -> None:
    values = np.arange(100).astype(dtype)
    values[:missing] = "NaT" if dtype[0] == "M" else np.nan
    frame = pd.DataFrame({"0": values[::-1]})
    if dtype == "c16":
        assert identify(frame).id == identify(pd.DataFrame({"0": values[::-1].copy()})).id
    else:
        expected = pa.table({"0": pa.array(frame["0"], from_pandas=True)})
        assert identify(frame).id == specified(expected)


CELLS_OF_TEXT = ["a", "", "äö", "a text of more than twelve bytes"]


@pytest.mark.parametrize("missing", [None, float("nan"), np.nan])
def test_text_in_objects_is_the_same_text(missing: Any) -> None:
    cells = (CELLS_OF_TEXT * (BLOCK_ROWS // 3))[: BLOCK_ROWS + 5]
    cells[7] = cells[BLOCK_ROWS] = missing
    expected = pa.array([None if cell is missing else cell for cell in cells])
    assert identify(pd.Series(cells, dtype=object)).id == identify(expected).id


@pytest.mark.parametrize(
    "cell",
    [0.5, 1, b"a", "\ud800", True, pd.NaT],
    ids=["float", "int", "bytes", "surrogate", "bool", "NaT"],
)
@pytest.mark.parametrize("place", [0, BLOCK_ROWS])
def test_text_beside_something_else_is_not_text(cell: Any, place: int) -> None:
    cells = np.array(["a"] * (BLOCK_ROWS + 1), object)
    text = identify(pd.Series(cells, dtype=object)).id
    cells[place] = cell
    column = tables.digest(pd.Series(cells, dtype=object)).columns[0]
    assert identify(pd.Series(cells, dtype=object)).id != text
    assert column.type == ("string" if cell is pd.NaT else "python")


def test_columns_of_nothing_are_no_text() -> None:
    nothing = pd.Series([None, float("nan")], dtype=object)
    assert tables.digest(nothing).columns[0].type == str(pa.array(nothing, from_pandas=True).type)


def test_a_frame_of_polars_keeps_its_chunks() -> None:
    half = pl.DataFrame({"a": range(1000)})
    frame = half.vstack(half)
    before = frame.n_chunks()
    assert identify(frame).id == identify(frame.rechunk()).id
    assert frame.n_chunks() == before == 2

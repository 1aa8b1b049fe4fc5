"""docs/artifact-identity.md, followed to the letter and value by value, gives the same ids."""

from __future__ import annotations

import decimal
import math
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from arrow_data import tables
from blake3 import blake3
from hypothesis import given, settings

from otelprov.artifacts import identify

types = pa.types


def digest(level: str, data: bytes) -> bytes:
    return blake3(data, derive_key_context=f"otelprov artifact 1 {level}").digest()


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def text(string: str) -> bytes:
    return u64(len(string.encode())) + string.encode()


def table(value: pa.Table) -> str:
    """Section 6."""
    data = u64(value.num_rows) + u64(value.num_columns)
    for name, column in zip(value.column_names, value.columns, strict=True):
        data += text(name) + column_digest(column.type, column)
    return f"table:{digest('table', data).hex()}"


def column_digest(type_: pa.DataType, column: pa.ChunkedArray) -> bytes:
    """Section 5."""
    cells = [cell for chunk in column.chunks for cell in plain(chunk)]
    data = text(type_name(type_)) + u64(len(cells))
    for start in range(0, len(cells), 65_536):
        data += digest("block", array(type_, cells[start : start + 65_536]))
    return digest("column", data)


def type_name(t: pa.DataType) -> str:
    """Section 3."""
    if types.is_dictionary(t):
        return type_name(t.value_type)
    if types.is_boolean(t) or types.is_null(t) or types.is_integer(t):
        return str(t)
    if types.is_floating(t):
        return f"float{t.bit_width}"
    if types.is_decimal(t):
        return f"decimal[{t.precision},{t.scale}]"
    if types.is_date(t):
        return "date"
    if types.is_duration(t):
        return f"duration[{t.unit}]"
    if types.is_time(t):
        return f"time[{t.unit if t.unit != 's' else 'ms'}]"
    if types.is_timestamp(t):
        unit = t.unit if t.unit != "s" else "ms"
        return f"timestamp[{unit},{t.tz}]" if t.tz else f"timestamp[{unit}]"
    if types.is_fixed_size_binary(t):
        return f"binary[{t.byte_width}]"
    if "string" in str(t) and not types.is_nested(t):
        return "string"
    if "binary" in str(t) and not types.is_nested(t):
        return "binary"
    if types.is_map(t):
        return f"map{{{type_name(t.key_type)},{type_name(t.item_type)}}}"
    if types.is_struct(t):
        parts = (f"{len(f.name.encode())}:{f.name}={type_name(f.type)}" for f in t)
        return f"struct{{{';'.join(parts)}}}"
    size = f"[{t.list_size}]" if types.is_fixed_size_list(t) else ""
    return f"list{size}{{{type_name(t.value_type)}}}"


def array(t: pa.DataType, cells: list[Any]) -> bytes:
    """Section 4."""
    rows, nulls = len(cells), sum(cell is None for cell in cells)
    counts = u64(rows) + u64(nulls)
    if nulls == rows:
        return counts
    bitmap = b"" if not nulls else bits([cell is not None for cell in cells])
    return values(t, cells) + bitmap + counts


def values(t: pa.DataType, cells: list[Any]) -> bytes:
    if types.is_dictionary(t):
        return values(t.value_type, cells)
    if types.is_boolean(t):
        return bits([bool(cell) for cell in cells])
    if types.is_floating(t):
        code = {16: "<e", 32: "<f", 64: "<d"}[t.bit_width]
        quiet = {16: "007e", 32: "0000c07f", 64: "000000000000f87f"}[t.bit_width]
        return b"".join(
            bytes.fromhex(quiet)
            if cell is not None and math.isnan(cell)
            else struct.pack(code, 0.0 if cell is None else cell)
            for cell in cells
        )
    if types.is_fixed_size_binary(t):
        return b"".join(bytes(t.byte_width) if cell is None else cell for cell in cells)
    if types.is_map(t):
        pairs = [pair for cell in cells for pair in cell or ()]
        children = array(t.key_type, [k for k, _ in pairs])
        children += array(t.item_type, [v for _, v in pairs])
        return children + lengths([len(cell or ()) for cell in cells])
    if types.is_struct(t):
        return b"".join(
            array(f.type, [None if cell is None else cell[i] for cell in cells])
            for i, f in enumerate(t)
        )
    if types.is_fixed_size_list(t):
        return array(t.value_type, [x for cell in cells for x in cell or ()])
    if types.is_nested(t):
        elements = array(t.value_type, [x for cell in cells for x in cell or ()])
        return elements + lengths([len(cell or ()) for cell in cells])
    if "string" in str(t) or "binary" in str(t):
        parts = [(c.encode() if isinstance(c, str) else c) or b"" for c in cells]
        return b"".join(parts) + lengths([len(part) for part in parts])
    width = t.bit_width // 8
    if types.is_decimal(t):
        width = 16 if t.precision <= 38 else 32
    factor, divisor = 1, 1
    if types.is_date(t):
        width, divisor = 4, 86_400_000 if types.is_date64(t) else 1
    elif (types.is_time(t) or types.is_timestamp(t)) and t.unit == "s":
        factor = 1000
    return b"".join(
        ((cell or 0) * factor // divisor).to_bytes(width, "little", signed=(cell or 0) < 0)
        for cell in cells
    )


def bits(flags: list[bool]) -> bytes:
    number = sum(1 << i for i, flag in enumerate(flags) if flag)
    return number.to_bytes((len(flags) + 7) // 8, "little")


def lengths(numbers: list[int]) -> bytes:
    """Section 4.3."""
    width = next(w for w in (1, 2, 4, 8) if max(numbers) < 1 << 8 * w)
    return b"".join(n.to_bytes(width, "little") for n in numbers) + bytes([width])


def plain(a: pa.Array) -> list[Any]:
    """The values as Python's, times as numbers, structs as tuples."""
    t = a.type
    if types.is_dictionary(t):
        return plain(a.dictionary_decode())
    if types.is_decimal(t):
        return [None if c is None else int(c.scaleb(t.scale, _EXACT)) for c in a.to_pylist()]
    if types.is_temporal(t):
        return a.view(pa.int32() if t.bit_width == 32 else pa.int64()).to_pylist()
    if types.is_struct(t):
        columns = [plain(child) for child in a.flatten()]
        rows = zip(*columns, strict=True) if columns else [()] * len(a)
        return [row if valid else None for row, valid in zip(rows, a.is_valid(), strict=True)]
    if types.is_nested(t):
        return [None if not cell.is_valid else nested(cell) for cell in a]
    return a.to_pylist()


def nested(cell: Any) -> list[Any]:
    inner = cell.values
    return [] if inner is None else plain(inner)


_EXACT = decimal.Context(prec=100)


@settings(deadline=None)
@given(tables())
def test_every_table_has_the_id_that_the_specification_says(value: pa.Table) -> None:
    for column in value.columns:
        for chunk in column.chunks:
            chunk.validate(full=True)
    assert identify(value).id == table(value)


@pytest.mark.parametrize("rows", [0, 1, 65_536, 65_537, 140_000])
def test_blocks_are_as_the_specification_says(rows: int) -> None:
    numbers = np.arange(rows)
    value = pa.table({"n": numbers, "s": pa.array(numbers % 300).cast(pa.string())})
    value = value.append_column("x", pa.array(numbers / 7, mask=numbers % 5 == 0))
    assert identify(value).id == table(value)

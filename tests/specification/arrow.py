"""Between the vectors' notation and Arrow: arrays in several storages, and back."""

from __future__ import annotations

import json
import struct
from typing import Any

import pyarrow as pa

from specification import binary, utf8
from specification.tables import BINARIES, DECIMALS, FLOATS, INTEGERS, LISTS, STRINGS, bits, kind

types = pa.types

PLAIN = {
    **{name: getattr(pa, name)() for name in (*INTEGERS, *FLOATS, *STRINGS, *BINARIES)},
    "null": pa.null(),
    "bool": pa.bool_(),
    "date32": pa.date32(),
    "date64": pa.date64(),
    "interval_month_day_nano": pa.month_day_nano_interval(),
}


def registered(storage: pa.DataType, name: str, parameters: bytes) -> pa.DataType:
    """An extension type, as a program has it that registered it."""

    class Registered(pa.ExtensionType):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(storage, name)

        def __arrow_ext_serialize__(self) -> bytes:
            return parameters

        @classmethod
        def __arrow_ext_deserialize__(cls, storage: pa.DataType, serialized: bytes) -> Registered:
            return cls()

    return Registered()


def arrow_field(name: str, t: Any) -> pa.Field:
    """An extension type is what a reader that has not registered it sees."""
    if kind(t) != "extension":
        return pa.field(name, arrow_type(t))
    metadata = {b"ARROW:extension:name": utf8(t["name"])}
    if t["parameters"]:
        metadata[b"ARROW:extension:metadata"] = binary(t["parameters"])
    return pa.field(name, arrow_type(t["storage"]), metadata=metadata)


def arrow_type(t: Any) -> pa.DataType:
    k = kind(t)
    if k in PLAIN:
        return PLAIN[k]
    if k == "extension":
        return arrow_type(t["storage"])
    if k == "fixed_size_binary":
        return pa.binary(t["size"])
    if k in DECIMALS:
        return getattr(pa, k)(t["precision"], t["scale"])
    if k in ("time32", "time64", "duration"):
        return getattr(pa, k)(t["unit"])
    if k == "timestamp":
        return pa.timestamp(t["unit"], t["zone"])
    if k in LISTS:
        make = pa.list_ if k == "list" else getattr(pa, k)
        return make(arrow_field("item", t["child"]))
    if k == "fixed_size_list":
        return pa.list_(arrow_field("item", t["child"]), t["size"])
    if k == "struct":
        return pa.struct([arrow_field(utf8(name).decode(), c) for name, c in t["fields"]])
    if k == "map":
        return pa.map_(
            arrow_field("key", t["key"]).with_nullable(False), arrow_field("value", t["item"])
        )
    if k == "dictionary":
        return pa.dictionary(pa.int32(), arrow_type(t["values"]))
    assert k == "run_end_encoded"
    return pa.run_end_encoded(pa.int32(), arrow_type(t["values"]))


def build(t: Any, cells: list[Any], *, garbage: bool = False) -> pa.Array:
    """An Arrow array, buffer by buffer. ``garbage`` lies under the nulls, at every level."""
    k, rows = kind(t), len(cells)
    if k == "extension":
        return build(t["storage"], cells, garbage=garbage)
    if k == "null":
        return pa.nulls(rows)
    if k == "dictionary":
        return _dictionary(t, cells, garbage)
    if k == "run_end_encoded":
        return _runs(t, cells)
    valid = [cell is not None for cell in cells]
    bitmap = None if all(valid) else pa.py_buffer(bits(valid))
    some = next((cell for cell in cells if cell is not None), None) if garbage else None
    filled = [some if cell is None else cell for cell in cells]
    type_ = arrow_type(t)

    def made(*buffers: bytes | pa.Buffer, children: list[pa.Array] | None = None) -> pa.Array:
        given = [pa.py_buffer(b) if isinstance(b, bytes) else b for b in buffers]
        return pa.Array.from_buffers(type_, rows, [bitmap, *given], children=children)

    def inner(child: Any, values: list[Any]) -> pa.Array:
        return build(child, values, garbage=garbage)

    if k == "bool":
        return made(bits([bool(cell) for cell in filled]))
    if k in STRINGS or k in BINARIES:
        read = utf8 if k in STRINGS else binary
        parts = [b"" if cell is None else read(cell) for cell in filled]
        if k.endswith("view"):
            wide = pa.large_string() if k in STRINGS else pa.large_binary()
            offsets = pa.py_buffer(_offsets(parts, "q"))
            array = pa.Array.from_buffers(
                wide, rows, [None, offsets, pa.py_buffer(b"".join(parts))]
            ).cast(type_)
            return made(*array.buffers()[1:])
        return made(_offsets(parts, "q" if k.startswith("large") else "i"), b"".join(parts))
    if k in ("list", "large_list"):
        lists = [cell or [] for cell in filled]
        code = "q" if k.startswith("large") else "i"
        return made(_offsets(lists, code), children=[inner(t["child"], _flat(lists))])
    if k.endswith("list_view"):
        lists = [cell or [] for cell in filled]
        code = "q" if k.startswith("large") else "i"
        ends = [sum(map(len, lists[i:])) for i in range(rows + 1)]  # last list first
        starts = struct.pack(f"<{rows}{code}", *ends[1:])
        sizes = struct.pack(f"<{rows}{code}", *map(len, lists))
        return made(starts, sizes, children=[inner(t["child"], _flat(lists[::-1]))])
    if k == "fixed_size_list":
        lists = [[None] * t["size"] if cell is None else cell for cell in filled]
        return made(children=[inner(t["child"], _flat(lists))])
    if k == "map":
        maps = [cell or [] for cell in filled]
        pairs = {"type": "struct", "fields": [["key", t["key"]], ["value", t["item"]]]}
        entries = inner(pairs, _flat(maps))
        entries = pa.StructArray.from_arrays(
            [entries.field(0), entries.field(1)], fields=[type_.key_field, type_.item_field]
        )
        return made(_offsets(maps, "i"), children=[entries])
    if k == "struct":
        children = [
            inner(child, [None if cell is None else cell[number] for cell in filled])
            for number, (_, child) in enumerate(t["fields"])
        ]
        return made(children=children)
    return made(b"".join(_raw(t, cell) for cell in filled))


def _raw(t: Any, cell: Any) -> bytes:
    """A value of fixed width as Arrow keeps it."""
    k = kind(t)
    width = 16 if k.startswith("interval") else arrow_type(t).bit_width // 8
    if cell is None:
        return bytes(width)
    if k in FLOATS:
        return bytes.fromhex(cell)[::-1]
    if k == "fixed_size_binary":
        return binary(cell)
    if k.startswith("interval"):
        return struct.pack("<iiq", *map(int, cell))
    return int(cell).to_bytes(width, "little", signed=not k.startswith("uint"))


def _dictionary(t: Any, cells: list[Any], garbage: bool) -> pa.Array:
    distinct = {json.dumps(cell): cell for cell in cells if cell is not None}
    places = {key: place for place, key in enumerate(distinct)}
    other = len(distinct) - 1 if garbage and distinct else None
    indices = [places.get(json.dumps(cell), other if cell is None else None) for cell in cells]
    array = build("int32", indices)
    if garbage and distinct and None in cells:
        valid = pa.py_buffer(bits([cell is not None for cell in cells]))
        array = pa.Array.from_buffers(pa.int32(), len(cells), [valid, *array.buffers()[1:]])
    return pa.DictionaryArray.from_arrays(array, build(t["values"], list(distinct.values())))


def _runs(t: Any, cells: list[Any]) -> pa.Array:
    ends: list[int] = []
    values: list[Any] = []
    for row, cell in enumerate(cells, 1):
        if values and json.dumps(values[-1]) == json.dumps(cell):
            ends[-1] = row
        else:
            ends.append(row)
            values.append(cell)
    return pa.RunEndEncodedArray.from_arrays(pa.array(ends, pa.int32()), build(t["values"], values))


def _offsets(parts: list[Any], code: str) -> bytes:
    ends = [0]
    for part in parts:
        ends.append(ends[-1] + len(part))
    return struct.pack(f"<{len(ends)}{code}", *ends)


def _flat(lists: list[list[Any]]) -> list[Any]:
    return [item for one in lists for item in one]


# --- back: what an Arrow table is in the notation -------------------------------------------------


def notation(table: pa.Table) -> dict[str, Any]:
    """A table in the vectors' notation."""
    columns = [
        {
            "name": name,
            "types": [type_notation(field.type)],
            "values": [cell for chunk in column.chunks for cell in _cells(chunk)],
        }
        for name, field, column in zip(table.column_names, table.schema, table.columns, strict=True)
    ]
    return {"rows": table.num_rows, "columns": columns}


def type_notation(t: pa.DataType) -> Any:
    if types.is_dictionary(t):
        return {"type": "dictionary", "values": type_notation(t.value_type)}
    for name, plain in PLAIN.items():
        if t == plain:
            return name
    if types.is_decimal(t):
        name = f"decimal{t.bit_width}"
        return {"type": name, "precision": t.precision, "scale": t.scale}
    if types.is_duration(t):
        return {"type": "duration", "unit": t.unit}
    if types.is_time(t):
        return {"type": f"time{t.bit_width}", "unit": t.unit}
    if types.is_timestamp(t):
        return {"type": "timestamp", "unit": t.unit, "zone": t.tz}
    if types.is_fixed_size_binary(t):
        return {"type": "fixed_size_binary", "size": t.byte_width}
    if types.is_map(t):
        return {
            "type": "map", "key": type_notation(t.key_type), "item": type_notation(t.item_type)
        }  # fmt: skip
    if types.is_struct(t):
        fields = [[field.name, type_notation(field.type)] for field in t]
        return {"type": "struct", "fields": fields}
    child = type_notation(t.value_type)
    if types.is_fixed_size_list(t):
        return {"type": "fixed_size_list", "size": t.list_size, "child": child}
    return {"type": "large_list" if types.is_large_list(t) else "list", "child": child}


def _cells(a: pa.Array) -> list[Any]:
    t = a.type
    if types.is_dictionary(t):
        return _cells(a.dictionary_decode())
    if types.is_decimal(t):
        width = t.bit_width // 8
        raw = a.buffers()[1].to_pybytes() if len(a) and a.buffers()[1] else b""
        numbers = [
            int.from_bytes(raw[(a.offset + i) * width :][:width], "little", signed=True)
            for i in range(len(a))
        ]
        return [n if v else None for n, v in zip(numbers, a.is_valid().to_pylist(), strict=True)]
    if types.is_floating(t):
        width = t.bit_width // 8
        integers = a.view(getattr(pa, f"uint{t.bit_width}")()).to_pylist()
        return [None if n is None else f"{n:0{2 * width}x}" for n in integers]
    if types.is_temporal(t):
        return a.view(pa.int32() if t.bit_width == 32 else pa.int64()).to_pylist()
    if types.is_struct(t):
        columns = [_cells(child) for child in a.flatten()]
        rows = list(zip(*columns, strict=True)) if columns else [()] * len(a)
        return [list(r) if v.as_py() else None for r, v in zip(rows, a.is_valid(), strict=True)]
    if types.is_map(t):
        return [_pairs(cell) if cell.is_valid else None for cell in a]
    if types.is_nested(t):
        return [_items(cell) if cell.is_valid else None for cell in a]
    if types.is_string(t) or types.is_large_string(t) or types.is_string_view(t):
        return a.to_pylist()
    cells = a.to_pylist()
    return [cell.hex() if isinstance(cell, bytes) else cell for cell in cells]


def _items(cell: Any) -> list[Any]:
    return [] if cell.values is None else _cells(cell.values)


def _pairs(cell: Any) -> list[Any]:
    return _items(cell)

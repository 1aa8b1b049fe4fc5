"""Hypothesis strategies: Arrow tables of every type."""

from __future__ import annotations

import decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
UNITS = st.sampled_from(["s", "ms", "us", "ns"])


def _integers(bits: int, signed: bool = True) -> st.SearchStrategy[int]:
    low = -(1 << (bits - 1)) if signed else 0
    return st.integers(low, low + (1 << bits) - 1)


def _decimals(precision: int, scale: int) -> st.SearchStrategy[decimal.Decimal]:
    most = 10**precision - 1
    context = decimal.Context(prec=100)
    return st.integers(-most, most).map(
        lambda n: context.scaleb(decimal.Decimal(n), -scale),
    )


FLAT: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.null(), st.none()),
    (pa.bool_(), st.booleans()),
    *[(getattr(pa, f"int{n}")(), _integers(n)) for n in (8, 16, 32, 64)],
    *[(getattr(pa, f"uint{n}")(), _integers(n, signed=False)) for n in (8, 16, 32, 64)],
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats()),
    *[(t, TEXT) for t in (pa.string(), pa.large_string(), pa.string_view())],
    *[(t, st.binary(max_size=20)) for t in (pa.binary(), pa.large_binary(), pa.binary_view())],
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.date32(), _integers(31)),
    (pa.date64(), st.integers(-(10**5), 10**5).map(lambda n: n * 86_400_000)),
    (pa.time32("s"), st.integers(0, 86_399)),
    (pa.time32("ms"), st.integers(0, 86_399_999)),
    (pa.time64("us"), st.integers(0, 86_399_999_999)),
    (pa.time64("ns"), st.integers(0, 86_399_999_999_999)),
    (pa.timestamp("s"), st.integers(-(10**11), 10**11)),
    *[(pa.timestamp(unit), _integers(63)) for unit in ("ms", "us", "ns")],
    *[(pa.timestamp(unit, "Europe/Paris"), _integers(63)) for unit in ("ms", "us", "ns")],
    *[(pa.duration(unit), _integers(63)) for unit in ("s", "ms", "us", "ns")],
    (pa.decimal32(7, 2), _decimals(7, 2)),
    (pa.decimal64(15, 4), _decimals(15, 4)),
    (pa.decimal128(38, 10), _decimals(38, 10)),
    (pa.decimal256(20, 3), _decimals(20, 3)),
    (pa.decimal256(60, 3), _decimals(60, 3)),
    (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["", "a", "bc", "äöü"])),
]


def _nested(
    children: st.SearchStrategy[tuple[pa.DataType, st.SearchStrategy[Any]]],
) -> st.SearchStrategy[tuple[pa.DataType, st.SearchStrategy[Any]]]:
    def lists(child: tuple[pa.DataType, st.SearchStrategy[Any]]) -> Any:
        type_, values = child
        some = st.lists(st.none() | values, max_size=4)
        two = st.lists(st.none() | values, min_size=2, max_size=2)
        return st.sampled_from(
            [(pa.list_(type_), some), (pa.large_list(type_), some), (pa.list_(type_, 2), two)]
        )

    def structs(parts: list[tuple[pa.DataType, st.SearchStrategy[Any]]]) -> Any:
        type_ = pa.struct([(f"f{i}", part[0]) for i, part in enumerate(parts)])
        values = {f"f{i}": st.none() | part[1] for i, part in enumerate(parts)}
        return type_, st.fixed_dictionaries(values)

    def maps(child: tuple[pa.DataType, st.SearchStrategy[Any]]) -> Any:
        type_, values = child
        entries = st.lists(st.tuples(TEXT, st.none() | values), max_size=3)
        return pa.map_(pa.string(), type_), entries

    return (
        children.flatmap(lists)
        | st.lists(children, min_size=1, max_size=3).map(structs)
        | children.map(maps)
    )


TYPES = st.recursive(st.sampled_from(FLAT), _nested, max_leaves=4)


@st.composite
def tables(draw: st.DrawFn, types: Any = TYPES, max_rows: int = 30) -> pa.Table:
    """A table of some columns; names may be equal."""
    rows = draw(st.integers(0, max_rows))
    names, arrays = [], []
    for _ in range(draw(st.integers(1, 3))):
        type_, values = draw(types)
        cells = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        names.append(draw(TEXT))
        arrays.append(array(cells, type_))
    return pa.Table.from_arrays(arrays, names)


def array(cells: list[Any], type_: pa.DataType) -> pa.Array:
    """``pa.array``, with plain numbers for times too, at any depth."""
    return _build(cells, type_)


def _build(cells: list[Any], type_: pa.DataType) -> pa.Array:
    mask = pa.array([cell is None for cell in cells], pa.bool_())
    if isinstance(type_, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(type_, _build(cells, type_.storage_type))
    if pa.types.is_dictionary(type_):
        return pa.array(cells, type_.value_type).dictionary_encode().cast(type_)
    if pa.types.is_struct(type_):
        children = [
            _build([None if c is None else c[field.name] for c in cells], field.type)
            for field in type_
        ]
        return pa.StructArray.from_arrays(children, fields=list(type_), mask=mask)
    if pa.types.is_map(type_):
        pairs = [pair for cell in cells for pair in cell or ()]
        keys = _build([key for key, _ in pairs], type_.key_type)
        items = _build([item for _, item in pairs], type_.item_type)
        return pa.MapArray.from_arrays(_offsets(cells, pa.int32()), keys, items, type_)
    if pa.types.is_fixed_size_list(type_):
        flat = [x for cell in cells for x in (cell or [None] * type_.list_size)]
        return pa.FixedSizeListArray.from_arrays(
            _build(flat, type_.value_type), type=type_, mask=mask
        )
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        flat = [x for cell in cells for x in cell or ()]
        large = pa.types.is_large_list(type_)
        kind = pa.LargeListArray if large else pa.ListArray
        offsets = _offsets(cells, pa.int64() if large else pa.int32())
        return kind.from_arrays(offsets, _build(flat, type_.value_type), type=type_)
    if pa.types.is_temporal(type_) and not pa.types.is_interval(type_):
        width = pa.int32() if type_.bit_width == 32 else pa.int64()
        return pa.array(cells, width).view(type_)
    return pa.array(cells, type_)


def _offsets(cells: list[Any], type_: pa.DataType) -> pa.Array:
    """Offsets of lists; a null offset says that the list that begins there is null."""
    offsets, end = [], 0
    for cell in cells:
        offsets.append(None if cell is None else end)
        end += len(cell or ())
    return pa.array([*offsets, end], type_)

"""Hypothesis strategies of one family of Arrow types each, and what their values mean.

A column is a type and a list of cells,
as ``arrow_data.array`` builds them: times are plain numbers.
``meaning`` says, without a look at how ids are made, when two such columns are one content.
"""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from arrow_data import FLAT, TEXT, _decimals, _integers, _nested
from hypothesis import strategies as st

types = pa.types

Typed = tuple[pa.DataType, st.SearchStrategy[Any]]
"""A type and its cells; None is drawn besides."""


def _flat(check: Any) -> list[Typed]:
    return [part for part in FLAT if check(part[0])]


# Few letters, so that equal cells, and pieces of cells, happen; some that are more than one byte.
WORDS = st.text("ab\0äß\U0001f600", max_size=4) | TEXT
BYTES = st.binary(max_size=4)
SMALL = st.integers(-2, 2)


def _often(values: st.SearchStrategy[Any], *few: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(few) | values


def _time_types() -> list[Typed]:
    return [
        (pa.time32("s"), _often(st.integers(0, 86_399), 0, 1)),
        (pa.time32("ms"), _often(st.integers(0, 86_399_999), 0, 1, 1000)),
        (pa.time64("us"), _often(st.integers(0, 86_399_999_999), 0, 1, 1000)),
        (pa.time64("ns"), _often(st.integers(0, 86_399_999_999_999), 0, 1, 1000)),
    ]


def _instants(zones: list[str | None]) -> list[Typed]:
    seconds = _often(st.integers(-(10**11), 10**11), 0, 1)
    finer = _often(_integers(63), 0, 1, 1000)
    return [
        (pa.timestamp(unit, zone), seconds if unit == "s" else finer)
        for unit in ("s", "ms", "us", "ns")
        for zone in zones
    ]


_FLAT_LEAVES: list[Typed] = [
    (pa.int8(), SMALL),
    (pa.int64(), SMALL),
    (pa.float64(), _often(st.floats(), 0.0, -0.0, float("nan"))),
    (pa.bool_(), st.booleans()),
    (pa.string(), WORDS),
    (pa.binary(2), st.binary(min_size=2, max_size=2)),
    (pa.timestamp("us", "UTC"), SMALL),
    (pa.decimal128(5, 2), _decimals(5, 2)),
    (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["", "a", "bc", "äöü"])),
    (pa.null(), st.none()),
]
LEAVES = st.sampled_from(_FLAT_LEAVES)
DEEP = st.recursive(LEAVES, _nested, max_leaves=3)


@st.composite
def _lists(draw: st.DrawFn) -> Typed:
    type_, values = draw(DEEP)
    make = draw(st.sampled_from([pa.list_, pa.large_list]))
    return make(type_), st.lists(st.none() | values, max_size=3)


@st.composite
def _fixed_lists(draw: st.DrawFn) -> Typed:
    type_, values = draw(DEEP)
    size = draw(st.integers(1, 3))
    return pa.list_(type_, size), st.lists(st.none() | values, min_size=size, max_size=size)


@st.composite
def _structs(draw: st.DrawFn) -> Typed:
    children = draw(st.lists(DEEP, min_size=1, max_size=3))
    names = draw(st.lists(WORDS, min_size=len(children), max_size=len(children), unique=True))
    fields = [pa.field(name, child[0]) for name, child in zip(names, children, strict=True)]
    values = {name: st.none() | child[1] for name, child in zip(names, children, strict=True)}
    return pa.struct(fields), st.fixed_dictionaries(values)


@st.composite
def _maps(draw: st.DrawFn) -> Typed:
    type_, values = draw(DEEP)
    key, keys = draw(st.sampled_from([(pa.string(), WORDS), (pa.int8(), SMALL)]))
    return pa.map_(key, type_), st.lists(st.tuples(keys, st.none() | values), max_size=3)


class Labelled(pa.ExtensionType):  # type: ignore[misc]
    """An extension type of the tests' own, with a parameter."""

    def __init__(self, storage: pa.DataType, label: str) -> None:
        self.label = label
        super().__init__(storage, "otelprov.tests.labelled")

    def __arrow_ext_serialize__(self) -> bytes:
        return self.label.encode()

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, serialized: bytes) -> Labelled:
        return cls(storage, serialized.decode())


def _extensions() -> list[Typed]:
    period = [pa.array(pd.array([pd.Period("2020", freq)])).type for freq in ("D", "M", "h")]
    uuids = st.binary(min_size=16, max_size=16)
    return [
        *((type_, SMALL) for type_ in period),
        (pa.uuid(), uuids),
        (pa.binary(16), uuids),
        (pa.bool8(), st.integers(-1, 1)),
        (pa.json_(), WORDS),
        (pa.string(), WORDS),
        (pa.int64(), SMALL),
        *((pa.opaque(pa.int64(), name, vendor), SMALL) for name in "ab" for vendor in "ab"),
        *((Labelled(pa.int64(), label), SMALL) for label in ("", "x", "y")),
        (pa.list_(pa.int64()), st.lists(SMALL, max_size=2)),
        (Labelled(pa.list_(pa.int64()), "x"), st.lists(SMALL, max_size=2)),
    ]


def _dictionaries() -> list[Typed]:
    indices = [pa.int8(), pa.uint8(), pa.int32(), pa.int64()]
    values: list[Typed] = [
        (pa.string(), WORDS),
        (pa.large_string(), WORDS),
        (pa.int64(), SMALL),
        (pa.int16(), SMALL),
        (pa.date32(), SMALL),
        (pa.binary(), BYTES),
    ]
    return [*values, *((pa.dictionary(index, t), v) for index in indices for t, v in values)]


INTERVALS = st.tuples(_integers(32), _integers(32), _integers(64)).map(
    lambda parts: pa.MonthDayNano(list(parts))
)
_DATES: list[Typed] = [
    (pa.date32(), _often(_integers(31), 0, 1)),
    (pa.date64(), _often(st.integers(-(10**5), 10**5), 0, 1).map(lambda n: n * 86_400_000)),
]

FAMILIES: dict[str, st.SearchStrategy[Typed]] = {
    "integers": st.sampled_from([(t, _often(v, 0, 1)) for t, v in _flat(types.is_integer)]),
    "floats": st.sampled_from(
        [
            (getattr(pa, f"float{n}")(), _often(st.floats(width=n), 0.0, -0.0, 1.0))
            for n in (16, 32, 64)
        ]
    ),
    "bools": st.sampled_from([(pa.bool_(), st.booleans()), (pa.int8(), st.integers(0, 1))]),
    "strings": st.sampled_from(
        [(t, WORDS) for t in (pa.string(), pa.large_string(), pa.string_view())]
    ),
    "binary": st.sampled_from(
        [
            *((t, BYTES) for t in (pa.binary(), pa.large_binary(), pa.binary_view())),
            *((pa.binary(n), st.binary(min_size=n, max_size=n)) for n in (1, 2, 3)),
        ]
    ),
    "decimals": st.sampled_from(
        [
            *_flat(types.is_decimal),
            *(
                (make(p, s), _decimals(p, s))
                for make, p in (
                    (pa.decimal32, 5),
                    (pa.decimal64, 5),
                    (pa.decimal128, 5),
                    (pa.decimal256, 5),
                    (pa.decimal128, 6),
                    (pa.decimal256, 39),
                )
                for s in (0, 2)
            ),
        ]
    ),
    "dates": st.sampled_from(_DATES),
    "times": st.sampled_from(_time_types()),
    "timestamps": st.sampled_from(
        _instants([None, "UTC", "Europe/Paris", "+01:00", "Etc/UTC", "+00:00"])
    ),
    "durations": st.sampled_from(
        [(pa.duration(u), _often(_integers(63), 0, 1, 1000)) for u in ("s", "ms", "us", "ns")]
    ),
    "intervals": st.just((pa.month_day_nano_interval(), INTERVALS)),
    "lists": _lists(),
    "fixed-size lists": _fixed_lists(),
    "structs": _structs(),
    "maps": _maps(),
    "dictionaries": st.sampled_from(_dictionaries()),
    "nulls": st.sampled_from([(t, st.none()) for t, _ in FLAT]),
    "extension types": st.sampled_from(_extensions()),
    "everything": st.recursive(st.sampled_from(FLAT), _nested, max_leaves=4),
}


# --- what is one content --------------------------------------------------------------------------


def content(type_: pa.DataType) -> Any:
    """The type as content: what differs only in storage is one."""
    if isinstance(type_, pa.BaseExtensionType):
        own = getattr(type_, "__arrow_ext_serialize__", lambda: str(type_).encode())
        return "extension", type_.extension_name, own(), content(type_.storage_type)
    if types.is_dictionary(type_):
        return content(type_.value_type)
    if types.is_struct(type_):
        return "struct", tuple((field.name, content(field.type)) for field in type_)
    if types.is_map(type_):
        return "map", content(type_.key_type), content(type_.item_type)
    if types.is_fixed_size_list(type_):
        return "list", type_.list_size, content(type_.value_type)
    if types.is_nested(type_):
        return "list", content(type_.value_type)
    if types.is_decimal(type_):
        return "decimal", type_.precision, type_.scale
    if types.is_date(type_):
        return "date"
    if types.is_timestamp(type_):
        unit = "ms" if type_.unit == "s" else type_.unit
        return "timestamp", unit, "UTC" if type_.tz in ("Etc/UTC", "+00:00") else type_.tz
    if types.is_time(type_):
        return "time", "ms" if type_.unit == "s" else type_.unit
    name = str(type_)
    return name.replace("large_", "").replace("_view", "")


def meaning(type_: pa.DataType, cell: Any) -> Any:
    """A cell so that what is one content, and only that, compares equal."""
    if cell is None:
        return None
    if isinstance(type_, pa.BaseExtensionType):
        return meaning(type_.storage_type, cell)
    if types.is_dictionary(type_):
        return meaning(type_.value_type, cell)
    if types.is_struct(type_):
        return tuple(meaning(field.type, cell[field.name]) for field in type_)
    if types.is_map(type_):
        return tuple((meaning(type_.key_type, k), meaning(type_.item_type, v)) for k, v in cell)
    if types.is_nested(type_):
        return tuple(meaning(type_.value_type, x) for x in cell)
    if types.is_floating(type_):
        if cell != cell:
            return "nan"
        with np.errstate(over="ignore"):
            return np.array(cell, f"<f{type_.bit_width // 8}").tobytes()
    if types.is_decimal(type_):
        return int(cell.scaleb(type_.scale, decimal.Context(prec=100)))
    if types.is_date64(type_):
        return cell // 86_400_000
    if (types.is_time(type_) or types.is_timestamp(type_)) and type_.unit == "s":
        return cell * 1000
    if types.is_integer(type_) or types.is_boolean(type_):
        return int(cell)
    return cell


def column_content(type_: pa.DataType, cells: list[Any]) -> Any:
    return content(type_), tuple(meaning(type_, cell) for cell in cells)


# --- the same content, stored otherwise -----------------------------------------------------------


def holds(type_: pa.DataType, *checks: Any) -> bool:
    """Whether a type, or one below it, is of a kind."""
    if any(check(type_) for check in checks):
        return True
    if isinstance(type_, pa.BaseExtensionType):
        return holds(type_.storage_type, *checks)
    if types.is_dictionary(type_) or types.is_run_end_encoded(type_):
        return holds(type_.value_type, *checks)
    return any(holds(type_.field(i).type, *checks) for i in range(type_.num_fields))


def with_nulls(full: pa.Array, valid: list[bool]) -> pa.Array:
    """An array with other nulls; what was in their places lies under them now."""
    if types.is_null(full.type) or all(valid):
        return full
    if isinstance(full.type, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(full.type, with_nulls(full.storage, valid))
    if types.is_dictionary(full.type):
        return pa.DictionaryArray.from_arrays(with_nulls(full.indices, valid), full.dictionary)
    bitmap = pa.array(np.array(valid)).buffers()[1]
    type_, rows = full.type, len(full)
    if types.is_struct(type_) or types.is_fixed_size_list(type_):
        children = (
            [full.field(i) for i in range(type_.num_fields)]
            if types.is_struct(type_)
            else [full.values]
        )
        return pa.Array.from_buffers(type_, rows, [bitmap], children=children)
    if types.is_map(type_):
        entries = pa.StructArray.from_arrays(
            [full.keys, full.items], fields=[type_.key_field, type_.item_field]
        )
        return pa.Array.from_buffers(type_, rows, [bitmap, full.buffers()[1]], children=[entries])
    if types.is_nested(type_):
        buffers = [bitmap, full.buffers()[1]]
        return pa.Array.from_buffers(type_, rows, buffers, children=[full.values])
    return pa.Array.from_buffers(type_, rows, [bitmap, *full.buffers()[1:]])

"""Different data has different ids: the known failures of other tools, each a test."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from otelprov.artifacts import digest_value, identify


def ids(*values: object) -> set[str]:
    artifacts = [identify(value) for value in values]
    assert {artifact.coverage for artifact in artifacts} == {"full"}, artifacts
    return {artifact.id for artifact in artifacts}


def test_an_edit_after_row_10_000_is_seen() -> None:
    rows = 200_000
    before = pd.DataFrame({"a": np.arange(rows), "s": "x"})
    for row in (10_000, 65_535, 65_536, rows - 1):
        number, text = before.copy(), before.copy()
        number.loc[row, "a"] = -1
        text.loc[row, "s"] = "y"
        assert len(ids(before, number, text)) == 3


TYPES_OF_ONE = {
    **{
        name: pa.array([1, 2], getattr(pa, name)())
        for name in (
            "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
        )
    },
    "bool": pa.array([True, True]),
    "text": pa.array(["1", "2"]),
    "bytes": pa.array([b"1", b"2"]),
    "fixed bytes": pa.array([b"1", b"2"], pa.binary(1)),
    **{
        f"timestamp {unit} {zone}": pa.array([1, 2], pa.timestamp(unit, zone))
        for unit in ("ms", "us", "ns")
        for zone in (None, "UTC", "Europe/Paris")
    },
    **{f"duration {unit}": pa.array([1, 2], pa.duration(unit)) for unit in ("s", "ms", "us", "ns")},
    "date": pa.array([1, 2], pa.int32()).view(pa.date32()),
    "time ms": pa.array([1, 2], pa.int32()).view(pa.time32("ms")),
    "time us": pa.array([1, 2], pa.time64("us")),
    "time ns": pa.array([1, 2], pa.time64("ns")),
    "decimal 5,0": pa.array([1, 2], pa.decimal128(5, 0)),
    "decimal 6,0": pa.array([1, 2], pa.decimal128(6, 0)),
    "decimal 6,1": pa.array([1, 2], pa.decimal128(6, 1)),
    "list": pa.array([[1], [2]]),
    "fixed list": pa.array([[1], [2]], pa.list_(pa.int64(), 1)),
    "list of lists": pa.array([[[1]], [[2]]]),
    "struct a": pa.array([{"a": 1}, {"a": 2}]),
    "struct b": pa.array([{"b": 1}, {"b": 2}]),
    "map": pa.array([[("a", 1)], [("a", 2)]], pa.map_(pa.string(), pa.int64())),
    "list of structs": pa.array([[{"key": "a", "value": 1}], [{"key": "a", "value": 2}]]),
    "nulls": pa.array([None, None]),
    "null int64": pa.array([None, None], pa.int64()),
    "null text": pa.array([None, None], pa.string()),
}


def test_every_type_differs_from_every_other_on_the_same_numbers() -> None:
    assert len(ids(*TYPES_OF_ONE.values())) == len(TYPES_OF_ONE)


def test_every_type_differs_from_every_other_without_rows() -> None:
    columns = {name: a.slice(0, 0) for name, a in TYPES_OF_ONE.items()}
    del columns["null int64"], columns["null text"]
    assert len(ids(*columns.values())) == len(columns)


def test_numpy_and_pandas_types_differ_too() -> None:
    kinds = ["i1", "i4", "i8", "u4", "f4", "f8", "M8[ns]", "M8[us]", "m8[ns]", "?"]
    frames = [pd.DataFrame({"a": np.array([1, 0]).astype(kind)}) for kind in kinds]
    assert len(ids(*frames)) == len(kinds)
    assert len(ids(*(np.array([1, 0]).astype(kind) for kind in kinds))) == len(kinds)


def test_a_flipped_bool_is_seen() -> None:
    flags = np.zeros(1000, bool)
    seen = [flags]
    for row in (0, 7, 8, 999):
        flipped = flags.copy()
        flipped[row] = True
        seen.append(flipped)
    assert len(ids(*(pd.DataFrame({"b": f}) for f in seen))) == 5
    assert len(ids(*(pa.array(f) for f in seen))) == 5
    assert len(ids(*seen)) == 5


def test_renamed_and_reordered_columns_and_rows_differ() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [1, 3]})
    others = [
        frame.rename(columns={"a": "c"}),
        frame.rename(columns={"a": "b", "b": "a"}),
        frame[["b", "a"]],
        frame.iloc[::-1].reset_index(drop=True),
        frame[["a"]],
    ]
    assert len(ids(frame, *others)) == 6


def test_numbers_and_their_text_differ() -> None:
    assert len(ids(pd.DataFrame({"a": [1]}), pd.DataFrame({"a": ["1"]}))) == 2
    assert len({digest_value(v) for v in (1, "1", b"1", 1.0, True, decimal.Decimal(1), [1])}) == 7


def test_null_nan_and_the_empty_string_differ() -> None:
    assert len(ids(*(pa.array([x, 1.0], pa.float64()) for x in (None, np.nan, 0.0, -0.0)))) == 4
    assert len(ids(*(pa.array([x, "a"]) for x in (None, "", "None", "nan", "NaN", "null")))) == 6
    lists = [pa.array([x, [1]], pa.list_(pa.int64())) for x in (None, [], [None])]
    assert len(ids(*lists)) == 3
    structs = [pa.array([x], pa.struct([("a", pa.int64())])) for x in (None, {"a": None})]
    assert len(ids(*structs)) == 2
    assert len(ids(pa.array([None, "a"]), pa.array(["a", None]))) == 2


@pytest.mark.parametrize("make", [pa.array, pl.Series, pd.Series])
def test_a_boundary_that_moves_between_two_strings_is_seen(make: Any) -> None:
    moved = [["ab", "c"], ["a", "bc"], ["abc", ""], ["", "abc"]]
    assert len(ids(*(make(cells) for cells in moved))) == 4
    assert (
        len(ids(*(pa.array([[*cells[0]], [*cells[1]]], pa.list_(pa.string())) for cells in moved)))
        == 4
    )


def test_a_boundary_that_moves_between_names_is_seen() -> None:
    column = [1]
    tables = [
        pa.Table.from_arrays([pa.array(column)] * len(names), names)
        for names in (["ab", "c"], ["a", "bc"], ["abc", ""], ["abc"], ["a", "b", "c"])
    ]
    assert len(ids(*tables)) == 5
    structs = [
        pa.StructArray.from_arrays([pa.array(column)] * len(names), names)
        for names in (["ab", "c"], ["a", "bc"], ["a=int64;1:b", "c"])
    ]
    assert len(ids(*structs)) == 3


def test_a_boundary_that_moves_between_columns_is_seen() -> None:
    one = pa.table({"a": [1, 2], "b": [3, 4]})
    other = pa.table({"a": [1, 3], "b": [2, 4]})
    assert len(ids(one, other)) == 2


def test_an_index_with_duplicates_is_content() -> None:
    frames = [pd.DataFrame({"a": [1, 2, 3]}, index=index) for index in ([0, 0, 1], [0, 1, 1])]
    assert len(ids(*frames, frames[0].reset_index(drop=True))) == 3


def test_transposed_and_reshaped_arrays_differ() -> None:
    array = np.arange(6)
    shapes = [array, array.reshape(2, 3), array.reshape(3, 2), array.reshape(2, 3).T]
    shapes += [array.reshape(1, 6), array.reshape(6, 1), array.reshape(1, 6, 1)]
    assert len(ids(*shapes)) == 7
    square = np.arange(4).reshape(2, 2)
    assert len(ids(pd.DataFrame(square), pd.DataFrame(square.T))) == 2


def test_arrays_of_objects_count_by_value_not_by_address() -> None:
    def make(word: str) -> np.ndarray[Any, Any]:
        return np.array(["".join(["a", word]), 10**20 + 1, None, [1, word]], object)

    assert len(ids(make("x"), make("x"))) == 1
    assert len(ids(make("x"), make("y"))) == 2
    frames = [pd.DataFrame({"a": make(word)}) for word in ("x", "x", "y")]
    assert len(ids(*frames)) == 2


def test_what_pyarrow_would_confuse_in_a_column_of_objects_differs() -> None:
    utc = dt.timezone.utc
    east = dt.timezone(dt.timedelta(hours=1))
    day, noon = dt.date(2020, 1, 1), dt.datetime(2020, 1, 1, 12)
    groups: list[list[list[Any]]] = [
        [[b"a", "b"], [b"a", b"b"], ["a", "b"]],
        [[day, noon], [day, day], [noon, noon]],
        [[noon, noon.replace(tzinfo=utc)], [noon, noon]],
        [
            [noon.replace(tzinfo=utc), noon.replace(tzinfo=east)],
            [noon.replace(tzinfo=utc), noon.replace(hour=11, tzinfo=utc)],
        ],
        [[dt.time(1), dt.time(1, tzinfo=utc)], [dt.time(1), dt.time(1)]],
        [[[b"a"], ["b"]], [[b"a"], [b"b"]]],
        [[{"a": b"a"}, {"a": "b"}], [{"a": b"a"}, {"a": b"b"}]],
        [[True, 1], [True, True], [1, 1]],
        [[2**70, 1], [2**70, 2]],
        [[{"a", "b"}, None], [["a", "b"], None], [["b", "a"], None]],
    ]
    for cells in groups:
        columns = [pd.DataFrame({"c": _objects(group)}) for group in cells]
        assert len(ids(*columns)) == len(cells), cells


def _objects(cells: list[Any]) -> Any:
    array = np.empty(len(cells), object)
    for i, cell in enumerate(cells):
        array[i] = cell
    return array


def test_rows_and_columns_of_nothing_differ() -> None:
    nothing = [
        pd.DataFrame(),
        pd.DataFrame({"a": np.array([], "i8")}),
        pd.DataFrame({"b": np.array([], "i8")}),
        pd.DataFrame({"a": np.array([], "f8")}),
        pd.DataFrame(index=pd.RangeIndex(3)),
        np.array([]),
        np.zeros((0, 3)),
        np.zeros((3, 0)),
    ]
    assert len(ids(*nothing)) == len(nothing)


def test_the_order_and_the_scale_of_numbers_are_seen() -> None:
    assert len(ids(pa.array([1, 256]), pa.array([256, 1]), pa.array([1, 255]))) == 3
    decimals = [decimal.Decimal(t) for t in ("1.0", "1.00", "10", "1E+1", "-1.0", "0.0", "-0.0")]
    assert len({digest_value(d) for d in decimals}) == len(decimals)

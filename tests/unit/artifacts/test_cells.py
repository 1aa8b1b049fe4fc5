"""Which cells differ: by Arrow's own comparison or by digests, with the same answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.artifacts.arrow_data import TYPES, array

from otelprov.artifacts import cells


def differing(a: pa.Array, b: pa.Array) -> list[int]:
    fields = pa.field("", a.type), pa.field("", b.type)
    found: list[int] = np.flatnonzero(cells.differing([a], [b], *fields)).tolist()
    return found


@pytest.mark.parametrize("type_", [pa.float16(), pa.float32(), pa.float64()])
def test_nan_equals_nan_and_the_two_zeros_differ(type_: pa.DataType) -> None:
    a = pa.array([np.float16(v) for v in (0.0, np.nan, 1.0)] + [None, None], type_)
    b = pa.array([np.float16(v) for v in (-0.0, np.nan, 1.0)] + [None, np.float16(np.nan)], type_)
    assert differing(a, b) == [0, 4]


def test_a_null_differs_from_every_value() -> None:
    assert differing(pa.array([None, "", None]), pa.array(["", None, None], pa.string())) == [0, 1]
    assert differing(pa.array([None, 0]), pa.array([0, 0])) == [0]


def test_how_strings_are_stored_is_no_difference() -> None:
    a = pa.array(["a", "b", None])
    for b in (a.dictionary_encode(), a.cast(pa.large_string()), a.cast(pa.string_view())):
        assert differing(a, b) == differing(b, a) == []
        changed = pa.array(["a", "c", None]).cast(b.type)
        assert differing(a, changed) == [1]


def test_lists_and_structs_are_compared_cell_by_cell() -> None:
    a = pa.array([[1], [], None, [1, 2]] * 100)
    b = pa.array([[1], [], None, [1, 2]] * 99 + [[1], None, None, [2, 1]])
    assert differing(a, b) == [397, 399]
    one = pa.array([{"x": 1, "y": "a"}, {"x": 2, "y": "b"}])
    other = pa.array([{"x": 1, "y": "a"}, {"x": 2, "y": None}])
    assert differing(one, other) == [1]


def test_numbers_of_two_types_are_compared_by_value() -> None:
    a = pa.array([1, 2, None], pa.int32())
    assert differing(a, pa.array([1, 3, None], pa.int64())) == [1]
    assert differing(a, pa.array([1.0, 2.5, None], pa.float64())) == [1]
    assert differing(pa.array([1.5, float("nan")], pa.float32()), pa.array([1.5, 1.0])) == [1]


def test_no_value_is_rounded_to_make_it_equal() -> None:
    nearly = [float("nan"), 0.1]
    assert differing(pa.array(nearly, pa.float64()), pa.array(nearly, pa.float32())) == [1]
    large = 2**53 + 1
    whole = pa.array([large, 0])
    with pytest.raises(cells.Incomparable):
        differing(whole, pa.array([float(2**53), 0.5]))
    assert differing(whole, pa.array([float(2**53), 0.0])) == [0]


def test_times_with_and_without_a_zone_are_not_compared() -> None:
    with pytest.raises(cells.Incomparable, match="cannot be compared"):
        differing(pa.array([0], pa.timestamp("us")), pa.array([0], pa.timestamp("us", "UTC")))
    with pytest.raises(cells.Incomparable, match="int64 and of string"):
        differing(pa.array([1]), pa.array(["1"]))
    assert differing(pa.array([1], pa.timestamp("ms")), pa.array([1000], pa.timestamp("us"))) == []


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_both_ways_of_looking_find_the_same_cells(data: st.DataObject) -> None:
    type_, values = data.draw(TYPES)
    cell = st.one_of(st.none(), values)
    rows = data.draw(st.lists(st.tuples(cell, cell, st.booleans()), max_size=20))
    first: list[Any] = [a for a, _, _ in rows]
    second: list[Any] = [a if same else b for a, b, same in rows]
    a, b = array(first, type_), array(second, type_)
    field = pa.field("", type_)
    by_digest = cells._by_digest(a, b, field, field).tolist()
    assert cells.differing([a], [b], field, field).tolist() == by_digest
    pieces = [b[:3], b[3:]]
    if "dictionary" not in str(type_):
        assert cells.differing([a], pieces, field, field).tolist() == by_digest
    singles = [
        cells._digest(a[i : i + 1], field) != cells._digest(b[i : i + 1], field)
        for i in range(len(rows))
    ]
    assert singles == by_digest

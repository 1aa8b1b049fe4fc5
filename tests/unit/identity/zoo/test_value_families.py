"""NumPy arrays, Python values, and columns of Python objects."""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import math
import pickle
import uuid
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from otelprov.artifacts import digest_value, identify
from zoo.examples import family
from zoo.families import WORDS
from zoo.peers import column
from zoo.processes import Worker
from zoo.test_pandas_families import Seen

# --- NumPy arrays ---------------------------------------------------------------------------------

KINDS = "i1 i4 i8 u1 u8 f2 f4 f8 c8 c16 ? S1 S3 U1 U3 M8[s] M8[ns] m8[s] m8[us]".split()


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    shape = tuple(draw(st.lists(st.integers(0, 3), min_size=1, max_size=3)))
    kind = draw(st.sampled_from(KINDS))
    size = math.prod(shape)
    numbers = np.array(draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)), "i8")
    array = numbers.astype(kind)
    if array.dtype.kind in "fc" and size:
        odd = draw(st.sampled_from([float("nan"), -0.0, float("-inf"), 0.1]))
        array[draw(st.integers(0, size - 1))] = odd
    return array.reshape(shape)


def array_content(array: np.ndarray[Any, Any]) -> Any:
    cells: Any = array.reshape(-1)
    if array.dtype.kind in "fc":
        width = array.dtype.itemsize // (2 if array.dtype.kind == "c" else 1)
        parts = np.array(cells).view(f"f{width}")
        cells = tuple("nan" if x != x else x.tobytes() for x in parts)
    else:
        cells = cells.tobytes()
    return str(array.dtype), array.shape, cells


def array_id(array: Any) -> str:
    artifact = identify(array)
    assert artifact.coverage == "full", artifact.reason
    return artifact.id


@family("values: arrays")
@given(arrays(), st.data())
def test_arrays(worker: Worker, array: np.ndarray[Any, Any], data: st.DataObject) -> None:
    expected = array_id(array)
    steps = tuple(slice(None, None, 2) for _ in array.shape)
    spread = np.zeros([2 * n for n in array.shape], array.dtype)
    spread[steps] = array
    flipped = np.flip(np.flip(array).copy())
    same = [
        array.copy(), array.copy(order="F"), spread[steps], flipped, array.T.copy().T,
        array.astype(array.dtype.newbyteorder(">")), pickle.loads(pickle.dumps(array)),
    ]  # fmt: skip
    if array.dtype.kind == "f":
        bits = array.view(f"u{array.dtype.itemsize}")
        nans = np.isnan(array)
        same.append(np.where(nans, bits | 1, bits).astype(bits.dtype).view(array.dtype))
    for i, other in enumerate(same):
        assert array_id(other) == expected, i
    worker.expect_pickled(array, expected)

    seen = Seen()
    variants = [array, data.draw(arrays()), array[None], array.T, np.flip(array), array.reshape(-1)]
    if array.size:
        edited = array.copy()
        edited.reshape(-1)[0] = data.draw(st.integers(0, 3))
        variants.append(edited)
    if array.ndim:
        variants += [array[1:], np.roll(array, 1)]
    for variant in variants:
        seen.add(array_content(variant), array_id(variant))


# --- Python values --------------------------------------------------------------------------------

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.sampled_from([0.0, -0.0, 1.0, float("nan"), float("inf"), 0.1])
    | st.complex_numbers(allow_nan=False, max_magnitude=2)
    | WORDS
    | st.text(max_size=4)
    | st.binary(max_size=4)
    | st.binary(max_size=2).map(bytearray)
    | st.decimals()
    | st.fractions()
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.timedeltas()
    | st.uuids()
    | st.builds(range, st.integers(-2, 2), st.integers(-2, 2), st.sampled_from([1, 2, -1]))
    | st.sampled_from([np.int8(1), np.int64(1), np.float64(1), np.bool_(True), np.str_("a")])
    | st.builds(pd.Timestamp, st.integers(-3, 3))
)
HASHABLE = st.none() | st.booleans() | st.integers(-3, 3) | WORDS | st.binary(max_size=2)
VALUES = st.recursive(
    LEAVES,
    lambda children: (
        st.lists(children, max_size=4)
        | st.lists(children, max_size=4).map(tuple)
        | st.dictionaries(HASHABLE, children, max_size=4)
        | st.sets(HASHABLE, max_size=4)
        | st.frozensets(HASHABLE, max_size=4)
    ),
    max_leaves=8,
)


def value_content(value: Any) -> Any:
    """A value so that only what is the same of the same class compares equal."""
    kind = type(value).__name__
    if isinstance(value, (list, tuple)):
        return kind, tuple(map(value_content, value))
    if isinstance(value, dict):
        return kind, tuple((value_content(k), value_content(v)) for k, v in value.items())
    if isinstance(value, (set, frozenset)):
        return kind, frozenset(map(value_content, value))
    if isinstance(value, decimal.Decimal):
        return kind, value.as_tuple()
    if isinstance(value, bytearray):
        return kind, bytes(value)
    if isinstance(value, range):
        return kind, value.start, value.stop, value.step
    if isinstance(value, (dt.datetime, dt.time)):
        return kind, repr(value), value.fold
    return kind, repr(value)


def digest(value: Any) -> str:
    found = digest_value(value)
    assert found is not None
    return found.hex()


def nearly(draw: Any, value: Any) -> list[Any]:
    """Values that are almost this one."""
    others: list[Any] = [[value], (value,), {"a": value}, [value, value], [[value]], draw(VALUES)]
    if isinstance(value, (list, tuple)):
        make = type(value)
        others += [make(value[::-1]), make(value[1:]), make([*value, None]), make([make(value)])]
        others += [list(value), tuple(value), [*value[:1], list(value[1:])], dict(enumerate(value))]
    if isinstance(value, dict):
        items = list(value.items())
        others += [dict(items[::-1]), dict(items[1:]), items, list(value), list(value.values())]
        others.append({str(k): v for k, v in items})
    if isinstance(value, (set, frozenset)):
        others += [set(value), frozenset(value), list(value), {*value, "more"}]
    if isinstance(value, (str, bytes)):
        cut = draw(st.integers(0, len(value)))
        others += [[value[:cut], value[cut:]], [value, value[:0]], value + value[:1]]
    return others


@family("values: python")
@given(VALUES, st.data())
def test_python_values(worker: Worker, value: Any, data: st.DataObject) -> None:
    expected = digest(value)
    assert digest(copy.deepcopy(value)) == expected
    assert digest(pickle.loads(pickle.dumps(value))) == expected
    worker.expect_parameter(value, f"object:{expected}")
    if isinstance(value, (set, frozenset)):
        assert digest(type(value)(sorted(value, key=repr, reverse=True))) == expected
    seen = Seen()
    for other in [value, *nearly(data.draw, value)]:
        seen.add(value_content(other), digest(other))


# --- columns of Python objects --------------------------------------------------------------------

ZONES = [None, dt.timezone.utc, dt.timezone(dt.timedelta(hours=1))]
CELLS = st.one_of(
    st.none(),
    st.sampled_from([float("nan"), pd.NA, True, False, 0, 1, 2, 2**53 + 1, 2**64, -1]),
    st.sampled_from([0.0, -0.0, 0.5, 1.0, float("inf"), 2.0**53]),
    st.sampled_from([np.int8(1), np.int64(2), np.float32(0.5), np.float16(0.5), np.str_("a")]),
    st.sampled_from(
        [np.bytes_(b"a"), np.bool_(True), np.datetime64(1, "us"), np.datetime64(1, "ns")]
    ),
    st.sampled_from(["", "a", "b", "1", "nan", b"", b"a", b"b", bytearray(b"a")]),
    st.sampled_from([decimal.Decimal(t) for t in ("1", "1.0", "1.5", "2", "-1")]),
    st.sampled_from([dt.date(2020, 1, 1), dt.date(2020, 1, 2), dt.time(1), dt.time(2)]),
    st.builds(
        dt.datetime, st.just(2020), st.just(1), st.integers(1, 2), tzinfo=st.sampled_from(ZONES)
    ),
    st.builds(pd.Timestamp, st.integers(0, 2) | st.just(1000)),
    st.builds(pd.Timedelta, st.integers(0, 2) | st.just(1000)),
    st.sampled_from([dt.timedelta(microseconds=1), uuid.UUID(int=1), uuid.UUID(int=2)]),
)
DEEP_CELLS = st.recursive(
    CELLS,
    lambda children: (
        st.lists(children, max_size=3)
        | st.lists(children, max_size=2).map(tuple)
        | st.dictionaries(st.sampled_from(["a", "b"]), children, max_size=2)
        | st.frozensets(st.sampled_from(["a", "b", 1]), max_size=2)
    ),
    max_leaves=4,
)
KIN = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]).map(lambda i: CELLS_BY_KIND[i])
CELLS_BY_KIND: list[st.SearchStrategy[Any]] = list(CELLS.original_strategies)  # type: ignore[attr-defined]


@st.composite
def rows_of_objects(draw: st.DrawFn) -> list[Any]:
    """Cells of one or two kinds mostly, as columns are; of any kinds sometimes."""
    if draw(st.booleans()):
        kinds = draw(st.lists(KIN, min_size=1, max_size=2))
        cells = st.one_of(*kinds, st.none())
        nested = st.lists(cells, max_size=2) | st.fixed_dictionaries({"a": cells})
        return draw(st.lists(cells, max_size=4) | st.lists(nested, max_size=3))
    return draw(st.lists(DEEP_CELLS, max_size=4))


def coarse(cells: list[Any]) -> Any:
    """What must be told apart at least: without what section 7.3 takes for one on purpose."""
    kinds: set[str] = set()
    return _coarse(list(cells), _kinds(cells, kinds))


def _kinds(value: Any, kinds: set[str]) -> set[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            _kinds(item, kinds)
    elif isinstance(value, (float, np.floating)) and value == value:
        kinds.add("float")
    elif isinstance(value, decimal.Decimal):
        kinds.add("decimal")
    return kinds


def _coarse(value: Any, kinds: set[str]) -> Any:
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, (bool, np.bool_)):
        return "bool", bool(value)
    if isinstance(value, (int, np.integer)):
        name = "decimal" if "decimal" in kinds else "float" if "float" in kinds else "int"
        return name, Fraction(int(value)), False
    if isinstance(value, (float, np.floating)):
        number = float(value)
        sign = math.copysign(1, number) < 0 and number == 0
        return "float", number if math.isinf(number) else Fraction(number), sign
    if isinstance(value, decimal.Decimal):
        return "decimal", Fraction(value), False
    if isinstance(value, str):
        return "text", str(value)
    if isinstance(value, (bytes, bytearray)):
        return "bytes", bytes(value)
    if isinstance(value, (dt.datetime, np.datetime64)):
        zone = getattr(value, "tzinfo", None)
        stamp = pd.Timestamp(value).as_unit("ns")
        return "time", stamp.value, zone and zone.utcoffset(None)
    if isinstance(value, dt.timedelta):
        return "duration", pd.Timedelta(value).as_unit("ns").value
    if isinstance(value, (list, tuple)):
        return "list", tuple(_coarse(item, kinds) for item in value)
    if isinstance(value, dict):
        items = ((key, _coarse(item, kinds)) for key, item in value.items())
        return "struct", frozenset(item for item in items if item[1] is not None)
    if isinstance(value, frozenset):
        return "set", frozenset(value)
    return type(value).__name__, str(value)


@family("values: objects")
@given(rows_of_objects(), st.data())
def test_columns_of_objects(worker: Worker, cells: list[Any], data: st.DataObject) -> None:
    frame = column(*cells)
    artifact = identify(frame)
    assert artifact.coverage == "full", artifact.reason
    for other in (column(*copy.deepcopy(cells)), pickle.loads(pickle.dumps(frame)), frame["c"]):
        assert identify(other).id == artifact.id
    cut = data.draw(st.integers(0, len(cells)))
    assert identify(pd.concat([frame.iloc[:cut], frame.iloc[cut:]])).id == artifact.id
    worker.expect_pickled(frame, artifact.id)

    ids: dict[str, Any] = {}
    variants = [cells, cells[::-1], cells[1:], [*cells, None], data.draw(rows_of_objects())]
    if cells:
        i = data.draw(st.integers(0, len(cells) - 1))
        variants.append([*cells[:i], data.draw(DEEP_CELLS), *cells[i + 1 :]])
        variants.append([*cells[:i], data.draw(KIN.flatmap(lambda kind: kind)), *cells[i + 1 :]])
        variants.append([*cells[:i], [cells[i]], *cells[i + 1 :]])
    for variant in variants:
        found = identify(column(*variant))
        assert found.coverage == "full", found.reason
        what = coarse(variant)
        assert ids.setdefault(found.id, what) == what, "two contents, one id"


@family("values: inferred")
@given(rows_of_objects())
def test_a_column_of_objects_that_arrow_infers_has_the_id_of_the_file_written_from_it(
    cells: list[Any],
) -> None:
    frame = column(*cells)
    if _kept_apart(frame):  # from what the file does not; and pyarrow may die of it
        return
    assert identify(frame).id == identify(pa.Table.from_pandas(frame)).id


def _kept_apart(frame: pd.DataFrame) -> bool:
    from otelprov.artifacts import table_tree

    found = table_tree(frame)
    return found is not None and found.columns[0].type == "python"

"""Python values: equal by what they hold, or honestly without an id."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import functools
import io
import pathlib
import re
import uuid
import zoneinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from otelprov.artifacts import digest_value, identify, values


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Setting:
    name: str
    value: object = None


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    name: str


def _closure(n: Any) -> Any:
    return lambda x: x + n


DIFFERENT: list[Any] = [
    None, ..., NotImplemented, True, False, 0, 1, -1, 255, 256, 2**64, -(2**64), 0.0, -0.0, 1.0,
    float("inf"), float("-inf"), float("nan"), 1j, 1 + 0j, complex("nan"), "", "1", "a", "ab",
    "\ud800", b"", b"a", bytearray(b"a"), Decimal("1.0"), Decimal("1.00"), Decimal("NaN"),
    Fraction(1, 2), dt.date(2020, 1, 1), dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, fold=1),
    dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc),
    dt.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")),
    dt.time(1), dt.time(1, tzinfo=dt.timezone.utc), dt.timedelta(1), dt.timedelta(microseconds=1),
    dt.timezone.utc, uuid.UUID(int=1), pathlib.Path("a"), pathlib.Path("a/b"), range(3),
    range(0, 3, 2), slice(1), slice(1, None), slice(None, 1, 1), re.compile("a"),
    re.compile("a", re.IGNORECASE), [], [1], [1, 2], [2, 1], [[1], 2], [[1, 2]], [[], []], [[[]]],
    (), (1,), (1, 2), {}, {"a": 1}, {"a": 2}, {1: "a"}, {"a": {"b": 1}}, {"a": 1, "b": 2},
    {"b": 2, "a": 1}, set(), {1}, {1, 2}, frozenset(), frozenset({1}),
    collections.OrderedDict(a=1), collections.Counter("a"), collections.defaultdict(list, a=1),
    collections.defaultdict(int, a=1), collections.deque([1]), collections.deque([1], 3),
    Colour.RED, Colour.BLUE, Point(1, 2), Setting("a"), Setting("b"), Setting("a", [1]),
    Slotted("a"), int, str, Setting, len, print, "a".upper, "b".upper, str.upper, re, np.mean,
    np.sum, np.add, functools.partial(int, base=2), functools.partial(int, base=3),
    lambda x: x, lambda x: x + 1, lambda x: x + 2, lambda x, y=1: x, lambda x, y=2: x,
    lambda x, *, y=1: x, _closure(1), _closure(2), _closure("1"), digest_value,
    np.int8(1), np.int64(1), np.float64(1), np.bool_(True), np.str_("a"),
    np.datetime64("2020", "D"), np.datetime64("2020", "s"), np.arange(2), np.arange(2.0),
    np.dtype("i4"), np.dtype("f4"), np.dtype([("a", "i4")]), pd.NaT, pd.NA,
    pd.Timestamp("2020"), pd.Timestamp("2020", tz="UTC"), pd.Timedelta(1), pd.Period("2020", "D"),
    pd.Interval(0, 1), pd.Interval(0, 1, closed="both"), pd.CategoricalDtype(["a"]),
    pd.CategoricalDtype(["b"]), pd.CategoricalDtype(["a"], ordered=True), pd.Int64Dtype(),
    pd.StringDtype("python"), pd.DatetimeTZDtype("ns", "UTC"), pd.ArrowDtype(pa.int8()), pa.int8(),
    pa.string(), pa.large_string(), pa.schema([("a", pa.int8())]), pa.scalar(1), pl.Int8(),
    pl.Datetime("ms"), pd.Series([1]), pd.DataFrame({"a": [1]}), pa.table({"a": [1]}),
    pl.DataFrame({"a": [1]}),
]  # fmt: skip


def test_no_two_of_many_values_are_taken_for_one_another() -> None:
    seen: dict[bytes, object] = {}
    for value in DIFFERENT:
        digest = digest_value(value)
        assert digest is not None, value
        assert len(digest) == 32
        assert digest not in seen, (value, seen[digest])
        seen[digest] = value


EQUAL: list[tuple[Any, Any]] = [
    (float("nan"), -float("nan")),
    ({"a", "b", "c", "d"}, {"d", "c", "b", "a"}),
    ([1, "a" * 10_000], [1, "aa" * 5_000]),
    (_closure(3), _closure(3)),
    (Setting("x", {"k": (1, 2)}), Setting("x", {"k": (1, 2)})),
    (np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3))),
    (pd.Timestamp("2020").as_unit("s"), pd.Timestamp("2020").as_unit("ns")),
    (pd.Timestamp(9_999, 1, 1).as_unit("s"), pd.Timestamp(9_999, 1, 1).as_unit("us")),
    (functools.partial(int, "1"), functools.partial(int, "1")),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_values_that_hold_the_same_have_one_digest(one: Any, other: Any) -> None:
    assert digest_value(one) is not None
    assert digest_value(one) == digest_value(other)


SIMPLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda children: (
        st.lists(children) | st.tuples(children) | st.dictionaries(st.text(), children)
    ),
    max_leaves=8,
)


@given(SIMPLE, SIMPLE)
def test_simple_values_have_one_digest_if_and_only_if_they_are_written_the_same(
    one: object, other: object
) -> None:
    assert (digest_value(one) == digest_value(other)) == (repr(one) == repr(other))


class Hostile:
    """Everything that could be called, raises."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    def __hash__(self) -> int:
        raise RuntimeError("hash")

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    def __reduce__(self) -> str:
        raise RuntimeError("reduce")

    def __len__(self) -> int:
        raise RuntimeError("len")

    def __iter__(self) -> Any:
        raise RuntimeError("iter")

    def __bool__(self) -> bool:
        raise RuntimeError("bool")


class List(list):  # type: ignore[type-arg]
    pass


class Text(str):
    pass


def _deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


UNKNOWN: list[Any] = [
    object(),
    Hostile(),
    [Hostile()],
    {"a": Hostile()},
    List([1]),
    Text("a"),
    iter([1]),
    (x for x in [1]),
    io.BufferedReader(io.BytesIO(b"a")),  # type: ignore[arg-type]
    _closure(object()),
    _deep(200),
    pd.DataFrame({"a": [Hostile()]}),
    pd.DataFrame({"a": [object()]}),
    np.array([Hostile()], object),
    np.zeros(2, np.longdouble),
    pl.DataFrame({"a": pl.Series([object()], dtype=pl.Object)}),
    pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int8())]), []),
]


@pytest.mark.parametrize("value", UNKNOWN, ids=lambda value: type(value).__name__)
def test_what_has_no_canonical_form_gets_an_id_of_its_own_and_a_reason(value: Any) -> None:
    one, other = identify(value, name="it"), identify(value)
    assert one.coverage == other.coverage == "none"
    assert one.id.startswith("object:")
    assert one.id != other.id
    assert one.reason
    assert one.name == "it"
    if not isinstance(value, (pd.DataFrame, pl.DataFrame)):
        assert digest_value(value) is None


def test_a_class_of_another_library_is_looked_at_once_in_a_list(monkeypatch: Any) -> None:
    kinds = (np.generic, pd.Timestamp, pd.Timedelta, pd.Period, pd.Interval, type(pd.NaT))
    mine = [value for value in DIFFERENT if isinstance(value, kinds)]
    asked: list[type] = []
    found = values._other

    def noted(value: object, walk: Any) -> Any:
        asked.append(type(value))
        return found(value, walk)

    monkeypatch.setattr(values, "_other", noted)
    assert len({digest_value([one, other]) for one in mine for other in mine}) == len(mine) ** 2
    asked.clear()
    assert digest_value(mine * 50) is not None
    assert len(asked) <= len(mine)


def test_a_stream_is_not_consumed() -> None:
    table = pa.table({"a": [1, 2]})
    reader = table.to_reader()
    assert identify(reader).coverage == "none"
    assert reader.read_all().equals(table)
    numbers = iter([1, 2])
    identify(numbers)
    assert list(numbers) == [1, 2]


def test_more_than_a_million_values_are_not_looked_at() -> None:
    artifact = identify([0] * 1_000_001)
    assert artifact.coverage == "none"
    assert "1,000,000" in (artifact.reason or "")


def test_values_that_hold_themselves_end() -> None:
    one: list[Any] = [1]
    one.append(one)
    two: dict[str, Any] = {"a": [1]}
    two["a"].append(two)
    for value in (one, two):
        assert identify(value).id.startswith("object:")
        assert digest_value(value) == digest_value(value)

    def again(n: int) -> int:
        return again(n - 1) if n else 0

    assert digest_value(again) is not None


def test_a_dataclass_that_holds_more_than_its_fields_has_no_digest() -> None:
    setting = Setting("a")
    assert digest_value(setting) is not None
    setting.extra = 1  # type: ignore[attr-defined]
    assert digest_value(setting) is None


def test_text_and_bytes_have_the_id_of_the_file_with_these_bytes() -> None:
    expected = f"file:{blake3('ä'.encode()).hexdigest()}"
    values = [
        "ä",
        "ä".encode(),
        bytearray("ä".encode()),
        io.BytesIO("ä".encode()),
        io.StringIO("ä"),
    ]
    for value in values:
        artifact = identify(value, name="n")
        assert (artifact.id, artifact.kind, artifact.bytes) == (expected, "file", 2)
    buffer = io.BytesIO(b"abc")
    buffer.read(1)
    identify(buffer)
    assert buffer.tell() == 1
    assert identify("\ud800").coverage == "full"


@pytest.mark.parametrize(
    "value",
    [
        pd.DataFrame(), pd.DataFrame(index=[1, 2]), pd.DataFrame({"a": []}), pa.table({}),
        pl.DataFrame(), pl.DataFrame({"a": []}),
        pd.DataFrame([[1]], columns=pd.Index(["\ud800"], dtype=object)),
        pd.DataFrame({"a": pd.Series(["\ud800"], dtype=object)}), pd.DataFrame({"x" * 10**7: [1]}),
        np.zeros(()),
        np.zeros((0, 2)), 10**10_000, -(10**10_000), pd.Series([], dtype=object),
        pa.chunked_array([], pa.int8()), pa.table({"a": pa.chunked_array([], pa.string())}),
        pd.DataFrame({"a": np.array([10**30, None], object)}), pd.Index([]),
    ],
    ids=lambda value: f"{type(value).__module__}.{type(value).__name__}",
)  # fmt: skip
def test_odd_values_have_ids(value: Any) -> None:
    artifact = identify(value)
    assert artifact.coverage == "full", artifact.reason
    assert artifact.id == identify(value).id


def test_a_table_of_many_columns_has_an_id() -> None:
    frame = pd.DataFrame(np.zeros((1, 20_000)))
    assert identify(frame).columns == 20_000


def test_a_table_that_has_no_id_still_says_its_shape() -> None:
    artifact = identify(pd.DataFrame({"good": [1, 2], "bad": [object(), None]}))
    assert (artifact.kind, artifact.rows, artifact.columns) == ("table", 2, 2)
    assert "'bad'" in (artifact.reason or "")
    assert "object" in (artifact.reason or "")


def test_identifying_leaves_a_frame_as_it_was() -> None:
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", None], "c": pd.Categorical(["u", "v"])})
    before = frame.copy(deep=True)
    identify(frame)
    digest_value(frame)
    pd.testing.assert_frame_equal(frame, before)


# --- arrays --------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.sampled_from(["i2", "f8", "?", "U3", "M8[s]"]),
)
def test_the_strides_and_the_byte_order_of_an_array_are_storage(
    shape: list[int], kind: str
) -> None:
    size = int(np.prod(shape))
    array = np.arange(size).astype(kind).reshape(shape)
    spread = np.zeros([2 * n for n in shape], array.dtype)
    spread[tuple(slice(None, None, 2) for _ in shape)] = array
    same = [
        array,
        np.asfortranarray(array),
        spread[tuple(slice(None, None, 2) for _ in shape)],
        array.astype(array.dtype.newbyteorder(">")),
        np.flip(np.flip(array).copy()),
    ]
    assert len({identify(a).id for a in same}) == 1


def test_big_arrays_that_are_not_contiguous_have_the_id_of_their_copy() -> None:
    rng = np.random.default_rng(0)
    cube = rng.random((3, 70_001, 5))
    for view in (cube, cube[:, ::-1], cube.transpose(2, 0, 1), cube[..., 0], cube[:, 7:60_007:3]):
        assert identify(view).id == identify(view.copy()).id


def test_records_masks_and_nans_count_by_value() -> None:
    packed = np.array([(1, 2.0), (3, 4.0)], [("a", "i2"), ("b", "f8")])
    aligned = packed.astype(np.dtype([("a", "i2"), ("b", "f8")], align=True))
    assert packed.dtype.itemsize != aligned.dtype.itemsize
    assert identify(packed).id == identify(aligned).id
    renamed = packed.astype([("a", "i2"), ("c", "f8")])
    assert identify(packed).id != identify(renamed).id

    masked = [np.ma.array([1, x, 3], mask=[0, 1, 0]) for x in (2, 9)]
    assert identify(masked[0]).id == identify(masked[1]).id
    assert identify(masked[0]).id != identify(np.array([1, 0, 3])).id

    nan = np.array([np.nan, 1.0])
    other = (nan.view("u8") | np.array([1, 0], "u8")).view("f8")
    assert identify(nan).id == identify(other).id
    assert identify(nan.astype("c16")).id == identify(other.astype("c16")).id


def test_a_subclass_of_ndarray_has_no_id_because_it_may_hold_more() -> None:
    class Quantity(np.ndarray):
        unit = "m"

    assert identify(np.arange(3).view(Quantity)).coverage == "none"

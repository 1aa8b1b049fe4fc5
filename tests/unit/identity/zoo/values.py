"""Python values: parameters, and objects that are data."""

from __future__ import annotations

import collections
import copy
import dataclasses
import datetime as dt
import enum
import functools
import pathlib
import pickle
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

from zoo.cases import Groups, Parameter, case, parameters


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Paint(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Point(NamedTuple):
    x: int
    y: int


class Pair(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Setting:
    name: str
    value: object = None


@dataclasses.dataclass
class Option:
    name: str
    value: object = None


def closure(n: Any) -> Any:
    return lambda x: x + n


def again(*values: Any) -> list[Any]:
    """Each, a deep copy of it, and what pickle makes of it."""
    return [
        Parameter(v)
        for value in values
        for v in (value, copy.deepcopy(value), pickle.loads(pickle.dumps(value)))
    ]


@case()
def one_of_every_kind() -> Groups:
    """What Python's `==` takes for one: 1, 1.0, True, Decimal(1); and what it prints alike."""
    return parameters(
        1, 1.0, True, 1 + 0j, Decimal(1), Decimal("1.0"), Fraction(1), "1", b"1", bytearray(b"1"),
        [1],
        (1,), {1}, frozenset({1}), {1: None}, range(1, 2), slice(1), "True", "1.0", "[1]", "(1,)",
        "{1}",
        Colour.RED, Paint.RED, Level.LOW, dt.timedelta(seconds=1), dt.date(1, 1, 1),
        uuid.UUID(int=1), np.int64(1),
        np.int8(1), np.float64(1), np.bool_(True), np.str_("1"), np.array(1), np.array([1]),
        pd.Timedelta(1),
        pathlib.PurePosixPath("1"), int, float, None, "None", "", 0, False, (), [], {}, set(),
        frozenset(),
    )  # fmt: skip


@case()
def nothing_of_every_kind() -> Groups:
    """Empty things, and what stands for nothing."""
    return parameters(
        Ellipsis, NotImplemented, pd.NaT, pd.NA, float("nan"), complex("nan"), Decimal("NaN"),
        np.datetime64("NaT"), np.timedelta64("NaT"), collections.OrderedDict(),
        collections.Counter(),
        collections.deque(), collections.defaultdict(list), b"", bytearray(), range(0), "\0", -0.0,
        [None], [[]], [()], ((),), {None: None}, {"": None}, [{}], [""],
    )  # fmt: skip


@case()
def whole_numbers() -> Groups:
    """By magnitude and sign, where the bytes of one begin another."""
    return parameters(
        *(
            s * n
            for n in (2, 127, 128, 255, 256, 257, 2**63, 2**64, 2**64 + 1, 10**40)
            for s in (1, -1)
        )
    )


@case()
def floating_point_numbers() -> Groups:
    """By bits; every NaN is one."""
    groups = parameters(
        0.0, 0.5, -0.5, float("inf"), -float("inf"), 5e-324, 1e308, 0.1, 0.1 + 2**-54
    )
    return groups | {"nan": [Parameter([float("nan")]), Parameter([-float("nan")])]}


@case()
def decimals_by_their_digits() -> Groups:
    """1.0 and 1.00 print differently, and 0 and -0; a NaN that signals is another."""
    return parameters(
        *(
            Decimal(t)
            for t in "1.00 10 1E+1 1E+2 100 -1.0 0.0 -0.0 0 -0 sNaN Infinity -Infinity".split()
        )
    )


@case()
def text_and_bytes_and_paths() -> Groups:
    """Lone surrogates, NULs, normal forms."""
    return parameters(
        "\ud800", "\udfff", "\ud800\udfff", "\U000103ff", "é", "e\u0301", "a\0", "\0a",
        b"\xed\xa0\x80",
        b"\xc3\xa9", bytearray(b"\xc3\xa9"), pathlib.PurePosixPath("é"),
        pathlib.PurePosixPath("a/b"),
        pathlib.PurePosixPath("a//c"), pathlib.PureWindowsPath("a/b"), "a/b",
    )  # fmt: skip


@case()
def brackets() -> Groups:
    """Where a list begins and ends."""
    return parameters(
        [1, [2, 3]], [[1, 2], 3], [[1], [2], [3]], [[1, 2, 3]], [1, 2, 3], [1, (2, 3)], [[1, 2, 3],
        []],
        [[], [1, 2, 3]], [1, 2, [3]], [(1, 2, 3)], ([1, 2, 3],), [1, [2, [3]]], [[[1], 2], 3], [3,
        2, 1],
    )  # fmt: skip


@case()
def boundaries_in_sequences_of_text() -> Groups:
    """Text in lists has its length."""
    return parameters(
        ["ab", "c"],
        ["a", "bc"],
        ["abc", ""],
        ["", "abc"],
        ["abc"],
        ["a", "b", "c"],
        ("ab", "c"),
        [b"ab", "c"],
    )


@case()
def dictionaries() -> Groups:
    """Keys, values, order, class: all content."""
    return parameters(
        {"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2, "b": 1}, {"a": 1}, {"ab": 12}, {"a": {"b": 1}},
        {"a": {}, "b": 1}, {"a": [("b", 1)]}, {1: "a"}, {"1": "a"}, {True: "a"}, {1.0: "a"},
        {None: "a"},
        collections.OrderedDict(a=1), collections.Counter(a=1), collections.defaultdict(int, a=1),
        collections.defaultdict(list, a=1), [("a", 1)], [["a", 1]],
    )  # fmt: skip


@case()
def sets_of_sets() -> Groups:
    """Members in any order, and no two sets for one."""
    members = [frozenset("ab"), frozenset("c"), "ab", 1]
    backwards = members[::-1]
    return {
        "set": [Parameter(set(members)), Parameter(set(backwards))],
        "frozen": [Parameter(frozenset(members))],
        **parameters(
            {frozenset("abc")}, {frozenset("a"), frozenset("bc")}, {"a", "b", "c"}, {"abc"}
        ),
    }


@case()
def times_and_their_zones() -> Groups:
    """A zone is its name: the same instant in two zones is two values."""
    noon = dt.datetime(2020, 1, 1, 12)
    paris = zoneinfo.ZoneInfo("Europe/Paris")
    return parameters(
        noon, noon.date(), noon.time(), noon.replace(fold=1), noon.replace(microsecond=1),
        noon.isoformat(),
        noon.replace(tzinfo=dt.timezone.utc), noon.replace(tzinfo=paris), noon.replace(hour=11,
        tzinfo=dt.timezone.utc),
        noon.replace(tzinfo=dt.timezone(dt.timedelta(hours=1))),
        noon.replace(tzinfo=zoneinfo.ZoneInfo("UTC")),
        noon.time().replace(tzinfo=dt.timezone.utc), dt.timedelta(1), dt.timedelta(0, 86_399),
        dt.timedelta(0, 0, 1),
        dt.timezone.utc, paris, np.datetime64(noon), np.datetime64(noon, "s"),
        np.datetime64("2020-01-01", "D"),
    )  # fmt: skip


@case()
def times_of_pandas() -> Groups:
    """The unit in which a Timestamp is kept is storage; nanoseconds and zones are content."""
    stamp = pd.Timestamp("2020-01-01")
    return {
        "stamp": [Parameter(stamp), *(Parameter(stamp.as_unit(u)) for u in ("s", "ms", "us",
        "ns"))],
        "duration": [Parameter(pd.Timedelta(days=2)), Parameter(pd.Timedelta(days=2).as_unit("s"))],
        **parameters(
            pd.Timestamp(1), pd.Timestamp(2), pd.Timestamp(1, tz="UTC"), pd.Timestamp(1,
            tz="Europe/Paris"),
            pd.Timedelta(2), pd.Period("2020", "D"), pd.Period("2020", "M"), pd.Interval(0, 1),
            pd.Interval(0, 1, closed="both"), pd.Interval(0.0, 1.0), dt.datetime(2020, 1, 1),
        ),
    }  # fmt: skip


@case()
def dtypes() -> Groups:
    """Types are parameters of `astype`: 64 bits or 32, and what the categories are."""
    return parameters(
        np.dtype("i4"), np.dtype("i8"), np.dtype("f4"), np.dtype("M8[s]"), np.dtype("M8[ns]"),
        np.dtype([("a", "i4")]), np.dtype([("b", "i4")]), pd.Int64Dtype(), pd.Int32Dtype(),
        pd.CategoricalDtype(["a"]), pd.CategoricalDtype(["b"]), pd.CategoricalDtype(["a"],
        ordered=True),
        pd.DatetimeTZDtype("ns", "UTC"), pd.DatetimeTZDtype("ns", "Europe/Paris"),
        pd.ArrowDtype(pa.int8()),
        pd.ArrowDtype(pa.int16()), pa.int8(), pa.int16(), pa.string(), pa.large_string(),
        pa.timestamp("us"),
        pa.timestamp("us", "UTC"), pl.Int8(), pl.Int16(), pl.Datetime("ms"), pl.Datetime("us"),
        pl.String(),
        pa.schema([("a", pa.int8())]), pa.schema([("b", pa.int8())]), "i4", "int8",
    )  # fmt: skip


@case()
def tables_as_parameters() -> Groups:
    """A frame and a table of one content are two parameters: a function may treat them as two."""
    return parameters(
        pd.DataFrame({"a": [1]}), pd.Series([1], name="a"), pa.table({"a": [1]}),
        pl.DataFrame({"a": [1]}),
        pd.DataFrame({"b": [1]}), pd.Index([1], name="a"), pl.Series("a", [1]), pa.array([1]),
        np.array([[1]]),
        [pd.DataFrame({"a": [1]})],
    )  # fmt: skip


@case()
def records_of_python() -> Groups:
    """Classes are known by name: two of equal fields are two."""
    return parameters(
        Point(1, 2), Pair(1, 2), Point(2, 1), [1, 2, "p"], Setting("a"), Option("a"), Setting("b"),
        Setting("a", [1]), Setting("a", (1,)), Colour.BLUE, Setting("a", Setting("a")), Setting,
        Option,
    )  # fmt: skip


@case()
def copies_and_pickles() -> Groups:
    """A copy, and what comes back from a pickle, is the value."""
    return {
        "settings": again(Setting("x", {"k": (1, 2.5), "s": {"p", "q"}})),
        "nested": again({"a": [1, (2, {3}), {"b": Decimal("1.50")}], "c": dt.date(2020, 1, 1)}),
        "tuple": again(Point(5, 6)),
        "deque": again(collections.deque([1, 2], 5)),
        "arrays": again([np.arange(700), np.array(["x", None], object)]),
        "frame": again({"frame": pd.DataFrame({"zz": [1.5, None]})}),
    }


@case()
def longer_than_a_buffer() -> Groups:
    """Long text is not kept in the buffer; the result does not show it."""
    return {
        str(n): [Parameter(["y" * n, n]), Parameter(["".join(["y" * (n - 1), "y"]), n])]
        for n in (4095, 4096, 4097, 100_000)
    }


@case(bound_to="bytecode means something in one version of Python only")
def functions() -> Groups:
    """Code, constants, defaults and what is closed over."""
    groups = parameters(
        lambda x: x, lambda x: x + 1, lambda x: x + 2, lambda x: x - 1, lambda x, y=1: x, lambda x,
        y=2: x,
        lambda x, *, y=1: x, closure("1"), closure(1.0), closure([1]), len, max, str.upper,
        "a".upper,
        functools.partial(int, base=2), functools.partial(int, base=3), functools.partial(int, "2"),
    )  # fmt: skip
    return groups | {
        "closure of 1": [Parameter(closure(1)), Parameter(closure(1))],
        "closure of 2": [Parameter(closure(2)), Parameter(closure(2))],
    }


@case()
def patterns_and_ranges() -> Groups:
    """A pattern has flags; a range of no elements has ends."""
    return parameters(
        re.compile("a"), re.compile("a", re.IGNORECASE), re.compile(b"a"), "re", range(3), range(0,
        3, 2),
        range(0, 4, 2), [0, 1, 2], slice(3), slice(0, 3), slice(0, 3, 1), slice(None, None, -1),
        collections.deque([0, 1, 2]), collections.deque([0, 1, 2], 3), collections.deque([0, 1, 2],
        4),
    )  # fmt: skip


@case()
def values_that_hold_themselves() -> Groups:
    """A list in itself, one level up or two."""
    one: list[Any] = [1]
    one.append(one)
    two: list[Any] = [1, [1]]
    two[1].append(two)
    three: list[Any] = [1, [1]]
    three[1].append(three[1])
    return {"one": [Parameter(one)], "two": [Parameter(two)], "three": [Parameter(three)]}

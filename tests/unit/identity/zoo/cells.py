"""Columns of Python objects: what pyarrow would confuse, and what is one by the specification."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
import zoneinfo
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from zoo.cases import Groups, case, differ
from zoo.peers import column, objects

D = decimal.Decimal
UTC = dt.timezone.utc
EAST = dt.timezone(dt.timedelta(hours=1))
DAY, NOON = dt.date(2020, 1, 1), dt.datetime(2020, 1, 1, 12)


def columns(*cells: tuple[Any, ...]) -> dict[str, list[Any]]:
    return differ(*(column(*row) for row in cells))


# --- what pyarrow would take for one --------------------------------------------------------------


@case()
def text_beside_bytes() -> Groups:
    """pyarrow makes bytes of text that stands beside bytes, of NumPy's scalars too."""
    return columns(
        (b"a", "b"), (b"a", b"b"), ("a", "b"), (np.bytes_(b"a"), np.str_("c")), (b"a",
        np.str_("d")),
        (b"a", b"d"), (b"a", b"c"), (bytearray(b"a"), "e"), (bytearray(b"a"), b"e"),
        ([b"a"], ["b"]), ([b"a"], [b"b"]), ({"a": b"a"}, {"a": "b"}), ({"a": b"a"}, {"a": b"b"}),
        (np.array(["a"]), np.array([b"f"])), (np.array([b"a"]), np.array([b"f"])),
    )  # fmt: skip


@case()
def dates_beside_datetimes() -> Groups:
    """pyarrow cuts the time off a datetime beside a date."""
    return columns(
        (DAY, NOON), (DAY, DAY), (NOON, NOON), (NOON, DAY), ([DAY], [NOON]), ([DAY], [DAY])
    )


@case()
def zones_beside_each_other() -> Groups:
    """pyarrow gives all datetimes of a column the zone of the first."""
    paris = NOON.replace(tzinfo=zoneinfo.ZoneInfo("Europe/Paris"))
    return columns(
        (NOON, NOON.replace(tzinfo=UTC)), (NOON, NOON.replace(hour=13)),
        (NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=EAST)),
        (NOON.replace(tzinfo=UTC), NOON.replace(hour=11, tzinfo=UTC)),
        (paris, NOON.replace(tzinfo=UTC)), (paris, paris),
        (dt.time(1), dt.time(1, tzinfo=UTC)), (dt.time(1), dt.time(1)),
    )  # fmt: skip


@case()
def nanoseconds_among_objects() -> Groups:
    """pyarrow keeps microseconds of a Timestamp or a Timedelta among objects."""
    return columns(
        *((pd.Timestamp(n),) for n in (0, 1, 2, 1000, 1001)),
        *((pd.Timestamp(n, tz="UTC"),) for n in (0, 1, 2)),
        *((pd.Timedelta(n),) for n in (0, 1, 2, 1000)),
        *((NOON, pd.Timestamp(n)) for n in (1, 2)),
        *(([pd.Timestamp(n)],) for n in (1, 2)),
        *(({"a": pd.Timedelta(n)},) for n in (1, 2)),
    )


@case()
def numbers_cut_off() -> Groups:
    """pyarrow makes 0 of 0.5 as a float16 beside a whole number."""
    return columns(
        (np.float16(0.5), 2049), (0, 2049), (np.float16(0.25), 2049), (np.float32(0.5), 2**24 + 1),
        (np.float32(0.5), 2**24), (2**53 + 1, 0.5), (2**53, 0.5), (np.uint64(2**53 + 1), 0.5),
        (2**64, 0.5), (2**70, 1), (2**70, 2), (-(2**63) - 1, 1),
    )  # fmt: skip


@case()
def numbers_beside_times() -> Groups:
    """pyarrow takes a number after a time for one: 3 and 3.9 for microseconds of 1970."""
    rows: list[tuple[Any, ...]] = []
    for time in (NOON, DAY, dt.time(1), dt.timedelta(2), NOON.replace(tzinfo=UTC)):
        rows += [(time, x) for x in (0, 3, 3.0, 3.9, -0.0, None)]
    rows += [
        (NOON, dt.datetime(1970, 1, 1, microsecond=3)), (DAY, dt.date(1970, 1, 4)),
        (dt.timedelta(1), dt.timedelta(microseconds=3)), (3, NOON), (3.9, NOON),
        ([NOON], [3]), ([NOON, 3],), ({"a": NOON}, {"a": 3}), ({"a": NOON}, {"a": 3.9}),
        ({"a": [NOON]}, {"a": [3]}), ({"a": NOON, "b": 3},),
    ]  # fmt: skip
    return columns(*rows)


@case()
def units_of_arrays_in_cells() -> Groups:
    """pyarrow takes the unit of the first array of durations for all."""
    return columns(
        *(
            (np.array([5], f"{kind}8[{one}]"), np.array([5], f"{kind}8[{two}]"))
            for kind in "mM"
            for one in ("us", "ns")
            for two in ("us", "ns")
        ),
        (np.array([5], "m8[us]"), [dt.timedelta(microseconds=7)]),
        (np.array([5], "m8[ns]"), [dt.timedelta(microseconds=7)]),
    )


@case()
def decimals_beside_times() -> Groups:
    """pyarrow makes a time of a Decimal beside a Timestamp: 1 is a microsecond."""
    instant = pd.Timestamp(1_000)
    return columns(
        (D("1"), instant), (instant, instant), (instant, D("1")), ([D("1"), instant],),
        ([instant, instant],), (D("1"), pd.Timedelta(1_000)), (pd.Timedelta(1_000),) * 2,
    )  # fmt: skip


@case()
def numpy_times_beside_numpy_scalars() -> Groups:
    """pyarrow 26 dies of a NumPy scalar after a datetime64, at any depth."""
    instant = np.datetime64(1, "us")
    return columns(
        (instant, np.True_), (instant, np.int8(1)), (instant, np.float16(1)),
        (instant, np.complex64(1)), ([instant, np.True_],), ([instant], [np.uint64(1)]),
        ({"a": instant}, {"a": np.False_}), (np.True_, instant),
    )  # fmt: skip


@case()
def truth_beside_numbers() -> Groups:
    """True is no 1, in a cell or in a list in a cell."""
    return columns(
        (True, 1), (True, False), (1, 0), (True, 1.0), ([True], [1]), ([True], [True]), ([1], [1])
    )


@case()
def sets_in_cells() -> Groups:
    """A set is no list, and lists in another order are others."""
    return columns(
        ({"a", "b"}, None), (["a", "b"], None), (["b", "a"], None), (frozenset("ab"), None)
    )


@case()
def shapes_in_cells() -> Groups:
    """An array of two dimensions in a cell is no flat one."""
    return columns(
        (np.zeros((2, 3)),),
        (np.zeros((3, 2)),),
        (np.zeros(6),),
        (np.zeros((1, 6)),),
        (np.array(0.0),),
        (0.0,),
    )


@case()
def keys_of_dictionaries_in_cells() -> Groups:
    """Keys that are no text, and keys that are its text."""
    return columns(
        ({1: "a"},),
        ({"1": "a"},),
        ({1.0: "a"},),
        ({True: "a"},),
        ({None: "a"},),
        ({b"1": "a"},),
        ({(1,): "a"},),
    )


@case()
def identifiers_in_cells() -> Groups:
    """A UUID is not its bytes, its text or its number."""
    one = uuid.UUID(int=5)
    return columns(
        (one, None),
        (None, one),
        (one,),
        (one.bytes,),
        (str(one),),
        (one.int,),
        (one.hex,),
        (uuid.UUID(int=6),),
    )


@case()
def identifiers_beside_other_cells() -> Groups:
    """pyarrow makes a number or a day of a UUID beside these, and a UUID of 16 bytes or letters."""
    one, two = uuid.UUID(int=71), uuid.UUID(bytes=b"0123456789abcdef")
    return columns(
        (71, one), (71, 71), (one, 71), (one, one), (DAY, one), (DAY, dt.date(1970, 3, 13)),
        (DAY, 71), ({"a": 71}, {"a": one}), ({"a": 71}, {"a": 71}), ({"a": one}, {"a": 71}),
        ([71], [one]), ([71], [71]), (two, two.bytes), (two, two.bytes.decode()), (two, two),
        (two, None), (two, 1.5), (two, "a"), (True, one), (D("1"), one),
    )  # fmt: skip


@case()
def keys_in_the_order_of_the_first() -> Groups:
    """pyarrow before 24 sorted the keys of dictionaries; the order they came in is content."""
    rows: list[tuple[Any, ...]] = [
        ({"b": 1, "a": 2},), ({"a": 2, "b": 1},), ({"b": 1}, {"a": 1, "b": 2}), (None, {"z": 1,
        "a": 2}, {"y": 1}),
        ([{"b": 1}, {"a": 2}], [{"c": 3}]), ([{"c": 1}, {"b": 2}], [{"a": 3}]),
        ({"b": {"z": 1, "y": 2}, "a": None},), ({"b": {"y": 2, "z": 1}, "a": None},), ({"c": {},
        "b": []},),
        ({"b": [{"z": 1}, {"y": 2}], "a": 1}, {"a": 2, "b": [{"x": 1}]}),
    ]  # fmt: skip
    return columns(*rows)


@case()
def numbers_that_arrow_has_not() -> Groups:
    """Complex numbers and whole numbers beyond 64 bits among others."""
    return columns(
        (1j, 2),
        (1j, 2 + 0j),
        (1j, 2.0),
        (2**65, 2),
        (2**65, 2.0),
        (D("Infinity"), D(1)),
        (D("1.5"), 1.5),
    )


@case()
def objects_by_value() -> Groups:
    """Cells are told apart by what they hold, in the same order and in equal objects."""

    def make(word: str) -> pd.DataFrame:
        return column({word, "x"}, (1, word), 2**70, None, [word, {"k": {word}}])

    return {"p": [make("p"), make("".join("p"))], "q": [make("q")]}


@case()
def moved_rows_of_objects() -> Groups:
    """Objects that swap their places, and one that becomes null."""
    return columns(
        ({1}, {2}, None),
        ({2}, {1}, None),
        ({1}, None, {2}),
        (None, {1}, {2}),
        ({1}, {2}),
        ({1, 2}, None, None),
    )


# --- equal by the specification -------------------------------------------------------------------


def _parquet(frame: pd.DataFrame) -> pa.Table:
    """The table that `to_parquet` would write."""
    return pa.Table.from_pandas(frame)


@case()
def whole_and_broken_numbers_in_one_column() -> Groups:
    """Equal on purpose: `to_parquet` writes doubles of both, and the file has the frame's id."""
    frames = [column(1, 2.5), column(1.0, 2.5)]
    return {"doubles": [*frames, _parquet(frames[0]), pa.table({"c": [1.0, 2.5]})]}


@case()
def tuples_lists_and_arrays_in_cells() -> Groups:
    """Equal on purpose: all three are a list in Parquet."""
    frames = [column((1, 2), None), column([1, 2], None), column(np.array([1, 2]), None)]
    return {"lists": [*frames, _parquet(frames[0])]}


@case()
def missing_keys_and_nulls() -> Groups:
    """Equal on purpose: a struct in Parquet has every field; the order is that of the first."""
    frames = [
        column({"a": 1}, {"a": 2, "b": None}), column({"a": 1, "b": None}, {"b": None, "a": 2}),
        column({"a": 1, "b": None}, {"a": 2}),
    ]  # fmt: skip
    return {
        "structs": [*frames, _parquet(frames[0])],
        "order of the first": [column({"b": None, "a": 1}, {"a": 2})],
        "a value": [column({"a": 1, "b": 0}, {"a": 2})],
    }


@case()
def decimals_of_several_exponents() -> Groups:
    """Equal on purpose: a column of decimals has one scale."""
    frames = [column(D("1.0"), D("2.00")), column(D("1.00"), D("2.00")), column(1, D("2.00"))]
    return {"scale 2": [*frames, _parquet(frames[0])], "scale 1": [column(D("1.0"), D("2.0"))]}


@case()
def what_is_missing_in_a_column_of_objects() -> Groups:
    """Equal on purpose: None, NaN, NA are one null, as `to_parquet` has it; in lists too."""
    gaps = [None, float("nan"), np.nan, pd.NA, np.float64("nan")]
    return {
        "text": [column("t", gap) for gap in gaps],
        "objects": [column({1}, gap) for gap in [*gaps, pd.NaT]],
        "lists": [column([0.5, gap]) for gap in (None, float("nan"))],
        "nothing": [column(gap, gap) for gap in gaps],
    }


@case()
def numpy_scalars_and_python_values() -> Groups:
    """Equal on purpose: a scalar of NumPy or pandas is its value in Parquet."""
    return {
        "int": [column(np.int64(5), None), column(5, None)],
        "int8": [column(np.int8(5), None), pa.table({"c": pa.array([5, None], pa.int8())})],
        "text": [column(np.str_("v"), None), column("v", None)],
        "bytes": [column(bytearray(b"v"), None), column(b"v", None)],
        "time": [column(pd.Timestamp("2020"), None), column(dt.datetime(2020, 1, 1), None)],
        "duration": [column(pd.Timedelta(days=1), None), column(dt.timedelta(1), None)],
        "fold": [column(NOON), column(NOON.replace(fold=1))],
    }


@case()
def labels_and_their_text() -> Groups:
    """Equal on purpose: Parquet has no labels but text."""
    return {
        "1": [pd.DataFrame({1: [501]}), pd.DataFrame({"1": [501]}), pa.table({"1": [501]})],
        "1.0": [pd.DataFrame({1.0: [501]}), pd.DataFrame({"1.0": [501]})],
        "nested": [
            pd.DataFrame([[501]], columns=pd.MultiIndex.from_tuples([("a", 1)])),
            pd.DataFrame([[501]], columns=pd.MultiIndex.from_tuples([("a", "1")])),
            pd.DataFrame({"('a', '1')": [501]}),
        ],
    }


@case()
def a_scalar_of_numpy_in_a_vector() -> Groups:
    """An object array keeps its objects: NumPy's 5 is not Python's there, nor a tuple a list."""
    return differ(
        *(
            objects(x, None)
            for x in (5, np.int64(5), np.int8(5), 5.0, "5", (5,), [5], {5}, np.array([5]))
        )
    )

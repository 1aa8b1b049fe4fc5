"""Whatever comes: an id with honest coverage, or none with a reason; never an exception."""

from __future__ import annotations

import dataclasses
import io
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import otelprov
from otelprov.artifacts import digest_value, identify

RAN: list[str] = []
"""What user code was run that must not be."""


def _trap(name: str) -> Any:
    def trap(*args: object, **kwargs: object) -> Any:
        RAN.append(name)
        raise RuntimeError(name)

    return trap


METHODS = (
    "__eq__", "__hash__", "__repr__", "__str__", "__format__", "__len__", "__iter__", "__bool__",
    "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__getattr__",
    "__getattribute__", "__dir__", "__sizeof__", "__array__", "__array_interface__",
    "__array_struct__", "__dataframe__", "__arrow_array__", "__arrow_c_array__", "__copy__",
    "__deepcopy__", "__contains__", "__getitem__", "__call__", "__next__", "__float__", "__int__",
    "__index__", "__fspath__", "__buffer__", "__getnewargs__", "__getnewargs_ex__",
)  # fmt: skip

PROPERTIES = ("__class__", "__dict__", "dtype", "shape", "columns", "__dataclass_fields__")


def _hostile(base: type = object, **extra: Any) -> type:
    body = {name: _trap(name) for name in METHODS}
    body.update({name: property(_trap(name)) for name in PROPERTIES})
    return type("Hostile", (base,), {**body, **extra})


class Liar(type):
    """A metaclass that answers nothing, or yes to everything."""

    __instancecheck__ = _trap("__instancecheck__")
    __subclasscheck__ = _trap("__subclasscheck__")
    __getattr__ = _trap("metaclass __getattr__")
    __hash__ = _trap("metaclass __hash__")
    __eq__ = _trap("metaclass __eq__")


class Lying(metaclass=Liar):
    pass


class OfPandas:
    """Says that it is what it is not."""

    __module__ = "pandas"
    __qualname__ = "DataFrame"


def _pretender(class_: type) -> Any:
    """An object whose `__class__` says that it is another's."""
    return type("Pretender", (), {"__class__": property(lambda self: class_)})()


class Stream:
    """A stream that raises when it is read."""

    __len__ = _trap("stream len")

    def __arrow_c_stream__(self, schema: object = None) -> object:
        raise RuntimeError("no stream")


class WrongStream:
    def __len__(self) -> int:
        return 1

    def __arrow_c_stream__(self, schema: object = None) -> object:
        return "no capsule"


class Frame(pd.DataFrame):  # type: ignore[misc]
    """A frame whose shape and columns cannot be asked."""

    @property
    def columns(self) -> Any:  # type: ignore[override]
        raise RuntimeError("columns")

    @property
    def shape(self) -> Any:
        raise RuntimeError("shape")


# Made in the test: pytest itself asks its parameters for their length, class and more.
OBJECTS: dict[str, Any] = {
    "all methods": lambda: object.__new__(_hostile()),
    "an exception": lambda: BaseException.__new__(_hostile(Exception)),
    "a dict": lambda: dict.__new__(_hostile(dict)),
    "an int": lambda: int.__new__(_hostile(int), 1),
    "a tuple": lambda: tuple.__new__(_hostile(tuple)),
    "an inherited trap": lambda: object.__new__(type("Below", (_hostile(),), {})),
    "a metaclass": lambda: object.__new__(Lying),
    "a class with a metaclass": lambda: Lying,
    "a false name": OfPandas,
    "a false DataFrame": lambda: _pretender(pd.DataFrame),
    "a false array": lambda: _pretender(np.ndarray),
    "a false Arrow table": lambda: _pretender(pa.Table),
    "a false class": lambda: _pretender(type),
    "a false list": lambda: _pretender(list),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_no_code_of_a_hostile_object_is_run(name: str) -> None:
    value = OBJECTS[name]()
    RAN.clear()
    artifacts = [identify(value), identify([value]), identify({"a": (value,)})]
    digest_value(value)
    ran = RAN.copy()
    assert ran == []
    for artifact in artifacts:
        assert artifact.kind == "object"
        assert artifact.coverage in ("full", "state") or artifact.reason


@pytest.mark.parametrize("name", [name for name in OBJECTS if "metaclass" not in name])
def test_a_table_and_an_array_of_hostile_objects_is_no_exception(name: str) -> None:
    cells = np.empty(2, object)
    cells[0] = OBJECTS[name]()
    hostile, cells[0] = cells[0], None
    frame = pd.DataFrame({"a": pd.Series(cells, dtype=object, copy=False)}, copy=False)
    cells[0] = hostile  # pandas itself would ask it
    for value in (frame, cells):
        artifact = identify(value)
        assert artifact.coverage == "full" or artifact.reason


def _frame() -> Frame:
    frame = pd.DataFrame({"a": [1]})
    frame.__class__ = Frame
    return frame  # type: ignore[return-value]


@pytest.mark.parametrize("make", [Stream, WrongStream, _frame])
def test_a_table_that_raises_when_it_is_read_has_no_id_and_a_reason(make: Any) -> None:
    value = make()
    artifact = identify(value)
    assert (artifact.kind, artifact.coverage) == ("table", "none")
    assert artifact.reason
    assert identify([value]).coverage == "none"


def test_junk_in_the_attributes_of_a_frame_is_no_content() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [1, "x"]})
    expected = identify(frame)
    frame.attrs = {"junk": _hostile()(), 1: frame}
    assert identify(frame) == expected


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame(), pd.DataFrame({"a": []}), pd.DataFrame(index=range(3)),
        pd.DataFrame({"a": pd.array([], "Int64")}), pd.DataFrame({"a": pd.Categorical([])}),
        pd.Series([], dtype="datetime64[ns]"), pd.Index([]), pd.MultiIndex.from_arrays([[], []]),
        pd.array([], "string"), pa.table({}), pa.table({"a": pa.nulls(0)}), pl.DataFrame(),
        pl.DataFrame({"a": []}), pl.Series("a", [], pl.List(pl.Int8)), pa.array([], pa.int8()),
        pa.record_batch({"a": pa.array([], pa.struct([]))}), pa.schema([]).empty_table(),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_table_without_rows_or_columns_has_an_id(table: Any) -> None:
    artifact = identify(table)
    assert artifact.coverage == "full", artifact.reason
    assert artifact.id == identify(table).id


def test_a_column_name_of_ten_million_characters_has_an_id_in_every_container() -> None:
    name = "ü" * 10_000_000
    tables = [pd.DataFrame({name: [1]}), pa.table({name: [1]}), pl.DataFrame({name: [1]})]
    assert len({identify(table).id for table in tables}) == 1
    bad = identify(pd.DataFrame({name: [object()]}))
    assert bad.coverage == "none"
    assert len(bad.reason or "") <= 300


def test_a_hundred_thousand_columns_have_one_id_in_every_container() -> None:
    arrow = pa.table([pa.array([1, 2])] * 100_000, [f"c{i}" for i in range(100_000)])
    numbers = np.repeat([[1], [2]], 100_000, 1)
    tables = [arrow, pl.from_arrow(arrow), pd.DataFrame(numbers, columns=arrow.column_names)]
    found = [identify(table) for table in tables]
    assert {artifact.columns for artifact in found} == {100_000}
    assert len({artifact.id for artifact in found}) == 1


@pytest.mark.parametrize("kind", ["list", "tuple", "dict", "object"])
def test_a_hundred_thousand_levels_end_without_a_crash(kind: str) -> None:
    value: Any = ()
    for _ in range(100_000):
        value = (
            [value] if kind == "list"
            else (value,) if kind == "tuple"
            else {"a": value} if kind == "dict"
            else Node(value)
        )  # fmt: skip
    cells = np.empty(1, object)
    cells[0] = value
    for deep in (value, cells, pd.DataFrame({"a": pd.Series(cells)})):
        artifact = identify(deep)
        assert artifact.coverage == "none"
        assert artifact.reason
    assert digest_value(value) is None
    _take_apart(value)


class Node:
    def __init__(self, inner: object) -> None:
        self.inner = inner


def _take_apart(value: Any) -> None:
    """One level after the other: freeing a deep chain of objects at once can end the process."""
    while isinstance(value, Node):
        inner = value.inner
        value.inner = None
        value = inner


def test_whole_numbers_of_a_million_digits_have_ids() -> None:
    large = 10**1_000_000
    assert identify(large).coverage == "full"
    assert identify(large).id != identify(large + 1).id
    assert identify(pd.DataFrame({"a": [large, None]}, dtype=object)).coverage == "full"
    assert identify(math.factorial(5_000)).id == identify(math.factorial(5_000)).id


def test_a_column_of_very_many_objects_of_many_classes_has_an_id() -> None:
    classes = [dataclasses.make_dataclass(f"C{i}", ["a"]) for i in range(100)]
    cells = np.empty(30_000, object)
    for i in range(len(cells)):
        cells[i] = classes[i % len(classes)](i)
    assert identify(pd.DataFrame({"a": cells})).coverage == "full"
    assert identify(cells).coverage == "full"


def test_what_can_be_read_once_is_left_as_it_was() -> None:
    numbers = (i for i in range(3))
    lines = io.StringIO("a\nb")
    pairs = zip([1], [2], strict=True)
    readers: list[Any] = [numbers, map(str, [1]), pairs, iter([1]), enumerate([1]), lines]
    batches = pa.table({"a": [1]}).to_reader()
    for one in (*readers, batches):
        identify(one)
        identify([one])
        otelprov.artifact(one)
    assert [list(reader) for reader in readers] == [
        [0, 1, 2], ["1"], [(1, 2)], [1], [(0, 1)], ["a\n", "b"],
    ]  # fmt: skip
    assert batches.read_all().num_rows == 1


def test_resources_of_the_process_have_no_id_and_a_reason(tmp_path: Path) -> None:
    with (tmp_path / "f").open("w+") as file, (tmp_path / "f").open("rb") as raw:
        for value in (file, raw, threading.Lock(), threading.RLock(), threading.Thread(),
                      threading.local(), Node(threading.Lock()), Node(file), [file]):  # fmt: skip
            artifact = identify(value)
            assert artifact.coverage == "none", value
            assert artifact.reason
    released = memoryview(b"a")
    released.release()
    assert identify(released).coverage == "none"
    assert identify(io).coverage == "full"
    assert identify(lambda x: x).coverage == "full"


def test_containers_that_hold_themselves_end() -> None:
    array = np.empty(2, object)
    array[0] = array[1] = array
    frame = pd.DataFrame({"a": pd.Series([None], dtype=object)})
    frame.iat[0, 0] = frame
    node = Node(None)
    node.inner = [node]
    series = pd.Series([None], dtype=object)
    series.iat[0] = {"s": series}
    for value in (array, frame, node, series, [array], {"f": frame}):
        artifact = identify(value)
        assert artifact.coverage in ("full", "state")
        assert artifact.id == identify(value).id


@pytest.mark.parametrize("make", [list, lambda pair: np.array(pair, object), Node])
def test_what_is_small_in_memory_and_endless_to_walk_is_given_up(make: Any) -> None:
    value: Any = make([1, 2])
    for _ in range(28):
        if make is list:
            value = [value, value]
        elif make is Node:
            value = Node([value, value])
        else:
            pair = np.empty(2, object)
            pair[0] = pair[1] = value
            value = pair
    artifact = identify(value)
    assert artifact.coverage == "none"
    assert "values" in (artifact.reason or "")


def test_arrays_of_objects_count_for_more_than_one_value() -> None:
    array = np.array([None], object)
    assert identify([array] * 10_000).coverage == "full"
    assert "values" in (identify([array] * 25_000).reason or "")


def test_an_object_that_changes_while_it_is_read_is_no_exception() -> None:
    node = Node({str(i): i for i in range(1_000)})
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            for i in range(100):
                node.__dict__[f"a{i}"] = i
                node.inner[str(-i)] = i  # type: ignore[index]
            for i in range(100):
                del node.__dict__[f"a{i}"]
                del node.inner[str(-i)]  # type: ignore[attr-defined]

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(300):
            artifact = identify(node)
            assert artifact.coverage == "state" or artifact.reason
    finally:
        stop.set()
        thread.join()

"""Objects: by fields, by what somebody described, by state; each says which."""

from __future__ import annotations

import abc
import array
import collections
import dataclasses
import enum
import functools
import os
import pickle
import subprocess
import sys
import types
from typing import Any, Generic, TypeVar

import attrs
import numpy as np
import pandas as pd
import pyarrow as pa
import pydantic
import pytest

import otelprov
from otelprov.artifacts import digest_value, identify

T = TypeVar("T")


class Plain:
    def __init__(self, value: object) -> None:
        self.value = value


class Twin(Plain):
    pass


class Slotted(Generic[T], abc.ABC):
    __slots__ = ("_Slotted__hidden", "unset", "value")

    def __init__(self, value: object) -> None:
        self.value = value


class SlottedAndMore(Slotted[int]):
    """Slots of the base, and a dictionary."""


@attrs.define
class Attrs:
    a: int
    b: object = None


@attrs.frozen(slots=False)
class FrozenAttrs:
    a: int


class Model(pydantic.BaseModel):
    a: int
    b: list[int] = []


class Open(pydantic.BaseModel, extra="allow"):
    a: int


@dataclasses.dataclass(frozen=True, slots=True)
class Inner:
    x: int


@dataclasses.dataclass
class Outer:
    inner: Inner
    fixed: int = dataclasses.field(default=3, init=False)
    nothing: object = dataclasses.field(default=None, init=False)
    many: list[Inner] = dataclasses.field(default_factory=list)
    shared: Any = 0


class Permission(enum.Flag):
    READ = 1
    WRITE = 2


def test_values_of_the_standard_library_have_ids_by_what_they_hold() -> None:
    different: list[Any] = [
        array.array("d", [1, 2]), array.array("f", [1, 2]), array.array("d", [1]),
        array.array("b"), memoryview(b"ab"), memoryview(b"abcd"),
        memoryview(b"abcd").cast("B", (2, 2)), memoryview(b"abcd").cast("h"),
        types.SimpleNamespace(), types.SimpleNamespace(a=1), types.SimpleNamespace(b=1),
        Permission.READ, Permission.READ | Permission.WRITE, collections.namedtuple("N", "a")(1),
        Outer(Inner(1)), Outer(Inner(2)), Outer(Inner(1), [Inner(1)]), Attrs(1), Attrs(2),
        Attrs(1, 1), FrozenAttrs(1), Model(a=1), Model(a=1, b=[1]), Open(a=1), Open(a=1, c=1),
    ]  # fmt: skip
    artifacts = [identify(value) for value in different]
    assert {artifact.coverage for artifact in artifacts} == {"full"}
    assert len({artifact.id for artifact in artifacts}) == len(different)
    for value, artifact in zip(different, artifacts, strict=True):
        assert digest_value(value) == bytes.fromhex(artifact.id.removeprefix("object:"))

    assert identify(memoryview(b"abcd")[::2]).id == identify(memoryview(b"ac")).id
    one, other = types.SimpleNamespace(a=1, b=2), types.SimpleNamespace(b=2, a=1)
    assert identify(one).id == identify(other).id
    assert identify(Model(a=1, b=[])).id == identify(Model(a=1)).id
    assert identify(Outer(Inner(1))).id == identify(pickle.loads(pickle.dumps(Outer(Inner(1))))).id


def test_a_class_of_fields_that_holds_more_has_no_form_by_fields() -> None:
    @attrs.define(slots=False)
    class Loose:
        a: int

    loose = Loose(1)
    assert identify(loose).coverage == "full"
    loose.more = 1  # type: ignore[attr-defined]
    assert "more than its fields" in (identify(loose).reason or "")

    @dataclasses.dataclass
    class Names(list):  # type: ignore[type-arg]
        a: int

    assert "more than its fields" in (identify(Names(1)).reason or "")

    class Base:
        __slots__ = ("below",)

    @dataclasses.dataclass
    class Above(Base):
        a: int

    above = Above(1)
    assert identify(above).coverage == "full"
    above.below = 1  # type: ignore[attr-defined]
    assert "more than its fields" in (identify(above).reason or "")


def test_a_field_that_only_code_can_tell_is_not_asked_for() -> None:
    @dataclasses.dataclass
    class Lazy:
        a: int

    Lazy.a = property(lambda self: pytest.fail("code of the user's was run"))  # type: ignore
    lazy = object.__new__(Lazy)
    assert "does not hold its field 'a'" in (identify(lazy).reason or "")


def test_pandas_arrays_have_the_id_of_their_series() -> None:
    for values in (
        pd.array([1, None]), pd.Categorical(["b", "a"]), pd.period_range("2020", periods=2).array,
        pd.interval_range(0, 2).array, pd.date_range("2020", periods=2, tz="UTC").array,
        pd.arrays.SparseArray([0, 1]), pd.array(["a"], "string"),
    ):  # fmt: skip
        assert identify(values).id == identify(pd.Series(values)).id
        assert identify(values).kind == "table"
    for index in (pd.interval_range(0, 2), pd.period_range("2020", periods=2), pd.Index([1, 2])):
        assert identify(index).coverage == "full"


# --- by state -------------------------------------------------------------------------------------


def test_an_object_of_an_unknown_class_is_known_by_its_state_and_says_so() -> None:
    one = identify(Plain([1, {"a": Plain("x")}]))
    assert (one.kind, one.coverage, one.reason) == ("object", "state", None)
    assert one.id == identify(Plain([1, {"a": Plain("x")}])).id
    different = [Plain(1), Plain(2), Twin(1), Slotted(1), SlottedAndMore(1), Plain(Plain(1))]
    assert len({identify(value).id for value in different}) == len(different)
    for value in ([Plain(1)], {"a": (Plain(1),)}, {Plain}, Inner(Plain(1))):  # type: ignore
        assert identify(value).coverage == ("full" if value == {Plain} else "state")


def test_slots_and_dictionary_are_both_the_state() -> None:
    one, other = SlottedAndMore(1), SlottedAndMore(1)
    assert identify(one).id == identify(other).id
    one.extra = 1  # type: ignore[attr-defined]
    assert identify(one).id != identify(other).id
    other.extra = 1  # type: ignore[attr-defined]
    assert identify(one).id == identify(other).id
    one.unset = None  # type: ignore[attr-defined]
    assert identify(one).id != identify(other).id


def test_the_state_is_the_same_in_another_process_with_another_hash_seed() -> None:
    script = (
        "from otelprov.artifacts import identify\n"
        "class C: pass\n"
        "c = C(); c.b = {'x', 'y', 'z'}; c.a = C(); c.a.d = {'k': (1, 2.5)}\n"
        "print(identify(c))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(printed) == 1
    assert "coverage='state'" in printed.pop()


def test_a_parameter_that_is_known_by_its_state_only_has_no_digest() -> None:
    # It is code as well: the same state may do something else after an edit.
    assert digest_value(Plain(1)) is None
    assert digest_value([Plain(1)]) is None


class Reduces(Plain):
    def __reduce__(self) -> Any:
        raise AssertionError("code of the user's was run")


class Stateful(Plain):
    def __getstate__(self) -> Any:
        raise AssertionError("code of the user's was run")


class Called(Plain):
    def __call__(self) -> None: ...


class OfList(list):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize(
    "value",
    [Reduces(1), Stateful(1), Called(1), OfList(), object(), OSError(2)],
    ids=lambda value: type(value).__name__,
)
def test_a_class_whose_state_cannot_be_read_has_no_id_and_its_name_in_the_reason(
    value: Any,
) -> None:
    artifact = identify(value)
    assert artifact.coverage == "none"
    assert type(value).__name__ in (artifact.reason or "")


def test_the_reason_says_how_to_describe_the_class() -> None:
    assert "otelprov.register_identity" in (identify(Reduces(1)).reason or "")


def test_a_table_and_an_array_of_objects_that_are_known_by_state_only_have_no_id() -> None:
    artifact = identify(pd.DataFrame({"a": [Plain(1)]}))
    assert (artifact.kind, artifact.coverage) == ("table", "none")
    array = np.array([Plain(1)], object)
    for value in (array, [array], [Plain(1), pd.DataFrame({"a": [Plain(1)]})]):
        assert identify(value).coverage == "none"


# --- by a description -----------------------------------------------------------------------------


def test_a_described_class_is_known_by_the_content_that_is_given() -> None:
    class Length(Reduces):
        pass

    class Special(Length):
        pass

    @otelprov.register_identity(Length)
    def content(length: Any) -> object:
        return {"value": length.value, "unit": "m"}

    assert content(Length(1)) == {"value": 1, "unit": "m"}
    artifact = identify(Length(np.arange(3)))
    assert (artifact.kind, artifact.coverage) == ("object", "full")
    assert artifact.id == identify(Length(np.arange(3))).id
    different = [Length(1), Length(2), Special(1), {"value": 1, "unit": "m"}, [Length(1)]]
    assert len({identify(value).id for value in different}) == len(different)
    assert digest_value(Length(1)) is not None
    assert identify(pd.DataFrame({"a": [Length(1)]})).coverage == "full"

    @otelprov.register_identity(Special)
    def _(special: Any) -> object:
        return 0

    assert identify(Special(1)).id == identify(Special(2)).id
    assert identify(Length(1)).id != identify(Length(2)).id
    otelprov.register_identity(Special)(lambda special: special.value)
    assert identify(Special(1)).id != identify(Special(2)).id


def test_a_described_table_has_the_id_of_the_table() -> None:
    class Wrapper(Reduces):
        pass

    otelprov.register_identity(Wrapper, kind="table")(lambda wrapper: wrapper.value)
    frame = pd.DataFrame({"a": [1, 2]})
    assert identify(Wrapper(frame), name="n") == identify(frame, name="n")
    assert identify(Wrapper(pa.table({"a": [1, 2]}))).id == identify(frame).id
    assert digest_value(Wrapper(frame)) is not None
    bad = identify(Wrapper([1]))
    assert (bad.kind, bad.coverage) == ("table", "none")
    assert "table" in (bad.reason or "")
    assert digest_value([Wrapper([1])]) is None


def test_a_name_in_the_id_outlives_a_class_that_moves() -> None:
    def make() -> Any:
        class Moved(Reduces):
            pass

        otelprov.register_identity(Moved, kind="model", name="mine.Moved")(lambda m: m.value)
        return Moved

    one, other = make(), make()
    other.__module__ = "elsewhere"
    artifact = identify(one(1))
    assert artifact.id.startswith("model:")
    assert identify(other(1)).id == artifact.id
    assert identify(other(2)).id != artifact.id


def test_a_class_that_is_not_imported_yet_is_described_by_name() -> None:
    otelprov.register_identity("not_yet_there.Thing")(lambda thing: thing.value)
    assert "not_yet_there" not in sys.modules
    assert identify(Reduces(1)).coverage == "none"
    module = types.ModuleType("not_yet_there")
    sys.modules["not_yet_there"] = module
    try:
        assert identify(Reduces(1)).coverage == "none"
        module.Thing = type("Thing", (Reduces,), {})  # type: ignore[attr-defined]
        assert identify(module.Thing(1)).coverage == "full"
    finally:
        del sys.modules["not_yet_there"]


def test_a_description_of_the_users_replaces_that_of_otelprov() -> None:
    script = (
        "import otelprov, sklearn.linear_model as m\n"
        "from sklearn.base import BaseEstimator\n"
        "otelprov.register_identity(BaseEstimator, kind='model')(lambda model: 1)\n"
        "assert otelprov.artifact(m.Ridge(1.0)) == otelprov.artifact(m.Ridge(2.0))\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_description_that_raises_leaves_no_id_and_a_reason() -> None:
    class Broken(Plain):
        pass

    class Endless(Plain):
        pass

    otelprov.register_identity(Broken)(lambda broken: broken.missing)
    otelprov.register_identity(Endless)(lambda endless: Endless(endless))
    artifact = identify(Broken(1))
    assert artifact.coverage == "none"
    assert "Broken raised AttributeError" in (artifact.reason or "")
    assert identify([Endless(1)]).coverage == "none"


def test_the_description_of_a_subclass_of_a_frame_comes_before_its_table() -> None:
    class WithUnit(pd.DataFrame):  # type: ignore[misc]
        _metadata = ["unit"]

    @otelprov.register_identity(WithUnit)
    def _(frame: Any) -> object:
        return pd.DataFrame(frame), frame.unit

    one, other = WithUnit({"a": [1]}), WithUnit({"a": [1]})
    one.unit, other.unit = "m", "km"
    assert identify(one).id != identify(other).id
    assert identify(one).id.startswith("object:")


def test_what_cannot_be_described_is_said_at_once() -> None:
    for class_ in (list, int, types.FunctionType):
        with pytest.raises(TypeError, match="form of its own"):
            otelprov.register_identity(class_)
    with pytest.raises(TypeError, match="no class"):
        otelprov.register_identity(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="full name"):
        otelprov.register_identity("Thing")
    with pytest.raises(ValueError, match="kind is 'thing'"):
        otelprov.register_identity(Plain, kind="thing")  # type: ignore[arg-type]


def test_a_described_object_may_be_held_by_anything() -> None:
    class Held(Reduces):
        pass

    otelprov.register_identity(Held)(lambda held: held.value)
    cells = np.array([Held(1), None], object)
    for value in (cells, Plain(Held(1)), functools.partial(print, Held(1)), {"a": Held(cells)}):
        assert identify(value).coverage in ("full", "state")

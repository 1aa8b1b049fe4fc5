"""Which numbers, dicts and lists are known again, and which are not."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from decimal import Decimal

import numpy as np
import pytest

from otelprov.artifacts import registry as registries
from otelprov.artifacts.locations import unknown
from otelprov.artifacts.registry import Identity, is_own_number, registry
from otelprov.recording import plain_values

HERE = Identity((unknown("here"),))
THERE = Identity((unknown("there"),))


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    registry.clear()
    yield
    registry.clear()


def number(value: float = 0.5) -> float:
    """An object of its own."""
    return float(f"{value}")


def test_a_number_is_known_as_the_object_that_it_is() -> None:
    known, equal = number(), number()
    registry.found(known, HERE)
    assert registry.number(known) == HERE
    assert registry.number(equal) is None
    assert plain_values.known_numbers(([equal],)) == []
    assert plain_values.known_numbers(({"a": [(known,)]},)) == [HERE]


def test_no_other_number_gets_the_id_of_a_known_one() -> None:
    registry.found(number(), HERE)
    gc.collect()
    others = [number(n) for n in range(10_000)]
    assert plain_values.known_numbers((others,)) == []


@pytest.mark.parametrize(
    "value",
    [3, True, None, "0.5", float("nan"), float("inf"), np.bool_(1), Decimal("sNaN")],
)
def test_what_python_has_one_object_for_is_no_number_of_its_own(value: object) -> None:
    assert not is_own_number(value)


@pytest.mark.parametrize("value", [0.5, np.float64(0.5), np.float32(0.5), np.int64(3), Decimal(3)])
def test_other_numbers_are(value: object) -> None:
    assert is_own_number(value)


def test_a_constant_that_two_calls_give_is_not_known() -> None:
    constant = number(1.0)
    registry.found(constant, HERE)
    registry.found(constant, THERE, since=time.time_ns())
    assert registry.number(constant) is None
    registry.found(constant, HERE)
    assert registry.number(constant) is None


def test_a_number_that_a_call_hands_on_is_that_of_the_inner_call() -> None:
    handed, begun = number(), time.time_ns()
    registry.found(handed, HERE)
    registry.found(handed, THERE, since=begun)
    assert registry.number(handed) == HERE


def test_numbers_of_which_some_are_known_are_of_unknown_origin_too() -> None:
    known = number()
    registry.found(known, HERE)
    found = plain_values.known_numbers(([known, number(), "text", 3],))
    assert found[0] == HERE
    assert [one.sources[0].origin for one in found[1:]] == ["unknown"]  # type: ignore[union-attr]
    assert plain_values.known_numbers(([known, "text", 3, None],)) == [HERE]


def test_numbers_that_are_written_out_are_not_unknown() -> None:
    known = number()
    registry.found(known, HERE)

    def called(values: list[float]) -> list[Identity]:
        return plain_values.known_numbers((values,))

    assert called([known, 0.25, *(1.5, 2.5)]) == [HERE]
    assert len(called([known, 0.25, number(0.25)])) == 2


def test_a_number_that_is_written_out_is_nobodys() -> None:
    """A table of Python's objects gives the very one back that the program has put in."""
    handed_back = 0.125
    plain_values.numbers_from({"a": handed_back}, unknown("a table"))
    assert registry.number(handed_back) is None
    registry.found(handed_back, HERE)
    assert plain_values.known_numbers(([0.125],)) == []
    assert plain_values.known_numbers(([number(0.125)],)) == []


def test_long_lists_are_looked_at_to_a_limit_and_it_is_said() -> None:
    known = number()
    registry.found(known, HERE)
    many = ["text"] * plain_values.MAX_LOOKED_AT
    assert plain_values.known_numbers(([known, *many],))[0] == HERE
    assert len(plain_values.known_numbers(([known, *many],))) == 2
    assert plain_values.known_numbers(([*many, known],)) == []


def test_the_oldest_numbers_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "MAX_NUMBERS", 3)
    numbers = [number(n) for n in range(5)]
    for one in numbers:
        registry.found(one, HERE)
    assert [registry.number(one) is not None for one in numbers] == [False] * 2 + [True] * 3
    for n in range(5):
        registry.found(number(n), THERE, by_step=True)
    assert registry.number(numbers[-1]) == HERE
    assert len(registry.numbers) == 6


def test_lists_are_held_up_to_a_number_of_bytes() -> None:
    first, second = [[1, 2], [3]]
    source = unknown("a file")
    registry.hold([first], source, 60, 100)
    registry.hold([first], source, 70, 100)  # again, of another size
    assert registry.container(first) == source
    registry.hold([second], source, 40, 100)
    assert registry.container(first) is None
    assert registry.container(second) == source


def test_rows_of_a_large_document_are_known_by_their_content() -> None:
    rows = [{"a": n, "b": "x"} for n in range(500)]
    source = unknown("a file")
    plain_values.parsed({"rows": rows}, source, plain_values.MAX_HELD + 1)
    assert registry.container(rows) == source
    rows[0]["a"] = -1
    assert registry.container(rows) is None

"""Derivation ids: equal for equal parts, different for any other, never equal where one is not
known (docs/derivation-identity.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from otelprov.artifacts.derivation import Derivation, Origin, derivation_id, step_path

TABLE = "table:" + "4f" * 32
OTHER = "table:" + "5e" * 32
ONE, TWO = bytes(range(32)), bytes(range(1, 33))

MERGE = Derivation(
    library="pandas",
    name="merge",
    version="2.3.3",
    parameters=(("on", ONE), ("how", TWO)),
    inputs=(("self", Origin((TABLE,))), ("right", Origin((OTHER,), ONE))),
)


def test_a_derivation_has_the_bytes_of_the_specification() -> None:
    def data(part: bytes) -> bytes:
        return len(part).to_bytes(8, "little") + part

    def u64(number: int) -> bytes:
        return number.to_bytes(8, "little")

    written = (
        data(b"pandas") + data(b"merge") + u64(1) + data(b"2.3.3") + u64(0)
        + u64(2) + data(b"how") + data(TWO) + data(b"on") + data(ONE)
        + u64(2) + data(b"self") + u64(1) + data(TABLE.encode()) + data(b"")
        + data(b"right") + u64(1) + data(OTHER.encode()) + data(ONE)
        + u64(3)
    )  # fmt: skip
    digest = blake3(written, derive_key_context="otelprov artifact 1 derivation").hexdigest()
    assert derivation_id(MERGE, 3) == f"derived:{digest}"
    written = (
        data(b"pandas") + data(b"__getitem__") + u64(0)
        + u64(1) + u64(1) + data(TABLE.encode()) + data(b"") + data(ONE)
    )  # fmt: skip
    path = step_path("pandas", "__getitem__", None, [Origin((TABLE,))], ONE)
    assert path == blake3(written, derive_key_context="otelprov artifact 1 step").digest()


def test_parameters_may_come_in_any_order_and_inputs_may_not() -> None:
    turned = replace(MERGE, parameters=MERGE.parameters[::-1])
    assert derivation_id(turned, 0) == derivation_id(MERGE, 0)
    turned = replace(MERGE, inputs=MERGE.inputs[::-1])
    assert derivation_id(turned, 0) != derivation_id(MERGE, 0)


SELF, RIGHT = MERGE.inputs
DIFFERENT = {
    "library": replace(MERGE, library="polars"),
    "operation": replace(MERGE, name="join"),
    "version": replace(MERGE, version="2.3.4"),
    "empty version": replace(MERGE, version=""),
    "no version": replace(MERGE, version=None),
    "boundary of library and operation": replace(MERGE, library="pandasm", name="erge"),
    "NUL in the library": replace(MERGE, library="pandas\0merge", name="2.3.3", version=None),
    "NUL in the operation": replace(MERGE, library="pandas", name="merge\x002.3.3", version=None),
    "a function": replace(MERGE, functions=(ONE,)),
    "another function": replace(MERGE, functions=(TWO,)),
    "a parameter less": replace(MERGE, parameters=MERGE.parameters[:1]),
    "a parameter's name": replace(MERGE, parameters=(("on", ONE), ("hoW", TWO))),
    "a parameter's value": replace(MERGE, parameters=(("on", ONE), ("how", ONE))),
    "values exchanged": replace(MERGE, parameters=(("on", TWO), ("how", ONE))),
    "a name that is not text": replace(MERGE, parameters=(("\ud800", ONE),)),
    "a name that is its escape": replace(MERGE, parameters=(("\\ud800", ONE),)),
    "a function and not a parameter": replace(MERGE, parameters=(), functions=(ONE, TWO)),
    "no inputs": replace(MERGE, inputs=()),
    "an input less": replace(MERGE, inputs=(SELF,)),
    "an input twice": replace(MERGE, inputs=(SELF, RIGHT, RIGHT)),
    "a role": replace(MERGE, inputs=(SELF, ("left", RIGHT[1]))),
    "a source": replace(MERGE, inputs=(SELF, ("right", Origin((TABLE,), ONE)))),
    "a path": replace(MERGE, inputs=(SELF, ("right", Origin((OTHER,), TWO)))),
    "no path": replace(MERGE, inputs=(SELF, ("right", Origin((OTHER,))))),
    "two sources": replace(MERGE, inputs=(("self", Origin((TABLE, OTHER), ONE)),)),
    "sources turned": replace(MERGE, inputs=(("self", Origin((OTHER, TABLE), ONE)),)),
    "no sources": replace(MERGE, inputs=(("self", Origin(())),)),
}


def test_derivations_that_differ_in_one_part_have_different_ids() -> None:
    ids = {derivation_id(one, output) for one in [MERGE, *DIFFERENT.values()] for output in (0, 1)}
    assert len(ids) == 2 * (len(DIFFERENT) + 1)


UNKNOWN = {
    "a parameter": replace(MERGE, parameters=(("on", None), ("how", TWO))),
    "a function": replace(MERGE, functions=(None,)),
    "a source": replace(MERGE, inputs=(("self", Origin((TABLE, None), ONE)),)),
    "a source with a name only": replace(
        MERGE, inputs=(("self", Origin(("resource:" + "0" * 64,))),)
    ),
}


@pytest.mark.parametrize("part", UNKNOWN)
def test_an_id_with_an_unknown_part_is_equal_to_no_other(part: str) -> None:
    assert len({derivation_id(UNKNOWN[part], 0) for _ in range(100)}) == 100


def test_a_step_that_is_not_known_has_a_path_of_its_own() -> None:
    known, unknown = Origin((TABLE,)), Origin((None,))
    assert len({step_path("pandas", "add", "3", [known], None) for _ in range(100)}) == 100
    assert len({step_path("pandas", "add", "3", [unknown], ONE) for _ in range(100)}) == 100


def test_steps_that_differ_in_one_part_have_different_paths() -> None:
    one, two = Origin((TABLE,)), Origin((OTHER,), ONE)
    steps: list[tuple[Any, ...]] = [
        ("pandas", "add", "3", [one], ONE),
        ("polars", "add", "3", [one], ONE),
        ("pandas", "sub", "3", [one], ONE),
        ("pandas", "add", "2", [one], ONE),
        ("pandas", "add", None, [one], ONE),
        ("pandas", "add", "3", [two], ONE),
        ("pandas", "add", "3", [one, two], ONE),
        ("pandas", "add", "3", [two, one], ONE),
        ("pandas", "add", "3", [Origin((TABLE, OTHER), ONE)], ONE),
        ("pandas", "add", "3", [one], TWO),
    ]
    assert len({step_path(*parts) for parts in steps}) == len(steps)


TEXT = st.text(st.characters(), max_size=3)
DIGEST = st.binary(min_size=0, max_size=3)
ORIGINS = st.builds(
    Origin, st.lists(st.sampled_from(["a:", "a:b", "b"]), max_size=2).map(tuple), DIGEST
)
DERIVATIONS = st.builds(
    Derivation,
    library=TEXT,
    name=TEXT,
    version=st.none() | TEXT,
    functions=st.lists(DIGEST, max_size=1).map(tuple),
    parameters=st.dictionaries(TEXT, DIGEST, max_size=2).map(lambda d: tuple(sorted(d.items()))),
    inputs=st.lists(st.tuples(TEXT, ORIGINS), max_size=2).map(tuple),
)


@given(DERIVATIONS, DERIVATIONS)
def test_ids_are_equal_exactly_if_all_parts_are(one: Derivation, other: Derivation) -> None:
    assert (derivation_id(one, 0) == derivation_id(other, 0)) == (one == other)

"""The digest of a step's parameters is the same whether it was kept or not."""

from __future__ import annotations

import operator
from typing import Any

import pytest

from otelprov.artifacts import digest_value
from otelprov.instrumentation import _calls

CALLS: list[tuple[list[Any], dict[str, Any]]] = [
    ([1], {}),
    ([True], {}),
    ([0], {}),
    ([False], {}),
    ([1.0], {}),
    ([-0.0], {}),
    ([0.0], {}),
    ([None], {}),
    (["1"], {}),
    (["a" * 65], {}),
    ([operator.add], {}),
    ([operator.sub], {}),
    ([[].append], {}),
    ([], {"a": 1}),
    ([], {"a": True}),
    ([], {"b": 1}),
    ([1], {"a": 1, "b": "x"}),
    ([[1]], {}),
]


def test_it_is_that_of_the_values_and_no_two_calls_share_one() -> None:
    found = []
    for _ in range(2):
        for plain, named in CALLS:
            digest = _calls._digest_of(plain, named)
            assert digest == digest_value([plain, named]), (plain, named)
            found.append(digest)
    known = [one for one in found[: len(CALLS)] if one is not None]
    assert len(set(known)) == len(known) >= len(CALLS) - 1  # of a method of a list nothing is said


@pytest.mark.parametrize("value", ["a" * 65, 1.5, [1], [].append, (1,), b"a"])
def test_what_is_large_or_may_change_is_not_kept(value: object) -> None:
    before = _calls._kept_digest.cache_info().currsize
    _calls._digest_of([value], {})
    assert _calls._kept_digest.cache_info().currsize == before

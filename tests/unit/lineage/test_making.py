"""Records that are made quickly are as frozen as the others."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from otelprov.lineage.making import quick
from otelprov.model import Artifact, Operation, Usage

TABLE = quick(Artifact)("table:1", "table", rows=3)
MADE = (quick(Usage)("return", TABLE),)
RECORDS = [
    TABLE,
    *MADE,
    quick(Operation)("a", "b", "x", "read", "ok", 1, 2, "s", generated=MADE),
]
AS_EVER = [
    Artifact("table:1", "table", rows=3),
    Usage("return", Artifact("table:1", "table", rows=3)),
    Operation("a", "b", "x", "read", "ok", 1, 2, "s", generated=(Usage("return", TABLE),)),
]


def test_a_record_is_the_one_that_it_would_be() -> None:
    assert [type(one) for one in RECORDS] == [Artifact, Usage, Operation]
    assert RECORDS == AS_EVER and list(map(repr, RECORDS)) == list(map(repr, AS_EVER))
    assert list(map(hash, RECORDS[:2])) == list(map(hash, AS_EVER[:2]))


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: type(one).__name__)
def test_a_record_cannot_be_changed(record: Any) -> None:
    for one in fields(record):
        with pytest.raises(FrozenInstanceError):
            setattr(record, one.name, None)
    with pytest.raises((FrozenInstanceError, TypeError)):
        record.other = 1


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: type(one).__name__)
def test_a_record_is_equal_to_its_copies(record: Any) -> None:
    for other in (copy.copy(record), copy.deepcopy(record), pickle.loads(pickle.dumps(record))):
        assert other == record and type(other) is type(record)
        assert repr(other) == repr(record)
    assert replace(record) == record


def test_records_say_what_is_missing_or_too_much() -> None:
    with pytest.raises(TypeError, match="'kind'"):
        quick(Artifact)("table:1")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'size'"):
        quick(Artifact)("table:1", "table", size=3)  # type: ignore[call-arg]


def test_defaults_and_ids_are_set() -> None:
    operation = RECORDS[2]
    assert isinstance(operation, Operation)
    assert (operation.id, operation.parameters, operation.calls) == ("a-b", {}, 1)
    assert operation.parameters is not replace(operation, parameters={}).parameters

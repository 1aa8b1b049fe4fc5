"""Records that are made quickly are as frozen as the others."""

from __future__ import annotations

import copy
import pickle
from dataclasses import MISSING, FrozenInstanceError, fields, replace
from typing import Any

import pytest

from otelprov.model import Artifact, Code, Operation, Usage

TABLE = Artifact("table:1", "table", rows=3)
MADE = (Usage("return", TABLE),)
RECORDS = [
    TABLE,
    *MADE,
    Operation("a", "b", "x", "read", "ok", 1, 2, "s", generated=MADE),
]


def as_ever(record: Any) -> Any:
    """The same, with each field set as ``dataclass`` does it."""
    made = object.__new__(type(record))
    for one in fields(record):
        object.__setattr__(made, one.name, getattr(record, one.name))
    return made


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: type(one).__name__)
def test_a_record_is_the_one_that_it_would_be(record: Any) -> None:
    assert type(record) is type(as_ever(record))
    assert record == as_ever(record)
    assert repr(record) == repr(as_ever(record))
    if not isinstance(record, Operation):  # which has a dict
        assert hash(record) == hash(as_ever(record))


def test_what_is_not_given_has_its_default() -> None:
    for record in RECORDS:
        for one in fields(record):
            given = {"rows", "generated"}
            if one.default is not MISSING and one.name not in given:
                assert getattr(record, one.name) == one.default
    other = Operation("a", "b", "x", "read", "ok", 1, 2, "s")
    assert (other.code, other.parameters) == (Code(), {})
    assert other.parameters is not Operation("a", "b", "x", "read", "ok", 1, 2, "s").parameters


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
        Artifact("table:1")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'size'"):
        Artifact("table:1", "table", size=3)  # type: ignore[call-arg]


def test_defaults_and_ids_are_set() -> None:
    operation = RECORDS[2]
    assert isinstance(operation, Operation)
    assert (operation.id, operation.parameters, operation.calls) == ("a-b", {}, 1)
    assert operation.parameters is not replace(operation, parameters={}).parameters

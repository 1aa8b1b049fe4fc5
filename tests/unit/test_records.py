"""The records that are made by thousands are as frozen as they look."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from otelprov.model import Artifact, Operation, Usage

TABLE = Artifact("table:1", "table", rows=3)
RECORDS = [
    TABLE,
    Usage("self", TABLE),
    Operation("a", "b", "x", "read", "ok", 1, 2, "s", generated=(Usage("return", TABLE),)),
]


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
    assert isinstance(hash(TABLE), int) and replace(TABLE, schema=()) == TABLE

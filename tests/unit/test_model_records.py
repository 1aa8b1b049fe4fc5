"""Records: `otelprov._record.record`."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pytest
import support

from otelprov.model import Artifact, Code, Operation, Usage

TABLE = Artifact("table:1", "table", rows=3)
MADE = (Usage("return", TABLE),)
RECORDS = [
    TABLE,
    *MADE,
    Operation("a", "b", "x", "read", "ok", 1, 2, "s", generated=MADE),
]


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
def test_a_record_takes_no_other_attribute(record: Any) -> None:
    with pytest.raises(AttributeError):
        record.other = 1


def test_a_type_checker_takes_a_record_for_frozen(tmp_path: Path) -> None:
    program = tmp_path / "changes.py"
    program.write_text(
        "from otelprov.model import Column\n"
        "column = Column('a', 'int64', '00')\n"
        "column.name = 'b'\n"
    )
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), str(program)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=support.ROOT)
    assert 'Property "name" defined in "Column" is read-only' in found.stdout, found.stdout


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: type(one).__name__)
def test_a_record_is_equal_to_its_copies(record: Any) -> None:
    for other in (copy.copy(record), copy.deepcopy(record), pickle.loads(pickle.dumps(record))):
        assert other == record and type(other) is type(record)
        assert repr(other) == repr(record)
        if not isinstance(record, Operation):  # which has a dict
            assert hash(other) == hash(record)
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

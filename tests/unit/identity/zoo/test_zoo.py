"""No two of the zoo's contents share an id, and each has one, here and in other processes."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from otelprov.artifacts import digest_value, identify
from zoo.cases import Case, Parameter, Table, id_of
from zoo.collection import CASES
from zoo.processes import PATH, Worker

Ids = dict[str, dict[str, list[str]]]

NAMES = [case.name for case in CASES]


@pytest.fixture(scope="module")
def groups() -> dict[str, dict[str, list[Any]]]:
    """The values of every case that the versions here can make."""
    return {case.name: dict(case.make()) for case in CASES if case.buildable()}


@pytest.fixture(scope="module")
def ids(groups: dict[str, dict[str, list[Any]]]) -> Ids:
    return {
        case: {group: [id_of(value) for value in values] for group, values in contents.items()}
        for case, contents in groups.items()
    }


def test_the_zoo_is_large_and_each_case_says_why() -> None:
    assert len(NAMES) == len(set(NAMES)) >= 150
    assert all(len(case.why) > 20 for case in CASES)


@pytest.mark.parametrize("name", NAMES)
def test_one_content_has_one_id_and_no_two_contents_share_one(name: str, ids: Ids) -> None:
    if name not in ids:
        pytest.skip("a library here is too old for it")
    for group, found in ids[name].items():
        assert len(set(found)) == 1, f"{group}: one content, several ids: {found}"
    firsts = [found[0] for found in ids[name].values()]
    assert len(set(firsts)) == len(firsts), ids[name]


def test_no_two_contents_of_the_whole_zoo_share_an_id(ids: Ids) -> None:
    owners: dict[str, tuple[str, str]] = {}
    for case, contents in ids.items():
        for group, found in contents.items():
            digits = found[0].partition(":")[2]  # the prefix must not be what tells them apart
            assert len(digits) == 64
            owner = owners.setdefault(digits, (case, group))
            assert owner == (case, group), f"{owner} and {(case, group)} share {digits}"
    assert len(owners) > 1_300


def test_another_process_with_other_hashes_gives_the_same_ids(ids: Ids) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zoo"],
        env={**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {k: v for k, v in json.loads(done.stdout).items() if not isinstance(v, str)} == ids


def test_what_comes_out_of_a_pickle_in_another_process_has_the_same_id(
    groups: dict[str, dict[str, list[Any]]], ids: Ids, worker: Worker
) -> None:
    asked = 0
    for case, contents in groups.items():
        for group, values in contents.items():
            for value, expected in zip(values, ids[case][group], strict=True):
                inner = value.value if isinstance(value, Parameter) else value
                try:
                    if digest_value(inner) is None and isinstance(value, Parameter):
                        continue
                    again = pickle.loads(pickle.dumps(inner))
                except Exception:  # functions and extension types of C++ cannot be pickled
                    continue
                if isinstance(value, Parameter):
                    answer = worker.parameter(again)
                elif type(value).__module__.startswith("zoo"):
                    continue  # a place: not a value
                else:
                    answer = worker.pickled(again)
                assert answer == expected, (case, group)
                asked += 1
    assert asked > 1_300, asked


# --- other digests really do get them wrong -------------------------------------------------------


def mlflow(frame: pd.DataFrame) -> str:
    """What MLflow 3's digest of a data set rests on, as its documentation describes it."""
    head = frame.head(10_000)
    text = [name for name in head if all(isinstance(cell, str) for cell in head[name])]
    numbers = list(head.select_dtypes(include=[np.number]))
    kept = head[sorted({*text, *numbers})]
    digest = hashlib.md5(pd.util.hash_pandas_object(kept).to_numpy().tobytes())
    digest.update(np.int64(len(frame)).tobytes())
    for name in frame:
        digest.update(str(name).encode())
    return digest.hexdigest()[:8]


def file_bytes(value: Any) -> str:
    if not isinstance(value, Table):
        raise TypeError
    return hashlib.sha256(Path(value.path).read_bytes()).hexdigest()


def equals(value: Any) -> Any:
    return TableByEquals(value)


class TableByEquals:
    """A table that compares as Arrow compares it."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TableByEquals) and self.table.equals(other.table)

    __hash__ = None  # type: ignore[assignment]


PEERS: dict[str, Callable[[Any], Any]] = {
    "mlflow": mlflow,
    "hash_pandas_object": lambda frame: pd.util.hash_pandas_object(frame).tolist(),
    "sum of rows": lambda frame: int(pd.util.hash_pandas_object(frame, index=False).sum()),
    "tobytes": lambda array: array.tobytes(),
    "joblib": lambda value: joblib.hash(getattr(value, "value", value)),
    "pickle": lambda value: pickle.dumps(getattr(value, "value", value)),
    "CSV": lambda frame: frame.to_csv(index=False),
    "bytes of the file": file_bytes,
    "Table.equals": equals,
}


def _digests(case: Case, peer: str) -> Iterator[list[Any]]:
    for values in case.make().values():
        found = []
        for value in values:
            try:
                found.append(PEERS[peer](value))
            except (TypeError, ValueError, AttributeError):
                continue  # not for that kind of value
        yield found


@pytest.mark.parametrize(
    ("case", "peer"),
    [(case, peer) for case in CASES for peer in case.fools],
    ids=lambda part: getattr(part, "name", part),
)
def test_others_call_different_data_equal(case: Case, peer: str) -> None:
    groups = list(_digests(case, peer))
    pairs = itertools.combinations(groups, 2)
    assert any(a == b for one, other in pairs for a in one for b in other)


@pytest.mark.parametrize(
    ("case", "peer"),
    [(case, peer) for case in CASES for peer in case.splits],
    ids=lambda part: getattr(part, "name", part),
)
def test_others_call_equal_data_different(case: Case, peer: str) -> None:
    groups = list(_digests(case, peer))
    assert any(a != b for group in groups for a, b in itertools.combinations(group, 2))


def test_ids_have_256_bits() -> None:
    assert len(identify(pd.DataFrame({"a": [1]})).id) == len("table:") + 64

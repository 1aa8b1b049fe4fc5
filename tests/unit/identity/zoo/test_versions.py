"""The oldest supported versions of pandas, Polars, pyarrow, DuckDB and NumPy give the same ids."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from zoo.cases import id_of
from zoo.collection import CASES
from zoo.environments import Unavailable, python_of
from zoo.processes import PATH, ROOT, Worker

LOCK = ROOT / "requirements" / "oldest.lock"


@pytest.fixture(scope="module")
def oldest() -> Path:
    """The Python of an environment of the oldest versions."""
    try:
        return python_of(LOCK)
    except Unavailable as error:
        if os.environ.get("OTELPROV_REQUIRE_SERVERS") == "1":
            raise
        pytest.skip(f"no environment of the oldest versions: {error}")


@pytest.fixture(scope="module")
def old_worker(oldest: Path) -> Iterator[Worker]:
    process = Worker(oldest)
    yield process
    process.close()


@pytest.mark.timeout(600)  # made once: about half a minute to download and install
def test_the_whole_zoo_has_the_same_ids_with_the_oldest_versions(oldest: Path) -> None:
    done = subprocess.run(
        [str(oldest), "-m", "zoo"],
        env={**os.environ, "PYTHONPATH": PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    compared = 0
    problems = []
    for case in CASES:
        there = found[case.name]
        if isinstance(there, str):
            if not (case.needs and there.startswith("needs")):
                problems.append(f"{case.name}: {there}")
            continue
        here = {group: [id_of(v) for v in values] for group, values in case.make().items()}
        problems += [f"{case.name}: {group}" for group in here if here[group] != there.get(group)]
        compared += sum(map(len, here.values()))
    assert not problems, "\n".join(problems)
    assert compared > 1_700


def test_a_table_that_the_newest_versions_wrote_has_its_id_in_the_oldest(
    old_worker: Worker,
) -> None:
    asked = 0
    for case in CASES:
        if not case.buildable() or case.needs:
            continue
        for values in case.make().values():
            for value in values:
                if isinstance(value, pa.Table) and not _newer(value):
                    assert old_worker.table(value) == id_of(value), (case.name, value.schema)
                    asked += 1
    assert asked > 300, asked


def _newer(table: pa.Table) -> bool:
    """Types that pyarrow 14 does not know."""
    return any("view" in str(type_) for type_ in table.schema.types)

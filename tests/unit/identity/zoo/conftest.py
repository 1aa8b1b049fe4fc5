"""Another process that is asked too, and the trips that Arrow columns go on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zoo.processes import Worker
from zoo.trips import Trips


@pytest.fixture(scope="session")
def process() -> Iterator[Worker]:
    """Another process, of the same versions."""
    process = Worker()
    yield process
    process.close()


@pytest.fixture
def worker(process: Worker) -> Iterator[Worker]:
    """The same; what a test left to be asked is asked at its end."""
    yield process
    process.settle()


@pytest.fixture
def trips(process: Worker) -> Trips:
    """Trips of the columns of one test."""
    return Trips(process)

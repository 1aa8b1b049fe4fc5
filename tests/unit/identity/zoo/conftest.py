"""How many examples, and the processes that are asked too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zoo.processes import Worker


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    """Another process, of the same versions."""
    process = Worker()
    yield process
    process.close()

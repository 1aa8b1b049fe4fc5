"""The test suites of the libraries do not notice that they are recorded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import suites


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("paths", suites.QUICK, ids=lambda paths: paths[0].partition("/")[0])
def test_a_suite_ends_as_it_does_unrecorded(paths: tuple[str, ...]) -> None:
    with ThreadPoolExecutor(1) as pool:
        plain, recorded = pool.map(lambda mode: suites.run(paths, mode), ("plain", "essential"))
    found = list(suites.compare(plain, recorded))
    assert not found, "\n".join(map(str, found))
    assert len(plain.outcomes) > 400
    assert recorded.spans > 400, "the suite was recorded"

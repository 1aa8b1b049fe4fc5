"""The test suites of the libraries do not notice that they are recorded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import suites


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("paths", suites.QUICK, ids=lambda paths: paths[0].partition("/")[0])
def test_a_suite_ends_as_it_does_unrecorded(paths: tuple[str, ...]) -> None:
    library = paths[0].partition("/")[0]
    if not (suites.home(library) / paths[0]).exists():
        pytest.skip("this interpreter comes without CPython's tests")
    with ThreadPoolExecutor(1) as pool:
        plain, recorded = pool.map(lambda mode: suites.run(paths, mode), ("plain", "essential"))
    found = list(suites.compare(plain, recorded))
    if found:
        # pyarrow's threads let go of their memory when they do (`test_batch_lifetime`): what is not
        # there a second time is chance.
        again = {one.test for one in suites.compare(plain, suites.run(paths, "essential"))}
        found = [one for one in found if one.test in again]
    assert not found, "\n".join(map(str, found))
    assert len(plain.outcomes) > 300
    assert recorded.spans > 300, "the suite was recorded"

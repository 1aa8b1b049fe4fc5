"""The test suites of the libraries do not notice that they are recorded."""

from __future__ import annotations

import pytest
import suites


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("paths", suites.QUICK, ids=lambda paths: paths[0].partition("/")[0])
def test_a_suite_ends_as_it_does_unrecorded(paths: tuple[str, ...]) -> None:
    library = paths[0].partition("/")[0]
    if not (suites.home(library) / paths[0]).exists():
        pytest.skip("this interpreter comes without CPython's tests")
    plain, recorded = _both(paths)
    found = set(suites.compare(plain, recorded))
    if found:
        # pyarrow's threads let go of their memory when they do (`test_batch_lifetime` fails now and
        # then, recorded or not): what is not there when both are run once more is chance.
        again = {(one.test, one.recorded) for one in suites.compare(*_both(paths))}
        found = {one for one in found if (one.test, one.recorded) in again}
    assert not found, "\n".join(sorted(map(str, found)))
    assert len(plain.outcomes) > 300
    assert recorded.spans > 300, "the suite was recorded"


def _both(paths: tuple[str, ...]) -> tuple[suites.Session, suites.Session]:
    return suites.run(paths, "plain"), suites.run(paths, "essential")

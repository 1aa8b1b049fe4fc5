"""However a program ends: as it does unrecorded, with all in the journal that had returned."""

from __future__ import annotations

from pathlib import Path

import matrix
import pytest


@pytest.mark.timeout(1800)
def test_a_program_ends_as_it_does_and_keeps_what_had_returned(tmp_path: Path) -> None:
    number, found = matrix.judge(matrix.sample(), tmp_path, jobs=4)
    assert not found, "\n".join(found)
    assert number > 100

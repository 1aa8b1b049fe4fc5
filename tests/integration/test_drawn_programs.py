"""Programs that are drawn at random: the sources of all that they write are those that follow from
how they were drawn, all of them and no other.
"""

from __future__ import annotations

from pathlib import Path

import drawn_columns
import drawn_frames
import drawn_later
import drawn_learners
import drawn_states
import pytest
from drawing import SEEDS, check
from strangers import record

KINDS = {
    "frames": drawn_frames,
    "learners": drawn_learners,
    "states": drawn_states,
    "later": drawn_later,
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_comes_from_what_the_program_made_it_of(
    kind: str, seed: int, tmp_path: Path
) -> None:
    program = KINDS[kind].drawn(seed)  # type: ignore[attr-defined]
    check(program, seed, tmp_path / "work")


@pytest.mark.parametrize("seed", SEEDS)
def test_columns_come_from_the_columns_that_the_program_made_them_of(
    seed: int, tmp_path: Path
) -> None:
    program = drawn_columns.drawn(seed)
    directory = tmp_path / "work"
    directory.mkdir()
    recording = record(directory, program.text, modules=drawn_columns.rows(seed))
    wanted = {
        f"{name}#{column}": set(origins)
        for name, columns in program.origins.items()
        for column, origins in columns.items()
    }
    assert {target: recording.columns(target) for target in wanted} == wanted

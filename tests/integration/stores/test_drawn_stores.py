"""Programs drawn at random, on a real S3: what is read comes from what was written there."""

from __future__ import annotations

import os
from pathlib import Path

import drawing
import drawn_stores
import pytest
from strangers import record

SEEDS = range(int(os.environ.get("OTELPROV_DRAWN", "3")))


@pytest.mark.parametrize("seed", SEEDS)
def test_on_s3(seed: int, s3_environment: dict[str, str], tmp_path: Path) -> None:
    program = drawn_stores.drawn(seed)
    directory = tmp_path / "work"
    directory.mkdir()
    recording = record(directory, program.text, modules=drawing.rows(seed), **s3_environment)
    found = {
        name: {one for one in recording.roots(name) if one.startswith("source")}
        for name in program.sources
    }
    assert found == {name: set(sources) for name, sources in program.sources.items()}

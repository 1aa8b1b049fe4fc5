"""Programs drawn at random, on a real S3: what is read comes from what was written there."""

from __future__ import annotations

from pathlib import Path

import drawn_stores
import pytest
from drawing import SEEDS, check


@pytest.mark.parametrize("seed", SEEDS)
def test_on_s3(seed: int, s3_environment: dict[str, str], tmp_path: Path) -> None:
    check(drawn_stores.drawn(seed), seed, tmp_path / "work", **s3_environment)

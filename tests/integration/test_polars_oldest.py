"""The oldest supported version of Polars is recorded as the newest."""

from __future__ import annotations

from pathlib import Path

import older
import pytest


@pytest.mark.timeout(900)
def test_the_oldest_polars_has_the_same_edges(tmp_path: Path) -> None:
    # Polars alone: the environment has the oldest of everything.
    for part in older.packages("oldest").glob("polars*"):
        (tmp_path / part.name).symlink_to(part)
    files = [f"test_polars_{name}.py" for name in ("edges", "pipelines", "files")]
    older.check(tmp_path, {"polars": "1.0"}, *files)

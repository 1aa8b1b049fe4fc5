"""The oldest supported version of Polars is recorded as the newest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from zoo.environments import Unavailable, python_of
from zoo.processes import ROOT

HERE = Path(__file__).parent
LOCK = ROOT / "requirements" / "oldest.lock"


@pytest.mark.timeout(900)
def test_the_oldest_polars_has_the_same_edges(tmp_path: Path) -> None:
    try:
        python = python_of(LOCK)
    except Unavailable as error:
        if os.environ.get("OTELPROV_REQUIRE_SERVERS") == "1":
            raise
        pytest.skip(f"no environment of the oldest versions: {error}")
    (packages,) = (python.parent.parent / "lib").glob("python3*/site-packages")
    for part in packages.glob("polars*"):
        (tmp_path / part.name).symlink_to(part)
    code = "import polars; print(polars.__version__)"
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    version = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert version.stdout.startswith("1.0")
    files = [HERE / f"test_polars_{name}.py" for name in ("edges", "pipelines", "files")]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, files)],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-6000:]

"""The oldest supported versions of deltalake, pyiceberg, pandera and Great Expectations."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from zoo.environments import Unavailable, python_of
from zoo.processes import ROOT

HERE = Path(__file__).parent
LOCK = ROOT / "requirements" / "contracts-oldest.lock"
# pandera 0.24 cannot be imported for the newest Polars.
NOT_THERE = "not frames_of_polars"


@pytest.mark.timeout(900)
def test_the_oldest_versions_have_the_same_edges() -> None:
    try:
        python = python_of(LOCK)
    except Unavailable as error:
        if os.environ.get("OTELPROV_REQUIRE_SERVERS") == "1":
            raise
        pytest.skip(f"no environment of the oldest versions: {error}")
    (packages,) = (python.parent.parent / "lib").glob("python3*/site-packages")
    env = {**os.environ, "PYTHONPATH": str(packages), "GX_ANALYTICS_ENABLED": "false"}
    code = "import deltalake, pyiceberg; print(deltalake.__version__, pyiceberg.__version__)"
    version = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert version.stdout.startswith("1.0.0 0.9.")
    files = [HERE / f"test_{name}.py" for name in ("delta", "iceberg", "checks")]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", NOT_THERE, *files],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-6000:]

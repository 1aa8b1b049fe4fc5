"""What holds with the newest DuckDB holds with the last 1.x."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdbs
import support


def test_the_edges_are_the_same_with_the_last_1_x(tmp_path: Path) -> None:
    path = duckdbs.python_path("1")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-rN"),
            "tests/integration/test_duckdb_edges.py",
        ],
        env=support.environment(PYTHONPATH=path),
        cwd=support.ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout

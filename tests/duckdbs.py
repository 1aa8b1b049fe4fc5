"""The versions of DuckDB that tests run with: the newest, which is installed, and the last 1.x."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import support
from zoo.environments import Unavailable, python_of

VERSIONS = ("2", "1")
LOCK = support.ROOT / "requirements" / "duckdb-1.lock"


def python_path(version: str) -> str:
    """``PYTHONPATH`` for a version: before what is installed; empty for the newest."""
    if version == "2":
        return ""
    try:
        python = python_of(LOCK)
    except Unavailable as error:
        pytest.skip(f"no environment with DuckDB {version}: {error}")
    found = subprocess.run(
        [python, "-c", "import duckdb; print(duckdb.__path__[0])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return str(Path(found.strip()).parent)

"""The versions of DuckDB that tests run with: the newest, which is installed, and the last 1.x."""

from __future__ import annotations

import older

VERSIONS = ("2", "1")


def python_path(version: str) -> str:
    """``PYTHONPATH`` for a version: before what is installed; empty for the newest."""
    return "" if version == "2" else str(older.packages("duckdb-1"))

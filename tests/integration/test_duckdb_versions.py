"""What holds with the newest DuckDB holds with the last 1.x."""

from __future__ import annotations

import older


def test_the_edges_are_the_same_with_the_last_1_x() -> None:
    older.check(
        older.packages("duckdb-1"),
        {"duckdb": "1."},
        "test_duckdb_edges.py",
        "test_views.py",
        "test_strangers_relations.py",
    )

"""The oldest supported versions of deltalake, pyiceberg, pandera, Great Expectations and MySQL's
connector."""

from __future__ import annotations

import older
import pytest

# pandera 0.24 cannot be imported for the newest Polars.
NOT_THERE = "not frames_of_polars"
VERSIONS = {
    "deltalake": "1.0.0",
    "pyiceberg": "0.9.",
    "pandera": "0.24.",
    "great_expectations": "1.6.0",
    "mysql.connector": "8.0.33",
}


@pytest.mark.timeout(900)
def test_the_oldest_versions_have_the_same_edges() -> None:
    files = [f"test_{name}.py" for name in ("delta", "iceberg", "checks")]
    files.append("databases/test_mysql_connector.py")
    older.check(older.packages("contracts-oldest"), VERSIONS, "-k", NOT_THERE, *files)

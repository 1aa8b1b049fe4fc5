"""The oldest supported versions of NumPy, scikit-learn, the stores, pandas, pyarrow and drivers."""

from __future__ import annotations

import older
import pytest

VERSIONS = {
    "asyncpg": "0.27.",
    "boto3": "1.33.",
    "fsspec": "2023.12.",
    "gcsfs": "2023.12.",
    "httpx": "0.24.",
    "joblib": "1.2.",
    "lightgbm": "4.0.",
    "matplotlib": "3.7.",
    "numpy": "1.26.",
    "pandas": "2.2.0",
    "psycopg": "3.1.4",
    "psycopg2": "2.9.5",
    "pyarrow": "14.",
    "requests": "2.30.",
    "s3fs": "2023.12.",
    "scipy": "1.11.",
    "sklearn": "1.5.",
    "skops": "0.12.",
    "sqlalchemy": "2.0.0",
    "xgboost": "2.1.",
}
TESTS = {
    "learning": (
        "fitted_models",
        "learning_pipelines",
        "strangers_arrays",
        "strangers_learners",
        "strangers_models",
        "strangers_numbers",
        "strangers_sparse",
    ),
    "tables": (
        "formats",
        "pandas_edges",
        "strangers_features",
        "strangers_notebooks",
        "strangers_pandas",
        "strangers_pieces",
        "strangers_shapes",
        "written_content",
        "public_readers",
    ),
}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", [*TESTS, "stores", "databases"])
def test_the_oldest_versions_have_the_same_edges(part: str) -> None:
    files = [f"test_{name}.py" for name in TESTS.get(part, ())] or [part]
    older.check(older.packages("libraries-oldest"), VERSIONS, *files)

"""The libraries that are recorded: from which version on, and whose import is waited for.

What is recorded of a library is in the module of this package that has its name.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Library(NamedTuple):
    """One library."""

    name: str
    """Of the module of this package; ``otelprov_<name>`` switches it off."""
    minimum: tuple[int, ...]
    """The oldest version that is supported."""
    modules: tuple[str, ...]
    """The modules that are patched when the program imports them: the keys of ``TABLES``."""
    distributions: tuple[str, ...] = ()
    """What it may be installed as, where that is not its name; ``python`` for the standard
    library."""
    companions: tuple[str, ...] = ()
    """Modules, where it is patched only in programs that import one of them as well."""


_WITH_DATA: Final = ("duckdb", "numpy", "polars", "pyarrow")
"""What programs import that have something to say in their JSON."""

LIBRARIES: Final = (
    Library(
        "adbc_driver_manager",
        (1, 6),
        (
            "adbc_driver_manager.dbapi",
            "adbc_driver_postgresql.dbapi",
            "adbc_driver_sqlite.dbapi",
        ),
        ("adbc-driver-manager",),
    ),
    Library("asyncpg", (0, 27), ("asyncpg",)),
    Library("boto3", (1, 33), ("boto3.s3.inject",)),
    Library("botocore", (1, 33), ("botocore.client", "botocore.response", "aiobotocore.client")),
    Library("connectorx", (0, 4), ("connectorx",)),
    Library("deltalake", (1,), ("deltalake",)),
    Library("duckdb", (1, 4), ("duckdb",)),
    Library(
        "fsspec",
        (2023, 1),
        (
            "fsspec.spec",
            "fsspec.asyn",
            "fsspec.implementations.local",
            "fsspec.implementations.memory",
        ),
    ),
    Library("gcsfs", (2023, 1), ("gcsfs.core", "gcsfs.extended_gcsfs")),
    Library("httpx", (0, 24), ("httpx",)),
    Library(
        "great_expectations",
        (1, 6),
        (
            "great_expectations.datasource.fluent.interfaces",
            "great_expectations.core.validation_definition",
            "great_expectations.checkpoint.checkpoint",
        ),
    ),
    Library("joblib", (1, 2), ("joblib.numpy_pickle", "joblib._store_backends")),
    Library("json", (), ("json",), ("python",), _WITH_DATA),
    Library("lightgbm", (4,), ("lightgbm",)),
    Library(
        "matplotlib",
        (3, 7),
        ("matplotlib.axes._axes", "matplotlib.axes._base", "matplotlib.figure"),
    ),
    Library("mysql", (8, 0, 33), ("mysql.connector",), ("mysql-connector-python",)),
    Library("numpy", (1, 26), ("numpy",)),
    Library("obstore", (0, 6), ("obstore",)),
    Library(
        "pandera",
        (0, 24),
        (
            "pandera.api.pandas.container",
            "pandera.api.pandas.array",
            "pandera.api.pandas.model",
            "pandera.api.polars.container",
            "pandera.api.dataframe.model",
            "pandera.api.polars.model",
        ),
    ),
    Library("pandas", (2, 2), ("pandas", "pandas.io.formats.style")),
    Library("polars", (1,), ("polars",)),
    Library("pickle", (), ("pickle",), ("python",), ("numpy", "polars", "pyarrow")),
    Library("psycopg", (3, 1), ("psycopg",)),
    Library("psycopg2", (2, 9), ("psycopg2",), ("psycopg2", "psycopg2-binary")),
    Library(
        "pyarrow",
        (14,),
        (
            "pyarrow",
            "pyarrow.ipc",
            "pyarrow._compute",
            "pyarrow._dataset",
            "pyarrow.parquet",
            "pyarrow.csv",
            "pyarrow.feather",
            "pyarrow.json",
            "pyarrow.orc",
            "pyarrow.dataset",
            "pyarrow.fs",
            "pyarrow.acero",
        ),
    ),
    Library("pymysql", (1,), ("pymysql",)),
    Library("pyiceberg", (0, 9), ("pyiceberg.table", "pyiceberg.table.update")),
    Library("requests", (2, 30), ("requests.sessions", "requests.models")),
    Library("s3fs", (2023, 1), ("s3fs.core",)),
    Library("safetensors", (0, 4), ("safetensors.torch",)),
    Library("scipy", (1, 11), ("scipy.sparse", "scipy.sparse.linalg", "scipy.io")),
    Library(
        "sklearn",
        (1, 5),
        (
            "sklearn.base",
            "sklearn.model_selection._split",
            "sklearn.model_selection._validation",
            "sklearn.metrics._classification",
            "sklearn.metrics._ranking",
            "sklearn.metrics._regression",
            "sklearn.metrics.cluster._supervised",
            "sklearn.metrics.cluster._unsupervised",
            "sklearn.metrics.pairwise",
            "sklearn.calibration",
            "sklearn.feature_selection._univariate_selection",
            "sklearn.feature_selection._mutual_info",
            "sklearn.utils.class_weight",
            "sklearn.tree._export",
            "sklearn.preprocessing._data",
            "sklearn.preprocessing._label",
            "sklearn.utils._indexing",
            "sklearn.inspection._permutation_importance",
            "sklearn.inspection._partial_dependence",
            "sklearn.datasets._base",
            "sklearn.datasets._california_housing",
            "sklearn.datasets._covtype",
            "sklearn.datasets._kddcup99",
            "sklearn.datasets._lfw",
            "sklearn.datasets._olivetti_faces",
            "sklearn.datasets._rcv1",
            "sklearn.datasets._species_distributions",
            "sklearn.datasets._twenty_newsgroups",
            "sklearn.datasets._openml",
            "sklearn.datasets._svmlight_format_io",
            "sklearn.datasets._samples_generator",
        ),
        ("scikit-learn",),
    ),
    Library("skops", (0, 12), ("skops.io._persist",)),
    Library("sqlalchemy", (2,), ("sqlalchemy", "sqlalchemy.orm.bulk_persistence")),
    Library("sqlite3", (), ("sqlite3",), ("python",)),
    Library(
        "torch",
        (2, 9),
        (
            "torch._tensor",
            "torch.nn.parameter",
            "torch.serialization",
            "torch.nn.modules.module",
            "torch.optim.optimizer",
            "torch.utils.data.dataloader",
        ),
    ),
    Library("urllib", (), ("urllib.request", "http.client"), ("python",)),
    Library("xgboost", (2, 1), ("xgboost",), ("xgboost", "xgboost-cpu")),
    Library("yaml", (6,), ("yaml",), ("PyYAML",), _WITH_DATA),
)

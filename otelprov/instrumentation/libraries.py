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
    distribution: str = ""
    """What it is installed as, where that is not its name."""


LIBRARIES: Final = (
    Library("pandas", (2, 2), ("pandas",)),
    Library(
        "pyarrow",
        (14,),
        (
            "pyarrow.parquet",
            "pyarrow.csv",
            "pyarrow.feather",
            "pyarrow.json",
            "pyarrow.orc",
            "pyarrow.dataset",
            "pyarrow.pandas_compat",
            "pyarrow.acero",
        ),
    ),
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
    Library("boto3", (1, 33), ("boto3.s3.inject",)),
    Library("botocore", (1, 33), ("botocore.client", "botocore.response", "aiobotocore.client")),
)

"""s3fs: its asynchronous methods, where the program itself awaits them.

What is called without asyncio is recorded by fsspec's, and the versions of objects are those in the
answers that aiobotocore gives (botocore.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from otelprov.instrumentation._table import Entry
from otelprov.instrumentation.fsspec import FILES, awaited

RECORDS: Final = (
    "**read**, **write**: `_cat_file`, `_pipe_file`, `_get_file`, `_put_file` and `_cp_file` of a "
    "file system with `asynchronous=True`; for the others see fsspec"
)


def _core() -> Iterable[Entry]:
    for name in FILES:
        yield awaited(name, "S3FileSystem")


TABLES = {"s3fs.core": _core}

"""Tables in files: Parquet, and Arrow IPC files (Feather version 2 is one)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from otelprov.artifacts import files, tables
from otelprov.artifacts.digest import BLOCK_ROWS, NoCanonicalForm, TableDigest, unidentified
from otelprov.model import Artifact

Format = Literal["parquet", "arrow"]
_ARROW_MAGIC: Final = b"ARROW1"
_PARQUET_MAGIC: Final = b"PAR1"


def table_in_file(path: str | os.PathLike[str]) -> Artifact | None:
    """The table that a file holds, by content, or None if it holds none. Never raises.

    Read batch by batch: memory is bounded by a batch and a block of each column. A table that
    cannot be digested has coverage ``none`` and a reason.
    """
    if (format_ := detect(path)) is None:
        return None
    name, uri = files.name_and_uri(path)
    try:
        before = os.stat(path)
        tree = _digest(path, format_)
        after = os.stat(path)
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise NoCanonicalForm("the file changed while it was read")
        return Artifact(
            tree.id, "table", name, uri, tree.rows, len(tree.columns), tree.bytes
        )  # fmt: skip
    except NoCanonicalForm as error:
        reason = str(error)
    except ImportError:
        reason = "pyarrow is not installed"
    except Exception as error:
        reason = f"digest failed: {type(error).__name__}"
    return Artifact(unidentified(), "table", name, uri, coverage="none", reason=reason)


def detect(path: str | os.PathLike[str]) -> Format | None:
    """By the first bytes; None for anything else and for what cannot be read."""
    try:
        # Anything but a regular file may wait for its writer when it is opened.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb", buffering=0) as file:
            magic = file.read(len(_ARROW_MAGIC))
    except (OSError, ValueError):
        return None
    if magic.startswith(_PARQUET_MAGIC):
        return "parquet"
    return "arrow" if magic == _ARROW_MAGIC else None


def metadata(path: str | os.PathLike[str]) -> Mapping[bytes, bytes]:
    """The key-value metadata of the table in a file, read from its footer only.

    Raises:
        ImportError: without pyarrow.
        OSError, ValueError: for a broken file (``pyarrow.ArrowInvalid`` is a ValueError).
    """
    format_ = detect(path)
    found: Mapping[bytes, bytes] | None = None
    if format_ == "parquet":
        import pyarrow.parquet

        found = pyarrow.parquet.read_metadata(os.fspath(path)).metadata
    elif format_ == "arrow":
        import pyarrow

        with pyarrow.OSFile(os.fspath(path)) as source, pyarrow.ipc.open_file(source) as reader:
            found = reader.schema.metadata
    return found or {}


def _digest(path: str | os.PathLike[str], format_: Format) -> TableDigest:
    # Not memory-mapped: see files.py.
    import pyarrow

    with pyarrow.OSFile(os.fspath(path)) as source:
        if format_ == "arrow":
            with pyarrow.ipc.open_file(source) as reader:
                return tables.batches_digest(reader.schema, _batches(reader))
        import pyarrow.parquet

        # pre_buffer would hold whole row groups.
        with pyarrow.parquet.ParquetFile(source, pre_buffer=False, buffer_size=1 << 20) as file:
            batches = file.iter_batches(batch_size=BLOCK_ROWS)
            return tables.batches_digest(file.schema_arrow, batches)


def _batches(reader: Any) -> Iterator[Any]:
    for i in range(reader.num_record_batches):
        yield reader.get_batch(i)

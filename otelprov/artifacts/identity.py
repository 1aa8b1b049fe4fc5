"""What a live value is: one entry for every kind of data."""

from __future__ import annotations

import io
from typing import Any, Final

from blake3 import blake3

from otelprov.artifacts import arrays, tables
from otelprov.artifacts.digest import NoCanonicalForm, TableDigest, unidentified
from otelprov.artifacts.values import canonical_digest
from otelprov.model import Artifact, ArtifactKind, Column

MAX_SCHEMA: Final = 1_000
"""Columns of a table that are kept with its artifact."""


def identify(value: object, *, name: str | None = None) -> Artifact:
    """The artifact that a value is, by its content. Never raises.

    A value without a canonical form gets an id of its own, never equal to another, with coverage
    ``none`` and a reason.
    """
    kind: ArtifactKind = "object"
    try:
        content = _content(value)
        if content is not None:
            return Artifact(f"file:{blake3(content).hexdigest()}", "file", name, bytes=len(content))
        if tables.is_table(value):
            kind = "table"
            tree = tables.digest(value)
            return Artifact(
                tree.id, kind, name, None, tree.rows, len(tree.columns), tree.bytes,
                schema=_schema(tree),
            )  # fmt: skip
        if arrays.is_array(value):
            kind = "array"
            return _array(value, name)
        return Artifact(f"object:{canonical_digest(value).hex()}", kind, name)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except NoCanonicalForm as error:
        reason = str(error)
    except BaseException as error:  # Polars' panics are no Exception
        # Not its message: Arrow's quote the data.
        reason = f"digest failed: {type(error).__name__}"
    rows, columns = tables.shape(value) if kind == "table" else (None, None)
    return Artifact(
        unidentified(), kind, name, None, rows, columns, coverage="none", reason=reason[:300]
    )  # fmt: skip


def _schema(tree: TableDigest) -> tuple[Column, ...] | None:
    if len(tree.columns) > MAX_SCHEMA or not tree.rows:  # columns without rows are all alike
        return None
    return tuple(Column(column.name, column.type, column.digest) for column in tree.columns)


def _content(value: Any) -> bytes | bytearray | None:
    """The bytes of the file that the value would be, if it is one in memory."""
    kind = type(value)
    if kind is str:
        return bytes(value.encode("utf-8", "surrogatepass"))
    if kind is bytes or kind is bytearray:
        return value  # type: ignore[no-any-return]
    if kind is io.BytesIO:
        # Not getbuffer(): while that is alive, another thread's write would raise.
        return value.getvalue()  # type: ignore[no-any-return]
    if kind is io.StringIO:
        return value.getvalue().encode("utf-8", "surrogatepass")  # type: ignore[no-any-return]
    return None


def _array(value: Any, name: str | None) -> Artifact:
    rows = value.shape[0] if value.ndim else None
    columns = value.shape[1] if value.ndim == 2 else None
    return Artifact(
        f"array:{arrays.digest(value).hex()}", "array", name, None, rows, columns, value.nbytes
    )

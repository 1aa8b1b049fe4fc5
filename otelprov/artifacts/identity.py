"""What a live value is: one entry for every kind of data."""

from __future__ import annotations

import io
from typing import Any, Final

from blake3 import blake3

from otelprov.artifacts import arrays, lazy, objects, sparse, tables, tensors, timing
from otelprov.artifacts.digest import NoCanonicalForm, TableDigest, unidentified
from otelprov.artifacts.interruptions import is_of_the_program
from otelprov.artifacts.registration import description
from otelprov.artifacts.values import content_digest
from otelprov.model import Artifact, ArtifactKind, Column

MAX_SCHEMA: Final = 1_000
"""Columns of a table that are kept with its artifact."""


def identify(value: object, *, name: str | None = None, query: bool = False) -> Artifact:
    """The artifact that a value is, by its content. Never raises.

    A value without a canonical form gets an id of its own, never equal to another, with coverage
    ``none`` and a reason. So does a query (a DuckDB relation, a Polars LazyFrame), unless ``query``
    says that it may be run.
    """
    if timing.told is None:
        return _identify(value, name, query)
    with timing.Timed() as timed:
        found = _identify(value, name, query)
        timed.bytes = found.bytes or 0
    return found


def _identify(value: object, name: str | None, query: bool) -> Artifact:
    kind: ArtifactKind = "object"
    try:
        content = _content(value)
        if content is not None:
            return Artifact(f"file:{blake3(content).hexdigest()}", "file", name, bytes=len(content))
        if query:
            result = lazy.run(value)
            if result is not value and tables.is_reader(result):
                return _table(result, name)
            value = result
        described = description(type(value))
        if described is not None:
            kind = described.kind
            if kind == "table":
                value = objects.ask(described, value)
                if not tables.is_table(value):
                    raise NoCanonicalForm("it is described as a table, but what it gives is none")
        if kind == "table" or (described is None and tables.is_table(value)):
            kind = "table"
            return _table(value, name)
        if described is None and arrays.is_array(value):
            kind = "array"
            return _array(value, name)
        if described is None and sparse.is_sparse(value):
            kind = "array"
            return _sparse(value, name)
        if described is None and tensors.is_tensor(value):
            kind = "array"
            return _tensor(value, name)
        digest, coverage = content_digest(value)
        return Artifact(f"{kind}:{digest.hex()}", kind, name, coverage=coverage)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except NoCanonicalForm as error:
        reason = str(error)
    except BaseException as error:  # Polars' panics are no Exception
        if is_of_the_program(error):
            raise
        # Not its message: Arrow's quote the data.
        reason = f"digest failed: {type(error).__name__}"
    rows, columns = tables.shape(value) if kind == "table" else (None, None)
    return Artifact(
        unidentified(), kind, name, None, rows, columns, coverage="none", reason=reason[:300]
    )  # fmt: skip


def _schema(tree: TableDigest) -> tuple[Column, ...] | None:
    if len(tree.columns) > MAX_SCHEMA or not tree.rows:  # columns without rows are all alike
        return None
    return tree.columns


def _content(value: Any) -> bytes | bytearray | memoryview | None:
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
    if kind.__module__ == "pyarrow.lib" and kind.__name__.endswith("Buffer") and value.is_cpu:
        return memoryview(value).cast("B")
    return None


def _table(value: object, name: str | None) -> Artifact:
    tree = tables.digest(value)
    return Artifact(
        tree.id,
        "table",
        name,
        None,
        tree.rows,
        len(tree.columns),
        tree.bytes,
        schema=_schema(tree),
        schema_id=tree.schema_id,
    )


def _array(value: Any, name: str | None) -> Artifact:
    rows = value.shape[0] if value.ndim else None
    columns = value.shape[1] if value.ndim == 2 else None
    return Artifact(
        f"array:{arrays.digest(value).hex()}", "array", name, None, rows, columns, value.nbytes
    )


def _sparse(value: Any, name: str | None) -> Artifact:
    """Without a size: the same matrix takes more bytes in one format than in another."""
    columns = value.shape[1] if len(value.shape) == 2 else None
    id_ = f"array:{sparse.digest(value).hex()}"
    return Artifact(id_, "array", name, None, int(value.shape[0]), columns and int(columns))


def _tensor(value: Any, name: str | None) -> Artifact:
    shape = tensors.shape(value)
    columns = shape[1] if len(shape) == 2 else None
    id_ = f"array:{tensors.digest(value).hex()}"
    return Artifact(
        id_, "array", name, None, shape[0] if shape else None, columns, tensors.size(value)
    )

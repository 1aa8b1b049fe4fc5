"""Tables in files: Parquet, and Arrow IPC files (Feather version 2 is one)."""

from __future__ import annotations

import io
import os
import stat
import sys
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

from otelprov._record import record
from otelprov.artifacts import contents, footers, tables
from otelprov.artifacts.digest import BLOCK_ROWS, NoCanonicalForm, TableDigest, unidentified
from otelprov.artifacts.interruptions import is_of_the_program
from otelprov.artifacts.locations import name_and_uri
from otelprov.model import Artifact

Format = Literal["parquet", "arrow"]
_ARROW_MAGIC: Final = b"ARROW1"
_PARQUET_MAGIC: Final = b"PAR1"
_MAX_CHUNKS: Final = 20_000
"""Column chunks whose sizes are added up, at about 1 µs each."""


def table_in_file(path: str | os.PathLike[str]) -> Artifact | None:
    """The table that a file holds, by content, or None if it holds none. Never raises.

    Read batch by batch: memory is bounded by a batch and a block of each column. A table that
    cannot be digested has coverage ``none`` and a reason.
    """
    if (format_ := detect(path)) is None:
        return None
    name, uri = name_and_uri(path)
    try:
        before = os.stat(path)
        tree = _digest(path, format_)
        after = os.stat(path)
        if not contents.same(before, after):
            raise NoCanonicalForm("the file changed while it was read")
        return Artifact(
            tree.id,
            "table",
            name,
            uri,
            tree.rows,
            len(tree.columns),
            tree.bytes,
            schema_id=tree.schema_id,
        )
    except NoCanonicalForm as error:
        reason = str(error)
    except ImportError:
        reason = "pyarrow is not installed"
    except Exception as error:
        if is_of_the_program(error):
            raise
        reason = f"digest failed: {type(error).__name__}"
    return Artifact(unidentified(), "table", name, uri, coverage="none", reason=reason)


def detect(path: str | os.PathLike[str]) -> Format | None:
    """By the first bytes; None for anything else and for what cannot be read."""
    try:
        # Anything but a regular file may wait for its writer when it is opened.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        # A program may have an `open` of its own in builtins.
        with io.FileIO(path, opener=contents.quiet) as file:
            magic = file.read(len(_ARROW_MAGIC))
    except (OSError, ValueError) as error:
        if is_of_the_program(error):
            raise
        return None
    if magic.startswith(_PARQUET_MAGIC):
        return "parquet"
    return "arrow" if magic == _ARROW_MAGIC else None


MAX_NAMES: Final = 1_000
"""Columns that are named."""


def head(
    path: str | os.PathLike[str], key: bytes = b""
) -> tuple[Mapping[bytes, bytes], tuple[str, ...] | None]:
    """The key-value metadata of the table in a file and the names of its columns, read from its
    footer only; None for a file that does not say what its columns are called.

    The metadata may be left out where ``key`` is not in it.

    Raises:
        ImportError: without pyarrow, for what only pyarrow can read.
        OSError, ValueError: for a broken file (``pyarrow.ArrowInvalid`` is a ValueError).
    """
    format_ = detect(path)
    found: Mapping[bytes, bytes] | None = None
    names: tuple[str, ...] | None = None
    if format_ == "parquet":
        own = None if "pyarrow" in sys.modules else _footer(path, key)
        if own is not None:
            found, names = own
        else:
            import pyarrow.parquet

            footer = pyarrow.parquet.read_metadata(os.fspath(path))
            found = footer.metadata
            if footer.num_columns <= MAX_NAMES:
                names = tuple(footer.schema.to_arrow_schema().names)
    elif format_ == "arrow":
        import pyarrow

        with pyarrow.OSFile(os.fspath(path)) as source, pyarrow.ipc.open_file(source) as reader:
            found = reader.schema.metadata
            names = tuple(reader.schema.names[: MAX_NAMES + 1])
    return found or {}, names if names is not None and len(names) <= MAX_NAMES else None


def _footer(path: str | os.PathLike[str], key: bytes) -> footers.Footer | None:
    """What is in the footer of a Parquet file; None where pyarrow is to look at it."""
    with io.FileIO(path, opener=contents.quiet) as file:
        end = file.seek(-_END, os.SEEK_END)
        length = int.from_bytes(file.read(_END)[:4], "little")
        if length > min(end, footers.MAX_BYTES):
            return None
        file.seek(end - length)
        data = file.read(length)
    try:
        return footers.parsed(data, key)
    except ValueError:
        return None


_END: Final = 8
"""Bytes behind the footer of a Parquet file: its length, and four letters."""


def selected_bytes(
    path: str | os.PathLike[str],
    columns: Iterable[str] | None,
    filters: object = None,
    row_groups: Iterable[int] | None = None,
) -> int | None:
    """About how many bytes of a file a read of some columns and row groups takes. Never raises.

    From the footer of a Parquet file; of an Arrow file, whose footer does not say, the columns'
    share of the file. None where that is not known: another format, or no pyarrow imported.
    """
    try:
        names = None if columns is None else [str(name) for name in columns]
        if "pyarrow.parquet" in sys.modules:
            chunks = _chunks(path)
            if chunks is not None:
                return _selected_of_parquet(path, chunks, names, filters, row_groups)
        if names is not None and "pyarrow" in sys.modules and detect(path) == "arrow":
            import pyarrow

            with pyarrow.OSFile(os.fspath(path)) as source, pyarrow.ipc.open_file(source) as reader:
                share = len(names) / max(1, len(reader.schema))
            return int(os.stat(path).st_size * min(1.0, share))
    except Exception as error:
        if is_of_the_program(error):
            raise
        return None
    return None


@record
class _Chunks:
    """What the footer of a Parquet file says of the sizes of its column chunks."""

    groups: int
    """Row groups of the file."""
    looked_at: int
    """The first of them, whose sizes are here: of very many, the first ones stand for all."""
    paths: tuple[str, ...]
    """Where the columns are in the schema: ``a.list.element`` is in ``a``."""
    sizes: array[int]
    """Compressed bytes of each column of each row group."""


_kept: Final[contents.Kept[_Chunks]] = contents.Kept(64)


def _chunks(path: str | os.PathLike[str]) -> _Chunks | None:
    """None for what is no Parquet file.

    Kept: a pipeline reads one file many times, and pyarrow takes 1 ms for a footer of 100 KB.
    """
    place, since = os.path.abspath(os.fsencode(path)), time.time_ns()
    status = os.stat(place)
    found = _kept.get(place, status)
    if found is None and detect(path) == "parquet":
        import pyarrow.parquet

        footer = pyarrow.parquet.read_metadata(os.fspath(path))
        looked_at = min(footer.num_row_groups, max(1, _MAX_CHUNKS // max(1, footer.num_columns)))
        columns = range(min(footer.num_columns, _MAX_CHUNKS))
        found = _Chunks(
            footer.num_row_groups,
            looked_at,
            tuple(footer.schema.column(index).path for index in columns),
            array(
                "q",
                (
                    group.column(index).total_compressed_size
                    for group in map(footer.row_group, range(looked_at))
                    for index in columns
                ),
            ),
        )
        _kept.keep(place, status, found, since, status.st_mtime_ns)
    return found


def _selected_of_parquet(
    path: str | os.PathLike[str],
    chunks: _Chunks,
    columns: list[str] | None,
    filters: object,
    row_groups: Iterable[int] | None,
) -> int:
    groups = range(chunks.groups) if row_groups is None else list(row_groups)
    if filters is not None and "pyarrow.dataset" in sys.modules:
        groups = _left_by_filters(path, filters)
    seen = [group for group in groups if group < chunks.looked_at] or range(chunks.looked_at)
    if not groups or not seen:
        return 0
    of_one = len(chunks.paths)
    chosen = [
        index
        for index, path_in_schema in enumerate(chunks.paths)
        if columns is None or _is_among(path_in_schema, columns)
    ]
    size = sum(chunks.sizes[group * of_one + index] for group in seen for index in chosen)
    return size * len(groups) // len(seen)


def _is_among(path: str, columns: list[str]) -> bool:
    """Whether a column chunk belongs to one of the columns: ``a.list.element`` to ``a``."""
    return any(path == name or path.startswith(name + ".") for name in columns)


def _left_by_filters(path: str | os.PathLike[str], filters: object) -> list[int]:
    """The row groups that the statistics in the footer do not rule out."""
    import pyarrow.dataset
    import pyarrow.fs
    import pyarrow.parquet

    expression = filters
    if not isinstance(filters, pyarrow.dataset.Expression):
        expression = pyarrow.parquet.filters_to_expression(filters)
    fragment = pyarrow.dataset.ParquetFileFormat().make_fragment(
        os.fspath(path), pyarrow.fs.LocalFileSystem()
    )
    return [group.id for group in fragment.subset(expression).row_groups]


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

"""Tables that lie on disk, read piece by piece: a Parquet or Arrow file, a Parquet data set.

Memory is bounded by a batch and a block of each column that is asked for, never by the table.
"""

from __future__ import annotations

import os
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from otelprov._record import record
from otelprov.artifacts.arrow import arrow_column
from otelprov.artifacts.compare import Rows
from otelprov.artifacts.digest import BLOCK_ROWS, TableDigest, table_digest
from otelprov.artifacts.formats import detect
from otelprov.artifacts.lakes import lake_in

Progress = Callable[[int], object]
"""Told how many more rows were read."""


class Unreadable(Exception):
    """There is no table at this place; the message says why."""


class StoredTable(Protocol):
    """A table on disk, as Arrow sees it."""

    @property
    def schema(self) -> Any:
        """The ``pyarrow.Schema``."""

    @property
    def rows(self) -> int | None:
        """How many rows it has; None where only reading it would tell."""

    def batches(
        self, positions: Sequence[int] | None = None, wanted: Sequence[Rows] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Its record batches, each with the number of its first row.

        ``positions`` are the columns to give, ``wanted`` the rows that are needed, in order: what
        lies wholly outside of them may be left out.
        """


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[StoredTable]:
    """Open the table in a file, or the one that the Parquet files below a directory are.

    A directory's files count in the order of their names; ``key=value`` in the name of a folder is
    a column, as Hive has it.

    Raises:
        Unreadable: there is no table, or it cannot be read.
    """
    try:
        with ExitStack() as stack:
            yield _open(Path(path), stack)
    except ImportError:
        raise Unreadable("pyarrow is not installed") from None


def _open(path: Path, stack: ExitStack) -> StoredTable:
    import pyarrow

    try:
        if path.is_dir():
            lake = lake_in(path)
            if lake is not None:
                raise Unreadable(
                    f"{path} is a table of {lake.format}: its files are those of all its versions"
                )
            return _open_dataset(path)
        kind = detect(path)
        if kind is None:
            raise Unreadable(f"{path} is neither a Parquet nor an Arrow file")
        # Not memory-mapped: another process that truncates the file would kill this one.
        source = stack.enter_context(pyarrow.OSFile(os.fspath(path)))
        if kind == "arrow":
            return _ArrowFile(stack.enter_context(pyarrow.ipc.open_file(source)))
        import pyarrow.parquet

        parquet = pyarrow.parquet.ParquetFile(source, pre_buffer=False, buffer_size=1 << 20)
        return _ParquetFile(stack.enter_context(parquet))
    except (pyarrow.ArrowException, OSError) as error:
        raise Unreadable(f"{path} cannot be read: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def digest(table: StoredTable, progress: Progress | None = None) -> TableDigest:
    """The digests of the table, of its columns and of their blocks.

    Raises:
        NoCanonicalForm: with the column that has none.
        Unreadable: a part of it cannot be read.
    """
    return digest_from(table, 0, range(len(table.schema)), progress)


def digest_from(
    table: StoredTable, row: int, positions: Sequence[int], progress: Progress | None = None
) -> TableDigest:
    """The digests of the rows from ``row`` on, of the columns at these positions."""
    import pyarrow

    columns = [arrow_column(table.schema.field(i).name, table.schema.field(i)) for i in positions]
    rows = 0
    try:
        for first, batch in table.batches(positions, [Rows(row, sys.maxsize)]):
            part = batch.slice(row - first) if first < row else batch
            rows += part.num_rows
            for column, array in zip(columns, part.columns, strict=True):
                column.add(array)
            if progress is not None:
                progress(batch.num_rows)
    except (pyarrow.ArrowException, OSError) as error:
        raise Unreadable(f"it cannot be read: {_first_line(error)}") from None
    return table_digest(rows, [column.digest(blocks=True) for column in columns])


def blocks(
    table: StoredTable, positions: Sequence[int], wanted: Sequence[Rows]
) -> Iterator[tuple[Rows, list[Any]]]:
    """The rows that are ``wanted``, at most a block at a time, cut where blocks are cut.

    Each piece comes with a list of the arrays of its columns, one or more for each column. No two
    ranges of ``wanted`` may share a block.

    Raises:
        Unreadable: a part of it cannot be read.
    """
    import pyarrow

    pieces = iter(_cut(wanted))
    piece = next(pieces, None)
    held: list[list[Any]] = [[] for _ in positions]
    try:
        for first, batch in table.batches(positions, wanted):
            end = first + batch.num_rows
            while piece is not None and piece.start < end:
                start = max(piece.start, first)
                stop = min(piece.stop, end)
                part = batch.slice(start - first, stop - start)
                for arrays, array in zip(held, part.columns, strict=True):
                    arrays.append(array)
                if piece.stop > end:
                    break
                yield piece, held
                held = [[] for _ in positions]
                piece = next(pieces, None)
            if piece is None:
                return
    except (pyarrow.ArrowException, OSError) as error:
        raise Unreadable(f"it cannot be read: {_first_line(error)}") from None


def _cut(wanted: Sequence[Rows]) -> Iterator[Rows]:
    for rows in wanted:
        start = rows.start
        while start < rows.stop:
            stop = min((start // BLOCK_ROWS + 1) * BLOCK_ROWS, rows.stop)
            yield Rows(start, stop)
            start = stop


def overlapping(first: int, rows: int, ranges: Sequence[Rows]) -> bool:
    """Whether one of the ranges, which stand in order, has a row of these."""
    place = bisect_right(ranges, first, key=lambda one: one.stop)
    return place < len(ranges) and ranges[place].start < first + rows


def _needed(first: int, rows: int, wanted: Sequence[Rows] | None) -> bool:
    return wanted is None or overlapping(first, rows, wanted)


@record
class _ArrowFile:
    """An Arrow IPC file (Feather version 2 is one)."""

    reader: Any

    @property
    def schema(self) -> Any:
        return self.reader.schema

    @property
    def rows(self) -> int | None:
        return None

    def batches(
        self, positions: Sequence[int] | None = None, wanted: Sequence[Rows] | None = None
    ) -> Iterator[tuple[int, Any]]:
        first = 0
        for number in range(self.reader.num_record_batches):
            batch = self.reader.get_batch(number)
            if _needed(first, batch.num_rows, wanted):
                yield first, _select(batch, positions)
            first += batch.num_rows


@record
class _ParquetFile:
    """A Parquet file."""

    file: Any

    @property
    def schema(self) -> Any:
        return self.file.schema_arrow

    @property
    def rows(self) -> int:
        return int(self.file.metadata.num_rows)

    def batches(
        self, positions: Sequence[int] | None = None, wanted: Sequence[Rows] | None = None
    ) -> Iterator[tuple[int, Any]]:
        columns = self._columns(positions)
        if columns is not None:
            assert positions is not None
            order = [columns.index(self.schema.field(i).name) for i in positions]
        first = 0
        for group in range(self.file.metadata.num_row_groups):
            rows = self.file.metadata.row_group(group).num_rows
            if _needed(first, rows, wanted):
                at = first
                for batch in self.file.iter_batches(
                    batch_size=BLOCK_ROWS, row_groups=[group], columns=columns
                ):
                    yield at, _select(batch, positions if columns is None else order)
                    at += batch.num_rows
            first += rows

    def _columns(self, positions: Sequence[int] | None) -> list[str] | None:
        """The names of the columns to read, in their order; None for all.

        Parquet columns are chosen by the path of names that leads to them: with a dot in a name,
        or two columns of one name, that is not sure to give these and no others.
        """
        names = self.schema.names
        if positions is None or len(set(names)) < len(names) or any("." in name for name in names):
            return None
        return [names[i] for i in sorted(set(positions))] or None


@record
class _DataSet:
    """The Parquet files of a directory as one table."""

    dataset: Any

    @property
    def schema(self) -> Any:
        return self.dataset.schema

    @property
    def rows(self) -> int:
        return int(self.dataset.count_rows())

    def batches(
        self, positions: Sequence[int] | None = None, wanted: Sequence[Rows] | None = None
    ) -> Iterator[tuple[int, Any]]:
        first = 0
        for batch in self.dataset.to_batches(
            batch_size=BLOCK_ROWS, batch_readahead=1, fragment_readahead=1, use_threads=False
        ):
            if _needed(first, batch.num_rows, wanted):
                yield first, _select(batch, positions)
            first += batch.num_rows


def _select(batch: Any, positions: Sequence[int] | None) -> Any:
    return batch if positions is None else batch.select(list(positions))


def data_files(directory: Path) -> list[Path]:
    """The Parquet files below a directory, in the order of their names.

    As with pyarrow, what begins with ``_`` or ``.`` is no data.
    """
    found = []
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith((".", "_")) and detect(path) == "parquet":
                found.append(path)
    return sorted(found, key=lambda path: path.relative_to(directory).parts)


def _open_dataset(directory: Path) -> _DataSet:
    import pyarrow.dataset

    files = data_files(directory)
    if not files:
        raise Unreadable(f"there are no Parquet files in {directory}")
    root = os.fspath(directory.absolute())
    partitioning = pyarrow.dataset.HivePartitioning.discover()
    return _DataSet(
        pyarrow.dataset.dataset(
            [os.fspath(path.absolute()) for path in files],
            format="parquet",
            partitioning=partitioning,
            partition_base_dir=root,
        )
    )

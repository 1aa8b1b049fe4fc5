"""How much of what an operation read or wrote is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from otelprov._record import record
from otelprov.artifacts import formats
from otelprov.artifacts.directories import OpenDirectory
from otelprov.artifacts.files import OpenFile, opened
from otelprov.model import Artifact

FAILED: Final = "the operation failed"
APPENDED: Final = "appended to"
SMALL: Final = 16 << 20
"""Bytes that may be digested without asking: 5 ms."""
MANY_FILES: Final = 256
"""Files of a directory whose footers are read: 10 ms."""


class Budget:
    """The bytes that may still be digested for one operation, and those that were not."""

    __slots__ = ("cut", "left", "limit")

    def __init__(self, limit: int | None) -> None:
        """``limit`` in bytes; None for no limit."""
        self.limit = limit
        self.left = limit
        self.cut = 0

    def fits(self, size: int) -> bool:
        """Whether ``size`` bytes may be digested."""
        return self.left is None or size <= self.left

    def take(self, size: int) -> bool:
        """Whether ``size`` bytes may be digested; if not, they are counted."""
        if self.left is None:
            return True
        if size > self.left:
            self.cut += size
            return False
        self.left -= size
        return True


# Parameters that make a read stop early, or read only when it is asked for more.
_PARTIAL: Final = ("nrows", "n_rows", "chunksize", "iterator", "key", "where", "start", "stop")


@record
class Reading:
    """How much of its source a call read, as far as its parameters tell."""

    columns: Iterable[str] | None = None
    filters: object = None
    row_groups: Iterable[int] | None = None
    partial: str = ""
    """Why the call may have read any part of it, or nothing; empty if it read what was asked."""
    exact: bool = False
    """Whether what was read whole is the table in the file, without any conversion."""
    succeeded: bool = False
    """Whether the call returned: its source was there."""
    filesystem: object = None
    """What the names of the source are names in; None for this machine's own files."""
    names: tuple[str, ...] | None = None
    """Of the columns of a single file, where the call has found them in it."""

    @property
    def selects(self) -> bool:
        """Whether columns or rows were chosen."""
        return not (self.columns is None and self.filters is None and self.row_groups is None)

    @property
    def whole(self) -> bool:
        """Whether all of the source was read."""
        return not (self.partial or self.selects)


WHOLE: Final = Reading()


def reading(
    library: str, parameters: Mapping[str, Any], *, failed: bool = False, opens: bool = False
) -> Reading:
    """What the parameters of a call say of how it read or wrote.

    ``failed`` if it raised, and ``opens`` if it returned something to read from later.
    """
    partial = ""
    if failed:
        partial = FAILED
    elif opens:
        partial = "only opened"
    elif str(parameters.get("mode") or "").startswith("a"):
        partial = APPENDED
    elif any(parameters.get(name) not in (None, False) for name in _PARTIAL):
        partial = "read in part"
    groups = parameters.get("row_groups")
    columns = parameters.get("columns")
    filters = parameters.get("filters")
    return Reading(
        columns=[columns] if isinstance(columns, str) else columns,
        filters=parameters.get("filter") if filters is None else filters,
        row_groups=groups,
        partial=partial,
        succeeded=partial not in (FAILED, APPENDED),
        exact=library == "pyarrow" and not any(parameters.get(name) for name in _CONVERTING),
        filesystem=parameters.get("filesystem"),
    )


# Parameters of pyarrow's readers that make another table than the one in the file.
_CONVERTING: Final = (
    "schema",
    "read_dictionary",
    "binary_type",
    "list_type",
    "use_pandas_metadata",
)


def version(found: OpenFile | OpenDirectory, reason: str) -> Artifact:
    """What is known of a file or directory that is not read: by footers where that is cheap."""
    if isinstance(found, OpenDirectory) and len(found.files) > MANY_FILES:
        return found.by_status(reason)
    return found.by_footer(reason)


def what_was_read(path: str, how: Reading, budget: Budget) -> tuple[Artifact, OpenDirectory | None]:
    """The artifact that a path is, and the directory, where it is one.

    By content, unless that reads much more than the call did.
    """
    found = opened(path)
    if isinstance(found, Artifact):
        return found, None
    directory = found if isinstance(found, OpenDirectory) else None
    unread = found.unread
    reason = not_read(directory.files if directory else (path,), unread, how)
    if reason is not None:
        return version(found, reason), directory
    return _in_full(found, unread, budget), directory


def not_read(files: Sequence[str], unread: int, how: Reading) -> str | None:
    """Why files with so many bytes that were not digested yet are not, as the call reads less."""
    if unread > SMALL:
        if how.partial:
            return how.partial
        if how.selects and unread > 2 * _selected(files, how) + SMALL:
            return "columns or rows were selected"
    return None


def what_was_written(
    found: OpenFile | OpenDirectory | Artifact, size: int | None, budget: Budget
) -> list[Artifact]:
    """What a path is after a call wrote to it: the artifact, and how readers of a part name it.

    ``size`` is the number of bytes that were added to what had been there, or None where the call
    wrote all of it.
    """
    if isinstance(found, Artifact):
        return [found]
    unread = found.unread
    if size is not None and unread > 2 * size + SMALL:
        return [version(found, "written to in part")]
    part = version(found, "as readers of a part of it know it") if unread > SMALL else None
    whole = _in_full(found, unread, budget)
    return [whole] if part is None or whole.coverage != "full" else [whole, part]


def over(limit: int | None) -> str:
    """Why something was not digested."""
    return f"more than the {limit} bytes digested for an operation"


def _in_full(found: OpenFile | OpenDirectory, unread: int, budget: Budget) -> Artifact:
    if not budget.take(unread):
        return version(found, over(budget.limit))
    return found.artifact()


def _selected(files: Sequence[str], how: Reading) -> int:
    """Bytes that the call chose; 0 where nobody knows."""
    if len(files) > MANY_FILES:
        return 0
    return sum(
        formats.selected_bytes(file, how.columns, how.filters, how.row_groups) or 0
        for file in files
    )

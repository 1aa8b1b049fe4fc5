"""A segment: one file of the journal, written by one process and locked for as long as it is open.

Anyone can tell an open segment from a closed one by its lock (``flock``), which the kernel lets go
of however the process ends. A segment is created under another name, locked, and only then given
its own: nobody ever sees one that is open and not locked.
"""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from types import TracebackType

try:
    import fcntl
except ImportError:  # Windows has none: there every segment looks closed
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".jsonl"
UNFINISHED = ".new"
"""What a segment's name ends with before it is locked."""

_CHECKED_EVERY = 64  # lines
_CHECKED_AFTER = 1.0  # seconds


class Segment:
    """An open segment. Not safe with threads: its writer has the lock.

    Raises:
        OSError: the file cannot be created.
    """

    __slots__ = (
        "_checked",
        "_checked_lines",
        "_descriptor",
        "_identity",
        "_torn",
        "bytes",
        "lines",
        "path",
    )

    def __init__(self, directory: Path, stamp: str, *, fsync: bool = False) -> None:
        """``stamp`` is the time in the file's name; with ``fsync`` the name itself is durable."""
        if not os.access(directory, os.F_OK):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{stamp}-{os.getpid()}-{os.urandom(4).hex()}{SUFFIX}"
        self.path = directory / name
        unfinished = directory / (name + UNFINISHED)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(unfinished, flags, 0o600)
        try:
            _lock(self._descriptor)
            os.rename(unfinished, self.path)
            if fsync:
                _sync_directory(directory)
        except BaseException:
            os.close(self._descriptor)
            with tolerated:
                os.unlink(unfinished)
            raise
        status = os.fstat(self._descriptor)
        self._identity = (status.st_dev, status.st_ino)
        self._checked = time.monotonic()
        self._checked_lines = 0
        self._torn = False
        self.lines = 0
        """Lines that were written as a whole."""
        self.bytes = 0
        """Size of the file."""

    def usable(self) -> bool:
        """Whether the descriptor still is this file's, and the file still has its name.

        A program may close descriptors that are not its own (a daemon closes them all), and the
        next file that it opens has the same number: a line must never go there. The position tells
        them apart, at a tenth of the price of ``fstat``. That the file was deleted is noticed at
        every 64th line, and at the first one after a second.
        """
        try:
            if self.lines and os.lseek(self._descriptor, 0, os.SEEK_CUR) != self.bytes:
                return False
            now = time.monotonic()
            if (
                self.lines - self._checked_lines < _CHECKED_EVERY
                and now - self._checked < _CHECKED_AFTER
                and self.lines
            ):
                return True
            self._checked, self._checked_lines = now, self.lines
            return self._is_ours() and not self.deleted()
        except OSError as error:
            if not is_of_the_system(error):
                raise
            return False

    def deleted(self) -> bool:
        """Whether the file has no name any more, while it is still open here."""
        try:
            return self._is_ours() and os.fstat(self._descriptor).st_nlink == 0
        except OSError as error:
            if not is_of_the_system(error):
                raise
            return False

    def write(self, line: bytes, *, fsync: bool = False) -> None:
        """Append one line as a whole, or nothing.

        Raises:
            OSError: it could not be written; what the file took of it was cut off again.
        """
        data = b"\n" + line if self._torn else line
        left = data
        try:
            while left:
                written = os.write(self._descriptor, left)
                if written == len(left):
                    break
                left = left[written:]
            if fsync:
                os.fdatasync(self._descriptor)
        except OSError as error:
            if is_of_the_system(error):
                self._cut()
            raise
        self._torn = False
        self.bytes += len(data)
        self.lines += 1

    def close(self) -> None:
        """Close the file, if the descriptor is still its own."""
        descriptor = self._descriptor
        with tolerated:
            if self._is_ours():
                self._descriptor = -1
                os.close(descriptor)
        self._descriptor = -1

    def _is_ours(self) -> bool:
        if self._descriptor < 0:
            return False
        status = os.fstat(self._descriptor)
        return (status.st_dev, status.st_ino) == self._identity

    def _cut(self) -> None:
        """Take away what a full disk took of a line."""
        try:
            if self._is_ours():
                os.ftruncate(self._descriptor, self.bytes)
                os.lseek(self._descriptor, self.bytes, os.SEEK_SET)
        except OSError as error:
            if not is_of_the_system(error):
                raise
            # It stays as a torn line; a newline before the next one keeps that whole.
            self._torn = True
            with tolerated:
                self.bytes = os.lseek(self._descriptor, 0, os.SEEK_END)


def is_of_the_system(error: OSError) -> bool:
    """Whether the system said so. What a signal handler of the program raises has no number: a
    ``TimeoutError``, most often."""
    return error.errno is not None


class _Tolerated:
    """A block in which what the system refuses is passed by, and nothing else."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return isinstance(error, OSError) and is_of_the_system(error)


tolerated = _Tolerated()


def is_open(path: Path) -> bool | None:
    """Whether a process has this segment open; None where that cannot be told.

    Raises:
        OSError: the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        closed = lock_closed(descriptor)
        return None if closed is None else not closed
    finally:
        os.close(descriptor)


def lock_closed(descriptor: int) -> bool | None:
    """Take a shared lock on a segment for as long as the descriptor is open.

    False where a process has it open; None where the file system has no locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
    return True


def process_of(name: str) -> int | None:
    """The id of the process that wrote the segment of this name."""
    parts = name.removesuffix(SUFFIX).split("-")
    return int(parts[1]) if len(parts) == 3 and parts[1].isdecimal() else None


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        # Some network file systems have no locks: the segment is written all the same.
        with tolerated:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sync_directory(directory: Path) -> None:
    for path in (directory, directory.parent):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

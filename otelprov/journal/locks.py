"""The lock on the index: shared by those who read, exclusive for who changes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has none: there the index is built in memory
    fcntl = None  # type: ignore[assignment]


class Lock:
    """A lock on the index for as long as a block runs.

    SQLite's own locks do not cover the replacement of a damaged file.

    Raises:
        OSError: the directory is read-only, or the file system has no locks.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "index.lock"
        self._descriptor = -1

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Nobody changes the index meanwhile."""
        if fcntl is None:
            raise OSError("no file locks on this platform")
        if self._descriptor < 0:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else changes the index or reads it meanwhile."""
        if fcntl is None:
            raise OSError("no file locks on this platform")
        # Another descriptor each time: the directory may be another one under the same name.
        if self._descriptor >= 0:
            os.close(self._descriptor)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def __del__(self) -> None:
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)

"""How large the journal is: when to look, which few processes have to; and the look."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from otelprov.journal.segment import SUFFIX, UNFINISHED, is_of_the_system

try:
    import fcntl
except ImportError:  # Windows has none: there nothing is deleted
    fcntl = None  # type: ignore[assignment]

LOCK: Final = "pruned.lock"
"""Held by who looks; its time is that of the last look, and it says the size found."""
_EVERY: Final = 60.0  # seconds


def is_due(directory: Path, limit: int, written: int) -> bool:
    """Whether the journal's size is to be looked at, which costs a look at every file.

    Not within a minute of the last look, by whichever process, unless the journal was so close to
    its limit then that the ``written`` bytes of this process alone may bring it there.
    """
    try:
        with (directory / LOCK).open("rb") as lock:
            age = time.time() - os.fstat(lock.fileno()).st_mtime
            said = lock.read(32).strip() or b"0"
    except OSError as error:
        if not is_of_the_system(error):
            raise
        return True
    if not said.isdigit():
        return True
    size = int(said)
    # A clock that jumped counts as a minute.
    return not 0 <= age < _EVERY or size + written > limit


class Listed(NamedTuple):
    """A segment as the directory lists it. In order, the oldest comes first: by the time in the
    name, and within a second by that of the last line."""

    begun: str
    changed: int
    name: str
    bytes: int


Delete = Callable[[list[Listed], int], tuple[int, int]]
"""Deletes some of the segments, down to a limit in bytes; what is left, and the spans that are
gone."""


def look(directory: Path, limit: int, delete: Delete) -> int:
    """Look at the journal's size, and have segments deleted where it has more bytes than ``limit``.

    Returns how many spans are gone that were not delivered. Does nothing while another process
    does it.

    Raises:
        OSError: the directory cannot be read or written.
    """
    if fcntl is None:
        return 0
    gone = 0
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        segments = _listed(directory)
        size = sum(one.bytes for one in segments)
        if size > limit:
            size, gone = delete(segments, limit)
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % size, 0)
    except BlockingIOError:
        pass
    finally:
        os.close(lock)
    return gone


def _listed(directory: Path) -> list[Listed]:
    segments = []
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError):
                name = entry.name
                if name.endswith(SUFFIX):
                    status = entry.stat()
                    segments.append(Listed(name[:15], status.st_mtime_ns, name, status.st_size))
                elif name.endswith(SUFFIX + UNFINISHED):
                    _remove_unfinished(entry)
    return segments


def _remove_unfinished(entry: os.DirEntry[str]) -> None:
    """What a process left that died between making a segment and naming it."""
    if time.time() - entry.stat().st_mtime > 60:
        os.unlink(entry.path)

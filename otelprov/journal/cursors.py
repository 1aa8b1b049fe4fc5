"""How far each segment is delivered, and who is sending it: one small file a segment."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import orjson

from otelprov._record import record

try:
    import fcntl
except ImportError:  # Windows has none: there two shippers are not told apart
    fcntl = None  # type: ignore[assignment]

_SLOT: Final = 512


@record
class Progress:
    """How far one segment is delivered, and how many lines met which end."""

    offset: int = 0
    """Bytes from the beginning that are dealt with."""
    lines: int = 0
    """Accepted by the receiver, rejected ones among them."""
    rejected: int = 0
    """Spans or log records that the receiver rejected, by its own count (partial success)."""
    refused: int = 0
    """Lines that the receiver refused for good, or that are too large."""
    skipped: int = 0
    """Torn and foreign lines."""
    head: str = ""
    """Digest of the first line."""


class Cursor:
    """The claim on one segment and how far it is; whoever has it may send."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self._sequence, self.progress = newest(descriptor)

    @classmethod
    def claim(cls, path: Path) -> Cursor | None:
        """The cursor, or None while another process has it.

        Raises:
            OSError: it cannot be made or read.
        """
        while True:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            try:
                if not _lock(descriptor):
                    os.close(descriptor)
                    return None
                # Somebody may have finished the segment, and with it removed the file, between
                # the two calls: then the lock is on nothing.
                with suppress(FileNotFoundError):
                    if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                        return cls(path, descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def advance(self, progress: Progress, *, durable: bool = True) -> None:
        """Remember how far it is.

        Two slots take turns, each with a checksum: a crash leaves the older one.
        """
        self.progress = progress
        if not durable:
            return
        self._sequence += 1
        record = orjson.dumps({"sequence": self._sequence, **asdict(progress)})
        slot = f"{crc32(record):08x} ".encode() + record
        os.pwrite(self.descriptor, slot.ljust(_SLOT - 1) + b"\n", self._sequence % 2 * _SLOT)
        _sync(self.descriptor)

    def release(self, *, finished: bool = False) -> None:
        """Let go of the segment; the cursor of a finished one is removed."""
        if finished:
            with suppress(OSError):
                self.path.unlink()
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def newest(descriptor: int) -> tuple[int, Progress]:
    """The younger of the slots that are whole; 0 and nothing for a new file."""
    best = (0, Progress())
    for place in range(2):
        slot = os.pread(descriptor, _SLOT, place * _SLOT)
        checksum, _, record = slot.rstrip().partition(b" ")
        if not record or checksum != f"{crc32(record):08x}".encode():
            continue
        values = orjson.loads(record)
        sequence = values.pop("sequence")
        if sequence > best[0]:
            best = (sequence, progress_of(values))
    return best


def progress_of(values: dict[str, Any]) -> Progress:
    """A progress as it was written down."""
    return Progress(**{field.name: values[field.name] for field in fields(Progress)})


def _lock(descriptor: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync(descriptor: int) -> None:
    # macOS has no fdatasync.
    (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(descriptor)

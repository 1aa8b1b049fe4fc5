"""Where operations stand in the journal, and how they are read from there."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_OPEN_SEGMENTS = 32


class Place(NamedTuple):
    """Where an operation's line stands in the journal; made from rows, thousands at once."""

    trace_id: str
    span_id: str
    file: str
    offset: int
    length: int
    position: int
    """The span's place among those of its line."""


class Segments:
    """Segments to read from: the last ones stay open, also when they are deleted meanwhile."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open: dict[str, int] = {}

    def read(self, name: str, offset: int, length: int) -> bytes:
        """A part of a segment.

        Raises:
            OSError: it cannot be read.
        """
        descriptor = self._open.get(name)
        if descriptor is None:
            while len(self._open) >= _OPEN_SEGMENTS:
                os.close(self._open.pop(next(iter(self._open))))
            descriptor = os.open(self._directory / name, os.O_RDONLY | os.O_CLOEXEC)
            self._open[name] = descriptor
        return os.pread(descriptor, length, offset)

    def __del__(self) -> None:
        for descriptor in self._open.values():
            with suppress(OSError):
                os.close(descriptor)

"""The write side of the journal: each line in one unbuffered write, before the call returns.

A process writes segments (``otelprov.journal.segment``) one after the other. Nothing that goes
wrong reaches the program: what could not be written is counted, told once on stderr, and written
down in the journal as soon as that can be written again.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

from otelprov.journal.interrupted import remember_interrupt
from otelprov.journal.losses import Losses, lost_line
from otelprov.journal.segment import Segment, is_of_the_system, tolerated
from otelprov.journal.size import Listed, is_due, look
from otelprov.settings import Settings

SEGMENT: int = 16 << 20
LIMIT: int = 10 << 30

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SWEPT_LINE = 256  # of a process that neither fills a segment nor comes to its end

listeners: list[Callable[[Path], None]] = []
"""Called with every segment that a writer of this process begins."""


class JournalWriter:
    """Appends lines to this process's own segments in ``directory``.

    The first is opened at the first line; a forked child opens its own. Two threads may append at
    once. The lock is one that the same thread may take again, because a signal handler may record
    something in the middle of an append; a forked child begins with a new one. Nothing raises but
    what a signal handler of the program's raises.
    """

    def __init__(
        self,
        directory: Path,
        *,
        segment: int = SEGMENT,
        limit: int | None = LIMIT,
        fsync: bool = False,
    ) -> None:
        """``segment`` is the size in bytes at which a new one begins, ``limit`` that of all the
        journal (None for none); with ``fsync`` a line is on the disk before ``append`` returns.
        """
        self.directory = directory
        self.resource: dict[str, Any] | None = None
        """The OTLP ``Resource`` of the process, for lines that the writer makes itself."""
        self.losses = Losses()
        """What this process could not write."""
        self.pruned = 0
        """Spans that this process deleted undelivered, to keep the journal within its limit."""
        # A bound that one segment reaches would be no bound.
        self._size = segment if limit is None else min(segment, max(limit // 8, 1 << 16))
        self._limit = limit
        self._fsync = fsync
        self._lock = threading.RLock()
        self._segment: Segment | None = None
        self._rotate_at = self._size
        self._process = os.getpid()
        self._stamp = ""
        self._unsaid = Losses()
        self._told = False
        self._unswept = 0
        self._sweep_due = False
        _writers.add(self)

    @property
    def lost(self) -> int:
        """Lines that could not be written."""
        return self.losses.lines

    def append(self, line: bytes) -> bool:
        """Write one line (newline included); whether it is in the journal as a whole."""
        with self._lock:
            try:
                segment = self._current(len(line))
                try:
                    segment.write(line, fsync=self._fsync)
                except OSError as error:
                    self._write_elsewhere(line, segment, error)
                if segment.lines == _SWEPT_LINE:
                    self._sweep_due = True
            except OSError as error:
                if not is_of_the_system(error):
                    raise
                self._lose(1, len(line), error.strerror or str(error))
                return False
            if self._unsaid.lines:
                self._say()
        if self._sweep_due:
            self._sweep_due = False
            self._sweep()
        return True

    def failed(self, error: Exception) -> None:
        """A line could not be made: it is lost like one that could not be written."""
        with self._lock:
            self._lose(1, 0, f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Close the segment; a later line opens a new one."""
        with self._lock:
            segment, self._segment = self._segment, None
            if segment is None or self._process != os.getpid():
                return
            if segment.deleted():
                self._deleted(segment)
            segment.close()
            if self._unsaid.lines:
                with tolerated:
                    self._open()
                    self._say()
                self._let_go()
            self._unswept += segment.bytes
        self._sweep()
        remember_interrupt()  # the sweep may have imported something

    # --- the segment -------------------------------------------------------------------------

    def _write_elsewhere(self, line: bytes, segment: Segment, error: OSError) -> None:
        if error.errno in _FULL or not segment.lines or not is_of_the_system(error):
            raise error
        # This file takes no more (a limit on its size, a server that forgot it): another may.
        self._let_go()
        self._open().write(line, fsync=self._fsync)

    def _current(self, size: int) -> Segment:
        """The segment for a line of this size."""
        segment = self._segment
        if segment is None or self._process != os.getpid():
            self._let_go()  # of a fork that went unseen
            return self._open()
        if not segment.usable():
            if segment.deleted():
                self._deleted(segment)
            self._let_go()
            return self._open()
        if segment.lines and segment.bytes + size > self._rotate_at:
            try:
                new = self._create()
            except OSError as error:
                if not is_of_the_system(error):
                    raise
                # No descriptor is left, or no room for a new file: this one goes on growing.
                self._rotate_at = segment.bytes + self._size // 16
                return segment
            self._unswept += segment.bytes
            self._let_go()
            self._take(new)
            self._sweep_due = True
            return new
        return segment

    def _open(self) -> Segment:
        segment = self._create()
        self._take(segment)
        return segment

    def _create(self) -> Segment:
        # Names never go back, whatever the clock does.
        self._stamp = max(self._stamp, time.strftime("%Y%m%dT%H%M%S", time.gmtime()))
        return Segment(self.directory, self._stamp, fsync=self._fsync)

    def _take(self, segment: Segment) -> None:
        self._segment, self._process = segment, os.getpid()
        self._rotate_at = self._size
        for listener in listeners:
            listener(segment.path)

    def _let_go(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close()

    def _sweep(self) -> None:
        """Keep the journal within its limit, where it may have come to that."""
        if self._limit is None or not is_due(self.directory, self._limit, self._unswept):
            return
        try:
            self.pruned += look(self.directory, self._limit, self._delete)
        except OSError as error:
            if not is_of_the_system(error):
                raise
        self._unswept = 0

    def _delete(self, segments: list[Listed], limit: int) -> tuple[int, int]:
        # Loaded here, because most processes never have to delete anything.
        from otelprov.journal import retention
        from otelprov.journal.delivery import KnownDeliveries

        known = KnownDeliveries(self.directory)
        return retention.delete(self.directory, segments, limit, known)

    # --- what was lost -----------------------------------------------------------------------

    def _lose(self, lines: int, size: int, reason: str) -> None:
        self.losses = self.losses.plus(lines, size, reason)
        self._unsaid = self._unsaid.plus(lines, size, reason)
        self._tell(
            f"cannot write the journal in {self.directory}: {reason}; "
            "the program goes on, its provenance is not kept there (see 'otelprov doctor')"
        )

    def _deleted(self, segment: Segment) -> None:
        if not segment.lines:
            return
        reason = "the journal was deleted while it was written"
        self.losses = self.losses.plus(segment.lines, segment.bytes, reason)
        self._unsaid = self._unsaid.plus(segment.lines, segment.bytes, reason)
        self._tell(
            f"the journal in {self.directory} was deleted while it was written: {segment.lines} "
            f"lines are gone with it; a new segment is begun (see 'otelprov doctor')"
        )

    def _say(self) -> None:
        """Write down what was lost before."""
        segment = self._segment
        if segment is not None:
            with tolerated:
                segment.write(lost_line(self._unsaid, self.resource), fsync=self._fsync)
                self._unsaid = Losses()

    def _tell(self, message: str) -> None:
        if self._told or sys.stderr is None:
            return
        self._told = True
        with suppress(OSError, ValueError):  # stderr may be closed
            print(f"otelprov: {message}", file=sys.stderr)

    # --- fork --------------------------------------------------------------------------------

    def _before_fork(self) -> bool:
        # So that no thread is in the middle of opening a segment that the child would inherit
        # unseen. A disk that hangs does not hold the fork up for longer than this.
        return self._lock.acquire(timeout=1.0)

    def _in_parent(self) -> None:
        self._lock.release()

    def _in_child(self) -> None:
        self._lock = threading.RLock()
        # At once: an inherited descriptor keeps the parent's lock, also after the parent's death.
        self._let_go()
        self.losses = self._unsaid = Losses()
        self.pruned = 0
        self._sweep_due = False
        self._process = os.getpid()


def journal_writer(settings: Settings) -> JournalWriter | None:
    """The writer that the settings ask for; None where the journal is off."""
    if settings.journal is None:
        return None
    return JournalWriter(
        settings.journal,
        segment=settings.journal_segment,
        limit=settings.journal_limit,
        fsync=settings.durability == "fsync",
    )


_writers: WeakSet[JournalWriter] = WeakSet()
_held: list[JournalWriter] = []


def _before_fork() -> None:
    _held[:] = [writer for writer in list(_writers) if writer._before_fork()]


def _in_parent() -> None:
    while _held:
        _held.pop()._in_parent()


def _in_child() -> None:
    _held.clear()
    for writer in list(_writers):
        writer._in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)

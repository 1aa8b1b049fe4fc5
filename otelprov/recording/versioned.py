"""Tables that have versions of their own, as places that an operation reads.

A directory of a Delta Lake or Iceberg table holds the files of all its versions. What is read is
one version, and which one is known only when the table has been opened: a lazy reader opens it when
it is executed, and is told then which columns are wanted of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from weakref import WeakSet

from otelprov.model import Artifact
from otelprov.recording.recorder import OpenOperation


class Asked:
    """The columns that an engine asks a source for while plans are executed.

    It may ask from a thread of its own, which nobody can tell from that of another query: of two
    that read one source at once nothing is known.
    """

    __slots__ = ("_columns", "_lock", "_running", "_unclear")

    def __init__(self) -> None:
        self._columns: dict[str, None] | None = None
        self._lock = threading.Lock()
        self._running: WeakSet[OpenOperation] = WeakSet()
        self._unclear = False

    def begin(self, operation: OpenOperation) -> None:
        """An operation executes a plan that reads it."""
        with self._lock:
            for one in [one for one in self._running if one.ended]:
                self._running.discard(one)
            self._unclear = bool(self._running)
            self._columns = None
            self._running.add(operation)

    def note(self, columns: Iterable[str]) -> None:
        """It is asked for these."""
        with self._lock:
            self._columns = {**(self._columns or {}), **dict.fromkeys(columns)}

    def end(self, operation: OpenOperation) -> tuple[str, ...] | None:
        """What it was asked for by the operation; None where nobody knows."""
        with self._lock:
            self._running.discard(operation)
            if self._running:
                self._unclear = True  # what the other asks may have been asked by this one
            found = None if self._unclear or self._columns is None else tuple(self._columns)
            if not self._running:
                self._columns = None
            return found


class Versioned:
    """A table that is read in a version that is asked for when it has been read."""

    __slots__ = ("_find", "asked")

    def __init__(self, find: Callable[[], Artifact], asked: Asked | None = None) -> None:
        self._find = find
        self.asked = asked

    def artifact(self) -> Artifact:
        """The version; the place alone where it is not known."""
        return self._find()

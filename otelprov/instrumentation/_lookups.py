"""Queries that the program asks again and again: lookups in a loop.

After the first ``OTELPROV_REPEATS`` calls of a line their span is a window (recording/repeats.py).
What all of its calls have in common was recorded with the first of them; of each more there is its
time, and who lists its rows is told what they are. That takes a quarter of an operation.
"""

from __future__ import annotations

import threading
from types import FrameType
from typing import Any, Final

from otelprov.artifacts.deferred import Pending
from otelprov.artifacts.registry import Identity
from otelprov.instrumentation._databases import Connection, bounded
from otelprov.recording.recorder import OpenOperation
from otelprov.recording.repeats import Repeated, repeats
from otelprov.recording.run import now, run

MAX_LOOKUPS: Final = 64
"""Texts of one connection that are known as lookups."""


class Lookup:
    """One query, asked on one connection in one line of the program below one span."""

    __slots__ = (
        "_begun", "_busy", "_changes", "_code", "_connection", "_line", "_makers", "_parent",
        "_turn", "_window", "operation",
    )  # fmt: skip

    def __init__(
        self,
        operation: OpenOperation,
        window: Repeated,
        connection: Connection,
        tables: list[str],
        caller: tuple[Any, int],
    ) -> None:
        self.operation = operation.to_repeat()
        self._window = window
        self._parent = run.above()[1].span_id
        self._connection = connection
        self._changes = connection.known.changes
        self._makers = [(uri, connection.makers(uri).get(uri)) for uri in tables]
        self._code, self._line = caller
        self._turn = threading.Lock()
        self._busy = False
        self._begun = 0

    def begin(self, caller: object) -> bool:
        """Whether it is the same once more; then it has begun."""
        if not self._turn.acquire(blocking=False):
            return False  # in another thread, or by a function that the query calls
        try:
            if self._is_the_same(caller) and repeats.join(self._window):
                self._busy = True
                self._begun = now()
                self.operation.enter()
                return True
        except BaseException:
            if self._busy:
                self.close()
            else:
                self._turn.release()
            raise
        self._turn.release()
        return False

    def _is_the_same(self, caller: object) -> bool:
        known = self._connection.known
        return (
            isinstance(caller, FrameType)
            and caller.f_code is self._code
            and caller.f_lineno == self._line
            and known.changes == self._changes
            and run.policy is None
            and run.above()[1].span_id == self._parent
            and all(self._connection.makers(uri).get(uri) == one for uri, one in self._makers)
        )

    def leave(self) -> None:
        """What runs from now on is the program's own."""
        if not self.operation.left:
            self.operation.leave()

    def returned(self) -> Identity:
        """It was carried out: its rows."""
        self.leave()
        operation = self.operation
        operation.repeated(self._begun)
        self._end()
        return Identity((Pending(lambda: operation.made_again("stream")),))

    def failed(self, text: str, error: BaseException) -> None:
        """It was refused: that is an operation of its own."""
        self.close()
        refused = OpenOperation(self.operation.call, None, {"query": bounded(text)}, ["query"])
        for role, source in self.operation.used.values():
            refused.use_content(role, source)
        refused.end(error)

    def close(self) -> None:
        """It is over, whatever came between."""
        if self._busy:
            self.leave()
            self._end(counted=False)

    def _end(self, *, counted: bool = True) -> None:
        self._busy = False
        try:
            repeats.leave(self._window, self._begun, self.operation.end_time or now(), counted)
        finally:
            self._turn.release()


def lookup_of(
    operation: OpenOperation, connection: Connection, tables: list[str], caller: tuple[Any, int]
) -> Lookup | None:
    """A query of these tables that has returned, as what may be asked again; None as long as each
    time that it is asked is an operation of its own."""
    window = operation.record
    if type(window) is not Repeated or run.policy is not None:
        return None
    return Lookup(operation, window, connection, tables, caller)


def keep(connection: Connection, text: str, lookup: Lookup | None) -> None:
    """Know the lookup of a text."""
    lookups = connection.lookups
    if lookup is None:
        lookups.pop(text, None)
        return
    if len(lookups) >= MAX_LOOKUPS:
        lookups.clear()
    lookups[text] = lookup

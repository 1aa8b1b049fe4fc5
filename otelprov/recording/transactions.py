"""What is written in a transaction of a database: known when the transaction is over.

A statement that writes a table has returned, and the table is not written before the commit: until
then its operation is held open, with the time at which the call was over. Where the transaction is
rolled back, or nobody has seen how it ended, the operation says so and generated nothing.
"""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Final, Literal, Protocol

from otelprov.recording import faults
from otelprov.recording.recorder import OpenOperation

Outcome = Literal["rolled back", "not committed", "unknown"]
"""Of a transaction that was not committed: taken back; still open when its connection or the
process ended; its commit failed, and the connection with it."""


class Write(Protocol):
    """Something that a transaction has written."""

    operation: OpenOperation

    def committed(self) -> None:
        """It is there."""

    def undone(self, outcome: Outcome) -> None:
        """It is not."""


class Transaction:
    """A transaction of one connection, and those that follow it there."""

    def __init__(self) -> None:
        self._writes: list[Write] = []
        self._marks: list[tuple[str, int]] = []
        """Savepoints, each with the number of what had been written before it."""
        self._process = os.getpid()

    def __bool__(self) -> bool:
        """Whether anything waits for it."""
        return bool(self._writes)

    def wrote(self, write: Write) -> None:
        """This is written when the transaction is committed."""
        if self._process != os.getpid():
            # Of a forked child: what the parent has written is the parent's to tell.
            self._writes, self._marks, self._process = [], [], os.getpid()
        self._writes.append(write)
        write.operation.transaction = self
        if not _open:
            atexit.unregister(settle)
            atexit.register(settle)
        _open.add(self)

    def savepoint(self, name: str) -> None:
        """A savepoint begins."""
        self._marks.append((name, len(self._writes)))

    def release(self, name: str) -> None:
        """A savepoint is over; what was written since belongs to the transaction around it."""
        at = self._mark(name)
        if at is not None:
            del self._marks[at:]

    def back_to(self, name: str) -> None:
        """What was written since a savepoint is taken back."""
        at = self._mark(name)
        if at is not None:
            number = self._marks[at][1]
            del self._marks[at + 1 :]
            undone, self._writes = self._writes[number:], self._writes[:number]
            _end(undone, "rolled back", self._writes)

    def _mark(self, name: str) -> int | None:
        found = [at for at, (known, _) in enumerate(self._marks) if known == name]
        return found[-1] if found else None

    def committed(self) -> None:
        """All of it is there now."""
        _end(self._taken(), None, ())

    def undone(self, outcome: Outcome = "rolled back") -> None:
        """Nothing of it is."""
        _end(self._taken(), outcome, ())

    def _taken(self) -> list[Write]:
        _open.discard(self)
        writes, self._writes, self._marks = self._writes, [], []
        return writes if self._process == os.getpid() else []


_open: Final[weakref.WeakSet[Transaction]] = weakref.WeakSet()


def _end(writes: list[Write], outcome: Outcome | None, others: list[Write] | tuple[()]) -> None:
    for write in reversed(writes) if outcome else writes:
        with faults.contained("how a transaction ended was not recorded"):
            if outcome is None:
                write.committed()
            else:
                write.undone(outcome)
    waiting = {id(write.operation) for write in others}
    for operation in {id(write.operation): write.operation for write in writes}.values():
        if id(operation) not in waiting:
            operation.settled()


def settle() -> None:
    """The process ends: what is not committed now never will be."""
    for transaction in list(_open):
        transaction.undone("not committed")

"""The delivery of a journal to one destination: segment after segment, batch after batch."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import time_ns
from typing import Literal

from otelprov._record import record
from otelprov.journal.cursors import Cursor
from otelprov.journal.delivery import Delivery, Trouble, head_of
from otelprov.journal.reader import files
from otelprov.journal.segment import is_open
from otelprov.shipping import batches
from otelprov.shipping.batches import Batch, Item
from otelprov.shipping.endpoint import Endpoint
from otelprov.shipping.sending import Answer, Client

Outcome = Literal["done", "open", "taken", "stopped"]
"""Of a segment: delivered and closed; delivered so far; somebody else sends it; not now."""


_inherited: list[Client] = []


@record
class Sent:
    """One request that was answered, for who watches."""

    lines: int
    bytes: int
    """Of the segment that are dealt with by it."""
    rejected: int = 0
    refused: int = 0
    text: str = ""
    """What the receiver said of what it did not take."""


class Shipper:
    """Delivers the segments of a journal to one endpoint. For one thread.

    ``watch`` is told of every request; ``stop`` is asked before each whether to go on.
    """

    def __init__(
        self,
        journal: Path,
        endpoint: Endpoint,
        *,
        limit: int = batches.LIMIT,
        watch: Callable[[Sent], None] = lambda sent: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.journal = journal
        self.endpoint = endpoint
        self.delivery = Delivery(journal, endpoint.signal, endpoint.address)
        self.client = Client(endpoint)
        self.trouble: Answer | None = None
        """The answer that ended the delivery; to be set to None before the next attempt."""
        self.timeout: float | None = None
        """Seconds for one request, when they are to be fewer than set."""
        self._limit = limit
        self._watch = watch
        self._stop = stop
        self._held: dict[str, Cursor] = {}
        self._troubled = True  # for all that is known

    def segments(self) -> list[Path]:
        """What is not delivered as far as anyone knows, oldest first.

        Raises:
            OSError: the journal cannot be read.
        """
        self.delivery.refresh()
        found: list[Path] = []
        present: set[str] = set()
        for path in files(self.journal):
            present.add(path.name)
            try:
                known = path.stat()
            except OSError:
                continue
            if known.st_size and not self.delivery.is_delivered(path.name, known):
                found.append(path)
        self.delivery.tidy(present)
        return found

    def deliver(self, segment: Path, *, hold: bool = False) -> Outcome:
        """Send what of a segment is not acknowledged yet.

        With ``hold`` the claim on it is kept for the next time. Why it was ``stopped`` is in
        ``trouble``; without any, because it was told to stop.

        Raises:
            OSError: the segment or the state of delivery cannot be read or written.
        """
        cursor = self._held.get(segment.name)
        if cursor is None:
            if not head_of(segment) and is_open(segment):
                return "open"
            self.delivery.prepare()
            cursor = self.delivery.claim(segment)
            if cursor is None:
                return "taken"
        try:
            outcome = self._deliver(segment, cursor)
            if outcome == "done":
                self.delivery.finish(segment, cursor)
        finally:
            if hold and cursor.descriptor >= 0:
                self._held[segment.name] = cursor
            else:
                self._held.pop(segment.name, None)
                cursor.release()
        return outcome

    def conclude(self) -> None:
        """Write down of the segments that are held that they are delivered, where they are.

        Their writer may still be there. If it writes on, they are not delivered any more.
        """
        for name, cursor in list(self._held.items()):
            segment = self.journal / name
            if cursor.progress.offset == segment.stat().st_size:
                self.delivery.finish(segment, self._held.pop(name))

    def close(self) -> None:
        """Let go of everything."""
        for cursor in self._held.values():
            cursor.release()
        self._held.clear()
        self.client.close()

    def abandon(self) -> None:
        """In a forked child: close the descriptors of the parent's claims, and nothing else.

        What the parent's thread was doing to the connection in the moment of the fork goes on
        nowhere, so that is not touched, not even by its destructor.
        """
        for cursor in self._held.values():
            cursor.release()
        _inherited.append(self.client)

    def _deliver(self, segment: Path, cursor: Cursor) -> Outcome:
        with segment.open("rb") as file:
            while True:
                # Asked before the end is looked for: what is closed does not grow any more.
                closed = not is_open(segment)
                batch = batches.read(
                    file,
                    cursor.progress.offset,
                    self.endpoint.signal,
                    closed=closed,
                    limit=self._limit,
                )
                if batch is None:
                    at_end = cursor.progress.offset >= os.fstat(file.fileno()).st_size
                    return "done" if closed and at_end else "open"
                if self._stop() or not self._send(cursor, batch):
                    return "stopped"

    def _send(self, cursor: Cursor, batch: Batch) -> bool:
        """Send a batch, in parts where it is refused; whether all of it is dealt with."""
        parts: list[tuple[Item, ...]] = [batch.items] if batch.items else []
        while parts:
            part = parts.pop()
            body = batches.join([item.line for item in part], self.endpoint.signal)
            answer = self.client.post(body, timeout=self.timeout)
            if answer.kind == "malformed":
                if len(part) > 1:
                    middle = len(part) // 2
                    parts += (part[middle:], part[:middle])
                    continue
                # One line. Unless it is the receiver that understands nothing at all.
                plain = self.client.understands(timeout=self.timeout)
                if plain.kind != "accepted":
                    kind = plain.kind if plain.kind != "malformed" else "setup"
                    self._fail(Answer(kind, f"{answer.text}, to an empty request too"))
                    return False
            elif answer.kind != "accepted":
                self._fail(answer)
                return False
            self._acknowledge(cursor, part, answer)
            if parts and self._stop():
                return False
        self._pass_over(cursor, batch)
        return True

    def _acknowledge(self, cursor: Cursor, part: tuple[Item, ...], answer: Answer) -> None:
        before = cursor.progress
        refused = len(part) if answer.kind == "malformed" else 0
        after = replace(
            before,
            offset=part[-1].end,
            lines=before.lines + len(part) - refused,
            rejected=before.rejected + answer.rejected,
            refused=before.refused + refused,
            skipped=before.skipped + sum(item.skipped for item in part),
        )
        cursor.advance(after)
        if self._troubled:
            self.delivery.trouble(None)
            self._troubled = False
        length = after.offset - before.offset
        self._watch(Sent(len(part) - refused, length, answer.rejected, refused, answer.text))

    def _pass_over(self, cursor: Cursor, batch: Batch) -> None:
        """What is not this signal's, and what nothing can be made of."""
        before = cursor.progress
        after = replace(
            before,
            offset=batch.end,
            refused=before.refused + batch.refused,
            skipped=before.skipped + batch.skipped,
        )
        if after != before:
            # Not written down at once: after a crash it is simply read again.
            cursor.advance(after, durable=False)
            if after.offset != before.offset:
                self._watch(Sent(0, after.offset - before.offset, refused=batch.refused))

    def _fail(self, answer: Answer) -> None:
        self.trouble, self._troubled = answer, True
        self.delivery.trouble(Trouble(time_ns(), answer.text))


@record
class Waiting:
    """What is in a journal and was not delivered to a destination."""

    lines: int = 0
    bytes: int = 0
    """From the first line that waits in each segment to its end."""
    oldest: int | None = None
    """Nanoseconds since the epoch: when the oldest segment among them was last written to."""


def waiting(journal: Path, endpoint: Endpoint) -> Waiting:
    """How much of a journal is still to be delivered; claims nothing and changes nothing.

    Raises:
        OSError: the journal cannot be read.
    """
    delivery = Delivery(journal, endpoint.signal, endpoint.address)
    delivery.refresh()
    lines, length = 0, 0
    oldest: int | None = None
    for segment in files(journal):
        try:
            found = segment.stat()
            if delivery.is_delivered(segment.name, found):
                continue
            offset = delivery.progress(segment).offset
            count = _count(segment, offset, endpoint)
        except FileNotFoundError:  # removed since it was listed
            continue
        if count:
            lines += count
            length += found.st_size - offset
            oldest = min(oldest or found.st_mtime_ns, found.st_mtime_ns)
    return Waiting(lines, length, oldest)


def _count(segment: Path, offset: int, endpoint: Endpoint) -> int:
    count = 0
    with segment.open("rb") as file:
        while True:
            batch = batches.read(file, offset, endpoint.signal, closed=True)
            if batch is None:
                return count
            count += len(batch.items)
            offset = batch.end

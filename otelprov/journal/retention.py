"""The bound on the journal's size: the oldest closed segments go first, and that is written down.

Those that were delivered go before those that were not. What was deleted is added up in
``pruned.json``, so that whoever misses an operation can be told that it may have been among them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import orjson

from otelprov._record import record
from otelprov.journal.segment import UNFINISHED, lock_closed
from otelprov.journal.size import Listed, look

Delivered = Callable[[str, int], bool | None]
"""Whether the segment of this name and size (bytes) was delivered; None if nothing delivers."""

LEDGER: Final = "pruned.json"
_KEPT: Final = 1000  # segments that the ledger names one by one
_CHUNK: Final = 1 << 20
_TAIL: Final = 1 << 16
_STARTED: Final = re.compile(rb'"startTimeUnixNano":\s*"?(\d+)')
_ENDED: Final = re.compile(rb'"(?:endTimeUnixNano|timeUnixNano)":\s*"?(\d+)')
_SPAN: Final = b'{"resourceSpans":'


@record
class PrunedSegment:
    """A segment that was deleted to keep the journal within its limit."""

    name: str
    bytes: int
    spans: int
    start: int
    """Nanoseconds since the epoch: of the first span; 0 where that is not known."""
    end: int
    """Of the last one."""
    delivered: bool | None = None


@record
class Pruned:
    """All that was deleted so far, and the last segments one by one."""

    segments: int = 0
    bytes: int = 0
    spans: int = 0
    undelivered: int = 0
    """Spans that were not delivered, or of which nobody knows."""
    start: int = 0
    end: int = 0
    complete: bool = True
    """False where an earlier ledger could not be read."""
    last: tuple[PrunedSegment, ...] = ()

    def plus(self, segment: PrunedSegment) -> Pruned:
        """With one more."""
        starts = [one for one in (self.start, segment.start) if one]
        return Pruned(
            self.segments + 1,
            self.bytes + segment.bytes,
            self.spans + segment.spans,
            self.undelivered + (0 if segment.delivered else segment.spans),
            min(starts, default=0),
            max(self.end, segment.end),
            self.complete,
            (*self.last, segment)[-_KEPT:],
        )


def pruned(directory: Path) -> Pruned:
    """What was deleted from the journal in ``directory``."""
    try:
        found = orjson.loads((directory / LEDGER).read_bytes())
        last = tuple(PrunedSegment(**one) for one in found.pop("last"))
        return Pruned(**{**found, "last": last})
    except FileNotFoundError:
        return Pruned()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Pruned(complete=False)


def sweep(directory: Path, limit: int, *, delivered: Delivered | None = None) -> int:
    """Delete closed segments until the journal has ``limit`` bytes or less: ``size.look``."""
    return look(directory, limit, lambda found, most: delete(directory, found, most, delivered))


def delete(
    directory: Path, segments: list[Listed], limit: int, delivered: Delivered | None = None
) -> tuple[int, int]:
    """Delete the oldest of these segments that are closed, until ``limit`` bytes are left at most.

    Returns the bytes of the journal after that, and the spans that were not delivered.
    """
    total = sum(one.bytes for one in segments)
    ranked = [
        (delivered(one.name, one.bytes) if delivered else None, one.name, one.bytes)
        for one in sorted(segments)
    ]
    ranked.sort(key=lambda one: not one[0])  # stable: the delivered ones first, by age
    ledger = pruned(directory)
    undelivered = ledger.undelivered
    known = {one.name for one in ledger.last}
    for state, name, size in ranked:
        if total <= limit:
            break
        try:
            descriptor = os.open(directory / name, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # somebody else has deleted it
            continue
        try:
            if lock_closed(descriptor) is not True:
                continue
            # Written down first: if the process ends in between, the same name is not added twice.
            if name not in known:
                ledger = ledger.plus(_contents(descriptor, name, size, state))
                _write(directory, ledger)
            os.unlink(directory / name)
        finally:
            os.close(descriptor)
        total -= size
    return total, ledger.undelivered - undelivered


def _contents(descriptor: int, name: str, size: int, delivered: bool | None) -> PrunedSegment:
    """How many spans a segment has, and from when: counted, not parsed."""
    spans = 0
    first, tail = b"", b"\n"
    while chunk := os.read(descriptor, _CHUNK):
        spans += (tail[-len(_SPAN) :] + chunk).count(b"\n" + _SPAN)
        first = first or chunk
        tail = (tail + chunk)[-_TAIL:]
    start = _STARTED.search(first)
    ends = _ENDED.findall(tail)
    return PrunedSegment(
        name,
        size,
        spans,
        int(start[1]) if start else 0,
        max((int(one) for one in ends), default=0),
        delivered,
    )


def _write(directory: Path, ledger: Pruned) -> None:
    path = directory / f"{LEDGER}{UNFINISHED}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, orjson.dumps(ledger, option=orjson.OPT_APPEND_NEWLINE))
    finally:
        os.close(descriptor)
    os.replace(path, directory / LEDGER)

"""Lines of a segment into requests, by slicing: nothing is parsed.

A line is a whole OTLP/JSON request, compact, so two lines are joined by cutting off the end of the
first and the beginning of the second. Joining 4 MiB takes 3 ms; parsing and writing it again with
orjson takes 60.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, Final

from otelprov._record import record
from otelprov.journal.delivery import PREFIX, SUFFIX, Signal

LIMIT: Final = 4 << 20
"""Bytes of a request before compression: the smallest of what receivers take by default (gRPC's
4 MiB, behind many a Collector)."""
LARGEST_LINE: Final = 64 << 20
"""Bytes of a line that is still sent; the Collector (0.161) refuses more than 20 MiB."""

_SCOPES: Final[dict[Signal, bytes]] = {
    # A quote inside a JSON string is escaped, so these bytes stand nowhere but where they should.
    "traces": b',"scopeSpans":[',
    "logs": b',"scopeLogs":[',
}
_ROOM: Final = 64  # for what is put around the lines
_REQUEST_END: Final = SUFFIX.rstrip()
_RESOURCE_END: Final = b"]}"
_WHOLE: Final = _RESOURCE_END + _REQUEST_END
"""How a line of one resource ends."""


@record
class Item:
    """One line that is to be sent."""

    line: bytes
    """Without its newline."""
    end: int
    """Where it ends in the segment."""
    skipped: int
    """Lines since the one before that no request can be made of."""


@record
class Batch:
    """Some consecutive lines of a segment."""

    items: tuple[Item, ...]
    end: int
    """Where it ends in the segment."""
    skipped: int = 0
    """Torn and foreign lines after the last item."""
    refused: int = 0
    """1 for a line that is larger than any receiver takes."""


def read(
    file: BinaryIO, offset: int, signal: Signal, *, closed: bool, limit: int = LIMIT
) -> Batch | None:
    """The lines from ``offset`` on that make one request; None when there is no complete line.

    At the end of a ``closed`` segment an incomplete line is a torn one.

    Raises:
        OSError: the segment cannot be read.
    """
    file.seek(offset)
    limit -= _ROOM
    data = file.read(limit)
    cut = data.rfind(b"\n") + 1
    if not cut:
        if len(data) == limit:
            data += file.readline(LARGEST_LINE)
            if not data.endswith(b"\n"):
                return _beyond(file, offset, closed=closed)
            cut = len(data)
        elif data and closed:
            return Batch((), offset + len(data), skipped=1)
        else:
            return None
    prefix, others = PREFIX[signal], tuple(PREFIX.values())
    items: list[Item] = []
    skipped = 0
    end = offset
    for line in data[:cut].split(b"\n")[:-1]:
        end += len(line) + 1
        if line.startswith(prefix) and line.endswith(b"]}"):
            items.append(Item(line, end, skipped))
            skipped = 0
        elif line and not (line.startswith(others) and line.endswith(b"]}")):
            skipped += 1
    return Batch(tuple(items), end, skipped)


def join(lines: Sequence[bytes], signal: Signal) -> bytes:
    """One request of several lines.

    Neighbours of the same resource are put into one: each process writes its resource into every
    line, and the receiver would otherwise make as many groups.
    """
    prefix, scopes = PREFIX[signal], _SCOPES[signal]
    parts = [prefix]
    head = b""  # the line before up to its scopes, while a list of scopes is open
    for line in lines:
        whole = line.endswith(_WHOLE)
        if head and whole and line.startswith(head):
            rest = line[len(head) : -len(_WHOLE)]
            if scopes not in rest:
                parts += (b",", rest)
                continue
        if head:
            parts.append(_RESOURCE_END)
        if len(parts) > 1:
            parts.append(b",")
        place = line.find(scopes) + len(scopes)
        if whole and place >= len(scopes) and scopes not in line[place:]:
            head = line[:place]
            parts.append(line[len(prefix) : -len(_WHOLE)])
        else:
            head = b""
            parts.append(line[len(prefix) : -len(_REQUEST_END)])
    if head:
        parts.append(_RESOURCE_END)
    parts.append(_REQUEST_END)
    return b"".join(parts)


def _beyond(file: BinaryIO, offset: int, *, closed: bool) -> Batch | None:
    """A line over all limits is passed over, in parts, so that it is never held."""
    file.seek(offset)
    end = offset
    while part := file.readline(1 << 20):
        end += len(part)
        if part.endswith(b"\n"):
            return Batch((), end, refused=1)
    return Batch((), end, skipped=1) if closed else None

"""The read side of the journal: files into lines, lines into spans.

Nothing here is fatal. A line that is not a whole OTLP/JSON request is passed over and told as
:class:`Damage`, so that what surrounds it can still be read. A log record about an operation that
began, or whose call is over, is read as a span that is not complete.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from otelprov import semconv
from otelprov._record import record

Value = str | bool | int | float | list["Value"]
Attributes = Mapping[str, Value]


class Event(NamedTuple):
    """An event of a span; a tuple, since a walk makes thousands."""

    name: str
    attributes: Attributes


@record
class SpanLink:
    """A link of a span."""

    trace_id: str
    span_id: str
    attributes: Attributes = field(default_factory=dict)


class Span(NamedTuple):
    """A span as it was recorded, before anything is read into it.

    A tuple, since a walk makes thousands: a frozen dataclass of as many fields takes 3 times as
    long to make.

    ``start`` and ``end`` are nanoseconds since the epoch; ``end`` is 0 where only the beginning is
    recorded.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    start: int
    end: int
    service: str
    attributes: Attributes
    events: tuple[Event, ...] = ()
    links: tuple[SpanLink, ...] = ()
    failed: bool = False
    message: str | None = None
    pending: int | None = None
    """Of a call that is over and whose span is not written yet: artifacts without an id so far."""

    @property
    def rank(self) -> int:
        """How much is known: 0 its beginning, 1 that its call was over, 2 all."""
        return 0 if not self.end else 2 if self.pending is None else 1


@record
class Lost:
    """What a process could not write to the journal."""

    lines: int
    bytes: int
    reason: str
    time: int
    """When it was said, nanoseconds since the epoch."""


class Line(NamedTuple):
    """One line of a file, with its newline when it has one; a tuple, since there are millions."""

    offset: int
    number: int
    data: bytes
    """Empty where the line is longer than ``LONGEST``."""
    length: int
    complete: bool
    """Whether the line was written to its end."""


@record
class Damage:
    """A line that could not be read; ``line`` is 0 when it is the whole file."""

    file: Path
    line: int
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{place}: {self.reason}"


class DamagedLine(ValueError):
    """A line is not a request; the message says why."""


TORN = "the line was not written to its end"
LONGEST = 16 << 20
"""Bytes of a line that are read; a longer one is passed over."""
TOO_LONG = f"the line is longer than {LONGEST >> 20} MiB"

_PIECE = 1 << 20
_TIMES = 1 << 63  # what SQLite and the clocks of this world can hold


def files(directory: Path) -> list[Path]:
    """The journal's files, in the order of their names (which begin with their time).

    Raises:
        OSError: the directory cannot be read.
    """
    found = []
    for path in sorted(directory.iterdir()):
        if path.suffix != ".jsonl":
            continue
        try:
            if stat.S_ISREG(path.stat().st_mode):
                found.append(path)
        except OSError:  # gone since the directory was listed
            continue
    return found


def lines(path: Path, offset: int = 0, number: int = 0) -> Iterator[Line]:
    """The lines of a file from ``offset`` on; ``number`` lines lie before it.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        file.seek(offset)
        while data := file.readline(LONGEST):
            number += 1
            length = len(data)
            complete = data.endswith(b"\n")
            if not complete and length == LONGEST:
                data = b""
                while piece := file.readline(_PIECE):
                    length += len(piece)
                    complete = piece.endswith(b"\n")
                    if complete:
                        break
            yield Line(offset, number, data, length, complete)
            offset += length


def spans(data: bytes) -> list[Span]:
    """The spans of one line, those that are not complete among them.

    Raises:
        DamagedLine: the line is not an OTLP/JSON request.
    """
    return contents(data)[0]


def contents(data: bytes) -> tuple[list[Span], list[Lost]]:
    """What one line holds: spans, and what could not be written.

    Raises:
        DamagedLine: the line is not an OTLP/JSON ``ExportTraceServiceRequest`` or
            ``ExportLogsServiceRequest``.
    """
    try:
        if (own := own_messages(data)) is not None:
            service, messages = own
            return [_span(message, service) for message in messages], []
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        pass  # what follows says what is wrong with it
    try:
        request = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DamagedLine(f"not JSON ({error})") from None
    if isinstance(request, dict):
        if isinstance(request.get("resourceSpans"), list):
            return _trace_request(request["resourceSpans"]), []
        if isinstance(request.get("resourceLogs"), list):
            return _logs_request(request["resourceLogs"])
    raise DamagedLine("JSON, but not an OTLP request (no resourceSpans, no resourceLogs)")


def own_messages(data: bytes) -> tuple[str, list[Any]] | None:
    """Service and spans, in OTLP/JSON, of a line as this package writes it; None for others.

    What stands before the spans, a fifth of the line, is the same in all lines of a process: it is
    parsed once.

    Raises:
        ValueError: what stands between the first span and the end are not spans alone.
    """
    place = data.find(_BEFORE)
    if place < 0 or not data.endswith(_AFTER):
        return None
    frame = data[: place + len(_BEFORE)]
    service = _services.get(frame)
    if service is None:
        service = _service_of(frame)
        if service is None:
            return None
        if len(_services) >= _SERVICES:
            _services.clear()
        _services[frame] = service
    messages = orjson.loads(data[place + len(_BEFORE) - 1 : 1 - len(_AFTER)])
    return (service, messages) if type(messages) is list else None


_BEFORE, _AFTER = b'"spans":[', b"]}]}]}\n"
_SERVICES = 500  # processes and scopes; with 500 bytes for each
_services: dict[bytes, str] = {}
"""By what stands before the spans."""


def _service_of(frame: bytes) -> str | None:
    """The service, if one resource and one scope and nothing else stands before the spans."""
    try:
        request = orjson.loads(frame + _AFTER)
        (group,) = request["resourceSpans"]
        (scope,) = group["scopeSpans"]
        if scope["spans"] == []:
            return _service((group.get("resource") or {}).get("attributes"))
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    return None


def _trace_request(groups: list[Any]) -> list[Span]:
    found = []
    try:
        for group in groups:
            service = _service((group.get("resource") or {}).get("attributes"))
            for scope in group.get("scopeSpans") or ():
                for message in scope.get("spans") or ():
                    found.append(_span(message, service))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise DamagedLine(f"an OTLP trace request with a span that is not one ({detail})") from None
    return found


def _logs_request(groups: list[Any]) -> tuple[list[Span], list[Lost]]:
    found: list[Span] = []
    lost: list[Lost] = []
    try:
        for group in groups:
            service = _service((group.get("resource") or {}).get("attributes"))
            for scope in group.get("scopeLogs") or ():
                for message in scope.get("logRecords") or ():
                    event = message.get("eventName")
                    if event in (semconv.STARTED, semconv.RETURNED):
                        found.append(_incomplete(message, event, service))
                    elif event == semconv.JOURNAL_LOST:
                        lost.append(_lost(message))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise DamagedLine(
            f"an OTLP logs request with a record that is not one ({detail})"
        ) from None
    return found, lost


def _incomplete(message: dict[str, Any], event: str, service: str) -> Span:
    """A span out of a log record about it."""
    attributes = _attributes(message.get("attributes"))
    used = attributes.pop(semconv.OPERATION_USED, None)
    made = attributes.pop(semconv.OPERATION_GENERATED, None)
    error = attributes.pop(semconv.OPERATION_ERROR, None)
    parent = attributes.pop(semconv.OPERATION_PARENT, None)
    returned = event == semconv.RETURNED
    end = attributes.pop(semconv.OPERATION_END, 0)
    pending = attributes.pop(semconv.OPERATION_PENDING, 0)
    return Span(
        trace_id=_hex(message["traceId"], 32),
        span_id=_hex(message["spanId"], 16),
        parent_span_id=str(parent) if parent else None,
        name=str(attributes.pop(semconv.OPERATION_NAME, "")),
        start=_time(attributes.pop(semconv.OPERATION_START, 0)),
        end=_time(end) if returned else 0,
        service=service,
        attributes=attributes,
        events=(*_edges(semconv.USED, used), *_edges(semconv.GENERATED, made)),
        failed=error is not None or semconv.ERROR_TYPE in attributes,
        message=None if error is None else str(error),
        pending=int(str(pending)) if returned else None,
    )


def _edges(name: str, artifacts: Value | None) -> Iterator[Event]:
    for text in artifacts if isinstance(artifacts, list) else ():
        yield Event(name, orjson.loads(str(text)))  # as `_value` gives a map


def _lost(message: dict[str, Any]) -> Lost:
    attributes = _attributes(message.get("attributes"))
    return Lost(
        lines=_time(attributes.get(semconv.LOST_LINES, 0)),
        bytes=_time(attributes.get(semconv.LOST_BYTES, 0)),
        reason=str(attributes.get(semconv.LOST_REASON, "")),
        time=_time(message.get("timeUnixNano")),
    )


def attributes(pairs: Any) -> dict[str, Value]:
    """Attributes out of the pairs that OTLP/JSON has.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: they are not such pairs.
    """
    return _attributes(pairs)


def ids(message: dict[str, Any]) -> tuple[str, str]:
    """Trace and span id of a span in OTLP/JSON.

    Raises:
        KeyError, ValueError: they are not there, or not such ids.
    """
    return _hex(message["traceId"], 32), _hex(message["spanId"], 16)


def times(message: dict[str, Any]) -> tuple[int, int]:
    """Start and end of a span in OTLP/JSON, nanoseconds since the epoch.

    Raises:
        TypeError, ValueError: they are not such times.
    """
    return _time(message.get("startTimeUnixNano")), _time(message.get("endTimeUnixNano"))


def _span(message: dict[str, Any], service: str) -> Span:
    status = message.get("status") or {}
    trace_id, span_id = ids(message)
    start, end = times(message)
    return Span(
        trace_id,
        span_id,
        message.get("parentSpanId") or None,
        str(message.get("name", "")),
        start,
        end,
        service,
        _attributes(message.get("attributes")),
        tuple(
            [
                Event(str(event.get("name", "")), _attributes(event.get("attributes")))
                for event in message.get("events") or ()
            ]
        ),
        tuple(
            [
                SpanLink(
                    _hex(link["traceId"], 32),
                    _hex(link["spanId"], 16),
                    _attributes(link.get("attributes")),
                )
                for link in message.get("links") or ()
            ]
        ),
        # The protobuf JSON mapping allows the number and the name of an enum.
        status.get("code") in (2, "STATUS_CODE_ERROR"),
        status.get("message") or None,
    )


def _service(attributes: Any) -> str:
    name = _attributes(attributes).get("service.name")
    return name if isinstance(name, str) else "unknown_service"


def _hex(text: Any, digits: int) -> str:
    if not isinstance(text, str) or len(text) != digits:
        raise ValueError(f"{text!r} is not an id of {digits} hex digits")
    int(text, 16)
    return text.lower()


def _time(value: Any) -> int:
    number = int(value or 0)
    if not 0 <= number < _TIMES:
        raise ValueError(f"{number} is out of range")
    return number


def _attributes(pairs: Any) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for pair in pairs or ():
        key = pair["key"]
        content = pair.get("value") or _NOTHING
        # Nearly all values are texts: this is a third of the time that reading takes.
        if "stringValue" in content and type(text := content["stringValue"]) is str:
            found[key if type(key) is str else str(key)] = text
        elif (value := _value(content)) is not None:
            found[key if type(key) is str else str(key)] = value
    return found


_NOTHING: dict[str, Any] = {}


def _value(value: dict[str, Any]) -> Value | None:
    for key, content in value.items():
        if key == "intValue":
            return int(content)
        if key == "doubleValue":
            return float(content)  # also "NaN", "Infinity" and "-Infinity"
        if key == "boolValue":
            return bool(content)
        if key in ("stringValue", "bytesValue"):
            return str(content)
        if key == "arrayValue":
            items = (_value(item) for item in (content or {}).get("values") or ())
            return [item for item in items if item is not None]
        if key == "kvlistValue":
            return orjson.dumps(_attributes((content or {}).get("values"))).decode()
    return None

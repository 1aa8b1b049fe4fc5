"""The read side of the journal: files into lines, lines into spans.

Nothing here is fatal. A line that is not a whole OTLP/JSON trace request is passed over and told
as :class:`Damage`, so that what surrounds it can still be read.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

Value = str | bool | int | float | list["Value"]
Attributes = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a span."""

    name: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A link of a span."""

    trace_id: str
    span_id: str
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """A span as it was recorded, before anything is read into it.

    ``start`` and ``end`` are nanoseconds since the epoch; ``end`` is 0 while the span goes on.
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


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file, with its newline when it has one."""

    offset: int
    number: int
    data: bytes

    @property
    def complete(self) -> bool:
        """Whether the line was written to its end."""
        return self.data.endswith(b"\n")


@dataclass(frozen=True, slots=True)
class Damage:
    """A line that could not be read; ``line`` is 0 when it is the whole file."""

    file: Path
    line: int
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{place}: {self.reason}"


class DamagedLine(ValueError):
    """A line is not a trace request; the message says why."""


TORN = "the line was not written to its end"


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
        for data in file:
            number += 1
            yield Line(offset, number, data)
            offset += len(data)


def spans(data: bytes) -> list[Span]:
    """The spans of one line; a line of log records has none.

    Raises:
        DamagedLine: the line is not an OTLP/JSON ``ExportTraceServiceRequest``.
    """
    try:
        request = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DamagedLine(f"not JSON ({error})") from None
    if isinstance(request, dict) and request.get("resourceLogs"):
        return []
    if not isinstance(request, dict) or not isinstance(request.get("resourceSpans"), list):
        raise DamagedLine("JSON, but not an OTLP trace request (no resourceSpans)")
    found = []
    try:
        for group in request["resourceSpans"]:
            service = _service((group.get("resource") or {}).get("attributes"))
            for scope in group.get("scopeSpans") or ():
                for message in scope.get("spans") or ():
                    found.append(_span(message, service))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise DamagedLine(f"an OTLP trace request with a span that is not one ({detail})") from None
    return found


def _span(message: dict[str, Any], service: str) -> Span:
    status = message.get("status") or {}
    return Span(
        trace_id=_hex(message["traceId"], 32),
        span_id=_hex(message["spanId"], 16),
        parent_span_id=message.get("parentSpanId") or None,
        name=str(message.get("name", "")),
        start=int(message.get("startTimeUnixNano") or 0),
        end=int(message.get("endTimeUnixNano") or 0),
        service=service,
        attributes=_attributes(message.get("attributes")),
        events=tuple(
            Event(str(event.get("name", "")), _attributes(event.get("attributes")))
            for event in message.get("events") or ()
        ),
        links=tuple(
            SpanLink(
                _hex(link["traceId"], 32),
                _hex(link["spanId"], 16),
                _attributes(link.get("attributes")),
            )
            for link in message.get("links") or ()
        ),
        # The protobuf JSON mapping allows the number and the name of an enum.
        failed=status.get("code") in (2, "STATUS_CODE_ERROR"),
        message=status.get("message") or None,
    )


def _service(attributes: Any) -> str:
    name = _attributes(attributes).get("service.name")
    return name if isinstance(name, str) else "unknown_service"


def _hex(text: Any, digits: int) -> str:
    if not isinstance(text, str) or len(text) != digits:
        raise ValueError(f"{text!r} is not an id of {digits} hex digits")
    int(text, 16)
    return text.lower()


def _attributes(pairs: Any) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for pair in pairs or ():
        value = _value(pair.get("value") or {})
        if value is not None:
            found[str(pair["key"])] = value
    return found


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

"""The journal's line of one of otelprov's own spans, put together from parts encoded before.

Most of what a span says is the same in thousands of spans: the resource, the code version, the
defaults of a function, the place of a call. It is encoded once and copied into each line. The lines
are what ``otlp.LineEncoder`` gives for the same span, in another order of keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import DEFAULT_TRACE_STATE, SpanContext

from otelprov.journal import otlp


class Part:
    """Attributes that go into spans together. The encoding is made when it is first needed."""

    __slots__ = ("_encoded", "attributes")

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.attributes = attributes
        self._encoded: bytes | None = None

    @property
    def encoded(self) -> bytes:
        """``{"key":…,"value":…},{…}``: without brackets around it."""
        if self._encoded is None:
            self._encoded = otlp.encoded_attributes(self.attributes)
        return self._encoded


class Frame:
    """What stands before and after a span in its line: the resource and the scope."""

    __slots__ = ("logs", "spans")

    def __init__(self, resource: Resource, scope: InstrumentationScope | None) -> None:
        origin = otlp.line(otlp.resource(resource))[:-1]
        scoped = otlp.line(otlp.scope(scope))[:-1]
        self.spans = b'{"resourceSpans":[{"resource":%b,"scopeSpans":[{"scope":%b,"spans":[' % (
            origin,
            scoped,
        )
        self.logs = b'{"resourceLogs":[{"resource":%b,"scopeLogs":[{"scope":%b,"logRecords":[' % (
            origin,
            scoped,
        )


END = b"]}]}]}\n"


def span_line(
    frame: Frame,
    context: SpanContext,
    parent: SpanContext | None,
    *,
    name: str,
    kind: int,
    start: int,
    end: int,
    attributes: Iterable[bytes],
    events: Sequence[tuple[str, int, Part]] = (),
    links: Sequence[tuple[SpanContext, Mapping[str, Any]]] = (),
    status: tuple[int, str | None] = (0, None),
    dropped: tuple[int, int, int] = (0, 0, 0),
) -> bytes:
    """One line, newline included.

    ``kind`` and the number in ``status`` are those of OTLP; times are nanoseconds since the epoch.
    Attributes come encoded, as in ``Part``; an event is its name, time and ``Part``, a link the
    context and attributes. ``dropped`` counts attributes, events and links.
    """
    trace_id, span_id, _, trace_flags, trace_state, _ = context  # a tuple: no property is asked
    above, is_remote = (None, False) if parent is None else parent[1:3]
    flags = trace_flags | (0x300 if is_remote else 0x100)
    before, after, rest = _around(trace_id, above, flags, kind, name)
    parts = [
        frame.spans,
        f'{before}{span_id:016x}{after}{start}","endTimeUnixNano":"{end}{rest}'.encode(),
        b",".join(filter(None, attributes)),
    ]
    if events:
        opening = b""
        said, at = "", -1
        between = '],"events":['
        for event, time, part in events:
            if time != at or event != said:  # all that was used has one time, and all that was made
                said, at = event, time
                text = f'{{"timeUnixNano":"{time}","name":{_encoded_name(event)},"attributes":['
                parts.append(f"{between}{text}".encode())
                between = "]},"
                opening = f"]}},{text}".encode()
            else:
                parts.append(opening)
            parts.append(part.encoded)
        parts.append(b"]}]")
    else:
        parts.append(b"]")
    if links:
        linked = [
            b'{"traceId":"%032x","spanId":"%016x","attributes":[%b]}'
            % (to.trace_id, to.span_id, otlp.encoded_attributes(own))
            for to, own in links
        ]
        parts += (b',"links":[', b",".join(linked), b"]")
    if trace_state is not DEFAULT_TRACE_STATE and trace_state:  # it has a length of its own
        parts += (b',"traceState":', otlp.encoded_text(trace_state.to_header()))
    code, message = status
    if message:
        parts.append(b',"status":{"code":%d,"message":%b}' % (code, otlp.encoded_text(message)))
    else:
        parts.append(b',"status":{"code":%d}' % code if code else b',"status":{}')
    if dropped != (0, 0, 0):
        for key, number in zip(("Attributes", "Events", "Links"), dropped, strict=True):
            parts.append(f',"dropped{key}Count":{number}'.encode())
    parts += (b"}", END)
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _encoded_name(name: str) -> str:
    return otlp.encoded_text(name).decode()


@lru_cache(maxsize=256)
def _around(
    trace_id: int, above: int | None, flags: int, kind: int, name: str
) -> tuple[str, str, str]:
    """What stands before a span's id, between that and its start, and after its end: the same for
    all spans of a loop."""
    parent = "" if above is None else f'"parentSpanId":"{above:016x}",'
    return (
        f'{{"traceId":"{trace_id:032x}","spanId":"',
        f'",{parent}"flags":{flags},"kind":{kind},"startTimeUnixNano":"',
        f'","name":{_encoded_name(name)},"attributes":[',
    )


def log_line(
    frame: Frame,
    context: SpanContext,
    event_name: str,
    *,
    name: str,
    time: int,
    attributes: Iterable[bytes],
) -> bytes:
    """One line, newline included: a log record about a span of this ``name``, as
    ``otlp.LineEncoder.log_line`` makes it."""
    return b"".join(
        (
            frame.logs,
            (
                f'{{"timeUnixNano":"{time}","severityNumber":{otlp.INFO},'
                f'"flags":{int(context.trace_flags)},"traceId":"{context.trace_id:032x}",'
                f'"spanId":"{context.span_id:016x}","eventName":"{event_name}",'
                '"body":{"stringValue":'
            ).encode(),
            otlp.encoded_text(otlp.body(name, event_name)),
            b'},"attributes":[',
            b",".join(filter(None, attributes)),
            b"]}",
            END,
        )
    )

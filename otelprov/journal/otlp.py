"""A span, or a log record about one, as one line of OTLP/JSON.

The format is the protobuf JSON mapping with OpenTelemetry's exception for ids (lowercase hex), as
in https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. A line is one whole
``ExportTraceServiceRequest`` or ``ExportLogsServiceRequest``, so the Collector's otlpjsonfile
receiver reads the journal too.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind

from otelprov import semconv

Json = dict[str, Any]

INFO = 9  # SeverityNumber, OpenTelemetry's data model for logs

_KIND = {
    SpanKind.INTERNAL: 1,
    SpanKind.SERVER: 2,
    SpanKind.CLIENT: 3,
    SpanKind.PRODUCER: 4,
    SpanKind.CONSUMER: 5,
}


class LineEncoder:
    """Encodes spans; keeps the resource, which is the same for the whole process."""

    def __init__(self, clean: Callable[[Any], Any] | None = None) -> None:
        """``clean`` takes the secrets out of a message, in place."""
        self._clean = clean
        self._resource: tuple[Resource, Json] | None = None

    def encode(self, span: ReadableSpan) -> bytes:
        """One line, newline included."""
        message = encode_span(span)
        if self._clean is not None:
            self._clean(message)
        request = {
            "resourceSpans": [
                {
                    "resource": self._encode_resource(span.resource),
                    "scopeSpans": [
                        {"scope": scope(span.instrumentation_scope), "spans": [message]}
                    ],
                }
            ]
        }
        return line(request)

    @property
    def resource(self) -> Json | None:
        """The ``Resource`` message of the last line; None before the first."""
        return None if self._resource is None else self._resource[1]

    def log_line(
        self, span: ReadableSpan, event_name: str, attributes: Mapping[str, Any] | None = None
    ) -> bytes:
        """One line, newline included: a log record about a span that is not in the journal yet.

        ``event_name`` is ``semconv.STARTED`` or ``semconv.RETURNED``. The record has the span's
        trace and span id, its attributes as they are now, its name, parent and times as
        ``otelprov.operation.*``, and then ``attributes``. Its time is that of the span's end, or
        of its start while the span goes on.
        """
        message = encode_log(span, event_name, attributes or {})
        if self._clean is not None:
            self._clean(message)
        request = {
            "resourceLogs": [
                {
                    "resource": self._encode_resource(span.resource),
                    "scopeLogs": [
                        {
                            "scope": scope(span.instrumentation_scope),
                            "logRecords": [message],
                        }
                    ],
                }
            ]
        }
        return line(request)

    def _encode_resource(self, origin: Resource) -> Json:
        if self._resource is None or self._resource[0] is not origin:
            message = resource(origin)
            if self._clean is not None:
                self._clean(message)
            self._resource = (origin, message)
        return self._resource[1]


def encode_span(span: ReadableSpan) -> Json:
    """The ``Span`` message of one ended span."""
    context = span.get_span_context()
    assert context is not None
    message: Json = {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "flags": flags(context, span.parent),
        "name": span.name,
        "kind": _KIND[span.kind],
        "startTimeUnixNano": str(span.start_time or 0),
        "endTimeUnixNano": str(span.end_time or 0),
        "attributes": _attributes(span.attributes),
        "status": _status(span),
    }
    if span.parent is not None:
        message["parentSpanId"] = f"{span.parent.span_id:016x}"
    if context.trace_state:
        message["traceState"] = context.trace_state.to_header()
    if span.events:
        message["events"] = [
            {
                "timeUnixNano": str(event.timestamp),
                "name": event.name,
                "attributes": _attributes(event.attributes),
            }
            for event in span.events
        ]
    if span.links:
        message["links"] = [
            {
                "traceId": f"{link.context.trace_id:032x}",
                "spanId": f"{link.context.span_id:016x}",
                "attributes": _attributes(link.attributes),
            }
            for link in span.links
        ]
    for key, dropped in (
        ("droppedAttributesCount", span.dropped_attributes),
        ("droppedEventsCount", span.dropped_events),
        ("droppedLinksCount", span.dropped_links),
    ):
        if dropped:
            message[key] = dropped
    return message


def encode_log(span: ReadableSpan, event_name: str, attributes: Mapping[str, Any]) -> Json:
    """The ``LogRecord`` message about a span; see ``LineEncoder.log_line``."""
    context = span.get_span_context()
    assert context is not None
    return {
        "timeUnixNano": str(
            attributes.get(semconv.OPERATION_END, span.end_time) or span.start_time
        ),
        "severityNumber": INFO,
        "body": {"stringValue": body(span.name, event_name)},
        "attributes": _attributes({**(span.attributes or {}), **about(span), **attributes}),
        "flags": int(context.trace_flags),
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "eventName": event_name,
    }


def body(name: str, event_name: str) -> str:
    """The text of a log record for people: ``pandas.to_parquet started``."""
    return f"{name} {event_name.rpartition('.')[2]}"


def about(span: ReadableSpan) -> dict[str, str | int]:
    """What a log record says of a span that is no attribute there."""
    found: dict[str, str | int] = {semconv.OPERATION_NAME: span.name}
    if span.parent is not None:
        found[semconv.OPERATION_PARENT] = f"{span.parent.span_id:016x}"
    found[semconv.OPERATION_START] = span.start_time or 0
    if span.end_time is not None:
        found[semconv.OPERATION_END] = span.end_time
    if span.status.description:
        found[semconv.OPERATION_ERROR] = span.status.description
    return found


def flags(context: SpanContext, parent: SpanContext | None) -> int:
    """The low byte holds the W3C trace flags; bits 8 and 9 say whether the parent is remote."""
    remote = 0x100 | (0x200 if parent is not None and parent.is_remote else 0)
    return int(context.trace_flags) | remote


def _status(span: ReadableSpan) -> Json:
    status: Json = {}
    if span.status.status_code.value:
        status["code"] = span.status.status_code.value
    if span.status.description:
        status["message"] = span.status.description
    return status


def resource(origin: Resource) -> Json:
    """The ``Resource`` message."""
    return {"attributes": _attributes(origin.attributes)}


def scope(origin: InstrumentationScope | None) -> Json:
    """The ``InstrumentationScope`` message."""
    if origin is None:
        return {}
    message: Json = {"name": origin.name}
    if origin.version:
        message["version"] = origin.version
    return message


def encoded_attributes(attributes: Mapping[str, Any]) -> bytes:
    """Attributes as the inside of a JSON list: without brackets around it."""
    return line(_attributes(attributes))[1:-2]


def encoded_text(text: str) -> bytes:
    """A text as JSON."""
    return line(text)[:-1]


def line(message: Any) -> bytes:
    """A message as JSON, newline included."""
    try:
        return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return orjson.dumps(_utf8(message), option=orjson.OPT_APPEND_NEWLINE)


def _utf8(message: Any) -> Any:
    """A lone surrogate (a file name that is not UTF-8) has no UTF-8 form, and protobuf strings must
    be UTF-8: it is written as the escape that Python shows."""
    if isinstance(message, str):
        return message.encode("utf-8", "backslashreplace").decode()
    if isinstance(message, list):
        return [_utf8(item) for item in message]
    if isinstance(message, dict):
        return {_utf8(key): _utf8(value) for key, value in message.items()}
    return message


def _attributes(attributes: Mapping[str, Any] | None) -> list[Json]:
    if not attributes:
        return []
    return [
        {"key": key, "value": {"stringValue": value}}
        if type(value) is str  # nearly always
        else {"key": key, "value": {"intValue": str(value)}}
        if type(value) is int
        else {"key": key, "value": _value(value)}
        for key, value in attributes.items()
    ]


def _value(value: Any) -> Json:
    if value is True or value is False:
        return {"boolValue": value}
    if isinstance(value, str):
        return {"stringValue": str.__str__(value)}
    if type(value) is list:
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    if isinstance(value, int):
        return {"intValue": str(int(value))}
    if isinstance(value, float):
        if math.isfinite(value):
            return {"doubleValue": float(value)}
        return {
            "doubleValue": "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
        }
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": _attributes(value)}}
    if isinstance(value, Sequence):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {}

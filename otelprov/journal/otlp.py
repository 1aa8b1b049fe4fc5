"""A span, or a log record about one, as one line of OTLP/JSON.

The format is the protobuf JSON mapping with OpenTelemetry's exception for ids (lowercase hex), as
in https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. A line is one whole
``ExportTraceServiceRequest`` or ``ExportLogsServiceRequest``, so the Collector's otlpjsonfile
receiver reads the journal too.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind

from otelprov import semconv

Json = dict[str, Any]

_KIND = {
    SpanKind.INTERNAL: 1,
    SpanKind.SERVER: 2,
    SpanKind.CLIENT: 3,
    SpanKind.PRODUCER: 4,
    SpanKind.CONSUMER: 5,
}


class LineEncoder:
    """Encodes spans; keeps the resource, which is the same for the whole process."""

    def __init__(self) -> None:
        self._resource: tuple[Resource, Json] | None = None

    def encode(self, span: ReadableSpan) -> bytes:
        """One line, newline included."""
        scope = span.instrumentation_scope
        request = {
            "resourceSpans": [
                {
                    "resource": self._encode_resource(span.resource),
                    "scopeSpans": [{"scope": _scope(scope), "spans": [encode_span(span)]}],
                }
            ]
        }
        return orjson.dumps(request, option=orjson.OPT_APPEND_NEWLINE)

    def log_line(
        self, span: ReadableSpan, event_name: str, attributes: Mapping[str, Any] | None = None
    ) -> bytes:
        """One line, newline included: a log record about a span that is not in the journal yet.

        ``event_name`` is ``semconv.STARTED`` or ``semconv.RETURNED``. The record has the span's
        trace and span id, its attributes as they are now, its name, parent and times as
        ``otelprov.operation.*``, and then ``attributes``. Its time is that of the span's end, or
        of its start while the span goes on.
        """
        request = {
            "resourceLogs": [
                {
                    "resource": self._encode_resource(span.resource),
                    "scopeLogs": [
                        {
                            "scope": _scope(span.instrumentation_scope),
                            "logRecords": [encode_log(span, event_name, attributes or {})],
                        }
                    ],
                }
            ]
        }
        return orjson.dumps(request, option=orjson.OPT_APPEND_NEWLINE)

    def _encode_resource(self, resource: Resource) -> Json:
        if self._resource is None or self._resource[0] is not resource:
            self._resource = (resource, {"attributes": _attributes(resource.attributes)})
        return self._resource[1]


def encode_span(span: ReadableSpan) -> Json:
    """The ``Span`` message of one ended span."""
    context = span.get_span_context()
    assert context is not None
    message: Json = {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "flags": _flags(context, span.parent),
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
        "timeUnixNano": str(span.end_time or span.start_time or 0),
        "severityNumber": 9,  # INFO
        "body": {"stringValue": f"{span.name} {event_name.rpartition('.')[2]}"},
        "attributes": _attributes({**(span.attributes or {}), **about(span), **attributes}),
        "flags": int(context.trace_flags),
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "eventName": event_name,
    }


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


def _flags(context: SpanContext, parent: SpanContext | None) -> int:
    # Bits 8 and 9 say whether the parent is remote; the low byte holds the W3C trace flags.
    remote = 0x100 | (0x200 if parent is not None and parent.is_remote else 0)
    return int(context.trace_flags) | remote


def _status(span: ReadableSpan) -> Json:
    status: Json = {}
    if span.status.status_code.value:
        status["code"] = span.status.status_code.value
    if span.status.description:
        status["message"] = span.status.description
    return status


def _scope(scope: InstrumentationScope | None) -> Json:
    if scope is None:
        return {}
    message: Json = {"name": scope.name}
    if scope.version:
        message["version"] = scope.version
    return message


def _attributes(attributes: Mapping[str, Any] | None) -> list[Json]:
    return [{"key": key, "value": _value(value)} for key, value in (attributes or {}).items()]


def _value(value: Any) -> Json:
    if isinstance(value, str):
        # A lone surrogate (a file name that is not UTF-8) has no UTF-8 form, and protobuf
        # strings must be UTF-8: it is written as the escape that Python shows.
        return {
            "stringValue": value
            if _is_utf8(value)
            else value.encode("utf-8", "backslashreplace").decode()
        }
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        if math.isfinite(value):
            return {"doubleValue": value}
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


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

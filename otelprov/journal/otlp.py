"""An ended span as one line of OTLP/JSON.

The format is the protobuf JSON mapping with OpenTelemetry's exception for ids (lowercase hex), as
in https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. A line is one whole
``ExportTraceServiceRequest``, so the Collector's otlpjsonfile receiver reads the journal too.
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

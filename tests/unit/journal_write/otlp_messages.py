"""Lines of the journal as OpenTelemetry's own protobuf messages."""

from __future__ import annotations

import base64
import json
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_IDS = ("traceId", "spanId", "parentSpanId")


def trace_request(line: bytes) -> ExportTraceServiceRequest:
    """The request that a line is.

    Raises:
        json_format.ParseError: it is none.
    """
    return json_format.Parse(_with_base64_ids(line), ExportTraceServiceRequest())


def logs_request(line: bytes) -> ExportLogsServiceRequest:
    """The request that a line is.

    Raises:
        json_format.ParseError: it is none.
    """
    return json_format.Parse(_with_base64_ids(line), ExportLogsServiceRequest())


def _with_base64_ids(line: bytes) -> str:
    """OTLP/JSON writes ids in hex, the protobuf mapping in base64; all else is the same."""
    assert line.endswith(b"]}\n")
    assert line.count(b"\n") == 1
    return json.dumps(_converted(json.loads(line)))


def _converted(value: Any) -> Any:
    if isinstance(value, list):
        return [_converted(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(item)).decode() if key in _IDS else _converted(item)
        for key, item in value.items()
    }

"""Log records about spans that are not in the journal yet."""

from __future__ import annotations

from typing import Any

import otlp_messages
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import Status, StatusCode

from otelprov import semconv
from otelprov.journal import reader
from otelprov.journal.otlp import LineEncoder

TRACER = TracerProvider().get_tracer("otelprov.test", "1.0")


def plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind or "string_value")


def record(span: Any, event: str, more: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
    assert isinstance(span, ReadableSpan)
    line = LineEncoder().log_line(span, event, more)
    assert line.startswith(b'{"resourceLogs":[')
    (resource,) = otlp_messages.logs_request(line).resource_logs
    (scope,) = resource.scope_logs
    assert (scope.scope.name, scope.scope.version) == ("otelprov.test", "1.0")
    (found,) = scope.log_records
    return found, {pair.key: plain(pair.value) for pair in found.attributes}


def test_a_started_record_says_what_is_known_of_a_span_that_goes_on() -> None:
    with TRACER.start_as_current_span("outer") as outer:
        span = TRACER.start_span("inner", attributes={"size": 3, "name": "a"}, start_time=5_000)
    found, attributes = record(span, semconv.STARTED)
    context = span.get_span_context()
    assert found.trace_id == context.trace_id.to_bytes(16, "big")
    assert found.span_id == context.span_id.to_bytes(8, "big")
    assert found.event_name == "otelprov.operation.started"
    assert found.time_unix_nano == 5_000
    assert found.flags == int(context.trace_flags)
    assert found.body.string_value == "inner started"
    assert attributes == {
        "size": 3,
        "name": "a",
        semconv.OPERATION_NAME: "inner",
        semconv.OPERATION_PARENT: f"{outer.get_span_context().span_id:016x}",
        semconv.OPERATION_START: 5_000,
    }


def test_a_returned_record_says_when_the_call_ended_and_which_ids_are_known() -> None:
    span = TRACER.start_span("op", start_time=5_000)
    span.set_status(Status(StatusCode.ERROR, "KeyError: 'a'"))
    span.end(9_000)
    used = [{semconv.USED_ID: "file:00", semconv.ARTIFACT_ROLE: "path"}]
    more = {semconv.OPERATION_USED: used, semconv.OPERATION_PENDING: 1}
    found, attributes = record(span, semconv.RETURNED, more)
    assert found.time_unix_nano == 9_000
    assert attributes == {
        semconv.OPERATION_NAME: "op",
        semconv.OPERATION_START: 5_000,
        semconv.OPERATION_END: 9_000,
        semconv.OPERATION_ERROR: "KeyError: 'a'",
        semconv.OPERATION_USED: used,
        semconv.OPERATION_PENDING: 1,
    }


@pytest.mark.parametrize("event", [semconv.STARTED, semconv.RETURNED])
def test_who_reads_spans_gets_one_that_goes_on(event: str) -> None:
    started: Any = TRACER.start_span("op", start_time=5_000)
    (span,) = reader.spans(LineEncoder().log_line(started, event))
    assert (span.name, span.start, span.end) == ("op", 5_000, 0)
    assert span.span_id == f"{started.get_span_context().span_id:016x}"

"""The span of an operation: in the journal, for other span processors, and for the user's code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import otlp_messages
import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    StaticSampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

from otelprov import semconv
from otelprov.journal.lines import Part
from otelprov.journal.otlp import LineEncoder
from otelprov.journal.processor import JournalProcessor
from otelprov.journal.writer import JournalWriter
from otelprov.recording.span import ForeignSpan, OperationSpan, SpanSource

ELSEWHERE = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))


class Stage:
    """A provider with a journal in front and an exporter behind."""

    def __init__(self, folder: Path, *processors: SpanProcessor, **options: Any) -> None:
        self.provider = TracerProvider(**options)
        self.journal = JournalProcessor(JournalWriter(folder))
        self.provider.add_span_processor(self.journal)
        for processor in processors:
            self.provider.add_span_processor(processor)
        self.exporter = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("otelprov.test", "1.2")
        self.source = SpanSource(self.tracer, self.journal)
        self.folder = folder

    def start(self, context: Context | None = None, kind: SpanKind = SpanKind.INTERNAL) -> Any:
        return self.source.start("op", kind, context, 5_000)

    @property
    def lines(self) -> list[bytes]:
        return [
            line for path in self.folder.glob("*.jsonl") for line in path.read_bytes().splitlines()
        ]

    @property
    def spans(self) -> list[dict[str, Any]]:
        requests = [json.loads(line) for line in self.lines]
        return [one["resourceSpans"][0]["scopeSpans"][0]["spans"][0] for one in requests]

    @property
    def exported(self) -> Sequence[ReadableSpan]:
        return self.exporter.get_finished_spans()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


VALUES = {
    "text": 'a "quoted" text, ünïcödé \n\x00',
    "not UTF-8": "caf\udce9",
    "whole": -(2**63),
    "real": 0.1,
    "infinite": float("-inf"),
    "true": True,
    "names": ["a", "b"],
    "numbers": (1, 2),
    "nothing": [],
}


def fill(span: OperationSpan) -> None:
    span.describe(Part(VALUES))
    span.describe(Part({}))
    span.describe(Part({"more": "x"}))
    span.say("otelprov.used", {"otelprov.used.id": "file:00", "rows": 3}, 6_000)
    span.say("otelprov.generated", VALUES, 7_000)
    span.point(ELSEWHERE, {"otelprov.used.id": "file:00"})


def add(span: trace.Span) -> None:
    span.set_attribute("own", 1)
    span.set_attributes({"text": "changed", "list": ["x"]})
    span.add_event("happened", {"a": 1})
    span.add_link(ELSEWHERE, {"b": 2})
    span.update_name("renamed")


@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("failed", [False, True])
@pytest.mark.parametrize("parent", [None, ELSEWHERE, SpanContext(5, 6, is_remote=False)])
def test_the_line_is_what_the_encoder_makes_of_any_span(
    stage: Stage, added: bool, failed: bool, parent: SpanContext | None
) -> None:
    context = None if parent is None else trace.set_span_in_context(NonRecordingSpan(parent))
    span = stage.start(context, SpanKind.CLIENT)
    assert isinstance(span, OperationSpan)
    fill(span)
    if added:
        add(span)
    if failed:
        span.fail("KeyError: 'ä'")
    span.finish(9_000)
    fast, generic = span.line(), LineEncoder().encode(span)
    assert b'"kind":3' in fast
    assert otlp_messages.trace_request(fast) == otlp_messages.trace_request(generic)
    assert stage.lines == [fast.rstrip(b"\n")]


@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("failed", [False, True])
@pytest.mark.parametrize("parent", [None, ELSEWHERE])
def test_the_line_of_a_log_record_is_what_the_encoder_makes_of_any_span(
    stage: Stage, added: bool, failed: bool, parent: SpanContext | None
) -> None:
    context = None if parent is None else trace.set_span_in_context(NonRecordingSpan(parent))
    span = stage.start(context)
    fill(span)
    if added:
        add(span)
    if failed:
        span.fail("KeyError: 'ä'")
    for event, more in (
        (semconv.STARTED, {}),
        (semconv.RETURNED, {semconv.OPERATION_END: 9_000, semconv.OPERATION_USED: [VALUES]}),
    ):
        stage.journal.note(span, event, more)
        fast, generic = stage.lines[-1] + b"\n", LineEncoder().log_line(span, event, more)
        assert otlp_messages.logs_request(fast) == otlp_messages.logs_request(generic)


def test_a_line_begins_and_ends_so_that_lines_can_be_joined(stage: Stage) -> None:
    stage.start().finish(9_000)
    stage.start().finish(9_000)
    one, other = stage.lines
    head = b'{"resourceSpans":['
    joined = head + b",".join(line[len(head) : -2] for line in (one, other)) + b"]}\n"
    assert len(otlp_messages.trace_request(joined).resource_spans) == 2


def test_other_processors_see_a_whole_span(stage: Stage) -> None:
    span = stage.start(trace.set_span_in_context(NonRecordingSpan(ELSEWHERE)))
    fill(span)
    add(span)
    span.fail("ValueError: no")
    span.finish(9_000)
    (found,) = stage.exported
    assert isinstance(found, Span)
    assert (found.name, found.kind, found.parent) == ("renamed", SpanKind.INTERNAL, ELSEWHERE)
    assert found.context == span.get_span_context()
    assert (found.start_time, found.end_time) == (5_000, 9_000)
    assert dict(found.attributes or {}) == {
        **{name: tuple(it) if isinstance(it, list) else it for name, it in VALUES.items()},
        "more": "x", "own": 1, "text": "changed", "list": ("x",),
    }  # fmt: skip
    assert [event.name for event in found.events] == [
        "happened", "otelprov.used", "otelprov.generated",
    ]  # fmt: skip
    assert found.events[1].timestamp == 6_000
    assert [dict(link.attributes or {}) for link in found.links] == [
        {"b": 2}, {"otelprov.used.id": "file:00"},
    ]  # fmt: skip
    assert found.links[1].context == ELSEWHERE
    assert found.status.status_code is StatusCode.ERROR
    assert found.status.description == "ValueError: no"
    assert found.resource is stage.provider.resource
    assert found.instrumentation_scope is not None
    assert found.instrumentation_scope.name == "otelprov.test"
    assert (found.dropped_attributes, found.dropped_events, found.dropped_links) == (0, 0, 0)
    assert json.loads(found.to_json())["attributes"]["own"] == 1
    assert found._readable_span() is found  # type: ignore[attr-defined]


def test_the_sdks_own_exporter_takes_it(stage: Stage) -> None:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    span = stage.start()
    fill(span)
    span.finish(9_000)
    message = encode_spans(stage.exported).resource_spans[0].scope_spans[0].spans[0]
    line = otlp_messages.trace_request(stage.lines[0] + b"\n")
    expected = line.resource_spans[0].scope_spans[0].spans[0]
    # The SDK's cleaning leaves a lone surrogate to the exporter, which drops the attribute.
    del expected.attributes[1], expected.events[1].attributes[1]
    if len(message.attributes) == len(expected.attributes) + 1:
        del message.attributes[1], message.events[1].attributes[1]
    assert message.events == expected.events
    assert message.attributes == expected.attributes
    assert (message.trace_id, message.span_id) == (expected.trace_id, expected.span_id)


def test_limits_hold_for_others_and_not_for_the_journal(tmp_path: Path) -> None:
    limits = SpanLimits(max_span_attributes=2, max_events=1, max_links=1, max_attribute_length=3)
    stage = Stage(tmp_path, span_limits=limits)
    span = stage.start()
    fill(span)
    span.point(ELSEWHERE, {})
    span.finish(9_000)
    (found,) = stage.exported
    assert dict(found.attributes or {}) == {"nothing": (), "more": "x"}
    assert [event.name for event in found.events] == ["otelprov.generated"]
    assert (found.dropped_attributes, found.dropped_events, found.dropped_links) == (8, 1, 1)
    (kept,) = stage.spans
    assert (len(kept["attributes"]), len(kept["events"]), len(kept["links"])) == (10, 2, 2)


def test_what_the_program_adds_is_bounded_as_by_the_sdk(stage: Stage) -> None:
    span = stage.start()
    fill(span)
    for number in range(200):
        span.set_attribute(f"own {number}", number)
        span.add_event("happened")
    span.finish(9_000)
    (kept,) = stage.spans
    assert len(kept["attributes"]) == len(VALUES) + 1 + 128
    assert kept["droppedAttributesCount"] == 72
    assert len(kept["events"]) == 2 + 128
    (found,) = stage.exported
    assert len(found.attributes or {}) == 128
    assert found.dropped_attributes == 72 + len(VALUES) + 1
    assert found.events[-1].name == "otelprov.generated"


def test_the_current_span_of_an_operation_is_read_and_written_like_any_other(
    stage: Stage,
) -> None:
    span = stage.start()
    fill(span)
    with trace.use_span(span):
        current = trace.get_current_span()
        assert current is span
        assert current.is_recording()
        current.set_attribute("own", "yes")
        current.record_exception(ValueError("seen"), {"handled": True})
        assert isinstance(current, Span)
        assert (current.attributes or {})["own"] == "yes"
        assert (current.attributes or {})["whole"] == -(2**63)
        with stage.tracer.start_as_current_span("inner") as inner:
            assert isinstance(inner, ReadableSpan)
            assert inner.parent == span.get_span_context()
    span.finish(9_000)
    assert not span.is_recording()
    kept = stage.spans[-1]
    assert {"key": "own", "value": {"stringValue": "yes"}} in kept["attributes"]
    assert kept["events"][0]["name"] == "exception"


def test_a_span_that_the_program_has_ended_still_says_what_the_operation_did(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    span = stage.start()
    span.set_attribute("before", 1)
    span.end()
    assert not span.is_recording()
    span.set_attribute("after", 1)
    assert "ended span" in caplog.text
    assert stage.lines == []
    fill(span)
    span.finish(9_000)
    (kept,) = stage.spans
    keys = [pair["key"] for pair in kept["attributes"]]
    assert "before" in keys
    assert "after" not in keys
    assert len(kept["events"]) == 2
    assert kept["endTimeUnixNano"] == "9000"
    assert len(stage.exported) == 1


def test_after_the_end_nothing_can_be_added(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    span = stage.start()
    span.finish(9_000)
    add(span)
    assert "ended span" in caplog.text
    (found,) = stage.exported
    assert (dict(found.attributes or {}), found.events, found.links) == ({}, (), ())
    assert found.name == "op"


def test_an_ok_of_the_program_is_not_overruled(stage: Stage) -> None:
    span = stage.start()
    span.set_status(Status(StatusCode.OK))
    span.fail("KeyError: 'a'")
    span.finish(9_000)
    assert stage.exported[0].status.status_code is StatusCode.OK
    assert stage.spans[0]["status"] == {"code": 1}


class Redacting(SpanProcessor):
    """A processor that changes spans for those behind it, as some vendors' do."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        span.set_attribute("tenant", "a")

    def on_end(self, span: ReadableSpan) -> None:
        changed = {**(span.attributes or {})}
        changed["text"] = "***"
        span._attributes = changed
        span._name = "changed"


def test_a_processor_can_change_what_those_behind_it_see(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Redacting())
    span = stage.start()
    fill(span)
    span.finish(9_000)
    (found,) = stage.exported
    assert found.name == "changed"
    assert (found.attributes or {})["text"] == "***"
    assert (found.attributes or {})["tenant"] == "a"
    (kept,) = stage.spans
    assert kept["name"] == "op"
    assert {"key": "tenant", "value": {"stringValue": "a"}} in kept["attributes"]


class Broken(SpanProcessor):
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        raise RuntimeError("broken")

    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError("broken")


def test_a_processor_that_raises_takes_nothing_from_the_journal(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Broken())
    stage.start().finish(9_000)
    assert len(stage.spans) == 1


# --- samplers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sampler",
    [ALWAYS_OFF, TraceIdRatioBased(0), ParentBased(ALWAYS_OFF), ParentBased(TraceIdRatioBased(0))],
    ids=lambda sampler: str(sampler.get_description()[:40]),
)
def test_what_is_not_sampled_is_in_the_journal_and_nowhere_else(
    tmp_path: Path, sampler: Sampler
) -> None:
    stage = Stage(tmp_path, sampler=sampler)
    outer = stage.start()
    inner = stage.start(trace.set_span_in_context(outer))
    own = stage.tracer.start_span("the program's own", trace.set_span_in_context(outer))
    own.end()
    fill(inner)
    inner.finish(8_000)
    outer.finish(9_000)
    assert [span["name"] for span in stage.spans] == ["op", "op"]
    assert [span["flags"] & 1 for span in stage.spans] == [0, 0]
    assert stage.spans[0]["parentSpanId"] == stage.spans[1]["spanId"]
    assert len(stage.spans[0]["events"]) == 2
    assert stage.exported == ()
    assert not outer.get_span_context().trace_flags.sampled


def test_a_remote_parent_that_is_not_sampled_decides_as_the_sampler_says(tmp_path: Path) -> None:
    stage = Stage(tmp_path, sampler=ParentBased(ALWAYS_ON))
    remote = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(0))
    stage.start(trace.set_span_in_context(NonRecordingSpan(remote))).finish(9_000)
    assert stage.exported == ()
    (kept,) = stage.spans
    assert (kept["traceId"], kept["parentSpanId"]) == (f"{7:032x}", f"{8:016x}")
    assert kept["flags"] == 0x300


def test_a_span_that_is_recorded_only_goes_to_processors_unsampled(tmp_path: Path) -> None:
    class Counting(SpanProcessor):
        def __init__(self) -> None:
            self.seen: list[ReadableSpan] = []

        def on_end(self, span: ReadableSpan) -> None:
            self.seen.append(span)

    counting = Counting()
    stage = Stage(tmp_path, counting, sampler=StaticSampler(Decision.RECORD_ONLY))
    stage.start().finish(9_000)
    assert len(counting.seen) == len(stage.spans) == 1
    assert stage.exported == ()


def test_what_a_sampler_adds_is_on_the_span(tmp_path: Path) -> None:
    class Marking(Sampler):
        def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
            return SamplingResult(Decision.RECORD_AND_SAMPLE, {"sampled.by": "me"})

        def get_description(self) -> str:
            return "marking"

    stage = Stage(tmp_path, sampler=Marking())
    stage.start().finish(9_000)
    assert (stage.exported[0].attributes or {})["sampled.by"] == "me"
    assert stage.spans[0]["attributes"] == [{"key": "sampled.by", "value": {"stringValue": "me"}}]


# --- tracers of others ----------------------------------------------------------------------------


def test_a_tracer_that_is_not_the_sdks_makes_its_own_spans(tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    class Wrapping(trace.Tracer):
        def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:
            return stage.tracer.start_span(*args, **kwargs)

        def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError

    span = SpanSource(Wrapping(), stage.journal).start("op", SpanKind.INTERNAL, None, 5_000)
    assert isinstance(span, ForeignSpan)
    assert span.wanted
    span.describe(Part({"a": 1}))
    span.say("otelprov.used", {"otelprov.used.id": "file:00"}, 6_000)
    span.point(ELSEWHERE, {})
    span.fail("KeyError: 'a'")
    span.finish(9_000)
    (kept,) = stage.spans
    assert (kept["name"], kept["endTimeUnixNano"], kept["status"]["code"]) == ("op", "9000", 2)
    assert (len(kept["events"]), len(kept["links"])) == (1, 1)


def test_without_an_sdk_nothing_is_wanted() -> None:
    span = SpanSource(trace.NoOpTracer(), None).start("op", SpanKind.INTERNAL, None, 5_000)
    assert isinstance(span, ForeignSpan)
    assert not span.wanted
    span.describe(Part({"a": 1}))
    span.finish(9_000)

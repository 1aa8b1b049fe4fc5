"""Lines of the journal into spans; what is damaged is told and never fatal."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from unit.lineage.recorded import attributes_of

from otelprov.journal import reader
from otelprov.journal.reader import DamagedLine

TRACE, SPAN = "a" * 32, "b" * 16


def request(**span: Any) -> bytes:
    message = {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "x",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": 2,
        **span,
    }
    resource = {"attributes": attributes_of({"service.name": "flights"})}
    return json.dumps(
        {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [message]}]}]}
    ).encode()


def test_every_kind_of_value_is_read_with_its_type() -> None:
    values = [
        {"key": "text", "value": {"stringValue": "a"}},
        {"key": "number", "value": {"intValue": "9223372036854775807"}},
        {"key": "small", "value": {"intValue": 3}},
        {"key": "double", "value": {"doubleValue": 1}},
        {"key": "nan", "value": {"doubleValue": "Infinity"}},
        {"key": "flag", "value": {"boolValue": False}},
        {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "a"}]}}},
        {"key": "empty list", "value": {"arrayValue": {}}},
        {"key": "map", "value": {"kvlistValue": {"values": attributes_of({"a": 1})}}},
        {"key": "nothing", "value": {}},
    ]
    (span,) = reader.spans(request(attributes=values))
    assert span.attributes == {
        "text": "a",
        "number": 9223372036854775807,
        "small": 3,
        "double": 1.0,
        "nan": float("inf"),
        "flag": False,
        "list": ["a"],
        "empty list": [],
        "map": '{"a":1}',
    }
    assert type(span.attributes["double"]) is float
    assert type(span.attributes["flag"]) is bool


def test_a_span_keeps_its_events_links_status_and_service() -> None:
    link = {"traceId": "C" * 32, "spanId": "d" * 16, "attributes": attributes_of({"k": "v"})}
    (span,) = reader.spans(
        request(
            parentSpanId="e" * 16,
            events=[{"name": "n", "timeUnixNano": "1", "attributes": attributes_of({"k": 1})}],
            links=[link],
            status={"code": 2, "message": "KeyError"},
        )
    )
    assert (span.start, span.end, span.service) == (1, 2, "flights")
    assert span.parent_span_id == "e" * 16
    assert span.events == (reader.Event("n", {"k": 1}),)
    assert span.links == (reader.SpanLink("c" * 32, "d" * 16, {"k": "v"}),)
    assert (span.failed, span.message) == (True, "KeyError")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"garbage", "not JSON"),
        (b'{"resourceSpans": [', "not JSON"),
        (b"\0" * 20, "not JSON"),
        (b"[]", "not an OTLP request"),
        (b'{"resourceMetrics": []}', "not an OTLP request"),
        (b'{"resourceSpans": {}}', "not an OTLP request"),
        (b'{"resourceLogs": [1]}', "a record that is not one"),
        (b'{"resourceSpans": [1]}', "a span that is not one"),
        (request(traceId="abc"), "'abc' is not an id of 32 hex digits"),
        (request(spanId="x" * 16), "a span that is not one"),
        (request(startTimeUnixNano="soon"), "a span that is not one"),
        (request(attributes=[{"value": {}}, 3]), "a span that is not one"),
    ],
)
def test_a_line_that_is_no_trace_request_says_why(line: bytes, reason: str) -> None:
    with pytest.raises(DamagedLine, match=reason):
        reader.spans(line)


def test_lines_know_their_place_and_whether_they_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\n\nthree\nto")
    found = list(reader.lines(path))
    assert [(one.offset, one.number, one.complete) for one in found] == [
        (0, 1, True),
        (4, 2, True),
        (5, 3, True),
        (11, 4, False),
    ]
    assert [one.data for one in reader.lines(path, 5, 2)] == [b"three\n", b"to"]


def test_only_regular_files_of_the_journal_are_read(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text("")
    (tmp_path / "a.jsonl").write_text("")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "c.jsonl").mkdir()
    (tmp_path / "d.jsonl").symlink_to("gone")
    assert [path.name for path in reader.files(tmp_path)] == ["a.jsonl", "b.jsonl"]


def log(event: str, **values: Any) -> bytes:
    record = {"traceId": TRACE, "spanId": SPAN, "eventName": event}
    named = {f"otelprov.operation.{name}": value for name, value in values.items()}
    record["attributes"] = attributes_of({"otelprov.operation.kind": "write", **named})  # type: ignore[assignment]
    resource = {"attributes": attributes_of({"service.name": "flights"})}
    group = {"resource": resource, "scopeLogs": [{"logRecords": [record]}]}
    return json.dumps({"resourceLogs": [group]}).encode()


def test_a_started_record_is_a_span_without_an_end() -> None:
    (span,) = reader.spans(log("otelprov.operation.started", name="w", start=5, parent="e" * 16))
    assert (span.name, span.start, span.end, span.rank) == ("w", 5, 0, 0)
    assert (span.trace_id, span.span_id, span.parent_span_id) == (TRACE, SPAN, "e" * 16)
    assert span.service == "flights"
    assert span.attributes == {"otelprov.operation.kind": "write"}


def test_a_returned_record_is_a_span_that_is_not_complete() -> None:
    line = log("otelprov.operation.returned", name="w", start=5, end=9, pending=2, error="KeyError")
    (span,) = reader.spans(line)
    assert (span.start, span.end, span.rank, span.pending) == (5, 9, 1, 2)
    assert (span.failed, span.message) == (True, "KeyError")
    (whole,) = reader.spans(request())
    assert whole.rank == 2


def test_a_record_of_lost_lines_is_read() -> None:
    from otelprov.journal.losses import Losses, lost_line

    spans, (lost,) = reader.contents(lost_line(Losses(3, 500, "No space left on device")))
    assert spans == []
    assert (lost.lines, lost.bytes, lost.reason) == (3, 500, "No space left on device")
    assert lost.time > 1_700_000_000_000_000_000


def test_other_log_records_are_nothing_to_the_reader() -> None:
    assert reader.contents(log("user.logged_in")) == ([], [])
    assert reader.contents(b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}') == ([], [])


@pytest.mark.parametrize(
    "line",
    [
        request(startTimeUnixNano=str(1 << 70)),
        request(endTimeUnixNano="-5"),
        log("otelprov.operation.started", start="soon"),
    ],
    ids=["a time that no clock has", "a time before the epoch", "a start that is none"],
)  # fmt: skip
def test_a_strange_line_is_damage_and_no_fault_of_the_reader(line: bytes) -> None:
    with pytest.raises(DamagedLine):
        reader.spans(line)


def test_a_value_deeper_than_python_goes_is_damage() -> None:
    value = json.loads('{"arrayValue":{"values":[' * 200 + "{}" + "]}}" * 200)
    line = request(attributes=[{"key": "a", "value": value}])
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        with pytest.raises(DamagedLine, match="RecursionError"):
            reader.spans(line)
    finally:
        sys.setrecursionlimit(before)


def test_a_line_without_end_is_passed_over_in_bounded_memory(tmp_path: Path) -> None:
    """100 MB without a newline, between two lines that are sound."""
    import tracemalloc

    path = tmp_path / "a.jsonl"
    sound = request() + b"\n"
    with path.open("wb") as file:
        file.write(sound)
        for _ in range(100):
            file.write(b"\0" * 1_000_000)
        file.write(b"\n" + sound)
        for _ in range(20):
            file.write(b"x" * 1_000_000)
    tracemalloc.start()
    found = list(reader.lines(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * reader.LONGEST
    assert [(one.length, one.complete, bool(one.data)) for one in found] == [
        (len(sound), True, True),
        (100_000_001, True, False),
        (len(sound), True, True),
        (20_000_000, False, False),
    ]
    assert found[2].offset == len(sound) + 100_000_001
    assert next(reader.lines(path, found[2].offset, 2)) == found[2]


def compact(request: Any) -> bytes:
    """As this package writes it."""
    return json.dumps(request, separators=(",", ":")).encode() + b"\n"


def test_a_line_as_it_is_written_here_is_read_as_any_other() -> None:
    text = 'a "spans":[ in a text, ]}]}]}\n'
    whole = json.loads(
        request(
            attributes=attributes_of({"otelprov.operation.kind": "read", "text": text, "n": 3}),
            events=[{"name": text, "attributes": attributes_of({"k": [text]})}],
            name=text,
        )
    )
    group = whole["resourceSpans"][0]
    group["scopeSpans"][0] = {"scope": {"name": text}, **group["scopeSpans"][0]}
    group["scopeSpans"][0]["spans"] *= 2
    service, messages = reader.own_messages(compact(whole)) or ("", [])
    assert (service, len(messages)) == ("flights", 2)
    assert reader.spans(compact(whole)) == reader.spans(json.dumps(whole).encode())
    # What stands before the spans decides, and it may be another one the next time.
    group["resource"]["attributes"] = attributes_of({"service.name": "others"})
    assert [span.service for span in reader.spans(compact(whole))] == ["others", "others"]


@pytest.mark.parametrize("place", ["before", "after", "scope", "resource", "twice", "deep", "none"])
def test_a_line_that_is_written_otherwise_is_read_as_a_whole(place: str) -> None:
    whole = json.loads(request())
    group = whole["resourceSpans"][0]
    scope = group["scopeSpans"][0]
    if place == "before":
        whole["resourceSpans"].insert(0, json.loads(request(name="y"))["resourceSpans"][0])
    elif place == "after":
        whole["resourceSpans"].append(json.loads(request(name="y"))["resourceSpans"][0])
    elif place == "scope":
        group["scopeSpans"].append({"spans": [{**scope["spans"][0], "name": "y"}]})
    elif place == "resource":
        group["resource"] = group.pop("resource")
    elif place == "twice":
        scope["schemaUrl"] = scope["later"] = "x"
    elif place == "deep":
        group["scopeSpans"][0] = {"scope": {"spans": [{"spans": []}]}, **scope}
    else:
        scope["spans"] = {}
    assert reader.spans(compact(whole)) == reader.spans(json.dumps(whole).encode())
    assert len(reader.spans(compact(whole))) == {
        "before": 2,
        "after": 2,
        "scope": 2,
        "none": 0,
    }.get(place, 1)


@pytest.mark.parametrize(
    "span", [b"", b"3", b"{}", b'{"traceId":1}', b'{"traceId":"' + b"a" * 32 + b'"']
)
def test_a_line_as_it_is_written_here_with_a_span_that_is_none_is_damaged(span: bytes) -> None:
    sound = compact(json.loads(request()))
    assert reader.own_messages(sound) is not None
    before, _, _ = sound.partition(b'"spans":[')
    data = before + b'"spans":[' + span + b",]}]}]}\n"
    with pytest.raises(DamagedLine, match="not JSON"):
        reader.spans(data)
    if span and span[-1:] != b'"':
        with pytest.raises(DamagedLine, match="with a span that is not one"):
            reader.spans(before + b'"spans":[' + span + b"]}]}]}\n")

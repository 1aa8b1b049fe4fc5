"""Lines of the journal into spans; what is damaged is told and never fatal."""

from __future__ import annotations

import json
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

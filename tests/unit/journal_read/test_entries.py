"""What the index takes from a line is what the reader reads from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from unit.lineage.recorded import art, attributes_of, digest, file, flights

from otelprov.journal import entries, reader
from otelprov.journal.entries import Mention, found_in

TRACE, SPAN = "a" * 32, "B" * 16


def request(**span: Any) -> bytes:
    message = {"traceId": TRACE, "spanId": SPAN, "name": "x", "endTimeUnixNano": "2", **span}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [message]}]}]}).encode()


def event(what: str, id_: Any, **known: Any) -> dict[str, Any]:
    values = {f"otelprov.{what}.id": id_}
    values |= {f"otelprov.artifact.{name}": value for name, value in known.items()}
    return {"name": f"otelprov.{what}", "attributes": attributes_of(values)}


def by_the_reader(data: bytes) -> list[entries.Entry]:
    several = [entries._entry_of(place, span) for place, span in enumerate(reader.spans(data))]
    return [one for one in several if one is not None]


def test_lines_of_a_journal_give_what_the_reader_reads(tmp_path: Path) -> None:
    journal = flights(tmp_path)
    run = journal.run("b.py")
    run.op("write", [art("t", content_id=digest("t", "table"), maker="m")], [file("t.csv")])
    lines = [line for path in reader.files(journal.write()) for line in reader.lines(path)]
    assert len(lines) == 11
    for line in lines:
        assert found_in(line.data).entries == by_the_reader(line.data) != []


@pytest.mark.parametrize(
    "span",
    [
        {"attributes": attributes_of({"otelprov.operation.kind": 3})},
        {"attributes": attributes_of({"otelprov.operation.kind": "read", "otelprov.run.id": 1})},
        {"attributes": None, "events": None},
        {"attributes": [{"key": "otelprov.operation.kind", "value": None}]},
        {"attributes": [{"key": "otelprov.operation.kind"}], "events": [event("used", "a")]},
        {"events": [event("used", 3), event("used", "a", uri=4, content_id="c", maker="m")]},
        {"events": [event("generated", "a", content_id="c", maker="m"), {"name": "other"}, {}]},
        {"events": [event("used", "a", maker="m")], "endTimeUnixNano": "0"},
        {"name": 7},
    ],
)
def test_odd_spans_give_what_the_reader_reads(span: dict[str, Any]) -> None:
    kind = attributes_of({"otelprov.operation.kind": "write", "otelprov.run.id": "r"})
    data = request(**{"attributes": kind, **span})
    assert found_in(data).entries == by_the_reader(data)


def test_the_maker_is_kept_where_a_write_tells_a_content() -> None:
    known = {"content_id": "c", "maker": "m", "uri": "u"}
    events = [event("used", "a", **known), event("generated", "b", **known)]
    kind = attributes_of({"otelprov.operation.kind": "write"})
    (entry,) = found_in(request(attributes=kind, events=events)).entries
    assert entry.span_id == SPAN.lower()
    assert entry.mentions == [
        Mention(False, "a", "c", "u", "m"),
        Mention(True, "b", "c", "u", None),
    ]


def test_what_was_cut_is_taken_of_spans_that_ended() -> None:
    values = {
        "otelprov.operation.kind": "read",
        "otelprov.dropped.used": 3,
        "otelprov.repeated.count": 400,
        "otelprov.trace.continues": "a-b",
    }
    cut = [
        ("otelprov.dropped.used", 3),
        ("otelprov.repeated.count", 400),
        ("otelprov.trace.continues", 1),
    ]
    found = found_in(request(attributes=attributes_of(values)))
    assert (found.cut, len(found.entries)) == (cut, 1)
    del values["otelprov.operation.kind"]  # a continuation is no operation
    found = found_in(request(attributes=attributes_of(values)))
    assert (found.cut, found.entries) == (cut, [])
    begun = found_in(request(attributes=attributes_of(values), endTimeUnixNano="0"))
    assert (begun.cut, begun.spans) == ([], 1)


@pytest.mark.parametrize("number", [-1, 1 << 63, 1.5, True, "x", [3], None])
def test_an_odd_number_of_what_was_cut_does_no_harm(number: Any) -> None:
    found = found_in(request(attributes=attributes_of({"otelprov.dropped.used": number})))
    assert all(0 <= one <= 1 << 53 for _, one in found.cut)

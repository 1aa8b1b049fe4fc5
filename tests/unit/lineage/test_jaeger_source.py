"""Jaeger as a source: the same graph as from the journal, and clear words for what goes wrong."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.lineage.fake_jaeger import FakeJaeger, serving
from unit.lineage.recorded import Journal, art, digest, file, flights, hex_id

from otelprov.lineage import decode
from otelprov.lineage.sources import AddressError, Source, SourceError, open_source
from otelprov.lineage.sources.jaeger import JaegerSource, _span
from otelprov.lineage.walk import downstream, upstream, whole_trace
from otelprov.model import Artifact, Code, Link, Operation, Usage

REPORT = digest("delays.csv", "file")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = flights(tmp_path / "journal")
    # Two services, to see that every one is asked.
    other = made.run("other.py", service="billing")
    other.op(
        "to_parquet",
        [file("clean.parquet")],
        [file("bill.parquet")],
        given={"ratio": 1.0, "level": 3, "flag": True, "name": "x"},
        error=None,
    )
    other.op("fails", [file("bill.parquet")], error="ValueError: no")
    made.write()
    return made


@pytest.fixture
def jaeger(journal: Journal) -> Iterator[FakeJaeger]:
    made = FakeJaeger()
    made.load(journal.directory)
    with serving(made):
        yield made


@pytest.fixture
def sources(journal: Journal, jaeger: FakeJaeger) -> tuple[Source, Source]:
    return open_source(f"journal:{journal.directory}"), open_source(f"jaeger+{jaeger.url}")


def test_journal_and_jaeger_give_the_same_graph(sources: tuple[Source, Source]) -> None:
    ours, theirs = sources
    for target in ("delays.csv", "bill.parquet", "flights.csv"):
        for walk in (upstream, downstream):
            one, other = (walk(source, digest(target, "file")) for source in (ours, theirs))
            assert (one.artifacts, one.edges, one.gaps) == (
                other.artifacts,
                other.edges,
                other.gaps,
            )
            assert [_without_links(o) for o in one.operations] == [
                _without_links(o) for o in other.operations
            ]
            assert one.runs == other.runs
    trace = hex_id("trace ingest.py", 32)
    one, other = (whole_trace(source, trace) for source in (ours, theirs))
    assert one is not None
    assert other is not None
    assert one.edges == other.edges


def _without_links(operation: Operation) -> Operation:
    from dataclasses import replace

    return replace(operation, links=())


def test_a_linked_operation_that_jaeger_lacks_is_the_same_gap(
    journal: Journal, tmp_path: Path
) -> None:
    journal.file("ingest.py").unlink()
    jaeger = FakeJaeger()
    jaeger.load(journal.directory)
    with serving(jaeger):
        theirs = upstream(open_source(f"jaeger+{jaeger.url}"), REPORT)
        ours = upstream(open_source(f"journal:{journal.directory}"), REPORT)
        assert [gap.artifact for gap in theirs.gaps] == [digest("clean.parquet", "file")]
        reason = ours.gaps[0].reason.replace(f"journal:{journal.directory}", jaeger.url)
        assert theirs.gaps[0].reason == reason


def test_runs_operations_and_ids_are_found(jaeger: FakeJaeger) -> None:
    source = open_source(f"jaeger+{jaeger.url}")
    assert {run.name for run in source.runs(10)} == {"run ingest.py", "run report.py"}
    assert [run.operations for run in source.runs(10) if run.name == "run ingest.py"] == [5]
    trace, span = hex_id("trace ingest.py", 32), hex_id("ingest.py pandas.merge", 16)
    merge = source.operation(trace, span)
    assert merge is not None
    assert merge.given == ("how", "on")
    assert source.operation(trace, "0" * 16) is None
    assert source.operation("0" * 32, span) is None
    run = hex_id("run ingest.py", 16)
    assert source.operation(trace, run) is None
    found = source.run(trace, run)
    assert found is not None
    assert found.command == ("python", "ingest.py")
    assert source.complete(digest("merged")) == [digest("merged")]
    assert source.complete(digest("nothing")) == []
    assert source.holding(digest("merged", "table")) == [digest("merged")]
    assert source.at(["/data/clean.parquet"]) == [digest("clean.parquet", "file")]


def test_a_beginning_of_an_id_cannot_be_searched_for(jaeger: FakeJaeger) -> None:
    with pytest.raises(SourceError, match="Jaeger needs a whole id"):
        open_source(f"jaeger+{jaeger.url}").complete("table:abcd")


def test_a_storage_for_few_traces_is_asked_for_fewer(jaeger: FakeJaeger) -> None:
    jaeger.max_traces = 300
    assert len(upstream(open_source(f"jaeger+{jaeger.url}"), REPORT).operations) == 7


def test_more_traces_than_were_asked_for_are_told(
    jaeger: FakeJaeger, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = JaegerSource(jaeger.url)
    monkeypatch.setattr(source, "_limit", 1)
    source.runs(10)
    (problem,) = source.problems()
    assert "more than 1 traces of flights" in problem


def test_a_port_where_nobody_listens_is_an_unreachable_jaeger() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SourceError, match=f"cannot reach Jaeger at {url}: Connection refused"):
            open_source(f"jaeger+{url}").runs(1)


def test_a_server_that_is_no_jaeger_is_told_apart(jaeger: FakeJaeger) -> None:
    with pytest.raises(SourceError, match="no such page"):
        JaegerSource(jaeger.url + "/elsewhere").runs(1)
    jaeger.traces["x"] = {"traceID": "x", "spans": [{}], "processes": {}}
    with pytest.raises(SourceError, match="not understood"):
        JaegerSource(jaeger.url).trace("x")


@pytest.mark.parametrize(
    "address", ["jaeger+http://", "jaeger+http://host:x", "jaeger+http://me:pw@host", "tempo:x", ""]
)
def test_an_address_of_no_known_form_is_refused(address: str) -> None:
    with pytest.raises(AddressError):
        open_source(address)


def test_a_span_of_a_real_answer_is_decoded() -> None:
    # From Jaeger 1.76's /api/traces, shortened.
    trace = {
        "processes": {"p1": {"serviceName": "enrich", "tags": []}},
    }
    message = {
        "traceID": "11934ec500045dd645a9eb48dd6ac93a",
        "spanID": "98f3e1471b75884b",
        "operationName": "pandas.to_parquet",
        "references": [
            {
                "refType": "CHILD_OF",
                "traceID": "11934ec500045dd645a9eb48dd6ac93a",
                "spanID": "9ba9b9428adf56c2",
            },
            {
                "refType": "FOLLOWS_FROM",
                "traceID": "f91e7335e3521819759dc87ebc56a04d",
                "spanID": "aa5e18c8a0327a0c",
            },
        ],
        "startTime": 1795376784739569,
        "duration": 5610,
        "tags": [
            {"key": "otelprov.operation.kind", "type": "string", "value": "write"},
            {"key": "otelprov.parameters.given", "type": "string", "value": '["path","index"]'},
            {"key": "otelprov.parameter.index", "type": "bool", "value": False},
            {"key": "otelprov.parameter.path", "type": "string", "value": "out.parquet"},
            {"key": "otelprov.parameter.row_group_size", "type": "int64", "value": 100},
            {"key": "otelprov.parameter.fraction", "type": "float64", "value": 1},
            {"key": "otelprov.dropped.used", "type": "int64", "value": 2},
            {"key": "code.file.path", "type": "string", "value": "/p/b.py"},
            {"key": "code.line.number", "type": "int64", "value": 3},
            {"key": "otel.status_code", "type": "string", "value": "ERROR"},
            {"key": "error", "type": "bool", "value": True},
            {"key": "otel.status_description", "type": "string", "value": "OSError: disk full"},
            {"key": "span.kind", "type": "string", "value": "internal"},
        ],
        "logs": [
            {
                "timestamp": 1795376784739570,
                "fields": [
                    {"key": "event", "type": "string", "value": "otelprov.used"},
                    {"key": "otelprov.used.id", "type": "string", "value": digest("t")},
                    {"key": "otelprov.artifact.kind", "type": "string", "value": "table"},
                    {"key": "otelprov.artifact.role", "type": "string", "value": "self"},
                    {"key": "otelprov.artifact.rows", "type": "int64", "value": 3},
                ],
            },
            {
                "timestamp": 1795376784739571,
                "fields": [{"key": "event", "type": "string", "value": "exception"}],
            },
        ],
        "processID": "p1",
        "warnings": None,
    }
    operation = decode.operation(_span(message, trace))
    assert operation == Operation(
        trace_id="11934ec500045dd645a9eb48dd6ac93a",
        span_id="98f3e1471b75884b",
        name="pandas.to_parquet",
        kind="write",
        status="error",
        start=1795376784739569000,
        end=1795376784745179000,
        service="enrich",
        parent_span_id="9ba9b9428adf56c2",
        code=Code(file="/p/b.py", line=3),
        parameters={"index": False, "path": "out.parquet", "row_group_size": 100, "fraction": 1.0},
        given=("path", "index"),
        used=(Usage("self", Artifact(digest("t"), "table", rows=3, coverage="derivation")),),
        links=(Link("", "f91e7335e3521819759dc87ebc56a04d", "aa5e18c8a0327a0c"),),
        error="OSError: disk full",
        dropped=2,
    )
    assert type(operation.parameters["fraction"]) is float


def test_two_links_that_jaeger_lacks_are_given_to_no_input_by_guess(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    links = [(digest(n, "file"), f"{hex_id(n, 32)}-{hex_id(n, 16)}") for n in ("a.csv", "b.csv")]
    inputs = [file("a.csv"), file("b.csv"), art("t")]
    journal.run("a.py").op("concat", inputs, [file("out.csv")], links=links)
    jaeger = FakeJaeger()
    jaeger.load(journal.write())
    with serving(jaeger):
        lineage = upstream(open_source(f"jaeger+{jaeger.url}"), digest("out.csv", "file"))
    operation = lineage.operations[0].id
    assert {(gap.place, gap.reason) for gap in lineage.gaps} == {
        (digest("t"), f"the operation that made it is not in {jaeger.url}"),
        *(
            (
                operation,
                f"one of its inputs was made by operation {made}, which is not in {jaeger.url}",
            )
            for _, made in links
        ),
    }

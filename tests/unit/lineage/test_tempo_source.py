"""Tempo as a source, against a server that answers as Tempo's documentation says."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from unit.lineage.fake_tempo import FakeTempo, serving
from unit.lineage.recorded import Journal, art, digest, file, flights, hex_id

from otelprov.lineage.sources import AddressError, SourceError, open_source
from otelprov.lineage.walk import downstream, upstream, whole_trace

REPORT = digest("delays.csv", "file")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = flights(tmp_path / "journal")
    # A trace whose id begins with zeros, and a run that fails.
    other = made.run("other.py", trace="t")
    other.trace_id = "000" + other.trace_id[3:]
    other.op("to_parquet", [file("clean.parquet")], [file("bill (1).parquet")], given={"n": 3})
    other.op("fails", [file("bill (1).parquet")], error="ValueError: no")
    made.write()
    return made


@pytest.fixture
def tempo(journal: Journal) -> Iterator[FakeTempo]:
    made = FakeTempo()
    made.load(journal.directory)
    made.move_to(int(time.time()) - 3600)
    with serving(made):
        yield made


def test_journal_and_tempo_give_the_same_graph(journal: Journal, tempo: FakeTempo) -> None:
    ours = open_source(f"journal:{journal.directory}")
    theirs = open_source(f"tempo+{tempo.url}")
    for target in ("delays.csv", "bill (1).parquet", "flights.csv"):
        for walk in (upstream, downstream):
            one, other = (walk(source, digest(target, "file")) for source in (ours, theirs))
            assert (one.artifacts, one.edges) == (other.artifacts, other.edges)
            # Of a file that nobody is known to have used, Tempo may have a maker that is too new.
            hidden = [gap for gap in other.gaps if "newest 30 seconds" in gap.reason]
            assert len(hidden) == (target == "flights.csv" and walk is upstream)
            assert one.gaps == tuple(gap for gap in other.gaps if gap not in hidden)
            for mine, its in zip(one.operations, other.operations, strict=True):
                assert (mine.id, mine.name, mine.links, mine.parameters, mine.code) == (
                    its.id,
                    its.name,
                    its.links,
                    its.parameters,
                    its.code,
                )
                assert (mine.status, mine.error) == (its.status, its.error)
            assert one.runs.keys() == other.runs.keys()
    trace = hex_id("trace ingest.py", 32)
    one, other = (whole_trace(source, trace) for source in (ours, theirs))
    assert one is not None
    assert other is not None
    assert one.edges == other.edges
    assert theirs.problems() == []


def test_a_level_of_a_walk_is_one_question(tempo: FakeTempo, journal: Journal) -> None:
    source = open_source(f"tempo+{tempo.url}")
    source.producers([REPORT])  # learns how far back one question may go
    before = len(tempo.asked)
    ids = [digest(name, "file") for name in ("clean.parquet", "delays.csv", "no such")]
    found = source.producers(ids)
    assert [len(found[id_]) for id_ in ids] == [1, 1, 0]
    searches = [path for path in tempo.asked[before:] if path.startswith("/api/search")]
    queries = {parse_qs(urlsplit(path).query)["q"][0] for path in searches}
    assert len(queries) == 1
    assert len(searches) == 3  # 15 days and an hour, in pieces of a week


def test_runs_operations_ids_and_places_are_found(tempo: FakeTempo) -> None:
    source = open_source(f"tempo+{tempo.url}")
    assert {run.name for run in source.runs(10)} == {"run ingest.py", "run report.py"}
    assert [run.operations for run in source.runs(10) if run.name == "run ingest.py"] == [5]
    trace, span = hex_id("trace ingest.py", 32), hex_id("ingest.py pandas.merge", 16)
    merge = source.operation(trace, span)
    assert merge is not None
    assert merge.given == ("how", "on")
    assert source.operation(trace, "0" * 16) is None
    assert source.operation("0" * 32, span) is None
    assert source.run(trace, hex_id("run ingest.py", 16)) is not None
    merged = digest("merged")
    assert source.complete(merged[:20]) == [merged]
    assert source.complete(merged.partition(":")[2][:12]) == [merged, digest("merged", "table")]
    assert source.complete("derived:0000") == []
    assert source.holding(digest("merged", "table")) == [merged]
    assert source.at(["/data/bill (1).parquet"]) == [digest("bill (1).parquet", "file")]
    assert source.at(["/data/bill .1..parquet"]) == []


def test_limits_that_are_refused_are_kept(tempo: FakeTempo) -> None:
    tempo.max_duration = 24 * 3600
    tempo.max_limit = 500
    source = open_source(f"tempo+{tempo.url}?since=3d")
    assert len(upstream(source, REPORT).operations) == 7
    assert source.problems() == []
    tempo.max_limit = 1
    more = open_source(f"tempo+{tempo.url}?since=3d")
    more.runs(10)
    (problem,) = more.problems()
    assert "1 traces and more match" in problem


def test_a_search_goes_as_far_back_as_it_is_told(tempo: FakeTempo) -> None:
    tempo.move_to(int(time.time()) - 30 * 24 * 3600)
    assert open_source(f"tempo+{tempo.url}").producers([REPORT])[REPORT] == []
    assert open_source(f"tempo+{tempo.url}?since=40d").producers([REPORT])[REPORT] != []


def test_what_is_too_new_to_be_searched_is_said(tempo: FakeTempo) -> None:
    tempo.move_to(int(time.time()))
    source = open_source(f"tempo+{tempo.url}")
    lineage = upstream(source, REPORT)
    assert lineage.operations == ()
    trace, span = hex_id("trace report.py", 32), hex_id("report.py pandas.to_csv", 16)
    operation = source.operation(trace, span)  # by its id it is found
    assert operation is not None
    gaps = upstream(source, operation).gaps
    assert any("newest 30 seconds" in gap.reason for gap in gaps)


def test_an_older_tempo_is_asked_in_the_older_way(tempo: FakeTempo) -> None:
    tempo.has_v2 = False
    assert len(upstream(open_source(f"tempo+{tempo.url}"), REPORT).operations) == 7


def test_what_tempo_left_out_is_told(tempo: FakeTempo, journal: Journal) -> None:
    tempo.partial = True
    source = open_source(f"tempo+{tempo.url}")
    source.trace(hex_id("trace ingest.py", 32))
    (problem,) = source.problems()
    assert "only a part of trace" in problem
    assert "exceeds max size" in problem


def test_a_text_that_tempo_cut_is_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.run("a.py").op("read", [file("x")], [art("t")], given={"sql": "x" * 5000})
    journal.write()
    tempo = FakeTempo()
    tempo.load(journal.directory)
    with serving(tempo):
        source = open_source(f"tempo+{tempo.url}")
        source.trace(hex_id("trace a.py", 32))
        assert ["is cut at 2,048 bytes" in one for one in source.problems()] == [True]


def test_addresses_that_are_none_are_refused(tempo: FakeTempo) -> None:
    for address in ("tempo+http://", "tempo+http://u:p@h", f"tempo+{tempo.url}?since=ever"):
        with pytest.raises(AddressError):
            open_source(address)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SourceError, match=f"cannot reach Tempo at {url}: Connection refused"):
            open_source(f"tempo+{url}").runs(1)

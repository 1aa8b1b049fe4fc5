"""The graph that a walk gives, against graphs that are written down by hand."""

from __future__ import annotations

from pathlib import Path

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.lineage.recorded import Journal, art, digest, file, flights, hex_id

from otelprov.lineage.graph import Lineage
from otelprov.lineage.sources import Source, open_source
from otelprov.lineage.walk import downstream, upstream, whole_trace

REPORT = digest("delays.csv", "file")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return flights(tmp_path / "journal")


def opened(journal: Journal) -> Source:
    return open_source(f"journal:{journal.write()}")


def edges(lineage: Lineage, names: dict[str, str]) -> set[tuple[str, str, str]]:
    """The edges with the artifacts' names and the operations' names in place of ids."""
    names = {**names, **{one.id: one.name for one in lineage.operations}}
    return {(names[e.source], names[e.target], e.relation) for e in lineage.edges}


def named(*pairs: tuple[str, str]) -> dict[str, str]:
    return {digest(name, kind): f"{kind}:{name}" for name, kind in pairs}


NAMES = named(
    ("flights.csv", "file"),
    ("airlines.csv", "file"),
    ("unrelated.csv", "file"),
    ("clean.parquet", "file"),
    ("delays.csv", "file"),
    ("flights", "table"),
    ("airlines", "table"),
    ("merged", "derived"),
    ("merged", "table"),
    ("delays", "derived"),
)


def test_the_report_leads_back_to_exactly_the_files_it_was_made_from(journal: Journal) -> None:
    lineage = upstream(opened(journal), REPORT)
    assert edges(lineage, NAMES) == {
        ("file:flights.csv", "pandas.read_csv", "used"),
        ("pandas.read_csv", "table:flights", "generated"),
        ("file:airlines.csv", "pandas.read_csv", "used"),
        ("pandas.read_csv", "table:airlines", "generated"),
        ("table:flights", "pandas.merge", "used"),
        ("table:airlines", "pandas.merge", "used"),
        ("pandas.merge", "derived:merged", "generated"),
        ("derived:merged", "pandas.to_parquet", "used"),
        ("pandas.to_parquet", "file:clean.parquet", "generated"),
        ("file:clean.parquet", "pandas.read_parquet", "used"),
        ("pandas.read_parquet", "table:merged", "generated"),
        ("table:merged", "pandas.groupby.mean", "used"),
        ("pandas.groupby.mean", "derived:delays", "generated"),
        ("derived:delays", "pandas.to_csv", "used"),
        ("pandas.to_csv", "file:delays.csv", "generated"),
    }
    assert lineage.gaps == ()
    assert len(lineage.operations) == 7
    assert {run.name for run in lineage.runs.values()} == {"run ingest.py", "run report.py"}


def test_nodes_and_edges_stand_in_the_order_of_the_flow(journal: Journal) -> None:
    lineage = upstream(opened(journal), REPORT)
    assert lineage.artifacts[-1].id == REPORT
    assert lineage.operations[-1].name == "pandas.to_csv"
    names = [operation.name for operation in lineage.operations]
    assert names.index("pandas.merge") < names.index("pandas.to_parquet")
    assert lineage == upstream(opened(journal), REPORT)


def test_downstream_is_everything_that_came_of_a_file(journal: Journal) -> None:
    lineage = downstream(opened(journal), digest("airlines.csv", "file"))
    assert edges(lineage, NAMES) == {
        ("file:airlines.csv", "pandas.read_csv", "used"),
        ("pandas.read_csv", "table:airlines", "generated"),
        ("table:airlines", "pandas.merge", "used"),
        ("pandas.merge", "derived:merged", "generated"),
        ("derived:merged", "pandas.to_parquet", "used"),
        ("pandas.to_parquet", "file:clean.parquet", "generated"),
        ("file:clean.parquet", "pandas.read_parquet", "used"),
        ("pandas.read_parquet", "table:merged", "generated"),
        ("table:merged", "pandas.groupby.mean", "used"),
        ("pandas.groupby.mean", "derived:delays", "generated"),
        ("derived:delays", "pandas.to_csv", "used"),
        ("pandas.to_csv", "file:delays.csv", "generated"),
    }


def test_downstream_shows_a_failed_operation_with_its_error(journal: Journal) -> None:
    run = journal.run("broken.py")
    run.op("pandas.merge", [art("flights", "table")], error="KeyError: 'carier'")
    lineage = downstream(opened(journal), digest("flights", "table"))
    failed = [one for one in lineage.operations if one.status == "error"]
    assert [one.error for one in failed] == ["KeyError: 'carier'"]


def test_downstream_does_not_follow_what_came_from_another_maker(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in (1, 2):
        run = journal.run(f"run{number}.py")
        run.op("read", [file(f"raw{number}.csv")], [art("empty", "table")])
        run.op("to_csv", [art("empty", "table")], [file(f"out{number}.csv")])
    lineage = downstream(opened(journal), digest("raw1.csv", "file"))
    uris = {artifact.uri for artifact in lineage.artifacts}
    assert "/data/out1.csv" in uris
    assert "/data/out2.csv" not in uris


def test_depth_counts_operations_and_tells_where_it_stopped(journal: Journal) -> None:
    source = opened(journal)
    lineage = upstream(source, REPORT, depth=2)
    assert [one.name for one in lineage.operations] == ["pandas.groupby.mean", "pandas.to_csv"]
    assert [(gap.artifact, gap.reason) for gap in lineage.gaps] == [
        (digest("merged", "table"), "not followed beyond --depth 2")
    ]
    assert upstream(source, REPORT, depth=6).gaps == ()
    ahead = downstream(source, digest("clean.parquet", "file"), depth=1)
    assert [one.name for one in ahead.operations] == ["pandas.read_parquet"]
    assert [gap.artifact for gap in ahead.gaps] == [digest("merged", "table")]


def test_a_raw_file_is_just_itself_and_no_gap(journal: Journal) -> None:
    lineage = upstream(opened(journal), digest("flights.csv", "file"))
    assert [artifact.uri for artifact in lineage.artifacts] == ["/data/flights.csv"]
    assert (lineage.operations, lineage.edges, lineage.gaps) == ((), (), ())


def test_a_deleted_journal_leaves_a_gap_that_names_the_missing_operation(
    journal: Journal,
) -> None:
    journal.write()
    journal.file("ingest.py").unlink()
    source = open_source(f"journal:{journal.directory}")
    lineage = upstream(source, REPORT)
    writer = f"{hex_id('trace ingest.py', 32)}-{hex_id('ingest.py pandas.to_parquet', 16)}"
    assert [(gap.artifact, gap.reason) for gap in lineage.gaps] == [
        (
            digest("clean.parquet", "file"),
            f"made by operation {writer}, which is not in {source.name}",
        )
    ]


def test_a_missing_link_is_not_replaced_by_another_maker_of_the_same_content(
    journal: Journal,
) -> None:
    journal.run("again.py").op("to_parquet", [file("x.csv")], [file("clean.parquet")], start=1)
    journal.write()
    journal.file("ingest.py").unlink()
    lineage = upstream(open_source(f"journal:{journal.directory}"), REPORT)
    assert [gap.artifact for gap in lineage.gaps] == [digest("clean.parquet", "file")]
    assert "/data/x.csv" not in {artifact.uri for artifact in lineage.artifacts}
    assert lineage.others == {digest("clean.parquet", "file"): 1}


def test_what_cannot_be_followed_is_named_with_its_reason(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    inputs = [
        art("lost"),
        art("literal", "table"),
        art("query", "table", uri="postgresql://db/orders"),
        art("bucket", "resource", uri="s3://b/k", coverage="none", reason="a remote object"),
        file("raw.csv"),
    ]
    run = journal.run("a.py")
    made = run.op("concat", inputs, [art("all")], otelprov__dropped__used=3)
    run.op("to_csv", [art("all")], [file("out.csv")], otelprov__dropped__generated=1)
    source = opened(journal)
    lineage = upstream(source, digest("out.csv", "file"))
    assert {(gap.place, gap.reason) for gap in lineage.gaps} == {
        (digest("lost"), f"the operation that made it is not in {source.name}"),
        (digest("literal", "table"), "made in memory by code that was not recorded"),
        (
            digest("bucket", "resource"),
            "known by name only, its content was not looked at: a remote object",
        ),
        (made, "3 artifacts were left out of its record for a limit"),
        (run.id("to_csv"), "1 artifact was left out of its record for a limit"),
    }


def test_a_table_that_is_written_unchanged_is_a_cycle_and_is_walked_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    table = art("t", "table", rows=3, columns=1)
    run = journal.run("a.py")
    run.op("read_csv", [file("raw.csv")], [table])
    run.op("to_parquet", [table], [file("out.parquet"), table])
    source = opened(journal)
    names = named(("t", "table"), ("raw.csv", "file"), ("out.parquet", "file"))
    expected = {
        ("file:raw.csv", "read_csv", "used"),
        ("read_csv", "table:t", "generated"),
        ("table:t", "to_parquet", "used"),
    }
    for_file = upstream(source, digest("out.parquet", "file"))
    assert edges(for_file, names) == {*expected, ("to_parquet", "file:out.parquet", "generated")}
    assert for_file.others == {}
    for_table = upstream(source, digest("t", "table"))
    assert edges(for_table, names) == {*expected, ("to_parquet", "table:t", "generated")}
    assert len(for_table.edges) == 4


def test_a_table_from_memory_is_a_gap_even_when_it_is_read_back_later(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    run = journal.run("a.py")
    run.op("to_csv", [art("t", "table")], [file("raw.csv")])
    run.op("read_csv", [file("raw.csv")], [art("t", "table")])
    run.op("to_parquet", [art("t", "table")], [file("out.parquet")])
    lineage = upstream(opened(journal), digest("out.parquet", "file"))
    assert [one.name for one in lineage.operations if one.name != "to_parquet"] != []
    assert [gap.reason for gap in lineage.gaps] == [
        f"as used by to_csv ({run.id('to_csv')}): made in memory by code that was not recorded"
    ]


def test_an_operation_is_walked_from_with_all_that_it_made(journal: Journal) -> None:
    source = opened(journal)
    trace, span = hex_id("trace ingest.py", 32), hex_id("ingest.py pandas.to_parquet", 16)
    operation = source.operation(trace, span)
    assert operation is not None
    back = upstream(source, operation)
    assert back.target == operation.id
    assert ("pandas.to_parquet", "table:merged", "generated") in edges(back, NAMES)
    assert len(back.operations) == 4
    on = downstream(source, operation)
    assert [one.name for one in on.operations] == [
        "pandas.to_parquet",
        "pandas.read_parquet",
        "pandas.groupby.mean",
        "pandas.to_csv",
    ]


def test_a_trace_is_all_its_operations_and_nothing_beyond(journal: Journal) -> None:
    source = opened(journal)
    lineage = whole_trace(source, hex_id("trace report.py", 32))
    assert lineage is not None
    assert lineage.target == f"trace:{hex_id('trace report.py', 32)}"
    assert [one.name for one in lineage.operations] == [
        "pandas.read_parquet",
        "pandas.groupby.mean",
        "pandas.to_csv",
    ]
    assert lineage.gaps == ()
    assert whole_trace(source, "0" * 32) is None


def test_an_artifact_is_described_by_what_all_its_mentions_know(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    run = journal.run("a.py")
    run.op("make", [], [art("t", rows=5)])
    run.op("use", [art("t", rows=5, columns=2, name="orders")], [file("out.csv")])
    lineage = upstream(opened(journal), digest("out.csv", "file"))
    table = lineage.artifacts[0]
    assert (table.rows, table.columns, table.name) == (5, 2, "orders")


@st.composite
def pipelines(draw: st.DrawFn) -> list[tuple[list[int], int]]:
    """Operations in order: the artifacts used (of those that exist, or raw), how many are made."""
    count = draw(st.integers(1, 12))
    steps = []
    known = 3
    for _ in range(count):
        used = draw(st.lists(st.integers(0, known - 1), min_size=1, max_size=3, unique=True))
        made = draw(st.integers(1, 2))
        steps.append((used, made))
        known += made
    return steps


@settings(max_examples=20, deadline=None)
@given(steps=pipelines())
def test_the_walk_gives_the_ancestors_of_any_pipeline(
    steps: list[tuple[list[int], int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    journal = Journal(tmp_path_factory.mktemp("journal"))
    run = journal.run("a.py")
    graph = networkx.DiGraph()
    ids = [file(f"raw{n}.csv") for n in range(3)]
    for number, (used, made) in enumerate(steps):
        new = [art(f"t{len(ids) + n}") for n in range(made)]
        operation = run.op(f"step{number}", [ids[n] for n in used], new)
        graph.add_edges_from((ids[n]["id"], operation) for n in used)
        graph.add_edges_from((operation, one["id"]) for one in new)
        ids += new
    target = ids[-1]["id"]
    source = opened(journal)
    back = upstream(source, target)
    nodes = {one.id for one in back.artifacts} | {one.id for one in back.operations}
    assert nodes == networkx.ancestors(graph, target) | {target}
    order = [one.id for one in back.operations]
    assert all(
        order.index(a) < order.index(b)
        for a in order
        for b in order
        if a != b and networkx.has_path(graph, a, b)
    )
    raw = ids[0]["id"]
    if raw in graph:
        on = downstream(source, raw)
        nodes = {one.id for one in on.artifacts} | {one.id for one in on.operations}
        assert nodes == networkx.descendants(graph, raw) | {raw}

"""The main job: the lineage of a real report, held against a graph written by hand."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import support
from flights import FLIGHTS, Pipeline, Servers, run_flights

# Every operation on the way from the raw tables to delays_by_weather.parquet, by hand: a label, its
# span, its script, and what flows into it. Files have their names, tables their maker's label.
EXPECTED: list[tuple[str, str, str, list[str]]] = [
    ("flights", "pandas.read_csv", "ingest.py", ["flights.csv.zip"]),
    ("departed", "pandas.dropna", "ingest.py", ["flights"]),
    ("hours", "pandas.to_datetime", "ingest.py", ["departed"]),
    ("timed", "pandas.setitem", "ingest.py", ["departed", "hours"]),
    ("typed", "pandas.astype", "ingest.py", ["timed"]),
    ("routed", "pandas.setitem", "ingest.py", ["typed"]),
    ("dropped", "pandas.drop", "ingest.py", ["routed"]),
    ("flights.parquet", "pandas.to_parquet", "ingest.py", ["dropped"]),
    ("weather", "pandas.read_csv", "ingest.py", ["weather.csv"]),
    ("weather hours", "pandas.to_datetime", "ingest.py", ["weather"]),
    ("weather timed", "pandas.setitem", "ingest.py", ["weather", "weather hours"]),
    ("weather unique", "pandas.drop_duplicates", "ingest.py", ["weather timed"]),
    ("weather.parquet", "pandas.to_parquet", "ingest.py", ["weather unique"]),
    ("planes", "pandas.read_csv", "ingest.py", ["planes.csv"]),
    ("planes renamed", "pandas.rename", "ingest.py", ["planes"]),
    ("planes.parquet", "pandas.to_parquet", "ingest.py", ["planes renamed"]),
    ("airlines", "pandas.read_csv", "ingest.py", ["airlines.csv"]),
    ("airlines stripped", "pandas.setitem", "ingest.py", ["airlines"]),
    ("airlines.parquet", "pandas.to_parquet", "ingest.py", ["airlines stripped"]),
    ("e flights", "pandas.read_parquet", "enrich.py", ["flights.parquet"]),
    ("e weather", "pandas.read_parquet", "enrich.py", ["weather.parquet"]),
    ("e planes", "pandas.read_parquet", "enrich.py", ["planes.parquet"]),
    ("e airlines", "pandas.read_parquet", "enrich.py", ["airlines.parquet"]),
    ("with weather", "pandas.merge", "enrich.py", ["e flights", "e weather"]),
    ("with planes", "pandas.merge", "enrich.py", ["with weather", "e planes"]),
    ("airline names", "pandas.rename", "enrich.py", ["e airlines"]),
    ("with airlines", "pandas.merge", "enrich.py", ["with planes", "airline names"]),
    ("with age", "pandas.setitem", "enrich.py", ["with airlines"]),
    ("with late", "pandas.setitem", "enrich.py", ["with age"]),
    ("enriched.parquet", "pandas.to_parquet", "enrich.py", ["with late"]),
    ("r flights", "pandas.read_parquet", "report.py", ["enriched.parquet"]),
    ("wet rows", "pandas.getitem", "report.py", ["r flights"]),
    ("wet", "pandas.assign", "report.py", ["wet rows"]),
    ("dry rows", "pandas.getitem", "report.py", ["r flights"]),
    ("dry", "pandas.assign", "report.py", ["dry rows"]),
    ("both", "pandas.concat", "report.py", ["wet", "dry"]),
    ("pivoted", "pandas.pivot_table", "report.py", ["both"]),
    ("flat", "pandas.reset_index", "report.py", ["pivoted"]),
    ("delays_by_weather.parquet", "pandas.to_parquet", "report.py", ["flat"]),
]
RAW = {"flights.csv.zip", "weather.csv", "planes.csv", "airlines.csv"}


def lineage(
    target: Path | str, pipeline: Pipeline | None = None, *arguments: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    env = support.environment(pipeline.journal if pipeline else None)
    result = subprocess.run(
        ["otelprov", "lineage", str(target), *arguments],
        env=env,
        cwd=support.ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if check:
        assert result.returncode == 0, result.stderr
    return result


def graph(target: Path | str, pipeline: Pipeline | None = None, *arguments: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(
        lineage(target, pipeline, "--format", "json", *arguments).stdout
    )
    return loaded


def shape(found: dict[str, Any]) -> Counter[str]:
    """A graph without ids: each operation as its name, its script and, recursively, its inputs."""
    makers: dict[str, list[str]] = {}
    used: dict[str, list[str]] = {}
    for edge in found["edges"]:
        if edge["relation"] == "generated":
            makers.setdefault(edge["to"], []).append(edge["from"])
        else:
            used.setdefault(edge["to"], []).append(edge["from"])
    operations = {operation["id"]: operation for operation in found["operations"]}
    artifacts = {artifact["id"]: artifact for artifact in found["artifacts"]}
    memory: dict[str, str] = {}

    def describe_artifact(key: str, consumer: str) -> str:
        if artifacts[key]["kind"] == "file" and key not in makers:
            return str(artifacts[key]["name"])
        # A table read back may have the content of one made before: the maker is the one of
        # the consumer's own run.
        candidates = makers[key]
        if len(candidates) > 1:
            run = operations[consumer]["run"]
            candidates = [c for c in candidates if operations[c]["run"] == run] or candidates
        assert len(candidates) == 1, candidates
        return describe(candidates[0])

    def describe(key: str) -> str:
        if key not in memory:
            operation = operations[key]
            inputs = sorted(describe_artifact(item, key) for item in used.get(key, []))
            script = Path(operation["code"]["file"]).name
            memory[key] = f"{operation['name']}@{script}({', '.join(inputs)})"
        return memory[key]

    return Counter(describe(key) for key in operations)


def expected_shape() -> Counter[str]:
    memory: dict[str, str] = {}
    for label, name, script, inputs in EXPECTED:
        described = sorted(memory.get(item, item) for item in inputs)
        memory[label] = f"{name}@{script}({', '.join(described)})"
    return Counter(memory.values())


def test_the_lineage_of_the_report_is_the_one_written_by_hand(flights: Pipeline) -> None:
    found = graph(flights.output / "delays_by_weather.parquet", flights)
    assert shape(found) == expected_shape()
    assert found["gaps"] == []
    makers = {edge["to"] for edge in found["edges"] if edge["relation"] == "generated"}
    raw = {a["name"] for a in found["artifacts"] if a["id"] not in makers}
    assert raw == RAW


def test_row_counts_parameters_and_code_are_on_the_operations(flights: Pipeline) -> None:
    found = graph(flights.output / "delays_by_weather.parquet", flights)
    rows = {(a["name"], a["rows"]) for a in found["artifacts"]}
    assert 336_776 in {number for _, number in rows}
    assert 328_063 in {number for _, number in rows}
    merges = [o for o in found["operations"] if o["name"] == "pandas.merge"]
    assert {str(m["parameters"]["on"]) for m in merges} == {
        "['origin', 'time_hour']",
        "tailnum",
        "carrier",
    }
    revision = subprocess.run(
        ["git", "-C", str(support.ROOT), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    for operation in found["operations"]:
        assert operation["code"]["revision"] == revision
        assert operation["code"]["line"] > 0
        assert operation["status"] == "ok"
    assert len({operation["run"] for operation in found["operations"]}) == 3


def test_the_tree_fits_a_page_of_100_columns(flights: Pipeline) -> None:
    text = lineage(flights.output / "delays_by_weather.parquet", flights).stdout
    assert all(len(line) <= 100 for line in text.splitlines())
    for name in (*RAW, "run ingest.py", "run enrich.py", "run report.py", "336,776", "how=left"):
        assert name in text
    assert "airports" not in text
    assert "\x1b[" not in text


def test_each_report_has_its_own_raw_tables(flights: Pipeline) -> None:
    for name in ("delays_by_carrier.csv", "delays_by_route.csv"):
        found = graph(flights.output / name, flights)
        makers = {edge["to"] for edge in found["edges"] if edge["relation"] == "generated"}
        assert {a["name"] for a in found["artifacts"] if a["id"] not in makers} == RAW
    airports = graph(flights.output / "airports.parquet", flights)
    assert [o["name"] for o in airports["operations"]] == [
        "pandas.read_csv",
        "pandas.set_index",
        "pandas.to_parquet",
    ]


def test_downstream_of_a_raw_table_are_all_its_reports(flights: Pipeline) -> None:
    read = graph(flights.output / "airports.parquet", flights)
    airports = next(a for a in read["artifacts"] if a["name"] == "airports.csv")
    down = graph(airports["id"], flights, "--downstream")
    assert "airports.parquet" in {a["name"] for a in down["artifacts"]}
    weather = next(
        a
        for a in graph(flights.output / "enriched.parquet", flights)["artifacts"]
        if a["name"] == "weather.csv"
    )
    names = {a["name"] for a in graph(weather["id"], flights, "--downstream")["artifacts"]}
    assert {"delays_by_carrier.csv", "delays_by_route.csv", "delays_by_weather.parquet"} <= names


def test_a_deleted_journal_leaves_a_named_gap(flights: Pipeline, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    shutil.copytree(flights.journal, journal)
    enrich = next(p for p in journal.glob("*.jsonl") if b'"run enrich.py"' in p.read_bytes())
    enrich.unlink()
    left = Pipeline(flights.output, journal)
    found = graph(flights.output / "delays_by_weather.parquet", left)
    (gap,) = found["gaps"]
    enriched = next(a for a in found["artifacts"] if a["name"] == "enriched.parquet")
    assert gap["artifact"] == enriched["id"]
    assert "not in journal:" in gap["reason"]
    assert "gap" in lineage(flights.output / "delays_by_weather.parquet", left).stdout


def test_without_a_journal_a_file_still_names_its_trace(flights: Pipeline, tmp_path: Path) -> None:
    nothing = Pipeline(flights.output, tmp_path / "nothing")
    result = lineage(flights.output / "enriched.parquet", nothing, check=False)
    assert result.returncode == 1
    assert "there is no journal at" in result.stderr
    assert "--source jaeger+http://" in result.stderr


def test_a_pipeline_that_runs_twice_has_one_lineage_each(flights: Pipeline, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    shutil.copytree(flights.journal, journal)
    again = run_flights(tmp_path / "output", journal)
    first = graph(flights.output / "delays_by_weather.parquet", Pipeline(flights.output, journal))
    second = graph(again.output / "delays_by_weather.parquet", again)
    assert shape(first) == shape(second) == expected_shape()
    assert not {o["id"] for o in first["operations"]} & {o["id"] for o in second["operations"]}
    derived = [
        {a["id"] for a in found["artifacts"] if a["id"].startswith(("derived:", "table:"))}
        for found in (first, second)
    ]
    assert derived[0] == derived[1], "the same data and the same steps have the same ids"


def test_the_scripts_know_nothing_of_otelprov() -> None:
    for script in FLIGHTS.glob("*.py"):
        assert "otelprov" not in script.read_text()


def test_the_results_are_those_of_an_uninstrumented_run(flights: Pipeline, tmp_path: Path) -> None:
    for script in ("ingest.py", "enrich.py", "report.py"):
        subprocess.run(
            [sys.executable, str(FLIGHTS / script), str(tmp_path)], check=True, capture_output=True
        )
    for path in sorted(tmp_path.iterdir()):
        recorded = flights.output / path.name
        if path.suffix == ".csv":
            assert recorded.read_bytes() == path.read_bytes()
        else:
            pd.testing.assert_frame_equal(pd.read_parquet(recorded), pd.read_parquet(path))


# --- with the real servers -----------------------------------------------------------------------


def _settled(pipeline: Pipeline, servers: Servers, target: Path) -> dict[str, Any]:
    """The graph from Jaeger, once the Collector has sent the last batch."""
    deadline = time.monotonic() + 30
    while True:
        result = lineage(target, None, "--source", servers.source, "--format", "json", check=False)
        if result.returncode == 0:
            found: dict[str, Any] = json.loads(result.stdout)
            if not found["gaps"] or time.monotonic() > deadline:
                return found
        assert time.monotonic() < deadline, result.stderr
        time.sleep(0.2)


@pytest.mark.servers
def test_jaeger_and_the_journal_tell_the_same_story(
    flights_in_jaeger: Pipeline, servers: Servers
) -> None:
    for name in ("delays_by_weather.parquet", "delays_by_carrier.csv", "airports.parquet"):
        target = flights_in_jaeger.output / name
        assert _settled(flights_in_jaeger, servers, target) == graph(target, flights_in_jaeger)


@pytest.mark.servers
def test_without_any_journal_the_files_lead_to_the_traces_in_jaeger(
    flights_in_jaeger: Pipeline, servers: Servers, tmp_path: Path
) -> None:
    target = flights_in_jaeger.output / "delays_by_weather.parquet"
    expected = _settled(flights_in_jaeger, servers, target)
    assert shape(expected) == expected_shape()
    # Even when the bytes of the file are others (rewritten, so that no span knows its id): the
    # table in it, and the traceparent it carries, still lead there.
    rewritten = tmp_path / "rewritten.parquet"
    code = (
        "import sys, pyarrow.parquet as pq;"
        "pq.write_table(pq.read_table(sys.argv[1]), sys.argv[2], compression='gzip')"
    )
    subprocess.run([sys.executable, "-c", code, str(target), str(rewritten)], check=True)
    assert rewritten.read_bytes() != target.read_bytes()
    found = _settled(flights_in_jaeger, servers, rewritten)
    assert {o["id"] for o in expected["operations"]} <= {o["id"] for o in found["operations"]}


@pytest.mark.servers
def test_downstream_is_the_same_from_jaeger(flights_in_jaeger: Pipeline, servers: Servers) -> None:
    target = flights_in_jaeger.output / "weather.parquet"
    _settled(flights_in_jaeger, servers, flights_in_jaeger.output / "delays_by_weather.parquet")
    from_journal = graph(target, flights_in_jaeger, "--downstream")
    from_jaeger = graph(target, None, "--downstream", "--source", servers.source)
    assert from_jaeger == from_journal
    assert from_journal["operations"]


@pytest.mark.servers
def test_a_trace_can_be_the_target(flights_in_jaeger: Pipeline, servers: Servers) -> None:
    found = _settled(
        flights_in_jaeger, servers, flights_in_jaeger.output / "delays_by_weather.parquet"
    )
    trace = next(o for o in found["operations"] if o["code"]["file"].endswith("enrich.py"))
    trace_id = trace["id"].partition("-")[0]
    for arguments in (("--source", servers.source), ()):
        whole = graph(f"trace:{trace_id}", flights_in_jaeger, *arguments)
        names = [o["name"] for o in whole["operations"] if o["id"].startswith(trace_id)]
        assert names.count("pandas.merge") == 3


@pytest.mark.servers
def test_an_unreachable_jaeger_is_an_error_that_says_so(flights: Pipeline) -> None:
    result = lineage(
        flights.output / "delays_by_weather.parquet",
        flights,
        "--source",
        "jaeger+http://127.0.0.1:9",
        check=False,
    )
    assert result.returncode == 1
    assert "cannot reach Jaeger at http://127.0.0.1:9" in result.stderr

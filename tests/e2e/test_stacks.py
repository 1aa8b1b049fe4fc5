"""The flights pipeline through agent and gateway into Jaeger, Loki, Prometheus and the record."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import collectors
import pytest
import support
from collectors import eventually, post
from everything import Everything
from flights import FLIGHTS, Pipeline, run_flights

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def recorded(everything: Everything, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    base = tmp_path_factory.mktemp("through")
    return run_flights(
        base / "output",
        base / "journal",
        OTEL_SERVICE_NAME="flights",
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_ENDPOINT=everything.agent.http,
    )


def lineage(target: Path, *arguments: str, journal: Path | None = None) -> dict[str, Any] | None:
    told = subprocess.run(
        ["otelprov", "lineage", str(target), "--format", "json", *arguments],
        env=support.environment(journal),
        cwd=support.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(told.stdout) if told.returncode == 0 else None


def test_journal_record_and_jaeger_tell_the_same_lineage(
    everything: Everything, recorded: Pipeline
) -> None:
    target = recorded.output / "delays_by_weather.parquet"
    expected = lineage(target, journal=recorded.journal)
    assert expected is not None
    assert len(expected["operations"]) > 10
    record = everything.record
    eventually("the record", lambda: lineage(target, journal=record) == expected)
    source = everything.jaeger.replace("http://", "jaeger+http://")
    eventually("Jaeger", lambda: lineage(target, "--source", source) == expected)


def test_every_span_arrives_once(everything: Everything, recorded: Pipeline) -> None:
    expected = sorted((span.trace_id, span.span_id) for span in recorded.spans())
    record = everything.record

    def arrived() -> list[tuple[str, str]]:
        spans = [one for path in record.glob("*.jsonl") for one in support.journal_lines(path)]
        traces = {trace for trace, _ in expected}
        return sorted((s.trace_id, s.span_id) for s in spans if s.trace_id in traces)

    eventually("all of them", lambda: arrived() == expected)


def test_prometheus_counts_the_operations_by_step(
    everything: Everything, recorded: Pipeline
) -> None:
    merges = sum(span.name == "pandas.merge" for span in recorded.spans())
    assert merges == 3
    query = 'sum(traces_span_metrics_calls_total{job="flights", span_name="pandas.merge"})'
    eventually(
        "three merges", lambda: [r["value"][1] for r in everything.prometheus.query(query)] == ["3"]
    )


def test_a_log_record_is_found_by_its_trace_and_by_its_artifact(
    everything: Everything, recorded: Pipeline
) -> None:
    span = next(span for span in recorded.spans() if span.name == "pandas.to_parquet")
    artifact = min(span.used_ids)
    sent = collectors.logs(
        "enriched is written",
        {"otelprov.used.id": artifact, "otelprov.run.id": span.attributes["otelprov.run.id"]},
        trace_id=span.trace_id,
        span_id=span.span_id,
    )
    other = collectors.logs("another", {"otelprov.used.id": "x"}, trace_id=secrets.token_hex(16))
    assert post(everything.agent.http, sent) == 200
    assert post(everything.agent.http, other) == 200
    for condition in (f'trace_id="{span.trace_id}"', f'otelprov_used_id="{artifact}"'):
        query = f'{{service_name="flights"}} | {condition}'
        found = eventually(condition, lambda query=query: everything.lines(query))
        assert [text for _, text in found] == ["enriched is written"]
        known = found[0][0]
        # From the line to the span, and to the run.
        assert (known["trace_id"], known["span_id"]) == (span.trace_id, span.span_id)
        assert known["otelprov_run_id"] == span.attributes["otelprov.run.id"]
    logged = eventually(
        "the gateway's own file",
        lambda: collectors.record(everything.record / "logs"),
    )
    assert "enriched is written" in logged


def test_a_broken_input_fires_alerts_in_prometheus(
    everything: Everything, recorded: Pipeline, tmp_path: Path
) -> None:
    assert everything.prometheus.firing("flights-broken") == set()
    (tmp_path / "output").mkdir()
    for file in recorded.output.glob("*.parquet"):
        (tmp_path / "output" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "output" / "flights.parquet").write_bytes(b"PAR1 and no more")
    for _ in range(2):
        failed = support.instrumented(
            FLIGHTS / "enrich.py",
            tmp_path / "output",
            journal_directory=tmp_path / "journal",
            env={
                "OTEL_SERVICE_NAME": "flights-broken",
                "OTEL_TRACES_EXPORTER": "otlp",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_ENDPOINT": everything.agent.http,
            },
            check=False,
        )
        assert failed.returncode != 0
    expected = {
        ("ProvenanceRunFailed", "run enrich.py"),
        ("ProvenanceStepFailsMore", "pandas.read_parquet"),
    }
    eventually(
        "both alerts fire", lambda: expected <= everything.prometheus.firing("flights-broken")
    )
    assert everything.prometheus.firing("flights") == set()


SHOP = """
import structlog
import pandas as pd
import otelprov

log = structlog.get_logger("shop")
orders = pd.read_csv("orders.csv")
log.info("read", rows=len(orders))

@otelprov.operation
def clean(table):
    log.warning("one row is empty", row=3)
    return table[table["amount"] > 100]

clean(orders).to_csv("large.csv", index=False)
log.info("after all")
"""


def test_the_log_lines_of_a_result_come_back_from_a_real_loki(
    everything: Everything, tmp_path: Path
) -> None:
    (tmp_path / "orders.csv").write_text("country,amount\nNO,10\nSE,200\n")
    (tmp_path / "shop.py").write_text(SHOP)
    support.instrumented(
        "shop.py",
        journal_directory=tmp_path / "journal",
        cwd=tmp_path,
        env={
            "OTELPROV_EVENTS": "on",
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": everything.agent.http,
        },
    )

    def bodies() -> list[str]:
        shown = subprocess.run(
            [
                sys.executable,
                "-m",
                "otelprov.cli",
                "logs",
                "large.csv",
                "--format",
                "json",
                "--source",
                f"loki+{everything.loki}",
            ],
            env=support.environment(tmp_path / "journal"),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return [line["body"] for line in json.loads(shown.stdout)["lines"]]

    # The operations' own events are log records too, and no lines of the program.
    eventually("the lines in Loki", lambda: len(bodies()) >= 2)
    assert bodies() == ["read", "one row is empty"]
    write = next(s for s in support.journal(tmp_path / "journal") if s.name == "pandas.to_csv")
    (made,) = [id_ for id_ in write.generated_ids if id_.startswith("file:")]
    query = f'{{service_name="shop"}} | otelprov_generated_id=~".*{made}.*"'
    eventually("the operation's event", lambda: everything.lines(query))
    ((labels, text),) = everything.lines(query)
    assert labels["trace_id"] == write.trace_id
    assert text.startswith("pandas.to_csv done")

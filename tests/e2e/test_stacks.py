"""The flights pipeline through agent and gateway into Jaeger, Loki, Prometheus and the record."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import collectors
import pytest
import support
import yaml
from collectors import eventually, fetch, post
from flights import FLIGHTS, STACK, Pipeline, run_flights

pytestmark = pytest.mark.servers


@dataclass(frozen=True)
class Everything:
    """An agent, a gateway, and all that is behind it."""

    agent: collectors.Collector
    gateway: collectors.Collector
    jaeger: str
    loki: str
    prometheus: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers to a question about now."""
        words = urllib.parse.urlencode({"query": expression})
        result: list[dict[str, Any]] = fetch(f"{self.prometheus}/api/v1/query?{words}")["data"][
            "result"
        ]
        return result

    def lines(self, query: str) -> list[tuple[dict[str, str], str]]:
        """The log lines that Loki has: what is known of each, and its text."""
        words = urllib.parse.urlencode({"query": query, "since": "1h", "limit": "1000"})
        streams = fetch(f"{self.loki}/loki/api/v1/query_range?{words}")["data"]["result"]
        return [(one["stream"], text) for one in streams for _, text in one["values"]]


def quicker(metrics_port: int, directory: Path) -> None:
    """Prometheus's files with a second where they have minutes, so that a test can wait for it."""
    source = support.ROOT / "collector-config" / "prometheus"
    rules = yaml.safe_load((source / "rules.yml").read_text())
    for group in rules["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            rule.pop("for", None)
    (directory / "rules.yml").write_text(yaml.safe_dump(rules))
    text = (source / "prometheus.yml").read_text().replace("15s", "1s")
    text = text.replace("127.0.0.1:9464", f"127.0.0.1:{metrics_port}")
    (directory / "prometheus.yml").write_text(text)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    state = tmp_path_factory.mktemp("everything")
    command = [sys.executable, str(STACK)]
    stack = str(state / "stack")
    try:
        started = subprocess.run(
            [*command, "up", "--full", "--free-ports", "--state", stack, "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert started.returncode == 0, started.stderr
        endpoints = json.loads(started.stdout)["endpoints"]
        ports = {name: urllib.parse.urlsplit(url).port for name, url in endpoints.items()}
        keys = collectors.Secrets(state)
        keys.write()
        gateway = collectors.gateway(
            state,
            keys,
            OTELPROV_JAEGER_OTLP_GRPC_PORT=str(ports["jaeger_otlp_grpc"]),
            OTELPROV_LOKI_PORT=str(ports["loki"]),
        )
        agent = collectors.agent(state, keys, gateway.ports["otlp_grpc"])
        # The stack's own Prometheus asks the stack's own Collector; a second asks our gateway.
        (state / "prometheus").mkdir()
        watching = collectors.free_ports("prometheus")["prometheus"]
        quicker(gateway.ports["metrics"], state / "prometheus")
        with collectors.running(gateway, agent):
            process = collectors.processes.start(
                [
                    str(collectors.servers.built(collectors.servers.PROMETHEUS)),
                    f"--config.file={state / 'prometheus' / 'prometheus.yml'}",
                    f"--storage.tsdb.path={state / 'prometheus' / 'data'}",
                    f"--web.listen-address=127.0.0.1:{watching}",
                ],
                gateway.environment,
                state / "prometheus.log",
            )
            try:
                url = f"http://127.0.0.1:{watching}"
                eventually("Prometheus", lambda: fetch(f"{url}/-/ready"))
                yield Everything(agent, gateway, endpoints["jaeger"], endpoints["loki"], url)
            finally:
                collectors.processes.stop("prometheus", process)
    finally:
        subprocess.run([*command, "down", "--state", stack], check=True, capture_output=True)


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
    record = everything.gateway.state / "record"
    eventually("the record", lambda: lineage(target, journal=record) == expected)
    source = everything.jaeger.replace("http://", "jaeger+http://")
    eventually("Jaeger", lambda: lineage(target, "--source", source) == expected)


def test_every_span_arrives_once(everything: Everything, recorded: Pipeline) -> None:
    expected = sorted((span.trace_id, span.span_id) for span in recorded.spans())
    record = everything.gateway.state / "record"

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
    eventually("three merges", lambda: [r["value"][1] for r in everything.query(query)] == ["3"])


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
        lambda: collectors.record(everything.gateway.state / "record" / "logs"),
    )
    assert "enriched is written" in logged


def alerts(everything: Everything) -> set[tuple[str, str, str]]:
    """What fires: the alert, the pipeline, and the step."""
    found = fetch(f"{everything.prometheus}/api/v1/alerts")["data"]["alerts"]
    labels = [one["labels"] for one in found if one["state"] == "firing"]
    return {(one["alertname"], one.get("job", ""), one.get("span_name", "")) for one in labels}


def test_a_broken_input_fires_alerts_in_prometheus(
    everything: Everything, recorded: Pipeline, tmp_path: Path
) -> None:
    assert not [one for one in alerts(everything) if one[1] == "flights-broken"]
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
        ("ProvenanceRunFailed", "flights-broken", "run enrich.py"),
        ("ProvenanceStepFailsMore", "flights-broken", "pandas.read_parquet"),
    }
    eventually("both alerts fire", lambda: expected <= alerts(everything))
    assert not [one for one in alerts(everything) if one[1] == "flights"]


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

"""What the gateway makes of what it is sent: sampled, separated, recorded, counted."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import time
from pathlib import Path
from typing import Any

import collectors
import pytest
import support
from collectors import Pair, eventually, pairs, post, span, traces

from otelprov import semconv

pytestmark = pytest.mark.servers


def spans_in(record: str) -> list[dict[str, Any]]:
    found = []
    for line in record.splitlines():
        for resource in json.loads(line).get("resourceSpans", ()):
            for scope in resource["scopeSpans"]:
                found += scope["spans"]
    return found


def named(record: str, name: str) -> dict[str, Any] | None:
    found = [one for one in spans_in(record) if one["name"] == name]
    assert len(found) < 2, f"{len(found)} spans named {name}"
    return found[0] if found else None


# --- sampling ------------------------------------------------------------------------------------


@pytest.fixture
def behind(tmp_path: Path) -> Any:
    """A gateway that keeps none of the rest, and what reaches the place of Jaeger behind it."""
    keys = collectors.Secrets(tmp_path)
    keys.write()
    port = collectors.free_ports("otlp")["otlp"]
    (tmp_path / "behind").mkdir()
    receiver = collectors.plain_receiver(tmp_path / "behind", port)
    gateway = collectors.gateway(
        tmp_path,
        keys,
        OTELPROV_JAEGER_OTLP_GRPC_PORT=str(port),
        OTELPROV_SAMPLING_PERCENTAGE="0",
    )
    agent = collectors.agent(tmp_path, keys, gateway.ports["otlp_grpc"])
    with collectors.running(receiver, gateway, agent):
        yield (
            agent,
            lambda: [
                one["name"] for one in spans_in(collectors.record(tmp_path / "behind" / "record"))
            ],
        )


def test_sampling_drops_other_traces_and_never_a_span_of_provenance(behind: Any) -> None:
    agent, arrived = behind
    alone, mixed, failed = (secrets.token_hex(16) for _ in range(3))
    post(agent.http, traces(span("web request", {}, trace_id=alone)))
    post(agent.http, traces(span("web request of a run", {}, trace_id=mixed)))
    post(agent.http, traces(span("pandas.merge", trace_id=mixed)))
    post(agent.http, traces(span("failed request", {}, trace_id=failed, error="no")))
    expected = {"pandas.merge", "web request of a run", "failed request"}
    eventually("what is kept arrives", lambda: expected <= set(arrived()))
    # The decision on `alone` has been made with theirs: it was dropped. Provenance that comes to
    # that trace only now is kept all the same; so is what comes to the kept one.
    post(agent.http, traces(span("late provenance", trace_id=alone)))
    post(agent.http, traces(span("late request of a run", {}, trace_id=mixed)))
    expected |= {"late provenance", "late request of a run"}
    eventually("what comes late arrives", lambda: expected <= set(arrived()))
    assert sorted(arrived()) == sorted(expected)


# --- what is sensitive ---------------------------------------------------------------------------

DETAILS = {
    "otelprov.parameter.path": "/data/patients.csv",
    "code.function.name": "load_patients",
    "otelprov.library.version": "3.1",
}
CONNECTS = {
    "otelprov.operation.kind": "read",
    "otelprov.run.id": "a" * 32 + "-" + "b" * 16,
    "otelprov.tier": "full",
    "error.type": "ValueError",
}
ARTIFACT = {
    "otelprov.artifact.kind": "file",
    "otelprov.artifact.role": "path",
    "otelprov.artifact.name": "patients.csv",
    "otelprov.artifact.uri": "file:///data/patients.csv",
}


@pytest.mark.parametrize("mark", ["span", "event"])
def test_a_sensitive_span_is_whole_in_the_restricted_store_and_stripped_elsewhere(
    pair: Pair, mark: str
) -> None:
    sensitive = {semconv.SENSITIVE: True}
    used = {semconv.USED_ID: "file:" + secrets.token_hex(32), **ARTIFACT}
    generated = {semconv.GENERATED_ID: "table:" + secrets.token_hex(32), **ARTIFACT}
    name = f"pandas.read_csv {secrets.token_hex(4)}"
    one = span(
        name,
        {**CONNECTS, **DETAILS, **(sensitive if mark == "span" else {})},
        events=(
            ("otelprov.used", {**used, **(sensitive if mark == "event" else {})}),
            ("otelprov.generated", generated),
            ("exception", {"exception.message": "no such patient"}),
        ),
        error="no such patient",
    )
    assert post(pair.agent.http, traces(one)) == 200
    eventually("it is recorded", lambda: named(pair.recorded, name))
    eventually("it is in the restricted store", lambda: named(pair.restricted, name))
    assert "patient" not in pair.recorded
    stripped = named(pair.recorded, name)
    assert stripped is not None
    kept = support.attributes(stripped["attributes"])
    assert kept == {**CONNECTS, semconv.SENSITIVE: True}
    ids = [support.attributes(event.get("attributes", ())) for event in stripped["events"]]
    assert ids[0][semconv.USED_ID] == used[semconv.USED_ID]
    assert ids[1][semconv.GENERATED_ID] == generated[semconv.GENERATED_ID]
    assert ids[2] == {}
    assert stripped["status"] == {"code": 2}
    whole = named(pair.restricted, name)
    assert whole is not None
    assert support.attributes(whole["attributes"]).items() >= {**CONNECTS, **DETAILS}.items()
    assert "no such patient" in json.dumps(whole)


def test_a_sensitive_log_record_is_too(pair: Pair) -> None:
    trace = secrets.token_hex(16)
    attributes = {semconv.SENSITIVE: True, semconv.USED_ID: "file:1", "patient": "Joe"}
    assert post(pair.agent.http, collectors.logs("Joe is ill", attributes, trace_id=trace)) == 200
    eventually("it is recorded", lambda: trace in pair.recorded)
    eventually("it is in the restricted store", lambda: trace in pair.restricted)
    (line,) = (line for line in pair.recorded.splitlines() if trace in line)
    assert "Joe" not in line
    assert "[sensitive]" in line
    assert '"file:1"' in line
    assert "Joe is ill" in pair.restricted


def test_what_is_not_sensitive_is_not_in_the_restricted_store(pair: Pair) -> None:
    name = f"pandas.merge {secrets.token_hex(4)}"
    assert post(pair.agent.http, traces(span(name, {**CONNECTS, **DETAILS}))) == 200
    eventually("it is recorded", lambda: named(pair.recorded, name))
    # Another, sensitive, is behind it in every queue.
    other = f"pandas.merge {secrets.token_hex(4)}"
    sensitive = {**CONNECTS, semconv.SENSITIVE: True}
    assert post(pair.agent.http, traces(span(other, sensitive))) == 200
    eventually("the other is in the restricted store", lambda: named(pair.restricted, other))
    assert named(pair.restricted, name) is None
    recorded = named(pair.recorded, name)
    assert recorded is not None
    assert support.attributes(recorded["attributes"]) == {**CONNECTS, **DETAILS}


# --- the record ----------------------------------------------------------------------------------


def test_the_record_turns_over_to_a_new_file_and_survives_a_restart(tmp_path: Path) -> None:
    keys = collectors.Secrets(tmp_path)
    keys.write()
    gateway = collectors.gateway(tmp_path, keys, OTELPROV_RECORD_MEGABYTES="1")
    expected = set()
    with collectors.running(gateway):
        for number in range(12):
            # Hundreds of kilobytes each.
            some = [span(f"{number}-{n}", {**CONNECTS, "x": "y" * 2000}) for n in range(100)]
            expected |= {one["name"] for one in some}
            body = traces(*some)
            assert post(gateway.https, body, token="correct-token", trust=keys.trust) == 200
            if number == 6:
                gateway.kill()
                gateway.start()
    files = sorted((tmp_path / "record").glob("*.jsonl"))
    assert len(files) >= 3
    assert all(file.stat().st_size <= 1 << 20 for file in files)
    assert {one["name"] for one in spans_in(collectors.record(tmp_path / "record"))} == expected


def test_the_record_is_a_journal_that_lineage_reads(pair: Pair, tmp_path: Path) -> None:
    support.instrumented(
        "-c",
        "import pandas as pd;"
        "pd.DataFrame({'a': [1, 2]}).to_csv('a.csv', index=False);"
        "pd.read_csv('a.csv').assign(b=1).to_parquet('b.parquet')",
        journal_directory=tmp_path / "journal",
        cwd=tmp_path,
        env={
            "OTEL_SERVICE_NAME": "recorded",
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": pair.agent.http,
        },
    )
    sent = len(support.journal(tmp_path / "journal"))
    eventually(
        "all is recorded",
        lambda: pair.recorded.count('"recorded"') and lineage_count(pair, "recorded") == sent,
    )

    def lineage(journal: Path) -> Any:
        told = subprocess.run(
            ["otelprov", "lineage", "b.parquet", "--format", "json"],
            env=support.environment(journal),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stdout + told.stderr
        return json.loads(told.stdout)

    from_record = lineage(pair.gateway.state / "record")
    assert from_record == lineage(tmp_path / "journal")
    assert [one["name"] for one in from_record["operations"]].count("pandas.read_csv") == 1


def test_the_record_has_what_is_known_of_a_run_that_was_killed(pair: Pair) -> None:
    trace, span_id = secrets.token_hex(16), secrets.token_hex(8)
    body = collectors.logs(
        "", {semconv.OPERATION_NAME: "run etl.py"}, trace_id=trace, span_id=span_id
    )
    record = body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]
    record["eventName"] = semconv.STARTED
    assert post(pair.agent.http, body) == 200
    other = secrets.token_hex(16)
    assert post(pair.agent.http, collectors.logs("x", {}, trace_id=other)) == 200
    directory = pair.gateway.state / "record"
    eventually("the other line", lambda: other in collectors.record(directory / "logs"))
    file = directory / "provenance.jsonl"
    eventually("the start", lambda: f'"traceId":"{trace}"' in file.read_text())
    assert other not in file.read_text()


def lineage_count(pair: Pair, service: str) -> int:
    """How many spans of a service are recorded."""
    count = 0
    for line in pair.recorded.splitlines():
        for resource in json.loads(line).get("resourceSpans", ()):
            if support.attributes(resource["resource"]["attributes"])["service.name"] == service:
                count += sum(len(scope["spans"]) for scope in resource["scopeSpans"])
    return count


# --- metrics -------------------------------------------------------------------------------------

BOUNDS = [0.001, 0.01, 0.1, 1, 10]


def metric(name: str, amount: float, attributes: dict[str, str]) -> dict[str, Any]:
    """A point of a metric of the convention, as a process that lives for a second sends it."""
    one = semconv.METRICS[name]
    now = time.time_ns()
    point: dict[str, Any] = {
        "attributes": pairs(attributes),
        "startTimeUnixNano": str(now - 1_000_000_000),
        "timeUnixNano": str(now),
    }
    if one.instrument == "histogram":
        counts = ["0"] * (len(BOUNDS) + 1)
        counts[sum(amount > bound for bound in BOUNDS)] = "1"
        point |= {"count": "1", "sum": amount, "bucketCounts": counts, "explicitBounds": BOUNDS}
        data = {"histogram": {"aggregationTemporality": 1, "dataPoints": [point]}}
    elif one.instrument == "counter":
        point |= {"asDouble": amount}
        data = {"sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]}}
    else:
        point |= {"asDouble": amount}
        data = {"gauge": {"dataPoints": [point]}}
    return {"name": name, "unit": one.unit, **data}


def metrics(*points: dict[str, Any], service: str, version: str = "1.0") -> dict[str, Any]:
    resource = {
        "service.name": service,
        "service.instance.id": secrets.token_hex(8),
        "host.name": "etl1",
        "process.pid": secrets.randbelow(100000),
    }
    scope = {"name": "otelprov", "version": version}
    return {
        "resourceMetrics": [
            {
                "resource": {"attributes": pairs(resource)},
                "scopeMetrics": [{"scope": scope, "metrics": [*points]}],
            }
        ]
    }


def samples(text: str, job: str) -> dict[str, float]:
    """What Prometheus fetches of one job: name and labels, and the value."""
    found = {}
    for line in text.splitlines():
        if f'job="{job}"' in line and not line.startswith("#"):
            key, _, amount = line.partition(" # ")[0].rpartition(" ")
            assert key not in found, f"twice: {key}"
            found[key] = float(amount)
    return found


def every_metric(amount: float) -> list[dict[str, Any]]:
    values = {name: "x" for one in semconv.METRICS.values() for name in one.attributes}
    return [
        metric(name, amount, {key: values[key] for key in one.attributes})
        for name, one in semconv.METRICS.items()
    ]


def test_counters_of_short_processes_add_up_and_gauges_are_the_last(pair: Pair) -> None:
    job = f"adds-{secrets.token_hex(4)}"
    # Two processes after each other, and one of another version.
    for amount, version in ((3, "1.0"), (5, "1.0"), (2, "1.1")):
        body = metrics(*every_metric(amount), service=job, version=version)
        assert post(pair.agent.http, body) == 200

    def counted() -> dict[str, float] | None:
        found = samples(pair.metrics(), job)
        total = sum(
            v for k, v in found.items() if k.startswith("otelprov_operation_failures_total")
        )
        return found if total == 10 else None

    found = eventually("all three are added up", counted)
    by_name: dict[str, float] = {}
    for key, amount in found.items():
        name = key.partition("{")[0]
        if "_bucket" not in name:
            assert name not in by_name, f"two series of {name}"
            by_name[name] = amount
    assert by_name["otelprov_operation_rows_total"] == 10
    assert by_name["otelprov_operation_duration_seconds_count"] == 3
    assert by_name["otelprov_operation_duration_seconds_sum"] == 10
    assert by_name["otelprov_artifact_rows"] == 2
    assert by_name["otelprov_journal_size_bytes"] == 2
    assert not [key for key in found if "instance=" in key]
    hosts = {key.partition("{")[0] for key in found if 'host_name="etl1"' in key}
    assert "otelprov_journal_lost_total" in hosts
    assert "otelprov_operation_rows_total" not in hosts


def test_failures_and_durations_are_counted_by_step_from_the_spans(pair: Pair) -> None:
    job = f"counts-{secrets.token_hex(4)}"
    attributes = {"otelprov.operation.kind": "transform", "code.function.name": "enrich"}
    for process in range(3):
        body = traces(
            span("pandas.merge", attributes),
            span("pandas.merge", attributes, error="no" if process else None),
            span("web request", {}),
            service=job,
        )
        body["resourceSpans"][0]["resource"]["attributes"] += pairs({"process.pid": process})
        assert post(pair.agent.http, body) == 200

    def calls() -> dict[str, float] | None:
        found = samples(pair.metrics(), job)
        found = {k: v for k, v in found.items() if k.startswith("traces_span_metrics_calls_total")}
        return found if sum(found.values()) == 6 else None

    found = eventually("all six are counted", calls)
    assert len(found) == 2
    failed = {key: amount for key, amount in found.items() if "STATUS_CODE_ERROR" in key}
    ((key, amount),) = failed.items()
    assert amount == 2
    for label in ('span_name="pandas.merge"', 'code_function_name="enrich"'):
        assert label in key
    assert 'otelprov_operation_kind="transform"' in key


def names_in_rules_and_dashboards() -> dict[str, set[str]]:
    """Every metric and label that a rule or a panel asks for, and where."""
    config = support.ROOT / "collector-config"
    texts = [("rules.yml", (config / "prometheus" / "rules.yml").read_text())]
    for file in (config / "grafana" / "dashboards").glob("*.json"):
        for panel in json.loads(file.read_text())["panels"]:
            if panel["datasource"]["type"] == "prometheus":
                texts += [(file.name, target["expr"]) for target in panel["targets"]]
    pattern = re.compile(
        r"(?<![:\w.])(otelprov_\w+|traces_span_metrics_\w+|otelcol_exporter_queue\w+)"
    )
    found: dict[str, set[str]] = {}
    for file_name, text in texts:
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        for name in pattern.findall("\n".join(lines)):
            found.setdefault(name, set()).add(file_name)
    return found


def test_rules_and_dashboards_ask_for_what_there_is(pair: Pair) -> None:
    job = f"names-{secrets.token_hex(4)}"
    assert post(pair.agent.http, metrics(*every_metric(1), service=job)) == 200
    attributes = {"otelprov.operation.kind": "transform", "code.function.name": "enrich"}
    assert post(pair.agent.http, traces(span("pandas.merge", attributes), service=job)) == 200
    eventually(
        "all is there",
        lambda: (
            {"traces_span_metrics_calls_total", "otelprov_faults_total"}
            <= {key.partition("{")[0] for key in samples(pair.metrics(), job)}
            and "otelcol_exporter_queue_size" in pair.metrics()
        ),
    )
    text = "\n".join(line for line in pair.metrics().splitlines() if not line.startswith("#"))
    there = set(re.findall(r"^(\w+)\{", text, re.MULTILINE)) | set(re.findall(r"(\w+)=\"", text))
    asked = names_in_rules_and_dashboards()
    assert len(asked) > 10
    assert {name: asked[name] for name in asked if name not in there} == {}

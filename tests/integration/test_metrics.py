"""Metrics: what a program under opentelemetry-instrument sends, and what the SDK has in memory."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import support
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from otelprov import semconv

PROGRAM = """
import sys, otelprov
import pandas as pd

frame = pd.DataFrame({"a": range(1000)})
frame.to_parquet(sys.argv[1] + "/a.parquet")
for _ in range(1500):
    with otelprov.operation("step", kind="transform") as op:
        op.used(frame)
try:
    with otelprov.operation("fails"):
        raise ValueError("no")
except ValueError:
    pass
"""


class Sink:
    """A receiver that keeps the metrics that it is sent."""

    def __init__(self) -> None:
        self.requests: list[ExportMetricsServiceRequest] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/metrics":
                    sink.requests.append(ExportMetricsServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.server.server_port}",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
            **more,
        }

    def metrics(self) -> Iterator[Any]:
        for request in self.requests:
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    if scope.scope.name == "otelprov":
                        yield from scope.metrics

    def points(self, name: str) -> list[tuple[dict[str, str], Any]]:
        found = []
        for metric in self.metrics():
            if metric.name == name:
                for point in getattr(metric, metric.WhichOneof("data")).data_points:
                    said = {pair.key: pair.value.string_value for pair in point.attributes}
                    found.append((said, point))
        return found

    def total(self, name: str, **wanted: str) -> float:
        """The sum over all that was sent: values, or the counts of a histogram."""
        return sum(
            point.count
            if hasattr(point, "bucket_counts")
            else (point.as_int if point.WhichOneof("value") == "as_int" else point.as_double)
            for said, point in self.points(name)
            if all(said.get(f"otelprov.{key.replace('_', '.')}") == v for key, v in wanted.items())
        )


@pytest.fixture
def sink() -> Iterator[Sink]:
    found = Sink()
    yield found
    found.server.shutdown()
    found.server.server_close()


def run(
    tmp_path: Path, source: str, environment: Mapping[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    (tmp_path / "program.py").write_text(source)
    return support.instrumented(
        tmp_path / "program.py",
        *arguments,
        journal_directory=tmp_path / "journal",
        cwd=tmp_path,
        env=environment,
    )


def test_a_program_sends_what_its_operations_did(tmp_path: Path, sink: Sink) -> None:
    run(tmp_path, PROGRAM, sink.environment(), str(tmp_path))
    duration = semconv.OPERATION_DURATION
    # 500 of them have no span of their own; each is counted.
    assert sink.total(duration, operation_name="step", operation_kind="transform") == 1500
    assert sink.total(duration, operation_name="pandas.to_parquet") == 1
    assert sink.total(duration, operation_kind="run") == 1
    assert sink.total(semconv.CALLS_SUMMED_UP) == 500
    assert sink.total(semconv.OPERATION_ROWS, operation_name="step", direction="used") == 1_500_000
    size = (tmp_path / "a.parquet").stat().st_size
    assert sink.total(semconv.OPERATION_BYTES, direction="generated") == size
    ((said, _),) = sink.points(semconv.OPERATION_FAILURES)
    assert said == {
        semconv.OPERATION_NAME: "fails",
        semconv.OPERATION_KIND: "task",
        semconv.ERROR_TYPE: "ValueError",
    }
    ((said, rows),) = sink.points(semconv.ARTIFACT_ROWS_METRIC)
    assert (said, rows.as_int) == ({semconv.ARTIFACT_NAME: "a.parquet"}, 1000)
    ((_, modified),) = sink.points(semconv.ARTIFACT_MODIFIED)
    assert abs(modified.as_double - (tmp_path / "a.parquet").stat().st_mtime) < 60
    assert sink.total(semconv.JOURNAL_SIZE) > 100_000
    assert sink.total(semconv.DIGEST_BYTES) >= size
    assert sink.total(semconv.DIGEST_DURATION) > 0
    assert sink.total(semconv.FAULTS) == 0


def test_what_is_sent_is_what_the_convention_says(tmp_path: Path, sink: Sink) -> None:
    run(tmp_path, PROGRAM, sink.environment(), str(tmp_path))
    kinds = {"histogram": "histogram", "sum": "counter", "gauge": "gauge"}
    seen = set()
    for metric in sink.metrics():
        described = semconv.METRICS[metric.name]
        assert metric.unit == described.unit
        assert kinds[metric.WhichOneof("data")] == described.instrument
        for said, _ in sink.points(metric.name):
            assert {*said} <= {*described.attributes}
        seen.add(metric.name)
    # Nothing was delivered and nothing was cut here.
    assert {*semconv.METRICS} - seen == {
        semconv.DELIVERY_WAITING,
        semconv.DELIVERY_DELIVERED,
        semconv.DELIVERY_REFUSED,
        semconv.DROPPED_ITEMS,
    }


def test_a_duration_leads_to_the_trace_of_one_operation(tmp_path: Path, sink: Sink) -> None:
    run(tmp_path, PROGRAM, sink.environment(), str(tmp_path))
    spans = {span.span_id: span for span in support.journal(tmp_path / "journal")}
    found = [
        (said[semconv.OPERATION_NAME], exemplar)
        for said, point in sink.points(semconv.OPERATION_DURATION)
        for exemplar in point.exemplars
    ]
    assert {name for name, _ in found} == {"step", "pandas.to_parquet", "fails", "run program.py"}
    for name, exemplar in found:
        span = spans[exemplar.span_id.hex()]
        assert (span.name, span.trace_id) == (name, exemplar.trace_id.hex())


DEFERRED = """
import sys
import numpy as np, pandas as pd
pd.DataFrame({"a": np.arange(4_000_000.0)}).to_parquet(sys.argv[1] + "/large.parquet")
"""


def test_an_operation_that_still_waits_for_its_digest_at_the_exit_is_measured(
    tmp_path: Path, sink: Sink
) -> None:
    run(tmp_path, DEFERRED, sink.environment(), str(tmp_path))
    assert sink.total(semconv.OPERATION_DURATION, operation_name="pandas.to_parquet") == 1
    assert sink.total(semconv.ARTIFACT_ROWS_METRIC) == 4_000_000


def test_what_is_delivered_at_the_exit_is_measured(tmp_path: Path, sink: Sink) -> None:
    environment = sink.environment(OTEL_TRACES_EXPORTER="otelprov")
    run(tmp_path, PROGRAM, environment, str(tmp_path))
    lines = len(support.journal(tmp_path / "journal"))
    assert sink.total(semconv.DELIVERY_DELIVERED) == lines
    assert sink.total(semconv.DELIVERY_REFUSED) == 0


FORKS = """
import multiprocessing, otelprov

def work(number):
    with otelprov.operation("child", kind="transform"):
        return number

with otelprov.operation("parent", kind="transform"):
    pass
with multiprocessing.get_context("fork").Pool(2) as pool:
    pool.map(work, range(20), chunksize=1)
    pool.close()
    pool.join()
"""


@pytest.mark.parametrize("temporality", ["delta", "cumulative"])
def test_forked_children_send_their_own_and_nothing_twice(
    tmp_path: Path, sink: Sink, temporality: str
) -> None:
    preference = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": temporality}
    run(tmp_path, FORKS, sink.environment(**preference))
    assert sink.total(semconv.OPERATION_DURATION, operation_name="parent") == 1
    assert sink.total(semconv.OPERATION_DURATION, operation_name="child") == 20


def test_without_an_exporter_nothing_is_loaded_for_metrics(tmp_path: Path) -> None:
    source = PROGRAM + "\nprint('otelprov.metrics' in sys.modules)\n"
    assert run(tmp_path, source, {}, str(tmp_path)).stdout == "False\n"


LATER = """
import json, sys
import otelprov
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
with otelprov.operation("before", kind="transform"):
    pass
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
with otelprov.operation("after", kind="transform", parameters={str(n): n for n in range(95)}):
    pass
found = json.loads(reader.get_metrics_data().to_json())
scopes = found["resource_metrics"][0]["scope_metrics"]
points = {m["name"]: m["data"]["data_points"] for s in scopes for m in s["metrics"]}
print(json.dumps(points))
"""


def test_a_provider_that_a_program_sets_later_is_found(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", LATER],
        env=support.environment(tmp_path / "journal"),
        capture_output=True,
        text=True,
        check=True,
    )
    points = json.loads(told.stdout)
    (duration,) = points[semconv.OPERATION_DURATION]
    assert duration["attributes"][semconv.OPERATION_NAME] == "after"
    (cut,) = points[semconv.DROPPED_ITEMS]
    assert (cut["attributes"], cut["value"]) == ({semconv.CUT: "parameters"}, 5)


NAMES = """
import sys
import pandas as pd
frame = pd.DataFrame({"a": [1]})
for number in range(103):
    frame.to_csv(f"{sys.argv[1]}/{number}.csv")
"""


def test_a_bounded_number_of_names_is_reported_and_the_rest_counted(
    tmp_path: Path, sink: Sink
) -> None:
    run(tmp_path, NAMES, sink.environment(), str(tmp_path))
    assert len(sink.points(semconv.ARTIFACT_MODIFIED)) == 100
    assert sink.total(semconv.DROPPED_ITEMS, cut="names") == 3


BROKEN = """
import otelprov.metrics
def broken(*_):
    raise RuntimeError("a fault of the metrics")
otelprov.metrics.Metrics.{what} = broken
with otelprov.operation("step", kind="transform"):
    pass
print("done")
"""


@pytest.mark.parametrize("what", ["ended", "_bounded", "_journal", "_at_exit", "__init__"])
def test_a_fault_of_the_metrics_never_reaches_the_program(
    tmp_path: Path, sink: Sink, what: str
) -> None:
    environment = sink.environment(OTELPROV_RAISE_FAULTS="off")
    assert run(tmp_path, BROKEN.format(what=what), environment).stdout == "done\n"
    assert "step" in [span.name for span in support.journal(tmp_path / "journal")]

"""What it costs to bring a span to a Collector: the shipper beside the SDK's own way.

Both record the same spans (12 attributes, 3 events) in the same kind of loop and deliver them to
the same receiver, a server in another process that answers at once; the processor time of the
whole process is counted, by span. The SDK's way is BatchSpanProcessor with OTLP over HTTP in
protobuf; its queue is made long enough to drop nothing. Ours is the journal, written as any span
of the SDK is, with the shipper of the program, at the exit without a bound. Rounds take turns, and
the median counts.

    python benchmarks/shipping.py [--spans 20000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RECEIVER = """
import socket, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
    def log_message(self, *arguments): pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""

PROGRAM = """
import json, os, sys, time
way, count, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.resources import Resource

provider = TracerProvider(resource=Resource.create({"service.name": "benchmark"}))
if way == "sdk":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), max_queue_size=10 * count))
elif way != "nothing":
    from otelprov import settings
    from otelprov.journal.attachment import attach
    from otelprov.journal.processor import JournalProcessor
    from otelprov.journal.writer import journal_writer
    from otelprov.shipping.exporter import JournalExporter
    if way == "ours":
        provider.add_span_processor(BatchSpanProcessor(JournalExporter()))
    attach(JournalProcessor(journal_writer(settings.load())), provider)
tracer = provider.get_tracer("benchmark")
attributes = {f"otelprov.parameter.name_{n}": f"a value of parameter {n}" for n in range(11)}
event = {"otelprov.used.id": "table:" + "ab" * 32, "otelprov.artifact.rows": 336776,
         "otelprov.artifact.columns": 19, "otelprov.artifact.uri": "/data/in/flights.parquet"}
used, began = time.process_time(), time.perf_counter()
for number in range(count):
    own = {**attributes, "n": number}
    with tracer.start_as_current_span("pandas.merge", attributes=own) as span:
        for _ in range(3):
            span.add_event("otelprov.used", event)
loop = time.perf_counter() - began
if pause:
    time.sleep(pause)
if way == "ours":
    from otelprov.shipping import worker
    worker._worker.finish()
provider.shutdown()
print(json.dumps({"cpu": time.process_time() - used, "loop": loop,
                  "all": time.perf_counter() - began}))
"""


def measure(way: str, count: int, url: str, directory: Path, **extra: str) -> dict[str, float]:
    """Seconds of one run."""
    journal = directory / "journal"
    shutil.rmtree(journal, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, way, str(count), "0"],
        env={
            **os.environ,
            "OTELPROV_JOURNAL": str(journal),
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTELPROV_EXIT_TIMEOUT": "600",
            "OTEL_TRACES_EXPORTER": "none",
            **extra,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def command(count: int, url: str, directory: Path, compression: str) -> tuple[float, float]:
    """Spans a second and µs of processor time a span of ``otelprov ship``."""
    measure("journal", count, url, directory)
    environ = {
        **os.environ,
        "OTELPROV_JOURNAL": str(directory / "journal"),
        "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
    }
    code = (
        "import sys, time; sys.argv = ['otelprov', 'ship', '--signal', 'traces', '--to', "
        f"{url!r}]\\n"
        "from otelprov.cli import main\\n"
        "import rich.progress, urllib3, otelprov.shipping.shipper\\n"
        "a, b = time.process_time(), time.perf_counter()\\n"
        "try: main()\\n"
        "except SystemExit: pass\\n"
        "print(time.process_time() - a, time.perf_counter() - b)\\n"
    ).replace("\\n", "\n")
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    assert f"{count:,} spans delivered" in done.stdout, done.stdout
    cpu, seconds = map(float, done.stdout.splitlines()[-1].split())
    return count / seconds, cpu / count * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--spans", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    server = subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = f"http://127.0.0.1:{int(server.stdout.readline())}"
    ways = {
        "nothing": ("nothing", {}),
        "journal": ("journal", {}),
        "ours": ("ours", {"OTEL_EXPORTER_OTLP_COMPRESSION": "none"}),
        "ours, gzip": ("ours", {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}),
        "sdk": ("sdk", {}),
        "sdk, gzip": ("sdk", {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}),
    }
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    rates: dict[str, list[tuple[float, float]]] = {"none": [], "gzip": []}
    try:
        with tempfile.TemporaryDirectory() as directory:
            for _ in range(options.rounds):
                for name, (way, extra) in ways.items():
                    found = measure(way, options.spans, url, Path(directory), **extra)
                    runs[name].append(found)
                for compression, several in rates.items():
                    several.append(command(options.spans, url, Path(directory), compression))
    finally:
        server.terminate()
        server.wait()

    def median(name: str, key: str) -> float:
        return statistics.median(one[key] for one in runs[name]) / options.spans * 1e6

    base = median("nothing", "cpu")
    print(f"{options.spans:,} spans of 12 attributes and 3 events, median of {options.rounds}")
    print(f"{'':12} {'CPU, µs a span':>15} {'without the span':>17} {'of the SDK':>11}")
    for name in ways:
        cpu = median(name, "cpu")
        beside = "sdk, gzip" if name.endswith("gzip") else "sdk"
        ratio = (cpu - base) / (median(beside, "cpu") - base)
        print(f"{name:12} {cpu:15.1f} {cpu - base:17.1f} {ratio:11.2f}")
    for compression, several in rates.items():
        rate = statistics.median(rate for rate, _ in several)
        cpu = statistics.median(cpu for _, cpu in several)
        print(
            f"otelprov ship, {compression}: {rate:,.0f} spans a second, {cpu:.1f} µs of CPU a span"
        )


if __name__ == "__main__":
    main()

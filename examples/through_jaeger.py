"""Send the flights pipeline through the running Collector to Jaeger (see `make stack`)."""

import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent
FLIGHTS = ROOT / "examples" / "flights"
OUTPUT = FLIGHTS / "output"
SERVICE = "flights"


def stack() -> dict[str, str]:
    """The addresses of the running servers."""
    command = [sys.executable, ROOT / "collector-config" / "stack.py", "status", "--json"]
    state = os.environ.get("OTELPROV_STACK_STATE")
    result = subprocess.run(
        [*command, *(["--state", state] if state else [])],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        sys.exit("no Collector and no Jaeger are running here; start them with `make stack`")
    endpoints: dict[str, str] = json.loads(result.stdout)["endpoints"]
    return endpoints


def traces(jaeger: str, since: int) -> list[str]:
    """The ids of the traces of the pipeline that started after ``since`` (microseconds)."""
    query = urllib.parse.urlencode({"service": SERVICE, "start": since, "limit": 20})
    with urllib.request.urlopen(f"{jaeger}/api/traces?{query}", timeout=10) as answer:
        return [trace["traceID"] for trace in json.load(answer)["data"]]


def main() -> None:
    endpoints = stack()
    started = time.time_ns() // 1000
    environment = {
        **os.environ,
        "OTEL_SERVICE_NAME": SERVICE,
        "OTEL_TRACES_EXPORTER": "otelprov",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "otelprov",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoints["otlp_http"],
        "OTELPROV_JOURNAL": str(OUTPUT / "journal"),
    }
    scripts = ("ingest.py", "enrich.py", "report.py")
    for script in scripts:
        print(f"$ opentelemetry-instrument python examples/flights/{script}", flush=True)
        command = ["opentelemetry-instrument", "python", str(FLIGHTS / script)]
        subprocess.run(command, env=environment, check=True)
    deadline = time.monotonic() + 30
    found = traces(endpoints["jaeger"], started)
    while len(found) < len(scripts) and time.monotonic() < deadline:
        time.sleep(0.5)  # the Collector sends batches
        found = traces(endpoints["jaeger"], started)
    if len(found) < len(scripts):
        sys.exit(f"only {len(found)} of {len(scripts)} traces reached Jaeger in 30 s")
    print()
    for trace in found:
        print(f"{endpoints['jaeger']}/trace/{trace}")
    source = endpoints["jaeger"].replace("http://", "jaeger+http://")
    print(f"\notelprov lineage --source {source} {OUTPUT / 'delays_by_weather.parquet'}")


if __name__ == "__main__":
    main()

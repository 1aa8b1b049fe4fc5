"""How many spans agent and gateway carry: CPU for each span, and what waits on disk.

    make benchmark-collector ARGS='--spans 50000'

The spans are those of a run of examples/flights, with parameters, code and artifacts, over and
over under new ids, sent as otelprov's shipper sends them: OTLP/JSON over HTTP, many to a request.
Both Collectors run as they are in collector-config/, with TLS, tokens, redaction, queues on disk,
sampling and the record; behind the gateway a real Jaeger, in memory. Three things are measured:

- flow: all of it runs. Seconds from the first request until Jaeger has the last span, and the CPU
  seconds that each process took for it;
- outage: the gateway is away. What the agent takes a second, and how much disk it takes;
- catching up: the gateway comes back.

CPU seconds a span are what sizing rests on: wall time is that of a machine that does other things.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "collector-config")]

import collectors  # noqa: E402
import processes  # noqa: E402
import servers  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def cpu(process: processes.Process | None) -> float:
    """CPU seconds that a process has taken so far, in user and system mode."""
    assert process is not None
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(process: processes.Process | None) -> int:
    """The most memory a process ever had, in bytes."""
    assert process is not None
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0]) * 1024


def recorded_spans(directory: Path) -> list[str]:
    """The lines that a run of the flights pipeline writes, each a request with one span."""
    for script in ("ingest.py", "enrich.py", "report.py"):
        subprocess.run(
            [
                Path(sys.executable).with_name("opentelemetry-instrument"),
                sys.executable,
                ROOT / "examples" / "flights" / script,
                directory / "output",
            ],
            env={
                **os.environ,
                "OTEL_TRACES_EXPORTER": "none",
                "OTEL_METRICS_EXPORTER": "none",
                "OTEL_LOGS_EXPORTER": "none",
                "OTEL_SERVICE_NAME": "flights",
                "OTELPROV_JOURNAL": str(directory / "journal"),
            },
            check=True,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
    lines = []
    for path in sorted((directory / "journal").glob("*.jsonl")):
        lines += [line for line in path.read_text().splitlines() if "resourceSpans" in line[:20]]
    return lines


def requests(lines: list[str], spans: int, batch: int) -> Iterator[tuple[bytes, int]]:
    """Bodies of requests, and how many spans are in each: each round of the lines under new ids."""
    start, end = '{"resourceSpans":[', "]}"
    assert all(line.startswith(start) and line.endswith(end) for line in lines)
    taken: list[str] = []
    total = 0
    while total < spans:
        fresh = {}

        def renew(found: re.Match[str], fresh: dict[str, str] = fresh) -> str:
            old = found[2]
            return found[1] + fresh.setdefault(old, secrets.token_hex(len(old) // 2)) + '"'

        for line in lines:
            renewed = re.sub(r'("(?:traceId|spanId|parentSpanId)":")([0-9a-f]+)"', renew, line)
            taken.append(renewed[len(start) : -len(end)])
            total += 1
            if len(taken) == batch or total == spans:
                yield (start + ",".join(taken) + end).encode(), len(taken)
                taken = []
            if total == spans:
                return


def send(base: str, bodies: list[tuple[bytes, int]]) -> None:
    """Post them all, four at a time, each until it is taken."""

    def one(body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        while True:
            request = urllib.request.Request(f"{base}/v1/traces", body, headers)
            try:
                urllib.request.urlopen(request, timeout=120).close()
                return
            except OSError:
                time.sleep(0.2)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, [body for body, _ in bodies]))


def delivered(gateway: collectors.Collector) -> int:
    """Spans that the gateway has handed to Jaeger."""
    text = collectors.fetch(f"http://127.0.0.1:{gateway.ports['telemetry']}/metrics")
    found = re.findall(r'otelcol_exporter_sent_spans\{[^}]*"otlp_grpc/jaeger"[^}]*\} (\S+)', text)
    return int(float(found[0])) if found else 0


def wait_for(gateway: collectors.Collector, spans: int) -> None:
    deadline = time.monotonic() + 600
    while delivered(gateway) < spans:
        assert time.monotonic() < deadline, f"{delivered(gateway)} of {spans} after 10 minutes"
        time.sleep(0.05)


def size(directory: Path) -> int:
    """Bytes that the files of a directory take on disk."""
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())


@dataclass
class Jaeger:
    """A Jaeger of its own, in memory."""

    port: int
    process: processes.Process


@contextmanager
def jaeger(state: Path) -> Iterator[Jaeger]:
    names = ("QUERY", "GRPC", "OTLP_GRPC", "OTLP_HTTP")
    ports = processes.pick_free_ports(names)
    environment = {**os.environ, "OTELPROV_BIND": "127.0.0.1"}
    environment |= {f"OTELPROV_JAEGER_{name}_PORT": str(port) for name, port in ports.items()}
    environment["OTELPROV_JAEGER_UI"] = str(servers.HERE / "jaeger" / "ui.json")
    command = [str(servers.built(servers.JAEGER)), "--config"]
    command.append(str(servers.HERE / "jaeger" / "config.yaml"))
    process = processes.start(command, environment, state / "jaeger.log")
    try:
        processes.wait_until_it_answers(
            "jaeger", process, lambda: processes.answers_tcp(ports["OTLP_GRPC"])
        )
        yield Jaeger(ports["OTLP_GRPC"], process)
    finally:
        processes.stop("jaeger", process)


def measure(state: Path, bodies: list[tuple[bytes, int]], *, fsync: bool) -> None:
    spans = sum(count for _, count in bodies)
    keys = collectors.Secrets(state)
    keys.write()
    with jaeger(state) as behind:
        gateway = collectors.gateway(
            state,
            keys,
            OTELPROV_JAEGER_OTLP_GRPC_PORT=str(behind.port),
            OTELPROV_DECISION_WAIT="10s",
            OTELPROV_FLUSH_INTERVAL="15s",
        )
        agent = collectors.agent(
            state,
            keys,
            gateway.ports["otlp_grpc"],
            OTELPROV_QUEUE_FSYNC=str(fsync).lower(),
            OTELPROV_TELEMETRY_INTERVAL="30000",
        )
        with collectors.running(gateway, agent):
            send(agent.http, bodies[:4])
            wait_for(gateway, sum(count for _, count in bodies[:4]))
            before = delivered(gateway)
            running = {
                "agent": agent.process,
                "gateway": gateway.process,
                "jaeger": behind.process,
            }
            taken = {name: cpu(process) for name, process in running.items()}
            begun = time.monotonic()
            send(agent.http, bodies)
            accepted = time.monotonic() - begun
            wait_for(gateway, before + spans)
            arrived = time.monotonic() - begun
            # The sampler decides ten seconds later; that is work for the same spans.
            time.sleep(12)
            spent = {name: cpu(process) - taken[name] for name, process in running.items()}
            print(f"flow         {spans:,} spans taken in {accepted:.1f} s, all in Jaeger after")
            print(
                f"             {arrived:.1f} s: {spans / arrived:,.0f} a second on this machine now"
            )
            for name, seconds in spent.items():
                print(
                    f"  {name:<10} {seconds / spans * 1e6:6.0f} µs CPU a span: "
                    f"{spans / seconds:,.0f} spans a second and core; "
                    f"at most {memory(running[name]) / 1e6:.0f} MB of memory"
                )
            gateway.stop()
            empty = size(state / "agent")
            taken_by_agent = cpu(agent.process)
            begun = time.monotonic()
            send(agent.http, bodies)
            accepted = time.monotonic() - begun
            waiting = size(state / "agent") - empty
            used = (cpu(agent.process) - taken_by_agent) / spans * 1e6
            print(f"outage       {spans / accepted:,.0f} spans taken a second")
            print(
                f"  agent      {used:6.0f} µs CPU and {waiting / spans:,.0f} bytes of disk a span"
            )
            gateway.start()
            begun = time.monotonic()
            wait_for(gateway, spans)
            print(f"catching up  {spans / (time.monotonic() - begun):,.0f} spans a second")
            record = size(state / "record") / (2 * spans + before)
            print(f"the record   {record:,.0f} bytes a span")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--spans", type=int, default=30_000)
    parser.add_argument("--batch", type=int, default=256, help="spans in one request")
    parser.add_argument("--fsync", action="store_true", help="the agent's queue on disk at once")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="otelprov-sizing-") as directory:
        state = Path(directory)
        lines = recorded_spans(state)
        sizes = sorted(len(line) for line in lines)
        artifacts = sum(
            line.count('"otelprov.used"') + line.count('"otelprov.generated"') for line in lines
        )
        print(
            f"spans        {len(lines)} of examples/flights, with {artifacts / len(lines):.1f} "
            f"artifacts and {sum(sizes) / len(sizes):,.0f} bytes of JSON each"
        )
        bodies = list(requests(lines, options.spans, options.batch))
        json.loads(bodies[0][0])
        measure(state, bodies, fsync=options.fsync)


if __name__ == "__main__":
    main()

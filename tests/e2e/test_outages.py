"""A real Collector that is away, restarted and killed under load: in the end all is in Jaeger."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import processes
import pytest
import servers as programs
import stack
import support

# The Collector answers when the spans are on its disk, so that killing it loses none of them: as
# agent.yaml does it. The batch processor of local.yaml answers earlier.
ON_DISK = """
extensions:
  file_storage/queue:
    directory: {state}/queue
    create_directory: true
exporters:
  otlp_grpc/jaeger:
    retry_on_failure: {{initial_interval: 100ms, max_interval: 500ms}}
    sending_queue: {{storage: file_storage/queue}}
service:
  extensions: [file_storage/queue]
  pipelines:
    traces:
      processors: [memory_limiter, transform/jaeger]
"""


class Collector:
    """A Collector before a Jaeger that stays up."""

    def __init__(self, state: Path) -> None:
        self.state = state
        ports = processes.pick_free_ports(stack.PORTS)
        self.url = f"http://127.0.0.1:{ports['otlp_http']}"
        self.jaeger = f"http://127.0.0.1:{ports['jaeger']}"
        self.jaeger_otlp = f"http://127.0.0.1:{ports['jaeger_otlp_http']}"
        self._ports = ports
        self._environment = {
            **os.environ,
            **{stack.PORTS[name][0]: str(port) for name, port in ports.items()},
            "OTELPROV_BIND": "127.0.0.1",
            "OTELPROV_JAEGER_HOST": "127.0.0.1",
            "OTELPROV_JAEGER_UI": str(programs.HERE / "jaeger" / "ui.json"),
        }
        (state / "on-disk.yaml").write_text(ON_DISK.format(state=state))
        self._running: dict[str, processes.Process] = {}
        self._start("jaeger", programs.HERE / "jaeger" / "config.yaml")

    def start(self) -> None:
        self._start("collector", programs.HERE / "local.yaml", self.state / "on-disk.yaml")

    def stop(self) -> None:
        self._end("collector", signal.SIGTERM)

    def kill(self) -> None:
        self._end("collector", signal.SIGKILL)

    def close(self) -> None:
        for name in list(self._running):
            self._end(name, signal.SIGKILL)

    def _start(self, name: str, *files: Path) -> None:
        binary = programs.built(programs.SERVERS[name])
        command = [str(binary), *stack.config_arguments(files)]
        process = processes.start(command, self._environment, self.state / f"{name}.log")
        self._running[name] = process
        answers = stack.answering(name, self._ports)
        processes.wait_until_it_answers(name, process, answers)

    def _end(self, name: str, signum: int) -> None:
        process = self._running.pop(name)
        with suppress(ProcessLookupError):
            os.kill(process.pid, signum)
        deadline = time.monotonic() + 20
        while process.runs() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not process.runs(), f"{name} does not end"

    def spans(self, service: str) -> Counter[str]:
        """The ids of the spans of a service in Jaeger."""
        found: Counter[str] = Counter()
        url = f"{self.jaeger}/api/traces?service={service}&limit=1000&lookback=2d"
        with urllib.request.urlopen(url, timeout=200) as answer:
            for trace in json.load(answer)["data"]:
                found.update(span["spanID"] for span in trace["spans"])
        return found


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    if not programs.built(programs.SERVERS["collector"]).exists():
        pytest.skip("no Collector here")
    made = Collector(tmp_path)
    try:
        yield made
    finally:
        made.close()


# Under load for as long as there is a file of this name.
PROGRAM = """
    import os, sys, time
    import otelprov

    done = 0
    while os.path.exists(sys.argv[1]):
        for number in range(20):
            with otelprov.operation(f"step {done}", parameters={"number": number}):
                done += 1
        time.sleep(float(sys.argv[2]))
"""


def start(directory: Path, url: str, service: str, *, pause: float = 0.05) -> subprocess.Popen[str]:
    """A process that records 20 operations, pauses, and so on."""
    program = directory / "load.py"
    program.write_text(textwrap.dedent(PROGRAM))
    return subprocess.Popen(
        ["opentelemetry-instrument", sys.executable, program, directory / "load", str(pause)],
        env=support.environment(
            directory / "journal",
            OTEL_TRACES_EXPORTER="otelprov",
            OTEL_SERVICE_NAME=service,
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
        ),
        stderr=subprocess.PIPE,
        text=True,
    )


def recorded(directory: Path) -> list[str]:
    """The ids of the spans in the journal."""
    found = []
    for path in sorted((directory / "journal").glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            if line.startswith(b'{"resourceSpans"'):
                found += [span.span_id for span in support.decode(line)]
    return found


def ship(directory: Path, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["otelprov", "ship", "--to", url, *words],
        env=support.environment(directory / "journal"),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def await_spans(
    collector: Collector, service: str, wanted: set[str], seconds: float
) -> Counter[str]:
    deadline = time.monotonic() + seconds
    while True:
        found = collector.spans(service)
        if wanted <= found.keys() or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


@pytest.mark.servers
@pytest.mark.timeout(600)
def test_a_collector_away_restarted_and_killed_under_load_loses_nothing(
    collector: Collector, tmp_path: Path
) -> None:
    outage = float(os.environ.get("OUTAGE_SECONDS", "6"))  # minutes, when it is tried by hand
    pause = 0.05 if outage < 60 else 0.5  # Jaeger's memory is not what is tried here
    (tmp_path / "load").touch()
    several = [start(tmp_path, collector.url, "outage", pause=pause) for _ in range(3)]
    time.sleep(outage)
    # A program that is killed during the outage leaves its spans to the others.
    several[0].kill()
    several[0].communicate()
    several.append(start(tmp_path, collector.url, "outage", pause=pause))
    collector.start()
    for end in (collector.kill, collector.stop, collector.kill):
        before = sum(collector.spans("outage").values())
        deadline = time.monotonic() + 120
        while sum(collector.spans("outage").values()) <= before and time.monotonic() < deadline:
            time.sleep(0.2)
        end()
        time.sleep(1)
        collector.start()
    (tmp_path / "load").unlink()
    errors = [one.communicate(timeout=60)[1] for one in several[1:]]
    assert errors == [""] * 3
    done = ship(tmp_path, collector.url, "--signal", "traces", "--wait", "100")
    assert done.returncode == 0, done.stderr
    ids = recorded(tmp_path)
    assert len(ids) == len(set(ids)) > 1000
    found = await_spans(collector, "outage", set(ids), 60)
    assert set(found) == set(ids), f"{len(set(ids) - set(found))} of {len(ids)} are missing"
    twice = sum(count - 1 for count in found.values())
    assert twice == 0, f"{twice} of {len(ids)} are there twice"
    print(f"{len(ids)} spans, each once")


@pytest.mark.servers
def test_jaeger_that_takes_no_logs_gets_the_traces(collector: Collector, tmp_path: Path) -> None:
    (tmp_path / "load").touch()
    one = start(tmp_path, "http://127.0.0.1:9", "direct")
    time.sleep(1.5)
    (tmp_path / "load").unlink()
    one.communicate(timeout=60)
    done = ship(tmp_path, collector.jaeger_otlp)
    ids = recorded(tmp_path)
    assert f"{len(ids)} spans delivered" in done.stdout
    assert await_spans(collector, "direct", set(ids), 30) == Counter(ids)
    logs = sum(
        path.read_bytes().count(b'{"resourceLogs"')
        for path in (tmp_path / "journal").glob("*.jsonl")
    )
    assert done.returncode == (2 if logs else 0)
    assert not logs or "otelprov ship --signal traces" in done.stderr


@pytest.mark.servers
def test_the_collector_takes_the_logs_of_the_journal(collector: Collector, tmp_path: Path) -> None:
    collector.start()
    (tmp_path / "load").touch()
    one = start(tmp_path, "http://127.0.0.1:9", "logs")
    time.sleep(1.5)
    (tmp_path / "load").unlink()
    one.communicate(timeout=60)
    done = ship(tmp_path, collector.url)
    assert done.returncode == 0, done.stdout + done.stderr

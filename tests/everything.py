"""An agent, a gateway, and all that is behind it: Jaeger, Loki, Prometheus and the record."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import collectors
import support
import yaml
from collectors import eventually, fetch
from flights import STACK

PROMETHEUS = support.ROOT / "collector-config" / "prometheus"


@dataclass
class Watching:
    """A Prometheus that fetches from the gateway, with a second where its files have minutes."""

    directory: Path
    port: int
    environment: Mapping[str, str]
    process: collectors.processes.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def configure(self, metrics_port: int) -> None:
        """The shipped files, with other intervals; no expression is touched."""
        rules = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())
        for group in rules["groups"]:
            group["interval"] = "1s"
            for rule in group["rules"]:
                rule.pop("for", None)
        (self.directory / "rules.yml").write_text(yaml.safe_dump(rules))
        text = (PROMETHEUS / "prometheus.yml").read_text().replace("15s", "1s")
        text = text.replace("127.0.0.1:9464", f"127.0.0.1:{metrics_port}")
        (self.directory / "prometheus.yml").write_text(text)

    def start(self) -> None:
        self.process = collectors.processes.start(
            [
                str(collectors.servers.built(collectors.servers.PROMETHEUS)),
                f"--config.file={self.directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.data}",
                "--storage.tsdb.retention.time=400d",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--enable-feature=exemplar-storage",
            ],
            self.environment,
            self.directory / "prometheus.log",
        )
        eventually("Prometheus", lambda: fetch(f"{self.url}/-/ready"))

    def stop(self) -> None:
        if self.process is not None:
            collectors.processes.stop("prometheus", self.process)
            self.process = None

    def _promtool(self, *words: str | Path) -> None:
        program = collectors.servers.built(collectors.servers.PROMETHEUS).with_name("promtool")
        told = subprocess.run(
            [program, "tsdb", "create-blocks-from", *words],
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stderr

    def remember(self, series: list[dict[str, Any]], days: int) -> None:
        """As if these series had been fetched every hour for some days, until an hour ago.

        By promtool, as a Prometheus is given a history: the samples first, and then what the
        shipped recording rules for artifacts make of them.
        """
        (name,) = {one["metric"]["__name__"] for one in series}
        now = int(time.time())
        lines = [f"# TYPE {name} gauge"]
        for one in series:
            labels = {key: text for key, text in one["metric"].items() if key != "__name__"}
            shown = ",".join(f"{key}={json.dumps(text)}" for key, text in labels.items())
            lines += [
                f"{name}{{{shown}}} {one['value'][1]} {now - 3600 * hours}"
                for hours in range(24 * days, 0, -1)
            ]
        history = self.directory / "history.txt"
        history.write_text("\n".join([*lines, "# EOF", ""]))
        groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
        rules = self.directory / "history.yml"
        about = [group for group in groups if group["name"] == "otelprov-artifacts"]
        rules.write_text(yaml.safe_dump({"groups": about}))
        span = (f"--start={now - 86400 * days}", f"--end={now - 3600}")
        self.stop()
        self._promtool("openmetrics", history, self.data)
        self.start()
        self._promtool("rules", f"--url={self.url}", *span, f"--output-dir={self.data}", rules)
        self.stop()
        self.start()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers to a question about now."""
        words = urllib.parse.urlencode({"query": expression})
        result: list[dict[str, Any]] = fetch(f"{self.url}/api/v1/query?{words}")["data"]["result"]
        return result

    def exemplars(self, expression: str) -> set[str]:
        """The traces that the points of some series name."""
        now = time.time()
        words = {"query": expression, "start": str(now - 3600), "end": str(now + 60)}
        url = f"{self.url}/api/v1/query_exemplars?{urllib.parse.urlencode(words)}"
        found = [one for series in fetch(url)["data"] for one in series["exemplars"]]
        return {one["labels"]["trace_id"] for one in found}

    def firing(self, job: str) -> set[tuple[str, str]]:
        """What fires about a pipeline: the alert, and the step or the artifact."""
        found = fetch(f"{self.url}/api/v1/alerts")["data"]["alerts"]
        labels = [one["labels"] for one in found if one["state"] == "firing"]
        return {
            (one["alertname"], one.get("span_name") or one.get("otelprov_artifact_name", ""))
            for one in labels
            if one.get("job") == job
        }


@dataclass(frozen=True)
class Everything:
    """All of it, running."""

    agent: collectors.Collector
    gateway: collectors.Collector
    jaeger: str
    loki: str
    prometheus: Watching

    @property
    def record(self) -> Path:
        """Where the gateway writes its files."""
        return self.gateway.state / "record"

    def streams(self, query: str) -> list[dict[str, Any]]:
        """What Loki answers: streams, each with labels and its lines."""
        words = urllib.parse.urlencode({"query": query, "since": "1h", "limit": "1000"})
        found: list[dict[str, Any]] = fetch(f"{self.loki}/loki/api/v1/query_range?{words}")["data"][
            "result"
        ]
        return found

    def lines(self, query: str) -> list[tuple[dict[str, str], str]]:
        """The log lines that Loki has: what is known of each, and its text."""
        found = self.streams(query)
        return [(one["stream"], text) for one in found for _, text in one["values"]]


@contextmanager
def running(state: Path) -> Iterator[Everything]:
    """Start all of it, and end it."""
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
        port = collectors.free_ports("prometheus")["prometheus"]
        prometheus = Watching(state / "prometheus", port, gateway.environment)
        prometheus.configure(gateway.ports["metrics"])
        with collectors.running(gateway, agent):
            try:
                prometheus.start()
                yield Everything(agent, gateway, endpoints["jaeger"], endpoints["loki"], prometheus)
            finally:
                prometheus.stop()
    finally:
        subprocess.run([*command, "down", "--state", stack], check=True, capture_output=True)

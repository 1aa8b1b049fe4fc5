"""Collectors that a test starts itself, from the files in collector-config/, and what it sends."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO, Any

import processes
import pytest
import servers
import support
import trustme

CONFIG = support.ROOT / "collector-config"

Attributes = Mapping[str, Any]


# --- what is sent --------------------------------------------------------------------------------


def value(content: object) -> dict[str, Any]:
    """One value in OTLP/JSON."""
    if isinstance(content, bool):
        return {"boolValue": content}
    if isinstance(content, int):
        return {"intValue": str(content)}
    if isinstance(content, list):
        return {"arrayValue": {"values": [value(item) for item in content]}}
    return {"stringValue": content}


def pairs(attributes: Attributes) -> list[dict[str, Any]]:
    return [{"key": name, "value": value(content)} for name, content in attributes.items()]


def span(
    name: str = "pandas.merge",
    attributes: Attributes | None = None,
    *,
    trace_id: str | None = None,
    events: tuple[tuple[str, Attributes], ...] = (),
    error: str | None = None,
) -> dict[str, Any]:
    """A span that ends now, of provenance unless its attributes say something else."""
    now = time.time_ns()
    return {
        "traceId": trace_id or secrets.token_hex(16),
        "spanId": secrets.token_hex(8),
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(now - 1_000_000),
        "endTimeUnixNano": str(now),
        "attributes": pairs(
            {"otelprov.operation.kind": "transform"} if attributes is None else attributes
        ),
        "events": [
            {"name": event, "timeUnixNano": str(now), "attributes": pairs(found)}
            for event, found in events
        ],
        "status": {} if error is None else {"code": 2, "message": error},
    }


def traces(*spans: Mapping[str, Any], service: str = "flights") -> dict[str, Any]:
    """An OTLP/JSON request of these spans."""
    resource = {"attributes": pairs({"service.name": service})}
    return {
        "resourceSpans": [
            {"resource": resource, "scopeSpans": [{"scope": {"name": "test"}, "spans": [*spans]}]}
        ]
    }


def logs(
    body: str,
    attributes: Attributes,
    *,
    trace_id: str,
    span_id: str = "00f067aa0ba902b7",
    service: str = "flights",
) -> dict[str, Any]:
    """An OTLP/JSON request of one log record."""
    record = {
        "timeUnixNano": str(time.time_ns()),
        "severityNumber": 9,
        "severityText": "INFO",
        "body": value(body),
        "attributes": pairs(attributes),
        "traceId": trace_id,
        "spanId": span_id,
    }
    resource = {"attributes": pairs({"service.name": service})}
    return {
        "resourceLogs": [
            {"resource": resource, "scopeLogs": [{"scope": {}, "logRecords": [record]}]}
        ]
    }


def post(
    base: str,
    body: Mapping[str, Any],
    *,
    token: str | None = None,
    trust: Path | None = None,
) -> int:
    """Send a request over OTLP/HTTP. Returns the status of the answer.

    Raises urllib.error.URLError when there is no connection: nobody listens, or no TLS.
    """
    (kind,) = body
    signal = {"resourceSpans": "traces", "resourceLogs": "logs", "resourceMetrics": "metrics"}[kind]
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"{base}/v1/{signal}", json.dumps(body).encode(), headers)
    context = None if trust is None else ssl.create_default_context(cafile=str(trust))
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def fetch(url: str) -> Any:
    """What a server answers to a GET, as JSON where it is that."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        text = answer.read().decode()
    try:
        return json.loads(text)
    except ValueError:
        return text


def eventually(what: str, found: Callable[[], Any], seconds: float = 60) -> Any:
    """The first result that is not empty; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = found()
        except OSError as error:
            last = error
        else:
            if last:
                return last
        time.sleep(0.1)
    raise AssertionError(f"after {seconds} s still not: {what}; last: {last!r}")


# --- who sends and who receives ------------------------------------------------------------------


@dataclass(frozen=True)
class Secrets:
    """An authority, a certificate of the gateway and tokens, as files."""

    directory: Path
    authority: trustme.CA = field(default_factory=trustme.CA)

    @property
    def trust(self) -> Path:
        return self.directory / "ca.pem"

    def write(self, *, expired: bool = False, tokens: str = "correct-token # this host\n") -> None:
        """Write all files anew."""
        # A day ago, so that no difference of clocks makes it valid.
        ends = datetime.now(timezone.utc) - timedelta(days=1) if expired else None
        certificate = self.authority.issue_cert("localhost", "127.0.0.1", not_after=ends)
        self.authority.cert_pem.write_to_path(str(self.trust))
        certificate.private_key_pem.write_to_path(str(self.directory / "gateway.key"))
        chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
        (self.directory / "gateway.pem").write_bytes(chain)
        (self.directory / "tokens").write_text(tokens)
        self.token("correct-token")

    def token(self, token: str) -> None:
        """Give the agent a token."""
        (self.directory / "token").write_text(token)


def build_or_skip(server: servers.Server) -> None:
    """Build a server that a test needs. Skips the test where that cannot be done, but not where
    servers are required."""
    try:
        servers.built(server)
    except servers.StackError as error:
        if os.environ.get("OTELPROV_REQUIRE_SERVERS") == "1":
            raise
        pytest.skip(str(error))


def free_ports(*names: str) -> dict[str, int]:
    """A port for each name that stays free while its server is down for a moment.

    So not one that the kernel gives to outgoing connections, as those of bind(0) are, and none that
    another test has got, in whatever process.
    """
    ports: dict[str, int] = {}
    while len(ports) < len(names):
        port = 20000 + secrets.randbelow(12000)
        with suppress(OSError), processes.listening(port):
            _reserve(port)
            ports[names[len(ports)]] = port
    return ports


_reserved: list[IO[bytes]] = []
"""Locked until the process ends: a server takes its port some time after it was found free."""


def _reserve(port: int) -> None:
    """Raises BlockingIOError for a port that somebody else has got."""
    file = (Path(tempfile.gettempdir()) / f"otelprov-port-{port}").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    _reserved.append(file)


@dataclass
class Collector:
    """A Collector that runs, or ran."""

    name: str
    ports: dict[str, int]
    state: Path
    environment: dict[str, str]
    files: tuple[Path, ...]
    process: processes.Process | None = None

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.ports['otlp_http']}"

    @property
    def https(self) -> str:
        return f"https://localhost:{self.ports['otlp_http']}"

    def log(self) -> str:
        return (self.state / f"{self.name}.log").read_text()

    def start(self) -> Collector:
        """Start it; it answers when this returns."""
        assert self.process is None
        binary = servers.built(servers.COLLECTOR)
        options = [option for file in self.files for option in ("--config", str(file))]
        log = self.state / f"{self.name}.log"
        self.process = processes.start([str(binary), *options], self.environment, log)
        processes.wait_until_it_answers(
            self.name,
            self.process,
            lambda: all(processes.answers_tcp(port) for port in self.ports.values()),
        )
        return self

    def kill(self) -> None:
        """As by the kernel when memory is short: no time for anything."""
        assert self.process is not None
        os.kill(self.process.pid, 9)
        eventually("the process is gone", lambda: not self.process or not self.process.runs())
        self.process = None

    def stop(self) -> None:
        if self.process is not None:
            processes.stop(self.name, self.process)
            self.process = None


def agent(state: Path, secrets: Secrets, gateway_port: int, **environment: str) -> Collector:
    """An agent for a gateway on this machine. Not started yet."""
    ports = free_ports("otlp_grpc", "otlp_http")
    return Collector(
        "agent",
        ports,
        state,
        {
            **os.environ,
            "OTELPROV_OTLP_GRPC_PORT": str(ports["otlp_grpc"]),
            "OTELPROV_OTLP_HTTP_PORT": str(ports["otlp_http"]),
            "OTELPROV_GATEWAY": f"localhost:{gateway_port}",
            "OTELPROV_CA_FILE": str(secrets.trust),
            "OTELPROV_TOKEN_FILE": str(secrets.directory / "token"),
            "OTELPROV_AGENT_STATE": str(state / "agent"),
            "OTELPROV_TELEMETRY_INTERVAL": "1000",
            "HOSTNAME": "testhost",
            **environment,
        },
        (CONFIG / "agent.yaml",),
    )


def gateway(state: Path, secrets: Secrets, **environment: str) -> Collector:
    """A gateway on loopback. Not started yet."""
    ports = free_ports("otlp_grpc", "otlp_http", "metrics", "telemetry", "health")
    return Collector(
        "gateway",
        ports,
        state,
        {
            **os.environ,
            "OTELPROV_GATEWAY_BIND": "127.0.0.1",
            "OTELPROV_OTLP_GRPC_PORT": str(ports["otlp_grpc"]),
            "OTELPROV_OTLP_HTTP_PORT": str(ports["otlp_http"]),
            "OTELPROV_METRICS_PORT": str(ports["metrics"]),
            "OTELPROV_TELEMETRY_PORT": str(ports["telemetry"]),
            "OTELPROV_HEALTH_PORT": str(ports["health"]),
            "OTELPROV_CERT_FILE": str(secrets.directory / "gateway.pem"),
            "OTELPROV_KEY_FILE": str(secrets.directory / "gateway.key"),
            "OTELPROV_TOKENS_FILE": str(secrets.directory / "tokens"),
            "OTELPROV_GATEWAY_STATE": str(state / "gateway"),
            "OTELPROV_RECORD": str(state / "record"),
            "OTELPROV_RESTRICTED": str(state / "restricted"),
            "OTELPROV_FLUSH_INTERVAL": "1s",
            "OTELPROV_DECISION_WAIT": "1s",
            **environment,
        },
        (CONFIG / "gateway.yaml",),
    )


@contextmanager
def running(*collectors: Collector) -> Iterator[None]:
    """Start them in this order, and end all of them in the other."""
    try:
        for collector in collectors:
            collector.start()
        yield
    finally:
        for collector in reversed(collectors):
            collector.stop()


def record(directory: Path) -> str:
    """All lines that were written to a record directory, logs included; none that is being written
    while it is read."""
    texts = (path.read_text() for path in sorted(directory.rglob("*.jsonl")))
    return "".join(text[: text.rfind("\n") + 1] for text in texts)


@dataclass(frozen=True)
class Pair:
    """An agent and its gateway, both running."""

    agent: Collector
    gateway: Collector
    secrets: Secrets

    @property
    def recorded(self) -> str:
        """The long-term record."""
        return record(self.gateway.state / "record")

    @property
    def restricted(self) -> str:
        """What only few may read."""
        return record(self.gateway.state / "restricted")

    def metrics(self) -> str:
        """What Prometheus would fetch."""
        text = fetch(f"http://127.0.0.1:{self.gateway.ports['metrics']}/metrics")
        assert isinstance(text, str)
        return text


def plain_receiver(state: Path, port: int) -> Collector:
    """In the place of Jaeger: OTLP/gRPC in, a record out. Not started yet."""
    file = state / "receiver.yaml"
    file.write_text(
        f"""
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{file: {{path: "{state}/record/all.jsonl", create_directory: true}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [file]}}}}
"""
    )
    return Collector("receiver", {"otlp": port}, state, dict(os.environ), (file,))

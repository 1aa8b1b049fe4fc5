"""Secrets in sixty places of a program: none is in anything that is written, sent or shown."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import collectors
import pytest
import support
from flights import Servers

PROGRAM = Path(__file__).with_name("secrets_program.py")
FOUND = re.compile(bytes(ord(c) - 1 for c in "Qmboufe") + rb"9x(\d\d)Zq7")
NUMBERS = set(range(1, 63))
NEVER = {9, 10, 60}
"""Nothing looks at them: the repr of an object, bytes, the text of an uncommitted change."""
THEIRS = {41, 54}
"""With another exporter than otelprov's, what the SDK itself sends: the program's own span, and the
resource of it and of log records."""


def secret(number: int) -> str:
    return f"{''.join(chr(ord(c) - 1) for c in 'Qmboufe')}9x{number:02}Zq7"


def found(data: bytes) -> set[int]:
    return {int(number) for number in FOUND.findall(data)}


class Wire:
    """An OTLP/HTTP server that keeps what it is sent, and hands it on to the Collector."""

    def __init__(self, onward: str | None) -> None:
        self.bodies: list[bytes] = []
        kept = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                plain = gzip.decompress(body) if self.headers.get("Content-Encoding") else body
                kept.append(self.path.encode() + b"\n" + plain)
                if onward is not None and self.path == "/v1/traces":
                    request = urllib.request.Request(
                        onward + self.path,
                        plain,
                        {"Content-Type": self.headers["Content-Type"]},
                    )
                    urllib.request.urlopen(request, timeout=30).close()
                self.send_response(200)
                self.send_header("Content-Type", self.headers["Content-Type"])
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


DRIVER = """
import re, runpy, sys
if sys.argv[1] == "plain":
    from otelprov import redaction, statements
    never = re.compile("(?!)")
    for pattern in ("SECRET_NAME", "FORMS", "URL", "SCHEMED", "QUOTED_PASSWORD", "OPTION",
                    "ATTACHED", "LOGIN"):
        assert hasattr(redaction, f"_{pattern}")
        setattr(redaction, f"_{pattern}", never)
    redaction._without_values = lambda text: text
    redaction._environment = lambda: None
    from otelprov.artifacts import locations
    locations._HIDDEN = never.pattern
    locations.without_credentials = lambda uri: uri
    from otelprov.recording import code
    code._without_credentials = lambda url: url
    from otelprov.recording import policy, parameters
    policy.mask_literals = redaction._masked = lambda text: text
    parameters.bound_values = lambda value: None
del sys.argv[1]
from opentelemetry.instrumentation.auto_instrumentation import initialize
sys.argv[:] = sys.argv[1:]
initialize()
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def git(directory: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(directory), *words], check=True, capture_output=True)


def run(base: Path, how: str, **env: str) -> tuple[Path, Path]:
    """Run the program; its directory and its journal."""
    directory = base / f"pwd={secret(62)}"
    directory.mkdir()
    shutil.copy(PROGRAM, directory / "shop.py")
    (base / "driver.py").write_text(DRIVER)
    git(directory, "init", "--quiet", "--initial-branch", f"token={secret(59)}")
    git(directory, "config", "user.email", "a@example.com")
    git(directory, "config", "user.name", "A")
    git(directory, "add", "shop.py")
    git(directory, "commit", "--quiet", "-m", "x")
    git(directory, "remote", "add", "origin", f"https://{secret(58)}@git.example/shop.git")
    with (directory / "shop.py").open("a") as file:
        file.write(f"# {secret(60)}\n")
    options = ["--password", secret(52), f"--token={secret(53)}", f"-p{secret(55)}"]
    options += [f"PGPASSWORD={secret(56)}", "-u", f"etl:{secret(57)}"]
    result = subprocess.run(
        [sys.executable, str(base / "driver.py"), how, "shop.py", *options],
        cwd=directory,
        env={
            **support.environment(base / "journal"),
            "SHOP_DB_PASSWORD": secret(51),
            "OTEL_RESOURCE_ATTRIBUTES": f"db.password={secret(54)}",
            "OTEL_SERVICE_NAME": "shop",
            **env,
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "cannot open amqp://" in result.stderr, result.stderr
    assert "otelprov:" not in result.stderr, result.stderr
    return directory, base / "journal"


@pytest.fixture(scope="module", params=["otelprov", "otlp"])
def recorded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, servers: Servers
) -> Iterator[tuple[str, Path, Path, Wire]]:
    wire = Wire(servers.otlp_http)
    base = tmp_path_factory.mktemp("secrets")
    env = {
        "OTEL_TRACES_EXPORTER": request.param,
        "OTEL_LOGS_EXPORTER": request.param,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": wire.url,
        "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "true",
        "OTELPROV_EXIT_TIMEOUT": "20",
        "OTELPROV_EVENTS": "on",
    }
    directory, journal = run(base, "redacted", **env)
    yield request.param, directory, journal, wire
    wire.server.shutdown()


def journal_bytes(journal: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(journal.glob("*.jsonl")))


def test_no_secret_is_in_the_journal(recorded: tuple[str, Path, Path, Wire]) -> None:
    data = journal_bytes(recorded[2])
    assert found(data) == set()
    assert data.count(b"[REDACTED]") > 40
    assert b"shown" in data


def test_no_secret_is_on_the_wire(recorded: tuple[str, Path, Path, Wire]) -> None:
    exporter, _, _, wire = recorded
    paths = {body.split(b"\n", 1)[0] for body in wire.bodies}
    assert paths == {b"/v1/traces", b"/v1/logs"}
    assert found(b"".join(wire.bodies)) == (THEIRS if exporter == "otlp" else set())


def test_what_the_sdk_sends_itself_does_not_get_past_the_agent(
    recorded: tuple[str, Path, Path, Wire], tmp_path: Path
) -> None:
    _, _, journal, wire = recorded
    keys = collectors.Secrets(tmp_path)
    keys.write()
    port = collectors.free_ports("otlp")["otlp"]
    (tmp_path / "jaeger").mkdir()
    behind = collectors.plain_receiver(tmp_path / "jaeger", port)  # in its place
    gateway = collectors.gateway(tmp_path, keys, OTELPROV_JAEGER_OTLP_GRPC_PORT=str(port))
    agent = collectors.agent(tmp_path, keys, gateway.ports["otlp_grpc"])
    with collectors.running(behind, gateway, agent):
        for body in wire.bodies:
            path, _, content = body.partition(b"\n")
            form = "json" if content.startswith(b"{") else "x-protobuf"
            request = urllib.request.Request(
                agent.http + path.decode(), content, {"Content-Type": f"application/{form}"}
            )
            urllib.request.urlopen(request, timeout=30).close()
        sent = {span.span_id for span in support.journal(journal)}

        def arrived() -> bool:
            text = collectors.record(behind.state / "record")
            logs = collectors.record(gateway.state / "record" / "logs")
            return all(one in text for one in sent) and "shown" in logs

        collectors.eventually("all of it", arrived)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert found(b"".join(path.read_bytes() for path in files)) == set()


def test_no_secret_is_in_jaeger(recorded: tuple[str, Path, Path, Wire], servers: Servers) -> None:
    exporter, _, journal, _ = recorded
    trace_id = support.journal(journal)[0].trace_id
    url = f"{servers.jaeger}/api/traces/{trace_id}"
    deadline, data = time.monotonic() + 60, b""
    while time.monotonic() < deadline and b"run shop.py" not in data:
        try:
            data = urllib.request.urlopen(url, timeout=10).read()
        except OSError:
            time.sleep(0.2)
    assert b"run shop.py" in data, data[:500]
    assert found(data) <= (THEIRS if exporter == "otlp" else set())


def test_no_secret_is_in_what_the_commands_print(
    recorded: tuple[str, Path, Path, Wire],
) -> None:
    _, directory, journal, _ = recorded
    spans = support.journal(journal)
    file = next(directory.glob("password*/*.csv"))
    commands = [["runs"], ["runs", "--format", "json"], ["doctor"], ["doctor", "--format", "json"]]
    commands += [
        ["lineage", str(file), "--format", one] for one in ("tree", "json", "mermaid", "dot")
    ]
    wanted = [one for one in spans if one.attributes.get("otelprov.operation.kind")]
    commands += [["show", f"{one.trace_id}-{one.span_id}"] for one in wanted[:6]]
    commands += [["logs", str(file)]]
    env = {
        **support.environment(journal),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://u:{secret(12)}@127.0.0.1:9",
        "OTEL_TRACES_EXPORTER": "otlp",
    }
    said = b""
    for words in commands:
        answer = subprocess.run(
            ["otelprov", *words], cwd=directory, env=env, capture_output=True, check=False
        )
        said += answer.stdout.replace(str(directory).encode(), b"").replace(str(file).encode(), b"")
        assert answer.returncode in (0, 1), (words, answer.stderr)
    assert len(said) > 5000
    assert found(said) == set()


def test_without_redaction_every_one_of_them_is_found(tmp_path: Path) -> None:
    _, journal = run(
        tmp_path,
        "plain",
        OTELPROV_EXCEPTIONS="full",
        OTELPROV_PARAMETER_LENGTH="2000",
        OTEL_TRACES_EXPORTER="otelprov",
        OTEL_LOGS_EXPORTER="otelprov",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED="true",
        OTELPROV_EXIT_TIMEOUT="0",
    )
    assert NUMBERS - found(journal_bytes(journal)) == NEVER

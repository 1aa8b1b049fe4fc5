"""The real servers: a Collector and a Jaeger on free loopback ports, ended by process id."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import support

STACK = support.ROOT / "collector-config" / "stack.py"
FLIGHTS = support.ROOT / "examples" / "flights"
SCRIPTS = ("ingest.py", "enrich.py", "report.py")


@dataclass(frozen=True)
class Servers:
    """Addresses of the running servers."""

    otlp_http: str
    otlp_grpc: str
    jaeger: str

    @property
    def source(self) -> str:
        """For ``otelprov --source``."""
        return self.jaeger.replace("http://", "jaeger+http://")


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """A real Collector in front of a real Jaeger."""
    required = os.environ.get("OTELPROV_REQUIRE_SERVERS") == "1"
    if not required and shutil.which("go") is None:
        pytest.skip("no Go here to build the Collector and Jaeger with")
    with tempfile.TemporaryDirectory(prefix="otelprov-stack-") as state:
        command = [sys.executable, str(STACK)]
        started = subprocess.run(
            [*command, "up", "--free-ports", "--state", state, "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            assert started.returncode == 0, started.stderr
            endpoints = json.loads(started.stdout)["endpoints"]
            yield Servers(endpoints["otlp_http"], endpoints["otlp_grpc"], endpoints["jaeger"])
        finally:
            subprocess.run([*command, "down", "--state", state], check=True, capture_output=True)


@dataclass(frozen=True)
class Pipeline:
    """Where one run of the flights pipeline left its files and its journals."""

    output: Path
    journal: Path


def run_flights(output: Path, journal: Path, **env: str) -> Pipeline:
    """The three scripts, in three processes."""
    for script in SCRIPTS:
        support.instrumented(
            FLIGHTS / script, output, journal_directory=journal, cwd=support.ROOT, env=env
        )
    return Pipeline(output, journal)


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The pipeline on the embedded default."""
    base = tmp_path_factory.mktemp("flights")
    return run_flights(base / "output", base / "journal", OTEL_SERVICE_NAME="flights")


@pytest.fixture(scope="session")
def flights_in_jaeger(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> Pipeline:
    """The pipeline through the Collector to Jaeger, with a journal beside it."""
    base = tmp_path_factory.mktemp("flights-jaeger")
    return run_flights(
        base / "output",
        base / "journal",
        OTEL_SERVICE_NAME="flights",
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_ENDPOINT=servers.otlp_http,
    )

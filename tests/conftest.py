"""What tests of several folders need: the real servers, and the flights pipeline, recorded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest
from flights import STACK, Pipeline, Servers, run_flights
from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine only.
settings.register_profile("otelprov", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("otelprov")


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """A real Collector before a real Jaeger, on free loopback ports, ended by process id."""
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


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The pipeline on the embedded default."""
    base = tmp_path_factory.mktemp("flights")
    return run_flights(base / "output", base / "journal", OTEL_SERVICE_NAME="flights")

"""The pipeline through the real servers."""

from __future__ import annotations

from collections.abc import Iterator

import everything as stacks
import pytest
from flights import Pipeline, Servers, run_flights


@pytest.fixture(scope="session", params=["otelprov", "otlp"])
def flights_in_jaeger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, servers: Servers
) -> Pipeline:
    """The pipeline through the Collector to Jaeger, by either exporter; a journal is beside it."""
    base = tmp_path_factory.mktemp("flights-jaeger")
    return run_flights(
        base / "output",
        base / "journal",
        OTEL_SERVICE_NAME="flights",
        OTEL_TRACES_EXPORTER=request.param,
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_ENDPOINT=servers.otlp_http,
    )


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stacks.Everything]:
    """Agent and gateway before Jaeger, Loki and Prometheus, for the tests of one file."""
    with stacks.running(tmp_path_factory.mktemp("everything")) as running:
        yield running

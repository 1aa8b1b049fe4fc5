"""The pipeline through the real servers."""

from __future__ import annotations

import pytest
from flights import Pipeline, Servers, run_flights


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

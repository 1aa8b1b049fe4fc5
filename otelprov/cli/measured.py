"""What ``otelprov doctor`` says of the metrics: whether they are sent, and where."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import urlsplit

State = Literal["ok", "note", "problem"]
_PREFIX = "OTEL_EXPORTER_OTLP_"


def look(figures: dict[str, Any]) -> Iterator[tuple[State, str]]:
    """The findings; the figures behind them go into ``figures``."""
    names = [one.strip() for one in os.environ.get("OTEL_METRICS_EXPORTER", "").split(",")]
    figures.update(exporters=[name for name in names if name])
    if names == [""]:
        yield (
            "note",
            "OTEL_METRICS_EXPORTER is not set: 'otelprov run' sends none, "
            "opentelemetry-instrument does what its distribution does",
        )
    elif names == ["none"]:
        yield "ok", "none are sent, and nothing is counted (OTEL_METRICS_EXPORTER=none)"
    elif not any(name.startswith("otlp") for name in names):
        yield "ok", f"sent by the exporter {', '.join(names)}"
    else:
        yield from _otlp(next(name for name in names if name.startswith("otlp")), figures)


def _otlp(exporter: str, figures: dict[str, Any]) -> Iterator[tuple[State, str]]:
    protocol = _own("PROTOCOL") or "grpc"
    over_http = "http" in exporter or ("grpc" not in exporter and protocol.startswith("http"))
    port = 4318 if over_http else 4317
    endpoint = _own("ENDPOINT") or f"http://localhost:{port}"
    parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
    host = parts.hostname or "localhost"
    reason = None
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80 if over_http else port)
        socket.create_connection((host, port), timeout=1).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    shown = f"{host}:{port}"  # not its user and password
    temporality = os.environ.get(f"{_PREFIX}METRICS_TEMPORALITY_PREFERENCE", "cumulative").lower()
    figures.update(address=shown, answers=reason is None, reason=reason, temporality=temporality)
    if reason is None:
        yield "ok", f"sent to the Collector at {shown}, which answers"
    else:
        yield "problem", f"the Collector for metrics at {shown} does not answer: {reason}"
    if temporality != "delta":
        yield (
            "note",
            f"{temporality}: those of short programs do not add up; set "
            f"{_PREFIX}METRICS_TEMPORALITY_PREFERENCE=delta (docs/metrics.md)",
        )


def _own(name: str) -> str | None:
    environ = os.environ
    return environ.get(f"{_PREFIX}METRICS_{name}") or environ.get(f"{_PREFIX}{name}")

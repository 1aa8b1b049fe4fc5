"""The flights pipeline and the servers, as the end-to-end tests use them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Pipeline:
    """Where one run of the flights pipeline left its files and its journals."""

    output: Path
    journal: Path

    def spans(self) -> list[support.Recorded]:
        return support.journal(self.journal)


def run_flights(output: Path, journal: Path, **env: str) -> Pipeline:
    """The three scripts, in three processes."""
    for script in SCRIPTS:
        support.instrumented(
            FLIGHTS / script, output, journal_directory=journal, cwd=support.ROOT, env=env
        )
    return Pipeline(output, journal)

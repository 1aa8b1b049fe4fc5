"""In-process recording: the real SDK, the real libraries, spans read back from a real journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import support
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otelprov.instrumentation.pandas import PandasInstrumentor
from otelprov.instrumentation.pyarrow import PyArrowInstrumentor
from otelprov.journal.otlp import LineEncoder
from otelprov.recording import faults
from otelprov.recording.run import run


class Spans:
    """The spans of one test."""

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines

    def all(self) -> list[support.Recorded]:
        spans = [span for line in self._lines for span in support.decode(line)]
        return sorted(spans, key=lambda span: (span.start, -span.end))

    def names(self) -> list[str]:
        return [span.name for span in self.all()]

    def one(self, name: str) -> support.Recorded:
        found = [span for span in self.all() if span.name == name]
        assert len(found) == 1, f"{len(found)} spans named {name} among {self.names()}"
        return found[0]

    def clear(self) -> None:
        self._lines.clear()


class _Collecting:
    """A span processor that keeps what the journal would hold."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._encoder = LineEncoder()

    def on_start(self, span: object, parent_context: object = None) -> None: ...

    def on_end(self, span: object) -> None:
        self.lines.append(self._encoder.encode(span))  # type: ignore[arg-type]

    def _on_ending(self, span: object) -> None: ...

    def shutdown(self) -> None: ...

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


@pytest.fixture(scope="session")
def _recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Collecting]:
    collecting = _Collecting()
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    provider.add_span_processor(collecting)  # type: ignore[arg-type]
    patch = pytest.MonkeyPatch()
    patch.setenv("OTELPROV_JOURNAL", "off")
    patch.setenv("OTELPROV_RAISE_FAULTS", "on")
    run.start(root=False)
    instrumentors = [PandasInstrumentor(), PyArrowInstrumentor()]
    for instrumentor in instrumentors:
        instrumentor.instrument()
    yield collecting
    for instrumentor in instrumentors:
        instrumentor.uninstrument()
    run.stop()
    faults.raise_faults = False
    patch.undo()


@pytest.fixture
def spans(_recording: _Collecting, tmp_path: Path) -> Spans:
    """What the test records."""
    _recording.lines.clear()
    return Spans(_recording.lines)

"""In-process recording: the real SDK, the real libraries, spans read back from a real journal."""

from __future__ import annotations

from collections.abc import Iterator

import otlp_messages
import pytest
import support
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otelprov.artifacts.deferred import background
from otelprov.instrumentation.instrumentors import files, libraries
from otelprov.journal.otlp import LineEncoder
from otelprov.recording import faults
from otelprov.recording.repeats import repeats
from otelprov.recording.run import run
from otelprov.recording.span import OperationSpan


class _Collecting:
    """A span processor that keeps what the journal would hold."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.different: list[tuple[bytes, bytes]] = []
        """Lines of otelprov's own spans that are not what the encoder of any span makes of them."""
        self._encoder = LineEncoder()

    def on_start(self, span: object, parent_context: object = None) -> None: ...

    def on_end(self, span: object) -> None:
        line = self._encoder.encode(span)  # type: ignore[arg-type]
        if isinstance(span, OperationSpan):
            fast = span.line()
            if otlp_messages.trace_request(fast) != otlp_messages.trace_request(line):
                self.different.append((fast, line))
            line = fast
        self.lines.append(line)

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
    for instrumentor in (files, *libraries.values()):
        instrumentor.instrument()
    run.active = faults.raise_faults = False
    yield collecting
    for instrumentor in (files, *libraries.values()):
        instrumentor.uninstrument()
    run.stop()
    patch.undo()


@pytest.fixture
def spans(_recording: _Collecting) -> Iterator[support.Spans]:
    """What the test records; other tests in this process record nothing."""
    _recording.lines.clear()
    repeats.start_over()
    run.active = faults.raise_faults = True
    yield support.Spans(_recording.lines)
    background.flush()
    run.active = faults.raise_faults = False
    assert _recording.different == []

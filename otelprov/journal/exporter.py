"""``OTEL_TRACES_EXPORTER=otelprov``: the journal is where the spans go.

Under ``opentelemetry-instrument`` the journal's span processor has written a span before any
exporter sees it, so there this exporter has nothing left to do. In an SDK that somebody set up by
hand, without otelprov's instrumentors, it writes the spans itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otelprov import settings
from otelprov.journal.otlp import LineEncoder
from otelprov.journal.writer import journal_writer

_processor_attached = False


def processor_attached() -> None:
    """Say that a span processor writes the journal in this process."""
    global _processor_attached
    _processor_attached = True


class JournalExporter(SpanExporter):
    """Writes spans to the journal, unless the journal's processor has done so already."""

    def __init__(self) -> None:
        self._writer = journal_writer(settings.load())
        self._encoder = LineEncoder()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append the spans; a span that could not be written makes it a failure."""
        if _processor_attached or self._writer is None:
            return SpanExportResult.SUCCESS
        written = [self._writer.append(self._encoder.encode(span)) for span in spans]
        return SpanExportResult.SUCCESS if all(written) else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

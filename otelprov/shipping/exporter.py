"""``OTEL_TRACES_EXPORTER=otelprov``: the journal is where the spans go, and it is delivered.

Under ``opentelemetry-instrument`` the journal's span processor takes the place of the SDK's around
this exporter. In an SDK that somebody set up by hand, without otelprov's instrumentors, this
exporter writes the spans itself. Either way the shipper delivers what the journal has.
"""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otelprov import settings
from otelprov.journal.attachment import WritesJournal
from otelprov.journal.otlp import LineEncoder
from otelprov.journal.writer import journal_writer
from otelprov.shipping import worker


class JournalExporter(SpanExporter, WritesJournal):
    """Writes spans to the journal where no processor does so, and has the journal delivered."""

    def __init__(self) -> None:
        loaded = settings.load()
        self._writer = journal_writer(loaded)
        self._encoder = LineEncoder()
        self._worker = worker.ship(loaded.journal, "traces", loaded.exit_timeout)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append the spans; a span that could not be written makes it a failure."""
        if WritesJournal.journal_written or self._writer is None:
            return SpanExportResult.SUCCESS
        written = [self._writer.append(self._encoder.encode(span)) for span in spans]
        return SpanExportResult.SUCCESS if all(written) else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Deliver what is left, within the time of the exit, and close the file.

        Where a processor takes its place, the program may be far from its end.
        """
        if self._writer is not None:
            if self._worker is not None and not self.superseded:
                self._worker.finish()
            self._writer.close()

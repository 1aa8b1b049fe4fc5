"""The span processor that puts each ended span into the journal before ``end`` returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from otelprov.journal.otlp import LineEncoder
from otelprov.journal.writer import JournalWriter


class JournalProcessor(SpanProcessor):
    """Appends every ended span of the process, otelprov's and others', to the journal."""

    def __init__(self, writer: JournalWriter) -> None:
        self.writer = writer
        self._encoder = LineEncoder()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing is written for a span that is still open."""

    def on_end(self, span: ReadableSpan) -> None:
        """Append the span. Nothing raises: this may be a span of the program's own."""
        try:
            context = span.get_span_context()
            if context is not None and context.trace_flags.sampled:
                line = self._encoder.encode(span)
                self.writer.resource = self._encoder.resource
                self.writer.append(line)
        except Exception as error:
            self.writer.failed(error)

    def note(
        self, span: ReadableSpan, event_name: str, attributes: Mapping[str, Any] | None = None
    ) -> None:
        """Append a log record about a span that is not here yet (``semconv.LOGS``)."""
        context = span.get_span_context()
        if context is not None and context.trace_flags.sampled:
            line = self._encoder.log_line(span, event_name, attributes)
            self.writer.resource = self._encoder.resource
            self.writer.append(line)

    def shutdown(self) -> None:
        """Close the file."""
        self.writer.close()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is ever buffered."""
        return True


class WritesJournal:
    """What an exporter is that writes the journal itself, where no processor does."""

    journal_written = False
    """Whether a processor writes the journal of this process, so that no exporter needs to."""
    superseded = False
    """Whether the processor has taken the place of what holds this exporter."""


def attach(processor: JournalProcessor, provider: TracerProvider) -> None:
    """Have a provider's spans written to the journal, each once.

    Where the SDK's own processor holds an exporter that writes the journal, ours takes its place:
    it would queue every span a second time, with a thread of its own, and say on stderr that it
    drops what its queue does not hold (SDK 1.45). The spans that it has already are written first.
    """
    several = getattr(provider, "_active_span_processor", None)
    before = getattr(several, "_span_processors", None)
    lock = getattr(several, "_lock", None)
    if not isinstance(before, tuple) or lock is None:
        before, lock = (), None
    replaced = [
        one for one in before if isinstance(getattr(one, "span_exporter", None), WritesJournal)
    ]
    if not replaced or lock is None:
        # Either there is none, or the SDK keeps its processors elsewhere in this version.
        WritesJournal.journal_written = True
        provider.add_span_processor(processor)
        return
    with lock:
        now = several._span_processors  # type: ignore[union-attr]
        kept = tuple(one for one in now if one not in replaced)
        several._span_processors = (processor, *kept)  # type: ignore[union-attr]
    for one in replaced:
        one.span_exporter.superseded = True
        one.shutdown()
    WritesJournal.journal_written = True

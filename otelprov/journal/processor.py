"""The span processor that puts each ended span into the journal before ``end`` returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

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
        """Append the span."""
        context = span.get_span_context()
        if context is not None and context.trace_flags.sampled:
            line = self._encoder.encode(span)
            self.writer.resource = self._encoder.resource
            self.writer.append(line)

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

"""The span processor that puts each ended span into the journal before ``end`` returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from otelprov.journal.otlp import LineEncoder
from otelprov.journal.writer import JournalWriter


class Journaled:
    """What a span is too that is put into the journal by who made it, sampled or not."""

    def log_line(self, event_name: str, attributes: Mapping[str, Any]) -> bytes:
        """A log record about it, as ``LineEncoder.log_line`` gives it."""
        raise NotImplementedError


class JournalProcessor(SpanProcessor):
    """Appends the ended spans of others to the journal; otelprov's own are there already.

    ``is_of_the_program`` says of an exception that it is meant for the program; ``clean`` takes the
    secrets out of a message, in place.
    """

    def __init__(
        self,
        writer: JournalWriter,
        is_of_the_program: Callable[[Exception], bool] = lambda _: False,
        clean: Callable[[Any], Any] | None = None,
    ) -> None:
        self.writer = writer
        self._is_of_the_program = is_of_the_program
        self._encoder = LineEncoder(clean)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing is written for a span that is still open."""

    def on_end(self, span: ReadableSpan) -> None:
        """Append the span. Nothing raises: this may be a span of the program's own."""
        try:
            context = span.get_span_context()
            if context is None or not context.trace_flags.sampled or isinstance(span, Journaled):
                return
            self.append(self._encoder.encode(span))
        except Exception as error:
            if self._is_of_the_program(error):
                raise
            self.writer.failed(error)

    def note(
        self, span: ReadableSpan, event_name: str, attributes: Mapping[str, Any] | None = None
    ) -> None:
        """Append a log record about a span that is not here yet (``semconv.LOGS``)."""
        context = span.get_span_context()
        if isinstance(span, Journaled):
            self.append(span.log_line(event_name, attributes or {}))
        elif context is not None and context.trace_flags.sampled:
            self.append(self._encoder.log_line(span, event_name, attributes))

    def append(self, line: bytes) -> None:
        """Append a line."""
        if self._encoder.resource is not None:
            self.writer.resource = self._encoder.resource
        self.writer.append(line)

    def shutdown(self) -> None:
        """Close the file."""
        self.writer.close()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is ever buffered."""
        return True

"""The journal's processor among those of the SDK: each span is written once."""

from __future__ import annotations

from opentelemetry.sdk.trace import TracerProvider

from otelprov.journal.processor import JournalProcessor


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

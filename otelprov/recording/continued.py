"""Long traces: before a trace is more than backends take, it goes on in another that is linked.

Tempo refuses what is over 5 MB of one trace (its default), and no page shows a trace of 100,000
spans. What this process writes into each trace is counted; when that comes to
``OTELPROV_TRACE_LIMIT``, what would be below a span of that trace goes below a *continuation*: a
span in a new trace, without a kind, with a link to the span that it stands for. The run's id is
on all of them, so that ``otelprov runs`` and the lineage know of no border.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext

MAX_TRACES: Final = 1000
"""Traces that are counted, and spans that have a continuation: the oldest are forgotten first."""

Continue = Callable[[SpanContext], SpanContext]
"""Writes the continuation of a span: its context is the new one's."""


class Traces:
    """How much this process has written into each trace, and where those that are full go on."""

    def __init__(self) -> None:
        self.limit: int | None = 4_000_000
        """Bytes of a trace's lines; None for no limit."""
        self.continued = 0
        """Continuations of this process."""
        self._written: OrderedDict[int, int] = OrderedDict()
        self._after: OrderedDict[tuple[int, int], SpanContext] = OrderedDict()
        self._last: tuple[Context, SpanContext, Context, SpanContext] | None = None
        """The last answer: the operations of a loop ask the same each time."""
        self._lock = threading.RLock()

    def add(self, trace_id: int, size: int) -> None:
        """A line of ``size`` bytes was written into a trace."""
        written = self._written
        try:
            written[trace_id] += size
        except KeyError:
            written[trace_id] = size
            if len(written) > MAX_TRACES:
                with self._lock:
                    written.popitem(last=False)

    def is_full(self, trace_id: int) -> bool:
        """Whether a trace takes no more."""
        return self.limit is not None and self._written.get(trace_id, 0) >= self.limit

    def below(
        self, context: Context, parent: SpanContext, go_on: Continue
    ) -> tuple[Context, SpanContext]:
        """The context for a span that would be begun in ``context``, below ``parent``; and what it
        is below there."""
        limit = self.limit  # as in is_full: asked for each operation
        if limit is None or self._written.get(parent[0], 0) < limit:
            return context, parent
        last = self._last
        if (
            last is not None
            and last[0] is context
            and last[1] is parent
            and not self.is_full(last[3].trace_id)
        ):
            return last[2:]
        key = (parent.trace_id, parent.span_id)
        with self._lock:
            after = self._after.get(key)
            if after is None or self.is_full(after.trace_id):
                after = self._after[key] = go_on(parent)
                self._after.move_to_end(key)
                self.continued += 1
                if len(self._after) > MAX_TRACES:
                    self._after.popitem(last=False)
        below = trace.set_span_in_context(NonRecordingSpan(after), context)
        self._last = (context, parent, below, after)
        return below, after

    def forget(self) -> None:
        """In a forked child: what it writes is counted anew."""
        self._lock = threading.RLock()
        self._last = None


traces = Traces()

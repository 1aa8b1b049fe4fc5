"""Calls that repeat: after the first thousand of one line of the program, many are one span.

A loop that calls the same operation a million times is no million spans. The calls after the
first ``OTELPROV_REPEATS`` of one place (the operation, the code and the line of its caller) go into
*windows*: spans that say how many calls they stand for, how long those took, and which artifacts
they used and generated. A window ends when it has as many ids as a span may have, so that nothing
is left out of the first hundred windows of a place; later ones end by time, each after a hundredth
of the time since the place was first called, so that their number grows with the logarithm of it
(docs/decisions/0014).
"""

from __future__ import annotations

import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final

from opentelemetry.trace import Span, SpanContext

from otelprov import semconv
from otelprov.journal.lines import Part
from otelprov.recording.edges import Used
from otelprov.recording.measures import measures
from otelprov.recording.span import ForeignSpan, OperationSpan

MAX_IDS: Final = 60
"""Used and generated artifacts that one span names, as for a single call."""
WHOLE_WINDOWS: Final = 100
"""Windows of one place that end when they are full, and leave nothing out."""
MIN_SECONDS: Final = 0.1
SHARE: Final = 0.01
"""Of the time since the first call of a place, that a window may last."""
MAX_PLACES: Final = 10_000
"""Places whose calls are counted. A program that makes code as it goes has more: those that were
called least recently are forgotten first."""

Attributes = Mapping[str, Any]
Start = Callable[[], "OperationSpan | ForeignSpan"]


class _Place:
    """One line that calls one operation."""

    __slots__ = ("calls", "failed", "first", "windows")

    def __init__(self, now: float) -> None:
        self.calls = count(1)
        """The number of the next one."""
        self.failed = 0
        """Calls that failed and made a span of their own all the same."""
        self.windows = 0
        self.first = now


class _Window:
    """The span of several calls, while they are added up."""

    def __init__(self, place: _Place, record: OperationSpan | ForeignSpan, due: float) -> None:
        self.place = place
        self.record = record
        self.due = due
        """When it ends (``time.monotonic``)."""
        self.closed = False
        self.running = 0
        """Calls that have begun and not ended."""
        self.calls = 0
        self.failures = 0
        self.total = self.longest = 0
        self.shortest = sys.maxsize
        """Nanoseconds."""
        self.end = 0
        self.events: dict[str, dict[str, tuple[Attributes | Part, int]]] = {
            semconv.USED: {},
            semconv.GENERATED: {},
        }
        self.inner: set[str] = set()
        """What one of its calls made and a later one used: the first to be left out."""
        self.dropped = dict.fromkeys((semconv.DROPPED_USED, semconv.DROPPED_GENERATED), 0)
        self.said: list[Attributes] = []
        """What its span says from the first call on."""
        self.parameters: Attributes | None = None
        """Those of the first call."""
        self.varying: set[str] = set()
        self.sensitive = False
        """Whether one of its calls is."""

    @property
    def full(self) -> bool:
        return any(len(one) >= MAX_IDS for one in self.events.values())


class Repeats:
    """The places of this process, and the windows that are open."""

    def __init__(self) -> None:
        self.limit: int | None = 1000
        """Calls of one place that make a span each; None for all."""
        self.spans = 0
        """Spans that were written for calls that repeat, in this run."""
        self.windows: dict[tuple[object, ...], _Window] = {}
        self.summed_up = 0
        """Calls of this process that were added up."""
        self._places: OrderedDict[tuple[object, ...], _Place] = OrderedDict()
        self._lock = threading.RLock()  # a signal handler may record something, too
        self._due = sys.float_info.max

    def has_own_span(self, place: tuple[object, ...]) -> bool:
        """Count a call at ``place``: whether it is one of the first, which make a span each."""
        limit = self.limit
        if limit is None:
            return True
        known = self._places.get(place)
        # The number is taken in one step, without the lock.
        return next((known or self._begin(place)).calls) <= limit

    def _begin(self, place: tuple[object, ...]) -> _Place:
        with self._lock:
            known = self._places.get(place)
            if known is None:
                known = self._places[place] = _Place(time.monotonic())
                if len(self._places) > MAX_PLACES:
                    self._places.popitem(last=False)
            return known

    def record(self, place: tuple[object, ...], parent: SpanContext, start: Start) -> Repeated:
        """What a call at ``place`` that has no span of its own is written to.

        ``parent`` is the span that the window would be below, ``start`` begins it.
        """
        with self._lock:
            known = self._begin(place)
            self._places.move_to_end(place)
            key = (place, parent.span_id)
            window = self.windows.get(key)
            now = time.monotonic()
            if window is not None and now >= window.due:
                self._close(key)
                window = None
            if window is None:
                lasting = max(MIN_SECONDS, SHARE * (now - known.first))
                window = self.windows[key] = _Window(known, start(), now + lasting)
                known.windows += 1
                self._due = min(self._due, window.due)
            window.running += 1
            self.summed_up += 1
            return Repeated(self, key, window, start)

    def join(self, call: Repeated) -> bool:
        """One more call like ``call``, of which only its time is recorded: whether its window is
        still open. What the call makes is not named there. ``leave`` says that it is over."""
        with self._lock:
            window = call.window
            open_ = self.windows.get(call.key) is window and time.monotonic() < window.due
            if open_:
                window.running += 1
                self.summed_up += 1
            return open_

    def leave(self, call: Repeated, begun: int, end: int, counted: bool) -> None:
        """A call that has joined the window of ``call`` is over; ``counted`` if it returned."""
        with self._lock:
            window = call.window
            window.running -= 1
            if counted:
                _time(window, begun, end)
                window.dropped[semconv.DROPPED_GENERATED] += 1
                measures.drop(_ONE_MADE)
            if window.closed and not window.running:
                self._finish(window)

    def close_due(self) -> None:
        """End the windows whose time is over; called when anything ends, so it is cheap."""
        if self.windows and time.monotonic() >= self._due:
            with self._lock:
                now = time.monotonic()
                for key, window in list(self.windows.items()):
                    if now >= window.due:
                        self._close(key)
                self._due = min(
                    (one.due for one in self.windows.values()), default=sys.float_info.max
                )

    def close(self) -> None:
        """End all windows: whatever comes now stands on what they made."""
        if self.windows:
            with self._lock:
                for key in list(self.windows):
                    self._close(key)

    def below(self, parent: SpanContext) -> None:
        """End the windows below a span that ends."""
        if self.windows:
            with self._lock:
                for key in [key for key in self.windows if key[1] == parent.span_id]:
                    self._close(key)

    def start_over(self) -> None:
        """End all windows, and count the calls of every place anew: another run begins."""
        self.close()
        self._places.clear()
        self.spans = 0

    def forget(self) -> None:
        """In a forked child: the windows are the parent's."""
        self._lock = threading.RLock()
        self.windows = {}
        self._due = sys.float_info.max

    def _close(self, key: tuple[object, ...]) -> None:
        window = self.windows.pop(key, None)
        if window is None:
            return  # closed with the one that it is below
        window.closed = True
        if not window.running:
            self._finish(window)

    # --- one call ----------------------------------------------------------------------------

    def add(self, key: tuple[object, ...], window: _Window, call: Repeated, end: int) -> None:
        """A call of a window has ended."""
        with self._lock:
            window.running -= 1
            _time(window, call.begun, end)
            if call.failure is not None:
                window.failures += 1
            else:
                _take(window, call)
            if window.closed:
                if not window.running:
                    self._finish(window)
            elif window.full and window.place.windows <= WHOLE_WINDOWS:
                self._close(key)
        if call.failure is not None:
            self._fail(window.place, call, end)

    def _finish(self, window: _Window) -> None:
        record = window.record
        self.below(record.visible.get_span_context())
        said: dict[str, Any] = {
            semconv.REPEATED_FAILURES: window.failures,
            semconv.REPEATED_VARYING: sorted(window.varying)[:MAX_IDS],
            **window.dropped,
        }
        always: dict[str, Any] = {
            semconv.REPEATED_COUNT: window.calls,
            semconv.REPEATED_SUM: window.total / 1e9,
            semconv.REPEATED_MIN: window.shortest / 1e9,
            semconv.REPEATED_MAX: window.longest / 1e9,
        }
        if window.sensitive and not any(semconv.SENSITIVE in one for one in window.said):
            always[semconv.SENSITIVE] = True
        record.describe(Part({**always, **{name: one for name, one in said.items() if one}}))
        for name, kept in window.events.items():
            for attributes, time_ in kept.values():
                record.say(name, attributes, time_)
        self.spans += 1
        record.finish(window.end)

    def _fail(self, place: _Place, call: Repeated, end: int) -> None:
        """A call that failed is a span of its own, with its error, for as many as others are."""
        place.failed += 1
        if self.limit is None or place.failed > self.limit:
            return
        record = call.start()
        for part in call.parts:
            record.describe(part)
        for name, attributes, time_ in call.events:
            record.say(name, attributes, time_)
        record.fail(call.failure or "")
        self.spans += 1
        record.finish(end)


class Repeated:
    """What a call of a window is written to, in place of a span of its own."""

    __slots__ = (
        "_windows", "announced", "begun", "events", "failure", "key", "links", "parts", "start",
        "window",
    )  # fmt: skip

    wanted = True

    def __init__(
        self, windows: Repeats, key: tuple[object, ...], window: _Window, start: Start
    ) -> None:
        self._windows = windows
        self.key = key
        self.window = window
        self.start = start
        self.begun = time.time_ns() // 1000 * 1000
        self.failure: str | None = None
        self.announced = 0
        """Parts that were known when the call began."""
        self.parts: list[Part] = []
        self.events: list[tuple[str, Attributes | Part, int]] = []
        self.links: list[tuple[SpanContext, Attributes]] = []

    @property
    def visible(self) -> Span:
        """The span of the window."""
        return self.window.record.visible

    def announce(self) -> bool:
        """The call begins, and its parameters are known; whether it is the first of its window."""
        self.announced = len(self.parts)
        window = self.window
        if window.parameters is not None:
            return False
        window.parameters = _parameters(self.parts)
        for part in self.parts:
            window.record.describe(part)
            window.said.append(part.attributes)
        return True

    def describe(self, *parts: Part) -> None:
        """Add attributes."""
        self.parts += parts

    def exchange(self, before: Part, after: Part) -> None:
        """Put other attributes of the same names in the place of some; in vain where the window has
        begun with them."""
        self.parts = [after if part is before else part for part in self.parts]

    def say(self, name: str, attributes: Attributes | Part, time: int) -> None:
        """Add an event."""
        self.events.append((name, attributes, time))

    def point(self, to: SpanContext, attributes: Attributes) -> None:
        """Add a link."""
        self.links.append((to, attributes))

    def fail(self, message: str) -> None:
        """Say that the operation failed."""
        self.failure = message

    def returned(self, end_time: int, attributes: Attributes) -> None:
        """Nothing: that the window is open is in the journal."""

    def finish(self, end_time: int) -> None:
        """The call has ended, and all is known of it."""
        self._windows.add(self.key, self.window, self, end_time)


def _time(window: _Window, begun: int, end: int) -> None:
    """Count a call that has ended."""
    duration = max(0, end - begun)
    window.calls += 1
    window.end = max(window.end, end)
    window.total += duration
    window.shortest = min(window.shortest, duration)
    window.longest = max(window.longest, duration)


def _take(window: _Window, call: Repeated) -> None:
    """Add what a call used and made to its window."""
    own = window.record.visible.get_span_context()
    maker = f"{own.trace_id:032x}-{own.span_id:016x}"
    if window.parameters:
        window.varying.update(_differing(window.parameters, _parameters(call.parts)))
    window.sensitive |= any(semconv.SENSITIVE in part.attributes for part in call.parts)
    for part in call.parts[call.announced :]:
        for name, number in part.attributes.items():
            if name.startswith("otelprov.dropped."):
                window.dropped[name] = window.dropped.get(name, 0) + number
    for name, attributes, time_ in call.events:
        kept = window.events.get(name)
        if kept is None:
            continue
        id_, made_by = _named(name, attributes)
        if made_by == maker:
            if id_ in window.events[semconv.GENERATED]:
                window.inner.add(id_)
            continue
        if id_ in kept:
            continue
        if len(kept) >= MAX_IDS:
            window.dropped[_DROPPED[name]] += 1
            measures.drop({_DROPPED[name]: 1})
            if name == semconv.USED or not window.inner:
                continue
            del kept[window.inner.pop()]
        kept[id_] = (attributes, time_)
    for to, attributes in call.links:
        if attributes.get(semconv.USED_ID) in window.events[semconv.USED]:
            window.record.point(to, attributes)


def _named(name: str, said: Attributes | Part) -> tuple[Any, Any]:
    """The id of the artifact that an event names, and its maker."""
    if isinstance(said, Used):
        return said.artifact.id, said.artifact.maker if name == semconv.USED else None
    own = said.attributes if isinstance(said, Part) else said
    id_ = own[semconv.USED_ID if name == semconv.USED else semconv.GENERATED_ID]
    return id_, own.get(semconv.ARTIFACT_MAKER)


def _parameters(parts: list[Part]) -> Attributes:
    prefix = semconv.PARAMETER_PREFIX
    return {
        name: value
        for part in parts
        for name, value in part.attributes.items()
        if name.startswith(prefix)
    }


def _differing(first: Attributes, other: Attributes) -> list[str]:
    prefix = len(semconv.PARAMETER_PREFIX)
    return [
        name[prefix:]
        for name in first.keys() | other.keys()
        if first.get(name, _ABSENT) != other.get(name, _ABSENT)
    ]


_ABSENT: Final = object()
_ONE_MADE: Final = {semconv.DROPPED_GENERATED: 1}
_DROPPED: Final = {
    semconv.USED: semconv.DROPPED_USED,
    semconv.GENERATED: semconv.DROPPED_GENERATED,
}

repeats = Repeats()

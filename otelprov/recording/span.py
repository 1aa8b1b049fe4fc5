"""The span of an operation, lighter than the SDK's and as good as one to everybody else.

The SDK's span takes a lock and checks each value of each attribute again; for one operation that is
most of what recording costs. Here the attributes are kept as they come, the journal's line is made
of them at once, and what other span processors and the user's code see of the span is made when
they ask (docs/decisions/0009). The sampler decides what goes to the other processors; the journal
keeps every span.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, Tracer
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, ParentBased
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from otelprov import semconv
from otelprov.journal import otlp
from otelprov.journal.lines import Frame, Part, log_line, span_line
from otelprov.journal.processor import Journaled, JournalProcessor
from otelprov.recording import exceptions, faults
from otelprov.recording.continued import traces
from otelprov.recording.ids import ids as own_ids
from otelprov.redaction import clean, redact

Attributes = Mapping[str, Any]

_UNSET: Final = Status(StatusCode.UNSET)
_OK: Final = (0, None)
"""It in OTLP."""
_RANDOM: Final = 0x02
"""The flag of a trace id whose last 56 bits are random (W3C Trace Context, level 2)."""


_TYPICAL: Final = 3000
"""Bytes of a line, where no journal has it."""
told: Callable[[ReadableSpan, Attributes, list[tuple[str, Attributes]]], None] | None = None
"""Told of each span that has ended, with its attributes and its events (``events.tell``)."""


class SpanSource:
    """Where the spans of one library come from: its tracer, and the journal."""

    def __init__(self, tracer: trace.Tracer, journal: JournalProcessor | None) -> None:
        self.journal = journal
        self._foreign = tracer
        # A vendor's own start_span is not passed over.
        own = getattr(type(tracer), "start_span", _no) is _START_SPAN
        self._tracer: Any = tracer if own else None
        # SDK 1.40 and later; mostly they are switched off.
        metrics = getattr(tracer, "_tracer_metrics", None)
        self._metrics: Any = None if type(metrics).__name__ == "NoOpTracerMetrics" else metrics
        self._processors: object = ()
        self._others = False
        self._frame: tuple[Resource, Frame] | None = None
        self._cleaned: tuple[Resource, Resource] | None = None

    @property
    def resource(self) -> Resource:
        """The tracer's resource, redacted."""
        origin = self._tracer.resource
        if self._cleaned is None or self._cleaned[0] is not origin:
            plain = dict(origin.attributes)
            safe = {name: clean(value, name) for name, value in plain.items()}
            same = all(
                plain[name] == tuple(one) if isinstance(one, list) else plain[name] == one
                for name, one in safe.items()
            )
            self._cleaned = (origin, origin if same else Resource(safe, origin.schema_url))
        return self._cleaned[1]

    @property
    def tracer(self) -> Tracer:
        """The SDK's tracer."""
        return cast(Tracer, self._tracer)

    def start(
        self,
        name: str,
        kind: SpanKind,
        context: Context | None,
        start_time: int,
        parent: SpanContext | None = None,
    ) -> OperationSpan | ForeignSpan:
        """Begin a span; its parent is the span of ``context``, or of the current context.

        ``parent`` is the context of that span, where it is at hand.
        """
        tracer: Any = self._tracer
        if tracer is None or not getattr(tracer, "_is_enabled", _yes)():  # SDK 1.39 and later
            span = self._foreign.start_span(name, context, kind, start_time=start_time)
            return ForeignSpan(span, self.journal)
        if parent is None:
            parent = trace.get_current_span(context).get_span_context()
        ids, sampler = tracer.id_generator, tracer.sampler
        attributes: Attributes | None = None
        trace_id, _, remote, above, state, valid = (
            parent  # a tuple: its properties take 0.1 µs each
        )
        if not valid:
            parent, trace_id, remote = None, ids.generate_trace_id(), True
            random = getattr(ids, "is_trace_id_random", _no)()
        else:
            random = bool(above & _RANDOM)
        if (
            not remote
            and above & 1
            and type(sampler) is ParentBased
            and getattr(sampler, "_local_parent_sampled", None) is ALWAYS_ON
        ):
            # What the SDK's default says below a sampled span; asking it took 8 % of all the time.
            decision = Decision.RECORD_AND_SAMPLE
        else:
            sampling = sampler.should_sample(context, trace_id, name, kind, None, ())
            decision, state, attributes = (
                sampling.decision,
                sampling.trace_state,
                sampling.attributes,
            )
        flags = (1 if decision is Decision.RECORD_AND_SAMPLE else 0) | (_RANDOM if random else 0)
        span_id = ids.generate_span_id()
        if ids is own_ids and state is not None:
            # As SpanContext makes itself, without a look at ids that are valid: 1 µs less.
            made = _tuple(SpanContext, (trace_id, span_id, False, _FLAGS[flags], state, True))
        else:
            made = SpanContext(trace_id, span_id, False, _FLAGS[flags], state)
        own: OperationSpan = _object(OperationSpan)  # the SDK's __new__ takes longer than the rest
        own.__init__(  # type: ignore[misc]
            self, name, made, parent, kind, start_time, decision is not Decision.DROP
        )
        if attributes:
            own.describe(Part(dict(attributes)))
        if self._metrics is not None:
            own._record_end_metrics = self._metrics.start_span(parent, decision)
        if own.handed_on and self.others():
            with faults.contained(f"a span processor does not know that {name} has begun"):
                tracer.span_processor.on_start(own, parent_context=context)
        return own

    def others(self) -> bool:
        """Whether there are span processors beside the journal's."""
        found = getattr(self._tracer.span_processor, "_span_processors", None)
        if found is None or found is not self._processors:
            self._processors = found
            self._others = found is None or any(type(one) is not JournalProcessor for one in found)
        return self._others

    def frame(self, span: OperationSpan) -> Frame:
        """What stands around a span in its line."""
        if self._frame is None or self._frame[0] is not span._resource:
            self._frame = (span._resource, Frame(span._resource, span._instrumentation_scope))
            if self.journal is not None:
                self.journal.writer.resource = otlp.resource(span._resource)
        return self._frame[1]


class _MadeLater:
    """A private attribute of the SDK's span that is made of ours when somebody reads it.

    It can be set too: there are span processors that change a span before the next one sees it.
    """

    def __init__(self, make: Callable[[OperationSpan], Any]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, span: OperationSpan | None, owner: type) -> Any:
        if span is None:
            return self
        value = self._make(span)
        if span._end_time is not None:
            value = span.__dict__.setdefault(self._name, value)
        return value


class OperationSpan(Journaled, Span):
    """A span of the SDK's whose content is ours; ``start`` is ``SpanSource.start``."""

    # What the SDK's own __init__ sets otherwise.
    _end_time: int | None = None
    _own_status = _UNSET
    _record_exception = True
    _set_status_on_exception = True
    _record_end_metrics: Callable[[], None] | None = None
    _context: SpanContext
    _start_time: int
    _added: Span | None = None
    """What others have added to it: attributes, events, links, a status."""

    def __init__(
        self,
        source: SpanSource,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        start_time: int,
        handed_on: bool,
    ) -> None:
        """``handed_on`` says whether other span processors get it."""
        self.source = source
        self.handed_on = handed_on
        self._name = name
        self._context = context
        self._parent = parent
        self._kind = kind
        self._start_time = start_time
        self._resource = source.resource
        self._parts: list[Part] = []
        self._own_events: list[tuple[str, int, Part]] = []
        self._own_links: list[tuple[SpanContext, Attributes]] = []

    wanted = True
    """Whether it is to be written to."""

    @property
    def visible(self) -> Span:
        """What the user's code sees."""
        return self

    # --- what the recording says ---

    def describe(self, *parts: Part) -> None:
        """Add attributes."""
        self._parts += parts

    def exchange(self, before: Part, after: Part) -> None:
        """Put other attributes of the same names in the place of some."""
        self._parts = [after if part is before else part for part in self._parts]

    def say(self, name: str, attributes: Attributes | Part, time: int) -> None:
        """Add an event."""
        part = attributes if isinstance(attributes, Part) else Part(attributes)
        self._own_events.append((name, time, part))

    def point(self, to: SpanContext, attributes: Attributes) -> None:
        """Add a link."""
        self._own_links.append((to, attributes))

    def fail(self, message: str) -> None:
        """Say that the operation failed."""
        self._own_status = Status(StatusCode.ERROR, message)

    def returned(self, end_time: int, attributes: Attributes) -> None:
        """Write into the journal what is known of it; ``finish`` follows later."""
        _write_returned(self.source.journal, self, end_time, attributes)

    def finish(self, end_time: int) -> None:
        """End it: into the journal, then to the other span processors."""
        added = self._added
        if added is not None:
            self._name, self._own_status = added.name, self.status
            if added.is_recording():
                added.end(end_time)
        self._end_time = end_time
        journal = self.source.journal
        if journal is not None:
            # Not with `contained`, as in the recorder's _finish.
            try:
                line = self.line()
                traces.add(self._context[0], len(line))
                journal.writer.append(line)
            except Exception as error:
                faults.tell(f"{self._name} is not in the journal", error)
        else:
            traces.add(self._context[0], _TYPICAL)
        if self._record_end_metrics is not None:
            self._record_end_metrics()
        if self.handed_on and self.source.others():
            with faults.contained(f"a span processor did not take {self._name}"):
                processor = self.source.tracer.span_processor
                getattr(processor, "_on_ending", _no)(self)  # SDK 1.34 and later
                processor.on_end(self)
        if told is not None:
            events = [(name, own.attributes) for name, _, own in self._own_events]
            told(self, self._all_attributes(), events)

    def line(self) -> bytes:
        """Its line in the journal: everything, whatever the limits of the SDK are."""
        added, status, dropped = self._added, self._own_status, (0, 0, 0)
        attributes = [part.encoded for part in self._parts]
        events, links = self._own_events, self._own_links
        if added is not None:
            attributes = [otlp.encoded_attributes(self._all_attributes())]
            events = [
                *((one.name, one.timestamp, Part(one.attributes or {})) for one in added.events),
                *self._own_events,
            ]
            links = [
                *((one.context, one.attributes or {}) for one in added.links),
                *self._own_links,
            ]
            dropped = (added.dropped_attributes, added.dropped_events, added.dropped_links)
        return span_line(
            self.source.frame(self),
            self._context,
            self._parent,
            name=self._name,
            kind=3 if self._kind is SpanKind.CLIENT else 1,  # an Enum's own hash takes 0.3 µs
            start=self._start_time,
            end=self._end_time or 0,
            attributes=attributes,
            events=events,
            links=links,
            status=_OK if status is _UNSET else (status.status_code.value, status.description),
            dropped=dropped,
        )

    def log_line(self, event_name: str, attributes: Attributes) -> bytes:
        """The line of a log record about it."""
        own = [part.encoded for part in self._parts]
        if self._added is not None:
            own = [otlp.encoded_attributes(self._all_attributes())]
        return log_line(
            self.source.frame(self),
            self._context,
            event_name,
            name=self.name,
            time=attributes.get(semconv.OPERATION_END) or self._start_time,
            attributes=(*own, otlp.encoded_attributes({**otlp.about(self), **attributes})),
        )

    # --- what the user's code and other span processors see ---

    def get_span_context(self) -> SpanContext:
        """Its ids."""
        return self._context

    def is_recording(self) -> bool:
        """Whether the user's code can still add to it."""
        if self._end_time is not None:
            return False
        return self._added is None or self._added.is_recording()

    @property
    def name(self) -> str:
        """As it was given, or changed by ``update_name``."""
        if self._added is None or self._end_time is not None:
            return self._name
        return self._added.name

    @property
    def status(self) -> Status:
        """Of the operation, unless the user's code has said that it is OK."""
        if self._end_time is not None:
            return self._status  # type: ignore[no-any-return]
        if self._added is None:
            return self._own_status
        added = self._added.status
        said = added.status_code is StatusCode.OK or self._own_status is _UNSET
        return added if said else self._own_status

    @property
    def attributes(self) -> Attributes:
        """All of them, within the limits of the SDK once it has ended."""
        if self._end_time is not None:
            return super().attributes or {}
        return self._all_attributes()

    def set_attribute(self, key: str, value: Any) -> None:
        """Add an attribute."""
        self._foreign().set_attribute(key, value)

    def set_attributes(self, attributes: Attributes) -> None:
        """Add attributes."""
        self._foreign().set_attributes(attributes)

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        """Add an event."""
        self._foreign().add_event(name, attributes, timestamp)

    def add_link(self, context: SpanContext, attributes: Any = None) -> None:
        """Add a link."""
        self._foreign().add_link(context, attributes)

    def update_name(self, name: str) -> None:
        """Change its name."""
        self._foreign().update_name(name)

    def set_status(self, status: Any, description: str | None = None) -> None:
        """Set the status; what the operation itself has to say may overrule it."""
        self._foreign().set_status(status, description)

    def record_exception(self, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        """Add an event for an exception."""
        self._foreign().record_exception(exception, *args, **kwargs)

    def end(self, end_time: int | None = None) -> None:
        """Nothing can be added from now on. The span itself ends with its operation."""
        self._foreign().end(end_time)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave a ``with`` block that the user's code has made of it."""
        self._foreign().__exit__(kind, error, traceback)

    def _foreign(self) -> Span:
        """A span of the SDK's that takes what others add, as any other would."""
        if self._added is None:
            added = _Users(self)
            if self._end_time is not None:
                added.end(self._end_time)
            # Another thread may have been first.
            return cast(Span, self.__dict__.setdefault("_added", added))
        return self._added

    def _all_attributes(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for part in self._parts:
            found.update(part.attributes)
        if self._added is not None:
            found.update(self._added.attributes or {})
        return found

    def _sdk(self) -> Span:
        """All of it in a span of the SDK's, within the limits that the SDK is set to."""
        whole: Any = _Added(self)
        if self._added is not None:
            for event in self._added.events:
                whole._add_event(event)
            for link in self._added.links:
                whole._add_link(link)
        whole.set_attributes(self._all_attributes())
        for name, time, part in self._own_events:
            whole.add_event(name, part.attributes, time)
        for to, attributes in self._own_links:
            whole.add_link(to, attributes)
        if self._added is not None:
            whole._attributes.dropped += self._added.dropped_attributes
            whole._events.dropped += self._added.dropped_events
            whole._links.dropped += self._added.dropped_links
        return cast(Span, whole)

    _attributes = _MadeLater(
        lambda span: (span._sdk() if span._end_time is not None else span._foreign())._attributes
    )
    _events = _MadeLater(lambda span: span._sdk()._events)
    _links = _MadeLater(lambda span: span._sdk()._links)
    _status = _MadeLater(lambda span: span._own_status)
    _instrumentation_scope = _MadeLater(lambda span: span.source.tracer._instrumentation_scope)
    _instrumentation_info = _MadeLater(lambda span: span.source.tracer.instrumentation_info)

    def _readable_span(self) -> OperationSpan:
        return self


class _Added(Span):
    """The SDK's own span, for no processor: with the ids, limits and scope of one of ours."""

    def __init__(self, of: OperationSpan) -> None:
        tracer = of.source.tracer
        super().__init__(
            name=of._name,
            context=of._context,
            parent=of._parent,
            sampler=tracer.sampler,
            resource=of._resource,
            span_processor=SpanProcessor(),
            kind=of._kind,
            limits=tracer._span_limits,
            instrumentation_scope=of._instrumentation_scope,
        )
        self._start_time = of._start_time


class _Users(_Added):
    """What the user's code has added, redacted."""

    def set_attributes(self, attributes: Attributes) -> None:
        super().set_attributes({name: clean(one, str(name)) for name, one in attributes.items()})

    def set_attribute(self, key: str, value: Any) -> None:
        super().set_attribute(key, clean(value, str(key)))

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        super().add_event(_text(name), _shown(attributes), timestamp)

    def add_link(self, context: SpanContext, attributes: Any = None) -> None:
        super().add_link(context, _shown(attributes))

    def update_name(self, name: str) -> None:
        super().update_name(_text(name))

    def set_status(self, status: Any, description: str | None = None) -> None:
        if isinstance(status, Status) and status.description:
            status = Status(status.status_code, redact(_message(status.description)))
        super().set_status(status, description and redact(_message(description)))


def _shown(attributes: Any) -> Any:
    """Attributes of an event of the user's; those of an exception as the settings say."""
    if not isinstance(attributes, Mapping):
        return attributes
    found = {name: clean(one, str(name)) for name, one in attributes.items()}
    if "exception.message" in found:
        found["exception.message"] = _message(found["exception.message"])
    if "exception.stacktrace" in found:
        raw = attributes.get("exception.message")
        found["exception.stacktrace"] = _stack(str(attributes["exception.stacktrace"]), raw)
    return found


def _message(text: Any) -> Any:
    return redact(exceptions.written(text)) if isinstance(text, str) else text


def _stack(text: str, message: Any) -> str:
    return exceptions.written_stack(text, message if isinstance(message, str) else None)


def _text(text: Any) -> Any:
    return redact(text) if isinstance(text, str) else text


class ForeignSpan:
    """A span of a tracer that is not the SDK's own: it is written to like any other."""

    __slots__ = ("_journal", "visible")

    def __init__(self, span: trace.Span, journal: JournalProcessor | None) -> None:
        self.visible = span
        self._journal = journal

    @property
    def wanted(self) -> bool:
        """Whether it is to be written to."""
        return self.visible.is_recording()

    def describe(self, *parts: Part) -> None:
        """Add attributes."""
        for part in parts:
            self.visible.set_attributes(dict(part.attributes))

    def exchange(self, before: Part, after: Part) -> None:
        """Put other attributes of the same names in the place of some."""
        self.describe(after)

    def say(self, name: str, attributes: Attributes | Part, time: int) -> None:
        """Add an event."""
        own = attributes.attributes if isinstance(attributes, Part) else attributes
        self.visible.add_event(name, dict(own), time)

    def point(self, to: SpanContext, attributes: Attributes) -> None:
        """Add a link."""
        self.visible.add_link(to, dict(attributes))

    def fail(self, message: str) -> None:
        """Say that the operation failed."""
        self.visible.set_status(Status(StatusCode.ERROR, message))

    def returned(self, end_time: int, attributes: Attributes) -> None:
        """Write into the journal what is known of it, if there is something to read."""
        if isinstance(self.visible, ReadableSpan):
            _write_returned(self._journal, self.visible, end_time, attributes)

    def finish(self, end_time: int) -> None:
        """End it."""
        self.visible.end(end_time=end_time)
        if told is not None and isinstance(self.visible, ReadableSpan):
            events = [(one.name, one.attributes or {}) for one in self.visible.events]
            told(self.visible, self.visible.attributes or {}, events)


def _write_returned(
    journal: JournalProcessor | None, span: ReadableSpan, end_time: int, attributes: Attributes
) -> None:
    if journal is not None:
        journal.note(span, semconv.RETURNED, {semconv.OPERATION_END: end_time, **attributes})


def _yes() -> bool:
    return True


def _no(*_: object) -> bool:
    return False


_START_SPAN: Final = Tracer.start_span
_FLAGS: Final = tuple(map(TraceFlags, range(4)))
_tuple: Final = tuple.__new__
_object: Final = object.__new__

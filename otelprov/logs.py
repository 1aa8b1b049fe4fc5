"""Log lines that name the trace, the run and the data they are about.

Under ``opentelemetry-instrument`` this is put in place by itself. In a logging set-up that is made
by hand, :func:`correlate` is a structlog processor (put it before the renderer), and
:class:`Correlation` a filter for the handlers of the standard library.

A line names what was going on when it was written: the current span and the run; and, while an
operation runs, the data that it has used so far. After the operation has returned, the current span
is that of the run again. A table among the values of an event is named by its id, whenever it is
logged.
"""

from __future__ import annotations

import logging
import os
import sys
import weakref
from collections.abc import Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.trace import SpanContext

from otelprov import semconv
from otelprov.artifacts.deferred import Pending, Source, pending, settled
from otelprov.recording import faults
from otelprov.recording.run import run

if TYPE_CHECKING:
    from otelprov.recording.recorder import OpenOperation

# The names that OpenTelemetry specifies for logs that are not OTLP, at the top level of a line
# (https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/).
TRACE_ID = "trace_id"
SPAN_ID = "span_id"
TRACE_FLAGS = "trace_flags"
TRACE_FIELDS = (TRACE_ID, SPAN_ID, TRACE_FLAGS)
FIELDS = (*TRACE_FIELDS, semconv.RUN_ID, semconv.ARTIFACT_ID, semconv.DROPPED_ARTIFACTS)
"""Everything that is put into a line."""

MAX_ARTIFACTS = 8
"""Ids of data in one line; those beyond are counted."""

_RUN_ID = semconv.RUN_ID
_ARTIFACT_ID = semconv.ARTIFACT_ID
_PLAIN = frozenset({str, int, float, bool, type(None), bytes, list, tuple, dict, set})


def correlate(
    logger: Any,
    method_name: str,
    event_dict: Any,
    *,
    values: Iterable[object] | None = None,
) -> Any:
    """A structlog processor: adds what the line is about to the event.

    ``values`` are what may be data, where that is not what the event holds.
    """
    # This is paid by every line: hence no call more than it takes, and a loop, which takes half of
    # what `_PLAIN.issuperset(map(type, values))` does (Python 3.11).
    global _shown
    if type(event_dict) is not dict and not isinstance(event_dict, MutableMapping):
        return event_dict
    try:
        if values is None:
            values = event_dict.values()
        shown = _shown
        context = get_current()
        inside = shown.inside
        operation = None if inside is None else inside()
        if (
            context is not shown.context
            or run.active is not shown.active
            or (inside is not None and (operation is None or operation.left))
        ):
            shown = _shown = _show(context)
            operation = None if shown.inside is None else shown.inside()
        if (
            TRACE_ID not in event_dict
            and _ARTIFACT_ID not in event_dict
            and (operation is None or len(operation.used) == shown.used)
        ):
            for value in values:
                if type(value) not in _PLAIN:
                    break
            else:
                event_dict.update(shown.named)
                return event_dict
        _name(event_dict, shown, operation, values)
    except Exception as error:
        faults.tell("a log line does not name its trace", error)
    return event_dict


def correlate_record(record: logging.LogRecord) -> None:
    """Add what the line is about to a record of the standard library, as attributes."""
    args = record.args
    values = args.values() if isinstance(args, Mapping) else args or ()
    correlate(None, "", record.__dict__, values=values)


class Correlation(logging.Filter):
    """A filter for handlers: each record gets the attributes, and none is left out.

    It belongs on a handler that runs in the thread that logs, not behind a queue.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """True."""
        correlate_record(record)
        return True


def foreign(logger: Any, method_name: str, event_dict: Any) -> Any:
    """A structlog processor for records of the standard library (``foreign_pre_chain``).

    What the record got where it was made counts: it may be formatted in another thread.
    """
    record = event_dict.get("_record") if isinstance(event_dict, Mapping) else None
    if record is not None:
        for name in FIELDS:
            if name in record.__dict__:
                event_dict.setdefault(name, record.__dict__[name])
    return event_dict


def span_context() -> SpanContext | None:
    """The span that a line written here and now belongs to, if there is one.

    A thread starts with an empty context; what it does belongs to the run all the same.
    """
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        return context
    parent = run.parent() if run.active else None
    return trace.get_current_span(parent).get_span_context() if parent is not None else None


def artifact_ids(values: Iterable[object]) -> tuple[list[str], int]:
    """The ids of the data that the running operation used so far and of that among ``values``.

    Only what is known by now: nothing waits for a digest. At most 8, and how many more there are.
    """
    found: dict[str, None] = {}
    operation = _current_operation()
    if operation is not None:
        for source in operation.used_so_far():
            _take(found, source)
    for value in values:
        if type(value) not in _PLAIN:
            _take(found, _registered(value))
    ids = list(found)
    return ids[:MAX_ARTIFACTS], max(len(ids) - MAX_ARTIFACTS, 0)


def artifact_id(value: object) -> str | None:
    """The id of a piece of data, if it has one by now."""
    found: dict[str, None] = {}
    _take(found, _registered(value))
    return next(iter(found), None)


def _take(found: dict[str, None], source: Source | None) -> None:
    artifact = None if source is None else settled(source)
    if artifact is not None and not isinstance(artifact, Pending):
        found[artifact.id] = None


# Both are looked for where they are loaded already: no data is known and no operation runs in a
# process that has not loaded them, and loading them at its start would take longer than all else.


def _registered(value: object) -> Source | None:
    module = sys.modules.get("otelprov.artifacts.registry")
    known = getattr(module, "registry", None)  # it may be loading just now
    identity = None if known is None else known.lookup(value)
    return None if identity is None else identity.artifact


def _current_operation() -> OpenOperation | None:
    module = sys.modules.get("otelprov.recording.recorder")
    ask = getattr(module, "current_operation", None)
    return None if ask is None else ask()


class _Shown:
    """What was shown last, as text: a program logs many lines in one span."""

    __slots__ = ("active", "context", "fields", "inside", "named", "used")

    def __init__(
        self,
        context: Context | None,
        active: bool,
        fields: dict[str, Any],
        operation: OpenOperation | None = None,
    ) -> None:
        self.context = context
        self.active = active
        self.fields = fields
        self.inside = None if operation is None else weakref.ref(operation)
        """The operation that runs. Where none did there is none: each has a context of its own."""
        self.used = -1
        """How many artifacts it had used when they were named."""
        self.named = fields
        """``fields``, with those."""


_shown = _Shown(None, False, {})


def _name(
    event: MutableMapping[str, Any],
    shown: _Shown,
    operation: OpenOperation | None,
    values: Iterable[object],
) -> None:
    """Add what is not the same as for the line before."""
    if TRACE_ID not in event:
        event.update(shown.fields)
    elif _RUN_ID in shown.fields:  # a trace_id that the program gives is its own affair
        event.setdefault(_RUN_ID, shown.fields[_RUN_ID])
    data = [value for value in values if type(value) not in _PLAIN]
    used = len(operation.used) if operation is not None else 0
    ids, more = artifact_ids(data)
    named: dict[str, Any] = {_ARTIFACT_ID: ",".join(ids)} if ids else {}
    if more:
        named[semconv.DROPPED_ARTIFACTS] = more
    if operation is not None and not data and not pending(operation.used_so_far()):
        shown.used, shown.named = used, {**shown.fields, **named}
    if _ARTIFACT_ID not in event:
        event.update(named)


def _show(current: Context) -> _Shown:
    fields = {}
    context = span_context()
    if context is not None:
        fields = {
            TRACE_ID: f"{context.trace_id:032x}",
            SPAN_ID: f"{context.span_id:016x}",
            TRACE_FLAGS: f"{int(context.trace_flags):02x}",
        }
    if run.active:
        fields[_RUN_ID] = run.id
    # Without a span, the run may still begin or end: that is looked at each time.
    has_span = trace.get_current_span(current).get_span_context().is_valid
    return _Shown(current if has_span else None, run.active, fields, _current_operation())


def _after_fork() -> None:
    # The run of a process without a root span is another in the child.
    global _shown
    _shown = _Shown(None, False, {})


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

"""What the official instrumentations of structlog and logging leave out when they send log records.

They are used as they are (``opentelemetry-instrumentation-structlog`` and ``-logging``, seen in
0.66b1), and what they lack is added from outside:

- an event that structlog hands on to a logger of the standard library is sent once, not twice;
- the record has a logger's name, and the time of the call where the event's own time stamp is not
  one that can be read (structlog's default is local time without a zone);
- values that OTLP does not know become text, tables and other data their ids; whole numbers beyond
  64 bits become text too: one of those makes the exporter lose the batch that it is in;
- what looks like a secret, by its name or its form, is replaced, as it is in spans;
- an exception has its full class name, its message and its stack trace as attributes, also where a
  processor has made a text or a list of it already;
- ids that stand in the record itself are not repeated among its attributes;
- a logger with processors of its own (``wrap_logger(processors=...)``) is exported too.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
import types
import weakref
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from functools import wraps
from typing import Any

from otelprov import logs, semconv
from otelprov.instrumentation import log_lines
from otelprov.recording import exceptions, faults
from otelprov.recording.policy import parameter_value
from otelprov.recording.run import run
from otelprov.redaction import REDACTED, clean, is_secret_name, redact

MAX_TEXT = 2000
"""Characters of the text of an object."""
MAX_DEPTH = 4
_YEAR_2200 = 7_258_118_400 * 10**9

_OWN = "opentelemetry.instrumentation.structlog"


class _Thread(threading.local):
    """What goes on in a thread between structlog and a handler of the standard library."""

    sent: logging.Logger | None = None
    """The logger that an event is on its way to that was exported already."""
    record: weakref.ref[logging.LogRecord] | None = None
    """The record that was made of it."""


_here = _Thread()


def install(module: Any) -> Callable[[], None]:
    """Close the gaps of one of the exporting modules; what takes it back."""
    if module.__name__ == _OWN:
        return _close_structlog(module)
    return _close_logging(module.LoggingHandler)


# --- structlog -----------------------------------------------------------------------------------


def _close_structlog(module: Any) -> Callable[[], None]:
    processor, instrumentor = module.StructlogProcessor, module.StructlogInstrumentor
    call, translate = processor.__call__, processor._translate

    @wraps(call)
    def export(self: Any, logger: Any, method_name: str, event_dict: Any) -> Any:
        if not isinstance(event_dict, Mapping):
            return event_dict  # it was put behind the renderer: the last is not always that
        try:
            call(self, _Named(_logger_name(logger, event_dict)), method_name, event_dict)
            if isinstance(logger, logging.Logger):
                _here.sent = logger
        except Exception as error:
            faults.tell("a structlog event was not exported", error)
        return event_dict

    @wraps(translate)
    def refined(self: Any, event_dict: Any, method_name: str | None = None) -> Any:
        record = translate(self, event_dict, method_name)
        try:
            _refine(record, event_dict)
        except Exception as error:
            faults.tell("a structlog event was exported as it is", error)
        return record

    def missing(before_renderer: list[Any]) -> Any:
        own = instrumentor._processor
        return None if any(isinstance(one, processor) for one in before_renderer) else own

    processor.__call__, processor._translate = export, refined
    log_lines.extra.append(missing)
    log_lines.begins(_begin)
    log_lines.made.append(_note)

    def take_back() -> None:
        processor.__call__, processor._translate = call, translate
        log_lines.extra.remove(missing)
        log_lines.started.remove(_begin)
        log_lines.made.remove(_note)

    return take_back


class _Named:
    """Stands for a logger that may have no name."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def _begin() -> None:
    _here.sent = _here.record = None


def _note(record: logging.LogRecord) -> None:
    """Whether a record that was just made is that of the event that was just exported."""
    sent = _here.sent
    if sent is None or record.name != sent.name:
        return
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and _module(frame).startswith(("logging", "otelprov.")):
        frame = frame.f_back
    if frame is not None and _module(frame).startswith("structlog."):
        _here.record = weakref.ref(record)


def _module(frame: types.FrameType) -> str:
    name = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else ""


def _logger_name(logger: Any, event_dict: Any) -> str:
    """What the event says, the name of the logger, or the module that logs."""
    for name in (event_dict.get("logger"), getattr(logger, "name", None)):
        if isinstance(name, str) and name:
            return name
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and _module(frame).startswith(("structlog", "otelprov.", "opentelem")):
        frame = frame.f_back
    return _module(frame) if frame is not None else "structlog"


def _refine(record: Any, event_dict: Mapping[str, Any]) -> None:
    observed = record.observed_timestamp
    given = record.timestamp
    # A number is taken for seconds: of milliseconds it becomes a time that no exporter can encode.
    if given is None or not 0 < given < _YEAR_2200:
        record.timestamp = observed
    context = logs.span_context()
    if context is not None and not record.trace_id:
        record.trace_id, record.span_id = context.trace_id, context.span_id
        record.trace_flags = context.trace_flags
    attributes = {
        name: exported(str(name), value)
        for name, value in (record.attributes or {}).items()
        if name not in logs.TRACE_FIELDS and not str(name).startswith("exception.")
    }
    ids, more = logs.artifact_ids(event_dict.values())
    if ids:
        attributes[semconv.ARTIFACT_ID] = ",".join(ids)
    if more:
        attributes[semconv.DROPPED_ARTIFACTS] = more
    if run.active:
        attributes[semconv.RUN_ID] = run.id
    attributes.update(_exception(event_dict))
    record.attributes = attributes
    record.body = exported("event", record.body)


def _exception(event_dict: Mapping[str, Any]) -> dict[str, str]:
    """Class, message and stack trace of the exception that an event is about."""
    given, shown = event_dict.get("exc_info"), event_dict.get("exception")
    error = given if isinstance(given, BaseException) else None
    if isinstance(given, tuple) and len(given) == 3 and isinstance(given[1], BaseException):
        error = given[1]
    if error is None and (given is True or shown):
        error = sys.exc_info()[1]
    text = shown if isinstance(shown, str) else None
    if error is not None and (not shown or given or _is_shown(error, shown)):
        stack = _stack(text or "".join(traceback.format_exception(error)), error)
        return _described(_class_name(type(error)), _message(error), stack)
    if text:
        last = text.rstrip().rpartition("\n")[2]
        kind, _, message = last.partition(": ")
        return _described(
            kind.strip(), exceptions.written(message), exceptions.written_stack(text, message)
        )
    if isinstance(shown, list) and shown and isinstance(shown[0], Mapping):
        # structlog's dict_tracebacks: the exception that was raised comes first.
        first = shown[0]
        return _described(
            str(first.get("exc_type", "")), exceptions.written(str(first.get("exc_value", ""))), ""
        )
    return {}


def _described(kind: str, message: str, stack: str) -> dict[str, str]:
    pairs = (
        ("exception.type", kind),
        ("exception.message", message),
        ("exception.stacktrace", stack),
    )
    return {name: redact(value) for name, value in pairs if value}


def _stack(stack: str, error: BaseException) -> str:
    """A traceback as the settings want it."""
    return exceptions.stack_text(stack, error, exceptions.in_force)


def _is_shown(error: BaseException, shown: object) -> bool:
    """Whether the exception that is being handled is the one that a processor has rendered."""
    name = type(error).__name__
    if isinstance(shown, str):
        return shown.rstrip().endswith("".join(traceback.format_exception_only(error)).rstrip())
    if isinstance(shown, list) and shown and isinstance(shown[0], Mapping):
        return bool(shown[0].get("exc_type") == name)
    return False


def _class_name(kind: type) -> str:
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _message(error: BaseException) -> str:
    return exceptions.message_of(error, exceptions.in_force)


# --- the standard library ------------------------------------------------------------------------


def _close_logging(handler: Any) -> Callable[[], None]:
    emit, translate = handler.emit, handler._translate

    @wraps(emit)
    def once(self: Any, record: logging.LogRecord) -> None:
        seen = _here.record
        if seen is None or seen() is not record:
            emit(self, record)

    @wraps(translate)
    def refined(self: Any, record: logging.LogRecord) -> Any:
        made = translate(self, record)
        try:
            _refine_record(made, record)
        except Exception as error:
            faults.tell("a log record was exported as it is", error)
        return made

    handler.emit, handler._translate = once, refined

    def take_back() -> None:
        handler.emit, handler._translate = emit, translate

    return take_back


def _refine_record(made: Any, record: logging.LogRecord) -> None:
    if not made.trace_id and logs.TRACE_ID in record.__dict__:
        context = logs.span_context()
        if context is not None:
            made.trace_id, made.span_id = context.trace_id, context.span_id
            made.trace_flags = context.trace_flags
    attributes = {
        name: exported(name, value)
        for name, value in (made.attributes or {}).items()
        if name not in logs.TRACE_FIELDS
    }
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        attributes["exception.type"] = _class_name(type(error))
        attributes["exception.message"] = _message(error)
        stack = (made.attributes or {}).get("exception.stacktrace")
        if isinstance(stack, str):
            attributes["exception.stacktrace"] = _stack(stack, error)
    made.attributes = attributes
    made.body = exported("event", made.body)


# --- values --------------------------------------------------------------------------------------


def exported(name: str, value: Any, depth: int = 0) -> Any:
    """A value as OTLP has it: data by its id, what has no form there as text."""
    kind = type(value)
    if is_secret_name(name):
        return REDACTED
    if kind is str:
        return redact(value)
    if kind is bool or kind is float or kind is bytes or value is None:
        return value
    if kind is int:
        return value if -(2**63) <= value < 2**63 else str(value)
    artifact_id = logs.artifact_id(value)
    if artifact_id is not None:
        return artifact_id
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, dict) and depth < MAX_DEPTH:
        return {str(key): exported(str(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and depth < MAX_DEPTH:
        if all(isinstance(item, str) for item in value):
            return clean(value)  # it may be a command line
        return [exported(name, item, depth + 1) for item in value]
    return parameter_value(name, value, MAX_TEXT)

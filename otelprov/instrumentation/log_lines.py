"""structlog and the standard library's logging: lines that name what they are about.

Nothing that a program sees of its configuration changes. A bound logger's chain of processors is
looked at whenever it logs, and gets one processor more, before its renderer. So it does not matter
how structlog was configured, when, or whether a logger is cached; and taking it out again is taking
one property off a class.
"""

from __future__ import annotations

import logging
import types
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from otelprov import logs
from otelprov.recording import faults

Processor = Callable[[Any, str, Any], Any]

MAX_CHAINS = 64
"""Chains that are kept: programs have few."""
_chains: dict[int, tuple[list[Processor], Chain]] = {}
"""By the ``id`` of the program's own chain, which ours holds: a copy of it, and ours."""

extra: list[Callable[[list[Processor]], Processor | None]] = []
"""Asked for a processor more, to stand before ours: what exports the events (``_log_export``)."""

started: list[Callable[[], object]] = []
"""Called when a bound logger begins to log; while there is one, no chain is kept (`begins`)."""


def begins(call: Callable[[], object]) -> None:
    """From now on, call this when a bound logger begins to log."""
    started.append(call)
    _chains.clear()


class Chain(list[Processor]):
    """A chain of processors with ours in it, and the program's own, which it stands for."""

    __slots__ = ("original",)

    original: Iterable[Processor]

    def __repr__(self) -> str:
        return repr(self.original)


def install(module: Any) -> Callable[[], None]:
    """Patch structlog; what takes it back."""
    formatter = module.stdlib.ProcessorFormatter
    _property(module.BoundLoggerBase, "_processors", _chain(module))
    _property(formatter, "foreign_pre_chain", _foreign)

    def take_back() -> None:
        del module.BoundLoggerBase._processors
        del formatter.foreign_pre_chain
        _chains.clear()

    return take_back


def _property(owner: Any, name: str, with_ours: Callable[[Any], Any]) -> None:
    """A property over an attribute that stays where it is, in the instance's dictionary.

    So instances made before have it too, pickles are as they were, and without the property there
    is what there always was.
    """

    kept = _chains.get

    def get(instance: Any) -> Any:
        try:
            value = instance.__dict__[name]
        except KeyError:
            raise AttributeError(name) from None
        # A list may be changed in place (structlog.testing does so): what was made of it counts
        # only as long as it holds the same.
        entry = kept(id(value))
        if entry is not None and entry[0] == value:
            return entry[1]
        try:
            return with_ours(value)
        except Exception as error:
            faults.tell("log lines do not name their trace", error)
            return value

    def set_(instance: Any, value: Any) -> None:
        # A logger that is bound to more values is given the chain of the one before.
        instance.__dict__[name] = value.original if type(value) is Chain else value

    def delete(instance: Any) -> None:
        del instance.__dict__[name]

    setattr(owner, name, property(get, set_, delete))


def _chain(module: Any) -> Callable[[Any], Any]:
    known = _renderers(module)
    classes = tuple(one for one in known if isinstance(one, type))
    functions = [one for one in known if not isinstance(one, type)]
    captures = module.testing.LogCapture
    # By class, because every event asks; a class of the program may inherit from a renderer.
    rendering: dict[type, bool] = {}

    def renders(processor: Any) -> bool:
        kind = type(processor)
        found = rendering.get(kind)
        if found is None:
            found = rendering[kind] = issubclass(kind, classes)
        return found or (kind is types.FunctionType and processor in functions)

    def with_ours(processors: Any) -> Any:
        for begin in started:
            begin()
        chain = Chain(processors)
        if not chain:
            return processors
        chain.original = processors
        last = chain[-1]
        place = len(chain) - 1
        if not renders(last):
            if isinstance(last, captures):
                return processors  # a test looks at exactly what the program logged
            # What follows a renderer gets a text. Of one that nobody knows here, the last counts.
            place = next((n for n, one in enumerate(chain) if renders(one)), place)
        chain.insert(place, logs.correlate)
        for ask in extra:
            more = ask(chain[:place])
            if more is not None:
                chain.insert(place, more)
        if type(processors) is list and not started:
            if len(_chains) >= MAX_CHAINS:
                _chains.clear()
            _chains[id(processors)] = (processors[:], chain)
        return chain

    return with_ours


def _renderers(module: Any) -> list[Any]:
    found = [
        getattr(place, name, None)
        for place, names in (
            (module.processors, ("JSONRenderer", "KeyValueRenderer", "LogfmtRenderer")),
            (module.dev, ("ConsoleRenderer",)),
            (module.stdlib, ("render_to_log_kwargs", "render_to_log_args_and_kwargs")),
            (module.stdlib.ProcessorFormatter, ("wrap_for_formatter",)),
        )
        for name in names
    ]
    return [one for one in found if one is not None]


def _foreign(chain: Iterable[Processor] | None) -> Any:
    return [*(chain or ()), logs.foreign]


# --- the standard library ------------------------------------------------------------------------


made: list[Callable[[logging.LogRecord], object]] = []
"""Called with each record that a logger has made."""


def install_in_logging() -> Callable[[], None]:
    """Patch ``logging.Logger.makeRecord``; what takes it back.

    Not a record factory: ``makeRecord`` refuses an ``extra`` with a name that the factory has set
    already, and a program that logs ``extra={"trace_id": ...}`` would raise.
    """
    original = logging.Logger.makeRecord

    @wraps(original)
    def make_record(self: logging.Logger, *args: Any, **kwargs: Any) -> logging.LogRecord:
        try:
            record = original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        for look in made:
            look(record)
        logs.correlate_record(record)
        return record

    def take_back() -> None:
        if logging.Logger.makeRecord is make_record:
            logging.Logger.makeRecord = original  # type: ignore[method-assign]

    logging.Logger.makeRecord = make_record  # type: ignore[method-assign]
    return take_back

"""Documents that programs read into Python's own values and write them to: JSON, YAML.

Libraries keep their settings in them; so a call counts where the program itself makes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from types import CodeType, FrameType
from typing import Any, Final

from otelprov.artifacts.deferred import resolve, with_
from otelprov.artifacts.locations import unknown
from otelprov.artifacts.registry import Identity, registry
from otelprov.instrumentation._calls import Observed, Site, called_from
from otelprov.instrumentation._programs import owner
from otelprov.instrumentation._table import Entry, read, write
from otelprov.instrumentation._wrapping import recorded, site_of
from otelprov.recording import faults, places, plain_values
from otelprov.recording.handles import Added, Followed, followed
from otelprov.recording.run import run
from otelprov.recording.streams import MAX_NAME

ODDITIES: Final = (
    "Lists of rows in a document are known again, and in one of up to 1 MiB all lists and dicts, "
    "and its numbers; what the program makes of them (`[row for row in rows if …]`) is not.",
    "Values of which nothing is known are no input of what writes them, where something is known "
    "of others.",
    "A text that is no file is read where it has more than 64 KiB, or an operation has given it; "
    "one is made where something is known of the values, for 1,000 calls of a line. What is read "
    "from and written to a file in between is known by its content.",
    "What a package other than the program calls is not recorded.",
)
MAX_CALLS: Final = 1_000
"""Calls from one line of the program that make a text, and are recorded."""
MAX_LINES: Final = 10_000

_calls: Counter[tuple[CodeType, int]] = Counter()


def loading(name: str, source: str, library: str, version: str) -> Entry:
    """A function whose first parameter is a file or a text."""
    entry = read(name, source=source, observed=_Loaded, shows=())
    return entry._replace(around=partial(_loading, entry, library, version))


def dumping(name: str, target: str | None, library: str, version: str, *shown: str) -> Entry:
    """A function whose first parameter is a value, and whose second a file, if it has one: else it
    returns a text."""
    entry = write(name, target=target, data="", observed=_Dumped, shows=shown)
    return entry._replace(around=partial(_dumping, entry, library, version))


def _program() -> FrameType | None:
    """The code of the program that calls what stands in; None where something else does."""
    frame = called_from(2)
    return frame if frame is not None and owner(frame) == "program" else None


# --- reading --------------------------------------------------------------------------------------


def _loading(
    entry: Entry, library: str, version: str, original: Callable[..., Any]
) -> Callable[..., Any]:
    site = site_of(entry, library, version, original, original, method=False)

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        frame = None
        try:
            try:
                if run.active:
                    frame = _program()
                    if frame is not None and not _is_read(site, args, kwargs):
                        frame = None
            except Exception as fault:
                faults.tell(site.not_recorded, fault)
                frame = None
            if frame is None:
                return original(*args, **kwargs)
            return recorded(site, frame, args, kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return wrapper


def _is_read(site: Site, args: Any, kwargs: Any) -> bool:
    """Whether it is a file, or a text that is worth an operation."""
    place = args[0] if args else kwargs.get(site.entry.source)
    if not isinstance(place, (str, bytes)):
        return True
    return len(place) > MAX_NAME or registry.may_hold(place)


class _Loaded(Observed):
    """A call that makes values of a document."""

    __slots__ = ()

    def _read(self, result: object) -> None:
        operation, role = self.operation, str(self.site.entry.source)
        place = self.parameters.get(role)
        if isinstance(place, (str, bytes)):
            operation.use_content(role, places.given(place))
        else:
            places.read_from(operation, role, place)
        made = operation.derived("object")
        operation.generate("return", made)
        size = sum(resolve(one).bytes or 0 for one in operation.used_so_far())
        plain_values.parsed(result, with_(made, maker=operation.id), size)


# --- writing --------------------------------------------------------------------------------------
#
# Line by line: a file with a value on each is one operation, and what comes after its first value
# another, whose end is that of the file.


def _dumping(
    entry: Entry, library: str, version: str, original: Callable[..., Any]
) -> Callable[..., Any]:
    site = site_of(entry, library, version, original, original, method=False)

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        frame = added_to = None
        value: object = None
        try:
            try:
                if run.active:
                    frame = _program()
                    if frame is not None:
                        value, file = _given(site, args, kwargs)
                        if file is not None:
                            added_to = followed(file)
                        elif not _is_worth_it(frame, value):
                            frame = None
            except Exception as fault:
                faults.tell(site.not_recorded, fault)
                frame = None
            if frame is not None and added_to is None:
                return recorded(site, frame, args, kwargs)
            result = original(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if frame is not None and added_to is not None:
            try:
                _add(site, added_to, frame, value)
            except Exception as fault:
                faults.tell(site.recorded_in_part, fault)
        return result

    return wrapper


def _given(site: Site, args: Any, kwargs: Any) -> tuple[object, object]:
    """The value that is written, and the file."""
    target = site.entry.target
    value = args[0] if args else kwargs.get(_VALUES[site.library])
    if target is None:
        return value, None
    return value, args[1] if len(args) > 1 else kwargs.get(target)


def _is_worth_it(frame: FrameType, value: object) -> bool:
    """Whether something is known of what a text is made of."""
    if not _sources(value):
        return False
    line = frame.f_code, frame.f_lineno
    if len(_calls) > MAX_LINES:
        _calls.clear()
    _calls[line] += 1
    return _calls[line] <= MAX_CALLS


def _add(site: Site, file: Followed, frame: FrameType, value: object) -> None:
    if file.added is None:
        file.added = Added(site.call, frame)
    file.added.more(_VALUES[site.library], _sources(value), _NOT_FOLLOWED)


class _Dumped(Observed):
    """A call that makes a document of a value."""

    __slots__ = ()

    def _inputs(self) -> tuple[list[tuple[str, Identity]], set[str]]:
        name = _VALUES[self.site.library]
        found = _sources(self.parameters.get(name)) or [Identity((unknown(_NOT_FOLLOWED),))]
        return [(name, one) for one in found], {name}


def _sources(value: object) -> list[Identity]:
    """What is known of a value that is written, and of what is in it."""
    if plain_values.is_unknown_row(value):
        return []
    return [*plain_values.known_parts(value), *plain_values.known_numbers([value])]


_VALUES: Final = {"json": "obj", "yaml": "data"}
"""What the parameter is called that is written."""
_NOT_FOLLOWED: Final = "what is written comes from values that are not followed"

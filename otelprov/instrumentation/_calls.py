"""One call of a patched function: what it is taken for, and what is recorded of it."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from otelprov.artifacts import digest_value
from otelprov.artifacts.deferred import with_
from otelprov.artifacts.registry import Identity, Step, derive, registry
from otelprov.instrumentation._programs import owner
from otelprov.instrumentation._table import Binder, Entry
from otelprov.recording import faults, observation, places
from otelprov.recording.bounds import reading
from otelprov.recording.recorder import Call, OpenOperation, current_operation, note_read
from otelprov.recording.run import run

Function = Callable[..., Any]

_libraries: set[str] = {"otelprov"}
_internal: dict[object, bool] = {}


def add_library(name: str) -> None:
    """From now on, calls that come from this package are its own."""
    _libraries.add(name)
    _internal.clear()


def is_internal(frame: types.FrameType) -> bool:
    """Whether the code of a frame belongs to an instrumented library.

    The test suites that pandas and pyarrow ship are programs that use them.
    """
    name = frame.f_globals.get("__name__")
    try:
        return _internal[name]
    except (KeyError, TypeError):
        text = name if isinstance(name, str) else ""
        root, _, rest = text.partition(".")
        found = root in _libraries and not (rest == "tests" or rest.startswith("tests."))
        if isinstance(name, str):
            _internal[name] = found
        return found


def outside(frame: types.FrameType, own: frozenset[str]) -> types.FrameType | None:
    """Who uses the packages ``own``, seen from a frame deep in them; None where that is another
    library that is instrumented. The standard library hands on what others ask for.
    """
    place: types.FrameType | None = frame
    while place is not None:
        if is_internal(place):
            name = place.f_globals.get("__name__")
            root = name.partition(".")[0] if isinstance(name, str) else ""
            if root not in own and root != "otelprov":
                return None
        elif owner(place) != "standard":
            break
        place = place.f_back
    return place


@dataclass(slots=True)
class Site:
    """An entry in place: where it is, what was there, and what calls of it need."""

    entry: Entry
    library: str
    owner: Any
    attribute: str
    original: Any
    """The very object that ``uninstrument`` puts back."""
    function: Function
    method: bool
    binder: Binder
    call: Call
    aliases: list[tuple[Any, str]] = field(default_factory=list)
    """Other places where the original stood: modules that imported it, names in its class."""
    name: str = ""
    """For messages."""
    step: Step = field(init=False)
    # What is missing after a fault: ready made, because every call needs it at hand.
    not_passed_on: str = ""
    not_recorded: str = ""
    end_not_recorded: str = ""
    recorded_in_part: str = ""

    def __post_init__(self) -> None:
        self.name = f"{self.call.library}.{self.call.name}"
        self.step = Step(self.call.library, self.call.name, self.call.version)
        self.not_passed_on = f"{self.name} did not pass its data's identity on"
        self.not_recorded = f"{self.name} was not recorded"
        self.end_not_recorded = f"the end of {self.name} was not recorded"
        self.recorded_in_part = f"{self.name} was recorded in part"


class Observed:
    """One call of a patched function that makes a span."""

    __slots__ = ("operation", "parameters", "site", "target")

    def __init__(
        self,
        site: Site,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        frame: types.FrameType,
        bound: Bound | None = None,
    ) -> None:
        """``bound`` are the parameters, where they are at hand."""
        entry = site.entry
        self.site = site
        self.target = arguments[0] if site.method and arguments else None
        self.parameters, given = bound or _bound(site, arguments, keywords)
        found, names = observation.inputs(self.parameters)
        plain = {name: value for name, value in self.parameters.items() if name not in names}
        if self.target is not None:
            own_inputs = observation.inputs({"self": self.target})[0]
            found[:0] = own_inputs
            if observation.stands_in(self.target):
                # groupby("k") has made no span: its parameters belong to the sum that follows.
                for _, identity in own_inputs:
                    for name, value in identity.parameters:
                        plain.setdefault(name, value)
                        given.append(name)
        if entry.shows is not None:
            plain = {name: plain[name] for name in entry.shows if name in plain}
            given = [name for name in given if name in plain]
        call = site.call
        if "{" in call.name:  # df.loc and df.iloc share their functions
            call = replace(call, name=call.name.format(self=self.target))
        self.operation = OpenOperation(call, frame, plain, given, defaults=site.binder.defaults)
        for role, identity in found:
            self.operation.use(role, identity)
        if entry.target is not None and str(self.parameters.get("mode", "")).startswith("a"):
            how = reading(self.site.call.library, self.parameters)
            places.read_from(self.operation, entry.target, self._place(entry.target), how)
        if entry.observed is not None:
            pass  # it knows itself what is read and written
        elif entry.kind == "write" and not entry.typed:
            # What a typed file carries is the id of the very table that is put into it, which may
            # be another than the frame (without its index): the library's module sees to it.
            self.operation.content = observation.look_at_later(self.operation, self._data())
        elif entry.kind == "read" and entry.source is not None:
            how = reading(self.site.call.library, self.parameters)
            places.look_ahead(self.operation, self._place(entry.source), how)

    def returned(self, result: object) -> None:
        """The call has returned: say what was read, written and made."""
        with faults.contained(self.site.end_not_recorded):
            try:
                self.operation.leave()
                with faults.contained(self.site.recorded_in_part):
                    kind = self.site.entry.kind
                    {"read": self._read, "write": self._written}.get(kind, self._made)(result)
            finally:
                self.close()
            note_read(result)

    def failed(self, error: BaseException) -> None:
        """The call has raised: say what it used, and the error."""
        with faults.contained(self.site.end_not_recorded):
            try:
                self.operation.leave()
                with faults.contained(self.site.recorded_in_part):
                    source = self.site.entry.source
                    if source is not None:
                        how = reading(self.site.call.library, self.parameters, failed=True)
                        places.read_from(self.operation, source, self._place(source), how)
            finally:
                self.close(error)

    def close(self, error: BaseException | None = None) -> None:
        """It is over, whatever came between: no operation stays the current one."""
        self.operation.end(error)

    def _place(self, name: str) -> Any:
        if self.site.entry.places is not None:
            return self.site.entry.places({**self.parameters, "self": self.target})
        return self.parameters.get(name)

    def _read(self, result: object) -> None:
        entry = self.site.entry
        returned = self.target if entry.in_place == "always" else result
        if entry.source is not None:
            opens = not observation.holds_data(returned)
            how = reading(self.site.call.library, self.parameters, opens=opens)
            places.read_from(self.operation, entry.source, self._place(entry.source), how)
        found = observation.outputs(self.operation, returned, by_content=True)
        if not found and returned is not None:
            # Something to read from later: a reader of chunks, an open workbook, a data set.
            observation.adopt(self.operation, "return", returned, "stream")

    def _data(self) -> object:
        """What is written: the object itself, or the first parameter."""
        if observation.data_kind(self.target) is None:
            return next(iter(self.parameters.values()), None)
        return self.target

    def _written(self, result: object) -> None:
        entry, operation = self.site.entry, self.operation
        data = self._data()
        if operation.content is None and observation.data_kind(data) is not None:
            operation.content = observation.look_at(operation, data)
        known = registry.lookup(data)
        if known is not None and known.artifact is not None:
            operation.wrote(known.artifact)
        place = self._place(entry.target) if entry.target is not None else None
        if place is not None:
            how = reading(self.site.call.library, self.parameters)
            places.written_to(operation, entry.target or "target", place, how)
            if entry.typed and operation.content is not None:
                operation.generate("content", operation.content)
        elif entry.collects is not None:
            self._collected(
                self.target if entry.collects == "self" else self.parameters.get(entry.collects)
            )
        elif isinstance(result, (str, bytes, list, dict)):
            operation.generate_content("return", result)
        else:
            observation.outputs(operation, result, by_content=False)

    def _collected(self, writer: object) -> None:
        """A part went to an open writer: the file comes from all of its parts."""
        part = observation.derived(self.operation, self.target, "stream")
        self.operation.generate("target", part)
        before = registry.lookup(writer)
        sources = before.sources if before is not None else ()
        registry.assign(writer, Identity((*sources, with_(part, maker=self.operation.id))))

    def _made(self, result: object) -> None:
        in_place = self.site.entry.in_place
        if in_place == "always" or (
            in_place == "parameter" and self.parameters.get("inplace") is True
        ):
            changed = _changed(self.target)
            observation.output(self.operation, "self", changed, by_content=False)
            if result is None or result is changed:
                return
        entry = self.site.entry
        if entry.result is not None:
            result = entry.result(result)
        observation.outputs(self.operation, result, by_content=entry.by_content)


def _changed(target: Any) -> Any:
    """The object that a call changed: an indexer (``df.loc``) changes its table."""
    if observation.data_kind(target) is None:
        return getattr(target, "obj", target)
    return target


def begin(
    site: Site, arguments: tuple[Any, ...], keywords: dict[str, Any], frame: types.FrameType
) -> Observed | bool:
    """Start to record a call, which is still to be entered; True when it is a mere step."""
    if _is_step(site):
        return True
    bound = None
    if site.entry.only_when is not None:
        bound = _bound(site, arguments, keywords)
        if not site.entry.only_when(bound[0], arguments[0] if arguments else None):
            return True
    observed: type[Observed] = site.entry.observed or Observed
    return observed(site, arguments, keywords, frame, bound)


Bound = tuple[dict[str, Any], list[str]]
"""All parameters with their values, and the names of those that the caller passed."""


def _bound(site: Site, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Bound:
    return site.binder.bind(arguments[1:] if site.method else arguments, keywords)


def _is_step(site: Site) -> bool:
    """Whether the calls of this function pass identities on and no more, for now."""
    entry = site.entry
    if run.policy is not None and run.excludes(site.name):
        return True
    if entry.kind == "transform":
        outer = current_operation()
        if outer is not None and outer.call.holds_nested:
            return True
    return False


def pass_on(
    site: Site, arguments: tuple[Any, ...], keywords: dict[str, Any], result: object
) -> None:
    """A small step: what it returns (or changes) comes from its arguments."""
    note_read(*arguments)
    entry = site.entry
    values = (*arguments, *keywords.values())
    changed: object = result
    if entry.in_place == "always":
        changed = _changed(arguments[0])
        values = (changed, *values[1:])
    elif result is None and entry.in_place == "parameter" and keywords.get("inplace") is True:
        changed = arguments[0]
    if not observation.can_be_known(changed):
        return  # a number, a text: what is taken out of a table is not followed
    known = observation.known_inputs(values)
    if not known:
        return
    known += observation.known_contents(values)
    own = arguments[1:] if site.method else arguments
    plain = [value for value in own if registry.lookup(value) is None]
    named = {name: value for name, value in keywords.items() if registry.lookup(value) is None}
    parameters: tuple[tuple[str, object], ...] = ()
    if entry.carries_parameters:
        bound, given = site.binder.bind(own, keywords)
        parameters = tuple(
            (name, bound[name]) for name in given if registry.lookup(bound[name]) is None
        )
    if entry.gives_memory:
        for item in known:
            item.settle()
    detail = digest_value([plain, named]) if plain or named else _no_parameters()
    identity = derive(site.step, known, detail, parameters)
    if identity is None:
        return
    if len(identity.sources) > MAX_SOURCES and not identity.parameters:
        _gather(site, known, changed)
    else:
        _assign(changed, identity)


@cache
def _no_parameters() -> bytes | None:
    return digest_value([[], {}])


MAX_SOURCES = 50
"""Artifacts that small steps carry on with an object. A sum over a million tables would carry a
million: from this number on the step is an operation, and what it makes one artifact."""


def _gather(site: Site, known: list[Identity], changed: object) -> None:
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and is_internal(frame):
        frame = frame.f_back
    operation = OpenOperation(site.call, frame, {}, ())
    operation.enter()
    for identity in known:
        operation.use("input", identity)
    operation.leave()
    observation.outputs(operation, changed, by_content=False)
    operation.end()


def _assign(value: object, identity: Identity) -> None:
    if isinstance(value, tuple):
        for item in value:
            registry.assign(item, identity)
    else:
        registry.assign(value, identity)

"""One call of a patched function: what it is taken for, and what is recorded of it."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from otelprov.artifacts import classes, digest_value
from otelprov.artifacts.deferred import Source, settled, with_
from otelprov.artifacts.locations import unknown
from otelprov.artifacts.names import names_of
from otelprov.artifacts.registry import (
    WHOLE,
    Identity,
    Step,
    Taken,
    derive,
    is_own_number,
    registry,
)
from otelprov.instrumentation._caller import is_in_place
from otelprov.instrumentation._closed import runs_nothing_else
from otelprov.instrumentation._lazy import plan_on
from otelprov.instrumentation._programs import owner
from otelprov.instrumentation._table import Binder, Entry
from otelprov.model import Names
from otelprov.recording import faults, observation, places, plain_values
from otelprov.recording.bounds import reading
from otelprov.recording.column_sources import ColumnSources
from otelprov.recording.in_place import prints
from otelprov.recording.observation import PLAIN
from otelprov.recording.parameters import Defaults
from otelprov.recording.plans import Execution, Explained, Plan, plans
from otelprov.recording.policy import MAX_LISTED
from otelprov.recording.recorder import Call, OpenOperation, current_operation, note_read
from otelprov.recording.run import run

Function = Callable[..., Any]

_libraries: set[str] = {"otelprov"}
_internal: dict[object, bool] = {}
_OPEN = (
    "pandera.api.dataframe.components",
    "pandera.api.dataframe.container",
    "pandera.decorators",
    "numpy.core.fromnumeric",
    "numpy._core.fromnumeric",
    "joblib.externals",
    "joblib.memory",
    "joblib.parallel",
    "joblib.pool",
    "matplotlib.pyplot",
    "seaborn.utils",
    *(
        f"scipy.{name}"
        for name in (
            "cluster fft integrate interpolate linalg ndimage optimize signal spatial special stats"
        ).split()
    ),
)
"""Modules of libraries that call what their caller gave them: ``np.mean(df)`` is ``df.mean()``, and
``delayed(read)(path)`` a call of ``read``. Of SciPy only sparse matrices are recorded; seaborn
reads its examples there."""


_SUITES = frozenset({"test", "tests"})
"""Packages inside of a library that hold its tests: ``pandas.tests``, ``joblib.test``."""
_ADAPTERS = frozenset({"adbc_driver_manager", "collections", "narwhals"})
"""Packages through which a library, or the program, calls the methods of a table, of a reader, or
of an archive."""
_COPYING = frozenset({"cloudpickle", "copy", "copyreg", "dill", "pickle"})
_DUMPING = "otelprov.instrumentation.pickle"
"""What stands in for ``pickle.dump``, where it is not recorded."""

TAKING = "<otelprov takes out of an iterator>"
"""The name of the piece of code that does so for the program, and has its frame as ``caller``."""

_OF_ARRAYS = frozenset({"numpy", "joblib", "pickle", "scipy", "sklearn", "xgboost", "lightgbm"})
_SETTING = frozenset(
    "setitem setattr isetitem insert assign add_column append_column set_column".split()
)

sending: set[int] = set()
"""Calls of libraries that may send what they are given to processes of their own."""


def add_library(name: str) -> None:
    """From now on, calls that come from this package are its own."""
    _libraries.add(name)
    _internal.clear()


def is_library(module: str) -> bool:
    """Whether a module is part of an instrumented library."""
    return module.partition(".")[0] in _libraries


def is_internal(frame: types.FrameType | None) -> bool:
    """Whether the code of a frame belongs to an instrumented library.

    The test suites that libraries ship are programs that use them. No frame is what the program has
    registered with ``atexit``, if it is not a thread of another library's that calls.
    """
    if frame is None:
        return threading.get_ident() != threading.main_thread().ident
    name = frame.f_globals.get("__name__")
    try:
        return _internal[name] or is_in_place(frame.f_code)
    except (KeyError, TypeError):
        text = name if isinstance(name, str) else ""
        root = text.partition(".")[0]
        if root in _ADAPTERS and root not in _libraries:
            caller = frame.f_back
            return caller is not None and is_internal(caller)
        found = (
            root in _libraries
            and _SUITES.isdisjoint(text.split("."))
            and not any(f"{text}.".startswith(f"{name}.") for name in _OPEN)
        )
        if isinstance(name, str):
            _internal[name] = found
        return found or is_in_place(frame.f_code)


def outside(frame: types.FrameType, own: frozenset[str]) -> types.FrameType | None:
    """Who uses the packages ``own``, seen from a frame deep in them; None where that is another
    library that is instrumented. The standard library hands on what others ask for.
    """
    place: types.FrameType | None = frame
    while place is not None:
        root = _root(place)
        if root not in own and root != "otelprov":
            if is_internal(place):
                return None
            if owner(place) != "standard":
                break
        place = place.f_back
    return place


def of_the_program(frame: types.FrameType | None) -> types.FrameType | None:
    """The first frame, from this one on, that belongs to no instrumented library."""
    while frame is not None and is_internal(frame):
        frame = frame.f_back
    return frame


def is_internal_call(depth: int) -> bool:
    """``is_internal`` for the frame at ``depth`` above."""
    return is_internal(called_from(depth))


def called_from(depth: int) -> types.FrameType | None:
    """The frame at ``depth`` above; None where no code of Python's calls."""
    try:
        return sys._getframe(depth + 1)
    except ValueError:
        return None


def pickled_by(frame: types.FrameType | None) -> types.FrameType | None:
    """The frame of the program that has something pickled or copied; None where a library does so
    for itself. ``frame`` is the one that asks an object for its state."""
    caller: types.FrameType | None = frame
    while caller is not None and (
        _root(caller) in _COPYING or caller.f_globals.get("__name__") == _DUMPING
    ):
        caller = caller.f_back
    if caller is None or is_internal(caller):
        return None
    return None if sending and _root(caller) == "joblib" else caller


def is_of(frame: types.FrameType | None, library: str) -> bool:
    """Whether it is a library itself that calls, seen from the frame that does."""
    return frame is None or _root(frame) == library


def _root(frame: types.FrameType) -> str:
    """The package that the code of a frame belongs to."""
    return str(frame.f_globals.get("__name__")).partition(".")[0]


@dataclass(slots=True)
class Site:
    """An entry in place: where it is, what was there, and what calls of it need.

    That is made when it is first asked for: of 1,400 functions that are patched a program calls a
    few, and what there is of the others takes time too, at the start and at the end.
    """

    entry: Entry
    library: str
    owner: Any
    attribute: str
    original: Any
    """The very object that ``uninstrument`` puts back."""
    function: Function
    method: bool
    version: str | None
    """Of the library."""
    own_threads: bool = False
    aliases: list[tuple[Any, str]] = field(init=False)
    """Other places where the original stood: modules that imported it, names in its class."""
    binder: Binder = field(init=False)
    call: Call = field(init=False)
    step: Step = field(init=False)
    sums_up: bool = field(init=False)
    """Whether it gives a number for all that it is given."""
    takes_arrays: bool = field(init=False)
    """Whether an array of a few values is data for it, and no parameter (``df.isin(array)``)."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            make = _MADE.get(name)
            if make is None:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            made = make(self)
            setattr(self, name, made)
            return made

    @property
    def name(self) -> str:
        """``pandas.merge``, for messages."""
        return self.call.full_name

    @property
    def not_passed_on(self) -> str:
        """What is missing after a fault; so are the others."""
        return f"{self.name} did not pass its data's identity on"

    @property
    def not_recorded(self) -> str:
        return f"{self.name} was not recorded"

    @property
    def end_not_recorded(self) -> str:
        return f"the end of {self.name} was not recorded"

    @property
    def recorded_in_part(self) -> str:
        return f"{self.name} was recorded in part"


def _call(site: Site) -> Call:
    entry = site.entry
    return Call(
        library=site.library,
        name=entry.name,
        kind=entry.operation_kind,
        version=site.version,
        holds_nested=entry.holds_nested,
        client=entry.client,
        own_threads=site.own_threads,
        fills=entry.fills,
    )


_SUMMING_UP: Final = frozenset(
    "autocorr corr cov dot item kurt kurtosis max mean median min percentile prod product ptp "
    "quantile sem skew std sum trace var".split()
)


def _takes_arrays(site: Site) -> bool:
    return site.library in _OF_ARRAYS or site.entry.name.rpartition(".")[2] in _SETTING


_MADE: dict[str, Callable[[Site], Any]] = {
    "aliases": lambda _: [],
    "binder": lambda site: Binder(site.function, method=site.method),
    "call": _call,
    "step": lambda site: Step(site.call.library, site.call.name, site.call.version),
    "sums_up": lambda site: site.entry.name.rpartition(".")[2].removeprefix("nan") in _SUMMING_UP,
    "takes_arrays": _takes_arrays,
}
"""What a ``Site`` makes when it is asked for it."""


_PUTTING: Final = frozenset(("__setitem__", "assign", "insert"))
"""What puts values into a table."""
_KEYS: Final = frozenset(("column", "key", "loc"))
"""Its parameters that say where."""


class Observed:
    """One call of a patched function that makes a span."""

    __slots__ = ("execution", "operation", "parameters", "site", "target")

    def __init__(
        self,
        site: Site,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        frame: types.FrameType | None,
        bound: Bound | None = None,
    ) -> None:
        """``bound`` are the parameters, where they are at hand."""
        entry = site.entry
        self.site = site
        self.target = arguments[0] if site.method and arguments else None
        self.parameters, given = bound or _bound(site, arguments, keywords)
        passed = (self.target, *[self.parameters[name] for name in given])
        found, names = self._inputs()
        if site.attribute in _PUTTING and registry.numbers:
            found += self._numbers(given)
        lazy: list[tuple[str, Plan]] = []
        if entry.lazies is not None:
            lazy = entry.lazies({**self.parameters, "self": self.target})
        elif plans:
            lazy = plans.find({"self": self.target, **self.parameters})
        if lazy:
            names = names.union(name for name, _ in lazy)
        plain = {name: value for name, value in self.parameters.items() if name not in names}
        if self.target is not None:
            own_inputs = self._own_inputs()
            found[:0] = own_inputs
            if observation.stands_in(self.target):
                # groupby("k") has made no span: its parameters belong to the sum that follows.
                for _, identity in own_inputs:
                    for name, value in identity.parameters:
                        plain.setdefault(name, value)
                        given.append(name)
        defaults = self._more(plain, given)
        if entry.shows is not None:
            plain = {name: plain[name] for name in entry.shows if name in plain}
            given = [name for name in given if name in plain]
        call = site.call
        if "{" in call.name:  # df.loc and df.iloc share their functions
            call = replace(call, name=call.name.format(self=self.target))
        self.operation = OpenOperation(call, frame, plain, given, defaults=defaults)
        for role, identity in found:
            self.operation.use(role, identity)
        if not entry.counts_frames and call.holds_nested and runs_nothing_else(passed):
            self.operation.closed = True
        self.execution = Execution(self.operation, lazy, self._explained()) if lazy else None
        if entry.target is not None:
            place = self._place(entry.target)
            if str(self.parameters.get("mode", "")).startswith("a"):
                how = reading(self.site.call.library, self.parameters)
                places.read_from(self.operation, entry.target, place, how)
            else:
                places.added_to(self.operation, entry.target, place)
        if entry.kind == "write" and not entry.typed:
            # What a typed file carries is the id of the very table that is put into it, which may
            # be another than the frame (without its index): the library's module sees to it.
            data = self._data()
            if self._is_known_by_content(data):
                self.operation.content = observation.look_at_later(self.operation, data)
        elif entry.kind == "read" and entry.source is not None:
            how = reading(self.site.call.library, self.parameters)
            places.look_ahead(self.operation, self._place(entry.source), how)

    def returned(self, result: object) -> None:
        """The call has returned: say what was read, written and made."""
        with faults.contained(self.site.end_not_recorded):
            try:
                self.operation.leave()
                if self.execution is not None:
                    with faults.contained(self.site.recorded_in_part):
                        self.execution.returned()
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
                    if self.execution is not None:
                        self.execution.failed()
                    source = self.site.entry.source
                    if source is not None:
                        how = reading(self.site.call.library, self.parameters, failed=True)
                        places.read_from(self.operation, source, self._place(source), how)
            finally:
                self.close(error)

    def close(self, error: BaseException | None = None) -> None:
        """It is over, whatever came between: no operation stays the current one."""
        self.operation.end(error)

    def _explained(self) -> Explained | None:
        """What the engine says of the plan that it is about to execute."""
        explain = self.site.entry.explain
        if explain is not None:
            with faults.contained(f"the plan of {self.site.name} is not known"):
                return explain({**self.parameters, "self": self.target})
        return None

    def _inputs(self) -> tuple[list[tuple[str, Identity]], set[str]]:
        """The data among the parameters, and the names of these."""
        return observation.inputs(self.parameters, few=self.site.takes_arrays)

    def _numbers(self, given: list[str]) -> Iterator[tuple[str, Identity]]:
        """The known numbers that are put into a table, alone or in a list."""
        for name in given:
            value = self.parameters[name]
            number = plain_values.number_of(value)
            if number is not None:
                yield name, number
            elif name not in _KEYS:
                for one in plain_values.known_numbers((value,)):
                    yield name, one

    def _own_inputs(self) -> list[tuple[str, Identity]]:
        """What ``self`` is as an input."""
        entry = self.site.entry
        if self.site.attribute == "__init__" or (
            entry.kind == "read" and entry.in_place != "never"
        ):
            return []  # there is nothing in it yet, or nothing that is left
        return observation.inputs({"self": self.target})[0]

    def _more(self, plain: dict[str, Any], given: list[str]) -> Defaults:
        """Adds to the parameters that are shown; the defaults of all."""
        return self.site.binder.defaults

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
            seen = places.read_from(self.operation, entry.source, self._place(entry.source), how)
            if self.operation.said:
                places.claimed(self.operation, seen, how)
        elif (self.site.method or entry.hands_over) and not self.operation.used_so_far():
            self.operation.use_content("self", unknown("it was not seen what is read"))
        found = observation.outputs(self.operation, returned, by_content=True)
        if not found and returned is not None:
            # Something to read from later: a reader of chunks, an open workbook, a data set.
            observation.adopt(self.operation, "return", returned, "stream")

    def _data(self) -> object:
        """What is written: the object itself, or a parameter, the first if none is named."""
        if self.site.entry.data is not None:
            return self.parameters.get(self.site.entry.data)
        if observation.data_kind(self.target) is None:
            return next(iter(self.parameters.values()), None)
        return self.target

    def _is_known_by_content(self, data: object) -> bool:
        """Whether it is said what the content is of what is written: it goes to a place, or is an
        artifact as a whole. A row that becomes a dict is neither."""
        if observation.data_kind(data) is None:
            return False
        entry = self.site.entry
        if entry.target is not None or entry.collects is not None:
            return True
        known = registry.lookup(data)
        return known is not None and known.artifact is not None

    def _written(self, result: object) -> None:
        entry, operation = self.site.entry, self.operation
        data = self._data()
        if operation.content is None and self._is_known_by_content(data):
            operation.content = observation.look_at(operation, data)
        if operation.content is not None and (names := names_of(data)) is not None:
            label = self.parameters.get("index_label")
            if self.parameters.get("index") is False:
                names = Names(names.columns)
            elif type(label) is str and len(names.index) < 2:
                names = Names(names.columns, (label,))
            operation.content = with_(operation.content, names=names)
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
        elif isinstance(result, (str, bytes, bytearray, list, dict)) and not observation.holds_data(
            result
        ):
            made = operation.generate_content("return", result)
            plain_values.numbers_from(result, made)
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
        if self.site.entry.hands_over and not self.operation.used_so_far():
            self.operation.use_content("data", unknown("it was not seen what is handed over"))
        in_place = self.site.entry.in_place
        if in_place == "always" or (in_place == "parameter" and _is_in_place(self.parameters)):
            changed = changed_by(self.target)
            held = self.site.entry.hands_over
            observation.output(self.operation, "self", changed, by_content=held)
            if result is None or result is changed:
                return
        entry = self.site.entry
        if entry.result is not None:
            result = entry.result(result)
        if entry.columns is not None:
            self._come_from(entry.columns)
        if not observation.outputs(self.operation, result, by_content=entry.hands_over):
            plain_values.come_out(self.operation, result)

    def _come_from(self, columns: Callable[[Mapping[str, Any]], ColumnSources | None]) -> None:
        """Say where the columns of the result come from: of ``self`` alone, where that is all."""
        used = self.operation.used_so_far()
        if len(used) == 1 and self.operation.used_tables_only:
            with faults.contained(f"where the columns of {self.site.name} come from is not known"):
                found = columns({**self.parameters, "self": self.target})
                if found is not None:
                    found.used.append(used)
                    self.operation.come_from(found)


def _is_in_place(parameters: Mapping[str, Any]) -> bool:
    return parameters.get("inplace") is True or parameters.get("in_place") is True


def changed_by(target: Any) -> Any:
    """The object that a call changed: an indexer (``df.loc``) changes its table."""
    if observation.data_kind(target) is None:
        return getattr(target, "obj", target)
    return target


def begin(
    site: Site, arguments: tuple[Any, ...], keywords: dict[str, Any], frame: types.FrameType | None
) -> Observed | bool:
    """Start to record a call, which is still to be entered; True when it is a mere step."""
    if frame is not None and frame.f_code.co_name == TAKING:
        frame = frame.f_locals["caller"]
    if _is_step(site):
        return True
    bound = None
    if site.entry.only_when is not None:
        bound = _bound(site, arguments, keywords)
        if not site.entry.only_when(bound[0], arguments[0] if arguments else None):
            return site.attribute != "__setattr__"  # `df.unit = "kg"` changes no data
    return (site.entry.observed or Observed)(site, arguments, keywords, frame, bound)


Bound = tuple[dict[str, Any], list[str]]
"""All parameters with their values, and the names of those that the caller passed."""


def _bound(site: Site, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Bound:
    bound = site.binder.bind(arguments[1:] if site.method else arguments, keywords)
    if "unittest.mock" in sys.modules:
        for name, value in bound[0].items():
            if _mocks.look(type(value)):
                bound[0][name] = _MOCK
    return bound


class Mock:
    """In the place of a mock of the program's: that counts what it is asked, and a test looks."""


_MOCK: Final = Mock()
_mocks: Final = classes.ByClass(
    lambda kind: any(
        classes.module(base) in ("unittest.mock", "mock.mock") for base in classes.mro(kind)
    )
)


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
    if type(result) in _NUMBERS and entry.in_place == "never":
        if site.sums_up or (site.attribute == "__getitem__" and _is_short_table(arguments[0])):
            _number_comes_from(site, arguments, keywords, result)
        return  # what is taken out of a longer table is not followed
    values = (*arguments, *keywords.values())
    changed: object = result
    if entry.in_place == "always":
        changed = changed_by(arguments[0])
        values = (changed, *values[1:])
    elif entry.in_place == "parameter" and _is_in_place(keywords):
        changed = arguments[0]
    if not observation.can_be_known(changed):
        if observation.is_lazy(changed):
            plan_on(site, arguments, keywords, result)
        elif entry.gives_contents:
            for holder in observation.known_inputs(arguments[:1]):
                observation.come_out(result, holder.sources[0])
        elif changed is result and type(result).__module__ == "numpy":
            _NUMBERS.add(type(result))
            pass_on(site, arguments, keywords, result)
        return  # as for a number
    own = arguments[1:] if site.method else arguments
    known = _known_directly(values)
    again: _Again | None = None
    if known is not None:
        again = _again(site, known, arguments, keywords)
        found = _taken.get(again) if again is not None else None
        if found is not None:
            _assign(changed, found[1])
            return
        plain = [value for value in own if _is_without_data(value)]
        named = {name: value for name, value in keywords.items() if _is_without_data(value)}
    else:
        looked_at = _looked_at(site, arguments, keywords, values)
        if looked_at is None:
            return
        known, plain, named = looked_at
    first = known[0]
    parameters: tuple[tuple[str, object], ...] = ()
    if entry.carries_parameters:
        bound, given = site.binder.bind(own, keywords)
        parameters = tuple(
            (name, bound[name]) for name in given if registry.lookup(bound[name]) is None
        )
    if entry.gives_memory:
        for item in known:
            item.settle()
    column = _column_at(*arguments) if site.attribute == "__getitem__" else None
    if column is not None and known[0].is_selection:
        known[0] = replace(known[0], columns=((None, column),))
    picked = _picked(site, arguments, known)
    if entry.carries_parameters and len(known) > 1 and _is_one_table(known):
        picked = known[0].selected
        bound, given = site.binder.bind(own, keywords)
        if "by" in given:
            kept = (one for one in parameters if one[0] != "by")
            parameters = (*kept, ("by", _keys(bound["by"])))
    detail = _digest_of(plain, named) if plain or named else no_parameters()
    if picked == WHOLE and entry.keeps_columns:
        picked = columns_of(changed, known[0])
    identity = derive(site.step, known, detail, parameters, picked)
    if identity is not None:
        if again is not None:
            _keep(again, first, identity, site)
        put_on(site, known, changed, identity)


def _is_short_table(value: Any) -> bool:
    """Whether it has a few rows, as what sums up a table has; or an indexer of one."""
    shape = getattr(value.obj if observation.stands_in(value) else value, "shape", None)
    return type(shape) is tuple and len(shape) > 0 and shape[0] <= MAX_LISTED


def _number_comes_from(
    site: Site, arguments: tuple[Any, ...], keywords: Mapping[str, Any], number: object
) -> None:
    """``df["price"].mean()`` comes from ``df``, as would a column."""
    if not is_own_number(number) or operation_around() is not None:
        return
    first, *rest = arguments
    holds = getattr(first, "dtype", "object" if site.library == "pandas" else "")
    if type(number) is float and str(holds).lower() == "object":
        return  # of Python's objects it may be one that the program has put in
    table = registry.lookup(first) or observation.behind(first)
    said = repr(rest) if not keywords and all(map(_is_simple, rest)) else None
    again: _Again | None = None
    if table is not None and said is not None:
        again = (id(site), id(table), "", (said,))
    before = _taken.get(again) if again is not None else None
    if before is not None:
        identity: Identity | None = before[1]
    else:
        known = observation.known_inputs(arguments)
        if not known:
            return
        detail: bytes | None = None
        if len(known) == 1:
            detail = said.encode() if said is not None else _digest_of(rest, dict(keywords))
        identity = derive(site.step, known, detail)
        if identity and again is not None and table is not None and known == [table]:
            _keep(again, table, identity, site)
    if identity is not None:
        registry.found(number, identity, by_step=True)


def _is_simple(value: Any) -> bool:
    """Whether it is a short name or number, or several: then its text says what it is."""
    if type(value) is tuple:
        return len(value) < 4 and all(map(_is_simple, value))
    return type(value) in _ALIKE or _is_short(value)


def _keep(again: _Again, known: Identity, made: Identity, site: Site) -> None:
    if len(_taken) == MAX_TAKEN:
        _taken.clear()
    _taken[again] = known, made, site


def _looked_at(
    site: Site, arguments: tuple[Any, ...], keywords: dict[str, Any], values: tuple[Any, ...]
) -> tuple[list[Identity], list[Any], dict[str, Any]] | None:
    """What is known of any arguments of a step, and those that are no data, by place and by name;
    None where nothing is known."""
    contents = observation.digested_contents(values)
    known = observation.known_inputs(values)
    known += [Identity((source,)) for source, _ in contents.values()]
    if site.attribute in _MADE_OF_VALUES:
        known += plain_values.known_numbers(values)
    if registry.numbers and (known or site.entry.in_place == "never"):
        known += filter(None, map(plain_values.number_of, values))
    if not known:
        return None
    own = arguments[1:] if site.method else arguments
    plain = [_as_parameter(value, contents) for value in own if registry.lookup(value) is None]
    named = {
        name: _as_parameter(value, contents)
        for name, value in keywords.items()
        if registry.lookup(value) is None
    }
    if site.attribute not in _TOLD:
        others = _unknown(site, arguments, keywords, contents)
        if others:
            known += others
            plain = [value for value in plain if observation.data_kind(value) is None]
    return known, plain, named


_MADE_OF_VALUES = frozenset(
    "__init__ from_arrays from_dict from_dicts from_pydict from_pylist from_records table".split()
)
"""What makes tables of Python's own values."""
_NUMBERS = set(PLAIN)
"""Classes of plain values, and those of NumPy's numbers that were met."""


def _known_directly(values: Iterable[Any]) -> list[Identity] | None:
    """What is known of the arguments of a step, where each is known itself, or what it stands for
    is, or is a plain value, or some of these: nearly always."""
    known: list[Identity] = []
    numbers: list[Identity] = []
    for value in values:
        kind = type(value)
        if kind in _NUMBERS and id(value) in registry.numbers:
            number = plain_values.number_of(value)
            if number is not None:
                numbers.append(number)
                continue
        if kind in PLAIN or kind is types.BuiltinFunctionType:  # operator.gt
            continue
        if kind is tuple or kind is list:
            if not PLAIN.issuperset(map(type, value)) or registry.container(value) is not None:
                return None
            continue
        identity = registry.lookup(value) or observation.behind(value)
        if identity is None or id(value) in prints:
            return None
        known.append(identity)
    return known + numbers if known else None


_WITHOUT_DATA = PLAIN | {tuple, list, types.BuiltinFunctionType}
"""Classes of what is no data among arguments that are all known."""


def _is_without_data(value: object) -> bool:
    kind = type(value)
    return kind in _WITHOUT_DATA or kind in _NUMBERS


_Again: TypeAlias = "tuple[int, int, str, tuple[str, ...]]"
_taken: dict[_Again, tuple[Identity, Identity, Site]] = {}
"""What steps have made of one known object: ``df["a"]`` is what it was the last time. Also what
that was known as, and the step: their ``id`` stands in the key."""
MAX_TAKEN = 512


def _again(
    site: Site, known: list[Identity], arguments: tuple[Any, ...], keywords: Mapping[str, Any]
) -> _Again | None:
    """What a step of one object with some names is known by; None where it is another, or may make
    something else the next time."""
    entry = site.entry
    if keywords or len(known) > 1 or len(known[0].sources) > 1 or known[0].pending:
        return None
    first, *names = arguments
    if entry.keeps_columns or entry.carries_parameters or entry.gives_memory:
        return None
    if site.attribute == "__init__" or not all(map(_is_short, names)):
        return None
    kind = type(first)
    if classes.module(kind).partition(".")[0] != site.library:  # a class of the program's own
        return None
    return id(site), id(known[0]), kind.__name__, tuple(names)


def _is_short(value: Any) -> bool:
    """Whether it is a short text."""
    return type(value) is str and len(value) <= _SHORT


def put_on(site: Site, known: list[Identity], changed: object, identity: Identity) -> None:
    """What a small step has made of ``known`` is ``identity`` from now on."""
    if len(identity.sources) > MAX_SOURCES and not identity.parameters:
        _gather(site, known, changed)
    else:
        _assign(changed, identity)


def _is_one_table(known: list[Identity]) -> bool:
    """Whether these are a table and columns that were computed of it, which it is grouped by."""
    first, *others = known
    source = settled(first.sources[0])
    return first.is_selection and all(
        len(one.sources) == 1 and settled(one.sources[0]) == source for one in others
    )


def _keys(by: Any) -> Any:
    """What a table is grouped by, as it is shown: ``<month of day>`` is a column that is called
    month and was computed of the column day."""
    if type(by) is list:
        return [_keys(one) for one in by]
    identity = registry.lookup(by)
    if identity is None:
        return by
    taken = identity.columns[0] if identity.columns else None
    names = [one for one in taken or () if one is not None] or ["?"]
    name = getattr(by, "name", None)
    return f"<{name if type(name) is str else ''} of {', '.join(names)}>"


def _as_parameter(value: Any, contents: Mapping[int, tuple[Source, bytes | None]]) -> Any:
    """A parameter that is not known itself. A dict or list that is an input stands there by its
    digest: others of the same source are other ones."""
    found = contents.get(id(value))
    return _without_known(value) if found is None or found[1] is None else found[1]


def _without_known(value: Any) -> Any:
    """A parameter, without the data in it that is known: that is an input, and may be large."""
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is dict:
        return {key: _without_known(item) for key, item in value.items()}
    if (kind is list or kind is tuple) and not PLAIN.issuperset(map(type, value)):
        return kind(map(_without_known, value))
    return None if registry.lookup(value) is not None else value


_TOLD = frozenset({"quantile"})
"""Steps whose arrays are parameters."""
_WITH_ALL = frozenset({"assign", "getitem", "iloc", "loc", "mask", "where"})
"""Operations that call a function of the program's once, with all of the table."""
_OPERATORS = frozenset({"pandas.core.arraylike", "pandas.core.ops.common"})
"""Modules through which an operator of the program's comes to the step that computes."""


def _unknown(
    site: Site, arguments: tuple[Any, ...], keywords: Mapping[str, Any], contents: Container[int]
) -> list[Identity]:
    """The data among the arguments of a step that nothing is known of: ``df["a"] * array`` and
    ``DataFrame({"id": df["id"], "p": array})`` are of unknown origin in part. ``contents`` are the
    ``id``s of dicts and lists that are known."""
    if site.attribute == "__init__":  # names of columns are no data
        values = [*arguments[1:3], *(keywords[name] for name in keywords if name != "columns")]
    else:
        values = [*arguments, *keywords.values()]
    suspects = [
        value
        for value in values
        if id(value) not in contents
        and registry.lookup(value) is None
        and observation.may_hold_data(value)
    ]
    if not suspects or (site.entry.always and not _is_by_the_program()):
        return []
    operation = operation_around()
    if hands_out_pieces(operation):
        return []
    few = site.takes_arrays or site.entry.kind == "step" or site.attribute == "__init__"
    found = observation.unknown_data(suspects, few=few)
    if not found:
        return []
    others = list(map(observation.identity_of, found))
    if operation is not None:
        for identity in others:
            for artifact in identity.sources:
                operation.use_artifact("read inside", artifact)
    return others


def operation_around() -> OpenOperation | None:
    """The operation that calls a function of the program's, in which this is."""
    operation = current_operation()
    return operation if operation is not None and operation.call.holds_nested else None


def hands_out_pieces(operation: OpenOperation | None) -> bool:
    """Whether data that a function gets from an operation may well be a piece of what that read."""
    return operation is not None and operation.call.name not in _WITH_ALL


def _is_by_the_program() -> bool:
    """Whether the step that pandas has called is an operator of the program's."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and (
        _root(frame) == "otelprov" or frame.f_globals.get("__name__") in _OPERATORS
    ):
        frame = frame.f_back
    return not is_internal(frame)


_PICKING = frozenset({"__getitem__", "get_column"})


def _picked(site: Site, arguments: tuple[Any, ...], known: list[Identity]) -> Taken | None:
    """The columns that a step takes of a table: ``df["a"]``, ``df[["a", "b"]]``; and of what stands
    for a table that it still does."""
    if len(known) != 1 or not known[0].is_selection:
        return None
    if site.attribute == "__init__":
        if len(arguments) == 2 and names_of(arguments[0]) == names_of(arguments[1]) is not None:
            return known[0].selected  # of another frame, or of a class of the program's own
        return WHOLE if _is_made_of_rows(site, arguments[0], known[0]) else None
    before = known[0].selected
    if site.entry.carries_parameters or site.entry.keeps_columns:
        return before
    if site.attribute not in _PICKING or len(arguments) != 2:
        return None
    table, key = arguments
    if observation.stands_in(table):
        return before
    if type(table).__name__ != "DataFrame":
        return None
    if type(key) is str:
        return (None, key)
    if type(key) is list and all(type(name) is str for name in key):
        return (None, *key)
    return None


def columns_of(rows: object, whole: Identity) -> Taken | None:
    """The columns of some rows of what is read piece by piece, or in groups; None where they are
    not known."""
    before, names = getattr(settled(whole.sources[0]), "names", None), names_of(rows)
    if names is None or (before is not None and before.columns == names.columns):
        return WHOLE
    if before is None and names.index:
        return None  # columns of the file, and which is not said
    return (None, *names.columns)


_INDEXERS = frozenset({"_LocIndexer", "_iLocIndexer"})


def _column_at(indexer: Any, key: Any = None, *_: Any) -> str | None:
    """The column that ``df.loc[rows, "a"]`` or ``df.iloc[:, 2]`` takes; None where it is none."""
    kind = type(indexer).__name__
    if kind not in _INDEXERS or type(key) is not tuple or len(key) != 2:
        return None
    table = indexer.obj
    if table.ndim != 2 or not table.columns.is_unique or table.index.nlevels != 1:
        return None
    column = key[1] if kind == "_LocIndexer" else None
    if kind == "_iLocIndexer" and type(key[1]) is int:
        column = table.columns[key[1]]
    return column if type(column) is str else None


def _is_made_of_rows(site: Site, frame: Any, rows: Identity) -> bool:
    """Whether a frame is the rows of a statement, with the columns that these have."""
    names = getattr(rows.artifact, "names", None)
    if names is None or site.call.library != "pandas" or type(frame).__name__ != "DataFrame":
        return False
    return bool(tuple(frame.columns) == names.columns)


def plan_or_pass_on(
    site: Site, arguments: tuple[Any, ...], keywords: dict[str, Any], result: object
) -> None:
    """A call that may make a lazy object or data, as its arguments say."""
    if observation.data_kind(result) is None:
        plan_on(site, arguments, keywords, result)
    else:
        pass_on(site, arguments, keywords, result)


_SHORT = 64
"""Characters of a text that is kept for the next call."""
_ALIKE = frozenset((bool, int, type(None)))
"""Classes whose equal values are the same, and small."""


def _digest_of(plain: list[Any], named: dict[str, Any]) -> bytes | None:
    """Of the parameters of a step. A loop calls one again and again with the same few."""
    kinds = (*map(type, plain), *map(type, named.values()))
    for kind, value in zip(kinds, (*plain, *named.values()), strict=True):
        if kind in _ALIKE or _is_short(value):
            continue
        if kind is not types.BuiltinFunctionType or type(value.__self__) is not types.ModuleType:
            return digest_value([plain, named])  # operator.add is kept
    return _kept_digest(kinds, tuple(plain), tuple(named.items()))


@lru_cache(maxsize=1024)
def _kept_digest(
    kinds: tuple[type, ...], plain: tuple[Any, ...], named: tuple[tuple[str, Any], ...]
) -> bytes | None:
    return digest_value([list(plain), dict(named)])  # `kinds` tells True and 1 apart


@cache
def no_parameters() -> bytes | None:
    """The digest of a call without parameters."""
    return digest_value([[], {}])


MAX_SOURCES = 50
"""Artifacts that small steps carry on with an object. A sum over a million tables would carry a
million: from this number on the step is an operation, and what it makes one artifact."""


def _gather(site: Site, known: list[Identity], changed: object) -> None:
    operation = OpenOperation(site.call, of_the_program(sys._getframe(1)), {}, ())
    operation.enter()
    for identity in known:
        operation.use("input", identity)
    operation.leave()
    observation.outputs(operation, changed, by_content=False)
    operation.end()


def _assign(value: object, identity: Identity) -> None:
    for item in value if isinstance(value, (tuple, list)) else (value,):
        registry.assign(item, identity)
        if type(item).__module__ == "numpy":
            observation.hold(item)

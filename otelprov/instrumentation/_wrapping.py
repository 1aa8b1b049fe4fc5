"""Puts an operation table in place: lazily, picklable, reversible, and without a trace of itself.

A patched function is a plain function, not a ``wrapt`` proxy: it pickles by reference to the name
it stands under (so ``Pool.map(pd.read_csv, files)`` works, also where the other process has no
otelprov), the interpreter calls it as fast as any, and it looks like the original to ``inspect``
(docs/decisions/0002). Three more things keep it out of sight:

- our frame is taken out of every traceback that passes through;
- its code has a file name that the ``warnings`` module does not count as a frame (it skips those of
  the import system, by name) and that pandas takes for its own, so that a warning still names the
  line of the program it is about;
- calls that a library makes to itself go straight through.
"""

from __future__ import annotations

import os
import sys
import types
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from typing import Any

import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otelprov.artifacts import digest_value, identify
from otelprov.artifacts.registry import Identity, derive, registry
from otelprov.instrumentation._chained import ChainedAssignment
from otelprov.instrumentation._table import Binder, Entry
from otelprov.recording import faults, observation, places
from otelprov.recording.recorder import (
    Call,
    OpenOperation,
    current_operation,
    note_read,
)
from otelprov.recording.run import run

Function = Callable[..., Any]

# warnings.warn(stacklevel=...) skips frames whose file name holds both words (CPython 3.10 to 3.14,
# _warnings.c: is_internal_filename).
UNCOUNTED = "<otelprov, uncounted like importlib._bootstrap>"

_libraries: set[str] = {"otelprov"}
_internal: dict[object, bool] = {}


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


# --- one recorded call ---------------------------------------------------------------------------


class Observed:
    """One call of a patched function that makes a span."""

    __slots__ = ("operation", "parameters", "site", "target")

    def __init__(
        self,
        site: Site,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        frame: types.FrameType,
    ) -> None:
        entry = site.entry
        self.site = site
        self.target = arguments[0] if site.method and arguments else None
        own = arguments[1:] if site.method else arguments
        self.parameters, given = site.binder.bind(own, keywords)
        found, names = observation.inputs(self.parameters)
        plain = {name: value for name, value in self.parameters.items() if name not in names}
        if self.target is not None:
            found[:0] = observation.inputs({"self": self.target})[0]
        for _, identity in found:
            for name, value in identity.parameters:
                plain.setdefault(name, value)
                given.append(name)
        call = site.call
        if "{" in call.name:  # df.loc and df.iloc share their functions
            call = replace(call, name=call.name.format(self=self.target))
        self.operation = OpenOperation(call, frame, plain, given)
        for role, identity in found:
            self.operation.use(role, identity)
        if entry.target is not None and str(self.parameters.get("mode", "")).startswith("a"):
            places.read_from(self.operation, entry.target, self._place(entry.target))
        self.operation.enter()

    def returned(self, result: object) -> None:
        """The call has returned: say what was read, written and made."""
        operation = self.operation
        operation.leave()
        with faults.contained(
            f"{self.site.call.library}.{self.site.call.name} was recorded in part"
        ):
            {"read": self._read, "write": self._written}.get(self.site.entry.kind, self._made)(
                result
            )
        operation.end()
        outer = current_operation()
        if outer is not None and outer.call.holds_nested:
            note_read(result)

    def failed(self, error: BaseException) -> None:
        """The call has raised: what it used is said, and the error."""
        self.operation.leave()
        with faults.contained(
            f"{self.site.call.library}.{self.site.call.name} was recorded in part"
        ):
            if self.site.entry.source is not None:
                places.read_from(
                    self.operation, self.site.entry.source, self._place(self.site.entry.source)
                )
        self.operation.end(error)

    def _place(self, name: str) -> Any:
        if self.site.entry.places is not None:
            return self.site.entry.places({**self.parameters, "self": self.target})
        return self.parameters.get(name)

    def _read(self, result: object) -> None:
        entry = self.site.entry
        if entry.source is not None:
            places.read_from(self.operation, entry.source, self._place(entry.source))
        returned = self.target if entry.in_place == "always" else result
        found = observation.outputs(self.operation, returned, by_content=True)
        if not found and returned is not None:
            # Something to read from later: a reader of chunks, an open workbook, a data set.
            observation.adopt(self.operation, "return", returned, "stream")

    def _written(self, result: object) -> None:
        entry, operation = self.site.entry, self.operation
        data = self.target
        if observation.data_kind(data) is None:
            data = next(iter(self.parameters.values()), None)
        if operation.content is None and observation.data_kind(data) is not None:
            operation.content = identify(data)
        place = self._place(entry.target) if entry.target is not None else None
        if place is not None:
            places.written_to(operation, entry.target or "target", place)
            if entry.typed and operation.content is not None:
                operation.generate("content", operation.content)
        elif entry.collects is not None:
            self._collected(
                self.target if entry.collects == "self" else self.parameters.get(entry.collects)
            )
        elif isinstance(result, (str, bytes, list, dict)):
            operation.generate("return", identify(result))
        else:
            observation.outputs(operation, result, by_content=False)

    def _collected(self, writer: object) -> None:
        """A part went to an open writer: the file comes from all of its parts."""
        part = observation.derived(self.operation, self.target, "stream")
        self.operation.generate("target", part)
        before = registry.lookup(writer)
        sources = before.sources if before is not None else ()
        registry.assign(writer, Identity((*sources, part)))

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


def _begin(
    site: Site, arguments: tuple[Any, ...], keywords: dict[str, Any], frame: types.FrameType
) -> Observed | None:
    try:
        return Observed(site, arguments, keywords, frame)
    except Exception as error:
        faults.tell(f"{site.call.library}.{site.call.name} was not recorded", error)
        return None


def _is_step(site: Site, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
    """Whether this call passes identities on and no more."""
    entry = site.entry
    if entry.kind == "step":
        return True
    if entry.kind == "transform":
        outer = current_operation()
        if outer is not None and outer.call.holds_nested:
            return True
    if entry.only_when is not None:
        own = arguments[1:] if site.method else arguments
        return not entry.only_when(site.binder.bind(own, keywords)[0], arguments[0])
    return False


def _pass_on(
    site: Site, arguments: tuple[Any, ...], keywords: dict[str, Any], result: object
) -> None:
    """A small step: what it returns (or changes) comes from its arguments."""
    with faults.contained(
        f"{site.call.library}.{site.call.name} did not pass its data's identity on"
    ):
        for argument in arguments:
            note_read(argument)
        known = observation.known_inputs(iter((*arguments, *keywords.values())))
        if not known:
            return
        entry = site.entry
        changed: object = result
        if entry.in_place == "always":
            changed = _changed(arguments[0])
            if changed is not arguments[0]:
                known = observation.known_inputs(
                    iter((changed, *arguments[1:], *keywords.values()))
                )
        elif result is None:
            if not (entry.in_place == "parameter" and keywords.get("inplace") is True):
                return
            changed = arguments[0]
        if isinstance(changed, (str, int, float, bool)):
            return
        own = arguments[1:] if site.method else arguments
        plain = [value for value in own if registry.lookup(value) is None]
        named = {name: value for name, value in keywords.items() if registry.lookup(value) is None}
        parameters: tuple[tuple[str, object], ...] = ()
        if entry.carries_parameters:
            bound, given = site.binder.bind(own, keywords)
            parameters = tuple(
                (name, bound[name]) for name in given if registry.lookup(bound[name]) is None
            )
        identity = derive(site.call.name, known, digest_value([plain, named]), parameters)
        if identity is not None:
            _assign(changed, identity)


def _assign(value: object, identity: Identity) -> None:
    if isinstance(value, tuple):
        for item in value:
            registry.assign(item, identity)
    else:
        registry.assign(value, identity)


# --- the functions that stand in -----------------------------------------------------------------


def _spanning(site: Site, depth: int = 1) -> Function:
    """``depth`` is the number of our frames between the caller and the original."""
    original, entry = site.function, site.entry
    prepare, always = entry.prepare, entry.always

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        observed = None
        step = False
        if run.active:
            frame = sys._getframe(depth)
            if is_internal(frame):
                step = always
                if prepare is not None:
                    args, kwargs = _prepared(prepare, current_operation(), args, kwargs)
            elif _is_step(site, args, kwargs):
                step = True
            else:
                observed = _begin(site, args, kwargs, frame)
                if observed is not None and prepare is not None:
                    args, kwargs = _prepared(prepare, observed.operation, args, kwargs)
            del frame
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if observed is not None:
                observed.failed(error)
            raise
        if observed is not None:
            observed.returned(result)
        elif step:
            _pass_on(site, args, kwargs, result)
        return result

    return wrapper


def _prepared(
    prepare: Function, operation: OpenOperation | None, args: Any, kwargs: Any
) -> tuple[Any, Any]:
    if operation is None or operation.call.kind != "write" or not run.settings.carrier:
        return args, kwargs
    try:
        return prepare(operation, args, kwargs)  # type: ignore[no-any-return]
    except Exception as error:
        faults.tell("a file does not carry its id", error)
        return args, kwargs


def _stepping(site: Site) -> Function:
    original, always = site.function, site.entry.always
    construct = site.attribute == "__init__"

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if run.active and (always or not is_internal(sys._getframe(1))):
            _pass_on(site, args, kwargs, args[0] if construct else result)
        return result

    return wrapper


def _counting_frames(site: Site) -> Function:
    """For functions that find the caller's variables by counting frames: ours is one more."""
    inner = _spanning(site, depth=2)

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        kwargs["level"] = kwargs.get("level", 0) + 2
        try:
            return inner(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return wrapper


def _guarding(site: Site, chained: ChainedAssignment) -> Function:
    """For calls that pandas warns of: one frame more would hide the reason, so we look first."""
    inner = _spanning(site, depth=2)
    always = site.entry.in_place == "always"
    suspects, is_local, is_syntax = chained.suspects, chained.is_local, chained.is_syntax
    getrefcount, warn = sys.getrefcount, warnings.warn

    def wrapper(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        if always or kwargs.get("inplace") is True:
            # Counted here and nowhere deeper: this frame stands where pandas' own would stand.
            found = suspects(getrefcount(self), self)
            if (
                found is not None
                and (is_local is None or not is_local(self))
                and (is_syntax is None or is_syntax())
            ):
                warn(found[0], found[1], stacklevel=2)
        try:
            return inner(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return wrapper


# --- putting a table in place --------------------------------------------------------------------


def install(
    module: types.ModuleType,
    table: Iterable[Entry],
    *,
    version: str,
    chained: Callable[[Entry], ChainedAssignment | None] | None = None,
) -> list[Site]:
    """Patch a library. Entries that this version of it does not have are left out."""
    library = module.__name__.partition(".")[0]
    _libraries.add(library)
    _internal.clear()
    sites: dict[tuple[int, int], Site] = {}
    for entry in table:
        site = _site(module, entry, library, version)
        if site is None or (id(site.owner), id(site.original)) in sites:
            # DataFrame.drop and Series.drop may be one function of a base class, and
            # agg = aggregate one function under two names.
            continue
        sites[id(site.owner), id(site.original)] = site
    for site in sites.values():
        _put(site, chained(site.entry) if chained and site.entry.warns_chained else None)
    _replace_aliases(library, {id(site.original): site for site in sites.values()})
    return list(sites.values())


def uninstall(sites: Iterable[Site]) -> None:
    """Put every original back."""
    for site in sites:
        setattr(site.owner, site.attribute, site.original)
        for alias, name in site.aliases:
            setattr(alias, name, site.original)


def _site(module: types.ModuleType, entry: Entry, library: str, version: str) -> Site | None:
    owner: Any = module
    *parents, attribute = entry.path.split(".")
    for part in parents:
        owner = getattr(owner, part, None)
        if owner is None:
            return None
    if isinstance(owner, type):
        owner = next((base for base in owner.__mro__ if attribute in base.__dict__), None)
        if owner is None or owner is object:
            return None
    original = vars(owner).get(attribute)
    if original is None:
        return None
    if isinstance(owner, types.ModuleType) and sys.modules.get(original.__module__) is not None:
        # Where pickle looks a function up by name; pyarrow.csv.read_csv says pyarrow._csv.
        home = sys.modules[original.__module__]
        if vars(home).get(attribute) is original:
            owner = home
    function = original
    if isinstance(original, property):
        function = original.fget
    elif isinstance(original, (classmethod, staticmethod)):
        function = original.__func__
    if not callable(function):
        return None
    method = not isinstance(owner, types.ModuleType) and not isinstance(original, staticmethod)
    call = Call(
        library=module.__name__.partition(".")[0],
        name=entry.name,
        kind="transform" if entry.kind == "step" else entry.kind,
        version=version,
        holds_nested=entry.holds_nested,
    )
    binder = Binder(function, method=method)
    return Site(entry, library, owner, attribute, original, function, method, binder, call)


def _put(site: Site, chained: ChainedAssignment | None) -> None:
    if site.entry.around is not None:
        wrapper = site.entry.around(site.function)
    elif site.entry.kind == "step":
        wrapper = _stepping(site)
    elif chained is not None:
        wrapper = _guarding(site, chained)
    elif site.entry.counts_frames:
        wrapper = _counting_frames(site)
    else:
        wrapper = _spanning(site)
    replacement: Any = _disguise(wrapper, site.function, site.library)
    if isinstance(site.original, property):
        replacement = property(
            replacement, site.original.fset, site.original.fdel, site.original.__doc__
        )
    elif isinstance(site.original, (classmethod, staticmethod)):
        replacement = type(site.original)(replacement)
    try:
        setattr(site.owner, site.attribute, replacement)
    except TypeError:  # a class written in C
        return
    if isinstance(site.owner, type):
        for name, value in list(vars(site.owner).items()):
            if value is site.original:
                setattr(site.owner, name, replacement)
                site.aliases.append((site.owner, name))


def _disguise(wrapper: Any, function: Function, library: str) -> Function:
    """Make a wrapper look like what it stands for, to people and to ``find_stack_level``."""
    package = os.path.dirname(getattr(sys.modules[library], "__file__", None) or "")
    name = getattr(function, "__name__", wrapper.__name__)
    for cell in wrapper.__closure__ or ():
        inner = cell.cell_contents
        if isinstance(inner, types.FunctionType) and inner.__code__.co_filename == __file__:
            inner.__code__ = _relocated(inner.__code__, package, name)
    wrapper.__code__ = _relocated(wrapper.__code__, package, name)
    return wraps(function)(wrapper)


def _relocated(code: types.CodeType, package: str, name: str) -> types.CodeType:
    return code.replace(co_filename=os.path.join(package, UNCOUNTED), co_name=name)


def _replace_aliases(library: str, sites: dict[int, Site]) -> None:
    """``pandas.read_csv`` and ``pandas.io.api.read_csv`` are one function under several names."""
    prefix = library + "."
    functions = {
        key: site for key, site in sites.items() if isinstance(site.owner, types.ModuleType)
    }
    for name, module in list(sys.modules.items()):
        if module is None or not (name == library or name.startswith(prefix)):
            continue
        if name.startswith(prefix + "tests"):
            continue
        for attribute, value in list(vars(module).items()):
            site = functions.get(id(value))
            if site is None or value is not site.original:
                continue
            setattr(module, attribute, getattr(site.owner, site.attribute))
            site.aliases.append((module, attribute))


# --- instrumentors -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Description:
    """What an instrumentor does here, for ``otelprov doctor``."""

    library: str
    installed: str | None
    supported: str
    active: bool
    reason: str


class LibraryInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """One library: patched when the program imports it, and never imported by us."""

    library: str = ""
    minimum: tuple[int, ...] = ()
    """The oldest version that is supported."""

    _sites: dict[str, list[Site]] = {}
    _wanted = False

    def tables(self) -> Mapping[str, Callable[[], Iterable[Entry]]]:
        """The operation tables, by the module that has to be imported for each."""
        raise NotImplementedError

    def chained(self, entry: Entry) -> ChainedAssignment | None:
        """How the library finds chained assignment, where an entry has to take care of it."""
        return None

    def instrumentation_dependencies(self) -> tuple[str, ...]:
        """None that the loader should check: a missing library is simply never imported."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        with faults.contained(f"{self.library} is not instrumented"):
            run.start()
            self._wanted = True
            self._sites = {}
            for name in self.tables():
                wrapt.register_post_import_hook(partial(_patch_when_wanted, self), name)

    def _uninstrument(self, **kwargs: Any) -> None:
        self._wanted = False
        for sites in self._sites.values():
            uninstall(sites)
        self._sites = {}

    @classmethod
    def describe(cls) -> Description:
        """Whether the library is here, and whether it is recorded."""
        from importlib.metadata import PackageNotFoundError, version

        supported = ">=" + ".".join(map(str, cls.minimum))
        try:
            installed = version(cls.library)
        except PackageNotFoundError:
            return Description(cls.library, None, supported, False, "not installed")
        if _version(installed) < cls.minimum:
            return Description(cls.library, installed, supported, False, "too old")
        return Description(cls.library, installed, supported, True, "recorded")


def _patch_when_wanted(instrumentor: LibraryInstrumentor, module: types.ModuleType) -> None:
    library, name = instrumentor.library, module.__name__
    with faults.contained(f"{name} is not instrumented"):
        # wrapt keeps a hook for good, so it may be called after uninstrument, or twice.
        if not instrumentor._wanted or name in instrumentor._sites:
            return
        version = getattr(sys.modules[library], "__version__", "")
        if _version(version) < instrumentor.minimum:
            instrumentor._sites[name] = []
            faults.logger.warning(
                "otelprov: %s %s is older than %s and is not recorded",
                library,
                version or "?",
                ".".join(map(str, instrumentor.minimum)),
            )
            return
        table = instrumentor.tables()[name]()
        instrumentor._sites[name] = install(
            module, table, version=version, chained=instrumentor.chained
        )


def _version(text: str) -> tuple[int, ...]:
    numbers = []
    for part in text.split(".")[:3]:
        digits = "".join(character for character in part if character.isdigit())
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)

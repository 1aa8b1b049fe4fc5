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

import contextlib
import inspect
import os
import sys
import types
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from functools import cache, update_wrapper
from typing import Any, Final

from otelprov.artifacts import classes, digest_value
from otelprov.artifacts.registry import WHOLE, Identity, Step, derive, registry
from otelprov.instrumentation._c_classes import set_attribute
from otelprov.instrumentation._calls import (
    TAKING,
    Function,
    Observed,
    Site,
    add_library,
    begin,
    called_from,
    columns_of,
    is_internal,
    is_library,
    is_of,
    pass_on,
    plan_or_pass_on,
)
from otelprov.instrumentation._chained import ChainedAssignment, chained_assignment
from otelprov.instrumentation._programs import owner_of
from otelprov.instrumentation._table import Binder, Entry
from otelprov.recording import faults
from otelprov.recording.recorder import (
    Call,
    OpenOperation,
    current_operation,
    in_closed_operation,
)
from otelprov.recording.run import run

# warnings.warn(stacklevel=...) skips frames whose file name holds both words (CPython 3.10 to 3.14,
# _warnings.c: is_internal_filename).
UNCOUNTED = "<otelprov, uncounted like importlib._bootstrap>"
COUNTED = "<otelprov>"
_BY_NAME = frozenset({"matplotlib"})
"""Libraries that pass their own frames over by the names of modules where they warn, and count them
all: a frame of ours is to be one of theirs."""

# --- putting a table in place --------------------------------------------------------------------


def install(
    module: types.ModuleType,
    table: Iterable[Entry],
    *,
    version: str,
    own_threads: bool = False,
) -> list[Site]:
    """Patch a library. Entries that this version of it does not have are left out.

    ``own_threads`` is whether it calls functions of the program's in threads of its own.
    """
    library = module.__name__.partition(".")[0]
    add_library(library)
    sites: dict[tuple[int, int], Site] = {}
    for entry in table:
        site = _site(module, entry, version, own_threads)
        if site is None or (id(site.owner), id(site.original)) in sites:
            # DataFrame.drop and Series.drop may be one function of a base class, and
            # agg = aggregate one function under two names.
            continue
        sites[id(site.owner), id(site.original)] = site
    for site in sites.values():
        _put(site)
    _replace_names_in_classes(sites.values())
    at_home = all(site.owner is module or isinstance(site.owner, type) for site in sites.values())
    if not (at_home and _is_being_imported(module)):
        # To look through all modules of a library takes 2 ms, and of scikit-learn 24 are patched.
        _replace_aliases(module, {id(site.original): site for site in sites.values()})
    return list(sites.values())


def _is_being_imported(module: types.ModuleType) -> bool:
    """Whether nobody has taken a name out of a module yet: its package does not hold it so far."""
    parent, _, name = module.__name__.rpartition(".")
    package = sys.modules.get(parent)
    return package is not None and name not in vars(package)  # hasattr might import it


def uninstall(sites: Iterable[Site]) -> None:
    """Put every original back."""
    functions: dict[int, tuple[Any, Any]] = {}
    for site in sites:
        if site.entry.undo is not None:
            site.entry.undo()
        if isinstance(site.owner, types.ModuleType):
            put = vars(site.owner).get(site.attribute)
            functions[id(put)] = (put, site.original)
        with contextlib.suppress(TypeError):  # as below
            set_attribute(site.owner, site.attribute, site.original)
        for alias, name in site.aliases:
            set_attribute(alias, name, site.original)
    _put_back_in_later_modules(functions)


def _put_back_in_later_modules(functions: dict[int, tuple[Any, Any]]) -> None:
    """Modules of libraries that were imported after a function was replaced have the new one."""
    for module in list(sys.modules.values()):
        if isinstance(module, types.ModuleType) and is_library(module.__name__):
            for name, value in list(vars(module).items()):
                put, original = functions.get(id(value), (None, None))
                if put is not None and value is put:
                    setattr(module, name, original)


def _site(module: types.ModuleType, entry: Entry, version: str, own_threads: bool) -> Site | None:
    owner: Any = module
    *parents, attribute = entry.path.split(".")
    for part in parents:
        owner = getattr(owner, part, None)
        if owner is None:
            return None
    if isinstance(owner, type):
        if attribute not in vars(owner):
            owner = next((base for base in owner.__mro__ if attribute in vars(base)), None)
        if owner is None or owner is object:
            return None
    original = vars(owner).get(attribute)
    if original is None:
        return None
    if isinstance(owner, types.ModuleType) and sys.modules.get(original.__module__) is not None:
        # Where pickle looks a function up by name; pyarrow.csv.read_csv says pyarrow._csv, and
        # duckdb.sql duckdb._relation.module_sql.
        home = sys.modules[original.__module__]
        for name in (attribute, getattr(original, "__name__", "")):
            if vars(home).get(name) is original:
                owner, attribute = home, name
                break
    function = original
    if entry.packing is not None:
        function = entry.packing.take_out(original)
    elif isinstance(original, property):
        function = original.fset if entry.setter else original.fget
    elif isinstance(original, (classmethod, staticmethod)):
        function = original.__func__
    if not callable(function) or _is_ours(function):
        return None
    method = not isinstance(owner, types.ModuleType) and not isinstance(original, staticmethod)
    library = module.__name__.partition(".")[0]
    return Site(entry, library, owner, attribute, original, function, method, version, own_threads)


def _is_ours(function: Any) -> bool:
    """Whether it stands in already: a method that a class has from its base."""
    code = getattr(function, "__code__", None)
    return isinstance(code, types.CodeType) and code.co_filename.endswith((UNCOUNTED, COUNTED))


def site_of(
    entry: Entry, library: str, version: str, function: Function, like: Function, *, method: bool
) -> Site:
    """What calls of ``function`` need, where that is put in place by somebody else; it has the
    parameters of ``like``."""
    site = Site(entry, library, None, entry.name, function, function, method, version)
    site.binder = Binder(like, method=method)
    return site


def site_of_a_class(entry: Entry, call: Call, method: Function) -> Site:
    """The same for a method of a class that may be the program's own: nothing of it is held, see
    ``artifacts.classes``."""
    site = Site(entry, call.library, None, entry.path, None, object, True, call.version)
    site.binder = Binder(method, method=True, holds=False)
    site.call = call
    return site


def _put(site: Site) -> None:
    chained = chained_assignment(site.entry.path) if site.entry.warns_chained else None
    if site.entry.around is not None:
        wrapper = site.entry.around(site.function)
    elif site.entry.lists or site.entry.draws or site.entry.iterates:
        wrapper = _listing(site)
    elif site.entry.kind in ("step", "plan"):
        wrapper = _stepping(site)
    elif chained is not None:
        wrapper = _guarding(site, chained)
    elif site.entry.counts_frames:
        wrapper = _counting_frames(site)
    else:
        wrapper = _spanning(site)
    replacement: Any = disguise(wrapper, site.function, site.library)
    if isinstance(site.owner, types.ModuleType):
        if type(site.function) is types.BuiltinFunctionType:
            replacement.__qualname__ = site.attribute  # of pybind11's it is not where pickle looks
        if _tells_nothing(site.function):
            replacement.__signature__ = _Signature(site.function)
    else:
        home, _, known = getattr(site.function, "__qualname__", "").rpartition(".")
        if (
            (known != site.attribute and vars(site.owner).get(known) is not site.original)
            or (home and home != site.owner.__qualname__ and "<locals>" not in home)
            or getattr(site.function, "__module__", None) is None
        ):
            # A function of a module, of another class or name, that was set on the class; or one
            # in C, which does not say where it is from.
            replacement.__module__ = site.owner.__module__
            replacement.__qualname__ = f"{site.owner.__qualname__}.{site.attribute}"
    if site.entry.packing is not None:
        replacement = site.entry.packing.put_in(replacement, site.original)
    elif isinstance(site.original, property) and site.entry.setter:
        replacement = site.original.setter(replacement)
    elif isinstance(site.original, property):
        replacement = property(
            replacement, site.original.fset, site.original.fdel, site.original.__doc__
        )
    elif isinstance(site.original, (classmethod, staticmethod)):
        replacement = type(site.original)(replacement)
    with contextlib.suppress(TypeError):  # a class written in C, of an interpreter that keeps it
        set_attribute(site.owner, site.attribute, replacement)


def _replace_names_in_classes(sites: Iterable[Site]) -> None:
    """``agg`` and ``aggregate`` are one function under two names of a class."""
    classes: dict[int, tuple[type, dict[int, Site]]] = {}
    for site in sites:
        if isinstance(site.owner, type):
            classes.setdefault(id(site.owner), (site.owner, {}))[1][id(site.original)] = site
    for owner, own in classes.values():
        for name, value in list(vars(owner).items()):
            found = own.get(id(value))
            if found is not None and value is found.original and name != found.attribute:
                set_attribute(owner, name, vars(owner)[found.attribute])
                found.aliases.append((owner, name))


def disguise(wrapper: Any, function: Function, library: str) -> Function:
    """Make a wrapper look like what it stands for, to people and to ``find_stack_level``."""
    name = getattr(function, "__name__", wrapper.__name__)
    for cell in wrapper.__closure__ or ():
        inner = cell.cell_contents
        if type(inner) is types.FunctionType and inner.__code__.co_filename == __file__:
            inner.__code__ = relocated(inner.__code__, library, name)
    wrapper.__code__ = relocated(wrapper.__code__, library, name)
    if library in _BY_NAME:
        known_as = {**wrapper.__globals__, "__name__": library}
        code, closure = wrapper.__code__, wrapper.__closure__
        wrapper = types.FunctionType(code, known_as, name, wrapper.__defaults__, closure)
    made: Function = update_wrapper(wrapper, function)
    text = getattr(function, "__text_signature__", None)
    if text is not None:  # of a function in C, whose signature this is
        made.__text_signature__ = text  # type: ignore[attr-defined]
    if library == "pandas" and _is_asked_for_axis(function):
        made.__signature__ = _Signature(function)  # type: ignore[attr-defined]
    return made


def _is_asked_for_axis(function: Function) -> bool:
    """Whether ``df.apply("any", axis=1)`` looks for an axis among the parameters of a method.

    Only of these: ``functools.wraps`` hands a ``__signature__`` on, also where it wraps a method
    that is bound, whose own signature has no ``self``.
    """
    if not _tells_nothing(function):
        return False
    code = function.__code__
    return "axis" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _tells_nothing(function: Function) -> bool:
    """Whether the signature of a function is that of its code."""
    return type(function) is types.FunctionType and not vars(function).keys() & _TELLING


_TELLING = frozenset({"__signature__", "__wrapped__"})


class _Signature(inspect.Signature):
    """The signature of a function, looked at when it is asked for.

    ``inspect.signature`` would follow ``__wrapped__``, ``inspect.getfullargspec`` does not.
    """

    __slots__ = ("_function",)

    def __init__(self, function: Function) -> None:
        self._function = function

    @property
    def _parameters(self) -> Any:
        return self._whole()._parameters  # type: ignore[attr-defined]

    @property
    def _return_annotation(self) -> Any:
        return self._whole().return_annotation

    def _whole(self) -> inspect.Signature:
        return inspect.signature(self._function)

    def replace(self, **changes: Any) -> inspect.Signature:  # type: ignore[override]
        return self._whole().replace(**changes)

    def __reduce__(self) -> Any:
        return self._whole().__reduce__()


_Signature.__name__ = inspect.Signature.__name__  # as it is shown


def relocated(code: types.CodeType, library: str, name: str) -> types.CodeType:
    """The code as if it were the library's, in a file that nobody counts."""
    return code.replace(co_filename=_uncounted_file(library), co_name=name)


@cache
def _uncounted_file(library: str) -> str:
    package = os.path.dirname(getattr(sys.modules[library], "__file__", None) or "")
    return os.path.join(package, COUNTED if library in _BY_NAME else UNCOUNTED)


def _is_the_programs(name: str, module: object) -> bool:
    """Whether it may hold names of a library that it imported before that was patched."""
    if type(module) is not types.ModuleType:  # a class of its own may load it when it is asked
        return False
    file = vars(module).get("__file__")
    return name == "__main__" or (isinstance(file, str) and owner_of(file) == "program")


def _replace_aliases(patched: types.ModuleType, sites: dict[int, Site]) -> None:
    """``pandas.read_csv`` and ``pandas.io.api.read_csv`` are one function under several names."""
    library = patched.__name__.partition(".")[0]
    prefix = library + "."
    functions = {
        key: site for key, site in sites.items() if isinstance(site.owner, types.ModuleType)
    }
    late = not getattr(patched.__spec__, "_initializing", False)
    for name, module in list(sys.modules.items()):
        if name == library or name.startswith(prefix):
            if module is None or name.startswith(prefix + "tests"):
                continue
        elif not (late and functions and _is_the_programs(name, module)):
            continue
        if functions.keys().isdisjoint(map(id, list(vars(module).values()))):
            continue  # as it is for nearly all: pandas' modules have 20,000 names
        for attribute, value in list(vars(module).items()):
            site = functions.get(id(value))
            if site is not None and value is site.original:
                setattr(module, attribute, getattr(site.owner, site.attribute))
                site.aliases.append((module, attribute))


# --- the functions that stand in -----------------------------------------------------------------
#
# Whatever they call of ours is called inside `try`: a fault may come from the call itself, when a
# program is at the limit of its recursion or its memory. (A `try` that holds costs nothing.)


def _spanning(site: Site, depth: int = 1) -> Function:
    """``depth`` is the number of our frames between the caller and the original."""
    entry = site.entry
    making = _spans(depth, entry.prepare, entry.clean, entry.always, entry.handed, entry.inside)
    return making(site, site.function)


@cache
def _spans(
    depth: int,
    prepare: Function | None,
    clean: Callable[[Any, bool], Any] | None,
    always: bool,
    handed: bool,
    inside: Callable[[tuple[Any, ...]], None] | None,
) -> Callable[[Site, Function], Function]:
    def making(site: Site, original: Function) -> Function:
        def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
            observed: Observed | bool = False
            internal = True
            if run.active:
                try:
                    try:
                        frame = sys._getframe(depth)
                    except ValueError:
                        frame = None
                    internal = is_internal(frame) and (not handed or is_of(frame, site.library))
                    if internal:
                        observed = always and not in_closed_operation()
                        if inside is not None:
                            inside(args)
                        if prepare is not None:
                            args, kwargs = _prepared(prepare, current_operation(), args, kwargs)
                    else:
                        observed = begin(site, args, kwargs, frame)
                        if not isinstance(observed, bool):
                            observed.operation.enter()
                            if prepare is not None:
                                args, kwargs = _prepared(prepare, observed.operation, args, kwargs)
                    del frame
                except BaseException as fault:
                    not_begun(site, observed, fault)
            try:
                result = original(*args, **kwargs)
            except BaseException as error:
                if error.__traceback__ is not None:
                    error.__traceback__ = error.__traceback__.tb_next
                if not isinstance(observed, bool):
                    try:
                        observed.failed(error)
                    except Exception as fault:
                        given_up(site, observed, fault, error)
                    except BaseException:  # Ctrl-C
                        observed.close(error)
                        raise
                raise
            try:
                if clean is not None:
                    result = _cleaned(clean, result, internal)
                if observed is True:
                    pass_on(site, args, kwargs, result)
                elif observed is not False:
                    observed.returned(result)
            except Exception as fault:
                given_up(site, observed, fault)
            except BaseException:  # Ctrl-C
                if not isinstance(observed, bool):
                    observed.close()
                raise
            return result

        return wrapper

    return making


def recorded(site: Site, frame: types.FrameType | None, args: Any, kwargs: Any) -> Any:
    """Make a call that the program makes in ``frame``, and record it."""
    observed: Observed | bool = False
    try:
        if not is_internal(frame):
            observed = begin(site, args, kwargs, frame)
            if not isinstance(observed, bool):
                observed.operation.enter()
    except BaseException as fault:
        not_begun(site, observed, fault)
    try:
        result = site.function(*args, **kwargs)
    except BaseException as error:
        if error.__traceback__ is not None:
            error.__traceback__ = error.__traceback__.tb_next
        if not isinstance(observed, bool):
            try:
                observed.failed(error)
            except Exception as fault:
                given_up(site, observed, fault, error)
            except BaseException:  # Ctrl-C
                observed.close(error)
                raise
        raise
    if not isinstance(observed, bool):
        try:
            observed.returned(result)
        except Exception as fault:
            given_up(site, observed, fault)
        except BaseException:  # Ctrl-C
            observed.close()
            raise
    return result


def recorded_late(
    site: Site, frame: types.FrameType | None, args: Any, kwargs: Any, result: Any
) -> Any:
    """Record a call that the program has made in ``frame``, and that has returned already."""
    done = copy(site)
    done.function = lambda *_, **__: result
    return recorded(done, frame, args, kwargs)


def not_begun(site: Site, observed: Observed | bool, fault: BaseException) -> None:
    """A fault, or Ctrl-C, came before the call: told, or raised with nothing left open."""
    try:
        if not isinstance(fault, Exception):
            raise fault
        faults.tell(site.not_recorded, fault)
    except BaseException:
        if not isinstance(observed, bool):
            observed.close()
        raise


def given_up(
    site: Site, observed: Observed | bool, fault: Exception, error: BaseException | None = None
) -> None:
    """The end of a call could not be recorded: no operation stays the current one for it."""
    if isinstance(observed, bool):
        faults.tell(site.not_passed_on, fault)
        return
    with faults.contained(site.end_not_recorded):
        observed.close(error)
    faults.tell(site.end_not_recorded, fault)


def _cleaned(clean: Function, result: Any, internal: bool) -> Any:
    try:
        return clean(result, internal)
    except Exception as error:
        faults.tell("what a file carries is seen by the program", error)
        return result


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


def _stepping(site: Site, depth: int = 1) -> Function:
    """``depth`` as in ``_spanning``."""
    follow: Function = plan_or_pass_on if site.entry.kind == "plan" else pass_on
    making = _steps(site.entry.always, follow, site.attribute == "__init__", depth)
    return making(site, site.function)


@cache
def _steps(
    always: bool, follow: Function, construct: bool, depth: int
) -> Callable[[Site, Function], Function]:
    """Makes the functions of one kind, which share their cells (as do those of ``_spans``): each
    cell is an object more that Python's garbage collector looks at."""

    def making(site: Site, original: Function) -> Function:
        def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
            try:
                result = original(*args, **kwargs)
            except BaseException as error:
                if error.__traceback__ is not None:
                    error.__traceback__ = error.__traceback__.tb_next
                raise
            if run.active:
                try:
                    try:  # what libraries call themselves, nearly always: no call more than this
                        internal = is_internal(sys._getframe(depth))
                    except ValueError:
                        internal = is_internal(None)
                    if not internal or (always and not in_closed_operation()):
                        follow(site, args, kwargs, args[0] if construct else result)
                except Exception as fault:
                    faults.tell(site.not_passed_on, fault)
            return result

        return wrapper

    return making


def followed(original: Function, after: Callable[..., None], missing: str) -> Function:
    """``original``, and after it ``after`` with the caller's frame, the result and the arguments;
    ``missing`` says what is, after a fault in there."""

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if run.active:
            try:
                after(sys._getframe().f_back, result, *args, **kwargs)
            except Exception as fault:
                faults.tell(missing, fault)
        return result

    return wrapper


def iterating(original: Function) -> Function:
    """For functions that give one piece after the other: each comes from what ``self`` is."""
    step = Step(original.__module__.partition(".")[0], original.__name__)
    missing = f"the pieces of {step.name} are not known"

    def wrapper(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            pieces = original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if run.active:
            try:
                identity = registry.lookup(self)
                if identity is not None and pieces is not self:  # or its __next__ is looked at
                    found = _identified(step, pieces, identity, missing)
                    whole = derive(step, [identity], None)
                    if whole is not None:  # what is given the iterator takes all of it
                        registry.assign(found, whole)
                    return found
            except Exception as fault:
                faults.tell(missing, fault)
        return pieces

    return wrapper


def chunking(original: Function) -> Function:
    """For functions whose generator a recorded call gives to the program: each piece comes from
    it."""
    step = Step(original.__module__.partition(".")[0], "chunk")
    missing = "the chunks of a generator are not known"

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            pieces = original(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if run.active and isinstance(pieces, types.GeneratorType):
            with faults.contained(missing):
                itself: list[weakref.ref[Any]] = []
                chunks = _chunks(step, pieces, itself, missing)
                itself.append(weakref.ref(chunks))
                return chunks
        return pieces

    return wrapper


def _chunks(step: Step, pieces: Any, itself: list[weakref.ref[Any]], missing: str) -> Iterator[Any]:
    number = 0
    try:
        while True:
            try:
                piece = next(pieces)
            except StopIteration:
                return
            except BaseException as error:
                if error.__traceback__ is not None:
                    error.__traceback__ = error.__traceback__.tb_next
                raise
            with faults.contained(missing):
                identity = registry.lookup(itself[0]())
                found = None
                if identity is not None:
                    picked = columns_of(piece, identity) if identity.selected == WHOLE else None
                    found = derive(step, [identity], digest_value(number), picked=picked)
                if found is not None:
                    registry.assign(piece, found)
            number += 1
            yield piece
    finally:
        pieces.close()


def _identified(
    step: Step, pieces: Iterable[Any], identity: Identity, missing: str
) -> Iterator[Any]:
    for number, piece in enumerate(pieces):
        with faults.contained(missing):
            # A groupby gives pairs of a key and a table, a file of batches just these.
            key, data = piece if isinstance(piece, tuple) else (number, piece)
            picked = columns_of(data, identity) if identity.selected == WHOLE else None
            found = derive(step, [identity], digest_value(key), picked=picked)
            if found is not None:
                registry.assign(data, found)
        yield piece


def finding_stack_level(original: Function) -> Function:
    """For functions that count the frames up to the program's own: ours are not to be counted."""

    def wrapper():  # type: ignore[no-untyped-def]
        level = original()
        frame: types.FrameType | None = sys._getframe()
        uncounted = 0
        for _ in range(level - 1):  # the first of them is the original's own
            if frame is None:
                break
            uncounted += frame.f_code.co_filename.endswith(UNCOUNTED)
            frame = frame.f_back
        return level - uncounted

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


def _listing(site: Site) -> Function:
    """For functions that empty an iterator: what that calls is called by the program. Where they
    make a list of it first, it is made here: then what is in it can be seen. One that takes any
    number of arguments does so where it is given one."""
    entry, library, at = site.entry, site.library, int(site.method)
    making = _stepping if entry.kind in ("step", "plan") else _spanning
    inner, lists = making(site, depth=2), entry.lists is not None
    name = entry.lists or entry.draws or entry.iterates or ""
    kept = list if lists else tuple if entry.draws is not None else None

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            items: Any = args[at] if len(args) > at else kwargs.get(name)
            once = several = False
            try:
                once, several = _holding.get(id(type(items))) or _holding.look(type(items))
            except Exception as fault:
                faults.tell(f"what an iterator gives {site.name} is not known", fault)
            if (once or (lists and several)) and (
                len(args) <= at + 1 or site.binder.variadic is None
            ):
                if once:
                    items = _of_the_program(items, library)
                if kept is not None:
                    items = kept(items)
                if len(args) > at:
                    args = (*args[:at], items, *args[at + 1 :])
                else:
                    kwargs[name] = items
            return inner(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return wrapper


_LISTS: Final = (list, tuple, dict, str, bytes, bytearray)


def _holds(kind: type) -> tuple[bool, bool]:
    """Whether it is an iterator; whether it may hold tables that are not looked for in it as it is:
    ``frames.values()``. Kept, because to ask a class of Polars' for what it has not takes 2 µs."""
    if any(kind is one for one in _LISTS):
        return False, False
    once = classes.attribute(kind, "__next__") is not None
    if classes.attribute(kind, "__iter__") is None or is_library(classes.module(kind)):
        return once, False
    try:
        return once, not issubclass(kind, (str, bytes, Mapping))
    except TypeError:  # a class that has no hash
        return once, True


_holding: Final = classes.ByClass(_holds)


def _of_the_program(items: Iterator[Any], library: str) -> Iterator[Any]:
    """``concat(map(read_csv, paths))``: the map is C, and whoever takes a table out of it counts as
    the caller of ``read_csv``, which would be the library. So it is taken out by a piece of code
    that runs with the caller's globals, and that knows the caller's frame (``_calls.begin``)."""
    if isinstance(items, types.GeneratorType) or not run.active:
        return items  # a generator's own code calls
    try:
        frame = called_from(2)
        if frame is None and is_internal(frame):
            return items
        its = vars(sys.modules["__main__"]) if frame is None else frame.f_globals
        return types.FunctionType(_each(library), its)(items, frame)  # type: ignore[no-any-return]
    except Exception as fault:
        faults.tell("what an iterator calls may not be recorded", fault)
        return items


@cache
def _each(library: str) -> types.CodeType:
    def each(items: Iterator[Any], caller: types.FrameType | None) -> Iterator[Any]:
        try:
            yield from items
        except BaseException as error:
            error.__traceback__ = error.__traceback__.tb_next  # type: ignore[union-attr]
            raise

    return relocated(each.__code__, library, TAKING)


def _guarding(site: Site, chained: ChainedAssignment) -> Function:
    """For calls that pandas warns of: one frame more would hide the reason, so we look first."""
    inner = _spanning(site, depth=2)
    always = site.entry.in_place == "always"
    suspects, is_local, is_syntax = chained.suspects, chained.is_local, chained.is_syntax
    getrefcount, warn = sys.getrefcount, warnings.warn

    def wrapper(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        if always or kwargs.get("inplace") is True:
            try:
                # Counted here and nowhere deeper: this frame stands where pandas' own would stand.
                found = suspects(getrefcount(self), self)
                if found is not None and (
                    (is_local is not None and is_local(self))
                    or (is_syntax is not None and not is_syntax())
                ):
                    found = None
            except Exception as fault:
                found = None
                faults.tell("chained assignment was not looked for", fault)
            if found is not None:
                warn(found[0], found[1], stacklevel=2)
        try:
            return inner(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return wrapper

"""Methods of every class of a family: those that are there, and those that are made later.

An estimator may be scikit-learn's, another library's or the program's own. Its methods are patched
where a class defines them, when that class is made. cloudpickle and dill take the classes of a
program's own module apart and send them to processes that have no otelprov. So what stands in for a
method refers to nothing of ours but its ``Watch``, which pickles as a function that calls another.
"""

from __future__ import annotations

import threading
import types
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from otelprov.artifacts import classes
from otelprov.instrumentation._calls import (
    Observed,
    Site,
    begin,
    called_from,
    is_internal_call,
    pass_on,
)
from otelprov.instrumentation._table import Entry
from otelprov.instrumentation._wrapping import (
    UNCOUNTED,
    disguise,
    given_up,
    not_begun,
    site_of_a_class,
)
from otelprov.recording import faults, observation
from otelprov.recording.recorder import Call
from otelprov.recording.run import run

Function = Callable[..., Any]


class _Around:
    """What is done around the calls of a function. Pickled, it is an object of the standard
    library's that has every call pass."""

    def __init__(self, family: Family, passes: Callable[[], object]) -> None:
        self._family = family
        self.passes = passes
        """Whether a call is of no interest; called by the function that stands in."""

    def __reduce__(self) -> Any:
        inert = {"passes": object, "call": lambda function, *args, **kwargs: None}
        return types.SimpleNamespace, (), inert


def _passes() -> bool:
    # Asked first, and in a function of its own: to hand on the arguments takes 0.4 µs.
    return not run.active or is_internal_call(3)


def _never() -> bool:
    return False


class Watch(_Around):
    """What is done around the calls of the methods of one name."""

    def __init__(self, family: Family, name: str) -> None:
        super().__init__(family, _passes)
        self._name = name

    def call(self, original, member, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        site: Site | None = None
        observed: Observed | bool = False
        at_work = _at_work.members
        try:
            if id(member) not in at_work:
                site = self._family.site(type(member), self._name, original)
                if site is not None:
                    observed = site.entry.kind == "step" or begin(
                        site, (member, *args), kwargs, called_from(2)
                    )
                    if not isinstance(observed, bool):
                        observed.operation.enter()
        except BaseException as fault:
            if site is None:
                self._not_looked_at(fault)
            else:
                not_begun(site, observed, fault)
        if isinstance(observed, bool):
            try:
                result = original(member, *args, **kwargs)
            except BaseException as error:
                if error.__traceback__ is not None:
                    error.__traceback__ = error.__traceback__.tb_next
                raise
        else:
            assert site is not None
            at_work.append(id(member))
            try:
                result = original(member, *args, **kwargs)
            except BaseException as error:
                if error.__traceback__ is not None:
                    error.__traceback__ = error.__traceback__.tb_next
                try:
                    observed.failed(error)
                except Exception as fault:
                    given_up(site, observed, fault, error)
                except BaseException:  # Ctrl-C
                    observed.close(error)
                    raise
                raise
            finally:
                at_work.pop()
        if site is None or observed is False:
            return result
        try:
            if observed is True:
                if self._name in self._family.methods:
                    # Some steps of a pipeline, put together, are known when they are looked at.
                    observation.inputs({"self": member})
                pass_on(site, (member, *args), kwargs, result)
            else:
                observed.returned(result)
        except Exception as fault:
            given_up(site, observed, fault)
        except BaseException:  # Ctrl-C
            if not isinstance(observed, bool):
                observed.close()
            raise
        return result

    def _not_looked_at(self, fault: BaseException) -> None:
        if not isinstance(fault, Exception):
            raise fault
        faults.tell(f"a call of {self._name} was not recorded", fault)


class Making(_Around):
    """Has a class adopted, when all that is done as it is made was done."""

    def __init__(self, family: Family) -> None:
        super().__init__(family, _never)
        self._state = threading.local()

    def call(self, original, kind, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        depth = getattr(self._state, "depth", 0)
        self._state.depth = depth + 1
        try:
            original(kind, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        finally:
            self._state.depth = depth
        if not depth:
            with faults.contained("the methods of a class are not recorded"):
                self._family.adopt(kind)


for _call in (Watch.call, Making.call):
    _call.__code__ = _call.__code__.replace(co_filename=UNCOUNTED)


class _AtWork(threading.local):
    """The objects whose methods run in this thread: what these call of themselves is theirs."""

    def __init__(self) -> None:
        self.members: list[int] = []


_at_work = _AtWork()


class Family:
    """The classes that inherit from some, and what their methods mean."""

    def __init__(
        self,
        library: str,
        methods: Mapping[str, Entry],
        properties: Mapping[str, Entry],
        belongs: Callable[[type], bool],
        library_of: Callable[[type], tuple[str, str | None]],
    ) -> None:
        """``belongs`` says whether objects of a class are members; ``library_of`` gives the library
        that a class comes from, and its version."""
        self._library = library
        self._entries = {**methods, **properties}
        self.methods = methods
        self._properties = properties
        self._belongs = belongs
        self._library_of = library_of
        self._watches = {name: Watch(self, name) for name in self._entries}
        self._sites: dict[tuple[int, str], tuple[weakref.ref[type], Site | None]] = {}
        self._adopted: dict[int, weakref.ref[type]] = {}
        self._ours: weakref.WeakSet[Function] = weakref.WeakSet()
        self._maker = Making(self)

    def making(self, original: Function) -> Function:
        """For ``__init_subclass__``."""
        return _watched(original, self._maker)

    def adopt(self, kind: type) -> None:
        """Patch the methods that a class and its bases define."""
        for base in classes.mro(kind):
            if base is not object and classes.module(base) != "builtins":
                key = id(base)
                found = self._adopted.get(key)
                if found is None or found() is not base:
                    self._adopted[key] = weakref.ref(base, partial(self._adopted.pop, key))
                    self._patch(base)

    def release(self) -> None:
        """Put every original back."""
        for reference in list(self._adopted.values()):
            kind = reference()
            if kind is None:
                continue
            for name, value in list(classes.namespace(kind).items()):
                if name not in self._entries:
                    continue
                if isinstance(value, types.FunctionType) and value in self._ours:
                    setattr(kind, name, value.__wrapped__)  # type: ignore[attr-defined]
                elif isinstance(value, property) and value.fget in self._ours:
                    setattr(kind, name, _with_getter(value, vars(value.fget)["__wrapped__"]))
                elif _is_conditional(value) and value.fn in self._ours:
                    value.fn = value.fn.__wrapped__
        self._adopted.clear()
        self._sites.clear()

    def site(self, kind: type, name: str, original: Function) -> Site | None:
        """What calls of a member's method need; None where the class is no member."""
        key = (id(kind), name)
        found = self._sites.get(key)
        if found is not None and found[0]() is kind:
            return found[1]
        site = None
        if self._belongs(kind):
            entry = self._entries[name]
            library, version = self._library_of(kind)
            call = Call(
                library=library,
                name=f"{kind.__name__}.{entry.name}",
                kind=entry.operation_kind,
                version=version,
                holds_nested=entry.holds_nested,
            )
            site = site_of_a_class(entry, call, original)
        self._sites[key] = (weakref.ref(kind, partial(self._sites.pop, key)), site)
        return site

    def _patch(self, kind: type) -> None:
        for name, value in list(classes.namespace(kind).items()):
            if name in self.methods:
                if isinstance(value, types.FunctionType):
                    setattr(kind, name, self._stand_in(name, value))
                elif _is_conditional(value):
                    value.fn = self._stand_in(name, value.fn)
            elif name in self._properties and type(value) is property and value.fget is not None:
                setattr(kind, name, _with_getter(value, self._stand_in(name, value.fget)))

    def _stand_in(self, name: str, original: Function) -> Function:
        if original in self._ours:
            return original
        made = disguise(_watched(original, self._watches[name]), original, self._library)
        self._ours.add(made)
        return made


def _with_getter(one: property, getter: Any) -> property:
    return property(getter, one.fset, one.fdel, one.__doc__)


def _is_conditional(value: Any) -> bool:
    """Whether it is what scikit-learn's ``available_if`` makes of a method."""
    return type(value).__name__ == "_AvailableIfDescriptor" and isinstance(
        getattr(value, "fn", None), types.FunctionType
    )


def _watched(original: Function, watch: Watch | Making) -> Function:
    def wrapper(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            passes = watch.passes()
        except Exception:  # at the limit of the recursion
            passes = True
        try:
            if passes:
                return original(self, *args, **kwargs)
            return watch.call(original, self, *args, **kwargs)  # type: ignore[no-untyped-call]
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return wrapper

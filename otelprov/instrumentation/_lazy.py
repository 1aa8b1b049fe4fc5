"""A call that makes a lazy object: of others, of tables in memory, of what it is to read later."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from otelprov.artifacts import classes, digest_value
from otelprov.artifacts.deferred import Pending
from otelprov.artifacts.locations import unknown
from otelprov.artifacts.registry import Identity, registry
from otelprov.recording import observation
from otelprov.recording.bounds import reading
from otelprov.recording.observation import PLAIN
from otelprov.recording.plans import MAX_DEPTH, MAX_ITEMS, Plan, after, given, plans, scan, target

if TYPE_CHECKING:
    from otelprov.instrumentation._calls import Site


def plan_on(
    site: Site, arguments: tuple[Any, ...], keywords: dict[str, Any], result: object
) -> None:
    """Say what a lazy object carries that a call made, or changed."""
    entry = site.entry
    made: object = arguments[0] if entry.in_place == "always" else result
    found: _Found | None = None
    runs_functions = entry.runs_functions
    if site.attribute == "__init__":
        arguments = (None, *arguments[1:])  # it is what is made
    if (
        entry.lazies is None
        and entry.source is None
        and not entry.runs_functions
        and not (_may_carry(arguments) or _may_carry(keywords.values()))
    ):
        return
    own = arguments[1:] if site.method else arguments
    if entry.source is None:
        found = _Found(site, arguments, keywords)
        if entry.lazies is not None:
            parameters, _ = site.binder.bind(own, keywords)
            owner = arguments[0] if site.method else None
            found.plans += [plan for _, plan in entry.lazies({**parameters, "self": owner})]
        if site.attribute == "__init__" and not found.plans and _has_values(arguments, keywords):
            reason = "the values of a lazy table are not looked at"
            found.plans.append(given("data", Identity((unknown(reason, "table"),))))
        if not found.plans and not entry.runs_functions:
            return
        if entry.target is not None:  # a write that is put off
            parameters, _ = site.binder.bind(own, keywords)
            place = entry.places(parameters) if entry.places else parameters.get(entry.target)
            found.plans.append(target(entry.target, place))
    elif result is None:
        return
    else:
        parameters, named = site.binder.bind(own, keywords)
        place = parameters.get(entry.source)
        runs_functions = runs_functions or _is_function(parameters.get("credential_provider"))
        if entry.places is not None:
            place = entry.places(parameters)
        if place is None:
            return
        how = reading(site.call.library, parameters)
        names = [name for name in named if name != entry.source]
        found = _Found(site, (), {name: parameters[name] for name in names})
        rows = registry.lookup(place) if hasattr(type(place), "__arrow_c_stream__") else None
        plan = given(entry.source, rows) if rows is not None else scan(entry.source, place, how)
        found.plans.insert(0, plan)
    plan = after(site.step, found.plans, found.detail(), runs_functions=runs_functions)
    for item in made if isinstance(made, (tuple, list)) else (made,):
        plans.assign(item, plan)


def _may_carry(values: Iterable[object]) -> bool:
    """Whether there may be data or a plan among the arguments: nearly always it is quick to see
    that an expression is made of others that carry nothing."""
    for value in values:
        if type(value) in PLAIN:
            continue
        if not observation.is_lazy(value) or plans.lookup(value) is not None:
            return True
    return False


def _is_function(value: object) -> bool:
    """Whether Polars calls the program for it, and not a class of its own."""
    return callable(value) and classes.known_as(type(value))[0] != "polars"


def _has_values(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
    """Whether what is made holds rows that are given with it."""
    data = arguments[1] if len(arguments) > 1 else keywords.get("data")
    if type(data) is dict:
        return any(type(one) is not list or one for one in data.values())
    return data is not None and (type(data) not in (list, tuple) or bool(data))


class _Found:
    """The plans and the data among the arguments of a call, and what else there is."""

    __slots__ = ("_arguments", "_keywords", "_others", "_site", "_still", "plans")

    def __init__(self, site: Site, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self._site, self._arguments, self._keywords = site, arguments, keywords
        self._still = True
        self.plans: list[Plan] = []
        self._others: list[object] = []
        for index, value in enumerate(arguments):
            self._others.append(value if type(value) in PLAIN else self._split(value, index, 0))
        for name, value in keywords.items():
            self._others.append(name)
            self._others.append(value if type(value) in PLAIN else self._split(value, name, 0))

    def detail(self) -> bytes | Pending[bytes | None] | None:
        """The digest of what is neither a plan nor data.

        To digest an expression takes 30 µs, and most plans that are made are a part of another:
        what cannot change any more is digested when a plan is executed.
        """
        others = self._others
        if self._still:
            return Pending(lambda: digest_value(others))
        return digest_value(others)

    def _split(self, value: Any, place: int | str, depth: int) -> object:
        """``value`` with numbers in place of what was found in it."""
        if type(value) in PLAIN:
            return value
        plan = plans.lookup(value)
        if plan is None:
            kind = observation.data_kind(value)
            if registry.lookup(value) is not None or (
                kind is not None
                and (self._site.attribute in _COMPUTES or not observation.is_small(value, kind))
            ):
                plan = given(self._role(place), observation.identity_of(value))
        if plan is None and isinstance(value, (list, dict)):
            made = registry.container(value)
            if made is not None:
                plan = given(self._role(place), Identity((made,)))
        if plan is not None:
            self.plans.append(plan)
            return _PLACED, len(self.plans)
        if type(value) in (list, tuple) and depth < MAX_DEPTH and len(value) <= MAX_ITEMS:
            return [self._split(item, place, depth + 1) for item in value]
        if type(value) is dict and depth < MAX_DEPTH and len(value) <= MAX_ITEMS:
            return {key: self._split(item, place, depth + 1) for key, item in value.items()}
        if type(value) not in _STILL and not observation.is_lazy(value):
            self._still = False
        return value

    def _role(self, place: int | str) -> str:
        """The name of the parameter that a value was passed as."""
        if isinstance(place, str):
            return place
        if self._site.method and place == 0:
            return "self"
        own = self._arguments[1:] if self._site.method else self._arguments
        _, names = self._site.binder.bind(own, self._keywords)
        index = place - (1 if self._site.method else 0)
        return names[min(index, len(names) - 1)]


_COMPUTES: Final = frozenset("lit with_columns with_columns_seq select select_seq".split()) | {
    f"__{side}{name}__"
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")
    for side in ("", "r")
}
"""What makes values of a few values, too; elsewhere they are a parameter."""
_PLACED: Final = b"plan"
"""Stands, with its number among those of the call, where a plan was."""

_STILL: Final = frozenset({types.FunctionType, types.BuiltinFunctionType, type})
"""Types of values that do not change, besides plain ones."""

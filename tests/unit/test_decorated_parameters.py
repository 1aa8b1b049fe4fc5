"""The parameters of a decorated function's call, bound without ``inspect`` where that can be."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from otelprov.api import _Decorated, operation


def plain(a: Any, b: Any = 2, c: Any = (3,)) -> None: ...
def without() -> None: ...
def by_place(x: Any, /, y: Any, *, z: Any = 1) -> None: ...
def anything(*a: Any, **k: Any) -> None: ...
def required(a: Any, b: Any, c: Any, d: Any = 4) -> None: ...


FUNCTIONS: list[Callable[..., None]] = [plain, without, by_place, anything, required]


def as_inspect(function: Callable[..., None], args: Any, kwargs: Any) -> list[tuple[str, Any]]:
    found: dict[str, Any] = {"own": 1}
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:  # the call itself will raise
        return list(found.items())
    bound.apply_defaults()
    for parameter in bound.signature.parameters.values():
        value = bound.arguments[parameter.name]
        found.update(value if parameter.kind is parameter.VAR_KEYWORD else {parameter.name: value})
    return list(found.items())


@given(
    st.sampled_from(FUNCTIONS),
    st.lists(st.integers(), max_size=5),
    st.dictionaries(st.sampled_from("abcdxyzq"), st.integers(), max_size=4),
)
def test_a_call_is_bound_as_inspect_binds_it(
    function: Callable[..., None], args: list[int], kwargs: dict[str, int]
) -> None:
    decorated = _Decorated(operation("n", parameters={"own": 1}), function)
    bound = decorated.bound(tuple(args), kwargs)
    assert list(bound.items()) == as_inspect(function, args, kwargs)


def test_defaults_that_are_changed_are_those_of_the_next_call() -> None:
    def function(a: int, b: int = 2) -> None: ...

    decorated = _Decorated(operation("n"), function)
    assert decorated.bound((1,), {}) == {"a": 1, "b": 2}
    function.__defaults__ = (7,)
    assert decorated.bound((1,), {}) == {"a": 1, "b": 7}

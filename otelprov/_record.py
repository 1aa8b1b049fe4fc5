"""Records that cost little: where a program starts, and where it records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: object) -> Callable[[Any], Any]:
        return lambda function: function


T = TypeVar("T")


@overload
def record(kind: type[T], /) -> type[T]: ...
@overload
def record(*, eq: bool = True, order: bool = False) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(
    kind: type[T] | None = None, /, *, eq: bool = True, order: bool = False
) -> type[T] | Callable[[type[T]], type[T]]:
    """A dataclass with slots that nobody changes: to the type checker it is frozen.

    Not so when the program runs, for there the user pays: a frozen dataclass is eight functions
    that Python compiles, 0.7 ms of each start. Here it is one, `__init__`; the others are shared.
    It is compiled with the class and not when a record is first made: that may be at the exit,
    where to evaluate a text has a program that Ctrl-C ends die of status 1
    (journal/interrupted.py).
    """

    def made(kind: type[T]) -> type[T]:
        own: Any = dataclass(slots=True, eq=False, repr=False)(kind)
        own._compared = attrgetter(*[one.name for one in fields(own) if one.compare])
        shared: dict[str, Any] = {"__repr__": _repr}
        if eq:
            shared |= {"__eq__": _eq, "__hash__": _hash}
        if order:
            shared["__lt__"] = _lt
        for name, function in shared.items():
            if name not in vars(kind):
                setattr(own, name, function)
        return own  # type: ignore[no-any-return]

    return made if kind is None else made(kind)


def _repr(self: Any) -> str:
    shown = (f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self._compared(self) == self._compared(other)


def _hash(self: Any) -> int:
    return hash(self._compared(self))


def _lt(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self._compared(self) < self._compared(other)

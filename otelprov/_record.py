"""Records that cost little: where a program starts, and where it records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
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

    Not so when the program runs, for there it is paid for by the user: Python 3.11 takes 1.25 ms
    to make a frozen dataclass and 0.45 to make this one, which is 30 ms of the start of a recorded
    program; and an object of eight fields is made in a third of the time.
    """
    make: Callable[[type[T]], type[T]] = dataclass(slots=True, eq=eq, order=order, unsafe_hash=eq)
    return make if kind is None else make(kind)

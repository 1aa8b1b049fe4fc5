"""Frozen records, made in an eighth of the time.

A frozen dataclass sets each field through ``object.__setattr__``, which takes 9 times as long as an
assignment (Python 3.11, 13 fields): half of the time in which a span becomes an operation.
"""

from __future__ import annotations

from dataclasses import field, fields, make_dataclass
from typing import Any, TypeVar, cast

Record = TypeVar("Record")


def quick(record: type[Record]) -> type[Record]:
    """What makes objects of a frozen, slotted dataclass, with the same arguments.

    They are filled while they are of a class with the same slots that is not frozen.
    """
    own = getattr(record, "__post_init__", None)

    def freeze(self: Any) -> None:
        if own is not None:
            own(self)
        self.__class__ = record

    names: list[tuple[str, Any, Any]] = []
    for one in fields(cast(Any, record)):
        default: Any = {"default": one.default, "default_factory": one.default_factory}
        names.append((one.name, Any, field(init=one.init, **default)))
    last = {"__post_init__": freeze}
    unfrozen = make_dataclass(
        record.__name__, names, namespace=last, slots=True, eq=False, repr=False
    )
    return cast("type[Record]", unfrozen)

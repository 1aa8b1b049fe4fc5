"""The columns that Polars takes of a Delta Lake or Iceberg table.

Its plan cannot be asked for them beforehand. But when it executes a plan it has an object of its
own in Python open the table, and tells that which columns it needs, those of filters included
(``projection``, seen in 2.1; None for all).
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from types import FrameType
from typing import Any, Final

from otelprov.instrumentation import pyiceberg
from otelprov.instrumentation._wrapping import followed
from otelprov.recording.versioned import Asked, Versioned

Function = Callable[..., Any]

_asked: Final[dict[int, tuple[weakref.ref[Any], Asked]]] = {}
"""By ``id`` of an object that opens a table: it has no hash."""
_last: Final = threading.local()
"""The last such object that a thread has made, until a plan is made of it."""


def asked_of(opener: Any) -> Asked:
    """What an object that opens a table is asked for."""
    key = id(opener)
    found = _asked.get(key)
    if found is None or found[0]() is not opener:
        found = _asked[key] = (weakref.ref(opener, partial(_asked.pop, key)), Asked())
    return found[1]


def projecting(original: Function) -> Function:
    """For the method that Polars calls with the columns that it needs."""
    return followed(original, _projected, "which columns are read of a table is not known")


def _projected(_: FrameType, __: object, opener: Any, *___: Any, **said: Any) -> None:
    names = said.get("projection")
    if names is None:
        names = opener.schema().names  # of pyarrow's a list, of Polars' a method
        names = names() if callable(names) else names
    asked_of(opener).note(map(str, names))


def scanning(original: Function) -> Function:
    """For the class that opens Iceberg tables."""
    return followed(original, _scanned, "which columns are read of a table is not known")


def _scanned(_: FrameType, __: object, opener: Any, *___: Any, **____: Any) -> None:
    _last.opener = opener


def iceberg(parameters: Mapping[str, Any]) -> Any:
    """What ``scan_iceberg`` reads."""
    place, opener = pyiceberg.source(parameters), getattr(_last, "opener", None)
    _last.opener = None
    if isinstance(place, Versioned) and opener is not None:
        place.asked = asked_of(opener)
    return place

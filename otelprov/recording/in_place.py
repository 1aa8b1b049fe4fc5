"""What the program puts into a known array: ``a[mask] = b``, ``a += b``, ``a.fill(0)``.

That is C, and nobody sees it. But the array is another afterwards: of what is in it a print is
taken when it becomes known, and again when it is used. If they differ, something of unknown origin
was put into it.
"""

from __future__ import annotations

import math
import weakref
import zlib
from functools import partial
from typing import Any, Final

from otelprov.artifacts.classes import module
from otelprov.artifacts.locations import unknown
from otelprov.artifacts.registry import Identity, Step, derive, registry

MAX_VALUES: Final = 2048
"""Values that a print is taken of; of more, so many that lie evenly in the array."""

STEP: Final = Step("numpy", "in place")
_REASON: Final = "put into an array by code that is not recorded"

prints: Final[dict[int, tuple[weakref.ref[Any], int]]] = {}
"""By ``id`` of a known array what was in it, for whoever asks first whether there is any."""


def note(array: Any) -> None:
    """``array`` is known from now on, with what is in it."""
    print_ = _print(array)
    if print_ is not None:
        key = id(array)
        prints[key] = (weakref.ref(array, partial(prints.pop, key)), print_)


def as_it_is(array: Any, identity: Identity) -> Identity:
    """What a known array comes from, with what was put into it since."""
    found = prints.get(id(array))
    if found is None or found[0]() is not array:
        return identity
    print_ = _print(array)
    if print_ is None or print_ == found[1]:
        return identity
    prints[id(array)] = (found[0], print_)
    if any(getattr(source, "reason", None) == _REASON for source in identity.sources):
        return identity
    changed = derive(STEP, [identity, Identity((unknown(_REASON, "array"),))], None)
    assert changed is not None
    registry.assign(array, changed)
    return changed


def _print(array: Any) -> int | None:
    """A number for what is in an array; None where it cannot change, or is not in NumPy's memory:
    in that of a mapped file, say, which is not read for this."""
    kind = type(array)
    if kind.__name__ != "ndarray" or module(kind) != "numpy" or not array.flags.writeable:
        return None
    base = array.base
    while base is not None:
        if type(base) is not kind:
            return None
        base = base.base
    count = array.size
    if count > MAX_VALUES:
        pace = count // MAX_VALUES
        while math.gcd(pace, count) > 1:  # else it is always the same few columns
            pace += 1
        array = array.reshape(-1) if array.flags.c_contiguous else array.flat
        array = array[::pace]
    return zlib.crc32(array.tobytes())

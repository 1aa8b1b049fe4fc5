"""What an iterator draws from, which must not be drawn from to find that out.

``map``, ``zip`` and the like are written in C. What they draw from is what they refer to, so it is
read off them; what a generator expression draws from is its first variable.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterator
from types import GeneratorType, MethodType
from typing import Final

from otelprov.artifacts.registry import Identity, registry

MAX_PARTS: Final = 1_000
"""Iterators below one that are looked at: a table may have many columns."""

_DRAWING: Final = frozenset(
    (
        zip, map, filter, enumerate, tuple,
        itertools.chain, itertools.islice, itertools.starmap, itertools.takewhile,
        itertools.dropwhile, itertools.filterfalse, itertools.compress, itertools.accumulate,
        type(iter([])), type(iter(())), type(reversed([])),
    )
)  # fmt: skip
"""Iterators that draw from what they refer to, and the tuples in which they keep that."""


def drawn_from(rows: object) -> Iterator[object]:
    """What an iterator draws from in the end, and the functions that it calls on the way; the
    object itself where it is no iterator that can be seen into."""
    waiting, number = [rows], 0
    while waiting and number < MAX_PARTS:
        part = waiting.pop()
        number += 1
        if type(part) in _DRAWING and not (part is rows and type(part) is tuple):
            waiting.extend(gc.get_referents(part))
        elif isinstance(part, GeneratorType) and part.gi_code.co_name == "<genexpr>":
            if part.gi_frame is not None:
                waiting.append(part.gi_frame.f_locals.get(".0"))
        else:
            yield part


def come_from(rows: object, identity: Identity) -> None:
    """The rows, or values, that an iterator of pandas' gives come from a table.

    The objects that it was made of are its own, as is the class of its rows. So it is known
    through ``zip`` and the like, and so are the rows, one by one or in a list.
    """
    for part in drawn_from(rows):
        registry.assign(part, identity)
        if isinstance(part, MethodType) and isinstance(part.__self__, type):
            registry.assign(part.__self__, identity)

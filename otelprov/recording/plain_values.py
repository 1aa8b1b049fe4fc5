"""Python's own values: the numbers, dicts and lists that operations give, and what is made of them.

None of them can be held weakly. So they are kept alive while they are known, as far as they are
small, or known again by their content (``artifacts.registry``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from types import CodeType, FrameType
from typing import Any, Final

from otelprov.artifacts.deferred import Source, with_
from otelprov.artifacts.locations import unknown
from otelprov.artifacts.registry import Identity, is_own_number, is_row, plain_row, registry
from otelprov.recording.observation import MAX_DEPTH, MAX_ITEMS, PLAIN
from otelprov.recording.policy import MAX_LISTED
from otelprov.recording.recorder import OpenOperation

MAX_HELD: Final = 1 << 20
"""Bytes of texts whose parsed JSON is kept alive, to be known again."""
MAX_LOOKED_AT: Final = 500
"""Values in dicts and lists of which it is asked whether they are known numbers."""
MAX_FOUND: Final = 2_000
"""Values of a dict or list among which are the numbers that are known from then on."""
MAX_CODES: Final = 1_000
"""Pieces of code of which it is kept which numbers are written out in them."""
HOLDING: Final = (dict, list, tuple)
"""Classes of what is looked into for numbers."""
_NO_NUMBERS: Final = frozenset({str, int, bool, type(None)})
"""Whole numbers of Python's are not followed: one object is all 3s."""


def known_numbers(values: Iterable[object]) -> list[Identity]:
    """Where the numbers in the dicts and lists among ``values`` come from; of unknown origin, too,
    where that is known of some of them only. What is written out in the code that calls is not."""
    numbers = registry.numbers
    if not numbers:
        return []
    found: list[tuple[object, Identity]] = []
    rest: list[object] = []
    cut_off = False
    leaves = chain.from_iterable(_leaves(value, all_=False) for value in values)
    for count, value in enumerate(leaves):
        if count == MAX_LOOKED_AT:
            cut_off = True
            break
        if type(value) in _NO_NUMBERS:
            continue
        identity = registry.number(value) if id(value) in numbers else None
        if identity is not None:
            found.append((value, identity))
        elif is_own_number(value):
            rest.append(value)
    if not found:
        return []
    literals = _literals()
    known = {id(one): one for value, one in found if id(value) not in literals}
    if known and (cut_off or (rest and not set(map(id, rest)) <= literals)):
        known[0] = Identity((unknown("some of the numbers are not followed"),))
    return list(known.values())


def number_of(value: object) -> Identity | None:
    """Where a number comes from that is a parameter."""
    if id(value) not in registry.numbers:
        return None
    identity = registry.number(value)
    # One of NumPy's is never written out.
    if identity is not None and type(value) is float and id(value) in _literals():
        return None
    return identity


def _literals() -> set[int]:
    """The numbers that are written out in the code of the functions that run, and of those inside
    of it, by their ``id``: a table may have handed one of them back."""
    found: set[int] = set()
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        found |= _written_out(frame.f_code)
        frame = frame.f_back
    return found


_codes: Final[dict[int, tuple[CodeType, frozenset[int]]]] = {}
"""By ``id``: pieces of code are equal where their numbers are."""


def _written_out(code: CodeType) -> frozenset[int]:
    known = _codes.get(id(code))
    if known is not None:
        return known[1]
    inner = [one for one in code.co_consts if type(one) is CodeType]
    own = map(id, filter(is_own_number, _leaves(code.co_consts)))
    found = frozenset(own).union(*map(_written_out, inner))
    if len(_codes) >= MAX_CODES:
        _codes.clear()
    _codes[id(code)] = code, found
    return found


def is_unknown_row(value: object) -> bool:
    """Whether it is a dict of plain values, and nothing is known of it nor of them: of most that a
    loop writes, row by row."""
    if type(value) is not dict or not PLAIN.issuperset(map(type, value.values())):
        return False
    known = registry.numbers
    return known.isdisjoint(map(id, value.values())) and registry.container(value) is None


def known_parts(value: object, depth: int = 0) -> Iterator[Identity]:
    """What is known of a dict or list, or of those that it holds."""
    if type(value) not in HOLDING:
        return
    source = registry.container(value)
    if source is not None:
        yield Identity((source,))
        return
    for item in _items(value, depth):
        yield from known_parts(item, depth + 1)


def come_out(operation: OpenOperation, result: object) -> None:
    """The numbers that a call has returned, alone or in a dict or list, come from it."""
    if _has_own_numbers(result):
        made = operation.derived("object")
        operation.generate("return", made)
        numbers_from(result, with_(made, maker=operation.id), operation.begun)


def _has_own_numbers(value: object) -> bool:
    return any(map(is_own_number, islice(_leaves((value,)), MAX_LOOKED_AT)))


def numbers_from(value: object, source: Source, since: int | None = None) -> None:
    """The numbers that ``value`` is or holds come from ``source``; see ``Registry.found``. What may
    be many of them does not push out the scores of models."""
    identity, many = Identity((source,)), since is None
    numbers = list(filter(is_own_number, islice(_leaves((value,)), MAX_FOUND)))
    literals = _literals() if numbers else ()
    for number in numbers:
        if id(number) not in literals:
            registry.found(number, identity, since, by_step=many)


def _leaves(value: object, depth: int = 0, *, all_: bool = True) -> Iterator[object]:
    """What dicts and lists hold that is none; not ``all_`` are looked into, but those that are not
    known themselves (rows in a list are not)."""
    if type(value) not in HOLDING or not (all_ or registry.container(value) is None):
        return
    all_ = all_ or type(value) is not dict
    for item in _items(value, depth):
        if type(item) in HOLDING:
            yield from _leaves(item, depth + 1, all_=all_)
        else:
            yield item


def _items(value: Any, depth: int) -> Iterable[object]:
    if depth > MAX_DEPTH:
        return ()
    return islice(value.values() if type(value) is dict else value, MAX_ITEMS)


def fetched(rows: list[Any] | tuple[Any, ...], source: Source) -> None:
    """Rows, or values, that a query gave come from ``source``: the list is known again, and where
    it is short the numbers in it."""
    registry.fetched(rows, source)
    if len(rows) <= MAX_LISTED:
        identity = Identity((source,))
        for row in rows:
            values = plain_row(row) if is_row(row) else (row,)
            for value in values.values() if type(values) is dict else values:
                if is_own_number(value):
                    registry.found(value, identity, by_step=True)


def parsed(value: object, source: Source, size: int) -> None:
    """What a text of ``size`` bytes was parsed to comes from ``source``: lists and dicts in it are
    known again, and numbers."""
    parts = [value]
    for part in parts[:1] + [one for one in _values(value) if isinstance(one, dict)]:
        parts += [one for one in _values(part) if isinstance(one, (list, dict))]
    if size <= MAX_HELD:
        registry.hold(parts, source, size, MAX_HELD)
        numbers_from(value, source)
        return
    for part in parts:
        if isinstance(part, list) and part:
            fetched(part, source)


def _values(value: object) -> list[object]:
    return list(value.values())[:MAX_LISTED] if isinstance(value, dict) else []

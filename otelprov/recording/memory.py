"""Arrays that lie in the memory of another: a view comes from what it is a view of.

NumPy's indexing is C and is not seen. But ``a[:, :3]`` lies in the memory of ``a`` and says so in
its ``base``: that is observed, and no guess.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import Any

from otelprov.artifacts import digest_value
from otelprov.artifacts.deferred import settled
from otelprov.artifacts.registry import Identity, Step, derive, registry
from otelprov.recording import in_place, tensors

_VIEW = Step("numpy", "view")

# Owner of memory -> what the array in it is, and that array; None where it is that of several. A
# known array may be a view itself, and NumPy names the owner of the memory as the base of a view of
# a view.
_owners: dict[int, tuple[weakref.ref[object], Identity | None, weakref.ref[object]]] = {}

_known, _arrived = registry.ids


def note(array: Any, identity: Identity) -> None:
    """``array`` is known from now on, and so is the memory that it lies in."""
    in_place.note(array)
    owner = _owner(array)
    if owner is None:
        return
    key = id(owner)
    found = _owners.get(key)
    if found is not None and found[0]() is owner:
        if found[1] != identity and not _is_the_same(found, array, identity):
            _owners[key] = (found[0], None, found[2])
        return
    _owners[key] = (weakref.ref(owner, partial(_owners.pop, key)), identity, weakref.ref(array))


def _is_the_same(found: tuple[Any, Identity | None, Any], array: Any, identity: Identity) -> bool:
    """Whether one operation has made two arrays of the same memory, in two shapes: `data` and
    `images` of `load_digits`."""
    first = found[2]()
    if found[1] is None or first is None:
        return False
    makers = {getattr(settled(source), "maker", None) for source in found[1].sources}
    makers.update(getattr(settled(source), "maker", None) for source in identity.sources)
    return len(makers) == 1 and None not in makers and _extent(first) == _extent(array)


def _extent(array: Any) -> tuple[int, int]:
    return array.__array_interface__["data"][0], array.nbytes


def of_view(array: Any) -> Identity | None:
    """What is known of an array as a view of another; None if it is none, or of an unknown one."""
    found, base = _source(array)
    if found is None:
        return None
    return derive(_VIEW, [found], None if base is None else _place(array, base))


def may_be_known(array: Any) -> bool:
    """Whether something may be known of one of NumPy's arrays, or of the memory that it lies in.

    Code that nobody records, such as SciPy's, is asked this for thousands of arrays of its own.
    """
    key, kind = id(array), type(array)
    if key in _known or key in _arrived:
        return True
    base = array.base
    while base is not None:
        if type(base) is not kind:
            return behind(array) is not None
        key, base = id(base), base.base
        if key in _known or key in _arrived:
            return True
        if base is None and key in _owners:
            return behind(array) is not None
    return False


def behind(array: Any) -> Identity | None:
    """What is known of the memory that an array lies in, whichever part of it that is."""
    return _source(array)[0]


def _source(array: Any) -> tuple[Identity | None, Any]:
    base: Any = _below(array)
    last: Any = None
    while is_array(base):
        found = registry.lookup(base)
        if found is not None:
            return in_place.as_it_is(base, found), base
        last, base = base, _below(base)
    if base is not None and tensors.is_tensor(base):  # what numpy() gives
        return tensors.lookup(base), None
    entry = None if last is None else _owners.get(id(last))
    if entry is None or entry[0]() is not last:
        return None, None
    first = entry[2]()
    if entry[1] is None or first is None:
        return entry[1], last
    return in_place.as_it_is(first, registry.lookup(first) or entry[1]), last


def _place(view: Any, base: Any) -> bytes | None:
    """Which part of the memory it is."""
    start = view.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return digest_value([start, view.shape, view.strides, view.dtype.str])


def _owner(array: Any) -> Any:
    """The array that owns the memory; None where that is the array itself, or no array."""
    base: Any = _below(array)
    owner = None
    while is_array(base):
        owner, base = base, _below(base)
    return owner


def _below(array: Any) -> Any:
    """What an array is a view of. `as_strided` and `sliding_window_view` put an object between."""
    base: Any = getattr(array, "base", None)
    return base.base if type(base).__name__ == "DummyArray" else base


def is_array(value: Any) -> bool:
    """Whether it is one of NumPy's arrays, also of a class of the program's own."""
    # Not isinstance: nothing is asked of an object that is none. All of NumPy's arrays have both.
    return (
        value is not None
        and hasattr(type(value), "__array_interface__")
        and hasattr(type(value), "base")
    )

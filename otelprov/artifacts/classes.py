"""Looking at classes and objects without running any of their code.

``isinstance`` asks ``__class__``, ``getattr`` asks ``__getattribute__``, and both may be the
user's: they may raise, lie, or do what an id is not worth. Here the interpreter's own descriptors
are asked.
"""

from __future__ import annotations

import struct
import sys
import types
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from otelprov.artifacts.digest import NoCanonicalForm

_TYPE: Final[Any] = type.__dict__
_POINTER: Final = struct.calcsize("P")
_HEAP: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE

_MISSING: Final = object()
_T = TypeVar("_T")


def mro(kind: type) -> tuple[type, ...]:
    """The classes that it inherits from, itself first."""
    return _TYPE["__mro__"].__get__(kind)  # type: ignore[no-any-return]


def namespace(kind: type) -> Any:
    """What the class itself defines."""
    return _TYPE["__dict__"].__get__(kind)


def module(kind: type) -> str:
    """The name of its module, empty if it says something else than text."""
    name = _TYPE["__module__"].__get__(kind)
    return name if type(name) is str else ""


def qualname(kind: type) -> str:
    """Its qualified name."""
    return _TYPE["__qualname__"].__get__(kind)  # type: ignore[no-any-return]


def known_as(kind: type) -> tuple[str, str]:
    """The library that a class belongs to, and its name there.

    The protocol by which libraries exchange frames has a class DataFrame in each, which is no table
    of the library's.
    """
    library, _, rest = module(kind).partition(".")
    own = qualname(kind)
    return library, f"interchange.{own}" if "interchange" in rest else own


def name(kind: type) -> str:
    """How it is called in a reason."""
    own = module(kind)
    return qualname(kind) if own in ("builtins", "") else f"{own}.{qualname(kind)}"


def attribute(kind: type, name: str, default: object = None) -> Any:
    """What the class or one of its bases defines under a name."""
    for base in mro(kind):
        found = namespace(base).get(name, _MISSING)
        if found is not _MISSING:
            return found
    return default


def defines(kind: type, names: frozenset[str]) -> bool:
    """Whether the class or one of its bases, other than ``object``, defines one of the names."""
    return any(not names.isdisjoint(namespace(base)) for base in mro(kind) if base is not object)


def find(module: str, name: str) -> type | None:
    """The class of that name in a module, if that is loaded. Imports nothing."""
    loaded = sys.modules.get(module)
    if loaded is None:
        return None
    if not issubclass(type(loaded), types.ModuleType):
        return None
    # Not getattr(): that would load a module that waits to be asked.
    found = types.ModuleType.__getattribute__(loaded, "__dict__").get(name)
    return found if issubclass(type(found), type) else None


def library(kind: type) -> str:
    """The top-level package that a class comes from, empty if it only says so.

    A class is its module's when it is found there under its name.
    """
    place = module(kind)
    return place.partition(".")[0] if find(place, qualname(kind)) is kind else ""


class ByClass(dict[int, _T]):
    """What is known of classes, each by its ``id``: ``known[id(kind)]``, or ``known.look(kind)``.

    A class is hashed by its metaclass, and holds by its methods all that its module does: it is not
    held here, or what a program has in global variables would not die when it ends.
    """

    __slots__ = ("_classes", "_lasts", "_make")

    def __init__(
        self, make: Callable[[type], _T], lasts: Callable[[_T], bool] = lambda made: True
    ) -> None:
        """``make`` says what is known of a class, and ``lasts`` whether that is kept: not what
        holds something of the program's."""
        super().__init__()
        self._make = make
        self._lasts = lasts
        self._classes: dict[int, weakref.ref[type]] = {}

    def look(self, kind: type) -> _T:
        """What is known of a class, and from now on."""
        key = id(kind)
        if key in self:
            return self[key]
        made = self._make(kind)
        if self._lasts(made):
            if _TYPE["__flags__"].__get__(kind) & _HEAP:
                self._classes[key] = weakref.ref(kind, partial(_forget, self, self._classes, key))
            self[key] = made
        return made


def _forget(known: ByClass[Any], held: dict[int, Any], key: int, _: object) -> None:
    known.pop(key, None)
    held.pop(key, None)


class _Layout:
    """Where the objects of a class keep what they hold: which of its bases say so. What they say it
    with holds them."""

    __slots__ = ("dictionary", "only_attributes", "slots")

    def __init__(self, kind: type) -> None:
        bases = enumerate(mro(kind))
        self.dictionary = next((n for n, base in bases if "__dict__" in namespace(base)), None)
        self.slots: dict[str, int] | None = _slots(kind)
        self.only_attributes = self.slots is not None and _is_filled(kind, len(self.slots))


_layouts = ByClass(_Layout)


def _layout(kind: type) -> _Layout:
    return _layouts.get(id(kind)) or _layouts.look(kind)


def _slots(kind: type) -> dict[str, int] | None:
    """The slots of a class and its bases; None when one of them hides another of its name."""
    found: dict[str, int] = {}
    for place, base in enumerate(mro(kind)):
        if not _TYPE["__flags__"].__get__(base) & _HEAP:
            continue
        for slot, member in namespace(base).items():
            if type(member) is types.MemberDescriptorType and member.__objclass__ is base:
                if slot in found:
                    return None
                found[slot] = place
    return found


def _is_filled(kind: type, places: int) -> bool:
    for offset in ("__dictoffset__", "__weakrefoffset__"):
        places += _TYPE[offset].__get__(kind) > 0  # negative: not part of the size
    size = _TYPE["__basicsize__"].__get__(kind)
    return bool(
        size == object.__basicsize__ + places * _POINTER and not _TYPE["__itemsize__"].__get__(kind)
    )


def holds_attributes_only(kind: type) -> bool:
    """Whether its objects have no place for more than ``__dict__`` and slots.

    The size that an object of the class takes says so, as in ``copyreg``'s rule for what can be
    pickled: anything written in C that holds something takes more.
    """
    return _layout(kind).only_attributes


def instance_dict(value: object) -> dict[str, object]:
    """The ``__dict__`` of an object, empty if it has none.

    Raises:
        NoCanonicalForm: when its class makes one up.
    """
    kind = type(value)
    place = _layout(kind).dictionary
    if place is None:
        return {}
    found: Any = namespace(mro(kind)[place])["__dict__"]
    if type(found) in (types.GetSetDescriptorType, types.MemberDescriptorType):
        state = found.__get__(value, kind)
        if type(state) is dict:
            return state
    raise NoCanonicalForm(f"a {name(kind)} has a __dict__ of its own making")


def attributes(value: object) -> dict[str, object]:
    """What an object holds in its ``__dict__`` and its slots, sorted by name.

    Raises:
        NoCanonicalForm: when that cannot be told.
    """
    kind = type(value)
    found = dict(instance_dict(value))
    slots = _layout(kind).slots
    if slots is None:
        raise NoCanonicalForm(f"a {name(kind)} has two slots of one name")
    bases = mro(kind)
    for slot, place in slots.items():
        try:
            found[slot] = namespace(bases[place])[slot].__get__(value, kind)
        except AttributeError:  # never set, or deleted
            continue
    if any(type(key) is not str for key in found):
        raise NoCanonicalForm(f"a {name(kind)} has an attribute whose name is not text")
    return dict(sorted(found.items()))

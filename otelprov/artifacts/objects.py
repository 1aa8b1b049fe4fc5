"""Objects of classes that have no form of their own: by a description, by fields, or by state.

A class that nobody described is read only where that runs none of its code, and what is known so
is called that: coverage ``state`` (section 15).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from otelprov.artifacts import classes, lazy, models, networks  # noqa: F401
from otelprov.artifacts.digest import NoCanonicalForm

# Imported for their descriptions.
from otelprov.artifacts.interruptions import is_of_the_program
from otelprov.artifacts.registration import Description, description

if TYPE_CHECKING:
    from otelprov.artifacts.values import _Encoder, _Write

MAX_BY_STATE: Final = 100_000
"""Values that are read once an object is known by its state only."""

_TRUSTED: Final = frozenset({"sklearn", "scipy", "lightgbm", "xgboost"})
"""Libraries whose own classes may be asked for their reduced state."""

_REDUCING: Final = frozenset(
    {"__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs__", "__getnewargs_ex__"}
)
# An object that is called is code as much as data, and its code is not part of its state.
_UNREADABLE: Final = _REDUCING | {"__call__"}

_MISSING: Final = object()

_TELL: Final = "otelprov.register_identity says what it holds"


def described(kind: type) -> _Write | None:
    """The form of an object whose class somebody described."""
    found = description(kind)
    if found is None:
        return None

    def write(encoder: _Encoder, value: object) -> None:
        content = ask(found, value)
        if found.kind == "table":
            encoder.table(kind, content)
            return
        encoder.tag(b"object")
        if found.name is None:
            encoder.type(kind)
        else:
            encoder.text("")
            encoder.text(found.name)
        encoder.value(content)

    return write


def ask(found: Description, value: object) -> object:
    """The content of an object, by the description of its class.

    Raises:
        NoCanonicalForm: when that fails.
    """
    try:
        return found.content(value)
    except NoCanonicalForm:
        raise
    except Exception as error:
        if is_of_the_program(error):
            raise
        what = f"the description of {classes.name(type(value))} raised {type(error).__name__}"
        raise NoCanonicalForm(what) from None


def by_state(kind: type, allowed: bool) -> _Write:
    """The form of an object by its reduced state; ``allowed`` for classes that nobody described.

    Raises:
        NoCanonicalForm: with how to describe the class.
    """
    trusted = classes.library(kind) in _TRUSTED
    plain = kind is not object and classes.holds_attributes_only(kind)
    if trusted:
        return _attributes if plain and not classes.defines(kind, _REDUCING) else _reduced
    if not allowed:
        raise NoCanonicalForm(f"a {classes.name(kind)} has no canonical form; {_TELL}")
    if not plain:
        raise NoCanonicalForm(f"a {classes.name(kind)} has no canonical form")
    if classes.defines(kind, _UNREADABLE):
        raise NoCanonicalForm(
            f"a {classes.name(kind)} has state or code of its own making; {_TELL}"
        )
    return _unknown


def _unknown(encoder: _Encoder, value: object) -> None:
    encoder.by_state(MAX_BY_STATE)
    _attributes(encoder, value)


def _attributes(encoder: _Encoder, value: object) -> None:
    encoder.tag(b"object")
    encoder.type(type(value))
    encoder.value(classes.attributes(value))


def _reduced(encoder: _Encoder, value: object) -> None:
    """As ``pickle`` takes it apart: how it is made again, from what, and what is put into it."""
    reduced = value.__reduce_ex__(2)
    if type(reduced) is not tuple:  # the name of a global
        raise NoCanonicalForm(f"a {classes.name(type(value))} is known by name only")
    make, arguments, *rest = reduced
    state, items, pairs, *_ = *rest, None, None, None
    encoder.tag(b"reduced")
    encoder.type(type(value))
    encoder.text(f"{make.__module__}.{make.__qualname__}")
    encoder.value(arguments)
    encoder.value(dict(sorted(state.items())) if type(state) is dict else state)
    encoder.value(_listed(items))
    encoder.value(_listed(pairs))


def _listed(items: Iterable[object] | None) -> list[object]:
    return [] if items is None else list(items)


# --- by fields ------------------------------------------------------------------------------------


def fields(kind: type) -> tuple[bytes, list[str]] | None:
    """The tag and the fields of a class that dataclasses or attrs made; None for any other."""
    for tag, mark in ((b"dataclass", "__dataclass_fields__"), (b"attrs", "__attrs_attrs__")):
        found = classes.attribute(kind, mark)
        if tag == b"dataclass" and type(found) is dict:
            # As dataclasses.fields(): without what belongs to the class, or to __init__ alone.
            return tag, [
                name for name, field in found.items() if field._field_type.name == "_FIELD"
            ]
        if tag == b"attrs" and found is not None:
            return tag, [field.name for field in found]
    return None


def with_fields(tag: bytes, names: list[str]) -> _Write:
    """The form of an object that holds its fields and nothing more."""

    def write(encoder: _Encoder, value: object) -> None:
        kind = type(value)
        held = classes.attributes(value)
        if not classes.holds_attributes_only(kind) or not held.keys() <= set(names):
            raise NoCanonicalForm(f"a {classes.qualname(kind)} holds more than its fields")
        encoder.tag(tag)
        encoder.type(kind)
        encoder.number(len(names))
        for name in names:
            encoder.text(name)
            encoder.value(held[name] if name in held else _default(kind, name))

    return write


def _default(kind: type, name: str) -> Any:
    """The default of a field that the object does not hold itself, if it is a plain value."""
    found = classes.attribute(kind, name, _MISSING)
    if found is _MISSING or classes.attribute(type(found), "__get__") is not None:
        raise NoCanonicalForm(f"a {classes.qualname(kind)} does not hold its field {name!r}")
    return found

"""What the content of an object is, as somebody described it for its class (section 13).

Like ``functools.singledispatch``: a description holds for a class and those that inherit from it,
and the one of the nearest base is taken. Not with it: it hashes classes and asks abstract ones
whether they know the class, which runs code of metaclasses, and it knows no class before it is
imported.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args

from otelprov._record import record
from otelprov.artifacts import classes

DescribedKind = Literal["object", "model", "table", "directory"]
Content = Callable[[Any], object]
F = TypeVar("F", bound=Content)


@record
class Description:
    """What the objects of a class hold: ``content`` gives it, as values that have ids."""

    content: Content
    kind: DescribedKind = "object"
    name: str | None = None
    """What stands in the id for the class and those that inherit from it; None: their own names."""


# By id, because a class is hashed by its metaclass. It is kept, so that no other gets its id.
_known: dict[int, tuple[type, Description]] = {}
# Classes that are not imported yet, by module and name.
_awaited: dict[str, dict[str, Description]] = {}
_lock = threading.Lock()


def _new_lock() -> None:
    global _lock
    _lock = threading.Lock()  # another thread may have held it when the process was forked


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


def register(
    class_: type | str, *, kind: DescribedKind = "object", name: str | None = None
) -> Callable[[F], F]:
    """A decorator for the function that says what an object of ``class_`` holds.

    ``class_`` may be the name of a class (``"xgboost.core.Booster"``) that need not be imported.
    The last description of a class is the one that counts.

    Raises:
        TypeError: for a class that has a form of its own in the specification.
        ValueError: for an unknown kind, or a name without a module.
    """
    if kind not in get_args(DescribedKind):
        raise ValueError(f"kind is {kind!r}; expected one of {', '.join(get_args(DescribedKind))}")
    if isinstance(class_, str):
        if not all(class_.rpartition(".")):
            raise ValueError(
                f"{class_!r} is no full name of a class, such as 'package.module.Name'"
            )
    elif not isinstance(class_, type):
        raise TypeError(f"{class_!r} is no class")
    elif _has_own_form(class_):
        raise TypeError(f"{classes.name(class_)} has a form of its own in the specification")

    def describe(content: F) -> F:
        description = Description(content, kind, name)
        _find_awaited()  # or what was said before of the same class would be found after this
        with _lock:
            if isinstance(class_, str):
                module, _, name_ = class_.rpartition(".")
                _awaited.setdefault(module, {})[name_] = description
            else:
                _known[id(class_)] = (class_, description)
        return content

    return describe


def _has_own_form(class_: type) -> bool:
    from otelprov.artifacts.values import has_own_form

    return has_own_form(class_)


def description(kind: type) -> Description | None:
    """The description that holds for the objects of a class. Runs no code of the class."""
    if not _awaited.keys().isdisjoint(sys.modules.keys()):
        _find_awaited()
    for base in classes.mro(kind):
        found = _known.get(id(base))
        if found is not None:
            return found[1]
    return None


def _find_awaited() -> None:
    with _lock:
        # In the order in which they were described: a class may be awaited under two names.
        for module in [name for name in _awaited if name in sys.modules]:
            names = _awaited[module]
            for name, found in tuple(names.items()):
                class_ = classes.find(module, name)
                if class_ is not None:
                    _known[id(class_)] = (class_, found)
                    del names[name]
            if not names:
                del _awaited[module]

"""Whether code of the program's own can run inside a call.

Where it cannot, what the library makes on the way to its result is seen by nobody: no object of it
is passed on to the program, and no table is read that is not among the arguments. Then the steps in
there are not followed, which is most of what a recorded ``merge`` or ``groupby(...).agg`` costs.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from otelprov.artifacts import classes

MAX_ITEMS: Final = 100
"""Items of a list or dict that are looked at: a longer one may hold anything."""
MAX_DEPTH: Final = 3

_PLAIN: Final = (type(None), bool, int, float, complex, str, bytes, slice, range)
_CONTAINERS: Final = (list, tuple, dict, set, frozenset)
_INERT: Final = frozenset({"datetime", "decimal", "numpy", "pandas", "pathlib", "pyarrow"})
"""Modules whose objects call no code of a program's, unless they can be called themselves."""


def runs_nothing_else(values: Any, depth: int = 0) -> bool:
    """Whether none of ``values`` can bring code of the program's into a call."""
    return all(_is_inert(value, depth) for value in values)


def _is_inert(value: Any, depth: int) -> bool:
    kind: Any = type(value)
    try:
        found = _kinds[id(kind)]
    except KeyError:
        found = _kinds.look(kind)
    if found is not None:
        return found == "plain" or not callable(value)
    if isinstance(value, _CONTAINERS):
        if len(value) > MAX_ITEMS or depth == MAX_DEPTH:
            return False
        if isinstance(value, dict) and not runs_nothing_else(value, depth + 1):
            return False
        return runs_nothing_else(value.values() if isinstance(value, dict) else value, depth + 1)
    return kind is type and value.__module__ == "builtins"  # astype(float)


def _kind(kind: type) -> Literal["plain", "library"] | None:
    if any(kind is one for one in _PLAIN):
        return "plain"
    root = classes.module(kind).partition(".")[0]
    held = classes.qualname(kind) == "NamedAgg"  # which may hold a function
    return "library" if root in _INERT and not held else None


_kinds: Final = classes.ByClass(_kind)

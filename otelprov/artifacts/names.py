"""What the columns of a table in memory are called, asked without a look at what they hold."""

from __future__ import annotations

import weakref
from functools import lru_cache, partial
from typing import Any, Final

from otelprov.artifacts import classes
from otelprov.model import Names

MAX_NAMES: Final = 1_000
"""Columns that are named; a table of more has its number of columns only."""
_labels: Final[dict[int, tuple[weakref.ref[Any], tuple[str, ...] | None]]] = {}


def names_of(value: Any) -> Names | None:
    """The names of the columns, as they stand in a digest; None where they are not known.

    A Series has one column. Labels of pandas that have no one text are not named.
    """
    try:
        kind = _kinds[id(type(value))]
    except KeyError:
        kind = _kinds.look(type(value))
    if kind == "DataFrame":
        return _frame(value.columns, value.index)
    if kind == "Series":
        name = _text(value.name)
        return None if name is None else _known((name,), _levels(value.index))
    if kind == "polars":
        return None if value.width > MAX_NAMES else _known(tuple(value.columns), ())
    if kind == "pyarrow":
        return None if value.num_columns > MAX_NAMES else _known(tuple(value.schema.names), ())
    if kind == "polars.Series":
        return _known((value.name,), ())
    return None


def _look(class_: type) -> str | None:
    for base in classes.mro(class_):
        library, name = classes.known_as(base)
        if library == "pandas" and name in ("DataFrame", "Series"):
            return name
        if library == "polars" and name in ("DataFrame", "Series"):
            return "polars" if name == "DataFrame" else "polars.Series"
        if library == "pyarrow" and name in ("Table", "RecordBatch"):
            return "pyarrow"
    return None


_kinds: Final = classes.ByClass(_look)


def _frame(columns: Any, index: Any) -> Names | None:
    # Each table has an index of its own for its labels; but the array in there, which never
    # changes, is that of the table it was made of where that has the same (pandas 3.1).
    values = columns if columns.nlevels > 1 else getattr(columns, "_values", columns)
    key = id(values)
    found = _labels.get(key)
    if found is None or found[0]() is not values:
        if len(columns) > MAX_NAMES:
            return None
        found = _labels[key] = (weakref.ref(values, partial(_labels.pop, key)), _texts(values))
    return None if found[1] is None else _known(found[1], _levels(index))


def _texts(values: Any) -> tuple[str, ...] | None:
    arrow = getattr(values, "_pa_array", None)
    labels = values.tolist() if arrow is None else arrow.to_pylist()  # 4 µs in place of 16
    texts = [label if type(label) is str else _text(label) for label in labels]
    return None if None in texts else tuple(text for text in texts if text is not None)


@lru_cache(maxsize=1024)
def _known(columns: tuple[str, ...], index: tuple[str | None, ...]) -> Names:
    """One object for the same names: what is written of them is encoded once."""
    return Names(columns, index)


def _levels(index: Any) -> tuple[str | None, ...]:
    if index.nlevels == 1:
        return () if index.name is None else (_text(index.name),)
    names = index.names
    if all(name is None for name in names):
        return ()
    return tuple(None if name is None else _text(name) for name in names)


def _text(label: Any) -> str | None:
    """As ``tables`` names a column; None for a label of a class whose text could be anything."""
    kind = type(label)
    if kind is str:
        return str(label)
    if label is None:
        return ""
    if kind is tuple:
        parts = [None if part is None or part != part else _text(part) for part in label]
        return str(tuple(parts))
    if kind in (bool, int, float) or kind.__module__.partition(".")[0] in (
        "datetime",
        "decimal",
        "numpy",
        "pandas",
    ):
        return str(label)
    return None

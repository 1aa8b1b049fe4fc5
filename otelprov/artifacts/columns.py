"""Digests of columns that are kept between operations, where nothing can make them untrue.

Arrow's columns never change, unless their memory is someone else's (docs/decisions/0012). So a
digest is kept for one object only, a ``ChunkedArray`` that pandas holds as the values of a column,
and only when that was seen to be filled by a library that reads a file. pandas hands this object on
with a column that it leaves as it is, and puts another in its place for any change.
"""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from otelprov.artifacts.digest import ColumnDigest


@dataclass(slots=True)
class Kept:
    """The digest of one ``ChunkedArray``, once it is known."""

    reference: weakref.ref[Any]
    digest: ColumnDigest | None = None


_kept: dict[int, Kept] = {}


def fill(value: object) -> None:
    """Say that a frame of pandas was just read, into memory that nothing else writes to."""
    pd: Any = sys.modules.get("pandas")
    if pd is None or type(value) is not pd.DataFrame:
        return
    frame: Any = value
    for i, type_ in enumerate(frame.dtypes):
        if isinstance(type_, (pd.StringDtype, pd.ArrowDtype)):
            array = arrow_values(frame_column(frame, i))
            if array is not None:
                _keep(array)


def arrow_values(values: Any) -> Any:
    """The ``ChunkedArray`` that a column of pandas consists of; None where it is something else."""
    kind = type(values)
    if kind.__name__ not in _ARROW or not kind.__module__.startswith("pandas."):
        return None  # a subclass of the user's may give anything
    import pyarrow as pa

    array = values.__arrow_array__()
    return array if type(array) is pa.ChunkedArray else None


_ARROW: Final = frozenset(
    {"ArrowExtensionArray", "ArrowStringArray", "ArrowStringArrayNumpySemantics"}
)


def frame_column(frame: Any, i: int) -> Any:
    """The values of a column without a Series around them, which takes ten times as long."""
    get = getattr(frame, "_get_column_array", None)  # private, the same in pandas 1.4 to 3.1
    return get(i) if get is not None else frame.iloc[:, i].array


def _keep(array: Any) -> None:
    key = id(array)
    # C code, as in registry.py, and for the same reason.
    _kept[key] = Kept(weakref.ref(array, partial(_kept.pop, key)))


def kept(array: Any) -> Kept | None:
    """Where the digest of this very object is kept, if it may be."""
    entry = _kept.get(id(array))
    return entry if entry is not None and entry.reference() is array else None

"""Data as it is now, without a copy: what can be digested later and is the same then."""

from __future__ import annotations

import sys
from typing import Any, Final

SMALL: Final = 1 << 20
"""Bytes below which to digest at once is as cheap as to put it off."""


def size(value: Any) -> int:
    """Bytes of a table or array, roughly and at once."""
    shape = getattr(value, "shape", None)
    if not isinstance(shape, tuple):
        return 8 * len(value) if hasattr(value, "__len__") else 0
    cells = 8
    for length in shape:
        cells *= length
    return cells


def snapshot(value: Any) -> object | None:
    """Something that holds what ``value`` holds now, whatever is done to ``value`` afterwards; None
    where only a copy of the data would do.

    Arrow's arrays and Polars' columns never change. pandas copies on write from version 3 on,
    except what is reached through ``Series.array``; objects in its cells may change by themselves.
    """
    kind: Any = type(value)
    library = kind.__module__.partition(".")[0]
    if library == "pyarrow":
        pa = sys.modules["pyarrow"]
        return value if kind in (pa.Table, pa.RecordBatch, pa.ChunkedArray) else None
    if library == "polars":
        pl = sys.modules["polars"]
        return value.clone() if kind in (pl.DataFrame, pl.Series) else None
    if library == "pandas":
        return _pandas(value)
    return None


def _pandas(value: Any) -> object | None:
    pd: Any = sys.modules["pandas"]
    if int(pd.__version__.partition(".")[0]) < 3:
        return None
    kind = type(value)
    if kind is pd.DataFrame:
        if value.shape[1] > MAX_COLUMNS:
            return None
        # Not ``dtypes``, which makes a Series of them and takes 20 times as long.
        blocks = getattr(value._mgr, "blocks", None)  # private, the same in pandas 1.4 to 3.1
        types = value.dtypes if blocks is None else [block.dtype for block in blocks]
    elif kind is pd.Series:
        types = (value.dtype,)
    else:
        return None
    # Labels may be objects as well: what is hashed by pandas does not change.
    if not all(map(_is_still, types)):
        return None
    return kind(value)  # type: ignore[no-any-return]  # a shallow copy, without what `copy` hands on


MAX_COLUMNS: Final = 10_000
"""A table of more has little in each, and looking at all their types takes its time."""


def _is_still(type_: Any) -> bool:
    """Whether the cells of a column of this type are values, and no objects of Python's."""
    kind = getattr(type_, "kind", "O")
    if kind != "O":
        return True
    name = type(type_).__name__
    return (
        name in ("ArrowDtype", "CategoricalDtype", "PeriodDtype", "IntervalDtype")
        or (name == "StringDtype" and type_.storage == "pyarrow")
    )  # fmt: skip

"""Columns as lists of Python's own values: for a few of them neither NumPy nor pyarrow has to be
loaded, which takes 0.1 s (sections 3 and 4)."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from otelprov.artifacts.digest import Block, Form, NoCanonicalForm, little_endian, timestamp_type

_Write = Callable[[list[Any], Block], None]

_CODES: Final = {
    "Int8": "b", "Int16": "h", "Int32": "i", "Int64": "q",
    "UInt8": "B", "UInt16": "H", "UInt32": "I", "UInt64": "Q",
}  # fmt: skip
_WIDTHS: Final = ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))
"""Of lengths."""


def polars_form(name: str, type_: Any) -> Form | None:
    """The form of lists of the physical values of a Polars type; None where Arrow has to be asked.

    Dates and times are whole numbers then, and None is what is missing.

    Raises:
        NoCanonicalForm: for a type that has none.
    """
    kind = type(type_).__name__
    unit, zone = getattr(type_, "time_unit", None), getattr(type_, "time_zone", None)
    try:
        return _form(kind, unit, zone)
    except NoCanonicalForm as error:
        raise NoCanonicalForm(f"column {name!r}: {error}") from None


@lru_cache(maxsize=128)
def _form(kind: str, unit: str | None, zone: str | None) -> Form | None:
    little_endian()
    type_, write, missing = kind.lower(), _integers(_CODES.get(kind, "q")), 0  # type: Any, Any, Any
    if kind in ("Float32", "Float64"):
        write = _floats("f" if kind == "Float32" else "d")
    elif kind == "Boolean":
        type_, write = "bool", _bools
    elif kind == "String":
        write, missing = _strings, ""
    elif kind == "Binary":
        write, missing = _binary, b""
    elif kind == "Date":
        write = _integers("i")
    elif kind == "Time":
        type_ = "time[ns]"
    elif kind == "Datetime" and unit:
        type_ = timestamp_type(unit, zone)
    elif kind == "Duration" and unit:
        type_ = f"duration[{unit}]"
    elif kind not in _CODES:
        return None
    return Form(type_.encode(), _some(write, missing), lambda pieces: list(chain(*pieces)))


def _some(write: _Write, missing: Any) -> _Write:
    """Values and which of them are there, then the counts."""

    def write_column(values: list[Any], block: Block) -> None:
        rows, nulls = len(values), values.count(None)
        if nulls == rows:
            block.nothing(rows)
        elif nulls:
            write([missing if value is None else value for value in values], block)
            block.counts(rows, nulls, _bits(value is not None for value in values))
        else:
            write(values, block)
            block.counts(rows)

    return write_column


def _bits(values: Iterable[Any]) -> bytes:
    """Truth as bits, the first in the lowest bit of the first byte."""
    digits = "".join(["1" if value else "0" for value in values])
    return int(digits[::-1], 2).to_bytes((len(digits) + 7) // 8, "little")


def _integers(code: str) -> _Write:
    return lambda values, block: block.write(array(code, values).tobytes())


def _floats(code: str) -> _Write:
    def write(values: list[float], block: Block) -> None:
        if any(map(math.isnan, values)):  # there is one NaN only (section 4.2)
            values = [value if value == value else math.nan for value in values]
        block.write(array(code, values).tobytes())

    return write


def _bools(values: list[bool], block: Block) -> None:
    block.write(_bits(values))


def _strings(values: list[str], block: Block) -> None:
    _binary([value.encode() for value in values], block)


def _binary(values: list[bytes], block: Block) -> None:
    block.write(b"".join(values))
    lengths = list(map(len, values))
    width, code = next(one for one in _WIDTHS if max(lengths) < 1 << 8 * one[0])
    block.write(array(code, lengths).tobytes() + bytes((width,)))

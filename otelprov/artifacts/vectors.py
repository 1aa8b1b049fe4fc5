"""Columns of NumPy vectors, read with pandas' meaning: NaN and NaT are null (section 7)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from otelprov.artifacts.digest import (
    Block,
    Form,
    NoCanonicalForm,
    has_nan,
    little_endian,
    scaled,
    timestamp_type,
)


def numpy_form(name: str, dtype: Any, *, zone: str | None = None) -> Form:
    """The form of NumPy vectors, with pandas' meaning: NaN and NaT are null (section 7).

    ``zone`` makes a timestamp of UTC instants of it.

    Raises:
        NoCanonicalForm: for a type that has none.
    """
    try:
        return _form(dtype, zone)
    except NoCanonicalForm as error:
        raise NoCanonicalForm(f"column {name!r}: {error}") from None


@lru_cache(maxsize=512)
def _form(dtype: Any, zone: str | None) -> Form:
    little_endian()
    kind, width = dtype.kind, dtype.itemsize
    write: Callable[[Any, Block], None]
    if kind == "b":
        type_, write = "bool", _numpy_bool
    elif kind in "iu":
        type_, write = f"{'u' if kind == 'u' else ''}int{8 * width}", _numpy_fixed
    elif kind == "f" and width <= 8:
        type_, write = f"float{8 * width}", _numpy_float
    elif kind == "c" and width <= 16:
        type_, write = f"complex{8 * width}", _numpy_float
    elif kind in "mM":
        type_, write = _numpy_time(dtype, zone)
    else:
        raise NoCanonicalForm(f"NumPy type {dtype} has no canonical form")
    return Form(type_.encode(), write, _numpy_join)


def _numpy_join(pieces: list[Any]) -> Any:
    import numpy

    return numpy.concatenate(pieces)


def _little(values: Any) -> Any:
    """The values side by side, in little-endian order."""
    if values.dtype.isnative and values.flags.c_contiguous:  # see ``little_endian``
        return values
    import numpy

    return numpy.ascontiguousarray(values, values.dtype.newbyteorder("<"))


def _numpy_fixed(values: Any, block: Block) -> None:
    block.write(_little(values))
    block.counts(len(values))


def _numpy_bool(values: Any, block: Block) -> None:
    import numpy

    block.write(numpy.packbits(values, bitorder="little"))
    block.counts(len(values))


def _numpy_float(values: Any, block: Block) -> None:
    values = _little(values)
    valid = None
    width = values.dtype.itemsize
    if len(values) and (width == 2 or has_nan(values)):  # for float16 there is no hardware
        valid = values == values
    if width == 16:
        _some(values.view("<i8").reshape(-1, 2), valid, block)
    else:
        _some(values.view(f"<i{width}"), valid, block)


def _numpy_instants(values: Any, block: Block, *, scale: int = 1) -> None:
    values = _little(values).view("<i8")
    valid = None
    if len(values) and int(values.min()) == _NAT:
        valid = values != _NAT
        values = values * valid
    _some(scaled(values, scale), valid, block)


def _some(values: Any, valid: Any, block: Block) -> None:
    """Values and which of them are not null; those that are, are written as zero."""
    rows = len(values)
    if valid is not None:
        if not valid.any():
            block.nothing(rows)
            return
        if valid.all():
            valid = None
        else:
            values = values * (valid[:, None] if values.ndim == 2 else valid)
    block.write(values if values.ndim == 1 else values.reshape(-1))
    block.end(rows, valid)


_NAT: Final = -(1 << 63)


def _numpy_seconds(values: Any, block: Block) -> None:
    _numpy_instants(values, block, scale=1000)


def _numpy_time(dtype: Any, zone: str | None) -> tuple[str, Callable[[Any, Block], None]]:
    import numpy

    unit, count = numpy.datetime_data(dtype)
    if unit not in ("s", "ms", "us", "ns") or count != 1:
        raise NoCanonicalForm(f"NumPy type {dtype} has no canonical form")
    if dtype.kind == "m":
        return f"duration[{unit}]", _numpy_instants
    type_ = timestamp_type(unit, zone)
    return type_, _numpy_seconds if unit == "s" else _numpy_instants

"""NumPy arrays (section 8): type, shape and elements in C order, whatever the strides are."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any, Final

from otelprov.artifacts import classes
from otelprov.artifacts.digest import NoCanonicalForm, hasher, text

_U64: Final = struct.Struct("<Q")
_CHUNK: Final = 65_536


def is_array(value: object) -> bool:
    """Whether ``digest`` is meant for it. Other subclasses hold more than their elements."""
    kind = type(value)
    if classes.module(kind).partition(".")[0] != "numpy":
        return False
    import numpy

    return issubclass(kind, numpy.ndarray)


def digest(array: Any) -> bytes:
    """32 bytes for the content of an array.

    Raises:
        NoCanonicalForm: for a type of element that has none.
    """
    import numpy

    if type(array) not in (
        numpy.ndarray, numpy.memmap, numpy.matrix, numpy.recarray, numpy.ma.MaskedArray,
    ):  # fmt: skip
        raise NoCanonicalForm(f"a {type(array).__qualname__} has no canonical form")
    out = hasher("array")
    type_ = type_name(array.dtype)
    out.update(_U64.pack(len(type_)) + type_ + _U64.pack(array.ndim))
    out.update(struct.pack(f"<{array.ndim}Q", *array.shape))
    if isinstance(array, numpy.ma.MaskedArray):
        mask = numpy.ma.getmaskarray(array)
        if mask.dtype.names:
            raise NoCanonicalForm("a masked array of records has no canonical form")
        array = numpy.ma.getdata(array).copy()
        array[mask] = numpy.zeros((), array.dtype)[()]  # what is under the mask is not content
        out.update(text("masked"))
        write_elements(mask, out)
    write_elements(numpy.asarray(array), out)
    return out.digest()


def type_name(dtype: Any) -> bytes:
    """NumPy's name of the type without byte order, padding and offsets.

    Raises:
        NoCanonicalForm: for a type that has none.
    """
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return b"(%s)%s" % (",".join(map(str, shape)).encode(), type_name(base))
    if dtype.names is not None:
        return b"{%s}" % b";".join(text(name) + type_name(dtype[name]) for name in dtype.names)
    return _scalar_name(dtype).encode()


def _scalar_name(dtype: Any) -> str:
    if dtype.kind in "biuOSUV" or (dtype.kind == "f" and dtype.itemsize <= 8):
        return f"{dtype.kind}{'' if dtype.kind == 'O' else dtype.itemsize}"
    if dtype.kind == "c" and dtype.itemsize <= 16:
        return f"c{dtype.itemsize}"
    if dtype.kind in "mM":
        import numpy

        unit, count = numpy.datetime_data(dtype)
        return f"{dtype.kind}8[{count}{unit}]"
    if dtype.kind == "T":
        return "T"
    raise NoCanonicalForm(f"NumPy type {dtype} has no canonical form")


def write_elements(array: Any, out: Any) -> None:
    """The elements of an array into a hasher, in C order."""
    dtype = array.dtype
    if dtype.names is not None:
        for name in dtype.names:
            write_elements(array[name], out)
        return
    if dtype.kind in "OT":
        from otelprov.artifacts.values import canonical_digest

        for values in _chunks(array):
            for value in values.tolist():
                out.update(canonical_digest(value))
        return
    floats = dtype.kind in "fc"
    for values in _chunks(array):
        if floats:
            largest = values.max()  # NaN if there is one
            if largest != largest:
                values = _one_nan(values)
        out.update(values.astype(dtype.newbyteorder("<"), copy=False).view("u1"))


def _one_nan(values: Any) -> Any:
    import numpy

    values = numpy.array(values, values.dtype.newbyteorder("="))
    parts = values.view(f"f{values.dtype.itemsize // 2}") if values.dtype.kind == "c" else values
    parts[numpy.isnan(parts)] = numpy.nan
    return values


def _chunks(array: Any) -> Iterator[Any]:
    """The elements in C order, some at a time, as contiguous vectors."""
    import numpy

    if array.flags.c_contiguous:
        flat = array.reshape(-1)
        for start in range(0, flat.size, _CHUNK):
            yield flat[start : start + _CHUNK]
        return
    row = math.prod(array.shape[1:])  # not array[0].size: an element may be any object
    if row > _CHUNK:
        for part in array:
            yield from _chunks(part)
        return
    for start in range(0, len(array), _CHUNK // row):
        yield numpy.ascontiguousarray(array[start : start + _CHUNK // row]).reshape(-1)

"""Sparse matrices of SciPy (section 12): what they stand for, in whatever format they are kept."""

from __future__ import annotations

import struct
import sys
from typing import Any, Final

from otelprov.artifacts import arrays, classes
from otelprov.artifacts.digest import NoCanonicalForm, hasher, text

_BLOCK: Final = 65_536
_U64: Final = struct.Struct("<Q")


def is_sparse(value: object) -> bool:
    """Whether ``digest`` is meant for it: SciPy's own classes, not what inherits from them."""
    sparse: Any = sys.modules.get("scipy.sparse")
    if sparse is None or not hasattr(sparse, "spmatrix"):
        return False
    bases = tuple(base for name in ("spmatrix", "sparray") if (base := getattr(sparse, name, None)))
    kind = type(value)
    return issubclass(kind, bases) and classes.library(kind) == "scipy"


def digest(matrix: Any) -> bytes:
    """32 bytes for shape, type and elements. Does not change the matrix, not even its flags.

    Raises:
        NoCanonicalForm: for a type of element that has none.
    """
    coordinates, values = _elements(matrix)
    out = hasher("array")
    type_ = arrays.type_name(values.dtype)
    out.update(text("sparse") + _U64.pack(len(type_)) + type_ + _U64.pack(len(matrix.shape)))
    out.update(struct.pack(f"<{len(matrix.shape)}Q", *matrix.shape))
    out.update(_U64.pack(len(values)))
    for start in range(0, len(values), _BLOCK):
        block = slice(start, start + _BLOCK)
        for places in coordinates:
            out.update(places[block].astype("<u8", order="C").view("u1"))
        arrays.write_elements(values[block], out)
    return out.digest()


def _elements(matrix: Any) -> tuple[list[Any], Any]:
    """Coordinates in each dimension, in C order, and values: without duplicates and zeros."""
    import numpy

    if hasattr(matrix, "indptr"):
        # One of the same buffers: asked for its elements, a matrix notes how they are ordered, and
        # would believe that note after the user's code has changed its indices.
        parts = (matrix.data, matrix.indices, matrix.indptr)
        matrix = type(matrix)(parts, shape=matrix.shape, copy=False)
    coo = matrix.tocoo(copy=False)
    places = list(coo.coords) if hasattr(coo, "coords") else [coo.row, coo.col]  # scipy 1.13
    values = coo.data
    if values.dtype.kind not in "biufc":
        raise NoCanonicalForm(f"a sparse matrix of {values.dtype} has no canonical form")
    if not len(values):
        return places, values
    order, first = _order(places, matrix.shape)
    if order is not None:
        values, places = values[order], [place[order] for place in places]
    if not first.all():  # duplicates stand for their sum
        values = numpy.add.reduceat(values, numpy.flatnonzero(first), dtype=values.dtype)
        places = [place[first] for place in places]
    kept = values != 0
    if not kept.all():
        values, places = values[kept], [place[kept] for place in places]
    return places, values


def _order(places: list[Any], shape: tuple[int, ...]) -> tuple[Any, Any]:
    """What brings the elements into C order, None if they are in it; then which of them stand at
    another place than the one before."""
    import numpy

    if numpy.prod([float(size) for size in shape]) < 2.0**62:
        flat = numpy.zeros(len(places[0]), "i8")
        for place, size in zip(places, shape, strict=True):
            flat *= size
            flat += place
        if (flat[1:] >= flat[:-1]).all():
            order = None
        else:
            order = numpy.argsort(flat, kind="stable")
            flat = flat[order]
        changed = flat[1:] != flat[:-1]
    else:
        order = numpy.lexsort(places[::-1])
        changed = numpy.zeros(len(order) - 1, "?")
        for place in places:
            changed |= place[order][1:] != place[order][:-1]
    return order, numpy.concatenate(([True], changed))

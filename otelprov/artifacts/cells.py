"""Which cells of two columns differ: the closer look at the blocks that do."""

from __future__ import annotations

from typing import Any, Final

from otelprov.artifacts.arrow import arrow_column, arrow_form, join_arrays

_KINDS: Final = (("is_integer", "is_floating", "is_decimal"), ("is_timestamp", "is_date"))
"""Types whose values can be compared although the types differ, by ``pyarrow.types``."""


class Incomparable(Exception):
    """Values of two types that no exact conversion leads between; the message names both."""


def differing(a: list[Any], b: list[Any], field_a: Any, field_b: Any) -> Any:
    """For each row, whether the values differ: a NumPy vector of bools.

    ``a`` and ``b`` are the Arrow arrays that a column's rows consist of, as many rows of each.
    Equal is what section 4 of docs/artifact-identity.md gives one form: NaN equals NaN and null
    null, 0.0 and -0.0 differ. Columns of different types are compared by their values if an exact
    conversion leads from one to the other.

    Raises:
        Incomparable: none does.
        NoCanonicalForm: for values that have no canonical form.
    """
    first, second = _joined(a), _joined(b)
    if arrow_form("", field_a).type != arrow_form("", field_b).type:
        first, second = _converted(first, second)
        field_a = field_b = _field(first)
    flat = _flat(first, second)
    return _by_digest(first, second, field_a, field_b) if flat is None else flat


def _joined(pieces: list[Any]) -> Any:
    return pieces[0] if len(pieces) == 1 else join_arrays(pieces)


def _field(array: Any) -> Any:
    import pyarrow

    return pyarrow.field("", array.type)


def _flat(a: Any, b: Any) -> Any:
    """By Arrow's own comparison, where it means the same; None where it does not."""
    import numpy
    import pyarrow
    from pyarrow import compute, types

    if types.is_dictionary(a.type) or types.is_dictionary(b.type):
        a, b = _decoded(a), _decoded(b)
    simple = (
        types.is_integer, types.is_boolean, types.is_temporal, types.is_floating,
        types.is_string, types.is_large_string, types.is_binary, types.is_large_binary,
    )  # fmt: skip
    if not (any(is_(a.type) for is_ in simple) and any(is_(b.type) for is_ in simple)):
        return None
    if types.is_interval(a.type) or types.is_interval(b.type):
        return None
    try:
        if a.type != b.type:
            b = b.cast(a.type)
        nulls = numpy.asarray(a.is_null()) != numpy.asarray(b.is_null())
        if types.is_floating(a.type):
            return nulls | _floats_differ(a, b)
        values = compute.fill_null(compute.not_equal(a, b), False)
        return nulls | values.to_numpy(zero_copy_only=False)
    except pyarrow.ArrowException:
        return None


def _floats_differ(a: Any, b: Any) -> Any:
    """By their bits, which tell 0.0 from -0.0; every NaN is one."""
    import numpy

    width = a.type.bit_width // 8
    both = ~(numpy.asarray(a.is_null()) | numpy.asarray(b.is_null()))
    # A null becomes NaN here, and is no matter of the values.
    first, second = (
        numpy.asarray(one.to_numpy(zero_copy_only=False), dtype=f"f{width}") for one in (a, b)
    )
    bits = first.view(f"i{width}") != second.view(f"i{width}")
    return both & bits & ~(numpy.isnan(first) & numpy.isnan(second))


def _decoded(array: Any) -> Any:
    from pyarrow import types

    return array.dictionary_decode() if types.is_dictionary(array.type) else array


def _by_digest(a: Any, b: Any, field_a: Any, field_b: Any) -> Any:
    """By the digest of each half, of each half of those that differ, and so on to the cells."""
    import numpy

    found = numpy.zeros(len(a), dtype=bool)
    waiting = [(0, len(a))]
    while waiting:
        start, length = waiting.pop()
        if _digest(a.slice(start, length), field_a) == _digest(b.slice(start, length), field_b):
            continue
        if length == 1:
            found[start] = True
            continue
        half = length // 2
        waiting += [(start, half), (start + half, length - half)]
    return found


def _digest(array: Any, field: Any) -> str:
    column = arrow_column("", field)
    column.add(array)
    return column.digest().digest


def _converted(a: Any, b: Any) -> tuple[Any, Any]:
    """Both as values of one type, without loss."""
    import pyarrow
    from pyarrow import types

    a, b = _decoded(a), _decoded(b)
    for kinds in _KINDS:
        if not all(any(getattr(types, kind)(one.type) for kind in kinds) for one in (a, b)):
            continue
        zones = [bool(getattr(one.type, "tz", None)) for one in (a, b)]
        if zones[0] != zones[1]:
            break
        for source, target in ((a, b), (b, a)):
            try:
                made = source.cast(target.type, safe=True)
                back = made.cast(source.type, safe=True)
            except pyarrow.ArrowException:
                continue
            if not differing([back], [source], _field(source), _field(source)).any():
                return (made, b) if source is a else (a, made)
    raise Incomparable(f"values of {a.type} and of {b.type} cannot be compared")

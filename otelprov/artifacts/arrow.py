"""Columns of Arrow arrays: the canonical name of a type, and the canonical form of its values."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, Final

from otelprov._record import record
from otelprov.artifacts.digest import (
    FEW,
    Block,
    Column,
    Form,
    NoCanonicalForm,
    little_endian,
    scaled,
    timestamp_type,
)

_Write = Callable[[Any, Block], None]
_WriteAll = Callable[[Sequence[Any], Block], None]


@record
class _Plan:
    """What there is to know about an Arrow type: its canonical name, and how it is written.

    ``write_all`` writes several arrays as if they were one.
    """

    type: bytes
    write: _Write
    write_all: _WriteAll | None = None


def arrow_form(name: str, field: Any) -> Form:
    """The form of a column of arrays of a ``pyarrow.Field``, or of a type if nothing more is known.

    Raises:
        NoCanonicalForm: for a type that has none.
    """
    import pyarrow

    type_ = field.type if isinstance(field, pyarrow.Field) else field
    try:
        # Not for extension types: their ``__eq__`` and ``__hash__`` may be the user's.
        if not _is_nested(type_) and (type_ is field or not field.metadata):
            return _flat_form(type_)
        plan = _type_plan(type_) if type_ is field else _plan(field)
    except NoCanonicalForm as error:
        raise NoCanonicalForm(f"column {name!r}: {error}") from None
    write = _as_joined(type_, plan.write)
    if type_.num_fields:
        write = _checked(write)
    return Form(plan.type, write, join_arrays, plan.write_all)


def arrow_column(name: str, field: Any) -> Column:
    """A column of such arrays."""
    return Column(name, arrow_form(name, field))


@lru_cache(maxsize=512)
def _flat_form(type_: Any) -> Form:
    from pyarrow import types

    plan = _flat_plan(type_)
    write = plan.write if types.is_primitive(type_) else _as_joined(type_, plan.write)
    return Form(plan.type, write, join_arrays, plan.write_all)


def _as_joined(type_: Any, write: _Write) -> _Write:
    """Write arrays of this type, and what ``join_arrays`` may make of pieces of it: wider ones."""

    def write_joined(array: Any, block: Block) -> None:
        (write if array.type == type_ else _type_plan(array.type).write)(array, block)

    return write_joined


def _checked(write: _Write) -> _Write:
    """Look at the lengths first: an array whose children are too short aborts the process when it
    is used, and casts make such arrays of nested nulls (pyarrow 26.0.1)."""

    def checked(array: Any, block: Block) -> None:
        import pyarrow

        try:
            array.validate()
        except pyarrow.ArrowException:
            raise NoCanonicalForm("the Arrow array is not valid") from None
        write(array, block)

    return checked


def join_arrays(pieces: list[Any]) -> Any:
    """One array of several of a type, also where their dictionaries differ."""
    import pyarrow

    type_ = pieces[0].type
    if not _has_half_dictionary(type_):
        try:
            return pyarrow.concat_arrays(pieces)
        except pyarrow.ArrowException:
            pass  # strings of more than 2 GiB in one block, or nested dictionaries that differ
    plain = _plain(type_)
    return pyarrow.concat_arrays([piece.cast(plain) for piece in pieces])


def _has_half_dictionary(type_: Any) -> bool:
    """Whether pyarrow would make one dictionary of several with float16: it writes the bits of each
    value as a number then, 15,360.0 for 1.0 (26.0.1)."""
    from pyarrow import types

    if types.is_dictionary(type_):
        return bool(types.is_float16(type_.value_type))
    return any(_has_half_dictionary(type_.field(i).type) for i in range(type_.num_fields))


def _plain(type_: Any) -> Any:
    """The type with wide offsets and without dictionaries."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_dictionary(type_):
        return _plain(type_.value_type)
    if types.is_string(type_) or _is_view("string", type_):
        return pa.large_string()
    if types.is_binary(type_) or _is_view("binary", type_):
        return pa.large_binary()
    if types.is_fixed_size_list(type_):
        return pa.list_(_plain(type_.value_type), type_.list_size)
    if types.is_map(type_):
        return pa.map_(_plain(type_.key_type), _plain(type_.item_type))
    if _is_list(type_):
        return pa.large_list(_plain(type_.value_type))
    if types.is_struct(type_):
        return pa.struct([child.with_type(_plain(child.type)) for child in type_])
    return type_


def _is_list(type_: Any) -> bool:
    from pyarrow import types

    return bool(
        types.is_list(type_)
        or types.is_large_list(type_)
        or _is_view("list", type_)
        or _is_view("large_list", type_)
    )


def _is_view(kind: str, type_: Any) -> bool:
    """pyarrow has views since version 16."""
    from pyarrow import types

    check = getattr(types, f"is_{kind}_view", None)
    return check is not None and bool(check(type_))


def _plan(field: Any) -> _Plan:
    if field.metadata and b"ARROW:extension:name" in field.metadata:
        # An extension type that this process has not registered arrives as its storage.
        name = field.metadata[b"ARROW:extension:name"]
        parameters = field.metadata.get(b"ARROW:extension:metadata", b"")
        storage = _type_plan(field.type)
        return _Plan(_extension(name, parameters, storage.type), storage.write)
    return _type_plan(field.type)


def _type_plan(type_: Any) -> _Plan:
    """Section 3: the canonical name of a type; section 4: the form of its values."""
    import pyarrow as pa

    if not _is_nested(type_):
        return _flat_plan(type_)
    from pyarrow import types  # not before: for a small table it counts

    if isinstance(type_, pa.BaseExtensionType):
        name, parameters = _extension_metadata(type_)
        storage = _type_plan(type_.storage_type)
        return _Plan(
            _extension(name, parameters, storage.type),
            lambda array, block: storage.write(array.storage, block),
        )
    if types.is_dictionary(type_):
        values = _type_plan(type_.value_type)
        return _Plan(values.type, lambda array, block: values.write(_decoded(array), block))
    if types.is_run_end_encoded(type_):
        values = _type_plan(type_.value_type)
        return _Plan(values.type, lambda array, block: values.write(_expanded(array), block))
    if types.is_map(type_):
        return _map(type_)
    if types.is_fixed_size_list(type_) or _is_list(type_):
        return _list(type_)
    if types.is_struct(type_):
        return _struct(type_)
    return _flat_plan(type_)  # a union, which has none


def _is_nested(type_: Any) -> bool:
    """Whether a type has others in it, or is made of another."""
    import pyarrow as pa

    nested = (pa.BaseExtensionType, pa.DictionaryType, pa.StructType)  # a struct may have no fields
    return bool(type_.num_fields) or isinstance(type_, nested)


@lru_cache(maxsize=512)  # not for nested types: two are equal that differ in their fields' metadata
def _flat_plan(type_: Any) -> _Plan:
    from pyarrow import types

    little_endian()
    if types.is_null(type_):
        return _Plan(b"null", lambda array, block: block.nothing(len(array)))
    if types.is_boolean(type_):
        return _flat("bool", _write_bools)
    if types.is_integer(type_):
        return _fixed(str(type_), type_.bit_width // 8)
    if types.is_floating(type_):
        width = type_.bit_width // 8
        return _fixed(f"float{8 * width}", width, _write_floats(f"<f{width}"))
    if types.is_decimal(type_):
        return _decimal(type_)
    if types.is_temporal(type_):
        return _temporal(type_)
    if types.is_string(type_) or types.is_large_string(type_) or _is_view("string", type_):
        return _flat("string", _write_strings)
    if types.is_binary(type_) or types.is_large_binary(type_) or _is_view("binary", type_):
        return _flat("binary", _write_strings)
    if types.is_fixed_size_binary(type_):
        return _fixed(f"binary[{type_.byte_width}]", type_.byte_width)
    raise NoCanonicalForm(f"Arrow type {type_} has no canonical form")


def _extension(name: bytes, parameters: bytes, storage: bytes) -> bytes:
    return b"extension{%d:%s,%d:%s,%s}" % (
        len(name), name, len(parameters), parameters, storage,
    )  # fmt: skip


def _extension_metadata(type_: Any) -> tuple[bytes, bytes]:
    """Name and parameters, as any other reader of the Arrow C data interface gets them.

    pyarrow has no method that says them for the types that are defined in C++ (24.0 to 26.0).
    """
    import ctypes

    capsule = type_.__arrow_c_schema__()
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    # struct ArrowSchema { const char *format, *name, *metadata; ... }
    fields = ctypes.cast(pointer(capsule, b"arrow_schema"), ctypes.POINTER(ctypes.c_void_p))
    address = fields[2]
    metadata: dict[bytes, bytes] = {}
    if address:

        def number() -> int:
            nonlocal address
            value = ctypes.c_int32.from_address(address).value
            address += 4
            return value

        def string() -> bytes:
            nonlocal address
            length = number()
            value = ctypes.string_at(address, length)
            address += length
            return value

        for _ in range(number()):
            key = string()
            metadata[key] = string()
    name = metadata.get(b"ARROW:extension:name", type_.extension_name.encode())
    return name, metadata.get(b"ARROW:extension:metadata", b"")


def _decoded(array: Any) -> Any:
    import pyarrow

    if not isinstance(array.type, pyarrow.DictionaryType):
        return array  # it was decoded as pieces were joined
    try:
        return array.dictionary_decode()
    except pyarrow.ArrowException:  # strings of more than 2 GiB in one block, or views
        return array.dictionary.cast(_plain(array.type)).take(array.indices)


def _expanded(array: Any) -> Any:
    import pyarrow.compute

    return pyarrow.compute.run_end_decode(array)


def _bitmap(buffer: Any, offset: int, rows: int) -> Any:
    """Bits of a buffer as bytes: the first in the lowest bit of the first, zeros after the last."""
    import numpy

    first, shift = divmod(offset, 8)
    packed = numpy.frombuffer(buffer, "u1", (shift + rows + 7) // 8, first)
    if shift:
        low = packed[: (rows + 7) // 8] >> shift
        low[: len(packed) - 1] |= packed[1:] << (8 - shift)
        packed = low
    if rows % 8:
        last = (1 << rows % 8) - 1
        if packed[-1] > last:
            packed = packed.copy()
            packed[-1] &= last
    return packed


def _bits(packed: Any, rows: int) -> Any:
    """A bitmap as booleans."""
    import numpy

    return numpy.unpackbits(packed, count=rows, bitorder="little").view("?")


def _validity(array: Any) -> Any:
    """The bitmap of what is not null."""
    return _bitmap(array.buffers()[0], array.offset, len(array))


def _valid(array: Any) -> Any:
    """Which values are not null; None if all are."""
    return _bits(_validity(array), len(array)) if array.null_count else None


def _empty(array: Any, block: Block) -> bool:
    """Whether there is nothing but nulls, which is then written."""
    rows = len(array)
    if array.null_count < rows:
        return False
    block.nothing(rows)
    return True


def _flat(name: str, write_values: _WriteAll) -> _Plan:
    """A plan for types without children; ``write_values`` writes what comes before the bitmap."""

    def write(array: Any, block: Block) -> None:
        rows, nulls = len(array), array.null_count
        if not nulls and rows:
            write_values((array,), block)
            block.counts(rows)
            return
        if nulls == rows:
            block.nothing(rows)
            return
        write_values((array,), block)
        block.counts(rows, nulls, _validity(array))

    def write_all(arrays: Sequence[Any], block: Block) -> None:
        rows, nulls = sum(map(len, arrays)), sum(array.null_count for array in arrays)
        if nulls == rows:
            block.nothing(rows)
            return
        write_values(arrays, block)
        if nulls:
            import numpy

            parts = [_valid(array) for array in arrays]
            for i, array in enumerate(arrays):
                if parts[i] is None:
                    parts[i] = numpy.ones(len(array), "?")
            block.end(rows, numpy.concatenate(parts))
        else:
            block.counts(rows)

    return _Plan(name.encode(), write, write_all)


def _fixed(
    name: str, width: int, write: Callable[[Any, Block], None] = lambda v, b: b.write(v)
) -> _Plan:
    """Values of ``width`` bytes each. ``write`` gets their bytes, zero where null."""

    def write_values(arrays: Sequence[Any], block: Block) -> None:
        import numpy

        if not width:
            return
        for array in arrays:
            rows = len(array)
            data = numpy.frombuffer(array.buffers()[1], "u1", rows * width, array.offset * width)
            write(_zeroed(data, array, width) if array.null_count else data, block)

    return _flat(name, write_values)


def _zeroed(data: Any, array: Any, width: int) -> Any:
    """Bytes of values with zeros for the nulls, which is what most producers leave there."""
    import numpy

    rows, bitmap = len(array), _validity(array)
    if width in (1, 2, 4, 8) and array.null_count * 32 > rows:
        # To look for what is under the nulls takes longer than this.
        return (data.view(f"<i{width}") * _bits(bitmap, rows)).view("u1")
    values = data.reshape(rows, width)
    places = numpy.flatnonzero(_bits(~bitmap, rows))
    if values[places].any():
        values = values.copy()
        values[places] = 0
    return values.reshape(-1)


def _write_floats(dtype: str) -> Callable[[Any, Block], None]:
    return lambda values, block: block.floats(values.view(dtype))


def _write_bools(arrays: Sequence[Any], block: Block) -> None:
    import numpy

    parts = []
    for array in arrays:
        values = _bitmap(array.buffers()[1], array.offset, len(array))
        parts.append(values & _validity(array) if array.null_count else values)
    if len(parts) > 1:
        bits = [_bits(part, len(array)) for part, array in zip(parts, arrays, strict=True)]
        parts = [numpy.packbits(numpy.concatenate(bits), bitorder="little")]
    block.write(parts[0])


# --- strings --------------------------------------------------------------------------------------


def _write_strings(arrays: Sequence[Any], block: Block) -> None:
    """Strings and binary in any layout."""
    import numpy

    lengths = [_write_bytes(array, block) for array in arrays]
    block.lengths(lengths[0] if len(lengths) == 1 else numpy.concatenate(lengths))


def _write_bytes(array: Any, block: Block) -> Any:
    """Writes the bytes of all strings of an array, and returns their lengths."""
    if array.type.id in _views():  # not the column's type: what was decoded may have another
        return _write_views(array, block)
    lengths, first, last, hidden = _spans(array, _valid(array))
    if hidden:
        array = array.drop_null()
        _, first, last, _ = _spans(array, None)
    if last > first:
        _write_range(array.buffers()[2], first, last, block)
    return lengths


def _write_range(buffer: Any, first: int, last: int, block: Block) -> None:
    import numpy

    block.write(numpy.frombuffer(buffer, "u1", last - first, first))


def _spans(array: Any, valid: Any) -> tuple[Any, int, int, bool]:
    """From the offsets of strings or lists: lengths, zero where null; first and last offset; and
    whether something lies under nulls."""
    import numpy

    rows, buffer = len(array), array.buffers()[1]
    if not rows or not buffer:
        return numpy.zeros(rows, "<i4"), 0, 0, False
    width = 8 if array.type.id in _wide() else 4
    offsets = numpy.frombuffer(buffer, f"<i{width}", rows + 1, array.offset * width)
    lengths = offsets[1:] - offsets[:-1]
    hidden = False
    if valid is not None:
        kept = lengths * valid
        hidden = not numpy.array_equal(kept, lengths)
        lengths = kept
    return lengths, int(offsets[0]), int(offsets[-1]), hidden


@cache
def _wide() -> frozenset[int]:
    """The types whose offsets have eight bytes."""
    import pyarrow as pa

    return frozenset({pa.large_string().id, pa.large_binary().id, pa.large_list(pa.null()).id})


@cache
def _views() -> frozenset[int]:
    import pyarrow as pa

    return frozenset(
        getattr(pa, name)().id for name in ("string_view", "binary_view") if hasattr(pa, name)
    )


_FEW_STRINGS: Final = 1_000
_FEW_BYTES: Final = 1 << 20
"""Strings in views, and bytes in all of their buffers, that become Python's on their way."""
_INLINE: Final = 12
"""Bytes of a string that a view holds itself."""


def _write_views(array: Any, block: Block) -> Any:
    """Views: 16 bytes for each string, its length in the first four.

    A string of up to 12 bytes follows in the view. Of a longer one follow four bytes of it, the
    number of a buffer and the place in that.
    """
    import numpy

    rows = len(array)
    buffers = array.buffers()
    data = numpy.frombuffer(buffers[1], "u1", 16 * rows, 16 * array.offset)
    if array.null_count:
        data = _zeroed(data, array, 16)  # a view of zeros is an empty string
    views = data.view("<u4").reshape(rows, 4)
    lengths = views[:, 0].copy()
    few = lengths.tolist() if rows <= FEW else (int(lengths.max()), int(lengths.min()))
    longest, shortest = max(few), min(few)
    if shortest == longest <= _INLINE:
        if longest:
            block.write(_inline(data, rows, longest))
    elif shortest > _INLINE and _in_a_row(views, lengths):
        first, last = views[0], views[-1]
        buffer = buffers[2 + int(first[2])]
        _write_range(buffer, int(first[3]), int(last[3]) + int(last[0]), block)
    else:
        _gather(array, data, block)
    return lengths


def _gather(array: Any, data: Any, block: Block) -> None:
    """Writes the strings of these views, which are those of the array with zeros for its nulls.

    Nothing in NumPy or Polars is faster than pyarrow, which takes 4 to 9 ns a string. To make
    Python's strings of them takes 56, but no ``pyarrow.compute``, which is 44 ms to load.
    """
    import numpy
    import pyarrow as pa

    if array.null_count:
        # A cast reads what lies under nulls, and kills the process if that is no view (26.0.1).
        parts = [None, pa.py_buffer(data), *array.buffers()[2:]]
        try:
            array = pa.Array.from_buffers(array.type, len(array), parts)
        except ValueError:  # pyarrow 18 wants as many buffers as plain strings have
            valid = numpy.flatnonzero(array.is_valid()).tolist()
            array = pa.concat_arrays([array[i : i + 1] for i in valid])
    text = pa.types.is_string_view(array.type)
    if len(array) <= _FEW_STRINGS and array.nbytes <= _FEW_BYTES:
        with contextlib.suppress(UnicodeDecodeError):
            strings = array.to_pylist()
            block.write("".join(strings).encode() if text else b"".join(strings))
            return
    strings = array.cast(pa.large_string() if text else pa.large_binary())
    _, offsets, gathered = strings.buffers()
    ends = numpy.frombuffer(offsets, "<i8", len(array) + 1, 8 * strings.offset)
    _write_range(gathered, int(ends[0]), int(ends[-1]), block)


def _inline(data: Any, rows: int, length: int) -> Any:
    """The bytes of strings of one length in their views."""
    import numpy

    dtype = f"<u{length}" if length in (1, 2, 4, 8) else f"V{length}"
    return numpy.ndarray((rows,), dtype, data, 4, (16,)).copy()


def _in_a_row(views: Any, lengths: Any) -> bool:
    """Whether long strings lie in one buffer, one right after the other."""
    if views[0, 2] != views[-1, 2]:
        return False
    places = views[:, 3]
    # Both sides wrap at 2**32; places are below 2**31.
    if len(views) > 1 and places[1] != places[0] + lengths[0]:
        return False
    return bool(
        (places[1:] == places[:-1] + lengths[:-1]).all() and (views[:, 2] == views[0, 2]).all()
    )


# --- decimals and times ---------------------------------------------------------------------------


def _decimal(type_: Any) -> _Plan:
    import numpy

    name = f"decimal[{type_.precision},{type_.scale}]"
    width = type_.bit_width // 8
    if width == 16 or (width == 32 and type_.precision > 38):
        return _fixed(name, width)
    if width == 32:

        def narrow(values: Any, block: Block) -> None:
            words = values.view("<i8").reshape(-1, 4)
            if ((words[:, 1] >> 63)[:, None] != words[:, 2:]).any():
                raise NoCanonicalForm(f"a decimal has more digits than its type {type_} allows")
            block.write(numpy.ascontiguousarray(words[:, :2]).reshape(-1))

        return _fixed(name, width, narrow)

    def widen(values: Any, block: Block) -> None:
        words = numpy.empty((len(values) // width, 2), "<i8")
        words[:, 0] = values.view(f"<i{width}")
        numpy.right_shift(words[:, 0], 63, out=words[:, 1])
        block.write(words.reshape(-1))

    return _fixed(name, width, widen)


def _temporal(type_: Any) -> _Plan:
    from pyarrow import types

    if types.is_date32(type_):
        return _fixed("date", 4)
    if types.is_date64(type_):
        return _fixed("date", 8, _days)
    if types.is_time(type_):
        unit = type_.unit
        if unit == "s":
            return _fixed("time[ms]", 4, _write_scaled("<i4"))
        return _fixed(f"time[{unit}]", type_.bit_width // 8)
    if types.is_timestamp(type_):
        name = timestamp_type(type_.unit, type_.tz)
        return _fixed(name, 8, _write_scaled("<i8")) if type_.unit == "s" else _fixed(name, 8)
    if types.is_duration(type_):
        return _fixed(f"duration[{type_.unit}]", 8)
    if types.is_interval(type_) and type_.bit_width == 128:
        return _fixed("interval[month,day,nano]", 16)
    raise NoCanonicalForm(f"Arrow type {type_} has no canonical form")


def _write_scaled(dtype: str) -> Callable[[Any, Block], None]:
    return lambda values, block: block.write(scaled(values.view(dtype), 1000))


def _days(values: Any, block: Block) -> None:
    import numpy

    days, rest = numpy.divmod(values.view("<i8"), 86_400_000)
    if rest.any():
        raise NoCanonicalForm("a date64 value is not a whole day")
    narrow = days.astype("<i4")
    if (narrow != days).any():
        raise NoCanonicalForm("a date64 value is out of the range of date32")
    block.write(narrow)


def _list(type_: Any) -> _Plan:
    from pyarrow import types

    child = _plan(type_.value_field)
    if types.is_fixed_size_list(type_):
        return _fixed_list(type_.list_size, child)
    views = not (types.is_list(type_) or types.is_large_list(type_))

    def write(array: Any, block: Block) -> None:
        if _empty(array, block):
            return
        valid = _valid(array)
        if not views:
            lengths, first, last, hidden = _spans(array, valid)
            # flatten() leaves out what is under nulls.
            values = array.flatten() if hidden else array.values.slice(first, last - first)
        else:
            import pyarrow.compute

            lengths = pyarrow.compute.list_value_length(array).fill_null(0).to_numpy()
            values = array.flatten()
        child.write(values, block)
        block.lengths(lengths)
        block.end(len(array), valid)

    return _Plan(b"list{%s}" % child.type, write)


def _fixed_list(size: int, child: _Plan) -> _Plan:
    def write(array: Any, block: Block) -> None:
        if _empty(array, block):
            return
        rows, valid = len(array), _valid(array)
        if valid is None:
            values = array.values.slice(array.offset * size, rows * size)
        else:
            values = array.flatten()
        child.write(values, block)
        block.end(rows, valid)

    return _Plan(b"list[%d]{%s}" % (size, child.type), write)


def _map(type_: Any) -> _Plan:
    """A list of entries; its entries are never null, and neither are their keys."""
    key, item = _plan(type_.key_field), _plan(type_.item_field)

    def write(array: Any, block: Block) -> None:
        if _empty(array, block):
            return
        valid = _valid(array)
        lengths, first, last, hidden = _spans(array, valid)
        # Not a cast to a list of structs: of a map with nulls of type null in it that makes an
        # array which aborts the process when it is used (pyarrow 26.0.1).
        for plan, values in ((key, array.keys), (item, array.items)):
            part = _seen(array, values, lengths) if hidden else values.slice(first, last - first)
            plan.write(part, block)
        block.lengths(lengths)
        block.end(len(array), valid)

    return _Plan(b"map{%s,%s}" % (key.type, item.type), write)


def _seen(array: Any, values: Any, lengths: Any) -> Any:
    """The keys or items of the entries that are not under nulls.

    Not by ``take``, which views in maps do not have (pyarrow 26.0.1).
    """
    import numpy
    import pyarrow

    starts = numpy.frombuffer(array.buffers()[1], "<i4", len(array), array.offset * 4)
    spans = zip(starts.tolist(), lengths.tolist(), strict=True)
    parts = [values.slice(start, length) for start, length in spans if length]
    return pyarrow.concat_arrays(parts) if parts else values[:0]


def _struct(type_: Any) -> _Plan:
    children = [_plan(type_.field(i)) for i in range(type_.num_fields)]
    named = []
    for i, child in enumerate(children):
        name = type_.field(i).name.encode()
        named.append(b"%d:%s=%s" % (len(name), name, child.type))

    def write(array: Any, block: Block) -> None:
        if _empty(array, block):
            return
        # flatten() makes a child null where its parent is, so that nothing under it counts.
        for child, values in zip(children, array.flatten(), strict=True):
            child.write(values, block)
        block.end(len(array), _valid(array))

    return _Plan(b"struct{%s}" % b";".join(named), write)

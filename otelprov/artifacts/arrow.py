"""Columns of Arrow arrays: the canonical name of a type, and the canonical form of its values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from otelprov.artifacts.digest import (
    Block,
    Column,
    NoCanonicalForm,
    little_endian,
    scaled,
    timestamp_type,
)

_Write = Callable[[Any, Block], None]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What there is to know about an Arrow type: its canonical name, and how it is written."""

    type: bytes
    write: _Write


def arrow_column(name: str, field: Any) -> Column:
    """A column for arrays of a ``pyarrow.Field``.

    Raises:
        NoCanonicalForm: for a type that has none.
    """
    try:
        plan = _plan(field)
    except NoCanonicalForm as error:
        raise NoCanonicalForm(f"column {name!r}: {error}") from None
    nested = field.type.num_fields > 0
    return Column(name, plan.type, _checked(plan.write) if nested else plan.write, join_arrays)


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

    try:
        return pyarrow.concat_arrays(pieces)
    except pyarrow.ArrowException:
        # Two cases: strings of more than 2 GiB in one block, and nested dictionaries that differ.
        plain = _plain(pieces[0].type)
        return pyarrow.concat_arrays([piece.cast(plain) for piece in pieces])


def _plain(type_: Any) -> Any:
    """The type with wide offsets and without dictionaries."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_dictionary(type_):
        return _plain(type_.value_type)
    if types.is_string(type_) or types.is_string_view(type_):
        return pa.large_string()
    if types.is_binary(type_) or types.is_binary_view(type_):
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
        or types.is_list_view(type_)
        or types.is_large_list_view(type_)
    )


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
    from pyarrow import types

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
    return _flat_plan(type_)


@lru_cache(maxsize=512)  # not for nested types: two are equal that differ in their fields' metadata
def _flat_plan(type_: Any) -> _Plan:
    import pyarrow as pa
    from pyarrow import types

    little_endian()
    if types.is_null(type_):
        return _Plan(b"null", lambda array, block: block.nothing(len(array)))
    if types.is_boolean(type_):
        return _Plan(b"bool", _arrow_bool)
    if types.is_integer(type_):
        return _Plan(str(type_).encode(), _fixed(type_.bit_width // 8))
    if types.is_floating(type_):
        width = type_.bit_width // 8
        return _Plan(f"float{8 * width}".encode(), _fixed(width, _write_floats(f"<f{width}")))
    if types.is_decimal(type_):
        return _decimal(type_)
    if types.is_temporal(type_):
        return _temporal(type_)
    if types.is_string(type_) or types.is_binary(type_):
        name_ = b"string" if types.is_string(type_) else b"binary"
        return _Plan(name_, lambda array, block: _strings(array, block, "<i4"))
    if types.is_large_string(type_) or types.is_large_binary(type_):
        name_ = b"string" if types.is_large_string(type_) else b"binary"
        return _Plan(name_, lambda array, block: _strings(array, block, "<i8"))
    if types.is_string_view(type_):
        wide = pa.large_string()
        return _Plan(b"string", lambda array, block: _strings(array.cast(wide), block, "<i8"))
    if types.is_binary_view(type_):
        wide = pa.large_binary()
        return _Plan(b"binary", lambda array, block: _strings(array.cast(wide), block, "<i8"))
    if types.is_fixed_size_binary(type_):
        return _Plan(f"binary[{type_.byte_width}]".encode(), _fixed(type_.byte_width))
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

    try:
        return array.dictionary_decode()
    except pyarrow.ArrowException:  # strings of more than 2 GiB in one block
        return array.dictionary.cast(_plain(array.type)).take(array.indices)


def _expanded(array: Any) -> Any:
    import pyarrow.compute

    return pyarrow.compute.run_end_decode(array)


def _bits(buffer: Any, offset: int, rows: int) -> Any:
    """A bitmap as booleans."""
    import numpy

    packed = numpy.frombuffer(buffer, "u1", (offset % 8 + rows + 7) // 8, offset // 8)
    return numpy.unpackbits(packed, bitorder="little")[offset % 8 : offset % 8 + rows].view("?")


def _valid(array: Any) -> Any:
    """Which values are not null; None if all are."""
    if not array.null_count:
        return None
    return _bits(array.buffers()[0], array.offset, len(array))


def _empty(array: Any, block: Block) -> bool:
    """Whether there is nothing but nulls, which is then written."""
    rows = len(array)
    if array.null_count < rows:
        return False
    block.nothing(rows)
    return True


def _fixed(width: int, write: Callable[[Any, Block], None] = lambda v, b: b.write(v)) -> _Write:
    """Values of ``width`` bytes each. ``write`` gets their bytes, zero where null."""
    unit = next(unit for unit in (8, 4, 2, 1) if width % unit == 0)

    def write_fixed(array: Any, block: Block) -> None:
        import numpy

        if _empty(array, block):
            return
        rows, valid = len(array), _valid(array)
        if width:
            values = numpy.frombuffer(
                array.buffers()[1], "u1", rows * width, array.offset * width
            )  # fmt: skip
            if valid is not None:
                parts = values.view(f"<i{unit}").reshape(rows, -1)
                values = (parts * valid[:, None]).reshape(-1).view("u1")
            write(values, block)
        block.end(rows, valid)

    return write_fixed


def _write_floats(dtype: str) -> Callable[[Any, Block], None]:
    return lambda values, block: block.floats(values.view(dtype))


def _arrow_bool(array: Any, block: Block) -> None:
    import numpy

    if _empty(array, block):
        return
    rows, valid = len(array), _valid(array)
    values = _bits(array.buffers()[1], array.offset, rows)
    if valid is not None:
        values = values & valid
    block.write(numpy.packbits(values, bitorder="little"))
    block.end(rows, valid)


def _strings(array: Any, block: Block, offset_type: str) -> None:
    import numpy

    if _empty(array, block):
        return
    rows, valid = len(array), _valid(array)
    lengths, first, last, hidden = _spans(array, offset_type, valid)
    if hidden:
        array = array.drop_null()
        _, first, last, _ = _spans(array, offset_type, None)
    if last > first:
        block.write(numpy.frombuffer(array.buffers()[2], "u1", last - first, first))
    block.lengths(lengths)
    block.end(rows, valid)


def _spans(array: Any, offset_type: str, valid: Any) -> tuple[Any, int, int, bool]:
    """From the offsets of strings or lists: lengths, zero where null; first and last offset; and
    whether something lies under nulls."""
    import numpy

    rows, buffer = len(array), array.buffers()[1]
    if not rows or not buffer:
        return numpy.zeros(rows, "<i4"), 0, 0, False
    width = int(offset_type[2])
    offsets = numpy.frombuffer(buffer, offset_type, rows + 1, array.offset * width)
    lengths = offsets[1:] - offsets[:-1]
    hidden = False
    if valid is not None:
        kept = lengths * valid
        hidden = not numpy.array_equal(kept, lengths)
        lengths = kept
    return lengths, int(offsets[0]), int(offsets[-1]), hidden


def _decimal(type_: Any) -> _Plan:
    import numpy

    name = f"decimal[{type_.precision},{type_.scale}]".encode()
    width = type_.bit_width // 8
    if width == 16 or (width == 32 and type_.precision > 38):
        return _Plan(name, _fixed(width))
    if width == 32:

        def narrow(values: Any, block: Block) -> None:
            words = values.view("<i8").reshape(-1, 4)
            if ((words[:, 1] >> 63)[:, None] != words[:, 2:]).any():
                raise NoCanonicalForm(f"a decimal has more digits than its type {type_} allows")
            block.write(numpy.ascontiguousarray(words[:, :2]).reshape(-1))

        return _Plan(name, _fixed(width, narrow))

    def widen(values: Any, block: Block) -> None:
        words = numpy.empty((len(values) // width, 2), "<i8")
        words[:, 0] = values.view(f"<i{width}")
        numpy.right_shift(words[:, 0], 63, out=words[:, 1])
        block.write(words.reshape(-1))

    return _Plan(name, _fixed(width, widen))


def _temporal(type_: Any) -> _Plan:
    from pyarrow import types

    if types.is_date32(type_):
        return _Plan(b"date", _fixed(4))
    if types.is_date64(type_):
        return _Plan(b"date", _fixed(8, _days))
    if types.is_time(type_):
        unit = type_.unit
        if unit == "s":
            return _Plan(b"time[ms]", _fixed(4, _write_scaled("<i4")))
        return _Plan(f"time[{unit}]".encode(), _fixed(type_.bit_width // 8))
    if types.is_timestamp(type_):
        name = timestamp_type(type_.unit, type_.tz).encode()
        return _Plan(name, _fixed(8, _write_scaled("<i8")) if type_.unit == "s" else _fixed(8))
    if types.is_duration(type_):
        return _Plan(f"duration[{type_.unit}]".encode(), _fixed(8))
    if types.is_interval(type_) and type_.bit_width == 128:
        return _Plan(b"interval[month,day,nano]", _fixed(16))
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
    offset_type = "<i4" if types.is_list(type_) else "<i8" if types.is_large_list(type_) else ""

    def write(array: Any, block: Block) -> None:
        if _empty(array, block):
            return
        valid = _valid(array)
        if offset_type:
            lengths, first, last, hidden = _spans(array, offset_type, valid)
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
        lengths, first, last, hidden = _spans(array, "<i4", valid)
        # Not a cast to a list of structs: of a map with nulls of type null in it that makes an
        # array which aborts the process when it is used (pyarrow 26.0.1).
        for plan, values in ((key, array.keys), (item, array.items)):
            plan.write(
                values.take(_seen(array, lengths)) if hidden else values.slice(first, last - first),
                block,
            )
        block.lengths(lengths)
        block.end(len(array), valid)

    return _Plan(b"map{%s,%s}" % (key.type, item.type), write)


def _seen(array: Any, lengths: Any) -> Any:
    """The places of the entries that are not under nulls."""
    import numpy
    import pyarrow

    starts = numpy.frombuffer(array.buffers()[1], "<i4", len(array), array.offset * 4)
    before = numpy.cumsum(lengths) - lengths
    places = numpy.repeat(starts - before, lengths) + numpy.arange(int(lengths.sum()))
    return pyarrow.array(places)


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

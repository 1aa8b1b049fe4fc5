"""Canonical form of Python values: parameters, and objects that are data (section 9)."""

from __future__ import annotations

import abc
import array
import collections
import datetime
import decimal
import enum
import fractions
import functools
import itertools
import pathlib
import re
import struct
import sys
import threading
import types
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

from otelprov.artifacts import classes
from otelprov.artifacts.digest import NoCanonicalForm, hasher
from otelprov.artifacts.interruptions import is_of_the_program

MAX_NODES: Final = 1_000_000
MAX_DEPTH: Final = 100
OBJECT_ARRAY_NODES: Final = 50
"""What an array of objects counts for, by the time it takes: arrays that hold one another can be
endless to walk."""
MAX_TEXTS: Final = 4096
"""Texts that are kept as they are written while a value is digested."""

_U64: Final = struct.Struct("<Q")
_DOUBLE: Final = struct.Struct("<d")
_NAN: Final = bytes.fromhex("000000000000f87f")
_2_TO_64: Final = 1 << 64
_INT_HEADS: Final = tuple(b"\3int" + _U64.pack(size) for size in range(9))
"""What stands before the bytes of an integer, by how many they are."""


def digest_value(value: object) -> bytes | None:
    """32 bytes that stand for a value by what it holds, or None if it has no canonical form.

    Never calls ``__eq__``, ``__hash__``, ``__repr__`` or ``__reduce__`` of a class that is not
    Python's own or one of a library's that docs/artifact-identity.md names; of the user's code it
    runs what ``register_identity`` was given. An object that is known by its state only has none:
    as a parameter it is code as well.
    """
    try:
        return canonical_digest(value)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # Polars' panics are no Exception
        if is_of_the_program(error):
            raise
        return None


def canonical_digest(value: object) -> bytes:
    """As ``digest_value``.

    Raises:
        NoCanonicalForm: with what stood in the way.
    """
    walk = getattr(_running, "walk", None)
    if walk is None or _listed(_LEAVES, type(value)):
        return _digest_of(value, _Walk())
    # In an array or a table that is a part of another value.
    before, walk.by_state_too = walk.by_state_too, False
    try:
        return _digest_of(value, walk)
    finally:
        walk.by_state_too = before


def content_digest(value: object) -> tuple[bytes, Literal["full", "state"]]:
    """The digest of a value, also where it rests on the state of an object only (section 15).

    Raises:
        NoCanonicalForm: with what stood in the way.
    """
    walk = _Walk(by_state_too=True)
    digest = _digest_of(value, walk)
    return digest, "state" if walk.by_state else "full"


def has_own_form(kind: type) -> bool:
    """Whether section 9 says how a value of exactly this class is written."""
    return bool(_listed(_LEAVES, kind) or _listed(_CONTAINERS, kind))


def _listed(forms: dict[type, _Write], kind: type) -> _Write | None:
    # A class is hashed by its metaclass, and those that are listed have no other than these.
    return forms.get(kind) if type(kind) is type or type(kind) is abc.ABCMeta else None


def _digest_of(value: object, walk: _Walk) -> bytes:
    before = getattr(_running, "walk", None)
    _running.walk = walk
    try:
        encoder = _Encoder(walk)
        encoder.value(value)
        return encoder.digest()
    finally:
        _running.walk = before


_running: Final = threading.local()


class _Walk:
    """One way through a value and all that it holds, arrays and tables among it included."""

    __slots__ = ("by_state", "by_state_too", "forms", "limit", "nodes", "path", "texts")

    def __init__(self, *, by_state_too: bool = False) -> None:
        self.nodes = 0
        self.limit = MAX_NODES
        # Of classes of other libraries: to ask for one takes longer than to write its value.
        self.forms: dict[type, _Write] = {}
        # Texts that were met, as they are written: the names in rows are always the same.
        self.texts: dict[str, bytes] = {}
        # The objects above the value that is being written: one may hold itself.
        self.path: dict[int, int] = {}
        self.by_state_too = by_state_too
        self.by_state = False


class _Encoder:
    """Writes values one after the other, each with its tag and its length, into one digest."""

    __slots__ = ("_buffer", "_hasher", "_walk")

    def __init__(self, walk: _Walk) -> None:
        self._hasher = hasher("value")
        self._buffer = bytearray()
        self._walk = walk

    def digest(self) -> bytes:
        self._hasher.update(self._buffer)
        return self._hasher.digest()

    def tag(self, name: bytes) -> None:
        self._buffer += b"%c%s" % (len(name), name)

    def number(self, number: int) -> None:
        self._buffer += _U64.pack(number)

    def data(self, data: bytes | bytearray) -> None:
        self.number(len(data))
        if len(data) > 4096:
            self._hasher.update(self._buffer)
            self._buffer = bytearray()
            self._hasher.update(data)
        else:
            self._buffer += data

    def short(self, tag: bytes, data: bytes) -> None:
        """A tag with its length before it, and data: nearly always little."""
        size = len(data)
        if size > 4096:
            self._buffer += tag
            self.data(data)
        else:
            self._buffer += tag + _U64.pack(size) + data

    def text(self, text: str) -> None:
        self.data(text.encode("utf-8", "surrogatepass"))

    def value(self, value: Any) -> None:
        walk, kind = self._walk, type(value)
        walk.nodes += 1
        if walk.nodes > walk.limit:
            self.count(0)  # raises
        write: _Write | None = None
        if kind is dict:
            write = _write_dict
        elif kind is list:
            write = _write_list
        elif kind is tuple:
            write = _write_tuple
        else:
            leaf = _listed(_LEAVES, kind)
            if leaf is not None:
                leaf(self, value)
                return
        place, path = id(value), walk.path
        depth = len(path)
        if place in path:
            self.tag(b"again")
            self.number(depth - path[place])
            return
        if depth >= MAX_DEPTH:
            raise NoCanonicalForm(f"more than {MAX_DEPTH} levels")
        path[place] = depth
        if write is None:
            write = _listed(_CONTAINERS, kind) or _listed(walk.forms, kind) or _other(value, walk)
        write(self, value)
        del path[place]

    def count(self, nodes: int) -> None:
        """So many values more."""
        walk = self._walk
        walk.nodes += nodes
        if walk.nodes > walk.limit:
            raise NoCanonicalForm(f"more than {walk.limit:,} values")

    def by_state(self, limit: int) -> None:
        """The object that is written is known by its state only; so many values may follow."""
        if not self._walk.by_state:
            self._walk.by_state = True
            self._walk.limit = min(self._walk.limit, self._walk.nodes + limit)

    def values(self, values: Iterable[object], length: int) -> None:
        self.number(length)
        self.each(values, length)

    def each(self, values: Iterable[Any], length: int) -> None:
        """Values one after the other, as `value` writes each. There are many, and most are plain:
        those are written here, without a call."""
        walk, buffer = self._walk, self._buffer
        texts = walk.texts
        if walk.nodes + length > walk.limit:
            self.count(length)  # raises
        nodes = 0
        for value in values:
            kind = type(value)
            if kind is str:
                written = texts.get(value)
                if written is None:
                    data = value.encode("utf-8", "surrogatepass")
                    size = len(data)
                    if size <= 4096:
                        written = b"\3str" + _U64.pack(size) + data
                        if size <= 64 and len(texts) < MAX_TEXTS:
                            texts[value] = written
            elif kind is float:
                written = b"\5float" + (_DOUBLE.pack(value) if value == value else _NAN)
            elif kind is int and 0 <= value < _2_TO_64:
                size = (value.bit_length() + 7) >> 3
                written = _INT_HEADS[size] + value.to_bytes(size, "little")
            elif value is None:
                written = b"\4none"
            else:
                written = None
            if written is not None:
                buffer += written
                nodes += 1
                continue
            walk.nodes += nodes
            nodes = 0
            self.value(value)
            buffer = self._buffer
        self.count(nodes)

    def aside(self, *values: object) -> bytes:
        """The digest of some values, apart from this one."""
        encoder = _Encoder(self._walk)
        for value in values:
            encoder.value(value)
        return encoder.digest()

    def type(self, type_: type) -> None:
        """A class, by name."""
        module, name = classes.module(type_), classes.qualname(type_)
        if not module:
            raise NoCanonicalForm(f"a class {name} without __module__")
        if module.startswith("pandas.") and getattr(sys.modules.get("pandas"), name, None) is type_:
            module = "pandas"  # what pandas 3 says of its public classes
        self.text(module)
        self.text(name)

    def table(self, type_: Any, table: object) -> None:
        """A table, and of what class: frames of two libraries are not one parameter."""
        from otelprov.artifacts import tables

        if not tables.is_table(table):
            raise NoCanonicalForm(f"a {classes.name(type_)} is described as a table, but is none")
        self.tag(b"table")
        self.type(type_)
        self.text(tables.digest(table).id)


_Write = Callable[[_Encoder, Any], None]


def _attribute(value: object, name: str) -> str:
    found = getattr(value, name, None)
    if type(found) is not str:
        raise NoCanonicalForm(f"a {type(value).__name__} without {name}")
    return found


# --- values without parts -------------------------------------------------------------------------


def _int(encoder: _Encoder, value: int) -> None:
    digits = abs(value).to_bytes((value.bit_length() + 7) // 8, "little")
    encoder.short(b"\4int-" if value < 0 else b"\3int", digits)


def _float_bytes(value: float) -> bytes:
    return _DOUBLE.pack(value) if value == value else _NAN


def _float(encoder: _Encoder, value: float) -> None:
    encoder._buffer += b"\5float" + _float_bytes(value)


def _complex(encoder: _Encoder, value: complex) -> None:
    encoder.tag(b"complex")
    encoder._buffer += _float_bytes(value.real) + _float_bytes(value.imag)


def _bool(encoder: _Encoder, value: bool) -> None:
    encoder.tag(b"true" if value else b"false")


def _constant(name: bytes) -> _Write:
    return lambda encoder, value: encoder.tag(name)


def _str(encoder: _Encoder, value: str) -> None:
    encoder.short(b"\3str", value.encode("utf-8", "surrogatepass"))


def _bytes(name: bytes) -> _Write:
    def write(encoder: _Encoder, value: bytes | bytearray) -> None:
        encoder.tag(name)
        encoder.data(value)

    return write


def _decimal(encoder: _Encoder, value: decimal.Decimal) -> None:
    sign, digits, exponent = value.as_tuple()
    encoder.tag(b"decimal")
    encoder.text(f"{'-' if sign else ''}{''.join(map(str, digits))}e{exponent}")


def _date(encoder: _Encoder, value: datetime.date) -> None:
    encoder.tag(b"date")
    encoder.text(value.isoformat())


def _clock(name: bytes) -> _Write:
    def write(encoder: _Encoder, value: datetime.datetime | datetime.time) -> None:
        encoder.tag(name)
        encoder.text(value.replace(tzinfo=None).isoformat())
        encoder.number(value.fold)
        encoder.text(zone_name(value.tzinfo))

    return write


def zone_name(zone: datetime.tzinfo | None) -> str:
    """The name of a time zone, empty for none.

    Raises:
        NoCanonicalForm: for a zone of a class of the user's own.
    """
    if zone is None:
        return ""
    if type(zone) is datetime.timezone:
        return str(zone.utcoffset(None))
    module = type(zone).__module__.partition(".")[0]
    if module == "zoneinfo":
        key = getattr(zone, "key", None)
        if key:
            return str(key)
    if module == "pytz" and getattr(zone, "zone", None):
        return str(zone.zone)  # type: ignore[attr-defined]
    raise NoCanonicalForm(f"a time zone of class {type(zone).__qualname__} has no canonical form")


def _timedelta(encoder: _Encoder, value: datetime.timedelta) -> None:
    encoder.tag(b"timedelta")
    encoder.text(f"{value.days}d{value.seconds}s{value.microseconds}us")


def _timezone(encoder: _Encoder, value: datetime.tzinfo) -> None:
    encoder.tag(b"zone")
    encoder.text(zone_name(value))


def _uuid(encoder: _Encoder, value: uuid.UUID) -> None:
    encoder.tag(b"uuid")
    encoder.data(value.bytes)


def _path(encoder: _Encoder, value: pathlib.PurePath) -> None:
    encoder.tag(b"path")
    encoder.text(str(value))


def _fraction(encoder: _Encoder, value: fractions.Fraction) -> None:
    encoder.tag(b"fraction")
    encoder.value(value.numerator)
    encoder.value(value.denominator)


def _range(encoder: _Encoder, value: range) -> None:
    encoder.tag(b"range")
    encoder.values((value.start, value.stop, value.step), 3)


def _module(encoder: _Encoder, value: types.ModuleType) -> None:
    encoder.tag(b"module")
    encoder.text(value.__name__)


_LEAVES: Final[dict[type, _Write]] = {
    type(None): _constant(b"none"),
    type(...): _constant(b"ellipsis"),
    type(NotImplemented): _constant(b"notimplemented"),
    bool: _bool,
    int: _int,
    float: _float,
    complex: _complex,
    str: _str,
    bytes: _bytes(b"bytes"),
    bytearray: _bytes(b"bytearray"),
    decimal.Decimal: _decimal,
    fractions.Fraction: _fraction,
    datetime.date: _date,
    datetime.datetime: _clock(b"datetime"),
    datetime.time: _clock(b"time"),
    datetime.timedelta: _timedelta,
    datetime.timezone: _timezone,
    uuid.UUID: _uuid,
    pathlib.PosixPath: _path,
    pathlib.PurePosixPath: _path,
    pathlib.WindowsPath: _path,
    pathlib.PureWindowsPath: _path,
    range: _range,
    types.ModuleType: _module,
}


# --- values with parts ----------------------------------------------------------------------------


def _sequence(name: bytes) -> _Write:
    tag = b"%c%s" % (len(name), name)

    def write(encoder: _Encoder, value: list[object] | tuple[object, ...]) -> None:
        length = len(value)
        encoder._buffer += tag + _U64.pack(length)
        encoder.each(value, length)

    return write


def _set(name: bytes) -> _Write:
    def write(encoder: _Encoder, value: set[object] | frozenset[object]) -> None:
        encoder.tag(name)
        encoder.number(len(value))
        for digest in sorted(encoder.aside(member) for member in value):
            encoder.data(digest)

    return write


def _dict(name: bytes) -> _Write:
    tag = b"%c%s" % (len(name), name)

    def write(encoder: _Encoder, value: dict[object, object]) -> None:
        length = len(value)
        encoder._buffer += tag + _U64.pack(length)
        encoder.each(itertools.chain.from_iterable(value.items()), 2 * length)

    return write


_write_list: Final = _sequence(b"list")
_write_tuple: Final = _sequence(b"tuple")
_write_dict: Final = _dict(b"dict")


def _defaultdict(encoder: _Encoder, value: collections.defaultdict[object, object]) -> None:
    _dict(b"defaultdict")(encoder, value)
    encoder.value(value.default_factory)


def _deque(encoder: _Encoder, value: collections.deque[object]) -> None:
    encoder.tag(b"deque")
    encoder.value(value.maxlen)
    encoder.values(value, len(value))


def _namespace(encoder: _Encoder, value: types.SimpleNamespace) -> None:
    encoder.tag(b"namespace")
    encoder.value(classes.attributes(value))


def _numbers(encoder: _Encoder, value: array.array[Any]) -> None:
    encoder.tag(b"array.array")
    encoder.text(f"{value.typecode}{value.itemsize}")
    encoder.data(_little_endian(value))


def _little_endian(value: array.array[Any]) -> bytes:
    if sys.byteorder == "big":
        value = value[:]
        value.byteswap()
    return value.tobytes()


def _memory(encoder: _Encoder, value: memoryview) -> None:
    encoder.tag(b"memoryview")
    encoder.text(value.format)
    encoder.value(value.shape)
    encoder.data(value.tobytes())


def _slice(encoder: _Encoder, value: slice) -> None:
    encoder.tag(b"slice")
    encoder.values((value.start, value.stop, value.step), 3)


def _pattern(encoder: _Encoder, value: re.Pattern[Any]) -> None:
    encoder.tag(b"pattern")
    encoder.values((value.pattern, value.flags), 2)


def _partial(encoder: _Encoder, value: functools.partial[Any]) -> None:
    encoder.tag(b"partial")
    encoder.values((value.func, value.args, value.keywords), 3)


def _method(encoder: _Encoder, value: types.MethodType) -> None:
    encoder.tag(b"method")
    encoder.values((value.__func__, value.__self__), 2)


def _builtin(encoder: _Encoder, value: types.BuiltinFunctionType) -> None:
    owner = value.__self__
    bound = owner is not None and not isinstance(owner, types.ModuleType)
    encoder.tag(b"bound" if bound else b"builtin")
    if bound:
        encoder.value(owner)
    else:
        encoder.text(value.__module__ or "")
    encoder.text(value.__qualname__)


def _descriptor(encoder: _Encoder, value: Any) -> None:
    encoder.tag(b"descriptor")
    encoder.type(value.__objclass__)
    encoder.text(value.__name__)


def _function(encoder: _Encoder, value: types.FunctionType) -> None:
    """Name, code, defaults and what it closes over. Globals that it reads are not part of it."""
    encoder.tag(b"function")
    encoder.text(value.__module__ or "")
    encoder.text(value.__qualname__)
    encoder.value(value.__code__)
    encoder.value(value.__defaults__)
    encoder.value(value.__kwdefaults__)
    cells = value.__closure__ or ()
    encoder.number(len(cells))
    for cell in cells:
        try:
            content = cell.cell_contents
        except ValueError:
            encoder.tag(b"empty")
        else:
            encoder.value(content)


def _code(encoder: _Encoder, value: types.CodeType) -> None:
    """What runs, not where it is written: file and line numbers are left out."""
    encoder.tag(b"code")
    encoder.values(
        (
            sys.implementation.cache_tag,  # bytecode means something in one version only
            value.co_code,
            value.co_consts,
            value.co_names,
            value.co_varnames,
            value.co_freevars,
            value.co_cellvars,
            value.co_argcount,
            value.co_posonlyargcount,
            value.co_kwonlyargcount,
            value.co_flags,
            getattr(value, "co_exceptiontable", b""),
        ),
        12,
    )


_CONTAINERS: Final[dict[type, _Write]] = {
    list: _write_list,
    tuple: _write_tuple,
    set: _set(b"set"),
    frozenset: _set(b"frozenset"),
    dict: _write_dict,
    collections.OrderedDict: _dict(b"ordereddict"),
    collections.Counter: _dict(b"counter"),
    collections.defaultdict: _defaultdict,
    collections.deque: _deque,
    slice: _slice,
    types.SimpleNamespace: _namespace,
    array.array: _numbers,
    memoryview: _memory,
    re.Pattern: _pattern,
    functools.partial: _partial,
    types.MethodType: _method,
    types.BuiltinFunctionType: _builtin,
    types.FunctionType: _function,
    types.CodeType: _code,
    types.MethodDescriptorType: _descriptor,
    types.WrapperDescriptorType: _descriptor,
}


def _other(value: object, walk: _Walk) -> _Write:
    """The form of a value whose class is not listed."""
    from otelprov.artifacts import objects, tables

    kind = type(value)
    if issubclass(kind, type):
        return _class
    described = objects.described(kind)
    if described is not None:
        return described
    if issubclass(kind, enum.Enum):
        return _enum
    if _is_namedtuple(kind):
        return _namedtuple
    if issubclass(kind, datetime.tzinfo):
        return _timezone
    library = classes.module(kind).partition(".")[0]
    if library in _LIBRARIES and library in sys.modules:
        found = _LIBRARIES[library](value)
        if found is not None:
            if type(kind) is type:
                walk.forms[kind] = found
            return found
    fields = objects.fields(kind)
    if fields is not None:
        return objects.with_fields(*fields)
    if tables.is_table(value):  # of another library, or a class of the user's
        return _table
    return objects.by_state(kind, walk.by_state_too)


def _is_namedtuple(kind: type) -> bool:
    return (
        issubclass(kind, tuple)
        and classes.attribute(kind, "_fields") is not None
        and classes.attribute(kind, "__dict__") is None
    )


def _class(encoder: _Encoder, value: type) -> None:
    encoder.tag(b"class")
    encoder.type(value)


def _enum(encoder: _Encoder, value: enum.Enum) -> None:
    encoder.tag(b"enum")
    encoder.type(type(value))
    held = classes.instance_dict(value)
    encoder.value(held["_name_"])
    encoder.value(held["_value_"])


def _namedtuple(encoder: _Encoder, value: tuple[object, ...]) -> None:
    encoder.tag(b"namedtuple")
    encoder.type(type(value))
    encoder.values(tuple.__iter__(value), tuple.__len__(value))


# --- values of other libraries --------------------------------------------------------------------


def _numpy(value: Any) -> _Write | None:
    import numpy

    from otelprov.artifacts import arrays

    kind = type(value)
    if issubclass(kind, numpy.generic):
        return lambda encoder, v: _digest(encoder, b"numpy.scalar", arrays.digest(numpy.asarray(v)))
    if issubclass(kind, numpy.ndarray):
        return _numpy_array
    if issubclass(kind, numpy.dtype):
        return lambda encoder, v: _digest(encoder, b"numpy.dtype", arrays.type_name(v))
    if issubclass(kind, numpy.ufunc):
        return lambda encoder, v: _named(encoder, b"numpy.ufunc", v.__name__)
    if classes.qualname(kind) == "_ArrayFunctionDispatcher":  # numpy.mean and its like
        return lambda encoder, v: _named(
            encoder, b"numpy.function", f"{_attribute(v, '__module__')}.{v.__qualname__}"
        )
    return None


def _numpy_array(encoder: _Encoder, value: Any) -> None:
    from otelprov.artifacts import arrays

    if value.dtype.kind == "O":
        encoder.count(OBJECT_ARRAY_NODES)
    _digest(encoder, b"numpy.array", arrays.digest(value))


def _pandas(value: Any) -> _Write | None:
    import pandas

    from otelprov.artifacts import tables

    kind = type(value)
    if value is pandas.NaT or value is pandas.NA:
        return lambda encoder, v: _named(encoder, b"pandas", type(v).__name__)
    if kind is pandas.Timestamp or kind is pandas.Timedelta:
        return _pandas_time
    if kind is pandas.Period:
        return lambda encoder, v: _pandas_parts(encoder, b"period", v.ordinal, v.freqstr)
    if kind is pandas.Interval:
        return lambda encoder, v: _pandas_parts(encoder, b"interval", v.left, v.right, v.closed)
    if kind is pandas.CategoricalDtype:
        return lambda encoder, v: _pandas_parts(encoder, b"category", v.categories, v.ordered)
    if issubclass(kind, pandas.api.extensions.ExtensionDtype):
        return _pandas_dtype
    if tables.is_table(value):
        return _table
    return None


def _pandas_parts(encoder: _Encoder, name: bytes, *parts: object) -> None:
    encoder.tag(b"pandas." + name)
    encoder.values(parts, len(parts))


_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def _pandas_time(encoder: _Encoder, value: Any) -> None:
    """The count of nanoseconds: the unit it is kept in is storage."""
    try:
        count = value.value
    except OverflowError:  # the years that nanoseconds do not reach
        count = int(value.asm8.astype("i8")) * (10**9 // _PER_SECOND[value.unit])
    encoder.tag(b"pandas." + type(value).__name__.encode())
    encoder.value(count)
    encoder.text(zone_name(getattr(value, "tzinfo", None)))


def _pandas_dtype(encoder: _Encoder, value: Any) -> None:
    encoder.tag(b"pandas.dtype")
    encoder.type(type(value))
    encoder.text(str(value))
    missing = getattr(value, "na_value", None) if type(value).__name__ == "StringDtype" else None
    encoder.value(missing)


def _pyarrow(value: Any) -> _Write | None:
    import pyarrow

    from otelprov.artifacts import tables

    if issubclass(type(value), pyarrow.DataType):
        return lambda encoder, v: _named(encoder, b"pyarrow.type", str(v))
    if issubclass(type(value), pyarrow.Schema):
        return lambda encoder, v: _digest(
            encoder, b"pyarrow.schema", encoder.aside(v.serialize().to_pybytes())
        )
    if issubclass(type(value), pyarrow.Scalar):
        return lambda encoder, v: _table(encoder, pyarrow.array([v], v.type))
    return _table if tables.is_table(value) else None


def _polars(value: Any) -> _Write | None:
    import polars

    from otelprov.artifacts import tables

    if issubclass(type(value), polars.DataType):
        return lambda encoder, v: _named(encoder, b"polars.type", str(v))
    return _table if tables.is_table(value) else None


def _scipy(value: Any) -> _Write | None:
    from otelprov.artifacts import sparse

    if sparse.is_sparse(value):
        return lambda encoder, v: _digest(encoder, b"scipy.sparse", sparse.digest(v))
    return None


def _torch(value: Any) -> _Write | None:
    import torch

    from otelprov.artifacts import tensors

    kind = type(value)
    if tensors.is_tensor(value):
        return lambda encoder, v: _digest(encoder, b"torch.tensor", tensors.digest(v))
    if kind is torch.Size:
        return _sequence(b"torch.size")
    if kind in (torch.dtype, torch.device, torch.layout, torch.memory_format):
        return lambda encoder, v: _named(encoder, b"torch", str(v))
    return None


_LIBRARIES: Final[dict[str, Callable[[Any], _Write | None]]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "pyarrow": _pyarrow,
    "polars": _polars,
    "scipy": _scipy,
    "torch": _torch,
}


def _named(encoder: _Encoder, tag: bytes, name: str) -> None:
    encoder.tag(tag)
    encoder.text(name)


def _digest(encoder: _Encoder, tag: bytes, digest: bytes) -> None:
    encoder.tag(tag)
    encoder.data(digest)


def _table(encoder: _Encoder, value: Any) -> None:
    encoder.table(type(value), value)

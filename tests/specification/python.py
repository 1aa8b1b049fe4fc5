"""From the vectors' notation to NumPy arrays and Python values."""

from __future__ import annotations

import array as array_module
import builtins
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import importlib
import pathlib
import re
import struct
import sys
import types
import uuid
import zoneinfo
from typing import Any

import attrs
import numpy as np

from otelprov import register_identity
from specification import binary, utf8
from specification.sparse import listed


class CannotBeBuilt(Exception):
    """There is a notation for it, and no way to make it here: bytecode of another Python."""


def double(bits: str) -> float:
    return float(struct.unpack(">d", bytes.fromhex(bits))[0])


def string(notation: Any) -> str:
    return utf8(notation).decode("utf-8", "surrogatepass")


def zone(notation: Any) -> datetime.tzinfo | None:
    if notation is None:
        return None
    if "name" in notation:
        return zoneinfo.ZoneInfo(notation["name"])
    return datetime.timezone(datetime.timedelta(seconds=notation["offset"]))


def value(notation: Any) -> Any:
    """The value that a notation stands for."""
    return _build(notation, [])


def _build(notation: Any, above: list[Any]) -> Any:
    if notation is None or isinstance(notation, (bool, str)):
        return notation
    ((tag, content),) = notation.items()
    if tag in _LEAVES:
        return _LEAVES[tag](content)
    if tag == "again":
        return above[-content]
    if tag in ("list", "deque", "set"):
        limit = value(content[0]) if tag == "deque" else None
        holder: Any = collections.deque(maxlen=limit) if tag == "deque" else _NEW[tag]()
        for item in content[1] if tag == "deque" else content:
            part = _build(item, [*above, holder])
            holder.add(part) if tag == "set" else holder.append(part)
        return holder
    if tag in ("dict", "ordereddict", "counter", "defaultdict"):
        holder = _NEW[tag]()
        if tag == "defaultdict":
            holder.default_factory = _build(content[0], above)
            content = content[1]
        for key, item in content:
            inside = [*above, holder]
            holder[_build(key, inside)] = _build(item, inside)
        return holder
    if tag == "namespace":
        holder = types.SimpleNamespace()
        for name, item in content:  # there is a dict between the two
            setattr(holder, string(name), _build(item, [*above, holder, None]))
        return holder
    if tag == "object":
        holder = _described(content, "object")
        holder.content = _build(content[2], [*above, holder])
        return holder
    return _parts(tag, content, lambda part: _build(part, [*above, None]))


def _parts(tag: str, content: Any, build: Any) -> Any:
    if tag == "tuple":
        return tuple(map(build, content))
    if tag == "frozenset":
        return frozenset(map(build, content))
    if tag == "slice":
        return slice(*map(build, content))
    if tag == "pattern":
        return re.compile(*map(build, content))
    if tag == "partial":
        function, arguments, keywords = map(build, content)
        return functools.partial(function, *arguments, **keywords)
    if tag == "bound":
        return getattr(build(content[0]), content[1].rpartition(".")[2])
    if tag == "namedtuple":
        names = [f"field{i}" for i in range(len(content[2]))]
        return _class(content, collections.namedtuple("T", names))(*map(build, content[2]))
    if tag == "enum":
        return _class(content, enum.Enum("E", {content[2]: build(content[3])}))[content[2]]
    if tag == "dataclass":
        names = [name for name, _ in content[2]]
        made = _class(content, dataclasses.make_dataclass("D", names))
        return made(*(build(item) for _, item in content[2]))
    if tag == "attrs":
        names = [name for name, _ in content[2]]
        made = _class(content, attrs.make_class("A", names))
        return made(*(build(item) for _, item in content[2]))
    if tag.startswith("pandas."):
        return _pandas(tag.partition(".")[2], content, build)
    raise CannotBeBuilt(tag)


def described(kind: Any, notation: Any) -> Any:
    """An object whose class is described with a kind, from the notation of its form."""
    made = _described(notation, kind)
    made.content = _build(notation[2], [made])
    return made


def _described(content: Any, kind: Any) -> Any:
    module, name = map(string, content[:2])
    own = type("Described", (), {})
    if module:
        _class((module, name), own)
    register_identity(own, kind=kind, name=None if module else name)(lambda made: made.content)
    return own()


def _memory(content: Any) -> memoryview:
    format_, sizes, held = content
    view = memoryview(binary(held))
    # What is empty cannot be cast.
    return view if format_ == "B" and len(sizes) == 1 else view.cast(format_, sizes)


def _numbers(content: Any) -> array_module.array[Any]:
    made = array_module.array(content[0][0], binary(content[1]))
    if made.itemsize != int(content[0][1:]):
        raise CannotBeBuilt(f"{content[0]} on this machine")
    if sys.byteorder == "big":
        made.byteswap()
    return made


def _class(content: Any, made: Any) -> Any:
    made.__module__, made.__qualname__ = content[0], content[1]
    return made


def _found(content: Any) -> Any:
    module, name = content
    if module == "shapes":  # a module that there is not
        return _class(content, type(name, (), {}))
    found = importlib.import_module(module) if module else builtins
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _clock(content: Any, kind: Any) -> Any:
    moment = kind.fromisoformat(content[0])
    return moment.replace(fold=content[1], tzinfo=zone(content[2]))


def _decimal(content: Any) -> decimal.Decimal:
    negative, digits, exponent = content
    sign = (int(negative), tuple(map(int, digits)), exponent)
    return decimal.Decimal(sign)


def _pandas(name: str, content: Any, build: Any) -> Any:
    import pandas as pd

    if name == "Timestamp":
        moment = pd.Timestamp(int(content[0]), unit="ns")
        return moment if content[1] is None else moment.tz_localize("UTC").tz_convert(
            zone(content[1])
        )  # fmt: skip
    if name == "Timedelta":
        return pd.Timedelta(int(content[0]), unit="ns")
    parts = [build(part) for part in content]
    if name == "period":
        return pd.Period(ordinal=parts[0], freq=parts[1])
    if name == "interval":
        return pd.Interval(*parts)
    raise CannotBeBuilt(f"pandas.{name}")


_NEW: dict[str, Any] = {
    "list": list,
    "set": set,
    "dict": dict,
    "ordereddict": collections.OrderedDict,
    "counter": collections.Counter,
    "defaultdict": collections.defaultdict,
}

_LEAVES: dict[str, Any] = {
    "ellipsis": lambda _: ...,
    "notimplemented": lambda _: NotImplemented,
    "int": int,
    "float": double,
    "complex": lambda parts: complex(*map(double, parts)),
    "str": string,
    "bytes": binary,
    "bytearray": lambda content: bytearray(binary(content)),
    "decimal": _decimal,
    "date": datetime.date.fromisoformat,
    "datetime": lambda content: _clock(content, datetime.datetime),
    "time": lambda content: _clock(content, datetime.time),
    "timedelta": lambda content: datetime.timedelta(*content),
    "zone": zone,
    "uuid": lambda content: uuid.UUID(bytes=binary(content)),
    "path": lambda content: pathlib.PurePosixPath(string(content)),
    "fraction": lambda content: fractions.Fraction(*map(int, content)),
    "range": lambda content: range(*map(int, content)),
    "module": lambda content: sys.modules[content],
    "class": _found,
    "builtin": _found,
    "descriptor": lambda content: _found([content[0], f"{content[1]}.{content[2]}"]),
    "array.array": _numbers,
    "memoryview": _memory,
    "scipy.sparse": lambda content: sparse(content),
    "numpy.array": lambda content: array(content),
    "numpy.scalar": lambda content: array(content)[()],
    "numpy.dtype": lambda content: dtype(content),
    "numpy.ufunc": lambda content: getattr(np, content),
    "numpy.function": lambda content: _found(content.rsplit(".", 1)),
}


# --- functions, whose notation depends on the Python that runs ------------------------------------


def function_notation(function: types.FunctionType) -> Any:
    """A function of the running Python, in the notation of section 9."""
    cells = [notation_of(cell.cell_contents) for cell in function.__closure__ or ()]
    parts = (function.__code__, function.__defaults__, function.__kwdefaults__)
    return {
        "function": [function.__module__, function.__qualname__, *map(notation_of, parts), cells]
    }


def notation_of(item: Any) -> Any:
    """The notation of what functions are made of."""
    if item is None or isinstance(item, (bool, str)):
        return item
    if isinstance(item, int):
        return {"int": str(item)}
    if isinstance(item, float):
        return {"float": struct.pack(">d", item).hex()}
    if isinstance(item, bytes):
        return {"bytes": item.hex()}
    if isinstance(item, (tuple, list, frozenset, set)):
        return {type(item).__name__: [notation_of(part) for part in item]}
    if isinstance(item, dict):
        return {"dict": [[notation_of(key), notation_of(part)] for key, part in item.items()]}
    assert isinstance(item, types.CodeType), item
    parts = [
        sys.implementation.cache_tag, item.co_code, item.co_consts, item.co_names,
        item.co_varnames, item.co_freevars, item.co_cellvars, item.co_argcount,
        item.co_posonlyargcount, item.co_kwonlyargcount, item.co_flags,
        getattr(item, "co_exceptiontable", b""),
    ]  # fmt: skip
    return {"code": [notation_of(part) for part in parts]}


# --- NumPy ----------------------------------------------------------------------------------------


def dtype(notation: Any, order: str = "<") -> np.dtype[Any]:
    if isinstance(notation, dict) and "base" in notation:
        return np.dtype((dtype(notation["base"], order), tuple(notation["shape"])))
    if isinstance(notation, dict):
        return np.dtype([(string(n), dtype(child, order)) for n, child in notation["fields"]])
    if notation == "T":
        return np.dtypes.StringDType()
    if notation[0] == "U":
        return np.dtype(f"{order}U{int(notation[1:]) // 4}")
    return np.dtype(notation if notation[0] in "OSVb" else order + notation)


def array(notation: Any, order: str = "<") -> Any:
    """A NumPy array in C order; ``order`` is that of the bytes."""
    type_ = dtype(notation["dtype"], order)
    flat = np.zeros(len(notation["elements"]), type_)
    for place, element in enumerate(notation["elements"]):
        _set(flat, place, notation["dtype"], element, order)
    made = flat.reshape(notation["shape"])
    if "mask" in notation:
        return np.ma.MaskedArray(made, np.reshape(notation["mask"], notation["shape"]))
    return made


_NATIVE = "<" if sys.byteorder == "little" else ">"


def sparse(notation: Any) -> Any:
    """A sparse matrix of SciPy, with the elements as they are listed."""
    import scipy.sparse

    shape, elements = notation["shape"], listed(notation)
    values = {"dtype": notation["dtype"], "shape": [len(elements)]}
    held = array({**values, "elements": [value for _, value in elements]}, _NATIVE)
    places = np.array([place for place, _ in elements], "i8").reshape(-1, len(shape)).T
    return scipy.sparse.coo_array((held, tuple(places)), shape=tuple(shape))


def _set(flat: Any, place: int, t: Any, element: Any, order: str) -> None:
    if isinstance(t, dict) and "fields" in t:
        for (name, child), part in zip(t["fields"], element, strict=True):
            _set(flat[string(name)], place, child, part, order)
    elif isinstance(t, dict):
        inner = np.zeros(len(element), dtype(t["base"], order))
        for i, part in enumerate(element):
            _set(inner, i, t["base"], part, order)
        flat[place] = inner.reshape(t["shape"])
    elif t in "OT":
        flat[place] = value(element)
    elif t[0] in "fc":
        parts = [element] if t[0] == "f" else element
        raw = b"".join(
            bytes.fromhex(part)[::-1] if order == "<" else bytes.fromhex(part) for part in parts
        )
        # Through bits: a NaN keeps its payload.
        flat.view(f"V{len(raw)}")[place] = np.void(raw)
    elif t[0] in "SV":
        flat[place] = binary(element) if t[0] == "S" else np.void(binary(element))
    elif t[0] == "U":
        flat[place] = string(element)
    elif t[0] in "mM":
        flat.view(f"{order}i8")[place] = int(element)
    else:
        flat[place] = element if isinstance(element, bool) else int(element)

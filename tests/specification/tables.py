"""Sections 3 to 6: types, canonical arrays, blocks, columns, tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from specification import NoCanonicalForm, binary, digest, floating, is_nan, text, u64, utf8
from specification.values import value_digest

LISTS = ("list", "large_list", "list_view", "large_list_view")
STRINGS = ("string", "large_string", "string_view")
BINARIES = ("binary", "large_binary", "binary_view")
INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
FLOATS = ("float16", "float32", "float64")
DECIMALS = ("decimal32", "decimal64", "decimal128", "decimal256")
UTC = (
    "Etc/UTC", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal", "Z",
    "+00:00", "-00:00",
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    type: bytes
    digest: bytes
    blocks: list[bytes]
    canonical: list[bytes]
    size: int


class Counts(bytes):
    """The counts at the end of an array, which are no part of its size."""


def table(notation: Any) -> tuple[str, list[Column]]:
    """Section 6: the id, and that of each column."""
    columns = [column(one["types"][0], cells(one, notation["rows"])) for one in notation["columns"]]
    root = u64(notation["rows"]) + u64(len(columns))
    for one, made in zip(notation["columns"], columns, strict=True):
        root += text(one["name"]) + made.digest
    return f"table:{digest('table', root).hex()}", columns


def column(type_: Any, values: list[Any]) -> Column:
    """Section 5."""
    name = type_name(type_)
    blocks, canonical, size = [], [], 0
    for start in range(0, len(values), 65_536):
        parts = array(type_, values[start : start + 65_536])
        size += sum(len(part) for part in parts if not isinstance(part, Counts))
        canonical.append(b"".join(parts))
        blocks.append(digest("block", canonical[-1]))
    whole = u64(len(name)) + name + u64(len(values)) + b"".join(blocks)
    return Column(name, digest("column", whole), blocks, canonical, size)


def cells(notation: Any, rows: int) -> list[Any]:
    """The values of a column, written out if a formula says them."""
    if "values" in notation:
        assert len(notation["values"]) == rows
        return list(notation["values"])
    formula = notation["formula"]
    nulls = formula["nulls"]
    return [
        None if nulls and row % nulls == 0 else _cell(formula, row * formula["factor"])
        for row in range(rows)
    ]


def _cell(formula: Any, product: int) -> Any:
    number = product % formula["modulo"]
    kind = formula["kind"]
    if kind == "flag":
        return number % 2 == 1
    if kind == "real":
        return _eighth(number)
    if kind == "text":
        return str(number)
    if kind == "spike":
        return {"repeat": ["x", 256]} if number == 70_000 else ""
    if kind == "list":
        return list(range(number, number + number % 4))
    assert kind == "integer"
    return number


def _eighth(number: int) -> str:
    """The bits of a whole number divided by 8, as a double."""
    if not number:
        return "0" * 16
    length = number.bit_length()
    exponent = 1023 + length - 1 - 3
    return f"{(exponent << 52) + ((number << (53 - length)) - (1 << 52)):016x}"


# --- types ----------------------------------------------------------------------------------------


def kind(type_: Any) -> str:
    return type_ if isinstance(type_, str) else type_["type"]


def type_name(t: Any) -> bytes:
    """Section 3."""
    k = kind(t)
    if k in STRINGS:
        return b"string"
    if k in BINARIES:
        return b"binary"
    if k in ("date32", "date64"):
        return b"date"
    if k in ("null", "bool", "complex64", "complex128", "python", *INTEGERS, *FLOATS):
        return k.encode()
    if k in ("dictionary", "run_end_encoded"):
        return type_name(t["values"])
    if k == "fixed_size_binary":
        return b"binary[%d]" % t["size"]
    if k in DECIMALS:
        return b"decimal[%d,%d]" % (t["precision"], t["scale"])
    if k == "duration":
        return f"duration[{t['unit']}]".encode()
    if k in ("time32", "time64"):
        return f"time[{_unit(t)}]".encode()
    if k == "timestamp":
        return f"timestamp[{_unit(t)}{_zone(t['zone'])}]".encode()
    if k == "interval_month_day_nano":
        return b"interval[month,day,nano]"
    if k in LISTS:
        return b"list{%s}" % type_name(t["child"])
    if k == "fixed_size_list":
        return b"list[%d]{%s}" % (t["size"], type_name(t["child"]))
    if k == "map":
        return b"map{%s,%s}" % (type_name(t["key"]), type_name(t["item"]))
    if k == "struct":
        named = ((utf8(name), type_name(child)) for name, child in t["fields"])
        return b"struct{%s}" % b";".join(b"%d:%s=%s" % (len(n), n, c) for n, c in named)
    if k == "extension":
        name, parameters = utf8(t["name"]), binary(t["parameters"])
        parts = (len(name), name, len(parameters), parameters, type_name(t["storage"]))
        return b"extension{%d:%s,%d:%s,%s}" % parts
    raise NoCanonicalForm(k)


def _unit(t: Any) -> str:
    return "ms" if t["unit"] == "s" else t["unit"]


def _zone(zone: str | None) -> str:
    if not zone:
        return ""
    if not re.fullmatch("[A-Za-z0-9_+:/-]+", zone):
        raise NoCanonicalForm(zone)
    return f",{'UTC' if zone in UTC else zone}"


# --- canonical arrays -----------------------------------------------------------------------------


def array(t: Any, values: list[Any]) -> list[bytes]:
    """Section 4."""
    if kind(t).startswith("complex"):
        values = [None if v and (is_nan(v[0]) or is_nan(v[1])) else v for v in values]
    rows, nulls = len(values), sum(value is None for value in values)
    counts = Counts(u64(rows) + u64(nulls))
    if nulls == rows:
        return [counts]
    bitmap = bits([value is not None for value in values]) if nulls else b""
    return [*_values(t, values), bitmap, counts]


def _values(t: Any, values: list[Any]) -> list[bytes]:
    k = kind(t)
    if k in ("dictionary", "run_end_encoded"):
        return _values(t["values"], values)
    if k == "extension":
        return _values(t["storage"], values)
    if k == "bool":
        return [bits([bool(value) for value in values])]
    if k in STRINGS or k in BINARIES:
        read = utf8 if k in STRINGS else binary
        parts = [b"" if value is None else read(value) for value in values]
        return [b"".join(parts), lengths([len(part) for part in parts])]
    if k in LISTS:
        lists = [value or [] for value in values]
        return [*array(t["child"], sum_of(lists)), lengths([len(one) for one in lists])]
    if k == "fixed_size_list":
        return array(t["child"], sum_of([value for value in values if value is not None]))
    if k == "map":
        maps = [value or [] for value in values]
        pairs = sum_of(maps)
        keys = array(t["key"], [key for key, _ in pairs])
        items = array(t["item"], [item for _, item in pairs])
        return [*keys, *items, lengths([len(one) for one in maps])]
    if k == "struct":
        parts = []
        for number, (_, child) in enumerate(t["fields"]):
            field = [None if value is None else value[number] for value in values]
            parts += array(child, field)
        return parts
    return [b"".join(_fixed(t, value) for value in values)]


def _fixed(t: Any, value: Any) -> bytes:
    """Sections 4.1 and 4.2."""
    k, width = kind(t), width_of(t)
    if value is None:
        return bytes(width)
    if k in FLOATS:
        return floating(value)
    if k.startswith("complex"):
        return floating(value[0]) + floating(value[1])
    if k == "fixed_size_binary":
        return binary(value)
    if k == "python":
        return value_digest(value)
    if k == "interval_month_day_nano":
        months, days, nanos = map(int, value)
        return _whole(months, 4) + _whole(days, 4) + _whole(nanos, 8)
    number = int(value)
    if k == "date64":
        number, rest = divmod(number, 86_400_000)
        if rest:
            raise NoCanonicalForm("date64")
    elif k in ("time32", "timestamp") and t["unit"] == "s":
        number *= 1000
    return _whole(number, width, signed=not k.startswith("uint"))


def _whole(number: int, width: int, *, signed: bool = True) -> bytes:
    try:
        return number.to_bytes(width, "little", signed=signed)
    except OverflowError:
        raise NoCanonicalForm(f"{number} in {width} bytes") from None


def width_of(t: Any) -> int:
    k = kind(t)
    if k in DECIMALS:
        return 16 if t["precision"] <= 38 else 32
    if k == "fixed_size_binary":
        return int(t["size"])
    special = {
        "date32": 4, "date64": 4, "time32": 4, "time64": 8, "timestamp": 8, "duration": 8,
        "interval_month_day_nano": 16, "python": 32,
    }  # fmt: skip
    return special.get(k) or int(k.strip("abcdefghijklmnopqrstuvwxyz")) // 8


def bits(flags: list[bool]) -> bytes:
    number = int("".join("1" if flag else "0" for flag in reversed(flags)) or "0", 2)
    return number.to_bytes((len(flags) + 7) // 8, "little")


def lengths(numbers: list[int]) -> bytes:
    """Section 4.3."""
    width = next(w for w in (1, 2, 4, 8) if max(numbers) < 1 << 8 * w)
    return b"".join(n.to_bytes(width, "little") for n in numbers) + bytes([width])


def sum_of(lists: list[list[Any]]) -> list[Any]:
    return [item for one in lists for item in one]

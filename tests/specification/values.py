"""Section 9: Python values, and what sections 12 to 15 add to them."""

from __future__ import annotations

from typing import Any

from specification import NoCanonicalForm, binary, data, digest, floating, text, u64, utf8, zone
from specification.arrays import array_digest, type_name
from specification.sparse import sparse_digest


def value_digest(*values: Any) -> bytes:
    """The digest of a value in the vectors' notation."""
    return _Reading().digest(values, 0)


class _Reading:
    def __init__(self) -> None:
        self.values = 0

    def digest(self, values: Any, level: int) -> bytes:
        return digest("value", b"".join(self.value(value, level) for value in values))

    def value(self, notation: Any, level: int) -> bytes:
        self.values += 1
        if self.values > 1_000_000:
            raise NoCanonicalForm("more than 1,000,000 values")
        if notation is None or isinstance(notation, bool):
            return tag("none" if notation is None else str(notation).lower())
        if isinstance(notation, str):
            notation = {"str": notation}
        ((name, content),) = notation.items()
        write = getattr(self, "_" + name.replace(".", "_"), None)
        if write is None or name == "again":
            return tag(name if name != "int" or int(content) >= 0 else "int-") + leaf(name, content)
        if level >= 100:
            raise NoCanonicalForm("more than 100 levels")
        return tag(name) + write(content, level + 1)

    def sequence(self, values: Any, level: int) -> bytes:
        return u64(len(values)) + self.all(values, level)

    def all(self, values: Any, level: int) -> bytes:
        return b"".join(self.value(value, level) for value in values)

    def _list(self, content: Any, level: int) -> bytes:
        return self.sequence(content, level)

    _tuple = _slice = _pattern = _partial = _method = _code = _list
    _pandas_period = _pandas_interval = _pandas_category = _list

    def _deque(self, content: Any, level: int) -> bytes:
        return self.value(content[0], level) + self.sequence(content[1], level)

    def _set(self, content: Any, level: int) -> bytes:
        members = sorted(self.digest([member], level) for member in content)
        return u64(len(members)) + b"".join(map(data, members))

    _frozenset = _set

    def _dict(self, content: Any, level: int) -> bytes:
        return u64(len(content)) + b"".join(self.all(pair, level) for pair in content)

    _ordereddict = _counter = _dict

    def _defaultdict(self, content: Any, level: int) -> bytes:
        return self._dict(content[1], level) + self.value(content[0], level)

    def _namedtuple(self, content: Any, level: int) -> bytes:
        return text(content[0]) + text(content[1]) + self.sequence(content[2], level)

    def _enum(self, content: Any, level: int) -> bytes:
        return text(content[0]) + text(content[1]) + self.all(content[2:], level)

    def _dataclass(self, content: Any, level: int) -> bytes:
        fields = b"".join(text(name) + self.value(value, level) for name, value in content[2])
        return text(content[0]) + text(content[1]) + u64(len(content[2])) + fields

    _attrs = _dataclass

    def _namespace(self, content: Any, level: int) -> bytes:
        attributes = sorted(content, key=lambda attribute: utf8(attribute[0]))
        return self.value({"dict": [[{"str": name}, item] for name, item in attributes]}, level)

    def _array_array(self, content: Any, level: int) -> bytes:
        return text(content[0]) + data(binary(content[1]))

    def _memoryview(self, content: Any, level: int) -> bytes:
        format_, sizes, held = content
        shape = {"tuple": [{"int": size} for size in sizes]}
        return text(format_) + self.value(shape, level) + data(binary(held))

    def _object(self, content: Any, level: int) -> bytes:
        return text(content[0]) + text(content[1]) + self.value(content[2], level)

    def _reduced(self, content: Any, level: int) -> bytes:
        return b"".join(map(text, content[:3])) + self.all(content[3:], level)

    def _class(self, content: Any, level: int) -> bytes:
        return text(content[0]) + text(content[1])

    _builtin = _class

    def _bound(self, content: Any, level: int) -> bytes:
        return self.value(content[0], level) + text(content[1])

    def _descriptor(self, content: Any, level: int) -> bytes:
        return b"".join(map(text, content))

    def _function(self, content: Any, level: int) -> bytes:
        module, name, code, defaults, keywords, cells = content
        closed = b"".join(
            tag("empty") if cell == {"empty": None} else self.value(cell, level) for cell in cells
        )
        values = self.all([code, defaults, keywords], level)
        return text(module) + text(name) + values + u64(len(cells)) + closed

    def _numpy_array(self, content: Any, level: int) -> bytes:
        return data(array_digest(content))

    _numpy_scalar = _numpy_array

    def _scipy_sparse(self, content: Any, level: int) -> bytes:
        return data(sparse_digest(content))

    def _numpy_dtype(self, content: Any, level: int) -> bytes:
        return data(type_name(content))

    def _numpy_ufunc(self, content: Any, level: int) -> bytes:
        return text(content)

    _numpy_function = _pandas = _pyarrow_type = _polars_type = _numpy_ufunc

    def _zone(self, content: Any, level: int) -> bytes:
        return text(zone(content))

    def _pandas_Timestamp(self, content: Any, level: int) -> bytes:
        return self.value({"int": content[0]}, level) + text(zone(content[1]))

    _pandas_Timedelta = _pandas_Timestamp

    def _pandas_dtype(self, content: Any, level: int) -> bytes:
        return b"".join(map(text, content[:3])) + self.value(content[3], level)

    def _table(self, content: Any, level: int) -> bytes:
        return b"".join(map(text, content))

    def _pyarrow_schema(self, content: Any, level: int) -> bytes:
        return data(self.digest([{"bytes": content}], level))


def tag(name: str) -> bytes:
    return bytes([len(name)]) + name.encode()


def leaf(name: str, content: Any) -> bytes:
    """What follows the tag of a value that holds no others."""
    if name in ("ellipsis", "notimplemented"):
        return b""
    if name == "int":
        size = abs(int(content))
        return data(size.to_bytes((size.bit_length() + 7) // 8, "little"))
    if name == "float":
        return floating(content)
    if name == "complex":
        return floating(content[0]) + floating(content[1])
    if name in ("str", "path", "module", "date"):
        return data(utf8(content))
    if name in ("bytes", "bytearray", "uuid"):
        return data(binary(content))
    if name == "decimal":
        negative, digits, exponent = content
        return text(f"{'-' if negative else ''}{digits}e{exponent}")
    if name in ("datetime", "time"):
        return text(content[0]) + u64(content[1]) + text(zone(content[2]))
    if name == "timedelta":
        return text("{}d{}s{}us".format(*content))
    if name == "fraction":
        return b"".join(tag("int-" if int(n) < 0 else "int") + leaf("int", n) for n in content)
    if name == "range":
        return u64(3) + b"".join(
            tag("int-" if int(n) < 0 else "int") + leaf("int", n) for n in content
        )
    if name == "again":
        return u64(content)
    raise NoCanonicalForm(name)

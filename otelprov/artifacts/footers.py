"""The footer of a Parquet file, read without pyarrow: loading that takes a hundred times as long.

Of the footer, which is a struct of Thrift's compact protocol, only the names of the columns and the
key-value metadata are kept (https://github.com/apache/parquet-format, ``FileMetaData``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

MAX_BYTES: Final = 1 << 19
"""Of a footer that is read here: 100 ms, about as long as pyarrow takes to load."""

Footer = tuple[dict[bytes, bytes], tuple[str, ...]]

# Of `FileMetaData`: the fields that are kept. Of `SchemaElement`: name and number of children.
_SCHEMA, _METADATA = 2, 5
_NAME, _CHILDREN = 4, 5
_STRUCT, _LIST, _SET, _MAP = 12, 9, 10, 11
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY = 1, 2, 3, 7, 8


def parsed(footer: bytes, key: bytes = b"") -> Footer:
    """The key-value metadata, and the names of the columns at the top.

    Without metadata where ``key`` stands nowhere: before it stand the row groups, and to pass over
    these takes a millisecond.

    Raises:
        ValueError: it is no such footer.
    """
    try:
        reader = _Reader(footer)
        elements: list[tuple[bytes, int]] = []
        metadata: dict[bytes, bytes] = {}
        for field, kind in reader.fields():
            if field == _SCHEMA and kind == _LIST:
                elements = [reader.element() for _ in range(reader.items(_STRUCT))]
                if key not in footer:
                    break
            elif field == _METADATA and kind == _LIST:
                metadata = dict(reader.pair() for _ in range(reader.items(_STRUCT)))
            else:
                reader.skip(kind)
        return metadata, _names(elements)
    except (IndexError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError("not the footer of a Parquet file") from error


def _names(elements: list[tuple[bytes, int]]) -> tuple[str, ...]:
    """Of the children of the root: the tree is written depth first."""
    found: list[str] = []
    index = 1
    for _ in range(elements[0][1]):
        found.append(elements[index][0].decode())
        left = 1
        while left:
            left += elements[index][1] - 1
            index += 1
    if index != len(elements):
        raise ValueError("the columns do not fit the schema")
    return tuple(found)


class _Reader:
    """Values of the compact protocol, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and kind of each field of a struct; its value is to be read before the next."""
        number = 0
        while header := self.byte():
            step = header >> 4
            number = number + step if step else self._integer()
            yield number, header & 15

    def items(self, kind: int) -> int:
        """How many items a list has, which are to be of this kind."""
        of, number = self._header()
        if of != kind:
            raise ValueError("a list of something else")
        return number

    def element(self) -> tuple[bytes, int]:
        """Name and number of children of a ``SchemaElement``."""
        name, children = b"", 0
        for field, kind in self.fields():
            if field == _NAME and kind == _BINARY:
                name = self._binary()
            elif field == _CHILDREN:
                children = self._integer()
            else:
                self.skip(kind)
        return name, children

    def pair(self) -> tuple[bytes, bytes]:
        """A ``KeyValue``."""
        found = {}
        for field, kind in self.fields():
            if kind == _BINARY:
                found[field] = self._binary()
            else:
                self.skip(kind)
        return found.get(1, b""), found.get(2, b"")

    def skip(self, kind: int) -> None:
        """Pass over a value."""
        if kind in (_TRUE, _FALSE):  # said by the kind
            return
        if kind == _BYTE:
            self._at += 1
        elif kind < _DOUBLE:
            self._varint()
        elif kind == _DOUBLE:
            self._at += 8
        elif kind == _BINARY:
            self._binary()
        elif kind in (_LIST, _SET):
            of, number = self._header()
            for _ in range(number):
                self._item(of)
        elif kind == _MAP:
            number = self._bounded(self._varint())
            kinds = self.byte() if number else 0
            for _ in range(number):
                self._item(kinds >> 4)
                self._item(kinds & 15)
        elif kind == _STRUCT:
            for _, of in self.fields():
                self.skip(of)
        else:
            raise ValueError(f"a value of the unknown kind {kind}")
        if self._at > len(self._data):
            raise ValueError("the footer is cut")

    def byte(self) -> int:
        """The next one."""
        self._at += 1
        return self._data[self._at - 1]

    def _item(self, kind: int) -> None:
        if kind in (_TRUE, _FALSE):  # in a list each has a byte
            self._at += 1
        else:
            self.skip(kind)

    def _header(self) -> tuple[int, int]:
        header = self.byte()
        number = header >> 4
        return header & 15, self._bounded(self._varint() if number == 15 else number)

    def _bounded(self, number: int) -> int:
        """A number of items, of which each takes a byte at least."""
        if number > len(self._data) - self._at:
            raise ValueError("the footer is cut")
        return number

    def _binary(self) -> bytes:
        length = self._varint()
        start, self._at = self._at, self._at + length
        if self._at > len(self._data):
            raise ValueError("the footer is cut")
        return self._data[start : self._at]

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        data, at = self._data, self._at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                self._at = at
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number without an end")

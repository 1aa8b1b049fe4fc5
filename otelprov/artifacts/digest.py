"""The table digest: canonical arrays, hashed as a tree of blocks, columns and tables.

docs/artifact-identity.md is the specification; the sections named here are its sections. Nothing
in this module decides what a container's columns are (``tables.py`` does), only what the values of
one column are once they are Arrow arrays or NumPy vectors.
"""

from __future__ import annotations

import os
import re
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from functools import lru_cache
from typing import Any, Final, TypeAlias

from blake3 import blake3

from otelprov import model
from otelprov._record import record

BLOCK_ROWS: Final = 65_536
"""Rows of a block (section 5). Blocks are counted from the first row, whatever the chunks are."""

_U64: Final = struct.Struct("<Q")
_HEAD: Final = struct.Struct("<QQ")

_LEVELS: Final = (
    "block", "column", "table", "schema", "array", "value", "directory", "resource", "version",
    "derivation", "step",
)  # fmt: skip

# BLAKE3's key derivation mode keeps the digests of one level from ever being those of another.
# A hasher is copied for each use: 0.4 µs, against 1.2 µs to derive the key again (blake3 1.0.11).
_DOMAINS: Final = {
    level: blake3(derive_key_context=f"otelprov artifact 1 {level}") for level in _LEVELS
}


Blocks: TypeAlias = tuple[bytes, ...]


class NoCanonicalForm(Exception):
    """The data has no canonical form in version 1; the message says which part and why."""


@record
class ColumnDigest(model.Column):
    """One column of a table; ``digest`` is 64 hex digits and does not depend on the name.

    ``bytes`` is the size of its canonical values. ``blocks`` are the digests of its blocks of
    ``BLOCK_ROWS`` rows, 32 bytes each, and are there only if they were asked for.
    """

    bytes: int
    blocks: Blocks | None = None


@record
class TableDigest:
    """What a table is: its id, and that of each column.

    ``bytes`` is the size of the canonical values, so that equal tables have equal sizes.
    """

    id: str
    rows: int
    columns: tuple[ColumnDigest, ...]
    bytes: int

    @property
    def schema_id(self) -> str:
        """The id of its schema."""
        return schema_id((column.name, column.type) for column in self.columns)


def unidentified() -> str:
    """An id for what has no content id: never the same twice."""
    return f"object:{os.urandom(32).hex()}"


def hasher(level: str) -> blake3:
    """A fresh hasher of one level of the tree (section 2)."""
    return _DOMAINS[level].copy()


def text(value: str) -> bytes:
    """UTF-8 with its length in front. Lone surrogates, which UTF-8 has not, are kept apart."""
    data = value.encode("utf-8", "surrogatepass")
    return _U64.pack(len(data)) + data


@record
class Form:
    """What there is to know about a type: its canonical name, and how pieces of it are written.

    A piece is whatever ``write`` takes: it must have a length and slices, and ``join`` makes one
    of several; ``write_all``, if there is one, writes several without joining them.
    """

    type: bytes
    write: Callable[[Any, Block], None]
    join: Callable[[list[Any]], Any]
    write_all: Callable[[Sequence[Any], Block], None] | None = None
    label: str = field(init=False)
    """``type`` as text."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.type.decode("utf-8", "replace"))


def whole_column(name: str, form: Form, piece: Any, *, blocks: bool = False) -> ColumnDigest:
    """The digest of a column that is one piece of 1 to ``BLOCK_ROWS`` rows.

    As ``Column`` gives it; pipelines are full of small tables, for which this is half of all.
    """
    block = Block()
    try:
        form.write(piece, block)
    except NoCanonicalForm as error:
        raise NoCanonicalForm(f"column {name!r}: {error}") from None
    return _column_digest(name, form, len(piece), block.bytes, block.hasher.digest(), blocks)


def _column_digest(
    name: str, form: Form, rows: int, size: int, blocks: bytes, keep: bool
) -> ColumnDigest:
    type_ = form.type
    column = _DOMAINS["column"].copy()
    column.update(b"".join((_U64.pack(len(type_)), type_, _U64.pack(rows), blocks)))
    kept = tuple(blocks[i : i + 32] for i in range(0, len(blocks), 32)) if keep else None
    return ColumnDigest(name, form.label, column.hexdigest(), size, kept)


class Column:
    """The digest of one column, made from pieces in any sizes (sections 3 to 5).

    Pieces are kept only until they fill a block. The name is not part of the digest.
    """

    __slots__ = ("_blocks", "_pending", "_waiting", "bytes", "form", "name", "rows")

    def __init__(self, name: str, form: Form) -> None:
        self.name = name
        self.form = form
        self.rows = 0
        self.bytes = 0
        self._blocks = bytearray()
        self._pending: list[Any] = []
        self._waiting = 0

    def add(self, piece: Any) -> None:
        """The next rows."""
        length = len(piece)
        if not length:
            return
        start = 0
        if self._waiting:
            start = min(length, BLOCK_ROWS - self._waiting)
            self._pending.append(piece[:start])
            self._waiting += start
            if self._waiting < BLOCK_ROWS:
                return
            self._block(*self._pending)
            self._pending = []
            self._waiting = 0
        while length - start >= BLOCK_ROWS:
            self._block(piece[start : start + BLOCK_ROWS])
            start += BLOCK_ROWS
        if start < length:
            self._pending.append(piece[start:] if start else piece)
            self._waiting = length - start

    def digest(self, *, blocks: bool = False) -> ColumnDigest:
        """After the last piece; ``blocks`` asks for the digests of the blocks as well."""
        if self._waiting:
            self._block(*self._pending)
            self._pending = []
            self._waiting = 0
        return _column_digest(
            self.name, self.form, self.rows, self.bytes, bytes(self._blocks), blocks
        )

    def _block(self, *pieces: Any) -> None:
        form = self.form
        block = Block(aligned=len(pieces) > 1 and form.write_all is not None)
        try:
            if len(pieces) == 1:
                form.write(pieces[0], block)
            elif form.write_all is not None:
                form.write_all(pieces, block)
            else:
                form.write(form.join(list(pieces)), block)
        except NoCanonicalForm as error:
            raise NoCanonicalForm(f"column {self.name!r}: {error}") from None
        self._blocks += block.hasher.digest()
        self.bytes += block.bytes
        self.rows += sum(map(len, pieces))


class Block:
    """Where the canonical form of one block is written (section 4).

    Values first, their bitmap after them and the counts last: BLAKE3 works on chunks of 1,024
    bytes from the start, and takes a tenth longer when the values do not begin at one. With
    ``aligned``, values that come in pieces are handed on so that each begins well.
    """

    __slots__ = ("_rest", "bytes", "hasher")

    def __init__(self, *, aligned: bool = False) -> None:
        self.hasher = _DOMAINS["block"].copy()
        self.bytes = 0
        self._rest = bytearray() if aligned else None

    def write(self, data: Any) -> None:
        """Bytes, or a contiguous NumPy vector of any type."""
        if type(data) is not bytes and data.dtype.char != "B":
            data = data.view("u1")
        self.bytes += len(data)
        if self._rest is None:
            self.hasher.update(data)
        else:
            self._write_aligned(self._rest, memoryview(data))

    def _write_aligned(self, rest: bytearray, data: memoryview) -> None:
        if rest:
            head = data[: _ALIGNMENT - len(rest)]
            rest += head
            if len(rest) < _ALIGNMENT:
                return
            data = data[len(head) :]
            self.hasher.update(rest)
            rest.clear()
        whole = len(data) - len(data) % _ALIGNMENT
        self.hasher.update(data[:whole])
        rest += data[whole:]

    def lengths(self, lengths: Any, longest: int | None = None) -> None:
        """In the fewest bytes (1, 2, 4 or 8) that hold the longest of the block (section 4.3)."""
        if longest is None:
            if len(lengths) <= FEW:
                few = lengths.tolist()
                longest = max(few, default=0)
                if longest < 1 << 8:
                    self.write(bytes(few) + b"\x01")
                    return
            else:
                longest = int(lengths.max())
        width = 1 if longest < 1 << 8 else 2 if longest < 1 << 16 else 4 if longest < 1 << 32 else 8
        self.write(lengths.astype(f"<u{width}"))
        self.write(bytes((width,)))

    def floats(self, values: Any) -> None:
        """Bits, with one NaN (section 4.2). ``values`` is not written to."""
        if not len(values):
            return
        import numpy

        if values.dtype.itemsize == 2:  # the maximum is slow on float16: no hardware for it
            bits = values.view("<u2")
            if int((bits & 0x7FFF).max()) > 0x7C00:
                values = numpy.where((bits & 0x7FFF) > 0x7C00, numpy.uint16(0x7E00), bits)
        elif has_nan(values):
            values = numpy.where(numpy.isnan(values), values.dtype.type("nan"), values)
        self.write(values)

    def end(self, rows: int, valid: Any = None) -> None:
        """The bitmap and the counts. ``valid`` says what is not null, if something is null."""
        if valid is None:
            self.counts(rows)
            return
        import numpy

        nulls = rows - int(numpy.count_nonzero(valid))
        self.counts(rows, nulls, numpy.packbits(valid, bitorder="little"))

    def counts(self, rows: int, nulls: int = 0, bitmap: Any = None) -> None:
        """The same with a bitmap that is packed already."""
        if bitmap is not None:
            self.write(bitmap)
        if self._rest:
            self.hasher.update(self._rest)
            self._rest.clear()
        self.hasher.update(_HEAD.pack(rows, nulls))

    def nothing(self, rows: int) -> None:
        """A block of nulls only."""
        self.counts(rows, rows)


def has_nan(values: Any) -> bool:
    """Whether there is a NaN among floats or complex numbers of at least 32 bits."""
    if len(values) <= FEW:
        # NaN if there is one, or infinities of both signs, which are looked at then. Takes 0.5 µs
        # where the maximum, NaN too, takes 1.4, and warns of nothing.
        some = sum(values.tolist())
        return bool(some != some and (values != values).any())
    largest = values.max()  # a fourth of what isnan().any() takes for many
    return bool(largest != largest)


FEW: Final = 64
"""Values for which a loop in Python, or a way that is not the fastest for many, is quicker."""

_ALIGNMENT: Final = 65_536
"""Bytes. Blocks of the hash function's tree: at fewer than 16 chunks it is slower."""


def table_digest(rows: int, columns: Sequence[ColumnDigest]) -> TableDigest:
    """The root of the tree (section 6)."""
    root = hasher("table")
    root.update(_HEAD.pack(rows, len(columns)))
    root.update(b"".join(text(column.name) + bytes.fromhex(column.digest) for column in columns))
    size = sum(column.bytes for column in columns)
    return TableDigest(f"table:{root.hexdigest()}", rows, tuple(columns), size)


def schema_id(columns: Iterable[tuple[str, str]]) -> str:
    """The id of a schema (section 18), of the names and canonical types of its columns."""
    return _schema_id(tuple(columns))


@lru_cache(maxsize=256)  # a pipeline makes many tables of few schemas
def _schema_id(columns: tuple[tuple[str, str], ...]) -> str:
    found = hasher("schema")
    found.update(_U64.pack(len(columns)))
    found.update(b"".join(text(name) + text(type_) for name, type_ in columns))
    return f"schema:{found.hexdigest()}"


# --- rules that Arrow and NumPy share -------------------------------------------------------------

_UTC: Final = frozenset(
    {
        "+00:00", "-00:00", "Z", "UCT", "Zulu", "Universal",
        "Etc/UTC", "Etc/UCT", "Etc/Zulu", "Etc/Universal",
    }
)  # fmt: skip

_ZONE: Final = r"[A-Za-z0-9_+:/-]+"


def timestamp_type(unit: str, zone: str | None) -> str:
    """Seconds are milliseconds, as Parquet has none, and UTC has one name (section 3)."""
    unit = "ms" if unit == "s" else unit
    if not zone:
        return f"timestamp[{unit}]"
    if not re.fullmatch(_ZONE, zone):
        raise NoCanonicalForm(f"{zone!r} is not the name of a time zone")
    return f"timestamp[{unit},{'UTC' if zone in _UTC else zone}]"


def scaled(values: Any, scale: int) -> Any:
    if scale == 1 or not len(values):
        return values
    limit = (1 << (8 * values.dtype.itemsize - 1)) // scale  # no power of two is a multiple of it
    if int(values.max()) > limit or int(values.min()) < -limit:
        raise NoCanonicalForm("a time in seconds is out of the range of milliseconds")
    return values * values.dtype.type(scale)


def little_endian() -> None:
    if sys.byteorder != "little":
        raise NoCanonicalForm("digests are made on little-endian machines only")

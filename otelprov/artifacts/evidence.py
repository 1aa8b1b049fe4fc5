"""What is known of data that was not read in full (docs/artifact-identity.md, section 17).

Such an id is one of a *version of a location*: it rests on the URI and on some evidence of which
version stood there. It never is, and never equals, the id of a content.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

from blake3 import blake3

from otelprov.artifacts import contents
from otelprov.artifacts.digest import hasher, text
from otelprov.model import Artifact, ArtifactKind

Kind = Literal["footer", "version", "status"]
_STATUS: Final = struct.Struct("<Qq")
_MAGIC: Final = 8
_TAIL: Final = 12
"""Bytes at the end that say whether there is a footer, and how long it is."""


def versioned(
    uri: str,
    kind: Kind,
    evidence: bytes,
    what: ArtifactKind,
    *,
    name: str | None = None,
    size: int | None = None,
    reason: str | None = None,
) -> Artifact:
    """The artifact that a location held when the evidence was taken."""
    digest = hasher("version")
    digest.update(text(uri) + text(kind) + len(evidence).to_bytes(8, "little") + evidence)
    return Artifact(
        f"version:{digest.hexdigest()}",
        what,
        name,
        uri or None,
        bytes=size,
        coverage=kind,
        reason=reason,
    )


def table_version(
    uri: str,
    facts: Mapping[str, str],
    *,
    name: str,
    version: str,
    schema: str | None = None,
    columns: int | None = None,
) -> Artifact:
    """A version of a table that has versions of its own: ``facts`` are what its format calls it.

    ``version`` is what people call it; ``schema`` the id of its schema, where that is known.
    """
    found = versioned(uri, "version", of_version(facts), "table", name=name)
    return replace(found, version=version, schema_id=schema, columns=columns)


def of_status(status: os.stat_result) -> bytes:
    """Size and time of modification in nanoseconds."""
    return _STATUS.pack(status.st_size, status.st_mtime_ns)


def of_footer(descriptor: int, status: os.stat_result) -> bytes | None:
    """Size, time, and the digest of the footer of a Parquet or Arrow IPC file; None if it has none.

    The time counts because a footer alone says little about values: that of an Arrow file holds
    none, that of a Parquet file the least and the greatest of a column at best.

    Raises:
        OSError: the file cannot be read.
    """
    size = status.st_size
    if size < _MAGIC + _TAIL:
        return None
    head = _at(descriptor, 0, _MAGIC)
    tail = _at(descriptor, size - _TAIL, _TAIL)
    length = 0
    if head[:4] in (b"PAR1", b"PARE") and tail[-4:] == head[:4]:
        length = int.from_bytes(tail[-8:-4], "little") + 8
    elif head[:6] == b"ARROW1" and tail[-6:] == b"ARROW1":
        length = int.from_bytes(tail[-10:-6], "little") + 10
    if not 0 < length <= size:
        return None
    footer = blake3()
    for start in range(size - length, size, 1 << 20):
        footer.update(_at(descriptor, start, min(1 << 20, size - start)))
    return of_status(status) + footer.digest()


def of_version(facts: Mapping[str, str]) -> bytes:
    """What a store says of an object: its ETag, its version id, …, by name."""
    return b"".join(text(name) + text(value) for name, value in sorted(facts.items()))


def _at(descriptor: int, start: int, length: int) -> bytes:
    buffer = bytearray(length)
    done = 0
    while done < length:
        count = contents.read_at(descriptor, memoryview(buffer)[done:], start + done)
        if not count:
            raise OSError("the file was cut while it was read")
        done += count
    return bytes(buffer)

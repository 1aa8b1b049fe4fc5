"""Derivation ids: what an operation made in memory, by how it was made.

docs/derivation-identity.md is the specification; the sections named here are its sections. The
functions are pure but for one thing: a part that is not known is given as None, and random bytes
are written in its place, so that the id is never equal to another.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from otelprov.artifacts.digest import hasher

_U64: Final = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an input comes from: the ids of its sources, and the steps between (section 3).

    ``sources`` are artifact ids, None where one is not known. ``path`` is empty when the input is
    its one source itself, otherwise what ``step_path`` gave.
    """

    sources: tuple[str | None, ...]
    path: bytes = b""


@dataclass(frozen=True, slots=True)
class Derivation:
    """All that the derivation ids of an operation's outputs are made of (section 2).

    Digests are those of docs/artifact-identity.md section 9 (``digest_value``), None for a value
    without a canonical form.
    """

    library: str
    name: str
    version: str | None = None
    """Version of the library, None for an operation that has none."""
    functions: tuple[bytes | None, ...] = ()
    """The function of the program's own that the operation is; empty for a library's."""
    parameters: tuple[tuple[str, bytes | None], ...] = ()
    """Name and digest of each parameter that is no data, in any order."""
    inputs: tuple[tuple[str, Origin], ...] = ()
    """Role and origin of each input, in the order in which the operation used them."""


def derivation_id(derivation: Derivation, output: int) -> str:
    """``derived:<64 hex digits>`` of an output, the first of which has number 0.

    Two calls give the same id, unless a part is not known.
    """
    buffer = bytearray(_named(derivation.library, derivation.name, derivation.version))
    _number(buffer, len(derivation.functions))
    for function in derivation.functions:
        _known(buffer, function)
    _number(buffer, len(derivation.parameters))
    for name, digest in sorted(derivation.parameters, key=_by_name):
        _text(buffer, name)
        _known(buffer, digest)
    _number(buffer, len(derivation.inputs))
    for role, origin in derivation.inputs:
        _text(buffer, role)
        _origin(buffer, origin)
    _number(buffer, output)
    out = hasher("derivation")
    out.update(buffer)
    return f"derived:{out.hexdigest()}"


def step_path(
    library: str,
    name: str,
    version: str | None,
    origins: Iterable[Origin],
    parameters: bytes | None,
) -> bytes:
    """The path (32 bytes) of what a small step makes of its inputs (section 4).

    ``parameters`` is the digest of what the step was given besides data, None if it is not known.
    """
    buffer = bytearray(_named(library, name, version))
    origins = tuple(origins)
    _number(buffer, len(origins))
    for origin in origins:
        _origin(buffer, origin)
    _known(buffer, parameters)
    out = hasher("step")
    out.update(buffer)
    return out.digest()


@lru_cache(maxsize=1024)  # steps are many, and each is taken often
def _named(library: str, name: str, version: str | None) -> bytes:
    buffer = bytearray()
    _text(buffer, library)
    _text(buffer, name)
    _number(buffer, 0 if version is None else 1)
    if version is not None:
        _text(buffer, version)
    return bytes(buffer)


def _origin(buffer: bytearray, origin: Origin) -> None:
    _number(buffer, len(origin.sources))
    for source in origin.sources:
        # A name says nothing of the content behind it, which may be another each time.
        known = None if source is None or source.startswith("resource:") else source
        _known(buffer, None if known is None else known.encode())
    _data(buffer, origin.path)


def _known(buffer: bytearray, part: bytes | None) -> None:
    _data(buffer, os.urandom(32) if part is None else part)


def _text(buffer: bytearray, text: str) -> None:
    _data(buffer, text.encode("utf-8", "surrogatepass"))


def _data(buffer: bytearray, data: bytes) -> None:
    buffer += _U64.pack(len(data))
    buffer += data


def _number(buffer: bytearray, number: int) -> None:
    buffer += _U64.pack(number)


def _by_name(parameter: tuple[str, bytes | None]) -> bytes:
    return parameter[0].encode("utf-8", "surrogatepass")

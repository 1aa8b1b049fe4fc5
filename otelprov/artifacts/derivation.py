"""Derivation ids: what an operation made in memory, by how it was made.

docs/derivation-identity.md is the specification; the sections named here are its sections. The
functions are pure but for one thing: a part that is not known is given as None, and then the id is
random, so that it is never equal to another.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Final

from otelprov._record import record
from otelprov.artifacts.digest import hasher


@record
class Origin:
    """Where an input comes from: the ids of its sources, and the steps between (section 3).

    ``sources`` are artifact ids, None where one is not known. ``path`` is empty when the input is
    its one source itself, otherwise what ``step_path`` gave.
    """

    sources: tuple[str | None, ...]
    path: bytes = b""


@record
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
    return made_id(
        derivation.library,
        derivation.name,
        derivation.version,
        derivation.functions,
        derivation.parameters,
        [(role, (origin.sources, origin.path)) for role, origin in derivation.inputs],
        output,
    )


def made_id(
    library: str,
    name: str,
    version: str | None,
    functions: tuple[bytes | None, ...],
    parameters: tuple[tuple[str, bytes | None], ...],
    inputs: Sequence[tuple[str, tuple[tuple[str | None, ...], bytes]]],
    output: int,
) -> str:
    """``derivation_id`` of the parts of a ``Derivation``, and of the sources and path of each
    ``Origin``: to make those objects for each output takes 4 µs, as long as the rest."""
    given = _known_parameters(parameters)
    if given is None or None in functions:
        return "derived:" + unequalled().hex()
    parts = [_operation(library, name, version, len(functions))]
    for digest in functions:
        parts.append(_data(digest or b""))
    parts += (given, _number(len(inputs)))
    for role, (sources, path) in inputs:
        known = _known_input(role, sources, path)
        if known is None:
            return "derived:" + unequalled().hex()
        parts.append(known)
    parts.append(_number(output))
    out = hasher("derivation")
    out.update(b"".join(parts))
    return "derived:" + out.hexdigest()


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
    if parameters is None:
        return unequalled()
    parts = [(origin.sources, origin.path) for origin in origins]
    return path_of(library, name, version, parts, parameters)


def path_of(
    library: str,
    name: str,
    version: str | None,
    origins: Sequence[tuple[tuple[str | None, ...], bytes]],
    parameters: bytes,
) -> bytes:
    """``step_path`` of the sources and path of each ``Origin``."""
    parts = [_named(library, name, version), _number(len(origins))]
    for sources, path in origins:
        if any(map(_is_unknown, sources)):
            return unequalled()
        parts.append(_origin(sources, path))
    parts.append(_data(parameters))
    out = hasher("step")
    out.update(b"".join(parts))
    return out.digest()


@lru_cache(maxsize=1024)  # steps are many, and each is taken often
def _named(library: str, name: str, version: str | None) -> bytes:
    named = _text(library) + _text(name) + _number(0 if version is None else 1)
    return named if version is None else named + _text(version)


@lru_cache(maxsize=1024)
def _operation(library: str, name: str, version: str | None, functions: int) -> bytes:
    return _named(library, name, version) + _number(functions)


@lru_cache(maxsize=1024)
def _known_parameters(parameters: tuple[tuple[str, bytes | None], ...]) -> bytes | None:
    """None where one is not known."""
    parts = [_number(len(parameters))]
    # By the bytes of their names in UTF-8, which is the order of Python's texts.
    for name, digest in sorted(parameters, key=_name):
        if digest is None:
            return None
        parts.append(_parameter(name, digest))
    return b"".join(parts)


@lru_cache(maxsize=4096)  # an artifact is used many times
def _known_input(role: str, sources: tuple[str | None, ...], path: bytes) -> bytes | None:
    """None where a source is not known."""
    if any(map(_is_unknown, sources)):
        return None
    return _text(role) + _origin(sources, path)


def _origin(sources: tuple[str | None, ...], path: bytes) -> bytes:
    parts = [_number(len(sources))]
    for source in sources:
        parts.append(_data((source or "").encode()))
    parts.append(_data(path))
    return b"".join(parts)


def _is_unknown(source: str | None) -> bool:
    # A name says nothing of the content behind it, which may be another each time.
    return source is None or source.startswith("resource:")


def unequalled() -> bytes:
    """32 bytes that are equal to no others: what the digest is of something with an unknown part.

    That part would be random bytes, and so the digest; 32 of them stand for it as they are.
    """
    try:
        return _drawn.pop()
    except IndexError:
        drawn = os.urandom(32 * 128)  # each time the system is asked takes 1 µs
        _drawn.extend(drawn[start : start + 32] for start in range(32, len(drawn), 32))
        return drawn[:32]


_drawn: list[bytes] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drawn.clear)


@lru_cache(maxsize=4096)  # names of parameters and roles
def _text(text: str) -> bytes:
    return _data(text.encode("utf-8", "surrogatepass"))


def _data(data: bytes) -> bytes:
    return _number(len(data)) + data


_number: Final = struct.Struct("<Q").pack


@lru_cache(maxsize=4096)
def _parameter(name: str, digest: bytes) -> bytes:
    return _text(name) + _data(digest)


_name: Final = itemgetter(0)

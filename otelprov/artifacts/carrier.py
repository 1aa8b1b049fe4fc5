"""Ids that travel with the data: Parquet and Arrow metadata, extended attributes elsewhere.

A carrier in a file's metadata is a claim: a program that copies the metadata of one table to
another copies it too. Whoever builds an edge on it compares its id with that of the data.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, TypeAlias

from otelprov import semconv
from otelprov._record import record
from otelprov.artifacts import contents, files, formats
from otelprov.artifacts.interruptions import is_of_the_program
from otelprov.model import Artifact, CarrierState, is_id, is_later_version

ID_KEY: Final = semconv.ARTIFACT_ID.encode()
TRACE_KEY: Final = b"traceparent"
SCOPE_KEY: Final = b"otelprov.artifact.scope"
PART: Final = b"part"
OBJECT_ID: Final = "otelprov-artifact-id"
OBJECT_TRACE: Final = "traceparent"
"""In the metadata of an object in a store: ``x-amz-meta-…`` of S3."""
KEYS: Final = frozenset({ID_KEY, TRACE_KEY, SCOPE_KEY})
"""Everything that is written into a file beside its content."""

Place = Literal["metadata", "attributes"]

_TRACEPARENT: Final = rb"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}"


@record
class Carrier:
    """An artifact's id and the span that generated it."""

    artifact_id: str
    trace_id: str
    """32 lowercase hex digits."""
    span_id: str
    """16 lowercase hex digits."""
    part: bool = False
    """Whether the file holds only a part of the artifact: one of a partitioned data set's."""


@record
class Claim:
    """A carrier and where it was found."""

    carrier: Carrier
    place: Place


def arrow_metadata(carrier: Carrier) -> dict[bytes, bytes]:
    """Key-value metadata for a Parquet footer or an Arrow schema (W3C Trace Context)."""
    metadata = {
        ID_KEY: carrier.artifact_id.encode(),
        TRACE_KEY: f"00-{carrier.trace_id}-{carrier.span_id}-01".encode(),
    }
    return {**metadata, SCOPE_KEY: PART} if carrier.part else metadata


def object_metadata(carrier: Carrier, given: Mapping[str, str]) -> dict[str, str]:
    """Metadata of an object in a store, beside what the program gives; nothing is overwritten."""
    names = {name.lower() for name in given}
    own = {
        OBJECT_ID: carrier.artifact_id,
        OBJECT_TRACE: f"00-{carrier.trace_id}-{carrier.span_id}-01",
    }
    return dict(given) if names & own.keys() else {**given, **own}


def from_object(metadata: Mapping[str, str]) -> Carrier | None:
    """The carrier in the metadata of an object, or None."""
    found = {name.lower(): value.encode() for name, value in metadata.items()}
    if OBJECT_ID not in found or OBJECT_TRACE not in found:
        return None
    return _parse({ID_KEY: found[OBJECT_ID], TRACE_KEY: found[OBJECT_TRACE]})


def without_own(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata of an object as the program gave it."""
    own = (OBJECT_ID, OBJECT_TRACE)
    return {name: value for name, value in metadata.items() if name.lower() not in own}


def from_arrow(metadata: Mapping[bytes, bytes] | None) -> Carrier | None:
    """The carrier in the metadata of an Arrow schema, or None."""
    return _parse(metadata) if metadata else None


def read(path: str | os.PathLike[str]) -> Carrier | None:
    """The carrier of a file, or None. Never raises.

    Of Parquet and Arrow files only the metadata is read. Extended attributes stay when a file is
    overwritten: they count only if their id is still that of the content.
    """
    for claim in claims(path):
        if claim.place == "metadata" or verify(path, claim.carrier) == "verified":
            return claim.carrier
    return None


def claims(path: str | os.PathLike[str]) -> tuple[Claim, ...]:
    """What a file says of itself, true or not. Never raises.

    Only the metadata of Parquet and Arrow files and the extended attributes are read, and kept
    as long as the file does not change: a footer takes 0.2 ms, and a pipeline may read one file
    many times.
    """
    return said(path)[0]


Said: TypeAlias = tuple[tuple[Claim, ...], tuple[str, ...] | None]


def said(path: str | os.PathLike[str]) -> Said:
    """As ``claims``, and what the columns of a Parquet or Arrow file are called. Never raises."""
    since = time.time_ns()
    place, status = _status(path)
    found = None if status is None else _cache.get(place, status)
    if found is None:
        names: list[tuple[str, ...] | None] = []

        def head(path: str | os.PathLike[str]) -> Mapping[bytes, bytes]:
            metadata, own = formats.head(path, ID_KEY)
            names.append(own)
            return metadata

        metadata = _claims("metadata", head, path)
        attributes = _claims("attributes", _attributes, path)
        found = (metadata or ()) + (attributes or ()), names[0] if names else None
        if status is not None and metadata is not None and attributes is not None:
            changed = max(status.st_mtime_ns, status.st_ctime_ns)  # attributes set the latter only
            _cache.keep(place, status, found, since, changed)
    return found


_cache: Final[contents.Kept[Said]] = contents.Kept()


def _status(path: str | os.PathLike[str]) -> tuple[bytes, os.stat_result | None]:
    try:
        place = os.path.abspath(os.fsencode(path))
        return place, os.stat(place)
    except Exception as error:
        if is_of_the_program(error):
            raise
        return b"", None


def check(path: str | os.PathLike[str]) -> CarrierState | None:
    """Whether what a file carries is still true; None if it carries nothing. Never raises.

    The whole file is read.
    """
    return settled(verify(path, claim.carrier) for claim in claims(path))


def settled(states: Iterable[CarrierState]) -> CarrierState | None:
    """What is said of a file with several claims: one that is true is enough."""
    found = set(states)
    order: tuple[CarrierState, ...] = ("verified", "unverified", "stale")
    return next((state for state in order if state in found), None)


def verify(
    path: str | os.PathLike[str], carrier: Carrier, known: Artifact | None = None
) -> CarrierState:
    """Whether the id in a carrier is that of the file's content. Never raises.

    ``known`` is the file by its content, where that is at hand; else the whole file is read.
    """
    if is_later_version(carrier.artifact_id):
        return "unverified"
    artifact: Artifact | None = known
    if carrier.artifact_id.startswith("table:"):
        artifact = formats.table_in_file(path)
    elif artifact is None:
        artifact = files.identify_path(path)
    if artifact is not None and artifact.id == carrier.artifact_id:
        return "verified"
    if artifact is None or artifact.coverage != "full" or carrier.part:
        return "unverified"
    return "stale"


def attach(path: str | os.PathLike[str], carrier: Carrier) -> bool:
    """Put a carrier into a file's extended attributes. False where it has none; never raises."""
    if not hasattr(os, "setxattr"):
        return False
    try:
        before = os.stat(path)
        for key, value in arrow_metadata(carrier).items():
            os.setxattr(path, b"user." + key, value)
        contents.touched(path, before)
    except Exception as error:
        if is_of_the_program(error):
            raise
        return False
    return True


def _claims(
    place: Place,
    look: Callable[[str | os.PathLike[str]], Mapping[bytes, bytes]],
    path: str | os.PathLike[str],
) -> tuple[Claim, ...] | None:
    """None where nobody knows."""
    try:
        carrier = _parse(look(path))
    except Exception as error:  # no pyarrow, a broken footer, no attributes here
        if is_of_the_program(error):
            raise
        return None
    return () if carrier is None else (Claim(carrier, place),)


def _attributes(path: str | os.PathLike[str]) -> Mapping[bytes, bytes]:
    if not hasattr(os, "getxattr"):
        return {}
    if f"user.{semconv.ARTIFACT_ID}" not in os.listxattr(path):  # nearly always
        return {}
    return {key: os.getxattr(path, b"user." + key) for key in (ID_KEY, TRACE_KEY)}


def _parse(found: Mapping[bytes, bytes]) -> Carrier | None:
    if ID_KEY not in found or TRACE_KEY not in found:
        return None
    artifact_id = found[ID_KEY].decode("ascii", "replace")
    parent = re.fullmatch(_TRACEPARENT, found[TRACE_KEY])
    if parent is None or not is_id(artifact_id):
        return None
    trace_id, span_id = parent[1].decode(), parent[2].decode()
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return Carrier(artifact_id, trace_id, span_id, found.get(SCOPE_KEY) == PART)

"""Ids that travel with the data: Parquet and Arrow metadata, extended attributes elsewhere.

A carrier in a file's metadata is a claim: a program that copies the metadata of one table to
another copies it too. Whoever builds an edge on it compares its id with that of the data.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from otelprov.artifacts import files, formats
from otelprov.model import Artifact, is_id, is_later_version

ID_KEY: Final = b"otelprov.artifact.id"
TRACE_KEY: Final = b"traceparent"

_TRACEPARENT: Final = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Carrier:
    """An artifact's id and the span that generated it."""

    artifact_id: str
    trace_id: str
    """32 lowercase hex digits."""
    span_id: str
    """16 lowercase hex digits."""


def arrow_metadata(carrier: Carrier) -> dict[bytes, bytes]:
    """Key-value metadata for a Parquet footer or an Arrow schema (W3C Trace Context)."""
    return {
        ID_KEY: carrier.artifact_id.encode(),
        TRACE_KEY: f"00-{carrier.trace_id}-{carrier.span_id}-01".encode(),
    }


def read(path: str | os.PathLike[str]) -> Carrier | None:
    """The carrier of a file, or None. Never raises.

    Of Parquet and Arrow files only the metadata is read. Extended attributes stay when a file is
    overwritten: they count only if their id is still that of the content.
    """
    try:
        return _from_metadata(path) or _from_attributes(path)
    except Exception:
        return None


def attach(path: str | os.PathLike[str], carrier: Carrier) -> bool:
    """Put a carrier into a file's extended attributes. False where it has none; never raises."""
    if not hasattr(os, "setxattr"):
        return False
    try:
        before = os.stat(path)
        for key, value in arrow_metadata(carrier).items():
            os.setxattr(path, b"user." + key, value)
        files.touched(path, before)
    except Exception:
        return False
    return True


def _from_metadata(path: str | os.PathLike[str]) -> Carrier | None:
    try:
        return _parse(formats.metadata(path))
    except Exception:  # no pyarrow, or a broken footer: the attributes may still say it
        return None


def _from_attributes(path: str | os.PathLike[str]) -> Carrier | None:
    if not hasattr(os, "getxattr"):
        return None
    carrier = _parse({key: os.getxattr(path, b"user." + key) for key in (ID_KEY, TRACE_KEY)})
    if carrier is None:
        return None
    if is_later_version(carrier.artifact_id):
        return None  # nobody here can say whether it is still that of the content
    artifact: Artifact | None
    if carrier.artifact_id.startswith("table:"):
        artifact = formats.table_in_file(path)
    else:
        artifact = files.identify_path(path)
    return carrier if artifact is not None and artifact.id == carrier.artifact_id else None


def _parse(found: Mapping[bytes, bytes]) -> Carrier | None:
    artifact_id = found.get(ID_KEY, b"").decode("ascii", "replace")
    parent = _TRACEPARENT.fullmatch(found.get(TRACE_KEY, b""))
    if parent is None or not is_id(artifact_id):
        return None
    trace_id, span_id = parent[1].decode(), parent[2].decode()
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return Carrier(artifact_id, trace_id, span_id)

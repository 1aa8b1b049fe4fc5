"""What is put into a store, and what it is there: the same for every library that does it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from otelprov.artifacts import identify, identify_location
from otelprov.artifacts.registry import registry
from otelprov.model import Artifact
from otelprov.recording import places, stores
from otelprov.recording.recorder import OpenOperation
from otelprov.recording.streams import archive_of, local_path, rest_of


def object_uri(parameters: Mapping[str, Any]) -> str:
    """Of the object that ``Bucket`` and ``Key`` name."""
    return f"s3://{parameters.get('Bucket')}/{parameters.get('Key')}"


def put_content(operation: OpenOperation, role: str, body: Any) -> Artifact | None:
    """Say that the operation uses what is to be stored; its content, where that is known.

    Before the call, which reads streams to their end. Nothing is read that cannot be read again.
    """
    identity = registry.lookup(body)
    if identity is not None:
        operation.use(role, identity)
        return None
    found: Artifact | None = None
    if isinstance(body, (bytes, bytearray, str)):
        if operation.budget.take(len(body)):
            found = identify(body)
    elif type(body) is io.BytesIO:
        if operation.budget.take(len(body.getbuffer())):
            found = rest_of(body)
    elif archive_of(body) is not None:
        places.read_from(operation, role, body, places.REREAD)
    elif body is not None and local_path(body) is not None and body.tell() == 0:
        return read_file(operation, role, body)
    if found is not None:
        operation.use_content(role, found)
    return found


def read_file(operation: OpenOperation, role: str, place: Any) -> Artifact | None:
    """Say that the operation reads a local file, whole; its content, where that is known."""
    found = places.read_from(operation, role, place, places.REREAD)
    return found[0] if len(found) == 1 and found[0].coverage == "full" else None


def generate_at(operation: OpenOperation, role: str, uri: str, content: Artifact | None) -> None:
    """Say that the operation made an object with this content."""
    if content is not None:
        there = identify_location(uri)
        operation.generate(role, replace(content, uri=there.uri, name=there.name))


def stored(operation: OpenOperation, role: str, found: Iterable[Artifact]) -> None:
    """Say that the operation made these versions."""
    for artifact in found:
        operation.generate(role, artifact)


def stored_as(
    operation: OpenOperation,
    role: str,
    uri: str,
    answer: Mapping[str, Any] | None,
    content: Artifact | None = None,
) -> None:
    """Say that the operation made an object, which the store's answer names a version of."""
    generate_at(operation, role, uri, content)
    named = stores.versions(uri, answer, written=True) if answer else [identify_location(uri)]
    stored(operation, role, named)

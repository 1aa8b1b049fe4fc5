"""Where data comes from and goes to: paths, URLs, open files, buffers."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any

from otelprov.artifacts import carrier, identify, identify_location, identify_path
from otelprov.artifacts.deferred import Source
from otelprov.artifacts.registry import registry
from otelprov.model import Artifact
from otelprov.recording.recorder import OpenOperation, Producer, with_content
from otelprov.recording.run import run

MAX_CARRIERS = 16
"""Files of a directory whose carried ids are read."""


def local_path(place: object) -> str | None:
    """The absolute path that ``place`` names on this machine, or None."""
    if isinstance(place, os.PathLike):
        place = os.fspath(place)
    if isinstance(place, bytes):
        place = os.fsdecode(place)
    if isinstance(place, str):
        if place.startswith("file://"):
            from urllib.parse import unquote, urlsplit

            return unquote(urlsplit(place).path)
        if is_url(place):
            return None
        return os.path.abspath(os.path.expanduser(place))  # pandas and pyarrow expand "~" too
    name = getattr(place, "name", None)
    if isinstance(place, io.IOBase) and isinstance(name, str) and os.path.exists(name):
        return os.path.abspath(name)
    return None


def is_url(place: str) -> bool:
    """Whether a string names something that is not a local path."""
    scheme, separator, _ = place.partition("://")
    return bool(separator) and scheme.replace("+", "").replace("-", "").isalnum()


def read_from(operation: OpenOperation, role: str, place: object) -> None:
    """Say that the operation read ``place``: one path, URL, open file or buffer, or several."""
    for item in _each(place):
        identity = registry.lookup(item)
        if identity is not None:
            operation.use(role, identity)
            continue
        path = local_path(item)
        if path is None:
            operation.use_content(role, _stream(item))
            continue
        if not os.path.exists(path):
            continue  # the call will say so itself
        artifact = identify_path(path)
        operation.use_content(role, artifact)
        for found in _carriers(path):
            operation.made_by(Producer(artifact.id, found.trace_id, found.span_id))


def written_to(operation: OpenOperation, role: str, place: object) -> Source | None:
    """Say that the operation wrote ``place``; None when nothing can be said of it."""
    if place is None:
        return None
    path = local_path(place)
    if path is None:
        artifact = _stream(place)
    else:
        if isinstance(place, io.IOBase) and not place.closed:
            place.flush()  # what is still in the buffer of an open file is part of what was written
        artifact = identify_path(path)
    written = with_content(artifact, operation.content)
    operation.generate(role, written)
    if path is not None and run.settings.carrier and artifact.kind == "file":
        _mark(operation, path, artifact)
    return written


def carried(operation: OpenOperation, artifact_id: str) -> carrier.Carrier:
    """What a file written by ``operation`` carries: the id of its table, and the trace."""
    context = operation.span.get_span_context()
    return carrier.Carrier(
        artifact_id=artifact_id,
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
    )


def _mark(operation: OpenOperation, path: str, artifact: Artifact) -> None:
    if carrier.read(path) is None:  # Parquet and Arrow files carry it inside
        carrier.attach(path, carried(operation, artifact.id))


def _carriers(path: str) -> Iterator[carrier.Carrier]:
    if not os.path.isdir(path):
        found = carrier.read(path)
        if found is not None:
            yield found
        return
    number = 0
    for folder, _, files in os.walk(path):
        for name in sorted(files):
            number += 1
            if number > MAX_CARRIERS:
                return
            found = carrier.read(os.path.join(folder, name))
            if found is not None:
                yield found


def _each(place: object) -> Iterator[object]:
    if isinstance(place, (list, tuple, set, frozenset)):
        for item in place:
            yield from _each(item)
    elif place is not None:
        yield place


def _stream(place: Any) -> Artifact:
    if isinstance(place, str):
        return identify_location(place)
    if isinstance(place, (io.BytesIO, io.StringIO)) and not place.closed:
        return identify(place)
    full_name = getattr(place, "full_name", None)  # an fsspec OpenFile
    if isinstance(full_name, str):
        return identify_location(full_name)
    return identify_location(f"stream:{type(place).__module__}.{type(place).__qualname__}")

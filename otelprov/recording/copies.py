"""Files and directories of this machine that are copied or moved: what they are stays the same."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from otelprov.artifacts import contents
from otelprov.artifacts.directories import OpenDirectory
from otelprov.artifacts.files import OpenFile, opened
from otelprov.artifacts.interruptions import is_of_the_program
from otelprov.artifacts.locations import name_and_uri
from otelprov.model import Artifact
from otelprov.recording import places, written
from otelprov.recording.bounds import SMALL, version, what_was_written
from otelprov.recording.recorder import OpenOperation

MAX_FILES = 50
"""Files of a directory that are named beside it."""


def taken_from(
    operation: OpenOperation, role: str, path: str, *, moved: bool
) -> Sequence[Artifact]:  # fmt: skip
    """Say that what stands at ``path`` is copied, or moved: then before the call.

    Of a copy all is read; a file that gets another name is not read for it, if it is large.
    """
    how = places.MOVED if moved else places.REREAD
    found = places.read_from(operation, role, path, how)
    if os.path.isdir(path):
        inside = opened(path)
        files = inside.files if isinstance(inside, OpenDirectory) else []
        if len(files) <= MAX_FILES:
            for file in files:
                found += places.read_from(operation, role, file, how)
    return found


def put_at(
    operation: OpenOperation, role: str, path: str, source: Sequence[Artifact], *, moved: bool
) -> None:
    """Say that what was copied or moved stands at ``path`` now."""
    first = source[0] if source else None
    if first is None or not os.path.exists(path):
        return
    _generate(operation, role, path, first, moved)
    for file in source[1:]:
        inside = _inside(first, file, path)
        if inside is not None and os.path.isfile(inside):
            _generate(operation, role, inside, file, moved)


def _generate(
    operation: OpenOperation, role: str, path: str, source: Artifact, moved: bool
) -> None:
    place = os.path.abspath(path)
    name, uri = name_and_uri(place)
    if source.kind == "file" and source.coverage == "full" and _size(place) == source.bytes:
        artifact = replace(source, name=name, uri=uri, maker=None, carrier=None)
        operation.generate(role, artifact)
        written.keep(place, artifact)
        found = opened(place)
        if isinstance(found, OpenFile) and found.unread > SMALL:
            operation.generate(role, version(found, "as readers of a part of it know it"))
        contents.known(place, bytes.fromhex(artifact.id.partition(":")[2]))
    elif source.coverage == "full" and moved:
        operation.generate(role, replace(source, name=name, uri=uri, maker=None, carrier=None))
    elif source.coverage == "full" or not (source.uri or "").startswith("file:"):
        # Of a directory a part may have been left out, of a file that was written to as well; what
        # came out of a store has a content here.
        for one in what_was_written(opened(place), None, operation.budget):
            operation.generate(role, one)
    else:
        after = opened(place)
        reason = source.reason or ""
        operation.generate(
            role, after if isinstance(after, Artifact) else after.by_footer(reason)
        )  # fmt: skip


def _inside(directory: Artifact, file: Artifact, target: str) -> str | None:
    """Where a file of the source directory is in the target."""
    from urllib.parse import unquote

    above = (directory.uri or "").rstrip("/") + "/"
    if not file.uri or not file.uri.startswith(above):
        return None
    return os.path.join(target, unquote(file.uri[len(above) :]))


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError as error:
        if is_of_the_program(error):
            raise
        return -1

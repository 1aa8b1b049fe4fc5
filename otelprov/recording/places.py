"""Where data comes from and goes to: paths, URLs, open files, buffers."""

from __future__ import annotations

import io
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from otelprov import semconv
from otelprov.artifacts import carrier, deferred, identify
from otelprov.artifacts.deferred import Source, with_
from otelprov.artifacts.directories import OpenDirectory
from otelprov.artifacts.files import OpenFile, opened
from otelprov.artifacts.interruptions import is_of_the_program
from otelprov.artifacts.locations import name_and_uri, named, unknown
from otelprov.artifacts.registry import Identity, registry
from otelprov.artifacts.snapshots import SMALL
from otelprov.model import Artifact, Names
from otelprov.recording import claims, handles, stores, written
from otelprov.recording.bounds import (
    APPENDED,
    WHOLE,
    Reading,
    not_read,
    what_was_read,
    what_was_written,
)
from otelprov.recording.noted import with_content
from otelprov.recording.recorder import Call, OpenOperation
from otelprov.recording.run import run
from otelprov.recording.streams import (
    archive_of,
    is_data,
    kept_in,
    resolve,
    stream_behind,
    unchained,
    unwrapped,
)
from otelprov.recording.versioned import Versioned

STILL = 2_000_000_000
"""Nanoseconds since a file was written."""
REREAD = Reading(succeeded=True)
"""Of a file that is read whole by the call."""
MOVED = Reading(succeeded=True, partial="moved, not read")
"""Of a file that gets another name."""
ADDED = Reading(succeeded=True, partial=APPENDED)
"""Of a file that is added to."""
TICK = 10_000_000
"""Nanoseconds by which the time of a file may lie behind the clock: a tick of the kernel's."""
_MEMBER = "a member of it was read"
MAX_SPACE = 16
"""Bytes of spaces and newlines that are no data."""
MAX_CARRIERS = 16
"""Files of a directory whose carried ids are read."""


def look_ahead(operation: OpenOperation, place: object, how: Reading) -> None:
    """Begin to digest the files that a call is about to read, while it does so."""
    if how.partial or not deferred.background.limit:
        return
    for item in _each(place):
        if not isinstance(item, (str, os.PathLike)) or is_data(item):
            continue
        if registry.lookup(item) is not None:
            continue
        path = resolve(item, how.filesystem)
        if isinstance(path, Artifact) or not _is_large_and_still(path):
            continue
        found = opened(path)
        if not isinstance(found, OpenFile) or not operation.budget.fits(found.unread):
            continue
        if not_read((path,), found.unread, how) is None:
            begun = deferred.background.submit(found.artifact, found.unread)
            operation.ahead = (*operation.ahead, begun)


def _is_large_and_still(path: str) -> bool:
    """Whether a digest is worth a thread, and kept: not that of a file which was just written."""
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        if is_of_the_program(error):
            raise
        return False
    return status.st_size > SMALL and time.time_ns() - status.st_mtime_ns > STILL


def read_from(
    operation: OpenOperation, role: str, place: object, how: Reading = WHOLE
) -> list[Artifact]:
    """Say that the operation read ``place``: one path, URL, open file or buffer, or several.

    What it read, but for objects that were known before.
    """
    read: list[Artifact] = []
    if handles.left_open():
        handles.settle()
    for digest in operation.ahead:
        digest.result()
    operation.ahead = ()
    for item in _each(place):
        archive = archive_of(item)
        if archive is not None:
            part = Reading(partial=_MEMBER, succeeded=how.succeeded)
            read += read_from(operation, role, archive, part)
            continue
        identity = registry.lookup(item) or registry.lookup(stream_behind(unwrapped(item)))
        if identity is not None:
            operation.use(role, identity)
            continue
        if is_data(item):
            if how.succeeded:
                data = given(item)
                operation.use_content(role, data)
                read.append(data)
            continue
        item, is_member = unchained(item)
        if is_member:
            read += read_from(
                operation, role, item, Reading(partial=_MEMBER, succeeded=how.succeeded)
            )
            continue
        found, directory = resolve(item, how.filesystem), None
        if isinstance(found, Artifact):
            seen = stores.read(found, operation.begun)
        elif _mode(found):
            artifact, directory = what_was_read(found, how, operation.budget)
            if how is MOVED and artifact.coverage != "full":  # large
                artifact = written.known(found) or artifact
            files = (found,) if directory is None else directory.files
            names = _ask(operation, artifact, files, how) or how.names
            seen = [artifact if names is None else replace(artifact, names=Names(names))]
        elif how.succeeded:
            seen = [_gone(item, found)]
        else:
            continue
        for artifact in seen:
            operation.use_content(role, artifact)
        if isinstance(item, Versioned) and item.asked is not None:
            columns = item.asked.end(operation)
            if columns is not None:
                for artifact in seen:
                    operation.take(artifact, columns)
        if directory is not None:
            _parts_read(operation, role, directory)
        read += seen
    return read


def claimed(operation: OpenOperation, read: Sequence[Artifact], how: Reading) -> None:
    """Note what the table that a call has read from a place out of reach says of itself."""
    if len(read) == 1 and read[0].uri and not read[0].uri.startswith("file:"):
        said = claims.Remote(read[0], tuple(dict.fromkeys(operation.said)), how)
        operation.claims = (*operation.claims, said)


def added_to(operation: OpenOperation, role: str, place: object) -> None:
    """Say what is there already, before an operation adds to it: to an open file, or an archive."""
    already = None if type(place) is str else handles.continued(place)
    if already is not None:
        read_from(operation, role, already, ADDED)


def written_to(
    operation: OpenOperation, role: str, place: object, how: Reading = WHOLE
) -> Source | None:
    """Say that the operation wrote ``place``; None when nothing can be said of it."""
    if place is None:
        return None
    if handles.left_open():
        handles.settle()
    stream = handles.packer(place)
    if stream is not None and handles.packs(
        operation, role, stream, _part, lambda one, path: _put(one, role, path, None)
    ):
        return None
    place = unwrapped(unchained(place)[0])
    if isinstance(place, io.TextIOWrapper) and isinstance(stream_behind(place), io.BytesIO):
        place.flush()  # into memory
    handles.flush(place)  # what is still in the buffer of an open file is part of what was written
    found = resolve(place, how.filesystem)
    if isinstance(found, Artifact):
        stored = stores.wrote(found, operation.begun)
        for artifact in stored:
            operation.generate(role, with_content(artifact, operation.content))
        stream = kept_in(stream_behind(place))
        written.give(replace(found, maker=operation.id))
        if stored == [found] and stream is not None:
            # It is stored when it is closed: that comes from this.
            registry.assign(stream, Identity((with_(found, maker=operation.id),)))
        return stored[0]
    earlier = handles.before(place)
    added = None
    adds = how.partial or earlier is not None or handles.appended(place) is not None
    if adds or stat.S_ISDIR(_mode(found)):
        content = operation.content
        added = deferred.resolve(content).bytes if content is not None else None
    if earlier is not None and _begins_with(found, earlier):
        operation.use_artifact(role, earlier)
    artifact, source = _put(operation, role, found, added)
    handles.after(place, artifact, operation, _written_more)
    return source


_WRITTEN_MORE: Final = Call("io", "write", "write")


def _written_more(path: str, part: Artifact, added: handles.Added | None) -> None:
    """After operations had written ``part`` of a file, more was written to it: what was ``added``,
    or something that only the program knows."""
    if written.known(path) is not None:  # by another operation, since then
        if added is not None:
            added.operation.end()
        return
    if added is not None:
        operation = added.operation
        operation.state({semconv.REPEATED_COUNT: added.calls})
    else:
        operation = OpenOperation(_WRITTEN_MORE, None, {}, ())
        if not _ends_in_space(path, part):
            operation.use_content("data", unknown("it was not seen what else is written"))
    operation.use_content("file", part)
    _put(operation, "file", path, None)
    operation.end()


def _ends_in_space(path: str, part: Artifact) -> bool:
    """Whether a file is ``part`` and a few spaces or newlines."""
    size = part.bytes or 0
    with open(path, "rb") as file:
        file.seek(size)
        more = file.read(MAX_SPACE)
    return len(more) < MAX_SPACE and more.isspace() and _begins_with(path, part)


def _put(
    operation: OpenOperation, role: str, path: str, added: int | None
) -> tuple[Artifact, Source]:
    """Say what stands at a path now, after ``added`` bytes, or all of it, were written there."""
    target = opened(path)
    artifacts = what_was_written(target, added, operation.budget)
    sources = [with_content(artifact, operation.content) for artifact in artifacts]
    for source in sources:
        operation.generate(role, source)
    if isinstance(target, OpenDirectory):
        _parts_written(operation, role, target)
    if artifacts[0].kind == "file" and artifacts[0].coverage == "full":
        if run.settings.carrier:
            _mark(operation, path, artifacts[0])
        written.keep(path, artifacts[0])
    return artifacts[0], sources[0]


def _part(operation: OpenOperation) -> Source:
    """What an operation has put into a stream that others wrote to as well."""
    return operation.derived("stream")


def _begins_with(path: str, earlier: Artifact) -> bool:
    """Whether a file still begins with what it was, and has more now."""
    size = earlier.bytes or 0
    try:
        if os.stat(path).st_size <= size:
            return False
        if size > SMALL or earlier.coverage != "full":
            return True
        with open(path, "rb") as file:
            return identify(file.read(size)).id == earlier.id
    except OSError as error:
        if is_of_the_program(error):
            raise
        return False


def carried(operation: OpenOperation, artifact_id: str, *, part: bool = False) -> carrier.Carrier:
    """What a file written by ``operation`` carries: the id of its table, and the trace.

    ``part`` where the table may be spread over several files.
    """
    context = operation.span.get_span_context()
    return carrier.Carrier(
        artifact_id=artifact_id,
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        part=part,
    )


def _mark(operation: OpenOperation, path: str, artifact: Artifact) -> None:
    own = carried(operation, artifact.id)
    said = carrier.claims(path)
    if not any(claim.carrier.span_id == own.span_id for claim in said):
        # Parquet and Arrow files carry it inside; what else they say was copied from elsewhere.
        carrier.attach(path, own)


def _ask(
    operation: OpenOperation, artifact: Artifact, files: Sequence[str], how: Reading
) -> tuple[str, ...] | None:
    """Note what a file, or the first files of a directory, say of themselves; what the columns of
    a single file are called, where it says it."""
    names = None
    for path in files[:MAX_CARRIERS]:
        said, names = carrier.said(path)
        claimed = claims.look(artifact, path, how, said)
        if claimed is not None:
            operation.claims = (*operation.claims, claimed)
    operation.files_not_asked += max(0, len(files) - MAX_CARRIERS)
    return names if len(files) == 1 else None


def _parts_read(operation: OpenOperation, role: str, directory: OpenDirectory) -> None:
    """Name the files of a directory that were written while that was recorded.

    They may have come there one by one, so that nobody has made the directory as it is.
    """
    claimed = {one.path for one in operation.claims if isinstance(one, claims.Claimed)}
    for path, status in directory.parts():
        known = written.known(path)
        if known is None and path in claimed:
            known = directory.part(path, status)
        if known is not None:
            operation.use_artifact(role, known)


def _parts_written(operation: OpenOperation, role: str, directory: OpenDirectory) -> None:
    """Name the files that the operation has put into a directory, which may be read one by one, and
    those that were there before, which are a part of it as well."""
    for path, status in directory.parts():
        before, artifact = written.known(path), directory.part(path, status)
        if before is None and status.st_mtime_ns >= operation.begun - TICK:
            made = [artifact] if artifact else []
            if artifact is None or status.st_size > SMALL:
                made = what_was_written(opened(path), None, operation.budget)
            for one in made:
                operation.generate(role, one)
            written.keep(path, made[0])
        elif (old := before or artifact) is not None:
            operation.use_artifact(role, old)


def _each(place: object) -> Iterator[object]:
    if isinstance(place, (list, tuple, set, frozenset)):
        for item in place:
            yield from _each(item)
    elif place is not None:
        yield place


def _mode(path: str) -> int:
    """What is there (``st_mode``), or 0. ``os.path`` would take any error for a no."""
    try:
        return os.stat(path).st_mode
    except (OSError, ValueError) as error:
        if is_of_the_program(error):
            raise
        return 0


def given(item: object) -> Artifact:
    """The data that a call was given as a text, or as bytes."""
    data = identify(item)
    known = registry.content(data.id, item) if isinstance(item, bytes) else None
    return known if isinstance(known, Artifact) else data


def _gone(item: object, path: str) -> Artifact:
    """What was read and is not there any more; a text or bytes may be the data itself."""
    if isinstance(item, bytes) or (
        isinstance(item, str) and ("\n" in item or item.lstrip()[:1] in ("{", "[", "<"))
    ):
        return given(item)
    name, uri = name_and_uri(path)
    return named(uri, "no such file any more", name)

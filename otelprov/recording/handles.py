"""Open files that operations write to: a file may get several parts, and is what it is at its end.

What is written to a plain file is there when its buffer is flushed. A stream that packs (gzip, bz2,
lzma, a member of a zip archive) is left alone: to flush it would change the bytes that it writes.
Its file is known when the stream is closed; until then the operation that wrote to it is held open.
"""

from __future__ import annotations

import atexit
import io
import os
import stat
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final

from otelprov.artifacts.deferred import Source, with_
from otelprov.artifacts.locations import name_and_uri, named, unknown
from otelprov.artifacts.registry import Identity
from otelprov.model import Artifact
from otelprov.recording import faults
from otelprov.recording.recorder import Call, OpenOperation
from otelprov.recording.streams import (
    file_of_archive,
    is_archive,
    local_path,
    plain,
    stream_behind,
    unwrapped,
)

MAX_SOURCES: Final = 1_000
"""Sources of what is added to a file, value by value."""
PACKERS: Final = ("gzip", "bz2", "lzma")
"""Modules of the standard library whose files pack what is written to them."""


def flush(place: Any) -> None:
    """Have what is still in the buffer of a plain open file written."""
    raw = plain(place)
    if raw is None or place.closed or raw.closed:
        return
    if stat.S_ISREG(os.fstat(raw.fileno()).st_mode):  # stdout is the program's own to flush
        place.flush()


# --- parts of a plain file ------------------------------------------------------------------------

_parts: Final[weakref.WeakKeyDictionary[io.FileIO, Artifact]] = weakref.WeakKeyDictionary()


def before(place: Any) -> Artifact | None:
    """What an open file was after the last operation that wrote to it."""
    file = plain(place)
    return _parts.get(file) if file is not None else None


Finish = Callable[[str, Artifact, "Added | None"], object]


def after(place: Any, artifact: Source, operation: OpenOperation, finish: Finish) -> None:
    """What an open file is, now that an operation has written to it. When it is closed and has
    changed since, ``finish`` is told its path, what it was, and what was added that is known."""
    file = plain(place)
    if file is not None and isinstance(artifact, Artifact):
        made = with_(artifact, maker=operation.id)
        assert isinstance(made, Artifact)
        _parts[file] = made
        path = None if file.closed else local_path(file)
        if path is not None:
            found = _followed.get(file)
            if found is None or id(found) not in _open:
                found = _followed[file] = Followed(file, path)
                _wait_for(found)
            found.is_now(made, finish)


def followed(place: Any) -> Followed | None:
    """The open file behind ``place``, if an operation has written to it."""
    if not _open:
        return None
    last = _last[0]
    if last is not None and last.place() is place:
        found: Followed | None = last
    else:
        file = plain(place)
        found = _followed.get(file) if file is not None else None
        if found is not None:
            found.place = weakref.ref(place)
            _last[0] = found
    return found if id(found) in _open else None


class Added:
    """What calls of one kind have added to a file that was written to before."""

    def __init__(self, call: Call, frame: types.FrameType) -> None:
        self.operation = OpenOperation(call, frame, {}, ())
        self.calls = 0
        self._others = False

    def more(self, role: str, known: Sequence[Identity], reason: str) -> None:
        """Another call, and what it writes; ``reason`` says why nothing is known, where it is."""
        self.calls += 1
        if len(self.operation.used) > MAX_SOURCES:
            known, reason = (), f"more than {MAX_SOURCES} sources"
        for identity in known:
            for source in identity.sources:
                self.operation.use_artifact(role, source)
        if not known and not self._others:
            self._others = True
            self.operation.use_content(role, unknown(reason))


class Followed:
    """A plain file that an operation has written to, until it is closed."""

    def __init__(self, file: io.FileIO, path: str) -> None:
        self.stream = weakref.ref(file)
        self.path = path
        self.process = os.getpid()
        self.place: Callable[[], object] = lambda: None
        """What the program writes to: the file, or what is around it."""
        self.added: Added | None = None
        self._stamp: tuple[int, int] | None = None
        self._finish: Callable[[Added | None], object]
        weakref.finalize(file, _gone, self).atexit = False

    def is_now(self, part: Artifact, finish: Finish) -> None:
        """It is ``part`` at this moment."""
        self._stamp, self.added = stamp(self.path), None
        self._finish = lambda added: finish(self.path, part, added)

    def settle(self, *, closed: bool = True) -> None:
        """It is closed; or it will be when nobody looks any more."""
        _open.pop(id(self), None)
        if self.process != os.getpid():
            return  # of a forked child: the parent's to tell
        with faults.contained(f"what was written to {os.path.basename(self.path)} is not known"):
            now = stamp(self.path)
            if closed and now is not None and now != self._stamp:
                self._finish(self.added)
            elif self.added is not None:
                reason = "it is gone" if closed else "it was not closed"
                _not_looked_at(self.added.operation, "file", self.path, reason)
                self.added.operation.end()


_followed: Final[weakref.WeakKeyDictionary[io.FileIO, Followed]] = weakref.WeakKeyDictionary()
_last: Final[list[Followed | None]] = [None]
"""The file that was asked for last: a loop writes line by line."""


def stamp(path: str) -> tuple[int, int] | None:
    """The size of a file and when it was written to last; None where it is gone."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


# --- streams that pack ----------------------------------------------------------------------------


def packer(place: Any) -> Any:
    """The stream among those that ``place`` writes through which packs what it is given."""
    for _ in range(4):
        place = unwrapped(place)
        kind = type(place)
        if isinstance(place, io.TextIOWrapper):
            place = place.buffer
        elif isinstance(place, io.BufferedWriter):
            place = place.raw
        elif (kind.__module__, kind.__name__) == ("zipfile", "_ZipWriteFile"):
            return place._zipfile
        elif kind.__module__ in PACKERS or is_archive(place):
            return place
        else:
            break
    return None


def continued(place: Any) -> str | None:
    """The path of what is there already, where an open file or archive only adds to it and nothing
    was added so far."""
    stream = packer(place)
    if stream is not None and id(_streams.get(stream)) in _open:
        return None
    if is_archive(stream):
        return file_of(stream) if stream.mode == "a" else None
    file = appended(place)
    if file is None or file.closed or file in _parts:
        return None
    return local_path(file) if os.fstat(file.fileno()).st_size else None


def appended(place: Any) -> io.FileIO | None:
    """The file of this machine behind one that was opened to add to its end, or that may have been:
    that of the standard output."""
    file = plain(stream_behind(place))
    if file is None or file.closed:
        return None
    return file if file.mode.startswith("a") or file.fileno() == 1 else None


def file_of(stream: Any) -> str | None:
    """The path of the file that a packing stream writes.

    Asked of the file below: a name that the stream has itself may be another, and to ask a gzip
    file for its ``filename`` warns.
    """
    if is_archive(stream):
        return local_path(file_of_archive(stream))
    return local_path(getattr(stream, "fileobj", None) or getattr(stream, "_fp", None))


def _is_closed(stream: Any) -> bool:
    if hasattr(stream, "namelist"):  # a zip archive
        return stream.fp is None
    return bool(stream.closed)


class _Packed:
    """A stream that packs, and the operation that wrote to it last."""

    def __init__(self, stream: Any, path: str) -> None:
        self.stream = weakref.ref(stream)
        below = getattr(stream, "fileobj", None)
        own = (
            getattr(stream, "myfileobj", None)
            or getattr(stream, "_filePassed", 1) == 0  # of a zip archive
            or getattr(stream, "_extfileobj", 1) is False  # of a tar archive
        )
        self.below = None if own or below is None else weakref.ref(below)
        """The program's own file, where the stream does not close that."""
        self.path = path
        self.process = os.getpid()
        self.operation: OpenOperation
        self.role = ""
        self.finish: Callable[[OpenOperation], object]

    def settle(self, *, closed: bool = True) -> None:
        """The stream is closed, and its file is there; or it will be when nobody looks any more."""
        _open.pop(id(self), None)
        if self.process != os.getpid():
            return  # of a forked child: the parent's to tell
        if not closed:
            reason = "the stream that it is written through was not closed"
            _not_looked_at(self.operation, self.role, self.path, reason)
            self.operation.settled()
            return
        below = self.below() if self.below is not None else None
        with faults.contained(f"what {self.operation.call.name} wrote is not known"):
            if below is not None:
                flush(below)
            self.finish(self.operation)
        self.operation.settled()


_streams: Final[weakref.WeakKeyDictionary[Any, _Packed]] = weakref.WeakKeyDictionary()


def packs(
    operation: OpenOperation,
    role: str,
    stream: Any,
    part: Callable[[OpenOperation], Source],
    finish: Callable[[OpenOperation, str], object],
) -> bool:
    """Hold an operation that wrote to a packing stream open until that is closed; then ``finish``
    says what the file at its path is. False where it has no path.

    An operation that wrote to it before has made a part, which ``part`` says.
    """
    path = file_of(stream)
    if path is None or _is_closed(stream):
        return False
    found = _streams.get(stream)
    if found is None or id(found) not in _open:
        found = _streams[stream] = _Packed(stream, path)
        weakref.finalize(stream, _gone, found).atexit = False
    else:
        made = part(found.operation)
        found.operation.generate("target", made)
        operation.use_artifact(role, with_(made, maker=found.operation.id))
        found.operation.settled()
    found.operation, found.role = operation, role
    found.finish = lambda one: finish(one, path)
    operation.transaction = found
    _wait_for(found)
    return True


# --- until they are closed ------------------------------------------------------------------------

_open: Final[dict[int, _Packed | Followed]] = {}


def _wait_for(waiting: _Packed | Followed) -> None:
    if not _open:
        atexit.unregister(_at_exit)
        atexit.register(_at_exit)
    _open[id(waiting)] = waiting


def _not_looked_at(operation: OpenOperation, role: str, path: str, reason: str) -> None:
    """The operation has written a file of which nothing but its name is known."""
    name, uri = name_and_uri(path)
    operation.generate(role, named(uri, reason, name))


def _gone(waiting: _Packed | Followed) -> None:
    if id(waiting) in _open:
        waiting.settle()


def settle() -> None:
    """Say what the files are that have been closed, and those of streams that have."""
    for waiting in list(_open.values()):
        stream = waiting.stream()
        if stream is None or _is_closed(stream):
            waiting.settle()


def _at_exit() -> None:
    with faults.contained("what was written through a stream is not known"):
        settle()
    for waiting in list(_open.values()):
        waiting.settle(closed=False)


def left_open() -> bool:
    """Whether a stream or a file that was written to waits to be closed."""
    return bool(_open)

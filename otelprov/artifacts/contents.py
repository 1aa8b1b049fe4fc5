"""The bytes of regular files: opened, read by position, digested, and the digests that are kept."""

from __future__ import annotations

import errno
import io
import os
import stat
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Final, Generic, TypeVar

from blake3 import blake3

from otelprov.artifacts import timing
from otelprov.artifacts.digest import NoCanonicalForm
from otelprov.artifacts.interruptions import is_of_the_program
from otelprov.artifacts.locations import shown

_CHUNK: Final = 1 << 20
_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NONBLOCK", 0)
)
_NO_ACCESS_TIME: Final[int] = getattr(os, "O_NOATIME", 0)
"""Of Linux: to read a file leaves no trace. A program may have set its times (os.utime)."""
_CACHED: Final = 32_768
"""Files of which something is kept, about 400 bytes for each. More than those of most data sets:
the oldest go first, so that a set which is larger by one file is read anew each time."""

_Key = tuple[bytes, int, int, int, int, int]
T = TypeVar("T")
# One that the same thread may take again: a signal handler may read a file in the middle of it.
_lock = threading.RLock()


def _new_lock() -> None:
    global _lock
    _lock = threading.RLock()  # another thread may have held it when the process was forked


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


class Kept(Generic[T]):
    """What was found out about files, as long as they do not change; the oldest goes first."""

    def __init__(self, most: int = _CACHED) -> None:
        """``most`` is the number of files of which something is kept."""
        self._found: OrderedDict[_Key, T] = OrderedDict()
        self._most = most

    def get(self, place: bytes, status: os.stat_result) -> T | None:
        """What is known of a file with this status."""
        key = _key(place, status)
        with _lock:
            found = self._found.get(key)
            if found is not None:
                with suppress(KeyError):  # gone since, for one that a signal handler has put there
                    self._found.move_to_end(key)
            return found

    def __len__(self) -> int:
        return len(self._found)

    def clear(self) -> None:
        """Forget everything."""
        self._found.clear()

    def keep(
        self, place: bytes, status: os.stat_result, found: T, since: int, changed: int
    ) -> None:
        """Keep what was read from ``since`` on, of a file that had this status before.

        ``changed`` is the last change to what was read: the status' time of modification, or of
        change. All three times are in nanoseconds.
        """
        # A clock that ticks slower than files are written gives two contents one time: only what
        # had been still for a tick when reading began is kept. Linux ticks every 1 to 10 ms; a
        # time in whole seconds is that of a file system that has no more.
        tick = 20_000_000 if changed % 1_000_000_000 else 2_000_000_000
        if since - changed >= tick:
            with _lock:
                self._found[_key(place, status)] = found
                while len(self._found) > self._most:
                    self._found.popitem(last=False)

    def move(self, place: bytes, before: os.stat_result, after: os.stat_result) -> None:
        """Go on with what is known, after a change of the status that means nothing for it."""
        with _lock:
            found = self._found.pop(_key(place, before), None)
            if found is not None:
                self._found[_key(place, after)] = found


_cache: Kept[bytes] = Kept()


def quiet(place: str | bytes | os.PathLike[str], flags: int) -> int:
    """A descriptor of a file whose time of access stays, where the system allows that."""
    if _NO_ACCESS_TIME:
        try:
            return os.open(place, flags | _NO_ACCESS_TIME)
        except PermissionError as error:  # it is for the owner of a file only
            if is_of_the_program(error):
                raise
    return os.open(place, flags)


def open_regular(place: bytes, *, known: bool = False) -> tuple[int, os.stat_result]:
    """A descriptor of a regular file, and its status.

    ``known`` where it was one just now.

    Raises:
        OSError: it cannot be opened.
        NoCanonicalForm: it is not a regular file.
    """
    # Opening a FIFO would wait for its writer, or let a writer go that waits for its reader.
    if not known and not stat.S_ISREG(os.stat(place).st_mode):
        raise NoCanonicalForm("not a regular file")
    descriptor = quiet(place, _FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NoCanonicalForm("not a regular file")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, status


def kept(place: bytes, status: os.stat_result) -> bytes | None:
    """The digest of a file with this status, if it was taken before."""
    return _cache.get(place, status)


def known(path: str | os.PathLike[str], digest: bytes) -> None:
    """Keep the digest of a file that was copied or moved here: it was taken elsewhere."""
    place = os.path.abspath(os.fsencode(path))
    status = os.stat(place)
    _cache.keep(place, status, digest, time.time_ns(), status.st_mtime_ns)


def digest(place: bytes, descriptor: int, status: os.stat_result) -> bytes:
    """The digest of an open file that had this status when it was opened; it is kept.

    Raises:
        OSError: it cannot be read.
        NoCanonicalForm: it changed since.
    """
    since = time.time_ns()
    with timing.Timed() as timed:
        found = _read(descriptor, status)
        timed.bytes = status.st_size
    _cache.keep(place, status, found, since, status.st_mtime_ns)
    return found


def touched(path: str | os.PathLike[str], before: os.stat_result) -> None:
    """Keep the digest of a file of which only the extended attributes changed."""
    place = os.path.abspath(os.fsencode(path))
    status = os.stat(place)
    if _key(place, status)[:5] != _key(place, before)[:5]:
        return
    _cache.move(place, before, status)


def same(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether a file is what it was, as far as size and time of modification tell."""
    return (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)


def unchanged(place: bytes, status: os.stat_result, now: os.stat_result) -> None:
    """
    Raises:
        NoCanonicalForm: the file is another one, or another content, than when it was listed.
    """
    if _key(place, now) != _key(place, status):
        raise NoCanonicalForm(f"{shown(os.path.basename(place))} changed while it was read")


def read_at(descriptor: int, buffer: memoryview, position: int) -> int:
    """Read into a buffer. By position: a forked child shares the descriptor's own."""
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [buffer], position)
    os.lseek(descriptor, position, os.SEEK_SET)
    with io.FileIO(descriptor, closefd=False) as file:
        return file.readinto(buffer) or 0


def reason(error: Exception) -> str:
    """Why a file has no content id, in a few words and without its content."""
    if isinstance(error, NoCanonicalForm):
        return str(error)
    if isinstance(error, OSError):
        if error.errno == errno.ENOENT:
            return "no such file"
        return (error.strerror or type(error).__name__).lower()
    if isinstance(error, ValueError):  # a path with a null byte in it
        return "not a path"
    return f"digest failed: {type(error).__name__}"


def _key(place: bytes, status: os.stat_result) -> _Key:
    return (
        place,
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        # Time of change: a write whose modification time was set back is seen all the same.
        status.st_ctime_ns,
    )


def _read(descriptor: int, before: os.stat_result) -> bytes:
    # Not mapped: a mapped file that another process truncates kills this one (SIGBUS).
    found = blake3()
    buffer = memoryview(bytearray(min(_CHUNK, before.st_size)))
    size = 0
    while size < before.st_size and (count := read_at(descriptor, buffer, size)):
        found.update(buffer[:count])
        size += count
    if size != before.st_size or not same(before, os.fstat(descriptor)):
        raise NoCanonicalForm("the file changed while it was read")
    return found.digest()

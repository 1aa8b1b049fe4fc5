"""Files and directories by content, and what cannot be read here by name."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from blake3 import blake3

from otelprov.artifacts.digest import NoCanonicalForm, hasher
from otelprov.model import Artifact

_CHUNK: Final = 1 << 20
_CACHED: Final = 4096

_Key = tuple[bytes, int, int, int, int, int]
_cache: OrderedDict[_Key, bytes] = OrderedDict()
_lock = threading.Lock()


def _new_lock() -> None:
    global _lock
    _lock = threading.Lock()  # another thread may have held it when the process was forked


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


def identify_path(path: str | os.PathLike[str]) -> Artifact:
    """The artifact that a file or a directory is, by its bytes. Never raises.

    A file has the id ``file:<what b3sum prints>``. A file is read once: its digest is kept by
    path, device, inode, size and times.
    """
    found = opened(path)
    return found if isinstance(found, Artifact) else found.artifact()


def opened(path: str | os.PathLike[str]) -> OpenFile | OpenDirectory | Artifact:
    """A file or directory as it is now, to be digested later by ``artifact()``. Never raises.

    An artifact at once where nothing is left to read: the digest is known, or there is no file.
    """
    try:
        place = os.path.abspath(os.fsencode(path))
        name, uri = name_and_uri(path)
    except Exception:
        return named("", "not a path")
    try:
        status = os.stat(place)
        if stat.S_ISDIR(status.st_mode):
            return OpenDirectory(place, name, uri)
        digest = _kept(_key(place, status))
        if digest is not None:
            return Artifact(f"file:{digest.hex()}", "file", name, uri, bytes=status.st_size)
        return OpenFile(place, name, uri)
    except Exception as error:
        return named(uri, _reason(error), name)


class OpenFile:
    """A regular file that is open: what it was then, also when it is unlinked or replaced since.

    ``artifact`` may be called from any thread. The file is closed after it, or with the object.
    """

    __slots__ = ("_artifact", "_descriptor", "_lock", "_place", "name", "status", "uri")

    def __init__(self, place: bytes, name: str, uri: str) -> None:
        """
        Raises:
            OSError: it cannot be opened.
            NoCanonicalForm: it is not a regular file.
        """
        self._artifact: Artifact | None = None
        self._lock = threading.Lock()
        self._place = place
        self.name = name
        self.uri = uri
        self._descriptor, self.status = _open(place)

    @property
    def bytes(self) -> int:
        """Bytes to read."""
        return self.status.st_size

    def artifact(self) -> Artifact:
        """The artifact that the file is, by its bytes. Never raises."""
        with self._lock:
            if self._artifact is None:
                try:
                    since = time.time_ns()
                    digest = _read(self._descriptor, self.status)
                    _keep(self._place, self.status, digest, since)
                    self._artifact = Artifact(
                        f"file:{digest.hex()}", "file", self.name, self.uri, bytes=self.bytes
                    )
                except Exception as error:
                    self._artifact = named(self.uri, _reason(error), self.name)
                self.close()
            return self._artifact

    def close(self) -> None:
        """Close it without a digest."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, OSError):
            self.close()


class OpenDirectory:
    """A directory and all that is below it, as it was listed; its files are opened later.

    A file that is no longer what it was then makes ``artifact`` say so.
    """

    __slots__ = ("_artifact", "_listed", "_lock", "bytes", "files", "name", "uri")

    def __init__(self, place: bytes, name: str, uri: str) -> None:
        """
        Raises:
            OSError: a part of it cannot be listed.
            NoCanonicalForm: something in it is neither file, link nor directory.
        """
        self._artifact: Artifact | None = None
        self._lock = threading.Lock()
        self.name = name
        self.uri = uri
        self._listed = _list(place)
        sizes = [entry.status.st_size for entry in self._listed if entry.status is not None]
        self.bytes = sum(sizes)
        self.files = len(sizes)

    def artifact(self) -> Artifact:
        """The artifact that the directory is, by paths and bytes (section 10). Never raises."""
        with self._lock:
            if self._artifact is None:
                try:
                    digest = _directory(self._listed)
                    self._artifact = Artifact(
                        f"directory:{digest.hex()}",
                        "directory",
                        self.name,
                        self.uri,
                        bytes=self.bytes,
                    )
                except Exception as error:
                    self._artifact = named(self.uri, _reason(error), self.name)
            return self._artifact

    def close(self) -> None:
        """Nothing is open."""


def identify_location(uri: str) -> Artifact:
    """The artifact that something out of reach is, by its name alone. Never raises.

    Credentials in the URI are neither recorded nor part of the identity (section 10).
    """
    try:
        clean = without_credentials(uri)
        name = re.split(r"[?#]", clean)[0].rstrip("/").rpartition("/")[2]
        return named(clean, "identified by name only", name or None)
    except Exception:
        return named("", "not a URI")


def name_and_uri(path: str | os.PathLike[str]) -> tuple[str, str]:
    """The last component of a path, and its ``file://`` URI."""
    place = os.path.abspath(os.fsencode(path))
    return _shown(os.path.basename(place) or place), _file_uri(place)


def named(uri: str, reason: str, name: str | None = None) -> Artifact:
    """An artifact that is known by its URI only."""
    digest = hasher("resource")
    digest.update(uri.encode("utf-8", "surrogatepass"))
    return Artifact(
        f"resource:{digest.hexdigest()}",
        "resource",
        name,
        uri or None,
        coverage="none",
        reason=reason,
    )


# --- files ----------------------------------------------------------------------------------------


def _file(place: bytes, status: os.stat_result) -> bytes:
    """The digest of a file that had this status when it was listed."""
    digest = _kept(_key(place, status))
    if digest is not None:
        return digest
    descriptor, now = _open(place)
    try:
        if _key(place, now) != _key(place, status):
            raise NoCanonicalForm(f"{_shown(os.path.basename(place))} changed while it was read")
        since = time.time_ns()
        digest = _read(descriptor, now)
    finally:
        os.close(descriptor)
    _keep(place, now, digest, since)
    return digest


def _kept(key: _Key) -> bytes | None:
    with _lock:
        digest = _cache.get(key)
        if digest is not None:
            _cache.move_to_end(key)
        return digest


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


def _keep(place: bytes, status: os.stat_result, digest: bytes, since: int) -> None:
    # A clock that ticks slower than files are written gives two contents one time: a digest is
    # kept only of a file that had been still for a tick when reading began (``since``). Linux
    # ticks every 1 to 10 ms; a time in whole seconds is that of a file system that has no more.
    tick = 20_000_000 if status.st_mtime_ns % 1_000_000_000 else 2_000_000_000
    if since - status.st_mtime_ns < tick:
        return
    with _lock:
        _cache[_key(place, status)] = digest
        while len(_cache) > _CACHED:
            _cache.popitem(last=False)


def touched(path: str | os.PathLike[str], before: os.stat_result) -> None:
    """Keep the digest of a file of which only the extended attributes changed."""
    place = os.path.abspath(os.fsencode(path))
    status = os.stat(place)
    if _key(place, status)[:5] != _key(place, before)[:5]:
        return
    with _lock:
        digest = _cache.pop(_key(place, before), None)
        if digest is not None:
            _cache[_key(place, status)] = digest


def _open(place: bytes) -> tuple[int, os.stat_result]:
    """A descriptor of a regular file, and its status."""
    # Opening a FIFO would wait for its writer, or let a writer go that waits for its reader.
    if not stat.S_ISREG(os.stat(place).st_mode):
        raise NoCanonicalForm("not a regular file")
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(place, flags | getattr(os, "O_NONBLOCK", 0))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NoCanonicalForm("not a regular file")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, status


def _read(descriptor: int, before: os.stat_result) -> bytes:
    """The digest of an open file, whose status was ``before`` when it was opened.

    Read, not mapped: a mapped file that another process truncates kills this one (SIGBUS). By
    position: a forked child shares the descriptor's own.
    """
    digest = blake3()
    buffer = memoryview(bytearray(min(_CHUNK, before.st_size + 1)))
    size = 0
    while count := _read_into(descriptor, buffer, size):
        digest.update(buffer[:count])
        size += count
        if size > before.st_size:
            break
    after = os.fstat(descriptor)
    if size != before.st_size or (before.st_size, before.st_mtime_ns) != (
        after.st_size,
        after.st_mtime_ns,
    ):
        raise NoCanonicalForm("the file changed while it was read")
    return digest.digest()


def _read_into(descriptor: int, buffer: memoryview, position: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [buffer], position)
    os.lseek(descriptor, position, os.SEEK_SET)
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        return file.readinto(buffer) or 0


def _reason(error: Exception) -> str:
    if isinstance(error, NoCanonicalForm):
        return str(error)
    if isinstance(error, OSError):
        if error.errno == errno.ENOENT:
            return "no such file"
        return (error.strerror or type(error).__name__).lower()
    if isinstance(error, ValueError):  # a path with a null byte in it
        return "not a path"
    return f"digest failed: {type(error).__name__}"


def _file_uri(place: bytes) -> str:
    """RFC 8089."""
    if os.name == "nt":
        place = b"/" + place.replace(b"\\", b"/")
    return "file://" + quote(place, safe="/:" if os.name == "nt" else "/")


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "replace")


# --- directories ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry below a directory."""

    path: bytes
    """From the directory on, with ``/`` between its parts."""
    kind: bytes
    """As in section 10."""
    place: bytes
    status: os.stat_result | None
    """Of a file."""


def _list(place: bytes) -> list[_Entry]:
    """Every entry below a directory. Nothing is ignored, and no link to a directory followed."""
    entries: list[_Entry] = []
    waiting = [b""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(os.path.join(place, folder)) as found:
            listed = list(found)
        if not listed and folder:
            entries.append(_Entry(_slashed(folder), b"d", b"", None))
        for entry in listed:
            path = os.path.join(folder, entry.name)
            status = _status(entry)
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif status is not None and stat.S_ISREG(status.st_mode):
                entries.append(_Entry(_slashed(path), b"f", entry.path, status))
            elif entry.is_symlink():  # to a directory, or to nothing: what it says, not what it is
                entries.append(_Entry(_slashed(path), b"l", entry.path, None))
            else:
                raise NoCanonicalForm(f"{_shown(path)} is not a regular file")
    entries.sort(key=lambda entry: (entry.path, entry.kind))
    return entries


def _directory(entries: Iterable[_Entry]) -> bytes:
    digest = hasher("directory")
    for entry in entries:
        content = b""
        if entry.status is not None:
            content = _file(entry.place, entry.status)
        elif entry.kind == b"l":
            content = os.readlink(entry.place)
        digest.update(b"%s%s%s" % (entry.kind, _sized(entry.path), _sized(content)))
    return digest.digest()


def _slashed(path: bytes) -> bytes:
    return path.replace(b"\\", b"/") if os.sep == "\\" else path


def _status(entry: os.DirEntry[bytes]) -> os.stat_result | None:
    """The status of what an entry leads to; None for a link that leads nowhere."""
    try:
        return os.stat(entry.path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP) and entry.is_symlink():
            return None
        raise


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(8, "little") + data


# --- locations ------------------------------------------------------------------------------------

_SECRET: Final = re.compile(
    r"""
      sig | code | key | pass | auth | pwd | expires
    | .*(?:token|secret|passw|passphrase|signature|credential|api[_-]?key|access[_-]?key
          |account[_-]?key|private[_-]?key|authorization) .*
    | (?:x-amz|x-goog|x-oss|x-cos|x-ms)- .*
    | awsaccesskeyid | googleaccessid | ossaccesskeyid
    """,
    re.IGNORECASE | re.VERBOSE,
)
# The parts of an Azure shared access signature, which mean something else where there is no `sig`.
_SAS: Final = frozenset(
    {
        "sv", "ss", "srt", "sp", "se", "st", "spr", "sip", "si", "sr",
        "skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid",
    }
)  # fmt: skip


def without_credentials(uri: str) -> str:
    """A URI without user-info and without secret parameters."""
    scheme, separator, rest = uri.partition("://")
    if separator:
        end = re.search(r"[/?#]", rest)
        authority = rest[: end.start()] if end else rest
        if "@" in authority:
            rest = rest[authority.rindex("@") + 1 :]
        elif "@" in rest and re.fullmatch(r"[^\[\]:]*:(?!\d*$).*", authority):
            # A password with an unescaped / ? or #: what should be a port is not a number.
            rest = rest[rest.rindex("@") + 1 :]
    else:
        scheme, rest = "", uri
    return scheme + separator + _without_secrets(rest)


_PAIR: Final = re.compile(
    r"(?P<before>^|[?&;#,\s])(?P<name>[^=?&;#,\s/]+)\s*=(?P<value>'[^']*'|\"[^\"]*\"|[^&;#\s]*)"
)


def _without_secrets(text: str) -> str:
    """Without `name=value` pairs whose name is that of a secret: queries, fragments, DSNs."""
    names = {_name(match["name"]) for match in _PAIR.finditer(text)}
    signed = "sig" in names

    def keep(match: re.Match[str]) -> str:
        name = _name(match["name"])
        if _SECRET.fullmatch(name) or (signed and name in _SAS):
            return match["before"] if match["before"] in ("?", "#") else ""
        return match[0]

    clean = _PAIR.sub(keep, text)
    clean = re.sub(r"([?#])[&;]+", r"\1", clean)
    return re.sub(r"\?(?=#|$)|#$", "", clean)


def _name(name: str) -> str:
    return unquote_to_bytes(name).decode("utf-8", "replace").lower()

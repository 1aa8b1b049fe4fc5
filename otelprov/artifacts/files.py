"""Files and directories by content, and what cannot be read here by name."""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
import time
from collections import OrderedDict
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
    try:
        place = os.path.abspath(os.fsencode(path))
    except Exception:
        return named("", "not a path")
    name, uri = name_and_uri(path)
    try:
        status = os.stat(place)
        if stat.S_ISDIR(status.st_mode):
            digest, size = _directory(place)
            return Artifact(f"directory:{digest.hex()}", "directory", name, uri, bytes=size)
        digest = _file(place, status)
        return Artifact(f"file:{digest.hex()}", "file", name, uri, bytes=status.st_size)
    except NoCanonicalForm as error:
        reason = str(error)
    except OSError as error:
        reason = _reason(error)
    except Exception as error:
        reason = f"digest failed: {type(error).__name__}"
    return named(uri, reason, name)


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
    key = _key(place, status)
    with _lock:
        digest = _cache.get(key)
        if digest is not None:
            _cache.move_to_end(key)
            return digest
    digest, status = _read(place)
    _keep(place, status, digest)
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


def _keep(place: bytes, status: os.stat_result, digest: bytes) -> None:
    # A clock that ticks slower than files are written gives two contents one time: a digest is
    # kept only of a file that has been still for a tick. Linux ticks every 1 to 10 ms; a time in
    # whole seconds is that of a file system that has no more.
    tick = 20_000_000 if status.st_mtime_ns % 1_000_000_000 else 2_000_000_000
    if time.time_ns() - status.st_mtime_ns < tick:
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


def _read(place: bytes) -> tuple[bytes, os.stat_result]:
    """The digest of a regular file, and its status when it was read.

    Read, not mapped: a mapped file that another process truncates kills this one (SIGBUS).
    """
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    # Opening a FIFO would wait for its writer.
    descriptor = os.open(place, flags | getattr(os, "O_NONBLOCK", 0))
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise NoCanonicalForm("not a regular file")
        digest = blake3()
        buffer = memoryview(bytearray(min(_CHUNK, before.st_size + 1)))
        size = 0
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            while count := file.readinto(buffer):
                digest.update(buffer[:count])
                size += count
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if size != after.st_size or (before.st_size, before.st_mtime_ns) != (
        after.st_size,
        after.st_mtime_ns,
    ):
        raise NoCanonicalForm("the file changed while it was read")
    return digest.digest(), after


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "no such file"
    return (error.strerror or type(error).__name__).lower()


def _file_uri(place: bytes) -> str:
    """RFC 8089."""
    if os.name == "nt":
        place = b"/" + place.replace(b"\\", b"/")
    return "file://" + quote(place, safe="/:" if os.name == "nt" else "/")


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "replace")


# --- directories ----------------------------------------------------------------------------------


def _directory(place: bytes) -> tuple[bytes, int]:
    """Section 10: every entry below it, by path and content. Nothing is ignored."""
    entries: list[tuple[bytes, bytes, bytes]] = []
    size = 0
    waiting = [b""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(os.path.join(place, folder)) as found:
            listed = list(found)
        if not listed and folder:
            entries.append((folder, b"d", b""))
        for entry in listed:
            path = os.path.join(folder, entry.name)
            status = _status(entry)
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif status is not None and stat.S_ISREG(status.st_mode):
                entries.append((path, b"f", _file(entry.path, status)))
                size += status.st_size
            elif entry.is_symlink():  # to a directory, or to nothing: what it says, not what it is
                entries.append((path, b"l", os.readlink(entry.path)))
            else:
                raise NoCanonicalForm(f"{_shown(path)} is not a regular file")
    digest = hasher("directory")
    for path, kind, content in sorted(
        (p.replace(b"\\", b"/") if os.sep == "\\" else p, k, c) for p, k, c in entries
    ):
        digest.update(b"%s%s%s" % (kind, _sized(path), _sized(content)))
    return digest.digest(), size


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

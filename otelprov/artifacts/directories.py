"""Directories: everything below one, by path and content, or by path and what stands for it."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable

from otelprov._record import record
from otelprov.artifacts import contents, evidence
from otelprov.artifacts.digest import NoCanonicalForm, hasher
from otelprov.artifacts.interruptions import is_of_the_program
from otelprov.artifacts.locations import name_and_uri, named, shown
from otelprov.model import Artifact


class OpenDirectory:
    """A directory and all that is below it, as it was listed; its files are opened later.

    A file that is no longer what it was then makes ``artifact`` say so.
    """

    __slots__ = ("_artifact", "_digests", "_listed", "_lock", "bytes", "name", "uri")

    def __init__(self, place: bytes, name: str, uri: str) -> None:
        """
        Raises:
            OSError: a part of it cannot be listed.
            NoCanonicalForm: something in it is neither file, link nor directory.
        """
        self._artifact: Artifact | None = None
        self._digests: dict[bytes, bytes] = {}
        self._lock = threading.Lock()
        self.name = name
        self.uri = uri
        self._listed = _list(place)
        self.bytes = sum(entry.status.st_size for entry in self._listed if entry.status)

    @property
    def files(self) -> list[str]:
        """The paths of the files in it, sorted."""
        return [os.fsdecode(entry.place) for entry in self._listed if entry.status]

    @property
    def unread(self) -> int:
        """Bytes that ``artifact`` will read: those of files whose digest is not known."""
        return sum(
            entry.status.st_size
            for entry in self._listed
            if entry.status and contents.kept(entry.place, entry.status) is None
        )

    def artifact(self) -> Artifact:
        """The artifact that the directory is, by paths and bytes (section 10). Never raises."""
        with self._lock:
            if self._artifact is None:
                try:
                    digest = hasher("directory")
                    digest.update(self._entries(self._content))
                    self._artifact = Artifact(
                        f"directory:{digest.hexdigest()}",
                        "directory",
                        self.name,
                        self.uri,
                        bytes=self.bytes,
                    )
                except PermissionError as error:
                    self._artifact = self._version("status", contents.reason(error))
                except Exception as error:
                    if is_of_the_program(error):
                        raise
                    self._artifact = named(self.uri, contents.reason(error), self.name)
            return self._artifact

    def by_footer(self, reason: str) -> Artifact:
        """The version of the directory by the footers of its files. Never raises."""
        return self._version("footer", reason)

    def by_status(self, reason: str) -> Artifact:
        """The version of the directory by the sizes and times of its files. Never raises."""
        return self._version("status", reason)

    def _version(self, kind: evidence.Kind, reason: str) -> Artifact:
        try:
            found = self._entries(_footer if kind == "footer" else _state)
        except Exception as error:  # a file that is gone, or may not be read
            if is_of_the_program(error):
                raise
            kind, found = "status", self._entries(_state)
        return evidence.versioned(
            self.uri,
            kind,
            found,
            "directory",
            name=self.name,
            size=self.bytes,
            reason=reason,
        )

    def _entries(self, of_file: Callable[[bytes, os.stat_result], bytes]) -> bytes:
        """Section 10: each entry by kind, path and content."""
        parts = []
        for entry in self._listed:
            content = entry.target
            if entry.status is not None:
                content = of_file(entry.place, entry.status)
            parts.append(b"%s%s%s" % (entry.kind, _sized(entry.path), _sized(content)))
        return b"".join(parts)

    def _content(self, place: bytes, status: os.stat_result) -> bytes:
        found = self._digests[place] = _digest(place, status)
        return found

    def parts(self) -> list[tuple[str, os.stat_result]]:
        """The files in it with their status, as they were when it was listed."""
        listed = [(entry.place, entry.status) for entry in self._listed]
        return [(os.fsdecode(place), status) for place, status in listed if status is not None]

    def part(self, path: str, status: os.stat_result) -> Artifact | None:
        """What a file in it is; None where ``artifact`` has not read it."""
        digest = self._digests.get(os.fsencode(path))
        if digest is None:
            return None
        name, uri = name_and_uri(path)
        return Artifact(f"file:{digest.hex()}", "file", name, uri, bytes=status.st_size)

    def close(self) -> None:
        """Nothing is open."""


def _digest(place: bytes, status: os.stat_result) -> bytes:
    digest = contents.kept(place, status)
    if digest is not None:
        return digest
    descriptor, now = contents.open_regular(place, known=True)
    try:
        contents.unchanged(place, status, now)
        return contents.digest(place, descriptor, now)
    finally:
        os.close(descriptor)


def _footer(place: bytes, status: os.stat_result) -> bytes:
    descriptor, now = contents.open_regular(place, known=True)
    try:
        contents.unchanged(place, status, now)
        return evidence.of_footer(descriptor, now) or evidence.of_status(now)
    finally:
        os.close(descriptor)


def _state(_: bytes, status: os.stat_result) -> bytes:
    return evidence.of_status(status)


@record
class _Entry:
    """One entry below a directory."""

    path: bytes
    """From the directory on, with ``/`` between its parts."""
    kind: bytes
    """As in section 10."""
    place: bytes
    status: os.stat_result | None
    """Of a file."""
    target: bytes = b""
    """Of a link: where it points."""


def _list(place: bytes) -> list[_Entry]:
    """Every entry below a directory, sorted. Nothing is ignored, and no link followed to one."""
    entries: list[_Entry] = []
    separator = os.fsencode(os.sep)
    waiting = [b""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(os.path.join(place, folder)) as found:
            listed = list(found)
        if not listed and folder:
            entries.append(_Entry(_slashed(folder), b"d", b"", None))
        for entry in listed:
            path = folder + separator + entry.name if folder else entry.name
            status = _status(entry)
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif status is not None and stat.S_ISREG(status.st_mode):
                entries.append(_Entry(_slashed(path), b"f", entry.path, status))
            elif entry.is_symlink():  # to a directory, or to nothing: what it says, not what it is
                target = os.readlink(entry.path)
                entries.append(_Entry(_slashed(path), b"l", entry.path, None, target))
            else:
                raise NoCanonicalForm(f"{shown(path)} is not a regular file")
    entries.sort(key=lambda entry: (entry.path, entry.kind))
    return entries


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

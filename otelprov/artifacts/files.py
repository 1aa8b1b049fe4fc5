"""Files and directories: by content, by their footers, or by size and time."""

from __future__ import annotations

import contextlib
import os
import stat
import threading

from otelprov.artifacts import contents, evidence
from otelprov.artifacts.directories import OpenDirectory
from otelprov.artifacts.interruptions import is_of_the_program
from otelprov.artifacts.locations import name_and_uri, named
from otelprov.model import Artifact


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
    except Exception as error:
        if is_of_the_program(error):
            raise
        return named("", "not a path")
    try:
        status = os.stat(place)
        if stat.S_ISDIR(status.st_mode):
            return OpenDirectory(place, name, uri)
        digest = contents.kept(place, status)
        if digest is not None:
            return _file(digest, status, name, uri)
        try:
            return OpenFile(place, name, uri)
        except PermissionError as error:
            return evidence.versioned(
                uri,
                "status",
                evidence.of_status(status),
                "file",
                name=name,
                size=status.st_size,
                reason=contents.reason(error),
            )
    except Exception as error:
        if is_of_the_program(error):
            raise
        return named(uri, contents.reason(error), name)


_Bytes = bytes  # which is also the name of a property below


class OpenFile:
    """A regular file that is open: what it was then, also when it is unlinked or replaced since.

    Its methods may be called from any thread. It is closed by ``artifact``, or with the object.
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
        self._descriptor, self.status = contents.open_regular(place)

    @property
    def bytes(self) -> int:
        """Size of the file."""
        return self.status.st_size

    @property
    def unread(self) -> int:
        """Bytes that ``artifact`` will read."""
        return self.status.st_size

    def artifact(self) -> Artifact:
        """The artifact that the file is, by its bytes. Never raises."""
        with self._lock:
            if self._artifact is None:
                try:
                    digest = contents.digest(self._place, self._descriptor, self.status)
                    self._artifact = _file(digest, self.status, self.name, self.uri)
                except Exception as error:
                    if is_of_the_program(error):
                        raise
                    self._artifact = named(self.uri, contents.reason(error), self.name)
                self.close()
            return self._artifact

    def by_footer(self, reason: str) -> Artifact:
        """The version of the file by its footer, or by its status if it has none. Never raises."""
        found: _Bytes | None = None
        try:
            with self._lock:
                found = evidence.of_footer(self._descriptor, self.status)
        except Exception as error:
            if is_of_the_program(error):
                raise
        return self._version("footer" if found else "status", found, reason)

    def by_status(self, reason: str) -> Artifact:
        """The version of the file by its size and time of modification. Never raises."""
        return self._version("status", None, reason)

    def _version(self, kind: evidence.Kind, found: _Bytes | None, reason: str) -> Artifact:
        return evidence.versioned(
            self.uri,
            kind,
            found or evidence.of_status(self.status),
            "file",
            name=self.name,
            size=self.bytes,
            reason=reason,
        )

    def close(self) -> None:
        """Close it without a digest."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, OSError):
            self.close()


def _file(digest: bytes, status: os.stat_result, name: str, uri: str) -> Artifact:
    return Artifact(f"file:{digest.hex()}", "file", name, uri, bytes=status.st_size)

"""Bytes that the program reads or writes piece by piece: digested as they pass, never read twice.

Nothing is read that the program does not read. Only a stream that passed whole, from its beginning
to its end, has a content.
"""

from __future__ import annotations

import weakref
from functools import partial

from blake3 import blake3

from otelprov.model import Artifact
from otelprov.recording.run import now


class Passing:
    """The digest of a stream, as far as it has passed."""

    __slots__ = ("_hasher", "begun", "bytes")

    def __init__(self) -> None:
        self._hasher = blake3()
        self.begun = now()
        """Nanoseconds since the epoch."""
        self.bytes = 0
        """How many have passed."""

    def take(self, piece: bytes | bytearray | memoryview) -> None:
        """The next piece has passed."""
        self._hasher.update(piece)
        self.bytes += memoryview(piece).nbytes

    def artifact(self, name: str | None = None, uri: str | None = None) -> Artifact:
        """The file that the bytes are, which have passed."""
        return Artifact(
            f"file:{self._hasher.hexdigest()}", "file", name, uri, bytes=self.bytes
        )  # fmt: skip


class Streams:
    """The streams that are followed, weakly held: by identity, as some have odd hashes."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[weakref.ref[object], Passing]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def follow(self, stream: object) -> Passing:
        """From now on."""
        key, passing = id(stream), Passing()
        self._found[key] = (weakref.ref(stream, partial(self._found.pop, key)), passing)
        return passing

    def of(self, stream: object) -> Passing | None:
        """What has passed of a stream that is followed."""
        found = self._found.get(id(stream))
        return found[1] if found is not None and found[0]() is stream else None

    def forget(self, stream: object) -> None:
        """It is not followed any more."""
        if self.of(stream) is not None:
            del self._found[id(stream)]

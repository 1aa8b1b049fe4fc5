"""Bytes that the program reads or writes piece by piece: digested as they pass, never read twice.

Nothing is read that the program does not read. Only a stream that passed whole, from its beginning
to its end, has a content.
"""

from __future__ import annotations

from blake3 import blake3

from otelprov.model import Artifact


class Passing:
    """The digest of a stream, as far as it has passed."""

    __slots__ = ("_hasher", "bytes", "whole")

    def __init__(self) -> None:
        self._hasher = blake3()
        self.bytes = 0
        """How many have passed."""
        self.whole = True
        """Whether nothing was left out until now."""

    def take(self, piece: bytes | bytearray | memoryview) -> None:
        """The next piece has passed."""
        self._hasher.update(piece)
        self.bytes += len(piece)

    def artifact(self, name: str | None = None, uri: str | None = None) -> Artifact:
        """The file that the bytes are, which have passed."""
        return Artifact(
            f"file:{self._hasher.hexdigest()}", "file", name, uri, bytes=self.bytes
        )  # fmt: skip

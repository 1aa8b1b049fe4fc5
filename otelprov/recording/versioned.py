"""Tables that have versions of their own, as places that an operation reads.

A directory of a Delta Lake or Iceberg table holds the files of all its versions. What is read is
one version, and which one is known only when the table has been opened: a lazy reader opens it when
it is executed.
"""

from __future__ import annotations

from collections.abc import Callable

from otelprov.model import Artifact


class Versioned:
    """A table that is read in a version that is asked for when it has been read."""

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[], Artifact]) -> None:
        self._find = find

    def artifact(self) -> Artifact:
        """The version; the place alone where it is not known."""
        return self._find()

"""What used files say of themselves: asked when they are used, settled when their content is known.

An id that a file carries is a claim. It stays in the metadata that a program copies from one table
to another, and in the extended attributes of a file that is overwritten. A producer is named only
where nothing speaks against it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Set
from typing import Protocol

from otelprov._record import record
from otelprov.artifacts import carrier, files
from otelprov.artifacts.carrier import Carrier
from otelprov.artifacts.interruptions import is_of_the_program
from otelprov.model import Artifact, CarrierState, is_later_version
from otelprov.recording.bounds import SMALL, Reading


@record
class Claimed:
    """What one file says of itself."""

    artifact: Artifact
    """What was used: the file, or a directory that it is in."""
    path: str
    carriers: tuple[Carrier, ...]
    how: Reading
    status: os.stat_result

    def state(self, said: Carrier, known: Set[str]) -> CarrierState:
        """Whether it is true, if ``known`` are the ids of what the operation made of it."""
        if said.artifact_id in known:
            return "verified"
        if is_later_version(said.artifact_id):
            return "unverified"
        if not said.artifact_id.startswith("table:"):
            return self._of_bytes(said)
        # Only a table that was read whole, from one file that holds all of it, can be compared.
        if self.artifact.kind != "file" or said.part or not self.how.whole:
            return "unverified"
        if self.how.exact and "=" not in os.path.dirname(self.path):  # k=v may add a column k
            return "stale"
        # pandas may have changed a type (whole numbers with nulls). A second look costs about what
        # the read did, which is little only for a small file.
        if self.status.st_size > SMALL or not self._is_unchanged():
            return "unverified"
        return carrier.verify(self.path, said)

    def _of_bytes(self, said: Carrier) -> CarrierState:
        found = files.opened(self.path) if self.artifact.kind != "file" else self.artifact
        if isinstance(found, files.OpenFile) and found.bytes <= SMALL:
            found = found.artifact()
        if not isinstance(found, Artifact) or found.coverage != "full":
            return "unverified"
        return "verified" if found.id == said.artifact_id else "stale"

    def _is_unchanged(self) -> bool:
        try:
            now = os.stat(self.path)
        except OSError as error:
            if is_of_the_program(error):
                raise
            return False
        return (now.st_size, now.st_mtime_ns) == (self.status.st_size, self.status.st_mtime_ns)


@record
class Remote:
    """What a table says of itself that was read from a place out of reach."""

    artifact: Artifact
    carriers: tuple[Carrier, ...]
    how: Reading

    def state(self, said: Carrier, known: Set[str]) -> CarrierState:
        """Whether it is true, if ``known`` are the ids of what the operation made of it."""
        if said.artifact_id in known:
            return "verified"
        if said.part or is_later_version(said.artifact_id):
            return "unverified"
        return "stale" if self.how.whole and self.how.exact else "unverified"


def look(
    artifact: Artifact, path: str, how: Reading, claims: Iterable[carrier.Claim]
) -> Claimed | None:
    """What a file says of itself, ``claims``; None if it says nothing. Never raises."""
    said = tuple(claim.carrier for claim in claims)
    if not said:
        return None
    try:
        return Claimed(artifact, path, said, how, os.stat(path))
    except OSError as error:
        if is_of_the_program(error):
            raise
        return None


class Claim(Protocol):
    """What a file, or an object in a store, says of itself."""

    @property
    def artifact(self) -> Artifact:
        """What was used."""

    @property
    def carriers(self) -> tuple[Carrier, ...]:
        """What it says."""

    def state(self, said: Carrier, known: Set[str]) -> CarrierState:
        """Whether it is true, if ``known`` are the ids of what the operation made of it."""


def settle(
    claimed: Iterable[Claim], known: Set[str]
) -> tuple[dict[str, CarrierState], list[tuple[str, Carrier]]]:
    """By id of what was used: whether its claims are true; and who made it, stale claims left out.

    Of a directory the worst of its files counts.
    """
    order: tuple[CarrierState, ...] = ("verified", "unverified", "stale")
    states: dict[str, CarrierState] = {}
    makers = []
    for one in claimed:
        found = {said: one.state(said, known) for said in one.carriers}
        state = carrier.settled(found.values())
        if state is None:
            continue
        used = one.artifact.id
        states[used] = max(states.get(used, state), state, key=order.index)
        makers += [(used, said) for said, its in found.items() if its == state != "stale"]
    return states, makers

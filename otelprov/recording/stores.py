"""What object stores say of their objects while this process reads and writes them.

Nobody asks a store for it: the answers to the program's own requests name the version of what was
read or written (ETag, version id). A table that pandas reads from ``s3://bucket/key`` is read by
requests deep in its libraries, maybe in another thread; what was answered for that name since the
operation began is what it has read.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Set
from typing import Any, Final, NamedTuple

from otelprov._record import record
from otelprov.artifacts.carrier import Carrier
from otelprov.artifacts.locations import without_credentials
from otelprov.model import Artifact, CarrierState
from otelprov.recording.run import now
from otelprov.recording.streams import version_of

MAX_OBJECTS: Final = 4096
MAX_ANSWERS: Final = 8
"""Of one object."""


class Answer(NamedTuple):
    """What a store said of an object."""

    time: int
    """Nanoseconds since the epoch."""
    written: bool
    """Whether it answers a request that wrote the object."""
    details: Mapping[str, Any]
    carrier: Carrier | None


_answers: OrderedDict[str, list[Answer]] = OrderedDict()


def note(
    uri: str, details: Mapping[str, Any], *, written: bool, carrier: Carrier | None = None
) -> None:
    """Keep what a store has just said of an object; ``carrier`` is what that says of itself."""
    known = _answers.setdefault(uri, [])
    known.append(Answer(now(), written, details, carrier))
    del known[:-MAX_ANSWERS]
    _answers.move_to_end(uri)
    while len(_answers) > MAX_OBJECTS:
        _answers.popitem(last=False)


def read(artifact: Artifact, since: int) -> list[Artifact]:
    """What was read where ``artifact`` names a place in a store: the version, if one was seen.

    Several where the place holds several objects; the artifact itself where nothing is known, or
    two versions were seen since (nanoseconds).
    """
    return _seen(artifact, since, written=False) or [artifact]


def wrote(artifact: Artifact, since: int) -> list[Artifact]:
    """What was written there, in every form in which a reader may come to know it."""
    return _seen(artifact, since, written=True) or [artifact]


def versions(uri: str, details: Mapping[str, Any], *, written: bool = False) -> list[Artifact]:
    """An object in the version that a store's answer names.

    A list of objects names ETags only: who reads by it knows no version id.
    """
    found = [version_of(uri, details)]
    plain = {name: value for name, value in details.items() if name != "VersionId"}
    if written and len(plain) < len(details):
        found.append(version_of(uri, plain))
    return found


def answered(uri: str, content: str | None) -> Mapping[str, Any] | None:
    """What the store said of an object when it had this ETag, or MD5."""
    answers: list[Answer] = _answers.get(uri, [])
    for answer in answers[::-1]:
        if content is not None and _content(answer) == content:
            return answer.details
    return None


def _content(answer: Answer) -> str | None:
    """What a copy of an object has as well: of S3 the ETag, of Google the MD5."""
    found = answer.details.get("md5Hash") or answer.details.get("ETag")
    return found if isinstance(found, str) else None


def copied(source: Artifact, target: Artifact, since: int) -> list[Artifact]:
    """What was read where a store itself has copied one object to another: a copy has the ETag, or
    the MD5, of its source, unless it was made in another way."""
    read = _seen(source, since, written=False)
    if not read and source.uri and target.uri:
        new: list[Answer] = _answers.get(target.uri, [])
        tags = [_content(one) for one in new if one.written and one.time >= since]
        known = answered(source.uri, tags[-1]) if tags else None
        read = versions(source.uri, known) if known else []
    return read or [source]


def carried(uri: str, since: int) -> Carrier | None:
    """What an object that was read since said of itself."""
    answers: list[Answer] = _answers.get(uri, [])
    for answer in answers[::-1]:
        if answer.time >= since and answer.carrier is not None:
            return answer.carrier
    return None


@record
class Claimed:
    """What an object says of itself, in its metadata."""

    artifact: Artifact
    """The version that was used."""
    carriers: tuple[Carrier, ...]

    def state(self, said: Carrier, known: Set[str]) -> CarrierState:
        """Whether it is true, if ``known`` are the ids of what the operation made of it."""
        return "verified" if said.artifact_id in known else "unverified"


def _seen(artifact: Artifact, since: int, *, written: bool) -> list[Artifact]:
    uri = artifact.uri
    if uri is None or not _answers or "://" not in uri or uri.startswith("file:"):
        return []
    found = []
    for name, answers in reversed(list(_answers.items())):
        if answers[-1].time < since:
            break
        plain = without_credentials(name)
        if plain != uri and not plain.startswith(uri.rstrip("/") + "/"):
            continue
        new = [one for one in answers if one.time >= since and one.written == written]
        if not new:
            continue
        seen = {version_of(name, one.details).id for one in new}
        if len(seen) == 1 or written:
            found += versions(name, new[-1].details, written=written)
    return found[::-1]


def clear() -> None:
    """Forget everything."""
    _answers.clear()

"""The events that name the artifacts of an operation: what each says, and its encoding.

An artifact that one operation generated is used by the next ones, often by many. That event is
encoded once for each role, and the mapping of its attributes is made only for somebody who reads
it: another span processor, the program, a window of calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import orjson
from opentelemetry.util.types import AttributeValue

from otelprov import semconv
from otelprov.journal.lines import Part
from otelprov.journal.otlp import encoded_attributes, encoded_text
from otelprov.recording.policy import shorten
from otelprov.redaction import redact_again, redact_uri

if TYPE_CHECKING:
    from otelprov.model import Artifact, Names

MAX_TEXT: Final = 512


class Used(Part):
    """What the event of a used artifact says."""

    __slots__ = ("artifact", "role")

    def __init__(self, role: str, artifact: Artifact) -> None:
        self.role = role
        self.artifact = artifact

    @property
    def attributes(self) -> Mapping[str, AttributeValue]:  # type: ignore[override]
        """As a mapping."""
        return used_attributes(self.role, self.artifact)

    @property
    def encoded(self) -> bytes:
        """As in ``Part``."""
        role, artifact = self.role, self.artifact
        kept = artifact.encoded
        if kept is None:
            # With the artifact and not here: a program that counts its objects (as SQLAlchemy's
            # tests do) has no more of them for each operation.
            kept = {}
            object.__setattr__(artifact, "encoded", kept)
        found = kept.get(role)
        if found is None:
            found = kept[role] = _encode(True, role, artifact)
        return found


class Generated(Used):
    """What the event of a generated artifact says."""

    __slots__ = ()

    @property
    def attributes(self) -> Mapping[str, AttributeValue]:  # type: ignore[override]
        """As a mapping."""
        return generated_attributes(self.role, self.artifact)

    @property
    def encoded(self) -> bytes:
        """As in ``Part``."""
        return _encode(False, self.role, self.artifact)


def way_of(artifact: Artifact) -> str | None:
    """How it came to the operation that uses it: from its maker, from nobody knows where, from a
    place. The same content may come by several ways, and each has an event."""
    return artifact.maker or artifact.origin or artifact.uri


def used_attributes(role: str, artifact: Artifact) -> dict[str, AttributeValue]:
    """With who made it, and whether what it says of itself is true."""
    found = {semconv.USED_ID: artifact.id, **_artifact(role, artifact)}
    if artifact.maker:
        found[semconv.ARTIFACT_MAKER] = artifact.maker
    if artifact.carrier:
        found[semconv.ARTIFACT_CARRIER] = artifact.carrier
    if artifact.names is not None and (not artifact.maker or artifact.coverage == "none"):
        found.update(_named(artifact.names))
    return found


@lru_cache(maxsize=1024)
def _named(names: Names) -> Mapping[str, str]:
    """The attributes that name columns; of the tables of a pipeline many have the same."""
    found = {semconv.ARTIFACT_COLUMN_NAMES: listed(names.columns)}
    if names.index:
        found[semconv.ARTIFACT_INDEX_NAMES] = listed(names.index)
    return found


def listed(names: Sequence[str | None]) -> str:
    """Names as a JSON list; the last of very many are left out, and then it ends in ``null``."""
    text = orjson.dumps(names)
    while len(text) > MAX_LIST:
        names = [*names[: len(names) // 2]]
        text = orjson.dumps([*names, None])
    return text.decode()


MAX_LIST: Final = 1_900
"""Bytes of a list of names: Tempo cuts strings at 2,048."""


def generated_attributes(role: str, artifact: Artifact) -> dict[str, AttributeValue]:
    """Who made it is the operation."""
    found = {semconv.GENERATED_ID: artifact.id, **_artifact(role, artifact)}
    if artifact.names is not None:
        found.update(_named(artifact.names))
    return found


def _artifact(role: str, artifact: Artifact) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {
        semconv.ARTIFACT_ROLE: role,
        semconv.ARTIFACT_KIND: artifact.kind,
    }
    if artifact.name:
        found[semconv.ARTIFACT_NAME] = shorten(redact_again(artifact.name), MAX_TEXT)
    if artifact.uri:
        found[semconv.ARTIFACT_URI] = shorten(redact_uri(artifact.uri), 1900)
    if artifact.rows is not None:
        found[semconv.ARTIFACT_ROWS] = artifact.rows
    if artifact.columns is not None:
        found[semconv.ARTIFACT_COLUMNS] = artifact.columns
    if artifact.bytes is not None:
        found[semconv.ARTIFACT_BYTES] = artifact.bytes
    found[semconv.ARTIFACT_COVERAGE] = artifact.coverage
    if artifact.content_id is not None:
        found[semconv.ARTIFACT_CONTENT_ID] = artifact.content_id
    if artifact.schema_id is not None:
        found[semconv.ARTIFACT_SCHEMA] = artifact.schema_id
    if artifact.version is not None:
        found[semconv.ARTIFACT_VERSION] = artifact.version
    if artifact.origin is not None:
        found[semconv.ARTIFACT_ORIGIN] = artifact.origin
    if artifact.reason:
        found[semconv.ARTIFACT_REASON] = shorten(redact_again(artifact.reason), MAX_TEXT)
    return found


# --- encoded -------------------------------------------------------------------------------------


def _encode(used: bool, role: str, artifact: Artifact) -> bytes:
    if (
        artifact.name
        or artifact.uri
        or artifact.reason
        or artifact.origin
        or artifact.carrier
        or artifact.version
    ):
        describe = used_attributes if used else generated_attributes
        return encoded_attributes(describe(role, artifact))
    # What is left are numbers, and texts of our own without anything to escape: put together by
    # hand in 2 µs, of which the general way takes 9. Nearly all that is made in memory is so.
    id_name = semconv.USED_ID if used else semconv.GENERATED_ID
    sizes = ""
    if artifact.rows is not None:
        sizes = f'{{"key":"{semconv.ARTIFACT_ROWS}","value":{{"intValue":"{artifact.rows}"}}}},'
    if artifact.columns is not None:
        number = artifact.columns
        sizes += f'{{"key":"{semconv.ARTIFACT_COLUMNS}","value":{{"intValue":"{number}"}}}},'
    if artifact.bytes is not None:
        sizes += f'{{"key":"{semconv.ARTIFACT_BYTES}","value":{{"intValue":"{artifact.bytes}"}}}},'
    text = (
        f'{{"key":"{id_name}","value":{{"stringValue":"{artifact.id}"}}}},'
        f"{_role(role)},"
        f'{{"key":"{semconv.ARTIFACT_KIND}","value":{{"stringValue":"{artifact.kind}"}}}},{sizes}'
        f'{{"key":"{semconv.ARTIFACT_COVERAGE}","value":{{"stringValue":"{artifact.coverage}"}}}}'
    )
    if artifact.content_id is not None:
        id_ = artifact.content_id
        text += f',{{"key":"{semconv.ARTIFACT_CONTENT_ID}","value":{{"stringValue":"{id_}"}}}}'
    if artifact.schema_id is not None:
        id_ = artifact.schema_id
        text += f',{{"key":"{semconv.ARTIFACT_SCHEMA}","value":{{"stringValue":"{id_}"}}}}'
    if used and artifact.maker:
        maker = artifact.maker
        text += f',{{"key":"{semconv.ARTIFACT_MAKER}","value":{{"stringValue":"{maker}"}}}}'
    elif artifact.names is not None:
        text += _named_text(artifact.names)
    return text.encode()


@lru_cache(maxsize=1024)
def _named_text(names: Names) -> str:
    texts = {name: encoded_text(value).decode() for name, value in _named(names).items()}
    return "".join(
        f',{{"key":"{name}","value":{{"stringValue":{text}}}}}' for name, text in texts.items()
    )


@lru_cache(maxsize=1024)
def _role(role: str) -> str:
    text = encoded_text(role).decode()
    return f'{{"key":"{semconv.ARTIFACT_ROLE}","value":{{"stringValue":{text}}}}}'

"""What the rules of a policy say of one operation, where there are any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from opentelemetry.util.types import AttributeValue

from otelprov import semconv
from otelprov.artifacts.deferred import settled
from otelprov.journal.lines import Part
from otelprov.model import Artifact
from otelprov.recording.edges import generated_attributes
from otelprov.recording.rulings import Ruling
from otelprov.recording.run import run

if TYPE_CHECKING:
    from otelprov.recording.recorder import OpenOperation


def tier(operation: OpenOperation) -> str:
    """How much is recorded of it."""
    own = None if operation.ruling is None else operation.ruling.tier_of(places(operation))
    return own or run.settings.tier


def facts(operation: OpenOperation, ruling: Ruling) -> Part:
    """What every operation of the run says, as the rules have it for this one."""
    found = dict(run.facts.attributes)
    if ruling.tier:
        found[semconv.TIER] = ruling.tier
    if ruling.tiers:
        del found[semconv.TIER]  # said when it is known what was used
    if operation.sensitive:
        found[semconv.SENSITIVE] = True
    return Part(found)


def places(operation: OpenOperation) -> list[tuple[str | None, str | None]]:
    """The name and URI of each artifact that it has used until now, and that is known."""
    used = (settled(source) for _, source in tuple(operation.used.values()))
    return [(one.name, one.uri) for one in used if isinstance(one, Artifact)]


def said(
    operation: OpenOperation, attributes: Mapping[str, AttributeValue]
) -> dict[str, AttributeValue] | None:
    """The attributes of an event as they may be; None where it is left out."""
    return dict(attributes) if operation.ruling is None else operation.ruling.artifact(attributes)


def measurable(operation: OpenOperation, artifact: Artifact) -> Artifact:
    """An artifact under the name that it may have in metrics: none, where it is left out."""
    if operation.ruling is None or not (artifact.name or artifact.uri):
        return artifact
    own = operation.ruling.artifact(generated_attributes("", artifact)) or {}
    name, uri = own.get(semconv.ARTIFACT_NAME), own.get(semconv.ARTIFACT_URI)
    return replace(artifact, name=name, uri=uri)


def mark(operation: OpenOperation) -> None:
    """Say, once, that it is sensitive, where an artifact that it has used until now is."""
    ruling = operation.ruling
    if ruling is None or operation.sensitive:
        return
    if any(ruling.marks(*place) for place in places(operation)):
        operation.sensitive = True
        operation.record.describe(Part({semconv.SENSITIVE: True}))


def settle(operation: OpenOperation, artifacts: list[Artifact]) -> None:
    """What had to wait until it was known what was used and made."""
    ruling = operation.ruling
    assert ruling is not None
    named = [(one.name, one.uri) for one in artifacts]
    attributes, sensitive = ruling.settled(operation.waiting, named)
    if ruling.tiers:
        attributes[semconv.TIER] = tier(operation)
    if not operation.sensitive and (sensitive or any(ruling.marks(*place) for place in named)):
        operation.sensitive = attributes[semconv.SENSITIVE] = True
    if attributes:
        operation.record.describe(Part(attributes))

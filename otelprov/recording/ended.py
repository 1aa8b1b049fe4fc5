"""What is written of an operation when its call is over: what it used and generated, as events and
links of its span, or how it failed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, cast

from opentelemetry.trace import SpanContext, TraceFlags

from otelprov import semconv
from otelprov.artifacts.carrier import Carrier
from otelprov.artifacts.deferred import resolve, settled
from otelprov.journal.lines import Part
from otelprov.model import Artifact
from otelprov.recording import claims, ruled
from otelprov.recording.column_sources import inputs_text
from otelprov.recording.edges import (
    MAX_TEXT,
    Generated,
    Used,
    generated_attributes,
    listed,
    used_attributes,
)
from otelprov.recording.exceptions import message_of, stack_of
from otelprov.recording.measures import measures
from otelprov.recording.noted import all_known
from otelprov.recording.policy import shorten
from otelprov.recording.run import run
from otelprov.recording.unchanged import unchanged

if TYPE_CHECKING:
    from otelprov.recording.recorder import OpenOperation

# The SDK's defaults are 128 of each. What is left out is counted on the span.
MAX_USED = 60
MAX_GENERATED = 60
MAX_LINKS = 60

Edges = tuple[Collection[tuple[str, Artifact]], Collection[tuple[str, Artifact]]]
"""What an operation used and generated, each with its role."""


def write_edges(operation: OpenOperation, end_time: int, plain: bool) -> Edges:
    """Write what it used and generated; ``plain`` where nothing of that had to be waited for."""
    if plain:  # what is known at once is there by its id
        used = cast("dict[object, tuple[str, Artifact]]", operation.used)
        generated = cast("list[tuple[str, Artifact]]", list(operation.generated.values()))
    else:
        used = all_known(operation.used.values())
        generated = list(all_known(operation.generated.values(), once=True).values())
    record = operation.record
    if operation.claims:
        own = record.visible.get_span_context().trace_id
        makers = _settle_claims(operation, used, {artifact.id for _, artifact in generated})
        for artifact_id, maker in makers[:MAX_LINKS]:
            if int(maker.trace_id, 16) != own:
                to = _span_context(maker.trace_id, maker.span_id, is_remote=True)
                record.point(to, {semconv.USED_ID: artifact_id})
    if len(used) > 1 and (several := {key[0] for key in used if type(key) is tuple}):
        ways = [(one.id, one.maker) for _, one in used.values() if one.id in several]
        for artifact_id, made_by in islice(ways, MAX_LINKS):
            if made_by is not None:
                to = _span_context(*made_by.split("-"), is_remote=False)
                record.point(to, {semconv.USED_ID: artifact_id})
    left_out = [0, 0]
    selected = {resolve(one).id: names for one, names in operation.taken}
    named: dict[str, list[str]] = {}
    for one, names in operation.named:
        named.setdefault(resolve(one).id, []).extend(names)
    for role, artifact in islice(used.values(), MAX_USED):
        if operation.ruling is None and artifact.id not in selected and artifact.id not in named:
            record.say(semconv.USED, Used(role, artifact), end_time)
            continue
        attributes = used_attributes(role, artifact)
        if artifact.id in selected:
            attributes[semconv.ARTIFACT_SELECTED] = listed(selected[artifact.id])
        if artifact.id in named:
            attributes[semconv.ARTIFACT_NAMED] = listed(list(dict.fromkeys(named[artifact.id])))
        if (event := ruled.said(operation, attributes)) is not None:
            record.say(semconv.USED, event, end_time)
        else:
            left_out[0] += 1
    unnamed, cut = 0, operation.cut
    for role, artifact in generated[:MAX_GENERATED]:
        said: Part = Generated(role, artifact)
        if operation.ruling is not None:
            event = ruled.said(operation, said.attributes)
            if event is None:
                left_out[1] += 1
                continue
            said = Part(event)
        if artifact.schema is not None:
            same, more = unchanged(artifact, [source for _, source in used.values()])
            if same is not None:
                said = Part({**said.attributes, semconv.ARTIFACT_UNCHANGED: same})
            unnamed += more
        if operation.column_sources is not None:
            texts = operation.column_sources.texts()
            said = Part({**said.attributes, semconv.ARTIFACT_COLUMN_SOURCES: texts})
        record.say(semconv.GENERATED, said, end_time)
    if made_of := inputs_text(operation.inputs):
        record.describe(Part({semconv.OPERATION_INPUTS: made_of}))
    if operation.ruling is not None:
        ruled.settle(
            operation, [*(one for _, one in used.values()), *(one for _, one in generated)]
        )
    if (
        unnamed
        or cut
        or left_out != [0, 0]
        or operation.files_not_asked
        or len(used) + len(generated) > MAX_USED
    ):
        dropped = {
            semconv.DROPPED_USED: left_out[0] + max(0, len(used) - MAX_USED),
            semconv.DROPPED_GENERATED: left_out[1] + max(0, len(generated) - MAX_GENERATED),
            semconv.DROPPED_DIGEST_BYTES: cut,
            semconv.DROPPED_CARRIERS: operation.files_not_asked,
            semconv.DROPPED_UNCHANGED: unnamed,
        }
        dropped = {name: number for name, number in dropped.items() if number}
        record.describe(Part(dropped))
        measures.drop(dropped)
    return used.values(), generated


def known_by_now(operation: OpenOperation) -> dict[str, object]:
    """The artifacts whose ids are known before all of them are."""
    kinds = (
        (semconv.OPERATION_USED, operation.used, MAX_USED, used_attributes),
        (semconv.OPERATION_GENERATED, operation.generated, MAX_GENERATED, generated_attributes),
    )
    found: dict[str, object] = {}
    waiting = 0
    for name, artifacts, limit, describe in kinds:
        sources = [(role, settled(source)) for role, source in artifacts.values()]
        known = [(role, one) for role, one in sources if isinstance(one, Artifact)]
        waiting += len(sources) - len(known)
        if known:
            said = [ruled.said(operation, describe(role, one)) for role, one in known[:limit]]
            found[name] = [one for one in said if one is not None]
    return {**found, semconv.OPERATION_PENDING: waiting}


def _settle_claims(
    operation: OpenOperation, used: dict[object, tuple[str, Artifact]], made: set[str]
) -> list[tuple[str, Carrier]]:
    """Now that it is known what was read: whether what the files say of themselves is true,
    and by id of what was used who made it."""
    states, makers = claims.settle(operation.claims, made)
    for key, (role, artifact) in used.items():
        if artifact.id in states:
            used[key] = (role, replace(artifact, carrier=states[artifact.id]))
    return list(dict.fromkeys(makers))


def write_failure(operation: OpenOperation, error: BaseException, name: str, end_time: int) -> None:
    """Write the exception that the call has raised, as far as it may be told; ``name`` is that of
    its class."""
    form = run.settings.exceptions
    if operation.discreet and form == "masked":
        form = "type"
    message, stack = message_of(error, form), stack_of(error, form)
    if operation.ruling is not None:
        message, stack = operation.ruling.policy.text(message), operation.ruling.policy.text(stack)
    operation.record.describe(Part({semconv.ERROR_TYPE: name}))
    operation.record.say(
        "exception",
        {
            "exception.type": name,
            "exception.message": message,
            "exception.stacktrace": stack,
        },
        end_time,
    )
    operation.record.fail(shorten(f"{name}: {message}" if message else name, MAX_TEXT))


def _span_context(trace_id: str, span_id: str, *, is_remote: bool) -> SpanContext:
    return SpanContext(
        trace_id=int(trace_id, 16),
        span_id=int(span_id, 16),
        is_remote=is_remote,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )

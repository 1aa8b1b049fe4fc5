"""Which operation made an artifact that another one used.

An id names content, and the same content can be made more than once: a pipeline that ran twice, a
file that was written and read again. Which of the makers an input came from is decided by what was
recorded, in this order: the object itself; a link; the same run; the same place; and only then the
time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from otelprov.lineage.sources import Source
from otelprov.model import Artifact, Link, Operation, id_prefix


class Maker(NamedTuple):
    """Where an input came from: an operation, or the id of one that the source does not have.

    A tuple, as the next: a walk makes one for each edge.
    """

    operation: Operation | None = None
    missing: str | None = None


class Makers(NamedTuple):
    """Where all the inputs of an operation came from."""

    by_artifact: dict[str, tuple[Maker, ...]]
    """Several where the same content came by several ways: two equal tables that were merged."""
    unassigned: tuple[str, ...] = ()
    """Linked operations that the source lacks, where it is not known which input they made."""


def latest(operations: Sequence[Operation], artifact: Artifact | None = None) -> Operation | None:
    """The last of several makers of one artifact, and of nested ones the innermost.

    An operation around others (a function, a task) hands on what one inside it made. Where the
    artifact's place is known, who made it there comes first: a text may have been made before it
    was written to its file.
    """
    if artifact is not None and artifact.uri is not None:
        operations = [one for one in operations if _made_at(one, artifact)] or operations
    if len(operations) < 2:
        return operations[0] if operations else None
    chosen = max(operations, key=lambda one: (one.end, one.start, one.id))
    inside = [one for one in operations if _inside(one, chosen)]
    return latest(inside) or chosen


def makers(
    source: Source, consumer: Operation, producers: Mapping[str, Sequence[Operation]]
) -> Makers:
    """The makers of each artifact that ``consumer`` used.

    ``producers`` are all the operations that generated each of those artifacts.
    """
    found: dict[str, dict[str | None, Maker]] = {}
    # Links to these only repeat what the events say.
    seen = {usage.artifact.maker for usage in consumer.used if usage.artifact.maker}
    links = [one for one in consumer.links if f"{one.trace_id}-{one.span_id}" not in seen]
    for usage in consumer.used:
        artifact = usage.artifact
        others = [one for one in producers.get(artifact.id, ()) if one.id != consumer.id]
        made = _seen(source, artifact, others) or _linked(source, links, artifact, others)
        if made is None and artifact.origin != "unknown":
            chosen = _chosen(consumer, artifact, others)
            if chosen is not None and _was_there(source, artifact, chosen):
                chosen = None
            made = Maker(chosen)
        made = made or Maker()
        for one in _at_last(consumer, artifact, made, others):
            name = one.operation.id if one.operation is not None else one.missing
            found.setdefault(artifact.id, {}).setdefault(name, one)
    by_artifact = {id_: tuple(made.values()) for id_, made in found.items()}
    unassigned = _unanswered(source, links)
    if unassigned:
        elsewhere = _from_elsewhere(by_artifact, consumer)
        if len(unassigned) == len(elsewhere) == 1:
            by_artifact[elsewhere[0]] = (Maker(missing=unassigned.pop()),)
    return Makers(by_artifact, tuple(unassigned))


def _seen(source: Source, artifact: Artifact, others: Sequence[Operation]) -> Maker | None:
    """The operation that was seen to make the object, whether the source has it or not."""
    if artifact.maker is None:
        return None
    for operation in others:
        if operation.id == artifact.maker:
            return Maker(operation)
    trace_id, _, span_id = artifact.maker.partition("-")
    maker = source.operation(trace_id, span_id)
    # One that stands for many calls names only some of what they made, and one whose transaction
    # was taken back nothing: it was read before that.
    if maker is not None and (maker.dropped or _was_undone(maker, artifact)):
        return Maker(maker)
    return Maker(missing=artifact.maker)


def _was_undone(maker: Operation, artifact: Artifact) -> bool:
    written = any(usage.role == "target" for usage in maker.generated)
    return artifact.kind == "resource" and maker.statement is not None and not written


def _linked(
    source: Source, links: Sequence[Link], artifact: Artifact, others: Sequence[Operation]
) -> Maker | None:
    if not links:
        return None
    places = {(one.trace_id, one.span_id): one for one in others}
    missing = None
    found: list[Operation] = []
    for link in links:
        made = places.get((link.trace_id, link.span_id))
        if made is not None and link.artifact_id in (artifact.id, ""):
            found.append(made)
        elif link.artifact_id == artifact.id and not source.operation(link.trace_id, link.span_id):
            missing = f"{link.trace_id}-{link.span_id}"
    if found:
        # Of two equal files at two places each has a link.
        return Maker(next((one for one in found if _made_at(one, artifact)), found[0]))
    return Maker(missing=missing) if missing else None


def _chosen(
    consumer: Operation, artifact: Artifact, others: Sequence[Operation]
) -> Operation | None:
    if not others:
        return None
    # One that stands for many calls goes on while others use what the first of them made.
    before = [one for one in others if (one.end if one.calls == 1 else one.start) <= consumer.start]
    same_run = [one for one in before if _same_run(one, consumer)]
    same_trace = [one for one in before if one.trace_id == consumer.trace_id]
    # What a task reads inside itself, and names as used.
    inside = [one for one in others if _inside(one, consumer)]
    for candidates in (same_run, same_trace, inside):
        if candidates:
            return latest(candidates, artifact)
    if artifact.uri is None:
        # It lived in the memory of one process: an operation elsewhere made equal data, not this.
        return None
    if before:
        return latest(before, artifact)
    # Only makers that ended later. The clocks of two machines may differ, so one that made it at
    # this very place counts; any other made the same content once more, somewhere else.
    later = [one for one in others if not _same_run(one, consumer) and _made_at(one, artifact)]
    return min(later, key=lambda one: (one.end, one.id), default=None)


def _at_last(
    consumer: Operation, artifact: Artifact, made: Maker, others: Sequence[Operation]
) -> list[Maker]:
    """Who has written a table of a database last: the operation that this process has seen, and
    those of other processes that knew nothing of it."""
    last = made.operation
    if last is None or artifact.kind != "resource" or "#" not in (artifact.uri or ""):
        return [made]
    found = [one for one in others if one is not last and last.start < one.end <= consumer.start]
    if not found:
        return [made]
    by_id = {one.id: one for one in others}
    before = {one.id: _known_before(one, artifact, by_id) for one in (last, *found)}
    found = [one for one in found if last.id not in before[one.id]]
    emptied = [  # what had been in it is gone
        one.start
        for one in found
        if one.start >= last.end and all(usage.artifact.id != artifact.id for usage in one.used)
    ]
    since = max(emptied, default=0)
    return [
        Maker(one)
        for one in (last, *found)
        if one.end > since and not any(one.id in before[other.id] for other in (last, *found))
    ]


def _known_before(
    operation: Operation, artifact: Artifact, by_id: Mapping[str, Operation]
) -> set[str]:
    """The operations that were seen to write a table one after the other, up to this."""
    found: set[str] = set()
    waiting = [operation]
    while waiting:
        for usage in waiting.pop().used:
            maker = usage.artifact.maker
            if usage.artifact.id == artifact.id and maker is not None and maker not in found:
                found.add(maker)
                if maker in by_id:
                    waiting.append(by_id[maker])
    return found


def _was_there(source: Source, artifact: Artifact, maker: Operation) -> bool:
    """Whether what was used stood at its place before an operation made the same elsewhere: a table
    that is read and written as it is may give the same bytes."""
    if artifact.uri is None or _made_at(maker, artifact):
        return False
    return any(
        usage.artifact.id == artifact.id and usage.artifact.uri == artifact.uri
        for one in source.consumers([artifact.id])[artifact.id]
        if one.start < maker.start
        for usage in one.used
    )


def _same_run(one: Operation, other: Operation) -> bool:
    if one.run is None or other.run is None:
        return one.trace_id == other.trace_id
    return one.run == other.run


def _made_at(operation: Operation, artifact: Artifact) -> bool:
    return any(
        usage.artifact.id == artifact.id and usage.artifact.uri == artifact.uri
        for usage in operation.generated
    )


def _inside(inner: Operation, outer: Operation) -> bool:
    return (
        (inner.trace_id, inner.run) == (outer.trace_id, outer.run)
        and inner.id != outer.id
        and outer.start <= inner.start
        and inner.end <= outer.end
        and (inner.start, inner.end) != (outer.start, outer.end)
    )


def _unanswered(source: Source, links: Sequence[Link]) -> list[str]:
    """The linked operations that the source lacks, of links without an artifact.

    Jaeger keeps the link but not what it says.
    """
    return [
        f"{link.trace_id}-{link.span_id}"
        for link in links
        if not link.artifact_id and not source.operation(link.trace_id, link.span_id)
    ]


def _from_elsewhere(found: dict[str, tuple[Maker, ...]], consumer: Operation) -> list[str]:
    """The inputs that may be what a link without an artifact is about."""
    linked = {(link.trace_id, link.span_id) for link in consumer.links}
    candidates = []
    for id_, makers in found.items():
        if id_prefix(id_) == "derived":
            continue  # known in one process only
        for made in (maker.operation for maker in makers):
            if made is None or (
                made.trace_id != consumer.trace_id and (made.trace_id, made.span_id) not in linked
            ):
                candidates.append(id_)
                break
    return candidates

"""Walks through a source: from an artifact or an operation back to raw data, or on to what came
of it.

Breadth first, so that a source is asked once for each level and not once for each artifact.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from otelprov.lineage.graph import Direction, Draft, Edge, Gap, Lineage
from otelprov.lineage.makers import Maker, latest, makers
from otelprov.lineage.sources import Source
from otelprov.model import Artifact, Operation, Run, Usage, id_prefix
from otelprov.statements import from_first_word

_RAW = ("file", "directory", "resource")


@contextmanager
def _kept() -> Iterator[None]:
    """What is made stays: the collector of cycles finds nothing in it, and waits.

    It would look through thousands of operations again and again: a quarter of a walk's time.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@_kept()
def upstream(
    source: Source,
    start: str | Operation,
    *,
    depth: int | None = None,
    maker: Operation | None = None,
) -> Lineage:
    """What an artifact (by id) or an operation was made from, back to the raw data.

    ``depth`` is the number of operations to go back; the one that made the target is the first.
    ``maker`` is the operation that made the artifact, where that is known; otherwise the latest.
    """
    walk = _Walk(source)
    if isinstance(start, Operation):
        target, level = start.id, [start]
        walk.whole(start)
    else:
        target = start
        walk.look_up([start])
        walk.remember(start)
        made = Maker(maker or latest(walk.producers[start]))
        level = walk.step_back("", start, made, cut=depth == 0)
        if made.operation is None:
            walk.root(start, made, None)
    left = depth
    while level:
        left = None if left is None else left - 1
        walk.look_up(usage.artifact.id for one in level for usage in one.used)
        following: dict[str, Operation] = {}
        for operation in sorted(level, key=lambda one: one.id):
            alone = walk.handed_on(operation)
            for id_, made in walk.makers(operation):
                if alone and id_ not in alone:
                    continue
                walk.draft.used(operation, id_)
                if made.operation is None:
                    walk.root(id_, made, operation)
                else:
                    new = walk.step_back(
                        operation.id, id_, made, cut=left is not None and left <= 0
                    )
                    following.update((one.id, one) for one in new)
        level = list(following.values())
    return walk.finish(target, "upstream", depth)


@_kept()
def downstream(source: Source, start: str | Operation, *, depth: int | None = None) -> Lineage:
    """What came of an artifact (by id) or of an operation."""
    walk = _Walk(source)
    # What lies ahead: artifacts, each with the operation it came from. The target came from any.
    ahead: dict[tuple[str, str], Operation | None]
    if isinstance(start, Operation):
        target = start.id
        for id_ in _ids(start.generated):
            walk.draft.generated(start, id_)
        walk.draft.operations[start.id] = start
        ahead = {(id_, start.id): start for id_ in _ids(start.generated)}
        left = None if depth is None else depth - 1
    else:
        target, left = start, depth
        walk.remember(start)
        ahead = {(start, ""): None}
    seen = set(ahead)
    followed: set[tuple[str, str]] = set()
    while ahead:
        consumers = source.consumers(sorted({id_ for id_, _ in ahead}))
        everyone = {one.id: one for several in consumers.values() for one in several}
        walk.look_up(usage.artifact.id for one in everyone.values() for usage in one.used)
        came_from = {
            id_: makers(source, one, walk.producers).by_artifact for id_, one in everyone.items()
        }
        following: dict[tuple[str, str], Operation | None] = {}
        for (artifact_id, _), maker in ahead.items():
            for operation in consumers.get(artifact_id, ()):
                made = (one.operation for one in came_from[operation.id][artifact_id])
                if maker is not None and all(one is None or one.id != maker.id for one in made):
                    continue
                if left is not None and left <= 0:
                    walk.cut.add(Edge(artifact_id, operation.id, "used"))
                    continue
                walk.draft.used(operation, artifact_id)
                walk.draft.made_by(operation.id, artifact_id, maker.id if maker else "")
                if maker is not None:
                    followed.add((artifact_id, maker.id))
                    walk.draft.generated(maker, artifact_id)
                written = _ids(operation.generated)
                for id_ in written:
                    walk.draft.generated(operation, id_)
                # What it wrote and never committed may have been read before that.
                for id_ in (*written, *_ids(one for one in operation.used if one.role == "target")):
                    if (id_, operation.id) not in seen:
                        seen.add((id_, operation.id))
                        following[id_, operation.id] = operation
        ahead = following
        left = None if left is None else left - 1
    # A typed file is read back as the very table that was written: its story goes on from there.
    goes_on = {artifact_id for artifact_id, _ in followed}
    for artifact_id, maker_id in seen - followed:
        if artifact_id in goes_on:
            walk.draft.edges.discard(Edge(maker_id, artifact_id, "generated"))
    return walk.finish(target, "downstream", depth)


def whole_trace(source: Source, trace_id: str) -> Lineage | None:
    """All the operations of a trace with all that they used and made; None for no such trace."""
    return all_of(source, source.trace(trace_id), f"trace:{trace_id}")


@_kept()
def all_of(source: Source, operations: Sequence[Operation], target: str) -> Lineage | None:
    """Several operations with all that they used and made, and nothing beyond; None for none."""
    if not operations:
        return None
    walk = _Walk(source)
    for operation in operations:
        walk.whole(operation)
    walk.look_up(id_ for one in operations for id_ in _ids(one.used))
    for operation in operations:
        for id_, made in walk.makers(operation):
            if made.operation is None:
                walk.root(id_, made, operation)
            else:
                walk.draft.made_by(operation.id, id_, made.operation.id)
    lineage = walk.finish(target, "upstream", None)
    return replace(lineage, others={})  # of inputs from elsewhere, all makers would be others


@dataclass
class _Walk:
    source: Source
    draft: Draft = field(default_factory=Draft)
    producers: dict[str, list[Operation]] = field(default_factory=dict)
    cut: set[Edge] = field(default_factory=set)
    """Edges that the depth kept from being followed."""
    roots: list[tuple[str, str, Operation | None]] = field(default_factory=list)
    """Artifacts where the walk ended too early: id, reason, and the operation that used it."""
    raw: list[tuple[str, Operation | None]] = field(default_factory=list)
    """Artifacts that nobody is known to have made, and need not have been: raw data."""

    def look_up(self, ids: Iterable[str]) -> None:
        unknown = sorted({id_ for id_ in ids if id_ not in self.producers})
        if unknown:
            self.producers.update(self.source.producers(unknown))

    def makers(self, operation: Operation) -> list[tuple[str, Maker]]:
        """Where the inputs of an operation came from, by id, one more than once where it came by
        several ways; what cannot be told becomes a gap."""
        found = makers(self.source, operation, self.producers)
        for missing in found.unassigned:
            reason = f"one of its inputs was made by operation {missing}, which is not in "
            reason += self.source.name
            self.draft.gaps.append(Gap(reason, operation=operation.id))
        return [(id_, made) for id_, several in found.by_artifact.items() for made in several]

    def remember(self, artifact_id: str) -> None:
        """Keep what is known of the target, which may stand alone."""
        for several, made in (
            (self.source.producers([artifact_id]), True),
            (self.source.consumers([artifact_id]), False),
        ):
            for operation in several[artifact_id]:
                for usage in operation.generated if made else operation.used:
                    if usage.artifact.id == artifact_id:
                        self.draft.known.setdefault(artifact_id, usage.artifact)

    def whole(self, operation: Operation) -> None:
        """Take in an operation with everything that it used and made."""
        self.draft.operations[operation.id] = operation
        for id_ in _ids(operation.used):
            self.draft.used(operation, id_)
        for id_ in _ids(operation.generated):
            self.draft.generated(operation, id_)

    def step_back(
        self, consumer: str, artifact_id: str, made: Maker, *, cut: bool
    ) -> list[Operation]:
        """Go from an artifact that was used to its maker; the maker, when it is met first."""
        maker = made.operation
        if maker is None:
            return []
        if cut:
            self.cut.add(Edge(maker.id, artifact_id, "generated"))
            return []
        new = maker.id not in self.draft.operations or (
            Edge(maker.id, artifact_id, "generated") not in self.draft.edges
            and bool(before_copy(maker, artifact_id))
        )
        self.draft.generated(maker, artifact_id)
        self.draft.made_by(consumer, artifact_id, maker.id)
        return [maker] if new else []

    def handed_on(self, operation: Operation) -> set[str]:
        """What the files and tables on the way were before an operation copied or moved them, among
        others: each comes from itself alone. Empty where something else that it made is on the way.
        """
        made = {edge.target for edge in self.draft.edges if edge.source == operation.id}
        before = [before_copy(operation, id_) for id_ in made]
        return set().union(*before) if all(before) else set()

    def root(self, artifact_id: str, made: Maker, consumer: Operation | None) -> None:
        """Note why the walk ends at an artifact that was used, when it should not."""
        name = self.source.name
        if made.missing:
            reason = f"made by operation {made.missing}, which is not in {name}"
            reason += self._absences(consumer)
        elif id_prefix(artifact_id) == "derived":
            reason = f"the operation that made it is not in {name}"
            reason += self._absences(consumer)
        elif id_prefix(artifact_id) in _RAW or self._has_place(artifact_id):
            self.raw.append((artifact_id, consumer))
            return  # raw data
        else:
            reason = "made in memory by code that was not recorded"
        self.roots.append((artifact_id, reason, consumer))

    def _doubt(self, target: str) -> None:
        """Say once that what counts as raw data may have been made by what is missing."""
        starts = [one.start for _, one in self.raw if one is not None]
        found = self.source.absences(max(starts, default=None))
        if found:
            number = len({artifact_id for artifact_id, _ in self.raw})
            what = "1 artifact counts" if number == 1 else f"{number} artifacts count"
            reason = f"{what} as raw data because no maker is known; it may be among "
            gap = Gap(reason + ", or ".join(found), artifact=target)
            if target in self.draft.operations:
                gap = Gap(gap.reason, operation=target)
            self.draft.gaps.append(gap)

    def _absences(self, consumer: Operation | None) -> str:
        found = self.source.absences(consumer.start if consumer else None)
        return f"; it may be among {', or '.join(found)}" if found else ""

    def _has_place(self, artifact_id: str) -> bool:
        operations = self.draft.operations.values()
        usages = [usage for one in operations for usage in (*one.used, *one.generated)]
        mentions = [usage.artifact for usage in usages] + list(self.draft.known.values())
        return any(one.id == artifact_id and one.uri for one in mentions)

    def finish(self, target: str, direction: Direction, depth: int | None) -> Lineage:
        draft = self.draft
        for edge in self.cut - draft.edges:
            # Only the artifact's end of the edge is part of the answer.
            artifact = edge.source if edge.relation == "used" else edge.target
            draft.gaps.append(Gap(f"not followed beyond --depth {depth}", artifact=artifact))
        made = {edge.target for edge in draft.edges if edge.relation == "generated"}
        for artifact_id, reason, consumer in self.roots:
            if artifact_id in made and consumer is not None:
                # The same content also came from somewhere known, but not this time.
                reason = f"as used by {consumer.name} ({consumer.id}): {reason}"
            draft.gaps.append(Gap(reason, artifact=artifact_id))
        if direction == "upstream" and self.raw and not target.startswith("trace:"):
            self._doubt(target)
        lineage = draft.finish(target, direction)
        others = {}
        counted = draft.operations.keys() | {edge.source for edge in self.cut}
        for one in lineage.artifacts if direction == "upstream" else ():
            makers = {maker.id for maker in self.producers.get(one.id, ())}
            if count := len(makers - counted):
                others[one.id] = count
        runs = {}
        for run in sorted({one.run for one in lineage.operations if one.run}):
            trace_id, _, span_id = run.partition("-")
            known = None if trace_id == "process" else self.source.run(trace_id, span_id)
            if known is not None:
                runs[run] = known
        fewer = _fewer(lineage, runs, self.source.name)
        return replace(lineage, others=others, runs=runs, gaps=(*lineage.gaps, *fewer))


MAX_CHECKED = 200
"""Artifacts of which it is asked who checked them: a source may be asked for each."""


def checked(source: Source, lineage: Lineage) -> Lineage:
    """A lineage, with the checks that looked at its artifacts and led nowhere."""
    own = {one.id for one in lineage.operations}
    ids = [one.id for one in lineage.artifacts[-MAX_CHECKED:]]
    found = {}
    for id_, consumers in source.consumers(ids).items():
        checks = [one for one in consumers if one.kind == "check" and one.id not in own]
        if checks:
            found[id_] = tuple(sorted(checks, key=lambda one: (one.start, one.id)))
    return replace(lineage, checks={id_: found[id_] for id_ in ids if id_ in found})


_COPYING = ("shutil.", "os.")
_COPIES_OF_TABLES = frozenset({"sqlite3.backup", "sqlite3.vacuum_into"})
"""What copies each table of a database to the one of the same name in another."""


def before_copy(operation: Operation, artifact_id: str) -> set[str]:
    """What a file or a table was before an operation copied or moved it, and perhaps others with
    it; empty where it did not."""
    used = [usage.artifact for usage in operation.used]
    if operation.name in _COPIES_OF_TABLES:
        names = {one.artifact.name for one in operation.generated if one.artifact.id == artifact_id}
        return {one.id for one in used if one.name in names}
    made = [one.artifact for one in operation.generated if one.artifact.id == artifact_id]
    if from_first_word(operation.statement or "")[0] == "EXPORT":
        # DuckDB calls the file of a table after it, and after its schema if that is not main.
        stems = {(one.name or "").partition(".")[0] for one in made}
        tables = {_table(one): one.id for one in used if _table(one)}
        found = {
            id_
            for name, id_ in tables.items()
            if name.removeprefix("main.").replace(".", "_") in stems
        }
        return found if len(found) == 1 else set()
    if not operation.name.startswith(_COPYING):
        return set()
    if artifact_id.startswith("file:"):
        return {one.id for one in used if one.id == artifact_id}
    names = {table for one in made if (table := _table(one))}
    return {one.id for one in used if _table(one) in names}


def _table(artifact: Artifact) -> str:
    """The table of a database, as the end of its URI names it."""
    return (artifact.uri or "").partition("#")[2]


def _fewer(lineage: Lineage, runs: dict[str, Run], name: str) -> list[Gap]:
    """The runs of which a source has fewer operations than they say that they carried out."""
    gaps = []
    for id_, run in runs.items():
        if run.said is not None and run.operations < run.said:
            first = next(one for one in lineage.operations if one.run == id_)
            what = run.name.removeprefix("run ")
            of_them = "1 of them is" if run.operations == 1 else f"{run.operations} of them are"
            reason = f"run {what} says that it carried out {run.said} operations; {of_them} in "
            gaps.append(Gap(reason + name, operation=first.id))
    return gaps


def _ids(usages: Iterable[Usage]) -> list[str]:
    return list(dict.fromkeys(usage.artifact.id for usage in usages))

"""The lineage of something: artifacts and operations, the edges between them, and the gaps."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, NamedTuple

from otelprov._record import record
from otelprov.model import Artifact, Operation, Run

if TYPE_CHECKING:
    import networkx

Direction = Literal["upstream", "downstream"]
Relation = Literal["used", "generated"]


RESTS_ON: Mapping[str, str] = {
    "footer": "footers, sizes and times",
    "version": "what its store says of the version",
    "status": "size and time of modification",
}
"""What an id rests on that is neither a content nor a name, by coverage."""


class Edge(NamedTuple):
    """One edge, as the data flows: artifact -> operation `used`, operation -> artifact `generated`.

    ``source`` and ``target`` are ids of artifacts and operations. A tuple, since a walk asks its
    set of them several times for each edge: a dataclass hashes and compares in Python.
    """

    source: str
    target: str
    relation: Relation


@record
class Gap:
    """What is not known, at an artifact or an operation, in words."""

    reason: str
    artifact: str | None = None
    operation: str | None = None

    @property
    def place(self) -> str:
        """The id that it is about."""
        return self.artifact or self.operation or ""


@record
class Lineage:
    """The answer to a question about lineage.

    Artifacts and operations stand in the order of the data's flow, from raw data to what was made
    of it, ties by id; edges by the places of their ends.
    """

    target: str
    """The id of an artifact or an operation, or ``trace:<trace id>``."""
    direction: Direction
    artifacts: tuple[Artifact, ...]
    operations: tuple[Operation, ...]
    edges: tuple[Edge, ...]
    gaps: tuple[Gap, ...] = ()
    runs: Mapping[str, Run] = field(default_factory=dict)
    """The runs of the operations, by id, as far as they are known."""
    makers: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """By operation and artifact that it used: the operations that had made it that time. Nearly
    always one; more where it used two equal tables. Downstream ``""`` stands for any.

    An id names content, so an artifact with two makers does not say whose it was for which user.
    The target's own maker stands under the operation ``""``.
    """
    others: Mapping[str, int] = field(default_factory=dict)
    """By artifact: how many operations made the same content and are not part of this."""
    checks: Mapping[str, tuple[Operation, ...]] = field(default_factory=dict)
    """By artifact: the checks that looked at it and are not part of this, oldest first."""


def elsewhere(lineage: Lineage) -> dict[Edge, Artifact]:
    """The artifacts of edges as the operation saw them, where that was at another place than the
    artifact's own: the same content may lie in two."""
    found: dict[Edge, Artifact] = {}
    for one in lineage.operations:
        for usage in one.used:
            found.setdefault(Edge(usage.artifact.id, one.id, "used"), usage.artifact)
        for usage in one.generated:
            found.setdefault(Edge(one.id, usage.artifact.id, "generated"), usage.artifact)
    own = {one.id: one.uri for one in lineage.artifacts}
    return {edge: one for edge, one in found.items() if one.uri and one.uri != own.get(one.id)}


@dataclass(slots=True)
class Draft:
    """A lineage while it is put together."""

    operations: dict[str, Operation] = field(default_factory=dict)
    edges: set[Edge] = field(default_factory=set)
    gaps: list[Gap] = field(default_factory=list)
    known: dict[str, Artifact] = field(default_factory=dict)
    """Artifacts that no edge may mention: the target itself."""
    makers: dict[tuple[str, str], dict[str, None]] = field(default_factory=dict)

    def made_by(self, consumer: str, artifact_id: str, maker: str) -> None:
        """Note who had made an artifact that was used."""
        self.makers.setdefault((consumer, artifact_id), {})[maker] = None

    def used(self, operation: Operation, artifact_id: str) -> None:
        """Note that the operation used the artifact."""
        self.operations[operation.id] = operation
        self.edges.add(Edge(artifact_id, operation.id, "used"))

    def generated(self, operation: Operation, artifact_id: str) -> None:
        """Note that the operation made the artifact."""
        self.operations[operation.id] = operation
        self.edges.add(Edge(operation.id, artifact_id, "generated"))

    def finish(self, target: str, direction: Direction) -> Lineage:
        """Put everything in order, and add the gaps that artifacts and operations tell of."""
        artifacts = self._artifacts()
        order = _order([*artifacts, *self.operations], self.edges)
        ordered = [artifacts[id_] for id_ in sorted(artifacts, key=order.__getitem__)]
        operations = [
            self.operations[id_] for id_ in sorted(self.operations, key=order.__getitem__)
        ]
        gaps = [*self.gaps, *_told_gaps(ordered, operations)]
        return Lineage(
            target=target,
            direction=direction,
            artifacts=tuple(ordered),
            operations=tuple(operations),
            edges=tuple(
                sorted(self.edges, key=lambda edge: (order[edge[0]], order[edge[1]], edge[2]))
            ),
            makers={
                pair: known
                for pair, made in self.makers.items()
                if (known := tuple(one for one in made if one in self.operations))
            },
            gaps=tuple(sorted(set(gaps), key=lambda gap: (order.get(gap.place, 0), gap.reason))),
        )

    def _artifacts(self) -> dict[str, Artifact]:
        """What is known of each artifact: first what its makers say, then its users."""
        mentions: dict[str, list[Artifact]] = {}
        by_time = sorted(self.operations.values(), key=lambda one: (one.start, one.id))
        for operation in by_time:
            id_ = operation.id
            for usage in operation.generated:
                artifact = usage.artifact
                if (id_, artifact.id, "generated") in self.edges:
                    mentions.setdefault(artifact.id, []).append(artifact)
        for operation in by_time:
            id_ = operation.id
            for usage in operation.used:
                artifact = usage.artifact
                if (artifact.id, id_, "used") in self.edges:
                    mentions.setdefault(artifact.id, []).append(artifact)
        for name, artifact in self.known.items():
            mentions.setdefault(name, []).append(artifact)
        return {name: merge(several) for name, several in mentions.items()}


def merge(mentions: list[Artifact]) -> Artifact:
    """One artifact out of several mentions: the first counts, the others fill what it lacks."""
    merged = mentions[0]
    for other in mentions[1:]:
        mine, its = _optional(merged), _optional(other)
        if mine != its:
            lacking = {
                name: value
                for name, has, value in zip(_OPTIONAL, mine, its, strict=True)
                if has is None and value is not None
            }
            if lacking:
                merged = replace(merged, **lacking)
    return merged


_OPTIONAL = tuple(one.name for one in fields(Artifact) if one.init and one.default is None)
_optional = attrgetter(*_OPTIONAL)


def _told_gaps(artifacts: Iterable[Artifact], operations: Iterable[Operation]) -> list[Gap]:
    gaps = []
    for artifact in artifacts:
        if artifact.coverage == "none":
            why = f": {artifact.reason}" if artifact.reason else ""
            gaps.append(
                Gap(f"known by name only, its content was not looked at{why}", artifact=artifact.id)
            )
        elif artifact.coverage in RESTS_ON and artifact.version is None:
            why = f": {artifact.reason}" if artifact.reason else ""
            rests_on = RESTS_ON[artifact.coverage]
            gaps.append(Gap(f"known by {rests_on}, not by all it holds{why}", artifact=artifact.id))
    for operation in operations:
        for usage in operation.used:
            if usage.artifact.carrier == "stale":
                reason = "says by itself that it is another artifact than it is: that is stale"
                gaps.append(Gap(reason, artifact=usage.artifact.id))
        if operation.status == "unknown":
            reason = "it began, and its end is not recorded: what it made is not known"
            gaps.append(Gap(reason, operation=operation.id))
        if operation.pending:
            number = operation.pending
            what = "1 artifact was" if number == 1 else f"{number} artifacts were"
            reason = f"the ids of {what}".replace("ids of 1", "id of 1")
            gaps.append(
                Gap(f"{reason} still being computed when this was written", operation=operation.id)
            )
        if operation.dropped:
            gaps.append(Gap(left_out(operation.dropped), operation=operation.id))
    return gaps


def left_out(number: int) -> str:
    """The reason of a gap: so many artifacts are not in the record of an operation."""
    what = "1 artifact was" if number == 1 else f"{number:,} artifacts were"
    return f"{what} left out of its record for a limit"


def _order(nodes: Iterable[str], edges: Iterable[Edge]) -> dict[str, int]:
    """Each node's place in the flow of the data; what lies on a cycle stands together, by id."""
    following: dict[str, list[str]] = {node: [] for node in nodes}
    before = dict.fromkeys(following, 0)
    pairs = {edge[:2] for edge in edges}  # source and target
    for source, target in pairs:
        following[source].append(target)
        before[target] += 1
    ready = [node for node, number in before.items() if not number]
    heapq.heapify(ready)
    order: dict[str, int] = {}
    while ready:
        node = heapq.heappop(ready)
        order[node] = len(order)
        for target in following[node]:
            before[target] -= 1
            if not before[target]:
                heapq.heappush(ready, target)
    return order if len(order) == len(following) else _cyclic_order(following, pairs)


def _cyclic_order(nodes: Iterable[str], pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    # Ten times as slow as the above, and seldom needed: a table that is written and read back.
    import networkx

    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(pairs)
    condensed = networkx.condensation(graph)
    members = {group: sorted(condensed.nodes[group]["members"]) for group in condensed}
    groups = networkx.lexicographical_topological_sort(
        condensed, key=lambda group: str(members[group][0])
    )
    return {node: place for place, node in enumerate(n for group in groups for n in members[group])}

"""Where each node of a lineage stands in the tree: rows and gutters, no words.

A column is a chain: each row was made from the row below it in the same column (downstream: the
row below was made from it). An operation with further inputs has a branch for each, one column to
the right, before its own column goes on. So a pipeline of forty steps stays in one column.

Every node stands once, below the row that all ways to it lead through (its immediate dominator);
elsewhere there is a reference. The longest of several branches goes on in the column, which keeps
the number of columns below the logarithm of the number of nodes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

from otelprov.lineage.graph import Lineage
from otelprov.model import Artifact, Operation
from otelprov.render.words import IN_MEMORY

RowKind = Literal["artifact", "operation", "run", "above", "below", "joint", "space"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what it shows and the lines that are drawn to the left of it.

    ``above`` and ``below`` refer to where the node stands; ``joint`` names an artifact that several
    branches above came from, and that goes on from here.
    """

    gutter: str
    kind: RowKind
    id: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The rows, and what an operation's row has to say for artifacts without a row of their own."""

    rows: tuple[Row, ...]
    results: dict[str, list[str]] = field(default_factory=dict)
    """By operation: the artifacts it made that have no row."""
    referenced: frozenset[str] = frozenset()
    """What is referred to from elsewhere, and must be recognisable where it stands."""


@dataclass(frozen=True, slots=True)
class _Child:
    node: str
    joint: str | None = None
    """Set when the row above is not directly connected: what the branches above came from."""


def layout(lineage: Lineage) -> Layout:
    """The rows of a lineage, from its target on."""
    return _Layout(lineage).build()


class _Layout:
    def __init__(self, lineage: Lineage) -> None:
        self.artifacts: dict[str, Artifact] = {one.id: one for one in lineage.artifacts}
        self.operations: dict[str, Operation] = {one.id: one for one in lineage.operations}
        self.target = lineage.target
        self.upstream = lineage.direction == "upstream"
        self.next: dict[str, list[str]] = defaultdict(list)
        self.made: dict[str, list[str]] = defaultdict(list)
        self.makers: dict[str, list[str]] = defaultdict(list)
        for edge in lineage.edges:
            near, far = (edge.target, edge.source) if self.upstream else (edge.source, edge.target)
            self.next[near].append(far)
            if edge.relation == "generated":
                self.made[edge.source].append(edge.target)
                self.makers[edge.target].append(edge.source)
        self._in_the_order_of_use()
        self.rows: list[Row] = []
        self.placed: set[str] = set()
        self.referenced: set[str] = set()

    def build(self) -> Layout:
        self.next[""] = self._starts()
        self._dominate()
        for number, child in enumerate(self._children("")[1]):
            if number:
                self.rows.append(Row("", "space", ""))
            self._chain(child, "", "", None)
        results = {
            id_: [one for one in made if one not in self.placed] for id_, made in self.made.items()
        }
        return Layout(tuple(self.rows), results, frozenset(self.referenced))

    def _in_the_order_of_use(self) -> None:
        for id_, operation in self.operations.items():
            usages = operation.used if self.upstream else operation.generated
            order = {usage.artifact.id: place for place, usage in reversed([*enumerate(usages)])}
            self.next[id_].sort(key=lambda node: (order.get(node, len(order)), node))

    # --- what stands below what ------------------------------------------------------------------

    def _starts(self) -> list[str]:
        if self.target in self.artifacts or self.target in self.operations:
            return [self.target]
        # A whole trace: what nothing else was made from, the newest first.
        led_to = {node for nodes in self.next.values() for node in nodes}
        starts: dict[str, None] = {}
        newest = sorted(self.operations.values(), key=lambda one: (-one.end, one.id))
        for operation in newest:
            ends = [id_ for id_ in self.made[operation.id] if id_ not in led_to]
            lasting = [id_ for id_ in ends if self.artifacts[id_].kind not in IN_MEMORY]
            # Further ends of the same operation are told on its row.
            starts.update(dict.fromkeys((lasting or ends)[:1]))
            if operation.id not in led_to:
                starts[operation.id] = None
        reached = self._reached(list(starts))
        for operation in newest:  # what is left lies on cycles
            if operation.id not in reached:
                starts[operation.id] = None
                reached |= self._reached([operation.id])
        return list(starts)

    def _reached(self, nodes: list[str]) -> set[str]:
        seen: set[str] = set()
        while nodes:
            node = nodes.pop()
            if node not in seen:
                seen.add(node)
                nodes.extend(self.next.get(node, ()))
        return seen

    def _dominate(self) -> None:
        import networkx

        graph: networkx.DiGraph[str] = networkx.DiGraph()
        graph.add_node("")
        for near, nodes in self.next.items():
            graph.add_edges_from((near, far) for far in nodes)
        found = networkx.immediate_dominators(graph, "")
        # networkx before 3.6 names the start as its own dominator.
        self.dominator = {node: over for node, over in found.items() if node and over is not None}
        self.below: dict[str, list[str]] = defaultdict(list)
        for node, over in sorted(self.dominator.items()):
            self.below[over].append(node)
        self.weight: dict[str, int] = {}
        pending = [("", False)]
        while pending:
            node, done = pending.pop()
            if done:
                self.weight[node] = 1 + sum(self.weight[one] for one in self.below[node])
            else:
                pending.append((node, True))
                pending.extend((one, False) for one in self.below[node])

    def _children(self, node: str) -> tuple[list[str], list[_Child]]:
        """References and children of a row; artifacts that are told on a row are passed through."""
        direct = self.next.get(node, [])
        own = [one for one in direct if self.dominator.get(one) == node]
        joint = [one for one in self.below[node] if one not in direct]
        references = [one for one in direct if one not in own]
        children: list[_Child] = []
        for one in own:
            if self._told(one):
                further, grandchildren = self._children(one)
                references += further
                children += grandchildren
            else:
                children.append(_Child(one))
        for one in joint:
            through = self._children(one)[1] if self._told(one) else [_Child(one)]
            children += [_Child(child.node, child.joint or one) for child in through]
        return references, children

    def _told(self, node: str) -> bool:
        """Whether the row of its maker tells of an artifact: one in memory, in a plain chain."""
        artifact = self.artifacts.get(node)
        if artifact is None or node == self.target or artifact.kind not in IN_MEMORY:
            return False
        makers = self.makers[node]
        if len(makers) != 1:
            return False
        if self.upstream:
            return self.below[node] == makers
        return self.dominator.get(node) == makers[0]

    # --- rows ------------------------------------------------------------------------------------

    def _chain(self, child: _Child, first: str, rest: str, run: str | None) -> None:
        """A chain from one node on; its first row has another gutter than the others."""
        gutter = first

        def row(kind: RowKind, id_: str) -> None:
            nonlocal gutter
            self.rows.append(Row(gutter, kind, id_))
            gutter = rest

        while True:
            node = child.node
            if child.joint is not None:
                row("joint", child.joint)
                self.referenced.add(child.joint)
            operation = self.operations.get(node)
            if operation is not None and operation.run and operation.run != run:
                run = operation.run
                row("run", run)
            row("operation" if operation else "artifact", node)
            self.placed.add(node)
            references, children = self._children(node)
            if not children and len(references) == 1:
                row(self._direction(references[0]), references[0])
                return
            main = max(children, key=lambda one: self.weight[one.node], default=None)
            branches: list[str | _Child] = [*references, *(c for c in children if c is not main)]
            for number, branch in enumerate(branches, 1):
                last = main is None and number == len(branches)
                corner, side = ("╰─", "  ") if last else ("├─", "│ ")
                if isinstance(branch, str):
                    self.rows.append(Row(rest + corner, self._direction(branch), branch))
                else:
                    self._chain(branch, rest + corner, rest + side, run)
            if main is None:
                return
            child = main

    def _direction(self, node: str) -> RowKind:
        """A reference up or down; what its maker's row tells of stands where the maker stands."""
        self.referenced.add(node)
        if node in self.placed:
            return "above"
        told_above = self._told(node) and self.makers[node][0] in self.placed
        return "above" if told_above else "below"

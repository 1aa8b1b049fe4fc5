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
from dataclasses import field
from typing import Literal

from otelprov._record import record
from otelprov.lineage.graph import Lineage
from otelprov.model import Artifact, Operation
from otelprov.render.words import IN_MEMORY

RowKind = Literal["artifact", "operation", "run", "above", "below", "joint", "space"]


@record
class Row:
    """One line: what it shows and the lines that are drawn to the left of it.

    ``above`` and ``below`` refer to where the node stands; ``joint`` names what several branches
    came from (downstream: led to), and that goes on from here; nothing when its row is next.
    """

    gutter: str
    kind: RowKind
    id: str
    maker: str = ""
    """Of an artifact: the operation that made it that time; empty where none is known."""
    folded: tuple[str, ...] = ()
    """The operations that this row stands for, in the order of rows, when there are several."""


@record
class Result:
    """An artifact that the row of its maker tells of.

    ``referenced`` when it is referred to from elsewhere and must be recognisable.
    """

    artifact: str
    referenced: bool


@record
class Layout:
    """The rows; by operation, what its row tells of artifacts that have none of their own."""

    rows: tuple[Row, ...]
    results: dict[str, list[Result]] = field(default_factory=dict)
    referenced: frozenset[str] = frozenset()
    """The operations that rows elsewhere refer to."""


@record(order=True)
class _Node:
    """An operation; or an artifact together with the operation that made it that time.

    The same content made twice is two nodes here, so that a table that is written and read back
    does not run in a circle.
    """

    id: str
    maker: str | None = None
    """None for an operation, empty for an artifact without a known maker."""


_ROOT = _Node("")


@record
class _Child:
    node: _Node
    joint: _Node | None = None
    """Set when the row above is not directly connected: what several branches came from."""


def layout(lineage: Lineage) -> Layout:
    """The rows of a lineage, from its target on."""
    return _Layout(lineage).build()


class _Layout:
    def __init__(self, lineage: Lineage) -> None:
        self.artifacts: dict[str, Artifact] = {one.id: one for one in lineage.artifacts}
        self.operations: dict[str, Operation] = {one.id: one for one in lineage.operations}
        self.target = lineage.target
        self.maker = next(iter(lineage.makers.get(("", lineage.target), ("",))))
        self.upstream = lineage.direction == "upstream"
        self.next: dict[_Node, list[_Node]] = defaultdict(list)
        self.made: dict[str, list[str]] = defaultdict(list)
        for edge in lineage.edges:
            if edge.relation == "used":
                operation, artifact = edge.target, edge.source
                makers = lineage.makers.get((operation, artifact), ("",))
            else:
                operation, artifact = edge.source, edge.target
                makers = (operation,)
                self.made[operation].append(artifact)
            for maker in makers:
                ends = (_Node(artifact, maker), _Node(operation))
                if (edge.relation == "generated") == self.upstream:
                    self.next[ends[0]].append(ends[1])
                else:
                    self.next[ends[1]].append(ends[0])
        self._in_the_order_of_use()
        self.rows: list[Row] = []
        self.placed: set[_Node] = set()
        self.referenced: set[_Node] = set()

    def build(self) -> Layout:
        self.next[_ROOT] = self._starts()
        self._dominate()
        for number, child in enumerate(self._children(_ROOT)[1]):
            if number:
                self.rows.append(Row("", "space", ""))
            self._chain(child, "", "", None)
        results = {}
        for operation, made in self.made.items():
            nodes = [_Node(artifact, operation) for artifact in made]
            results[operation] = [
                Result(node.id, node in self.referenced)
                for node in nodes
                if node not in self.placed
            ]
        referenced = frozenset(node.id for node in self.referenced if node.maker is None)
        return Layout(tuple(self.rows), results, referenced)

    def _in_the_order_of_use(self) -> None:
        for id_, operation in self.operations.items():
            usages = operation.used if self.upstream else operation.generated
            order = {usage.artifact.id: place for place, usage in reversed([*enumerate(usages)])}
            self.next[_Node(id_)].sort(key=lambda node: (order.get(node.id, len(order)), node))

    # --- what stands below what ----------------------------------------------------------------

    def _starts(self) -> list[_Node]:
        if self.target in self.operations:
            return [_Node(self.target)]
        if self.target in self.artifacts:
            return [_Node(self.target, self.maker)]
        # A whole trace: what nothing else was made from, the newest first.
        led_to = {node for nodes in self.next.values() for node in nodes}
        starts: dict[_Node, None] = {}
        newest = sorted(self.operations.values(), key=lambda one: (-one.end, one.id))
        for operation in newest:
            made = [_Node(id_, operation.id) for id_ in self.made[operation.id]]
            ends = [node for node in made if node not in led_to]
            lasting = [node for node in ends if self.artifacts[node.id].kind not in IN_MEMORY]
            # Further ends of the same operation are told on its row.
            starts.update(dict.fromkeys((lasting or ends)[:1]))
            if _Node(operation.id) not in led_to:
                starts[_Node(operation.id)] = None
        reached = self._reached(list(starts))
        for operation in newest:  # what is left lies on circles, where clocks differ
            if _Node(operation.id) not in reached:
                starts[_Node(operation.id)] = None
                reached |= self._reached([_Node(operation.id)])
        return list(starts)

    def _reached(self, nodes: list[_Node]) -> set[_Node]:
        seen: set[_Node] = set()
        while nodes:
            node = nodes.pop()
            if node not in seen:
                seen.add(node)
                nodes.extend(self.next.get(node, ()))
        return seen

    def _dominate(self) -> None:
        import networkx

        graph: networkx.DiGraph[_Node] = networkx.DiGraph()
        graph.add_node(_ROOT)
        for near, nodes in self.next.items():
            graph.add_edges_from((near, far) for far in nodes)
        found = networkx.immediate_dominators(graph, _ROOT)
        # networkx before 3.6 names the start as its own dominator.
        self.dominator = {node: over for node, over in found.items() if node != _ROOT and over}
        self.below: dict[_Node, list[_Node]] = defaultdict(list)
        for node in sorted(self.dominator, key=lambda one: (one.id, one.maker or "")):
            self.below[self.dominator[node]].append(node)
        self.weight: dict[_Node, int] = {}
        pending = [(_ROOT, False)]
        while pending:
            node, done = pending.pop()
            if done:
                self.weight[node] = 1 + sum(self.weight[one] for one in self.below[node])
            else:
                pending.append((node, True))
                pending.extend((one, False) for one in self.below[node])

    def _children(self, node: _Node) -> tuple[list[_Node], list[_Child]]:
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

    def _told(self, node: _Node) -> bool:
        """Whether the row of its maker tells of an artifact: one in memory, in a plain chain."""
        if not node.maker or node.id == self.target or node.maker not in self.operations:
            return False
        if self.artifacts[node.id].kind not in IN_MEMORY:
            return False
        maker = _Node(node.maker)
        return self.below[node] == [maker] if self.upstream else self.dominator[node] == maker

    # --- rows ----------------------------------------------------------------------------------

    def _chain(self, child: _Child, first: str, rest: str, run: str | None) -> None:
        """A chain from one node on; its first row has another gutter than the others."""
        gutter = first

        def row(kind: RowKind, id_: str, maker: str | None = None) -> None:
            nonlocal gutter
            self.rows.append(Row(gutter, kind, id_, maker or ""))
            gutter = rest

        while True:
            node = child.node
            if child.joint is not None:
                row("joint", "" if child.joint == node else child.joint.id)
                self.referenced.add(child.joint)
            operation = self.operations.get(node.id) if node.maker is None else None
            if operation is not None and operation.run and operation.run != run:
                run = operation.run
                row("run", run)
            row("operation" if operation else "artifact", node.id, node.maker)
            self.placed.add(node)
            references, children = self._children(node)
            if not children and len(references) == 1:
                row(self._direction(references[0]), references[0].id)
                return
            children.sort(key=lambda one: one.joint is not None)  # below those that refer to it
            main = max(
                children,
                key=lambda one: (self.weight[one.node], one.joint is not None),
                default=None,
            )
            branches: list[_Node | _Child] = [*references, *(c for c in children if c is not main)]
            for number, branch in enumerate(branches, 1):
                last = main is None and number == len(branches)
                corner, side = ("╰─", "  ") if last else ("├─", "│ ")
                if isinstance(branch, _Node):
                    self.rows.append(Row(rest + corner, self._direction(branch), branch.id))
                else:
                    self._chain(branch, rest + corner, rest + side, run)
            if main is None:
                return
            child = main

    def _direction(self, node: _Node) -> RowKind:
        """A reference up or down; what its maker's row tells of stands where the maker stands."""
        self.referenced.add(node)
        if node in self.placed:
            return "above"
        told_above = self._told(node) and _Node(node.maker or "") in self.placed
        return "above" if told_above else "below"

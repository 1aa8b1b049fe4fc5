"""The lineage of columns for people and programs: tree, JSON, Mermaid and DOT."""

# ruff: noqa: RUF001 - the sign is the right one

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from otelprov.lineage.column_walk import Column, ColumnEdge, ColumnLineage
from otelprov.model import Artifact, Operation
from otelprov.render import words
from otelprov.render.diagrams import dot_text, mermaid_text
from otelprov.render.json import dump
from otelprov.render.json import to_dict as lineage_dict
from otelprov.render.tree import print_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

SCHEMA: Final = "otelprov.columns/1"


# --- JSON -----------------------------------------------------------------------------------------


def to_json(found: ColumnLineage) -> str:
    """The JSON text (docs/columns-json.md), indented, with a newline at its end."""
    return dump(to_dict(found))


def to_dict(found: ColumnLineage) -> dict[str, Any]:
    """The same as Python objects."""
    whole = lineage_dict(found.lineage)
    return {
        "schema": SCHEMA,
        "targets": [_column(one) for one in found.targets],
        "direction": found.direction,
        "edges": [
            {
                "from": _column(edge.source),
                "to": _column(edge.target),
                "operation": edge.operation,
                "type": "DIRECT",
                "subtype": None if edge.how == "opaque" else edge.how.upper(),
            }
            for edge in found.edges
        ],
        "rows": [
            {
                "from": _column(row.source),
                "to": row.artifact,
                "operation": row.operation,
                "type": "INDIRECT",
                "subtype": None if row.how == "opaque" else row.how.upper(),
            }
            for row in found.rows
        ],
        "opaque": [
            {**_column(one.column), "operation": one.operation, "reason": one.reason}
            for one in found.opaque
        ],
        "artifacts": whole["artifacts"],
        "operations": whole["operations"],
        "gaps": whole["gaps"],
    }


def _column(column: Column) -> dict[str, str | None]:
    return {"artifact": column.artifact, "column": column.name}


# --- tree -----------------------------------------------------------------------------------------

_ASCII: Final = str.maketrans(
    {"■": "*", "●": "o", "├": "|", "│": "|", "─": "-", "⚠": "!", "↑": "^", "←": "<", "→": ">",
     "×": "x", "…": "~", "·": "-"}
)  # fmt: skip


def print_tree(found: ColumnLineage, console: Console) -> None:
    """Print it within the console's width: each line comes from those below it, or went there."""
    print_lines(_Tree(found, console.width).lines(), console, _ASCII)


class _Tree:
    def __init__(self, found: ColumnLineage, width: int) -> None:
        self._found = found
        self._width = width
        self._artifacts = {one.id: one for one in found.lineage.artifacts}
        self._operations = {one.id: one for one in found.lineage.operations}
        self._back = found.direction == "upstream"
        self._next: dict[tuple[str, str | None, str], list[ColumnEdge]] = {}
        # A content may have been made more than once: each use of it says by which operation.
        makers = found.lineage.makers
        for edge in found.edges:
            here = edge.target if self._back else edge.source
            operations: tuple[str, ...] = (edge.operation,)
            if not self._back:
                operations = makers.get((edge.operation, here.artifact), ("",))
            for operation in operations:
                self._next.setdefault((here.artifact, here.name, operation), []).append(edge)
        self._shown: set[tuple[Column, str]] = set()
        self._opaque = {(one.column, one.operation) for one in found.opaque}

    def lines(self) -> Iterator[Text]:
        for number, target in enumerate(self._found.targets):
            if number:
                yield self._text("")
            (maker, *_) = self._found.lineage.makers.get(("", target.artifact), ("",))
            yield self._head(target, "")
            yield from self._below(target, self._handed(target, maker) if self._back else "", "")
        yield from self._notes()

    def _below(self, column: Column, maker: str, gutter: str) -> Iterator[Text]:
        """What a column comes from, by the operation that made it; or what came of it."""
        while True:
            edges = self._next.get((column.artifact, column.name, maker), [])
            if not edges:
                return
            if (column, maker) in self._shown:
                yield self._text(
                    f"{gutter}↑ {self._named(column)}, see above", style="bright_black"
                )
                return
            self._shown.add((column, maker))
            if len(edges) > 1 or len(self._following(edges[0])) > 1:
                break
            (edge,) = edges
            yield self._step(edge.operation, [edge], gutter)
            before = column
            column = edge.source if self._back else edge.target
            (maker,) = self._following(edge)
            renamed = not self._back and column.name != before.name
            if renamed or not self._goes_on(column, maker) or self._is_place(column):
                yield self._head(column, gutter)
        if self._back:
            yield self._step(edges[0].operation, edges, gutter)
        for edge in edges:
            other = edge.source if self._back else edge.target
            if not self._back:
                yield self._step(edge.operation, [edge], f"{gutter}├─")
            for following in self._following(edge):
                yield self._head(other, f"{gutter}├─" if self._back else f"{gutter}│ ")
                yield from self._below(other, following, f"{gutter}│ ")

    def _following(self, edge: ColumnEdge) -> list[str]:
        """The operation behind an edge: back, each that had made the column that was used."""
        if not self._back:
            return [edge.operation]
        artifact, name = edge.source
        makers = self._found.lineage.makers.get((edge.operation, artifact), ("",))
        if makers == ("",) and artifact == edge.target.artifact:
            # The table computes it from this column, whoever writes that.
            makers = tuple(one for *column, one in self._next if column == [artifact, name])
        return list(dict.fromkeys(self._handed(edge.source, maker) for maker in makers or ("",)))

    def _handed(self, column: Column, maker: str) -> str:
        """The operation that made a column, behind those that only handed on the same content."""
        passed: set[str] = set()
        while maker and maker not in passed and not self._goes_on(column, maker):
            passed.add(maker)
            (maker, *_) = self._found.lineage.makers.get((maker, column.artifact), ("",))
        return maker

    def _goes_on(self, column: Column, maker: str) -> bool:
        return (column.artifact, column.name, maker) in self._next

    def _is_place(self, column: Column) -> bool:
        artifact = self._artifacts.get(column.artifact)
        return artifact is not None and artifact.kind not in words.IN_MEMORY

    def _head(self, column: Column, gutter: str) -> Text:
        text = self._text(gutter, style="bright_black")
        text.append("■ ", style="cyan")
        text.append(_name(column), style="bold cyan")
        artifact = self._artifacts.get(column.artifact)
        if artifact is not None:
            text.append(f"  {_place(artifact)}")
        text.truncate(self._width, overflow="ellipsis")
        return text

    def _step(self, operation_id: str, edges: list[ColumnEdge], gutter: str) -> Text:
        operation = self._operations[operation_id]
        text = self._text(gutter, style="bright_black")
        text.append("● ", style="green")
        text.append(words.clean(operation.name), style="bold")
        text.append(f"  {self._what(edges)}")
        if any((edge.target, operation_id) in self._opaque for edge in edges):
            text.append(" ⚠", style="yellow")
        where = _where(operation)
        if where:
            from rich.cells import cell_len

            gap = max(2, self._width - cell_len(text.plain) - cell_len(where))
            text.append(" " * gap + where, style="bright_black")
        text.truncate(self._width, overflow="ellipsis")
        return text

    def _what(self, edges: list[ColumnEdge]) -> str:
        """How a step makes the one of the other."""
        hows = {edge.how for edge in edges}
        renamed = len(edges) == 1 and edges[0].source.name != edges[0].target.name
        if "opaque" in hows:
            return "opaque: may come from any of these" if self._back else "opaque"
        if hows == {"identity"}:
            if renamed:
                return f"{_name(edges[0].target)} ← {_name(edges[0].source)}"
            return "identity" if len(edges) == 1 else "any of these, unchanged"
        return " and ".join(sorted(hows - {"identity"}))

    def _notes(self) -> Iterator[Text]:
        found = self._found
        if found.rows:
            yield self._text("")
            yield self._text("rows were chosen, paired, grouped or ordered by:", "bright_black")
            for (operation, how), several in _grouped(
                ((row.operation, row.how), _name(row.source)) for row in found.rows
            ):
                where = f"{self._operations[operation].name} {_where(self._operations[operation])}"
                yield self._text(f"  · {', '.join(several)}  {how}, {where}".rstrip())
        if found.opaque:
            yield self._text("")
            yield self._text("⚠ not seen into:", "yellow")
            for (operation, reason), several in _grouped(
                ((one.operation, one.reason), _name(one.column)) for one in found.opaque
            ):
                name = words.clean(self._operations[operation].name)
                where = _where(self._operations[operation])
                known = f"{name} ({where})" if where else name
                yield self._text(f"  · {', '.join(several)} of {known}: {words.clean(reason)}")
        gaps = found.lineage.gaps
        if gaps:
            yield self._text("")
            yield self._text(f"⚠ {len(gaps)} gap{'' if len(gaps) == 1 else 's'}:", "yellow")
            for gap in gaps:
                artifact = self._artifacts.get(gap.place)
                place = _place(artifact) if artifact else words.clean(gap.place)
                yield self._text(f"  · {place}: {words.clean(gap.reason)}")

    def _named(self, column: Column) -> str:
        artifact = self._artifacts.get(column.artifact)
        return f"{_name(column)} of {words.label(artifact) if artifact else column.artifact}"

    def _text(self, plain: str, style: str = "") -> Text:
        from rich.text import Text

        return Text(plain, style=style)


def _grouped(pairs: Iterable[tuple[Any, str]]) -> Iterator[tuple[Any, list[str]]]:
    found: dict[Any, dict[str, None]] = {}
    for key, value in pairs:
        found.setdefault(key, {})[value] = None
    for key, values in found.items():
        yield key, list(values)


def _name(column: Column) -> str:
    return "any column" if column.name is None else words.clean(column.name) or "(no name)"


def _place(artifact: Artifact) -> str:
    name, id_ = words.label(artifact), words.short_id(artifact.id)
    parts = [name, "" if name == id_ else id_, words.shape(artifact)]
    return " ".join(part for part in parts if part)


def _where(operation: Operation) -> str:
    return " ".join(filter(None, (words.location(operation), words.revision(operation))))


# --- diagrams -------------------------------------------------------------------------------------


def to_mermaid(found: ColumnLineage) -> str:
    """A Mermaid flowchart, as the data flows: a box for each artifact, with its columns."""
    lines = ["flowchart LR"]
    names: dict[Column, str] = {}
    for number, (artifact, columns) in enumerate(_boxes(found)):
        title = "<br/>".join(mermaid_text(line) for line in artifact)
        lines.append(f'  subgraph a{number}["{title}"]')
        for column in columns:
            names[column] = f"c{len(names)}"
            lines.append(f'    {names[column]}["{mermaid_text(_name(column))}"]')
        lines.append("  end")
    operations = {one.id: one for one in found.lineage.operations}
    for edge in found.edges:
        label = mermaid_text(f"{operations[edge.operation].name}: {edge.how}")
        arrow = "-.->" if edge.how == "opaque" else "-->"
        lines.append(f'  {names[edge.source]} {arrow}|"{label}"| {names[edge.target]}')
    targets = ",".join(names[one] for one in found.targets)
    lines += ["  classDef target stroke-width:3px", f"  class {targets} target"]
    return "\n".join(lines) + "\n"


def to_dot(found: ColumnLineage) -> str:
    """A Graphviz digraph, as the data flows: a cluster for each artifact, with its columns."""
    lines = ["digraph columns {", "  rankdir=LR;", '  node [fontname="sans-serif", shape=box];']
    names: dict[Column, str] = {}
    for number, (artifact, columns) in enumerate(_boxes(found)):
        lines.append(f"  subgraph cluster_{number} {{")
        title = "\\n".join(dot_text(line) for line in artifact)
        lines.append(f'    label="{title}";')
        for column in columns:
            names[column] = f"c{len(names)}"
            width = ", penwidth=3" if column in found.targets else ""
            lines.append(f'    {names[column]} [label="{dot_text(_name(column))}"{width}];')
        lines.append("  }")
    operations = {one.id: one for one in found.lineage.operations}
    for edge in found.edges:
        label = dot_text(f"{operations[edge.operation].name}: {edge.how}")
        style = ", style=dashed" if edge.how == "opaque" else ""
        lines.append(f'  {names[edge.source]} -> {names[edge.target]} [label="{label}"{style}];')
    lines.append("}")
    return "\n".join(lines) + "\n"


def _boxes(found: ColumnLineage) -> list[tuple[list[str], list[Column]]]:
    """Each artifact that has columns here, in words, and these."""
    columns: dict[str, dict[Column, None]] = {}
    for edge in found.edges:
        for one in (edge.source, edge.target):
            columns.setdefault(one.artifact, {})[one] = None
    for one in found.targets:
        columns.setdefault(one.artifact, {})[one] = None
    artifacts = {one.id: one for one in found.lineage.artifacts}
    order = [*artifacts, *(id_ for id_ in columns if id_ not in artifacts)]
    return [
        ([_place(artifacts[id_]) if id_ in artifacts else id_], list(columns[id_]))
        for id_ in order
        if id_ in columns
    ]

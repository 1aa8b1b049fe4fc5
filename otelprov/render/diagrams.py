"""A lineage as text that other programs draw: Mermaid and Graphviz DOT."""

# ruff: noqa: RUF001 - the sign is the right one

from __future__ import annotations

from otelprov.lineage.graph import Lineage
from otelprov.model import Artifact, Operation
from otelprov.render import words


def to_mermaid(lineage: Lineage) -> str:
    """A Mermaid flowchart, as the data flows: from left to right."""
    names: dict[str, str] = {}
    lines = ["flowchart LR"]
    for number, artifact in enumerate(lineage.artifacts):
        names[artifact.id] = f"a{number}"
        text = "<br/>".join(mermaid_text(line) for line in _artifact(artifact))
        lines.append(f'  a{number}[("{text}")]')
    for number, operation in enumerate(lineage.operations):
        names[operation.id] = f"o{number}"
        text = "<br/>".join(mermaid_text(line) for line in _operation(operation))
        lines.append(f'  o{number}["{text}"]')
    for edge in lineage.edges:
        lines.append(f"  {names[edge.source]} -->|{edge.relation}| {names[edge.target]}")
    gaps = sorted({names[gap.place] for gap in lineage.gaps if gap.place in names})
    if gaps:
        lines.append("  classDef gap stroke:#c60,stroke-dasharray:4")
        lines.append(f"  class {','.join(gaps)} gap")
    if lineage.target in names:
        lines.append("  classDef target stroke-width:3px")
        lines.append(f"  class {names[lineage.target]} target")
    return "\n".join(lines) + "\n"


def to_dot(lineage: Lineage) -> str:
    """A Graphviz digraph, as the data flows: from left to right."""
    gaps = {gap.place for gap in lineage.gaps}
    lines = ["digraph lineage {", "  rankdir=LR;", '  node [fontname="sans-serif"];']
    nodes: list[tuple[str, list[str], str]] = [
        *((one.id, _artifact(one), "cylinder") for one in lineage.artifacts),
        *((one.id, _operation(one), "box") for one in lineage.operations),
    ]
    for id_, text, shape in nodes:
        label = "\\n".join(dot_text(line) for line in text)
        style = ", style=dashed" if id_ in gaps else ""
        width = ", penwidth=3" if id_ == lineage.target else ""
        lines.append(f'  "{dot_text(id_)}" [shape={shape}, label="{label}"{style}{width}];')
    for edge in lineage.edges:
        ends = f'"{dot_text(edge.source)}" -> "{dot_text(edge.target)}"'
        lines.append(f'  {ends} [label="{edge.relation}"];')
    lines.append("}")
    return "\n".join(lines) + "\n"


def _artifact(artifact: Artifact) -> list[str]:
    name, id_ = words.label(artifact), words.short_id(artifact.id)
    lines = [name, "" if name == id_ else id_, words.shape(artifact)]
    return [line for line in lines if line]


def _operation(operation: Operation) -> list[str]:
    where = f"{words.location(operation)} {words.revision(operation)}".strip()
    failed = "✗ failed" if operation.status == "error" else ""
    return [line for line in (words.clean(operation.name), failed, where) if line]


def mermaid_text(text: str) -> str:
    """A text within a quoted label of Mermaid."""
    # Inside a quoted label Mermaid reads entities, Markdown and HTML: everything but plain
    # characters is written as a numeric entity, which in Mermaid begins with # alone.
    return "".join(
        one if one.isalnum() or one in " .:,/_-+=()×" else f"#{ord(one)};" for one in text
    )


def dot_text(text: str) -> str:
    """A text within a quoted string of DOT."""
    # In a quoted string \" is the only escape of the language, but labels read \n, \l, \N ...
    return text.replace("\\", "\\\\").replace('"', '\\"')

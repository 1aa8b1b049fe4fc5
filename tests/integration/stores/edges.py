"""What was recorded, as edges between named things, to be held against a graph written by hand."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from blake3 import blake3
from support import Recorded

from otelprov.artifacts import identify_location
from otelprov.recording.streams import version_of

Edge = tuple[str, str, str]
"""Operation, ``used`` or ``generated``, and the name of the artifact."""


def file_id(content: bytes | Path) -> str:
    """The id of a file with these bytes."""
    data = content.read_bytes() if isinstance(content, Path) else content
    return f"file:{blake3(data).hexdigest()}"


def object_id(uri: str, content: bytes | Path, version: str | None = None) -> str:
    """The id of an object that was put into S3 in one piece: its ETag is an MD5."""
    data = content.read_bytes() if isinstance(content, Path) else content
    details = {"ETag": f'"{hashlib.md5(data).hexdigest()}"', "VersionId": version}
    return version_of(uri, details).id


def name_id(uri: str) -> str:
    """The id of what is known by its name only."""
    return identify_location(uri).id


def found(spans: Iterable[Recorded], names: Mapping[str, str]) -> Counter[Edge]:
    """The edges of what was recorded; ``names`` are those of the ids.

    What is known by how it was made has the name of its maker in brackets.
    """
    edges: Counter[Edge] = Counter()
    named = {id_: name for name, id_ in names.items()}
    spans = [span for span in spans if not span.name.startswith("run ")]
    for span in spans:
        for id_ in span.generated_ids:
            if id_.startswith("derived:"):
                named.setdefault(id_, f"[{span.name}]")
    for span in spans:
        for relation, ids in (("used", span.used_ids), ("generated", span.generated_ids)):
            edges.update((span.name, relation, named.get(id_, id_)) for id_ in ids)
    return edges


def expected(graph: str) -> Counter[Edge]:
    """A graph written by hand: ``a b -> operation -> c`` on each line."""
    edges: Counter[Edge] = Counter()
    for line in graph.strip().splitlines():
        used, operation, generated = (part.split() for part in line.split("->"))
        edges.update((operation[0], "used", name) for name in used)
        edges.update((operation[0], "generated", name) for name in generated)
    return edges

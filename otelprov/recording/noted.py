"""What an operation has used or made: each once, and known by its content where that is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from otelprov.artifacts.deferred import Pending, Source, pending, resolve
from otelprov.model import Artifact
from otelprov.recording.edges import way_of


def with_content(artifact: Source, content: Source | None) -> Source:
    """``artifact`` with the content id that goes with it, where that rests on all of it."""
    if content is None:
        return artifact
    if isinstance(artifact, Artifact) and isinstance(content, Artifact):
        if content.coverage != "full":
            return artifact
        return replace(
            artifact,
            content_id=content.id,
            schema=content.schema,
            schema_id=artifact.schema_id or content.schema_id,
            names=artifact.names or content.names,
        )

    def both() -> Artifact:
        found = with_content(resolve(artifact), resolve(content))
        assert isinstance(found, Artifact)
        return found

    return Pending(both, pending((artifact, content)))


def as_written(artifact: Source, content: Source | None) -> Source:
    """A used artifact that is known by how it was made, with the content that was written of it."""
    if isinstance(artifact, Artifact):
        return with_content(artifact, content) if artifact.coverage == "derivation" else artifact
    return Pending(
        lambda: resolve(as_written(artifact.result(), content)), pending((artifact, content))
    )


def key_of(artifact: Source) -> object:
    """Under what it is noted: its id, or itself as long as that is not known."""
    return artifact.id if isinstance(artifact, Artifact) else artifact


def all_known(
    artifacts: Iterable[tuple[str, Source]], *, once: bool = False
) -> dict[object, tuple[str, Artifact]]:
    """As ``OpenOperation.used``, or each id but ``once``: two that were pending may turn out to be
    one."""
    found: dict[object, tuple[str, Artifact]] = {}
    for role, source in artifacts:
        artifact = source if type(source) is Artifact else resolve(source)
        pair = (role, artifact)
        if found.setdefault(artifact.id, pair) is not pair and not once:
            add(found, artifact.id, pair)
    return found


def add(found: dict[Any, Any], artifact_id: str, pair: tuple[str, Artifact]) -> None:
    """Note an artifact once more where it came by another way than before."""
    artifact, before = pair[1], found[artifact_id][1]
    if artifact is before or type(before) is not Artifact:
        return
    way, known = way_of(artifact), way_of(before)
    if way is None or known is None or way == known:
        return
    one_place = artifact.uri is not None and artifact.uri == before.uri
    if one_place and None in (artifact.maker, before.maker):
        return  # one of the two only says more
    found.setdefault((artifact_id, way), pair)

"""Tables with versions as targets: ``PATH`` is the version that stands there, ``PATH@VERSION`` any.

A version is found by its id where the table's directory is at hand, which says what the id rests
on; else by its place and by what the spans call it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from otelprov.artifacts.lakes import Lake, lake_in, table_place
from otelprov.model import Artifact, id_prefix
from otelprov.render.words import clean

if TYPE_CHECKING:
    from otelprov.lineage.sources import Source

_TOLD = 5
"""Versions that are named where another was asked for."""


def lake_at(path: str | os.PathLike[str]) -> Lake | None:
    """The table in a directory, if there is one.

    Raises:
        click.ClickException: what says so cannot be read.
    """
    if not os.path.isdir(path):
        return None
    try:
        return lake_in(Path(path))
    except OSError as error:
        raise click.ClickException(_unreadable(str(path), error)) from None


def version_of(lake: Lake, text: str, version: str | None = None) -> list[Artifact]:
    """The version of a table in a directory, by default the one that it is at.

    Raises:
        click.ClickException: what says so cannot be read.
    """
    try:
        return lake.at(version)
    except (OSError, ValueError, KeyError) as error:
        raise click.ClickException(_unreadable(text, error)) from None


def with_version(text: str) -> tuple[str, str]:
    """What ``PLACE@VERSION`` names; the version is empty where the text is of another form."""
    place, _, version = text.rpartition("@")
    return (place, version) if place and "/" not in version else (text, "")


def at_version(place: str, version: str, uris: Sequence[str], source: Source) -> list[str]:
    """The ids under which a source knows a version of the table at a place."""
    lake = lake_at(place)
    if lake is not None:
        ids = [one.id for one in version_of(lake, place, version)]
        known = [id_ for id_ in dict.fromkeys(ids) if _is_known(id_, source)]
        if known:
            return known
    return [one.id for one in recorded(uris, source) if one.version == version]


def recorded(uris: Sequence[str], source: Source) -> list[Artifact]:
    """The versions that a source knows of the table at one of these places.

    The last that was made comes first, after those all that were only read.
    """
    places = dict.fromkeys([*uris, *(table_place(uri)[1] for uri in uris)])
    ids = [id_ for id_ in source.at(list(places)) if id_prefix(id_) == "version"]
    found: dict[str, Artifact] = {}
    order: dict[str, tuple[bool, int]] = {}
    for made, operations in ((True, source.producers(ids)), (False, source.consumers(ids))):
        for id_, several in operations.items():
            for one in several:
                for usage in one.generated if made else one.used:
                    if usage.artifact.id == id_ and usage.artifact.version is not None:
                        found.setdefault(id_, usage.artifact)
                        order[id_] = max(order.get(id_, (made, one.start)), (made, one.start))
    return sorted(found.values(), key=lambda one: (order[one.id], one.id), reverse=True)


def told(place: str, uris: Sequence[str], source: Source) -> str:
    """The versions that a source does know, as the end of a message; empty for none."""
    names = list(dict.fromkeys(clean(f"{place}@{one.version}") for one in recorded(uris, source)))
    if not names:
        return ""
    more = ", …" if len(names) > _TOLD else ""
    return f"; of this table it knows, newest first: {', '.join(names[:_TOLD])}{more}"


def _is_known(id_: str, source: Source) -> bool:
    return bool(source.producers([id_])[id_] or source.consumers([id_])[id_])


def _unreadable(text: str, error: Exception) -> str:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"cannot read which version {clean(text)} is at: {clean(why)}"

"""Which columns an operation passed on as they were: their digests say it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import orjson

from otelprov.model import Artifact, Column

MAX_TEXT: Final = 1_900
"""Bytes of the text: Tempo cuts strings at 2,048."""


def unchanged(made: Artifact, used: Iterable[Artifact]) -> tuple[str | None, int]:
    """The columns of ``made`` that hold what a column of a used table holds, as JSON:
    ``{"<id>": {"<name here>": "<name there>"}}``, and how many more there were than it can name.

    None when there are none, or when it is not known which columns the tables have.
    """
    if made.schema is None:
        return None, 0
    found = {}
    for artifact in used:
        if artifact.schema is not None:
            pairs = _pairs(made.schema, artifact.schema)
            if pairs:
                found[artifact.id] = pairs
    return _text(found)


def _pairs(made: tuple[Column, ...], used: tuple[Column, ...]) -> dict[str, str]:
    """Name in ``used`` by name in ``made``.

    Two columns may hold the same by chance, two of zeros for one. Under one name that is no
    matter: it is the same column with the same content. Under another name it is a renamed column
    only if the old name is gone and nothing else could be meant.
    """
    before: dict[tuple[str, str], list[str]] = {}
    after: dict[tuple[str, str], int] = {}
    for column in used:
        before.setdefault((column.type, column.digest), []).append(column.name)
    for column in made:
        key = (column.type, column.digest)
        after[key] = after.get(key, 0) + 1
    names = {column.name for column in made}
    pairs = {}
    for column in made:
        key = (column.type, column.digest)
        there = before.get(key, [])
        if column.name in there:
            pairs[column.name] = column.name
        elif len(there) == 1 and after[key] == 1 and there[0] not in names:
            pairs[column.name] = there[0]
    return pairs


def _text(found: dict[str, dict[str, str]]) -> tuple[str | None, int]:
    number = sum(map(len, found.values()))
    left = 0
    while found:
        text = orjson.dumps(found)
        if len(text) <= MAX_TEXT:
            return text.decode(), left
        # The longest list is cut in half: a few rounds, whatever there is.
        longest = max(found, key=lambda id: len(found[id]))
        kept = list(found[longest].items())[: len(found[longest]) // 2]
        if kept:
            found[longest] = dict(kept)
        else:
            del found[longest]
        left = number - sum(map(len, found.values()))
    return None, left

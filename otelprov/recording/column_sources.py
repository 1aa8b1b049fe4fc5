"""What is written down of where columns come from: what an engine says, and what steps took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from otelprov._record import record
from otelprov.artifacts.deferred import Source, resolve
from otelprov.artifacts.registry import WHOLE, Identity, Taken
from otelprov.model import Artifact

MAX_TEXT: Final = 1_900
"""Bytes of one text: Tempo cuts strings at 2,048."""
MAX_TEXTS: Final = 32_000
"""Bytes of all texts of one attribute: Badger drops a span with more than 65,000 of one."""
ID: Final = 24
"""Characters of an id that stand for it within one operation."""


@record
class Origin:
    """A column of something that was used."""

    source: int
    """Which of ``ColumnSources.used``."""
    column: str | None
    """None: any of its columns."""
    how: str
    """``identity``, ``transformation``, ``aggregation``, ``opaque``; of rows ``filter``…"""


@dataclass(slots=True)
class ColumnSources:
    """Where the columns of a table come from."""

    columns: dict[str, tuple[Origin, ...]]
    opaque: frozenset[str] = frozenset()
    """The columns of which that is not all."""
    rows: tuple[Origin, ...] = ()
    """The columns that decided which rows there are, and in which order."""
    others: int | None = None
    """The source whose columns all others are, under the same names."""
    used: list[Sequence[Source]] = field(default_factory=list)
    """By number of a source: what was used of it. Several files that are read as one table have
    the same columns."""

    def texts(self) -> list[str]:
        """A JSON text for each column, and one for the rows; those that are too long are left
        out, and then nothing is known of the column."""
        ids = [[resolve(one).id[:ID] for one in several] for several in self.used]
        said: list[dict[str, Any]] = [
            {"column": name, "from": _told(origins, ids), "opaque": True}
            if name in self.opaque
            else {"column": name, "from": _told(origins, ids)}
            for name, origins in self.columns.items()
        ]
        if self.others is not None:
            said.append({"others": ids[self.others]})
        if self.rows:
            said.append({"rows": _told(self.rows, ids)})
        found, left = [], MAX_TEXTS
        for one in said:
            text = orjson.dumps(one)
            if len(text) <= min(MAX_TEXT, left):
                found.append(text.decode())
                left -= len(text)
        return found


def _told(origins: Iterable[Origin], ids: Sequence[Sequence[str]]) -> list[list[str | None]]:
    return [
        [id_, one.column, one.how]
        for one in origins
        for id_ in (ids[one.source] if one.source < len(ids) else ())
    ]


def inputs_text(inputs: Sequence[tuple[str, Identity]]) -> str | None:
    """Of which columns the parameters were made that small steps have made, as JSON.

    None where the roles of what was used say all.
    """
    if _all_tables(inputs):
        return None
    found: dict[str, dict[str, Any]] = {}
    for role, identity in inputs:
        for number, source in enumerate(identity.sources):
            own = identity.columns[number] if identity.columns else None
            own = WHOLE if identity.is_table else own
            taken = found.setdefault(role, {})
            key = resolve(source).id[:ID]
            if key not in taken or taken[key] == own:
                taken[key] = own
                continue
            both = (_computed(taken[key]), _computed(own))
            unknown = None in both
            taken[key] = None if unknown else [*dict.fromkeys(n for one in both for n in one or ())]
    text = orjson.dumps(found)
    return text.decode() if len(text) <= MAX_TEXT else None


def _computed(taken: Taken | None) -> Taken | None:
    """What two of them were computed of, taken together."""
    return taken if taken is None or taken[:1] != WHOLE else taken[1:] or None


def _all_tables(inputs: Sequence[tuple[str, Identity]]) -> bool:
    """Whether each input is an artifact of its own."""
    seen: set[object] = set()
    for _, identity in inputs:
        if not identity.is_table:
            return False
        source = identity.sources[0]
        key = source.id if isinstance(source, Artifact) else source
        if key in seen:
            return False
        seen.add(key)
    return True


def by_name(columns: Mapping[str, Iterable[Origin]]) -> dict[str, tuple[Origin, ...]]:
    """Each origin once; one that is both is what is more: an aggregation, a transformation."""
    found = {}
    for name, origins in columns.items():
        best: dict[tuple[int, str | None], Origin] = {}
        for one in origins:
            key = (one.source, one.column)
            if key not in best or _RANK[one.how] > _RANK[best[key].how]:
                best[key] = one
        found[name] = tuple(best.values())
    return found


_RANK: Final = {"identity": 0, "transformation": 1, "aggregation": 2}

"""What is recorded of each library, for ``otelprov doctor``: without a look at the library.

The operations are in ``otelprov/libraries.json``, which is made from the operation tables as
docs/libraries.md is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from otelprov._record import record

RUNS = 20
"""The newest runs, of which it is looked at what they could not record."""


@record
class Captured:
    """What is recorded of one library."""

    first: str
    """The oldest version."""
    words: str | None
    """What the tables do not say."""
    operations: dict[str, list[str]]
    """Names of operations, by kind."""
    oddities: list[str]

    @property
    def number(self) -> int:
        """How many operations the tables name."""
        return sum(map(len, self.operations.values()))


@cache
def captured() -> dict[str, Captured]:
    """By name of a library."""
    text = files("otelprov").joinpath("libraries.json").read_text(encoding="utf-8")
    return {
        name: Captured(one["from"], one["words"], one["operations"], one["oddities"])
        for name, one in json.loads(text).items()
    }


def in_short(name: str) -> str:
    """``214 operations, from 2.2 on``; empty for what is no library."""
    found = captured().get(name)
    if found is None:
        return ""
    number = f"{found.number} operations, " if found.number else ""
    return f"{number}from {found.first} on"


def in_full(name: str) -> Iterator[str]:
    """A line for each kind of operations, and for each thing to know."""
    found = captured().get(name)
    if found is None:
        return
    if found.words:
        yield found.words.replace("**", "").replace("`", "")
    for kind, names in found.operations.items():
        yield f"{kind}: {', '.join(names)}"
    for text in found.oddities:
        yield f"to know: {text}"


def left_out(name: str, directory: Path | None) -> list[str]:
    """What the newest runs say that they could not record of a library."""
    return [what for what in _faults(directory) if _is_of(name, what)]


def _is_of(name: str, what: str) -> bool:
    words = what.replace(".", " ").split()
    return name in words


@cache
def _faults(directory: Path | None) -> list[str]:
    from otelprov import semconv
    from otelprov.journal.index import JournalIndex

    if directory is None or not directory.is_dir():
        return []
    found: list[str] = []
    try:
        index = JournalIndex(directory)
        for entry in index.runs(RUNS):
            span = index.read(entry.place) if entry.place else None
            said: Any = None if span is None else span.attributes.get(semconv.RUN_FAULTS)
            if isinstance(said, list):
                found += [str(one) for one in said]
    except OSError:
        return []  # what is wrong with the journal is said where that is looked at
    return found


def faults_elsewhere(directory: Path | None) -> list[str]:
    """What else the newest runs could not record, of no library that has a name here."""
    names = captured()
    return [what for what in _faults(directory) if not any(_is_of(name, what) for name in names)]

"""The rows that a program gives a statement: where they come from, as far as that can be seen.

They are given as a list, an array, an open file, or as an iterator, which must not be drawn from
here. Rows of nobody knows where are an input of unknown origin.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from otelprov.artifacts.locations import unknown
from otelprov.artifacts.registry import registry, some_of
from otelprov.instrumentation._iterators import drawn_from
from otelprov.instrumentation._statement import NAMED, folded, name_of
from otelprov.recording.observation import data_kind, identity_of
from otelprov.recording.places import read_from
from otelprov.recording.plain_values import known_numbers
from otelprov.recording.recorder import OpenOperation
from otelprov.statements import later

PIECES: Final = object()
"""Rows that the program gives piece by piece, later."""
WRITES_ROWS: Final = frozenset({"INSERT", "UPDATE", "MERGE"})
"""Statements that write the values which they are given."""
_ROLE: Final = "parameters"
_KEYED: Final = later(
    r"\s*INSERT\s+(?:OR\s+\w+\s+)?INTO\s+" + NAMED + r"\s*\(([\w\s,\"]+)\)"
    r"\s*VALUES\s*\(((?:[^()]|%\(\w+\)s)+)\)\s*;?\s*\Z",
    re.IGNORECASE,
)
_KEY: Final = later(r"[:@$](\w+)|%\((\w+)\)s")


def use_rows(operation: OpenOperation, rows: object, role: str = _ROLE) -> bool:
    """The operation takes these rows; whether it is known where they are from."""
    seen = False
    for part in drawn_from(rows):
        seen = _use(operation, part, role) or seen
    return seen or (type(rows) in (list, tuple) and not rows)


def keys_of(text: str, dialect: str, rows: object) -> dict[str, str] | None:
    """Which key of the dicts that an INSERT is given each of its columns has; None where rows are
    none, or that is not said so plainly."""
    if type(rows) is not list or not rows or type(rows[0]) is not dict:
        return None
    said = _KEYED.match(text)
    if said is None:
        return None
    name = folded if dialect == "postgres" else name_of
    columns = [name(one) for one in said[1].split(",")]
    keys = [_KEY.fullmatch(one.strip()) for one in said[2].split(",")]
    if len(columns) != len(keys) or any(len(one) != 1 for one in columns):
        return None
    found = {one[0]: key[1] or key[2] for one, key in zip(columns, keys, strict=True) if key}
    return found if len(found) == len(keys) else None


def use_unknown(operation: OpenOperation) -> None:
    """The operation writes rows of nobody knows where."""
    operation.use_content(_ROLE, unknown("the rows come from values that are not followed"))


def use_row(operation: OpenOperation, row: object, role: str = _ROLE) -> bool:
    """The operation takes this row; whether it is known where that, or a number in it, is from."""
    identity = registry.lookup(type(row)) or registry.lookup(row)
    found = known_numbers((row,)) if identity is None else [identity]
    for one in found:
        operation.use(role, one)
    return bool(found)


def is_one_more(
    places: dict[str, object], place: object, writes: Iterable[tuple[str, str]]
) -> bool:
    """Whether a line of the program writes a row into a table once more, by a statement of its own:
    it has them from somewhere, while the first may stand in its text.

    ``places`` says by URI where a row was written into a table last, and is told; ``writes`` are
    the tables, by URI, and how they are written.
    """
    again = False
    for uri, operation in writes:
        if operation in WRITES_ROWS:
            again = again or places.get(uri) == place
            places[uri] = place
    return again


def _use(operation: OpenOperation, part: Any, role: str) -> bool:
    """What one part of the rows is from; whether that is known."""
    kind = type(part)
    if kind in (list, tuple):
        artifact = registry.container(part)
        if artifact is not None:
            operation.use_artifact(role, artifact)
            return True
        rows = [use_row(operation, row, role) for row in some_of(part)]
        return bool(rows) and all(rows)
    if kind.__module__ in ("csv", "_csv"):
        return _use_csv(operation, part, role)
    if hasattr(kind, "readline") or isinstance(part, Path):  # of ``COPY``
        return bool(read_from(operation, role, part))
    if data_kind(part) is not None:
        operation.use(role, identity_of(part))
        return True
    identity = registry.lookup(part)  # of an iterator of pandas', of a cursor
    if identity is not None:
        operation.use(role, identity)
    return identity is not None


def _use_csv(operation: OpenOperation, reader: Any, role: str) -> bool:
    """The open file that a reader of ``csv`` reads; whether that is known."""
    if hasattr(type(reader), "fieldnames"):  # a DictReader
        reader = reader.reader
    seen = False
    for one in gc.get_referents(reader):
        for part in drawn_from(one):
            if hasattr(type(part), "readline"):
                seen = bool(read_from(operation, role, part)) or seen
    return seen

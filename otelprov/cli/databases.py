"""Tables of databases as targets: their URI, and ``PATH#TABLE`` of a database in a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from otelprov.render.words import clean

if TYPE_CHECKING:
    from otelprov.lineage.sources import Source

_TOLD: Final = 10
"""Tables that are named where the whole file was asked for."""
_MARKS: Final = {"sqlite": (0, b"SQLite format 3\0"), "duckdb": (8, b"DUCK")}
"""By the scheme of their URIs: where in a file it stands that it is a database, and how."""


def table(text: str, source: Source) -> list[str]:
    """The ids under which a source knows the table that ``text`` names; none for other texts."""
    place, _, name = text.rpartition("#")
    if not place or not name:
        return []
    if "://" in place:
        return source.at([text])
    schemes = _schemes(place)
    if not schemes:
        return []
    databases = _uris(place, schemes)
    wanted = name.lower()
    known = [
        uri
        for database in databases
        for uri in source.tables_of(database)
        if wanted in ((full := uri.partition("#")[2].lower()), full.rpartition(".")[2])
    ]
    # SQLite's names are in small letters, and DuckDB's have their schema with them.
    names = dict.fromkeys((name, wanted, f"main.{name}", f"main.{wanted}"))
    return source.at(known or [f"{uri}#{one}" for uri in databases for one in names])


def told(path: str, source: Source) -> str:
    """The tables that a source knows of the database in a file, as the end of a message."""
    schemes = _schemes(path) if os.path.isfile(path) else []
    found = [uri for base in _uris(path, schemes) for uri in source.tables_of(base)]
    if not found:
        return ""
    names = [f"'{clean(path)}#{clean(uri.partition('#')[2])}'" for uri in found[:_TOLD]]
    more = "\n  …" if len(found) > _TOLD else ""
    listed = "\n  ".join(names)
    return f"; it is a database, of whose tables it knows\n  {listed}{more}"


def _schemes(path: str) -> list[str]:
    """Of a database in a file: which it is, or may be where the file is not at hand."""
    try:
        with open(path, "rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        return list(_MARKS)
    except OSError:
        return []
    return [name for name, (at, mark) in _MARKS.items() if head[at : at + len(mark)] == mark]


def _uris(path: str, schemes: list[str]) -> list[str]:
    places = dict.fromkeys((os.path.abspath(path), os.path.realpath(path)))
    return [f"{scheme}:///{one}" for scheme in schemes for one in places]

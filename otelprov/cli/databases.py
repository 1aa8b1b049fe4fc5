"""Tables of databases in files as targets: ``PATH#TABLE``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from otelprov.artifacts.locations import DATABASE_HEAD, database_in
from otelprov.render.words import clean

if TYPE_CHECKING:
    from otelprov.lineage.sources import Source

_TOLD: Final = 10
"""Tables that are named where the whole file was asked for."""
_SCHEMES: Final = ["sqlite", "duckdb"]
"""Of the URIs of tables."""


def table(text: str, source: Source) -> list[str]:
    """The ids under which a source knows the table that ``text`` names; none for other texts."""
    place, _, name = text.rpartition("#")
    schemes = _schemes(place) if place and name and "://" not in place else []
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
            kind = database_in(file.read(DATABASE_HEAD))
    except FileNotFoundError:
        return _SCHEMES
    except OSError:
        return []
    return [] if kind is None else [kind]


def _uris(path: str, schemes: list[str]) -> list[str]:
    places = dict.fromkeys((os.path.abspath(path), os.path.realpath(path)))
    return [f"{scheme}:///{one}" for scheme in schemes for one in places]

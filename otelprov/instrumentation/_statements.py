"""What a statement reads and writes: taken from its parse, never guessed.

What a text was parsed to is remembered: a program that says the same as the last time does not load
the parser.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import orjson

from otelprov.instrumentation._statement import Files, Name, Statement, with_text
from otelprov.instrumentation._statement_trees import UNPARSED, parser, split
from otelprov.instrumentation._statement_words import (
    SUBQUERY,
    inserted,
    inserted_much,
    statement_of,
)
from otelprov.recording.remembered import Remembered
from otelprov.statements import from_first_word, later, plain

MAX_KEPT: Final = 10_000
"""Characters of a text whose statements are kept, for when it comes again."""
MAX_PARSED: Final = 50_000
"""Characters of a text that is parsed: 0.1 s at the most."""


def statements(text: str, dialect: str = "duckdb") -> tuple[Statement, ...]:
    """The statements of a text, in their order. ``dialect`` is one of sqlglot's."""
    return _kept(text, dialect) if len(text) <= MAX_KEPT else _statements(text, dialect)


@lru_cache(maxsize=512)
def _kept(text: str, dialect: str) -> tuple[Statement, ...]:
    text = from_first_word(text)[1]
    shape = _shape(text, dialect)
    if shape != text:
        return _kept(shape, dialect)
    remembered = _remembered()
    if remembered is None:
        return _statements(text, dialect)
    key = f"{dialect}\0{text}"
    known = remembered.find(key)
    if known is not None:
        return tuple(with_text(_decoded(one), text) for one in orjson.loads(known))
    before = parser.used
    found = _statements(text, dialect)
    if parser.used == before or any(one.text not in ("", text) for one in found):
        return found  # nothing was parsed, or one of several is to be kept with its own text
    said = orjson.dumps([replace(one, text="") for one in found])
    # What could not be parsed may have met the limit of recursion here, and nowhere else.
    if UNPARSED.encode() not in said:
        remembered.keep(key, said)
    return found


_VALUED: Final = frozenset(("SELECT", "WITH", "UPDATE", "DELETE"))
_UNSHAPED: Final = later(r"[\\$]|/\*|;(?!\s*\Z)")
"""Where a string ends, or a comment, may depend on more than its marks."""
_VALUE: Final = later(
    r"(?P<before>[=<>]\s*|\b(?:LIKE|BETWEEN|AND)\s+)'(?:[^']|'')*'"
    r"|(?P<number>(?<![\w.:@?])\d+(?:\.\d+)?(?![\w.]))"
    r"|'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\]|--[^\n]*",
    re.IGNORECASE,
)


def _shape(text: str, dialect: str) -> str:
    """A text with the same value wherever something is compared with one, and for each number.

    What a statement reads and writes depends on none, but in DuckDB, where functions read files. A
    program that writes its values into its statements has thousands that are parsed as one.
    """
    if dialect not in ("sqlite", "postgres") or _UNSHAPED.search(text):
        return text
    return _VALUE.sub(_same, text) if from_first_word(text)[0] in _VALUED else text


def _same(found: re.Match[str]) -> str:
    if found["number"]:
        return "1"
    return f"{found['before']}'1'" if found["before"] else found[0]


@cache
def _remembered() -> Remembered | None:
    """What statements were parsed to by this code and this version of sqlglot."""
    try:
        # One function of each room that has a part in it.
        functions = (statements, with_text, split, statement_of, plain)
        rooms = (one.__code__.co_filename for one in functions)
        code = version("sqlglot").encode() + b"".join(Path(one).read_bytes() for one in rooms)
    except (PackageNotFoundError, OSError):
        return None
    return Remembered("statements", code)


def _decoded(values: dict[str, Any]) -> Statement:
    values["reads"] = tuple(map(tuple, values["reads"]))
    for name in ("functions", "unread"):
        values[name] = tuple(values[name])
    for name in ("target", "subject"):
        values[name] = tuple(values[name]) if values[name] is not None else None
    for name in ("inner", "inside"):
        values[name] = tuple(map(_decoded, values[name]))
    values["files"] = tuple(Files(**one) for one in values["files"])
    values["output"] = Files(**values["output"]) if values["output"] is not None else None
    return Statement(**values)


def parts(text: str, dialect: str = "duckdb") -> tuple[str, ...]:
    """The texts of the statements of a text that is parsed, in the order of ``statements``."""
    return _kept_parts(text, dialect) if len(text) <= MAX_KEPT else _parts(text, dialect)


def _parts(text: str, dialect: str) -> tuple[str, ...]:
    if len(text) > MAX_PARSED or ";" not in text.rstrip().rstrip(";"):
        return (text,)
    return tuple(split(text, dialect)) or (text,)


_kept_parts = lru_cache(maxsize=128)(_parts)


def _statements(text: str, dialect: str) -> tuple[Statement, ...]:
    if len(text) > MAX_PARSED:
        rows = inserted(text, dialect) or inserted_much(text, dialect)
        return (rows or Statement("", is_query=True, unknown="the statement is too long"),)
    if ";" not in text.rstrip().rstrip(";"):
        return (statement_of(text, dialect),)
    return tuple(statement_of(part, dialect) for part in split(text, dialect)) or (Statement(""),)


def names_inside(text: str) -> tuple[Name, ...]:
    """The names that the subqueries of an expression read from: ``a IN (SELECT a FROM df)``."""
    if not SUBQUERY.search(text):
        return ()
    found = statements(f"SELECT 1 WHERE ({text})")[0]
    if found.unknown:
        found = statements(f"SELECT {text}")[0]
    return found.reads

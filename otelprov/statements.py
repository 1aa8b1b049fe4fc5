"""SQL without its literals: the form of a statement, and nothing of the data in it."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast


class _Later:
    """A pattern that is compiled when it is first used: that takes milliseconds, at every start."""

    def __init__(self, pattern: str, flags: int) -> None:
        self._source = (pattern, flags)

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(*self._source)
        for method in ("sub", "search", "match", "fullmatch", "finditer"):
            self.__dict__[method] = getattr(compiled, method)
        return getattr(compiled, name)


def later(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """As ``re.compile``, at its first use."""
    return cast(re.Pattern[str], _Later(pattern, int(flags)))


MACRO: Final = "()"
"""How a statement names what only a macro of it reads."""

_TOKEN: Final = later(
    r"""
      (?P<comment> --[^\r\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<dollar> \$(?P<tag>[A-Za-z_]\w{0,62}|)\$.*?(?:\$(?P=tag)\$|\Z) )
    | (?P<text> (?<!\w)[eE]'(?:[^'\\]|\\.|'')*'? | (?:(?<!\w)[nNbBxXuUrR]&?)?'(?:[^']|'')*'? )
    | (?P<double> "(?:[^"]|"")*"? )
    | (?P<name> `[^`]*`? | \[[A-Za-z_][\w\ ]*\] | [$:@%][\w(]+
              | [A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]* )
    | (?P<number> (?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\w* )
    | (?P<space> \s+ )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMPARES: Final = frozenset(
    "= < > ! LIKE ILIKE REGEXP RLIKE GLOB MATCH BETWEEN VALUES ESCAPE".split()
)
_PLAIN_NAME: Final = later(r'"[A-Za-z_][\w ]{0,62}"')
_STATEMENT: Final = later(
    r"[\s(]*(?:--[^\n]*\n\s*|/\*.{0,2000}?\*/\s*)*(?:select|with|insert|update|delete|merge|create|alter|drop"
    r"|replace|call|exec|execute|declare|grant|copy|attach|pragma|explain|truncate|upsert|set)\s",
    re.IGNORECASE | re.DOTALL,
)
_CLAUSE: Final = later(
    r"\b(?:from|into|values|set|table|where|as|user|role|login|view|index|schema|database|to|on)\b",
    re.IGNORECASE,
)


_COLUMN: Final = later(
    r"\A(ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?(?:\"[^\"]+\"|[\w.])+\s+(?:RENAME|DROP))\s+"
    r"(?!(?:TO|COLUMN|CONSTRAINT)\b)",
    re.IGNORECASE,
)
"""Where the word COLUMN is left out."""
_LEFT_OUT: Final = {
    ("postgres", "CREATE"): (
        later(
            r"\bON\s+COMMIT\s+(?:DROP|(?:DELETE|PRESERVE)\s+ROWS)\b|\bWITH\s+DATA\s*;?\s*\Z",
            re.IGNORECASE,
        ),
        "",
    ),
    ("postgres", "INSERT"): (
        later(r"\bOVERRIDING\s+(?:SYSTEM|USER)\s+VALUE\b", re.IGNORECASE),
        "",
    ),
    ("sqlite", "CREATE"): (
        later(r"(?<=\))(?:\s*,?\s*(?:WITHOUT\s+ROWID|STRICT)\b)+(?=\s*;?\s*\Z)", re.IGNORECASE),
        "",
    ),
    ("mysql", "SELECT"): (
        later(
            r"\bINTO\s+(?:OUTFILE|DUMPFILE)\s+(?:'[^']*'|\"[^\"]*\")(?:.(?!\bFROM\b))*"
            r"|\bINTO\s+@\w+(?:\s*,\s*@\w+)*",
            re.IGNORECASE | re.DOTALL,
        ),
        "",
    ),
    ("sqlite", "UPDATE"): (later(r"\AUPDATE\s+OR\s+\w+", re.IGNORECASE), "UPDATE"),
    ("sqlite", "SELECT"): (
        later(r"\bNOT\s+INDEXED\b|\bINDEXED\s+BY\s+(?:\"[^\"]+\"|\w+)", re.IGNORECASE),
        "",
    ),
    ("postgres", "ALTER"): (_COLUMN, r"\1 COLUMN "),
    ("duckdb", "ALTER"): (_COLUMN, r"\1 COLUMN "),
    ("duckdb", "CREATE"): (later(r"(?<=\))\s*(?:VIRTUAL|STORED)\b", re.IGNORECASE), ""),
}


def plain(statement: str, dialect: str) -> str:
    """A statement as sqlglot 30 knows it: without some words that say nothing of what it reads and
    of its columns, and with one that may be left out."""
    if dialect not in _KNOW_FORMATS and ("%" in statement or ":" in statement):
        statement = _PLACES.sub(_place, statement)
    first, begun = from_first_word(statement)
    if first == "REPLACE":  # of SQLite and MySQL
        return f"INSERT{begun[len(first) :]}"
    found = _LEFT_OUT.get((dialect, "SELECT" if first == "WITH" else first))
    return statement if found is None else found[0].sub(found[1], begun)


DIALECTS: Final = {
    "mssql": "tsql", "microsoft.sql_server": "tsql", "mysql": "mysql", "mariadb": "mysql",
    "postgresql": "postgres", "sqlite": "sqlite", "oracle": "oracle", "oracle.db": "oracle",
    "snowflake": "snowflake", "bigquery": "bigquery", "redshift": "redshift", "trino": "trino",
    "clickhouse": "clickhouse", "duckdb": "duckdb", "databricks": "databricks", "hive": "hive",
    "presto": "presto",
}  # fmt: skip
"""sqlglot's names of dialects, by SQLAlchemy's and OpenTelemetry's of databases."""
_KNOW_FORMATS: Final = frozenset(("postgres", "redshift", "sqlite", "duckdb"))
"""Dialects whose parser knows the places of parameters that come with them, or have no others."""
_PLACES: Final = later(
    r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|(?P<place>%s|%\(\w+(?::\w+)?\)s|(?<![\w:]):\d+)"
    r"|(?P<percent>%%)",
    re.DOTALL,
)


def _place(found: re.Match[str]) -> str:
    """A parameter as all dialects have them, in the style ``qmark`` of DB-API 2.0 (PEP 249)."""
    if found["place"]:
        return "?"
    return "%" if found["percent"] else found[0]


def changed(tree: Any) -> list[Any]:
    """The tables that UPDATE or DELETE changes: where several are joined, as MySQL and SQL Server
    do, those that it names. A column without a table may be of any of them.

    Args:
        tree: an ``Update`` or ``Delete`` of sqlglot's.
    """
    from sqlglot import exp

    using = tree.args.get("using")
    from_ = tree.args.get("from_")
    given = [from_.this] if from_ is not None else list(using or ())
    found = [one for one in (tree.this, *given) if isinstance(one, exp.Table)]
    joined = [join.this for one in found for join in one.args.get("joins") or ()]
    all_ = [one for one in (*found, *joined) if isinstance(one, exp.Table)]
    named = {one.alias.lower(): one for one in all_ if one.alias}
    own = {one.name.lower(): one for one in reversed(all_) if not one.alias}

    def meant(table: Any) -> Any:
        """What a table stands for that may be the other name of one that is joined."""
        return table if table.db or table.alias else named.get(table.name.lower(), table)

    if isinstance(tree, exp.Delete):
        return list(map(meant, tree.args.get("tables") or (tree.this,)))
    if not tree.this.args.get("joins"):
        return [meant(tree.this)]
    named = own | named
    set_ = [one.this.table.lower() for one in tree.expressions if isinstance(one.this, exp.Column)]
    if not all(set_):
        return all_
    return list({id(one): one for one in map(named.get, set_) if one is not None}.values())


class _Quiet(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self.here = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(self.here, "parsing", False)


_quiet: Final = _Quiet()


@contextmanager
def unheard() -> Iterator[None]:
    """Nothing that sqlglot says of a statement is for the program's log, nor for stderr."""
    logging.getLogger("sqlglot").addFilter(_quiet)
    before = getattr(_quiet.here, "parsing", False)
    _quiet.here.parsing = True
    try:
        yield
    finally:
        _quiet.here.parsing = before


def is_statement(text: str) -> bool:
    """Whether a text reads like SQL: begins as a statement and has one of its clauses."""
    return " " in text and _STATEMENT.match(text) is not None and _CLAUSE.search(text) is not None


def mask_literals(statement: str) -> str:
    """``?`` for each string and number, and for what is in a comment; names stay.

    In double quotes stands a name (standard SQL) or a string (MySQL, BigQuery): it is taken for a
    name where it looks like one and is not what something is compared with. What may be one or the
    other keeps its quotes: ``"?"``.
    """
    return masked(statement)[0]


def masked(statement: str) -> tuple[str, list[str | None]]:
    """As ``mask_literals``, and what each ``?`` of the text stands for, as it was written; None
    where it stood there before, or is in a comment."""
    for mark in ("'", '"'):
        # A quote after a backslash ends a string, or it does not: that depends on the database.
        # So whatever may be one is, to the end.
        if f"\\{mark}" in statement:
            text, found = masked(statement[: statement.index(mark)])
            return f"{text}?", [*found, None]
    parts: list[str] = []
    literals: list[str | None] = []
    before = ""
    for match in _TOKEN.finditer(statement):
        kind, text = match.lastgroup, match[0]
        if match["comment"] is not None:
            parts.append("/*?*/" if text.startswith("/*") else "--?")
            literals.append(None)
            continue
        whole = text
        if match["dollar"] is not None or kind in ("text", "number"):
            text = "?"
        elif kind == "double":
            following = statement[match.end() : match.end() + 1]
            if before.upper() in _COMPARES and following != ".":
                text = "?"
            elif not _PLAIN_NAME.fullmatch(text):
                text = '"?"'
        parts.append(text)
        if "?" in text:
            literals += [None if text == whole else whole] * text.count("?")
        if kind != "space":
            before = text
    return "".join(parts), literals


_WORD: Final = later(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*([A-Za-z]+)", re.DOTALL)


def from_first_word(statement: str) -> tuple[str, str]:
    """The first word of a statement, in capitals, and the statement without the comments in front
    of it, with its literals or without."""
    word = _WORD.match(statement)
    return (word[1].upper(), statement[word.start(1) :]) if word is not None else ("", statement)


MAX_VIEWS: Final = 60_000
"""Characters of all the views that a statement reads."""


def views_said(views: Iterable[Sequence[str]], length: int) -> list[str]:
    """The views that a statement reads, as its span says them: each the parts of its name, and the
    statement that made it without its literals. Nothing where that is too much."""
    listed = [list(one) for one in views]
    if not listed:
        return []
    said = json.dumps(listed)
    return pieces(said, length) if len(said) <= MAX_VIEWS else []


def pieces(statement: str, length: int) -> list[str]:
    """A long statement in pieces of at most ``length`` bytes."""
    length = length if statement.isascii() else length // 4
    return [statement[start : start + length] for start in range(0, len(statement), length)]

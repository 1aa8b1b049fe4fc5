"""Statements that are known by their first words: settings, transactions, rows that VALUES gives,
and what sqlglot does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from otelprov.instrumentation._statement import (
    CONTROL,
    NAMED,
    Files,
    Name,
    Statement,
    folded,
    name_of,
)
from otelprov.instrumentation._statement_trees import BLANK, UNPARSED, parsed, parser, renamed
from otelprov.statements import from_first_word, later

_ROWS: Final = later(
    r"\s*INSERT\s+INTO\s+((?:[A-Za-z_]\w*\.){0,2}[A-Za-z_]\w*)\s*(?:\([^()']*\)\s*)?VALUES\s*\("
    r"(?:[^';()]|'[^']*')*\)(?:\s*,\s*\((?:[^';()]|'[^']*')*\))*\s*;?\s*\Z",
    re.IGNORECASE,
)
_MANY_ROWS: Final = later(
    r'\s*INSERT\s+INTO\s+(?P<name>(?:(?:[A-Za-z_]\w*|"[^"]+")\.){0,2}(?:[A-Za-z_]\w*|"[^"]+"))'
    r"\s*(?:\([^()]*\))?\s*(?:VALUES\s*\(|(?P<selects>SELECT)\s)",
    re.IGNORECASE,
)
_EXPLAIN_ANALYZE: Final = later(
    r"\s*EXPLAIN\s+(?:ANALYZE\s+(?:VERBOSE\s+)?|\([^()]*\bANALYZE\b[^()]*\)\s*)(.*)",
    re.IGNORECASE | re.DOTALL,
)
_PREPARE: Final = later(
    r"\s*PREPARE\s+(\"[^\"]+\"|\w+)\s*(?:\([^)]*\)\s*)?AS\s+(.*)", re.IGNORECASE | re.DOTALL
)
_EXECUTE: Final = later(r"\s*EXECUTE\s+(\"[^\"]+\"|\w+)", re.IGNORECASE)
# What is carried out when something else is: no data is read or written by it now.
_CODE: Final = later(
    r"\s*CREATE\s+(?:OR\s+(?:REPLACE|ALTER)\s+)?"
    r"(?:CONSTRAINT\s+|EVENT\s+|TEMP(?:ORARY)?\s+|PERSISTENT\s+)?"
    r"(TRIGGER|FUNCTION|MACRO|PROCEDURE|RULE|SECRET|SEQUENCE|TYPE)\b",
    re.IGNORECASE,
)
_OBJECT: Final = later(
    r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:TRUSTED\s+)?(?:PROCEDURAL\s+)?(?:DEFAULT\s+)?(EXTENSION|ROLE|"
    r"USER|GROUP|POLICY|PUBLICATION|SUBSCRIPTION|DOMAIN|AGGREGATE|STATISTICS|CAST|OPERATOR|COLLATION|"
    r"CONVERSION|SERVER|TABLESPACE|LANGUAGE|TRANSFORM|TEXT\s+SEARCH|ACCESS\s+METHOD|FOREIGN\s+DATA|"
    r"SCHEMA(?!.*\bCREATE\b))\b",
    re.IGNORECASE | re.DOTALL,
)
"""PostgreSQL: what holds no data."""
_ENUM: Final = later(
    r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP(?:ORARY)?\s+)?TYPE\b.*?\bAS\s+ENUM\s*\(\s*"
    r"((?:SELECT|FROM|WITH)\b.*)\)\s*;?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
"""DuckDB: a type whose values a query gives."""
_MACRO: Final = later(
    r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?P<temporary>TEMP(?:ORARY)?\s+)?(?:MACRO|FUNCTION)\s+"
    r"(?P<only_new>IF\s+NOT\s+EXISTS\s+)?(?P<name>" + NAMED + r")\s*(?=\()",
    re.IGNORECASE,
)
_ALTERED: Final = r"\s*ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?"
_MOVED: Final = later(
    r"\s*ALTER\s+(?:TABLE|MATERIALIZED\s+VIEW)\s+(?:IF\s+EXISTS\s+)?(?P<before>" + NAMED + r")\s+"
    r"(?:RENAME\s+TO\s+(?P<name>\"[^\"]+\"|\w+)|SET\s+SCHEMA\s+(?P<schema>\"[^\"]+\"|\w+))",
    re.IGNORECASE,
)
"""A table under another name, or, in PostgreSQL, in another schema."""
_NO_DATA: Final = later(r"\bWITH\s+NO\s+DATA\s*;?\s*\Z", re.IGNORECASE)
_VIRTUAL: Final = later(
    r"CREATE\s+VIRTUAL\s+TABLE\s+(?P<only_new>IF\s+NOT\s+EXISTS\s+)?(?P<name>" + NAMED + r")\s+"
    r"USING\s+(?P<own>(?:fts[345]|rtree)\b(?!.*\bcontent\b))?",
    re.IGNORECASE | re.DOTALL,
)
"""SQLite: tables whose rows are their own, and those of other programs or tables."""
_EXTENSIONS: Final = later(r"UPDATE\s+EXTENSIONS\s*(?:\(|;|\Z)", re.IGNORECASE)
_PARTITION: Final = later(
    _ALTERED + NAMED + r"\s+"
    r"(?:ATTACH|(?P<detached>DETACH))\s+PARTITION\s+(?P<part>" + NAMED + ")",
    re.IGNORECASE,
)
# What a statement that reads no data says names, by its first word.
_SAID: Final = {
    "USE": later(r"\s*USE\s+(.*?)\s*;?\s*\Z", re.IGNORECASE | re.DOTALL),
    "SET": later(
        r"\s*SET\s+(?:SESSION\s+|LOCAL\s+|GLOBAL\s+)?(?:schema|search_path)\s*(?:=|TO)\s*"
        r"'?([\w.\"]+)",
        re.IGNORECASE,
    ),
    "DROP": later(
        r"\s*DROP\s+(?:TEMP(?:ORARY)?\s+)?(?:MATERIALIZED\s+|FOREIGN\s+)?(?:TABLE|VIEW|MACRO)\s+"
        r"(?:TABLE\s+)?"
        r"(?:IF\s+EXISTS\s+)?(" + NAMED + ")",
        re.IGNORECASE,
    ),
}
_WHOLE: Final = later(
    r"\s*(?:EXPORT\s+DATABASE\s+(?:(\"[^\"]+\"|\w+)\s+TO\s+)?|IMPORT\s+DATABASE\s+)'((?:[^']|'')+)'",
    re.IGNORECASE,
)
_COPY_DATABASE: Final = later(
    r"\s*COPY\s+FROM\s+DATABASE\s+(\"[^\"]+\"|\w+)\s+TO\s+(\"[^\"]+\"|\w+)\s*;?\s*\Z", re.IGNORECASE
)
_ATTACH: Final = later(
    r"\s*ATTACH\s+(?:DATABASE\s+)?(?:IF\s+NOT\s+EXISTS\s+)?'((?:[^']|'')+)'"
    r"(?:\s+AS\s+(\"[^\"]+\"|\w+))?(?:.*\bTYPE\s+'?(\w+))?",
    re.IGNORECASE | re.DOTALL,
)
SUBQUERY: Final = later(r"\b(?:select|from)\b", re.IGNORECASE)


def statement_of(text: str, dialect: str) -> Statement:
    """One statement: by its first words, or as it is parsed."""
    first, text = from_first_word(text)
    if first == "INSERT":
        rows = inserted(text, dialect)
        if rows is not None:
            return rows
    if first == "EXPLAIN":
        analysed = _EXPLAIN_ANALYZE.match(text)
        if analysed is not None:
            return replace(statement_of(analysed[1], dialect), is_query=True)
        return Statement("EXPLAIN")
    if first == "PREPARE":
        prepared = _PREPARE.match(text)
        if prepared is None:
            return Statement("PREPARE")
        inner = statement_of(prepared[2], dialect)
        return Statement("PREPARE", subject=name_of(prepared[1]), inner=(inner,))
    if first == "EXECUTE":
        executed = _EXECUTE.match(text)
        return Statement("EXECUTE", subject=name_of(executed[1]) if executed is not None else None)
    if first == "CALL":
        return Statement("CALL", is_query=True, unknown="what a called function reads is not known")
    if first in ("EXPORT", "IMPORT") and dialect == "duckdb":
        whole = _WHOLE.match(text)
        place = Files(whole[2].replace("''", "'")) if whole is not None else None
        return Statement(
            first,
            unknown="it copies a whole database",
            subject=name_of(whole[1]) if whole is not None and whole[1] else None,
            output=place,
        )
    if first == "COPY" and dialect == "duckdb":
        copied = _COPY_DATABASE.match(text)
        if copied is not None:
            names = (*name_of(copied[1]), *name_of(copied[2]))
            return Statement("COPY DATABASE", unknown="it copies a whole database", subject=names)
    if dialect == "mysql" and first in ("LOAD", "RENAME"):
        return _loaded(text) if first == "LOAD" else _renamed(text)
    if first in CONTROL:
        return _control(first, text)
    if first == "ALTER":
        return _altered(text, dialect)
    if first == "UPDATE" and dialect == "duckdb" and _EXTENSIONS.match(text):
        return Statement("UPDATE EXTENSIONS")
    if first == "CREATE":
        macro = _MACRO.match(text) if dialect == "duckdb" else None
        if macro is not None:
            return _macro(macro, text)
        listed = _ENUM.match(text) if dialect == "duckdb" else None
        if listed is not None:
            return replace(statement_of(listed[1], dialect), operation="CREATE TYPE")
        code = _CODE.match(text)
        if code is not None and (code[1].upper() != "TYPE" or not SUBQUERY.search(text)):
            return Statement(f"CREATE {code[1].upper()}")
        thing = _OBJECT.match(text) if dialect == "postgres" else None
        if thing is not None:
            return Statement(f"CREATE {thing[1].upper()}")
        virtual = _VIRTUAL.match(text) if dialect == "sqlite" else None
        if virtual is not None:
            return Statement(
                "CREATE TABLE",
                target=name_of(virtual["name"]),
                replaces=True,
                only_new=bool(virtual["only_new"]),
                unknown="" if virtual["own"] else "what a virtual table reads is not known",
            )
        if dialect == "postgres" and _NO_DATA.search(text):
            made = parsed(_NO_DATA.sub("", text), first, dialect)
            return replace(made, reads=(), functions=(), unread=(), unknown="")
    if not first and BLANK.match(text):
        return Statement("")
    if first == "REFRESH":
        refreshed = _REFRESH.match(text)
        target = folded(refreshed[1]) if refreshed is not None else None
        return Statement(
            first, target=target, replaces=True, unknown="the query of the view was not looked up"
        )
    if first == "COPY" and dialect == "postgres":
        return _copied(text, dialect)
    return parsed(text, first, dialect)


def _altered(text: str, dialect: str) -> Statement:
    """``ALTER``: what is in a table stays there, but for columns that are changed."""
    if dialect == "postgres":
        part = _PARTITION.match(text)
        if part is not None and not part["detached"]:
            return Statement("ALTER")  # who reads the table reads its partitions, too
        if part is not None:  # the rows that came to it through the table go with it
            name = folded(part["part"])
            return Statement("ALTER", reads=(name,), target=name)
        moved = _MOVED.match(text)
        if moved is not None and moved["schema"] is not None:
            before = folded(moved["before"])
            full = (*folded(moved["schema"]), before[-1])
            return Statement("ALTER", reads=(before,), target=full, replaces=True, whole=True)
        if moved is not None:
            return renamed(folded(moved["before"]), folded(moved["name"]))
    found = parsed(text, "ALTER", dialect)
    if found.unknown != UNPARSED:
        return found
    moved = _MOVED.match(text) if dialect == "sqlite" else None  # sqlglot 30.0 cannot read it
    if moved is not None and moved["name"] is not None:
        return renamed(name_of(moved["before"]), name_of(moved["name"]))
    return Statement("ALTER")


_LOADED: Final = later(
    r"LOAD\s+(?:DATA|XML)\s.*?\sINTO\s+TABLE\s+(" + NAMED + ")", re.IGNORECASE | re.DOTALL
)
_PAIR: Final = later(rf"({NAMED})\s+TO\s+({NAMED})", re.IGNORECASE)


def _loaded(text: str) -> Statement:
    """MySQL's ``LOAD DATA``, whose file is the server's or the program's."""
    found = _LOADED.match(text)
    if found is None:
        return Statement("LOAD")
    return Statement("LOAD", target=name_of(found[1]), unknown="a file was loaded")


def _renamed(text: str) -> Statement:
    """MySQL's ``RENAME TABLE``, of one table or of several, one after the other."""
    held: dict[Name, tuple[Name, ...]] = {}
    for pair in _PAIR.finditer(text):
        before, after = name_of(pair[1]), name_of(pair[2])
        held[after] = held.pop(before, (before,))
    if not held:
        return Statement("RENAME")
    target, *others = (Statement("RENAME", target=one, replaces=True) for one in held)
    reads = tuple(dict.fromkeys(name for names in held.values() for name in names))
    return replace(target, reads=reads, whole=not others, inside=tuple(others))


_REFRESH: Final = later(
    r"\s*REFRESH\s+MATERIALIZED\s+VIEW\s+(?:CONCURRENTLY\s+)?((?:\"[^\"]+\"|[^\s;\"])+)",
    re.IGNORECASE,
)
_COPIED: Final = later(
    r"\s*COPY\s+(?:(?P<query>\(.*\))|(?P<table>(?:\"[^\"]+\"|[^\s(\"])+)\s*(?:\([^)]*\))?)\s*(?P<way>FROM|TO)\s",
    re.IGNORECASE | re.DOTALL,
)


def _copied(text: str, dialect: str) -> Statement:
    """PostgreSQL's ``COPY``, whose files are the server's, or a stream to or from the program."""
    found = _COPIED.match(text)
    if found is None:
        return Statement("COPY", is_query=True, unknown=UNPARSED)
    if found["query"]:
        return replace(parsed(found["query"], "SELECT", dialect), operation="COPY")
    name = folded(found["table"])
    if found["way"].upper() == "FROM":
        return Statement("COPY", target=name)
    return Statement("COPY", reads=(name,), is_query=True, whole=True)


def inserted(text: str, dialect: str) -> Statement | None:
    """``INSERT INTO … VALUES`` with nothing but values."""
    rows = _ROWS.match(text)
    if rows is None or SUBQUERY.search(text):
        return None
    name = rows[1].lower() if dialect == "postgres" else rows[1]
    return Statement("INSERT", target=tuple(name.split(".")))


def inserted_much(text: str, dialect: str) -> Statement | None:
    """The same where it is too long to be parsed, with parameters only: SQLAlchemy's bulk inserts.

    Those of PostgreSQL select from their own values.
    """
    rows = _MANY_ROWS.match(text)
    if rows is None or "'" in text:
        return None
    values = text[rows.end() :]
    asked = len(SUBQUERY.findall(values))
    if asked != (1 if rows["selects"] and values.upper().count("FROM (VALUES") == 1 else 0):
        return None
    name = tuple(
        part if dialect != "postgres" or f'"{part}"' in rows["name"] else part.lower()
        for part in name_of(rows["name"])
    )
    return Statement("INSERT", target=name, is_query="RETURNING" in text[-2000:].upper())


def _control(first: str, text: str) -> Statement:
    if first == "ATTACH":
        attached = _ATTACH.match(text)
        if attached is None:
            return Statement(first)
        path = attached[1].replace("''", "'")
        name = (
            attached[2] or '"' + path.replace("\\", "/").rpartition("/")[2].partition(".")[0] + '"'
        )
        file = Files(path, database=(attached[3] or "").lower() or None)
        return Statement(first, subject=name_of(name), files=(file,))
    found = _SAID[first].match(text) if first in _SAID else None
    return Statement(first, subject=name_of(found[1]) if found is not None else None)


def _macro(said: re.Match[str], text: str) -> Statement:
    """DuckDB's ``CREATE MACRO``, which reads when it is called: an expression, or a query behind
    ``TABLE``, and these several times where it takes different numbers of arguments."""
    return Statement(
        "CREATE MACRO",
        subject=name_of(said["name"]),
        only_new=bool(said["only_new"]),
        temporary=bool(said["temporary"]),
        inner=tuple(
            statement_of(body if is_query else f"SELECT {body}", "duckdb")
            for is_query, body in _bodies(text, said.end())
        ),
    )


def _bodies(text: str, at: int) -> Iterator[tuple[bool, str]]:
    """What stands behind ``(…) AS``, each time, and whether it is a query."""
    sqlglot = parser()

    text = text[at:]
    try:
        tokens = sqlglot.tokenize(text, read="duckdb")
    except sqlglot.errors.SqlglotError:
        yield True, "the macro cannot be taken apart"
        return
    kinds = [token.token_type.name for token in tokens]
    begun, depth, is_query, arguments = -1, 0, False, 0
    for number, (kind, token) in enumerate(zip(kinds, tokens, strict=True)):
        if kind == "L_PAREN" and depth == 0:
            arguments = number
        depth += (kind == "L_PAREN") - (kind == "R_PAREN")
        if depth or kind not in ("ALIAS", "SEMICOLON"):
            continue
        # Behind ``, (a) AS`` another body begins; in a query only behind ``, (a) AS TABLE``.
        again = kind == "ALIAS" and kinds[arguments - 1 : arguments] == ["COMMA"]
        if is_query and kinds[number + 1 : number + 2] != ["TABLE"]:
            again = False
        if begun >= 0 and (again or kind == "SEMICOLON"):
            yield is_query, text[begun : tokens[arguments - 1].start if again else token.start]
            begun = -1
        if begun < 0 and kind == "ALIAS":
            is_query = kinds[number + 1 : number + 2] == ["TABLE"]
            begun = tokens[number + is_query].end + 1
    if begun >= 0:
        yield is_query, text[begun:]

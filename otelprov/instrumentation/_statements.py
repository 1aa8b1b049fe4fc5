"""What a statement reads and writes: taken from its parse, never guessed.

sqlglot parses; it is loaded when the first statement comes that has to be parsed, because to import
it takes as long as to import DuckDB itself (0.1 s). What a text was parsed to is remembered: a
program that says the same as the last time does not load it. Settings, transactions and rows
inserted by VALUES are known by their first words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import orjson

from otelprov._record import record
from otelprov.recording.remembered import Remembered
from otelprov.statements import from_first_word, later, mask_literals, plain, unheard

Name = tuple[str, ...]
"""The parts of a name as they are written: table; schema and table; database, schema and table."""


@record
class Files:
    """Files that a statement names: a pattern, or the parameter that holds it."""

    pattern: str | None
    parameter: str | None = None
    """Name or number of a parameter of the statement."""
    columnar: bool = False
    """Whether only the needed columns of them are read (Parquet)."""
    database: str | None = None
    """For a table in the file of another database: the kind of database."""
    table: str = ""
    """And the table."""


@record
class Statement:
    """One statement, as far as it matters here."""

    operation: str
    """``SELECT``, ``INSERT``, ``CREATE TABLE``…: for ``db.operation.name``."""
    reads: tuple[Name, ...] = ()
    """Names that it reads from: tables, views, files or variables of Python's."""
    files: tuple[Files, ...] = ()
    """Files that it names in a function, or copies from."""
    target: Name | None = None
    """The table that it writes, or the view that it makes."""
    replaces: bool = False
    """Whether what had been in the table has no part in what is there afterwards."""
    only_new: bool = False
    """``IF NOT EXISTS``: where the table is there already, nothing is done."""
    temporary: bool = False
    output: Files | None = None
    """The file that it writes; of ``EXPORT`` and ``IMPORT`` the directory."""
    is_query: bool = False
    """Whether rows come back."""
    whole: bool = False
    """Whether it reads all columns and rows of what it names."""
    unknown: str = ""
    """Why not all that it reads is known; empty where it is."""
    functions: tuple[str, ...] = ()
    """Functions that it calls and sqlglot does not know: they may be macros (DuckDB)."""
    unread: tuple[str, ...] = ()
    """Those of them that give rows, where nothing else is ``unknown``."""
    subject: Name | None = None
    """Of ``PREPARE`` and ``EXECUTE`` the name of what is prepared, of ``USE`` and ``SET schema``
    that of a schema, of ``ATTACH`` and ``EXPORT`` that of a database, of ``COPY FROM DATABASE``
    those of both, of ``CREATE MACRO`` that of the macro, and of ``DROP`` that of a table or view.
    """
    inner: tuple[Statement, ...] = field(default=(), repr=False)
    """Of ``PREPARE`` what is prepared, of ``CREATE MACRO`` the queries that it stands for."""
    inside: tuple[Statement, ...] = ()
    """What it writes besides: the statements in its ``WITH`` that write a table (PostgreSQL)."""
    text: str = field(default="", compare=False, repr=False)
    """Of ``CREATE VIEW`` the statement itself."""

    @property
    def changes_names(self) -> bool:
        """Whether names may mean something else afterwards."""
        first = self.operation.partition(" ")[0]
        changes = first in _CHANGES or self.operation == "COPY DATABASE"
        return changes and self.operation not in _NAMELESS

    @property
    def is_operation(self) -> bool:
        """Whether it reads or writes data: settings, transactions and the like do not."""
        return bool(
            self.is_query
            or self.output
            or self.inside
            or ((self.unknown or self.target) and not self.is_view)
        )

    @property
    def is_view(self) -> bool:
        """Whether it makes a view, which reads when it is read."""
        return self.operation == "CREATE VIEW"


_CHANGES: Final = frozenset(
    "CREATE DROP ALTER ATTACH DETACH USE SET RESET PRAGMA CALL IMPORT ROLLBACK LOAD UNKNOWN".split()
)

_NAMELESS: Final = frozenset(("CREATE INDEX", "CREATE SECRET", "CREATE SEQUENCE", "CREATE TYPE"))

_BLANK: Final = later(r"(?:[\s;(]|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*\Z", re.DOTALL)
"""Nothing but comments."""
# Statements that read and write no data; PRAGMA and CALL only as far as anybody knows.
_CONTROL: Final = frozenset(
    "BEGIN START COMMIT END ROLLBACK ABORT SET RESET PRAGMA EXPLAIN DEALLOCATE ATTACH DETACH USE "
    "LOAD INSTALL FORCE UPDATE_EXTENSIONS VACUUM ANALYZE CHECKPOINT DROP COMMENT SHOW SAVEPOINT "
    "RELEASE LISTEN UNLISTEN NOTIFY LOCK CLOSE MOVE DISCARD GRANT REVOKE REINDEX CLUSTER".split()
)
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
_NAMED: Final = r"(?:\"[^\"]+\"|\w+)(?:\.(?:\"[^\"]+\"|\w+)){0,2}"
"""A name with up to two others in front."""
_MACRO: Final = later(
    r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?P<temporary>TEMP(?:ORARY)?\s+)?(?:MACRO|FUNCTION)\s+"
    r"(?P<only_new>IF\s+NOT\s+EXISTS\s+)?(?P<name>" + _NAMED + r")\s*(?=\()",
    re.IGNORECASE,
)
_ALTERED: Final = r"\s*ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?"
_MOVED: Final = later(
    r"\s*ALTER\s+(?:TABLE|MATERIALIZED\s+VIEW)\s+(?:IF\s+EXISTS\s+)?(?P<before>" + _NAMED + r")\s+"
    r"(?:RENAME\s+TO\s+(?P<name>\"[^\"]+\"|\w+)|SET\s+SCHEMA\s+(?P<schema>\"[^\"]+\"|\w+))",
    re.IGNORECASE,
)
"""PostgreSQL: a table under another name, or in another schema."""
_AS_EXECUTE: Final = later(r"\bAS\s+EXECUTE\b", re.IGNORECASE)
_NO_DATA: Final = later(r"\bWITH\s+NO\s+DATA\s*;?\s*\Z", re.IGNORECASE)
_VIRTUAL: Final = later(
    r"CREATE\s+VIRTUAL\s+TABLE\s+(?P<only_new>IF\s+NOT\s+EXISTS\s+)?(?P<name>" + _NAMED + r")\s+"
    r"USING\s+(?P<own>(?:fts[345]|rtree)\b(?!.*\bcontent\b))?",
    re.IGNORECASE | re.DOTALL,
)
"""SQLite: tables whose rows are their own, and those of other programs or tables."""
_EXTENSIONS: Final = later(r"UPDATE\s+EXTENSIONS\s*(?:\(|;|\Z)", re.IGNORECASE)
_PARTITION: Final = later(
    _ALTERED + _NAMED + r"\s+"
    r"(?:ATTACH|(?P<detached>DETACH))\s+PARTITION\s+(?P<part>" + _NAMED + ")",
    re.IGNORECASE,
)
_TRIGGER: Final = later(
    r"\s*CREATE\s+(?:TEMP(?:ORARY)?\s+)?TRIGGER\b(?=.*\bBEGIN\b)", re.IGNORECASE | re.DOTALL
)
_PARTS: Final = later(r'"((?:[^"]|"")*)"|([^\s".;]+)')
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
        r"(?:IF\s+EXISTS\s+)?(" + _NAMED + ")",
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
    remembered = _remembered()
    if remembered is None:
        return _statements(text, dialect)
    key = f"{dialect}\0{text}"
    known = remembered.find(key)
    if known is not None:
        return tuple(_with_text(_decoded(one), text) for one in orjson.loads(known))
    before = _parser.used
    found = _statements(text, dialect)
    if _parser.used == before or any(one.text not in ("", text) for one in found):
        return found  # nothing was parsed, or one of several is to be kept with its own text
    said = orjson.dumps([replace(one, text="") for one in found])
    # What could not be parsed may have met the limit of recursion here, and nowhere else.
    if _UNPARSED.encode() not in said:
        remembered.keep(key, said)
    return found


def _with_text(statement: Statement, text: str) -> Statement:
    return replace(statement, text=text) if statement.is_view else statement


@cache
def _remembered() -> Remembered | None:
    """What statements were parsed to by this code and this version of sqlglot."""
    try:
        rooms = (__file__, plain.__code__.co_filename)
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
    return tuple(_split(text, dialect)) or (text,)


_kept_parts = lru_cache(maxsize=128)(_parts)


def _statements(text: str, dialect: str) -> tuple[Statement, ...]:
    if len(text) > MAX_PARSED:
        rows = _inserted(text, dialect) or _inserted_much(text, dialect)
        return (rows or Statement("", is_query=True, unknown="the statement is too long"),)
    if ";" not in text.rstrip().rstrip(";"):
        return (_statement(text, dialect),)
    return tuple(_statement(part, dialect) for part in _split(text, dialect)) or (Statement(""),)


def names_inside(text: str) -> tuple[Name, ...]:
    """The names that the subqueries of an expression read from: ``a IN (SELECT a FROM df)``."""
    if not _SUBQUERY.search(text):
        return ()
    found = statements(f"SELECT 1 WHERE ({text})")[0]
    if found.unknown:
        found = statements(f"SELECT {text}")[0]
    return found.reads


_SUBQUERY: Final = later(r"\b(?:select|from)\b", re.IGNORECASE)


def name_of(text: str) -> Name:
    """The parts of a name in SQL."""
    return tuple(
        (match[1].replace('""', '"') if match[1] is not None else match[2])
        for match in _PARTS.finditer(text)
    )


def _statement(text: str, dialect: str) -> Statement:
    first, text = from_first_word(text)
    if first == "INSERT":
        rows = _inserted(text, dialect)
        if rows is not None:
            return rows
    if first == "EXPLAIN":
        analysed = _EXPLAIN_ANALYZE.match(text)
        if analysed is not None:
            return replace(_statement(analysed[1], dialect), is_query=True)
        return Statement("EXPLAIN")
    if first == "PREPARE":
        prepared = _PREPARE.match(text)
        if prepared is None:
            return Statement("PREPARE")
        inner = _statement(prepared[2], dialect)
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
    if first in _CONTROL:
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
            return replace(_statement(listed[1], dialect), operation="CREATE TYPE")
        code = _CODE.match(text)
        if code is not None and (code[1].upper() != "TYPE" or not _SUBQUERY.search(text)):
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
            made = _parsed(_NO_DATA.sub("", text), first, dialect)
            return replace(made, reads=(), functions=(), unread=(), unknown="")
    if not first and _BLANK.match(text):
        return Statement("")
    if first == "REPLACE":  # of SQLite and MySQL; not known to sqlglot
        text = _REPLACE.sub("INSERT", text, 1)
    elif first == "REFRESH":
        refreshed = _REFRESH.match(text)
        target = _folded(refreshed[1]) if refreshed is not None else None
        return Statement(
            first, target=target, replaces=True, unknown="the query of the view was not looked up"
        )
    elif first == "COPY" and dialect == "postgres":
        return _copied(text, dialect)
    return _parsed(text, first, dialect)


def _altered(text: str, dialect: str) -> Statement:
    """``ALTER``: what is in a table stays there, but for columns that are changed."""
    if dialect == "postgres":
        part = _PARTITION.match(text)
        if part is not None and not part["detached"]:
            return Statement("ALTER")  # who reads the table reads its partitions, too
        if part is not None:  # the rows that came to it through the table go with it
            name = _folded(part["part"])
            return Statement("ALTER", reads=(name,), target=name)
        moved = _MOVED.match(text)
        if moved is not None and moved["schema"] is not None:
            before = _folded(moved["before"])
            full = (*_folded(moved["schema"]), before[-1])
            return Statement("ALTER", reads=(before,), target=full, replaces=True, whole=True)
        if moved is not None:
            return _renamed(_folded(moved["before"]), _folded(moved["name"]))
    found = _parsed(text, "ALTER", dialect)
    return Statement("ALTER") if found.unknown == _UNPARSED else found


_REPLACE: Final = later(r"\bREPLACE\b", re.IGNORECASE)
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
        return Statement("COPY", is_query=True, unknown=_UNPARSED)
    if found["query"]:
        return replace(_parsed(found["query"], "SELECT", dialect), operation="COPY")
    name = _folded(found["table"])
    if found["way"].upper() == "FROM":
        return Statement("COPY", target=name)
    return Statement("COPY", reads=(name,), is_query=True, whole=True)


def _folded(name: str) -> Name:
    """The parts of a name of PostgreSQL's, in small letters where they are in no quotes."""
    return tuple(part if f'"{part}"' in name else part.lower() for part in name_of(name))


def _inserted(text: str, dialect: str) -> Statement | None:
    """``INSERT INTO … VALUES`` with nothing but values."""
    rows = _ROWS.match(text)
    if rows is None or _SUBQUERY.search(text):
        return None
    name = rows[1].lower() if dialect == "postgres" else rows[1]
    return Statement("INSERT", target=tuple(name.split(".")))


def _inserted_much(text: str, dialect: str) -> Statement | None:
    """The same where it is too long to be parsed, with parameters only: SQLAlchemy's bulk inserts.

    Those of PostgreSQL select from their own values.
    """
    rows = _MANY_ROWS.match(text)
    if rows is None or "'" in text:
        return None
    values = text[rows.end() :]
    asked = len(_SUBQUERY.findall(values))
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
            _statement(body if is_query else f"SELECT {body}", "duckdb")
            for is_query, body in _bodies(text, said.end())
        ),
    )


def _bodies(text: str, at: int) -> Iterator[tuple[bool, str]]:
    """What stands behind ``(…) AS``, each time, and whether it is a query."""
    sqlglot = _parser()

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


# --- with sqlglot ---------------------------------------------------------------------------------


_UNPARSED: Final = "the statement could not be parsed"


class _Parser:
    """sqlglot, loaded when it is used, and how often it was."""

    used = 0

    def __call__(self) -> ModuleType:
        import sqlglot

        self.used += 1
        return sqlglot


_parser: Final = _Parser()


def _sqlglot(text: str, dialect: str) -> list[Any]:
    """The trees of a text.

    Raises:
        sqlglot.errors.SqlglotError: it cannot be parsed.
    """
    sqlglot = _parser()

    with unheard():
        trees: list[Any] = sqlglot.parse(text, dialect=dialect)
    return trees


def _split(text: str, dialect: str) -> Iterator[str]:
    """Each statement of several."""
    sqlglot = _parser()

    start, ends = 0, True
    try:
        tokens = sqlglot.tokenize(text, read=dialect)
    except sqlglot.errors.SqlglotError:
        yield text
        return
    for token in tokens:
        if token.token_type.name == "SEMICOLON":
            # The statements of a trigger stand in one statement, which ends by END.
            body = _TRIGGER.match(text, start, token.start)
            if body is None or ends:
                yield from _not_blank(text[start : token.start])
                start = token.end + 1
            ends = False
        elif token.text.upper() == "END":
            ends = text[: token.start].rstrip().endswith(";")
        else:
            ends = False
    yield from _not_blank(text[start:])


def _not_blank(text: str) -> Iterable[str]:
    return () if _BLANK.match(text) else (text,)


def _parsed(text: str, first: str, dialect: str) -> Statement:
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    unknown = _unparsed(text, first, dialect)
    try:
        trees = _trees(text, dialect)
    except (SqlglotError, RecursionError):
        return unknown
    if len(trees) != 1:
        return unknown
    (tree,) = trees
    if dialect == "postgres":
        for identifier in tree.find_all(exp.Identifier):
            identifier.meta["folds"] = True
    reader = _Reader(dialect)
    if isinstance(tree, exp.Describe):
        return Statement("DESCRIBE")
    if isinstance(tree, (exp.Query, exp.Values, exp.Pivot, exp.Summarize)):
        # SELECT … INTO a new table; that of UNPIVOT names columns.
        into = tree.args.get("into") if isinstance(tree, exp.Select) else None
        reader.read(tree, leave_out=into)
        if into is not None:
            return reader.statement(
                "SELECT",
                target=_table_name(into.this),
                replaces=True,
                temporary=bool(into.args.get("temporary")),
            )
        return reader.statement("SELECT", is_query=True, whole=_is_whole(tree))
    if isinstance(tree, exp.Insert):
        return _insert(tree, reader)
    if isinstance(tree, exp.Create) and not tree.expression and _AS_EXECUTE.search(text):
        return unknown  # sqlglot 30 leaves it out
    if isinstance(tree, exp.Create):
        return _with_text(_create(tree, reader), text)
    if isinstance(tree, exp.Copy):
        return _copy(tree, reader)
    if isinstance(tree, exp.TruncateTable):
        # What inherits from it keeps its rows after ONLY.
        emptied, *others = (
            Statement("TRUNCATE", target=_table_name(one), replaces=not one.args.get("only"))
            for one in tree.expressions
        )
        return replace(emptied, inside=tuple(one for one in others if one.target))
    if isinstance(tree, (exp.Update, exp.Delete, exp.Merge)):
        target = tree.this
        reader.read(tree, leave_out=target)
        asked = {name for name, value in tree.args.items() if value}
        is_all = isinstance(tree, exp.Delete) and asked == {"this"} and not target.args.get("only")
        return reader.statement(
            tree.key.upper(),
            target=_table_name(target),
            replaces=is_all,
            is_query=bool(tree.args.get("returning")),
        )
    if isinstance(tree, exp.Alter):
        kind = str(tree.args.get("kind") or "")
        renamed = [
            one for one in tree.args.get("actions") or () if isinstance(one, exp.AlterRename)
        ]
        if kind != "TABLE":
            return Statement("ALTER")
        if renamed:
            return _renamed(_table_name(tree.this), _table_name(renamed[0].this))
        return Statement("ALTER", target=_table_name(tree.this))
    return unknown


_WRITTEN: Final = later(
    r"\s*(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM|MERGE\s+INTO|(?P<new>"
    r"CREATE(?:\s+OR\s+REPLACE)?(?P<temporary>\s+TEMP(?:ORARY)?)?\s+TABLE"
    r"(?P<only_new>\s+IF\s+NOT\s+EXISTS)?))\s+(?:ONLY\s+)?(?P<name>" + _NAMED + ")",
    re.IGNORECASE,
)


def _unparsed(text: str, first: str, dialect: str) -> Statement:
    """A statement that sqlglot does not know: nobody knows what it reads; what it writes is in its
    first words."""
    found = _WRITTEN.match(text)
    if found is None:
        return Statement(first or "UNKNOWN", is_query=True, unknown=_UNPARSED)
    return Statement(
        "CREATE TABLE" if found["new"] else first,
        target=_folded(found["name"]) if dialect == "postgres" else name_of(found["name"]),
        replaces=bool(found["new"]),
        only_new=bool(found["only_new"]),
        temporary=bool(found["temporary"]),
        is_query="RETURNING" in text.upper(),
        unknown="" if found["new"] and _lists_columns(text[found.end() :]) else _UNPARSED,
    )


def _lists_columns(rest: str) -> bool:
    """Whether nothing but columns and constraints comes after the name of a new table."""
    masked = mask_literals(rest)
    return masked.lstrip().startswith("(") and not _READS.search(masked)


_READS: Final = later(r"\b(?:SELECT|FROM|VALUES|TABLE|EXECUTE|INHERITS|PARTITION)\b", re.IGNORECASE)


def _trees(text: str, dialect: str) -> list[Any]:
    """As ``_sqlglot``, also of statements of DuckDB's that it does not know."""
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    if dialect == "duckdb":
        text = _BY_POSITION.sub(r"\1", text, 1)
    text = plain(text, dialect)
    try:
        trees = [tree for tree in _sqlglot(text, dialect) if tree is not None]
    except SqlglotError:
        trees = []
    if dialect == "duckdb" and (not trees or isinstance(trees[0], exp.Command)):
        turned = _pivots_in_brackets(text)
        if turned != text:
            return [tree for tree in _sqlglot(turned, dialect) if tree is not None]
    return trees


_BY_POSITION: Final = later(
    r"(\bINSERT\s+(?:OR\s+\w+\s+)?INTO\s+" + _NAMED + r"\s*(?:\([^()]*\)\s*)?)\bBY\s+POSITION\b",
    re.IGNORECASE,
)
"""DuckDB's word for what is so without it; sqlglot 30 does not know it."""
_PIVOTS: Final = frozenset(("PIVOT", "PIVOT_WIDER", "UNPIVOT", "PIVOT_LONGER"))
_AFTER_PIVOT: Final = frozenset(("ORDER", "ORDER BY", "LIMIT", "OFFSET"))
_BEGINS: Final = frozenset(("SELECT", "FROM"))


def _pivots_in_brackets(text: str) -> str:
    """DuckDB's statements ``PIVOT`` and ``UNPIVOT`` as queries of a query.

    sqlglot 30 knows them where nothing follows and nothing but a bracket comes before: neither
    ``PIVOT t ON a ORDER BY b`` nor ``CREATE TABLE t AS PIVOT …``, which may come as a command, nor
    ``INSERT INTO t PIVOT …``. Where a query goes on that has begun, they belong to its table.

    Raises:
        sqlglot.errors.SqlglotError: it cannot be taken apart.
    """
    sqlglot = _parser()

    added: list[tuple[int, str]] = []
    open_: list[int] = []
    """By how deep in brackets: statements that still have to end."""
    begun: list[bool] = [False]
    """By how deep in brackets: whether a query has begun there."""
    depth = 0
    for token in sqlglot.tokenize(text, read="duckdb"):
        word = token.text.upper()
        ends = word in _AFTER_PIVOT or (word == ")" and bool(open_) and open_[-1] == depth)
        if ends and open_ and open_[-1] == depth:
            added.append((token.start, ") "))
            open_.pop()
        if token.token_type.name == "L_PAREN":
            begun.append(False)
        elif token.token_type.name == "R_PAREN" and depth:
            begun.pop()
        depth = len(begun) - 1
        if word in _BEGINS and token.token_type.name in _BEGINS:
            begun[-1] = True
        elif word in _PIVOTS and not begun[-1]:
            begun[-1] = True
            name = "UNPIVOT" if word in ("UNPIVOT", "PIVOT_LONGER") else "PIVOT"
            added.append((token.start, f"FROM ({name} "))
            added.append((token.end + 1, "\0"))
            open_.append(depth)
    added += [(len(text.rstrip(" ;\n\t")), ")")] * len(open_)
    parts: list[str] = []
    at = 0
    for start, piece in added:
        if piece == "\0":  # what stood here is replaced
            at = start
            continue
        parts += (text[at:start], piece)
        at = start
    return "".join((*parts, text[at:]))


def _renamed(before: Name | None, after: Name | None) -> Statement:
    """A table gets another name: what it holds is there under that."""
    if before is None or after is None:
        return Statement("ALTER")
    full = (*before[:-1], after[-1])
    return Statement("ALTER", reads=(before,), target=full, replaces=True, whole=True)


def _insert(tree: Any, reader: _Reader) -> Statement:
    target = tree.this
    reader.read(tree, leave_out=target)
    return reader.statement(
        "INSERT", target=_table_name(target), is_query=bool(tree.args.get("returning"))
    )


def _create(tree: Any, reader: _Reader) -> Statement:
    from sqlglot import exp

    kind = str(tree.args.get("kind") or "").upper()
    if kind == "VIEW" and tree.find(exp.MaterializedProperty) is not None:
        kind = "TABLE"  # it is filled now
    if kind not in ("TABLE", "VIEW"):
        return Statement(f"CREATE {kind}")
    if kind == "VIEW" or tree.args.get("expression") is not None or tree.args.get("clone"):
        reader.read(tree, leave_out=tree.this)
    properties = tree.args.get("properties")
    listed = properties.expressions if properties is not None else ()
    no_data = any(isinstance(one, exp.WithDataProperty) and one.args.get("no") for one in listed)
    if no_data:
        reader = _Reader(reader.dialect)
    return reader.statement(
        f"CREATE {kind}",
        target=_table_name(tree.this),
        replaces=True,
        only_new=bool(tree.args.get("exists")),
        temporary=any(isinstance(one, exp.TemporaryProperty) for one in listed),
    )


def _copy(tree: Any, reader: _Reader) -> Statement:
    from sqlglot import exp

    places = [_files(one, "") for one in tree.args.get("files") or ()]
    into = bool(tree.args.get("kind"))
    named = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if not places or not isinstance(named, (exp.Table, exp.Subquery)):
        return Statement("COPY", unknown="it copies a whole database")
    formats = {
        one.name.lower(): (one.expression.name.lower() if one.expression is not None else "")
        for one in tree.args.get("params") or ()
    }
    columnar = formats.get("format") == "parquet"
    if into:
        files = tuple(replace(one, columnar=columnar or one.columnar) for one in places)
        return Statement("COPY", target=_table_name(named), files=files, whole=True)
    reader.read(named)
    return reader.statement("COPY", output=places[0], whole=_is_whole(named))


def _is_whole(tree: Any) -> bool:
    """Whether nothing but all of one table is asked for: ``FROM 'x.parquet'``."""
    from sqlglot import exp

    if isinstance(tree, exp.Table):
        return True
    while isinstance(tree, exp.Subquery) and tree.this is not None:
        tree = tree.this
    if not isinstance(tree, exp.Select):
        return False
    asked = {name for name, value in tree.args.items() if value}
    stars = [
        one for one in tree.expressions if isinstance(one, exp.Star) and not one.args.get("except_")
    ]
    return asked <= {"expressions", "from_", "order"} and len(stars) == len(tree.expressions) == 1


def _table_name(node: Any) -> Name | None:
    from sqlglot import exp

    if isinstance(node, exp.Schema):
        node = node.this
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        return None
    return tuple(map(_part, node.parts))


def _part(part: Any) -> str:
    """A part of a name; PostgreSQL takes what is not quoted for lower case."""
    if part.meta.get("folds") and not part.args.get("quoted"):
        return str(part.name).lower()
    return str(part.name)


# Functions that make rows of nothing, or of what DuckDB knows of itself.
_PURE: Final = later(
    r"range|(exploding_)?generate_series|generateseries|unnest|explode|regexp_split_to_table|regexp_matches"
    r"|jsonb?_array_elements(_text)?|jsonb?_each(_text)?|jsonb?_to_record(set)?|string_to_table|repeat(_row)?|values|glob|duckdb_\w+|pragma_\w+|checkpoint"
    r"|test_all_types|which_secret|json_each|json_tree|seq_scan|sql_auto_complete|summary",
    re.IGNORECASE,
)
_READERS: Final = later(
    r"read_(parquet|csv|csv_auto|json|json_auto|json_objects|json_objects_auto|ndjson|ndjson_auto"
    r"|ndjson_objects|text|blob|xlsx|avro|duckdb)|parquet_(scan|metadata|schema|file_metadata|kv_metadata)"
    r"|sniff_csv|st_read",
    re.IGNORECASE,
)
_DATABASES: Final = {"sqlite_scan": "sqlite"}


class _Reader:
    """Goes through a tree and notes what it reads, with the names of WITH where they hold."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.names: dict[Name, None] = {}
        self.files: dict[Files, None] = {}
        self.unknown = ""
        self.functions: dict[str, None] = {}
        self.unread: dict[str, None] = {}
        self.inside: list[Statement] = []
        self._placeholders = 0

    def statement(self, operation: str, **said: Any) -> Statement:
        """What was noted, as a statement."""
        unread = () if self.unknown else tuple(self.unread)
        of_rows = f"what the function {unread[0]} reads is not known" if unread else ""
        return Statement(
            operation,
            reads=tuple(self.names),
            files=tuple(self.files),
            unknown=self.unknown or of_rows,
            functions=tuple(self.functions),
            unread=unread,
            inside=tuple(self.inside),
            **said,
        )

    def read(self, node: Any, leave_out: Any = None) -> None:
        """Note what a tree reads; ``leave_out`` is the part that names what it writes."""
        self._count(node)
        self._walk(node, frozenset(), leave_out)

    def _count(self, node: Any) -> None:
        """Parameters without a name are numbered as they stand in the text."""
        from sqlglot import exp

        number = 0
        for one in node.find_all(exp.Placeholder, bfs=False):
            if not one.args.get("this"):
                number += 1
                one.set("this", str(number))

    def _walk(self, node: Any, known: frozenset[str], leave_out: Any) -> None:
        from sqlglot import exp

        if node is leave_out:
            return
        with_ = node.args.get("with_") or node.args.get("with")
        if with_ is not None:
            recursive = bool(with_.args.get("recursive"))
            for cte in with_.expressions:
                own = frozenset((cte.alias.lower(),))
                written = None
                if isinstance(cte.this, (exp.Insert, exp.Update, exp.Delete, exp.Merge)):
                    written = _table_name(cte.this.this)
                    if written is None:
                        self.unknown = "what a statement inside WITH writes is not known"
                    else:
                        self.inside.append(Statement(cte.this.key.upper(), target=written))
                # What is inserted is not read; the rows that are changed or deleted are given back.
                added = cte.this.this if isinstance(cte.this, exp.Insert) else leave_out
                self._walk(cte.this, known | own if recursive else known, added)
                known |= own
        if isinstance(node, exp.Table):
            self._table(node, known)
        elif isinstance(node, exp.Reference):
            return  # of a foreign key
        elif isinstance(node, exp.Anonymous) and node.name:
            self.functions[node.name.lower()] = None
        for name, value in node.args.items():
            if name in ("with_", "with"):
                continue
            if isinstance(node, exp.Table) and name == "this" and not isinstance(value, exp.Func):
                continue
            for item in value if isinstance(value, list) else (value,):
                if isinstance(item, exp.Expression):
                    self._walk(item, known, leave_out)

    def _table(self, node: Any, known: frozenset[str]) -> None:
        from sqlglot import exp

        this = node.this
        if isinstance(this, exp.Identifier):
            parts = tuple(map(_part, node.parts))
            if len(parts) > 1 or parts[0].lower() not in known:
                self.names[parts] = None
            return
        if not isinstance(this, exp.Func):
            return
        name = this.name if isinstance(this, exp.Anonymous) else this.sql_name()
        arguments = [
            one
            for one in (this.args.get("this"), *this.expressions)
            if isinstance(one, exp.Expression)
        ]
        if self.dialect == "duckdb" and _READERS.fullmatch(name) and arguments:
            for one in _listed(arguments[0]):
                self._file(_files(one, name))
        elif self.dialect == "duckdb" and name.lower() == "query_table" and _are_texts(arguments):
            for one in _listed(arguments[0]):
                if len(parts := name_of(one.name)) > 1 or parts[0].lower() not in known:
                    self.names[parts] = None
        elif self.dialect == "duckdb" and name.lower() == "query" and _are_texts(arguments[:1]):
            self._also(arguments[0].name)
        elif name.lower() in _DATABASES and len(arguments) > 1:
            found = _files(arguments[0], name)
            self._file(replace(found, database=_DATABASES[name.lower()], table=arguments[1].name))
        elif not _PURE.fullmatch(name):
            self.unread[name] = None

    def _also(self, text: str) -> None:
        """What the query in a text reads."""
        for one in statements(text, self.dialect):
            self.names.update(dict.fromkeys(one.reads))
            self.files.update(dict.fromkeys(one.files))
            self.functions.update(dict.fromkeys(one.functions))
            self.unknown = self.unknown or one.unknown

    def _file(self, found: Files) -> None:
        if found.pattern is None and found.parameter is None:
            self.unknown = "the name of a file is computed"
        else:
            self.files[found] = None


def _listed(node: Any) -> list[Any]:
    """The items of a list, or the one that is none."""
    from sqlglot import exp

    return list(node.expressions) if isinstance(node, exp.Array) else [node]


def _are_texts(arguments: list[Any]) -> bool:
    from sqlglot import exp

    return bool(arguments) and all(
        isinstance(one, exp.Literal) and one.is_string for one in _listed(arguments[0])
    )


def _files(node: Any, function: str) -> Files:
    from sqlglot import exp

    if (isinstance(node, exp.Literal) and node.is_string) or isinstance(node, exp.Identifier):
        name = node.name
        return Files(name, columnar=is_columnar(name) or "parquet" in function.lower())
    columnar = "parquet" in function.lower()
    if isinstance(node, (exp.Placeholder, exp.Parameter)):
        return Files(None, parameter=str(node.name or node.this), columnar=columnar)
    return Files(None)


def is_columnar(name: str) -> bool:
    """Whether of a file of this name only the needed columns are read."""
    return name.lower().endswith((".parquet", ".parq"))

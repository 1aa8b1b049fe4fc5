"""A statement of SQL: what it reads and writes, and the names in it."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Final

from otelprov._record import record
from otelprov.statements import later

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
    header: str | None = None
    """For a CSV file whose first line names the columns, as the statement says: what stands between
    them, and nothing where it does not say that."""


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
    "CREATE DROP ALTER RENAME ATTACH DETACH USE SET RESET PRAGMA CALL IMPORT ROLLBACK LOAD "
    "UNKNOWN".split()
)
_NAMELESS: Final = frozenset(("CREATE INDEX", "CREATE SECRET", "CREATE SEQUENCE", "CREATE TYPE"))
# Statements that read and write no data; PRAGMA and CALL only as far as anybody knows.
CONTROL: Final = frozenset(
    "BEGIN START COMMIT END ROLLBACK ABORT SET RESET PRAGMA EXPLAIN DEALLOCATE ATTACH DETACH USE "
    "LOAD INSTALL FORCE UPDATE_EXTENSIONS VACUUM ANALYZE CHECKPOINT DROP COMMENT SHOW SAVEPOINT "
    "RELEASE LISTEN UNLISTEN NOTIFY LOCK CLOSE MOVE DISCARD GRANT REVOKE REINDEX CLUSTER".split()
)
_ONE: Final = r"(?:\"[^\"]+\"|`[^`]+`|\[[^\]]+\]|\w+)"
NAMED: Final = rf"{_ONE}(?:\.{_ONE}){{0,2}}"
"""A name with up to two others in front."""
_PARTS: Final = later(r'"((?:[^"]|"")*)"|`([^`]*)`|\[([^\]]*)\]|([^\s".;`\[]+)')


UNPREPARED: Final = Statement(
    "EXECUTE", is_query=True, unknown="it was not seen how the statement was prepared"
)


def with_text(statement: Statement, text: str) -> Statement:
    """A view with its text; any other statement as it is."""
    return replace(statement, text=text) if statement.is_view else statement


def name_of(text: str) -> Name:
    """The parts of a name in SQL."""
    return tuple(
        match[1].replace('""', '"') if match[1] is not None else match[match.lastindex or 0]
        for match in _PARTS.finditer(text)
    )


def folded(name: str) -> Name:
    """The parts of a name of PostgreSQL's, in small letters where they are in no quotes."""
    return tuple(part if f'"{part}"' in name else part.lower() for part in name_of(name))

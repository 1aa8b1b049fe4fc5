"""What a name in a statement stands for: a table, a view, a file or a variable of the program's.

DuckDB looks for it in this order: what was registered on the connection and its temporary tables;
the tables and views of its databases; the variables of the caller; files. What its databases hold
is asked of a cursor of our own, which is closed at once: the connection's own result and
transaction are the program's. What only the connection sees (temporary tables, tables of an open
transaction) is known from the statements that made it.
"""

from __future__ import annotations

import os
import re
import uuid
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from types import FrameType
from typing import Any, Final

from otelprov._record import record
from otelprov.artifacts.locations import DATABASE_HEAD, database_in
from otelprov.artifacts.registry import Identity
from otelprov.instrumentation._statement import Name, Statement
from otelprov.instrumentation._statement_trees import is_columnar
from otelprov.instrumentation._statements import statements
from otelprov.recording import faults
from otelprov.recording.transactions import Transaction, Write
from otelprov.statements import later

MAX_VIEWS: Final = 20
"""Views that read views."""


@record
class Table:
    """A table of a database."""

    uri: str
    name: str
    columns: tuple[str, ...] | None = field(default=None, compare=False)
    """The names of its columns, where the database has said them."""
    by_macro: bool = field(default=False, compare=False)
    """Whether a macro reads it, whose name says nothing of it."""


@record(eq=False)
class Held:
    """An object of the program's: a data frame, an array."""

    value: Any
    name: str
    by_macro: bool = False


@record
class Place:
    """Files: a path, a URL or a pattern."""

    pattern: Any
    partial: bool
    """Whether only a part of what they hold may be read."""
    by_macro: bool = field(default=False, compare=False)
    header: str | None = field(default=None, compare=False)
    """As ``Files.header``."""


@record(eq=False)
class Made:
    """Rows that an operation made, and that lie in DuckDB's memory."""

    identity: Identity
    name: str = "result"


@record
class View:
    """A view: what it reads stands beside it."""

    name: Name
    """Database, schema and name."""
    text: str
    """The statement that made it."""


@record
class Unknown:
    """Something that is read, and of which nobody knows what it is."""

    reason: str


Read = Table | Held | Place | Made | View | Unknown
Reads = tuple[Read, ...]
_FOUND: Final = (Table, Held, Place)
"""What a macro may read by a name."""


def merged(*several: Iterable[Read]) -> Reads:
    """What all of them read, each once."""
    found: dict[object, Read] = {}
    for reads in several:
        for one in reads:
            key: object = one
            if isinstance(one, Held):
                key = id(one.value)
            elif isinstance(one, Made):
                key = id(one.identity)
            known = found.setdefault(key, one)
            if known is not one and isinstance(one, _FOUND) and one.by_macro:
                found[key] = one
    return tuple(found.values())


class Kept:
    """Something about objects of DuckDB's, as long as they live."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[weakref.ref[Any], Any]] = {}

    def get(self, value: object) -> Any:
        """What was kept of it, or None."""
        entry = self._found.get(id(value))
        return entry[1] if entry is not None and entry[0]() is value else None

    def keep(self, value: Any, said: Any) -> None:
        """Keep it until ``value`` is gone."""
        key = id(value)
        self._found[key] = (weakref.ref(value, partial(self._found.pop, key)), said)


# --- what a database holds ------------------------------------------------------------------------


@dataclass(slots=True)
class Names:
    """What a database and those attached to it hold, as a new connection sees it."""

    database: str = ""
    schema: str = "main"
    paths: dict[str, str] = field(default_factory=dict)
    """By name of a database: the first part of the URI of its tables."""
    tables: dict[Name, Name] = field(default_factory=dict)
    """By database, schema and name in lower case: as they are spelled."""
    columns: dict[Name, tuple[str, ...]] = field(default_factory=dict)
    """Of tables, by the same key."""
    views: dict[Name, str | Statement] = field(default_factory=dict)
    """Their statements."""
    own: set[str] = field(default_factory=set)
    """Names of DuckDB's own views."""
    complete: bool = False
    """Whether all that the databases hold is here."""
    variables: bool = True
    """Whether variables of the program's are looked for."""
    all_frames: bool = False

    def tables_in(self, database: str) -> list[Name]:
        """The tables of one of the databases, by its name in lower case, as they are spelled."""
        return [full for key, full in tuple(self.tables.items()) if key[0] == database]


_DATABASES: Final = "SELECT database_name, path, type FROM duckdb_databases() WHERE NOT internal"
_HELD: Final = (
    "SELECT database_name, schema_name, table_name, NULL, false FROM duckdb_tables()"
    " UNION ALL SELECT database_name, schema_name, view_name, sql, internal FROM duckdb_views()"
)
_COLUMNS: Final = (
    "SELECT database_name, schema_name, table_name, list(column_name ORDER BY column_index)"
    " FROM duckdb_columns() WHERE NOT internal GROUP BY ALL LIMIT 2000"
)
_MACROS: Final = (
    "SELECT function_name, function_type, macro_definition FROM duckdb_functions()"
    " WHERE NOT internal AND macro_definition IS NOT NULL"
)
_STANDS: Final = "SELECT current_database(), current_schema()"
_SETTINGS: Final = (
    "SELECT name, value FROM duckdb_settings()"
    " WHERE name IN ('python_enable_replacements', 'python_scan_all_frames')"
)


class Database:
    """What the connections of this process share that have the same database."""

    def __init__(self, uri: str = "") -> None:
        self.uri = uri
        """The first part of the URI of its tables; empty until it was asked."""
        self.makers: dict[str, str] = {}
        """By URI of a table: the last operation that wrote it here."""
        self.views: dict[Name, Reads] = {}
        """Views that were made of relations: they hold on to what those read."""
        self.macros: dict[str, tuple[Statement, ...]] = {}
        """By name in lower case: the queries that a macro stands for, made here or asked for."""
        self.macros_asked: bool = False
        self.names: Names | None = None

    def ask_macros(self, connection: Any) -> None:
        """Learn of the macros that were there before; there are none in memory only."""
        names = self.ask(connection)
        if self.macros_asked or all(":memory:" in path for path in names.paths.values()):
            return
        self.macros_asked = True
        try:
            cursor = connection.cursor()
            try:
                found = cursor.execute(_MACROS).fetchall()
            finally:
                cursor.close()
        except Exception as error:
            if faults.is_of_the_program(error):
                raise
            return
        for name, kind, body in found:
            text = body if kind == "table_macro" else f"SELECT {body}"
            known = self.macros.get(name.lower(), ())
            self.macros[name.lower()] = (*known, *statements(text))

    def ask(self, connection: Any) -> Names:
        """What it holds; asked anew when names may have changed."""
        if self.names is None:
            try:
                self.names = self._asked(connection)
            except Exception as error:
                if faults.is_of_the_program(error):
                    raise
                return Names()  # a connection that is closed, or gone
        return self.names

    def _asked(self, connection: Any) -> Names:
        names = Names()
        cursor = connection.cursor()
        try:
            names.database, names.schema = cursor.execute(_STANDS).fetchone()
            for name, value in cursor.execute(_SETTINGS).fetchall():
                said = str(value).lower() == "true"
                if name == "python_scan_all_frames":
                    names.all_frames = said
                else:
                    names.variables = said
            databases = cursor.execute(_DATABASES).fetchall()
            # To list what lies in a database elsewhere may ask the network.
            names.complete = all(kind == "duckdb" for _, _, kind in databases)
            for name, path, kind in databases:
                names.paths[name.lower()] = self.uri_of(name, path, kind, names)
            if names.complete:
                for database, schema, name, sql, internal in cursor.execute(_HELD).fetchall():
                    key = (database.lower(), schema.lower(), name.lower())
                    if internal:
                        names.own.add(name.lower())
                    elif sql is None:
                        names.tables[key] = (database, schema, name)
                    else:
                        names.views[key] = sql
                if names.tables:
                    for *full, columns in cursor.execute(_COLUMNS).fetchall():
                        key = (full[0].lower(), full[1].lower(), full[2].lower())
                        names.columns[key] = tuple(columns)
        finally:
            cursor.close()
        return names

    def uri_of(self, name: str, path: str | None, kind: str, names: Names) -> str:
        """The first part of the URI of the tables of a database that is attached."""
        if path is None or path == ":memory:":
            if not self.uri:
                self.uri = f"duckdb:///:memory:/{uuid.uuid4().hex[:16]}"
            return self.uri if name == names.database else f"{self.uri}/{name}"
        found = path
        if "://" not in path and kind in ("duckdb", "sqlite"):
            found = f"{kind}:///{os.path.abspath(path)}"
        elif "://" not in path:
            found = f"{kind}://{path}"
        if name == names.database and not self.uri:
            self.uri = found
        return found


# --- what a connection sees -----------------------------------------------------------------------


class Connection:
    """What is known of one connection."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.registered: dict[str, Any] = {}
        """By name in lower case: what ``register`` was given."""
        self.temporary: dict[str, Table | Statement] = {}
        """Temporary tables, and the statements of temporary views."""
        self.made: dict[str, Reads] = {}
        """Temporary views that were made of relations."""
        self.macros: dict[str, tuple[Statement, ...]] = {}
        """Temporary macros, as those of the database."""
        self.prepared: dict[str, Statement] = {}
        self.stands: tuple[str, str] | None = None
        """Database and schema, where the program has chosen them."""
        self.open: dict[str, str] | None = None
        """While a transaction goes on: by URI of a table, who wrote it last in that."""
        self._transaction = Transaction()
        self._end: weakref.finalize[Any, Any] | None = None
        self.result: Identity | None = None
        """The rows of the last statement, until they are fetched."""
        self.fetched = 0
        """How many times some of them were."""
        self.rows_of: dict[str, object] = {}
        """By URI of a table: where in the program a row was written into it last."""
        self.token = uuid.uuid4().hex[:16]

    def wrote(self, uri: str, operation: str) -> None:
        """An operation has written a table."""
        (self.database.makers if self.open is None else self.open)[uri] = operation

    def maker(self, uri: str) -> str | None:
        """The last operation that wrote a table, as the connection sees it."""
        own = self.open.get(uri) if self.open else None
        return own or self.database.makers.get(uri)

    def waits(self, write: Write, handle: Any) -> None:
        """Something was written that is there when the open transaction is committed."""
        self._transaction.wrote(write)
        if self._end is None and handle is not None and self not in _default:
            # DuckDB takes it back when it closes the connection.
            self._end = weakref.finalize(handle, self._transaction.undone, "not committed")

    def control(self, operation: str) -> None:
        """A transaction begins, or is over."""
        if operation in ("BEGIN", "START"):
            self._transaction.undone("unknown")  # there is none, or DuckDB would have refused it
            self.open = {}
        elif operation in ("COMMIT", "END"):
            self.database.makers.update(self.open or {})
            self.open = None
            self._transaction.committed()
        elif operation in ("ROLLBACK", "ABORT"):
            self.open = None
            self.database.names = None
            self._transaction.undone()


class Resolver:
    """Says of names what they stand for, for one call."""

    def __init__(
        self,
        connection: Connection,
        handle: Any,
        frame: FrameType | None,
        parameters: object = None,
    ) -> None:
        """``handle`` is DuckDB's connection, ``parameters`` are those of the statement; ``frame``
        is where variables are looked for."""
        self.connection = connection
        self.handle = handle
        self.frame = frame
        self.parameters = parameters
        self.here: dict[str, Reads] = {}
        """Names that hold for this call only."""
        self.made: dict[Name, Reads] = {}
        """Tables and views that this call has made so far, by their full names in lower case."""
        self.macros: dict[str, tuple[Statement, ...]] = {}
        """And the macros."""
        self.prepared: dict[str, Statement] = {}
        """And what it has prepared."""
        self.written: dict[str, None] = {}
        """URIs of the tables that this call has made itself."""
        self.writers: dict[str, str] = {}
        """And the operations that write them, by URI."""
        self.from_variables: set[int] = set()
        """Objects that were found among the caller's variables, by their ``id``."""
        self.chosen: tuple[str, str] | None = None
        """Database and schema, where this call has chosen them so far."""
        self._attached: dict[str, str] = {}

    def maker(self, uri: str) -> str | None:
        """The last operation that wrote a table, as the statement sees it."""
        return self.writers.get(uri) or self.connection.maker(uri)

    @property
    def names(self) -> Names:
        """What the database holds."""
        names = self.connection.database.ask(self.handle)
        if self._attached and not self._attached.keys() <= names.paths.keys():
            return replace(names, paths={**names.paths, **self._attached}, complete=False)
        return names

    def go_on(self, statement: Statement) -> None:
        """A statement of this call comes first that makes names mean something else."""
        subject = statement.subject
        if statement.is_view and statement.target and not self.is_kept(statement):
            self.makes(statement, self._view(statement, 0))
        if not subject:
            return
        if statement.operation == "CREATE MACRO":
            if not self.is_kept(statement):
                self.macros[subject[-1].lower()] = statement.inner
        elif statement.operation == "DROP":
            self.here.pop(subject[-1].lower(), None)
            for full in self._candidates(subject, self.names):
                self.made.pop(full, None)
        elif statement.operation == "ATTACH":
            (file,) = statement.files
            names, path = self.names, str(file.pattern)
            kind = file.database or ("sqlite" if _is_sqlite(path) else "duckdb")
            uri = self.connection.database.uri_of(subject[0], path, kind, names)
            self._attached[subject[0].lower()] = uri
        elif statement.operation in ("USE", "SET"):
            self.chosen = self.choice(subject)

    def is_kept(self, statement: Statement) -> bool:
        """Whether a view or macro is there already that is only made where there is none."""
        name = statement.target or statement.subject
        if not statement.only_new or not name:
            return False
        if statement.operation == "CREATE MACRO":
            return bool(self._macro(name[-1]))
        key, names = name[-1].lower(), self.names
        if statement.temporary or name[0].lower() == "temp":
            return key in self.here or key in self.connection.temporary
        full = self._key(name)
        views = self.connection.database.views
        return any(full in known for known in (self.made, views, names.views, names.tables))

    def _key(self, name: Name) -> Name:
        """The full name of what is to be made, in lower case."""
        database, schema, last = self.full(name)
        return database.lower(), schema.lower(), last.lower()

    def makes(self, statement: Statement, reads: Reads) -> None:
        """A statement of this call makes a table or view; ``reads`` is what reads of it read."""
        name = statement.target
        assert name is not None
        if statement.temporary or name[0].lower() == "temp":
            self.here[name[-1].lower()] = reads
        else:
            self.made[self._key(name)] = reads

    def begin_again(self) -> None:
        """What the statements of this call have made is to be learnt, one after the other."""
        self.chosen = None
        for names in (self.here, self.made, self.macros):
            names.clear()

    def choice(self, name: Name) -> tuple[str, str] | None:
        """The database and schema that ``USE`` chooses by a name."""
        names = self.names
        if len(name) == 2:
            return name[0].lower(), name[1].lower()
        if len(name) != 1:
            return None
        if name[0].lower() in names.paths:
            return name[0].lower(), "main"
        return self._stands(names)[0], name[0].lower()

    def forget(self, name: Name) -> None:
        """A table or view of the database is gone. What an open transaction has made beside it is
        not seen by who asks the database anew."""
        names, views = self.names, self.connection.database.views
        for full in self._candidates(name, names):
            if full in views or full in names.views or full in names.tables:
                for known in (views, names.views, names.tables, names.columns):
                    known.pop(full, None)
                return
        self.connection.database.names = None

    def reads(self, statement: Statement) -> Reads:
        """What a statement reads."""
        return self._statement(statement, 0, whole=statement.whole)

    def all_of(self, statement: Statement) -> Reads:
        """The tables of a database that is copied as a whole."""
        names = self.names
        if not names.complete:
            return (Unknown(statement.unknown),)
        database = (statement.subject or self._stands(names))[0].lower()
        return tuple(self._table(full, names) for full in names.tables_in(database))

    def copies(self, statement: Statement) -> list[Statement]:
        """The copies of tables that ``COPY FROM DATABASE`` makes; none where nobody can tell."""
        names = self.names
        source, target = statement.subject or ("", "")
        if not names.complete or target.lower() not in names.paths:
            return []
        return [
            Statement("COPY", reads=(full,), target=(target, *full[1:]), replaces=True, whole=True)
            for full in names.tables_in(source.lower())
        ]

    def read(
        self, name: Name, *, whole: bool = False, depth: int = 0, home: Name | None = None
    ) -> Reads:
        """What a name stands for; ``home`` is the database and schema of the view that has it."""
        if not name:
            return ()
        key = name[-1].lower()
        if len(name) == 1 or name[0].lower() == "temp":
            found = self._on_connection(key, depth)
            if found is not None:
                return found
        names = self.names
        for full in self._candidates(name, names, home):
            if full in self.made:
                return self.made[full]
            if full in self.connection.database.views:
                return self.connection.database.views[full]
            if full in names.views:
                return self._view(names.views[full], depth, full[:2])
            if full in names.tables:
                return (self._table(names.tables[full], names),)
        if len(name) == 1:
            if key in names.own:
                return ()
            found = self._variable(name[0], names)
            if found is not None:
                return found
        if len(name) == 1 and _FILE.search(name[0]):
            return (Place(name[0], is_columnar(name[0]) and not whole),)
        if name[-2:-1] and name[-2].lower() in ("information_schema", "pg_catalog"):
            return ()
        if len(name) > 1 and not names.complete and name[0].lower() in names.paths:
            return (self._table(self.full(name), names),)
        return (Unknown(f"nothing is known of the name {name[-1]}"),)

    def _on_connection(self, key: str, depth: int) -> Reads | None:
        connection = self.connection
        if key in self.here:
            return self.here[key]
        if key in connection.registered:
            return self.of(connection.registered[key], key)
        if key in connection.made:
            return connection.made[key]
        temporary = connection.temporary.get(key)
        if isinstance(temporary, Table):
            return (temporary,)
        return self._view(temporary, depth) if temporary is not None else None

    def _view(self, view: str | Statement, depth: int, home: Name | None = None) -> Reads:
        found = (view,) if isinstance(view, Statement) else statements(view)
        if not found:
            return ()
        if depth > MAX_VIEWS:
            return (Unknown("views that read views"),)
        if (found[-1].unknown and not found[-1].unread) or not found[-1].is_view:
            return (Unknown("the statement of a view could not be read"),)
        reads = self._statement(found[-1], depth, home)
        name = found[-1].target
        if not name or not found[-1].text:
            return reads
        full = (*home, name[-1]) if home is not None else self._key(name)
        return merged((View(full, found[-1].text),), reads)

    def _statement(
        self, statement: Statement, depth: int, home: Name | None = None, *, whole: bool = False
    ) -> Reads:
        found = [self._files(one, statement) for one in statement.files]
        found += [
            self.read(name, whole=whole, depth=depth + 1, home=home) for name in statement.reads
        ]
        for body in (body for name in statement.functions for body in self._macro(name)):
            by_macro = (
                self._statement(body, depth + 1)
                if depth <= MAX_VIEWS
                else (Unknown("macros that use macros"),)
            )
            found.append(
                tuple(
                    replace(one, by_macro=True) if isinstance(one, _FOUND) else one
                    for one in by_macro
                )
            )
        reason = statement.unknown
        if statement.unread:
            unread = [name for name in statement.unread if not self._macro(name)]
            reason = f"what the function {unread[0]} reads is not known" if unread else ""
        if reason:
            found.append((Unknown(reason),))
        return merged(*found)

    def _macro(self, name: str) -> tuple[Statement, ...]:
        """The queries that a macro stands for; none where there is no such macro."""
        key, database = name.lower(), self.connection.database
        found = self.macros.get(key)
        found = found or self.connection.macros.get(key) or database.macros.get(key)
        if found is None:
            database.ask_macros(self.handle)
            found = database.macros.get(key)
        return found or ()

    def of(self, value: Any, name: str) -> Reads:
        """What is read of an object of the program's: of a relation, what that reads."""
        plan = plans.get(value)
        if plan is not None:
            return plan.reads  # type: ignore[no-any-return]
        return (Held(value, name),)

    def _candidates(self, name: Name, names: Names, home: Name | None = None) -> Iterator[Name]:
        """The full names that a name may stand for, in DuckDB's order, in lower case."""
        parts = tuple(part.lower() for part in name)
        if home is not None and len(parts) < 3:
            yield (*home[: 3 - len(parts)], *parts)
        database, schema = self._stands(names)
        if len(parts) == 3:
            yield parts
        elif len(parts) == 2:
            yield database, *parts
            yield parts[0], "main", parts[1]
        else:
            yield database, schema, *parts
            yield database, "main", *parts
            yield names.database.lower(), "main", *parts

    def _stands(self, names: Names) -> tuple[str, str]:
        chosen = self.chosen or self.connection.stands
        return chosen or (names.database.lower(), names.schema.lower())

    def full(self, name: Name) -> Name:
        """Database, schema and name of a table that is to be written."""
        names = self.names
        for full in self._candidates(name, names):
            if full in names.tables:
                return names.tables[full]
        database, schema = self._stands(names)
        if len(name) == 3:
            return name
        if len(name) == 2:
            if name[0].lower() in names.paths:
                return name[0], "main", name[1]
            return database, name[0], name[1]
        return database, schema, name[0]

    def target(self, statement: Statement) -> Table | None:
        """The table that a statement writes."""
        name = statement.target
        if not name:
            return None
        key = name[-1].lower()
        if statement.temporary or name[0].lower() == "temp":
            return self.temporary(name[-1])
        if len(name) == 1 and not statement.operation.startswith("CREATE"):
            temporary = self.temporary(name[-1])
            if temporary in self.here.get(key, ()):
                return temporary
            known = self.connection.temporary.get(key)
            if isinstance(known, Table):
                return known
        return self._table(self.full(name), self.names)

    def uri_of(self, full: Name) -> str:
        """Of a table, by its full name."""
        return self._table(full, self.names).uri

    def default(self, name: str) -> Table:
        """The table that a name stands for where nothing is known of it."""
        return self._table(self.full((name,)), self.names)

    def temporary(self, name: str) -> Table:
        """A temporary table of the connection."""
        return Table(f"duckdb:///:temp:/{self.connection.token}#{name}", name)

    def _table(self, full: Name, names: Names) -> Table:
        database, schema, name = full
        uri = names.paths.get(database.lower()) or f"{self.connection.database.uri}/{database}"
        named = name if uri.startswith("sqlite:") else f"{schema}.{name}"
        key = (database.lower(), schema.lower(), name.lower())
        return Table(f"{uri}#{named}", name, names.columns.get(key))

    def exists(self, table: Table) -> bool:
        """Whether the database has a table, or this call has made it before."""
        names = self.names
        return (
            table.uri in self.written
            or table in self.connection.temporary.values()
            or any(
                self._table(full, names).uri == table.uri for full in tuple(names.tables.values())
            )
        )

    def _variable(self, name: str, names: Names) -> Reads | None:
        if not names.variables:
            return None
        frame: FrameType | None = self.frame
        while frame is not None:
            for variables in (frame.f_locals, frame.f_globals):
                if name in variables:
                    value = variables[name]
                    if not is_data(value):
                        return ()  # which is an error
                    found = self.of(value, name)
                    self.from_variables.update(
                        id(one.value) for one in found if isinstance(one, Held)
                    )
                    return found
            frame = frame.f_back if names.all_frames else None
        return None

    def _files(self, files: Any, statement: Statement) -> Reads:
        pattern = files.pattern
        if pattern is None:
            pattern = self._parameter(files.parameter)
        if not isinstance(pattern, (str, os.PathLike, list)):
            return (Unknown("the name of a file is a parameter"),)
        if files.database is not None:
            uri = f"{files.database}:///{os.path.abspath(str(pattern))}"
            return (Table(f"{uri}#{files.table}", files.table),)
        patterns = pattern if isinstance(pattern, list) else [pattern]
        partial_ = files.columnar and not statement.whole
        return tuple(Place(one, partial_, header=files.header) for one in patterns)

    def place(self, files: Any) -> str | None:
        """The file that a statement writes."""
        pattern = files.pattern if files.pattern is not None else self._parameter(files.parameter)
        return pattern if isinstance(pattern, str) else None

    def _parameter(self, name: str | None) -> Any:
        given: Any = self.parameters
        try:
            if isinstance(given, dict):
                return given.get(name)
            return given[int(name or "") - 1]
        except (TypeError, ValueError, LookupError):
            return None


def _is_sqlite(path: str) -> bool:
    """Whether DuckDB takes a file for a database of SQLite's."""
    try:
        with open(path, "rb") as file:
            return database_in(file.read(DATABASE_HEAD)) == "sqlite"
    except (OSError, ValueError):
        return False


_FILE: Final = later(
    r"\.(parquet|parq|csv|tsv|txt|json|jsonl|ndjson|geojson|xlsx|avro|arrows?|ipc|feather|db|duckdb"
    r"|sqlite)(\.(gz|gzip|zst|bz2|xz|lz4))?\Z|[/*]",
    re.IGNORECASE,
)


def is_data(value: Any) -> bool:
    """Whether DuckDB reads an object as a table."""
    if isinstance(value, (list, dict)):
        return True
    for base in type(value).__mro__:
        library, name = base.__module__.partition(".")[0], base.__name__
        if (library in ("pandas", "polars", "pyarrow", "numpy")) or name == "DuckDBPyRelation":
            return True
    return hasattr(type(value), "__arrow_c_stream__") or hasattr(type(value), "__arrow_c_array__")


# --- relations ------------------------------------------------------------------------------------


class Plan:
    """What a relation reads when it is run."""

    __slots__ = ("_handle", "connection", "reads", "rows_taken")

    def __init__(self, reads: Reads, connection: Connection, handle: Any) -> None:
        self.reads = reads
        self.connection = connection
        # A connection that the program lets go of is not to stay open for us.
        self._handle = weakref.ref(handle) if handle is not None else None
        self.rows_taken = False
        """Whether its rows are being fetched one by one."""

    @property
    def handle(self) -> Any:
        """DuckDB's connection; None where it is gone."""
        return self._handle() if self._handle is not None else None

    def then(self, *reads: Reads) -> Plan:
        """That of a relation that is made of it, which reads this."""
        return Plan(merged(*reads), self.connection, self.handle)


plans: Final = Kept()
"""Of relations."""
connections: Final = Kept()
"""Of connections."""
_databases: Final[dict[str, Database]] = {}


def connection_of(handle: Any) -> Connection:
    """What is known of DuckDB's connection."""
    known: Connection | None = connections.get(handle)
    if known is None:
        known = Connection(Database())
        known.database.ask(handle)
        uri = known.database.uri
        if not uri.startswith("duckdb:///:memory:"):
            # What was known of it may be old: another process may have had it in between.
            found = _databases.setdefault(uri, known.database)
            found.names, known.database = known.database.names, found
        connections.keep(handle, known)
    return known


def moved(source: str, target: str, operation: str) -> list[tuple[str, str, str | None]]:
    """A database file was copied or moved by an operation: of each table that is known of it what
    follows in its URI, its name and who wrote it last."""
    known = _databases.get(source)
    copy = _databases.get(target)
    if copy is not None:  # whatever it was before
        copy.names, copy.macros_asked = None, False
        for held in (copy.makers, copy.views, copy.macros):
            held.clear()
    if known is None:
        return []
    names = known.names
    uris = dict.fromkeys(known.makers)
    if names is not None and names.complete:
        full = [one for one in names.tables.values() if names.paths.get(one[0].lower()) == source]
        uris = dict.fromkeys(f"{source}#{schema}.{name}" for _, schema, name in full)
    copy = _databases.setdefault(target, Database(target))
    found = []
    for uri in uris:
        if uri.startswith(f"{source}#"):
            rest = uri[len(source) :]
            copy.makers[target + rest] = operation
            found.append((rest, rest.rpartition(".")[2], known.makers.get(uri)))
    return found


def opened(handle: Any, database: Any) -> None:
    """A connection was opened: nothing is asked of it before a name has to be known."""
    if not isinstance(database, (str, os.PathLike)):
        return
    name = os.fspath(database)
    if name in ("", ":memory:"):
        connections.keep(handle, Connection(Database()))
    elif name.startswith(":memory:"):  # others may have the same
        connections.keep(handle, Connection(_databases.setdefault(name, Database())))
    elif isinstance(name, str) and ":" not in name:
        found = _databases.setdefault(f"duckdb:///{os.path.abspath(name)}", Database())
        found.names = None  # another process may have had it in between
        connections.keep(handle, Connection(found))


_default: Final[list[Connection]] = []


def default(handle: Any) -> None:
    """``handle`` is the connection of the module's own functions. DuckDB gives another object for
    it once nobody holds the last: what is known of the connection is not to be gone with that."""
    if connections.get(handle) is None and _default:
        connections.keep(handle, _default[0])
    _default[:] = [connection_of(handle)]


def default_chosen(handle: Any) -> None:
    """The program has chosen the connection of the module's own functions."""
    _default[:] = [connection_of(handle)]


def another(handle: Any, made: Any) -> None:
    """A cursor of a connection: another connection to the same database."""
    connections.keep(made, Connection(connection_of(handle).database))

"""Databases that are asked in SQL: where a table is, and what a connection knows of its names.

A table is known by its name: the database, its schema and the table. No database that is recorded
here gives its tables versions, so what a table holds is not part of its id. Which table a name
stands for is looked up where PostgreSQL's search path decides it, and known from the statements
that were seen where a table is temporary.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from weakref import WeakValueDictionary

from otelprov import semconv
from otelprov._record import record
from otelprov.artifacts.locations import named, without_credentials
from otelprov.instrumentation._attached import attachments, detachments
from otelprov.instrumentation._statement import UNPREPARED, Name, Statement
from otelprov.instrumentation._statement_trees import UNPARSED
from otelprov.instrumentation._statements import MAX_KEPT, statements
from otelprov.model import Artifact
from otelprov.recording import faults
from otelprov.recording.policy import shorten
from otelprov.recording.transactions import Transaction
from otelprov.statements import DIALECTS, later, mask_literals, views_said

Ask = Callable[[str], list[Any]]
"""Asks the database a question of ours, and gives the rows of the answer."""

MAX_VIEWS: Final = 20
"""Views that read views."""
MAX_TABLES: Final = 4_096
"""Tables whose artifacts are at hand."""
MAX_DATABASES: Final = 1_024
"""Databases of which it is kept what was seen of them when nothing is connected to them."""
MAX_PLANS: Final = 256
"""Texts of which a connection keeps what they read and write."""
MAX_IDLE: Final = 500
"""Characters of a statement that may be one to pass by."""
MAX_SHOWN: Final = 8_000
"""Characters of a statement that are looked at for what is in them."""
MAX_STATEMENT: Final = 1_900
"""Characters of a statement that a span shows."""

_SYSTEMS: Final = {"mssql": "microsoft.sql_server", "oracle": "oracle.db"}
"""SQLAlchemy's names of databases as OpenTelemetry has them, where they are others."""
_PORTS: Final = {"mysql": 3306, "mariadb": 3306}
"""Where a driver always says a port, and a URL may not."""
_MEMORY: Final = "sqlite:///:memory:/"
_TEMPORARY: Final = ":///:temp:/"
"""Behind the system, in the URI of a table that one connection has."""
_OWN_TABLES: Final = frozenset(
    "sqlite_master sqlite_schema sqlite_temp_master sqlite_temp_schema sqlite_sequence".split()
)
_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})
_OWN_SCHEMAS: Final = frozenset(("pg_catalog", "information_schema", "pg_toast"))


@record
class Place:
    """A database."""

    system: str
    """As ``db.system.name`` has it."""
    uri: str
    """Without credentials; the first part of the URIs of its tables."""
    namespace: str = ""
    dialect: str = ""
    """As sqlglot names it."""


@record
class Table:
    """A table of a database."""

    uri: str
    name: str
    part_of: str = ""
    """The schema and name of the table that is read, where that reads this one, too."""

    def artifact(self, maker: str | None = None) -> Artifact:
        """The table, by its name; with the operation that was seen to write it last."""
        found = _artifact(self.uri, self.name)
        if maker is None:
            return found
        # Nobody asks for an earlier write again: a program that writes on and on keeps one of each.
        last = _written.get(found.id)
        if last is None or last.maker != maker or last.name != found.name:
            if len(_written) >= MAX_TABLES:
                _written.clear()
            last = _written[found.id] = replace(found, maker=maker)
        return last


_written: Final[dict[str, Artifact]] = {}
"""Tables as their last write has left them, by id."""


@lru_cache(maxsize=MAX_TABLES)
def _artifact(uri: str, name: str) -> Artifact:
    return named(uri, "identified by name only", name)


Held = list[tuple[str, str, str]]
"""What a file of SQLite's holds: of each table and view what it is, its name and its statement."""

Read = Table | str
"""What is read: a table, or why it is not known."""


# --- where a database is --------------------------------------------------------------------------


def sqlite_place(path: str | None) -> Place:
    """Of a database of SQLite's: its file, or memory that nobody else has."""
    if not path:
        return Place("sqlite", f"{_MEMORY}{uuid.uuid4().hex[:16]}", dialect="sqlite")
    return Place("sqlite", f"sqlite:///{path}", os.path.basename(path), "sqlite")


def server_place(kind: str, host: str | None, port: Any, database: str | None) -> Place:
    """Of a database of a server, as the connection names that."""
    system = _SYSTEMS.get(kind, kind)
    port = port or _PORTS.get(kind)
    authority = quote(host or "localhost", safe=":[]") + (f":{port}" if port else "")
    uri = f"{system}://{authority}/{quote(database or '', safe='')}"
    return Place(system, uri, database or "", DIALECTS.get(kind, ""))


def place_of_url(url: Any) -> Place:
    """Of one of SQLAlchemy's URLs."""
    kind = str(url.get_backend_name())
    if kind == "sqlite":
        return sqlite_place(sqlite_path(url.database))
    return server_place(kind, url.host, url.port, url.database)


def sqlite_path(name: str | None) -> str | None:
    """The file that SQLite opens for a name or a ``file:`` URI; None for memory."""
    if not name or name == ":memory:":
        return None
    if name.startswith("file:"):
        parts = urlsplit(name)
        if "mode=memory" in parts.query or parts.path in ("", ":memory:"):
            return None
        name = parts.path
    return os.path.realpath(name)


def place_of_driver(driver: Any) -> Place | None:
    """Of a connection of psycopg's, by what libpq knows of it."""
    info: Any = getattr(driver, "info", None)
    if not isinstance(getattr(info, "dbname", None), str):  # another driver, or a mock in a test
        return None
    return server_place("postgresql", info.host, info.port, info.dbname)


def can_answer(driver: Any) -> bool:
    """Whether the server of a connection of psycopg's is a PostgreSQL that knows ``to_regclass``:
    others speak the same protocol, Redshift as version 8."""
    info = driver.info
    return info.parameter_status("crdb_version") is None and int(info.server_version) >= 90600


def place_of_libpq(text: str, database: str | None = None) -> Place | None:
    """Of a text that PostgreSQL's libpq connects by, with what it takes where that does not say it;
    None where it is not known which server that is. ``database`` is its name, where it was asked.
    """
    if "://" in text:
        parts = urlsplit(without_credentials(text))
        server = _SERVER.fullmatch(parts.netloc)
        if server is None:  # several, of which one answers
            return None
        asked = {"host": unquote(server[1]).strip("[]"), "port": server[2]}
        asked |= {"dbname": unquote(parts.path[1:])} | dict(parse_qsl(parts.query))
    else:
        asked = {one[1]: one[2] or one[3] for one in _SETTING.finditer(text)}
    host = asked.get("host") or os.environ.get("PGHOST")
    port = asked.get("port") or os.environ.get("PGPORT") or "5432"
    database = database or asked.get("dbname") or os.environ.get("PGDATABASE")
    if not database or "service" in asked or "," in f"{host}{port}":
        return None
    return server_place("postgresql", host, port, database)


_SERVER: Final = later(r"([^:,\[\]]*|\[[^\]]*\])(?::(\d*))?")
_SETTING: Final = later(r"(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S*))")


def place_of_text(name: str) -> Place:
    """Of the text of a URL, for a connection that nothing else is known of."""
    uri = name if "://" in name else f"database://{name}"
    scheme, _, rest = without_credentials(uri).partition("://")
    kind = scheme.partition("+")[0]
    if kind == "sqlite":
        return sqlite_place(sqlite_path(rest.partition("?")[0].removeprefix("/")))
    if kind in _PORTS and (server := _SERVER.fullmatch(rest.partition("/")[0])) is not None:
        return server_place(kind, server[1], server[2], urlsplit(uri).path[1:])
    kind = "postgresql" if kind == "postgres" else kind
    uri = f"{_SYSTEMS.get(kind, kind)}://{rest.partition('?')[0]}"
    return Place(_SYSTEMS.get(kind, kind), uri, uri.rpartition("/")[2], DIALECTS.get(kind, ""))


# --- what is known of it --------------------------------------------------------------------------


@record(eq=False)
class Plan:
    """What a text of statements reads and writes, as the names on a connection are now."""

    reads: list[Read]
    writes: list[tuple[Table, Statement]]
    facts: dict[str, str | list[str]]
    """What a span says of it."""
    changes: int
    """``_Known.changes`` at that time."""


class _Known:
    """What the connections of this process have shown of one database."""

    def __init__(self) -> None:
        self.changes = 0
        """How often its names have changed here."""
        self.makers: dict[str, str] = {}
        """By URI of a table: the last operation that wrote it here."""
        self.views: dict[str, Statement] = {}
        """By URI: views that were made here."""
        self.place: Place | None = None
        """Of memory that several connections have."""


_databases: Final[dict[str, _Known]] = {}


def _forget_makers() -> None:
    """In a forked child: others may write while it does, and it sees nothing of that."""
    for known in (*_databases.values(), *_shared.values()):
        known.makers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_makers)


def _known_of(place: Place) -> _Known:
    if place.uri.startswith(_MEMORY):
        return _Known()  # no other connection has it
    found = _databases.get(place.uri)
    if found is None:
        if len(_databases) >= MAX_DATABASES:
            with suppress(KeyError, RuntimeError):  # another thread does so, too
                del _databases[next(iter(_databases))]
        found = _databases.setdefault(place.uri, _Known())
    return found


def makers_of(place: Place) -> dict[str, str]:
    """By URI of a table: the last operation that wrote it here."""
    return _known_of(place).makers


_shared: Final[WeakValueDictionary[str, _Known]] = WeakValueDictionary()
"""Memory that several connections have, by its name, as long as one of them has it."""


def _shared_memory(name: object) -> str | None:
    """What ``cache=shared`` calls the memory that a name stands for; None for a file, or where
    only one connection has it."""
    if not isinstance(name, str) or not name.startswith("file:") or sqlite_path(name):
        return None
    parts = urlsplit(name)
    return parts.path if "cache=shared" in parts.query else None


class Connection:
    """What is known of one connection to a database."""

    def __init__(
        self, place: Place, *, asks: bool = False, default_schema: str | None = None
    ) -> None:
        """``asks`` where PostgreSQL can be asked what a name stands for."""
        self.place = place
        self.known = _known_of(place)
        self.transaction = Transaction()
        self.asks = asks
        self.default_schema = default_schema
        self.last: Any = None
        """The last write of the open transaction: one more of the same text may be part of it."""
        self.rows_of: dict[str, object] = {}
        """By URI of a table: where in the program a row was written into it last."""
        self.lookups: dict[str, Any] = {}
        """Queries that are asked again and again, by their text."""
        self._token = uuid.uuid4().hex[:16]
        self._temporary: set[str] = set()
        self._attached: dict[str, Place | None] = {}
        """Databases of SQLite's by the names of their schemas; None where that is not known."""
        self._others: dict[str, _Known] = {}
        """What is known of those, by URI."""
        self._made: dict[Name, str | None] = {}
        """Schemas and names of the tables that were made here, as they are spelled; None where one
        was dropped."""
        self._attaching: str | None = None
        """The text that is carried out, where what it attaches is attached here already."""
        self._unsure = False
        """Whether some of that may not be so any more."""
        self._schema_is_known = True
        self._for_now = False
        """Whether the search path may be another when the transaction is over."""
        self._names: dict[Name, Table | None] = {}
        self._last: dict[Name, Table | None] = {}
        """What the names meant before the last of them may have changed."""
        self._views: dict[Name, list[Read]] = {}
        self._stored: dict[Name, list[Read]] = {}
        """What the queries of materialized views read."""
        self._asked: list[Name] = []
        self.look: Callable[[str], Held | None] | None = None
        """Gives what a file of SQLite's holds, if all that is done on the connection is seen."""
        self._unseen: list[str] = []
        """Schemas of SQLite's whose views were not looked for yet."""
        self._plans: dict[str, Plan] = {}
        self._prepared: dict[str, Statement] = {}
        """By name: statements that are carried out by it."""
        self._viewed: dict[str, tuple[str, ...]] = {}
        """By URI: the views that a statement reads, the parts of the name and the statement."""
        self._created_in: str | None = None

    def shares(self, database: object) -> None:
        """The program has opened it by this name, which others may have, too."""
        name = _shared_memory(database)
        if name is None or not self.place.uri.startswith(_MEMORY):
            return
        known = _shared.setdefault(name, self.known)
        if known.place is None:
            known.place = self.place
        self.place, self.known = known.place, known

    def carried_out(self, statement: Statement) -> Statement:
        """What a statement does: of ``EXECUTE`` that which was prepared."""
        if statement.operation != "EXECUTE" or statement.subject is None:
            return statement
        return self._prepared.get(statement.subject[-1].lower(), UNPREPARED)

    # --- names ---

    def plan(self, text: str, found: tuple[Statement, ...]) -> Plan:
        """What the statements ``found`` of a text read and write."""
        plan = self._plans.get(text)
        if plan is None or plan.changes != self.known.changes:
            if len(self._plans) >= MAX_PLANS or plan is not None:
                self._plans.clear()
            self._look_ahead(text, found)
            plan = self._planned(text, found, {})
            if len(text) <= MAX_KEPT:
                self._plans[text] = plan
        return plan

    def plan_each(
        self, text: str, found: tuple[Statement, ...], texts: Iterable[str]
    ) -> list[Plan]:
        """What each of the statements of a text reads and writes; ``texts`` are theirs."""
        self._look_ahead(text, found)
        here: dict[Name, list[Read]] = {}
        return [self._planned(one, (each,), here) for each, one in zip(found, texts, strict=True)]

    def _look_ahead(self, text: str, found: tuple[Statement, ...]) -> None:
        if self.place.system == "sqlite" and any(one.operation == "ATTACH" for one in found):
            # Of several statements the first attach what the others name.
            self._attach(text, None)
            self._attaching = text

    def _planned(
        self, text: str, found: tuple[Statement, ...], here: dict[Name, list[Read]]
    ) -> Plan:
        """``here`` are the names that the statements before these have made."""
        reads: list[Read] = []
        writes: list[tuple[Table, Statement]] = []
        self._viewed.clear()
        for one in found:
            if not one.is_operation:
                self._go_on(one, here)
                continue
            if one.only_new and one.target and _plain_of(one.target) in here:
                continue
            if one.only_new and self.had(one.target) is not False:
                # Where the table was there, nothing is done.
                if one.reads and not self.had(one.target):
                    reads.append("whether IF NOT EXISTS did anything is not known")
                continue
            if (
                one.operation == "ALTER"
                and one.reads
                and one.reads[0][-1].lower() in self._temporary
            ):
                continue  # a temporary table gets another name
            made: list[Table | None] = [table for table, _ in writes]
            if one.operation == "REFRESH":
                made.append(self.target(one))
            reads += [read for read in self.reads(one, here) if read not in made]
            for writing in (*one.inside, one):
                made_here = _made_here(here, writing.target) if writing.target else None
                target = self.target(writing)
                if made_here and not writing.operation.startswith("CREATE"):
                    (first, *others) = made_here
                    target = first if isinstance(first, Table) and not others else target
                if target is not None and all(table != target for table, _ in writes):
                    writes.append((target, writing))
                elif target is None and writing.target and self.asks:
                    reads.append("the schema of the table that is written is not known")
                if target is not None and writing.target and writing.operation == "CREATE TABLE":
                    here[_plain_of(writing.target)] = [target]
        facts: dict[str, str | list[str]] = {semconv.DB_SYSTEM: self.place.system}
        if self.place.namespace:
            facts[semconv.DB_NAMESPACE] = self.place.namespace
        facts[semconv.DB_QUERY_TEXT] = shorten(mask_literals(bounded(text)), MAX_STATEMENT)
        operations = [one.operation for one in found if one.is_operation]
        if len(operations) == 1:
            facts[semconv.DB_OPERATION] = operations[0]
        tables = {one.uri: one for one in reads if isinstance(one, Table)}
        tables |= {table.uri: table for table, _ in writes}
        if len(tables) == 1:
            (table,) = tables.values()
            facts[semconv.DB_COLLECTION] = table.name
        if views := views_said(self._viewed.values(), MAX_STATEMENT):
            facts[semconv.QUERY_VIEWS] = views
        return Plan(reads, writes, facts, self.known.changes)

    def _go_on(self, statement: Statement, here: dict[Name, list[Read]]) -> None:
        """A statement of a text makes names mean something else to those after it."""
        if statement.is_view and statement.target:
            name = _plain_of(statement.target)
            there = name in here or self.had(statement.target) is not False
            if not (statement.only_new and there):
                here[name] = self.reads(statement, here)
        elif statement.operation == "DROP" and statement.subject:
            here.pop(_plain_of(statement.subject), None)

    def reads(
        self, statement: Statement, here: Mapping[Name, list[Read]] = _NOTHING, depth: int = 0
    ) -> list[Read]:
        """What a statement reads; ``here`` are the names that those before it have made."""
        if depth > MAX_VIEWS:
            return ["views that read views"]
        found: list[Read] = []
        if self._unseen and statement.reads:
            self._learn_views()
        for name in statement.reads:
            if here and (made := _made_here(here, name)) is not None:
                found += made
                continue
            if name in self._views:
                found += self._views[name]
                continue
            table = self.table(name)
            view = self.known.views.get(table.uri) if isinstance(table, Table) else None
            if view is not None and isinstance(table, Table):
                if view.text:
                    full = table.uri.rpartition("#")[2].split(".")
                    self._viewed[table.uri] = (*full, mask_literals(bounded(view.text)))
                found += self.reads(view, depth=depth + 1)
            elif table is not None:
                found.append(table)
        if statement.operation == "REFRESH" and statement.target in self._stored:
            found += self._stored[statement.target]
        elif statement.unknown:
            found.append(statement.unknown)
        return found

    # SQLite: a connection may have several files, each a schema.

    def looks(self, look: Callable[[str], Held | None]) -> None:
        """``look`` gives what a file holds; all that is done on the connection is seen."""
        self.look = look
        self._unseen.append("main")

    def _learn_views(self) -> None:
        schemas, self._unseen = self._unseen, []
        for schema in schemas:
            for kind, _, text in self._held(schema) or ():
                for one in statements(text, self.place.dialect) if kind == "view" else ():
                    if one.target and one.is_view:
                        # The names in it are of its own schema.
                        own = tuple((schema, *name[-1:]) for name in one.reads)
                        view = self.table((schema, one.target[-1]))
                        if isinstance(view, Table):
                            self.known.views.setdefault(view.uri, replace(one, reads=own))

    def _held(self, schema: str) -> Held | None:
        """What the file of a schema holds; None where nobody can tell."""
        place = self.place_of(schema)
        if place is None or self.look is None:
            return None
        path = place.uri.removeprefix("sqlite:///")
        if place.uri.startswith(_MEMORY):  # other connections may have made more in shared memory
            return None if self.known.place is not None and schema == "main" else []
        return self.look(path)

    def place_of(self, schema: str) -> Place | None:
        """Which database of SQLite's a schema is."""
        return self._attached.get(schema) if schema in self._attached else self.place

    def tables_of(self, schema: str) -> list[Table] | None:
        """The tables of a schema; None where nobody can tell."""
        held = self._held(schema)
        if held is None or (self._unsure and not held):
            return None
        names = {name.lower(): name for kind, name, _ in held if kind == "table"}
        for (outer, last), name in self._made.items():
            if outer == schema:
                names.pop(last, None)
                if name is not None:
                    names[last] = name
        found = [self.table((schema, name)) for name in names.values()]
        views = self.known.views
        return [one for one in found if isinstance(one, Table) and one.uri not in views]

    def holds(self, schema: str, tables: Iterable[str] | None) -> None:
        """A schema holds other tables than before; None where it is not known which."""
        self._forget()
        self._made = {name: one for name, one in self._made.items() if name[0] != schema}
        self._unsure |= tables is None
        if (schema_place := self.place_of(schema)) and schema_place.uri.startswith(_MEMORY):
            self._made |= {(schema, name.lower()): name for name in tables or ()}

    def becomes(self, schema: str, place: Place) -> None:
        """A schema is another database from now on."""
        self._forget()
        self._plans.clear()
        self.lookups.clear()
        if schema == "main":
            self.place, self.known = place, _known_of(place)
        else:
            self._attached[schema] = place
            self._others[place.uri] = _known_of(place)

    def _table_of_sqlite(self, schema: str, last: str) -> Read:
        if not schema and self._attached:
            found = self._schema_of(last.lower())
            if found is None:
                return "it may be a table of an attached database"
            schema = found
        if schema in self._attached:
            place = self._attached[schema]
            if place is None:
                return "which file an attached database is in is not known"
            return Table(f"{place.uri}#{last.lower()}", last)
        full = last if schema in ("", "main") else f"{schema}.{last}"
        return Table(f"{self.place.uri}#{full.lower()}", last)

    def _schema_of(self, last: str) -> str | None:
        """The first schema with a table, in SQLite's order; None where nobody can tell."""
        for schema in ("main", *self._attached):
            if (schema, last) not in self._made:
                held = self._held(schema)
                if held is None or (self._unsure and not held):
                    return None
                if any(name.lower() == last for _, name, _ in held):
                    return schema
            elif self._made[schema, last] is not None:
                return schema
        return None

    def _holds(self, name: Name) -> bool | None:
        """Whether SQLite has a table or view of a name; None where nobody can tell."""
        schema, last = name[-2].lower() if len(name) > 1 else "main", name[-1].lower()
        if schema == "temp" or last in self._temporary:
            return last in self._temporary
        if (schema, last) in self._made:
            return self._made[schema, last] is not None
        held = self._held(schema)
        if held is None or (self._unsure and not held):
            return None
        return any(one.lower() == last for _, one, _ in held)

    def _attach(self, text: str, given: object) -> None:
        for name in detachments(text):
            self._attached.pop(name, None)
        for name, file in attachments(text, given):
            place = None if file is None else sqlite_place(sqlite_path(file))
            self._attached[name] = place
            self._unseen.append(name)
            if place is not None:
                self._others[place.uri] = _known_of(place)

    def _make(self, name: Name, made: bool) -> None:
        schema, last = name[-2].lower() if len(name) > 1 else "main", name[-1]
        self._made[schema, last.lower()] = last if made else None

    def makers(self, uri: str) -> dict[str, str]:
        """By URI of a table: the last operation that wrote it here. Those of its database."""
        return self._others.get(uri.rpartition("#")[0], self.known).makers

    def table(self, name: Name) -> Read | None:
        """The table that a name stands for; None for what the database keeps for itself."""
        *outer, last = name
        schema = outer[-1].lower() if outer else ""
        if schema in _OWN_SCHEMAS or last.lower() in _OWN_TABLES:
            return None
        if (not outer or schema in ("temp", "pg_temp")) and last.lower() in self._temporary:
            return self._temporary_table(last)
        system = self.place.system
        if system == "sqlite":
            return self._table_of_sqlite(schema, last)
        if system in ("mysql", "mariadb"):  # a schema is a database there
            base = self.place.uri.rpartition("/")[0]
            uri = f"{base}/{quote(outer[-1], safe='')}" if outer else self.place.uri
            return Table(f"{uri}#{last}", last)
        if outer:
            return Table(f"{self.place.uri}#{'.'.join(outer[-2:])}.{last}", last)
        if self.asks:
            return self._looked_up(name)
        if not self._schema_is_known:
            return "the schema of a table is not known"
        full = f"{self.default_schema}.{last}" if self.default_schema else last
        return Table(f"{self.place.uri}#{full}", last)

    def target(self, statement: Statement) -> Table | None:
        """The table that a statement writes, where that is known."""
        if statement.target is None:
            return None
        if statement.temporary:
            return self._temporary_table(statement.target[-1])
        name = statement.target
        if self._attached and len(name) == 1 and statement.operation.startswith("CREATE"):
            name = ("main", *name)
        elif self._attached and statement.operation == "ALTER" and statement.reads:
            before = self.table(statement.reads[0])  # it gets another name where it is
            if isinstance(before, Table):
                uri = f"{before.uri.rpartition('#')[0]}#{name[-1].lower()}"
                return Table(uri, name[-1])
        found = self.table(name)
        return found if isinstance(found, Table) else None

    def had(self, name: Name | None) -> bool | None:
        """Whether a table was there before a statement; None where nobody was asked."""
        if self.look is not None and name is not None:
            return self._holds(name)
        if not self.asks or name is None or name not in self._names:
            return None
        return self._names[name] is not None

    def _temporary_table(self, name: str) -> Table:
        return Table(f"{self.place.system}{_TEMPORARY}{self._token}#{name}", name)

    # PostgreSQL's search path may be set for a role or a database, and nobody sees that.

    def questions(self, found: Iterable[Statement]) -> str | None:
        """What has to be asked before the names of these statements are known."""
        if self._for_now:  # nobody may see the transaction end that has set it
            self._forget()
        wanted: dict[Name, None] = {}
        for one in found:
            targets = [each.target for each in (*one.inside, one) if each.target is not None]
            for name in (*one.reads, *targets):
                known = name in self._names or name[-1].lower() in self._temporary
                if len(name) < 3 and not known:
                    wanted[name] = None
        if not wanted:
            return None
        self._asked = list(wanted)
        rows = ", ".join(
            f"({number}, {_literal('.'.join(map(_quoted, name)))})"
            for number, name in enumerate(self._asked)
        )
        # Nothing in it fails for a name that is not there.
        return (
            "SELECT v.number, n.nspname, c.relname, c.relpersistence, "  # noqa: S608 - quoted above
            f"pg_catalog.current_schema(), c.relkind::text, {_BELOW}"
            f" FROM (VALUES {rows}) AS v (number, quoted)"
            " LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(v.quoted)"
            " LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        )

    def answered(self, rows: Iterable[Any]) -> None:
        """What the database said."""
        for number, schema, table, persistence, current, kind, below in rows:
            name = self._asked[number]
            self._created_in = current
            if table is None:
                self._names[name] = None
            elif persistence == "t":
                self._names[name] = self._temporary_table(table)
            else:
                self._names[name] = Table(f"{self.place.uri}#{schema}.{table}", table)
            if below is not None:
                part_of = "" if kind in ("v", "m") else f"{schema}.{table}"
                found: list[Read] = [
                    self._temporary_table(last)
                    if temporary
                    else Table(f"{self.place.uri}#{outer}.{last}", last, part_of)
                    for outer, last, temporary in json.loads(below)
                    if outer not in _OWN_SCHEMAS
                ]
                (self._stored if kind == "m" else self._views)[name] = found

    def look_up(self, found: Iterable[Statement], ask: Ask) -> None:
        """Ask, where something has to be asked."""
        if self.asks and (question := self.questions(found)) is not None:
            self.answered(ask(question))

    def _looked_up(self, name: Name) -> Read | None:
        # In a pipeline nothing can be asked.
        known = self._names if name in self._names or not self._schema_is_known else self._last
        found = known.get(name)
        if found is not None:
            if urlsplit(found.uri).fragment.partition(".")[0] in _OWN_SCHEMAS:
                return None
            return found
        if name in known and self._created_in:
            folded = name[0]
            return Table(f"{self.place.uri}#{self._created_in}.{folded}", folded)
        return "the schema of a table is not known"

    def learn(self, found: Iterable[Statement], text: str, given: object = None) -> None:
        """What its names mean after these statements; ``given`` are their parameters."""
        if self.asks and _SET_CONFIG.search(text):
            self._schema_is_known = False
            self._for_now |= _FOR_NOW.search(text) is not None
            self._forget()
        for one in found:
            if one.operation == "PREPARE" and one.inner and one.subject:
                self._prepared[one.subject[-1].lower()] = one.inner[0]
                self._plans.clear()
            if not one.changes_names:
                continue
            self._forget()
            if self.look is not None and one.target and not one.temporary:
                if one.operation in ("CREATE TABLE", "CREATE VIEW", "ALTER"):
                    self._make(one.target, made=True)
                if one.operation == "ALTER" and one.reads and one.reads[0] != one.target:
                    self._make(one.reads[0], made=False)
            if one.operation in ("CREATE TABLE", "SELECT") and one.temporary and one.target:
                self._temporary.add(one.target[-1].lower())
            elif one.operation == "CREATE VIEW" and one.target:
                if one.temporary:
                    self._temporary.add(one.target[-1].lower())
                view = self.table(one.target)
                if isinstance(view, Table) and one.only_new:
                    self._learn_views()
                    self.known.views.setdefault(view.uri, one)
                elif isinstance(view, Table):
                    self.known.views[view.uri] = one
            elif one.operation == "CREATE TABLE" and one.target:
                table = self.table(one.target)
                if isinstance(table, Table):
                    self.known.views.pop(table.uri, None)
            elif one.operation == "DROP":
                name = one.subject
                if name is not None:
                    view = self.table(name)
                    if isinstance(view, Table):
                        self.known.views.pop(view.uri, None)
                    if self.look is not None and name[-1].lower() not in self._temporary:
                        self._make(name, made=False)
                    self._temporary.discard(name[-1].lower())
            elif one.operation in ("ATTACH", "DETACH") and self.place.system == "sqlite":
                if text is not self._attaching:
                    self._attach(text, given)
                self._attaching = None
            elif one.operation == "SET" and _SEARCH_PATH.search(text):
                self._schema_is_known = False
                self._for_now |= _FOR_NOW.search(text) is not None

    def _forget(self) -> None:
        """Names may mean something else now."""
        self._last |= self._names
        self._names.clear()
        self._views.clear()
        self._stored.clear()
        self.known.changes += 1

    # --- transactions ---

    def control(self, found: Iterable[Statement], text: str, *, still_open: bool) -> None:
        """What statements about transactions have done; ``still_open`` is what the driver says."""
        for one in found:
            word = one.operation
            if word in ("COMMIT", "END", "ROLLBACK", "ABORT"):
                back = _BACK_TO.match(text)
                if word == "ROLLBACK" and back is not None:
                    self.back_to(_plain_name(back[1]))
                elif word in ("ROLLBACK", "ABORT"):
                    self.ended(undone=True)
                else:
                    self.ended()
            elif word == "BEGIN" and self.place.system == "sqlite":
                self.ended()  # what a script has written before is there at once
            elif word in ("SAVEPOINT", "RELEASE"):
                named_ = _SAVEPOINT.match(text)
                if named_ is not None and word == "SAVEPOINT":
                    self.savepoint(_plain_name(named_[1]))
                elif named_ is not None:
                    self.release(_plain_name(named_[1]))
        if not still_open and self.transaction:
            self.ended()

    def savepoint(self, name: str) -> None:
        """What is written from now on may be taken back by itself."""
        self.last = None
        self.transaction.savepoint(name)

    def release(self, name: str) -> None:
        """A savepoint is over."""
        self.last = None
        self.transaction.release(name)

    def back_to(self, name: str) -> None:
        """What was written since a savepoint is taken back."""
        self.last = None
        self._forget()
        self._unsure |= bool(self._made)
        self._made.clear()
        self.transaction.back_to(name)

    def ended(self, *, undone: bool = False) -> None:
        """Its transaction is over."""
        self.last = None
        if self._for_now:
            self._for_now = False
            self._forget()
        if undone:
            self._forget()
            self._unsure |= bool(self._made)
            self._made.clear()
            self.transaction.undone()
        else:
            self.transaction.committed()


# The tables that a view of PostgreSQL's reads, also through other views, as JSON; of a materialized
# one, those that its query reads. Of a table that others inherit from, itself and those; of a
# partition, itself and the tables that rows come to it through.
_BELOW: Final = (
    "CASE WHEN c.relkind IN ('v', 'm') OR c.relhassubclass"
    " OR EXISTS (SELECT 1 FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid) THEN"
    " (WITH RECURSIVE below (oid, kind) AS ("
    "SELECT c.oid, CASE WHEN c.relkind = 'm' THEN 'v' ELSE c.relkind END"
    " UNION SELECT t.oid, CASE WHEN next.above THEN 'a' ELSE t.relkind END FROM below"
    " CROSS JOIN LATERAL ("
    "SELECT d.refobjid, false FROM pg_catalog.pg_rewrite r"
    " JOIN pg_catalog.pg_depend d ON d.objid = r.oid"
    " AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass"
    " AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    " WHERE r.ev_class = below.oid AND below.kind = 'v'"
    " UNION ALL SELECT i.inhrelid, false FROM pg_catalog.pg_inherits i"
    " WHERE i.inhparent = below.oid AND below.kind NOT IN ('v', 'a')"
    " UNION ALL SELECT i.inhparent, true FROM pg_catalog.pg_inherits i"
    " JOIN pg_catalog.pg_class p ON p.oid = i.inhparent AND p.relkind = 'p'"
    " WHERE i.inhrelid = below.oid AND below.kind <> 'v'"
    ") AS next (oid, above)"
    " JOIN pg_catalog.pg_class t ON t.oid = next.oid)"
    " SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(m.nspname, k.relname,"
    " k.relpersistence = 't') ORDER BY m.nspname, k.relname), '[]')::text"
    " FROM (SELECT DISTINCT oid FROM below WHERE kind <> 'v') AS b"
    " JOIN pg_catalog.pg_class k ON k.oid = b.oid"
    " JOIN pg_catalog.pg_namespace m ON m.oid = k.relnamespace) END"
)
_SEARCH_PATH: Final = later(r"\b(?:search_path|schema)\b", re.IGNORECASE)
_FOR_NOW: Final = later(r"\bSET\s+LOCAL\b|\bset_config\s*\([^()]*\btrue\s*\)", re.IGNORECASE)
"""Until the transaction is over."""
_SET_CONFIG: Final = later(r"\bset_config\s*\(\s*'search_path'", re.IGNORECASE)
_BACK_TO: Final = later(
    r"\s*ROLLBACK\s+(?:TRANSACTION\s+|WORK\s+)?TO\s+(?:SAVEPOINT\s+)?(\"[^\"]+\"|\w+)",
    re.IGNORECASE,
)
_SAVEPOINT: Final = later(
    r"\s*(?:SAVEPOINT|RELEASE)\s+(?:SAVEPOINT\s+)?(\"[^\"]+\"|\w+)", re.IGNORECASE
)


def _made_here(here: Mapping[Name, list[Read]], name: Name) -> list[Read] | None:
    """What the statements before it have made of a name: ``main.t`` is no temporary table."""
    found = here.get(_plain_of(name))
    if found and len(name) > 1 and name[-2].lower() == "main":
        first = found[0]
        if isinstance(first, Table) and _TEMPORARY in first.uri:
            return None
    return found


def _plain_of(name: Name) -> Name:
    """A name in lower case, without the schema where there may be none."""
    return tuple(part.lower() for part in name if part.lower() not in ("main", "temp"))


def _plain_name(text: str) -> str:
    return text.strip('"').lower()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    """A text of standard SQL; a backslash in it means itself only with ``E`` in front."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'" if "\\" in text else f"'{escaped}'"


def bounded(text: str) -> str:
    """A long statement by its beginning and its digest."""
    if len(text) <= MAX_SHOWN:
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{text[:MAX_SHOWN]} /* {len(text)} characters, {digest} */"


_control: Final = frozenset(
    ("COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "PREPARE", "EXECUTE")
)
_changes: Final = frozenset(("CREATE", "DROP", "ALTER", "ATTACH", "DETACH", "SET", "RESET"))


@lru_cache(maxsize=512)
def is_idle(text: str, dialect: str) -> bool:
    """Whether a short text has nothing to do with tables, names and the end of transactions."""
    return len(text) <= MAX_IDLE and not any(
        one.is_operation or one.operation in _control or one.operation.partition(" ")[0] in _changes
        for one in statements(text, dialect)
    )


def parsed(connection: Connection, text: str) -> tuple[Statement, ...]:
    """The statements of a text that is sent to a database."""
    with faults.contained("a statement was not parsed"):
        return tuple(map(connection.carried_out, statements(text, connection.place.dialect)))
    return (Statement("", is_query=True, unknown=UNPARSED),)

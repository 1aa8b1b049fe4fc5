"""ADBC: the statements that cursors of its DB-API send to SQLite and PostgreSQL, and its ingest.

The driver knows its database by a URI, which that of PostgreSQL does not give back: it is noted
when the connection is made.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType
from typing import Any, Final
from urllib.parse import quote
from weakref import WeakKeyDictionary

from otelprov.artifacts import classes
from otelprov.artifacts.registry import registry
from otelprov.instrumentation._calls import add_library
from otelprov.instrumentation._databases import (
    Ask,
    Connection,
    Held,
    is_idle,
    place_of_libpq,
    sqlite_place,
)
from otelprov.instrumentation._queries import (
    Caller,
    Executing,
    Sent,
    caller_of,
    given_up,
    listing,
    told,
)
from otelprov.instrumentation._statement import Name, Statement
from otelprov.instrumentation._statements import parts
from otelprov.instrumentation._table import STORED, Entry, read, step, write
from otelprov.instrumentation._wrapping import followed, recorded, site_of
from otelprov.recording import faults
from otelprov.recording.observation import data_kind
from otelprov.recording.recorder import Call, OpenOperation, current_operation
from otelprov.recording.run import run

RECORDS: Final = (
    "**query**: `execute`, `executemany` and `executescript` of connections and cursors to SQLite "
    "and PostgreSQL, with the tables that they read and write, when their transaction is "
    "committed; **read**: `fetch_arrow_table`, `fetch_df`, `fetch_polars`; **write**: `adbc_ingest`"
)
ODDITIES: Final = (
    "Connections that `connect` of adbc_driver_manager.dbapi, adbc_driver_sqlite.dbapi or "
    "adbc_driver_postgresql.dbapi makes to SQLite and PostgreSQL are recorded. What comes from "
    "other drivers, or from a connection that is put together by hand, is of unknown origin.",
    "The tables that `fetch_arrow_table`, `fetch_df` and `fetch_polars` give, a reader of "
    "`fetch_record_batch` and the lists of `fetchall` and `fetchmany` are followed; rows that are "
    "taken one by one, and what `fetch_arrow` gives, are not.",
    "A transaction that the program ends by `adbc_connection` is not seen to end. Statements carry "
    "no traceparent. What is not known of names and views is as with sqlite3 and psycopg.",
)
OWN: Final = frozenset({"adbc_driver_manager", "adbc_driver_postgresql", "adbc_driver_sqlite"})
_DRIVER: Final = re.compile(r"(postgres|sqlite)", re.IGNORECASE)
_SERVER: Final = re.compile(r"PostgreSQL (\d+)\.?(\d*)")
_IN_ERROR: Final = "inerror"
_MEMORY: Final = "file:adbc_driver_sqlite?mode=memory&cache=shared"
"""Which database SQLite's driver takes, where it is told none."""

for _name in OWN:
    add_library(_name)

_opened: Final[WeakKeyDictionary[Any, tuple[str, str]]] = WeakKeyDictionary()
"""What the databases of connections are, and their URI, by what their clones share with them."""
_known: Final[WeakKeyDictionary[Any, Connection]] = WeakKeyDictionary()
"""What is known of connections."""
_originals: Final[dict[str, Callable[..., Any]]] = {}
"""Of ``Cursor``'s methods: what asks for us."""


def table() -> Iterable[Entry]:
    """The connections and cursors of every driver."""
    yield step("connect", around=partial(_connecting, None))
    for name in _STATEMENTS:
        yield step(f"Cursor.{name}", around=partial(_executing, name))
    yield step("Cursor.adbc_ingest", around=_ingesting)
    for name in ("fetch_arrow_table", "fetchallarrow", "fetch_df", "fetch_polars"):
        yield read(f"Cursor.{name}")
    yield step("Cursor.fetch_record_batch", around=_handing_on)
    for name in ("fetchall", "fetchmany"):
        yield step(f"Cursor.{name}", around=_fetching)
    for name in ("commit", "rollback", "close"):
        yield step(f"Connection.{name}", around=partial(_ending, name))


def _of_driver(kind: str) -> Callable[[], Iterable[Entry]]:
    """The module of one driver."""
    return lambda: [step("connect", around=partial(_connecting, kind))]


# --- connections ----------------------------------------------------------------------------------


def _connecting(kind: str | None, original: Callable[..., Any]) -> Callable[..., Any]:
    """``connect`` of a driver; of the manager, which is told the driver, where ``kind`` is None."""

    def after(_: object, connection: Any, *given: Any, **named: Any) -> None:
        if kind is not None:
            uri = given[0] if given else named.get("uri")
            _opened[connection._db] = (kind, "" if uri is None else str(uri))
            return
        own = named.get("db_kwargs") or {}
        driver = str((given[0] if given else named.get("driver")) or own.get("driver") or "")
        uri = (given[1] if len(given) > 1 else named.get("uri")) or own.get("uri")
        if not uri and "://" in driver:
            uri = driver
        known = _DRIVER.search(driver.partition(":")[0].rpartition(os.sep)[2] or str(uri))
        if known is not None:
            is_sqlite = known[0].lower() == "sqlite"
            _opened[connection._db] = ("sqlite" if is_sqlite else "postgresql", str(uri or ""))

    return followed(original, after, "a connection is not recorded")


def _opening_of(connection: Any) -> tuple[str, str]:
    """What the database of a connection is, and its URI; empty where nobody has seen it opened."""
    shared = getattr(connection, "_db", None)
    return ("", "") if shared is None else _opened.get(shared, ("", ""))


def _known_of(connection: Any) -> Connection | None:
    """What is known of a connection, whose server may be asked for that."""
    found = _known.get(connection)
    kind, uri = _opening_of(connection)
    if found is None and kind == "sqlite":
        listed = _ask(connection, "PRAGMA database_list")
        found = Connection(sqlite_place(next((path for _, name, path in listed if name == "main"))))
        found.shares(uri or _MEMORY)
        if classes.module(type(connection)) == "adbc_driver_sqlite.dbapi":
            found.looks(_held_by)
    elif found is None and kind == "postgresql" and _status(connection) != _IN_ERROR:
        ((database, version),) = _ask(connection, "SELECT current_database(), version()")
        place = place_of_libpq(uri, database)
        if place is None:
            return None
        server = _SERVER.match(version) if "Redshift" not in version else None
        is_asked = server is not None and (int(server[1]), int(server[2] or 0)) >= (9, 6)
        found = Connection(place, asks=is_asked)
    if found is not None:
        _known[connection] = found
    return found


def _ask(connection: Any, question: str) -> list[Any]:
    from adbc_driver_manager import dbapi

    cursor = dbapi.Cursor(connection)
    try:
        _originals["execute"](cursor, question)
        rows: list[Any] = _originals["fetchall"](cursor)
    finally:
        cursor.close()
    return rows


def _asking(connection: Any) -> Ask | None:
    """Asks the server, where it can be asked something now."""
    return None if _status(connection) == _IN_ERROR else partial(_ask, connection)


def _held_by(path: str) -> Held | None:
    """As ``sqlite3.held_by``, by the driver's own SQLite: a second one in the process would take
    its locks on the file away when it closes that."""
    import adbc_driver_sqlite
    from adbc_driver_manager import AdbcConnection, Error
    from adbc_driver_sqlite import dbapi

    from otelprov.instrumentation.sqlite3 import HELD

    try:
        with (
            adbc_driver_sqlite.connect(f"file:{quote(os.fsencode(path))}?mode=ro") as file,
            AdbcConnection(file) as own,
            dbapi.Connection(file, own, autocommit=True) as connection,
        ):
            found = _ask(connection, HELD)
    except Error:  # it is locked, or encrypted
        return None
    return [(kind, name, text) for kind, name, text in found if isinstance(text, str)]


def _option(connection: Any, name: str) -> str | None:
    from adbc_driver_manager import Error

    try:
        return str(connection.adbc_connection.get_option(name))
    except (Error, RuntimeError):  # it is closed
        return None


def _is_open(connection: Any) -> bool:
    """Whether a transaction goes on after a statement."""
    found = _option(connection, "adbc.connection.autocommit")
    return not connection._autocommit if found is None else found == "false"


def _status(connection: Any) -> str | None:
    """How PostgreSQL's transaction stands. (SQLite's driver, 1.6, crashes for an unknown name.)"""
    if _opening_of(connection)[0] != "postgresql":
        return None
    return _option(connection, "adbc.postgresql.transaction_status")


def _ending(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """``commit`` and its like."""

    def method(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        known, undone = None, name != "commit"
        with faults.contained("the end of a transaction was not recorded"):
            known = _known.get(self) if run.active else None
            if known is not None and known.transaction and not undone:
                # To commit a transaction in which a statement has failed is to roll it back.
                undone = _status(self) == _IN_ERROR
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            with faults.contained("the end of a transaction was not recorded"):
                if known is not None and known.place.system != "sqlite":  # where it is still open
                    known.ended(undone=True)
            raise
        with faults.contained("the end of a transaction was not recorded"):
            if known is not None and (known.transaction or name == "rollback"):
                known.ended(undone=undone)
        return result

    return method


# --- statements -----------------------------------------------------------------------------------


def _executing(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """``execute`` and its like."""
    _originals.setdefault(name, original)

    def method(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        sent = None
        if run.active:
            try:
                sent = _sent(name, self, args, kwargs, sys._getframe(1))
            except BaseException as fault:
                told("a statement was not recorded", fault)
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if sent is not None:
                try:
                    sent.failed(error, still_open=_is_open(self.connection))
                except BaseException as fault:
                    given_up(sent, fault, error)
            raise
        if sent is not None:
            try:
                many = _given(args, kwargs) if name == "executemany" else None
                sent.executed(self, many, still_open=_is_open(self.connection))
            except BaseException as fault:
                given_up(sent, fault)
        return result

    return method


def _sent(
    name: str, cursor: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType
) -> Sent | None:
    text = args[0] if args else kwargs.get("operation")
    registry.forget(cursor)  # its rows are others now
    kind, _ = _opening_of(getattr(cursor, "connection", None))
    if type(text) is not str or not kind or is_idle(text, _DIALECTS[kind]):
        return None
    caller = caller_of(frame, OWN)
    connection = cursor.connection
    known = _known_of(connection) if caller is not None else _known.get(connection)
    if known is None:
        return None
    if kind == "sqlite":
        text = parts(text, "sqlite")[0]  # the driver looks at no more
    if name == "executescript" and known.transaction and _is_open(connection):
        known.ended()  # it commits what was open
    given = _given(args, kwargs)
    many = name == "executemany" or data_kind(given) is not None
    return Sent(
        known,
        _CALLS[name],
        caller,
        text,
        rows=given if many else None,
        given=None if many else given,
        ask=_asking(connection),
    )


def _given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The parameters of a statement, or of many."""
    if len(args) > 1:
        return args[1]
    return kwargs.get("parameters", kwargs.get("seq_of_parameters"))


# --- what is fetched ------------------------------------------------------------------------------


def _fetching(original: Callable[..., Any]) -> Callable[..., Any]:
    _originals.setdefault(original.__name__, original)
    return listing(original)


def _handing_on(original: Callable[..., Any]) -> Callable[..., Any]:
    """A reader of what a cursor has executed."""

    def after(_: object, reader: Any, cursor: Any) -> None:
        identity = registry.lookup(cursor)
        if identity is not None:
            registry.assign(reader, identity)

    return followed(original, after, "where a reader comes from is not known")


# --- tables that are written as they are ----------------------------------------------------------


def _ingesting(original: Callable[..., Any]) -> Callable[..., Any]:
    """``adbc_ingest``: an operation where the program calls it."""

    def ingest(self: Any, *args: Any, **kwargs: Any) -> Any:
        executing = None
        try:
            operation = current_operation()
            if operation is not None and operation.call.kind == "write":
                executing = _ingested(self, operation, *args, **kwargs)
        except BaseException as fault:
            told("the table that is written is not known", fault)
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        with faults.contained("the table that is written is not known"):
            if executing is not None:
                still_open = _is_open(self.connection)
                executing[0].returned(executing[1], still_open=still_open, calls=1, text="")
        return result

    shown = ("table_name", "mode", "catalog_name", "db_schema_name", "temporary")
    entry = write("adbc_ingest", data="data", observed=STORED, client=True, shows=shown)
    site = site_of(entry, "adbc_driver_manager", _version(), ingest, original, method=True)

    def method(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        caller: Caller = None
        if run.active:
            try:
                registry.forget(self)
                caller = caller_of(sys._getframe(1), OWN)
                if caller is not None and _known_of(self.connection) is None:
                    caller = None
            except BaseException as fault:
                told("the table that is written is not known", fault)
        try:
            if isinstance(caller, FrameType):
                return recorded(site, caller, (self, *args), kwargs)
            return (original if caller is None else ingest)(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return method


def _ingested(
    cursor: Any,
    operation: OpenOperation,
    table_name: Any,
    data: object,
    mode: Any = "create",
    *,
    catalog_name: Any = None,
    db_schema_name: Any = None,
    temporary: bool = False,
) -> tuple[Executing, tuple[Statement, ...]] | None:
    """What is about to be put into a table, as the statement that would do so."""
    connection = cursor.connection
    known = _known_of(connection)
    if known is None or type(table_name) is not str:
        return None
    outer = catalog_name if known.place.system == "sqlite" else db_schema_name
    name: Name = (table_name,) if outer is None else (str(outer), table_name)
    statement = Statement("INSERT", target=name)
    if ask := _asking(connection):
        known.look_up((statement,), ask)
    if mode in ("create", "replace") or (mode == "create_append" and known.had(name) is False):
        statement = Statement("CREATE TABLE", target=name, replaces=True, temporary=temporary)
    (plan,) = known.plan_each("", (statement,), ("",))
    executing = Executing(known, _CALLS["execute"], operation, "", (statement,), None, plan)
    return executing, (statement,)


def _version() -> str:
    return str(sys.modules["adbc_driver_manager"].__version__)


def _call(name: str) -> Callable[[], Call]:
    return lambda: Call("adbc_driver_manager", name, "query", _version(), client=True)


_STATEMENTS: Final = ("execute", "executemany", "executescript")
_CALLS: Final = {name: _call(name) for name in _STATEMENTS}
_DIALECTS: Final = {"postgresql": "postgres", "sqlite": "sqlite"}

TABLES = {
    "adbc_driver_manager.dbapi": table,
    "adbc_driver_postgresql.dbapi": _of_driver("postgresql"),
    "adbc_driver_sqlite.dbapi": _of_driver("sqlite"),
}

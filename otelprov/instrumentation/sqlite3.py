"""sqlite3: connections that the program opens, through a factory.

Its classes are written in C and cannot be patched, so ``sqlite3.connect`` makes a connection of a
subclass, which makes cursors of another: real ones, under the same names. A program's own factory
is left alone.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any, Final
from urllib.parse import quote

from otelprov import semconv
from otelprov.artifacts import identify
from otelprov.artifacts.locations import named, unknown
from otelprov.artifacts.registry import registry
from otelprov.instrumentation._attached import vacuumed, vacuums
from otelprov.instrumentation._calls import is_internal, is_of
from otelprov.instrumentation._databases import Connection as Known
from otelprov.instrumentation._databases import (
    Held,
    Table,
    is_idle,
    sqlite_path,
    sqlite_place,
)
from otelprov.instrumentation._programs import owner
from otelprov.instrumentation._queries import Sent, caller_of, given_up, listing, told
from otelprov.instrumentation._table import Entry, step
from otelprov.instrumentation._wrapping import disguise
from otelprov.recording import faults
from otelprov.recording.recorder import Call, OpenOperation
from otelprov.recording.run import run

RECORDS: Final = (
    "**query**: `execute`, `executemany` and `executescript` of connections and cursors, with the "
    "tables that they read and write; **write**: `backup`, `deserialize` and `VACUUM INTO`; "
    "**read**: `serialize`"
)
ODDITIES: Final = (
    "Connections that the program, SQLAlchemy or Ibis opens are recorded, not those that other "
    "packages open for themselves, nor those of a factory of the program's own. `type(connection)` "
    "is a subclass of `sqlite3.Connection`.",
    "Rows that are fetched one by one are not followed, nor is `list(cursor)`; the list of "
    "`fetchall` and `fetchmany` is, and so is the cursor that pandas or `executemany` is given.",
    "Rows that are given to `executemany` come from the frame where they are those of "
    '`itertuples()` or `to_dict("records")`, an array, or columns that are zipped, and from the '
    "file where `csv` reads them, also through `map`, `zip`, `islice` and generator expressions. "
    "Others (`df.values.tolist()`, tuples that are built one by one) are an input of unknown "
    "origin, as are those that one line writes again and again, in the text of a statement or "
    "beside it; the values of a single execution are none.",
    "Each statement of a script is an operation, up to a hundred of them; how long each took is "
    "not known, and where one fails, all are shown as failed. A table that DELETE without WHERE "
    "has emptied holds nothing of before.",
    "What triggers write is not seen. A view is the tables that it reads: of one that another "
    "process has made, as it was when the connection first read a table. The tables of a file that "
    "is attached are those of that file; `ATTACH` of an expression leaves them unknown.",
    "A file that is copied or moved by `shutil`, `os` or `pathlib` takes its tables along; what a "
    "write-ahead log beside it holds is not looked at.",
    "`backup` and `VACUUM INTO` copy each table to that of the same name, `serialize` reads all "
    "tables and `deserialize` makes them. What a database of more than 64 MiB holds that was "
    "deserialized is not looked up. The statements below `iterdump` are seen, its lines are not "
    "followed.",
)
OWN: Final = frozenset({"sqlite3", "_sqlite3"})


def table() -> Iterable[Entry]:
    """The module."""
    yield step("connect", around=_connecting)


def _connecting(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        ours = False
        if run.active:
            try:
                own = len(args) > 5 or kwargs.get("factory") not in (None, sqlite3.Connection)
                if not own and _is_the_programs(sys._getframe(1)):
                    kwargs["factory"] = Connection
                    ours = True
            except Exception as fault:
                faults.tell("a connection is not recorded", fault)
        try:
            connection = original(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if ours:
            with faults.contained("a connection is not recorded"):
                _know(connection)
                connection._otelprov.shares(args[0] if args else kwargs.get("database"))
        return connection

    return wrapper


def _know(connection: Connection) -> None:
    # Nothing of the program's (a trace, an authorizer) is on it yet.
    connection.text_factory = os.fsdecode  # the name of a file need not be UTF-8
    try:
        connection._otelprov = _known(connection)
    finally:
        connection.text_factory = str


def _known(connection: sqlite3.Connection) -> Known:
    """What is known of a connection at first: which file is open, and how to see what it holds."""
    listed = sqlite3.Connection.execute(connection, "PRAGMA database_list").fetchall()
    path = next((path for _, name, path in listed if name == "main"), None)
    known = Known(sqlite_place(path))
    known.looks(held_by)
    return known


def held_by(path: str) -> Held | None:
    """The tables and views in a file that the program is about to read; None where nobody can tell.

    By a connection of ours, which waits for nobody: what is set on the program's does not see it.
    """
    try:
        own = sqlite3.Connection(f"file:{quote(os.fsencode(path))}?mode=ro", timeout=0, uri=True)
        with closing(own):
            return held(own)
    except sqlite3.Error:  # it is locked, or encrypted
        return None


def held(own: sqlite3.Connection) -> Held:
    """The tables and views of a database that a connection of ours has open."""
    found = own.execute(HELD)
    return [(kind, name, text) for kind, name, text in found if isinstance(text, str)]


HELD: Final = (
    "SELECT type, name, sql FROM sqlite_master"
    " WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
)


def _is_the_programs(frame: FrameType) -> bool:
    """Whether the program opens it, or has SQLAlchemy do so, from which it may take it, or Ibis:
    packages keep caches and histories in SQLite."""
    place: FrameType | None = frame
    while place is not None and owner(place) == "standard":
        place = place.f_back
    if place is None:
        return False
    if is_internal(place):
        return is_of(place, "sqlalchemy")
    name = str(place.f_globals.get("__name__"))
    return owner(place) == "program" or name.startswith("ibis.backends.")


# --- what stands in -------------------------------------------------------------------------------
#
# Each method is one frame, which is taken out of tracebacks.


class Connection(sqlite3.Connection):
    """A connection whose statements are recorded."""

    __slots__ = ("__weakref__", "_otelprov")

    _otelprov: Known | None
    """What is known of it; not there where that failed."""


class Cursor(sqlite3.Cursor):
    """A cursor whose statements are recorded."""

    __slots__ = ()


def _making(original: Callable[..., Any]) -> Callable[..., Any]:
    """``cursor``."""

    def method(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        if not args and not kwargs and getattr(self, "_otelprov", None) is not None:
            args = (Cursor,)
        try:
            return original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return method


def _executing(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """``execute`` and its like, of a cursor."""

    def method(self, *args):  # type: ignore[no-untyped-def]
        sent = None
        if run.active:
            try:
                if _is_idle(args):
                    registry.forget(self)  # its rows are others now
                else:
                    sent = _sent(name, self, args, sys._getframe(1))
            except BaseException as fault:
                told("a statement was not recorded", fault)
        try:
            result = original(self, *args)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if sent is not None:
                try:
                    _failed(sent, self, error)
                except BaseException as fault:
                    given_up(sent, fault, error)
            raise
        if sent is not None:
            try:
                _returned(name, sent, self, args)
            except BaseException as fault:
                given_up(sent, fault)
        return result

    return method


def _executing_at_once(name: str, own: Callable[..., Any]) -> Callable[..., Any]:
    """The same of a connection, whose original makes the cursor and runs it in C."""
    original = getattr(sqlite3.Cursor, name)
    single = name == "execute"

    def method(self, *args):  # type: ignore[no-untyped-def]
        sent = cursor = again = None
        known: Any = getattr(self, "_otelprov", None)
        if run.active and known is not None:
            try:
                # A loop over rows: as little as can be.
                last = known.last if single and args else None
                if last is not None and last.repeats(args[0], sys._getframe(1), None):
                    again = last
                elif not _is_idle(args):
                    cursor = self.cursor()
                    sent = _sent(name, cursor, args, sys._getframe(1))
            except BaseException as fault:
                cursor = None
                if not isinstance(fault, sqlite3.Error):  # the connection is closed, say
                    told("a statement was not recorded", fault)
        try:
            result = own(self, *args) if cursor is None else original(cursor, *args)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            try:
                if again is not None:
                    again.failed_again(error)
                    known.last = None
                    if known.transaction and not _still_open(self):
                        known.ended(undone=True)
                elif sent is not None:
                    _failed(sent, cursor, error)
            except BaseException as fault:
                given_up(sent, fault, error)
            raise
        try:
            if again is not None:
                again.again(1, args[1] if len(args) > 1 else None)
                if not self.in_transaction:
                    known.ended()
            elif sent is not None:
                _returned(name, sent, cursor, args)
        except BaseException as fault:
            given_up(sent, fault)
        return result

    return method


def _ending(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """``commit`` and its like."""

    def method(self, *args):  # type: ignore[no-untyped-def]
        try:
            result = original(self, *args)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        known = getattr(self, "_otelprov", None)
        with faults.contained("the end of a transaction was not recorded"):
            if known is not None and known.transaction:
                known.ended(undone=name != "commit" and not (args and args[0] is None))
        return result

    return method


def _is_idle(args: tuple[Any, ...]) -> bool:
    """Whether a call needs no look at all."""
    text = args[0] if args else None
    return type(text) is not str or (is_idle(text, "sqlite") and not vacuums(text))


def _sent(name: str, cursor: Any, args: tuple[Any, ...], frame: FrameType) -> Sent | None:
    known: Known | None = getattr(cursor.connection, "_otelprov", None)
    if known is None:
        return None
    given = args[1] if len(args) > 1 else None
    if vacuums(args[0]):
        return _Vacuuming.of(cursor.connection, args[0], given, frame)
    if is_of(frame, "sqlalchemy"):  # which tells what it sends itself
        return None
    many = name == "executemany"
    if name == "executescript" and known.transaction:
        known.ended()  # it commits what was open
    return Sent(
        known,
        _CALLS[name],
        caller_of(frame, OWN),
        args[0],
        rows=given if many else None,
        given=given if name == "execute" else None,
    )


def _returned(name: str, sent: Sent, cursor: Any, args: tuple[Any, ...]) -> None:
    many = args[1] if name == "executemany" else None
    sent.executed(cursor, many, still_open=_still_open(cursor.connection))


def _failed(sent: Sent, cursor: Any, error: BaseException) -> None:
    sent.failed(error, still_open=_still_open(cursor.connection))


def _still_open(connection: Any) -> bool:
    try:
        return bool(connection.in_transaction)
    except sqlite3.Error:  # it is closed
        return False


# --- whole databases ------------------------------------------------------------------------------

MAX_SERIALIZED: Final = 64 << 20
"""Bytes of a serialized database that a second connection opens to see what is in it."""


def _copying(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """``backup`` and its like."""

    def method(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        operation = None
        if run.active:
            try:
                operation = _copy_begun(name, self, args, kwargs, sys._getframe(1))
            except BaseException as fault:
                told("the copy of a database was not recorded", fault)
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if operation is not None:
                with faults.contained("the copy of a database was not recorded"):
                    operation.end(error)
            raise
        if operation is not None:
            try:
                _copied(name, operation, self, args, kwargs, result)
            except BaseException as fault:
                told("the copy of a database was not recorded", fault)
            finally:
                operation.end()
        return result

    return method


def _copy_begun(
    name: str, connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType
) -> OpenOperation | None:
    known: Known | None = getattr(connection, "_otelprov", None)
    caller = caller_of(frame, OWN | {"sqlalchemy"})
    schema = kwargs.get("name", "main")
    if known is None or not isinstance(caller, FrameType) or not isinstance(schema, str):
        return None
    call = _COPIES[name]
    if run.excludes(call.full_name):
        return None
    given = {"name": schema} if "name" in kwargs else {}
    operation = OpenOperation(call, caller, given, list(given))
    place = known.place_of(schema.lower()) or known.place
    operation.state({semconv.DB_SYSTEM: "sqlite", semconv.DB_NAMESPACE: place.namespace})
    if name == "deserialize":
        data = args[0] if args else None
        if type(data) is bytes:
            found = identify(data)
            seen = registry.content(found.id, data)
            operation.use_content("data", seen or replace(found, origin="unknown"))
        else:
            operation.use_content("data", unknown("what is deserialized may change"))
    else:
        tables = known.tables_of(schema.lower())
        for table in tables or ():
            maker = known.makers(table.uri).get(table.uri)
            operation.use_content("self", table.artifact(maker))
        if tables is None:
            operation.use_content("self", unknown("which tables a database holds is not known"))
    operation.enter()
    return operation


def _copied(
    name: str,
    operation: OpenOperation,
    connection: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    result: object,
) -> None:
    operation.leave()
    if name == "serialize":
        operation.generate_content("return", result)
        return
    known: Known = connection._otelprov
    schema = kwargs.get("name", "main").lower()
    if name == "deserialize":
        names = _serialized(args[0])
        # From now on it lies in memory, whatever file was open before.
        known.becomes(schema, sqlite_place(None))
        known.holds(schema, names)
        _made(operation, known, schema, known.tables_of(schema))
        return
    target = args[0] if args else kwargs["target"]
    other: Known | None = getattr(target, "_otelprov", None)
    if other is None:
        other = _known(target)
    source = known.tables_of(schema)
    other.holds("main", None if source is None else [one.name for one in source])
    # What a file holds now, it says itself; it may be locked.
    tables = other.tables_of("main")
    if not tables and source is not None:
        found = [other.table(("main", one.name)) for one in source]
        tables = [one for one in found if isinstance(one, Table)]
    _made(operation, other, "main", tables)


class _Vacuuming(Sent):
    """``VACUUM INTO``, while the database carries it out."""

    __slots__ = ("_copy", "_file", "_tables")

    def __init__(self, copy: OpenOperation, source: Known, schema: str, file: str | None) -> None:
        self._copy = copy
        self._tables = source.tables_of(schema)
        self._file = file

    @classmethod
    def of(cls, connection: Any, text: str, given: object, frame: FrameType) -> _Vacuuming | None:
        """What a statement is; None where it copies nothing."""
        found = vacuumed(text, given)
        if found is None:
            return None
        schema, file = found
        operation = _copy_begun("vacuum_into", connection, (), {"name": schema}, frame)
        return None if operation is None else cls(operation, connection._otelprov, schema, file)

    def executed(self, cursor: Any, many: object, *, still_open: bool) -> None:
        """It is done."""
        operation = self._copy
        operation.leave()
        if self._file is None:
            operation.generate("target", unknown("which file it is copied into is not known"))
        else:
            other = Known(sqlite_place(sqlite_path(self._file)))
            found = [other.table(("main", one.name)) for one in self._tables or ()]
            tables = [one for one in found if isinstance(one, Table)]
            _made(operation, other, "main", tables if self._tables is not None else None)
        operation.end()

    def failed(self, error: BaseException, *, still_open: bool) -> None:
        """The database has refused it."""
        self.close(error)

    def close(self, error: BaseException | None = None) -> None:
        """It is over, whatever came between."""
        self._copy.end(error)


def _made(operation: OpenOperation, known: Known, schema: str, tables: list[Table] | None) -> None:
    for table in tables or ():
        operation.generate("target", table.artifact())
        known.makers(table.uri)[table.uri] = operation.id
    place = known.place_of(schema)
    if tables is None and place is not None:
        reason = "which tables the database holds is not known"
        operation.generate("target", named(place.uri, reason, place.namespace))


def _serialized(data: object) -> list[str] | None:
    """The tables of a serialized database."""
    if type(data) is not bytes or len(data) > MAX_SERIALIZED:
        return None
    try:
        with closing(sqlite3.Connection(":memory:")) as own:
            own.deserialize(data)
            return [name for kind, name, _ in held(own) if kind == "table"]
    except sqlite3.Error:
        return None


def _equip(kind: Any, original: Any, methods: dict[str, Callable[[Any], Any]]) -> None:
    """Give a class its methods, under the names and places of the originals."""
    kind.__module__ = "sqlite3"  # in a repr, and for who asks which driver it is
    for name, around in methods.items():
        setattr(
            kind,
            name,
            disguise(around(getattr(original, name)), getattr(original, name), "sqlite3"),
        )


_STATEMENTS: Final = ("execute", "executemany", "executescript")


def _call(name: str) -> Callable[[], Call]:
    call = Call("sqlite3", name, "query", sqlite3.sqlite_version)
    return lambda: call


_CALLS: Final = {name: _call(name) for name in _STATEMENTS}
_COPIES: Final = {
    "backup": Call("sqlite3", "backup", "write", sqlite3.sqlite_version),
    "deserialize": Call("sqlite3", "deserialize", "write", sqlite3.sqlite_version),
    "serialize": Call("sqlite3", "serialize", "read", sqlite3.sqlite_version),
    "vacuum_into": Call("sqlite3", "vacuum_into", "write", sqlite3.sqlite_version),
}
_equip(
    Cursor,
    sqlite3.Cursor,
    {
        **{name: partial(_executing, name) for name in _STATEMENTS},
        "fetchall": listing,
        "fetchmany": listing,
    },
)
_equip(
    Connection,
    sqlite3.Connection,
    {
        "cursor": _making,
        **{name: partial(_executing_at_once, name) for name in _STATEMENTS},
        **{name: partial(_ending, name) for name in ("commit", "rollback", "close", "__exit__")},
        # Python 3.10 has but the first of them; it may lack the others where SQLite was built so.
        **{name: partial(_copying, name) for name in _COPIES if hasattr(sqlite3.Connection, name)},
    },
)


TABLES = {"sqlite3": table}

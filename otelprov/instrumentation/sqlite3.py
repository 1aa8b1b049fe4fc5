"""sqlite3: connections that the program opens, through a factory.

Its classes are written in C and cannot be patched, so ``sqlite3.connect`` makes a connection of a
subclass, which makes cursors of another: real ones, under the same names. A program's own factory
is left alone.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterable, Sized
from functools import partial
from types import FrameType
from typing import Any, Final

from otelprov.artifacts.registry import registry
from otelprov.instrumentation._calls import is_internal
from otelprov.instrumentation._databases import Connection as Known
from otelprov.instrumentation._databases import sqlite_place
from otelprov.instrumentation._programs import owner
from otelprov.instrumentation._queries import Sent, caller_of, told
from otelprov.instrumentation._table import Entry, step
from otelprov.recording import faults
from otelprov.recording.recorder import Call
from otelprov.recording.run import run

RECORDS: Final = (
    "**query**: `execute`, `executemany` and `executescript` of connections and cursors, with the "
    "tables that they read and write"
)
ODDITIES: Final = (
    "Connections that the program opens are recorded, not those that packages open for themselves, "
    "nor those of a factory of the program's own. `type(connection)` is a subclass of "
    "`sqlite3.Connection`.",
    "Rows that are fetched one by one are not followed; the list of `fetchall` and `fetchmany` is.",
)
OWN: Final = frozenset({"sqlite3", "_sqlite3"})
_CONNECT = sqlite3.connect
"""As it was when this was loaded, which is before it is replaced."""


def table() -> Iterable[Entry]:
    """The module."""
    yield step("connect", around=_connecting)


def _connecting(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        if run.active:
            try:
                own = len(args) > 5 or kwargs.get("factory") not in (None, sqlite3.Connection)
                if not own and _is_the_programs(sys._getframe(1)):
                    kwargs["factory"] = Connection
            except Exception as fault:
                faults.tell("a connection is not recorded", fault)
        try:
            return original(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return wrapper


def _is_the_programs(frame: FrameType) -> bool:
    """Whether the program opens it: packages keep caches and histories in SQLite."""
    place: FrameType | None = frame
    while place is not None and owner(place) == "standard":
        place = place.f_back
    return place is not None and owner(place) == "program" and not is_internal(place)


# --- what stands in -------------------------------------------------------------------------------


class Connection(sqlite3.Connection):
    """A connection whose statements are recorded."""

    __slots__ = ("__weakref__", "_otelprov")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._otelprov: Known | None = None
        with faults.contained("a connection is not recorded"):
            # Nothing of the program's (a trace, an authorizer) is on it yet, and no file is locked
            # for it.
            listed = super().execute("PRAGMA database_list").fetchall()
            path = next((path for _, name, path in listed if name == "main"), None)
            self._otelprov = Known(sqlite_place(path))

    def cursor(self, factory: Any = None) -> Any:
        if factory is None and self._otelprov is not None:
            factory = Cursor
        elif factory is None:
            return super().cursor()
        return super().cursor(factory)

    def commit(self) -> None:
        super().commit()
        _ended(self)

    def rollback(self) -> None:
        super().rollback()
        _ended(self, undone=True)

    def close(self) -> None:
        super().close()
        _ended(self, undone=True)

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> Any:
        found = super().__exit__(kind, value, traceback)
        _ended(self, undone=kind is not None)
        return found

    # The originals make their cursors and run them in C.

    def execute(self, *args: Any) -> Any:
        if self._otelprov is None or not args:
            return super().execute(*args)
        cursor = self.cursor()
        return _carry_out(cursor, partial(sqlite3.Cursor.execute, cursor), "execute", args)

    def executemany(self, *args: Any) -> Any:
        if self._otelprov is None or len(args) < 2:
            return super().executemany(*args)
        cursor = self.cursor()
        return _carry_out(cursor, partial(sqlite3.Cursor.executemany, cursor), "executemany", args)

    def executescript(self, *args: Any) -> Any:
        if self._otelprov is None or not args:
            return super().executescript(*args)
        cursor = self.cursor()
        return _carry_out(
            cursor, partial(sqlite3.Cursor.executescript, cursor), "executescript", args
        )


def _ended(connection: Connection, *, undone: bool = False) -> None:
    known = connection._otelprov
    if known is not None and known.transaction:
        with faults.contained("the end of a transaction was not recorded"):
            known.ended(undone=undone)


class Cursor(sqlite3.Cursor):
    """A cursor whose statements are recorded."""

    __slots__ = ()

    def execute(self, *args: Any) -> Any:
        return _carry_out(self, super().execute, "execute", args)

    def executemany(self, *args: Any) -> Any:
        return _carry_out(self, super().executemany, "executemany", args)

    def executescript(self, *args: Any) -> Any:
        return _carry_out(self, super().executescript, "executescript", args)

    def fetchall(self) -> Any:
        return _followed(self, super().fetchall())

    def fetchmany(self, *args: Any, **kwargs: Any) -> Any:
        return _followed(self, super().fetchmany(*args, **kwargs))


for _kind in (Connection, Cursor):
    _kind.__module__ = "sqlite3"  # in a repr, and for who asks which driver it is


def _carry_out(cursor: Cursor, execute: Callable[..., Any], name: str, args: Any) -> Any:
    sent, many = None, None
    connection: Any = cursor.connection
    if run.active and args and isinstance(args[0], str):
        try:
            known = connection._otelprov
            caller = caller_of(sys._getframe(2), OWN)
            given = args[1] if len(args) > 1 else None
            if name == "executemany":
                many = given
                if hasattr(given, "__next__"):
                    many = None
            if name == "executescript" and known.transaction:
                known.ended()  # it commits what was open
            sent = Sent(
                known,
                _CALLS[name],
                caller,
                args[0],
                parameters=None if name == "executemany" else given,
                rows=many,
            )
        except BaseException as fault:
            told("a statement was not recorded", fault)
    try:
        result = execute(*args)
    except BaseException as error:
        if error.__traceback__ is not None:
            error.__traceback__ = error.__traceback__.tb_next
        if sent is not None:
            with faults.contained("the end of a statement was not recorded"):
                sent.failed(error, still_open=connection.in_transaction)
        raise
    if sent is not None:
        with faults.contained("the end of a statement was not recorded"):
            calls = 1
            if name == "executemany":
                calls = len(many) if isinstance(many, Sized) else max(cursor.rowcount, 1)
            identity = sent.returned(still_open=connection.in_transaction, calls=calls)
            if identity is not None:
                registry.assign(cursor, identity)
            else:
                registry.forget(cursor)
    return result


def _followed(cursor: Cursor, rows: Any) -> Any:
    if run.active:
        with faults.contained("the rows of a statement are not known"):
            identity = registry.lookup(cursor)
            if identity is not None and identity.artifact is not None and type(rows) is list:
                registry.fetched(rows, identity.artifact)
    return rows


def _call(name: str) -> Callable[[], Call]:
    call = Call("sqlite3", name, "query", sqlite3.sqlite_version)
    return lambda: call


_CALLS: Final = {name: _call(name) for name in ("execute", "executemany", "executescript")}


TABLES = {"sqlite3": table}

"""PyMySQL: the statements that its cursors send, and how its transactions end.

The server says with each answer whether a transaction goes on. What refuses a statement says
nothing of that; after a deadlock there is none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType
from typing import Any, Final
from weakref import WeakKeyDictionary

from otelprov.artifacts.registry import registry
from otelprov.instrumentation._calls import add_library, is_of
from otelprov.instrumentation._databases import Connection, is_idle, parsed, server_place
from otelprov.instrumentation._queries import (
    Sent,
    caller_of,
    commented,
    given_up,
    listing,
    told,
)
from otelprov.instrumentation._table import Entry, step
from otelprov.instrumentation._wrapping import followed
from otelprov.recording import faults
from otelprov.recording.recorder import Call
from otelprov.recording.run import run

RECORDS: Final = (
    "**query**: `execute` and `executemany` of cursors, with the tables that they read and write, "
    "when their transaction is committed"
)
ODDITIES: Final = (
    "What `fetchall` and `fetchmany` give is followed; rows that are taken one by one, and those "
    "of `fetchall_unbuffered`, are not. The rows of `executemany` are known as with sqlite3.",
    "`callproc`, `Connection.query`, the results behind the first of a text, and the file that "
    "`LOAD DATA` loads are not looked at. A view that the program did not make is a table of "
    "unknown origin.",
    "A database is known by its server, port and name, as `mysql://`: SQLAlchemy's `mariadb://` "
    "is another.",
)
OWN: Final = frozenset({"pymysql"})
_IN_TRANSACTION: Final = 1
"""Of the server's status (``SERVER_STATUS_IN_TRANS``)."""
_DEADLOCK: Final = 1213
_BEGINS: Final = frozenset(("BEGIN", "START"))
_USES: Final = "USE"

add_library("pymysql")

_known: Final[WeakKeyDictionary[Any, Connection]] = WeakKeyDictionary()
"""What is known of connections."""


def table() -> Iterable[Entry]:
    """The cursors, of which the others inherit, and the connection."""
    for name in _STATEMENTS:
        yield step(f"cursors.Cursor.{name}", around=partial(_executing, name))
    for owner in ("Cursor", "SSCursor"):
        for name in ("fetchall", "fetchmany"):
            yield step(f"cursors.{owner}.{name}", around=listing)
    for name in ("begin", "commit", "rollback", "autocommit", "connect", "close"):
        yield step(f"connections.Connection.{name}", around=partial(_ending, name))
    yield step("connections.Connection.select_db", around=_selecting)


# --- connections ----------------------------------------------------------------------------------


def _known_of(connection: Any) -> Connection:
    found = _known.get(connection)
    if found is None:
        found = _known[connection] = Connection(_place(connection, connection.db))
    return found


def _place(connection: Any, database: Any) -> Any:
    name = database.decode() if isinstance(database, bytes) else database
    return server_place("mysql", connection.host, connection.port, name)


def _is_open(connection: Any) -> bool:
    """Whether a transaction goes on."""
    return connection.open and bool(connection.server_status & _IN_TRANSACTION)


def _selecting(original: Callable[..., Any]) -> Callable[..., Any]:
    def after(_: object, __: object, connection: Any, db: Any) -> None:
        if connection in _known:
            _known[connection].becomes("main", _place(connection, db))

    return followed(original, after, "which database a connection uses is not known")


def _ending(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """``commit`` and its like: what begins a transaction, or says that each statement is one,
    commits the one before; a connection that is made anew has lost it."""
    undone = name in ("rollback", "connect", "close")

    def method(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            with faults.contained("the end of a transaction was not recorded"):
                known = _known.get(self)
                if known is not None and known.transaction and not self.open:
                    known.transaction.undone("unknown" if name == "commit" else "rolled back")
            raise
        with faults.contained("the end of a transaction was not recorded"):
            known = _known.get(self) if run.active else None
            goes_on = name == "autocommit" and _is_open(self)
            if known is not None and known.transaction and not goes_on:
                known.ended(undone=undone)
        return result

    return method


# --- statements -----------------------------------------------------------------------------------


def _executing(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """``execute`` and ``executemany``, which calls the other."""

    def method(self, query, args=None):  # type: ignore[no-untyped-def]
        sent = None
        connection, sends = self.connection, query
        if run.active:
            try:
                frame = sys._getframe(1)
                if connection is not None and not is_of(frame, "pymysql"):
                    registry.forget(self)  # its rows are others now
                    sent, sends = _sent(name, connection, query, args, frame)
            except BaseException as fault:
                told("a statement was not recorded", fault)
        try:
            result = original(self, sends, args)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if sent is not None:
                try:
                    lost = error.args[:1] == (_DEADLOCK,)
                    sent.failed(error, still_open=not lost and _is_open(connection))
                except BaseException as fault:
                    given_up(sent, fault, error)
            raise
        if sent is not None:
            try:
                many = args if name == "executemany" else None
                sent.executed(self, many, still_open=_is_open(connection))
                if _uses(query):
                    _used(connection, query)
            except BaseException as fault:
                given_up(sent, fault)
        return result

    return method


def _sent(
    name: str, connection: Any, query: Any, args: Any, frame: FrameType
) -> tuple[Sent | None, Any]:
    """A statement that is about to be sent, and its text."""
    if type(query) is not str or (is_idle(query, "mysql") and not _uses(query)):
        if type(query) is str and connection in _known and _begins(_known[connection], query):
            _known[connection].ended()
        return None, query
    caller = caller_of(frame, OWN)
    if caller is None and connection not in _known:
        return None, query
    known = _known_of(connection)
    many = name == "executemany"
    sent = Sent(
        known,
        _CALLS[name],
        caller,
        query,
        rows=args if many else None,
        given=None if many else args,
    )
    operation = sent.operation if run.settings.sql_comment else None
    if operation is not None and not many:
        return sent, commented(query, operation)
    return sent, query


def _begins(known: Connection, text: str) -> bool:
    return any(one.operation in _BEGINS for one in parsed(known, text))


def _uses(text: str) -> bool:
    return text.lstrip()[:3].upper() == _USES


def _used(connection: Any, text: str) -> None:
    """``USE`` has chosen another database."""
    known = _known[connection]
    for one in parsed(known, text):
        if one.operation == _USES and one.subject:
            known.becomes("main", _place(connection, one.subject[-1]))


def _call(name: str) -> Callable[[], Call]:
    def call() -> Call:
        version = str(sys.modules["pymysql"].__version__)
        return Call("pymysql", name, "query", version, client=True)

    return call


_STATEMENTS: Final = ("execute", "executemany")
_CALLS: Final = {name: _call(name) for name in _STATEMENTS}

TABLES = {"pymysql": table}

"""MySQL Connector/Python (``mysql.connector``): the statements that its cursors send, and how its
transactions end; those of Python and those over the library in C."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType
from typing import Any, Final

from opentelemetry.context import attach, detach, get_current

from otelprov.instrumentation._mysql import Driver
from otelprov.instrumentation._table import Entry, step
from otelprov.instrumentation._wrapping import followed
from otelprov.recording import faults
from otelprov.recording.recorder import context_of_the_program

RECORDS: Final = (
    "**query**: `execute` and `executemany` of the cursors of `mysql.connector`, with the tables "
    "that they read and write, when their transaction is committed"
)
ODDITIES: Final = (
    "What `fetchall` and `fetchmany` give is followed; rows that are taken one by one, and those "
    "of `fetchsets`, are not. The rows of `executemany` are known as with sqlite3.",
    "`callproc`, `cmd_query` and its like, the results behind the first of a text, and the file "
    "that `LOAD DATA` loads are not looked at: a statement that fails behind the first of its text "
    "counts as carried out. Nor are `execute` with `multi=True`, which versions before 9.2 have, "
    "and `mysql.connector.aio`. A view that the program did not make is a table of unknown origin.",
    "A database is known as with PyMySQL.",
    "The connector tells the server which span is current (from 8.1): it is told of the program's "
    "own spans, and not of those that are recorded here.",
)
_LOST: Final = frozenset((2006, 2013, 2055))
"""Errors of the client after which there is no connection any more."""
_USERS: Final = ("mysql.connector.django", "mysql.connector.opentelemetry")
"""What comes with it and uses it for the program."""
_CURSORS: Final = (
    "", "Buffered", "Raw", "BufferedRaw", "Prepared", "Dict", "BufferedDict", "PreparedDict",
    "NamedTuple", "BufferedNamedTuple", "PreparedNamedTuple", "PreparedRaw",
)  # fmt: skip


class _Connector(Driver):
    name, query, given, rows = "mysql", "operation", "params", "seq_params"

    def version(self) -> str:
        return str(sys.modules["mysql.connector"].__version__)

    def connection(self, cursor: Any) -> Any:
        proxy = getattr(cursor, "_connection", None) or getattr(cursor, "_cnx", None)  # in C: 8.x
        try:
            return None if proxy is None else proxy.get_self()
        except ReferenceError:  # nobody has it any more
            return None

    def server(self, connection: Any) -> tuple[str | None, int]:
        return None if connection.unix_socket else connection.server_host, connection.server_port

    def database(self, connection: Any) -> Any:
        return connection._database

    def is_open(self, connection: Any) -> bool:
        return bool(connection.in_transaction)

    def is_lost(self, connection: Any, error: BaseException) -> bool:
        return getattr(error, "errno", None) in _LOST

    def is_prepared(self, cursor: Any) -> bool:
        return "Prepared" in type(cursor).__name__

    def sends(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        if tuple(sys.modules["mysql.connector"].__version_info__) >= (9, 2):
            return True
        return not (args[2] if len(args) > 2 else kwargs.get("multi"))

    def calls(self, frame: FrameType | None) -> bool:
        if frame is not None and str(frame.f_globals.get("__name__")).startswith(_USERS):
            return False
        return super().calls(frame)

    def changing_user(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """What begins the connection anew, as another user and in another database."""

        def after(
            _: object, __: object, connection: Any, username: Any = "", password: Any = "",
            database: Any = "", *___: object, **____: object,
        ) -> None:  # fmt: skip
            self.begins_anew(connection, database)

        return followed(original, after, "the end of a transaction was not recorded")


_driver: Final = _Connector()


def table() -> Iterable[Entry]:
    """The cursors and connections, of Python and over C."""
    for owner in (f"{of}Cursor{kind}" for of in ("MySQL", "CMySQL") for kind in _CURSORS):
        module = "cursor" if owner.startswith("MySQL") else "cursor_cext"
        for name in ("execute", "executemany"):
            yield step(f"{module}.{owner}.{name}", around=partial(_driver.executing, name))
        for name in ("fetchall", "fetchmany"):
            yield step(f"{module}.{owner}.{name}", around=_driver.listing)
    for owner in ("connection.MySQLConnection", "connection_cext.CMySQLConnection"):
        for name in ("commit", "rollback", "close", "shutdown", "connect"):
            yield step(f"{owner}.{name}", around=partial(_driver.ending, name))
        for name in ("cmd_query", "cmd_stmt_execute"):
            yield step(f"{owner}.{name}", around=_sending)
        yield step(f"{owner}.start_transaction", around=partial(_driver.ending, "begin"))
        yield step(f"{owner}.cmd_reset_connection", around=partial(_driver.ending, "reset"))
        yield step(f"{owner}.cmd_change_user", around=_driver.changing_user)
        yield step(f"{owner}.autocommit", around=partial(_driver.ending, "autocommit"), setter=True)
        yield step(f"{owner}.cmd_init_db", around=_driver.selecting)
        yield step(f"{owner}.database", around=_driver.selecting, setter=True)


def _sending(original: Callable[..., Any]) -> Callable[..., Any]:
    """What tells the server which span is current, from 8.1 on: it warns where the server does not
    take that, and nobody has asked for ours."""

    def method(*args, **kwargs):  # type: ignore[no-untyped-def]
        token = None
        with faults.contained("the server may be told of a span"):
            context = context_of_the_program()
            if context is not get_current():
                token = attach(context)
        try:
            return original(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        finally:
            if token is not None:
                detach(token)

    return method


TABLES = {"mysql.connector": table}

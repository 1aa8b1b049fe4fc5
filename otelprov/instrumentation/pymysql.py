"""PyMySQL: the statements that its cursors send, and how its transactions end."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from otelprov.instrumentation._mysql import IN_TRANSACTION, Driver
from otelprov.instrumentation._table import Entry, step

RECORDS: Final = (
    "**query**: `execute` and `executemany` of cursors, with the tables that they read and write, "
    "when their transaction is committed"
)
ODDITIES: Final = (
    "What `fetchall` and `fetchmany` give is followed; rows that are taken one by one, and those "
    "of `fetchall_unbuffered`, are not. The rows of `executemany` are known as with sqlite3.",
    "`callproc`, `Connection.query`, the results behind the first of a text, and the file that "
    "`LOAD DATA` loads are not looked at: a statement that fails behind the first of its text "
    "counts as carried out. A view that the program did not make is a table of unknown origin.",
    "A database is known by its server, port and name, as `mysql://`: SQLAlchemy's `mariadb://` "
    "is another.",
)


class _PyMySQL(Driver):
    name, query, given, rows = "pymysql", "query", "args", "args"

    def version(self) -> str:
        return str(sys.modules["pymysql"].__version__)

    def connection(self, cursor: Any) -> Any:
        return cursor.connection

    def server(self, connection: Any) -> tuple[str | None, int]:
        return connection.host, connection.port

    def database(self, connection: Any) -> Any:
        return connection.db

    def is_open(self, connection: Any) -> bool:
        return connection.open and bool(connection.server_status & IN_TRANSACTION)

    def is_lost(self, connection: Any, error: BaseException) -> bool:
        return not connection.open


_driver: Final = _PyMySQL()


def table() -> Iterable[Entry]:
    """The cursors, of which the others inherit, and the connection."""
    for name in ("execute", "executemany"):
        yield step(f"cursors.Cursor.{name}", around=partial(_driver.executing, name))
    for owner in ("Cursor", "SSCursor"):
        for name in ("fetchall", "fetchmany"):
            yield step(f"cursors.{owner}.{name}", around=_driver.listing)
    for name in ("begin", "commit", "rollback", "autocommit", "connect", "close"):
        yield step(f"connections.Connection.{name}", around=partial(_driver.ending, name))
    yield step("connections.Connection.select_db", around=_driver.selecting)


TABLES = {"pymysql": table}

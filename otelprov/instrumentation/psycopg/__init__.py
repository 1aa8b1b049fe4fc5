"""psycopg: the statements that its cursors send, and how its transactions end."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from otelprov.instrumentation._calls import add_library
from otelprov.instrumentation._table import Entry, step
from otelprov.instrumentation.psycopg.statements import (
    copying,
    copying_async,
    executing,
    executing_async,
    fetching,
    fetching_async,
    streaming,
    streaming_async,
)
from otelprov.instrumentation.psycopg.transactions import (
    ending,
    ending_async,
    entering,
    entering_async,
    leaving,
    leaving_async,
)

RECORDS: Final = (
    "**query**: `execute`, `executemany`, `stream` and `copy` of cursors and connections, also of "
    "asyncio, with the tables that they read and write, when their transaction is committed"
)
ODDITIES: Final = (
    "The lists of `fetchall` and `fetchmany` are followed; rows that are taken one by one, "
    "streamed or copied are not. What goes into `COPY` is of unknown origin; the rows of "
    "`executemany` are known as with sqlite3.",
    "Which table a name stands for, and which tables a view reads, is asked of the server, once "
    "for each name on a connection, before the statement. With a table those are read that inherit "
    "from it, with a partition the table that rows come to it through.",
    "Each statement of a text is an operation, up to a hundred of them, where not more than one "
    "gives rows; else they are one, and what each writes comes from all that they read.",
    "What triggers and functions of the database read and write is not seen.",
    "A server is known by the name that the program connects to: `localhost` and `127.0.0.1` are "
    "two.",
)
add_library("psycopg_pool")


def table() -> Iterable[Entry]:
    """Everything lies in modules that ``import psycopg`` loads."""
    for kind in ("Cursor", "ServerCursor"):
        yield step(f"{kind}.execute", around=partial(executing, "execute"))
        yield step(f"{kind}.executemany", around=partial(executing, "executemany"))
        yield step(f"Async{kind}.execute", around=partial(executing_async, "execute"))
        yield step(f"Async{kind}.executemany", around=partial(executing_async, "executemany"))
        for name in ("fetchall", "fetchmany"):
            yield step(f"{kind}.{name}", around=fetching)
            yield step(f"Async{kind}.{name}", around=fetching_async)
    yield step("Cursor.stream", around=streaming)
    yield step("AsyncCursor.stream", around=streaming_async)
    yield step("Cursor.copy", around=copying)
    yield step("AsyncCursor.copy", around=copying_async)
    for name in ("commit", "rollback", "close"):
        yield step(f"Connection.{name}", around=partial(ending, name))
        yield step(f"AsyncConnection.{name}", around=partial(ending_async, name))
    yield step("Transaction.__enter__", around=entering)
    yield step("AsyncTransaction.__aenter__", around=entering_async)
    yield step("Transaction.__exit__", around=leaving)
    yield step("AsyncTransaction.__aexit__", around=leaving_async)


TABLES = {"psycopg": table}

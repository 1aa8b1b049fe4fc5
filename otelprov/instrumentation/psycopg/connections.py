"""What is known of connections, and what the server is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from otelprov.instrumentation._databases import (
    Connection,
    can_answer,
    parsed,
    place_of_driver,
)

IDLE, IN_ERROR, LOST = 0, 3, 4
"""Of libpq's PQtransactionStatus."""

connections: Final[WeakKeyDictionary[Any, Connection]] = WeakKeyDictionary()


def known_of(connection: Any) -> Connection | None:
    found = connections.get(connection)
    if found is None and not connection.closed:
        place = place_of_driver(connection)
        if place is None:
            return None
        found = connections[connection] = Connection(place)
        if connection.info.vendor == "PostgreSQL":
            found.asks = can_answer(connection)
    return found


def status(connection: Any) -> int:
    return int(connection.pgconn.transaction_status)


def is_open(connection: Any) -> bool:
    return status(connection) not in (IDLE, LOST)


def question_for(known: Connection | None, text: str | None) -> str | None:
    """What has to be asked before a statement."""
    if known is None or text is None or not known.asks:
        return None
    found = parsed(known, text)
    return known.questions(found) if any(one.is_operation for one in found) else None


def can_be_asked(connection: Any) -> bool:
    """Whether the server can be asked something now."""
    return status(connection) in (IDLE, 2) and connection.pgconn.pipeline_status == 0


def ask(original: Callable[..., Any], connection: Any, known: Connection, question: str) -> None:
    import psycopg
    from psycopg.rows import tuple_row

    cursor = psycopg.Cursor(connection, row_factory=tuple_row)
    original(cursor, question, prepare=False)
    known.answered(originals["fetchall"](cursor))


async def ask_async(
    original: Callable[..., Any], connection: Any, known: Connection, question: str
) -> None:
    import psycopg
    from psycopg.rows import tuple_row

    cursor = psycopg.AsyncCursor(connection, row_factory=tuple_row)
    await original(cursor, question, prepare=False)
    known.answered(await originals["fetchall, async"](cursor))


originals: Final[dict[str, Callable[..., Any]]] = {}
"""Of ``Cursor``'s methods: what asks for us."""

"""asyncpg: the statements that its connections, prepared statements and cursors send.

Its transactions are statements, too: ``BEGIN``, ``COMMIT`` and savepoints go the same way.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from otelprov._record import record
from otelprov.instrumentation._calls import add_library
from otelprov.instrumentation._databases import Connection, Place, is_idle, parsed, server_place
from otelprov.instrumentation._queries import (
    Caller,
    Sent,
    caller_of,
    commented,
    given_up,
    named_rows,
    size_of,
    told,
)
from otelprov.instrumentation._table import Entry, step
from otelprov.instrumentation._wrapping import followed
from otelprov.recording import faults
from otelprov.recording.plain_values import fetched
from otelprov.recording.recorder import Call
from otelprov.recording.run import run

RECORDS: Final = (
    "**query**: `execute`, `executemany`, `fetch`, `fetchrow`, `fetchval`, `fetchmany`, `copy_*` "
    "of connections, pools, prepared statements and cursors, with the tables that they read and "
    "write, when their transaction is committed"
)
ODDITIES: Final = (
    "The lists of `fetch` and `fetchmany` are followed, of `asyncpg.Record` and no other class of "
    "records; single rows and values, and what a cursor gives, are not. The rows of `executemany`, "
    "`fetchmany` and `copy_records_to_table` are known as with sqlite3.",
    "Which table a name stands for is asked of the server, once for each name on a connection, "
    "before the statement; see psycopg. It counts as one of the `max_queries` of a pool, and "
    "nothing is asked in a transaction that has failed.",
    "A traceparent (`OTELPROV_SQL_COMMENT`) is put only into what `execute` sends without "
    "arguments: others are prepared by their text.",
)
OWN: Final = frozenset({"asyncpg"})
_COMMITS: Final = frozenset(("COMMIT", "END"))

add_library("asyncpg")

_known: Final[WeakKeyDictionary[Any, Connection]] = WeakKeyDictionary()
"""What is known of connections."""


def table() -> Iterable[Entry]:
    """Pools call the methods of their connections."""
    for name in ("execute", "fetch", "fetchrow", "fetchval"):
        yield step(f"connection.Connection.{name}", around=partial(_executing, name, _single))
    for name in ("executemany", "fetchmany"):
        yield step(f"connection.Connection.{name}", around=partial(_executing, name, _many))
    for name, asked in (
        ("copy_from_table", _copied_from_table),
        ("copy_from_query", _copied_from_query),
        ("copy_to_table", _copied_to_table),
        ("copy_records_to_table", _copied_to_table),
    ):
        yield step(f"connection.Connection.{name}", around=partial(_executing, name, asked))
    yield step("connection.Connection.close", around=_closing)
    yield step("connection.Connection.terminate", around=_terminating)
    for name in ("fetch", "fetchrow", "fetchval"):
        yield step(
            f"prepared_stmt.PreparedStatement.{name}", around=partial(_preparing, name, _prepared)
        )
    for name in ("executemany", "fetchmany"):
        yield step(
            f"prepared_stmt.PreparedStatement.{name}",
            around=partial(_preparing, name, _prepared_many),
        )
    for name in ("_bind", "_bind_exec"):  # each opens a cursor
        yield step(f"cursor.BaseCursor.{name}", around=partial(_executing, "cursor", _opened))


# --- connections ----------------------------------------------------------------------------------


def _known_of(connection: Any) -> Connection:
    found = _known.get(connection)
    if found is None:
        found = Connection(_place(connection), asks=_can_answer(connection))
        _known[connection] = found
    return found


def _place(connection: Any) -> Place:
    address, port = connection._addr, None
    if isinstance(address, str):  # of a socket: psycopg names its directory, and the port
        address, _, port = address.rpartition("/.s.PGSQL.")
    else:
        address, port = address[:2]
    return server_place("postgresql", address, port, connection._params.database)


def _can_answer(connection: Any) -> bool:
    """Whether the server is a PostgreSQL that knows ``to_regclass``."""
    settings = connection.get_settings()
    if hasattr(settings, "crdb_version") or hasattr(settings, "padb_revision"):
        return False
    return tuple(connection.get_server_version()[:2]) >= (9, 6)


def _is_open(connection: Any) -> bool:
    """Whether a transaction goes on."""
    return not connection.is_closed() and bool(connection.is_in_transaction())


async def _ask(connection: Any, question: str) -> list[Any]:
    """By the methods that asyncpg itself asks with: neither the program's loggers of queries nor
    its classes of records and its codecs see it, nor does it take a place in the cache."""
    import asyncpg

    named = connection._stmt_cache.get_max_size() > 0  # else what PgBouncer has no place for
    with connection._stmt_exclusive_section:
        statement = await connection._get_statement(
            question,
            None,
            named=named,
            use_cache=False,
            ignore_custom_codec=True,
            record_class=asyncpg.Record,
        )
        try:
            return list(await connection._protocol.bind_execute(statement, (), "", 0, False, None))
        finally:
            if named:
                connection._maybe_gc_stmt(statement)


async def _look_up(connection: Any, known: Connection, text: str) -> None:
    """Ask what the names in a statement stand for."""
    import asyncpg

    found = parsed(known, text)
    question = known.questions(found) if any(one.is_operation for one in found) else None
    if question is not None:
        try:
            known.answered(await _ask(connection, question))
        except (asyncpg.PostgresError, asyncpg.InterfaceError):  # the transaction has failed before
            return


def _over(connection: Any) -> None:
    known = _known.get(connection)
    if known is not None and known.transaction:
        known.ended(undone=True)


def _closing(original: Callable[..., Any]) -> Callable[..., Any]:
    async def method(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            return await original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        finally:
            with faults.contained("the end of a transaction was not recorded"):
                _over(self)

    return method


def _terminating(original: Callable[..., Any]) -> Callable[..., Any]:
    def after(_: object, __: object, connection: Any) -> None:
        _over(connection)

    return followed(original, after, "the end of a transaction was not recorded")


# --- statements -----------------------------------------------------------------------------------


@record
class _Asked:
    """What a call has the server carry out."""

    connection: Any
    text: Any
    rows: object = None
    """Of many executions."""
    given: object = None
    """The arguments of one."""
    into: object = None
    """The file that what it gives is written to."""
    copies: bool = False
    """Whether functions of the program's own run meanwhile."""


def _nth(number: int, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    return args[number] if len(args) > number else kwargs.get(name)


def _single(connection: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> _Asked:
    return _Asked(connection, _nth(0, "query", args, kwargs), given=args[1:] or None)


def _many(connection: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> _Asked:
    text = args[0] if args else kwargs.get("command", kwargs.get("query"))
    return _Asked(connection, text, rows=_nth(1, "args", args, kwargs))


def _prepared(statement: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> _Asked:
    return _Asked(statement._connection, statement._query, given=args or None)


def _prepared_many(statement: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> _Asked:
    return _Asked(statement._connection, statement._query, rows=_nth(0, "args", args, kwargs))


def _opened(cursor: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> _Asked:
    return _Asked(cursor._connection, cursor._query, given=cursor._args or None)


def _copied_from_table(connection: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> _Asked:
    text = f"COPY {_copied(args, kwargs)} TO STDOUT"
    return _Asked(connection, text, into=_written(kwargs), copies=True)


def _copied_from_query(connection: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> _Asked:
    text = f"COPY ({_nth(0, 'query', args, kwargs)}) TO STDOUT"
    return _Asked(connection, text, into=_written(kwargs), copies=True)


def _copied_to_table(connection: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> _Asked:
    rows = _file(kwargs["source"]) if "source" in kwargs else kwargs.get("records")
    text = f"COPY {_copied(args, kwargs)} FROM STDIN"
    return _Asked(connection, text, rows=rows, copies=True)


def _copied(args: Sequence[Any], kwargs: dict[str, Any]) -> str:
    """The table, with its columns."""
    schema, columns = kwargs.get("schema_name"), kwargs.get("columns")
    name = _quoted(_nth(0, "table_name", args, kwargs))
    if schema:
        name = f"{_quoted(schema)}.{name}"
    listed = columns if type(columns) in (list, tuple) else ()
    return f"{name} ({', '.join(map(_quoted, listed))})" if listed else name


def _quoted(name: Any) -> str:
    return '"' + str(name).replace('"', '""') + '"'


def _file(given: Any) -> Any:
    """The file that is copied, where it is one: asyncpg takes text and bytes for a path."""
    return Path(os.fsdecode(given)) if isinstance(given, (str, bytes, os.PathLike)) else given


def _written(kwargs: dict[str, Any]) -> Any:
    """The file; None for a function of the program's that takes what is copied."""
    file = _file(kwargs.get("output"))
    return file if isinstance(file, Path) or hasattr(file, "write") else None


Describe = Callable[[Any, Sequence[Any], dict[str, Any]], _Asked]


def _executing(name: str, describe: Describe, original: Callable[..., Any]) -> Callable[..., Any]:
    """A coroutine that has a statement carried out."""
    comments = name == "execute"

    async def method(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        sent = asked = None
        if run.active:
            try:
                asked = describe(self, args, kwargs)
                caller = caller_of(sys._getframe(1), OWN)
                sent = await _begun(name, asked, caller)
                if sent is not None and asked.copies:
                    sent.leave()
                if comments and sent is not None and run.settings.sql_comment and len(args) == 1:
                    operation = sent.operation
                    args = args if operation is None else (commented(args[0], operation),)
            except BaseException as fault:
                told("a statement was not recorded", fault)
        try:
            result = await original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if sent is not None and asked is not None:
                try:
                    _failed(sent, asked, error)
                except BaseException as fault:
                    given_up(sent, fault, error)
            raise
        if sent is not None and asked is not None:
            try:
                _returned(sent, asked, result)
            except BaseException as fault:
                given_up(sent, fault)
        return result

    return method


def _preparing(name: str, describe: Describe, original: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a method that looks at its connection when it is called, and gives the coroutine
    then."""

    carried_out = _executing(name, describe, original)

    def method(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            waiting = original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if not run.active:
            return waiting
        waiting.close()  # what was to be looked at was; ours begins it, if anybody awaits that
        ours = carried_out(self, *args, **kwargs)
        ours.__name__, ours.__qualname__ = waiting.__name__, waiting.__qualname__
        return ours

    return method


async def _begun(name: str, asked: _Asked, caller: Caller) -> Sent | None:
    """A statement that is about to be sent."""
    connection, text = asked.connection, asked.text
    if type(text) is not str or connection.is_closed() or is_idle(text, "postgres"):
        return None
    if caller is None and connection not in _known:
        return None
    known = _known_of(connection)
    if caller is not None and known.asks:
        await _look_up(connection, known, text)
    return Sent(
        known,
        _CALLS[name],
        caller,
        text,
        rows=asked.rows,
        given=asked.given,
        into=asked.into,
    )


def _returned(sent: Sent, asked: _Asked, result: Any) -> None:
    connection = asked.connection
    known = _known[connection]
    if result == "ROLLBACK" and known.transaction and not _is_open(connection):
        known.ended(undone=True)  # so ends what was to be committed, where it has failed before
    size = size_of(asked.rows)
    identity = sent.returned(still_open=_is_open(connection), calls=1 if size is None else size)
    if identity is not None and identity.artifact is not None and type(result) is list and result:
        first: Any = result[0]
        names = list(first.keys()) if type(first).__module__.startswith("asyncpg.") else []
        fetched(result, named_rows(identity.artifact, names))


def _failed(sent: Sent, asked: _Asked, error: BaseException) -> None:
    connection = asked.connection
    known = _known[connection]
    if connection.is_closed() and known.transaction:
        commits = any(one.operation in _COMMITS for one in parsed(known, asked.text))
        known.transaction.undone("unknown" if commits else "rolled back")
    sent.failed(error, still_open=_is_open(connection))


def _call(name: str) -> Callable[[], Call]:
    def call() -> Call:
        import asyncpg

        return Call("asyncpg", name, "query", asyncpg.__version__, client=True)

    return call


_CALLS: Final = {
    name: _call(name)
    for name in (
        "execute", "executemany", "fetch", "fetchrow", "fetchval", "fetchmany", "copy_from_table",
        "copy_from_query", "copy_to_table", "copy_records_to_table", "cursor",
    )
}  # fmt: skip

TABLES = {"asyncpg": table}

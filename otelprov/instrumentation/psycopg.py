"""psycopg: the statements that its cursors send, and how its transactions end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sized
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final
from weakref import WeakKeyDictionary

from otelprov.artifacts.registry import registry
from otelprov.instrumentation._calls import add_library
from otelprov.instrumentation._databases import Connection, place_of_driver
from otelprov.instrumentation._queries import Sent, caller_of, commented, told
from otelprov.instrumentation._table import Entry, step
from otelprov.instrumentation._wrapping import followed
from otelprov.recording import faults
from otelprov.recording.recorder import Call
from otelprov.recording.run import run

RECORDS: Final = (
    "**query**: `execute`, `executemany`, `stream` and `copy` of cursors and connections, also of "
    "asyncio, with the tables that they read and write, when their transaction is committed"
)
ODDITIES: Final = (
    "The lists of `fetchall` and `fetchmany` are followed; rows that are taken one by one, "
    "streamed or copied are not, nor is what goes into `COPY`.",
    "Which table a name without a schema stands for is asked of the server, once for each name on "
    "a connection, before the statement.",
    "A server is known by the name that the program connects to: `localhost` and `127.0.0.1` are "
    "two.",
)
OWN: Final = frozenset({"psycopg", "psycopg_binary", "psycopg_c", "psycopg_pool"})
add_library("psycopg_pool")
_IDLE, _IN_ERROR, _LOST = 0, 3, 4
"""Of libpq's PQtransactionStatus."""

_connections: Final[WeakKeyDictionary[Any, Connection]] = WeakKeyDictionary()


def table() -> Iterable[Entry]:
    """Everything lies in modules that ``import psycopg`` loads."""
    for kind in ("Cursor", "ServerCursor"):
        yield step(f"{kind}.execute", around=partial(_executing, "execute"))
        yield step(f"{kind}.executemany", around=partial(_executing, "executemany"))
        yield step(f"Async{kind}.execute", around=partial(_executing_async, "execute"))
        yield step(f"Async{kind}.executemany", around=partial(_executing_async, "executemany"))
        for name in ("fetchall", "fetchmany"):
            yield step(f"{kind}.{name}", around=_fetching)
            yield step(f"Async{kind}.{name}", around=_fetching_async)
    yield step("Cursor.stream", around=_streaming)
    yield step("AsyncCursor.stream", around=_streaming_async)
    yield step("Cursor.copy", around=_copying)
    yield step("AsyncCursor.copy", around=_copying_async)
    for name in ("commit", "rollback", "close"):
        yield step(f"Connection.{name}", around=partial(_ending, name))
        yield step(f"AsyncConnection.{name}", around=partial(_ending_async, name))
    yield step("Transaction.__enter__", around=_entering)
    yield step("AsyncTransaction.__aenter__", around=_entering_async)
    yield step("Transaction.__exit__", around=_leaving)
    yield step("AsyncTransaction.__aexit__", around=_leaving_async)


# --- connections ----------------------------------------------------------------------------------


def _known(connection: Any) -> Connection | None:
    found = _connections.get(connection)
    if found is None:
        place = place_of_driver(connection)
        if place is None:
            return None
        found = _connections[connection] = Connection(place)
        # Others speak the same protocol.
        cockroach = connection.info.parameter_status("crdb_version")
        if connection.info.vendor == "PostgreSQL" and cockroach is None:
            found.asks = True
    return found


def _status(connection: Any) -> int:
    return int(connection.pgconn.transaction_status)


def _open(connection: Any) -> bool:
    return _status(connection) not in (_IDLE, _LOST)


def _question(known: Connection | None, text: str | None) -> str | None:
    """What has to be asked before a statement."""
    if known is None or text is None or not known.asks:
        return None
    from otelprov.instrumentation._databases import parsed

    found = parsed(known, text)
    return known.questions(found) if any(one.is_operation for one in found) else None


def _asks(connection: Any) -> bool:
    """Whether the server can be asked something now."""
    return _status(connection) in (_IDLE, 2) and connection.pgconn.pipeline_status == 0


def _ask(original: Callable[..., Any], connection: Any, known: Connection, question: str) -> None:
    import psycopg
    from psycopg.rows import tuple_row

    cursor = psycopg.Cursor(connection, row_factory=tuple_row)
    original(cursor, question, prepare=False)
    known.answered(_originals["fetchall"](cursor))


async def _ask_async(
    original: Callable[..., Any], connection: Any, known: Connection, question: str
) -> None:
    import psycopg
    from psycopg.rows import tuple_row

    cursor = psycopg.AsyncCursor(connection, row_factory=tuple_row)
    await original(cursor, question, prepare=False)
    known.answered(await _originals["fetchall, async"](cursor))


_originals: Final[dict[str, Callable[..., Any]]] = {}
"""Of ``Cursor``'s methods: what asks for us."""


def _text(cursor: Any, query: Any) -> str | None:
    if isinstance(query, str):
        return query
    if isinstance(query, bytes):
        return query.decode("utf-8", "replace")
    as_string = getattr(query, "as_string", None)
    return str(as_string(cursor)) if as_string is not None else None


# --- statements -----------------------------------------------------------------------------------


class _Statement:
    """One call of a cursor's that sends a statement."""

    __slots__ = ("calls", "cursor", "known", "many", "name", "query", "sent", "text")

    def __init__(self, name: str, cursor: Any, query: Any, many: object) -> None:
        self.name = name
        self.cursor = cursor
        self.query = query
        self.many = many
        self.calls = 1
        self.sent: Sent | None = None
        self.known = _known(cursor.connection)
        self.text = _text(cursor, query)

    @property
    def question(self) -> str | None:
        """What is to be asked first."""
        if self.known is None or not _asks(self.cursor.connection):
            return None
        return _question(self.known, self.text)

    def begin(self, caller: Any, parameters: object, *, prepared: bool) -> Any:
        """It is to be sent: in which form."""
        if self.known is None or self.text is None:
            return self.query
        many = self.many
        self.sent = Sent(
            self.known,
            _CALLS[self.name],
            caller,
            self.text,
            parameters=parameters if many is None else None,
            rows=many if isinstance(many, list) else None,
        )
        if isinstance(many, Sized):
            self.calls = len(many)
        executing = self.sent.executing
        if (
            run.settings.sql_comment
            and executing is not None
            and self.name in ("execute", "stream")
            and isinstance(self.query, str)
            and not prepared
        ):
            return commented(self.query, executing.operation)
        return self.query

    def returned(self) -> None:
        """It was carried out."""
        sent, cursor = self.sent, self.cursor
        if sent is None:
            return
        with faults.contained("the end of a statement was not recorded"):
            calls = self.calls
            if self.name == "executemany" and not isinstance(self.many, Sized):
                calls = max(int(cursor.rowcount), 1)
            identity = sent.returned(still_open=_open(cursor.connection), calls=calls)
            if identity is not None:
                registry.assign(cursor, identity)
            else:
                registry.forget(cursor)

    def failed(self, error: BaseException) -> None:
        """It was refused."""
        if self.sent is not None:
            with faults.contained("the end of a statement was not recorded"):
                self.sent.failed(error, still_open=_open(self.cursor.connection))


def _prepares(cursor: Any, keywords: dict[str, Any]) -> bool:
    """Whether the program asks for a prepared statement, whose text has to stay the same."""
    return bool(keywords.get("prepare")) or type(cursor).__name__.startswith("Raw")


def _given(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    return arguments[0] if arguments else keywords.get("params", keywords.get("params_seq"))


def _started(
    name: str, cursor: Any, query: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> _Statement:
    many = _given(arguments, keywords) if name == "executemany" else None
    return _Statement(name, cursor, query, many)


def _executing(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    if name == "execute" and "execute" not in _originals:
        _originals["execute"] = original

    def wrapper(self, query, *args, **kwargs):  # type: ignore[no-untyped-def]
        statement = None
        if run.active:
            try:
                caller = caller_of(sys._getframe(1), OWN)
                if caller is not None or _connections.get(self.connection) is not None:
                    statement = _started(name, self, query, args, kwargs)
                    question = statement.question if caller is not None else None
                    if question is not None and statement.known is not None:
                        _ask(_originals["execute"], self.connection, statement.known, question)
                    prepared = _prepares(self, kwargs)
                    query = statement.begin(caller, _given(args, kwargs), prepared=prepared)
            except BaseException as fault:
                told("a statement was not recorded", fault)
        try:
            result = original(self, query, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if statement is not None:
                statement.failed(error)
            raise
        if statement is not None:
            statement.returned()
        return result

    return wrapper


def _executing_async(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    if name == "execute" and "execute, async" not in _originals:
        _originals["execute, async"] = original

    async def wrapper(self, query, *args, **kwargs):  # type: ignore[no-untyped-def]
        statement = None
        if run.active:
            try:
                caller = caller_of(sys._getframe(1), OWN)
                if caller is not None or _connections.get(self.connection) is not None:
                    statement = _started(name, self, query, args, kwargs)
                    question = statement.question if caller is not None else None
                    if question is not None and statement.known is not None:
                        ask = _originals["execute, async"]
                        await _ask_async(ask, self.connection, statement.known, question)
                    prepared = _prepares(self, kwargs)
                    query = statement.begin(caller, _given(args, kwargs), prepared=prepared)
            except BaseException as fault:
                told("a statement was not recorded", fault)
        try:
            result = await original(self, query, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if statement is not None:
                statement.failed(error)
            raise
        if statement is not None:
            statement.returned()
        return result

    return wrapper


def _begun(name: str, cursor: Any, query: Any, caller: Any, parameters: Any) -> Any:
    """A statement of ``stream`` or ``copy``, or None; and the form in which it is sent."""
    statement = None
    try:
        if run.active and caller is not None:
            statement = _Statement(name, cursor, query, None)
            query = statement.begin(caller, parameters, prepared=False)
    except BaseException as fault:
        told("a statement was not recorded", fault)
    return statement, query


def _asked(cursor: Any, query: Any, caller: Any) -> None:
    """Ask what the names of a statement stand for."""
    if not run.active or caller is None:
        return
    with faults.contained("the tables of a statement are not known"):
        statement = _Statement("execute", cursor, query, None)
        question = statement.question
        if question is not None and statement.known is not None:
            _ask(_originals["execute"], cursor.connection, statement.known, question)


async def _asked_async(cursor: Any, query: Any, caller: Any) -> None:
    if not run.active or caller is None:
        return
    with faults.contained("the tables of a statement are not known"):
        statement = _Statement("execute", cursor, query, None)
        question = statement.question
        if question is not None and statement.known is not None:
            ask = _originals["execute, async"]
            await _ask_async(ask, cursor.connection, statement.known, question)


def _streaming(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, query, *args, **kwargs):  # type: ignore[no-untyped-def]
        caller = caller_of(sys._getframe(1), OWN) if run.active else None
        _asked(self, query, caller)
        statement, query = _begun("stream", self, query, caller, _given(args, kwargs))
        if statement is not None and statement.sent is not None:
            statement.sent.leave()  # the program's own code runs between two rows
        try:
            yield from original(self, query, *args, **kwargs)
        except GeneratorExit:
            raise
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if statement is not None:
                statement.failed(error)
                statement = None
            raise
        finally:
            if statement is not None:
                statement.returned()

    return wrapper


def _streaming_async(original: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(self, query, *args, **kwargs):  # type: ignore[no-untyped-def]
        caller = caller_of(sys._getframe(1), OWN) if run.active else None
        await _asked_async(self, query, caller)
        statement, query = _begun("stream", self, query, caller, _given(args, kwargs))
        if statement is not None and statement.sent is not None:
            statement.sent.leave()
        rows = original(self, query, *args, **kwargs)
        try:
            async for row in rows:
                yield row
        except GeneratorExit:
            raise
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if statement is not None:
                statement.failed(error)
                statement = None
            raise
        finally:
            await rows.aclose()
            if statement is not None:
                statement.returned()

    return wrapper


def _copying(original: Any) -> Callable[..., Any]:
    generator = original.__wrapped__  # what contextlib has made a context manager of

    def wrapper(self, statement, *args, **kwargs):  # type: ignore[no-untyped-def]
        caller = caller_of(sys._getframe(1), OWN) if run.active else None
        _asked(self, statement, caller)
        begun, _ = _begun("copy", self, statement, caller, None)
        if begun is not None and begun.sent is not None:
            begun.sent.leave()
        try:
            yield from generator(self, statement, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if begun is not None:
                begun.failed(error)
            raise
        if begun is not None:
            begun.returned()

    return contextmanager(wrapper)


_ENTERED: Final = frozenset({"__aenter__", "__aexit__"})


def _copying_async(original: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(self, statement, *args, **kwargs):  # type: ignore[no-untyped-def]
        caller = caller_of(sys._getframe(1), OWN) if run.active else None
        await _asked_async(self, statement, caller)
        begun, _ = _begun("copy", self, statement, caller, None)
        if begun is not None and begun.sent is not None:
            begun.sent.leave()
        try:
            async with original(self, statement, *args, **kwargs) as copy:
                yield copy
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
                inner = error.__traceback__
                if inner is not None and inner.tb_frame.f_code.co_name in _ENTERED:
                    error.__traceback__ = inner.tb_next  # contextlib's, once more
            if begun is not None:
                begun.failed(error)
            raise
        if begun is not None:
            begun.returned()

    return asynccontextmanager(wrapper)


# --- what is fetched ------------------------------------------------------------------------------


def _note(cursor: Any, rows: Any) -> None:
    with faults.contained("the rows of a statement are not known"):
        identity = registry.lookup(cursor)
        if identity is not None and identity.artifact is not None and type(rows) is list and rows:
            registry.fetched(rows, identity.artifact)


def _fetching(original: Callable[..., Any]) -> Callable[..., Any]:
    if original.__name__ == "fetchall":
        _originals.setdefault("fetchall", original)

    def after(_: Any, rows: Any, cursor: Any, *__: Any, **___: Any) -> None:
        _note(cursor, rows)

    return followed(original, after, "the rows of a statement are not known")


def _fetching_async(original: Callable[..., Any]) -> Callable[..., Any]:
    if original.__name__ == "fetchall":
        _originals.setdefault("fetchall, async", original)

    async def wrapper(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            rows = await original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if run.active:
            _note(self, rows)
        return rows

    return wrapper


# --- transactions ---------------------------------------------------------------------------------


class _End:
    """The end of a transaction, seen around the call that brings it."""

    __slots__ = ("connection", "in_error", "known", "name")

    def __init__(self, name: str, connection: Any) -> None:
        self.name = name
        self.connection = connection
        self.known = _connections.get(connection) if run.active else None
        # To commit a transaction in which a statement has failed is to roll it back.
        self.in_error = self.known is not None and _status(connection) == _IN_ERROR

    def over(self) -> None:
        """The call has returned."""
        if self.known is not None:
            with faults.contained("the end of a transaction was not recorded"):
                self.known.ended(undone=self.in_error or self.name != "commit")

    def failed(self) -> None:
        """The call has raised."""
        if self.known is not None:
            with faults.contained("the end of a transaction was not recorded"):
                status = _status(self.connection)
                if status == _LOST:
                    self.known.transaction.undone("unknown")
                elif status == _IDLE:
                    self.known.ended(undone=True)


def _ending(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        end = _End(name, self)
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            end.failed()
            raise
        end.over()
        return result

    return wrapper


def _ending_async(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        end = _End(name, self)
        try:
            result = await original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            end.failed()
            raise
        end.over()
        return result

    return wrapper


def _entered(transaction: Any) -> None:
    name = transaction.savepoint_name
    known = _connections.get(transaction.connection)
    if name and known is not None:
        known.savepoint(name)


def _left(transaction: Any, kind: object) -> None:
    """``with connection.transaction()`` is over."""
    known = _connections.get(transaction.connection)
    if known is None:
        return
    undone = kind is not None or bool(transaction.force_rollback)
    name = transaction.savepoint_name
    if name and _open(transaction.connection):
        if undone:
            known.back_to(name)
        known.release(name)
    elif not _open(transaction.connection):
        known.ended(undone=undone)


def _entering(original: Callable[..., Any]) -> Callable[..., Any]:
    def after(_: Any, __: Any, transaction: Any) -> None:
        _entered(transaction)

    return followed(original, after, "the beginning of a transaction was not recorded")


def _leaving(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, exc_type, exc_val, exc_tb):  # type: ignore[no-untyped-def]
        kind = exc_type
        try:
            return original(self, exc_type, exc_val, exc_tb)
        except BaseException as error:
            kind = type(error)
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        finally:
            with faults.contained("the end of a transaction was not recorded"):
                _left(self, kind)

    return wrapper


def _entering_async(original: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(self):  # type: ignore[no-untyped-def]
        try:
            result = await original(self)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        with faults.contained("the beginning of a transaction was not recorded"):
            _entered(self)
        return result

    return wrapper


def _leaving_async(original: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(self, exc_type, exc_val, exc_tb):  # type: ignore[no-untyped-def]
        kind = exc_type
        try:
            return await original(self, exc_type, exc_val, exc_tb)
        except BaseException as error:
            kind = type(error)
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        finally:
            with faults.contained("the end of a transaction was not recorded"):
                _left(self, kind)

    return wrapper


def _call(name: str) -> Callable[[], Call]:
    def call() -> Call:
        import psycopg

        return Call("psycopg", name, "query", psycopg.__version__, client=True)

    return call


_CALLS: Final = {name: _call(name) for name in ("execute", "executemany", "stream", "copy")}


TABLES = {"psycopg": table}

"""Statements that cursors send, and what is fetched of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import Any, Final

from otelprov.instrumentation._given_rows import PIECES
from otelprov.instrumentation._queries import (
    Sent,
    caller_of,
    commented,
    given_up,
    listed,
    listing,
    told,
)
from otelprov.instrumentation.psycopg.connections import (
    ask,
    ask_async,
    can_be_asked,
    connections,
    is_open,
    known_of,
    originals,
    question_for,
)
from otelprov.recording import faults
from otelprov.recording.recorder import Call
from otelprov.recording.run import run

OWN: Final = frozenset({"psycopg", "psycopg_binary", "psycopg_c", "psycopg_pool"})


def _text(cursor: Any, query: Any) -> str | None:
    if isinstance(query, str):
        return query
    if isinstance(query, bytes):
        return query.decode("utf-8", "replace")
    as_string = getattr(query, "as_string", None)
    try:
        return str(as_string(cursor)) if as_string is not None else None
    except Exception as error:  # a literal that cannot be sent: the program is told by psycopg
        if faults.is_of_the_program(error):
            raise
        return None


class _Statement:
    """One call of a cursor's that sends a statement."""

    __slots__ = ("caller", "cursor", "given", "known", "many", "name", "query", "sent", "text")

    def __init__(self, name: str, cursor: Any, query: Any, given: object, caller: Any) -> None:
        self.name = name
        self.cursor = cursor
        self.query = query
        self.given = given
        self.many = given if name == "executemany" else None
        self.caller = caller
        self.sent: Sent | None = None
        self.known = known_of(cursor.connection)
        self.text = _text(cursor, query)

    @property
    def question(self) -> str | None:
        """What is to be asked first."""
        if self.known is None or not can_be_asked(self.cursor.connection):
            return None
        return question_for(self.known, self.text)

    def begin(self, *, prepared: bool) -> Any:
        """It is to be sent: in which form."""
        if self.known is None or self.text is None:
            return self.query
        self.sent = Sent(
            self.known,
            _CALLS[self.name],
            self.caller,
            self.text,
            rows=PIECES if self.name == "copy" else self.many,
            given=self.given if self.name == "execute" else None,
        )
        operation = self.sent.operation if run.settings.sql_comment else None
        if (
            operation is not None
            and self.name in ("execute", "stream")
            and isinstance(self.query, str)
            and not prepared
        ):
            return commented(self.query, operation)
        return self.query

    def returned(self) -> None:
        """It was carried out."""
        sent, cursor = self.sent, self.cursor
        if sent is None:
            return
        sent.executed(cursor, self.many, still_open=is_open(cursor.connection))

    def failed(self, error: BaseException) -> None:
        """It was refused."""
        if self.sent is not None:
            self.sent.failed(error, still_open=is_open(self.cursor.connection))


def _prepares(cursor: Any, keywords: dict[str, Any]) -> bool:
    """Whether the program asks for a prepared statement, whose text has to stay the same."""
    return bool(keywords.get("prepare")) or type(cursor).__name__.startswith("Raw")


def _given(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    return arguments[0] if arguments else keywords.get("params", keywords.get("params_seq"))


def _started(
    name: str,
    cursor: Any,
    query: Any,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
    caller: Any,
) -> _Statement:
    return _Statement(name, cursor, query, _given(arguments, keywords), caller)


def executing(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    if name == "execute" and "execute" not in originals:
        originals["execute"] = original

    def wrapper(self, query, *args, **kwargs):  # type: ignore[no-untyped-def]
        statement = None
        if run.active:
            try:
                caller = caller_of(sys._getframe(1), OWN)
                if caller is not None or connections.get(self.connection) is not None:
                    statement = _started(name, self, query, args, kwargs, caller)
                    question = statement.question if caller is not None else None
                    if question is not None and statement.known is not None:
                        ask(originals["execute"], self.connection, statement.known, question)
                    prepared = _prepares(self, kwargs)
                    query = statement.begin(prepared=prepared)
            except BaseException as fault:
                told("a statement was not recorded", fault)
        try:
            result = original(self, query, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if statement is not None:
                try:
                    statement.failed(error)
                except BaseException as fault:
                    given_up(statement.sent, fault, error)
            raise
        if statement is not None:
            try:
                statement.returned()
            except BaseException as fault:
                given_up(statement.sent, fault)
        return result

    return wrapper


def executing_async(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    if name == "execute" and "execute, async" not in originals:
        originals["execute, async"] = original

    async def wrapper(self, query, *args, **kwargs):  # type: ignore[no-untyped-def]
        statement = None
        if run.active:
            try:
                caller = caller_of(sys._getframe(1), OWN)
                if caller is not None or connections.get(self.connection) is not None:
                    statement = _started(name, self, query, args, kwargs, caller)
                    question = statement.question if caller is not None else None
                    if question is not None and statement.known is not None:
                        execute = originals["execute, async"]
                        await ask_async(execute, self.connection, statement.known, question)
                    prepared = _prepares(self, kwargs)
                    query = statement.begin(prepared=prepared)
            except BaseException as fault:
                told("a statement was not recorded", fault)
        try:
            result = await original(self, query, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if statement is not None:
                try:
                    statement.failed(error)
                except BaseException as fault:
                    given_up(statement.sent, fault, error)
            raise
        if statement is not None:
            try:
                statement.returned()
            except BaseException as fault:
                given_up(statement.sent, fault)
        return result

    return wrapper


def _leave(statement: _Statement | None) -> None:
    with faults.contained("a statement was recorded in part"):
        if statement is not None and statement.sent is not None:
            statement.sent.leave()


def _new(name: str, cursor: Any, query: Any, frame: FrameType) -> _Statement | None:
    """A statement of ``stream`` or ``copy``; None where nobody is recorded who asks for it."""
    with faults.contained("a statement was not recorded"):
        caller = caller_of(frame, OWN) if run.active else None
        if caller is not None:
            return _Statement(name, cursor, query, None, caller)
    return None


def _asked(statement: _Statement | None) -> None:
    """Ask what the names in it stand for."""
    if statement is None:
        return
    with faults.contained("the tables of a statement are not known"):
        question = statement.question
        if question is not None and statement.known is not None:
            ask(originals["execute"], statement.cursor.connection, statement.known, question)


async def _asked_async(statement: _Statement | None) -> None:
    if statement is None:
        return
    with faults.contained("the tables of a statement are not known"):
        question = statement.question
        if question is not None and statement.known is not None:
            execute = originals["execute, async"]
            await ask_async(execute, statement.cursor.connection, statement.known, question)


def _begun(statement: _Statement | None, query: Any) -> Any:
    """The form in which a statement of ``stream`` or ``copy`` is sent."""
    try:
        if statement is not None:
            query = statement.begin(prepared=False)
    except BaseException as fault:
        told("a statement was not recorded", fault)
    return query


def streaming(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, query, *args, **kwargs):  # type: ignore[no-untyped-def]
        statement = _new("stream", self, query, sys._getframe(1))
        _asked(statement)
        query = _begun(statement, query)
        _leave(statement)  # the program's own code runs between two rows
        try:
            yield from original(self, query, *args, **kwargs)
        except GeneratorExit:
            raise
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if statement is not None:
                try:
                    statement.failed(error)
                except BaseException as fault:
                    given_up(statement.sent, fault, error)
                statement = None
            raise
        finally:
            if statement is not None:
                try:
                    statement.returned()
                except BaseException as fault:
                    given_up(statement.sent, fault)

    return wrapper


def streaming_async(original: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(self, query, *args, **kwargs):  # type: ignore[no-untyped-def]
        statement = _new("stream", self, query, sys._getframe(1))
        await _asked_async(statement)
        query = _begun(statement, query)
        _leave(statement)
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
                try:
                    statement.failed(error)
                except BaseException as fault:
                    given_up(statement.sent, fault, error)
                statement = None
            raise
        finally:
            await rows.aclose()
            if statement is not None:
                try:
                    statement.returned()
                except BaseException as fault:
                    given_up(statement.sent, fault)

    return wrapper


def copying(original: Any) -> Callable[..., Any]:
    generator = original.__wrapped__  # what contextlib has made a context manager of

    def wrapper(self, statement, *args, **kwargs):  # type: ignore[no-untyped-def]
        begun = _new("copy", self, statement, sys._getframe(1))
        _asked(begun)
        _begun(begun, statement)
        _leave(begun)
        try:
            yield from generator(self, statement, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if begun is not None:
                try:
                    begun.failed(error)
                except BaseException as fault:
                    given_up(begun.sent, fault, error)
            raise
        if begun is not None:
            try:
                begun.returned()
            except BaseException as fault:
                given_up(begun.sent, fault)

    return contextmanager(wrapper)


_ENTERED: Final = frozenset({"__aenter__", "__aexit__"})


def copying_async(original: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(self, statement, *args, **kwargs):  # type: ignore[no-untyped-def]
        begun = _new("copy", self, statement, sys._getframe(1))
        await _asked_async(begun)
        _begun(begun, statement)
        _leave(begun)
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
                try:
                    begun.failed(error)
                except BaseException as fault:
                    given_up(begun.sent, fault, error)
            raise
        if begun is not None:
            try:
                begun.returned()
            except BaseException as fault:
                given_up(begun.sent, fault)

    return asynccontextmanager(wrapper)


# --- what is fetched ------------------------------------------------------------------------------


def fetching(original: Callable[..., Any]) -> Callable[..., Any]:
    if original.__name__ == "fetchall":
        originals.setdefault("fetchall", original)

    return listing(original)


def fetching_async(original: Callable[..., Any]) -> Callable[..., Any]:
    if original.__name__ == "fetchall":
        originals.setdefault("fetchall, async", original)

    async def wrapper(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            rows = await original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if run.active:
            with faults.contained("the rows of a statement are not known"):
                listed(None, rows, self)
        return rows

    return wrapper


def _call(name: str) -> Callable[[], Call]:
    def call() -> Call:
        import psycopg

        return Call("psycopg", name, "query", psycopg.__version__, client=True)

    return call


_CALLS: Final = {name: _call(name) for name in ("execute", "executemany", "stream", "copy")}

"""How transactions end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otelprov.instrumentation._databases import Connection
from otelprov.instrumentation._wrapping import followed
from otelprov.instrumentation.psycopg.connections import (
    IDLE,
    IN_ERROR,
    LOST,
    connections,
    is_open,
    status,
)
from otelprov.recording import faults
from otelprov.recording.run import run


class _End:
    """The end of a transaction, seen around the call that brings it."""

    __slots__ = ("connection", "in_error", "known", "name")

    def __init__(self, name: str, connection: Any) -> None:
        self.name = name
        self.connection = connection
        self.known: Connection | None = None
        self.in_error = False
        with faults.contained("the end of a transaction was not recorded"):
            self.known = connections.get(connection) if run.active else None
            # To commit a transaction in which a statement has failed is to roll it back.
            self.in_error = self.known is not None and status(connection) == IN_ERROR

    def over(self) -> None:
        """The call has returned."""
        if self.known is not None:
            with faults.contained("the end of a transaction was not recorded"):
                self.known.ended(undone=self.in_error or self.name != "commit")

    def failed(self) -> None:
        """The call has raised."""
        if self.known is not None:
            with faults.contained("the end of a transaction was not recorded"):
                now = status(self.connection)
                if now == LOST:
                    self.known.transaction.undone("unknown")
                elif now == IDLE:
                    self.known.ended(undone=True)


def ending(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
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


def ending_async(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
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
    known = connections.get(transaction.connection)
    if name and known is not None:
        known.savepoint(name)


def _left(transaction: Any, kind: object) -> None:
    """``with connection.transaction()`` is over."""
    known = connections.get(transaction.connection)
    if known is None:
        return
    undone = kind is not None or bool(transaction.force_rollback)
    name = transaction.savepoint_name
    if name and is_open(transaction.connection):
        if undone:
            known.back_to(name)
        known.release(name)
    elif not is_open(transaction.connection):
        known.ended(undone=undone)


def entering(original: Callable[..., Any]) -> Callable[..., Any]:
    def after(_: Any, __: Any, transaction: Any) -> None:
        _entered(transaction)

    return followed(original, after, "the beginning of a transaction was not recorded")


def leaving(original: Callable[..., Any]) -> Callable[..., Any]:
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


def entering_async(original: Callable[..., Any]) -> Callable[..., Any]:
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


def leaving_async(original: Callable[..., Any]) -> Callable[..., Any]:
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

"""What the drivers of MySQL have in common: the statements that their cursors send, and how their
transactions end.

The server says with each answer whether a transaction goes on. What refuses a statement says
nothing of that; after a deadlock there is none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Final
from weakref import WeakKeyDictionary

from otelprov.artifacts.registry import registry
from otelprov.instrumentation._calls import add_library, is_of
from otelprov.instrumentation._databases import Connection, Place, is_idle, parsed, server_place
from otelprov.instrumentation._queries import (
    Sent,
    caller_of,
    commented,
    given_up,
    listed,
    told,
)
from otelprov.instrumentation._wrapping import followed
from otelprov.recording import faults
from otelprov.recording.recorder import Call
from otelprov.recording.run import run

IN_TRANSACTION: Final = 1
"""Of the server's status (``SERVER_STATUS_IN_TRANS``)."""
_DEADLOCK: Final = 1213
_BEGINS: Final = frozenset(("BEGIN", "START"))
_USES: Final = "USE"
_UNDOING: Final = frozenset(("rollback", "close", "shutdown", "reset"))
_MAY_GO_ON: Final = frozenset(("autocommit", "reset"))


class Driver:
    """One of them, by its package."""

    name: str
    """Of the package."""
    query: str
    """What ``execute`` and ``executemany`` call the text of a statement."""
    rows: str
    """What ``executemany`` calls the parameters."""
    given: str
    """What ``execute`` calls them."""

    def __init__(self) -> None:
        self._own = frozenset({self.name})
        self._known: WeakKeyDictionary[Any, Connection] = WeakKeyDictionary()
        """What is known of connections."""
        add_library(self.name)

    # --- what each driver keeps in its own way ---

    def version(self) -> str:
        """Of the driver."""
        raise NotImplementedError

    def connection(self, cursor: Any) -> Any:
        """The connection that a cursor has; None where that is over."""
        raise NotImplementedError

    def server(self, connection: Any) -> tuple[str | None, int]:
        """Host and port."""
        raise NotImplementedError

    def database(self, connection: Any) -> Any:
        """The name of the database that a new connection to the server begins in."""
        raise NotImplementedError

    def is_open(self, connection: Any) -> bool:
        """Whether a transaction goes on."""
        raise NotImplementedError

    def is_lost(self, connection: Any, error: BaseException) -> bool:
        """Whether an error has ended the connection."""
        raise NotImplementedError

    def is_prepared(self, cursor: Any) -> bool:
        """Whether a cursor has the server prepare its text, which has to stay the same."""
        return False

    def sends(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether ``execute`` with these arguments sends the statement, and does not put it off."""
        return True

    def calls(self, frame: FrameType | None) -> bool:
        """Whether it is the driver itself that calls, seen from the frame that does."""
        return is_of(frame, self.name)

    # --- connections ---

    def _known_of(self, connection: Any) -> Connection:
        found = self._known.get(connection)
        if found is None:
            place = self._place(connection, self.database(connection))
            found = self._known[connection] = Connection(place)
        return found

    def _place(self, connection: Any, database: Any) -> Place:
        name = database.decode() if isinstance(database, bytes) else database
        host, port = self.server(connection)
        return server_place("mysql", host, port, name)

    def _uses(self, connection: Any, database: Any) -> None:
        known, place = self._known_of(connection), self._place(connection, database)
        if place != known.place:
            known.becomes("main", place)

    def selecting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """What chooses another database."""

        def after(_: object, __: object, connection: Any, database: Any) -> None:
            self._uses(connection, database)

        return followed(original, after, "which database a connection uses is not known")

    def begins_anew(self, connection: Any, database: Any) -> None:
        """The server knows nothing any more of what was open."""
        known = self._known.get(connection)
        if known is not None and known.transaction:
            known.ended(undone=True)
        if known is not None:
            self._uses(connection, database)

    def ending(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """``commit`` and its like: what begins a transaction, or says that each statement is one,
        commits the one before; a connection that is made anew has lost it."""
        undone = name in _UNDOING

        def method(connection, *args, **kwargs):  # type: ignore[no-untyped-def]
            try:
                result = original(connection, *args, **kwargs)
            except BaseException as error:
                if error.__traceback__ is not None:
                    error.__traceback__ = error.__traceback__.tb_next
                with faults.contained("the end of a transaction was not recorded"):
                    known = self._known.get(connection)
                    if known is not None and known.transaction and self.is_lost(connection, error):
                        known.transaction.undone("unknown" if name == "commit" else "rolled back")
                raise
            with faults.contained("the end of a transaction was not recorded"):
                known = self._known.get(connection) if run.active else None
                if name == "autocommit" and self.calls(sys._getframe(1)):
                    pass  # of a connection that is made anew: nothing of before is committed by it
                elif known is not None and name == "connect":
                    self.begins_anew(connection, self.database(connection))
                elif known is not None and known.transaction:
                    goes_on = name in _MAY_GO_ON and self.is_open(connection)
                    if not goes_on:
                        known.ended(undone=undone)
            return result

        return method

    # --- statements ---

    def executing(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """``execute`` and ``executemany``, which calls the other."""
        call = partial(self._call, name)

        def method(cursor, *args, **kwargs):  # type: ignore[no-untyped-def]
            sent = connection = query = None
            if run.active:
                try:
                    frame = sys._getframe(1)
                    registry.forget(cursor)  # its rows are others now
                    if not self.calls(frame):
                        query = args[0] if args else kwargs.get(self.query)
                        connection = self.connection(cursor)
                        if connection is not None and self.sends(args, kwargs):
                            sent, sends = self._sent(
                                name, call, cursor, connection, query, args, kwargs, frame
                            )
                            if sends is not query and args:
                                args = (sends, *args[1:])
                            elif sends is not query:
                                kwargs = {**kwargs, self.query: sends}
                except BaseException as fault:
                    told("a statement was not recorded", fault)
            try:
                result = original(cursor, *args, **kwargs)
            except BaseException as error:
                if error.__traceback__ is not None:
                    error.__traceback__ = error.__traceback__.tb_next
                if sent is not None:
                    try:
                        lost = error.args[:1] == (_DEADLOCK,)
                        sent.failed(error, still_open=not lost and self.is_open(connection))
                    except BaseException as fault:
                        given_up(sent, fault, error)
                raise
            if sent is not None:
                try:
                    many = self._given(name, args, kwargs) if name == "executemany" else None
                    sent.executed(cursor, many, still_open=self.is_open(connection))
                    if _uses(query):
                        self._used(connection, query)
                except BaseException as fault:
                    given_up(sent, fault)
            return result

        return method

    def _call(self, name: str) -> Call:
        return Call(self.name, name, "query", self.version(), client=True)

    def _given(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The parameters."""
        if len(args) > 1:
            return args[1]
        return kwargs.get(self.rows if name == "executemany" else self.given)

    def _sent(
        self,
        name: str,
        call: Callable[[], Call],
        cursor: Any,
        connection: Any,
        query: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        frame: FrameType,
    ) -> tuple[Sent | None, Any]:
        """A statement that is about to be sent, and its text."""
        text = _text(query)
        if text is None:
            return None, query
        if is_idle(text, "mysql") and not _uses(text):
            known = self._known.get(connection)
            if known is not None and any(one.operation in _BEGINS for one in parsed(known, text)):
                known.ended()
            return None, query
        caller = caller_of(frame, self._own)
        if caller is None and connection not in self._known:
            return None, query
        given = self._given(name, args, kwargs)
        many = name == "executemany"
        sent = Sent(
            self._known_of(connection),
            call,
            caller,
            text,
            rows=given if many else None,
            given=None if many else given,
        )
        operation = sent.operation if run.settings.sql_comment else None
        if operation is not None and not many and text is query and not self.is_prepared(cursor):
            return sent, commented(text, operation)
        return sent, query

    def _used(self, connection: Any, query: Any) -> None:
        """``USE`` has chosen another database."""
        for one in parsed(self._known[connection], _text(query) or ""):
            if one.operation == _USES and one.subject:
                self._uses(connection, one.subject[-1])

    def listing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """``fetchall`` or ``fetchmany`` of a cursor: the list comes from what that has executed."""

        def after(frame: FrameType, rows: Any, cursor: object, *_: object, **__: object) -> None:
            if not self.calls(frame):  # what a class has of its base is not what it gives
                listed(frame, rows, cursor)

        return followed(original, after, "the rows of a statement are not known")


def _text(query: Any) -> str | None:
    if type(query) is str:
        return query
    return query.decode("utf-8", "replace") if type(query) in (bytes, bytearray) else None


def _uses(query: Any) -> bool:
    text = _text(query)
    return text is not None and text.lstrip()[:3].upper() == _USES

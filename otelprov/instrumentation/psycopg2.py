"""psycopg2: connections that the program opens, as subclasses of the class that it asks for.

Its classes are written in C and cannot be patched. ``psycopg2.connect`` takes a factory, so it
makes a connection of a subclass, of ``psycopg2.extensions.connection`` or of the program's own
factory, and that makes cursors of a subclass of the class that they would have had: real ones,
under the same names.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg2
from psycopg2 import extensions

from otelprov.artifacts import classes
from otelprov.artifacts.registry import registry
from otelprov.instrumentation._calls import add_library, is_internal
from otelprov.instrumentation._databases import Connection as Known
from otelprov.instrumentation._databases import can_answer, is_idle, place_of_driver
from otelprov.instrumentation._programs import owner
from otelprov.instrumentation._queries import (
    Sent,
    caller_of,
    commented,
    given_up,
    listing,
    told,
)
from otelprov.instrumentation._statements import statements
from otelprov.instrumentation._table import Entry, step
from otelprov.instrumentation._wrapping import disguise
from otelprov.recording import faults
from otelprov.recording.recorder import Call
from otelprov.recording.run import run

RECORDS: Final = (
    "**query**: `execute`, `executemany`, `copy_expert`, `copy_from` and `copy_to` of cursors, "
    "with the tables that they read and write, when their transaction is committed"
)
ODDITIES: Final = (
    "Connections that the program opens by psycopg2.connect or a pool are recorded, not those that "
    "packages open for themselves, nor asynchronous ones. `type(connection)` is a subclass of the "
    "class that it would be, and so is that of its cursors.",
    "Cursors whose class a connection factory chooses by itself in a way that cannot be subclassed "
    "afterwards, callproc, and large objects are not recorded.",
    "The lists of `fetchall` and `fetchmany` are followed; rows that are taken one by one are not. "
    "`COPY` reads or writes the file or buffer that it is given. Each page of `execute_values` and "
    "`execute_batch` is a statement; its rows are known as with sqlite3.",
    "Which table a name without a schema stands for is asked of the server, once for each name on "
    "a connection, before the statement; see psycopg.",
)
OWN: Final = frozenset({"psycopg2"})
_PAGES: Final = frozenset({"execute_values", "execute_batch"})
"""Functions of ``psycopg2.extras`` that put many rows into the text of one statement."""
_LISTS: Final = ("builtins", "pandas", "numpy")
_OPEN: Final = (
    extensions.TRANSACTION_STATUS_ACTIVE,
    extensions.TRANSACTION_STATUS_INTRANS,
    extensions.TRANSACTION_STATUS_INERROR,
)

add_library("psycopg2")

_known: Final[WeakKeyDictionary[Any, Known]] = WeakKeyDictionary()
"""What is known of connections of ours."""


def table() -> Iterable[Entry]:
    """The module."""
    yield step("connect", around=_connecting)


def _connecting(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        ours = None
        if run.active:
            try:
                ours = _factory(args, kwargs, sys._getframe(1))
                if ours is not None and len(args) > 1:
                    args = (args[0], ours, *args[2:])
                elif ours is not None:
                    kwargs = {**kwargs, "connection_factory": ours}
            except Exception as fault:
                faults.tell("a connection is not recorded", fault)
        try:
            connection = original(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if ours is not None:
            with faults.contained("a connection is not recorded"):
                _know(connection)
        return connection

    return wrapper


def _factory(args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> Any:
    """The class for a connection that is to be recorded."""
    asked = args[1] if len(args) > 1 else kwargs.get("connection_factory")
    asynchronous = kwargs.get("async") or kwargs.get("async_")
    wanted = extensions.connection if asked is None else asked
    is_one = isinstance(wanted, type) and issubclass(wanted, extensions.connection)
    if asynchronous or not is_one or not _is_the_programs(frame):
        return None
    return _of_connections(wanted)


def _is_the_programs(frame: FrameType) -> bool:
    """Whether the program opens it, by itself or by a pool of psycopg2's."""
    place: FrameType | None = frame
    while place is not None:
        package = str(place.f_globals.get("__name__")).partition(".")[0]
        if package not in OWN and owner(place) != "standard":
            return owner(place) == "program" and not is_internal(place)
        place = place.f_back
    return False


def _know(connection: Any) -> None:
    place = place_of_driver(connection)
    if place is not None:
        _known[connection] = Known(place, asks=can_answer(connection))


# --- what stands in -------------------------------------------------------------------------------
#
# Each method is one frame, which is taken out of tracebacks.


def _making(original: Callable[..., Any], *, chooses: bool) -> Callable[..., Any]:
    """``cursor``; ``chooses`` where a class of Python's makes it, and chooses its class."""

    def method(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        if not chooses and self in _known:
            with faults.contained("a cursor is not recorded"):
                asked = args[1] if len(args) > 1 else kwargs.get("cursor_factory")
                asked = asked or self.cursor_factory or extensions.cursor
                if isinstance(asked, type) and issubclass(asked, extensions.cursor):
                    if len(args) > 1:
                        args = (args[0], _of_cursors(asked), *args[2:])
                    else:
                        kwargs = {**kwargs, "cursor_factory": _of_cursors(asked)}
        try:
            cursor = original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if chooses and self in _known:
            with faults.contained("a cursor is not recorded"):
                _adopt(cursor)
        return cursor

    return method


def _adopt(cursor: Any) -> None:
    kind: Any = type(cursor)
    if kind is not extensions.cursor and not getattr(kind, "_otelprov", False):
        try:
            cursor.__class__ = _of_cursors(kind)
        except TypeError:  # of another form in memory
            return


def _executing(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """``execute`` and its like, of a cursor."""

    def method(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        sent = None
        if run.active and self.connection in _known:
            try:
                sent, args = _sent(name, self, args, kwargs, sys._getframe(1))
            except BaseException as fault:
                told("a statement was not recorded", fault)
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if sent is not None:
                try:
                    sent.failed(error, still_open=_is_open(self.connection))
                except BaseException as fault:
                    given_up(sent, fault, error)
            raise
        if sent is not None:
            try:
                _returned(name, sent, self, args, kwargs)
            except BaseException as fault:
                given_up(sent, fault)
        return result

    return method


def _ending(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """``commit`` and its like."""

    def method(self, *args):  # type: ignore[no-untyped-def]
        try:
            result = original(self, *args)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        known = _known.get(self)
        with faults.contained("the end of a transaction was not recorded"):
            if known is not None and known.transaction and not _is_open(self):
                known.ended(undone=name != "commit" and not (args and args[0] is None))
        return result

    return method


# --- statements -----------------------------------------------------------------------------------


def _sent(
    name: str, cursor: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType
) -> tuple[Sent | None, tuple[Any, ...]]:
    """A statement that is about to be sent, and the arguments with which it is."""
    text = _text(name, cursor, args, kwargs)
    if text is None or is_idle(text, "postgres"):
        registry.forget(cursor)  # its rows are others now
        return None, args
    rows = _rows(name, args, kwargs, frame)
    sent = Sent(
        _known[cursor.connection],
        _CALLS[name],
        caller_of(frame, OWN),
        text,
        rows=rows,
        into=rows if _is_copied_out(name, text) else None,
        given=_given(1, args, kwargs, "vars") if name == "execute" and rows is None else None,
        ask=_asking(cursor.connection),
    )
    operation = sent.operation if run.settings.sql_comment else None
    if operation is not None and name == "execute" and args and type(args[0]) is str:
        args = (commented(args[0], operation), *args[1:])
    return sent, args


def _text(
    name: str, cursor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> str | None:  # fmt: skip
    if name in ("copy_from", "copy_to"):
        table = args[1] if len(args) > 1 else kwargs.get("table")
        quoted = extensions.quote_ident(str(table), cursor)
        columns = _given(5 if name == "copy_from" else 4, args, kwargs, "columns")
        if columns is not None:
            listed = [extensions.quote_ident(one, cursor) for one in _listed(columns)]
            quoted += f" ({', '.join(listed)})" if listed else ""
        return f"COPY {quoted} {'FROM STDIN' if name == 'copy_from' else 'TO STDOUT'}"
    query = args[0] if args else kwargs.get("query", kwargs.get("sql"))
    if isinstance(query, (bytes, bytearray)):
        return bytes(query).decode("utf-8", "replace")
    as_string = getattr(query, "as_string", None)
    query = as_string(cursor) if as_string is not None else query
    return query if isinstance(query, str) else None


def _listed(columns: Any) -> list[str]:
    """The names of columns; a question mark for those that only the program's own code can say, and
    for what can be asked but once."""
    kind = type(columns)
    if hasattr(kind, "__next__") or kind.__module__.partition(".")[0] not in _LISTS:
        return ["?"]
    return [one if type(one) is str else "?" for one in columns]


def _asking(connection: Any) -> Callable[[str], list[Any]] | None:
    """Asks the server, where it can be asked something now."""
    if connection.get_transaction_status() not in (
        extensions.TRANSACTION_STATUS_IDLE,
        extensions.TRANSACTION_STATUS_INTRANS,
    ):
        return None

    def ask(question: str) -> list[Any]:
        kept, connection.notices = connection.notices, None
        try:  # what the server says of our question is not the program's
            cursor = extensions.connection.cursor(connection, cursor_factory=extensions.cursor)
            cursor.execute(question)
            rows: list[Any] = cursor.fetchall()
            cursor.close()
        finally:
            connection.notices = kept
        return rows

    return ask


def _returned(
    name: str, sent: Sent, cursor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    many = _many(name, args, kwargs)
    sent.executed(cursor, many, still_open=_is_open(cursor.connection))


def _many(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The parameters of many executions; None where there is one."""
    return _given(1, args, kwargs, "vars_list") if name == "executemany" else None


def _rows(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> Any:
    """The rows that are sent, or the file that they are read from; None where there are none."""
    if name == "copy_expert":
        return _given(1, args, kwargs, "file")
    if name in ("copy_from", "copy_to"):
        return _given(0, args, kwargs, "file")
    module = frame.f_globals.get("__name__")
    if name == "execute" and frame.f_code.co_name in _PAGES and module == "psycopg2.extras":
        return frame.f_locals.get("argslist")
    return _many(name, args, kwargs)


def _is_copied_out(name: str, text: str) -> bool:
    """Whether a file is written, and not read."""
    found = statements(text, "postgres") if name == "copy_expert" else ()
    return name == "copy_to" or any(one.is_query for one in found)


def _given(number: int, args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> Any:
    return args[number] if len(args) > number else kwargs.get(name)


def _is_open(connection: Any) -> bool:
    """Whether a transaction goes on."""
    return not connection.closed and connection.get_transaction_status() in _OPEN


# --- classes --------------------------------------------------------------------------------------


def _call(name: str) -> Callable[[], Call]:
    call = Call("psycopg2", name, "query", psycopg2.__version__.partition(" ")[0])
    return lambda: call


_STATEMENTS: Final = ("execute", "executemany", "copy_expert", "copy_from", "copy_to")
_CALLS: Final = {name: _call(name) for name in _STATEMENTS}
_ENDS: Final = ("commit", "rollback", "close", "reset", "__exit__")


def _kept(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The class that was made for a class; of one of the program's own for as long as it is used,
    see ``artifacts.classes``."""
    made: dict[int, tuple[Any, Any]] = {}

    def of(base: Any) -> Any:
        reference, _ = made.get(id(base), (None, None))
        found = None if reference is None else reference()
        if found is None:  # while it lives its base does, which nothing else can have the id of
            found = make(base)
            if len(made) >= 64:
                made.clear()
            own = classes.module(base).partition(".")[0] == "psycopg2"
            made[id(base)] = weakref.ref(found), found if own else None
        return found

    return of


@_kept
def _of_connections(base: Any) -> Any:
    """The class that stands in for a class of connections."""
    chooses = base.cursor is not extensions.connection.cursor
    methods: dict[str, Callable[[Any], Any]] = {"cursor": partial(_making, chooses=chooses)}
    methods.update({name: partial(_ending, name) for name in _ENDS})
    return _like(base, methods)


@_kept
def _of_cursors(base: Any) -> Any:
    """The class that stands in for a class of cursors."""
    if getattr(base, "_otelprov", False):
        return base
    methods: dict[str, Callable[[Any], Any]] = dict.fromkeys(("fetchall", "fetchmany"), listing)
    methods.update({name: partial(_executing, name) for name in _STATEMENTS})
    return _like(base, methods)


def _like(base: Any, methods: dict[str, Callable[[Any], Any]]) -> Any:
    """A subclass under the name and place of the class that it stands in for."""
    made: dict[str, Any] = {
        "__slots__": (), "__module__": base.__module__, "__qualname__": base.__qualname__,
        "__doc__": base.__doc__, "_otelprov": True,
    }  # fmt: skip
    for name, around in methods.items():
        original = getattr(base, name)
        made[name] = disguise(around(original), original, "psycopg2")
    return type(base)(base.__name__, (base,), made)


TABLES = {"psycopg2": table}

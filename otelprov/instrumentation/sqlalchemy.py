"""SQLAlchemy: the statements that engines, connections and sessions send, through its own events.

``before_cursor_execute``, ``after_cursor_execute`` and ``handle_error`` are told of each statement
in the form in which the driver gets it, whatever it was made of. The event ``commit`` comes before
the commit, so the dialect's ``do_commit`` is looked at, too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

from otelprov.artifacts.registry import is_own_number, registry, some_of
from otelprov.instrumentation._databases import (
    Connection,
    can_answer,
    place_of_driver,
    place_of_url,
)
from otelprov.instrumentation._queries import (
    Sent,
    caller_of,
    commented,
    given_up,
    named_rows,
    told,
)
from otelprov.instrumentation._table import Entry, step
from otelprov.instrumentation._wrapping import followed
from otelprov.recording import faults
from otelprov.recording.plain_values import fetched
from otelprov.recording.recorder import Call
from otelprov.recording.run import run

RECORDS: Final = (
    "**query**: each statement that an engine, a connection or a session sends, of Core, the ORM "
    "and asyncio, with the tables that it reads and writes, when its transaction is committed"
)
ODDITIES: Final = (
    "The list that `all()`, `fetchall()` or `fetchmany()` of a result gives is followed, of Core, "
    "of a session or of a `Query`, with `mappings()` and `scalars()` too, and so is a result that "
    "pandas is given as it is. Objects of the ORM and rows that are taken one by one are not.",
    "A statement that names no table makes no operation, nor does one that asks the database for "
    "its catalogue.",
    "Which tables a view reads is asked of SQLite and PostgreSQL only: with other databases, a "
    "view that the program did not make is a table of unknown origin. So is the file that "
    "`LOAD DATA` loads.",
    "Events of all engines are listened to, so `Engine._has_events` is true. Who removes all "
    "listeners of the class, as SQLAlchemy's own tests do, ends the recording.",
)
OWN: Final = frozenset({"sqlalchemy", "greenlet"})
INNER: Final = frozenset(
    f"sqlalchemy.{name}"
    for name in ("engine.default", "orm.bulk_persistence", "orm.loading", "orm.persistence")
)
"""Modules that fetch rows for themselves: nobody else sees their lists."""


class _Key:
    """Under which a pooled connection keeps what is known of it, in its ``info``."""

    def __repr__(self) -> str:
        return "<otelprov>"


_KEY: Final = _Key()


_given: Final[ContextVar[tuple[Any, object]]] = ContextVar("given rows", default=(None, None))
"""The rows that the program has given the ORM at once, and the mapper that says of which tables."""


class _State:
    """What is known of a connection of a driver's."""

    __slots__ = ("committing", "known", "mapper", "rows", "sent")

    def __init__(self, known: Connection) -> None:
        self.known = known
        self.sent: Sent | None = None
        """What is being carried out."""
        self.rows: object = None
        """The list that the program gave for the next statement."""
        self.mapper: Any = None
        """The mapper of the ORM's that they were given for."""
        self.committing = False
        """Whether it was told to commit, and nobody has seen that it did."""


def table() -> Iterable[Entry]:
    """The whole library, which its package loads."""
    listening = _Listening()
    yield step(
        "engine.default.DefaultDialect.do_commit", around=listening.begin, undo=listening.end
    )
    for owner, names in (
        ("Result", ("all", "fetchall", "fetchmany", "scalar", "scalar_one", "scalar_one_or_none")),
        ("MappingResult", ("all", "fetchall", "fetchmany")),
        ("ScalarResult", ("all", "fetchall", "fetchmany", "one", "one_or_none", "first")),
    ):
        for name in names:
            yield step(f"engine.result.{owner}.{name}", around=_listing)


def bulk() -> Iterable[Entry]:
    """What carries out ``session.execute(insert(Class), rows)`` and ``bulk_insert_mappings``."""
    for name in ("_bulk_insert", "_bulk_update"):
        yield step(name, around=_giving)


def _giving(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(mapper, mappings, *args, **kwargs):  # type: ignore[no-untyped-def]
        token = None
        if run.active and isinstance(mappings, (list, tuple)):
            token = _given.set((mapper, mappings))
        try:
            return original(mapper, mappings, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        finally:
            if token is not None:
                _given.reset(token)

    return wrapper


class _Listening:
    """The events that are listened to."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def begin(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Listen to all engines, and stand in for ``do_commit``."""
        from sqlalchemy import Engine, event

        for name, function, keywords in (
            ("before_execute", _before_execute, {}),
            ("before_cursor_execute", _before, {"retval": True}),
            ("after_cursor_execute", _after, {}),
            ("handle_error", _failed, {}),
            ("begin", _begun, {}),
            ("commit", _committing, {}),
            ("rollback", _rolled_back, {}),
            ("savepoint", _savepoint, {}),
            ("rollback_savepoint", _back_to, {}),
            ("release_savepoint", _released, {}),
            ("commit_twophase", _committed_twophase, {}),
            ("rollback_twophase", _rolled_back_twophase, {}),
        ):
            event.listen(Engine, name, function, **keywords)
            self._undo.append(partial(event.remove, Engine, name, function))
        return followed(original, _committed, "the end of a transaction was not recorded")

    def end(self) -> None:
        """Listen no more."""
        while self._undo:
            with faults.contained("an event of SQLAlchemy's is still listened to"):
                self._undo.pop()()


# --- connections ----------------------------------------------------------------------------------


def _state(connection: Any) -> _State | None:
    """Of one of SQLAlchemy's connections."""
    pooled = connection.connection
    found = pooled.info.get(_KEY)
    if found is None:
        driver = getattr(pooled, "driver_connection", None)
        known = getattr(driver, "_otelprov", None)
        if isinstance(known, Connection):  # of sqlite3: the program may use it by itself, too
            found = pooled.info[_KEY] = _State(known)
            return found
        place = place_of_url(connection.engine.url)
        if place.system == "postgresql":
            place = place_of_driver(driver) or place
        schema = getattr(connection.dialect, "default_schema_name", None)
        asks = place.system == "postgresql" and _is_postgres(driver)
        found = pooled.info[_KEY] = _State(Connection(place, asks=asks, default_schema=schema))
    return found if isinstance(found, _State) else None


def _existing(connection: Any) -> _State | None:
    """The same, where something is known already."""
    try:
        kept = connection.connection.info
    except Exception as error:  # it is closed or invalid, or still being set up and keeps nothing
        if faults.is_of_the_program(error):
            raise
        return None
    found = kept.get(_KEY)
    return found if isinstance(found, _State) else None


def _is_postgres(driver: Any) -> bool:
    """Whether a driver's connection is to a PostgreSQL that can be asked."""
    info = getattr(driver, "info", None)
    return hasattr(info, "parameter_status") and can_answer(driver)


def _ask(connection: Any, question: str) -> list[Any]:
    pooled = connection.connection
    cursor = pooled.cursor()
    try:
        cursor.execute(question)
        return list(cursor.fetchall())
    finally:
        cursor.close()


def _still_open(connection: Any) -> bool:
    """Whether the transaction goes on after a statement, by what the driver says."""
    pooled = connection.connection
    driver = getattr(pooled, "driver_connection", None)
    inside = getattr(driver, "in_transaction", None)
    if isinstance(inside, bool):  # sqlite3, aiosqlite
        return inside
    status = getattr(getattr(driver, "info", None), "transaction_status", None)
    if isinstance(status, int):  # psycopg
        return int(status) != 0
    return getattr(pooled.dbapi_connection, "autocommit", False) is not True


# --- events ---------------------------------------------------------------------------------------


def _before_execute(connection: Any, clause: Any, many: Any, __: Any, ___: Any) -> None:
    if not run.active:
        return
    with faults.contained("the rows that are written are not known"):
        if not many:
            values = getattr(clause, "_multi_values", None)  # of insert(…).values(rows)
            many = values[0] if values else None
        if not isinstance(many, list) or not many:
            return
        state = _state(connection)
        if state is not None:
            mapper, rows = _given.get()
            # Of given rows the ORM has made others.
            is_of_these = rows is not None and getattr(clause, "table", None) in mapper.tables
            state.rows = rows if is_of_these else many
            state.mapper = mapper if is_of_these else None


def _before(
    connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
) -> tuple[str, Any]:
    if run.active:
        try:
            state = _state(connection)
            if state is not None:
                statement = _begin(state, connection, statement, parameters, context, many)
        except BaseException as fault:
            told("a statement was not recorded", fault)
    return statement, parameters


def _begin(
    state: _State,
    connection: Any,
    statement: str,
    parameters: Any,
    context: Any,
    many: bool,
) -> str:
    _seen_to_commit(state)
    caller = caller_of(sys._getframe(2), OWN)
    rows, state.rows = state.rows, None
    mapper, state.mapper = state.mapper, None
    by_key = None
    if rows is not None:
        with faults.contained("which rows go into which columns is not known"):
            by_key = _by_key(context, mapper)
    elif many:
        rows = parameters
    sent = state.sent = Sent(
        state.known,
        _call,
        caller,
        statement,
        group=context if many else None,
        rows=rows,
        by_key=by_key,
        ask=partial(_ask, connection),
    )
    operation = sent.operation if run.settings.sql_comment else None
    if operation is not None and not many and state.known.place.system != "sqlite":
        return commented(statement, operation)
    return statement


def _by_key(context: Any, mapper: Any) -> dict[str, str] | None:
    """Which key of the rows that an INSERT is given each column has: SQLAlchemy takes no key that
    is a column's for anything else. The ORM's are those of attributes."""
    compiled: Any = getattr(context, "compiled", None)
    if not getattr(compiled, "isinsert", False):
        return None
    insert, keys = compiled.statement, compiled.column_keys
    more = ("_values", "_select_names", "_post_values_clause")
    said = [getattr(insert, name, None) for name in more]
    if keys is None or insert._multi_values or any(one is not None for one in said):
        return None
    columns = insert.table.c
    if not all(key in columns for key in keys):
        return None
    if mapper is None:
        return {columns[key].name: key for key in keys}
    attribute = mapper.get_property_by_column
    return {columns[key].name: attribute(columns[key]).key for key in keys}


def _after(connection: Any, _: Any, __: str, parameters: Any, context: Any, many: bool) -> None:
    sent = None
    try:
        state = _existing(connection) if run.active else None
        if state is None or state.sent is None:
            return
        sent, state.sent = state.sent, None
        calls = len(parameters) if many and isinstance(parameters, (list, tuple)) else 1
        identity = sent.returned(still_open=_still_open(connection), calls=calls)
        if identity is not None and context is not None:
            registry.assign(context, identity)
    except BaseException as fault:
        given_up(sent, fault)


def _failed(said: Any) -> None:
    sent, error = None, said.original_exception
    try:
        connection = said.connection
        state = _existing(connection) if connection is not None else None
        if state is None:
            return
        sent, state.sent = state.sent, None
        lost = bool(said.is_disconnect)
        still_open = not lost and _still_open(connection)
        if sent is not None:
            sent.failed(error, still_open=still_open)
        elif state.committing and not still_open:
            state.known.transaction.undone("unknown" if lost else "rolled back")
        state.committing = False
    except BaseException as fault:
        given_up(sent, fault, error)


def _seen_to_commit(state: _State) -> None:
    """Something comes after a commit of a dialect of its own, so that has succeeded."""
    if state.committing:
        state.committing = False
        state.known.ended()


def _of(function: Callable[..., None]) -> Callable[..., None]:
    """An event about a transaction, where anything is known of its connection."""

    def told_of(connection: Any, *arguments: Any) -> None:
        with faults.contained("the end of a transaction was not recorded"):
            state = _existing(connection) if run.active else None
            if state is not None:
                function(state, *arguments)

    return told_of


def _state_begun(state: _State) -> None:
    _seen_to_commit(state)
    state.known.transaction.undone("unknown")  # nobody has seen how the one before has ended


def _state_committing(state: _State) -> None:
    state.committing = True


def _state_rolled_back(state: _State) -> None:
    _seen_to_commit(state)
    state.known.ended(undone=True)


def _state_savepoint(state: _State, name: str) -> None:
    state.known.savepoint(name)


def _state_back_to(state: _State, name: str, _: Any) -> None:
    state.known.back_to(name)


def _state_released(state: _State, name: str, _: Any) -> None:
    state.known.release(name)


def _state_committed_twophase(state: _State, _: Any, __: bool) -> None:
    state.committing = True


def _state_rolled_back_twophase(state: _State, _: Any, __: bool) -> None:
    state.known.ended(undone=True)


_begun = _of(_state_begun)
_committing = _of(_state_committing)
_rolled_back = _of(_state_rolled_back)
_savepoint = _of(_state_savepoint)
_back_to = _of(_state_back_to)
_released = _of(_state_released)
_committed_twophase = _of(_state_committed_twophase)
_rolled_back_twophase = _of(_state_rolled_back_twophase)


def _committed(_: Any, __: object, ___: Any, pooled: Any) -> None:
    """``do_commit`` has returned."""
    found = getattr(pooled, "info", {}).get(_KEY)
    if isinstance(found, _State):
        _seen_to_commit(found)


# --- what is fetched ------------------------------------------------------------------------------


def _listing(original: Callable[..., Any]) -> Callable[..., Any]:
    return followed(original, _listed, "the rows of a statement are not known")


def _listed(frame: Any, rows: Any, result: Any, *__: Any, **___: Any) -> None:
    if frame.f_globals.get("__name__") in INNER:
        return
    if is_own_number(rows):
        rows = [rows]  # of `scalar()`
    if type(rows) is not list or not rows:
        return
    keys = getattr(result, "keys", None)  # values of `scalars()` have none
    names = list(keys()) if keys is not None else []
    for _number in range(4):  # that of the ORM has a context of its own around the cursor's
        identity = registry.lookup(getattr(result, "context", None))
        if identity is not None and identity.artifact is not None:
            if not any(map(_holds_objects, some_of(rows))):
                fetched(rows, named_rows(identity.artifact, names))
            return
        result = getattr(result, "_real_result", None) or getattr(result, "raw", None)


def _holds_objects(row: Any) -> bool:
    """Whether a row, or a value of `scalars()`, has objects of the ORM in it.

    These may ask the database for more than their statement did.
    """
    mapping = row._mapping if hasattr(type(row), "_mapping") else row
    values = mapping.values() if isinstance(mapping, Mapping) else (row,)
    return any(hasattr(type(value), "_sa_class_manager") for value in values)


def _call() -> Call:
    import sqlalchemy

    return Call("sqlalchemy", "execute", "query", sqlalchemy.__version__, client=True)


TABLES = {"sqlalchemy": table, "sqlalchemy.orm.bulk_persistence": bulk}

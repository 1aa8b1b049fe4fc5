"""Statements that connections run, what is fetched of them, and the connections themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any, Final

from otelprov.artifacts.registry import Identity
from otelprov.instrumentation._caller import Watched
from otelprov.instrumentation._calls import is_internal
from otelprov.instrumentation._statements import (
    Files,
    Statement,
    name_of,
    statements,
)
from otelprov.instrumentation._wrapping import followed
from otelprov.instrumentation.duckdb.names import (
    Connection,
    Made,
    Reads,
    Resolver,
    another,
    connection_of,
    connections,
    default_chosen,
    merged,
    opened,
)
from otelprov.instrumentation.duckdb.operations import (
    Followed,
    Running,
    Work,
    argument,
    first,
    handle_of,
    in_place,
    keep,
    made_by,
    outputs,
    resolver_of,
    rows_of,
)
from otelprov.recording.recorder import OpenOperation
from otelprov.recording.run import run

# --- statements -----------------------------------------------------------------------------------


def script(text: str, resolver: Resolver, name: str, *, lazy: bool = False) -> Work | None:
    """What a text of statements does, one after the other; None where that is nothing.

    ``lazy`` where the last of them becomes a relation, if it is a query.
    """
    found = [one for each in statements(text) for one in _loaded(each, resolver)]
    connection = resolver.connection
    reads: list[Reads] = []
    work = Work(name, "query", (), text)
    operations = []
    for number, statement in enumerate(found):
        if statement.operation == "EXECUTE" and statement.subject:
            statement = connection.prepared.get(statement.subject[0].lower()) or Statement(
                "EXECUTE", is_query=True, unknown="it was not seen how the statement was prepared"
            )
        if not statement.is_operation:
            resolver.go_on(statement)
            if statement.operation in _ENDS:
                work.begins = statement.operation in ("BEGIN", "START")
            continue
        if lazy and number == len(found) - 1 and statement.is_query and not statement.target:
            break
        if statement.operation == "ALTER" and any(
            name[-1].lower() in connection.temporary for name in statement.reads
        ):
            continue  # a temporary table gets another name
        target = resolver.target(statement)
        if target is not None and statement.only_new and resolver.exists(target):
            continue
        operations.append(statement.operation)
        whole = statement.operation == "EXPORT" and statement.output is not None
        reads.append(resolver.all_of(statement) if whole else resolver.reads(statement))
        if target is not None:
            if target not in work.writes:
                work.writes.append(target)
            if not statement.replaces and target.uri not in resolver.written:
                work.appends.add(target)
            resolver.written[target.uri] = None
            if statement.replaces:
                resolver.makes(statement, (target,))
        if statement.output is not None and statement.operation != "IMPORT":
            path = resolver.place(statement.output)
            if path is not None:
                work.outputs.append(path)
    if not operations:
        return None
    work.reads = merged(*reads)
    if len(operations) == 1:
        work.operation = operations[0]
    return work


def _loaded(statement: Statement, resolver: Resolver) -> Iterable[Statement]:
    """Of ``IMPORT DATABASE`` the statements by which its directory is loaded into new tables, and
    of ``COPY FROM DATABASE`` one for each table."""
    if statement.operation == "COPY DATABASE":
        return resolver.copies(statement) or (statement,)
    if statement.operation != "IMPORT" or statement.output is None:
        return (statement,)
    directory = str(statement.output.pattern)
    try:
        with open(os.path.join(directory, "load.sql"), encoding="utf-8") as file:
            found = statements(file.read())
    except (OSError, ValueError):
        return (statement,)
    if any(one.unknown or (one.operation and one.target is None) for one in found):
        return (statement,)
    return [replace(one, files=_beside(directory, one), replaces=True) for one in found]


def _beside(directory: str, statement: Statement) -> tuple[Files, ...]:
    """The files of a statement where the directory is now."""
    return tuple(
        replace(one, pattern=os.path.join(directory, os.path.basename(str(one.pattern))))
        for one in statement.files
    )


_ENDS: Final = frozenset("BEGIN START COMMIT END ROLLBACK ABORT".split())
"""Statements where a transaction begins, or is over."""


def learn(text: str, resolver: Resolver) -> None:
    """What the names on a connection mean, after these statements."""
    connection = resolver.connection
    database = connection.database
    resolver.begin_again()
    for statement in statements(text):
        if statement.operation == "PREPARE" and statement.inner and statement.subject:
            connection.prepared[statement.subject[0].lower()] = statement.inner[0]
        connection.control(statement.operation)
        if not statement.changes_names:
            continue
        subject = statement.subject
        if statement.operation in ("CREATE TABLE", "CREATE VIEW") and statement.target:
            learn_created(statement, resolver)
            continue
        if statement.operation == "CREATE MACRO" and subject:
            if resolver.is_kept(statement):
                continue
            macros = connection.macros if statement.temporary else database.macros
            macros[subject[-1].lower()] = statement.inner
            continue
        if statement.operation in ("USE", "SET") and subject:
            connection.stands = resolver.choice(subject)
        elif statement.operation == "DROP" and subject:
            _learn_dropped(subject, resolver)
            continue
        elif statement.operation == "ATTACH":
            database.macros_asked = False
        database.names = None


def _learn_dropped(name: tuple[str, ...], resolver: Resolver) -> None:
    """A table, a view or a macro is gone. What an open transaction has made beside it is not seen
    by who asks the database anew."""
    connection, key = resolver.connection, name[-1].lower()
    if len(name) == 1 or name[0].lower() == "temp":
        for held in (connection.temporary, connection.registered, connection.made):
            if held.pop(key, None) is not None:
                return
        connection.macros.pop(key, None)
    connection.database.macros.pop(key, None)
    resolver.forget(name)


def learn_created(statement: Statement, resolver: Resolver) -> None:
    connection, names, name = resolver.connection, resolver.names, statement.target
    assert name is not None
    key = name[-1].lower()
    if statement.is_view and resolver.is_kept(statement):
        return
    if statement.temporary or name[0].lower() == "temp":
        connection.made.pop(key, None)
        connection.temporary[key] = statement if statement.is_view else resolver.temporary(name[-1])
        return
    full = resolver.full(name)
    lower = (full[0].lower(), full[1].lower(), full[2].lower())
    connection.database.views.pop(lower, None)
    names.tables.pop(lower, None)
    names.columns.pop(lower, None)
    if statement.is_view:
        names.views[lower] = statement
    else:
        names.views.pop(lower, None)
        names.tables.setdefault(lower, (full[0], full[1], full[2]))


def _text(query: Any) -> str | None:
    """The text of a statement, which may have been parsed before."""
    if isinstance(query, str):
        return query
    text = getattr(query, "query", None)
    return text if isinstance(text, str) else None


def executing(name: str, *, method: bool) -> Callable[[Any], Any]:
    """``execute`` and ``executemany``: run now, and leave their rows on the connection."""

    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active or is_internal(frame) or run.excludes(f"duckdb.{name}"):
            return None
        handle = handle_of(arguments, keywords, method=method)
        text = _text(argument(arguments, keywords, "query", int(method)))
        if text is None:
            return None
        given = argument(arguments, keywords, "parameters", 1 + int(method))
        if name == "executemany" and isinstance(given, (list, tuple)):
            given = given[0] if given else None
        resolver = Resolver(connection_of(handle), handle, frame, given)
        work = script(text, resolver, name)
        found = statements(text)
        last = found[-1] if found else Statement("")

        def after(result: Any, operation: OpenOperation | None = None) -> None:
            learn(text, resolver)
            if last.operation:
                resolver.connection.result = None
            if operation is not None and (last.is_query or last.operation == "EXECUTE"):
                stream = operation.derived("stream")
                operation.generate("return", stream)
                resolver.connection.result = Identity((made_by(stream, operation),))
                resolver.connection.fetched = 0

        if work is None:
            return Followed(after)
        if name == "executemany":
            work.given = argument(arguments, keywords, "parameters", 1 + int(method))
            work.parameters["parameter_sets"] = _length(work.given)
        work.after = after
        return Running(frame, work, resolver)

    return partial(in_place, before=before, name=name)


def _length(value: Any) -> int | None:
    return len(value) if hasattr(value, "__len__") else None


def asking(*, method: bool) -> Callable[[Any], Any]:
    """``sql``: a query becomes a relation, anything else runs now."""

    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active or is_internal(frame):
            return None
        handle = handle_of(arguments, keywords, method=method)
        text = _text(argument(arguments, keywords, "query", int(method)))
        if text is None:
            return None
        resolver = Resolver(connection_of(handle), handle, frame, keywords.get("params"))
        work = None if run.excludes("duckdb.sql") else script(text, resolver, "sql", lazy=True)
        last = statements(text)[-1]
        lazy = last.is_query and not last.target
        reads = resolver.reads(last, afterwards=True) if lazy else ()

        def after(result: Any, operation: OpenOperation | None = None) -> None:
            learn(text, resolver)
            if result is None:
                return
            if lazy:
                keep(result, reads, resolver)
            else:
                returns = operation is not None and last.is_query
                keep(result, (rows_of(operation),) if operation and returns else (), resolver)

        if work is None:
            return Followed(after)
        work.after = after
        return Running(frame, work, resolver)

    return partial(in_place, before=before, name="sql")


# --- what is fetched of a connection --------------------------------------------------------------


MAX_FETCHES: Final = 10
"""Calls of ``fetchmany`` for one result that are recorded."""


def fetching(name: str, *, method: bool) -> Callable[[Any], Any]:
    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active or is_internal(frame) or run.excludes(f"duckdb.{name}"):
            return None
        if (
            name in ("df", "arrow")
            and not method
            and first(arguments, keywords, method=False) is not None
        ):
            # duckdb.df(df) and duckdb.arrow(table) make a relation.
            resolver = resolver_of(arguments, keywords, frame, method=False)
            found = resolver.of(first(arguments, keywords, method=False), "df")
            return Followed(lambda result: keep(result, found, resolver))
        handle = handle_of(arguments, keywords, method=method)
        connection: Connection | None = connections.get(handle)
        if connection is None or connection.result is None:
            return None
        connection.fetched += 1
        if name == "fetchmany" and connection.fetched > MAX_FETCHES:
            return None
        resolver = Resolver(connection, handle, frame)
        work = Work(name, "read", (Made(connection.result),))
        work.after = outputs
        return Running(frame, work, resolver)

    return partial(in_place, before=before, name=name)


# --- connections ----------------------------------------------------------------------------------


def registering(name: str, *, method: bool) -> Callable[[Any], Any]:
    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active:
            return None
        resolver = resolver_of(arguments, keywords, frame, method=method)
        at = int(method)
        view = argument(arguments, keywords, "view_name", at)
        value = argument(arguments, keywords, "python_object", at + 1)

        def after(result: Any) -> None:
            registered = resolver.connection.registered
            if name == "register":
                registered[str(view).lower()] = value
            else:
                registered.pop(str(view).lower(), None)

        return Followed(after)

    return partial(in_place, before=before, name=name)


def appending(name: str, *, method: bool) -> Callable[[Any], Any]:
    """``append(table, df)``."""

    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active or is_internal(frame) or run.excludes("duckdb.append"):
            return None
        resolver = resolver_of(arguments, keywords, frame, method=method)
        at = int(method)
        table = argument(arguments, keywords, "table_name", at)
        value = argument(arguments, keywords, "df", at + 1)
        target = resolver.target(Statement("INSERT", target=name_of(str(table))))
        if target is None:
            return None
        work = Work(name, "write", resolver.of(value, "df"), "", "INSERT", [target], {target})
        return Running(frame, work, resolver)

    return partial(in_place, before=before, name=name)


def controlling(name: str, *, method: bool) -> Callable[[Any], Any]:
    """``begin``, ``commit`` and ``rollback``."""

    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active or is_internal(frame):
            return None
        connection = connection_of(handle_of(arguments, keywords, method=method))
        return Followed(lambda _: connection.control(name.upper()))

    return partial(in_place, before=before, name=name)


def connecting(original: Any) -> Any:
    return followed(original, _connected, "a connection is not known")


def _connected(frame: FrameType, made: Any, database: Any = ":memory:", *_: Any, **__: Any) -> None:
    if not is_internal(frame):
        opened(made, database)


def choosing(original: Any) -> Any:
    return followed(original, _chosen, "the default connection is not known")


def _chosen(frame: FrameType, _: Any, connection: Any) -> None:
    default_chosen(connection)


def duplicating(*, method: bool) -> Callable[[Any], Any]:
    def around(original: Any) -> Any:
        return followed(original, after, "a cursor is not known")

    def after(frame: FrameType, made: Any, *arguments: Any, **keywords: Any) -> None:
        if not is_internal(frame):
            another(handle_of(arguments, keywords, method=method), made)

    return around

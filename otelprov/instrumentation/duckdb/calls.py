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
from otelprov.instrumentation._statement import UNPREPARED, Files, Statement, name_of
from otelprov.instrumentation._statements import parts, statements
from otelprov.instrumentation._wrapping import followed
from otelprov.instrumentation.duckdb.names import (
    Connection,
    Made,
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
    Script,
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


MAX_STEPS: Final = 100
"""Statements of one text that are operations of their own; those that follow are one."""


def script(
    text: str, resolver: Resolver, name: str, *, lazy: bool = False
) -> list[tuple[str, list[Work]]]:
    """The statements of a text: where a transaction begins or is over, which word says that, and
    what is carried out, one after the other.

    ``lazy`` where the last of them becomes a relation, if it is a query.
    """
    found = statements(text)
    texts = parts(text) if len(found) > 1 else (text,)
    steps: list[tuple[str, list[Work]]] = []
    latest: Work | None = None
    for at, (each, part) in enumerate(zip(found, texts, strict=True)):
        works: list[Work] = []
        is_last = at == len(found) - 1
        for statement in _loaded(each, resolver):
            work = _work(statement, resolver, Work(name, "query", (), part), lazy and is_last)
            if work is None:
                continue
            if latest is not None and not is_last and at >= MAX_STEPS:
                _add(work, latest)
            elif latest is None or each.is_query or not _is_once_more(work, latest):
                works.append(work)
                latest = work
        word = each.operation if each.operation in _ENDS else ""
        if word:
            latest = None
        steps.append((word, works))
    return steps


def _is_once_more(work: Work, before: Work) -> bool:
    """Whether a statement does the same as the one before it: rows that are inserted one by one."""
    return bool(work.writes) and (work.operation, work.reads, work.writes, work.appends) == (
        before.operation, before.reads, before.writes, before.appends,
    )  # fmt: skip


def _add(work: Work, before: Work) -> None:
    """Have one operation do what another does, too."""
    before.text, before.operation = f"{before.text};\n{work.text}", ""
    before.reads = merged(before.reads, work.reads)
    before.appends |= {one for one in work.appends if one not in before.writes}
    before.writes += [one for one in work.writes if one not in before.writes]
    before.outputs += work.outputs


def _work(statement: Statement, resolver: Resolver, work: Work, lazy: bool) -> Work | None:
    """What one statement does; None where that is nothing."""
    connection = resolver.connection
    if statement.operation == "PREPARE" and statement.inner and statement.subject:
        resolver.prepared[statement.subject[0].lower()] = statement.inner[0]
    if statement.operation == "EXECUTE" and statement.subject:
        name = statement.subject[0].lower()
        statement = resolver.prepared.get(name) or connection.prepared.get(name) or UNPREPARED
    if not statement.is_operation:
        resolver.go_on(statement)
        return None
    if lazy and statement.is_query and not statement.target:
        return None
    if statement.operation == "ALTER" and any(
        name[-1].lower() in connection.temporary for name in statement.reads
    ):
        return None  # a temporary table gets another name
    target = resolver.target(statement)
    if target is not None and statement.only_new and resolver.exists(target):
        return None
    work.operation = statement.operation
    whole = statement.operation == "EXPORT" and statement.output is not None
    work.reads = resolver.all_of(statement) if whole else resolver.reads(statement)
    if target is not None:
        work.writes.append(target)
        if not statement.replaces:
            work.appends.add(target)
        resolver.written[target.uri] = None
        if statement.replaces:
            resolver.makes(statement, (target,))
    if statement.output is not None and statement.operation != "IMPORT":
        path = resolver.place(statement.output)
        if path is not None:
            work.outputs.append(path)
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
        steps = script(text, resolver, name)
        last = statements(text)[-1]

        def after(result: Any, operation: OpenOperation | None = None) -> None:
            learn(text, resolver)
            if last.operation:
                resolver.connection.result = None
            if operation is not None and (last.is_query or last.operation == "EXECUTE"):
                stream = operation.derived("stream")
                operation.generate("return", stream)
                resolver.connection.result = Identity((made_by(stream, operation),))
                resolver.connection.fetched = 0

        for work in (one for _, works in steps for one in works if name == "executemany"):
            work.given = argument(arguments, keywords, "parameters", 1 + int(method))
            work.parameters["parameter_sets"] = _length(work.given)
        return Script(frame, steps, resolver, after)

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
        steps = [] if run.excludes("duckdb.sql") else script(text, resolver, "sql", lazy=True)
        last = statements(text)[-1]
        lazy = last.is_query and not last.target
        reads = resolver.reads(last) if lazy else ()

        def after(result: Any, operation: OpenOperation | None = None) -> None:
            learn(text, resolver)
            if result is None:
                return
            if lazy:
                keep(result, reads, resolver)
            else:
                returns = operation is not None and last.is_query
                keep(result, (rows_of(operation),) if operation and returns else (), resolver)

        return Script(frame, steps, resolver, after)

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


class Controlled(Watched):
    """A call by which a transaction begins, or is over."""

    __slots__ = ("_connection", "_word")

    def __init__(self, connection: Connection, word: str) -> None:
        super().__init__()
        self._connection = connection
        self._word = word

    def returned(self, result: Any) -> None:
        """It does."""
        self._connection.control(self._word)

    def failed(self, error: BaseException) -> None:
        """What could not be committed is taken back."""
        if self._word == "COMMIT":
            self._connection.control("ROLLBACK")


def controlling(name: str, *, method: bool) -> Callable[[Any], Any]:
    """``begin``, ``commit`` and ``rollback``."""

    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active:
            return None
        connection = connection_of(handle_of(arguments, keywords, method=method))
        return Controlled(connection, name.upper())

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

# ruff: noqa: E501
"""Recorded, a program that uses databases sees what it sees plain."""

from __future__ import annotations

import inspect
import pickle
import re
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import cloudpickle
import psycopg
import pytest
import sqlalchemy as sa
import support
from support import Spans

from otelprov.instrumentation.instrumentors import libraries
from otelprov.recording.run import run

PROGRAM = """
    import asyncio, datetime, decimal, gc, inspect, sqlite3, sys, threading, traceback, warnings
    import pandas as pd
    import sqlalchemy as sa
    from sqlalchemy.ext.asyncio import create_async_engine

    warnings.simplefilter("always")
    warnings.showwarning = lambda *said: print("warned", said[1].__name__, said[0], said[2][-10:], said[3])
    url, dsn = sys.argv[1], sys.argv[2]

    def tried(function, *arguments):
        try:
            found = function(*arguments)
            print(type(found).__name__, found if isinstance(found, (int, str, list, tuple)) else "")
        except BaseException as error:
            frames = [
                (frame.filename.rpartition("/")[2], frame.name)
                for frame in traceback.extract_tb(error.__traceback__)
            ]
            print(type(error).__name__, str(error).replace(dsn, ""), frames, error.__context__ is None)

    # --- sqlite3
    connection = sqlite3.connect("plain.db", detect_types=sqlite3.PARSE_DECLTYPES)
    print(isinstance(connection, sqlite3.Connection), type(connection).__module__, type(connection).__qualname__)
    print(type(connection.cursor()).__qualname__, repr(connection)[:27], repr(connection.cursor())[:23])
    print(hasattr(connection, "__dict__"))
    tried(vars, connection)
    tried(connection.execute)
    tried(connection.execute, 1)
    tried(connection.execute, "SELECT nothing")
    tried(connection.execute, "SELECT ?", ())
    tried(connection.executemany, "SELECT 1")
    tried(connection.executescript, "SELECT 1; nonsense")
    tried(connection.cursor, lambda _: None)
    tried(connection.cursor(sqlite3.Cursor).execute, "SELECT 1")

    class Mine(sqlite3.Connection):
        def cursor(self, *arguments):
            print("own cursor")
            return super().cursor(*arguments)

    own = sqlite3.connect(":memory:", factory=Mine)
    print(type(own).__name__, own.execute("SELECT 1").fetchone(), own.cursor().execute("SELECT 2").fetchone())
    connection.execute("CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, d DATE)")
    connection.execute("DELETE FROM t")
    connection.set_trace_callback(lambda text: print("traced", text))
    cursor = connection.executemany("INSERT INTO t VALUES (?, ?)", ((n, None) for n in range(3)))
    print(cursor.rowcount, cursor.lastrowid, connection.total_changes, connection.in_transaction)
    connection.commit()
    connection.row_factory = sqlite3.Row
    row = connection.execute("SELECT * FROM t WHERE k = :k", {"k": 1}).fetchone()
    print(type(row).__name__, tuple(row), row.keys())
    connection.text_factory = bytes
    print([tuple(one) for one in connection.execute("SELECT 'a' FROM t").fetchall()])
    connection.create_function("failing", 0, lambda: 1 / 0)
    tried(lambda: connection.execute("SELECT failing() FROM t").fetchall())
    cursor = connection.cursor()
    print(next(cursor.execute("SELECT k FROM t"))[0], [one[0] for one in cursor], cursor.fetchone())
    print(len(cursor.execute("SELECT k FROM t").fetchmany(2)), cursor.arraysize, cursor.description[0][0])
    def elsewhere():
        try:
            connection.execute("SELECT 1")
        except sqlite3.ProgrammingError as error:
            print(str(error)[:60], len(traceback.extract_tb(error.__traceback__)))
    thread = threading.Thread(target=elsewhere); thread.start(); thread.join()
    connection.text_factory = str
    connection.backup(sqlite3.connect(":memory:"))
    print(list(connection.iterdump())[:1])
    try:
        with connection:
            connection.execute("INSERT INTO t VALUES (9, NULL)")
            raise KeyError("mine")
    except KeyError as error:
        print(len(traceback.extract_tb(error.__traceback__)), connection.in_transaction)
    connection.close()
    tried(connection.execute, "SELECT 1")
    tried(cursor.execute, "SELECT 1")

    # --- SQLAlchemy and pandas
    engine = sa.create_engine(url)
    frame = pd.DataFrame({"k": [1, 2, 3], "v": ["a", None, "c"]})
    print(frame.to_sql("frames", engine, index=False, if_exists="replace"))
    tried(frame.to_sql, "frames", engine)
    print(pd.read_sql("SELECT * FROM frames ORDER BY k", engine).to_dict())
    chunks = pd.read_sql("SELECT * FROM frames ORDER BY k", engine, chunksize=2)
    print(inspect.isgenerator(chunks), [len(one) for one in chunks])
    chunks = pd.read_sql("SELECT * FROM frames ORDER BY k", engine, chunksize=2)
    next(chunks); chunks.close()
    tried(next, chunks)
    tried(pd.read_sql, "SELECT nothing FROM frames", engine)
    tried(pd.read_sql_table, "nowhere", engine)
    tried(lambda: engine.connect().execute(sa.text("SELECT * FROM nowhere")))
    with engine.connect() as one:
        result = one.execute(sa.text("SELECT k, v FROM frames ORDER BY k"))
        print(result.keys(), result.fetchone(), result.fetchmany(1), result.all(), result.rowcount)
        print(one.execute(sa.text("SELECT k FROM frames ORDER BY k")).scalars().all())
        for part in one.execution_options(stream_results=True).execute(
            sa.text("SELECT k FROM frames ORDER BY k")
        ).partitions(2):
            print(part)
        tried(one.execute(sa.text("SELECT k FROM frames")).scalar_one)
        print(one.in_transaction(), sa.event.contains(engine, "commit", print))

    class Own(Exception):
        pass

    @sa.event.listens_for(engine, "handle_error")
    def handle(context):
        raise Own("another error") from context.original_exception

    tried(lambda: engine.connect().execute(sa.text("SELECT * FROM nowhere")))

    async def main():
        engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"))
        async with engine.connect() as connection:
            print((await connection.execute(sa.text("SELECT max(k) FROM frames"))).scalar())
            async for row in await connection.stream(sa.text("SELECT k FROM frames ORDER BY k")):
                print(row)
        await engine.dispose()

    asyncio.run(main())
    engine.dispose()

    # --- psycopg
    if dsn:
        import psycopg
        from psycopg import sql
        from psycopg.rows import class_row, dict_row, namedtuple_row

        with psycopg.connect(dsn, row_factory=namedtuple_row) as connection:
            print(type(connection).__name__, type(connection.cursor()).__name__)
            print(connection.execute("SELECT %s::int AS one", [1]).fetchone())
            connection.execute("CREATE TEMP TABLE t (k int PRIMARY KEY, v text)")
            cursor = connection.cursor(row_factory=dict_row)
            cursor.executemany("INSERT INTO t VALUES (%s, %s) RETURNING k", [(1, "a"), (2, "b")], returning=True)
            print(cursor.fetchall(), cursor.nextset(), cursor.fetchall(), cursor.rowcount, cursor.statusmessage)
            print(cursor.execute(sql.SQL("SELECT {} FROM t").format(sql.Identifier("k"))).fetchall())
            print(cursor.execute(b"SELECT v FROM t").fetchall(), cursor._query.query)
            connection.commit()
            tried(connection.execute, "SELECT nothing FROM t")
            connection.rollback()
            tried(connection.execute, "INSERT INTO t VALUES (1, 'x')")
            print(connection.info.transaction_status.name)
            tried(connection.execute, "SELECT 1")
            connection.rollback()
            tried(connection.execute, "SELECT %s", [])
            tried(connection.execute)
            connection.rollback()
            rows = cursor.stream("SELECT k FROM t ORDER BY k")
            print(inspect.isgenerator(rows), next(rows)); rows.close()
            tried(lambda: list(cursor.stream("SELECT nothing")))
            connection.rollback()
            def copying():
                with cursor.copy("COPY t FROM STDIN") as copy:
                    copy.write_row((7, "x"))
                    raise KeyError("mine")
            tried(copying)
            connection.rollback()
            tried(lambda: cursor.copy("COPY nowhere FROM STDIN").__enter__())
            connection.rollback()
            with connection.transaction() as transaction:
                raise psycopg.Rollback(transaction)
            with connection.pipeline():
                first = connection.execute("SELECT 1")
                second = connection.execute("SELECT 2")
                print(first.fetchone()[0], second.fetchone()[0])

        async def others():
            async with await psycopg.AsyncConnection.connect(dsn) as connection:
                cursor = await connection.execute("SELECT 5")
                print(await cursor.fetchall(), inspect.iscoroutinefunction(cursor.execute))
                try:
                    await connection.execute("SELECT nothing")
                except psycopg.Error as error:
                    print(len(traceback.extract_tb(error.__traceback__)))
        asyncio.run(others())
    gc.collect()
"""


def test_a_program_sees_and_says_the_same(tmp_path: Path, url: str) -> None:
    said = []
    for number, recorded in enumerate((False, True)):
        here = tmp_path / str(number)
        here.mkdir()
        (here / "program.py").write_text(textwrap.dedent(PROGRAM))
        dsn = url.replace("+psycopg", "") if url.startswith("postgresql") else ""
        own = url.replace(str(tmp_path), str(here))
        command = [sys.executable, "program.py", own, dsn]
        if recorded:
            command.insert(0, "opentelemetry-instrument")
        ran = subprocess.run(
            command,
            cwd=here,
            env=support.environment(here / "j"),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
        said.append((ran.stdout.replace(str(here), ""), ran.stderr))
    assert said[1][0].splitlines() == said[0][0].splitlines()
    assert said[1][1] == said[0][1]


PATCHED = (
    "sqlite3.connect",
    "sqlalchemy.engine.default.DefaultDialect.do_commit",
    "sqlalchemy.engine.result.Result.all",
    "sqlalchemy.engine.result.MappingResult.fetchall",
    "psycopg.Cursor.execute",
    "psycopg.Cursor.executemany",
    "psycopg.Cursor.stream",
    "psycopg.Cursor.copy",
    "psycopg.AsyncCursor.execute",
    "psycopg.AsyncCursor.stream",
    "psycopg.AsyncCursor.copy",
    "psycopg.Connection.commit",
    "psycopg.Transaction.__exit__",
    "psycopg.AsyncTransaction.__aexit__",
)


def find(name: str) -> Any:
    module, _, rest = name.partition(".")
    found: Any = sys.modules[module]
    for part in rest.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", PATCHED)
def test_a_patched_callable_pickles_and_looks_as_before(name: str, spans: Spans) -> None:
    for library in ("sqlite3", "sqlalchemy", "psycopg"):
        libraries[library].uninstrument()
    before = find(name)
    kinds = (
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
        inspect.isroutine,
    )
    signature = None if name == "sqlite3.connect" else inspect.signature(before)
    looks = [kind(before) for kind in kinds]
    for library in ("sqlite3", "sqlalchemy", "psycopg"):
        libraries[library].instrument()
    after = find(name)
    assert after is not before
    assert (after.__name__, after.__qualname__, after.__doc__) == (
        before.__name__,
        before.__qualname__,
        before.__doc__,
    )
    assert [kind(after) for kind in kinds] == looks
    if signature is not None:
        assert inspect.signature(after) == signature
    assert pickle.loads(pickle.dumps(after)) is after
    assert cloudpickle.loads(cloudpickle.dumps(after)) is after
    for library in ("sqlite3", "sqlalchemy", "psycopg"):
        libraries[library].uninstrument()
    assert find(name) is before
    for library in ("sqlite3", "sqlalchemy", "psycopg"):
        libraries[library].instrument()


def test_nothing_is_listened_to_when_it_is_taken_back(spans: Spans) -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t AS SELECT 1 AS k"))
    assert spans.names() == ["sqlalchemy.execute"]
    spans.clear()
    libraries["sqlalchemy"].uninstrument()
    try:
        with engine.begin() as connection:
            connection.execute(sa.text("SELECT * FROM t"))
        assert spans.names() == []
    finally:
        libraries["sqlalchemy"].instrument()
    engine.dispose()


def test_connections_that_packages_open_are_left_alone(spans: Spans, tmp_path: Path) -> None:
    place = tmp_path / "site-packages" / "keeper.py"
    place.parent.mkdir()
    code = "import sqlite3\ndef keep(path): return sqlite3.connect(path)\n"
    room: dict[str, Any] = {"__name__": "keeper"}
    exec(compile(code, str(place), "exec"), room)
    connection = room["keep"](tmp_path / "a.db")
    assert type(connection) is sqlite3.Connection
    connection.execute("CREATE TABLE t (k)")
    assert spans.all() == []
    connection.close()


@pytest.mark.parametrize("on", [True, False])
def test_statements_carry_their_trace_where_that_is_asked_for(
    dsn: str, spans: Spans, monkeypatch: pytest.MonkeyPatch, on: bool
) -> None:
    monkeypatch.setattr(run, "settings", run.settings._replace(sql_comment=on))
    seen = "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    engine = sa.create_engine(dsn.replace("postgresql:", "postgresql+psycopg:"))
    # A transaction sees pg_stat_activity as it was at first.
    with psycopg.connect(dsn, autocommit=True) as plain, engine.connect() as connection:
        plain.execute("CREATE TABLE t (k int)")
        direct = plain.execute(f"{seen} AND NOT EXISTS (SELECT 1 FROM t)").fetchall()[0][0]
        comment = f"/*mine*/ {seen} AND NOT EXISTS (SELECT 1 FROM t)"
        untouched = plain.execute(comment).fetchall()[0][0]
        prepared = plain.execute(
            f"{seen} AND NOT EXISTS (SELECT 2 FROM t)", prepare=True
        ).fetchall()[0][0]
        plain.cursor().executemany("INSERT INTO t VALUES (%s)", [(1,), (2,)])
        over = connection.execute(sa.text(f"{seen} AND EXISTS (SELECT 3 FROM t)")).all()[0][0]
    for text, library in ((direct, "psycopg"), (over, "sqlalchemy")):
        (span,) = [
            one
            for one in spans.all()
            if one.name.startswith(library)
            and "pg_stat" in one.attributes["db.query.text"]
            and "/*" not in one.attributes["db.query.text"]
        ][:1]
        parent = rf"/\*traceparent='00-{span.trace_id}-{span.span_id}-0[0-3]'\*/\Z"
        assert (re.search(parent, text) is not None) is on
        assert "traceparent" not in span.attributes["db.query.text"]
    assert untouched == comment
    assert "traceparent" not in prepared
    engine.dispose()


def test_a_server_that_is_lost_is_no_fault_of_ours(dsn: str, spans: Spans) -> None:
    engine = sa.create_engine(dsn.replace("postgresql:", "postgresql+psycopg:"))
    with psycopg.connect(dsn, autocommit=True) as killer:
        killer.execute("CREATE TABLE t (k int)")
        connection = engine.connect()
        connection.execute(sa.text("INSERT INTO t VALUES (1)"))
        pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
        killer.execute("SELECT pg_terminate_backend(%s)", [pid])
        with pytest.raises(sa.exc.OperationalError):
            connection.commit()
        connection.close()
        with engine.connect() as again:
            assert again.execute(sa.text("SELECT count(*) FROM t")).scalar() == 0
    (inserted,) = [
        one for one in spans.all() if one.attributes.get("db.operation.name") == "INSERT"
    ]
    assert inserted.generated == []
    assert inserted.attributes["otelprov.transaction.outcome"] in ("unknown", "rolled back")
    engine.dispose()

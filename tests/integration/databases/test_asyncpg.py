"""asyncpg without SQLAlchemy and below it, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import gc
import inspect
import io
import pickle
import traceback
import warnings
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa
import strangers
from graphs import expected, graph, outcomes
from sqlalchemy.ext.asyncio import create_async_engine
from support import Spans

from otelprov.instrumentation.instrumentors import libraries
from otelprov.recording.run import run as recorded

asyncpg = pytest.importorskip("asyncpg")


def run(program: Callable[[Any], Any], dsn: str, **settings: Any) -> Any:
    """Run a program with a connection."""

    async def connected() -> Any:
        con = await asyncpg.connect(dsn, **settings)
        try:
            return await program(con)
        finally:
            await con.close()

    return asyncio.run(connected())


PIPELINE = """
    import asyncio, os
    import asyncpg, pandas as pd, sqlalchemy as sa
    engine = sa.create_engine(os.environ["URL"].replace("postgresql:", "postgresql+psycopg:"))
    pd.read_csv("raw.csv").to_sql("raw", engine, index=False)  # @raw
    async def main():
        con = await asyncpg.connect(os.environ["URL"])
        await con.execute(
            "CREATE TABLE big AS SELECT id, amt * 2 AS dbl FROM raw WHERE amt > 5"
        )  # @never
        more = pd.read_csv("more.csv")  # @more
        rows = more.itertuples(index=False, name=None)
        await con.executemany("INSERT INTO big VALUES ($1, $2)", rows)  # @many
        async with con.transaction():
            for number in range(20):
                await con.execute("INSERT INTO raw (id) VALUES ($1)", number)  # @one
        found = await con.fetch("SELECT id, dbl FROM big")  # @rows
        pd.DataFrame(found, columns=["id", "dbl"]).to_csv("rows.csv")  # @rows
        await con.execute("CREATE TABLE copy (id bigint, dbl bigint)")  # @copy
        await con.copy_records_to_table("copy", records=found)  # @records
        await con.copy_from_table("copy", output="copy.csv", format="csv")  # @out
        await con.copy_to_table("copy", source="copy.csv", format="csv")  # @in
        async with asyncpg.create_pool(os.environ["URL"], min_size=1) as pool:
            print(await pool.fetchval("SELECT count(*) FROM copy"))  # @pool
        await con.close()
    asyncio.run(main())
    pd.read_sql("SELECT dbl FROM copy", engine).to_csv("back.csv")  # @back
"""
DRAWN = """
    pandas.read_csv@raw: raw.csv -> return
    pandas.to_sql@raw: pandas.read_csv@raw -> #public.raw
    asyncpg.execute: #public.raw -> #public.big
    pandas.read_csv@more: more.csv -> return
    asyncpg.executemany@many: #public.big, pandas.read_csv@more -> #public.big
    asyncpg.execute@one: #public.raw, ? -> #public.raw
    asyncpg.fetch@rows: #public.big -> return
    pandas.to_csv@rows: asyncpg.fetch@rows -> rows.csv
    asyncpg.execute@copy: -> #public.copy
    asyncpg.copy_records_to_table@records: #public.copy, asyncpg.fetch@rows -> #public.copy
    asyncpg.copy_from_table@out: #public.copy -> copy.csv
    asyncpg.copy_to_table@in: #public.copy, copy.csv -> #public.copy
    asyncpg.fetchval@pool: #public.copy -> return
    pandas.read_sql@back: #public.copy -> return
    pandas.to_csv@back: pandas.read_sql@back -> back.csv
"""


def test_a_pipeline_hands_its_tables_over(tmp_path: Path, dsn: str) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "raw.csv").write_text("id,amt\n1,5\n2,6\n3,7\n")
    (directory / "more.csv").write_text("id,dbl\n4,8\n")
    recording = strangers.record(directory, PIPELINE, URL=dsn)
    assert recording.outputs == ["6\n"]
    assert recording.graph() == strangers.drawn(DRAWN)
    for name in ("rows.csv", "back.csv"):
        assert recording.roots(name) == {"raw.csv", "more.csv"}, name


def test_a_table_is_written_when_its_transaction_is_committed(dsn: str, spans: Spans) -> None:
    async def program(con: Any) -> list[int]:
        insert = "INSERT INTO t VALUES ({})".format
        await con.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        await con.execute(insert(1))  # by itself
        with pytest.raises(KeyError):
            async with con.transaction():
                await con.execute(insert(2))
                raise KeyError
        async with con.transaction():
            await con.execute(insert(3))
            with pytest.raises(KeyError):
                async with con.transaction():  # a savepoint
                    await con.execute(insert(4))
                    raise KeyError
            async with con.transaction():
                await con.fetch(insert(5))
        async with con.transaction():
            await con.execute(insert(6))
            with pytest.raises(asyncpg.UniqueViolationError):
                await con.execute(insert(1))
            # It has failed: to commit it is to roll it back.
        by_hand = con.transaction()
        await by_hand.start()
        await con.execute(insert(7))
        await by_hand.rollback()
        await con.execute("BEGIN")
        await con.execute(insert(8))
        await con.execute("COMMIT")
        await con.execute(f"BEGIN; {insert(9)}; ROLLBACK")
        await con.execute("BEGIN")
        await con.execute(insert(10))
        found = await con.fetch("SELECT a FROM t ORDER BY a")
        return [one["a"] for one in found]

    assert run(program, dsn) == [1, 3, 5, 8, 10]
    assert outcomes(spans, "INSERT") == [
        (True, ""),
        (False, "rolled back"),
        (True, ""),
        (False, "rolled back"),
        (True, ""),
        (False, "rolled back"),
        (False, ""),
        (False, "rolled back"),
        (True, ""),
        (False, "rolled back"),
        (False, "rolled back"),
    ]
    with psycopg.connect(dsn) as con:
        assert con.execute("SELECT a FROM t ORDER BY a").fetchall() == [(1,), (3,), (5,), (8,)]


def test_names_are_tables_of_the_schema_that_the_server_says(dsn: str, spans: Spans) -> None:
    with psycopg.connect(dsn, autocommit=True) as con:
        con.execute("CREATE SCHEMA other")
        con.execute("CREATE TABLE other.t (a INTEGER)")
        con.execute("CREATE TABLE public.u (a INTEGER)")
        con.execute("CREATE VIEW v AS SELECT u.a FROM u, other.t")
    written = {
        event["otelprov.artifact.name"]: event["otelprov.artifact.uri"]
        for span in spans.all()
        for event in span.generated
    }
    spans.clear()

    async def program(con: Any) -> None:
        await con.execute("SET search_path = other, public")
        await con.fetchrow("SELECT * FROM t")
        await con.fetchval("SELECT count(*) FROM v")
        await con.reset()
        with pytest.raises(asyncpg.UndefinedTableError):
            await con.fetch("SELECT * FROM t")

    run(program, dsn)
    one, two, failed = spans.all()
    assert [event["otelprov.artifact.uri"] for event in one.used] == [written["t"]]
    assert {event["otelprov.artifact.uri"] for event in two.used} == {written["t"], written["u"]}
    assert [event for event in failed.used if event.get("otelprov.artifact.uri")] != one.used


def test_prepared_statements_cursors_and_copies(dsn: str, spans: Spans, tmp_path: Path) -> None:
    out, pieces = io.BytesIO(), []

    async def take(data: bytes) -> None:
        pieces.append(data)

    async def give() -> AsyncIterator[bytes]:
        pd.DataFrame({"a": [1]}).to_csv(tmp_path / "inside.csv")  # the program's own
        yield b"8\n9\n"

    async def program(con: Any) -> None:
        await con.execute("CREATE TABLE t (a INTEGER); CREATE TABLE u (a INTEGER)")
        insert = await con.prepare("INSERT INTO t VALUES ($1)")
        await insert.executemany([(1,), (2,), (3,)])
        select = await con.prepare("SELECT a FROM t WHERE a > $1")
        rows = await select.fetch(1)
        await con.executemany("INSERT INTO u VALUES ($1)", rows)
        assert await select.fetchval(2) == 3
        assert (await select.fetchrow(1))["a"] == 2
        async with con.transaction():
            assert [row["a"] async for row in con.cursor("SELECT a FROM u")] == [2, 3]
            cursor = await select.cursor(0)
            assert len(await cursor.fetch(2)) == 2
        assert await con.copy_from_query("SELECT a FROM t WHERE a > $1", 2, output=out) == "COPY 1"
        await con.copy_from_table("t", output=take, schema_name="public", columns=["a"])
        await con.copy_to_table("t", source=give())
        returned = "INSERT INTO t VALUES ($1) RETURNING a"
        if hasattr(con, "fetchmany"):
            assert len(await con.fetchmany(returned, [(4,), (5,)])) == 2
        else:
            await con.executemany(returned, [(4,), (5,)])

    run(program, dsn)
    assert out.getvalue() == b"3\n" and b"".join(pieces) == b"1\n2\n3\n"
    many = "asyncpg.fetchmany: t, ? -> t, return"
    if not hasattr(asyncpg.Connection, "fetchmany"):
        many = "asyncpg.executemany: t, ? -> t, return"
    assert graph(spans.all()) == expected(
        f"""
        asyncpg.execute: -> t
        asyncpg.execute: -> u
        asyncpg.executemany: t, ? -> t
        asyncpg.fetch: t -> return
        asyncpg.executemany: u, asyncpg.fetch -> u
        asyncpg.fetchval: t -> return
        asyncpg.fetchrow: t -> return
        asyncpg.cursor: u -> return
        asyncpg.cursor: t -> return
        asyncpg.copy_from_query: t -> file
        asyncpg.copy_from_table: t -> return
        asyncpg.copy_to_table: t, ? -> t
        pandas.to_csv: ? -> inside.csv
        {many}
        """
    )


def test_pools_and_sqlalchemy_are_recorded_once(dsn: str, spans: Spans) -> None:
    async def program() -> None:
        async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
            await pool.execute("CREATE TABLE t (a INTEGER)")
            async with pool.acquire() as con:
                await con.execute("BEGIN")
                await con.execute("INSERT INTO t VALUES (1)")
                con._con._top_xact = None
                con._con._loop.set_exception_handler(lambda *_: None)  # asyncpg says what it does
            await pool.executemany("INSERT INTO t VALUES ($1)", [(2,), (3,)])
            assert [tuple(row) for row in await pool.fetch("SELECT a FROM t")] == [(2,), (3,)]
        engine = create_async_engine(dsn.replace("postgresql:", "postgresql+asyncpg:"))
        async with engine.begin() as there:
            await there.execute(sa.text("INSERT INTO t VALUES (4)"))
            assert len((await there.execute(sa.text("SELECT a FROM t"))).all()) == 3
        await engine.dispose()

    asyncio.run(program())
    assert graph(spans.all()) == expected(
        """
        asyncpg.execute: -> t
        asyncpg.execute: t ->
        asyncpg.executemany: t, ? -> t
        asyncpg.fetch: t -> return
        sqlalchemy.execute: t -> t
        sqlalchemy.execute: t -> return
        """
    )
    uris = {event["otelprov.artifact.uri"] for span in spans.all() for event in span.generated
            if "otelprov.artifact.uri" in event}  # fmt: skip
    assert len(uris) == 1


def test_its_functions_are_as_they_were(dsn: str, spans: Spans) -> None:
    owners = asyncpg.Connection, asyncpg.prepared_stmt.PreparedStatement
    names = ("execute", "executemany", "fetch", "fetchrow", "fetchval", "copy_from_query", "close")

    def functions() -> list[Any]:
        return [vars(one)[name] for one in owners for name in names if name in vars(one)]

    def looks() -> list[Any]:
        return [
            (str(inspect.signature(one)), inspect.iscoroutinefunction(one), one.__doc__)
            for one in functions()
        ]

    for function in functions():
        assert pickle.loads(pickle.dumps(function)) is function
    before, found = functions(), looks()
    libraries["asyncpg"].uninstrument()
    try:
        assert not any(one is other for one, other in zip(before, functions(), strict=True))
        assert looks() == found
        assert run(lambda con: con.fetchval("SELECT 1"), dsn) == 1
    finally:
        libraries["asyncpg"].instrument()


def test_what_fails_raises_as_before(dsn: str, spans: Spans) -> None:
    async def program(con: Any) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        prepared = await con.prepare("SELECT * FROM pg_class WHERE oid = $1")
        closed = await asyncpg.connect(dsn)
        await closed.close()
        for call in (
            lambda: con.execute("SELEC"),
            lambda: con.fetch("SELECT * FROM missing"),
            lambda: con.executemany("INSERT INTO missing VALUES ($1)", [(1,)]),
            lambda: con.fetch("SELECT $1::int", "x"),
            lambda: con.fetchval("SELECT pg_sleep(9) FROM pg_class", timeout=0.05),
            lambda: con.copy_from_table("missing", output=io.BytesIO()),
            lambda: con.copy_to_table("missing", source=b"/nowhere/at/all"),
            lambda: prepared.fetch("x"),
            lambda: prepared.executemany([("x",)]),
            lambda: closed.fetch("SELECT * FROM missing"),
            lambda: con.cursor("SELECT 1 FROM pg_class").__aiter__().__anext__(),
        ):
            try:
                await call()
            except Exception as error:
                frames = traceback.extract_tb(error.__traceback__)
                lines = [(Path(one.filename).name, one.lineno) for one in frames]
                found.append((type(error), error.args, lines))
            else:
                found.append((None, (), []))
        return found

    recorded = run(program, dsn)
    libraries["asyncpg"].uninstrument()
    try:
        assert recorded == run(program, dsn)
    finally:
        libraries["asyncpg"].instrument()
    assert all(kind is not None for kind, *_ in recorded)


def test_wrong_arguments_are_told_as_before(dsn: str, spans: Spans) -> None:
    async def program(con: Any) -> None:
        prepared = await con.prepare("SELECT * FROM pg_class WHERE oid = $1")
        for call, told in (
            (lambda: con.fetch(), r"fetch\(\) missing 1 required positional argument: 'query'"),
            (lambda: con.copy_from_table("t"), "missing 1 required keyword-only argument"),
            (lambda: con.executemany("SELECT 1"), "missing 1 required positional argument: 'args'"),
        ):
            with pytest.raises(TypeError, match=told):
                await call()
        with pytest.raises(asyncpg.InterfaceError, match="expects 1 argument"):
            await prepared.fetch()
        await con.close()
        with pytest.raises(asyncpg.InterfaceError, match="cannot call PreparedStatement"):
            prepared.fetch(1)  # which nobody awaits

    run(program, dsn)
    assert [span.name for span in spans.all()] == ["asyncpg.copy_from_table"]


@pytest.mark.filterwarnings("error")
def test_a_task_that_is_cancelled_leaves_its_connection_as_it_is(dsn: str, spans: Spans) -> None:
    async def program(con: Any) -> None:
        await con.execute("CREATE TABLE t (a INTEGER)")
        task = asyncio.create_task(con.fetch("SELECT pg_sleep(60), (SELECT count(*) FROM t)"))
        assert task.get_coro().__qualname__ == "Connection.fetch"
        while not await _active(dsn):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await con.fetchval("SELECT count(*) FROM t") == 0
        prepared = await con.prepare("SELECT a FROM t")
        task = asyncio.create_task(prepared.fetch())
        assert task.get_coro().__qualname__ == "PreparedStatement.fetch"
        task.cancel()  # before it has begun
        with warnings.catch_warnings(), pytest.raises(asyncio.CancelledError):
            warnings.simplefilter("error")
            await task
        prepared.fetch().close()
        gc.collect()
        both = con.fetch("SELECT a FROM t"), con.fetch("SELECT a FROM t")
        answers = await asyncio.gather(*both, return_exceptions=True)
        assert sorted(type(one).__name__ for one in answers) == ["InterfaceError", "list"]
        assert await con.fetch("SELECT a FROM t") == []

    async def _active(dsn: str) -> bool:
        other = await asyncpg.connect(dsn)
        try:
            text = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%'"
            return int(await other.fetchval(f"{text} AND state = 'active' AND pid <> $1", 0)) > 1
        finally:
            await other.close()

    run(program, dsn)
    assert all(span.end for span in spans.all())


def test_the_program_sees_nothing_of_what_is_asked(dsn: str, spans: Spans) -> None:
    class Own(asyncpg.Record):
        def __iter__(self) -> Any:
            raise AssertionError("no method of the program's own is called")

    async def program(con: Any) -> None:
        seen: list[str] = []
        if hasattr(con, "add_query_logger"):
            con.add_query_logger(lambda record: seen.append(record.query))
        await con.set_type_codec(
            "text", schema="pg_catalog", encoder=str, decoder=lambda text: 1 / 0
        )
        await con.execute("CREATE TABLE t (a INTEGER)")
        rows = await con.fetch("SELECT a, 1 AS b FROM t UNION SELECT 1, 2")
        assert type(rows[0]) is Own and rows[0]["b"] == 2
        await asyncio.sleep(0)
        assert all("pg_class" not in text for text in seen)
        names = await asyncpg.connect(dsn)
        cached = [entry._query[0] for entry in con._stmt_cache._entries.values()]
        assert [text for text in cached if "to_regclass" in text] == []
        await names.close()

    run(program, dsn, record_class=Own)
    run(lambda con: con.fetch("SELECT a FROM t"), dsn, statement_cache_size=0)
    assert graph(spans.all()) == expected(
        """
        asyncpg.execute: -> t
        asyncpg.fetch: t -> return
        asyncpg.fetch: t -> return
        """
    )


@pytest.mark.skipif(not hasattr(asyncpg.Connection, "query_logger"), reason="nobody is told")
def test_the_traceparent_goes_into_what_is_not_prepared(
    dsn: str, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    async def program(con: Any) -> None:
        with con.query_logger(lambda query: seen.append(query.query)):
            await con.execute("CREATE TABLE t (a INTEGER)")
            await con.execute("INSERT INTO t VALUES ($1)", 1)
            await con.fetch("SELECT a FROM t")
            await asyncio.sleep(0)

    monkeypatch.setattr(recorded, "settings", recorded.settings._replace(sql_comment=True))
    run(program, dsn)
    created = spans.all()[0]
    assert f"{created.trace_id}-{created.span_id}" in seen[0]
    assert seen[1:] == ["INSERT INTO t VALUES ($1)", "SELECT a FROM t"]


def test_connections_are_not_held(dsn: str, spans: Spans) -> None:
    async def program() -> Any:
        con = await asyncpg.connect(dsn)
        await con.execute("CREATE TABLE t (a INTEGER)")
        await con.fetch("SELECT a FROM t")
        reference = weakref.ref(con)
        await con.close()
        return reference

    reference = asyncio.run(program())
    gc.collect()
    assert reference() is None

"""What statements read and write, and when what they wrote is there."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa
import support
from graphs import OUTCOME, expected, graph, outcomes
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from support import Spans

from otelprov.artifacts.registry import registry


@pytest.fixture
def lite(tmp_path: Path, spans: Spans) -> sqlite3.Connection:
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute("CREATE TABLE t (k INTEGER)")
    return connection


# --- sqlite3 --------------------------------------------------------------------------------------


def test_what_is_rolled_back_in_sqlite_is_not_generated(
    lite: sqlite3.Connection, spans: Spans
) -> None:
    lite.execute("INSERT INTO t VALUES (1)")
    lite.rollback()
    lite.execute("INSERT INTO t VALUES (2)")
    lite.commit()
    lite.execute("INSERT INTO t VALUES (3)")
    lite.execute("ROLLBACK")
    with lite:
        lite.execute("INSERT INTO t VALUES (4)")
    with pytest.raises(KeyError), lite:
        lite.execute("INSERT INTO t VALUES (5)")
        raise KeyError
    lite.execute("INSERT INTO t VALUES (6)")
    lite.close()
    assert outcomes(spans, "INSERT") == [
        (False, "rolled back"),
        (True, ""),
        (False, "rolled back"),
        (True, ""),
        (False, "rolled back"),
        (False, "rolled back"),
    ]


def test_what_is_rolled_back_to_a_savepoint_is_not_generated(
    lite: sqlite3.Connection, spans: Spans
) -> None:
    lite.isolation_level = None
    lite.execute("BEGIN")
    lite.execute("INSERT INTO t VALUES (1)")
    lite.execute("SAVEPOINT one")
    lite.execute("INSERT INTO t VALUES (2)")
    lite.execute("SAVEPOINT two")
    lite.execute("INSERT INTO t VALUES (3)")
    lite.execute("RELEASE two")
    lite.execute("ROLLBACK TO one")
    lite.execute("INSERT INTO t VALUES (4)")
    assert outcomes(spans, "INSERT") == [(False, "rolled back")] * 2
    lite.execute("COMMIT")
    assert outcomes(spans, "INSERT") == [
        (True, ""),
        (False, "rolled back"),
        (False, "rolled back"),
        (True, ""),
    ]
    lite.close()


def test_a_reader_is_linked_to_the_last_write_that_was_not_rolled_back(
    lite: sqlite3.Connection, spans: Spans
) -> None:
    lite.execute("INSERT INTO t VALUES (1)")
    lite.commit()
    lite.execute("DELETE FROM t")
    lite.rollback()
    lite.execute("SELECT * FROM t").fetchall()
    written, _, was_read = [
        one
        for one in spans.all()
        if one.attributes.get("db.operation.name") in ("INSERT", "DELETE", "SELECT")
    ]
    (used,) = was_read.used
    assert used["otelprov.artifact.maker"] == f"{written.trace_id}-{written.span_id}"
    lite.close()


def test_the_same_statement_from_one_line_is_one_operation_of_a_transaction(
    lite: sqlite3.Connection, spans: Spans
) -> None:
    for _ in range(2):
        for number in range(100):
            lite.execute("INSERT INTO t VALUES (?)", (number,))
        lite.commit()
    found = [one for one in spans.all() if one.attributes.get("db.operation.name") == "INSERT"]
    assert [one.attributes["db.operation.batch.size"] for one in found] == [100, 100]
    assert lite.execute("SELECT count(*) FROM t").fetchone() == (200,)
    lite.close()


def test_names_in_sqlite_stand_for_what_the_connection_sees(tmp_path: Path, spans: Spans) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.executescript(
            "CREATE TABLE Orders AS SELECT 1 AS k; CREATE TABLE other AS SELECT 2 AS k;"
        )
        connection.execute("CREATE TEMP TABLE mine AS SELECT * FROM orders")
        connection.execute("CREATE VIEW both AS SELECT * FROM orders UNION SELECT * FROM other")
        connection.execute("SELECT * FROM both, mine, main.other, sqlite_master")
        connection.execute("CREATE TABLE IF NOT EXISTS orders (k INTEGER)")
        connection.execute("WITH c AS (SELECT * FROM orders) SELECT * FROM c")
        connection.execute("REPLACE INTO orders SELECT * FROM other")
        connection.execute("SELECT 1")
        connection.execute("PRAGMA table_info(orders)")
    connection.close()
    assert graph(spans.all()) == expected(
        """
        sqlite3.executescript: -> Orders
        sqlite3.executescript: -> other
        sqlite3.execute: orders -> mine
        sqlite3.execute: orders, other, mine -> return
        sqlite3.execute: orders -> return
        sqlite3.execute: orders, other -> orders
        """
    )
    uris = {
        event["otelprov.artifact.uri"]
        for span in spans.all()
        for event in (*span.used, *span.generated)
        if "otelprov.artifact.uri" in event
    }
    base = f"sqlite:///{tmp_path / 'a.db'}"
    assert {one for one in uris if "temp" not in one} == {f"{base}#orders", f"{base}#other"}


def test_databases_in_memory_are_not_one(spans: Spans) -> None:
    for _ in range(2):
        with sqlite3.connect(":memory:") as connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS k")
        connection.close()
    first, second = spans.all()
    assert not first.generated_ids & second.generated_ids


def test_what_a_statement_says_is_known_without_its_values(
    lite: sqlite3.Connection, spans: Spans
) -> None:
    lite.execute(
        "SELECT k FROM t WHERE k = 471147114711 AND 'hunter2' <> ?", ("tiger3",)
    ).fetchall()
    (span,) = [one for one in spans.all() if one.attributes["db.operation.name"] == "SELECT"]
    said = span.attributes
    assert said["db.system.name"] == "sqlite"
    assert said["db.namespace"] == "shop.db"
    assert said["db.collection.name"] == "t"
    assert said["db.query.text"] == "SELECT k FROM t WHERE k = ? AND ? <> ?"
    for secret in ("471147114711", "hunter2", "tiger3"):
        assert secret not in str(span)
    lite.close()


# --- SQLAlchemy -----------------------------------------------------------------------------------


class Base(DeclarativeBase):
    """Of the models below."""


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[float]


@pytest.fixture
def engine(url: str) -> sa.Engine:
    engine = sa.create_engine(url)
    Base.metadata.create_all(engine)
    return engine


def test_a_session_that_is_rolled_back_has_generated_nothing(
    engine: sa.Engine, spans: Spans
) -> None:
    spans.clear()
    with Session(engine) as session:
        session.add(Order(amount=1.0))
        session.commit()
        session.add(Order(amount=2.0))
        session.flush()
        session.rollback()
        session.add(Order(amount=3.0))
        with session.begin_nested():
            session.add(Order(amount=4.0))
        try:
            with session.begin_nested():
                session.add(Order(amount=5.0))
                session.flush()
                raise KeyError
        except KeyError:
            pass
        session.commit()
        session.add(Order(amount=6.0))
        session.flush()
        amounts = session.scalars(sa.select(Order.amount).order_by(Order.id)).all()
    assert [made for made, _ in outcomes(spans, "INSERT")] == [
        True, False, True, True, False, False
    ]  # fmt: skip
    assert len(amounts) == 4
    engine.dispose()


def test_many_rows_of_the_orm_are_one_operation(engine: sa.Engine, spans: Spans) -> None:
    spans.clear()
    with Session(engine) as session:
        session.add_all([Order(amount=float(number)) for number in range(5000)])
        session.commit()
    (inserted,) = spans.all()
    assert inserted.attributes["db.operation.batch.size"] >= 5
    assert [one.get("otelprov.artifact.name") for one in inserted.used] == ["orders", None]
    assert "orders" in {one.get("otelprov.artifact.name") for one in inserted.generated}
    engine.dispose()


def test_an_engine_in_autocommit_has_written_at_once(engine: sa.Engine, spans: Spans) -> None:
    spans.clear()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("INSERT INTO orders VALUES (1, 1)"))
        connection.rollback()
    assert outcomes(spans, "INSERT") == [(True, "")]
    engine.dispose()


def test_a_commit_that_the_database_refuses_has_generated_nothing(dsn: str, spans: Spans) -> None:
    engine = sa.create_engine(dsn.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(
            sa.text("CREATE TABLE once (k INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        )
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO once VALUES (1), (1)"))
    with psycopg.connect(dsn) as plain:
        plain.execute("INSERT INTO once VALUES (2), (2)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            plain.commit()
    assert outcomes(spans, "INSERT") == [(False, "rolled back")] * 2
    engine.dispose()


FORMS = (
    "rows", "mappings", "list of dicts", "read_sql", "chunks", "a result", "a result of mappings",
    "rows of a session", "a result of a session", "mappings of a session", "a query of a session",
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_frames_come_from_the_statement_that_gave_their_rows(
    engine: sa.Engine, spans: Spans, tmp_path: Path, form: str
) -> None:
    with engine.begin() as connection:
        connection.execute(sa.insert(Order), [{"amount": 1.0 * n} for n in range(3000)])
    query, columns = sa.select(Order.__table__), sa.select(Order.id, Order.amount)
    forms: dict[str, Callable[[Any], pd.DataFrame]] = {
        "rows": lambda connection: pd.DataFrame(connection.execute(query).all()),
        "mappings": lambda connection: pd.DataFrame(connection.execute(query).mappings().all()),
        "list of dicts": lambda connection: pd.DataFrame(
            connection.exec_driver_sql("SELECT * FROM orders").mappings().fetchall()
        ),
        "read_sql": lambda connection: pd.read_sql(query, connection),
        "chunks": lambda connection: next(pd.read_sql(query, connection, chunksize=10)),
        "a result": lambda connection: pd.DataFrame(connection.execute(query)),
        "a result of mappings": lambda connection: pd.DataFrame(
            connection.execute(query).mappings()
        ),
        "rows of a session": lambda connection: pd.DataFrame(
            Session(connection).execute(columns).all()
        ),
        "a result of a session": lambda connection: pd.DataFrame(
            Session(connection).execute(columns)
        ),
        "mappings of a session": lambda connection: pd.DataFrame(
            Session(connection).execute(columns).mappings()
        ),
        "a query of a session": lambda connection: pd.DataFrame(
            Session(connection).query(Order.id, Order.amount).all()
        ),
    }
    with engine.connect() as connection:
        frame = forms[form](connection)
    assert len(frame) == (10 if form == "chunks" else 3000)
    frame.to_csv(tmp_path / "orders.csv")
    (used,) = spans.one("pandas.to_csv").used
    makers = {f"{one.trace_id}-{one.span_id}": one for one in spans.all()}
    assert [
        one["otelprov.artifact.name"] for one in makers[used["otelprov.artifact.maker"]].used
    ] == ["orders"]
    engine.dispose()


def test_rows_with_objects_of_the_orm_are_left_to_the_program(
    engine: sa.Engine, spans: Spans
) -> None:
    with engine.begin() as connection:
        connection.execute(sa.insert(Order), [{"amount": 1.0}, {"amount": 2.0}])
    with Session(engine) as session:
        rows = session.execute(sa.select(Order, Order.id)).all()
        assert registry.container(rows) is None
        values = session.execute(sa.select(Order.id, Order.amount)).all()
        assert registry.container(values) is not None
    engine.dispose()


def test_to_sql_in_a_transaction_is_written_when_that_is_committed(
    engine: sa.Engine, spans: Spans
) -> None:
    frame = pd.DataFrame({"id": [1], "amount": [2.0]})
    with engine.connect() as connection:
        transaction = connection.begin()  # else pandas begins one of its own
        frame.to_sql("orders", connection, if_exists="append", index=False)
        assert "pandas.to_sql" not in spans.names()
        transaction.rollback()
        assert spans.one("pandas.to_sql").generated == []
        assert spans.one("pandas.to_sql").attributes[OUTCOME] == "rolled back"
        with connection.begin():
            frame.to_sql("orders", connection, if_exists="append", index=False)
    (appended,) = spans.all()[-1].generated
    assert appended["otelprov.artifact.name"] == "orders"
    assert "otelprov.artifact.content_id" not in appended
    frame.to_sql("orders", engine, if_exists="replace", index=False)
    (replaced,) = spans.all()[-1].generated
    (content,) = [one for one in spans.all()[-1].used if one["otelprov.artifact.kind"] == "table"]
    known = content.get("otelprov.artifact.content_id", content["otelprov.used.id"])
    assert replaced["otelprov.artifact.content_id"] == known
    engine.dispose()


def test_async_engines_say_who_asked(url: str, spans: Spans) -> None:
    async def main() -> int:
        engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"))
        async with engine.begin() as connection:
            await connection.execute(sa.text("CREATE TABLE a (k INTEGER)"))
        async with engine.begin() as connection:
            await connection.execute(sa.text("INSERT INTO a VALUES (:k)"), [{"k": 1}, {"k": 2}])
        async with engine.connect() as connection:
            await connection.execute(sa.text("INSERT INTO a VALUES (3)"))
        async with engine.connect() as connection:
            rows = (await connection.execute(sa.text("SELECT k FROM a"))).all()

            async def one(number: int) -> Any:
                async with engine.connect() as own:
                    return (await own.execute(sa.text(f"SELECT {number}, k FROM a"))).all()

            await asyncio.gather(*map(one, range(3)))
        await engine.dispose()
        return len(rows)

    assert asyncio.run(main()) == 2
    assert outcomes(spans, "CREATE TABLE") == [(True, "")]
    assert outcomes(spans, "INSERT") == [(True, ""), (False, "rolled back")]
    assert len(outcomes(spans, "SELECT")) == 4
    for span in spans.all():
        assert span.attributes["code.file.path"].endswith("test_database_transactions.py")


def test_threads_have_their_own_transactions(engine: sa.Engine, spans: Spans) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("one writer at a time")
    spans.clear()
    both = threading.Barrier(2, timeout=30)

    def work(keep: bool) -> None:
        with engine.connect() as connection:
            connection.execute(sa.text("INSERT INTO orders (amount) VALUES (:a)"), {"a": int(keep)})
            both.wait()
            (connection.commit if keep else connection.rollback)()

    threads = [threading.Thread(target=work, args=(keep,)) for keep in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes(spans, "INSERT")) == [(False, "rolled back"), (True, "")]
    engine.dispose()


# --- psycopg --------------------------------------------------------------------------------------


def test_transactions_of_psycopg_end_as_they_end(dsn: str, spans: Spans) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY)")
        connection.commit()
        with connection.transaction():
            connection.execute("INSERT INTO t VALUES (1)")
            with pytest.raises(KeyError), connection.transaction():
                connection.execute("INSERT INTO t VALUES (2)")
                raise KeyError
            with connection.transaction():
                connection.execute("INSERT INTO t VALUES (3)")
            with connection.transaction(force_rollback=True):
                connection.execute("INSERT INTO t VALUES (4)")
        connection.execute("INSERT INTO t VALUES (5)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO t VALUES (5)")
        connection.commit()  # which rolls back
        assert connection.execute("SELECT k FROM t ORDER BY k").fetchall() == [(1,), (3,)]
    assert outcomes(spans, "INSERT") == [
        (True, ""),
        (False, "rolled back"),
        (True, ""),
        (False, "rolled back"),
        (False, "rolled back"),
        (False, ""),
    ]


def test_a_name_stands_for_the_table_on_the_search_path(dsn: str, spans: Spans) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA app")
        connection.execute("CREATE TABLE public.t AS SELECT 1 AS k")
        connection.execute("ALTER ROLE CURRENT_USER SET search_path = app, public")
    try:
        with psycopg.connect(dsn) as connection:
            connection.execute("SELECT * FROM t").fetchall()
            connection.execute("CREATE TABLE T AS SELECT 2 AS k")
            connection.execute("SELECT * FROM t").fetchall()
            connection.execute("SET search_path = public")
            connection.execute('SELECT * FROM t, pg_class, "t" AS other').fetchall()
            connection.execute("CREATE TEMP TABLE t AS SELECT 3 AS k")
            connection.execute("SELECT * FROM t").fetchall()
    finally:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("ALTER ROLE CURRENT_USER RESET search_path")
    read = [
        [str(used["otelprov.artifact.uri"]).partition("#")[2] for used in span.used]
        for span in spans.all()
        if span.attributes.get("db.operation.name") == "SELECT"
    ]
    assert read == [["public.t"], ["app.t"], ["public.t"], ["t"]]


def test_what_is_streamed_copied_and_fetched_from_the_server(dsn: str, spans: Spans) -> None:
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (k INTEGER, v TEXT)")
        with cursor.copy("COPY t (k, v) FROM STDIN WITH (FORMAT csv)") as copy:
            copy.write("1,a\n2,b\n")
        cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(3, "c"), (4, "d")])
        connection.commit()
        assert [row[0] for row in cursor.stream("SELECT k FROM t ORDER BY k")] == [1, 2, 3, 4]
        with connection.cursor("named") as named:
            named.execute("SELECT k FROM t ORDER BY k")
            assert named.fetchmany(2) == [(1,), (2,)]
            assert [row[0] for row in named] == [3, 4]
        with cursor.copy("COPY (SELECT k FROM t) TO STDOUT") as copy:
            assert len(list(copy.rows())) == 4
        with connection.pipeline():
            cursor.execute("UPDATE t SET v = 'x' WHERE k = 1")
            cursor.execute("DELETE FROM t WHERE k = 2")
    assert graph(spans.all()) == expected(
        """
        psycopg.execute: -> t
        psycopg.copy: t, ? -> t
        psycopg.executemany: t, ? -> t
        psycopg.stream: t -> return
        psycopg.execute: t -> return
        psycopg.copy: t -> return
        psycopg.execute: t -> t
        psycopg.execute: t -> t
        """
    )


def test_asynchronous_cursors_are_recorded_as_the_others(dsn: str, spans: Spans) -> None:
    async def main() -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            await connection.execute("CREATE TABLE t (k INTEGER)")
            async with connection.cursor() as cursor:
                await cursor.executemany("INSERT INTO t VALUES (%s)", [(1,), (2,)])
                async with cursor.copy("COPY t FROM STDIN") as copy:
                    await copy.write_row((3,))
            await connection.commit()
            async with connection.transaction(force_rollback=True):
                await connection.execute("DELETE FROM t")
            cursor = await connection.execute("SELECT k FROM t")
            frame = pd.DataFrame(await cursor.fetchall(), columns=["k"])
            assert [row async for row in cursor.stream("SELECT max(k) FROM t")] == [(3,)]
            frame.to_dict()

    asyncio.run(main())
    assert graph(spans.all()) == expected(
        """
        psycopg.execute: -> t
        psycopg.executemany: t, ? -> t
        psycopg.copy: t, ? -> t
        psycopg.execute: ->
        psycopg.execute: t -> return
        psycopg.stream: t -> return
        pandas.to_dict: psycopg.execute -> return
        """
    )


# --- what does not end ----------------------------------------------------------------------------


def test_a_process_that_ends_without_a_commit_has_written_nothing(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import sqlite3\n"
        "connection = sqlite3.connect('a.db')\n"
        "connection.execute('CREATE TABLE t (k)')\n"
        "connection.execute('INSERT INTO t VALUES (1)')\n"
    )
    support.instrumented("program.py", journal_directory=tmp_path / "j", cwd=tmp_path)
    made, inserted = [one for one in support.journal(tmp_path / "j") if "sqlite3" in one.name]
    assert made.generated
    assert not inserted.generated
    assert inserted.attributes[OUTCOME] == "not committed"


def test_a_process_that_is_killed_in_a_transaction_leaves_what_it_had_begun(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import os, signal, sqlite3\n"
        "connection = sqlite3.connect('a.db')\n"
        "connection.execute('CREATE TABLE t (k)')\n"
        "connection.execute('INSERT INTO t VALUES (1)')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    support.instrumented("program.py", journal_directory=tmp_path / "j", cwd=tmp_path, check=False)
    begun = [one for one in support.started(tmp_path / "j") if "sqlite3" in one.name]
    assert [one.attributes["db.operation.name"] for one in begun] == ["CREATE TABLE", "INSERT"]
    ended = [one for one in support.journal(tmp_path / "j") if "sqlite3" in one.name]
    assert [one.attributes["db.operation.name"] for one in ended] == ["CREATE TABLE"]


# --- views that another process has made ----------------------------------------------------------


def test_a_view_that_another_process_made_reads_its_tables(dsn: str, spans: Spans) -> None:
    program = (
        "import psycopg, sys\n"
        "with psycopg.connect(sys.argv[1]) as c:\n"
        "    c.execute('CREATE TABLE a (k INTEGER)')\n"
        "    c.execute('CREATE TABLE \"B c\" (k INTEGER)')\n"
        "    c.execute('CREATE VIEW one AS SELECT a.k FROM a JOIN \"B c\" USING (k)')\n"
        "    c.execute('CREATE VIEW two AS SELECT one.k FROM one, pg_catalog.pg_class')\n"
        "    c.execute('CREATE MATERIALIZED VIEW kept AS SELECT k FROM a')\n"
    )
    subprocess.run([sys.executable, "-c", program, dsn], check=True)
    with psycopg.connect(dsn) as connection:
        for name in ("one", "two", "kept", "a"):
            connection.execute(f"SELECT * FROM {name}")
        connection.execute("DROP VIEW two")
        connection.execute("CREATE TABLE two (k INTEGER)")
        connection.execute("SELECT * FROM two")
    assert [
        sorted(one["otelprov.artifact.name"] for one in span.used)
        for span in spans.all()
        if span.attributes["db.query.text"].startswith("SELECT")
    ] == [["B c", "a"], ["B c", "a"], ["kept"], ["a"], ["two"]]
    uris = {one["otelprov.artifact.uri"] for span in spans.all() for one in span.used}
    assert any(uri.endswith("#public.B c") for uri in uris)
    engine = sa.create_engine(dsn.replace("postgresql:", "postgresql+psycopg:"))
    spans.clear()
    pd.read_sql("SELECT * FROM one", engine)
    engine.dispose()
    read = spans.one("pandas.read_sql")
    assert {one["otelprov.artifact.name"] for one in read.used} == {"B c", "a"}


def test_a_view_in_a_file_of_sqlite_reads_its_tables(tmp_path: Path, spans: Spans) -> None:
    path = tmp_path / "my %20shop?.db"
    program = (
        "import sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1])\n"
        "c.executescript('''CREATE TABLE a (k); CREATE TABLE b (k);"
        "CREATE VIEW one AS SELECT a.k FROM a, b; CREATE VIEW two AS SELECT * FROM one''')\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    traced: list[str] = []
    connection = sqlite3.connect(path)
    connection.set_trace_callback(traced.append)
    connection.execute("INSERT INTO a VALUES (1)")
    connection.execute("SELECT * FROM two").fetchall()
    connection.commit()
    connection.execute("DROP VIEW two")
    connection.execute("CREATE TABLE two (k)")
    connection.execute("SELECT * FROM two").fetchall()
    connection.close()
    assert [
        sorted(one["otelprov.artifact.name"] for one in span.used)
        for span in spans.all()
        if span.attributes["db.query.text"].startswith("SELECT")
    ] == [["a", "b"], ["two"]]
    assert not any("sqlite_master" in one for one in traced)


def test_a_file_that_is_locked_is_waited_for_by_nobody(tmp_path: Path, spans: Spans) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE a (k)")
        connection.execute("CREATE VIEW one AS SELECT * FROM a")
    locked = sqlite3.connect(path, isolation_level=None)
    locked.execute("BEGIN EXCLUSIVE")
    started = time.monotonic()
    locked.execute("SELECT * FROM a").fetchall()
    assert time.monotonic() - started < 2  # sqlite3 itself would wait for 5
    locked.execute("COMMIT")
    locked.close()

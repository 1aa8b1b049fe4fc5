"""psycopg2: its connections and cursors are real ones, and what they send is recorded."""

from __future__ import annotations

import gc
import io
import pickle
import sys
import traceback
from typing import Any

import pandas as pd
import psycopg2
import psycopg2.extras
import psycopg2.pool
import pytest
import sqlalchemy as sa
from graphs import expected, graph, outcomes
from psycopg2 import extensions, sql
from support import Spans

from otelprov.instrumentation.instrumentors import libraries


@pytest.fixture
def shop(dsn: str, spans: Spans) -> Any:
    connection = psycopg2.connect(dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE orders (customer INTEGER, amount INTEGER)")
        cursor.executemany("INSERT INTO orders VALUES (%s, %s)", [(1, 10), (2, 20), (1, 30)])
    yield connection
    connection.close()


def test_statements_name_their_tables_and_rows_come_from_them(shop: Any, spans: Spans) -> None:
    with shop, shop.cursor() as cursor:
        cursor.execute(
            sql.SQL("CREATE TABLE {} AS SELECT customer, sum(amount) AS total FROM orders "
                    "WHERE amount > %s GROUP BY customer").format(sql.Identifier("totals")),
            (5,),
        )  # fmt: skip
        cursor.execute(b"SELECT customer, total FROM totals ORDER BY 1")
        frame = pd.DataFrame(cursor.fetchall(), columns=["customer", "total"])
    assert frame.to_dict("list") == {"customer": [1, 2], "total": [40, 20]}
    assert graph(spans.all()) == expected(
        """
        psycopg2.execute: -> orders
        psycopg2.executemany: orders, ? -> orders
        psycopg2.execute: orders -> totals
        psycopg2.execute: totals -> return
        pandas.to_dict: psycopg2.execute -> return
        """
    )
    create, insert, made, read, _ = spans.all()
    assert insert.attributes["db.operation.batch.size"] == 3
    assert read.attributes["db.system.name"] == "postgresql"
    assert made.attributes["db.query.text"].endswith("WHERE amount > %s GROUP BY customer")
    (used,) = read.used
    assert used["otelprov.artifact.uri"].endswith("#public.totals")
    assert create.attributes["db.collection.name"] == "orders"


@pytest.mark.parametrize("kind", ["DictCursor", "RealDictCursor", "NamedTupleCursor"])
def test_rows_of_the_extra_cursors_come_from_their_tables(
    shop: Any, spans: Spans, kind: str
) -> None:
    cursors = getattr(psycopg2.extras, kind)
    with shop.cursor(cursor_factory=cursors) as cursor:
        cursor.execute("SELECT customer, amount FROM orders ORDER BY amount")
        frame = pd.DataFrame(cursor.fetchall(), columns=["customer", "amount"])
    assert frame.to_dict("list") == {"customer": [1, 2, 1], "amount": [10, 20, 30]}
    assert graph(spans.all()[2:]) == expected(
        """
        psycopg2.execute: orders -> return
        pandas.to_dict: psycopg2.execute -> return
        """
    )


def test_what_is_rolled_back_is_not_generated(shop: Any, dsn: str, spans: Spans) -> None:
    spans.clear()
    cursor = shop.cursor()
    cursor.execute("INSERT INTO orders VALUES (3, 1)")
    shop.rollback()
    cursor.execute("INSERT INTO orders VALUES (4, 1)")
    shop.commit()
    with pytest.raises(KeyError), shop:
        cursor.execute("INSERT INTO orders VALUES (5, 1)")
        raise KeyError
    cursor.execute("SAVEPOINT one")
    cursor.execute("INSERT INTO orders VALUES (6, 1)")
    cursor.execute("ROLLBACK TO one")
    shop.commit()
    cursor.execute("INSERT INTO orders VALUES (7, 1)")
    with pytest.raises(psycopg2.Error):
        cursor.execute("INSERT INTO orders VALUES ('x', 1)")
    shop.rollback()
    shop.autocommit = True
    cursor.execute("INSERT INTO orders VALUES (8, 1)")
    shop.autocommit = False
    cursor.execute("INSERT INTO orders VALUES (9, 1)")
    shop.reset()
    cursor = shop.cursor()
    cursor.execute("INSERT INTO orders VALUES (10, 1)")
    shop.close()
    assert outcomes(spans, "INSERT") == [
        (False, "rolled back"),
        (True, ""),
        (False, "rolled back"),
        (False, "rolled back"),
        (False, "rolled back"),
        (False, ""),
        (True, ""),
        (False, "rolled back"),
        (False, "rolled back"),
    ]
    after = psycopg2.connect(dsn)
    with after.cursor() as cursor:
        cursor.execute("SELECT customer FROM orders WHERE customer > 2 ORDER BY 1")
        assert cursor.fetchall() == [(4,), (8,)]
    after.close()


def test_copies_pages_and_named_cursors(shop: Any, spans: Spans) -> None:
    spans.clear()
    out = io.StringIO()
    with shop, shop.cursor() as cursor:
        cursor.copy_expert("COPY orders TO STDOUT WITH CSV", out)
        cursor.copy_from(io.StringIO("8\t80\n"), "orders")
        cursor.copy_to(io.StringIO(), "orders")
        psycopg2.extras.execute_values(cursor, "INSERT INTO orders VALUES %s", [(9, 90), (9, 91)])
        psycopg2.extras.execute_batch(cursor, "INSERT INTO orders VALUES (%s, %s)", [(9, 92)])
    with shop.cursor("server side") as cursor:
        cursor.execute("SELECT * FROM orders")
        assert len(cursor.fetchmany(2)) == 2
    shop.rollback()
    assert out.getvalue() == "1,10\n2,20\n1,30\n"
    assert graph(spans.all()) == expected(
        """
        psycopg2.copy_expert: orders -> file
        psycopg2.copy_from: orders, nothing known -> orders
        psycopg2.copy_to: orders -> file
        psycopg2.execute: orders, ? -> orders
        psycopg2.execute: orders, ? -> orders
        psycopg2.execute: orders -> return
        """
    )
    texts = [span.attributes["db.query.text"] for span in spans.all()]
    assert not any("90" in text or "92" in text for text in texts)


@pytest.mark.parametrize("where", ["connect", "cursor", "connection class"])
def test_factories_of_the_program_make_what_they_make(dsn: str, spans: Spans, where: str) -> None:
    wanted = psycopg2.extras.RealDictCursor
    if where == "connect":
        connection = psycopg2.connect(dsn, cursor_factory=wanted)
        cursor = connection.cursor()
    elif where == "cursor":
        connection = psycopg2.connect(dsn)
        cursor = connection.cursor(cursor_factory=wanted)
    else:
        connection = psycopg2.connect(dsn, connection_factory=psycopg2.extras.RealDictConnection)
        cursor = connection.cursor()
        assert isinstance(connection, psycopg2.extras.RealDictConnection)
    assert isinstance(cursor, wanted)
    cursor.execute("CREATE TABLE t (k INTEGER)")
    cursor.execute("INSERT INTO t VALUES (1)")
    cursor.execute("SELECT k FROM t")
    rows = cursor.fetchall()
    assert [dict(row) for row in rows] == [{"k": 1}] and type(rows[0]).__name__ == "RealDictRow"
    connection.commit()
    connection.close()
    assert graph(spans.all()) == expected(
        """
        psycopg2.execute: -> t
        psycopg2.execute: t -> t
        psycopg2.execute: t -> return
        """
    )


def test_a_class_of_the_programs_own_keeps_what_it_does(dsn: str, spans: Spans) -> None:
    class Noting(extensions.cursor):
        def execute(self, query: Any, vars: Any = None) -> None:
            noted.append(query)
            super().execute(query, vars)

    class Own(extensions.connection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.mine = 1

    noted: list[str] = []
    connection = psycopg2.connect(dsn, connection_factory=Own, cursor_factory=Noting)
    assert (type(connection).__name__, connection.mine) == ("Own", 1)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (k INTEGER)")
    connection.commit()
    connection.close()
    assert noted == ["CREATE TABLE t (k INTEGER)"]
    (span,) = spans.all()
    assert [one["otelprov.artifact.name"] for one in span.generated] == ["t"]


def test_pools_pandas_and_sqlalchemy_over_it(shop: Any, dsn: str, spans: Spans) -> None:
    spans.clear()
    pool = psycopg2.pool.SimpleConnectionPool(1, 2, dsn)
    connection = pool.getconn()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM orders")
        assert cursor.fetchone() == (3,)
    pool.putconn(connection)
    pool.closeall()
    with pytest.warns(UserWarning, match="SQLAlchemy"):
        pd.read_sql("SELECT * FROM orders", shop)
    shop.rollback()
    engine = sa.create_engine(dsn.replace("postgresql:", "postgresql+psycopg2:"))
    with engine.begin() as there:
        there.execute(sa.text("INSERT INTO orders VALUES (7, 70)"))
    pd.read_sql("SELECT * FROM orders", engine).to_sql("copy", engine, index=False)
    engine.dispose()
    assert graph(spans.all()) == expected(
        """
        psycopg2.execute: orders -> return
        pandas.read_sql: orders -> return
        sqlalchemy.execute: orders -> orders
        pandas.read_sql: orders -> return
        pandas.to_sql: pandas.read_sql -> copy
        """
    )
    uris = {
        one["otelprov.artifact.uri"]
        for span in spans.all()
        for one in span.used
        if one.get("otelprov.artifact.name") == "orders"
    }
    assert len(uris) == 1


def test_what_fails_raises_as_before(shop: Any, spans: Spans) -> None:
    spans.clear()
    cursor = shop.cursor()
    with pytest.raises(psycopg2.errors.UndefinedTable) as raised:
        cursor.execute("SELECT * FROM nothing")
    assert "otelprov" not in "".join(traceback.format_tb(raised.value.__traceback__)[1:])
    with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
        cursor.execute("SELECT * FROM orders")
    shop.rollback()
    with pytest.raises(TypeError):
        cursor.execute()
    with pytest.raises(IndexError):
        cursor.execute("SELECT * FROM orders WHERE customer = %s OR %s", (1,))
    with pytest.raises(psycopg2.ProgrammingError):
        psycopg2.connect("nonsense")
    assert [span.status["code"] for span in spans.all()] == [2, 2, 2]


def test_what_the_server_says_of_our_question_is_not_seen(dsn: str, spans: Spans) -> None:
    connection = psycopg2.connect(dsn)
    cursor = connection.cursor()
    cursor.execute("SET client_min_messages = DEBUG1")
    cursor.execute("CREATE TEMP TABLE a (id serial)")
    cursor.execute("SELECT * FROM pg_class, a")
    (notice,) = connection.notices
    assert "a_id_seq" in notice
    connection.notices = None
    cursor.execute("CREATE TEMP TABLE b (id serial)")
    assert connection.notices is None
    connection.close()
    assert spans.all()


def test_the_classes_look_as_they_do(shop: Any, dsn: str) -> None:
    cursor = shop.cursor()
    assert isinstance(shop, extensions.connection) and isinstance(cursor, extensions.cursor)
    assert repr(shop).startswith("<connection object at")
    assert repr(cursor).startswith("<cursor object at")
    assert type(shop).__module__ == extensions.connection.__module__
    assert type(cursor).__qualname__ == extensions.cursor.__qualname__
    assert type(cursor) is type(shop.cursor())
    assert cursor.connection is shop and shop.cursor_factory is None
    assert extensions.quote_ident("a b", shop) == '"a b"'
    assert pickle.loads(pickle.dumps(psycopg2.connect)) is psycopg2.connect
    psycopg2.extras.register_default_jsonb(shop)
    assert not hasattr(cursor, "__dict__") or cursor.__dict__ == {}
    references = sys.getrefcount(shop)
    for _ in range(10):
        shop.cursor().close()
    gc.collect()
    assert sys.getrefcount(shop) == references


def test_connections_that_are_left_alone(dsn: str, spans: Spans) -> None:
    asynchronous = psycopg2.connect(dsn, async_=1)
    psycopg2.extras.wait_select(asynchronous)
    assert type(asynchronous) is extensions.connection
    asynchronous.close()
    made: list[Any] = []

    def factory(*arguments: Any) -> Any:
        made.append(extensions.connection(*arguments))
        return made[0]

    connection = psycopg2.connect(dsn, connection_factory=factory)
    assert connection is made[0]
    connection.cursor().execute("CREATE TABLE t (k INTEGER)")
    connection.close()
    assert not spans.all()


def test_it_comes_back_and_what_is_open_goes_on(dsn: str, spans: Spans) -> None:
    connection = psycopg2.connect(dsn)
    before = psycopg2.connect
    libraries["psycopg2"].uninstrument()
    assert psycopg2.connect is not before
    plain = psycopg2.connect(dsn)
    assert type(plain) is extensions.connection
    plain.close()
    libraries["psycopg2"].instrument()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]
    connection.close()

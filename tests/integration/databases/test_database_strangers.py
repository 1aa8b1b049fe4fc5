"""Statements as strangers write them: views, triggers, rows that move from table to table."""

from __future__ import annotations

from pathlib import Path

import strangers

PREPARE = """
    import os, psycopg
    with psycopg.connect(os.environ["DSN"], autocommit=True) as connection:
        connection.execute("CREATE SCHEMA stage")
        connection.execute("CREATE TABLE stage.raw (id int, amount float)")  # @raw
        connection.execute("CREATE TABLE people (id int, name text)")  # @people
        connection.execute("CREATE VIEW big AS SELECT * FROM stage.raw WHERE amount > 1")
        connection.execute("CREATE VIEW stage.named AS SELECT * FROM big JOIN people USING (id)")
"""
PIPELINE = """
    import os, psycopg, pandas as pd
    MOVE = (
        "WITH moved AS (DELETE FROM stage.raw WHERE amount < 1 RETURNING *) "
        "INSERT INTO done SELECT * FROM moved"
    )
    RESET = (
        "WITH gone AS (UPDATE done SET amount = 0 RETURNING id, amount) "
        "SELECT id, gone.amount FROM gone JOIN big USING (id)"
    )
    with psycopg.connect(os.environ["DSN"]) as connection:
        connection.execute("INSERT INTO stage.raw VALUES (1, 2.5), (2, 0.5)")  # @fill
        connection.execute("CREATE TABLE best AS SELECT id, name FROM stage.named")  # @best
        connection.execute("CREATE TABLE done (LIKE stage.raw)")  # @done
        connection.commit()
        connection.execute(MOVE)  # @move
        connection.commit()
        connection.execute(RESET).fetchall()  # @select
        connection.rollback()
        seen = connection.execute("SELECT * FROM big").fetchall()  # @big
    pd.DataFrame(seen, columns=["id", "amount"]).to_csv("seen.csv")  # @csv
"""
DRAWN = """
    psycopg.execute@raw: -> #stage.raw
    psycopg.execute@people: -> #public.people
    psycopg.execute@fill: #stage.raw -> #stage.raw
    psycopg.execute@best: #stage.raw, #public.people -> #public.best
    psycopg.execute@done: -> #public.done
    psycopg.execute@move: #stage.raw, #public.done -> #stage.raw, #public.done
    psycopg.execute@select: #public.done, #stage.raw -> return
    psycopg.execute@big: #stage.raw -> return
    pandas.to_csv@csv: psycopg.execute@big -> seen.csv
"""


def test_views_are_read_through_and_statements_in_with_write(tmp_path: Path, dsn: str) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    recording = strangers.record(directory, PREPARE, PIPELINE, DSN=dsn)
    assert recording.graph() == strangers.drawn(DRAWN)


SHOP = """
    import pandas as pd
    from sqlalchemy import Column, Float, Integer, MetaData, Table, create_engine, insert, select
    engine = create_engine("sqlite:///shop.db")
    metadata = MetaData()
    orders = Table("orders", metadata, Column("id", Integer, primary_key=True),
                   Column("amount", Float))
    metadata.create_all(engine)  # @create
    with engine.begin() as connection:
        connection.execute(insert(orders), pd.read_csv("orders.csv").to_dict("records"))  # @load
    with engine.connect() as connection:
        rows = connection.execute(select(orders)).mappings().all()  # @rows
    pd.DataFrame(rows).to_csv("rows.csv")  # @csv
"""
SHOP_DRAWN = """
    sqlalchemy.execute@create: -> #orders
    pandas.read_csv@load: orders.csv -> return
    pandas.to_dict@load: pandas.read_csv@load -> return
    sqlalchemy.execute@load: pandas.to_dict@load, #orders -> #orders
    sqlalchemy.execute@rows: #orders -> return
    pandas.to_csv@csv: sqlalchemy.execute@rows -> rows.csv
"""


def test_rows_of_a_table_that_sqlalchemy_knows_are_followed_as_mappings(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "orders.csv").write_text("id,amount\n1,2.5\n2,1.5\n")
    recording = strangers.record(directory, SHOP)
    assert recording.graph() == strangers.drawn(SHOP_DRAWN)


TRIGGER = """
    import sqlite3
    connection = sqlite3.connect("shop.db", isolation_level=None)
    connection.execute("CREATE TABLE orders (id, amount)")  # @orders
    connection.execute("CREATE TABLE changes (id)")  # @changes
    connection.execute("BEGIN")
    connection.execute("INSERT INTO orders VALUES (1, 2)")  # @insert
    connection.execute(
        "CREATE TRIGGER changed AFTER UPDATE ON orders"
        " BEGIN INSERT INTO changes VALUES (old.id); END"
    )
    connection.execute("ROLLBACK")
"""
TRIGGER_DRAWN = """
    sqlite3.execute@orders: -> #orders
    sqlite3.execute@changes: -> #changes
    sqlite3.execute@insert: #orders ->
"""


def test_a_trigger_is_no_operation_and_its_end_commits_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    recording = strangers.record(directory, TRIGGER)
    assert recording.graph() == strangers.drawn(TRIGGER_DRAWN)


SWAP = """
    import duckdb, os, psycopg, sqlite3
    import pandas as pd
    with duckdb.connect("w.duckdb") as connection:
        connection.execute("CREATE TABLE t AS FROM 'a.csv'")  # @duck
        connection.execute("CREATE TABLE t_new AS FROM 'b.csv'")  # @duck
        connection.execute("BEGIN")
        connection.execute("DROP TABLE t")
        connection.execute("ALTER TABLE t_new RENAME TO t")  # @duck
        connection.execute("COMMIT")
        connection.sql("SELECT v * 2 AS w FROM t").write_csv("duckdb.csv")  # @duck
    connection = sqlite3.connect("w.db")
    pd.read_csv("a.csv").to_sql("t", connection, index=False)  # @lite
    pd.read_csv("b.csv").to_sql("t_new", connection, index=False)  # @lite
    connection.execute("DROP TABLE t")
    connection.execute("ALTER TABLE t_new RENAME TO t")  # @lite
    pd.read_sql("SELECT v * 2 AS w FROM t", connection).to_csv("sqlite.csv", index=False)  # @lite
    with psycopg.connect(os.environ["DSN"]) as connection:
        connection.execute("CREATE SCHEMA s")
        connection.execute("CREATE TABLE s.t AS SELECT 1 AS v")  # @pg
        connection.execute("CREATE TABLE raw (v int)")  # @pg
        connection.execute("CREATE TABLE s.t_new AS SELECT * FROM raw")  # @pg
        connection.execute("DROP TABLE s.t")
        connection.execute("ALTER TABLE s.t_new RENAME TO t")  # @pg
        connection.execute("SELECT v * 2 AS w FROM s.t").fetchall()  # @pg
"""
SWAPPED = """
    duckdb.execute@duck: a.csv -> #main.t
    duckdb.execute@duck: b.csv -> #main.t_new
    duckdb.execute@duck: #main.t_new -> #main.t
    duckdb.write_csv@duck: #main.t -> duckdb.csv
    pandas.read_csv@lite: a.csv -> return
    pandas.to_sql@lite: pandas.read_csv@lite -> #t
    pandas.read_csv@lite: b.csv -> return
    pandas.to_sql@lite: pandas.read_csv@lite -> #t_new
    sqlite3.execute@lite: #t_new -> #t
    pandas.read_sql@lite: #t -> return
    pandas.to_csv@lite: pandas.read_sql@lite -> sqlite.csv
    psycopg.execute@pg: -> #s.t
    psycopg.execute@pg: -> #public.raw
    psycopg.execute@pg: #public.raw -> #s.t_new
    psycopg.execute@pg: #s.t_new -> #s.t
    psycopg.execute@pg: #s.t -> return
"""


def test_a_table_that_takes_the_place_of_another_keeps_its_own_story(
    tmp_path: Path, dsn: str
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "a.csv").write_text("id,v\n1,2.5\n")
    (directory / "b.csv").write_text("id,v\n1,3.5\n")
    recording = strangers.record(directory, SWAP, DSN=dsn)
    assert recording.graph() == strangers.drawn(SWAPPED)
    for name in ("duckdb.csv", "sqlite.csv"):
        assert recording.roots(name) == {"b.csv"}
        assert recording.columns(f"{name}#w") == {"b.csv#v"}


SESSION = """
    import pandas as pd
    from sqlalchemy import create_engine, func, select
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
    class Base(DeclarativeBase): ...
    class Order(Base):
        __tablename__ = "orders"
        id: Mapped[int] = mapped_column(primary_key=True)
        amount: Mapped[float]
    engine = create_engine("sqlite:///shop.db")
    with Session(engine) as session:
        Base.metadata.create_all(session.connection())  # @create
        session.add_all([Order(id=1, amount=2.5), Order(id=2, amount=1.5)])
        session.commit()  # @commit
        rows = session.execute(select(Order.id, func.sum(Order.amount)).group_by(Order.id)).all()  # @rows
        keys = session.scalars(select(Order.id).where(Order.amount > 2)).all()  # @keys
    pd.DataFrame(rows).to_csv("rows.csv")  # @csv
    other = pd.read_csv("orders.csv")  # @other
    other[other["id"].isin(keys)].to_csv("isin.csv")  # @isin
    other.query("id in @keys").to_csv("query.csv")  # @query
    other[other["id"].isin([1])].to_csv("equal.csv")  # @equal
"""  # noqa: E501
SESSION_DRAWN = """
    sqlalchemy.execute@create: -> #orders
    sqlalchemy.execute@commit: #orders, ? -> #orders
    sqlalchemy.execute@rows: #orders -> return
    sqlalchemy.execute@keys: #orders -> return
    pandas.to_csv@csv: sqlalchemy.execute@rows -> rows.csv
    pandas.read_csv@other: orders.csv -> return
    pandas.getitem@isin: pandas.read_csv@other, sqlalchemy.execute@keys -> return
    pandas.to_csv@isin: pandas.getitem@isin -> isin.csv
    pandas.query@query: pandas.read_csv@other, sqlalchemy.execute@keys -> return
    pandas.to_csv@query: pandas.query@query -> query.csv
    pandas.getitem@equal: pandas.read_csv@other -> return
    pandas.to_csv@equal: pandas.getitem@equal -> equal.csv
"""


def test_rows_and_values_that_a_session_gives_are_followed(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "orders.csv").write_text("id,amount\n1,2.50\n2,1.50\n")
    recording = strangers.record(directory, SESSION)
    assert recording.graph() == strangers.drawn(SESSION_DRAWN)


WAREHOUSE = """
    import duckdb
    with duckdb.connect("warehouse.duckdb") as connection:
        connection.execute("CREATE SCHEMA mart")
        connection.execute("CREATE TABLE raw AS FROM 'a.csv'")  # @raw
        connection.execute("CREATE TABLE mart.rates AS FROM 'b.csv'")  # @rates
        connection.execute("CREATE VIEW known AS SELECT id, v FROM raw WHERE v > 0")
        connection.execute("CREATE VIEW mart.seen AS FROM main.known JOIN rates USING (id)")
"""
ATTACHED = """
    import duckdb
    connection = duckdb.connect()
    connection.execute("CREATE TABLE raw AS SELECT 0 AS id")  # @other
    connection.execute("ATTACH 'warehouse.duckdb' AS w (READ_ONLY); ATTACH 'mine.duckdb' AS mine")
    connection.execute("CREATE TABLE mine.best AS SELECT * FROM w.mart.seen")  # @best
    connection.sql("FROM mine.best WHERE id > 0").df().to_csv("best.csv", sep=";")  # @csv
"""
ATTACHED_DRAWN = """
    duckdb.execute@raw: a.csv -> #main.raw
    duckdb.execute@rates: b.csv -> #mart.rates
    duckdb.execute@other: -> #main.raw
    duckdb.execute@best: #main.raw, #mart.rates -> #main.best
    duckdb.df@csv: #main.best -> return
    pandas.to_csv@csv: duckdb.df@csv -> best.csv
"""


def test_a_view_of_an_attached_database_reads_the_tables_of_that_database(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "a.csv").write_text("id,v\n1,2.5\n")
    (directory / "b.csv").write_text("id,w\n1,3.5\n")
    recording = strangers.record(directory, WAREHOUSE, ATTACHED)
    assert recording.graph() == strangers.drawn(ATTACHED_DRAWN)
    assert recording.roots("best.csv") == {"a.csv", "b.csv"}


CHANGED = """
    import duckdb, sqlite3
    import pandas as pd
    with duckdb.connect("w.duckdb") as connection:
        connection.execute("CREATE TABLE orders AS FROM 'a.csv'")
        connection.execute("CREATE TABLE target (k INT, total DOUBLE, note VARCHAR)")
        connection.execute("/* model */ INSERT INTO target (note, k) SELECT name, id FROM orders")
        connection.execute("-- totals\\nUPDATE target SET total = o.v * 2 FROM orders o "
                       "WHERE o.id = target.k")
        connection.sql("SELECT * FROM target").df().to_csv("duckdb.csv", index=False)
    connection = sqlite3.connect("w.db")
    pd.read_csv("a.csv").to_sql("orders", connection, index=False)
    connection.execute("CREATE TABLE target (k INT, total REAL, note TEXT)")
    connection.execute("/* model */ INSERT INTO target (note, k) SELECT name, id FROM orders")
    connection.execute("-- totals\\nUPDATE target SET total = o.v * 2 FROM orders o "
                       "WHERE o.id = target.k")
    connection.commit()
    pd.read_sql("SELECT * FROM target", connection).to_csv("sqlite.csv", index=False)
"""


def test_rows_that_are_put_into_some_columns_in_another_order_change_no_others(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "a.csv").write_text("id,name,v\n1,x,2.5\n")
    recording = strangers.record(directory, CHANGED)
    for name in ("duckdb.csv", "sqlite.csv"):
        assert recording.columns(f"{name}#k") == {"a.csv#id"}
        assert recording.columns(f"{name}#total") == {"a.csv#v"}
        assert recording.columns(f"{name}#note") == {"a.csv#name"}


ROWS = """
    import os, sqlite3
    import pandas as pd, psycopg, sqlalchemy as sa
    from psycopg.rows import dict_row
    connection = sqlite3.connect("shop.db")
    pd.read_csv("a.csv").to_sql("orders", connection, index=False)
    cursor = connection.execute("SELECT name, sum(v) AS total FROM orders GROUP BY 1")
    found = pd.DataFrame(cursor.fetchall(), columns=[one[0] for one in cursor.description])
    found.assign(twice=found["total"] * 2).to_csv("sqlite.csv", index=False)
    cursor = connection.execute("SELECT name, v FROM orders")
    pd.DataFrame(cursor.fetchall(), columns=["v", "name"]).to_csv("other.csv", index=False)
    with sa.create_engine("sqlite:///shop.db").connect() as other:
        rows = other.execute(sa.text("SELECT id, v FROM orders")).mappings().all()
        pd.DataFrame(rows).to_csv("sqlalchemy.csv", index=False)
    with psycopg.connect(os.environ["DSN"], row_factory=dict_row) as server:
        server.execute("CREATE TABLE t (k int, v text)")
        server.execute("INSERT INTO t VALUES (1, 'x')")
        pd.DataFrame(server.execute("SELECT v, k FROM t").fetchall()).to_csv("psycopg.csv")
"""


def test_a_frame_of_rows_has_the_columns_that_their_statement_gave(
    tmp_path: Path, dsn: str
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "a.csv").write_text("id,name,v\n1,x,2.5\n2,y,1.5\n")
    recording = strangers.record(directory, ROWS, DSN=dsn)
    assert recording.columns("sqlite.csv#name") == {"a.csv#name"}
    assert recording.columns("sqlite.csv#total") == {"a.csv#v"}
    assert recording.columns("sqlite.csv#twice") == {"a.csv#v"}
    assert recording.columns("other.csv#v") == {"a.csv#name", "a.csv#v", "opaque"}
    assert recording.columns("sqlalchemy.csv#v") == {"a.csv#v"}
    assert recording.columns("psycopg.csv#k") == {"#public.t#k"}


SERVER = """
    import os
    import pandas as pd, sqlalchemy as sa
    engine = sa.create_engine(os.environ["DSN"].replace("postgresql:", "postgresql+psycopg:"))
    def copied(table, connection, names, rows):
        with connection.connection.dbapi_connection.cursor() as cursor:
            with cursor.copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
    pd.read_csv("a.csv").to_sql("orders", engine, index=False, method=copied)  # @orders
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE VIEW v AS SELECT name, v FROM orders"))
        connection.execute(sa.text('CREATE MATERIALIZED VIEW "My View" AS SELECT * FROM v'))  # @make
        connection.execute(sa.text('CREATE TABLE "My Table" AS SELECT * FROM v'))  # @table
        connection.execute(sa.text('REFRESH MATERIALIZED VIEW "My View"'))  # @refresh
        driver = connection.connection.dbapi_connection
        with driver.cursor().copy('COPY "My Table" TO STDOUT') as copy:  # @copy
            assert len(list(copy)) == 2
"""  # noqa: E501
SERVER_DRAWN = """
    pandas.read_csv@orders: a.csv -> return
    pandas.to_sql@orders: pandas.read_csv@orders -> #public.orders
    sqlalchemy.execute@make: #public.orders -> #public.My View
    sqlalchemy.execute@refresh: #public.orders -> #public.My View
    sqlalchemy.execute@table: #public.orders -> #public.My Table
    psycopg.copy@copy: #public.My Table -> return
"""


def test_a_refreshed_view_and_what_a_function_given_to_pandas_copies_have_their_sources(
    tmp_path: Path, dsn: str
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "a.csv").write_text("id,name,v\n1,x,2.5\n2,y,1.5\n")
    recording = strangers.record(directory, SERVER, DSN=dsn)
    assert recording.graph() == strangers.drawn(SERVER_DRAWN)


SCRIPTS = """
    import os, sqlite3
    import pandas as pd, psycopg
    con = sqlite3.connect("w.db")
    pd.read_csv("a.csv").to_sql("a", con, index=False)  # @a
    pd.read_csv("b.csv").to_sql("b", con, index=False)  # @b
    con.executescript("CREATE VIEW v AS SELECT * FROM a; CREATE TABLE c AS SELECT * FROM v")  # @c
    script = "DROP VIEW v; CREATE VIEW v AS SELECT * FROM b; CREATE TABLE d AS SELECT * FROM v"
    con.executescript(script)  # @d
    script = "CREATE TEMP TABLE a AS SELECT * FROM b; CREATE TABLE e AS SELECT * FROM a"
    con.executescript(script)  # @e
    con.execute("CREATE VIEW IF NOT EXISTS v AS SELECT * FROM main.a")
    con.execute("CREATE TABLE f AS SELECT * FROM v")  # @f
    new = "CREATE VIEW IF NOT EXISTS n AS SELECT * FROM b; CREATE TABLE g AS SELECT * FROM n"
    con.executescript(new)  # @g
    swap = "CREATE TABLE h AS SELECT * FROM g; DROP TABLE g; CREATE TABLE g AS SELECT * FROM main.a"
    con.executescript(swap)  # @swap
    with psycopg.connect(os.environ["DSN"]) as server:
        server.execute("CREATE TABLE a (id int); CREATE TABLE b (id int)")  # @server
        server.execute("CREATE VIEW v AS SELECT * FROM a; CREATE TABLE c AS SELECT * FROM v")  # @sc
        server.execute("DROP VIEW v; CREATE VIEW v AS SELECT * FROM b; "
                       "INSERT INTO c SELECT * FROM v")
"""
SCRIPTS_DRAWN = """
    pandas.read_csv@a: a.csv -> return
    pandas.to_sql@a: pandas.read_csv@a -> #a
    pandas.read_csv@b: b.csv -> return
    pandas.to_sql@b: pandas.read_csv@b -> #b
    sqlite3.executescript@c: #a -> #c
    sqlite3.executescript@d: #b -> #d
    sqlite3.executescript@e: #b -> #a
    sqlite3.executescript@e: #a -> #e
    sqlite3.execute@f: #b -> #f
    sqlite3.executescript@g: #b -> #g
    sqlite3.executescript@swap: #g -> #h
    sqlite3.executescript@swap: #a -> #g
    psycopg.execute@server: -> #public.a
    psycopg.execute@server: -> #public.b
    psycopg.execute@sc: #public.a -> #public.c
    psycopg.execute: #public.b, #public.c -> #public.c
"""


def test_names_that_a_text_of_statements_has_made_mean_that_to_those_after_it(
    tmp_path: Path, dsn: str
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "a.csv").write_text("id,name\n1,x\n2,y\n")
    (directory / "b.csv").write_text("id,name\n3,z\n")
    recording = strangers.record(directory, SCRIPTS, DSN=dsn)
    assert recording.graph() == strangers.drawn(SCRIPTS_DRAWN)


RAW = """
    import pandas as pd
    from sqlalchemy import create_engine
    engine = create_engine("sqlite:///shop.db")
    pd.read_csv("orders.csv").to_sql("orders", engine, index=False)  # @load
    raw = engine.raw_connection()
    raw.cursor().execute("CREATE TABLE twice AS SELECT id, amount * 2 AS a FROM orders")  # @twice
    raw.commit()
    pd.read_sql("SELECT a FROM twice", raw).to_csv("twice.csv", index=False)  # @read
    raw.cursor().execute("DELETE FROM twice")  # @lost
    raw.close()
    memory = create_engine("sqlite://")
    with memory.begin() as connection:
        pd.read_csv("orders.csv").to_sql("o", connection, index=False)  # @memory
        connection.connection.cursor().execute("CREATE TABLE n AS SELECT count(*) FROM o")  # @n
    raw = memory.raw_connection()
    raw.execute("CREATE TABLE m AS SELECT * FROM n")  # @m
    raw.commit()
    raw.close()
    with memory.connect() as connection:
        pd.read_sql("SELECT * FROM m", connection).to_csv("m.csv", index=False)  # @out
"""
RAW_DRAWN = """
    pandas.read_csv@load: orders.csv -> return
    pandas.to_sql@load: pandas.read_csv@load -> #orders
    sqlite3.execute@twice: #orders -> #twice
    pandas.read_sql@read: #twice -> return
    pandas.to_csv@read: pandas.read_sql@read -> twice.csv
    sqlite3.execute@lost: ->
    pandas.read_csv@memory: orders.csv -> return
    pandas.to_sql@memory: pandas.read_csv@memory -> #o
    sqlite3.execute@n: #o -> #n
    sqlite3.execute@m: #n -> #m
    pandas.read_sql@out: #m -> return
    pandas.to_csv@out: pandas.read_sql@out -> m.csv
"""


def test_a_connection_that_sqlalchemy_has_opened_may_be_used_by_itself_too(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "orders.csv").write_text("id,amount\n1,2.5\n2,1.5\n")
    recording = strangers.record(directory, RAW, PYTHONWARNINGS="ignore")
    assert recording.graph() == strangers.drawn(RAW_DRAWN)
    for name in ("twice.csv", "m.csv"):
        assert recording.roots(name) == {"orders.csv"}
    assert recording.columns("twice.csv#a") == {"orders.csv#amount"}


BULK = """
    import pandas as pd
    from sqlalchemy import create_engine, insert, update
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
    class Base(DeclarativeBase):
        pass
    class Item(Base):
        __tablename__ = "items"
        id: Mapped[int] = mapped_column(primary_key=True)
        v: Mapped[float]
    class Log(Base):
        __tablename__ = "logs"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]
    engine = create_engine("sqlite:///shop.db")
    Base.metadata.create_all(engine)  # @create
    df = pd.read_csv("items.csv")  # @df
    rows = df.to_dict("records")  # @rows
    with Session(engine) as session:
        session.execute(insert(Item), rows)  # @insert
        session.bulk_update_mappings(Item, rows)  # @update
        session.add_all([Log(id=1, text="x"), Log(id=2, text="y")])
        session.bulk_insert_mappings(Item, [{"id": 8, "v": 1.0}, {"id": 9, "v": 1.0}])  # @plain
        others = df.assign(id=df["id"] + 20).to_dict("records")  # @others
        session.execute(insert(Item).values(others))  # @values
        session.execute(insert(Item).values(id=7, v=1.0))  # @one
        session.commit()  # @commit
"""
BULK_DRAWN = """
    sqlalchemy.execute@create: -> #items
    sqlalchemy.execute@create: -> #logs
    pandas.read_csv@df: items.csv -> return
    pandas.to_dict@rows: pandas.read_csv@df -> return
    sqlalchemy.execute@insert: #items, pandas.to_dict@rows -> #items
    sqlalchemy.execute@update: #items, pandas.to_dict@rows -> #items
    sqlalchemy.execute@plain: #items, ? -> #items
    pandas.assign@others: pandas.read_csv@df -> return
    pandas.to_dict@others: pandas.assign@others -> return
    sqlalchemy.execute@values: #items, pandas.to_dict@others -> #items
    sqlalchemy.execute@values: #logs, ? -> #logs
    sqlalchemy.execute@one: #items -> #items
"""


def test_rows_that_the_orm_is_given_at_once_come_from_their_table(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "items.csv").write_text("id,v\n1,2.5\n2,1.5\n")
    recording = strangers.record(directory, BULK)
    assert recording.graph() == strangers.drawn(BULK_DRAWN)

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

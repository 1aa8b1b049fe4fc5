"""Programs with SQLAlchemy and pandas on a real MariaDB, whose SQL is MySQL's."""

from __future__ import annotations

from pathlib import Path

import mariadb
import pytest
import strangers

pytest.importorskip("pymysql")


PREPARE = """
    from pathlib import Path
    Path("orders.csv").write_text("id,amount,who\\n1,2.5,1\\n2,0.5,2\\n3,9.0,1\\n")
    Path("people.csv").write_text("id,name\\n1,a\\n2,b\\n")
"""
PIPELINE = """
    import os, pandas as pd, sqlalchemy as sa
    engine = sa.create_engine(os.environ["URL"])
    pd.read_csv("orders.csv").to_sql("orders", engine, index=False)  # @orders
    pd.read_csv("people.csv").to_sql("people", engine, index=False)  # @people
    orders = sa.Table("orders", sa.MetaData(), autoload_with=engine)
    people = sa.Table("people", sa.MetaData(), autoload_with=engine)
    mine = orders.c.who == people.c.id
    double = sa.update(orders).where(mine, people.c.name == "a").values(amount=orders.c.amount * 2)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TEMPORARY TABLE `big` SELECT * FROM orders"))  # @big
        connection.execute(sa.text("CREATE TABLE best (name TEXT, amount DOUBLE)"))  # @best
        fill = "INSERT INTO best SELECT name, amount FROM big JOIN people ON who = people.id"
        connection.execute(sa.text(fill))  # @fill
        connection.execute(double)  # @double
        connection.execute(sa.delete(orders).where(mine, people.c.name == "b"))  # @delete
        connection.execute(sa.text("RENAME TABLE best TO `the best`"))  # @rename
        connection.execute(sa.text("REPLACE INTO people VALUES (3, 'c')"))  # @replace
    with engine.connect() as connection:
        rows = connection.execute(sa.select(orders).where(orders.c.amount > 5)).all()  # @rows
    pd.DataFrame(rows).to_csv("rows.csv")  # @csv
    pd.read_sql("SELECT * FROM `the best` LIMIT %(n)s", engine, params={"n": 2}).to_csv("best.csv")
"""
DRAWN = """
    pandas.read_csv@orders: orders.csv -> return
    pandas.to_sql@orders: pandas.read_csv@orders -> #orders
    pandas.read_csv@people: people.csv -> return
    pandas.to_sql@people: pandas.read_csv@people -> #people
    sqlalchemy.execute@big: #orders -> #big
    sqlalchemy.execute@best: -> #best
    sqlalchemy.execute@fill: #big, #people, #best -> #best
    sqlalchemy.execute@double: #orders, #people -> #orders
    sqlalchemy.execute@delete: #orders, #people -> #orders
    sqlalchemy.execute@rename: #best -> #the best
    sqlalchemy.execute@replace: #people -> #people
    sqlalchemy.execute@rows: #orders -> return
    pandas.to_csv@csv: sqlalchemy.execute@rows -> rows.csv
    pandas.read_sql: #the best -> return
    pandas.to_csv: pandas.read_sql -> best.csv
"""


def test_statements_of_mysql_are_followed(tmp_path: Path, maria: mariadb.MariaDB) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    recording = strangers.record(directory, PREPARE, PIPELINE, URL=maria.database())
    assert recording.graph() == strangers.drawn(DRAWN)
    assert recording.roots("rows.csv") == {"orders.csv", "people.csv"}
    assert recording.roots("best.csv") == {"orders.csv", "people.csv"}

"""Columns go through the views of databases, to what those read."""

from __future__ import annotations

from pathlib import Path

import pytest
import strangers

DUCKDB_MODELS = """
    import duckdb
    con = duckdb.connect("shop.duckdb")
    con.execute("CREATE TABLE raw_orders AS SELECT * FROM 'orders.csv'")
    con.execute("CREATE VIEW stg_orders AS SELECT id AS order_id, user_id, amount / 100 AS amount "
                "FROM raw_orders WHERE status <> 'test'")
    con.execute("CREATE VIEW stg_users AS SELECT * FROM read_csv('users.csv')")
    con.execute("CREATE TABLE again AS WITH s AS (SELECT * FROM stg_orders) SELECT * FROM s")
"""
DUCKDB_MARTS = """
    import duckdb
    con = duckdb.connect("shop.duckdb")
    con.execute("CREATE TEMP VIEW large AS SELECT * FROM stg_orders WHERE amount > 1")
    con.execute(\"\"\"
        CREATE TABLE totals AS
        WITH users AS (SELECT id, upper(name) AS name FROM stg_users),
             orders AS (SELECT * FROM large)
        SELECT users.name, sum(orders.amount) AS total, max(order_id) AS last
        FROM orders JOIN users ON users.id = orders.user_id GROUP BY ALL
    \"\"\")
    con.sql("FROM totals").df().to_csv("totals.csv", index=False)
    con.sql("SELECT order_id, amount FROM large").write_csv("large.csv")
    con.execute("COPY (SELECT amount FROM again) TO 'again.parquet'")
    import pandas as pd
    pd.DataFrame(con.execute("SELECT name FROM stg_users").df()).to_csv("names.csv")
"""
SQLITE_MODELS = """
    import sqlite3
    import pandas as pd
    con = sqlite3.connect("shop.db")
    pd.read_csv("orders.csv").to_sql("raw_orders", con, index=False)
    con.execute("CREATE VIEW stg_orders AS "
                "SELECT id AS order_id, amount / 100 AS amount FROM raw_orders")
    con.execute("CREATE TABLE here AS SELECT amount FROM stg_orders")
    con.commit()
"""
SQLITE_MARTS = """
    import sqlite3
    import pandas as pd
    con = sqlite3.connect("shop.db")
    pd.read_sql("SELECT order_id, amount FROM stg_orders", con).to_csv("orders_.csv", index=False)
    pd.read_sql("SELECT amount FROM here", con).to_csv("here.csv", index=False)
    con.execute("CREATE TABLE sums AS SELECT sum(amount) AS total FROM stg_orders")
    con.commit()
    pd.read_sql("SELECT total FROM sums", con).to_csv("sums.csv", index=False)
"""


def _directory(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "orders.csv").write_text("id,user_id,amount,status\n1,1,200,ok\n2,2,300,test\n")
    (directory / "users.csv").write_text("id,name\n1,ann\n2,bob\n")
    return directory


@pytest.fixture(scope="module")
def duck(tmp_path_factory: pytest.TempPathFactory) -> strangers.Recording:
    directory = _directory(tmp_path_factory.mktemp("duck"))
    return strangers.record(directory, DUCKDB_MODELS, DUCKDB_MARTS)


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> strangers.Recording:
    directory = _directory(tmp_path_factory.mktemp("lite"))
    return strangers.record(directory, SQLITE_MODELS, SQLITE_MARTS)


@pytest.mark.parametrize(
    ("column", "raw"),
    {
        "totals.csv#name": {"users.csv#name"},
        "totals.csv#total": {"orders.csv#amount"},
        "totals.csv#last": {"orders.csv#id"},
        "large.csv#amount": {"orders.csv#amount"},
        "large.csv#order_id": {"orders.csv#id"},
        "again.parquet#amount": {"orders.csv#amount"},
        "names.csv#name": {"users.csv#name"},
    }.items(),
)
def test_columns_go_through_views_of_duckdb(
    duck: strangers.Recording, column: str, raw: set[str]
) -> None:
    assert duck.columns(column) == raw


@pytest.mark.parametrize(
    ("column", "raw"),
    {
        "orders_.csv#order_id": {"orders.csv#id"},
        "orders_.csv#amount": {"orders.csv#amount"},
        "here.csv#amount": {"orders.csv#amount"},
        "sums.csv#total": {"orders.csv#amount"},
    }.items(),
)
def test_columns_go_through_views_of_sqlite(
    lite: strangers.Recording, column: str, raw: set[str]
) -> None:
    assert lite.columns(column) == raw


def test_a_span_says_which_views_it_has_read_and_no_value_of_theirs(
    duck: strangers.Recording,
) -> None:
    said = [
        "".join(one.attributes["otelprov.query.views"])
        for one in duck.spans
        if "otelprov.query.views" in one.attributes
    ]
    assert len(said) == 4
    assert all("?" in one for one in said)
    assert not any("test" in one or "users.csv" in one for one in said)


RELATIONS = """
    import duckdb
    import pandas as pd
    con = duckdb.connect()
    con.read_csv("users.csv").project("id, upper(name) AS name").create_view("named")
    con.sql("SELECT name FROM named").write_csv("names.csv")
    orders = pd.read_csv("orders.csv")
    con.execute("CREATE TABLE kept AS SELECT * FROM orders")
    con.table("kept").project("amount").create_view("amounts")
    con.execute("COPY (SELECT amount FROM amounts) TO 'amounts.csv'")
"""


def test_columns_go_through_views_of_relations(tmp_path: Path) -> None:
    recording = strangers.record(_directory(tmp_path), RELATIONS)
    assert recording.columns("names.csv#name") == {"users.csv#name"}
    assert recording.columns("amounts.csv#amount") == {"orders.csv#amount"}


RENAMED = """
    import duckdb
    con = duckdb.connect("shop.duckdb")
    con.execute("CREATE TABLE orders__tmp (id INT, user_id INT, amount INT, status VARCHAR)")
    con.execute("COPY orders__tmp FROM 'orders.csv' (HEADER true)")
    con.execute("/* made by a tool */\\nALTER TABLE orders__tmp RENAME TO orders")
    con.execute("-- written by hand\\nDELETE FROM orders WHERE status = 'test'")
    con.sql("SELECT amount FROM orders").write_csv("amounts.csv")
"""


def test_tables_that_are_copied_into_and_renamed_behind_a_comment(tmp_path: Path) -> None:
    recording = strangers.record(_directory(tmp_path), RENAMED)
    assert recording.columns("amounts.csv#amount") == {"orders.csv#amount"}
    assert recording.roots("amounts.csv") == {"orders.csv"}

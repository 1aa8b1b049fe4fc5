"""Whole pipelines over a database, as strangers write them, and the graph that they leave."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest
import support
from graphs import expected, graph
from zoo.environments import Unavailable, python_of

LOCK = support.ROOT / "requirements" / "databases-oldest.lock"

EXTRACT = """
    import sys
    import pandas as pd
    from sqlalchemy import create_engine, text

    engine = create_engine(sys.argv[1])
    orders = pd.read_csv("orders.csv", parse_dates=["day"])
    orders.to_sql("orders", engine, index=False, if_exists="replace")
    customers = pd.read_csv("customers.csv")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE customers (customer INTEGER, country VARCHAR(2))"))
        connection.execute(
            text("INSERT INTO customers (customer, country) VALUES (:customer, :country)"),
            customers.to_dict("records"),
        )
"""
TRANSFORM = """
    import sys
    import pandas as pd
    from sqlalchemy import create_engine, text

    engine = create_engine(sys.argv[1])
    with engine.connect() as connection:
        merged = pd.read_sql_query(
            text(
                "SELECT o.day, c.country, o.amount FROM orders o "
                "JOIN customers c ON c.customer = o.customer WHERE o.amount > :least"
            ),
            connection,
            params={"least": 1},
        )
    daily = merged.groupby(["day", "country"], as_index=False)["amount"].sum()
    with engine.begin() as connection:
        daily.to_sql("daily", connection, index=False, if_exists="replace")
        connection.execute(
            text(
                "CREATE TABLE best AS "
                "SELECT country, max(amount) AS amount FROM daily GROUP BY country"
            )
        )
"""
REPORT = """
    import sys
    import pandas as pd
    from sqlalchemy import create_engine, text

    engine = create_engine(sys.argv[1])
    best = pd.read_sql_table("best", engine)
    with engine.connect() as connection:
        query = text("SELECT country, count(*) AS days FROM daily GROUP BY country")
        rows = connection.execute(query).fetchall()
    days = pd.DataFrame(rows, columns=["country", "days"])
    report = best.merge(days, on="country")
    report.to_parquet("report.parquet")
"""
GRAPH = """
    pandas.read_csv: orders.csv -> return
    pandas.to_sql: pandas.read_csv -> orders
    pandas.read_csv: customers.csv -> return
    sqlalchemy.execute: -> customers
    pandas.to_dict: pandas.read_csv -> return
    sqlalchemy.execute: customers, pandas.to_dict -> customers
    pandas.read_sql_query: orders, customers -> return
    pandas.groupby.sum: pandas.read_sql_query -> return
    pandas.to_sql: pandas.groupby.sum -> daily
    sqlalchemy.execute: daily -> best
    pandas.read_sql_table: best -> return
    sqlalchemy.execute: daily -> return
    pandas.merge: pandas.read_sql_table, sqlalchemy.execute -> return
    pandas.to_parquet: pandas.merge -> report.parquet, content
"""
DB_API = """
    import sys
    import pandas as pd

    def connect(url):
        if url.startswith("sqlite:///"):
            import sqlite3

            return sqlite3.connect(url.removeprefix("sqlite:///")), "?"
        import psycopg

        return psycopg.connect(url.replace("+psycopg", "")), "%s"

    connection, mark = connect(sys.argv[1])
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE orders (day TEXT, customer INTEGER, amount REAL)")
    orders = pd.read_csv("orders.csv")
    for order in orders.itertuples(index=False):
        cursor.execute(f"INSERT INTO orders VALUES ({mark}, {mark}, {mark})", tuple(order))
    connection.commit()
    cursor.execute("CREATE TABLE big AS SELECT * FROM orders WHERE amount >= 3")
    connection.commit()
    cursor.execute("DELETE FROM orders")
    connection.rollback()
    cursor.execute("SELECT customer, amount FROM big")
    frame = pd.DataFrame(cursor.fetchall(), columns=["customer", "amount"])
    cursor.execute(f"SELECT day FROM orders WHERE customer = {mark}", (2,))
    days = pd.DataFrame(cursor.fetchmany(10), columns=["day"])
    frame.to_parquet("big.parquet")
    days.to_csv("days.csv")
    connection.close()
"""
DB_API_GRAPH = """
    {0}.execute: -> orders
    pandas.read_csv: orders.csv -> return
    {0}.execute: orders, ? -> orders
    {0}.execute: orders -> big
    {0}.execute: ->
    {0}.execute: big -> return
    {0}.execute: orders -> return
    pandas.to_parquet: {0}.execute -> big.parquet, content
    pandas.to_csv: {0}.execute -> days.csv
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "orders.csv").write_text(
        "day,customer,amount\n2026-01-01,1,2.5\n2026-01-01,2,1.0\n2026-01-02,2,4.0\n"
        "2026-01-03,1,3.0\n"
    )
    (tmp_path / "customers.csv").write_text("customer,country\n1,DE\n2,FR\n")
    return tmp_path


def run(here: Path, url: str, *programs: str, packages: str = "") -> list[support.Recorded]:
    for number, program in enumerate(programs):
        name = f"program{number}.py"
        (here / name).write_text(textwrap.dedent(program))
        env = {"PYTHONPATH": packages} if packages else None
        support.instrumented(name, url, journal_directory=here / "j", cwd=here, env=env)
    return support.journal(here / "j")


@pytest.fixture(params=["newest", "oldest"])
def packages(request: pytest.FixtureRequest) -> str:
    """``PYTHONPATH`` for a version of the libraries; empty for the newest, which are installed."""
    if request.param == "newest":
        return ""
    try:
        python = python_of(LOCK)
    except Unavailable as error:
        pytest.skip(f"no environment with the oldest versions: {error}")
    command = [python, "-c", "import sqlalchemy; print(sqlalchemy.__path__[0])"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return str(Path(found.strip()).parent)


def edges(found: list[tuple[str, frozenset[str], frozenset[str]]]) -> set[tuple[int, str, str]]:
    """Each edge of a graph: the number of the operation, whether used or generated, and what."""
    return {
        (number, kind, name)
        for number, (_, used, made) in enumerate(found)
        for kind, names in (("used", used), ("made", made))
        for name in names
    }


def test_a_pipeline_over_three_processes_has_every_edge_and_no_other(
    here: Path, url: str, packages: str
) -> None:
    spans = run(here, url, EXTRACT, TRANSFORM, REPORT, packages=packages)
    found, wanted = graph(spans), expected(GRAPH)
    assert [name for name, *_ in found] == [name for name, *_ in wanted]
    right = edges(found) & edges(wanted)
    precision, recall = len(right) / len(edges(found)), len(right) / len(edges(wanted))
    assert (precision, recall) == (1.0, 1.0), found
    shown = subprocess.run(
        [sys.executable, "-m", "otelprov.cli", "lineage", "report.parquet"],
        env=support.environment(here / "j"), cwd=here, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in ("orders.csv", "customers.csv", "best", "daily", "customers"):
        assert name in shown, shown
    assert "unknown origin" not in shown
    secret = url.partition("otelprov:")[2].partition("@")[0]
    for path in (here / "j").glob("*.jsonl"):
        assert not secret or secret not in path.read_text()


def test_a_pipeline_on_a_driver_alone_has_every_edge_and_no_other(
    here: Path, url: str, packages: str
) -> None:
    library = "sqlite3" if url.startswith("sqlite") else "psycopg"
    spans = run(here, url, DB_API, packages=packages)
    found, wanted = graph(spans), expected(DB_API_GRAPH.format(library))
    assert found == wanted
    inserted, deleted = [
        span for span in spans if span.attributes.get("db.operation.name") in ("INSERT", "DELETE")
    ]
    assert inserted.attributes["db.operation.batch.size"] == 4
    assert deleted.attributes["otelprov.transaction.outcome"] == "rolled back"


def test_sqlalchemy_a_driver_and_pandas_give_a_table_one_id(here: Path, url: str) -> None:
    plain = """
        import sys
        url = sys.argv[1]
        if url.startswith("sqlite:///"):
            import sqlite3 as driver
            connection = driver.connect(url.removeprefix("sqlite:///"))
        else:
            import psycopg as driver
            connection = driver.connect(url.replace("+psycopg", ""))
        print(connection.execute("SELECT count(*) FROM Orders").fetchone())
        import polars as pl
        pl.read_database("SELECT * FROM orders", connection).write_csv("again.csv")
    """
    spans = run(here, url, EXTRACT, plain)
    ids = {
        event[key]
        for span in spans
        for key, events in (
            ("otelprov.used.id", span.used),
            ("otelprov.generated.id", span.generated),
        )
        for event in events
        if event.get("otelprov.artifact.name", "").lower() == "orders"
    }
    assert len(ids) == 1
    assert [span.name for span in spans if span.name.startswith("polars")] == [
        "polars.read_database",
        "polars.write_csv",
    ]


def test_results_are_those_of_a_plain_run(here: Path, url: str) -> None:
    run(here, url, EXTRACT, TRANSFORM, REPORT)
    recorded = pd.read_parquet(here / "report.parquet")
    wanted = pd.DataFrame({"country": ["DE", "FR"], "amount": [3.0, 4.0], "days": [2, 1]})
    pd.testing.assert_frame_equal(
        recorded.sort_values("country", ignore_index=True), wanted, check_dtype=False
    )


COLUMNS = """
    import sys
    import pandas as pd
    from sqlalchemy import create_engine, text

    engine = create_engine(sys.argv[1])
    pd.read_csv("orders.csv").to_sql("orders", engine, index=False)
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE best AS SELECT customer, max(amount) AS top FROM orders "
                "WHERE amount > :least GROUP BY customer"
            ),
            {"least": 0},
        )
    doubled = pd.read_sql_query("SELECT customer AS who, top * 2 AS twice FROM best", engine)
    doubled.to_parquet("doubled.parquet")
"""


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        ("twice", ["twice", "top", "amount", "amount"]),
        ("who", ["who", "customer", "customer", "customer"]),
    ],
)
def test_a_column_is_followed_through_the_tables_of_a_database(
    here: Path, url: str, column: str, wanted: list[str]
) -> None:
    run(here, url, COLUMNS)
    shown = subprocess.run(
        [sys.executable, "-m", "otelprov.cli", "lineage", f"doubled.parquet#{column}"],
        env=support.environment(here / "j"), cwd=here, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    steps = [line.split()[1] for line in shown.splitlines() if line.startswith("■")]
    assert steps == wanted, shown
    assert "opaque" not in shown

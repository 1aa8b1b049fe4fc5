"""Several statements in one text, and tables that are emptied, in a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import strangers

PROGRAM = """
    import os
    import pandas as pd, psycopg, psycopg2
    from sqlalchemy import create_engine, text

    url = os.environ["DSN"]
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    for name in ("users", "orders"):
        pd.read_csv(f"{name}.csv").to_sql(name, engine, index=False)
    script = '''
        CREATE TEMP TABLE big AS SELECT * FROM orders WHERE amount > 1;
        CREATE TABLE totals AS SELECT user_id, sum(amount) AS total FROM big GROUP BY user_id;
        CREATE TABLE names AS SELECT id, name FROM users;
        INSERT INTO names SELECT user_id, 'x' FROM orders
    '''
    with psycopg.connect(url) as con:
        con.execute(script)  # @build
    with psycopg2.connect(url) as con, con.cursor() as cur:
        cur.execute("CREATE TABLE copy AS SELECT * FROM totals; SELECT name FROM users")  # @last
        pd.DataFrame(cur.fetchall(), columns=["name"]).to_csv("copy.csv", index=False)
    with engine.begin() as con:
        con.execute(text("TRUNCATE TABLE users, orders"))  # @emptied
    with psycopg.connect(url) as con:
        for name in ("users", "orders"):
            with open("more.csv") as file, con.cursor().copy(
                f"COPY {name} FROM STDIN (FORMAT csv, HEADER)"
            ) as copy:
                copy.write(file.read())
    for name in ("totals", "names", "users", "orders"):
        pd.read_sql(f"SELECT * FROM {name}", engine).to_csv(f"{name}_out.csv", index=False)
"""


def test_each_statement_of_a_text_has_its_own_inputs(tmp_path: Path, dsn: str) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    pd.DataFrame({"id": [1, 2], "name": ["a", "b"]}).to_csv(directory / "users.csv", index=False)
    orders = pd.DataFrame({"user_id": [1, 2, 2], "amount": [1.0, 2.0, 3.0]})
    orders.to_csv(directory / "orders.csv", index=False)
    pd.DataFrame({"a": [3, 4], "b": ["5", "6"]}).to_csv(directory / "more.csv", index=False)
    recording = strangers.record(directory, PROGRAM, DSN=dsn)
    graph = recording.graph()
    assert {one for one in graph if one.startswith(("psycopg.execute", "psycopg2", "sql"))} == {
        "psycopg.execute@build: #public.orders -> #big",
        "psycopg.execute@build: #big -> #public.totals",
        "psycopg.execute@build: #public.users -> #public.names",
        "psycopg.execute@build: #public.names, #public.orders -> #public.names",
        "psycopg2.execute@last: #public.totals -> #public.copy",
        "psycopg2.execute@last: #public.users -> return",
        "sqlalchemy.execute@emptied:  -> #public.orders, #public.users",
    }
    assert recording.roots("totals_out.csv") == {"orders.csv"}
    assert recording.roots("names_out.csv") == {"orders.csv", "users.csv"}
    assert recording.roots("copy.csv") == {"users.csv"}
    assert recording.roots("users_out.csv") == recording.roots("orders_out.csv") == {"?"}
    assert recording.columns("totals_out.csv#total") == {"orders.csv#amount"}


PIPELINE = """
    import os
    import pandas as pd, psycopg
    rows = pd.read_csv("users.csv")
    with psycopg.connect(os.environ["DSN"]) as con:
        con.execute("CREATE TABLE t (id int, name text)")  # @t
        with con.pipeline(), con.cursor() as cur:
            cur.executemany("INSERT INTO t VALUES (%s, %s)", rows.itertuples(index=False))  # @rows
        frame = pd.DataFrame(con.execute("SELECT * FROM t").fetchall(), columns=["id", "name"])
    frame.assign(one=1).to_csv("t.csv", index=False)
"""


def test_what_a_pipeline_writes_is_known_by_the_names_before_it(tmp_path: Path, dsn: str) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    pd.DataFrame({"id": [1, 2], "name": ["a", "b"]}).to_csv(directory / "users.csv", index=False)
    recording = strangers.record(directory, PIPELINE, DSN=dsn)
    assert recording.graph()["psycopg.executemany@rows: #public.t, pandas.read_csv -> #public.t"]
    assert recording.roots("t.csv") == {"users.csv"}

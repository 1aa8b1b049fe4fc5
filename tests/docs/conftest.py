"""Recorded pipelines that the documentation is held against."""

from __future__ import annotations

import subprocess
import textwrap

import pytest
import support
from flights import Pipeline

# A program that does one of everything that has an attribute of its own, and then fails.
ONE_OF_EVERYTHING = """
    import os, subprocess, sys
    import otelprov
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    pd.DataFrame({"key": range(100), "price": 1.5}).to_parquet("in.parquet")
    pd.DataFrame({"key": [1, 2], "rate": [0.1, 0.2]}).to_csv("rates.csv", index=False)
    orders = pd.read_parquet("in.parquet")
    rates = pd.read_csv("rates.csv")

    taxed = orders.assign(tax=lambda d: d["price"] * rates.merge(rates, on="key")["rate_x"].sum())
    piped = taxed.pipe(lambda d: d.rename(columns={"tax": "taxes"}))
    piped["total"] = piped["price"] + piped["taxes"]
    piped.to_csv("out.csv")

    pd.DataFrame({f"a_long_name_{n}": [n] for n in range(200)}).assign(one_more=1)
    parts = [orders.assign(part=number) for number in range(70)]
    pd.concat(parts)

    @otelprov.operation
    def split(table, *sizes, **options):
        return [table.head(number + 1) for number in range(70)]

    split(orders, 1, 2, a=3)

    @otelprov.operation("batches", parameters={"size": 50, "password": "hunter2"})
    def batches(table):
        yield table.head(50)
        yield table.tail(50)

    list(batches(orders))

    from sklearn.linear_model import LinearRegression

    fitted = LinearRegression().fit(orders[["price"]], orders["price"])
    fitted.score(orders[["price"]], orders["price"])

    options = {f"option_{number}": number for number in range(100)}
    with otelprov.operation("publish", parameters=options) as op:
        op.used(piped)
        op.generated("https://user:secret@example.com/out?token=abc")

    with otelprov.operation("unimportant"):
        pass

    with pq.ParquetWriter("parts.parquet", pa.schema([("n", pa.int64())])) as writer:
        writer.write_table(pa.table({"n": [1, 2, 3]}))

    import polars as pl

    lazy = pl.scan_csv("rates.csv").select("rate")
    lazy.collect()

    import duckdb

    duckdb.connect("rates.db").execute("CREATE TABLE rates AS FROM 'rates.csv'")
    named = ", ".join(f"rate AS a_long_name_{number}" for number in range(100))
    duckdb.sql(f"SELECT {named} FROM rates").df()

    from otelprov.recording import faults

    try:
        with faults.contained("something is not recorded"):
            raise ValueError("an error of otelprov's own")
    except ValueError:
        pass

    import sqlite3

    with sqlite3.connect("prices.db") as prices:
        prices.execute("CREATE TABLE prices (price REAL)")
        prices.executemany("INSERT INTO prices VALUES (?)", [(1.0,), (2.0,)])
        prices.commit()
        prices.execute("CREATE VIEW high AS SELECT price FROM prices WHERE price > 1")
        prices.execute("SELECT price FROM high").fetchall()
        prices.execute("DELETE FROM prices")
        prices.rollback()

    import deltalake
    import pandera.pandas

    deltalake.write_deltalake("table", rates)
    schema = pandera.pandas.DataFrameSchema(
        {"rate": pandera.pandas.Column(float, pandera.pandas.Check.lt(0))}
    )
    try:
        schema.validate(rates)
    except pandera.errors.SchemaError:
        pass

    import http.server, threading, urllib.request

    handler = http.server.SimpleHTTPRequestHandler
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    urllib.request.urlopen(f"http://127.0.0.1:{server.server_address[1]}/rates.csv").read()
    server.shutdown()

    pd.DataFrame({"n": range(200_000)}).to_csv("larger.csv")
    pq.write_to_dataset(pa.table({"k": range(20), "n": range(20)}), "set", partition_cols=["k"])
    pd.read_parquet("set")

    child = os.fork()
    if child == 0:
        orders.tail(3)
        os._exit(0)
    os.waitpid(child, 0)
    for number in range(60):
        try:
            orders.drop(columns="key" if number != 55 else "no such column")
        except KeyError:
            pass

    again = "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'pass'])"
    subprocess.run([sys.executable, "-c", again], check=True)

    orders.merge(rates, on="missing")
"""


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """One of everything, in a changed work tree with a remote, on a CI system, then an error."""
    base = tmp_path_factory.mktemp("everything")
    script = base / "work.py"
    script.write_text("# first version\n")
    git = ["git", "-C", str(base), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["remote", "add", "origin", "https://user:secret@example.com/team/work.git"],
        ["add", "work.py"],
        ["commit", "--quiet", "--message=First"],
    ):
        subprocess.run([*git, *command], check=True)
    script.write_text(textwrap.dedent(ONE_OF_EVERYTHING))
    (base / "pyproject.toml").write_text(
        '[[tool.otelprov.rules]]\noperation = "publish"\nsensitive = true\n'
        '[[tool.otelprov.rules]]\noperation = "unimportant"\nexclude = true\n'
    )
    journal = base / "journal"
    result = support.instrumented(
        script,
        journal_directory=journal,
        cwd=base,
        check=False,
        env={
            "OTELPROV_TIER": "full",
            "OTELPROV_DIGEST_LIMIT": "1MB",
            "OTELPROV_REPEATS": "50",
            "OTELPROV_TRACE_LIMIT": "300KB",
            "TRACEPARENT": f"00-{'ab' * 16}-{'cd' * 8}-01",
            "GITHUB_ACTIONS": "true",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_REPOSITORY": "team/work",
            "GITHUB_RUN_ID": "42",
            "GITHUB_WORKFLOW": "nightly",
        },
    )
    assert result.returncode == 1
    assert result.stderr.strip().endswith("KeyError: 'missing'"), result.stderr
    return Pipeline(base, journal)

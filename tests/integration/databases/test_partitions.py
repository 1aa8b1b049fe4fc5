"""Tables of PostgreSQL that are read through others: partitions, and tables that inherit."""

from __future__ import annotations

from pathlib import Path

import strangers

LOAD = """
    import os
    import pandas as pd, psycopg2
    from sqlalchemy import create_engine
    engine = create_engine(os.environ["DSN"].replace("postgresql:", "postgresql+psycopg2:"))
    for name in ("jan", "feb", "mar"):
        pd.read_csv(f"{name}.csv").to_sql(f"raw_{name}", engine, index=False)  # @raw
    connection = psycopg2.connect(os.environ["DSN"])
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE events (id int, at text, v int) PARTITION BY LIST (at)")  # @ev
        cursor.execute("CREATE TABLE jan PARTITION OF events FOR VALUES IN ('jan')")  # @jan
        cursor.execute("INSERT INTO jan (id, at, v) SELECT id, 'jan', v FROM raw_jan")  # @in_jan
        cursor.execute("CREATE TABLE feb (LIKE events INCLUDING ALL)")  # @feb
        cursor.execute("INSERT INTO feb (id, at, v) SELECT id, 'feb', w FROM raw_feb")  # @in_feb
    with connection, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE events ATTACH PARTITION feb FOR VALUES IN ('feb')")
        cursor.execute("CREATE TABLE mar PARTITION OF events FOR VALUES IN ('mar')")  # @mar
        cursor.execute("INSERT INTO events (id, at, v) SELECT id, 'mar', x FROM raw_mar")  # @in_mar
        cursor.execute("CREATE VIEW seen AS SELECT id AS key, v FROM events")
        cursor.execute("CREATE TABLE cities (name text)")  # @cities
        cursor.execute("CREATE TABLE capitals (state text) INHERITS (cities)")  # @capitals
        cursor.execute("INSERT INTO capitals (name) SELECT v FROM raw_jan")  # @in_capitals
"""
READ = """
    import os
    import pandas as pd, psycopg
    from sqlalchemy import create_engine
    engine = create_engine(os.environ["DSN"].replace("postgresql:", "postgresql+psycopg:"))
    pd.read_sql("SELECT v AS value FROM events", engine).to_csv("all.csv", index=False)  # @all
    pd.read_sql("SELECT key FROM seen", engine).to_csv("seen.csv", index=False)  # @seen
    with psycopg.connect(os.environ["DSN"]) as connection:
        rows = connection.execute("SELECT v FROM public.mar").fetchall()  # @one
        pd.DataFrame(rows).to_csv("mar_out.csv", index=False)  # @one
        rows = connection.execute("SELECT name FROM cities").fetchall()  # @cities
        pd.DataFrame(rows).to_csv("cities.csv", index=False)  # @cities
        connection.execute("ALTER TABLE events DETACH PARTITION mar")  # @detach
        rows = connection.execute("SELECT v + 1 FROM mar").fetchall()  # @alone
        pd.DataFrame(rows).to_csv("alone.csv", index=False)  # @alone
"""
DRAWN = """
    pandas.read_csv@raw: jan.csv -> return
    pandas.to_sql@raw: pandas.read_csv@raw -> #public.raw_jan
    pandas.read_csv@raw: feb.csv -> return
    pandas.to_sql@raw: pandas.read_csv@raw -> #public.raw_feb
    pandas.read_csv@raw: mar.csv -> return
    pandas.to_sql@raw: pandas.read_csv@raw -> #public.raw_mar
    psycopg2.execute@ev: -> #public.events
    psycopg2.execute@jan: -> #public.jan
    psycopg2.execute@in_jan: #public.raw_jan, #public.jan -> #public.jan
    psycopg2.execute@feb: -> #public.feb
    psycopg2.execute@in_feb: #public.raw_feb, #public.feb -> #public.feb
    psycopg2.execute@mar: -> #public.mar
    psycopg2.execute@in_mar: #public.raw_mar, #public.events -> #public.events
    psycopg2.execute@cities: -> #public.cities
    psycopg2.execute@capitals: -> #public.capitals
    psycopg2.execute@in_capitals: #public.raw_jan, #public.capitals -> #public.capitals
    pandas.read_sql@all: #public.events, #public.jan, #public.feb, #public.mar -> return
    pandas.to_csv@all: pandas.read_sql@all -> all.csv
    pandas.read_sql@seen: #public.events, #public.jan, #public.feb, #public.mar -> return
    pandas.to_csv@seen: pandas.read_sql@seen -> seen.csv
    psycopg.execute@one: #public.mar, #public.events -> return
    pandas.to_csv@one: psycopg.execute@one -> mar_out.csv
    psycopg.execute@cities: #public.cities, #public.capitals -> return
    pandas.to_csv@cities: psycopg.execute@cities -> cities.csv
    psycopg.execute@detach: #public.events, #public.mar -> #public.mar
    psycopg.execute@alone: #public.mar -> return
    pandas.to_csv@alone: psycopg.execute@alone -> alone.csv
"""


def test_what_is_read_through_another_table_is_an_input(tmp_path: Path, dsn: str) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    for name, column in (("jan", "v"), ("feb", "w"), ("mar", "x")):
        (directory / f"{name}.csv").write_text(f"id,{column}\n1,2\n")
    recording = strangers.record(directory, LOAD, READ, DSN=dsn)
    assert recording.graph() == strangers.drawn(DRAWN)
    raw = {"jan.csv", "feb.csv", "mar.csv"}
    assert recording.roots("all.csv") == recording.roots("seen.csv") == raw
    assert recording.roots("mar_out.csv") == recording.roots("alone.csv") == {"mar.csv"}
    assert recording.roots("cities.csv") == {"jan.csv"}
    assert recording.columns("all.csv#value") == {"jan.csv#v", "feb.csv#w", "mar.csv#x"}

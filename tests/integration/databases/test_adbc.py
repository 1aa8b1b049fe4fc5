"""ADBC: what its cursors read and write are the tables that other drivers know."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pytest
import strangers
from graphs import expected, graph, outcomes
from support import Spans

from otelprov.instrumentation._databases import place_of_driver, place_of_libpq
from otelprov.instrumentation.instrumentors import libraries

sqlite = pytest.importorskip("adbc_driver_sqlite.dbapi")
postgresql = pytest.importorskip("adbc_driver_postgresql.dbapi")
manager = pytest.importorskip("adbc_driver_manager.dbapi")

PIPELINE = """
    import os
    import pandas as pd, polars as pl
    from adbc_driver_NAME import dbapi
    from sqlalchemy import create_engine
    engine = create_engine(os.environ["ALCHEMY"])
    pd.read_csv("raw.csv").to_sql("raw", engine, index=False)  # @raw
    engine.dispose()
    with dbapi.connect(os.environ["PLACE"]) as con:
        with con.cursor() as cur:
            cur.execute("CREATE TABLE big AS SELECT id, amt*2 dbl FROM raw WHERE id > 1")  # @big
            con.commit()
            cur.execute("SELECT id, dbl FROM big")  # @table
            table = cur.fetch_arrow_table()  # @table
            cur.adbc_ingest("kept", table)  # @create
            cur.adbc_ingest("kept", pl.read_csv("more.csv"), mode="append")  # @append
            con.commit()
            cur.execute("SELECT id FROM big")  # @df
            cur.fetch_df().to_csv("df.csv", index=False)  # @df
            cur.execute("SELECT dbl FROM big")  # @pl
            cur.fetch_polars().write_csv("pl.csv")  # @pl
            cur.execute("SELECT id, dbl FROM big")  # @rows
            rows = cur.fetchall()
            pd.DataFrame(rows, columns=["id", "dbl"]).to_csv("rows.csv", index=False)  # @rows
            cur.execute("SELECT dbl AS d FROM big")  # @reader
            table = cur.fetch_record_batch().read_all()  # @reader
            table.to_pandas().to_csv("reader.csv", index=False)  # @reader
        pd.read_sql("SELECT id, dbl FROM kept", con).to_csv("sql.csv", index=False)  # @sql
        pd.read_csv("more.csv").to_sql("more", con, index=False)  # @more
        pl.read_database("SELECT dbl FROM more", connection=con).write_csv("database.csv")  # @pldb
        pl.read_csv("raw.csv").write_database("own", connection=con, engine="adbc")  # @own
    uri = os.environ["URI"]
    pl.read_database_uri("SELECT amt FROM own", uri=uri, engine="adbc").write_csv("uri.csv")  # @uri
    engine = create_engine(os.environ["ALCHEMY"])
    pd.read_sql("SELECT dbl FROM kept", engine).to_csv("back.csv", index=False)  # @back
"""
DRAWN = """
    pandas.read_csv@raw: raw.csv -> return
    pandas.to_sql@raw: pandas.read_csv@raw -> #raw
    ADBC.execute@big: #raw -> #big
    ADBC.execute@table: #big -> return
    ADBC.fetch_arrow_table@table: ADBC.execute@table -> return
    ADBC.adbc_ingest@create: ADBC.fetch_arrow_table@table -> #kept
    polars.read_csv@append: more.csv -> return
    ADBC.adbc_ingest@append: polars.read_csv@append, #kept -> #kept
    ADBC.execute@df: #big -> return
    ADBC.fetch_df@df: ADBC.execute@df -> return
    pandas.to_csv@df: ADBC.fetch_df@df -> df.csv
    ADBC.execute@pl: #big -> return
    ADBC.fetch_polars@pl: ADBC.execute@pl -> return
    polars.write_csv@pl: ADBC.fetch_polars@pl -> pl.csv
    ADBC.execute@rows: #big -> return
    pandas.to_csv@rows: ADBC.execute@rows -> rows.csv
    ADBC.execute@reader: #big -> return
    pyarrow.RecordBatchReader.read_all@reader: ADBC.execute@reader -> return
    pyarrow.Table.to_pandas@reader: pyarrow.RecordBatchReader.read_all@reader -> return
    pandas.to_csv@reader: pyarrow.Table.to_pandas@reader -> reader.csv
    pandas.read_sql@sql: #kept -> return
    pandas.to_csv@sql: pandas.read_sql@sql -> sql.csv
    pandas.read_csv@more: more.csv -> return
    pandas.to_sql@more: pandas.read_csv@more -> #more
    polars.read_database@pldb: #more -> return
    polars.write_csv@pldb: polars.read_database@pldb -> database.csv
    polars.read_csv@own: raw.csv -> return
    polars.write_database@own: polars.read_csv@own -> #own
    polars.read_database_uri@uri: #own -> return
    polars.write_csv@uri: polars.read_database_uri@uri -> uri.csv
    pandas.read_sql@back: #kept -> return
    pandas.to_csv@back: pandas.read_sql@back -> back.csv
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "raw.csv").write_text("id,amt\n1,5\n2,6\n3,7\n")
    (directory / "more.csv").write_text("id,dbl\n4,8\n")
    return directory


def check(directory: Path, name: str, **places: str) -> None:
    program = PIPELINE.replace("NAME", name)
    recording = strangers.record(directory, program, **places)
    drawn = DRAWN.replace("ADBC", "adbc_driver_manager")
    if name == "postgresql":
        drawn = drawn.replace("#", "#public.")
    assert recording.graph() == strangers.drawn(drawn)
    for file in ("df.csv", "pl.csv", "rows.csv", "reader.csv", "uri.csv"):
        assert recording.roots(file) == {"raw.csv"}, file
    for file in ("sql.csv", "back.csv"):
        assert recording.roots(file) == {"raw.csv", "more.csv"}, file
    assert recording.roots("database.csv") == {"more.csv"}
    assert recording.columns("pl.csv#dbl") == {"raw.csv#amt"}
    assert recording.columns("reader.csv#d") == {"raw.csv#amt"}
    assert recording.columns("rows.csv#id") == {"raw.csv#id"}
    assert recording.columns("back.csv#dbl") == {"raw.csv#amt", "more.csv#dbl"}


def test_tables_of_sqlite_are_those_of_other_drivers(directory: Path) -> None:
    file = directory / "shop.db"
    place = f"sqlite:///{file}"
    check(directory, "sqlite", ALCHEMY=place, PLACE="shop.db", URI=place)


def test_tables_of_postgresql_are_those_of_other_drivers(directory: Path, dsn: str) -> None:
    alchemy = dsn.replace("postgresql:", "postgresql+psycopg:")
    check(directory, "postgresql", ALCHEMY=alchemy, PLACE=dsn, URI=dsn)


def test_a_table_is_written_when_its_transaction_is_committed(dsn: str, spans: Spans) -> None:
    with postgresql.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a INTEGER)")
        connection.commit()
        cursor.execute("INSERT INTO t VALUES (1)")
        connection.rollback()
        cursor.execute("INSERT INTO t VALUES (2)")
        with pytest.raises(postgresql.Error):
            cursor.execute("INSERT INTO t VALUES ('x')")
        connection.commit()  # which PostgreSQL takes for a rollback
        cursor.execute("SAVEPOINT one")
        cursor.execute("INSERT INTO t VALUES (3)")
        cursor.execute("ROLLBACK TO one")
        cursor.execute("INSERT INTO t VALUES (4)")
        connection.commit()
        cursor.execute("INSERT INTO t VALUES (5)")
    with postgresql.connect(dsn, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (6)")
    assert outcomes(spans, "INSERT") == [
        (False, "rolled back"),
        (False, "rolled back"),
        (False, ""),
        (False, "rolled back"),
        (True, ""),
        (False, "rolled back"),
        (True, ""),
    ]
    with psycopg.connect(dsn) as other:
        assert other.execute("SELECT a FROM t ORDER BY a").fetchall() == [(4,), (6,)]


def test_what_a_file_holds_is_asked_of_the_same_sqlite(tmp_path: Path, spans: Spans) -> None:
    import sqlite3

    file = tmp_path / "shop.db"
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE t (a INTEGER)")
        other.execute("CREATE VIEW v AS SELECT a AS b FROM t")
    other.close()
    spans.clear()
    with sqlite.connect(str(file)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT b FROM v")
        cursor.execute("CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS a")
        cursor.execute("CREATE TABLE IF NOT EXISTS u AS SELECT a FROM t; SELECT a FROM nothing")
        cursor.adbc_ingest("w", pa.table({"a": [1]}), mode="create_append")
        connection.commit()
    assert graph(spans.all()) == expected(
        """
        adbc_driver_manager.execute: t -> return
        adbc_driver_manager.execute: t -> u
        adbc_driver_manager.adbc_ingest: ? -> w
        """
    )


def test_memory_that_connections_share_is_one_database(spans: Spans) -> None:
    with sqlite.connect() as one, sqlite.connect() as two:
        with one.cursor() as cursor:
            cursor.adbc_ingest("t", pa.table({"a": [1]}))
        one.commit()
        with two.cursor() as cursor:
            cursor.execute("SELECT a FROM t")
            frame = cursor.fetch_df()
    assert frame["a"].tolist() == [1]
    ingest, read, fetch, *_ = spans.all()
    assert read.used[0]["otelprov.used.id"] == ingest.generated[0]["otelprov.generated.id"]
    assert [one["otelprov.used.id"] for one in fetch.used] == list(read.generated_ids)


def test_rows_that_are_given_are_an_input(spans: Spans) -> None:
    table = pa.table({"a": [1, 2]})
    with sqlite.connect(":memory:") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a INTEGER)")
        cursor.executemany("INSERT INTO t VALUES (?)", [(1,), (2,)])
        named = table.rename_columns(["b"])
        cursor.executemany("INSERT INTO t VALUES (?)", named)
        cursor.execute("INSERT INTO t VALUES (?)", named)
        connection.commit()
        cursor.execute("SELECT sum(a) FROM t")
        assert cursor.fetchone() == (9,)
    assert graph(spans.all()) == expected(
        """
        adbc_driver_manager.execute: -> t
        adbc_driver_manager.executemany: t, ? -> t
        pyarrow.Table.rename_columns: ? -> return
        adbc_driver_manager.executemany: t, pyarrow.Table.rename_columns -> t
        adbc_driver_manager.execute: t, pyarrow.Table.rename_columns -> t
        adbc_driver_manager.execute: t -> return
        """
    )


def test_what_another_connection_gives_is_of_unknown_origin(spans: Spans) -> None:
    import adbc_driver_manager
    import adbc_driver_sqlite

    database = adbc_driver_sqlite.connect()
    connection = manager.Connection(database, adbc_driver_manager.AdbcConnection(database))
    with connection, connection.cursor() as cursor:
        cursor.adbc_ingest("t", pa.table({"a": [1]}))
        cursor.execute("SELECT a FROM t")
        frame = cursor.fetch_df()
    frame.to_dict("list")
    assert graph(spans.all()) == expected(
        """
        adbc_driver_manager.fetch_df: ? -> return
        pandas.to_dict: adbc_driver_manager.fetch_df -> return
        """
    )


def test_its_functions_are_as_they_were() -> None:
    functions = (
        sqlite.connect, postgresql.connect, manager.connect, manager.Cursor.execute,
        manager.Cursor.executemany, manager.Cursor.adbc_ingest, manager.Cursor.fetch_df,
        manager.Cursor.fetchall, manager.Connection.commit,
    )  # fmt: skip
    for function in functions:
        assert pickle.loads(pickle.dumps(function)) is function
    with sqlite.connect() as connection, connection.cursor() as cursor:
        for call in (
            lambda: cursor.execute("SELEC"),
            lambda: cursor.adbc_ingest("t", 5),
            lambda: cursor.adbc_ingest("missing", pa.table({"a": [1]}), mode="append"),
            lambda: cursor.fetch_df(),
            lambda: cursor.execute(),
        ):
            with pytest.raises(Exception) as raised:
                call()
            files = [frame.filename for frame in traceback.extract_tb(raised.value.__traceback__)]
            assert not [file for file in files if "otelprov" in file and __file__ != file]


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("postgresql://me:secret@db.example:6543/shop?sslmode=require", "db.example:6543/shop"),
        ("postgres://me@db.example/shop", "db.example:5432/shop"),
        ("postgresql:///shop?host=db.example&port=1", "db.example:1/shop"),
        ("postgresql://me:se?cr#et@db.example/shop", "db.example:5432/shop"),
        ("postgresql://[::1]:6543/shop", "::1:6543/shop"),
        ("host=db.example dbname='shop' password=secret", "db.example:5432/shop"),
        ("postgresql://one,two/shop", None),
        ("service=shop", None),
        ("postgresql://db.example", None),
    ],
)
def test_a_server_is_known_as_libpq_knows_it(
    monkeypatch: pytest.MonkeyPatch, text: str, uri: str | None
) -> None:
    for name in ("PGHOST", "PGPORT", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)
    found = place_of_libpq(text)
    assert (found and found.uri) == (uri and f"postgresql://{uri}")


def test_a_server_is_the_same_as_that_of_psycopg(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        assert place_of_libpq(dsn) == place_of_driver(connection)


def test_nothing_is_recorded_when_it_is_taken_back(spans: Spans) -> None:
    instrumentor = libraries["adbc_driver_manager"]
    instrumentor.uninstrument()
    try:
        with sqlite.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 AS a")
            frame: Any = cursor.fetch_df()
        assert isinstance(frame, pd.DataFrame)
        assert spans.all() == []
    finally:
        instrumentor.instrument()

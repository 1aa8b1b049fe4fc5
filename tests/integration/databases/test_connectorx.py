"""ConnectorX: what it reads are the tables that other drivers know."""

from __future__ import annotations

import pickle
import sqlite3
import traceback
from pathlib import Path

import psycopg
import pytest
import strangers
from graphs import expected, graph
from support import Spans

cx = pytest.importorskip("connectorx")

READS = """
    import os
    import connectorx as cx, pandas as pd, polars as pl
    from sqlalchemy import create_engine
    engine = create_engine(os.environ["ALCHEMY"])
    pd.read_csv("raw.csv").to_sql("raw", engine, index=False)  # @raw
    pd.read_csv("more.csv").to_sql("more", engine, index=False)  # @more
    with engine.begin() as con:
        con.exec_driver_sql("CREATE VIEW v AS SELECT id, amt * 2 AS dbl FROM raw")
    engine.dispose()
    uri = os.environ["URI"]
    pl.read_database_uri("SELECT amt FROM raw WHERE id < 3", uri).write_csv("pl.csv")  # @pl
    cx.read_sql(uri, "SELECT dbl FROM v;").to_csv("view.csv", index=False)  # @view
    texts = ["SELECT amt FROM raw WHERE id > 1", "SELECT dbl FROM more"]
    cx.read_sql(uri, texts, return_type="arrow").to_pandas().to_csv("two.csv")  # @two
    parts = cx.read_sql(uri, "SELECT * FROM raw", return_type="polars", partition_on="id",
                        partition_num=2)
    parts.write_csv("parts.csv")  # @parts
    try:
        cx.read_sql(uri, "SELECT nothing FROM raw")  # @refused
    except RuntimeError:
        print("refused")
"""
DRAWN = """
    pandas.read_csv@raw: raw.csv -> return
    pandas.to_sql@raw: pandas.read_csv@raw -> #raw
    pandas.read_csv@more: more.csv -> return
    pandas.to_sql@more: pandas.read_csv@more -> #more
    polars.read_database_uri@pl: #raw -> return
    polars.write_csv@pl: polars.read_database_uri@pl -> pl.csv
    connectorx.read_sql@view: #raw -> return
    pandas.to_csv@view: connectorx.read_sql@view -> view.csv
    connectorx.read_sql@two: #raw, #more -> return
    pyarrow.Table.to_pandas@two: connectorx.read_sql@two -> return
    pandas.to_csv@two: pyarrow.Table.to_pandas@two -> two.csv
    connectorx.read_sql: #raw -> return
    polars.write_csv@parts: connectorx.read_sql -> parts.csv
    connectorx.read_sql@refused!: #raw ->
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_tables_are_those_of_other_drivers(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "raw.csv").write_text("id,amt\n1,5\n2,6\n3,7\n")
    (directory / "more.csv").write_text("id,dbl\n4,8\n")
    if kind == "sqlite":
        alchemy, uri = "sqlite:///shop.db", f"sqlite://{directory / 'shop.db'}"
        drawn = DRAWN
    else:
        uri = request.getfixturevalue("dsn")
        alchemy = uri.replace("postgresql:", "postgresql+psycopg:")
        drawn = DRAWN.replace("#", "#public.")
    recording = strangers.record(directory, READS, ALCHEMY=alchemy, URI=uri)
    assert recording.outputs == ["refused\n"]
    assert recording.graph() == strangers.drawn(drawn)
    for name in ("pl.csv", "view.csv"):
        assert recording.roots(name) == {"raw.csv"}
    assert recording.roots("two.csv") == {"raw.csv", "more.csv"}
    assert recording.columns("pl.csv#amt") == {"raw.csv#amt"}
    if kind == "sqlite":
        assert recording.columns("view.csv#dbl") == {"raw.csv#amt"}


def test_a_name_is_what_the_server_says_at_the_time(dsn: str, spans: Spans) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a INTEGER)")
        connection.execute("CREATE TABLE u (a INTEGER)")
        connection.execute("INSERT INTO u VALUES (1)")
        connection.execute("INSERT INTO t VALUES (1)")
        cx.read_sql(dsn, "SELECT a FROM t")
        connection.execute("ALTER TABLE t RENAME TO s")
        connection.execute("CREATE VIEW t AS SELECT a FROM u")
        cx.read_sql(dsn, "SELECT a FROM t")
    assert [one for one in graph(spans.all()) if one[0] == "connectorx.read_sql"] == expected(
        """
        connectorx.read_sql: t -> return
        connectorx.read_sql: u -> return
        """
    )
    assert dsn.partition("://")[2].partition("@")[0].partition(":")[2] not in str(spans.all())


def test_what_is_read_of_several_databases_is_unknown(tmp_path: Path, spans: Spans) -> None:
    with pytest.raises(BaseException):  # noqa: B017 - it needs Java
        cx.read_sql({"a": f"sqlite://{tmp_path / 'a.db'}"}, "SELECT * FROM a.t")
    (read,) = spans.all()
    assert [one["otelprov.artifact.origin"] for one in read.used] == ["unknown"]


def test_its_function_is_as_it_was(tmp_path: Path) -> None:
    assert pickle.loads(pickle.dumps(cx.read_sql)) is cx.read_sql
    path = tmp_path / "shop.db"
    sqlite3.connect(path).close()
    for call in (
        lambda: cx.read_sql(f"sqlite://{path}", "SELECT a FROM missing"),
        lambda: cx.read_sql(f"sqlite://{path}", 5),
        lambda: cx.read_sql(),
    ):
        with pytest.raises(Exception) as raised:
            call()
        files = [frame.filename for frame in traceback.extract_tb(raised.value.__traceback__)]
        assert not [file for file in files if "otelprov" in file and __file__ != file]

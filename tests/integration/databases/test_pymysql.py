"""PyMySQL without SQLAlchemy, on a real MariaDB."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mariadb
import pandas as pd
import pytest
import strangers
from graphs import expected, graph, outcomes
from support import Spans

pymysql = pytest.importorskip("pymysql")


@pytest.fixture
def place(maria: mariadb.MariaDB) -> dict[str, Any]:
    """How an empty database is connected to."""
    database = urlsplit(maria.database()).path[1:]
    return {"host": maria.host, "port": maria.port, "user": "otelprov", "database": database}


PIPELINE = """
    import os
    import pandas as pd, pymysql, sqlalchemy as sa
    engine = sa.create_engine(os.environ["URL"])
    pd.read_csv("raw.csv").to_sql("raw", engine, index=False)  # @raw
    url = engine.url
    con = pymysql.connect(host=url.host, port=url.port, user=url.username, db=url.database)
    with con.cursor() as cur:
        text = "CREATE TABLE big AS SELECT id, amt * 2 AS dbl FROM raw WHERE amt > %s"
        cur.execute(text, (5,))  # @big
        more = pd.read_csv("more.csv")  # @more
        cur.executemany("INSERT INTO big VALUES (%s, %s)", more.itertuples(index=False))  # @many
        con.commit()
        cur.execute("SELECT id, dbl FROM big")  # @rows
        pd.DataFrame(cur.fetchall(), columns=["id", "dbl"]).to_csv("rows.csv")  # @rows
        for number in range(20):
            cur.execute("INSERT INTO raw (id) VALUES (%s)", (number,))  # @one
        cur.execute("SELECT id FROM big")
        print(cur.fetchone(), len(list(cur)))
    with con.cursor(pymysql.cursors.DictCursor) as cur:
        cur.execute("SELECT dbl FROM big")  # @dict
        pd.DataFrame(cur.fetchall()).to_csv("dict.csv")  # @dict
    with con.cursor(pymysql.cursors.SSCursor) as cur:
        cur.execute("SELECT dbl FROM big")  # @ss
        pd.DataFrame(cur.fetchall(), columns=["d"]).to_csv("ss.csv")  # @ss
    con.rollback()
    import warnings
    warnings.simplefilter("ignore")  # pandas says that it has not tested this driver
    pd.read_sql("SELECT dbl FROM big", con).to_csv("sql.csv")  # @sql
    con.close()
    pd.read_sql("SELECT dbl FROM big", engine).to_csv("back.csv")  # @back
"""
DRAWN = """
    pandas.read_csv@raw: raw.csv -> return
    pandas.to_sql@raw: pandas.read_csv@raw -> #raw
    pymysql.execute@big: #raw -> #big
    pandas.read_csv@more: more.csv -> return
    pymysql.executemany@many: #big, pandas.read_csv@more -> #big
    pymysql.execute@rows: #big -> return
    pandas.to_csv@rows: pymysql.execute@rows -> rows.csv
    pymysql.execute@one: #raw, ? ->
    pymysql.execute: #big -> return
    pymysql.execute@dict: #big -> return
    pandas.to_csv@dict: pymysql.execute@dict -> dict.csv
    pymysql.execute@ss: #big -> return
    pandas.to_csv@ss: pymysql.execute@ss -> ss.csv
    pandas.read_sql@sql: #big -> return
    pandas.to_csv@sql: pandas.read_sql@sql -> sql.csv
    pandas.read_sql@back: #big -> return
    pandas.to_csv@back: pandas.read_sql@back -> back.csv
"""


def test_tables_are_those_of_sqlalchemy(tmp_path: Path, maria: mariadb.MariaDB) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "raw.csv").write_text("id,amt\n1,5\n2,6\n3,7\n")
    (directory / "more.csv").write_text("id,dbl\n4,8\n")
    recording = strangers.record(directory, PIPELINE, URL=maria.database())
    assert recording.outputs == ["(2,) 2\n"]
    assert recording.graph() == strangers.drawn(DRAWN)
    for name in ("rows.csv", "dict.csv", "ss.csv", "sql.csv", "back.csv"):
        assert recording.roots(name) == {"raw.csv", "more.csv"}, name


def test_a_table_is_written_when_its_transaction_is_committed(
    place: dict[str, Any], spans: Spans
) -> None:
    con = pymysql.connect(**place)
    cursor = con.cursor()
    cursor.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    cursor.execute("INSERT INTO t VALUES (1)")
    con.rollback()
    cursor.execute("INSERT INTO t VALUES (2)")
    con.commit()
    cursor.execute("INSERT INTO t VALUES (3)")
    cursor.execute("CREATE TABLE u (a INTEGER)")  # which commits
    cursor.execute("INSERT INTO t VALUES (4)")
    con.begin()  # so does this
    cursor.execute("INSERT INTO t VALUES (5)")
    cursor.execute("START TRANSACTION")  # and this
    cursor.execute("SAVEPOINT one")
    cursor.execute("INSERT INTO t VALUES (6)")
    cursor.execute("ROLLBACK TO one")
    with pytest.raises(pymysql.Error):
        cursor.execute("INSERT INTO t VALUES (5)")
    cursor.execute("INSERT INTO t VALUES (7)")
    con.autocommit(True)  # and this
    cursor.execute("INSERT INTO t VALUES (8)")
    con.autocommit(False)
    cursor.execute("INSERT INTO t VALUES (9)")
    con.close()
    assert outcomes(spans, "INSERT") == [
        (False, "rolled back"),
        (True, ""),
        (True, ""),
        (True, ""),
        (True, ""),
        (False, "rolled back"),
        (False, ""),
        (True, ""),
        (True, ""),
        (False, "rolled back"),
    ]
    with pymysql.connect(**place) as con, con.cursor() as cursor:
        cursor.execute("SELECT a FROM t ORDER BY a")
        assert [one for (one,) in cursor.fetchall()] == [2, 3, 4, 5, 7, 8]


def test_a_name_is_a_table_of_the_database_in_use(
    place: dict[str, Any], maria: mariadb.MariaDB, spans: Spans
) -> None:
    other = urlsplit(maria.database()).path[1:]
    with pymysql.connect(**place) as con, con.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a INTEGER)")
        cursor.execute(f"USE {other}")
        cursor.execute("CREATE TABLE t (a INTEGER)")
        con.select_db(place["database"])
        cursor.execute(f"SELECT * FROM t, {other}.t AS o")
    first, second, read = spans.all()[-3:]
    (one,), (two,) = first.generated, second.generated
    assert one["otelprov.artifact.uri"].endswith(f"/{place['database']}#t")
    assert two["otelprov.artifact.uri"].endswith(f"/{other}#t")
    assert {used["otelprov.used.id"] for used in read.used} == {
        *first.generated_ids,
        *second.generated_ids,
    }


def test_rows_are_known_as_tuples_and_as_lists(place: dict[str, Any], spans: Spans) -> None:
    with pymysql.connect(**place) as con, con.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a INTEGER, b TEXT)")
        cursor.execute("CREATE TABLE u (a INTEGER, b TEXT)")
        cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(1, "x"), (2, "y")])
        cursor.execute("SELECT a, b FROM t")
        rows = cursor.fetchall()
        assert type(rows) is tuple
        cursor.executemany("INSERT INTO u VALUES (%s, %s)", rows)
        con.commit()
        cursor.execute("SELECT a, b FROM u")
        frame = pd.DataFrame(cursor.fetchmany(2))
    frame.to_dict("list")
    assert graph(spans.all())[2:] == expected(
        """
        pymysql.executemany: t, ? -> t
        pymysql.execute: t -> return
        pymysql.executemany: u, pymysql.execute -> u
        pymysql.execute: u -> return
        pandas.to_dict: pymysql.execute -> return
        """
    )


def test_its_functions_are_as_they_were(place: dict[str, Any]) -> None:
    cursors = pymysql.cursors
    for function in (
        cursors.Cursor.execute, cursors.Cursor.executemany, cursors.Cursor.fetchall,
        cursors.SSCursor.fetchall, pymysql.connections.Connection.commit,
    ):  # fmt: skip
        assert pickle.loads(pickle.dumps(function)) is function
    with pymysql.connect(**place) as con, con.cursor() as cursor:
        for call in (
            lambda: cursor.execute("SELEC"),
            lambda: cursor.executemany("INSERT INTO missing VALUES (%s)", [(1,)]),
            lambda: cursor.execute("SELECT %s %s", (1,)),
            lambda: cursor.execute(),
            lambda: pymysql.connect(host="127.0.0.1", port=1),
        ):
            with pytest.raises(Exception) as raised:
                call()
            files = [frame.filename for frame in traceback.extract_tb(raised.value.__traceback__)]
            assert not [file for file in files if "otelprov" in file and __file__ != file]
    with pytest.raises(pymysql.Error):
        cursor.execute("SELECT 1")  # it is closed

"""MySQL Connector/Python without SQLAlchemy and below it, on a real MariaDB: its connections of
Python, and those over C where its library can be loaded."""

from __future__ import annotations

import inspect
import os
import pickle
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mariadb
import pandas as pd
import pytest
import strangers
import support
from graphs import expected, graph, outcomes
from support import Spans

from otelprov.instrumentation.instrumentors import libraries
from otelprov.recording.run import run

connector = pytest.importorskip("mysql.connector")

VENDOR = Path(connector.__file__).parents[1] / "vendor"
"""The library in C wants the OpenSSL that comes with it, and not an older one that Python has."""


@pytest.fixture(params=["Python", "C"])
def place(request: pytest.FixtureRequest, maria: mariadb.MariaDB) -> dict[str, Any]:
    """How an empty database is connected to."""
    if request.param == "C" and not connector.HAVE_CEXT:
        pytest.skip("its library in C is not here")
    database = urlsplit(maria.database()).path[1:]
    return {
        "host": maria.host, "port": maria.port, "user": "otelprov", "database": database,
        "use_pure": request.param == "Python",
    }  # fmt: skip


PIPELINE = """
    import os
    import mysql.connector, pandas as pd, sqlalchemy as sa
    engine = sa.create_engine(os.environ["URL"])
    pd.read_csv("raw.csv").to_sql("raw", engine, index=False)  # @raw
    url, pure = engine.url, os.environ["PURE"] == "1"
    assert pure or mysql.connector.HAVE_CEXT
    con = mysql.connector.connect(
        host=url.host, port=url.port, user=url.username, database=url.database, use_pure=pure
    )
    with con.cursor() as cur:
        text = "CREATE TABLE big AS SELECT id, amt * 2 AS dbl FROM raw WHERE amt > %s"
        cur.execute(text, (5,))  # @big
        more = pd.read_csv("more.csv")  # @more
        more = more.to_dict("records")  # @dicts
        cur.executemany("INSERT INTO big VALUES (%(id)s, %(dbl)s)", more)  # @many
        con.commit()
        cur.execute("SELECT id, dbl FROM big")  # @rows
        pd.DataFrame(cur.fetchall(), columns=["id", "dbl"]).to_csv("rows.csv")  # @rows
        for number in range(20):
            cur.execute("INSERT INTO raw (id) VALUES (%s)", (number,))  # @one
        cur.execute("SELECT id FROM big")
        print(cur.fetchone(), len(list(cur)))
    for name in ("dictionary", "buffered", "prepared"):
        with con.cursor(**{name: True}) as cur:
            cur.execute("SELECT dbl FROM big")  # @kind
            pd.DataFrame(cur.fetchall()).to_csv(f"{name}.csv")  # @kind
    con.rollback()
    import warnings
    warnings.simplefilter("ignore")  # pandas says that it has not tested this driver
    pd.read_sql("SELECT dbl FROM big", con).to_csv("sql.csv")  # @sql
    con.close()
    pd.read_sql("SELECT dbl FROM big", engine).to_csv("back.csv")  # @back
    own = sa.create_engine(
        os.environ["URL"].replace("pymysql", "mysqlconnector"), connect_args={"use_pure": pure}
    )
    with own.begin() as there:
        there.execute(sa.text("CREATE TABLE small AS SELECT dbl FROM big"))  # @small
    pd.read_sql("SELECT dbl FROM small", own).to_csv("small.csv")  # @read
"""
DRAWN = """
    pandas.read_csv@raw: raw.csv -> return
    pandas.to_sql@raw: pandas.read_csv@raw -> #raw
    mysql.execute@big: #raw -> #big
    pandas.read_csv@more: more.csv -> return
    pandas.to_dict@dicts: pandas.read_csv@more -> return
    mysql.executemany@many: #big, pandas.to_dict@dicts -> #big
    mysql.execute@rows: #big -> return
    pandas.to_csv@rows: mysql.execute@rows -> rows.csv
    mysql.execute@one: #raw, ? ->
    mysql.execute: #big -> return
    mysql.execute@kind: #big -> return
    mysql.execute@kind: #big -> return
    mysql.execute@kind: #big -> return
    pandas.to_csv@kind: mysql.execute@kind -> dictionary.csv
    pandas.to_csv@kind: mysql.execute@kind -> buffered.csv
    pandas.to_csv@kind: mysql.execute@kind -> prepared.csv
    pandas.read_sql@sql: #big -> return
    pandas.to_csv@sql: pandas.read_sql@sql -> sql.csv
    pandas.read_sql@back: #big -> return
    pandas.to_csv@back: pandas.read_sql@back -> back.csv
    sqlalchemy.execute@small: #big -> #small
    pandas.read_sql@read: #small -> return
    pandas.to_csv@read: pandas.read_sql@read -> small.csv
"""


@pytest.mark.parametrize("kind", ["Python", "C"])
def test_tables_are_those_of_sqlalchemy(tmp_path: Path, maria: mariadb.MariaDB, kind: str) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "raw.csv").write_text("id,amt\n1,5\n2,6\n3,7\n")
    (directory / "more.csv").write_text("id,dbl\n4,8\n")
    settings = {"URL": maria.database(), "PURE": "1"}
    if kind == "C":
        settings |= {"PURE": "0", "LD_LIBRARY_PATH": str(VENDOR)}
    recording = strangers.record(directory, PIPELINE, **settings)
    assert recording.outputs == ["(2,) 2\n"]
    assert recording.graph() == strangers.drawn(DRAWN)
    names = ["rows", "dictionary", "buffered", "prepared", "sql", "back", "small"]
    for name in names:
        assert recording.roots(f"{name}.csv") == {"raw.csv", "more.csv"}, name


def test_a_table_is_written_when_its_transaction_is_committed(
    place: dict[str, Any], spans: Spans
) -> None:
    con = connector.connect(**place)
    cursor = con.cursor()
    cursor.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    cursor.execute("INSERT INTO t VALUES (1)")
    con.rollback()
    cursor.execute("INSERT INTO t VALUES (2)")
    con.commit()
    cursor.execute("INSERT INTO t VALUES (3)")
    cursor.execute("CREATE TABLE u (a INTEGER)")  # which commits
    con.start_transaction()
    cursor.execute("INSERT INTO t VALUES (4)")
    with pytest.raises(connector.Error):
        con.start_transaction()  # it goes on
    cursor.execute("START TRANSACTION")  # which commits
    cursor.execute("SAVEPOINT one")
    cursor.execute("INSERT INTO t VALUES (5)")
    cursor.execute("ROLLBACK TO one")
    with pytest.raises(connector.Error):
        cursor.execute("INSERT INTO t VALUES (4)")
    cursor.execute("INSERT INTO t VALUES (6)")
    con.autocommit = True  # and this
    cursor.execute("INSERT INTO t VALUES (7)")
    con.autocommit = False
    cursor.execute("INSERT INTO t VALUES (8)")
    con.cmd_reset_connection()
    con.cursor().execute("INSERT INTO t VALUES (9)")
    con.reconnect()
    con.cursor().execute("INSERT INTO t VALUES (10)")
    con.close()
    assert outcomes(spans, "INSERT") == [
        (False, "rolled back"),
        (True, ""),
        (True, ""),
        (True, ""),
        (False, "rolled back"),
        (False, ""),
        (True, ""),
        (True, ""),
        (False, "rolled back"),
        (False, "rolled back"),
        (False, "rolled back"),
    ]
    with connector.connect(**place) as con, con.cursor() as cursor:
        cursor.execute("SELECT a FROM t ORDER BY a")
        assert [one for (one,) in cursor.fetchall()] == [2, 3, 4, 6, 7]


def test_a_name_is_a_table_of_the_database_in_use(
    place: dict[str, Any], maria: mariadb.MariaDB, spans: Spans
) -> None:
    other = urlsplit(maria.database()).path[1:]
    with connector.connect(**place) as con:
        con.database = other
        con.cursor().execute("CREATE TABLE t (a INTEGER)")
        con.reconnect()
        con.cursor().execute("CREATE TABLE t (a INTEGER)")
        con.cursor().execute(f"USE {other}")
        con.cmd_reset_connection()
        con.cursor().execute("CREATE TABLE u (a INTEGER)")
        con.cmd_change_user(place["user"], "", place["database"])
        con.cursor().execute("CREATE TABLE u (a INTEGER)")
        con.cmd_init_db(other)
        cursor = con.cursor()
        cursor.execute(f"SELECT * FROM t, {place['database']}.t AS o")
        assert cursor.fetchall() == []
    made = [one["otelprov.artifact.uri"] for span in spans.all()[:4] for one in span.generated]
    assert [uri.rpartition("/")[2] for uri in made] == [
        f"{other}#t",
        f"{place['database']}#t",
        f"{other}#u",
        f"{place['database']}#u",
    ]
    first, second = spans.all()[:2]
    assert {used["otelprov.used.id"] for used in spans.all()[-1].used} == {
        *first.generated_ids,
        *second.generated_ids,
    }


@pytest.mark.parametrize(
    "kind",
    [{}, {"buffered": True}, {"raw": True}, {"dictionary": True}, {"prepared": True},
     {"buffered": True, "dictionary": True}, {"buffered": True, "raw": True},
     {"prepared": True, "dictionary": True}],
    ids="-".join,
)  # fmt: skip
def test_rows_of_each_kind_of_cursor_are_known(
    place: dict[str, Any], spans: Spans, kind: dict[str, bool]
) -> None:
    with connector.connect(**place) as con:
        with con.cursor() as cursor:
            cursor.execute("CREATE TABLE t (a INTEGER, b VARCHAR(9))")
            cursor.execute("CREATE TABLE u (a INTEGER, b VARCHAR(9))")
            cursor.execute(
                operation="INSERT INTO t VALUES (%(a)s, %(b)s)", params={"a": 1, "b": "x"}
            )
        with con.cursor(**kind) as cursor:
            cursor.execute(b"SELECT a, b FROM t")
            rows = cursor.fetchall()
            if not kind.get("raw"):
                values = "%(a)s, %(b)s" if kind.get("dictionary") else "%s, %s"
                with con.cursor() as writing:
                    writing.executemany(f"INSERT INTO u VALUES ({values})", rows)
        con.commit()
        with con.cursor(**kind) as cursor:
            cursor.execute("SELECT a, b FROM t")
            frame = pd.DataFrame(cursor.fetchmany(2))
            cursor.fetchall()
    frame.to_dict("list")
    written = graph(spans.all())[2:]
    if not kind.get("raw"):
        assert written.pop(2) == expected("mysql.executemany: u, mysql.execute -> u")[0]
    assert written == expected(
        """
        mysql.execute: t -> t
        mysql.execute: t -> return
        mysql.execute: t -> return
        pandas.to_dict: mysql.execute -> return
        """
    )


@pytest.mark.skipif(connector.__version_info__ < (9, 2), reason="it takes no such text")
def test_each_statement_of_a_text_is_an_operation(place: dict[str, Any], spans: Spans) -> None:
    with connector.connect(**place) as con, con.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a INTEGER); CREATE TABLE u AS SELECT a FROM t")
        while cursor.nextset():
            pass
        cursor.execute("INSERT INTO t VALUES (7); SELECT a FROM t")
        assert cursor.nextset()
        assert cursor.fetchall() == [(7,)]
        con.commit()
    assert graph(spans.all()) == expected(
        """
        mysql.execute: -> t
        mysql.execute: t -> u
        mysql.execute: t -> t
        mysql.execute: t -> return
        """
    )


def test_connections_of_a_pool_begin_anew(place: dict[str, Any], spans: Spans) -> None:
    pool = connector.pooling.MySQLConnectionPool(pool_size=1, pool_name="one", **place)
    con = pool.get_connection()
    con.cursor().execute("CREATE TABLE t (a INTEGER)")
    con.cursor().execute("INSERT INTO t VALUES (1)")
    con.close()
    con = pool.get_connection()
    con.cursor().execute("INSERT INTO t VALUES (2)")
    con.commit()
    con.close()
    assert outcomes(spans, "INSERT") == [(False, "rolled back"), (True, "")]
    pool._remove_connections()


@pytest.mark.filterwarnings("ignore:This version of the server")  # it is told of its own span
@pytest.mark.skipif(connector.__version_info__ < (8, 1), reason="it has no spans of its own")
def test_what_the_connector_traces_itself_is_recorded(place: dict[str, Any], spans: Spans) -> None:
    from mysql.connector.opentelemetry.instrumentation import MySQLInstrumentor

    traced = MySQLInstrumentor().instrument_connection(connector.connect(**place))
    cursor = traced.cursor()
    cursor.execute("CREATE TABLE t (a INTEGER)")
    cursor.execute("INSERT INTO t VALUES (1)")
    traced.commit()
    cursor.execute("SELECT a FROM t")
    rows = cursor.fetchall()
    cursor.executemany("INSERT INTO t VALUES (%s)", rows)
    traced.close()
    found = [span for span in spans.all() if span.name.startswith("mysql.")]
    assert graph(found) == expected(
        """
        mysql.execute: -> t
        mysql.execute: t -> t
        mysql.execute: t -> return
        mysql.executemany: t, mysql.execute ->
        """
    )


def test_the_traceparent_goes_into_what_is_not_prepared(
    place: dict[str, Any], spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "settings", run.settings._replace(sql_comment=True))
    with connector.connect(**place) as con, con.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a INTEGER)")
        (span,) = spans.all()
        assert f"{span.trace_id}-{span.span_id}" in cursor.statement
        cursor.execute(operation="SELECT a FROM t")
        assert cursor.statement.startswith("SELECT a FROM t /*traceparent=")
        assert cursor.fetchall() == []
        with con.cursor(prepared=True) as prepared:
            prepared.execute("SELECT a FROM t")
            assert prepared.statement == "SELECT a FROM t"
            assert prepared.fetchall() == []


def test_its_functions_are_as_they_were(place: dict[str, Any], spans: Spans) -> None:
    con = connector.connect(**place)
    kind, cursors = type(con), type(con.cursor())
    functions = (
        cursors.execute, cursors.executemany, cursors.fetchall, cursors.fetchmany, kind.commit,
        kind.rollback, kind.close, kind.cmd_change_user,
    )  # fmt: skip
    for function in functions:
        assert pickle.loads(pickle.dumps(function)) is function
    assert kind.disconnect is kind.close
    signatures = [str(inspect.signature(function)) for function in functions]
    documents = [kind.database.__doc__, kind.autocommit.__doc__, cursors.execute.__doc__]
    libraries["mysql"].uninstrument()
    try:
        before = (
            cursors.execute, cursors.executemany, cursors.fetchall, cursors.fetchmany,
            kind.commit, kind.rollback, kind.close, kind.cmd_change_user,
        )  # fmt: skip
        assert not any(one is other for one, other in zip(functions, before, strict=True))
        assert signatures == [str(inspect.signature(function)) for function in before]
        assert documents == [
            kind.database.__doc__,
            kind.autocommit.__doc__,
            cursors.execute.__doc__,
        ]
        with con.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchall() == [(1,)]
    finally:
        libraries["mysql"].instrument()
    con.close()


def test_what_fails_raises_as_before(place: dict[str, Any], spans: Spans) -> None:
    def raised() -> list[tuple[Any, ...]]:
        con = connector.connect(**place)
        cursor = con.cursor()
        found: list[tuple[Any, ...]] = []
        for call in (
            lambda: cursor.execute("SELEC"),
            lambda: cursor.executemany("INSERT INTO missing VALUES (%s)", [(1,)]),
            lambda: cursor.execute("SELECT %s", (1, 2)),
            lambda: cursor.execute("SELECT %s", 1),
            lambda: cursor.execute(),
            lambda: cursor.fetchall(),
            lambda: setattr(con, "database", "missing"),
            lambda: con.start_transaction(isolation_level="none"),
            lambda: (con.close(), cursor.execute("SELECT * FROM missing")),
            lambda: con.cmd_query("SELECT 1"),
            lambda: con.commit(),
        ):
            try:
                call()
            except Exception as error:
                frames = traceback.extract_tb(error.__traceback__)
                lines = [(Path(one.filename).name, one.lineno) for one in frames]
                found.append((type(error), error.args, lines))
            else:
                found.append((None, (), []))
        return found

    recorded = raised()
    libraries["mysql"].uninstrument()
    try:
        assert recorded == raised()
    finally:
        libraries["mysql"].instrument()
    assert sum(kind is not None for kind, *_ in recorded) >= 9
    failed = [span for span in spans.all() if span.status["code"] == 2]
    assert [span.name for span in failed] == ["mysql.execute", "mysql.executemany", "mysql.execute"]


def test_a_connection_that_is_lost_says_so(
    place: dict[str, Any], maria: mariadb.MariaDB, spans: Spans
) -> None:
    con = connector.connect(**place)
    con.cursor().execute("CREATE TABLE t (a INTEGER)")
    con.cursor().execute("INSERT INTO t VALUES (1)")
    with connector.connect(**place) as other:
        other.cursor().execute(f"KILL {con.connection_id}")
    with pytest.raises(Exception, match=r"Lost connection|has gone away"):
        con.commit()
    assert outcomes(spans, "INSERT") == [(False, "unknown")]


def test_connections_and_cursors_are_not_held(place: dict[str, Any], spans: Spans) -> None:
    import gc
    import weakref

    con = connector.connect(**place)
    cursor = con.cursor()
    cursor.execute("CREATE TABLE t (a INTEGER)")
    cursor.execute("SELECT a FROM t")
    cursor.fetchall()
    references = weakref.ref(con), weakref.ref(cursor)
    con.close()
    del con, cursor
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_the_connections_over_c_do_the_same() -> None:
    """Where Python has loaded an OpenSSL that is too old for it, in a process that begins with that
    of the library itself."""
    if connector.HAVE_CEXT or not list(VENDOR.glob("libssl*")):
        pytest.skip("nothing is in the way" if connector.HAVE_CEXT else "it is not here")
    result = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            # Before others, after which there is no place for what it loads.
            *("-p", "mysql.connector", "-k", "not do_the_same", __file__),
        ],
        env={**os.environ, "LD_LIBRARY_PATH": str(VENDOR)},
        cwd=support.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-4000:]
    assert " passed" in result.stdout and "skipped" not in result.stdout

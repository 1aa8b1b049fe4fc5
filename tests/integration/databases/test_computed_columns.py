"""Tables that compute columns from their others, and tables made of nothing but columns."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
import strangers
from click.testing import CliRunner

from otelprov.cli import main

pytestmark = pytest.mark.skipif(
    sqlite3.sqlite_version_info < (3, 37), reason="this SQLite has no STRICT tables"
)

SQLITE = """
    import sqlite3
    import pandas as pd
    con = sqlite3.connect("shop.db")
    con.executescript('''
    CREATE TABLE people (id INTEGER PRIMARY KEY, first TEXT, last TEXT,
        label TEXT GENERATED ALWAYS AS (first || ' ' || Last) VIRTUAL) STRICT;
    CREATE TABLE totals (k TEXT PRIMARY KEY, s INT, tenfold INT AS (s * 10) STORED) WITHOUT ROWID;
    CREATE TABLE log (k TEXT, at DATETIME DEFAULT (strftime('%s', 'now')),
        n INT NOT NULL ON CONFLICT IGNORE);
    ''')
    pd.read_csv("raw.csv").to_sql("raw", con, index=False)  # @raw
    con.execute("INSERT INTO people (id, first, last) SELECT id, a, b FROM raw")  # @people
    con.execute("UPDATE people SET last = (SELECT upper(c) FROM raw WHERE raw.id = people.id)")  # @set
    con.execute("INSERT INTO totals SELECT a, sum(n) FROM raw GROUP BY a")  # @totals
    con.execute("INSERT INTO log (k, n) SELECT k, s FROM totals")  # @log
    con.commit()
    pd.read_sql("SELECT id AS i, label FROM people", con).to_csv("people.csv", index=False)  # @out
    pd.read_sql("SELECT tenfold + 1 AS more FROM totals", con).to_csv("totals.csv", index=False)  # @out
    pd.read_sql("SELECT n AS m FROM log", con).to_csv("log.csv", index=False)  # @out
"""  # noqa: E501
DUCKDB = """
    import duckdb
    con = duckdb.connect("w.duckdb")
    con.execute("CREATE TABLE t (a VARCHAR, n INT, twice INT AS (n * 2), "  # @t
                "word VARCHAR GENERATED ALWAYS AS (a || 'x') VIRTUAL)")
    con.execute("INSERT INTO t SELECT b, n FROM 'raw.csv'")  # @fill
    con.sql("SELECT word AS w, twice AS t FROM t").write_csv("duck.csv")  # @out
"""
POSTGRES = """
    import os, psycopg
    import pandas as pd
    with psycopg.connect(os.environ["DSN"]) as con:
        con.execute("CREATE TABLE raw (id int, a text, n int)")  # @raw
        con.execute("CREATE TEMP TABLE new (LIKE raw INCLUDING DEFAULTS) ON COMMIT DROP")  # @new
        rows = pd.read_csv("raw.csv")[["id", "a", "n"]].itertuples(index=False)  # @csv
        con.cursor().executemany("INSERT INTO new VALUES (%s, %s, %s)", list(rows))  # @rows
        con.execute("INSERT INTO raw SELECT * FROM new")  # @insert
        con.execute("CREATE TEMP TABLE sums ON COMMIT DROP AS "  # @sums
                    "SELECT a, sum(n) AS n FROM raw GROUP BY a")
        found = con.execute("SELECT n AS total FROM sums").fetchall()  # @read
    pd.DataFrame(found, columns=["total"]).to_csv("pg.csv", index=False)  # @out
"""


def _directory(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "raw.csv").write_text("id,a,b,c,n\n1,p,q,r,5\n2,s,t,u,6\n")
    return directory


def _downstream(recording: strangers.Recording, target: str) -> set[tuple[str, str | None]]:
    """What came of a file, or of one of its columns."""
    answer = CliRunner().invoke(
        main,
        ["lineage", str(recording.directory / target), "--downstream", "--format", "json"],
        env={"OTELPROV_JOURNAL": str(recording.journal)},
    )
    found = json.loads(answer.stdout)
    names = {one["id"]: one["name"] for one in found["artifacts"]}
    if "#" not in target:
        return {(names[edge["to"]], None) for edge in found["edges"] if edge["to"] in names}
    return {(names[edge["to"]["artifact"]], edge["to"]["column"]) for edge in found["edges"]}


def test_a_column_that_a_table_computes_comes_from_its_others(tmp_path: Path) -> None:
    recording = strangers.record(_directory(tmp_path), SQLITE, DUCKDB)
    assert recording.graph() == strangers.drawn("""
        sqlite3.executescript: -> #people
        sqlite3.executescript: -> #totals
        sqlite3.executescript: -> #log
        pandas.read_csv@raw: raw.csv -> return
        pandas.to_sql@raw: pandas.read_csv@raw -> #raw
        sqlite3.execute@people: #raw, #people -> #people
        sqlite3.execute@set: #raw, #people -> #people
        sqlite3.execute@totals: #raw, #totals -> #totals
        sqlite3.execute@log: #totals, #log -> #log
        pandas.read_sql@out: #people -> return
        pandas.to_csv@out: pandas.read_sql@out -> people.csv
        pandas.read_sql@out: #totals -> return
        pandas.to_csv@out: pandas.read_sql@out -> totals.csv
        pandas.read_sql@out: #log -> return
        pandas.to_csv@out: pandas.read_sql@out -> log.csv
        duckdb.execute@t: -> #main.t
        duckdb.execute@fill: raw.csv, #main.t -> #main.t
        duckdb.write_csv@out: #main.t -> duck.csv
    """)
    assert recording.columns("people.csv#i") == {"raw.csv#id"}
    assert recording.columns("people.csv#label") == {"raw.csv#a", "raw.csv#b", "raw.csv#c"}
    assert recording.columns("totals.csv#more") == {"raw.csv#n"}
    assert recording.columns("log.csv#m") == {"raw.csv#n"}
    assert recording.columns("duck.csv#w") == {"raw.csv#b"}
    assert recording.columns("duck.csv#t") == {"raw.csv#n"}


def test_tables_that_are_dropped_on_commit_are_made_of_what_they_say(
    tmp_path: Path, dsn: str
) -> None:
    recording = strangers.record(_directory(tmp_path), POSTGRES, DSN=dsn)
    assert recording.graph() == strangers.drawn("""
        psycopg.execute@raw: -> #public.raw
        psycopg.execute@new: -> #new
        pandas.read_csv@csv: raw.csv -> return
        psycopg.executemany@rows: pandas.read_csv@csv, #new -> #new
        psycopg.execute@insert: #new, #public.raw -> #public.raw
        psycopg.execute@sums: #public.raw -> #sums
        psycopg.execute@read: #sums -> return
        pandas.to_csv@out: psycopg.execute@read -> pg.csv
    """)
    assert recording.roots("pg.csv") == {"raw.csv"}


UNCOMMITTED = """
    import sqlite3
    import pandas as pd
    con = sqlite3.connect(":memory:")
    pd.read_csv("raw.csv").to_sql("raw", con, index=False)  # @raw
    con.execute("CREATE TEMP TABLE tops AS SELECT a, max(n) AS n FROM raw GROUP BY a")  # @tops
    con.execute("UPDATE tops SET n = r.id * 2 FROM raw AS r WHERE r.a = tops.a")  # @set
    con.execute("INSERT INTO tops (a, n) SELECT b, id FROM raw")  # @more
    pd.read_sql("SELECT a AS k, n AS v FROM tops", con).to_csv("tops.csv", index=False)  # @out
"""


def test_columns_go_through_what_is_read_and_never_committed(tmp_path: Path) -> None:
    recording = strangers.record(_directory(tmp_path), UNCOMMITTED)
    assert recording.graph() == strangers.drawn("""
        pandas.read_csv@raw: raw.csv -> return
        pandas.to_sql@raw: pandas.read_csv@raw -> #raw
        sqlite3.execute@tops: #raw -> #tops
        sqlite3.execute@set: #raw, #tops ->
        sqlite3.execute@more: #raw, #tops ->
        pandas.read_sql@out: #tops -> return
        pandas.to_csv@out: pandas.read_sql@out -> tops.csv
    """)
    assert recording.columns("tops.csv#v") == {"raw.csv#n", "raw.csv#id"}
    assert recording.columns("tops.csv#k") == {"raw.csv#a", "raw.csv#b"}
    for column, target in (("", None), ("#n", "v"), ("#b", "k")):
        assert ("tops.csv", target) in _downstream(recording, f"raw.csv{column}")


UPSERT = """
    import os
    import pandas as pd
    from sqlalchemy import create_engine, text
    engine = create_engine(os.environ["URL"])
    pd.read_csv("raw.csv").to_sql("raw", engine, index=False)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE best (k CHAR(9) PRIMARY KEY, n INT, note CHAR(9))"))
        connection.execute(text(
            "INSERT INTO best (k, n) SELECT a, max(n) FROM raw WHERE true GROUP BY a"
            " ON CONFLICT (k) DO UPDATE SET n = excluded.n"
        ))
        connection.execute(text(
            "INSERT INTO best (n, k) SELECT id, b FROM raw WHERE true"
            " ON CONFLICT (k) DO UPDATE SET note = excluded.k || best.k"
        ))
    for name in ("k", "n", "note"):
        pd.read_sql(f"SELECT {name} AS x FROM best", engine).to_csv(f"{name}.csv", index=False)
"""


def test_what_an_upsert_sets_comes_from_both_rows(tmp_path: Path, url: str) -> None:
    recording = strangers.record(_directory(tmp_path), UPSERT, URL=url)
    assert recording.columns("k.csv#x") == {"raw.csv#a", "raw.csv#b"}
    assert recording.columns("n.csv#x") == {"raw.csv#n", "raw.csv#id"}
    assert recording.columns("note.csv#x") == {"raw.csv#a", "raw.csv#b"}


ALTERED = """
    import os
    import pandas as pd
    from sqlalchemy import create_engine, text
    engine = create_engine(os.environ["URL"])
    pd.read_csv("raw.csv").to_sql("raw", engine, index=False)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE raw RENAME a TO first"))
        connection.execute(text("ALTER TABLE raw RENAME COLUMN n TO number"))
        connection.execute(text("ALTER TABLE raw ADD COLUMN more INT DEFAULT 1"))
        connection.execute(text("ALTER TABLE raw DROP COLUMN b"))
        connection.execute(text("CREATE TABLE made AS SELECT * FROM raw"))
    pd.read_sql("SELECT first AS f, number + 1 AS m, c FROM made", engine).to_csv("out.csv", index=False)
"""  # noqa: E501
TWO = """
    import duckdb
    con = duckdb.connect("one.duckdb")
    con.execute("CREATE TABLE t AS SELECT id, a FROM 'raw.csv'")
    con.execute("ALTER TABLE t RENAME a TO word")
    con.execute("ALTER TABLE t ALTER id TYPE VARCHAR USING id || word")
    con.sql("SELECT id AS i, word AS w FROM t").write_csv("one.csv")
    con.execute("ATTACH 'two.duckdb' AS two")
    con.execute("CREATE TABLE two.t AS SELECT b AS id, c FROM 'raw.csv'")
    con.sql("SELECT x.word AS w, y.id AS i FROM t x, two.t y").write_csv("both.csv")
"""


def test_columns_that_are_renamed_and_added_are_followed(tmp_path: Path, url: str) -> None:
    recording = strangers.record(_directory(tmp_path), ALTERED, URL=url)
    assert recording.roots("out.csv") == {"raw.csv"}
    for column, source in (("f", "a"), ("m", "n"), ("c", "c")):
        assert recording.columns(f"out.csv#{column}") == {f"raw.csv#{source}"}


def test_tables_of_one_name_in_two_databases_are_two(tmp_path: Path) -> None:
    recording = strangers.record(_directory(tmp_path), TWO)
    assert recording.columns("one.csv#w") == {"raw.csv#a"}
    assert recording.columns("one.csv#i") == {"raw.csv#a", "raw.csv#id"}
    assert "opaque" in recording.columns("both.csv#w")


TWICE = """
    import duckdb, sqlite3
    import pandas as pd
    con = sqlite3.connect("x.db")
    for name in ("raw", "more"):
        pd.read_csv(f"{name}.csv").to_sql(name, con, index=False)
    con.execute("CREATE TABLE joined AS SELECT * FROM raw JOIN more ON raw.id = more.k")
    con.commit()
    pd.read_sql('SELECT n AS x, "n:1" AS y FROM joined', con).to_csv("lite.csv", index=False)
    raw, more = pd.read_csv("raw.csv"), pd.read_csv("more.csv")
    duck = duckdb.connect("w.duckdb")
    duck.execute("CREATE TABLE joined AS SELECT * FROM raw JOIN more ON raw.id = more.k")
    duck.sql("SELECT n AS x, n_1 AS y FROM joined").write_csv("duck.csv")
    duck.sql("SELECT * FROM raw JOIN more ON raw.id = more.k").df().to_csv("frame.csv", index=False)
"""


def test_two_columns_of_one_name_are_two(tmp_path: Path) -> None:
    directory = _directory(tmp_path)
    (directory / "more.csv").write_text("k,n\n1,7\n2,8\n")
    recording = strangers.record(directory, TWICE)
    assert recording.columns("lite.csv#x") == recording.columns("duck.csv#x") == {"raw.csv#n"}
    assert recording.columns("duck.csv#y") == {"more.csv#n"}
    assert recording.columns("lite.csv#y") >= {"more.csv#n", "opaque"}  # its name is not recorded
    assert recording.columns("frame.csv#n") == {"raw.csv#n"}
    assert recording.columns("frame.csv#n_1") >= {"more.csv#n"}


QUOTED = """
    import os
    import pandas as pd
    from sqlalchemy import create_engine, text
    engine = create_engine(os.environ["URL"])
    pd.read_csv("quoted.csv").to_sql("raw-data", engine, index=False)
    with engine.begin() as connection:
        connection.execute(text(
            'CREATE TABLE t AS SELECT "Order ID" AS id, "Unit-Price" * 2 AS price,'
            ' "#n" AS "n#", city FROM "raw-data"'
        ))
        connection.execute(text('CREATE TABLE w ("x-y" INT, city TEXT)'))
        connection.execute(text('INSERT INTO w ("x-y", city) SELECT "#n", city FROM "raw-data"'))
        connection.execute(text('UPDATE w SET "x-y" = (SELECT max("Order ID") FROM "raw-data")'))
    for name, query in {
        "t": "SELECT id, price, city AS c FROM t",
        "n": 'SELECT "n#" AS n FROM t',
        "w": "SELECT * FROM w",
    }.items():
        pd.read_sql(query, engine).to_csv(f"{name}.csv", index=False)
"""


def test_a_column_whose_name_is_not_recorded_is_no_constant(tmp_path: Path, url: str) -> None:
    directory = _directory(tmp_path)
    (directory / "quoted.csv").write_text("Order ID,Unit-Price,#n,city\n1,5,7,x\n2,6,8,y\n")
    recording = strangers.record(directory, QUOTED, URL=url)
    every = {f"quoted.csv#{one}" for one in ("Order ID", "Unit-Price", "#n", "city")}
    assert recording.columns("t.csv#id") == {"quoted.csv#Order ID"}
    assert recording.columns("t.csv#c") == {"quoted.csv#city"}
    for column in ("t.csv#price", "n.csv#n", "w.csv#x-y"):
        assert recording.columns(column) >= every | {"opaque"}


PASSED = """
    import sqlite3
    import pandas as pd
    con = sqlite3.connect("x.db")
    pd.read_csv("raw.csv").to_sql("raw", con, index=False)
    con.execute("CREATE TABLE made (id INT, word TEXT, other TEXT)")
    con.execute("INSERT INTO made (id, word) SELECT id, a FROM raw")
    con.execute("UPDATE made SET other = 'x' WHERE id > 1")
    con.execute("DELETE FROM made WHERE other = 'y'")
    con.execute("INSERT INTO made (id) VALUES (7)")
    con.commit()
    pd.read_sql("SELECT word AS w FROM made", con).to_csv("out.csv", index=False)
"""


def test_what_a_statement_does_not_name_is_followed_on(tmp_path: Path) -> None:
    recording = strangers.record(_directory(tmp_path), PASSED)
    assert ("out.csv", "w") in _downstream(recording, "raw.csv#a")

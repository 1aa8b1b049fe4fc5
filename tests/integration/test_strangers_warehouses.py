"""Warehouses in a file, as strangers fill and ask them: names that change, macros, transactions."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import polars as pl
import pytest
import strangers

NAMES = """
    import duckdb, pandas as pd
    con = duckdb.connect("w.duckdb")
    con.execute("CREATE TEMP TABLE a AS SELECT 1 AS x; DROP TABLE a;")  # @gone
    a = pd.read_csv("rates.csv")  # @a
    con.sql("FROM a").df().to_csv("a.csv")  # @frame
    con.execute("CREATE SCHEMA s; USE s; CREATE TABLE k AS FROM 'rates.csv'")  # @k
    con.execute("USE main")
    con.sql("FROM s.k").df().to_csv("k.csv")  # @read_k
    con.execute("ATTACH 'mart.duckdb' AS mart; CREATE TABLE mart.m AS FROM s.k")  # @mart
    con.sql("FROM mart.m").df().to_csv("m.csv")  # @read_m
    con.execute("BEGIN; CREATE TABLE t AS SELECT id, name FROM 'users.csv'")  # @t
    con.execute("CREATE INDEX i ON t(id)")
    con.execute("DROP TABLE IF EXISTS s.k")
    con.execute("SELECT * FROM t").df().to_csv("t.csv")  # @read_t
    con.execute("COMMIT")
    con.begin()
    con.execute("CREATE TABLE u AS FROM 'users.csv'")  # @undone
    con.execute("INSERT INTO t FROM 'more.csv'")  # @undone_t
    con.rollback()
    u = pd.read_csv("rates.csv")  # @u
    con.execute("FROM u").df().to_csv("u.csv")  # @read_u
    con.execute("COPY (SELECT name, id FROM t) TO 'again.csv'")  # @again
"""
NAMED = """
    duckdb.execute@gone: -> #a
    pandas.read_csv@a: rates.csv -> return
    duckdb.df@frame: pandas.read_csv@a -> return
    pandas.to_csv@frame: duckdb.df@frame -> a.csv
    duckdb.execute@k: rates.csv -> #s.k
    duckdb.df@read_k: #s.k -> return
    pandas.to_csv@read_k: duckdb.df@read_k -> k.csv
    duckdb.execute@mart: #s.k -> #main.m
    duckdb.df@read_m: #main.m -> return
    pandas.to_csv@read_m: duckdb.df@read_m -> m.csv
    duckdb.execute@t: users.csv -> #main.t
    duckdb.execute@read_t: #main.t -> return
    duckdb.df@read_t: duckdb.execute@read_t -> return
    pandas.to_csv@read_t: duckdb.df@read_t -> t.csv
    duckdb.execute@undone: users.csv ->
    duckdb.execute@undone_t: more.csv, #main.t ->
    pandas.read_csv@u: rates.csv -> return
    duckdb.execute@read_u: pandas.read_csv@u -> return
    duckdb.df@read_u: duckdb.execute@read_u -> return
    pandas.to_csv@read_u: duckdb.df@read_u -> u.csv
    duckdb.execute@again: #main.t -> again.csv
"""


def _tables(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    for name, table in {
        "rates": {"country": ["DE", "FR"], "rate": [1.0, 2.0]},
        "users": {"id": [1, 2], "name": ["a", "b"]},
        "more": {"id": [3, 4], "name": ["c", "d"]},
    }.items():
        pd.DataFrame(table).to_csv(directory / f"{name}.csv", index=False)
    return directory


def test_a_name_means_what_the_statements_before_it_left_it_to_mean(tmp_path: Path) -> None:
    recording = strangers.record(_tables(tmp_path), NAMES)
    assert recording.graph() == strangers.drawn(NAMED)
    assert recording.roots("a.csv") == recording.roots("u.csv") == {"rates.csv"}
    assert recording.roots("k.csv") == recording.roots("m.csv") == {"rates.csv"}
    assert "duckdb.execute" in recording.operations("again.csv")
    assert recording.columns("again.csv#name") == {"users.csv#name"}


MACROS = """
    import duckdb, pandas as pd
    con = duckdb.connect("w.duckdb")
    con.execute("CREATE TABLE t AS SELECT id, name FROM 'users.csv'")  # @t
    con.execute("CREATE MACRO newest() AS (SELECT max(id) FROM t)")
    con.execute("CREATE MACRO tax(a, r := 0.2) AS a * (1 + r)")
    con.execute("CREATE MACRO above(n) AS TABLE SELECT * FROM 'rates.csv' WHERE rate > n")
    con.execute("CREATE TYPE mood AS ENUM ('good', 'bad')")
    con.sql("SELECT newest() AS n, country FROM 'rates.csv'").df().to_csv("last.csv")  # @last
    con.sql("SELECT tax(rate) AS taxed FROM 'rates.csv'").df().to_csv("taxed.csv")  # @taxed
    con.execute("CREATE VIEW v AS FROM above(0) JOIN t ON true")
    con.sql("FROM v").df().to_csv("v.csv")  # @v
    users = pd.read_csv("more.csv")  # @more
    con.executemany("INSERT INTO t VALUES (?, ?)", list(users.itertuples(index=False)))  # @rows
    con.executemany("INSERT INTO t VALUES (?, ?)", [[7, "x"], [8, "y"]])  # @values
    con.execute("INSERT INTO t WITH r AS (SELECT 'c' AS c, id FROM t) "
                "PIVOT r ON c USING max(id) GROUP BY id")  # @pivot
    con.execute("FROM t").df().to_csv("t.csv")  # @read
    con.close()
"""
LATER = """
    import duckdb
    con = duckdb.connect("w.duckdb")
    con.sql("SELECT newest() AS n").df().to_csv("n.csv")  # @n
"""
CALLED = """
    duckdb.execute@t: users.csv -> #main.t
    duckdb.df@last: rates.csv, #main.t -> return
    pandas.to_csv@last: duckdb.df@last -> last.csv
    duckdb.df@taxed: rates.csv -> return
    pandas.to_csv@taxed: duckdb.df@taxed -> taxed.csv
    duckdb.df@v: rates.csv, #main.t -> return
    pandas.to_csv@v: duckdb.df@v -> v.csv
    pandas.read_csv@more: more.csv -> return
    duckdb.executemany@rows: pandas.read_csv@more, #main.t -> #main.t
    duckdb.executemany@values: ?, #main.t -> #main.t
    duckdb.execute: #main.t -> #main.t
    duckdb.execute@read: #main.t -> return
    duckdb.df@read: duckdb.execute@read -> return
    pandas.to_csv@read: duckdb.df@read -> t.csv
    duckdb.df@n: #main.t -> return
    pandas.to_csv@n: duckdb.df@n -> n.csv
"""


def test_what_a_macro_reads_and_the_rows_of_many_executions_are_inputs(tmp_path: Path) -> None:
    recording = strangers.record(_tables(tmp_path), MACROS, LATER)
    assert recording.graph() == strangers.drawn(CALLED)
    assert recording.roots("last.csv") == {"rates.csv", "users.csv"}
    assert recording.roots("t.csv") == {"users.csv", "more.csv", "?"}
    assert recording.roots("n.csv") == {"users.csv", "more.csv", "?"}
    assert recording.columns("last.csv#n") == {"users.csv#id", "users.csv#name", "opaque"}
    assert recording.columns("taxed.csv#taxed") == {"rates.csv#rate"}
    assert "opaque" in recording.columns("t.csv#name")


PUT = """
    import duckdb
    con = duckdb.connect("w.duckdb")
    con.execute("CREATE TABLE t AS SELECT id, name FROM 'users.csv'")  # @t
    con.sql("SELECT 2 * rate, country FROM 'rates.csv'").insert_into("t")  # @put
    con.sql("SELECT to_json(t) AS row, id FROM t").df().to_csv("t.csv")  # @read
"""


def test_what_a_relation_puts_into_a_table_is_put_by_position_on_top(tmp_path: Path) -> None:
    recording = strangers.record(_tables(tmp_path), PUT)
    assert recording.roots("t.csv") == {"users.csv", "rates.csv"}
    assert recording.columns("t.csv#id") == {"users.csv#id", "rates.csv#rate"}
    assert "opaque" in recording.columns("t.csv#row")


SIDES = """
    import duckdb
    con = duckdb.connect("w.duckdb")
    con.execute("CREATE TABLE IF NOT EXISTS t AS FROM 'users.csv';"  # @t
                "CREATE TABLE IF NOT EXISTS t AS FROM 'rates.csv'")
    one, other = con.cursor(), con.cursor()
    one.execute("BEGIN; INSERT INTO t FROM 'more.csv'")  # @begun
    one.execute("SELECT id FROM t").df().to_csv("inside.csv")  # @inside
    other.execute("SELECT name FROM t").df().to_csv("beside.csv")  # @beside
    one.execute("COMMIT")
    other.execute("SELECT id, name FROM t").df().to_csv("after.csv")  # @after
"""


def test_what_a_transaction_has_written_is_read_by_itself_until_it_is_committed(
    tmp_path: Path,
) -> None:
    recording = strangers.record(_tables(tmp_path), SIDES)
    assert recording.roots("inside.csv") == {"users.csv", "more.csv"}
    assert recording.roots("beside.csv") == {"users.csv"}
    assert recording.roots("after.csv") == {"users.csv", "more.csv"}


MOVED = """
    import duckdb, shutil
    con = duckdb.connect("w.duckdb")
    con.execute("CREATE SCHEMA s; CREATE TABLE s.t AS FROM 'users.csv'")  # @t
    con.execute("EXPORT DATABASE 'out' (FORMAT parquet)")  # @export
    shutil.move("out", "moved")  # @move
    other = duckdb.connect("other.duckdb")
    other.execute("IMPORT DATABASE 'moved'")  # @load
    other.sql("SELECT name FROM s.t").df().to_csv("names.csv")  # @names
    other.execute("ATTACH 'third.duckdb' AS third")
    other.execute("COPY FROM DATABASE other TO third")  # @copy
    other.sql("SELECT id FROM third.s.t").df().to_csv("ids.csv")  # @ids
"""


def test_a_database_that_is_copied_as_a_whole_is_copied_table_by_table(tmp_path: Path) -> None:
    recording = strangers.record(_tables(tmp_path), MOVED)
    files = "load.sql", "s_t.parquet", "schema.sql"
    out, moved = (
        ", ".join((one, *(f"{one}/{file}" for file in files))) for one in ("out", "moved")
    )
    assert recording.graph() == strangers.drawn(f"""
        duckdb.execute@t: users.csv -> #s.t
        duckdb.execute@export: #s.t -> {out}
        shutil.move@move: {out} -> {moved}
        duckdb.execute@load: moved/s_t.parquet -> #s.t
        duckdb.df@names: #s.t -> return
        pandas.to_csv@names: duckdb.df@names -> names.csv
        duckdb.execute@copy: #s.t -> #s.t
        duckdb.df@ids: #s.t -> return
        pandas.to_csv@ids: duckdb.df@ids -> ids.csv
    """)
    assert recording.roots("names.csv") == recording.roots("ids.csv") == {"users.csv"}


HANDED = """
    import duckdb, polars as pl, pyarrow as pa
    from deltalake import write_deltalake
    rel = duckdb.sql("SELECT id, upper(name) AS name FROM 'users.csv'")
    rows = pl.from_arrow(rel)  # @rows
    rows.to_frame("row").unnest("row").write_ndjson("rows.json")  # @out
    frame = pl.DataFrame(rel.filter("id > 1"))  # @frame
    frame.write_csv("frame.csv")  # @written
    write_deltalake("lake", duckdb.sql("FROM 'rates.csv'"))  # @lake
    named = duckdb.sql("SELECT name, 1.0 AS id FROM frame")
    write_deltalake("lake", named, mode="overwrite", schema_mode="overwrite")  # @over
    pl.DataFrame(pa.table(duckdb.sql("FROM 'more.csv'"))).write_csv("more.parquet")  # @more
    again = pl.DataFrame(rel)  # @again
    again.write_parquet("again.parquet")  # @kept
    del rel
"""


def test_a_relation_that_another_library_runs_by_itself_is_an_operation(tmp_path: Path) -> None:
    recording = strangers.record(_tables(tmp_path), HANDED)
    assert recording.graph() == strangers.drawn("""
        duckdb.arrow_c_stream@rows: users.csv -> return
        polars.from_arrow@rows: duckdb.arrow_c_stream@rows -> return
        polars.unnest@out: polars.from_arrow@rows -> return
        polars.write_ndjson@out: polars.unnest@out -> rows.json
        duckdb.arrow_c_stream@frame: users.csv -> return
        polars.DataFrame@frame: duckdb.arrow_c_stream@frame -> self
        polars.write_csv@written: polars.DataFrame@frame -> frame.csv
        duckdb.arrow_c_stream@lake: rates.csv -> return
        deltalake.write_deltalake@lake: duckdb.arrow_c_stream@lake -> lake
        duckdb.arrow_c_stream@over: polars.DataFrame@frame -> return
        deltalake.write_deltalake@over: duckdb.arrow_c_stream@over -> lake
        duckdb.arrow_c_stream@more: more.csv -> return
        pyarrow.table@more: duckdb.arrow_c_stream@more -> return
        polars.DataFrame@more: pyarrow.table@more -> self
        polars.write_csv@more: polars.DataFrame@more -> more.parquet
        duckdb.arrow_c_stream@again: users.csv -> return
        polars.DataFrame@again: duckdb.arrow_c_stream@again -> self
        polars.write_parquet@kept: polars.DataFrame@again -> content, again.parquet
    """)
    assert recording.roots("lake") == recording.roots("rows.json") == {"users.csv"}
    assert recording.columns("frame.csv#name") == {"users.csv#name"}
    assert "users.csv#name" in recording.columns("lake#name")


SCANNED = """
    import duckdb, polars as pl
    rel = duckdb.sql("SELECT id, upper(name) AS name FROM 'users.csv'")
    lazy = pl.scan_arrow_c_stream(rel).filter(pl.col("id") > 1)  # @scan
    lazy.collect().write_csv("scanned.csv")  # @collect
"""


@pytest.mark.skipif(not hasattr(pl, "scan_arrow_c_stream"), reason="Polars cannot scan a stream")
def test_a_relation_that_polars_scans_is_run_for_that(tmp_path: Path) -> None:
    recording = strangers.record(_tables(tmp_path), SCANNED)
    assert recording.graph() == strangers.drawn("""
        duckdb.arrow_c_stream@scan: users.csv -> return
        polars.collect@collect: duckdb.arrow_c_stream@scan -> return
        polars.write_csv@collect: polars.collect@collect -> scanned.csv
    """)
    assert recording.roots("scanned.csv") == {"users.csv"}


SCRIPTS = """
    import duckdb, pandas as pd
    con = duckdb.connect("w.duckdb")
    users = pd.read_csv("more.csv")  # @frame
    con.execute("CREATE SCHEMA stage; CREATE SCHEMA mart")
    text = "CREATE TABLE stage.users AS FROM 'users.csv'; CREATE TABLE mart.u AS FROM users"
    con.execute(text)  # @users
    text = "CREATE VIEW stage.v AS FROM stage.users; CREATE TABLE mart.v AS FROM stage.v"
    con.execute(text)  # @view
    text = "CREATE OR REPLACE VIEW stage.v AS FROM 'rates.csv'; CREATE TABLE mart.r AS FROM stage.v"
    con.execute(text)  # @again
    text = "CREATE TEMP VIEW t AS FROM 'rates.csv'; CREATE TABLE mart.t AS FROM t; DROP VIEW t"
    con.execute(text)  # @temporary
    con.execute("CREATE MACRO m() AS (SELECT max(id) FROM stage.users);"  # @macro
                "CREATE TABLE mart.m AS SELECT m() AS m")
    con.execute("CREATE VIEW IF NOT EXISTS stage.v AS FROM 'more.csv'")
    con.execute("CREATE MACRO IF NOT EXISTS m() AS (SELECT max(rate) FROM 'rates.csv')")
    con.execute("CREATE TABLE mart.kept AS SELECT *, m() AS m FROM stage.v")  # @kept
    text = "CREATE VIEW IF NOT EXISTS stage.v AS FROM 'more.csv'; CREATE TABLE mart.l AS FROM stage.v"
    con.execute(text)  # @still
    rows = con.sql("CREATE TABLE stage.n AS FROM 'more.csv'; SELECT count(*) AS n FROM stage.n")  # @n
    rows.df().to_csv("n.csv")  # @count
"""  # noqa: E501
SCRIPTED = """
    pandas.read_csv@frame: more.csv -> return
    duckdb.execute@users: users.csv -> #stage.users
    duckdb.execute@users: pandas.read_csv@frame -> #mart.u
    duckdb.execute@view: #stage.users -> #mart.v
    duckdb.execute@again: rates.csv -> #mart.r
    duckdb.execute@temporary: rates.csv -> #mart.t
    duckdb.execute@macro: #stage.users -> #mart.m
    duckdb.execute@kept: rates.csv, #stage.users -> #mart.kept
    duckdb.execute@still: rates.csv -> #mart.l
    duckdb.sql@n: more.csv -> #stage.n
    duckdb.df@count: #stage.n -> return
    pandas.to_csv@count: duckdb.df@count -> n.csv
"""


def test_names_that_a_script_has_made_mean_that_to_its_later_statements(tmp_path: Path) -> None:
    recording = strangers.record(_tables(tmp_path), SCRIPTS)
    assert recording.graph() == strangers.drawn(SCRIPTED)
    assert recording.roots("n.csv") == {"more.csv"}


READ = """
    import duckdb, pathlib
    con = duckdb.connect("w.duckdb")
    for path in sorted(pathlib.Path("sql").glob("*.sql")):
        con.execute(path.read_text())  # @file
    con.sql(pathlib.Path("report.sql").read_text()).df().to_csv("report.csv")  # @report
    for statement in duckdb.extract_statements(pathlib.Path("sql/2_all.sql").read_text()):
        con.execute(statement)  # @each
"""
READ_DRAWN = """
    duckdb.execute@file: users.csv -> #main.users
    duckdb.execute@file: #main.users -> #main.all
    duckdb.df@report: #main.all -> return
    pandas.to_csv@report: duckdb.df@report -> report.csv
    duckdb.execute@each: #main.users -> #main.all
"""
FILES = {
    "sql/1_users.sql": "-- of; the shop\nCREATE TABLE users AS FROM 'users.csv';\n-- end; of it\n",
    "sql/2_all.sql": 'CREATE OR REPLACE TABLE "all" AS SELECT name AS n, id FROM users;\n/* ; */\n',
    "report.sql": 'SELECT n, id -- the names; all\nFROM "all"\nORDER BY id; -- at last\n',
}


def test_comments_around_statements_are_none(tmp_path: Path) -> None:
    directory = _tables(tmp_path)
    (directory / "sql").mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    recording = strangers.record(directory, READ)
    assert recording.graph() == strangers.drawn(READ_DRAWN)
    assert recording.columns("report.csv#n") == {"users.csv#name"}


TEMPORARY = """
    import sqlite3, pandas as pd
    con = sqlite3.connect("w.db")
    pd.read_csv("users.csv").to_sql("t", con, index=False)  # @t
    con.execute("CREATE TABLE temp.t (country TEXT, rate REAL)")  # @temp
    rates = pd.read_csv("rates.csv")  # @rates
    con.executemany("INSERT INTO temp.t VALUES (?, ?)", rates.itertuples(index=False))  # @rows
    con.commit()
    con.execute("CREATE TABLE new AS SELECT country FROM t")  # @new
    con.execute("CREATE TABLE kept AS SELECT name FROM main.t")  # @kept
    con.execute("DROP TABLE t")
    con.execute("ALTER TABLE new RENAME TO old")  # @old
    con.commit()
    pd.read_sql("SELECT country FROM old", con).to_csv("old.csv", index=False)  # @read_old
    pd.read_sql("SELECT id FROM t", con).to_csv("t.csv", index=False)  # @read_t
    pd.read_sql("SELECT name FROM kept", con).to_csv("kept.csv", index=False)  # @read_kept
"""


def test_a_table_of_the_schema_temp_is_a_temporary_one(tmp_path: Path) -> None:
    recording = strangers.record(_tables(tmp_path), TEMPORARY)
    assert recording.roots("old.csv") == {"rates.csv"}
    assert recording.roots("t.csv") == recording.roots("kept.csv") == {"users.csv"}
    assert "sqlite3.execute" in recording.operations("old.csv")
    assert recording.columns("t.csv#id") == {"users.csv#id"}


HEADERS = """
    import duckdb
    con = duckdb.connect("w.duckdb")
    con.execute("CREATE TABLE a (x INT, y VARCHAR); COPY a FROM 'users.csv' (HEADER)")
    con.execute("CREATE TABLE b (x VARCHAR, y DOUBLE);"
                "COPY b (y, x) FROM 'swapped.csv' (FORMAT csv, HEADER true, DELIM ';')")
    con.execute("CREATE TEMP VIEW v AS SELECT * FROM read_csv(['users.csv'], header = TRUE)")
    con.execute("CREATE TABLE c (y INT, x VARCHAR); INSERT INTO c (y, x) SELECT * FROM v")
    con.execute("CREATE TABLE d (x INT, y VARCHAR); COPY d FROM 'quoted.csv' (HEADER)")
    con.execute("CREATE TABLE e (x INT, y VARCHAR); COPY e FROM 'users.csv' (HEADER, SKIP 1)")
    for name in "abcde":
        con.sql(f"SELECT y, x FROM {name}").df().to_csv(f"{name}.csv", index=False)
"""


def test_the_first_line_of_a_file_names_its_columns_where_the_statement_says_so(
    tmp_path: Path,
) -> None:
    directory = _tables(tmp_path)
    (directory / "swapped.csv").write_text("rate;country\n1.5;DE\n")
    (directory / "quoted.csv").write_text('"id",name\n1,a\n')
    recording = strangers.record(directory, HEADERS)
    assert recording.columns("a.csv#y") == recording.columns("c.csv#x") == {"users.csv#name"}
    assert recording.columns("b.csv#y") == {"swapped.csv#rate"}
    assert recording.columns("d.csv#y") == {"quoted.csv#None", "opaque"}
    assert recording.columns("e.csv#y") == {"users.csv#None", "opaque"}

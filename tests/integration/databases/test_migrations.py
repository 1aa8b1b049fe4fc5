"""Scripts that change the tables of a PostgreSQL as strangers write them."""

from __future__ import annotations

from pathlib import Path

import pytest
import strangers

MIGRATES = """
    import os
    import pandas as pd, DRIVER
    from sqlalchemy import create_engine
    engine = create_engine(os.environ["DSN"].replace("postgresql:", "postgresql+DRIVER:"))
    pd.read_csv("raw.csv").to_sql("raw", engine, index=False)  # @raw
    con = DRIVER.connect(os.environ["DSN"])
    cur = con.cursor()
    cur.execute("CREATE TABLE t (id int, amt int)")  # @t
    cur.execute("PREPARE put (int) AS INSERT INTO t SELECT id, amt FROM raw WHERE id = $1")
    cur.execute("EXECUTE put (1)")  # @put
    cur.execute("PREPARE get AS SELECT id, amt FROM t")
    cur.execute("EXECUTE get")  # @get
    rows = cur.fetchall()
    cur.execute("DEALLOCATE put")
    cur.execute("CREATE ROLE reader_of_them")
    cur.execute("CREATE SCHEMA IF NOT EXISTS old AUTHORIZATION otelprov")
    cur.execute("GRANT USAGE ON SCHEMA old TO reader_of_them")
    cur.execute("ALTER TABLE t OWNER TO otelprov")
    cur.execute("ALTER TABLE t RENAME amt TO amount")  # @column
    cur.execute("ALTER TABLE t SET SCHEMA old")  # @move
    cur.execute("CREATE MATERIALIZED VIEW mv AS SELECT amount AS m FROM old.t WITH NO DATA")  # @mv
    cur.execute("REFRESH MATERIALIZED VIEW mv")  # @refresh
    cur.execute("DROP OWNED BY reader_of_them; DROP ROLE reader_of_them")
    con.commit()
    pd.DataFrame(rows, columns=["id", "amt"]).to_csv("rows.csv", index=False)  # @rows
    pd.read_sql("SELECT m FROM mv", engine).to_csv("mv.csv", index=False)  # @view
    pd.read_sql("SELECT amount AS a FROM old.t", engine).to_csv("t.csv", index=False)  # @old
"""
DRAWN = """
    pandas.read_csv@raw: raw.csv -> return
    pandas.to_sql@raw: pandas.read_csv@raw -> #public.raw
    DRIVER.execute@t: -> #public.t
    DRIVER.execute@put: #public.raw, #public.t -> #public.t
    DRIVER.execute@get: #public.t -> return
    DRIVER.execute@column: #public.t -> #public.t
    DRIVER.execute@move: #public.t -> #old.t
    DRIVER.execute@mv: -> #public.mv
    DRIVER.execute@refresh: #old.t -> #public.mv
    pandas.to_csv@rows: DRIVER.execute@get -> rows.csv
    pandas.read_sql@view: #public.mv -> return
    pandas.to_csv@view: pandas.read_sql@view -> mv.csv
    pandas.read_sql@old: #old.t -> return
    pandas.to_csv@old: pandas.read_sql@old -> t.csv
"""


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_tables_are_followed_through_what_a_migration_does(
    tmp_path: Path, dsn: str, driver: str
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "raw.csv").write_text("id,amt\n1,5\n2,6\n")
    program = MIGRATES.replace("DRIVER", driver)
    recording = strangers.record(directory, program, DSN=dsn)
    assert recording.graph() == strangers.drawn(DRAWN.replace("DRIVER", driver))
    for name in ("rows.csv", "mv.csv", "t.csv"):
        assert recording.roots(name) == {"raw.csv"}
    assert recording.columns("rows.csv#amt") >= {"raw.csv#amt"}


SHADOWS = """
    import sqlite3
    import pandas as pd
    con = sqlite3.connect("x.db", isolation_level=None)
    pd.read_csv("raw.csv").to_sql("t", con, index=False)  # @t
    pd.read_csv("more.csv").to_sql("u", con, index=False)  # @u
    con.executescript(
        "CREATE TEMP TABLE t AS SELECT id, amt * 2 AS amt FROM u;"
        "INSERT INTO main.t SELECT id, 0 FROM main.t;"
        "CREATE TABLE kept AS SELECT amt AS k FROM main.t;"
        "CREATE TABLE other AS SELECT amt AS o FROM t;"
    )
    pd.read_sql("SELECT k FROM kept", con).to_csv("kept.csv", index=False)  # @kept
    pd.read_sql("SELECT o FROM other", con).to_csv("other.csv", index=False)  # @other
"""


def test_a_table_of_main_is_not_the_temporary_one_of_its_name(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    for name in ("raw.csv", "more.csv"):
        (directory / name).write_text("id,amt\n1,5\n2,6\n" + "3,7\n" * (name == "more.csv"))
    recording = strangers.record(directory, SHADOWS)
    assert recording.roots("kept.csv") == {"raw.csv"}
    assert recording.roots("other.csv") == {"more.csv"}
    assert recording.columns("kept.csv#k") == {"raw.csv#amt"}
    assert recording.columns("other.csv#o") == {"more.csv#amt"}


PATHS = """
    import os
    import pandas as pd, psycopg
    from sqlalchemy import create_engine
    engine = create_engine(os.environ["DSN"].replace("postgresql:", "postgresql+psycopg:"))
    with psycopg.connect(os.environ["DSN"], autocommit=True) as con:
        con.execute("CREATE SCHEMA s")
        pd.read_csv("raw.csv").to_sql("t", engine, index=False)  # @t
        pd.read_csv("more.csv").to_sql("t", engine, schema="s", index=False)  # @s
        con.execute("SET search_path TO s, public")
        def read(name):
            rows = con.execute("SELECT amt FROM t").fetchall()
            pd.DataFrame(rows, columns=["amt"]).to_csv(name, index=False)
        read("s.csv")
        with con.transaction():
            con.execute("SET LOCAL search_path TO public")
            read("local.csv")
        read("after.csv")
        con.execute("SELECT set_config('search_path', 'public', false)")
        read("public.csv")
"""


def test_a_search_path_of_one_transaction_is_over_with_that(tmp_path: Path, dsn: str) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    for name in ("raw.csv", "more.csv"):
        (directory / name).write_text("id,amt\n1,5\n2,6\n" + "3,7\n" * (name == "more.csv"))
    recording = strangers.record(directory, PATHS, DSN=dsn)
    assert recording.roots("s.csv") == recording.roots("after.csv") == {"more.csv"}
    assert recording.roots("local.csv") == recording.roots("public.csv") == {"raw.csv"}

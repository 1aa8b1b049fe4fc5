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

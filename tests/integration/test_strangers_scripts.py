"""Scripts of SQL, as strangers have a warehouse built by them: each statement is an operation."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import strangers

BUILD = """
    import duckdb
    con = duckdb.connect("w.duckdb")
    con.execute(open("build.sql").read())  # @build
    con.sql("FROM mart.totals").write_csv("totals.csv")  # @totals
    con.sql("FROM 'again.csv'").write_csv("names.csv")  # @names
"""
STATEMENTS = """
CREATE SCHEMA raw; CREATE SCHEMA mart;
CREATE TABLE raw.orders AS FROM 'orders.csv';
CREATE TEMP TABLE users AS SELECT id, name FROM 'users.csv';
INSERT INTO users VALUES (7, 'x'); INSERT INTO users VALUES (8, 'y');
PREPARE p AS INSERT INTO users SELECT id, name FROM 'more.csv' WHERE id = $1; EXECUTE p(3);
-- the marts; of all
CREATE VIEW mart.named AS SELECT name, amount FROM raw.orders JOIN users ON user_id = id;
BEGIN;
CREATE TABLE mart.totals AS SELECT name, sum(amount) AS total FROM mart.named GROUP BY name;
CREATE TABLE mart.names AS SELECT name FROM users;
COMMIT;
COPY mart.names TO 'names.parquet';
COPY (SELECT name AS n FROM 'names.parquet') TO 'again.csv';
"""
BUILT = """
    duckdb.execute@build: orders.csv -> #raw.orders
    duckdb.execute@build: users.csv -> #users
    duckdb.execute@build: #users -> #users
    duckdb.execute@build: more.csv, #users -> #users
    duckdb.execute@build: #raw.orders, #users -> #mart.totals
    duckdb.execute@build: #users -> #mart.names
    duckdb.execute@build: #mart.names -> names.parquet
    duckdb.execute@build: names.parquet -> again.csv
    duckdb.write_csv@totals: #mart.totals -> totals.csv
    duckdb.write_csv@names: again.csv -> names.csv
"""


def _tables(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    for name, table in {
        "users": {"id": [1, 2], "name": ["a", "b"]},
        "more": {"id": [3, 4], "name": ["c", "d"]},
        "orders": {"user_id": [1, 2, 2], "amount": [1.0, 2.0, 3.0]},
    }.items():
        pd.DataFrame(table).to_csv(directory / f"{name}.csv", index=False)
    return directory


def test_each_statement_of_a_text_has_its_own_inputs(tmp_path: Path) -> None:
    directory = _tables(tmp_path)
    (directory / "build.sql").write_text(STATEMENTS)
    recording = strangers.record(directory, BUILD)
    assert recording.graph() == strangers.drawn(BUILT)
    assert recording.roots("totals.csv") == {"orders.csv", "users.csv", "more.csv"}
    assert recording.roots("names.csv") == {"users.csv", "more.csv"}
    assert "users.csv#name" in recording.columns("names.csv#n")


EMPTIED = """
    import duckdb, sqlite3, pandas as pd
    con = duckdb.connect("w.duckdb")
    con.execute("CREATE TABLE t AS FROM 'users.csv'; CREATE TABLE u AS FROM 'users.csv'")
    con.execute("CREATE TABLE v AS FROM 'users.csv'")
    con.execute("BEGIN; DELETE FROM t; INSERT INTO t FROM 'more.csv'; COMMIT")
    con.execute("DELETE FROM u WHERE id = 1")
    con.execute("INSERT INTO u FROM 'more.csv'")
    con.begin()
    con.execute("TRUNCATE v")  # @undone
    con.execute("FROM v").fetchall()
    con.execute("CREATE TABLE x AS FROM 'orders.csv'")
    con.sql("SELECT *, 1 AS one FROM x").write_csv("inside.csv")
    con.rollback()
    other = con.cursor()
    other.execute("BEGIN; CREATE TABLE w AS FROM 'more.csv'")  # @left
    con.close()
    db = sqlite3.connect("w.db")
    pd.read_csv("users.csv").to_sql("t", db, index=False)
    db.executescript(open("more.sql").read())  # @script
    pd.read_csv("more.csv").to_sql("t", db, index=False, if_exists="append")
    try:
        with db:
            db.execute("DELETE FROM live")  # @failed
            raise ValueError
    except ValueError:
        db.close()
"""
SCRIPT = """
CREATE TABLE live AS SELECT * FROM t; CREATE TABLE next AS SELECT name FROM t; DELETE FROM t;
BEGIN; DELETE FROM next; ROLLBACK; VACUUM;
BEGIN; ALTER TABLE live RENAME TO old; ALTER TABLE next RENAME TO live; DROP TABLE old; COMMIT;
"""
READ = """
    import duckdb, sqlite3, pandas as pd
    con = duckdb.connect("w.duckdb")
    for name in ("t", "u", "v"):
        con.sql(f"SELECT *, 1 AS one FROM {name}").write_csv(f"{name}.csv")
    db = sqlite3.connect("w.db")
    pd.read_sql("SELECT * FROM t", db).to_csv("sqlite.csv")
    pd.read_sql("SELECT * FROM live", db).to_csv("live.csv")
"""


def test_what_an_emptied_table_held_is_no_source_unless_it_is_taken_back(tmp_path: Path) -> None:
    directory = _tables(tmp_path)
    (directory / "more.sql").write_text(SCRIPT)
    recording = strangers.record(directory, EMPTIED, READ)
    graph = recording.graph()
    assert graph["duckdb.execute@undone:  -> "] == graph["sqlite3.execute@failed:  -> "] == 1
    assert graph["duckdb.execute@left: more.csv -> "] == 1
    assert graph["sqlite3.executescript@script:  -> "] == 1  # rolled back
    assert recording.roots("t.csv") == recording.roots("sqlite.csv") == {"more.csv"}
    assert recording.roots("u.csv") == {"users.csv", "more.csv"}
    assert recording.roots("inside.csv") == {"orders.csv"}
    assert recording.columns("inside.csv#amount") == {"orders.csv#amount"}
    assert recording.roots("v.csv") == recording.roots("live.csv") == {"users.csv"}
    assert recording.columns("live.csv#name") == {"users.csv#name"}
    assert recording.columns("sqlite.csv#name") == {"more.csv#name"}


THREADS = """
    import duckdb, threading
    con = duckdb.connect("w.duckdb")
    con.execute("CREATE TABLE t (id INT, name VARCHAR)")
    both = threading.Barrier(2)

    def meet(number: int) -> int:
        both.wait(60)
        return number

    def load(path):
        con.cursor().execute(f"INSERT INTO t SELECT meet(1), name FROM '{path}' LIMIT 1")

    con.create_function("meet", meet, side_effects=True)
    threads = [threading.Thread(target=load, args=(path,)) for path in ("users.csv", "more.csv")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    con.sql("SELECT *, 1 AS one FROM t").write_csv("t.csv")
    con.remove_function("meet")
    con.close()
"""


def test_tables_that_threads_write_at_once_come_from_both(tmp_path: Path) -> None:
    recording = strangers.record(_tables(tmp_path), THREADS)
    assert recording.roots("t.csv") == {"users.csv", "more.csv"}


ADDED = """
    import sqlite3, pandas as pd
    users, more = pd.read_csv("users.csv"), pd.read_csv("more.csv")
    users[["name", "id"]].to_csv("all.csv", index=False)
    more[["name", "id"]].to_csv("all.csv", index=False, mode="a", header=False)
    with sqlite3.connect("w.db") as db:
        users.to_sql("t", db, index=False)
        more.to_sql("t", db, index=False, if_exists="append")
    pd.read_sql("SELECT name FROM t", db).to_csv("t.csv", index=False)
    more.to_sql("t", db, index=False, if_exists="replace")
    pd.read_sql("SELECT name FROM t", db).to_csv("replaced.csv", index=False)
    db.close()
"""


def test_columns_of_what_is_added_to_come_from_what_was_there_before(tmp_path: Path) -> None:
    recording = strangers.record(_tables(tmp_path), ADDED)
    both = {"users.csv#name", "more.csv#name"}
    assert recording.columns("all.csv#name") == recording.columns("t.csv#name") == both
    assert recording.columns("replaced.csv#name") == {"more.csv#name"}


FILES = """
    import duckdb, os, pathlib, shutil, sqlite3, pandas as pd
    with duckdb.connect("live.duckdb") as con:
        con.execute("CREATE TABLE t AS FROM 'more.csv'")
    with duckdb.connect("next.duckdb") as con:
        con.execute("CREATE TABLE t AS SELECT id, name FROM 'users.csv'")
        con.execute("CREATE SCHEMA s; CREATE TABLE s.o AS SELECT * FROM 'orders.csv'")
    shutil.copy("next.duckdb", "backup.duckdb")  # @backup
    os.replace("next.duckdb", "live.duckdb")  # @swap
    with duckdb.connect("live.duckdb") as con:
        con.sql("SELECT id, name, 1 AS one FROM t").write_csv("now.csv")
    db = sqlite3.connect("made.db")
    pd.read_csv("users.csv").to_sql("Users", db, index=False)
    pd.read_csv("orders.csv").to_sql("orders", db, index=False)
    db.close()
"""
MOVED = """
    import os, pathlib, shutil
    os.makedirs("old")
    shutil.copy2("made.db", "old")  # @copied
    pathlib.Path("made.db").rename("kept.db")  # @renamed
"""
OPENED = """
    import duckdb, sqlite3, pandas as pd
    for name in ("backup", "live"):
        with duckdb.connect(f"{name}.duckdb") as con:
            con.sql("SELECT id, name, 1 AS one FROM t").write_csv(f"{name}.csv")
    with duckdb.connect("backup.duckdb") as con:
        con.sql("SELECT amount FROM s.o").write_csv("amounts.csv")
    for path in ("old/made.db", "kept.db"):
        db = sqlite3.connect(path)
        pd.read_sql("SELECT name FROM users", db).to_csv(f"{path[:3]}.csv", index=False)
        db.close()
"""


def test_tables_of_a_database_file_that_is_copied_or_moved_are_those_of_the_first(
    tmp_path: Path,
) -> None:
    recording = strangers.record(_tables(tmp_path), FILES, MOVED, OPENED)
    graph = recording.graph()
    for line in (
        "shutil.copy@backup: #main.t, #s.o, next.duckdb -> #main.t, #s.o, backup.duckdb",
        "os.replace@swap: #main.t, #s.o, next.duckdb -> #main.t, #s.o, live.duckdb",
        "shutil.copy2@copied: #orders, #users, made.db -> #orders, #users, old/made.db",
        "os.rename@renamed: #orders, #users, made.db -> #orders, #users, kept.db",
    ):
        assert graph[line] == 1
    for name in ("now.csv", "backup.csv", "live.csv", "old.csv", "kep.csv"):
        assert recording.roots(name) == {"users.csv"}
        assert recording.columns(f"{name}#name") == {"users.csv#name"}
    assert recording.roots("amounts.csv") == {"orders.csv"}
    assert recording.roots("backup.duckdb") == {"next.duckdb"}


STARS = """
    import duckdb
    con = duckdb.connect("w.duckdb")
    con.execute("CREATE VIEW v AS SELECT o.*, u.name FROM 'orders.csv' o JOIN 'users.csv' u ON id = 1")
    con.execute("COPY (SELECT *, user_id % 2 AS part FROM v) TO 'out' (FORMAT parquet, PARTITION_BY part)")
"""  # noqa: E501


def test_a_file_may_have_columns_that_no_name_in_the_statement_says(tmp_path: Path) -> None:
    recording = strangers.record(_tables(tmp_path), STARS)
    (path,) = recording.directory.glob("out/part=1/*.parquet")
    assert "opaque" in recording.columns(f"{path.relative_to(recording.directory)}#amount")


WORKERS = """
    import multiprocessing, sqlite3, subprocess, sys
    import duckdb, pandas as pd

    def load(path):
        db = sqlite3.connect("w.db", timeout=60)
        pd.read_csv(path).to_sql("t", db, index=False, if_exists="append")
        db.execute("INSERT INTO t SELECT id + 10, name FROM t WHERE id < 10")
        db.commit()
        db.close()

    if __name__ == "__main__":
        method = "spawn"
        db = sqlite3.connect("w.db")
        db.execute("CREATE TABLE t (id INT, name TEXT)")
        with multiprocessing.get_context(method).Pool(2) as pool:
            pool.map(load, ["users.csv", "more.csv"])
        pd.read_sql("SELECT * FROM t", db).to_csv("t.csv")
        with duckdb.connect("w.duckdb") as con:
            con.execute("CREATE TABLE t AS SELECT name FROM 'users.csv'")
        program = "import duckdb; duckdb.connect('w.duckdb').execute(open('refresh.sql').read())"
        subprocess.run([sys.executable, "-c", program], check=True)
        with duckdb.connect("w.duckdb") as con:
            con.sql("SELECT name, 1 AS one FROM t").write_csv("refreshed.csv")
"""


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_tables_that_other_processes_write_meanwhile_come_from_them_too(
    method: str, tmp_path: Path
) -> None:
    program = WORKERS.replace("spawn", method)
    directory = _tables(tmp_path)
    refresh = "DELETE FROM t; INSERT INTO t SELECT name FROM 'more.csv'"
    (directory / "refresh.sql").write_text(refresh)
    recording = strangers.record(directory, program)
    assert recording.roots("t.csv") == {"users.csv", "more.csv"}
    assert recording.roots("refreshed.csv") == {"more.csv"}


BROKEN = """
    import duckdb
    con = duckdb.connect("w.duckdb")
    script = (
        "CREATE TABLE a AS FROM 'users.csv'; INSERT INTO a FROM 'more.csv'; "
        "CREATE TABLE b AS FROM 'orders.csv'; CREATE TABLE c AS FROM 'nowhere.csv'; "
        "CREATE TABLE d AS FROM a"
    )
    try:
        con.execute(script)  # @broken
    except duckdb.Error as error:
        print(type(error).__name__)
    con.sql("SELECT *, 1 AS one FROM a").write_csv("a.csv")
    script = "CREATE TABLE e AS FROM a; BEGIN; CREATE TABLE f AS FROM b; SELECT nothing"
    try:
        con.execute(script)  # @f
    except duckdb.Error:
        con.rollback()
    con.sql("SELECT *, 1 AS one FROM e").write_csv("e.csv")
"""


def test_of_a_text_that_fails_what_came_before_a_new_table_was_carried_out(tmp_path: Path) -> None:
    recording = strangers.record(_tables(tmp_path), BROKEN)
    assert {line for line in recording.graph() if "@broken" in line or "@f" in line} == {
        "duckdb.execute@broken: users.csv -> #main.a",
        "duckdb.execute@broken: #main.a, more.csv -> #main.a",
        "duckdb.execute@broken: orders.csv -> #main.b",
        "duckdb.execute@broken!:  -> ",
        "duckdb.execute@broken!: #main.a -> ",
        "duckdb.execute@f: #main.a -> #main.e",
        "duckdb.execute@f!: #main.b -> ",
        "duckdb.execute@f!:  -> ",
    }
    assert recording.roots("a.csv") == recording.roots("e.csv") == {"users.csv", "more.csv"}


EXPORTED = """
    import duckdb
    con = duckdb.connect()
    con.execute("CREATE TABLE users AS SELECT id, name FROM 'users.csv'; CREATE SCHEMA s;"
                "CREATE TABLE s.orders AS SELECT user_id, amount FROM 'orders.csv'")
    con.execute("-- all of it\\nEXPORT DATABASE 'out' (FORMAT parquet)")
    other = duckdb.connect()
    other.execute("IMPORT DATABASE 'out'")
    other.sql("SELECT *, 1 AS one FROM users").write_csv("names.csv")
    other.sql("SELECT amount, 1 AS one FROM s.orders").write_csv("amounts.csv")
"""


def test_each_file_of_an_exported_database_is_one_table(tmp_path: Path) -> None:
    recording = strangers.record(_tables(tmp_path), EXPORTED)
    assert recording.roots("names.csv") == {"users.csv"}
    assert recording.roots("amounts.csv") == {"orders.csv"}
    assert {"orders.csv#amount", "opaque"} <= recording.columns("amounts.csv#amount")
    assert recording.roots("out") == {"users.csv", "orders.csv"}

"""Rows that a loop writes one by one, each by a statement of its own, come from somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import strangers

pytest.importorskip("duckdb")

LOOPS = """
    import csv, duckdb, sqlite3
    import pandas as pd
    duck = duckdb.connect("w.duckdb")
    lite = sqlite3.connect("w.db", isolation_level=None)  # each statement is committed
    for table in ("said", "given", "seed"):
        duck.execute(f"CREATE TABLE {table} (id INT, name VARCHAR)")
        lite.execute(f"CREATE TABLE {table} (id INT, name TEXT)")
    with open("people.csv") as file:
        for row in csv.DictReader(file):
            duck.execute(f"INSERT INTO said VALUES ({row['id']}, '{row['name']}')")
            duck.execute("INSERT INTO given VALUES (?, ?)", [row["id"], row["name"]])
            lite.execute(f"INSERT INTO said VALUES ({row['id']}, '{row['name']}')")
            lite.execute("INSERT INTO given VALUES (?, ?)", (row["id"], row["name"]))
    for con in (duck, lite):
        con.execute("INSERT INTO seed VALUES (1, 'one')")
        con.execute("INSERT INTO seed VALUES (2, 'two')")
    for name in ("said", "given", "seed"):
        duck.sql(f"FROM {name}").df().to_csv(f"duck_{name}.csv", index=False)
        pd.read_sql(f"SELECT * FROM {name}", lite).to_csv(f"lite_{name}.csv", index=False)
"""
COPIES = """
    import duckdb
    con = duckdb.connect("w.duckdb")
    con.execute("CREATE TABLE whole (id INT, name VARCHAR)")
    for part in ("people", "more"):
        con.execute(f"INSERT INTO whole SELECT * FROM '{part}.csv'")
    con.sql("SELECT *, 1 AS one FROM whole").write_csv("whole.csv")
"""


def _directory(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "people.csv").write_text("id,name\n1,a\n2,b\n3,c\n")
    (directory / "more.csv").write_text("id,name\n4,d\n")
    return directory


def test_rows_of_a_loop_are_of_unknown_origin_and_those_in_a_text_are_none(tmp_path: Path) -> None:
    recording = strangers.record(_directory(tmp_path), LOOPS)
    for database in ("duck", "lite"):
        assert recording.roots(f"{database}_said.csv") == {"?"}
        assert recording.roots(f"{database}_given.csv") == {"?"}
        assert recording.roots(f"{database}_seed.csv") == set()


def test_what_a_loop_copies_from_files_is_known(tmp_path: Path) -> None:
    recording = strangers.record(_directory(tmp_path), COPIES)
    assert recording.roots("whole.csv") == {"people.csv", "more.csv"}

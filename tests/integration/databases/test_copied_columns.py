"""Files that are copied into tables: each column comes from the one that stands at its place."""

from __future__ import annotations

from pathlib import Path

import strangers

FRAME = """
    import pandas as pd
    df = pd.read_csv("raw.csv")
    df["name"] = df["name"].str.upper()
    df.to_csv("plain.csv", index=False)
    df.set_index("id")[["v", "name"]].to_csv("indexed.csv")
"""
DUCKDB = """
    import duckdb
    con = duckdb.connect("w.duckdb")
    con.execute("CREATE TABLE plain (k INT, n VARCHAR, w INT)")
    con.execute("COPY plain FROM 'plain.csv' (HEADER)")
    con.execute("CREATE TABLE listed (more INT, w INT, n VARCHAR, k INT)")
    con.execute("COPY listed (k, N, w) FROM 'plain.csv' (HEADER)")
    con.execute("CREATE TABLE turned (w INT, n VARCHAR, k INT)")
    con.execute('COPY turned ("k", n, w) FROM \\'plain.csv\\' (HEADER)')
    con.execute("CREATE TABLE indexed (k INT, w INT, n VARCHAR)")
    con.execute("COPY indexed FROM 'indexed.csv' (HEADER)")
    con.execute("CREATE TABLE unsaid (k INT, w INT, n VARCHAR)")
    con.execute("COPY unsaid FROM 'indexed.csv'")
    for name in ("plain", "listed", "turned", "indexed", "unsaid"):
        con.sql(f"SELECT k AS kk, n AS nn, w AS ww FROM {name}").write_csv(f"{name}_out.csv")
"""


def _directory(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "raw.csv").write_text("id,name,v\n1,Ann,3\n2,Bob,4\n")
    return directory


def _assert_by_position(recording: strangers.Recording, *names: str) -> None:
    for name in names:
        assert recording.roots(f"{name}_out.csv") == {"raw.csv"}
        for column, source in (("kk", "id"), ("nn", "name"), ("ww", "v")):
            found = recording.columns(f"{name}_out.csv#{column}")
            assert found == {f"raw.csv#{source}"}, f"{name}: {column}"


def test_columns_that_are_listed_take_those_of_the_file_in_that_order(tmp_path: Path) -> None:
    recording = strangers.record(_directory(tmp_path), FRAME, DUCKDB)
    _assert_by_position(recording, "plain", "listed", "turned", "indexed")
    # Nothing says where an index stands in a file, if no line names its columns for sure.
    found = recording.columns("unsaid_out.csv#kk")
    assert found == {"raw.csv#id", "raw.csv#name", "raw.csv#v", "opaque"}


PSYCOPG2 = """
    import os, psycopg2, pandas as pd
    connection = psycopg2.connect(os.environ["DSN"])
    with connection, connection.cursor() as cursor:
        for name in ("tuple", "labels", "expert", "plain"):
            columns = "k int, n text, w int" if name == "plain" else "w int, n text, k int"
            cursor.execute(f"CREATE TABLE {name}_t ({columns})")
        with open("plain.csv") as file:
            next(file)
            cursor.copy_from(file, "tuple_t", sep=",", columns=("k", "n", "w"))
        labels = pd.DataFrame(columns=["k", "n", "w"]).columns
        with open("plain.csv") as file:
            next(file)
            cursor.copy_from(file, "labels_t", ",", columns=labels)
        with open("plain.csv") as file:
            next(file)
            cursor.copy_from(file, "plain_t", ",")
        with open("plain.csv") as file:
            cursor.copy_expert("COPY expert_t (k, n, w) FROM STDIN WITH CSV HEADER", file)
        for name in ("tuple", "labels", "expert", "plain"):
            query = f"SELECT k AS kk, n AS nn, w AS ww FROM {name}_t"
            with open(f"{name}_out.csv", "w") as file:
                cursor.copy_expert(f"COPY ({query}) TO STDOUT WITH CSV HEADER", file)
        cursor.execute("CREATE TABLE asked AS SELECT n AS nn, w + k AS sum FROM expert_t")
        cursor.execute("SELECT * FROM asked")
        frame = pd.DataFrame(cursor.fetchall(), columns=[one[0] for one in cursor.description])
    frame.to_csv("asked.csv", index=False)
"""


def test_copies_and_statements_of_psycopg2_say_where_their_columns_come_from(
    tmp_path: Path, dsn: str
) -> None:
    recording = strangers.record(_directory(tmp_path), FRAME, PSYCOPG2, DSN=dsn)
    _assert_by_position(recording, "tuple", "labels", "expert", "plain")
    assert recording.columns("asked.csv#nn") == {"raw.csv#name"}
    assert recording.columns("asked.csv#sum") == {"raw.csv#id", "raw.csv#v"}

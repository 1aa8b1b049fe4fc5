"""A table of a database as the target of the commands: by its file and name, and by its URI."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support import BIN, instrumented

PROGRAM = """
import sqlite3
import duckdb
import pandas as pd

connection = duckdb.connect("warehouse.duckdb")
connection.execute("CREATE TABLE orders AS SELECT * FROM 'raw.csv'")
connection.execute("CREATE SCHEMA mart")
connection.execute(
    "CREATE TABLE mart.Totals AS SELECT country, sum(amount) AS amount FROM orders GROUP BY ALL"
)
connection.close()
lite = sqlite3.connect("lite.db")
pd.read_csv("raw.csv").to_sql("Orders", lite, index=False)
lite.execute("CREATE TABLE large AS SELECT country, amount * 2 AS twice FROM Orders")
lite.commit()
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a journal, a DuckDB and a SQLite database."""
    found = tmp_path_factory.mktemp("databases")
    (found / "raw.csv").write_text("country,amount\nAT,2\nDE,3\n")
    (found / "program.py").write_text(PROGRAM)
    instrumented("program.py", journal_directory=found / "journal", cwd=found)
    return found


def otelprov(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OTELPROV_JOURNAL": str(place / "journal"), "PYTHONUTF8": "1"}
    return subprocess.run(
        [str(BIN / "otelprov"), *words], cwd=place, env=env, capture_output=True, text=True
    )


def raw(place: Path, text: str) -> tuple[str, list[str]]:
    """The place of a target, and the names of the files that it leads back to."""
    answer = otelprov(place, "lineage", text, "--format", "json")
    assert answer.returncode == 0, answer.stderr
    said = json.loads(answer.stdout)
    made = {one["id"]: one for one in said["artifacts"]}
    files = [one["name"] for one in said["artifacts"] if one["kind"] == "file"]
    return made[said["target"]]["uri"].rpartition("/")[2], files


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        ("warehouse.duckdb#orders", "warehouse.duckdb#main.orders"),
        ("warehouse.duckdb#main.orders", "warehouse.duckdb#main.orders"),
        ("warehouse.duckdb#totals", "warehouse.duckdb#mart.Totals"),
        ("lite.db#Orders", "lite.db#orders"),
        ("lite.db#large", "lite.db#large"),
    ],
)
def test_a_table_is_found_by_the_file_of_its_database(place: Path, text: str, is_: str) -> None:
    assert raw(place, text) == (is_, ["raw.csv"])


def test_a_table_is_found_by_its_uri_and_where_the_file_is_gone(
    place: Path, tmp_path: Path
) -> None:
    assert raw(place, f"sqlite:///{place}/lite.db#large") == ("lite.db#large", ["raw.csv"])
    kept = (place / "lite.db").rename(tmp_path / "lite.db")
    try:
        assert raw(place, "lite.db#large") == ("lite.db#large", ["raw.csv"])
    finally:
        kept.rename(place / "lite.db")


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("warehouse.duckdb#mart.totals#amount", ["amount"]),
        ("lite.db#large#twice", ["amount"]),
        ("lite.db#large#twice,country", ["amount", "country"]),
        ("raw.csv#amount", ["amount"]),
    ],
)
def test_a_column_of_a_table_is_followed(place: Path, text: str, columns: list[str]) -> None:
    tree = otelprov(place, "lineage", text).stdout
    for column in columns:
        assert f"■ {column}  raw.csv" in tree


def test_show_and_logs_take_a_table_too(place: Path) -> None:
    assert "lite.db#large" in otelprov(place, "show", "lite.db#large").stdout
    assert "what made lite.db#large" in otelprov(place, "logs", "lite.db#large").stderr


def test_a_whole_database_says_which_tables_are_known(place: Path) -> None:
    for file, tables in (
        ("warehouse.duckdb", ["main.orders", "mart.Totals"]),
        ("lite.db", ["large", "orders"]),
    ):
        answer = otelprov(place, "lineage", file)
        assert answer.returncode == 1
        listed = answer.stderr.splitlines()[1:]
        assert listed == [f"  '{file}#{table}'" for table in tables]


def test_a_table_that_nobody_knows_is_told_with_those_that_are_known(place: Path) -> None:
    answer = otelprov(place, "lineage", "lite.db#missing")
    assert answer.returncode == 1
    assert "'lite.db#orders'" in answer.stderr

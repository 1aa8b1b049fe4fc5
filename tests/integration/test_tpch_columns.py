"""The 22 queries of TPC-H, executed in DuckDB and recorded: what their columns come from."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import sqlglot
import support
from sqlglot import exp

from otelprov.artifacts import identify_path
from otelprov.lineage.column_walk import columns
from otelprov.lineage.sources.journal import JournalSource
from otelprov.lineage.walk import upstream

sys.path.append(str(Path(__file__).parents[1] / "unit" / "lineage"))
from tpch import QUERIES, TABLES, kind

pytest.importorskip("duckdb")

PROGRAM = """
import json

import duckdb

con = duckdb.connect()
said = json.load(open("tpch.json"))
for name, columns in said["tables"].items():
    con.execute(f"CREATE TABLE {name} ({columns})")
for number, query in said["queries"].items():
    con.execute(query).df().to_pickle(f"table{number}.pickle")
for name in said["tables"]:
    con.execute(f"COPY {name} TO '{name}.parquet'")
files = duckdb.connect()
for number, query in said["files"].items():
    files.sql(query).df().to_pickle(f"file{number}.pickle")
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tpch")
    tables = {
        name: ", ".join(f"{column} {kind(column)}" for column in columns.split())
        for name, columns in TABLES.items()
    }
    queries = {number: query for number, (query, _) in QUERIES.items()}
    files = {number: on_files(query) for number, query in queries.items()}
    said = {"tables": tables, "queries": queries, "files": files}
    (directory / "tpch.json").write_text(json.dumps(said))
    (directory / "queries.py").write_text(PROGRAM)
    support.instrumented("queries.py", journal_directory=directory / "journal", cwd=directory)
    return directory


def on_files(query: str) -> str:
    """The same query on Parquet files, each under the name of its table."""
    tree = sqlglot.parse_one(query, dialect="duckdb")
    for table in tree.find_all(exp.Table):
        if table.name.lower() in TABLES:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.alias or table.name)))
            table.set("this", exp.to_identifier(f"{table.name.lower()}.parquet", quoted=True))
    return tree.sql(dialect="duckdb")


@pytest.fixture(scope="module")
def source(recorded: Path) -> JournalSource:
    return JournalSource(recorded / "journal")


def sources(
    recorded: Path, source: JournalSource, file: str, names: list[str]
) -> dict[str, set[str]]:
    """By column of a result: the columns of tables or files that it comes from."""
    lineage = upstream(source, identify_path(recorded / file).id)
    found = columns(lineage, names)
    assert found.opaque == ()
    homes = {one.id: one.name or "" for one in lineage.artifacts}
    back: dict[tuple[str, str | None], set[tuple[str, str | None]]] = {}
    for edge in found.edges:
        back.setdefault(edge.target, set()).add(edge.source)
    result = {}
    for target in found.targets:
        todo, ends = [target], set()
        while todo:
            column = todo.pop()
            home = homes.get(column.artifact, "").removesuffix(".parquet")
            if home in TABLES:
                ends.add(f"{home}.{column.name}")
            else:
                todo += back.get(column, ())
        result[target.name or ""] = ends
    return result


@pytest.mark.parametrize("kept_in", ["table", "file"])
@pytest.mark.parametrize("number", QUERIES)
def test_the_columns_of_a_query(
    number: int, kept_in: str, recorded: Path, source: JournalSource
) -> None:
    homes = {column: name for name, columns in TABLES.items() for column in columns.split()}
    expected = {}
    for part in QUERIES[number][1].split(";"):
        name, _, origins = part.partition(":")
        expected[name.strip()] = {f"{homes[one]}.{one}" for one in origins.split()}
    found = sources(recorded, source, f"{kept_in}{number}.pickle", list(expected))
    assert found == expected

"""Queries are not run behind the user's back; data sets are known by their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import otelprov
from otelprov.artifacts import identify, lazy

QUERY = (
    "SELECT i, i::VARCHAR AS s, i / 4 AS f, i % 2 = 0 AS b, TIMESTAMP '2020-01-01' + "
    "to_days(i::INT) AS t, CASE WHEN i > 2 THEN i END AS n FROM range(200000) t(i)"
)


def _arrow(relation: Any) -> pa.Table:
    """DuckDB 2 has another name for it than 1."""
    name = "to_arrow_table" if hasattr(type(relation), "to_arrow_table") else "fetch_arrow_table"
    return getattr(relation, name)()


def test_a_duckdb_relation_is_not_run_unless_it_is_asked_for() -> None:
    connection = duckdb.connect()
    calls: list[int] = []

    def note(number: int) -> int:
        calls.append(number)
        return number

    connection.create_function("note", note, ["BIGINT"], "BIGINT", side_effects=True)
    relation = connection.sql("SELECT note(i) AS a FROM range(3) t(i)")
    calls.clear()
    for value in (relation, [relation], {"a": relation}):
        artifact = identify(value)
        assert artifact.coverage == "none"
        assert "was not run" in (artifact.reason or "")
    assert calls == []
    asked = otelprov.artifact(relation)
    assert calls
    assert asked.id == identify(pa.table({"a": pa.array([0, 1, 2], pa.int64())})).id


def test_what_duckdb_returns_has_one_id() -> None:
    relation = duckdb.connect().sql(QUERY)
    asked = otelprov.artifact(relation)
    assert (asked.kind, asked.rows, asked.columns, asked.coverage) == ("table", 200_000, 6, "full")
    assert identify(_arrow(relation)).id == asked.id
    assert identify(relation.pl()).id == asked.id
    # pandas has no whole numbers with nulls of its own: `n` becomes floats.
    plain = relation.select("i, s, f, b, t")
    assert identify(plain.df()).id == otelprov.artifact(plain).id
    assert otelprov.artifact(duckdb.connect().sql(QUERY + " LIMIT 3")).id != asked.id
    assert identify(relation.limit(2).fetchall()).id.startswith("object:")


def test_asking_for_an_id_takes_no_rows_from_a_relation_or_a_result() -> None:
    connection = duckdb.connect()
    relation = connection.sql("SELECT * FROM range(3) t(i)")
    if hasattr(type(relation), "execute"):  # up to DuckDB 1.5 it keeps its result
        relation.execute()
    assert otelprov.artifact(relation).rows == 3
    assert relation.fetchall() == [(0,), (1,), (2,)]
    result = connection.execute("SELECT * FROM range(2)")
    assert "only once" in (otelprov.artifact(result).reason or "")
    assert result.fetchall() == [(0,), (1,)]


def test_a_query_that_fails_when_it_is_asked_for_is_no_exception() -> None:
    relation = duckdb.connect().sql("SELECT 'x' || i AS a FROM range(3) t(i)")
    artifact = otelprov.artifact(relation.select("a::INT AS a"))
    assert artifact.coverage == "none"
    assert "Exception" in (artifact.reason or "")


def test_a_lazy_frame_is_not_run_unless_it_is_asked_for() -> None:
    calls: list[int] = []
    frame = pl.LazyFrame({"a": [1]}).map_batches(lambda f: (calls.append(1), f)[1])
    assert "was not run" in (identify(frame).reason or "")
    assert calls == []
    assert otelprov.artifact(frame).id == identify(pl.DataFrame({"a": [1]})).id


# --- data sets ------------------------------------------------------------------------------------

TABLE = pa.table({"year": [2020, 2020, 2021], "a": [1, 2, 3]})


def _written(folder: Path, table: pa.Table = TABLE) -> str:
    ds.write_dataset(
        table, folder, format="parquet", partitioning=["year"], partitioning_flavor="hive"
    )
    return str(folder)


def test_a_data_set_is_known_by_its_files_and_their_partitions(tmp_path: Path) -> None:
    one, copy = _written(tmp_path / "one"), _written(tmp_path / "copy")
    artifact = identify(ds.dataset(one, partitioning="hive"))
    assert (artifact.kind, artifact.coverage) == ("directory", "full")
    assert artifact.id.startswith("directory:")
    assert identify(ds.dataset(copy, partitioning="hive")).id == artifact.id
    later = TABLE.set_column(0, "year", pa.array([2030, 2030, 2031]))
    different: list[Any] = [
        ds.dataset(one, partitioning="hive"),
        ds.dataset(one),  # without the column that the paths hold
        ds.dataset(_written(tmp_path / "years", later), partitioning="hive"),
        ds.dataset(_written(tmp_path / "rows", TABLE.slice(1)), partitioning="hive"),
        ds.dataset(ds.dataset(one, partitioning="hive").files[:1]),
        ds.dataset([ds.dataset(one), ds.dataset(copy)]),
        ds.dataset(one, schema=pa.schema([("a", pa.int32())])),
    ]
    artifacts = [identify(value) for value in different]
    assert [artifact.reason for artifact in artifacts if artifact.coverage != "full"] == []
    assert len({artifact.id for artifact in artifacts}) == len(different)


def test_a_data_set_that_is_a_query_or_is_not_in_files_has_no_id(tmp_path: Path) -> None:
    dataset = ds.dataset(_written(tmp_path / "d"), partitioning="hive")
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "a.csv")
    values = {
        "a filter": dataset.filter(ds.field("a") > 1),
        "Scanner": dataset.scanner(),
        "not made of files": ds.dataset(TABLE),
        "how .*csv is read": ds.dataset(str(tmp_path / "a.csv"), format="csv"),
    }
    for reason, value in values.items():
        for artifact in (identify(value), otelprov.artifact(value)):
            assert artifact.coverage == "none"
            with pytest.raises(AssertionError, match=f"(?s){reason}"):
                raise AssertionError(artifact.reason)
    reader = TABLE.to_reader()
    once = ds.Scanner.from_batches(reader)
    identify(once)
    assert once.to_table().num_rows == 3


def test_a_large_data_set_is_read_only_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    dataset = ds.dataset(str(tmp_path))
    expected = identify(dataset).id
    monkeypatch.setattr(lazy, "MAX_READ", 100)
    assert "more than 100 bytes" in (identify(dataset).reason or "")
    assert otelprov.artifact(dataset).id == expected


def test_a_data_set_whose_file_is_gone_is_no_exception(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    dataset = ds.dataset(str(tmp_path))
    (tmp_path / "a.parquet").unlink()
    assert identify(dataset).coverage == "none"
    assert otelprov.artifact(dataset).coverage == "none"

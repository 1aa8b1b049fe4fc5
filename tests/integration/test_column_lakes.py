"""Columns through the versions of Delta Lake and Iceberg tables: each edge written by hand."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import strangers
from support import BIN, instrumented

PROGRAM = """
import sys
import deltalake
import pandas as pd
import polars as pl
import pyarrow as pa
from deltalake import DeltaTable
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.types import StringType

raw = pd.read_csv("raw.csv")
news = pa.Table.from_pandas(pd.read_csv("news.csv"))
aliases = {"source_alias": "s", "target_alias": "t"}

deltalake.write_deltalake("orders", raw)
deltalake.write_deltalake("orders", news, mode="append")
merging = {"schema_mode": "merge"}
pl.read_csv("more.csv").write_delta("orders", mode="append", delta_write_options=merging)
deltalake.write_deltalake("updated", raw)
updated = DeltaTable("updated")
updated.update(predicate="id = 1", updates={"amount": "amount * pieces"})
updated.update(new_values={"note": "checked"})
deltalake.write_deltalake("merged", raw)
merge = DeltaTable("merged").merge(news, predicate="t.id = s.id", **aliases)
merge.when_matched_update({"amount": "s.amount + t.pieces"}).when_not_matched_insert_all().execute()
deltalake.write_deltalake("upserted", raw)
merge = DeltaTable("upserted").merge(news, predicate="t.id = s.id", **aliases)
merge = merge.when_matched_update_all(except_cols=["note"])
merge.when_not_matched_insert({"t.id": "s.id"}).when_not_matched_by_source_delete().execute()

catalog = SqlCatalog("local", uri="sqlite:///catalog.db", warehouse="file://" + sys.argv[1])
catalog.create_namespace("shop")
table = catalog.create_table("shop.orders", schema=news.schema)
table.append(news)
table.append(news.slice(0, 1))
with table.update_schema() as update:
    update.rename_column("note", "remark")
    update.rename_column("pieces", "note")
    update.add_column("colour", StringType())
"""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("columns")
    (place / "raw.csv").write_text("id,amount,pieces,note\n1,2.5,3,a\n2,1.5,1,b\n")
    (place / "news.csv").write_text("id,amount,pieces,note\n2,9.5,3,c\n5,1.5,1,d\n")
    (place / "more.csv").write_text("id,colour\n7,red\n")
    (place / "program.py").write_text(PROGRAM)
    instrumented("program.py", place / "house", journal_directory=place / "journal", cwd=place)
    return place


def columns(lake: Path, target: str) -> dict[str, Any]:
    env = {**os.environ, "OTELPROV_JOURNAL": str(lake / "journal"), "PYTHONUTF8": "1"}
    answer = subprocess.run(
        [str(BIN / "otelprov"), "lineage", target, "--format", "json"],
        cwd=lake, env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def raw(found: dict[str, Any]) -> set[str]:
    """The columns of files that a column comes from in the end."""
    names = {one["id"]: one["name"] for one in found["artifacts"] if one["kind"] == "file"}
    return {
        f"{names[edge['from']['artifact']]}.{edge['from']['column']}"
        for edge in found["edges"]
        if edge["from"]["artifact"] in names
    }


def hows(found: dict[str, Any], operation: str) -> set[tuple[str, str]]:
    """The columns that operations of a name made others of, and how."""
    ids = {one["id"] for one in found["operations"] if one["name"] == operation}
    return {
        (edge["from"]["column"], (edge["subtype"] or "opaque").lower())
        for edge in found["edges"]
        if edge["operation"] in ids
    }


def test_rows_that_are_appended_are_of_the_columns_of_the_same_name(lake: Path) -> None:
    found = columns(lake, "orders#amount")
    assert raw(found) == {"raw.csv.amount", "news.csv.amount"}
    assert hows(found, "deltalake.write_deltalake") == {("amount", "identity")}
    assert not found["opaque"]
    assert raw(columns(lake, "orders#colour")) == {"more.csv.colour"}
    assert raw(columns(lake, "orders#id")) == {"raw.csv.id", "news.csv.id", "more.csv.id"}


def test_an_update_changes_what_it_sets(lake: Path) -> None:
    found = columns(lake, "updated#amount")
    assert raw(found) == {"raw.csv.amount", "raw.csv.pieces"}
    assert hows(found, "deltalake.update") == {
        ("amount", "identity"),
        ("amount", "transformation"),
        ("pieces", "transformation"),
    }
    assert raw(columns(lake, "updated#pieces")) == {"raw.csv.pieces"}
    assert columns(lake, "updated#note")["edges"] == []  # set to one value, everywhere
    assert raw(columns(lake, "updated@1#note")) == {"raw.csv.note"}


def test_the_clauses_of_a_merge_say_where_columns_come_from(lake: Path) -> None:
    found = columns(lake, "merged#amount")
    assert raw(found) == {"raw.csv.amount", "raw.csv.pieces", "news.csv.amount"}
    assert hows(found, "deltalake.merge") == {
        ("amount", "identity"),
        ("amount", "transformation"),
        ("pieces", "transformation"),
    }
    assert {(row["from"]["column"], row["subtype"].lower()) for row in found["rows"]} == {
        ("id", "join")
    }
    assert raw(columns(lake, "merged#note")) == {"raw.csv.note", "news.csv.note"}
    assert raw(columns(lake, "upserted#note")) == {"raw.csv.note"}
    assert raw(columns(lake, "upserted#id")) == {"raw.csv.id", "news.csv.id"}


def test_snapshots_are_put_on_top_of_each_other_by_columns(lake: Path) -> None:
    place = "house/shop/orders"
    snapshot = json.loads(
        max((lake / place / "metadata").glob("*.metadata.json")).read_text()
    )["current-snapshot-id"]  # fmt: skip
    found = columns(lake, f"{place}#amount")
    assert raw(columns(lake, f"{place}#remark")) == {"news.csv.note"}  # its number is the same
    assert raw(columns(lake, f"{place}#note")) == {"news.csv.pieces"}
    assert columns(lake, f"{place}#colour")["edges"] == []
    (appended,) = {
        one["id"]
        for one in found["artifacts"]
        if one["name"] == "orders" and one["id"] != found["targets"][0]["artifact"]
        and one.get("version") == str(snapshot)
    }  # fmt: skip
    found = columns(lake, f"{appended}#amount")
    assert raw(found) == {"news.csv.amount"}
    assert hows(found, "pyiceberg.append") == {("amount", "identity")}
    assert len([one for one in found["operations"] if one["name"] == "pyiceberg.append"]) == 2
    assert not found["opaque"]
    env = {**os.environ, "OTELPROV_JOURNAL": str(lake / "journal"), "PYTHONUTF8": "1"}
    tree = subprocess.run(
        [str(BIN / "otelprov"), "lineage", f"{appended}#amount"],
        cwd=lake, env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert "│ ■ amount  news.csv" in tree.stdout  # through pandas and pyarrow, which hand it on


SUNK = """
    import polars as pl
    first = pl.scan_csv("raw.csv").select("id", eur=pl.col("amount") * pl.col("pieces"))
    first.sink_delta("sunk")
    pl.scan_csv("news.csv").select("id", eur=pl.col("amount")).sink_delta("sunk", mode="append")
    read = pl.scan_delta("sunk").join(pl.scan_csv("news.csv"), on="id")
    read.with_columns(twice=pl.col("eur") * 2).select("id", "twice").sink_delta("again")
"""


@pytest.mark.skipif(not hasattr(pl.LazyFrame, "sink_delta"), reason="Polars has none yet")
def test_what_is_sunk_is_put_on_top_and_is_as_the_plan_says(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    for name, amount in (("raw", 2.5), ("news", 9.5)):
        (directory / f"{name}.csv").write_text(f"id,amount,pieces\n1,{amount},2\n2,3.5,1\n")
    recording = strangers.record(directory, SUNK)
    assert recording.columns("sunk#eur") == {"raw.csv#amount", "raw.csv#pieces", "news.csv#amount"}
    assert recording.columns("again#twice") >= {"raw.csv#amount", "news.csv#amount", "opaque"}

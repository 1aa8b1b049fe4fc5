"""Apache Iceberg: every read and write names the very snapshot, whoever reads it and wherever."""

from __future__ import annotations

import pickle
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cloudpickle
import edges
import polars as pl
import pyarrow as pa
import pyiceberg.table
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.types import StringType
from support import BIN, Recorded, Spans, environment, instrumented, journal_lines

import otelprov
from otelprov.artifacts.evidence import of_version, versioned

SCHEMA = pa.schema([("order", pa.int64()), ("amount", pa.float64())])
ORDERS = pa.table({"order": [1, 2, 3], "amount": [5.0, 7.5, 1.5]}, SCHEMA)
LATER = pa.table({"order": [4, 5], "amount": [9.0, 2.0]}, SCHEMA)


@pytest.fixture(autouse=True)
def _patched(_recording: object) -> None:
    """Every test here is about functions that are stood in for."""


@pytest.fixture
def catalog(tmp_path: Path) -> SqlCatalog:
    """A catalog on SQLite, with the namespace ``shop``."""
    found = SqlCatalog(
        "local", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse"
    )
    found.create_namespace("shop")
    return found


def snapshot_id(table: Any, snapshot: int, schema: int = 0) -> str:
    """As docs/artifact-identity.md, section 17, has it."""
    facts = {
        "iceberg.table": str(table.metadata.table_uuid),
        "iceberg.snapshot": str(snapshot),
        "iceberg.schema": str(schema),
    }
    return versioned(table.location(), "version", of_version(facts), "table").id


def named(table: Any, **others: Any) -> dict[str, str]:
    """Names for the snapshots of a table in their order, and for the contents of tables."""
    snapshots = sorted(table.refresh().snapshots(), key=lambda one: one.sequence_number)
    found = {
        f"s{number}": snapshot_id(table, one.snapshot_id)
        for number, one in enumerate(snapshots, start=1)
    }
    return {**found, **{name: otelprov.artifact(value).id for name, value in others.items()}}


def check(spans: list[Recorded], names: Mapping[str, str], graph: str) -> None:
    assert edges.found(spans, names) == edges.expected(graph)


def test_a_table_is_filled_read_and_changed(spans: Spans, catalog: SqlCatalog) -> None:
    table = catalog.create_table("shop.orders", schema=SCHEMA)
    spans.clear()
    table.append(ORDERS)
    table.append(LATER)
    first = catalog.load_table("shop.orders").scan(snapshot_id=table.snapshots()[0].snapshot_id)
    before = first.to_pandas()
    table.delete("order = 1")
    news = pa.table({"order": [2, 6], "amount": [70.0, 8.0]}, SCHEMA)
    result = table.upsert(news, join_cols=["order"])
    assert (result.rows_updated, result.rows_inserted) == (1, 1)
    now = table.scan(row_filter="amount > 5", selected_fields=("amount",)).to_arrow()
    assert sorted(one.as_py() for one in now["amount"]) == [8.0, 9.0, 70.0]
    names = named(table, orders=ORDERS, later=LATER, before=before, news=news, now=now)
    assert names["before"] == names.pop("orders")
    check(
        spans.all(),
        names,
        """
        before -> pyiceberg.append -> s1
        later s1 -> pyiceberg.append -> s2
        s1 -> pyiceberg.to_pandas -> before
        s2 -> pyiceberg.delete -> s3
        news s3 -> pyiceberg.upsert -> s4 s5 s6
        s6 -> pyiceberg.to_arrow -> now
        """,
    )
    made = spans.all()[0].generated[0]
    assert made["otelprov.artifact.version"] == str(table.snapshots()[0].snapshot_id)
    assert made["otelprov.artifact.name"] == "orders"
    assert made["otelprov.artifact.content_id"] == otelprov.artifact(ORDERS).id
    assert made["otelprov.artifact.schema"] == otelprov.artifact(ORDERS).schema_id
    read = spans.one("pyiceberg.to_arrow")
    assert read.used[0]["otelprov.artifact.selected"] == '["amount"]'
    assert "amount" in read.parameter("row_filter")


def test_an_overwrite_uses_nothing_of_what_was_there(spans: Spans, catalog: SqlCatalog) -> None:
    table = catalog.create_table("shop.orders", schema=SCHEMA)
    table.append(ORDERS)
    spans.clear()
    table.overwrite(LATER)
    part = pa.table({"order": [4], "amount": [0.0]}, SCHEMA)
    table.overwrite(part, overwrite_filter="order = 4")
    check(
        spans.all(),
        named(table, later=LATER, part=part),
        """
        later -> pyiceberg.overwrite -> s2 s3
        part s3 -> pyiceberg.overwrite -> s4 s5
        """,
    )


def test_a_transaction_is_one_operation(spans: Spans, catalog: SqlCatalog) -> None:
    table = catalog.create_table("shop.orders", schema=SCHEMA)
    table.append(ORDERS)
    spans.clear()
    with table.transaction() as transaction:
        transaction.append(LATER)
        transaction.delete("order = 2")
    transaction = table.transaction()
    transaction.append(LATER)
    transaction.commit_transaction()
    with pytest.raises(ZeroDivisionError), table.transaction() as transaction:
        transaction.append(LATER)
        _ = 1 / 0
    check(
        spans.all(),
        named(table, later=LATER),
        """
        later s1 -> pyiceberg.transaction -> s2 s3
        later s3 -> pyiceberg.transaction -> s4
        """,
    )
    assert spans.all()[0].parameter("changes") == "['append', 'delete']"


def test_a_new_schema_makes_another_table_of_the_same_snapshot(
    spans: Spans, catalog: SqlCatalog
) -> None:
    table = catalog.create_table("shop.orders", schema=SCHEMA)
    table.append(ORDERS)
    snapshot = table.current_snapshot().snapshot_id
    spans.clear()
    with table.update_schema() as update:
        update.add_column("note", StringType())
    wider = table.scan().to_arrow()
    narrow = table.scan(snapshot_id=snapshot).to_arrow()
    assert wider.column_names == ["order", "amount", "note"]
    names = {
        "old": snapshot_id(table, snapshot),
        "new": snapshot_id(table, snapshot, 1),
        "wider": otelprov.artifact(wider).id,
        "narrow": otelprov.artifact(narrow).id,
    }
    check(
        spans.all(),
        names,
        """
        old -> pyiceberg.update_schema -> new
        new -> pyiceberg.to_arrow -> wider
        old -> pyiceberg.to_arrow -> narrow
        """,
    )


def test_a_table_has_one_id_on_every_side(spans: Spans, catalog: SqlCatalog) -> None:
    table = catalog.create_table("shop.orders", schema=SCHEMA)
    table.append(ORDERS)
    spans.clear()
    scan = table.scan()
    values = [scan.to_arrow(), scan.to_pandas(), scan.to_polars()]
    assert table.to_polars().collect().equals(values[-1])
    assert {otelprov.artifact(one).id for one in values} == {otelprov.artifact(ORDERS).id}
    for span in spans.all():
        assert span.used_ids == {named(table)["s1"]}
    reads = [one for one in spans.all() if one.name.startswith("pyiceberg")]
    assert len(reads) == 3
    assert all(one.generated_ids == {otelprov.artifact(ORDERS).id} for one in reads)


def test_duckdb_queries_what_was_scanned(spans: Spans, catalog: SqlCatalog) -> None:
    table = catalog.create_table("shop.orders", schema=SCHEMA)
    table.append(ORDERS)
    spans.clear()
    connection = table.scan().to_duckdb("orders")
    total = connection.execute("SELECT sum(amount) AS total FROM orders").fetchdf()
    assert total["total"][0] == 14.0
    names = named(table, orders=ORDERS, total=total)
    first, *queries = spans.all()
    assert (first.name, first.used_ids) == ("pyiceberg.to_duckdb", {names["s1"]})
    assert first.generated_ids == {names["orders"]}
    assert {names["orders"]} == set().union(*[one.used_ids for one in queries][:1])


def test_polars_reads_and_writes_the_same_snapshots(
    spans: Spans, catalog: SqlCatalog, tmp_path: Path
) -> None:
    table = catalog.create_table("shop.orders", schema=SCHEMA)
    orders = pl.from_arrow(ORDERS)
    spans.clear()
    orders.write_iceberg(table, mode="append")
    table.append(LATER)
    first, _ = (one.snapshot_id for one in table.snapshots())
    now = pl.scan_iceberg(table).collect()
    before = pl.scan_iceberg(table, snapshot_id=first).select("order").collect()
    static = pl.scan_iceberg(table.metadata_location).collect()
    assert (len(now), len(before), len(static)) == (5, 3, 5)
    write, append, *reads = spans.all()
    names = named(table)
    assert (write.name, write.generated_ids) == ("polars.write_iceberg", {names["s1"]})
    assert append.used_ids == {otelprov.artifact(LATER).id, names["s1"]}
    assert [one.used_ids for one in reads] == [{names["s2"]}, {names["s1"]}, {names["s2"]}]
    both = '["order","amount"]'
    taken = [one.used[0].get("otelprov.artifact.selected") for one in reads]
    assert taken == [both, '["order"]', both]


def test_writers_know_their_own_snapshots(spans: Spans, catalog: SqlCatalog) -> None:
    catalog.create_table(
        "shop.orders", schema=SCHEMA, properties={"commit.retry.num-retries": "20"}
    )
    spans.clear()
    failed: list[int] = []

    def append(number: int) -> None:
        rows = pa.table({"order": [number], "amount": [1.0]}, SCHEMA)
        try:
            catalog.load_table("shop.orders").append(rows)
        except CommitFailedException:
            failed.append(number)

    threads = [threading.Thread(target=append, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    table = catalog.load_table("shop.orders")
    made = {next(iter(one.generated_ids)): one for one in spans.all() if one.generated}
    assert len(made) == 6 - len(failed) == len(table.snapshots())
    for one in table.snapshots():
        span = made[snapshot_id(table, one.snapshot_id)]
        rows = [
            {one.as_py() for one in table.scan(snapshot_id=number).to_arrow()["order"]}
            if number
            else set()
            for number in (one.snapshot_id, one.parent_snapshot_id)
        ]
        (added,) = rows[0] - rows[1]
        used = {otelprov.artifact(pa.table({"order": [added], "amount": [1.0]}, SCHEMA)).id}
        if one.parent_snapshot_id:
            used.add(snapshot_id(table, one.parent_snapshot_id))
        assert span.used_ids == used


def test_a_conflict_and_a_missing_table_are_the_programs_own(
    spans: Spans, catalog: SqlCatalog
) -> None:
    table = catalog.create_table(
        "shop.orders", schema=SCHEMA, properties={"commit.retry.num-retries": "0"}
    )
    behind = catalog.load_table("shop.orders")
    table.append(ORDERS)
    spans.clear()
    with pytest.raises(CommitFailedException):
        behind.append(LATER)
    with pytest.raises(NoSuchTableError):
        catalog.load_table("shop.nothing")
    with pytest.raises(ValueError):
        table.append(pa.table({"other": [1]}))
    assert [one.generated for one in spans.all()] == [[], []]
    assert all(one.status["code"] == 2 for one in spans.all())


def test_what_stands_in_pickles(spans: Spans) -> None:
    for function in (
        pyiceberg.table.Table.append,
        pyiceberg.table.DataScan.to_pandas,
        pyiceberg.table.Transaction.__exit__,
    ):
        assert pickle.loads(pickle.dumps(function)) is function
        assert cloudpickle.loads(cloudpickle.dumps(function)) is function


PROGRAM = """
import sys
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
catalog = SqlCatalog("local", uri="sqlite:///catalog.db", warehouse="file://" + sys.argv[1])
catalog.create_namespace_if_not_exists("shop")
rows = pa.table({"order": [int(sys.argv[2])]})
table = catalog.create_table_if_not_exists("shop.orders", schema=rows.schema)
"""
WRITER = PROGRAM + "table.append(rows)\n"
READER = PROGRAM + "print(table.scan(snapshot_id=table.snapshots()[1].snapshot_id).to_pandas())\n"


def test_lineage_leads_from_a_snapshot_to_the_process_that_wrote_it(tmp_path: Path) -> None:
    for name, code in (("writer", WRITER), ("reader", READER)):
        (tmp_path / f"{name}.py").write_text(code)
    journal = tmp_path / "journal"
    place = str(tmp_path / "warehouse")
    for name in ("writer", "writer", "writer", "reader"):
        instrumented(f"{name}.py", place, "7", journal_directory=journal, cwd=tmp_path)
    spans = [span for file in sorted(journal.glob("*.jsonl")) for span in journal_lines(file)]
    (read,) = [span for span in spans if span.name == "pyiceberg.to_pandas"]
    writes = sorted(
        (span for span in spans if span.name == "pyiceberg.append"), key=lambda one: one.start
    )
    assert [one.generated_ids == read.used_ids for one in writes] == [False, True, False]
    shown = subprocess.run(
        [BIN / "otelprov", "lineage", next(iter(read.generated_ids))],
        env=environment(journal),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.stdout.count("▶ run writer.py") == 2, shown.stdout + shown.stderr

"""Delta Lake: every read and write names the very version, whoever reads it and wherever."""

from __future__ import annotations

import inspect
import json
import pickle
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cloudpickle
import deltalake
import edges
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from support import BIN, Recorded, Spans, environment, instrumented, journal_lines

import otelprov
from otelprov.artifacts import identify_location
from otelprov.artifacts.evidence import of_version, versioned


def write_deltalake(*arguments: Any, **options: Any) -> None:
    """The name that this module would import is the one before deltalake is patched."""
    deltalake.write_deltalake(*arguments, **options)


ORDERS = pd.DataFrame(
    {
        "order": [1, 2, 3],
        "customer": [10, 11, 10],
        "amount": [5.0, 7.5, 1.5],
        "day": ["a", "b", "a"],
    }
)
LATER = pd.DataFrame(
    {"order": [4, 5], "customer": [12, 11], "amount": [9.0, 2.0], "day": ["c", "c"]}
)


@pytest.fixture(autouse=True)
def _patched(_recording: object) -> None:
    """Every test here is about functions that are stood in for."""


def delta_id(path: Path, number: int) -> str:
    """As docs/artifact-identity.md, section 17, has it; the id of the table from its own log."""
    log = (path / "_delta_log" / f"{0:020}.json").read_text().splitlines()
    (table,) = [entry["metaData"] for entry in map(json.loads, log) if "metaData" in entry]
    facts = {"delta.table": table["id"], "delta.version": str(number)}
    return versioned(path.as_uri(), "version", of_version(facts), "table").id


def named(path: Path, last: int, **others: Any) -> dict[str, str]:
    """Names for the versions of a table up to ``last``, and for the contents of tables."""
    found = {f"v{number}": delta_id(path, number) for number in range(last + 1)}
    return {**found, **{name: otelprov.artifact(value).id for name, value in others.items()}}


def check(spans: list[Recorded], names: Mapping[str, str], graph: str) -> None:
    assert edges.found(spans, names) == edges.expected(graph)


def test_a_table_is_built_day_by_day(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "orders"
    orders, later = ORDERS.copy(), LATER.copy()
    write_deltalake(path, orders)
    write_deltalake(path, later, mode="append")
    table = DeltaTable(path)
    everything = table.to_pandas()
    totals = everything.groupby("customer", as_index=False)["amount"].sum()
    write_deltalake(tmp_path / "totals", totals, mode="overwrite")
    first = DeltaTable(path, version=0).to_pyarrow_table(columns=["order", "amount"])

    names = named(path, 1, orders=orders, later=later, everything=everything, first=first)
    names["totals"] = delta_id(tmp_path / "totals", 0)
    check(
        spans.all(),
        names,
        """
        orders -> deltalake.write_deltalake -> v0
        later v0 -> deltalake.write_deltalake -> v1
        v1 -> deltalake.to_pandas -> everything
        everything -> pandas.groupby.sum -> [pandas.groupby.sum]
        [pandas.groupby.sum] -> deltalake.write_deltalake -> totals
        v0 -> deltalake.to_pyarrow_table -> first
        """,
    )
    (append,) = [one for one in spans.all() if one.parameter("mode") == "append"]
    (made,) = append.generated
    assert made["otelprov.artifact.version"] == "1"
    assert made["otelprov.artifact.name"] == "orders"
    assert made["otelprov.artifact.uri"] == path.as_uri()
    assert made["otelprov.artifact.coverage"] == "version"
    assert made["otelprov.artifact.schema"] == otelprov.artifact(everything).schema_id
    read = spans.one("deltalake.to_pyarrow_table")
    assert read.used[0]["otelprov.artifact.selected"] == '["order","amount"]'


def test_changes_make_one_version_after_the_other(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "orders"
    orders, news = ORDERS.copy(), pa.table({"order": [3, 6], "amount": [2.5, 8.0]})
    write_deltalake(path, orders[["order", "amount"]].copy())
    table = DeltaTable(path)
    table.update(updates={"amount": "amount * 2"}, predicate="order = 1")
    table.delete("order = 2")
    (
        table.merge(news, predicate="t.order = s.order", source_alias="s", target_alias="t")
        .when_matched_update(updates={"amount": "s.amount"})
        .when_not_matched_insert_all()
        .execute()
    )
    write_deltalake(table, news, mode="append")
    table.optimize.compact()
    table.alter.add_columns(deltalake.Field("note", "string"))
    result = table.to_pandas()
    assert sorted(result["amount"]) == [2.5, 2.5, 8.0, 8.0, 10.0]

    names = named(path, 6, news=news, result=result)
    spans.all()
    used = next(one for one in spans.all() if one.name == "deltalake.write_deltalake").used_ids
    (names["start"],) = used
    check(
        [one for one in spans.all() if not one.name.startswith("pandas")],
        names,
        """
        start -> deltalake.write_deltalake -> v0
        v0 -> deltalake.update -> v1
        v1 -> deltalake.delete -> v2
        news v2 -> deltalake.merge -> v3
        news v3 -> deltalake.write_deltalake -> v4
        v4 -> deltalake.optimize.compact -> v5
        v5 -> deltalake.alter.add_columns -> v6
        v6 -> deltalake.to_pandas -> result
        """,
    )
    merge = spans.one("deltalake.merge")
    assert merge.parameter("predicate") == "t.order = s.order"
    assert "s.amount" in merge.parameter("when_matched_update")
    assert merge.parameter("when_not_matched_insert_all") is True
    kinds = {one.attributes["otelprov.operation.kind"] for one in spans.all() if one.generated}
    assert {"write", "read"} <= kinds


def test_changes_and_statements_name_the_versions_that_they_read(
    spans: Spans, tmp_path: Path
) -> None:
    path, other = tmp_path / "orders", tmp_path / "other"
    orders, later = ORDERS.copy(), LATER.copy()
    feed = {"delta.enableChangeDataFeed": "true"}
    write_deltalake(path, orders, configuration=feed)
    write_deltalake(other, orders)
    for _ in range(2):
        write_deltalake(path, later, mode="append")
    spans.clear()
    table = DeltaTable(path)
    assert table.load_cdf(starting_version=1).read_all().num_rows == 4
    table.load_cdf(0, ending_version=1, columns=["order"])
    table.load_cdf(ending_timestamp="2070-01-01T00:00:00Z", allow_out_of_range=True)
    builder = deltalake.QueryBuilder().register("Orders", DeltaTable(path, version=0))
    builder.register("other", DeltaTable(other)).register("unused", table)
    result = builder.execute(
        "SELECT sum(a.amount) FROM orders a JOIN other USING (\"order\") WHERE a.day = 'secret'"
    )
    assert result.read_all().num_rows == 1
    names = {
        **named(path, 2),
        "other": delta_id(other, 0),
        "place": identify_location(path.as_uri()).id,
    }
    check(
        spans.all(),
        names,
        """
        v1 v2 -> deltalake.load_cdf ->
        v0 v1 -> deltalake.load_cdf ->
        place -> deltalake.load_cdf ->
        v0 other -> deltalake.QueryBuilder.execute ->
        """,
    )
    query = spans.one("deltalake.QueryBuilder.execute")
    assert query.attributes["otelprov.operation.kind"] == "query"
    assert query.attributes["db.query.text"].endswith("WHERE a.day = ?")
    with pytest.raises(Exception, match="nothing"):
        builder.execute("SELECT * FROM nothing")


def test_what_changes_nothing_makes_nothing(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "orders"
    orders = ORDERS.copy()
    write_deltalake(path, orders)
    table = DeltaTable(path)
    table.delete("order = 100")
    table.optimize.compact()
    assert table.vacuum() == []
    write_deltalake(path, orders, mode="ignore")
    check(
        spans.all(),
        named(path, 0, orders=orders),
        """
        orders -> deltalake.write_deltalake -> v0
        v0 -> deltalake.delete ->
        v0 -> deltalake.optimize.compact ->
        v0 -> deltalake.vacuum ->
        orders -> deltalake.write_deltalake ->
        """,
    )


def test_vacuum_and_restore(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "orders"
    orders, later = ORDERS.copy(), LATER.copy()
    write_deltalake(path, orders)
    between = _a_later_moment()
    write_deltalake(path, later, mode="overwrite")
    table = DeltaTable(path)
    table.restore(0)
    write_deltalake(path, later, mode="overwrite")
    table.update_incremental()
    table.restore(between)
    table.optimize.compact()
    table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    result = DeltaTable(path).to_pandas()
    check(
        spans.all(),
        named(path, 6, orders=orders, later=later),
        """
        orders -> deltalake.write_deltalake -> v0
        later -> deltalake.write_deltalake -> v1
        v0 -> deltalake.restore -> v2
        later -> deltalake.write_deltalake -> v3
        v0 -> deltalake.restore -> v4
        v4 -> deltalake.optimize.compact ->
        v4 -> deltalake.vacuum -> v5 v6
        v6 -> deltalake.to_pandas -> orders
        """,
    )
    pd.testing.assert_frame_equal(result, orders)


def _a_later_moment() -> datetime:
    """Milliseconds after what was before and before what comes: a log knows no finer times."""
    begun = time.monotonic()
    while time.monotonic() < begun + 0.02:
        found = datetime.now(timezone.utc)
    while time.monotonic() < begun + 0.04:
        pass
    return found


def test_what_replaces_a_part_uses_the_rest(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "orders"
    orders, part = ORDERS.copy(), ORDERS.assign(amount=0.0).iloc[[1]].reset_index(drop=True)
    spans.clear()
    write_deltalake(path, orders, partition_by="day")
    write_deltalake(path, part, mode="overwrite", predicate="day = 'b'")
    write_deltalake(path, part.assign(note="x"), mode="overwrite", schema_mode="overwrite")
    DeltaTable(path).to_pyarrow_table()
    first, second, third = [one for one in spans.all() if one.name == "deltalake.write_deltalake"]
    names = named(path, 2)
    assert first.generated_ids == {names["v0"]}
    assert names["v0"] in second.used_ids and second.generated_ids == {names["v1"]}
    assert names["v1"] not in third.used_ids and third.generated_ids == {names["v2"]}
    assert spans.one("deltalake.to_pyarrow_table").used_ids == {names["v2"]}
    contents = [one.generated[0].get("otelprov.artifact.content_id") for one in (first, second)]
    assert contents == [otelprov.artifact(orders).id, None]


def test_polars_reads_and_writes_the_same_versions(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "orders"
    orders, later = pl.from_pandas(ORDERS), pl.from_pandas(LATER)
    spans.clear()
    orders.write_delta(path)
    later.write_delta(path, mode="append")
    now = pl.read_delta(str(path))
    before = pl.scan_delta(str(path), version=0)
    change = (
        pl.scan_delta(DeltaTable(path))
        .join(before, on="order", how="anti")
        .select("order", "amount")
        .collect()
    )
    before.collect()
    (
        change.write_delta(
            path,
            mode="merge",
            delta_merge_options={
                "predicate": "t.order = s.order",
                "source_alias": "s",
                "target_alias": "t",
            },
        )
        .when_matched_update(updates={"amount": "s.amount + 1"})
        .execute()
    )
    last = DeltaTable(path).to_pandas()
    assert sorted(last["amount"]) == [1.5, 3.0, 5.0, 7.5, 10.0]
    names = named(path, 2, orders=orders, later=later, now=now, final=last)
    queries = [one for one in spans.all() if one.name == "polars.collect"]
    names["change"], names["again"] = (next(iter(one.generated_ids)) for one in queries)
    check(
        spans.all(),
        names,
        """
        orders -> polars.write_delta -> v0
        later v0 -> polars.write_delta -> v1
        v1 -> polars.read_delta -> now
        v1 v0 -> polars.collect -> change
        v0 -> polars.collect -> again
        change v1 -> deltalake.merge -> v2
        v2 -> deltalake.to_pandas -> final
        """,
    )


def test_a_query_of_polars_names_the_columns_that_it_takes_of_a_table(
    spans: Spans, tmp_path: Path
) -> None:
    path = str(tmp_path / "orders")
    pl.from_pandas(ORDERS).write_delta(path)
    lazy = pl.scan_delta(path)
    lazy.select("order").explain()  # asks, too: for no operation
    spans.clear()
    lazy.select("order").collect()
    lazy.filter(pl.col("amount") > 2).select("order").collect()
    lazy.collect()
    lazy.select("order").join(lazy.select("order", "amount"), on="order").collect()
    lazy.select("amount").sink_csv(tmp_path / "a.csv")
    pl.read_delta(path, columns=["customer"])
    running = lazy.select("order").collect(background=True)
    running.fetch_blocking()
    *found, background = (
        [json.loads(one.get("otelprov.artifact.selected", "null")) for one in span.used]
        for span in spans.all()
    )
    every = list(ORDERS.columns)
    first, second, third, fourth, fifth, sixth = ({*one} for (one,) in found)
    assert (first, second, third) == ({"order"}, {"order", "amount"}, {*every})
    assert {"order", "amount"} <= fourth <= {*every}  # Polars may read it once for both
    assert (fifth, sixth) == ({"amount"}, {"customer"})
    # It asked before anybody fetched: which columns it took is not known, or just these.
    assert background in ([None], [["order"]])


def test_of_two_queries_at_once_nobody_knows_which_columns_were_asked_for(
    spans: Spans, tmp_path: Path
) -> None:
    path = str(tmp_path / "orders")
    pl.from_pandas(ORDERS).write_delta(path)
    lazy = pl.scan_delta(path)
    spans.clear()
    inside = lazy.select("order")

    def within(frame: pl.DataFrame) -> pl.DataFrame:
        inside.collect()
        return frame

    lazy.select("amount").map_batches(within).collect()
    selected = [
        one.get("otelprov.artifact.selected")
        for span in spans.all()
        if span.name == "polars.collect"
        for one in span.used
    ]
    assert selected and set(selected) <= {None, '["amount"]', '["order"]'}
    assert selected[0] in (None, '["amount"]')


def test_a_lazy_frame_is_sunk_into_a_table(spans: Spans, tmp_path: Path) -> None:
    orders = pl.from_pandas(ORDERS)
    orders.write_delta(tmp_path / "orders")
    spans.clear()
    (
        pl.scan_delta(str(tmp_path / "orders"))
        .group_by("customer")
        .agg(pl.col("amount").sum())
        .sink_delta(tmp_path / "totals")
    )
    source, made = delta_id(tmp_path / "orders", 0), delta_id(tmp_path / "totals", 0)
    (sink,) = spans.all()
    assert (sink.name, sink.used_ids, sink.generated_ids) == ("polars.sink_delta", {source}, {made})


def test_a_table_has_one_id_on_every_side(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "orders"
    write_deltalake(path, pa.Table.from_pandas(ORDERS, preserve_index=False))
    table = DeltaTable(path)
    ids = {
        otelprov.artifact(value).id
        for value in (
            ORDERS,
            table.to_pandas(),
            table.to_pyarrow_table(),
            pl.read_delta(str(path)),
            pl.from_arrow(table.to_pyarrow_table()),
        )
    }
    assert len(ids) == 1
    reads = ("deltalake.to_pandas", "deltalake.to_pyarrow_table", "polars.read_delta")
    for span in spans.all():
        if span.name in reads:
            assert span.generated_ids == ids


def test_many_writers_each_know_their_own_version(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "orders"
    write_deltalake(path, ORDERS)
    spans.clear()

    def append(first: int) -> None:
        for number in range(first, first + 5):
            write_deltalake(path, pa.table({**_ROW, "order": [number]}), mode="append")

    threads = [threading.Thread(target=append, args=(first,)) for first in (100, 200, 300, 400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writes = spans.all()
    assert (
        len(writes) == len({one.generated[0]["otelprov.artifact.version"] for one in writes}) == 20
    )
    for one in writes:
        number = int(one.generated[0]["otelprov.artifact.version"])
        now, before = (
            {one.as_py() for one in DeltaTable(path, version=version).to_pyarrow_table()["order"]}
            for version in (number, number - 1)
        )
        (added,) = now - before
        row = otelprov.artifact(pa.table({**_ROW, "order": [added]})).id
        assert one.used_ids == {row, delta_id(path, number - 1)}


_ROW = {"order": [0], "customer": [1], "amount": [1.0], "day": ["z"]}


def test_a_writer_that_is_behind_uses_what_it_wrote_upon(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "orders"
    write_deltalake(path, ORDERS)
    behind = DeltaTable(path)
    write_deltalake(path, LATER, mode="append")
    spans.clear()
    write_deltalake(behind, pa.table(_ROW), mode="append")
    (write,) = spans.all()
    assert delta_id(path, 1) in write.used_ids and write.generated_ids == {delta_id(path, 2)}


def test_a_conflict_is_the_programs_own_and_makes_nothing(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "orders"
    write_deltalake(path, ORDERS)
    behind = DeltaTable(path)
    DeltaTable(path).delete("order = 1")
    spans.clear()
    with pytest.raises(deltalake.exceptions.CommitFailedError) as caught:
        behind.delete("order = 1")
    places = str([str(entry.path) for entry in caught.traceback])
    assert "<otelprov" not in places and "otelprov/instrumentation" not in places
    (failed,) = spans.all()
    assert failed.status["code"] == 2 and failed.generated == []
    assert failed.used_ids == {delta_id(path, 0)}


def test_a_table_that_is_there_or_missing_raises_as_ever(spans: Spans, tmp_path: Path) -> None:
    write_deltalake(tmp_path / "orders", ORDERS)
    with pytest.raises(deltalake.exceptions.DeltaError, match="already exists"):
        write_deltalake(tmp_path / "orders", ORDERS)
    with pytest.raises(deltalake.exceptions.TableNotFoundError):
        DeltaTable(tmp_path / "nowhere")
    with pytest.raises((FileNotFoundError, deltalake.exceptions.TableNotFoundError)):
        pl.read_delta(str(tmp_path / "nowhere"))
    table = DeltaTable(tmp_path / "orders")
    with pytest.raises(deltalake.exceptions.DeltaError):
        table.delete("nothing = 1")
    assert [one.generated for one in spans.all()][1:] == [[], [], []]


def test_a_table_of_the_same_name_made_anew_is_another(spans: Spans, tmp_path: Path) -> None:
    for _ in range(2):
        write_deltalake(tmp_path / "orders", ORDERS)
        DeltaTable(tmp_path / "orders").to_pandas()
        shutil.rmtree(tmp_path / "orders")
    writes = [one for one in spans.all() if one.name == "deltalake.write_deltalake"]
    reads = [one for one in spans.all() if one.name == "deltalake.to_pandas"]
    assert [one.used_ids for one in reads] == [one.generated_ids for one in writes]
    assert writes[0].generated_ids != writes[1].generated_ids


def test_what_stands_in_a_tables_place_in_a_test_is_none(
    spans: Spans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Double:
        def vacuum(self, *arguments: Any) -> list[str]:
            return ["a file"]

    table = DeltaTable.__new__(DeltaTable)
    with pytest.raises(AttributeError, match="'_table'"):
        table.to_pandas()
    table._table = Double()  # type: ignore[assignment]
    assert table.vacuum() == ["a file"]
    monkeypatch.setattr("deltalake.table._create_deltalake", lambda *_: None)
    monkeypatch.setattr(DeltaTable, "__init__", lambda *_, **__: None)
    DeltaTable.create(tmp_path / "t", schema=pa.schema({"order": pa.int64()}))
    (create,) = spans.all()
    assert create.name == "deltalake.create" and create.generated == []


def test_an_empty_table_is_made_and_filled(spans: Spans, tmp_path: Path) -> None:
    schema = pa.schema({"order": pa.int64(), "amount": pa.float64()})
    rows = pa.table({"order": [1], "amount": [2.0]})
    table = DeltaTable.create(tmp_path / "t", schema=schema)
    write_deltalake(table, rows, mode="append")
    log = table.history()
    assert [one["version"] for one in log] == [1, 0]
    check(
        spans.all(),
        named(tmp_path / "t", 1, rows=rows, log=log),
        """
        -> deltalake.create -> v0
        rows v0 -> deltalake.write_deltalake -> v1
        v1 -> deltalake.history -> log
        """,
    )


def test_what_stands_in_pickles_and_looks_as_before(spans: Spans) -> None:
    for function in (
        deltalake.write_deltalake,
        DeltaTable.to_pandas,
        DeltaTable.merge,
        DeltaTable.__init__,
    ):
        assert pickle.loads(pickle.dumps(function)) is function
        assert cloudpickle.loads(cloudpickle.dumps(function)) is function
    assert isinstance(DeltaTable, type)
    assert str(inspect.signature(DeltaTable.vacuum)).startswith("(self, retention_hours")


WRITER = """
import sys
import pandas as pd
from deltalake import write_deltalake
write_deltalake(sys.argv[1], pd.DataFrame({"order": [int(sys.argv[2])]}), mode="append")
"""
READER = """
import sys
import polars as pl
from deltalake import DeltaTable
print(DeltaTable(sys.argv[1], version=1).to_pandas())
print(pl.read_delta(sys.argv[1]))
"""


def test_lineage_leads_from_a_version_to_the_process_that_wrote_it(tmp_path: Path) -> None:
    for name, code in (("writer", WRITER), ("reader", READER)):
        (tmp_path / f"{name}.py").write_text(code)
    journal = tmp_path / "journal"
    for number in range(3):
        instrumented("writer.py", "orders", str(number), journal_directory=journal, cwd=tmp_path)
    instrumented("reader.py", "orders", journal_directory=journal, cwd=tmp_path)
    files = sorted(journal.glob("*.jsonl"))
    spans = [span for file in files for span in journal_lines(file)]
    writers: dict[str, Recorded] = {
        event["otelprov.artifact.version"]: span
        for span in spans
        for event in span.generated
        if "otelprov.artifact.version" in event
    }
    assert writers.keys() == {"0", "1", "2"}
    reads = [span for span in spans if span.attributes.get("otelprov.operation.kind") == "read"]
    by_name = {span.name: span for span in reads}
    assert by_name["deltalake.to_pandas"].used_ids == writers["1"].generated_ids
    assert by_name["polars.read_delta"].used_ids == writers["2"].generated_ids
    shown = subprocess.run(
        [BIN / "otelprov", "lineage", next(iter(by_name["deltalake.to_pandas"].generated_ids))],
        env=environment(journal),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.stdout.count("▶ run writer.py") == 2, shown.stdout + shown.stderr
    assert "orders@1" in shown.stdout and "orders@2" not in shown.stdout

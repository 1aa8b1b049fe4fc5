"""Pipelines as people write them, each with its whole graph written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import Spans

import otelprov

Edge = tuple[str, str]
"""From what was used to the operation, or from the operation to what it generated."""


@pytest.fixture
def shop(tmp_path: Path, spans: Spans) -> Path:
    """Orders by month, customers, and rates."""
    for month, rows in (("01", [(1, 10, 5.0), (2, 11, 7.5)]), ("02", [(3, 10, 1.5), (4, 12, 9.0)])):
        text = "order,customer,amount\n" + "".join(f"{o},{c},{a}\n" for o, c, a in rows)
        (tmp_path / f"orders-{month}.csv").write_text(text)
    table = pa.table(
        {"customer": [10, 11, 12], "country": ["CH", "DE", "CH"], "vip": [True, False, True]}
    )
    pq.write_table(table, tmp_path / "customers.parquet")
    (tmp_path / "rates.ndjson").write_text(
        '{"country": "CH", "rate": 1.05}\n{"country": "DE", "rate": 0.95}\n'
    )
    spans.clear()
    return tmp_path


def names(directory: Path, **objects: Any) -> dict[str, str]:
    """Short names for the ids of files and of objects."""
    known = {
        otelprov.artifact(path).id: path.name for path in directory.iterdir() if path.is_file()
    }
    return {**known, **{otelprov.artifact(value).id: name for name, value in objects.items()}}


def edges(recorded: Spans, directory: Path, **objects: Any) -> set[Edge]:
    """All edges of all spans; what has no name is named after the operation that generated it."""
    spans = recorded.all()
    known = names(directory, **objects)
    for span in spans:
        for event in span.generated:
            role = event["otelprov.artifact.role"]
            own = span.name if role == "return" else f"{span.name} {role}"
            known.setdefault(event["otelprov.generated.id"], f"<{own}>")
    found = set()
    for span in spans:
        found |= {(known.get(one, one), span.name) for one in span.used_ids}
        found |= {(span.name, known.get(one, one)) for one in span.generated_ids}
    return found


def test_an_eager_report(spans: Spans, shop: Path) -> None:
    orders = pl.concat([pl.read_csv(path) for path in sorted(shop.glob("orders-*.csv"))])
    customers = pl.read_parquet(shop / "customers.parquet")
    vips = customers.filter(pl.col("vip"))
    joined = orders.join(customers, on="customer", how="left").with_columns(
        pl.col("country").str.to_lowercase(),
        is_vip=pl.col("customer").is_in(vips["customer"].to_list()),
    )
    report = (
        joined.group_by("country")
        .agg(pl.col("amount").sum().alias("total"), pl.len().alias("orders"))
        .sort("total", descending=True)
    )
    report.write_csv(shop / "report.csv")
    joined.write_parquet(shop / "joined.parquet")

    assert edges(spans, shop, customers=customers, vips=vips, joined=joined, report=report) == {
        ("orders-01.csv", "polars.read_csv"),
        ("orders-02.csv", "polars.read_csv"),
        ("polars.read_csv", "<polars.read_csv>"),
        ("<polars.read_csv>", "polars.concat"),
        ("polars.concat", "<polars.concat>"),
        ("customers.parquet", "polars.read_parquet"),
        ("polars.read_parquet", "customers"),
        ("customers", "polars.filter"),
        ("polars.filter", "vips"),
        ("<polars.concat>", "polars.join"),
        ("customers", "polars.join"),
        ("polars.join", "<polars.join>"),
        ("<polars.join>", "polars.with_columns"),
        ("vips", "polars.to_list"),
        ("polars.to_list", "<polars.to_list>"),
        ("<polars.to_list>", "polars.with_columns"),
        ("polars.with_columns", "joined"),
        ("joined", "polars.group_by.agg"),
        ("polars.group_by.agg", "<polars.group_by.agg>"),
        ("<polars.group_by.agg>", "polars.sort"),
        ("polars.sort", "report"),
        ("report", "polars.write_csv"),
        ("polars.write_csv", "report.csv"),
        ("joined", "polars.write_parquet"),
        ("polars.write_parquet", "joined.parquet"),
        ("polars.write_parquet", "<polars.write_parquet content>"),
    }
    agg = spans.one("polars.group_by.agg")
    assert agg.parameter("by") == "('country',)"
    assert "sum" in agg.parameter("aggs")


def test_a_lazy_pipeline_is_one_span(spans: Spans, shop: Path) -> None:
    orders = pl.scan_csv(shop / "orders-*.csv")
    customers = pl.scan_parquet(shop / "customers.parquet")
    rates = pl.scan_ndjson(shop / "rates.ndjson")

    def in_francs(lazy: pl.LazyFrame) -> pl.LazyFrame:
        return lazy.join(rates, on="country").with_columns(pl.col("amount") * pl.col("rate"))

    report = (
        orders.join(customers, on="customer")
        .filter(pl.col("amount") > 2)
        .pipe(in_francs)
        .group_by("country")
        .agg(cs.numeric().sum())
        .select("country", "amount")
        .collect()
    )
    assert edges(spans, shop, report=report) == {
        ("orders-01.csv", "polars.collect"),
        ("orders-02.csv", "polars.collect"),
        ("customers.parquet", "polars.collect"),
        ("rates.ndjson", "polars.collect"),
        ("polars.collect", "report"),
    }
    span = spans.one("polars.collect")
    assert span.attributes["otelprov.operation.kind"] == "query"
    assert "SCAN" in span.attributes["otelprov.plan"]
    taken = {
        event["otelprov.artifact.name"]: event.get("otelprov.artifact.selected")
        for event in span.used
    }
    assert taken["orders-01.csv"] == taken["orders-02.csv"]
    assert sorted(json.loads(taken["orders-01.csv"])) == ["amount", "customer"]
    assert sorted(json.loads(taken["customers.parquet"])) == ["country", "customer"]
    assert taken["rates.ndjson"] in (None, '["country","rate"]')  # all of them


def test_sinks_and_a_read_of_what_was_sunk(spans: Spans, shop: Path) -> None:
    lazy = pl.scan_csv(shop / "orders-01.csv").with_columns(pl.col("amount").round(0))
    lazy.sink_parquet(shop / "sunk.parquet")
    again = pl.read_parquet(shop / "sunk.parquet")
    again.lazy().select("order").sink_csv(shop / "sunk.csv")
    assert edges(spans, shop, again=again) == {
        ("orders-01.csv", "polars.sink_parquet"),
        ("polars.sink_parquet", "sunk.parquet"),
        ("sunk.parquet", "polars.read_parquet"),
        ("polars.read_parquet", "again"),
        ("again", "polars.sink_csv"),
        ("polars.sink_csv", "sunk.csv"),
    }
    assert spans.one("polars.sink_csv").used[0]["otelprov.artifact.selected"] == '["order"]'


def test_sql_over_files_frames_and_tables_of_others(spans: Spans, shop: Path) -> None:
    orders = pl.scan_csv(shop / "orders-01.csv")  # noqa: F841 - read by name
    customers = pl.read_parquet(shop / "customers.parquet")
    rates = pd.read_json(shop / "rates.ndjson", lines=True)
    unused = pl.read_csv(shop / "orders-02.csv")
    result = pl.sql(
        """
        WITH vips AS (SELECT customer, country FROM customers WHERE vip)
        SELECT country, SUM(amount * rate) AS total
        FROM orders JOIN vips USING (customer) JOIN rates USING (country)
        GROUP BY country
        """
    ).collect()
    assert edges(spans, shop, customers=customers, rates=rates, unused=unused, result=result) == {
        ("customers.parquet", "polars.read_parquet"),
        ("polars.read_parquet", "customers"),
        ("rates.ndjson", "pandas.read_json"),
        ("pandas.read_json", "rates"),
        ("orders-02.csv", "polars.read_csv"),
        ("polars.read_csv", "unused"),
        ("orders-01.csv", "polars.collect"),
        ("customers", "polars.collect"),
        ("rates", "polars.collect"),
        ("polars.collect", "result"),
    }


def test_a_table_has_one_id_on_both_sides_of_every_hand_over(spans: Spans, shop: Path) -> None:
    first = pl.read_csv(shop / "orders-01.csv")
    pandas = first.to_pandas()
    back = pl.from_pandas(pandas)
    arrow = back.to_arrow()
    again = pl.from_arrow(arrow)
    built = pl.DataFrame(arrow)
    of_pandas = pl.DataFrame(pandas)
    tables = [first, pandas, back, arrow, again, built, of_pandas]
    assert len({otelprov.artifact(table).id for table in tables}) == 1
    assert isinstance(again, pl.DataFrame)
    again.write_parquet(shop / "again.parquet")
    assert (
        otelprov.artifact(pd.read_parquet(shop / "again.parquet")).id == otelprov.artifact(first).id
    )
    assert (
        otelprov.artifact(pq.read_table(shop / "again.parquet")).id == otelprov.artifact(first).id
    )
    assert spans.names() == [
        "polars.read_csv",
        "polars.to_pandas",
        "polars.from_pandas",
        "polars.to_arrow",
        "polars.from_arrow",
        "polars.DataFrame",
        "polars.DataFrame",
        "polars.write_parquet",
        "pandas.read_parquet",
        "pyarrow.parquet.read_table",
    ]


def test_a_computed_table_is_known_by_its_content_where_it_is_handed_over(
    spans: Spans, shop: Path
) -> None:
    made = pl.scan_csv(shop / "orders-*.csv").filter(pl.col("amount") > 2).collect()
    pandas = made.to_pandas()
    pandas.to_parquet(shop / "out.parquet")
    again = pl.scan_parquet(shop / "out.parquet").collect()
    assert otelprov.artifact(made).id.startswith("derived:")
    assert otelprov.artifact(pandas).id.startswith("table:")
    assert edges(spans, shop, made=made, pandas=pandas, again=again) == {
        ("orders-01.csv", "polars.collect"),
        ("orders-02.csv", "polars.collect"),
        ("polars.collect", "made"),
        ("made", "polars.to_pandas"),
        ("polars.to_pandas", "pandas"),
        ("pandas", "pandas.to_parquet"),
        ("pandas.to_parquet", "pandas"),
        ("pandas.to_parquet", "out.parquet"),
        ("out.parquet", "polars.collect"),
        ("polars.collect", "again"),
    }


def test_two_runs_of_the_same_pipeline_have_the_same_derivation_ids(
    spans: Spans, shop: Path
) -> None:
    def eager(limit: float) -> pl.DataFrame:
        orders = pl.read_csv(shop / "orders-01.csv")
        return orders.filter(pl.col("amount") > limit).with_columns(x=orders["amount"] * 2)

    def lazy(limit: float) -> pl.DataFrame:
        customers = pl.read_parquet(shop / "customers.parquet").lazy()
        orders = pl.scan_csv(shop / "orders-01.csv")
        return orders.join(customers, on="customer").filter(pl.col("amount") > limit).collect()

    for pipeline in (eager, lazy):
        ids = [otelprov.artifact(pipeline(limit)).id for limit in (2, 2, 3)]
        assert ids[0] == ids[1] != ids[2]
        assert ids[0].startswith("derived:")


def test_a_plan_shows_names_and_no_values(spans: Spans, shop: Path) -> None:
    lazy = (
        pl.scan_csv(shop / "orders-01.csv")
        .join(pl.scan_parquet(shop / "customers.parquet"), on="customer")
        .filter(pl.col("country") != "secret one", pl.col("country").is_in(["secret two", "CH"]))
        .with_columns(pl.lit("secret three").alias("word"))
        .group_by("country")
        .agg(pl.col("amount").sum())
        .sort("country")
    )
    lazy.collect()
    text = spans.one("polars.collect").attributes["otelprov.plan"]
    assert "secret" not in text
    assert 'col("country")' in text
    assert 'col("amount")' in text

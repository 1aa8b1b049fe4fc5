"""A pipeline: queries of TPC-H (1, 3 to 6, 12, 14) in Polars, lazily, from Parquet files to Parquet
files.

    python benchmarks/tpch_polars.py <folder of the tables> <folder for the answers>

Written as a person would write it who has never heard of otelprov.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import polars as pl
from polars import col

DATA, ANSWERS = Path(sys.argv[1]), Path(sys.argv[2])
REVENUE = col("l_extendedprice") * (1 - col("l_discount"))


def table(name: str) -> pl.LazyFrame:
    return pl.scan_parquet(DATA / f"{name}.parquet")


def pricing_summary() -> pl.LazyFrame:
    return (
        table("lineitem")
        .filter(col("l_shipdate") <= datetime(1998, 9, 2))
        .with_columns(price=REVENUE)
        .with_columns(charge=col("price") * (1 + col("l_tax")))
        .group_by("l_returnflag", "l_linestatus")
        .agg(
            pl.sum("l_quantity", "l_extendedprice", "price", "charge"),
            pl.mean("l_discount"),
            count_order=pl.len(),
        )
        .sort("l_returnflag", "l_linestatus")
    )


def shipping_priority() -> pl.LazyFrame:
    customers = table("customer").filter(col("c_mktsegment") == "BUILDING")
    orders = table("orders").filter(col("o_orderdate") < datetime(1995, 3, 15))
    items = table("lineitem").filter(col("l_shipdate") > datetime(1995, 3, 15))
    return (
        customers.join(orders, left_on="c_custkey", right_on="o_custkey")
        .join(items, left_on="o_orderkey", right_on="l_orderkey")
        .group_by("o_orderkey", "o_orderdate", "o_shippriority")
        .agg(revenue=REVENUE.sum())
        .sort("revenue", "o_orderdate", descending=[True, False])
        .head(10)
    )


def order_priorities() -> pl.LazyFrame:
    late = table("lineitem").filter(col("l_commitdate") < col("l_receiptdate"))
    between = col("o_orderdate").is_between(datetime(1993, 7, 1), datetime(1993, 9, 30))
    return (
        table("orders")
        .filter(between)
        .join(late, left_on="o_orderkey", right_on="l_orderkey", how="semi")
        .group_by("o_orderpriority")
        .agg(order_count=pl.len())
        .sort("o_orderpriority")
    )


def local_supplier_volume() -> pl.LazyFrame:
    between = col("o_orderdate").is_between(datetime(1994, 1, 1), datetime(1994, 12, 31))
    return (
        table("region")
        .filter(col("r_name") == "ASIA")
        .join(table("nation"), left_on="r_regionkey", right_on="n_regionkey")
        .join(table("customer"), left_on="n_nationkey", right_on="c_nationkey")
        .join(table("orders").filter(between), left_on="c_custkey", right_on="o_custkey")
        .join(table("lineitem"), left_on="o_orderkey", right_on="l_orderkey")
        .join(
            table("supplier"),
            left_on=["l_suppkey", "n_nationkey"],
            right_on=["s_suppkey", "s_nationkey"],
        )
        .group_by("n_name")
        .agg(revenue=REVENUE.sum())
        .sort("revenue", descending=True)
    )


def revenue_change() -> pl.LazyFrame:
    return (
        table("lineitem")
        .filter(
            col("l_shipdate").is_between(datetime(1994, 1, 1), datetime(1994, 12, 31)),
            col("l_discount").is_between(0.05, 0.07),
            col("l_quantity") < 24,
        )
        .select(revenue=(col("l_extendedprice") * col("l_discount")).sum())
    )


def shipping_modes() -> pl.LazyFrame:
    urgent = col("o_orderpriority").is_in(["1-URGENT", "2-HIGH"])
    return (
        table("lineitem")
        .filter(
            col("l_shipmode").is_in(["MAIL", "SHIP"]),
            col("l_commitdate") < col("l_receiptdate"),
            col("l_shipdate") < col("l_commitdate"),
            col("l_receiptdate").is_between(datetime(1994, 1, 1), datetime(1994, 12, 31)),
        )
        .join(table("orders"), left_on="l_orderkey", right_on="o_orderkey")
        .group_by("l_shipmode")
        .agg(high_line_count=urgent.sum(), low_line_count=(~urgent).sum())
        .sort("l_shipmode")
    )


def promotion_effect() -> pl.LazyFrame:
    promoted = col("p_type").str.starts_with("PROMO")
    return (
        table("lineitem")
        .filter(col("l_shipdate").is_between(datetime(1995, 9, 1), datetime(1995, 9, 30)))
        .join(table("part"), left_on="l_partkey", right_on="p_partkey")
        .select(promo_revenue=100 * REVENUE.filter(promoted).sum() / REVENUE.sum())
    )


QUERIES = {
    1: pricing_summary,
    3: shipping_priority,
    4: order_priorities,
    5: local_supplier_volume,
    6: revenue_change,
    12: shipping_modes,
    14: promotion_effect,
}

if __name__ == "__main__":
    for number, query in QUERIES.items():
        query().collect().write_parquet(ANSWERS / f"q{number}.parquet")

"""A pipeline: the queries 1 to 8 of TPC-H in pandas, from Parquet files to Parquet files.

    python benchmarks/tpch.py <folder of the tables> <folder for the answers>

Written as a person would write it who has never heard of otelprov. Every query reads the columns
that it needs and writes its answer.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

DATA, ANSWERS = Path(sys.argv[1]), Path(sys.argv[2])


def table(name: str, *columns: str) -> pd.DataFrame:
    return pd.read_parquet(DATA / f"{name}.parquet", columns=list(columns) or None)


def answer(number: int, frame: pd.DataFrame) -> None:
    frame.to_parquet(ANSWERS / f"q{number}.parquet")


def pricing_summary() -> pd.DataFrame:
    items = table(
        "lineitem", "l_returnflag", "l_linestatus", "l_quantity", "l_extendedprice", "l_discount",
        "l_tax", "l_shipdate",
    )  # fmt: skip
    items = items[items["l_shipdate"] <= "1998-09-02"].copy()
    items["price"] = items["l_extendedprice"] * (1 - items["l_discount"])
    items["charge"] = items["price"] * (1 + items["l_tax"])
    return (
        items.groupby(["l_returnflag", "l_linestatus"], as_index=False)
        .agg(
            sum_qty=("l_quantity", "sum"),
            sum_base_price=("l_extendedprice", "sum"),
            sum_disc_price=("price", "sum"),
            sum_charge=("charge", "sum"),
            avg_qty=("l_quantity", "mean"),
            avg_price=("l_extendedprice", "mean"),
            avg_disc=("l_discount", "mean"),
            count_order=("l_quantity", "size"),
        )
        .sort_values(["l_returnflag", "l_linestatus"])
    )


def suppliers_of(region: str) -> pd.DataFrame:
    nations = table("nation").merge(table("region"), left_on="n_regionkey", right_on="r_regionkey")
    nations = nations[nations["r_name"] == region]
    return table("supplier").merge(nations, left_on="s_nationkey", right_on="n_nationkey")


def cheapest_suppliers() -> pd.DataFrame:
    parts = table("part", "p_partkey", "p_mfgr", "p_size", "p_type")
    parts = parts[(parts["p_size"] == 15) & parts["p_type"].str.endswith("BRASS")]
    offers = table("partsupp", "ps_partkey", "ps_suppkey", "ps_supplycost")
    offers = offers.merge(suppliers_of("EUROPE"), left_on="ps_suppkey", right_on="s_suppkey")
    offers = offers.merge(parts, left_on="ps_partkey", right_on="p_partkey")
    least = offers.groupby("p_partkey", as_index=False)["ps_supplycost"].min()
    found = offers.merge(least, on=["p_partkey", "ps_supplycost"])
    columns = ["s_acctbal", "s_name", "n_name", "p_partkey", "p_mfgr", "s_address", "s_phone"]
    order = ["s_acctbal", "n_name", "s_name", "p_partkey"]
    return found[columns].sort_values(order, ascending=[False, True, True, True]).head(100)


def shipping_priority() -> pd.DataFrame:
    customers = table("customer", "c_custkey", "c_mktsegment")
    customers = customers[customers["c_mktsegment"] == "BUILDING"]
    orders = table("orders", "o_orderkey", "o_custkey", "o_orderdate", "o_shippriority")
    orders = orders[orders["o_orderdate"] < "1995-03-15"]
    items = table("lineitem", "l_orderkey", "l_extendedprice", "l_discount", "l_shipdate")
    items = items[items["l_shipdate"] > "1995-03-15"]
    joined = orders.merge(customers, left_on="o_custkey", right_on="c_custkey").merge(
        items, left_on="o_orderkey", right_on="l_orderkey"
    )
    joined["revenue"] = joined["l_extendedprice"] * (1 - joined["l_discount"])
    keys = ["l_orderkey", "o_orderdate", "o_shippriority"]
    return (
        joined.groupby(keys, as_index=False)["revenue"]
        .sum()
        .sort_values(["revenue", "o_orderdate"], ascending=[False, True])
        .head(10)
    )


def order_priorities() -> pd.DataFrame:
    orders = table("orders", "o_orderkey", "o_orderdate", "o_orderpriority")
    orders = orders[orders["o_orderdate"].between("1993-07-01", "1993-09-30")]
    items = table("lineitem", "l_orderkey", "l_commitdate", "l_receiptdate")
    late = items[items["l_commitdate"] < items["l_receiptdate"]]
    orders = orders[orders["o_orderkey"].isin(late["l_orderkey"])]
    counts = orders.groupby("o_orderpriority", as_index=False).size()
    return counts.rename(columns={"size": "order_count"}).sort_values("o_orderpriority")


def local_supplier_volume() -> pd.DataFrame:
    orders = table("orders", "o_orderkey", "o_custkey", "o_orderdate")
    orders = orders[orders["o_orderdate"].between("1994-01-01", "1994-12-31")]
    items = table("lineitem", "l_orderkey", "l_suppkey", "l_extendedprice", "l_discount")
    joined = (
        table("customer", "c_custkey", "c_nationkey")
        .merge(orders, left_on="c_custkey", right_on="o_custkey")
        .merge(items, left_on="o_orderkey", right_on="l_orderkey")
        .merge(
            suppliers_of("ASIA"),
            left_on=["l_suppkey", "c_nationkey"],
            right_on=["s_suppkey", "s_nationkey"],
        )
    )
    joined = joined.assign(revenue=lambda all: all["l_extendedprice"] * (1 - all["l_discount"]))
    revenue = joined.groupby("n_name", as_index=False)["revenue"].sum()
    return revenue.sort_values("revenue", ascending=False)


def revenue_change() -> pd.DataFrame:
    items = table("lineitem", "l_extendedprice", "l_discount", "l_quantity", "l_shipdate")
    items = items[
        items["l_shipdate"].between("1994-01-01", "1994-12-31")
        & items["l_discount"].between(0.05, 0.07)
        & (items["l_quantity"] < 24)
    ]
    return pd.DataFrame({"revenue": [(items["l_extendedprice"] * items["l_discount"]).sum()]})


def volume_between(first: str = "FRANCE", second: str = "GERMANY") -> pd.DataFrame:
    nations = table("nation", "n_nationkey", "n_name")
    nations = nations[nations["n_name"].isin([first, second])]
    suppliers = table("supplier", "s_suppkey", "s_nationkey").merge(
        nations.rename(columns={"n_name": "supp_nation"}),
        left_on="s_nationkey",
        right_on="n_nationkey",
    )
    customers = table("customer", "c_custkey", "c_nationkey").merge(
        nations.rename(columns={"n_name": "cust_nation"}),
        left_on="c_nationkey",
        right_on="n_nationkey",
    )
    orders = table("orders", "o_orderkey", "o_custkey")
    items = table(
        "lineitem", "l_orderkey", "l_suppkey", "l_extendedprice", "l_discount", "l_shipdate"
    )
    items = items[items["l_shipdate"].between("1995-01-01", "1996-12-31")]
    joined = (
        items.merge(suppliers, left_on="l_suppkey", right_on="s_suppkey")
        .merge(orders, left_on="l_orderkey", right_on="o_orderkey")
        .merge(customers, left_on="o_custkey", right_on="c_custkey")
    )
    joined = joined[joined["supp_nation"] != joined["cust_nation"]].copy()
    joined["volume"] = joined["l_extendedprice"] * (1 - joined["l_discount"])
    joined["l_year"] = joined["l_shipdate"].dt.year
    keys = ["supp_nation", "cust_nation", "l_year"]
    return joined.groupby(keys, as_index=False)["volume"].sum().sort_values(keys)


def market_share(nation: str = "BRAZIL") -> pd.DataFrame:
    parts = table("part", "p_partkey", "p_type")
    parts = parts[parts["p_type"] == "ECONOMY ANODIZED STEEL"]
    nations = table("nation", "n_nationkey", "n_name", "n_regionkey")
    america = table("region", "r_regionkey", "r_name").query("r_name == 'AMERICA'")
    customers = (
        table("customer", "c_custkey", "c_nationkey")
        .merge(nations, left_on="c_nationkey", right_on="n_nationkey")
        .merge(america, left_on="n_regionkey", right_on="r_regionkey")
    )
    orders = table("orders", "o_orderkey", "o_custkey", "o_orderdate")
    orders = orders[orders["o_orderdate"].between("1995-01-01", "1996-12-31")]
    items = table(
        "lineitem", "l_orderkey", "l_partkey", "l_suppkey", "l_extendedprice", "l_discount"
    )
    suppliers = table("supplier", "s_suppkey", "s_nationkey").merge(
        nations[["n_nationkey", "n_name"]], left_on="s_nationkey", right_on="n_nationkey"
    )
    joined = (
        items.merge(parts, left_on="l_partkey", right_on="p_partkey")
        .merge(orders, left_on="l_orderkey", right_on="o_orderkey")
        .merge(customers[["c_custkey"]], left_on="o_custkey", right_on="c_custkey")
        .merge(suppliers, left_on="l_suppkey", right_on="s_suppkey")
    )
    joined["o_year"] = joined["o_orderdate"].dt.year
    joined["volume"] = joined["l_extendedprice"] * (1 - joined["l_discount"])
    joined["of_nation"] = joined["volume"].where(joined["n_name"] == nation, 0)
    years = joined.groupby("o_year", as_index=False)[["of_nation", "volume"]].sum()
    years["mkt_share"] = years["of_nation"] / years["volume"]
    return years[["o_year", "mkt_share"]].sort_values("o_year")


QUERIES = (
    pricing_summary, cheapest_suppliers, shipping_priority, order_priorities,
    local_supplier_volume, revenue_change, volume_between, market_share,
)  # fmt: skip

if __name__ == "__main__":
    for number, query in enumerate(QUERIES, start=1):
        answer(number, query())

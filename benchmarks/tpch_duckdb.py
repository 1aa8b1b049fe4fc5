"""A pipeline: queries of TPC-H (1, 3 to 6, 12, 14) in DuckDB, over views of Parquet files.

    python benchmarks/tpch_duckdb.py <folder of the tables> <folder for the answers>

Written as a person would write it who has never heard of otelprov.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

DATA, ANSWERS = Path(sys.argv[1]), Path(sys.argv[2])
TABLES = ("customer", "lineitem", "nation", "orders", "part", "region", "supplier")

QUERIES = {
    1: """
        SELECT l_returnflag, l_linestatus, sum(l_quantity) AS sum_qty,
               sum(l_extendedprice) AS sum_base_price,
               sum(l_extendedprice * (1 - l_discount)) AS sum_disc_price,
               sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge,
               avg(l_discount) AS avg_disc, count(*) AS count_order
        FROM lineitem WHERE l_shipdate <= TIMESTAMP '1998-09-02'
        GROUP BY ALL ORDER BY l_returnflag, l_linestatus
    """,
    3: """
        SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue,
               o_orderdate, o_shippriority
        FROM customer JOIN orders ON c_custkey = o_custkey JOIN lineitem ON l_orderkey = o_orderkey
        WHERE c_mktsegment = 'BUILDING' AND o_orderdate < TIMESTAMP '1995-03-15'
          AND l_shipdate > TIMESTAMP '1995-03-15'
        GROUP BY ALL ORDER BY revenue DESC, o_orderdate LIMIT 10
    """,
    4: """
        SELECT o_orderpriority, count(*) AS order_count FROM orders
        WHERE o_orderdate BETWEEN TIMESTAMP '1993-07-01' AND TIMESTAMP '1993-09-30'
          AND EXISTS (FROM lineitem
                      WHERE l_orderkey = o_orderkey AND l_commitdate < l_receiptdate)
        GROUP BY ALL ORDER BY o_orderpriority
    """,
    5: """
        SELECT n_name, sum(l_extendedprice * (1 - l_discount)) AS revenue
        FROM customer JOIN orders ON c_custkey = o_custkey JOIN lineitem ON l_orderkey = o_orderkey
        JOIN supplier ON l_suppkey = s_suppkey AND c_nationkey = s_nationkey
        JOIN nation ON s_nationkey = n_nationkey JOIN region ON n_regionkey = r_regionkey
        WHERE r_name = 'ASIA'
          AND o_orderdate BETWEEN TIMESTAMP '1994-01-01' AND TIMESTAMP '1994-12-31'
        GROUP BY ALL ORDER BY revenue DESC
    """,
    6: """
        SELECT sum(l_extendedprice * l_discount) AS revenue FROM lineitem
        WHERE l_shipdate BETWEEN TIMESTAMP '1994-01-01' AND TIMESTAMP '1994-12-31'
          AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24
    """,
    12: """
        SELECT l_shipmode,
               count(*) FILTER (o_orderpriority IN ('1-URGENT', '2-HIGH')) AS high_line_count,
               count(*) FILTER (o_orderpriority NOT IN ('1-URGENT', '2-HIGH')) AS low_line_count
        FROM orders JOIN lineitem ON o_orderkey = l_orderkey
        WHERE l_shipmode IN ('MAIL', 'SHIP') AND l_commitdate < l_receiptdate
          AND l_shipdate < l_commitdate
          AND l_receiptdate BETWEEN TIMESTAMP '1994-01-01' AND TIMESTAMP '1994-12-31'
        GROUP BY ALL ORDER BY l_shipmode
    """,
    14: """
        SELECT 100 * sum(l_extendedprice * (1 - l_discount)) FILTER (p_type LIKE 'PROMO%')
                   / sum(l_extendedprice * (1 - l_discount)) AS promo_revenue
        FROM lineitem JOIN part ON l_partkey = p_partkey
        WHERE l_shipdate BETWEEN TIMESTAMP '1995-09-01' AND TIMESTAMP '1995-09-30'
    """,
}

if __name__ == "__main__":
    connection = duckdb.connect()
    for name in TABLES:
        file = DATA / f"{name}.parquet"
        connection.execute(f"CREATE VIEW {name} AS FROM read_parquet('{file}')")
    for number, query in QUERIES.items():
        connection.sql(query).write_parquet(str(ANSWERS / f"q{number}.parquet"))

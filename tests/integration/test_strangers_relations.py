"""Relations of DuckDB over variables of the program, as strangers chain them."""

from __future__ import annotations

from pathlib import Path

import strangers

CHAINED = """
    import duckdb, pandas as pd, polars as pl
    sales, shops = pd.read_csv("sales.csv"), pl.read_csv("shops.csv")
    both = duckdb.sql("SELECT city, sum(s.price * n) AS total FROM sales s JOIN shops USING (shop) "
                      "GROUP BY city")
    both.order("total").df().to_csv("both.csv", index=False)
    duckdb.sql("FROM sales").aggregate("shop, sum(n) AS n").order("n").pl().write_csv("sums.csv")
    duckdb.from_df(sales).filter("n > 1").project("price * n AS paid").df().to_csv("paid.csv")
    swapped = duckdb.sql("SELECT price AS n, n AS price FROM sales")
    duckdb.sql("SELECT sum(n) AS n FROM swapped").df().to_csv("swapped.csv", index=False)
"""
FILES = {
    "sales.csv": "shop,price,n\n1,2.0,3\n1,3.0,1\n2,1.5,2\n",
    "shops.csv": "shop,city\n1,Ulm\n2,Bonn\n",
}


def test_columns_go_through_relations_to_what_the_variables_hold(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    recording = strangers.record(directory, CHAINED)
    price, number = "sales.csv#price", "sales.csv#n"
    assert recording.columns("both.csv#total") == {price, number}
    assert recording.columns("both.csv#city") == {"shops.csv#city"}
    assert recording.columns("sums.csv#n") == {number}
    assert recording.columns("paid.csv#paid") == {price, number}
    assert recording.columns("swapped.csv#n") in (
        {price},
        {"opaque", "sales.csv#shop", price, number},  # from 2.0 on the text does not say it
    )

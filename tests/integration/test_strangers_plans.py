"""Lazy plans as strangers execute them together: each result has the sources of its own plan."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import strangers

TOGETHER = """
    import polars as pl
    def load(path):
        return pl.scan_csv(path)
    sales = load("sales.csv")
    cust = load("cust.csv")
    named = sales.join(cust, on="cust", how="left").with_columns(eur=pl.col("amount") * 2)
    total = named.group_by("name").agg(pl.col("eur").sum()).sort("name")
    frames = pl.collect_all([total, cust.select(pl.col("name").str.to_uppercase())])  # @both
    frames[0].write_csv("total.csv")  # @total
    frames[1].write_csv("names.csv")  # @names
    queries = {"x": sales.select("amount"), "y": cust.head(1)}
    for key, frame in zip(queries, pl.collect_all(queries.values())):  # @dict
        frame.write_csv(f"{key}.csv")  # @out
"""
DRAWN = """
    polars.collect_all@both: sales.csv, cust.csv -> return
    polars.collect_all@both: cust.csv -> return
    polars.write_csv@total: polars.collect_all@both -> total.csv
    polars.write_csv@names: polars.collect_all@both -> names.csv
    polars.collect_all@dict: sales.csv -> return
    polars.collect_all@dict: cust.csv -> return
    polars.write_csv@out: polars.collect_all@dict -> x.csv
    polars.write_csv@out: polars.collect_all@dict -> y.csv
"""
FILES = {
    "sales.csv": "cust,amount\na,1\nb,2\na,3\n",
    "cust.csv": "cust,name\na,Ann\nb,Bob\n",
    "users.csv": "u,name\n1,Ann\n2,Bob\n",
}


def _directory(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    return directory


def test_plans_that_are_collected_together_have_their_own_sources(tmp_path: Path) -> None:
    recording = strangers.record(_directory(tmp_path), TOGETHER)
    assert recording.graph() == strangers.drawn(DRAWN)
    assert recording.roots("total.csv") == {"sales.csv", "cust.csv"}
    assert recording.roots("names.csv") == recording.roots("y.csv") == {"cust.csv"}
    assert recording.roots("x.csv") == {"sales.csv"}
    assert recording.columns("total.csv#eur") == {"sales.csv#amount"}
    assert recording.columns("names.csv#name") == {"cust.csv#name"}


SINKS = """
    import polars as pl
    users = pl.scan_csv("users.csv")
    big = pl.scan_csv("sales.csv").filter(pl.col("amount") > 1)
    pl.collect_all([users.sink_csv("u.csv", lazy=True), big.sink_parquet("b.parquet", lazy=True)])  # @sinks
    one = users.map_batches(lambda frame: frame.head(1))
    pl.collect_all([one.sink_csv("one.csv", lazy=True), big.sink_csv("c.csv", lazy=True)])  # @function
"""  # noqa: E501


@pytest.mark.skipif(int(pl.__version__.partition(".")[0]) < 2, reason="sinks are executed at once")
def test_files_that_are_written_together_have_their_own_sources(tmp_path: Path) -> None:
    recording = strangers.record(_directory(tmp_path), SINKS)
    assert recording.graph() == strangers.drawn("""
        polars.collect_all@sinks: users.csv -> u.csv, return
        polars.collect_all@sinks: sales.csv -> b.parquet, return
        polars.collect_all@function: users.csv, sales.csv -> one.csv, c.csv, return[0], return[1]
    """)
    assert recording.roots("b.parquet") == {"sales.csv"}
    assert recording.roots("one.csv") == {"users.csv", "sales.csv"}


UNSHOWN = """
    import polars as pl
    pl.read_csv("sales.csv").write_ipc("sales.arrow")
    named = pl.scan_ipc("sales.arrow").join(pl.scan_csv("cust.csv"), on="cust")
    named.select("name", twice=pl.col("amount") * 2).collect().write_csv("out.csv")
"""


def test_columns_of_a_source_that_polars_does_not_show_may_be_any(tmp_path: Path) -> None:
    recording = strangers.record(_directory(tmp_path), UNSHOWN)
    assert recording.columns("out.csv#twice") >= {"sales.csv#amount"}
    assert "users.csv#u" not in recording.columns("out.csv#twice")
    assert recording.columns("out.csv#name") == {"cust.csv#name"}

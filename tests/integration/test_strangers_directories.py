"""Data sets of several files, written at once or one by one, and read as a whole or in parts."""

from __future__ import annotations

from pathlib import Path

import pytest
import strangers

WRITE = """
    import duckdb, pandas as pd, polars as pl, pyarrow as pa
    import pyarrow.dataset as ds, pyarrow.parquet as pq
    df = pd.read_parquet("src.parquet")
    df.to_parquet("by_pandas", partition_cols=["g"], index=False)
    pq.write_to_dataset(pa.Table.from_pandas(df), "by_parquet", partition_cols=["g"])
    ds.write_dataset(pa.Table.from_pandas(df), "by_arrow", format="parquet", partitioning=["g"])
    pl.from_pandas(df).write_parquet("by_polars", partition_by="g")
    pl.scan_parquet("src.parquet").sink_parquet(pl.PartitionBy("by_sink", key="g"), mkdir=True)
    duckdb.sql("COPY df TO 'by_duckdb' (FORMAT PARQUET, PARTITION_BY (g))")
"""
READ = """
    import duckdb, glob, pandas as pd, polars as pl
    for name in ("pandas", "parquet", "arrow", "polars", "sink", "duckdb"):
        files = f"by_{name}/*/*.parquet"
        duckdb.sql(f"FROM '{files}'").df().to_csv(f"{name} in parts.csv")
        pl.scan_parquet(files).collect().write_csv(f"{name} in parts of polars.csv")
        pl.read_parquet(f"by_{name}").write_csv(f"{name} as a whole.csv")
        pd.concat(pd.read_parquet(file) for file in glob.glob(files)).to_csv(f"{name} files.csv")
"""


@pytest.fixture(scope="module")
def partitioned(tmp_path_factory: pytest.TempPathFactory) -> strangers.Recording:
    import pandas as pd

    directory = tmp_path_factory.mktemp("partitioned")
    frame = pd.DataFrame({"id": [1, 2, 3], "g": list("xyx"), "v": [1.0, 2.0, 3.0]})
    frame.to_parquet(directory / "src.parquet", index=False)
    return strangers.record(directory, WRITE, READ)


@pytest.mark.parametrize("how", ["in parts", "in parts of polars", "as a whole", "files"])
@pytest.mark.parametrize("writer", ["pandas", "parquet", "arrow", "polars", "sink", "duckdb"])
def test_the_files_of_a_partitioned_table_go_back_to_what_it_was_written_from(
    partitioned: strangers.Recording, writer: str, how: str
) -> None:
    assert partitioned.roots(f"{writer} {how}.csv") == {"src.parquet"}


ONE_BY_ONE = """
    import os
    import pandas as pd, polars as pl
    for year in (1, 2):
        os.makedirs(f"lake/y={year}")
        pd.read_csv(f"in{year}.csv").to_parquet(f"lake/y={year}/p.parquet", index=False)  # @one
    pd.read_parquet("lake").to_csv("all.csv")  # @all
    pd.read_parquet("lake/y=2").to_csv("second.csv")  # @second
    pl.scan_parquet("lake/**/*.parquet").sink_csv("files.csv")  # @files
    first = pd.read_csv("in1.csv").assign(g="a")  # @first
    first.to_parquet("grows", partition_cols=["g"])  # @begin
    pd.read_csv("in2.csv").assign(g="b").to_parquet("grows", partition_cols=["g"])  # @grow
    pd.read_parquet("grows").to_csv("grown.csv")  # @grown
    pd.read_csv("in2.csv").to_parquet("mixed/new.parquet")  # @mix
    pd.read_parquet("mixed").to_csv("mixed.csv")  # @mixed
"""
LATER = """
    import pandas as pd
    pd.read_parquet("lake").query("v > 0").to_csv("later.csv")  # @later
"""


def test_a_directory_that_was_filled_file_by_file_goes_back_to_each_of_them(tmp_path: Path) -> None:
    import pandas as pd

    directory = tmp_path / "work"
    (directory / "mixed").mkdir(parents=True)
    for year in (1, 2):
        (directory / f"in{year}.csv").write_text(f"k,v\n{year},{year}.5\n")
    pd.DataFrame({"k": [0], "v": [0.0]}).to_parquet(directory / "mixed" / "old.parquet")
    recording = strangers.record(directory, ONE_BY_ONE, LATER)
    (first,) = [f"grows/g=a/{one.name}" for one in (directory / "grows" / "g=a").iterdir()]
    (second,) = [f"grows/g=b/{one.name}" for one in (directory / "grows" / "g=b").iterdir()]
    assert recording.graph() == strangers.drawn(
        f"""
        pandas.read_csv@one: in1.csv -> return
        pandas.to_parquet@one: pandas.read_csv@one -> lake/y=1/p.parquet, content
        pandas.read_csv@one: in2.csv -> return
        pandas.to_parquet@one: pandas.read_csv@one -> lake/y=2/p.parquet, content
        pandas.read_parquet@all: lake, lake/y=1/p.parquet, lake/y=2/p.parquet -> return
        pandas.to_csv@all: pandas.read_parquet@all -> all.csv
        pandas.read_parquet@second: lake/y=2, lake/y=2/p.parquet -> return
        pandas.to_csv@second: pandas.read_parquet@second -> second.csv
        polars.sink_csv@files: lake/y=1/p.parquet, lake/y=2/p.parquet -> files.csv
        pandas.read_csv@first: in1.csv -> return
        pandas.assign@first: pandas.read_csv@first -> return
        pandas.to_parquet@begin: pandas.assign@first -> grows, {first}, content
        pandas.read_csv@grow: in2.csv -> return
        pandas.assign@grow: pandas.read_csv@grow -> return
        pandas.to_parquet@grow: pandas.assign@grow, {first} -> grows, {second}, content
        pandas.read_parquet@grown: grows, {first}, {second} -> return
        pandas.to_csv@grown: pandas.read_parquet@grown -> grown.csv
        pandas.read_csv@mix: in2.csv -> return
        pandas.to_parquet@mix: pandas.read_csv@mix -> mixed/new.parquet, content
        pandas.read_parquet@mixed: mixed, mixed/new.parquet -> return
        pandas.to_csv@mixed: pandas.read_parquet@mixed -> mixed.csv
        pandas.read_parquet@later: lake, lake/y=1/p.parquet, lake/y=2/p.parquet -> return
        pandas.query@later: pandas.read_parquet@later -> return
        pandas.to_csv@later: pandas.query@later -> later.csv
        """
    )
    assert recording.roots("grown.csv") == {"in1.csv", "in2.csv"}
    assert recording.roots("second.csv") == {"in2.csv", "lake/y=2"}


SAME_BYTES = """
    import pandas as pd
    one = pd.read_csv("in.csv")  # @one
    one.to_csv("copy.csv", index=False)  # @copy
    again = pd.read_csv("in.csv")  # @again
    again.query("v > 0").to_json("out.json")  # @out
    pd.read_csv("copy.csv").query("v > 1").to_json("copied.json")  # @copied
"""


def test_a_file_that_was_there_before_was_not_made_by_who_wrote_the_same_bytes_elsewhere(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "in.csv").write_text("k,v\n1,2\n")
    recording = strangers.record(directory, SAME_BYTES)
    operations = recording.operations("out.json")
    assert operations == {"pandas.read_csv", "pandas.query", "pandas.to_json"}
    assert "pandas.to_csv" in recording.operations("copied.json")

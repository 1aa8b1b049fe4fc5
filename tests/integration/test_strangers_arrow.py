"""Pipelines in pyarrow alone, as strangers write them: tables, columns, computed data, batches."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import strangers

TABLES = """
    import numpy as np, polars as pl, pyarrow as pa, pyarrow.compute as pc
    import pyarrow.dataset as ds, pyarrow.parquet as pq
    t = pq.read_table("t.parquet")  # @t
    u = pq.read_table("u.parquet")  # @u
    pq.write_table(t.select(["k", "v"]), "select.parquet")  # @select
    pq.write_table(t.filter(pc.greater(t["v"], 2)), "mask.parquet")  # @mask
    pq.write_table(t.filter(pc.field("v") > 2), "filter.parquet")  # @filter
    pq.write_table(t[2:5], "slice.parquet")  # @slice
    pq.write_table(t.take(pa.array([1, 2])), "take.parquet")  # @take
    more = t.append_column("x", pc.multiply(t["v"], 2))  # @append
    pq.write_table(more.sort_by("x"), "sorted.parquet")  # @sorted
    both = t.join(u, "k")  # @join
    pq.write_table(both.group_by("s").aggregate([("w", "sum")]), "grouped.parquet")  # @grouped
    mixed = pa.table({"a": t["k"], "b": pc.add(t["k"], u["w"][0]), "c": t["v"].cast("float32")})
    pq.write_table(mixed, "mixed.parquet")  # @mixed
    frame = t.select(["k"]).to_pandas()  # @pandas
    frame.to_csv("frame.csv")  # @csv
    t["v"].to_pandas().to_csv("series.csv")  # @series
    pq.write_table(pa.table(frame), "back.parquet")  # @back
    pq.write_table(pa.Table.from_pandas(frame), "again.parquet")  # @again
    f = pl.read_parquet("u.parquet")  # @polars
    pq.write_table(pa.table(f), "taken.parquet")  # @taken
    np.save("v.npy", t["v"].to_numpy())  # @npy
    pq.write_table(pa.Table.from_arrays(list(t.columns), ["a", "b", "c"]), "cols.parquet")  # @cols
    for column in t.itercolumns():
        column.unique()
    data = ds.dataset("t.parquet")  # @data
    pq.write_table(data.to_table(filter=pc.field("k") > 1), "scan.parquet")  # @scan
    pq.write_table(data.filter(pc.field("k") > 1).head(5), "head.parquet")  # @head
    pq.write_table(pa.Table.from_batches(data.to_batches()), "batches.parquet")  # @batches
    pq.write_table(t.to_reader().read_all(), "reader.parquet")  # @reader
    noise = pa.array(np.arange(120.0))
    pq.write_table(t.append_column("noise", noise), "noise.parquet")  # @noise
    few = u.append_column("few", pa.array([1, 2, 3]))  # @few
    pq.write_table(few, "few.parquet")  # @out
"""
TABLES_DRAWN = """
    pyarrow.parquet.read_table@t: t.parquet -> return
    pyarrow.parquet.read_table@u: u.parquet -> return
    pyarrow.parquet.write_table@select: pyarrow.parquet.read_table@t -> content, select.parquet
    pyarrow.Table.filter@mask: pyarrow.parquet.read_table@t -> return
    pyarrow.parquet.write_table@mask: pyarrow.Table.filter@mask -> content, mask.parquet
    pyarrow.Table.filter@filter: pyarrow.parquet.read_table@t -> return
    pyarrow.parquet.write_table@filter: pyarrow.Table.filter@filter -> content, filter.parquet
    pyarrow.Table.slice@slice: pyarrow.parquet.read_table@t -> return
    pyarrow.parquet.write_table@slice: pyarrow.Table.slice@slice -> content, slice.parquet
    pyarrow.Table.take@take: pyarrow.parquet.read_table@t -> return
    pyarrow.parquet.write_table@take: pyarrow.Table.take@take -> content, take.parquet
    pyarrow.Table.append_column@append: pyarrow.parquet.read_table@t -> return
    pyarrow.Table.sort_by@sorted: pyarrow.Table.append_column@append -> return
    pyarrow.parquet.write_table@sorted: pyarrow.Table.sort_by@sorted -> content, sorted.parquet
    pyarrow.Table.join@join: pyarrow.parquet.read_table@t, pyarrow.parquet.read_table@u -> return
    pyarrow.Table.group_by@grouped: pyarrow.Table.join@join -> return
    pyarrow.parquet.write_table@grouped: pyarrow.Table.group_by@grouped -> content, grouped.parquet
    pyarrow.parquet.write_table@mixed: pyarrow.parquet.read_table@t -> content, mixed.parquet
    pyarrow.Table.to_pandas@pandas: pyarrow.parquet.read_table@t -> return
    pandas.to_csv@csv: pyarrow.Table.to_pandas@pandas -> frame.csv
    pyarrow.ChunkedArray.to_pandas@series: pyarrow.parquet.read_table@t -> return
    pandas.to_csv@series: pyarrow.ChunkedArray.to_pandas@series -> series.csv
    pyarrow.table@back: pyarrow.Table.to_pandas@pandas -> return
    pyarrow.parquet.write_table@back: pyarrow.table@back -> content, back.parquet
    pyarrow.Table.from_pandas@again: pyarrow.Table.to_pandas@pandas -> return
    pyarrow.parquet.write_table@again: pyarrow.Table.from_pandas@again -> content, again.parquet
    polars.read_parquet@polars: u.parquet -> return
    pyarrow.table@taken: polars.read_parquet@polars -> return
    pyarrow.parquet.write_table@taken: pyarrow.table@taken -> content, taken.parquet
    numpy.save@npy: pyarrow.parquet.read_table@t -> v.npy
    pyarrow.parquet.write_table@cols: pyarrow.parquet.read_table@t -> content, cols.parquet
    pyarrow.dataset.dataset@data: t.parquet -> return
    pyarrow.Dataset.to_table@scan: pyarrow.dataset.dataset@data -> return
    pyarrow.parquet.write_table@scan: pyarrow.Dataset.to_table@scan -> content, scan.parquet
    pyarrow.Dataset.head@head: pyarrow.dataset.dataset@data -> return
    pyarrow.parquet.write_table@head: pyarrow.Dataset.head@head -> content, head.parquet
    pyarrow.parquet.write_table@batches: pyarrow.dataset.dataset@data -> content, batches.parquet
    pyarrow.RecordBatchReader.read_all@reader: pyarrow.parquet.read_table@t -> return
    pyarrow.parquet.write_table@reader: pyarrow.RecordBatchReader.read_all@reader \\
        -> content, reader.parquet
    pyarrow.Table.append_column@noise: ?, pyarrow.parquet.read_table@t -> return
    pyarrow.parquet.write_table@noise: pyarrow.Table.append_column@noise -> content, noise.parquet
    pyarrow.Table.append_column@few: ?, pyarrow.parquet.read_table@u -> return
    pyarrow.parquet.write_table@out: pyarrow.Table.append_column@few -> content, few.parquet
"""


def test_tables_and_columns_of_pyarrow(tmp_path: Path) -> None:
    wide = {"k": [1, 2, 3, 4] * 30, "v": [1.5, 2.5, 3.5, 4.5] * 30, "s": ["a", "b", "c", "d"] * 30}
    pq.write_table(pa.table(wide), tmp_path / "t.parquet")
    pq.write_table(pa.table({"k": [1, 2, 3], "w": [10, 20, 30]}), tmp_path / "u.parquet")
    recording = strangers.record(tmp_path, TABLES)
    assert recording.graph() == strangers.drawn(TABLES_DRAWN)
    others = {"grouped.parquet": {"t.parquet", "u.parquet"}, "taken.parquet": {"u.parquet"}}
    for path in tmp_path.glob("*.*"):
        raw = ("t.parquet", "u.parquet", "noise.parquet", "few.parquet", "program0.py")
        if path.name not in raw:
            expected = others.get(path.name, {"t.parquet"})
            assert recording.roots(path.name) == expected, path.name
    assert recording.roots("noise.parquet") == {"t.parquet", "?"}


BATCHES = """
    import polars as pl, pandas as pd, duckdb
    import pyarrow as pa, pyarrow.compute as pc, pyarrow.csv as pv, pyarrow.parquet as pq
    t = pv.read_csv("x.csv")  # @csv
    with pa.ipc.new_file("x.arrow", t.schema) as writer:  # @new
        writer.write_table(t)  # @write
    r = pa.ipc.open_file("x.arrow")  # @open
    pq.write_table(r.read_all(), "all.parquet")  # @all
    pq.write_table(pa.Table.from_batches([r.get_batch(0)]), "batch.parquet")  # @batch
    mapped = pa.ipc.open_file(pa.memory_map("x.arrow"))  # @map
    pq.write_table(mapped.read_all(), "mapped.parquet")  # @mapped
    with open("y.arrows", "wb") as f:
        w = pa.ipc.new_stream(f, t.schema)
        w.write_table(t)  # @stream
        w.close()  # @close
    with open("y.arrows", "rb") as f:
        parts = [one for one in pa.ipc.open_stream(f)]  # @parts
    pq.write_table(pa.Table.from_batches(parts), "stream.parquet")  # @streamed
    renamed = t.rename_columns(["A", "B", "C"])  # @rename
    pq.write_table(renamed.drop_columns(["C"]), "renamed.parquet")  # @renamed
    more = t.append_column("d", pc.add(t["a"], t["b"]))  # @more
    more = more.set_column(0, "a", pc.negate(t["a"]))  # @set
    pq.write_table(more.select(["a", "d"]), "more.parquet")  # @chosen
    top = t.filter(pc.and_(pc.greater(t["a"], 1), pc.less(t["b"], 50)))  # @top
    pq.write_table(top.sort_by([("b", "descending")]).slice(0, 2), "top.parquet")  # @two
    pl.from_arrow(top).write_csv("polars.csv")  # @polars
    duckdb.sql("copy (select * from renamed) to 'duck.csv'")  # @duck
    column = t.column("b").cast("float64")
    made = pa.table({"m": column.combine_chunks(), "d": column.fill_null(0)})
    pq.write_table(made, "column.parquet")  # @column
    pd.DataFrame(t.to_pylist()).to_csv("rows.csv")  # @rows
"""
BATCHES_DRAWN = """
    pyarrow.csv.read_csv@csv: x.csv -> return
    pyarrow.RecordBatchWriter.write_table@write: pyarrow.csv.read_csv@csv -> target
    pyarrow.RecordBatchWriter.close@new: pyarrow.RecordBatchWriter.write_table@write -> x.arrow
    pyarrow.ipc.open_file@open: x.arrow -> return
    pyarrow.RecordBatchFileReader.read_all@all: pyarrow.ipc.open_file@open -> return
    pyarrow.parquet.write_table@all: pyarrow.RecordBatchFileReader.read_all@all \\
        -> all.parquet, content
    pyarrow.parquet.write_table@batch: pyarrow.ipc.open_file@open -> batch.parquet, content
    pyarrow.ipc.open_file@map: x.arrow -> return
    pyarrow.RecordBatchFileReader.read_all@mapped: pyarrow.ipc.open_file@map -> return
    pyarrow.parquet.write_table@mapped: pyarrow.RecordBatchFileReader.read_all@mapped \\
        -> mapped.parquet, content
    pyarrow.RecordBatchWriter.write_table@stream: pyarrow.csv.read_csv@csv -> target
    pyarrow.RecordBatchWriter.close@close: pyarrow.RecordBatchWriter.write_table@stream -> y.arrows
    pyarrow.ipc.open_stream@parts: y.arrows -> return
    pyarrow.parquet.write_table@streamed: pyarrow.ipc.open_stream@parts -> content, stream.parquet
    pyarrow.Table.rename_columns@rename: pyarrow.csv.read_csv@csv -> return
    pyarrow.Table.drop_columns@renamed: pyarrow.Table.rename_columns@rename -> return
    pyarrow.parquet.write_table@renamed: pyarrow.Table.drop_columns@renamed \\
        -> content, renamed.parquet
    pyarrow.Table.append_column@more: pyarrow.csv.read_csv@csv -> return
    pyarrow.Table.set_column@set: pyarrow.Table.append_column@more, pyarrow.csv.read_csv@csv \\
        -> return
    pyarrow.parquet.write_table@chosen: pyarrow.Table.set_column@set -> content, more.parquet
    pyarrow.Table.filter@top: pyarrow.csv.read_csv@csv -> return
    pyarrow.Table.sort_by@two: pyarrow.Table.filter@top -> return
    pyarrow.Table.slice@two: pyarrow.Table.sort_by@two -> return
    pyarrow.parquet.write_table@two: pyarrow.Table.slice@two -> content, top.parquet
    polars.from_arrow@polars: pyarrow.Table.filter@top -> return
    polars.write_csv@polars: polars.from_arrow@polars -> polars.csv
    duckdb.sql@duck: pyarrow.Table.rename_columns@rename -> duck.csv
    pyarrow.parquet.write_table@column: pyarrow.csv.read_csv@csv -> column.parquet, content
    pyarrow.Table.to_pylist@rows: pyarrow.csv.read_csv@csv -> return
    pandas.to_csv@rows: pyarrow.Table.to_pylist@rows -> rows.csv
"""


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> strangers.Recording:
    directory = tmp_path_factory.mktemp("batches")
    (directory / "x.csv").write_text("a,b,c\n1,10,x\n2,20,y\n3,30,z\n4,60,w\n")
    return strangers.record(directory, BATCHES)


def test_batches_files_and_other_libraries(batches: strangers.Recording) -> None:
    assert batches.graph() == strangers.drawn(BATCHES_DRAWN)
    for path in batches.directory.glob("*.*"):
        if path.name not in ("x.csv", "program0.py"):
            assert batches.roots(path.name) == {"x.csv"}, path.name


@pytest.mark.parametrize(
    ("target", "sources"),
    [
        ("renamed.parquet#A", {"x.csv#a"}),
        ("more.parquet#d", {"x.csv#a", "x.csv#b"}),
        ("more.parquet#a", {"x.csv#a"}),
        ("top.parquet#a", {"x.csv#a"}),
        ("polars.csv#a", {"x.csv#a"}),
        ("duck.csv#B", {"x.csv#b"}),
        ("column.parquet#m", {"x.csv#b", "opaque"}),
    ],
)
def test_columns_of_pyarrow(batches: strangers.Recording, target: str, sources: set[str]) -> None:
    assert batches.columns(target) == sources


LEDGER = """
    import json
    from concurrent.futures import ThreadPoolExecutor
    import pandas as pd, pyarrow as pa, pyarrow.compute as pc, pyarrow.csv as csv
    import pyarrow.dataset as ds, pyarrow.feather as feather, pyarrow.json, pyarrow.parquet as pq
    x = csv.read_csv("x.csv")  # @x
    rates = pyarrow.json.read_json("rates.json")  # @rates
    big = pc.if_else(pc.greater(x["amount"], 100), "big", "small")
    x = x.append_column("size", big)  # @size
    coded = x["tag"].dictionary_encode()
    coded = x.set_column(x.schema.get_field_index("tag"), "tag", coded)  # @coded
    feather.write_feather(coded, "coded.feather")  # @feather
    j = x.join(rates, keys="tag", join_type="inner")  # @join
    j = j.append_column("total", pc.multiply(j["amount"], j["rate"]))  # @total
    csv.write_csv(j.select(["id", "total"]), "total.csv")  # @csv
    figures = [("total", "sum"), ("id", "count")]
    out = j.group_by(["day", "size"], use_threads=False).aggregate(figures)  # @figures
    pq.write_table(out.sort_by([("total_sum", "descending")]), "out.parquet")  # @out
    with pq.ParquetWriter("parts.parquet", x.schema) as w:  # @open
        for b in x.to_batches(max_chunksize=100):
            w.write_batch(b.filter(pc.greater(b["amount"], 30)))  # @part
    ds.write_dataset(x, "lake", format="parquet")  # @lake
    lake = ds.dataset("lake")  # @opened
    wanted = lake.scanner(columns=["id", "amount"], filter=ds.field("amount") > 10)
    pq.write_table(wanted.to_table(), "scan.parquet")  # @scan
    twice = lake.to_table(columns={"amount": ds.field("id") * 2})  # @twice
    pq.write_table(twice, "twice.parquet")  # @computed
    ds.write_dataset(lake.scanner(columns=["id"]), "ids", format="ipc")  # @ids
    def work(batch):
        table = pa.Table.from_batches([batch])
        return table.take(pc.sort_indices(table["amount"]))  # @work
    with ThreadPoolExecutor(2) as pool:
        tops = list(pool.map(work, x.to_batches(max_chunksize=100)))
    pq.write_table(pa.concat_tables(tops), "tops.parquet")  # @tops
    new = pa.Table.from_pylist([{"id": one["id"]} for one in x.slice(0, 5).to_pylist()])  # @five
    pq.write_table(new, "new.parquet")  # @new
    frame = pd.read_csv("x.csv")  # @frame
    parts = [pa.array(frame["amount"]), pa.array(frame["id"])]
    pq.write_table(pa.table(parts, names=["a", "i"]), "arrays.parquet")  # @arrays
    counts = pa.table({"tag": x["tag"].value_counts().field(0)})
    pq.write_table(counts, "counts.parquet")  # @counts
    chunks = pa.chunked_array([one for one in x["amount"].iterchunks()])
    pq.write_table(pa.table({"c": chunks}), "chunks.parquet")  # @chunks
"""
LEDGER_DRAWN = """
    pyarrow.csv.read_csv@x: x.csv -> return
    pyarrow.json.read_json@rates: rates.json -> return
    pyarrow.Table.append_column@size: pyarrow.csv.read_csv@x -> return
    pyarrow.Table.set_column@coded: pyarrow.Table.append_column@size -> return
    pyarrow.feather.write_feather@feather: pyarrow.Table.set_column@coded -> coded.feather, content
    pyarrow.Table.join@join: pyarrow.Table.append_column@size, pyarrow.json.read_json@rates \\
        -> return
    pyarrow.Table.append_column@total: pyarrow.Table.join@join -> return
    pyarrow.csv.write_csv@csv: pyarrow.Table.append_column@total -> total.csv
    pyarrow.Table.group_by@figures: pyarrow.Table.append_column@total -> return
    pyarrow.Table.sort_by@out: pyarrow.Table.group_by@figures -> return
    pyarrow.parquet.write_table@out: pyarrow.Table.sort_by@out -> content, out.parquet
    pyarrow.RecordBatch.filter@part: pyarrow.Table.append_column@size -> return
    pyarrow.RecordBatch.filter@part: pyarrow.Table.append_column@size -> return
    pyarrow.ParquetWriter.write_batch@part: pyarrow.RecordBatch.filter@part -> target
    pyarrow.ParquetWriter.write_batch@part: pyarrow.ParquetWriter.write_batch@part, \\
        pyarrow.RecordBatch.filter@part -> target
    pyarrow.ParquetWriter.close@open: pyarrow.ParquetWriter.write_batch@part -> parts.parquet
    pyarrow.dataset.write_dataset@lake: pyarrow.Table.append_column@size \\
        -> content, lake, lake/part-0.parquet
    pyarrow.dataset.dataset@opened: lake, lake/part-0.parquet -> return
    pyarrow.Scanner.to_table@scan: pyarrow.dataset.dataset@opened -> return
    pyarrow.parquet.write_table@scan: pyarrow.Scanner.to_table@scan -> content, scan.parquet
    pyarrow.Dataset.to_table@twice: pyarrow.dataset.dataset@opened -> return
    pyarrow.parquet.write_table@computed: pyarrow.Dataset.to_table@twice -> content, twice.parquet
    pyarrow.dataset.write_dataset@ids: pyarrow.dataset.dataset@opened -> ids, ids/part-0.arrow
    pyarrow.Table.take@work: pyarrow.Table.append_column@size -> return
    pyarrow.Table.take@work: pyarrow.Table.append_column@size -> return
    pyarrow.concat_tables@tops: pyarrow.Table.take@work -> return
    pyarrow.parquet.write_table@tops: pyarrow.concat_tables@tops -> content, tops.parquet
    pyarrow.Table.slice@five: pyarrow.Table.append_column@size -> return
    pyarrow.Table.to_pylist@five: pyarrow.Table.slice@five -> return
    pyarrow.parquet.write_table@new: ? -> content, new.parquet
    pandas.read_csv@frame: x.csv -> return
    pyarrow.parquet.write_table@arrays: pandas.read_csv@frame -> arrays.parquet, content
    pyarrow.parquet.write_table@counts: pyarrow.Table.append_column@size -> content, counts.parquet
    pyarrow.parquet.write_table@chunks: pyarrow.Table.append_column@size -> chunks.parquet, content
"""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> strangers.Recording:
    directory = tmp_path_factory.mktemp("ledger")
    lines = (f"{i},{i % 28 + 1},{i * 1.5},{'abc'[i % 3]}" for i in range(200))
    (directory / "x.csv").write_text("\n".join(["id,day,amount,tag", *lines, ""]))
    rates = '{"tag": "a", "rate": 1.1}\n{"tag": "b", "rate": 0.9}\n'
    (directory / "rates.json").write_text(rates)
    return strangers.record(directory, LEDGER)


def test_a_ledger_in_pyarrow(ledger: strangers.Recording) -> None:
    assert ledger.graph() == strangers.drawn(LEDGER_DRAWN)
    both = {"x.csv", "rates.json"}
    others = {"total.csv": both, "out.parquet": both, "new.parquet": {"?"}}
    for path in [*ledger.directory.glob("*.*"), ledger.directory / "ids"]:
        if path.name not in (*both, "program0.py"):
            assert ledger.roots(path.name) == others.get(path.name, {"x.csv"}), path.name


@pytest.mark.parametrize(
    ("target", "sources"),
    [
        ("total.csv#total", {"x.csv#amount", "rates.json#rate"}),
        ("out.parquet#total_sum", {"x.csv#amount", "rates.json#rate"}),
        ("out.parquet#day", {"x.csv#day"}),
        ("coded.feather#tag", {"x.csv#tag"}),
        ("scan.parquet#amount", {"x.csv#amount"}),
    ],
)
def test_columns_of_the_ledger(ledger: strangers.Recording, target: str, sources: set[str]) -> None:
    assert ledger.columns(target) == sources


def test_a_column_that_a_scan_computes_is_not_taken_for_the_one_of_its_name(
    ledger: strangers.Recording,
) -> None:
    assert "opaque" in ledger.columns("twice.parquet#amount")


STREAMS = """
    import pyarrow as pa, pyarrow.compute as pc, pyarrow.csv as csv, pyarrow.fs as fs
    import pyarrow.dataset as ds, pyarrow.parquet as pq
    with csv.open_csv("x.csv") as reader:  # @open
        writer = None
        for batch in reader:
            part = pa.Table.from_batches([batch])
            writer = writer or pq.ParquetWriter("all.parquet", part.schema)
            writer.write_table(part)  # @part
        writer.close()  # @close
    file = pq.ParquetFile("all.parquet")  # @file
    found = []
    for batch in file.iter_batches(batch_size=500, columns=["id", "amount"]):
        twice = pc.multiply(batch.column(1), 2)
        found.append(pa.Table.from_batches([batch]).append_column("x", twice))  # @twice
    pq.write_table(pa.concat_tables(found), "twice.parquet")  # @out
    local = fs.LocalFileSystem()
    with local.open_input_file("x.csv") as stream:
        table = csv.read_csv(stream)  # @read
    with local.open_output_stream("copy.parquet") as stream:
        pq.write_table(table, stream)  # @copy
    pq.write_to_dataset(table, "parts")  # @parts
    (fragment,) = ds.dataset("parts").get_fragments()  # @set
    pq.write_table(fragment.to_table(), "fragment.parquet")  # @fragment
    with local.open_output_stream("packed.csv.gz") as stream:
        csv.write_csv(table, stream)  # @packed
"""
STREAMS_DRAWN = """
    pyarrow.csv.open_csv@open: x.csv -> return
    pyarrow.ParquetWriter.write_table@part: pyarrow.csv.open_csv@open -> target
    pyarrow.ParquetWriter.close@close: pyarrow.ParquetWriter.write_table@part -> all.parquet
    pyarrow.ParquetFile@file: all.parquet -> return
    pyarrow.Table.append_column@twice: pyarrow.ParquetFile@file -> return
    pyarrow.concat_tables@out: pyarrow.Table.append_column@twice -> return
    pyarrow.parquet.write_table@out: pyarrow.concat_tables@out -> content, twice.parquet
    pyarrow.csv.read_csv@read: x.csv -> return
    pyarrow.parquet.write_table@copy: pyarrow.csv.read_csv@read -> content, copy.parquet
    pyarrow.parquet.write_to_dataset@parts: pyarrow.csv.read_csv@read \\
        -> content, parts, parts/part-0.parquet
    pyarrow.dataset.dataset@set: parts, parts/part-0.parquet -> return
    pyarrow.Fragment.to_table@fragment: pyarrow.dataset.dataset@set -> return
    pyarrow.parquet.write_table@fragment: pyarrow.Fragment.to_table@fragment ->\\
        content, fragment.parquet
    pyarrow.csv.write_csv@packed: pyarrow.csv.read_csv@read -> pyarrow.lib.CompressedOutputStream
"""


def test_streams_and_pieces_of_files(tmp_path: Path) -> None:
    lines = (f"{i},{i * 1.5}" for i in range(200))
    (tmp_path / "x.csv").write_text("\n".join(["id,amount", *lines, ""]))
    recording = strangers.record(tmp_path, STREAMS)
    drawn = recording.graph()
    for line in list(drawn):  # the name of a part is of chance
        drawn[re.sub(r"parts/[0-9a-f]{32}-0", "parts/part-0", line)] = drawn.pop(line)
    assert drawn == strangers.drawn(STREAMS_DRAWN)
    for name in ("all", "twice", "copy", "fragment"):
        assert recording.roots(f"{name}.parquet") == {"x.csv"}

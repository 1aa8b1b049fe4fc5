"""Arrays as strangers keep them: mapped files, archives, raw bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import strangers

ARRAYS = """
    import numpy as np, pandas as pd
    x = np.load("x.npy")  # @x
    raw = np.fromfile("raw.bin", dtype="f4").reshape(-1, 3)  # @raw
    mapped = np.memmap("mapped.dat", dtype="f8", mode="w+", shape=x.shape)  # @map
    mapped[:] = x
    mapped.flush()  # @flush
    del mapped
    again = np.memmap("mapped.dat", dtype="f8", mode="r", shape=(50, 4))  # @again
    np.save("again.npy", again)  # @save
    np.savez("both.npz", x=x, raw=raw)  # @savez
    with np.load("both.npz") as archive:  # @archive
        first, second = archive["x"], archive["raw"]  # @items
    pd.DataFrame(first, columns=list("abcd")).to_csv("first.csv", index=False)  # @first
    np.savetxt("second.txt", second)  # @second
    np.save("centered.npy", x - x.mean(axis=0))  # @centered
    rows = np.lib.format.open_memmap("rows.npy", mode="w+", dtype="f8", shape=(5, 4))
    rows[:] = x[:5]
    rows.flush()  # @rows
"""
DRAWN = """
    numpy.load@x: x.npy -> return
    numpy.fromfile@raw: raw.bin -> return
    numpy.memmap@map: -> return
    numpy.memmap.flush@flush: numpy.memmap@map, ? -> mapped.dat
    numpy.memmap@again: mapped.dat -> return
    numpy.save@save: numpy.memmap@again -> again.npy
    numpy.savez@savez: numpy.load@x, numpy.fromfile@raw -> both.npz
    numpy.load@archive: both.npz -> return
    numpy.NpzFile.getitem@items: numpy.load@archive -> return
    numpy.NpzFile.getitem@items: numpy.load@archive -> return
    pandas.to_csv@first: numpy.NpzFile.getitem@items -> first.csv
    numpy.savetxt@second: numpy.NpzFile.getitem@items -> second.txt
    numpy.save@centered: ? -> centered.npy
    numpy.memmap.flush@rows: ? -> rows.npy
"""


def test_what_a_program_puts_into_a_mapped_file_is_of_unknown_origin(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    random = np.random.default_rng(0)
    np.save(directory / "x.npy", random.normal(size=(50, 4)))
    random.normal(size=(20, 3)).astype("f4").tofile(directory / "raw.bin")
    recording = strangers.record(directory, ARRAYS)
    assert recording.graph() == strangers.drawn(DRAWN)
    assert any("mapped file" in gap for gap in recording.gaps("again.npy"))


FEW = """
    import numpy as np, polars as pl
    frame = pl.read_csv("in.csv")  # @frame
    logs = np.log(frame["v"].to_numpy())  # @logs
    frame.with_columns(l=logs).write_json("named.json")  # @named
    frame.select("k", pl.lit(logs).alias("l")).write_json("lit.json")  # @lit
    frame.with_columns(pl.col("v") * logs).write_json("product.json")  # @product
    frame.lazy().with_columns(l=pl.lit(logs)).collect().write_json("lazy.json")  # @lazy
    chosen = np.array([1, 2])
    frame.filter(pl.col("k").is_in(chosen)).write_json("chosen.json")  # @chosen
"""
FEW_DRAWN = """
    polars.read_csv@frame: in.csv -> return
    polars.to_numpy@logs: polars.read_csv@frame -> return
    polars.with_columns@named: ?, polars.read_csv@frame -> return
    polars.write_json@named: polars.with_columns@named -> named.json
    polars.select@lit: ?, polars.read_csv@frame -> return
    polars.write_json@lit: polars.select@lit -> lit.json
    polars.with_columns@product: ?, polars.read_csv@frame -> return
    polars.write_json@product: polars.with_columns@product -> product.json
    polars.collect@lazy: ?, polars.read_csv@frame -> return
    polars.write_json@lazy: polars.collect@lazy -> lazy.json
    polars.filter@chosen: polars.read_csv@frame -> return
    polars.write_json@chosen: polars.filter@chosen -> chosen.json
"""


def test_a_few_values_that_a_column_is_computed_of_are_no_parameter(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "in.csv").write_text("k,v\n1,2.5\n2,3.5\n3,4.5\n")
    recording = strangers.record(directory, FEW)
    assert recording.graph() == strangers.drawn(FEW_DRAWN)
    assert recording.roots("named.json") == {"in.csv", "?"}
    assert "opaque" in recording.columns("named.json#l")


LABELS = """
    import pandas as pd
    frame = pd.read_csv("in.csv")  # @frame
    names = frame.columns.to_list()
    frame.drop_duplicates(subset=frame.columns.tolist()).to_csv("rows.csv")  # @rows
    frame[names[:1]].sort_values(names[0]).to_csv("sorted.csv")  # @sorted
    keys = frame.set_index("v").loc[2.0:].index.tolist()  # @keys
    frame[frame["v"].isin(keys)].to_csv("keys.csv")  # @isin
"""
LABELS_DRAWN = """
    pandas.read_csv@frame: in.csv -> return
    pandas.drop_duplicates@rows: pandas.read_csv@frame -> return
    pandas.to_csv@rows: pandas.drop_duplicates@rows -> rows.csv
    pandas.sort_values@sorted: pandas.read_csv@frame -> return
    pandas.to_csv@sorted: pandas.sort_values@sorted -> sorted.csv
    pandas.set_index@keys: pandas.read_csv@frame -> return
    pandas.loc@keys: pandas.set_index@keys -> return
    pandas.to_list@keys: pandas.loc@keys -> return
    pandas.getitem@isin: pandas.read_csv@frame, pandas.to_list@keys -> return
    pandas.to_csv@isin: pandas.getitem@isin -> keys.csv
"""


def test_a_list_of_the_names_of_columns_is_no_data(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "in.csv").write_text("k,v\n1,1.5\n2,2.5\n3,3.5\n")
    recording = strangers.record(directory, LABELS)
    assert recording.graph() == strangers.drawn(LABELS_DRAWN)

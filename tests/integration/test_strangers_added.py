"""Files that are there already and get more at their end, and files opened through fsspec."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import strangers

from otelprov.artifacts import identify_path

ADDS = """
    import fsspec, gzip, shutil, zipfile
    import pandas as pd
    t = pd.read_csv("t.csv")  # @t
    t.to_csv("new.csv")  # @new
    with open("new.csv", "a") as file:
        t.head(1).to_csv(file, header=False)  # @one
    with fsspec.open("new.csv", "a") as file:
        t.tail(1).to_csv(file, header=False)  # @two
    with open("old.csv", "a+") as file:
        file.write("# more\\n")
        t.to_csv(file, header=False)  # @three
        t.to_csv(file, header=False)  # @four
    with gzip.open("old.csv.gz", "at") as file:
        t.to_csv(file, header=False)  # @gz
    with open("fresh.csv", "a") as file:
        t.to_csv(file)  # @fresh
    with zipfile.ZipFile("old.zip", "a") as archive:
        with archive.open("t", "w") as file:
            t.to_csv(file)  # @zip
        archive.write("t.csv")  # @more
    with open("t.csv", "rb") as source, open("poured.csv", "ab") as target:
        shutil.copyfileobj(source, target)  # @poured
"""
ADDED = """
    pandas.read_csv@t: t.csv -> return
    pandas.to_csv@new: pandas.read_csv@t -> new.csv
    pandas.head@one: pandas.read_csv@t -> return
    pandas.to_csv@one: new.csv, pandas.head@one -> new.csv
    pandas.tail@two: pandas.read_csv@t -> return
    pandas.to_csv@two: new.csv, pandas.tail@two -> new.csv
    pandas.to_csv@three: old.csv, pandas.read_csv@t -> old.csv
    pandas.to_csv@four: old.csv, pandas.read_csv@t -> old.csv
    pandas.to_csv@gz: old.csv.gz, pandas.read_csv@t -> old.csv.gz
    pandas.to_csv@fresh: pandas.read_csv@t -> fresh.csv
    pandas.to_csv@zip: old.zip, pandas.read_csv@t -> target
    shutil.copyfileobj@more: t.csv, pandas.to_csv@zip -> old.zip
    shutil.copyfileobj@poured: poured.csv, t.csv -> poured.csv
"""


def test_what_is_added_to_a_file_joins_what_was_there(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "t.csv").write_text("a,b\n1,2\n3,4\n")
    for name in ("old.csv", "poured.csv"):
        (directory / name).write_text(f",a,b\n9,9,9\n# {name}\n")
    (directory / "old.csv.gz").write_bytes(gzip.compress(b",a,b\n8,8,8\n"))
    with zipfile.ZipFile(directory / "old.zip", "w") as archive:
        archive.writestr("o.csv", ",a,b\n7,7,7\n")
    before = {
        name: identify_path(directory / name).id
        for name in ("old.csv", "poured.csv", "old.csv.gz", "old.zip")
    }
    recording = strangers.record(directory, ADDS)
    assert recording.graph() == strangers.drawn(ADDED)
    for name in before:
        assert recording.roots(name) == {"t.csv", name}
    for name in ("new.csv", "fresh.csv"):
        assert recording.roots(name) == {"t.csv"}
    used = {one["otelprov.used.id"] for span in recording.spans for one in span.used}
    assert set(before.values()) <= used


LOCAL = """
    import fsspec, joblib, pickle
    import numpy as np, pandas as pd, polars as pl, pyarrow as pa, pyarrow.parquet as pq
    t = pd.read_csv("t.csv")  # @t
    fs = fsspec.filesystem("file", auto_mkdir=True)
    with fs.open("o/text.csv", "w") as file:
        t.to_csv(file)  # @text
    with fs.open("o/bytes.csv", "wb") as file:
        t.to_csv(file)  # @bytes
    with fs.open("o/t.parquet", "wb") as file:
        t.to_parquet(file)  # @parquet
    with fsspec.open("file://o/t.csv.gz", "wt", compression="gzip") as file:
        t.to_csv(file)  # @gz
    with fs.open("o/parts.csv", "w") as file:
        t.to_csv(file)  # @parts
        t.to_csv(file, header=False)  # @parts
    with fs.open("o/t.pkl", "wb") as file:
        pickle.dump(t, file)  # @pickle
    with fs.open("o/t.joblib", "wb") as file:
        joblib.dump(t, file)  # @joblib
    with fs.open("o/polars.csv", "wb") as file:
        pl.DataFrame({"c": [1]}).write_csv(file)  # @polars
    with fs.open("o/arrow.parquet", "wb") as file:
        pq.write_table(pa.table({"c": [1]}), file)  # @arrow
    with fs.transaction:
        with fs.open("o/late.csv", "wb") as file:
            t.to_csv(file, sep=";")  # @late
"""
LOCAL_DRAWN = """
    pandas.read_csv@t: t.csv -> return
    pandas.to_csv@text: pandas.read_csv@t -> o/text.csv
    pandas.to_csv@bytes: pandas.read_csv@t -> o/bytes.csv
    pandas.to_parquet@parquet: pandas.read_csv@t -> content, o/t.parquet
    pandas.to_csv@gz: pandas.read_csv@t -> o/t.csv.gz
    pandas.to_csv@parts: pandas.read_csv@t -> o/parts.csv
    pandas.to_csv@parts: o/parts.csv, pandas.read_csv@t -> o/parts.csv
    pickle.dump@pickle: pandas.read_csv@t -> o/t.pkl
    joblib.dump@joblib: pandas.read_csv@t -> o/t.joblib
    polars.write_csv@polars: ? -> o/polars.csv
    pyarrow.parquet.write_table@arrow: ? -> content, o/arrow.parquet
"""


def test_a_local_file_that_fsspec_opens_is_what_it_is_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    recording = strangers.record(tmp_path, LOCAL)
    late = {line for line in recording.graph() if line.startswith("pandas.to_csv@late")}
    assert len(late) == 1  # to the temporary file that fsspec renames
    assert set(recording.graph()) - late == set(strangers.drawn(LOCAL_DRAWN))
    for name in ("text.csv", "t.parquet", "t.csv.gz", "parts.csv", "t.pkl", "t.joblib", "late.csv"):
        assert recording.roots(f"o/{name}") == {"t.csv"}, name
    ids = {one["otelprov.generated.id"] for span in recording.spans for one in span.generated}
    for file in (tmp_path / "o").iterdir():
        assert identify_path(file).id in ids, file

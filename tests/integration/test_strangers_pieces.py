"""Files that are read in pieces, tables that go to a file of each group, and bytes in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import strangers

CHUNKS = """
    import warnings
    import pandas as pd
    warnings.simplefilter("ignore")
    cities = pd.read_csv("cities.csv")  # @cities
    parts = []
    for chunk in pd.read_csv("big.csv", chunksize=3):  # @first
        chunk = chunk[chunk["amt"] > 1]  # @some
        chunk["double"] = chunk["amt"] * 2  # @double
        parts.append(chunk.merge(cities, on="city"))  # @merge
    pd.concat(parts, ignore_index=True).to_csv("all.csv", index=False)  # @all
    total = None
    for chunk in pd.read_csv("big.csv", chunksize=4, usecols=["city", "amt"]):  # @second
        part = chunk.groupby("city")["amt"].sum()  # @sum
        total = part if total is None else total.add(part, fill_value=0)
    total.reset_index().to_csv("total.csv", index=False)  # @total
    with pd.HDFStore("big.h5", "r") as store:  # @store
        parts = [one.assign(half=one["amt"] / 2) for one in store.select("t", chunksize=4)]  # @half
    pd.concat(parts).to_csv("hdf.csv", index=False)  # @hdf
    for city, group in pd.read_csv("all.csv").groupby("city"):  # @groups
        group.drop(columns="city").to_csv(f"{city}.csv", index=False)  # @group
"""
CHUNKS_DRAWN = """
    pandas.read_csv@cities: cities.csv -> return
    pandas.read_csv@first: big.csv -> return
    pandas.getitem@some: pandas.read_csv@first -> return
    pandas.setitem@double: pandas.getitem@some -> self
    pandas.merge@merge: pandas.setitem@double, pandas.read_csv@cities -> return
    pandas.getitem@some: pandas.read_csv@first -> return
    pandas.setitem@double: pandas.getitem@some -> self
    pandas.merge@merge: pandas.setitem@double, pandas.read_csv@cities -> return
    pandas.concat@all: pandas.merge@merge -> return
    pandas.to_csv@all: pandas.concat@all -> all.csv
    pandas.read_csv@second: big.csv -> return
    pandas.groupby.sum@sum: pandas.read_csv@second -> return
    pandas.groupby.sum@sum: pandas.read_csv@second -> return
    pandas.reset_index@total: pandas.groupby.sum@sum -> return
    pandas.to_csv@total: pandas.reset_index@total -> total.csv
    pandas.HDFStore@store: big.h5 -> return
    pandas.assign@half: pandas.HDFStore@store -> return
    pandas.assign@half: pandas.HDFStore@store -> return
    pandas.HDFStore.close@store: pandas.HDFStore@store ->
    pandas.concat@hdf: pandas.assign@half -> return
    pandas.to_csv@hdf: pandas.concat@hdf -> hdf.csv
    pandas.read_csv@groups: all.csv -> return
    pandas.drop@group: pandas.read_csv@groups -> return
    pandas.to_csv@group: pandas.drop@group -> a.csv
    pandas.drop@group: pandas.read_csv@groups -> return
    pandas.to_csv@group: pandas.drop@group -> b.csv
"""


def test_pieces_of_a_file_and_groups_of_a_table_have_its_columns(work: Path) -> None:
    pytest.importorskip("tables")
    import pandas as pd

    table = pd.DataFrame({"id": range(6), "city": list("ababab"), "amt": [0.5, 1, 2, 3, 4, 5]})
    table.to_csv(work / "big.csv", index=False)
    table.to_hdf(work / "big.h5", key="t", format="table")
    (work / "cities.csv").write_text("city,region\na,n\nb,s\n")
    recording = strangers.record(work, CHUNKS)
    assert recording.graph() == strangers.drawn(CHUNKS_DRAWN)
    columns = {
        "all.csv": {
            "id": {"big.csv#id"},
            "double": {"big.csv#amt"},
            "region": {"cities.csv#region"},
        },
        "total.csv": {"city": {"big.csv#city"}, "amt": {"big.csv#amt"}},
        "a.csv": {"amt": {"big.csv#amt"}, "region": {"cities.csv#region"}},
    }
    for file, expected in columns.items():
        found = {name: recording.columns(f"{file}#{name}") for name in expected}
        assert found == expected, file
    assert recording.roots("hdf.csv") == {"big.h5"}


APPENDED = """
    import json
    from pathlib import Path
    import pandas as pd
    state = json.loads(Path("state.json").read_text())
    target = Path("all.parquet")
    have = pd.read_parquet(target) if target.exists() else pd.DataFrame(columns=["day", "n"])
    new = [one for one in sorted(Path("in").glob("*.csv")) if one.name not in state]
    if new:
        fresh = pd.concat((pd.read_csv(one) for one in new), ignore_index=True)  # @fresh
        have = pd.concat([have, fresh], ignore_index=True).drop_duplicates()  # @have
        have.to_parquet(target)
        Path("state.json").write_text(json.dumps(state + [one.name for one in new]))
    have.groupby("day", as_index=False)["n"].sum().to_csv("days.csv", index=False)
"""


def test_nothing_comes_from_a_table_without_rows(work: Path) -> None:
    (work / "in").mkdir()
    (work / "state.json").write_text("[]")
    for day in (1, 2):
        (work / "in" / f"{day}.csv").write_text(f"day,n\n{day},{day + 4}\n{day},{day + 7}\n")
    later = "import os\nos.rename('later.csv', 'in/3.csv')\n"
    (work / "later.csv").write_text("day,n\n3,1\n")
    recording = strangers.record(work, APPENDED, later, APPENDED, PYTHONWARNINGS="ignore")
    files = {"in/1.csv", "in/2.csv", "later.csv"}
    assert recording.roots("days.csv") == recording.roots("all.parquet") == files
    assert recording.gaps("days.csv") == []
    assert recording.columns("days.csv#n") == {f"in/{day}.csv#n" for day in (1, 2, 3)}


IN_MEMORY = """
    import io
    from pathlib import Path
    import pandas as pd
    import pyarrow as pa
    import pyarrow.feather as feather
    import pyarrow.parquet as pq
    table = pq.read_table("in.parquet")  # @table
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)  # @sink
    buffer = sink.getvalue()  # @buffer
    with open("1.parquet", "wb") as file:  # @open
        file.write(buffer)
    pq.write_table(pq.read_table(pa.BufferReader(buffer)).slice(1, 2), "2.parquet")  # @two
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:  # @closed
        writer.write_table(table)  # @stream
    stream = pa.ipc.open_stream(sink.getvalue())  # @opened
    pq.write_table(stream.read_all().slice(2, 2), "3.parquet")  # @three
    stream = io.BytesIO()
    pq.write_table(table.slice(1), stream)
    Path("4.parquet").write_bytes(stream.getvalue())
    stream.seek(0)
    pq.write_table(pq.read_table(stream).slice(3, 2), "5.parquet")
    df = table.to_pandas()
    Path("6.csv").write_text(df.head(2).to_csv(index=False))
    Path("7.md").write_text("by hand\\n")
"""


@pytest.mark.parametrize("opened", ["on", "off"])
def test_bytes_in_memory_are_those_that_were_written(work: Path, opened: str) -> None:
    import pandas as pd

    pd.DataFrame({"a": range(6), "b": list("xyzxyz")}).to_parquet(work / "in.parquet")
    recording = strangers.record(work, IN_MEMORY, OTELPROV_RECORD_OPEN=opened)
    for name in ("1.parquet", "2.parquet", "3.parquet", "4.parquet", "5.parquet", "6.csv"):
        assert recording.roots(name) == {"in.parquet"}, name
    found = recording.graph()
    assert {
        "pyarrow.BufferOutputStream.getvalue@buffer: pyarrow.lib.BufferOutputStream -> return",
        "pyarrow.ipc.open_stream@opened: pyarrow.BufferOutputStream.getvalue@opened -> return",
    } <= {*found}
    if opened == "on":
        assert found["builtins.open@open: pyarrow.BufferOutputStream.getvalue@buffer -> 1.parquet"]
        assert recording.roots("7.md") == {"?"}


CACHED = """
    import pandas as pd
    from joblib import Memory

    @Memory("cache", verbose=0).cache
    def clean(path):
        df = pd.read_csv(path)  # @read
        return df[df["n"] > 1].assign(twice=lambda one: one["n"] * 2)  # @twice

    clean("in.csv").to_csv("first.csv", index=False)  # @first
    clean("in.csv").tail(1).to_csv("again.csv", index=False)  # @again
"""
CACHED_DRAWN = """
    pandas.read_csv@read: in.csv -> return
    pandas.getitem@twice: pandas.read_csv@read -> return
    pandas.assign@twice: pandas.getitem@twice -> return
    joblib.Memory.dump@first: pandas.assign@twice -> {kept}
    pandas.to_csv@first: pandas.assign@twice -> first.csv
    joblib.Memory.load@again: {kept} -> return
    pandas.tail@again: joblib.Memory.load@again -> return
    pandas.to_csv@again: pandas.tail@again -> again.csv
"""


def test_what_joblib_remembers_comes_from_where_it_was_computed(work: Path) -> None:
    (work / "in.csv").write_text("k,n\na,1\nb,2\nc,3\n")
    recording = strangers.record(work, CACHED)
    (kept,) = (str(one.relative_to(work)) for one in work.glob("cache/**/output.pkl"))
    assert recording.graph() == strangers.drawn(CACHED_DRAWN.format(kept=kept))
    another = strangers.record(work, CACHED)
    assert another.graph()[f"joblib.Memory.load@first: {kept} -> return"] == 1
    for name in ("first.csv", "again.csv"):
        for one in (recording, another):
            assert one.roots(name) == {"in.csv"}, name
            assert one.columns(f"{name}#k") == {"in.csv#k"}, name


RECORDS = """
    import json
    import pandas as pd
    with open("in.jsonl") as lines:
        records = [json.loads(line) for line in lines]
    pd.json_normalize(records, "tags", ["id"]).to_csv("tags.csv", index=False)  # @by_hand
    table = pd.read_json("in.jsonl", lines=True)  # @read
    pd.json_normalize(table.to_dict("records"), "tags", ["id"]).to_csv("all.csv")  # @all
"""


def test_records_that_a_program_reads_are_of_unknown_origin(work: Path) -> None:
    (work / "in.jsonl").write_text('{"id": 1, "tags": ["x", "y"]}\n{"id": 2, "tags": ["z"]}\n')
    recording = strangers.record(work, RECORDS)
    assert recording.graph()["pandas.json_normalize@by_hand: ? -> return"]
    assert recording.roots("tags.csv") == {"?"}
    assert recording.roots("all.csv") == {"in.jsonl"}


FILTER = """
    import sys
    import pandas as pd
    df = pd.read_csv(sys.stdin)  # @stdin
    df[df["n"] > 1].to_csv(sys.stdout, index=False)  # @stdout
"""
SHELL = """
    import shlex, subprocess, sys
    run = f"{shlex.quote(sys.executable)} filter.py"
    for line in (
        f"{run} < in.csv > out.csv",
        f"echo '# more' > log.csv; {run} < in.csv >> log.csv",
        f"cat in.csv | {run} | cat",
    ):
        subprocess.run(line, shell=True, check=True, stdout=subprocess.DEVNULL)
"""


def test_files_of_the_shell_are_known(work: Path) -> None:
    (work / "in.csv").write_text("k,n\na,1\nb,2\nc,3\n")
    recording = strangers.record(work, SHELL, modules={"filter.py": FILTER})
    lines = {*recording.graph()}
    assert {
        "pandas.read_csv@stdin: in.csv -> return",
        "pandas.to_csv@stdout: pandas.getitem@stdout -> out.csv",
        "pandas.to_csv@stdout: log.csv, pandas.getitem@stdout -> log.csv",
    } <= lines
    assert recording.roots("out.csv") == {"in.csv"}
    assert recording.columns("out.csv#k") == {"in.csv#k"}
    assert recording.roots("log.csv") == {"in.csv", "log.csv"}
    (piped,) = [one for one in lines if one.startswith("pandas.read_csv") and "in.csv" not in one]
    assert piped == "pandas.read_csv@stdin: _io.FileIO -> return"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The directory that a program runs in."""
    directory = tmp_path / "work"
    directory.mkdir()
    return directory

"""Iterators as strangers write them: what a library takes out of them is read by the program."""

from __future__ import annotations

from pathlib import Path

import programs
import strangers

MAPS = """
    import itertools
    from functools import partial
    import pandas as pd, polars as pl
    paths = ["in1.csv", "in2.csv"]
    pd.concat(map(pd.read_csv, paths)).to_csv("map.csv")  # @map
    some = partial(pd.read_csv, usecols=["k"])
    pd.concat(objs=map(some, paths), ignore_index=True).to_csv("partial.csv")  # @partial
    chain = itertools.chain(map(pd.read_csv, paths[:1]), (pd.read_csv(p) for p in paths[1:]))
    pd.concat(chain).to_json("chain.json", orient="records")  # @chain
    pl.concat(map(pl.read_csv, paths)).write_csv("polars.csv")  # @polars
    pl.concat(map(pl.scan_csv, paths)).sink_ndjson("lazy.ndjson")  # @lazy
"""
DRAWN = """
    pandas.read_csv@map: in1.csv -> return
    pandas.read_csv@map: in2.csv -> return
    pandas.concat@map: pandas.read_csv@map -> return
    pandas.to_csv@map: pandas.concat@map -> map.csv
    pandas.read_csv@partial: in1.csv -> return
    pandas.read_csv@partial: in2.csv -> return
    pandas.concat@partial: pandas.read_csv@partial -> return
    pandas.to_csv@partial: pandas.concat@partial -> partial.csv
    pandas.read_csv@chain: in1.csv -> return
    pandas.read_csv: in2.csv -> return
    pandas.concat@chain: pandas.read_csv@chain, pandas.read_csv -> return
    pandas.to_json@chain: pandas.concat@chain -> chain.json
    polars.read_csv@polars: in1.csv -> return
    polars.read_csv@polars: in2.csv -> return
    polars.concat@polars: polars.read_csv@polars -> return
    polars.write_csv@polars: polars.concat@polars -> polars.csv
    polars.sink_ndjson@lazy: in1.csv, in2.csv -> lazy.ndjson
"""
FILES = {"in1.csv": "k,v\n1,2\n", "in2.csv": "k,v\n3,4\n"}


def test_what_a_map_reads_while_a_library_empties_it_is_read_by_the_program(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    recording = strangers.record(directory, MAPS)
    assert recording.graph() == strangers.drawn(DRAWN)


FAILS = """
    import traceback, warnings
    import pandas as pd, polars as pl
    def read(path):
        warnings.warn("read", stacklevel=2)
        return pd.read_csv(path)
    for concat, function in ((pd.concat, pd.read_csv), (pd.concat, read), (pl.concat, pl.read_csv)):
        taken = map(function, ["in1.csv", "missing.csv", "in2.csv"])
        try:
            concat(taken)
        except FileNotFoundError as error:
            if concat is pd.concat:  # of Polars' frames there are fewer: see Entry.lists
                print([frame.name for frame in traceback.extract_tb(error.__traceback__)])
        print(len(list(taken)))
    print(len(pd.concat(map(pd.DataFrame, [[1], [2, 3]]))))
    print(len(pd.concat(taken for taken in [pd.DataFrame([1])])))
"""


def test_an_iterator_that_fails_does_so_as_without_us(tmp_path: Path) -> None:
    programs.compared(tmp_path, FAILS, files=FILES)


VALUES = """
    from collections import deque
    import polars as pl, pyarrow as pa, pyarrow.csv as pv
    lazy = {name: pl.scan_csv(name) for name in ("in1.csv", "in2.csv")}
    pl.concat(lazy.values()).collect().write_csv("lazy.csv")  # @lazy
    frames = {name: pl.read_csv(name) for name in lazy}  # @read
    pl.concat(frames.values()).write_csv("eager.csv")  # @eager
    pl.concat(items=deque(frames.values())).write_json("deque.json")  # @deque
    tables = {name: pv.read_csv(name) for name in lazy}  # @table
    pv.write_csv(pa.concat_tables(tables.values()), "arrow.csv")  # @arrow
    class Frames:
        def __iter__(self):
            yield from frames.values()
    pl.concat(Frames()).write_ndjson("own.ndjson")  # @own
"""
VALUES_DRAWN = """
    polars.collect@lazy: in1.csv, in2.csv -> return
    polars.write_csv@lazy: polars.collect@lazy -> lazy.csv
    polars.read_csv@read: in1.csv -> return
    polars.read_csv@read: in2.csv -> return
    polars.concat@eager: polars.read_csv@read -> return
    polars.write_csv@eager: polars.concat@eager -> eager.csv
    polars.concat@deque: polars.read_csv@read -> return
    polars.write_json@deque: polars.concat@deque -> deque.json
    pyarrow.csv.read_csv@table: in1.csv -> return
    pyarrow.csv.read_csv@table: in2.csv -> return
    pyarrow.concat_tables@arrow: pyarrow.csv.read_csv@table -> return
    pyarrow.csv.write_csv@arrow: pyarrow.concat_tables@arrow -> arrow.csv
    polars.concat@own: polars.read_csv@read -> return
    polars.write_ndjson@own: polars.concat@own -> own.ndjson
"""


def test_tables_in_a_collection_that_is_no_list_are_inputs(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    recording = strangers.record(directory, VALUES)
    assert recording.graph() == strangers.drawn(VALUES_DRAWN)
    assert recording.roots("lazy.csv") == recording.roots("arrow.csv") == set(FILES)


WRONG = """
    import traceback
    import polars as pl, pyarrow as pa
    class Fails:
        def __iter__(self):
            raise ZeroDivisionError("no")
    for concat in (pl.concat, pa.concat_tables, pl.collect_all):
        for value in ({}.values(), {1: 2}.values(), {1, 2}, "ab", b"ab", 7, None, Fails(), {"a": 1}):
            try:
                print(concat(value))
            except Exception as error:
                print(type(error).__name__, str(error).partition(" at 0x")[0])
"""  # noqa: E501


def test_a_collection_of_no_tables_fails_as_without_us(tmp_path: Path) -> None:
    programs.compared(tmp_path, WRONG)


COLUMNS = """
    import polars as pl
    one = pl.read_csv("in1.csv")  # @one
    two = pl.read_csv("in2.csv").rename({"k": "a", "v": "b"})  # @two
    lazy, parts = one.lazy(), (two["a"], two["b"])
    lazy.with_columns(s for s in parts).collect().write_csv("lazy.csv")  # @lazy
    one.with_columns(iter(parts)).write_csv("eager.csv")  # @eager
    one.select(pl.sum_horizontal(s for s in parts)).write_csv("sum.csv")  # @sum
    one.group_by(["k"]).agg(pl.lit(s).sum() for s in parts).write_csv("agg.csv")  # @agg
    pl.select(map(pl.lit, parts)).write_csv("alone.csv")  # @alone
    one.select({1: two["b"]}.values()).write_csv("values.csv")  # @values
    one.filter(pl.col(name) < 9 for name in ("k", "v")).write_json("less.json")  # @less
    sums = one.group_by(["k"]).agg((pl.col(n) + 1).sum() for n in ("v",))  # @sums
    sums.sort(pl.col(n) for n in ("v", "k")).write_csv("sums.csv")  # @sort
    one.vstack(two.rename({"a": "k", "b": "v"})).write_csv("both.csv")  # @both
"""
OF_COLUMNS = """
    polars.read_csv@one: in1.csv -> return
    polars.read_csv@two: in2.csv -> return
    polars.rename@two: polars.read_csv@two -> return
    polars.collect@lazy: polars.read_csv@one, polars.rename@two -> return
    polars.write_csv@lazy: polars.collect@lazy -> lazy.csv
    polars.with_columns@eager: polars.read_csv@one, polars.rename@two -> return
    polars.write_csv@eager: polars.with_columns@eager -> eager.csv
    polars.select@sum: polars.read_csv@one, polars.rename@two -> return
    polars.write_csv@sum: polars.select@sum -> sum.csv
    polars.group_by.agg@agg: polars.read_csv@one, polars.rename@two -> return
    polars.write_csv@agg: polars.group_by.agg@agg -> agg.csv
    polars.select@alone: polars.rename@two -> return
    polars.write_csv@alone: polars.select@alone -> alone.csv
    polars.select@values: polars.read_csv@one, polars.rename@two -> return
    polars.write_csv@values: polars.select@values -> values.csv
    polars.filter@less: polars.read_csv@one -> return
    polars.write_json@less: polars.filter@less -> less.json
    polars.group_by.agg@sums: polars.read_csv@one -> return
    polars.sort@sort: polars.group_by.agg@sums -> return
    polars.write_csv@sort: polars.sort@sort -> sums.csv
    polars.rename@both: polars.rename@two -> return
    polars.vstack@both: polars.read_csv@one, polars.rename@both -> return
    polars.write_csv@both: polars.vstack@both -> both.csv
"""


def test_columns_that_an_iterator_gives_are_inputs(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    recording = strangers.record(directory, COLUMNS)
    assert recording.graph() == strangers.drawn(OF_COLUMNS)
    assert recording.roots("lazy.csv") == recording.roots("agg.csv") == set(FILES)
    assert recording.columns("less.json#v") == recording.columns("sums.csv#v") == {"in1.csv#v"}
    assert recording.columns("both.csv#v") == {"in1.csv#v", "in2.csv#v"}


NO_COLUMNS = """
    import enum
    from collections import OrderedDict
    import polars as pl
    frame = pl.DataFrame({"k": [1, 2], "v": [3, 4]})
    class Name(str, enum.Enum):
        K = "k"
    taken = iter(["k", "v"])
    drawn = []
    for call in (
        lambda: frame.select(Name.K), lambda: frame.lazy().select(Name.K).collect(),
        lambda: frame.select(OrderedDict(a=pl.col("k"))), lambda: frame.filter({"a": 1}.values()),
        lambda: frame.select(pl.col("k"), (name for name in ["v"])), lambda: frame.select(iter("")),
        lambda: frame.filter(one for one in (1, 2)), lambda: frame.select(1 / 0 for _ in "a"),
        lambda: frame.filter(pl.col("k") > 1, (pl.col(name) > 1 for name in "v")),
        lambda: frame.with_columns(pl.col("no") for _ in "a"), lambda: frame.select({"k"}),
        lambda: frame.sort((name for name in "vk"), descending=True), lambda: frame.select(taken),
        lambda: frame.select(drawn.append(name) or name for name in ("k", "k")),
    ):
        try:
            print(call())
        except Exception as error:
            print(type(error).__name__, str(error).partition(" at 0x")[0])
    print(list(taken), drawn)
"""


def test_what_polars_takes_of_columns_it_takes_with_us(tmp_path: Path) -> None:
    programs.compared(tmp_path, NO_COLUMNS)


BATCHES = """
    import sqlite3
    import polars as pl
    con = sqlite3.connect("w.db")
    con.execute("CREATE TABLE t (k INT, v INT)")
    con.commit()
    table = pl.read_csv("in1.csv").extend(pl.read_csv("in2.csv"))  # @in
    con.executemany("INSERT INTO t VALUES (?, ?)", table.rows())  # @many
    con.commit()
    batches = pl.read_database("SELECT * FROM t", con, iter_batches=True, batch_size=1)  # @read
    for number, batch in enumerate(batches):
        batch.write_ndjson(f"{number}.json")  # @write
    try:
        pl.read_database("SELECT * FROM nothing", con, iter_batches=True, batch_size=1)
    except sqlite3.OperationalError as error:
        print(error)
"""


def test_the_batches_of_an_answer_come_from_it(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    recording = strangers.record(directory, BATCHES)
    for name in ("0.json", "1.json"):
        assert recording.operations(name) >= {"polars.read_database", "sqlite3.executemany"}
        assert recording.columns(f"{name}#v") >= {"in1.csv#v", "in2.csv#v"}

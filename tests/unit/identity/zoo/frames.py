"""Frames of pandas and Polars, their indexes, and the same table in every container."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from zoo.cases import Groups, Table, agree, case, differ, place
from zoo.peers import Frame, column

CONNECTION = duckdb.connect()


def arrow_backed(cells: Any, type_: pa.DataType) -> Any:
    return pd.array(cells, dtype=pd.ArrowDtype(type_))


def from_duckdb(relation: Any) -> pa.Table:
    fetch = getattr(relation, "to_arrow_table", None) or relation.fetch_arrow_table
    return fetch()


# --- one table, whatever holds it -----------------------------------------------------------------


@case()
def one_table_in_every_container() -> Groups:
    """A table has one id as a frame of pandas, of Polars, of Arrow, and as a DuckDB result."""
    columns: dict[str, list[Any]] = {
        "i": [1, 2, 3],
        "s": ["a", None, ""],
        "f": [0.5, None, -0.0],
        "b": [True, False, None],
        "t": [dt.datetime(2020, 1, 1), None, dt.datetime(2021, 1, 1)],
        "d": [dt.date(2020, 1, 1), None, dt.date(2021, 1, 1)],
    }
    table = pa.table(columns)
    here = place()
    pq.write_table(table, here / "table.parquet")
    pl.DataFrame(columns).write_parquet(here / "polars.parquet")
    return agree(
        table,
        table.to_batches()[0],
        pl.DataFrame(columns),
        pl.from_arrow(table),
        pl.DataFrame(columns).with_columns(pl.col("s").cast(pl.Categorical)),
        pl.concat([pl.DataFrame(columns)[:1], pl.DataFrame(columns)[1:]]),
        pl.concat([pl.DataFrame(columns)[:1], pl.DataFrame(columns)[1:]], rechunk=True),
        pl.concat([pl.DataFrame(columns)] * 2)[3:],
        table.to_pandas(types_mapper=pd.ArrowDtype),
        from_duckdb(CONNECTION.from_arrow(table)),
        Table(here / "table.parquet"),
        Table(here / "polars.parquet"),
    )


@case()
def numbers_in_every_container() -> Groups:
    """The same without gaps, where NumPy can hold it too."""
    groups: dict[str, list[Any]] = {}
    for name in "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64".split():
        vector = np.array([81, 82, 83], name)
        type_ = pa.from_numpy_dtype(vector.dtype)
        nullable = name.replace("uint", "UInt").replace("int", "Int").replace("float", "Float")
        groups[name] = [
            Frame({"n": vector}),
            Frame({"n": pd.array([81, 82, 83], dtype=nullable)}),
            Frame({"n": arrow_backed([81, 82, 83], type_)}),
            Frame({"n": vector.astype(vector.dtype.newbyteorder(">"))}),
            Frame({"n": pd.Categorical(vector)})
            if name not in ("float32",)
            else Frame({"n": vector}),
            Frame({"n": pd.arrays.SparseArray(vector)}),
            pd.Series(vector, name="n"),
            pl.DataFrame({"n": vector}),
            pl.Series("n", vector),
            pa.table({"n": vector}),
            pa.table({"n": pa.chunked_array([vector[:1], vector[1:]])}),
            from_duckdb(CONNECTION.from_arrow(pa.table({"n": vector}))),
        ]
    return groups


@case()
def gaps_in_every_container() -> Groups:
    """NaN in a float column of NumPy is null, and so is what nullable types leave out."""
    return {
        "floats": [
            Frame({"g": [0.5, np.nan, 2.5]}),
            Frame({"g": pd.array([0.5, None, 2.5], dtype="Float64")}),
            Frame({"g": arrow_backed([0.5, None, 2.5], pa.float64())}),
            pl.DataFrame({"g": [0.5, None, 2.5]}),
            pa.table({"g": [0.5, None, 2.5]}),
            column(0.5, None, 2.5).rename(columns={"c": "g"}),
            column(0.5, float("nan"), 2.5).rename(columns={"c": "g"}),
            column(0.5, pd.NA, 2.5).rename(columns={"c": "g"}),
        ],
        "a NaN that is a value": [
            pl.DataFrame({"g": [0.5, float("nan"), 2.5]}),
            pa.table({"g": [0.5, float("nan"), 2.5]}),
        ],
        "integers": [
            Frame({"g": pd.array([1, None, 3], dtype="Int64")}),
            Frame({"g": pd.arrays.IntegerArray(np.array([1, 99, 3]), np.array([0, 1, 0], bool))}),
            Frame({"g": arrow_backed([1, None, 3], pa.int64())}),
            pl.DataFrame({"g": [1, None, 3]}),
            pa.table({"g": [1, None, 3]}),
            column(1, None, 3).rename(columns={"c": "g"}),
        ],
        "integers as floats": [Frame({"g": [1, None, 3]}), pa.table({"g": [1.0, None, 3.0]})],
        "bools": [
            Frame({"g": pd.array([True, None, False], dtype="boolean")}),
            Frame(
                {"g": pd.arrays.BooleanArray(np.array([1, 1, 0], bool), np.array([0, 1, 0], bool))}
            ),
            column(True, None, False).rename(columns={"c": "g"}),
            pl.DataFrame({"g": [True, None, False]}),
        ],
        "times": [
            Frame({"g": np.array(["2020", "NaT", "2021"], "M8[us]")}),
            pl.DataFrame({"g": [dt.datetime(2020, 1, 1), None, dt.datetime(2021, 1, 1)]}),
            pa.table({"g": [dt.datetime(2020, 1, 1), None, dt.datetime(2021, 1, 1)]}),
        ],
        "times in nanoseconds": [
            Frame({"g": np.array(["2020", "NaT", "2021"], "M8[ns]")}),
            pa.table({"g": pa.array(np.array(["2020", "NaT", "2021"], "M8[ns]"))}),
        ],
        "durations": [
            Frame({"g": np.array([1, "NaT", 3], "m8[ms]")}),
            pl.DataFrame({"g": pl.Series([1, None, 3]).cast(pl.Duration("ms"))}),
        ],
    }


@case()
def text_in_every_container() -> Groups:
    """Text of objects, of pandas' own types, of Arrow, as categories: one column."""
    cells = ["köln", None, "", "köln"]
    return agree(
        Frame({"s": cells}),
        column(*cells).rename(columns={"c": "s"}),
        Frame({"s": pd.array(cells, dtype="string[python]")}),
        Frame({"s": pd.array(cells, dtype="string[pyarrow]")}),
        Frame({"s": arrow_backed(cells, pa.string())}),
        Frame({"s": arrow_backed(cells, pa.large_string())}),
        Frame({"s": pd.Categorical(cells)}),
        Frame({"s": pd.Categorical(cells, ["köln", "unused", ""], ordered=True)}),
        pl.DataFrame({"s": cells}),
        pl.DataFrame({"s": pl.Series(cells, dtype=pl.Categorical)}),
        pl.DataFrame({"s": pl.Series(cells, dtype=pl.Enum(["", "köln", "unused"]))}),
        pa.table({"s": cells}),
        from_duckdb(CONNECTION.from_arrow(pa.table({"s": cells}))),
    )


@case()
def zones_in_every_container() -> Groups:
    """An instant and the zone in which it is shown."""
    groups: dict[str, list[Any]] = {}
    for zone in ("UTC", "Europe/Paris", "America/New_York"):
        naive = np.array(["2020-06-01T12", "NaT"], "M8[us]")
        frame = Frame({"z": pd.Series(naive).dt.tz_localize("UTC").dt.tz_convert(zone)})
        table = pa.table({"z": pa.array(naive).cast(pa.timestamp("us", zone))})
        groups[zone] = [
            frame,
            table,
            pl.from_arrow(table),
            table.to_pandas(types_mapper=pd.ArrowDtype),
        ]
    groups["none"] = [Frame({"z": naive}), pl.DataFrame({"z": naive})]
    groups["local"] = [Frame({"z": pd.Series(naive).dt.tz_localize("Europe/Paris")})]
    return groups


@case()
def nested_in_every_container() -> Groups:
    """Lists and structs, as Python objects, as Arrow's, and as Polars'."""
    lists: list[Any] = [[1, 2], None, [], [None]]
    structs: list[Any] = [{"a": 1, "b": "x"}, None, {"a": None, "b": ""}]
    return {
        "lists": [
            pa.table({"n": pa.array(lists, pa.list_(pa.int64()))}),
            pa.table({"n": pa.array(lists, pa.large_list(pa.int64()))}),
            column(*lists).rename(columns={"c": "n"}),
            Frame({"n": arrow_backed(lists, pa.list_(pa.int64()))}),
            pl.DataFrame({"n": lists}),
        ],
        "structs": [
            pa.table({"n": structs}),
            column(*structs).rename(columns={"c": "n"}),
        ],
        "arrays": [
            pa.table({"n": pa.array([[1, 2], [3, 4]], pa.list_(pa.int64(), 2))}),
            pl.DataFrame({"n": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int64, 2))}),
        ],
    }


@case(needs={"polars": 2, "pyarrow": 18})
def what_the_oldest_versions_lose_themselves() -> Groups:
    """Polars 1.0 makes a struct of nulls of a null, and pyarrow 14 cannot read its files."""
    here = place()
    structs: list[Any] = [{"a": 4, "b": "x"}, None, {"a": None, "b": ""}]
    table = pa.table({"n": structs})
    pl.from_arrow(table).write_ipc(here / "polars.arrow")
    return agree(table, pl.from_arrow(table), Table(here / "polars.arrow"))


@case()
def decimals_and_dates_in_every_container() -> Groups:
    """Of Python's objects, of Arrow and of Polars."""
    money = [decimal.Decimal("1.50"), None, decimal.Decimal("-2.25")]
    days = [dt.date(2020, 2, 29), None]
    return {
        "decimals": [
            pa.table({"p": pa.array(money, pa.decimal128(3, 2))}),
            column(*money).rename(columns={"c": "p"}),
            Frame({"p": arrow_backed(money, pa.decimal128(3, 2))}),
            pl.from_arrow(pa.table({"p": pa.array(money, pa.decimal128(3, 2))})),
        ],
        "dates": [
            pa.table({"p": days}),
            column(*days).rename(columns={"c": "p"}),
            pl.DataFrame({"p": days}),
        ],
    }


@case()
def results_of_duckdb() -> Groups:
    """What a query gives has the id of the table it is."""
    query = "select * from (values (1::bigint, 'a'), (2, null)) t(n, s) order by n"
    relation = CONNECTION.sql(query)
    return {
        "both": [from_duckdb(relation), pa.table({"n": [1, 2], "s": ["a", None]}), relation.pl()],
        "int32": [from_duckdb(CONNECTION.sql(query.replace("bigint", "integer")))],
        "other rows": [from_duckdb(CONNECTION.sql(query + " desc"))],
    }


# --- columns and series of pandas -----------------------------------------------------------------


@case()
def a_series_and_its_frame() -> Groups:
    """A series is the frame of its one column; without a name it is called 0."""
    series = pd.Series([91, 92], name="a")
    return {
        "named": [series, series.to_frame(), pl.Series("a", [91, 92]), pa.table({"a": [91, 92]})],
        "unnamed": [
            pd.Series([91, 92]), pd.Series([91, 92]).to_frame(), pa.array([91, 92]),
            pa.chunked_array([[91], [92]]), pd.Index([91, 92]), pa.table({"0": [91, 92]}),
        ],
        "indexed": [pd.Series([91, 92], index=["x", "y"], name="a")],
    }  # fmt: skip


@case()
def columns_of_one_label() -> Groups:
    """Two columns called alike are told apart by place."""
    return {
        "ab": [
            Frame([[93, 94]], columns=["d", "d"]),
            pa.Table.from_arrays([pa.array([93]), pa.array([94])], ["d", "d"]),
        ],
        "ba": [Frame([[94, 93]], columns=["d", "d"])],
        "aa": [Frame([[93, 93]], columns=["d", "d"])],
    }


@case()
def labels_that_are_no_text() -> Groups:
    """A label is the text that Parquet has for it: the frame and the file have one id."""
    # pyarrow warns of labels that are no text.
    groups: dict[str, list[Any]] = {}
    for label in (1, 2.5, True, None, ("a", 1), pd.Timestamp("2020"), dt.date(2020, 1, 1)):
        columns = (
            pd.MultiIndex.from_tuples([label])
            if isinstance(label, tuple)
            else pd.Index([label], dtype=object)
        )
        frame = Frame([[95]], columns=columns)
        groups[repr(label)] = [frame, pa.Table.from_pandas(frame)]
    return groups


@case()
def labels_of_levels() -> Groups:
    """The parts of a label keep their boundary."""
    pairs = [("ab", "c"), ("a", "bc"), ("abc", ""), ("a', 'b", "c"), ("a", "b', 'c")]
    return differ(
        *(Frame([[96]], columns=pd.MultiIndex.from_tuples([pair])) for pair in pairs),
        Frame([[96]], columns=["abc"]),
    )


@case()
def categories_and_their_order() -> Groups:
    """Codes, order and unused categories are storage; the values in the rows are content."""

    def make(codes: list[int], categories: list[str], ordered: bool = False) -> pd.DataFrame:
        return Frame({"k": pd.Categorical.from_codes(codes, categories, ordered)})

    return {
        "pqp": [
            make([0, 1, 0], ["p", "q"]), make([1, 0, 1], ["q", "p"]),
            make([0, 1, 0], ["p", "q", "r"]), make([0, 1, 0], ["p", "q"], True),
            Frame({"k": ["p", "q", "p"]}),
        ],
        "qpq": [make([1, 0, 1], ["p", "q"]), make([0, 1, 0], ["q", "p"])],
        "gap": [make([0, -1, 0], ["p", "q"]), Frame({"k": ["p", None, "p"]})],
        "renamed": [make([0, 1, 0], ["p", "x"])],
    }  # fmt: skip


@case()
def rows_cut_out_and_put_back() -> Groups:
    """Slices, masks, shuffles that are undone: the rows are what they are."""
    frame = Frame(
        {"a": range(200, 210), "b": np.linspace(0, 1, 10), "s": [f"s{i}" for i in range(10)]}
    )
    shuffled = frame.iloc[[3, 1, 4, 0, 5, 9, 2, 6, 8, 7]]
    return {
        "all": [
            frame, shuffled.sort_index().set_axis(pd.RangeIndex(10)),
            pd.concat([frame[:4], frame[4:]]).reset_index(drop=True),
            frame[frame["a"] > 0], frame.copy(deep=True), frame.T.T.astype(dict(frame.dtypes)),
        ],
        "even": [
            frame[::2].reset_index(drop=True), frame.iloc[0:10:2].copy().reset_index(drop=True),
            pl.from_pandas(frame)[::2],
        ],
        "reversed": [frame[::-1].reset_index(drop=True), pl.from_pandas(frame).reverse()],
        "shuffled": [shuffled.reset_index(drop=True)],
        "one less": [frame[:-1]],
        "one more": [pd.concat([frame, frame[-1:]]).reset_index(drop=True)],
    }  # fmt: skip


@case()
def a_matrix_and_its_transpose() -> Groups:
    """A frame over a matrix: strides are storage, the shape is content."""
    square = np.arange(9.0).reshape(3, 3) + 300
    return {
        "square": [Frame(square), Frame(np.asfortranarray(square)), Frame(square.tolist())],
        "transposed": [Frame(square.T), Frame(square).T, Frame(np.ascontiguousarray(square.T))],
        "flat": [Frame(square.reshape(9, 1))],
    }


@case()
def frames_of_nothing() -> Groups:
    """Frames without rows, without columns, and without both."""
    return differ(
        Frame(index=pd.RangeIndex(3)), Frame(index=pd.RangeIndex(4)), Frame(index=["x", "y"]),
        Frame({"w": np.array([], "i8")}), Frame({"w": np.array([], "f8")}),
        Frame({"v": np.array([], "i8")}),
        Frame({"w": np.array([], "M8[ns]")}), Frame({"w": pd.Categorical([])}),
        Frame({"w": np.array([], "i8")}, index=pd.Index(np.array([], "i8"), name="k")),
    )  # fmt: skip


@case()
def complex_numbers() -> Groups:
    """Arrow has none, yet they have ids; a part with its sign is content."""
    cells = [1j, 2 + 1j, 2 - 1j, 1 + 0j, complex(1, -0.0), complex(-0.0, 1)]
    return differ(
        *(Frame({"z": np.array([x, 5j])}) for x in cells), Frame({"z": np.array([1j, 5j], "c8")})
    )


@case()
def intervals_and_their_ends() -> Groups:
    """Whether an end belongs to an interval is content."""
    return differ(
        *(
            Frame({"i": pd.arrays.IntervalArray.from_breaks([0, 1, 3], closed=c)})
            for c in ("left", "right", "both", "neither")
        ),
        Frame({"i": pd.arrays.IntervalArray.from_breaks([0.0, 1.0, 3.0])}),
        Frame({"i": pd.arrays.IntervalArray.from_tuples([(0, 1), (2, 3)])}),
    )


@case()
def sparse_columns() -> Groups:
    """A sparse column is what it stands for, whatever fills it."""
    return {
        "zeros": [
            Frame({"h": pd.arrays.SparseArray([0, 0, 1])}), Frame({"h": pd.arrays.SparseArray([0,
            0, 1], fill_value=1)}),
            Frame({"h": [0, 0, 1]}),
        ],
        "floats": [
            Frame({"h": pd.arrays.SparseArray([0.0, np.nan, 1.0])}), Frame({"h": [0.0, np.nan,
            1.0]}),
            Frame({"h": pd.arrays.SparseArray([0.0, np.nan, 1.0], fill_value=0.0)}),
        ],
        "other": [Frame({"h": pd.arrays.SparseArray([0, 1, 0])})],
    }  # fmt: skip


# --- the index ------------------------------------------------------------------------------------


@case()
def indexes_with_duplicates() -> Groups:
    """An index that is no range is content, with its order and its duplicates."""
    frames = [
        Frame({"x": [1, 2, 3]}, index=index)
        for index in ([0, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 2])
    ]
    return differ(
        *frames, frames[0].reset_index(drop=True), Frame({"x": [1, 2, 3]}, index=list("001"))
    )


@case()
def ranges_are_no_content() -> Groups:
    """A RangeIndex only counts, and Parquet keeps it beside the table."""
    return agree(
        Frame({"x": [4, 5, 6]}), Frame({"x": [4, 5, 6]}, index=pd.RangeIndex(5, 8)),
        Frame({"x": [4, 5, 6]}, index=pd.RangeIndex(3, name="r")), pa.table({"x": [4, 5, 6]}),
        Frame({"x": [4, 5, 6]}, index=pd.RangeIndex(0, -6, -2)),
    )  # fmt: skip


@case()
def an_index_and_its_columns() -> Groups:
    """The levels of an index are the columns after the others, as Parquet has them."""
    frame = Frame({"x": [7, 8]}, index=pd.Index(["p", "q"], name="k"))
    levels = pd.MultiIndex.from_tuples([(1, "p"), (2, "q")], names=["m", None])
    deep = Frame({"x": [7, 8]}, index=levels)
    here = place()
    frame.to_parquet(here / "frame.parquet")
    deep.to_parquet(here / "deep.parquet")
    return {
        "named": [
            frame, frame.reset_index()[["x", "k"]], pa.table({"x": [7, 8], "k": ["p", "q"]}),
            Table(here / "frame.parquet"), pd.read_parquet(here / "frame.parquet"),
        ],
        "first": [frame.reset_index()],
        "unnamed": [
            frame.rename_axis(None), pa.table({"x": [7, 8], "__index_level_0__": ["p", "q"]}),
        ],
        "levels": [
            deep, Table(here / "deep.parquet"), pd.read_parquet(here / "deep.parquet"),
            pa.table({"x": [7, 8], "m": [1, 2], "__index_level_1__": ["p", "q"]}),
        ],
        "levels swapped": [deep.swaplevel()],
        "other names": [deep.rename_axis(["m", "n"])],
    }  # fmt: skip


@case()
def an_index_of_levels_however_it_is_kept() -> Groups:
    """The order of a MultiIndex's levels and what they hold unused is storage."""
    index = pd.MultiIndex.from_product([["u", "v"], [1, 2]], names=["a", "b"])
    frame = Frame({"x": [11.0, 12.0, 13.0, 14.0]}, index=index)
    turned = pd.MultiIndex(
        levels=[["v", "u", "w"], [2, 1]], codes=[[1, 1, 0, 0], [1, 0, 1, 0]], names=["a", "b"]
    )
    return {
        "rows": [frame, frame.set_axis(turned), pd.concat([frame[:2], frame[2:]])],
        "half": [frame[:2], frame[:2].set_axis(index[:2].remove_unused_levels())],
        "sorted otherwise": [frame.sort_index(ascending=False)],
        "boundary": [
            frame.set_axis(pd.MultiIndex.from_product([["u", "v"], [2, 1]], names=["a", "b"]))
        ],
    }


@case()
def an_index_called_as_a_column() -> Groups:
    """Names of an index that are taken, and names that look like those of an unnamed one."""
    return differ(
        Frame({"a": [1, 2]}, index=pd.Index([7, 5], name="a")),
        Frame({"a": [1, 2]}, index=pd.Index([7, 5], name="b")),
        Frame({"a": [7, 5]}, index=pd.Index([1, 2], name="a")),
        Frame({"__index_level_0__": [1, 2]}, index=[7, 5]),
        Frame({"__index_level_1__": [1, 2]}, index=[7, 5]),
    )


# --- Polars ---------------------------------------------------------------------------------------


@case()
def types_of_polars() -> Groups:
    """The types of Polars, on the same numbers."""
    numbers = pl.Series("y", [1, 0, None])
    kinds: list[Any] = [
        pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64,
        pl.Float32,
        pl.Float64, pl.Boolean, pl.String, pl.Date, pl.Time, pl.Datetime("ms"), pl.Datetime("us"),
        pl.Datetime("ns"), pl.Datetime("us", "UTC"), pl.Duration("ms"), pl.Duration("us"),
        pl.Duration("ns"),
    ]  # fmt: skip
    return differ(*(numbers.cast(kind) for kind in kinds), numbers.cast(pl.String).cast(pl.Binary))


@case()
def frames_of_polars_after_work() -> Groups:
    """Filtered, sorted, joined, sliced, lazily or not: the rows that are left."""
    frame = pl.DataFrame({"q": list(range(400, 500)), "w": [f"w{i % 3}" for i in range(100)]})
    part = frame.filter(pl.col("q") < 410)
    return {
        "part": [
            part, frame[:10], frame.head(10), frame.lazy().filter(pl.col("q") < 410).collect(),
            part.reverse().reverse(), part.sample(10, shuffle=True, seed=1).sort("q"),
            part.clone(), part.rechunk(), pl.DataFrame(part.to_dicts()),
            pl.from_pandas(part.to_pandas()),
        ],
        "reversed": [part.reverse()],
        "columns": [part.select("w", "q")],
        "renamed": [part.rename({"q": "p"})],
    }  # fmt: skip


@case()
def strings_of_polars_of_any_length() -> Groups:
    """Polars keeps twelve bytes in place and the rest elsewhere."""
    words = ["x" * n for n in (0, 1, 11, 12, 13, 14, 200)]
    return {
        "words": [
            pl.DataFrame({"v": words}),
            pa.table({"v": words}),
            pl.DataFrame({"v": [*words, "y"]})[:-1],
        ],
        **{
            str(i): [pl.DataFrame({"v": [*words[:i], words[i] + "y", *words[i + 1 :]]})]
            for i in range(7)
        },
    }

"""Cases that other digests get wrong: each names which, and a test shows it with those at hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from zoo.cases import Groups, Table, agree, case, differ, major, parameters, place

Frame = pd.DataFrame


def objects(*cells: Any) -> Any:
    """A vector of Python objects, whatever they are."""
    made = np.empty(len(cells), object)
    for i, cell in enumerate(cells):
        made[i] = cell
    return made


def column(*cells: Any) -> pd.DataFrame:
    """A frame of one column of Python objects; pandas must not infer another type."""
    return Frame({"c": pd.Series(objects(*cells), dtype=object)})


# --- MLflow's digest of a data set ----------------------------------------------------------------


@case(fools=("mlflow",))
def edits_after_row_10_000() -> Groups:
    """MLflow hashes the first 10,000 rows only."""
    frames = [Frame({"a": np.arange(200_000), "s": "x"}) for _ in range(5)]
    for frame, row in zip(frames[1:], (10_000, 65_535, 65_536, 199_999), strict=True):
        frame.loc[row, "a"] = -1
    return differ(*frames)


@case(fools=("mlflow",))
def texts_after_row_10_000() -> Groups:
    """The same for text, at the borders of blocks."""
    rows = 70_000
    frames = []
    for row in (None, 10_000, 65_535, 65_536, rows - 1):
        words = ["x"] * rows
        if row is not None:
            words[row] = "y"
        frames.append(Frame({"s": words}))
    return differ(*frames)


@case(fools=("mlflow",))
def two_numbers_of_one_short_digest() -> Groups:
    """MLflow keeps 32 bits: these two were found among 150,000 in a second."""
    return differ(Frame({"a": [85_771]}), Frame({"a": [147_244]}))


@case(fools=("mlflow",))
def flipped_flags() -> Groups:
    """MLflow leaves bool columns out."""
    frames = []
    for row in (None, 0, 7, 8, 999):
        flags = np.zeros(1000, bool)
        if row is not None:
            flags[row] = True
        frames.append(Frame({"n": np.arange(1000), "b": flags}))
    return differ(*frames)


@case(fools=("mlflow",))
def moved_dates() -> Groups:
    """MLflow leaves datetime columns out."""
    days = np.array(["2020-01-01", "2020-01-02"], "M8[ns]")
    return differ(*(Frame({"n": [1, 2], "t": days + np.timedelta64(i, "ns")}) for i in range(3)))


@case(fools=("mlflow",))
def text_with_a_gap() -> Groups:
    """MLflow leaves out a whole column of text if one cell of it is missing."""
    return differ(
        Frame({"n": [1, 2, 3], "s": ["a", None, "b"]}),
        Frame({"n": [1, 2, 3], "s": ["x", None, "y"]}),
        Frame({"n": [1, 2, 3], "s": ["x", "a", "y"]}),
    )


@case(fools=("mlflow",))
def names_run_together() -> Groups:
    """MLflow joins the names of columns without a delimiter."""
    return differ(
        *(
            Frame([[5, 5]], columns=names)
            for names in (["ab", "c"], ["a", "bc"], ["abc", ""], ["", "abc"])
        )
    )


@case(fools=("mlflow", "hash_pandas_object"))
def categories_of_other_types() -> Groups:
    """What the categories are is content: text or numbers."""
    return differ(
        Frame({"g": pd.Categorical(["1", "2"])}),
        Frame({"g": pd.Categorical([1, 2])}),
        Frame({"g": pd.Categorical([1.0, 2.0])}),
        Frame({"g": pd.Categorical(np.array([1, 2], "M8[ns]"))}),
    )


# --- pandas.util.hash_pandas_object (under Hamilton, Great Expectations, Dask...) -----------------


@case(fools=("hash_pandas_object",))
def renamed_columns() -> Groups:
    """Hamilton and pandas hash the values of rows, and no names."""
    frame = Frame({"x": [1, 2], "y": [1, 3]})
    return differ(
        frame,
        frame.rename(columns={"x": "z"}),
        frame.rename(columns={"x": "y", "y": "x"}),
        frame[["y", "x"]],
    )


@case(fools=("hash_pandas_object",))
def widths_of_integers() -> Groups:
    """int32 and int64 hash alike in pandas, for each value is widened first."""
    kinds = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
    return differ(*(Frame({"w": np.array([1, 2], kind)}) for kind in kinds))


@case(fools=("hash_pandas_object",))
def flags_and_numbers() -> Groups:
    """True hashes as 1 in pandas."""
    flags = np.array([True, False, True])
    return differ(Frame({"f": flags}), *(Frame({"f": flags.astype(k)}) for k in ("u1", "i8", "f8")))


@case(fools=("hash_pandas_object",))
def dates_and_their_integers() -> Groups:
    """A datetime hashes as its integer, in any unit, with any zone, or as a duration."""
    numbers = np.array([10**9, 2 * 10**9], "i8")
    instants = pd.Series(numbers.view("M8[ns]"))
    return differ(
        Frame({"t": numbers}),
        Frame({"t": instants}),
        Frame({"t": numbers.view("M8[us]")}),
        Frame({"t": numbers.view("M8[ms]")}),
        Frame({"t": numbers.view("m8[ns]")}),
        Frame({"t": numbers.view("m8[us]")}),
        Frame({"t": instants.dt.tz_localize("UTC")}),
        Frame({"t": instants.dt.tz_localize("UTC").dt.tz_convert("Europe/Paris")}),
        Frame({"t": instants.dt.tz_localize("Europe/Paris")}),
    )


@case(fools=("hash_pandas_object",))
def floats_and_their_bits() -> Groups:
    """A float hashes as its bits, which are an integer too."""
    floats = np.array([1.0, 2.0])
    return differ(Frame({"f": floats}), Frame({"f": floats.view("i8")}), Frame({"f": floats + 0j}))


@case(fools=("hash_pandas_object",) if major("pandas") >= 3 else ())
def zero_and_its_sign() -> Groups:
    """0.0 and -0.0 hash alike in pandas 3; 1/x does not take them for one."""
    return differ(*(Frame({"z": np.array([x, 3.5])}) for x in (0.0, -0.0)))


@case(fools=("hash_pandas_object",))
def numbers_and_their_text_among_others() -> Groups:
    """Hamilton and pandas take `1` for `"1"`: mixed cells are hashed as text."""
    return differ(
        column(1, b"x", "y"), column("1", b"x", "y"), column("1", "b'x'", "y"), column(1, "x", "y"),
        column("1", "x", "y"), column(1.0, "x", "y"), column("1.0", "x", "y"),
    )  # fmt: skip


@case(fools=("hash_pandas_object",))
def text_and_bytes() -> Groups:
    """`"x"` and `b"x"` hash alike in pandas."""
    return differ(column("x", "q"), column(b"x", b"q"), column("x", b"q"), column(b"x", "q"))


@case(fools=("hash_pandas_object",))
def periods_of_other_lengths() -> Groups:
    """A period hashes as its ordinal: a day as a month."""
    return differ(
        *(Frame({"p": pd.PeriodIndex.from_ordinals([3, 4], freq=f)}) for f in ("D", "M", "W"))
        if hasattr(pd.PeriodIndex, "from_ordinals")
        else (
            Frame({"p": pd.PeriodIndex([pd.Period(ordinal=i, freq=f) for i in (3, 4)])})
            for f in ("D", "M", "W")
        )
    )


@case(fools=("sum of rows",))
def rows_in_another_order() -> Groups:
    """The sum of the hashes of rows, as is often advised, is the same in any order."""
    frame = Frame({"a": [11, 12, 13]})
    return differ(
        *(frame.iloc[order].reset_index(drop=True) for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]))
    )


# --- hashes of an array's memory ------------------------------------------------------------------


@case(fools=("tobytes",))
def shapes_of_one_memory() -> Groups:
    """`tobytes()` knows no shape."""
    line = np.arange(12, dtype="i8")
    shapes = [(12,), (1, 12), (12, 1), (2, 6), (6, 2), (3, 4), (4, 3), (2, 2, 3), (12, 1, 1)]
    return differ(*(line.reshape(shape) for shape in shapes))


@case(fools=("tobytes",))
def types_of_one_memory() -> Groups:
    """`tobytes()` knows no type: zeros are zeros in all of them."""
    zeros = np.zeros(16, "u1")
    kinds = ["u1", "i1", "?", "i2", "i4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]
    kinds += ["M8[s]", "M8[ns]", "m8[s]", "S4", "S8", "U1", "U2", "V8", "M8[2s]"]
    return differ(*(zeros.view(kind) for kind in kinds))


@case(fools=("tobytes",))
def strings_of_one_memory() -> Groups:
    """The boundaries of strings of fixed width are no bytes."""
    return differ(*(np.frombuffer(b"abcdef", kind) for kind in ("S1", "S2", "S3", "S6", "u1")))


@case(splits=("joblib", "pickle"))
def strides_and_byte_order() -> Groups:
    """joblib hashes how an array lies in memory."""
    array = np.arange(60, 66, dtype="i8").reshape(2, 3)
    spread = np.zeros((4, 6), "i8")
    spread[::2, ::2] = array
    read_only = array.copy()
    read_only.flags.writeable = False
    return agree(
        array,
        np.asfortranarray(array),
        spread[::2, ::2],
        array.astype(">i8"),
        array.T.copy().T,
        array[::-1].copy()[::-1],
        read_only,
    )


@case(splits=("tobytes",))
def texts_by_value_and_not_by_address() -> Groups:
    """An object array's memory holds pointers."""

    def make(word: str) -> Any:
        return objects("".join(["a", word]), 10**20 + 1, None, [1, word], (word, 2.5))

    return {"x": [make("x"), make("x")], "y": [make("y"), make("y")]}


@case(splits=("joblib", "pickle"))
def one_frame_put_together_otherwise() -> Groups:
    """joblib and pickle see how pandas keeps its columns in blocks."""
    whole = Frame({"a": [1, 2], "b": [3, 4], "c": [0.5, 1.5]})
    added = Frame({"a": [1, 2]})
    added["c"] = [0.5, 1.5]
    added.insert(1, "b", [3, 4])
    joined = pd.concat([whole[["a"]], whole[["b", "c"]]], axis=1)
    return agree(whole, added, joined, whole[::-1].iloc[::-1].reset_index(drop=True), whole.copy())


@case(splits=("joblib", "pickle"))
def every_nan_is_one() -> Groups:
    """NaNs differ in bits that no computation tells apart."""
    nan = np.array([np.nan, 1.0])
    negative = np.copysign(nan, [-1.0, 1.0])
    return {"array": [nan, negative, (nan.view("u8") | np.array([1, 0], "u8")).view("f8")]}


@case(splits=("pickle",))
def one_string_or_two_that_are_equal() -> Groups:
    """A pickle says which objects were one object."""
    first, second = "".join(["long", "er"]), "".join(["long", "er"])
    return {"list": [*parameters([first, first])["0"], *parameters([first, second])["0"]]}


@case(splits=("pickle",))
def sets_of_text() -> Groups:
    """The order of a set is that of its hashes, another in each process."""
    words = [f"word {i}" for i in range(50)]
    backwards = words[::-1]
    return {
        "set": [*parameters(set(words))["0"], *parameters(set(backwards))["0"]],
        "frozenset": parameters(frozenset(words))["0"],
        "list": parameters(words)["0"],
    }


@case(fools=("joblib",))
def dictionaries_in_their_order() -> Groups:
    """joblib sorts dictionaries; `agg` makes other columns of another order."""
    return parameters({"mean": "a", "sum": "b"}, {"sum": "b", "mean": "a"})


# --- DVC and others that hash the file ------------------------------------------------------------


@case(splits=("bytes of the file",))
def one_table_written_again() -> Groups:
    """DVC hashes the file's bytes: another compression, another writer, and it is new data."""
    here = place()
    table = pa.table({"n": list(range(100)), "s": [f"row {i % 7}" for i in range(100)]})
    options: list[dict[str, Any]] = [
        {"compression": "snappy"}, {"compression": "zstd"}, {"compression": "none"},
        {"use_dictionary": False}, {"row_group_size": 7}, {"version": "1.0"},
        {"data_page_size": 64}, {"write_statistics": False},
    ]  # fmt: skip
    for i, option in enumerate(options):
        pq.write_table(table, here / f"{i}.parquet", **option)
    table.to_pandas().to_parquet(here / "pandas.parquet")
    pl.from_arrow(table).write_parquet(here / "polars.parquet")
    pa.feather.write_feather(table, str(here / "table.feather"))
    with pa.ipc.new_file(here / "table.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=9)
    return agree(table, *(Table(path) for path in sorted(here.iterdir())))


@case(splits=("bytes of the file",))
def metadata_of_a_file() -> Groups:
    """What a file says of itself is not its table."""
    here = place()
    table = pa.table({"n": [101, 102]})
    for i, metadata in enumerate([{}, {"author": "a"}, {"author": "b", "written": "today"}]):
        pq.write_table(table.replace_schema_metadata(metadata), here / f"{i}.parquet")
    return agree(table, *(Table(path) for path in sorted(here.iterdir())))


@case(fools=("CSV",))
def what_a_csv_cannot_say() -> Groups:
    """A digest of the CSV takes a number for its text, and a missing cell for an empty one."""
    return differ(
        Frame({"v": [21, 22]}),
        Frame({"v": ["21", "22"]}),
        Frame({"v": pd.array([21, 22], dtype="Int8")}),
        Frame({"v": column("a", None)["c"]}),
        Frame({"v": column("a", "")["c"]}),
    )


@case(fools=("Table.equals",), splits=("Table.equals",))
def what_equals_says() -> Groups:
    """Arrow's `equals` takes 0.0 for -0.0, and a NaN for another than itself."""

    def one(*cells: float) -> pa.Table:
        return pa.table({"e": cells})

    nan = float("nan")
    return {"0": [one(0.0)], "-0": [one(-0.0)], "nan": [one(nan, 1.0), one(nan, 1.0)]}

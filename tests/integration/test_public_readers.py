"""Every public reader and writer of a library is recorded, or its oddities name it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.feather
import pyarrow.ipc
import pyarrow.json
import pyarrow.orc
import pyarrow.parquet
import pytest
import strangers
from pandas.io.formats.style import Styler
from support import Spans

LIBRARIES = json.loads(
    (Path(strangers.__file__).parents[2] / "otelprov" / "libraries.json").read_text()
)
NAMES = r"(?:read|scan|write|sink|save|load|open|new|serialize|deserialize|dump|to|from|fetch)_?"
NO_DATA = {
    # Conversions of values, of plans and of schemas; what has no data; deprecated names of these.
    "pandas": "to_datetime to_numeric to_timedelta open from_custom_template",
    "polars": "from_epoch to_init_repr to_physical to_series to_struct from_lazyframe_resolver",
    "pyarrow": "from_paths scan_contents writer writer_version open write_to_file write_batches",
    "numpy": "from_dlpack frombuffer fromfunction fromiter frompyfunc fromstring",
    "duckdb": "load_extension tokenize",
}
"""What is named like a reader or writer and is none."""
PLACES: dict[str, list[Any]] = {
    "pandas": [pd, pd.DataFrame, pd.Series, pd.HDFStore, pd.ExcelFile, pd.ExcelWriter, Styler],
    "polars": [pl, pl.DataFrame, pl.Series, pl.LazyFrame, pl.SQLContext],
    "pyarrow": [
        *(pa.csv, pa.dataset, pa.feather, pa.ipc, pa.json, pa.orc, pa.parquet),
        *(pa.orc.ORCFile, pa.orc.ORCWriter, pa.feather.FeatherDataset),
        *(pa.parquet.ParquetFile, pa.parquet.ParquetDataset, pa.parquet.ParquetWriter),
        *(pa.dataset.Dataset, pa.dataset.Fragment),
    ],
    "numpy": [np],
    "duckdb": [duckdb, duckdb.DuckDBPyConnection, duckdb.DuckDBPyRelation],
}


def readers_and_writers(place: Any) -> set[str]:
    own = {
        name
        for name in dir(place)
        if re.match(rf"{NAMES}", name)
        and not isinstance(inspect.getattr_static(place, name), (property, type))
        and callable(getattr(place, name))
    }
    if isinstance(place, type):
        return own | (
            {"put", "append", "append_to_multiple", "copy", "__setitem__"} & {*dir(place)}
        )
    return own | {name for name in ("genfromtxt", "memmap") if hasattr(place, name)}


@pytest.mark.parametrize("library", PLACES)
def test_every_public_reader_and_writer_is_recorded_or_named(library: str, spans: Spans) -> None:
    told = " ".join(LIBRARIES[library]["oddities"])
    passed_over = []
    for place in PLACES[library]:
        for name in readers_and_writers(place):
            found = inspect.getattr_static(place, name)
            found = getattr(found, "__func__", found)
            found = getattr(found, "_implementation", found)  # NumPy's dispatcher
            code = getattr(found, "__code__", None)
            recorded = (code is not None and "otelprov" in code.co_filename) or (
                "otelprov" in type(found).__module__
            )
            if not recorded and not re.search(rf"\b{re.escape(name)}\b", told):
                passed_over.append(f"{getattr(place, '__name__', place)}.{name}")
    none = set(NO_DATA[library].split())
    assert [one for one in passed_over if one.rpartition(".")[2] not in none] == []


# --- what was passed over ------------------------------------------------------------------------


@pytest.fixture
def frame(tmp_path: Path, spans: Spans) -> pd.DataFrame:
    (tmp_path / "raw.csv").write_text("a,b\n1,x\n2,y\n")
    return pd.read_csv(tmp_path / "raw.csv")


def wrote(spans: Spans, name: str, path: Path, maker: str = "pandas.read_csv") -> None:
    """The operation has written the file, of what another has made."""
    span, made = spans.one(name), spans.one(maker)
    assert made.generated_ids & span.used_ids, span.used
    assert path.resolve().as_uri() in {one.get("otelprov.artifact.uri") for one in span.generated}


STYLED: dict[str, Callable[[Any, Path], object]] = {
    "to_html": lambda style, path: style.to_html(path),
    "to_latex": lambda style, path: style.to_latex(buf=str(path)),
    "to_string": lambda style, path: style.to_string(path),
    "to_excel": lambda style, path: style.to_excel(path),
}


@pytest.mark.parametrize("name", STYLED)
def test_what_a_styler_writes_is_its_frame(
    name: str, spans: Spans, frame: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / f"styled.{'xlsx' if name == 'to_excel' else 'txt'}"
    STYLED[name](frame.style.map(lambda _: "color: red").format(precision=1), path)
    wrote(spans, f"pandas.Styler.{name}", path)
    assert spans.names().count("pandas.to_excel") == 0


def test_a_styler_in_an_open_workbook_is_written_with_it(
    spans: Spans, frame: pd.DataFrame, tmp_path: Path
) -> None:
    with pd.ExcelWriter(tmp_path / "book.xlsx") as book:
        frame.style.to_excel(book, sheet_name="one")
    wrote(spans, "pandas.ExcelWriter.close", tmp_path / "book.xlsx", "pandas.Styler.to_excel")


def test_to_pickle_as_a_function_is_a_write(
    spans: Spans, frame: pd.DataFrame, tmp_path: Path
) -> None:
    pd.to_pickle(frame, tmp_path / "a.pickle")
    wrote(spans, "pandas.to_pickle", tmp_path / "a.pickle")


def test_what_is_put_into_a_store_is_written_with_it(
    spans: Spans, frame: pd.DataFrame, tmp_path: Path
) -> None:
    pytest.importorskip("tables")
    with pd.HDFStore(tmp_path / "a.h5") as store:
        store.put("one", frame)
        store["two"] = frame
        store.append("three", frame)
    for name in ("put", "setitem", "append"):
        put = spans.one(f"pandas.HDFStore.{name}")
        assert spans.one("pandas.read_csv").generated_ids <= put.used_ids
    closed = spans.one("pandas.HDFStore.close")
    for name in ("put", "setitem", "append"):
        assert spans.one(f"pandas.HDFStore.{name}").generated_ids & closed.used_ids
    assert [one["otelprov.artifact.name"] for one in closed.generated] == ["a.h5"]


def test_orc_files_that_are_open_are_read_and_written(spans: Spans, tmp_path: Path) -> None:
    table = pa.csv.read_csv(_csv(tmp_path))
    path = tmp_path / "a.orc"
    with pa.orc.ORCWriter(str(path)) as writer:
        writer.write(table)
    wrote(spans, "pyarrow.ORCWriter.close", path, "pyarrow.ORCWriter.write")
    assert (
        spans.one("pyarrow.csv.read_csv").generated_ids
        == spans.one("pyarrow.ORCWriter.write").used_ids
    )
    again = pa.orc.ORCFile(path).read()
    assert again.equals(table)
    opened, read = spans.one("pyarrow.ORCFile"), spans.one("pyarrow.ORCFile.read")
    assert opened.used_ids == {
        one["otelprov.generated.id"] for one in spans.one("pyarrow.ORCWriter.close").generated
    }
    assert read.used_ids == opened.generated_ids
    assert read.generated_ids == spans.one("pyarrow.csv.read_csv").generated_ids


def test_feather_files_of_one_table_are_read(spans: Spans, tmp_path: Path) -> None:
    table = pa.csv.read_csv(_csv(tmp_path))
    for name in "ab":
        pa.feather.write_feather(table, tmp_path / f"{name}.feather")
    paths = [str(tmp_path / f"{name}.feather") for name in "ab"]
    assert pa.feather.FeatherDataset(paths).read_table().num_rows == 4
    read = spans.one("pyarrow.FeatherDataset.read_table")
    assert {one["otelprov.artifact.name"] for one in read.used} == {"a.feather", "b.feather"}


def test_a_frame_that_duckdb_writes_as_csv_is_what_was_written(
    spans: Spans, frame: pd.DataFrame, tmp_path: Path
) -> None:
    duckdb.write_csv(frame, str(tmp_path / "a.csv"))
    wrote(spans, "duckdb.write_csv", tmp_path / "a.csv")


@pytest.mark.skipif(not hasattr(pd.DataFrame, "from_arrow"), reason="a method of pandas 3")
def test_a_frame_that_pandas_takes_from_arrow_is_the_same_table(
    spans: Spans, tmp_path: Path
) -> None:
    table = pa.csv.read_csv(_csv(tmp_path))
    pd.DataFrame.from_arrow(table)
    taken = spans.one("pandas.from_arrow")
    assert taken.used_ids == spans.one("pyarrow.csv.read_csv").generated_ids
    assert taken.generated


def _csv(directory: Path) -> Path:
    (directory / "raw.csv").write_text("a,b\n1,2.5\n2,3.5\n")
    return directory / "raw.csv"

"""Every reader and writer, on real files: the file and the table, on both sides."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.feather
import pyarrow.json
import pyarrow.orc
import pyarrow.parquet as pq
import pytest
import support
from support import Spans

import otelprov
from otelprov.artifacts import carrier

TABLE = {"n": [1, 2, 3], "x": [0.5, 1.5, 2.5], "s": ["a", "b", "c"]}

PANDAS: dict[str, tuple[Any, Any]] = {
    "csv": (lambda d, p: d.to_csv(p, index=False), lambda p: pd.read_csv(p)),
    "tsv": (lambda d, p: d.to_csv(p, index=False, sep="\t"), lambda p: pd.read_table(p)),
    "json": (lambda d, p: d.to_json(p, orient="records"), lambda p: pd.read_json(p)),
    "jsonl": (
        lambda d, p: d.to_json(p, orient="records", lines=True),
        lambda p: pd.read_json(p, lines=True),
    ),
    "xlsx": (lambda d, p: d.to_excel(p, index=False), lambda p: pd.read_excel(p)),
    "html": (lambda d, p: d.to_html(p, index=False), lambda p: pd.read_html(p)[0]),
    "xml": (lambda d, p: d.to_xml(p, index=False), lambda p: pd.read_xml(p)),
    "parquet": (lambda d, p: d.to_parquet(p), lambda p: pd.read_parquet(p)),
    "feather": (lambda d, p: d.to_feather(p), lambda p: pd.read_feather(p)),
    "orc": (lambda d, p: d.to_orc(p), lambda p: pd.read_orc(p)),
    "pickle": (lambda d, p: d.to_pickle(p), lambda p: pd.read_pickle(p)),
    "dta": (lambda d, p: d.to_stata(p, write_index=False), lambda p: pd.read_stata(p)),
    "h5": (lambda d, p: d.to_hdf(p, key="t"), lambda p: pd.read_hdf(p)),
    "csv.gz": (lambda d, p: d.to_csv(p, index=False), lambda p: pd.read_csv(p)),
    "txt": (lambda d, p: d.to_string(p, index=False), lambda p: pd.read_fwf(p)),
}


@pytest.mark.parametrize("extension", PANDAS)
def test_pandas_writes_what_pandas_reads(spans: Spans, tmp_path: Path, extension: str) -> None:
    if extension == "h5":
        pytest.importorskip("tables")
    write, read = PANDAS[extension]
    table = pd.DataFrame(TABLE)
    content = otelprov.artifact(table).id
    path = tmp_path / f"t.{extension}"
    write(table, path)
    again = read(path)
    written, was_read = spans.all()
    file = otelprov.artifact(path)
    assert file.id in written.generated_ids
    assert written.used_ids == {content}
    assert was_read.used_ids == {file.id}
    assert was_read.generated_ids == {otelprov.artifact(again).id}
    assert written.attributes["otelprov.operation.kind"] == "write"
    assert was_read.used[0]["otelprov.artifact.uri"] == path.as_uri()
    assert written.generated[0]["otelprov.artifact.content_id"] == content
    if extension in ("parquet", "feather"):
        assert content in written.generated_ids
        assert otelprov.artifact(again).id == content


TEXTS = ["to_csv", "to_json", "to_html", "to_latex", "to_markdown", "to_string", "to_xml"]


@pytest.mark.parametrize("method", TEXTS)
def test_text_is_known_by_its_bytes(spans: Spans, tmp_path: Path, method: str) -> None:
    pytest.importorskip("jinja2" if method == "to_latex" else "pandas")
    pytest.importorskip("tabulate" if method == "to_markdown" else "pandas")
    text = getattr(pd.DataFrame(TABLE), method)()
    (tmp_path / "text").write_text(text)
    assert spans.one(f"pandas.{method}").generated_ids == {otelprov.artifact(tmp_path / "text").id}


@pytest.mark.parametrize(
    "method", ["to_dict", "to_numpy", "to_records", "to_period", "to_timestamp"]
)
def test_conversions_of_frames_are_operations(spans: Spans, method: str) -> None:
    table = pd.DataFrame({"a": [1]}, index=pd.DatetimeIndex(["2024-01-01"], freq="D"))
    if method == "to_timestamp":
        table = table.to_period()
        spans.clear()
    getattr(table, method)()
    span = spans.one(f"pandas.{method}")
    assert span.used_ids == {otelprov.artifact(table).id}
    assert len(span.generated_ids) == 1


@pytest.mark.parametrize(
    "method", ["to_frame", "to_list", "to_dict", "to_numpy", "to_csv", "to_json"]
)
def test_conversions_of_series_are_operations(spans: Spans, method: str) -> None:
    series = pd.Series([1, 2], name="a")
    getattr(series, method)()
    assert spans.one(f"pandas.{method}").used_ids == {otelprov.artifact(series).id}


def test_every_reader_and_writer_of_this_pandas_is_in_the_table() -> None:
    from otelprov.instrumentation.pandas import table

    entries = {entry.path for entry in table()}
    readers = {name for name in dir(pd) if name.startswith("read_")}
    assert readers <= entries
    for owner in (pd.DataFrame, pd.Series):
        writers = {
            name for name in dir(owner) if name.startswith("to_") and not name.startswith("to_gbq")
        }
        assert {f"{owner.__name__}.{name}" for name in writers} <= entries


def _arrow() -> pa.Table:
    return pa.table(TABLE)


# Functions of the modules are looked up when they are called: the patch comes first.
ARROW: dict[str, tuple[str, str, Any, Any]] = {
    "parquet": (
        "parquet.write_table",
        "parquet.read_table",
        lambda t, p: pq.write_table(t, p),
        lambda p: pq.read_table(p),
    ),
    "csv": (
        "csv.write_csv",
        "csv.read_csv",
        lambda t, p: pyarrow.csv.write_csv(t, p),
        lambda p: pyarrow.csv.read_csv(p),
    ),
    "feather": (
        "feather.write_feather",
        "feather.read_table",
        lambda t, p: pyarrow.feather.write_feather(t, p),
        lambda p: pyarrow.feather.read_table(p),
    ),
    "orc": (
        "orc.write_table",
        "orc.read_table",
        lambda t, p: pyarrow.orc.write_table(t, p),
        lambda p: pyarrow.orc.read_table(p),
    ),
}


@pytest.mark.parametrize("extension", ARROW)
def test_pyarrow_writes_what_pyarrow_reads(spans: Spans, tmp_path: Path, extension: str) -> None:
    writes, reads, write, read = ARROW[extension]
    table = _arrow()
    path = str(tmp_path / f"t.{extension}")
    write(table, path)
    again = read(path)
    file = otelprov.artifact(path).id
    assert spans.names() == [f"pyarrow.{writes}", f"pyarrow.{reads}"]
    written, was_read = spans.all()
    assert written.used_ids == {otelprov.artifact(table).id}
    assert file in written.generated_ids
    assert was_read.used_ids == {file}
    assert was_read.generated_ids == {otelprov.artifact(again).id}
    assert otelprov.artifact(again).id == otelprov.artifact(table).id
    assert again.equals(table)


def test_pyarrow_reads_json_and_data_sets(spans: Spans, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"a": 1}\n{"a": 2}\n')
    pyarrow.json.read_json(tmp_path / "t.json")
    assert spans.one("pyarrow.json.read_json").used_ids == {
        otelprov.artifact(tmp_path / "t.json").id
    }
    pyarrow.dataset.write_dataset(_arrow(), tmp_path / "set", format="parquet", partitioning=["s"])
    directory = otelprov.artifact(tmp_path / "set")
    assert directory.kind == "directory"
    assert directory.id in spans.one("pyarrow.dataset.write_dataset").generated_ids
    source = pyarrow.dataset.dataset(tmp_path / "set", partitioning=["s"])
    opened = spans.one("pyarrow.dataset.dataset")
    parts = {otelprov.artifact(part).id for part in (tmp_path / "set").rglob("*.parquet")}
    assert opened.used_ids == {directory.id, *parts}
    assert opened.generated_ids == {otelprov.artifact(source).id}
    pyarrow.dataset.write_dataset(source, tmp_path / "copy", format="parquet")
    assert spans.all()[-1].used_ids == opened.generated_ids


def test_tables_keep_their_story_between_pandas_and_pyarrow(spans: Spans, tmp_path: Path) -> None:
    (tmp_path / "raw.csv").write_text("n,s\n1,a\n2,b\n")
    frame = pd.read_csv(tmp_path / "raw.csv").assign(y=1)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    names_of = pa.table({"s": pa.array(["a", "b"], table.schema.field("s").type), "z": [7, 8]})
    joined = table.join(names_of, "s")
    few = joined.filter(pa.compute.field("z") > 7).to_pandas()
    few.to_parquet(tmp_path / "few.parquet")
    roots, names = support.upstream(spans.all(), otelprov.artifact(tmp_path / "few.parquet").id)
    assert roots == {
        otelprov.artifact(tmp_path / "raw.csv").id,
        otelprov.artifact(names_of).id,
    }
    assert names == {
        "pandas.read_csv",
        "pandas.assign",
        "pyarrow.Table.from_pandas",
        "pyarrow.Table.join",
        "pyarrow.Table.filter",
        "pyarrow.Table.to_pandas",
        "pandas.to_parquet",
    }


def test_a_parquet_file_and_its_reader_and_writer_objects(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "parts.parquet"
    table = _arrow()
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.write_table(table)
    closed = spans.one("pyarrow.ParquetWriter.close")
    assert closed.generated_ids == {otelprov.artifact(path).id}
    roots, _ = support.upstream(spans.all(), otelprov.artifact(path).id)
    assert roots == {otelprov.artifact(table).id}
    spans.clear()
    file = pq.ParquetFile(path)
    first = next(iter(file.iter_batches(2))).to_pandas()
    assert first["n"].tolist() == [1, 2]
    batches = [pa.Table.from_batches([batch]) for batch in file.iter_batches(2)]
    assert len(batches) == 3
    converted = next(span for span in spans.all() if span.name == "pyarrow.RecordBatch.to_pandas")
    assert converted.used_ids == spans.all()[0].generated_ids
    spans.clear()
    whole = pq.ParquetFile(path).read()
    assert spans.names() == ["pyarrow.ParquetFile", "pyarrow.ParquetFile.read"]
    assert spans.all()[0].used_ids == {otelprov.artifact(path).id}
    assert spans.all()[1].generated_ids == {otelprov.artifact(whole).id}


@pytest.mark.parametrize(
    "write", ["parquet", "feather", "arrow table", "feather table", "partitioned"]
)
def test_written_files_carry_their_id_and_their_span(
    spans: Spans, tmp_path: Path, write: str
) -> None:
    frame = pd.DataFrame(TABLE)
    path = tmp_path / "t"
    if write == "parquet":
        frame.to_parquet(path)
    elif write == "feather":
        frame.to_feather(path)
    elif write == "arrow table":
        pq.write_table(_arrow(), path)
    elif write == "feather table":
        pyarrow.feather.write_feather(_arrow(), path)
    else:
        frame.to_parquet(path, partition_cols=["s"])
        path = next(path.rglob("*.parquet"))
    (span,) = spans.all()
    found = carrier.read(path)
    assert found is not None
    assert (found.trace_id, found.span_id) == (span.trace_id, span.span_id)
    assert found.artifact_id == otelprov.artifact(frame).id
    # What the user reads is as it was.
    assert list(
        pd.read_parquet(path).columns if "feather" not in write else pd.read_feather(path)
    ) == [name for name in TABLE if not (write == "partitioned" and name == "s")]


def test_a_program_reads_the_metadata_that_it_wrote(spans: Spans, tmp_path: Path) -> None:
    table = _arrow().replace_schema_metadata({"mine": "kept"})
    for write, reads in (
        (pq.write_table, (pq.read_table, lambda p: pq.ParquetFile(p).read())),
        (pyarrow.feather.write_feather, (pyarrow.feather.read_table,)),
    ):
        write(table, str(tmp_path / "t"))
        for read in reads:
            assert read(str(tmp_path / "t")).schema.metadata == {b"mine": b"kept"}
    pq.write_table(_arrow(), tmp_path / "bare")
    assert pq.read_table(tmp_path / "bare").schema.metadata is None
    assert carrier.read(tmp_path / "bare") is not None


def test_a_csv_file_carries_its_id_beside_its_content(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame(TABLE).to_csv(path)
    found = carrier.read(path)
    if found is None:
        pytest.skip("this file system has no extended attributes")
    assert found.artifact_id == otelprov.artifact(path).id
    assert found.span_id == spans.all()[0].span_id
    path.write_text("something else")
    assert carrier.read(path) is None, "it tells of another content"


def test_nothing_is_carried_when_that_is_switched_off(tmp_path: Path) -> None:
    code = f"import pandas as pd; pd.DataFrame({{'a': [1]}}).to_parquet({str(tmp_path / 't')!r})"
    plain = tmp_path / "plain"
    pd.DataFrame({"a": [1]})
    support.instrumented(
        "-c", code, journal_directory=tmp_path / "journal", env={"OTELPROV_CARRIER": "off"}
    )
    assert carrier.read(tmp_path / "t") is None
    import subprocess
    import sys

    subprocess.run(
        [sys.executable, "-c", code.replace(str(tmp_path / "t"), str(plain))], check=True
    )
    assert plain.read_bytes() == (tmp_path / "t").read_bytes()


def test_a_place_that_is_no_path_is_not_taken_for_one(
    spans: Spans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Driver:  # a database that says nothing of itself
        def __init__(self, path: Path) -> None:
            self.inner = sqlite3.connect(path)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

    monkeypatch.chdir(tmp_path)
    with pytest.warns(UserWarning, match="SQLAlchemy"):
        pd.read_sql("select 1 as one", Driver(tmp_path / "a.db"))
    used = spans.one("pandas.read_sql").used[0]
    assert used["otelprov.artifact.kind"] == "resource"
    assert used["otelprov.artifact.uri"].startswith("database://")


def test_a_database_through_sqlalchemy_is_named_without_its_password(
    spans: Spans, tmp_path: Path
) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    frame = pd.DataFrame(TABLE)
    frame.to_sql("numbers", engine, index=False)
    pd.read_sql_table("numbers", engine)
    written = spans.one("pandas.to_sql")
    was_read = spans.one("pandas.read_sql_table")
    assert written.generated_ids == was_read.used_ids
    assert written.generated[0]["otelprov.artifact.coverage"] == "none"
    with sqlite3.connect(tmp_path / "a.db") as connection:
        assert connection.execute("select count(*) from numbers").fetchone() == (3,)

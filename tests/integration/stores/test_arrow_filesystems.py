"""pyarrow's own file systems: names in them are places, and files say themselves who wrote them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import edges
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.feather
import pyarrow.fs
import pyarrow.parquet
import pytest
import support
from pyarrow.fs import FSSpecHandler, LocalFileSystem, PyFileSystem, S3FileSystem, SubTreeFileSystem
from support import Spans

import otelprov

A = edges.name_id("s3://lake/a.parquet")


@pytest.fixture
def table() -> pa.Table:
    return pa.table({"k": [1, 2, 3], "v": [10, 20, 30]})


@pytest.fixture
def options(s3_environment: dict[str, str]) -> str:
    """What a URI of pyarrow's says of the server."""
    server = s3_environment["AWS_ENDPOINT_URL"].removeprefix("http://")
    return f"?endpoint_override={server}&scheme=http&region=us-east-1"


@pytest.fixture
def s3fs_of_arrow(s3_environment: dict[str, str]) -> S3FileSystem:
    server = s3_environment["AWS_ENDPOINT_URL"].removeprefix("http://")
    return S3FileSystem(endpoint_override=server, scheme="http", region="us-east-1")


def carrier_of(span: Any) -> str | None:
    (used,) = span.used
    found: str | None = used.get("otelprov.artifact.carrier")
    return found


def test_an_object_has_one_name_however_it_is_reached(
    spans: Spans, table: pa.Table, s3fs_of_arrow: S3FileSystem, options: str
) -> None:
    pa.parquet.write_table(table, "lake/a.parquet", filesystem=s3fs_of_arrow)
    writer = spans.one("pyarrow.parquet.write_table")
    assert A in writer.generated_ids
    spans.clear()

    uri = f"s3://lake/a.parquet{options}"
    below = SubTreeFileSystem("lake", s3fs_of_arrow)
    read = pa.parquet.read_table("lake/a.parquet", filesystem=s3fs_of_arrow)
    pa.parquet.read_table("a.parquet", filesystem=below)
    pa.parquet.read_table(uri)
    pa.parquet.read_pandas(uri)
    pa.dataset.dataset(uri)
    pa.dataset.dataset([uri.partition("?")[0].removeprefix("s3://")], filesystem=s3fs_of_arrow)
    pa.dataset.dataset("a.parquet", filesystem=below)
    for span in spans.all():
        assert span.used_ids == {A}, span.name
    assert read.schema.metadata is None
    pa.parquet.write_table(table, f"s3://lake/b.parquet{options}")
    (written,) = [span for span in spans.all() if span.name == "pyarrow.parquet.write_table"]
    assert edges.name_id("s3://lake/b.parquet") in written.generated_ids


def test_what_was_read_says_who_wrote_it(
    spans: Spans, table: pa.Table, s3fs_of_arrow: S3FileSystem, options: str
) -> None:
    pa.parquet.write_table(table, "lake/a.parquet", filesystem=s3fs_of_arrow)
    writer = spans.one("pyarrow.parquet.write_table")
    other = table.set_column(1, "v", pa.array([0, 0, 0]))
    pa.parquet.write_table(other, "lake/other.parquet", filesystem=s3fs_of_arrow)
    spans.clear()

    uri = f"s3://lake/a.parquet{options}"
    pa.parquet.read_table(uri)
    pa.parquet.read_table(uri, columns=["k"])
    frame = pd.read_parquet(uri)
    pa.dataset.dataset(uri)
    whole, part, pandas, dataset = spans.all()
    assert [carrier_of(span) for span in (whole, part, pandas, dataset)] == [
        "verified", "unverified", "verified", "unverified",
    ]  # fmt: skip
    for span in (whole, part, pandas, dataset):
        (link,) = span.links
        assert (link["traceId"], link["spanId"]) == (writer.trace_id, writer.span_id), span.name
    assert otelprov.artifact(frame).id == otelprov.artifact(table).id


def test_what_others_wrote_with_an_id_that_they_copied_is_stale(
    spans: Spans, table: pa.Table, s3fs_of_arrow: S3FileSystem, tmp_path: Path
) -> None:
    pa.parquet.write_table(table, tmp_path / "a.parquet")
    program = (
        "import pyarrow as pa, pyarrow.parquet as pq\n"
        "carried = pq.ParquetFile('a.parquet').schema_arrow.metadata\n"
        "pq.write_table(pa.table({'k': [9]}, metadata=carried), 'b.parquet')\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    with s3fs_of_arrow.open_output_stream("lake/a.parquet") as stream:
        stream.write((tmp_path / "b.parquet").read_bytes())
    spans.clear()
    pa.parquet.read_table("lake/a.parquet", filesystem=s3fs_of_arrow)
    (read,) = spans.all()
    assert carrier_of(read) == "stale" and not read.links


def test_feather_and_partitioned_data_sets(
    spans: Spans, table: pa.Table, s3fs_of_arrow: S3FileSystem
) -> None:
    pa.dataset.write_dataset(table, "lake/set", format="parquet", filesystem=s3fs_of_arrow)
    pa.parquet.write_to_dataset(table, "lake/parts", filesystem=s3fs_of_arrow)
    pa.parquet.read_table("lake/set", filesystem=s3fs_of_arrow)
    pa.parquet.read_table("lake/parts", filesystem=s3fs_of_arrow)
    first, second, one, two = spans.all()
    assert one.used_ids == {edges.name_id("s3://lake/set")} <= first.generated_ids
    assert two.used_ids == {edges.name_id("s3://lake/parts")} <= second.generated_ids
    assert otelprov.artifact(table).id in one.generated_ids & two.generated_ids


def test_a_local_file_system_reads_local_files(
    spans: Spans, table: pa.Table, tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    local = LocalFileSystem()
    pa.parquet.write_table(table, str(path), filesystem=local)
    pa.parquet.read_table(str(path), filesystem=local)
    pa.parquet.read_table("a.parquet", filesystem=SubTreeFileSystem(str(tmp_path), local))
    pa.parquet.read_table(path.as_uri())
    pa.dataset.dataset("a.parquet", filesystem=SubTreeFileSystem(str(tmp_path), local))
    write, *reads = spans.all()
    for span in reads:
        assert span.used_ids == {edges.file_id(path)}, span.name
        assert carrier_of(span) == "verified" or span.name == "pyarrow.dataset.dataset"
    assert edges.file_id(path) in write.generated_ids


def test_s3fs_inside_of_pyarrow_tells_versions(
    spans: Spans, table: pa.Table, s3: Any, s3_environment: dict[str, str]
) -> None:
    import s3fs

    inside = s3fs.S3FileSystem(client_kwargs={"endpoint_url": s3_environment["AWS_ENDPOINT_URL"]})
    system = PyFileSystem(FSSpecHandler(inside))
    pa.parquet.write_table(table, "lake/a.parquet", filesystem=system)
    pa.parquet.read_table("lake/a.parquet", filesystem=system)
    pa.parquet.read_table("lake/a.parquet", filesystem=inside)
    content = s3.get_object(Bucket="lake", Key="a.parquet")["Body"].read()
    version = edges.object_id("s3://lake/a.parquet", content)
    write, one, two = spans.all()[:3]
    assert version in write.generated_ids
    assert one.used_ids == two.used_ids == {version}
    assert carrier_of(one) == carrier_of(two) == "verified"


def test_pandas_and_polars_read_what_pyarrow_wrote(
    spans: Spans, table: pa.Table, s3fs_of_arrow: S3FileSystem, s3_environment: dict[str, str]
) -> None:
    pa.parquet.write_table(table, "lake/a.parquet", filesystem=s3fs_of_arrow)
    spans.clear()
    options = {
        "aws_endpoint_url": s3_environment["AWS_ENDPOINT_URL"],
        "aws_allow_http": "true",
        "aws_region": "us-east-1",
    }
    pd.read_parquet("lake/a.parquet", filesystem=s3fs_of_arrow).to_parquet(
        "lake/b.parquet", filesystem=s3fs_of_arrow
    )
    frame = pl.read_parquet("s3://lake/b.parquet", storage_options=options)
    frame.write_parquet("s3://lake/c.parquet", storage_options=options)
    pl.scan_parquet("s3://lake/c.parquet", storage_options=options).select("k").collect()
    same = otelprov.artifact(table).id
    b, c = edges.name_id("s3://lake/b.parquet"), edges.name_id("s3://lake/c.parquet")
    read, write, polars, wrote, lazy = spans.all()
    assert (read.used_ids, read.generated_ids) == ({A}, {same})
    assert (write.used_ids, write.generated_ids) == ({same}, {b, same})
    assert (polars.used_ids, polars.generated_ids) == ({b}, {same})
    assert (wrote.used_ids, wrote.generated_ids) == ({same}, {c, same})
    assert lazy.used_ids == {c}


def test_files_that_are_copied_between_file_systems(
    spans: Spans, s3fs_of_arrow: S3FileSystem, tmp_path: Path
) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    one, two = tmp_path / "in" / "one.txt", tmp_path / "in" / "deep" / "two.txt"
    one.write_text("1")
    two.write_text("22")
    local = LocalFileSystem()
    spans.clear()
    pa.fs.copy_files(str(one), "lake/one.txt", local, s3fs_of_arrow)
    pa.fs.copy_files("lake/one.txt", str(tmp_path / "back.txt"), s3fs_of_arrow, local)
    pa.fs.copy_files(str(tmp_path / "in"), "lake/in", local, s3fs_of_arrow)
    pa.fs.copy_files("lake/in/deep/two.txt", str(tmp_path / "two"), s3fs_of_arrow, local)
    pa.fs.copy_files(one.as_uri(), str(tmp_path / "copy.txt"), None, local)
    assert (tmp_path / "back.txt").read_text() == "1"
    directory = otelprov.artifact(tmp_path / "in").id
    names = {
        "one": edges.file_id(one),
        "two": edges.file_id(two),
        "in": directory,
        "s3-one": edges.name_id("s3://lake/one.txt"),
        "s3-in": edges.name_id("s3://lake/in"),
        "s3-in-one": edges.name_id("s3://lake/in/one.txt"),
        "s3-two": edges.name_id("s3://lake/in/deep/two.txt"),
    }
    assert edges.found(spans.all(), names) == edges.expected(
        """
        one        -> pyarrow.fs.copy_files -> one s3-one
        s3-one     -> pyarrow.fs.copy_files -> one
        in one two -> pyarrow.fs.copy_files -> s3-in s3-in-one s3-two one two
        s3-two     -> pyarrow.fs.copy_files -> two
        one        -> pyarrow.fs.copy_files -> one
        """
    )


def test_a_copy_that_fails_raises_as_before(
    spans: Spans, s3fs_of_arrow: S3FileSystem, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        pa.fs.copy_files("lake/none.txt", os.fspath(tmp_path / "x"), s3fs_of_arrow)
    assert not support.is_ours(raised)
    (span,) = spans.all()
    assert span.status["code"] == 2 and not span.generated

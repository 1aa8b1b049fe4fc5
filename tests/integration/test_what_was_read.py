"""Recording reads about as much as the operation did, and says what an id rests on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.feather as feather
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
from support import Recorded, Spans

import otelprov
from otelprov.artifacts import carrier, contents, files
from otelprov.recording import bounds
from otelprov.recording.run import run


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is big in these tests is 100 kB."""
    monkeypatch.setattr(bounds, "SMALL", 100_000)
    contents._cache.clear()
    yield
    contents._cache.clear()


@pytest.fixture
def digested(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the files that are digested while a test runs."""
    sizes: list[int] = []
    read = contents._read

    def counting(descriptor: int, status: os.stat_result) -> bytes:
        sizes.append(status.st_size)
        return read(descriptor, status)

    monkeypatch.setattr(contents, "_read", counting)
    return sizes


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    def limited(number: int | None) -> None:
        monkeypatch.setattr(run, "settings", run.settings._replace(digest_limit=number))

    return limited


@contextmanager
def unrecorded() -> Iterator[None]:
    before, run.active = run.active, False
    yield
    run.active = before


def settled(path: Path) -> Path:
    """Give files times that lie back, as files have that were not written just now."""
    for folder, _, names in os.walk(path):
        for name in names:
            os.utime(Path(folder, name), ns=(10**18 + 1, 10**18 + 1))
    if path.is_file():
        os.utime(path, ns=(10**18 + 1, 10**18 + 1))
    return path


def table(columns: int = 20, rows: int = 4_000) -> pa.Table:
    numbers = np.random.default_rng(0)
    return pa.table({f"c{i}": numbers.random(rows) for i in range(columns)})


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """640 kB, 32 kB a column, in four row groups of increasing ``c0``."""
    whole = table()
    path = tmp_path / "wide.parquet"
    with unrecorded():
        ordered = whole.set_column(0, "c0", pa.array(range(whole.num_rows)))
        pq.write_table(ordered, path, row_group_size=1000, use_dictionary=False, compression="none")
    return settled(path)


def source(span: Recorded) -> dict[str, Any]:
    (found,) = (used for used in span.used if "otelprov.artifact.uri" in used)
    return found


def rests_on(span: Recorded) -> str:
    return str(source(span)["otelprov.artifact.coverage"])


SELECTIONS: dict[str, Callable[[Path], Any]] = {
    "columns": lambda path: pd.read_parquet(path, columns=["c1", "c2"]),
    "filters": lambda path: pd.read_parquet(path, filters=[("c0", "<", 10)], columns=["c0", "c3"]),
    "filters that the footer can answer": lambda path: pq.read_table(
        path, filters=pa.compute.field("c0") < 0
    ),
    "columns of a table": lambda path: pq.read_table(path, columns=["c1"]),
    "a file that is only opened": lambda path: pq.ParquetFile(path),
    "a data set that is only opened": lambda path: ds.dataset(path),
}


@pytest.mark.parametrize("read", SELECTIONS.values(), ids=SELECTIONS)
def test_a_part_of_a_big_file_is_known_by_its_footer(
    spans: Spans, wide: Path, digested: list[int], read: Callable[[Path], Any]
) -> None:
    kept = read(wide)
    span = spans.all()[0]
    used = source(span)
    assert rests_on(span) == "footer"
    assert used["otelprov.used.id"].startswith("version:")
    assert used["otelprov.artifact.bytes"] == wide.stat().st_size
    assert used["otelprov.artifact.kind"] == "file"
    assert used["otelprov.artifact.reason"]
    assert digested == []
    del kept


@pytest.mark.parametrize(
    "read",
    [
        lambda path: pd.read_parquet(path),
        lambda path: pq.read_table(path),
        lambda path: pd.read_parquet(path, columns=[f"c{i}" for i in range(15)]),
        lambda path: pd.read_parquet(path, filters=[("c0", ">=", 0)]),
    ],
    ids=["pandas", "pyarrow", "most columns", "a filter that leaves all"],
)
def test_what_was_read_for_the_most_part_is_digested(
    spans: Spans, wide: Path, read: Callable[[Path], Any]
) -> None:
    read(wide)
    assert rests_on(spans.all()[0]) == "full"
    assert source(spans.all()[0])["otelprov.used.id"] == otelprov.artifact(wide).id


def test_a_digest_that_is_known_is_used_for_a_part_too(
    spans: Spans, wide: Path, digested: list[int]
) -> None:
    known = otelprov.artifact(wide).id
    assert digested == [wide.stat().st_size]
    pd.read_parquet(wide, columns=["c1"])
    assert source(spans.all()[0])["otelprov.used.id"] == known
    assert digested == [wide.stat().st_size]


@pytest.mark.parametrize("options", [{"nrows": 3}, {"chunksize": 10}, {"iterator": True}], ids=str)
def test_a_text_file_that_is_read_in_part_is_known_by_size_and_time(
    spans: Spans, tmp_path: Path, digested: list[int], options: dict[str, Any]
) -> None:
    path = tmp_path / "big.csv"
    table().to_pandas().to_csv(path)
    settled(path)
    spans.clear()
    digested.clear()
    kept = pd.read_csv(path, **options)
    assert rests_on(spans.one("pandas.read_csv")) == "status"
    assert digested == []
    getattr(kept, "close", lambda: None)()
    spans.clear()
    pd.read_csv(path)
    assert rests_on(spans.one("pandas.read_csv")) == "full"


def test_a_read_that_fails_does_not_read_the_file_after_all(
    spans: Spans, tmp_path: Path, digested: list[int]
) -> None:
    path = tmp_path / "big.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 50_000)
    settled(path)
    with pytest.raises(ValueError, match="unknown"):
        pd.read_csv(path, engine="unknown")
    span = spans.one("pandas.read_csv")
    assert rests_on(span) == "status"
    assert source(span)["otelprov.artifact.reason"] == "the operation failed"
    assert digested == []


def test_the_limit_cuts_and_what_it_cut_is_on_the_span(
    spans: Spans, wide: Path, digested: list[int], limit: Callable[[int | None], None]
) -> None:
    limit(500_000)
    pd.read_parquet(wide)
    span = spans.one("pandas.read_parquet")
    assert rests_on(span) == "footer"
    assert "500000 bytes" in source(span)["otelprov.artifact.reason"]
    assert span.attributes["otelprov.dropped.digest_bytes"] == wide.stat().st_size
    (made,) = span.generated
    assert made["otelprov.artifact.coverage"] == "full", "the table was read, and is known in full"
    assert digested == []
    spans.clear()
    limit(None)
    pd.read_parquet(wide)
    span = spans.one("pandas.read_parquet")
    assert rests_on(span) == "full"
    assert "otelprov.dropped.digest_bytes" not in span.attributes


def test_the_limit_is_for_all_files_of_an_operation(
    spans: Spans, tmp_path: Path, limit: Callable[[int | None], None]
) -> None:
    paths = []
    for name in ("a", "b", "c"):
        pq.write_table(table(columns=5), tmp_path / name)
        paths.append(str(settled(tmp_path / name)))
    size = Path(paths[0]).stat().st_size
    limit(2 * size + 10)
    spans.clear()
    pq.ParquetDataset(paths)
    pq.read_table(paths)
    opened, read = spans.all()
    assert sorted(used["otelprov.artifact.coverage"] for used in read.used) == [
        "footer",
        "full",
        "full",
    ]
    assert read.attributes["otelprov.dropped.digest_bytes"] == size
    assert {used["otelprov.artifact.coverage"] for used in opened.used} == {"footer"}


def test_who_reads_a_part_of_a_big_file_meets_who_wrote_it(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame(dict(enumerate(np.random.default_rng(0).random((20, 4_000)))))
    frame.columns = [f"c{i}" for i in frame.columns]
    spans.clear()
    frame.to_parquet(path)
    contents._cache.clear()  # as in another process
    pd.read_parquet(path, columns=["c1"])
    written, read = spans.all()
    assert source(read)["otelprov.used.id"].startswith("version:")
    assert read.used_ids <= written.generated_ids
    assert otelprov.artifact(path).id in written.generated_ids


def test_a_small_file_has_one_id(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"c0": [1], "c1": [2]}).to_parquet(path)
    pd.read_parquet(path, columns=["c1"])
    written, read = spans.all()
    assert read.used_ids == {otelprov.artifact(path).id} <= written.generated_ids
    assert not any(id_.startswith("version:") for id_ in written.generated_ids)


# --- directories ---------------------------------------------------------------------------------


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    root = tmp_path / "parts"
    root.mkdir()
    with unrecorded():
        for i in range(8):
            pq.write_table(table(columns=10), root / f"p{i}.parquet", use_dictionary=False)
    return settled(root)


def test_a_directory_is_known_by_the_footers_of_its_files(
    spans: Spans, parts: Path, digested: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pd.read_parquet(parts, columns=["c1"])
    assert rests_on(spans.one("pandas.read_parquet")) == "footer"
    assert digested == []
    spans.clear()
    monkeypatch.setattr(bounds, "MANY_FILES", 7)
    pd.read_parquet(parts, columns=["c1"])
    assert rests_on(spans.one("pandas.read_parquet")) == "status"
    assert digested == []
    spans.clear()
    pd.read_parquet(parts)
    assert rests_on(spans.one("pandas.read_parquet")) == "full"
    assert len(digested) == 8
    spans.clear()
    pd.read_parquet(parts, columns=["c1"])
    assert rests_on(spans.one("pandas.read_parquet")) == "full", "every digest is known by now"


def test_files_that_were_not_asked_who_made_them_are_counted(spans: Spans, tmp_path: Path) -> None:
    for i in range(20):
        pq.write_table(table(columns=1, rows=3), tmp_path / f"p{i:02}.parquet")
    spans.clear()
    pd.read_parquet(tmp_path)
    assert spans.one("pandas.read_parquet").attributes["otelprov.dropped.carriers"] == 4


def test_adding_to_a_big_directory_does_not_read_what_was_there(
    spans: Spans, parts: Path, digested: list[int]
) -> None:
    pq.write_to_dataset(table(columns=1, rows=10), parts)
    span = spans.one("pyarrow.parquet.write_to_dataset")
    (made,) = (one for one in span.generated if one["otelprov.artifact.kind"] == "directory")
    assert made["otelprov.artifact.coverage"] == "footer"
    assert made["otelprov.artifact.reason"] == "written to in part"
    added = max(parts.glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    assert digested == [added.stat().st_size]


# --- ids that travel -----------------------------------------------------------------------------


def state(span: Recorded) -> str | None:
    return source(span).get("otelprov.artifact.carrier")


# Functions of this module's own: the libraries' are patched after it is imported.
READERS: dict[str, Callable[[Path], Any]] = {
    "pandas": lambda path: pd.read_parquet(path),
    "pyarrow": lambda path: pq.read_table(path),
    "feather": lambda path: feather.read_table(path),
    "pandas feather": lambda path: pd.read_feather(path),
}


def written(path: Path, data: pa.Table, reader: str) -> None:
    write = feather.write_feather if "feather" in reader else pq.write_table
    write(data, str(path))


@pytest.mark.parametrize("reader", READERS)
def test_a_table_that_was_read_whole_verifies_what_the_file_says(
    spans: Spans, tmp_path: Path, reader: str
) -> None:
    path = tmp_path / "t"
    written(path, table(columns=3, rows=10), reader)
    READERS[reader](path)
    assert state(spans.all()[-1]) == "verified"


@pytest.mark.parametrize("reader", READERS)
def test_metadata_that_was_copied_to_another_table_is_stale_and_names_no_producer(
    spans: Spans, tmp_path: Path, reader: str
) -> None:
    path = tmp_path / "t"
    said = carrier.Carrier("table:" + "1" * 64, "2" * 32, "3" * 16)
    copied = table(columns=3, rows=10).replace_schema_metadata(carrier.arrow_metadata(said))
    with unrecorded():
        written(path, copied, reader)
    READERS[reader](path)
    span = spans.all()[-1]
    assert state(span) == "stale"
    assert span.links == []


def test_a_true_claim_of_another_trace_is_a_link(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "t"
    data = table(columns=3, rows=10)
    said = carrier.Carrier(otelprov.artifact(data).id, "2" * 32, "3" * 16)
    with unrecorded():
        pq.write_table(data.replace_schema_metadata(carrier.arrow_metadata(said)), path)
    pd.read_parquet(path)
    span = spans.all()[-1]
    assert state(span) == "verified"
    assert [(link["traceId"], link["spanId"]) for link in span.links] == [("2" * 32, "3" * 16)]


def test_what_a_file_says_is_not_verified_by_a_part_of_it(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "t"
    said = carrier.Carrier("table:" + "1" * 64, "2" * 32, "3" * 16)
    with unrecorded():
        pq.write_table(
            table(columns=3, rows=10).replace_schema_metadata(carrier.arrow_metadata(said)), path
        )
    pd.read_parquet(path, columns=["c0"])
    span = spans.all()[-1]
    assert state(span) == "unverified"
    assert len(span.links) == 1


def test_a_type_that_pandas_changes_does_not_make_a_claim_stale(
    spans: Spans, tmp_path: Path
) -> None:
    path = tmp_path / "t"
    pq.write_table(pa.table({"a": [1, None, 3]}), path)  # floats in pandas
    pd.read_parquet(path)
    written_span, read = spans.all()
    assert not written_span.generated_ids & read.generated_ids
    assert state(read) == "verified"


def test_one_file_of_a_partitioned_data_set_is_not_stale(spans: Spans, tmp_path: Path) -> None:
    frame = pd.DataFrame({"k": ["x", "y"], "v": [1, 2]})
    frame.to_parquet(tmp_path / "set", partition_cols=["k"])
    pd.read_parquet(next((tmp_path / "set").rglob("*.parquet")))
    assert state(spans.all()[-1]) == "unverified"
    pd.read_parquet(tmp_path / "set")
    whole, *parts = spans.all()[-1].used
    assert whole["otelprov.artifact.carrier"] == "unverified"
    assert {part["otelprov.used.id"] for part in parts} == {
        otelprov.artifact(path).id for path in (tmp_path / "set").rglob("*.parquet")
    }


def test_attributes_of_a_text_file_are_verified_or_stale(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame({"a": [1]}).to_csv(path, index=False)
    if carrier.read(path) is None:
        pytest.skip("this file system has no extended attributes")
    pd.read_csv(path)
    assert state(spans.all()[-1]) == "verified"
    path.write_text("a\n2\n")
    pd.read_csv(path)
    assert state(spans.all()[-1]) == "stale"
    assert spans.all()[-1].links == []


def test_a_file_written_with_a_copied_schema_says_who_really_wrote_it(
    spans: Spans, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    pq.write_table(table(columns=2, rows=5), first)
    schema = pq.read_schema(first)  # which shows the metadata in the file
    assert carrier.ID_KEY in schema.metadata
    with pq.ParquetWriter(second, schema) as writer:
        writer.write_table(table(columns=2, rows=7).cast(schema))
    if not hasattr(os, "getxattr") or len(carrier.claims(second)) < 2:
        pytest.skip("this file system has no extended attributes")
    closed = spans.one("pyarrow.ParquetWriter.close")
    pd.read_parquet(second)
    assert state(spans.all()[-1]) == "verified"
    assert carrier.check(second) == "verified"
    told = {claim.carrier.span_id for claim in carrier.claims(second)}
    assert closed.span_id in told


# --- other places --------------------------------------------------------------------------------


def test_a_name_in_a_local_file_system_is_a_path(spans: Spans, tmp_path: Path) -> None:
    pq.write_table(table(columns=2, rows=5), tmp_path / "t")
    known = otelprov.artifact(tmp_path / "t").id
    local = pyarrow.fs.LocalFileSystem()
    below = pyarrow.fs.SubTreeFileSystem(str(tmp_path), local)
    for name, system in ((str(tmp_path / "t"), local), ("t", below)):
        spans.clear()
        pq.read_table(name, filesystem=system)
        assert spans.one("pyarrow.parquet.read_table").used_ids == {known}
        spans.clear()
        pd.read_parquet(name, filesystem=system)
        assert spans.one("pandas.read_parquet").used_ids == {known}


def test_a_file_in_memory_is_known_by_content(spans: Spans, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    (tmp_path / "t.csv").write_bytes(b"a\n1\n")
    known = otelprov.artifact(tmp_path / "t.csv").id
    memory = fsspec.filesystem("memory")
    memory.pipe("/otelprov/t.csv", b"a\n1\n")
    spans.clear()
    try:
        pd.read_csv("memory://otelprov/t.csv")
        with memory.open("/otelprov/t.csv") as file:
            pd.read_csv(file)
        with fsspec.open("memory://otelprov/t.csv") as file:
            pd.read_csv(file)
        with fsspec.open(f"file://{tmp_path}/t.csv") as file:
            pd.read_csv(file)
        pd.read_csv(f"file://{tmp_path}/t.csv")
        assert [span.used_ids for span in spans.all()] == [{known}] * 5
        pd.DataFrame({"a": [1]}).to_csv("memory://otelprov/out.csv", index=False)
        assert known in spans.all()[-1].generated_ids
    finally:
        memory.rm("/otelprov", recursive=True)


def test_members_of_an_archive_are_not_files_of_that_name(
    spans: Spans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zipfile

    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_bytes(b"a\nanother\n")
    with zipfile.ZipFile("z.zip", "w") as archive:
        archive.writestr("t.csv", b"a\n1\n")
    with zipfile.ZipFile("z.zip") as archive, archive.open("t.csv") as member:
        pd.read_csv(member)
    (used,) = spans.one("pandas.read_csv").used
    assert used["otelprov.used.id"] == otelprov.artifact("z.zip").id


def test_two_streams_without_a_name_are_two(spans: Spans) -> None:
    class Stream:
        def __init__(self) -> None:
            self.rest = b"a\n1\n"

        def read(self, size: int = -1) -> bytes:
            found, self.rest = self.rest, b""
            return found

        def __iter__(self) -> Iterator[bytes]:
            return iter([self.read()])

    for _ in range(2):
        pd.read_csv(Stream())
    first, second = spans.all()
    assert not first.used_ids & second.used_ids


def test_a_file_that_is_gone_after_it_was_read_is_named(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a\n1\n")
    read = contents.open_regular

    def vanish(*args: Any, **keywords: Any) -> Any:
        path.unlink()
        return read(*args, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contents, "open_regular", vanish)
        patch.setattr(files.contents, "open_regular", vanish)
        pd.read_csv(path)
    used = source(spans.one("pandas.read_csv"))
    assert used["otelprov.artifact.coverage"] == "none"
    assert used["otelprov.artifact.reason"] == "no such file"

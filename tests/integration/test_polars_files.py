"""Files that Polars reads and writes: which, how much of them, and what they carry."""

from __future__ import annotations

import io
import os
import pickle
import sqlite3
import time
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
import strangers
import support
from support import Recorded, Spans

import otelprov
from otelprov.artifacts import carrier, identify

NEW = int(pl.__version__.partition(".")[0]) > 1
FRAME = pl.DataFrame({"k": [1, 2, 3], "s": ["x", "y", "x"], "v": [1.5, 2.5, None]})


def identity(value: object) -> str:
    return otelprov.artifact(value).id


def used(span: Recorded) -> set[str]:
    return {event["otelprov.artifact.name"] for event in span.used}


FORMATS: dict[str, tuple[str, Any, Any, Any]] = {
    "csv": ("t.csv", pl.DataFrame.write_csv, pl.read_csv, pl.scan_csv),
    "parquet": ("t.parquet", pl.DataFrame.write_parquet, pl.read_parquet, pl.scan_parquet),
    "ipc": ("t.arrow", pl.DataFrame.write_ipc, pl.read_ipc, pl.scan_ipc),
    "ndjson": ("t.ndjson", pl.DataFrame.write_ndjson, pl.read_ndjson, pl.scan_ndjson),
    "json": ("t.json", pl.DataFrame.write_json, pl.read_json, None),
    "avro": ("t.avro", pl.DataFrame.write_avro, pl.read_avro, None),
    "ipc_stream": ("t.arrows", pl.DataFrame.write_ipc_stream, pl.read_ipc_stream, None),
}


@pytest.mark.parametrize("format_", FORMATS)
def test_what_is_written_is_what_is_read(spans: Spans, tmp_path: Path, format_: str) -> None:
    name, write, read, scan = FORMATS[format_]
    path = tmp_path / name
    getattr(FRAME, write.__name__)(path)
    written = spans.all()[-1]
    assert written.name == f"polars.write_{format_}"
    file = identity(path)
    assert file in written.generated_ids
    assert written.used_ids == {identity(FRAME)}
    again = getattr(pl, read.__name__)(path)
    assert spans.all()[-1].used_ids == {file}
    assert spans.all()[-1].generated_ids == {identity(again)}
    if format_ in ("parquet", "ipc", "avro", "ipc_stream"):
        assert identity(again) == identity(FRAME)
        assert written.generated_ids == {file, identity(FRAME)}
    if scan is not None:
        made = getattr(pl, scan.__name__)(path).select("k").collect()
        span = spans.all()[-1]
        assert (span.name, span.used_ids) == ("polars.collect", {file})
        assert span.generated_ids == {identity(made)}


def test_a_parquet_file_carries_its_table_and_its_span(spans: Spans, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    FRAME.write_parquet(path, **({"metadata": {"own": "word"}} if NEW else {}))
    span = spans.one("polars.write_parquet")
    said = [claim.carrier for claim in carrier.claims(path)]
    assert {one.span_id for one in said} == {span.span_id}
    assert {one.trace_id for one in said} == {span.trace_id}
    if NEW:
        assert [one.artifact_id for one in said] == [identity(FRAME)]
        metadata = pl.read_parquet_metadata(path)
        assert {key: metadata[key] for key in metadata if ":" not in key} == {"own": "word"}
    pl.read_parquet(path)
    assert spans.all()[-1].used[0]["otelprov.artifact.carrier"] == "verified"
    pl.scan_parquet(path).filter(pl.col("k") > 1).collect()
    assert spans.all()[-1].used[0]["otelprov.artifact.carrier"] == "verified"


def test_other_files_carry_their_span_beside_them(spans: Spans, tmp_path: Path) -> None:
    FRAME.write_csv(tmp_path / "t.csv")
    FRAME.lazy().sink_parquet(tmp_path / "t.parquet")
    for path, name in (("t.csv", "polars.write_csv"), ("t.parquet", "polars.sink_parquet")):
        (said,) = [claim.carrier for claim in carrier.claims(tmp_path / path)]
        assert said.span_id == spans.one(name).span_id


def test_patterns_lists_and_directories_are_used_as_they_were_read(
    spans: Spans, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    for number in range(3):
        FRAME.with_columns(n=number).write_csv(tmp_path / "d" / f"{number}.csv")
        FRAME.with_columns(n=number).write_parquet(tmp_path / f"{number}.parquet")
    every = {"0.csv", "1.csv", "2.csv"}
    for source in (tmp_path / "d" / "*.csv", sorted((tmp_path / "d").glob("*.csv"))):
        pl.read_csv(source) if isinstance(source, Path) else pl.scan_csv(source).collect()
        assert used(spans.all()[-1]) == every
        pl.scan_csv(source).select("k").collect()
        assert used(spans.all()[-1]) == every
    pl.scan_csv(tmp_path / "d").collect()
    assert used(spans.all()[-1]) in (every, {"d", *every})
    pl.read_parquet(str(tmp_path / "[01].parquet"))
    assert used(spans.all()[-1]) == {"0.parquet", "1.parquet"}
    pl.read_parquet([tmp_path / "0.parquet", tmp_path / "2.parquet"])
    assert used(spans.all()[-1]) == {"0.parquet", "2.parquet"}


def test_partitions_that_a_filter_leaves_out_were_not_used(spans: Spans, tmp_path: Path) -> None:
    for part in ("x", "y"):
        (tmp_path / f"s={part}").mkdir()
        FRAME.filter(s=part).drop("s").write_parquet(tmp_path / f"s={part}" / "0.parquet")
    lazy = pl.scan_parquet(tmp_path / "**" / "*.parquet", hive_partitioning=True)
    lazy.collect()
    both = {identity(tmp_path / f"s={part}" / "0.parquet") for part in ("x", "y")}
    assert spans.all()[-1].used_ids == both
    lazy.filter(pl.col("s") == "x").collect()
    assert spans.all()[-1].used_ids <= both


def test_a_directory_of_partitions_is_written_and_read(spans: Spans, tmp_path: Path) -> None:
    target = tmp_path / "parts"
    if NEW:
        FRAME.write_parquet(target, partition_by="s")
        name = "polars.write_parquet"
    else:
        pytest.skip("this version writes no partitions by itself")
    span = spans.one(name)
    assert identity(target) in span.generated_ids
    FRAME.lazy().sink_parquet(pl.PartitionBy(tmp_path / "sunk", key="s"), mkdir=True)
    assert identity(tmp_path / "sunk") in spans.one("polars.sink_parquet").generated_ids


def test_buffers_and_open_files_are_known_by_what_they_hold(spans: Spans, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(FRAME.write_csv().encode())
    file = identity(tmp_path / "t.csv")
    assert file in spans.all()[-1].generated_ids, "text has the id of the file that it becomes"
    pl.read_csv(io.BytesIO((tmp_path / "t.csv").read_bytes()))
    with (tmp_path / "t.csv").open("rb") as opened:
        pl.read_csv(opened)
    assert [span.used_ids for span in spans.all()[-2:]] == [{file}, {file}]
    buffer = io.BytesIO()
    FRAME.write_csv(buffer)
    assert spans.all()[-1].generated_ids == {file}


def test_a_sink_that_is_lazy_is_written_by_what_executes_it(spans: Spans, tmp_path: Path) -> None:
    if not NEW:
        pytest.skip("sinks of this version are executed at once")
    FRAME.write_csv(tmp_path / "t.csv")
    spans.clear()
    lazy = pl.scan_csv(tmp_path / "t.csv")
    sinks = [
        lazy.select("k").sink_csv(tmp_path / "k.csv", lazy=True),
        lazy.select("s").sink_csv(tmp_path / "s.csv", lazy=True),
    ]
    assert spans.names() == []
    pl.collect_all(sinks)
    for span, name in zip(spans.all(), ("k.csv", "s.csv"), strict=True):
        assert span.used_ids == {identity(tmp_path / "t.csv")}
        written = {one.get("otelprov.artifact.name") for one in span.generated}
        assert written & {"k.csv", "s.csv"} == {name}
        assert identity(tmp_path / name) in span.generated_ids


def test_a_file_of_which_little_is_read_is_not_read_by_us(spans: Spans, tmp_path: Path) -> None:
    wide = pl.DataFrame({f"c{n}": pl.arange(0, 200_000, eager=True) * n for n in range(30)})
    wide.write_parquet(tmp_path / "wide.parquet", compression="uncompressed")
    long_ago = time.time() - 3600  # so that it is another file than the one that was digested
    os.utime(tmp_path / "wide.parquet", (long_ago, long_ago))
    spans.clear()
    pl.scan_parquet(tmp_path / "wide.parquet").select("c1").collect()
    (event,) = spans.one("polars.collect").used
    assert event["otelprov.artifact.coverage"] == "footer"
    assert event["otelprov.artifact.selected"] == '["c1"]'
    pl.scan_parquet(tmp_path / "wide.parquet").head(3).collect()
    assert spans.all()[-1].used[0]["otelprov.artifact.coverage"] == "footer"
    pl.scan_parquet(tmp_path / "wide.parquet").sum().collect()
    assert spans.all()[-1].used[0]["otelprov.artifact.coverage"] == "full"


def test_columns_may_be_chosen_by_number(spans: Spans, tmp_path: Path) -> None:
    wide = pl.DataFrame({f"c{n}": pl.arange(0, 200_000, eager=True) * n for n in range(30)})
    wide.write_parquet(tmp_path / "wide.parquet", compression="uncompressed")
    os.utime(tmp_path / "wide.parquet", (1_000_000_000, 1_000_000_000))
    made = pl.read_parquet(tmp_path / "wide.parquet", columns=[1])
    assert made.columns == ["c1"]
    (event,) = spans.one("polars.read_parquet").used
    assert event["otelprov.artifact.coverage"] == "footer"


def test_a_database_is_named_without_credentials(spans: Spans, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a")
        frame = pl.read_database("SELECT * FROM t WHERE a = 1", connection)
    span = spans.one("polars.read_database")
    assert span.used[0]["otelprov.artifact.uri"].endswith("store.db#t")
    assert span.generated_ids == {identity(frame)}
    assert "1" not in span.parameter("query").partition("WHERE")[2]


def test_a_plan_that_was_pickled_still_names_its_files(spans: Spans, tmp_path: Path) -> None:
    FRAME.write_csv(tmp_path / "t.csv")
    lazy = pl.scan_csv(tmp_path / "t.csv").select("k")
    for again in (
        pickle.loads(pickle.dumps(lazy)),
        pl.LazyFrame.deserialize(io.BytesIO(lazy.serialize())),
    ):
        again.collect()
        assert spans.all()[-1].used_ids == {identity(tmp_path / "t.csv")}


def test_a_table_that_was_serialised_is_read_from_its_file(spans: Spans, tmp_path: Path) -> None:
    FRAME.serialize(tmp_path / "t.bin")
    again = pl.DataFrame.deserialize(tmp_path / "t.bin")
    written, read = spans.all()
    assert written.generated_ids == read.used_ids == {identity(tmp_path / "t.bin")}
    assert read.generated_ids == {identity(again)}


def test_a_table_that_was_pickled_is_known_by_its_content(spans: Spans, tmp_path: Path) -> None:
    FRAME.write_csv(tmp_path / "t.csv")
    made = pl.read_csv(tmp_path / "t.csv").sort("v")
    again = pickle.loads(pickle.dumps(made))
    again.select("k")
    assert spans.one("polars.pickle").used_ids == {identity(made)}
    assert spans.one("polars.pickle").generated_ids == spans.one("polars.select").used_ids


@pytest.mark.filterwarnings("ignore:.*[Ii]nterchange")
def test_what_is_exchanged_by_the_protocol_comes_from_the_frame_behind_it(
    spans: Spans, tmp_path: Path
) -> None:
    FRAME.write_csv(tmp_path / "t.csv")
    if not hasattr(pl.DataFrame, "__dataframe__"):
        pytest.skip("Polars 2 has no such protocol")
    for made in (pl.read_csv(tmp_path / "t.csv"), pd.read_csv(tmp_path / "t.csv")):
        spans.clear()
        pl.from_dataframe(made.__dataframe__())
        assert spans.one("polars.from_dataframe").used_ids == {identity(made)}


def test_functions_called_in_threads_of_the_engine_belong_to_the_query(
    spans: Spans, tmp_path: Path
) -> None:
    FRAME.write_csv(tmp_path / "t.csv")
    other = pl.read_csv(tmp_path / "t.csv")
    many = pl.DataFrame({"a": range(100_000)})
    spans.clear()

    def looked_up(values: pl.Series) -> pl.Series:
        return values + other.filter(pl.col("k") > 1)["k"].sum()

    lazy = many.lazy().select(
        pl.col("a").map_batches(looked_up, return_dtype=pl.Int64),
        b=pl.col("a").map_batches(looked_up, return_dtype=pl.Int64),
    )
    lazy.collect(engine="in-memory") if NEW else lazy.collect()
    span = spans.one("polars.collect")
    assert spans.names() == ["polars.collect"]
    assert identity(other) in span.used_ids


def test_a_process_that_reads_is_linked_to_the_one_that_wrote(tmp_path: Path) -> None:
    code = "import polars as pl; pl.DataFrame({'a': [1]}).write_parquet('t.parquet')"
    support.instrumented("-c", code, journal_directory=tmp_path / "one", cwd=tmp_path)
    code = "import polars as pl; pl.scan_parquet('t.parquet').collect()"
    support.instrumented("-c", code, journal_directory=tmp_path / "two", cwd=tmp_path)
    (writer,) = [s for s in support.journal(tmp_path / "one") if s.name == "polars.write_parquet"]
    (reader,) = [s for s in support.journal(tmp_path / "two") if s.name == "polars.collect"]
    assert [link["spanId"] for link in reader.links] == [writer.span_id]


BYTES = """
    import pathlib
    import polars as pl
    data = pathlib.Path("secret.csv").read_bytes()
    pl.read_csv(data).write_csv("read.csv", separator=";")  # @read
    pl.scan_csv(data).collect().write_csv("scan.csv", separator="|")  # @scan
    pl.scan_csv([data, data]).collect().write_csv("both.csv", separator="!")  # @both
    try:
        pl.read_parquet(data)  # @failed
    except pl.exceptions.ComputeError:
        pass
"""
BYTES_DRAWN = """
    polars.read_csv@read: ? -> return
    polars.write_csv@read: polars.read_csv@read -> read.csv
    polars.collect@scan: ? -> return
    polars.write_csv@scan: polars.collect@scan -> scan.csv
    polars.collect@both: ? -> return
    polars.write_csv@both: polars.collect@both -> both.csv
    polars.read_parquet@failed!: ->
"""


def test_bytes_that_are_read_are_no_path_and_never_recorded(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "secret.csv").write_text("id,name\n1,hushhush\n")
    program, drawn = BYTES.splitlines(), BYTES_DRAWN.splitlines()
    if not NEW:  # 1.0 does not scan bytes
        program = [line for line in program if "scan_csv" not in line]
        drawn = [line for line in drawn if "@scan" not in line and "@both" not in line]
    recording = strangers.record(directory, "\n".join(program))
    assert recording.graph() == strangers.drawn("\n".join(drawn))
    for segment in recording.journal.rglob("*.jsonl"):
        assert "hushhush" not in segment.read_text()


def test_data_that_is_given_as_bytes_is_not_taken_for_a_path(
    spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which would take ten times as long as to read it."""
    data = b"a,b\n" + b"1,x\n" * 20_000
    asked: list[object] = []
    absolute = os.path.abspath

    def noted(path: Any) -> Any:
        asked.append(path)
        return absolute(path)

    monkeypatch.setattr(os.path, "abspath", noted)
    pl.read_csv(data)
    (used,) = spans.one("polars.read_csv").used_ids
    assert used == identify(data).id
    assert not [one for one in asked if isinstance(one, (str, bytes)) and len(one) > 1000]

"""The public API: functions of every shape, blocks, and nothing at all without an SDK."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pandas as pd
import pytest
import support
from support import Spans

import otelprov


def identity(value: object) -> str:
    return otelprov.artifact(value).id


@pytest.fixture
def table(spans: Spans, tmp_path: Path) -> pd.DataFrame:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    return pd.read_csv(tmp_path / "t.csv")


@otelprov.operation
def double(table: pd.DataFrame, factor: int = 2) -> pd.DataFrame:
    """Doubles."""
    return table * factor


@otelprov.operation("score", kind="predict")
def score(table: pd.DataFrame, *, api_key: str) -> list[float]:
    return [0.5] * len(table)


@otelprov.operation
async def fetch(table: pd.DataFrame) -> pd.DataFrame:
    await asyncio.sleep(0)
    return table.head(1)


@otelprov.operation
def chunks(table: pd.DataFrame, size: int) -> Iterator[pd.DataFrame]:
    for start in range(0, len(table), size):
        got = yield table.iloc[start : start + size]
        if got == "stop":
            return "stopped"
    return "all"


@otelprov.operation
async def stream(table: pd.DataFrame) -> AsyncIterator[pd.DataFrame]:
    for start in range(len(table)):
        await asyncio.sleep(0)
        yield table.iloc[start : start + 1]


def test_a_function_uses_its_arguments_and_generates_its_result(
    spans: Spans, table: pd.DataFrame
) -> None:
    made = double(table, factor=3)
    span = spans.one("double")
    assert span.used_ids == {identity(table)}
    assert span.generated_ids == {identity(made)}
    assert span.parameter("factor") == 3
    assert span.attributes["otelprov.operation.kind"] == "task"
    assert span.attributes["code.function.name"] == f"{__name__}.double"
    assert span.attributes["code.file.path"] == __file__
    assert made["a"].tolist() == [3, 9]


def test_a_function_keeps_its_face() -> None:
    assert double.__name__ == "double"
    assert double.__doc__ == "Doubles."
    assert list(inspect.signature(double).parameters) == ["table", "factor"]
    assert inspect.iscoroutinefunction(fetch)
    assert inspect.isgeneratorfunction(chunks)
    assert inspect.isasyncgenfunction(stream)
    assert pickle.loads(pickle.dumps(double)) is double


def test_inner_operations_lead_through_the_outer_one(
    spans: Spans, table: pd.DataFrame, tmp_path: Path
) -> None:
    @otelprov.operation
    def clean(path: Path) -> pd.DataFrame:
        return pd.read_csv(path).dropna()

    (tmp_path / "u.csv").write_text("a,c\n1,2\n")
    made = clean(tmp_path / "u.csv").merge(table, on="a")
    roots, names = support.upstream(spans.all(), identity(made))
    assert roots == {identity(tmp_path / "u.csv"), identity(tmp_path / "t.csv")}
    assert "pandas.dropna" in names
    outer = next(span for span in spans.all() if span.name.endswith("clean"))
    inner = spans.one("pandas.dropna")
    assert inner.parent == outer.span_id


def test_a_secret_parameter_is_not_written_down(spans: Spans, table: pd.DataFrame) -> None:
    score(table, api_key="hunter2")
    span = spans.one("score")
    assert span.parameter("api_key") == "[REDACTED]"
    assert "hunter2" not in repr(span)
    assert span.attributes["otelprov.operation.kind"] == "predict"


def test_coroutines_generators_and_async_generators(spans: Spans, table: pd.DataFrame) -> None:
    first = asyncio.run(fetch(table))
    assert identity(first) in spans.one("fetch").generated_ids

    parts = list(chunks(table, 1))
    span = spans.one("chunks")
    assert span.generated_ids == {identity(part) for part in parts}
    assert len(parts) == 2

    async def consume() -> list[pd.DataFrame]:
        return [part async for part in stream(table)]

    streamed = asyncio.run(consume())
    assert spans.one("stream").generated_ids == {identity(part) for part in streamed}


def test_a_generator_talks_to_its_consumer_as_before(spans: Spans, table: pd.DataFrame) -> None:
    generator = chunks(table, 1)
    next(generator)
    with pytest.raises(StopIteration) as stopped:
        generator.send("stop")
    assert stopped.value.value == "stopped"
    closed = chunks(table, 1)
    next(closed)
    closed.close()
    thrown = chunks(table, 1)
    next(thrown)
    with pytest.raises(ValueError, match="mine"):
        thrown.throw(ValueError("mine"))
    statuses = [span.status.get("code", 0) for span in spans.all() if span.name == "chunks"]
    assert statuses == [0, 0, 2]


def test_what_a_consumer_does_between_items_is_not_the_generators(
    spans: Spans, table: pd.DataFrame
) -> None:
    for part in chunks(table, 1):
        part.assign(x=1)
    generator = spans.one("chunks")
    assigns = [span for span in spans.all() if span.name == "pandas.assign"]
    assert len(assigns) == 2
    assert all(span.parent != generator.span_id for span in assigns)


def test_a_failure_keeps_what_was_used_and_generates_nothing(
    spans: Spans, table: pd.DataFrame
) -> None:
    @otelprov.operation
    def broken(table: pd.DataFrame) -> None:
        otelprov.generated(table)
        raise RuntimeError("no password=hunter2 here")

    before = identity(table)
    with pytest.raises(RuntimeError, match="hunter2"):
        broken(table)
    assert identity(table) == before
    span = next(span for span in spans.all() if span.name.endswith("broken"))
    assert span.status["code"] == 2
    assert span.attributes["error.type"] == "RuntimeError"
    assert span.used_ids == {identity(table)}
    assert span.generated == []
    assert "hunter2" not in repr(span)


def test_a_block_says_itself_what_it_uses(
    spans: Spans, table: pd.DataFrame, tmp_path: Path
) -> None:
    target = tmp_path / "out.bin"
    with otelprov.operation("publish", parameters={"channel": "weekly"}) as op:
        op.used(table)
        otelprov.used(tmp_path / "t.csv")
        op.used("s3://user:secret@bucket/reference.csv")
        target.write_bytes(b"published")
        op.generated(target)
        op.generated({"rows": 2})
    span = spans.one("publish")
    assert {identity(table), identity(tmp_path / "t.csv")} < span.used_ids
    assert len(span.used_ids) == 3
    assert identity(target) in span.generated_ids
    assert span.parameter("channel") == "weekly"
    assert "secret@" not in repr(span)
    assert span.attributes["code.line.number"] > 0


def test_an_artifact_has_the_id_that_lineage_knows(table: pd.DataFrame, tmp_path: Path) -> None:
    assert identity(table) == identity(table)
    assert identity(str(tmp_path / "t.csv")) == identity(tmp_path / "t.csv")
    made = table.assign(x=1)
    assert identity(made).startswith("derived:")


def test_without_an_sdk_nothing_changes_and_nothing_is_loaded() -> None:
    code = """
import sys, timeit
import otelprov

@otelprov.operation
def f(x): return x + 1

@otelprov.operation("g")
def g(n):
    yield from range(n)

assert f(1) == 2 and list(g(3)) == [0, 1, 2]
with otelprov.operation("block") as op:
    op.used([1]); op.generated("nothing"); otelprov.used(1); otelprov.generated(2)
loaded = [m for m in sys.modules if m.startswith(("opentelemetry.sdk", "otelprov.recording",
                                                  "otelprov.journal", "pandas", "wrapt"))]
assert set(loaded) <= {"otelprov.recording", "otelprov.recording.faults"}, loaded
assert otelprov.artifact([1, 2]).id.startswith("object:")
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=support.environment())


def test_enable_does_for_a_running_interpreter_what_the_command_does(tmp_path: Path) -> None:
    code = """
import pandas as pd
import otelprov
otelprov.enable()
otelprov.enable()
import io
pd.read_csv(io.StringIO("a\\n1\\n")).assign(b=2)
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=support.environment(tmp_path))
    names = [span.name for span in support.journal(tmp_path)]
    assert "pandas.read_csv" in names
    assert "pandas.assign" in names


def test_names_that_a_program_has_taken_before_it_enables_are_replaced_and_put_back(
    tmp_path: Path,
) -> None:
    (tmp_path / "helpers.py").write_text("from pandas import concat, DataFrame as Table\n")
    code = """
from pandas import read_csv, read_csv as reads
from sklearn.metrics import f1_score
import helpers, io, pickle, otelprov
before = read_csv, helpers.concat, f1_score
otelprov.enable()
for function in (read_csv, reads, helpers.concat, f1_score):
    assert pickle.loads(pickle.dumps(function)) is function, function
table = reads(io.StringIO("a\\n1\\n"))
assert type(helpers.concat([table, read_csv(io.StringIO("a\\n2\\n"))])) is helpers.Table
f1_score([0, 1], [0, 1])
from otelprov.instrumentation.instrumentors import libraries
for library in libraries.values():
    library.uninstrument()
assert before == (read_csv, helpers.concat, f1_score)
assert reads is read_csv
"""
    journal = tmp_path / "journal"
    environment = support.environment(journal)
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)
    names = sorted(span.name for span in support.journal(journal))
    read = ["pandas.read_csv"] * 2
    assert names == ["pandas.concat", *read, "run -c", "sklearn.f1_score"]


def test_an_sdk_set_up_by_hand_records_too(tmp_path: Path) -> None:
    code = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
import otelprov

@otelprov.operation
def f(x): return [x]

f(1)
(span,) = exporter.get_finished_spans()
assert span.name == "f", span.name
print([event.name for event in span.events])
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env=support.environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert result.stdout == "['otelprov.generated']\n"

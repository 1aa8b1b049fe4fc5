"""Lazy objects carry what they will read; what executes them used it, as it was then."""

from __future__ import annotations

import gc
from pathlib import Path

import polars as pl
import pytest
from support import Spans

import otelprov
from otelprov.artifacts.deferred import Pending
from otelprov.artifacts.registry import Identity, Step
from otelprov.model import Artifact
from otelprov.recording.plans import after, expanded, given, plans, scan

JOIN = Step("lazy", "join")
FILTER = Step("lazy", "filter")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"k,{name}\n1,10\n2,20\n")
    return tmp_path / "a.csv", tmp_path / "b.csv"


def identity(value: object) -> str:
    return otelprov.artifact(value).id


def test_building_makes_no_span_and_executing_one_that_used_the_files(
    spans: Spans, files: tuple[Path, Path]
) -> None:
    a, b = map(pl.scan_csv, files)
    made = a.join(b, on="k").filter(pl.col("a") > 10)
    assert spans.names() == []
    frame = made.collect()
    span = spans.one("polars.collect")
    assert span.used_ids == {identity(path) for path in files}
    assert span.generated_ids == {identity(frame)}
    assert span.used_roles == {"source"}


def test_a_file_is_used_as_it_is_when_the_plan_is_executed(
    spans: Spans, files: tuple[Path, Path]
) -> None:
    lazy = pl.scan_csv(files[0])
    before = identity(files[0])
    files[0].write_text("k,a\n7,70\n")
    lazy.collect()
    assert spans.one("polars.collect").used_ids == {identity(files[0])} != {before}


def test_a_table_in_memory_and_one_in_an_expression_are_sources(
    spans: Spans, files: tuple[Path, Path]
) -> None:
    a, b = map(pl.read_csv, files)
    a.lazy().filter(pl.col("a") > 1).with_columns(x=pl.lit(b["b"])).collect()
    known = {identity(a), identity(b)}
    assert spans.one("polars.collect").used_ids == known


def test_what_executes_several_plans_used_the_sources_of_each(
    spans: Spans, files: tuple[Path, Path]
) -> None:
    made = pl.collect_all([pl.scan_csv(path) for path in files])
    assert spans.names() == ["polars.collect_all"] * 2
    for span, path, frame in zip(spans.all(), files, made, strict=True):
        assert span.used_ids == {identity(path)}
        assert span.generated_ids == {identity(frame)}
        assert span.parent == spans.all()[0].parent


def test_plans_with_a_function_of_the_program_are_one_operation(
    spans: Spans, files: tuple[Path, Path]
) -> None:
    a, b = map(pl.scan_csv, files)
    made = pl.collect_all([a.map_batches(lambda frame: frame), b])
    span = spans.one("polars.collect_all")
    assert span.used_ids == {identity(path) for path in files}
    assert span.generated_ids == {identity(frame) for frame in made}


def test_of_plans_that_fail_together_none_gives_anything(
    spans: Spans, files: tuple[Path, Path]
) -> None:
    a, b = map(pl.scan_csv, files)
    with pytest.raises(pl.exceptions.PolarsError):
        pl.collect_all([a, b.with_columns(x=pl.col("b").str.to_date())])
    assert [bool(span.status.get("code")) for span in spans.all()] == [True, True]
    assert [span.generated for span in spans.all()] == [[], []]
    assert pl.collect_all([]) == []
    assert pl.collect_all(iter([a]))[0].equals(a.collect())


def test_a_plan_that_fails_says_what_it_would_have_read(
    spans: Spans, files: tuple[Path, Path]
) -> None:
    lazy = pl.scan_csv(files[0]).with_columns(x=pl.col("a").str.to_date())
    with pytest.raises(pl.exceptions.PolarsError):
        lazy.collect()
    span = spans.one("polars.collect")
    assert span.used_ids == {identity(files[0])}
    assert span.generated == []


def test_the_same_steps_have_the_same_path_whatever_they_read(
    spans: Spans, files: tuple[Path, Path]
) -> None:
    def path(file: Path, days: int, **options: int) -> bytes:
        plan = plans.lookup(pl.scan_csv(file, **options).with_columns(x=days))  # type: ignore[arg-type]
        assert plan is not None
        return plan.path.result() if isinstance(plan.path, Pending) else plan.path

    assert path(files[0], 1) == path(files[1], 1)
    assert path(files[0], 1) != path(files[0], 2)
    assert path(files[0], 1) != path(files[0], 1, skip_rows=1)


def test_a_plan_is_forgotten_with_its_object(files: tuple[Path, Path], spans: Spans) -> None:
    before = len(plans)
    lazy = pl.scan_csv(files[0])
    assert plans.lookup(lazy) is not None
    assert len(plans) == before + 1
    del lazy
    gc.collect()
    assert len(plans) == before


# --- plans by themselves --------------------------------------------------------------------------


def _table(name: str) -> Identity:
    return Identity((Artifact(f"table:{name * 64}", "table"),))


def test_a_source_that_comes_in_twice_is_one() -> None:
    a, b = scan("source", "a.csv"), scan("source", "b.csv")
    twice = after(JOIN, [after(JOIN, [a, b], b""), scan("source", "a.csv")], b"")
    assert [leaf.place for leaf in twice.leaves] == ["a.csv", "b.csv"]  # type: ignore[union-attr]
    in_memory = after(JOIN, [given("self", _table("1")), given("other", _table("1"))], b"")
    assert len(in_memory.leaves) == 1


def test_steps_are_told_apart_by_which_source_came_where() -> None:
    a, b = scan("source", "a.csv"), scan("source", "b.csv")
    joined = after(JOIN, [a, b], b"")
    paths = {
        joined.path,
        after(JOIN, [joined, a], b"").path,
        after(JOIN, [joined, b], b"").path,
        after(FILTER, [joined], b"").path,
        after(FILTER, [joined], b"1").path,
    }
    assert len(paths) == 5
    others = after(JOIN, [scan("source", "x.csv"), scan("source", "y.csv")], b"")
    assert others.path == joined.path, "the files are sources, and no part of the steps"
    assert after(FILTER, [joined], None).path != after(FILTER, [joined], None).path


def test_a_plan_of_very_many_steps_has_a_path() -> None:
    made = scan("source", "a.csv")
    for _ in range(5_000):
        made = after(FILTER, [made], Pending(lambda: b"1"))
    assert isinstance(made.path, Pending)
    assert len(made.path.result()) == 32


def test_patterns_and_directories_name_their_files(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    for name in ("part/2.csv", "part/1.csv", "x.csv"):
        (tmp_path / name).write_text("k\n1\n")
    one, two = str(tmp_path / "part" / "1.csv"), str(tmp_path / "part" / "2.csv")
    assert expanded(str(tmp_path / "part" / "*.csv")) == [one, two]
    assert expanded(tmp_path / "part") == [one, two]
    assert expanded((one, "s3://bucket/x.csv")) == [one, "s3://bucket/x.csv"]
    assert expanded(3) == []

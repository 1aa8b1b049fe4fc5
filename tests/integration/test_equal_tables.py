"""Equal tables that one operation uses are one artifact, and each has its own way back."""

from __future__ import annotations

from pathlib import Path

import strangers

import otelprov
from otelprov.lineage.sources import open_source
from otelprov.lineage.walk import downstream, upstream

CSV = "k,x\n1,10\n2,20\n"
PROGRAM = """
    import pandas as pd
    a = pd.read_csv("a.csv")  # @a
    b = pd.read_csv("b.csv")  # @b
    a.merge(b, on="k").to_csv("merged.csv", index=False)  # @merge
    pd.concat([a, b, pd.DataFrame({"k": [1, 2], "x": [10, 20]})]).to_csv("all.csv")  # @all
    a.assign(x=a["x"] + b["x"]).to_csv("sums.csv")  # @sums
    s = pd.DataFrame({"u": a["x"] + b["x"]})  # @derived
    s.to_csv("derived.csv")
    first, again = a.sort_values("x"), a.sort_values("x")  # @sorts
    first.merge(again, on="k").to_csv("sorted.csv")  # @sorted
"""


def record(tmp_path: Path, program: str) -> strangers.Recording:
    # Equal tables, and files that are not: each says by its name where it was seen to come from.
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "b.csv").write_text(CSV.replace("\n", "\r\n"))
    return strangers.record(tmp_path, program)


def test_an_operation_of_two_equal_tables_goes_back_to_both(tmp_path: Path) -> None:
    found = record(tmp_path, PROGRAM)
    both = {"a.csv", "b.csv"}
    assert found.roots("merged.csv") == both
    assert found.roots("sums.csv") == both
    assert found.roots("derived.csv") == both
    assert found.roots("all.csv") == both
    assert found.columns("merged.csv#x_x") == {"a.csv#x", "b.csv#x"}
    # A third that nobody was seen to make is said to be that, and not one of the others.
    assert any("memory by code that was not recorded" in gap for gap in found.gaps("all.csv"))
    assert not found.gaps("merged.csv")
    assert found.roots("sorted.csv") == {"a.csv"}


def test_its_span_names_and_links_both_makers(tmp_path: Path) -> None:
    found = record(tmp_path, PROGRAM)
    spans = {(one.name, one.attributes["code.line.number"]): one for one in found.spans[1:]}
    lines = {label: line for (_, line), label in found.labels.items()}
    makers = [spans["pandas.read_csv", lines[name]] for name in "ab"]
    merge = spans["pandas.merge", lines["merge"]]
    ids = [f"{one.trace_id}-{one.span_id}" for one in makers]
    assert [one["otelprov.artifact.maker"] for one in merge.used] == ids
    assert [one["otelprov.artifact.role"] for one in merge.used] == ["self", "right"]
    assert len(merge.used_ids) == 1
    links = {(one["traceId"], one["spanId"], *one["attributes"].values()) for one in merge.links}
    assert links == {(one.trace_id, one.span_id, *merge.used_ids) for one in makers}
    # One table that is used twice is named once, and links are for what the ids do not say.
    assert not spans["pandas.to_csv", lines["merge"]].links


def test_what_came_of_each_of_two_equal_files_is_found(tmp_path: Path) -> None:
    """Written by two lines, and read as two equal tables or by one line as two equal files."""
    found = record(
        tmp_path,
        """
        import pandas as pd, pyarrow.parquet as pq, polars as pl
        pd.read_csv("a.csv").to_parquet("one.parquet")  # @one
        pd.read_csv("b.csv").to_parquet("two.parquet")  # @two
        pl.read_parquet("one.parquet").vstack(pl.read_parquet("two.parquet")).write_csv("end.csv")
        pd.read_csv("a.csv").to_csv("three.csv")
        pd.read_csv("b.csv").to_csv("four.csv")
        pl.scan_csv(["three.csv", "four.csv"]).collect().write_csv("scanned.csv")
        """,
    )
    assert found.roots("end.csv") == {"a.csv", "b.csv"}
    assert found.roots("scanned.csv") == {"a.csv", "b.csv"}
    source = open_source(f"journal:{found.journal}")
    for name in "ab":
        start = otelprov.artifact(found.directory / f"{name}.csv").id
        names = {one.name for one in downstream(source, start).operations}
        assert {"polars.vstack", "polars.collect"} <= names
    end = upstream(source, otelprov.artifact(found.directory / "end.csv").id)
    assert {one.name for one in end.artifacts if one.kind == "file"} >= {"a.csv", "b.csv"}


def test_calls_that_repeat_name_every_maker(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    found = strangers.record(
        tmp_path,
        """
        import pandas as pd
        tables = [pd.read_csv("a.csv") for _ in range(6)]
        for table in tables:
            made = table.sort_values("x")
        made.to_csv("end.csv")
        """,
        OTELPROV_REPEATS="2",
    )
    reads = [one for one in found.spans if one.name == "pandas.read_csv"]
    sorts = [one for one in found.spans if one.name == "pandas.sort_values"]
    made_by = {use["otelprov.artifact.maker"] for one in sorts for use in one.used}
    assert made_by == {f"{one.trace_id}-{one.span_id}" for one in reads}

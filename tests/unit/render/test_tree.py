"""The tree: what it says, that it fits, and that every node stands once."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from unit.lineage.recorded import Journal, Recorder, art, digest, file, flights, hex_id

from otelprov.lineage.graph import Edge, Gap, Lineage, left_out
from otelprov.lineage.sources import open_source
from otelprov.lineage.walk import downstream, upstream, whole_trace
from otelprov.model import Artifact, Code, Operation, Usage
from otelprov.render.layout import layout
from otelprov.render.tree import print_tree
from otelprov.render.words import clean

REPORT = digest("delays.csv", "file")


def drawn(lineage: Lineage, width: int = 100, encoding: str = "utf-8", colour: bool = False) -> str:
    raw = io.BytesIO()
    text = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    console = Console(file=text, width=width, highlight=False, force_terminal=colour)
    print_tree(lineage, console)
    text.flush()
    return raw.getvalue().decode(encoding)


@pytest.fixture
def lineage(tmp_path: Path) -> Lineage:
    source = open_source(f"journal:{flights(tmp_path / 'journal').write()}")
    return upstream(source, REPORT)


def test_the_tree_reads_from_the_report_back_to_the_raw_tables(lineage: Lineage) -> None:
    columns = [line.split("  ")[0] for line in drawn(lineage).splitlines()]
    assert columns == [
        "◆ /data/delays.csv",
        "▶ run report.py",
        "● pandas.to_csv",
        "● pandas.groupby.mean",
        "● pandas.read_parquet",
        "◆ /data/clean.parquet",
        "▶ run ingest.py",
        "● pandas.to_parquet",
        "● pandas.merge",
        "├─● pandas.read_csv",
        "│ ◆ /data/airlines.csv",
        "● pandas.read_csv",
        "◆ /data/flights.csv",
    ]


def test_an_operation_says_its_parameters_rows_and_code(lineage: Lineage) -> None:
    (merge,) = (line for line in drawn(lineage).splitlines() if "merge" in line)
    assert merge.split() == (
        "● pandas.merge how=left on=carrier → 336,776 × 20 ingest.py:14 1a2b3c4+".split()
    )
    assert len(merge) == 100
    assert "validate" not in merge


def test_the_path_of_a_file_with_a_row_is_not_said_twice(lineage: Lineage) -> None:
    assert "filepath_or_buffer" not in drawn(lineage)


def test_a_path_below_the_current_directory_is_shown_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "journal")
    out = {**file("out.csv"), "uri": (tmp_path / "some dir" / "out.csv").as_uri()}
    journal.run("a.py").op("to_csv", [file("raw.csv")], [out])
    source = open_source(f"journal:{journal.write()}")
    monkeypatch.chdir(tmp_path)
    text = drawn(upstream(source, digest("out.csv", "file")))
    assert text.startswith(f"◆ some dir{os.sep}out.csv  file:")
    assert "◆ /data/raw.csv" in text


def test_forty_operations_from_five_files_stay_within_100_columns(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    run = journal.run("pipeline.py")
    tables = []
    for name in ("flights", "weather", "planes", "airports", "airlines"):
        table = art(name, "table", rows=336776, columns=19)
        run.op(f"pandas.read_csv.{name}", [file(f"{name}.csv")], [table])
        tables.append(table)
    main = tables[0]
    for number in range(31):
        used = [main]
        if number in (3, 7, 11, 15):
            used.append(tables[number // 4 + 1])
        new = art(f"step {number}", rows=336776, columns=20 + number)
        given = {"columns": "a" * 70, "how": "left", "on": "['origin', 'time_hour']", "x": "é" * 60}
        run.op(f"pandas.step{number}", used, [new], given=given)
        main = new
        if number in (5, 20):  # a summary joined back: a diamond
            summary = art(f"summary {number}")
            run.op(f"pandas.groupby.agg{number}", [main], [summary], given=given)
            joined = art(f"joined {number}", rows=5, columns=5)
            run.op(f"pandas.merge{number}", [main, summary], [joined], given=given)
            main = joined
    run.op("pandas.to_csv", [main], [file("out.csv")])
    run.end()
    lineage = upstream(open_source(f"journal:{journal.write()}"), digest("out.csv", "file"))
    assert len(lineage.operations) >= 40
    text = drawn(lineage)
    assert max(cell_len(line) for line in text.splitlines()) <= 100
    for operation in lineage.operations:
        assert text.count(f"● {operation.name} ") == 1
    deepest = max(len(row.gutter) for row in layout(lineage).rows)
    assert deepest <= 4, "a chain must not indent for each step"


def test_what_stands_elsewhere_is_referred_to_in_one_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    run = journal.run("a.py")
    run.op("read", [file("raw.csv")], [art("t", rows=9, columns=2)])
    run.op("mean", [art("t")], [art("m", rows=1, columns=1)])
    run.op("join", [art("t"), art("m")], [file("out.csv")])
    lines = drawn(upstream(open_source(f"journal:{journal.write()}"), digest("out.csv", "file")))
    short = digest("t")[: len("derived:") + 12]
    assert [line.rstrip().split("   ")[0] for line in lines.splitlines()[2:]] == [
        "● join",
        "├─● mean  → 1 × 1",
        f"│ ↓ table {short} 9 × 2, see below",
        f"● read  → 9 × 2 {short}",
        "◆ /data/raw.csv  file:" + digest("raw.csv", "file")[5:17] + "  1 kB",
    ]


def test_what_only_branches_were_made_from_goes_on_below_them_under_its_own_name(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path / "journal")
    run = journal.run("a.py")
    run.op("read", [file("raw.csv")], [art("t", rows=9, columns=2)])
    run.op("mean", [art("t")], [art("m", rows=1, columns=1)])
    run.op("sum", [art("t")], [art("s", rows=1, columns=1)])
    run.op("join", [art("m"), art("s")], [file("out.csv")])
    source = open_source(f"journal:{journal.write()}")
    rows = layout(upstream(source, digest("out.csv", "file"))).rows
    named = {run.id(name): name for name in ("read", "mean", "sum", "join")}
    named |= {digest("t"): "t", digest("raw.csv", "file"): "raw"}
    assert [(row.gutter, row.kind, named.get(row.id)) for row in rows[2:]] == [
        ("", "operation", "join"),
        ("├─", "operation", "mean"),
        ("│ ", "below", "t"),
        ("├─", "operation", "sum"),
        ("│ ", "below", "t"),
        ("", "joint", "t"),
        ("", "operation", "read"),
        ("", "artifact", "raw"),
    ]
    back = drawn(upstream(source, digest("out.csv", "file")))
    assert f"┄ used by several: table {digest('t')[:20]} 9 × 2" in back
    on = drawn(downstream(source, digest("raw.csv", "file")))
    assert on[on.index("┄") :].startswith("┄ made from several:\n● join ")


def test_the_runs_name_stands_once_where_a_run_begins(lineage: Lineage) -> None:
    text = drawn(lineage)
    assert text.count("run ingest.py") == 1
    assert text.count("run report.py") == 1


def test_gaps_are_marked_where_they_are_and_told_at_the_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    inputs = [art("lost"), art("literal", "table", rows=2, columns=1)]
    journal.run("a.py").op("concat", inputs, [file("out.csv")])
    source = open_source(f"journal:{journal.write()}")
    text = drawn(upstream(source, digest("out.csv", "file")))
    assert text.count("⚠") == 3
    told = " ".join(text[text.index("⚠ 2 gaps:") :].split())
    assert f"the operation that made it is not in {source.name}" in told
    assert "2 × 1: made in memory by code that was not recorded" in told


def test_gaps_with_one_reason_are_told_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    tables = [art(f"literal {n}", "table", rows=n + 1, columns=1) for n in range(10)]
    journal.run("a.py").op("concat", tables, [file("out.csv")])
    source = open_source(f"journal:{journal.write()}")
    text = drawn(upstream(source, digest("out.csv", "file")))
    assert "⚠ 10 gaps:" in text
    told = " ".join(text[text.index("⚠ 10 gaps:") :].split())
    assert told.count("made in memory by code that was not recorded") == 1
    assert "and 2 more: made in memory" in told


def test_other_makers_are_counted(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    for number in range(3):
        journal.run(f"{number}.py").op("to_csv", [file("raw.csv")], [file("out.csv")])
    text = drawn(upstream(open_source(f"journal:{journal.write()}"), digest("out.csv", "file")))
    assert "was also made by 2 other operations" in text


def test_of_many_that_others_made_a_few_are_named(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    for number in range(2):
        journal.run(f"{number}.py").op(
            "to_csv", [file(f"{n}.csv") for n in range(9)], [file("out.csv")]
        )
        for n in range(9):
            journal.run(f"{number}-{n}.py").op("to_csv", [file("raw.csv")], [file(f"{n}.csv")])
    text = drawn(upstream(open_source(f"journal:{journal.write()}"), digest("out.csv", "file")))
    assert text.count("was also made by another operation") == 5
    assert "and so were 5 more of what stands above" in text


def test_a_failed_operation_shows_its_error(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.run("a.py").op("merge", [file("raw.csv")], error="KeyError: 'carier'")
    source = open_source(f"journal:{journal.write()}")
    assert "✗ KeyError: 'carier'" in drawn(downstream(source, digest("raw.csv", "file")))


def test_a_cycle_and_a_whole_trace_are_drawn_with_every_operation_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    table = art("t", "table")
    run = journal.run("a.py")
    run.op("to_csv", [table], [file("raw.csv")])
    run.op("read_csv", [file("raw.csv")], [table])
    run.op("to_parquet", [table], [file("out.parquet"), table])
    run.op("split", [table], [art("left"), art("right")])
    run.op("lonely", [], [])
    source = open_source(f"journal:{journal.write()}")
    whole = whole_trace(source, run.trace_id)
    assert whole is not None
    for lineage in (
        whole,
        upstream(source, digest("t", "table")),
        upstream(source, digest("out.parquet", "file")),
        downstream(source, digest("t", "table")),
    ):
        text = drawn(lineage)
        for operation in lineage.operations:
            assert text.count(f"● {operation.name} ") == 1, text


def test_a_table_that_is_written_and_read_back_unchanged_is_drawn_as_a_chain(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path / "journal")
    table = art("t", "table", rows=3, columns=1)
    first, second = journal.run("a.py"), journal.run("b.py")
    first.op("read_csv", [file("raw.csv")], [table])
    first.op("strip", [table], [art("same")])
    first.op("to_parquet", [art("same")], [file("t.parquet"), table])
    second.op("read_parquet", [file("t.parquet")], [table])
    second.op("to_csv", [table], [file("out.csv")])
    source = open_source(f"journal:{journal.write()}")
    rows = layout(upstream(source, digest("out.csv", "file"))).rows
    assert {row.gutter for row in rows} == {""}
    assert [row.kind for row in rows if row.kind != "run"] == [
        *("artifact", "operation", "operation"),
        *("artifact", "operation", "operation", "operation", "artifact"),
    ]
    rows = layout(downstream(source, digest("raw.csv", "file"))).rows
    assert {row.kind for row in rows} == {"artifact", "operation", "run"}


def test_a_long_path_keeps_its_end_and_what_stands_after_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    long = {**file("raw.csv"), "uri": "/somewhere" * 12 + "/data/raw.csv"}
    journal.run("a.py").op("to_csv", [long], [file("out.csv")])
    source = open_source(f"journal:{journal.write()}")
    line = drawn(upstream(source, digest("out.csv", "file"))).splitlines()[-1]
    assert line.startswith("◆ …")
    assert line.endswith(f"/data/raw.csv  {digest('raw.csv', 'file')[:17]}  1 kB")
    assert len(line) == 100


def test_a_pipe_gets_no_colour_and_a_terminal_does(lineage: Lineage) -> None:
    assert "\x1b" not in drawn(lineage)
    assert "\x1b[" in drawn(lineage, colour=True)


def test_a_terminal_without_unicode_gets_ascii(lineage: Lineage) -> None:
    text = drawn(lineage, encoding="ascii")
    assert "* /data/delays.csv" in text
    assert "|-o pandas.read_csv" in text


def test_names_cannot_act_on_the_terminal() -> None:
    assert clean("a\x1b[31mb\nc\u202ed\x9b") == r"a\x1b[31mb\nc\u202ed\x9b"
    assert clean("Größe 列") == "Größe 列"


TEXT = st.text(max_size=40)


@settings(max_examples=60, deadline=None)
@given(name=TEXT, parameter=TEXT, value=TEXT, reason=TEXT, width=st.integers(40, 100))
def test_any_names_fit_and_stay_on_their_line(
    name: str, parameter: str, value: str, reason: str, width: int
) -> None:
    artifact = Artifact(digest("a", "file"), "file", name=name, uri=name or None, rows=10**9)
    operation = Operation(
        trace_id="1" * 32,
        span_id="2" * 16,
        name=name,
        kind="write",
        status="ok",
        start=0,
        end=0,
        service=name,
        run=f"{'1' * 32}-{'3' * 16}",
        code=Code(revision=name, file=name, line=3, dirty=True),
        parameters={parameter: value, "other": value * 3},
        given=(parameter, "other"),
        generated=(Usage("return", artifact),),
    )
    lineage = Lineage(
        target=artifact.id,
        direction="upstream",
        artifacts=(artifact,),
        operations=(operation,),
        edges=(Edge(operation.id, artifact.id, "generated"),),
        makers={("", artifact.id): operation.id},
        gaps=(Gap(reason, artifact=artifact.id),),
    )
    lines = drawn(lineage, width).split("\n")
    assert max(cell_len(line) for line in lines) <= width
    assert all(clean(line) == line for line in lines)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_node_of_any_graph_stands_once_and_columns_stay_few(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 40))
    operations, artifacts, edges = [], [], []
    for number in range(count):
        id_ = f"{hex_id('t', 32)}-{number:016x}"
        artifact = Artifact(f"derived:{number:064x}", "table")
        used = data.draw(st.sets(st.integers(0, number), max_size=3)) if number else set()
        edges += [Edge(artifacts[n].id, id_, "used") for n in used if n < number]
        edges.append(Edge(id_, artifact.id, "generated"))
        artifacts.append(artifact)
        operations.append(
            Operation(
                trace_id=hex_id("t", 32),
                span_id=f"{number:016x}",
                name=f"op{number}",
                kind="transform",
                status="ok",
                start=number,
                end=number,
                service="s",
                used=tuple(Usage("x", artifacts[n]) for n in used if n < number),
                generated=(Usage("return", artifact),),
            )
        )
    lineage = Lineage(
        target="trace:" + hex_id("t", 32),
        direction="upstream",
        artifacts=tuple(artifacts),
        operations=tuple(operations),
        edges=tuple(edges),
        makers={
            (edge.target, edge.source): f"{hex_id('t', 32)}-{edge.source[-16:]}"
            for edge in edges
            if edge.relation == "used"
        },
    )
    rows = layout(lineage).rows
    placed = [row.id for row in rows if row.kind == "operation"]
    assert sorted(placed) == sorted(one.id for one in operations)
    assert max(len(row.gutter) for row in rows) <= 2 * (2 * count).bit_length()


def called(run: Recorder, number: int, *more: dict[str, Any], **known: Any) -> None:
    """Record one call of a loop: it makes a table of the table before, and perhaps of more."""
    used, made = [art(f"t{number}"), *more], [art(f"t{number + 1}")]
    run.op("pandas.assign", used, made, key=f"call {number}", code__line__number=9, **known)


def looped(tmp_path: Path, calls: int, *, direction: str = "upstream") -> Lineage:
    """A table that one line of code changes again and again, read and written once."""
    run = Journal(tmp_path / "journal").run("loop.py")
    run.op("read_csv", [file("raw.csv")], [art("t0")])
    for number in range(calls):
        called(run, number, given={"axis": 1, "step": number})
    run.op("to_csv", [art(f"t{calls}")], [file("out.csv")])
    source = open_source(f"journal:{run.journal.write()}")
    if direction == "downstream":
        return downstream(source, digest("raw.csv", "file"))
    return upstream(source, digest("out.csv", "file"))


def operations_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if "● " in line]


@pytest.mark.parametrize("direction", ["upstream", "downstream"])
def test_calls_from_one_line_in_a_row_are_one_line(tmp_path: Path, direction: str) -> None:
    lineage = looped(tmp_path, 1234, direction=direction)
    assert len(lineage.operations) == 1236
    lines = operations_of(drawn(lineage))
    assert len(lines) == 3
    assert lines[1].startswith("● pandas.assign  1,234 times  axis=1")
    assert "step" not in lines[1]  # it changed
    assert "loop.py:9" in lines[1]


def test_three_calls_from_one_line_are_told_one_by_one(tmp_path: Path) -> None:
    lines = operations_of(drawn(looped(tmp_path, 3)))
    assert len(lines) == 5
    assert not any("times" in line for line in lines)
    assert "step=2" in lines[1]


def test_what_several_calls_of_a_fold_stand_for_is_added_up(tmp_path: Path) -> None:
    lineage = looped(tmp_path, 6)
    windows = tuple(
        replace(one, calls=100, dropped=40) if one.name == "pandas.assign" else one
        for one in lineage.operations
    )
    gaps = [Gap(left_out(one.dropped), operation=one.id) for one in windows if one.dropped]
    other = Gap("something else", operation=gaps[0].operation)
    text = drawn(replace(lineage, operations=windows, gaps=(other, *gaps)))
    assert "● pandas.assign  600 times" in text
    assert "⚠ 2 gaps:" in text
    assert "pandas.assign (loop.py:9): something else" in text
    assert text.count("left out of its record") == 1
    assert "240 artifacts were left out of its record for a limit" in text


def test_what_branches_off_or_is_used_elsewhere_ends_a_fold(tmp_path: Path) -> None:
    run = Journal(tmp_path / "journal").run("loop.py")
    run.op("read_csv", [file("raw.csv")], [art("t0")])
    for number in range(12):
        called(run, number)
    run.op("concat", [art("t12"), art("t6")], [art("all")])
    run.op("to_csv", [art("all")], [file("out.csv")])
    source = open_source(f"journal:{run.journal.write()}")
    lines = operations_of(drawn(upstream(source, digest("out.csv", "file"))))
    assert [line.split("  ")[:2] for line in lines if "assign" in line] == [
        ["├─● pandas.assign", "6 times"],
        ["● pandas.assign", f"→ {digest('t6')[:20]}"],
        ["● pandas.assign", "5 times"],
    ]


def test_calls_that_each_have_a_further_input_are_told_one_by_one(tmp_path: Path) -> None:
    run = Journal(tmp_path / "journal").run("loop.py")
    run.op("read_csv", [file("raw.csv")], [art("t0")])
    for number in range(6):
        raw, more = file(f"more{number}.csv"), art(f"more{number}")
        run.op("read_csv", [raw], [more], key=f"read {number}", code__line__number=8)
        called(run, number, more)
    run.op("to_csv", [art("t6")], [file("out.csv")])
    source = open_source(f"journal:{run.journal.write()}")
    text = drawn(upstream(source, digest("out.csv", "file")))
    assert len(operations_of(text)) == 14
    assert "times" not in text


def test_a_call_that_something_branches_off_from_is_not_in_the_fold_above_it(
    tmp_path: Path,
) -> None:
    run = Journal(tmp_path / "journal").run("loop.py")
    run.op("read_csv", [file("raw.csv")], [art("t0")])
    run.op("read_csv", [file("more.csv")], [art("more")], key="read more")
    called(run, 0, art("more"))
    for number in range(1, 6):
        called(run, number)
    run.op("to_csv", [art("t6")], [file("out.csv")])
    source = open_source(f"journal:{run.journal.write()}")
    rows = drawn(upstream(source, digest("out.csv", "file"))).splitlines()
    lines = [line.split("  ")[:2] for line in rows if "assign" in line]
    assert [one[0] for one in lines] == ["● pandas.assign"] * 2
    assert lines[0][1] == "5 times"

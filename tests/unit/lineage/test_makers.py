"""Which of several makers of the same content an input came from."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.lineage.recorded import START, Journal, art, digest, file

from otelprov.lineage.graph import Lineage
from otelprov.lineage.sources import open_source
from otelprov.lineage.walk import upstream

SECOND = 1_000_000_000


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def makers(journal: Journal, target: str = "out.csv") -> set[str]:
    """The names of the operations in the lineage of a file, but for the last."""
    names = {one.name for one in lineage(journal, target).operations}
    return names - {"to_csv"}


def lineage(journal: Journal, target: str = "out.csv") -> Lineage:
    return upstream(open_source(f"journal:{journal.write()}"), digest(target, "file"))


def at(seconds: float) -> dict[str, int]:
    start = START + int(seconds * SECOND)
    return {"start": start, "end": start + SECOND // 2}


def test_a_link_leads_to_exactly_the_linked_operation(journal: Journal) -> None:
    first = journal.run("one.py").op("first", [], [file("a.csv")], **at(1))
    journal.run("two.py").op("second", [], [file("a.csv")], **at(2))
    links = [(digest("a.csv", "file"), first)]
    journal.run("use.py").op("to_csv", [file("a.csv")], [file("out.csv")], links=links, **at(5))
    assert makers(journal) == {"first"}


def test_the_same_run_comes_before_other_runs(journal: Journal) -> None:
    run = journal.run("use.py")
    run.op("own", [file("raw.csv")], [art("t")], **at(1))
    journal.run("other.py").op("other", [file("raw.csv")], [art("t")], **at(2))
    run.op("to_csv", [art("t")], [file("out.csv")], **at(5))
    assert makers(journal) == {"own"}


def test_the_same_trace_comes_before_other_traces(journal: Journal) -> None:
    journal.run("parent.py", trace="shared").op("parent", [], [art("t")], **at(1))
    journal.run("other.py").op("other", [], [art("t")], **at(2))
    child = journal.run("child.py", trace="shared")
    child.op("to_csv", [art("t")], [file("out.csv")], **at(5))
    assert makers(journal) == {"parent"}


def test_the_same_place_comes_before_a_copy(journal: Journal) -> None:
    journal.run("one.py").op("here", [], [file("a.csv")], **at(1))
    copy = {**file("a.csv"), "uri": "/elsewhere/a.csv"}
    journal.run("two.py").op("there", [], [copy], **at(2))
    journal.run("use.py").op("to_csv", [file("a.csv")], [file("out.csv")], **at(5))
    assert makers(journal) == {"here"}


def test_of_equal_makers_the_latest_before_the_use_is_taken(journal: Journal) -> None:
    for number in (1, 2, 8):
        journal.run(f"{number}.py").op(f"run{number}", [], [file("a.csv")], **at(number))
    journal.run("use.py").op("to_csv", [file("a.csv")], [file("out.csv")], **at(5))
    assert makers(journal) == {"run2"}
    assert lineage(journal).others == {digest("a.csv", "file"): 2}


def test_when_clocks_differ_the_earliest_later_maker_is_taken(journal: Journal) -> None:
    for number in (8, 9):
        journal.run(f"{number}.py").op(f"run{number}", [], [file("a.csv")], **at(number))
    journal.run("use.py").op("to_csv", [file("a.csv")], [file("out.csv")], **at(5))
    assert makers(journal) == {"run8"}


def test_the_latest_maker_of_the_target_is_taken(journal: Journal) -> None:
    for number in (1, 2):
        run = journal.run(f"{number}.py")
        run.op(f"to_csv{number}", [file(f"raw{number}.csv")], [file("out.csv")], **at(number))
    found = lineage(journal)
    assert [one.name for one in found.operations] == ["to_csv2"]
    assert found.others == {digest("out.csv", "file"): 1}


def test_an_operation_around_another_one_does_not_hide_what_happened_inside(
    journal: Journal,
) -> None:
    run = journal.run("a.py")
    run.op("read_csv", [file("raw.csv")], [art("t", "table")], **at(2))
    load = {"start": START + SECOND, "end": START + 4 * SECOND}
    run.op("load", [], [art("t", "table")], kind="task", **load)
    run.op("to_csv", [art("t", "table")], [file("out.csv")], **at(5))
    assert makers(journal) == {"read_csv"}


def test_what_a_task_reads_inside_itself_is_found(journal: Journal) -> None:
    run = journal.run("a.py")
    journal.run("old.py").op("old", [file("raw.csv")], [art("t", "table")], start=1, end=2)
    run.op("read_csv", [file("raw.csv")], [art("t", "table")], **at(2))
    publish = {"start": START + SECOND, "end": START + 4 * SECOND}
    run.op("publish", [art("t", "table")], [file("out.csv")], kind="task", **publish)
    assert makers(journal) == {"read_csv", "publish"}


def test_an_operation_never_made_its_own_input(journal: Journal) -> None:
    run = journal.run("a.py")
    run.op("inplace", [art("t", "table")], [art("t", "table")])
    run.op("to_csv", [art("t", "table")], [file("out.csv")])
    found = lineage(journal)
    assert {one.name for one in found.operations} == {"inplace", "to_csv"}
    assert len(found.gaps) == 1


@pytest.mark.parametrize("told", [True, False], ids=["links", "links without an id"])
def test_equal_content_that_came_by_two_ways_goes_back_by_both(
    journal: Journal, told: bool
) -> None:
    run = journal.run("a.py")
    first = run.op("first", [file("one.csv")], [art("t", "table")], **at(1))
    second = run.op("second", [file("two.csv")], [art("t", "table")], **at(2))
    run.op("third", [], [art("t", "table")], **at(3))
    gone = run.id("gone")
    used = [art("t", "table", maker=maker) for maker in (first, second, gone)]
    id_ = digest("t", "table")
    links = [(id_ if told else "", maker) for maker in (first, second, gone)]
    run.op("to_csv", used, [file("out.csv")], links=links, **at(5))
    assert makers(journal) == {"first", "second"}
    assert lineage(journal).others == {id_: 1}
    (gap,) = lineage(journal).gaps
    assert gone in gap.reason and gap.artifact == id_

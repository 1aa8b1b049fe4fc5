"""Which contents each derivation had: what is compared with what, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unit.lineage.recorded import Journal, art, digest, file

from otelprov.journal import derivations
from otelprov.journal.derivations import Scope, Totals
from otelprov.journal.index import JournalIndex
from otelprov.lineage import determinism
from otelprov.lineage.determinism import Report
from otelprov.lineage.sources.journal import JournalSource

ALL = Scope()


def of(name: str, content: str | None = None, **known: Any) -> dict[str, Any]:
    """A derivation, with a content if that is known."""
    return art(name, content_id=digest(content, "table"), **known) if content else art(name)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def index(journal: Journal) -> JournalIndex:
    return JournalIndex(journal.write())


def check(journal: Journal, scope: Scope = ALL) -> Report:
    return determinism.check(JournalSource(journal.write()), scope)


def found(report: Report) -> list[tuple[str | None, bool]]:
    return [(one.operation and one.operation.name, one.root) for one in report.findings]


def once(journal: Journal, run: str, content: str) -> None:
    recorder = journal.run(run)
    recorder.op("pandas.read_csv", [file("raw.csv")], [art("raw", "table")], kind="read")
    recorder.op("pandas.sample", [art("raw", "table")], [of("some", content, rows=5)])
    recorder.op("pandas.sort_values", [of("some", content)], [of("sorted", f"sorted {content}")])
    recorder.op("pandas.query", [art("raw", "table")], [of("large", "large")])
    recorder.end()


def test_one_derivation_with_two_contents_is_found(journal: Journal) -> None:
    once(journal, "a.py", "one")
    once(journal, "b.py", "other")
    report = check(journal)
    assert found(report) == [("pandas.sample", True), ("pandas.sort_values", False)]
    sample, ordered = report.findings
    assert sample.proven
    assert (ordered.proven, ordered.causes) == (False, (sample.id,))
    assert report.after(sample) == [ordered]
    assert [one.id for one in sample.contents] == [digest("one", "table"), digest("other", "table")]
    assert [one.artifact and one.artifact.rows for one in sample.contents] == [5, 5]
    assert report.totals == Totals(compared=3, differing=2, once=0, unclear=0, unknown=0)


def test_equal_contents_are_no_finding_and_are_counted(journal: Journal) -> None:
    once(journal, "a.py", "one")
    once(journal, "b.py", "one")
    report = check(journal)
    assert report.verdict == "none found"
    assert report.totals.compared == 3


def test_what_was_made_once_cannot_be_compared(journal: Journal) -> None:
    once(journal, "a.py", "one")
    report = check(journal)
    assert report.verdict == "nothing to compare"
    assert report.totals == Totals(compared=0, differing=0, once=3, unclear=0, unknown=0)


def test_a_step_taken_twice_in_one_run_is_compared_too(journal: Journal) -> None:
    run = journal.run("a.py")
    for content in ("one", "other", "one"):
        run.op("pandas.sample", [art("raw", "table")], [of("some", content)], key=f"{run.count}")
    run.end()
    (sample,) = check(journal).findings
    assert [(one.times, one.id) for one in sample.contents] == [
        (2, digest("one", "table")),
        (1, digest("other", "table")),
    ]


def written(journal: Journal, run: str, *contents: str) -> None:
    """A derivation whose content is known of its writing only, as in the tier essential."""
    recorder = journal.run(run)
    maker = recorder.op("pandas.sample", [art("raw", "table")], [of("some")])
    for content in contents:
        recorder.op(
            "pandas.to_csv",
            [of("some", content, maker=maker)],
            [file(f"{content}.csv", content_id=digest(content, "table"))],
            kind="write",
            key=content,
        )
    recorder.end()


def test_contents_are_known_of_what_was_written_as_it_was(journal: Journal) -> None:
    written(journal, "a.py", "one")
    written(journal, "b.py", "other")
    (sample,) = check(journal).findings
    assert (sample.stage, sample.root) == ("written", True)
    assert sample.operation is not None
    assert sample.operation.name == "pandas.sample"
    assert [one.files for one in sample.contents] == [("/data/one.csv",), ("/data/other.csv",)]


def test_a_table_that_changed_unseen_between_two_writes_is_not_called_chance(
    journal: Journal,
) -> None:
    written(journal, "a.py", "one", "other")
    written(journal, "b.py", "one", "other")
    report = check(journal)
    assert report.findings == ()
    assert report.totals == Totals(compared=0, differing=0, once=0, unclear=1, unknown=0)


def test_what_was_made_is_not_compared_with_what_was_written_later(journal: Journal) -> None:
    run = journal.run("a.py")
    run.op("pandas.sample", [art("raw", "table")], [of("some", "as made")])
    run.end()
    written(journal, "b.py", "as written")
    report = check(journal)
    assert report.findings == ()
    assert report.totals.once == 1


def test_a_use_says_nothing_about_contents(journal: Journal) -> None:
    """It repeats what was recorded when the table was made."""
    for name, content in (("a.py", "one"), ("b.py", "other")):
        run = journal.run(name)
        run.op("pandas.merge", [of("some", content, maker=run.id("x"))], [of("merged")])
        run.end()
    assert check(journal).verdict == "nothing to compare"


def test_a_step_that_differs_by_itself_is_a_root_also_after_another(journal: Journal) -> None:
    for name, first, second in (("a", "1", "x"), ("b", "1", "y"), ("c", "2", "z")):
        run = journal.run(name)
        run.op("pandas.sample", [art("raw", "table")], [of("some", first)])
        run.op("pandas.assign", [of("some", first)], [of("timed", second)])
        run.end()
    report = check(journal)
    assert found(report) == [("pandas.sample", True), ("pandas.assign", True)]
    assert report.findings[1].proven


def test_steps_between_of_unknown_content_hide_no_cause(journal: Journal) -> None:
    for name in "ab":
        run = journal.run(name)
        run.op("pandas.sample", [art("raw", "table")], [of("some", name)])
        run.op("pandas.rename", [of("some", name)], [of("renamed")])
        run.op("pandas.sort_values", [of("renamed")], [of("sorted", f"sorted {name}")])
        run.end()
    report = check(journal)
    assert found(report) == [("pandas.sample", True), ("pandas.sort_values", False)]
    assert report.findings[1].causes == (report.findings[0].id,)


def test_a_step_of_one_content_is_not_on_the_way_of_chance(journal: Journal) -> None:
    for name in "ab":
        run = journal.run(name)
        run.op("pandas.sample", [art("raw", "table")], [of("some", name)])
        run.op("pandas.describe", [of("some", name)], [of("described", "always the same")])
        # What is known by name only keeps the step from being proven by what it used.
        used = [of("described", "always the same"), art("database", "resource")]
        run.op("pandas.assign", used, [of("timed", f"at {name}")])
        run.end()
    report = check(journal)
    assert found(report) == [("pandas.sample", True), ("pandas.assign", True)]
    assert (report.findings[1].proven, report.findings[1].causes) == (False, ())


def test_where_contents_before_are_unknown_it_may_begin_there(journal: Journal) -> None:
    for name in "ab":
        run = journal.run(name)
        run.op("pandas.sample", [art("raw", "table")], [of("some")])
        run.op("pandas.sort_values", [of("some")], [of("sorted", name)])
        run.end()
    (ordered,) = check(journal).findings
    assert (ordered.root, ordered.proven, ordered.unseen) == (True, False, 1)
    assert [one.name for one in ordered.before] == ["pandas.sample"]


def test_a_scope_is_a_run_a_time_or_some_ids(journal: Journal) -> None:
    once(journal, "a.py", "one")
    middle = journal.clock + 1
    once(journal, "b.py", "other")
    other = journal.run("c.py")
    other.op("pandas.merge", [art("raw", "table")], [of("merged", "merged")])
    other.end()
    assert len(check(journal, Scope(run=other.run_id)).findings) == 0
    assert check(journal, Scope(run=other.run_id)).totals.once == 1
    run = f"{journal.lines['b.py'][0]['resourceSpans'][0]['scopeSpans'][0]['spans'][0]['traceId']}-"
    (its,) = index(journal).runs_beginning(run, 5)
    assert len(check(journal, Scope(run=its)).findings) == 2
    assert check(journal, Scope(since=middle)).verdict == "nothing to compare"
    some = frozenset([digest("large"), digest("some")])
    assert found(check(journal, Scope(artifacts=some))) == [("pandas.sample", True)]
    assert check(journal, Scope(artifacts=frozenset())).totals == Totals(0, 0, 0, 0, 0)


def test_more_ids_than_sqlite_takes_at_once_are_asked_for(journal: Journal) -> None:
    once(journal, "a.py", "one")
    once(journal, "b.py", "other")
    many = frozenset([digest("some"), *(digest(str(number)) for number in range(2500))])
    assert len(check(journal, Scope(artifacts=many)).findings) == 1
    makers = [f"{'0' * 32}-{number:016x}" for number in range(1000)]
    assert len(derivations.contents_used(index(journal), makers)) == 1000


def test_an_index_of_an_older_version_is_built_again(journal: Journal) -> None:
    import sqlite3

    once(journal, "a.py", "one")
    once(journal, "b.py", "other")
    directory = journal.write()
    JournalIndex(directory)
    with sqlite3.connect(directory / "index.sqlite") as database:
        database.execute("DROP TABLE artifacts")
        database.execute("CREATE TABLE artifacts (span, made, artifact, content, uri)")
        database.execute("PRAGMA user_version = 1")
    database.close()
    assert len(check(journal).findings) == 2

"""The index: up to date, rebuilt when damaged, safe for several readers, owner-only."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.lineage.recorded import Journal, art, digest, file, flights, hex_id

from otelprov.journal import reader
from otelprov.journal.index import JournalIndex

CLEAN = digest("clean.parquet", "file")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = flights(tmp_path / "journal")
    made.write()
    return made


def makers(index: JournalIndex, artifact: str = CLEAN) -> list[str]:
    spans = [index.read(place) for place in index.generating([artifact])[artifact]]
    return [span.name for span in spans if span is not None]


def test_an_operation_is_found_by_what_it_made_and_used(journal: Journal) -> None:
    index = JournalIndex(journal.directory)
    assert makers(index) == ["pandas.to_parquet"]
    (place,) = index.using([CLEAN])[CLEAN]
    span = index.read(place)
    assert span is not None
    assert span.name == "pandas.read_parquet"
    assert index.generating(["file:nothing"]) == {"file:nothing": []}


def test_more_ids_than_sqlite_takes_at_once_are_looked_up(journal: Journal) -> None:
    ids = [CLEAN, *(digest(str(number)) for number in range(2500))]
    found = JournalIndex(journal.directory).generating(ids)
    assert len(found) == 2501
    assert len(found[CLEAN]) == 1


def test_ids_are_completed_with_and_without_their_kind(journal: Journal) -> None:
    index = JournalIndex(journal.directory)
    assert index.beginning(CLEAN[:12], 5) == [CLEAN]
    assert index.beginning(CLEAN[5:12], 5) == [CLEAN]
    # One digest under two kinds: the derived table, and its content.
    both = [digest("merged", "derived"), digest("merged", "table")]
    assert index.beginning(both[0].partition(":")[2], 5) == both
    assert index.beginning("file:", 2) == sorted(index.beginning("file:", 99))[:2]
    assert index.holding(both[1]) == [both[0]]


def test_traces_places_and_runs_are_found(journal: Journal) -> None:
    index = JournalIndex(journal.directory)
    assert len(index.trace(hex_id("trace ingest.py", 32))) == 6
    assert index.at(["/data/clean.parquet"]) == [CLEAN]
    runs = index.runs(10)
    assert [(run.operations, run.place is not None) for run in runs] == [(5, True), (3, True)]
    assert index.operations_of(runs[0].run) == 5
    assert index.totals().spans == 10


def test_what_is_appended_is_read_from_there(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    JournalIndex(journal.directory)
    path = journal.file("report.py")
    size = path.stat().st_size
    line = path.read_text().splitlines()[0]
    with path.open("a") as more:
        more.write(line.replace(CLEAN, digest("appended", "file")) + "\n")
    asked = []
    read = reader.lines

    def spy(path: Path, offset: int = 0, number: int = 0) -> Iterator[reader.Line]:
        asked.append((path.name, offset, number))
        return read(path, offset, number)

    monkeypatch.setattr(reader, "lines", spy)
    index = JournalIndex(journal.directory)
    assert asked == [("report.py.jsonl", size, 4)]
    assert len(index.using([digest("appended", "file")])[digest("appended", "file")]) == 1
    asked.clear()
    JournalIndex(journal.directory)
    assert asked == []


def test_a_deleted_file_is_forgotten(journal: Journal) -> None:
    assert makers(JournalIndex(journal.directory)) == ["pandas.to_parquet"]
    journal.file("ingest.py").unlink()
    index = JournalIndex(journal.directory)
    assert makers(index) == []
    assert index.totals().files == 1
    assert index.beginning(digest("flights.csv", "file"), 5) == []


def test_another_file_under_the_same_name_replaces_the_first(journal: Journal) -> None:
    JournalIndex(journal.directory)
    path = journal.file("ingest.py")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2]))
    assert makers(JournalIndex(journal.directory)) == []
    path.write_text("".join(lines[::-1]))
    assert makers(JournalIndex(journal.directory)) == ["pandas.to_parquet"]
    # Longer than before and begun otherwise: the inode alone does not tell.
    path.write_text("\n" + "".join(lines) * 2)
    index = JournalIndex(journal.directory)
    assert makers(index) == ["pandas.to_parquet"]
    assert index.totals().spans == 16


def test_a_file_changed_in_its_middle_is_read_again(journal: Journal) -> None:
    JournalIndex(journal.directory)
    path = journal.file("ingest.py")
    data = path.read_text()
    path.write_text(data.replace(CLEAN, digest("other", "file")))
    assert path.stat().st_size == len(data)
    assert makers(JournalIndex(journal.directory)) == []


def test_damaged_lines_are_told_by_file_and_line_and_passed_over(journal: Journal) -> None:
    path = journal.file("ingest.py")
    lines = path.read_text().splitlines(keepends=True)
    lines[1:2] = ["garbage\n", "\n", '{"resourceMetrics":[]}\n']
    path.write_text("".join(lines) + lines[0][:100])
    index = JournalIndex(journal.directory)
    assert [(one.line, one.reason.split(" (")[0]) for one in index.damage()] == [
        (2, "not JSON"),
        (4, "JSON, but not an OTLP request"),
        (9, "the line was not written to its end"),
    ]
    assert str(index.damage()[0]).startswith(f"{path}:2: not JSON")
    assert makers(index) == ["pandas.to_parquet"]
    assert JournalIndex(journal.directory).damage() == index.damage()


def test_a_torn_line_is_read_when_it_was_written_to_its_end(journal: Journal) -> None:
    path = journal.file("ingest.py")
    data = path.read_bytes()
    path.write_bytes(data[:-200])
    torn = JournalIndex(journal.directory)
    assert [one.line for one in torn.damage()] == [6]
    before = torn.totals().spans
    with path.open("ab") as more:
        more.write(data[-200:])
    whole = JournalIndex(journal.directory)
    assert whole.damage() == []
    assert whole.totals().spans == before + 1


def test_a_file_that_cannot_be_read_is_told(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = reader.lines

    def refuse(path: Path, offset: int = 0, number: int = 0) -> Iterator[reader.Line]:
        if path.name == "ingest.py.jsonl":
            raise PermissionError(13, "Permission denied")
        return read(path, offset, number)

    monkeypatch.setattr(reader, "lines", refuse)
    index = JournalIndex(journal.directory)
    path = journal.file("ingest.py")
    assert [str(one) for one in index.damage()] == [f"{path}: cannot be read: Permission denied"]
    assert makers(index, digest("delays.csv", "file")) == ["pandas.to_csv"]


def test_spans_of_other_libraries_are_counted_and_otherwise_ignored(journal: Journal) -> None:
    line = json.loads(journal.file("ingest.py").read_text().splitlines()[0])
    span = line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span["attributes"] = []
    span["spanId"] = "f" * 16
    with journal.file("ingest.py").open("a") as more:
        more.write(json.dumps(line) + "\n")
    index = JournalIndex(journal.directory)
    assert index.damage() == []
    assert index.totals().spans == 11
    assert index.span(span["traceId"], "f" * 16) is None


def test_of_an_operation_begun_and_ended_only_the_end_counts(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    run = journal.run("a.py")
    run.op("train", [art("t")], [file("model.bin")])
    begun = json.loads(json.dumps(journal.lines["a.py"][0]))
    span = begun["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span["endTimeUnixNano"] = "0"
    span["events"] = [one for one in span["events"] if one["name"] == "otelprov.used"]
    for lines in ([begun, *journal.lines["a.py"]], [*journal.lines["a.py"], begun]):
        journal.lines["a.py"] = lines
        index = JournalIndex(journal.write())
        assert len(index.trace(run.trace_id)) == 1
        assert len(index.using([digest("t")])[digest("t")]) == 1
        (place,) = index.trace(run.trace_id)
        ended = index.read(place)
        assert ended is not None
        assert ended.end > 0
        journal.lines["a.py"] = [one for one in lines if one is not begun]


@pytest.mark.parametrize("damage", ["garbage", "empty", "truncated", "another", "version", "page"])
def test_a_damaged_index_is_built_anew(journal: Journal, damage: str) -> None:
    JournalIndex(journal.directory)
    path = journal.directory / "index.sqlite"
    data = path.read_bytes()
    if damage == "garbage":
        path.write_bytes(b"this is no database" * 500)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "another":
        path.unlink()
        other = sqlite3.connect(path)
        other.execute("CREATE TABLE files (x)")
        other.execute("PRAGMA user_version = 1")
        other.commit()
        other.close()
    elif damage == "version":
        other = sqlite3.connect(path)
        other.execute("DELETE FROM spans")
        other.execute("PRAGMA user_version = 77")
        other.commit()
        other.close()
    else:
        # Everything but the first page: what the update reads may still look sound.
        path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    assert makers(JournalIndex(journal.directory)) == ["pandas.to_parquet"]
    assert makers(JournalIndex(journal.directory)) == ["pandas.to_parquet"]


def test_damage_where_the_update_does_not_look_is_repaired_when_asked(journal: Journal) -> None:
    index = JournalIndex(journal.directory)
    path = journal.directory / "index.sqlite"
    database = sqlite3.connect(path)
    (root,) = database.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'artifacts_id'"
    ).fetchone()
    (size,) = database.execute("PRAGMA page_size").fetchone()
    database.close()
    with path.open("r+b") as raw:
        raw.seek((root - 1) * size)
        raw.write(b"\xff" * size)
    assert makers(index) == ["pandas.to_parquet"]


def test_the_index_is_readable_by_its_owner_only(journal: Journal) -> None:
    JournalIndex(journal.directory)
    for name in ("index.sqlite", "index.lock"):
        mode = (journal.directory / name).stat().st_mode
        assert stat.S_IMODE(mode) == 0o600, name


def test_where_no_index_can_be_kept_it_is_built_in_memory(journal: Journal) -> None:
    # Stands for a read-only directory, which the superuser could write all the same.
    (journal.directory / "index.lock").mkdir()
    assert makers(JournalIndex(journal.directory)) == ["pandas.to_parquet"]
    assert not (journal.directory / "index.sqlite").exists()


def test_a_file_that_changed_since_it_was_indexed_gives_nothing_wrong(journal: Journal) -> None:
    index = JournalIndex(journal.directory)
    (place,) = index.generating([CLEAN])[CLEAN]
    path = journal.file("ingest.py")
    path.write_text("x" * path.stat().st_size)
    assert index.read(place) is None
    path.unlink()
    assert index.read(place) is None


PROBE = """
import sys, time
from pathlib import Path
from otelprov.journal.index import JournalIndex
while time.time() < float(sys.argv[2]):
    pass
for _ in range(int(sys.argv[3])):
    print(len(JournalIndex(Path(sys.argv[1])).generating(sys.argv[4:])[sys.argv[4]]))
"""


@pytest.mark.parametrize("state", ["new", "damaged"])
def test_several_processes_can_open_the_index_at_once(journal: Journal, state: str) -> None:
    import time

    if state == "damaged":
        (journal.directory / "index.sqlite").write_bytes(b"no database" * 1000)
    start = str(time.time() + 1)
    command = [sys.executable, "-c", PROBE, str(journal.directory), start, "5", CLEAN]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    readers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) for _ in range(4)
    ]
    assert [one.communicate(timeout=60)[0].split() for one in readers] == [["1"] * 5] * 4
    assert makers(JournalIndex(journal.directory)) == ["pandas.to_parquet"]


def test_operations_are_found_by_name_and_time(journal: Journal) -> None:
    index = JournalIndex(journal.directory)

    def found(since: int | None = None, until: int | None = None, limit: int = 9) -> list[int]:
        places = index.named("pandas.read_csv", since, until, limit)
        return [span.start for span in map(index.read, places) if span is not None]

    starts = found()
    assert len(starts) == 3
    assert starts == sorted(starts, reverse=True)
    assert found(limit=1) == starts[:1]
    assert found(since=starts[1]) == starts[:2]
    assert found(until=starts[1]) == starts[2:]
    assert index.named("pandas.melt", None, None, 9) == []


def test_a_binary_file_and_a_line_without_end_stop_nobody(journal: Journal) -> None:
    noise = journal.directory / "20260101T000000-1-00000000.jsonl"
    noise.write_bytes(bytes(range(256)) * 500)
    long = journal.directory / "20260101T000000-1-00000001.jsonl"
    long.write_bytes(b"x" * (reader.LONGEST + 10) + b"\n" + journal.file("ingest.py").read_bytes())
    index = JournalIndex(journal.directory)
    assert makers(index) == ["pandas.to_parquet"] * 1
    reasons = {(one.file.name, one.line, one.reason.split(" (")[0]) for one in index.damage()}
    assert (long.name, 1, "the line is longer than 16 MiB") in reasons
    assert {name for name, *_ in reasons} == {noise.name, long.name}
    # What is appended after such a line is read from there.
    with long.open("ab") as more:
        more.write(b"{}\n")
    assert (long.name, 8) in {
        (one.file.name, one.line) for one in JournalIndex(journal.directory).damage()
    }


def test_segments_that_are_deleted_while_they_are_listed_or_read_are_no_damage(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = reader.files(journal.directory)
    first = JournalIndex(journal.directory)
    (place,) = first.generating([CLEAN])[CLEAN]
    assert first.read(place) is not None
    journal.file("ingest.py").unlink()
    # It is open: what was asked for can still be read to its end.
    assert first.read(place) is not None
    monkeypatch.setattr(reader, "files", lambda directory: listed)
    index = JournalIndex(journal.directory)
    assert index.damage() == []
    assert index.totals().files == 1
    assert index.generating([CLEAN]) == {CLEAN: []}


def test_ancestors_are_found_in_one_question(journal: Journal) -> None:
    index = JournalIndex(journal.directory)
    places = index.ancestors([digest("delays.csv", "file")], 100)
    found = list(places)
    assert found[:2] == [digest("delays.csv", "file"), digest("delays")]
    assert set(found[2:]) == {
        digest("merged", "table"),
        CLEAN,
        digest("merged"),
        digest("flights", "table"),
        digest("airlines", "table"),
        digest("flights.csv", "file"),
        digest("airlines.csv", "file"),
    }
    assert len(index.ancestors([digest("delays.csv", "file")], 3)) == 3


def test_a_question_sees_what_another_reader_found_meanwhile(journal: Journal) -> None:
    index = JournalIndex(journal.directory)
    assert index.using([digest("new", "file")])[digest("new", "file")] == []
    path = journal.file("report.py")
    line = path.read_text().splitlines()[0].replace(CLEAN, digest("new", "file"))
    with path.open("a") as more:
        more.write(line + "\n")
    JournalIndex(journal.directory)
    assert len(index.using([digest("new", "file")])[digest("new", "file")]) == 1
    # And it is not put off when the index is thrown away under it.
    (journal.directory / "index.sqlite").unlink()
    assert len(index.using([digest("new", "file")])[digest("new", "file")]) == 1


def test_what_was_superseded_counts_again_when_the_end_is_deleted(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    run = journal.run("a.py")
    run.op("train", [art("t")], [file("model.bin")])
    begun = json.loads(json.dumps(journal.lines["a.py"][0]))
    span = begun["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span["endTimeUnixNano"] = "0"
    journal.lines["begun"] = [begun]
    (place,) = JournalIndex(journal.write()).trace(run.trace_id)
    assert place.file == "a.py.jsonl"
    journal.file("a.py").unlink()
    (place,) = JournalIndex(tmp_path).trace(run.trace_id)
    assert place.file == "begun.jsonl"
    # And when the end is there once more, found by an update and not at the first filling.
    journal.write()
    assert [one.file for one in JournalIndex(tmp_path).trace(run.trace_id)] == ["a.py.jsonl"]


def test_a_run_begins_with_its_first_line_and_is_forgotten_with_its_last_file(
    journal: Journal,
) -> None:
    ingest, report = JournalIndex(journal.directory).runs(9)
    assert (ingest.operations, report.operations) == (5, 3)
    path = journal.file("ingest.py")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[1:-1]))  # without its first operation and its run span
    later = next(one for one in JournalIndex(journal.directory).runs(9) if one.run == ingest.run)
    assert later.started > ingest.started
    assert (later.operations, later.place) == (4, None)
    with path.open("a") as more:
        more.write(lines[0])
    appended = next(one for one in JournalIndex(journal.directory).runs(9) if one.run == ingest.run)
    assert ingest.started < appended.started < later.started
    path.unlink()
    assert JournalIndex(journal.directory).runs(9) == [report]
    path.write_text("".join(lines))
    assert JournalIndex(journal.directory).runs(9) == [ingest, report]


def test_runs_are_found_by_an_operation_that_they_carried_out(journal: Journal) -> None:
    index = JournalIndex(journal.directory)
    ingest, report = index.runs(9)
    assert index.runs(9, operation="pandas.to_csv") == [report]
    assert index.runs(9, operation="pandas.to_parquet") == [ingest]
    assert index.runs(9, operation="pandas.melt") == []
    assert index.runs(9, since=ingest.started + 1) == []


def test_what_was_cut_is_added_up_as_the_journal_grows_and_shrinks(journal: Journal) -> None:
    def cut() -> dict[str, tuple[int, int]]:
        return {
            one.attribute.removeprefix("otelprov."): (one.spans, one.number)
            for one in JournalIndex(journal.directory).cut()
        }

    assert cut() == {}
    first, second = journal.run("first.py"), journal.run("second.py")
    first.op("pandas.concat", [art("a")], [art("b")], **{"otelprov.dropped.used": 5})
    journal.write()
    assert cut() == {"dropped.used": (1, 5)}
    first.op("pandas.concat", [art("a")], [art("c")], key="2", **{"otelprov.dropped.used": 2})
    second.op("f", [art("a")], [art("d")], **{"otelprov.repeated.count": 400})
    journal.write()
    assert cut() == {"dropped.used": (2, 7), "repeated.count": (1, 400)}
    assert cut() == {"dropped.used": (2, 7), "repeated.count": (1, 400)}
    journal.file("first.py").unlink()
    assert cut() == {"repeated.count": (1, 400)}

"""The bound on disk: the oldest closed segments go first, and what went is written down."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from segments import line, numbers

from otelprov.journal import retention
from otelprov.journal.retention import pruned, sweep
from otelprov.journal.writer import JournalWriter


def segment(directory: Path, name: str, *which: int, size: int = 200) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / f"{name}.jsonl"
    path.write_bytes(b"".join(line(number, size) for number in which))
    return path


def total(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.glob("*.jsonl"))


def test_the_journal_stays_within_its_limit_and_says_what_it_deleted(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment=1 << 16, limit=1 << 20)
    size = 0
    for number in range(3000):
        data = line(number, 1000)
        size += len(data)
        assert writer.append(data)
        assert total(tmp_path) <= (1 << 20) + (1 << 16)
    assert size > 2 << 20
    kept = sorted(numbers(tmp_path))
    gone = pruned(tmp_path)
    assert kept == list(range(3000 - len(kept), 3000))
    assert gone.spans == gone.undelivered == 3000 - len(kept)
    assert gone.bytes == size - total(tmp_path)
    assert (gone.start, gone.end) == (1_000_000, 1_000_500 + gone.spans - 1)
    assert gone.segments == len(gone.last) == gone.bytes // (gone.bytes // gone.segments)
    assert gone.complete
    writer.close()


def test_a_segment_is_never_larger_than_an_eighth_of_the_limit(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment=16 << 20, limit=1 << 20)
    for number in range(1000):
        writer.append(line(number, 1000))
    assert all(path.stat().st_size <= 1 << 17 for path in tmp_path.glob("*.jsonl"))
    writer.close()


def test_without_a_limit_nothing_is_deleted(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment=4096, limit=None)
    for number in range(1000):
        writer.append(line(number, 1000))
    writer.close()
    assert sorted(numbers(tmp_path)) == list(range(1000))
    assert not (tmp_path / retention.LEDGER).exists()


def test_an_open_segment_is_never_deleted(tmp_path: Path) -> None:
    with_lock = JournalWriter(tmp_path, limit=None)
    with_lock.append(line(1))
    closed = segment(tmp_path, "20990101T000000-1-00000000", 2)
    sweep(tmp_path, 0)
    assert not closed.exists()
    assert numbers(tmp_path) == [1]
    with_lock.close()
    sweep(tmp_path, 0)
    assert numbers(tmp_path) == []
    assert pruned(tmp_path).spans == 2


def test_what_was_delivered_goes_before_what_was_not(tmp_path: Path) -> None:
    size = len(line(1))
    for day in range(1, 5):
        segment(tmp_path, f"2026010{day}T000000-1-00000000", day)
    asked = []

    def delivered(name: str, size: int) -> bool:
        asked.append((name, size))
        return name.startswith(("20260103", "20260104"))

    sweep(tmp_path, size * 3, delivered=delivered)
    assert numbers(tmp_path) == [1, 2, 4]
    assert asked[0] == ("20260101T000000-1-00000000.jsonl", size)
    sweep(tmp_path, size, delivered=delivered)
    assert numbers(tmp_path) == [2]
    gone = pruned(tmp_path)
    assert [(one.name[:8], one.delivered) for one in gone.last] == [
        ("20260103", True),
        ("20260104", True),
        ("20260101", False),
    ]
    assert (gone.spans, gone.undelivered) == (3, 1)


def test_spans_are_counted_in_a_large_segment_also_across_the_pieces_it_is_read_in(
    tmp_path: Path,
) -> None:
    log = b'{"resourceLogs":[]}\n'
    path = tmp_path / "20260101T000000-1-00000000.jsonl"
    with path.open("wb") as file:
        for number in range(20_000):
            file.write(line(number, 150 + number % 97))
            file.write(log if number % 10 == 0 else b"")
    assert path.stat().st_size > 2 << 20
    sweep(tmp_path, 0)
    gone = pruned(tmp_path)
    assert (gone.spans, gone.start, gone.end) == (20_000, 1_000_000, 1_000_500 + 19_999)


def test_a_segment_written_down_and_not_deleted_is_not_counted_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends between the two."""
    segment(tmp_path, "20260101T000000-1-00000000", 1, 2)
    real = os.unlink

    def killed(path: object) -> None:
        raise OSError("the process is killed")

    monkeypatch.setattr(os, "unlink", killed)
    with pytest.raises(OSError, match="killed"):
        sweep(tmp_path, 0)
    assert pruned(tmp_path).spans == 2
    monkeypatch.setattr(os, "unlink", real)
    sweep(tmp_path, 0)
    assert numbers(tmp_path) == []
    assert (pruned(tmp_path).spans, pruned(tmp_path).segments) == (2, 1)


def test_a_damaged_ledger_is_begun_again_and_says_that_it_is_not_complete(tmp_path: Path) -> None:
    segment(tmp_path, "20260101T000000-1-00000000", 1)
    (tmp_path / retention.LEDGER).write_text('{"segments": 3')
    sweep(tmp_path, 0)
    gone = pruned(tmp_path)
    assert (gone.segments, gone.complete) == (1, False)


def test_the_ledger_is_its_owners_and_names_only_the_last_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_KEPT", 3)
    for day in range(1, 10):
        segment(tmp_path, f"2026010{day}T000000-1-00000000", day)
    sweep(tmp_path, 0)
    ledger = tmp_path / retention.LEDGER
    assert stat.S_IMODE(ledger.stat().st_mode) == 0o600
    found = json.loads(ledger.read_text())
    assert (found["segments"], found["spans"]) == (9, 9)
    assert [one["name"][:8] for one in found["last"]] == ["20260107", "20260108", "20260109"]


def test_several_processes_can_prune_at_once(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from otelprov.journal.writer import JournalWriter
from segments import line
writer = JournalWriter(Path(sys.argv[1]), segment=1 << 14, limit=1 << 18)
first = int(sys.argv[2])
assert all(writer.append(line(first + number, 1000)) for number in range(1000))
writer.close()
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(first)], env=environ)
        for first in (0, 10_000, 20_000)
    ]
    assert [one.wait(timeout=120) for one in processes] == [0, 0, 0]
    sweep(tmp_path, 1 << 18)
    assert total(tmp_path) <= 1 << 18
    assert len(numbers(tmp_path)) + pruned(tmp_path).spans == 3000


def test_a_short_process_prunes_at_its_end_but_not_more_than_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def record() -> None:
        writer = JournalWriter(tmp_path, limit=1 << 16)
        writer.append(line(1))
        writer.close()

    segment(tmp_path, "20200101T000000-1-00000000", *range(100), size=1000)
    record()
    assert numbers(tmp_path) == [1]
    segment(tmp_path, "20200101T000000-1-00000001", *range(100), size=1000)
    record()
    assert len(numbers(tmp_path)) == 102
    os.utime(tmp_path / "pruned.lock", (time.time() - 61,) * 2)
    record()
    assert numbers(tmp_path) == [1, 1, 1]


def test_a_process_that_is_never_ended_prunes_at_its_256th_line(tmp_path: Path) -> None:
    segment(tmp_path, "20200101T000000-1-00000000", *range(100), size=1000)
    writer = JournalWriter(tmp_path, limit=1 << 16)
    for number in range(1000, 1255):
        writer.append(line(number))
    assert 5 in numbers(tmp_path)
    writer.append(line(1255))
    assert sorted(numbers(tmp_path)) == list(range(1000, 1256))
    writer.close()


def test_what_a_process_left_before_its_segment_had_a_name_is_removed_in_time(
    tmp_path: Path,
) -> None:
    left = tmp_path / "20200101T000000-1-00000000.jsonl.new"
    fresh = tmp_path / "20200101T000000-1-00000001.jsonl.new"
    left.touch()
    fresh.touch()
    os.utime(left, (time.time() - 61,) * 2)
    sweep(tmp_path, 1 << 20)
    assert (left.exists(), fresh.exists()) == (False, True)


def test_the_start_of_a_writer_does_not_look_at_the_files_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1000):
        (tmp_path / f"20200101T000000-1-{number:08x}.jsonl").touch()

    def refuse(*_: object) -> None:
        raise AssertionError("the directory was listed")

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "listdir", refuse)
    writer = JournalWriter(tmp_path)
    for number in range(100):
        assert writer.append(line(number))
    monkeypatch.undo()
    writer.close()

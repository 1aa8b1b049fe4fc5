"""What goes wrong with disks: the program goes on, and what is missing is counted and told."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from segments import line, losses, numbers, requests

from otelprov.journal import reader
from otelprov.journal import segment as segment_module
from otelprov.journal.writer import JournalWriter

Told = pytest.CaptureFixture[str]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_on_a_full_disk_lines_are_lost_whole_counted_and_told_and_written_down_when_there_is_room(
    small_disk: Path, capfd: Told
) -> None:
    writer = JournalWriter(small_disk / "journal")
    results = [writer.append(line(number, 3000)) for number in range(200)]
    kept = results.count(True)
    assert 20 < kept < 100
    assert writer.losses.lines == 200 - kept
    assert writer.losses.reason == "No space left on device"
    # Nothing is torn, also while the disk is full.
    assert numbers(writer.directory) == list(range(kept))
    told = capfd.readouterr().err
    assert told.count("\n") == 1
    assert f"cannot write the journal in {writer.directory}: No space left on device" in told
    # Somebody makes room: the next line says what is missing.
    (path,) = writer.directory.glob("*.jsonl")
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    assert writer.append(line(1000))
    lost = sum(len(line(number, 3000)) for number in range(kept, 200))
    assert losses(writer.directory) == [(200 - kept, lost, "No space left on device")]
    assert writer.append(line(1001))
    assert len(losses(writer.directory)) == 1
    assert list(writer.directory.glob("*.jsonl")) == [path]
    writer.close()
    assert capfd.readouterr().err == ""


def limited(limit: int, work: Callable[[], None]) -> None:
    """Run ``work`` while no file may grow beyond ``limit`` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        work()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_where_a_file_may_not_grow_another_one_is_begun(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)

    def work() -> None:
        for number in range(50):
            assert writer.append(line(number, 3000))

    limited(20_000, work)
    assert sorted(numbers(tmp_path)) == list(range(50))
    assert writer.losses.lines == 0
    writer.close()


def test_a_line_larger_than_any_file_may_be_is_lost_and_leaves_no_trail_of_files(
    tmp_path: Path,
) -> None:
    writer = JournalWriter(tmp_path)

    def work() -> None:
        for number in range(20):
            assert not writer.append(line(number, 30_000))
        assert writer.append(line(20))

    limited(20_000, work)
    assert numbers(tmp_path) == [20]
    assert writer.losses.lines == 20
    assert [lines for lines, _, _ in losses(tmp_path)] == [20]
    assert len(list(tmp_path.glob("*.jsonl"))) == 1
    writer.close()


def test_a_line_that_cannot_be_taken_back_is_torn_and_harms_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter(tmp_path)
    assert writer.append(line(1))

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "ftruncate", refuse)
    full = _full_after(100)
    monkeypatch.setattr(segment_module.os, "write", full)
    assert not writer.append(line(2))
    monkeypatch.undo()
    assert writer.append(line(3))
    (path,) = tmp_path.glob("*.jsonl")
    lines = path.read_bytes().splitlines()
    assert lines[0] + b"\n" == line(1)
    assert lines[1] == line(2)[:100]
    assert lines[2] + b"\n" == line(3)
    assert b"otelprov.journal.lost" in lines[3]
    writer.close()


def _full_after(size: int) -> Callable[[int, bytes], int]:
    write = os.write
    left = [size]

    def full(descriptor: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(descriptor, data[: left[0]])
        left[0] -= written
        return written

    return full


def test_a_write_that_took_a_part_is_finished(
    writer_at: JournalWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(segment_module.os, "write", lambda fd, data: write(fd, data[:70]))
    for number in range(5):
        assert writer_at.append(line(number, 500))
    monkeypatch.undo()
    assert numbers(writer_at.directory) == list(range(5))


@pytest.fixture
def writer_at(tmp_path: Path) -> Iterator[JournalWriter]:
    made = JournalWriter(tmp_path / "journal")
    yield made
    made.close()


def test_a_quota_is_as_a_full_disk(
    writer_at: JournalWriter, monkeypatch: pytest.MonkeyPatch, capfd: Told
) -> None:
    writer_at.append(line(1))

    def over_quota(*_: object) -> int:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(segment_module.os, "write", over_quota)
    assert not writer_at.append(line(2))
    monkeypatch.undo()
    assert "Disk quota exceeded" in capfd.readouterr().err
    assert writer_at.append(line(3))
    assert numbers(writer_at.directory) == [1, 3]
    assert [one[0] for one in losses(writer_at.directory)] == [1]


def test_a_directory_that_is_deleted_is_made_again_and_what_was_in_it_is_counted(
    writer_at: JournalWriter, capfd: Told
) -> None:
    directory = writer_at.directory
    gone = [line(number) for number in range(10)]
    for one in gone:
        writer_at.append(one)
    shutil.rmtree(directory)
    # Until it is noticed, lines go where nobody finds them: 64 at most, and those are counted too.
    number = 100
    while not directory.exists():
        gone.append(line(number))
        writer_at.append(gone[-1])
        number += 1
        assert number < 100 + 66
    last = gone.pop()
    assert writer_at.append(line(1000))
    assert numbers(directory) == [number - 1, 1000]
    assert requests(directory)[0]["resourceSpans"] and last in _only_segment(directory).read_bytes()
    reason = "the journal was deleted while it was written"
    assert losses(directory) == [(len(gone), sum(map(len, gone)), reason)]
    assert writer_at.losses.lines == len(gone)
    told = capfd.readouterr().err
    assert f"was deleted while it was written: {len(gone)} lines are gone with it" in told
    assert told.count("\n") == 1


def _only_segment(directory: Path) -> Path:
    (path,) = directory.glob("*.jsonl")
    return path


def test_after_a_second_a_deletion_is_noticed_at_the_first_line(
    writer_at: JournalWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer_at.append(line(1))
    writer_at.append(line(2))
    shutil.rmtree(writer_at.directory)
    later = time.monotonic() + 1.0
    monkeypatch.setattr(segment_module.time, "monotonic", lambda: later)
    writer_at.append(line(3))
    assert numbers(writer_at.directory) == [3]
    assert [one[0] for one in losses(writer_at.directory)] == [2]


def test_a_deletion_before_the_end_is_noticed_at_the_end(writer_at: JournalWriter) -> None:
    writer_at.append(line(1))
    shutil.rmtree(writer_at.directory)
    writer_at.close()
    assert numbers(writer_at.directory) == []
    assert [one[0] for one in losses(writer_at.directory)] == [1]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("/proc/journal", "No such file or directory"),
        ("file.txt/journal", "Not a directory"),
        ("file.txt", "Not a directory"),
        ("x" * 300, "File name too long"),
        ("/".join(["y" * 200] * 30), "File name too long"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_once(
    tmp_path: Path, place: str, reason: str, capfd: Told
) -> None:
    (tmp_path / "file.txt").write_text("here")
    writer = JournalWriter(tmp_path / place)
    for number in range(5):
        assert not writer.append(line(number))
    assert writer.losses.lines == 5
    told = capfd.readouterr().err
    assert told.count("\n") == 1
    assert reason in told
    writer.close()
    assert (tmp_path / "file.txt").read_text() == "here"


def test_a_read_only_file_system_is_told_and_written_again_when_it_can_be(
    small_disk: Path, capfd: Told
) -> None:
    writer = JournalWriter(small_disk / "journal")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert not writer.append(line(1))
    assert "Read-only file system" in capfd.readouterr().err
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert writer.append(line(2))
    assert [one[0] for one in losses(writer.directory)] == [1]
    writer.close()


def test_a_full_table_of_descriptors_costs_lines_only_where_no_segment_is_open(
    tmp_path: Path,
) -> None:
    script = """
import os, resource, sys
from pathlib import Path
from otelprov.journal.writer import JournalWriter
from segments import line
open_, none = (JournalWriter(Path(sys.argv[1]) / name, segment=4096) for name in ("a", "b"))
open_.append(line(0))
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
assert all(open_.append(line(number, 1000)) for number in range(1, 20))
assert not none.append(line(1))
for one in taken:
    os.close(one)
assert open_.append(line(20)) and none.append(line(2))
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "Too many open files" in result.stderr
    assert sorted(numbers(tmp_path / "a")) == list(range(21))
    assert numbers(tmp_path / "b") == [2]
    assert [one[0] for one in losses(tmp_path / "b")] == [1]


def test_a_clock_that_goes_back_changes_neither_names_nor_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = iter(range(100, 0, -1))
    real = time.gmtime
    monkeypatch.setattr(time, "gmtime", lambda: real(next(hours) * 3600))
    writer = JournalWriter(tmp_path, segment=4096)
    for number in range(20):
        assert writer.append(line(number, 1500))
    monkeypatch.undo()
    stamps = {path.name[:15] for path in reader.files(tmp_path)}
    assert stamps == {"19700105T040000"}
    assert sorted(numbers(tmp_path)) == list(range(20))
    for path in reader.files(tmp_path):
        own = [int(one.split(b'"spanId":"')[1][:16], 16) for one in path.read_bytes().splitlines()]
        assert own == sorted(own)
    writer.close()


def test_stderr_that_is_closed_or_absent_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file.txt").write_text("here")
    monkeypatch.setattr(sys, "stderr", None)
    assert not JournalWriter(tmp_path / "file.txt").append(line(1))
    closed = (tmp_path / "stderr").open("w")
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    assert not JournalWriter(tmp_path / "file.txt").append(line(1))

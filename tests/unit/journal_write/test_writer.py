"""The writer: whole lines, locked segments, one process each, whatever threads and forks do."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from segments import line, losses, numbers

from otelprov.journal import writer as writer_module
from otelprov.journal.segment import is_open
from otelprov.journal.writer import JournalWriter

NAME = re.compile(r"\d{8}T\d{6}-(\d+)-[0-9a-f]{8}\.jsonl")


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[JournalWriter]:
    made = JournalWriter(tmp_path / "journal")
    yield made
    made.close()


def segments(writer: JournalWriter) -> list[Path]:
    return sorted(writer.directory.glob("*.jsonl"))


def in_child(work: object) -> int:
    """Run ``work`` in a forked child; its exit code."""
    process = os.fork()
    if process == 0:
        code = 99
        try:
            code = work() or 0  # type: ignore[operator]
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_a_segment_is_named_by_time_and_process_and_its_owners_only(writer: JournalWriter) -> None:
    assert writer.append(line(1))
    (path,) = segments(writer)
    match = NAME.fullmatch(path.name)
    assert match is not None
    assert int(match[1]) == os.getpid()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(writer.directory.stat().st_mode) == 0o700


def test_a_line_is_in_the_file_when_append_returns(writer: JournalWriter) -> None:
    for number in range(5):
        writer.append(line(number))
        assert numbers(writer.directory) == list(range(number + 1))


def test_an_open_segment_is_locked_and_a_closed_one_is_not(writer: JournalWriter) -> None:
    writer.append(line(1))
    (path,) = segments(writer)
    assert is_open(path)
    with path.open("rb") as reading, pytest.raises(BlockingIOError):
        fcntl.flock(reading, fcntl.LOCK_SH | fcntl.LOCK_NB)
    writer.close()
    assert not is_open(path)


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)", "os.abort()"])
def test_the_lock_is_free_however_the_process_ends(tmp_path: Path, end: str) -> None:
    code = (
        "import os, sys; from pathlib import Path; from otelprov.journal.writer import "
        "JournalWriter; w = JournalWriter(Path(sys.argv[1])); w.append(b'{}\\n');"
        f"print(flush=True); sys.stdin.readline(); {end}"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout and process.stdin
        process.stdout.readline()
        (path,) = tmp_path.glob("*.jsonl")
        assert is_open(path)
        process.stdin.close()
        process.wait(timeout=60)
    assert not is_open(path)


def test_a_full_segment_is_followed_by_the_next_and_no_line_is_split(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment=4096)
    for number in range(100):
        assert writer.append(line(number, 1000))
    paths = segments(writer)
    assert 25 <= len(paths) <= 40
    assert all(path.stat().st_size <= 4096 for path in paths)
    assert [is_open(path) for path in paths].count(True) == 1
    assert sorted(numbers(tmp_path)) == list(range(100))
    writer.close()


def test_a_line_larger_than_a_segment_is_written_all_the_same(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment=4096)
    for number in range(3):
        assert writer.append(line(number, 20_000))
    assert sorted(numbers(tmp_path)) == [0, 1, 2]
    writer.close()


def test_threads_append_at_once_and_rotate_without_a_torn_or_lost_line(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment=16_384)
    barrier = threading.Barrier(8)

    def work(thread: int) -> None:
        barrier.wait()
        for number in range(500):
            assert writer.append(line(thread * 1000 + number, 150 + number))

    threads = [threading.Thread(target=work, args=(one,)) for one in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    expected = [thread * 1000 + number for thread in range(8) for number in range(500)]
    assert sorted(numbers(tmp_path)) == expected
    assert len(segments(writer)) > 10
    writer.close()


def test_a_forked_child_writes_a_segment_of_its_own(writer: JournalWriter) -> None:
    writer.append(line(1))
    assert in_child(lambda: not writer.append(line(2))) == 0
    writer.append(line(3))
    assert len(segments(writer)) == 2
    assert sorted(numbers(writer.directory)) == [1, 2, 3]


def test_a_child_does_not_keep_the_parents_lock(tmp_path: Path) -> None:
    """A child that lives on, and never records anything, when its parent has died."""
    code = """
import os, sys, time
from pathlib import Path
from otelprov.journal.writer import JournalWriter
writer = JournalWriter(Path(sys.argv[1]))
writer.append(b"{}\\n")
child = os.fork()
if child == 0:
    os.close(1)
    sys.stdin.readline()
    os._exit(0)
print(child, flush=True)
os._exit(0)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stdin
        child = int(process.stdout.readline())
        process.wait(timeout=60)
        (path,) = tmp_path.glob("*.jsonl")
        give_up = time.monotonic() + 30
        while is_open(path):  # until the child has come to run
            assert time.monotonic() < give_up, "the child keeps the lock"
            time.sleep(0.01)
        os.kill(child, 0)  # it lives
        process.stdin.close()


def test_a_fork_in_the_middle_of_another_threads_appends_loses_and_blocks_nothing(
    tmp_path: Path,
) -> None:
    writer = JournalWriter(tmp_path, segment=4096)
    stop = threading.Event()
    written: list[int] = []

    def work() -> None:
        number = 0
        while not stop.is_set():
            assert writer.append(line(number))
            written.append(number)
            number += 1

    thread = threading.Thread(target=work)
    thread.start()
    for child in range(50):
        number = 1_000_000 + child
        assert in_child(lambda number=number: not writer.append(line(number))) == 0  # type: ignore[misc]
        written.append(number)
    stop.set()
    thread.join()
    assert sorted(numbers(tmp_path)) == sorted(written)
    writer.close()


def test_a_fork_that_no_hook_saw_is_noticed_too(
    writer: JournalWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a server in C that does not tell Python of its forks."""
    writer.append(line(1))
    monkeypatch.setattr(writer_module, "_writers", set())
    monkeypatch.setattr(writer_module.os, "getpid", lambda: 123456)
    writer.append(line(2))
    assert [NAME.fullmatch(path.name)[1] for path in segments(writer)].count("123456") == 1  # type: ignore[index]
    assert sorted(numbers(writer.directory)) == [1, 2]


def test_a_signal_handler_may_append_in_the_middle_of_an_append(writer: JournalWriter) -> None:
    count = 0

    def handler(*_: object) -> None:
        nonlocal count
        count += 1
        writer.append(line(1_000_000 + count))

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        number = 0
        while count < 100:
            writer.append(line(number))
            number += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    expected = [*range(number), *range(1_000_001, 1_000_001 + count)]
    assert sorted(numbers(writer.directory)) == expected


def test_a_descriptor_that_the_program_closed_is_never_written_to_again(
    writer: JournalWriter, tmp_path: Path
) -> None:
    """A daemon closes every descriptor, and its next file gets the number of ours."""
    writer.append(line(1))
    (path,) = segments(writer)
    (number,) = (
        int(one.name)
        for one in Path("/proc/self/fd").iterdir()
        if os.path.realpath(one) == str(path)
    )
    os.close(number)
    theirs = os.open(tmp_path / "theirs.txt", os.O_RDWR | os.O_CREAT, 0o600)
    if theirs != number:
        os.dup2(theirs, number)
    os.write(number, b"precious")
    for one in range(2, 5):
        assert writer.append(line(one))
    writer.close()
    os.write(number, b" data")  # it was not closed either
    assert (tmp_path / "theirs.txt").read_bytes() == b"precious data"
    os.close(number)
    assert sorted(numbers(writer.directory)) == [1, 2, 3, 4]


def test_after_exec_the_segment_is_closed(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from otelprov.journal.writer import "
        "JournalWriter; w = JournalWriter(Path(sys.argv[1])); w.append(b'{}\\n');"
        "os.execvp('cat', ['cat'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stdin
        process.stdin.write(b"running\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"running\n"
        (path,) = tmp_path.glob("*.jsonl")
        assert not is_open(path)
        process.stdin.close()


def test_fsync_puts_each_line_and_each_name_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    for name in ("fsync", "fdatasync"):
        real = getattr(os, name)

        def spy(descriptor: int, real: object = real) -> None:
            synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
            real(descriptor)  # type: ignore[operator]

        monkeypatch.setattr(os, name, spy)
    writer = JournalWriter(tmp_path / "journal", fsync=True)
    writer.append(line(1))
    writer.append(line(2))
    (path,) = segments(writer)
    assert synced == [str(tmp_path / "journal"), str(tmp_path), str(path), str(path)]
    writer.close()


def test_nothing_is_synced_unless_it_is_asked_for(
    writer: JournalWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise AssertionError("synced")

    monkeypatch.setattr(os, "fsync", refuse)
    monkeypatch.setattr(os, "fdatasync", refuse)
    assert writer.append(line(1))


def test_a_writer_that_is_closed_opens_a_new_segment_for_a_later_line(
    writer: JournalWriter,
) -> None:
    writer.append(line(1))
    writer.close()
    writer.close()
    writer.append(line(2))
    assert len(segments(writer)) == 2
    assert losses(writer.directory) == []

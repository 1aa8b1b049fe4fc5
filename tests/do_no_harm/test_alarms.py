"""What a signal handler of the program raises arrives where the program waits for it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import support

from otelprov.artifacts.interruptions import raised_for_the_program

# Alarms at random moments of recorded operations. Where one that was raised is not seen by the
# program, it says in which frames that was.
ALARMS = """
import collections, os, random, signal, sys, time, traceback
import otelprov

kind, seconds = sys.argv[1], float(sys.argv[2])

class Late(getattr(__import__("builtins"), kind)):
    pass

raised = None

def late(number, frame):
    global raised
    raised = traceback.extract_stack(frame)
    raise Late("too late")

def step(number):
    otelprov.operation(f"step {number % 100}")(lambda value: value)(number)

for number in range(200):  # imports swallow what they take for their own, with and without us
    step(number)
signal.signal(signal.SIGALRM, late)
alarms = 0
lost = collections.Counter()
end = time.monotonic() + seconds
while time.monotonic() < end:
    raised = None
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0002 + random.random() / 500)
        alarms += 1
        while raised is None:
            step(alarms)
        frames = [f"{os.path.basename(f.filename)}:{f.lineno}" for f in reversed(raised[-12:])]
        lost[" < ".join(frames)] += 1
    except Late:
        pass
signal.setitimer(signal.ITIMER_REAL, 0)
print(*lost.most_common(10), sep="\\n")
print("many" if alarms > 100 else alarms, "alarms,", lost.total(), "lost")
"""


@pytest.mark.parametrize("kind", ["ValueError", "TimeoutError", "Exception", "BaseException"])
def test_an_alarm_at_any_moment_of_an_operation_arrives(tmp_path: Path, kind: str) -> None:
    done = support.instrumented(
        "-c", ALARMS, kind, "4", journal_directory=tmp_path / "journal", cwd=tmp_path,
        env={"OTELPROV_RAISE_FAULTS": "off", "OTELPROV_REPEATS": "off"},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "many alarms, 0 lost", done.stdout
    assert "otelprov" not in done.stderr


class _Late(Exception):
    pass


def _late(*_: object) -> None:
    raise _Late


@pytest.fixture
def _alarm() -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, _late)
    yield
    signal.signal(signal.SIGALRM, before)


def test_what_a_handler_raised_is_found_behind_what_replaced_it(_alarm: object) -> None:
    def library() -> None:
        try:
            signal.raise_signal(signal.SIGALRM)
        except _Late:
            raise ValueError("no such kind") from None

    try:
        library()
    except ValueError as error:
        assert isinstance(raised_for_the_program(error), _Late)
    else:
        raise AssertionError


def test_a_fault_while_the_program_handles_its_alarm_is_a_fault(_alarm: object) -> None:
    def ours() -> object:
        try:
            raise ValueError("a fault")
        except ValueError as error:
            return raised_for_the_program(error)

    try:
        signal.raise_signal(signal.SIGALRM)
    except _Late:
        assert isinstance(sys.exc_info()[1], _Late)
        assert ours() is None

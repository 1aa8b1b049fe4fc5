"""What is found out later: by whom, in which order, within which bounds."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import otelprov.recording.run  # noqa: F401  before a fork it has everything finished
from otelprov.artifacts import deferred
from otelprov.artifacts.deferred import Background, Pending, resolve, with_
from otelprov.model import Artifact

LIMIT = 1_000


@pytest.fixture
def background() -> Iterator[Background]:
    found = Background()
    found.limit = LIMIT
    yield found
    assert found.flush(30)


def until(condition: Callable[[], bool], what: str) -> None:
    for _ in range(30_000):
        if condition():
            return
        time.sleep(0.001)
    raise AssertionError(f"waited in vain until {what}")


def test_work_is_done_in_another_thread(background: Background) -> None:
    done = background.submit(threading.get_ident, 1)
    until(lambda: done.ready, "the work is done")
    assert done.result() != threading.get_ident()


def test_who_needs_a_result_before_it_is_begun_finds_it_out(background: Background) -> None:
    gate = threading.Event()
    held = [background.submit(gate.wait, 1) for _ in range(deferred.MAX_THREADS)]
    waiting = background.submit(threading.get_ident, 1)
    assert not waiting.ready
    assert waiting.result() == threading.get_ident()
    gate.set()
    assert all(item.result() for item in held)


def test_who_needs_a_result_that_another_is_finding_out_waits(background: Background) -> None:
    gate, begun = threading.Event(), threading.Event()

    def work() -> int:
        begun.set()
        gate.wait()
        return 7

    pending = background.submit(work, 1)
    begun.wait()
    threading.Timer(0.05, gate.set).start()
    assert pending.result() == 7


def test_what_is_over_the_limit_is_done_at_once(background: Background) -> None:
    gate = threading.Event()
    held = background.submit(gate.wait, LIMIT)
    over = background.submit(threading.get_ident, 1)
    assert over.ready
    assert over.result() == threading.get_ident()
    gate.set()
    held.result()
    background.flush()
    later = background.submit(threading.get_ident, LIMIT)
    until(lambda: later.ready, "there is room again")
    assert later.result() != threading.get_ident()


def test_without_a_limit_nothing_is_put_off() -> None:
    assert Background().submit(threading.get_ident, 1).result() == threading.get_ident()


def test_ten_thousand_that_wait_for_one_another_are_no_recursion() -> None:
    def next_of(before: Pending[int]) -> Pending[int]:
        return Pending(lambda: before.result() + 1, (before,))

    last: Pending[int] = Pending(lambda: 0)
    for _ in range(10_000):
        last = next_of(last)
    assert last.result() == 10_000


def test_work_is_done_once_however_many_ask() -> None:
    calls = []

    def work() -> int:
        calls.append(1)
        time.sleep(0.01)
        return 1

    pending: Pending[int] = Pending(work)
    threads = [threading.Thread(target=pending.result) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pending.result() == 1
    assert calls == [1]


def test_an_interrupted_result_is_found_out_by_the_next(background: Background) -> None:
    attempts = []

    def work() -> int:
        attempts.append(1)
        if len(attempts) == 1:
            raise KeyboardInterrupt
        return 3

    pending: Pending[int] = Pending(work)
    with pytest.raises(KeyboardInterrupt):
        pending.result()
    assert not pending.ready
    assert pending.result() == 3


def test_a_pending_artifact_can_be_changed() -> None:
    pending: Pending[Artifact] = Pending(lambda: Artifact("table:1", "table"))
    changed = with_(pending, maker="m")
    assert not pending.ready
    assert resolve(changed) == Artifact("table:1", "table", maker="m")
    assert with_(Artifact("table:1", "table"), maker="m") == resolve(changed)


def test_flush_waits_for_what_others_do(background: Background) -> None:
    done = []

    def work() -> None:
        time.sleep(0.02)
        done.append(1)

    for _ in range(10):
        background.then(work)
    assert background.flush()
    assert len(done) == 10


def test_flush_gives_up_after_its_time(background: Background) -> None:
    gate, begun = threading.Event(), threading.Event()
    background.then(lambda: (begun.set(), gate.wait()))
    begun.wait()
    assert not background.flush(0.01)
    gate.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_nothing_is_in_flight_in_a_forked_child(background: Background) -> None:
    results = [background.submit(lambda: time.sleep(0.01) or 5, 1) for _ in range(20)]
    child = os.fork()
    if child == 0:
        known = all(item.ready and item.result() == 5 for item in results)
        # A child that ends without its exit handlers loses nothing.
        at_once = deferred.background.submit(threading.get_ident, 1)
        os._exit(0 if known and at_once.ready else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert background.submit(lambda: 6, 1).result() == 6


def _late(number: int, frame: object) -> None:
    raise TimeoutError


@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError])
def test_what_a_signal_handler_raises_while_the_program_helps_reaches_it(
    background: Background, error: type[BaseException]
) -> None:
    gate = threading.Event()
    for _ in range(deferred._threads()):
        background.submit(gate.wait, 1)
    until(lambda: not deferred._state.tasks, "the threads are busy")
    number, handler = (
        (signal.SIGINT, signal.default_int_handler)  # ignored, where a shell began this behind it
        if error is KeyboardInterrupt
        else (signal.SIGUSR1, _late)
    )
    before = signal.signal(number, handler)
    main = threading.get_ident()

    def work() -> int:
        if threading.get_ident() == main and not gate.is_set():
            signal.raise_signal(number)
        return 7

    asked = background.submit(work, 1)
    try:
        with pytest.raises(error):
            background.flush(30)
    finally:
        gate.set()
        signal.signal(number, before)
    assert asked.result() == 7

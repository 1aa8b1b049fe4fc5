"""Digests that are taken later: what is not known yet, and the threads that find it out.

Digesting takes a third of a second for a gigabyte. What cannot change any more is digested in a
thread while the program goes on; whoever needs the result waits for it, or takes the work over.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from otelprov.artifacts.interruptions import is_of_the_program

if TYPE_CHECKING:
    from otelprov.model import Artifact

T = TypeVar("T")

MAX_THREADS: Final = 4


class Pending(Generic[T]):
    """A value that is found out later.

    ``work`` is called once, by whoever comes first; ``needs`` are other pending values that it
    asks for.
    """

    __slots__ = ("_needs", "_runner", "_value", "_work")

    def __init__(self, work: Callable[[], T], needs: Iterable[Pending[Any]] = ()) -> None:
        self._work: Callable[[], T] | None = work
        self._needs = tuple(item for item in needs if not item.ready)
        self._runner: tuple[int, int] | None = None  # process and thread
        self._value: T | None = None

    @property
    def ready(self) -> bool:
        """Whether the value is there."""
        return self._work is None

    @property
    def needs(self) -> tuple[Pending[Any], ...]:
        """Other pending values that it asks for."""
        return self._needs

    def result(self) -> T:
        """The value; waits for it, or finds it out here."""
        # Not by recursion: in a loop, thousands may each wait for the one before.
        stack: list[Pending[Any]] = [self]
        while stack:
            top = stack[-1]
            waiting = [item for item in top._needs if not item.ready]
            if waiting:
                stack.extend(waiting)
            else:
                top._run()
                stack.pop()
        return self._value  # type: ignore[return-value]

    def _run(self) -> None:
        own = (os.getpid(), threading.get_ident())
        with _state.changed:
            # What another thread had begun when the process was forked is nobody's in the child.
            while self._runner is not None and self._runner[0] == own[0] and not self.ready:
                if self._runner == own:
                    raise RuntimeError("a pending value waits for itself")
                _state.changed.wait()
            work = self._work
            if work is None:
                return
            self._runner = own
        try:
            value = work()
        except BaseException:  # an interrupt, too: who comes next finds it out
            with _state.changed:
                self._runner = None
                _state.changed.notify_all()
            raise
        with _state.changed:
            self._value, self._work, self._needs = value, None, ()
            _state.changed.notify_all()


Source: TypeAlias = "Artifact | Pending[Artifact]"
"""An artifact, or one that is still being looked at."""


def pending(sources: Iterable[Any]) -> tuple[Pending[Any], ...]:
    """Those that are not known yet."""
    return tuple([item for item in sources if type(item) is Pending and item._work is not None])


def resolve(source: Source) -> Artifact:
    """The artifact; waits for it where it is pending."""
    return source.result() if isinstance(source, Pending) else source


def settled(source: Source) -> Source:
    """The artifact itself where it is known by now."""
    return source.result() if isinstance(source, Pending) and source.ready else source


def with_(source: Source, **changes: Any) -> Source:
    """``source`` with other values in some fields, as ``dataclasses.replace`` gives it."""
    if isinstance(source, Pending):
        return Pending(lambda: replace(source.result(), **changes), (source,))
    return replace(source, **changes)


class _State:
    """What the threads of this process share."""

    changed: threading.Condition

    def __init__(self) -> None:
        self.tasks: deque[tuple[Callable[[], object], int]] = deque()
        self.threads: set[threading.Thread] = set()
        self.idle = 0
        self.leave = False
        """Whether the threads are to end when there is nothing to do."""
        self.running = 0
        self.bytes = 0
        """Of the data that waits to be digested or is."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name != "changed":
                raise AttributeError(name)
            # When it is first used: a program may replace the locks of ``threading`` (eventlet),
            # and those that are there already, but for what a condition holds of them. Reentrant:
            # a signal handler of the program may record something while this is held.
            return vars(self).setdefault(name, threading.Condition(threading.RLock()))


_state = _State()


class Background:
    """Threads for what need not be done at once, started when there is something to do."""

    def __init__(self) -> None:
        self.limit = 0
        """Bytes of data that may wait or be worked on at a time; 0: nothing is put off."""
        self.failed: Callable[[Exception], None] = _ignore
        """Told of what work has raised."""

    def submit(self, work: Callable[[], T], size: int) -> Pending[T]:
        """Do ``work`` in a thread. It is done here when ``size`` more bytes are over the limit."""
        task: Pending[T] = Pending(work)
        state = _state
        with state.changed:
            fits = state.bytes + size <= self.limit
            if fits:
                self._put(task.result, size)
        if not fits:
            task.result()
        return task

    def then(self, work: Callable[[], object]) -> None:
        """Do ``work``, which waits for pending values, in a thread as well."""
        with _state.changed:
            self._put(work, 0)

    def _put(self, work: Callable[[], object], size: int) -> None:
        state = _state
        state.tasks.append((work, size))
        state.bytes += size
        if state.idle:
            state.changed.notify_all()
        elif len(state.threads) < _threads():
            thread = threading.Thread(
                target=_work, args=(state,), name=f"otelprov-{len(state.threads)}", daemon=True
            )
            state.threads.add(thread)
            thread.start()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything is done, and help with it; whether it is, after ``timeout``
        seconds."""
        state = _state
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            with state.changed:
                while not state.tasks:
                    if not state.running:
                        return True
                    left = None if end is None else end - time.monotonic()
                    if left is not None and left <= 0:
                        return False
                    state.changed.wait(left)
                if end is not None and time.monotonic() > end:
                    return False
                task = _take(state)
            _do(state, task)

    def rest(self, timeout: float) -> None:
        """Do everything that there is to do and end the threads, within ``timeout`` seconds.

        For a fork: of a program with several threads that is a risk, and Python 3.12 warns of it.
        """
        state = _state
        if not self.flush(timeout):
            return
        with state.changed:
            state.leave = True
            state.changed.notify_all()
            threads = [*state.threads]
        for thread in threads:
            thread.join(timeout)
        state.leave = False


def _ignore(error: Exception) -> None:
    """Nobody listens."""


background = Background()


def _threads() -> int:
    """Half of the processors: the program wants them too."""
    return max(1, min(MAX_THREADS, (os.cpu_count() or 1) // 2))


def _take(state: _State) -> tuple[Callable[[], object], int]:
    task = state.tasks.popleft()
    state.running += 1
    return task


def _do(state: _State, task: tuple[Callable[[], object], int]) -> None:
    work, size = task
    try:
        work()
    except Exception as error:
        if is_of_the_program(error):
            raise
        # Who needs the value finds it out, or the same error, for himself: the thread goes on.
        background.failed(error)
    finally:
        del work, task
        with state.changed:
            state.running -= 1
            state.bytes -= size
            state.changed.notify_all()


def _work(state: _State) -> None:
    try:
        while True:
            with state.changed:
                state.idle += 1
                try:
                    while not state.tasks and not state.leave:
                        state.changed.wait()
                finally:
                    state.idle -= 1
                if not state.tasks:
                    return
                task = _take(state)
            _do(state, task)
            del task
    except Exception as error:
        background.failed(error)
    finally:
        with state.changed:
            state.threads.discard(threading.current_thread())


# --- forks ----------------------------------------------------------------------------------------


def _before_fork() -> None:
    _state.changed.acquire()


def _after_in_parent() -> None:
    _state.changed.release()


def _after_in_child() -> None:
    # The threads are the parent's, and so is what they had begun.
    global _state
    _state = _State()
    # Children of multiprocessing end without running what is to run at exit.
    background.limit = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_in_parent,
        after_in_child=_after_in_child,
    )

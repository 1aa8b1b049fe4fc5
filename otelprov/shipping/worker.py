"""The shipper inside the user's program: one daemon thread that nobody waits for until the exit.

It begins with the first line of the journal, wakes once a second, and sends what this process
wrote, then what processes that have ended left behind. It may use a tenth of a processor, and at
the exit it has ``OTELPROV_EXIT_TIMEOUT`` seconds in all. What is not delivered by then, the next
process delivers, or ``otelprov ship``.
"""

from __future__ import annotations

import atexit
import math
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from otelprov.journal import writer
from otelprov.journal.delivery import SIGNALS, Delivery, Signal
from otelprov.journal.interrupted import remember_interrupt, was_interrupted
from otelprov.journal.reader import files
from otelprov.journal.segment import is_open
from otelprov.recording import faults
from otelprov.shipping import guest
from otelprov.shipping.backoff import Backoff
from otelprov.shipping.endpoint import Endpoint, EndpointError, endpoint
from otelprov.shipping.sending import Answer
from otelprov.shipping.shipper import Sent, Shipper

_INTERVAL: Final = 1.0  # seconds between two looks at what was written
_SHARE: Final = 0.1  # of one processor, at the most, while the program runs
_LIMIT: Final = 1 << 20  # bytes of one request: a tenth of a second of memory, and of waiting
_LEFT_BEHIND: Final = 30.0  # seconds between two looks at segments that were still open
_OTHERS: Final = 0.25  # seconds of the exit, at the most, for what was there before
_FRESH: Final = 5.0  # seconds in which a failure says what another attempt would


class _Lane:
    """One signal's delivery, with its own cursors, its own back-off and its own failures."""

    def __init__(self, journal: Path, where: Endpoint, worker: Worker) -> None:
        self.backoff = Backoff()
        self.next = 0.0
        self.failed = 0.0
        self.listed: tuple[int, float] | None = None
        self.sizes: dict[str, int] = {}
        self.shipper = Shipper(
            journal,
            where,
            limit=_LIMIT,
            watch=worker.sent,
            stop=worker.interrupted,
        )

    def failing(self) -> bool:
        """Whether the last attempt failed, so lately that another one would too."""
        return self.failed > 0 and time.monotonic() - self.failed < _FRESH


class Worker:
    """Ships the journal in ``journal``, from the first line that this process writes."""

    def __init__(self, journal: Path, exit_timeout: float) -> None:
        self.journal = journal
        self._endpoints: dict[Signal, Endpoint] = {}
        self._exit_timeout = exit_timeout
        self._left = exit_timeout
        self._reset()

    def _reset(self) -> None:
        self._own: list[Path] = []
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._wake = threading.Event()
        self._settled = threading.Event()
        self._finishing = False
        self._final = False
        self._finish_began = 0.0
        self._until = math.inf
        """When to send no more, by the monotonic clock."""
        self._used = 0.0
        self._lanes: list[_Lane] = []
        self._began = time.time()

        self.delivered = self.refused = 0
        """Lines, by this process."""

    def add(self, where: Endpoint) -> None:
        """Deliver a signal too."""
        self._endpoints[where.signal] = where

    def opened(self, segment: Path) -> None:
        """A segment of this process has begun: called by the writer, once for each."""
        if segment.parent != self.journal:
            return
        self._own.append(segment)
        if self._thread is None:
            self._start()

    def finish(self) -> None:
        """Deliver what is left, for as long as the exit may be delayed; never raises.

        The time is one for all calls: an exit may come by here more than once.
        """
        if not self._own:
            return
        began = self._finish_began = time.monotonic()
        self._until = began + self._left
        if self._left > 0:
            if self._thread is None:
                self._start()
            self._settled.clear()
            self._finishing = True
            self._wake.set()
            if self._thread is not None and self._thread.is_alive():
                self._settled.wait(self._left)
            else:
                # From Python 3.12 on no thread can be started in an exit handler.
                with guest.unseen():
                    self._round(final=True)
            self._finishing = False
        self._left = max(0.0, self._left - (time.monotonic() - began))
        self._until = math.inf
        if was_interrupted() and not self._settled.is_set():
            # The thread goes on, and what it imports would take the interpreter's note away.
            guest.load_no_more(timeout=1.0)
        remember_interrupt()

    def after_fork(self) -> None:
        """In a forked child: its parent's claims are not its own, and it has no thread."""
        for lane in self._lanes:
            lane.shipper.abandon()
        self._left = self._exit_timeout
        self._reset()

    def interrupted(self) -> bool:
        """Whether to send no more for now: the exit came, or its time is over."""
        if self._finishing and not self._final:
            return True
        return time.monotonic() >= self._until

    def sent(self, sent: Sent) -> None:
        """A request was answered."""
        self.delivered += sent.lines - sent.rejected
        self.refused += sent.refused + sent.rejected
        self.rest()

    def waiting(self) -> int:
        """Bytes of the journal that one signal at least has still to get; by sizes, not read.

        Raises:
            OSError: the journal cannot be read.
        """
        return max((_waiting(self.journal, one) for one in self._endpoints.values()), default=0)

    def rest(self) -> None:
        """After a request: sleep for as long as keeps to the share of the processor."""
        used = time.thread_time()
        spent, self._used = used - self._used, used
        if not self._finishing and spent > 0:
            self._wake.wait(min(spent * (1 / _SHARE - 1), 5.0))

    def _start(self) -> None:
        with self._starting:
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._run, name="otelprov-shipper", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is on its way out, or there are no more threads
                return
            self._thread = thread

    def _run(self) -> None:
        self._used = 0.0
        with guest.unseen():
            while True:
                self._wake.wait(_INTERVAL)
                self._wake.clear()
                self._round(final=self._finishing)
                if self._final:
                    self._settled.set()

    def _round(self, *, final: bool) -> None:
        self._final = final
        with faults.contained("the journal was not delivered to its end"):
            if not self._lanes:
                self._lanes = [
                    _Lane(self.journal, self._endpoints[signal], self)
                    for signal in SIGNALS
                    if signal in self._endpoints
                ]
            if not final:
                for lane in self._lanes:
                    if time.monotonic() >= lane.next:
                        self._ship(lane, [*self._own_due(lane), *self._left_behind(lane)])
                return
            # The exit waits for what this process and its children wrote. What was there before
            # may be a week's, and gets a moment.
            left = []
            for lane in self._lanes:
                if lane.failing():
                    continue
                lane.listed = None
                fresh, old = self._by_age(self._left_behind(lane))
                self._ship(lane, [*self._own_due(lane), *fresh])
                left.append((lane, old))
            self._until = min(self._until, time.monotonic() + _OTHERS)
            for lane, old in left:
                if not lane.failed:
                    self._ship(lane, old)

    def _ship(self, lane: _Lane, segments: list[Path]) -> None:
        """Send segments in this order, and take note of how that went."""
        shipper = lane.shipper
        shipper.timeout = shipper.trouble = None
        try:
            if self._deliver(lane, segments) and self._final:
                shipper.conclude()
        except OSError as error:
            # The journal has it all the same. `otelprov doctor` says what is wrong with the disk.
            shipper.trouble = Answer("setup", f"{error.strerror or error}: {error.filename}")
        if shipper.trouble is None:
            lane.backoff.reset()
            lane.next = lane.failed = 0.0
            return
        lane.failed = time.monotonic()
        lane.next = lane.failed + lane.backoff.wait(shipper.trouble)
        # What was listed is to be looked at again.
        lane.listed = None

    def _deliver(self, lane: _Lane, segments: list[Path]) -> bool:
        """Send them in this order; whether it came to the end."""
        for segment in segments:
            own = segment in self._own
            if self._final:
                lane.shipper.timeout = max(0.05, self._until - time.monotonic())
            try:
                size = segment.stat().st_size
                outcome = lane.shipper.deliver(segment, hold=own)
            except FileNotFoundError:  # removed since it was listed
                lane.sizes.pop(segment.name, None)
                if own:
                    self._own.remove(segment)
                continue
            if outcome == "stopped":
                return False
            lane.sizes[segment.name] = size
            if own and outcome == "done":  # the writer has gone on to another
                self._own.remove(segment)
                lane.sizes.pop(segment.name)
        return True

    def _own_due(self, lane: _Lane) -> list[Path]:
        """The segments of this process that have grown."""
        due = []
        for path in list(self._own):
            try:
                if path.stat().st_size != lane.sizes.get(path.name, 0):
                    due.append(path)
            except FileNotFoundError:
                self._own.remove(path)
        return due

    def _left_behind(self, lane: _Lane) -> list[Path]:
        """The segments of processes that have ended."""
        # Listing ten thousand files takes 60 ms, so it is done when one came or went, and now and
        # then for those that were still open.
        now = time.monotonic()
        try:
            changed = self.journal.stat().st_mtime_ns
            if lane.listed is not None:
                before, when = lane.listed
                if before == changed and now - when < _LEFT_BEHIND:
                    return []
            lane.listed = (changed, now)
            own = set(self._own)
            found = [path for path in lane.shipper.segments() if path not in own]
            return [path for path in found if not is_open(path)]
        except FileNotFoundError:  # removed since, or all the journal
            lane.listed = None
            return []

    def _by_age(self, segments: list[Path]) -> tuple[list[Path], list[Path]]:
        """Those that were written to since this process began, and those that were not."""
        fresh: list[Path] = []
        old: list[Path] = []
        for path in segments:
            try:
                written = path.stat().st_mtime
            except FileNotFoundError:
                continue
            (fresh if written >= self._began - 1 else old).append(path)
        return fresh, old


def _waiting(journal: Path, where: Endpoint) -> int:
    delivery = Delivery(journal, where.signal, where.address)
    delivery.refresh()
    total = 0
    for segment in files(journal):
        with suppress(FileNotFoundError):  # removed since it was listed
            found = segment.stat()
            if not delivery.is_delivered(segment.name, found):
                total += max(0, found.st_size - delivery.progress(segment).offset)
    return total


_worker: Worker | None = None


def ship(journal: Path | None, signal: Signal, exit_timeout: float) -> Worker | None:
    """Deliver a signal of the journal from this process on; None where that is set up wrong."""
    global _worker
    if journal is None:
        print(
            f"otelprov: OTEL_{signal.upper()}_EXPORTER=otelprov delivers the journal, which is off "
            "(OTELPROV_JOURNAL=off); nothing is sent",
            file=sys.stderr,
        )
        return None
    try:
        where = endpoint(signal)
    except EndpointError as error:
        print(
            f"otelprov: {error}; nothing is sent, the journal keeps it (see 'otelprov doctor')",
            file=sys.stderr,
        )
        return None
    if _worker is None or _worker.journal != journal:
        _worker = Worker(journal, exit_timeout)
        writer.listeners.append(_worker.opened)
        # Early, so that it comes late: what is registered first is called last, and what the
        # exit handlers of recording and of the SDK write is to be delivered too.
        atexit.register(_worker.finish)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_worker.after_fork)
    _worker.add(where)
    return _worker

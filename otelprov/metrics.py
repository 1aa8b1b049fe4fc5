"""Metrics about operations, about what they write, and about otelprov itself (docs/metrics.md).

They go through OpenTelemetry's metrics API to wherever the program or ``opentelemetry-instrument``
has it send them. All but the two histograms are added up here and read when somebody collects: a
recorded operation pays for one histogram, and what is about otelprov itself for nothing at all.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import CallbackOptions, Histogram, MeterProvider, Observation
from opentelemetry.trace import set_span_in_context

from otelprov import semconv
from otelprov.artifacts import timing
from otelprov.journal.reader import files
from otelprov.model import Artifact
from otelprov.recording import faults
from otelprov.recording.continued import traces
from otelprov.recording.edges import MAX_TEXT
from otelprov.recording.measures import Ended, Listener, measures
from otelprov.recording.policy import shorten
from otelprov.recording.repeats import repeats
from otelprov.recording.run import run
from otelprov.redaction import redact
from otelprov.version import __version__

if TYPE_CHECKING:
    from otelprov.shipping.worker import Worker

SECONDS: Final = (0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0)
"""Bounds of the buckets, those of the gateway's own durations: from a column to a night's job."""
MAX_NAMES: Final = 500
"""Names of operations that are told apart in one process; more of them are ``other``."""
MAX_ARTIFACTS: Final = 100
"""Named artifacts that one process reports; more of them are left out and counted: there is no
number of rows that ``other`` could have."""
OTHER: Final = "other"
CHILD_EXIT: Final = 2.0
"""Seconds that the end of a forked child waits at most for its metrics to be sent."""
_KEPT: Final = 5.0  # seconds that a look at the journal's files is good for
_FILES: Final = frozenset({"file", "directory", "resource", "stream"})
_PREFIX: Final = "otelprov.dropped."

Attributes = tuple[tuple[str, str], ...]


def prepare(provider: MeterProvider) -> Listener:
    """Measure from now on, with this provider; who is to be told of what ends."""
    known = _known.get(id(provider))
    if known is None:
        known = _known[id(provider)] = Metrics(provider)
    return known.ended


class Metrics:
    """The instruments of one provider, and what is added up for them."""

    def __init__(self, provider: MeterProvider) -> None:
        self._provider = provider
        self._lock = threading.RLock()  # a signal handler of the program may record something
        self._rows: dict[Attributes, int] = {}
        self._bytes: dict[Attributes, int] = {}
        self._failures: dict[Attributes, int] = {}
        self._written: dict[str, tuple[int | None, float]] = {}
        self._unnamed: set[str] = set()
        self._names: set[str] = set()
        self._digested = 0
        self._before: dict[str, Mapping[Attributes, float]] = {}
        self._looked: tuple[float, int, int | None] = (0.0, 0, None)
        self._new_child = False
        """Whether this process was forked and has measured nothing yet."""
        self._meter = provider.get_meter("otelprov", __version__)
        self._duration = self._histogram(semconv.OPERATION_DURATION)
        self._digesting = self._histogram(semconv.DIGEST_DURATION)
        for name, read in self._readings().items():
            self._observe(name, read)
        timing.told = self.digested
        # After the run's own last words, and before the provider's last collection, where that was
        # set before the recording began; see docs/metrics.md for where it was not.
        atexit.register(self._at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def _histogram(self, name: str) -> Histogram:
        """Of durations."""
        described = semconv.METRICS[name]
        return self._meter.create_histogram(
            described.name,
            described.unit,
            described.brief,
            explicit_bucket_boundaries_advisory=SECONDS,
        )

    # --- what is told ------------------------------------------------------------------------

    def ended(self, one: Ended) -> None:
        """An operation, or a run, has ended."""
        name = self._bounded(one.name)
        own = ((semconv.OPERATION_NAME, name), (semconv.OPERATION_KIND, one.kind))
        said: dict[str, Any] = dict(own)
        if one.error is not None:
            said[semconv.ERROR_TYPE] = one.error
        # With its span, so that the SDK can keep the trace of one of them as an example.
        self._duration.record(
            max(0, one.end - one.begun) / 1e9, said, set_span_in_context(one.span)
        )
        with self._lock:
            if one.error is not None:
                _add(self._failures, (*own, (semconv.ERROR_TYPE, one.error)), 1)
            for direction, artifacts in (("used", one.used), ("generated", one.generated)):
                if artifacts:
                    self._count((*own, (semconv.DIRECTION, direction)), artifacts)
            if one.kind == "write" and one.error is None:
                self._note_written(one)
        if self._new_child:
            self._send_at_the_end_of_a_child()

    def digested(self, seconds: float, size: int) -> None:
        """Something was digested."""
        with faults.contained("a digest was not measured"):
            self._digesting.record(seconds)
            with self._lock:
                self._digested += size

    def _bounded(self, name: str) -> str:
        if name not in self._names:
            if len(self._names) >= MAX_NAMES:
                return OTHER
            self._names.add(name)
        return name

    def _count(self, own: Attributes, artifacts: Iterable[Artifact]) -> None:
        rows = size = 0
        for one in artifacts:
            if one.kind == "table":
                rows += one.rows or 0
            elif one.kind in _FILES:
                size += one.bytes or 0
        if rows:
            _add(self._rows, own, rows)
        if size:
            _add(self._bytes, own, size)

    def _note_written(self, one: Ended) -> None:
        for artifact in one.generated:
            if not artifact.name or artifact.kind == "table":
                continue
            name = shorten(redact(artifact.name), MAX_TEXT)  # as its event says it
            if name not in self._written and len(self._written) >= MAX_ARTIFACTS:
                self._unnamed.add(name)
                continue
            self._written[name] = (_rows(artifact, one), one.end / 1e9)

    # --- what is read ------------------------------------------------------------------------

    def _readings(self) -> dict[str, Callable[[], Mapping[Attributes, float]]]:
        """What the metrics that are collected stand at, by name."""
        return {
            semconv.OPERATION_ROWS: lambda: self._rows,
            semconv.OPERATION_BYTES: lambda: self._bytes,
            semconv.OPERATION_FAILURES: lambda: self._failures,
            semconv.ARTIFACT_ROWS_METRIC: lambda: {
                ((semconv.ARTIFACT_NAME, name),): rows
                for name, (rows, _) in self._written.items()
                if rows is not None
            },
            semconv.ARTIFACT_MODIFIED: lambda: {
                ((semconv.ARTIFACT_NAME, name),): when for name, (_, when) in self._written.items()
            },
            semconv.JOURNAL_SIZE: lambda: _some(self._journal()[0]),
            semconv.JOURNAL_LOSSES: lambda: _some(_lost()),
            semconv.DELIVERY_WAITING: lambda: _some(self._journal()[1]),
            semconv.DELIVERY_DELIVERED: lambda: _some(_of_worker(lambda one: one.delivered)),
            semconv.DELIVERY_REFUSED: lambda: _some(_of_worker(lambda one: one.refused)),
            semconv.DIGEST_BYTES: lambda: {(): self._digested},
            semconv.FAULTS: lambda: {(): faults.count},
            semconv.CALLS_SUMMED_UP: lambda: {(): repeats.summed_up},
            semconv.TRACES_CONTINUED: lambda: {(): traces.continued},
            semconv.DROPPED_ITEMS: self._items,
            semconv.DROPPED_BYTES: lambda: {(): measures.cut.get(semconv.DROPPED_DIGEST_BYTES, 0)},
        }

    def _items(self) -> dict[Attributes, int]:
        found: dict[Attributes, int] = {
            ((semconv.CUT, name.removeprefix(_PREFIX)),): number
            for name, number in measures.cut.copy().items()
            if name != semconv.DROPPED_DIGEST_BYTES
        }
        if self._unnamed:
            found[((semconv.CUT, "names"),)] = len(self._unnamed)
        return found

    def _observe(self, name: str, read: Callable[[], Mapping[Attributes, float]]) -> None:
        described = semconv.METRICS[name]
        counts = described.instrument == "counter"

        def observe(options: CallbackOptions) -> Iterable[Observation]:
            with faults.contained(f"{name} was not measured"), self._lock:
                # What a forked child has from its parent is the parent's to tell.
                before = self._before.get(name, {}) if counts else {}
                return [
                    Observation(value - before.get(attributes, 0), dict(attributes))
                    for attributes, value in read().items()
                ]
            return []

        meter = self._meter
        create = meter.create_observable_counter if counts else meter.create_observable_gauge
        create(name, [observe], described.unit, described.brief)

    def _journal(self) -> tuple[int | None, int | None]:
        """Bytes of the journal, and those of them that wait to be delivered."""
        writer = run.journal
        if writer is None:
            return None, None
        now = time.monotonic()
        if not self._looked[0] or now - self._looked[0] > _KEPT:
            total = 0
            waiting = _of_worker(lambda one: one.waiting())
            for path in files(writer.directory):
                with suppress(OSError):
                    total += path.stat().st_size
            self._looked = (now, total, waiting)
        return self._looked[1], self._looked[2]

    # --- ends and forks ----------------------------------------------------------------------

    def _at_exit(self) -> None:
        """Have what is still under way counted before the provider collects for the last time."""
        with faults.contained("the last metrics are missing"):
            run.settle()
            _of_worker(lambda one: one.finish())
            self._looked = (0.0, 0, None)

    def _forked(self) -> None:
        """In a forked child: begin at nothing.

        The SDK goes on with what the parent has counted and not sent (1.45), and would send it
        twice.
        """
        self._lock = threading.RLock()
        self._new_child = True
        with suppress(Exception):
            _start_over(self._provider, self._meter)
            for name, read in self._readings().items():
                if semconv.METRICS[name].instrument == "counter":
                    self._before[name] = dict(read())
            self._written.clear()

    def _send_at_the_end_of_a_child(self) -> None:
        """Children of multiprocessing end by ``os._exit``, without the SDK's last collection."""
        self._new_child = False
        finalizing = sys.modules.get("multiprocessing.util")
        if finalizing is not None:
            # multiprocessing has forgotten by now what was to be done at the end of the parent.
            finalizing.Finalize(None, self._send, exitpriority=-100)

    def _send(self) -> None:
        flush = getattr(self._provider, "force_flush", None)
        if flush is None:
            return
        run.settle()

        def quietly() -> None:
            with suppress(Exception):
                flush(CHILD_EXIT * 1000)

        # In a thread: how long a Collector that does not answer is waited for is not ours to say.
        thread = threading.Thread(target=quietly, daemon=True)
        thread.start()
        thread.join(CHILD_EXIT)


def _rows(file: Artifact, one: Ended) -> int | None:
    """The rows in a written file: its own, those of its content, or of what was written."""
    if file.rows is not None:
        return file.rows
    tables = [each for each in (*one.generated, *one.used) if each.kind == "table"]
    for table in tables:
        if file.content_id is not None and file.content_id in (table.id, table.content_id):
            return table.rows
    return tables[0].rows if len(tables) == 1 else None


def _lost() -> int | None:
    writer = run.journal
    return None if writer is None else writer.losses.lines + writer.pruned


def _of_worker(ask: Callable[[Worker], Any]) -> Any:
    """What the shipper of this process says; None where there is none."""
    room = sys.modules.get("otelprov.shipping.worker")
    worker = getattr(room, "_worker", None)
    return None if worker is None else ask(worker)


def _some(value: int | None) -> dict[Attributes, int]:
    return {} if value is None else {(): value}


def _add(sums: dict[Attributes, int], key: Attributes, number: int) -> None:
    sums[key] = sums.get(key, 0) + number


_known: Final[dict[int, Metrics]] = {}
"""By the id of its provider, which it keeps: instruments are made once."""


def _start_over(provider: Any, meter: Any) -> None:
    """Have the SDK forget what it has added up for one meter, in a forked child.

    And its locks: the thread that collects may have held them, and goes on nowhere.
    """
    scope, consumer = meter._instrumentation_scope, provider._measurement_consumer
    consumer._lock = threading.Lock()
    for storage in consumer._reader_storages.values():
        storage._lock = threading.RLock()
        matches = storage._instrument_view_instrument_matches
        for instrument in [one for one in matches if one.instrumentation_scope == scope]:
            del matches[instrument]

"""What the ids in log lines cost: one structlog event, and one of logging, with and without them.

Prints microseconds of processor time an event, of repetitions that alternate in one process: the
fastest, which is what it takes, and the median, which has the machine's other work in it. The
target is under 5 µs more for a structlog event. Run it with::

    python benchmarks/log_lines.py
"""

from __future__ import annotations

import io
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable

os.environ["OTELPROV_JOURNAL"] = tempfile.mkdtemp()

import structlog

import otelprov
from otelprov.instrumentation.instrumentors import LogsInstrumentor, RunInstrumentor
from otelprov.recording.run import run

REPETITIONS = 300
EVENTS = 200


def event_logger() -> structlog.typing.FilteringBoundLogger:
    """The chain of structlog's own recommendation for production, into memory."""
    return structlog.wrap_logger(
        structlog.PrintLogger(io.StringIO()),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )


def record_logger() -> logging.Logger:
    """A logger of the standard library, into memory."""
    logger = logging.getLogger("benchmark")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.StreamHandler(io.StringIO()))
    return logger


def cost(log: Callable[[], object]) -> float:
    """Microseconds of one event."""
    began = time.process_time()
    for _ in range(EVENTS):
        log()
    return (time.process_time() - began) / EVENTS * 1e6


def compare(name: str, log: Callable[[], object]) -> None:
    """Interleaved, so that a busy machine is busy for both."""
    instrumentor = LogsInstrumentor()
    without, with_ = [], []
    log()
    for _ in range(REPETITIONS):
        without.append(cost(log))
        instrumentor.instrument()
        with_.append(cost(log))
        instrumentor.uninstrument()
    for what, of in (("fastest", min), ("median", statistics.median)):
        one, other = of(without), of(with_)
        print(
            f"{name:42} {what:8} {one:6.2f} µs {other:6.2f} µs  +{other - one:5.2f} µs  "
            f"{other / one:.2f}x"
        )
        name = ""


def main() -> None:
    """Compare."""
    RunInstrumentor().instrument()
    run.start(root=True)
    log, record = event_logger(), record_logger()
    print(f"{'':51} without      with       more")
    compare("structlog, in the script", lambda: log.info("read", rows=5, name="orders"))
    compare("logging, in the script", lambda: record.info("read %d", 5))
    for inputs in (1, 8):
        with otelprov.operation("work") as work:
            for number in range(inputs):
                path = os.path.join(os.environ["OTELPROV_JOURNAL"], f"{number}.txt")
                with open(path, "w") as file:
                    file.write(str(number))
                work.used(path)
            compare(f"structlog, operation with {inputs} input(s)", lambda: log.info("x", rows=5))
            compare(f"logging, operation with {inputs} input(s)", lambda: record.info("x %d", 5))


main()

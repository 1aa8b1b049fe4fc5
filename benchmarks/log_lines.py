"""What the ids in log lines cost: one structlog event, and one of logging, with and without them.

Prints microseconds of processor time an event, all sides in one process and in short turns, so that
a busy machine is busy for all of them: the fastest turns, which are what it takes, and the medians,
which have the machine's other work in them. There are two copies of structlog, of which one is
instrumented. "by hand" is a processor that does nothing but add the same fields: what it takes to
write them, whoever adds them. The target is under 5 µs more for a structlog event. Run it with::

    python benchmarks/log_lines.py
"""

from __future__ import annotations

import importlib
import io
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

os.environ["OTELPROV_JOURNAL"] = tempfile.mkdtemp()

import otelprov
from otelprov.instrumentation.instrumentors import LogsInstrumentor, RunInstrumentor
from otelprov.recording.run import run

TURNS = 1500
EVENTS = 40

Log = Callable[[], object]


def copy_of_structlog() -> ModuleType:
    """A structlog that was imported anew."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "structlog"]:
        del sys.modules[name]
    return importlib.import_module("structlog")


def event_logger(structlog: Any, *more: Callable[..., object]) -> Any:
    """The chain of structlog's own recommendation for production, into memory."""
    return structlog.wrap_logger(
        structlog.PrintLogger(io.StringIO()),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *more,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )


class Plain(logging.Logger):
    """One that is not instrumented."""

    makeRecord = logging.Logger.makeRecord  # as it was before


def record_logger(kind: type[logging.Logger]) -> logging.Logger:
    """A logger of the standard library, into memory."""
    logger = kind(kind.__name__, logging.INFO)
    logger.addHandler(logging.StreamHandler(io.StringIO()))
    return logger


def compare(name: str, sides: Mapping[str, Log]) -> None:
    """Let the sides take turns."""
    found: dict[str, list[float]] = {side: [] for side in sides}
    for log in sides.values():
        log()
    for _ in range(TURNS):
        for side, log in sides.items():
            began = time.process_time()
            for _ in range(EVENTS):
                log()
            found[side].append((time.process_time() - began) / EVENTS * 1e6)
    for what, of in (("fastest", min), ("median", statistics.median)):
        without = of(found["without"])
        more = "  ".join(
            f"{side} {of(found[side]):6.2f} µs (+{of(found[side]) - without:5.2f})"
            for side in sides
            if side != "without"
        )
        print(f"{name:36} {what:8} without {without:6.2f} µs  {more}")
        name = ""


def main() -> None:
    """Compare."""
    plain, fields = copy_of_structlog(), dict[str, object]()

    def by_hand(logger: object, name: str, event: dict[str, object]) -> object:
        event.update(fields)
        return event

    untouched, handmade = event_logger(plain), event_logger(plain, by_hand)
    log = event_logger(copy_of_structlog())
    RunInstrumentor().instrument()
    run.start(root=True)
    unnamed = record_logger(Plain)
    LogsInstrumentor().instrument()
    record = record_logger(logging.Logger)

    def both(place: str) -> None:
        compare(
            f"structlog, {place}",
            {
                "without": lambda: untouched.info("read", rows=5, name="orders"),
                "by hand": lambda: handmade.info("read", rows=5, name="orders"),
                "with": lambda: log.info("read", rows=5, name="orders"),
            },
        )
        compare(
            f"logging, {place}",
            {
                "without": lambda: unnamed.info("read %d", 5),
                "with": lambda: record.info("read %d", 5),
            },
        )

    from otelprov import logs

    logs.correlate(None, "info", fields)
    both("in the script")
    for inputs in (1, 8):
        with otelprov.operation("work") as work:
            for number in range(inputs):
                path = os.path.join(os.environ["OTELPROV_JOURNAL"], f"{number}.txt")
                with open(path, "w") as file:
                    file.write(str(number))
                work.used(path)
                otelprov.artifact(path)  # waits for its digest
            fields.clear()
            logs.correlate(None, "info", fields)
            both(f"operation with {inputs} input(s)")


main()

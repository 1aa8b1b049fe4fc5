"""What a thread of ours owes the program that it runs in.

Its requests make no spans and no log lines there, and it is never caught by a fork in the middle
of an import.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Final

_MODULES: Final = (
    "urllib3",
    "urllib.request",
    "email.utils",
    "encodings.idna",  # for the look-up of a host's name
    "opentelemetry.instrumentation.utils",
)

importing = threading.Lock()
"""Held while urllib3 is imported in a thread. A process that forks in that moment would leave its
child with modules that are locked for good."""


def load() -> None:
    """Import all that sending needs: 27 ms of CPU (urllib3 2.8) beside what the SDK has loaded."""
    with importing:
        for name in _MODULES:
            import_module(name)


def load_no_more(timeout: float) -> None:
    """Nothing is imported here from now on: the thread that would waits until the process ends.

    What it is importing now is waited for, for ``timeout`` seconds at the most: urllib3 takes 27 ms
    of CPU.
    """
    global _closed
    _closed = _closed or importing.acquire(timeout=timeout)


@contextmanager
def unseen() -> Iterator[None]:
    """No instrumentation makes spans of the requests in this block: they would be sent in turn."""
    with importing:
        from opentelemetry.instrumentation.utils import suppress_instrumentation

    _silent.add(threading.get_ident())
    try:
        with suppress_instrumentation():
            yield
    finally:
        _silent.discard(threading.get_ident())


_silent: set[int] = set()
_closed = False
"""Whether ``importing`` is held for good."""


def keep_out_of_the_log() -> None:
    """Nothing that urllib3 logs for us goes into the log of the program.

    With the SDK's handler it would be a log record, sent by a request that logs in turn.
    """
    for name in ("connectionpool", "connection", "poolmanager", "util.retry"):
        logger = logging.getLogger(f"urllib3.{name}")
        if _not_ours not in logger.filters:
            logger.addFilter(_not_ours)


def _not_ours(record: logging.LogRecord) -> bool:
    return record.thread not in _silent


if hasattr(os, "register_at_fork"):

    def _before() -> None:
        # With a limit, so that no fork ever waits for good.
        global _held
        _held = not _closed and importing.acquire(timeout=5)

    def _after_in_parent() -> None:
        if _held:
            importing.release()

    def _after_in_child() -> None:
        global importing, _closed
        importing, _closed = threading.Lock(), False
        _silent.clear()

    _held = False
    os.register_at_fork(
        before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )

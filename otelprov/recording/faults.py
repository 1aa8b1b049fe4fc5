"""A fault of otelprov never reaches the user's program: it is told once, counted, and passed by."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from types import TracebackType

from otelprov.redaction import redact

logger = logging.getLogger("otelprov")

count = 0
"""Faults of this process."""
MAX_NAMED = 10
named: list[str] = []
"""What they left out, each once: at most ten, for the span of the run."""
raise_faults = False
"""Set by the tests, so that no fault hides."""

_told: set[object] = set()


class contained:
    """A block whose exceptions stay inside; ``what`` says what is missing for it.

    A class and not ``contextlib.contextmanager``: it is entered at every recorded call.
    """

    __slots__ = ("what",)

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        if _raised_for_the_program(error) is error:
            return False
        tell(self.what, error)
        return True


def tell(what: str, error: Exception) -> None:
    """Log a fault, once for each place; raise it in the tests.

    An exception that a signal handler of the program has raised is no fault, and is raised, too.
    """
    global count
    _pass_on(error)
    count += 1
    if len(named) < MAX_NAMED and what not in named:
        named.append(what)
    if raise_faults:
        raise error
    # Logging runs code of the program's (filters, handlers), and an error's text may be one's own.
    try:
        _log(what, error)
    except Exception as another:
        if is_of_the_program(another):
            raise


def _pass_on(error: Exception) -> None:
    """Raise what a signal handler of the program has raised, as it was raised."""
    raised = _raised_for_the_program(error)
    if raised is None:
        return
    context = raised.__context__
    try:
        raise raised
    finally:
        raised.__context__ = context  # and not that we had caught what it was replaced by


def _log(what: str, error: Exception) -> None:
    place, line = _place(error)
    # Wherever the stack happens to end is one thing to tell, not one for each place.
    key = RecursionError if isinstance(error, RecursionError) else (place, line)
    if key in _told or sys.is_finalizing():
        return
    _told.add(key)
    logger.warning(
        "otelprov: %s: %s: %s (%s:%d); the program is not affected",
        what,
        type(error).__name__,
        redact(" ".join(str(error).split())),
        os.path.basename(place),
        line,
    )
    logger.debug("otelprov: fault", exc_info=error)


def is_of_the_program(error: Exception) -> bool:
    """Whether a signal handler of the program raised it: then it is no fault of ours."""
    return _raised_for_the_program(error) is not None


def _raised_for_the_program(error: Exception) -> BaseException | None:
    with suppress(Exception):
        from otelprov.artifacts.interruptions import raised_for_the_program

        return raised_for_the_program(error)
    return None


def _place(error: Exception) -> tuple[str, int]:
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return "unknown", 0
    return traceback.tb_frame.f_code.co_filename, traceback.tb_lineno

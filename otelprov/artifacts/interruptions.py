"""Exceptions that a signal handler of the program raises while otelprov's code runs.

A handler that raises ``TimeoutError`` for SIGALRM ends whatever goes on in the main thread. When
that is a digest, the exception is no fault of the digest: it is meant for the program.
"""

from __future__ import annotations

import signal
import threading
from traceback import walk_tb
from types import CodeType, FrameType

try:
    # What ``signal`` has makes members of an enumeration of "default" and "ignore": 200 µs for 64
    # signals in place of 10, in code that takes an exception of a handler for one of its own.
    from _signal import getsignal  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    from signal import getsignal


def is_of_the_program(error: BaseException) -> bool:
    """Whether a signal handler raised it, or what it replaced; handlers in C are not known."""
    return raised_for_the_program(error) is not None


def raised_for_the_program(error: BaseException) -> BaseException | None:
    """What a signal handler raised: the exception itself, or one that it replaced on its way.

    Code that was interrupted may take the exception for one of its own and raise another:
    ``inspect.Signature`` does so with a ``ValueError``.
    """
    if threading.current_thread() is not threading.main_thread():
        return None  # handlers run in the main thread
    handlers = filter(callable, map(getsignal, range(1, signal.NSIG)))
    codes = {_code(handler) for handler in handlers} - {None}
    if not codes:
        return None
    passed: set[FrameType] = set()  # by the exceptions that were looked at
    found: BaseException | None = error
    while found is not None:
        frames = [frame for frame, _ in walk_tb(found.__traceback__)]
        # What was being handled when we were called was caught further out, and is over.
        if passed and (not frames or frames[0] not in passed):
            return None
        if any(frame.f_code in codes for frame in frames):
            return found
        passed.update(frames)
        found = found.__context__
    return None


def _code(handler: object) -> CodeType | None:
    """Of a function, a method, a ``functools.partial`` or an object that can be called."""
    handler = getattr(handler, "func", handler)
    handler = getattr(handler, "__func__", handler)
    code = getattr(handler, "__code__", None)
    if code is None and callable(handler):
        code = getattr(type(handler).__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None

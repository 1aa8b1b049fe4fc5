"""Exceptions that a signal handler of the program raises while otelprov's code runs.

A handler that raises ``TimeoutError`` for SIGALRM ends whatever goes on in the main thread. When
that is a digest, the exception is no fault of the digest: it is meant for the program.
"""

from __future__ import annotations

import signal
import threading
from functools import cache
from types import CodeType

try:
    from _signal import getsignal  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    from signal import getsignal


def is_of_the_program(error: BaseException) -> bool:
    """Whether a signal handler raised it; handlers written in C are not known."""
    if threading.current_thread() is not threading.main_thread():
        return False  # handlers run in the main thread
    traceback = error.__traceback__
    if traceback is None:
        return False
    # What the module `signal` has makes members of an enumeration of "default" and "ignore", for
    # 64 signals: 200 µs, in place of 10.
    codes = {_code(handler) for handler in map(getsignal, _signals()) if callable(handler)}
    while traceback is not None:
        if traceback.tb_frame.f_code in codes:
            return True
        traceback = traceback.tb_next
    return False


@cache
def _signals() -> tuple[int, ...]:
    return tuple(map(int, signal.valid_signals()))


def _code(handler: object) -> CodeType | None:
    """Of a function, a method, a ``functools.partial`` or an object that can be called."""
    handler = getattr(handler, "func", handler)
    handler = getattr(handler, "__func__", handler)
    code = getattr(handler, "__code__", None)
    if code is None and callable(handler):
        code = getattr(type(handler).__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None

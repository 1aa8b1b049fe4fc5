"""How long digesting takes: told to who measures it."""

from __future__ import annotations

import time
from collections.abc import Callable

told: Callable[[float, int], None] | None = None
"""Told of each digest that was taken: seconds and bytes."""


class Timed:
    """One digest; ``bytes`` is set while it is taken. Nothing is told of one that fails."""

    __slots__ = ("_began", "bytes")

    def __init__(self) -> None:
        self.bytes = 0

    def __enter__(self) -> Timed:
        self._began = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if told is not None and kind is None:
            told(time.perf_counter() - self._began, self.bytes)

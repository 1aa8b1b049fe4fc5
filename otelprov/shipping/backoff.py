"""How long to leave a receiver alone."""

from __future__ import annotations

import random
from typing import Final

from otelprov.shipping.sending import Answer

_SLOW: Final = 60.0  # seconds, at first, for a receiver that somebody must set up


class Backoff:
    """Exponential, with full jitter, and never earlier than the receiver asked for."""

    def __init__(self, *, first: float = 1.0, most: float = 60.0) -> None:
        self._first = first
        self._most = most
        self._failures = 0
        # Of its own: drawing from the program's would change the program's numbers.
        self._random = random.Random()  # noqa: S311

    def wait(self, answer: Answer) -> float:
        """Seconds until the next attempt, after one more failure."""
        first, most = self._first, self._most
        if answer.kind == "setup":
            first, most = _SLOW, max(_SLOW, 5 * most)
        reach = min(most, first * 2 ** min(self._failures, 20))
        self._failures += 1
        return answer.wait + self._random.uniform(0, reach)

    def reset(self) -> None:
        """Something was taken."""
        self._failures = 0

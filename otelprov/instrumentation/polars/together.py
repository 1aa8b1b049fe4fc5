"""``collect_all``: the plans that one call executes, each an operation of its own."""

from __future__ import annotations

import types
from typing import Any, Final

from otelprov.instrumentation._calls import Bound, Observed, Site
from otelprov.recording.plans import plans

MAX_EACH: Final = 100
"""Plans that are an operation each; of more, all are one."""


def collected(
    site: Site,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
    frame: types.FrameType | None,
    bound: Bound,
) -> Observed | Together:
    """The record of a call. A function of the program's that Polars calls belongs to an operation,
    and of several it would not be known to which."""
    frames: Any = bound[0].get("lazy_frames")
    if type(frames) in (list, tuple) and 1 < len(frames) <= MAX_EACH:
        known = [plans.lookup(one) for one in frames]
        if all(plan is not None and not plan.runs_functions for plan in known):
            return Together(site, arguments, keywords, frame, bound)
    return Observed(site, arguments, keywords, frame, bound)


class Together:
    """Several plans while they are executed. How long each takes is not known."""

    __slots__ = ("_each", "operation")

    def __init__(
        self,
        site: Site,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        frame: types.FrameType | None,
        bound: Bound,
    ) -> None:
        parameters, given = bound
        self._each: list[Observed] = []
        try:
            for lazy in parameters["lazy_frames"]:
                if self._each:
                    self._each[-1].operation.announce()
                own = {**parameters, "lazy_frames": [lazy]}
                self._each.append(Observed(site, arguments, keywords, frame, (own, list(given))))
        except BaseException:
            self.close()
            raise
        self.operation = self._each[-1].operation

    def returned(self, result: list[Any]) -> None:
        """Each has its result."""
        self.operation.leave()
        for one, made in zip(self._each, result, strict=True):
            one.returned(made)

    def failed(self, error: BaseException) -> None:
        """They have given nothing; which of them has failed is not known."""
        self.operation.leave()
        for one in self._each:
            one.failed(error)

    def close(self, error: BaseException | None = None) -> None:
        """It is over, whatever came between."""
        for one in self._each:
            one.close(error)

"""Checks of data: what they looked at, and whether it passed."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

from otelprov.instrumentation._calls import Bound, Observed, Site, is_internal, is_of, outside
from otelprov.recording import faults


class Checking(Observed):
    """A call that checks data. The messages of its exceptions quote what is wrong with it."""

    __slots__ = ()
    packages = frozenset({"wrapt"})
    """Through which the program may call it: a decorator of the library's."""

    def __init__(
        self,
        site: Site,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        frame: types.FrameType,
        bound: Bound | None = None,
    ) -> None:
        packages = self.packages | {site.library}
        caller = outside(frame, packages) or _beyond(frame, site.library) or frame
        super().__init__(site, arguments, keywords, caller, bound)
        self.operation.discreet = True

    def found(self, result: Any) -> Sequence[str] | None:
        """The names of the checks that failed; None where none was carried out."""
        raise NotImplementedError

    def raised(self, error: BaseException) -> Sequence[str] | None:
        """The same, of an exception; None where that is about something else."""
        return None

    def failed(self, error: BaseException) -> None:
        with faults.contained(self.site.end_not_recorded):
            try:
                self.operation.leave()
                with faults.contained(self.site.recorded_in_part):
                    names = self.raised(error)
                    if names is not None:
                        self.operation.conclude(names)
            finally:
                self.close(error)

    def _made(self, result: object) -> None:
        names = self.found(result)
        if names is not None:
            self.operation.conclude(names)


def _beyond(frame: types.FrameType | None, library: str) -> types.FrameType | None:
    """The program's frame, where it has handed a check to another library: ``df.pipe(schema)``."""
    while frame is not None and (is_of(frame, library) or is_internal(frame)):
        frame = frame.f_back
    return frame

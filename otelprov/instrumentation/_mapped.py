"""Calls that may map a file instead of reading it: no more is read of it then."""

from __future__ import annotations

from typing import Any

from otelprov.instrumentation._calls import Observed
from otelprov.recording import observation, places
from otelprov.recording.bounds import Reading


class Mapped(Observed):
    """A call with a parameter ``mmap_mode``."""

    __slots__ = ("_is_over",)

    def __init__(self, *arguments: Any) -> None:
        self._is_over = False
        super().__init__(*arguments)

    def _maps(self) -> bool:
        """Whether the call was asked to map the file."""
        return self.parameters.get("mmap_mode") is not None

    def _has_mapped(self, result: object) -> bool:
        return self._maps()

    def _is_written(self) -> bool:
        """Whether there is nothing in the file yet."""
        return False

    def _place(self, name: str) -> Any:
        # What is mapped is not read ahead.
        return super()._place(name) if self._is_over or not self._maps() else None

    def _read(self, result: object) -> None:
        self._is_over = True
        source = self.site.entry.source
        if source is None or not self._has_mapped(result):
            super()._read(result)
            return
        if not self._is_written():
            mapped = Reading(partial="mapped", succeeded=True)
            places.read_from(self.operation, source, self._place(source), mapped)
        observation.outputs(self.operation, result, by_content=False)

    def failed(self, error: BaseException) -> None:
        """As in ``Observed``."""
        self._is_over = True
        super().failed(error)

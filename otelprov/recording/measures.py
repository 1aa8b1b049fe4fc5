"""What is measured, for who counts it (``otelprov.metrics``): operations that end, and what is cut.

An operation looks whether somebody has set metrics up, and pays for no more where nobody has:
under 1 µs. A provider may be set before the recording begins (``opentelemetry-instrument``) or
at any time after it (a program that does it itself).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.trace import Span

from otelprov.recording import faults

if TYPE_CHECKING:
    from otelprov.model import Artifact, OperationKind


class Ended(NamedTuple):
    """An operation that has ended, or a run: each call for itself, also where one span stands for
    many."""

    name: str
    """Of its span."""
    kind: OperationKind
    begun: int
    """Nanoseconds since the epoch."""
    end: int
    span: Span
    error: str | None = None
    """``error.type``, where it failed."""
    used: Sequence[Artifact] = ()
    generated: Sequence[Artifact] = ()


Listener = Callable[[Ended], None]


class Measures:
    """Who is told, and what this process has cut."""

    def __init__(self) -> None:
        self._prepare: Callable[[Any], Listener] | None = None
        self.cut: dict[str, int] = {}
        """By attribute (``otelprov.dropped.…``): what limits have cut in this process."""
        self._listener: Listener | None = None
        self._asked = False

    def begin(self, prepare: Callable[[Any], Listener]) -> None:
        """Measure; ``prepare`` makes the listener for a provider of meters, now or later."""
        if self._listener is None:
            self._prepare, self._asked = prepare, False
            self.listener()

    def tell(self, listener: Listener) -> None:
        """Measure with this listener."""
        self._listener = listener

    def listener(self) -> Listener | None:
        """Who is told, where somebody reads metrics."""
        if self._listener is not None or self._prepare is None:
            return self._listener
        # Who sets a provider has imported it.
        internal = sys.modules.get("opentelemetry.metrics._internal")
        if internal is None or (
            # To ask for it looks into the environment each time, which takes 3 µs.
            self._asked and getattr(internal, "_METER_PROVIDER", _UNKNOWN) is None
        ):
            return None
        self._asked = True
        api = sys.modules.get("opentelemetry.metrics")
        provider = api.get_meter_provider() if api is not None else None
        if provider is not None and _is_read(provider):
            prepare, self._prepare = self._prepare, None
            with faults.contained("nothing is measured"):
                self.tell(prepare(provider))
        return self._listener

    def drop(self, numbers: Mapping[str, int]) -> None:
        """These were left out for a limit."""
        for name, number in numbers.items():
            self.cut[name] = self.cut.get(name, 0) + number

    def stop(self) -> None:
        """Tell nobody any more."""
        self._prepare = self._listener = None


_UNKNOWN: Final = object()


def _is_read(provider: object) -> bool:
    """Whether what is counted goes anywhere.

    With ``OTEL_METRICS_EXPORTER=none`` the SDK has a provider all the same, and no reader.
    """
    if type(provider).__module__.startswith("opentelemetry.metrics"):  # the API's, which do nothing
        return False
    consumer = getattr(provider, "_measurement_consumer", None)
    readers = getattr(consumer, "_reader_storages", None)
    return readers is None or bool(readers)


measures = Measures()

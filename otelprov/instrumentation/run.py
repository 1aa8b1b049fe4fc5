"""The run itself: the journal, the run span, the code version."""

from __future__ import annotations

import sys
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otelprov.instrumentation._instrumentor import Description
from otelprov.recording import faults
from otelprov.recording.run import run


class RunInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Starts the recording of a process."""

    def instrumentation_dependencies(self) -> tuple[str, ...]:
        """None."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        with faults.contained("this run is not recorded"):
            run.start()

    def _uninstrument(self, **kwargs: Any) -> None:
        run.stop()

    @classmethod
    def describe(cls) -> Description:
        """The run is recorded wherever the instrumentor is loaded."""
        return Description("python", sys.version.split()[0], ">=3.10", True, "runs are recorded")

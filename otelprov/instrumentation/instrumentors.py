"""Instrumentors: what is recorded, and from which version on.

A library is patched when the program imports it, and never imported by us. What does the patching
is loaded then, too: a program that never imports pandas does not pay for its table.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otelprov.recording import faults
from otelprov.recording.measures import Listener, measures
from otelprov.recording.run import run

if TYPE_CHECKING:
    from otelprov.instrumentation._calls import Site


class Description(NamedTuple):
    """What an instrumentor does here, for ``otelprov doctor``."""

    library: str
    installed: str | None
    supported: str
    active: bool
    reason: str


class LibraryInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """One library."""

    library: ClassVar[str]
    minimum: ClassVar[tuple[int, ...]]
    """The oldest version that is supported."""
    modules: ClassVar[tuple[str, ...]]
    """The modules whose import is waited for; the library's module in this package has a table
    for each."""

    _sites: dict[str, list[Site]] = {}
    _wanted = False

    def instrumentation_dependencies(self) -> tuple[str, ...]:
        """None that the loader should check: a missing library is simply never imported."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        with faults.contained(f"{self.library} is not instrumented"):
            _measure()
            run.start(root=False)  # the run's own span is the run instrumentor's
            self._wanted = True
            self._sites = {}
            for name in self.modules:
                wrapt.register_post_import_hook(partial(_patch_when_wanted, self), name)

    def _uninstrument(self, **kwargs: Any) -> None:
        self._wanted = False
        if self._sites:
            from otelprov.instrumentation._wrapping import uninstall

            for sites in self._sites.values():
                uninstall(sites)
        self._sites = {}

    @classmethod
    def describe(cls) -> Description:
        """Whether the library is here, and whether it is recorded."""
        from importlib.metadata import PackageNotFoundError, version

        supported = ">=" + ".".join(map(str, cls.minimum))
        try:
            installed = version(cls.library)
        except PackageNotFoundError:
            return Description(cls.library, None, supported, False, "not installed")
        if _version(installed) < cls.minimum:
            return Description(cls.library, installed, supported, False, "too old")
        return Description(cls.library, installed, supported, True, "recorded")


class PandasInstrumentor(LibraryInstrumentor):
    """Records pandas."""

    library = "pandas"
    minimum = (2, 2)
    modules = ("pandas",)


class PyArrowInstrumentor(LibraryInstrumentor):
    """Records pyarrow."""

    library = "pyarrow"
    minimum = (14,)
    modules = (
        "pyarrow.parquet",
        "pyarrow.csv",
        "pyarrow.feather",
        "pyarrow.json",
        "pyarrow.orc",
        "pyarrow.dataset",
        "pyarrow.pandas_compat",
        "pyarrow.acero",
    )


class RunInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Starts the recording of a process."""

    def instrumentation_dependencies(self) -> tuple[str, ...]:
        """None."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        with faults.contained("this run is not recorded"):
            _measure()
            run.start()

    def _uninstrument(self, **kwargs: Any) -> None:
        run.stop()
        measures.stop()

    @classmethod
    def describe(cls) -> Description:
        """The run is recorded wherever the instrumentor is loaded."""
        return Description("python", sys.version.split()[0], ">=3.10", True, "runs are recorded")


class LogsInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Puts the trace, the run and the data into log lines: structlog and the standard library."""

    _wanted = False
    _undo: ClassVar[dict[str, Callable[[], None]]] = {}

    def instrumentation_dependencies(self) -> tuple[str, ...]:
        """None: structlog is never imported here."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        # Nothing is recorded for it: where no run is, lines name the current span and no more.
        with faults.contained("log lines do not name their trace"):
            from otelprov.instrumentation.log_lines import install_in_logging

            self._wanted = True
            self._undo["logging"] = install_in_logging()
            for name in ("structlog", *LOG_EXPORTS):
                wrapt.register_post_import_hook(partial(_correlate_when_wanted, self), name)

    def _uninstrument(self, **kwargs: Any) -> None:
        self._wanted = False
        while self._undo:
            self._undo.popitem()[1]()

    @classmethod
    def describe(cls) -> Description:
        """The standard library is always here; structlog when a program imports it."""
        return Description("logging", sys.version.split()[0], ">=3.10", True, "lines name traces")


LOG_EXPORTS = (
    "opentelemetry.instrumentation.structlog",
    "opentelemetry.instrumentation.logging.handler",
    "opentelemetry.sdk._logs._internal",
)
"""What exports logs over OTLP, where it is installed."""


def _measure() -> None:
    """Have what is recorded measured, where metrics are set up now or later.

    Before the run begins: what is to be done at exit is done in the opposite order, and the end of
    the run is to be measured too.
    """
    measures.begin(_metrics)


def _metrics(provider: Any) -> Listener:
    # Not loaded where nobody reads metrics.
    from otelprov import metrics

    return metrics.prepare(provider)


def _correlate_when_wanted(instrumentor: LogsInstrumentor, module: types.ModuleType) -> None:
    name = module.__name__
    with faults.contained(f"the log lines of {name} do not name their trace"):
        if not instrumentor._wanted or name in instrumentor._undo:
            return
        if name == "structlog":
            from otelprov.instrumentation.log_lines import install

            instrumentor._undo[name] = install(module)
        else:
            from otelprov.instrumentation._log_export import install as close_gaps

            instrumentor._undo[name] = close_gaps(module)


def _patch_when_wanted(instrumentor: LibraryInstrumentor, module: types.ModuleType) -> None:
    library, name = instrumentor.library, module.__name__
    with faults.contained(f"{name} is not instrumented"):
        # wrapt keeps a hook for good, so it may be called after uninstrument, or twice.
        if not instrumentor._wanted or name in instrumentor._sites:
            return
        version = getattr(sys.modules[library], "__version__", "")
        if _version(version) < instrumentor.minimum:
            instrumentor._sites[name] = []
            faults.logger.warning(
                "otelprov: %s %s is older than %s and is not recorded",
                library,
                version or "?",
                ".".join(map(str, instrumentor.minimum)),
            )
            return
        from otelprov.instrumentation._wrapping import install

        tables = import_module(f"otelprov.instrumentation.{library}").TABLES
        instrumentor._sites[name] = install(module, tables[name](), version=version)


def _version(text: str) -> tuple[int, ...]:
    numbers = []
    for part in text.split(".")[:3]:
        digits = "".join(character for character in part if character.isdigit())
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)

"""Instrumentors: what is put in place when a process starts, and how it is taken back.

A library is patched when the program imports it, and never imported by us. What does the patching
is loaded then, too: a program that never imports pandas does not pay for its table.
"""

from __future__ import annotations

import gc
import os
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otelprov.instrumentation._finding import find_without_importing
from otelprov.instrumentation.libraries import LIBRARIES, Library
from otelprov.recording import faults
from otelprov.recording.measures import Listener, measures
from otelprov.recording.run import run, spans_of

if TYPE_CHECKING:
    from otelprov.instrumentation._calls import Site


class Description(NamedTuple):
    """What is recorded here, for ``otelprov doctor``."""

    library: str
    installed: str | None
    supported: str
    active: bool
    reason: str
    switch: str = ""
    """What switches it off, in OTEL_PYTHON_DISABLED_INSTRUMENTATIONS."""


class OtelprovInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """All of it. The only entry point: `opentelemetry-instrument` takes 2 ms for each
    (docs/decisions/0019)."""

    def instrumentation_dependencies(self) -> tuple[str, ...]:
        """None that the loader should check: a missing library is simply never imported."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        with faults.contained("modules are found as wrapt finds them"):
            find_without_importing()
        off = _switched_off()
        with _without_collections():
            for name, part in _parts():
                if f"otelprov_{name}" not in off and not part.is_instrumented_by_opentelemetry:
                    part.instrument(skip_dep_check=True)

    def _uninstrument(self, **kwargs: Any) -> None:
        for _, part in _parts():
            if part.is_instrumented_by_opentelemetry:
                part.uninstrument()

    @classmethod
    def describe(cls) -> list[Description]:
        """Each part of it."""
        return [part.describe()._replace(switch=f"otelprov_{name}") for name, part in _parts()]


def _parts() -> Iterator[tuple[str, Any]]:
    """What can be switched off alone, by name. The run comes last, when all is in place."""
    yield "logs", LogsInstrumentor()
    yield "files", files
    yield from libraries.items()
    yield "run", RunInstrumentor()


def _switched_off() -> frozenset[str]:
    """``opentelemetry-instrument`` itself looks for the names of entry points, and for ``*``."""
    text = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    return frozenset(name.strip() for name in text.split(","))


class LibraryInstrumentor:
    """One library. Not a ``BaseInstrumentor``: of such a class there is one object."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.sites: dict[str, list[Site]] = {}
        """What is patched, by module."""
        self.is_instrumented_by_opentelemetry = False

    def instrument(self, **kwargs: Any) -> None:
        """Patch the library as soon as the program imports it."""
        with faults.contained(f"{self.library.name} is not instrumented"):
            _measure()
            run.start(root=False)  # the run's own span is the run instrumentor's
            self.is_instrumented_by_opentelemetry = True
            self.sites = {}
            for name in self.library.companions:
                wrapt.register_post_import_hook(lambda _: self._wait(), name)
            if not self.library.companions:
                self._wait()

    def _wait(self) -> None:
        for name in self.library.modules:
            wrapt.register_post_import_hook(partial(_patch_when_wanted, self), name)

    def uninstrument(self, **kwargs: Any) -> None:
        """Put every original back."""
        self.is_instrumented_by_opentelemetry = False
        if self.sites:
            from otelprov.instrumentation._wrapping import uninstall

            for sites in self.sites.values():
                uninstall(sites)
        self.sites = {}

    def describe(self) -> Description:
        """Whether the library is here, and whether it is recorded."""
        name, minimum = self.library.name, self.library.minimum
        supported = ">=" + (".".join(map(str, minimum)) or "3.10")
        installed = _installed(self.library)
        if installed is None:
            return Description(name, None, supported, False, "not installed")
        if _version(installed) < minimum:
            return Description(name, installed, supported, False, "too old")
        return Description(name, installed, supported, True, "recorded")


libraries = {library.name: LibraryInstrumentor(library) for library in LIBRARIES}
"""By name."""


class FilesInstrumentor:
    """Records how files are copied and moved by the standard library, which is loaded already."""

    def __init__(self) -> None:
        self.is_instrumented_by_opentelemetry = False
        self._undo: Callable[[], None] | None = None

    def instrument(self, **kwargs: Any) -> None:
        """Put the stand-ins in place."""
        with faults.contained("files that are copied and moved are not recorded"):
            from otelprov.instrumentation.files import install

            _measure()
            run.start(root=False)
            self._undo = install()
            _trace("files")
            self.is_instrumented_by_opentelemetry = True

    def uninstrument(self, **kwargs: Any) -> None:
        """Put every original back."""
        undo, self._undo = self._undo, None
        self.is_instrumented_by_opentelemetry = False
        if undo is not None:
            undo()

    def describe(self) -> Description:
        """The standard library is always here."""
        version = sys.version.split()[0]
        return Description("files", version, ">=3.10", True, "copies and moves are recorded")


files = FilesInstrumentor()


class RunInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Starts the recording of a process."""

    _undo: ClassVar[list[Callable[[], None]]] = []

    def instrumentation_dependencies(self) -> tuple[str, ...]:
        """None."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        with faults.contained("this run is not recorded"):
            _measure()
            run.start()
        with faults.contained("requests are served below the span of the run"):
            from otelprov.instrumentation import _servers

            self._undo.append(_servers.install(import_module(_servers.UTILITIES)))

    def _uninstrument(self, **kwargs: Any) -> None:
        while self._undo:
            self._undo.pop()()
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
    with faults.contained(f"{name} is not instrumented"), _without_collections():
        # wrapt keeps a hook for good, so it may be called after uninstrument, or twice.
        if not instrumentor.is_instrumented_by_opentelemetry or name in instrumentor.sites:
            return
        facts = import_module(f"otelprov.instrumentation.{library.name}")
        version = getattr(sys.modules[name.partition(".")[0]], "__version__", None)
        if not isinstance(version, str):
            version = _installed(library) or ""
        if _version(version) < library.minimum:
            instrumentor.sites[name] = []
            faults.logger.warning(
                "otelprov: %s %s is older than %s and is not recorded",
                library.name,
                version or "?",
                ".".join(map(str, library.minimum)),
            )
            return
        from otelprov.instrumentation._wrapping import install

        instrumentor.sites[name] = install(
            module,
            facts.TABLES[name](),
            version=version,
            own_threads=getattr(facts, "OWN_THREADS", False),
        )
        _trace(library.name)


def _trace(library: str) -> None:
    """Have the tracer of a library now, as it is imported, and not with its first operation.

    To make one, the SDK (1.45) adds a filter of warnings, after which Python shows each warning
    again that it has shown once for its line.
    """
    if run.journal is not None:
        spans_of(library)


@contextmanager
def _without_collections() -> Iterator[None]:
    """What is loaded and put in place stays: a garbage collection meanwhile finds nothing of it,
    and may go through all objects of the process (45 ms of an import of pandas)."""
    enabled = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if enabled:
            gc.enable()


def _installed(library: Library) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    for name in library.distributions or (library.name,):
        if name == "python":
            return sys.version.split()[0]
        with suppress(PackageNotFoundError):
            return version(name)
    return None


def _version(text: str) -> tuple[int, ...]:
    numbers = []
    for part in text.split(".")[:3]:
        digits = "".join(character for character in part if character.isdigit())
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)

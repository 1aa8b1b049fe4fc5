"""Instrumentors: a library is patched when the program imports it, and never imported by us."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otelprov.instrumentation._calls import Site
from otelprov.instrumentation._chained import ChainedAssignment
from otelprov.instrumentation._table import Entry
from otelprov.instrumentation._wrapping import install, uninstall
from otelprov.recording import faults
from otelprov.recording.run import run


@dataclass(frozen=True, slots=True)
class Description:
    """What an instrumentor does here, for ``otelprov doctor``."""

    library: str
    installed: str | None
    supported: str
    active: bool
    reason: str


class LibraryInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """One library."""

    library: str = ""
    minimum: tuple[int, ...] = ()
    """The oldest version that is supported."""

    _sites: dict[str, list[Site]] = {}
    _wanted = False

    def tables(self) -> Mapping[str, Callable[[], Iterable[Entry]]]:
        """The operation tables, by the module that has to be imported for each."""
        raise NotImplementedError

    def chained(self, entry: Entry) -> ChainedAssignment | None:
        """How the library finds chained assignment, where an entry has to take care of it."""
        return None

    def instrumentation_dependencies(self) -> tuple[str, ...]:
        """None that the loader should check: a missing library is simply never imported."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        with faults.contained(f"{self.library} is not instrumented"):
            run.start(root=False)  # the run's own span is the run instrumentor's
            self._wanted = True
            self._sites = {}
            for name in self.tables():
                wrapt.register_post_import_hook(partial(_patch_when_wanted, self), name)

    def _uninstrument(self, **kwargs: Any) -> None:
        self._wanted = False
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
        table = instrumentor.tables()[name]()
        instrumentor._sites[name] = install(
            module, table, version=version, chained=instrumentor.chained
        )


def _version(text: str) -> tuple[int, ...]:
    numbers = []
    for part in text.split(".")[:3]:
        digits = "".join(character for character in part if character.isdigit())
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)

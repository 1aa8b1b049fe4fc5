"""How wrapt, which calls us when a module is imported, finds that module.

Python asks each finder while it holds the lock of all imports. wrapt asks ``importlib.util`` in
turn, which imports the parent to know where to look: where another thread is importing that just
then, each waits for the other for ever. Python has given the finder the place, so nothing has to be
imported (wrapt 1.16 to 2.5).
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec

import wrapt.importer  # type: ignore[import-untyped]


def find_without_importing() -> None:
    """Have wrapt find modules without importing their parents."""
    if getattr(wrapt.importer, "find_spec", None) is importlib.util.find_spec:
        wrapt.importer.find_spec = _found


def _found(name: str, package: str | None = None) -> ModuleSpec | None:
    parent = sys.modules.get(name.rpartition(".")[0])
    path = getattr(parent, "__path__", None)
    if path is None or name in sys.modules:
        return importlib.util.find_spec(name, package)
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find(name, path, None) if find is not None else None
        if spec is not None:
            return spec
    return None

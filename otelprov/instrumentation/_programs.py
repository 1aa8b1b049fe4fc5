"""Whose code a frame is: the program's own, the standard library's, or that of a package.

Loaded in every recorded process, so it imports nothing.
"""

from __future__ import annotations

import os
import types
from typing import Final, Literal

Owner = Literal["program", "standard", "package"]

_STANDARD: Final = os.path.dirname(os.__file__) + os.sep
_TESTS: Final = os.path.join(os.path.dirname(os.__file__), "test") + os.sep
"""CPython's own: programs that use the standard library."""
_PACKAGES: Final = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_OWN: Final = os.path.dirname(os.path.dirname(__file__)) + os.sep
_found: dict[str, Owner] = {}


def owner(frame: types.FrameType) -> Owner:
    """Whose code it is, by the place of its file."""
    found = owner_of(frame.f_code.co_filename)
    if found == "package" and frame.f_globals.get("__name__") == "__main__":
        return "program"  # python -m package
    return found


def owner_of(file: str) -> Owner:
    """The same for the file that code is from."""
    found = _found.get(file)
    if found is None:
        if len(_found) > 10_000:  # code that is made as the program goes
            _found.clear()
        found = _found[file] = _look(file)
    return found


def _look(file: str) -> Owner:
    if file.startswith(_OWN) or any(part in file for part in _PACKAGES):
        return "package"
    if file.startswith((_STANDARD, "<frozen ")) and not file.startswith(_TESTS):
        return "standard"
    return "program"


def through(frame: types.FrameType | None, modules: frozenset[str]) -> types.FrameType | None:
    """Who has these modules of the standard library do something, seen from a frame in them."""
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if not isinstance(name, str) or name.partition(".")[0] not in modules:
            break
        frame = frame.f_back
    return frame

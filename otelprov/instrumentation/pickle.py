"""pickle of the standard library: tables, arrays and models in files, alone or in what holds them.

It is imported at every start, by OpenTelemetry itself; so it is patched when the first library is
imported whose data is recorded.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import FrameType
from typing import Any, Final

from otelprov.instrumentation._programs import owner
from otelprov.instrumentation._table import Entry, read, write
from otelprov.instrumentation._wrapping import recorded, site_of
from otelprov.recording import observation
from otelprov.recording.run import run

RECORDS: Final = (
    "**write**: `dump` of tables, arrays and fitted models, and of what holds some<br>"
    "**read**: `load` of a file"
)
ODDITIES: Final = (
    "What `dumps` gives and `loads` takes is a string of bytes that nobody follows. Tables and "
    "models in it are known by their content, within a run.",
    "`Pickler` and `Unpickler` are not recorded, nor are dill and cloudpickle.",
)


def _holds_data(parameters: Mapping[str, Any], _: object) -> bool:
    return observation.has_inputs(parameters.get("obj"))


def _is_a_file(parameters: Mapping[str, Any], _: object) -> bool:
    """Not what a program has in memory, and may load from ten thousand times."""
    return not isinstance(parameters.get("file"), io.BytesIO)


def _both() -> Iterable[Entry]:
    dump = write("dump", target="file", data="obj", only_when=_holds_data)
    load = read("load", source="file", only_when=_is_a_file)
    for entry in (dump, load):
        yield entry._replace(around=partial(_by_the_program, entry))


def _by_the_program(entry: Entry, original: Callable[..., Any]) -> Callable[..., Any]:
    """Not what multiprocessing and joblib's loky send to the processes that they start."""
    site = site_of(entry, "pickle", sys.version.split()[0], original, original, method=False)

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            if run.active:
                frame = sys._getframe().f_back
                if frame is None or not _is_a_pool(frame):
                    return recorded(site, frame, args, kwargs)
            return original(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return wrapper


def _is_a_pool(frame: FrameType) -> bool:
    # By the file: loky's workers begin in a module that runs as __main__.
    file = frame.f_code.co_filename
    return owner(frame) == "standard" or any(one in file for one in _POOLS)


_POOLS: Final = tuple(f"{os.sep}{name}{os.sep}" for name in ("joblib", "loky", "multiprocess"))

TABLES = {"numpy": _both, "polars": _both, "pyarrow": _both}
PATCHED: Final = "pickle"
"""The module that is patched then."""

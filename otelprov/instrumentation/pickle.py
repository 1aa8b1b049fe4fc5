"""pickle of the standard library: tables, arrays and models in files, alone or in what holds them.

OpenTelemetry itself imports it where it sets up logging; so it is patched only in programs that
import a library whose data is recorded as well.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType
from typing import Any, Final

from otelprov.artifacts.registry import registry
from otelprov.instrumentation._calls import Site, is_internal
from otelprov.instrumentation._programs import owner
from otelprov.instrumentation._table import Entry, read, write
from otelprov.instrumentation._wrapping import recorded, recorded_late, site_of
from otelprov.recording import faults, observation
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


def _both() -> Iterable[Entry]:
    dump, load = write("dump", target="file", data="obj"), read("load", source="file")
    yield dump._replace(around=partial(_dumping, dump))
    yield load._replace(around=partial(_loading, load))


def _dumping(entry: Entry, original: Callable[..., Any]) -> Callable[..., Any]:
    site = _site(entry, original)

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            frame = sys._getframe().f_back
            if _data_for(args[0] if args else kwargs.get("obj"), frame):
                return recorded(site, frame, args, kwargs)
            return original(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return wrapper


def _loading(entry: Entry, original: Callable[..., Any]) -> Callable[..., Any]:
    """What is loaded tells whether it is data: a file may hold thousands of small objects."""
    site = _site(entry, original)

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            result = original(*args, **kwargs)
            frame = sys._getframe().f_back
            data = _data_for(result, frame)
            if data:
                for item in data:
                    registry.forget(item)  # known by its content by now: it is from the file
                return recorded_late(site, frame, args, kwargs, result)
            return result
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return wrapper


def _site(entry: Entry, original: Callable[..., Any]) -> Site:
    version = sys.version.split()[0]
    return site_of(entry, "pickle", version, original, original, method=False)


def _data_for(value: object, frame: FrameType | None) -> list[object]:
    """The data in what a program dumps or loads itself.

    Not what multiprocessing and joblib's loky send to the processes that they start.
    """
    if not run.active or type(value) in observation.PLAIN:
        return []
    try:
        data = observation.data_in(value)
        if not data or is_internal(frame) or (frame is not None and _is_a_pool(frame)):
            return []
        return data
    except Exception as fault:
        faults.tell("what a pickle holds is not known", fault)
        return []


def _is_a_pool(frame: FrameType) -> bool:
    # By the file: loky's workers begin in a module that runs as __main__.
    file = frame.f_code.co_filename
    return owner(frame) == "standard" or any(one in file for one in _POOLS)


_POOLS: Final = tuple(f"{os.sep}{name}{os.sep}" for name in ("joblib", "loky", "multiprocess"))

TABLES = {"pickle": _both}

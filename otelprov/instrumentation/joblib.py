"""joblib: objects in files. Its parallel calls call what the program gave them.

``Memory`` keeps what a function has returned in a file of its cache, and gives it to whoever calls
the function with the same arguments again, in another process too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import FrameType
from typing import Any

from otelprov.instrumentation._calls import Site, is_internal
from otelprov.instrumentation._mapped import Mapped
from otelprov.instrumentation._table import Entry, read, write
from otelprov.instrumentation._wrapping import recorded, recorded_late, site_of
from otelprov.recording import faults, observation
from otelprov.recording.run import run

ODDITIES = (
    "What a function returns that `joblib.Memory` remembers is written to a file of its cache "
    "(`Memory.dump`), and read from there (`Memory.load`), where it is data, or holds some. The "
    "cache of a pipeline of scikit-learn's belongs to its fit.",
)


class _OfCache(Mapped):
    """The cache says whether its files are mapped."""

    __slots__ = ()

    def _maps(self) -> bool:
        return getattr(self.target, "mmap_mode", None) is not None


def _files() -> Iterable[Entry]:
    yield write("dump", target="filename", data="value")
    yield read("load", source="filename", observed=Mapped)


def _cache() -> Iterable[Entry]:
    facts: dict[str, Any] = {"places": _kept, "shows": ()}
    path = "StoreBackendMixin"
    dump = write(f"{path}.dump_item", name="Memory.dump", target="file", data="item", **facts)
    yield dump._replace(around=partial(_dumping, dump))
    load = read(f"{path}.load_item", name="Memory.load", source="file", **facts)
    load = load._replace(observed=_OfCache)
    yield load._replace(around=partial(_loading, load))


def _kept(parameters: Mapping[str, Any]) -> Any:
    """The file of a cache; its names are those of the function and of its arguments."""
    names = parameters.get("call_id") or parameters.get("path") or ()  # path up to 1.3
    return os.path.join(parameters["self"].location, *names, "output.pkl")


def _dumping(entry: Entry, original: Callable[..., Any]) -> Callable[..., Any]:
    site = _site(entry, original)

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            item = args[2] if len(args) > 2 else kwargs.get("item")
            caller = _caller_with(item, sys._getframe().f_back)
            if caller is not None:
                return recorded(site, caller, args, kwargs)
            return original(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return wrapper


def _loading(entry: Entry, original: Callable[..., Any]) -> Callable[..., Any]:
    """What is loaded tells whether it is data."""
    site = _site(entry, original)

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            result = original(*args, **kwargs)
            caller = _caller_with(result, sys._getframe().f_back)
            if caller is not None:
                return recorded_late(site, caller, args, kwargs, result)
            return result
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return wrapper


def _site(entry: Entry, original: Callable[..., Any]) -> Site:
    version = getattr(sys.modules["joblib"], "__version__", "")
    return site_of(entry, "joblib", version, original, original, method=True)


def _caller_with(value: object, frame: FrameType | None) -> FrameType | None:
    """Who calls the function that is remembered, where it gives data; None where a library does."""
    if not run.active or type(value) in observation.PLAIN:
        return None
    try:
        if not observation.data_in(value):
            return None
        while frame is not None and str(frame.f_globals.get("__name__")).startswith("joblib."):
            frame = frame.f_back
        return None if frame is None or is_internal(frame) else frame
    except Exception as fault:
        faults.tell("what a function remembers is not known", fault)
        return None


TABLES = {"joblib.numpy_pickle": _files, "joblib._store_backends": _cache}

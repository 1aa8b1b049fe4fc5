"""Tables that leave for another process, and those that arrive."""

from __future__ import annotations

from functools import partial
from types import FrameType
from typing import Any

from otelprov.artifacts import identify
from otelprov.artifacts.deferred import resolve
from otelprov.artifacts.registry import registry
from otelprov.instrumentation._calls import Function, pickled_by
from otelprov.instrumentation._wrapping import followed
from otelprov.recording.recorder import Call, OpenOperation


def pickling(original: Function) -> Function:
    """For ``__getstate__``: a table that leaves is known elsewhere by its content."""
    library = original.__module__.partition(".")[0]
    return followed(original, partial(_pickled, library), "a pickled table was not recorded")


def _pickled(library: str, frame: FrameType, _: object, table: Any) -> None:
    caller = pickled_by(frame)
    if caller is None:
        return  # to_pickle is an operation of its own
    identity = registry.lookup(table)
    if identity is None:
        return
    known = identity.artifact
    if known is not None and resolve(known).coverage == "full":
        return  # its id is its content already
    operation = OpenOperation(Call(library, "pickle", "transform"), caller, {}, ())
    operation.use("self", identity)
    operation.generate("content", identify(table))
    operation.end()


def unpickling(original: Function) -> Function:
    """For ``__setstate__``."""
    return followed(original, _unpickled, "an unpickled table is of unknown origin")


def _unpickled(frame: FrameType, _: object, table: Any, state: object) -> None:
    if pickled_by(frame) is not None:
        registry.arrive(table)

"""Tables and models that leave for another process, and those that arrive.

``pickle.dump`` is C. It asks an object for its state, and gives a new one a state: that is seen.
"""

from __future__ import annotations

import threading
import weakref
from functools import partial
from types import FrameType
from typing import Any

from otelprov.artifacts import identify
from otelprov.artifacts.deferred import resolve
from otelprov.artifacts.registry import registry
from otelprov.instrumentation._calls import Function, pickled_by
from otelprov.instrumentation._wrapping import followed
from otelprov.recording import models, observation
from otelprov.recording.recorder import Call, OpenOperation


def pickling(original: Function) -> Function:
    """For ``__getstate__``: what leaves is known elsewhere by its content."""
    library = original.__module__.partition(".")[0]
    return followed(original, partial(_pickled, library), "pickled data was not recorded")


class _Last(threading.local):
    """What the model that was pickled last is made of: its parts are pickled after it."""

    def __init__(self) -> None:
        self.parts: dict[int, weakref.ref[object]] = {}


_last = _Last()


def _pickled(library: str, frame: FrameType, _: object, value: Any, *more: object) -> None:
    caller = pickled_by(frame)
    if caller is None:
        return  # to_pickle and joblib.dump are operations of their own
    part = _last.parts.pop(id(value), None)  # each is asked once
    if part is not None and part() is value:
        return
    is_model = observation.data_kind(value) == "model"
    if is_model:
        _last.parts = {id(part): weakref.ref(part) for part in models.held(value)}
    identity = registry.lookup(value)
    if identity is None:
        return
    if is_model:
        identity = models.identity(value)
    known = identity.artifact
    if known is not None and resolve(known).coverage == "full":
        return  # its id is its content already
    operation = OpenOperation(Call(library, "pickle", "transform"), caller, {}, ())
    operation.use("self", identity)
    operation.generate("content", identify(value))
    operation.end()


def unpickling(original: Function) -> Function:
    """For ``__setstate__``."""
    return followed(original, _unpickled, "unpickled data is of unknown origin")


def _unpickled(frame: FrameType, _: object, value: Any, *state: object) -> None:
    if pickled_by(frame) is not None:
        registry.arrive(value)

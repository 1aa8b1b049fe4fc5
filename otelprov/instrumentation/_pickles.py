"""Models that leave for another process, or come from one, by ``pickle`` and what builds on it.

``pickle.dump`` is C. It asks a model for its state, and gives a new one a state: that is seen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from otelprov.artifacts.deferred import resolve
from otelprov.artifacts.registry import registry
from otelprov.instrumentation._calls import pickled_by
from otelprov.instrumentation._wrapping import followed
from otelprov.recording import models
from otelprov.recording.recorder import Call, OpenOperation


def pickling(original: Callable[..., Any]) -> Callable[..., Any]:
    """A model that leaves for another process is known there by its content."""
    return followed(original, _pickled, "a pickled model was not recorded")


def unpickling(original: Callable[..., Any]) -> Callable[..., Any]:
    """A model that comes from a pickle is known by its content."""
    return followed(original, _unpickled, "an unpickled model is of unknown origin")


class _Last(threading.local):
    """What the model that was pickled last is made of: its parts follow it."""

    parts: frozenset[int] = frozenset()


_last = _Last()


def _pickled(frame: FrameType, _: object, model: Any, *more: object) -> None:
    caller = pickled_by(frame)
    if caller is None:
        return  # part of an operation: joblib.dump, a parallel fit
    if id(model) in _last.parts:
        return
    _last.parts = frozenset(map(id, models.held(model)))
    if registry.lookup(model) is None:
        return
    identity = models.identity(model)
    known = identity.artifact
    if known is not None and resolve(known).coverage == "full":
        return  # its id is its content already
    library = type(model).__module__.partition(".")[0]
    library = library if library in models.BOOSTERS else "sklearn"
    operation = OpenOperation(Call(library, "pickle", "transform"), caller, {}, ())
    operation.use("self", identity)
    operation.generate("content", models.look_at(operation, model))
    operation.end()


def _unpickled(frame: FrameType, _: object, model: Any, *state: object) -> None:
    if pickled_by(frame) is not None:
        registry.arrive(model)

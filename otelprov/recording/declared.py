"""Operations that the program declares itself: what ``otelprov.operation`` hands over."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from types import FrameType
from typing import Any

from otelprov.model import OperationKind
from otelprov.recording import faults, observation, places
from otelprov.recording.recorder import Call, OpenOperation
from otelprov.recording.run import run


def begin(
    kind: OperationKind,
    name: str,
    parameters: Mapping[str, object],
    frame: FrameType | None,
    function: Any = None,
) -> OpenOperation | None:
    """Open an operation: a block, or a call of ``function``; None where a rule excludes it."""
    if run.policy is not None and run.excludes(name):
        return None
    found, data = observation.inputs(parameters)
    plain = parameters
    if data:
        plain = {key: value for key, value in parameters.items() if key not in data}
    opened = OpenOperation(_call(name, kind), frame, plain, parameters, function=function)
    for role, identity in found:
        opened.use(role, identity)
    return opened


def use(opened: OpenOperation, role: str, value: object) -> None:
    """The operation read ``value``: an object, a path or a URL."""
    known = observation.known(value)
    if known is not None:
        opened.use(role, known)
        return
    if isinstance(value, (str, os.PathLike)):
        places.read_from(opened, role, value)
        return
    found, _ = observation.inputs({role: value})
    for _, identity in found:
        opened.use(role, identity)
    if not found:
        opened.use_content(role, observation.unseen(value))


def generate(opened: OpenOperation, role: str, value: object, *, plain: bool = True) -> None:
    """The operation made ``value``.

    ``plain``: whether strings and numbers are meant as data (or as a path), too.
    """
    try:
        kind = observation.data_kind(value)
        if kind is not None:
            observation.output(opened, role, value, by_content=False, kind=kind)
            return
        if isinstance(value, (str, os.PathLike)):
            if plain:
                places.written_to(opened, role, value)
            return
        if observation.outputs(opened, value, by_content=False, role=role):
            return
        if value is None or (not plain and isinstance(value, (bytes, int, float, complex))):
            return
        if not observation.adopt(opened, role, value):
            opened.generate_content(role, value)
    except Exception as error:
        faults.tell("a generated artifact was not recorded", error)


@lru_cache(maxsize=1024)
def _call(name: str, kind: OperationKind) -> Call:
    return Call("operation", name, kind)

"""Passes over a ``DataLoader``: what each read, and what was trained while it went on.

A pass is one operation, from ``iter(loader)`` to its last batch. It is the current operation of
nothing: the program's own code runs between two batches. What was trained is told by the counter
that PyTorch keeps with every tensor and raises when it is changed in place, for the parameters of
each optimizer and for what that keeps of them. They are looked at when a pass begins and ends, and
when a network is used while it goes on: a step of an optimizer costs nothing.
"""

from __future__ import annotations

import atexit
import types
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final

from otelprov.artifacts import classes
from otelprov.artifacts import tensors as artifacts
from otelprov.artifacts.deferred import with_
from otelprov.artifacts.locations import unknown
from otelprov.artifacts.registry import Identity, Step, derive, registry
from otelprov.model import Artifact
from otelprov.recording import faults, figures, models, observation, tensors
from otelprov.recording.recorder import Call, OpenOperation
from otelprov.recording.run import now, run

MAX_MODULES: Final = 8
MAX_BATCH: Final = 32
"""Tensors of one batch that are known to come from the data set."""
_DEPTH: Final = 8

_BATCH = Step("torch", "batch")

_SHOWN: Final = ("batch_size", "num_workers", "drop_last")

# By id: the optimizers that are alive, and the networks whose parameters they were given.
_optimizers: dict[int, tuple[weakref.ref[Any], tuple[weakref.ref[Any], ...]]] = {}


class Pass:
    """A pass that goes on."""

    __slots__ = ("_operation", "batch", "batches", "forks", "last", "markers", "samples", "trained")

    def __init__(self, loader: Any, version: str, frame: types.FrameType | None) -> None:
        call = Call("torch", "DataLoader", "train" if _optimizers else "read", version)
        held = classes.instance_dict(loader)
        shown = {name: held.get(name) for name in _SHOWN}
        shown["dataset"] = type(held.get("dataset")).__name__
        shown["sampler"] = type(held.get("sampler")).__name__
        self._operation = OpenOperation(call, frame, shown, ())
        self._operation.runs_unknown_code()
        found = list(_dataset(held.get("dataset"), 0))
        for identity in found:
            self._operation.use("dataset", identity)
        self.batch = derive(_BATCH, found, None)
        """What a batch comes from."""
        self.batches = self.samples = 0
        self.forks = run.forks
        self.last = now()
        self.trained = False
        self.markers = {key: _marker(one) for key, one in _alive()}
        self._operation.announce()

    def count(self, batch: Any) -> None:
        """One batch more."""
        self.batches += 1
        self.last = now()
        identity = self.batch
        found = _tensors(batch)
        if found:
            sizes = artifacts.shape(found[0])
            self.samples += sizes[0] if sizes else 0
        if identity is not None:
            for tensor in found:
                registry.assign(tensor, identity)

    def look(self) -> None:
        """What has been trained since this was last asked is made by this pass from now on."""
        for key, optimizer in _alive():
            marker, before = _marker(optimizer), self.markers.get(key)
            if marker == before:
                continue
            self.markers[key] = marker
            if before is not None:
                self._train(key, optimizer)

    def end(self, error: BaseException | None = None) -> None:
        """It is over."""
        operation = self._operation
        self.look()
        operation.turned_out("train" if self.trained else "read")
        found: dict[str, object] = {"batches": self.batches}
        if self.samples:
            found["samples"] = self.samples
        figures.say(operation, found)
        operation.end_time = self.last if error is None else now()
        operation.end(error)

    def _train(self, key: int, optimizer: Any) -> None:
        operation, modules = self._operation, _optimizers[key][1]
        parts = [_parameters(optimizer), tensors.inside(optimizer)]
        for reference in modules:
            module = reference()
            if module is not None:
                parts.append(tensors.inside(module))
        held = list({id(one): one for part in parts for one in part}.values())
        for identity in {
            id(known): known for one in held if (known := tensors.lookup(one))
        }.values():
            for source in identity.sources:
                if getattr(source, "maker", None) != operation.id:
                    operation.use_artifact("model", source)
        made = operation.derived("model")
        operation.generate("model", made)
        tensors.come_from(held, Identity((with_(made, maker=operation.id),)))
        self.trained = True


# By id of the iterator.
_passes: dict[int, tuple[weakref.ref[Any], Pass]] = {}
# Iterators that are gone. Noted by C code: in a function of Python's, called as one is freed, a
# signal handler of the program may run, and what that raises would be lost.
_gone: deque[weakref.ref[Any]] = deque()


def begin(loader: Any, iterator: Any, version: str, frame: types.FrameType | None) -> None:
    """A pass over ``loader`` begins; ``iterator`` gives its batches."""
    _end_those_left()
    ended = _passes.pop(id(iterator), None)  # the workers go on with another pass
    if ended is not None and ended[0]() is iterator:
        ended[1].end()
    if not _passes and not _at_exit:
        _at_exit.append(atexit.register(end_all))
    _passes[id(iterator)] = (weakref.ref(iterator, _gone.append), Pass(loader, version, frame))


_at_exit: list[Any] = []


def of(iterator: Any) -> Pass | None:
    """The pass that an iterator is."""
    found = _passes.get(id(iterator))
    if found is None or found[0]() is not iterator or found[1].forks != run.forks:
        return None
    return found[1]


def end(iterator: Any, error: BaseException | None = None) -> None:
    """A pass has given its last batch, or failed."""
    found = of(iterator)
    if found is not None:
        del _passes[id(iterator)]
        found.end(error)


def settle() -> None:
    """End the passes that were left early, and look at what those that go on have trained."""
    _end_those_left()
    for _, one in list(_passes.values()):
        if one.forks == run.forks:
            one.look()


def _end_those_left() -> None:
    while _gone:
        reference = _gone.popleft()
        for key, (known, one) in list(_passes.items()):
            if known is reference:
                del _passes[key]
                if one.forks == run.forks:
                    one.end()


def end_all() -> None:
    """The process ends."""
    with faults.contained("passes over a DataLoader were not recorded"):
        settle()
        for _, one in list(_passes.values()):
            if one.forks == run.forks:
                one.end()
        _passes.clear()


# --- optimizers -----------------------------------------------------------------------------------


def note(optimizer: Any, modules: Iterable[Any]) -> None:
    """An optimizer was made, for the parameters of these networks."""
    key = id(optimizer)
    references = tuple(weakref.ref(module) for module in list(modules)[:MAX_MODULES])
    _optimizers[key] = (weakref.ref(optimizer), references)
    for _, one in list(_passes.values()):
        one.markers[key] = _marker(optimizer)


def _alive() -> Iterator[tuple[int, Any]]:
    for key, (reference, _) in list(_optimizers.items()):
        optimizer = reference()
        if optimizer is None:
            del _optimizers[key]
        else:
            yield key, optimizer


def _parameters(optimizer: Any) -> list[Any]:
    held: Any = classes.instance_dict(optimizer)
    groups = held.get("param_groups")
    return [one for group in groups for one in group["params"]] if isinstance(groups, list) else []


def _marker(optimizer: Any) -> list[object]:
    """What is another after a step: how often each parameter was changed in place.

    And what is kept for each: fused Adam changes parameters without counting (torch 2.15), but it
    counts its steps in a tensor.
    """
    found: list[object] = []
    found.extend(map(tensors.changed, _parameters(optimizer)))
    held: Any = classes.instance_dict(optimizer)
    for kept in dict(held.get("state", {})).values():
        for value in kept.values():
            if tensors.is_tensor(value):
                found.append(tensors.changed(value))
            elif type(value) is int or type(value) is float:
                found.append(value)
    return found


# --- data sets ------------------------------------------------------------------------------------

_INNER: Final = ("dataset", "datasets", "tensors")
"""Where the data sets of PyTorch that are made of others, or of tensors, hold them."""


def _dataset(dataset: Any, depth: int) -> Iterator[Identity]:
    """What a data set reads, as far as it holds it; itself by its name where it holds nothing."""
    found: list[Identity] = []
    held = models.attributes(dataset)
    inner = isinstance(dataset, (list, tuple)) or classes.library(type(dataset)) == "torch"
    if observation.data_kind(dataset) is not None:
        held, inner = {"dataset": dataset}, False
    if inner and depth < _DEPTH:
        values = [held[name] for name in _INNER if name in held] or [dataset]
        for value in values:
            for one in value if isinstance(value, (list, tuple)) else [value]:
                if tensors.is_tensor(one):
                    found.append(_tensor(one))
                elif one is not dataset and not isinstance(dataset, (list, tuple)):
                    found += _dataset(one, depth + 1)
    else:
        for name, value in held.items():
            for one in value if type(value) in (list, tuple) and len(value) < 100 else [value]:
                if tensors.is_tensor(one):
                    found.append(_tensor(one))
                elif tensors.is_network(one) or isinstance(one, (str, bytes, int, float)):
                    continue
                elif observation.data_kind(one) is not None:
                    found.append(_array(name, one))
    if found:
        yield from {id(one): one for one in found}.values()
        return
    known = registry.lookup(dataset)
    yield known or Identity((_named(dataset),))


def _named(dataset: Any) -> Artifact:
    name = type(dataset).__name__
    reason = f"what a {classes.name(type(dataset))} reads is not known"
    return unknown(reason, name=name)


def _array(name: str, value: Any) -> Identity:
    """An array is digested in the first pass; after that it comes from what it was."""
    identity = observation.identity_of(value)
    if registry.lookup(value) is None:
        registry.assign(value, identity)
    return identity


# What a tensor of unknown origin held when it was first read, and how often it had been changed.
_read: dict[int, tuple[weakref.ref[Any], int | None, Identity]] = {}


def _tensor(tensor: Any) -> Identity:
    found = tensors.lookup(tensor)
    if found is not None:
        return found
    key, version = id(tensor), tensors.changed(tensor)
    entry = _read.get(key)
    if entry is not None and entry[0]() is tensor and entry[1] == version:
        return entry[2]
    identity = Identity((observation.unseen(tensor),))
    _read[key] = (weakref.ref(tensor, partial(_read.pop, key)), version, identity)
    return identity


def _tensors(batch: Any) -> list[Any]:
    """The tensors of a batch, alone or in a list, tuple or dict."""
    kind = artifacts.loaded().Tensor
    if isinstance(batch, kind):
        return [batch]
    if isinstance(batch, dict):
        batch = list(batch.values())
    if isinstance(batch, (list, tuple)):
        return [one for one in batch[:MAX_BATCH] if isinstance(one, kind)]
    return []

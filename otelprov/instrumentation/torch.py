"""PyTorch: what is saved and loaded, passes over a ``DataLoader``, and what a network is asked.

What PyTorch computes is C, and none of its functions in C is replaced: PyTorch's own modes and the
program's compare them by identity. With another ``torch.tensor``, ``with torch.device("meta")``
does nothing (2.15). A tensor is known by the memory that it lies in (``recording/tensors.py``), and
what was trained by the tensors that changed (``recording/epochs.py``).
"""

from __future__ import annotations

import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from otelprov.artifacts import classes, identify
from otelprov.artifacts.deferred import Source, with_
from otelprov.artifacts.locations import unknown
from otelprov.artifacts.registry import Identity, Step, derive, registry
from otelprov.instrumentation._calls import Bound, Observed, Site, begin, is_internal, pass_on
from otelprov.instrumentation._table import Entry, read, step, write
from otelprov.instrumentation._wrapping import followed, given_up, not_begun, site_of_a_class
from otelprov.recording import epochs, faults, observation, places, tensors
from otelprov.recording.bounds import Reading, over
from otelprov.recording.recorder import Call, in_closed_operation
from otelprov.recording.run import run

RECORDS: Final = (
    "**read**: `torch.load`<br>**train** or **read**: one pass over a `DataLoader`<br>**predict**: "
    "calls of a network outside of training<br>**write**: `torch.save`"
)
ODDITIES: Final = (
    "What PyTorch computes is written in C and is not seen: what `a + b`, `t.float()`, "
    "`torch.tensor(array)` or a loss makes is of unknown origin. A tensor that lies in the memory "
    "of a known one or of a known array is known: views, `torch.from_numpy`, `numpy()`, "
    "`detach()`, what `state_dict()` gives.",
    "One pass over a `DataLoader` is one operation, `torch.DataLoader`, with the number of batches "
    "and samples. It used the data set: the tensors, tables and arrays that it holds, else its "
    "name. A pass that is left early ends with its last batch, and is written when PyTorch is next "
    "used, or the process ends.",
    "A pass made the model if parameters of an optimizer changed while it went on. The artifact "
    "is what this optimizer trains, known by how it was made; its content is digested when it is "
    "saved. A training without a `DataLoader` makes no operation, and what it makes is of unknown "
    "origin; so is what fused SGD without momentum trains, which PyTorch does not count.",
    "A call of a network is an operation where it is in evaluation mode or gradients are off; "
    "other calls are steps of a training. Inside a compiled function nothing is seen.",
    "A network, or a dict of tensors, in which some tensors are known comes from what these come "
    "from; the others are not named.",
    "Tensors on other devices than the CPU have no content id: to read them would wait for the "
    "device.",
)

_COPY = Step("torch", "copy")
_LOADED = Step("torch", "load_state_dict")


# --- saved and loaded -----------------------------------------------------------------------------


class Saved(Observed):
    """A call that writes a network, tensors, or a dict of these and other things."""

    __slots__ = ()

    def __init__(
        self,
        site: Site,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        frame: types.FrameType | None,
        bound: Bound | None = None,
    ) -> None:
        epochs.settle()
        super().__init__(site, arguments, keywords, frame, bound)
        value = self._data()
        if self.operation.content is None and isinstance(value, (dict, list, tuple)):
            size = tensors.size(value)
            if self.operation.budget.take(size):
                self.operation.content = identify(value)

    def _inputs(self) -> tuple[list[tuple[str, Identity]], set[str]]:
        name = self.site.entry.data or ""
        value = self.parameters.get(name)
        if tensors.is_network(value) or next(tensors.inside(value), None) is None:
            return observation.inputs({name: value})[0], {name}
        known = tensors.known(value)
        return [(name, known or Identity((_of_unknown_origin(value),)))], {name}


def _of_unknown_origin(value: object) -> Source:
    if observation.data_kind(value) is not None:
        return observation.unseen(value)
    limit = run.settings.digest_limit
    if limit is not None and tensors.size(value) > limit:
        return unknown(over(limit))
    return with_(identify(value), origin="unknown")


class Loaded(Observed):
    """A call that reads a file of ``torch.save``, or maps it."""

    __slots__ = ()

    def _place(self, name: str) -> Any:
        # What is mapped is not read ahead.
        return None if self.parameters.get("mmap") else super()._place(name)

    def _read(self, result: object) -> None:
        entry, operation = self.site.entry, self.operation
        mapped = bool(self.parameters.get("mmap"))
        if mapped:
            how = Reading(partial="mapped", succeeded=True)
            place = self.parameters.get(entry.source or "")
            places.read_from(operation, entry.source or "", place, how)
        if not isinstance(result, (dict, list, tuple)) and not (
            mapped and next(tensors.inside(result), None) is not None
        ):
            super()._read(result)
            return
        if not mapped:
            how = Reading(succeeded=True)
            places.read_from(operation, entry.source or "", self._place(entry.source or ""), how)
        size = tensors.size(result)
        kind = observation.data_kind(result) or "object"
        if mapped:
            made = with_(operation.derived(kind), reason="mapped")
        elif not operation.budget.take(size):
            made = with_(operation.derived(kind), reason=over(operation.budget.limit))
        else:
            made = identify(result)
        operation.generate("return", made)
        whole = Identity((with_(made, maker=operation.id),))
        tensors.come_from(tensors.inside(result), whole)
        registry.assign(result, whole)


def _serialization() -> Iterable[Entry]:
    yield write("save", target="f", data="obj", observed=Saved)
    yield read("load", source="f", observed=Loaded)


# --- networks -------------------------------------------------------------------------------------


def _network() -> Iterable[Entry]:
    yield step("Module.load_state_dict", around=_loading)
    yield step("Module.__call__", around=_calling)


def _loading(original: Callable[..., Any]) -> Callable[..., Any]:
    """What is loaded into a network, or an optimizer, is copied into its tensors."""
    return followed(original, _state_loaded, "where loaded parameters come from is not known")


def _state_loaded(
    _: types.FrameType, result: object, into: Any, state: Any = None, *more: Any, **named: Any
) -> None:
    epochs.settle()
    state = named.get("state_dict", state)
    if not isinstance(state, dict):
        return
    known = registry.lookup(state)
    if known is None and tensors.is_network(into) and set(state) <= set(_names(into)):
        held = _names(into)
        for name, tensor in state.items():
            found = tensors.lookup(tensor) if tensors.is_tensor(tensor) else None
            if found is not None:
                tensors.come_from([held[name]], found)
        return
    known = known or tensors.known(state)
    if known is not None:
        tensors.come_from(tensors.inside(into), known)


def _names(network: Any) -> dict[str, Any]:
    """The parameters and buffers of a network by the names that they have in its state."""
    torch: Any = sys.modules["torch"]
    found = dict(torch.nn.Module.named_buffers(network, remove_duplicate=False))
    found.update(torch.nn.Module.named_parameters(network, remove_duplicate=False))
    return found


class _Calling(threading.local):
    """Whether a network is being called in this thread: what that calls is a part of it."""

    def __init__(self) -> None:
        self.inside = False


def _calling(original: Callable[..., Any]) -> Callable[..., Any]:
    """For ``Module.__call__``, which a network calls for each network in it: 0.2 µs each."""
    torch: Any = sys.modules["torch"]
    calling = _Calling()

    def wrapper(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        if torch.compiler.is_compiling():  # a constant where this is compiled: nothing else is
            return original(self, *args, **kwargs)
        if calling.inside or not run.active:
            try:
                return original(self, *args, **kwargs)
            except BaseException as error:
                if error.__traceback__ is not None:
                    error.__traceback__ = error.__traceback__.tb_next
                raise
        observed: Observed | bool = False
        site: Site | None = None
        calling.inside = True
        try:
            try:
                if not (torch.is_grad_enabled() and self.training):
                    frame = sys._getframe(1)
                    if not is_internal(frame) and not in_closed_operation():
                        site = _site(self)
                        epochs.settle()
                        if next(tensors.inside(self), None) is None:
                            observed = True  # a loss, an activation: what it makes comes from both
                        else:
                            observed = begin(site, (self, *args), kwargs, frame)
                        if not isinstance(observed, bool):
                            observed.operation.enter()
                    del frame
            except BaseException as fault:
                if site is None:
                    if not isinstance(fault, Exception):
                        raise
                    faults.tell("a call of a network was not recorded", fault)
                else:
                    not_begun(site, observed, fault)
            try:
                result = original(self, *args, **kwargs)
            except BaseException as error:
                if error.__traceback__ is not None:
                    error.__traceback__ = error.__traceback__.tb_next
                if site is not None and not isinstance(observed, bool):
                    try:
                        observed.failed(error)
                    except Exception as fault:
                        given_up(site, observed, fault, error)
                    except BaseException:  # Ctrl-C
                        observed.close(error)
                        raise
                raise
            if site is not None and observed is not False:
                try:
                    if observed is True:
                        pass_on(site, (self, *args), kwargs, result)
                    else:
                        observed.returned(result)
                except Exception as fault:
                    given_up(site, observed, fault)
                except BaseException:  # Ctrl-C
                    if not isinstance(observed, bool):
                        observed.close()
                    raise
            return result
        finally:
            calling.inside = False

    return wrapper


# By id of the class, weakly.
_sites: dict[int, tuple[weakref.ref[type], Site]] = {}


def _site(network: Any) -> Site:
    inner = classes.instance_dict(network).get("_modules")
    if isinstance(inner, dict):
        network = inner.get("_orig_mod", network)  # what torch.compile made of one
    kind = type(network)
    found = _sites.get(id(kind))
    if found is not None and found[0]() is kind:
        return found[1]
    forward = classes.attribute(kind, "forward")
    name = f"{kind.__name__}.forward"
    entry = Entry(name, "predict", name)
    call = Call("torch", name, "predict", _version(), holds_nested=True)
    site = site_of_a_class(entry, call, forward)
    _sites[id(kind)] = (weakref.ref(kind, partial(_sites.pop, id(kind))), site)
    return site


def _version() -> str:
    return str(getattr(sys.modules["torch"], "__version__", ""))


# --- trainings ------------------------------------------------------------------------------------


def _optimizer() -> Iterable[Entry]:
    yield step("Optimizer.__init__", around=_optimizing)
    yield step("Optimizer.load_state_dict", around=_loading)


def _optimizing(original: Callable[..., Any]) -> Callable[..., Any]:
    """Notes an optimizer, and the networks whose parameters it is given."""

    def wrapper(self, params, *args, **kwargs):  # type: ignore[no-untyped-def]
        networks: list[Any] = []
        if run.active:
            try:
                networks = _networks_of(params)
            except Exception as fault:
                faults.tell("what an optimizer trains is not known", fault)
        try:
            result = original(self, params, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if run.active:
            try:
                epochs.note(self, networks)
            except Exception as fault:
                faults.tell("what an optimizer trains is not known", fault)
        return result

    return wrapper


def _networks_of(params: Any) -> list[Any]:
    """The networks whose ``parameters()`` these are: the generator says so, until it has ended."""
    torch: Any = sys.modules["torch"]
    groups = params if isinstance(params, (list, tuple)) else [params]
    found = []
    for group in groups[: epochs.MAX_MODULES]:
        given = group.get("params") if isinstance(group, dict) else group
        if type(given) is types.GeneratorType and given.gi_frame is not None:
            code = given.gi_code
            if code in (
                torch.nn.Module.parameters.__code__,
                torch.nn.Module.named_parameters.__code__,
            ):
                found.append(given.gi_frame.f_locals["self"])
    return found


def _loader() -> Iterable[Entry]:
    yield step("DataLoader.__iter__", around=_beginning)
    yield step("_BaseDataLoaderIter.__next__", around=_giving)


def _beginning(original: Callable[..., Any]) -> Callable[..., Any]:
    return followed(original, _begun, "a pass over a DataLoader was not recorded")


def _begun(frame: types.FrameType, iterator: Any, loader: Any) -> None:
    if not in_closed_operation():
        epochs.begin(loader, iterator, _version(), frame)


def _giving(original: Callable[..., Any]) -> Callable[..., Any]:
    """For ``__next__``: 2 µs for a batch of two tensors."""
    missing = "a batch of a DataLoader was not counted"

    def wrapper(self):  # type: ignore[no-untyped-def]
        try:
            batch = original(self)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if run.active:
                try:
                    epochs.end(self, None if isinstance(error, StopIteration) else error)
                except Exception as fault:
                    faults.tell(missing, fault)
            raise
        if run.active:
            try:
                going_on = epochs.of(self)
                if going_on is not None:
                    going_on.count(batch)
            except Exception as fault:
                faults.tell(missing, fault)
        return batch

    return wrapper


# --- copies ---------------------------------------------------------------------------------------


def _copied() -> Iterable[Entry]:
    yield step("Tensor.__deepcopy__", around=_copying)


def _copied_parameter() -> Iterable[Entry]:
    yield step("Parameter.__deepcopy__", around=_copying)


def _copying(original: Callable[..., Any]) -> Callable[..., Any]:
    return followed(original, _was_copied, "where a copy of a tensor comes from is not known")


def _was_copied(_: types.FrameType, copy: Any, tensor: Any, *more: Any, **named: Any) -> None:
    epochs.settle()
    found = tensors.lookup(tensor)
    if found is not None and copy is not tensor:
        identity = derive(_COPY, [found], None) or found
        tensors.come_from([copy], identity)


TABLES = {
    "torch._tensor": _copied,
    "torch.nn.parameter": _copied_parameter,
    "torch.serialization": _serialization,
    "torch.nn.modules.module": _network,
    "torch.optim.optimizer": _optimizer,
    "torch.utils.data.dataloader": _loader,
}

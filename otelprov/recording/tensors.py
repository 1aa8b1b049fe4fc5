"""Tensors of PyTorch, and what is made of them: where each comes from, in this process.

What PyTorch computes is C and is not seen. A tensor is known as an object, or by the memory that it
lies in: a view, what ``detach()`` and ``state_dict()`` give, what shares it with an array of
NumPy's. A network, an optimizer and a dict of tensors come from what the tensors in them come from.
"""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, Final

from otelprov.artifacts import classes, digest_value, networks, tensors
from otelprov.artifacts.registry import Identity, Step, derive, registry
from otelprov.recording import in_place

MAX_DEPTH: Final = 6
MAX_TENSORS: Final = 100_000
"""Tensors of one object that are looked at."""

_VIEW = Step("torch", "view")
_PART = Step("torch", "part")

Layout = tuple[Any, ...]
"""Type, shape, strides and place of a tensor in its memory."""

# By id of the storage, which PyTorch keeps as one object as long as anything lies in it (2.9 to
# 2.15): what is known of the tensor that was known in it last, and how that lay there. The tensor
# itself may be gone: what `model(x).numpy()` gives lies in the memory of an object that nobody has.
_memory: dict[int, tuple[weakref.ref[Any], Identity, Layout]] = {}


def is_tensor(value: object) -> bool:
    """Whether it is a tensor, of any class."""
    torch = tensors.loaded()
    return torch is not None and issubclass(type(value), torch.Tensor)


def is_network(value: object) -> bool:
    """Whether it is a network: an ``nn.Module``."""
    torch = tensors.loaded()
    return torch is not None and issubclass(type(value), torch.nn.Module)


def is_optimizer(value: object) -> bool:
    """Whether it is an optimizer."""
    torch = tensors.loaded()
    return torch is not None and issubclass(type(value), torch.optim.Optimizer)


def come_from(values: Iterable[Any], identity: Identity) -> None:
    """These tensors come from there from now on."""
    for tensor in values:
        registry.assign(tensor, identity)
        storage = _storage(tensor)
        if storage is not None:
            reference = weakref.ref(storage, partial(_memory.pop, id(storage)))
            _memory[id(storage)] = (reference, identity, _layout(tensor))


def lookup(tensor: Any) -> Identity | None:
    """What is known of a tensor, or of the memory that it lies in."""
    found = registry.lookup(tensor)
    if found is not None:
        return found
    storage = _storage(tensor)
    if storage is None:
        return None
    entry = _memory.get(id(storage))
    if entry is not None and entry[0]() is storage:
        layout = _layout(tensor)
        return entry[1] if layout == entry[2] else derive(_VIEW, [entry[1]], digest_value(layout))
    return _of_array(tensor, storage)


def inside(value: object) -> Iterator[Any]:
    """The tensors that an object is or holds: a network, an optimizer, dicts and lists of any."""
    return islice(_inside(value, 0), MAX_TENSORS)


def known(value: object) -> Identity | None:
    """What an object comes from, by the tensors in it; None where nothing is known of them."""
    found = registry.lookup(value)
    if found is not None and not is_network(value):
        return found
    identities: dict[int, Identity] = {}
    for tensor in inside(value):
        identity = lookup(tensor)
        if identity is not None:
            identities[id(identity)] = identity
    if len(identities) == 1:
        (one,) = identities.values()
        return one
    return derive(_PART, identities.values(), None)


def changes(value: object) -> list[int]:
    """Which tensors are in an object, and how often each was changed in place.

    Those of inference mode are not counted: of them it is always another.
    """
    found: list[int] = []
    for tensor in inside(value):
        version = changed(tensor)
        found += (id(tensor), time.monotonic_ns() if version is None else version)
    return found


def changed(tensor: Any) -> int | None:
    """How often a tensor was changed in place; None for those of inference mode."""
    try:
        with tensors.unseen():
            return int(tensor._version)
    except RuntimeError:
        return None


def size(value: object) -> int:
    """Bytes of all tensors in an object."""
    return sum(tensors.size(one) for one in inside(value))


def _inside(value: object, depth: int) -> Iterator[Any]:
    if is_tensor(value):
        yield value
    elif is_network(value):
        yield from networks.tensors(value)
    elif is_optimizer(value):
        held: Any = classes.instance_dict(value)
        yield from _inside(dict(held.get("state", {})), depth)
    elif depth < MAX_DEPTH and isinstance(value, (dict, list, tuple)):
        for item in list(value.values() if isinstance(value, dict) else value):
            yield from _inside(item, depth + 1)


def _storage(tensor: Any) -> Any:
    """The memory that a tensor lies in; None where it is no plain block."""
    torch: Any = sys.modules["torch"]
    if type(tensor) is not torch.Tensor and type(tensor) is not torch.nn.Parameter:
        return None
    try:
        with tensors.unseen():
            if tensor.layout is not torch.strided or tensor.device.type == "meta":
                return None
            return tensor.untyped_storage()
    except (RuntimeError, NotImplementedError):  # of a transform of functorch's
        return None


def _layout(tensor: Any) -> Layout:
    with tensors.unseen():
        return (
            str(tensor.dtype), tuple(tensor.shape), tensor.stride(), tensor.storage_offset(),
        )  # fmt: skip


def _of_array(tensor: Any, storage: Any) -> Identity | None:
    """What is known of the array of NumPy's that a tensor was made of: it lies in its memory."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or storage.device.type != "cpu":
        return None
    address, bytes_ = storage.data_ptr(), storage.nbytes()
    value: Any
    for value, identity in registry.known():
        if (
            issubclass(type(value), numpy.ndarray)
            and value.__array_interface__["data"][0] == address
            and value.nbytes == bytes_
        ):
            return in_place.as_it_is(value, identity)
    return None

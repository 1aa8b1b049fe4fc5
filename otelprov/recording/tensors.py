"""Tensors of PyTorch, and what is made of them: where each comes from, in this process.

What PyTorch computes is C and is not seen. A tensor is known as an object, or by the memory that it
lies in: a view, what ``detach()`` and ``state_dict()`` give, what shares it with an array of
NumPy's. A network, an optimizer and a dict of tensors come from what the tensors in them come from.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, Final

from otelprov.artifacts import classes, digest_value, networks, tensors
from otelprov.artifacts.registry import Identity, Step, derive, registry

MAX_DEPTH: Final = 6
MAX_TENSORS: Final = 100_000
"""Tensors of one object that are looked at."""

_VIEW = Step("torch", "view")
_PART = Step("torch", "part")

# By the address of the memory: the tensor in it that is known. Memory is freed and given out again,
# so the tensor has to be alive, and to lie there still.
_memory: dict[int, tuple[weakref.ref[Any], Identity]] = {}


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
        address = _address(tensor)
        if address:
            reference = weakref.ref(tensor, partial(_memory.pop, address))
            _memory[address] = (reference, identity)


def lookup(tensor: Any) -> Identity | None:
    """What is known of a tensor, or of the memory that it lies in."""
    found = registry.lookup(tensor)
    if found is not None:
        return found
    address = _address(tensor)
    if not address:
        return None
    entry = _memory.get(address)
    if entry is not None:
        known = entry[0]()
        if known is not None and _address(known) == address:
            whole = _layout(known) == _layout(tensor)
            return entry[1] if whole else derive(_VIEW, [entry[1]], digest_value(_layout(tensor)))
    return _of_array(tensor, address)


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


def size(value: object) -> int:
    """Bytes of all tensors in an object."""
    return sum(int(one.nelement()) * int(one.element_size()) for one in inside(value))


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


def _address(tensor: Any) -> int:
    """Where the memory begins that a tensor lies in; 0 where there is none to be told."""
    torch: Any = sys.modules["torch"]
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        return 0
    try:
        with torch._C.DisableTorchFunction():
            if tensor.layout is not torch.strided or tensor.device.type == "meta":
                return 0
            return int(tensor.untyped_storage().data_ptr())
    except (RuntimeError, NotImplementedError):  # of a transform of functorch's
        return 0


def _layout(tensor: Any) -> list[object]:
    return [
        str(tensor.dtype), list(tensor.shape), list(tensor.stride()), tensor.storage_offset(),
    ]  # fmt: skip


def _of_array(tensor: Any, address: int) -> Identity | None:
    """What is known of the array of NumPy's that a tensor was made of: it lies in its memory."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or tensor.device.type != "cpu":
        return None
    value: Any
    for value, identity in registry.known():
        if (
            issubclass(type(value), numpy.ndarray)
            and value.__array_interface__["data"][0] == address
            and value.nbytes == tensor.untyped_storage().nbytes()
        ):
            return identity
    return None

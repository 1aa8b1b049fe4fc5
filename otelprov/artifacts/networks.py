"""Networks and optimizers of PyTorch: what they hold, read without a call of theirs (section 19).

Not their ``state_dict()``: that runs hooks, and classes have their own.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from otelprov.artifacts import classes
from otelprov.artifacts.digest import NoCanonicalForm
from otelprov.artifacts.registration import register

_TENSORS: Final = ("_parameters", "_buffers")
_MADE_AGAIN: Final = frozenset({"_flat_weights", "_flat_weights_names", "_flat_weight_refs"})
"""Attributes of recurrent networks that name their parameters once more."""


@register("torch.nn.modules.module.Module", kind="model")
def _module(module: Any) -> object:
    """Its attributes, its parameters and buffers, and the networks in it, each in its order."""
    held: Any = classes.instance_dict(module)
    plain = {
        name: _named(value)
        for name, value in sorted(held.items())
        if name not in _own_attributes() and name not in _MADE_AGAIN
    }
    tensors = [dict(held.get(name) or {}) for name in _TENSORS]
    return plain, *tensors, dict(held.get("_modules") or {})


@register("torch.jit._script.ScriptModule", kind="model")
def _scripted(_: Any) -> object:
    raise NoCanonicalForm("a network of TorchScript holds what it is outside of Python")


@register("torch._dynamo.eval_frame.OptimizedModule", kind="model")
def _compiled(module: Any) -> object:
    """The network that was compiled."""
    held: Any = classes.instance_dict(module)
    return held["_modules"]["_orig_mod"]


@register("torch.optim.optimizer.Optimizer")
def _optimizer(optimizer: Any) -> object:
    """Its groups, with their options sorted by name, and what it keeps for each parameter; the
    parameters, which are the network's, by their numbers."""
    held: Any = classes.instance_dict(optimizer)
    numbers: dict[int, int] = {}
    groups = []
    for group in held["param_groups"]:
        options = {name: group[name] for name in sorted(group) if name != "params"}
        members = [numbers.setdefault(id(one), len(numbers)) for one in group["params"]]
        groups.append((options, members))
    state = [
        (numbers.get(id(parameter)), dict(kept)) for parameter, kept in held["state"].items()
    ]  # fmt: skip
    return groups, sorted(state, key=lambda item: -1 if item[0] is None else item[0])


def _named(value: Any) -> Any:
    """A function of a library's by its name: its bytes are another in each version of Python."""
    if type(value) is types.FunctionType:
        module, name = value.__module__ or "", value.__qualname__
        home = sys.modules.get(module)
        if module != "__main__" and getattr(home, name, None) is value:
            return "function", f"{module}.{name}"
    return value


@lru_cache(maxsize=1)
def _own_attributes() -> frozenset[str]:
    """What any network holds for PyTorch's own use: hooks, the mode that it is in."""
    torch: Any = sys.modules["torch"]
    return frozenset({*vars(torch.nn.Module()), "_compiled_call_impl", "_is_full_backward_hook"})


def tensors(module: Any) -> Iterator[Any]:
    """The parameters and buffers of a network, each once; runs no code of its class."""
    seen: set[int] = set()
    todo = [module]
    while todo:
        held: Any = classes.instance_dict(todo.pop())
        for name in _TENSORS:
            for tensor in (held.get(name) or {}).values():
                if tensor is not None and id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield tensor
        for inner in (held.get("_modules") or {}).values():
            if inner is not None and id(inner) not in seen:
                seen.add(id(inner))
                todo.append(inner)

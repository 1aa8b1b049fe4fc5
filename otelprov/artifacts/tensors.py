"""Tensors of PyTorch (section 19): the array that NumPy would make of one, without making it.

A tensor is read where its memory lies. Any call of PyTorch's own would be seen by what the program
may have put in place around such calls: a mode that counts or replaces them, a profiler, autograd.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from typing import Any, Final

from otelprov.artifacts import arrays
from otelprov.artifacts.digest import NoCanonicalForm, hasher

_NUMPY: Final = {
    "bool": "?",
    **{f"int{8 * size}": f"i{size}" for size in (1, 2, 4, 8)},
    **{f"uint{8 * size}": f"u{size}" for size in (1, 2, 4, 8)},
    **{f"float{8 * size}": f"f{size}" for size in (2, 4, 8)},
    "complex64": "c8",
    "complex128": "c16",
}
"""The types that NumPy has, by PyTorch's names."""

_BITS: Final = {"bfloat16": "u2", "complex32": "f2"}
"""Types that NumPy lacks, and how their elements are read; those of 8 bits are bytes."""

_U64: Final = struct.Struct("<Q")


def is_tensor(value: object) -> bool:
    """Whether ``digest`` is meant for it. Other subclasses hold more than their elements."""
    torch = loaded()
    return torch is not None and type(value) in (torch.Tensor, torch.nn.Parameter)


_torch: Any = None


def loaded() -> Any:
    """PyTorch, where it is imported as a whole."""
    global _torch
    if _torch is None:
        torch = sys.modules.get("torch")
        if torch is not None and hasattr(torch, "compile"):  # of its last lines
            _torch = torch
    return _torch


def size(value: Any) -> int:
    """Bytes of a tensor's elements."""
    with unseen():
        return int(value.nelement()) * int(value.element_size())


def unseen() -> Any:
    """A block in which no mode or class of the program's is told of what is asked of tensors."""
    return loaded()._C.DisableTorchFunction()


def shape(tensor: Any) -> tuple[int, ...]:
    """The size of each dimension."""
    with unseen():
        return tuple(tensor.shape)


def digest(tensor: Any) -> bytes:
    """32 bytes for the content of a tensor: those of the array of NumPy's that holds the same.

    Raises:
        NoCanonicalForm: for a tensor that is not in this process' memory, or is no plain block of
            numbers.
    """
    torch = loaded()
    with unseen():
        type_ = str(tensor.dtype).removeprefix("torch.")
        elements = _elements(torch, tensor, type_)
        shape = tuple(tensor.shape)
    if type_ in _NUMPY:
        return arrays.digest(elements)
    out = hasher("array")
    name = b"c4" if type_ == "complex32" else type_.encode()
    out.update(_U64.pack(len(name)) + name + _U64.pack(len(shape)))
    out.update(struct.pack(f"<{len(shape)}Q", *shape))
    arrays.write_elements(elements, out)
    return out.digest()


def _elements(torch: Any, tensor: Any, type_: str) -> Any:
    """The elements as an array of NumPy's: where they lie, or as a copy where bits are changed."""
    import numpy

    if tensor.layout is not torch.strided:
        layout = str(tensor.layout).removeprefix("torch.")
        raise NoCanonicalForm(f"a tensor of layout {layout} has no canonical form")
    if tensor.is_quantized or not (
        type_ in _NUMPY or type_ in _BITS or type_.startswith("float8_")
    ):  # fmt: skip
        raise NoCanonicalForm(f"a tensor of {type_} has no canonical form")
    where = tensor.device.type
    if where == "meta":
        raise NoCanonicalForm("a tensor on the device meta has no elements")
    if where != "cpu":
        raise NoCanonicalForm(f"a tensor on {where} is not read: that would wait for the device")
    shape, dtype = tuple(tensor.shape), numpy.dtype(_NUMPY.get(type_) or _BITS.get(type_, "u1"))
    strides = [step * tensor.element_size() for step in tensor.stride()]
    if type_ == "complex32":
        shape, strides = (*shape, 2), [*strides, 2]
    if not tensor.nelement():
        return numpy.empty(shape, dtype)
    address = tensor.data_ptr()
    if not address:
        raise NoCanonicalForm("a tensor without memory of its own has no elements")
    reach = sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + dtype.itemsize
    memory = (ctypes.c_char * reach).from_address(address)
    found = numpy.ndarray(shape, dtype, memory, 0, strides)
    if type_ == "bfloat16":
        found = numpy.where((found & 0x7FFF) > 0x7F80, numpy.uint16(0x7FC0), found)  # one NaN
    if tensor.is_conj():
        found = numpy.conj(found)
    return numpy.negative(found) if tensor.is_neg() else found

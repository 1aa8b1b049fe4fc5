"""Section 12: sparse matrices."""

from __future__ import annotations

import ctypes
import itertools
import struct
from collections.abc import Callable
from typing import Any

from specification import data, digest, text, u64
from specification.arrays import element_bytes, type_name

BLOCK = 65_536

Add = Callable[[Any, Any], Any]


def sparse_digest(notation: Any) -> bytes:
    type_, shape = notation["dtype"], notation["shape"]
    elements = summed(type_, listed(notation))
    out = text("sparse") + data(type_name(type_)) + u64(len(shape)) + b"".join(map(u64, shape))
    out += u64(len(elements))
    for start in range(0, len(elements), BLOCK):
        block = elements[start : start + BLOCK]
        for dimension in range(len(shape)):
            out += b"".join(u64(place[dimension]) for place, _ in block)
        out += b"".join(element_bytes(type_, value) for _, value in block)
    return digest("array", out)


def listed(notation: Any) -> list[tuple[tuple[int, ...], Any]]:
    """Place and value of each element, as stored."""
    elements, shape = notation["elements"], notation["shape"]
    if isinstance(elements, dict):
        return [((i,) * len(shape), elements["diagonal"]) for i in range(min(shape))]
    return [(tuple(place), value) for place, value in elements]


def summed(type_: str, elements: list[tuple[tuple[int, ...], Any]]) -> list[tuple[Any, Any]]:
    """In order of their places, one for each, without zeros."""
    found = []
    by_place = sorted(elements, key=lambda element: element[0])  # which keeps the stored order
    for place, group in itertools.groupby(by_place, key=lambda element: element[0]):
        value = total(type_, [value for _, value in group])
        if not _is_zero(type_, value):
            found.append((place, value))
    return found


def total(type_: str, values: list[Any]) -> Any:
    kind, width = type_[0], int(type_[1:])
    if len(values) == 1:
        return values[0]
    if kind == "b":
        return any(values)
    if kind == "f":
        return _sum(values, width, 8)
    if kind == "c":
        parts = zip(*values, strict=True)
        return [_sum(list(part), width // 2, 4) for part in parts]
    whole = sum(map(int, values)) % (1 << 8 * width)
    return whole - (1 << 8 * width) if kind == "i" and whole >> (8 * width - 1) else whole


def _sum(bits: list[str], width: int, lanes: int) -> str:
    """Floating-point numbers of one place, in bits: the first, and S of the others."""
    code = {4: "f", 8: "d"}[width]
    first, *others = (struct.unpack(f">{code}", bytes.fromhex(one))[0] for one in bits)

    def add(a: float, b: float) -> float:
        # Two singles are added in double precision and rounded to single: that is exact enough.
        return ctypes.c_float(a + b).value if width == 4 else a + b

    return struct.pack(f">{code}", add(first, _pairwise(others, lanes, add))).hex()


def _pairwise(values: list[float], lanes: int, add: Add) -> float:
    count = len(values)
    if count < lanes:
        return _in_turn(values, add)
    if count <= 16 * lanes:
        full = count - count % lanes
        sums = [_in_turn(values[lane:full:lanes], add) for lane in range(lanes)]
        while len(sums) > 1:
            sums = [add(a, b) for a, b in zip(sums[::2], sums[1::2], strict=True)]
        return _in_turn([sums[0], *values[full:]], add)
    half = count // 2 // lanes * lanes
    return add(_pairwise(values[:half], lanes, add), _pairwise(values[half:], lanes, add))


def _in_turn(values: list[float], add: Add) -> float:
    result = values[0]
    for value in values[1:]:
        result = add(result, value)
    return result


def _is_zero(type_: str, value: Any) -> bool:
    if type_[0] == "c":
        return all(_is_zero("f", part) for part in value)
    if type_[0] == "f":
        return not value.strip("0") or (value[0] == "8" and not value[1:].strip("0"))
    return not int(value)

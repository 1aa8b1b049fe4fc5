"""Section 8: NumPy arrays."""

from __future__ import annotations

import math
from typing import Any

from specification import binary, digest, floating, u64, utf8


def array_digest(notation: Any) -> bytes:
    from specification.values import value_digest

    name, shape = type_name(notation["dtype"]), notation["shape"]
    out = u64(len(name)) + name + u64(len(shape)) + b"".join(map(u64, shape))
    elements = notation["elements"]
    assert len(elements) == math.prod(shape)
    if "mask" in notation:
        out += u64(6) + b"masked" + bytes(notation["mask"])
        zero = _zero(notation["dtype"])
        elements = [
            zero if hidden else element
            for element, hidden in zip(elements, notation["mask"], strict=True)
        ]
    return digest("array", out + _elements(notation["dtype"], elements, value_digest))


def type_name(dtype: Any) -> bytes:
    if isinstance(dtype, str):
        return dtype.encode()
    if "base" in dtype:
        return b"(%s)%s" % (",".join(map(str, dtype["shape"])).encode(), type_name(dtype["base"]))
    parts = (
        u64(len(utf8(name))) + utf8(name) + type_name(child) for name, child in dtype["fields"]
    )
    return b"{%s}" % b";".join(parts)


def _elements(dtype: Any, elements: list[Any], value_digest: Any) -> bytes:
    if isinstance(dtype, str):
        if dtype in "OT":
            return b"".join(map(value_digest, elements))
        return b"".join(element_bytes(dtype, element) for element in elements)
    if "base" in dtype:
        flat = [item for element in elements for item in element]
        return _elements(dtype["base"], flat, value_digest)
    return b"".join(
        _elements(child, [element[number] for element in elements], value_digest)
        for number, (_, child) in enumerate(dtype["fields"])
    )


def element_bytes(dtype: str, element: Any) -> bytes:
    kind, width = dtype[0], int(dtype[1:].partition("[")[0])
    if kind == "f":
        return floating(element)
    if kind == "c":
        return floating(element[0]) + floating(element[1])
    if kind == "b":
        return bytes([element])
    if kind in "SV":
        return binary(element).ljust(width, b"\0")
    if kind == "U":
        characters = utf8(element).decode("utf-8", "surrogatepass")
        return b"".join(ord(c).to_bytes(4, "little") for c in characters).ljust(width, b"\0")
    return int(element).to_bytes(width, "little", signed=kind != "u")


def _zero(dtype: str) -> Any:
    kind, width = dtype[0], dtype[1:].partition("[")[0]
    if kind == "O":
        return {"int": 0}
    if kind in "TU":
        return ""
    if kind in "SV":
        return ""
    if kind == "f":
        return "00" * int(width)
    if kind == "c":
        return ["00" * (int(width) // 2)] * 2
    return 0

"""A second reading of docs/artifact-identity.md: to the letter, value by value, and slow.

It works on plain data as the vectors in tests/vectors/identity write it down (its README says how)
and knows nothing of Arrow, NumPy or pandas. So it is a check of otelprov's own implementation, and
an example of how little another one needs.
"""

from __future__ import annotations

from typing import Any

from blake3 import blake3


class NoCanonicalForm(Exception):
    """The specification gives this data no id."""


def digest(level: str, data: bytes) -> bytes:
    """Section 2."""
    return blake3(data, derive_key_context=f"otelprov artifact 1 {level}").digest()


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def data(content: bytes) -> bytes:
    return u64(len(content)) + content


def text(notation: Any) -> bytes:
    return data(utf8(notation))


# --- notation that tables, arrays and values share ------------------------------------------------


def utf8(notation: Any) -> bytes:
    """The bytes of a text: a string, or an object for what JSON cannot or need not write out."""
    if isinstance(notation, str):
        return notation.encode("utf-8", "surrogatepass")
    if "repeat" in notation:
        part, times = notation["repeat"]
        return utf8(part) * times
    return bytes.fromhex(notation["hex"])


def binary(notation: Any) -> bytes:
    """The bytes of a binary value: hexadecimal digits."""
    if isinstance(notation, str):
        return bytes.fromhex(notation)
    part, times = notation["repeat"]
    return binary(part) * times


QUIET = {2: "7e00", 4: "7fc00000", 8: "7ff8000000000000"}
_EXPONENT = {2: 0x7C00, 4: 0x7F800000, 8: 0x7FF0000000000000}


def is_nan(bits: str) -> bool:
    width = len(bits) // 2
    magnitude = int(bits, 16) & ((1 << (8 * width - 1)) - 1)
    return magnitude > _EXPONENT[width]


def floating(bits: str) -> bytes:
    """Section 4.2, from the bits in hexadecimal, most significant first."""
    return bytes.fromhex(QUIET[len(bits) // 2] if is_nan(bits) else bits)[::-1]


def clock(count: int) -> str:
    """Seconds as Python writes them: the zone of a fixed offset."""
    days, seconds = divmod(count, 86_400)
    day = "" if not days else f"{days} day{'' if abs(days) == 1 else 's'}, "
    return f"{day}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def zone(notation: Any) -> str:
    if notation is None:
        return ""
    return notation["name"] if "name" in notation else clock(notation["offset"])


# --- section 10, and docs/derivation-identity.md --------------------------------------------------


def file_bytes(notation: Any) -> bytes:
    if "text" in notation:
        return utf8(notation["text"])
    if "bytes" in notation:
        return binary(notation["bytes"])
    return bytes(i % 251 for i in range(notation["counted"]))


def directory_id(entries: Any) -> str:
    """Entries are path, kind, and the file's bytes or the link's target."""
    files = {utf8(path): binary(content[0]) for path, kind, *content in entries if kind == "f"}
    written = []
    for path, kind, *content in entries:
        if kind == "link":
            kind, content = "f", [files[utf8(content[0])].hex()]
        if kind == "f":
            inside = blake3(binary(content[0])).digest()
        else:
            inside = utf8(content[0]) if content else b""
        written.append((utf8(path), kind.encode(), inside))
    whole = b"".join(kind + data(path) + data(content) for path, kind, content in sorted(written))
    return f"directory:{digest('directory', whole).hex()}"


def derivation(parts: Any) -> str:
    out = _operation(parts, "operation") + u64(len(parts["functions"]))
    out += b"".join(data(bytes.fromhex(function)) for function in parts["functions"])
    out += u64(len(parts["parameters"]))
    for name, value in sorted(parts["parameters"], key=lambda one: utf8(one[0])):
        out += text(name) + data(bytes.fromhex(value))
    out += u64(len(parts["inputs"]))
    out += b"".join(text(role) + _origin(origin) for role, origin in parts["inputs"])
    return f"derived:{digest('derivation', out + u64(parts['output'])).hex()}"


def step(parts: Any) -> str:
    out = _operation(parts, "step") + u64(len(parts["inputs"]))
    out += b"".join(map(_origin, parts["inputs"])) + data(bytes.fromhex(parts["parameters"]))
    return digest("step", out).hex()


def _operation(parts: Any, name: str) -> bytes:
    version = parts["version"]
    return (
        text(parts["library"])
        + text(parts[name])
        + (u64(0) if version is None else u64(1) + text(version))
    )


def _origin(origin: Any) -> bytes:
    sources = b"".join(map(text, origin["sources"]))
    return u64(len(origin["sources"])) + sources + data(bytes.fromhex(origin["path"]))

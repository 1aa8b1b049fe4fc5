"""Section 17: versions of a place."""

from __future__ import annotations

from typing import Any

from blake3 import blake3

from specification import binary, data, digest, file_bytes, text, u64, utf8


def version_id(notation: Any) -> str:
    kind, found = notation["kind"], notation["evidence"]
    if "facts" in found:
        facts = sorted((utf8(name), utf8(value)) for name, value in found["facts"])
        evidence = b"".join(data(name) + data(value) for name, value in facts)
    elif "file" in found:
        evidence = _of_file(kind, file_bytes(found["file"]), found["modified"])
    else:
        evidence = _of_directory(kind, found["directory"])
    whole = text(notation["uri"]) + text(kind) + data(evidence)
    return f"version:{digest('version', whole).hex()}"


def _of_file(kind: str, content: bytes, modified: Any) -> bytes:
    status = u64(len(content)) + int(modified).to_bytes(8, "little", signed=True)
    return status + (_footer(content) if kind == "footer" else b"")


def _footer(content: bytes) -> bytes:
    """Its digest; nothing if there is none."""
    size, length = len(content), 0
    if size >= 20 and content[:4] in (b"PAR1", b"PARE") and content[-4:] == content[:4]:
        length = int.from_bytes(content[-8:-4], "little") + 8
    elif size >= 20 and content[:6] == content[-6:] == b"ARROW1":
        length = int.from_bytes(content[-10:-6], "little") + 10
    return blake3(content[size - length :]).digest() if 0 < length <= size else b""


def _of_directory(kind: str, entries: Any) -> bytes:
    files = {utf8(path): content for path, sort, *content in entries if sort == "f"}
    written = []
    for path, sort, *content in entries:
        if sort == "link":
            sort, content = "f", files[utf8(content[0])]
        if sort == "f":
            inside = _of_file(kind, binary(content[0]), content[1])
        else:
            inside = utf8(content[0]) if content else b""
        written.append((utf8(path), sort.encode(), inside))
    return b"".join(sort + data(path) + data(inside) for path, sort, inside in sorted(written))

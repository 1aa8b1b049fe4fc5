"""The frozen vectors, and what they are made of on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from otelprov.artifacts import contents, evidence
from otelprov.artifacts.derivation import Derivation, Origin, derivation_id, step_path
from otelprov.artifacts.directories import OpenDirectory
from otelprov.artifacts.files import OpenFile
from specification import binary, file_bytes, utf8
from specification.python import string

FOLDER = Path(__file__).parents[1] / "vectors" / "identity"
FROZEN = FOLDER / "FROZEN"


def read(name: str) -> list[Any]:
    """The vectors of a file."""
    vectors: list[Any] = json.loads((FOLDER / f"{name}.json").read_text())["vectors"]
    return vectors


def read_frozen() -> dict[tuple[str, str], str]:
    """File and name of each vector that was ever made, and the BLAKE3 of it."""
    if not FROZEN.exists():
        return {}
    lines = (line.split("  ", 2) for line in FROZEN.read_text().splitlines())
    return {(file, name): digest for digest, file, name in lines}


def canonical_json(vector: Any) -> bytes:
    """Sorted keys, no spaces, ASCII only."""
    return json.dumps(vector, sort_keys=True, separators=(",", ":")).encode()


def write_directory(folder: bytes, entries: Any) -> None:
    """Make what a vector of a directory says."""
    for path, kind, *content in entries:
        place = os.path.join(folder, utf8(path))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if kind == "d":
            os.mkdir(place)
        elif kind == "f":
            Path(os.fsdecode(place)).write_bytes(binary(content[0]))
            if len(content) > 1:
                os.utime(place, ns=(0, int(content[1])))
        else:
            os.symlink(utf8(content[0]), place)


def real_version(data: Any, place: Path) -> str:
    """The id that otelprov gives to a version of a place; what stands there is made at ``place``.

    The times of a file system are not always as exact as those of a vector, so a vector has times
    of whole microseconds.
    """
    uri, kind, found = string(data["uri"]), data["kind"], data["evidence"]
    if "facts" in found:
        facts = {string(name): string(value) for name, value in found["facts"]}
        return evidence.versioned(uri, kind, evidence.of_version(facts), "resource").id
    contents._cache.clear()
    opened: OpenFile | OpenDirectory
    if "file" in found:
        place.write_bytes(file_bytes(found["file"]))
        os.utime(place, ns=(0, int(found["modified"])))
        opened = OpenFile(os.fsencode(place), place.name, uri)
    else:
        place.mkdir()
        write_directory(os.fsencode(place), found["directory"])
        opened = OpenDirectory(os.fsencode(place), place.name, uri)
    artifact = opened.by_footer("") if kind == "footer" else opened.by_status("")
    opened.close()
    assert artifact.coverage == kind
    return artifact.id


def real_derivation(data: Any) -> str:
    """The id that otelprov gives to a derivation of the vectors."""
    parts = Derivation(
        library=string(data["library"]),
        name=string(data["operation"]),
        version=data["version"],
        functions=tuple(map(bytes.fromhex, data["functions"])),
        parameters=tuple(
            (string(name), bytes.fromhex(digest)) for name, digest in data["parameters"]
        ),
        inputs=tuple((string(role), _origin(origin)) for role, origin in data["inputs"]),
    )
    return derivation_id(parts, data["output"])


def real_step(data: Any) -> bytes:
    """The path that otelprov gives to a step of the vectors."""
    origins = [_origin(origin) for origin in data["inputs"]]
    parameters = bytes.fromhex(data["parameters"])
    return step_path(data["library"], data["step"], data["version"], origins, parameters)


def _origin(data: Any) -> Origin:
    return Origin(tuple(data["sources"]), bytes.fromhex(data["path"]))

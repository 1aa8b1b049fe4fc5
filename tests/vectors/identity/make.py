"""Adds vectors that are new. Those that exist are frozen: this program never changes one.

    .venv/bin/python tests/vectors/identity/make.py

Data comes from subjects_tables.py, subjects_values.py and subjects_forms.py. What is expected of it
is computed by otelprov and by the second reading of the specification (tests/specification), which
must agree.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from blake3 import blake3

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1])]

import specification  # noqa: E402
from specification import arrays, containers, python, sparse, tables, values, versions  # noqa: E402
from specification.vectors import (  # noqa: E402
    FROZEN,
    canonical_json,
    read_frozen,
    real_derivation,
    real_step,
    real_version,
    write_directory,
)
from subjects_forms import SUBJECTS as FORMS  # noqa: E402
from subjects_tables import SUBJECTS as TABLES  # noqa: E402
from subjects_values import SUBJECTS as VALUES  # noqa: E402

from otelprov.artifacts import digest_value, identify, identify_location, identify_path  # noqa: E402
from otelprov.artifacts.digest import NoCanonicalForm  # noqa: E402
from otelprov.artifacts.locations import without_credentials  # noqa: E402
from otelprov.artifacts.tables import digest as table_digest  # noqa: E402

WRITTEN_OUT = 400
"""Bytes of canonical arrays that a vector shows at most."""


def shown(data: bytes) -> Any:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"hex": data.hex()}


def table(data: Any) -> dict[str, Any]:
    try:
        tree = table_digest(next(containers.forms(data))[1])
    except NoCanonicalForm:
        tree = None
    try:
        id_, columns = tables.table(data)
    except specification.NoCanonicalForm:
        assert tree is None, data
        return {"table": data, "id": None}
    assert tree is not None, data
    assert tree.id == id_, data
    size = sum(one.size for one in columns)
    assert tree.bytes == size, data
    expected = []
    for one in columns:
        column: dict[str, Any] = {"type": shown(one.type), "digest": one.digest.hex()}
        column["blocks"] = [block.hex() for block in one.blocks]
        if sum(map(len, one.canonical)) <= WRITTEN_OUT:
            column["canonical"] = [array.hex() for array in one.canonical]
        expected.append(column)
    return {"table": data, "id": id_, "bytes": size, "columns": expected}


def array(data: Any) -> dict[str, Any]:
    id_ = identify(python.array(data)).id
    assert id_ == f"array:{arrays.array_digest(data).hex()}", data
    return {"array": data, "id": id_, "type": shown(arrays.type_name(data["dtype"]))}


def matrix(data: Any) -> dict[str, Any]:
    id_ = identify(python.sparse(data)).id
    assert id_ == f"array:{sparse.sparse_digest(data).hex()}", data
    return {"sparse": data, "id": id_}


def described(data: Any) -> dict[str, Any]:
    id_ = identify(python.described(data["kind"], data["object"])).id
    digest = values.value_digest({"object": data["object"]}).hex()
    assert id_ == f"{data['kind']}:{digest}", data
    return {"described": data, "id": id_}


def version(data: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        id_ = real_version(data, Path(folder, "place"))
    assert id_ == versions.version_id(data), data
    return {"version": data, "id": id_}


def value(data: Any) -> dict[str, Any]:
    try:
        digest = values.value_digest(data).hex()
    except specification.NoCanonicalForm:
        digest = None
    try:
        found = digest_value(python.value(data))
        assert (found and found.hex()) == digest, data
    except python.CannotBeBuilt:
        pass
    return {"value": data, "digest": digest}


def file(data: Any) -> dict[str, Any]:
    content = specification.file_bytes(data)
    return {"file": data, "id": f"file:{blake3(content).hexdigest()}"}


def directory(data: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        write_directory(os.fsencode(folder), data)
        return {"directory": data, "id": identify_path(folder).id}


def resource(data: Any) -> dict[str, Any]:
    return {
        "resource": data, "clean": without_credentials(data), "id": identify_location(data).id
    }  # fmt: skip


def derivation(data: Any) -> dict[str, Any]:
    if "step" in data:
        return {**data, "path": real_step(data["step"]).hex()}
    return {**data, "id": real_derivation(data["derivation"])}


def add(path: Path, title: str, made: list[tuple[str, Any]], expect: Any) -> tuple[str, list[str]]:
    """The text of a file with what is new, and the lines of FROZEN for that."""
    found = json.loads(path.read_text()) if path.exists() else {"subject": title, "vectors": []}
    known = {vector["name"] for vector in found["vectors"]}
    frozen = read_frozen()
    lines = []
    for name, data in made:
        if name in known or (path.name, name) in frozen:
            continue
        vector = {"name": name, **expect(data)}
        found["vectors"].append(vector)
        known.add(name)
        lines.append(f"{blake3(canonical_json(vector)).hexdigest()}  {path.name}  {name}\n")
    vectors = ",\n".join(json.dumps(vector) for vector in found["vectors"])
    title = json.dumps(found["subject"])
    return f'{{"subject": {title}, "vectors": [\n{vectors}\n]}}\n', lines


def main() -> None:
    expected = {
        "array": array, "value": value, "file": file, "directory": directory,
        "resource": resource, "sparse": matrix, "described": described, "version": version,
        None: derivation,
    }  # fmt: skip
    subjects = [(name, title, make, table) for name, (title, make) in TABLES.items()]
    subjects += [
        (name, title, make, expected[kind])
        for name, (title, kind, make) in (VALUES | FORMS).items()
    ]
    texts, frozen = {}, []
    for name, title, make, expect in subjects:
        path = HERE / f"{name}.json"
        texts[path], lines = add(path, title, make(), expect)
        frozen += lines
    for path, text in texts.items():
        path.write_text(text)
    with FROZEN.open("a") as out:
        out.writelines(frozen)
    print(f"{len(frozen)} vectors are new")


if __name__ == "__main__":
    main()

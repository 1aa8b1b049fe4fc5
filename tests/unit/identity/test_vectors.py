"""The frozen vectors: what they say is what otelprov says, and what the specification says.

Nothing here knows an id: all of them are in tests/vectors/identity/*.json.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import specification
import support
from blake3 import blake3
from sklearn.tree import DecisionTreeClassifier
from specification import (
    arrays,
    containers,
    python,
    sparse,
    tables,
    values,
    vectors,
    versions,
)

from otelprov.artifacts import digest_value, identify, identify_location, identify_path
from otelprov.artifacts.digest import NoCanonicalForm
from otelprov.artifacts.locations import without_credentials
from otelprov.artifacts.tables import digest as table_digest

FILES = sorted(vectors.FOLDER.glob("*.json"))
ALL = [(path.stem, vector) for path in FILES for vector in vectors.read(path.stem)]


def cases(kind: str) -> Any:
    found = [
        pytest.param(vector, id=f"{file}: {vector['name'][:60]}")
        for file, vector in ALL
        if kind in vector
    ]
    assert found
    return pytest.mark.parametrize("vector", found)


def shown(name: Any) -> bytes:
    return specification.utf8(name)


# --- frozen ---------------------------------------------------------------------------------------


def test_no_vector_was_changed_or_lost() -> None:
    frozen = vectors.read_frozen()
    found = {
        (f"{file}.json", vector["name"]): blake3(vectors.canonical_json(vector)).hexdigest()
        for file, vector in ALL
    }
    assert found == frozen
    assert len(found) == len(ALL), "two vectors of one file have one name"


def test_a_vector_that_exists_is_never_written_again(tmp_path: Path) -> None:
    make = _make()
    path = tmp_path / "files.json"
    path.write_text((vectors.FOLDER / "files.json").read_text())
    before = vectors.read("files")
    new = [(before[0]["name"], {"bytes": "00"}), ("of this test", {"bytes": "01"})]
    text, lines = make.add(path, "another title", new, make.file)
    assert json.loads(text)["vectors"][:-1] == before
    assert [line.split("  ", 2)[2] for line in lines] == ["of this test\n"]


def test_a_vector_that_was_lost_is_not_made_anew(tmp_path: Path) -> None:
    make = _make()
    name = vectors.read("files")[0]["name"]
    text, lines = make.add(tmp_path / "files.json", "", [(name, {"bytes": "00"})], make.file)
    assert json.loads(text)["vectors"] == lines == []


def _make() -> Any:
    spec = importlib.util.spec_from_file_location("make_vectors", vectors.FOLDER / "make.py")
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    sys.path.insert(0, str(vectors.FOLDER))
    try:
        spec.loader.exec_module(made)
    finally:
        sys.path[:] = path
    return made


# --- tables ---------------------------------------------------------------------------------------


@cases("table")
def test_a_table_has_its_id_in_every_storage(vector: Any) -> None:
    for form, container in containers.forms(vector["table"]):
        if vector["id"] is None:
            with pytest.raises(NoCanonicalForm):
                table_digest(container)
            assert identify(container).coverage == "none"
            continue
        tree = table_digest(container)
        expected = [(shown(one["type"]), one["digest"]) for one in vector["columns"]]
        found = [(column.type, column.digest) for column in tree.columns]
        assert found == [(t.decode("utf-8", "replace"), d) for t, d in expected], form
        assert (tree.id, tree.bytes) == (vector["id"], vector["bytes"]), form
        assert identify(container).id == vector["id"], form


@cases("table")
def test_the_specification_gives_a_table_its_id(vector: Any) -> None:
    if vector["id"] is None:
        with pytest.raises(specification.NoCanonicalForm):
            tables.table(vector["table"])
        return
    id_, columns = tables.table(vector["table"])
    for made, one in zip(columns, vector["columns"], strict=True):
        if "canonical" in one:
            assert [array.hex() for array in made.canonical] == one["canonical"]
        assert [block.hex() for block in made.blocks] == one["blocks"]
        assert (made.type, made.digest.hex()) == (shown(one["type"]), one["digest"])
    assert (id_, sum(one.size for one in columns)) == (vector["id"], vector["bytes"])


def test_the_storages_of_one_table_are_many() -> None:
    """The test above is worth something only if the arrays are as different as they should be."""
    (vector,) = (v for file, v in ALL if file == "strings" and v["name"] == "string with nulls")
    forms = dict(containers.forms(vector["table"]))
    types = {str(form.schema.field(0).type) for form in forms.values()}
    assert len(types) == 5
    assert {form.column(0).num_chunks for form in forms.values()} == {1, 4}
    hidden = [form for name, form in forms.items() if "'string'" in name and "garbage" in name]
    data = hidden[0].column(0).chunk(0).buffers()[2].to_pybytes()
    assert data == b"aaa"
    assert any(form.column(0).chunk(0).offset for form in forms.values())


# --- arrays and values ----------------------------------------------------------------------------


@cases("array")
def test_an_array_has_its_id_in_every_storage(vector: Any) -> None:
    for order in "<>":
        array = python.array(vector["array"], order)
        assert identify(array).id == vector["id"]
        assert identify(array.copy(order="F")).id == vector["id"]
        if array.ndim:
            twice = np.ma.repeat(array, 2, 0) if "mask" in vector["array"] else array.repeat(2, 0)
            assert identify(twice[::2]).id == vector["id"]
            assert identify(array[::-1].copy()[::-1]).id == vector["id"]


@cases("array")
def test_the_specification_gives_an_array_its_id(vector: Any) -> None:
    assert arrays.type_name(vector["array"]["dtype"]) == shown(vector["type"])
    assert f"array:{arrays.array_digest(vector['array']).hex()}" == vector["id"]


@cases("sparse")
def test_a_sparse_matrix_has_its_id_in_every_format(vector: Any) -> None:
    notation = vector["sparse"]
    places = [place for place, _ in sparse.listed(notation)]
    matrix = python.sparse(notation)
    assert identify(matrix).id == vector["id"]
    if matrix.ndim != 2 or max(matrix.shape) > 70_000 or len(set(places)) < len(places):
        return  # another format would add the elements of one place in an order of its own
    formats = ("csr", "csc", "dok", "lil") if max(matrix.shape) < 100 else ("csr", "csc")
    assert {identify(matrix.asformat(name)).id for name in formats} == {vector["id"]}


@cases("sparse")
def test_the_specification_gives_a_sparse_matrix_its_id(vector: Any) -> None:
    assert f"array:{sparse.sparse_digest(vector['sparse']).hex()}" == vector["id"]


@cases("described")
def test_a_described_object_has_its_id(vector: Any) -> None:
    kind, notation = vector["described"]["kind"], vector["described"]["object"]
    found = identify(python.described(kind, notation))
    assert (found.id, found.kind, found.coverage) == (vector["id"], kind, "full")
    assert f"{kind}:{values.value_digest({'object': notation}).hex()}" == vector["id"]


UNBUILT = {
    "method", "function", "function that closes over values", "table", "categorical dtype",
    "pandas dtype", "Arrow type", "Arrow schema", "Polars type", "NaT", "NA", "reduced object",
}  # fmt: skip
"""Bytecode of one version of Python, and what a library writes as it likes: see LIVE."""


@cases("value")
def test_a_value_has_its_digest(vector: Any) -> None:
    if vector["name"] in UNBUILT:
        with pytest.raises(python.CannotBeBuilt):
            python.value(vector["value"])
        return
    digest = digest_value(python.value(vector["value"]))
    assert (digest and digest.hex()) == vector["digest"]


@cases("value")
def test_the_specification_gives_a_value_its_digest(vector: Any) -> None:
    if vector["digest"] is None:
        with pytest.raises(specification.NoCanonicalForm):
            values.value_digest(vector["value"])
    else:
        assert values.value_digest(vector["value"]).hex() == vector["digest"]


def _area(x: float, *, scale: int = 2) -> float:
    """Constants of every kind: 1.5, "text", b"bytes", a tuple, a set, a function."""
    if x in {1, 2, 3}:
        return sum((lambda y: y + scale)(part) for part in (1.5, 2, len(b"bytes")))
    return x


def _closure(n: int, text: str) -> Any:
    return lambda x: (x + n, text)


_FRAME = pd.DataFrame({"a": [1, 2]})
_TABLE = pa.table({"a": [1, 2]})
_SCHEMA = _TABLE.schema
_DTYPE = pd.Int64Dtype()
_CATEGORY = pd.CategoricalDtype(["a", "b"], ordered=True)


def _class(value: object) -> list[str]:
    return [type(value).__module__, type(value).__qualname__]


def _table(value: Any) -> Any:
    return {"table": [*_class(value), identify(value).id]}


_TREE = DecisionTreeClassifier(max_depth=1, random_state=0).fit([[0.0], [1.0]], [0, 1]).tree_


def _reduced(tree: Any) -> Any:
    """Scikit-learn's tree, which is written in C."""
    _, arguments, state = tree.__reduce__()
    given = [{"int": arguments[0]}, _array(arguments[1]), {"int": arguments[2]}]
    held = [
        [name, _array(item) if isinstance(item, np.ndarray) else {"int": item}]
        for name, item in sorted(state.items())
    ]
    module = "sklearn.tree._tree"
    parts = [{"tuple": given}, {"dict": held}, {"list": []}, {"list": []}]
    return {"reduced": [module, "Tree", f"{module}.Tree", *parts]}


def _array(value: Any) -> Any:
    types = {name: value.dtype[name] for name in value.dtype.names or ()}
    if not types:
        elements = [_number(item) for item in value.ravel()]
        dtype: Any = f"{value.dtype.kind}{value.dtype.itemsize}"
    else:
        elements = [[_number(row[name]) for name in types] for row in value]
        dtype = {"fields": [[name, f"{t.kind}{t.itemsize}"] for name, t in types.items()]}
    notation = {"dtype": dtype, "shape": list(value.shape), "elements": elements}
    return {"numpy.array": notation}


def _number(value: Any) -> Any:
    return struct.pack(">d", value).hex() if value.dtype.kind == "f" else int(value)


LIVE: dict[str, tuple[Any, Any]] = {
    "function": (_area, python.function_notation(_area)),
    "closure": (_closure(1, "a"), python.function_notation(_closure(1, "a"))),
    "method": (
        _area.__get__([1]),
        {"method": [python.function_notation(_area), {"list": [{"int": 1}]}]},
    ),
    "descriptor": (io.BytesIO.getvalue, {"descriptor": ["_io", "BytesIO", "getvalue"]}),
    "frame": (_FRAME, _table(_FRAME)),
    "series": (_FRAME["a"], _table(_FRAME["a"])),
    "table": (_TABLE, _table(_TABLE)),
    "polars": (pl.DataFrame({"a": [1]}), _table(pl.DataFrame({"a": [1]}))),
    "pandas dtype": (_DTYPE, {"pandas.dtype": [*_class(_DTYPE), "Int64", None]}),
    "string dtype": (
        pd.StringDtype("python"),
        {"pandas.dtype": [*_class(pd.StringDtype()), "string", {"pandas": "NAType"}]},
    ),
    "categories": (_CATEGORY, {"pandas.category": [_table(_CATEGORY.categories), True]}),
    "Arrow type": (pa.list_(pa.int8()), {"pyarrow.type": "list<item: int8>"}),
    "Arrow schema": (_SCHEMA, {"pyarrow.schema": _SCHEMA.serialize().to_pybytes().hex()}),
    "Polars type": (pl.List(pl.Int64()), {"polars.type": "List(Int64)"}),
    "NaT": (pd.NaT, {"pandas": "NaTType"}),
    "NA": (pd.NA, {"pandas": "NAType"}),
    "reduced object": (_TREE, _reduced(_TREE)),
}  # fmt: skip


@pytest.mark.parametrize("name", LIVE)
def test_what_depends_on_versions_has_the_digest_that_the_specification_says(name: str) -> None:
    value, notation = LIVE[name]
    assert digest_value(value) == values.value_digest(notation)


def test_more_values_than_the_limit_have_no_digest_in_either() -> None:
    for length in (999_999, 1_000_000):
        found = digest_value([None] * length)
        notation = {"list": [None] * length}
        if length < 1_000_000:
            assert found == values.value_digest(notation)
        else:
            assert found is None
            with pytest.raises(specification.NoCanonicalForm):
                values.value_digest(notation)


# --- files, directories, names, derivations -------------------------------------------------------


@cases("file")
def test_a_file_has_its_id_on_disk_and_in_memory(vector: Any, tmp_path: Path) -> None:
    content = specification.file_bytes(vector["file"])
    path = tmp_path / "file"
    path.write_bytes(content)
    found = {identify_path(path).id, identify(content).id, identify(io.BytesIO(content)).id}
    if "text" in vector["file"]:
        found.add(identify(python.string(vector["file"]["text"])).id)
    assert found == {vector["id"]}


@cases("directory")
def test_a_directory_has_its_id(vector: Any, tmp_path: Path) -> None:
    assert specification.directory_id(vector["directory"]) == vector["id"]
    if sys.platform != "linux" and any(isinstance(entry[0], dict) for entry in vector["directory"]):
        pytest.skip("this file system has no names that are not text")
    vectors.write_directory(os.fsencode(tmp_path), vector["directory"])
    assert identify_path(tmp_path).id == vector["id"]


@cases("resource")
def test_a_name_has_its_id_without_its_credentials(vector: Any) -> None:
    assert without_credentials(vector["resource"]) == vector["clean"]
    assert identify_location(vector["resource"]).id == vector["id"]
    clean = vector["clean"].encode()
    assert f"resource:{specification.digest('resource', clean).hex()}" == vector["id"]
    for secret in ("secret", "abc", "pa/ss", "p#a?ss", "Signature=S", "0f"):
        assert secret not in vector["clean"].replace("client_secret", "")


@cases("version")
def test_a_version_of_a_place_has_its_id(vector: Any, tmp_path: Path) -> None:
    assert versions.version_id(vector["version"]) == vector["id"]
    assert vectors.real_version(vector["version"], tmp_path / "place") == vector["id"]


@cases("derivation")
def test_a_derivation_has_its_id(vector: Any) -> None:
    assert vectors.real_derivation(vector["derivation"]) == vector["id"]
    assert specification.derivation(vector["derivation"]) == vector["id"]


@cases("step")
def test_a_step_has_its_path(vector: Any) -> None:
    assert vectors.real_step(vector["step"]).hex() == vector["path"]
    assert specification.step(vector["step"]) == vector["path"]


# --- is everything covered? -----------------------------------------------------------------------

SPECIFICATION = (support.ROOT / "docs" / "artifact-identity.md").read_text(encoding="utf-8")


def section(number: int) -> str:
    return SPECIFICATION.split(f"\n## {number}. ")[1].split("\n## ")[0]


def rows_of(text: str) -> list[list[str]]:
    """The cells of the tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ") and "|---" not in line]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines][1:]


def all_types(t: Any) -> set[tuple[str, str]]:
    """Type in Arrow and family of the canonical name, of a type and of those in it."""
    parts = [t.get(key) for key in ("child", "values", "key", "item", "storage") if key in t] if (
        isinstance(t, dict)
    ) else []  # fmt: skip
    parts += [child for _, child in t["fields"]] if tables.kind(t) == "struct" else []
    try:
        family = re.match(rb"[a-z0-9]+", tables.type_name(t))
    except specification.NoCanonicalForm:
        family = None
    own = {(tables.kind(t), family[0].decode())} if family else set()
    return own.union(*map(all_types, parts))


COVERED = set[tuple[str, str]]().union(
    *(
        all_types(t)
        for _, vector in ALL
        for column in vector.get("table", {}).get("columns", ())
        for t in column["types"]
    )
)


def test_every_canonical_type_of_the_specification_has_a_vector() -> None:
    named = {
        match
        for row in rows_of(section(3))
        for match in re.findall(r"`([a-z]+[0-9]*)(?:[\[{][^`]*)?`", row[1])
    }
    assert named == {family for _, family in COVERED}
    assert len(named) > 25


def test_every_type_of_the_notation_has_a_vector() -> None:
    text = (vectors.FOLDER / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z0-9_]+)`", text.split("### Types")[1].split("\n### ")[0]))
    assert {t for t, _ in COVERED} <= named


def tags(notation: Any) -> set[str]:
    if notation is None or isinstance(notation, (bool, str)):
        return {"none" if notation is None else "str" if isinstance(notation, str) else (
            str(notation).lower())}  # fmt: skip
    if isinstance(notation, list):
        return set().union(*map(tags, notation))
    if not isinstance(notation, dict):
        return set()
    found = set()
    for name, content in notation.items():
        found.add("int-" if name == "int" and int(content) < 0 else name)
        found |= tags(content) if isinstance(content, (list, dict)) else set()
    return found


def test_every_tag_of_the_specification_has_a_vector() -> None:
    named = {tag for row in rows_of(section(9)) for tag in re.findall(r"`([^`]+)`", row[1])}
    # Through what is written: a tag is one byte of length and the name.
    found = set().union(*(tags(vector["value"]) for _, vector in ALL if "value" in vector))
    assert named <= found
    # And no value of the vectors is written in a way that the specification does not name.
    own = {*(name[1:].replace("_", ".", 1) for name in vars(values._Reading) if name[1:2] != "_")}
    assert {name for name in own if name in found} <= named | {"numpy.array"}
    assert len(named) > 60


def test_every_type_of_numpy_that_the_specification_names_has_a_vector() -> None:
    named = {name for row in rows_of(section(8)) for name in re.findall(r"`([^`]+)`", row[1])}
    forms = {"{text(name)type;…}": "fields", "(2,3)type": "base"}
    found = set().union(*(_dtypes(v["array"]["dtype"]) for _, v in ALL if "array" in v))
    assert {forms.get(name, name) for name in named} <= found
    assert len(named) >= 17


def _dtypes(dtype: Any) -> set[str]:
    if isinstance(dtype, str):
        return {dtype}
    if "base" in dtype:
        return {"base"} | _dtypes(dtype["base"])
    return {"fields"}.union(*(_dtypes(child) for _, child in dtype["fields"]))


def test_every_level_of_the_specification_is_reached() -> None:
    (levels,) = re.findall(r"The levels are ([^.]*)\.", section(2))
    read = {kind for _, vector in ALL for kind in vector}
    assert set(re.findall(r"`(\w+)`", levels)) - read == {"block", "column", "schema"}

"""Sections 12 to 16 of the specification: what the forms of living objects are made of.

The frozen vectors have the forms as such; here are objects of libraries and of programs.
"""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import scipy.sparse as sp
import support
from blake3 import blake3
from specification.sparse import sparse_digest
from specification.values import value_digest

import otelprov
from otelprov.artifacts import identify

SPECIFICATION = Path(__file__).parents[3] / "docs" / "artifact-identity.md"


class Point:
    def __init__(self, y: object, x: object) -> None:
        self.y = y
        self.x = x


class Length:
    __module__ = "somewhere"
    __qualname__ = "Length"

    def __init__(self, metres: int) -> None:
        self.metres = metres


@attrs.define
class Box:
    __module__ = "somewhere"
    width: int
    height: int


def double(value: float) -> str:
    return struct.pack(">d", value).hex()


otelprov.register_identity(Length, kind="model")(lambda length: length.metres)


def test_section_12_sparse_matrices() -> None:
    matrix = sp.coo_matrix(([2.5, 1.0, 0.0], ([1, 0, 0], [0, 2, 1])), shape=(2, 3))
    places = [[[0, 2], double(1.0)], [[1, 0], double(2.5)]]
    form = {"dtype": "f8", "shape": [2, 3], "elements": places}
    assert identify(matrix).id == f"array:{sparse_digest(form).hex()}"


def test_section_13_described_objects() -> None:
    form = {"object": ["somewhere", "Length", {"int": 300}]}
    assert identify(Length(300)).id == f"model:{value_digest(form).hex()}"


def test_section_13_random_numbers() -> None:
    seed = np.random.SeedSequence(1)
    state = [
        ["entropy", {"int": 1}], ["spawn_key", {"tuple": []}], ["pool_size", {"int": 4}],
        ["n_children_spawned", {"int": 0}],
    ]  # fmt: skip
    form = {"object": ["numpy.random.bit_generator", "SeedSequence", {"dict": state}]}
    assert identify(seed).id == f"object:{value_digest(form).hex()}"
    bits = np.random.PCG64(seed)
    inner = bits.state["state"]
    drawn = {
        "dict": [
            ["bit_generator", "PCG64"],
            ["state", {"dict": [[name, {"int": inner[name]}] for name in ("state", "inc")]}],
            ["has_uint32", {"int": 0}],
            ["uinteger", {"int": 0}],
        ]
    }
    form = {"object": ["numpy.random._pcg64", "PCG64", {"tuple": [drawn, form]}]}
    assert identify(bits).id == f"object:{value_digest(form).hex()}"
    form = {"object": ["numpy.random._generator", "Generator", form]}
    assert identify(np.random.Generator(bits)).id == f"object:{value_digest(form).hex()}"


def test_section_14_estimators() -> None:
    from sklearn.preprocessing import Normalizer

    attributes = {"dict": [["copy", True], ["norm", "l1"]]}
    form = {"object": ["sklearn.preprocessing._data", "Normalizer", attributes]}
    assert identify(Normalizer(norm="l1")).id == f"model:{value_digest(form).hex()}"


def test_section_15_objects_by_state() -> None:
    def point(x: object, y: object) -> object:
        return {"object": [__name__, "Point", {"dict": [["x", x], ["y", y]]}]}

    form = point(point({"int": 1}, None), {"int": 2})
    assert identify(Point(2, Point(None, 1))).id == f"object:{value_digest(form).hex()}"


def test_section_16_data_sets(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.dataset as ds

    ds.write_dataset(
        pa.table({"y": [7], "a": ["x"]}), tmp_path, format="parquet",
        partitioning=["y"], partitioning_flavor="hive",
    )  # fmt: skip
    (file,) = tmp_path.rglob("*.parquet")
    id_ = f"file:{blake3(file.read_bytes()).hexdigest()}"
    schema = [
        {"tuple": [name, {"bytes": type_.hex()}]}
        for name, type_ in (("a", b"string"), ("y", b"int32"))
    ]
    files = [{"tuple": [{"dict": [["y", {"int": 7}]]}, id_]}]
    content = {"tuple": [{"list": schema}, {"list": files}]}
    dataset = ds.dataset(str(tmp_path), partitioning="hive")
    form = {"object": ["", "pyarrow.Dataset", content]}
    assert identify(dataset).id == f"directory:{value_digest(form).hex()}"
    union = ds.dataset([dataset, dataset])
    form = {
        "object": ["", "pyarrow.Dataset", {"tuple": [{"list": schema}, {"list": [content] * 2}]}]
    }
    assert identify(union).id == f"directory:{value_digest(form).hex()}"


FROZEN: dict[str, tuple[Any, str]] = {
    "sparse": (
        sp.eye(3, dtype="i4"),
        "array:face79a139446a43b40b14c547dda49046c6c7f58bf766f41502b87b95ad388d",
    ),
    "described": (
        Length(1),
        "model:17208d00791e4e91ee0eb38c3a24dbb8c6b6924d31a2b52eaa0eb3f66ad44549",
    ),
    "attrs": (Box(1, 2), "object:018e3dd9fa8f2f7835b646c4de6ce6857408005784265fcf5772adbe0131a549"),
    "seed sequence": (
        np.random.SeedSequence(1),
        "object:f7cb628d2d5779f7f366b0a45eb5860c2799022da29d926e8147a25989235a3a",
    ),
}


@pytest.mark.parametrize("name", FROZEN)
def test_the_id_is_what_it_was(name: str) -> None:
    value, expected = FROZEN[name]
    assert identify(value).id == expected


def test_the_example_of_the_specification_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", SPECIFICATION.read_text(), re.DOTALL)
    (tmp_path / "example.py").write_text(example)
    result = subprocess.run(
        [sys.executable, "example.py"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=support.environment(),
    )
    assert re.fullmatch(r"model:[0-9a-f]{64}\n", result.stdout)

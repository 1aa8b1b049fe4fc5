"""Sections 12 to 16 of the specification, computed here from their text alone."""

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

import otelprov
from otelprov.artifacts import identify

SPECIFICATION = Path(__file__).parents[3] / "docs" / "artifact-identity.md"


def u64(number: int) -> bytes:
    return struct.pack("<Q", number)


def text(value: str) -> bytes:
    return u64(len(value.encode())) + value.encode()


def tag(name: str) -> bytes:
    return bytes([len(name)]) + name.encode()


def string(value: str) -> bytes:
    return tag("str") + text(value)


def integer(value: int) -> bytes:
    data = value.to_bytes((value.bit_length() + 7) // 8, "little")
    return tag("int") + u64(len(data)) + data


def dictionary(**items: bytes) -> bytes:
    return tag("dict") + u64(len(items)) + b"".join(string(k) + v for k, v in items.items())


def digest(level: str, data: bytes) -> str:
    return blake3(data, derive_key_context=f"otelprov artifact 1 {level}").hexdigest()


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


otelprov.register_identity(Length, kind="model")(lambda length: length.metres)


def test_section_12_sparse_matrices() -> None:
    matrix = sp.coo_matrix(([2.5, 1.0, 0.0], ([1, 0, 0], [0, 2, 1])), shape=(2, 3))
    form = (
        text("sparse") + text("f8") + u64(2) + u64(2) + u64(3) + u64(2)
        + u64(0) + u64(1) + u64(2) + u64(0) + struct.pack("<2d", 1.0, 2.5)
    )  # fmt: skip
    assert identify(matrix).id == f"array:{digest('array', form)}"


def test_section_13_described_objects() -> None:
    form = tag("object") + text("somewhere") + text("Length") + integer(300)
    assert identify(Length(300)).id == f"model:{digest('value', form)}"


def test_section_9_attrs() -> None:
    form = (
        tag("attrs") + text("somewhere") + text("Box") + u64(2)
        + text("width") + integer(1) + text("height") + integer(2)
    )  # fmt: skip
    assert identify(Box(1, 2)).id == f"object:{digest('value', form)}"


def test_section_14_estimators() -> None:
    from sklearn.preprocessing import Normalizer

    form = (
        tag("object") + text("sklearn.preprocessing._data") + text("Normalizer")
        + dictionary(copy=tag("true"), norm=string("l1"))
    )  # fmt: skip
    assert identify(Normalizer(norm="l1")).id == f"model:{digest('value', form)}"


def test_section_15_objects_by_state() -> None:
    inner = tag("object") + text(__name__) + text("Point")
    form = inner + dictionary(
        x=inner + dictionary(x=integer(1), y=tag("none")), y=integer(2)
    )  # fmt: skip
    assert identify(Point(2, Point(None, 1))).id == f"object:{digest('value', form)}"


def test_section_16_data_sets(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.dataset as ds

    ds.write_dataset(
        pa.table({"y": [7], "a": ["x"]}), tmp_path, format="parquet",
        partitioning=["y"], partitioning_flavor="hive",
    )  # fmt: skip
    (file,) = tmp_path.rglob("*.parquet")

    def values(name: str, *parts: bytes) -> bytes:
        return tag(name) + u64(len(parts)) + b"".join(parts)

    def column(name: str, type_: bytes) -> bytes:
        return values("tuple", string(name), tag("bytes") + u64(len(type_)) + type_)

    form = (
        tag("object") + text("") + text("pyarrow.Dataset")
        + values(
            "tuple",
            values("list", column("a", b"string"), column("y", b"int32")),
            values(
                "list",
                values(
                    "tuple",
                    dictionary(y=integer(7)),
                    string(f"file:{blake3(file.read_bytes()).hexdigest()}"),
                ),
            ),
        )
    )  # fmt: skip
    dataset = ds.dataset(str(tmp_path), partitioning="hive")
    assert identify(dataset).id == f"directory:{digest('value', form)}"


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

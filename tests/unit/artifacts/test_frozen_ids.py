"""A few ids, written down: who changes one of them changes what every recorded lineage means."""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from otelprov.artifacts import digest_value, identify, identify_location

MIXED = pa.table(
    {
        "i": pa.array([1, None, -3], pa.int32()),
        "f": pa.array([0.5, float("nan"), None], pa.float64()),
        "b": pa.array([True, None, False]),
        "s": pa.array(["a", None, "äö"]),
        "t": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
        "d": pa.array([decimal.Decimal("1.50"), None, None], pa.decimal128(5, 2)),
        "l": pa.array([[1, None], None, []], pa.list_(pa.int64())),
        "r": pa.array([{"x": 1}, None, {"x": None}], pa.struct([("x", pa.int8())])),
        "m": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int64())),
        "n": pa.nulls(3),
    }
)

FROZEN: dict[str, Any] = {
    "empty table": pd.DataFrame(),
    "one column": pd.DataFrame({"a": [1, 2, 3]}),
    "every kind": MIXED,
    "two blocks": pa.table({"a": np.arange(100_000)}),
    "objects": pd.DataFrame({"o": [1, "a", None]}),
    "array": np.arange(6, dtype="f4").reshape(2, 3),
    "text": "text",
    "value": {"a": [1, 2.5, None, True], "b": ("x", b"y")},
}

IDS = {
    "empty table": "table:e8788ca9a02c09ef1df9c52aa93a31309cbc28d50c10529ba47a878367fe98c7",
    "one column": "table:e7f90e69a4edfb5e0f7a15f62451a9a46ba14b8ebcd1f6ab7e1d810a7dd74a04",
    "every kind": "table:688e69b4c25b67c280235377685955f30daeaf83320479f0817b46be786f61b0",
    "two blocks": "table:26a5ef19c3422d617756a4908d129e3d9689425139d9d13fc5368cf22a6bb9fa",
    "objects": "table:90c2f1f0b136f8bf5cf9b0707aabcbd0d481df71c116e3b0fc94e9825dfcff20",
    "array": "array:d1577eadcc55cb805796845104815ffe2a3e26d9f3107e6bff122e745e648c96",
    "text": "file:831c6831fdc9a309a4c66cc3cb2fa3740a100da8b86d6fe86e9ba40deb50aa19",
    "value": "object:8a42a1a9cf1aced0b2c0032d0555aeb5c00cfc72787439008d2c1abfc63bd3c9",
}

LOCATION = "resource:b912ce3e05fb5c24cee23558892e97605a778018e25f24055399e8a43cd93a5a"
NONE = "cbcebf572efde70b9971dccb3e632d7c847b7703ccf54ed9a59cb46ab1167c94"


@pytest.mark.parametrize("name", FROZEN)
def test_the_id_is_what_it_was(name: str) -> None:
    assert identify(FROZEN[name]).id == IDS[name]


def test_the_ids_of_names_and_parameters_are_what_they_were() -> None:
    assert identify_location("s3://bucket/key").id == LOCATION
    assert digest_value(None) == bytes.fromhex(NONE)

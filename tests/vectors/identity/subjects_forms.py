"""The data of the vectors of sparse matrices, described objects and versions. Run by make.py."""

from __future__ import annotations

import struct
from typing import Any

Vector = tuple[str, Any]

NUMBERS = [10.0 ** (7 * i % 17) * (-1) ** i / (i + 1) for i in range(300)]
"""Numbers whose sum depends on the order in which they are added."""


def double(value: float) -> str:
    return struct.pack(">d", value).hex()


def single(value: float) -> str:
    return struct.pack(">f", value).hex()


ZERO, ONE, TWO, MINUS_ZERO, NAN = map(double, (0.0, 1.0, 2.0, -0.0, float("nan")))


def matrix(dtype: str, shape: list[int], *elements: Any) -> Any:
    return {"dtype": dtype, "shape": shape, "elements": [list(element) for element in elements]}


def summed(dtype: str, values: list[Any]) -> Any:
    """All at one place, with a number at each of two others: one is stored before them."""
    last, first = ([1, 1], values[0]), ([0, 0], values[1])
    return matrix(dtype, [2, 2], last, *(([0, 1], value) for value in values), first)


def sparse() -> list[Vector]:
    two = ([0, 0], ONE), ([1, 2], TWO)
    found = [
        (f"{kind}{width}", matrix(f"{kind}{width}", [2, 2], ([0, 1], 1), ([1, 0], most)))
        for width in (1, 2, 4, 8)
        for kind, most in (("i", -(1 << 8 * width - 1)), ("u", (1 << 8 * width) - 1))
    ]
    pairs = [[double(a), double(b)] for a, b in zip(NUMBERS, NUMBERS[::-1], strict=True)]
    return [
        *found,
        ("f8", matrix("f8", [2, 3], *two)),
        ("f8, stored in another order", matrix("f8", [2, 3], *two[::-1])),
        ("another shape", matrix("f8", [3, 3], *two)),
        ("f4", matrix("f4", [2, 2], ([0, 1], single(0.1)))),
        ("b1", matrix("b1", [2, 2], ([0, 1], True), ([1, 1], False), ([1, 0], True))),
        ("c8", matrix("c8", [2, 2], ([0, 1], [single(0.1), single(-0.0)]))),
        ("c16", matrix("c16", [2, 2], ([0, 1], [NAN, ONE]), ([1, 1], [ZERO, MINUS_ZERO]))),
        ("NaN with a payload", matrix("f8", [1, 2], ([0, 1], "fff8000000000001"))),
        ("infinities", matrix("f8", [1, 2], ([0, 0], double(float("inf"))), ([0, 1], NAN))),
        ("no elements", matrix("f8", [2, 3])),
        ("no rows", matrix("i4", [0, 3])),
        ("zeros are not stored", matrix("f8", [2, 2], ([0, 0], ZERO), ([0, 1], MINUS_ZERO))),
        ("one dimension", matrix("i4", [5], ([3], 1), ([0], 2))),
        ("places beyond 4 bytes", matrix("i1", [1 << 33, 1 << 34], ([5_000_000_000, 1 << 33], 1))),
        ("whole numbers at one place", matrix("u1", [1, 1], ([0, 0], 200), ([0, 0], 100))),
        ("a sum that is zero", matrix("i1", [1, 2], ([0, 1], -128), ([0, 1], -128))),
        ("flags at one place", matrix("b1", [1, 1], ([0, 0], True), ([0, 0], True))),
        ("two doubles at one place", summed("f8", [double(0.1), double(0.2)])),
        ("the others are added first", summed("f8", [ONE, double(1e100), double(-1e100)])),
        *[
            (f"{count} doubles at one place", summed("f8", [*map(double, NUMBERS[:count])]))
            for count in (8, 9, 10, 20, 129, 130, 300)
        ],
        *[
            (f"{count} singles at one place", summed("f4", [*map(single, NUMBERS[:count])]))
            for count in (3, 9, 21, 150)
        ],
        *[
            (f"{count} complex numbers at one place", summed("c16", pairs[:count]))
            for count in (3, 4, 5, 6, 11, 65, 66, 150)
        ],
        (
            "two blocks of elements",
            {"dtype": "i2", "shape": [65_540, 65_537], "elements": {"diagonal": 7}},
        ),
    ]


def objects() -> list[Vector]:
    def described(module: Any, name: Any, content: Any, kind: str = "object") -> Any:
        return {"kind": kind, "object": [module, name, content]}

    state = {"dict": [["weights", {"list": [{"float": ONE}, {"float": TWO}]}]]}
    return [
        ("an object", described("shapes", "Length", {"int": 3})),
        ("a model", described("shapes", "Module", state, "model")),
        ("the same as an object", described("shapes", "Module", state)),
        ("a directory", described("shapes", "Folder", {"tuple": []}, "directory")),
        ("a class in a class", described("shapes", "Outer.Inner", None)),
        ("a name that was given", described("", "shapes.Length", {"int": 3})),
        ("another module", described("other", "Length", {"int": 3})),
        ("another content", described("shapes", "Length", {"tuple": [{"int": 3}]})),
        ("text as content", described("shapes", "Length", "3")),
        ("a name that is not ASCII", described("shäpes", "Längd", {"int": 3})),
        (
            "an object in an object",
            described("shapes", "Box", {"list": [{"object": ["shapes", "Length", {"int": 3}]}]}),
        ),
    ]


def footer(magic: bytes, content: bytes) -> str:
    return (content + struct.pack("<I", len(content)) + magic).hex()


PARQUET = b"PAR1".hex() + "00" * 30 + footer(b"PAR1", b"metadata")
ENCRYPTED = b"PARE".hex() + "00" * 30 + footer(b"PARE", b"metadata")
ARROW = b"ARROW1\0\0".hex() + "00" * 30 + footer(b"ARROW1", b"footer")
LYING = b"PAR1".hex() + "00" * 30 + struct.pack("<I", 5000).hex() + b"PAR1".hex()
TIME = 1_577_934_245_000_006_000


def versions() -> list[Vector]:
    def file(kind: str, content: Any, modified: int = TIME, uri: Any = "file:///data/a") -> Any:
        return {"uri": uri, "kind": kind, "evidence": {"file": content, "modified": modified}}

    def directory(kind: str, *entries: Any) -> Any:
        found = {"directory": [list(entry) for entry in entries]}
        return {"uri": "file:///data", "kind": kind, "evidence": found}

    def store(kind: str, **facts: str) -> Any:
        found = {"facts": [list(fact) for fact in facts.items()]}
        return {"uri": "s3://bucket/key", "kind": kind, "evidence": found}

    mixed = (
        ["b.parquet", "f", PARQUET, TIME],
        ["a/c.csv", "f", "61", TIME + 1_000],
        ["a-b.arrow", "f", ARROW, 0],
        ["to-nothing", "l", "gone"],
        ["z", "link", "b.parquet"],
        ["empty", "d"],
    )
    return [
        ("a file by status", file("status", {"bytes": "616263"})),
        ("another time", file("status", {"bytes": "616263"}, TIME + 1_000)),
        ("another content of the same size", file("status", {"bytes": "646566"})),
        ("before 1970", file("status", {"bytes": ""}, -1_000_000)),
        ("another place", file("status", {"bytes": "616263"}, uri="file:///data/%C3%A4")),
        ("a Parquet file by status", file("status", {"bytes": PARQUET})),
        ("a Parquet file by footer", file("footer", {"bytes": PARQUET})),
        ("an encrypted Parquet file by footer", file("footer", {"bytes": ENCRYPTED})),
        ("an Arrow file by footer", file("footer", {"bytes": ARROW})),
        (
            "the same footer, another time",
            file("footer", {"bytes": ARROW}, TIME + 1_000),
        ),
        ("a directory by footers", directory("footer", *mixed)),
        ("a directory by status", directory("status", *mixed)),
        (
            "files without a footer, by footers",
            directory(
                "footer",
                ["lying", "f", LYING, TIME],
                ["short", "f", footer(b"PAR1", b""), TIME],
                ["end", "f", "00" * 30 + footer(b"PAR1", b"metadata"), TIME],
                ["two magics", "f", b"PAR1".hex() + "00" * 30 + footer(b"PARE", b""), TIME],
            ),
        ),
        ("an empty directory", directory("status")),
        ("an ETag", store("version", etag='"0f"')),
        ("an ETag and a version", store("version", versionid="7", etag='"0f"')),
        ("a generation", store("version", generation="1577934245000006")),
        ("size and time from a store", store("status", mtime="1577934245.5", size="3")),
        ("facts that are not ASCII", store("version", etag='"ä🙂"')),
    ]


SUBJECTS = {
    "sparse": ("Sparse matrices", "sparse", sparse),
    "objects": ("Described objects", "described", objects),
    "versions": ("Versions of a place", "version", versions),
}

"""NumPy arrays: type, shape and elements, whatever the strides are."""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np

from zoo.cases import Groups, agree, case, differ, parameters, place
from zoo.peers import objects


@case()
def every_type_of_numpy() -> Groups:
    """One and two of every type of element."""
    kinds = "i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16 S1 S2 U1 U2 O".split()
    kinds += [f"{kind}8[{unit}]" for kind in "mM" for unit in ("D", "s", "ms", "us", "ns", "2s")]
    arrays = [np.array([1, 2]).astype(kind) for kind in kinds]
    return {kind: [array] for kind, array in zip(kinds, arrays, strict=True)} | {
        "bool": [np.array([True, True])],
        "void": [np.array([1, 2], "u1").view("V1")],
        "decimal": [objects(decimal.Decimal(1), decimal.Decimal(2))],
    }


@case()
def no_elements_of_many_shapes() -> Groups:
    """Without elements there is still a shape and a type."""
    shapes = [(0,), (0, 3), (3, 0), (0, 0), (1, 0), (0, 1), (2, 0, 3)]
    return {
        **{str(s): [np.zeros(s), np.asfortranarray(np.zeros(s))] for s in shapes},
        "int": [np.zeros(0, "i8")],
        "float32": [np.zeros(0, "f4")],
    }


@case()
def one_element_of_many_shapes() -> Groups:
    """A number, a vector of one, a matrix of one, and a scalar of NumPy in its own right."""
    return {
        **{f"{n} dimensions": [np.full((1,) * n, 7.5)] for n in range(5)},
        **parameters(7.5, [7.5], (7.5,)),
    }


@case()
def transposed_arrays() -> Groups:
    """A transposed array is another; one of other strides is not."""
    cube = np.arange(24).reshape(2, 3, 4)
    axes = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    return {
        str(a): [cube.transpose(a), cube.transpose(a).copy(), np.asfortranarray(cube.transpose(a))]
        for a in axes
    }


@case()
def views_of_a_big_array() -> Groups:
    """Steps, flips, broadcasts and parts of more elements than are read at once."""
    big = np.arange(210_003.0).reshape(3, 70_001)
    views = [big, big[::-1], big[:, ::-1], big.T, big[1], big[:, 7:60_007:3], big[:, :1]]
    wide = np.broadcast_to(np.arange(3.0), (70_000, 3))
    return {
        **{str(i): [view, view.copy(), np.asfortranarray(view)] for i, view in enumerate(views)},
        "broadcast": [wide, wide.copy(), np.tile(np.arange(3.0), (70_000, 1))],
    }


@case()
def one_element_changed() -> Groups:
    """At the ends, and where one piece ends and the next begins."""
    arrays = [np.zeros(140_000, "i4")]
    for row in (0, 65_535, 65_536, 131_071, 131_072, 139_999):
        arrays.append(arrays[0].copy())
        arrays[-1][row] = 1
    return differ(*arrays)


@case()
def records() -> Groups:
    """Names, types and order of fields are content; padding is storage."""
    packed = np.array([(1, 2.0), (3, 4.0)], [("a", "i2"), ("b", "f8")])
    padded = packed.astype(np.dtype([("a", "i2"), ("b", "f8")], align=True))
    swapped = np.array([(2.0, 1), (4.0, 3)], [("b", "f8"), ("a", "i2")])
    nested = np.array([((1, 2.0),), ((3, 4.0),)], [("r", [("a", "i2"), ("b", "f8")])])
    return {
        "packed": [packed, padded, packed.astype(packed.dtype.newbyteorder(">"))],
        "renamed": [packed.astype([("a", "i2"), ("c", "f8")])],
        "boundary": [packed.astype([("ab", "i2"), ("c", "f8")])],
        "wider": [packed.astype([("a", "i4"), ("b", "f8")])],
        "swapped": [swapped],
        "nested": [nested],
        "with a shape": [np.array([([1, 2],), ([3, 4],)], [("a", "i2", (2,))])],
        "two fields": [np.array([(1, 2), (3, 4)], [("a", "i2"), ("b", "i2")])],
    }


@case()
def masks() -> Groups:
    """What is under a mask is not content; the mask is."""

    def masked(values: list[int], mask: Any) -> Any:
        return np.ma.array(np.array(values, "i8"), mask=mask)

    return {
        "middle": [masked([1, 2, 3], [0, 1, 0]), masked([1, 9, 3], [0, 1, 0])],
        "first": [masked([1, 2, 3], [1, 0, 0])],
        "none": [masked([1, 2, 3], False), masked([1, 2, 3], [0, 0, 0])],
        "plain": [np.array([1, 2, 3], "i8")],
        "zero": [np.array([1, 0, 3], "i8")],
        "zero, none masked": [masked([1, 0, 3], False)],
    }


@case()
def strings_of_fixed_width() -> Groups:
    """The width of strings is their type; a NUL at the end is padding."""
    return {
        "S2": [np.array([b"a", b"bc"]), np.array([b"a\0", b"bc"])],
        "S3": [np.array([b"a", b"bc"], "S3")],
        "U2": [np.array(["a", "bc"]), np.array(["a", "bc"], ">U2")],
        "U3": [np.array(["a", "bc"], "U3")],
        "moved": [np.array([b"ab", b"c"])],
        "objects": [objects("a", "bc")],
        "bytes": [objects(b"a", b"bc")],
    }


@case(needs={"numpy": 2})
def strings_of_variable_width() -> Groups:
    """NumPy's StringDType: text by value."""
    make = np.dtypes.StringDType()
    return differ(
        *(np.array(words, make) for words in (["ab", "c"], ["a", "bc"], ["abc", ""], ["", "abc"]))
    )


@case()
def objects_in_arrays() -> Groups:
    """Elements that are objects count by what they are, one by one."""
    rows = [
        (1, None), (1.0, None), ("1", None), (True, None), (b"1", None), (None, 1), ([1], None),
        ((1,), None), ({1}, None), ({"1": 1}, None), (float("nan"), None), (np.array([1]), None),
    ]  # fmt: skip
    return differ(*(objects(*row) for row in rows), objects(1, None, None), objects([1, None]))


@case()
def times_without_a_time() -> Groups:
    """NaT is a value of its type, and no zero."""
    return differ(*(np.array([x, 1], f"{kind}8[s]") for kind in "mM" for x in ("NaT", 0, -1)))


@case()
def one_matrix_of_several_classes() -> Groups:
    """A memory map, a matrix and a record array are the arrays they are."""
    path = place() / "matrix.npy"
    plain = np.arange(6.0).reshape(2, 3) + 600
    np.save(path, plain)
    return agree(plain, np.load(path), np.load(path, mmap_mode="r"), plain.view(np.matrix))

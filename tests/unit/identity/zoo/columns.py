"""Columns of Arrow: types, nulls, floats, text, names, nesting."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from zoo.cases import Groups, agree, case, differ

D = decimal.Decimal


def table(cells: list[Any], type_: Any = None, name: str = "c") -> pa.Table:
    return pa.table({name: pa.array(cells, type_)})


def bits(numbers: list[int | None], type_: pa.DataType) -> pa.Array:
    """Times of plain numbers."""
    width = pa.int32() if type_.bit_width == 32 else pa.int64()
    return pa.array(numbers, width).view(type_)


# --- types ----------------------------------------------------------------------------------------

INTEGERS = "int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()
FLOATS = "float16 float32 float64".split()


def _types_of_one() -> dict[str, pa.Array]:
    """One and two, of every type."""
    arrays: dict[str, Any] = {name: pa.array([1, 2], getattr(pa, name)()) for name in INTEGERS}
    for name in FLOATS:
        arrays[name] = pa.array(np.array([1, 2], name))
    for unit in ("ms", "us", "ns"):
        for zone in (None, "UTC", "Europe/Paris", "+01:00"):
            arrays[f"timestamp {unit} {zone}"] = bits([1, 2], pa.timestamp(unit, zone))
    for unit in ("s", "ms", "us", "ns"):
        arrays[f"duration {unit}"] = bits([1, 2], pa.duration(unit))
    for precision, scale in ((5, 0), (6, 0), (6, 1), (40, 0)):
        make = pa.decimal128 if precision <= 38 else pa.decimal256
        arrays[f"decimal {precision},{scale}"] = pa.array([D(1), D(2)], make(precision, scale))
    return arrays | {
        "bool": pa.array([True, True]),
        "text": pa.array(["1", "2"]),
        "bytes": pa.array([b"1", b"2"]),
        "fixed bytes": pa.array([b"1", b"2"], pa.binary(1)),
        "date": bits([1, 2], pa.date32()),
        "time ms": bits([1, 2], pa.time32("ms")),
        "time us": bits([1, 2], pa.time64("us")),
        "time ns": bits([1, 2], pa.time64("ns")),
        "interval": pa.array([(0, 1, 0), (0, 2, 0)], pa.month_day_nano_interval()),
        "list": pa.array([[1], [2]]),
        "list of int8": pa.array([[1], [2]], pa.list_(pa.int8())),
        "fixed list": pa.array([[1], [2]], pa.list_(pa.int64(), 1)),
        "list of lists": pa.array([[[1]], [[2]]]),
        "list of fixed lists": pa.array([[[1]], [[2]]], pa.list_(pa.list_(pa.int64(), 1))),
        "struct a": pa.array([{"a": 1}, {"a": 2}]),
        "struct b": pa.array([{"b": 1}, {"b": 2}]),
        "struct of struct": pa.array([{"a": {"a": 1}}, {"a": {"a": 2}}]),
        "map": pa.array([[("a", 1)], [("a", 2)]], pa.map_(pa.string(), pa.int64())),
        "map of binary": pa.array([[(b"a", 1)], [(b"a", 2)]], pa.map_(pa.binary(), pa.int64())),
        "list of structs": pa.array([[{"key": "a", "value": 1}], [{"key": "a", "value": 2}]]),
    }


@case()
def every_type_on_the_same_numbers() -> Groups:
    """A type is content: 1 of one type is not 1 of another."""
    return {name: [pa.table({"t": array})] for name, array in _types_of_one().items()}


@case()
def every_type_without_rows() -> Groups:
    """A column without rows still has a type."""
    return {name: [pa.table({"t": a.slice(0, 0)})] for name, a in _types_of_one().items()}


@case()
def every_type_with_nulls_only() -> Groups:
    """So has a column of nothing but nulls."""
    groups = {name: [pa.table({"t": pa.nulls(2, a.type)})] for name, a in _types_of_one().items()}
    return groups | {"null": [pa.table({"t": pa.nulls(2)})]}


@case()
def every_type_inside_a_list() -> Groups:
    """And the child of a list, with no list in it."""
    return {
        name: [pa.table({"t": pa.array([[], None], pa.list_(a.type))})]
        for name, a in _types_of_one().items()
    }


@case()
def numbers_that_fill_several_widths() -> Groups:
    """The same bytes cut in other widths."""
    data = pa.py_buffer(bytes(range(16)))
    widths = {"int8": 16, "int16": 8, "int32": 4, "int64": 2, "uint64": 2, "float64": 2}
    return differ(
        *(
            pa.table({"w": pa.Array.from_buffers(getattr(pa, name)(), rows, [None, data])})
            for name, rows in widths.items()
        ),
        pa.table({"w": pa.Array.from_buffers(pa.decimal128(38, 0), 1, [None, data])}),
        pa.table({"w": pa.Array.from_buffers(pa.binary(16), 1, [None, data])}),
        pa.table({"w": pa.Array.from_buffers(pa.binary(8), 2, [None, data])}),
    )


@case()
def seconds_and_milliseconds() -> Groups:
    """Parquet has no seconds, and makes milliseconds of them; durations keep theirs."""
    return {
        "timestamp": [
            bits([1, None], pa.timestamp("s")), bits([1000, None], pa.timestamp("ms")),
        ],
        "time": [bits([1, None], pa.time32("s")), bits([1000, None], pa.time32("ms"))],
        "duration s": [bits([1, None], pa.duration("s"))],
        "duration ms": [bits([1000, None], pa.duration("ms"))],
        "timestamp us": [bits([1_000_000, None], pa.timestamp("us"))],
        "one of ms": [bits([1, None], pa.timestamp("ms"))],
    }  # fmt: skip


@case()
def days_in_two_widths() -> Groups:
    """date64 is date32 in another width, and no timestamp."""
    day = 86_400_000
    return {
        "date": [bits([2, None, -1], pa.date32()), bits([2 * day, None, -day], pa.date64())],
        "another": [bits([2, None, 1], pa.date32()), bits([2 * day, None, day], pa.date64())],
        "timestamp": [bits([2 * day, None, -day], pa.timestamp("ms"))],
    }


@case()
def names_of_utc() -> Groups:
    """UTC has many names; places that keep its time now have had other times."""

    def at(zone: str | None) -> pa.Table:
        return pa.table({"z": bits([7, None], pa.timestamp("us", zone))})

    utc = ["UTC", "Etc/UTC", "+00:00", "-00:00", "Z", "Zulu", "UCT", "Etc/UCT", "Universal"]
    others = [None, "GMT", "Europe/London", "Africa/Abidjan", "+01:00", "-01:00", "utc+1"]
    return {"UTC": [at(zone) for zone in utc]} | {str(zone): [at(zone)] for zone in others}


@case(needs={"pyarrow": 19})
def decimals_in_every_width() -> Groups:
    """How many bits a decimal is kept in is storage; its digits and scale are not."""
    cells = [D(1), None, D(-25)]
    kinds = [pa.decimal32, pa.decimal64, pa.decimal128, pa.decimal256]
    return {
        f"{p},{s}": [pa.array(cells, make(p, s)) for make in kinds]
        for p, s in ((5, 2), (6, 2), (5, 1), (9, 0))
    }


@case()
def decimals_and_their_scale() -> Groups:
    """1.0 of scale 1 has the digits of 10 of scale 0."""
    return differ(
        *(
            pa.table({"d": pa.array([D(n)], pa.decimal128(p, s))})
            for n, p, s in (("1.0", 4, 1), ("10", 4, 0), ("1", 4, 0), ("0.10", 4, 2), ("0.1", 4, 1))
        )
    )


@case()
def the_least_and_the_most() -> Groups:
    """The ends of each range, and their neighbours in the other sign."""
    tables = []
    for width in (8, 16, 32, 64):
        for kind, low, high in (
            ("int", -(1 << (width - 1)), (1 << (width - 1)) - 1), ("uint", 0, (1 << width) - 1),
        ):  # fmt: skip
            type_ = getattr(pa, f"{kind}{width}")()
            tables += [table([low], type_), table([high], type_), table([high - 1], type_)]
    return differ(*tables)


# --- nulls and floats -----------------------------------------------------------------------------


@case()
def nothing_of_many_kinds() -> Groups:
    """Null is no value: no NaN, no zero, no False, no empty text and no empty list."""
    nan = float("nan")
    return differ(
        *(table([x, 1.5]) for x in (None, nan, 0.0, -0.0, float("inf"), -float("inf"))),
        *(table([x, "k"]) for x in (None, "", "None", "nan", "NaN", "null", "NA", " ", "\0")),
        *(table([x, b"k"]) for x in (None, b"", b"\0", b" ")),
        *(table([x, True]) for x in (None, False, True)),
        *(table([x, 7], pa.int64()) for x in (None, 0, -1)),
        *(table([x, [1]], pa.list_(pa.int64())) for x in (None, [], [None], [0], [None, None])),
        *(table([x], pa.struct([("a", pa.int64())])) for x in (None, {"a": None}, {"a": 0})),
        *(
            table([x], pa.map_(pa.string(), pa.int64()))
            for x in (None, [], [("", None)], [("", 0)], [("", None), ("", None)])
        ),
        *(table([x, [1, 2]], pa.list_(pa.int64(), 2)) for x in (None, [None, None], [0, 0])),
    )


@case()
def where_the_null_is() -> Groups:
    """The bitmap is content, and bits after its end are not."""
    cells = [[1 if j != i else None for j in range(9)] for i in range(9)]
    return differ(*(table(row, pa.int64()) for row in cells), table([1] * 9, pa.int64()))


@case()
def how_many_nulls() -> Groups:
    """Columns of nothing but nulls differ by their number."""
    return differ(*(pa.table({"n": pa.nulls(n, pa.int16())}) for n in (1, 2, 3, 8, 9, 65_536)))


@case()
def what_lies_under_a_null() -> Groups:
    """The bytes under a null are whatever was there before."""
    mask = np.array([False, True, False])
    groups = {}
    for name, one, other in (
        ("ints", np.array([1, 2, 3]), np.array([1, 9, 3])),
        ("floats", np.array([1.0, 2.0, 3.0]), np.array([1.0, np.nan, 3.0])),
        ("bools", np.array([True, True, False]), np.array([True, False, False])),
        ("times", np.array([1, 2, 3], "M8[us]"), np.array([1, 5, 3], "M8[us]")),
    ):
        groups[name] = [pa.array(one, mask=mask), pa.array(other, mask=mask)]
    validity = pa.array([True, False, True]).buffers()[1]
    for type_ in (pa.string(), pa.binary()):
        groups[str(type_)] = [
            pa.Array.from_buffers(type_, 3, [validity, pa.array(o, pa.int32()).buffers()[1], b])
            for o, b in (
                ([0, 1, 3, 4], pa.py_buffer(b"axxb")),
                ([0, 1, 1, 2], pa.py_buffer(b"ab")),
                ([2, 3, 3, 4], pa.py_buffer(b"qqab")),
            )
        ]
    lists = pa.list_(pa.int64())
    groups["lists"] = [
        pa.Array.from_buffers(
            lists, 3, [validity, pa.array(o, pa.int32()).buffers()[1]], children=[pa.array(v)]
        )
        for o, v in (([0, 1, 3, 4], [1, 9, 9, 2]), ([0, 1, 1, 2], [1, 2]))
    ]
    groups["structs"] = [
        pa.Array.from_buffers(pa.struct([("a", pa.int64())]), 3, [validity], children=[pa.array(v)])
        for v in ([4, 5, 6], [4, 9, 6], [4, None, 6])
    ]
    groups["fixed lists"] = [
        pa.Array.from_buffers(pa.list_(pa.int64(), 2), 3, [validity], children=[pa.array(v)])
        for v in ([4, 5, 6, 7, 8, 9], [4, 5, 0, None, 8, 9])
    ]
    return groups


@case()
def nans_of_many_bits() -> Groups:
    """Every NaN is the quiet one; infinities and the largest numbers are not NaN."""
    groups: dict[str, list[Any]] = {}
    for float_, int_, quiet, step in (("f2", "u2", 0x7E00, 1), ("f4", "u4", 0x7FC00000, 1),
                                      ("f8", "u8", 0x7FF8 << 48, 1)):  # fmt: skip
        sign = 1 << (8 * int(float_[1]) - 1)
        patterns = [quiet, quiet + step, quiet | sign, (quiet | sign) + 7]
        arrays = [np.array([p, 0], int_).view(float_) for p in patterns]
        groups[float_] = [pa.array(a) for a in arrays]
        groups[f"{float_} infinity"] = [pa.array(np.array([np.inf, 0], float_))]
        groups[f"{float_} most"] = [pa.array(np.array([np.finfo(float_).max, 0], float_))]
    return groups


@case()
def floats_that_print_alike() -> Groups:
    """Neighbours, subnormals, and what a float32 makes of a decimal fraction."""
    return differ(
        *(table([x]) for x in (0.1, float(np.nextafter(0.1, 1)), 0.1 + 2**-54, 5e-324, 1e-323)),
        table([float(np.float32(0.1))]),
        table([0.1], pa.float32()),
    )


# --- text -----------------------------------------------------------------------------------------


@case()
def boundaries_between_cells() -> Groups:
    """Where one string ends and the next begins is content."""
    moved = [["ab", "c"], ["a", "bc"], ["abc", ""], ["", "abc"]]
    in_all = {
        repr(cells): [
            table(cells, name="t"),
            pd.DataFrame({"t": cells}),
            pl.DataFrame({"t": cells}),
            pd.DataFrame({"t": pd.Series(cells, dtype=object)}),
        ]
        for cells in moved
    }
    return in_all | differ(
        *(table([c.encode() for c in cells], name="t") for cells in moved),
        *(table([[*a], [*b]], pa.list_(pa.string()), "t") for a, b in moved),
        table(["a", "b", "c"], name="t"),
        table(["abc"], name="t"),
        table([["ab", "c"]], name="t"),
        table([["a", "bc"]], name="t"),
    )


@case()
def strings_that_look_alike() -> Groups:
    """Text is its code points: no normal form, no case, no trimming, no byte order mark."""
    words = ["é", "e\u0301", "É", " é", "é ", "é\0", "\0é", "\ufeffé", "é\u200b", "ｅ", "e", "е"]
    return differ(*(table([word], name="u") for word in words))


@case()
def numbers_in_text() -> Groups:
    """`1`, `"1"`, `"1.0"`, `b"1"`, 1.0, True and 1 as a decimal."""
    cells = [1, "1", "1.0", b"1", 1.0, True, D(1), "01", "1 ", "+1", dt.date(1970, 1, 2)]
    return differ(*(table([cell], name="one") for cell in cells))


@case()
def lengths_in_every_width() -> Groups:
    """Lengths are written in the fewest bytes: 255 in one, 256 in two, 65,536 in four."""
    return differ(
        *(table(["x" * n, "y"], name="long") for n in (254, 255, 256, 257, 65_535, 65_536, 65_537))
    )


@case()
def a_length_that_could_be_text() -> Groups:
    """The bytes of the lengths, moved into the text."""
    return differ(
        table(["a", "b\x01\x01"], name="b"), table(["a", "b"], name="b"),
        table(["ab\x01", "\x01"], name="b"), table(["ab\x01\x01\x01"], name="b"),
    )  # fmt: skip


# --- names ----------------------------------------------------------------------------------------


@case()
def boundaries_between_names() -> Groups:
    """Names have lengths: no delimiter that could be in a name."""
    lists = [
        ["ab", "c"],
        ["a", "bc"],
        ["abc", ""],
        ["", "abc"],
        ["abc"],
        ["a", "b", "c"],
        ["a,b", "c"],
    ]
    return differ(*(pa.Table.from_arrays([pa.array([31])] * len(n), n) for n in lists))


@case()
def boundaries_between_names_of_fields() -> Groups:
    """A name of a field that pretends to be two fields."""
    lists = [
        ["ab", "c"],
        ["a", "bc"],
        ["1:a=int64;1:b", "c"],
        ["c", "ab"],
        ["abc"],
        ["a", "b", "c"],
    ]
    return differ(
        *(pa.table({"s": pa.StructArray.from_arrays([pa.array([32])] * len(n), n)}) for n in lists)
    )


@case()
def names_that_look_alike() -> Groups:
    """A name is its code points too."""
    names = ["a", "A", "a ", " a", "á", "a\u0301", "", "0", "None", "a\0", "ä", "\U0001f600", "a.b"]
    return differ(*(table([33], name=name) for name in names))


@case()
def two_columns_of_one_name() -> Groups:
    """Equal names are allowed, and then only the place tells the columns apart."""
    one, two = pa.array([34]), pa.array([35])
    return differ(
        pa.Table.from_arrays([one, two], ["d", "d"]), pa.Table.from_arrays([two, one], ["d", "d"]),
        pa.Table.from_arrays([one, one], ["d", "d"]), pa.Table.from_arrays([one], ["d"]),
    )  # fmt: skip


@case()
def values_moved_between_columns() -> Groups:
    """The same bytes, row by row or column by column."""
    return differ(
        pa.table({"a": [1, 2], "b": [3, 4]}), pa.table({"a": [1, 3], "b": [2, 4]}),
        pa.table({"a": [3, 4], "b": [1, 2]}), pa.table({"b": [3, 4], "a": [1, 2]}),
        pa.table({"a": [1, 2, 3, 4]}), pa.table({"a": [[1, 2], [3, 4]]}),
    )  # fmt: skip


@case()
def tables_of_nothing() -> Groups:
    """No rows, no columns, and both."""
    return differ(
        pa.table({}), pa.table({"a": pa.array([], pa.int64())}), pa.table({"b": pa.array([],
        pa.int64())}),
        pa.table({"a": pa.array([], pa.float64())}), pa.table({"a": pa.array([], pa.null())}),
        pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.int64())}),
    )  # fmt: skip


# --- nesting --------------------------------------------------------------------------------------


@case()
def brackets_moved() -> Groups:
    """The same numbers in other lists."""
    shapes: list[Any] = [
        [[[1], [2]], [[3]]], [[[1, 2]], [[3]]], [[[1]], [[2], [3]]], [[[1], [2], [3]], []],
        [[[1], [2], []], [[3]]], [[[], [1], [2]], [[3]]], [[[1], [2]], [[3], None]],
    ]  # fmt: skip
    type_ = pa.list_(pa.list_(pa.int64()))
    return differ(*(table(cells, type_, "l") for cells in shapes))


@case()
def levels_of_nothing() -> Groups:
    """Null, empty, and a null inside, at each level."""
    type_ = pa.list_(pa.list_(pa.int8()))
    cells: list[Any] = [None, [], [None], [[]], [[None]], [None, None], [[], []], [[None], None]]
    return differ(*(table([cell], type_, "n") for cell in cells))


@case()
def structs_and_their_parts() -> Groups:
    """A struct is no pair of columns, and the order of its fields is content."""
    a, b = pa.array([41, None]), pa.array([42, 43])
    return differ(
        pa.table({"s": pa.StructArray.from_arrays([a, b], ["a", "b"])}),
        pa.table({"s": pa.StructArray.from_arrays([b, a], ["b", "a"])}),
        pa.table({"s": pa.StructArray.from_arrays([b, a], ["a", "b"])}),
        pa.table({"a": a, "b": b}),
        pa.table({"s.a": a, "s.b": b}),
        pa.table({"s": pa.StructArray.from_arrays([a], ["a"])}),
    )


@case()
def maps_and_their_order() -> Groups:
    """A map is a list of entries: order and repeated keys are content; it is no list of structs."""
    type_ = pa.map_(pa.string(), pa.int64())
    entries = [[("a", 1), ("b", 2)], [("b", 2), ("a", 1)], [("a", 1), ("a", 1)], [("a", 1)]]
    structs = [[{"key": k, "value": v} for k, v in e] for e in entries]
    return differ(
        *(table([e], type_, "m") for e in entries), *(table([s], name="m") for s in structs)
    )


@case()
def names_inside_lists_and_maps() -> Groups:
    """What the child of a list or the entries of a map are called is storage."""
    key = pa.field("k", pa.string(), nullable=False)
    return {
        "list": [
            table([[51]], pa.list_(pa.field(name, pa.int64()))) for name in ("item", "element", "")
        ],
        "map": [
            table([[("a", 51)]], pa.map_(pa.string(), pa.int64())),
            table([[("a", 51)]], pa.map_(key, pa.field("v", pa.int64()))),
            table([[("a", 51)]], pa.map_(pa.string(), pa.int64(), keys_sorted=True)),
        ],
    }


@case()
def a_field_of_nulls() -> Groups:
    """A struct of which all fields are null is not null."""
    type_ = pa.struct([("a", pa.int64()), ("b", pa.string())])
    return differ(
        table([None, {"a": 1}], type_), table([{}, {"a": 1}], type_),
        table([{"b": ""}, {"a": 1}], type_), table([{"a": 0}, {"a": 1}], type_),
    )  # fmt: skip


# --- storage --------------------------------------------------------------------------------------


@case()
def layouts_of_text() -> Groups:
    """Wide, dictionary-encoded, run-end encoded, chunked, sliced: the same text."""
    cells = ["a", None, "", "bcd", "a", "a"]
    plain = pa.array(cells)
    padded = pa.array(["zz", *cells, None])
    return agree(
        pa.table({"x": plain}),
        pa.table({"x": plain.cast(pa.large_string())}),
        pa.table({"x": plain.dictionary_encode()}),
        pa.table(
            {"x": plain.dictionary_encode().cast(pa.dictionary(pa.int16(), pa.large_string()))}
        ),
        pa.table({"x": pc.run_end_encode(plain)}),
        pa.table({"x": pa.chunked_array([plain[:1], plain[1:1], plain[1:]])}),
        pa.table({"x": padded[1:-1]}),
        pa.table({"x": padded}).slice(1, 6),
        pa.RecordBatch.from_arrays([plain], ["x"]),
    )


@case(needs={"pyarrow": 18})
def views_of_text_and_lists() -> Groups:
    """A view of text or of a list is the text or the list."""
    texts, lists = ["a", None, "a string that is too long to be inlined"], [[1, 2], None, [], [3]]
    return {
        "string": [pa.array(texts), pa.array(texts, pa.string_view())],
        "binary": [
            pa.array([t and t.encode() for t in texts], type_)
            for type_ in (pa.binary(), pa.large_binary(), pa.binary_view())
        ],
        "list": [
            pa.array(lists, make(pa.int64()))
            for make in (pa.list_, pa.large_list, pa.list_view, pa.large_list_view)
        ],
    }


@case()
def dictionaries_in_any_order() -> Groups:
    """A dictionary may be in any order, hold what nothing uses, one value twice, or null."""

    def encoded(indices: list[int | None], values: list[Any]) -> pa.Table:
        array = pa.DictionaryArray.from_arrays(pa.array(indices, pa.int8()), pa.array(values))
        return pa.table({"k": array})

    return agree(
        pa.table({"k": ["p", "q", None, "p"]}),
        encoded([0, 1, None, 0], ["p", "q"]),
        encoded([1, 0, None, 1], ["q", "p"]),
        encoded([2, 0, None, 2], ["q", "unused", "p"]),
        encoded([0, 1, None, 2], ["p", "q", "p"]),
        encoded([0, 1, 2, 0], ["p", "q", None]),
    )


@case()
def nullability_and_metadata() -> Groups:
    """Whether a field may be null, and notes on fields and schemas, are no content."""
    schemas = [
        pa.schema([pa.field("m", pa.int64())]),
        pa.schema([pa.field("m", pa.int64(), metadata={"k": "v"})], metadata={"m": "n"}),
        pa.schema([pa.field("m", pa.int64(), nullable=False)]),
    ]
    return agree(*(pa.table({"m": [61, 62]}, schema=schema) for schema in schemas))


@case()
def blocks_of_rows() -> Groups:
    """Blocks are counted from the first row, whatever the chunks are."""
    groups: dict[str, list[Any]] = {}
    for rows in (65_535, 65_536, 65_537, 131_072, 131_073):
        numbers = pa.table({"r": np.arange(rows)})
        chunks = [numbers.slice(i, 10_007) for i in range(0, rows, 10_007)]
        groups[str(rows)] = [numbers, pa.concat_tables(chunks), numbers.combine_chunks()]
    changed = np.arange(131_073)
    changed[65_536] = -1
    return groups | {"changed": [pa.table({"r": changed})]}


@case()
def blocks_swapped() -> Groups:
    """The order of blocks of equal length."""
    first, second = np.zeros(65_536), np.ones(65_536)
    return differ(
        *(
            pa.table({"x": np.concatenate(p)})
            for p in ([first, second], [second, first], [first, first])
        )
    )


@case()
def bits_of_bools() -> Groups:
    """Bits after the end of a bitmap, and where in a byte it begins, are storage."""
    flags = [True, False, True, True, False, True, False]
    rest = [False, True, True]
    return {
        "flags": [
            pa.array(flags),
            pa.array(rest + flags + rest)[3:10],
            pa.array([*flags, True])[:7],
        ],
        "others": [pa.array([*flags[:-1], True])],
        "longer": [pa.array([*flags, False])],
    }


@case()
def extension_types_and_their_storage() -> Groups:
    """An extension type is not its storage, and its parameters are content."""
    groups: dict[str, list[Any]] = {"storage": [pa.table({"p": pa.array([71, 72], pa.int64())})]}
    for freq in ("D", "M"):
        periods = [pd.Period(ordinal=i, freq=freq) for i in (71, 72)]
        frame = pd.DataFrame({"p": pd.array(periods)})
        arrow = pa.Table.from_pandas(frame)
        type_ = arrow.schema.field(0).type
        unregistered = pa.field(
            "p",
            type_.storage_type,
            metadata={
                "ARROW:extension:name": type_.extension_name,
                "ARROW:extension:metadata": type_.__arrow_ext_serialize__(),
            },
        )
        storage = pa.Table.from_arrays(
            [arrow["p"].chunk(0).storage], schema=pa.schema([unregistered])
        )
        groups[freq] = [frame, arrow, storage]
    return groups

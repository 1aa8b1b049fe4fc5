"""The data of the vectors of tables. Run by make.py; what it wrote is what counts."""

from __future__ import annotations

from typing import Any

Vector = tuple[str, Any]


def table(*columns: Any, rows: int | None = None) -> Any:
    """Columns are (name, type or list of types, values or formula)."""
    made = []
    for name, types, values in columns:
        types = types if isinstance(types, list) else [types]
        key = "formula" if isinstance(values, dict) else "values"
        made.append({"name": name, "types": types, key: values})
        rows = len(values) if rows is None and key == "values" else rows
    return {"rows": rows or 0, "columns": made}


def one(types: Any, values: Any) -> Any:
    return table(("c", types, values))


def wrapped(t: Any) -> list[Any]:
    """A type, and those that store it in another way."""
    return [t, {"type": "dictionary", "values": t}, {"type": "run_end_encoded", "values": t}]


def decimal(bits: int, precision: int, scale: int) -> Any:
    return {"type": f"decimal{bits}", "precision": precision, "scale": scale}


def unit(name: str, unit: str) -> Any:
    return {"type": name, "unit": unit}


def timestamp(unit: str, zone: str | None = None) -> Any:
    return {"type": "timestamp", "unit": unit, "zone": zone}


def lists(child: Any) -> list[Any]:
    names = ("list", "large_list", "list_view", "large_list_view")
    return [{"type": name, "child": child} for name in names]


def fixed_list(size: int, child: Any) -> Any:
    return {"type": "fixed_size_list", "size": size, "child": child}


def struct(**fields: Any) -> Any:
    return {"type": "struct", "fields": [list(field) for field in fields.items()]}


def map_(key: Any, item: Any) -> Any:
    return {"type": "map", "key": key, "item": item}


def extension(name: str, parameters: bytes, storage: Any) -> Any:
    return {"type": "extension", "name": name, "parameters": parameters.hex(), "storage": storage}


def formula(kind: str, factor: int, modulo: int, nulls: int = 0) -> Any:
    return {"kind": kind, "factor": factor, "modulo": modulo, "nulls": nulls}


def numbers() -> list[Vector]:
    found: list[Vector] = []
    for bits in (8, 16, 32, 64):
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        found.append((f"int{bits}", one(wrapped(f"int{bits}"), [0, 1, -1, low, high])))
        found.append((f"int{bits} with nulls", one(wrapped(f"int{bits}"), [None, 1, None, -2])))
        high = (1 << bits) - 1
        found.append((f"uint{bits}", one(wrapped(f"uint{bits}"), [0, 1, high])))
        found.append((f"uint{bits} with nulls", one(wrapped(f"uint{bits}"), [high, None])))
    found.append(("bool", one("bool", [True, False, True, True])))
    found.append(("bool with nulls", one("bool", [None, False, True, None])))
    nine = [i % 3 == 0 for i in range(9)]
    found.append(("bool, nine rows", one("bool", nine)))
    found.append(("nulls in the ninth row", one("int8", [*range(8), None, 9, 10])))
    return found


def floats() -> list[Vector]:
    found: list[Vector] = []
    for name, sign, infinity, nans, some in (
        ("float16", "8000", "7c00", ("7e00", "fe00", "7c01", "7fff"), ("3c00", "0001", "7bff")),
        (
            "float32",
            "80000000",
            "7f800000",
            ("7fc00000", "ffc00000", "7f800001", "7fedcba9"),
            ("3f800000", "00000001", "7f7fffff"),
        ),
        (
            "float64",
            "8000000000000000",
            "7ff0000000000000",
            ("7ff8000000000000", "fff8000000000000", "7ff0000000000001", "7ffedcba98765432"),
            ("3ff0000000000000", "0000000000000001", "7fefffffffffffff"),
        ),
    ):
        zero, negative = "0" * len(sign), f"{int(infinity, 16) | int(sign, 16):x}"
        found += [
            (name, one(wrapped(name), [*some, infinity, negative])),
            (f"{name}, 0.0 and -0.0", one(name, [zero, sign])),
            (f"{name}, every NaN is one", one(name, list(nans))),
            (f"{name}, NaN beside null", one(name, [nans[3], None, zero])),
        ]
    for name, half in (("complex64", 8), ("complex128", 16)):
        number = {8: "3f800000", 16: "3ff0000000000000"}[half]
        nan = {8: "7fc00000", 16: "7ff8000000000000"}[half]
        zero = "0" * half
        found.append((name, one(name, [[number, zero], [zero, number]])))
        found.append((f"{name}, NaN is null", one(name, [[number, nan], [number, zero]])))
    return found


def strings() -> list[Vector]:
    text = ["string", "large_string", "string_view"]
    binary = ["binary", "large_binary", "binary_view"]
    text = [*text, *wrapped("string")[1:]]
    binary = [*binary, *wrapped("binary")[1:]]
    return [
        ("string", one(text, ["a", "", "bc"])),
        ("string with nulls", one(text, [None, "a", None, ""])),
        ("string, empty ones only", one(text, ["", ""])),
        ("string, empty beside null", one(text, ["", None])),
        ("string, boundaries moved", one(text, ["ab", "c"])),
        ("string, of more than one byte", one(text, ["ä", "日本", "🙂", "e\u0301", "\0", "a\0"])),
        ("string of 255 bytes", one(text, [{"repeat": ["a", 255]}, ""])),
        ("string of 256 bytes", one(text, [{"repeat": ["a", 256]}, ""])),
        ("string of 65,535 bytes", one(text, [{"repeat": ["abc", 21845]}, None])),
        ("string of 65,536 bytes", one(text, [{"repeat": ["ä", 32768]}, None])),
        ("string that is not valid UTF-8", one(text[:3], [{"hex": "eda080"}, {"hex": "ff"}])),
        ("binary", one(binary, ["61", "", "6263"])),
        ("binary with nulls", one(binary, [None, "00", "ff00"])),
        ("binary of 256 bytes", one(binary, [{"repeat": ["00", 256]}, "01"])),
        ("fixed-size binary", one({"type": "fixed_size_binary", "size": 3}, ["000102", "ffffff"])),
        (
            "fixed-size binary with nulls",
            one({"type": "fixed_size_binary", "size": 3}, ["000102", None]),
        ),
        (
            "fixed-size binary of no bytes",
            one({"type": "fixed_size_binary", "size": 0}, ["", "", None]),
        ),
    ]


def decimals() -> list[Vector]:
    every = [decimal(bits, 7, 2) for bits in (32, 64, 128, 256)]
    wide = [decimal(bits, 15, 4) for bits in (64, 128, 256)]
    most = 10**38 - 1
    return [
        ("decimal of 7 digits", one(every, [0, 1, -1, 9999999, -9999999])),
        ("decimal of 7 digits with nulls", one(every, [None, 150, None])),
        ("decimal of 15 digits", one(wide, [999999999999999, -1, None])),
        ("decimal of 38 digits", one([decimal(128, 38, 10), decimal(256, 38, 10)], [most, -most])),
        ("decimal of 39 digits", one(decimal(256, 39, 10), [10 * most + 9, -1, None])),
        ("decimal of 76 digits", one(decimal(256, 76, 0), [10**76 - 1, 1 - 10**76])),
        ("decimal, another scale is another type", one(decimal(128, 7, 3), [0, 1, -1])),
        ("decimal, negative scale", one(decimal(128, 5, -2), [12345])),
        ("decimal that needs more than 16 bytes", one(decimal(256, 38, 0), [1 << 127])),
    ]


def times() -> list[Vector]:
    day = 86_400_000
    found: list[Vector] = [
        ("date", one(["date32"], [0, 1, -1, 19000, -719162])),
        ("date of milliseconds", one("date64", [0, day, -day, 19000 * day, -719162 * day])),
        ("date with nulls", one("date32", [None, 1])),
        ("date of milliseconds with nulls", one("date64", [None, day])),
        ("date64 that is no whole day", one("date64", [1])),
        ("date64 out of the range of date32", one("date64", [day << 31])),
        ("time of seconds", one(unit("time32", "s"), [0, 1, 86399, None])),
        ("time of milliseconds", one(unit("time32", "ms"), [0, 1000, 86399000, None])),
        ("time of microseconds", one(unit("time64", "us"), [0, 1, 86399999999, None])),
        ("time of nanoseconds", one(unit("time64", "ns"), [0, 1, 86399999999999, None])),
        ("time of seconds, the last that fits", one(unit("time32", "s"), [2147483])),
        ("time of seconds out of range", one(unit("time32", "s"), [2147484])),
        ("timestamp of seconds", one(timestamp("s"), [0, 1, -1, None])),
        ("timestamp of seconds, the last that fits", one(timestamp("s"), [9223372036854775])),
        ("timestamp of seconds out of range", one(timestamp("s"), [9223372036854776])),
        ("timestamp of milliseconds", one(timestamp("ms"), [0, 1000, -1000, None])),
        (
            "interval",
            one("interval_month_day_nano", [[1, 2, 3], [-1, -2, -3], None, [0, 0, 1 << 62]]),
        ),
    ]
    for name in ("us", "ns"):
        most = (1 << 63) - 1
        found.append((f"timestamp of {name}", one(timestamp(name), [0, most, -most - 1, None])))
    for name in ("s", "ms", "us", "ns"):
        found.append((f"duration of {name}", one(unit("duration", name), [0, 1, -1, None])))
        zoned = timestamp(name, "Europe/Paris")
        found.append((f"timestamp of {name} in a zone", one(zoned, [0, 1, None])))
    for zone in (
        "UTC",
        "Etc/UTC",
        "UCT",
        "Etc/UCT",
        "Zulu",
        "Etc/Zulu",
        "Universal",
        "Etc/Universal",
        "Z",
        "+00:00",
        "-00:00",
        "GMT",
        "+01:00",
        "America/Port-au-Prince",
        "Etc/GMT+1",
    ):
        found.append((f"timestamp, zone {zone}", one(timestamp("us", zone), [0, 1])))
    found.append(("timestamp, a zone of other characters", one(timestamp("us", "a b"), [0])))
    found.append(("timestamp, an empty zone is none", one(timestamp("us", ""), [0, 1])))
    return found


def nested() -> list[Vector]:
    pair = struct(x="int32", y="string")
    return [
        ("list", one(lists("int64"), [[1, 2], [], [3]])),
        ("list with nulls", one(lists("int64"), [None, [1, None], [], None])),
        ("list, empty ones only", one(lists("int64"), [[], []])),
        ("list, boundaries moved", one(lists("int64"), [[1], [2, 3], []])),
        ("list of nulls", one(lists("null"), [[None, None], None, []])),
        ("list of lists", one(lists({"type": "list", "child": "int8"}), [[[1], []], None, [None]])),
        ("list of strings", one(lists("string"), [["a", "bc"], [None], []])),
        ("list of 256 values", one(lists("bool"), [[True] * 256, None])),
        ("list of structs", one(lists(pair), [[[1, "a"], None], None, [[None, "b"]]])),
        ("fixed-size list", one(fixed_list(2, "int16"), [[1, 2], [3, 4]])),
        ("fixed-size list with nulls", one(fixed_list(2, "int16"), [[1, None], None, [3, 4]])),
        ("fixed-size list of no values", one(fixed_list(0, "int16"), [[], None, []])),
        (
            "fixed-size list of lists",
            one(fixed_list(1, {"type": "list", "child": "string"}), [[["a"]], None, [None]]),
        ),
        ("struct", one(pair, [[1, "a"], [2, ""]])),
        ("struct with nulls", one(pair, [None, [None, None], [1, "a"], [None, "b"]])),
        ("struct of a struct", one(struct(p=pair), [[[1, "a"]], [None], None])),
        ("struct of no fields", one(struct(), [[], None, []])),
        (
            "struct, names of a delimiter",
            one({"type": "struct", "fields": [["a;1:b=int8", "int8"], ["", "int8"]]}, [[1, 2]]),
        ),
        (
            "struct, two fields of one name",
            one({"type": "struct", "fields": [["ä", "int8"], ["ä", "int8"]]}, [[1, 2]]),
        ),
        ("struct, fields turned", one(struct(y="string", x="int32"), [["a", 1], ["", 2]])),
        ("map", one(map_("string", "int64"), [[["k", 1], ["l", None]], [], None])),
        ("map with a key twice", one(map_("string", "int64"), [[["k", 1], ["k", 2]]])),
        (
            "map of lists",
            one(map_("int8", {"type": "list", "child": "int8"}), [[[1, [2]]], [[3, None]], None]),
        ),
        (
            "dictionary in a list",
            one(lists({"type": "dictionary", "values": "string"})[:2], [["a", "b"], ["a", None]]),
        ),
        ("dictionary with nulls", one(wrapped("string"), ["a", None, "a", "b"])),
        ("run-end encoded with nulls", one(wrapped("float64"), [None, None, "3ff0000000000000"])),
    ]


def nulls() -> list[Vector]:
    pair = struct(x="int32", y="string")
    every: list[Any] = [
        "null",
        "bool",
        "int8",
        "uint64",
        "float16",
        "float64",
        "string",
        "binary",
        "date32",
        {"type": "fixed_size_binary", "size": 3},
        decimal(128, 7, 2),
        unit("time64", "us"),
        timestamp("us", "UTC"),
        unit("duration", "s"),
        "interval_month_day_nano",
        lists("int64")[0],
        fixed_list(2, "int8"),
        pair,
        map_("string", "int8"),
        {"type": "dictionary", "values": "string"},
    ]
    columns = [(str(number), type_, [None, None, None]) for number, type_ in enumerate(every)]
    return [
        ("null", one("null", [None, None])),
        ("nothing but nulls, of many types", table(*columns)),
        ("a field of nulls only", one(pair, [[1, None], [2, None]])),
        ("values under the null of a struct", one(pair, [[1, "a"], None, [2, "bc"]])),
    ]


def extensions() -> list[Vector]:
    uuid = extension("arrow.uuid", b"", {"type": "fixed_size_binary", "size": 16})
    period = b'{"freq": "M"}'
    return [
        ("extension", one(uuid, ["00112233445566778899aabbccddeeff", None])),
        (
            "extension with parameters",
            one(extension("pandas.period", period, "int64"), [600, None]),
        ),
        (
            "extension, other parameters",
            one(extension("pandas.period", b'{"freq": "D"}', "int64"), [600, None]),
        ),
        (
            "extension, parameters that are no text",
            one(extension("my.type", b"\xff\x00,1:", "string"), ["a"]),
        ),
        ("extension of nothing but nulls", one(uuid, [None])),
        (
            "extension of structs",
            one(extension("my.pair", b"", struct(x="int8", y="int8")), [[1, 2], None]),
        ),
        (
            "extension in a list and a struct",
            one(lists(struct(u=uuid))[0], [[["00112233445566778899aabbccddeeff"], [None]], None]),
        ),
    ]


def empty() -> list[Vector]:
    return [
        ("no rows and no columns", table()),
        ("three rows and no columns", table(rows=3)),
        ("no rows", table(("a", "int64", []), ("b", lists("string")[0], []))),
        ("no rows of nulls", one("null", [])),
        ("no rows of another type", one("int32", [])),
    ]


def many() -> list[Vector]:
    found: list[Vector] = [
        (f"{rows:,} rows", table(("n", "int64", formula("integer", 7919, 1_000_003)), rows=rows))
        for rows in (65_535, 65_536, 65_537)
    ]
    columns = (
        ("n", "int64", formula("integer", 7919, 1_000_003, nulls=5)),
        ("x", "float64", formula("real", 104_729, 1_000_003)),
        ("s", "string", formula("text", 31, 65_537, nulls=3)),
        ("b", "bool", formula("flag", 7, 13, nulls=70_000)),
        ("l", lists("int32"), formula("list", 13, 1_000, nulls=7)),
    )
    found.append(("200,000 rows of five columns", table(*columns, rows=200_000)))
    found.append(
        (
            "131,073 rows, a longer text in the second block",
            table(("s", "string", formula("spike", 1, 1_000_000)), rows=131_073),
        )
    )
    found.append(
        ("100,000 nulls", table(("n", "int32", formula("integer", 1, 100, nulls=1)), rows=100_000))
    )
    return found


def names() -> list[Vector]:
    numbers = [1, 2]
    texts = ["", "a", "ä", "日本", "🙂", "e\u0301", "a\0b", "__index_level_0__", " ", "\n"]
    return [
        ("names of many kinds", table(*[(name, "int8", numbers) for name in texts])),
        ("names that are equal", table(("a", "int8", [1]), ("a", "int8", [2]))),
        ("names that are equal, columns turned", table(("a", "int8", [2]), ("a", "int8", [1]))),
        ("columns turned", table(("b", "int8", [1]), ("a", "int8", [2]))),
        ("a name of 70,000 letters", table(({"repeat": ["ä", 70_000]}, "int8", numbers))),
        ("a name that is not valid text", table(({"hex": "61eda080"}, "int8", numbers))),
        ("boundary of two names, first", table(("ab", "int8", [1]), ("c", "int8", [1]))),
        ("boundary of two names, second", table(("a", "int8", [1]), ("bc", "int8", [1]))),
    ]


def whole() -> list[Vector]:
    mixed = table(
        ("i", "int32", [1, None, -3]),
        ("f", "float64", ["3fe0000000000000", "7ff8000000000000", None]),
        ("b", "bool", [True, None, False]),
        ("s", ["string", "large_string", "string_view"], ["a", None, "äö"]),
        ("t", timestamp("us", "UTC"), [0, 1, None]),
        ("d", [decimal(128, 5, 2), decimal(32, 5, 2)], [150, None, None]),
        ("l", lists("int64"), [[1, None], None, []]),
        ("r", struct(x="int8"), [[1], None, [None]]),
        ("m", map_("string", "int64"), [[["k", 1]], [], None]),
        ("n", "null", [None, None, None]),
    )
    cells = [
        {"int": 1},
        "a",
        None,
        {"bytes": "61"},
        {"tuple": [{"int": 1}, "x"]},
        {"set": ["a", "b"]},
    ]
    return [
        ("every kind", mixed),
        ("three numbers", table(("a", "int64", [1, 2, 3]))),
        ("cells of Python objects", table(("o", "python", cells))),
        (
            "cells of Python objects and numbers",
            table(("n", "int64", [1, 2, 3]), ("o", "python", [{"int": 1}, "a", None])),
        ),
        ("cells of text that is not valid", table(("o", "python", [{"str": {"hex": "eda080"}}]))),
    ]


SUBJECTS = {
    "numbers": ("Whole numbers and booleans", numbers),
    "floats": ("Floating-point and complex numbers", floats),
    "strings": ("Strings and binary values", strings),
    "decimals": ("Decimal numbers", decimals),
    "times": ("Dates, times, timestamps, durations, intervals", times),
    "nested": ("Lists, structs, maps, dictionaries, run-end encoding", nested),
    "nulls": ("Nulls", nulls),
    "extensions": ("Extension types", extensions),
    "empty": ("Tables without rows or columns", empty),
    "many-rows": ("Blocks of rows", many),
    "names": ("Names of columns", names),
    "tables": ("Whole tables, and columns of Python objects", whole),
}

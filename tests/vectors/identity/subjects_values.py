"""The data of the vectors of arrays, values, files, names and derivations. Run by make.py."""

from __future__ import annotations

from typing import Any

Vector = tuple[str, Any]

ONE, NAN, ZERO = "3ff0000000000000", "7ff8000000000000", "0" * 16
NAT = -(1 << 63)


def array(dtype: Any, shape: list[int], elements: list[Any], **more: Any) -> Any:
    return {"dtype": dtype, "shape": shape, "elements": elements, **more}


def fields(**parts: Any) -> Any:
    return {"fields": [list(part) for part in parts.items()]}


def arrays() -> list[Vector]:
    found: list[Vector] = []
    for width in (1, 2, 4, 8):
        bits = 8 * width
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        found.append((f"i{width}", array(f"i{width}", [4], [0, -1, low, high])))
        found.append((f"u{width}", array(f"u{width}", [3], [0, 1, (1 << bits) - 1])))
    inner = {"base": "i2", "shape": [2]}
    return [
        *found,
        ("b1", array("b1", [3], [True, False, True])),
        ("f2", array("f2", [4], ["3c00", "8000", "7c01", "fe00"])),
        ("f4", array("f4", [4], ["3f800000", "80000000", "7f800001", "ffc00000"])),
        ("f8", array("f8", [4], [ONE, "8000000000000000", "7ff0000000000001", "fff8000000000000"])),
        ("c8", array("c8", [2], [["3f800000", "80000000"], ["7f800001", "3f800000"]])),
        ("c16", array("c16", [2], [[ONE, "8000000000000000"], [ZERO, "fff8000000000000"]])),
        ("S3", array("S3", [3], ["", "61", "616263"])),
        ("U12", array("U12", [4], ["", "a", "äb", "🙂日"])),
        ("U4, a lone surrogate", array("U4", [1], [{"hex": "eda080"}])),
        ("V4", array("V4", [2], ["00010203", "ffffffff"])),
        ("M8 in nanoseconds", array("M8[1ns]", [3], [0, 1, NAT])),
        ("M8 in days", array("M8[1D]", [2], [0, 19000])),
        ("M8 in tens of seconds", array("M8[10s]", [2], [0, -1])),
        ("m8 in seconds", array("m8[1s]", [3], [0, -1, NAT])),
        ("O", array("O", [5], [None, {"int": 1}, "a", {"float": NAN}, {"list": [{"int": 1}]}])),
        ("T", array("T", [3], ["", "a", "äöü and more than fifteen bytes"])),
        ("two dimensions", array("i4", [2, 3], list(range(6)))),
        ("the same elements in another shape", array("i4", [3, 2], list(range(6)))),
        (
            "three dimensions",
            array("f4", [2, 1, 2], ["3f800000", "00000000", "40000000", "bf800000"]),
        ),
        ("no dimension", array("i8", [], [7])),
        ("no elements", array("i8", [0], [])),
        ("no elements in two dimensions", array("i8", [0, 3], [])),
        ("fields", array(fields(a="i4", b="f8", ä="S2"), [2], [[1, ONE, "61"], [2, NAN, ""]])),
        (
            "fields in fields",
            array(fields(p=fields(x="i1", y="i2"), q="b1"), [2], [[[1, 2], True], [[3, 4], False]]),
        ),
        ("a field with a shape", array(fields(a=inner, b="u1"), [2], [[[1, 2], 3], [[4, 5], 6]])),
        (
            "a field with a long name",
            array({"fields": [[{"repeat": ["x", 200]}, "i1"]]}, [1], [[1]]),
        ),
        ("a field of objects", array(fields(o="O", n="i1"), [2], [["a", 1], [None, 2]])),
        ("masked", array("i4", [3], [1, 2, 3], mask=[False, True, False])),
        ("masked nowhere", array("i4", [3], [1, 2, 3], mask=[False, False, False])),
        (
            "masked doubles",
            array("f8", [2, 2], [ONE, NAN, ONE, ZERO], mask=[True, False, False, True]),
        ),
        ("masked objects", array("O", [2], ["a", "b"], mask=[False, True])),
        ("masked text", array("U8", [2], ["a", "b"], mask=[False, True])),
        ("masked complex", array("c8", [1], [["3f800000", "3f800000"]], mask=[True])),
    ]


def deep(levels: int) -> Any:
    value: Any = {"list": []}
    for _ in range(levels - 1):
        value = {"list": [value]}
    return value


def values() -> list[Vector]:
    ints = [0, 1, -1, 127, 128, 255, 256, -255, -256, 2**63, 2**64, -(2**64), 10**40]
    floats = [ZERO, "8000000000000000", ONE, "7ff0000000000000", "fff0000000000000", NAN]
    moment = "2020-01-02T03:04:05.000006"
    utc, paris = {"offset": 0}, {"name": "Europe/Paris"}
    mixed = {
        "dict": [
            ["a", {"list": [{"int": 1}, {"float": "4004000000000000"}, None, True]}],
            ["b", {"tuple": ["x", {"bytes": "79"}]}],
        ]
    }
    dtype = fields(a="i4", b="U8")
    code = {
        "code": [
            "cpython-311",
            {"bytes": "9700"},
            {"tuple": [None]},
            {"tuple": []},
            {"tuple": ["x"]},
            {"tuple": []},
            {"tuple": []},
            {"int": 1},
            {"int": 0},
            {"int": 0},
            {"int": 3},
            {"bytes": ""},
        ]
    }
    return [
        ("None", None),
        ("True", True),
        ("False", False),
        ("Ellipsis", {"ellipsis": None}),
        ("NotImplemented", {"notimplemented": None}),
        *[(f"int {number}", {"int": number}) for number in ints],
        *[(f"float {bits}", {"float": bits}) for bits in floats],
        ("float, a NaN with a payload", {"float": "fff8000000000001"}),
        ("complex", {"complex": [ONE, "8000000000000000"]}),
        ("complex NaN", {"complex": ["7ff0000000000001", ZERO]}),
        ("str", "text"),
        ("str, empty", ""),
        ("str, not ASCII", "äöü 🙂"),
        ("str, a lone surrogate", {"str": {"hex": "eda080"}}),
        ("str, long", {"str": {"repeat": ["ab", 5000]}}),
        ("bytes", {"bytes": "00ff"}),
        ("bytes, empty", {"bytes": ""}),
        ("bytearray", {"bytearray": "00ff"}),
        ("Decimal 1.0", {"decimal": [False, "10", -1]}),
        ("Decimal 1.00", {"decimal": [False, "100", -2]}),
        ("Decimal -0", {"decimal": [True, "0", 0]}),
        ("Decimal 1E+5", {"decimal": [False, "1", 5]}),
        ("Decimal Infinity", {"decimal": [False, "0", "F"]}),
        ("Decimal NaN", {"decimal": [False, "", "n"]}),
        ("Decimal -sNaN12", {"decimal": [True, "12", "N"]}),
        ("date", {"date": "2020-02-29"}),
        ("date, year 1", {"date": "0001-01-01"}),
        ("datetime", {"datetime": [moment, 0, None]}),
        ("datetime without microseconds", {"datetime": ["2020-01-02T00:00:00", 0, None]}),
        ("datetime, fold", {"datetime": [moment, 1, None]}),
        ("datetime, UTC", {"datetime": [moment, 0, utc]}),
        ("datetime, one hour east", {"datetime": [moment, 0, {"offset": 3600}]}),
        ("datetime, one hour west", {"datetime": [moment, 0, {"offset": -3600}]}),
        ("datetime, odd offset", {"datetime": [moment, 0, {"offset": 4521}]}),
        ("datetime, named zone", {"datetime": [moment, 0, paris]}),
        ("time", {"time": ["03:04:05", 0, None]}),
        ("time, UTC", {"time": ["03:04:05.000006", 1, utc]}),
        ("timedelta", {"timedelta": [1, 2, 3]}),
        ("timedelta, negative", {"timedelta": [-1, 86399, 0]}),
        ("zone, fixed", {"zone": {"offset": -19800}}),
        ("zone, named", {"zone": paris}),
        ("UUID", {"uuid": "00112233445566778899aabbccddeeff"}),
        ("path", {"path": "a/b.csv"}),
        ("path, not UTF-8", {"path": {"hex": "61edb3bf"}}),
        ("Fraction", {"fraction": [-1, 3]}),
        ("range", {"range": [0, 10, -2]}),
        ("module", {"module": "json"}),
        ("list", {"list": [{"int": 1}, "a"]}),
        ("list, empty", {"list": []}),
        ("tuple", {"tuple": [{"int": 1}, "a"]}),
        ("nested lists", {"list": [{"list": []}, {"list": [{"list": [None]}]}]}),
        ("deque", {"deque": [None, [{"int": 1}]]}),
        ("deque with a limit", {"deque": [{"int": 3}, [{"int": 1}]]}),
        ("set", {"set": [{"int": 1}, {"int": 2}, "a"]}),
        ("frozenset", {"frozenset": ["b", "a"]}),
        ("frozenset, empty", {"frozenset": []}),
        ("dict", {"dict": [["a", {"int": 1}], ["b", {"int": 2}]]}),
        ("dict, turned", {"dict": [["b", {"int": 2}], ["a", {"int": 1}]]}),
        ("OrderedDict", {"ordereddict": [["a", {"int": 1}]]}),
        ("Counter", {"counter": [["a", {"int": 1}]]}),
        ("defaultdict", {"defaultdict": [{"class": ["builtins", "list"]}, [["a", {"list": []}]]]}),
        ("slice", {"slice": [None, {"int": 5}, None]}),
        ("several kinds in one", mixed),
        ("namedtuple", {"namedtuple": ["shapes", "Point", [{"int": 1}, {"int": 2}]]}),
        ("Enum", {"enum": ["shapes", "Colour", "RED", {"int": 1}]}),
        ("dataclass", {"dataclass": ["shapes", "Setting", [["name", "a"], ["value", None]]]}),
        ("class", {"class": ["builtins", "int"]}),
        ("class in a class", {"class": ["shapes", "A.B"]}),
        ("pattern", {"pattern": ["a+", {"int": 34}]}),
        ("pattern of bytes", {"pattern": [{"bytes": "612b"}, {"int": 0}]}),
        (
            "partial",
            {
                "partial": [
                    {"builtin": ["builtins", "len"]},
                    {"tuple": [{"list": []}]},
                    {"dict": []},
                ]
            },
        ),
        ("builtin", {"builtin": ["builtins", "len"]}),
        ("bound method of a builtin", {"bound": [{"list": [{"int": 1}]}, "list.append"]}),
        ("descriptor", {"descriptor": ["builtins", "str", "upper"]}),
        ("slot descriptor", {"descriptor": ["builtins", "int", "__add__"]}),
        ("function", {"function": ["shapes", "area", code, {"tuple": [{"int": 2}]}, None, []]}),
        (
            "function that closes over values",
            {
                "function": [
                    "shapes",
                    "make.<locals>.area",
                    code,
                    None,
                    {"dict": [["k", {"int": 1}]]},
                    [{"int": 5}, {"empty": None}],
                ]
            },
        ),
        (
            "method",
            {"method": [{"function": ["shapes", "area", code, None, None, []]}, {"list": []}]},
        ),
        ("a list that holds itself", {"list": [{"again": 1}, {"list": [{"again": 2}]}]}),
        ("a dict that holds itself", {"dict": [["a", {"again": 1}]]}),
        ("100 levels", deep(100)),
        ("101 levels", deep(101)),
        ("NumPy array", {"numpy.array": array("i4", [2], [1, 2])}),
        ("NumPy scalar", {"numpy.scalar": array("f8", [], [ONE])}),
        ("NumPy dtype", {"numpy.dtype": dtype}),
        ("NumPy dtype, plain", {"numpy.dtype": "M8[1ns]"}),
        ("NumPy ufunc", {"numpy.ufunc": "add"}),
        ("NumPy function", {"numpy.function": "numpy.mean"}),
        ("NaT", {"pandas": "NaTType"}),
        ("NA", {"pandas": "NAType"}),
        ("Timestamp", {"pandas.Timestamp": [1577934245000006007, None]}),
        ("Timestamp in a zone", {"pandas.Timestamp": [1577934245000006007, paris]}),
        ("Timedelta", {"pandas.Timedelta": [-1, None]}),
        ("Period", {"pandas.period": [{"int": 600}, "M"]}),
        ("Interval", {"pandas.interval": [{"int": 0}, {"int": 1}, "right"]}),
        (
            "categorical dtype",
            {"pandas.category": [{"table": ["pandas", "Index", "table:" + "4f" * 32]}, True]},
        ),
        (
            "pandas dtype",
            {"pandas.dtype": ["pandas.core.arrays.integer", "Int64Dtype", "Int64", None]},
        ),
        ("table", {"table": ["pyarrow.lib", "Table", "table:" + "4f" * 32]}),
        ("Arrow type", {"pyarrow.type": "list<item: int64>"}),
        ("Arrow schema", {"pyarrow.schema": "00ff"}),
        ("Polars type", {"polars.type": "List(Int64)"}),
        *forms(),
    ]


def forms() -> list[Vector]:
    """Buffers, attributes and objects."""
    size = {"object": ["shapes", "Length", {"int": 3}]}
    sparse = {"dtype": "f8", "shape": [2, 3], "elements": [[[1, 2], ONE], [[0, 0], ONE]]}
    reduced = ["sklearn.tree._tree", "Tree", "sklearn.tree._tree.Tree"]
    parts = [{"tuple": [{"int": 1}]}, {"dict": [["a", None]]}, {"list": []}, {"list": []}]
    return [
        ("array.array", {"array.array": ["d8", "000000000000f03f"]}),
        ("array.array of shorts", {"array.array": ["h2", "0100feff"]}),
        ("array.array, empty", {"array.array": ["B1", ""]}),
        ("array.array of NaN, as it is", {"array.array": ["d8", "010000000000f8ff"]}),
        ("memoryview", {"memoryview": ["B", [3], "616263"]}),
        ("memoryview of two dimensions", {"memoryview": ["h", [2, 3], "010002000300040005000600"]}),
        ("memoryview, empty", {"memoryview": ["B", [0], ""]}),
        ("memoryview without dimensions", {"memoryview": ["i", [], "01000000"]}),
        ("SimpleNamespace", {"namespace": [["a", {"int": 1}], ["b", None]]}),
        ("SimpleNamespace, turned", {"namespace": [["b", None], ["a", {"int": 1}]]}),
        ("SimpleNamespace, not ASCII", {"namespace": [["🙂", None], ["ä", None], ["z", None]]}),
        ("SimpleNamespace, empty", {"namespace": []}),
        ("a SimpleNamespace that holds itself", {"namespace": [["self", {"again": 2}]]}),
        ("class of attrs", {"attrs": ["shapes", "Box", [["width", {"int": 1}], ["a", None]]]}),
        ("class of attrs without fields", {"attrs": ["shapes", "Nothing", []]}),
        ("sparse matrix", {"scipy.sparse": sparse}),
        ("object", size),
        ("object under a given name", {"object": ["", "shapes.Length", {"int": 3}]}),
        ("objects in a list", {"list": [size, size]}),
        ("an object that holds itself", {"object": ["shapes", "Node", {"list": [{"again": 2}]}]}),
        ("reduced object", {"reduced": [*reduced, *parts]}),
    ]


def files() -> list[Vector]:
    """The lengths are those around BLAKE3's chunks, with the bytes of its own vectors."""
    counted = [0, 1, 1023, 1024, 1025, 2048, 65_536, 102_400]
    return [
        *[(f"{length} bytes", {"counted": length}) for length in counted],
        ("three bytes", {"bytes": "616263"}),
        ("text", {"text": "text"}),
        ("text that is not ASCII", {"text": "äöü 🙂"}),
        ("text with a lone surrogate", {"text": {"hex": "eda080"}}),
        ("no text", {"text": ""}),
    ]


def directories() -> list[Vector]:
    return [
        ("empty", []),
        ("one file", [["a.txt", "f", "61"]]),
        ("the same file under another name", [["b.txt", "f", "61"]]),
        ("files of the same content", [["a", "f", "61"], ["b", "f", "61"]]),
        (
            "sorted by bytes",
            [["a/b", "f", "00"], ["a-b", "f", "01"], ["ä", "f", "02"], ["B", "f", "03"]],
        ),
        (
            "partitions",
            [
                ["year=2020/part-0.parquet", "f", "00"],
                ["year=2021/part-0.parquet", "f", "01"],
                ["_SUCCESS", "f", ""],
            ],
        ),
        ("an empty directory in it", [["a", "f", "61"], ["empty", "d"]]),
        ("an empty directory and an empty file", [["x", "d"], ["y", "f", ""]]),
        ("a hidden file", [[".hidden", "f", "61"]]),
        (
            "links",
            [
                ["a", "f", "61"],
                ["to-nothing", "l", "gone"],
                ["to-directory", "l", "d"],
                ["d/b", "f", "62"],
            ],
        ),
        ("a link to a file is that file", [["a", "f", "61"], ["b", "link", "a"]]),
        ("a name that is not UTF-8", [[{"hex": "61ff"}, "f", "61"]]),
    ]


def resources() -> list[Vector]:
    uris = [
        "s3://bucket/key",
        "https://example.org/data.csv",
        "https://user:secret@example.org/data.csv",
        "https://example.org:8080/data.csv?a=1&b=2",
        "https://example.org/d.csv?token=abc&a=1",
        "https://example.org/d.csv?a=1&token=abc",
        "https://example.org/d.csv?token=abc",
        "https://example.org/d.csv?ACCESS_TOKEN=abc#part",
        "https://example.org/d.csv?client_secret=x;a=1",
        "https://example.org/d.csv#access_token=abc&a=1",
        "https://example.org/d.csv?to%6ben=abc&a=1",
        "https://b.s3.amazonaws.com/k?X-Amz-Signature=0f&X-Amz-Date=20200101&versionId=7",
        "https://b.s3.amazonaws.com/k?AWSAccessKeyId=A&Signature=S&Expires=1",
        "https://storage.googleapis.com/b/k?X-Goog-Signature=0f&generation=1",
        "https://a.blob.core.windows.net/c/b?sv=2020&se=2021&sr=b&sp=r&sig=abc&snapshot=1",
        "https://example.org/d?sv=2020&se=2021",
        "postgresql://user:pa/ss@host:5432/db?sslmode=require",
        "postgresql://user:p#a?ss@host/db",
        "postgresql://host/a@b",
        "mssql+pyodbc://server/db?pwd=abc&driver=x",
        "Server=host;Database=db;User=sa;Password=abc;",
        "host=localhost dbname=db password='a b' user=me",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abc==;EndpointSuffix=x",
        "stream:io.BytesIO",
        "https://example.org/ä 🙂",
        "",
    ]
    return [(uri or "nothing", uri) for uri in uris]


TABLE, OTHER = "table:" + "4f" * 32, "file:" + "5e" * 32
FIRST, SECOND = bytes(range(32)).hex(), bytes(range(1, 33)).hex()


def origin(*sources: str, path: str = "") -> Any:
    return {"sources": list(sources), "path": path}


def derivation(**parts: Any) -> Any:
    plain = {
        "library": "pandas",
        "operation": "merge",
        "version": "2.3.3",
        "functions": [],
        "parameters": [],
        "inputs": [],
        "output": 0,
    }
    return {"derivation": {**plain, **parts}}


def step(**parts: Any) -> Any:
    plain = {
        "library": "pandas",
        "step": "__getitem__",
        "version": "2.3.3",
        "inputs": [origin(TABLE)],
        "parameters": FIRST,
    }
    return {"step": {**plain, **parts}}


def derivations() -> list[Vector]:
    two = [["on", FIRST], ["how", SECOND]]
    inputs = [["self", origin(TABLE)], ["right", origin(OTHER, path=FIRST)]]
    return [
        ("nothing but a name", derivation()),
        ("no version", derivation(version=None)),
        ("empty version", derivation(version="")),
        ("parameters", derivation(parameters=two)),
        ("parameters in another order", derivation(parameters=two[::-1])),
        ("inputs", derivation(inputs=inputs)),
        ("inputs in another order", derivation(inputs=inputs[::-1])),
        ("all of it", derivation(parameters=two, inputs=inputs, output=2)),
        (
            "a function",
            derivation(library="operation", operation="clean", version=None, functions=[FIRST]),
        ),
        ("two sources", derivation(inputs=[["objs", origin(TABLE, OTHER, path=SECOND)]])),
        ("no source", derivation(inputs=[["objs", origin()]])),
        ("names with NUL", derivation(library="a\0b", operation="\0", parameters=[["\0x", FIRST]])),
        (
            "names that are not ASCII",
            derivation(operation="äöü", parameters=[["ö", FIRST], ["z", SECOND]]),
        ),
        ("a name with a lone surrogate", derivation(parameters=[[{"hex": "eda080"}, FIRST]])),
        ("a name that is its escape", derivation(parameters=[["\\ud800", FIRST]])),
        ("a step", step()),
        ("a step of a step", step(inputs=[origin(TABLE, path=SECOND)])),
        (
            "a step of two inputs",
            step(step="__add__", inputs=[origin(TABLE), origin(TABLE, path=FIRST)]),
        ),
        ("a step of an input of two sources", step(inputs=[origin(TABLE, OTHER, path=SECOND)])),
        ("a step without inputs", step(inputs=[])),
        ("a step without a version", step(version=None)),
    ]


SUBJECTS = {
    "arrays": ("NumPy arrays", "array", arrays),
    "values": ("Python values", "value", values),
    "files": ("Files, and text and bytes in memory", "file", files),
    "directories": ("Directories", "directory", directories),
    "resources": ("Names, with credentials that are left out", "resource", resources),
    "derivation": ("Derivations and steps", None, derivations),
}

"""A table of the vectors in many storages: the same content, which must have the same id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from specification import python, utf8
from specification.arrow import arrow_field, build, registered
from specification.tables import cells, kind

MANY = 10_000
"""From so many rows on, only a few storages are tried."""


def forms(table: Any) -> Iterator[tuple[str, Any]]:
    """Name and container."""
    columns = [{**one, "values": cells(one, table["rows"])} for one in table["columns"]]
    if not columns:
        yield from _no_columns(table["rows"])
        return
    if any(_needs_pandas(one) for one in columns):
        yield "pandas", frame(columns)
        return
    few = table["rows"] >= MANY
    for variant in range(max(len(one["types"]) for one in columns)):
        types = [one["types"][variant % len(one["types"])] for one in columns]
        yield f"{types} as they are", _table(columns, types, lambda t, v: build(t, v))
        yield f"{types} in chunks", _table(columns, types, _chunked)
        if few:
            return
        yield (
            f"{types} with garbage under nulls",
            _table(columns, types, lambda t, v: build(t, v, garbage=True)),
        )
        yield f"{types} as a slice", _table(columns, types, _sliced)
    types = [one["types"][0] for one in columns]
    if any(kind(t) == "extension" for t in types):
        yield "registered extension types", _table(columns, types, _registered, named=False)


def frame(columns: list[Any]) -> Any:
    """A pandas frame of NumPy vectors and of Python objects."""
    import pandas as pd

    series = []
    for one in columns:
        k, values = kind(one["types"][0]), one["values"]
        if k.startswith("complex"):
            array = python.array(
                {"dtype": f"c{int(k[7:]) // 8}", "shape": [len(values)], "elements": values}
            )
        elif k == "python":
            array = np.empty(len(values), object)
            for place, cell in enumerate(values):
                array[place] = python.value(cell)
        else:
            array = np.array(values, k)
        series.append(pd.Series(array, dtype=array.dtype))
    made = pd.concat(series, axis=1)
    made.columns = pd.Index([python.string(one["name"]) for one in columns], dtype=object)
    return made


def _needs_pandas(column: Any) -> bool:
    k = kind(column["types"][0])
    try:
        utf8(column["name"]).decode()
    except UnicodeDecodeError:
        return True
    return k == "python" or k.startswith("complex")


def _no_columns(rows: int) -> Iterator[tuple[str, Any]]:
    import pandas as pd

    struct = pa.StructArray.from_buffers(pa.struct([]), rows, [None])
    yield "a record batch", pa.RecordBatch.from_struct_array(struct)
    yield "a frame", pd.DataFrame(index=range(rows))


def _table(columns: list[Any], types: list[Any], make: Any, *, named: bool = True) -> Any:
    made = [make(t, one["values"]) for one, t in zip(columns, types, strict=True)]
    names = [utf8(one["name"]).decode() for one in columns]
    if not named:
        return pa.Table.from_arrays(made, names)
    fields = [arrow_field(name, t) for name, t in zip(names, types, strict=True)]
    return pa.Table.from_arrays(made, schema=pa.schema(fields))


def _chunked(t: Any, values: list[Any]) -> Any:
    sizes = [10_007] * (len(values) // 10_007) if len(values) >= MANY else [0, 1, 2]
    chunks, start = [], 0
    for size in sizes:
        chunks.append(build(t, values[start : start + size]))
        start += size
    chunks.append(build(t, values[start:]))
    return pa.chunked_array(chunks, chunks[0].type)


def _sliced(t: Any, values: list[Any]) -> Any:
    around = values[:1]
    whole = build(t, [*around * 3, *values, *around], garbage=True)
    return whole.slice(3 * len(around), len(values))


def _registered(t: Any, values: list[Any]) -> Any:
    array = build(t, values)
    if kind(t) != "extension":
        return array
    type_ = registered(array.type, utf8(t["name"]).decode(), bytes.fromhex(t["parameters"]))
    return pa.ExtensionArray.from_storage(type_, array)

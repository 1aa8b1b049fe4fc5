"""Tables: what the columns of a container are (section 7)."""

from __future__ import annotations

import datetime
import decimal
import itertools
import sys
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Final

from otelprov.artifacts.arrow import arrow_column
from otelprov.artifacts.digest import (
    BLOCK_ROWS,
    Block,
    Column,
    NoCanonicalForm,
    TableDigest,
    table_digest,
)
from otelprov.artifacts.inference import inferred
from otelprov.artifacts.values import canonical_digest, zone_name
from otelprov.artifacts.vectors import numpy_column


def table_tree(value: object) -> TableDigest | None:
    """The digests of a table and of its columns, or None if it has none."""
    try:
        return digest(value) if is_table(value) else None
    except Exception:
        return None


def is_table(value: object) -> bool:
    """Whether ``digest`` is meant for it."""
    return _is_pandas(value) or _is_arrow(value) or _is_polars(value) or _is_stream(value)


def shape(value: Any) -> tuple[int | None, int | None]:
    """Rows and columns of a table that has no digest, where they are known."""
    if not (_is_pandas(value) or _is_polars(value) or _is_arrow(value)):
        return None, None
    sizes: tuple[int, ...] = getattr(value, "shape", (len(value),))
    return sizes[0], sizes[1] if len(sizes) == 2 else 1


def digest(value: Any) -> TableDigest:
    """The digests of a table and of its columns.

    Raises:
        NoCanonicalForm: with the column that has none.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise NoCanonicalForm("pyarrow is not installed") from None
    if _is_pandas(value):
        return _pandas(value)
    if _is_arrow(value):
        return _arrow(value)
    if _is_polars(value):
        return _polars(value)
    return _stream(value)


# --- Arrow ----------------------------------------------------------------------------------------


def _is_arrow(value: object) -> bool:
    pa: Any = sys.modules.get("pyarrow")
    if pa is None or not hasattr(pa, "Table"):
        return False
    return isinstance(value, (pa.Table, pa.RecordBatch, pa.ChunkedArray, pa.Array))


def _arrow(value: Any) -> TableDigest:
    import pyarrow as pa

    if isinstance(value, (pa.Table, pa.RecordBatch)):
        fields = zip(value.schema, value.columns, strict=True)
        columns = [_arrow_chunks(field.name, field, chunks) for field, chunks in fields]
        return table_digest(value.num_rows, columns)
    return table_digest(len(value), [_arrow_chunks(UNNAMED, pa.field("", value.type), value)])


UNNAMED: Final = "0"
"""The name of a column that has none: what pandas calls the column of an unnamed Series."""


def _arrow_chunks(name: str, field: Any, values: Any) -> Column:
    """A column of an Array or a ChunkedArray."""
    column = arrow_column(name, field)
    for chunk in getattr(values, "chunks", (values,)):
        column.add(chunk)
    return column


def batches_digest(
    schema: Any, batches: Iterable[Any], names: Sequence[str] | None = None
) -> TableDigest:
    """The digest of record batches that arrive one by one; holds a block of each column at most."""
    fields = zip(schema.names if names is None else names, schema, strict=True)
    columns = [arrow_column(name, field) for name, field in fields]
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        for column, array in zip(columns, batch.columns, strict=True):
            column.add(array)
    return table_digest(rows, columns)


# --- Polars and the Arrow stream interface --------------------------------------------------------


def _is_polars(value: object) -> bool:
    pl: Any = sys.modules.get("polars")
    if pl is None or not hasattr(pl, "DataFrame"):
        return False
    return isinstance(value, (pl.DataFrame, pl.Series))


def _polars(value: Any) -> TableDigest:
    import polars as pl

    frame = value.to_frame() if isinstance(value, pl.Series) else value
    for name, type_ in frame.schema.items():
        _exportable(name, type_)
    read = _reader
    if any(_has_decimal(type_) for type_ in frame.dtypes if type_.is_nested()):
        # Of decimals of 32 and 64 bits that came from Arrow in lists and structs, the stream aborts
        # the process, and this raises (2.1.0).
        read = _table_reader
    names = frame.columns
    if any("\0" in name for name in names):
        frame = frame.clone()
        frame.columns = [str(i) for i in range(len(names))]
    # Slice by slice: Polars copies some columns of strings as it exports them (2.1.0).
    first = read(frame[:_SLICE])
    later = (read(frame[i : i + _SLICE]) for i in range(_SLICE, len(frame), _SLICE))
    return batches_digest(
        first.schema, itertools.chain(first, itertools.chain.from_iterable(later)), names
    )


_SLICE: Final = 4 * BLOCK_ROWS


def _exportable(column: str, type_: Any) -> None:
    """Polars gives objects away as their addresses, and aborts the process over a field whose name
    has a NUL in it (2.1.0)."""
    import polars as pl

    if type_ == pl.Object:
        raise NoCanonicalForm(f"column {column!r}: Polars type Object has no canonical form")
    for field in getattr(type_, "fields", ()):
        if "\0" in field.name:
            raise NoCanonicalForm(f"column {column!r}: a field's name has a NUL in it")
    for child in _children(type_):
        _exportable(column, child)


def _children(type_: Any) -> list[Any]:
    """The types below a Polars type."""
    import polars as pl

    if isinstance(type_, (pl.List, pl.Array)):
        return [type_.inner]
    if isinstance(type_, pl.Struct):
        return [field.dtype for field in type_.fields]
    if isinstance(type_, getattr(pl, "Map", ())):  # since Polars 2.0
        return [type_.key, type_.value]
    return []


def _has_decimal(type_: Any) -> bool:
    import polars as pl

    return isinstance(type_, pl.Decimal) or any(map(_has_decimal, _children(type_)))


def _table_reader(frame: Any) -> Any:
    return frame.to_arrow().to_reader()


_LAZY: Final = frozenset({"duckdb", "_duckdb", "ibis"})
"""Libraries whose objects run a query when they are asked for their stream."""


def _is_stream(value: object) -> bool:
    """Whether it can be read as an Arrow stream more than once, and holds its data."""
    kind = type(value)
    return (
        hasattr(kind, "__arrow_c_stream__")
        and (hasattr(kind, "__len__") or hasattr(kind, "num_rows"))
        and not hasattr(kind, "__next__")
        and kind.__module__.partition(".")[0] not in _LAZY
    )


def _stream(value: Any) -> TableDigest:
    reader = _reader(value)
    return batches_digest(reader.schema, reader)


def _reader(value: Any) -> Any:
    import pyarrow as pa

    reader = pa.RecordBatchReader
    if not hasattr(value, "__arrow_c_stream__"):  # Polars before 1.3
        return _table_reader(value)
    try:
        if hasattr(reader, "from_stream"):
            return reader.from_stream(value)
        return reader._import_from_c_capsule(value.__arrow_c_stream__())  # pyarrow 14
    except pa.ArrowException:
        raise NoCanonicalForm("it holds a type that pyarrow cannot import") from None


# --- pandas ---------------------------------------------------------------------------------------


def _is_pandas(value: object) -> bool:
    pd: Any = sys.modules.get("pandas")
    if pd is None or not hasattr(pd, "DataFrame"):
        return False
    return isinstance(value, (pd.DataFrame, pd.Series, pd.Index))


def _pandas(value: Any) -> TableDigest:
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        names = [_column_name(name) for name in value.columns]
        vectors = [_frame_column(value, i) for i in range(len(names))]
        index = value.index
    elif isinstance(value, pd.Series):
        names = [UNNAMED if value.name is None else _column_name(value.name)]
        vectors = [value.array]
        index = value.index
    else:
        vectors = [value.get_level_values(i).array for i in range(value.nlevels)]
        names = [
            str(i) if name is None else _column_name(name) for i, name in enumerate(value.names)
        ]
        index = None
    rows = len(value)
    if index is not None and type(index) is not pd.RangeIndex:
        for name, vector in _index_columns(index, names):
            names.append(name)
            vectors.append(vector)
    return table_digest(rows, [_pandas_column(*part) for part in zip(names, vectors, strict=True)])


def _frame_column(frame: Any, i: int) -> Any:
    """The values of a column without a Series around them, which takes ten times as long."""
    get = getattr(frame, "_get_column_array", None)  # private, the same in pandas 1.4 to 3.1
    return get(i) if get is not None else frame.iloc[:, i].array


def _column_name(name: Any) -> str:
    """As pyarrow names the column: text, whatever the label is.

    Raises:
        NoCanonicalForm: for a label of a class whose text could be anything.
    """
    kind = type(name)
    if kind is str:
        return str(name)
    if kind is bytes:
        return str(name, "utf-8")
    if kind is tuple:
        return str(tuple(part if _missing(part) else _column_name(part) for part in name))
    library = kind.__module__.partition(".")[0]
    if kind in _LABELS or library in ("datetime", "decimal", "numpy", "pandas"):
        return str(name)
    raise NoCanonicalForm(f"a column label of class {kind.__qualname__} has no canonical form")


_LABELS: Final = frozenset({type(None), bool, int, float, complex})


def _missing(name: object) -> bool:
    return name is None or (isinstance(name, float) and name != name)


def _index_columns(index: Any, column_names: Sequence[str]) -> list[tuple[str, Any]]:
    """The levels of an index that are stored as columns, named as pyarrow names them."""
    import pandas as pd

    taken = set(column_names)
    columns = []
    for i in range(index.nlevels):
        level = index.get_level_values(i)
        name = "" if level.name is None else _column_name(level.name)
        if level.name is None or level.name in taken:
            j = i
            while f"__index_level_{j}__" in taken:
                j += 1
            name = f"__index_level_{j}__"
        if isinstance(level, pd.RangeIndex):
            continue  # pyarrow keeps it in the metadata
        taken.add(name)
        columns.append((name, level.array))
    return columns


def _pandas_column(name: str, values: Any) -> Column:
    """A column of a NumPy vector or of a pandas extension array."""
    import numpy
    import pandas as pd
    import pyarrow as pa

    if isinstance(values, pd.arrays.SparseArray):
        values = values.to_dense()
    # Its name before pandas 2.1 was PandasArray, which later ones know too, but warn of.
    if type(values) is (getattr(pd.arrays, "NumpyExtensionArray", None) or pd.arrays.PandasArray):
        values = values.to_numpy()
    if isinstance(values, numpy.ndarray):
        return (
            _object_column(name, values) if values.dtype.kind == "O" else numpy_column(name, values)
        )
    kind = type(values)
    if kind is pd.arrays.TimedeltaArray or kind is pd.arrays.DatetimeArray:
        zone = getattr(values, "tz", None)
        if zone is not None:
            zone = pa.timestamp(values.unit, zone).tz
        code = "m" if kind is pd.arrays.TimedeltaArray else "M"
        # Without the type, each instant that has a zone would become an object.
        return numpy_column(name, numpy.asarray(values, f"{code}8[{values.unit}]"), zone=zone)
    if not isinstance(values, pd.Categorical) and not hasattr(kind, "__arrow_array__"):
        return _object_column(name, numpy.asarray(values, object))
    array = pa.array(values, from_pandas=True)
    return _arrow_chunks(name, pa.field("", array.type), array)


# --- columns of Python objects --------------------------------------------------------------------


def _object_column(name: str, values: Any) -> Column:
    """As pyarrow infers it, or cell by cell where it cannot or where it would lose what differs."""
    import pyarrow as pa

    if _is_plain(values):
        try:
            array = inferred(values)
        except Exception:  # numbers out of range, text that is not UTF-8, mixed cells...
            return _cells(name, values)
        return _arrow_chunks(name, pa.field("", array.type), array)
    return _cells(name, values)


def _is_plain(values: Any) -> bool:
    """Whether pyarrow keeps apart what differs in these cells.

    It takes text for bytes beside bytes, a datetime for a date beside a date, one zone for all
    datetimes, and lists a set in the order of its hashes. It cuts nanoseconds and long doubles
    off, 0.5 as a float16 beside a whole number becomes 0, and of arrays of durations in several
    units it takes all for the first (24.0 to 26.0).
    """
    import numpy

    kinds: set[Any] = set()
    zones: set[str] = set()
    try:
        for start in range(0, len(values), BLOCK_ROWS):
            _look(values[start : start + BLOCK_ROWS].tolist(), kinds, zones, 0)
    except NoCanonicalForm:
        return False
    units = {kind for kind in kinds if isinstance(kind, numpy.dtype)}
    kinds -= units
    datetimes = any(issubclass(kind, datetime.datetime) for kind in kinds)
    return not (
        (kinds & {str, numpy.str_} and kinds & {bytes, bytearray, numpy.bytes_})
        or (numpy.float16 in kinds and len(kinds - {type(None)}) > 1)
        or len(units) > 1
        or (units and any(issubclass(kind, _TIMES) for kind in kinds))
        or (datetimes and datetime.date in kinds)
        or len(zones) > 1
        or (datetime.time in kinds and zones - {""})
    )


_PLAIN: Final = frozenset(
    {
        type(None), bool, int, float, str, bytes, bytearray, decimal.Decimal, uuid.UUID,
        datetime.date, datetime.datetime, datetime.time, datetime.timedelta,
    }
)  # fmt: skip
_NESTED: Final = frozenset({list, tuple, dict})
_TIMES: Final = (datetime.date, datetime.time, datetime.timedelta)


def _look(values: Any, kinds: set[Any], zones: set[str], depth: int) -> None:
    """Collect the classes of some cells, and of what they hold; of arrays of times the type.

    Raises:
        NoCanonicalForm: for a class that pyarrow does not know or takes for another.
    """
    import numpy
    import pandas as pd

    if depth > 32:
        raise NoCanonicalForm("more than 32 levels")
    found = set(map(type, values))
    if numpy.ndarray in found:
        for value in values:
            if type(value) is numpy.ndarray:
                if value.dtype.kind == "O":
                    _look(value.tolist(), kinds, zones, depth + 1)
                else:
                    kinds.add(value.dtype if value.dtype.kind in "mM" else value.dtype.type)
        found.discard(numpy.ndarray)
    if found & _NESTED:
        for value in values:
            kind = type(value)
            if kind is dict:
                if set(map(type, value)) - {str}:
                    raise NoCanonicalForm("a dictionary whose keys are not text")
                _look(list(value.values()), kinds, zones, depth + 1)
            elif kind is list or kind is tuple:
                _look(value, kinds, zones, depth + 1)
        found -= _NESTED
    kinds |= found
    if found <= {str, type(None), float, int}:
        return
    known = {pd.Timestamp, pd.Timedelta, type(pd.NaT), type(pd.NA)}
    for kind in found - _PLAIN - known:
        if not (issubclass(kind, numpy.generic) and kind.__module__ == "numpy") or (
            kind is numpy.longdouble
        ):
            raise NoCanonicalForm(f"a cell of class {kind.__qualname__}")
    for kind, part in ((pd.Timestamp, "nanosecond"), (pd.Timedelta, "nanoseconds")):
        if kind in found and any(getattr(value, part) for value in values if type(value) is kind):
            raise NoCanonicalForm("a time with nanoseconds")
    clocks = {datetime.datetime, datetime.time, pd.Timestamp}
    if found & clocks:
        zones |= {zone_name(value.tzinfo) for value in values if type(value) in clocks}


def _cells(name: str, values: Any) -> Column:
    """A column of Python objects by the canonical form of each (section 7.3)."""
    column = Column(name, b"python", _write_cells, _first)
    column.add(values)
    return column


def _first(pieces: list[Any]) -> Any:
    return pieces[0]  # a column of objects is added as a whole, and never joined


def _write_cells(values: Any, block: Block) -> None:
    import numpy
    import pandas as pd

    missing = [
        value is None or value is pd.NaT or value is pd.NA
        or (isinstance(value, float) and value != value)
        for value in values
    ]  # fmt: skip
    rows = len(missing)
    if all(missing):
        block.nothing(rows)
        return
    for value, absent in zip(values, missing, strict=True):
        block.write(bytes(32) if absent else canonical_digest(value))
    block.end(rows, numpy.logical_not(missing) if any(missing) else None)

"""Tables: what the columns of a container are (section 7)."""

from __future__ import annotations

import datetime
import decimal
import itertools
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from otelprov._record import record
from otelprov.artifacts import classes, columns, lists
from otelprov.artifacts.arrow import arrow_column, arrow_form
from otelprov.artifacts.digest import (
    BLOCK_ROWS,
    Block,
    Column,
    ColumnDigest,
    Form,
    NoCanonicalForm,
    TableDigest,
    table_digest,
    whole_column,
)
from otelprov.artifacts.inference import inferred
from otelprov.artifacts.interruptions import is_of_the_program
from otelprov.artifacts.values import canonical_digest, zone_name
from otelprov.artifacts.vectors import numpy_form


def table_tree(value: object) -> TableDigest | None:
    """The digests of a table and of its columns, or None if it has none."""
    try:
        return digest(value) if is_table(value) else None
    except Exception as error:
        if is_of_the_program(error):
            raise
        return None


def is_table(value: object) -> bool:
    """Whether ``digest`` is meant for it."""
    return _is_pandas(value) or _is_arrow(value) or _is_polars(value) or _is_stream(value)


def is_reader(value: object) -> bool:
    """Whether it is an Arrow stream that can be read once; ``digest`` reads it."""
    pa: Any = sys.modules.get("pyarrow")
    return pa is not None and type(value) is getattr(pa, "RecordBatchReader", None)


def shape(value: Any) -> tuple[int | None, int | None]:
    """Rows and columns of a table that has no digest, where they are known."""
    try:
        if not (_is_pandas(value) or _is_polars(value) or _is_arrow(value)):
            return None, None
        sizes: tuple[int, ...] = getattr(value, "shape", (len(value),))
        return sizes[0], sizes[1] if len(sizes) == 2 else 1
    except Exception as error:  # a subclass of the user's
        if is_of_the_program(error):
            raise
        return None, None


def digest(value: Any, *, blocks: bool = False) -> TableDigest:
    """The digests of a table and of its columns, and with ``blocks`` of their blocks of rows.

    Raises:
        NoCanonicalForm: with the column that has none.
    """
    request = _Request(blocks)
    if "pyarrow" not in sys.modules and (found := _listed(value, request)) is not None:
        return table_digest(value.height, found)
    if not _load_pyarrow():
        raise NoCanonicalForm("pyarrow is not installed")
    if _is_pandas(value):
        return table_digest(*_pandas(value, request))
    if _is_arrow(value):
        return table_digest(*_arrow(value, request))
    if _is_polars(value):
        return table_digest(*_polars(value, request))
    return table_digest(*_stream(value, request))


def _load_pyarrow() -> bool:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return False
    return True


@record
class _Request:
    """What the caller of ``digest`` asked for."""

    blocks: bool = False

    def hashed(self, name: str, form: Form, pieces: Iterable[Any]) -> ColumnDigest:
        """The digest of a column that consists of these pieces."""
        column = Column(name, form)
        for piece in pieces:
            column.add(piece)
        return column.digest(blocks=self.blocks)

    def whole(self, name: str, form: Form, piece: Any) -> ColumnDigest:
        """The same of one piece."""
        if 0 < len(piece) <= BLOCK_ROWS:
            return whole_column(name, form, piece, blocks=self.blocks)
        return self.hashed(name, form, (piece,))


_Columns = tuple[int, list[ColumnDigest]]
"""Rows, and the columns."""


# --- Arrow ----------------------------------------------------------------------------------------


def _is_arrow(value: object) -> bool:
    pa: Any = sys.modules.get("pyarrow")
    if pa is None or not hasattr(pa, "Table"):
        return False
    return issubclass(type(value), (pa.Table, pa.RecordBatch, pa.ChunkedArray, pa.Array))


def _arrow(value: Any, request: _Request) -> _Columns:
    import pyarrow as pa

    if isinstance(value, (pa.Table, pa.RecordBatch)):
        fields = zip(value.schema, value.columns, strict=True)
        columns = [_arrow_chunks(field.name, field, chunks, request) for field, chunks in fields]
        return value.num_rows, columns
    return len(value), [_arrow_chunks(UNNAMED, value.type, value, request)]


UNNAMED: Final = "0"
"""The name of a column that has none: what pandas calls the column of an unnamed Series."""


def _arrow_chunks(name: str, field: Any, values: Any, request: _Request) -> ColumnDigest:
    """A column of an Array or a ChunkedArray."""
    form = arrow_form(name, field)
    number = getattr(values, "num_chunks", 0)  # an Array has none
    chunks = (values.chunk(0),) if number == 1 else getattr(values, "chunks", (values,))
    if len(chunks) == 1:
        return request.whole(name, form, chunks[0])
    return request.hashed(name, form, chunks)


def batches_digest(
    schema: Any, batches: Iterable[Any], names: Sequence[str] | None = None
) -> TableDigest:
    """The digest of record batches that arrive one by one; holds a block of each column at most."""
    return table_digest(*_batches(schema, batches, _Request(), names))


def _batches(
    schema: Any, batches: Iterable[Any], request: _Request, names: Sequence[str] | None = None
) -> _Columns:
    fields = zip(schema.names if names is None else names, schema, strict=True)
    columns = [arrow_column(name, field) for name, field in fields]
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        for column, array in zip(columns, batch.columns, strict=True):
            column.add(array)
    return rows, [column.digest(blocks=request.blocks) for column in columns]


# --- Polars and the Arrow stream interface --------------------------------------------------------


def _is_polars(value: object) -> bool:
    pl: Any = sys.modules.get("polars")
    if pl is None or not hasattr(pl, "DataFrame"):
        return False
    return issubclass(type(value), (pl.DataFrame, pl.Series))


def _polars(value: Any, request: _Request) -> _Columns:
    import polars as pl

    if isinstance(value, pl.Series):
        return len(value), [_series(value, request)]
    if value.height * value.width <= _LITTLE:
        columns = _little_frame(value, request)
        if columns is not None:
            return value.height, columns
    return len(value), [_series(column, request) for column in value.get_columns()]


_LITTLE: Final = 4_096
"""Cells of a frame that may be copied as it is exported at once: ten times as fast as each column
by itself where all is small."""


def _little_frame(frame: Any, request: _Request) -> list[ColumnDigest] | None:
    """The columns of a frame of little that is exported at once; None if that is not safe."""
    if not all(type(type_).__name__ in _SHARED for type_ in frame.dtypes):
        return None
    if "\0" in "".join(frame.columns):
        return None
    # A clone, because a frame joins its chunks in itself as it is exported (seen in 1.43).
    reader = _reader(frame.clone())
    batches = list(reader)
    if len(batches) > 1:
        return None
    fields = reader.schema
    if not batches:
        return [request.hashed(field.name, arrow_form(field.name, field), ()) for field in fields]
    parts = zip(fields, batches[0].columns, strict=True)
    return [_arrow_chunks(field.name, field, array, request) for field, array in parts]


_FEW: Final = 20_000
"""Cells of a frame that may be digested as Python's lists, at 50 to 140 ns each."""


class _Lists:
    """How much is digested like that before pyarrow is loaded: it takes half as long."""

    def __init__(self) -> None:
        self._left = 400_000

    def take(self, cells: int) -> bool:
        """Whether there is as much left."""
        self._left -= cells + 1_000  # for each frame 0.1 ms
        return self._left >= 0


_lists: Final = _Lists()


def _listed(frame: Any, request: _Request) -> list[ColumnDigest] | None:
    """The columns of a Polars frame of a few plain values; None where pyarrow is to look at it."""
    if not _is_polars(frame) or not hasattr(frame, "height"):
        return None
    cells = frame.height * frame.width
    if cells > _FEW or (not _lists.take(cells) and _load_pyarrow()):
        return None
    found = []
    for series in frame.get_columns():
        name, type_ = series.name, series.dtype
        form = lists.polars_form(name, type_)
        if form is None:
            return None
        values = series.to_physical() if type_.is_temporal() else series
        found.append(request.whole(name, form, values.to_list()))
    return found


def _series(series: Any, request: _Request) -> ColumnDigest:
    """One column at a time: a frame whose columns are cut at different rows is copied as it is
    exported, and a column by itself is not."""
    name, type_ = series.name, series.dtype
    if "\0" in name:
        series = series.alias("")
    if type(type_).__name__ in _SHARED:
        values = _exported(series)
        return _arrow_chunks(name, values.type, values, request)
    if type(type_).__name__ in _NAMED:
        # Each export of a piece has all of the names in it.
        import polars as pl

        starts = range(0, len(series), _SLICE)
        pieces = (_exported(series[i : i + _SLICE].cast(pl.String)) for i in starts)
        form = arrow_form(name, _exported(series[:0].cast(pl.String)).type)
        return request.hashed(name, form, (chunk for piece in pieces for chunk in piece.chunks))
    _exportable(name, type_)
    frame = series.to_frame()
    # Of decimals of 32 and 64 bits that came from Arrow in lists and structs, the stream aborts the
    # process, and this raises (2.1.0).
    read = _table_reader if type_.is_nested() and _has_decimal(type_) else _reader
    first = read(frame[:_SLICE])
    form = arrow_form(name, first.schema.field(0))
    # Slice by slice: Polars copies such columns as it exports them (2.1.0).
    later = (read(frame[i : i + _SLICE]) for i in range(_SLICE, len(frame), _SLICE))
    batches = itertools.chain(first, itertools.chain.from_iterable(later))
    return request.hashed(name, form, (batch.column(0) for batch in batches))


_SLICE: Final = 4 * BLOCK_ROWS

_NAMED: Final = frozenset(("Categorical", "Enum"))
_SHARED: Final = frozenset(
    "Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float32 Float64 Boolean String Binary"
    " Date Time Datetime Duration Decimal".split()
)
"""Types of Polars that Arrow has as well, in the same form."""


def _exported(series: Any) -> Any:
    import pyarrow as pa

    if not hasattr(series, "__arrow_c_stream__") or int(pa.__version__.partition(".")[0]) < 18:
        # These would take the series for a sequence of arrays, and each text for a list of letters.
        return pa.chunked_array([series.to_arrow()])
    try:
        return pa.chunked_array(series)
    except pa.ArrowException:
        raise NoCanonicalForm("it holds a type that pyarrow cannot import") from None


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
    map_: Any = getattr(pl, "Map", ())  # since Polars 2.0
    if isinstance(type_, map_):
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
        classes.defines(kind, frozenset({"__arrow_c_stream__"}))
        and classes.defines(kind, frozenset({"__len__", "num_rows"}))
        and not classes.defines(kind, frozenset({"__next__"}))
        and classes.module(kind).partition(".")[0] not in _LAZY
    )


def _stream(value: Any, request: _Request) -> _Columns:
    reader = _reader(value)
    return _batches(reader.schema, reader, request)


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
    return issubclass(
        type(value), (pd.DataFrame, pd.Series, pd.Index, pd.api.extensions.ExtensionArray)
    )


def _pandas(value: Any, request: _Request) -> _Columns:
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        names = [_column_name(name) for name in value.columns]
        vectors = [columns.frame_column(value, i) for i in range(len(names))]
        index = value.index
    elif isinstance(value, pd.Series):
        names = [UNNAMED if value.name is None else _column_name(value.name)]
        vectors = [value.array]
        index = value.index
    elif not isinstance(value, pd.Index):  # an extension array is the series of it
        if value.ndim != 1:
            raise NoCanonicalForm("an extension array of two dimensions has no canonical form")
        names, vectors, index = [UNNAMED], [value], None
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
    parts = zip(names, vectors, strict=True)
    return rows, [_pandas_column(name, vector, request) for name, vector in parts]


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


def _pandas_column(name: str, values: Any, request: _Request) -> ColumnDigest:
    """A column of a NumPy vector or of a pandas extension array."""
    import numpy
    import pandas as pd

    if type(values) is numpy.ndarray and values.dtype.kind != "O":
        return request.whole(name, numpy_form(name, values.dtype), values)
    import pyarrow as pa

    if isinstance(values, pd.arrays.SparseArray):
        values = values.to_dense()
    # Its name before pandas 2.1 was PandasArray, which later ones know too, but warn of.
    if type(values) is (getattr(pd.arrays, "NumpyExtensionArray", None) or pd.arrays.PandasArray):
        values = values.to_numpy()
    if isinstance(values, numpy.ndarray):
        if values.dtype.kind == "O":
            return _object_column(name, values, request)
        return request.whole(name, numpy_form(name, values.dtype), values)
    kind = type(values)
    if kind is pd.arrays.TimedeltaArray or kind is pd.arrays.DatetimeArray:
        zone = getattr(values, "tz", None)
        if zone is not None:
            zone = pa.timestamp(values.unit, zone).tz
        code = "m" if kind is pd.arrays.TimedeltaArray else "M"
        # Without the type, each instant that has a zone would become an object.
        vector = numpy.asarray(values, f"{code}8[{values.unit}]")
        return request.whole(name, numpy_form(name, vector.dtype, zone=zone), vector)
    if not isinstance(values, pd.Categorical) and not hasattr(kind, "__arrow_array__"):
        return _object_column(name, numpy.asarray(values, object), request)
    array = columns.arrow_values(values)
    if array is None:
        array = pa.array(values, from_pandas=True)
    kept = None if request.blocks else columns.kept(array)
    if kept is None:
        return _arrow_chunks(name, array.type, array, request)
    if kept.digest is None:
        kept.digest = _arrow_chunks(name, array.type, array, request)
    return replace(kept.digest, name=name)


# --- columns of Python objects --------------------------------------------------------------------


def _object_column(name: str, values: Any, request: _Request) -> ColumnDigest:
    """As pyarrow infers it, or cell by cell where it cannot or where it would lose what differs."""
    import pyarrow as pa

    kinds: set[Any] = set()
    if not _is_plain(values, kinds):
        return request.hashed(name, CELLS, (values,))
    try:
        if str in kinds and kinds <= _TEXT:
            text = pa.large_string()
            return request.hashed(name, arrow_form(name, text), _converted(values, text))
        array = inferred(values)
    except Exception as error:  # numbers out of range, text that is not UTF-8, mixed cells...
        if isinstance(error, MemoryError) or is_of_the_program(error):
            raise  # says nothing of the cells
        return request.hashed(name, CELLS, (values,))
    return _arrow_chunks(name, array.type, array, request)


_TEXT: Final = frozenset({str, type(None), float})
"""Classes of the cells of text, with None and NaN for what is missing."""


def _converted(values: Any, type_: Any) -> Iterator[Any]:
    """Objects as Arrow arrays, a block at a time."""
    import pyarrow as pa

    for start in range(0, len(values), BLOCK_ROWS):
        yield pa.array(values[start : start + BLOCK_ROWS], type_, from_pandas=True)


def _is_plain(values: Any, kinds: set[Any]) -> bool:
    """Whether pyarrow keeps apart what differs in these cells. Collects their classes in ``kinds``.

    It takes text for bytes beside bytes, a datetime for a date beside a date, one zone for all
    datetimes, and lists a set in the order of its hashes. It cuts nanoseconds and long doubles
    off, 0.5 as a float16 beside a whole number becomes 0, and of arrays of durations in several
    units it takes all for the first (24.0 to 26.0). A UUID becomes a number or a day beside these,
    and 16 bytes or letters beside a UUID become one.
    """
    import numpy

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
        or (uuid.UUID in kinds and any(kind not in _BESIDE_UUIDS for kind in kinds))
        or (numpy.datetime64 in kinds and any(map(_is_other_scalar, kinds)))
        or len(zones) > 1
        or (datetime.time in kinds and zones - {""})
    )


_BESIDE_UUIDS: Final = frozenset({uuid.UUID, type(None), float})
"""A UUID, and what is missing: a float that is not NaN is an error."""


def _is_other_scalar(kind: Any) -> bool:
    """Whether pyarrow dies of it (a segmentation fault) after a NumPy datetime64 (26.0.1)."""
    import numpy

    return issubclass(kind, numpy.generic) and not issubclass(
        kind, (numpy.datetime64, str, bytes, float)
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


CELLS: Final = Form(b"python", _write_cells, _first)
"""A column of Python objects by the canonical form of each (section 7.3)."""

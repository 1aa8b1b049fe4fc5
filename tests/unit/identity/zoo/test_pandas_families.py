"""Frames of pandas: one content has one id however it is kept, and another content another."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelprov.artifacts import identify
from zoo.examples import family
from zoo.families import WORDS
from zoo.processes import Worker

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = 6


def table_id(value: object) -> str:
    artifact = identify(value)
    assert artifact.coverage == "full", artifact.reason
    return artifact.id


class Seen:
    """Contents and ids, each of which must have the other for its own."""

    def __init__(self) -> None:
        self._ids: dict[Any, str] = {}
        self._contents: dict[str, Any] = {}

    def add(self, content: Any, id_: str) -> None:
        assert self._ids.setdefault(content, id_) == id_, "one content, two ids"
        assert self._contents.setdefault(id_, content) == content, "two contents, one id"


def through_parquet(frame: pd.DataFrame) -> pa.Table:
    sink = io.BytesIO()
    frame.to_parquet(sink)
    return pq.ParquetFile(io.BytesIO(sink.getvalue())).read()


# --- columns of NumPy -----------------------------------------------------------------------------

KINDS = "i1 i2 i4 i8 u1 u2 u4 u8 f4 f8 ? c8 c16".split()
KINDS += [f"{kind}8[{unit}]" for kind in "mM" for unit in ("s", "ms", "us", "ns")]


@st.composite
def vectors(draw: st.DrawFn, rows: int) -> np.ndarray[Any, Any]:
    """A vector of any type that pandas keeps as NumPy does; few values, so that some are equal."""
    kind = draw(st.sampled_from(KINDS))
    if kind[0] in "fc":
        few = st.sampled_from([0.0, -0.0, 1.0, float("nan"), float("inf"), 0.1])
        cells = draw(st.lists(few | st.floats(width=32), min_size=rows, max_size=rows))
        vector = np.array(cells, kind)
        if kind[0] == "c":
            vector = vector + np.array(1j, kind) * draw(st.integers(-1, 1))
        return vector.astype(kind)
    if kind[0] in "mM":
        cells = draw(st.lists(st.integers(-3, 3) | st.just(None), min_size=rows, max_size=rows))
        nat = np.iinfo("i8").min
        return np.array([nat if c is None else c for c in cells], "i8").view(kind)
    low = 0 if kind[0] in "u?" else -2
    return np.array(draw(st.lists(st.integers(low, 2), min_size=rows, max_size=rows)), "i8").astype(
        kind
    )


def vector_content(vector: np.ndarray[Any, Any]) -> Any:
    kind, unit = vector.dtype.kind, ""
    if kind in "mM":
        unit = np.datetime_data(vector.dtype)[0]
        cells = [None if np.isnat(x) else int(x.view("i8")) for x in vector]
        if kind == "M" and unit == "s":
            unit, cells = "ms", [None if c is None else c * 1000 for c in cells]
    elif kind in "fc":
        cells = [None if np.isnan(x) else x.tobytes() for x in vector]
    else:
        cells = vector.tolist()
    return kind, vector.dtype.itemsize, unit, tuple(cells)


Columns = list[tuple[str, Any]]


@st.composite
def numpy_columns(draw: st.DrawFn) -> Columns:
    rows = draw(st.integers(0, ROWS))
    count = draw(st.integers(1, 3))
    names = draw(st.lists(WORDS, min_size=count, max_size=count, unique=True))
    return [(name, draw(vectors(rows))) for name in names]


def frame_of(columns: Columns) -> pd.DataFrame:
    return pd.DataFrame(dict(columns))


@family("pandas: numpy")
@given(numpy_columns(), st.data())
def test_numpy_backed_frames(worker: Worker, columns: Columns, data: st.DataObject) -> None:
    frame = frame_of(columns)
    rows = len(frame)
    expected = table_id(frame)
    added = pd.DataFrame(index=frame.index)
    for name, vector in columns:
        added[name] = vector
    cut = data.draw(st.integers(0, rows))
    doubled = frame.loc[frame.index.repeat(2)].reset_index(drop=True)
    swapped = {n: v.astype(v.dtype.newbyteorder(">")) for n, v in columns if v.dtype.kind in "iuf"}
    same = [
        added,
        pd.concat([frame.iloc[:cut], frame.iloc[cut:]]),
        pd.concat([frame[[name]] for name, _ in columns], axis=1),
        doubled[::2].reset_index(drop=True),
        frame[::-1][::-1].reset_index(drop=True),
        frame.copy(),
        frame.assign(**swapped),
        pickle.loads(pickle.dumps(frame)),
    ]
    if not any(vector.dtype.kind == "c" for _, vector in columns):
        arrow = pa.Table.from_pandas(frame)
        same += [arrow, through_parquet(frame), arrow.to_pandas(types_mapper=pd.ArrowDtype)]
        # Polars has no durations in seconds, names what has no name, and cuts a name at NUL.
        if not any(str(v.dtype) == "timedelta64[s]" or not n or "\0" in n for n, v in columns):
            same.append(pl.from_arrow(arrow))
    for i, other in enumerate(same):
        assert table_id(other) == expected, i
    worker.expect_pickled(frame, expected)

    seen = Seen()
    i = data.draw(st.integers(0, len(columns) - 1))
    name, vector = columns[i]
    variants = [columns, columns[::-1], columns[:i] + columns[i + 1 :]]
    variants.append([*columns[:i], (data.draw(WORDS), vector), *columns[i + 1 :]])
    variants.append([*columns[:i], (name, data.draw(vectors(rows))), *columns[i + 1 :]])
    variants.append([(n, v[::-1]) for n, v in columns])
    variants.append([(n, v[1:]) for n, v in columns])
    if rows:
        row = data.draw(st.integers(0, rows - 1))
        edited = vector.copy()
        edited[row] = edited[data.draw(st.integers(0, rows - 1))]
        variants.append([*columns[:i], (name, edited), *columns[i + 1 :]])
    for variant in variants:
        if len({n for n, _ in variant}) < len(variant) or not variant:
            continue
        content = tuple((n, vector_content(v)) for n, v in variant)
        seen.add(content, table_id(frame_of(variant)))


# --- nullable types -------------------------------------------------------------------------------

NULLABLE = "Int8 Int16 Int32 Int64 UInt8 UInt64 Float32 Float64 boolean string".split()


@st.composite
def nullable(draw: st.DrawFn) -> tuple[str, list[Any]]:
    kind = draw(st.sampled_from(NULLABLE))
    cells: st.SearchStrategy[Any] = st.integers(0, 1)
    if kind.startswith("Float"):
        cells = st.sampled_from([0.0, -0.0, 1.5, float("inf")])
    elif kind == "boolean":
        cells = st.booleans()
    elif kind == "string":
        cells = WORDS
    return kind, draw(st.lists(st.none() | cells, max_size=ROWS))


def build(kind: str, cells: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"n": pd.array(cells, dtype=kind)})


@family("pandas: nullable")
@given(nullable(), st.data())
def test_frames_of_nullable_types(
    worker: Worker, column: tuple[str, list[Any]], data: st.DataObject
) -> None:
    kind, cells = column
    frame = build(kind, cells)
    expected = table_id(frame)
    arrow = pa.Table.from_pandas(frame)
    cut = data.draw(st.integers(0, len(cells)))
    same = [
        arrow, through_parquet(frame), arrow.to_pandas(types_mapper=pd.ArrowDtype),
        pd.concat([frame.iloc[:cut], frame.iloc[cut:]]), pickle.loads(pickle.dumps(frame)),
        frame[::-1][::-1].reset_index(drop=True), pl.from_arrow(arrow),
        pd.DataFrame({"n": pd.Series(cells, dtype=object).astype(kind)}),
    ]  # fmt: skip
    if kind == "string":
        same += [
            pd.DataFrame({"n": pd.array(cells, dtype=f"string[{s}]")})
            for s in ("python", "pyarrow")
        ]
    else:  # something else under what is missing
        make = type(frame["n"].array)
        hidden = frame["n"].array.copy()
        mask = np.array([cell is None for cell in cells], bool)
        filler = True if kind == "boolean" else data.draw(st.integers(0, 1))
        filled = hidden.fillna(filler).to_numpy(hidden.dtype.numpy_dtype)
        same.append(pd.DataFrame({"n": make(filled, mask)}))
    for i, other in enumerate(same):
        assert table_id(other) == expected, i
    worker.expect_pickled(frame, expected)

    seen = Seen()
    other_kind = data.draw(st.sampled_from(NULLABLE))
    for variant_kind, variant in (
        (kind, cells), (kind, cells[::-1]), (kind, cells[1:]), (kind, [*cells, None]),
        (kind, [None, *cells[1:]]), (other_kind, cells),
    ):  # fmt: skip
        try:
            made = build(variant_kind, variant)
        except (TypeError, ValueError, OverflowError):
            continue
        plain = [None if cell is pd.NA else cell for cell in made["n"].tolist()]
        seen.add((variant_kind, repr(plain)), table_id(made))


# --- categoricals ---------------------------------------------------------------------------------


@family("pandas: categoricals")
@given(
    st.sampled_from([["p", "q", "r"], [1, 2, 3], [0.5, 1.5, -0.0], [True, False]]),
    st.lists(st.integers(-1, 1), max_size=ROWS),
    st.data(),
)
def test_categoricals(
    worker: Worker, categories: list[Any], codes: list[int], data: st.DataObject
) -> None:
    def make(codes: list[int], categories: list[Any], ordered: bool = False) -> pd.DataFrame:
        return pd.DataFrame({"k": pd.Categorical.from_codes(codes, categories, ordered)})

    frame = make(codes, categories)
    expected = table_id(frame)
    order = data.draw(st.permutations(range(len(categories))))
    turned = [categories[i] for i in order]
    recoded = [-1 if code < 0 else order.index(code) for code in codes]
    cells = [None if code < 0 else categories[code] for code in codes]
    arrow = pa.Table.from_pandas(frame)
    type_ = arrow["k"].type.value_type
    same = [
        make(recoded, turned), make(recoded, turned, True), make(codes, categories[:2]),
        arrow, through_parquet(frame), pa.table({"k": pa.array(cells, type_)}),
        pl.from_arrow(pa.table({"k": pa.array(cells, type_)})), pickle.loads(pickle.dumps(frame)),
    ]  # fmt: skip
    for i, other in enumerate(same):
        assert table_id(other) == expected, i
    worker.expect_pickled(frame, expected)
    seen = Seen()
    for variant in (
        codes,
        codes[::-1],
        codes[1:],
        [*codes, -1],
        [1 - c if c >= 0 else c for c in codes],
    ):
        values = [None if code < 0 else categories[code] for code in variant]
        seen.add(repr(values), table_id(make(variant, categories)))


# --- the index ------------------------------------------------------------------------------------

LEVELS = st.sampled_from(
    [
        ["a", "b", "c"],
        [1, 2, 3],
        [1.5, -0.0, 2.5],
        list(pd.date_range("2020", periods=3, unit="us")),
    ]
    if pd.__version__ >= "2.2"
    else [["a", "b", "c"], [1, 2, 3], [1.5, -0.0, 2.5]]
)


@st.composite
def indexes(draw: st.DrawFn, rows: int) -> tuple[list[Any], list[str | None]]:
    levels = draw(st.lists(LEVELS, min_size=1, max_size=3))
    columns = [
        draw(st.lists(st.sampled_from(level), min_size=rows, max_size=rows)) for level in levels
    ]
    names = draw(
        st.lists(st.sampled_from([None, "k", "l", "x"]), min_size=len(levels), max_size=len(levels))
    )
    return [
        pd.Index(c, dtype=type_of(level)) for c, level in zip(columns, levels, strict=True)
    ], names


def type_of(level: list[Any]) -> Any:
    """The type of a level, also when it has no rows."""
    return pd.Index(level).dtype


def indexed(columns: list[Any], names: list[str | None], values: list[int]) -> pd.DataFrame:
    index = (
        columns[0].rename(names[0])
        if len(columns) == 1
        else pd.MultiIndex.from_arrays(columns, names=names)
    )
    return pd.DataFrame({"x": values}, index=index, dtype="i8")


def index_content(columns: list[Any], names: list[str | None], values: list[int]) -> Any:
    """The names by the rules of section 7.2, the cells as they print."""
    taken = {"x"}
    found = []
    for i, (column, name) in enumerate(zip(columns, names, strict=True)):
        if name is None or name in taken:
            name = f"__index_level_{i}__"
        taken.add(name)
        found.append((name, str(column.dtype), tuple(map(repr, column))))
    return tuple(values), tuple(found)


@family("pandas: indexes")
@given(st.data())
def test_indexes(worker: Worker, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, 2), max_size=ROWS))
    columns, names = data.draw(indexes(len(values)))
    frame = indexed(columns, names, values)
    expected = table_id(frame)
    same: list[Any] = [pa.Table.from_pandas(frame), pickle.loads(pickle.dumps(frame)), frame.copy()]
    if len(set(names)) == len(names):
        same.append(through_parquet(frame))
    cut = data.draw(st.integers(0, len(values)))
    same.append(pd.concat([frame.iloc[:cut], frame.iloc[cut:]]) if 0 < cut < len(values) else frame)
    if isinstance(frame.index, pd.MultiIndex):
        turned = pd.MultiIndex(
            levels=[level[::-1] for level in frame.index.levels],
            codes=[
                [len(level) - 1 - code for code in codes]
                for level, codes in zip(frame.index.levels, frame.index.codes, strict=True)
            ],
            names=names,
        )
        same += [frame.set_axis(turned), frame.set_axis(frame.index.remove_unused_levels())]
    for i, other in enumerate(same):
        assert table_id(other) == expected, i
    worker.expect_pickled(frame, expected)

    seen = Seen()
    others, other_names = data.draw(indexes(len(values)))
    reversed_ = [column[::-1] for column in columns]
    for variant in (
        (columns, names, values), (columns[::-1], names[::-1], values), (others, other_names,
        values),
        (columns, data.draw(st.permutations(names)), values), (reversed_, names, values),
        (columns, names, values[::-1]), ([c[1:] for c in columns], names, values[1:]),
        (columns[:1], names[:1], values), (columns, [None] * len(names), values),
    ):  # fmt: skip
        seen.add(index_content(*variant), table_id(indexed(*variant)))

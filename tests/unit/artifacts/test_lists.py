"""Columns as lists of Python's values have the digests of the same columns in Arrow."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap

import polars as pl
import pyarrow as pa
import pytest
from arrow_data import FLAT, tables
from hypothesis import assume, given
from hypothesis import strategies as st

from otelprov.artifacts import lists
from otelprov.artifacts.digest import ColumnDigest, NoCanonicalForm, whole_column
from otelprov.artifacts.tables import digest

PLAIN = [
    (type_, values)
    for type_, values in FLAT
    if not pa.types.is_decimal(type_)
    and not pa.types.is_dictionary(type_)
    and type_ not in (pa.null(), pa.binary(3))
]


def listed(series: pl.Series) -> ColumnDigest:
    form = lists.polars_form(series.name, series.dtype)
    assert form is not None, series.dtype
    values = series.to_physical() if series.dtype.is_temporal() else series
    return whole_column(series.name, form, values.to_list())


@given(tables(st.sampled_from(PLAIN)))
def test_each_type_of_polars_has_the_digest_of_its_arrow_array(table: pa.Table) -> None:
    assume(table.num_rows and len(set(table.column_names)) == table.num_columns)
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    assert tuple(map(listed, frame.get_columns())) == digest(frame).columns


@pytest.mark.parametrize(
    "series",
    [
        pl.Series([0.0, -0.0, math.inf, -math.inf, math.nan, -math.nan, 5e-324, None]),
        pl.Series([1.5, math.nan, -math.nan, 1e-45, None], dtype=pl.Float32),
        pl.Series([None, None], dtype=pl.String),
        pl.Series([None, None, None], dtype=pl.Boolean),
        pl.Series([True] * 9 + [None, False]),
        pl.Series(["", None, "é", "x" * 300]),
        pl.Series([b"", b"\0" * 70_000, None]),
        pl.Series(["x" * 255]),
        pl.Series(["x" * 256]),
        pl.Series(["ab", "cd"] * 40_000)[:65_536],
    ],
    ids=str,
)
def test_values_at_the_edges(series: pl.Series) -> None:
    assert listed(series) == digest(series.to_frame()).columns[0]


def test_what_has_no_form_says_why_and_what_is_not_plain_is_left_to_arrow() -> None:
    others = [pl.Decimal(9, 2), pl.List(pl.Int8), pl.Struct({"a": pl.Int8}), pl.Categorical()]
    others += [pl.Enum(["a"]), pl.Null(), pl.Object(), pl.Array(pl.Int8, 2)]
    assert [lists.polars_form("c", one) for one in others] == [None] * len(others)
    zone = pl.Datetime("us")
    object.__setattr__(zone, "time_zone", "no zone")
    with pytest.raises(NoCanonicalForm, match=r"column .c.: .*time zone"):
        lists.polars_form("c", zone)


PROGRAM = """
    import sys
    import polars as pl
    from otelprov.artifacts import identify
    hidden = {hidden}
    if hidden:
        class Hidden:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == "pyarrow":
                    raise ModuleNotFoundError(name)
        sys.meta_path.insert(0, Hidden())
    few = pl.DataFrame({{"a": [1, 2], "s": ["x", None], "f": [0.5, None]}})
    nothing = few.clear()
    first = [identify(few), identify(nothing)]
    assert "numpy" not in sys.modules and "pyarrow" not in sys.modules
    assert [one.coverage for one in first] == ["full", "full"], first
    for _ in range(1_000):
        last = identify(few)
    assert last == first[0]
    assert ("pyarrow" in sys.modules) is not hidden
    if not hidden:
        assert [identify(few), identify(nothing)] == first
    else:
        much = identify(pl.DataFrame({{"a": range(100_000)}}))
        assert much.reason == "pyarrow is not installed", much
"""


@pytest.mark.parametrize("hidden", [False, True])
def test_a_few_small_frames_do_not_load_pyarrow(hidden: bool) -> None:
    text = textwrap.dedent(PROGRAM.format(hidden=hidden))
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

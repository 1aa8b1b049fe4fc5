"""Tables of each family of Arrow types: one content has one id, and another content another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from arrow_data import array
from hypothesis import given
from hypothesis import strategies as st

from otelprov.artifacts import identify, table_tree
from zoo.examples import family
from zoo.families import (
    FAMILIES,
    WORDS,
    Typed,
    column_content,
    with_nulls,
)
from zoo.trips import Trips, layouts, one

types = pa.types

ROWS = 8


def table_id(value: object) -> str:
    artifact = identify(value)
    assert artifact.coverage == "full", artifact.reason
    assert artifact.kind == "table"
    return artifact.id


@dataclass(frozen=True)
class Example:
    """A column, how it is cut and what lies about it, and columns that are almost this one."""

    type: pa.DataType
    values: list[Any]
    cuts: list[int]
    before: list[Any]
    after: list[Any]
    filled: list[Any]
    """Something in the place of each null."""
    name: str
    edits: list[tuple[pa.DataType, list[Any]]]


@st.composite
def columns(draw: st.DrawFn, name: str) -> Example:
    # Drawn here and not by ``st.data`` in the test: Hypothesis takes twice the time over that.
    typed = draw(FAMILIES[name])
    type_, cells = typed
    some = st.none() | cells
    values = draw(st.lists(some, max_size=ROWS))
    return Example(
        type_,
        values,
        sorted(draw(st.lists(st.integers(0, len(values)), max_size=3))),
        draw(st.lists(some, max_size=9)),
        draw(st.lists(some, max_size=9)),
        values if type_ == pa.null() else [draw(cells) if v is None else v for v in values],
        draw(WORDS),
        edits(draw, typed, name, values),
    )


def edits(draw: Any, typed: Typed, name: str, values: list[Any]) -> list[tuple[Any, list[Any]]]:
    """Columns that are almost this one; some may be of its very content."""
    type_, cells = typed
    rows = len(values)
    edited = [(type_, [*values, None])]
    if rows:
        i = draw(st.integers(0, rows - 1))
        j = draw(st.integers(0, rows - 1))
        edited += [
            (type_, [*values[:i], draw(cells), *values[i + 1 :]]),
            (type_, [*values[:i], None, *values[i + 1 :]]),
            (type_, [*values[:i], *values[i + 1 :]]),
            (type_, [*values[:i], values[i], *values[i:]]),
            (type_, [values[j] if k == i else values[i] if k == j else v
                     for k, v in enumerate(values)]),
        ]  # fmt: skip
        if (
            i + 1 < rows
            and all(isinstance(v, (str, bytes, list)) for v in values[i : i + 2])
            and not (types.is_fixed_size_list(type_) or types.is_fixed_size_binary(type_))
        ):
            joined = values[i] + values[i + 1]
            cut = draw(st.integers(0, len(joined)))
            edited.append((type_, [*values[:i], joined[:cut], joined[cut:], *values[i + 2 :]]))
    other = draw(FAMILIES[name])[0]
    edited.append((other, values))
    return edited


def stored_otherwise(example: Example, plain: pa.Array, expected: str) -> None:
    """Every other way to keep the column in memory has its id."""
    type_, values = example.type, example.values
    spans = list(zip([0, *example.cuts], [*example.cuts, len(values)], strict=True))
    assert table_id(one(pa.chunked_array([plain[a:b] for a, b in spans], type_))) == expected
    pieces = [array(values[a:b], type_) for a, b in spans]
    assert table_id(one(pa.chunked_array(pieces, type_))) == expected, "chunks of their own"

    longer = array([*example.before, *values, *example.after], type_)
    part = longer.slice(len(example.before), len(values))
    assert table_id(one(part)) == expected, "a slice"
    assert identify(pa.RecordBatch.from_arrays([part], ["c"])).id == expected

    tail = table_id(one(plain.slice(1)))
    if None in values and type_ != pa.null():
        hidden = with_nulls(array(example.filled, type_), [v is not None for v in values])
        assert table_id(one(hidden)) == expected, "garbage under nulls"
        assert table_id(one(hidden.slice(1))) == tail
        assert table_id(one(array(values[1:], type_))) == tail

    for other in layouts(plain):
        assert table_id(one(other)) == expected, other.type
        assert table_id(one(other.slice(1))) == tail, other.type


def told_apart(example: Example, plain: pa.Array) -> None:
    """Its id is that of no other content."""
    seen: dict[Any, str] = {}
    owners: dict[str, Any] = {}
    for type_, cells in [(example.type, example.values), *example.edits]:
        try:
            made, what = array(cells, type_), column_content(type_, cells)
        except (
            pa.ArrowException,
            OverflowError,
            TypeError,
            ValueError,
            KeyError,
            AttributeError,
        ):
            continue  # not cells of that type
        artifact = identify(one(made, example.name))
        if artifact.coverage == "none":  # cells of one type need not be times of another
            assert "range" in artifact.reason or "whole day" in artifact.reason
            continue
        id_ = artifact.id
        assert seen.setdefault(what, id_) == id_, "equal content, two ids"
        assert owners.setdefault(id_, what) == what, "two contents, one id"
    assert len(seen) == len(owners)


def _test(name: str) -> Any:
    @family(f"arrow: {name}")
    @given(columns(name))
    def check(trips: Trips, example: Example) -> None:
        plain = array(example.values, example.type)
        table = one(plain)
        stored_otherwise(example, plain, table_id(table))
        told_apart(example, plain)
        tree = table_tree(table)
        assert tree is not None
        trips.add(plain, tree.columns[0].digest)

    return check


ARROW = {name: _test(name) for name in FAMILIES}


@pytest.mark.parametrize("name", FAMILIES)
def test_one_content_has_one_id_however_it_is_stored_and_another_has_another(
    name: str, trips: Trips
) -> None:
    ARROW[name](trips)
    trips.settle()


@st.composite
def wholes(draw: st.DrawFn) -> list[tuple[str, pa.DataType, list[Any]]]:
    """Tables of several columns: names, types and cells."""
    rows = draw(st.integers(0, 4))
    made = []
    for _ in range(draw(st.integers(1, 4))):
        type_, cells = draw(FAMILIES["everything"])
        values = draw(st.lists(st.none() | cells, min_size=rows, max_size=rows))
        made.append((draw(WORDS), type_, values))
    return made


@st.composite
def changes(draw: st.DrawFn) -> tuple[Any, int, int, str, int]:
    """A table, two of its columns, a new name, and a cut in the names of the two run together."""
    table = draw(wholes())
    i, j = (draw(st.integers(0, len(table) - 1)) for _ in "ij")
    return table, i, j, draw(WORDS), draw(st.integers(0, len(table[i][0] + table[j][0])))


@family("arrow: names and columns")
@given(changes())
def test_a_table_is_its_names_and_columns_in_their_order(
    change: tuple[list[tuple[str, pa.DataType, list[Any]]], int, int, str, int],
) -> None:
    table, i, j, name, cut = change
    names = table[i][0] + table[j][0]

    def renamed(*changes: tuple[int, str]) -> list[tuple[str, pa.DataType, list[Any]]]:
        new = dict(changes)
        return [(new.get(k, c[0]), c[1], c[2]) for k, c in enumerate(table)]

    swapped = list(table)
    swapped[i], swapped[j] = table[j], table[i]
    variants = [
        table,
        renamed((i, name)),
        renamed((i, names[:cut]), (j, names[cut:])),
        swapped,
        [*table[:i], *table[i + 1 :]],
        [*table, table[i]],
        [(n, t, v[::-1]) for n, t, v in table],
        [(n, t, [*v, None]) for n, t, v in table],
        [(n, t, v[1:]) for n, t, v in table],
    ]
    owners: dict[str, Any] = {}
    seen: dict[Any, str] = {}
    for variant in variants:
        if not variant:
            continue
        what = tuple((n, column_content(t, v)) for n, t, v in variant)
        arrays = [array(v, t) for _, t, v in variant]
        id_ = table_id(pa.Table.from_arrays(arrays, [n for n, _, _ in variant]))
        assert seen.setdefault(what, id_) == id_
        assert owners.setdefault(id_, what) == what

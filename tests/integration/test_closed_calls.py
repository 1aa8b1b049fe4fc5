"""Calls in which no code of the program's can run: what the library makes in there is not followed,
and nothing that the program gets to see is missed for it."""

from __future__ import annotations

import datetime
import pathlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import Spans

import otelprov
from otelprov.artifacts.deferred import resolve
from otelprov.artifacts.registry import registry
from otelprov.instrumentation._closed import runs_nothing_else


class Mine(pd.DataFrame):
    """A program's own."""

    @property
    def _constructor(self) -> Any:
        return Mine


@pytest.mark.parametrize(
    "value",
    [
        1,
        "sum",
        ["a", "b"],
        {"x": "sum", "y": ["min", "max"]},
        ("a", slice(1, 2)),
        pd.Grouper(key="k"),
        pd.Timestamp("2026-01-01"),
        pd.DataFrame({"a": [1]}),
        np.arange(3),
        np.dtype("int32"),
        float,
        datetime.date(2026, 1, 1),
        pathlib.PurePath("a"),
    ],
    ids=repr,
)
def test_values_bring_no_code(value: object) -> None:
    assert runs_nothing_else([value])


@pytest.mark.parametrize(
    "value",
    [
        len,
        lambda d: d,
        {"x": lambda d: d},
        [["a", [np.sum]]],
        np.add,
        pd.NamedAgg("x", len),
        Mine({"a": [1]}),
        Mine,
        object(),
        list(range(1000)),
        [[[[1]]]],
    ],
    ids=lambda value: type(value).__name__,
)
def test_functions_and_what_is_not_known_may_bring_code(value: object) -> None:
    assert not runs_nothing_else([value])


@pytest.fixture
def orders(tmp_path: Path, spans: Spans) -> pd.DataFrame:
    (tmp_path / "orders.csv").write_text("k,a,b\n1,10,x\n2,20,y\n1,30,z\n4,40,x\n")
    return pd.read_csv(tmp_path / "orders.csv")


def test_nothing_is_known_of_what_a_closed_call_makes_on_its_way(
    orders: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    assigned: list[object] = []
    assign = registry.assign

    def note(value: object, identity: Any) -> bool:
        assigned.append(value)
        return assign(value, identity)

    monkeypatch.setattr(registry, "assign", note)
    result = orders.merge(orders, on="k")
    assert [value is result for value in assigned] == [True]
    assigned.clear()
    orders.assign(c=lambda d: d["a"] * 2)
    assert len(assigned) > 2, "the program's own code sees what is made in here"


@pytest.mark.parametrize(
    "take",
    [
        lambda t, kept: t.assign(c=lambda d: kept.append(d[["a"]]) or 1),
        lambda t, kept: t.apply(lambda column: kept.append(column) or 1),
        lambda t, kept: t.loc[lambda d: kept.append(d[d["a"] > 10]) or [True] * 4],
    ],
)
@pytest.mark.parametrize("before", [False, True])
def test_what_the_programs_own_code_keeps_is_known(
    orders: pd.DataFrame, take: Any, before: bool
) -> None:
    kept: list[Any] = []
    if before:
        orders.groupby("k").sum()
        orders.sort_values("a")
    take(orders, kept)
    source = otelprov.artifact(orders).id
    assert kept
    for value in kept:
        identity = registry.lookup(value)
        assert identity is not None
        assert source in {one.id for one in map(resolve, identity.sources)}


def test_a_groupby_that_was_summed_gives_pieces_that_are_known(orders: pd.DataFrame) -> None:
    kept: list[pd.DataFrame] = []
    for groups in (orders.groupby("k"), orders.groupby("k")[["a", "b"]]):
        groups.sum()
        groups.size()
        kept.extend(piece for _, piece in groups)
        kept.append(groups.get_group(1))
    source = otelprov.artifact(orders).id
    for piece in kept:
        identity = registry.lookup(piece)
        assert identity is not None
        assert identity.artifact is not None or source in {one.id for one in identity.sources}

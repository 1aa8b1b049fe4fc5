"""In the tier ``full`` a column that was read is hashed once, and one that changed never keeps its
digest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from support import Spans

from otelprov.artifacts import columns, tables
from otelprov.recording.run import run

ROWS = 200_000
Frame = pd.DataFrame


@pytest.fixture(autouse=True)
def full(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "settings", run.settings._replace(tier="full"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "big.parquet"
    texts = [None if i % 9 == 0 else f"text {i % 1000}" for i in range(ROWS)]
    pq.write_table(pa.table({"s": texts, "t": texts[::-1], "n": range(ROWS)}), place)
    return place


def truth(frame: Frame) -> str:
    """The id of a frame as it is now: with its blocks it is hashed anew."""
    return tables.digest(frame, blocks=True).id


def content(spans: Spans, name: str) -> str:
    """By the last operation of that name."""
    found = [span for span in spans.all() if span.name == name]
    return str(found[-1].generated[0]["otelprov.artifact.content_id"])


def _mask(frame: Frame) -> None:
    frame.loc[frame["n"] > 5, "s"] = "more"


def _setattr(frame: Frame) -> None:
    frame.s = frame["t"]


CHANGES: dict[str, Callable[[Frame], Any]] = {
    "loc": lambda frame: frame.loc.__setitem__((0, "s"), "changed"),
    "loc of a number": lambda frame: frame.loc.__setitem__((0, "n"), 77),
    "iloc": lambda frame: frame.iloc.__setitem__((3, 0), "changed"),
    "at": lambda frame: frame.at.__setitem__((5, "s"), "changed"),
    "iat": lambda frame: frame.iat.__setitem__((5, 1), "changed"),
    "a mask": _mask,
    "a column": lambda frame: frame.__setitem__("s", frame["t"]),
    "an attribute": _setattr,
    "whole rows": lambda frame: frame.loc.__setitem__(slice(0, 2), ["a", "b", 1]),
    "one missing": lambda frame: frame.loc.__setitem__((1, "s"), None),
    "fillna": lambda frame: frame.fillna({"s": ""}, inplace=True),
    "replace": lambda frame: frame.replace({"s": {"text 1": "x"}}, inplace=True),
    "update": lambda frame: frame.update(Frame({"s": ["u"]}, index=[4])),
    "drop": lambda frame: frame.drop(index=range(10), inplace=True),
    "sort": lambda frame: frame.sort_values("t", inplace=True),
    "names": lambda frame: frame.set_axis(["t", "s", "n"], axis=1).pipe(
        lambda other: setattr(frame, "columns", other.columns)
    ),
    "pop and insert": lambda frame: frame.insert(0, "z", frame.pop("t")),
    "eval": lambda frame: frame.eval("n = n + 1", inplace=True),
    "the array": lambda frame: frame["s"].array.__setitem__(0, "changed"),
    "the array of a number": lambda frame: frame["n"].array.__setitem__(0, 99),
}


@pytest.mark.parametrize("backend", ["default", "pyarrow"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_frame_changed_in_place_never_has_an_old_digest(
    spans: Spans, path: Path, change: str, backend: str
) -> None:
    arguments: dict[str, Any] = {} if backend == "default" else {"dtype_backend": backend}
    frame = pd.read_parquet(path, **arguments)
    before = truth(frame)
    frame.assign(extra=1)
    spans.clear()
    CHANGES[change](frame)
    made = frame.assign(extra=1)
    assert truth(frame) != before
    assert content(spans, "pandas.assign") == truth(made)


def test_what_did_not_change_is_not_hashed_again(spans: Spans, path: Path) -> None:
    frame = pd.read_parquet(path)
    spans.clear()  # waits for the digests
    entry = columns.kept(columns.arrow_values(frame["s"].array))
    if entry is None:
        pytest.skip("text of this pandas is no Arrow data")
    assert entry.digest is not None
    entry.digest = replace(entry.digest, digest="00" * 32)
    made = frame.assign(extra=1)
    assert content(spans, "pandas.assign") != truth(made)


def test_memory_that_others_write_to_is_hashed_each_time(spans: Spans, tmp_path: Path) -> None:
    numbers = np.arange(ROWS)
    frame = Frame({"n": pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array(numbers)]))})
    before = truth(frame.assign(extra=1))
    spans.clear()
    numbers[0] = 99  # Arrow's array lies in the same memory
    made = frame.assign(extra=1)
    assert truth(made) != before
    assert content(spans, "pandas.assign") == truth(made)


def test_a_file_that_is_mapped_is_hashed_each_time(spans: Spans, tmp_path: Path) -> None:
    place = tmp_path / "mapped.feather"
    feather.write_feather(pa.table({"n": range(ROWS)}), str(place), compression="uncompressed")
    table = feather.read_table(str(place), memory_map=True)
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    assert columns.kept(columns.arrow_values(frame["n"].array)) is None

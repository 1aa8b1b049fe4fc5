"""Which columns an operation passed on: told by their digests, and never by chance."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from otelprov.artifacts import identify
from otelprov.recording.unchanged import MAX_TEXT, unchanged

LEFT = pd.DataFrame({"a": [1, 2, 3], "b": [1.5, 2.5, 3.5], "zero": [0, 0, 0]})


def told(made: pd.DataFrame, *used: pd.DataFrame) -> dict[str, dict[str, str]]:
    text, left = unchanged(identify(made), [identify(frame) for frame in used])
    assert left == 0
    return json.loads(text) if text else {}


def test_columns_of_one_name_and_content_are_unchanged() -> None:
    made = LEFT.assign(b=LEFT["b"] * 2, c=1)
    assert told(made, LEFT) == {identify(LEFT).id: {"a": "a", "zero": "zero"}}


def test_a_renamed_column_says_its_old_name() -> None:
    made = LEFT.rename(columns={"a": "n"})
    assert told(made, LEFT)[identify(LEFT).id] == {"n": "a", "b": "b", "zero": "zero"}


def test_a_new_column_that_is_equal_by_chance_is_not_a_renamed_one() -> None:
    assert told(LEFT.assign(flag=0), LEFT)[identify(LEFT).id] == {
        "a": "a", "b": "b", "zero": "zero"
    }  # fmt: skip


def test_which_of_two_equal_columns_was_renamed_is_not_known() -> None:
    twice = pd.DataFrame({"a": [1, 2], "b": [1, 2]})
    assert told(twice.rename(columns={"a": "x", "b": "y"}), twice) == {}
    assert told(twice[["a"]].rename(columns={"a": "x"}), twice) == {}


def test_rows_that_moved_are_a_change() -> None:
    assert told(LEFT.sort_values("a", ascending=False, ignore_index=True)[["a", "b"]], LEFT) == {}


def test_a_column_of_another_type_is_another_column() -> None:
    assert "a" not in told(LEFT.astype({"a": "int32"}), LEFT)[identify(LEFT).id]


def test_tables_without_rows_say_nothing() -> None:
    assert told(LEFT.iloc[:0], LEFT.iloc[:0]) == {}


def test_every_used_table_is_told_by_itself() -> None:
    right = pd.DataFrame({"a": [1, 2, 3], "r": ["x", "y", "z"]})
    found = told(LEFT.merge(right, on="a"), LEFT, right)
    assert found == {
        identify(LEFT).id: {"a": "a", "b": "b", "zero": "zero"},
        identify(right).id: {"a": "a", "r": "r"},
    }


@pytest.mark.parametrize("length", [5, 300, 3_000])
def test_what_is_too_long_is_cut_and_counted(length: int) -> None:
    wide = pd.DataFrame({f"{i:0{length}}": [i] for i in range(200)})
    text, left = unchanged(identify(wide), [identify(wide)])
    named = sum(map(len, json.loads(text).values())) if text else 0
    assert len(text or "") <= MAX_TEXT
    assert named + left == 200
    assert left > 0

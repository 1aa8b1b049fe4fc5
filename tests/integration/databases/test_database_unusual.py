"""What few programs do with a driver: it is recorded, and nothing of theirs is asked for it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support import Spans


def test_a_database_whose_name_is_not_utf8_is_recorded(tmp_path: Path, spans: Spans) -> None:
    path = os.fsencode(tmp_path) + b"/\xe9t\xe9.db"
    connection = sqlite3.connect(path)
    assert connection.text_factory is str
    connection.execute("CREATE TABLE t (k INTEGER)")
    connection.close()
    (span,) = spans.all()
    assert span.generated[0]["otelprov.artifact.name"] == "t"


class Counting(Sequence[int]):
    """Parameters that notice who looks at them."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __len__(self) -> int:
        self.asked.append("len")
        return 1

    def __getitem__(self, _: Any) -> Any:
        self.asked.append("item")
        return 1


def test_parameters_of_a_programs_own_class_are_looked_at_by_the_driver_only(
    tmp_path: Path, spans: Spans
) -> None:
    plain, recorded = Counting(), Counting()
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute("CREATE TABLE t (k INTEGER)")
    sqlite3.Cursor(connection).execute("SELECT k FROM t WHERE k = ?", plain).fetchall()
    before = len(spans.all())
    connection.execute("SELECT k FROM t WHERE k = ?", recorded).fetchall()
    assert len(spans.all()) == before + 1
    assert recorded.asked == plain.asked
    connection.close()


def test_parameters_that_cannot_be_counted_are_no_fault_of_ours(
    tmp_path: Path, spans: Spans
) -> None:
    class Broken(Counting):
        def __len__(self) -> int:
            raise ZeroDivisionError

    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute("CREATE TABLE t (k INTEGER)")
    with pytest.raises(ZeroDivisionError):
        connection.execute("SELECT k FROM t WHERE k = ?", Broken())
    assert "ZeroDivisionError" in str(spans.all()[-1].attributes["error.type"])
    connection.close()

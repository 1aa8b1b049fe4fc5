"""What few programs do with a driver: it is recorded, and nothing of theirs is asked for it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import psycopg
import psycopg.sql
import pytest
import sqlalchemy as sa
import support
from support import Spans

from otelprov.artifacts.registry import registry
from otelprov.instrumentation import _databases


def test_a_database_whose_name_is_not_utf8_is_recorded(tmp_path: Path, spans: Spans) -> None:
    path = os.fsencode(tmp_path) + b"/\xe9t\xe9.db"
    connection = sqlite3.connect(path)
    assert connection.text_factory is str
    connection.execute("CREATE TABLE t (k INTEGER)")
    connection.close()
    (span,) = spans.all()
    assert span.generated[0]["otelprov.artifact.name"] == "t"


def test_databases_in_memory_are_forgotten_with_their_connections(spans: Spans) -> None:
    known = len(_databases._databases)
    for _ in range(3):
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE TABLE t (k INTEGER)")
        connection.close()
    assert len(spans.all()) == 3
    assert len(_databases._databases) == known


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


def test_rows_of_a_programs_own_class_are_known_without_asking_them(spans: Spans) -> None:
    class Watched(tuple[Any, ...]):
        def __iter__(self) -> Any:
            raise AssertionError("looked at")

    class Named(dict[str, Any]):
        def __iter__(self) -> Any:
            raise AssertionError("looked at")

        keys = items = __iter__

    connection = sqlite3.connect(":memory:")
    connection.executescript("CREATE TABLE t (k INTEGER); INSERT INTO t VALUES (1), (2)")
    for made in (lambda _, row: Watched(row), lambda _, row: Named(k=row[0])):
        connection.row_factory = made
        rows = connection.execute("SELECT k FROM t").fetchall()
        assert len(rows) == 2
        artifact = registry.container(rows)
        assert artifact is not None
        assert getattr(artifact, "kind", None) == "stream"
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


def test_a_statement_on_a_closed_connection_is_no_fault_of_ours(dsn: str, spans: Spans) -> None:
    connection = psycopg.connect(dsn)
    cursor = connection.cursor()
    connection.close()
    with pytest.raises(psycopg.OperationalError, match="closed"):
        cursor.execute("SELECT k FROM t")
    assert spans.all() == []


def test_a_database_that_refuses_what_an_engine_asks_at_first_is_no_fault_of_ours(
    spans: Spans,
) -> None:
    engine = sa.create_engine("sqlite://")

    def ask(connection: sa.Connection) -> None:
        connection.exec_driver_sql("SELECT * FROM missing")

    engine.dialect.initialize = ask  # type: ignore[method-assign]
    with pytest.raises(sa.exc.OperationalError, match="no such table: missing"):
        engine.connect()


def test_a_driver_that_is_a_mock_is_where_its_url_says(spans: Spans) -> None:
    driver = MagicMock(paramstyle="pyformat", Error=Exception, __version__="2.9.9")
    engine = sa.create_engine("postgresql+psycopg2://u@host/db", module=driver, _initialize=False)
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO public.t VALUES (1)"))
    (span,) = spans.all()
    (table,) = span.generated
    assert table["otelprov.artifact.uri"] == "postgresql://host/db#public.t"


def test_a_literal_that_cannot_be_sent_is_no_fault_of_ours(dsn: str, spans: Spans) -> None:
    with psycopg.connect(dsn) as connection:
        query = psycopg.sql.SQL("SELECT k FROM t WHERE v = {}").format("\0")
        with pytest.raises(psycopg.DataError, match="NUL"):
            connection.execute(query)
    assert spans.all() == []


COUNTED = """
import collections, gc, sys
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

class Base(DeclarativeBase):
    pass

class Row(Base):
    __tablename__ = "t"
    k: Mapped[int] = mapped_column(primary_key=True)
    v: Mapped[str]

engine = sa.create_engine("sqlite://")
Base.metadata.create_all(engine)

def once():
    with Session(engine) as session:
        session.add_all([Row(v="a"), Row(v="b")])
        session.commit()
        for row in session.scalars(sa.select(Row)).all():
            session.delete(row)
        session.commit()

def counted():
    for _ in range(40):
        once()
    gc.collect()
    # SQLAlchemy's own pool keeps a few weak references for a while, recorded or not.
    return sum(type(one).__name__ != "ReferenceType" for one in gc.get_objects())

counted()
before = counted()
print(counted() - before)
gc.disable()
once()
print(gc.collect())
"""


def test_a_loop_of_statements_leaves_no_objects_behind(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", COUNTED], capture_output=True, check=True)
    plain = [int(number) for number in done.stdout.split()]
    said = support.instrumented("-c", COUNTED, journal_directory=tmp_path).stdout.split()
    assert int(said[0]) < plain[0] + 20, "forty rounds"
    # SQLAlchemy 2.0.0 leaves some itself.
    assert int(said[1]) == plain[1], "objects that only the garbage collector finds"
    assert len(support.journal(tmp_path)) > 300

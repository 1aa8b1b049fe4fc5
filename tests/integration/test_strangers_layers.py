"""Programs that use what is recorded through a library that stands on top of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import programs
import pytest
import strangers

DRIVER = """
    import pyarrow as pa
    class Connection:
        def cursor(self):
            return Cursor()
    class Cursor:
        def execute(self, text):
            pass
        def fetch_arrow_table(self):
            batch = pa.RecordBatch.from_pydict({"a": [1], "b": ["x"]})
            return pa.RecordBatchReader.from_batches(batch.schema, [batch]).read_all()
        def __enter__(self):
            return self
        def __exit__(self, *args):
            pass
        close = __exit__
"""
ADBC = """
    import pandas as pd
    from adbc_driver_manager import dbapi
    con = dbapi.Connection()
    table = pd.read_sql("SELECT * FROM t", con)  # @read
    table.to_csv("t.csv", index=False)  # @write
    with con.cursor() as cursor:
        cursor.execute("SELECT a FROM t")
        cursor.fetch_arrow_table().to_pandas().to_csv("a.csv", index=False)  # @own
"""
OF_ADBC = """
    pandas.read_sql@read: #t -> return
    pandas.to_csv@write: pandas.read_sql@read -> t.csv
    adbc_driver_manager.fetch_arrow_table@own: ? -> return
    pyarrow.Table.to_pandas@own: adbc_driver_manager.fetch_arrow_table@own -> return
    pandas.to_csv@own: pyarrow.Table.to_pandas@own -> a.csv
"""


def test_what_pandas_reads_through_a_driver_of_adbc_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    driver = {
        "adbc_driver_manager/__init__.py": "class Error(Exception): pass",
        "adbc_driver_manager/dbapi.py": DRIVER,
    }
    recording = strangers.record(tmp_path / "work", ADBC, modules=driver)
    assert recording.graph() == strangers.drawn(OF_ADBC)


MANY = """
    import sqlite3
    import pandas as pd
    con = sqlite3.connect("w.db")
    people, moved = pd.read_csv("people.csv"), pd.read_csv("moved.csv")
    people.to_sql("p", con, index=False)
    con.execute("CREATE UNIQUE INDEX i ON p (id)")
    con.executemany("UPDATE p SET name = ? WHERE id = ?", zip(moved["name"], moved["id"]))
    con.executemany(
        "INSERT INTO p (id, city) VALUES (:id, :city) ON CONFLICT (id) DO UPDATE SET Town = 'x'",
        moved.to_dict("records"),
    )
    con.commit()
    pd.read_sql("SELECT * FROM p", con).to_csv("p.csv", index=False)
"""


def test_rows_that_are_given_go_into_the_columns_that_are_set(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    people = pd.DataFrame({"id": [1], "name": ["a"], "city": ["b"], "town": ["c"], "age": [4]})
    people.to_csv(tmp_path / "work" / "people.csv", index=False)
    people.drop(columns=["town", "age"]).to_csv(tmp_path / "work" / "moved.csv", index=False)
    recording = strangers.record(tmp_path / "work", MANY)
    assert recording.columns("p.csv#age") == {"people.csv#age"}
    for name in ("id", "name", "city", "town"):
        found = recording.columns(f"p.csv#{name}")
        assert {"opaque", f"people.csv#{name}", "moved.csv#name"} <= found


WARNED = """
    import warnings
    import duckdb, numpy, pyarrow as pa, pyarrow.csv
    def old():
        warnings.warn("it is old", DeprecationWarning, stacklevel=2)
    for number in range(3):
        old()
        table = duckdb.sql("SELECT 1 AS a").to_arrow_table()
        old()
        pyarrow.csv.write_csv(table.slice(0, number), f"{number}.csv")
"""


def test_a_warning_is_shown_once_for_its_line(tmp_path: Path) -> None:
    outcome = programs.compared(tmp_path, WARNED)
    assert outcome.err.count("it is old") == 2


NAMED = """
    import os, warnings
    import pandas as pd
    from pyiceberg.catalog import load_catalog
    place = {"type": "sql", "uri": "sqlite:///c.db", "warehouse": f"file://{os.getcwd()}/house"}
    catalog = load_catalog("c", **place)
    catalog.create_namespace("s")
    named = {"catalog_name": "c", "catalog_properties": place}
    one, two = pd.read_csv("one.csv"), pd.read_csv("two.csv")
    one.to_iceberg("s.t", append=True, **named)  # @one
    two.to_iceberg("s.t", append=True, **named)  # @two
    snapshot = catalog.load_table("s.t").snapshots()[0].snapshot_id
    pd.read_iceberg("s.t", columns=["b"], **named).to_json("both.json")  # @both
    pd.read_iceberg("s.t", snapshot_id=snapshot, **named).to_json("one.json")  # @first
    catalog.load_table("s.t").scan().to_pandas().to_json("again.json")  # @again
    warnings.simplefilter("ignore")  # it warns where nothing is replaced
    one.assign(a=5).to_iceberg("s.t", **named)  # @new
    pd.read_iceberg("s.t", **named).to_json("new.json")  # @read
"""
OF_NAMED = """
    pandas.read_csv: one.csv -> return
    pandas.read_csv: two.csv -> return
    pandas.to_iceberg@one: pandas.read_csv -> house/s/t
    pandas.to_iceberg@two: pandas.read_csv, house/s/t -> house/s/t
    pandas.read_iceberg@both: house/s/t -> return
    pandas.to_json@both: pandas.read_iceberg@both -> both.json
    pandas.read_iceberg@first: house/s/t -> return
    pandas.to_json@first: pandas.read_iceberg@first -> one.json
    pyiceberg.to_pandas@again: house/s/t -> return
    pandas.to_json@again: pyiceberg.to_pandas@again -> again.json
    pandas.assign@new: pandas.read_csv -> return
    pandas.to_iceberg@new: pandas.assign@new -> house/s/t
    pandas.read_iceberg@read: house/s/t -> return
    pandas.to_json@read: pandas.read_iceberg@read -> new.json
"""


@pytest.mark.skipif(not hasattr(pd, "read_iceberg"), reason="pandas from 3.0")
def test_a_table_that_pandas_reads_and_writes_by_its_name_is_that_of_pyiceberg(
    tmp_path: Path,
) -> None:
    (tmp_path / "work").mkdir()
    pd.DataFrame({"a": [1], "b": [2]}).to_csv(tmp_path / "work" / "one.csv", index=False)
    pd.DataFrame({"a": [3], "b": [4]}).to_csv(tmp_path / "work" / "two.csv", index=False)
    recording = strangers.record(tmp_path / "work", NAMED)
    assert recording.graph() == strangers.drawn(OF_NAMED)
    assert recording.roots("both.json") == recording.roots("again.json") == {"one.csv", "two.csv"}
    assert recording.roots("one.json") == recording.roots("new.json") == {"one.csv"}
    assert recording.columns("both.json#b") == {"one.csv#b", "two.csv#b"}


KEYS = """
    import pandas as pd
    from sqlalchemy import Column, Float, Integer, MetaData, String, Table, create_engine, insert
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
    engine = create_engine("sqlite:///w.db")
    class Base(DeclarativeBase):
        pass
    class Person(Base):
        __tablename__ = "person"
        id: Mapped[int] = mapped_column(primary_key=True)
        who: Mapped[str] = mapped_column("name")
        name: Mapped[str] = mapped_column("city")
    sales = Table(
        "sales", MetaData(), Column("id", Integer, primary_key=True),
        Column("total", Float, key="amount"), Column("note", String, default="x"),
    )
    Base.metadata.create_all(engine)
    sales.create(engine)
    rows = pd.read_csv("sales.csv").drop(columns="extra")
    people = pd.read_csv("people.csv")
    with engine.begin() as con:
        con.execute(sales.insert(), rows.to_dict("records"))
        con.execute(insert(sales), rows.assign(id=rows["id"] + 9).to_dict("records"))
    with Session(engine) as session:
        session.bulk_insert_mappings(Person, people.to_dict("records"))
        session.execute(insert(Person), people.assign(id=people["id"] + 9).to_dict("records"))
        session.commit()
    pd.read_sql("SELECT * FROM sales", engine).to_json("sales.json")
    pd.read_sql("SELECT * FROM person", engine).to_json("people.json")
    with engine.begin() as con:
        more = [{"id": 50, "amount": 1.0}, {"id": 51, "amount": 2.0}]
        con.execute(sales.insert(), more)
        con.execute(sales.insert(), rows.assign(id=rows["id"] + 90).to_dict("records"))
    pd.read_sql("SELECT * FROM sales", engine).to_json("more.json")
"""


def test_rows_go_into_the_columns_that_sqlalchemy_puts_their_keys_in(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    sales = pd.DataFrame({"id": [1, 2], "amount": [1.0, 2.0], "extra": [0, 0]})
    sales.to_csv(tmp_path / "work" / "sales.csv", index=False)
    people = pd.DataFrame({"id": [1, 2], "who": ["a", "b"], "name": ["c", "d"]})
    people.to_csv(tmp_path / "work" / "people.csv", index=False)
    recording = strangers.record(tmp_path / "work", KEYS)
    assert recording.columns("sales.json#total") == {"sales.csv#amount"}
    assert recording.columns("people.json#name") == {"people.csv#who"}
    assert recording.columns("people.json#city") == {"people.csv#name"}
    assert "opaque" in recording.columns("more.json#total")


PLACED = """
    import sqlite3
    import pandas as pd
    con = sqlite3.connect("w.db")
    con.execute("CREATE TABLE t (id INT, name TEXT, age INT)")
    people = pd.read_csv("people.csv").to_dict("records")
    con.executemany("INSERT INTO t (ID, age, name) VALUES (:id, :name, :who);", people)
    con.commit()
    pd.read_sql("SELECT * FROM t", con).to_json("one.json")
    con.executemany("INSERT INTO t (id, name) VALUES (:id + 1, :who)", people)
    con.commit()
    pd.read_sql("SELECT * FROM t", con).to_json("two.json")
"""


def test_rows_go_into_the_columns_whose_place_their_keys_have(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    people = pd.DataFrame({"id": [1], "who": ["a"], "name": ["c"]})
    people.to_csv(tmp_path / "work" / "people.csv", index=False)
    recording = strangers.record(tmp_path / "work", PLACED)
    for name, source in {"id": "id", "name": "who", "age": "name"}.items():
        assert recording.columns(f"one.json#{name}") == {f"people.csv#{source}"}
    assert recording.columns("two.json#age") == {"people.csv#name"}
    assert "opaque" in recording.columns("two.json#name")

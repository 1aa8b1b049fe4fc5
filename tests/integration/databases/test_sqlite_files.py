"""SQLite: several files on one connection, and whole databases that are copied."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import strangers
from support import Spans

PREPARE = """
    import sqlite3
    import pandas as pd
    shop, stock = sqlite3.connect("shop.db"), sqlite3.connect("stock.db")
    pd.read_csv("orders.csv").to_sql("orders", shop, index=False)  # @orders
    pd.read_csv("items.csv").to_sql("items", stock, index=False)  # @items
    stock.execute("CREATE VIEW cheap AS SELECT * FROM items WHERE price < 5")
    shop.commit(); stock.commit(); shop.close(); stock.close()
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "orders.csv").write_text("id,item,n\n1,7,2\n2,8,1\n")
    (directory / "items.csv").write_text("item,price\n7,2.5\n8,9.5\n")
    return directory


def events(found: strangers.Recording, label: str, direction: str = "used") -> list[dict[str, Any]]:
    """What the operations of a line used, or generated."""
    (place,) = {place for place, name in found.labels.items() if name == label}
    return [
        event
        for span in found.spans
        if place
        == (
            Path(str(span.attributes.get("code.file.path"))).name,
            span.attributes.get("code.line.number"),
        )
        for event in (span.used if direction == "used" else span.generated)
    ]


def tables(found: strangers.Recording, label: str, direction: str = "used") -> set[str]:
    """File and name of the tables among them."""
    return {
        str(event["otelprov.artifact.uri"]).rpartition("/")[2]
        for event in events(found, label, direction)
        if "#" in str(event.get("otelprov.artifact.uri"))
    }


@pytest.mark.parametrize(
    "attach",
    [
        """execute("ATTACH 'stock.db' AS stock")""",
        """execute("ATTACH DATABASE ? AS stock", ("stock.db",))""",
        """execute("attach :file as [stock]", {"file": "stock.db"})""",
        """executescript('ATTACH "stock.db" AS "stock"; SELECT 1;')""",
    ],
)
def test_tables_of_an_attached_file_are_those_of_that_file(work: Path, attach: str) -> None:
    found = strangers.record(
        work,
        PREPARE,
        f"""
        import sqlite3
        import pandas as pd
        con = sqlite3.connect("shop.db")
        con.{attach}
        joined = pd.read_sql("SELECT * FROM orders JOIN stock.items USING (item)", con)  # @read1
        joined.to_csv("joined.csv")
        pd.read_sql("SELECT o.n FROM orders o JOIN cheap c USING (item)", con).to_csv("c.csv")
        con.execute("CREATE TABLE stock.sold AS SELECT * FROM orders")  # @sold
        con.execute("INSERT INTO items SELECT item, 1 FROM main.orders")  # @insert
        con.execute("CREATE TABLE copy AS SELECT * FROM sold")  # @copy
        con.commit()
        con.execute("DETACH stock")
        con.execute("CREATE TABLE items AS SELECT 1 AS item")  # @own
        con.commit(); con.close()
        con = sqlite3.connect("stock.db")
        pd.read_sql("SELECT * FROM sold", con).to_csv("sold.csv")  # @again
        con.close()
        """,
    )
    assert tables(found, "read1") == {"shop.db#orders", "stock.db#items"}
    assert found.roots("joined.csv") == {"orders.csv", "items.csv"}
    assert found.roots("c.csv") == {"orders.csv", "items.csv"}
    assert tables(found, "sold", "generated") == {"stock.db#sold"}
    assert tables(found, "insert") == {"shop.db#orders", "stock.db#items"}
    assert tables(found, "insert", "generated") == {"stock.db#items"}
    assert tables(found, "copy") == {"stock.db#sold"}
    assert tables(found, "copy", "generated") == {"shop.db#copy"}
    assert tables(found, "own", "generated") == {"shop.db#items"}
    assert found.roots("sold.csv") == {"orders.csv"}


def test_what_nobody_can_tell_of_attached_files_is_unknown(work: Path) -> None:
    found = strangers.record(
        work,
        PREPARE,
        """
        import sqlite3
        con = sqlite3.connect("shop.db")
        con.execute("ATTACH 'stock' || '.db' AS stock")
        con.execute("SELECT * FROM stock.items").fetchall()  # @named
        con.execute("SELECT * FROM orders").fetchall()  # @first
        con.execute("SELECT * FROM items").fetchall()  # @unnamed
        """,
    )
    assert tables(found, "first") == {"shop.db#orders"}
    for label in ("named", "unnamed"):
        (used,) = events(found, label)
        assert used["otelprov.artifact.origin"] == "unknown"
        assert "attached database" in used["otelprov.artifact.reason"]


BACKUP = """
    import sqlite3
    import pandas as pd
    con, copy = sqlite3.connect("shop.db"), sqlite3.connect("{target}")
    pd.read_csv("items.csv").to_sql("items", con, index=False)
    con.commit()
    con.backup(copy)  # @backup
    {close}
    pd.read_sql("SELECT * FROM orders", copy).to_csv("orders_again.csv")
    pd.read_sql("SELECT price FROM items", copy).to_csv("items_again.csv")
"""


@pytest.mark.parametrize(
    ("target", "close"),
    [
        ("copy.db", 'copy.close(); con.close(); copy = sqlite3.connect("copy.db")'),
        (":memory:", "con.close()"),
    ],
    ids=["to a file", "to memory"],
)
def test_each_table_of_a_backup_comes_from_the_one_of_its_name(
    work: Path, target: str, close: str
) -> None:
    found = strangers.record(work, PREPARE, BACKUP.format(target=target, close=close))
    assert tables(found, "backup") == {"shop.db#orders", "shop.db#items"}
    assert {one.partition("#")[2] for one in tables(found, "backup", "generated")} == {
        "orders",
        "items",
    }
    assert found.roots("orders_again.csv") == {"orders.csv"}
    assert found.roots("items_again.csv") == {"items.csv"}
    assert found.columns("items_again.csv#price") == {"items.csv#price"}


VACUUM = """
    import sqlite3
    import pandas as pd
    from sqlalchemy import create_engine
    con = sqlite3.connect("shop.db")
    pd.read_csv("items.csv").to_sql("items", con, index=False)
    con.execute("VACUUM INTO 'copy.db'")  # @vacuum
    con.execute("VACUUM main INTO ?", ("second.db",))
    con.execute("VACUUM")
    try:
        con.execute("VACUUM INTO 'copy.db'")  # @refused
    except sqlite3.OperationalError:
        con.execute("VACUUM INTO 'third' || '.db'")  # @computed
    create_engine("sqlite:///shop.db").raw_connection().cursor().execute("VACUUM INTO 'raw.db'")
    for name in ("copy", "second", "raw"):
        copy = sqlite3.connect(f"{name}.db")
        pd.read_sql("SELECT * FROM orders", copy).to_csv(f"{name}_orders.csv")
        pd.read_sql("SELECT price FROM items", copy).to_csv(f"{name}_items.csv")
"""


def test_each_table_that_vacuum_copies_comes_from_the_one_of_its_name(work: Path) -> None:
    found = strangers.record(work, PREPARE, VACUUM)
    for label in ("vacuum", "refused", "computed"):
        assert tables(found, label) == {"shop.db#orders", "shop.db#items"}
    made = {"copy.db#orders", "copy.db#items"}
    assert tables(found, "vacuum", "generated") == made
    assert tables(found, "refused", "generated") == set()
    assert sum(span.name == "sqlite3.vacuum_into" for span in found.spans) == 5
    for name in ("copy", "second", "raw"):
        assert found.roots(f"{name}_orders.csv") == {"orders.csv"}
        assert found.roots(f"{name}_items.csv") == {"items.csv"}
        assert found.columns(f"{name}_items.csv#price") == {"items.csv#price"}


def test_a_database_that_is_serialized_is_followed(work: Path) -> None:
    if not hasattr(sqlite3.Connection, "serialize"):
        pytest.skip("this Python has no serialize")
    found = strangers.record(
        work,
        PREPARE,
        """
        import sqlite3
        import pandas as pd
        con, other = sqlite3.connect("shop.db"), sqlite3.connect("stock.db")
        data = con.serialize()  # @serialize
        other.deserialize(data)  # @deserialize
        pd.read_sql("SELECT * FROM orders", other).to_csv("again.csv")
        """,
    )
    assert tables(found, "serialize") == {"shop.db#orders"}
    (made,) = tables(found, "deserialize", "generated")
    assert made.endswith("#orders") and not made.startswith("stock.db")
    assert found.roots("again.csv") == {"orders.csv"}


def test_a_script_attaches_drops_and_makes_what_its_later_statements_name(work: Path) -> None:
    found = strangers.record(
        work,
        PREPARE,
        """
        import sqlite3
        import pandas as pd
        con = sqlite3.connect("shop.db")
        con.executescript("CREATE VIEW v AS SELECT * FROM orders; CREATE VIEW few AS SELECT 1;"
                          "DROP VIEW v; CREATE TABLE v AS SELECT item FROM orders")
        con.executescript("CREATE TABLE IF NOT EXISTS v AS SELECT 1;"  # @attach
                          "ATTACH 'new.db' AS new;"
                          "CREATE TABLE new.n AS SELECT item, n FROM orders")
        pd.read_sql("SELECT * FROM v", con).to_csv("v.csv")
        pd.read_sql("SELECT * FROM new.n", con).to_csv("n.csv")
        con.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT n FROM new.n")  # @kept
        con.execute("ALTER TABLE kept RENAME TO named")  # @named
        pd.read_sql("SELECT * FROM named", con).to_csv("named.csv")
        con.backup(sqlite3.connect("copy.db"))  # @backup
        """,
    )
    assert tables(found, "attach") == {"shop.db#orders"}
    assert tables(found, "attach", "generated") == {"new.db#n"}
    assert tables(found, "kept") == {"new.db#n"}
    assert tables(found, "named", "generated") == {"shop.db#named"}
    assert tables(found, "backup") == {"shop.db#orders", "shop.db#v", "shop.db#named"}
    for name in ("v.csv", "n.csv", "named.csv"):
        assert found.roots(name) == {"orders.csv"}


def test_connections_share_memory_by_its_name(work: Path) -> None:
    found = strangers.record(
        work,
        """
        import sqlite3
        import pandas as pd
        name = "file:shared?mode=memory&cache=shared"
        first, second = (sqlite3.connect(name, uri=True) for _ in range(2))
        own = sqlite3.connect("file:own?mode=memory", uri=True)
        pd.read_csv("orders.csv").to_sql("t", first, index=False)
        pd.read_csv("items.csv").to_sql("t", own, index=False)
        first.commit()
        pd.read_sql("SELECT * FROM t", second).to_csv("shared.csv")
        pd.read_sql("SELECT * FROM t", own).to_csv("own.csv")
        """,
    )
    assert found.roots("shared.csv") == {"orders.csv"}
    assert found.roots("own.csv") == {"items.csv"}


GIVEN = """
    import csv, sqlite3
    import pandas as pd
    con = sqlite3.connect("shop.db")
    con.execute("CREATE TABLE t (item, price)")
    with open("items.csv") as file:
        con.executemany("INSERT INTO t VALUES (?, ?)", csv.reader(file))
    con.commit()
    pd.read_sql("SELECT price FROM t", con).to_csv("price.csv")
"""


def test_a_column_of_rows_that_were_given_is_not_known(work: Path) -> None:
    assert strangers.record(work, GIVEN).columns("price.csv#price") >= {"items.csv#None", "opaque"}


def test_a_copy_does_what_it_did(tmp_path: Path, spans: Spans) -> None:
    source, target = sqlite3.connect(tmp_path / "a.db"), sqlite3.connect(":memory:")
    source.execute("CREATE TABLE t (a)")
    source.execute("INSERT INTO t VALUES (1)")
    source.commit()
    seen: list[tuple[int, ...]] = []
    source.backup(target, pages=1, progress=lambda *numbers: seen.append(numbers))
    assert seen and target.execute("SELECT a FROM t").fetchall() == [(1,)]
    with pytest.raises(TypeError):
        source.backup(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="target cannot be the same"):
        source.backup(source)
    assert spans.all()

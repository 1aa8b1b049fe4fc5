"""Queries that a loop asks again and again: their calls are counted, their rows known all the
same."""

from __future__ import annotations

import json
from pathlib import Path

import programs
import pytest
from support import Recorded

COUNT = "otelprov.repeated.count"
DROPPED = "otelprov.dropped.generated"

HEAD = """\
import pandas as pd
import sqlite3

connection = sqlite3.connect("shop.db")
connection.execute("CREATE TABLE prices (item INTEGER PRIMARY KEY, price REAL)")
connection.executemany("INSERT INTO prices VALUES (?, ?)", [(one, one / 4) for one in range(300)])
connection.commit()
"""
SQLALCHEMY = """\
import pandas as pd
import sqlalchemy as sa

engine = sa.create_engine("sqlite:///shop.db")
prices = sa.table("prices", sa.column("item"), sa.column("price"))
with engine.begin() as first:
    first.execute(sa.text("CREATE TABLE prices (item INTEGER PRIMARY KEY, price REAL)"))
    first.execute(sa.insert(prices), [{"item": one, "price": one / 4} for one in range(300)])
connection = engine.connect()
"""
ROWS = """\
for number in range(300):
    rows = connection.execute(QUERY).fetchall()
    if number in (0, 1, 200, 250):
        pd.DataFrame(rows, columns=["price"]).to_parquet(f"{number}.parquet")
"""
SQLITE_QUERY = '"SELECT price FROM prices WHERE item = ?", (number % 200,)'
SQLALCHEMY_QUERY = "sa.select(prices.c.price).where(prices.c.item == number % 200)"


def recorded(directory: Path, text: str, repeats: str = "5") -> programs.Outcome:
    directory.mkdir(exist_ok=True)
    return programs.compared(directory, text, env={"OTELPROV_REPEATS": repeats})


def of(outcome: programs.Outcome, operation: str) -> list[Recorded]:
    """The spans of one kind of statement."""
    return [one for one in outcome.spans if one.attributes.get("db.operation.name") == operation]


def calls(spans: list[Recorded]) -> int:
    return sum(one.attributes.get(COUNT, 1) for one in spans)


def written(outcome: programs.Outcome) -> dict[str, set[str]]:
    """What each file was made of."""
    return {
        name.removesuffix(".parquet"): one.used_ids
        for one in outcome.spans
        if one.name == "pandas.to_parquet"
        for made in one.generated
        if (name := made.get("otelprov.artifact.name", "")).endswith(".parquet")
    }


@pytest.mark.parametrize(
    ("head", "query"), [(HEAD, SQLITE_QUERY), (SQLALCHEMY, SQLALCHEMY_QUERY)], ids=["dbapi", "core"]
)
def test_of_what_is_made_of_the_rows_of_a_lookup_the_way_back_is_known(
    tmp_path: Path, head: str, query: str
) -> None:
    text = head + ROWS.replace("QUERY", query)
    summed = recorded(tmp_path / "few", text)
    single = recorded(tmp_path / "all", text, repeats="off")
    assert len(of(single, "SELECT")) == 300
    spans = of(summed, "SELECT")
    assert calls(spans) == 300
    assert len(spans) < 100
    assert all(len(one.used) == 1 for one in spans)
    named = sum(len(one.generated) for one in spans)
    assert named + sum(one.attributes.get(DROPPED, 0) for one in spans) == 300
    # What a table held nobody knows: no two answers are known to be the same.
    for outcome in (summed, single):
        made = written(outcome)
        assert len({id_ for ids in made.values() for id_ in ids}) == len(made) == 4
    windows = {f"{one.trace_id}-{one.span_id}" for one in spans if COUNT in one.attributes}
    (used,) = (one.used[0] for one in summed.spans if "250.parquet" in str(one.generated))
    assert used["otelprov.artifact.maker"] in windows
    found = json.loads(summed.cli("lineage", "250.parquet", "--format", "json"))
    assert "prices" in {one["name"] for one in found["artifacts"]}


def test_a_lookup_after_a_write_names_the_write(tmp_path: Path) -> None:
    outcome = recorded(
        tmp_path,
        HEAD
        + """\
for number in range(100):
    connection.execute("SELECT price FROM prices WHERE item = ?", (number,)).fetchone()
    if number == 50:
        connection.execute("UPDATE prices SET price = 1")
        connection.commit()
""",
    )
    (update,) = of(outcome, "UPDATE")
    spans = of(outcome, "SELECT")
    assert calls(spans) == 100
    maker = f"{update.trace_id}-{update.span_id}"
    after = [one for one in spans if one.used[0].get("otelprov.artifact.maker") == maker]
    assert calls(after) == 49


def test_a_lookup_that_is_refused_is_an_operation_with_its_error(tmp_path: Path) -> None:
    outcome = recorded(
        tmp_path,
        HEAD
        + """\
for number in range(60):
    given = (number, number) if number == 40 else (number,)
    try:
        connection.execute("SELECT price FROM prices WHERE item = ?", given).fetchone()
    except sqlite3.Error as error:
        print(type(error).__name__, error)
""",
    )
    assert "ProgrammingError" in outcome.out
    failed = [one for one in of(outcome, "SELECT") if "error.type" in one.attributes]
    refused = [one for one in outcome.spans if "error.type" in one.attributes]
    assert [one.attributes["error.type"] for one in refused] == ["sqlite3.ProgrammingError"]
    assert calls(of(outcome, "SELECT")) - len(failed) == 59


def test_calls_of_a_function_inside_a_lookup_are_below_it(tmp_path: Path) -> None:
    outcome = recorded(
        tmp_path,
        HEAD
        + """\
def looked_at(price):
    return len(pd.DataFrame({"a": [price]}).drop(columns="a"))

connection.create_function("looked_at", 1, looked_at)
for number in range(60):
    connection.execute("SELECT looked_at(price) FROM prices WHERE item = ?", (number,)).fetchone()
""",
    )
    inner = [one for one in outcome.spans if one.name == "pandas.drop"]
    assert calls(inner) == 60
    assert {one.parent for one in inner} <= {one.span_id for one in of(outcome, "SELECT")}


def test_threads_that_share_a_connection_each_keep_their_own_context(tmp_path: Path) -> None:
    outcome = recorded(
        tmp_path,
        """\
import sqlite3, sys
from concurrent.futures import ThreadPoolExecutor
from opentelemetry import context

connection = sqlite3.connect("shop.db", check_same_thread=False)
connection.execute("CREATE TABLE prices (item INTEGER PRIMARY KEY, price REAL)")
connection.executemany("INSERT INTO prices VALUES (?, ?)", [(one, one / 4) for one in range(300)])
connection.commit()
sys.setswitchinterval(1e-5)


def look(thread):
    context.attach(context.set_value("thread", thread))
    for number in range(300):
        connection.execute("SELECT price FROM prices WHERE item = ?", (number,)).fetchone()
        if context.get_value("thread") != thread:
            return "the context of another thread"
    return "as it was"


with ThreadPoolExecutor(4) as pool:
    print(set(pool.map(look, range(4))))
""",
    )
    assert outcome.out == "{'as it was'}\n"
    assert calls(of(outcome, "SELECT")) == 1200

"""The columns of a statement that reads views: those of what the views read."""

from __future__ import annotations

import pytest
from test_columns import said

from otelprov.lineage.columns import Name, Schema, columns_of

SCHEMA: Schema = {("main", "raw"): ("id", "a", "b"), ("main", "other"): ("id", "c")}
VIEWS: dict[Name, str] = {
    ("db", "main", "plain"): "CREATE VIEW plain AS SELECT id, a + b AS s FROM raw WHERE b > 1",
    ("db", "main", "named"): (
        "CREATE VIEW named(k, t) AS (WITH source AS (SELECT * FROM plain) SELECT id, s FROM source)"
    ),
    ("db", "main", "star"): "CREATE OR REPLACE VIEW main.star AS SELECT * FROM raw",
    (
        "db",
        "mart",
        "both",
    ): "CREATE VIEW both AS FROM main.other UNION ALL SELECT id, a FROM main.raw",
    (
        "db",
        "main",
        "twice",
    ): "CREATE VIEW twice AS SELECT l.a AS l, r.b AS r FROM raw l JOIN star r USING (id)",
    ("db", "main", "renamed"): "CREATE VIEW renamed(x, y, z) AS SELECT * FROM raw",
    ("db", "main", "unread"): "CREATE VIEW unread AS this is no query",
    ("db", "main", "loop"): "CREATE VIEW loop AS SELECT * FROM loop",
}
CASES: dict[str, tuple[str, dict[str, str]]] = {
    "a view": ("SELECT s FROM plain", {"s": "main.raw.a main.raw.b"}),
    "another name for it": ("SELECT p.s AS q FROM plain AS p", {"q": "main.raw.a main.raw.b"}),
    "its whole name": ("SELECT id FROM db.main.plain", {"id": "main.raw.id"}),
    "a view of a view, with names of its own": (
        "SELECT k, t FROM named",
        {"k": "main.raw.id", "t": "main.raw.a main.raw.b"},
    ),
    "a star of a star": (
        "SELECT * FROM star",
        {"id": "main.raw.id", "a": "main.raw.a", "b": "main.raw.b"},
    ),
    "a union": ("SELECT c FROM mart.both", {"c": "main.other.c main.raw.a"}),
    "a view that reads a view": ("SELECT l, r FROM twice", {"l": "main.raw.a", "r": "main.raw.b"}),
    "a table made of it": (
        "CREATE TABLE new AS SELECT t FROM named",
        {"t": "main.raw.a main.raw.b"},
    ),
    "names of WITH are not those of the view": (
        "WITH raw AS (SELECT id, c AS a FROM other), source AS (SELECT * FROM named) "
        "SELECT source.t, raw.a FROM source JOIN raw ON k = raw.id",
        {"t": "main.raw.a main.raw.b", "a": "other.c"},
    ),
    "a name of WITH is no view": (
        "WITH plain AS (SELECT 1 AS s) SELECT s FROM plain",
        {"s": ""},
    ),
    "a name of WITH is made of the view": (
        "WITH plain AS (SELECT s * 2 AS s FROM plain) SELECT s FROM plain",
        {"s": "main.raw.a main.raw.b"},
    ),
    "an aggregation": ("SELECT max(t) AS m FROM named GROUP BY k", {"m": "main.raw.a main.raw.b"}),
}


@pytest.mark.parametrize("name", CASES)
def test_columns_through_views(name: str) -> None:
    text, expected = CASES[name]
    assert said(columns_of(text, SCHEMA, views=VIEWS, tables=list(SCHEMA))) == expected


def test_what_a_view_leaves_out_decides_which_rows_there_are() -> None:
    found = columns_of("SELECT t FROM named", SCHEMA, views=VIEWS, tables=list(SCHEMA))
    assert [(one.column, one.how) for one in found.rows] == [("b", "filter")]


@pytest.mark.parametrize("name", ["renamed", "unread", "loop"])
def test_a_view_that_cannot_be_followed_stays_a_name(name: str) -> None:
    found = columns_of(f"SELECT x FROM {name}", SCHEMA, views=VIEWS, tables=list(SCHEMA))
    (column,) = found.columns
    assert column.opaque or [one.table[-1] for one in column.origins] == [name]


def test_a_name_that_may_be_a_table_too_is_left() -> None:
    tables = [*SCHEMA, ("stage", "plain")]
    found = columns_of("SELECT s FROM plain", SCHEMA, views=VIEWS, tables=tables)
    assert said(found) == {"s": "plain.s"}
    found = columns_of("SELECT s FROM main.plain", SCHEMA, views=VIEWS, tables=tables)
    assert said(found) == {"s": "main.raw.a main.raw.b"}


def test_a_name_in_a_view_that_is_one_of_with_and_no_known_table_is_left() -> None:
    views: dict[Name, str] = {("db", "main", "v"): "CREATE VIEW v AS SELECT a FROM hidden"}
    text = "WITH hidden AS (SELECT 1 AS a) SELECT v.a, hidden.a AS b FROM v, hidden"
    assert said(columns_of(text, views=views))["a"] == "v.a"

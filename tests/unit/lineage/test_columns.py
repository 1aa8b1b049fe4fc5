"""From which columns of its inputs each column of a statement is computed."""

from __future__ import annotations

import duckdb
import pytest
from tpch import QUERIES, TABLES, kind

from otelprov.lineage.columns import Columns, Name, Schema, columns_of, inputs

SCHEMA: Schema = {
    ("t",): ("a", "b", "c"),
    ("u",): ("a", "d"),
    ("Mixed",): ("Big", "small"),
}


def said(found: Columns) -> dict[str, str]:
    """By column: its origins as text, or why it is opaque."""
    return {
        one.name: f"? {one.opaque}".strip()
        if one.opaque
        else " ".join(f"{'.'.join(origin.table)}.{origin.column}" for origin in one.origins)
        for one in found.columns
    }


CASES: dict[str, tuple[str, dict[str, str]]] = {
    "an expression": ("SELECT a, b + c AS s FROM t", {"a": "t.a", "s": "t.b t.c"}),
    "a star": ("SELECT * FROM t", {"a": "t.a", "b": "t.b", "c": "t.c"}),
    "FROM first": ("FROM t SELECT b", {"b": "t.b"}),
    "a star without a column": ("SELECT * EXCLUDE (a) FROM t", {"b": "t.b", "c": "t.c"}),
    "a star with another column": (
        "SELECT * REPLACE (a + b AS a) FROM t",
        {"a": "t.a t.b", "b": "t.b", "c": "t.c"},
    ),
    "a star of one of two": (
        "SELECT u.*, t.c FROM t JOIN u ON t.a = u.a",
        {"a": "u.a", "d": "u.d", "c": "t.c"},
    ),
    "a query with a name": (
        "WITH q AS (SELECT a, b * 2 AS d FROM t) SELECT q.d, u.d AS e FROM q JOIN u USING (a)",
        {"d": "t.b", "e": "u.d"},
    ),
    "a name twice": (
        "WITH t AS (SELECT d AS a FROM u), q AS (SELECT a FROM t) SELECT a FROM q",
        {"a": "u.d"},
    ),
    "the common column of a join": (
        "SELECT a FROM t JOIN u USING (a)",
        {"a": "t.a u.a"},
    ),
    "a query in FROM": ("SELECT x.a FROM (SELECT * FROM t) x", {"a": "t.a"}),
    "names of a query in FROM": ("SELECT p FROM (SELECT a, b FROM t) x(p, q)", {"p": "t.a"}),
    "a union": ("SELECT a FROM t UNION ALL SELECT d FROM u", {"a": "t.a u.d"}),
    "a union in a query": (
        "SELECT x FROM (SELECT a AS x FROM t UNION SELECT d FROM u EXCEPT SELECT b FROM t)",
        {"x": "t.a t.b u.d"},
    ),
    "what ON CONFLICT sets": (
        "INSERT INTO t (a, b) SELECT a, d FROM u"
        " ON CONFLICT (a) DO UPDATE SET b = excluded.b + t.a, c = excluded.b",
        {"a": "u.a", "b": "t.a u.d", "c": "u.d"},
    ),
    "several that ON CONFLICT sets": (
        "INSERT INTO t AS x (a) SELECT a FROM u ON CONFLICT DO UPDATE SET (b, c) = (x.a, 1)",
        {"a": "u.a", "b": "t.a", "c": ""},
    ),
    "a query that ON CONFLICT asks": (
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = (SELECT max(d) FROM u)",
        {"a": "", "b": "? what ON CONFLICT sets is not looked into"},
    ),
    "what ON CONFLICT sets of a star": (
        "INSERT INTO w BY NAME SELECT * FROM v ON CONFLICT DO UPDATE SET a = excluded.a, b = w.c",
        {
            "*": "? the columns of an input are not known",
            "b": "? what ON CONFLICT sets, of columns that are not known",
        },
    ),
    "a column that is added": (
        "ALTER TABLE t ADD COLUMN d INT DEFAULT 1",
        {"a": "t.a", "b": "t.b", "c": "t.c", "d": ""},
    ),
    "a column that is dropped": ("ALTER TABLE t DROP C", {"a": "t.a", "b": "t.b"}),
    "a column that is renamed without that word": (
        "ALTER TABLE t RENAME b TO x",
        {"a": "t.a", "x": "t.b", "c": "t.c"},
    ),
    "a column of another type": (
        "ALTER TABLE t ALTER a SET DATA TYPE VARCHAR USING a || b",
        {"a": "t.a t.b", "b": "t.b", "c": "t.c"},
    ),
    "a column of a table that is not known": (
        "ALTER TABLE w RENAME COLUMN b TO x",
        {"*": "? the columns of the table are not known", "x": "w.b"},
    ),
    "a function of a column in FROM": (
        "SELECT e.value AS v, t.a FROM t, json_each(t.b) AS e WHERE e.key > 1",
        {"v": "t.b", "a": "t.a"},
    ),
    "a series in FROM": ("SELECT r.range AS n, t.a FROM range(3) r, t", {"n": "", "a": "t.a"}),
    "a window": (
        "SELECT sum(a) OVER (PARTITION BY b ORDER BY c) AS w FROM t",
        {"w": "t.a t.b t.c"},
    ),
    "a named window": ("SELECT rank() OVER w AS r FROM t WINDOW w AS (ORDER BY a)", {"r": "t.a"}),
    "a condition is no origin": (
        "SELECT a FROM t WHERE b IN (SELECT d FROM u) ORDER BY c",
        {"a": "t.a"},
    ),
    "CASE": ("SELECT CASE WHEN c > 1 THEN a ELSE b END AS k FROM t", {"k": "t.a t.b t.c"}),
    "a query for a value": (
        "SELECT (SELECT max(d) FROM u WHERE u.a = t.a) AS m FROM t",
        {"m": "u.d"},
    ),
    "a value of the query around": ("SELECT (SELECT t.a + d FROM u) AS m FROM t", {"m": "t.a u.d"}),
    "nothing": (
        "SELECT count(*) AS n, 1 AS one, now() AS at FROM t",
        dict.fromkeys(("n", "one", "at"), ""),
    ),
    "the same table twice": (
        "SELECT x.a, y.b FROM t x JOIN t y ON x.a = y.a",
        {"a": "t.a", "b": "t.b"},
    ),
    "another column of the same list": (
        "SELECT a + 1 AS p, p * b AS q FROM t",
        {"p": "t.a", "q": "t.a t.b"},
    ),
    "values": ("SELECT p FROM (VALUES (1), (2)) v(p)", {"p": ""}),
    "unnest": ("SELECT v FROM t, unnest([t.a, t.b]) AS g(v)", {"v": "t.a t.b"}),
    "a struct": (
        "SELECT s.x FROM (SELECT struct_pack(x := a, y := b) AS s FROM t)",
        {"x": "t.a t.b"},
    ),
    "itself": (
        "WITH RECURSIVE r AS (SELECT a, 1 AS n FROM t UNION ALL SELECT a, n + 1 FROM r) "
        "SELECT a, n FROM r",
        {"a": "t.a", "n": ""},
    ),
    "names in any case": (
        "SELECT BIG, Small AS Other FROM mixed",
        {"BIG": "mixed.Big", "Other": "mixed.small"},
    ),
    "a file": ("SELECT k FROM 'data/x.csv'", {"k": "data/x.csv.k"}),
    "a function that reads a file": (
        "SELECT x.k FROM read_csv('x.csv', header = true) x",
        {"k": "x.csv.k"},
    ),
    "a table of another database": ("SELECT a FROM o.s.t", {"a": "o.s.t.a"}),
    "one input that is not known": (
        "SELECT k FROM (SELECT * FROM somewhere)",
        {"k": "somewhere.k"},
    ),
    "distinct": ("SELECT DISTINCT ON (a) a, b FROM t ORDER BY c", {"a": "t.a", "b": "t.b"}),
    "lateral": (
        "SELECT l.m FROM t, LATERAL (SELECT max(d) + t.b AS m FROM u WHERE u.a = t.a) l",
        {"m": "t.b u.d"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_query_gives_columns_of_its_inputs(name: str) -> None:
    query, expected = CASES[name]
    found = columns_of(query, SCHEMA)
    assert not found.opaque
    assert said(found) == expected


WRITES: dict[str, tuple[str, Name, dict[str, str]]] = {
    "CREATE TABLE": ("CREATE TABLE z AS SELECT a AS q FROM t", ("z",), {"q": "t.a"}),
    "CREATE VIEW with names": ("CREATE VIEW v(p) AS SELECT a FROM t", ("v",), {"p": "t.a"}),
    "INSERT by position": ("INSERT INTO u SELECT b, c FROM t", ("u",), {"a": "t.b", "d": "t.c"}),
    "INSERT with names": ("INSERT INTO u(d) SELECT c FROM t", ("u",), {"d": "t.c"}),
    "INSERT by name": ("INSERT INTO t BY NAME SELECT d AS a FROM u", ("t",), {"a": "u.d"}),
    "UPDATE": (
        "UPDATE t SET b = u.d FROM u WHERE u.a = t.a",
        ("t",),
        {"b": "t.b u.d", "a": "t.a", "c": "t.c"},
    ),
    "MERGE": (
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET b = u.d "
        "WHEN NOT MATCHED THEN INSERT (a, b) VALUES (u.a, 5)",
        ("t",),
        {"b": "t.b u.d", "a": "t.a u.a", "c": "t.c"},
    ),
}


@pytest.mark.parametrize(
    ("dialect", "statement"),
    [
        ("mysql", "UPDATE t x JOIN u ON u.a = x.a SET x.b = u.d"),
        ("mysql", "UPDATE u JOIN t x ON u.a = x.a SET x.b = u.d"),
        ("tsql", "UPDATE x SET x.b = u.d FROM t x JOIN u ON u.a = x.a"),
        ("tsql", "UPDATE t SET b = u.d FROM u JOIN t ON u.a = t.a"),
    ],
)
def test_of_joined_tables_the_one_that_is_named_is_updated(dialect: str, statement: str) -> None:
    found = columns_of(statement, SCHEMA, dialect)
    assert (found.target, found.opaque) == (("t",), "")
    assert said(found) == {"b": "t.b u.d", "a": "t.a", "c": "t.c"}


def test_columns_of_several_updated_tables_are_opaque() -> None:
    assert columns_of("UPDATE t JOIN u USING (a) SET t.b = 1, u.d = 2", SCHEMA, "mysql").opaque


@pytest.mark.parametrize("name", WRITES)
def test_a_statement_that_writes_says_where_the_columns_go(name: str) -> None:
    statement, target, expected = WRITES[name]
    found = columns_of(statement, SCHEMA)
    assert (found.target, found.opaque) == (target, "")
    assert said(found) == expected


def test_what_is_copied_to_a_file_has_the_columns_of_its_query() -> None:
    assert said(columns_of("COPY (SELECT a FROM t) TO 'x.csv'", SCHEMA)) == {"a": "t.a"}
    assert list(said(columns_of("COPY u TO 'x.csv'", SCHEMA))) == ["a", "d"]


OPAQUE = {
    "SELECT to_json(u.*) AS j FROM u": "u.* is a whole row",
    "SELECT k FROM one JOIN other USING (id)": "k may be a column of several inputs",
    "SELECT z.k FROM (SELECT * FROM one, other) z": "k may be a column of several inputs",
    "SELECT COLUMNS('a.*') FROM t": "COLUMNS chooses columns by a pattern",
    "SELECT * FROM t UNION BY NAME SELECT * FROM u": "UNION BY NAME",
    "SELECT * FROM somewhere": "the columns of an input are not known",
    "SELECT to_json(o) AS doc FROM one AS o": "o is a whole row",
    "SELECT u AS doc FROM unseen AS u": "u is a whole row",
    "SELECT x FROM (PIVOT t ON a USING sum(b))": "",
}


@pytest.mark.parametrize("query", OPAQUE)
def test_what_cannot_be_resolved_is_opaque_and_not_left_out(query: str) -> None:
    found = columns_of(query, SCHEMA)
    assert found.opaque or found.columns
    assert found.opaque or all(one.opaque for one in found.columns)
    if OPAQUE[query]:
        assert {one.opaque for one in found.columns} == {OPAQUE[query]}


@pytest.mark.parametrize(
    "statement",
    [
        "SELEC a",
        "DROP TABLE t",
        "SELECT 1; SELECT 2",
        "",
        "PIVOT t ON a USING sum(b)",
        "WITH p AS (SELECT * FROM (UNPIVOT t ON a, b INTO NAME n VALUE v) AS u) SELECT n FROM p",
        "COPY (PIVOT t ON a USING sum(b)) TO 'x'",
        "CREATE TABLE x AS UNPIVOT t ON a, b INTO NAME n VALUE v",
        "SELECT (((",
    ],
)
def test_a_statement_of_which_nothing_is_known_says_so(statement: str) -> None:
    found = columns_of(statement, SCHEMA)
    assert found.columns == ()
    assert found.opaque


@pytest.mark.parametrize(
    ("order", "column"), [("n", "b"), ("2", "b"), ("a", "a"), ("t.c", "c"), ("c", "c")]
)
def test_an_order_is_by_what_the_query_gives_first_of_all(order: str, column: str) -> None:
    found = columns_of(f"SELECT a, b + 1 AS n FROM t ORDER BY {order}", SCHEMA)
    assert [(one.column, one.how) for one in found.rows] == [(column, "sort")]


def test_a_column_of_an_input_that_is_not_known_is_called_as_the_statement_calls_it() -> None:
    query = 'SELECT "Order ID" AS a, Amount AS b, City AS c, city AS d FROM orders'
    assert said(columns_of(query)) == {
        "a": "orders.Order ID", "b": "orders.Amount", "c": "orders.city", "d": "orders.city",
    }  # fmt: skip
    assert said(columns_of("SELECT Amount AS b FROM orders", {}, "postgres")) == {
        "b": "orders.amount"
    }


def test_what_sqlglot_says_of_a_statement_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    assert columns_of("ALTER TABLE t OWNER TO someone", SCHEMA, "postgres").opaque
    assert caplog.records == []


# --- TPC-H ----------------------------------------------------------------------------------------

TPCH: Schema = {(name,): tuple(columns.split()) for name, columns in TABLES.items()}
_HOMES = {column: name for name, columns in TABLES.items() for column in columns.split()}


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    for name, columns in TABLES.items():
        listed = ", ".join(f"{column} {kind(column)}" for column in columns.split())
        con.execute(f"CREATE TABLE {name} ({listed})")
    return con


@pytest.mark.parametrize("number", QUERIES)
def test_the_columns_of_tpch(number: int, database: duckdb.DuckDBPyConnection) -> None:
    query, text = QUERIES[number]
    expected = {}
    for part in text.split(";"):
        name, _, origins = part.partition(":")
        expected[name.strip()] = " ".join(
            sorted(f"{_HOMES[column]}.{column}" for column in origins.split())
        )
    found = columns_of(query, TPCH)
    assert not found.opaque
    assert said(found) == expected
    # DuckDB itself takes the query, and gives columns of these names.
    assert database.sql(query).columns == [one.name for one in found.columns]


def test_the_inputs_are_those_that_columns_come_from() -> None:
    found = columns_of(QUERIES[9][0], TPCH)
    assert list(inputs(found)) == [("lineitem",), ("nation",), ("orders",), ("partsupp",)]
    assert found.get("SUM_PROFIT") == found.columns[2]

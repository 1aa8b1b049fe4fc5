"""The forms of statements that sqlglot publishes as its cases of lineage (its test_lineage.py of
August 2026), each with other words, and the columns that its own cases say.

What sqlglot calls by the name of a query in between is said here by the table at the end.
"""

from __future__ import annotations

import pytest

from otelprov.lineage.columns import Schema, columns_of

Case = tuple[str, str, dict[str, str]]
"""Dialect, statement, and by column where it comes from; ``?`` for what nobody can know."""

SCHEMA: Schema = {
    ("staff",): ("id", "pay", "dept"),
    ("months",): ("id", "jan", "feb", "east", "west"),
    ("crops",): ("crop", "q1", "q2", "q3", "q4"),
    ("votes",): ("id", "party", "number"),
}

CASES: dict[str, Case] = {
    "a star two queries below": (
        "duckdb",
        "SELECT pay FROM (SELECT pay FROM (SELECT * FROM staff) AS inner_) AS outer_",
        {"pay": "staff.pay"},
    ),
    "a named query over another": (
        "duckdb",
        "WITH top AS (SELECT pay FROM (SELECT * FROM staff) s) SELECT pay FROM top",
        {"pay": "staff.pay"},
    ),
    "a named query inside a query in FROM": (
        "duckdb",
        "SELECT pay FROM (WITH every AS (SELECT * FROM staff) SELECT pay FROM every) AS z",
        {"pay": "staff.pay"},
    ),
    "a star of a table that nobody knows": (
        "duckdb",
        "WITH every AS (SELECT * FROM nobody) SELECT k FROM every",
        {"k": "nobody.k"},
    ),
    "a star over a join": (
        "duckdb",
        "WITH a AS (SELECT id, pay FROM staff), b AS (SELECT id AS of, jan FROM months) "
        "SELECT * FROM a JOIN b ON a.id = b.of",
        {"id": "staff.id", "pay": "staff.pay", "of": "months.id", "jan": "months.jan"},
    ),
    "a star of one side of a join": (
        "duckdb",
        "WITH b AS (SELECT id, jan FROM months) SELECT b.* FROM staff JOIN b ON staff.id = b.id",
        {"id": "months.id", "jan": "months.jan"},
    ),
    "a column that either of two unknown tables may have": (
        "duckdb",
        "WITH every AS (SELECT * FROM nobody) SELECT k FROM every JOIN other USING (uid)",
        {"k": "?"},
    ),
    "values": (
        "duckdb",
        "SELECT k FROM (SELECT k FROM (VALUES (1), (2)) AS t(k)) AS q",
        {"k": ""},
    ),
    "a named query that is called as a table": (
        "duckdb",
        "WITH staff AS (SELECT * FROM months), again AS (SELECT * FROM staff) "
        "SELECT jan FROM again",
        {"jan": "months.jan"},
    ),
    "three parts of a union": (
        "duckdb",
        "SELECT pay AS x FROM staff UNION SELECT jan FROM months UNION SELECT number FROM votes",
        {"x": "months.jan staff.pay votes.number"},
    ),
    "three parts of a union in FROM": (
        "duckdb",
        "SELECT x FROM (SELECT pay AS x FROM staff UNION SELECT jan FROM months "
        "UNION SELECT number FROM votes)",
        {"x": "months.jan staff.pay votes.number"},
    ),
    "a lateral function": (
        "snowflake",
        "SELECT f.value FROM deeds, LATERAL FLATTEN(INPUT => deeds.result, OUTER => TRUE) f",
        {"VALUE": "DEEDS.RESULT"},
    ),
    "a query for a value": (
        "duckdb",
        "SELECT (SELECT max(m.jan) AS top FROM months m) AS best FROM staff",
        {"best": "months.jan"},
    ),
    "queries for values inside a sum": (
        "duckdb",
        "SELECT sum((SELECT max(jan) FROM months) + (SELECT min(number) FROM votes) + pay) AS s "
        "FROM staff",
        {"s": "months.jan staff.pay votes.number"},
    ),
    "queries for values from a named query": (
        "duckdb",
        "WITH q AS (SELECT pay, dept FROM staff) "
        "SELECT sum((SELECT pay FROM q)) AS x, (SELECT dept FROM q) AS y FROM q",
        {"x": "staff.pay", "y": "staff.dept"},
    ),
    "queries in brackets": (
        "duckdb",
        "WITH one AS (SELECT 1 AS a), two AS ((SELECT a + 1 AS a FROM one)) "
        "(SELECT a + b AS a FROM two CROSS JOIN (SELECT 2 AS b) AS three)",
        {"a": ""},
    ),
    "a query in FROM with a name": (
        "duckdb",
        "SELECT pay FROM (SELECT pay FROM staff) named",
        {"pay": "staff.pay"},
    ),
    "a query in FROM without a name": (
        "duckdb",
        "SELECT pay FROM (SELECT pay FROM staff)",
        {"pay": "staff.pay"},
    ),
    "a union of stars of unknown tables": (
        "duckdb",
        "WITH both AS (SELECT * FROM c.d.one UNION SELECT * FROM c.d.two) SELECT x, y FROM both",
        {"x": "c.d.one.x c.d.two.None", "y": "c.d.one.y c.d.two.None"},
    ),
    "one union under two names": (
        "duckdb",
        "WITH three AS (SELECT id FROM staff UNION ALL SELECT id FROM months UNION ALL "
        "SELECT id FROM votes), joined AS (SELECT coalesce(l.id, r.id) AS id FROM three AS l "
        "LEFT JOIN three AS r ON l.id = r.id) SELECT id FROM joined",
        {"id": "months.id staff.id votes.id"},
    ),
    "a column of a star in FROM": (
        "duckdb",
        "SELECT x FROM (SELECT * FROM nobody)",
        {"x": "nobody.x"},
    ),
    "an unnested list": (
        "bigquery",
        "WITH d AS (SELECT [STRUCT(1 AS a, 2 AS b)] AS list) "
        "SELECT b FROM d CROSS JOIN UNNEST(list)",
        {"b": ""},
    ),
    "names in the case of the dialect": (
        "snowflake",
        "WITH x AS (SELECT 1 a) SELECT a FROM x",
        {"A": ""},
    ),
    "an INSERT with hints": (
        "oracle",
        "INSERT /*+ H */ INTO goal (p, q) SELECT s.p, s.q FROM (SELECT /*+ I */ t.p AS p, "
        "TO_DATE('2023-12-19', 'YYYY-MM-DD') AS q FROM o.t t WHERE 1 = 1) s",
        {"p": "O.T.P", "q": ""},
    ),
    "columns that are not asked for": (
        "duckdb",
        "SELECT pay, id, dept FROM (SELECT pay, id, dept FROM staff) z",
        {"pay": "staff.pay", "id": "staff.id", "dept": "staff.dept"},
    ),
    "a comment": (
        "duckdb",
        "SELECT * FROM (SELECT pay /* note */ FROM staff) AS t2",
        {"pay": "staff.pay"},
    ),
    "PIVOT of a query": (
        "duckdb",
        "SELECT a AS first FROM (SELECT number, party FROM votes) "
        "PIVOT (sum(number) FOR party IN ('a', 'b'))",
        {"first": "votes.number"},
    ),
    "PIVOT with names for figures and values": (
        "duckdb",
        "SELECT l_s AS left_sum FROM votes "
        "PIVOT (sum(number) AS s, max(id) AS m FOR party IN ('a' AS l, 'b'))",
        {"left_sum": "votes.number"},
    ),
    "PIVOT in a named query": (
        "duckdb",
        "WITH t AS (SELECT a AS first FROM votes PIVOT (sum(number) FOR party IN ('a', 'b'))) "
        "SELECT first FROM t",
        {"first": "votes.number"},
    ),
    "a column that PIVOT leaves": (
        "duckdb",
        "SELECT id FROM votes PIVOT (sum(number) FOR party IN ('a', 'b')) ORDER BY id",
        {"id": "votes.id"},
    ),
    "a column that PIVOT leaves, in a named query": (
        "duckdb",
        "WITH t AS (SELECT id FROM votes PIVOT (sum(number) FOR party IN ('a', 'b'))) "
        "SELECT id FROM t",
        {"id": "votes.id"},
    ),
    "UNPIVOT": (
        "snowflake",
        "SELECT id, name, score FROM months UNPIVOT (score FOR name IN (jan, feb))",
        {
            "ID": "MONTHS.ID",
            "NAME": "MONTHS.FEB MONTHS.JAN",
            "SCORE": "MONTHS.FEB MONTHS.JAN",
        },
    ),
    "UNPIVOT of a named query": (
        "duckdb",
        "WITH src AS (SELECT id, jan, feb FROM months) "
        "SELECT id, name, score FROM src UNPIVOT (score FOR name IN (jan, feb))",
        {"id": "months.id", "name": "months.feb months.jan", "score": "months.feb months.jan"},
    ),
    "UNPIVOT of several columns at once": (
        "bigquery",
        "SELECT crop, half, first, second FROM crops "
        "UNPIVOT((first, second) FOR half IN ((q1, q2) AS 'h1', (q3, q4) AS 'h2'))",
        {
            "crop": "crops.crop",
            "half": "crops.q1 crops.q2 crops.q3 crops.q4",
            "first": "crops.q1 crops.q3",
            "second": "crops.q2 crops.q4",
        },
    ),
    "UNPIVOT after UNPIVOT": (
        "duckdb",
        "SELECT id, score, heads FROM months UNPIVOT (score FOR m IN (jan, feb)) "
        "UNPIVOT (heads FOR r IN (east, west))",
        {
            "id": "months.id",
            "score": "months.feb months.jan",
            "heads": "months.east months.west",
        },
    ),
    "UNPIVOT after UNPIVOT of a named query": (
        "duckdb",
        "WITH src AS (SELECT id, jan, feb, east, west FROM months) SELECT score FROM src "
        "UNPIVOT (score FOR m IN (jan, feb)) UNPIVOT (heads FOR r IN (east, west))",
        {"score": "months.feb months.jan"},
    ),
    "UNPIVOT of what PIVOT made": (
        "duckdb",
        "SELECT id, v FROM votes PIVOT (sum(number) FOR party IN ('a' AS a, 'b' AS b)) "
        "UNPIVOT (v FOR c IN (a, b))",
        {"id": "votes.id", "v": "votes.number"},
    ),
    "names by position for what UNPIVOT gives": (
        "duckdb",
        "SELECT s FROM months UNPIVOT (score FOR m IN (jan, feb)) AS t(e, n, w, m, s)",
        {"s": "months.feb months.jan"},
    ),
    "names by position for what PIVOT gives": (
        "duckdb",
        "SELECT y FROM votes PIVOT (sum(number) FOR party IN ('a', 'b')) AS t(x, y, z)",
        {"y": "votes.number"},
    ),
    "a table function": (
        "snowflake",
        "SELECT a.value FROM lists, LATERAL SPLIT_TO_TABLE(lists.text, ',') a",
        {"VALUE": "LISTS.TEXT"},
    ),
    "one named query twice": (
        "duckdb",
        "WITH q AS (SELECT id, pay FROM staff) SELECT l.pay, r.pay AS other FROM q l JOIN q r "
        "ON l.id = r.id",
        {"pay": "staff.pay", "other": "staff.pay"},
    ),
    "all columns of a union": (
        "duckdb",
        "SELECT id, pay FROM staff UNION ALL SELECT id, number FROM votes",
        {"id": "staff.id votes.id", "pay": "staff.pay votes.number"},
    ),
}

OPAQUE = frozenset(
    {
        "a column that either of two unknown tables may have",
        "a union of stars of unknown tables",
    }
)
"""Those that are said to be opaque: nobody can say more, sqlglot neither."""


@pytest.mark.parametrize("name", CASES)
def test_a_published_form(name: str) -> None:
    dialect, statement, expected = CASES[name]
    schema = SCHEMA
    if dialect in ("snowflake", "oracle"):
        schema = {
            tuple(part.upper() for part in table): [one.upper() for one in columns]
            for table, columns in SCHEMA.items()
        }
    found = columns_of(statement, schema, dialect)
    assert not found.opaque
    got = {
        one.name: (one.opaque, {f"{'.'.join(o.table)}.{o.column}" for o in one.origins})
        for one in found.columns
    }
    for column, text in expected.items():
        opaque, origins = got[next(key for key in got if key.lower() == column.lower())]
        if name in OPAQUE:
            assert opaque
            assert origins <= set(text.split())
        else:
            assert not opaque
            assert {one.lower() for one in origins} == set(text.lower().split())


def test_all_forms_but_two_say_their_columns() -> None:
    assert (len(CASES), len(OPAQUE)) == (42, 2)


POSITIONS = {
    "PIVOT (sum(number) FOR party IN ('a', 'b')) AS t(x, y, z)": {
        "x": "votes.id", "y": "votes.number", "z": "votes.number",
    },
    "PIVOT (sum(number) AS s, max(id) AS m FOR party IN ('a', 'b')) AS t(p, q, r, s)": {
        "p": "votes.number", "q": "votes.id", "r": "votes.number", "s": "votes.id",
    },
    "PIVOT (sum(number) FOR party IN ('a', 'b') GROUP BY id) AS t(x, y)": {
        "x": "votes.id", "y": "votes.number",
    },
    "UNPIVOT (v FOR c IN (id, number)) AS t(x, y, z)": {
        "x": "votes.party", "y": "votes.id votes.number", "z": "votes.id votes.number",
    },
    "UNPIVOT (v FOR c IN (id, number)) AS t(x, y, z) UNPIVOT (w FOR d IN (x, z)) AS u(k, l, m)": {
        "k": "votes.id votes.number", "m": "votes.id votes.number votes.party",
    },
}  # fmt: skip


@pytest.mark.parametrize("form", POSITIONS)
@pytest.mark.parametrize("source", ["votes", "(SELECT id, party, number FROM votes)"])
def test_names_by_position_are_in_the_order_of_duckdb(form: str, source: str) -> None:
    connection = pytest.importorskip("duckdb").connect()
    connection.execute("CREATE TABLE votes (id INTEGER, party VARCHAR, number INTEGER)")
    if form.startswith("UNPIVOT") and form.count("UNPIVOT") == 1:
        connection.execute("ALTER TABLE votes ALTER party TYPE INTEGER")
    names = list(POSITIONS[form])
    statement = f"SELECT {', '.join(names)} FROM {source} {form}"
    if form.count("UNPIVOT") < 2:  # which would mix types
        connection.execute(statement)
    found = columns_of(statement, SCHEMA, "duckdb")
    assert {
        one.name: " ".join(sorted(f"{'.'.join(o.table)}.{o.column}" for o in one.origins))
        for one in found.columns
    } == POSITIONS[form]
    assert not any(one.opaque for one in found.columns)


@pytest.mark.parametrize("form", [
    "PIVOT (sum(number) FOR party IN ('a', 'b')) AS t(x)",
    "UNPIVOT (v FOR c IN (id, number)) AS t(x)",
])  # fmt: skip
def test_a_name_beyond_those_that_are_given_is_not_guessed(form: str) -> None:
    name = "b" if form.startswith("PIVOT") else "v"
    (column,) = columns_of(f"SELECT {name} FROM votes {form}", SCHEMA, "duckdb").columns
    assert column.opaque

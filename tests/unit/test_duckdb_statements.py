"""What a statement of DuckDB's reads and writes, by its parse."""

from __future__ import annotations

import logging
import time

import pytest

from otelprov.instrumentation._statement import name_of
from otelprov.instrumentation._statements import names_inside, statements

# What it reads (names, then files), and what it writes.
READS: dict[str, tuple[str, str, str]] = {
    "SELECT * FROM a, b.c JOIN d.e.f USING (x)": ("a b.c d.e.f", "", ""),
    "FROM a": ("a", "", ""),
    "WITH a AS (SELECT 1), b AS (FROM a) FROM b JOIN c ON true": ("c", "", ""),
    "WITH df AS (FROM df) FROM df": ("df", "", ""),
    "WITH RECURSIVE r AS (SELECT 1 UNION ALL FROM r) FROM r": ("", "", ""),
    "SELECT (SELECT max(x) FROM z) FROM y WHERE EXISTS (FROM w)": ("z y w", "", ""),
    "FROM a UNION ALL FROM b": ("a b", "", ""),
    "PIVOT df ON a USING sum(b)": ("df", "", ""),
    "PIVOT df ON a USING string_agg(b, ',' ORDER BY b) GROUP BY c ORDER BY c": ("df", "", ""),
    "CREATE OR REPLACE TABLE t AS PIVOT df ON a USING sum(b)": ("df", "", "t"),
    "CREATE TEMP TABLE t AS (UNPIVOT df ON a, b ORDER BY name LIMIT 2)": ("df", "", "t"),
    "UNPIVOT df ON a, b INTO NAME n VALUE v": ("df", "", ""),
    "UNPIVOT (FROM df JOIN z USING (k)) ON a ORDER BY name;": ("df z", "", ""),
    "WITH p AS (PIVOT_WIDER df ON a USING sum(b) ORDER BY a) FROM p JOIN q USING (k)": (
        "df q",
        "",
        "",
    ),
    "INSERT INTO t PIVOT df ON a USING sum(b)": ("df", "", "t"),
    "INSERT INTO t (a, b) PIVOT (FROM df) ON a USING sum(b) ORDER BY a": ("df", "", "t"),
    "INSERT INTO t BY NAME UNPIVOT df ON a, b INTO NAME n VALUE v": ("df", "", "t"),
    "WITH d AS (FROM df) PIVOT d ON a USING sum(b) ORDER BY a": ("df", "", ""),
    "WITH d AS (FROM df) UNPIVOT d ON COLUMNS(* EXCLUDE (k)) LIMIT 2": ("df", "", ""),
    "COPY (WITH d AS (FROM df) PIVOT d ON a ORDER BY a) TO 'x.csv'": ("df", "", ""),
    "CREATE TABLE t AS FROM (FROM df) PIVOT (sum(a) FOR b IN (1)) ORDER BY 1": ("df", "", "t"),
    "SUMMARIZE df": ("df", "", ""),
    "FROM 'x.csv' JOIN \"y.parquet\" USING (k)": ("x.csv y.parquet", "", ""),
    "FROM read_csv(['a.csv', 'b.csv'], header = true)": ("", "a.csv b.csv", ""),
    "FROM read_parquet(?)": ("", "$1", ""),
    "SELECT ?, * FROM read_parquet(?), read_json($named)": ("", "$2 $named", ""),
    "FROM range(10), generate_series(1, 2), unnest([1])": ("", "", ""),
    "CREATE TABLE t AS FROM df": ("df", "", "t"),
    "CREATE OR REPLACE TEMP TABLE s.t AS FROM df": ("df", "", "s.t"),
    "CREATE TABLE t AS FROM df WITH NO DATA": ("", "", "t"),
    "CREATE VIEW v(a) AS FROM df": ("df", "", "v"),
    "INSERT INTO t(a) BY NAME FROM df": ("df", "", "t"),
    "INSERT INTO s.t (a) BY POSITION FROM df": ("df", "", "s.t"),
    "INSERT INTO s.t VALUES (1, 'a; b'), (2, 'c')": ("", "", "s.t"),
    "INSERT INTO t VALUES ((SELECT max(a) FROM df))": ("df", "", "t"),
    "UPDATE t SET a = b.a FROM b WHERE t.k = b.k": ("b", "", "t"),
    "DELETE FROM t USING u WHERE t.a = u.a": ("u", "", "t"),
    "MERGE INTO t USING df ON t.a = df.a WHEN MATCHED THEN DELETE": ("df", "", "t"),
    "TRUNCATE t": ("", "", "t"),
    "COPY (SELECT * FROM df) TO 'x.parquet' (FORMAT parquet)": ("df", "", ""),
    "COPY t TO 'x.csv'": ("t", "", ""),
    "COPY t FROM 'x.csv' (HEADER)": ("", "x.csv", "t"),
    "EXPLAIN ANALYZE FROM df": ("df", "", ""),
    "FROM query_table('a') JOIN query_table(['b', 's.c']) USING (k)": ("a b s.c", "", ""),
    "FROM query('SELECT a FROM df') JOIN query('FROM read_csv(''x'')')": ("df", "x", ""),
    "CREATE TYPE m AS ENUM (SELECT a FROM df)": ("df", "", ""),
    "/* a comment */ -- another\n SELECT * FROM df": ("df", "", ""),
}


@pytest.mark.parametrize("text", READS)
def test_a_statement_reads_and_writes_what_it_names(text: str) -> None:
    (found,) = statements(text)
    names, files, target = READS[text]
    assert {".".join(name) for name in found.reads} == set(names.split())
    assert {one.pattern or f"${one.parameter}" for one in found.files} == set(files.split())
    assert ".".join(found.target or ()) == target
    assert found.unknown == ""
    assert found.is_operation is not text.startswith("CREATE VIEW")


@pytest.mark.parametrize(
    ("text", "is_emptied"),
    [
        ("DELETE FROM t", True), ("TRUNCATE t", True), ("DELETE FROM t WHERE true", False),
        ("DELETE FROM t USING u", False), ("DELETE FROM t RETURNING *", False),
    ],
)  # fmt: skip
def test_a_table_that_is_emptied_holds_nothing_of_before(text: str, *, is_emptied: bool) -> None:
    assert statements(text)[0].replaces is is_emptied


@pytest.mark.parametrize(
    "text",
    [
        "BEGIN", "COMMIT", "SET threads = 1", "PRAGMA version", "USE a.b", "ATTACH 'x.db' AS y",
        "EXPLAIN FROM df", "DESCRIBE df", "SHOW TABLES", "DROP TABLE t",
        "ALTER VIEW t RENAME TO u",
        "CREATE SCHEMA s", "CREATE MACRO m() AS TABLE FROM df", "VACUUM", "CHECKPOINT", "",
        "CREATE MACRO m(a, b := 0.2) AS a * b", "CREATE TYPE m AS ENUM ('a', 'b')",
        "CREATE PERSISTENT SECRET s (TYPE s3)", "CREATE SEQUENCE s",
    ],
)  # fmt: skip
def test_what_reads_and_writes_no_data_is_no_operation(text: str) -> None:
    assert not statements(text)[0].is_operation


@pytest.mark.parametrize(
    "text",
    ["SELEC 1", "EXPORT DATABASE 'x'", "CALL dbgen(sf = 1)", "FROM m('x')",
     "COPY FROM DATABASE a TO b", "FROM query_table($1)", "FROM query('FROM ' || 'a')",
     "FROM read_csv('a' || 'b')"],
)  # fmt: skip
def test_what_is_not_known_is_said_and_not_dropped(text: str) -> None:
    (found,) = statements(text)
    assert found.unknown
    assert found.is_operation


@pytest.mark.parametrize(
    "text",
    ["INSERT OR IGNORE INTO s.t SELECT (((", "UPDATE OR IGNORE s.t SET a = (((",
     "CREATE TEMP TABLE IF NOT EXISTS s.t AS (((", "DELETE FROM s.t WHERE ((("],
)  # fmt: skip
def test_what_a_statement_that_cannot_be_parsed_writes_comes_from_something(text: str) -> None:
    (found,) = statements(text)
    assert found.unknown
    assert found.target == ("s", "t")


def test_several_statements_are_told_apart() -> None:
    found = statements("BEGIN; INSERT INTO t SELECT 'a;b' FROM q; COMMIT;")
    assert [one.operation for one in found] == ["BEGIN", "INSERT", "COMMIT"]
    assert [one.operation for one in statements(" ; ;")] == [""]


def test_a_macro_is_each_query_that_it_stands_for() -> None:
    text = "CREATE OR REPLACE TEMP MACRO s.m(a, b := (1)) AS (SELECT max(x) FROM t) + a, (c) AS c;"
    (found,) = statements(text)
    assert (found.subject, found.temporary) == (("s", "m"), True)
    assert [one.reads for one in found.inner] == [(("t",),), ()]
    (rows,) = statements("CREATE MACRO m(f) AS TABLE SELECT * FROM u, read_csv(f)")
    assert [(one.reads, one.unknown) for one in rows.inner] == [
        ((("u",),), "the name of a file is computed")
    ]
    assert statements("SELECT m(1), max(a) FROM t")[0].functions == ("m",)
    assert statements("FROM m(1)")[0].unread == ("m",)


def test_what_a_statement_says_of_names_is_told_of_each() -> None:
    found = statements(
        "ATTACH 'a/b.c.duckdb'; ATTACH IF NOT EXISTS 'x.db' AS \"y z\" (READ_ONLY, TYPE sqlite);"
        "USE s; SET schema = 'k'; SET threads = 1; DROP TABLE IF EXISTS a.t; DROP SCHEMA s"
    )
    assert [one.subject for one in found] == [
        ("b",), ("y z",), ("s",), ("k",), None, ("a", "t"), None
    ]  # fmt: skip
    assert found[1].files[0].database == "sqlite"


def test_the_subqueries_of_an_expression_are_looked_into() -> None:
    assert names_inside("a IN (SELECT a FROM df)") == (("df",),)
    assert names_inside("max((SELECT b FROM z)), c") == (("z",),)
    assert names_inside("sum(a) AS total_from_x") == ()


def test_names_have_parts() -> None:
    assert name_of('a."b c"."d""e"') == ("a", "b c", 'd"e')


def test_nothing_of_the_parser_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        statements("CREATE TYPE another AS ENUM (SELECT a FROM df)")
    assert not caplog.records


def test_a_long_text_is_not_parsed_and_rows_are_known_all_the_same() -> None:
    rows = ", ".join("(1, 'some text')" for _ in range(50_000))
    begun = time.process_time()
    (found,) = statements(f"INSERT INTO t VALUES {rows}")
    (other,) = statements(f"SELECT * FROM t WHERE a IN ({', '.join(map(str, range(20_000)))})")
    assert time.process_time() - begun < 5
    assert found.target == ("t",)
    assert other.unknown == "the statement is too long"

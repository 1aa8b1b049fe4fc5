"""What a statement of SQLite's or PostgreSQL's reads and writes, by its parse."""

from __future__ import annotations

import pytest

from otelprov.instrumentation._statements import statements

# The dialect; what it reads, what it writes, and whether rows come back.
SAID: dict[tuple[str, str], tuple[str, str, bool]] = {
    ("postgres", 'SELECT * FROM Orders o JOIN app."Other" USING (k)'): (
        "orders app.Other",
        "",
        True,
    ),
    ("postgres", "INSERT INTO T (a) VALUES (%(a)s) RETURNING id"): ("", "t", True),
    ("postgres", "INSERT INTO t SELECT * FROM u ON CONFLICT (a) DO UPDATE SET b = excluded.b"): (
        "u",
        "t",
        False,
    ),
    ("postgres", "SELECT * INTO made FROM t"): ("t", "made", False),
    ("postgres", "CREATE MATERIALIZED VIEW mv AS SELECT * FROM t"): ("t", "mv", False),
    ("postgres", "CREATE TABLE t (k int REFERENCES other (id))"): ("", "t", False),
    ("postgres", "COPY Orders (a, b) FROM STDIN (FORMAT csv, HEADER)"): ("", "orders", False),
    ("postgres", "COPY app.orders TO STDOUT"): ("app.orders", "", True),
    ("postgres", "COPY (SELECT a FROM t JOIN u USING (k)) TO STDOUT WITH BINARY"): (
        "t u",
        "",
        True,
    ),
    ("postgres", "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE"): ("s", "t", False),
    ("postgres", "DELETE FROM a USING b WHERE a.x = b.x"): ("b", "a", False),
    ("postgres", "DELETE FROM a t USING b a WHERE t.x = a.x"): ("b", "a", False),
    ("postgres", "SELECT * FROM t, generate_series(1, 3) FOR UPDATE"): ("t", "", True),
    ("sqlite", "REPLACE INTO t VALUES (?, :b, @c)"): ("", "t", False),
    ("sqlite", "INSERT OR IGNORE INTO t SELECT * FROM u"): ("u", "t", False),
    ("sqlite", "SELECT * FROM t, json_each(t.v) WHERE k = :k"): ("t", "", True),
    ("mysql", "INSERT INTO `shop`.`t` SELECT * FROM `u`"): ("u", "shop.t", False),
    ("postgres", "ALTER TABLE T RENAME a TO b"): ("", "t", False),
    ("duckdb", 'ALTER TABLE s.t RENAME "to" TO b'): ("", "s.t", False),
    ("sqlite", "ALTER TABLE t RENAME a TO b"): ("", "t", False),
    ("sqlite", 'ALTER TABLE main.t RENAME TO "u v"'): ("main.t", "main.u v", False),
    ("postgres", "ALTER TABLE IF EXISTS app.t RENAME TO u"): ("app.t", "app.u", False),
    ("postgres", "ALTER TABLE app.t SET SCHEMA old"): ("app.t", "old.t", False),
    ("postgres", "ALTER MATERIALIZED VIEW v RENAME TO w"): ("v", "w", False),
    ("postgres", "ALTER TABLE t OWNER TO someone"): ("", "", False),
    ("postgres", "ALTER SEQUENCE s RESTART WITH 5"): ("", "", False),
    ("postgres", "ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1)"): ("", "", False),
    ("postgres", "CREATE TABLE p PARTITION OF t FOR VALUES IN (1)"): ("", "p", False),
    ("postgres", "CREATE TABLE c (a int) INHERITS (t)"): ("", "c", False),
    ("postgres", "CREATE EXTENSION IF NOT EXISTS pgcrypto"): ("", "", False),
    ("postgres", "CREATE SCHEMA IF NOT EXISTS s AUTHORIZATION someone"): ("", "", False),
    ("postgres", "CREATE TEMP TABLE t (LIKE u INCLUDING ALL) ON COMMIT DROP"): ("", "t", False),
    ("postgres", "CREATE TEMP TABLE t ON COMMIT DROP AS SELECT * FROM u"): ("u", "t", False),
    ("postgres", "CREATE MATERIALIZED VIEW v AS SELECT * FROM t WITH DATA"): ("t", "v", False),
    ("postgres", "CREATE MATERIALIZED VIEW v AS SELECT * FROM t WITH NO DATA"): ("", "v", False),
    ("postgres", "INSERT INTO t (a) OVERRIDING SYSTEM VALUE SELECT a FROM u"): ("u", "t", False),
    ("postgres", "EXPLAIN (ANALYZE, BUFFERS) INSERT INTO t SELECT * FROM u"): ("u", "t", True),
    ("sqlite", "SELECT * FROM t INDEXED BY i JOIN u NOT INDEXED USING (k)"): ("t u", "", True),
    ("sqlite", "UPDATE OR IGNORE t SET a = (SELECT max(b) FROM u)"): ("u", "t", False),
    ("sqlite", "CREATE TABLE t (a INT, b AS (a * 2)) STRICT, WITHOUT ROWID"): ("", "t", False),
    ("sqlite", "CREATE VIRTUAL TABLE f USING fts5(body)"): ("", "f", False),
    ("duckdb", "CREATE TABLE t (a INT, b INT GENERATED ALWAYS AS (a) VIRTUAL)"): ("", "t", False),
    ("duckdb", "UPDATE EXTENSIONS (httpfs)"): ("", "", False),
    ("mysql", "UPDATE t a JOIN u ON u.k = a.k, w SET a.x = u.x"): ("u w", "t", False),
    ("mysql", "UPDATE t JOIN u USING (k) SET u.x = t.x"): ("t u", "u", False),
    ("mysql", "DELETE a FROM t a JOIN u USING (k) WHERE u.x = 1"): ("u", "t", False),
    ("mysql", "DELETE FROM a USING t a JOIN u USING (k)"): ("t u", "t", False),
    ("mysql", "SELECT a INTO @x FROM t"): ("t", "", True),
    ("mysql", "SELECT * FROM t INTO OUTFILE 'x.csv' FIELDS TERMINATED BY ','"): ("t", "", True),
    ("mysql", "RENAME TABLE `t` TO old.`t u`"): ("t", "old.t u", False),
    ("tsql", "UPDATE a SET a.x = u.x FROM t a JOIN u ON u.k = a.k"): ("t u", "t", False),
    ("tsql", "DELETE a FROM t a JOIN u ON u.k = a.k"): ("u", "t", False),
}


@pytest.mark.parametrize(("dialect", "text"), SAID)
def test_a_statement_reads_and_writes_what_it_names(dialect: str, text: str) -> None:
    (found,) = statements(text, dialect)
    names, target, gives = SAID[dialect, text]
    assert {".".join(name) for name in found.reads} == set(names.split())
    assert ".".join(found.target or ()) == target
    assert found.is_query is gives
    assert found.unknown == ""


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM of_my_own(1)",
        "REFRESH MATERIALIZED VIEW mv",
        "DO $$ BEGIN END $$",
        "CREATE TABLE t USING columnar AS EXECUTE q (1)",
    ],
)
def test_what_cannot_be_seen_in_a_statement_is_said(text: str) -> None:
    (found,) = statements(text, "postgres")
    assert found.unknown


@pytest.mark.parametrize(
    ("dialect", "text", "names", "targets"),
    [
        ("mysql", "UPDATE t a JOIN u USING (k) SET u.x = a.x, a.y = 1", "u", "u t"),
        ("mysql", "UPDATE t a JOIN u USING (k) SET x = 1", "u", "t u"),
        ("mysql", "DELETE a, u FROM t a JOIN u USING (k)", "u", "t u"),
        ("mysql", "RENAME TABLE t TO w, u TO t, w TO u", "t u", "t u"),
    ],
)
def test_several_tables_are_changed_at_once(
    dialect: str, text: str, names: str, targets: str
) -> None:
    (found,) = statements(text, dialect)
    assert {".".join(name) for name in found.reads} == set(names.split())
    written = (found, *found.inside)
    assert [".".join(one.target or ()) for one in written] == targets.split()


def test_a_loaded_file_is_of_unknown_origin() -> None:
    (found,) = statements("LOAD DATA LOCAL INFILE 'x.csv' IGNORE INTO TABLE `s`.`t`", "mysql")
    assert found.target == ("s", "t")
    assert found.unknown


@pytest.mark.parametrize("text", ["INSERT INTO [app].[my t] EXEC p 1", "INSERT INTO `t` SELEC 1"])
def test_the_target_of_what_is_not_understood_is_known_by_its_quoted_name(text: str) -> None:
    (found,) = statements(text, "tsql" if "[" in text else "mysql")
    assert found.target in (("app", "my t"), ("t",))
    assert found.unknown


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite", "postgres"])
def test_a_comment_is_no_statement(dialect: str) -> None:
    for text in ("SELECT * FROM t;\n-- the end; really\n", "/* a; b */ SELECT * FROM t; /* c */;"):
        (found,) = statements(text, dialect)
        assert (found.operation, found.reads, found.unknown) == ("SELECT", (("t",),), "")
    (found,) = statements("-- nothing\n/* at; all */", dialect)
    assert not found.is_operation


@pytest.mark.parametrize(
    "word", ["SAVEPOINT a", "RELEASE a", "LISTEN x", "BEGIN", "COMMIT", "SHOW x"]
)
def test_statements_without_data_are_no_operations(word: str) -> None:
    (found,) = statements(word, "postgres")
    assert not found.is_operation


def test_bulk_inserts_of_many_parameters_are_known_without_a_parse() -> None:
    rows = ", ".join(f"(%(a__{n})s, %(b__{n})s)" for n in range(3000))
    values = f'INSERT INTO app."T" (a, b) VALUES {rows} RETURNING id'
    (found,) = statements(values, "postgres")
    assert (found.target, found.is_query, found.unknown) == (("app", "T"), True, "")
    selected = (
        f"INSERT INTO t (a, b) SELECT p0::INTEGER, p1::FLOAT FROM (VALUES {rows}) "
        "AS imp_sen(p0, p1, sen_counter) ORDER BY sen_counter RETURNING t.id"
    )
    (found,) = statements(selected, "postgres")
    assert (found.target, found.reads, found.unknown) == (("t",), (), "")
    (found,) = statements(f"INSERT INTO t (a, b) SELECT a, b FROM u WHERE (a, b) IN ({rows})")
    assert found.unknown


def test_statements_in_with_write_their_tables_too() -> None:
    (found,) = statements(
        "WITH gone AS (DELETE FROM a RETURNING *), new AS (INSERT INTO c SELECT 1 RETURNING *) "
        "INSERT INTO b SELECT * FROM gone, d",
        "postgres",
    )
    assert (found.operation, found.target, found.unknown) == ("INSERT", ("b",), "")
    assert [(one.operation, one.target) for one in found.inside] == [
        ("DELETE", ("a",)),
        ("INSERT", ("c",)),
    ]
    assert set(found.reads) == {("a",), ("d",)}


def test_the_statements_of_a_trigger_are_not_carried_out_when_it_is_made() -> None:
    made, ended = statements(
        "CREATE TRIGGER t AFTER UPDATE ON a BEGIN INSERT INTO h VALUES (CASE WHEN old.x THEN 1 "
        "END); DELETE FROM b; END; INSERT INTO a SELECT * FROM c",
        "sqlite",
    )
    assert (made.operation, made.reads, made.target) == ("CREATE TRIGGER", (), None)
    assert not made.is_operation
    assert (ended.reads, ended.target) == ((("c",),), ("a",))
    function, read = statements(
        "CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN DELETE FROM h; RETURN new; END $$ "
        "LANGUAGE plpgsql; SELECT * FROM a",
        "postgres",
    )
    assert not function.is_operation
    assert read.reads == (("a",),)

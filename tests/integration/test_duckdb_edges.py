"""What DuckDB read and wrote: exactly that, through every way in and out."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import support
from support import Recorded, Spans

import otelprov

duckdb = pytest.importorskip("duckdb")
VERSION = int(duckdb.__version__.partition(".")[0])

Step = tuple[str, frozenset[str], frozenset[str]]


def step(name: str, used: str = "", made: str = "") -> Step:
    """One operation of an expected graph: what it used and generated, by short names."""
    return f"duckdb.{name}", frozenset(used.split()), frozenset(made.split())


def graph(spans: list[Recorded], **objects: Any) -> list[Step]:
    """The operations of DuckDB, in their order. ``objects`` gives names to data in memory."""
    names: dict[str, str] = {}
    for short, value in objects.items():
        names.setdefault(otelprov.artifact(value).id, short)

    def name(event: dict[str, Any], id_: str) -> str:
        uri = event.get("otelprov.artifact.uri", "")
        if "#" in uri:
            return str(uri.partition("#")[2])
        if event.get("otelprov.artifact.name"):
            return str(event["otelprov.artifact.name"])
        if id_ in names:
            return names[id_]
        if event.get("otelprov.artifact.origin") == "unknown":
            return "unknown"
        return str(event["otelprov.artifact.kind"])

    return [
        (
            span.name,
            frozenset(name(one, one["otelprov.used.id"]) for one in span.used),
            frozenset(name(one, one["otelprov.generated.id"]) for one in span.generated),
        )
        for span in spans
        if span.name.startswith("duckdb.")
    ]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a.csv").write_text("k,v\n1,10.0\n2,20.0\n3,30.0\n")
    (tmp_path / "b.csv").write_text("k,w\n1,x\n2,y\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_pipeline_from_pandas_over_duckdb_to_polars_and_parquet(here: Path, spans: Spans) -> None:
    orders = pd.read_csv("a.csv")
    con = duckdb.connect()
    sums = con.sql(
        "SELECT k, sum(v) AS v FROM orders JOIN 'b.csv' USING (k) GROUP BY k ORDER BY k"
    ).pl()
    doubled = con.sql("SELECT k, 2 * v AS v FROM sums").to_arrow_table()
    con.sql("FROM doubled").to_parquet("doubled.parquet")
    frame = con.sql("FROM 'doubled.parquet'").df()
    assert graph(spans.all(), orders=orders, sums=sums, doubled=doubled) == [
        step("pl", "orders b.csv", "sums"),
        step("to_arrow_table", "sums", "doubled"),
        step("to_parquet", "doubled", "doubled.parquet"),
        step("df", "doubled.parquet", "doubled"),
    ]
    # The same rows have one id, whatever they are held in.
    assert otelprov.artifact(doubled).id == otelprov.artifact(frame).id


def test_a_table_has_the_same_id_before_and_after_each_hand_over(here: Path, spans: Spans) -> None:
    first = pd.read_csv("a.csv")
    con = duckdb.connect()
    as_arrow = con.sql("FROM first").to_arrow_table()
    as_polars = con.sql("FROM as_arrow").pl()
    as_pandas = con.sql("FROM as_polars").df()
    executed = con.execute("FROM as_pandas").fetchdf()
    ids = {otelprov.artifact(one).id for one in (first, as_arrow, as_polars, as_pandas, executed)}
    assert len(ids) == 1
    assert all(span.used_ids for span in spans.all() if span.name.startswith("duckdb."))


def test_tables_of_a_database_file_connect_two_processes(here: Path) -> None:
    (here / "first.py").write_text(
        textwrap.dedent("""
            import duckdb, pandas as pd
            raw = pd.read_csv("a.csv")
            with duckdb.connect("shop.db") as con:
                con.execute("CREATE TABLE orders AS SELECT * FROM raw")
                con.execute("INSERT INTO orders VALUES (4, 40.0)")
        """)
    )
    (here / "second.py").write_text(
        textwrap.dedent("""
            import duckdb
            con = duckdb.connect("shop.db", read_only=True)
            con.sql("SELECT max(v) AS m FROM orders").df().to_csv("max.csv")
        """)
    )
    for program in ("first.py", "second.py"):
        support.instrumented(program, journal_directory=here / "journal", cwd=here)
    found = support.journal(here / "journal")
    assert graph(found) == [
        step("execute", "table", "main.orders"),
        step("execute", "main.orders", "main.orders"),
        step("df", "main.orders", "table"),
    ]
    shown = subprocess.run(
        [sys.executable, "-m", "otelprov.cli", "lineage", "max.csv"],
        env=support.environment(here / "journal"),
        cwd=here,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "a.csv" in shown, shown
    assert "unknown origin" not in shown, shown


def test_statements_that_write_tables(here: Path, spans: Spans) -> None:
    raw = pd.read_csv("a.csv")
    con = duckdb.connect()
    con.execute("CREATE TABLE t (k INTEGER, v DOUBLE)")
    con.execute("INSERT INTO t SELECT * FROM raw")
    con.execute("INSERT INTO t VALUES (7, 7.5)")
    con.executemany("INSERT INTO t VALUES (?, ?)", [[8, 8.0], [9, 9.0]])
    con.execute("COPY t FROM 'a.csv' (HEADER)")
    con.execute("CREATE OR REPLACE TABLE u AS SELECT k FROM t")
    con.execute("UPDATE t SET v = 0 FROM u WHERE t.k = u.k")
    con.execute("DELETE FROM u WHERE k IN (SELECT k FROM raw)")
    con.execute("CREATE TABLE IF NOT EXISTS u AS SELECT * FROM raw")
    con.execute("ALTER TABLE u ADD COLUMN x INTEGER")
    con.execute("COPY (SELECT * FROM t) TO 'out.parquet' (FORMAT parquet)")
    con.execute("TRUNCATE u")
    assert graph(spans.all(), raw=raw) == [
        step("execute", "", "main.t"),
        step("execute", "raw main.t", "main.t"),
        step("execute", "main.t", "main.t"),
        step("executemany", "main.t unknown", "main.t"),
        step("execute", "a.csv main.t", "main.t"),
        step("execute", "main.t", "main.u"),
        step("execute", "main.u main.t", "main.t"),
        step("execute", "raw main.u", "main.u"),
        step("execute", "main.u", "main.u"),
        step("execute", "main.t", "out.parquet"),
        step("execute", "", "main.u"),
    ]
    assert [span.attributes.get("db.operation.name") for span in spans.all()[1:5]] == [
        "CREATE TABLE",
        "INSERT",
        "INSERT",
        "INSERT",
    ]


def test_a_span_of_a_statement_has_the_attributes_of_the_convention(
    here: Path, spans: Spans
) -> None:
    con = duckdb.connect("shop.db")
    con.execute("CREATE TABLE people AS SELECT * FROM 'b.csv' WHERE w <> 'secret word'")
    said = spans.one("duckdb.execute").attributes
    assert said["db.system.name"] == "duckdb"
    assert said["db.namespace"] == "shop"
    assert said["db.operation.name"] == "CREATE TABLE"
    assert said["db.collection.name"] == "people"
    assert said["db.query.text"] == "CREATE TABLE people AS SELECT * FROM ? WHERE w <> ?"
    assert said["otelprov.operation.kind"] == "query"
    assert "secret word" not in str(said)
    (made,) = spans.one("duckdb.execute").generated
    assert made["otelprov.artifact.uri"] == f"duckdb:///{here}/shop.db#main.people"


def test_each_use_of_a_table_names_who_wrote_it_last(here: Path, spans: Spans) -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE t AS FROM 'a.csv'")
    con.execute("INSERT INTO t VALUES (4, 4.0)")
    con.sql("FROM t").fetchall()
    made, added, read = spans.all()
    maker = {span.name: span for span in (made, added, read)}
    assert len(maker) == 2
    assert added.used[0]["otelprov.artifact.maker"] == f"{made.trace_id}-{made.span_id}"
    assert read.used[0]["otelprov.artifact.maker"] == f"{added.trace_id}-{added.span_id}"


def test_relations_carry_their_sources(here: Path, spans: Spans) -> None:
    one, other = pd.read_csv("a.csv"), pd.read_csv("b.csv")
    con = duckdb.connect()
    a, b = con.from_df(one), con.from_df(other).set_alias("b")
    joined = a.set_alias("a").join(b, "a.k = b.k").filter("v > 5").project("a.k, v, w")
    assert graph(spans.all()) == []  # nothing has run
    result = joined.order("k").df()
    counted = joined.aggregate("count(*) AS n").fetchall()
    both = (
        con.read_csv("a.csv")
        .union(con.sql("FROM 'a.csv'"))
        .distinct()
        .project("k AS n")
        .to_arrow_table()
    )
    inside = con.sql("FROM 'b.csv'").filter("k IN (SELECT k FROM one)").df()
    objects = {"one": one, "other": other, "result": result, "both": both, "inside": inside}
    assert graph(spans.all(), **objects) == [
        step("df", "one other", "result"),
        step("fetchall", "one other", "object"),
        step("to_arrow_table", "a.csv", "both"),
        step("df", "one b.csv", "inside"),
    ]
    assert counted == [(2,)]


def test_what_is_pivoted_reads_the_table(here: Path, spans: Spans) -> None:
    con = duckdb.connect()
    long = con.sql("UNPIVOT 'a.csv' ON k, v INTO NAME n VALUE x").aggregate("n, sum(x) AS x", "n")
    long.to_csv("long.csv")
    con.execute("CREATE TABLE wide AS PIVOT 'b.csv' ON k USING first(w)")
    con.sql("PIVOT 'b.csv' ON k USING first(w) ORDER BY ALL").df()
    assert graph(spans.all()) == [
        step("to_csv", "a.csv", "long.csv"),
        step("execute", "b.csv", "main.wide"),
        step("df", "b.csv", "table"),
    ]


def test_relations_that_write(here: Path, spans: Spans) -> None:
    con = duckdb.connect()
    source = con.read_csv("a.csv")
    source.to_table("t") if hasattr(source, "to_table") else source.create("t")
    source.insert_into("t")
    con.table("t").insert([9, 9.5])
    con.table("t").filter("k > 1").write_csv("t.csv")
    con.table("t").to_parquet("t.parquet", compression="zstd")
    con.append("t", pd.DataFrame({"k": [5], "v": [5.0]}))
    steps = graph(spans.all())
    assert steps[0][1:] == (frozenset({"a.csv"}), frozenset({"main.t"}))
    assert steps[1:5] == [
        step("insert_into", "a.csv main.t", "main.t"),
        step("insert", "main.t", "main.t"),
        step("write_csv", "main.t", "t.csv"),
        step("to_parquet", "main.t", "t.parquet"),
    ]
    assert steps[5] == step("append", "unknown main.t", "main.t")


def test_what_a_function_of_the_module_writes_of_a_frame_comes_from_it(
    here: Path, spans: Spans
) -> None:
    frame = pd.read_csv("a.csv")
    duckdb.write_csv(frame, "written.csv", sep=";")
    assert graph(spans.all(), frame=frame) == [step("write_csv", "frame", "written.csv")]


@pytest.mark.skipif(VERSION < 2, reason="relations have group_by from 2.0 on")
def test_groups_of_a_relation_read_what_it_reads(here: Path, spans: Spans) -> None:
    con = duckdb.connect()
    total = duckdb.FunctionExpression("sum", duckdb.ColumnExpression("v")).alias("total")
    groups = con.read_csv("a.csv").group_by("k")
    assert graph(spans.all()) == []
    sums = groups.agg(total).filter("total > 10").df()
    assert graph(spans.all(), sums=sums) == [step("df", "a.csv", "sums")]


def test_views_read_when_they_are_read(here: Path, spans: Spans) -> None:
    frame = pd.read_csv("a.csv")
    con = duckdb.connect()
    con.execute("CREATE TABLE t AS FROM 'b.csv'")
    con.execute("CREATE VIEW v AS SELECT * FROM t JOIN 'a.csv' USING (k)")
    con.execute("CREATE VIEW w AS SELECT k FROM v")
    con.sql("FROM frame").create_view("x")
    con.execute("CREATE TEMP VIEW y AS SELECT * FROM w")
    spans.clear()
    con.sql("FROM w").fetchall()
    con.sql("FROM x").fetchall()
    con.sql("FROM y, x").fetchall()
    assert graph(spans.all(), frame=frame) == [
        step("fetchall", "main.t a.csv", "object"),
        step("fetchall", "frame", "object"),
        step("fetchall", "main.t a.csv frame", "object"),
    ]


def test_what_is_registered_is_read_by_its_name(here: Path, spans: Spans) -> None:
    frame = pd.read_csv("a.csv")
    con = duckdb.connect()
    con.register("Known", frame)
    con.execute("SELECT * FROM known").fetchall()
    con.unregister("Known")
    known = pl.read_csv("b.csv")
    con.execute("SELECT * FROM known").fetchall()
    assert graph(spans.all(), frame=frame, known=known) == [
        step("execute", "frame", "stream"),
        step("fetchall", "stream", "object"),
        step("execute", "known" if _knows_polars(known) else "unknown", "stream"),
        step("fetchall", "stream", "object"),
    ]


def _knows_polars(frame: pl.DataFrame) -> bool:
    """Whether what Polars reads is recorded."""
    from otelprov.artifacts.registry import registry

    return registry.lookup(frame) is not None


def test_a_table_of_the_database_comes_before_a_variable(here: Path, spans: Spans) -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE orders AS FROM 'a.csv'")
    orders = pd.read_csv("b.csv")
    assert con.sql("SELECT count(*) FROM orders").fetchall() == [(3,)]
    con.execute("DROP TABLE orders")
    assert con.sql("SELECT count(*) FROM orders").fetchall() == [(2,)]
    assert graph(spans.all(), orders=orders) == [
        step("execute", "a.csv", "main.orders"),
        step("fetchall", "main.orders", "object"),
        step("fetchall", "orders", "object"),
    ]


def test_tables_of_an_open_transaction_and_temporary_tables_are_known(
    here: Path, spans: Spans
) -> None:
    con = duckdb.connect("shop.db")
    con.execute("BEGIN")
    con.execute("CREATE TABLE early AS FROM 'a.csv'")
    con.execute("CREATE TEMP TABLE passing AS FROM early")
    con.execute("CREATE VIEW seen AS FROM early")
    early = passing = seen = pd.read_csv("b.csv")
    assert con.sql("FROM seen, passing").fetchall()
    con.execute("COMMIT")
    assert len(early) == len(passing) == len(seen) == 2
    assert graph(spans.all()) == [
        step("execute", "a.csv", "main.early"),
        step("execute", "main.early", "passing"),
        step("fetchall", "main.early passing", "object"),
    ]
    uris = {one["otelprov.artifact.uri"] for one in spans.all()[-1].used}
    assert any(":temp:" in uri for uri in uris)


def test_a_temporary_table_is_known_from_the_first_statement_on(here: Path, spans: Spans) -> None:
    con = duckdb.connect()
    con.execute("CREATE TEMP TABLE passing AS SELECT 1 AS one")
    con.sql("FROM passing").fetchall()
    assert graph(spans.all()) == [
        step("execute", "", "passing"),
        step("fetchall", "passing", "object"),
    ]


def test_attached_databases_have_their_own_names(here: Path, spans: Spans) -> None:
    with duckdb.connect("other.db") as other:
        other.execute("CREATE SCHEMA s; CREATE TABLE s.t AS FROM 'a.csv'")
    con = duckdb.connect("shop.db")
    con.execute("ATTACH 'other.db' AS o (READ_ONLY)")
    con.execute("CREATE TABLE t AS FROM o.s.t")
    con.execute("DETACH o")
    spans_ = spans.all()
    assert [span.used[0].get("otelprov.artifact.uri") for span in spans_[1:]] == [
        f"duckdb:///{here}/other.db#s.t"
    ]
    assert spans_[0].generated_ids == spans_[1].used_ids
    assert spans_[1].generated[0]["otelprov.artifact.uri"] == f"duckdb:///{here}/shop.db#main.t"


def test_each_statement_of_a_script_is_an_operation(here: Path, spans: Spans) -> None:
    con = duckdb.connect()
    con.execute(
        "CREATE TEMP TABLE step AS FROM 'a.csv'; CREATE TABLE t AS SELECT * FROM step, 'b.csv' b; "
        "INSERT INTO t FROM t; SELECT count(*) FROM t"
    )
    assert con.fetchone() == (12,)
    assert graph(spans.all()) == [
        step("execute", "a.csv", "step"),
        step("execute", "step b.csv", "main.t"),
        step("execute", "main.t", "main.t"),
        step("execute", "main.t", "stream"),
    ]


def test_files_by_pattern_list_and_parameter(here: Path, spans: Spans) -> None:
    (here / "parts").mkdir()
    for number in range(3):
        pq.write_table(pa.table({"n": [number]}), f"parts/p{number}.parquet")
    spans.clear()
    con = duckdb.connect()
    con.sql("FROM 'parts/*.parquet'").fetchall()
    con.sql("FROM read_parquet(['parts/p0.parquet', 'parts/p2.parquet'])").fetchall()
    con.execute("SELECT * FROM read_parquet($file)", {"file": "parts/p1.parquet"}).fetchall()
    con.execute("SELECT ?, * FROM read_csv(?)", [1, "a.csv"]).fetchall()
    con.read_parquet("parts/p*.parquet").fetchall()
    every = "p0.parquet p1.parquet p2.parquet"
    assert graph(spans.all()) == [
        step("fetchall", every, "object"),
        step("fetchall", "p0.parquet p2.parquet", "object"),
        step("execute", "p1.parquet", "stream"),
        step("fetchall", "stream", "object"),
        step("execute", "a.csv", "stream"),
        step("fetchall", "stream", "object"),
        step("fetchall", every, "object"),
    ]


def test_prepared_statements_read_what_was_prepared(here: Path, spans: Spans) -> None:
    con = duckdb.connect()
    con.execute("PREPARE p AS SELECT * FROM 'a.csv' WHERE k = $1")
    con.execute("EXECUTE p(1)")
    assert con.fetchall() == [(1, 10.0)]
    con.execute("SELECT * FROM 'b.csv' WHERE k = ?", [2])
    assert graph(spans.all()) == [
        step("execute", "a.csv", "stream"),
        step("fetchall", "stream", "object"),
        step("execute", "b.csv", "stream"),
    ]


def test_rows_are_followed_into_pandas(here: Path, spans: Spans) -> None:
    con = duckdb.connect()
    rows = con.execute("SELECT * FROM 'a.csv'").fetchall()
    frame = pd.DataFrame(rows, columns=["k", "v"])
    frame.to_csv("again.csv")
    roots, _ = support.upstream(spans.all(), otelprov.artifact(here / "again.csv").id)
    assert roots == {otelprov.artifact(here / "a.csv").id}


def test_rows_that_are_fetched_in_a_long_loop_are_recorded_at_its_beginning(
    here: Path, spans: Spans
) -> None:
    con = duckdb.connect()
    con.execute("SELECT * FROM range(100)")
    assert sum(len(con.fetchmany(2)) for _ in range(50)) == 100
    assert spans.names().count("duckdb.fetchmany") == 10
    con.execute("SELECT * FROM range(2)")
    assert len(con.fetchmany(2)) == 2
    assert spans.names().count("duckdb.fetchmany") == 11


def test_what_cannot_be_known_is_said_to_be_unknown(here: Path, spans: Spans) -> None:
    con = duckdb.connect()
    con.sql("FROM query('SELECT 1' || ' AS one')").fetchall()
    (used,) = spans.one("duckdb.fetchall").used
    assert used["otelprov.artifact.coverage"] == "none"
    assert used["otelprov.artifact.origin"] == "unknown"
    assert "function query" in used["otelprov.artifact.reason"]


def test_a_statement_that_fails_says_what_it_used(here: Path, spans: Spans) -> None:
    frame = pd.read_csv("a.csv")
    con = duckdb.connect()
    with pytest.raises(duckdb.Error):
        con.execute("CREATE TABLE t AS SELECT nothing FROM frame")
    with pytest.raises(duckdb.Error):
        con.execute("SELECT * FROM no_such_table")
    first, second = (span for span in spans.all() if span.name == "duckdb.execute")
    assert first.used_ids == {otelprov.artifact(frame).id}
    assert first.generated == second.generated == second.used == []
    assert first.attributes["error.type"].endswith("BinderException")
    con.execute("CREATE TABLE t AS SELECT 1 AS x")
    assert spans.all()[-1].used == []


def test_cursors_share_the_tables_of_their_connection(here: Path, spans: Spans) -> None:
    con = duckdb.connect()
    cursor = con.cursor()
    con.execute("CREATE TABLE t AS FROM 'a.csv'")
    cursor.execute("SELECT * FROM t").fetchall()
    other = duckdb.connect()
    other.execute("CREATE TABLE t AS FROM 'b.csv'")
    made, read, _, apart = spans.all()
    assert made.generated_ids == read.used_ids
    assert made.generated_ids != apart.generated_ids


def test_the_module_has_a_connection_of_its_own(here: Path, spans: Spans) -> None:
    frame = pd.read_csv("a.csv")
    duckdb.execute("CREATE OR REPLACE TABLE of_module AS FROM frame")
    duckdb.sql("FROM of_module").df()
    duckdb.read_csv("b.csv").fetchall()
    duckdb.filter(frame, "v > 10").fetchall()
    duckdb.execute("DROP TABLE of_module")
    assert [one[:2] for one in graph(spans.all(), frame=frame)] == [
        ("duckdb.execute", frozenset({"frame"})),
        ("duckdb.df", frozenset({"main.of_module"})),
        ("duckdb.fetchall", frozenset({"b.csv"})),
        ("duckdb.fetchall", frozenset({"frame"})),
    ]


def test_a_query_of_a_frame_by_a_name_of_its_own_reads_the_frame(here: Path, spans: Spans) -> None:
    frame = pd.read_csv("a.csv")
    rows = duckdb.query_df(frame, "named", "SELECT k FROM named WHERE v > 10").df()
    assert graph(spans.all(), frame=frame, rows=rows) == [step("df", "frame", "rows")]


def test_an_array_of_a_few_values_is_read_by_its_content(here: Path, spans: Spans) -> None:
    few = np.arange(3)
    con = duckdb.connect()
    rows = con.sql("SELECT sum(column0) AS n FROM few").df()
    assert graph(spans.all(), few=few, rows=rows) == [step("df", "few", "rows")]


def test_a_relation_among_the_variables_is_read_through(here: Path, spans: Spans) -> None:
    con = duckdb.connect()
    first = con.sql("SELECT * FROM 'a.csv'")
    second = con.sql("SELECT k FROM first")
    assert len(second.df()) == 3
    assert first is not second
    assert graph(spans.all()) == [step("df", "a.csv", "table")]


def test_what_comes_back_of_a_statement_that_writes_is_a_relation(here: Path, spans: Spans) -> None:
    con = duckdb.connect()
    con.sql("CREATE TABLE t AS FROM 'a.csv'")
    rows = con.sql("INSERT INTO t FROM t RETURNING k")
    frame = rows.df()
    assert len(frame) == 3
    assert graph(spans.all(), frame=frame) == [
        step("sql", "a.csv", "main.t"),
        step("sql", "main.t", "main.t stream"),
        step("df", "stream", "frame"),
    ]


def test_streams_of_batches_are_followed(here: Path, spans: Spans) -> None:
    con = duckdb.connect()
    relation = con.sql("FROM 'a.csv'")
    method = "to_arrow_reader" if hasattr(relation, "to_arrow_reader") else "fetch_record_batch"
    reader = getattr(relation, method)()
    assert reader.schema.names == ["k", "v"]
    other = duckdb.connect()
    other.sql("FROM reader").df()
    assert graph(spans.all()) == [
        step(method, "a.csv", "stream"),
        step("df", "stream", "table"),
    ]


def test_what_another_library_takes_out_of_a_relation_comes_from_that(
    here: Path, spans: Spans
) -> None:
    relation = duckdb.connect().sql("SELECT k FROM 'a.csv'")
    if not hasattr(pl.DataFrame, "__arrow_c_stream__"):
        pytest.skip("this Polars takes no Arrow stream")
    first, second = pl.DataFrame(relation), pl.Series(relation)
    assert pa.table(relation).num_rows == len(first) == len(second) == 3
    taken, one, also, two, handed, three = spans.all()
    assert graph([one, two, three]) == [step("arrow_c_stream", "a.csv", "stream")] * 3
    assert (handed.name, handed.used_ids) == ("pyarrow.table", three.generated_ids)
    assert (taken.name, taken.used_ids) == ("polars.DataFrame", one.generated_ids)
    assert (also.name, also.used_ids) == ("polars.Series", two.generated_ids)
    assert [span.parent for span in (one, two)] == [taken.span_id, also.span_id]


def test_a_relation_that_fails_while_another_library_runs_it_says_what_it_used(
    here: Path, spans: Spans
) -> None:
    relation = duckdb.connect().sql("SELECT CAST(w AS INTEGER) AS w FROM 'b.csv'")
    with pytest.raises(duckdb.ConversionException):
        pa.table(relation)
    handed, failed = spans.all()
    assert handed.name == "pyarrow.table"
    assert graph([failed]) == [step("arrow_c_stream", "b.csv")]
    assert failed.status["code"] == 2


class Once:
    """A stream that gives its rows but once."""

    def __init__(self) -> None:
        self._reader: Any = pa.table({"n": [1, 2]}).to_reader()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._reader.__arrow_c_stream__(requested_schema)


def test_a_stream_that_gives_its_rows_once_is_left_to_the_program(spans: Spans) -> None:
    con = duckdb.connect()
    once = Once()
    assert con.execute("SELECT sum(n) FROM once").fetchall() == [(3,)]
    assert con.from_arrow(Once()).fetchall() == [(1,), (2,)]
    assert once is not None
    assert graph(spans.all()) == [
        step("execute", "unknown", "stream"),
        step("fetchall", "stream", "object"),
        step("fetchall", "unknown", "object"),
    ]


def test_a_lazy_frame_of_polars_is_read_through(here: Path, spans: Spans) -> None:
    lazy = pl.scan_csv("a.csv").select("k")
    rows = duckdb.connect().execute("SELECT count(*) FROM lazy").fetchall()
    assert rows == [(3,)]
    assert lazy is not None
    assert graph(spans.all()) == [
        step("execute", "a.csv", "stream"),
        step("fetchall", "stream", "object"),
    ]


def test_a_lazy_frame_of_a_relation_and_what_polars_asks_the_connection_are_followed(
    here: Path, spans: Spans
) -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE t AS FROM 'a.csv'")
    lazy = con.sql("FROM t JOIN 'b.csv' USING (k)").pl(lazy=True)
    lazy.sink_csv("lazy.csv")
    pl.read_database("SELECT * FROM t", con)
    pl.read_database("SELECT * FROM 'b.csv'", con)
    made, given, sunk, table, file = spans.all()
    assert (sunk.name, sunk.used_ids) == ("polars.sink_csv", given.generated_ids)
    assert graph([made, given]) == [
        step("execute", "a.csv", "main.t"),
        step("pl", "main.t b.csv", "stream"),
    ]
    assert table.used_ids == made.generated_ids
    assert table.used[0]["otelprov.artifact.maker"] == f"{made.trace_id}-{made.span_id}"
    assert [one["otelprov.artifact.name"] for one in file.used] == ["b.csv"]


def test_the_modules_own_connection_stays_one_where_nobody_holds_it(spans: Spans) -> None:
    duckdb.execute("CREATE OR REPLACE TABLE held_by_nobody AS SELECT 1 AS a")
    duckdb.execute("SELECT a FROM held_by_nobody").fetchall()
    duckdb.execute("DROP TABLE held_by_nobody")

    made, read = [span for span in spans.all() if span.name == "duckdb.execute"][:2]
    assert made.generated_ids == read.used_ids

"""A program that uses DuckDB says and does the same when it is recorded, in both major versions."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import duckdbs
import pytest
import support

PROGRAMS: dict[str, str] = {
    "a pipe is read by whom it is for": """
        import duckdb, os, threading
        os.mkfifo("rows")
        def write():
            with open("rows", "w") as rows:
                rows.write("a,b\\n1,2\\n3,4\\n")
        threading.Thread(target=write).start()
        con = duckdb.connect()
        con.execute("CREATE TABLE t (a INT, b INT)")
        con.execute("COPY t FROM 'rows' (HEADER)")
        print(con.sql("SELECT sum(a), sum(b) FROM t").fetchall())
    """,
    "a function that DuckDB calls for its columns": """
        import duckdb, pandas as pd
        rows = duckdb.sql("SELECT 42 AS a")
        made = rows.map(lambda frame: pd.DataFrame({"a": [43]}), schema={"a": int})
        print(made.fetchall())
    """,
    "variables of every kind of frame": """
        import duckdb, pandas as pd, threading
        from functools import partial
        con = duckdb.connect()
        at_module = pd.DataFrame({"a": [1]})
        def function():
            local = pd.DataFrame({"a": [2]})
            return con.execute("FROM local").fetchall(), duckdb.sql("FROM local").fetchall()
        def outer():
            cell = pd.DataFrame({"a": [3]})
            def inner():
                cell
                return con.sql("FROM cell").fetchall()
            def blind():
                return con.sql("FROM cell").fetchall()
            try:
                blind()
            except duckdb.Error as error:
                print(type(error), error)
            return inner()
        def generator():
            piece = pd.DataFrame({"a": [4]})
            yield con.execute("SELECT * FROM piece").fetchall()
            piece = pd.DataFrame({"a": [5]})
            yield con.execute("SELECT * FROM piece").fetchall()
        class Body:
            table = pd.DataFrame({"a": [6]})
            rows = con.execute('SELECT * FROM "table"').fetchall()
        class Holder:
            def method(self, frame):
                return duckdb.query("FROM frame").fetchall()
        async def coroutine():
            awaited = pd.DataFrame({"a": [7]})
            return con.execute("FROM awaited").fetchall()
        print(function(), outer(), list(generator()), Body.rows)
        print(Holder().method(at_module), con.sql("FROM at_module").fetchall())
        print((lambda frame: con.sql("FROM frame").fetchall())(at_module))
        print(list(map(lambda q: con.execute(q).fetchall(), ["FROM at_module"])))
        print([con.execute("FROM at_module").fetchall() for _ in range(2)])
        print(partial(con.execute, "FROM at_module")().fetchall())
        print(eval("con.execute('FROM named').fetchall()", {"con": con}, {"named": at_module}))
        exec("hidden = at_module; print(con.execute('FROM hidden').fetchall())")
        try:
            coroutine().send(None)
        except StopIteration as stop:
            print(stop.value)
        def in_thread(out):
            own = pd.DataFrame({"a": [8]})
            out.append(con.cursor().execute("FROM own").fetchall())
        out = []
        thread = threading.Thread(target=in_thread, args=(out,))
        thread.start(); thread.join()
        print(out)
        def shadowed():
            at_module = pd.DataFrame({"a": [9]})
            return con.sql("FROM at_module").fetchall()
        print(shadowed())
        def deleted():
            at_module = None
            del at_module
            return con.sql("FROM at_module").fetchall()
        print(deleted())
    """,
    "settings of replacement scans": """
        import duckdb, pandas as pd
        con = duckdb.connect()
        def outer():
            far = args = kwargs = frame = original = result = pd.DataFrame({"a": [1]})
            def inner():
                return [con.execute(f"FROM {n}").fetchall() for n in
                        ("far", "args", "kwargs", "frame", "original", "result")]
            return inner()
        try:
            outer()
        except duckdb.Error as error:
            print(error)
        con.execute("SET python_scan_all_frames = true")
        print(outer())
        con.execute("SET python_enable_replacements = false")
        try:
            outer()
        except duckdb.Error as error:
            print(error)
    """,
    "what is not data": """
        import duckdb, pandas as pd, traceback
        con = duckdb.connect()
        number, text, nothing = 17, "x", None
        for name in ("number", "text", "nothing", "no_such"):
            try:
                con.execute(f"SELECT * FROM {name}")
            except duckdb.Error:
                traceback.print_exc()
    """,
    "errors and their tracebacks": """
        import duckdb, pandas as pd, traceback
        con = duckdb.connect()
        df = pd.DataFrame({"a": [1]})
        def deeper(call):
            return call()
        for call in (
            lambda: con.execute("SELEC 1"),
            lambda: con.execute("SELECT nothing FROM df"),
            lambda: con.execute("SELECT ?", [1, 2]),
            lambda: con.execute(),
            lambda: con.sql("SELECT * FROM df").filter("nothing > 1"),
            lambda: con.sql("SELECT a / 0 FROM df WHERE error('no')").fetchall(),
            lambda: con.sql("FROM 'no_such.parquet'"),
            lambda: con.table("no_such"),
            lambda: con.read_csv("no_such.csv"),
            lambda: con.sql("FROM df").no_such_method(),
            lambda: con.sql("FROM df").to_parquet("/no/such/place.parquet"),
            lambda: con.executemany("INSERT INTO t VALUES (?)", [[1]]),
            lambda: con.append("t", df),
            lambda: duckdb.sql(17),
        ):
            try:
                deeper(call)
            except Exception:
                traceback.print_exc()
        con.close()
        for call in (lambda: con.execute("SELECT 1"), lambda: con.sql("SELECT 1"),
                     lambda: con.cursor(), lambda: con.fetchall()):
            try:
                deeper(call)
            except Exception:
                traceback.print_exc()
    """,
    "an error nobody catches": """
        import duckdb
        def run(con):
            return con.execute("SELECT nothing")
        run(duckdb.connect())
    """,
    "warnings name the program's line": """
        import duckdb, warnings
        warnings.simplefilter("always")
        con = duckdb.connect()
        con.execute("SELECT 1 AS a")
        try:
            con.to_arrow_table()
        except Exception as error:
            print(type(error))
        rel = con.sql("SELECT 1 AS a")
        for name in ("fetch_arrow_table", "fetch_record_batch", "arrow"):
            print(type(getattr(rel, name)()))
    """,
    "transactions and results": """
        import duckdb, pandas as pd
        con = duckdb.connect("shop.db")
        con.execute("CREATE TABLE t AS SELECT * FROM range(5) r(n)")
        con.begin()
        con.execute("INSERT INTO t VALUES (99)")
        print(con.execute("SELECT count(*) FROM t").fetchone())
        con.rollback()
        print(con.execute("SELECT count(*) FROM t").fetchone())
        con.execute("BEGIN")
        try:
            con.execute("SELECT * FROM no_such")
        except duckdb.Error as error:
            print(type(error))
        try:
            print(con.execute("SELECT 1").fetchall())
        except duckdb.Error as error:
            print(type(error), error)
        con.execute("ROLLBACK")
        result = con.execute("SELECT * FROM range(300000) r(n)")
        print(result is con, con.fetchone(), con.fetchmany(2), con.description)
        try:
            con.execute("SELEC")
        except duckdb.Error as error:
            print(type(error))
        try:
            print(con.fetchone())
        except duckdb.Error as error:
            print(type(error), error)
        con.close()
        other = duckdb.connect("shop.db", read_only=True)
        print(other.execute("SELECT count(*) FROM t").fetchall(), other.rowcount)
        other.close()
        import os, subprocess, sys
        code = "import duckdb; print(duckdb.connect('shop.db').execute('FROM t').fetchall())"
        print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
    """,
    "functions of the program's own inside a statement": """
        import duckdb, sys
        con = duckdb.connect()
        def double(x: int) -> int:
            return 2 * x
        def fails(x: int) -> int:
            raise ValueError("of the program")
        con.create_function("double", double)
        con.create_function("fails", fails)
        print(con.sql("SELECT double(n::INT) FROM range(3) r(n)").fetchall())
        try:
            con.sql("SELECT fails(1)").fetchall()
        except Exception as error:
            print(type(error).__name__, "of the program" in str(error))
    """,
    "relations that other libraries run": """
        import duckdb, pandas as pd, polars as pl, pyarrow as pa, threading, traceback
        def of_local():
            local = pd.DataFrame({"a": [1, 2]})
            return duckdb.sql("SELECT a, a / (a - 2) AS b FROM local")
        relation = of_local()
        print(pa.table(relation).to_pydict(), pl.DataFrame(relation).to_dicts())
        print(pa.RecordBatchReader.from_stream(relation, schema=None).read_all().num_rows)
        print(pl.Series("s", relation).to_list(), pl.from_arrow(relation).shape)
        print(relation.fetchone(), pa.table(relation).num_rows, relation.fetchall())
        out = []
        thread = threading.Thread(target=lambda: out.append(pa.table(relation).num_rows))
        thread.start(); thread.join()
        print(out)
        print(duckdb.from_arrow(relation).fetchall(), type(relation.__arrow_c_stream__()).__name__)
        print(duckdb.sql("SELECT sum(a) FROM relation").fetchall())
        bad = duckdb.sql("SELECT CAST(b AS INTEGER) AS b FROM (VALUES ('1'), ('x')) t(b)")
        for take in (pa.table, pl.DataFrame, pl.from_arrow, lambda r: r.__arrow_c_stream__(1, 2)):
            try:
                print(take(bad))
            except Exception as error:
                print(type(error), str(error).splitlines()[0])
                print([f.name for f in traceback.extract_tb(error.__traceback__)])
    """,
    "what inspect sees": """
        import duckdb, inspect
        con = duckdb.connect()
        rel = con.sql("SELECT 1 AS a")
        for thing in (duckdb.sql, duckdb.connect, duckdb.execute, duckdb.read_csv, con.execute,
                      con.sql, rel.filter, rel.df, duckdb.DuckDBPyConnection.execute):
            try:
                print(inspect.signature(thing))
            except (TypeError, ValueError) as error:
                print(type(error).__name__)
            print(thing.__name__, bool(thing.__doc__))
        print(isinstance(con, duckdb.DuckDBPyConnection), isinstance(rel, duckdb.DuckDBPyRelation))
        print(type(con), type(rel))
        print(hasattr(rel, "a"), hasattr(rel, "b"), rel.a.fetchall(), rel["a"].fetchall())
        with con as same:
            print(same is con)
    """,
    "objects are freed when they were": """
        import duckdb, gc, weakref, pandas as pd
        gc.disable()
        class Frame(pd.DataFrame):
            pass
        def run():
            con = duckdb.connect()
            big = Frame({"a": [1, 2]})
            seen = [weakref.ref(con), weakref.ref(big)]
            con.execute("CREATE TABLE t (a INTEGER)")
            con.execute("INSERT INTO t VALUES (1)")
            con.execute("SELECT * FROM t").fetchall()
            rel = con.sql("SELECT 1 AS a").filter("a > 0")
            seen.append(weakref.ref(rel))
            rel.fetchall()
            del big
            seen.append(seen[1]() is None)
            con.close()
            return seen
        con, big, rel, freed = run()
        print(con() is None, big() is None, rel() is None, freed)
    """,
}


def _run(directory: Path, text: str, path: str, *, recorded: bool) -> tuple[int, str, str]:
    directory.mkdir()
    script = directory / "program.py"
    script.write_text(textwrap.dedent(text))
    command = ["opentelemetry-instrument"] if recorded else []
    done = subprocess.run(
        [*command, sys.executable, str(script)],
        env=support.environment(
            directory.parent / "journal", **({"PYTHONPATH": path} if path else {})
        ),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return tuple(
        _steady(one.replace(str(directory), "DIRECTORY")) if isinstance(one, str) else one
        for one in (done.returncode, done.stdout, done.stderr)
    )  # type: ignore[return-value]


def _steady(text: str) -> str:
    """Without addresses; nanobind names some of what is alive at exit, in any order."""
    lines = [line for line in text.splitlines(True) if not line.startswith(" - ")]
    text = re.sub(r"nanobind: leaked \d+", "nanobind: leaked N", "".join(lines))
    return re.sub(r"0x[0-9a-f]{6,}", "0x", text)


@pytest.mark.parametrize("version", duckdbs.VERSIONS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_says_and_does_the_same(tmp_path: Path, name: str, version: str) -> None:
    path = duckdbs.python_path(version)
    plain = _run(tmp_path / "plain", PROGRAMS[name], path, recorded=False)
    recorded = _run(tmp_path / "recorded", PROGRAMS[name], path, recorded=True)
    assert recorded == plain
    assert list((tmp_path / "journal").glob("*.jsonl")), "nothing was recorded"


PICKLES = """
    import pickle, sys
    import cloudpickle
    import duckdb
    from otelprov.instrumentation.instrumentors import libraries

    (sites,) = libraries["duckdb"].sites.values()
    assert len(sites) > 150, len(sites)
    for site in sites:
        patched = vars(site.owner)[site.attribute]
        assert patched is not site.original, site.name
        for dumps in (pickle.dumps, cloudpickle.dumps):
            try:
                dumps(site.original)
            except Exception:
                continue
            assert pickle.loads(dumps(patched)) is patched, site.name
    places = [(site.owner, site.attribute, site.original) for site in sites]
    for site in sites:
        places += [(owner, name, site.original) for owner, name in site.aliases]
    libraries["duckdb"].uninstrument()
    for owner, name, original in places:
        assert vars(owner)[name] is original, name
    frame = [1]
    print(duckdb.sql("SELECT 42").fetchall())
"""


@pytest.mark.parametrize("version", duckdbs.VERSIONS)
def test_every_patched_callable_pickles_and_every_original_comes_back(
    tmp_path: Path, version: str
) -> None:
    code, output, errors = _run(
        tmp_path / "program", PICKLES, duckdbs.python_path(version), recorded=True
    )
    assert (code, output) == (0, "[(42,)]\n"), errors


def test_duckdb_is_not_imported_at_start(tmp_path: Path) -> None:
    program = "import sys; print({'duckdb', 'sqlglot', 'pandas'} & set(sys.modules))"
    assert _run(tmp_path / "program", program, "", recorded=True)[:2] == (0, "set()\n")


def test_settings_and_inserted_rows_do_not_load_the_parser(tmp_path: Path) -> None:
    program = """
        import duckdb, sys
        con = duckdb.connect()
        con.execute("SET threads = 1")
        con.execute("BEGIN")
        con.execute("COMMIT")
        print("sqlglot" in sys.modules)
        con.execute("CREATE TABLE t (a INTEGER)")
        for number in range(3):
            con.execute(f"INSERT INTO t VALUES ({number})")
        print("sqlglot" in sys.modules)
    """
    assert _run(tmp_path / "program", program, "", recorded=True)[:2] == (0, "False\nTrue\n")

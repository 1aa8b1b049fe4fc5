"""A program that uses Polars behaves as it does without us."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
import support
import test_unseen

import examples

PROGRAMS: dict[str, str] = {
    "exceptions": """
        import polars as pl, traceback
        df = pl.DataFrame({"a": [1, 0]})
        lf = df.lazy()
        def attempt(function):
            try:
                function()
            except Exception:
                traceback.print_exc()
        attempt(lambda: df.join(df, on="missing"))
        attempt(lambda: df.select("missing"))
        attempt(lambda: df["missing"])
        attempt(lambda: df.join())
        attempt(lambda: lf.select("missing").collect())
        attempt(lambda: lf.with_columns(pl.col("a").str.to_date()).collect())
        attempt(lambda: pl.read_csv("/nowhere/at/all.csv"))
        attempt(lambda: pl.scan_csv("/nowhere/at/all.csv").collect())
        attempt(lambda: pl.col("a") and pl.col("b"))
        attempt(lambda: pl.collect_all(lf.select("missing") for _ in range(2)))
        attempt(lambda: pl.sql("SELECT missing FROM df", eager=True))
        attempt(lambda: df.group_by("a").map_groups(lambda g: 1 / 0))
        attempt(lambda: df.pipe(lambda d: 1 / 0))
        attempt(lambda: pl.Series([1]) + pl.Series(["x"]).dt)
        attempt(lambda: df.lazy().fly())
        def inner():
            return df.drop("missing")
        inner()
    """,
    "warnings": """
        import warnings, polars as pl
        warnings.simplefilter("always")
        df = pl.DataFrame({"a": [1, 2], "s": ["x", "y"]})
        df.filter(pl.col("a").is_in(df["a"]))
        lf = df.lazy().filter(pl.col("a").is_in(df["a"]))
        lf.collect()
        lf.select("a").collect()
        lf.columns
        lf.schema
        df.select(pl.col("a").map_elements(lambda x: x + 1))
        df.lazy().select(pl.col("a").map_batches(lambda s: s + 1)).collect()
        pl.concat([lf, lf]).collect()
        df.pivot("s", index="a", values="a")
        lf.collect(engine="streaming")
        lf.collect(background=True).fetch_blocking()
        pl.SQLContext(df=df, eager=True).execute("SELECT * FROM df")
    """,
    "what inspect sees": """
        import inspect, polars as pl
        for function in (pl.read_csv, pl.concat, pl.lit, pl.DataFrame.join, pl.DataFrame.__init__,
                         pl.LazyFrame.collect, pl.Expr.is_in, pl.Series.sort, pl.Expr.__add__,
                         pl.SQLContext.execute, pl.collect_all):
            print(inspect.signature(function), function.__name__, function.__module__,
                  function.__qualname__, bool(function.__doc__), type(function),
                  len(inspect.getsource(function)))
        print(isinstance(inspect.getattr_static(pl.Expr, "str"), property))
        print(type(inspect.getattr_static(pl.SQLContext, "execute_global")))
        print(vars(pl.DataFrame({"a": [1]})).keys(), vars(pl.LazyFrame()).keys())
        print(isinstance(pl.lit(1), pl.Expr), isinstance(pl.col("a").str, object))
        print(sorted(name for name in dir(pl)), len(dir(pl.Expr)), len(dir(pl.Series)))
    """,
    "subclasses": """
        import polars as pl
        class Mine(pl.DataFrame):
            def join(self, *args, **kwargs):
                print("mine")
                return super().join(*args, **kwargs)
        a = Mine({"k": [1], "x": [2]})
        print(type(a.join(a, on="k")), type(a.filter(pl.col("k") > 0)), type(a.lazy()))
        class Early(pl.DataFrame):
            def __init__(self, extra, *args, **kwargs):
                self.extra = extra
                super().__init__(*args, **kwargs)
        print(Early("x", {"a": [1]}).extra)
        @pl.api.register_expr_namespace("mine")
        class Greetings:
            def __init__(self, expr):
                self._expr = expr
            def twice(self):
                return self._expr * 2
        print(a.select(pl.col("x").mine.twice()))
        @pl.api.register_dataframe_namespace("mine")
        class Frames:
            def __init__(self, frame):
                self._frame = frame
            def first(self):
                return self._frame.head(1)
        print(a.mine.first())
    """,
    "objects": """
        import copy, pickle, polars as pl
        df = pl.DataFrame({"a": [1, 2], "s": ["x", "y"]})
        for value in (df, df["a"], df.lazy().filter(pl.col("a") > 1), pl.col("a") > 1):
            for make in (lambda v: pickle.loads(pickle.dumps(v)), copy.copy, copy.deepcopy):
                again = make(value)
                print(type(again), again.collect() if isinstance(again, pl.LazyFrame) else again)
        df.columns = ["b", "t"]
        df[0, "b"] = 7
        print(df, df == df, df.equals(df), df["b"] * 2, -df["b"], df["b"] > 3)
        groups = df.group_by("t", maintain_order=True)
        print([row for row in df.iter_rows()], [name for name, _ in groups])
        import numpy as np
        print(np.asarray(df["b"]), np.sqrt(df["b"]), np.sqrt(pl.col("b")))
        series = df["b"].clone()
        series.append(df["b"]).sort(in_place=True)
        print(series, len(series), series[1], 7 in series)
        print(df.serialize()[:4], df.lazy().serialize()[:4])
    """,
    "files": """
        import io, os, polars as pl
        df = pl.DataFrame({"a": [1, 2], "s": ["x", "y"]})
        df.write_parquet("a.parquet")
        print(pl.read_parquet("a.parquet"), pl.read_parquet_schema("a.parquet"))
        print(pl.scan_parquet("a.parquet").collect_schema())
        buffer = io.BytesIO()
        df.write_parquet(buffer)
        df.write_csv(buffer)
        print(buffer.tell() > 100, df.write_csv(), df.write_json())
        buffer = io.BytesIO()
        df.write_ipc(buffer)
        buffer.seek(0)
        print(pl.read_ipc(buffer))
        df.lazy().sink_csv("b.csv")
        df.lazy().sink_parquet("b.parquet")
        with open("b.csv") as file:
            print(pl.read_csv(file), file.closed)
        with open("b.csv", "rb") as file:
            print(pl.scan_csv(file).collect())
        print(pl.scan_csv("*.csv").collect(), os.path.exists("b.parquet"))
        df.write_parquet("parts", partition_by="s")
        print(pl.read_parquet("parts", hive_partitioning=True).sort("a"))
    """,
    "in the background": """
        import asyncio, polars as pl
        lf = pl.LazyFrame({"a": [1, 2]}).select(pl.col("a") * 2)
        async def main():
            print(await lf.collect_async())
            print(await pl.collect_all_async([lf, lf]))
            print(await asyncio.gather(lf.collect_async(), lf.collect_async()))
            try:
                await lf.select("missing").collect_async()
            except Exception as error:
                print(type(error), str(error)[:40])
        asyncio.run(main())
        query = lf.collect(background=True)
        while (found := query.fetch()) is None:
            pass
        print(found)
        print([frame for frame in lf.collect_batches()] if hasattr(lf, "collect_batches") else 0)
    """,
    "functions of the program": """
        import threading, polars as pl
        df = pl.DataFrame({"a": [1, 2, 3], "s": ["x", "y", "x"]})
        calls = []
        def noted(values):
            calls.append(type(values).__name__)
            return values
        lf = df.lazy().map_batches(noted).select(
            pl.col("a").map_batches(noted, return_dtype=pl.Int64),
            pl.col("s").map_elements(noted, return_dtype=pl.String),
        )
        print(lf.collect(engine="in-memory"), len(calls))
        print(df.group_by("s", maintain_order=True).map_groups(noted), len(calls))
        print(df.lazy().pipe(noted).collect(), len(calls))
    """,
    "who gives credentials": """
        import inspect, polars as pl
        calls = []
        def credentials():
            calls.append(1)
            raise AssertionError
        print(pl.DataFrame({"a": [1]}).head(1))
        if "credential_provider" in inspect.signature(pl.scan_parquet).parameters:
            lf = pl.scan_parquet("s3://no/where", credential_provider=credentials)
            try:
                lf.collect()
            except Exception:
                print(len(calls))
    """,
    "the exchange of frames": """
        import warnings, pandas as pd, polars as pl
        warnings.simplefilter("ignore")
        df = pl.DataFrame({"a": [1, 2], "s": ["x", "y"]})
        for frame in (df, df.to_pandas()):
            try:
                exchanged = frame.__dataframe__()
                print(type(exchanged), exchanged.num_columns(), pl.from_dataframe(exchanged))
            except (AttributeError, TypeError) as error:
                print(type(error))
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_says_and_does_the_same(tmp_path: Path, name: str) -> None:
    results = []
    for instrumented in (False, True):
        directory = tmp_path / str(instrumented)
        directory.mkdir()
        code, output, errors = test_unseen._run(
            directory, PROGRAMS[name], instrumented=instrumented
        )
        texts = (str(code), output, errors)
        results.append(
            [examples.VARYING.sub("…", text.replace(str(directory), "")) for text in texts]
        )
    assert results[1] == results[0]
    assert support.journal(tmp_path / "True" / "journal"), "nothing was recorded"


def test_what_the_optimiser_logs_is_logged_as_often(tmp_path: Path) -> None:
    program = """
        import polars as pl
        pl.Config.set_verbose(True)
        df = pl.DataFrame({"a": [1, 2], "b": [2, 3]}).lazy()
        df.join(df, on="a").filter(pl.col("b") * 2 > 1).collect()
    """
    counts = []
    for instrumented in (False, True):
        directory = tmp_path / str(instrumented)
        directory.mkdir()
        _, _, errors = test_unseen._run(directory, program, instrumented=instrumented)
        counts.append(errors.count("comm_subplan_elim"))
    assert counts[0] == counts[1] > 0


def test_every_patched_callable_pickles_and_every_original_comes_back(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    code = re.sub(r"(?m)^NAMES = .*$", 'NAMES = ("polars",)', test_unseen.PICKLING)
    script.write_text(f"import polars\n{code}")
    result = support.instrumented(script, journal_directory=tmp_path / "journal")
    assert int(result.stdout) > 1_000, "the operation tables are in place"


def test_what_was_pickled_under_recording_loads_without(tmp_path: Path) -> None:
    code = """
import pickle, sys, polars as pl
objects = [pl.read_csv, pl.concat, pl.DataFrame.join, pl.Expr.is_in,
           pl.DataFrame({"a": [1]}).group_by("a").sum(), pl.scan_csv]
sys.stdout.write(pickle.dumps(objects, 2).hex())
"""
    dumped = support.instrumented("-c", code, journal_directory=tmp_path).stdout
    loaded = pickle.loads(bytes.fromhex(dumped))
    import polars as pl

    assert loaded[:4] == [pl.read_csv, pl.concat, pl.DataFrame.join, pl.Expr.is_in]


def test_polars_is_not_imported_by_us(tmp_path: Path) -> None:
    code = "import sys; print('polars' in sys.modules)"
    assert support.instrumented("-c", code, journal_directory=tmp_path).stdout == "False\n"


def test_a_polars_that_is_too_old_is_left_alone(tmp_path: Path) -> None:
    """A package of that name with the one thing that is looked at."""
    (tmp_path / "polars").mkdir()
    (tmp_path / "polars" / "__init__.py").write_text("__version__ = '0.20.31'\n")
    result = subprocess.run(
        [
            "opentelemetry-instrument",
            sys.executable,
            "-c",
            "import polars; print(vars(polars).keys())",
        ],
        cwd=tmp_path,
        env=support.environment(tmp_path / "journal", PYTHONPATH=str(tmp_path)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "__version__" in result.stdout
    assert result.stderr in ("", "otelprov: polars 0.20.31 is older than 1 and is not recorded\n")


@pytest.mark.timeout(1200)
def test_the_examples_of_its_documentation_end_as_they_do_unrecorded() -> None:
    number, different = examples.compare("essential", part=6)
    assert different == {}
    assert number > 150

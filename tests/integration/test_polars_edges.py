"""Which artifacts an operation of Polars used and generated: exactly those, through any idiom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import support
from support import Spans

import otelprov

Files = dict[str, Path]
TEXTS = {
    "left": "k,a,s\n1,10,x\n2,20,y\n3,30,z\n4,40,x\n",
    "right": "k,b\n1,0.5\n2,1.5\n3,2.5\n5,3.5\n",
    "third": "k,c\n1,7\n2,8\n3,9\n4,6\n",
}


@pytest.fixture
def files(tmp_path: Path, spans: Spans) -> Files:
    for name, text in TEXTS.items():
        (tmp_path / f"{name}.csv").write_text(text)
    return {name: tmp_path / f"{name}.csv" for name in TEXTS}


@pytest.fixture
def left(files: Files) -> pl.DataFrame:
    return pl.read_csv(files["left"])


@pytest.fixture
def right(files: Files) -> pl.DataFrame:
    return pl.read_csv(files["right"])


@pytest.fixture
def third(files: Files) -> pl.DataFrame:
    return pl.read_csv(files["third"])


def one(values: pl.Series) -> Any:
    """What ``is_in`` takes: since Polars 1.28 a list in one cell."""
    return values.implode() if NEW else values


NEW = int(pl.__version__.partition(".")[0]) > 1


def identity(value: object) -> str:
    return otelprov.artifact(value).id


def sources(spans: Spans, tmp_path: Path, value: Any) -> set[str]:
    """The names of the CSV files that a table comes from, by writing it and walking back."""
    target = tmp_path / "target.json"
    if isinstance(value, pl.LazyFrame):
        value = value.collect()
    if isinstance(value, pl.Series):
        value = value.to_frame()
    value.write_json(target)
    roots, _ = support.upstream(spans.all(), otelprov.artifact(target).id)
    names = {otelprov.artifact(path).id: path.stem for path in tmp_path.glob("*.csv")}
    return {names.get(root, root) for root in roots}


def test_a_read_uses_the_file_and_generates_the_table(
    spans: Spans, left: pl.DataFrame, files: Files
) -> None:
    span = spans.one("polars.read_csv")
    assert span.used_ids == {identity(files["left"])}
    assert span.generated_ids == {identity(left)}
    assert identity(left).startswith("table:")
    assert span.generated[0]["otelprov.artifact.rows"] == 4
    assert span.attributes["otelprov.operation.kind"] == "read"


BOTH: dict[str, Any] = {
    "join": lambda a, b, c: a.join(b, on="k"),
    "join_asof": lambda a, b, c: a.join_asof(b, on="k"),
    **(
        {
            "join_where": lambda a, b, c: a.join_where(
                b.rename({"k": "j"}), pl.col("k") > pl.col("j")
            )
        }
        if NEW
        else {}
    ),
    "concat": lambda a, b, c: pl.concat([a, b], how="diagonal"),
    "concat of a generator": lambda a, b, c: pl.concat((x for x in (a, b)), how="diagonal"),
    "concat of selections": lambda a, b, c: pl.concat([a.select("k"), b.select("k")]),
    "vstack": lambda a, b, c: a.select("k").vstack(b.select("k")),
    "hstack": lambda a, b, c: a.hstack([b["b"]]),
    "hstack of a frame": lambda a, b, c: a.hstack(b.select("b")),
    "extend": lambda a, b, c: a.select("k").extend(b.select("k")),
    "insert_column": lambda a, b, c: a.clone().insert_column(0, b["b"]),
    "update": lambda a, b, c: a.update(b.rename({"b": "a"}).cast({"a": pl.Int64}), on="k"),
    "merge_sorted": lambda a, b, c: a.select("k").merge_sorted(b.select("k"), key="k"),
    "with_columns of a series": lambda a, b, c: a.with_columns(b["b"]),
    "with_columns by name": lambda a, b, c: a.with_columns(x=b["b"]),
    "with_columns of a computed series": lambda a, b, c: a.with_columns(x=b["b"] * 2 + 1),
    "with_columns of two series": lambda a, b, c: a.with_columns(x=a["a"] + b["b"]),
    "is_in": lambda a, b, c: a.filter(pl.col("k").is_in(one(b["k"]))),
    "not is_in": lambda a, b, c: a.filter(~pl.col("k").is_in(one(b["k"]))),
    "is_in of a list": lambda a, b, c: a.filter(pl.col("k").is_in(b["k"].to_list())),
    "a mask of another table": lambda a, b, c: a.filter(b["b"] > 1),
    "getitem with rows of another": lambda a, b, c: a[b["k"].filter(b["k"] < 4).cast(pl.Int64) - 1],
    "lit": lambda a, b, c: a.with_columns(x=pl.lit(b["b"])),
    "an expression in an expression": lambda a, b, c: a.with_columns(
        x=(pl.col("a") + pl.lit(b["b"]).round(0)).alias("y").cast(pl.Int64)
    ),
    "when": lambda a, b, c: a.with_columns(
        x=pl.when(pl.col("k").is_in(one(b["k"]))).then(pl.lit(1)).otherwise(pl.col("a"))
    ),
    "otherwise": lambda a, b, c: a.with_columns(
        x=pl.when(pl.col("k") > 2).then(pl.lit(0.0)).otherwise(pl.lit(b["b"]))
    ),
    "a function of expressions": lambda a, b, c: a.select(
        pl.max_horizontal("a", pl.lit(b["b"]).alias("z"))
    ),
    "coalesce": lambda a, b, c: a.select(pl.coalesce(pl.col("a"), pl.lit(b["b"])).alias("q")),
    "in a namespace": lambda a, b, c: a.with_columns(
        x=pl.lit(b["b"]).cast(pl.String).str.replace("5", "6").str.to_uppercase()
    ),
    "replace by a series": lambda a, b, c: a.with_columns(
        pl.col("k").replace_strict(b["k"], b["b"], default=None)
    ),
    "replace by lists": lambda a, b, c: a.with_columns(
        pl.col("k").replace_strict(b["k"].to_list(), b["b"].to_list(), default=None)
    ),
    "map_elements with a closure": lambda a, b, c: a.with_columns(
        x=pl.col("k").map_elements(
            lambda k: b.filter(pl.col("k") == k)["b"].sum(), return_dtype=pl.Float64
        )
    ),
    "map_groups with a closure": lambda a, b, c: a.group_by("s").map_groups(
        lambda g: g.join(b, on="k", how="left")
    ),
    "pipe": lambda a, b, c: a.pipe(lambda d, e: d.join(e, on="k"), b),
    "iterating groups": lambda a, b, c: pl.concat(
        [group.join(b, on="k", how="left") for _, group in a.group_by("s")]
    ),
    "group_by of another's column": lambda a, b, c: a.group_by(b["b"]).agg(pl.col("a").sum()),
    "DataFrame of columns": lambda a, b, c: pl.DataFrame({"x": a["a"], "y": b["b"]}),
    "DataFrame of series": lambda a, b, c: pl.DataFrame([a["a"], b["b"]]),
    "select of series": lambda a, b, c: pl.select(a["a"], b["b"]),
    "setitem": lambda a, b, c: _set(a, b),
    "Series.zip_with": lambda a, b, c: a["a"].zip_with(b["b"] > 1, b["k"]),
    "Series.append": lambda a, b, c: a["k"].clone().append(b["k"]),
    "Series comparison": lambda a, b, c: a["k"] == b["k"],
    "Series.is_in": lambda a, b, c: a.filter(a["k"].is_in(one(b["k"]))),
    "numpy": lambda a, b, c: a.with_columns(x=pl.Series(b["b"].to_numpy())),
    "pandas": lambda a, b, c: a.join(pl.from_pandas(b.to_pandas()), on="k"),
    "numpy asarray": lambda a, b, c: a.with_columns(x=pl.Series(np.asarray(b["b"]))),
    "arrow by its interface": lambda a, b, c: a.join(pl.from_arrow(_arrow(b.sort("k"))), on="k"),
    "columns": lambda a, b, c: pl.DataFrame([*a.iter_columns(), *b.get_columns()[1:]]),
    "a dict of columns": lambda a, b, c: pl.DataFrame({**a.to_dict(), **b.to_dict()}),
    "iterating columns": lambda a, b, c: pl.DataFrame(
        [s for d in (a, b["b"].to_frame()) for s in d]
    ),
    "arrow": lambda a, b, c: a.join(pl.from_arrow(b.to_arrow()), on="k"),
    "DataFrame of a pandas table": lambda a, b, c: a.join(pl.DataFrame(b.to_pandas()), on="k"),
    "lazy": lambda a, b, c: a.lazy().join(b.lazy(), on="k"),
    "lazy filter by a series": lambda a, b, c: a.lazy().filter(pl.col("k").is_in(one(b["k"]))),
    "lazy concat": lambda a, b, c: pl.concat([a.lazy(), b.lazy()], how="diagonal"),
    "lazy concat of a generator": lambda a, b, c: pl.concat(
        (x.lazy() for x in (a, b)), how="diagonal"
    ),
    "lazy pipe": lambda a, b, c: a.lazy().pipe(lambda d: d.join(b.lazy(), on="k")),
    "lazy with_columns": lambda a, b, c: a.lazy().with_columns(x=b["b"]),
    "lazy twice": lambda a, b, c: a.lazy().join(b.lazy(), on="k").join(a.lazy(), on="k"),
    "lazy group_by": lambda a, b, c: (
        a.lazy().join(b.lazy(), on="k").group_by("s").agg(pl.col("b").mean()).sort("s")
    ),
    "lazy map_batches": lambda a, b, c: a.lazy().map_batches(
        lambda d: d.join(b, on="k"), schema=a.join(b, on="k").schema
    ),
    "LazyFrame of columns": lambda a, b, c: pl.LazyFrame({"x": a["a"], "y": b["b"]}),
    "collect in the background": lambda a, b, c: (
        a.lazy().join(b.lazy(), on="k").collect(background=True).fetch_blocking()
    ),
    "streaming": lambda a, b, c: a.lazy().join(b.lazy(), on="k").collect(engine="streaming"),
    "in memory": lambda a, b, c: a.lazy().join(b.lazy(), on="k").collect(engine="in-memory"),
    "a second collect": lambda a, b, c: (
        a.lazy().join(b.lazy(), on="k").collect().lazy().filter(pl.col("a") > 0)
    ),
    "SQLContext": lambda a, b, c: pl.SQLContext(a=a, b=b, c=c).execute(
        "SELECT * FROM a JOIN b ON a.k = b.k"
    ),
    "SQLContext, eager": lambda a, b, c: pl.SQLContext(
        {"a": a, "b": b, "c": c}, eager=True
    ).execute("SELECT * FROM a JOIN b USING (k)"),
    "SQLContext, registered": lambda a, b, c: (
        pl.SQLContext()
        .register("a", a.lazy())
        .register_many({"b": b, "c": c})
        .execute("SELECT a.* FROM a WHERE k IN (SELECT k FROM b)", eager=True)
    ),
    "pl.sql": lambda a, b, c: pl.sql("SELECT * FROM a JOIN b USING (k)"),
    "pl.sql, eager": lambda a, b, c: pl.sql("SELECT * FROM a JOIN b USING (k)", eager=True),
    "a table made in SQL": lambda a, b, c: _made_in_sql(a, b, c),
    "lazy sql": lambda a, b, c: a.lazy().join(b.lazy(), on="k").sql("SELECT a FROM self"),
    "sql": lambda a, b, c: a.join(b, on="k").sql("SELECT a FROM self"),
}


def _arrow(frame: pl.DataFrame) -> pa.Table:
    """Read by pyarrow itself, where both are new enough for it."""
    return pa.table(frame) if hasattr(frame, "__arrow_c_stream__") else frame.to_arrow()


def _set(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    copy = a.clone()
    copy[0, "k"] = 7
    copy.replace_column(1, b["b"].cast(pl.Int64).alias("a"))
    return copy


def _made_in_sql(a: pl.DataFrame, b: pl.DataFrame, c: pl.DataFrame) -> pl.DataFrame:
    with pl.SQLContext(a=a, b=b, c=c, eager=True) as context:
        context.execute("CREATE TABLE j AS SELECT a.k, a.a, b.b FROM a JOIN b ON a.k = b.k")
        return context.execute("SELECT * FROM j WHERE a > 10")


@pytest.mark.parametrize("idiom", BOTH)
def test_two_tables_that_meet_are_both_sources_and_no_third(
    spans: Spans,
    left: pl.DataFrame,
    right: pl.DataFrame,
    third: pl.DataFrame,
    tmp_path: Path,
    idiom: str,
) -> None:
    made = BOTH[idiom](left, right, third)
    third.sort("c")  # recorded, and of no account
    assert sources(spans, tmp_path, made) == {"left", "right"}


ALONE: dict[str, Any] = {
    "select": lambda a: a.select("k", pl.col("a") * 2),
    "filter": lambda a: a.filter(pl.col("a") > 10, s="x"),
    "with_columns": lambda a: a.with_columns((pl.col("a") + 1).alias("y"), z=pl.lit(3)),
    "group_by": lambda a: a.group_by("s").agg(pl.col("a").sum(), pl.len()),
    "group_by sum": lambda a: a.group_by("s", maintain_order=True).sum(),
    "over": lambda a: a.with_columns(x=pl.col("a").sum().over("s")),
    "sort": lambda a: a.sort("s", pl.col("a"), descending=[True, False]),
    "unique": lambda a: a.unique("s", keep="first", maintain_order=True),
    "pivot": lambda a: a.pivot(on="s", index="k", values="a"),
    "unpivot": lambda a: a.unpivot(index="k", on=["a"]),
    "explode": lambda a: a.with_columns(t=pl.col("s").str.split("")).explode("t"),
    "drop": lambda a: a.drop("s"),
    "rename": lambda a: a.rename({"a": "b"}),
    "columns": lambda a: _renamed(a),
    "head": lambda a: a.head(2),
    "slice": lambda a: a[1:3],
    "rows": lambda a: a[[0, 2]],
    "some columns": lambda a: a[["k", "s"]],
    "a column": lambda a: a["a"].cast(pl.Float64).round(1).to_frame(),
    "a string column": lambda a: a["s"].str.to_uppercase().to_frame(),
    "get_column": lambda a: a.get_column("a").sort(descending=True).head(2),
    "to_series": lambda a: a.to_series(1) + 1,
    "value_counts": lambda a: a["s"].value_counts(),
    "describe": lambda a: a.describe(),
    "transpose": lambda a: a.select("k", "a").transpose(),
    "fill_null": lambda a: a.fill_null(0),
    "drop_nulls": lambda a: a.drop_nulls(),
    "sample": lambda a: a.sample(2, seed=1),
    "partition_by": lambda a: a.partition_by("s")[0],
    "to_dummies": lambda a: a.to_dummies("s"),
    "with_row_index": lambda a: a.with_row_index(),
    "shift": lambda a: a.shift(1),
    "cast": lambda a: a.cast({"a": pl.Float32}),
    "top_k": lambda a: a.top_k(2, by="a"),
    "unstack": lambda a: a.select("a").unstack(step=2, how="horizontal"),
    "unnest": lambda a: a.select(pl.struct("k", "a").alias("t")).unnest("t"),
    "map_rows": lambda a: a.select("k", "a").map_rows(lambda row: (row[0] + row[1],)),
    "map_elements": lambda a: a.with_columns(
        pl.col("a").map_elements(lambda x: x + 1, return_dtype=pl.Int64)
    ),
    "arithmetic": lambda a: a.select("k", "a") * 2,
    "sum": lambda a: a.select("k", "a").sum(),
    "pipe": lambda a: a.pipe(lambda d: d.filter(pl.col("a") > 10)).pipe(lambda d: d.head(1)),
    "dicts": lambda a: pl.DataFrame(a.to_dicts()),
    "rolling": lambda a: a.with_columns(pl.col("a").rolling_mean(2)),
    "numpy": lambda a: pl.from_numpy(a.select("k", "a").to_numpy(), schema=["k", "a"]),
    "rechunk": lambda a: a.rechunk(),
    "lazy": lambda a: a.lazy().filter(pl.col("a") > 10).select("k"),
    "lazy map_batches": lambda a: a.lazy().map_batches(lambda d: d.head(2)),
    "lazy describe": lambda a: a.lazy().describe(),
    "lazy with a context": lambda a: a.lazy().unpivot(index="k", on="a").sort("k").tail(1),
}


def _renamed(a: pl.DataFrame) -> pl.DataFrame:
    copy = a.clone()
    copy.columns = ["x", "y", "z"]
    return copy


@pytest.mark.parametrize("idiom", ALONE)
def test_what_is_made_of_one_table_comes_from_it_alone(
    spans: Spans, left: pl.DataFrame, right: pl.DataFrame, tmp_path: Path, idiom: str
) -> None:
    made = ALONE[idiom](left)
    right.join(left, on="k")  # recorded, and of no account
    assert sources(spans, tmp_path, made) == {"left"}

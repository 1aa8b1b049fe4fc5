"""Which artifacts an operation of pandas used and generated: exactly those, through any idiom."""

from __future__ import annotations

import functools
import inspect
import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import support
from support import Spans

import otelprov
from otelprov.artifacts.registry import registry


@pytest.fixture
def left(tmp_path: Path, spans: Spans) -> pd.DataFrame:
    (tmp_path / "left.csv").write_text("k,a,s\n1,10,x\n2,20,y\n3,30,z\n4,40,x\n")
    return pd.read_csv(tmp_path / "left.csv")


@pytest.fixture
def right(tmp_path: Path, spans: Spans) -> pd.DataFrame:
    (tmp_path / "right.csv").write_text("k,b\n1,0.5\n2,1.5\n3,2.5\n5,3.5\n")
    return pd.read_csv(tmp_path / "right.csv")


@pytest.fixture
def third(tmp_path: Path, spans: Spans) -> pd.DataFrame:
    (tmp_path / "third.csv").write_text("k,c\n1,7\n2,8\n3,9\n4,6\n")
    return pd.read_csv(tmp_path / "third.csv")


def identity(value: object) -> str:
    return otelprov.artifact(value).id


def sources(spans: Spans, tmp_path: Path, value: Any) -> set[str]:
    """The names of the CSV files that a table comes from, by writing it and walking back."""
    target = tmp_path / "target.csv"
    pd.DataFrame(value).to_csv(target)
    roots, _ = support.upstream(spans.all(), otelprov.artifact(target).id)
    names = {otelprov.artifact(path).id: path.stem for path in tmp_path.glob("*.csv")}
    return {names.get(root, root) for root in roots}


def test_a_read_uses_the_file_and_generates_the_table(
    spans: Spans, left: pd.DataFrame, tmp_path: Path
) -> None:
    span = spans.one("pandas.read_csv")
    assert span.used_ids == {otelprov.artifact(tmp_path / "left.csv").id}
    assert span.generated_ids == {identity(left)}
    assert identity(left).startswith("table:")
    assert span.generated[0]["otelprov.artifact.rows"] == 4
    assert span.generated[0]["otelprov.artifact.columns"] == 3
    assert span.attributes["otelprov.operation.kind"] == "read"


def test_a_merge_uses_both_tables(spans: Spans, left: pd.DataFrame, right: pd.DataFrame) -> None:
    merged = left.merge(right, on="k", how="left")
    span = spans.one("pandas.merge")
    assert span.used_ids == {identity(left), identity(right)}
    assert span.generated_ids == {identity(merged)}
    assert identity(merged).startswith("derived:")
    assert span.used_roles == {"self", "right"}
    assert span.parameter("how") == "left"
    assert span.parameter("sort") is False
    assert span.attributes["otelprov.parameters.given"] == ["on", "how"]


def test_arithmetic_on_columns_records_both_tables(
    spans: Spans, left: pd.DataFrame, right: pd.DataFrame
) -> None:
    before = {identity(left), identity(right)}
    left["x"] = left.a * right.b
    assert "pandas.setitem" in spans.names()
    assert spans.one("pandas.setitem").used_ids == before
    assert spans.one("pandas.setitem").generated_ids == {identity(left)}


def test_a_change_in_place_gives_a_new_artifact(spans: Spans, left: pd.DataFrame) -> None:
    first = identity(left)
    left["x"] = 1
    second = identity(left)
    left.drop(columns=["x"], inplace=True)
    third = identity(left)
    left.loc[left.a > 20, "a"] = 0
    fourth = identity(left)
    left.insert(0, "y", 2)
    left.columns = list("abcd")
    fifth = identity(left)
    assert len({first, second, third, fourth, fifth}) == 5
    assert spans.names()[1:] == [
        "pandas.setitem",
        "pandas.drop",
        "pandas.loc.setitem",
        "pandas.insert",
        "pandas.setattr",
    ]
    chain = spans.all()[1:]
    for before, after in itertools.pairwise(chain):
        assert before.generated_ids <= after.used_ids


def test_a_change_of_a_copy_leaves_the_original_as_it_was(spans: Spans, left: pd.DataFrame) -> None:
    before = identity(left)
    copy = left.copy()
    copy["x"] = 1
    assert identity(left) == before
    assert spans.one("pandas.setitem").used_ids == {before}


IDIOMS: dict[str, Any] = {
    "merge function": lambda a, b, c: pd.merge(a, b, on="k"),
    "join": lambda a, b, c: a.set_index("k").join(b.set_index("k")),
    "join of a list": lambda a, b, c: a.set_index("k").join([b.set_index("k")]),
    "concat": lambda a, b, c: pd.concat([a, b]),
    "concat of a generator": lambda a, b, c: pd.concat(x for x in (a, b)),
    "concat of a dict": lambda a, b, c: pd.concat({"a": a, "b": b}),
    "merge_asof": lambda a, b, c: pd.merge_asof(a, b, on="k"),
    "assign a column": lambda a, b, c: a.assign(x=b.b),
    "assign by function": lambda a, b, c: a.assign(x=lambda d: d.a + b.b),
    "isin": lambda a, b, c: a[a.k.isin(b.k)],
    "a mask of another table": lambda a, b, c: a[b.b > 1],
    "loc with a mask of another": lambda a, b, c: a.loc[b.b > 1, ["k", "a"]],
    "where": lambda a, b, c: a[["k"]].where(b[["k"]] > 1),
    "map by a Series": lambda a, b, c: a.assign(x=a.k.map(b.set_index("k")["b"])),
    "apply with a closure": lambda a, b, c: a.assign(
        x=a.k.apply(lambda k: b.loc[b.k == k, "b"].sum())
    ),
    "combine_first": lambda a, b, c: a.combine_first(b),
    "fillna with a column": lambda a, b, c: a.assign(a=a.a.fillna(b.b)),
    "groupby of another's column": lambda a, b, c: a.groupby(b.b)["a"].sum().reset_index(),
    "DataFrame of columns": lambda a, b, c: pd.DataFrame({"x": a.a, "y": b.b}),
    "numpy values": lambda a, b, c: a.assign(x=b.b.values),
    "to_numpy": lambda a, b, c: a.assign(x=b.b.to_numpy()),
    "ufunc": lambda a, b, c: a.assign(x=np.log1p(b.b)),
    "query with a local Series": lambda a, b, c: _query(a, b),
    "eval": lambda a, b, c: a.assign(x=pd.eval("a.a + b.b")),
    "pipe": lambda a, b, c: a.pipe(lambda d, e: d.merge(e, on="k"), b),
    "update": lambda a, b, c: _updated(a, b),
    "add": lambda a, b, c: a[["k"]].add(b[["k"]], fill_value=0),
    "align": lambda a, b, c: a.align(b, join="outer")[0].join(a.align(b)[1], rsuffix="_"),
    "corrwith": lambda a, b, c: a[["k"]].corrwith(b["k"]).to_frame(),
    "pop": lambda a, b, c: a.assign(x=b.pop("b")),
    "crosstab": lambda a, b, c: pd.crosstab(a.s, b.b),
    "iterating groups": lambda a, b, c: pd.concat([g.merge(b, on="k") for _, g in a.groupby("s")]),
    "a dict of a column": lambda a, b, c: a.assign(x=a.k.map(b.set_index("k")["b"].to_dict())),
    "a list of a column": lambda a, b, c: a[a.k.isin(b.k.to_list())],
    "iadd": lambda a, b, c: _added(a, b),
}


def _query(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    limit = b.b  # noqa: F841 - read by name
    return a.query("a > @limit * 10")


def _updated(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    a.update(b)
    return a


def _added(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    column = a["a"].astype("float64")
    column += b["b"]
    a["a"] = column
    return a


@pytest.mark.parametrize("idiom", IDIOMS)
def test_two_tables_that_meet_are_both_sources_and_no_third(
    spans: Spans,
    left: pd.DataFrame,
    right: pd.DataFrame,
    third: pd.DataFrame,
    tmp_path: Path,
    idiom: str,
) -> None:
    made = IDIOMS[idiom](left, right, third)
    third.sort_values("c")  # recorded, and of no account
    assert sources(spans, tmp_path, made) == {"left", "right"}


ALONE: dict[str, Any] = {
    "groupby agg": lambda a: a.groupby("s").agg({"a": "sum"}).reset_index(),
    "groupby reduction": lambda a: a.groupby("s")["a"].mean().reset_index(),
    "groupby attribute": lambda a: a.groupby("s").a.mean().to_frame(),
    "groupby transform": lambda a: a.assign(x=a.groupby("s")["a"].transform("sum")),
    "groupby apply": lambda a: a.groupby("s")[["a"]].apply(lambda g: g.assign(z=g.a - g.a.mean())),
    "pivot": lambda a: a.pivot(index="k", columns="s", values="a"),
    "pivot_table": lambda a: a.pivot_table(index="s", values="a", aggfunc="sum"),
    "melt": lambda a: a.melt(id_vars="k"),
    "stack": lambda a: a.stack().reset_index(),
    "explode": lambda a: a.assign(s=a.s.str.split("")).explode("s"),
    "query": lambda a: a.query("a > 10 and s == 'x'"),
    "filter": lambda a: a.filter(items=["k", "a"]),
    "mask": lambda a: a[a.a > 10],
    "slice": lambda a: a[1:3],
    "loc": lambda a: a.loc[a.a > 10],
    "iloc": lambda a: a.iloc[:2],
    "iloc rows": lambda a: a.iloc[[0, 2]],
    "drop": lambda a: a.drop(columns="s"),
    "rename": lambda a: a.rename(columns=str.upper),
    "fillna": lambda a: a.fillna(0),
    "dropna": lambda a: a.dropna(),
    "replace": lambda a: a.replace("x", "w"),
    "astype": lambda a: a.astype({"a": "float32"}),
    "sort": lambda a: a.sort_values(["s", "a"], ascending=False),
    "drop_duplicates": lambda a: a.drop_duplicates("s"),
    "sample": lambda a: a.sample(2, random_state=1),
    "index": lambda a: a.set_index("k").reset_index(),
    "apply": lambda a: a[["k", "a"]].apply(sum, axis=1).to_frame("x"),
    "map": lambda a: a.map(str),
    "Series map": lambda a: a.assign(s=a.s.map({"x": "X"})),
    "get_dummies": lambda a: pd.get_dummies(a, columns=["s"]),
    "cut": lambda a: a.assign(bin=pd.cut(a.a, 2)),
    "to_datetime": lambda a: a.assign(day=pd.to_datetime(a.k, unit="D")),
    "str accessor": lambda a: a.assign(s=a.s.str.upper()),
    "value_counts": lambda a: a["s"].value_counts().reset_index(),
    "describe": lambda a: a.describe(),
    "rolling": lambda a: a[["a"]].rolling(2).mean(),
    "transpose": lambda a: a.T,
    "head": lambda a: a.head(2),
    "nlargest": lambda a: a.nlargest(2, "a"),
    "iterrows": lambda a: pd.DataFrame([row for _, row in a.iterrows()]),
    "copy": lambda a: a.copy(),
    "deep pipe": lambda a: a.pipe(lambda d: d[d.a > 10]).pipe(lambda d: d.assign(y=1)),
    "columns": lambda a: a[["k", "s"]],
    "where": lambda a: a.where(a.a > 10),
    "shift": lambda a: a.shift(1),
    "cumsum": lambda a: a[["a"]].cumsum(),
    "sum": lambda a: a[["a"]].sum().to_frame(),
    "duplicated": lambda a: a[~a.s.duplicated()],
    "wide_to_long": lambda a: pd.wide_to_long(
        a.rename(columns={"a": "v1"}), ["v"], i="k", j="n"
    ).reset_index(),
}


@pytest.mark.parametrize("idiom", ALONE)
def test_what_is_made_of_one_table_comes_from_it_alone(
    spans: Spans,
    left: pd.DataFrame,
    right: pd.DataFrame,
    tmp_path: Path,
    idiom: str,
) -> None:
    made = ALONE[idiom](left)
    right.merge(left, on="k")  # recorded, and of no account
    assert sources(spans, tmp_path, made) == {"left"}


def test_a_table_made_in_memory_is_known_by_its_content(spans: Spans, left: pd.DataFrame) -> None:
    table = pd.DataFrame({"k": [1, 2], "name": ["one", "two"]})
    content = identity(table)
    left.merge(table, on="k")
    assert spans.one("pandas.merge").used_ids == {identity(left), content}
    assert content.startswith("table:")


def test_a_list_too_long_to_show_is_data_of_unknown_origin(
    spans: Spans, left: pd.DataFrame
) -> None:
    wanted = [number * 2 for number in range(1000)]
    left.replace(wanted, 0)
    span = spans.one("pandas.replace")
    assert span.used_ids == {identity(left), identity(wanted)}
    assert "more" in span.parameter("to_replace")
    spans.clear()
    assert pd.Series([1, 2]).to_list() == [1, 2]
    left.replace([1, 2], 0)  # equal to that list, and not that list
    assert spans.one("pandas.replace").used_ids == {identity(left)}


def test_an_array_that_numpy_changed_is_not_what_it_was(spans: Spans, left: pd.DataFrame) -> None:
    array = np.arange(1000)
    table = pd.DataFrame({"n": range(1000)})
    table["x"] = array
    array[0] = 5
    table["x"] = array
    first, second = (span for span in spans.all() if span.name == "pandas.setitem")
    arrays = [{id for id in span.used_ids if id.startswith("array:")} for span in (first, second)]
    assert arrays[0] != arrays[1]
    values = left["a"].to_numpy(copy=True)
    one = identity(left.assign(x=values))
    values[0] = 99
    assert identity(left.assign(x=values)) != one


def test_chunks_come_from_their_file(spans: Spans, tmp_path: Path) -> None:
    (tmp_path / "big.csv").write_text("a\n" + "\n".join(map(str, range(100))))
    parts = [chunk[chunk.a % 2 == 0] for chunk in pd.read_csv(tmp_path / "big.csv", chunksize=10)]
    assert sources(spans, tmp_path, pd.concat(parts)) == {"big"}


def test_a_buffer_has_the_id_of_a_file_with_its_bytes(spans: Spans, tmp_path: Path) -> None:
    text = "a,b\n1,2\n"
    (tmp_path / "same.csv").write_text(text)
    pd.read_csv(io.StringIO(text))
    pd.read_csv(io.BytesIO(text.encode()))
    expected = {otelprov.artifact(tmp_path / "same.csv").id}
    assert [span.used_ids for span in spans.all()] == [expected, expected]


def test_an_open_file_is_known_by_what_it_holds(
    spans: Spans, left: pd.DataFrame, tmp_path: Path
) -> None:
    with (tmp_path / "open.csv").open("w") as file:
        left.to_csv(file)
    assert spans.one("pandas.to_csv").generated_ids == {otelprov.artifact(tmp_path / "open.csv").id}
    with (tmp_path / "open.csv").open() as file:
        pd.read_csv(file)
    assert spans.all()[-1].used_ids == {otelprov.artifact(tmp_path / "open.csv").id}


def test_text_that_is_returned_has_the_id_of_the_file_it_becomes(
    spans: Spans, left: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "by_hand.csv").write_text(left.to_csv())
    assert spans.one("pandas.to_csv").generated_ids == {
        otelprov.artifact(tmp_path / "by_hand.csv").id
    }


def test_appending_uses_what_was_there(spans: Spans, left: pd.DataFrame, tmp_path: Path) -> None:
    left.to_csv(tmp_path / "log.csv")
    before = otelprov.artifact(tmp_path / "log.csv").id
    left.to_csv(tmp_path / "log.csv", mode="a", header=False)
    first, second = spans.all()[1:]
    assert first.generated_ids == {before}
    assert before in second.used_ids
    assert second.generated_ids == {otelprov.artifact(tmp_path / "log.csv").id}


def test_a_written_parquet_file_generates_the_file_and_its_table(
    spans: Spans, left: pd.DataFrame, tmp_path: Path
) -> None:
    left.to_parquet(tmp_path / "left.parquet")
    span = spans.one("pandas.to_parquet")
    again = pd.read_parquet(tmp_path / "left.parquet")
    assert span.generated_ids == {
        otelprov.artifact(tmp_path / "left.parquet").id,
        identity(again),
    }
    assert identity(again) == identity(left)
    pd.testing.assert_frame_equal(again, left)


def test_sheets_meet_in_the_workbook(
    spans: Spans, left: pd.DataFrame, right: pd.DataFrame, tmp_path: Path
) -> None:
    with pd.ExcelWriter(tmp_path / "book.xlsx") as writer:
        left.to_excel(writer, sheet_name="left")
        right.to_excel(writer, sheet_name="right")
    book = otelprov.artifact(tmp_path / "book.xlsx").id
    assert spans.one("pandas.ExcelWriter.close").generated_ids == {book}
    roots, _ = support.upstream(spans.all(), book)
    assert roots == {otelprov.artifact(tmp_path / f"{name}.csv").id for name in ("left", "right")}
    sheets = pd.read_excel(tmp_path / "book.xlsx", sheet_name=None)
    assert spans.one("pandas.read_excel").used_ids == {book}
    assert spans.one("pandas.read_excel").generated_ids == {identity(s) for s in sheets.values()}


def test_tables_of_a_database_are_named_without_credentials(
    spans: Spans, left: pd.DataFrame, tmp_path: Path
) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "store.db") as connection:
        left.to_sql("numbers", connection, index=False)
        pd.read_sql("SELECT * FROM numbers", connection)
    written = spans.one("pandas.to_sql").generated[0]
    assert written["otelprov.artifact.kind"] == "resource"
    assert written["otelprov.artifact.coverage"] == "none"
    assert written["otelprov.artifact.uri"].endswith("store.db#numbers")
    used = spans.one("pandas.read_sql").used[0]
    assert used["otelprov.artifact.uri"] == written["otelprov.artifact.uri"]
    assert used["otelprov.used.id"] == written["otelprov.generated.id"]


def test_nested_calls_of_the_library_make_no_spans(spans: Spans, left: pd.DataFrame) -> None:
    left.pivot_table(index="s", values="a", aggfunc="mean")
    assert spans.names() == ["pandas.read_csv", "pandas.pivot_table"]


def test_a_function_passed_to_apply_makes_no_spans_but_its_reads_are_seen(
    spans: Spans, left: pd.DataFrame, right: pd.DataFrame
) -> None:
    left["x"] = left["k"].apply(lambda k: right.loc[right["k"] == k, "b"].sum())
    span = spans.one("pandas.apply")
    assert span.used_ids >= {identity(right)}
    assert len(spans.all()) == 4  # two reads, apply, setitem


def test_files_read_inside_a_function_are_spans_of_their_own(
    spans: Spans, left: pd.DataFrame, tmp_path: Path
) -> None:
    names = pd.Series([str(tmp_path / "left.csv")] * 2)
    totals = names.apply(lambda name: pd.read_csv(name)["a"].sum()).to_frame("total")
    assert spans.names().count("pandas.read_csv") == 3
    assert "left" in sources(spans, tmp_path, totals)


def test_a_function_that_stands_in_says_whether_it_has_an_axis(
    spans: Spans, left: pd.DataFrame
) -> None:
    for name in ("any", "count", "rank", "cumsum", "nunique"):
        method: Any = getattr(pd.DataFrame, name)
        assert inspect.getfullargspec(method) == inspect.getfullargspec(method.__wrapped__)
        assert inspect.signature(method) == inspect.signature(method.__wrapped__)
    # pandas itself asks whether they have an axis.
    assert left[["a"]].apply("count", axis=1).tolist() == [1] * len(left)
    # What is said so goes to whoever wraps it, with the `self` that a bound method has not.
    wrapped = functools.wraps(left.merge)(lambda *rest: None)
    assert inspect.signature(wrapped) == inspect.signature(left.merge)


def test_the_parameters_of_a_groupby_belong_to_what_follows_it(
    spans: Spans, left: pd.DataFrame, right: pd.DataFrame
) -> None:
    left.groupby("s", sort=False)["a"].sum()
    span = spans.one("pandas.groupby.sum")
    assert span.parameter("by") == "s"
    assert span.parameter("sort") is False
    assert span.attributes["otelprov.parameters.given"] == ["by", "sort", "key"]
    left.rolling(2)["a"].mean()
    assert spans.one("pandas.window.mean").parameter("window") == 2
    for _, group in left.groupby("s"):
        group.merge(right, on="k")
        assert spans.all()[-1].name == "pandas.merge"
        assert spans.all()[-1].parameter("by") is None


def test_two_runs_of_the_same_steps_have_the_same_derivation_ids(
    spans: Spans, left: pd.DataFrame, tmp_path: Path
) -> None:
    def pipeline() -> pd.DataFrame:
        table = pd.read_csv(tmp_path / "left.csv")
        table["x"] = table.a * 2 + table["k"]
        table["s"] = table.s.str.upper()
        return table[table.x > 20].groupby("s")["x"].mean().reset_index().sort_values("x")

    assert identity(pipeline()) == identity(pipeline())


def test_other_columns_and_parameters_give_other_derivation_ids(left: pd.DataFrame) -> None:
    made = [
        left.assign(x=left.a),
        left.assign(x=left.k),
        left.assign(x=left.a + 1),
        left.assign(x=left.a + 2),
        left.assign(x=left.a - left.k),
        left.assign(x=left.k - left.a),
        left.assign(x=lambda d: d.a),
        left.assign(x=lambda d: d.k),
        left[left.a > 10],
        left[left.a > 20],
        left.fillna(0),
        left.fillna("0"),
    ]
    assert len({identity(table) for table in made}) == len(made)


def test_query_sees_the_variables_of_the_caller(left: pd.DataFrame) -> None:
    limit = 20  # noqa: F841 - read by name
    assert len(left.query("a > @limit")) == 2
    assert (lambda inner: len(left.query("a > @inner")))(30) == 1
    assert left.eval("a + @limit").tolist() == [30, 40, 50, 60]
    assert pd.eval("left.a + limit").tolist() == [30, 40, 50, 60]


def test_one_value_made_of_another_is_no_operation(spans: Spans, left: pd.DataFrame) -> None:
    pd.to_datetime("2024-01-01"), pd.to_numeric("3"), pd.to_timedelta("1h")
    assert spans.names() == ["pandas.read_csv"]
    pd.to_datetime(left.a, unit="D")
    pd.to_numeric(["1", "2"])
    assert spans.names() == ["pandas.read_csv", "pandas.to_datetime", "pandas.to_numeric"]


def test_a_column_that_is_taken_again_is_what_the_table_is_by_then(left: pd.DataFrame) -> None:
    first = left.assign(x=left["a"])
    assert identity(left.assign(x=left["a"])) == identity(first)
    left.loc[0, "a"] = 11
    assert identity(left.assign(x=left["a"])) != identity(first)


def test_a_row_that_becomes_a_dict_comes_from_its_table(left: pd.DataFrame, spans: Spans) -> None:
    for _, row in left.iterrows():
        row.to_dict()
    made = [span for span in spans.all() if span.name == "pandas.to_dict"]
    assert len(made) == len(left)
    for span in made:
        assert span.used_ids == {identity(left)}
        assert next(iter(span.generated_ids)).startswith("object:")


def test_a_column_that_is_taken_twice_is_one(left: pd.DataFrame) -> None:
    computed = registry.lookup(left[["a", "a"]].add(1))
    assert computed is not None and computed.columns == (("a",),)


def test_two_lists_of_one_table_make_two_columns_of_it(left: pd.DataFrame) -> None:
    columns = left.to_dict("list")
    one, other, again = (pd.Series(columns[name]) for name in ("k", "a", "a"))
    assert identity(one.to_frame("x")) != identity(other.to_frame("x"))
    assert identity(other.to_frame("x")) == identity(again.to_frame("x"))


def test_rows_that_were_changed_are_no_longer_those_of_the_table(
    left: pd.DataFrame, spans: Spans, tmp_path: Path
) -> None:
    rows = left.to_dict("records")
    assert sources(spans, tmp_path, pd.DataFrame(rows)) == {"left"}
    rows[2]["a"] = 31
    assert sources(spans, tmp_path, pd.DataFrame(rows)) != {"left"}

"""pandas as strangers write it: every derived table goes back to what it was derived from."""

from __future__ import annotations

from pathlib import Path

import pytest
import strangers

FORMS = {
    "resampled series": 'b["x"].resample("ME").mean()',
    "column of a resampled table": 'b.resample("ME")["x"].mean()',
    "resampled table": 'b[["x"]].resample("ME").sum()',
    "resampled groups": 'b.groupby("s").resample("ME")["x"].sum()',
    "resampled on a column": 'a.resample("ME", on="d")["x"].ohlc()',
    "filled upwards": 'b["x"].resample("D").ffill()',
    "resampled by a function": 'b["x"].resample("ME").agg(["min", "max"])',
    "months by hand": 'a.groupby(a["d"].dt.month)["x"].agg(["mean", "max"])',
    "grouper": 'a.groupby(pd.Grouper(key="d", freq="ME")).size().rename("n")',
    "windows of groups": 'a.groupby("s")["x"].rolling(2).mean()',
    "weights": 'b["x"].ewm(alpha=0.5).mean()',
    "own window": 'a["x"].expanding().apply(lambda window: window.max())',
    "share of a group": 'b["x"].groupby(b["s"]).transform("mean")',
    "lists": 'a.groupby("s")["x"].apply(list)',
    "one group of a dict": '{key: group for key, group in a.groupby("s")}["A"]',
    "groups put together": 'pd.concat([group for _, group in a.groupby("s")])',
    "arithmetic": '(a["x"] * 2 + a["x"].shift(1)).rename("z").to_frame().join(a["s"])',
    "in and out of a dict": "pd.DataFrame.from_dict(a.to_dict())",
    "in and out of records": "pd.DataFrame.from_records(a.to_records(index=False))",
    "in and out of a list": 'pd.Series(a["x"].tolist())',
    "values": "pd.DataFrame(a.values, columns=a.columns)",
    "parts of two": 'pd.DataFrame({"u": a["x"], "v": b["x"].values})',
    "there and back": 'a.set_index(["d", "s"]).unstack("s").stack(future_stack=True)',
    "one row": "a.iloc[0].to_frame().T",
    "membership": 'a.loc[a["s"].isin(b["s"].unique())]',
    "self join": 'a.merge(a.groupby("s", as_index=False)["x"].sum(), on="s")',
}


@pytest.fixture(scope="module")
def derived(tmp_path_factory: pytest.TempPathFactory) -> strangers.Recording:
    directory = tmp_path_factory.mktemp("forms")
    (directory / "a.csv").write_text("d,s,x\n2024-01-01,A,1.5\n2024-01-02,B,2.5\n")
    lines = [f'{form}.to_csv("{name}.csv")  # @made' for name, form in FORMS.items()]
    program = [
        "import pandas as pd",
        'a = pd.read_csv("a.csv", parse_dates=["d"])  # @a',
        'b = a.set_index("d")  # @b',
        *lines,
    ]
    return strangers.record(directory, "\n".join(program))


@pytest.mark.parametrize("name", FORMS)
def test_whatever_a_table_is_derived_by_its_file_goes_back_to_the_raw_data(
    derived: strangers.Recording, name: str
) -> None:
    assert derived.roots(f"{name}.csv") == {"a.csv"}


COLUMNS = """
    import pandas as pd
    df = pd.read_csv("a.csv")
    other = pd.read_csv("b.csv")
    df[["p", "q"]] = df[["a", "b"]] * 2
    df[["r"]] = other[["c"]]
    df[["s", "t"]] = 0
    df["both"] = df["a"] + other["c"]
    df = df.eval("u = both + b\\nv = u * 2")
    df.to_csv("out.csv", index=False)
"""


def test_columns_that_are_set_together_or_by_an_expression_are_followed(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "a.csv").write_text("a,b,g\n1,4,x\n2,5,y\n")
    (directory / "b.csv").write_text("a,c\n1,7\n2,8\n")
    recording = strangers.record(directory, COLUMNS)
    found = {name: recording.columns(f"out.csv#{name}") for name in "gpqrstuv"}
    assert found == {
        "g": {"a.csv#g"},
        "p": {"a.csv#a", "a.csv#b", "opaque"},
        "q": {"a.csv#a", "a.csv#b", "opaque"},
        "r": {"b.csv#c", "opaque"},
        "s": {"memory#s"},
        "t": {"memory#t"},
        "u": {"a.csv#a", "a.csv#b", "b.csv#c"},
        "v": {"a.csv#a", "a.csv#b", "b.csv#c"},
    }


LABELS = """
    import pandas as pd
    a = pd.read_csv("a.csv").set_index("k")  # @a
    b = pd.read_csv("b.csv").set_index("k")  # @b
    a.loc[b.index].to_csv("loc.csv")  # @loc
    a.loc[b.index, "v"].to_csv("column.csv")  # @column
    a["v"].reindex(b.index.unique()).to_csv("reindex.csv")  # @reindex
    a[a.index.isin(b.index)].to_csv("isin.csv")  # @isin
    a.drop(b[b["w"] > 10].index).to_csv("drop.csv")  # @drop
    a.loc[a.index.difference(b.index)].to_csv("rest.csv")  # @rest
    pd.DataFrame({"id": b.index, "v": 0}).to_csv("ids.csv")  # @ids
    a[b.columns.intersection(a.columns)].to_csv("names.csv")  # @names
"""
LABELLED = """
    pandas.read_csv@a: a.csv -> return
    pandas.set_index@a: pandas.read_csv@a -> return
    pandas.read_csv@b: b.csv -> return
    pandas.set_index@b: pandas.read_csv@b -> return
    pandas.loc@loc: pandas.set_index@a, pandas.set_index@b -> return
    pandas.to_csv@loc: pandas.loc@loc -> loc.csv
    pandas.to_csv@column: pandas.set_index@a, pandas.set_index@b -> column.csv
    pandas.reindex@reindex: pandas.set_index@a, pandas.set_index@b -> return
    pandas.to_csv@reindex: pandas.reindex@reindex -> reindex.csv
    pandas.getitem@isin: pandas.set_index@a, pandas.set_index@b -> return
    pandas.to_csv@isin: pandas.getitem@isin -> isin.csv
    pandas.getitem@drop: pandas.set_index@b -> return
    pandas.drop@drop: pandas.set_index@a, pandas.getitem@drop -> return
    pandas.to_csv@drop: pandas.drop@drop -> drop.csv
    pandas.loc@rest: pandas.set_index@a, pandas.set_index@b -> return
    pandas.to_csv@rest: pandas.loc@rest -> rest.csv
    pandas.to_csv@ids: pandas.set_index@b -> ids.csv
    pandas.to_csv@names: pandas.set_index@a -> names.csv
"""


def test_rows_that_are_chosen_by_the_labels_of_another_table_come_from_that_too(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "a.csv").write_text("k,v,g\n1,1.5,x\n2,2.5,y\n3,3.5,x\n")
    (directory / "b.csv").write_text("k,w\n1,10\n3,30\n")
    recording = strangers.record(directory, LABELS)
    assert recording.graph() == strangers.drawn(LABELLED)


STORE = """
    import pandas as pd
    with pd.HDFStore("store.h5") as store:
        store["a"] = pd.read_csv("a.csv")  # @a
        store.append("b", pd.read_csv("b.csv"))  # @b
"""
FROM_STORE = """
    import pandas as pd
    with pd.HDFStore("store.h5") as store:
        store["a"].query("v > 2").to_json("a.json")
        store.b.query("w > 10").to_json("b.json")
"""


def test_tables_that_are_set_in_a_store_of_hdf_go_back_to_what_they_were_read_from(
    tmp_path: Path,
) -> None:
    pytest.importorskip("tables")
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "a.csv").write_text("k,v\n1,1.50\n2,2.50\n")
    (directory / "b.csv").write_text("k,w\n1,10.0\n3,30.0\n")
    recording = strangers.record(directory, STORE, FROM_STORE, PYTHONWARNINGS="ignore")
    for name in ("a.json", "b.json"):
        assert recording.roots(name) == {"a.csv", "b.csv"}


MAPPED = """
    import pandas as pd
    most = pd.read_csv("orders.csv").groupby("item")["n"].max().to_dict()
    items = pd.read_csv("items.csv")
    items["most"] = items["item"].map(most)
    items["twice"] = items["price"].map(lambda price: price * 2)
    items.to_csv("mapped.csv")
"""


def test_a_column_that_is_mapped_comes_from_the_mapping_too(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "orders.csv").write_text("item,n\n7,2\n8,1\n7,5\n")
    (directory / "items.csv").write_text("item,price\n7,2.5\n8,9.5\n")
    recording = strangers.record(directory, MAPPED)
    assert recording.columns("mapped.csv#most") == {
        "items.csv#item", "orders.csv#item", "orders.csv#n", "opaque"
    }  # fmt: skip
    assert recording.columns("mapped.csv#twice") == {"items.csv#price"}

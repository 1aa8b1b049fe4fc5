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
        "r": {"b.csv#c"},
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
    pandas.DataFrame@ids: pandas.set_index@b -> self
    pandas.to_csv@ids: pandas.DataFrame@ids -> ids.csv
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
    parts = [part for part in pd.read_hdf("store.h5", "b", chunksize=1)]
    pd.concat(parts).to_json("parts.json")
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
    for name in ("a.json", "b.json", "parts.json"):
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


LABEL = """
    import pandas as pd
    a = pd.read_csv("a.csv")
    a[a["v"] > 2].to_csv("row.csv", index_label="row")
    a.groupby("g")["v"].sum().to_csv("group.csv", index_label="group")
    a.to_csv("none.csv", index=False)
"""


def test_the_name_that_a_call_gives_the_labels_is_a_column_of_the_file(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "a.csv").write_text("k,v,g\n1,1.50,x\n2,2.5,y\n3,3.5,x\n")
    recording = strangers.record(directory, LABEL)
    assert recording.columns("row.csv#v") == {"a.csv#v"}
    assert recording.columns("row.csv#row") == {"a.csv#k", "a.csv#v", "a.csv#g", "opaque"}
    assert recording.columns("group.csv#group") == {"a.csv#g"}


BESIDE = """
    import pandas as pd
    a = pd.read_csv("a.csv")  # @a
    b = pd.read_csv("b.csv")  # @b
    parts = {"p": a["v"], "q": b["w"] * 2, "sum": a["k"] + b["w"], "r": 3, "n": [7, 8, 9]}
    pd.DataFrame({**parts, "values": b["w"].values}).to_csv("frame.csv", index=False)  # @frame
    pd.concat([a[["v", "g"]], b["w"]], axis=1).to_csv("concat.csv", index=False)  # @concat
    pd.concat({"m": a["v"], "n": b["w"]}, axis="columns").to_csv("dict.csv", index=False)  # @dict
    groups = a.groupby("g")
    figures = pd.DataFrame({"n": groups.size(), "mean": groups["v"].mean()})  # @figures
    figures.reset_index().to_csv("figures.csv", index=False)  # @save
    c = a.copy()
    c["new"] = b["w"]  # @set
    c.to_csv("copy.csv", index=False)  # @copy
"""
BESIDE_DRAWN = """
    pandas.read_csv@a: a.csv -> return
    pandas.read_csv@b: b.csv -> return
    pandas.DataFrame@frame: pandas.read_csv@a, pandas.read_csv@b -> self
    pandas.to_csv@frame: pandas.DataFrame@frame -> frame.csv
    pandas.concat@concat: pandas.read_csv@a, pandas.read_csv@b -> return
    pandas.to_csv@concat: pandas.concat@concat -> concat.csv
    pandas.concat@dict: pandas.read_csv@a, pandas.read_csv@b -> return
    pandas.to_csv@dict: pandas.concat@dict -> dict.csv
    pandas.groupby.size@figures: pandas.read_csv@a -> return
    pandas.groupby.mean@figures: pandas.read_csv@a -> return
    pandas.DataFrame@figures: pandas.groupby.size@figures, pandas.groupby.mean@figures -> self
    pandas.reset_index@save: pandas.DataFrame@figures -> return
    pandas.to_csv@save: pandas.reset_index@save -> figures.csv
    pandas.setitem@set: pandas.read_csv@a, pandas.read_csv@b -> self
    pandas.to_csv@copy: pandas.setitem@set -> copy.csv
"""


def test_columns_that_are_put_side_by_side_come_each_from_its_own(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "a.csv").write_text("k,v,g\n1,1.5,x\n2,2.5,y\n3,3.5,x\n")
    (directory / "b.csv").write_text("k,w\n1,10\n3,30\n5,50\n")
    recording = strangers.record(directory, BESIDE)
    assert recording.graph() == strangers.drawn(BESIDE_DRAWN)
    columns = {
        "frame": {
            "p": {"a.csv#v"},
            "q": {"b.csv#w"},
            "sum": {"a.csv#k", "b.csv#w"},
            "r": {"memory#r"},
            "n": {"memory#n"},
            "values": {"b.csv#w"},
        },
        "concat": {"v": {"a.csv#v"}, "g": {"a.csv#g"}, "w": {"b.csv#w"}},
        "dict": {"m": {"a.csv#v"}, "n": {"b.csv#w"}},
        "figures": {"g": {"a.csv#g"}, "n": {"memory#"}, "mean": {"a.csv#v"}},
        "copy": {"k": {"a.csv#k"}, "v": {"a.csv#v"}, "g": {"a.csv#g"}, "new": {"b.csv#w"}},
    }
    for file, expected in columns.items():
        found = {name: recording.columns(f"{file}.csv#{name}") for name in expected}
        assert found == expected, file

"""Single steps of strangers' pipelines, each with what it used and no more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import strangers

CLUSTERS = """
    import numpy as np, pandas as pd, pyarrow as pa, pyarrow.csv as pc
    from sklearn.cluster import KMeans
    from sklearn.metrics import r2_score
    df = pd.read_csv("t.csv")  # @t
    labels = KMeans(2, n_init=1, random_state=0).fit_predict(df[["a", "b"]].values)  # @labels
    np.save("labels.npy", labels)  # @save
    a = df["a"].to_numpy() + 0.0  # @a
    df["twice"] = a * 2  # @set
    np.savez("few.npz", mean=a.mean(axis=0, keepdims=True), labels=labels)  # @few
    r2_score(a, a)  # @score
    df[df["a"].isin(np.array([1.0]))].to_csv("ones.csv")  # @ones
    one = pc.read_csv("t.csv")  # @one
    pc.write_csv(pa.concat_tables([one, one]), "two.csv")  # @two
"""
DRAWN = """
    pandas.read_csv@t: t.csv -> return
    sklearn.KMeans.fit_predict@labels: pandas.read_csv@t -> self, return
    numpy.save@save: sklearn.KMeans.fit_predict@labels -> labels.npy
    pandas.to_numpy@a: pandas.read_csv@t -> return
    pandas.setitem@set: pandas.read_csv@t, ? -> self
    numpy.savez@few: sklearn.KMeans.fit_predict@labels, ? -> few.npz
    sklearn.r2_score@score: ? -> return
    pandas.getitem@ones: pandas.setitem@set -> return
    pandas.to_csv@ones: pandas.getitem@ones -> ones.csv
    pyarrow.csv.read_csv@one: t.csv -> return
    pyarrow.concat_tables@two: pyarrow.csv.read_csv@one -> return
    pyarrow.csv.write_csv@two: pyarrow.concat_tables@two -> two.csv
"""


def test_a_few_values_are_of_unknown_origin_where_they_are_data_and_no_model_uses_itself(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    random = np.random.default_rng(0)
    table = pd.DataFrame({"a": random.normal(size=20), "b": random.normal(size=20)})
    table.to_csv(directory / "t.csv", index=False)
    recording = strangers.record(directory, CLUSTERS)
    assert recording.graph() == strangers.drawn(DRAWN)
    assert recording.roots("labels.npy") == {"t.csv"}
    assert recording.roots("two.csv") == {"t.csv"}


FOLDS = """
    import pandas as pd
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
    X = pd.read_csv("x.csv")  # @x
    y = pd.read_csv("y.csv")["y"]  # @y
    shops = pd.read_csv("shops.csv")["shop"]  # @shops
    scores = pd.DataFrame()
    for train, test in KFold(2).split(X, y):
        model = LinearRegression().fit(X.iloc[train], y.iloc[train])  # @plain
        part = pd.DataFrame({"i": test, "p": model.predict(X.iloc[test])})  # @predict
        scores = pd.concat([scores, part])  # @scores
    scores.to_csv("scores.csv")  # @save
    for train, _ in StratifiedKFold(2).split(X, y > 0):
        LinearRegression().fit(X.iloc[train], y.iloc[train])  # @strata
    for train, _ in GroupKFold(2).split(X, y, groups=shops):
        LinearRegression().fit(X.iloc[train], y.iloc[train])  # @groups
"""
FOLDED = """
    pandas.read_csv@x: x.csv -> return
    pandas.read_csv@y: y.csv -> return
    pandas.read_csv@shops: shops.csv -> return
    pandas.iloc@plain: pandas.read_csv@x -> return
    pandas.iloc@plain: pandas.read_csv@x -> return
    sklearn.LinearRegression.fit@plain: pandas.iloc@plain, pandas.read_csv@y -> self
    sklearn.LinearRegression.fit@plain: pandas.iloc@plain, pandas.read_csv@y -> self
    pandas.iloc@predict: pandas.read_csv@x -> return
    pandas.iloc@predict: pandas.read_csv@x -> return
    sklearn.LinearRegression.predict@predict: \\
        sklearn.LinearRegression.fit@plain, pandas.iloc@predict -> return
    sklearn.LinearRegression.predict@predict: \\
        sklearn.LinearRegression.fit@plain, pandas.iloc@predict -> return
    pandas.DataFrame@predict: sklearn.LinearRegression.predict@predict -> self
    pandas.DataFrame@predict: sklearn.LinearRegression.predict@predict -> self
    pandas.concat@scores: pandas.DataFrame@predict -> return
    pandas.concat@scores: pandas.concat@scores, pandas.DataFrame@predict -> return
    pandas.to_csv@save: pandas.concat@scores -> scores.csv
    pandas.iloc@strata: pandas.read_csv@x, pandas.read_csv@y -> return
    pandas.iloc@strata: pandas.read_csv@x, pandas.read_csv@y -> return
    sklearn.LinearRegression.fit@strata: pandas.iloc@strata, pandas.read_csv@y -> self
    sklearn.LinearRegression.fit@strata: pandas.iloc@strata, pandas.read_csv@y -> self
    pandas.iloc@groups: pandas.read_csv@x, pandas.read_csv@shops -> return
    pandas.iloc@groups: pandas.read_csv@x, pandas.read_csv@shops -> return
    sklearn.LinearRegression.fit@groups: \\
        pandas.iloc@groups, pandas.read_csv@y, pandas.read_csv@shops -> self
    sklearn.LinearRegression.fit@groups: \\
        pandas.iloc@groups, pandas.read_csv@y, pandas.read_csv@shops -> self
"""


def test_a_fold_comes_from_what_it_was_chosen_by_and_a_table_from_no_empty_one(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    random = np.random.default_rng(0)
    for name, values in {
        "x": random.normal(size=90),
        "y": random.normal(size=90),
        "shops": list("abc") * 30,
    }.items():
        table = pd.DataFrame({name.rstrip("s"): values})
        table.to_csv(directory / f"{name}.csv", index=False)
    recording = strangers.record(directory, FOLDS)
    assert recording.graph() == strangers.drawn(FOLDED)
    ids = [
        id_ for span in recording.spans if span.name == "pandas.iloc" for id_ in span.generated_ids
    ]
    assert len(ids) == len(set(ids)) == 8


AT_EXIT = """
    import atexit
    import pandas as pd, polars as pl
    from sklearn.linear_model import LinearRegression
    df = pd.read_csv("t.csv")  # @t
    model = LinearRegression().fit(df[["a"]], df["b"])  # @fit
    atexit.register(df.to_csv, "last.csv", sep=";")
    atexit.register(pl.from_pandas(df).write_ndjson, "last.ndjson")  # @polars
    atexit.register(model.predict, df[["a"]])
    atexit.register(pd.concat, map(pd.read_csv, ["t.csv"]))
"""
LEFT = """
    pandas.read_csv@t: t.csv -> return
    sklearn.LinearRegression.fit@fit: pandas.read_csv@t -> self
    polars.from_pandas@polars: pandas.read_csv@t -> return
    pandas.read_csv: t.csv -> return
    pandas.concat: pandas.read_csv -> return
    sklearn.LinearRegression.predict: \\
        sklearn.LinearRegression.fit@fit, pandas.read_csv@t -> return
    polars.write_ndjson: polars.from_pandas@polars -> last.ndjson
    pandas.to_csv: pandas.read_csv@t -> last.csv
"""


def test_what_python_itself_calls_at_the_exit_is_recorded(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 4.0]}).to_csv(directory / "t.csv", index=False)
    recording = strangers.record(directory, AT_EXIT)
    assert recording.graph() == strangers.drawn(LEFT)
    assert recording.roots("last.csv") == {"t.csv"}


TOGETHER = """
    import numpy as np, pandas as pd
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV
    df = pd.read_csv("t.csv")  # @t
    array = df["a"].to_numpy() * 2  # @array
    pd.DataFrame({"id": df.index, "a": df["a"], "p": array}).to_csv("both.csv")  # @both
    pd.DataFrame(array.reshape(-1, 1), index=df.index).to_csv("labelled.csv")  # @labelled
    pd.Series(df["b"], index=range(9)).to_csv("known.csv")  # @known
    pd.DataFrame({"n": range(9), "a": df["a"]}, columns=["n", "a"]).to_csv("list.csv")  # @list
    search = GridSearchCV(Ridge(), {"alpha": [1, 2]}, cv=3).fit(df[["a"]], df["b"])  # @search
    pd.DataFrame(search.cv_results_).to_csv("search.csv")  # @results
"""
PUT = """
    pandas.read_csv@t: t.csv -> return
    pandas.to_numpy@array: pandas.read_csv@t -> return
    pandas.DataFrame@both: pandas.read_csv@t, ? -> self
    pandas.to_csv@both: pandas.DataFrame@both -> both.csv
    pandas.to_csv@labelled: pandas.read_csv@t, ? -> labelled.csv
    pandas.to_csv@known: pandas.read_csv@t -> known.csv
    pandas.DataFrame@list: pandas.read_csv@t -> self
    pandas.to_csv@list: pandas.DataFrame@list -> list.csv
    sklearn.GridSearchCV.fit@search: pandas.read_csv@t -> self, cv_results_
    pandas.to_csv@results: sklearn.GridSearchCV.fit@search -> search.csv
"""


def test_a_table_of_known_and_unknown_data_is_of_unknown_origin_in_part(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    table = pd.DataFrame({"a": [1.0, 2.0, 3.0] * 3, "b": [2.0, 4.0, 5.0] * 3})
    table.to_csv(directory / "t.csv", index=False)
    recording = strangers.record(directory, TOGETHER)
    assert recording.graph() == strangers.drawn(PUT)
    assert recording.roots("both.csv") == {"t.csv", "?"}


LAZY = """
    import polars as pl
    rates = pl.read_csv("t.csv")  # @t
    more = pl.LazyFrame({"a": [4.0], "b": [8.0]})
    pl.concat([rates.lazy(), more]).collect().write_csv("more.csv")  # @more
    pl.LazyFrame(rates).select("a").sink_csv("same.csv")  # @same
    empty = pl.LazyFrame({"a": [], "b": []}, schema=rates.schema)
    pl.concat([empty, rates.lazy()]).sink_csv("none.csv")  # @none
"""
PLANNED = """
    polars.read_csv@t: t.csv -> return
    polars.collect@more: polars.read_csv@t, ? -> return
    polars.write_csv@more: polars.collect@more -> more.csv
    polars.sink_csv@same: polars.read_csv@t -> same.csv
    polars.sink_csv@none: polars.read_csv@t -> none.csv
"""


def test_the_values_of_a_lazy_table_are_of_unknown_origin(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 4.0]}).to_csv(directory / "t.csv", index=False)
    recording = strangers.record(directory, LAZY)
    assert recording.graph() == strangers.drawn(PLANNED)
    assert recording.roots("more.csv") == {"t.csv", "?"}

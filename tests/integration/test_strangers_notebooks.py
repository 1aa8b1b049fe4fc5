"""Notebooks that became scripts: features, workbooks, a model that another script uses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import strangers

PASSENGERS = """
    import pandas as pd
    from sklearn.ensemble import RandomForestClassifier
    train = pd.read_csv("train.csv")  # @train
    test = pd.read_csv("test.csv")  # @test
    for data in [train, test]:
        data["Family"] = data["SibSp"] + data["Parch"] + 1  # @family
        data["Alone"] = 0  # @alone
        data.loc[data["Family"] == 1, "Alone"] = 1  # @loc
        data["Title"] = data["Name"].str.extract(r" ([A-Za-z]+)\\.", expand=False)  # @title
    ids = test["Id"]
    train = train.drop(["Id", "Name"], axis=1)  # @drop
    test = test.drop(["Id", "Name"], axis=1)  # @drop_test
    train = pd.get_dummies(train, columns=["Title"])  # @dummies
    test = pd.get_dummies(test, columns=["Title"])  # @dummies_test
    forest = RandomForestClassifier(3, random_state=0)
    forest.fit(train.drop("Survived", axis=1), train["Survived"])  # @fit
    guess = forest.predict(test)  # @predict
    pd.DataFrame({"Id": ids, "Survived": guess}).to_csv("submission.csv", index=False)  # @out
    train.to_csv("features.csv", index=False)  # @features
"""
PASSENGERS_DRAWN = """
    pandas.read_csv@train: train.csv -> return
    pandas.read_csv@test: test.csv -> return
    pandas.setitem@family: pandas.read_csv@train -> self
    pandas.setitem@alone: pandas.setitem@family -> self
    pandas.loc.setitem@loc: pandas.setitem@alone -> self
    pandas.setitem@title: pandas.loc.setitem@loc -> self
    pandas.setitem@family: pandas.read_csv@test -> self
    pandas.setitem@alone: pandas.setitem@family -> self
    pandas.loc.setitem@loc: pandas.setitem@alone -> self
    pandas.setitem@title: pandas.loc.setitem@loc -> self
    pandas.drop@drop: pandas.setitem@title -> return
    pandas.drop@drop_test: pandas.setitem@title -> return
    pandas.get_dummies@dummies: pandas.drop@drop -> return
    pandas.get_dummies@dummies_test: pandas.drop@drop_test -> return
    pandas.drop@fit: pandas.get_dummies@dummies -> return
    sklearn.RandomForestClassifier.fit@fit: pandas.drop@fit, pandas.get_dummies@dummies -> self
    sklearn.RandomForestClassifier.predict@predict: \\
        sklearn.RandomForestClassifier.fit@fit, pandas.get_dummies@dummies_test -> return
    pandas.DataFrame@out: \\
        pandas.setitem@title, sklearn.RandomForestClassifier.predict@predict -> self
    pandas.to_csv@out: pandas.DataFrame@out -> submission.csv
    pandas.to_csv@features: pandas.get_dummies@dummies -> features.csv
"""


def test_features_of_passengers_come_from_their_own_columns(work: Path) -> None:
    random = np.random.default_rng(0)
    for name, size in (("train", 40), ("test", 20)):
        table = pd.DataFrame(
            {
                "Id": range(size),
                "Name": [f"Doe, {title}. {name}" for title in ["Mr", "Mrs"] * (size // 2)],
                "SibSp": random.integers(0, 3, size),
                "Parch": random.integers(0, 3, size),
            }
        )
        if name == "train":
            table["Survived"] = random.integers(0, 2, size)
        table.to_csv(work / f"{name}.csv", index=False)
    recording = strangers.record(work, PASSENGERS)
    assert recording.graph() == strangers.drawn(PASSENGERS_DRAWN)
    assert recording.roots("submission.csv") == {"train.csv", "test.csv"}
    assert recording.roots("features.csv") == {"train.csv"}
    found = {
        name: recording.columns(f"features.csv#{name}")
        for name in ("SibSp", "Survived", "Family", "Alone", "Title_Mr", "Title_Mrs")
    }
    assert found == {
        "SibSp": {"train.csv#SibSp"},
        "Survived": {"train.csv#Survived"},
        "Family": {"train.csv#SibSp", "train.csv#Parch"},
        "Alone": {"memory#Alone"},
        "Title_Mr": {"train.csv#Name"},
        "Title_Mrs": {"train.csv#Name"},
    }


SALES = """
    import pandas as pd
    sales = pd.read_csv("sales.csv", parse_dates=["date"])  # @sales
    stores = pd.read_csv("stores.csv")  # @stores

    def dated(df):
        df = df.copy()
        df["month"] = df["date"].dt.month  # @month
        return df

    def lagged(df, days):
        df = df.sort_values(["store", "date"])  # @sort
        df["lag"] = df.groupby("store")["n"].shift(days)  # @lag
        return df[["store", "date", "n", "lag", "month"]]

    full = sales.pipe(dated).pipe(lagged, 1)  # @pipe
    full = full.merge(stores, on="store", how="left")  # @merge
    full.to_csv("full.csv", index=False)  # @full
    weeks = sales.set_index("date").groupby("store")["n"].resample("W").sum()  # @weeks
    weeks.reset_index().to_csv("weeks.csv", index=False)  # @save_weeks
    mean = sales.groupby("store")["n"].rolling(3, min_periods=1).mean()  # @mean
    mean.droplevel(1).to_csv("mean.csv")  # @save_mean
    total = sales.groupby("store").agg(total=("n", "sum"))  # @total
    named = total.join(stores.set_index("store")["city"]).reset_index()  # @named
    named.to_csv("named.csv", index=False)  # @save_named
"""
SALES_DRAWN = """
    pandas.read_csv@sales: sales.csv -> return
    pandas.read_csv@stores: stores.csv -> return
    pandas.setitem@month: pandas.read_csv@sales -> self
    pandas.pipe@pipe: pandas.read_csv@sales, pandas.setitem@month -> return
    pandas.sort_values@sort: pandas.pipe@pipe -> return
    pandas.groupby.shift@lag: pandas.sort_values@sort -> return
    pandas.setitem@lag: pandas.sort_values@sort, pandas.groupby.shift@lag -> self
    pandas.pipe@pipe: pandas.pipe@pipe, pandas.setitem@lag -> return
    pandas.merge@merge: pandas.pipe@pipe, pandas.read_csv@stores -> return
    pandas.to_csv@full: pandas.merge@merge -> full.csv
    pandas.set_index@weeks: pandas.read_csv@sales -> return
    pandas.resample.sum@weeks: pandas.set_index@weeks -> return
    pandas.reset_index@save_weeks: pandas.resample.sum@weeks -> return
    pandas.to_csv@save_weeks: pandas.reset_index@save_weeks -> weeks.csv
    pandas.window.mean@mean: pandas.read_csv@sales -> return
    pandas.droplevel@save_mean: pandas.window.mean@mean -> return
    pandas.to_csv@save_mean: pandas.droplevel@save_mean -> mean.csv
    pandas.groupby.agg@total: pandas.read_csv@sales -> return
    pandas.set_index@named: pandas.read_csv@stores -> return
    pandas.join@named: pandas.groupby.agg@total, pandas.set_index@named -> return
    pandas.reset_index@named: pandas.join@named -> return
    pandas.to_csv@save_named: pandas.reset_index@named -> named.csv
"""


def test_columns_go_through_pipes_and_windows_of_groups(work: Path) -> None:
    days = pd.date_range("2024-01-01", periods=20)
    sales = pd.DataFrame({"date": [*days, *days], "store": [1] * 20 + [2] * 20, "n": range(40)})
    sales.to_csv(work / "sales.csv", index=False)
    (work / "stores.csv").write_text("store,city\n1,A\n2,B\n")
    recording = strangers.record(work, SALES)
    assert recording.graph() == strangers.drawn(SALES_DRAWN)
    assert recording.roots("full.csv") == {"sales.csv", "stores.csv"}
    columns = {
        "full": {
            "store": {"sales.csv#store"},
            "date": {"sales.csv#date"},
            "lag": {"sales.csv#n"},
            "month": {"sales.csv#date"},
            "city": {"stores.csv#city"},
        },
        "weeks": {
            "store": {"sales.csv#store"},
            "date": {"sales.csv#date"},
            "n": {"sales.csv#n"},
        },
        "mean": {"store": {"sales.csv#store"}, "n": {"sales.csv#n"}},
        "named": {
            "store": {"sales.csv#store"},
            "total": {"sales.csv#n"},
            "city": {"stores.csv#city"},
        },
    }
    for file, expected in columns.items():
        found = {name: recording.columns(f"{file}.csv#{name}") for name in expected}
        assert found == expected, file


BUDGET = """
    import pandas as pd
    sheets = pd.read_excel("budget.xlsx", sheet_name=None)  # @budget
    for name, sheet in sheets.items():
        sheet["quarter"] = name  # @quarter
    budget = pd.concat(sheets.values(), ignore_index=True)  # @concat
    with pd.ExcelWriter("report.xlsx") as writer:  # @new
        budget.to_excel(writer, sheet_name="all", index=False)  # @all
        for quarter, part in budget.groupby("quarter"):
            part.to_excel(writer, sheet_name=quarter, index=False)  # @part
    with pd.ExcelWriter("report.xlsx", mode="a", engine="openpyxl") as writer:  # @more
        pd.read_csv("heads.csv").to_excel(writer, sheet_name="heads", index=False)  # @heads
    pd.read_excel("report.xlsx", sheet_name="all").to_csv("all.csv", index=False)  # @out
"""
BUDGET_DRAWN = """
    pandas.read_excel@budget: budget.xlsx -> return['Q1'], return['Q2']
    pandas.setitem@quarter: pandas.read_excel@budget -> self
    pandas.setitem@quarter: pandas.read_excel@budget -> self
    pandas.concat@concat: pandas.setitem@quarter -> return
    pandas.to_excel@all: pandas.concat@concat -> target
    pandas.to_excel@part: pandas.concat@concat, pandas.to_excel@all -> target
    pandas.to_excel@part: pandas.concat@concat, pandas.to_excel@all, pandas.to_excel@part -> target
    pandas.ExcelWriter.close@new: pandas.to_excel@all, pandas.to_excel@part -> report.xlsx
    pandas.ExcelWriter@more: report.xlsx -> return
    pandas.read_csv@heads: heads.csv -> return
    pandas.to_excel@heads: pandas.read_csv@heads, pandas.ExcelWriter@more -> target
    pandas.ExcelWriter.close@more: pandas.ExcelWriter@more, pandas.to_excel@heads -> report.xlsx
    pandas.read_excel@out: report.xlsx -> return
    pandas.to_csv@out: pandas.read_excel@out -> all.csv
"""


def test_a_workbook_that_gets_a_sheet_more_holds_what_was_in_it(work: Path) -> None:
    pytest.importorskip("openpyxl")
    with pd.ExcelWriter(work / "budget.xlsx") as writer:
        for quarter in ("Q1", "Q2"):
            table = pd.DataFrame({"team": ["hr", "it"], "spent": [int(quarter[1]), 4]})
            table.to_excel(writer, sheet_name=quarter, index=False)
    (work / "heads.csv").write_text("team,head\nhr,x\nit,y\n")
    recording = strangers.record(work, BUDGET)
    assert recording.graph() == strangers.drawn(BUDGET_DRAWN)
    for name in ("report.xlsx", "all.csv"):
        assert recording.roots(name) == {"budget.xlsx", "heads.csv"}


TRAIN = """
    import joblib
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import Ridge
    from sklearn.metrics import mean_absolute_error
    from sklearn.model_selection import GridSearchCV, train_test_split
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    def main(path="houses.csv"):
        df = pd.read_csv(path).set_index("id")  # @df
        X, y = df.drop(columns="price"), df.price  # @x
        X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=1)  # @split
        prepare = ColumnTransformer([
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["area"]),
            ("zone", OneHotEncoder(handle_unknown="ignore"), ["zone"]),
        ])
        pipeline = Pipeline([("prepare", prepare), ("ridge", Ridge())])
        search = GridSearchCV(pipeline, {"ridge__alpha": [0.1, 1]}, cv=3)
        search.fit(X_train, y_train)  # @search
        guess = search.predict(X_test)  # @guess
        print(mean_absolute_error(y_test, guess) > 0)  # @error
        joblib.dump(search.best_estimator_, "model.joblib")  # @dump
        out = X_test.assign(price=y_test, guess=guess)  # @assign
        out.reset_index().to_csv("held_out.csv", index=False)  # @out

    if __name__ == "__main__":
        main()
"""
APPLY = """
    import pandas as pd
    from joblib import load
    model = load("model.joblib")  # @load
    new = pd.read_csv("new.csv", index_col="id")  # @new
    price = pd.Series(model.predict(new), index=new.index, name="price").round(2)  # @predict
    best = new.join(price).nlargest(5, "price")  # @best
    best.to_csv("best.csv")  # @save
"""
TRAINED = """
    pandas.read_csv@df: houses.csv -> return
    pandas.set_index@df: pandas.read_csv@df -> return
    pandas.drop@x: pandas.set_index@df -> return
    sklearn.train_test_split@split: \\
        pandas.drop@x, pandas.set_index@df -> return[0], return[1], return[2], return[3]
    sklearn.GridSearchCV.fit@search: sklearn.train_test_split@split -> self, cv_results_
    sklearn.GridSearchCV.predict@guess: \\
        sklearn.GridSearchCV.fit@search, sklearn.train_test_split@split -> return
    sklearn.mean_absolute_error@error: \\
        sklearn.GridSearchCV.predict@guess, sklearn.train_test_split@split -> return
    joblib.dump@dump: sklearn.GridSearchCV.fit@search -> model.joblib
    pandas.assign@assign: \\
        sklearn.train_test_split@split, sklearn.GridSearchCV.predict@guess -> return
    pandas.reset_index@out: pandas.assign@assign -> return
    pandas.to_csv@out: pandas.reset_index@out -> held_out.csv
    joblib.load@load: model.joblib -> return
    pandas.read_csv@new: new.csv -> return
    sklearn.Pipeline.predict@predict: joblib.load@load, pandas.read_csv@new -> return
    pandas.join@best: pandas.read_csv@new, sklearn.Pipeline.predict@predict -> return
    pandas.nlargest@best: pandas.join@best -> return
    pandas.to_csv@save: pandas.nlargest@best -> best.csv
"""


def test_a_model_of_one_script_is_what_another_predicts_with(work: Path) -> None:
    random = np.random.default_rng(0)
    houses = pd.DataFrame(
        {
            "id": range(40),
            "area": random.normal(100, 20, 40),
            "zone": random.choice(["N", "S"], 40),
            "price": random.normal(200, 50, 40),
        }
    )
    houses.to_csv(work / "houses.csv", index=False)
    houses.drop(columns="price").assign(id=range(100, 140)).to_csv(work / "new.csv", index=False)
    recording = strangers.record(work, TRAIN, APPLY)
    assert recording.graph() == strangers.drawn(TRAINED)
    assert recording.roots("held_out.csv") == {"houses.csv"}
    assert recording.roots("best.csv") == {"houses.csv", "new.csv"}
    found = {name: recording.columns(f"held_out.csv#{name}") for name in ("id", "area", "price")}
    assert found == {name: {f"houses.csv#{name}"} for name in found}
    every = {f"houses.csv#{name}" for name in houses.columns}
    assert recording.columns("held_out.csv#guess") == every | {"opaque"}


GIVEN = """
    from functools import partial
    import pandas as pd

    def half(d):
        return d["v"] / 2

    def by(d, number):
        return d["v"] / number

    class Report:
        def ratio(self, df):
            return df.assign(ratio=lambda d: d.v / d.k)  # @ratio

    df = pd.read_csv("t.csv")  # @df
    out = df.assign(half=half, third=partial(by, number=3), what="half", n=2, w=df["v"])  # @out
    out.pipe(Report().ratio).to_csv("out.csv", index=False)  # @save
"""
GIVEN_DRAWN = """
    pandas.read_csv@df: t.csv -> return
    pandas.assign@out: pandas.read_csv@df -> return
    pandas.assign@ratio: pandas.assign@out -> return
    pandas.pipe@save: pandas.assign@out, pandas.assign@ratio -> return
    pandas.to_csv@save: pandas.pipe@save -> out.csv
"""


def test_a_function_is_no_text_of_its_name(work: Path) -> None:
    (work / "t.csv").write_text("k,v\n1,1.5\n2,2.5\n")
    recording = strangers.record(work, GIVEN)
    assert recording.graph() == strangers.drawn(GIVEN_DRAWN)
    found = {
        name: recording.columns(f"out.csv#{name}")
        for name in ("k", "half", "third", "what", "n", "w", "ratio")
    }
    assert found == {
        "k": {"t.csv#k"},
        "half": {"t.csv#v"},
        "third": {"t.csv#v"},
        "what": {"memory#what"},
        "n": {"memory#n"},
        "w": {"t.csv#v"},
        "ratio": {"t.csv#k", "t.csv#v"},
    }


INSIDE = """
    import pandas as pd
    df = pd.read_csv("t.csv")  # @df
    rates = pd.read_csv("rates.csv")  # @rates

    def own(values):
        return values.max() - values.min()

    def rated(values):
        return values * rates["rate"].mean()

    c = df.copy()
    c.loc[c["k"] > 1, ["v", "new"]] = [0, 1]  # @cells
    c["own"] = c.groupby("g")["v"].transform(own)  # @own
    c["rated"] = c.groupby("g")["v"].transform(rated)  # @rated
    c.to_csv("out.csv", index=False)  # @out
"""
INSIDE_DRAWN = """
    pandas.read_csv@df: t.csv -> return
    pandas.read_csv@rates: rates.csv -> return
    pandas.loc.setitem@cells: pandas.read_csv@df -> self
    pandas.groupby.transform@own: pandas.loc.setitem@cells -> return
    pandas.setitem@own: pandas.loc.setitem@cells, pandas.groupby.transform@own -> self
    pandas.groupby.transform@rated: pandas.setitem@own, pandas.read_csv@rates -> return
    pandas.setitem@rated: pandas.setitem@own, pandas.groupby.transform@rated -> self
    pandas.to_csv@out: pandas.setitem@rated -> out.csv
"""


def test_a_column_that_a_function_makes_may_come_from_what_that_reads(work: Path) -> None:
    (work / "t.csv").write_text("k,v,g\n1,1.5,x\n2,2.5,y\n3,3.5,x\n")
    (work / "rates.csv").write_text("rate\n0.5\n0.7\n")
    recording = strangers.record(work, INSIDE)
    assert recording.graph() == strangers.drawn(INSIDE_DRAWN)
    found = {name: recording.columns(f"out.csv#{name}") for name in ("k", "v", "g", "new", "own")}
    assert found == {
        "k": {"t.csv#k"},
        "v": {"t.csv#v"},
        "g": {"t.csv#g"},
        "new": {"memory#new"},
        "own": {"t.csv#v"},
    }
    assert {"rates.csv#rate", "t.csv#v", "opaque"} <= recording.columns("out.csv#rated")


LOOKED_UP = """
    import pandas as pd
    sales = pd.read_csv("sales.csv")  # @sales
    items = pd.read_csv("items.csv").set_index("item")  # @items
    sales.merge(items, left_on="item", right_index=True).to_csv("a.csv", index=False)  # @a
    sales.join(items[["price"]], on="item").to_csv("b.csv", index=False)  # @b
    sales.set_index("item").join(items, rsuffix="_list").to_csv("c.csv")  # @c
    by_item = sales.set_index("item")  # @by_item
    by_item.merge(items, left_index=True, right_index=True, how="left").to_csv("d.csv")  # @d
"""
LOOKED_UP_DRAWN = """
    pandas.read_csv@sales: sales.csv -> return
    pandas.read_csv@items: items.csv -> return
    pandas.set_index@items: pandas.read_csv@items -> return
    pandas.merge@a: pandas.read_csv@sales, pandas.set_index@items -> return
    pandas.to_csv@a: pandas.merge@a -> a.csv
    pandas.join@b: pandas.read_csv@sales, pandas.set_index@items -> return
    pandas.to_csv@b: pandas.join@b -> b.csv
    pandas.set_index@c: pandas.read_csv@sales -> return
    pandas.join@c: pandas.set_index@c, pandas.set_index@items -> return
    pandas.to_csv@c: pandas.join@c -> c.csv
    pandas.set_index@by_item: pandas.read_csv@sales -> return
    pandas.merge@d: pandas.set_index@by_item, pandas.set_index@items -> return
    pandas.to_csv@d: pandas.merge@d -> d.csv
"""


def test_columns_that_are_looked_up_by_labels_come_from_their_table(work: Path) -> None:
    (work / "sales.csv").write_text("item,n,kind\n7,2,x\n8,1,y\n7,5,x\n")
    (work / "items.csv").write_text("item,price,kind\n7,2.5,p\n8,9.5,q\n")
    recording = strangers.record(work, LOOKED_UP, PYTHONWARNINGS="ignore")
    assert recording.graph() == strangers.drawn(LOOKED_UP_DRAWN)
    suffixes = {"a": ("_x", "_y"), "b": ("", None), "c": ("", "_list"), "d": ("_x", "_y")}
    for file, (left, right) in suffixes.items():
        expected = {
            "item": {"sales.csv#item"},
            "n": {"sales.csv#n"},
            f"kind{left}": {"sales.csv#kind"},
            "price": {"items.csv#price"},
        }
        if right is not None:
            expected[f"kind{right}"] = {"items.csv#kind"}
        found = {name: recording.columns(f"{file}.csv#{name}") for name in expected}
        assert found == expected, file


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The directory that a program runs in."""
    directory = tmp_path / "work"
    directory.mkdir()
    return directory

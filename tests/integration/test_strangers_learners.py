"""Projects in which strangers train models: what is fitted, told, mapped and remembered."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import strangers

TOLD = """
    import pandas as pd
    from sklearn import set_config
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    df = pd.read_csv("people.csv")  # @people
    X, y = df[["age", "income", "city"]], df["bought"]
    scaler = StandardScaler().fit(X[["age"]])  # @scaler
    scaler.set_output(transform="pandas")
    scaler.transform(X[["age"]]).to_csv("scaled.csv")  # @scaled
    set_config(transform_output="pandas")
    columns = make_column_transformer(
        (StandardScaler(), ["age", "income"]), (OneHotEncoder(sparse_output=False), ["city"])
    )
    pipe = make_pipeline(columns, LogisticRegression()).fit(X, y)  # @pipe
    pipe[:-1].transform(X).to_csv("features.csv")  # @features
    sure = CalibratedClassifierCV(pipe, cv=2).fit(X, y)  # @sure
    pd.Series(pipe.predict(X)).to_csv("predicted.csv")  # @predicted
    names = pipe[:-1].get_feature_names_out()
    pd.Series(pipe[-1].coef_[0], index=names).to_csv("coefficients.csv")  # @coefficients
"""
TOLD_DRAWN = """
    pandas.read_csv@people: people.csv -> return
    sklearn.StandardScaler.fit@scaler: pandas.read_csv@people -> self
    sklearn.StandardScaler.transform@scaled: sklearn.StandardScaler.fit@scaler, \\
        pandas.read_csv@people -> return
    pandas.to_csv@scaled: sklearn.StandardScaler.transform@scaled -> scaled.csv
    sklearn.Pipeline.fit@pipe: pandas.read_csv@people -> self
    sklearn.Pipeline.transform@features: sklearn.Pipeline.fit@pipe, pandas.read_csv@people -> return
    pandas.to_csv@features: sklearn.Pipeline.transform@features -> features.csv
    sklearn.CalibratedClassifierCV.fit@sure: pandas.read_csv@people -> self
    sklearn.Pipeline.predict@predicted: sklearn.Pipeline.fit@pipe, pandas.read_csv@people -> return
    pandas.to_csv@predicted: sklearn.Pipeline.predict@predicted -> predicted.csv
    pandas.to_csv@coefficients: sklearn.Pipeline.fit@pipe -> coefficients.csv
"""


def test_a_model_is_what_it_was_fitted_on_whatever_form_its_output_has(work: Path) -> None:
    recording = strangers.record(work, TOLD)
    assert recording.graph() == strangers.drawn(TOLD_DRAWN)


MAPS = """
    import joblib, numpy as np
    rows = np.load("rows.npy", mmap_mode="r")  # @npy
    np.save("first.npy", rows[:2])  # @first
    raw = np.memmap("rows.npy", dtype="f8", mode="r")  # @memmap
    again = joblib.load("rows.joblib", mmap_mode="r")  # @joblib
    np.save("again.npy", again[:2])  # @again
"""
MAPS_DRAWN = """
    numpy.load@npy: rows.npy -> return
    numpy.save@first: numpy.load@npy -> first.npy
    numpy.memmap@memmap: rows.npy -> return
    joblib.load@joblib: rows.joblib -> return
    numpy.save@again: joblib.load@joblib -> again.npy
"""


def test_a_file_that_is_mapped_is_not_read_for_us(work: Path) -> None:
    import joblib

    rows = np.random.default_rng(0).random(
        2_500_000
    )  # more than is read of a file that is not read whole
    np.save(work / "rows.npy", rows)
    joblib.dump(rows, work / "rows.joblib")
    long_ago = 1_700_000_000
    for path in work.iterdir():
        os.utime(path, (long_ago, long_ago))
    recording = strangers.record(work, MAPS)
    assert recording.graph() == strangers.drawn(MAPS_DRAWN)
    files = [
        event
        for span in recording.spans
        for event in span.used
        if event["otelprov.artifact.kind"] == "file"
    ]
    assert [one["otelprov.artifact.coverage"] for one in files] == ["status"] * 3


SKOPS = """
    import pandas as pd
    import skops.io
    from skops.io import dump
    from sklearn.linear_model import LinearRegression
    people = pd.read_csv("people.csv")  # @people
    dump(LinearRegression().fit(people[["age"]], people["income"]), "model.skops")  # @dump
    skops.io.load("model.skops").predict(people[["age"]])  # @load
"""
SKOPS_DRAWN = """
    pandas.read_csv@people: people.csv -> return
    sklearn.LinearRegression.fit@dump: pandas.read_csv@people -> self
    skops.dump@dump: sklearn.LinearRegression.fit@dump -> model.skops
    skops.load@load: model.skops -> return
    sklearn.LinearRegression.predict@load: skops.load@load, pandas.read_csv@people -> return
"""


def test_a_file_of_skops_holds_a_model(work: Path) -> None:
    pytest.importorskip("skops")
    recording = strangers.record(work, SKOPS)
    assert recording.graph() == strangers.drawn(SKOPS_DRAWN)


FIGURES = """
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt, numpy as np, pandas as pd
    people = pd.read_csv("people.csv")  # @people
    mean = people.groupby("city")["income"].mean()  # @mean
    plt.figure()
    plt.plot(people["age"], people["income"], "k.", label="all")
    plt.axhline(3e4, color="red")
    plt.title(f"{len(people)} people")
    plt.legend()
    plt.savefig("line.png")  # @line
    figure, (left, right) = plt.subplots(1, 2)
    left.hist(people["age"], bins=5)
    figure.colorbar(right.scatter(people["age"], people["bought"], c=people["income"]))
    figure.savefig("two", dpi=50)  # @two
    right.plot([0, 1], [1, 0])
    figure.savefig("lines.pdf")  # @lines
    plt.figure()
    mean.plot.bar()
    plt.gcf().savefig("bar.svg")  # @bar
    plt.figure()
    plt.imshow(np.random.default_rng(0).random((3, 3)))
    plt.savefig("noise.png")  # @noise
    plt.figure()
    (line,) = plt.plot([], [])
    line.set_data(people["age"], people["income"])
    plt.savefig("later.png")  # @later
    counts = people["city"].value_counts().to_dict()  # @counts
    figure, axes = plt.subplots()
    axes.bar(counts.keys(), counts.values())
    figure.savefig("counts.png")  # @by_hand
    figure, axes = plt.subplots()
    axes.text(0.5, 0.5, "nothing")
    axes.axhline(people["age"].mean())
    figure.savefig("nothing.png")  # @nothing
"""
FIGURES_DRAWN = """
    pandas.read_csv@people: people.csv -> return
    pandas.groupby.mean@mean: pandas.read_csv@people -> return
    matplotlib.savefig@line: pandas.read_csv@people -> line.png
    matplotlib.savefig@two: pandas.read_csv@people -> two.png
    matplotlib.savefig@lines: ?, pandas.read_csv@people -> lines.pdf
    matplotlib.savefig@bar: pandas.groupby.mean@mean -> bar.svg
    matplotlib.savefig@noise: ? -> noise.png
    matplotlib.savefig@later: ? -> later.png
    pandas.value_counts@counts: pandas.read_csv@people -> return
    pandas.to_dict@counts: pandas.value_counts@counts -> return
    matplotlib.savefig@by_hand: ? -> counts.png
    matplotlib.savefig@nothing: -> nothing.png
"""


def test_a_figure_comes_from_what_was_drawn_in_it(work: Path) -> None:
    pytest.importorskip("matplotlib")
    recording = strangers.record(work, FIGURES)
    assert recording.graph() == strangers.drawn(FIGURES_DRAWN)
    assert recording.roots("bar.svg") == {"people.csv"}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The directory that a program runs in, with people and what they bought."""
    directory = tmp_path / "work"
    directory.mkdir()
    random = np.random.default_rng(0)
    people = pd.DataFrame(
        {
            "age": random.integers(18, 80, 90),
            "income": random.normal(3e4, 1e4, 90),
            "city": random.choice(list("abc"), 90),
            "bought": random.integers(0, 2, 90),
        }
    )
    people.to_csv(directory / "people.csv", index=False)
    return directory

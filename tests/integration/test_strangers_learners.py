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


DISPLAYS = """
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt, numpy as np, pandas as pd
    import seaborn as sns
    from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay
    from sklearn.tree import DecisionTreeClassifier, export_graphviz, plot_tree
    people = pd.read_csv("people.csv")  # @people
    X, y = people[["age", "income"]], people["bought"]
    tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y)  # @fit
    plt.figure()
    plot_tree(tree)
    plt.savefig("tree.png")  # @tree
    export_graphviz(tree, out_file="tree.dot")  # @dot
    ConfusionMatrixDisplay.from_estimator(tree, X, y)
    plt.savefig("confusion.png")  # @confusion
    other = DecisionTreeClassifier()
    vars(other).update(vars(tree), n_features_in_=2)
    ConfusionMatrixDisplay.from_estimator(other, X, y)
    plt.savefig("again.png")  # @again
    RocCurveDisplay(fpr=np.array([0.0, 0.1, 1.0]), tpr=np.array([0.0, 0.9, 1.0])).plot()
    plt.savefig("by_hand.png")  # @by_hand
    pd.plotting.scatter_matrix(X)
    plt.savefig("matrix.png")  # @matrix
    X.plot.scatter(x="age", y="income", c=np.arange(90))
    plt.savefig("colors.png")  # @colors
    plt.figure()
    sns.dots(people, x="age", y="income")
    plt.savefig("dots.png")  # @dots
    plt.figure()
    sns.dots(x=[1, 2, 3], y=people["income"][:3])
    plt.savefig("listed.png")  # @listed
    grid = sns.Grid(people)
    grid.map(plt.hist, "age")
    grid.save("grid.png")  # @grid
"""
SEABORN = """
    import matplotlib.pyplot as plt
    from matplotlib.collections import LineCollection

    def dots(data=None, *, x=None, y=None, palette=("r", "g")):
        chosen = data if data is None else data.dropna().sort_values(x)
        left, right = (x, y) if chosen is None else (chosen[x].to_numpy(), chosen[y].to_numpy())
        plt.gca().scatter(left, right, c=palette[0])
        plt.gca().add_line(plt.Line2D([], [], label="dots"))
        plt.gca().add_collection(LineCollection([[(one, 0), (one, 1)] for one in left]))

    class Grid:
        def __init__(self, data):
            self.data = data
            self.mask = data["age"].to_numpy() > 30
            self.figure, self.axes = plt.subplots(1, 2)

        def map(self, func, name):
            for axes, chosen in zip(self.axes, (self.mask, ~self.mask)):
                plt.sca(axes)
                func(self.data[name][chosen].to_numpy())

        def save(self, path):
            self.figure.savefig(path)
"""
DISPLAYS_DRAWN = """
    pandas.read_csv@people: people.csv -> return
    sklearn.DecisionTreeClassifier.fit@fit: pandas.read_csv@people -> self
    matplotlib.savefig@tree: sklearn.DecisionTreeClassifier.fit@fit -> tree.png
    sklearn.export_graphviz@dot: sklearn.DecisionTreeClassifier.fit@fit -> tree.dot
    matplotlib.savefig@confusion: \\
        pandas.read_csv@people, sklearn.DecisionTreeClassifier.fit@fit -> confusion.png
    matplotlib.savefig@again: ?, pandas.read_csv@people -> again.png
    matplotlib.savefig@by_hand: ? -> by_hand.png
    matplotlib.savefig@matrix: pandas.read_csv@people -> matrix.png
    matplotlib.savefig@colors: ?, pandas.read_csv@people -> colors.png
    matplotlib.savefig@dots: pandas.read_csv@people -> dots.png
    matplotlib.savefig@listed: ?, pandas.read_csv@people -> listed.png
    matplotlib.savefig@grid: pandas.read_csv@people -> grid.png
"""


def test_a_figure_that_another_library_draws_comes_from_what_that_was_given(work: Path) -> None:
    pytest.importorskip("matplotlib")
    recording = strangers.record(work, DISPLAYS, modules={"seaborn.py": SEABORN})
    assert recording.graph() == strangers.drawn(DISPLAYS_DRAWN)


TEXTS = """
    import numpy as np, pandas as pd
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    people = pd.read_csv("people.csv")  # @people
    texts, bought = people["city"].tolist(), people["bought"].tolist()  # @lists
    vectors = CountVectorizer(analyzer="char")
    train, test, train_y, test_y = train_test_split(texts, bought, random_state=0)  # @split
    model = make_pipeline(vectors, LogisticRegression()).fit(train, train_y)  # @fit
    np.save("guess.npy", model.predict(test))  # @guess
    mixed = train_test_split(people["age"], list(range(90)), random_state=0)  # @mixed
    with open("people.csv") as rows:
        np.save("lines.npy", vectors.fit_transform(rows).toarray())  # @rows
    np.save("each.npy", vectors.fit_transform(text for text in texts).toarray())  # @each
    words = (word * 2 for word in open("people.csv").read().split())
    np.save("words.npy", vectors.fit_transform(words).toarray())  # @words
"""
TEXTS_DRAWN = """
    pandas.read_csv@people: people.csv -> return
    pandas.to_list@lists: pandas.read_csv@people -> return
    pandas.to_list@lists: pandas.read_csv@people -> return
    sklearn.train_test_split@split: pandas.to_list@lists -> \\
        return[0], return[1], return[2], return[3]
    sklearn.Pipeline.fit@fit: sklearn.train_test_split@split -> self
    sklearn.Pipeline.predict@guess: \\
        sklearn.Pipeline.fit@fit, sklearn.train_test_split@split -> return
    numpy.save@guess: sklearn.Pipeline.predict@guess -> guess.npy
    sklearn.train_test_split@mixed: ?, pandas.read_csv@people -> \\
        return[0], return[1], return[2], return[3]
    sklearn.CountVectorizer.fit_transform@rows: people.csv -> return, self
    numpy.save@rows: sklearn.CountVectorizer.fit_transform@rows -> lines.npy
    sklearn.CountVectorizer.fit_transform@each: pandas.to_list@lists -> return, self
    numpy.save@each: sklearn.CountVectorizer.fit_transform@each -> each.npy
    sklearn.CountVectorizer.fit_transform@words: ? -> return, self
    numpy.save@words: sklearn.CountVectorizer.fit_transform@words -> words.npy
"""


def test_texts_are_lists_files_and_what_generators_give(work: Path) -> None:
    recording = strangers.record(work, TEXTS)
    assert recording.graph() == strangers.drawn(TEXTS_DRAWN)
    assert recording.roots("guess.npy") == {"people.csv"}


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

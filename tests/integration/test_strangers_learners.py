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

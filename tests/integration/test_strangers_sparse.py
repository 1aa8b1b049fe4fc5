"""Sparse matrices as strangers make them of texts and categories, and hand them on in files."""

from __future__ import annotations

from pathlib import Path

import strangers

FEATURES = """
    import pandas as pd, scipy.io as sio, scipy.sparse as sp
    from scipy.sparse import csr_matrix, hstack, save_npz
    from sklearn.feature_extraction.text import TfidfVectorizer
    docs = pd.read_csv("docs.csv")  # @docs
    people = pd.read_csv("people.csv")  # @people
    words = TfidfVectorizer().fit_transform(docs["text"])  # @words
    ages = csr_matrix(people[["age"]].to_numpy())  # @ages
    both = hstack([words, ages]).tocsr()
    save_npz("both", both)  # @both
    pd.DataFrame(words.toarray()).to_csv("dense.csv")  # @dense
    pd.DataFrame.sparse.from_spmatrix(words[:2]).to_csv("few.csv")  # @few
    sp.save_npz("alike.npz", words @ words.T)  # @alike
    sp.save_npz("old.npz", ages > 30)  # @old
    sio.savemat("both.mat", {"both": both, "n": 3})  # @mat
    own = sp.lil_matrix((2, 1))
    own[0] = ages[1]
    sp.save_npz("own.npz", own.tocsr())  # @own
    sp.save_npz("unit.npz", sp.eye(3, format="csr"))  # @unit
"""
TRAIN = """
    import pandas as pd, scipy.io as sio
    from scipy.sparse import load_npz
    from sklearn.linear_model import LogisticRegression
    X = load_npz("both.npz")  # @X
    y = pd.read_csv("docs.csv")["label"]  # @y
    model = LogisticRegression().fit(X, y)  # @fit
    pd.Series(model.predict(X[3:])).to_csv("predicted.csv")  # @predicted
    X = sio.loadmat("both.mat")["both"]  # @mat
    pd.Series(model.predict(X)).to_csv("again.csv")  # @again
"""
DRAWN = """
    pandas.read_csv@docs: docs.csv -> return
    pandas.read_csv@people: people.csv -> return
    sklearn.TfidfVectorizer.fit_transform@words: pandas.read_csv@docs -> self, return
    pandas.to_numpy@ages: pandas.read_csv@people -> return
    scipy.save_npz@both: sklearn.TfidfVectorizer.fit_transform@words, pandas.to_numpy@ages \\
        -> both.npz
    pandas.to_csv@dense: sklearn.TfidfVectorizer.fit_transform@words -> dense.csv
    pandas.from_spmatrix@few: sklearn.TfidfVectorizer.fit_transform@words -> return
    pandas.to_csv@few: pandas.from_spmatrix@few -> few.csv
    scipy.save_npz@alike: sklearn.TfidfVectorizer.fit_transform@words -> alike.npz
    scipy.save_npz@old: pandas.to_numpy@ages -> old.npz
    scipy.savemat@mat: sklearn.TfidfVectorizer.fit_transform@words, pandas.to_numpy@ages -> both.mat
    scipy.save_npz@own: ?, pandas.to_numpy@ages -> own.npz
    scipy.save_npz@unit: ? -> unit.npz
    scipy.load_npz@X: both.npz -> return
    pandas.read_csv@y: docs.csv -> return
    sklearn.LogisticRegression.fit@fit: scipy.load_npz@X, pandas.read_csv@y -> self
    sklearn.LogisticRegression.predict@predicted: sklearn.LogisticRegression.fit@fit, \\
        scipy.load_npz@X -> return
    pandas.to_csv@predicted: sklearn.LogisticRegression.predict@predicted -> predicted.csv
    scipy.loadmat@mat: both.mat -> return['both'], return['n']
    sklearn.LogisticRegression.predict@again: sklearn.LogisticRegression.fit@fit, \\
        scipy.loadmat@mat -> return
    pandas.to_csv@again: sklearn.LogisticRegression.predict@again -> again.csv
"""


def test_sparse_matrices_come_from_what_they_were_made_of(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    texts = "".join(f"word{row % 3} and thing{row},{row % 2}\n" for row in range(6))
    (directory / "docs.csv").write_text(f"text,label\n{texts}")
    (directory / "people.csv").write_text("age\n21\n35\n28\n64\n47\n30\n")
    recording = strangers.record(directory, FEATURES, TRAIN)
    assert recording.graph() == strangers.drawn(DRAWN)
    for name in ("predicted.csv", "again.csv"):
        assert recording.roots(name) == {"docs.csv", "people.csv"}

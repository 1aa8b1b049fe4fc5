"""What strangers take out of fitted models, and put together of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import strangers

PARTS = """
    import joblib
    import numpy as np, pandas as pd
    from scipy import sparse
    from sklearn.decomposition import PCA
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import StandardScaler
    df = pd.read_csv("t.csv")  # @t
    X, y = df[["a", "b"]], df["y"]
    alone = LogisticRegression().fit(X, y)  # @alone
    pd.Series(alone.coef_[0], index=X.columns).to_csv("row.csv")  # @row
    pd.DataFrame({"name": X.columns, "c": alone.coef_.ravel()}).to_csv("flat.csv")  # @flat
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)  # @pipe
    pd.Series(pipe.named_steps["logisticregression"].coef_[0]).to_csv("named.csv")  # @named
    pd.Series(pipe[-1].intercept_).to_csv("last.csv")  # @last
    np.save("scaled.npy", pipe[:-1].transform(X))  # @slice
    joblib.dump(pipe[:-1], "slice.joblib")  # @dump
    search = GridSearchCV(pipe, {"logisticregression__C": [1, 2]}, cv=2).fit(X, y)  # @search
    pd.Series(search.best_estimator_[-1].coef_[0]).to_csv("best.csv")  # @best
    forest = RandomForestClassifier(5, random_state=0).fit(X.values, y)  # @forest
    both = Pipeline([("pre", pipe[0]), ("forest", forest)])
    pd.Series(both.predict(X)).to_csv("both.csv")  # @both
    np.savetxt("component.txt", PCA(2).fit(X).components_[:1])  # @pca
    matrix = sparse.csr_matrix(np.eye(5))
    joblib.dump(LinearRegression().fit(matrix, y[:5]), "sparse.joblib")  # @sparse
"""
DRAWN = """
    pandas.read_csv@t: t.csv -> return
    sklearn.LogisticRegression.fit@alone: pandas.read_csv@t -> self
    pandas.to_csv@row: sklearn.LogisticRegression.fit@alone -> row.csv
    pandas.DataFrame@flat: sklearn.LogisticRegression.fit@alone -> self
    pandas.to_csv@flat: pandas.DataFrame@flat -> flat.csv
    sklearn.Pipeline.fit@pipe: pandas.read_csv@t -> self
    pandas.to_csv@named: sklearn.Pipeline.fit@pipe -> named.csv
    pandas.to_csv@last: sklearn.Pipeline.fit@pipe -> last.csv
    sklearn.Pipeline.transform@slice: sklearn.Pipeline.fit@pipe, pandas.read_csv@t -> return
    numpy.save@slice: sklearn.Pipeline.transform@slice -> scaled.npy
    joblib.dump@dump: sklearn.Pipeline.fit@pipe -> slice.joblib
    sklearn.GridSearchCV.fit@search: pandas.read_csv@t -> self, cv_results_
    pandas.to_csv@best: sklearn.GridSearchCV.fit@search -> best.csv
    sklearn.RandomForestClassifier.fit@forest: pandas.read_csv@t -> self
    sklearn.Pipeline.predict@both: sklearn.Pipeline.fit@pipe, \\
        sklearn.RandomForestClassifier.fit@forest, pandas.read_csv@t -> return
    pandas.to_csv@both: sklearn.Pipeline.predict@both -> both.csv
    sklearn.PCA.fit@pca: pandas.read_csv@t -> self
    numpy.savetxt@pca: sklearn.PCA.fit@pca -> component.txt
    sklearn.LinearRegression.fit@sparse: ?, pandas.read_csv@t -> self
    joblib.dump@sparse: sklearn.LinearRegression.fit@sparse -> sparse.joblib
"""
LATER = """
    import joblib, pandas as pd
    pre = joblib.load("slice.joblib")
    X = pd.read_csv("t.csv")[["a", "b"]]
    pd.DataFrame(pre.transform(X)).to_csv("later.csv")
"""


def test_parts_of_models_come_from_them_and_what_is_made_of_these_too(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    random = np.random.default_rng(0)
    columns = {"a": random.normal(size=90), "b": random.normal(size=90)}
    table = pd.DataFrame({**columns, "y": random.integers(0, 2, 90)})
    table.to_csv(directory / "t.csv", index=False)
    recording = strangers.record(directory, PARTS)
    assert recording.graph() == strangers.drawn(DRAWN)
    later = strangers.record(directory, LATER)
    assert later.roots("later.csv") == {"t.csv"}
    assert "sklearn.Pipeline.fit" in later.operations("later.csv")


DUMPS = """
    import gzip, pickle
    import pandas as pd, polars as pl, pyarrow as pa
    from pickle import dump
    from sklearn.linear_model import LinearRegression
    df = pd.read_csv("t.csv")  # @t
    model = LinearRegression().fit(df[["a"]], df["b"])  # @fit
    with open("frame.pkl", "wb") as file:
        pickle.dump(df, file)  # @frame
    with gzip.open("all.pkl.gz", "wb") as file:
        dump({"model": model, "few": df.head(2), "n": 3}, file, protocol=4)  # @all
    with open("plain.pkl", "wb") as file:
        pickle.dump({"n": 3}, file)
    assert pickle.loads(pickle.dumps(df)).equals(df)
"""
LOADS = """
    import gzip, io, pickle
    import pandas as pd
    with open("frame.pkl", "rb") as file:
        pickle.load(file).to_json("frame.json")  # @frame
    with gzip.open("all.pkl.gz") as file:
        found = pickle.load(file)  # @all
    found["few"].to_json("few.json")  # @few
    pd.Series(found["model"].predict(pd.read_csv("t.csv")[["a"]])).to_csv("p.csv")  # @p
    try:
        pickle.load(io.BytesIO(b""))
    except EOFError as error:
        print(error)
    print(pickle.load.__name__, pickle.loads(pickle.dumps(pickle.load)) is pickle.load)
"""
DUMPED = """
    pandas.read_csv@t: t.csv -> return
    sklearn.LinearRegression.fit@fit: pandas.read_csv@t -> self
    pickle.dump@frame: pandas.read_csv@t -> frame.pkl
    pandas.head@all: pandas.read_csv@t -> return
    pickle.dump@all: sklearn.LinearRegression.fit@fit, pandas.head@all -> all.pkl.gz
    pickle.load@frame: frame.pkl -> return
    pandas.to_json@frame: pickle.load@frame -> frame.json
    pickle.load@all: all.pkl.gz -> return['model'], return['few']
    pandas.to_json@few: pickle.load@all -> few.json
    pandas.read_csv@p: t.csv -> return
    sklearn.LinearRegression.predict@p: pickle.load@all, pandas.read_csv@p -> return
    pandas.to_csv@p: sklearn.LinearRegression.predict@p -> p.csv
"""


def test_a_pickle_in_a_file_hands_over_what_is_in_it(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [2.0, 4.0, 6.5]}).to_csv(directory / "t.csv")
    recording = strangers.record(directory, DUMPS, LOADS)
    assert recording.graph() == strangers.drawn(DUMPED)
    for name in ("frame.json", "few.json", "p.csv"):
        assert recording.roots(name) == {"t.csv"}
    assert recording.outputs[1] == "Ran out of input\nload True\n"


IMPORTED = """
    import sys
    sys.modules.pop("pickle", None)  # nobody has imported it so far
    import polars
    import pickle
    import numpy
    with open("frame.pkl", "wb") as file:
        pickle.dump(polars.read_csv("t.csv"), file)  # @frame
"""
IMPORTED_DRAWN = """
    polars.read_csv@frame: t.csv -> return
    pickle.dump@frame: polars.read_csv@frame -> frame.pkl
"""


def test_pickle_may_be_imported_after_the_libraries_whose_data_it_holds(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    recording = strangers.record(tmp_path, IMPORTED)
    assert recording.graph() == strangers.drawn(IMPORTED_DRAWN)


RATED = """
    import pickle
    import joblib
    import pandas as pd
    from sklearn.feature_selection import SelectKBest, chi2, f_classif, mutual_info_regression
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    df = pd.read_csv("t.csv")  # @t
    X, y = df[["a", "b"]], df["y"]
    F, p = f_classif(X, y)  # @f
    pd.DataFrame({"F": F, "p": p}, index=X.columns).to_csv("f.csv")  # @table
    pd.Series(mutual_info_regression(X, df["b"], random_state=0)).to_csv("mi.csv")  # @mi
    pipe = make_pipeline(SelectKBest(chi2, k=1), LogisticRegression()).fit(X, y)  # @fit
    X.loc[:, pipe[0].get_support()].to_csv("support.csv")  # @support
    names = pipe[:-1].get_feature_names_out()
    pd.Series(pipe[-1].coef_[0], index=names).to_csv("coef.csv")  # @coef
    joblib.dump(pipe, "pipe.joblib")  # @dump
    print(SelectKBest(), SelectKBest(f_classif), SelectKBest().score_func is f_classif)
    print(pickle.loads(pickle.dumps(SelectKBest())).score_func is f_classif)
"""
RATED_DRAWN = """
    pandas.read_csv@t: t.csv -> return
    sklearn.f_classif@f: pandas.read_csv@t -> return[0], return[1]
    pandas.DataFrame@table: sklearn.f_classif@f -> self
    pandas.to_csv@table: pandas.DataFrame@table -> f.csv
    sklearn.mutual_info_regression@mi: pandas.read_csv@t -> return
    pandas.to_csv@mi: sklearn.mutual_info_regression@mi -> mi.csv
    sklearn.Pipeline.fit@fit: pandas.read_csv@t -> self
    pandas.loc@support: pandas.read_csv@t, sklearn.Pipeline.fit@fit -> return
    pandas.to_csv@support: pandas.loc@support -> support.csv
    pandas.to_csv@coef: sklearn.Pipeline.fit@fit -> coef.csv
    joblib.dump@dump: sklearn.Pipeline.fit@fit -> pipe.joblib
"""


def test_how_columns_are_rated_and_which_are_kept_comes_from_the_data(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    random = np.random.default_rng(0)
    columns = {"a": random.random(90), "b": random.random(90), "y": random.integers(0, 2, 90)}
    pd.DataFrame(columns).to_csv(directory / "t.csv", index=False)
    recording = strangers.record(directory, RATED)
    assert recording.graph() == strangers.drawn(RATED_DRAWN)
    assert recording.outputs == ["SelectKBest() SelectKBest() True\nTrue\n"]


LEARNED = """
    import numpy as np, pandas as pd
    from sklearn.datasets import load_digits
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder
    df = pd.read_csv("t.csv")  # @t
    words = make_pipeline(CountVectorizer()).fit(df["text"])  # @words
    pd.Series(words[0].vocabulary_).to_csv("words.csv")  # @vocabulary
    words[0].vocabulary_["more"] = 3
    pd.Series(words[0].vocabulary_).to_csv("more.csv")  # @more
    codes = OneHotEncoder().fit(df[["text"]])  # @codes
    pd.DataFrame({"text": codes.categories_[0]}).to_csv("texts.csv")  # @texts
    net = MLPRegressor(hidden_layer_sizes=(2,), max_iter=3, random_state=0)
    net.fit(df[["a"]], df["b"])  # @net
    pd.DataFrame(net.coefs_[1]).to_csv("weights.csv")  # @weights
    pd.Series(net.loss_curve_).to_csv("loss.csv")  # @loss
    bins = KBinsDiscretizer(3, encode="ordinal", strategy="uniform").fit(df[["a"]])  # @bins
    pd.Series(bins.bin_edges_[0]).to_csv("edges.csv")  # @edges
    search = GridSearchCV(LinearRegression(), {"fit_intercept": [True, False]}, cv=2)
    search.fit(df[["a"]], df["b"])  # @search
    pd.DataFrame(search.cv_results_).to_csv("scores.csv")  # @scores
    pd.Series(search.best_params_).to_csv("best.csv")  # @best
    digits = load_digits()  # @digits
    np.save("images.npy", digits.images[:2])  # @images
"""
LEARNED_DRAWN = """
    pandas.read_csv@t: t.csv -> return
    sklearn.Pipeline.fit@words: pandas.read_csv@t -> self
    pandas.to_csv@vocabulary: sklearn.Pipeline.fit@words -> words.csv
    pandas.to_csv@more: ? -> more.csv
    sklearn.OneHotEncoder.fit@codes: pandas.read_csv@t -> self
    pandas.DataFrame@texts: sklearn.OneHotEncoder.fit@codes -> self
    pandas.to_csv@texts: pandas.DataFrame@texts -> texts.csv
    sklearn.MLPRegressor.fit@net: pandas.read_csv@t -> self
    pandas.to_csv@weights: sklearn.MLPRegressor.fit@net -> weights.csv
    pandas.to_csv@loss: sklearn.MLPRegressor.fit@net -> loss.csv
    sklearn.KBinsDiscretizer.fit@bins: pandas.read_csv@t -> self
    pandas.to_csv@edges: sklearn.KBinsDiscretizer.fit@bins -> edges.csv
    sklearn.GridSearchCV.fit@search: pandas.read_csv@t -> self, cv_results_
    pandas.to_csv@scores: sklearn.GridSearchCV.fit@search -> scores.csv
    pandas.to_csv@best: sklearn.GridSearchCV.fit@search -> best.csv
    sklearn.load_digits@digits: digits.csv.gz -> return['data'], return['target'], \\
        return['images'], return['target_names']
    numpy.save@images: sklearn.load_digits@digits -> images.npy
"""


def test_dicts_and_lists_that_a_model_has_learned_come_from_it(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    random = np.random.default_rng(0)
    columns = {"a": random.random(30), "b": random.random(30)}
    texts = [f"word{row % 4} thing" for row in range(30)]
    pd.DataFrame({**columns, "text": texts}).to_csv(directory / "t.csv", index=False)
    recording = strangers.record(directory, LEARNED, PYTHONWARNINGS="ignore")
    assert recording.graph() == strangers.drawn(LEARNED_DRAWN)


BOOSTED = """
    import lightgbm as lgb, pandas as pd, xgboost as xgb
    df = pd.read_csv("t.csv")  # @t
    X, y = df[["a", "b"]], df["y"]
    data = xgb.DMatrix(X, label=y)  # @data
    course = {}
    told = {"max_depth": 2, "nthread": 1}
    quiet = {"evals": [(data, "d")], "verbose_eval": False}
    booster = xgb.train(told, data, 3, evals_result=course, **quiet)  # @x
    pd.Series(booster.get_score(importance_type="gain")).to_csv("gain.csv")  # @gain
    pd.DataFrame(course["d"]).to_csv("course.csv")  # @course
    pd.DataFrame(booster.get_score().items()).to_csv("items.csv")  # @items
    model = xgb.XGBRegressor(n_estimators=3, n_jobs=1)
    model.fit(X, y, eval_set=[(X, y)], verbose=False)  # @model
    pd.DataFrame(model.evals_result()["validation_0"]).to_csv("evaluated.csv")  # @evaluated
    more, noted = lgb.Dataset(X, label=y), {}  # @more
    kept = lgb.record_evaluation(noted)
    quiet = {"verbosity": -1, "num_threads": 1}
    gbm = lgb.train(quiet, more, 3, valid_sets=[more], callbacks=[kept])  # @l
    pd.DataFrame(noted["training"]).to_csv("noted.csv")  # @noted
    noted["training"]["l2"].append(0.5)
    pd.DataFrame(noted["training"]).to_csv("changed.csv")  # @changed
"""
BOOSTED_DRAWN = """
    pandas.read_csv@t: t.csv -> return
    xgboost.DMatrix@data: pandas.read_csv@t -> self
    xgboost.train@x: xgboost.DMatrix@data -> return
    pandas.to_csv@gain: xgboost.train@x -> gain.csv
    pandas.DataFrame@course: xgboost.train@x -> self
    pandas.to_csv@course: pandas.DataFrame@course -> course.csv
    pandas.to_csv@items: ? -> items.csv
    xgboost.XGBRegressor.fit@model: pandas.read_csv@t -> self
    pandas.DataFrame@evaluated: xgboost.XGBRegressor.fit@model -> self
    pandas.to_csv@evaluated: pandas.DataFrame@evaluated -> evaluated.csv
    lightgbm.Dataset@more: pandas.read_csv@t -> self
    lightgbm.train@l: lightgbm.Dataset@more -> return
    pandas.DataFrame@noted: lightgbm.train@l -> self
    pandas.to_csv@noted: pandas.DataFrame@noted -> noted.csv
    pandas.to_csv@changed: ? -> changed.csv
"""


def test_what_boosters_say_of_themselves_comes_from_them(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    random = np.random.default_rng(0)
    columns = {"a": random.random(90), "b": random.random(90), "y": random.random(90)}
    pd.DataFrame(columns).to_csv(directory / "t.csv", index=False)
    recording = strangers.record(directory, BOOSTED)
    assert recording.graph() == strangers.drawn(BOOSTED_DRAWN)

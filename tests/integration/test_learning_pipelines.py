"""Programs as strangers write them, each with the graph that a person drew of it by hand."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import support
from graphs import expected, graph

import otelprov

CLASSIFY = """
    import joblib, pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, classification_report, roc_auc_score
    from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    df = pd.read_csv("people.csv")
    X, y = df.drop(columns=["bought"]), df["bought"]
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=1, stratify=y)
    numeric = Pipeline([("fill", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    prepare = ColumnTransformer(
        [("num", numeric, ["age", "income"]), ("cat", OneHotEncoder(), ["city"])]
    )
    pipe = Pipeline([("prepare", prepare), ("clf", LogisticRegression(max_iter=500))])
    print(cross_val_score(pipe, X_train, y_train, cv=3).mean())
    search = GridSearchCV(pipe, {"clf__C": [0.1, 1, 10]}, cv=3, n_jobs=2, scoring="accuracy")
    search.fit(X_train, y_train)
    predicted = search.predict(X_test)
    print(accuracy_score(y_test, predicted))
    print(roc_auc_score(y_test, search.predict_proba(X_test)[:, 1]))
    with open("report.txt", "w") as out:
        out.write(classification_report(y_test, predicted))
    pd.DataFrame(search.cv_results_).to_csv("search.csv")
    joblib.dump(search.best_estimator_, "model.joblib")
"""

CLASSIFIED = """
    pandas.read_csv: people.csv -> return
    pandas.drop: pandas.read_csv -> return
    sklearn.train_test_split: pandas.drop, pandas.read_csv -> return[0], return[1], return[2], return[3]
    sklearn.cross_val_score: sklearn.train_test_split -> return
    sklearn.GridSearchCV.fit: sklearn.train_test_split -> self, cv_results_
    sklearn.GridSearchCV.predict: sklearn.GridSearchCV.fit, sklearn.train_test_split -> return
    sklearn.accuracy_score: sklearn.train_test_split, sklearn.GridSearchCV.predict -> return
    sklearn.GridSearchCV.predict_proba: sklearn.GridSearchCV.fit, sklearn.train_test_split -> return
    sklearn.roc_auc_score: sklearn.train_test_split, sklearn.GridSearchCV.predict_proba -> return
    sklearn.classification_report: sklearn.train_test_split, sklearn.GridSearchCV.predict -> return
    pandas.to_csv: sklearn.GridSearchCV.fit -> search.csv
    joblib.dump: sklearn.GridSearchCV.fit -> model.joblib
"""  # noqa: E501

APPLY = """
    import joblib, pandas as pd
    model = joblib.load("model.joblib")
    people = pd.read_csv("new.csv")
    people["p"] = model.predict_proba(people)[:, 1]
    people["bought"] = model.predict(people.drop(columns="p"))
    people.to_parquet("scored.parquet")
    people.query("p > 0.5").to_csv("likely.csv", index=False)
"""

APPLIED = """
    joblib.load: model.joblib -> return
    pandas.read_csv: new.csv -> return
    sklearn.Pipeline.predict_proba: joblib.load, pandas.read_csv -> return
    pandas.setitem: pandas.read_csv, sklearn.Pipeline.predict_proba -> self
    pandas.drop: pandas.setitem -> return
    sklearn.Pipeline.predict: joblib.load, pandas.drop -> return
    pandas.setitem: pandas.setitem, sklearn.Pipeline.predict -> self
    pandas.to_parquet: pandas.setitem -> scored.parquet, content
    pandas.query: pandas.setitem -> return
    pandas.to_csv: pandas.query -> likely.csv
"""

ARRAYS = """
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    table = np.loadtxt("points.csv", delimiter=",", skiprows=1)
    X, y = table[:, :3], table[:, 3]
    scaler = StandardScaler().fit(X)
    Xs = scaler.transform(X)
    pca = PCA(n_components=2)
    flat = pca.fit_transform(Xs)
    km = KMeans(n_clusters=3, n_init=1, random_state=0).fit(flat)
    np.savez("clusters.npz", labels=km.labels_, points=flat, y=y)
    with np.load("clusters.npz") as saved:
        labels, points = saved["labels"], saved["points"]
    np.save("first.npy", points[labels == 0])
    np.savetxt("centers.csv", km.cluster_centers_)
"""

CLUSTERED = """
    numpy.loadtxt: points.csv -> return
    sklearn.StandardScaler.fit: numpy.loadtxt -> self
    sklearn.StandardScaler.transform: sklearn.StandardScaler.fit, numpy.loadtxt -> return
    sklearn.PCA.fit_transform: sklearn.StandardScaler.transform -> self, return
    sklearn.KMeans.fit: sklearn.PCA.fit_transform -> self
    numpy.savez: sklearn.KMeans.fit, sklearn.PCA.fit_transform, numpy.loadtxt -> clusters.npz
    numpy.load: clusters.npz -> return
    numpy.NpzFile.getitem: numpy.load -> return
    numpy.NpzFile.getitem: numpy.load -> return
    numpy.save: ? -> first.npy
    numpy.savetxt: sklearn.KMeans.fit -> centers.csv
"""

BOOST = """
    import pickle
    import lightgbm as lgb, pandas as pd, xgboost as xgb
    from sklearn.model_selection import train_test_split

    df = pd.read_csv("people.csv")
    train, valid = train_test_split(df[["age", "income", "bought"]], random_state=0)
    names = ["age", "income"]
    dtrain = xgb.DMatrix(train[names], label=train["bought"])
    dvalid = xgb.DMatrix(valid[names], label=valid["bought"])
    history = {}
    bst = xgb.train({"objective": "binary:logistic", "max_depth": 3}, dtrain, 5,
                    evals=[(dvalid, "valid")], evals_result=history, verbose_eval=False)
    pd.DataFrame({"p": bst.predict(dvalid)}).to_csv("xgb.csv")
    bst.save_model("xgb.json")
    clf = xgb.XGBClassifier(n_estimators=5, max_depth=2).fit(train[names], train["bought"])
    clf.feature_importances_.sum()
    pd.Series(clf.feature_importances_, index=names).to_csv("importances.csv")
    with open("xgb.pkl", "wb") as out:
        pickle.dump(clf, out)
    ltrain = lgb.Dataset(train[names], label=train["bought"])
    lvalid = lgb.Dataset(valid[names], label=valid["bought"], reference=ltrain)
    booster = lgb.train({"objective": "binary", "verbose": -1}, ltrain, 5, valid_sets=[lvalid])
    booster.save_model("lgb.txt")
    model = lgb.LGBMClassifier(n_estimators=5, verbose=-1).fit(train[names], train["bought"])
    with open("lgb.pkl", "wb") as out:
        pickle.dump(model, out)
"""

BOOSTED = """
    pandas.read_csv: people.csv -> return
    sklearn.train_test_split: pandas.read_csv -> return[0], return[1]
    xgboost.DMatrix: sklearn.train_test_split -> self
    xgboost.DMatrix: sklearn.train_test_split -> self
    xgboost.train: xgboost.DMatrix -> return
    xgboost.Booster.predict: xgboost.train, xgboost.DMatrix -> return
    pandas.DataFrame: xgboost.Booster.predict -> self
    pandas.to_csv: pandas.DataFrame -> xgb.csv
    xgboost.Booster.save_model: xgboost.train -> xgb.json
    xgboost.XGBClassifier.fit: sklearn.train_test_split -> self
    pandas.to_csv: xgboost.XGBClassifier.fit -> importances.csv
    pickle.dump: xgboost.XGBClassifier.fit -> xgb.pkl
    lightgbm.Dataset: sklearn.train_test_split -> self
    lightgbm.Dataset: sklearn.train_test_split, lightgbm.Dataset -> self
    lightgbm.train: lightgbm.Dataset -> return
    lightgbm.Booster.save_model: lightgbm.train -> lgb.txt
    lightgbm.LGBMClassifier.fit: sklearn.train_test_split -> self
    pickle.dump: lightgbm.LGBMClassifier.fit -> lgb.pkl
"""

BOOST_APPLY = """
    import pickle
    import lightgbm as lgb, pandas as pd, xgboost as xgb

    new = pd.read_csv("new.csv")[["age", "income"]]
    bst = xgb.Booster()
    bst.load_model("xgb.json")
    pd.DataFrame({"p": bst.predict(xgb.DMatrix(new))}).to_csv("1.csv")
    with open("xgb.pkl", "rb") as file:
        clf = pickle.load(file)
    pd.DataFrame(clf.predict_proba(new)).to_csv("2.csv")
    pd.DataFrame({"p": lgb.Booster(model_file="lgb.txt").predict(new)}).to_csv("3.csv")
    with open("lgb.pkl", "rb") as file:
        pd.Series(pickle.load(file).predict(new)).to_csv("4.csv")
"""

BOOST_APPLIED = """
    pandas.read_csv: new.csv -> return
    xgboost.Booster.load_model: xgb.json -> return
    xgboost.DMatrix: pandas.read_csv -> self
    xgboost.Booster.predict: xgboost.Booster.load_model, xgboost.DMatrix -> return
    pandas.DataFrame: xgboost.Booster.predict -> self
    pandas.to_csv: pandas.DataFrame -> 1.csv
    pickle.load: xgb.pkl -> return
    xgboost.XGBClassifier.predict_proba: pickle.load, pandas.read_csv -> return
    pandas.to_csv: xgboost.XGBClassifier.predict_proba -> 2.csv
    lightgbm.Booster: lgb.txt -> return
    lightgbm.Booster.predict: lightgbm.Booster, pandas.read_csv -> return
    pandas.DataFrame: lightgbm.Booster.predict -> self
    pandas.to_csv: pandas.DataFrame -> 3.csv
    pickle.load: lgb.pkl -> return
    lightgbm.LGBMClassifier.predict: pickle.load, pandas.read_csv -> return
    pandas.to_csv: lightgbm.LGBMClassifier.predict -> 4.csv
"""

CUSTOM = """
    import pickle
    import numpy as np, pandas as pd
    from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold
    from sklearn.pipeline import make_pipeline

    class Ratio(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            self.scale_ = X["income"].max()
            return self

        def transform(self, X):
            return X.assign(ratio=X["income"] / self.scale_)[["age", "ratio"]]

    class Thrice(ClassifierMixin, BaseEstimator):
        def __init__(self, C=1.0):
            self.C = C

        def fit(self, X, y):
            self.classes_ = np.unique(y)
            self.model_ = LogisticRegression(C=self.C).fit(X, y)
            return self

        def predict(self, X):
            return self.model_.predict(X)

    class Louder(LogisticRegression):
        def fit(self, X, y):
            return super().fit(X, y)

    df = pd.read_csv("people.csv")
    X, y = df[["age", "income"]], df["bought"]
    ratio = Ratio()
    scaled = ratio.fit_transform(X)
    own = Thrice(C=2.0).fit(scaled, y)
    louder = Louder().fit(scaled, y)
    pd.Series(louder.predict(scaled)).to_csv("louder.csv")
    pipe = make_pipeline(Ratio(), LogisticRegression()).fit(X, y)
    with open("step.pkl", "wb") as out:
        pickle.dump(pipe[-1], out)
    with open("whole.pkl", "wb") as out:
        pickle.dump(pipe, out)
    for train, test in KFold(2).split(df):
        fold = df.iloc[train]
        LogisticRegression().fit(fold[["age"]], fold["bought"])
"""

CUSTOMIZED = """
    pandas.read_csv: people.csv -> return
    sklearn.Ratio.fit_transform: pandas.read_csv -> self, return
    sklearn.Thrice.fit: sklearn.Ratio.fit_transform, pandas.read_csv, sklearn.LogisticRegression.fit -> self
    sklearn.LogisticRegression.fit: sklearn.Ratio.fit_transform, pandas.read_csv -> self
    sklearn.Louder.fit: sklearn.Ratio.fit_transform, pandas.read_csv -> self
    sklearn.Louder.predict: sklearn.Louder.fit, sklearn.Ratio.fit_transform -> return
    pandas.to_csv: sklearn.Louder.predict -> louder.csv
    sklearn.Pipeline.fit: pandas.read_csv -> self
    pickle.dump: sklearn.Pipeline.fit -> step.pkl
    pickle.dump: sklearn.Pipeline.fit -> whole.pkl
    pandas.iloc: pandas.read_csv -> return
    sklearn.LogisticRegression.fit: pandas.iloc -> self
    pandas.iloc: pandas.read_csv -> return
    sklearn.LogisticRegression.fit: pandas.iloc -> self
"""  # noqa: E501

DATA_SETS = """
    from sklearn.datasets import load_iris, make_classification
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.model_selection import cross_validate, train_test_split
    import joblib, pandas as pd

    iris = load_iris(as_frame=True)
    forest = RandomForestClassifier(20, random_state=0, oob_score=True)
    forest.fit(iris.data, iris.target)
    joblib.dump({"model": forest, "names": list(iris.feature_names)}, "forest.joblib")
    bundle = joblib.load("forest.joblib")
    bundle["model"].score(iris["data"], iris["target"])
    X, y = make_classification(200, random_state=0)
    cross_validate(forest, X, y, cv=3)

    reviews = pd.read_csv("reviews.csv")
    words = TfidfVectorizer().fit(reviews["text"])
    matrix = words.transform(reviews["text"])
    SGDClassifier(random_state=0).fit(matrix, reviews["good"])
"""

DATA_SETS_USED = """
    sklearn.load_iris: iris.csv -> return['data'], return['target'], return['frame'], return['target_names']
    sklearn.RandomForestClassifier.fit: sklearn.load_iris -> self
    joblib.dump: sklearn.RandomForestClassifier.fit -> forest.joblib
    joblib.load: forest.joblib -> return['model']
    sklearn.RandomForestClassifier.score: joblib.load, sklearn.load_iris -> return
    sklearn.make_classification:  -> return[0], return[1]
    sklearn.cross_validate: sklearn.make_classification -> return['fit_time'], return['score_time'], return['test_score']
    pandas.read_csv: reviews.csv -> return
    sklearn.TfidfVectorizer.fit: pandas.read_csv -> self
    sklearn.TfidfVectorizer.transform: sklearn.TfidfVectorizer.fit, pandas.read_csv -> return
    sklearn.SGDClassifier.fit: sklearn.TfidfVectorizer.transform, pandas.read_csv -> self
"""  # noqa: E501


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("learning")
    random = np.random.RandomState(0)
    n = 300
    people = pd.DataFrame(
        {
            "age": random.randint(18, 80, n),
            "income": random.normal(3e4, 1e4, n),
            "city": random.choice(list("abc"), n),
        }
    )
    wealth = people.income + people.age * 100 + random.normal(0, 5000, n)
    people.head(100).to_csv(found / "new.csv", index=False)
    people.assign(bought=(wealth > 35_000).astype(int)).to_csv(found / "people.csv", index=False)
    points = pd.DataFrame(random.normal(size=(200, 3))).assign(y=random.randint(0, 2, 200))
    points.to_csv(found / "points.csv", index=False)
    words = random.choice(["good", "bad", "so", "it", "was"], (100, 6))
    reviews = pd.DataFrame({"text": [" ".join(row) for row in words]})
    reviews.assign(good=reviews.text.str.contains("good").astype(int)).to_csv(
        found / "reviews.csv", index=False
    )
    return found


def run(directory: Path, name: str, *programs: str) -> list[support.Recorded]:
    journal = directory / f"journal-{name}"
    for number, text in enumerate(programs):
        script = directory / f"{name}-{number}.py"
        script.write_text(textwrap.dedent(text))
        support.instrumented(script, journal_directory=journal, cwd=directory)
    return support.journal(journal)


@pytest.mark.parametrize(
    ("name", "programs", "drawn"),
    [
        ("classify", (CLASSIFY, APPLY), CLASSIFIED + APPLIED),
        ("arrays", (ARRAYS,), CLUSTERED),
        ("boost", (BOOST, BOOST_APPLY), BOOSTED + BOOST_APPLIED),
        ("custom", (CUSTOM,), CUSTOMIZED),
        ("data sets", (DATA_SETS,), DATA_SETS_USED),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_the_recorded_graph_is_the_one_drawn_by_hand(
    directory: Path, name: str, programs: tuple[str, ...], drawn: str
) -> None:
    drawn = "\n".join(line for line in drawn.splitlines() if line.strip())
    assert graph(run(directory, name.replace(" ", "-"), *programs)) == expected(drawn)


def test_a_model_has_one_id_in_every_process_and_its_file_leads_to_what_it_was_made_from(
    directory: Path,
) -> None:
    spans = run(directory, "hand-over", CLASSIFY, APPLY)
    (dumped,) = [span for span in spans if span.name == "joblib.dump"]
    (loaded,) = [span for span in spans if span.name == "joblib.load"]
    assert dumped.generated_ids == loaded.used_ids
    model = dumped.generated[0]["otelprov.artifact.content_id"]
    assert {model} == loaded.generated_ids
    assert model.startswith("model:")
    roots, names = support.upstream(spans, otelprov.artifact(directory / "scored.parquet").id)
    assert roots == {otelprov.artifact(directory / file).id for file in ("people.csv", "new.csv")}
    assert {"sklearn.GridSearchCV.fit", "sklearn.train_test_split"} <= names
    report = otelprov.artifact(directory / "report.txt").id
    assert report in {id_ for span in spans for id_ in span.generated_ids}

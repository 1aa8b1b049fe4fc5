"""What is known of fitted models, of their parts, and of arrays that lie in others' memory."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import metrics, model_selection
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from support import Spans

import otelprov
from otelprov.artifacts import identify


def identity(value: object) -> str:
    return otelprov.artifact(value).id


@pytest.fixture
def points(spans: Spans, tmp_path: Path) -> np.ndarray[Any, Any]:
    random = np.random.RandomState(0)
    x = random.normal(size=(200, 3))
    np.save(tmp_path / "points.npy", np.column_stack([x, x[:, 0] > 0]))
    spans.clear()
    return np.load(tmp_path / "points.npy")  # type: ignore[no-any-return]


def test_a_fit_says_what_it_was_told_what_it_used_and_how_good_it_is(
    spans: Spans, points: np.ndarray[Any, Any]
) -> None:
    X, y = points[:, :3], points[:, 3]
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(C=3.0)),
        {"logisticregression__tol": [1e-3, 1e-4]},
        cv=3,
    )
    search.fit(X, y)
    fitted = spans.one("sklearn.GridSearchCV.fit")
    assert fitted.attributes["otelprov.operation.kind"] == "train"
    assert fitted.used_ids == {identity(points)}
    assert fitted.used_roles == {"X"}
    assert fitted.generated[0]["otelprov.generated.id"] == identity(search)
    assert identity(search).startswith("model:")
    assert fitted.parameter("cv") == 3
    assert fitted.parameter("refit") is True
    assert fitted.parameter("estimator") == "Pipeline"
    assert fitted.parameter("estimator__logisticregression__C") == 3.0
    assert fitted.attributes["otelprov.metric.best_score"] == search.best_score_
    assert "estimator__logisticregression__C" in fitted.attributes["otelprov.parameters.given"]
    assert "refit" not in fitted.attributes["otelprov.parameters.given"]
    assert spans.names() == ["numpy.load", "sklearn.GridSearchCV.fit"]


def test_views_come_from_the_array_in_whose_memory_they_lie(
    spans: Spans, points: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    np.save(tmp_path / "a.npy", points[10:, ::2].T)
    np.save(tmp_path / "b.npy", points[10:] + 1)
    view, sum_ = (span for span in spans.all() if span.name == "numpy.save")
    assert view.used_ids == {identity(points)}
    assert sum_.used_ids != view.used_ids
    assert [event["otelprov.artifact.origin"] for event in sum_.used] == ["unknown"]


def test_a_view_of_memory_that_several_known_arrays_share_is_of_unknown_origin(
    spans: Spans, tmp_path: Path
) -> None:
    owner = np.arange(300.0)
    table = pd.DataFrame({"a": owner[:100]})
    assert identity(table)
    scaler = StandardScaler().fit(owner[:100].reshape(-1, 1))
    first, second = owner[:100].reshape(-1, 1), owner[100:].reshape(-1, 1)
    assert scaler.transform(first, copy=False).base is not None
    scaler.transform(second, copy=False)
    np.save(tmp_path / "a.npy", owner[50:250])
    assert spans.one("numpy.save").used[0]["otelprov.artifact.origin"] == "unknown"


def test_a_model_that_was_changed_since_is_another_one(
    spans: Spans, points: np.ndarray[Any, Any]
) -> None:
    X, y = points[:, :3], points[:, 3]
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    before = identity(pipe)
    pipe.predict(X)
    pipe[-1].fit(X * 2, y)
    after = identity(pipe[-1])
    pipe.predict(X)
    pipe.set_params(logisticregression__C=5.0)
    pipe.predict(X)
    first, second, third = (span for span in spans.all() if span.name.endswith("predict"))
    assert before in first.used_ids
    assert {before, after} < second.used_ids
    ids = [{id_ for id_ in span.used_ids if id_.startswith("model:")} for span in (second, third)]
    assert ids[0] != ids[1]


def test_a_second_fit_makes_a_new_model_and_forgets_the_old_one(
    spans: Spans, points: np.ndarray[Any, Any]
) -> None:
    X, y = points[:, :3], points[:, 3]
    model = LinearRegression().fit(X, y)
    first = identity(model)
    model.fit(X[:100], y[:100])
    second = spans.all()[-1]
    assert second.generated_ids == {identity(model)} != {first}
    assert second.used_ids == {identity(points)}


def test_partial_fits_use_what_was_learned_before(
    spans: Spans, points: np.ndarray[Any, Any]
) -> None:
    X, y = points[:, :3], points[:, 3]
    model = SGDClassifier(random_state=0).partial_fit(X[:100], y[:100], classes=[0, 1])
    first = identity(model)
    model.partial_fit(X[100:], y[100:])
    begun, went_on = (span for span in spans.all() if span.name.endswith("partial_fit"))
    assert begun.used_ids == {identity(points)}
    assert went_on.used_ids == {identity(points), first}


def test_parts_and_learned_arrays_come_from_the_model(
    spans: Spans, points: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    X, y = points[:, :3], points[:, 3]
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    km = KMeans(3, n_init=1).fit(X)
    table = pd.DataFrame({"cluster": km.labels_, "mean": pipe[0].transform(X)[:, 0]})
    table.to_csv(tmp_path / "a.csv")
    transformed = spans.one("sklearn.StandardScaler.transform")
    assert transformed.used_ids == {identity(pipe), identity(points)}
    assert spans.one("pandas.DataFrame").used_ids == {identity(km), *transformed.generated_ids}


def test_what_a_model_was_given_does_not_become_its_own(
    spans: Spans, points: np.ndarray[Any, Any]
) -> None:
    class Keeps(BaseEstimator):
        def fit(self, X: Any, y: Any = None) -> Keeps:
            self.X_ = X
            return self

    own = np.random.RandomState(1).normal(size=(200, 3))
    Keeps().fit(own)
    PCA(2).fit(own)
    used = spans.one("sklearn.PCA.fit").used
    assert [event["otelprov.artifact.origin"] for event in used] == ["unknown"]


def test_estimators_that_only_say_how_to_learn_are_no_data(
    spans: Spans, points: np.ndarray[Any, Any]
) -> None:
    X, y = points[:, :3], points[:, 3]
    fitted = LogisticRegression().fit(X, y)
    model_selection.cross_val_predict(fitted, X, y, cv=2)
    VotingClassifier([("a", fitted), ("b", LogisticRegression(C=2.0))]).fit(X, y)
    validated = spans.one("sklearn.cross_val_predict")
    voted = spans.one("sklearn.VotingClassifier.fit")
    assert validated.used_ids == voted.used_ids == {identity(points)}
    assert voted.parameter("b__C") == 2.0


def test_what_an_estimator_was_told_may_be_data(
    spans: Spans, points: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    X, y = points[:, :3], points[:, 3]
    np.save(tmp_path / "centers.npy", np.random.RandomState(1).normal(size=(30, 3)))
    centers = np.load(tmp_path / "centers.npy")
    KMeans(30, init=centers, n_init=1).fit(X)
    assert spans.all()[-1].used_ids == {identity(points), identity(centers)}
    chosen = SelectFromModel(RandomForestClassifier(3).fit(X, y), prefit=True).fit(X, y)
    forest = spans.one("sklearn.RandomForestClassifier.fit")
    assert spans.all()[-1].used_ids == {identity(points), *forest.generated_ids}
    assert spans.all()[-1].generated_ids == {identity(chosen)}


def test_what_transformers_without_memory_make_depends_on_what_they_were_told(
    spans: Spans, points: np.ndarray[Any, Any]
) -> None:
    x = pd.DataFrame({"a": points[:, 0]}).assign(b=1)
    first = identity(FunctionTransformer(np.log1p).transform(x))
    assert first.startswith("derived:")
    assert identity(FunctionTransformer(np.expm1).transform(x)) != first
    assert identity(FunctionTransformer(np.log1p).transform(x)) == first
    l1, l2 = (identity(Normalizer(norm=norm).transform(x)) for norm in ("l1", "l2"))
    assert l1 != l2


def test_metrics_say_their_figure_and_texts_and_tables_are_generated(
    spans: Spans, points: np.ndarray[Any, Any]
) -> None:
    y = points[:, 3]
    error = metrics.mean_squared_error(y, points[:, 0])
    metrics.confusion_matrix(y, y)
    report = metrics.classification_report(y, y, output_dict=True)
    text = metrics.classification_report(y, y)
    found, matrix, table, told = spans.all()[1:]
    assert found.attributes["otelprov.metric.mean_squared_error"] == error
    assert found.used_ids == {identity(points)}
    assert [one["otelprov.artifact.kind"] for one in found.generated] == ["object"]
    assert matrix.generated[0]["otelprov.artifact.rows"] == 2
    assert table.generated_ids == {identity(report)}
    assert told.generated_ids == {identify(text).id}  # that of a file that holds it


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_of_a_model_is_that_model(
    spans: Spans, points: np.ndarray[Any, Any], copied: Any
) -> None:
    X, y = points[:, :3], points[:, 3]
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    copied(pipe).predict(X)
    used = spans.one("sklearn.Pipeline.predict").used_ids
    assert used == {identity(pipe), identity(points)}
    copied(pipe[-1]).predict(X)
    copying = spans.one("sklearn.pickle")
    assert copying.used_ids == {identity(pipe)}
    assert copying.generated_ids < spans.one("sklearn.LogisticRegression.predict").used_ids


def test_a_clone_has_learned_nothing(spans: Spans, points: np.ndarray[Any, Any]) -> None:
    X, y = points[:, :3], points[:, 3]
    fitted = LogisticRegression().fit(X, y)
    clone(fitted).fit(X, y)
    assert spans.all()[-1].used_ids == {identity(points)}


def test_a_failed_fit_made_nothing_and_says_why(spans: Spans, points: np.ndarray[Any, Any]) -> None:
    X, y = points[:, :3], points[:, 3]
    model = LogisticRegression().fit(X, y)
    before = identity(model)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        model.fit(X, y[:5])
    failed = spans.all()[-1]
    assert failed.attributes["error.type"] == "ValueError"
    assert failed.generated == []
    assert identity(model) == before


def test_a_function_of_the_programs_own_inside_a_pipeline_belongs_to_its_operation(
    spans: Spans, points: np.ndarray[Any, Any]
) -> None:
    other = pd.DataFrame({"shift": np.arange(200.0)}).assign(more=1)
    table = pd.DataFrame(points[:, :3], columns=list("abc")).assign(d=1)
    spans.clear()
    added = FunctionTransformer(lambda t: t.assign(e=other["shift"]))
    made = added.fit_transform(table)
    assert spans.names() == ["sklearn.FunctionTransformer.fit_transform"]
    assert spans.all()[0].used_ids == {identity(table), identity(other)}
    assert identity(made) in spans.all()[0].generated_ids


def test_a_sparse_array_that_is_a_dict_has_no_truth_and_needs_none(spans: Spans) -> None:
    X = sparse.dok_array((4, 2))
    X[0, 0] = X[1, 1] = 1.0
    model = LogisticRegression().fit(X, [1, 0, 1, 0])
    fitted = spans.one("sklearn.LogisticRegression.fit")
    assert fitted.generated[0]["otelprov.generated.id"] == identity(model)


@pytest.mark.parametrize("name", ["joblib.test.test_memory", "sklearn.tests.test_base"])
def test_the_tests_that_a_library_ships_are_programs_that_use_it(
    spans: Spans, tmp_path: Path, name: str
) -> None:
    program = {"__name__": name, "path": str(tmp_path / "model"), "model": KMeans(2)}
    exec("import joblib; joblib.dump(model, path)", program)
    assert spans.one("joblib.dump").generated


def test_a_file_of_several_models_uses_all_of_them(
    spans: Spans, points: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    X, y = points[:, :3], points[:, 3]
    a, b = LinearRegression().fit(X, y), LogisticRegression().fit(X, y)
    joblib.dump({"a": a, "more": [b], "names": ["x"]}, tmp_path / "both.joblib")
    assert spans.one("joblib.dump").used_ids == {identity(a), identity(b)}
    loaded = joblib.load(tmp_path / "both.joblib")
    assert spans.one("joblib.load").generated_ids == {identity(a), identity(b)}
    assert identity(loaded["more"][0]) == identity(b)


def test_a_mapped_file_is_not_read_and_is_written_when_it_is_flushed(
    spans: Spans, points: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    np.save(tmp_path / "a.npy", points)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    out = np.memmap(tmp_path / "out.dat", dtype="f8", mode="w+", shape=mapped.shape)
    out[:] = mapped
    out.flush()
    np.fromfile(tmp_path / "out.dat")
    flushed, read = spans.one("numpy.memmap.flush"), spans.one("numpy.fromfile")
    assert identity(mapped).startswith("derived:")
    assert flushed.generated_ids == read.used_ids == {identity(tmp_path / "out.dat")}


def test_what_stands_in_for_a_method_looks_like_it() -> None:
    assert str(inspect.signature(LogisticRegression.fit)) == "(self, X, y, sample_weight=None)"
    assert inspect.isfunction(LogisticRegression.fit)
    assert LogisticRegression.fit.__module__ == "sklearn.linear_model._logistic"
    assert pickle.loads(pickle.dumps(LogisticRegression.fit)) is LogisticRegression.fit
    buffer = io.BytesIO()
    joblib.dump(LogisticRegression().fit, buffer)

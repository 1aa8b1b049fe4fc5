"""Fitted models: known by class, hyper-parameters and what they learned, not by their pickle."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import support
from sklearn import (
    cluster,
    compose,
    decomposition,
    ensemble,
    gaussian_process,
    isotonic,
    linear_model,
    model_selection,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)  # fmt: skip
from sklearn.base import BaseEstimator, clone
from sklearn.gaussian_process import kernels

from otelprov.artifacts import digest_value, identify

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")

RNG = np.random.default_rng(0)
X = RNG.random((80, 4))
Y = (X[:, 0] + X[:, 1] > 1).astype(int)


def _pipeline() -> Any:
    columns = compose.ColumnTransformer(
        [("scaled", preprocessing.StandardScaler(), [0, 1]),
         ("binned", preprocessing.KBinsDiscretizer(3, quantile_method="linear"), [2])],
        remainder="passthrough",
    )  # fmt: skip
    return pipeline.make_pipeline(columns, linear_model.LogisticRegression())


MODELS: dict[str, Any] = {
    "linear": lambda: linear_model.LinearRegression(),
    "logistic": lambda: linear_model.LogisticRegression(C=0.5),
    "sgd": lambda: linear_model.SGDClassifier(random_state=0),
    "tree": lambda: tree.DecisionTreeClassifier(random_state=0),
    "forest": lambda: ensemble.RandomForestClassifier(5, random_state=0),
    "boosting": lambda: ensemble.GradientBoostingClassifier(n_estimators=3, random_state=0),
    "histogram boosting": lambda: ensemble.HistGradientBoostingClassifier(
        max_iter=3, random_state=0
    ),
    "support vectors": lambda: svm.SVC(),
    "neighbors": lambda: neighbors.KNeighborsClassifier(algorithm="kd_tree"),
    "density": lambda: neighbors.KernelDensity(),
    "bayes": lambda: naive_bayes.GaussianNB(),
    "gaussian process": lambda: gaussian_process.GaussianProcessClassifier(
        1.0 * kernels.RBF(0.5), random_state=0
    ),
    "network": lambda: neural_network.MLPClassifier((3,), max_iter=5, random_state=0),
    "clusters": lambda: cluster.KMeans(2, random_state=0, n_init=1),
    "components": lambda: decomposition.PCA(2),
    "isolation": lambda: ensemble.IsolationForest(n_estimators=3, random_state=0),
    "splines": lambda: preprocessing.SplineTransformer(3),
    "voting": lambda: ensemble.VotingClassifier(
        [("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(max_depth=1))]
    ),
    "pipeline": _pipeline,
    "search": lambda: model_selection.GridSearchCV(
        linear_model.LogisticRegression(), {"C": [0.1, 1.0]}, cv=2
    ),
    "random search": lambda: model_selection.RandomizedSearchCV(
        linear_model.LogisticRegression(), {"C": [0.1, 1.0]}, n_iter=1, cv=2, random_state=0
    ),
    "generator given": lambda: tree.DecisionTreeClassifier(random_state=np.random.RandomState(3)),
    "xgboost": lambda: xgboost.XGBClassifier(n_estimators=3, random_state=0, n_jobs=1),
    "lightgbm": lambda: lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_a_model_keeps_its_id_when_it_is_fitted_again_pickled_or_used(name: str) -> None:
    model = MODELS[name]().fit(X, Y)
    artifact = identify(model)
    assert (artifact.kind, artifact.coverage) == ("model", "full"), artifact.reason
    assert artifact.id.startswith("model:")
    again = MODELS[name]().fit(X, Y)
    assert identify(again).id == artifact.id
    assert identify(pickle.loads(pickle.dumps(model))).id == artifact.id
    file = io.BytesIO()
    joblib.dump(model, file, compress=3)
    file.seek(0)
    assert identify(joblib.load(file)).id == artifact.id
    for use in ("predict", "predict_proba", "transform", "score_samples"):
        if hasattr(model, use):
            getattr(model, use)(X)
    assert identify(model).id == artifact.id
    assert digest_value(model) == bytes.fromhex(artifact.id.removeprefix("model:"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_was_fitted_to_other_data_or_not_at_all_has_another_id(name: str) -> None:
    fitted = MODELS[name]().fit(X, Y)
    other = MODELS[name]().fit(X[::-1] ** 2, Y)
    assert len({identify(model).id for model in (fitted, other, MODELS[name]())}) == 3


def test_each_hyper_parameter_seed_and_coefficient_counts() -> None:
    base = linear_model.LogisticRegression(random_state=0).fit(X, Y)
    ids = [identify(base).id]
    for change in ({"C": 2.0}, {"random_state": 1}, {"tol": 1e-3}, {"n_jobs": 2}, {"verbose": 1}):
        # Set on the fitted model, so that nothing else differs.
        ids.append(identify(pickle.loads(pickle.dumps(base)).set_params(**change)).id)
    moved = pickle.loads(pickle.dumps(base))
    moved.coef_[0, 0] = np.nextafter(moved.coef_[0, 0], 1)
    ids.append(identify(moved).id)
    assert len(set(ids)) == len(ids)


def test_models_of_two_classes_with_the_same_state_differ() -> None:
    class Other(linear_model.LinearRegression):  # type: ignore[misc]
        pass

    one, other = linear_model.LinearRegression().fit(X, Y), Other().fit(X, Y)
    assert identify(one).id != identify(other).id
    assert identify(other).coverage == "full"


def test_the_order_in_which_parameters_were_set_is_no_content() -> None:
    one, other = linear_model.Ridge(), linear_model.Ridge()
    one.set_params(alpha=2.0).set_params(tol=0.1)
    del other.tol, other.alpha
    other.set_params(alpha=2.0, tol=0.1) if hasattr(other, "tol") else other.__dict__.update(
        tol=0.1, alpha=2.0
    )
    assert list(one.__dict__) != list(other.__dict__)
    assert identify(one).id == identify(other).id


def test_how_long_a_fit_took_is_no_content() -> None:
    search = model_selection.GridSearchCV(linear_model.Ridge(), {"alpha": [1.0]}, cv=2).fit(X, Y)
    expected = identify(search).id
    search.refit_time_ *= 2
    search.cv_results_["mean_fit_time"] = search.cv_results_["mean_fit_time"] + 1
    assert identify(search).id == expected
    search.cv_results_["mean_test_score"] = search.cv_results_["mean_test_score"] + 1
    assert identify(search).id != expected


def test_the_generator_of_the_process_is_not_part_of_a_model_that_had_no_seed() -> None:
    network = neural_network.MLPClassifier((2,), max_iter=2)
    with pytest.warns(UserWarning, match="converge"):
        network.fit(X, Y)
    expected = identify(network).id
    np.random.random(5)
    assert identify(network).id == expected
    assert identify(pickle.loads(pickle.dumps(network))).id == expected


class Threshold(BaseEstimator):  # type: ignore[misc]
    """As people write their own."""

    def __init__(self, quantile: float = 0.5) -> None:
        self.quantile = quantile

    def fit(self, data: Any, target: Any = None) -> Threshold:
        self.threshold_ = np.quantile(data, self.quantile, axis=0)
        return self

    def get_params(self, deep: bool = True) -> Any:
        raise AssertionError("code of the user's class was run")

    def __getstate__(self) -> Any:
        raise AssertionError("code of the user's class was run")


class Holder:
    def __init__(self, value: object) -> None:
        self.value = value


def test_an_estimator_of_the_users_own_is_read_without_running_it() -> None:
    one = Threshold().fit(X)
    assert identify(one).id == identify(Threshold().fit(X)).id
    assert identify(one).coverage == "full"
    assert identify(one).id != identify(Threshold(0.4).fit(X)).id
    one.helper_ = Holder(1)
    assert identify(one).coverage == "state"
    one.file_ = io.BufferedReader(io.BytesIO(b""))  # type: ignore[arg-type]
    artifact = identify(one)
    assert (artifact.kind, artifact.coverage) == ("model", "none")
    assert "BufferedReader" in (artifact.reason or "")


def test_a_clone_has_the_id_of_a_model_that_was_never_fitted() -> None:
    model = _pipeline()
    expected = identify(model).id
    assert identify(clone(model)).id == expected
    assert identify(clone(model.fit(X, Y))).id == expected


SCRIPT = """
import warnings; warnings.filterwarnings("ignore")
import sys; sys.path.insert(0, sys.argv[1])
import test_models as t
for name in sorted(t.MODELS):
    print(name, t.identify(t.MODELS[name]().fit(t.X, t.Y)).id)
"""


def test_a_model_has_the_same_id_in_a_process_with_another_hash_seed() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(Path(__file__).parent)],
            capture_output=True,
            text=True,
            check=True,
            env={
                **support.environment(),
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": str(Path(__file__).parents[2]),
            },
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert len(printed.pop().splitlines()) == len(MODELS)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_a_booster_is_known_by_its_portable_form(library: str) -> None:
    model = MODELS[library]().fit(X, Y)
    booster = model.get_booster() if library == "xgboost" else model.booster_
    artifact = identify(booster)
    assert (artifact.kind, artifact.coverage) == ("model", "full")
    assert identify(pickle.loads(pickle.dumps(booster))).id == artifact.id
    other = MODELS[library]().set_params(n_estimators=4).fit(X, Y)
    assert identify(other.get_booster() if library == "xgboost" else other.booster_) != artifact


def test_generators_of_random_numbers_are_known_by_what_they_will_draw() -> None:
    makers = (
        np.random.default_rng,
        np.random.RandomState,
        np.random.SeedSequence,
        np.random.MT19937,
    )
    ids = set()
    for make in makers:
        one, other = make(1), make(1)
        assert (
            identify(one).id == identify(other).id == identify(pickle.loads(pickle.dumps(one))).id
        )
        assert identify(make(2)).id != identify(one).id
        ids.add(identify(one).id)
        if hasattr(one, "random"):
            one.random()
            assert identify(one).id != identify(other).id
    assert len(ids) == len(makers)


def test_what_isotonic_regression_makes_again_when_it_is_loaded_is_no_content() -> None:
    model = isotonic.IsotonicRegression().fit(X[:, 0], Y)
    assert identify(pickle.loads(pickle.dumps(model))).id == identify(model).id

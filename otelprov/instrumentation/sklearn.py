"""scikit-learn: what fits a model, what uses one, and what splits, scores and loads data.

Estimators are classes in a hundred modules, and in the program and other libraries too: all of
them inherit from ``BaseEstimator``, and their methods are patched where a class defines them.
A method that scikit-learn calls itself belongs to the call that the program made: the fits inside
a pipeline, a grid search or a cross-validation are one operation.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from otelprov.artifacts.registry import Identity, Step, derive, registry
from otelprov.instrumentation._calls import is_internal
from otelprov.instrumentation._estimators import (
    Called,
    Evaluated,
    Fitted,
    Measured,
    Scored,
    Split,
    is_member,
    library_of,
)
from otelprov.instrumentation._families import Family
from otelprov.instrumentation._pickles import pickling, unpickling
from otelprov.instrumentation._table import Entry, Packing, read, step, transform, write
from otelprov.recording import faults, observation
from otelprov.recording.run import run

ODDITIES = (
    "Methods of any estimator are recorded, also of the program's own classes and of other "
    "libraries', if they inherit from `sklearn.base.BaseEstimator`.",
    "What scikit-learn calls itself belongs to the call that the program made: a grid search is "
    "one operation, however many models it fits. A fit in a function of the program's own, called "
    "from inside, is one of its own.",
    "A fitted model is known by its content. Attributes of it that end with `_` and are arrays, or "
    "lists of arrays (`labels_`, `categories_`), dicts and lists of plain values until they are "
    "changed (`vocabulary_`), and the models in it (`best_estimator_`, a step of a pipeline), come "
    "from it.",
    "What indexing with the arrays of `KFold.split` makes of an array (`X[train]`) is C, and of "
    "unknown origin; of a pandas table it is seen.",
)


def _method(name: str, kind: Any, observed: Any = None) -> Entry:
    return Entry(name, kind, name, observed=observed)


METHODS = {
    **{name: _method(name, "train", Fitted) for name in ("fit", "partial_fit")},
    **{name: _method(name, "train", Fitted) for name in ("fit_transform", "fit_predict")},
    **{name: _method(name, "train", Fitted) for name in ("fit_resample", "fit_sample")},
    **{name: _method(name, "transform", Called) for name in ("transform", "inverse_transform")},
    **{
        name: _method(name, "predict", Called)
        for name in (
            "predict predict_proba predict_log_proba decision_function score_samples apply "
            "kneighbors kneighbors_graph radius_neighbors radius_neighbors_graph decision_path"
        ).split()
    },
    "score": _method("score", "predict", Scored),
    **{name: step(name) for name in ("get_support", "get_feature_names_out")},
}

PROPERTIES = {
    name: step(name) for name in ("feature_importances_", "coef_", "intercept_", "booster_")
}

FAMILY = Family("sklearn", METHODS, PROPERTIES, is_member, library_of)


def _base() -> Iterable[Entry]:
    module = sys.modules["sklearn.base"]
    for kind in list(vars(module).values()):
        if isinstance(kind, type) and kind.__module__ == "sklearn.base":
            _adopt_all(kind)
    yield step("BaseEstimator.__init_subclass__", around=FAMILY.making, undo=FAMILY.release)
    yield step("TransformerMixin.__init_subclass__", around=FAMILY.making)
    yield step("BaseEstimator.__getstate__", around=pickling)
    yield step("BaseEstimator.__setstate__", around=unpickling)


def _adopt_all(kind: type) -> None:
    """A class and those made of it before this: of a program that imported scikit-learn first."""
    FAMILY.adopt(kind)
    made: type
    for made in kind.__subclasses__():
        _adopt_all(made)


# --- functions ------------------------------------------------------------------------------------


def _functions(names: str, make: Callable[..., Entry] = transform, **facts: Any) -> Any:
    return lambda: [make(name, **facts) for name in names.split()]


def _metrics(names: str) -> Any:
    return _held_besides(names, _InScorers, observed=Measured)


def _held_besides(names: str, where: Callable[[], _InScorers], **facts: Any) -> Any:
    def table() -> Iterable[Entry]:
        for name in names.split():
            place = where()
            packing = Packing(lambda original: original, place.put_in)
            yield transform(name, packing=packing, undo=place.undo, **facts)

    return table


class _InScorers:
    """Where a metric is held besides in its module: in the scorers that go by its name.

    They are made when ``sklearn.metrics`` is imported, and are pickled with every search that uses
    one. In a program that had imported it before, they must hold what is found under the name.
    """

    def __init__(self) -> None:
        self._put: tuple[Any, Any] | None = None

    def put_in(self, function: Callable[..., Any], original: Any) -> Any:
        self._put = (original, function)
        self._exchange(original, function)
        return function

    def undo(self) -> None:
        if self._put is not None:
            self._exchange(self._put[1], self._put[0])

    def _exchange(self, before: Any, after: Any) -> None:
        scorers = getattr(sys.modules.get("sklearn.metrics._scorer"), "_SCORERS", {})
        for scorer in scorers.values():
            if getattr(scorer, "_score_func", None) is before:
                scorer._score_func = after


class _InSelectors(_InScorers):
    """Where a function that rates columns is held besides: in the selectors that use it if they are
    told no other. What they print and pickle rests on its being what is found under the name."""

    def _exchange(self, before: Any, after: Any) -> None:
        for kind in vars(sys.modules[before.__module__]).values():
            init = vars(kind).get("__init__") if isinstance(kind, type) else None
            defaults = getattr(init, "__defaults__", None) or ()
            if any(one is before for one in defaults):
                found = tuple(after if one is before else one for one in defaults)
                init.__defaults__ = found  # type: ignore[union-attr]


def _split() -> Iterable[Entry]:
    yield transform("train_test_split", observed=Split)
    for names, by in (
        ("KFold RepeatedKFold TimeSeriesSplit LeaveOneOut LeavePOut ShuffleSplit", ()),
        ("StratifiedKFold RepeatedStratifiedKFold StratifiedShuffleSplit", ("y",)),
        ("GroupKFold LeaveOneGroupOut LeavePGroupsOut GroupShuffleSplit", ("groups",)),
        ("StratifiedGroupKFold", ("y", "groups")),
        ("PredefinedSplit", ("test_fold",)),
    ):
        for name in names.split():
            yield step(f"{name}.split", around=_splitting(by))


def _validation() -> Iterable[Entry]:
    for name in (
        "cross_val_score cross_validate cross_val_predict learning_curve validation_curve "
        "permutation_test_score"
    ).split():
        yield Entry(name, "train", name, observed=Evaluated)


_BUNDLED = {
    "load_iris": ("iris.csv",),
    "load_breast_cancer": ("breast_cancer.csv",),
    "load_wine": ("wine_data.csv",),
    "load_digits": ("digits.csv.gz",),
    "load_diabetes": ("diabetes_data_raw.csv.gz", "diabetes_target.csv.gz"),
    "load_linnerud": ("linnerud_exercise.csv", "linnerud_physiological.csv"),
}


def _loaders() -> Iterable[Entry]:
    for name, files in _BUNDLED.items():
        yield read(name, source="files", places=_in_package(files))
    yield read("load_files", source="container_path")


def _in_package(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Any]:
    def place(_: Mapping[str, Any]) -> Any:
        directory = os.path.dirname(sys.modules["sklearn.datasets"].__file__ or "")
        return [os.path.join(directory, "data", name) for name in names]

    return place


def _fetchers(names: str) -> Any:
    def table() -> Iterable[Entry]:
        for name in names.split():
            place = f"sklearn://datasets/{name.partition('_')[2]}"
            yield read(name, source="dataset", places=lambda _, place=place: place, client=True)

    return table


def _openml_place(parameters: Mapping[str, Any]) -> str:
    name = parameters.get("data_id") or parameters.get("name")
    return f"openml://{name}/{parameters.get('version')}"


def _openml() -> Iterable[Entry]:
    yield read("fetch_openml", source="name", places=_openml_place, client=True)


def _svmlight() -> Iterable[Entry]:
    yield read("load_svmlight_file", source="f")
    yield read("load_svmlight_files", source="files")
    yield write("dump_svmlight_file", target="f", data="")


def _trees() -> Iterable[Entry]:
    yield transform("export_text", observed=Measured)
    yield write("export_graphviz", target="out_file", data="")


def _inspection() -> Iterable[Entry]:
    yield Entry("permutation_importance", "predict", "permutation_importance")


def _partial_dependence() -> Iterable[Entry]:
    yield Entry("partial_dependence", "predict", "partial_dependence")


# --- splits ---------------------------------------------------------------------------------------


def _splitting(by: tuple[str, ...]) -> Callable[[Any], Any]:
    """The indices of each fold come from what is looked at to choose them: the labels, the groups,
    or nothing but the number of rows."""

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            try:
                folds = original(self, *args, **kwargs)
            except BaseException as error:
                if error.__traceback__ is not None:
                    error.__traceback__ = error.__traceback__.tb_next
                raise
            if run.active:
                try:
                    if not is_internal(sys._getframe(1)):
                        given = {**dict(zip(_SPLIT, args, strict=False)), **kwargs}
                        given["test_fold"] = getattr(self, "test_fold", None)
                        known = observation.known_inputs(given.get(name) for name in by)
                        if known or not by:
                            return _folds(folds, known)
                except Exception as fault:
                    faults.tell("the folds of a split are not known", fault)
            return folds

        return wrapper

    return around


_SPLIT = ("X", "y", "groups")
_CHOICE = Step("sklearn", "split")


def _folds(folds: Iterator[Any], known: list[Identity]) -> Iterator[Any]:
    while True:
        try:
            fold = next(folds)
        except StopIteration:
            return
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        with faults.contained("a fold of a split is not known"):
            for indices in fold:
                # Which of the folds it is is not said: none has an equal.
                found = derive(_CHOICE, known, None) or Identity((), os.urandom(32))
                registry.assign(indices, found)
        yield fold


TABLES: dict[str, Callable[[], Iterable[Entry]]] = {
    "sklearn.base": _base,
    "sklearn.model_selection._split": _split,
    "sklearn.model_selection._validation": _validation,
    "sklearn.metrics._classification": _metrics(
        "accuracy_score balanced_accuracy_score brier_score_loss class_likelihood_ratios "
        "classification_report cohen_kappa_score confusion_matrix d2_brier_score "
        "d2_log_loss_score f1_score fbeta_score hamming_loss hinge_loss jaccard_score log_loss "
        "matthews_corrcoef multilabel_confusion_matrix precision_recall_fscore_support "
        "precision_score recall_score zero_one_loss"
    ),
    "sklearn.metrics._ranking": _metrics(
        "auc average_precision_score coverage_error dcg_score det_curve "
        "label_ranking_average_precision_score label_ranking_loss ndcg_score "
        "precision_recall_curve roc_auc_score roc_curve top_k_accuracy_score"
    ),
    "sklearn.metrics._regression": _metrics(
        "d2_absolute_error_score d2_pinball_score d2_tweedie_score explained_variance_score "
        "max_error mean_absolute_error mean_absolute_percentage_error mean_gamma_deviance "
        "mean_pinball_loss mean_poisson_deviance mean_squared_error mean_squared_log_error "
        "mean_tweedie_deviance median_absolute_error r2_score root_mean_squared_error "
        "root_mean_squared_log_error"
    ),
    "sklearn.metrics.cluster._supervised": _metrics(
        "adjusted_mutual_info_score adjusted_rand_score completeness_score "
        "fowlkes_mallows_score homogeneity_completeness_v_measure homogeneity_score "
        "mutual_info_score normalized_mutual_info_score rand_score v_measure_score"
    ),
    "sklearn.metrics.cluster._unsupervised": _metrics(
        "calinski_harabasz_score davies_bouldin_score silhouette_samples silhouette_score"
    ),
    "sklearn.metrics.pairwise": _functions(
        "additive_chi2_kernel chi2_kernel cosine_distances cosine_similarity euclidean_distances "
        "haversine_distances laplacian_kernel linear_kernel manhattan_distances "
        "nan_euclidean_distances paired_distances pairwise_distances pairwise_distances_argmin "
        "pairwise_distances_argmin_min pairwise_kernels polynomial_kernel rbf_kernel sigmoid_kernel"
    ),
    "sklearn.calibration": _functions("calibration_curve"),
    "sklearn.feature_selection._univariate_selection": _held_besides(
        "chi2 f_classif f_oneway f_regression r_regression", _InSelectors
    ),
    "sklearn.feature_selection._mutual_info": _functions(
        "mutual_info_classif mutual_info_regression"
    ),
    "sklearn.utils.class_weight": _functions("compute_class_weight compute_sample_weight"),
    "sklearn.tree._export": _trees,
    "sklearn.preprocessing._data": _functions(
        "add_dummy_feature binarize maxabs_scale minmax_scale normalize power_transform "
        "quantile_transform robust_scale scale"
    ),
    "sklearn.preprocessing._label": _functions("label_binarize"),
    "sklearn.utils._indexing": _functions("resample shuffle"),
    "sklearn.inspection._permutation_importance": _inspection,
    "sklearn.inspection._partial_dependence": _partial_dependence,
    "sklearn.datasets._base": _loaders,
    "sklearn.datasets._california_housing": _fetchers("fetch_california_housing"),
    "sklearn.datasets._covtype": _fetchers("fetch_covtype"),
    "sklearn.datasets._kddcup99": _fetchers("fetch_kddcup99"),
    "sklearn.datasets._lfw": _fetchers("fetch_lfw_pairs fetch_lfw_people"),
    "sklearn.datasets._olivetti_faces": _fetchers("fetch_olivetti_faces"),
    "sklearn.datasets._rcv1": _fetchers("fetch_rcv1"),
    "sklearn.datasets._species_distributions": _fetchers("fetch_species_distributions"),
    "sklearn.datasets._twenty_newsgroups": _fetchers(
        "fetch_20newsgroups fetch_20newsgroups_vectorized"
    ),
    "sklearn.datasets._openml": _openml,
    "sklearn.datasets._svmlight_format_io": _svmlight,
    "sklearn.datasets._samples_generator": _functions(
        "make_biclusters make_blobs make_checkerboard make_circles make_classification "
        "make_friedman1 make_friedman2 make_friedman3 make_gaussian_quantiles make_hastie_10_2 "
        "make_low_rank_matrix make_moons make_multilabel_classification make_regression "
        "make_s_curve make_sparse_coded_signal make_sparse_spd_matrix "
        "make_sparse_uncorrelated make_spd_matrix make_swiss_roll"
    ),
}

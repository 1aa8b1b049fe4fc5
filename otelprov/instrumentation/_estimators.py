"""Calls of estimators: what a fit, a score and a validation mean beyond what their table says."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from otelprov.artifacts import classes, identify
from otelprov.artifacts.locations import unknown
from otelprov.artifacts.registry import Identity, registry
from otelprov.instrumentation._calls import Observed, sending
from otelprov.instrumentation._given_rows import use_rows
from otelprov.recording import models, observation, plain_values
from otelprov.recording.figures import say
from otelprov.recording.parameters import Defaults
from otelprov.recording.recorder import OpenOperation

LIBRARIES: Final = ("sklearn", "xgboost", "lightgbm")
"""Those whose estimators are named after them; any other class counts as scikit-learn's."""

_FIGURES: Final = ("best_score_", "oob_score_", "inertia_", "loss_", "best_loss_")
"""Attributes of fitted models that say how good they are."""
_DATA: Final = ("X", "data", "dtrain", "train_set")
_HISTORIES: Final = ("evals_result_", "_evals_result", "_best_score")
"""Attributes that hold what was measured while they learned: data, metric, values."""


def is_member(kind: type) -> bool:
    """Whether objects of a class are estimators."""
    return models.is_estimator(kind)


def library_of(kind: type) -> tuple[str, str | None]:
    """The library that an estimator's class comes from, or inherits from, and its version."""
    for base in classes.mro(kind):
        root = classes.module(base).partition(".")[0]
        if root in LIBRARIES and root in sys.modules:
            return root, getattr(sys.modules[root], "__version__", None)
    return "sklearn", None


def data_first(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters in an order in which what is learned from comes before labels and weights: two
    that come from one table count as the first."""
    first = {name: parameters[name] for name in _DATA if name in parameters}
    return {**first, **parameters}


class Called(Observed):
    """A call that may run in processes of its own, to which scikit-learn sends the data."""

    __slots__ = ("_learned", "_told")

    def __init__(self, *arguments: Any) -> None:
        self._learned = False
        """Whether what the object has learned is an input; it holds what it was told, too."""
        self._told: set[str] = set()
        """Hyper-parameters that are data."""
        super().__init__(*arguments)
        sending.add(id(self))
        for name, value in self.parameters.items():
            if name != "cv" and classes.attribute(type(value), "__next__") is not None:
                self._drawn(name, value)

    def _drawn(self, name: str, texts: object) -> None:
        """What a generator gives, or an open file: nobody may draw from it here."""
        if not use_rows(self.operation, texts, name):
            self.operation.use_content(name, unknown("what an iterator gives is not followed"))

    def _own_inputs(self) -> list[tuple[str, Identity]]:
        found = super()._own_inputs()
        self._learned = bool(found)
        return found

    def _more(self, plain: dict[str, Any], given: list[str]) -> Defaults:
        own = self.site.binder.defaults
        if self._learned or not models.is_estimator(type(self.target)):
            return own
        values, differing, defaults = models.hyperparameters(self.target)
        for name, value in values.items():
            if name not in self._told:
                plain.setdefault(name, value)
        given[:0] = [name for name in differing if name not in given]
        return own.joined(defaults)

    def _inputs(self) -> tuple[list[tuple[str, Identity]], set[str]]:
        return observation.inputs(data_first(self.parameters), few=True)

    def close(self, error: BaseException | None = None) -> None:
        """As in ``Observed``."""
        sending.discard(id(self))
        super().close(error)


class Fitted(Called):
    """A call that fits its object: it used the data, and made the model."""

    __slots__ = ()

    def _inputs(self) -> tuple[list[tuple[str, Identity]], set[str]]:
        """Hyper-parameters may be data as well: the centers to begin with, the folds."""
        found, names = super()._inputs()
        told, self._told = observation.inputs(models.hyperparameters(self.target)[0])
        frozen = {"estimator": list(models.frozen(self.target))}
        return found + told + observation.inputs(frozen)[0], names

    def _own_inputs(self) -> list[tuple[str, Identity]]:
        """What it had learned before goes on to count only where it goes on learning."""
        if self.site.attribute == "partial_fit" or models.attributes(self.target).get("warm_start"):
            found = super()._own_inputs()
            self._learned = False  # it may have been told something else since
            return found
        return []

    def _made(self, result: object) -> None:
        operation, model = self.operation, self.target
        models.made(operation, "self", model, given=self.parameters.values())
        held = models.attributes(model)
        found, known = _found_while_fitting(held), registry.lookup(model)
        say(operation, found)
        if known is not None:
            plain_values.numbers_from(found, known.sources[0], operation.begun)
        results = held.get("cv_results_")
        if type(results) is dict:
            _generate_table(operation, "cv_results_", results)
        if result is not model:
            super()._made(result)


def _generate_table(operation: OpenOperation, role: str, value: dict[str, Any]) -> None:
    if identify(value).coverage == "full":
        operation.generate_content(role, value)


def _found_while_fitting(held: Mapping[str, Any]) -> dict[str, object]:
    found = {name.rstrip("_"): held[name] for name in _FIGURES if name in held}
    for name in _HISTORIES:
        history = held.get(name)
        if isinstance(history, dict):
            found.update(last_values(history))
    return found


def last_values(history: Mapping[str, Any]) -> dict[str, object]:
    """Of the course of each metric on each data set, the last value: ``valid_0.auc``."""
    found: dict[str, object] = {}
    for data, metrics in history.items():
        if isinstance(metrics, dict):
            for metric, values in metrics.items():
                last = values[-1] if isinstance(values, list) and values else values
                found[f"{data}.{metric}"] = last
    return found


class Scored(Called):
    """A call that returns a figure."""

    __slots__ = ()

    def _made(self, result: object) -> None:
        say(self.operation, {self.site.entry.name: result})
        super()._made(result)


class Measured(Observed):
    """A metric: of what was true and what was predicted, a figure, a table or a text."""

    __slots__ = ()

    def _made(self, result: object) -> None:
        if isinstance(result, (str, dict)):
            made = self.operation.generate_content("return", result)
            plain_values.numbers_from(result, made, self.operation.begun)
            return
        say(self.operation, {self.site.entry.name: result})
        super()._made(result)


class Split(Observed):
    """A call that splits what it is given: tables, arrays, and lists too."""

    __slots__ = ()

    def _inputs(self) -> tuple[list[tuple[str, Identity]], set[str]]:
        found, names = super()._inputs()
        lists = [one for one in self.parameters.get("arrays", ()) if type(one) is list]
        known = list(map(registry.container, lists))
        found += [("arrays", Identity((one,))) for one in known if one is not None]
        if found and None in known:
            found.append(("arrays", Identity((unknown("a list that is not known"),))))
        return found, {*names, "arrays"} if found else names

    def _made(self, result: object) -> None:
        super()._made(result)
        for number, part in enumerate(result if isinstance(result, list) else ()):
            if type(part) is list and not observation.holds_data(part):
                self.operation.generate_content(f"return[{number}]", part)


class Evaluated(Called):
    """A validation: it fits copies of the estimator that it is given, which is no input."""

    __slots__ = ()

    def _inputs(self) -> tuple[list[tuple[str, Identity]], set[str]]:
        parameters = data_first(self.parameters)
        parameters.pop("estimator", None)
        return observation.inputs(parameters, few=True)

    def _more(self, plain: dict[str, Any], given: list[str]) -> Defaults:
        """What the estimator was told."""
        estimator = plain.get("estimator")
        if models.is_estimator(type(estimator)):
            plain["estimator"] = type(estimator).__name__
            values, differing, _ = models.hyperparameters(estimator)
            plain.update({f"estimator__{name}": values[name] for name in differing})
            given += [f"estimator__{name}" for name in differing]
        return self.site.binder.defaults

    def _made(self, result: object) -> None:
        scores: dict[str, Any] = result if isinstance(result, dict) else {"test_score": result}
        say(
            self.operation,
            {
                name: scores[name].mean()
                for name in scores
                if name.startswith(("test_", "train_"))
                and getattr(scores[name], "ndim", 0) == 1
                and scores[name].dtype.kind == "f"
            },
        )
        super()._made(result)

"""Gradient boosting beside scikit-learn's interface: what XGBoost and LightGBM have in common."""

from __future__ import annotations

import os
import types
from typing import Any

from otelprov.artifacts import identify
from otelprov.artifacts.registry import Identity, registry
from otelprov.instrumentation._calls import Bound, Observed, Site
from otelprov.instrumentation._estimators import data_first, last_values
from otelprov.recording import observation, places
from otelprov.recording.figures import say

_PLACES = ("data", "xgb_model", "init_model")
"""Parameters that may be data, or the path of a file that holds it."""


class Built(Observed):
    """A call that is given data, or the name of the file that it lies in."""

    __slots__ = ()

    def __init__(
        self,
        site: Site,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        frame: types.FrameType | None,
        bound: Bound | None = None,
    ) -> None:
        super().__init__(site, arguments, keywords, frame, bound)
        for name in _PLACES:
            value = self.parameters.get(name)
            if isinstance(value, (str, os.PathLike)):
                # XGBoost: train.csv?format=csv#cache
                path = os.fspath(value).partition("?")[0].partition("#")[0]
                places.read_from(self.operation, name, path)

    def _inputs(self) -> tuple[list[tuple[str, Identity]], set[str]]:
        return observation.inputs(data_first(self.parameters), few=True)


class Trained(Built):
    """A training, of one model or of one for each fold."""

    __slots__ = ()

    def _made(self, result: object) -> None:
        if isinstance(result, dict):
            say(self.operation, {name: value[-1] for name, value in _series(result).items()})
            if identify(result).coverage == "full":
                self.operation.generate_content("return", result)
            return
        super()._made(result)
        course = self.parameters.get("evals_result")
        model = registry.lookup(result)
        if model is not None:
            for held in (course, *_courses(self.parameters.get("callbacks"))):
                if isinstance(held, dict):
                    observation.come_out(held, model.sources[0])
        found = last_values(course) if isinstance(course, dict) else {}
        best = getattr(result, "best_score", None)  # an attribute, or a property that asks for one
        found.update(last_values(best) if isinstance(best, dict) else {"best_score": best})
        say(self.operation, found)


def _courses(callbacks: object) -> list[object]:
    """What LightGBM's ``record_evaluation`` has written down."""
    if not isinstance(callbacks, (list, tuple)):
        return []
    return [vars(one).get("eval_result") for one in callbacks if hasattr(one, "__dict__")]


def _series(result: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: values for name, values in result.items() if isinstance(values, list) and values}

"""What a fitted model holds: its class, its hyper-parameters and what it has learned (section 14).

Never its pickle, which holds the version of the library, timings and the order in memory.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from otelprov.artifacts import classes
from otelprov.artifacts.registration import register

_MACHINE: Final = frozenset({"n_threads", "_n_threads", "refit_time_"})
"""Attributes of scikit-learn's own that say how fast and on how many cores it was made."""


@register("sklearn.base.BaseEstimator", kind="model")
def _estimator(value: Any) -> object:
    """All attributes, which hold the hyper-parameters too: that is scikit-learn's rule for them.

    Not by ``get_params`` and ``__getstate__``, which would run code of the user's subclasses.
    """
    content = {}
    for name, part in classes.attributes(value).items():
        if name in _MACHINE or (_is_learned(name) and _is_generator(part)):
            continue
        if name == "cv_results_" and type(part) is dict:
            part = {key: item for key, item in part.items() if not str(key).endswith("_time")}
        content[name] = part
    return content


@register("sklearn.isotonic.IsotonicRegression", kind="model")
def _isotonic(value: Any) -> object:
    content = _estimator(value)
    assert isinstance(content, dict)
    content.pop("f_", None)  # made again from the thresholds, and not pickled
    return content


def _is_learned(name: str) -> bool:
    """Whether an attribute is no hyper-parameter, by scikit-learn's rule for names."""
    return name.startswith("_") or name.endswith("_")


def _is_generator(value: object) -> bool:
    """Whether it makes random numbers. Left over from a fit it says nothing about the model; it is
    that of the whole process when there was no seed, and moves on with it."""
    numpy: Any = sys.modules.get("numpy")
    return issubclass(type(value), (numpy.random.RandomState, numpy.random.Generator))


@register("sklearn.utils.Bunch")
def _bunch(value: Any) -> object:
    """Its items; what its ``__dict__`` holds is not pickled."""
    return dict(dict.items(value))


@register("sklearn.neighbors._kd_tree.BinaryTree64")
@register("sklearn.neighbors._kd_tree.BinaryTree32")
@register("sklearn.neighbors._ball_tree.BinaryTree64")
@register("sklearn.neighbors._ball_tree.BinaryTree32")
def _neighbors(tree: Any) -> object:
    """The data, the index over it, and the metric; not the counts of questions it was asked."""
    state = tree.__getstate__()
    return (*state[:7], *state[11:])


@register("sklearn._loss._loss.CyLossFunction")
def _loss(value: Any) -> object:
    """The numbers it was made from. Up to 1.7 these classes name a module that is not there."""
    return value.__reduce__()[1]


# --- random numbers -------------------------------------------------------------------------------


@register("numpy.random.mtrand.RandomState")
def _random_state(value: Any) -> object:
    numpy: Any = sys.modules["numpy"]
    if value is numpy.random.mtrand._rand:
        return None  # that of the process: whoever draws from it changes it for all
    return numpy.random.RandomState.get_state(value, legacy=False)


@register("numpy.random._generator.Generator")
def _generator(value: Any) -> object:
    return value.bit_generator


@register("numpy.random.bit_generator.BitGenerator")
def _bit_generator(value: Any) -> object:
    """What it will draw, and what its children will."""
    seed = getattr(value, "seed_seq", None)  # numpy 1.25
    return value.state, seed if seed is not None else getattr(value, "_seed_seq", None)


@register("numpy.random.bit_generator.SeedSequence")
def _seed_sequence(value: Any) -> object:
    return value.state


# --- gradient boosting ----------------------------------------------------------------------------


@register("xgboost.core.Booster", kind="model", name="xgboost.Booster")
def _xgboost(value: Any) -> object:
    """Its portable form, which begins with the version of XGBoost that writes it."""
    return value.save_raw("ubj")


@register("lightgbm.basic.Booster", kind="model", name="lightgbm.Booster")
def _lightgbm(value: Any) -> object:
    """All trees as text, and which of them predictions use."""
    return value.model_to_string(num_iteration=-1), value.best_iteration


# --- what else is found in models -----------------------------------------------------------------


@register("joblib.memory.Memory")
def _memory(value: Any) -> object:
    """A cache is where it is; it notes the time when it was made."""
    return classes.attributes(value).get("location")


@register("pydantic.main.BaseModel")
def _pydantic(value: Any) -> object:
    """Fields and what was given beyond them. Which of them were set or defaults is no content."""
    found = classes.attributes(value)
    return {
        "fields": dict(sorted(classes.instance_dict(value).items())),
        "extra": found.get("__pydantic_extra__"),
        "private": found.get("__pydantic_private__"),
    }

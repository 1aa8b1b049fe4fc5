"""LightGBM: its own interface. That of scikit-learn's kind is recorded with the estimators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from otelprov.instrumentation._boosters import Built, Trained
from otelprov.instrumentation._pickles import pickling, unpickling
from otelprov.instrumentation._table import Entry, read, step, transform, write

ODDITIES = (
    "`LGBMClassifier` and its like are recorded as estimators: see scikit-learn, which has to be "
    "recorded for that.",
    "A loop of the program's own over `Booster.update` makes no operations; the model that it "
    "makes comes from all the data it was given, and is known by its content when it is saved.",
    "What `evals_result_` gives, and the dict that is given to `record_evaluation`, come from the "
    "model, as do the dicts and lists in them: until the program changes them, and not their items "
    "one by one.",
)


def table() -> Iterable[Entry]:
    """What ``import lightgbm`` loads."""
    yield transform("Dataset.__init__", name="Dataset", in_place="always", observed=Built)
    yield transform("Dataset.create_valid", name="Dataset.create_valid", observed=Built)
    for name in (
        "set_field set_reference set_label set_weight set_init_score set_group set_position "
        "add_features_from"
    ).split():
        yield step(f"Dataset.{name}", in_place="always")
    for name in "subset get_field get_label get_weight get_init_score get_data get_group".split():
        yield step(f"Dataset.{name}")
    yield write("Dataset.save_binary", name="Dataset.save_binary", target="filename")
    for name in ("train", "cv"):
        yield Entry(name, "train", name, observed=Trained)
    yield read(
        "Booster.__init__",
        name="Booster",
        source="model_file",
        places=_model,
        in_place="always",
        only_when=lambda parameters, _: _model(parameters) is not None,
    )
    yield read(
        "Booster.model_from_string",
        name="Booster.model_from_string",
        source="model_str",
        in_place="always",
    )
    for name in ("update", "add_valid", "set_leaf_output", "shuffle_models", "rollback_one_iter"):
        yield step(f"Booster.{name}", in_place="always")
    for name in ("feature_importance", "trees_to_dataframe"):
        yield step(f"Booster.{name}")
    yield step("LGBMModel.evals_result_", gives_contents=True)
    yield Entry("Booster.refit", "train", "Booster.refit", observed=Trained)
    for name in ("predict", "eval"):
        yield Entry(f"Booster.{name}", "predict", f"Booster.{name}", observed=Built)
    yield write("Booster.save_model", name="Booster.save_model", target="filename")
    yield write("Booster.model_to_string", name="Booster.model_to_string")
    yield write("Booster.dump_model", name="Booster.dump_model")
    yield step("Booster.__getstate__", around=pickling)
    yield step("Booster.__setstate__", around=unpickling)


def _model(parameters: Mapping[str, Any]) -> Any:
    """The file that a model is read from, or the text."""
    file = parameters.get("model_file")
    return parameters.get("model_str") if file is None else file


TABLES = {"lightgbm": table}

"""XGBoost: its own interface. That of scikit-learn's kind is recorded with the estimators."""

from __future__ import annotations

from collections.abc import Iterable

from otelprov.instrumentation._boosters import Built, Trained
from otelprov.instrumentation._pickles import pickling, unpickling
from otelprov.instrumentation._table import Entry, each, read, step, transform, write

ODDITIES = (
    "`XGBClassifier` and its like are recorded as estimators: see scikit-learn, which has to be "
    "recorded for that.",
    "A loop of the program's own over `Booster.update` makes no operations; the model that it "
    "makes comes from all the data it was given, and is known by its content when it is saved.",
    "What `get_score` and `evals_result()` give, and the dict that is given as `evals_result`, "
    "come from the model, as do the dicts and lists in them: until the program changes them, and "
    "not their items one by one.",
)

MATRICES = ("DMatrix", "QuantileDMatrix", "ExtMemQuantileDMatrix")


def table() -> Iterable[Entry]:
    """What ``import xgboost`` loads."""
    for name in MATRICES:
        yield transform(f"{name}.__init__", name=name, in_place="always", observed=Built)
    for name in ("set_info", "set_label", "set_weight", "set_base_margin", "set_group"):
        yield step(f"DMatrix.{name}", in_place="always")
    for name in ("slice", "get_label", "get_weight", "get_base_margin", "get_data"):
        yield step(f"DMatrix.{name}")
    yield write("DMatrix.save_binary", name="DMatrix.save_binary", target="fname")
    for name in ("train", "cv"):
        yield Entry(name, "train", name, observed=Trained)
    yield read(
        "Booster.__init__",
        name="Booster",
        source="model_file",
        in_place="always",
        only_when=lambda parameters, _: parameters.get("model_file") is not None,
    )
    for name in ("update", "boost"):
        yield step(f"Booster.{name}", in_place="always")
    for name in ("__getitem__", "copy", "trees_to_dataframe"):
        yield step(f"Booster.{name}")
    for name in ("Booster.get_score", "Booster.get_fscore", "XGBModel.evals_result"):
        yield step(name, gives_contents=True)
    for name in ("predict", "inplace_predict", "eval", "eval_set"):
        yield Entry(f"Booster.{name}", "predict", f"Booster.{name}", observed=Built)
    yield write("Booster.save_raw", name="Booster.save_raw")
    yield write("Booster.dump_model", name="Booster.dump_model", target="fout")
    for owner in ("Booster", "XGBModel"):
        yield write(f"{owner}.save_model", name=f"{owner}.save_model", target="fname")
        yield read(
            f"{owner}.load_model", name=f"{owner}.load_model", source="fname", in_place="always"
        )
    yield from each(step("get_booster"), "XGBModel")
    yield step("Booster.__getstate__", around=pickling)
    yield step("Booster.__setstate__", around=unpickling)


TABLES = {"xgboost": table}

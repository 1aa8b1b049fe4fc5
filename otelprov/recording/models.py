"""Fitted models: which objects are some, what each is, and what of it the program may take out.

A fitted model is known by its content: class, hyper-parameters and what it has learned. Unlike a
table it is changed by anybody who sets an attribute, and a part of it (a step of a pipeline) may be
fitted again by itself. So what is known of one counts as long as it holds the very objects that it
held when it was looked at.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Final

from otelprov.artifacts import classes, digest_value, identify
from otelprov.artifacts.deferred import Source, resolve, settled, with_
from otelprov.artifacts.digest import NoCanonicalForm
from otelprov.artifacts.locations import unknown
from otelprov.artifacts.registry import Identity, Step, derive, registry
from otelprov.model import Artifact
from otelprov.recording import tensors
from otelprov.recording.bounds import over
from otelprov.recording.memory import is_array, note
from otelprov.recording.parameters import Defaults
from otelprov.recording.recorder import OpenOperation
from otelprov.recording.run import run

BOOSTERS: Final = ("xgboost", "lightgbm")
CLASSES: Final = frozenset(
    {
        ("sklearn", "BaseEstimator"),
        ("torch", "Module"),
        *((library, "Booster") for library in BOOSTERS),
    }
)
"""By name, because nothing of the user's is imported: top-level package and class."""

MAX_PARTS: Final = 64
"""Estimators of one list that are parts: the steps of a pipeline, not the trees of a forest."""
MAX_DEPTH: Final = 8
MAX_ITEMS: Final = 10_000
"""Items of a dict or list of plain values that is known again."""

_PART = Step("sklearn", "part")
_PLAIN: Final = frozenset({bool, int, float, str})
_OF_OUTPUT: Final = frozenset({"_sklearn_output_config", "_transformers_feature_names_out"})
"""Attributes that say nothing about the model: what `set_output` was told, and names that a
ColumnTransformer notes whenever it makes a table (scikit-learn 1.9)."""

# What a model held when it was last looked at.
_held: dict[int, tuple[weakref.ref[object], int]] = {}


def is_fitted(model: object) -> bool:
    """Whether it has learned anything, by scikit-learn's rule for names; runs no code of its class.

    One that is made of others (a pipeline) is fitted when one of these is.
    """
    if tensors.is_network(model):
        return next(tensors.inside(model), None) is not None  # else it computes, and holds nothing
    if not is_estimator(type(model)):
        return True  # a booster is made by its training
    return any(_learned(part) for _, part in parts(model))


def identity(model: object) -> Identity:
    """What a fitted model is that an operation reads."""
    if tensors.is_network(model):
        return _network(model)
    found = registry.lookup(model)
    if found is not None and (not is_estimator(type(model)) or _is_as_it_was(model)):
        return found  # what changes a booster is seen
    content = identify(model)
    if found is not None and any(resolve(one).id == content.id for one in found.sources):
        _hold(model)
        return found
    # Made or changed by code that is not recorded. What it was, and what it is made of, may be
    # known all the same.
    made = registry.content(content.id, model)
    inside = [part for _, part in parts(model) if part is not model and is_fitted(part)]
    origins = [registry.lookup(part) for part in inside]
    sources: dict[object, Source] = {}
    if made is not None or found is not None or _learned(model) or not all(origins):
        # Else it has learned nothing itself: some steps of a pipeline, put together.
        sources[content.id] = made or replace(content, origin="unknown")
    for origin in (found, *origins):
        for source in () if origin is None else origin.sources:
            source = settled(source)
            sources.setdefault(source.id if isinstance(source, Artifact) else source, source)
    path = content.id.encode() if len(sources) > 1 or content.id not in sources else b""
    result = Identity(tuple(sources.values()), path)
    registry.assign(model, result)
    _hold(model)
    return result


def _network(model: object) -> Identity:
    """What a network comes from, by its parameters; itself, where nothing is known of them."""
    found = tensors.known(model)
    if found is not None:
        return found
    limit = run.settings.digest_limit
    if limit is not None and tensors.size(model) > limit:
        return Identity((unknown(over(limit), "model"),))
    changes = tensors.changes(model)
    before = _looked_at.get(id(model))
    if before is not None and before[0]() is model and before[1] == changes:
        return before[2]
    content = identify(model)
    known = registry.content(content.id, model) or replace(content, origin="unknown")
    reference = weakref.ref(model, partial(_looked_at.pop, id(model)))
    _looked_at[id(model)] = (reference, changes, Identity((known,)))
    return Identity((known,))


# What a network of unknown origin was, and how often each of its tensors had been changed.
_looked_at: dict[int, tuple[weakref.ref[object], list[int], Identity]] = {}


def made(
    operation: OpenOperation,
    role: str,
    model: object,
    *,
    before: Identity | None = None,
    given: Iterable[object] = (),
) -> None:
    """The operation has made or fitted a model: it is known by its content from now on.

    Its parts, and the arrays in it that a program takes out (``labels_``), come from it. ``before``
    is what it was and came from, where it was not fitted anew; ``given`` are the arguments, which
    a model may hold on to.
    """
    artifact = look_at(operation, model)
    if tensors.is_network(model):
        operation.generate(role, artifact)
        operation.assign(model, artifact)
        whole = Identity((with_(artifact, maker=operation.id),))
        tensors.come_from(tensors.inside(model), whole)
        return
    if before is not None and isinstance(artifact, Artifact):
        for source in map(resolve, before.sources):
            if source.id != artifact.id:
                operation.use_artifact("inside", source)
    operation.generate(role, artifact)
    operation.assign(model, artifact)
    whole = Identity((with_(artifact, maker=operation.id),))
    given = {id(value) for value in given}
    for path, part in parts(model):
        if part is not model:
            if not is_fitted(part) or (
                id(part) in _held and registry.lookup(part) is not None and _is_as_it_was(part)
            ):
                continue  # not fitted, or before and not again
            _take_over(part, path, whole)
        _hold(part)
        for place, value in _contents(part, path):
            if id(value) in given:
                continue
            if type(value) is dict or type(value) is list:
                _remember(value, whole)
            elif registry.lookup(value) is None:
                _take_over(value, place, whole)
                note(value, whole)  # coefficients are views of what an optimizer has found


def _contents(part: object, path: str) -> Iterator[tuple[str, Any]]:
    """What a model has learned: arrays, also those in lists (``categories_``), and dicts and lists
    of plain values (``vocabulary_``, ``loss_curve_``)."""
    for name, value in _learned(part).items():
        kind, place = type(value), f"{path}.{name}"
        plain = value.values() if kind is dict else value if kind is list else ()
        if is_array(value) or _are_plain(plain):
            yield place, value
        several = kind in (list, tuple) or (is_array(value) and value.dtype.kind == "O")
        if several and len(value) <= MAX_PARTS:
            for index, item in enumerate(value):
                if is_array(item) and item.ndim:
                    yield f"{place}[{index}]", item


def _are_plain(values: Collection[Any]) -> bool:
    if not 0 < len(values) <= MAX_ITEMS:
        return False
    return all(
        type(one) in _PLAIN or (type(one).__module__ == "numpy" and one.ndim == 0) for one in values
    )


def _remember(value: dict[object, object] | list[object], whole: Identity) -> None:
    """It is known again as long as it holds what it holds now."""
    digest = digest_value(value)
    if digest is not None:
        registry.remember(whole.sources[0], value, f"object:{digest.hex()}")


def content(operation: OpenOperation, model: object) -> Source:
    """What a model is by its content: it is not digested again where that is known."""
    if tensors.is_network(model):
        return look_at(operation, model)  # anybody may have changed it
    known = None if registry.lookup(model) is None else identity(model).artifact
    if isinstance(known, Artifact) and known.coverage == "full":
        return known
    return look_at(operation, model)


def look_at(operation: OpenOperation, model: object) -> Source:
    """A model by its content; by how it was made where that is more than may be digested."""
    size = (
        tensors.size(model)
        if tensors.is_network(model)
        else sum(
            value.nbytes
            for _, part in parts(model)
            for value in _learned(part).values()
            if is_array(value)
        )
    )
    if not operation.budget.take(size):
        return with_(operation.derived("model"), reason=over(operation.budget.limit))
    return identify(model)


def parts(model: object) -> Iterator[tuple[str, object]]:
    """A model and the estimators in it, each with the attributes that lead to it."""
    seen = {id(model)}
    todo = [("", model, 0)]
    while todo:
        path, one, depth = todo.pop()
        yield path, one
        if depth < MAX_DEPTH:
            for name, value in attributes(one).items():
                for place, found in _estimators(value, f"{path}.{name}", 0):
                    if id(found) not in seen:
                        seen.add(id(found))
                        todo.append((place, found, depth + 1))


def hyperparameters(model: object) -> tuple[dict[str, Any], list[str], Defaults]:
    """What a model was told: values by name, the names of those that are no defaults, and the
    defaults.

    An estimator among them is shown by the name of its class, and what it was told in turn as
    scikit-learn names it: ``clf__C``. Runs no code of its class.
    """
    kind = type(model)
    names, defaults = _signatures.get(id(kind)) or _signatures.look(kind)
    held = attributes(model)
    values = {name: _described(held[name]) for name in names if name in held}
    differing = [
        name
        for name, value in values.items()
        if name not in defaults.values or not _is_same(value, defaults.values[name])
    ]
    for name in list(values):
        for place, estimator in _named_estimators(name, held[name], 0):
            inner, told, _ = hyperparameters(estimator)
            for key in told:
                values[f"{place}__{key}"] = inner[key]
                differing.append(f"{place}__{key}")
    return values, differing, defaults


def _named_estimators(name: str, value: object, depth: int) -> Iterator[tuple[str, object]]:
    """Estimators among the hyper-parameters, each with the name that its parameters begin with."""
    if is_estimator(type(value)):
        yield name, value
    elif type(value) in (list, tuple) and depth < 2:
        items: Collection[Any] = value  # type: ignore[assignment]
        for item in list(items)[:MAX_PARTS]:
            if type(item) is tuple and len(item) > 1 and type(item[0]) is str:
                yield from _named_estimators(item[0], item[1], depth + 1)


def _described(value: Any, depth: int = 0) -> Any:
    """Hyper-parameters with the names of classes in place of estimators, which learn."""
    if is_estimator(type(value)):
        return type(value).__name__
    if type(value) in (list, tuple) and depth < 3 and len(value) <= MAX_PARTS:
        return type(value)(_described(item, depth + 1) for item in value)
    return value


def _is_same(value: object, default: object) -> bool:
    if value is default:
        return True
    plain = (bool, int, float, str)
    return type(value) is type(default) and type(value) in plain and value == default


def _signature(kind: type) -> tuple[tuple[str, ...], Defaults]:
    """The parameters of a class, and those of its bases to which it hands on what it is given."""
    found: dict[str, inspect.Parameter] = {}
    for base in classes.mro(kind):
        function = classes.namespace(base).get("__init__")
        if function is None or base is object:
            continue
        try:
            given = list(inspect.signature(function).parameters.values())[1:]
        except (TypeError, ValueError):
            break
        hands_on = False
        for one in given:
            if one.kind is inspect.Parameter.VAR_KEYWORD:
                hands_on = True
            elif one.kind is not inspect.Parameter.VAR_POSITIONAL:
                found.setdefault(one.name, one)
        if not hands_on:
            break
    values = {
        name: one.default
        for name, one in found.items()
        if one.default is not inspect.Parameter.empty
    }
    return tuple(found), Defaults(values)


_signatures = classes.ByClass(_signature, lambda found: found[1].are_plain)


def frozen(model: object) -> Iterator[object]:
    """The fitted models in a model that are used as they are when it is fitted."""
    for _, part in parts(model):
        told = attributes(part)
        is_frozen = type(part).__name__ == "FrozenEstimator"
        if is_frozen or told.get("prefit") is True or told.get("cv") == "prefit":
            for name in ("estimator", "estimators"):
                yield from (one for _, one in _estimators(told.get(name), name, 0))


def held(model: object) -> Iterator[object]:
    """The models in a model, without itself."""
    for _, part in parts(model):
        if part is not model:
            yield part
        yield from filter(_is_booster, attributes(part).values())


def attributes(model: object) -> dict[str, Any]:
    """What it holds, its hyper-parameters among it; runs no code of its class."""
    try:
        return classes.instance_dict(model)
    except NoCanonicalForm:
        return {}


def _learned(model: object) -> dict[str, Any]:
    return {
        name: value
        for name, value in attributes(model).items()
        if (name.endswith("_") and not name.startswith("_")) or _is_booster(value)
    }


def _is_booster(value: object) -> bool:
    kind = type(value)
    return kind.__name__ == "Booster" and classes.module(kind).partition(".")[0] in BOOSTERS


def _estimators(value: object, path: str, depth: int) -> Iterator[tuple[str, object]]:
    if is_estimator(type(value)):
        yield path, value
    elif type(value) in (list, tuple) and depth < 2:
        items: Collection[object] = value  # type: ignore[assignment]
        if len(items) <= MAX_PARTS:
            for index, item in enumerate(items):
                yield from _estimators(item, f"{path}[{index}]", depth + 1)


def _is_estimator(kind: type) -> bool:
    return any(
        classes.qualname(base) == "BaseEstimator"
        and classes.module(base).partition(".")[0] == "sklearn"
        for base in classes.mro(kind)
    )


_estimators_known = classes.ByClass(_is_estimator)


def is_estimator(kind: type) -> bool:
    """Whether objects of a class are estimators of scikit-learn's kind."""
    try:
        return _estimators_known[id(kind)]
    except KeyError:
        return _estimators_known.look(kind)


def _take_over(value: object, path: str, whole: Identity) -> None:
    found = derive(_PART, [whole], digest_value(path))
    if found is not None:
        registry.assign(value, found)


def _hold(model: object) -> None:
    """Remember what a model holds now."""
    key = id(model)
    found = _held.get(key)
    state = _state(model)
    if found is not None and found[0]() is model:
        _held[key] = (found[0], state)
        return
    try:
        reference = weakref.ref(model, partial(_held.pop, key))
    except TypeError:
        return
    _held[key] = (reference, state)


def _is_as_it_was(model: object) -> bool:
    found = _held.get(id(model))
    if found is None or found[0]() is not model:
        _hold(model)  # it was said just now what it is: it arrived from a file, or a pickle
        return True
    return found[1] == _state(model)


def _state(model: object) -> int:
    """A number for the objects that it holds: not their content, but which they are."""
    found: list[object] = []
    for _, part in parts(model):
        for name, value in attributes(part).items():
            if name in _OF_OUTPUT:
                continue
            found += (name, id(value))
            if type(value) in (list, tuple):
                found += map(id, value)
    return hash(tuple(found))

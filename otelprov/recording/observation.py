"""The data among the arguments and results of a call: which objects, and what they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from otelprov.artifacts import classes, columns, digest_value, identify
from otelprov.artifacts.deferred import Source, background, with_
from otelprov.artifacts.locations import unknown
from otelprov.artifacts.names import names_of
from otelprov.artifacts.registry import Columns, Identity, derive, registry
from otelprov.artifacts.snapshots import SMALL, size, snapshot
from otelprov.model import Artifact, ArtifactKind
from otelprov.recording import in_place, memory, models, tensors
from otelprov.recording.bounds import over
from otelprov.recording.in_place import prints
from otelprov.recording.noted import with_content
from otelprov.recording.plans import plans
from otelprov.recording.policy import MAX_LISTED
from otelprov.recording.recorder import OpenOperation
from otelprov.recording.run import run

MAX_ITEMS = 10_000
"""Items of one list or dict argument that are looked at for data."""
MAX_DEPTH = 3

# By name, because nothing of the user's is imported: (top-level package, class) -> kind.
_KINDS: dict[tuple[str, str], ArtifactKind] = {
    ("pandas", "DataFrame"): "table",
    ("pandas", "Series"): "table",
    ("pandas", "Index"): "table",
    ("pandas", "ExtensionArray"): "array",
    ("numpy", "ndarray"): "array",
    ("torch", "Tensor"): "array",
    ("pyarrow", "Table"): "table",
    ("pyarrow", "RecordBatch"): "table",
    ("pyarrow", "ChunkedArray"): "table",
    ("pyarrow", "Array"): "table",
    ("polars", "DataFrame"): "table",
    ("polars", "Series"): "table",
    ("scipy", "spmatrix"): "array",
    ("scipy", "sparray"): "array",
    ("xgboost", "DMatrix"): "object",
    ("lightgbm", "Dataset"): "object",
    **dict.fromkeys(models.CLASSES, "model"),
}


PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes, slice})
"""Types of values that are no data and never change."""

# Objects that are no data but what data is made with: what they carry is in ``recording.plans``.
_LAZY = {
    ("polars", "Expr"),
    ("polars", "LazyFrame"),
    ("polars", "LazyGroupBy"),
    ("polars", "SQLContext"),
    ("polars", "When"),
    ("polars", "Then"),
    ("polars", "ChainedWhen"),
    ("polars", "ChainedThen"),
    ("polars", "InProcessQuery"),
}

# Objects that stand for the table they were made from: a groupby, an indexer, an accessor, or for
# what is known of the statement that they are the result of.
_STAND_INS: dict[tuple[str, str], str] = {
    ("pandas", "GroupBy"): "obj",
    ("pandas", "Resampler"): "obj",
    ("pandas", "BaseWindow"): "obj",
    ("pandas", "NDFrameIndexerBase"): "obj",
    ("pandas", "Styler"): "data",
    ("pandas", "StringMethods"): "_orig",
    ("pandas", "Properties"): "_parent",
    ("pandas", "CategoricalAccessor"): "_parent",
    ("pandas", "TableIterator"): "store",
    ("pandas", "interchange.PandasDataFrameXchg"): "_df",
    ("polars", "interchange.PolarsDataFrame"): "_df",
    ("pyarrow", "interchange._PyArrowDataFrame"): "_df",
    ("sqlalchemy", "CursorResult"): "context",
    ("sqlalchemy", "IteratorResult"): "raw",
    ("sqlalchemy", "MappingResult"): "_real_result",
    ("polars", "GroupBy"): "df",
    ("polars", "DynamicGroupBy"): "df",
    ("polars", "RollingGroupBy"): "df",
    **{
        ("polars", f"{name}NameSpace"): "_s"
        for name in "Array Binary Cat DateTime Ext List Map String Struct".split()
    },
}


def _look(kind: type) -> tuple[ArtifactKind | None, str | None]:
    for base in classes.mro(kind):
        name = classes.known_as(base)
        if name in _KINDS or name in _STAND_INS:
            return _KINDS.get(name), _STAND_INS.get(name)
    return None, None


_named = classes.ByClass(_look)
"""What a class is, by the names of its bases: a kind of data, or a stand-in by an attribute."""


def _classify(value: object) -> tuple[ArtifactKind | None, str | None]:
    kind = type(value)
    return _named.get(id(kind)) or _named.look(kind)


def data_kind(value: object) -> ArtifactKind | None:
    """The kind of artifact that an object is; None when it is no data."""
    try:
        return _named[id(type(value))][0]
    except KeyError:
        return _named.look(type(value))[0]


def stands_in(value: object) -> bool:
    """Whether an object stands for a table: a groupby, an indexer, an accessor."""
    return _classify(value)[1] is not None


def can_be_known(value: object) -> bool:
    """Whether an object can carry an identity: data, what stands for data, or several of these."""
    kind, behind = _classify(value)
    if kind is not None or behind is not None or isinstance(value, tuple):
        return True
    of: Any = type(value)
    if of in PLAIN:
        return False
    if of is list:
        return bool(value) and data_kind(value[0]) is not None  # type: ignore[index]
    return is_label(value)


_NAMING = frozenset({"columns", "id_vars", "subset", "value_vars"})
"""Parameters that name columns, by labels too (``columns=df.columns``): that is no data."""
_LABELS = {("pandas", "Index")}
"""No data of their own, but taken from a table."""


def is_lazy(value: object) -> bool:
    """Whether an object is no data yet: a query, an expression."""
    try:
        return _lazy[id(type(value))]
    except KeyError:
        return _lazy.look(type(value))


def _having_base(names: Collection[tuple[str, str]]) -> classes.ByClass[bool]:
    """Whether one of these classes, by library and name, is among the bases of a class."""
    return classes.ByClass(
        lambda kind: any(classes.known_as(base) in names for base in classes.mro(kind))
    )


_labels = _having_base(_LABELS)
_lazy = _having_base(_LAZY)


def shape(value: Any) -> tuple[int | None, int | None]:
    """Rows and columns, as far as the object says."""
    found = getattr(value, "shape", None)
    if type(found) is tuple and len(found) == 2 and type(found[0]) is type(found[1]) is int:
        return found  # of a table: nearly always
    if isinstance(found, tuple) and all(isinstance(size, int) for size in found):
        if len(found) == 1:
            return found[0], None if data_kind(value) == "array" else 1
        if len(found) == 2:
            return found[0], found[1]
        return (found[0] if found else None), None
    return None, None


def inputs(
    parameters: Mapping[str, object], *, few: bool = False
) -> tuple[list[tuple[str, Identity]], set[str]]:
    """The data among the parameters, as (role, identity), and the names of those parameters.

    The role is the parameter's name. Data that nothing is known about yet gets its content id: it
    was made by code that is not recorded. ``few`` is whether a bare array of a few values is data,
    and no parameter.
    """
    found: list[tuple[str, Identity]] = []
    empty: list[tuple[str, Identity]] = []
    names: set[str] = set()
    for name, value in parameters.items():
        if type(value) in PLAIN:
            continue
        if name in _NAMING and is_label(value) and registry.lookup(value) is None:
            continue
        before = len(found) + len(empty)
        for item in _data(value, 0, few=few):
            identity = identity_of(item)
            nothing = _is_empty(item) and _is_unknown(identity)
            (empty if nothing else found).append((name, identity))
        if len(found) + len(empty) > before:
            names.add(name)
    # ``all = DataFrame()``, and then ``all = concat([all, part])``: nothing comes from it.
    return found or empty, names


def _is_empty(value: object) -> bool:
    """Whether a table has no rows."""
    found = getattr(value, "shape", None)
    return type(found) is tuple and found[:1] == (0,) and data_kind(value) == "table"


def data_in(value: object) -> list[object]:
    """The tables, arrays and models that a value is, or holds."""
    return list(_data(value, 0, few=True))


def _is_unknown(identity: Identity) -> bool:
    artifact = identity.artifact
    return isinstance(artifact, Artifact) and artifact.origin == "unknown"


def known(value: object) -> Identity | None:
    """What is known of one object; None where it has to be looked at, or is no single one."""
    identity = registry.lookup(value)
    if identity is not None:
        kind = data_kind(value)
        if kind == "model" or (kind == "array" and _is_writable(value)):
            return None
    return identity


def _lookup(value: object) -> Identity | None:
    """What is known of an object, or of the array that it is a view of."""
    identity = registry.lookup(value)
    if identity is None:
        if memory.is_array(value):
            return memory.of_view(value)
        if tensors.is_tensor(value):
            return tensors.lookup(value)
    elif id(value) in prints:
        return in_place.as_it_is(value, identity)
    return identity


def identity_of(item: object) -> Identity:
    """What an input is; data that nothing is known about yet is looked at."""
    kind = data_kind(item)
    if kind == "model":
        return models.identity(item)
    identity = registry.lookup(item)
    changeable = kind == "array" and _is_writable(item)
    if identity is None and kind == "array" and tensors.is_tensor(item):
        identity = tensors.lookup(item)
    elif identity is None and kind == "array":
        identity = memory.behind(item) if changeable else memory.of_view(item)
    if identity is None:
        identity = Identity((unseen(item),))
        if not changeable and not _is_empty(item):  # of one without rows nothing comes
            registry.assign(item, identity)
    elif changeable:
        # NumPy changes arrays in place and nobody sees it: it still comes from where it came from,
        # but no derivation id may say that it is what it was.
        identity = in_place.as_it_is(item, identity)
        identity = derive(in_place.STEP, [identity], None) or identity
    return identity


def _is_writable(item: Any) -> bool:
    return bool(getattr(getattr(item, "flags", None), "writeable", True))


def unseen(value: object) -> Source:
    """The artifact of data that is not known as an object.

    It may be known by its content: an operation made it that could not hold on to the object. Any
    other equal content says nothing about this object's origin.
    """
    limit = run.settings.digest_limit
    if limit is not None and size(value) > limit:
        return unknown(over(limit), data_kind(value) or "object")
    artifact = identify(value)
    return registry.content(artifact.id, value) or replace(
        artifact, origin="unknown", names=names_of(value)
    )


def known_inputs(values: Iterable[object]) -> list[Identity]:
    """What is known about the data among ``values``; what is unknown is left out.

    Every small step asks this, most often in vain: hence no generator and no recursion for a value
    that is no container.
    """
    found: list[Identity] = []
    for value in values:
        if type(value) in PLAIN:
            continue
        identity = registry.lookup(value)
        if identity is None:
            kind, behind = _classify(value)
            if behind is not None:
                identity = _of_what_it_stands_for(value, behind)
            elif kind == "array":
                identity = _lookup(value)
            elif kind is None and isinstance(value, (list, tuple, dict)):
                known = map(_lookup, _data(value, 1, roots=False))
                found.extend(item for item in known if item is not None)
            if plans and kind is None:
                for _, plan in plans.find({"": value}):
                    found.extend(plan.tables)
        elif id(value) in prints:
            identity = in_place.as_it_is(value, identity)
        if identity is not None:
            found.append(identity)
    return found


def unknown_data(values: Iterable[object], *, few: bool = True) -> list[object]:
    """The tables and arrays among ``values``, and in them, of which ``known_inputs`` and
    ``known_contents`` say nothing; labels of rows and columns are none, nor what is empty."""
    return [
        item
        for value in values
        if type(value) not in PLAIN
        and not (isinstance(value, (dict, list, tuple)) and registry.container(value) is not None)
        for item in _data(value, 0, few=few)
        if _lookup(item) is None
        and data_kind(item) in ("table", "array")
        and not is_label(item)
        and not _is_empty(item)
    ]


def may_hold_data(value: object) -> bool:
    """Whether a value is no plain one and no list of these; asked of every argument of a step."""
    kind = type(value)
    if kind in PLAIN:
        return False
    if kind is list or kind is tuple:
        return not PLAIN.issuperset(map(type, value))  # type: ignore[call-overload]
    return kind is dict or data_kind(value) is not None


def is_label(value: object) -> bool:
    """Whether an object is an index of pandas."""
    try:
        return _labels[id(type(value))]
    except KeyError:
        return _labels.look(type(value))


def behind(value: object) -> Identity | None:
    """What is known of the table that ``value`` stands for."""
    found = _classify(value)[1]
    return None if found is None else _of_what_it_stands_for(value, found)


def _of_what_it_stands_for(value: object, behind: str | None) -> Identity | None:
    """Of what ``value`` has in the attribute ``behind``, or of what that stands for."""
    while behind is not None:
        value = getattr(value, behind, None)
        identity = registry.lookup(value)
        if identity is not None:
            return identity
        _, behind = _classify(value)
    return None


def known_contents(values: Iterable[object]) -> dict[int, Identity]:
    """The dicts and lists among ``values`` that an operation of this process made, by ``id``."""
    return {key: Identity((found[0],)) for key, found in digested_contents(values).items()}


def digested_contents(values: Iterable[object]) -> dict[int, tuple[Source, bytes | None]]:
    """As ``known_contents``: what each is, and its digest if that had to be taken."""
    return {
        id(value): found
        for value in values
        if isinstance(value, (dict, list, tuple))
        and (found := registry.digested(value)) is not None
    }


def come_out(value: object, source: Source, depth: int = 0) -> None:
    """A dict or list, and those in it, come from ``source``: each is known again by its content."""
    if not isinstance(value, (dict, list)) or depth == MAX_DEPTH:
        return
    digest = digest_value(value)
    if digest is not None:
        registry.remember(source, value, f"object:{digest.hex()}")
    for item in islice(value.values() if isinstance(value, dict) else value, MAX_LISTED):
        come_out(item, source, depth + 1)


def _data(value: object, depth: int, roots: bool = True, few: bool = False) -> Iterator[object]:
    if value is None or isinstance(value, (str, bytes, int, float)):
        return
    if registry.lookup(value) is not None:
        yield value
    elif isinstance(value, (list, tuple, dict)):
        if depth < MAX_DEPTH:
            items = value.values() if isinstance(value, dict) else value
            for index, item in enumerate(items):
                if index >= MAX_ITEMS:
                    break
                if index == MAX_LISTED and not _holds_objects(value):
                    break
                yield from _data(item, depth + 1, roots, few)
    else:
        kind, behind = _classify(value)
        if behind is not None:
            yield from _data(getattr(value, behind, None), depth + 1, roots, few)
        elif kind == "model":
            if roots and models.is_fitted(value):  # else it is a parameter, and no data
                yield value
        elif kind is not None and (
            (roots and (few or not is_small(value, kind))) or (kind == "array" and _lookup(value))
        ):
            yield value


def _holds_objects(value: Any) -> bool:
    """Whether a long list is more than a list of names and numbers, judged by its first items."""
    items = islice(value.values() if isinstance(value, dict) else value, MAX_LISTED)
    return any(not isinstance(item, (str, bytes, int, float, type(None))) for item in items)


def is_small(value: Any, kind: ArtifactKind) -> bool:
    """Whether a bare array is a list of values that a parameter shows in full."""
    if kind == "table" and type(value).__name__ in ("DataFrame", "Series", "Table", "RecordBatch"):
        return False
    if tensors.is_tensor(value):
        return bool(value.nelement() <= MAX_LISTED)
    if type(value).__module__.partition(".")[0] == "scipy":
        return False  # a sparse matrix is not shown
    if type(value).__module__ == "pyarrow.lib":
        return len(value) <= MAX_LISTED
    return getattr(value, "size", MAX_LISTED + 1) <= MAX_LISTED


def outputs(
    operation: OpenOperation,
    result: object,
    *,
    by_content: bool,
    role: str = "return",
) -> int:
    """Say what the data in ``result`` is from now on; how many pieces there were.

    ``by_content`` is for what comes from outside or goes there: it is known by its content. What
    an operation made of known data is known by how it was made.
    """
    number = 0
    for part, item in _results(result, role, 0):
        output(operation, part, item, by_content=by_content)
        number += 1
    return number


def holds_data(result: object) -> bool:
    """Whether there is data in ``result``, not only something to read it from later."""
    return next(_results(result, "", 0), None) is not None


def adopt(
    operation: OpenOperation, role: str, value: object, kind: ArtifactKind = "object"
) -> bool:
    """An output that is no table or array, known by how it was made; False if it cannot be held."""
    artifact = derived(operation, value, kind)
    if not operation.assign(value, artifact):
        return False
    operation.generate(role, artifact)
    return True


def output(
    operation: OpenOperation,
    role: str,
    item: object,
    *,
    by_content: bool,
    kind: ArtifactKind | None = None,
) -> None:
    """One output: a new artifact, and what the object is from now on.

    ``elsewhere`` is when the caller gets another object with its content. ``kind`` is that of the
    object, where it is at hand.
    """
    found = kind or data_kind(item)
    before = registry.lookup(item)
    if found == "model":
        models.made(operation, role, item, before=before)
        return
    if before is not None:
        # Recorded inside the call, or passed on by the library: what it came from was read too.
        for known in before.sources:
            if not operation.has_made(known):  # labels_, which fit_predict returns
                operation.use_artifact("inside", known)
    artifact: Source
    if by_content:
        if operation.call.fills and operation.tier == "full":
            columns.fill(item)
        artifact = look_at(operation, item) or _too_large(operation, item)
        names = names_of(item)
        if names is not None:
            artifact = with_(artifact, names=names)
    else:
        artifact = derived(operation, item, found)
        if operation.tier == "full":
            artifact = with_content(artifact, look_at(operation, item))
    operation.generate(role, artifact)
    operation.assign(item, artifact, _only_column(item))
    if found == "array":
        hold(item)


def _only_column(item: object) -> Columns:
    """The name of the column that a Series is: what steps compute of it comes from that."""
    names = names_of(item) if type(item).__name__ == "Series" else None
    return () if names is None else ((None, *names.columns),)


def hold(array: object) -> None:
    """An array is known from now on: so are the views of it."""
    identity = registry.lookup(array)
    if identity is None:
        return
    if tensors.is_tensor(array):
        tensors.come_from([array], identity)
    else:
        memory.note(array, identity)


def look_at(operation: OpenOperation, value: object) -> Source | None:
    """The artifact that a value is, by its content. Of much data it is found out in a thread.

    None where it is more than may be digested for the operation.
    """
    if data_kind(value) == "model":
        return models.content(operation, value)
    bytes_ = size(value)
    if bytes_ < SMALL:
        return identify(value)
    if not operation.budget.take(bytes_):
        return None
    still = snapshot(value) if background.limit else None
    return identify(value) if still is None else _later(still, bytes_)


def look_at_later(operation: OpenOperation, value: object) -> Source | None:
    """As ``look_at``; None where that has to be done after the call."""
    if data_kind(value) == "model":
        return models.content(operation, value)
    bytes_ = size(value)
    if bytes_ < SMALL or not background.limit or not operation.budget.fits(bytes_):
        return None
    still = snapshot(value)
    return _later(still, bytes_) if still is not None and operation.budget.take(bytes_) else None


def _later(still: object, bytes_: int) -> Source:
    return background.submit(lambda: identify(still), bytes_)


def _too_large(operation: OpenOperation, item: object) -> Source:
    return with_(derived(operation, item), reason=over(operation.budget.limit))


def derived(operation: OpenOperation, item: object, kind: ArtifactKind | None = None) -> Source:
    """The artifact of an output that is known by how it was made."""
    rows, columns = shape(item)
    names = names_of(item) if columns is not None else None
    return operation.derived(
        kind or data_kind(item) or "object", rows=rows, columns=columns, names=names
    )


def _results(value: object, role: str, depth: int) -> Iterator[tuple[str, object]]:
    if value is None or isinstance(value, (str, bytes, int, float)):
        return
    if data_kind(value) is not None:
        yield role, value
    elif isinstance(value, (list, tuple)) and depth < MAX_DEPTH:
        for index, item in enumerate(value[:MAX_ITEMS]):
            if index == MAX_LISTED and not _holds_objects(value):
                break
            yield from _results(item, f"{role}[{index}]", depth + 1)
    elif isinstance(value, dict) and depth < MAX_DEPTH:
        for index, (key, item) in enumerate(value.items()):
            if index >= MAX_ITEMS or (index == MAX_LISTED and not _holds_objects(value)):
                break
            label = key if isinstance(key, (str, int)) else index
            yield from _results(item, f"{role}[{label!r}]", depth + 1)

"""Delta Lake: tables whose versions are named by their log.

What is read or written is a version of a table: the id that its metadata has, and a number.
deltalake knows both when it has opened a table, and after a commit the number of that very commit,
whoever else commits meanwhile. Nothing is asked for once more, but where a table is new: its id is
in its log only.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any, Final
from weakref import WeakKeyDictionary

from otelprov.artifacts import digest_value, identify_location
from otelprov.artifacts.deferred import Source
from otelprov.artifacts.lakes import delta_facts, table_place
from otelprov.artifacts.registry import Step, registry
from otelprov.instrumentation._calls import Function, is_internal
from otelprov.instrumentation._lakes import OfTable, version_at
from otelprov.instrumentation._projections import asked_of
from otelprov.instrumentation._table import (
    Binder,
    Entry,
    query,
    read,
    step,
    when_called,
    write,
)
from otelprov.instrumentation._wrapping import followed
from otelprov.model import Artifact
from otelprov.recording import faults, observation, places
from otelprov.recording.noted import with_content
from otelprov.recording.parameters import Defaults
from otelprov.recording.plans import after, given, plans
from otelprov.recording.recorder import OpenOperation, current_operation
from otelprov.recording.versioned import Versioned

ODDITIES: Final = (
    "A table is known by the id in its metadata and its version. DeltaTable() and load_as_version "
    "are no operations: what reads then names the version.",
    "A commit uses the version before, but for one that replaces all of the table, and for "
    "restore, which uses the version that it restores.",
    "merge is recorded when it is executed, with its predicate and its clauses.",
    "load_cdf uses the versions whose changes it gives (of more than 50 the last; by times of day, "
    "the table by its place), QueryBuilder.execute the versions of the tables that its statement "
    "names.",
    "What scan, load_cdf and QueryBuilder give is read in Rust: who reads on from it makes data of "
    "unknown origin. So does pyarrow with the data set of to_pyarrow_dataset.",
    "Where several programs create a table at once, it is known by its place only which of the "
    "first versions is whose.",
)


def version_of(table: Any, number: int | None = None) -> Artifact:
    """The version of a table that is loaded, or another of the same table.

    ``table`` is a ``DeltaTable``, or the object of Rust's behind it.
    """
    raw = getattr(table, "_table", table)
    loaded = raw.version()
    version = loaded if number is None else number
    facts = delta_facts(str(raw.metadata().id), version)
    schema = (lambda: _arrow(raw.schema)) if version == loaded else None
    return version_at(raw.table_uri(), facts, str(version), schema)


def _raw_of(owner: Any) -> Any:
    """The object of Rust's behind a table, or behind ``table.optimize`` and the like."""
    return getattr(getattr(owner, "table", owner), "_table", None)


def _of_a_table(_: Mapping[str, Any], owner: object) -> bool:
    """Whether there is a table: tests put others in its place, or leave it out."""
    return type(_raw_of(owner)).__name__ == "RawDeltaTable"


def _arrow(schema: Any) -> Any:
    return schema.to_arrow()


# --- tables that the library, or another, opens by itself ----------------------------------------


class _Last(threading.local):
    """What another library has opened last, in this thread."""

    found: Any = None


_last = _Last()
_opened: WeakKeyDictionary[OpenOperation, list[tuple[Any, int]]] = WeakKeyDictionary()
"""The tables that were opened inside an operation, each with its version then. They are kept until
that is over: a commit is known by what it leaves in the table that it was made with."""


def opening(original: Function) -> Function:
    """For ``DeltaTable.__init__``: who opens a table for the program reads or writes it."""
    return followed(original, _noted, "which version of a table is read is not known")


def _noted(frame: FrameType, _: object, table: Any, *arguments: Any, **keywords: Any) -> None:
    if not is_internal(frame):
        return
    _last.found = table
    operation = current_operation()
    if operation is not None:
        _opened.setdefault(operation, []).append((table, table._table.version()))


def scanning(original: Function) -> Function:
    """For the class of Polars that opens a table when a plan is executed."""
    return followed(original, _scanned, "which version of a table is read is not known")


def _scanned(_: FrameType, __: object, dataset: Any, *arguments: Any, **keywords: Any) -> None:
    _last.found = dataset


def source(parameters: Mapping[str, Any]) -> Versioned:
    """What Polars reads as ``source``: the version that it has opened for that, or will open."""
    place, found = parameters["source"], _last.found
    _last.found = None
    if not isinstance(place, _delta_table()):
        place = str(place)
    elif found is None:
        return _fixed(version_of(place))
    if found is None:
        return _fixed(identify_location(table_place(place)[1]))
    holder = getattr(found, "table_", None)
    if holder is None:  # it is the table: this version of Polars has no such class
        return _fixed(version_of(found))

    def version() -> Artifact:
        table = holder.get()
        return version_of(table) if table is not None else identify_location(table_place(place)[1])

    return Versioned(version, asked_of(found))


def _fixed(artifact: Artifact) -> Versioned:
    return Versioned(lambda: artifact)


def _delta_table() -> Any:
    module = sys.modules.get("deltalake")
    return module.DeltaTable if module is not None else ()


# --- reads ----------------------------------------------------------------------------------------


class _Read(OfTable):
    """A read of the version that is loaded."""

    __slots__ = ()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        used = version_of(self.target)
        self.operation.use_content("self", used)
        columns = self.parameters.get("columns")
        if isinstance(columns, (list, tuple)):
            self.operation.take(used, tuple(map(str, columns)))


class _History(_Read):
    """What the log says, as dicts."""

    __slots__ = ()

    def _read(self, result: object) -> None:
        self.operation.generate_content("return", result)


class _Changes(OfTable):
    """What commits have changed, row by row."""

    __slots__ = ()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        said, raw = self.parameters, _raw_of(self.target)
        # Of a version and a time the version counts.
        if any(
            said.get(f"{end}_version") is None and said.get(f"{end}_timestamp") is not None
            for end in ("starting", "ending")
        ):
            self.operation.use_content("self", identify_location(table_place(raw.table_uri())[1]))
            return
        last = raw.version()
        if isinstance(said.get("ending_version"), int):
            last = min(last, said["ending_version"])
        first = said.get("starting_version") or 0
        for number in range(max(first, last - MAX_CHANGES + 1), last + 1):
            used = version_of(raw, number)
            self.operation.use_content("self", used)
            if isinstance(said.get("columns"), (list, tuple)):
                self.operation.take(used, tuple(map(str, said["columns"])))


MAX_CHANGES: Final = 50
"""Versions that one read of changes names."""


registered: WeakKeyDictionary[Any, dict[str, Artifact]] = WeakKeyDictionary()
"""By builder of queries the versions of its tables, by their names in lower case."""


def _registering(original: Function) -> Function:
    binder = Binder(original, method=True)

    def noted(_: FrameType, __: object, builder: Any, *args: Any, **keywords: Any) -> None:
        parameters, _given = binder.bind(args, keywords)
        name = str(parameters["table_name"]).lower()
        registered.setdefault(builder, {})[name] = version_of(parameters["delta_table"])

    return followed(original, noted, "which table a query reads is not known")


# --- commits --------------------------------------------------------------------------------------


class Written(OfTable):
    """Data is written to a table that may be there already, by whichever library."""

    __slots__ = ("_before",)
    _PARAMETERS: Final = ("table_or_uri", "target")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        table = self._named
        self._before = table._table.version() if isinstance(table, _delta_table()) else None

    @property
    def _role(self) -> str:
        return next(name for name in self._PARAMETERS if name in self.parameters)

    @property
    def _named(self) -> Any:
        return self.parameters[self._role]

    @property
    def _replaces(self) -> bool:
        """Whether nothing of the version before is in the next."""
        options = self.parameters.get("delta_write_options") or {}
        predicate = self.parameters.get("predicate", options.get("predicate"))
        return self.parameters.get("mode") == "overwrite" and predicate is None

    def _written(self, result: object) -> None:
        operation, mode = self.operation, self.parameters.get("mode")
        data = self._data()
        if operation.content is None and observation.data_kind(data) is not None:
            operation.content = observation.look_at(operation, data)
        opened = _opened.pop(operation, [])
        if self._before is not None:
            opened = [(self._named, self._before)]
        if not opened:
            made: Source = self._created()
        else:
            table, before = opened[-1]
            after = table._table.version()
            if after == before:
                return  # mode="ignore", and it is there
            made = version_of(table)
            if not self._replaces:
                operation.use_content(self._role, version_of(table, after - 1))
        if not opened or (self._replaces and mode is not None):
            known = registry.lookup(data)
            if known is not None and known.artifact is not None:
                operation.wrote(known.artifact)
            made = with_content(made, operation.content)
        operation.generate(self._role, made)

    def _created(self) -> Artifact:
        """The first version of a table: no object of the library's knows it yet."""
        place = str(self._named)
        options = self.parameters.get("storage_options")
        with faults.contained("which version was written is not known"):
            table = _delta_table()(place, storage_options=options)
            if table._table.version() == 0:
                return version_of(table)
        return identify_location(table_place(place)[1])


class _Committed(OfTable):
    """A table is changed by what its own log makes of it."""

    __slots__ = ("_before",)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._before = self._raw.version()

    @property
    def _raw(self) -> Any:
        return _raw_of(self.target)

    def _written(self, result: object) -> None:
        raw = self._raw
        after = raw.version()
        if after == self._before:  # nothing was to be done
            self.operation.use_content("self", version_of(raw))
            return
        self._commit(after)

    def _commit(self, number: int) -> None:
        self.operation.use_content("self", version_of(self._raw, number - 1))
        self.operation.generate("self", version_of(self._raw))

    def failed(self, error: BaseException) -> None:
        with faults.contained(self.site.recorded_in_part):
            self.operation.use_content("self", version_of(self._raw, self._before))
        super().failed(error)


class _Vacuumed(_Committed):
    """Two commits: that it begins, and that it is done. deltalake 1.0 does not load them."""

    __slots__ = ()

    def _written(self, result: object) -> None:
        owner: Any = self.target
        said: dict[int, str] = {}
        if not self.parameters.get("dry_run", True):
            said = {one["version"]: one["operation"] for one in owner.history(2)}
        last = max(said, default=self._before)
        if last <= self._before or said[last] != "VACUUM END":
            super()._written(result)
            return
        begun = last - 1 if said.get(last - 1) == "VACUUM START" else last
        self.operation.use_content("self", version_of(self._raw, begun - 1))
        for number in range(begun, last + 1):
            self.operation.generate("self", version_of(self._raw, number))


class _Restored(_Committed):
    """The next version is one of those before."""

    __slots__ = ()

    def _commit(self, number: int) -> None:
        target = self.parameters["target"]
        if not isinstance(target, int):
            owner: Any = self.target
            options = getattr(owner, "_storage_options", None)
            then = _delta_table()(self._raw.table_uri(), storage_options=options)
            then.load_as_version(target)
            target = then._table.version()
        self.operation.use_content("target", version_of(self._raw, target))
        self.operation.generate("self", version_of(self._raw))


class _Created(OfTable):
    """An empty table."""

    __slots__ = ()

    def _written(self, result: object) -> None:
        if self.parameters.get("mode") == "ignore":  # then it may have been there
            return
        if _of_a_table({}, result):
            self.operation.generate("return", version_of(result))


class _Converted(OfTable):
    """Parquet files become a table where they are."""

    __slots__ = ()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        places.read_from(self.operation, "uri", self.parameters["uri"])

    def _written(self, result: object) -> None:
        options = self.parameters.get("storage_options")
        table = _delta_table()(str(self.parameters["uri"]), storage_options=options)
        if table._table.version() == 0:
            self.operation.generate("uri", version_of(table))


# --- merges ---------------------------------------------------------------------------------------

_clauses: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
"""What a merge that is not executed yet is to do: its parameters, and those of its clauses."""


def _merging(original: Function) -> Function:
    binder = Binder(original, method=True)

    def begun(_: FrameType, merger: object, table: Any, *arguments: Any, **keywords: Any) -> None:
        parameters, given_ = binder.bind(arguments, keywords)
        said = {name: parameters[name] for name in given_ if name in _MERGE}
        _clauses[merger] = said
        source = parameters.get("source")
        if observation.data_kind(source) is not None or registry.lookup(source) is not None:
            leaf = given("source", observation.identity_of(source))
            plans.assign(merger, after(_STEP, [leaf], digest_value(said)))

    return followed(original, begun, "what is merged is not known")


_MERGE: Final = ("predicate", "source_alias", "target_alias", "merge_schema")
_STEP: Final = Step("deltalake", "merge")


def _clause(name: str) -> Callable[[Function], Function]:
    def adding(original: Function) -> Function:
        binder = Binder(original, method=True)

        def added(_: FrameType, __: object, merger: Any, *args: Any, **keywords: Any) -> None:
            parameters, given_ = binder.bind(args, keywords)
            said = _clauses.setdefault(merger, {})
            number = sum(one.split(" ")[0] == name for one in said)
            shown = {one: parameters[one] for one in given_}
            said[f"{name} {number + 1}" if number else name] = shown or True

        return followed(original, added, "what a merge does is known in part")

    return adding


class _Merged(_Committed):
    """What was said of it belongs to its execution."""

    __slots__ = ()

    def _more(self, plain: dict[str, Any], given: list[str]) -> Defaults:
        for name, value in _clauses.get(self.target, {}).items():
            plain[name] = value
            given.append(name)
        return super()._more(plain, given)


# --- the table ------------------------------------------------------------------------------------

_WRITE: Final = ("mode", "partition_by", "schema_mode", "predicate", "name", "description")
_CLAUSES: Final = (
    "when_matched_update when_matched_update_all when_matched_delete when_not_matched_insert "
    "when_not_matched_insert_all when_not_matched_by_source_update "
    "when_not_matched_by_source_delete"
)
_ALTERATIONS: Final = (
    "add_feature add_columns add_constraint drop_constraint drop_column_not_null "
    "set_table_properties set_table_name set_table_description set_column_metadata"
)


def _table() -> Iterable[Entry]:
    yield step("DeltaTable.__init__", around=opening)
    for name in ("to_pandas", "to_pyarrow_table", "to_pyarrow_dataset", "scan"):
        yield read(f"DeltaTable.{name}", observed=_Read, shows=_READ, only_when=_of_a_table)
    yield read("DeltaTable.history", observed=_History, only_when=_of_a_table)
    yield read("DeltaTable.load_cdf", observed=_Changes, shows=_CHANGES, only_when=_of_a_table)
    yield step("QueryBuilder.register", around=_registering)
    yield query(
        "QueryBuilder.execute",
        name="QueryBuilder.execute",
        observed=when_called("_lake_queries", "Queried"),
        shows=(),
    )
    yield write("write_deltalake", data="data", observed=Written, shows=_WRITE)
    yield write("DeltaTable.create", data="", observed=_Created, shows=_WRITE)
    yield write("convert_to_deltalake", data="", observed=_Converted, shows=_WRITE)
    for name in ("delete", "update", "repair"):
        yield _change(f"DeltaTable.{name}", shows=_CHANGE)
    yield _change("DeltaTable.create_write_transaction", shows=_WRITE)
    yield _change("DeltaTable.vacuum", observed=_Vacuumed, shows=_CHANGE)
    yield _change("DeltaTable.restore", observed=_Restored, shows=("target",))
    for name in ("compact", "z_order"):
        yield _change(
            f"table.TableOptimizer.{name}",
            name=f"optimize.{name}",
            shows=("columns", "partition_filters", "target_size"),
        )
    for name in _ALTERATIONS.split():
        yield _change(f"table.TableAlterer.{name}", name=f"alter.{name}")
    yield step("DeltaTable.merge", around=_merging)
    for name in _CLAUSES.split():
        yield step(f"table.TableMerger.{name}", around=_clause(name))
    yield _change("table.TableMerger.execute", name="merge", observed=_Merged)


def _change(path: str, *, observed: type[_Committed] = _Committed, **facts: Any) -> Entry:
    return write(path, data="", observed=observed, only_when=_of_a_table, **facts)


_CHANGES: Final = (
    "starting_version", "ending_version", "starting_timestamp", "ending_timestamp", "columns",
    "predicate",
)  # fmt: skip
_READ: Final = ("partitions", "columns", "filters", "predicate", "file_pruning_predicate")
_CHANGE: Final = (
    "predicate", "updates", "new_values", "dry_run", "retention_hours", "full", "keep_versions",
)  # fmt: skip

TABLES = {"deltalake": _table}

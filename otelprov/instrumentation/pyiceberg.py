"""Apache Iceberg: tables whose versions are snapshots.

What is read or written is a snapshot of a table, under the schema that it is seen with: a column
that is added makes no snapshot, and what is read is another table all the same. The ids of the
snapshots that a commit adds stand in what the library hands to the catalog, so each writer knows
its own, whoever else commits meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any, Final
from weakref import WeakKeyDictionary

from otelprov.artifacts import digest_value
from otelprov.artifacts.deferred import Source
from otelprov.artifacts.lakes import iceberg_facts, iceberg_version
from otelprov.artifacts.registry import Identity, Step, registry
from otelprov.instrumentation._calls import Function, Observed, is_internal
from otelprov.instrumentation._lakes import OfTable, version_at
from otelprov.instrumentation._table import Binder, Entry, read, step, write
from otelprov.instrumentation._wrapping import followed
from otelprov.model import Artifact
from otelprov.recording import observation
from otelprov.recording.column_sources import ColumnSources, Origin
from otelprov.recording.noted import with_content
from otelprov.recording.parameters import Defaults
from otelprov.recording.plans import after, plans, scan
from otelprov.recording.recorder import OpenOperation, current_operation
from otelprov.recording.streams import local_path
from otelprov.recording.versioned import Versioned

ODDITIES: Final = (
    "A table is known by its UUID, the snapshot, and the schema that it is read with. load_table "
    "and scan are no operations: what executes a scan names the snapshot.",
    "A commit uses the snapshot that it was made upon, but for one that replaces all of the table. "
    "overwrite may make two snapshots, of which both are named.",
    "What a transaction does is one operation, when it is committed.",
    "Tables that inspect gives, incremental scans, branches, tags and the creation of tables are "
    "not recorded; what is read of a RecordBatchReader is not followed.",
    "Polars: a scan of a table or of a local metadata file names the snapshot, one by the name in "
    "a catalog does not. read_iceberg and to_iceberg of pandas name it.",
)


def version_of(metadata: Any, snapshot_id: int | None, schema_id: int) -> Artifact:
    """A snapshot of the table with this metadata, as a schema shows it; None for a table that is
    empty."""
    facts = iceberg_facts(str(metadata.table_uuid), snapshot_id, schema_id)
    version = "empty" if snapshot_id is None else str(snapshot_id)
    return version_at(metadata.location, facts, version, lambda: _arrow(metadata, schema_id))


def _arrow(metadata: Any, schema_id: int) -> Any:
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    found = metadata.schema_by_id(schema_id)
    return schema_to_pyarrow(found, include_field_ids=False)


def _seen(metadata: Any, snapshot_id: int | None) -> Artifact:
    """What a scan reads: a snapshot that was asked for under the schema that it was made with."""
    if snapshot_id is None:
        return version_of(metadata, metadata.current_snapshot_id, metadata.current_schema_id)
    snapshot = metadata.snapshot_by_id(snapshot_id)
    schema = getattr(snapshot, "schema_id", None)
    return version_of(
        metadata, snapshot_id, metadata.current_schema_id if schema is None else schema
    )


# --- reads ----------------------------------------------------------------------------------------


class _Scanned(OfTable):
    """A scan is executed."""

    __slots__ = ()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        owner: Any = self.target
        used = _seen(owner.table_metadata, owner.snapshot_id)
        self.operation.use_content("self", used)
        if tuple(owner.selected_fields) != ("*",):
            self.operation.take(used, tuple(owner.selected_fields))

    def _more(self, plain: dict[str, Any], given: list[str]) -> Defaults:
        owner: Any = self.target
        said = {"row_filter": str(owner.row_filter), "selected_fields": owner.selected_fields}
        for name, value in {**said, "limit": owner.limit, "snapshot_id": owner.snapshot_id}.items():
            if value is not None and value not in ("AlwaysTrue()", ("*",)):
                plain[name] = value
                given.append(name)
        return super()._more(plain, given)


_asked: WeakKeyDictionary[OpenOperation, list[tuple[Artifact, tuple[str, ...]]]] = (
    WeakKeyDictionary()
)
"""What an operation of pandas' has scanned, and the columns that it took of that."""


def _inside(arguments: tuple[Any, ...]) -> None:
    operation = current_operation()
    if operation is not None and operation.call.library == "pandas":
        scan_ = arguments[0]
        seen = _seen(scan_.table_metadata, scan_.snapshot_id)
        _asked.setdefault(operation, []).append((seen, tuple(scan_.selected_fields)))


class Asked(Observed):
    """A call of pandas' that reads a table by its name."""

    __slots__ = ()

    def _read(self, result: object) -> None:
        found = _asked.pop(self.operation, None)
        if found is None:  # it is not recorded what pyiceberg does
            super()._read(result)
            return
        for used, fields in found:
            self.operation.use_content("table_identifier", used)
            if fields != ("*",):
                self.operation.take(used, fields)
        observation.outputs(self.operation, result, by_content=True)


class _Registered(_Scanned):
    """The rows become a view of DuckDB's."""

    __slots__ = ()

    def _read(self, result: object) -> None:
        from otelprov.instrumentation.duckdb.names import connection_of

        view = str(self.parameters["table_name"]).lower()
        rows = connection_of(result).registered.get(view)
        if rows is not None:
            observation.output(self.operation, "return", rows, by_content=True)


def _lazily(original: Function) -> Function:
    """For ``Table.to_polars``: a LazyFrame that reads the table when it is executed."""

    def made(_: FrameType, lazy: object, table: Any) -> None:
        leaf = scan("self", Versioned(lambda: _seen(table.metadata, None)))
        plans.assign(lazy, after(_STEP, [leaf], digest_value([]), runs_functions=True))

    return followed(original, made, "what a LazyFrame reads is not known")


_STEP: Final = Step("pyiceberg", "to_polars")


def source(parameters: Mapping[str, Any]) -> Any:
    """What Polars reads as ``source``."""
    place, snapshot = parameters["source"], parameters.get("snapshot_id")
    if hasattr(place, "metadata"):
        return Versioned(lambda: _seen(place.metadata, snapshot))
    path = local_path(place) if isinstance(place, str) else None
    if path is None or not path.endswith(".json"):
        return place
    return Versioned(lambda: _in_file(path, snapshot))


def _in_file(path: str, snapshot_id: int | None) -> Artifact:
    """The version that a metadata file describes: it never changes."""
    with open(path, encoding="utf-8") as file:
        return iceberg_version(json.load(file), snapshot_id)


# --- commits --------------------------------------------------------------------------------------

_commits: WeakKeyDictionary[OpenOperation, list[tuple[Any, tuple[int, ...]]]] = WeakKeyDictionary()
"""What was committed inside an operation: the table's metadata after that, and the snapshots that
were added."""
_staged: WeakKeyDictionary[Any, list[_Staged]] = WeakKeyDictionary()
"""What transactions are to do when they are committed."""


class _Staged:
    """One change of a transaction."""

    __slots__ = ("data", "name", "replaces")

    def __init__(self, name: str, data: Identity | None, replaces: bool) -> None:
        self.name, self.data, self.replaces = name, data, replaces


def _committing(original: Function) -> Function:
    """For ``Table._do_commit``, which every commit goes through; it raises where none is made."""

    def committed(_: FrameType, __: object, table: Any, *arguments: Any, **keywords: Any) -> None:
        operation = current_operation()
        if operation is not None:
            updates = keywords["updates"] if "updates" in keywords else arguments[0]
            added = tuple(
                one.snapshot.snapshot_id
                for one in updates
                if type(one).__name__ == "AddSnapshotUpdate"
            )
            _commits.setdefault(operation, []).append((table.metadata, added))

    return followed(original, committed, "which snapshot was written is not known")


def _staging(name: str) -> Callable[[Function], Function]:
    """For the methods of ``Transaction``, where the program itself calls them."""

    def around(original: Function) -> Function:
        binder = Binder(original, method=True)

        def staged(frame: FrameType, _: object, transaction: Any, *args: Any, **kw: Any) -> None:
            if is_internal(frame):
                return
            parameters, _given = binder.bind(args, kw)
            data = parameters.get("df")
            known = observation.data_kind(data) is not None or registry.lookup(data) is not None
            identity = observation.identity_of(data) if known else None
            changes = _staged.setdefault(transaction, [])
            changes.append(_Staged(name, identity, name == "overwrite" and _is_all(parameters)))

        return followed(original, staged, "what a transaction does is known in part")

    return around


def _is_all(parameters: Mapping[str, Any]) -> bool:
    """Whether an overwrite leaves nothing of what was there."""
    filter_ = parameters.get("overwrite_filter")
    return filter_ is None or str(filter_) in ("AlwaysTrue()", "True", "true")


class Committed(OfTable):
    """A call that commits, by whichever library."""

    __slots__ = ("_before",)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        owner: Any = self.target
        owner = getattr(owner, "_transaction", owner)
        metadata = getattr(getattr(owner, "_table", owner), "metadata", None)
        named = self.parameters.get("target")  # of Polars
        metadata = getattr(named, "metadata", None) if metadata is None else metadata
        self._before: tuple[int | None, int] | None = None
        if metadata is not None:
            self._before = metadata.current_snapshot_id, metadata.current_schema_id

    def _changes(self) -> list[_Staged]:
        return []

    @property
    def _replaces(self) -> bool:
        if self.site.attribute == "overwrite":
            return _is_all(self.parameters)
        return self.parameters.get("mode") == "overwrite" and not any(
            self.parameters.get(name) is not None
            for name in ("overwrite_filter", "partition_overwrite")
        )

    def _written(self, result: object) -> None:
        operation = self.operation
        changes = self._changes()
        for one in changes:
            if one.data is not None:
                operation.use("df", one.data)
        data = self._data()
        if operation.content is None and observation.data_kind(data) is not None:
            operation.content = observation.look_at(operation, data)
        replaces = changes[0].replaces if changes else self._replaces
        for metadata, added in _commits.pop(operation, []):
            if added:
                self._added(metadata, added, replaces)
            elif self._before is not None and self._before[1] != metadata.current_schema_id:
                operation.use_content("self", version_of(metadata, *self._before))
                operation.come_from(_renamed(metadata, self._before[1], operation.used_so_far()))
                current = metadata.current_snapshot_id
                operation.generate("self", version_of(metadata, current, self._schema(metadata)))

    def _added(self, metadata: Any, added: tuple[int, ...], replaces: bool) -> None:
        operation = self.operation
        first = metadata.snapshot_by_id(added[0])
        parent = None if first is None else first.parent_snapshot_id
        if parent is not None and not replaces:
            known = metadata.snapshot_by_id(parent)
            schema = getattr(known, "schema_id", None)
            if self._before is not None and self._before[0] == parent:
                schema = self._before[1]
            schema = metadata.current_schema_id if schema is None else schema
            operation.use_content("self", version_of(metadata, parent, schema))
        for number in added:
            made: Source = version_of(metadata, number, self._schema(metadata))
            if number == added[-1] and (parent is None or replaces):
                made = with_content(made, operation.content)
            operation.generate("self", made)

    @staticmethod
    def _schema(metadata: Any) -> int:
        return int(metadata.current_schema_id)


def _renamed(metadata: Any, before: int, used: list[Source]) -> ColumnSources:
    """A column is another's whose number it has, whatever they are called."""
    schemas = {one.schema_id: one for one in metadata.schemas}
    old = {field.field_id: field.name for field in schemas[before].fields}
    columns: dict[str, tuple[Origin, ...]] = {
        field.name: (Origin(0, old[field.field_id], "identity"),) if field.field_id in old else ()
        for field in schemas[metadata.current_schema_id].fields
    }
    return ColumnSources(columns, used=[used])


class Written(Committed):
    """A call of pandas' that writes to a table by its name."""

    __slots__ = ()

    @property
    def _replaces(self) -> bool:
        return not self.parameters.get("append")

    def _written(self, result: object) -> None:
        if self.operation in _commits:
            super()._written(result)
        else:  # it is not recorded what pyiceberg does
            Observed._written(self, result)


class _Transacted(Committed):
    """Several changes, committed at once."""

    __slots__ = ()

    def _changes(self) -> list[_Staged]:
        return _staged.pop(self.target, [])

    def _more(self, plain: dict[str, Any], given: list[str]) -> Defaults:
        changes = _staged.get(self.target)
        if changes:
            plain["changes"] = [one.name for one in changes]
            given.append("changes")
        return super()._more(plain, given)


def _is_kept(parameters: Mapping[str, Any], _: object) -> bool:
    """Whether a block ends without an exception: else nothing is committed."""
    return parameters.get("exctype") is None


def _evolves(parameters: Mapping[str, Any], updates: object) -> bool:
    """Whether it is the schema that is changed, and at once."""
    transaction = getattr(updates, "_transaction", None)
    return (
        type(updates).__name__ == "UpdateSchema"
        and bool(getattr(transaction, "_autocommit", False))
        and _is_kept(parameters, updates)
    )


_CHANGES: Final = ("append", "overwrite", "upsert", "delete", "dynamic_partition_overwrite")
_SHOWN: Final = (
    "overwrite_filter", "delete_filter", "join_cols", "when_matched_update_all",
    "when_not_matched_insert_all", "case_sensitive", "branch", "changes",
)  # fmt: skip


def _tables() -> Iterable[Entry]:
    for name in ("to_arrow", "to_pandas", "to_polars", "to_arrow_batch_reader"):
        inside = _inside if name == "to_arrow" else None
        yield read(f"DataScan.{name}", observed=_Scanned, shows=_SCAN, inside=inside)
    yield read("DataScan.to_duckdb", observed=_Registered, shows=_SCAN)
    yield step("Table.to_polars", around=_lazily)
    yield step("Table._do_commit", around=_committing)
    for name in _CHANGES:
        yield write(f"Table.{name}", data="df", observed=Committed, shows=_SHOWN)
        yield step(f"Transaction.{name}", around=_staging(name))
    yield write("Table.add_files", data="", observed=Committed, shows=_SHOWN)
    yield step("Transaction.add_files", around=_staging("add_files"))
    for owner in ("Transaction", "CreateTableTransaction"):
        yield write(
            f"{owner}.commit_transaction",
            name="transaction",
            data="",
            observed=_Transacted,
            shows=_SHOWN,
        )
    yield write(
        "Transaction.__exit__",
        name="transaction",
        data="",
        observed=_Transacted,
        only_when=_is_kept,
        shows=_SHOWN,
    )


_SCAN: Final = ("row_filter", "selected_fields", "limit", "snapshot_id", "table_name")


def _updates() -> Iterable[Entry]:
    for name in ("commit", "__exit__"):
        yield write(
            f"UpdateTableMetadata.{name}",
            name="update_schema",
            data="",
            observed=Committed,
            only_when=_evolves,
            shows=(),
        )


TABLES = {"pyiceberg.table": _tables, "pyiceberg.table.update": _updates}

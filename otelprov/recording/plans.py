"""Lazy objects: what they will read when they are executed, and how they were made.

A LazyFrame, an expression, a relation of a database is no data. To build one makes no span: it
carries a *plan*, which names its sources (files that are still to be read, tables in memory) and
stands for the steps that lead from them to it. What executes it is one operation, which used these
sources as they are then.
"""

from __future__ import annotations

import glob
import os
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeAlias

from otelprov._record import record
from otelprov.artifacts import digest_value
from otelprov.artifacts.deferred import Pending, Source, pending, settled
from otelprov.artifacts.locations import name_and_uri
from otelprov.artifacts.registry import Identity, Step
from otelprov.model import Artifact
from otelprov.recording import places
from otelprov.recording.bounds import FAILED, WHOLE, Reading
from otelprov.recording.column_sources import ColumnSources
from otelprov.recording.recorder import OpenOperation
from otelprov.recording.versioned import Versioned

MAX_ITEMS: Final = 10_000
"""Items of one list or dict argument that are looked at for lazy objects."""
MAX_DEPTH: Final = 3


@record(eq=False)
class Scan:
    """A place outside that is read when the plan is executed."""

    role: str
    """The parameter that named it."""
    place: object
    """One path, URL, open file or buffer, or several."""
    how: Reading = WHOLE


@record(eq=False)
class Given:
    """A table in memory, as it was when it became part of the plan."""

    role: str
    identity: Identity


@record(eq=False)
class Target:
    """A place outside that is written when the plan is executed."""

    role: str
    place: object


Leaf: TypeAlias = Scan | Given | Target


@record(eq=False)
class Plan:
    """What a lazy object carries."""

    leaves: tuple[Leaf, ...]
    """Its sources, in the order in which they came in, and each but once."""
    path: bytes | Pending[bytes]
    """Digest of the steps from the sources, which it knows by their numbers: the same steps from
    other files have the same. Random where a step is not known exactly."""
    runs_functions: bool = False
    """Whether functions of the program's own are part of it."""

    @property
    def tables(self) -> list[Identity]:
        """Its sources that are in memory."""
        return [leaf.identity for leaf in self.leaves if isinstance(leaf, Given)]


class Plans:
    """Live lazy objects by ``id``, weakly held as in ``artifacts.registry``."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref[object], Plan]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def lookup(self, value: object) -> Plan | None:
        """The plan that ``value`` carries."""
        entry = self._entries.get(id(value))
        return entry[1] if entry is not None and entry[0]() is value else None

    def assign(self, value: object, plan: Plan) -> bool:
        """Say what ``value`` carries from now on. False when it cannot be held weakly."""
        key = id(value)
        try:
            reference = weakref.ref(value, partial(self._entries.pop, key))
        except TypeError:
            return False
        self._entries[key] = (reference, plan)
        return True

    def find(self, parameters: Mapping[str, object]) -> list[tuple[str, Plan]]:
        """The plans among parameters, also in lists and dicts, each with its parameter's name."""
        if not self._entries:
            return []
        return [
            (name, plan)
            for name, value in parameters.items()
            if value is not None
            for plan in self._in(value, 0)
        ]

    def _in(self, value: object, depth: int) -> Iterator[Plan]:
        plan = self.lookup(value)
        if plan is not None:
            yield plan
        elif isinstance(value, (list, tuple, dict)) and depth < MAX_DEPTH:
            items = value.values() if isinstance(value, dict) else value
            for index, item in enumerate(items):
                if index >= MAX_ITEMS:
                    break
                yield from self._in(item, depth + 1)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


plans = Plans()


# --- building -------------------------------------------------------------------------------------


def scan(role: str, place: object, how: Reading = WHOLE) -> Plan:
    """The plan that only reads ``place``; further parameters of the read are a step of their own.

    A list is kept as it is now.
    """
    if isinstance(place, (list, set)):
        place = tuple(place)
    return Plan((Scan(role, place, how),), _SOURCE)


def target(role: str, place: object) -> Plan:
    """The plan that only writes ``place``."""
    return Plan((Target(role, place),), _SOURCE)


def given(role: str, identity: Identity) -> Plan:
    """The plan that only gives a table in memory."""
    return Plan((Given(role, identity),), _SOURCE)


_SOURCE: Final = b""


def after(
    step: Step,
    before: Sequence[Plan],
    detail: bytes | Pending[bytes | None] | None,
    *,
    runs_functions: bool = False,
) -> Plan:
    """The plan of what a step makes of other plans.

    ``detail`` is the digest of the step's own parameters; None when they are not known.
    """
    leaves: dict[object, int] = {}
    numbers = [
        [leaves.setdefault(_Key(leaf), len(leaves)) for leaf in plan.leaves] for plan in before
    ]
    if len(before) == 1:
        found = before[0].leaves
    else:
        found = tuple(key.leaf for key in leaves if isinstance(key, _Key))
    runs_functions = runs_functions or any(plan.runs_functions for plan in before)
    if detail is None:
        return Plan(found, os.urandom(32), runs_functions)
    paths = [plan.path for plan in before]
    said = [step.library, step.name, step.version]

    def path() -> bytes:
        own = detail.result() if isinstance(detail, Pending) else detail
        if own is None:
            return os.urandom(32)
        known = [one.result() if isinstance(one, Pending) else one for one in paths]
        return digest_value([*said, own, numbers, known]) or os.urandom(32)

    waiting = pending((detail, *paths))
    return Plan(found, Pending(path, waiting) if waiting else path(), runs_functions)


class _Key:
    """Two leaves are one if they are the same place, or the same table."""

    __slots__ = ("_said", "leaf")

    def __init__(self, leaf: Leaf) -> None:
        self.leaf = leaf
        if isinstance(leaf, Given):
            identity = leaf.identity
            path = identity.path
            self._said: object = (
                tuple(map(_source_key, identity.sources)),
                path if isinstance(path, bytes) else id(path),
            )
        else:
            self._said = _place_key(leaf)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._said == other._said

    def __hash__(self) -> int:
        return hash(self._said)


def _source_key(source: Any) -> object:
    return id(source) if isinstance(source, Pending) else source.id


def _place_key(leaf: Scan | Target) -> object:
    """Places with the same names are one, if they are read in the same way."""
    if isinstance(leaf, Target):
        return id(leaf)
    place = leaf.place
    parts = place if isinstance(place, tuple) else (place,)
    if all(isinstance(part, (str, os.PathLike)) for part in parts):
        system = leaf.how.filesystem
        return (tuple(map(os.fspath, parts)), None if system is None else id(system))
    return id(leaf)


# --- executing ------------------------------------------------------------------------------------


@record
class Taken:
    """What an engine took of one source, as its own optimised plan says."""

    files: tuple[str, ...]
    """The files that it read; empty for a table in memory."""
    columns: tuple[str, ...] | None
    """The columns that it took, None where it does not say."""
    all_columns: tuple[str, ...] = ()
    """Of a table in memory: the names of all its columns."""
    selects: bool = False
    """Whether these are not all of its columns."""
    partial: bool = False
    """Whether it could stop early."""


@record
class Explained:
    """What an engine says of a plan that it executed."""

    text: str
    taken: tuple[Taken, ...] = ()
    columns: ColumnSources | None = None
    """Where the columns of the result come from; of several results None."""
    leaves: tuple[Taken, ...] = ()
    """By number of a source in ``columns``: its files, or the columns of a table in memory; nothing
    where the engine does not show it."""


class Execution:
    """One operation that executes plans: it used their sources."""

    __slots__ = ("_explained", "_operation", "_paths", "_scans", "_tables", "_taken", "_targets")

    def __init__(
        self,
        operation: OpenOperation,
        found: Iterable[tuple[str, Plan]],
        explained: Explained | None = None,
    ) -> None:
        """``explained`` is what the engine says of them before it executes them."""
        self._operation = operation
        self._paths: list[tuple[str, bytes | Pending[bytes]]] = []
        self._scans: list[Scan] = []
        self._tables: list[Given] = []
        self._targets: list[Target] = []
        self._taken = explained.taken if explained is not None else ()
        self._explained = explained
        seen: set[_Key] = set()
        for name, plan in found:
            self._paths.append((name, plan.path))
            for leaf in plan.leaves:
                key = _Key(leaf)
                if key in seen:
                    continue
                seen.add(key)
                if isinstance(leaf, Given):
                    self._tables.append(leaf)
                    operation.use(leaf.role, leaf.identity)
                elif isinstance(leaf, Target):
                    self._targets.append(leaf)
                else:
                    self._scans.append(leaf)
                    if isinstance(leaf.place, Versioned) and leaf.place.asked is not None:
                        leaf.place.asked.begin(operation)
        if explained is not None:
            if explained.text:
                operation.explain(explained.text)
            # Of what is not explained nobody knows how much will be read.
            for one in map(self._read_of, self._scans):
                if one.taken:
                    places.look_ahead(operation, one.place, one.how)

    def returned(self) -> None:
        """The engine is through: say what it read."""
        operation = self._operation
        for name, path in self._paths:
            operation.follow(name, path.result() if isinstance(path, Pending) else path)
        read: list[Taken] = []
        for leaf in self._scans:
            one = self._read_of(leaf)
            before = len(operation.used)
            places.read_from(operation, leaf.role, one.place, one.how)
            if one.columns is not None:
                for source in operation.used_so_far()[before:]:
                    operation.take(source, one.columns)
            read += one.taken
        for taken in self._taken:
            if taken.files and taken not in read:  # of a plan that came from another process
                places.read_from(operation, "source", list(taken.files), WHOLE)
        self._tables_taken([taken for taken in self._taken if not taken.files])
        for written in self._targets:
            places.written_to(operation, written.role, written.place)
        if self._explained is not None and self._explained.columns is not None:
            self._come_from(self._explained.columns, self._explained.leaves)

    def _come_from(self, columns: ColumnSources, leaves: Sequence[Taken]) -> None:
        """Say where the columns come from: of which of the artifacts that were used."""
        tables = [one for one in leaves if one.all_columns]
        unclear: set[int] = set()
        for number, leaf in enumerate(leaves):
            if leaf.files:
                found = self._read_as(leaf.files)
            elif not leaf.all_columns:  # it may be any of them
                found = list(self._operation.used_so_far())
            else:
                found, is_it = self._given_as(leaf.all_columns, len(tables))
                if not is_it:
                    unclear.add(number)
            columns.used.append(found)
        if unclear:
            columns.opaque |= {
                name
                for name, origins in columns.columns.items()
                if any(one.source in unclear for one in origins)
            }
        self._operation.come_from(columns)

    def _read_as(self, files: Sequence[str]) -> list[Source]:
        """The artifacts that files, read as one table, were."""
        uris = {one if "://" in one else name_and_uri(one)[1] for one in files}
        found: list[Source] = []
        for source in map(settled, self._operation.used_so_far()):
            if not isinstance(source, Artifact) or not source.uri:
                continue
            inside = source.uri.rstrip("/") + "/"
            if source.uri in uris or (
                source.kind == "directory" and any(uri.startswith(inside) for uri in uris)
            ):
                found.append(source)
        return found

    def _given_as(self, names: tuple[str, ...], number: int) -> tuple[list[Source], bool]:
        """The tables in memory that one of these columns may be, and whether it is just that: the
        engine does not say which, and a table may have been computed of others."""
        every = [table.identity for table in self._tables]
        known = [
            identity
            for identity in every
            if not isinstance(source := identity.artifact, Artifact)
            or source.names is None
            or source.names.columns == names
        ]
        if len(every) == number == 1:
            known = every
        sources = [source for identity in known for source in identity.sources]
        return sources, len(known) == 1 and known[0].is_table

    def failed(self) -> None:
        """It has raised: what it would have read may have been read, in any part."""
        for leaf in self._scans:
            how = replace(leaf.how, partial=FAILED, succeeded=False)
            places.read_from(self._operation, leaf.role, _whole(leaf, expanded(leaf.place)), how)

    def _read_of(self, leaf: Scan) -> _Read:
        """What the engine reads of a place, as far as it says so."""
        files = expanded(leaf.place)
        own: list[Taken] = []
        used: set[str] = set()
        for taken in self._taken:
            names = {_full(file) for file in taken.files}
            if names and names <= set(files):
                own.append(taken)
                used |= names
        if not own:
            return _Read(_whole(leaf, files), leaf.how)
        columns, how = _union(taken.columns for taken in own), leaf.how
        if columns is not None and any(taken.selects for taken in own):
            how = replace(how, columns=columns)
        if all(taken.partial for taken in own):
            how = replace(how, partial=how.partial or "read in part")
        return _Read(_whole(leaf, [file for file in files if file in used]), how, columns, own)

    def _tables_taken(self, taken: list[Taken]) -> None:
        """An engine does not say which table in memory it means: it is known where there is one."""
        if len(self._tables) != 1 or not taken:
            return
        (table,) = self._tables
        if len({one.all_columns for one in taken}) != 1 or len(table.identity.sources) != 1:
            return
        columns = _union(one.columns for one in taken)
        if columns is not None:
            self._operation.take(table.identity.sources[0], columns)


@record
class _Read:
    """What is read of one place of a plan."""

    place: object
    how: Reading
    columns: tuple[str, ...] | None = None
    taken: Sequence[Taken] = ()


def _union(columns: Iterable[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    names: dict[str, None] = {}
    for some in columns:
        if some is None:
            return None
        names.update(dict.fromkeys(some))
    return tuple(names)


def expanded(place: object) -> list[str]:
    """The files of this machine that a place names, with patterns and directories filled in; names
    that are no such files as they are; empty for what is not named."""
    parts = place if isinstance(place, tuple) else (place,)
    found: list[str] = []
    for part in parts:
        if not isinstance(part, (str, os.PathLike)):
            return []
        name = os.fspath(part)
        if not isinstance(name, str):
            return []
        if "://" in name:
            found.append(name)
            continue
        name = os.path.expanduser(name)
        if os.path.isdir(name):
            for folder, folders, files in os.walk(name):
                folders.sort()
                found += [os.path.join(folder, file) for file in sorted(files)]
        elif any(sign in name for sign in "*?[") and not os.path.exists(name):
            found += sorted(glob.glob(name, recursive=True))
        else:
            found.append(name)
    return [_full(name) for name in found]


def _full(name: str) -> str:
    return name if "://" in name else os.path.abspath(name)


def _whole(leaf: Scan, files: list[str]) -> object:
    """What is said to be read: the directory where it was all of one, else the files."""
    place = leaf.place
    if not files or not isinstance(place, (str, os.PathLike, tuple)):
        return place
    parts = place if isinstance(place, tuple) else (place,)
    if any(os.path.isdir(os.path.expanduser(os.fspath(part))) for part in parts):
        return place if files == expanded(place) else files
    return files

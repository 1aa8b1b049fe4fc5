"""Walks a lineage by columns: from a column back to those that it comes from, or on from it.

The lineage says which operation made what; ``column_sources`` says of one operation where the
columns come from of what it made. A column is followed through what its values come from; what
decided which rows there are is said, and not followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from otelprov._record import record
from otelprov.lineage.column_sources import Question, Sources, is_by_name, sources_of
from otelprov.lineage.graph import Direction, Lineage
from otelprov.model import Names, Operation, Usage
from otelprov.statements import from_first_word


class Column(NamedTuple):
    """A column of an artifact; ``name`` is None for any of its columns."""

    artifact: str
    name: str | None


class ColumnEdge(NamedTuple):
    """A column comes from another, by an operation."""

    source: Column
    target: Column
    operation: str
    how: str
    """``identity``, ``transformation``, ``aggregation``, ``opaque``."""


class RowEdge(NamedTuple):
    """A column decided which rows there are of what an operation made, or in which order."""

    source: Column
    artifact: str
    operation: str
    how: str
    """``filter``, ``join``, ``group_by``, ``sort``, ``opaque``."""


class Opaque(NamedTuple):
    """Why a column may come from any of those that lead to it, and not only from one."""

    column: Column
    operation: str
    reason: str


@record
class ColumnLineage:
    """Where columns come from, or what came of them."""

    targets: tuple[Column, ...]
    direction: Direction
    lineage: Lineage
    """The operations and artifacts that a column passes, and no others."""
    edges: tuple[ColumnEdge, ...]
    rows: tuple[RowEdge, ...] = ()
    opaque: tuple[Opaque, ...] = ()


class NoSuchColumn(Exception):
    """A table has no column of this name; the message says which it has."""


def columns(lineage: Lineage, names: Iterable[str]) -> ColumnLineage:
    """Follow columns of the target of a lineage, in its direction.

    Raises:
        NoSuchColumn: the target has columns, and none of this name.
    """
    walk = _Walk(lineage)
    targets = tuple(Column(lineage.target, name) for name in dict.fromkeys(names))
    walk.check(targets)
    if lineage.direction == "upstream":
        walk.back(targets)
    else:
        walk.on(targets)
    return walk.finish(targets)


_CHANGES: Final = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "WITH"})


def _changes_rows(operation: Operation, artifact: str) -> bool:
    """Whether a statement has changed the rows of a table that was there before."""
    used = any(one.artifact.id == artifact for one in operation.used)
    return used and from_first_word(operation.statement or "")[0] in _CHANGES


@dataclass
class _Walk:
    lineage: Lineage
    operations: dict[str, Operation] = field(init=False)
    edges: dict[ColumnEdge, None] = field(default_factory=dict)
    rows: dict[RowEdge, None] = field(default_factory=dict)
    opaque: dict[Opaque, None] = field(default_factory=dict)
    _sources: dict[tuple[str, str], Sources | None] = field(default_factory=dict)
    _asked: set[tuple[str, str]] = field(default_factory=set)
    _names: dict[str, Names] = field(default_factory=dict)
    _made: dict[str, dict[str, None]] = field(default_factory=dict)
    """By operation: the artifacts that it made, as those say that read them."""

    def __post_init__(self) -> None:
        self.operations = {one.id: one for one in self.lineage.operations}
        for (_, id_), makers in self.lineage.makers.items():
            for maker in makers:
                self._made.setdefault(maker, {})[id_] = None
        for operation in self.lineage.operations:
            for usage in (*operation.generated, *operation.used):
                artifact = usage.artifact
                if artifact.names is not None and not is_by_name(artifact):
                    self._names.setdefault(artifact.id, artifact.names)

    # --- names ---

    def check(self, targets: Iterable[Column]) -> None:
        """Whether the columns are there, where it is known which there are."""
        for target in targets:
            maker = next(iter(self._makers("", target.artifact)), None)
            names = self._names_at(target.artifact, maker)
            if names is not None and names.complete:
                every = [*names.columns, *(one for one in names.index if one is not None)]
                if target.name not in every:
                    listed = ", ".join(every[:20]) + (", …" if len(every) > 20 else "")
                    raise NoSuchColumn(f"it has no column {target.name}; it has: {listed}")

    def _makers(self, consumer: str, artifact: str) -> list[Operation]:
        made = self.lineage.makers.get((consumer, artifact), ())
        return [self.operations[one] for one in made if one in self.operations]

    def _names_at(self, artifact: str, maker: Operation | None) -> Names | None:
        """The names of the columns of an artifact, as an operation made it."""
        known = self._names.get(artifact)
        if known is not None:
            return known
        maker = self._before_changes(artifact, maker)
        if maker is None or (maker.id, artifact) in self._asked:
            return None
        sources = self.sources(maker, artifact)
        if sources is None or not sources.columns:
            return None
        return Names(
            tuple(name for name in sources.columns if name not in sources.index),
            sources.index,
            (not sources.reason or bool(sources.columns))
            and not sources.same_as
            and not sources.open,
        )

    def _before_changes(self, artifact: str, maker: Operation | None) -> Operation | None:
        """The operation that gave a table its columns: rows that are put in, set or taken out may
        name but some of them, in another order."""
        seen: set[str] = set()
        while maker is not None and maker.id not in seen and _changes_rows(maker, artifact):
            seen.add(maker.id)
            maker = next(iter(self._makers(maker.id, artifact)), None)
        return maker

    def sources(self, operation: Operation, artifact: str) -> Sources | None:
        """Where the columns come from of what an operation made; None where it did not make it."""
        key = (operation.id, artifact)
        if key not in self._sources:
            self._asked.add(key)
            made = self._made_by(operation, artifact)
            self._sources[key] = (
                None if made is None else sources_of(self._question(operation, made))
            )
            self._asked.discard(key)
        return self._sources[key]

    def _made_by(self, operation: Operation, artifact: str) -> Usage | None:
        """An artifact as an operation made it. What was read before it was committed is not among
        what that generated, where nothing was ever committed; who read it says who wrote it."""
        made = next((one for one in operation.generated if one.artifact.id == artifact), None)
        if made is None and artifact in self._made.get(operation.id, ()):
            found = (one for other in self.lineage.operations for one in other.used)
            made = next((one for one in found if one.artifact.id == artifact), None)
            made = made and Usage("target", made.artifact)
        return made

    def _question(self, operation: Operation, made: Usage) -> Question:
        # What a file holds is known by the table that went into it, and the other way round.
        if made.artifact.names is None:
            known = self._names.get(made.artifact.id)
            for other in operation.generated:
                if known is None and other.role == "content":
                    known = other.artifact.names
            if known is not None:
                made = replace(made, artifact=replace(made.artifact, names=known))
        own = {one.artifact.id: one.artifact.names for one in operation.used}

        def names_of(id_: str) -> Names | None:
            maker = next(iter(self._makers(operation.id, id_)), None)
            names = own.get(id_) or self._names_at(id_, maker)
            taken = {
                columns
                for one in operation.inputs.values()
                for beginning, columns in one.items()
                if id_.startswith(beginning)
            }
            if names is None:
                # Of a file that is read in pieces: what one of them had.
                pieces = {one[1:] for one in taken if one is not None and one[:1] == (None,)}
                piece = pieces.pop() if len(pieces) == 1 else ()
                return Names(tuple(one for one in piece if one is not None)) if piece else None
            if len(taken) != 1:
                return names
            (columns,) = taken
            if columns is None or len(columns) < 2 or columns[0] is not None:
                return names
            # Some of its columns were taken before, and nothing else of it was used.
            return Names(tuple(one for one in columns if one is not None), names.index)

        return Question(operation, made, names_of)

    # --- back ---

    def back(self, targets: Iterable[Column]) -> None:
        """Follow columns to what they come from."""
        seen: set[tuple[Column, str]] = set()
        passed: dict[Column, list[Operation]] = {}
        computed: dict[Column, dict[Column, None]] = {}
        todo = [(target, one) for target in targets for one in self._makers("", target.artifact)]
        while todo:
            column, maker = todo.pop()
            if (column, maker.id) in seen:
                continue
            seen.add((column, maker.id))
            passed.setdefault(column, []).append(maker)
            todo += [(source, maker) for source in computed.get(column, ())]
            for edge in self._edges_to(maker, column):
                source = edge.source
                before = self._makers(maker.id, source.artifact)
                if self._is_of_itself(maker, edge):
                    # The table computes it from its other columns, as each write leaves them.
                    computed.setdefault(column, {})[source] = None
                    before = passed[column]
                if before and all(self._is_empty(one, source.artifact) for one in before):
                    continue
                if source != edge.target:  # the same content, somewhere else
                    self.edges[edge] = None
                todo += [(source, one) for one in before]

    def _is_of_itself(self, maker: Operation, edge: ColumnEdge) -> bool:
        """Whether a column is computed from others of the table that an operation has made anew."""
        artifact = edge.target.artifact
        return edge.source.artifact == artifact and all(
            one.artifact.id != artifact for one in maker.used
        )

    def _is_empty(self, maker: Operation, artifact: str) -> bool:
        """Whether an operation left nothing in a table."""
        sources = self.sources(maker, artifact)
        return sources is not None and sources.empty

    def _edges_to(self, maker: Operation, column: Column) -> Iterator[ColumnEdge]:
        sources = self.sources(maker, column.artifact)
        if sources is None:
            reason = "the operation does not name it among what it made"
            self.opaque[Opaque(column, maker.id, reason)] = None
            return
        for row in sources.rows:
            source = Column(row.artifact, row.column)
            self.rows[RowEdge(source, column.artifact, maker.id, row.how)] = None
        names: list[str | None] = [column.name]
        if column.name is None and sources.columns:
            names = list(sources.columns)
        for name in names:
            if name not in sources.columns and sources.same_as:
                other = Column(sources.same_as, column.name)
                yield ColumnEdge(other, column, maker.id, "identity")
                continue
            if name is None or name not in sources.columns:
                made = self._made_by(maker, column.artifact)
                assert made is not None  # else there are no sources
                question = self._question(maker, made)
                self.opaque[Opaque(column, maker.id, sources.reason or "no more is known")] = None
                for one in question.anything():
                    yield ColumnEdge(Column(one.artifact, one.column), column, maker.id, "opaque")
                continue
            if name in sources.reasons:
                self.opaque[Opaque(column, maker.id, sources.reasons[name])] = None
            for one in sources.columns[name]:
                how = "opaque" if name in sources.reasons or column.name is None else one.how
                yield ColumnEdge(Column(one.artifact, one.column), column, maker.id, how)

    # --- on ---

    def on(self, targets: Iterable[Column]) -> None:
        """Follow columns to what came of them."""
        seen: set[tuple[Column, str]] = set()
        todo = [(target, "") for target in targets]
        while todo:
            column, maker = todo.pop()
            if (column, maker) in seen:
                continue
            seen.add((column, maker))
            for operation in self.lineage.operations:
                made = self.lineage.makers.get((operation.id, column.artifact), ())
                if maker not in made and not (
                    maker == "" and not made
                    and any(one.artifact.id == column.artifact for one in operation.used)
                ):  # fmt: skip
                    continue
                for edge in self._edges_from(operation, column):
                    if edge.source != edge.target:
                        self.edges[edge] = None
                    todo.append((edge.target, operation.id))

    def _edges_from(self, operation: Operation, column: Column) -> Iterator[ColumnEdge]:
        generated = dict.fromkeys(one.artifact.id for one in operation.generated)
        for made in generated | self._made.get(operation.id, {}):
            sources = self.sources(operation, made)
            if sources is None:
                continue
            for row in sources.rows:
                if row.artifact == column.artifact and _meets(row.column, column.name):
                    self.rows[RowEdge(column, made, operation.id, row.how)] = None
            for name, origins in sources.columns.items():
                for one in origins:
                    if one.artifact == column.artifact and _meets(one.column, column.name):
                        target = Column(made, name)
                        how = "opaque" if name in sources.reasons else one.how
                        if name in sources.reasons:
                            told = Opaque(target, operation.id, sources.reasons[name])
                            self.opaque[told] = None
                        yield ColumnEdge(column, target, operation.id, how)
            if sources.same_as == column.artifact and column.name not in sources.columns:
                yield ColumnEdge(column, Column(made, column.name), operation.id, "identity")
            elif not sources.columns and any(
                one.artifact.id == column.artifact for one in operation.used
            ):
                target = Column(made, None)
                reason = sources.reason or "no more is known"
                self.opaque[Opaque(target, operation.id, reason)] = None
                yield ColumnEdge(column, target, operation.id, "opaque")

    # --- the answer ---

    def finish(self, targets: tuple[Column, ...]) -> ColumnLineage:
        """What was walked, and of the lineage what a column passed."""
        place = {one.id: number for number, one in enumerate(self.lineage.artifacts)}
        order = {one.id: number for number, one in enumerate(self.lineage.operations)}
        passed = {edge.operation for edge in self.edges}
        passed |= {one.operation for one in self.opaque} | {one.operation for one in self.rows}
        met = {target.artifact for target in targets}
        met |= {column.artifact for edge in self.edges for column in (edge.source, edge.target)}
        met |= {row.source.artifact for row in self.rows} | {row.artifact for row in self.rows}
        lineage = replace(
            self.lineage,
            artifacts=tuple(one for one in self.lineage.artifacts if one.id in met),
            operations=tuple(one for one in self.lineage.operations if one.id in passed),
            edges=tuple(
                edge for edge in self.lineage.edges if {edge.source, edge.target} <= met | passed
            ),
            gaps=tuple(gap for gap in self.lineage.gaps if gap.place in met | passed),
        )

        def column_key(column: Column) -> tuple[int, str]:
            return place.get(column.artifact, -1), column.name or ""

        return ColumnLineage(
            targets,
            self.lineage.direction,
            lineage,
            tuple(
                sorted(
                    self.edges,
                    key=lambda one: (
                        order[one.operation],
                        column_key(one.target),
                        column_key(one.source),
                        one.how,
                    ),
                )
            ),
            tuple(
                sorted(
                    self.rows,
                    key=lambda one: (order[one.operation], column_key(one.source), one.how),
                )
            ),
            tuple(
                sorted(self.opaque, key=lambda one: (order[one.operation], column_key(one.column)))
            ),
        )


def _meets(one: str | None, other: str | None) -> bool:
    """Whether two columns may be one: None is any."""
    return one is None or other is None or one == other

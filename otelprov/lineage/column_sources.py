"""Where the columns come from of what one operation made: what is recorded says it, or a rule.

In this order: the digests of columns that are unchanged; what an engine said of its own plan; the
statement that was run; what is known of the function and its parameters. What none of them says is
opaque: it may come from any column of what the operation used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from typing import Final, NamedTuple

from otelprov._record import record
from otelprov.lineage.walk import before_copy
from otelprov.model import Artifact, Names, Operation, Usage


class From(NamedTuple):
    """A column of something that an operation used."""

    artifact: str
    column: str | None
    """None: any of its columns, where their names are not known."""
    how: str
    """``identity``, ``transformation``, ``aggregation``, ``opaque``; of rows ``filter``, ``join``,
    ``group_by``, ``sort`` or ``opaque``."""


@record
class Sources:
    """Where the columns of one artifact come from, which an operation made."""

    columns: Mapping[str, tuple[From, ...]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    """By column: why it may come from any of those, and not only from one."""
    rows: tuple[From, ...] = ()
    """The columns that decided which rows there are, and in which order."""
    rows_reason: str = ""
    """Why these may not be all."""
    reason: str = ""
    """Why nothing is known of a column that is not in ``columns``."""
    index: tuple[str, ...] = ()
    """Which of ``columns`` are levels of an index."""
    same_as: str = ""
    """What was used, where it has the same columns, whatever they are called."""
    open: bool = False
    """Whether there may be columns that are not in ``columns``, of a table that is not known."""
    empty: bool = False
    """Whether nothing is in what was made, whatever its columns are."""


NamesOf = Callable[[str], Names | None]
"""The names of the columns of something that the operation used, by id."""


@record
class Question:
    """An operation, and one artifact that it made."""

    operation: Operation
    made: Usage
    names_of: NamesOf

    @property
    def used(self) -> tuple[Usage, ...]:
        """What it used, but for what it only names as what it wrote to."""
        return self.operation.used

    def self_(self) -> Usage | None:
        """The table that a method was called on, or the one that was used; None where it was
        computed of that by steps between."""
        used = self.operation.used
        found = next((one for one in used if one.role == "self"), None)
        if found is None and len(used) == 1:
            found = used[0]
        return found if found is not None and self.is_table(found.role) else None

    def selection(self, role: str) -> tuple[str, Names] | None:
        """The columns of one artifact, as they are there, that a role was, whatever else was used
        of it."""
        taken = self.operation.inputs.get(role, {})
        ids = [id_ for beginning in taken for id_ in self.used_by_beginning(beginning)]
        columns = next(iter(taken.values()), None)
        if len(taken) != 1 or len(ids) != 1 or columns is None or columns[0] is not None:
            return None
        names = self.names_of(ids[0])
        if columns[1:]:
            index = names.index if names is not None else ()
            names = Names(tuple(one for one in columns if one is not None), index)
        return None if names is None else (ids[0], names)

    def is_table(self, role: str) -> bool:
        """Whether what had a role was an artifact itself, or columns of it as they are there."""
        taken = self.operation.inputs.get(role)
        if taken is None:
            return True
        others = [one for other, one in self.operation.inputs.items() if other != role]
        return all(
            columns is not None
            and columns[:1] == (None,)
            and (len(columns) == 1 or all(id_ not in one for one in others))
            for id_, columns in taken.items()
        )

    @property
    def tables_only(self) -> bool:
        """Whether all that was used were artifacts themselves."""
        return all(map(self.is_table, self.operation.inputs))

    @property
    def reads_inside(self) -> bool:
        """Whether a function of the program's that it called has read data of its own."""
        return any(one.role == "read inside" for one in self.operation.used)

    def names(self, artifact_id: str) -> list[str] | None:
        """All names of columns and levels of the index of something that was used."""
        found = self.names_of(artifact_id)
        if found is None or not found.complete:
            return None
        return [*found.columns, *(one for one in found.index if one is not None)]

    def made_names(self) -> Names | None:
        """The names of the columns of what was made."""
        return self.made.artifact.names

    def given(self, name: str) -> object:
        """A parameter as it is shown."""
        return self.operation.parameters.get(name)

    def used_by_beginning(self, beginning: str) -> list[str]:
        """The ids of what was used that begin so."""
        ids = (one.artifact.id for one in self.operation.used)
        return [id_ for id_ in dict.fromkeys(ids) if id_.startswith(beginning)]

    def every(self, artifacts: Iterable[str] | None = None) -> tuple[From, ...]:
        """All columns of what was used: what something opaque may come from."""
        found: dict[From, None] = {}
        for id_ in dict.fromkeys(artifacts or (one.artifact.id for one in self.operation.used)):
            names = self.names(id_)
            for name in names if names is not None else [None]:
                found[From(id_, name, "opaque")] = None
        return tuple(found)

    def on_top(
        self, before: Iterable[str], columns: Mapping[str, tuple[From, ...]]
    ) -> dict[str, tuple[From, ...]]:
        """Columns of rows that were put on top of others: those come from the same column."""
        found = dict(columns)
        for id_ in before:
            for name in dict.fromkeys((*columns, *(self.names(id_) or ()))):
                own = From(id_, name, "identity")
                found[name] = tuple(dict.fromkeys((*found.get(name, ()), own)))
        return found

    def anything(self) -> tuple[From, ...]:
        """All that something opaque may come from: what steps took of a table, else all of it."""
        inputs = self.operation.inputs
        if not inputs:
            return self.every()
        found = [one for role in inputs for one in self.parameter_columns(role) or ()]
        told = {one.artifact for one in found}
        rest = [one.artifact.id for one in self.operation.used if one.artifact.id not in told]
        found = [From(one.artifact, one.column, "opaque") for one in found]
        return tuple(dict.fromkeys((*found, *(self.every(rest) if rest else ()))))

    def parameter_columns(self, role: str) -> tuple[From, ...] | None:
        """The columns that a parameter was made of; None where it was no data."""
        taken = self.operation.inputs.get(role)
        if taken is None:
            ids = [one.artifact.id for one in self.operation.used if one.role == role]
            return self._whole(ids) if ids else None
        found: list[From] = []
        for beginning, columns in taken.items():
            for id_ in self.used_by_beginning(beginning):
                if columns is None:
                    found += self.every([id_])
                elif columns == (None,):
                    found += self._whole([id_])
                else:
                    how = "identity" if columns[0] is None else "transformation"
                    found += [From(id_, name, how) for name in columns if name is not None]
        return tuple(found)

    def _whole(self, ids: Iterable[str]) -> tuple[From, ...]:
        """Of a table of one column that one, else any."""
        found: list[From] = []
        for id_ in ids:
            names = self.names_of(id_)
            if names is not None and names.complete and len(names.columns) == 1:
                found.append(From(id_, names.columns[0], "transformation"))
            else:
                found += self.every([id_])
        return tuple(found)


Rule = Callable[[Question], Sources | None]


_READERS: Final = ("connectorx.read_sql", "pandas.read_sql", "polars.read_database")
_STATEMENTS: Final = (
    "adbc_driver_manager.execute", "asyncpg.", "duckdb.", "mysql.", "psycopg.", "psycopg2.",
    "pymysql.", "sqlalchemy.", "sqlite3.", *_READERS,
)  # fmt: skip
"""Operations whose columns are those of the statement that they have carried out."""


def sources_of(question: Question) -> Sources:
    """Where the columns of what an operation made come from."""
    from otelprov.lineage import column_rules, column_statements

    operation = question.operation
    before = before_copy(operation, question.made.artifact.id)
    found: Sources | None
    if operation.calls > 1:
        found = Sources(reason=f"it stands for {operation.calls:,} calls")
    elif len(before) == 1:
        found = Sources(same_as=before.pop())
    elif question.made.passage is not None and question.made.passage.sources:
        found = _on_top(question, _said(question, question.made.passage.sources))
    elif operation.name.startswith(_STATEMENTS):
        if operation.statement is not None:
            found = column_statements.sources(question)
        else:
            found = column_rules.sources(question)
            if operation.name.startswith(_READERS):
                found = Sources(reason="the statement is not recorded")
    else:
        found = column_rules.sources(question)
    return _completed(question, _same(question, found))


def _same(question: Question, found: Sources) -> Sources:
    """What the digests of columns say is said best."""
    passage = question.made.passage
    columns, reasons = dict(found.columns), dict(found.reasons)
    for id_, pairs in passage.unchanged.items() if passage is not None else ():
        for here, there in pairs.items():
            if here in columns and here not in reasons:
                continue  # a rule knows which of two equal columns it is
            columns[here] = (From(id_, there, "identity"),)
            reasons.pop(here, None)
    return replace(found, columns=columns, reasons=reasons)


def _completed(question: Question, found: Sources) -> Sources:
    """With the columns that are known by name, and of which nothing else is known."""
    names = question.made_names()
    if names is None:
        return found
    columns, reasons = dict(found.columns), dict(found.reasons)
    levels = [one for one in names.index if one is not None]
    for name in (*names.columns, *levels):
        if name not in columns and found.same_as:
            columns[name] = (From(found.same_as, name, "identity"),)
        elif name not in columns:
            columns[name] = question.anything()
            reasons[name] = found.reason or "it is not known how it was computed"
    if names.complete:
        known = {*names.columns, *levels}
        columns = {name: origins for name, origins in columns.items() if name in known}
    return replace(
        found,
        columns=columns,
        reasons={name: why for name, why in reasons.items() if name in columns},
        index=tuple(levels),
    )


_ROWS: Final = ("filter", "join", "group_by", "sort")


def _said(question: Question, texts: Iterable[str]) -> Sources:
    """What an engine has said of its own plan."""
    columns: dict[str, tuple[From, ...]] = {}
    reasons: dict[str, str] = {}
    rows: tuple[From, ...] = ()
    same_as = ""
    for text in texts:
        try:
            said = json.loads(text)
        except ValueError:
            continue
        if not isinstance(said, dict):
            continue
        if isinstance(said.get("others"), list):
            ids = [id_ for one in said["others"] for id_ in question.used_by_beginning(str(one))]
            same_as = ids[0] if len(ids) == 1 else ""
        elif "rows" in said:
            rows = tuple(_origins(question, said["rows"]))
        elif isinstance(said.get("column"), str):
            origins = tuple(_origins(question, said.get("from")))
            columns[said["column"]] = origins
            if said.get("opaque"):
                reasons[said["column"]] = "no more is said of it"
    reason = "it is not among what was said of columns, for a limit say"
    return Sources(columns, reasons, rows, reason=reason, same_as=same_as)


def _on_top(question: Question, found: Sources) -> Sources:
    """What the plan made was put on top of the rows that were there before."""
    before = [one.artifact.id for one in question.used if one.role == "target"]
    if not before:
        return found
    # A database may call a column as its table does, however the statement writes it.
    known = dict.fromkeys(name for id_ in before for name in question.names(id_) or ())
    spelled = {name.lower(): name for name in known}
    columns = {
        name if name in known else spelled.get(name.lower(), name): origins
        for name, origins in found.columns.items()
    }
    return replace(found, columns=question.on_top(before, columns), same_as="")


def _origins(question: Question, said: object) -> Iterator[From]:
    for one in said if isinstance(said, list) else ():
        if not isinstance(one, list) or len(one) != 3:
            continue
        beginning, column, how = one
        if not isinstance(beginning, str) or not isinstance(how, str):
            continue
        ids = question.used_by_beginning(beginning)
        if column is None:
            yield from question.every(ids)
        elif isinstance(column, str):
            yield from (From(id_, column, how) for id_ in ids)


def is_by_name(artifact: Artifact) -> bool:
    """Whether an id says nothing of what is in it: a table of a database, a place."""
    return artifact.coverage in ("none", "version", "status")


def turned(origins: Iterable[From], why: str) -> tuple[From, ...]:
    """The same columns, as they are there for another reason; what is opaque stays so."""
    return tuple(
        one if one.how == "opaque" else From(one.artifact, one.column, why) for one in origins
    )


def identical(artifact_id: str, names: Iterable[str]) -> dict[str, tuple[From, ...]]:
    """These columns, each as it is in an artifact."""
    return {name: (From(artifact_id, name, "identity"),) for name in names}

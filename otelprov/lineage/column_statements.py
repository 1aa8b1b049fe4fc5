"""Where the columns come from of what a statement made: its text, and what its names stood for.

The text is recorded without its literals: the files in it are question marks, and what was used
says which (``otelprov.artifact.named``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from otelprov.lineage.column_sources import From, Question, Sources
from otelprov.lineage.columns import (
    UNSAID,
    WHY_UNSAID,
    Column,
    Columns,
    Name,
    Origin,
    columns_of,
    columns_set,
)
from otelprov.statements import DIALECTS, MACRO, from_first_word

_TYPED: Final = re.compile(r"\b(date|timestamp|timestamptz|time|interval)\s+\?", re.IGNORECASE)
_RENAMED: Final = re.compile(
    r"ALTER\s+(?:TABLE|MATERIALIZED\s+VIEW)\s+[^;]+\s+(?:RENAME\s+TO|SET\s+SCHEMA)\s+[^;]+;?\s*",
    re.IGNORECASE,
)
_RELATION: Final = re.compile(
    r'("(?:[^"]|"")+"|\w+)( AS (?:NOT MATERIALIZED )?\(\s*SELECT \* FROM )'
    r'(?:"__duckdb_source_[^"]*"|(?:pandas|arrow)_scan\([_, ]+\))'
)
"""What DuckDB calls a variable of the program's in the text of a relation: from 2.0, and before."""
_DATA: Final = re.compile(
    r'"__duckdb_source_[^"]*"(?= AS "(?:df|arrow_object)_)|\b(?:pandas|arrow)_scan\([_, ]+\)'
)
"""The same of what is data, and no other relation."""
_ONLY: Final = "__only"
"""The name of data of the program's, where it is all that was used."""
_LIST: Final = re.compile(r"\[\s*('otelprov:[\d.]+'(?:\s*,\s*'otelprov:[\d.]+')*)\s*\]")
_MARK: Final = re.compile(r"(\d+)?\?(\d+)")
"""Which question mark, and of which view."""
_INSERTS: Final = re.compile(r"\binsert\b", re.IGNORECASE)
_COMPUTES: Final = re.compile(r"\bAS\b", re.IGNORECASE)
_COPIED: Final = re.compile(
    r"COPY\s+(?!FROM\b)[^()]*(?:\((?P<columns>[^()]*)\)\s*)?FROM\b", re.IGNORECASE
)


def sources(question: Question) -> Sources:
    """As ``column_sources.sources_of``."""
    operation = question.operation
    text = operation.statement or ""
    first, begun = from_first_word(text)
    made = question.made.artifact
    if operation.name.rpartition(".")[2] in ("materialize", "execute") and not text:
        return Sources(reason="the statement is not recorded")
    bound = _bound(question)
    if len(ids := {usage.artifact.id for usage in question.used}) == 1:
        bound.setdefault((_ONLY,), list(ids))
    if first in ("DELETE", "TRUNCATE") and made.kind == "resource":
        return _deleted(question)
    if _RENAMED.fullmatch(begun) and len(operation.used) == 1:
        return Sources(same_as=operation.used[0].artifact.id)
    copied = _COPIED.match(begun)
    if copied is not None and made.kind == "resource":
        return _copied(question, copied["columns"])
    readable = _readable(text, bound)
    schema = {
        name: tuple(names)
        for name, ids in bound.items()
        if (names := _common(question, ids)) is not None
    }
    # What DuckDB calls the source of a relation has the columns of the variable.
    schema |= {(f"otelprov {name[0]}",): names for name, names in schema.items() if len(name) == 1}
    views = tuple(
        (tuple(name), _readable(view, bound, f"{at}."))
        for at, (*name, view) in enumerate(operation.views, 1)
    )
    found = _resolved(
        readable, tuple(schema.items()), _dialect(question), views, tuple(bound) if views else ()
    )
    if found.opaque and not found.columns:
        made_new = first == "CREATE" and not question.used and not _COMPUTES.search(begun)
        return Sources(reason=found.opaque, empty=made_new)
    relation = operation.name == "duckdb.insert_into"
    if relation:
        # The text is that of the relation: its columns are put into those of the table in order.
        names = question.names(made.id)
        if names is None or [one.name for one in found.columns] == ["*"]:
            return Sources(reason="the columns are put in by their position")
        found = replace(found, columns=_named_in_order(found.columns, names))
    if found.target is not None and not question.used:
        bound[found.target] = [made.id]  # columns that it computes from its others
    answer = _Answer(question, bound, found).sources()
    if relation or first == "INSERT" or (first == "WITH" and _INSERTS.search(begun)):
        answer = _appended(question, answer)
    return _untouched(question, _beside(question, answer))


def _untouched(question: Question, found: Sources) -> Sources:
    """What a statement does not name of a table whose columns are not known stays what it was."""
    id_ = question.made.artifact.id
    kept = found.columns and not found.open and not found.same_as
    if kept and any(one.artifact.id == id_ for one in question.used):
        return replace(found, same_as=id_) if question.names(id_) is None else found
    return found


def _dialect(question: Question) -> str:
    """Of the statement; DuckDB reads tables of other databases in its own."""
    if question.operation.name.startswith("duckdb."):
        return "duckdb"
    artifacts = (question.made.artifact, *(usage.artifact for usage in question.used))
    schemes = {(artifact.uri or "").partition(":")[0] for artifact in artifacts}
    return next((DIALECTS[one] for one in sorted(schemes) if one in DIALECTS), "")


def _appended(question: Question, found: Sources) -> Sources:
    """The rows that were there before come from the same column."""
    id_ = question.made.artifact.id
    if all(one.artifact.id != id_ for one in question.used):
        return found
    return replace(found, columns=question.on_top([id_], found.columns))


def _named_in_order(columns: Sequence[Column], names: Sequence[str]) -> tuple[Column, ...]:
    return tuple(replace(one, name=name) for one, name in zip(columns, names, strict=False))


def _beside(question: Question, found: Sources) -> Sources:
    """What no name in the statement stands for may be in any column that it sets: rows that were
    given beside it, and what its macros read."""
    used = question.used
    given = [one.artifact.id for one in used if one.role == "parameters"]
    macros = [one.artifact.id for one in used if one.passage and MACRO in one.passage.named]
    if not given and not macros:
        return found
    why = "the rows that were given are not followed" if given else "a macro is not followed"
    made = question.made_names()
    names = (*found.columns, *(made.columns if made is not None else ()))
    names = (*names, *(question.names(question.made.artifact.id) or ()))
    text = question.operation.statement or ""
    set_ = None if macros else columns_set(text, _dialect(question))
    if set_ is not None:
        spelled = {one.lower(): one for one in names}
        names = tuple(spelled.get(one, one) for one in set_)
    every = question.every([*given, *macros])
    opaque = {one: tuple(dict.fromkeys((*found.columns.get(one, ()), *every))) for one in names}
    return replace(
        found,
        columns={**found.columns, **opaque},
        reasons=dict.fromkeys(names, why) | dict(found.reasons),
        rows_reason=found.rows_reason or why,
        reason=found.reason or (why if set_ is None else ""),
        same_as="" if set_ is None else found.same_as,
    )


@lru_cache(maxsize=256)
def _resolved(
    text: str,
    schema: tuple[tuple[Name, tuple[str, ...]], ...],
    dialect: str,
    views: tuple[tuple[Name, str], ...],
    tables: tuple[Name, ...],
) -> Columns:
    text = _TYPED.sub(r"\1 '1'", text)
    named = {name: _TYPED.sub(r"\1 '1'", view) for name, view in views}
    found = columns_of(text, dict(schema), dialect, views=named, tables=tables)
    if found.opaque and "?" in text:
        # Some literals may not be a parameter: of a type, of an option. By a number it can be read,
        # but then GROUP BY ? would be a position.
        again = columns_of(
            text.replace("?", "1"), dict(schema), dialect, views=named, tables=tables
        )
        if not again.opaque:
            return replace(again, rows=(), rows_opaque="the statement without its literals")
    return found


def _bound(question: Question) -> dict[Name, list[str]]:
    """By name in the statement: the ids of what was used under it."""
    bound: dict[Name, list[str]] = {}
    tables: dict[Name, set[str]] = {}
    for usage in question.used:
        artifact, passage = usage.artifact, usage.passage
        given = passage.named if passage is not None else ()
        names: list[Name] = [(_marked(name),) for name in given]
        if artifact.kind == "resource" and not question.operation.name.startswith("duckdb."):
            names = [tuple(name.split(".")) for name in given]
        if artifact.kind == "resource" and artifact.name and artifact.uri and "#" in artifact.uri:
            names.append(tuple(artifact.uri.rpartition("#")[2].split(".")))
            tables.setdefault(names[-1], set()).add(artifact.id)
        for one in dict.fromkeys(names):
            bound.setdefault(one, []).append(artifact.id)
    for name, ids in tables.items():
        if len(ids - {question.made.artifact.id}) > 1:
            bound[name] = []  # of two databases: which of them is meant is not known
    return bound


def _marked(name: str) -> str:
    mark = _MARK.fullmatch(name)
    if mark is None:
        return name
    return f"otelprov:{mark[1]}.{mark[2]}" if mark[1] else f"otelprov:{mark[2]}"


def _readable(text: str, bound: dict[Name, list[str]], view: str = "") -> str:
    """The statement with a name in quotes for each question mark that stands for files. Of a list
    of files the first name stands for all. Those of a view begin with its number."""
    marks = {name[0].partition(":")[2] for name in bound if name[0].startswith("otelprov:")}
    parts = text.split("?")
    found = [parts[0]]
    for number, part in enumerate(parts[1:], 1):
        name = f"{view}{number}"
        if name in marks and found[-1].endswith('"') and part.startswith('"'):
            found.append(f"otelprov:{name}")
        else:
            found.append(f"'otelprov:{name}'" if name in marks else "?")
        found.append(part)
    # Of a relation of a variable DuckDB gives the name of the variable to a query around it.
    text = _RELATION.sub(lambda m: f"{m[1]}{m[2]}{_inner(m[1], bound)}", "".join(found))
    if (_ONLY,) in bound:
        text = _DATA.sub(f'"otelprov {_ONLY}"', text)
    return _LIST.sub(lambda m: _first(m[1], bound), text)


def _first(listed: str, bound: dict[Name, list[str]]) -> str:
    names = [one.strip().strip("'") for one in listed.split(",")]
    every = dict.fromkeys(id_ for name in names for id_ in bound.get((name,), ()))
    bound[(names[0],)] = list(every)
    return f"'{names[0]}'"


def _inner(name: str, bound: Iterable[Name]) -> str:
    plain = name.strip('"')
    return f'"otelprov {plain}"' if (plain,) in set(bound) else '"__duckdb_source_"'


def _common(question: Question, ids: Sequence[str]) -> list[str] | None:
    """The names of the columns of what stands under one name: several files have the same."""
    known = [question.names(id_) for id_ in ids]
    return known[0] if known and all(one == known[0] for one in known) else None


def _deleted(question: Question) -> Sources:
    id_ = question.made.artifact.id
    if all(one.artifact.id != id_ for one in question.used):
        return Sources(empty=True)
    names = question.names(id_) or []
    return Sources(
        {name: (From(id_, name, "identity"),) for name in names},
        rows_reason="rows were deleted",
        same_as="" if names else id_,
    )


def _copied(question: Question, listed: str | None) -> Sources:
    """Rows of files are put into a table by their position, or into the columns that are listed."""
    id_ = question.made.artifact.id
    files = [one.artifact.id for one in question.used if one.artifact.id != id_]
    names = question.names(id_)
    if names is None or not files:
        return Sources(reason="the columns of the table are not known")
    theirs = [_in_order(question, one) for one in files]
    if listed is not None:
        spelled = {name.lower(): name for name in names}
        asked = [one.strip().strip('"').lower() for one in listed.split(",")]
        if all(one in spelled for one in asked):
            names = [spelled[one] for one in asked]
        else:
            theirs = [None]
    columns: dict[str, tuple[From, ...]] = {}
    reasons: dict[str, str] = {}
    for at, name in enumerate(names):
        if all(one is not None and len(one) == len(names) for one in theirs):
            columns[name] = tuple(
                From(file, own[at], "identity")
                for file, own in zip(files, theirs, strict=True)
                if own is not None
            )
        else:
            columns[name] = question.every(files)
            reasons[name] = "the columns of the file are put in by their position"
    return _appended(question, Sources(columns, reasons))


def _in_order(question: Question, file: str) -> tuple[str, ...] | None:
    """The columns of a file as they stand in it; of an index it is not known where it stands."""
    names = question.names_of(file)
    return names.columns if names is not None and names.complete and not names.index else None


class _Answer:
    def __init__(self, question: Question, bound: dict[Name, list[str]], found: Columns) -> None:
        self._question = question
        self._bound = bound
        self._found = found

    def sources(self) -> Sources:
        """The columns of what was made, by their names."""
        question, found = self._question, self._found
        columns: dict[str, tuple[From, ...]] = {}
        reasons: dict[str, str] = {}
        stars = [one for one in found.columns if one.name == "*"]
        for column, name in zip(found.columns, self._names(), strict=True):
            if name in ("*", UNSAID):
                continue
            origins, why = self._of(column)
            columns[name] = tuple(dict.fromkeys((*columns.get(name, ()), *origins)))
            if why:
                reasons[name] = why
        names = question.made_names()
        same_as = ""
        if len(stars) == 1 and len(stars[0].origins) == 1:
            # All that is not named comes from the one input, under the same name.
            ids = self._ids(stars[0].origins[0])
            same_as = ids[0] if len(ids) == 1 else ""
            for name in names.columns if names is not None and ids else ():
                if name not in columns:
                    columns[name] = tuple(From(id_, name, "identity") for id_ in ids)
        reason = found.opaque or "the columns of an input are not known"
        if UNSAID in self._names():
            # It may be any of those that are not said either.
            reason = WHY_UNSAID
            for name in question.names(question.made.artifact.id) or ():
                if name not in columns:
                    columns[name] = question.every()
                    reasons[name] = WHY_UNSAID
            same_as, stars = "", [Column("*")]
        rows: list[From] = []
        unsure = found.rows_opaque
        for origin in found.rows:
            ids = self._ids(origin)
            rows += [From(id_, origin.column, origin.how) for id_ in ids]
            unsure = unsure or ("" if ids else f"what {_said(origin)} is, is not known")
        rows = list(dict.fromkeys(rows))
        return Sources(
            columns, reasons, tuple(rows), unsure, reason, same_as=same_as, open=bool(stars)
        )

    def _names(self) -> list[str]:
        """What the columns are called in the result: as that says it, where it is in hand."""
        own = [one.name for one in self._found.columns]
        if _dialect(self._question) == "duckdb":
            own = list(map(self._as_there, self._found.columns))
        if self._question.made.artifact.kind == "resource":
            own = _told_apart(own, _dialect(self._question))
        names = self._question.made_names()
        if names is None or "*" in own:
            return own
        if len(names.columns) == len(own):
            return list(names.columns)
        return own

    def _as_there(self, column: Column) -> str:
        """DuckDB calls a column as its table does, however the statement writes it."""
        if len(column.origins) == 1 and column.origins[0].column is not None:
            wanted = column.name.lower()
            if wanted == column.origins[0].column.lower():
                for id_ in self._ids(column.origins[0]):
                    for name in self._question.names(id_) or ():
                        if name.lower() == wanted:
                            return name
        return column.name

    def _of(self, column: Column) -> tuple[tuple[From, ...], str]:
        found: dict[From, None] = {}
        why = column.opaque
        for origin in column.origins:
            ids = self._ids(origin)
            if not ids:
                why = why or f"what {_said(origin)} is, is not known"
            for id_ in ids:
                if origin.column is None:
                    found.update(dict.fromkeys(self._question.every([id_])))
                else:
                    found[From(id_, self._spelled(id_, origin), origin.how)] = None
        if why:
            return tuple(dict.fromkeys((*found, *self._question.every()))), why
        return tuple(found), ""

    def _spelled(self, id_: str, origin: Origin) -> str | None:
        """The column of a table whose name is not said, as that calls it."""
        if origin.table[-1] != UNSAID or origin.column is None:
            return origin.column
        wanted, names = origin.column.lower(), self._question.names(id_) or ()
        return next((one for one in names if one.lower() == wanted), origin.column)

    def _ids(self, origin: Origin) -> list[str]:
        """What stood under the name of an input."""
        name = tuple(part.lower() for part in origin.table)
        if name[-1] == UNSAID:
            every = dict.fromkeys(id_ for ids in self._bound.values() for id_ in ids)
            return list(every) if len(every) == 1 else []  # there is but one that it can be
        if name[0].startswith("otelprov "):
            name = (name[0].removeprefix("otelprov "),)
        exact: list[str] = []
        for known, ids in self._bound.items():
            other = tuple(part.lower() for part in known)
            length = min(len(name), len(other))
            if name[-length:] == other[-length:]:
                if exact and set(exact) != set(ids):
                    return []  # two inputs may be meant
                exact = ids
        return exact


def _told_apart(names: Sequence[str], dialect: str) -> list[str]:
    """The columns of a new table, of which a second one of a name gets another."""
    mark = {"duckdb": "_", "sqlite": ":"}.get(dialect)
    if mark is None or "*" in names:
        return list(names)
    seen: dict[str, int] = {}
    found = []
    for name in names:
        if name == UNSAID:
            found.append(name)
            continue
        number = seen[name.lower()] = seen.get(name.lower(), -1) + 1
        found.append(f"{name}{mark}{number}" if number else name)
    return found


def _said(origin: Origin) -> str:
    return ".".join(origin.table)

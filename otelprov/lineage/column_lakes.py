"""Where the columns come from of a version of a Delta Lake or Iceberg table that a commit made.

A commit puts rows on top of those of the version before, column by column of one name. What an
update or a merge sets is said by its expressions.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Final

from otelprov.lineage.column_sources import From, Question, Sources

_WRITES: Final = frozenset(
    "polars.write_delta polars.sink_delta polars.write_iceberg polars.sink_iceberg "
    "pandas.to_iceberg".split()
)


def is_commit(name: str, kind: str) -> bool:
    """Whether an operation of this name makes versions of a table."""
    return kind == "write" and (name.startswith(("deltalake.", "pyiceberg.")) or name in _WRITES)


def sources(question: Question) -> Sources:
    """As ``column_sources.sources_of``."""
    name = question.operation.name
    if not question.tables_only:
        return Sources(reason="what was written is known in part")
    if name == "pyiceberg.update_schema":
        return Sources(reason="the schema was changed, and columns may have been renamed")
    if name in ("polars.sink_delta", "polars.sink_iceberg"):
        return Sources(reason="the plan that was carried out is not shown")
    if name == "deltalake.update":
        found = _updated(question)
    elif name == "deltalake.merge":
        found = _merged(question)
    else:
        return _united(question)
    return found or Sources(reason="which columns were set is not known")


def _united(question: Question) -> Sources:
    """Each column has the values of those of its name in all that was put together."""
    known = {one.artifact.id: question.names(one.artifact.id) for one in question.used}
    every = dict.fromkeys(name for names in known.values() for name in names or ())
    columns = {name: tuple(_of_name(known, name)) for name in every}
    # What has columns that nobody named has them under the same names.
    unnamed = [id_ for id_, names in known.items() if names is None]
    if len(unnamed) > 1:
        return Sources(columns, reason="the columns of what was written are not known")
    return Sources(columns, same_as=unnamed[0] if unnamed else "")


def _of_name(
    known: Mapping[str, list[str] | None], name: str, how: str = "identity"
) -> Iterator[From]:
    for id_, names in known.items():
        if names is None or name in names:
            yield From(id_, name, how)


# --- updates --------------------------------------------------------------------------------------


def _updated(question: Question) -> Sources | None:
    table = question.self_()
    said = _said(question.given("updates")), _said(question.given("new_values"))
    if table is None or not all(isinstance(one, dict) for one in said if one is not _NOTHING):
        return None
    id_ = table.artifact.id
    expressions, values = ({} if one is _NOTHING else _texts(one) for one in said)
    names = question.names(id_)
    columns: dict[str, tuple[From, ...]] = {
        name: (From(id_, name, "identity"),) for name in names or ()
    }
    everywhere = _said(question.given("predicate")) is _NOTHING
    for name, text in {**values, **expressions}.items():
        origins = [] if everywhere else [From(id_, name, "identity")]
        if name in expressions:
            computed = _computed(question, text, {"": [id_]})
            if computed is None:
                return None
            origins += computed
        columns[name] = tuple(dict.fromkeys(origins))
    return Sources(columns, same_as="" if names is not None else id_)


def _merged(question: Question) -> Sources | None:
    """Rows of the table stay, are set, or come from the source; each clause says how."""
    operation = question.operation
    target = next((one.artifact.id for one in operation.used if one.role == "self"), None)
    others = [one.artifact.id for one in operation.used if one.artifact.id != target]
    if target is None or len(others) > 1:
        return None
    source = others[0] if others else target
    before, news = question.names(target), question.names(source)
    if before is None and news is None:
        return None
    tables = {"": [target, source]}
    for role, id_ in (("target_alias", target), ("source_alias", source)):
        tables[str(operation.parameters.get(role))] = [id_]
    columns: dict[str, dict[From, None]] = {}
    for name in before or ():
        columns[name] = {From(target, name, "identity"): None}
    for clause, given in operation.parameters.items():
        kind = clause.partition(" ")[0]
        if not kind.startswith("when_") or kind.endswith("delete"):
            continue
        said = _said(given)
        if kind.endswith("_all"):
            left_out = said.get("except_cols") if isinstance(said, dict) else None
            names = [one for one in news or before or () if one not in (left_out or ())]
            changes = {name: [From(source, name, "identity")] for name in names}
        else:
            changes = {}
            texts = said.get("updates") if isinstance(said, dict) else None
            if not isinstance(texts, dict):
                return None
            for name, text in _texts(texts).items():
                computed = _computed(question, text, tables)
                if computed is None:
                    return None
                changes[_last(name)] = computed
        for name, origins in changes.items():
            if before is None:
                columns.setdefault(name, {From(target, name, "identity"): None})
            columns.setdefault(name, {}).update(dict.fromkeys(origins))
    rows = _computed(question, str(question.given("predicate")), tables)
    return Sources(
        {name: tuple(origins) for name, origins in columns.items()},
        rows=tuple(From(one.artifact, one.column, "join") for one in rows or ()),
        rows_reason="" if rows is not None else "the predicate",
        same_as=target if before is None else "",
    )


# --- what is recorded of them ---------------------------------------------------------------------

_NOTHING: Final = object()


def _said(value: object) -> object:
    """What a parameter was; ``_NOTHING`` for none, None where its text does not say it in full."""
    if value in (None, "None"):
        return _NOTHING
    if not isinstance(value, str) or "…" in value or "[REDACTED]" in value:
        return None
    try:
        return ast.literal_eval(value)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _texts(said: object) -> dict[str, str]:
    assert isinstance(said, dict)
    return {str(name): str(text) for name, text in said.items()}


def _computed(question: Question, text: str, tables: Mapping[str, list[str]]) -> list[From] | None:
    """The columns in an expression, each of the table of its alias; None where it cannot be read.

    Without an alias it is of those that have, or may have, a column of this name.
    """
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError

    try:
        tree = parse_one(text, dialect="postgres")
    except (SqlglotError, RecursionError):
        return None
    found: dict[From, None] = {}
    how = "identity" if isinstance(tree, exp.Column) else "transformation"
    for column in tree.find_all(exp.Column):
        ids = tables.get(column.table)
        if ids is None:
            return None
        known = {id_: question.names(id_) for id_ in ids}
        found.update(dict.fromkeys(_of_name(known, column.name, how)))
    return list(found)


def _last(name: str) -> str:
    """The column of ``alias.column``."""
    return name.rpartition(".")[2].strip('"`')

"""Where the columns come from of a table to which columns were added, or in which some were set."""

from __future__ import annotations

from collections.abc import Sequence

from otelprov.lineage import column_rows
from otelprov.lineage.column_parameters import ambiguous, listed
from otelprov.lineage.column_sources import From, Question, Sources, turned


def column_set(question: Question) -> Sources | None:
    """``df["a"] = values``, ``df[["a", "b"]] = values``."""
    key = question.given("key")
    several = listed(key) if isinstance(key, str) and key.startswith("[") else None
    found = _with_one(question, key, "value") or _with_several(question, several or [])
    return found or _some_cells_set(question)


def _some_cells_set(question: Question) -> Sources | None:
    """``column[rows] = values``: it holds what it did, or of the values."""
    names, own = question.made_names(), question.parameter_columns("self")
    if names is None or len(names.columns) != 1 or own is None or len(own) != 1:
        return None
    made = (*own, *(question.parameter_columns("value") or ()))
    if any(one.how == "opaque" for one in made):
        return None
    rows = turned(question.parameter_columns("key") or (), "filter")
    return Sources({names.columns[0]: tuple(dict.fromkeys(made))}, {}, rows)


def set_cells(question: Question) -> Sources | None:
    """``df.loc[rows, columns] = values``: each column holds what it did, or of the values."""
    kept = column_rows.keeps(
        question, rows=turned(question.parameter_columns("key") or (), "filter")
    )
    if kept is None:
        return None
    values = question.parameter_columns("value") or ()
    columns = {
        name: tuple(
            From(one.artifact, one.column, "opaque") for one in dict.fromkeys((*origins, *values))
        )
        for name, origins in kept.columns.items()
    }
    why = "which columns were set is not known"
    return Sources(columns, dict.fromkeys(columns, why), kept.rows, reason="it is new")


def inserted(question: Question) -> Sources | None:
    """``df.insert(0, "a", values)``."""
    return _with_one(question, question.given("column"), "value")


def appended(question: Question) -> Sources | None:
    """``table.append_column("a", values)``."""
    return _with_one(question, question.given("field_"), "column")


def attribute_set(question: Question) -> Sources | None:
    """``df.columns = names``; ``df.a = values``."""
    name = question.given("name")
    if name == "columns":
        return column_rows.renamed(question)
    if name == "index":
        return column_rows.keeps(question)
    return _with_one(question, name, "value")


def _with_one(question: Question, name: object, role: str) -> Sources | None:
    names = question.made_names()
    kept = column_rows.keeps(question)
    if kept is None or names is None or not isinstance(name, str) or name not in names.columns:
        return None
    columns = dict(kept.columns)
    made = question.parameter_columns(role)
    if made is None and role in question.operation.parameters:
        made = ()  # a number, a text
    if made is None:
        columns.pop(name, None)
        return Sources(columns, reason="what it was set to is not known")
    columns[name], reasons = _computed(name, made)
    return Sources(columns, reasons)


def _with_several(question: Question, names: Sequence[str]) -> Sources | None:
    """Columns are set at once: each is made of all that the values were made of, or of some."""
    known, kept = question.made_names(), column_rows.keeps(question)
    if kept is None or known is None or not names or not set(names) <= set(known.columns):
        return None
    made = question.parameter_columns("value")
    if made is None and "value" in question.operation.parameters:
        made = ()  # a number, a text
    columns = {name: origins for name, origins in kept.columns.items() if name not in names}
    if made is None:
        return Sources(columns, reason="what it was set to is not known")
    if not made:
        return Sources({**columns, **dict.fromkeys(names, ())})
    by_place = _as_they_are(question, "value")
    if len(by_place) == len(names):
        return Sources({**columns, **dict(zip(names, by_place, strict=True))})
    some = tuple(dict.fromkeys(From(one.artifact, one.column, "opaque") for one in made))
    why = "which of the values it was set to is not known"
    return Sources({**columns, **dict.fromkeys(names, some)}, dict.fromkeys(names, why))


def _as_they_are(question: Question, role: str) -> list[tuple[From, ...]]:
    """The columns of one table that a parameter is, in their order; empty where it is none."""
    taken = question.operation.inputs.get(role)
    ids = [one.artifact.id for one in question.used if one.role == role]
    columns: Sequence[str | None] | None = (None,)
    if taken is not None:
        ids = [id_ for beginning in taken for id_ in question.used_by_beginning(beginning)]
        columns = next(iter(taken.values()), None)
    names = question.names_of(ids[0]) if len(ids) == 1 else None
    if names is None or ambiguous(names) or columns is None or columns[:1] != (None,):
        return []
    return [(From(ids[0], one, "identity"),) for one in columns[1:] or names.columns if one]


def _computed(
    name: str, made: Sequence[From], why: str = "a step between may use any column"
) -> tuple[tuple[From, ...], dict[str, str]]:
    opaque = any(one.how == "opaque" for one in made)
    return tuple(dict.fromkeys(made)), {name: why} if opaque else {}


def assigned(question: Question) -> Sources | None:
    """``df.assign(a=values, b=function)``."""
    kept = column_rows.keeps(question)
    names = question.made_names()
    table = question.self_()
    if kept is None or names is None or table is None:
        return None
    operation = question.operation
    columns, reasons = dict(kept.columns), {}
    roles = {one.role for one in operation.used} | set(operation.inputs)
    for name in names.columns:
        made = question.parameter_columns(name) if name in roles - {"self"} else None
        value = operation.parameters.get(name) if name in operation.given else None
        if made is not None:
            columns[name], why = _computed(name, made)
            reasons.update(why)
        elif isinstance(value, str) and "<" in value:
            columns[name] = question.every()
            reasons[name] = f"computed by {value}"
        elif value is not None:
            columns[name] = ()
    return Sources(columns, reasons)

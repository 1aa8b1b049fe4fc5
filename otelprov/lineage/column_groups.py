"""Where the columns come from of what was computed in groups and windows of rows."""

from __future__ import annotations

from typing import Final

from otelprov.lineage import column_rows, column_shapes
from otelprov.lineage.column_parameters import (
    aggregates,
    all_names,
    computed_key,
    keys_of,
    listed,
    literal,
    one_table,
)
from otelprov.lineage.column_sources import From, Question, Sources, turned


def grouped(question: Question) -> Sources | None:
    """The keys of a grouping stay what they are; each other column is a figure of its own."""
    found = one_table(question)
    if found is None:
        return None
    id_, before, names = found
    known, by = all_names(before), keys_of(question, before)
    if by is None:
        return None
    pairs = [pair for pair in map(computed_key, by) if pair is not None]
    by, computed = [one for one in by if computed_key(one) is None], dict(pairs)
    if any(one not in known for one in by) or not question.tables_only or question.reads_inside:
        return None
    made_of = [one for _, columns in pairs for one in columns]
    rows = tuple(From(id_, one, "group_by") for one in dict.fromkeys((*by, *made_of)))
    unsure = "" if all(columns for _, columns in pairs) else "a key that was computed"
    plain = question.operation.name.rpartition(".")[2]
    mapping = aggregates(question) if plain in _FIGURES else None
    columns: dict[str, tuple[From, ...]] = {}
    for name in (*names.columns, *names.index):
        if name is None:
            continue
        level = name in names.index or question.given("as_index") is False
        if level and name in computed:
            if computed[name]:
                columns[name] = tuple(From(id_, one, "transformation") for one in computed[name])
        elif plain in ("size", "value_counts") and not (level and name in known):
            columns[name] = ()  # how many rows there are
        elif level and (name in by or plain == "value_counts"):
            columns[name] = (From(id_, name, "identity"),)
        elif mapping is not None:
            base = mapping.get(name)
            if base in known:
                columns[name] = (From(id_, str(base), "aggregation"),)
        elif name in known:
            columns[name] = (From(id_, name, "aggregation"),)
    return Sources(columns, {}, rows, unsure)


_FIGURES: Final = frozenset({"agg", "apply", "describe"})
"""Aggregations whose columns may have names of their own."""


def arrow_grouped(question: Question) -> Sources | None:
    """``table.group_by("a").aggregate([("b", "sum")])``: pyarrow says what makes each column."""
    names, by = question.made_names(), listed(question.given("keys"))
    made = literal(question.given("aggregates"))
    table = question.self_()
    if table is None or names is None or by is None or not isinstance(made, list):
        return None
    if any(type(one) is not tuple or len(one) != 4 for one in made):
        return None
    id_ = table.artifact.id
    columns: dict[str, tuple[From, ...]] = {name: (From(id_, name, "identity"),) for name in by}
    for target, _, _, name in made:
        of = [target] if isinstance(target, str) else target
        columns[name] = tuple(From(id_, one, "aggregation") for one in of)
    return Sources(columns, {}, tuple(From(id_, one, "group_by") for one in by))


def in_groups(question: Question) -> Sources | None:
    """A figure of its group, or of the rows before it, for each row: ``cumsum``, ``transform``."""
    table = question.self_()
    before = None if table is None else question.names_of(table.artifact.id)
    by = None if before is None else keys_of(question, before)
    func = question.given("func")
    plain = question.operation.name.rpartition(".")[2]
    if by is None or not question.tables_only or question.reads_inside:
        return None
    # A function is given one column after the other.
    if plain == "transform" and (not isinstance(func, str) or func[:1] in ("[", "{", "(")):
        return None
    known = () if before is None else all_names(before)
    ids = () if table is None else (table.artifact.id,)
    rows = tuple(From(id_, one, "group_by") for id_ in ids for one in by if one in known)
    if plain in ("cumcount", "ngroup"):
        names = question.made_names()
        keys = () if plain == "cumcount" else turned(rows, "transformation")
        return None if names is None else Sources(dict.fromkeys(names.columns, keys), {}, rows)
    how = "aggregation" if plain == "transform" else "transformation"
    return column_rows.keeps(question, how=how, rows=rows)


def of_groups(question: Question) -> Sources | None:
    """Some rows of each group, or groups that a function chooses."""
    plain = question.operation.name.rpartition(".")[2]
    unsure = "what the function has looked at" if plain == "filter" else ""
    return column_rows.keeps(
        question, rows=column_rows.named_rows(question, "by", "group_by"), unsure=unsure
    )


def windowed(question: Question) -> Sources | None:
    """A figure of the rows around each row, or of those of a time: each column by itself."""
    operation, names = question.operation, question.made_names()
    given = operation.given
    if not question.tables_only or {"axis", "level", "pairwise", "other"} & {*given}:
        return None
    _, kind, plain = operation.name.split(".")
    if plain in ("corr", "cov"):  # with another column, or of each with each
        return None
    on = listed(question.given("on"))
    if question.reads_inside or names is None or (on is not None and kind == "window"):
        return None
    kept, table = column_rows.keeps(question, how="aggregation"), question.self_()
    if kept is not None and plain == "size":
        return Sources({**kept.columns, **dict.fromkeys(names.columns, ())})  # how many rows
    if kept is None or table is None or plain not in ("agg", "apply"):
        return kept
    if plain == "apply" and kind == "window":
        return kept  # a function is given one column after the other
    known = question.names(table.artifact.id) or ()
    mapping, taken = aggregates(question), question.parameter_columns("self") or ()
    if len(taken) == 1 and taken[0].column is not None:
        mapping = dict.fromkeys(names.columns, taken[0].column)
    levels = [name for name in names.index if name is not None]
    columns = {name: kept.columns[name] for name in levels if name in kept.columns}
    for name, base in mapping.items():
        if name in names.columns and base in known:
            columns[name] = (From(table.artifact.id, base, "aggregation"),)
    return Sources(columns)


def counted(question: Question) -> Sources | None:
    """``value_counts``: how many rows have each value."""
    table, names = question.self_(), question.made_names()
    taken = question.parameter_columns("self")
    if names is None or len(names.columns) != 1 or taken is None:
        return None
    if any(one.how == "opaque" for one in taken):
        known = None if table is None else question.names(table.artifact.id)
        if table is None or known is None:
            return None
        taken = tuple(From(table.artifact.id, one, "identity") for one in known)
    columns: dict[str, tuple[From, ...]] = {names.columns[0]: ()}
    for level in filter(None, names.index):
        same = tuple(one for one in taken if one.column == level or len(taken) == 1)
        if same:
            columns[level] = same
    rows = [one for level in filter(None, names.index) for one in columns.get(level, ())]
    return Sources(columns, {}, turned(rows, "group_by"))


def index_reset(question: Question) -> Sources | None:
    """``reset_index``: columns that were levels of the index; a column may get a name."""
    kept, moved = column_rows.keeps(question), column_shapes.without_index(question)
    if kept is None or moved is None:
        return kept or moved or column_shapes.without_index_of_computed(question)
    return Sources({**kept.columns, **moved.columns})

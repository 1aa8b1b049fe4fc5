"""Where the columns come from of a table of which rows were chosen or ordered, or names changed."""

from __future__ import annotations

import ast

from otelprov.lineage.column_parameters import all_names, ambiguous, grouped_by, literal, one_table
from otelprov.lineage.column_sources import From, Question, Sources, identical, turned


def keeps(
    question: Question,
    *,
    how: str = "identity",
    rows: tuple[From, ...] = (),
    unsure: str = "",
    reason: str = "",
) -> Sources | None:
    """Each column comes from that of the same name."""
    table, names = question.self_(), question.made_names()
    id_, before = question.selection("self") or ("", None)
    if table is not None:
        id_, before = table.artifact.id, question.names_of(table.artifact.id)
    if names is None or before is None or ambiguous(before):
        return None
    known = {*before.columns, *(one for one in before.index if one is not None)}
    columns = {
        name: (From(id_, name, how),)
        for name in (*names.columns, *names.index)
        if name is not None and name in known
    }
    return Sources(columns, {}, rows, unsure, reason)


def chosen(question: Question) -> Sources | None:
    """Rows are chosen by the key of ``df[…]`` and ``df.loc[…]``."""
    rows = question.parameter_columns("key") or ()
    return keeps(question, rows=turned(rows, "filter"))


def queried(question: Question) -> Sources | None:
    """``df.query``: the names in the expression."""
    table = question.self_()
    text = question.given("expr")
    names = None if table is None else question.names(table.artifact.id)
    if table is None or not isinstance(text, str) or names is None:
        return keeps(question, unsure="the condition")
    words = {one for one in _words(text) if one in names}
    rows = tuple(From(table.artifact.id, one, "filter") for one in names if one in words)
    whole = "…" not in text and "`" not in text
    return keeps(question, rows=rows, unsure="" if whole else "the condition")


def evaluated(question: Question) -> Sources | None:
    """``df.eval("c = a + b")``: each line sets a column, of those that it names."""
    table, text = question.self_(), question.given("expr")
    kept, made = keeps(question), question.made_names()
    if table is None or kept is None or made is None or not isinstance(text, str):
        return None
    if {one.artifact.id for one in question.used} != {table.artifact.id} or "…" in text:
        return None
    columns = dict(kept.columns)
    named = _words(text)
    if named and len(made.columns) == 1 and not any(one in text for one in "@`"):
        origins = (From(table.artifact.id, one, "transformation") for one in dict.fromkeys(named))
        known = question.names(table.artifact.id) or ()
        return Sources({**columns, made.columns[0]: tuple(o for o in origins if o.column in known)})
    for line in filter(str.strip, text.splitlines()):
        name, equals, value = line.partition("=")
        words = _words(value.strip())
        # A variable of the program's (`@x`) may be data, and a name in backticks is not parsed.
        if not equals or value[:1] == "=" or not words or any(one in line for one in "@`"):
            return None
        # A name that is no column, or was none before, is a line's above or no data.
        found = [one for word in words for one in columns.get(word, ())]
        columns[name.strip()] = tuple(dict.fromkeys(turned(found, "transformation")))
    return Sources(columns)


def _words(text: str) -> list[str]:
    try:
        tree = ast.parse(text.replace("@", "_at_"), mode="eval")
    except (SyntaxError, ValueError):
        return []
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]


def sorted_by(question: Question) -> Sources | None:
    """``sort_values`` and ``sort``: every column stays, its rows in another order."""
    return keeps(question, rows=named_rows(question, "by", "sort"))


def arrow_sorted(question: Question) -> Sources | None:
    """``table.sort_by("a")``, ``table.sort_by([("a", "descending")])``."""
    return keeps(question, rows=named_rows(question, "sorting", "sort"))


def deduplicated(question: Question) -> Sources | None:
    """``drop_duplicates`` and ``unique``: rows that are alike by the columns that are named."""
    return keeps(question, rows=named_rows(question, "subset", "filter"))


def largest(question: Question) -> Sources | None:
    """``nlargest``, ``top_k`` and their kin: rows by the values of columns."""
    return keeps(question, rows=named_rows(question, "columns", "filter"))


def named_rows(question: Question, parameter: str, why: str) -> tuple[From, ...]:
    """The columns that a parameter names, which decide which rows there are."""
    table = question.self_()
    names = question.names(table.artifact.id) if table is not None else None
    said = grouped_by(question.given(parameter))
    if table is None or names is None or said is None:
        return ()
    return tuple(From(table.artifact.id, one, why) for one in said if one in names)


def kept_rows(question: Question) -> Sources | None:
    """Rows are left out or come in another order, and every column stays."""
    return keeps(question)


def cell_by_cell(question: Question) -> Sources | None:
    """Each column is computed of that of the same name, and of nothing else."""
    if len(question.operation.used) != 1 or not question.tables_only:
        return None
    if question.given("axis") not in (None, 0, "None", "0", "index", "<no default>"):
        return None
    found = keeps(question, how="transformation")
    said = [literal(question.given(one)) for one in ("dtype", "value", "decimals")]
    named = next((one for one in said if isinstance(one, dict)), None)
    if found is None or named is None:
        return found
    # `astype({"a": "float"})` leaves the others as they are.
    touched = set(map(str, named))
    columns = {
        name: tuple(
            one if name in touched else From(one.artifact, one.column, "identity")
            for one in origins
        )
        for name, origins in found.columns.items()
    }
    return Sources(columns)


def converted(question: Question) -> Sources | None:
    """``to_datetime(df["a"])``, ``cut(df["a"], 5)``: of the one column that is converted."""
    names = question.made_names()
    origins = question.parameter_columns("arg") or question.parameter_columns("x")
    if names is None or not origins or len(names.columns) != 1:
        return None
    if any(one.how == "opaque" for one in origins) or question.parameter_columns("bins"):
        return None
    made = tuple(From(one.artifact, one.column, "transformation") for one in origins)
    return Sources({names.columns[0]: made})


def split_apart(question: Question) -> Sources | None:
    """``train_test_split``: rows of several tables, each by itself."""
    names = question.made_names()
    if names is None or ambiguous(names):
        return None
    every = [*names.columns, *(one for one in names.index if one is not None)]
    known = {one.artifact.id: question.names_of(one.artifact.id) for one in question.used}
    if not question.tables_only or any(own is None or ambiguous(own) for own in known.values()):
        return None
    found = [id_ for id_, own in known.items() if own is not None and {*every} <= {*all_names(own)}]
    return Sources(identical(found[0], every)) if len(found) == 1 else None


def renamed(question: Question) -> Sources | None:
    """The columns have other names, in the same order."""
    found = one_table(question)
    if found is None:
        return None
    id_, before, names = found
    if len(before.columns) != len(names.columns):
        return None
    columns = {
        after: (From(id_, name, "identity"),)
        for name, after in zip(before.columns, names.columns, strict=True)
    }
    if len(before.index) == len(names.index):
        for name, level in zip(before.index, names.index, strict=True):
            if name is not None and level is not None:
                columns.setdefault(level, (From(id_, name, "identity"),))
    return Sources(columns)

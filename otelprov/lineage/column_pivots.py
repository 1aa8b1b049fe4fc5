"""What PIVOT and UNPIVOT of SQL make of the columns of their input."""

from __future__ import annotations

from typing import Any


def through(pivot: Any, name: str) -> tuple[list[str], str] | None:
    """The columns from which PIVOT or UNPIVOT makes one that it calls so itself; None where that is
    not known: its columns are those of no list."""
    from sqlglot import exp

    fields = pivot.args.get("fields") or []
    if not fields or not all(isinstance(f, exp.In) for f in fields):
        return None
    folded = name.lower()
    if pivot.args.get("unpivot"):
        if len(fields) != 1:
            return None
        (field,) = fields
        rows = [_named(one) for one in field.expressions]  # the columns behind each new row
        values = [one for node in pivot.expressions for one in _named(node)]
        if any(len(one) != len(values) for one in rows):
            return None
        for number, value in enumerate(values):
            if value.lower() == folded:
                return [one[number] for one in rows], "transformation"
        if field.this.name.lower() == folded:
            return [one for row in rows for one in row], "transformation"
        if any(one.lower() == folded for row in rows for one in row):
            return None
        return [name], "identity"
    figures = pivot.expressions
    made = [one.name for one in pivot.args.get("columns") or ()]
    if not made or not figures or len(made) % len(figures):
        return None
    if folded in [one.lower() for one in made]:
        figure = figures[[one.lower() for one in made].index(folded) % len(figures)]
        return [one.name for one in figure.find_all(exp.Column)], "aggregation"
    used = [one.name for node in (*figures, *fields) for one in node.find_all(exp.Column)]
    return None if folded in [one.lower() for one in used] else ([name], "identity")


def names_after(pivot: Any, names: list[str] | None) -> list[str] | None:
    """What PIVOT or UNPIVOT calls its columns, which it makes of those of these names.

    In the order of DuckDB (checked with 2.0): those that it leaves, or groups by, come first.
    """
    from sqlglot import exp

    fields = pivot.args.get("fields") or []
    if names is None or len(fields) != 1 or not isinstance(fields[0], exp.In):
        return None
    (field,) = fields
    group = pivot.args.get("group")
    if pivot.args.get("unpivot"):
        gone = [one for node in field.expressions for one in _named(node)]
        made = [field.this.name, *(one for node in pivot.expressions for one in _named(node))]
    else:
        read = (*pivot.expressions, field)
        gone = [one.name for node in read for one in node.find_all(exp.Column)]
        made = [one.name for one in pivot.args.get("columns") or ()]
        if not made:
            return None
    if group is not None:
        if not all(isinstance(one, exp.Column) for one in group.expressions):
            return None
        return [*(one.name for one in group.expressions), *made]
    folded = {one.lower() for one in gone}
    return [*(one for one in names if one.lower() not in folded), *made]


def before_renaming(pivot: Any, names: list[str] | None, name: str) -> str | None:
    """What a column is called where PIVOT or UNPIVOT gives all of them other names by position."""
    own = names_after(pivot, names)
    given = [one.lower() for one in pivot.alias_column_names]
    if own is None or given.count(name.lower()) != 1:
        return None
    place = given.index(name.lower())
    return own[place] if place < len(own) else None


def _named(node: Any) -> list[str]:
    """The columns that an entry of a list names: one, or several in brackets."""
    from sqlglot import exp

    node = node.this if isinstance(node, (exp.PivotAlias, exp.Alias)) else node
    if isinstance(node, exp.Tuple):
        return [one for part in node.expressions for one in _named(part)]
    return [node.name]


def pivoted(scope: Any, table: str) -> Any:
    """The input of a query that has this name and is pivoted; None where it is not."""
    get = scope.expression.args.get
    source = get("from_")
    nodes = [source.this] if source is not None else []
    for node in [*nodes, *(join.this for join in get("joins") or ())]:
        pivots = node.args.get("pivots")
        if pivots and table in (node.alias_or_name, *(one.alias for one in pivots)):
            return node
    return None

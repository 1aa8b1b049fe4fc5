"""Views in a statement: each is put into it as the query that it stands for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

Name = tuple[str, ...]

MAX_DEPTH: Final = 20
"""Views that read views."""
_PLAIN: Final = frozenset(("this", "db", "catalog", "alias"))
"""What a name in a FROM says where nothing is done to what it names."""


def with_views(
    tree: Any, views: Mapping[Name, Any], tables: Collection[Name], depth: int = 0
) -> Any:
    """``tree``, changed in place. A name that may be a view or something else is left as it is.

    Args:
        tree: the statement, parsed.
        views: by database, schema and name, the statements that made them.
        tables: the other names in the statements that are known.
    """
    from sqlglot import exp

    if depth > MAX_DEPTH:
        return tree
    for node in list(tree.find_all(exp.Table)):
        query = _query_of(node, views, tables, depth)
        if query is not None:
            alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(node.name))
            node.replace(exp.Subquery(this=query, alias=alias.copy()))
    return tree


def _query_of(node: Any, views: Mapping[Name, Any], tables: Collection[Name], depth: int) -> Any:
    """The query that a name stands for; None where it is no view, or that cannot be said."""
    from sqlglot import exp

    if not isinstance(node.parent, (exp.From, exp.Join)):
        return None
    if not isinstance(node.this, exp.Identifier) or _said(node) - _PLAIN:
        return None
    name = tuple(part.name.lower() for part in node.parts)
    if len(name) == 1 and _is_in_with(node, name[0]):
        return None
    found = [one for one in views if _is_named(one, name)]
    if len(found) != 1 or any(_is_named(one, name) for one in tables):
        return None
    (view,) = found
    query = _renamed(views[view])
    if query is None:
        return None
    for inner in list(query.find_all(exp.Table)):
        own = inner.name.lower()
        if len(inner.parts) != 1 or not isinstance(inner.this, exp.Identifier):
            continue
        if _is_in_with(inner, own):
            continue
        # Its names are of its own schema, and not those of WITH around it.
        full = (*view[-2:-1], own)
        if any(_is_named(one, full) for one in (*tables, *views) if len(one) > 1):
            inner.set("db", exp.to_identifier(full[0], quoted=True))
        elif _is_in_with(node, own):
            return None
    return with_views(query, views, tables, depth + 1)


def _renamed(made: Any) -> Any:
    """The query of ``CREATE VIEW``, with the columns called as the view calls them."""
    from sqlglot import exp

    query: Any = made.expression
    query = query.unnest().copy() if isinstance(query, exp.Query) else None
    if query is None or not isinstance(made.this, exp.Schema):
        return query
    names = [one.name for one in made.this.expressions]
    selects = query.selects
    if not isinstance(query, exp.Select) or len(names) != len(selects) or query.is_star:
        return None
    query.set(
        "expressions",
        [exp.alias_(one.unalias(), name) for one, name in zip(selects, names, strict=True)],
    )
    return query


def _said(node: Any) -> set[str]:
    return {name for name, value in node.args.items() if value}


def _is_named(full: Name, name: Name) -> bool:
    """Whether a name may be meant by another, of which parts in front are left out."""
    length = min(len(full), len(name))
    return tuple(part.lower() for part in full[-length:]) == name[-length:]


def _is_in_with(node: Any, name: str) -> bool:
    """Whether a name is one of WITH where it stands: the queries there know those before them, and
    with RECURSIVE themselves."""
    from sqlglot import exp

    place = node
    while place.parent is not None:
        inner, place = place, place.parent
        with_ = place if isinstance(place, exp.With) else place.args.get("with_")
        if with_ is None or (with_ is inner and not isinstance(inner, exp.CTE)):
            continue  # it stands in that WITH: looked at when that was the place
        for one in with_.expressions:
            if one is inner:
                if with_.args.get("recursive") and one.alias.lower() == name:
                    return True
                break
            if one.alias.lower() == name:
                return True
    return False

"""Columns of a statement: from which columns of its inputs each column that it gives is computed.

``columns_of`` is the way in. Its answer is about values: what a condition, a grouping or an order
has to do with a value is in no origin, unless it stands in the expression itself (``CASE``,
``OVER``). What cannot be resolved is there and marked opaque, with the reason: nothing is guessed.

sqlglot parses and says which name means which input; it is loaded when it is first needed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import lru_cache
from typing import Any, Final

from otelprov._record import record
from otelprov.lineage.column_pivots import before_renaming, names_after, pivoted, through
from otelprov.lineage.column_views import with_views
from otelprov.statements import changed, plain, unheard

Name = tuple[str, ...]
"""A table as the statement names it: table; schema and table; database, schema and table. A file
that is read by its name, or by a function, is that name alone."""
Schema = Mapping[Name, Sequence[str]]
"""The columns of inputs, as far as they are known."""

MAX_DEPTH: Final = 200
"""Queries within queries."""
UNSAID: Final = "?"
"""A name in quotes that may be a string, and is not recorded (``statements.mask_literals``)."""
WHY_UNSAID: Final = "a name in the statement is not recorded"


@record(order=True)
class Origin:
    """A column of an input."""

    table: Name
    column: str | None
    """None: any of its columns."""
    how: str = field(default="identity", compare=False)
    """``identity``, ``transformation`` or ``aggregation``; of rows ``filter``, ``join``,
    ``group_by`` or ``sort``."""


@record
class Column:
    """A column that a statement gives or writes."""

    name: str
    """``*`` for columns whose names are not known."""
    origins: tuple[Origin, ...] = ()
    """Sorted; empty for what is computed from no column: a constant, ``count(*)``."""
    opaque: str = ""
    """Why there may be more origins; empty where these are all."""


@record
class Columns:
    """What is known of the columns of a statement."""

    columns: tuple[Column, ...] = ()
    target: Name | None = None
    """The table that they are written to."""
    opaque: str = ""
    """Why nothing more is known; empty where the columns are all."""
    rows: tuple[Origin, ...] = ()
    """The columns that decide which rows there are, and in which order: of conditions, joins,
    groupings and orders, also of the queries inside."""
    rows_opaque: str = ""
    """Why these may not be all."""

    def get(self, name: str) -> Column | None:
        """The column of a name, which does not depend on its case."""
        folded = name.lower()
        return next((one for one in self.columns if one.name.lower() == folded), None)


def columns_of(
    statement: str,
    schema: Schema | None = None,
    dialect: str = "duckdb",
    *,
    views: Mapping[Name, str] | None = None,
    tables: Collection[Name] = (),
) -> Columns:
    """The columns of one statement, with their origins. Never raises for a statement.

    Args:
        statement: its text.
        schema: the columns of inputs, as far as they are known.
        dialect: as sqlglot names it.
        views: by database, schema and name, the statements that made the views that are read.
        tables: the other names that are known.
    """
    try:
        with unheard():
            tree = _tree(statement, dialect)
            if views:
                with_views(tree, _parsed(views, dialect), tables)
            return _Statement(schema or {}, dialect).columns(tree)
    except _Opaque as error:
        return Columns(opaque=str(error))
    except Exception as error:
        # Not SqlglotError alone: where a statement has a form that nobody thought of, sqlglot 30
        # fails with whatever its own code fails with (AssertionError: a query that is UNPIVOT).
        return Columns(opaque=f"the statement could not be resolved: {type(error).__name__}")


@lru_cache(maxsize=256)
def columns_set(statement: str, dialect: str) -> tuple[str, ...] | None:
    """The columns that INSERT or UPDATE names to set them, in lower case; None where it names none,
    or that cannot be said."""
    from sqlglot import exp

    try:
        with unheard():
            tree = _tree(statement, dialect)
    except Exception:  # as above
        return None
    if isinstance(tree, exp.Update) and len(changed(tree)) == 1:
        said = tree.expressions
    elif isinstance(tree, exp.Insert) and isinstance(tree.this, exp.Schema):
        conflict = tree.args.get("conflict")
        said = [*tree.this.expressions, *(conflict.expressions if conflict is not None else ())]
    else:
        return None
    names = [one.this if isinstance(one, exp.EQ) else one for one in said]
    if not names or not all(isinstance(one, (exp.Column, exp.Identifier)) for one in names):
        return None
    return tuple(dict.fromkeys(one.name.lower() for one in names))


class _Opaque(Exception):
    """Nothing can be said of a statement."""


def _tree(statement: str, dialect: str) -> Any:
    import sqlglot
    from sqlglot import exp

    parsed = sqlglot.parse(plain(statement, dialect), dialect=dialect)
    trees = [one for one in parsed if not isinstance(one, (exp.Semicolon, type(None)))]
    if len(trees) != 1:
        raise _Opaque("several statements" if trees else "no statement")
    if isinstance(trees[0], exp.Command):
        raise _Opaque("the statement could not be parsed")
    return trees[0]


def _parsed(views: Mapping[Name, str], dialect: str) -> dict[Name, Any]:
    """The statements of the views that can be read; the others stay names of which nothing is
    known."""
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    found = {}
    for name, text in views.items():
        try:
            tree = _tree(text, dialect)
        except (_Opaque, SqlglotError):
            continue
        if isinstance(tree, exp.Create):
            found[name] = tree
    return found


class _Statement:
    """One statement, by its kind."""

    def __init__(self, schema: Schema, dialect: str) -> None:
        self._schema = schema
        self._dialect = dialect
        self._rows: tuple[Origin, ...] = ()
        self._rows_opaque = ""

    def columns(self, tree: Any) -> Columns:
        """Of any statement.

        Raises:
            _Opaque: nothing can be said of it.
        """
        from sqlglot import exp

        if isinstance(tree, exp.Query):
            return self._of_query(tree)
        if isinstance(tree, exp.Create):
            if not isinstance(tree.expression, exp.Query):
                return _empty(tree)
            return self._written(tree, tree.expression)
        if isinstance(tree, exp.Insert) and isinstance(tree.expression, exp.Values):
            return _upserted(tree, self._values(tree))
        if isinstance(tree, exp.Insert) and isinstance(tree.expression, exp.Query):
            by_name = bool(tree.args.get("by_name"))
            return _upserted(tree, self._written(tree, tree.expression, by_name=by_name))
        if isinstance(tree, exp.Copy) and not tree.args.get("kind"):
            if isinstance(tree.this, exp.Subquery):
                return self._of_query(tree.this.this)
            return self._of_query(exp.select("*").from_(tree.this.copy()))
        if isinstance(tree, exp.Update):
            return self._update(tree)
        if isinstance(tree, exp.Merge):
            return self._merge(tree)
        if isinstance(tree, exp.Alter) and tree.args.get("kind") == "TABLE":
            return _altered(tree, _lookup(self._schema, _name(tree.this)))
        raise _Opaque(f"{tree.key.upper()} has no columns that could be followed")

    def _of_query(self, query: Any) -> Columns:
        return Columns(tuple(self._query(query)), rows=self._rows, rows_opaque=self._rows_opaque)

    def _query(self, query: Any) -> list[Column]:
        found = _Query(query, self._schema, self._dialect)
        columns = found.columns()
        self._rows, self._rows_opaque = found.rows()
        return columns

    def _written(self, tree: Any, query: Any, *, by_name: bool = False) -> Columns:
        """``INSERT`` and ``CREATE … AS``: by position, where it has names of its own."""
        from sqlglot import exp

        target = tree.this
        names: list[str] | None = None
        if isinstance(target, exp.Schema):
            listed = [one for one in target.expressions if isinstance(one, exp.Identifier)]
            names = [one.name for one in listed] or None
            target = target.this
        name = _name(target)
        with_ = tree.args.get("with_")
        if with_ is not None:
            query = query.copy()
            query.set("with_", with_.copy())
        found = self._query(query)
        rows, unsure = self._rows, self._rows_opaque
        if names is None and isinstance(tree, exp.Insert) and not by_name:
            known = _lookup(self._schema, name)
            if known is None:
                reason = "which columns of the table are written is not known"
                return Columns((), name, reason, rows, unsure)
            names = list(known)
        if names is None or by_name:
            return Columns(tuple(found), name, "", rows, unsure)
        if any(one.name == "*" for one in found):
            origins = _sorted(origin for one in found for origin in one.origins)
            reason = "the columns of an input are not known"
            columns = tuple(Column(one, origins, reason) for one in names)
            return Columns(columns, name, "", rows, unsure)
        renamed = [replace(one, name=to) for one, to in zip(found, names, strict=False)]
        return Columns(tuple(renamed), name, "", rows, unsure)

    def _values(self, tree: Any) -> Columns:
        """``INSERT … VALUES``: what is computed from no column."""
        from sqlglot import exp

        target = tree.this
        names: Sequence[str] | None = None
        if isinstance(target, exp.Schema):
            names = [one.name for one in target.expressions]
            target = target.this
        name = _name(target)
        names = names or _lookup(self._schema, name)
        if names is None:
            raise _Opaque("which columns of the table are written is not known")
        if next(tree.expression.find_all(exp.Query), None) is not None:
            raise _Opaque("VALUES with a query inside")
        return Columns(tuple(map(Column, names)), name)

    def _update(self, tree: Any) -> Columns:
        """``UPDATE``: the columns that are set; all others stay what they were."""
        from sqlglot import exp

        tables = changed(tree)
        if len(tables) != 1:
            raise _Opaque("several tables are updated at once")
        target = tables[0]
        query = exp.Select()
        for one in tree.expressions:
            query = query.select(exp.alias_(one.expression.copy(), one.this.name), copy=False)
        source = tree.args.get("from_")
        given = [] if source is None else [source.this]
        if target is tree.this or tree.this.args.get("joins"):
            given.insert(0, tree.this)  # else it is another name of one of them
        for one in given:
            query = _also_from(query, one)
        with_ = tree.args.get("with_")
        if with_ is not None:
            query.set("with_", with_.copy())
        return Columns(self._kept(_name(target), self._query(query)), _name(target))

    def _merge(self, tree: Any) -> Columns:
        """``MERGE``: what is set or inserted, by any of its branches."""
        from sqlglot import exp

        target, using = tree.this, tree.args["using"]
        found: dict[str, Column] = {}
        for when in tree.args["whens"].expressions:
            action = when.args["then"]
            pairs: list[tuple[str, Any]] = []
            if isinstance(action, exp.Update):
                pairs = [(one.this.name, one.expression) for one in action.expressions]
            elif isinstance(action, exp.Insert):
                named, given = action.this, action.expression
                if not isinstance(named, exp.Tuple) or not isinstance(given, exp.Tuple):
                    raise _Opaque("MERGE inserts columns that are not named")
                pairs = [
                    (column.name, value)
                    for column, value in zip(named.expressions, given.expressions, strict=False)
                ]
            if not pairs:
                continue
            query = exp.Select()
            for written, value in pairs:
                query = query.select(exp.alias_(value.copy(), written), copy=False)
            query = query.from_(target.copy()).join(using.copy(), join_type="cross")
            for column in self._query(query):
                before = found.get(column.name)
                found[column.name] = column if before is None else _both(before, column)
        name = _name(target)
        return Columns(self._kept(name, list(found.values())), name)

    def _kept(self, name: Name, changed: list[Column]) -> tuple[Column, ...]:
        """Rows that are not touched keep what they had: each column comes from itself, too."""
        changed = [
            replace(one, origins=_sorted((*one.origins, Origin(name, one.name)))) for one in changed
        ]
        names = {one.name.lower() for one in changed}
        unsaid = WHY_UNSAID if UNSAID in names else ""
        others = [
            Column(one, (Origin(name, one),), unsaid)
            for one in _lookup(self._schema, name) or ()
            if one.lower() not in names
        ]
        return (*changed, *others)


def _also_from(query: Any, table: Any) -> Any:
    """The query, with a table more and what is joined to that."""
    table = table.copy()
    joins = table.args.get("joins") or ()
    table.set("joins", None)
    first = query.args.get("from_") is None
    query = query.from_(table) if first else query.join(table, join_type="cross")
    for join in joins:
        query.append("joins", join)
    return query


def _upserted(tree: Any, found: Columns) -> Columns:
    """With what ``ON CONFLICT DO UPDATE`` sets: of the row that was to be put in, and of the one
    that is there."""
    from sqlglot import exp

    conflict = tree.args.get("conflict")
    if conflict is None or found.opaque or found.target is None:
        return found
    put_in = {one.name.lower(): one for one in found.columns}
    columns = dict(put_in)
    for one in conflict.expressions:
        names, values = one.this, one.expression
        if not isinstance(names, exp.Tuple):
            pairs = [(names, values)]
        elif isinstance(values, exp.Tuple) and len(names.expressions) == len(values.expressions):
            pairs = list(zip(names.expressions, values.expressions, strict=True))
        else:
            pairs = [(name, values) for name in names.expressions]
        for column, value in pairs:
            is_seen = not conflict.args.get("duplicate") and value.find(exp.Query) is None
            name = column.name
            if "*" in put_in and (value.sql().lower() != f"excluded.{name.lower()}" or not is_seen):
                made = Column(name, opaque="what ON CONFLICT sets, of columns that are not known")
            elif "*" in put_in:
                continue
            elif is_seen:
                made = _set_to(name, value, put_in, found.target)
            else:
                made = Column(name, opaque="what ON CONFLICT sets is not looked into")
            columns[name.lower()] = _both(columns.get(name.lower(), Column(name)), made)
    return replace(found, columns=tuple(columns.values()))


def _set_to(name: str, value: Any, put_in: Mapping[str, Column], target: Name) -> Column:
    """A column that ``ON CONFLICT`` sets."""
    from sqlglot import exp

    parts = []
    for node in value.find_all(exp.Column):
        before = Column(name, (Origin(target, node.name),))
        if node.table.lower() == "excluded":
            before = put_in.get(node.name.lower(), Column(name))
        parts.append(_turned(before, _how(node, value)))
    return _all(name, parts)


def _altered(tree: Any, known: Sequence[str] | None) -> Columns:
    """``ALTER TABLE``: columns that are added, dropped, or get another name or type."""
    from sqlglot import exp

    if any(one.name == UNSAID for one in tree.find_all(exp.Identifier)):
        raise _Opaque(WHY_UNSAID)
    name = _name(tree.this)
    kept = {one.lower(): Column(one, (Origin(name, one),)) for one in known or ()}
    added: list[Column] = []
    for action in tree.args["actions"]:
        if isinstance(action, exp.ColumnDef):
            if action.args.get("exists") and action.name.lower() in kept:
                continue
            added.append(Column(action.name, _within(name, _computed(action))))
        elif isinstance(action, exp.RenameColumn):
            before, after = action.this.name, action.args["to"].name
            renamed = Column(after, (Origin(name, _spelled({name: known or ()}, name, before)),))
            if before.lower() in kept:
                kept[before.lower()] = renamed
            else:
                added.append(renamed)
        elif isinstance(action, exp.AlterColumn):
            using = action.args.get("using")
            if using is not None:
                column = Column(action.name, _within(name, using))
                if action.name.lower() in kept:
                    kept[action.name.lower()] = column
                else:
                    added.append(column)
        elif isinstance(action, exp.Drop) and action.args.get("kind") == "COLUMN":
            for one in action.args["tables"]:
                kept.pop(one.name.lower(), None)
        elif not isinstance(action, exp.AddConstraint):
            raise _Opaque("what ALTER does to the columns is not known")
    if known is None:
        reason = "the columns of the table are not known"
        added.insert(0, Column("*", (Origin(name, None),), reason))
    return Columns((*kept.values(), *added), name)


def _within(table: Name, expression: Any) -> tuple[Origin, ...]:
    """The columns of a table that one of its own is computed of."""
    from sqlglot import exp

    found = [] if expression is None else expression.find_all(exp.Column)
    return _sorted(Origin(table, one.name, _how(one, expression)) for one in found)


def _empty(tree: Any) -> Columns:
    """``CREATE TABLE`` with nothing but columns; some may be computed from others of the table."""
    from sqlglot import exp

    if not isinstance(tree.this, exp.Schema) or str(tree.args.get("kind")).upper() != "TABLE":
        raise _Opaque("it makes nothing of a query")
    if any(isinstance(one, exp.LikeProperty) for one in tree.this.expressions):
        raise _Opaque("its columns are those of another table")
    name = _name(tree.this.this)
    listed = [one for one in tree.this.expressions if isinstance(one, exp.ColumnDef)]
    found = []
    for one in listed:
        expression = _computed(one)
        origins = [] if expression is None else expression.find_all(exp.Column, exp.Identifier)
        names = dict.fromkeys(origin.name for origin in origins)
        spelled = [other.name for other in listed if other.name.lower() in map(str.lower, names)]
        origins = tuple(Origin(name, other, "transformation") for other in spelled)
        found.append(Column(one.name, origins, WHY_UNSAID if UNSAID in names else ""))
        if expression is None and len(found) > 1 and found[-2].origins:
            raise _Opaque("a column that is computed stands before others")
    return Columns(tuple(found), name)


def _computed(column: Any) -> Any:
    """The expression that a column of a table is computed by; None where it is none."""
    from sqlglot import exp

    for one in column.constraints:
        if isinstance(one.kind, exp.ComputedColumnConstraint):
            return one.kind.this
        if isinstance(one.kind, exp.GeneratedAsIdentityColumnConstraint):
            return one.kind.args.get("expression")
    return None


class _Query:
    """One query."""

    def __init__(self, query: Any, schema: Schema, dialect: str) -> None:
        from sqlglot.optimizer.qualify import qualify
        from sqlglot.optimizer.scope import build_scope

        if not hasattr(query, "selects"):  # PIVOT and UNPIVOT that are no part of a SELECT
            raise _Opaque(f"{query.key.upper()} has no columns that could be followed")
        self._schema = schema
        self._written = _as_written(query) if dialect in _FOLDING else {}
        self._names = [one.alias_or_name for one in query.selects]
        depth = max((len(name) for name in schema), default=0)
        tables = _nested(schema) if all(len(name) == depth for name in schema) else {}
        if schema and not tables:
            # Names of different depth do not go into one schema of sqlglot's.
            tables = _nested({name[-1:]: columns for name, columns in schema.items()})
        root = build_scope(
            qualify(
                query.copy(),
                dialect=dialect,
                schema=tables,
                validate_qualify_columns=False,
                quote_identifiers=False,
                identify=False,
            )
        )
        if root is None:
            raise _Opaque("it is no query")
        self._scope: Any = root
        # A recursive query is a source of itself, as another object without its own sources.
        self._scopes = {id(one.expression): one for one in self._scope.traverse()}
        self._open: set[tuple[int, int]] = set()

    def columns(self) -> list[Column]:
        """All that it gives, in their order."""
        selects = self._scope.expression.selects
        names = self._names if len(self._names) == len(selects) else None
        found = []
        for index, select in enumerate(selects):
            name = select.alias_or_name
            if names is not None and names[index] not in ("", "*"):
                name = names[index]
            found.append(self._at(self._scope, index, name))
        return found

    def rows(self) -> tuple[tuple[Origin, ...], str]:
        """What decides which rows it gives, and why that may not be all."""
        from sqlglot import exp

        parts: list[Column] = []
        for scope in self._scopes.values():
            if not isinstance(scope.expression, exp.Select):
                continue
            for why, nodes in _clauses(scope.expression):
                for node in nodes:
                    if isinstance(node.unnest(), (exp.Placeholder, exp.Star)):
                        parts.append(Column("", opaque=f"{why.upper()} by a position, or by all"))
                    found = (
                        self._ordered(node, scope) if why == "sort" else self._of(node, scope, "")
                    )
                    parts.append(
                        replace(found, origins=tuple(replace(o, how=why) for o in found.origins))
                    )
        origins = dict.fromkeys(
            (one.table, one.column, one.how) for part in parts for one in part.origins
        )
        reason = next((one.opaque for one in parts if one.opaque), "")
        return tuple(Origin(*one) for one in origins), reason

    def _ordered(self, node: Any, scope: Any) -> Column:
        """What ORDER BY names: first of all a column that the query gives."""
        from sqlglot import exp

        if isinstance(node, exp.Column) and not node.table:
            for index, select in enumerate(scope.expression.selects):
                if select.alias_or_name.lower() == node.name.lower():
                    return self._at(scope, index, "")
        return self._of(node, scope, "")

    def _at(self, scope: Any, index: int, name: str) -> Column:
        """The column of a query at a position."""
        from sqlglot import exp

        key = (id(scope), index)
        if key in self._open:  # a recursive query: what it comes from is found elsewhere
            return Column(name)
        if len(self._open) > MAX_DEPTH:
            return Column(name, opaque="queries within queries")
        self._open.add(key)
        try:
            expression = scope.expression
            if isinstance(expression, exp.SetOperation):
                if expression.args.get("by_name"):
                    return Column(name, opaque="UNION BY NAME")
                parts = [
                    self._at(one, index, name)
                    for one in scope.set_operation_scopes
                    if index < len(one.expression.selects)
                ]
                return _all(name, parts)
            if isinstance(expression, exp.Subquery):
                inner = scope.subquery_scopes or scope.derived_table_scopes
                return _all(name, [self._at(one, index, name) for one in inner])
            if isinstance(expression, exp.Select):
                return self._of(expression.selects[index], scope, name)
            return self._made_of(scope, name)
        finally:
            self._open.discard(key)

    def _of(self, node: Any, scope: Any, name: str) -> Column:
        """What an expression is computed from."""
        from sqlglot import exp
        from sqlglot.optimizer.scope import find_all_in_scope

        if _is_star(node) and any(pivoted(scope, one) for one in scope.selected_sources):
            return Column("*", opaque="the input is pivoted")
        if _is_star(node):
            inputs = [_label(one) for one in scope.sources.values() if isinstance(one, exp.Table)]
            origins = _sorted(Origin(one, None) for one in inputs)
            return Column("*", origins, "the columns of an input are not known")
        if any(True for _ in find_all_in_scope(node, exp.Columns)):
            return Column("*", opaque="COLUMNS chooses columns by a pattern")
        nodes = [node, *_windows(node, scope.expression)]
        parts = [
            _turned(self._column(column, scope), _how(column, one))
            for one in nodes
            for column in find_all_in_scope(one, exp.Column)
        ]
        parts += [
            Column(name, opaque=f"{row.name} is a whole row")
            for one in nodes
            for row in find_all_in_scope(one, exp.TableColumn)
        ]
        inside = {id(one) for one in node.find_all(exp.Query)}
        for sub in scope.subquery_scopes:
            if id(sub.expression) in inside:
                selects = range(len(sub.expression.selects))
                how = "identity" if node.unalias() is sub.expression.parent else "transformation"
                parts += [_turned(self._at(sub, index, name), how) for index in selects]
        return _all(name, parts)

    def _column(self, column: Any, scope: Any) -> Column:
        """What a column that is named in an expression is."""
        from sqlglot import exp

        name, table = column.name, column.table
        if isinstance(column.this, exp.Star):
            return Column(name, opaque=f"{table}.* is a whole row")
        if name == UNSAID:
            return Column(name, opaque=WHY_UNSAID)
        place = scope
        while place is not None and table and table not in place.sources:
            behind = pivoted(place, table)
            if behind is not None:
                return self._pivoted(behind.args["pivots"], self._behind(behind, place), name)
            place = place.parent  # of the query around it
        if place is None:
            return Column(name, opaque=f"what {table or name} is, is not known")
        if name == (table or name) and self._is_row(place, name):
            return Column(name, opaque=f"{name} is a whole row")
        if not table:
            if len(place.selected_sources) != 1:
                return Column(name, opaque=f"{name} may be a column of several inputs")
            table = next(iter(place.selected_sources))
        behind = pivoted(place, table)
        if behind is not None:
            return self._pivoted(behind.args["pivots"], self._behind(behind, place), name)
        source = place.sources[table]
        given = source.this.find_all(exp.Column) if _is_function(source) else ()
        made = [self._column(one, place) for one in given if one.table not in ("", table)]
        if made or (_is_function(source) and isinstance(source.this, _series())):
            # Rows that a function makes of a column, json_each(t.a), or of none: range(3).
            return _turned(_all(name, made), "transformation")
        return self._in(source, name)

    def _is_row(self, place: Any, name: str) -> bool:
        """Whether a name is that of an input, as in ``to_json(t) FROM t``, and of no column of
        it."""
        if name not in place.selected_sources:
            return False
        names = self._names_of([], place.sources[name])
        return names is None or name.lower() not in map(str.lower, names)

    def _behind(self, node: Any, place: Any) -> Any:
        """What is pivoted: a table, or a query."""
        from sqlglot import exp

        if isinstance(node, exp.Subquery):
            return self._scopes.get(id(node.this), node)
        return node if node.db else place.cte_sources.get(node.name, node)

    def _pivoted(self, pivots: list[Any], source: Any, name: str) -> Column:
        """A column of an input behind PIVOT and UNPIVOT, of which each takes what the one before
        gives."""
        if not pivots:
            return self._in(source, name)
        *before, pivot = pivots
        own: str | None = name
        if pivot.alias_column_names:
            own = before_renaming(pivot, self._names_of(before, source), name)
        found = None if own is None else through(pivot, own)
        if found is None:
            return Column(name, opaque="the input is pivoted")
        names, how = found
        parts = [self._pivoted(before, source, one) for one in names]
        return _turned(_all(name, parts), how)

    def _names_of(self, pivots: list[Any], source: Any) -> list[str] | None:
        """What the columns of an input are called, behind PIVOT and UNPIVOT; None where that is not
        known."""
        from sqlglot import exp

        if pivots:
            *before, pivot = pivots
            names = names_after(pivot, self._names_of(before, source))
            given = pivot.alias_column_names
            if names is None or (given and len(given) < len(names)):
                return None
            return given or names
        if isinstance(source, exp.Table):
            known = _lookup(self._schema, _label(source))
            return None if known is None else list(known)
        expression = getattr(source, "expression", None)
        if not isinstance(expression, exp.Query) or any(map(_is_star, expression.selects)):
            return None
        return [one.alias_or_name for one in expression.selects]

    def _in(self, source: Any, name: str) -> Column:
        """A column of an input: of a table, or of a query."""
        from sqlglot import exp

        if isinstance(source, exp.Table):
            label = _label(source)
            if _lookup(self._schema, label) is None:
                return Column(name, (Origin(label, self._written.get(name, name)),))
            return Column(name, (Origin(label, _spelled(self._schema, label, name)),))
        expression = source.expression
        if isinstance(expression, exp.Lateral) and isinstance(expression.this, exp.Subquery):
            expression = expression.this.this
        source = self._scopes.get(id(expression), source)
        if not isinstance(expression, exp.Query):
            return self._made_of(source, name)
        selects = expression.selects
        for index, select in enumerate(selects):
            if select.alias_or_name.lower() == name.lower() and not _is_star(select):
                return self._at(source, index, name)
        if any(map(_is_star, selects)):
            inputs = list(source.sources.values())
            if isinstance(expression, exp.Select) and len(inputs) == 1:
                return self._in(inputs[0], name)  # `SELECT *` of one input hands it on
            if isinstance(expression, exp.SetOperation):
                return self._of_stars(source, name)
            return Column(name, opaque=f"{name} may be a column of several inputs")
        return Column(name, opaque=f"{name} is no column of the query that it is taken from")

    def _of_stars(self, scope: Any, name: str) -> Column:
        """A column of a UNION of stars: the first part says the names, the others have as many."""
        from sqlglot import exp

        first, *others = scope.set_operation_scopes
        tables = [
            Column(name, (Origin(_label(table), None),))
            for other in others
            for table in other.expression.find_all(exp.Table)
        ]
        found = _all(name, [self._in(first, name), *tables])
        return replace(found, opaque="a UNION of columns that are not known, by position")

    def _made_of(self, scope: Any, name: str) -> Column:
        """A column of VALUES, UNNEST and their like: all the columns that stand in there."""
        from sqlglot import exp

        around = scope.parent or scope
        used = scope.expression.find_all(exp.Column)
        return _all(name, [self._column(one, around) for one in used])


# --- records --------------------------------------------------------------------------------------


def _all(name: str, parts: Iterable[Column]) -> Column:
    """A column that is computed from all of these."""
    found = Column(name)
    for part in parts:
        found = _both(found, part)
    return found


def _both(one: Column, other: Column) -> Column:
    opaque = one.opaque or other.opaque
    return Column(one.name, _sorted((*one.origins, *other.origins)), opaque)


def _sorted(origins: Iterable[Origin]) -> tuple[Origin, ...]:
    """Each once: what comes in both as it is and computed is computed."""
    found: dict[Origin, Origin] = {}
    for one in origins:
        before = found.get(one)
        if before is None or _RANK.get(one.how, 0) > _RANK.get(before.how, 0):
            found[one] = one
    return tuple(sorted(found.values(), key=lambda one: (one.table, one.column or "")))


_RANK: Final = {"identity": 0, "transformation": 1, "aggregation": 2}


def _turned(column: Column, how: str) -> Column:
    """What is computed of a column: of an aggregation it stays one."""
    if how == "identity":
        return column
    origins = (one if one.how == "aggregation" else replace(one, how=how) for one in column.origins)
    return replace(column, origins=tuple(origins))


def _how(column: Any, node: Any) -> str:
    """What an expression makes of a column in it."""
    from sqlglot import exp

    how, place = "identity", column
    while place is not node:
        place = place.parent
        if isinstance(place, exp.AggFunc):
            return "aggregation"
        if not isinstance(place, (exp.Alias, exp.Paren)):
            how = "transformation"
    return how


# --- names ----------------------------------------------------------------------------------------


_FOLDING: Final = ("duckdb", "sqlite")
"""Dialects whose names keep their case, and do not depend on it."""


def _as_written(query: Any) -> dict[str, str]:
    """By name in small letters: the names as the statement writes them, where it does so in one
    way."""
    from sqlglot import exp

    found: dict[str, set[str]] = {}
    for one in query.find_all(exp.Identifier):
        found.setdefault(one.name.lower(), set()).add(one.name)
    return {name: written.pop() for name, written in found.items() if len(written) == 1}


def _is_star(node: Any) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.Star) or (
        isinstance(node, exp.Column) and isinstance(node.this, exp.Star)
    )


def _series() -> tuple[type, ...]:
    from sqlglot import exp

    return (exp.GenerateSeries, exp.Unnest)


def _is_function(source: Any) -> bool:
    """Whether an input is what a function gives."""
    from sqlglot import exp

    return isinstance(source, exp.Table) and not isinstance(source.this, exp.Identifier)


def _windows(node: Any, select: Any) -> Iterator[Any]:
    """The windows that an expression names: ``OVER w``."""
    from sqlglot import exp

    named = {one.name.lower(): one for one in select.args.get("windows") or ()}
    for window in node.find_all(exp.Window) if named else ():
        name = window.args.get("alias")
        if name is not None and name.name.lower() in named:
            yield named[name.name.lower()]


def _clauses(select: Any) -> Iterator[tuple[str, list[Any]]]:
    """The parts of a query that choose, pair, group and order rows, each with what it does."""
    get = select.args.get
    for name, why in (("where", "filter"), ("having", "filter"), ("qualify", "filter")):
        if get(name) is not None:
            yield why, [get(name).this]
    for join in get("joins") or ():
        if join.args.get("on") is not None:
            yield "join", [join.args["on"]]
    if get("group") is not None:
        yield "group_by", list(get("group").expressions)
    if get("order") is not None:
        yield "sort", [one.this for one in get("order").expressions]


def _name(table: Any) -> Name:
    from sqlglot import exp

    if not isinstance(table, exp.Table):
        raise _Opaque("what is written is no table")
    return _label(table)


def _label(table: Any) -> Name:
    """The name of a table; of a function that reads a file, the name of the file."""
    from sqlglot import exp

    if isinstance(table.this, exp.Identifier):
        return tuple(part.name for part in table.parts)
    text = next((one for one in table.this.find_all(exp.Literal) if one.is_string), None)
    return (text.name,) if text is not None else (table.this.sql(dialect="duckdb"),)


def _lookup(schema: Schema, name: Name) -> Sequence[str] | None:
    """The columns of a table: names do not depend on their case, and may be shorter."""
    folded = tuple(part.lower() for part in name)
    for known, columns in schema.items():
        other = tuple(part.lower() for part in known)
        length = min(len(other), len(folded))
        if other[-length:] == folded[-length:]:
            return columns
    return None


def _spelled(schema: Schema, table: Name, column: str) -> str:
    known = _lookup(schema, table) or ()
    return next((one for one in known if one.lower() == column.lower()), column)


def _nested(schema: Schema) -> dict[str, Any]:
    """As sqlglot takes it: a dictionary in a dictionary for each part of a name."""
    found: dict[str, Any] = {}
    for name, columns in schema.items():
        place = found
        for part in name[:-1]:
            place = place.setdefault(part, {})
        place[name[-1]] = dict.fromkeys(columns, "UNKNOWN")
    return found


def inputs(columns: Columns) -> Iterator[Name]:
    """The tables that any column comes from, each once, sorted."""
    yield from sorted({origin.table for one in columns.columns for origin in one.origins})

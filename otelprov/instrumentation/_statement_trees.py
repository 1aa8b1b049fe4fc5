"""Statements as sqlglot parses them.

It is loaded when the first statement comes that has to be parsed, because to import it takes as
long as to import DuckDB itself (0.1 s).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any, Final

from otelprov.instrumentation._statement import (
    NAMED,
    Files,
    Name,
    Statement,
    folded,
    name_of,
    with_text,
)
from otelprov.statements import changed, later, mask_literals, plain, unheard

BLANK: Final = later(r"(?:[\s;(]|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*\Z", re.DOTALL)
"""Nothing but comments."""
_AS_EXECUTE: Final = later(r"\bAS\s+EXECUTE\b", re.IGNORECASE)
_TRIGGER: Final = later(
    r"\s*CREATE\s+(?:TEMP(?:ORARY)?\s+)?TRIGGER\b(?=.*\bBEGIN\b)", re.IGNORECASE | re.DOTALL
)
UNPARSED: Final = "the statement could not be parsed"


class _Parser:
    """sqlglot, loaded when it is used, and how often it was."""

    used = 0

    def __call__(self) -> ModuleType:
        import sqlglot

        self.used += 1
        return sqlglot


parser: Final = _Parser()


def _sqlglot(text: str, dialect: str) -> list[Any]:
    """The trees of a text.

    Raises:
        sqlglot.errors.SqlglotError: it cannot be parsed.
    """
    sqlglot = parser()

    with unheard():
        trees: list[Any] = sqlglot.parse(text, dialect=dialect)
    return trees


def split(text: str, dialect: str) -> Iterator[str]:
    """Each statement of several."""
    sqlglot = parser()

    start, ends = 0, True
    try:
        tokens = sqlglot.tokenize(text, read=dialect)
    except sqlglot.errors.SqlglotError:
        yield text
        return
    for token in tokens:
        if token.token_type.name == "SEMICOLON":
            # The statements of a trigger stand in one statement, which ends by END.
            body = _TRIGGER.match(text, start, token.start)
            if body is None or ends:
                yield from _not_blank(text[start : token.start])
                start = token.end + 1
            ends = False
        elif token.text.upper() == "END":
            ends = text[: token.start].rstrip().endswith(";")
        else:
            ends = False
    yield from _not_blank(text[start:])


def _not_blank(text: str) -> Iterable[str]:
    return () if BLANK.match(text) else (text,)


def parsed(text: str, first: str, dialect: str) -> Statement:
    """One statement, of which ``first`` is the first word."""
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    unknown = _unparsed(text, first, dialect)
    try:
        trees = _trees(text, dialect)
    except (SqlglotError, RecursionError):
        return unknown
    if len(trees) != 1:
        return unknown
    (tree,) = trees
    if dialect == "postgres":
        for identifier in tree.find_all(exp.Identifier):
            identifier.meta["folds"] = True
    reader = _Reader(dialect)
    if isinstance(tree, exp.Describe):
        return Statement("DESCRIBE")
    if isinstance(tree, (exp.Query, exp.Values, exp.Pivot, exp.Summarize)):
        # SELECT … INTO a new table; that of UNPIVOT names columns.
        into = tree.args.get("into") if isinstance(tree, exp.Select) else None
        reader.read(tree, leave_out=into)
        if into is not None:
            return reader.statement(
                "SELECT",
                target=_table_name(into.this),
                replaces=True,
                temporary=bool(into.args.get("temporary")),
            )
        return reader.statement("SELECT", is_query=True, whole=_is_whole(tree))
    if isinstance(tree, exp.Insert):
        return _insert(tree, reader)
    if isinstance(tree, exp.Create) and not tree.expression and _AS_EXECUTE.search(text):
        return unknown  # sqlglot 30 leaves it out
    if isinstance(tree, exp.Create):
        return with_text(_create(tree, reader), text)
    if isinstance(tree, exp.Copy):
        return _copy(tree, reader)
    if isinstance(tree, exp.TruncateTable):
        # What inherits from it keeps its rows after ONLY.
        emptied, *others = (
            Statement("TRUNCATE", target=_table_name(one), replaces=not one.args.get("only"))
            for one in tree.expressions
        )
        return replace(emptied, inside=tuple(one for one in others if one.target))
    if isinstance(tree, (exp.Update, exp.Delete, exp.Merge)):
        return _changed(tree, reader)
    if isinstance(tree, exp.Alter):
        kind = str(tree.args.get("kind") or "")
        names = [one for one in tree.args.get("actions") or () if isinstance(one, exp.AlterRename)]
        if kind != "TABLE":
            return Statement("ALTER")
        if names:
            return renamed(_table_name(tree.this), _table_name(names[0].this))
        return Statement("ALTER", target=_table_name(tree.this))
    return unknown


_WRITTEN: Final = later(
    r"\s*(?:(?:INSERT|REPLACE)\s+(?:(?:OR\s+)?\w+\s+)?INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM|MERGE\s+INTO|(?P<new>"
    r"CREATE(?:\s+OR\s+REPLACE)?(?P<temporary>\s+TEMP(?:ORARY)?)?\s+TABLE"
    r"(?P<only_new>\s+IF\s+NOT\s+EXISTS)?))\s+(?:ONLY\s+)?(?P<name>" + NAMED + ")",
    re.IGNORECASE,
)


def _unparsed(text: str, first: str, dialect: str) -> Statement:
    """A statement that sqlglot does not know: nobody knows what it reads; what it writes is in its
    first words."""
    found = _WRITTEN.match(text)
    if found is None:
        return Statement(first or "UNKNOWN", is_query=True, unknown=UNPARSED)
    target = folded(found["name"]) if dialect == "postgres" else name_of(found["name"])
    return Statement(
        "CREATE TABLE" if found["new"] else first,
        target=target,
        replaces=bool(found["new"]),
        only_new=bool(found["only_new"]),
        temporary=bool(found["temporary"]) or _is_temporary(target, dialect),
        is_query="RETURNING" in text.upper(),
        unknown="" if found["new"] and _lists_columns(text[found.end() :]) else UNPARSED,
    )


def _lists_columns(rest: str) -> bool:
    """Whether nothing but columns and constraints comes after the name of a new table."""
    masked = mask_literals(rest)
    return masked.lstrip().startswith("(") and not _READS.search(masked)


_READS: Final = later(r"\b(?:SELECT|FROM|VALUES|TABLE|EXECUTE|INHERITS|PARTITION)\b", re.IGNORECASE)


def _trees(text: str, dialect: str) -> list[Any]:
    """As ``_sqlglot``, also of statements of DuckDB's that it does not know."""
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    if dialect == "duckdb":
        text = _BY_POSITION.sub(r"\1", text, 1)
    text = plain(text, dialect)
    try:
        trees = [tree for tree in _sqlglot(text, dialect) if tree is not None]
    except SqlglotError:
        trees = []
    if dialect == "duckdb" and (not trees or isinstance(trees[0], exp.Command)):
        turned = _pivots_in_brackets(text)
        if turned != text:
            return [tree for tree in _sqlglot(turned, dialect) if tree is not None]
    return trees


_BY_POSITION: Final = later(
    r"(\bINSERT\s+(?:OR\s+\w+\s+)?INTO\s+" + NAMED + r"\s*(?:\([^()]*\)\s*)?)\bBY\s+POSITION\b",
    re.IGNORECASE,
)
"""DuckDB's word for what is so without it; sqlglot 30 does not know it."""
_PIVOTS: Final = frozenset(("PIVOT", "PIVOT_WIDER", "UNPIVOT", "PIVOT_LONGER"))
_AFTER_PIVOT: Final = frozenset(("ORDER", "ORDER BY", "LIMIT", "OFFSET"))
_BEGINS: Final = frozenset(("SELECT", "FROM"))


def _pivots_in_brackets(text: str) -> str:
    """DuckDB's statements ``PIVOT`` and ``UNPIVOT`` as queries of a query.

    sqlglot 30 knows them where nothing follows and nothing but a bracket comes before: neither
    ``PIVOT t ON a ORDER BY b`` nor ``CREATE TABLE t AS PIVOT …``, which may come as a command, nor
    ``INSERT INTO t PIVOT …``. Where a query goes on that has begun, they belong to its table.

    Raises:
        sqlglot.errors.SqlglotError: it cannot be taken apart.
    """
    sqlglot = parser()

    added: list[tuple[int, str]] = []
    open_: list[int] = []
    """By how deep in brackets: statements that still have to end."""
    begun: list[bool] = [False]
    """By how deep in brackets: whether a query has begun there."""
    depth = 0
    for token in sqlglot.tokenize(text, read="duckdb"):
        word = token.text.upper()
        ends = word in _AFTER_PIVOT or (word == ")" and bool(open_) and open_[-1] == depth)
        if ends and open_ and open_[-1] == depth:
            added.append((token.start, ") "))
            open_.pop()
        if token.token_type.name == "L_PAREN":
            begun.append(False)
        elif token.token_type.name == "R_PAREN" and depth:
            begun.pop()
        depth = len(begun) - 1
        if word in _BEGINS and token.token_type.name in _BEGINS:
            begun[-1] = True
        elif word in _PIVOTS and not begun[-1]:
            begun[-1] = True
            name = "UNPIVOT" if word in ("UNPIVOT", "PIVOT_LONGER") else "PIVOT"
            added.append((token.start, f"FROM ({name} "))
            added.append((token.end + 1, "\0"))
            open_.append(depth)
    added += [(len(text.rstrip(" ;\n\t")), ")")] * len(open_)
    parts: list[str] = []
    at = 0
    for start, piece in added:
        if piece == "\0":  # what stood here is replaced
            at = start
            continue
        parts += (text[at:start], piece)
        at = start
    return "".join((*parts, text[at:]))


def renamed(before: Name | None, after: Name | None) -> Statement:
    """A table gets another name: what it holds is there under that."""
    if before is None or after is None:
        return Statement("ALTER")
    full = (*before[:-1], after[-1])
    return Statement("ALTER", reads=(before,), target=full, replaces=True, whole=True)


def _changed(tree: Any, reader: _Reader) -> Statement:
    """``UPDATE``, ``DELETE`` and ``MERGE``."""
    from sqlglot import exp

    targets = [tree.this] if isinstance(tree, exp.Merge) else changed(tree)
    joined = tree.this.args.get("joins")
    tree.set("tables", None)  # other names of those that come behind FROM
    is_other = joined and not any(one is tree.this for one in targets)
    reader.read(tree, leave_out=None if is_other else tree.this)
    asked = {name for name, value in tree.args.items() if value}
    is_all = isinstance(tree, exp.Delete) and asked == {"this"}
    kind = tree.key.upper()
    names = dict.fromkeys(map(_table_name, targets))
    target, *others = names or (None,)
    reader.inside += [Statement(kind, target=one) for one in others if one is not None]
    return reader.statement(
        kind,
        target=target,
        replaces=is_all and not joined and not tree.this.args.get("only"),
        is_query=bool(tree.args.get("returning")),
    )


def _insert(tree: Any, reader: _Reader) -> Statement:
    target = tree.this
    reader.read(tree, leave_out=target)
    return reader.statement(
        "INSERT", target=_table_name(target), is_query=bool(tree.args.get("returning"))
    )


def _create(tree: Any, reader: _Reader) -> Statement:
    from sqlglot import exp

    kind = str(tree.args.get("kind") or "").upper()
    if kind == "VIEW" and tree.find(exp.MaterializedProperty) is not None:
        kind = "TABLE"  # it is filled now
    if kind not in ("TABLE", "VIEW"):
        return Statement(f"CREATE {kind}")
    if kind == "VIEW" or tree.args.get("expression") is not None or tree.args.get("clone"):
        reader.read(tree, leave_out=tree.this)
    properties = tree.args.get("properties")
    listed = properties.expressions if properties is not None else ()
    no_data = any(isinstance(one, exp.WithDataProperty) and one.args.get("no") for one in listed)
    if no_data:
        reader = _Reader(reader.dialect)
    target = _table_name(tree.this)
    return reader.statement(
        f"CREATE {kind}",
        target=target,
        replaces=True,
        only_new=bool(tree.args.get("exists")),
        temporary=any(isinstance(one, exp.TemporaryProperty) for one in listed)
        or _is_temporary(target, reader.dialect),
    )


def _is_temporary(name: Name | None, dialect: str) -> bool:
    """Whether a table is one by the schema in its name."""
    schema = {"sqlite": "temp", "postgres": "pg_temp"}.get(dialect)
    return schema is not None and name is not None and schema in [p.lower() for p in name[:-1]]


def _copy(tree: Any, reader: _Reader) -> Statement:
    from sqlglot import exp

    places = [_files(one, "") for one in tree.args.get("files") or ()]
    into = bool(tree.args.get("kind"))
    named = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if not places or not isinstance(named, (exp.Table, exp.Subquery)):
        return Statement("COPY", unknown="it copies a whole database")
    options = {
        one.name.lower(): one.args.get("expression") for one in tree.args.get("params") or ()
    }
    format_ = options.pop("format", None)
    kind = format_.name.lower() if format_ is not None else ""
    columnar = kind == "parquet"
    if into:
        header = _header(options) if kind in ("", "csv") else None
        files = tuple(
            replace(one, columnar=columnar or one.columnar, header=header) for one in places
        )
        return Statement("COPY", target=_table_name(named), files=files, whole=True)
    reader.read(named)
    return reader.statement("COPY", output=places[0], whole=_is_whole(named))


def _is_whole(tree: Any) -> bool:
    """Whether nothing but all of one table is asked for: ``FROM 'x.parquet'``."""
    from sqlglot import exp

    if isinstance(tree, exp.Table):
        return True
    while isinstance(tree, exp.Subquery) and tree.this is not None:
        tree = tree.this
    if not isinstance(tree, exp.Select):
        return False
    asked = {name for name, value in tree.args.items() if value}
    stars = [
        one for one in tree.expressions if isinstance(one, exp.Star) and not one.args.get("except_")
    ]
    return asked <= {"expressions", "from_", "order"} and len(stars) == len(tree.expressions) == 1


def _table_name(node: Any) -> Name | None:
    from sqlglot import exp

    if isinstance(node, exp.Schema):
        node = node.this
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        return None
    return tuple(map(_part, node.parts))


def _part(part: Any) -> str:
    """A part of a name; PostgreSQL takes what is not quoted for lower case."""
    if part.meta.get("folds") and not part.args.get("quoted"):
        return str(part.name).lower()
    return str(part.name)


# Functions that make rows of nothing, or of what DuckDB knows of itself.
_PURE: Final = later(
    r"range|(exploding_)?generate_series|generateseries|unnest|explode|regexp_split_to_table|regexp_matches"
    r"|jsonb?_array_elements(_text)?|jsonb?_each(_text)?|jsonb?_to_record(set)?|string_to_table|repeat(_row)?|values|glob|duckdb_\w+|pragma_\w+|checkpoint"
    r"|test_all_types|which_secret|json_each|json_tree|seq_scan|sql_auto_complete|summary",
    re.IGNORECASE,
)
_READERS: Final = later(
    r"read_(parquet|csv|csv_auto|json|json_auto|json_objects|json_objects_auto|ndjson|ndjson_auto"
    r"|ndjson_objects|text|blob|xlsx|avro|duckdb)|parquet_(scan|metadata|schema|file_metadata|kv_metadata)"
    r"|sniff_csv|st_read",
    re.IGNORECASE,
)
_DATABASES: Final = {"sqlite_scan": "sqlite"}


class _Reader:
    """Goes through a tree and notes what it reads, with the names of WITH where they hold."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.names: dict[Name, None] = {}
        self.files: dict[Files, None] = {}
        self.unknown = ""
        self.functions: dict[str, None] = {}
        self.unread: dict[str, None] = {}
        self.inside: list[Statement] = []
        self._placeholders = 0

    def statement(self, operation: str, **said: Any) -> Statement:
        """What was noted, as a statement."""
        unread = () if self.unknown else tuple(self.unread)
        of_rows = f"what the function {unread[0]} reads is not known" if unread else ""
        return Statement(
            operation,
            reads=tuple(self.names),
            files=tuple(self.files),
            unknown=self.unknown or of_rows,
            functions=tuple(self.functions),
            unread=unread,
            inside=tuple(self.inside),
            **said,
        )

    def read(self, node: Any, leave_out: Any = None) -> None:
        """Note what a tree reads; ``leave_out`` is the part that names what it writes."""
        self._count(node)
        self._walk(node, frozenset(), leave_out)

    def _count(self, node: Any) -> None:
        """Parameters without a name are numbered as they stand in the text."""
        from sqlglot import exp

        number = 0
        for one in node.find_all(exp.Placeholder, bfs=False):
            if not one.args.get("this"):
                number += 1
                one.set("this", str(number))

    def _walk(self, node: Any, known: frozenset[str], leave_out: Any) -> None:
        from sqlglot import exp

        if node is leave_out:
            for join in node.args.get("joins") or ():
                self._walk(join, known, None)
            return
        with_ = node.args.get("with_") or node.args.get("with")
        if with_ is not None:
            recursive = bool(with_.args.get("recursive"))
            for cte in with_.expressions:
                own = frozenset((cte.alias.lower(),))
                written = None
                if isinstance(cte.this, (exp.Insert, exp.Update, exp.Delete, exp.Merge)):
                    written = _table_name(cte.this.this)
                    if written is None:
                        self.unknown = "what a statement inside WITH writes is not known"
                    else:
                        self.inside.append(Statement(cte.this.key.upper(), target=written))
                # What is inserted is not read; the rows that are changed or deleted are given back.
                added = cte.this.this if isinstance(cte.this, exp.Insert) else leave_out
                self._walk(cte.this, known | own if recursive else known, added)
                known |= own
        if isinstance(node, exp.Table):
            self._table(node, known)
        elif isinstance(node, exp.Reference):
            return  # of a foreign key
        elif isinstance(node, exp.Anonymous) and node.name:
            self.functions[node.name.lower()] = None
        for name, value in node.args.items():
            if name in ("with_", "with"):
                continue
            if isinstance(node, exp.Table) and name == "this" and not isinstance(value, exp.Func):
                continue
            for item in value if isinstance(value, list) else (value,):
                if isinstance(item, exp.Expression):
                    self._walk(item, known, leave_out)

    def _table(self, node: Any, known: frozenset[str]) -> None:
        from sqlglot import exp

        this = node.this
        if isinstance(this, exp.Identifier):
            parts = tuple(map(_part, node.parts))
            if len(parts) > 1 or parts[0].lower() not in known:
                self.names[parts] = None
            return
        if not isinstance(this, exp.Func):
            return
        name = this.name if isinstance(this, exp.Anonymous) else this.sql_name()
        arguments = [
            one
            for one in (this.args.get("this"), *this.expressions)
            if isinstance(one, exp.Expression)
        ]
        if self.dialect == "duckdb" and _READERS.fullmatch(name) and arguments:
            header = _header(_options(arguments[1:])) if "csv" in name.lower() else None
            for one in _listed(arguments[0]):
                self._file(replace(_files(one, name), header=header))
        elif self.dialect == "duckdb" and name.lower() == "query_table" and _are_texts(arguments):
            for one in _listed(arguments[0]):
                if len(parts := name_of(one.name)) > 1 or parts[0].lower() not in known:
                    self.names[parts] = None
        elif self.dialect == "duckdb" and name.lower() == "query" and _are_texts(arguments[:1]):
            self._also(arguments[0].name)
        elif name.lower() in _DATABASES and len(arguments) > 1:
            found = _files(arguments[0], name)
            self._file(replace(found, database=_DATABASES[name.lower()], table=arguments[1].name))
        elif not _PURE.fullmatch(name):
            self.unread[name] = None

    def _also(self, text: str) -> None:
        """What the query in a text reads."""
        from otelprov.instrumentation._statements import statements  # which comes to this one

        for one in statements(text, self.dialect):
            self.names.update(dict.fromkeys(one.reads))
            self.files.update(dict.fromkeys(one.files))
            self.functions.update(dict.fromkeys(one.functions))
            self.unknown = self.unknown or one.unknown

    def _file(self, found: Files) -> None:
        if found.pattern is None and found.parameter is None:
            self.unknown = "the name of a file is computed"
        else:
            self.files[found] = None


def _listed(node: Any) -> list[Any]:
    """The items of a list, or the one that is none."""
    from sqlglot import exp

    return list(node.expressions) if isinstance(node, exp.Array) else [node]


def _are_texts(arguments: list[Any]) -> bool:
    from sqlglot import exp

    return bool(arguments) and all(
        isinstance(one, exp.Literal) and one.is_string for one in _listed(arguments[0])
    )


def _options(arguments: list[Any]) -> dict[str, Any]:
    """What a function is given by name; with an empty name, where something is not."""
    from sqlglot import exp

    named = (exp.EQ, exp.PropertyEQ)
    return {one.this.name.lower() if isinstance(one, named) else "": one for one in arguments} | {
        one.this.name.lower(): one.expression for one in arguments if isinstance(one, named)
    }


_DELIMITERS: Final = ("delim", "delimiter", "sep")
_FORMS: Final = frozenset(
    "header auto_detect sample_size all_varchar types dtypes column_types nullstr null nulls "
    "dateformat timestampformat date_format timestamp_format decimal_separator parallel "
    "buffer_size max_line_size".split()
)
"""Options of CSV that say nothing of which line names the columns, and of how it is split."""


def _header(options: Mapping[str, Any]) -> str | None:
    """As ``Files.header``."""
    from sqlglot import exp

    if "header" not in options or not _FORMS.issuperset({*options} - {*_DELIMITERS}):
        return None
    said = options["header"]
    if said is not None and said.name.lower() not in ("true", "1") and not _is_true(said):
        return None
    between = [options[name] for name in _DELIMITERS if name in options]
    if not all(isinstance(one, exp.Literal) and one.is_string for one in between):
        return None
    return between[0].name.replace("\\t", "\t") if between else ""


def _is_true(node: Any) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.Boolean) and bool(node.this)


def _files(node: Any, function: str) -> Files:
    from sqlglot import exp

    if (isinstance(node, exp.Literal) and node.is_string) or isinstance(node, exp.Identifier):
        name = node.name
        return Files(name, columnar=is_columnar(name) or "parquet" in function.lower())
    columnar = "parquet" in function.lower()
    if isinstance(node, (exp.Placeholder, exp.Parameter)):
        return Files(None, parameter=str(node.name or node.this), columnar=columnar)
    return Files(None)


def is_columnar(name: str) -> bool:
    """Whether of a file of this name only the needed columns are read."""
    return name.lower().endswith((".parquet", ".parq"))

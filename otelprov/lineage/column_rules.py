"""Where the columns come from of what a function made, by what is known of the function.

A rule says what the names of the columns and the parameters say for sure. A function without one
is opaque.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from otelprov.lineage import column_lakes
from otelprov.lineage.column_sources import From, Question, Sources
from otelprov.model import Names


def sources(question: Question) -> Sources:
    """As ``column_sources.sources_of``."""
    operation = question.operation
    library, _, name = operation.name.partition(".")
    if library in _STORES:
        used = {one.artifact.id for one in operation.used}
        if len(used) == 1 and len(operation.generated) == 1:
            return Sources(same_as=used.pop())
        return Sources(reason="several files were moved")
    if column_lakes.is_commit(operation.name, operation.kind):
        return column_lakes.sources(question)
    if operation.kind == "write":
        return _on_top(question, _written(question))
    if operation.kind == "read" and library != "duckdb":
        return _read(question)
    rule = _RULES.get(operation.name) or (_hands_on if name in _HANDED_ON else None)
    found = rule(question) if rule is not None else None
    if found is None and rule in (_kept, _cell_by_cell, _sorted, _hands_on, _renamed):
        found = _computed_before(question)
    return found if found is not None else Sources(reason=f"{operation.name} is not looked into")


# --- files ----------------------------------------------------------------------------------------


def _written(question: Question) -> Sources:
    """A file has the columns of what was written to it."""
    table = question.self_()
    if table is None:
        return Sources(reason="several things were written")
    names = question.names(table.artifact.id)
    known = question.names_of(table.artifact.id)
    if known is not None and question.given("index") is False:
        names = list(known.columns)
    header = question.given("header")
    if isinstance(header, str) and header.startswith(("[", "<")):
        return Sources(reason="the call gives its columns names of their own")
    if names is None:
        return Sources(same_as=table.artifact.id)
    columns = _identical(table.artifact.id, names)
    label, levels = question.given("index_label"), known.index if known is not None else ()
    if not isinstance(label, str) or label[:1] == "[" or label in ("None", "False", *columns):
        return Sources(columns)
    if len(levels) == 1 and levels[0] is not None:
        columns[label] = columns.pop(levels[0])
        return Sources(columns)
    columns[label] = question.every()
    return Sources(columns, {label: "the labels of the rows have no name in the table"})


def _on_top(question: Question, found: Sources) -> Sources:
    """What was written was added to what the same place held before, where that was used."""
    place = question.made.artifact.uri
    used = [one for one in question.used if one.role != "self"]
    before = [one.artifact.id for one in used if place and one.artifact.uri == place]
    if not before:
        return found
    return replace(found, columns=question.on_top(before, found.columns), same_as="")


def _read(question: Question) -> Sources:
    """What was read has the columns of the file; of several files each has them."""
    asked = str(question.given("columns"))
    if (asked.startswith("{") and ":" in asked) or not question.is_table("self"):
        return Sources(reason="its columns were computed")  # by expressions of a scan
    names = question.made_names()
    known = {one.artifact.id: question.names(one.artifact.id) for one in question.used}
    if names is not None:
        every = [*names.columns, *(one for one in names.index if one is not None)]
    elif question.made.artifact.kind == "stream":  # a file, or a data set, that is opened
        every = list(dict.fromkeys(name for own in known.values() for name in own or ()))
        if not every and len(known) == 1:
            return Sources(same_as=next(iter(known)))
        known = {id_: own for id_, own in known.items() if own is not None}
    else:
        return Sources(reason="the names of its columns are not known")
    columns: dict[str, tuple[From, ...]] = {}
    for name in every:
        columns[name] = tuple(
            From(id_, name, "identity") for id_, own in known.items() if own is None or name in own
        )
        if not columns[name]:
            del columns[name]  # a name that the call has given
    return Sources(columns, reason="the call gives the column a name of its own")


_STORES: Final = frozenset("files boto3 botocore fsspec s3fs obstore requests httpx urllib".split())
"""What copies and moves files, and looks at nothing in them."""
_HANDED_ON: Final = frozenset(
    "to_pandas to_arrow from_pandas from_arrow from_dataframe DataFrame Series Table.from_pandas "
    "Table.to_pandas RecordBatch.from_pandas RecordBatch.to_pandas ChunkedArray.to_pandas "
    "to_arrow_table fetch_arrow_table df fetchdf fetch_df pl arrow to_frame df.setitem copy "
    "table record_batch".split()
)


def _hands_on(question: Question) -> Sources | None:
    """The same table, or the rows of one result, in the hands of another library."""
    table = question.self_()
    if table is None:
        return None
    before, after = question.names(table.artifact.id), question.made_names()
    if after is None:
        if before is None:
            return Sources(same_as=table.artifact.id)
        return Sources(_identical(table.artifact.id, before))
    names = [*after.columns, *(one for one in after.index if one is not None)]
    if before is None:
        return Sources(_identical(table.artifact.id, names))
    same = [name for name in names if name in before]
    return Sources(_identical(table.artifact.id, same))


# --- rows are chosen and ordered ------------------------------------------------------------------


def _keeps(
    question: Question,
    *,
    how: str = "identity",
    rows: tuple[From, ...] = (),
    unsure: str = "",
    reason: str = "",
) -> Sources | None:
    """Each column comes from that of the same name."""
    table = question.self_()
    names, before = question.made_names(), None
    if table is not None:
        before = question.names_of(table.artifact.id)
    if table is None or names is None or before is None or _ambiguous(before):
        return None
    known = {*before.columns, *(one for one in before.index if one is not None)}
    columns = {
        name: (From(table.artifact.id, name, how),)
        for name in (*names.columns, *names.index)
        if name is not None and name in known
    }
    return Sources(columns, {}, rows, unsure, reason)


def _ambiguous(names: Names) -> bool:
    return not names.complete or len(set(names.columns)) < len(names.columns)


def _chosen(question: Question) -> Sources | None:
    """Rows are chosen by the key of ``df[…]`` and ``df.loc[…]``."""
    rows = question.parameter_columns("key") or ()
    return _keeps(question, rows=_as(rows, "filter"))


def _queried(question: Question) -> Sources | None:
    """``df.query``: the names in the expression."""
    table = question.self_()
    text = question.given("expr")
    names = None if table is None else question.names(table.artifact.id)
    if table is None or not isinstance(text, str) or names is None:
        return _keeps(question, unsure="the condition")
    words = {one for one in _words(text) if one in names}
    rows = tuple(From(table.artifact.id, one, "filter") for one in names if one in words)
    whole = "…" not in text and "`" not in text
    return _keeps(question, rows=rows, unsure="" if whole else "the condition")


def _evaluated(question: Question) -> Sources | None:
    """``df.eval("c = a + b")``: each line sets a column, of those that it names."""
    table, text = question.self_(), question.given("expr")
    kept, made = _keeps(question), question.made_names()
    if table is None or kept is None or made is None or not isinstance(text, str):
        return None
    if {one.artifact.id for one in question.used} != {table.artifact.id} or "…" in text:
        return None
    columns = dict(kept.columns)
    for line in filter(str.strip, text.splitlines()):
        name, equals, value = line.partition("=")
        words = _words(value.strip())
        # A variable of the program's (`@x`) may be data, and a name in backticks is not parsed.
        if not equals or value[:1] == "=" or not words or any(one in line for one in "@`"):
            return None
        # A name that is no column, or was none before, is a line's above or no data.
        found = [one for word in words for one in columns.get(word, ())]
        columns[name.strip()] = tuple(dict.fromkeys(_as(found, "transformation")))
    return Sources(columns)


def _words(text: str) -> list[str]:
    try:
        tree = ast.parse(text.replace("@", "_at_"), mode="eval")
    except (SyntaxError, ValueError):
        return []
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]


def _sorted(question: Question) -> Sources | None:
    return _keeps(question, rows=_named_rows(question, "by", "sort"))


def _arrow_sorted(question: Question) -> Sources | None:
    """``table.sort_by("a")``, ``table.sort_by([("a", "descending")])``."""
    return _keeps(question, rows=_named_rows(question, "sorting", "sort"))


def _deduplicated(question: Question) -> Sources | None:
    return _keeps(question, rows=_named_rows(question, "subset", "filter"))


def _largest(question: Question) -> Sources | None:
    return _keeps(question, rows=_named_rows(question, "columns", "filter"))


def _named_rows(question: Question, parameter: str, why: str) -> tuple[From, ...]:
    table = question.self_()
    names = question.names(table.artifact.id) if table is not None else None
    listed = _listed(question.given(parameter))
    if table is None or names is None or listed is None:
        return ()
    return tuple(From(table.artifact.id, one, why) for one in listed if one in names)


def _kept(question: Question) -> Sources | None:
    return _keeps(question)


def _cell_by_cell(question: Question) -> Sources | None:
    """Each column is computed of that of the same name, and of nothing else."""
    if len(question.operation.used) != 1 or not question.tables_only:
        return None
    if question.given("axis") not in (None, 0, "None", "0", "index", "<no default>"):
        return None
    found = _keeps(question, how="transformation")
    listed = [_literal(question.given(one)) for one in ("dtype", "value", "decimals")]
    named = next((one for one in listed if isinstance(one, dict)), None)
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


def _computed_before(question: Question) -> Sources | None:
    """Of one column that steps have made, a function of its cells or rows."""
    names = question.made_names()
    origins = question.parameter_columns("self") if len(question.operation.inputs) == 1 else None
    if names is None or not origins or len(names.columns) != 1 or names.index:
        return None
    if any(one.how == "opaque" for one in origins):
        return None
    if any(one.role not in question.operation.inputs for one in question.operation.used):
        return None  # `df["a"].map(other)`: whole data is used beside it
    return Sources({names.columns[0]: origins})


def _converted(question: Question) -> Sources | None:
    """``to_datetime(df["a"])``: of the one column that is converted."""
    names = question.made_names()
    origins = question.parameter_columns("arg")
    if names is None or not origins or len(names.columns) != 1:
        return None
    if any(one.how == "opaque" for one in origins):
        return None
    made = tuple(From(one.artifact, one.column, "transformation") for one in origins)
    return Sources({names.columns[0]: made})


def _split(question: Question) -> Sources | None:
    """``train_test_split``: rows of several tables, each by itself."""
    names = question.made_names()
    if names is None or _ambiguous(names):
        return None
    every = [*names.columns, *(one for one in names.index if one is not None)]
    known = {one.artifact.id: question.names_of(one.artifact.id) for one in question.used}
    if not question.tables_only or any(own is None or _ambiguous(own) for own in known.values()):
        return None
    found = [
        id_ for id_, own in known.items() if own is not None and {*every} <= {*_all_names(own)}
    ]
    return Sources(_identical(found[0], every)) if len(found) == 1 else None


# --- names change ---------------------------------------------------------------------------------


def _renamed(question: Question) -> Sources | None:
    """The columns have other names, in the same order."""
    table = question.self_()
    names = question.made_names()
    before = None if table is None else question.names_of(table.artifact.id)
    if table is None or names is None or before is None or _ambiguous(before):
        return None
    if len(before.columns) != len(names.columns):
        return None
    id_ = table.artifact.id
    columns = {
        after: (From(id_, name, "identity"),)
        for name, after in zip(before.columns, names.columns, strict=True)
    }
    if len(before.index) == len(names.index):
        for name, level in zip(before.index, names.index, strict=True):
            if name is not None and level is not None:
                columns.setdefault(level, (From(id_, name, "identity"),))
    return Sources(columns)


def _attribute(question: Question) -> Sources | None:
    """``df.columns = names``; ``df.a = values``."""
    name = question.given("name")
    if name == "columns":
        return _renamed(question)
    if name == "index":
        return _keeps(question)
    return _with_one(question, name, "value")


# --- columns are added ----------------------------------------------------------------------------


def _set(question: Question) -> Sources | None:
    """``df["a"] = values``, ``df[["a", "b"]] = values``."""
    key = question.given("key")
    several = _listed(key) if isinstance(key, str) and key.startswith("[") else None
    return _with_one(question, key, "value") or _with_several(question, several or [])


def _set_cells(question: Question) -> Sources | None:
    """``df.loc[rows, columns] = values``: each column holds what it did, or of the values."""
    kept = _keeps(question, rows=_as(question.parameter_columns("key") or (), "filter"))
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


def _inserted(question: Question) -> Sources | None:
    return _with_one(question, question.given("column"), "value")


def _column_added(question: Question) -> Sources | None:
    """``table.append_column("a", values)``."""
    return _with_one(question, question.given("field_"), "column")


def _with_one(question: Question, name: object, role: str) -> Sources | None:
    names = question.made_names()
    kept = _keeps(question)
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
    known, kept = question.made_names(), _keeps(question)
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
    some = tuple(dict.fromkeys(From(one.artifact, one.column, "opaque") for one in made))
    why = "which of the values it was set to is not known"
    return Sources({**columns, **dict.fromkeys(names, some)}, dict.fromkeys(names, why))


def _dummies(question: Question) -> Sources | None:
    """``get_dummies``: a column for each value of one, with the name of that before it."""
    table, kept = question.self_(), _keeps(question)
    if table is None or kept is None:
        return None
    listed = _listed(question.given("columns"))
    if question.given("columns") not in (None, "None") and listed is None:
        return None
    before, names = question.names_of(table.artifact.id), question.made_names()
    if before is None or names is None or len(set(names.columns)) < len(names.columns):
        return None
    columns = dict(kept.columns)
    gone = [one for one in before.columns if one not in names.columns] if listed is None else listed
    given = {question.given("prefix"), question.given("prefix_sep")} <= {None, "None", "_"}
    for name in names.columns if given else ():
        found = [one for one in gone if name.startswith(f"{one}_")]
        if name not in before.columns and len(found) == 1:
            columns[name] = (From(table.artifact.id, found[0], "transformation"),)
    return Sources(columns, reason="it is not known of which column it is")


def _computed(
    name: str, made: Sequence[From], why: str = "a step between may use any column"
) -> tuple[tuple[From, ...], dict[str, str]]:
    opaque = any(one.how == "opaque" for one in made)
    return tuple(dict.fromkeys(made)), {name: why} if opaque else {}


def _assigned(question: Question) -> Sources | None:
    """``df.assign(a=values, b=function)``."""
    kept = _keeps(question)
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


# --- two tables -----------------------------------------------------------------------------------


def _merged(question: Question) -> Sources | None:
    """``merge`` and ``join``: keys, and the suffixes of names that both have."""
    sides = _sides(question)
    names = question.made_names()
    if sides is None or names is None or question.given("indicator") not in (False, None, "False"):
        return None
    (left, own), (right, other) = sides
    on, left_on, right_on = (_listed(question.given(one)) for one in ("on", "left_on", "right_on"))
    by_index = any(question.given(one) is True for one in ("left_index", "right_index"))
    if question.operation.name == "polars.join":
        on_left, on_right = left_on or on, right_on or on
        suffixes: Sequence[str] | None = ["", str(question.given("suffix") or "_right")]
    elif question.operation.name == "pandas.join":
        by_index = True
        on_left = on_right = None
        if question.given("on") in (None, "None"):
            on_left = on_right = _common_levels(question, left, right)
        else:
            other = _without_levels(question, right, other)
        suffixes = [(_listed(question.given(one)) or [""])[0] for one in ("lsuffix", "rsuffix")]
        if "suffixes" in question.operation.given:
            suffixes = _listed(question.given("suffixes"))
    elif question.operation.name == "pyarrow.Table.join":
        if question.given("coalesce_keys") is not True:
            return None
        on_left, on_right = (
            _listed(question.given("left_keys")),
            _listed(question.given("right_keys")),
        )
        given = (question.given("left_suffix"), question.given("right_suffix"))
        suffixes = ["" if one in (None, "None") else str(one) for one in given]
    else:
        on_left, on_right = left_on or on, right_on or on
        if question.given("left_index") is True and question.given("right_index") is True:
            on_left = on_right = _common_levels(question, left, right)
        # A column of one is looked up in the labels of the other.
        elif question.given("right_index") is True and question.given("how") in ("inner", "left"):
            on_left, on_right, other = on_left or [], [], _without_levels(question, right, other)
        elif question.given("left_index") is True and question.given("how") in ("inner", "right"):
            on_left, on_right, own = [], on_right or [], _without_levels(question, left, own)
        elif on_left is None and not by_index and question.given("how") != "cross":
            common = [name for name in own if name in other]
            on_left = on_right = common
        suffixes = _listed(question.given("suffixes"))
    if suffixes is None or len(suffixes) != 2 or (on_left is None) != (on_right is None):
        return None
    how = str(question.given("how") or question.given("join_type")).partition(" ")[0]
    return _paired(
        names, (left, own, on_left or [], suffixes[0]), (right, other, on_right or [], suffixes[1]),
        how, by_index,
    )  # fmt: skip


def _common_levels(question: Question, left: str, right: str) -> list[str]:
    """The levels that both indexes have, by which tables are joined."""
    one, two = question.names_of(left), question.names_of(right)
    if one is None or two is None:
        return []
    return [name for name in one.index if name is not None and name in two.index]


def _without_levels(question: Question, artifact_id: str, names: list[str]) -> list[str]:
    found = question.names_of(artifact_id)
    return names if found is None else list(found.columns)


_Side = tuple[str, Sequence[str], Sequence[str], str]
"""Id, names, keys, suffix."""


def _paired(names: Names, left: _Side, right: _Side, how: str, by_index: bool) -> Sources:
    (left_id, own, on_left, left_suffix), (right_id, other, on_right, right_suffix) = left, right
    shared = {one for one, two in zip(on_left, on_right, strict=False) if one == two}
    columns: dict[str, tuple[From, ...]] = {}
    for name in (*names.columns, *names.index):
        if name is None:
            continue
        if name in shared:
            both = (From(left_id, name, "identity"), From(right_id, name, "identity"))
            chosen = {"right": both[1:], "outer": both, "full": both}.get(how, both[:1])
            columns[name] = chosen
            continue
        found = [
            From(id_, base, "identity")
            for id_, known, others, suffix in (
                (left_id, own, other, left_suffix),
                (right_id, other, own, right_suffix),
            )
            for base in _bases(name, suffix, known, others, shared)
        ]
        if len(found) == 1:
            columns[name] = tuple(found)
    rows = [From(left_id, one, "join") for one in on_left if one in own]
    rows += [From(right_id, one, "join") for one in on_right if one in other]
    return Sources(
        columns,
        {},
        tuple(rows),
        "the index" if by_index and not rows else "",
        "it is not known of which table it is",
    )


def _bases(
    name: str, suffix: str, own: Sequence[str], others: Sequence[str], shared: set[str]
) -> list[str]:
    """The column of a table that has this name in the result."""
    if name in own and (name not in others or suffix == ""):
        return [name]
    base = name[: -len(suffix)] if suffix and name.endswith(suffix) else None
    if base is not None and base in own and base in others and base not in shared:
        return [base]
    return []


def _sides(question: Question) -> tuple[tuple[str, list[str]], tuple[str, list[str]]] | None:
    """The two tables, with their names."""
    if not question.tables_only:
        return None
    left = [one.artifact.id for one in question.used if one.role in _LEFT]
    right = [one.artifact.id for one in question.used if one.role in _RIGHT]
    taken = question.operation.inputs
    if not right:
        for role in _RIGHT:
            right = [id_ for one in taken.get(role, ()) for id_ in question.used_by_beginning(one)]
            if right:
                break
    if len(left) != 1 or len(right) != 1:
        return None
    own, other = question.names_of(left[0]), question.names_of(right[0])
    if own is None or other is None or _ambiguous(own) or _ambiguous(other):
        return None
    return (left[0], _all_names(own)), (right[0], _all_names(other))


_LEFT: Final = ("self", "left", "left_operand")
_RIGHT: Final = ("right", "other", "right_operand")


def _all_names(names: Names) -> list[str]:
    return [*names.columns, *(one for one in names.index if one is not None)]


def _stacked(question: Question) -> Sources | None:
    """``concat``: the columns of the same name, of each table that has it."""
    names = question.made_names()
    axis = question.given("axis")
    if (
        names is None
        or axis not in (None, 0, "0", "index")
        or question.given("keys")
        not in (
            None,
            "None",
        )
    ):
        return None
    if question.given("how") not in (None, "vertical", "diagonal", "vertical_relaxed",
                                     "diagonal_relaxed"):  # fmt: skip
        return None
    columns: dict[str, tuple[From, ...]] = {}
    known = {one.artifact.id: question.names_of(one.artifact.id) for one in question.used}
    if any(one is None or _ambiguous(one) for one in known.values()):
        return None
    for name in (*names.columns, *names.index):
        if name is None:
            continue
        found = tuple(
            From(id_, name, "identity")
            for id_, own in known.items()
            if own is not None and name in _all_names(own)
        )
        if found:
            columns[name] = found
    return Sources(columns)


# --- groups ---------------------------------------------------------------------------------------


def _grouped(question: Question) -> Sources | None:
    """The keys of a grouping stay what they are; each other column is a figure of its own."""
    table = question.self_()
    names = question.made_names()
    by = _listed(question.given("by"))
    before = None if table is None else question.names_of(table.artifact.id)
    if table is None or names is None or by is None or before is None or _ambiguous(before):
        return None
    id_, known = table.artifact.id, _all_names(before)
    if any(one not in known for one in by) or not question.tables_only or question.reads_inside:
        return None
    rows = tuple(From(id_, one, "group_by") for one in by)
    plain = question.operation.name.rpartition(".")[2]
    mapping = _aggregates(question) if plain == "agg" else None
    columns: dict[str, tuple[From, ...]] = {}
    for name in (*names.columns, *names.index):
        if name is None:
            continue
        if plain == "size" and name not in by:
            columns[name] = ()  # how many rows there are
        elif name in by and (name in names.index or question.given("as_index") is False):
            columns[name] = (From(id_, name, "identity"),)
        elif plain == "agg":
            base = (mapping or {}).get(name)
            if base in known:
                columns[name] = (From(id_, str(base), "aggregation"),)
        elif name in known:
            columns[name] = (From(id_, name, "aggregation"),)
    return Sources(columns, {}, rows)


def _arrow_grouped(question: Question) -> Sources | None:
    """``table.group_by("a").aggregate([("b", "sum")])``: pyarrow says what makes each column."""
    names, by = question.made_names(), _listed(question.given("keys"))
    made = _literal(question.given("aggregates"))
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


def _in_groups(question: Question) -> Sources | None:
    """A figure of its group, or of the rows before it, for each row: ``cumsum``, ``transform``."""
    by = _listed(question.given("by"))
    func = question.given("func")
    plain = question.operation.name.rpartition(".")[2]
    if by is None or not question.tables_only or question.reads_inside:
        return None
    if plain == "transform" and not (isinstance(func, str) and func.isidentifier()):
        return None
    how = "aggregation" if plain == "transform" else "transformation"
    return _keeps(question, how=how, rows=_named_rows(question, "by", "group_by"))


def _of_groups(question: Question) -> Sources | None:
    """Some rows of each group."""
    return _keeps(question, rows=_named_rows(question, "by", "group_by"))


def _windowed(question: Question) -> Sources | None:
    """A figure of the rows around each row, or of those of a time: each column by itself."""
    given = question.operation.given
    if not question.tables_only or {"on", "axis", "level", "pairwise", "other"} & {*given}:
        return None
    return _keeps(question, how="aggregation")


def _pivoted(question: Question) -> Sources | None:
    """``pivot_table`` and ``pivot``: a column of each value of one, filled from another."""
    table, names = question.self_(), question.made_names()
    values = question.given("values")
    index = _listed(question.given("index"))
    across = _listed(question.given("columns"))
    before = None if table is None else question.names_of(table.artifact.id)
    if table is None or names is None or before is None or _ambiguous(before):
        return None
    id_, known = table.artifact.id, _all_names(before)
    if not isinstance(values, str) or values not in known or index is None or across is None:
        return None
    if any(one not in known for one in (*index, *across)) or question.reads_inside:
        return None
    how = "identity" if question.operation.name.endswith(".pivot") else "aggregation"
    columns = {name: (From(id_, values, how),) for name in names.columns}
    columns |= {name: (From(id_, name, "identity"),) for name in names.index if name in index}
    rows = tuple(From(id_, one, "group_by") for one in (*index, *across))
    return Sources(columns, {}, rows)


def _melted(question: Question) -> Sources | None:
    """``melt``: the values of several columns in one, beside the name of each."""
    table, names = question.self_(), question.made_names()
    before = None if table is None else question.names_of(table.artifact.id)
    if table is None or names is None or before is None or _ambiguous(before):
        return None
    id_ = table.artifact.id
    kept = _listed(question.given("id_vars")) or []
    taken = _listed(question.given("value_vars"))
    for said in (question.given("id_vars"), question.given("value_vars")):
        if said not in (None, "None") and _listed(said) is None:
            return None
    taken = taken or [one for one in before.columns if one not in kept]
    value = str(question.given("value_name") or "value")
    if len(names.columns) != len(kept) + 2 or names.columns[-1] != value:
        return None
    columns: dict[str, tuple[From, ...]] = {
        name: (From(id_, name, "identity"),) for name in names.columns[: len(kept)] if name in kept
    }
    columns[value] = tuple(From(id_, one, "identity") for one in taken if one in before.columns)
    columns[names.columns[-2]] = ()  # the names of the columns
    return Sources(columns)


def _aggregates(question: Question) -> dict[str, str]:
    """By name of a figure: the column that it is of. ``agg(total=("amount", "sum"))``, and
    ``agg("sum")`` and ``agg({"amount": "sum"})``, whose figures have the names of the columns."""
    operation = question.operation
    names = question.made_names()
    func = question.given("func")
    found: dict[str, str] = {}
    for name in operation.given:
        value = _literal(operation.parameters.get(name))
        if name not in ("func", "by") and isinstance(value, tuple) and len(value) == 2:
            found[name] = str(value[0])
    said = _literal(func)
    if isinstance(said, dict) and all(isinstance(one, str) for one in said.values()):
        found.update({str(name): str(name) for name in said})
    elif isinstance(func, str) and func.isidentifier() and func != "None" and names is not None:
        found.update({name: name for name in names.columns})
    elif (isinstance(said, (dict, list))) and names is not None:
        # Figures of several kinds: a column of the result is named by both, `('amount', 'sum')`.
        for name in names.columns:
            pair = _literal(name)
            if isinstance(pair, tuple) and len(pair) == 2:
                found[name] = str(pair[0])
    return found


# --- parameters -----------------------------------------------------------------------------------


def _literal(value: object) -> object:
    """What a parameter was, where its text says it in full."""
    if not isinstance(value, str) or "…" in value:
        return None
    try:
        return ast.literal_eval(value)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _listed(value: object) -> list[str] | None:
    """A parameter that is a name or several; None where it is none, or not known."""
    if not isinstance(value, str) or value in ("None", "<no default>"):
        return None
    if value[:1] in ("[", "("):
        said = _literal(value)
        if isinstance(said, (list, tuple)) and all(
            one is None or isinstance(one, str) for one in said
        ):
            return ["" if one is None else one for one in said]
        return None
    return None if value.startswith("<") or "…" in value else [value]


def _as(origins: Iterable[From], why: str) -> tuple[From, ...]:
    return tuple(
        one if one.how == "opaque" else From(one.artifact, one.column, why) for one in origins
    )


def _identical(artifact_id: str, names: Iterable[str]) -> dict[str, tuple[From, ...]]:
    return {name: (From(artifact_id, name, "identity"),) for name in names}


_Rule = Callable[[Question], Sources | None]
_RULES: Final[dict[str, _Rule]] = {
    **{
        f"{library}.{name}": _kept
        for library in ("pandas", "polars")
        for name in (
            "head tail sample drop dropna reindex filter set_index reset_index take xs truncate "
            "delitem pop sort_index select_dtypes iloc reverse droplevel swaplevel "
            "reorder_levels asfreq explode "
            "slice limit gather gather_every drop_nulls drop_nans with_row_index shrink_to_fit "
            "rechunk clone drop_in_place partition_by unique"
        ).split()
    },
    **{
        f"{library}.{name}": _cell_by_cell
        for library in ("pandas", "polars")
        for name in (
            "astype fillna ffill bfill replace round clip map applymap shift diff rank "
            "pct_change convert_dtypes infer_objects interpolate cast fill_null fill_nan isin"
        ).split()
    },
    **{
        f"pyarrow.{owner}.{name}": rule
        for owner in ("Table", "RecordBatch")
        for name, rule in {
            **dict.fromkeys("filter take slice drop_null".split(), _kept),
            **dict.fromkeys("drop_columns drop remove_column".split(), _kept),
            "cast": _cell_by_cell,
            "sort_by": _arrow_sorted,
            "rename_columns": _renamed,
            **dict.fromkeys("add_column append_column set_column".split(), _column_added),
        }.items()
    },
    "pyarrow.concat_tables": _stacked,
    "pyarrow.Table.join": _merged,
    "pyarrow.Table.group_by": _arrow_grouped,
    "pandas.to_datetime": _converted,
    "pandas.to_numeric": _converted,
    "pandas.to_timedelta": _converted,
    "pandas.getitem": _chosen,
    "pandas.loc": _chosen,
    "pandas.query": _queried,
    "pandas.eval": _evaluated,
    "pandas.sort_values": _sorted,
    "pandas.drop_duplicates": _deduplicated,
    "pandas.nlargest": _largest,
    "pandas.nsmallest": _largest,
    "pandas.rename": _renamed,
    "polars.rename": _renamed,
    "pandas.rename_axis": _renamed,
    "pandas.set_axis": _renamed,
    "pandas.setattr": _attribute,
    "pandas.setitem": _set,
    "pandas.loc.setitem": _set_cells,
    "pandas.iloc.setitem": _set_cells,
    "pandas.insert": _inserted,
    "pandas.assign": _assigned,
    "pandas.merge": _merged,
    "pandas.join": _merged,
    "polars.join": _merged,
    "pandas.concat": _stacked,
    "polars.concat": _stacked,
    "pandas.get_dummies": _dummies,
    "sklearn.train_test_split": _split,
    "pandas.pivot_table": _pivoted,
    "pandas.pivot": _pivoted,
    "pandas.melt": _melted,
    **{
        f"pandas.groupby.{name}": _in_groups
        for name in (
            "transform cumsum cumprod cummax cummin shift diff rank pct_change ffill bfill fillna"
        ).split()
    },
    **{f"pandas.groupby.{name}": _of_groups for name in ("head", "tail", "nth", "sample")},
    **{
        f"pandas.{kind}.{name}": _windowed
        for kind in ("window", "resample")
        for name in "sum mean median min max std var sem count first last skew kurt rank".split()
    },
    **{
        f"pandas.groupby.{name}": _grouped
        for name in (
            "agg sum mean median min max std var sem prod count size nunique first last any all "
            "idxmax idxmin quantile skew"
        ).split()
    },
}

"""Where the columns come from of what a function made, by what is known of the function.

A rule says what the names of the columns and the parameters say for sure. A function without one
is opaque.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from otelprov.lineage import column_lakes, column_shapes
from otelprov.lineage.column_parameters import (
    aggregates,
    all_names,
    ambiguous,
    computed_key,
    grouped_by,
    keys_of,
    listed,
    literal,
)
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
    if found is None and rule in _OF_ONE_COLUMN:
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
    "pickle Table.to_pandas RecordBatch.from_pandas RecordBatch.to_pandas ChunkedArray.to_pandas "
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
    said = grouped_by(question.given(parameter))
    if table is None or names is None or said is None:
        return ()
    return tuple(From(table.artifact.id, one, why) for one in said if one in names)


def _kept(question: Question) -> Sources | None:
    return _keeps(question)


def _cell_by_cell(question: Question) -> Sources | None:
    """Each column is computed of that of the same name, and of nothing else."""
    if len(question.operation.used) != 1 or not question.tables_only:
        return None
    if question.given("axis") not in (None, 0, "None", "0", "index", "<no default>"):
        return None
    found = _keeps(question, how="transformation")
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


def _computed_before(question: Question) -> Sources | None:
    """Of one column that steps have made, a function of its cells or rows, and maybe of those of
    others: ``df["a"].map(table["b"])``."""
    names, operation = question.made_names(), question.operation
    if names is None or len(names.columns) != 1 or question.reads_inside:
        return None
    roles = dict.fromkeys((*operation.inputs, *(one.role for one in operation.used)))
    found = [one for role in roles for one in question.parameter_columns(role) or ()]
    if not found or any(one.how == "opaque" for one in found):
        return None
    if _RULES.get(operation.name) in (_cell_by_cell, _windowed, _laid_over):
        found = [From(one.artifact, one.column, "transformation") for one in found]
    columns = {names.columns[0]: tuple(dict.fromkeys(found))}
    for level in filter(None, names.index):
        known = {one.artifact: question.names_of(one.artifact) for one in found}
        if all(own is not None and level in own.index for own in known.values()):
            columns[level] = tuple(From(id_, level, "identity") for id_ in known)
    return Sources(columns)


def _converted(question: Question) -> Sources | None:
    """``to_datetime(df["a"])``, ``cut(df["a"], 5)``: of the one column that is converted."""
    names = question.made_names()
    origins = question.parameter_columns("arg") or question.parameter_columns("x")
    if names is None or not origins or len(names.columns) != 1:
        return None
    if any(one.how == "opaque" for one in origins) or question.parameter_columns("bins"):
        return None
    made = tuple(From(one.artifact, one.column, "transformation") for one in origins)
    return Sources({names.columns[0]: made})


def _split(question: Question) -> Sources | None:
    """``train_test_split``: rows of several tables, each by itself."""
    names = question.made_names()
    if names is None or ambiguous(names):
        return None
    every = [*names.columns, *(one for one in names.index if one is not None)]
    known = {one.artifact.id: question.names_of(one.artifact.id) for one in question.used}
    if not question.tables_only or any(own is None or ambiguous(own) for own in known.values()):
        return None
    found = [id_ for id_, own in known.items() if own is not None and {*every} <= {*all_names(own)}]
    return Sources(_identical(found[0], every)) if len(found) == 1 else None


# --- names change ---------------------------------------------------------------------------------


def _renamed(question: Question) -> Sources | None:
    """The columns have other names, in the same order."""
    table = question.self_()
    names = question.made_names()
    before = None if table is None else question.names_of(table.artifact.id)
    if table is None or names is None or before is None or ambiguous(before):
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
    rows = _as(question.parameter_columns("key") or (), "filter")
    return Sources({names.columns[0]: tuple(dict.fromkeys(made))}, {}, rows)


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
    """``merge``, ``join`` and their kin: keys, and the suffixes of names that both have."""
    sides = _sides(question)
    names = question.made_names()
    if sides is None or names is None:
        return None
    (left, own), (right, other) = sides
    on, left_on, right_on = (listed(question.given(one)) for one in ("on", "left_on", "right_on"))
    how = str(question.given("how") or question.given("join_type")).partition(" ")[0]
    if question.operation.name == "pandas.merge_asof":
        how = "left"
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
        suffixes = [(listed(question.given(one)) or [""])[0] for one in ("lsuffix", "rsuffix")]
        if "suffixes" in question.operation.given:
            suffixes = listed(question.given("suffixes"))
    elif question.operation.name == "pyarrow.Table.join":
        if question.given("coalesce_keys") is not True:
            return None
        on_left, on_right = (
            listed(question.given("left_keys")),
            listed(question.given("right_keys")),
        )
        given = (question.given("left_suffix"), question.given("right_suffix"))
        suffixes = ["" if one in (None, "None") else str(one) for one in given]
    else:
        on_left, on_right = left_on or on, right_on or on
        if question.given("left_index") is True and question.given("right_index") is True:
            on_left = on_right = _common_levels(question, left, right)
        # A column of one is looked up in the labels of the other.
        elif question.given("right_index") is True and how in ("inner", "left"):
            on_left, on_right, other = on_left or [], [], _without_levels(question, right, other)
        elif question.given("left_index") is True and how in ("inner", "right"):
            on_left, on_right, own = [], on_right or [], _without_levels(question, left, own)
        elif on_left is None and not by_index and how != "cross":
            common = [name for name in own if name in other]
            on_left = on_right = common
        by = [listed(question.given(one)) or [] for one in ("by", "left_by", "right_by")]
        if question.operation.name == "pandas.merge_asof":
            on_left = [*(on_left or ()), *by[0], *by[1]]
            on_right = [*(on_right or ()), *by[0], *by[2]]
        elif any(by):
            return None
        suffixes = listed(question.given("suffixes"))
    if suffixes is None or len(suffixes) != 2 or (on_left is None) != (on_right is None):
        return None
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
    if own is None or other is None or ambiguous(own) or ambiguous(other):
        return None
    return (left[0], all_names(own)), (right[0], all_names(other))


_LEFT: Final = ("self", "left", "left_operand")
_RIGHT: Final = ("right", "other", "right_operand")


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
    if any(one is None or ambiguous(one) for one in known.values()):
        return None
    for name in (*names.columns, *names.index):
        if name is None:
            continue
        found = tuple(
            From(id_, name, "identity")
            for id_, own in known.items()
            if own is not None and name in all_names(own)
        )
        if found:
            columns[name] = found
    return Sources(columns)


# --- groups ---------------------------------------------------------------------------------------


def _grouped(question: Question) -> Sources | None:
    """The keys of a grouping stay what they are; each other column is a figure of its own."""
    table = question.self_()
    names = question.made_names()
    before = None if table is None else question.names_of(table.artifact.id)
    if table is None or names is None or before is None or ambiguous(before):
        return None
    id_, known, by = table.artifact.id, all_names(before), keys_of(question, before)
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


def _arrow_grouped(question: Question) -> Sources | None:
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


def _in_groups(question: Question) -> Sources | None:
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
        keys = () if plain == "cumcount" else _as(rows, "transformation")
        return None if names is None else Sources(dict.fromkeys(names.columns, keys), {}, rows)
    how = "aggregation" if plain == "transform" else "transformation"
    return _keeps(question, how=how, rows=rows)


def _of_groups(question: Question) -> Sources | None:
    """Some rows of each group, or groups that a function chooses."""
    plain = question.operation.name.rpartition(".")[2]
    unsure = "what the function has looked at" if plain == "filter" else ""
    return _keeps(question, rows=_named_rows(question, "by", "group_by"), unsure=unsure)


def _windowed(question: Question) -> Sources | None:
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
    kept, table = _keeps(question, how="aggregation"), question.self_()
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


def _counted(question: Question) -> Sources | None:
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
    return Sources(columns, {}, _as(rows, "group_by"))


def _index_reset(question: Question) -> Sources | None:
    """``reset_index``: columns that were levels of the index; a column may get a name."""
    kept, moved = _keeps(question), column_shapes.without_index(question)
    if kept is None or moved is None:
        return kept or moved or column_shapes.without_index_of_computed(question)
    return Sources({**kept.columns, **moved.columns})


def _laid_over(question: Question) -> Sources | None:
    return column_shapes.laid_over(question) or _computed_before(question)


def _as(origins: Iterable[From], why: str) -> tuple[From, ...]:
    return tuple(
        one if one.how == "opaque" else From(one.artifact, one.column, why) for one in origins
    )


def _identical(artifact_id: str, names: Iterable[str]) -> dict[str, tuple[From, ...]]:
    return {name: (From(artifact_id, name, "identity"),) for name in names}


_Rule = Callable[[Question], Sources | None]
_OF_ONE_COLUMN: Final = (_kept, _cell_by_cell, _sorted, _hands_on, _renamed, _windowed)
"""Rules whose operations may be given a column that steps have computed."""
_RULES: Final[dict[str, _Rule]] = {
    **{
        f"{library}.{name}": _kept
        for library in ("pandas", "polars")
        for name in (
            "head tail sample drop dropna reindex filter set_index take xs truncate "
            "delitem pop sort_index select_dtypes iloc reverse droplevel swaplevel "
            "reorder_levels asfreq explode tz_localize tz_convert to_period to_timestamp "
            "slice limit gather gather_every drop_nulls drop_nans with_row_index shrink_to_fit "
            "rechunk clone drop_in_place partition_by unique"
        ).split()
    },
    **{
        f"{library}.{name}": _cell_by_cell
        for library in ("pandas", "polars")
        for name in (
            "astype fillna ffill bfill replace round clip map applymap shift diff rank cumsum "
            "cumprod cummax cummin abs pct_change convert_dtypes infer_objects interpolate cast "
            "fill_null fill_nan isin apply transform agg"
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
    "pandas.cut": _converted,
    "pandas.qcut": _converted,
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
    **{
        f"pandas.{name}": _renamed
        for name in "rename_axis set_axis add_prefix add_suffix to_frame".split()
    },
    "pandas.setattr": _attribute,
    "pandas.setitem": _set,
    "pandas.loc.setitem": _set_cells,
    "pandas.iloc.setitem": _set_cells,
    "pandas.insert": _inserted,
    "pandas.assign": _assigned,
    **{f"pandas.{name}": _merged for name in "merge join merge_asof merge_ordered".split()},
    "polars.join": _merged,
    "pandas.concat": _stacked,
    "polars.concat": _stacked,
    "pandas.get_dummies": column_shapes.dummies,
    "sklearn.train_test_split": _split,
    "pandas.pivot_table": column_shapes.pivoted,
    "pandas.pivot": column_shapes.pivoted,
    "pandas.melt": column_shapes.melted,
    "pandas.wide_to_long": column_shapes.lengthened,
    "pandas.crosstab": column_shapes.counted_across,
    "pandas.stack": column_shapes.stacked,
    "pandas.unstack": column_shapes.unstacked,
    "pandas.reset_index": _index_reset,
    "pandas.value_counts": _counted,
    **{f"pandas.{name}": _laid_over for name in ("combine_first", "update", "combine")},
    **{
        f"pandas.groupby.{name}": _in_groups
        for name in (
            "transform cumsum cumprod cummax cummin shift diff rank pct_change ffill bfill fillna "
            "cumcount ngroup"
        ).split()
    },
    **{
        f"pandas.groupby.{name}": _of_groups
        for name in "head tail nth sample filter nlargest nsmallest get_group".split()
    },
    **{
        f"pandas.{kind}.{name}": _windowed
        for kind in ("window", "resample")
        for name in (
            "sum mean median min max std var sem count size nunique first last skew kurt rank "
            "quantile agg apply corr cov"
        ).split()
    },
    **{
        f"pandas.groupby.{name}": _grouped
        for name in (
            "agg apply sum mean median min max std var sem prod count size nunique first last any "
            "all idxmax idxmin quantile skew describe value_counts unique"
        ).split()
    },
}

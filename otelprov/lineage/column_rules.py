"""Where the columns come from of what a function made, by what is known of the function.

A rule says what the names of the columns and the parameters say for sure. A function without one
is opaque.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from otelprov.lineage import (
    column_added,
    column_groups,
    column_lakes,
    column_pairs,
    column_rows,
    column_shapes,
)
from otelprov.lineage.column_sources import From, Question, Sources, identical


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
    place = question.made.artifact.uri
    added = [one for one in question.used if not place or one.artifact.uri != place]
    table = question.self_()
    if table is None and len(added) == 1 and question.is_table(added[0].role):
        (table,) = added
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
    columns = identical(table.artifact.id, names)
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
        return Sources(identical(table.artifact.id, before))
    names = [*after.columns, *(one for one in after.index if one is not None)]
    if before is None:
        return Sources(identical(table.artifact.id, names))
    same = [name for name in names if name in before]
    return Sources(identical(table.artifact.id, same))


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
    if _RULES.get(operation.name) in _COMPUTE:
        found = [From(one.artifact, one.column, "transformation") for one in found]
    columns = {names.columns[0]: tuple(dict.fromkeys(found))}
    for level in filter(None, names.index):
        known = {one.artifact: question.names_of(one.artifact) for one in found}
        if all(own is not None and level in own.index for own in known.values()):
            columns[level] = tuple(From(id_, level, "identity") for id_ in known)
    return Sources(columns)


# --- the table ------------------------------------------------------------------------------------

_Rule = Callable[[Question], Sources | None]

_COMPUTE: Final = (column_rows.cell_by_cell, column_groups.windowed, column_shapes.laid_over)
"""Rules of what computes the columns that it gives."""
_OF_ONE_COLUMN: Final = (
    *_COMPUTE,
    column_rows.kept_rows,
    column_rows.sorted_by,
    column_rows.renamed,
    _hands_on,
)
"""Rules whose operations may be given a column that steps have computed."""

_RULES: Final[dict[str, _Rule]] = {
    **{
        f"{library}.{name}": column_rows.kept_rows
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
        f"{library}.{name}": column_rows.cell_by_cell
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
            **dict.fromkeys("filter take slice drop_null".split(), column_rows.kept_rows),
            **dict.fromkeys("drop_columns drop remove_column".split(), column_rows.kept_rows),
            "cast": column_rows.cell_by_cell,
            "sort_by": column_rows.arrow_sorted,
            "rename_columns": column_rows.renamed,
            **dict.fromkeys("add_column append_column set_column".split(), column_added.appended),
        }.items()
    },
    "pyarrow.concat_tables": column_pairs.stacked,
    "pyarrow.Table.join": column_pairs.merged,
    "pyarrow.Table.group_by": column_groups.arrow_grouped,
    "pandas.to_datetime": column_rows.converted,
    "pandas.to_numeric": column_rows.converted,
    "pandas.to_timedelta": column_rows.converted,
    "pandas.cut": column_rows.converted,
    "pandas.qcut": column_rows.converted,
    "pandas.getitem": column_rows.chosen,
    "pandas.loc": column_rows.chosen,
    "pandas.query": column_rows.queried,
    "pandas.eval": column_rows.evaluated,
    "pandas.sort_values": column_rows.sorted_by,
    "pandas.drop_duplicates": column_rows.deduplicated,
    "pandas.nlargest": column_rows.largest,
    "pandas.nsmallest": column_rows.largest,
    "pandas.rename": column_rows.renamed,
    "polars.rename": column_rows.renamed,
    **{
        f"pandas.{name}": column_rows.renamed
        for name in "rename_axis set_axis add_prefix add_suffix to_frame".split()
    },
    "pandas.setattr": column_added.attribute_set,
    "pandas.setitem": column_added.column_set,
    "pandas.loc.setitem": column_added.set_cells,
    "pandas.iloc.setitem": column_added.set_cells,
    "pandas.insert": column_added.inserted,
    "pandas.assign": column_added.assigned,
    **{
        f"pandas.{name}": column_pairs.merged
        for name in "merge join merge_asof merge_ordered".split()
    },
    "polars.join": column_pairs.merged,
    "pandas.concat": column_pairs.stacked,
    **{f"polars.{name}": column_pairs.stacked for name in "concat union vstack extend".split()},
    "pandas.get_dummies": column_shapes.dummies,
    "sklearn.train_test_split": column_rows.split_apart,
    "pandas.pivot_table": column_shapes.pivoted,
    "pandas.pivot": column_shapes.pivoted,
    "pandas.melt": column_shapes.melted,
    "pandas.wide_to_long": column_shapes.lengthened,
    "pandas.crosstab": column_shapes.counted_across,
    "pandas.stack": column_shapes.stacked,
    "pandas.unstack": column_shapes.unstacked,
    "pandas.reset_index": column_groups.index_reset,
    "pandas.value_counts": column_groups.counted,
    **{
        f"pandas.{name}": column_shapes.laid_over for name in ("combine_first", "update", "combine")
    },
    **{
        f"pandas.groupby.{name}": column_groups.in_groups
        for name in (
            "transform cumsum cumprod cummax cummin shift diff rank pct_change ffill bfill fillna "
            "cumcount ngroup"
        ).split()
    },
    **{
        f"pandas.groupby.{name}": column_groups.of_groups
        for name in "head tail nth sample filter nlargest nsmallest get_group".split()
    },
    **{
        f"pandas.{kind}.{name}": column_groups.windowed
        for kind in ("window", "resample")
        for name in (
            "sum mean median min max std var sem count size nunique first last skew kurt rank "
            "quantile agg apply corr cov"
        ).split()
    },
    **{
        f"pandas.groupby.{name}": column_groups.grouped
        for name in (
            "agg apply sum mean median min max std var sem prod count size nunique first last any "
            "all idxmax idxmin quantile skew describe value_counts unique"
        ).split()
    },
}

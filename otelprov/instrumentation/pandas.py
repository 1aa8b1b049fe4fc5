"""pandas: its operation table, and what only pandas needs.

Three levels work together. The operations worth reading make spans. ``NDFrame.__finalize__``, which
pandas calls on almost every object that it derives from another, passes the identity on without
one. The small steps named below do so with more precision: they know their parameters, so that the
derivation ids of what follows are the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any

from otelprov.artifacts.locations import unknown
from otelprov.artifacts.registry import Identity, Step, derive, registry
from otelprov.instrumentation import _labels
from otelprov.instrumentation._calls import Observed
from otelprov.instrumentation._iterators import come_from
from otelprov.instrumentation._pickles import pickling, unpickling
from otelprov.instrumentation._side_by_side import (
    Applied,
    Assigned,
    CellsSet,
    Concatenated,
    Frame,
    Piped,
    holds_known_columns,
    set_inside,
)
from otelprov.instrumentation._table import (
    QUERIED,
    STORED,
    Entry,
    each,
    read,
    step,
    transform,
    when_called,
    write,
)
from otelprov.instrumentation._wrapping import (
    chunking,
    finding_stack_level,
    followed,
    iterating,
)
from otelprov.recording import places
from otelprov.recording.observation import (
    PLAIN,
    data_kind,
    identity_of,
    known_contents,
    unknown_data,
)
from otelprov.recording.recorder import current_operation, in_closed_operation, note_read

ODDITIES: tuple[str, ...] = (
    "What a Styler writes (`df.style.to_excel`, `to_html`, `to_latex`, `to_string`, `to_typst`) is "
    "the frame that it styles; what the program's functions put into the styles is not seen.",
    "`HDFStore.copy` is not recorded.",
    "A frame of rows that a database gave has the columns of the statement where these have the "
    "same names in the same order; with other names, which is which is not known.",
    "`df.iloc[rows, 2] = …` is seen, and which columns the new cells come from is not, nor where "
    '`df.loc[…] = …` names no columns. `df.loc[mask, "a"] = …` is.',
    "A function that `apply` and its like call for each row or group is seen where it uses known "
    "tables by pandas; arrays and numbers that it uses are not.",
    "A number for a whole column or table (`df['a'].mean()`, `corr`), or out of a table of up to "
    "100 rows, is known as the very object: in a dict or list that a frame is made of, that is "
    "dumped as JSON or given to a database, as an operand (`test['a'] - mean`), and where it is "
    "put into a frame. Other parameters are numbers. `round(x)`, `float(x)`, `x * 2` make others.",
    "An array of up to 64 values by which rows are chosen (`df[mask]`, `isin(values)`) is a "
    "parameter.",
)
BOTH = ("DataFrame", "Series")
GROUPBY = tuple(
    f"core.groupby.{name}"
    for name in ("generic.DataFrameGroupBy", "generic.SeriesGroupBy", "groupby.GroupBy")
)
WINDOWS = tuple(
    f"core.window.{name}"
    for name in (
        "rolling.Rolling",
        "rolling.Window",
        "expanding.Expanding",
        "ewm.ExponentialMovingWindow",
    )
)
INDEXERS = "core.indexing._LocationIndexer"
SCALAR_INDEXERS = ("core.indexing._ScalarAccessIndexer", "core.indexing._AtIndexer")


def _is_frame(_: Mapping[str, Any], target: Any) -> bool:
    return getattr(target, "ndim", 0) == 2


def _holds_values(_: Mapping[str, Any], target: Any) -> bool:
    """Not the names of columns, as ``df.columns.to_list()`` gives them."""
    return registry.lookup(target) is not None or hasattr(type(target), "index")


def _holds_several(parameters: Mapping[str, Any], _: object) -> bool:
    """Not ``to_datetime("2024-01-01")``, which gives one value for another."""
    value = parameters.get("arg")
    return type(value) not in PLAIN and hasattr(type(value), "__iter__")


def _selects_rows(parameters: Mapping[str, Any], _: object) -> bool:
    """``df[mask]`` and ``df[1:5]`` choose rows; ``df["a"]`` and ``df[["a", "b"]]`` columns."""
    key = parameters.get("key")
    if isinstance(key, slice) or callable(key):
        return True
    if isinstance(key, list):
        return bool(key) and isinstance(key[0], bool)
    if data_kind(key) is None:  # a label: one of the program's own is not asked
        return False
    return getattr(getattr(key, "dtype", None), "kind", "") == "b" or getattr(key, "ndim", 0) == 2


def _locates_rows(parameters: Mapping[str, Any], target: Any) -> bool:
    """``df.loc[mask]`` and ``df.loc[a:b, cols]`` give a table; ``df.loc[3, "a"]`` a number."""
    if getattr(getattr(target, "obj", None), "ndim", 0) != 2:
        return False
    key = parameters.get("key")
    parts = key if isinstance(key, tuple) else (key,)
    return all(
        isinstance(part, (list, slice))
        or callable(part)
        or (data_kind(part) is not None and getattr(part, "ndim", 0) > 0)
        for part in parts[:2]
    )


def _sets_data(parameters: Mapping[str, Any], target: Any) -> bool:
    """``df.x = values`` and ``df.columns = names``, not any other attribute."""
    if "_mgr" not in vars(target) or target.ndim != 2:
        return False  # a subclass sets attributes before there is any data
    name = parameters.get("name")
    return name in ("columns", "index") or name in getattr(target, "columns", ())


def _adds(parameters: Mapping[str, Any], _: object) -> bool:
    """``ExcelWriter(path, mode="a")`` reads the workbook that it adds to."""
    return str(parameters.get("mode")).startswith("a")


def _reads() -> Iterable[Entry]:
    yield read("read_csv", source="filepath_or_buffer", fills=True)
    yield read("read_table", source="filepath_or_buffer", fills=True)
    yield read("read_fwf", source="filepath_or_buffer", fills=True)
    yield read("read_excel", source="io", fills=True)
    yield read("read_json", source="path_or_buf", fills=True)
    yield read("read_html", source="io")
    yield read("read_xml", source="path_or_buffer")
    yield read("read_parquet", source="path", fills=True)
    yield read("read_feather", source="path")
    yield read("read_orc", source="path", fills=True)
    yield read("read_pickle", source="filepath_or_buffer")
    yield read("read_hdf", source="path_or_buf")
    yield read("read_stata", source="filepath_or_buffer")
    yield read("read_sas", source="filepath_or_buffer")
    yield read("read_spss", source="path")
    for name in ("read_sql", "read_sql_query", "read_sql_table"):
        yield read(name, observed=QUERIED, client=True)
    yield read(
        "read_iceberg",
        source="table_identifier",
        places=_iceberg_place,
        observed=when_called("pyiceberg", "Asked"),
        client=True,
    )
    yield read(
        "read_gbq",
        source="query",
        client=True,
        places=lambda p: f"bigquery://{p.get('project_id')}",
    )
    yield read("read_clipboard", places=lambda _: "clipboard://", source="sep")
    yield read("ExcelFile.__init__", source="path_or_buffer", name="ExcelFile", in_place="always")
    yield read(
        "HDFStore.__init__",
        source="path",
        name="HDFStore",
        in_place="always",
        observed=OpenedStore,
    )
    yield transform("ExcelFile.parse", name="ExcelFile.parse")
    yield read(
        "io.excel._openpyxl.OpenpyxlWriter.__init__",
        source="path",
        name="ExcelWriter",
        in_place="always",
        only_when=_adds,
    )
    # Chunks come from their reader, which comes from the file.
    for reader in (
        "io.parsers.readers.TextFileReader",
        "io.json._json.JsonReader",
        "io.stata.StataReader",
        "io.sas.sasreader.SASReader",
    ):
        for name in ("__next__", "read", "get_chunk"):
            yield from each(step(name, keeps_columns=True), reader)
    yield step("io.pytables.TableIterator.__iter__", around=iterating)
    for name in (
        "get", "select", "select_as_multiple", "select_as_coordinates", "select_column",
        "__getitem__", "__getattr__",
    ):  # fmt: skip
        yield step(f"HDFStore.{name}")


def _writes() -> Iterable[Entry]:
    yield from each(write("to_csv", target="path_or_buf"), *BOTH)
    yield from each(write("to_json", target="path_or_buf"), *BOTH)
    yield from each(
        write("to_excel", target="excel_writer", collects="excel_writer", places=_workbook), *BOTH
    )
    yield from each(write("to_pickle", target="path"), *BOTH)
    yield write("to_pickle", target="filepath_or_buffer")
    yield from each(
        write("to_hdf", target="path_or_buf", collects="path_or_buf", places=_store), *BOTH
    )
    yield from each(write("to_sql", observed=STORED, client=True), *BOTH)
    yield from each(write("to_latex", target="buf"), *BOTH)
    yield from each(write("to_markdown", target="buf"), *BOTH)
    yield from each(write("to_string", target="buf"), *BOTH)
    yield write("DataFrame.to_html", target="buf")
    yield write("DataFrame.to_xml", target="path_or_buffer")
    yield write("DataFrame.to_parquet", target="path", typed=True)
    yield write("DataFrame.to_feather", target="path", typed=True)
    yield write("DataFrame.to_orc", target="path")
    yield write("DataFrame.to_stata", target="path")
    yield write(
        "DataFrame.to_iceberg",
        target="table_identifier",
        places=_iceberg_place,
        observed=when_called("pyiceberg", "Written"),
        client=True,
    )
    yield write("DataFrame.to_gbq", target="destination_table", places=_bigquery_place, client=True)
    yield from each(write("to_clipboard", target="sep", places=lambda _: "clipboard://"), *BOTH)
    yield from each(write("to_dict"), *BOTH)
    for name in ("to_list", "tolist"):
        yield from each(write(name, name="to_list", only_when=_holds_values), "Series")
    yield from each(transform("to_numpy"), *BOTH)
    yield from each(transform("to_records"), "DataFrame")
    yield from each(transform("to_xarray"), *BOTH)
    yield from each(transform("from_arrow", hands_over=True), *BOTH)
    yield from each(transform("to_frame"), "Series")
    yield from each(transform("to_period"), *BOTH)
    yield from each(transform("to_timestamp"), *BOTH)
    for name in ("put", "append", "append_to_multiple", "__setitem__"):
        span = f"HDFStore.{name.strip('_')}"
        yield write(f"HDFStore.{name}", name=span, data="value", collects="self")
    # The file of an open writer is written when that is closed.
    for name in ("close", "__exit__"):
        yield write(f"ExcelWriter.{name}", name="ExcelWriter.close", target="path", places=_opened)
        yield write(f"HDFStore.{name}", name="HDFStore.close", target="path", places=_opened)


def styler() -> Iterable[Entry]:
    """A frame that is written with its styles."""
    for name in ("to_html", "to_latex", "to_string", "to_typst"):
        yield write(f"Styler.{name}", name=f"Styler.{name}", target="buf")
    yield write(
        "Styler.to_excel", name="Styler.to_excel", target="excel_writer", collects="excel_writer",
        places=_workbook,
    )  # fmt: skip


def _functions() -> Iterable[Entry]:
    yield from map(
        transform,
        (
            "merge merge_asof merge_ordered pivot pivot_table melt lreshape wide_to_long "
            "crosstab cut qcut get_dummies from_dummies factorize"
        ).split(),
    )
    for name in ("to_datetime", "to_numeric", "to_timedelta"):
        yield transform(name, only_when=_holds_several)
    yield transform("json_normalize", observed=_Normalized)
    yield transform("core.arrays.sparse.accessor.SparseFrameAccessor.from_spmatrix")
    # The tables may come from a generator, whose steps are worth reading.
    yield transform("concat", holds_nested=False, iterates="objs", observed=Concatenated)
    yield transform("eval", counts_frames=True)
    yield step("unique")
    yield step("isna")
    yield step("notna")


def _methods() -> Iterable[Entry]:
    both = (
        "merge join pivot pivot_table melt stack unstack explode filter astype sample "
        "transpose describe value_counts nlargest nsmallest reindex reindex_like "
        "combine_first compare convert_dtypes infer_objects droplevel swaplevel "
        "reorder_levels set_axis truncate asfreq tz_convert tz_localize align corr corrwith "
        "cov dot select_dtypes xs take nunique mode isetitem"
    ).split()
    for name in both:
        if name == "isetitem":
            yield transform("DataFrame.isetitem", in_place="always")
        else:
            yield from each(transform(name), *BOTH)
    for name in ["agg", "aggregate", "apply", "map", "applymap", "transform", "pipe", "combine"]:
        # pipe calls one function with the whole table: what happens in there is worth reading.
        span = "agg" if name == "aggregate" else name
        seen = Piped if name == "pipe" else Applied
        entry = transform(name, name=span, holds_nested=name != "pipe", observed=seen)
        yield from each(entry, *BOTH)
    for name in (
        "drop rename dropna sort_values sort_index drop_duplicates set_index reset_index "
        "rename_axis"
    ).split():
        yield from each(transform(name, in_place="parameter"), *BOTH)
    for name in ["fillna", "ffill", "bfill", "replace", "interpolate"]:
        yield from each(transform(name, in_place="parameter", warns_chained=True), *BOTH)
    for name in ["where", "mask", "clip"]:
        yield from each(
            transform(name, in_place="parameter", warns_chained=True, only_when=_is_frame), *BOTH
        )
    for name in (
        "head tail shift diff rank round isin pct_change abs cumsum cumprod cummax cummin "
        "add_prefix add_suffix"
    ).split():
        yield from each(transform(name, only_when=_is_frame), *BOTH)
    yield transform("DataFrame.query", in_place="parameter", counts_frames=True)
    yield transform("DataFrame.eval", in_place="parameter", counts_frames=True)
    yield transform("DataFrame.assign", observed=Assigned)
    yield transform("DataFrame.insert", in_place="always")
    yield transform(
        "DataFrame.__init__", name="DataFrame", in_place="always", observed=Frame,
        only_when=holds_known_columns,
    )  # fmt: skip
    yield from each(transform("pop", in_place="always"), "DataFrame")
    yield from each(transform("update", in_place="always", warns_chained=True), *BOTH)
    yield from each(transform("__delitem__", in_place="always"), *BOTH)
    yield from each(
        transform("__setitem__", in_place="always", warns_chained=True, inside=set_inside), *BOTH
    )
    yield from each(
        transform("__setattr__", in_place="always", only_when=_sets_data, observed=_Named), *BOTH
    )
    yield transform("DataFrame.__getitem__", only_when=_selects_rows, always=True)
    yield transform(f"{INDEXERS}.__getitem__", name="{self.name}", only_when=_locates_rows)
    yield transform(
        f"{INDEXERS}.__setitem__", name="{self.name}.setitem", in_place="always", observed=CellsSet
    )


def _groups() -> Iterable[Entry]:
    for name in ["groupby", "rolling", "expanding", "ewm", "resample"]:
        yield from each(step(name, carries_parameters=True), *BOTH, *GROUPBY[2:])
    yield from each(step("__getitem__", always=True, carries_parameters=True), *GROUPBY, *WINDOWS)
    with_functions = ["agg", "aggregate", "apply", "transform", "filter", "pipe"]
    plain = (
        "sum mean median min max std var sem prod count size nunique first last nth head tail "
        "any all describe cumsum cumprod cummax cummin cumcount ngroup rank shift diff "
        "pct_change ffill bfill fillna sample quantile value_counts idxmin idxmax ohlc corr "
        "corrwith cov skew kurt take get_group nlargest nsmallest unique"
    ).split()
    for owners, prefix in ((GROUPBY, "groupby"), (WINDOWS, "window"), (_RESAMPLERS, "resample")):
        for name in with_functions:
            span = f"{prefix}.{'agg' if name == 'aggregate' else name}"
            seen = None if name == "pipe" else Applied
            entry = transform(name, name=span, holds_nested=name != "pipe", observed=seen)
            yield from each(entry, *owners)
        for name in (*plain, *("asfreq", "interpolate", "nearest") * (prefix == "resample")):
            yield from each(transform(name, name=f"{prefix}.{name}"), *owners)


def _giving_rows(original: Callable[..., Any]) -> Callable[..., Any]:
    """An iterator of pandas' whose rows, or values, a statement of a database may be given."""
    return followed(original, _rows_given, "where the rows of a table go is not known")


def _rows_given(
    frame: FrameType | None, rows: object, table: object, *_: object, **__: object
) -> None:
    identity = registry.lookup(table)
    if identity is None or frame is None:
        return
    if not str(frame.f_globals.get("__name__")).startswith("pandas."):  # it iterates for itself too
        come_from(rows, identity)


_RESAMPLERS = ("core.resample.Resampler",)


def _steps() -> Iterable[Entry]:
    yield step("Series.__init__")
    yield step("Series.case_when")
    for name in ["from_dict", "from_records"]:
        yield step(f"DataFrame.{name}")
    for owner in BOTH:
        for name in ["_arith_method", "_cmp_method", "_logical_method"]:
            yield step(f"{owner}.{name}", always=True)
    for name in ("iadd isub imul itruediv ifloordiv imod ipow iand ior ixor").split():
        yield from each(step(f"__{name}__", in_place="always"), *BOTH)
    for name in (
        "sum mean median min max std var prod sem skew kurt count any all "
        "isna isnull notna notnull duplicated idxmin idxmax quantile between "
        "squeeze items iterrows first_valid_index add sub mul div truediv floordiv mod "
        "pow radd rsub rmul rdiv eq ne lt le gt ge unique searchsorted autocorr argsort "
        "repeat at_time between_time first last __neg__ __invert__ "
        "__abs__ __array__ __array_ufunc__"
    ).split():
        yield from each(step(name), *BOTH)
    yield from each(step("copy", keeps_columns=True), *BOTH)
    yield step("DataFrame.itertuples", around=_giving_rows)
    yield step("Series.__iter__", around=_giving_rows)
    yield from each(step("values", gives_memory=True), *BOTH)
    yield from each(step("array", gives_memory=True), "Series")
    for indexer in SCALAR_INDEXERS:
        yield step(f"{indexer}.__setitem__", in_place="always")
    yield from each(step("__getitem__"), "Series")
    yield step("Series.item")
    for name in (
        "capitalize casefold cat center contains count decode encode endswith extract "
        "extractall find findall fullmatch get get_dummies index isalnum isalpha isdecimal "
        "isdigit islower isnumeric isspace istitle isupper join len ljust lower lstrip match "
        "normalize pad partition removeprefix removesuffix repeat replace rfind rjust "
        "rpartition rsplit rstrip slice slice_replace split startswith strip swapcase title "
        "translate upper wrap zfill"
    ).split():
        yield step(f"core.strings.accessor.StringMethods.{name}")
    for owner in (
        "core.indexes.accessors.Properties",
        "core.arrays.categorical.CategoricalAccessor",
    ):
        yield step(f"{owner}._delegate_property_get", always=True)
        yield step(f"{owner}._delegate_method", always=True)
    yield step("core.indexes.accessors.DatetimeProperties.isocalendar")
    # Of the column nothing is left in the accessor but its values.
    yield step("core.arrays.categorical.CategoricalAccessor.__init__", always=True)
    for owner in ("CategoricalAccessor", "Categorical"):
        yield step(f"core.arrays.categorical.{owner}.codes")
    yield step("core.arrays.categorical.Categorical.__init__")
    yield step("core.generic.NDFrame.__finalize__", around=_finalizing)
    yield step("core.generic.NDFrame.__getstate__", around=pickling)
    yield step("core.generic.NDFrame.__setstate__", around=unpickling)
    yield from each(step("__iter__", around=iterating), *GROUPBY)
    for database in ("SQLDatabase", "SQLiteDatabase", "SQLTable"):
        yield step(f"io.sql.{database}._query_iterator", around=chunking)
    yield step("core.computation.scope.Scope.resolve", around=_resolving)
    yield step("util._exceptions.find_stack_level", around=finding_stack_level)


def _finalizing(original: Callable[..., Any]) -> Callable[..., Any]:
    return followed(original, _finalized, "an identity was not passed on")


def _resolving(original: Callable[..., Any]) -> Callable[..., Any]:
    """``df.query("a > @limit")`` reads the variables it names."""
    return followed(original, _resolved, "a variable of a query is not known")


def _resolved(
    _: FrameType, value: object, scope: Any, key: str, is_local: bool = False, *rest: Any
) -> None:
    note_read(value)
    operation = current_operation()
    if operation is None:
        return
    found = list(known_contents((value,)).values())
    if key not in scope.temps and (is_local or not scope.has_resolvers):  # else it is a column
        found += map(identity_of, unknown_data((value,), few=False))
    for identity in found:
        operation.use("read inside", identity)


_FINALIZE = Step("pandas", "finalize")


def _finalized(_: FrameType, __: object, made: Any, other: Any, *how: Any, **said: Any) -> None:
    """``made`` was derived from ``other``: a table, or a record of the tables of an operation."""
    if made is other or in_closed_operation():
        return
    found = registry.lookup(other)
    if found is not None:
        known = [found]
    elif hasattr(other, "_mgr"):  # a table that nothing is known of: by far the usual case
        return
    else:
        objects = getattr(other, "input_objs", None) or getattr(other, "objs", None)
        if objects is None:
            objects = (getattr(other, "left", None), getattr(other, "right", None))
        known = [item for item in map(registry.lookup, objects) if item is not None]
        if not known:
            return
    before = registry.lookup(made)
    if before is not None:
        if before.artifact is not None:
            return
        known.insert(0, before)
    copied = said.get("method") == "copy" and len(known) == 1
    picked = known[0].selected if copied else None
    identity = derive(_FINALIZE, known, None, picked=picked)
    if identity is not None:
        registry.assign(made, identity)


class _Named(Observed):
    """``df.columns = names``, which are no data, and ``df.x = values``."""

    __slots__ = ()

    def _inputs(self) -> tuple[list[tuple[str, Identity]], set[str]]:
        return ([], set()) if self.parameters.get("name") == "columns" else super()._inputs()


class _Normalized(Observed):
    """``json_normalize(records)``: they are data, however few they are."""

    __slots__ = ()

    def _made(self, result: object) -> None:
        if not self.operation.used_so_far():
            self.operation.use_content("data", unknown("it was not seen where records come from"))
        super()._made(result)


class OpenedStore(Observed):
    """``HDFStore(path)``: its file is looked at before it is opened, which changes the bytes of one
    that may be written to, and makes one that was not there."""

    __slots__ = ()

    def __init__(self, *call: Any) -> None:
        super().__init__(*call)
        if self.parameters.get("mode") != "w":
            places.read_from(self.operation, "path", self.parameters.get("path"))

    def _place(self, name: str) -> Any:
        return None


def _workbook(parameters: Mapping[str, Any]) -> Any:
    """The path of ``to_excel``; None when it is an open ``ExcelWriter``."""
    target = parameters.get("excel_writer")
    return None if hasattr(target, "sheets") else target


def _store(parameters: Mapping[str, Any]) -> Any:
    """The path of ``to_hdf``; None when it is an open ``HDFStore``."""
    target = parameters.get("path_or_buf")
    return None if hasattr(target, "get_storer") else target


def _opened(parameters: Mapping[str, Any]) -> Any:
    """What an ``ExcelWriter`` or ``HDFStore`` writes to, when something was put into it."""
    writer = parameters["self"]
    known = registry.lookup(writer)
    if known is None or (hasattr(writer, "get_storer") and len(known.sources) < 2):
        return None  # of a store, the first source is that it was opened
    path = getattr(writer, "_path", None) or getattr(writer, "path", None)
    if path is None and hasattr(writer, "_handles"):
        path = writer._handles.handle
    return path


def _iceberg_place(parameters: Mapping[str, Any]) -> str:
    return (
        f"iceberg://{parameters.get('catalog_name') or 'default'}/{parameters['table_identifier']}"
    )


def _bigquery_place(parameters: Mapping[str, Any]) -> str:
    return (
        f"bigquery://{parameters.get('project_id') or 'default'}/{parameters['destination_table']}"
    )


def table() -> Iterable[Entry]:
    """Everything lies in modules that ``import pandas`` loads."""
    for part in (_reads, _writes, _functions, _methods, _groups, _steps, _labels.entries):
        yield from part()


TABLES = {"pandas": table, "pandas.io.formats.style": styler}

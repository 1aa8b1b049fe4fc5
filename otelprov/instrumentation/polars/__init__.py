"""Polars: its operation table, and what only Polars needs.

What is eager makes spans as with pandas. What is lazy makes none: LazyFrames and expressions carry
their sources, and what executes them used these. Polars writes most eager methods as a plan that is
executed at once; those calls are its own and go straight through.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Mapping
from typing import Any

from otelprov.instrumentation import deltalake, pyiceberg
from otelprov.instrumentation._pickles import pickling, unpickling
from otelprov.instrumentation._projections import iceberg, projecting, scanning
from otelprov.instrumentation._table import (
    QUERIED,
    STORED,
    Entry,
    each,
    plan,
    query,
    read,
    step,
    transform,
    write,
)
from otelprov.instrumentation._wrapping import chunking, finding_stack_level, iterating
from otelprov.instrumentation.polars.arguments import (
    at_once,
    carry,
    cleaning,
    dataset,
    file,
    is_foreign,
    of_data,
    selects_rows,
    source,
)
from otelprov.instrumentation.polars.eager import Computed, said_by
from otelprov.instrumentation.polars.engine import explain, explain_all
from otelprov.instrumentation.polars.passages import (
    arriving,
    awaited,
    deserializing,
    exporting,
    fetching,
)
from otelprov.instrumentation.polars.sql import (
    is_eager,
    registering,
    tables_in_scope,
    tables_of,
    unregistering,
)
from otelprov.instrumentation.polars.together import collected

BOTH = ("DataFrame", "Series")

ODDITIES: tuple[str, ...] = (
    "A LazyFrame, an expression and an SQLContext carry their sources; collect, sink and what else "
    "executes them is one operation, with the optimised plan.",
    "The plan of a query that holds functions of the program (map_batches, map_elements, one that "
    "gives credentials), or reads a Delta Lake or Iceberg table, is not shown, because Polars may "
    "call them to show it. With POLARS_VERBOSE none is, because Polars would write its log lines "
    "twice. The columns taken of a Delta Lake or Iceberg table are those that Polars asks its "
    "reader for; while several queries of one LazyFrame run at once, they are not known.",
    "An object that Polars reads or writes in a store by itself (`s3://`, `gs://`, `az://`) is "
    "known by its location: its Rust tells nobody which version that was, and to ask the store "
    "would be a request of ours, answered later.",
    "A function that Polars calls in a thread of its own belongs to the query that runs; while "
    "several run, what it does is an operation of its own.",
    "sink_parquet does not put an id into the file, because the table is never in memory: its "
    "file has an extended attribute.",
    "A LazyFrame that was unpickled or deserialised names the files that its plan names; tables in "
    "memory that are part of it are unknown.",
    "A number that an expression is made with (`pl.col('a') - mean`) is not followed; one that is "
    "an operand of a Series is.",
    "Values taken out by row or iter_rows are not followed, nor are batches of collect_batches.",
    "Each plan of collect_all is an operation, up to a hundred of them; how long each took is not "
    "known. Where one holds functions of the program, or reads a Delta Lake or Iceberg table, they "
    "are one operation, and each of its results comes from all that it read, as with "
    "collect_all_async.",
    "collect_async with gevent, LazyFrame.execute and LazyFrame.remote are not recorded, nor are "
    "scan_external_reader (it calls a reader of the program's) and from_repr. LazyFrame.serialize "
    "writes a plan and no data; read_ipc_schema, read_parquet_schema and read_parquet_metadata "
    "read no data.",
)


def _reads() -> Iterable[Entry]:
    for name in (
        "read_csv read_parquet read_ipc read_ipc_stream read_json read_ndjson read_avro read_excel "
        "read_ods read_lines read_csv_batched"
    ).split():
        yield read(name, source="source", places=source)
    yield read("read_delta", source="source", places=deltalake.source)
    yield read("read_iceberg", source="source", places=iceberg)
    yield read("DataFrame.deserialize", source="source")
    yield read("read_database", observed=QUERIED, client=True)
    yield step("io.database._executor.ConnectionExecutor.to_polars", around=chunking)
    yield read("read_database_uri", observed=QUERIED, client=True)
    yield read("read_clipboard", source="separator", places=lambda _: "clipboard://")
    yield step("read_parquet_metadata", around=cleaning)
    yield step("io.csv.batched_reader.BatchedCsvReader.next_batches")


def _scans() -> Iterable[Entry]:
    for name in ("scan_csv scan_parquet scan_ipc scan_ndjson scan_lines scan_lance").split():
        yield plan(name, source="source")
    # Polars calls back to Python for its files, from a thread of its own: to look at the plan by
    # LazyFrame.visit, which holds the interpreter meanwhile, would wait for ever (2.1).
    yield plan("scan_delta", source="source", places=deltalake.source, runs_functions=True)
    yield step("io.delta._dataset.DeltaDataset.__init__", around=deltalake.scanning)
    yield step("io.delta._dataset.DeltaDataset.to_dataset_scan", around=projecting)
    yield plan("scan_iceberg", source="source", places=iceberg, runs_functions=True)
    # The first is its name in older versions.
    for opener in ("dataset.IcebergDataset", "_dataset.IcebergScanResolver"):
        yield step(f"io.iceberg.{opener}.__init__", around=scanning)
        yield step(f"io.iceberg.{opener}.to_dataset_scan", around=projecting)
    yield plan("scan_pyarrow_dataset", source="source", places=dataset, runs_functions=True)
    yield plan("scan_arrow_c_stream", source="source", runs_functions=True)
    yield plan("defer", runs_functions=True)
    yield plan("io.plugins.register_io_source", runs_functions=True)


def _writes() -> Iterable[Entry]:
    yield write("DataFrame.write_parquet", target="file", places=file, typed=True, prepare=carry)
    for name in ("write_ipc", "write_ipc_stream", "write_avro"):
        yield write(f"DataFrame.{name}", target="file", places=file, typed=True)
    for name in ("write_csv", "write_json", "write_ndjson"):
        yield write(f"DataFrame.{name}", target="file", places=file)
    yield write(
        "DataFrame.write_excel",
        target="workbook",
        places=lambda p: p.get("workbook") or "dataframe.xlsx",
    )
    yield write("DataFrame.serialize", target="file")
    yield write("DataFrame.write_delta", observed=deltalake.Written, only_when=_at_once)
    yield write("DataFrame.write_iceberg", observed=pyiceberg.Committed)
    yield write("DataFrame.write_database", observed=STORED, client=True)
    yield write("DataFrame.write_clipboard", target="separator", places=lambda _: "clipboard://")
    yield from each(write("to_dict"), "DataFrame")
    yield from each(write("to_dicts"), "DataFrame")
    yield from each(write("rows"), "DataFrame")
    yield from each(write("rows_by_key"), "DataFrame")
    yield write("Series.to_list")
    for name in ("sink_parquet", "sink_ipc", "sink_csv", "sink_ndjson"):
        yield write(
            f"LazyFrame.{name}",
            target="path",
            places=file,
            only_when=at_once,
            explain=explain,
        )
    yield write(
        "LazyFrame.sink_delta",
        data="",
        observed=deltalake.Written,
        explain=explain,
        only_when=_at_once,
    )
    yield write(
        "LazyFrame.sink_iceberg",
        data="",
        observed=pyiceberg.Committed,
        explain=explain,
        only_when=at_once,
    )


def _queries() -> Iterable[Entry]:
    yield query("LazyFrame.collect", only_when=_in_foreground, explain=explain)
    yield query("LazyFrame.fetch", explain=explain)
    yield query("LazyFrame.describe", explain=explain)
    yield query("LazyFrame.profile", explain=explain, result=lambda result: result[0])
    yield query("LazyFrame.sink_batches", explain=explain, only_when=at_once)
    yield query(
        "collect_all",
        only_when=at_once,
        explain=explain_all,
        lists="lazy_frames",
        observed=collected,
    )
    yield query(
        "lazyframe.in_process.InProcessQuery.fetch_blocking", name="collect", explain=explain
    )
    yield step("lazyframe.in_process.InProcessQuery.fetch", around=fetching)
    yield query("LazyFrame.collect_batches", explain=explain)
    yield step("lazyframe.engine._CollectBatches.__next__")
    yield step("LazyFrame.collect_async", around=awaited)
    yield step("collect_all_async", around=awaited)
    yield query("SQLContext.execute", lazies=tables_of, only_when=is_eager, always=True)
    yield query("SQLContext.execute_global", lazies=tables_in_scope, only_when=is_eager)
    yield query("sql", lazies=tables_in_scope, only_when=is_eager)
    yield step("SQLContext.register", around=registering)
    yield step("SQLContext.unregister", around=unregistering)


def _at_once(parameters: Mapping[str, Any], _: object) -> bool:
    """A merge is executed later, and recorded then."""
    return parameters.get("mode") != "merge"


def _in_foreground(parameters: Mapping[str, Any], _: object) -> bool:
    return not parameters.get("background")


def _transforms() -> Iterable[Entry]:
    for name, lists in _LISTED.items():
        observed = Computed if lists == "exprs" else None
        yield transform(f"DataFrame.{name}", columns=said_by(name), observed=observed, lists=lists)
    yield transform("DataFrame.filter", columns=said_by("filter"), draws="predicates")
    yield transform("DataFrame.remove", draws="predicates")
    for name in (
        "join join_asof join_where merge_sorted update pivot unpivot melt unique explode "
        "unnest drop drop_nulls drop_nans fill_null fill_nan rename cast transpose unstack "
        "upsample partition_by sample "
        "top_k bottom_k describe with_row_index with_row_count to_dummies shift reverse "
        "interpolate gather gather_every head tail limit slice sql match_to_schema corr "
        "hstack vstack fold map_rows map_columns apply rolling_agg first last"
    ).split():
        yield transform(f"DataFrame.{name}")
    yield transform("DataFrame.pipe", holds_nested=False)
    for name in ("extend", "insert_column", "insert_at_idx", "replace_column", "replace_at_idx"):
        yield transform(f"DataFrame.{name}", in_place="always")
    yield transform("DataFrame.drop_in_place", in_place="always")
    yield transform("DataFrame.__setitem__", in_place="always")
    yield transform("DataFrame.columns", name="rename", setter=True, in_place="always")
    yield transform("DataFrame.__getitem__", only_when=selects_rows)
    yield transform("concat", holds_nested=False, only_when=of_data, lists="items")
    yield transform("union", holds_nested=False, only_when=of_data, lists="items")
    yield transform("merge_sorted", holds_nested=False, only_when=of_data, lists="items")
    yield transform("align_frames", only_when=of_data)
    yield transform("select", only_when=lambda p, _: p.get("eager", True), lists="exprs")
    for name in ("value_counts", "to_dummies", "hist", "describe", "map_elements", "apply"):
        yield transform(f"Series.{name}")


def _hand_overs() -> Iterable[Entry]:
    yield from each(transform("to_pandas", hands_over=True), *BOTH)
    yield from each(transform("to_arrow", hands_over=True), *BOTH)
    yield from each(transform("to_numpy"), *BOTH)
    for name in ("to_torch", "to_jax"):
        yield from each(transform(name), *BOTH)
    for name in ("from_pandas", "from_arrow", "from_dataframe", "from_torch"):
        yield transform(name, hands_over=True)
    yield transform("from_numpy")
    for name in BOTH:
        yield transform(
            f"{name}.__init__", name=name, hands_over=True, in_place="always", only_when=is_foreign
        )
    for name in ("from_dict", "from_dicts", "from_records", "json_normalize"):
        yield step(name)


def _groups() -> Iterable[Entry]:
    for name in ("group_by", "groupby", "group_by_dynamic", "rolling"):
        yield step(f"DataFrame.{name}", carries_parameters=True)
    for owner in ("GroupBy", "DynamicGroupBy", "RollingGroupBy"):
        owner = f"dataframe.group_by.{owner}"
        aggregated = said_by("agg") if owner.endswith(".GroupBy") else None
        yield transform(f"{owner}.agg", name="group_by.agg", columns=aggregated, lists="aggs")
        for name in ("map_groups", "apply"):
            yield transform(f"{owner}.{name}", name=f"group_by.{name}")
        for name in (
            "all count first head last len max mean median min n_unique quantile sum tail"
        ).split():
            yield transform(f"{owner}.{name}", name=f"group_by.{name}")
        yield step(f"{owner}.having")
        yield step(f"{owner}.__iter__", around=iterating)
        yield step(f"{owner}.__next__")  # of Polars 1.0, where a group_by is its own iterator


def _steps() -> Iterable[Entry]:
    for name in (
        "to_series get_column get_columns item clone __copy__ __deepcopy__ "
        "rechunk shrink_to_fit set_sorted to_struct null_count n_unique is_duplicated is_unique "
        "hash_rows sum mean median min max std var product quantile count approx_n_unique "
        "sum_horizontal mean_horizontal min_horizontal max_horizontal clear "
        "__add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ __rtruediv__ "
        "__floordiv__ __rfloordiv__ __mod__ __rmod__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__"
    ).split():
        yield step(f"DataFrame.{name}")
    for name in ("iter_columns", "iter_slices", "__iter__"):
        yield step(f"DataFrame.{name}", around=iterating)
    series = sys.modules["polars"].Series
    for name in _methods(series, _NO_DATA):
        yield step(f"Series.{name}")
    for name in ("append", "extend", "__setitem__", "set_at_idx"):
        yield step(f"Series.{name}", in_place="always")
    for path, class_ in _namespaces("series", series):
        yield from (step(f"{path}.{name}") for name in _methods(class_))
    for owner in BOTH:
        yield step(f"{owner}.__getstate__", around=pickling)
        yield step(f"{owner}.__setstate__", around=unpickling)
        yield step(f"{owner}.__arrow_c_stream__", around=exporting)
    for place in ("_warnings", "_utils.various"):
        yield step(f"{place}.find_stacklevel", around=finding_stack_level)


def _plans() -> Iterable[Entry]:
    yield plan("DataFrame.lazy")
    yield plan("Series.lazy")
    yield plan("LazyFrame.__init__")
    package = sys.modules["polars"]
    for name in _methods(package.LazyFrame, _NOT_LAZY):
        yield plan(
            f"LazyFrame.{name}",
            runs_functions=name in _WITH_FUNCTIONS,
            lists=_LISTED.get(name),
            draws=_DRAWN.get(name),
        )
    grouped = sys.modules["polars.lazyframe.group_by"].LazyGroupBy
    for name in _methods(grouped):
        yield plan(
            f"lazyframe.group_by.LazyGroupBy.{name}",
            runs_functions=name in _WITH_FUNCTIONS,
            lists="aggs" if name == "agg" else None,
        )
    yield step("LazyFrame.__setstate__", around=arriving)
    yield step("LazyFrame.deserialize", around=deserializing)


def _expressions() -> Iterable[Entry]:
    package = sys.modules["polars"]
    for name in _methods(package.Expr, _NO_EXPRESSION):
        yield plan(f"Expr.{name}", runs_functions=name in _WITH_FUNCTIONS)
    for path, class_ in _namespaces("expr", package.Expr):
        for name in _methods(class_):
            yield plan(f"{path}.{name}", runs_functions=name in _WITH_FUNCTIONS)
    for owner, names in (
        ("When", ("then",)),
        ("Then", ("when", "otherwise")),
        ("ChainedWhen", ("then",)),
        ("ChainedThen", ("when", "otherwise")),
    ):
        for name in names:
            yield plan(f"expr.whenthen.{owner}.{name}")
    for name, value in vars(package).items():
        if (
            isinstance(value, types.FunctionType)
            and value.__module__.startswith("polars.functions")
            and name not in _NO_EXPRESSIONS_MADE
        ):
            lists = "exprs" if name in _OF_SEVERAL else None
            yield plan(name, runs_functions=name in _WITH_FUNCTIONS, lists=lists)


_WITH_FUNCTIONS = frozenset(
    "map_batches map_elements map_groups map apply rolling_map rolling_apply fold reduce cum_fold "
    "cum_reduce cumfold cumreduce inspect pipe_with_dtype pipe_with_schema".split()
)
_LISTED = {
    "sort": "by",
    **dict.fromkeys("select select_seq with_columns with_columns_seq".split(), "exprs"),
}
_DRAWN = dict.fromkeys(("filter", "remove"), "predicates")
"""Of methods of a LazyFrame: what they are given may be an iterator of expressions."""
_OF_SEVERAL = frozenset(
    "all_horizontal any_horizontal max_horizontal mean_horizontal min_horizontal sum_horizontal "
    "arg_sort_by coalesce concat_arr concat_list concat_str struct".split()
)
"""Functions that take one expression or more, or an iterator of them."""
_NOT_LAZY = frozenset(
    "collect collect_async collect_batches collect_schema columns describe deserialize dtypes "
    "execute explain fetch from_lazyframe_resolver pipe profile remote schema serialize show "
    "show_graph sink_batches sink_csv sink_delta sink_iceberg sink_ipc sink_ndjson sink_parquet "
    "width".split()
)
_NO_EXPRESSION = frozenset({"pipe", "deserialize", "from_json", "register_plugin"})
_NO_EXPRESSIONS_MADE = frozenset(
    "concat union merge_sorted collect_all collect_all_async select align_frames explain_all "
    "set_random_seed dtype_of self_dtype struct_with_fields escape_regex sql_expr col".split()
)
_NO_DATA = frozenset(
    "append extend describe hist value_counts to_dummies map_elements apply to_list to_pandas "
    "to_arrow to_numpy to_torch to_jax to_init_repr lazy len is_empty has_nulls has_validity "
    "equals estimated_size n_chunks chunk_lengths n_unique get_chunks set_at_idx index_of search "
    "null_count".split()
)
_OPERATORS = frozenset(
    f"__{name}__"
    for name in (
        "abs add radd and rand eq floordiv rfloordiv ge gt invert le lt mod rmod mul rmul ne neg "
        "or ror pos pow rpow sub rsub truediv rtruediv xor rxor matmul rmatmul getitem "
        "array array_ufunc copy deepcopy"
    ).split()
)


def _methods(class_: type, without: frozenset[str] = frozenset()) -> list[str]:
    """The methods and accessors of a class that may hand data on: all but a few."""
    return [
        name
        for name, value in vars(class_).items()
        if (not name.startswith("_") or name in _OPERATORS)
        and name not in without
        and (
            isinstance(value, types.FunctionType)
            or (isinstance(value, property) and name in getattr(class_, "_accessors", ()))
        )
    ]


def _namespaces(part: str, owner: type) -> Iterable[tuple[str, type]]:
    """The classes of ``.str``, ``.dt`` and their like."""
    for module in list(sys.modules.values()):
        name = getattr(module, "__name__", "")
        if name.startswith(f"polars.{part}."):
            for attribute, value in vars(module).items():
                if (
                    isinstance(value, type)
                    and value.__module__ == name
                    and attribute.endswith("NameSpace")
                    and hasattr(value, "_accessor")
                    and attribute.removeprefix("Expr") not in ("MetaNameSpace", "PlotNameSpace")
                ):
                    yield f"{name.removeprefix('polars.')}.{attribute}", value


def table() -> Iterable[Entry]:
    """Everything lies in modules that ``import polars`` loads."""
    for part in (
        _reads,
        _scans,
        _writes,
        _queries,
        _transforms,
        _hand_overs,
        _groups,
        _steps,
        _plans,
        _expressions,
    ):
        yield from part()


TABLES = {"polars": table}
OWN_THREADS = True

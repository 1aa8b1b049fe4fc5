"""DuckDB: statements, relations and what is fetched of them, and what only DuckDB needs.

A relation is lazy: each method that makes one carries on what it will read, and the method that
runs it is one operation that used those tables, files and objects. A statement is an operation;
what it reads and writes is in its parse, and what the names in it stand for is looked up as DuckDB
does. The methods are written in C, but what is set on their classes is called instead of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from otelprov.instrumentation._table import Entry, step
from otelprov.instrumentation.duckdb.calls import (
    appending,
    asking,
    choosing,
    connecting,
    controlling,
    duplicating,
    executing,
    fetching,
    registering,
)
from otelprov.instrumentation.duckdb.relations import (
    beginning,
    handing_over,
    making_view,
    of_files,
    of_function,
    of_name,
    of_nothing,
    of_object,
    over_object,
    querying,
    running,
    stepping,
    writing_file,
    writing_frame,
    writing_table,
)

RECORDS: Final = (
    "**query**: statements (`sql`, `query`, `execute`, `executemany`) and what runs a "
    "relation (`df`, `pl`, `arrow`, `fetchall`, …), with the tables, views, files and "
    "variables of the program that they read and write; **write**: `to_parquet`, "
    "`to_csv`, `create`, `insert_into`, …"
)
ODDITIES: Final = (
    "A table of a database is known by its name: what it holds is not digested.",
    "Each statement of a text is an operation; how long each took is not known. Where one of them "
    "fails, those are shown as failed that come after the last new table. From the hundred-first "
    "on they are one operation.",
    "A table that DELETE without WHERE or TRUNCATE has emptied holds nothing of before.",
    "The tables of a database file that is copied or moved as a file (`shutil.copy`, `os.replace`) "
    "are those of the first, where the process that does it has had that open.",
    "A view reads when it is read: to make one is no operation, and who reads it used what it "
    "reads.",
    "Rows that are fetched one by one (`fetchone`), lists of more than 2,000 rows, and what "
    "`fetchmany` gives from the eleventh call on are not followed.",
    "What `arrow()`, `to_arrow_reader()` and `fetch_record_batch()` give is followed as a stream, "
    "from which pyarrow reads.",
    "Rows that one line writes again and again, in the text of a statement or beside it, are of "
    "unknown origin, but where they are rows of a frame; the values of a single statement are "
    "none.",
    "Of a large Parquet file that is not read whole, the footer is digested and not the content.",
    "What a table function other than the readers of files reads is not known, and the span says "
    "so. A macro reads what its definition names.",
    "A library that takes the rows out of a relation by itself (`polars.DataFrame(relation)`, "
    "`pyarrow.table(relation)`, `write_deltalake(path, relation)`) used those of `arrow_c_stream`.",
    "What goes into a table through an `Appender` is not recorded, nor is what a program does by "
    "`duckdb.experimental.spark`.",
    "A method that is registered with `atexit` as it is (`atexit.register(connection.execute, …)`) "
    "is not recorded; one that a function of the program calls then is.",
    "What a transaction writes is written when it is committed, as with SQLite and PostgreSQL; the "
    "end of a transaction that another library sends in SQL is not seen.",
)

# --- the table ------------------------------------------------------------------------------------

_FETCHES: Final = (
    "fetchall fetchmany fetchnumpy df fetchdf fetch_df fetch_df_chunk arrow fetch_arrow_table "
    "to_arrow_table fetch_record_batch to_arrow_reader pl torch tf"
).split()
_RUNS: Final = (
    "fetchall fetchone fetchmany fetchnumpy df fetchdf to_df fetch_df_chunk arrow "
    "fetch_arrow_table to_arrow_table fetch_record_batch fetch_arrow_reader to_arrow_reader pl "
    "torch tf execute materialize iter_rows to_dicts"
).split()
_STEPS: Final = (
    "aggregate any_value apply arg_max arg_min avg bit_and bit_or bit_xor bitstring_agg bool_and "
    "bool_or count cross cume_dist dense_rank describe distinct drop except_ favg filter first "
    "first_value fsum geomean group_by head histogram intersect join lag last last_value lead "
    "limit list map max mean median min mode n_tile nth_value offset order percent_rank pivot "
    "product project quantile quantile_cont quantile_disc rank rank_dense rename row_number sample "
    "select select_dtypes select_types set_alias sort std stddev stddev_pop stddev_samp string_agg "
    "sum union union_by_name unique unnest unpivot update_columns value_counts var var_pop "
    "var_samp variance with_columns __getitem__ __getattr__"
).split()
_BEGINS: Final = {
    "table": of_name,
    "view": of_name,
    "values": of_nothing,
    "table_function": of_function,
    "read_csv": of_files,
    "from_csv_auto": of_files,
    "read_json": of_files,
    "read_parquet": of_files,
    "from_parquet": of_files,
    "from_df": of_object,
    "from_arrow": of_object,
}


def _statements_and_fetches() -> Iterable[Entry]:
    for owner, method in (("", False), ("DuckDBPyConnection.", True)):
        for name in ("execute", "executemany"):
            yield step(f"{owner}{name}", around=executing(name, method=method))
        for name in ("sql", "query", "from_query"):
            yield step(f"{owner}{name}", around=asking(method=method))
        for name in _FETCHES:
            if method or name not in ("df", "arrow"):
                yield step(f"{owner}{name}", around=fetching(name, method=method))
        for name, reads in _BEGINS.items():
            yield step(f"{owner}{name}", around=beginning(name, reads, method=method))
        for name in ("register", "unregister"):
            yield step(f"{owner}{name}", around=registering(name, method=method))
        yield step(f"{owner}append", around=appending("append", method=method))
        for name in ("begin", "commit", "rollback"):
            yield step(f"{owner}{name}", around=controlling(name, method=method))
        for name in ("cursor", "duplicate"):
            yield step(f"{owner}{name}", around=duplicating(method=method))


def table() -> Iterable[Entry]:
    """The module, its connections and its relations."""
    yield step("connect", around=connecting)
    yield step("set_default_connection", around=choosing)
    yield from _statements_and_fetches()
    yield step("df", around=fetching("df", method=False))
    yield step("arrow", around=fetching("arrow", method=False))
    for name in (
        "aggregate",
        "alias",
        "distinct",
        "filter",
        "limit",
        "order",
        "project",
        "query_df",
    ):
        yield step(name, around=over_object(name))
    for name in _STEPS:
        yield step(f"DuckDBPyRelation.{name}", around=stepping(name))
    yield step("_relation.GroupedRelation.agg", around=stepping("agg"))
    for name in _RUNS:
        yield step(f"DuckDBPyRelation.{name}", around=running(name))
    yield step("DuckDBPyRelation.__arrow_c_stream__", around=handing_over)
    yield step("DuckDBPyRelation.query", around=querying)
    for name in ("to_parquet", "write_parquet", "to_csv", "write_csv"):
        yield step(f"DuckDBPyRelation.{name}", around=writing_file(name))
    yield step("write_csv", around=writing_frame)
    for name in ("create", "to_table", "insert_into", "insert", "update"):
        yield step(f"DuckDBPyRelation.{name}", around=writing_table(name))
    for name in ("to_view", "create_view"):
        yield step(f"DuckDBPyRelation.{name}", around=making_view)


TABLES = {"duckdb": table}

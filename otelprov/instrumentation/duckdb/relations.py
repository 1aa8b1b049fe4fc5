"""Relations: what each reads when it is run, and what runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import FrameType
from typing import Any, Final

from otelprov.artifacts.registry import registry
from otelprov.instrumentation._caller import Watched, is_in_place
from otelprov.instrumentation._calls import is_internal, of_the_program
from otelprov.instrumentation._statement import Statement, name_of
from otelprov.instrumentation._statement_trees import is_columnar
from otelprov.instrumentation._statements import names_inside, statements
from otelprov.instrumentation.duckdb.calls import learn, learn_created, script
from otelprov.instrumentation.duckdb.names import (
    Connection,
    Database,
    Place,
    Plan,
    Reads,
    Resolver,
    Table,
    Unknown,
    View,
    merged,
    plans,
)
from otelprov.instrumentation.duckdb.operations import (
    Followed,
    Running,
    Script,
    Work,
    argument,
    first,
    in_place,
    is_relation,
    keep,
    outputs,
    resolver_of,
    rows_of,
)
from otelprov.recording import faults, plain_values
from otelprov.recording.recorder import OpenOperation, current_operation
from otelprov.recording.run import run

# --- relations: where they begin ------------------------------------------------------------------


def beginning(name: str, reads: Callable[..., Reads], *, method: bool) -> Callable[[Any], Any]:
    """A call that makes a relation; ``reads`` says of what, from its first argument."""

    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active or is_internal(frame):
            return None
        value = first(arguments, keywords, method=method)
        resolver = resolver_of(arguments, keywords, frame, method=method)
        found = reads(value, resolver)
        return Followed(lambda result: keep(result, found, resolver))

    return partial(in_place, before=before, name=name)


def of_name(value: Any, resolver: Resolver) -> Reads:
    return resolver.read(name_of(value), whole=True) if isinstance(value, str) else ()


def of_object(value: Any, resolver: Resolver) -> Reads:
    return resolver.of(value, "df")


def of_nothing(value: Any, resolver: Resolver) -> Reads:
    return ()


def of_function(value: Any, resolver: Resolver) -> Reads:
    return (Unknown(f"what the function {value} reads is not known"),)


def of_files(value: Any, resolver: Resolver) -> Reads:
    values = value if isinstance(value, (list, tuple)) else [value]
    return tuple(Place(one, False) for one in values if one is not None)


def over_object(name: str) -> Callable[[Any], Any]:
    """Functions that make a relation of a data frame and take a step: ``duckdb.filter(df, …)``."""

    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active or is_internal(frame):
            return None
        value = keywords.get("df", arguments[0] if arguments else None)
        resolver = resolver_of(arguments, keywords, frame, method=False)
        found = resolver.of(value, "df")
        if name == "query_df":
            found = merged(found, _queried(arguments[1:], keywords, resolver, found)[1])
        else:
            values = (*arguments[1:], *keywords.values())
            found = merged(found, *(_inside(one, resolver) for one in values))
        return Followed(lambda result: keep(result, found, resolver))

    return partial(in_place, before=before, name=name)


def _inside(value: Any, resolver: Resolver) -> Reads:
    """What the subqueries of an expression read."""
    if not isinstance(value, str):
        return ()
    return merged(*(resolver.read(one) for one in names_inside(value)))


# --- relations: steps -----------------------------------------------------------------------------

# Methods after which still all columns and rows of a file are read.
_KEEPS_ALL: Final = frozenset(
    "order sort set_alias union distinct map except_ intersect group_by".split()
)


def stepping(name: str) -> Callable[[Any], Any]:
    """A method of a relation that makes another one of it."""

    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active or is_internal(frame):
            return None
        plan = _plan(arguments[0])
        values = (*arguments[1:], *keywords.values())
        resolver = Resolver(plan.connection, plan.handle, frame)
        reads = plan.reads
        if name not in _KEEPS_ALL:
            reads = tuple(
                Place(one.pattern, is_columnar(str(one.pattern))) if isinstance(one, Place) else one
                for one in reads
            )
        found = [reads]
        for value in values:
            found.append(_plan(value).reads if is_relation(value) else _inside(value, resolver))
        return Followed(lambda result: _keep_step(result, plan.then(*found)))

    return partial(in_place, before=before, name=name)


def _keep_step(made: Any, plan: Plan) -> None:
    # Of the groups that `group_by` of 2.0 gives, `agg` makes a relation again.
    if is_relation(made) or type(made).__name__ == "GroupedRelation":
        plans.keep(made, plan)


def _plan(relation: Any) -> Plan:
    """What a relation reads."""
    found: Plan | None = plans.get(relation)
    if found is not None:
        return found
    return Plan(
        (Unknown("it was not seen how the relation was made"),), Connection(Database()), None
    )


def _queried(
    arguments: tuple[Any, ...], keywords: Mapping[str, Any], resolver: Resolver, reads: Reads
) -> tuple[str, Reads]:
    """The statement of ``relation.query(name, statement)``, and what it reads."""
    name = argument(arguments, keywords, "virtual_table_name", 0)
    text = argument(arguments, keywords, "sql_query", 1)
    if not isinstance(name, str) or not isinstance(text, str):
        return "", ()
    resolver.here[name.lower()] = reads
    return text, merged(*(resolver.reads(one) for one in statements(text)))


def querying(original: Any) -> Any:
    """``relation.query(name, statement)``: a relation, or something that runs now."""

    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active or is_internal(frame):
            return None
        plan = _plan(arguments[0])
        resolver = Resolver(plan.connection, plan.handle, frame)
        text, reads = _queried(arguments[1:], keywords, resolver, plan.reads)
        steps = script(text, resolver, "query", lazy=True) if text else []

        def after(result: Any, operation: OpenOperation | None = None) -> None:
            learn(text, resolver)
            keep(result, reads if operation is None else (), resolver)

        return Script(frame, steps, resolver, after)

    return in_place(original, before=before, name="query")


# --- relations: what runs them --------------------------------------------------------------------


def running(name: str) -> Callable[[Any], Any]:
    """A method that runs a relation and gives its rows."""

    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active or is_internal(frame) or run.excludes(f"duckdb.{name}"):
            return None
        relation = arguments[0]
        plan = _plan(relation)
        if plan.rows_taken:
            return None
        plan.rows_taken = name in ("fetchone", "fetchmany")
        work = Work(name, "query", plan.reads, _query_of(relation), "SELECT")
        work.after = outputs
        if name in ("materialize", "execute", "fetchone"):
            work.after = partial(_held, plan)
        return Running(frame, work, Resolver(plan.connection, plan.handle, frame))

    return partial(in_place, before=before, name=name)


def handing_over(original: Any) -> Any:
    """``__arrow_c_stream__``: what asks for it is a call of another library, or C by itself."""

    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active or _is_duckdb(frame) or run.excludes("duckdb.arrow_c_stream"):
            return None
        plan = _plan(arguments[0])
        if plan.rows_taken:
            return None
        taker: Any = current_operation() if is_internal(frame) else None
        if taker is None and frame.f_code.co_name == "scan_arrow_c_stream":
            taker = arguments[0]  # Polars reads it when the scan is executed
        work = Work("arrow_c_stream", "query", plan.reads, _query_of(arguments[0]), "SELECT")
        work.after = partial(_handed_over, taker)
        return Running(
            of_the_program(frame) or frame, work, Resolver(plan.connection, plan.handle, frame)
        )

    return in_place(original, before=before, name="arrow_c_stream")


def _is_duckdb(frame: FrameType) -> bool:
    """Whether DuckDB reads a relation by itself: what runs says what it reads."""
    return is_in_place(frame.f_code) or str(frame.f_globals.get("__name__")).startswith("duckdb")


def _handed_over(taker: Any, _: Any, operation: OpenOperation) -> None:
    """The operation that has asked for the rows used them, or who scans the relation later; what C
    makes of them nobody sees."""
    rows = rows_of(operation)
    if isinstance(taker, OpenOperation):
        taker.use("data", rows.identity)
    elif taker is not None:
        registry.assign(taker, rows.identity)


def _held(plan: Plan, result: Any, operation: OpenOperation) -> None:
    """The rows stay in DuckDB: of what is made of them, they are what was read."""
    rows = rows_of(operation)
    if is_relation(result):
        plans.keep(result, plan.then((rows,)))
    else:  # of `fetchone`
        plain_values.numbers_from(result, rows.identity.sources[0], operation.begun)


def _query_of(relation: Any) -> str:
    """The statement that a relation is, where it has one."""
    try:
        return str(relation.sql_query())
    except Exception as error:
        if faults.is_of_the_program(error):
            raise
        return ""


def writing_file(name: str) -> Callable[[Any], Any]:
    """A method that writes a relation to files."""

    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active or is_internal(frame) or run.excludes(f"duckdb.{name}"):
            return None
        plan = _plan(arguments[0])
        work = Work(name, "write", plan.reads, _query_of(arguments[0]), "COPY")
        path = first(arguments, keywords, method=True)
        work.outputs.append(path)
        work.parameters = dict(keywords)
        return Running(frame, work, Resolver(plan.connection, plan.handle, frame))

    return partial(in_place, before=before, name=name)


def writing_frame(original: Any) -> Any:
    """``duckdb.write_csv(df, file)``."""

    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active or is_internal(frame) or run.excludes("duckdb.write_csv"):
            return None
        resolver = resolver_of(arguments, keywords, frame, method=False)
        data, path = (argument(arguments, keywords, *one) for one in (("df", 0), ("filename", 1)))
        work = Work("write_csv", "write", resolver.of(data, "df"), "", "COPY")
        work.outputs.append(path)
        return Running(frame, work, resolver)

    return in_place(original, before=before, name="write_csv")


def writing_table(name: str) -> Callable[[Any], Any]:
    """A method that writes a relation, or values, to a table of the database."""

    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active or is_internal(frame) or run.excludes(f"duckdb.{name}"):
            return None
        relation = arguments[0]
        plan = _plan(relation)
        resolver = Resolver(plan.connection, plan.handle, frame)
        creates = name in ("create", "to_table")
        reads, operation = plan.reads, "CREATE TABLE" if creates else name.partition("_")[0].upper()
        if name in ("insert", "update"):  # the relation is the table
            tables = [one for one in reads if isinstance(one, Table)]
            target, reads = (tables[0] if len(tables) == 1 else None), ()
        else:
            said = first(arguments, keywords, method=True)
            if not isinstance(said, str):
                return None
            target = resolver.target(Statement(operation, target=name_of(said)))
        if target is None:
            return None
        work = Work(name, "write", reads, _query_of(relation), operation, [target])
        if not creates:
            work.appends.add(target)
        written = Statement("CREATE TABLE", target=name_of(str(said))) if creates else None

        def after(result: Any, operation: OpenOperation) -> None:
            if written is not None:
                learn_created(written, resolver)

        work.after = after
        return Running(frame, work, resolver)

    return partial(in_place, before=before, name=name)


def making_view(original: Any) -> Any:
    """``to_view`` and ``create_view``: a name for what the relation reads."""

    def before(frame: FrameType, arguments: Any, keywords: Any) -> Watched | None:
        if not run.active or is_internal(frame):
            return None
        plan = _plan(arguments[0])
        resolver = Resolver(plan.connection, plan.handle, frame)
        query = _query_of(arguments[0])

        def after(result: Any) -> None:
            name = name_of(str(first(arguments, keywords, method=True)))
            full = tuple(part.lower() for part in resolver.full(name))
            made = (View(full, f"CREATE VIEW v AS {query}"),) if query else ()
            plan.connection.database.views[full] = merged(made, plan.reads)
            _keep_step(result, plan)

        return Followed(after)

    return in_place(original, before=before, name="create_view")

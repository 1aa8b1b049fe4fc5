"""What a call that runs something in DuckDB is taken for, and how it is recorded."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import FrameType
from typing import Any, Final

from otelprov import semconv
from otelprov.artifacts.deferred import Source, settled, with_
from otelprov.artifacts.locations import name_and_uri, named, unknown
from otelprov.artifacts.registry import Identity, registry
from otelprov.instrumentation._caller import Watched, in_callers_place
from otelprov.instrumentation._given_rows import (
    WRITES_ROWS,
    is_one_more,
    use_row,
    use_rows,
    use_unknown,
)
from otelprov.instrumentation._statements import statements
from otelprov.instrumentation.duckdb.names import (
    Held,
    Made,
    Place,
    Plan,
    Reads,
    Resolver,
    Table,
    Unknown,
    View,
    connection_of,
    default,
    merged,
    plans,
)
from otelprov.model import Artifact, Names, OperationKind
from otelprov.recording import memory, observation, places, plain_values
from otelprov.recording import plans as recording_plans
from otelprov.recording.bounds import Reading
from otelprov.recording.plans import Execution
from otelprov.recording.policy import MAX_LISTED, shorten
from otelprov.recording.recorder import Call, OpenOperation
from otelprov.recording.run import now
from otelprov.recording.transactions import Outcome
from otelprov.statements import MACRO, later, masked, pieces, views_said

MAX_ROWS: Final = 2_000
"""Rows of a list that are looked at for an id."""
MAX_SHOWN: Final = 8_000
"""Characters of a statement that are looked at for what is in them."""
MAX_STATEMENT: Final = 1_900
"""Characters of a statement."""
MAX_HEADER: Final = 64 << 10
"""Characters of the first line of a CSV file."""


@dataclass(slots=True)
class Work:
    """What a call that runs something in DuckDB is taken for."""

    name: str
    kind: OperationKind
    reads: Reads
    text: str = ""
    """The statement."""
    operation: str = ""
    """``SELECT``…; empty for several statements."""
    writes: list[Table] = field(default_factory=list)
    appends: set[Table] = field(default_factory=set)
    """Those of ``writes`` that hold afterwards what they held before."""
    outputs: list[Any] = field(default_factory=list)
    """Files that are written."""
    parameters: dict[str, object] = field(default_factory=dict)
    after: Callable[[Any, OpenOperation], None] | None = None
    """What is made of what the call returns."""
    given: Any = None
    """Rows that are written, of many executions."""


class Running(Watched):
    """A call that runs something in DuckDB, as an operation."""

    __slots__ = (
        "_makers", "database", "execution", "literals", "next", "operation", "resolver", "work",
    )  # fmt: skip

    def __init__(
        self, frame: FrameType, work: Work, resolver: Resolver, *, enters: bool = True
    ) -> None:
        """``enters`` where what the call calls belongs to this, and not to a later statement."""
        super().__init__()
        self.next: int | None = None
        """When the next statement of the same text was looked at: in time, they are in a row."""
        self.work = work
        self.resolver = resolver
        self.database = resolver.connection.database
        texts = _known_texts if len(work.text) <= MAX_SHOWN else _texts
        text, shown, self.literals = texts(work.text)
        parameters = {**work.parameters, "query": text} if text else dict(work.parameters)
        call = Call("duckdb", work.name, work.kind, _version())
        self.operation = OpenOperation(call, frame, parameters, list(parameters))
        self.operation.state(self._facts(shown))
        self.execution = Execution(self.operation, self._lazy())
        for one in work.reads:
            if isinstance(one, Held):
                if id(one.value) not in resolver.from_variables:
                    self._use(one)
            elif isinstance(one, Made):
                self.operation.use(one.name, one.identity)
            elif isinstance(one, Table):
                artifact = self._artifact(one)
                self.operation.use_content("table", artifact)
                if one.by_macro:
                    self.operation.call_it(artifact, MACRO)
        self._makers: dict[str, str | None] = {}
        for table in work.writes:
            if table in work.appends:
                artifact = self._artifact(table)
                self._makers[table.uri] = artifact.maker
                self.operation.use_content("target", artifact)
        if work.writes and work.given is not None:
            self._use_rows(work.given)
        else:
            self._use_row(frame)
        paths = [path for one in work.reads if isinstance(one, Place) for path in _expanded(one)]
        if not any(one.partial for one in work.reads if isinstance(one, Place)):
            places.look_ahead(self.operation, paths, Reading())
        for table in work.writes:
            resolver.writers[table.uri] = self.operation.id
        if enters:
            self.operation.enter()
        else:
            self.operation.announce()

    def _use_rows(self, rows: Any) -> None:
        if not use_rows(self.operation, rows):
            use_unknown(self.operation)

    def _use_row(self, frame: FrameType) -> None:
        """What the program gives for one execution; it may be one of many."""
        work, resolver = self.work, self.resolver
        if not work.writes or work.reads or work.operation not in WRITES_ROWS:
            return
        row, place = resolver.parameters, (frame.f_code, frame.f_lineno)
        known = row is not None and use_row(self.operation, row)
        writes = [(table.uri, work.operation) for table in work.writes]
        if is_one_more(resolver.connection.rows_of, place, writes) and not known:
            use_unknown(self.operation)

    def _lazy(self) -> list[tuple[str, recording_plans.Plan]]:
        """The lazy objects of other libraries that it executes."""
        return [
            (one.name, plan)
            for one in self.work.reads
            if isinstance(one, Held)
            and (plan := recording_plans.plans.lookup(one.value)) is not None
        ]

    def _facts(self, text: str) -> dict[str, str | list[str]]:
        """``text`` is the statement without its literals."""
        facts: dict[str, str | list[str]] = {semconv.DB_SYSTEM: "duckdb"}
        names = self.database.names
        if names is not None and names.database:
            facts[semconv.DB_NAMESPACE] = names.database
        if text:
            facts[semconv.DB_QUERY_TEXT] = shorten(text, MAX_STATEMENT)
            if facts[semconv.DB_QUERY_TEXT] != text:
                facts[semconv.QUERY_PIECES] = pieces(text, MAX_STATEMENT)
        if self.work.operation:
            facts[semconv.DB_OPERATION] = self.work.operation
        tables = [*self.work.writes, *(one for one in self.work.reads if isinstance(one, Table))]
        if len({one.uri for one in tables}) == 1:
            facts[semconv.DB_COLLECTION] = tables[0].name
        return facts | _views(self.work.reads)

    def _artifact(self, table: Table) -> Artifact:
        """The table, with the last operation that wrote it here."""
        names = None if table.columns is None else Names(table.columns)
        return replace(_named(table), maker=self.resolver.maker(table.uri), names=names)

    def returned(self, result: Any) -> None:
        """The call has returned: say what was read, written and made."""
        operation, work = self.operation, self.work
        try:
            operation.leave()
            operation.end_time = self.next or operation.end_time
            self.execution.returned()
            self._read(succeeded=True)
            if work.writes:
                self._write()
            for path in work.outputs:
                places.written_to(operation, "target", path)
            if work.after is not None:
                work.after(result, operation)
        finally:
            self.close()

    def _write(self) -> None:
        connection, operation = self.resolver.connection, self.operation
        for table in self.work.appends:
            if (last := connection.maker(table.uri)) not in (None, self._makers.get(table.uri)):
                # Another thread has written it meanwhile: that is in it, too.
                operation.use_content("target", replace(_named(table), maker=last))
        for table in self.work.writes:
            connection.wrote(table.uri, operation.id)
        if connection.open is None:
            self.committed()
        else:
            connection.waits(self, self.resolver.handle)

    def committed(self) -> None:
        """The tables are written."""
        for table in self.work.writes:
            self.operation.generate("target", _named(table))

    def undone(self, outcome: Outcome) -> None:
        """They are not."""
        self.operation.state({semconv.TRANSACTION: outcome})

    def failed(self, error: BaseException) -> None:
        """The call has raised: say what it used, and the error."""
        try:
            self.operation.leave()
            self.execution.failed()
            self._read(succeeded=False)
        finally:
            self.close(error)

    def _use(self, held: Held) -> None:
        if recording_plans.plans.lookup(held.value) is not None:
            return  # what it executes is used
        found, _ = observation.inputs({held.name: held.value})
        if not found and memory.is_array(held.value):
            # Of a few values: other calls show them as a parameter, a name in a query does not.
            found = [(held.name, observation.identity_of(held.value))]
        for role, identity in found:
            self.operation.use(role, identity)
            if held.by_macro:
                self.operation.call_it(identity.sources[0], MACRO)
            if identity.is_selection:
                self.operation.call_it(identity.sources[0], held.name)
        if not found:
            # A query, a stream, something of the program's own: it may give its rows but once.
            kind = type(held.value)
            reason = f"a {kind.__module__}.{kind.__qualname__} was not looked at"
            self.operation.use_content(held.name, unknown(reason))

    def _read(self, *, succeeded: bool) -> None:
        variables = self.resolver.from_variables
        for one in self.work.reads:
            if isinstance(one, Held) and id(one.value) in variables:
                if self.looked_up:
                    self._use(one)
                elif succeeded:  # DuckDB knew the name, and did not look at any variable
                    table = self.resolver.default(one.name)
                    self.operation.use_content("table", self._artifact(table))
            elif isinstance(one, Place):
                partial_ = "a query reads what it needs of it" if one.partial else ""
                if not succeeded:
                    partial_ = "the operation failed"
                files = _expanded(one)
                names = _names_in(files, one.header) if succeeded else None
                how = Reading(partial=partial_, succeeded=succeeded, names=names)
                places.read_from(self.operation, "source", files, how)
                self._call(one, files)
            elif isinstance(one, Unknown) and succeeded:
                self.operation.use_content("source", unknown(one.reason))

    def _call(self, place: Place, files: list[Any]) -> None:
        """Say which question mark of the statement, or of a view, names these files."""
        marks = [f"?{number}" for number in self._marks(place.pattern)]
        views = [one for one in self.work.reads if isinstance(one, View)]
        for at, (_, literals) in enumerate(map(_of_view, views), 1):
            marks += [
                f"{at}?{number}"
                for number, literal in enumerate(literals, 1)
                if literal is not None and _unquoted(literal) == place.pattern
            ]
        marks += [MACRO] if place.by_macro else []
        uris = {
            name if "://" in (name := os.fspath(one)) else name_and_uri(name)[1]
            for one in files
            if isinstance(one, (str, os.PathLike))
        }
        for source in self.operation.used_so_far() if marks else ():
            source = settled(source)
            if isinstance(source, Artifact) and source.uri in uris:
                self.operation.call_it(source, *marks)

    def _marks(self, pattern: Any) -> Iterator[int]:
        given = self.resolver.parameters
        own = 0
        for number, literal in enumerate(self.literals, 1):
            if literal is None:
                if isinstance(given, (list, tuple)) and own < len(given) and given[own] == pattern:
                    yield number
                own += 1
            elif _unquoted(literal) == pattern:
                yield number

    def close(self, error: BaseException | None = None) -> None:
        """It is over, whatever came between: no operation stays the current one."""
        self.operation.end(error)


class Script(Watched):
    """A text of statements, of which each that reads or writes data is an operation."""

    __slots__ = ("_after", "_connection", "_steps")

    def __init__(
        self,
        frame: FrameType,
        steps: list[tuple[str, list[Work]]],
        resolver: Resolver,
        after: Callable[[Any, OpenOperation | None], None],
    ) -> None:
        """``steps`` are its statements: where a transaction begins or is over, which word says
        that, and what is carried out. ``after`` is called with what the text returns, and with the
        operation of its last statement."""
        super().__init__()
        self._connection = resolver.connection
        self._after = after
        self._steps: list[tuple[str, list[Running]]] = []
        last = [work for _, works in steps for work in works][-1:]
        begun: dict[str, str] = {}
        latest: Running | None = None
        try:
            for word, works in steps:
                running: list[Running] = []
                self._steps.append((word, running))
                for work in works:
                    if latest is not None:
                        latest.next = now()
                    latest = Running(frame, work, resolver, enters=work is last[0])
                    running.append(latest)
                if word in ("BEGIN", "START"):
                    begun = dict(resolver.writers)
                elif word in ("ROLLBACK", "ABORT"):
                    resolver.writers = begun
        except BaseException:
            self.close()
            raise

    @property
    def _all(self) -> list[Running]:
        return [one for _, running in self._steps for one in running]

    def returned(self, result: Any) -> None:
        """All of it is done."""
        every = self._all
        try:
            for one in reversed(every):
                one.operation.leave()
            for word, running in self._steps:
                if word:
                    self._connection.control(word)
                for one in running:
                    one.looked_up = self.looked_up
                    if one is every[-1] and running is self._steps[-1][1]:
                        one.work.after = self._after
                    one.returned(result)
            if not self._steps or not self._steps[-1][1]:
                self._after(result, None)
        finally:
            self.close()

    def failed(self, error: BaseException) -> None:
        """One of them has raised: not one before the last table that is new."""
        every = self._all
        for one in reversed(every):
            one.operation.leave()
            one.looked_up = self.looked_up
        done = self._done(every) if len(every) > 1 and self._connection.open is None else 0
        for one in every[:done]:
            one.returned(None)
        for one in every[done:]:
            one.failed(error)
        if [word for word, _ in self._steps] in (["COMMIT"], ["END"]):
            self._connection.control("ROLLBACK")

    def _done(self, every: list[Running]) -> int:
        """How many of them were carried out for sure: each is committed before the next begins."""
        database = self._connection.database
        if database.names is None or not any(one.work.operation == "CREATE TABLE" for one in every):
            return 0
        before = set(database.names.tables)
        database.names = None
        names = every[0].resolver.names
        new = {every[0].resolver.uri_of(names.tables[key]) for key in names.tables.keys() - before}
        made = [
            number
            for number, one in enumerate(every, 1)
            if one.work.operation == "CREATE TABLE"
            and new.intersection(t.uri for t in one.work.writes)
        ]
        return max(made, default=0)

    def close(self, error: BaseException | None = None) -> None:
        """It is over, whatever came between."""
        for one in self._all:
            one.close(error)


class Followed(Watched):
    """A call that runs nothing, of which something is remembered."""

    __slots__ = ("_after",)

    def __init__(self, after: Callable[[Any], None]) -> None:
        super().__init__()
        self._after = after

    def returned(self, result: Any) -> None:
        """Remember it."""
        self._after(result)


def _unquoted(literal: str) -> str:
    return literal[1:-1].replace(literal[0] * 2, literal[0])


def _names_in(files: list[Any], between: str | None) -> tuple[str, ...] | None:
    """The columns that the first line of a CSV file names; None where it may be read otherwise."""
    if between is None or len(files) != 1 or not isinstance(files[0], str) or "://" in files[0]:
        return None
    path = os.path.expanduser(files[0])
    if not os.path.isfile(path):  # to look into a pipe would take its bytes, or wait for them
        return None
    try:
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            line = file.readline(MAX_HEADER)
    except (OSError, ValueError):
        return None
    if not line.endswith("\n"):
        return None
    line = line.rstrip("\r\n")
    found = [one for one in (between or ",|;\t") if one in line] if len(between) < 2 else [between]
    if len(found) != 1 or any(one in line for one in "\"'#\r"):
        return None
    names = tuple(line.split(found[0]))
    told = {one.lower() for one in names if one and one == one.strip()}
    return names if len(told) == len(names) else None


def _views(reads: Reads) -> dict[str, list[str]]:
    """The views that are read, each by its name and the statement that made it."""
    views = ((*one.name, _of_view(one)[0]) for one in reads if isinstance(one, View))
    said = views_said(views, MAX_STATEMENT)
    return {semconv.QUERY_VIEWS: said} if said else {}


def _of_view(view: View) -> tuple[str, list[str | None]]:
    """Its statement without the literals, and these."""
    return _known_texts(view.text)[1:] if len(view.text) <= MAX_SHOWN else ("", [])


def _named(table: Table) -> Artifact:
    return named(table.uri, "identified by name only", table.name)


def _expanded(place: Place) -> list[Any]:
    """The files that a pattern names now."""
    pattern = place.pattern
    if isinstance(pattern, os.PathLike):
        pattern = os.fspath(pattern)
    if isinstance(pattern, str) and "://" not in pattern and glob.has_magic(pattern):
        found = sorted(glob.glob(os.path.expanduser(pattern), recursive=True))
        return [path for path in found if not os.path.isdir(path)] or [pattern]
    return [pattern]


_CHANGING: Final = later(r"\b0x[0-9a-f]{6,16}\b|_[0-9a-f]{12,16}(?:_\d+)?\b")


def _bounded(text: str) -> str:
    """A long statement by its beginning and its digest."""
    if len(text) <= MAX_SHOWN:
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{text[:MAX_SHOWN]} /* {len(text)} characters, {digest} */"


def _texts(statement: str) -> tuple[str, str, list[str | None]]:
    """A statement without the numbers that are others each time, as for a relation; the same
    without its literals, and these."""
    text = _bounded(_CHANGING.sub("_", statement))
    return (text, *masked(text))


_known_texts: Final = lru_cache(maxsize=256)(_texts)
"""Of those that a loop asks again and again: to look through one takes 50 µs."""


def _version() -> str:
    import duckdb

    return str(duckdb.__version__)


def use(operation: OpenOperation, handle: Any, text: str) -> None:
    """Say that an operation of another library's has read what a statement reads, which it sent by
    DuckDB's connection. No variable of the program's is seen from there."""
    resolver = Resolver(connection_of(handle), handle, None)
    reads = merged(*(resolver.reads(statement) for statement in statements(text)))
    operation.state(_views(reads))
    for one in reads:
        if isinstance(one, Table):
            artifact = replace(_named(one), maker=resolver.connection.maker(one.uri))
            operation.use_content("table", artifact)
        elif isinstance(one, Place):
            part = "a query reads what it needs of it" if one.partial else ""
            how = Reading(partial=part, succeeded=True)
            places.read_from(operation, "source", _expanded(one), how)
        elif isinstance(one, Made):
            operation.use(one.name, one.identity)
        elif isinstance(one, Held):
            for role, identity in observation.inputs({one.name: one.value})[0]:
                operation.use(role, identity)
        elif isinstance(one, Unknown):
            operation.use_content("source", unknown(one.reason))


def handle_of(arguments: tuple[Any, ...], keywords: Mapping[str, Any], *, method: bool) -> Any:
    """DuckDB's connection that a call is about."""
    if method:
        return arguments[0]
    given = keywords.get("connection") or keywords.get("conn")
    if given is None:
        import duckdb

        given = duckdb.default_connection()
        if callable(given):  # before 1.1
            given = given()
        default(given)
    return given


def argument(arguments: tuple[Any, ...], keywords: Mapping[str, Any], name: str, at: int) -> Any:
    return arguments[at] if len(arguments) > at else keywords.get(name)


_FIRST: Final = (
    "path_or_buffer file_glob path file_name filename table_name view_name name df arrow_object "
    "values"
).split()


def made_by(source: Source, operation: OpenOperation) -> Source:
    return with_(source, maker=operation.id)


def in_place(original: Any, *, before: Any, name: str) -> Any:
    return in_callers_place(original, before, f"duckdb.{name} was not recorded")


def rows_of(operation: OpenOperation) -> Made:
    """The rows that an operation made, which stay in DuckDB's memory."""
    stream = operation.derived("stream")
    operation.generate("return", stream)
    return Made(Identity((made_by(stream, operation),)))


def outputs(result: Any, operation: OpenOperation) -> None:
    """What was fetched: tables and arrays by their content, rows as a list."""
    if isinstance(result, list):
        if len(result) <= MAX_ROWS:
            made = operation.generate_content("return", result)
            plain_values.numbers_from(result[:MAX_LISTED], made)
        else:
            operation.generate("return", operation.derived("object", rows=len(result)))
        return
    if not observation.outputs(operation, result, by_content=True) and result is not None:
        observation.adopt(operation, "return", result, "stream")
        rows = registry.lookup(result)
        if rows is not None and observation.is_lazy(result):  # pl(lazy=True)
            leaves = (recording_plans.Given("return", rows),)
            recording_plans.plans.assign(result, recording_plans.Plan(leaves, os.urandom(32)))


def first(arguments: tuple[Any, ...], keywords: Mapping[str, Any], *, method: bool) -> Any:
    """What a call is given first, by whatever name."""
    at = int(method)
    if len(arguments) > at:
        return arguments[at]
    return next((keywords[name] for name in _FIRST if name in keywords), None)


def resolver_of(
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
    frame: FrameType,
    *,
    method: bool,
    given: object = None,
) -> Resolver:
    handle = handle_of(arguments, keywords, method=method)
    return Resolver(connection_of(handle), handle, frame, given)


def keep(relation: Any, reads: Reads, resolver: Resolver) -> None:
    if is_relation(relation):
        plans.keep(relation, Plan(reads, resolver.connection, resolver.handle))


def is_relation(value: Any) -> bool:
    return type(value).__name__ == "DuckDBPyRelation"

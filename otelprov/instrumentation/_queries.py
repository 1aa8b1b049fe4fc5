"""Statements that a program has a database carry out: what is recorded of each.

A statement that the program itself sends is an operation. One that a library sends for it (pandas
for ``read_sql``, SQLAlchemy's driver for SQLAlchemy) belongs to the operation of that library: the
tables that it reads and writes are what that operation used and generated.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any, Final
from weakref import WeakKeyDictionary

from otelprov import semconv
from otelprov.artifacts.deferred import Source, with_
from otelprov.artifacts.locations import unknown
from otelprov.artifacts.registry import Identity, registry
from otelprov.instrumentation._calls import is_internal
from otelprov.instrumentation._databases import (
    Ask,
    Connection,
    Place,
    Plan,
    Table,
    bounded,
    parsed,
)
from otelprov.instrumentation._given_rows import (
    is_one_more,
    keys_of,
    use_row,
    use_rows,
    use_unknown,
)
from otelprov.instrumentation._lookups import Lookup, keep, lookup_of
from otelprov.instrumentation._programs import owner
from otelprov.instrumentation._statement import Statement
from otelprov.instrumentation._statements import parts
from otelprov.instrumentation._wrapping import followed
from otelprov.model import Names
from otelprov.recording import faults, places
from otelprov.recording.column_sources import ColumnSources, Origin
from otelprov.recording.noted import with_content
from otelprov.recording.plain_values import HOLDING, fetched
from otelprov.recording.recorder import Call, OpenOperation, current_operation
from otelprov.recording.run import now, run
from otelprov.recording.transactions import Outcome

_CATALOGS: Final = frozenset({"pyiceberg"})
"""Libraries that keep in a database where their tables are: that is none of the program's data."""

Caller = FrameType | OpenOperation | None
"""The program's frame; the operation of a library that asks for it; None: it is not recorded."""


def caller_of(frame: FrameType | None, own: frozenset[str]) -> Caller:
    """Who has a statement carried out, seen from a frame in the packages ``own``."""
    place, hopped, operation = frame, False, None
    while True:
        if place is None:
            # SQLAlchemy's async engines: the program waits in the coroutine that has started this.
            greenlet = sys.modules.get("greenlet")
            outer = greenlet.getcurrent().parent if greenlet is not None and not hopped else None
            place, hopped = getattr(outer, "gr_frame", None), True
            if place is None:
                return None
        root = str(place.f_globals.get("__name__")).partition(".")[0]
        if root not in own and root != "otelprov":
            if is_internal(place):
                if root in _CATALOGS:
                    return None
                # SQLAlchemy tells itself of what it sends.
                operation = current_operation() if root != "sqlalchemy" else None
                if operation is None or operation.call.library == root:
                    return operation
            elif owner(place) != "standard":
                return _given_to_pandas(place) if operation is None else None
        place = place.f_back


def _given_to_pandas(frame: FrameType) -> FrameType | OpenOperation:
    """The program's frame; the operation where it is a function that ``to_sql`` was given as its
    ``method``: what that puts into the table is the frame."""
    operation = current_operation()
    given = operation is not None and operation.call.full_name == "pandas.to_sql"
    return operation if given and operation is not None else frame


class Inside:
    """What the statements of one operation of another library's have shown."""

    __slots__ = ("appends", "committed", "found", "place", "tables", "texts", "writes")

    def __init__(self) -> None:
        self.found = False
        """Whether a statement was seen that reads or writes a table."""
        self.place: Place | None = None
        self.texts: dict[str, str | list[str]] = {}
        """The statements that read a table, or write one, and which views they read."""
        self.tables: dict[str, str] = {}
        """Names of tables by their URI."""
        self.writes: list[Table] = []
        self.appends = True
        """Whether what was in the tables before still is."""
        self.committed: list[Table] = []

    def settle(self, operation: OpenOperation) -> None:
        """What was written was committed, now that it is known what was put there."""
        for table in self.committed:
            operation.generate("target", self.written(operation, table))

    def written(self, operation: OpenOperation, table: Table) -> Source:
        """A table that was written."""
        artifact = table.artifact()
        if operation.content is None or self.appends:
            return artifact
        return with_content(artifact, operation.content)


inside: Final[WeakKeyDictionary[OpenOperation, Inside]] = WeakKeyDictionary()


MAX_STEPS: Final = 100
"""Statements of one text that are operations of their own; more of them are one."""


class Executing:
    """One statement, or several in one text, while the database carries them out."""

    __slots__ = (
        "_before", "_by_key", "_call", "_code", "_has_unknown", "_line", "_makers", "_mine",
        "_nested", "_reads", "_row", "_text", "_unseen", "_used", "_views", "_writes",
        "calls", "connection", "group", "into", "next", "operation", "stream", "touches",
    )  # fmt: skip

    def __init__(
        self,
        connection: Connection,
        call: Callable[[], Call],
        caller: FrameType | OpenOperation,
        text: str,
        found: tuple[Statement, ...],
        group: object,
        plan: Plan | None = None,
        before: dict[str, str] | None = None,
    ) -> None:
        """``plan`` says what it reads and writes, where that is known, and ``before`` which tables
        the statements before it in the same text write: their operations by URI."""
        self.connection = connection
        self.group = group
        self.calls = 0
        self.next: int | None = None
        """When the next statement of the same text was looked at: in time, they are in a row."""
        self.into: object = None
        """The open file that what it gives is written to."""
        self.stream: Source | None = None
        """The rows that it gives."""
        self._text = text
        plan = plan or connection.plan(text, found)
        self._before = before
        self._used: dict[str, str | None] = {}
        """The operations that wrote the tables that it adds to, as it began."""
        self._reads = plan.reads
        self._writes = plan.writes
        self._views = plan.facts.get(semconv.QUERY_VIEWS, [])
        self._makers: list[tuple[str, str | None]] = []
        self._mine = isinstance(caller, FrameType)
        self._nested: Inside | None = None
        self._code: object = None
        self._line = 0
        self._has_unknown = False
        self._by_key: Mapping[str, str] | None = {}
        """Which key of the rows that were given each column has; empty before there were any, None
        where that is not known of all of them."""
        self._row: object = None
        """The class of the row that was given last."""
        self._unseen = False
        """Whether there was a row of nobody knows where, which may have been the only one."""
        self.operation: OpenOperation
        self.touches = bool(self._reads or self._writes)
        """Whether it reads or writes tables."""
        if not self.touches:
            return
        if isinstance(caller, FrameType):
            self._code, self._line = caller.f_code, caller.f_lineno
            self.operation = OpenOperation(call(), caller, {"query": bounded(text)}, ["query"])
            self.operation.state(plan.facts)
        else:
            self.operation = caller
            self._nested = inside.setdefault(caller, Inside())
        self._call = call
        self._use()

    def _use(self) -> None:
        operation, nested = self.operation, self._nested
        made = {table.uri for table, statement in self._writes if not statement.replaces}
        there = {table.uri for table in nested.writes} if nested is not None else set()
        for read in self._reads:
            if not isinstance(read, Table):
                operation.use_content("table", unknown(read))
            elif read.uri not in made and read.uri not in there:
                artifact = read.artifact(self._maker(read.uri))
                operation.use_content("table", artifact)
                if read.part_of:
                    operation.call_it(artifact, read.part_of)
        for table, statement in self._writes:
            if not statement.replaces and table.uri not in there:
                # It holds afterwards what it held before.
                maker = self._used[table.uri] = self._maker(table.uri)
                operation.use_content("target", table.artifact(maker))
            elif statement.replaces and nested is not None:
                nested.appends = False
            there.add(table.uri)
        if nested is not None:
            nested.found = True
            nested.place = self.connection.place
            if self._text and len(nested.texts) < 2:
                nested.texts[self._text] = self._views
            for one in (*self._reads, *(table for table, _ in self._writes)):
                if isinstance(one, Table):
                    nested.tables[one.uri] = one.name

    def _maker(self, uri: str) -> str | None:
        """Who wrote a table last, as the statement sees it."""
        return (self._before or {}).get(uri) or self.connection.makers(uri).get(uri)

    def given(self, rows: object, by_key: Mapping[str, str] | None = None) -> None:
        """The rows that the program has given for it, for as many executions. ``by_key`` says which
        key of them each column has."""
        if not self._mine or not self._writes:
            return
        if not use_rows(self.operation, rows):
            self._use_unknown()
        self._by_key = by_key if self._by_key in ({}, by_key) else None
        self._come_from()

    def _come_from(self) -> None:
        used = self.operation.used_as()
        before = [source for role, source in used if role == "target"]
        rows = [source for role, source in used if role == "parameters"]
        sources = None
        if self._by_key and rows and len(before) == len(self._writes) == 1:
            columns: dict[str, tuple[Origin, ...]] = {
                name: (Origin(0, key, "identity"),) for name, key in self._by_key.items()
            }
            sources = ColumnSources(columns, others=1, used=[rows, before])
        self.operation.column_sources = None if self._has_unknown else sources

    def given_one(self, row: object) -> None:
        """The row that the program has given for it, for one execution."""
        if self._mine and self._writes and row is not None:
            self._row = type(row)
            self._unseen = not use_row(self.operation, row)

    def one_by_one(self) -> None:
        """It may be one of many that a line of the program sends."""
        if not self._mine or self._reads:
            return
        writes = [(table.uri, statement.operation) for table, statement in self._writes]
        again = is_one_more(self.connection.rows_of, (self._code, self._line), writes)
        if again and (self._row is None or self._unseen):
            self._use_unknown()

    def _use_unknown(self) -> None:
        if not self._has_unknown:
            self._has_unknown = True
            self.operation.column_sources = None
            use_unknown(self.operation)

    def repeats(self, text: str, frame: Caller, group: object) -> bool:
        """Whether the same is done once more: then it is a part of this."""
        if not (self._mine and self._writes and self.operation.waits):
            return False
        if self._reads or (text is not self._text and text != self._text):
            return group is not None and group is self.group
        return (
            isinstance(frame, FrameType)
            and frame.f_code is self._code
            and frame.f_lineno == self._line
        )

    def enter(self) -> None:
        """The database begins."""
        if self._mine:
            self.operation.enter()

    def returned(
        self, found: tuple[Statement, ...], *, still_open: bool, calls: int, text: str
    ) -> Identity | None:
        """It is done; what the rows are that it gives. ``calls`` is how often it was carried out,
        ``still_open`` whether a transaction goes on."""
        connection, operation = self.connection, self.operation
        if self._mine:
            operation.leave()
            operation.end_time = self.next or operation.end_time
        self.calls += calls
        identity = None
        if self._mine and self.into is not None:
            places.written_to(operation, "file", self.into)
        elif self._mine and any(one.is_query for one in found):
            self.stream = operation.derived("stream")
            operation.generate("return", self.stream)
            identity = Identity((self.stream,))
        if self._writes:
            for table, _ in self._writes:
                known = connection.makers(table.uri)
                last = known.get(table.uri)
                if last not in (None, operation.id, self._used.get(table.uri, last)):
                    # Another thread has written it meanwhile: that is in it, too.
                    operation.use_content("target", table.artifact(last))
                self._makers.append((table.uri, last))
                known[table.uri] = operation.id
                if self._nested is not None and table not in self._nested.writes:
                    self._nested.writes.append(table)
            connection.transaction.wrote(self)
            connection.last = self
        connection.learn(found, text)
        connection.control(found, text, still_open=still_open)
        if self._mine:
            operation.end()
            if identity is not None and not connection.transaction:
                keep(connection, self._text, self._lookup(found))
        return identity

    def _lookup(self, found: tuple[Statement, ...]) -> Lookup | None:
        """As a query that may be asked again."""
        simple = self.group is None and not self._writes and len(found) == 1
        tables = [one.uri for one in self._reads if isinstance(one, Table)]
        if not simple or len(tables) < len(self._reads) or found[0].changes_names:
            return None
        return lookup_of(self.operation, self.connection, tables, (self._code, self._line))

    def again(self, calls: int, row: object = None) -> None:
        """The same was done once more."""
        if type(row) is not self._row:
            self.given_one(row)
        elif registry.numbers and self._mine and self._writes and self._row in HOLDING:
            self._unseen = not use_row(self.operation, row)
        if self._unseen:
            self._unseen = False
            self._use_unknown()
        self.calls += calls
        self.operation.end_time = now()

    def failed(self, error: BaseException) -> None:
        """The database, or the driver, has refused it."""
        if self._mine:
            self.operation.leave()
            self.operation.end(error)

    def close(self, error: BaseException | None = None) -> None:
        """It is over, whatever came between."""
        if self._mine:
            self.operation.end(error)

    def failed_again(self, error: BaseException) -> None:
        """The same was tried once more, and refused."""
        operation = OpenOperation(self._call(), None, {"query": bounded(self._text)}, ["query"])
        operation.end(error)

    # --- when the transaction is over ---

    def committed(self) -> None:
        """The tables are written."""
        operation, nested = self.operation, self._nested
        if operation.ended:
            return
        for table, _ in self._writes:
            if nested is None:
                operation.generate("target", table.artifact())
            elif operation.waits:
                operation.generate("target", nested.written(operation, table))
            elif table not in nested.committed:
                nested.committed.append(table)  # what is put there is looked at when it returns
        self._count()

    def undone(self, outcome: Outcome) -> None:
        """They are not."""
        for uri, before in reversed(self._makers):
            makers = self.connection.makers(uri)
            if before is None:
                makers.pop(uri, None)
            else:
                makers[uri] = before
        if not self.operation.ended:
            self.operation.state({semconv.TRANSACTION: outcome})
            self._count()

    def _count(self) -> None:
        if self._mine and self.calls > 1:
            self.operation.state({semconv.DB_BATCH: self.calls})


class Sent:
    """A text of statements that a driver is about to send to its database."""

    __slots__ = (
        "_again", "_connection", "_found", "_given", "_lookup", "_steps", "_text", "executing",
    )  # fmt: skip

    def __init__(
        self,
        connection: Connection,
        call: Callable[[], Call],
        caller: Caller,
        text: str,
        *,
        group: object = None,
        rows: object = None,
        given: object = None,
        by_key: Mapping[str, str] | None = None,
        into: object = None,
        ask: Ask | None = None,
    ) -> None:
        """``rows`` are the parameters of many executions, in whatever holds them, ``by_key`` says
        which key of them each column has; ``given`` are those of one; what is sent for
        one ``group`` again and again is one operation. ``ask`` asks the database what names stand
        for, where that has not been done; what is read goes ``into`` an open file."""
        self._connection = connection
        self._text = text
        self._given = given
        self._found: tuple[Statement, ...] = ()
        self.executing: Executing | None = None
        self._steps: list[tuple[str, Statement, Executing | None]] = []
        """The statements of a text, where each is an operation of its own."""
        self._lookup: Lookup | None = None
        by_key = by_key or keys_of(text, connection.place.dialect, rows)
        last: Executing | None = connection.last
        self._again = last if last is not None and last.repeats(text, caller, group) else None
        if self._again is not None and rows is not None:
            self._again.given(rows, by_key)
        if self._again is not None or (caller is None and not connection.transaction):
            return
        lookup: Lookup | None = connection.lookups.get(text)
        if lookup is not None and rows is None and lookup.begin(caller):
            self._lookup = lookup
            return
        self._found = parsed(connection, text)
        if caller is None or not any(one.is_operation for one in self._found):
            return
        if isinstance(caller, FrameType) and run.excludes(call().full_name):
            return
        if ask is not None:
            connection.look_up(self._found, ask)
        if isinstance(caller, FrameType) and _are_steps(self._found, group, rows):
            self._begin_each(call, caller)
            return
        executing = Executing(connection, call, caller, text, self._found, group)
        if executing.touches:
            self.executing = executing
            executing.into = into
            try:
                if rows is not None:
                    executing.given(rows, by_key)
                else:
                    executing.given_one(given)
                    executing.one_by_one()
                executing.enter()
            except BaseException:
                self.close()
                raise

    def _begin_each(self, call: Callable[[], Call], caller: FrameType) -> None:
        """Each statement is an operation; what runs until the end belongs to the last of them, and
        the rows are those of the only one that gives any."""
        connection, found = self._connection, self._found
        texts = parts(self._text, connection.place.dialect)
        before: dict[str, str] = {}
        begun: dict[str, str] = {}
        latest: Plan | None = None
        executing: Executing | None = None
        plans = connection.plan_each(self._text, found, texts)
        try:
            for text, one, plan in zip(texts, found, plans, strict=True):
                own = None
                if (plan.reads or plan.writes) and not (latest and _is_once_more(plan, latest)):
                    if executing is not None:
                        executing.next = now()
                    own = Executing(connection, call, caller, text, (one,), None, plan, before)
                    before = before | {table.uri: own.operation.id for table, _ in plan.writes}
                    latest = plan
                    if executing is not None:
                        executing.operation.announce()
                    executing = own
                    if one.is_query or self.executing is None:
                        self.executing = own
                elif not one.is_operation:
                    latest = None
                if one.operation == "BEGIN":
                    begun = before
                elif one.operation in ("ROLLBACK", "ABORT"):
                    before = begun
                self._steps.append((text, one, own))
            if executing is not None:
                executing.enter()
        except BaseException:
            self.close()
            raise

    @property
    def _each(self) -> list[Executing]:
        if not self._steps:
            return [self.executing] if self.executing is not None else []
        return [one for _, _, one in self._steps if one is not None]

    def _returned_each(self, *, still_open: bool) -> Identity | None:
        identity = None
        for one in reversed(self._each):
            one.operation.leave()
        for number, (text, statement, own) in enumerate(self._steps, 1):
            goes_on = still_open or number < len(self._steps)
            if own is not None:
                made = own.returned((statement,), still_open=goes_on, calls=1, text=text)
                identity = identity or made
            else:
                self._connection.learn((statement,), text)
                self._connection.control((statement,), text, still_open=goes_on)
        self._connection.last = None  # the same text once more is the same operations once more
        return identity

    @property
    def operation(self) -> OpenOperation | None:
        """The operation that it is, or is one more call of."""
        if self._lookup is not None:
            return self._lookup.operation
        return self.executing.operation if self.executing is not None else None

    def leave(self) -> None:
        """What runs from now on until its end is the program's own."""
        if self._lookup is not None:
            self._lookup.leave()
        for one in reversed(self._each):
            one.operation.leave()

    def returned(self, *, still_open: bool, calls: int = 1) -> Identity | None:
        """The database has carried it out; what the rows are that it gives."""
        if self._again is not None or self._lookup is not None:
            if self._again is not None:
                self._again.again(calls, self._given)
            if not still_open and self._connection.transaction:
                self._connection.ended()
            return self._lookup.returned() if self._lookup is not None else None
        if self._steps:
            return self._returned_each(still_open=still_open)
        if self.executing is not None:
            return self.executing.returned(
                self._found, still_open=still_open, calls=calls, text=self._text
            )
        if self._found:
            self._connection.learn(self._found, self._text, self._given)
            self._connection.control(self._found, self._text, still_open=still_open)
        return None

    def executed(self, cursor: Any, many: object, *, still_open: bool) -> None:
        """``returned``, for a cursor, which has the rows: once, or for each of ``many`` that were
        given."""
        calls = 1
        if many is not None:
            size = size_of(many)
            calls = max(int(cursor.rowcount), 1) if size is None else size
        identity = self.returned(still_open=still_open, calls=calls)
        if identity is not None:
            registry.assign(cursor, identity)
        else:
            registry.forget(cursor)

    def close(self, error: BaseException | None = None) -> None:
        """It is over, whatever came between: no operation stays the current one."""
        if self._lookup is not None:
            self._lookup.close()
        for one in self._each:
            one.close(error)

    def failed(self, error: BaseException, *, still_open: bool) -> None:
        """The database, or the driver, has refused it."""
        for one in reversed(self._each):
            one.failed(error)
        if self._again is not None:
            self._again.failed_again(error)
        elif self._lookup is not None:
            self._lookup.failed(self._text, error)
        self._connection.last = None
        if not still_open and self._connection.transaction:
            self._connection.ended(undone=True)


def _are_steps(found: tuple[Statement, ...], group: object, rows: object) -> bool:
    """Whether each of the statements of a text is an operation of its own. Where several give rows,
    it is not known which are those that the program takes."""
    return (
        group is None
        and rows is None
        and 1 < len(found) <= MAX_STEPS
        and sum(one.is_query for one in found) < 2
    )


def _is_once_more(plan: Plan, before: Plan) -> bool:
    """Whether a statement does the same as the one before it: rows that are inserted one by one."""
    return (
        bool(plan.writes)
        and plan.reads == before.reads
        and [(table, one.operation, one.is_query) for table, one in plan.writes]
        == [(table, one.operation, False) for table, one in before.writes]
    )


def size_of(given: object) -> int | None:
    """How many there are in a list, tuple or dict; None for what only the program's own code, or
    the call itself, can tell (sqlite3's tests give a sequence whose ``__len__`` raises)."""
    for kind in (tuple, list, dict):
        if issubclass(type(given), kind):
            return kind.__len__(given)  # type: ignore[arg-type]
    return None


def commented(text: str, operation: OpenOperation) -> str:
    """A statement with its traceparent at the end, as sqlcommenter writes it; unchanged where a
    comment is in it already (https://google.github.io/sqlcommenter/spec)."""
    if "--" in text or "/*" in text or ";" in text:
        return text
    context = operation.span.get_span_context()
    flags = int(context.trace_flags)
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"
    return f"{text} /*traceparent='{parent}'*/"


_LISTS: Final = (list, tuple)
"""What drivers give rows in."""


def listing(original: Callable[..., Any]) -> Callable[..., Any]:
    """``fetchall`` or ``fetchmany`` of a cursor: the list comes from what that has executed."""
    return followed(original, listed, "the rows of a statement are not known")


def listed(_: object, rows: Any, cursor: object, *__: object, **___: object) -> None:
    """A cursor has given a list of rows."""
    identity = registry.lookup(cursor)
    if identity is not None and identity.artifact is not None and type(rows) in _LISTS and rows:
        described = getattr(cursor, "description", None)
        fetched(rows, named_rows(identity.artifact, [one[0] for one in described or ()]))


def named_rows(artifact: Source, names: Sequence[object]) -> Source:
    """The rows of a statement, with what their columns are called."""
    known = tuple(name for name in names if isinstance(name, str))
    return with_(artifact, names=Names(known)) if known and len(known) == len(names) else artifact


def given_up(sent: Sent | None, fault: BaseException, error: BaseException | None = None) -> None:
    """The end of a statement could not be recorded: no operation stays the current one for it."""
    if sent is not None:
        with faults.contained("the end of a statement was not recorded"):
            sent.close(error)
    told("the end of a statement was not recorded", fault)


def told(missing: str, fault: BaseException) -> None:
    """A fault of ours, told; Ctrl-C raised."""
    if not isinstance(fault, Exception):
        raise fault
    faults.tell(missing, fault)

"""One operation: from its inputs, over the call, to its outputs, as one span.

A recorded call is opened before the user's function runs and closed after it. What it used and
generated is collected here and written on the span at the very end (``ended``), because the SDK
keeps 128 attributes and events and drops the oldest. Where an id is not known yet, because a thread
is still digesting the data, that end comes later, with the time at which the call was over.
"""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from types import FrameType, FunctionType, MappingProxyType
from typing import Any, Final

from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Span, SpanContext, SpanKind, set_span_in_context
from opentelemetry.util.types import AttributeValue

from otelprov import semconv
from otelprov._record import record
from otelprov.artifacts import identify
from otelprov.artifacts.carrier import Carrier
from otelprov.artifacts.deferred import (
    Pending,
    Source,
    background,
    pending,
    resolve,
    settled,
    with_,
)
from otelprov.artifacts.derivation import made_id
from otelprov.artifacts.registry import Columns, Identity, registry
from otelprov.journal.lines import Part
from otelprov.model import Artifact, ArtifactKind, Names, OperationKind
from otelprov.recording import claims, faults, ruled, written
from otelprov.recording.bounds import Budget
from otelprov.recording.code import Line, caller, definition
from otelprov.recording.column_sources import ColumnSources
from otelprov.recording.continued import traces
from otelprov.recording.edges import used_attributes, way_of
from otelprov.recording.ended import Edges, known_by_now, write_edges, write_failure
from otelprov.recording.measures import Ended, measures
from otelprov.recording.noted import add, as_written, key_of
from otelprov.recording.parameters import Defaults, digest_of, names_columns, show
from otelprov.recording.policy import ELLIPSIS, MAX_LISTED, plan_text, shorten
from otelprov.recording.repeats import Repeated, repeats
from otelprov.recording.run import now, run, spans_of
from otelprov.recording.span import ForeignSpan, OperationSpan
from otelprov.redaction import redact, redact_again

MAX_CHECK = 200
"""Characters of the name of a check."""
MAX_STARTED = 10
"""Used artifacts that a record of the start names; the span names more."""

STARTED: Final = frozenset({"write", "query", "train", "task"})
"""The kinds of operations whose start is written down: those that are long, or change what
outlives the process. A query is both, and its database is asked over a network: the record costs
less than the answer takes."""


@record
class Call:
    """What kind of operation a call is: the part that is the same each time."""

    library: str
    name: str
    kind: OperationKind
    version: str | None = None
    """Version of the library."""
    holds_nested: bool = False
    """Whether transforms made by the caller's own functions inside belong to this operation."""
    client: bool = False
    """Whether it talks to another system (a database, an object store)."""
    own_threads: bool = False
    """Whether functions of the program's may be called in threads that are not Python's."""
    fills: bool = False
    """Whether what it reads lies in memory that nothing else writes to."""

    @property
    def full_name(self) -> str:
        """``pandas.merge``; of an operation of the program's own its name alone."""
        return self.name if self.library == "operation" else f"{self.library}.{self.name}"


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_NOBODYS: Final = (None,)
"""In place of the digest of an operation's function."""

_current: ContextVar[OpenOperation | None] = ContextVar("otelprov_operation", default=None)


def current_operation() -> OpenOperation | None:
    """The innermost recorded operation that is running in this context."""
    operation = _current.get()
    while operation is not None and operation.left:
        # A task that was started inside goes on when the operation is over.
        operation = operation._outer
    if operation is None and _executing:
        return _of_this_thread()
    return operation


def context_of_the_program() -> Context:
    """The current context without the spans of the operations that are running, and of the run."""
    context, operation = context_api.get_current(), _current.get()
    while operation is not None and context is operation._context:
        context, operation = operation._outer_context or Context(), operation._outer
    outside = run.outside(context)
    return context if outside is None else outside


def in_closed_operation() -> bool:
    """Whether an operation is running in which no code of the program's can be."""
    operation = _current.get()
    return operation is not None and operation.closed and not operation.left


_executing: list[OpenOperation] = []
"""The operations whose libraries call back from threads of their own, while they run."""


def _of_this_thread() -> OpenOperation | None:
    """A thread that Python did not start has no context: it works for the one operation that runs.

    Which of several it works for nobody knows; then it is none.
    """
    known = threading._active.get(threading.get_ident())  # type: ignore[attr-defined]
    if known is not None and not isinstance(known, threading._DummyThread):
        return None
    running = [one for one in tuple(_executing) if not one.left]
    return running[0] if len(running) == 1 else None


class OpenOperation:
    """An operation whose call is running."""

    __slots__ = (
        "__weakref__",
        "_announced",
        "_assigned",
        "_begun",
        "_budget",
        "_context",
        "_error",
        "_forks",
        "_functions",
        "_id",
        "_outer",
        "_outer_context",
        "_outputs",
        "_plain",
        "ahead",
        "call",
        "claims",
        "closed",
        "column_sources",
        "content",
        "discreet",
        "end_time",
        "ended",
        "files_not_asked",
        "generated",
        "inputs",
        "left",
        "named",
        "record",
        "ruling",
        "said",
        "sensitive",
        "taken",
        "transaction",
        "used",
        "waiting",
        "waits",
    )

    def __init__(
        self,
        call: Call,
        frame: FrameType | None,
        parameters: Mapping[str, object],
        given: Iterable[str],
        function: FunctionType | None = None,
        defaults: Defaults | None = None,
    ) -> None:
        """``frame`` is the caller's; ``function`` the user's own, where the operation is one;
        ``defaults`` are those of the parameters."""
        self.call = call
        self.ruling = run.policy.of(call.full_name) if run.policy is not None else None
        """The rules that hold for it."""
        self.sensitive = self.ruling is not None and self.ruling.sensitive
        self.waiting: Mapping[str, Any] = _NOTHING
        self.ended = False
        self.end_time: int | None = None
        """When the call was over; what it made is looked at after that."""
        self.content: Source | None = None
        """The table that a write is writing, by its content."""
        self.transaction: object | None = None
        """The transaction of a database that its end waits for."""
        self.waits = False
        """Whether it has ended but for that."""
        self._budget: Budget | None = None
        self.ahead: tuple[Pending[Artifact], ...] = ()
        """Digests of files that are taken while the call reads them."""
        self.claims: tuple[claims.Claim, ...] = ()
        """What used files say of themselves; settled when what was read is known."""
        self.said: tuple[Carrier, ...] = ()
        """What tables that the call has read say of themselves, wherever they were read from."""
        self.discreet = False
        """Whether an exception's message is not written, unless messages are to be written in full:
        it is made of data."""
        self.closed = False
        """Whether no code of the program's can run inside the call."""
        self.files_not_asked = 0
        """Files of directories whose claims were not looked for."""
        self.used: dict[object, tuple[str, Source]] = {}
        """What the call has read until now, with its role, in the order in which it was noted: by
        id, and once more for each other way by which the same content came (``way_of``)."""
        self.taken: list[tuple[Source, tuple[str, ...]]] = []
        self.named: list[tuple[Source, tuple[str, ...]]] = []
        self.column_sources: ColumnSources | None = None
        self.generated: dict[object, tuple[str, Source]] = {}
        self._assigned: list[tuple[object, Identity | None]] = []
        self._outputs = 0
        self._plain: tuple[tuple[str, bytes | None], ...] = ()
        self._functions: tuple[bytes | None, ...] = ()
        self.inputs: list[tuple[str, Identity]] = []
        self._error: str | None = None
        self._begun = 0
        line: Line | None = None
        place: Part | None = None
        if function is not None:
            line, place = definition(function)
        elif frame is not None:
            line, place = caller(frame)
        context, parent = run.above()
        self.record = self._start(context, parent, (call.library, call.name, line))
        if self.record.wanted:
            shown = show(parameters, given, run.settings.parameter_length, defaults)
            common = run.facts
            if self.ruling is not None:
                shown, self.waiting, sensitive = self.ruling.parameters(shown, parameters)
                self.sensitive = self.sensitive or sensitive
                common = ruled.facts(self, self.ruling)
            self._plain = shown.digests
            for name, value, digest, text in shown.containers:
                cut = isinstance(text, str) and ELLIPSIS in text
                # What is more than a parameter can show may be data.
                whole = not cut or names_columns(call.name, name, parameters)
                self._use_container(name, value, digest, whole)
            if function is not None:
                self._functions = (digest_of(function),)
            elif call.library == "operation":
                self._functions = _NOBODYS  # a block: nobody knows its code
            facts = _facts(call.kind, call.version)
            if place is None:
                self.record.describe(*shown.parts, facts, common)
            else:
                self.record.describe(*shown.parts, facts, place, common)
        self._id: str | None = None
        self._forks = run.forks
        self._announced = False
        self.left = True
        """Whether its call is over, or has not begun."""
        self._outer: OpenOperation | None = None
        self._context: Context | None = None
        self._outer_context: Context | None = None

    @property
    def begun(self) -> int:
        """When it began, in nanoseconds since the epoch."""
        return self._begun

    @property
    def budget(self) -> Budget:
        """What may still be digested of files and directories."""
        if self._budget is None:
            self._budget = Budget(run.settings.digest_limit)
        return self._budget

    @property
    def cut(self) -> int:
        """Bytes of files and directories that were over that."""
        return 0 if self._budget is None else self._budget.cut

    @property
    def tier(self) -> str:
        """How much is recorded of it."""
        return ruled.tier(self)

    @property
    def span(self) -> Span:
        """Its span, as the user's code sees it."""
        return self.record.visible

    @property
    def id(self) -> str:
        """``<trace id>-<span id>``."""
        if self._forks != run.forks:
            self._of_this_process()
        if self._id is None:
            trace_id, span_id = self.record.visible.get_span_context()[:2]  # a tuple
            self._id = f"{trace_id:032x}-{span_id:016x}"
        return self._id

    # --- while the call runs ---

    def enter(self) -> None:
        """Make it the current operation and its span the current span."""
        if self._forks != run.forks:
            self._of_this_process()
        record = self.record
        self.announce()
        self._outer, outer = _current.get(), context_api.get_current()
        self._outer_context = outer
        self._context = set_span_in_context(record.visible, outer)
        self.left = False
        try:
            _current.set(self)
            context_api.attach(self._context)
            if self.call.own_threads:
                _executing.append(self)
        except BaseException:  # Ctrl-C, too, leaves the program as it was
            self.leave()
            raise

    def announce(self) -> None:
        """It has begun: ``enter`` does this, too. For what goes on while the program does, which is
        the current operation of nothing."""
        if not self._announced:
            self._announced = True
            if self.call.kind in STARTED or type(self.record) is Repeated:
                with faults.contained(f"the start of {self.call.name} was not recorded"):
                    self._announce()

    def leave(self) -> None:
        """The call is over: undo ``enter``.

        By setting what was there before, not with the tokens of ``enter``: those hold only in the
        context that they are from, and a generator, or a coroutine that is thrown away, may be
        closed in another one. What is left while something that was entered later still goes on
        (blocks in two generators, taken in turns) is passed over when that is left.
        """
        try:
            self._leave()
        except BaseException:  # Ctrl-C in the middle of it
            self._leave()
            raise
        finally:
            self.end_time = now()

    def _leave(self) -> None:
        self.left = True
        if self.call.own_threads and self in _executing:
            _executing.remove(self)
        if _current.get() is not self:
            return
        inner = self
        while inner._outer is not None and inner._outer.left:
            inner = inner._outer
        context_api.attach(inner._outer_context or Context())
        _current.set(inner._outer)  # last: as long as it is not done, all of it is done again

    def use(self, role: str, identity: Identity) -> None:
        """The call reads an object with this identity."""
        for source in identity.sources:
            if type(source) is Artifact:  # nearly always
                pair = (role, source)
                if self.used.setdefault(source.id, pair) is not pair:
                    add(self.used, source.id, pair)
            else:
                self.use_artifact(role, source)
        self.inputs.append((role, identity))

    def use_artifact(self, role: str, artifact: Source) -> None:
        """The call reads this artifact; it plays no part in the derivation id."""
        artifact = settled(artifact)
        key, pair = key_of(artifact), (role, artifact)
        if self.used.setdefault(key, pair) is not pair and isinstance(artifact, Artifact):
            add(self.used, artifact.id, (role, artifact))

    def use_content(self, role: str, artifact: Source) -> None:
        """The call reads this artifact, whose id is part of the derivation id."""
        self.use(role, Identity((artifact,)))

    def turned_out(self, kind: OperationKind) -> None:
        """It was of another kind than it seemed when it began."""
        call = self.call
        if kind != call.kind:
            self.call = replace(call, kind=kind)
            before, after = _facts(call.kind, call.version), _facts(kind, call.version)
            self.record.exchange(before, after)

    def runs_unknown_code(self) -> None:
        """What it makes is made by code that nobody knows: no derivation id of it has an equal."""
        self._functions = _NOBODYS

    def follow(self, name: str, path: bytes) -> None:
        """The call executes a plan, passed as ``name``; ``path`` stands for its steps."""
        self._plain += ((name, path),)

    def explain(self, plan: str) -> None:
        """The plan that the call executes, in the words of its engine."""
        if self.record.wanted:
            text = plan if self.ruling is None else self.ruling.policy.text(plan)
            self.record.describe(Part({semconv.PLAN: plan_text(text)}))

    def state(self, attributes: Mapping[str, str | int | list[str]]) -> None:
        """What else its span says: texts, as far as the policy allows, and numbers."""
        if self.record.wanted:
            self.record.describe(
                Part({name: self._allowed(one) for name, one in attributes.items()})
            )

    def _allowed(self, said: str | int | list[str]) -> str | int | list[str]:
        if self.ruling is None or isinstance(said, int):
            return said
        text = self.ruling.policy.text
        return text(said) if isinstance(said, str) else [text(one) for one in said]

    def conclude(self, failed: Sequence[str]) -> None:
        """It was a check, and these of its checks failed: their names, which quote no data."""
        if not self.record.wanted:
            return
        found: dict[str, AttributeValue] = {
            semconv.CHECK_OUTCOME: "failed" if failed else "passed",
            semconv.CHECK_FAILURES: len(failed),
        }
        names = list(islice(dict.fromkeys(failed), MAX_LISTED))
        if names:
            ruling = self.ruling
            found[semconv.CHECK_FAILED] = [
                shorten(redact(one if ruling is None else ruling.policy.text(one)), MAX_CHECK)
                for one in names
            ]
        self.record.describe(Part(found))

    def take(self, artifact: Source, columns: tuple[str, ...]) -> None:
        """Of this used artifact the call takes these columns."""
        self.taken.append((artifact, columns))

    def call_it(self, artifact: Source, *names: str) -> None:
        """The statement that the call runs names this used artifact so."""
        self.named.append((artifact, names))

    def come_from(self, sources: ColumnSources) -> None:
        """Where the columns of what the call makes come from, as the engine says."""
        self.column_sources = sources

    @property
    def used_tables_only(self) -> bool:
        """Whether nothing of what it used was computed of an artifact by steps between."""
        return all(identity.is_selection for _, identity in self.inputs)

    def used_so_far(self) -> list[Source]:
        """The artifacts that the call has read until now."""
        return [artifact for _, artifact in tuple(self.used.values())]

    def used_as(self) -> list[tuple[str, Source]]:
        """The same, each with its role."""
        return list(self.used.values())

    # --- after the call ---

    def wrote(self, artifact: Source) -> None:
        """This used artifact is, as a whole, what was written: its content is known from that."""
        artifact = settled(artifact)
        key: object = key_of(artifact)
        if isinstance(artifact, Artifact) and (artifact.id, way_of(artifact)) in self.used:
            key = (artifact.id, way_of(artifact))
        if key in self.used:
            role, used = self.used[key]
            self.used[key] = (role, as_written(used, self.content))

    def generate(self, role: str, artifact: Source) -> None:
        """The call made this artifact."""
        key = artifact.id if type(artifact) is Artifact else key_of(artifact)
        self.generated.setdefault(key, (role, artifact))

    def has_made(self, artifact: Source) -> bool:
        """Whether this artifact is one that the call has made until now."""
        artifact = settled(artifact)
        if isinstance(artifact, Artifact):
            return artifact.maker == self.id
        return any(one in self.generated for one in artifact.needs)

    def generate_content(self, role: str, value: object) -> Artifact:
        """The call made ``value``, which is known by its content: a text, a dict, a list. What that
        is, with its maker."""
        artifact = identify(value)
        self.generate(role, artifact)
        made = replace(artifact, maker=self.id)
        if artifact.coverage == "full":
            registry.remember(made, value)
            written.give(made)
        return made

    def assign(self, value: object, artifact: Source, columns: Columns = ()) -> bool:
        """From now on ``value`` is this artifact, unless the operation fails. ``columns`` names its
        one column, where it has but one."""
        before, maker = registry.lookup(value), self.id
        if type(artifact) is not Artifact or artifact.maker != maker:
            artifact = with_(artifact, maker=maker)
        if not registry.assign(value, Identity((artifact,), columns=columns)):
            return False
        self._assigned.append((value, before))
        return True

    def derived(
        self,
        kind: ArtifactKind,
        *,
        name: str | None = None,
        rows: int | None = None,
        columns: int | None = None,
        names: Names | None = None,
    ) -> Source:
        """A new artifact known by how it was made: the next output of this operation."""
        call, output, maker = self.call, self._outputs, self.id
        self._outputs = output + 1
        origins = []
        for role, identity in self.inputs:
            origin = identity.known_origin()
            if origin is None:
                break
            origins.append((role, origin))
        else:
            id_ = made_id(
                call.library,
                call.name,
                call.version,
                self._functions,
                self._plain,
                origins,
                output,
            )
            return _made(id_, kind, name, rows, columns, maker, names)
        inputs, plain, functions = tuple(self.inputs), self._plain, self._functions

        def artifact() -> Artifact:
            id_ = made_id(
                call.library,
                call.name,
                call.version,
                functions,
                plain,
                [(role, identity.origin_parts()) for role, identity in inputs],
                output,
            )
            return _made(id_, kind, name, rows, columns, maker, names)

        waiting: list[Pending[Any]] = []
        for _, identity in inputs:
            waiting += identity.pending
        return Pending(artifact, waiting) if waiting else artifact()

    # --- the same once more ---

    def to_repeat(self) -> OpenOperation:
        """A copy, to be entered and left again for calls that are the same: without what it
        made."""
        again = copy.copy(self)
        again.generated, again._assigned, again.content = {}, [], None
        return again

    def repeated(self, begun: int) -> None:
        """It was entered and left once more, and that is all that is recorded of it."""
        listener = measures.listener()
        if listener is not None:
            with faults.contained(f"{self.call.name} was not measured"):
                self._begun = begun
                used = [(role, resolve(source)) for role, source in self.used.values()]
                listener(self._measured(self.end_time or now(), used, ()))

    def made_again(self, kind: ArtifactKind) -> Artifact:
        """What it makes first, made once more: the same only where that has an equal."""
        again = copy.copy(self)
        again._outputs = 0
        return resolve(again.derived(kind))

    # --- its end ---

    def end(self, error: BaseException | None = None) -> None:
        """Write down what is known and end the span. A failed operation generated nothing.

        Where an id is not known yet, that is done in a thread, as soon as it is.
        """
        if self.ended:
            return
        if not self.left:
            self.leave()
        if self._forks != run.forks:
            self._of_this_process()
        if self.transaction is not None and error is None:
            # What it made is known when that is over; until then the journal says what is known.
            self.waits = True
            with faults.contained(f"the end of {self.call.name} is in the journal later only"):
                self.record.returned(self.end_time or now(), known_by_now(self))
            return
        self.ended = True
        end_time = self.end_time or now()
        if error is not None:
            for value, before in reversed(self._assigned):
                if before is None:
                    registry.forget(value)
                else:
                    registry.assign(value, before)
            self.generated.clear()
        self._assigned.clear()
        if error is not None:
            self._error = type_name(error)
            if self.record.wanted:
                write_failure(self, error, self._error, end_time)
        plain = self._is_plain()
        if not plain and self._waits():
            with faults.contained(f"the end of {self.call.name} is in the journal later only"):
                self.record.returned(end_time, known_by_now(self))
            background.then(lambda: self._finish(end_time))
        else:
            self._finish(end_time, plain)

    def settled(self) -> None:
        """The transaction that it wrote in is over."""
        self.transaction = None
        if self.waits:
            self.waits = False
            self.end()

    def _is_plain(self) -> bool:
        """Whether nothing that was used or made had to be waited for: nearly always."""
        for artifacts in (self.used, self.generated):
            for _, source in artifacts.values():
                if type(source) is not Artifact:
                    return False
        return True

    def _waits(self) -> bool:
        """Whether an id of what was used or made is not known yet."""
        for artifacts in (self.used, self.generated):
            for _, source in artifacts.values():
                if type(source) is not Artifact and pending((source,)):
                    return True
        return False

    def _finish(self, end_time: int, plain: bool = False) -> None:
        # Not with `contained`: the text alone, made at each call, takes more than the try.
        record = self.record
        edges: Edges = ((), ())
        try:
            try:
                if record.wanted:
                    edges = write_edges(self, end_time, plain)
            except Exception as error:
                faults.tell(f"the artifacts of {self.call.name} were not recorded", error)
            finally:
                listener = measures.listener()
                if listener is not None:
                    with faults.contained(f"{self.call.name} was not measured"):
                        listener(self._measured(end_time, *edges))
                if type(record) is not Repeated:
                    if repeats.windows:
                        repeats.below(record.visible.get_span_context())
                    if record.wanted:
                        next(run.carried_out)
                record.finish(end_time)
                if repeats.windows:
                    repeats.close_due()
        except Exception as error:
            faults.tell(f"the end of {self.call.name} was not recorded", error)

    def _measured(
        self,
        end_time: int,
        used: Iterable[tuple[str, Artifact]],
        generated: Iterable[tuple[str, Artifact]],
    ) -> Ended:
        call = self.call
        return Ended(
            name=_name(call),
            kind=call.kind,
            begun=self._begun,
            end=end_time,
            span=self.record.visible,
            error=self._error,
            used=[ruled.measurable(self, one) for _, one in used],
            generated=[ruled.measurable(self, one) for _, one in generated],
        )

    def _start(
        self,
        context: Context,
        parent: SpanContext,
        place: tuple[object, ...] | None = None,
    ) -> OperationSpan | ForeignSpan | Repeated:
        """Begin a span in ``context``, below ``parent``; ``place`` is that of a call that may be
        one of very many."""
        call = self.call
        context, parent = traces.below(context, parent, run.go_on)
        name = _name(call)
        kind = SpanKind.CLIENT if call.client else SpanKind.INTERNAL
        begun = self._begun = now()
        start = spans_of(call.library).start
        if place is None or repeats.has_own_span(place):
            return start(name, kind, context, begun, parent)
        return repeats.record(place, parent, lambda: start(name, kind, context, begun, parent))

    def _of_this_process(self) -> None:
        """Was the process forked while the operation ran, its span is the parent's to end. What
        goes on in the child is an operation of its own below it."""
        if self._forks == run.forks:
            return
        self._forks = run.forks
        begun = self.record.visible
        if not isinstance(begun, ReadableSpan):
            return
        with faults.contained(f"{self.call.name} was not recorded in a forked child"):
            context, parent = set_span_in_context(begun), begun.get_span_context()
            self.record, self._id = self._start(context, parent), None
            own = {**(begun.attributes or {}), semconv.PROCESS_PID: os.getpid()}
            self.record.describe(Part(own))

    # --- what is written on the span ---

    def _announce(self) -> None:
        """Say in the journal that it has begun, should its end never be written."""
        if isinstance(self.record, Repeated):
            if not self.record.announce():
                return
            run.ends_windows()
        elif self.call.kind not in STARTED or not self.record.wanted:
            return
        else:
            repeats.close()  # what is written now may come from what they made
        used = [
            said
            for role, artifact in islice(self.used.values(), MAX_STARTED)
            if isinstance(artifact, Artifact)
            and (said := ruled.said(self, used_attributes(role, artifact))) is not None
        ]
        ruled.mark(self)
        run.note(self.span, semconv.STARTED, {semconv.OPERATION_USED: used} if used else None)

    def _use_container(
        self, name: str, value: object, digest: bytes | None, is_parameter: bool
    ) -> None:
        """A dict or list may be data: what ``to_dict`` gave, or what is no parameter."""
        artifact = registry.container(value, digest)
        if artifact is None and not is_parameter:
            artifact = replace(identify(value), origin="unknown")
        if artifact is not None:
            self.use_artifact(name, artifact)


def type_name(error: BaseException) -> str:
    """The class of an exception, as ``error.type`` has it."""
    kind = type(error)
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _name(call: Call) -> str:
    """Of the span."""
    if call.library == "operation":
        return redact_again(call.name)
    return _library_name(call.library, call.name)


@lru_cache(maxsize=1024)
def _library_name(library: str, name: str) -> str:
    return redact(f"{library}.{name}")


def note_read(*values: object) -> None:
    """Objects were read inside the running operation, by a function that the caller passed."""
    operation = current_operation()
    if operation is None or not operation.call.holds_nested:
        return
    for value in values:
        identity = registry.lookup(value)
        if identity is not None:
            for artifact in identity.sources:
                operation.use_artifact("read inside", artifact)


def _made(
    id_: str,
    kind: ArtifactKind,
    name: str | None,
    rows: int | None,
    columns: int | None,
    maker: str,
    names: Names | None,
) -> Artifact:
    return Artifact(
        id_, kind, name, None, rows, columns, coverage="derivation", maker=maker, names=names
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _facts(kind: OperationKind, version: str | None) -> Part:
    attributes = {semconv.OPERATION_KIND: kind}
    return Part({**attributes, semconv.LIBRARY_VERSION: version} if version else attributes)

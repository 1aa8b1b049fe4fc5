"""One operation: from its inputs, over the call, to its outputs, as one span.

A recorded call is opened before the user's function runs and closed after it. What it used and
generated is collected here and written on the span at the very end, because the SDK keeps 128
attributes and events and drops the oldest. Where an id is not known yet, because a thread is still
digesting the data, that end comes later, with the time at which the call was over.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace
from types import FrameType, FunctionType

from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.trace import (
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from otelprov import semconv
from otelprov.artifacts import digest_value, identify
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
from otelprov.artifacts.derivation import Derivation, derivation_id
from otelprov.artifacts.registry import Identity, registry
from otelprov.model import Artifact, ArtifactKind, OperationKind
from otelprov.recording import claims, faults
from otelprov.recording.bounds import Budget
from otelprov.recording.code import caller_attributes, function_attributes
from otelprov.recording.policy import ELLIPSIS, parameter_value, redact, shorten
from otelprov.recording.run import now, run, tracer
from otelprov.recording.unchanged import unchanged

# The SDK's defaults are 128 of each. What is left out is counted on the span.
MAX_PARAMETERS = 90
MAX_USED = 60
MAX_GENERATED = 60
MAX_LINKS = 60
MAX_TEXT = 512


@dataclass(frozen=True, slots=True)
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


_current: ContextVar[OpenOperation | None] = ContextVar("otelprov_operation", default=None)


def current_operation() -> OpenOperation | None:
    """The innermost recorded operation that is running in this context."""
    return _current.get()


class OpenOperation:
    """An operation whose call is running."""

    __slots__ = (
        "_assigned",
        "_context_token",
        "_functions",
        "_generated",
        "_inputs",
        "_operation_token",
        "_outputs",
        "_parameters",
        "_plain",
        "_used",
        "ahead",
        "budget",
        "call",
        "claims",
        "content",
        "end_time",
        "ended",
        "files_not_asked",
        "span",
    )

    def __init__(
        self,
        call: Call,
        frame: FrameType | None,
        parameters: Mapping[str, object],
        given: Iterable[str],
        function: FunctionType | None = None,
    ) -> None:
        """``frame`` is the caller's; ``function`` the user's own, where the operation is one."""
        self.call = call
        self.ended = False
        self.end_time: int | None = None
        """When the call was over; what it made is looked at after that."""
        self.content: Source | None = None
        """The table that a write is writing, by its content."""
        self.budget = Budget(run.settings.digest_limit)
        """What may still be digested of files and directories."""
        self.ahead: list[Pending[Artifact]] = []
        """Digests of files that are taken while the call reads them."""
        self.claims: list[claims.Claimed] = []
        """What used files say of themselves; settled when what was read is known."""
        self.files_not_asked = 0
        """Files of directories whose claims were not looked for."""
        self._used: dict[object, tuple[str, Source]] = {}
        self._generated: dict[object, tuple[str, Source]] = {}
        self._assigned: list[tuple[object, Identity | None]] = []
        self._outputs = 0
        self._parameters = parameters
        self._plain: tuple[tuple[str, bytes | None], ...] = ()
        self._functions: tuple[bytes | None, ...] = ()
        self._inputs: list[tuple[str, Identity]] = []
        parent: Context | None = run.parent()
        self.span: Span = tracer(call.library).start_span(
            f"{call.library}.{call.name}" if call.library != "operation" else call.name,
            context=parent,
            kind=SpanKind.CLIENT if call.client else SpanKind.INTERNAL,
            start_time=now(),
        )
        if self.span.is_recording():
            place = function_attributes(function) if function else caller_attributes(frame)
            self._describe(place, given)
            if function is not None:
                self._functions = (digest_value(function),)
            elif call.library == "operation":
                self._functions = (None,)  # a block: nobody knows its code
        self._context_token: Token[Context] | None = None
        self._operation_token: Token[OpenOperation | None] | None = None

    @property
    def id(self) -> str:
        """``<trace id>-<span id>``."""
        context = self.span.get_span_context()
        return f"{context.trace_id:032x}-{context.span_id:016x}"

    # --- while the call runs ---

    def enter(self) -> None:
        """Make it the current operation and its span the current span."""
        self._context_token = context_api.attach(set_span_in_context(self.span))
        self._operation_token = _current.set(self)

    def leave(self) -> None:
        """The call is over: undo ``enter``."""
        self.end_time = now()
        if self._operation_token is not None:
            _current.reset(self._operation_token)
            self._operation_token = None
        if self._context_token is not None:
            context_api.detach(self._context_token)
            self._context_token = None

    def use(self, role: str, identity: Identity) -> None:
        """The call reads an object with this identity."""
        for source in identity.sources:
            self.use_artifact(role, source)
        self._inputs.append((role, identity))

    def use_artifact(self, role: str, artifact: Source) -> None:
        """The call reads this artifact; it plays no part in the derivation id."""
        artifact = settled(artifact)
        self._used.setdefault(_key(artifact), (role, artifact))

    def use_content(self, role: str, artifact: Source) -> None:
        """The call reads this artifact, whose id is part of the derivation id."""
        self.use(role, Identity((artifact,)))

    @property
    def used_count(self) -> int:
        """How many artifacts the call has read until now."""
        return len(self._used)

    def used_so_far(self) -> list[Source]:
        """What the call has read until now, in the order in which it was noted."""
        return [artifact for _, artifact in tuple(self._used.values())]

    # --- after the call ---

    def wrote(self, artifact: Source) -> None:
        """This used artifact is, as a whole, what was written: its content is known from that."""
        key = _key(settled(artifact))
        if key in self._used:
            role, used = self._used[key]
            self._used[key] = (role, _as_written(used, self.content))

    def generate(self, role: str, artifact: Source) -> None:
        """The call made this artifact."""
        self._generated.setdefault(_key(artifact), (role, artifact))

    def generate_content(self, role: str, value: object) -> None:
        """The call made ``value``, which is known by its content: a text, a dict, a list."""
        artifact = identify(value)
        self.generate(role, artifact)
        if artifact.coverage == "full":
            registry.remember(replace(artifact, maker=self.id), value)

    def assign(self, value: object, artifact: Source) -> bool:
        """From now on ``value`` is this artifact, unless the operation fails."""
        before = registry.lookup(value)
        if not registry.assign(value, Identity((with_(artifact, maker=self.id),))):
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
    ) -> Source:
        """A new artifact known by how it was made: the next output of this operation."""
        call, inputs = self.call, tuple(self._inputs)
        plain, functions, output = self._plain, self._functions, self._outputs
        self._outputs += 1

        def artifact() -> Artifact:
            derivation = Derivation(
                call.library,
                call.name,
                call.version,
                functions,
                plain,
                tuple((role, identity.origin()) for role, identity in inputs),
            )
            return Artifact(
                id=derivation_id(derivation, output),
                kind=kind,
                name=name,
                rows=rows,
                columns=columns,
                coverage="derivation",
            )

        waiting = [item for _, identity in inputs for item in identity.pending]
        return Pending(artifact, waiting) if waiting else artifact()

    def end(self, error: BaseException | None = None) -> None:
        """Write down what is known and end the span. A failed operation generated nothing.

        Where an id is not known yet, that is done in a thread, as soon as it is.
        """
        if self.ended:
            return
        self.ended = True
        end_time = self.end_time or now()
        if error is not None:
            for value, before in reversed(self._assigned):
                if before is None:
                    registry.forget(value)
                else:
                    registry.assign(value, before)
            self._generated.clear()
        self._assigned.clear()
        if error is not None and self.span.is_recording():
            self._fail(error, end_time)
        artifacts = (*self._used.values(), *self._generated.values())
        if pending(artifact for _, artifact in artifacts):
            background.then(lambda: self._finish(end_time))
        else:
            self._finish(end_time)

    def _finish(self, end_time: int) -> None:
        try:
            with faults.contained(f"the artifacts of {self.call.name} were not recorded"):
                if self.span.is_recording():
                    self._write_edges(end_time)
        finally:
            self.span.end(end_time=end_time)

    # --- what is written on the span ---

    def _describe(self, place: Mapping[str, str | int], given: Iterable[str]) -> None:
        length = run.settings.parameter_length
        attributes: dict[str, AttributeValue] = {}
        for name, value in self._parameters.items():
            if len(attributes) >= MAX_PARAMETERS:
                dropped = len(self._parameters) - MAX_PARAMETERS
                attributes[semconv.DROPPED_PARAMETERS] = dropped
                break
            key = semconv.PARAMETER_PREFIX + name
            attributes[key] = parameter_value(name, value, length)
        attributes[semconv.PARAMETERS_GIVEN] = [name for name in given if name in self._parameters]
        attributes[semconv.OPERATION_KIND] = self.call.kind
        attributes[semconv.TIER] = run.settings.tier
        if self.call.version:
            attributes[semconv.LIBRARY_VERSION] = self.call.version
        attributes.update(place)
        attributes.update(run.code.attributes())
        attributes[semconv.RUN_ID] = run.id
        self.span.set_attributes(attributes)
        self._derive_parameters(attributes)

    def _derive_parameters(self, shown: Mapping[str, AttributeValue]) -> None:
        plain = []
        for name, value in self._parameters.items():
            digest = digest_value(value)
            plain.append((name, digest))
            if isinstance(value, (dict, list, tuple, set, frozenset)) and value:
                self._use_container(name, value, digest, shown.get(semconv.PARAMETER_PREFIX + name))
        self._plain = tuple(plain)

    def _use_container(
        self, name: str, value: object, digest: bytes | None, text: AttributeValue | None
    ) -> None:
        """A dict or list may be data: what ``to_dict`` gave, or more than a parameter can show."""
        artifact = registry.container(value, digest)
        if artifact is None and isinstance(text, str) and ELLIPSIS in text:
            artifact = replace(identify(value), origin="unknown")
        if artifact is not None:
            self.use_artifact(name, artifact)

    def _write_edges(self, end_time: int) -> None:
        used = _known(self._used.values())
        generated = list(_known(self._generated.values()).values())
        makers = self._settle_claims(used, {artifact.id for _, artifact in generated})
        for number, limit, name in (
            (len(used), MAX_USED, semconv.DROPPED_USED),
            (len(generated), MAX_GENERATED, semconv.DROPPED_GENERATED),
        ):
            if number > limit:
                self.span.set_attribute(name, number - limit)
        for number, name in (
            (self.budget.cut, semconv.DROPPED_DIGEST_BYTES),
            (self.files_not_asked, semconv.DROPPED_CARRIERS),
        ):
            if number:
                self.span.set_attribute(name, number)
        own = self.span.get_span_context().trace_id
        for artifact_id, maker in makers[:MAX_LINKS]:
            if int(maker.trace_id, 16) != own:
                self.span.add_link(_remote(maker), attributes={semconv.USED_ID: artifact_id})
        for role, artifact in list(used.values())[:MAX_USED]:
            self.span.add_event(
                semconv.USED,
                {semconv.USED_ID: artifact.id, **_artifact(role, artifact), **_said(artifact)},
                end_time,
            )
        sources = [artifact for _, artifact in used.values()]
        unnamed = 0
        for role, artifact in generated[:MAX_GENERATED]:
            attributes = {semconv.GENERATED_ID: artifact.id, **_artifact(role, artifact)}
            same, more = unchanged(artifact, sources)
            if same is not None:
                attributes[semconv.ARTIFACT_UNCHANGED] = same
            unnamed += more
            self.span.add_event(semconv.GENERATED, attributes, end_time)
        if unnamed:
            self.span.set_attribute(semconv.DROPPED_UNCHANGED, unnamed)

    def _settle_claims(
        self, used: dict[str, tuple[str, Artifact]], made: set[str]
    ) -> list[tuple[str, Carrier]]:
        """Now that it is known what was read: whether what the files say of themselves is true,
        and by id of what was used who made it."""
        states, makers = claims.settle(self.claims, made)
        for artifact_id, state in states.items():
            role, artifact = used[artifact_id]
            used[artifact_id] = (role, replace(artifact, carrier=state))
        return list(dict.fromkeys(makers))

    def _fail(self, error: BaseException, end_time: int) -> None:
        kind = type(error)
        name = kind.__qualname__
        if kind.__module__ not in ("builtins", "__main__"):
            name = f"{kind.__module__}.{name}"
        message = shorten(redact(_message(error)), MAX_TEXT)
        stack = "".join(traceback.format_exception(kind, error, error.__traceback__, limit=-8))
        self.span.set_attribute(semconv.ERROR_TYPE, name)
        self.span.add_event(
            "exception",
            {
                "exception.type": name,
                "exception.message": message,
                "exception.stacktrace": shorten(redact(stack[-1900:]), 1900),
            },
            end_time,
        )
        self.span.set_status(Status(StatusCode.ERROR, shorten(f"{name}: {message}", MAX_TEXT)))


def note_read(*values: object) -> None:
    """Objects were read inside the running operation, by a function that the caller passed."""
    operation = _current.get()
    if operation is None or not operation.call.holds_nested:
        return
    for value in values:
        identity = registry.lookup(value)
        if identity is not None:
            for artifact in identity.sources:
                operation.use_artifact("read inside", artifact)


def with_content(artifact: Source, content: Source | None) -> Source:
    """``artifact`` with the content id that goes with it, where that rests on all of it."""
    if content is None:
        return artifact
    if isinstance(artifact, Artifact) and isinstance(content, Artifact):
        if content.coverage != "full":
            return artifact
        return replace(artifact, content_id=content.id, schema=content.schema)

    def both() -> Artifact:
        found = with_content(resolve(artifact), resolve(content))
        assert isinstance(found, Artifact)
        return found

    return Pending(both, pending((artifact, content)))


def _as_written(artifact: Source, content: Source | None) -> Source:
    """A used artifact that is known by how it was made, with the content that was written of it."""
    if isinstance(artifact, Artifact):
        return with_content(artifact, content) if artifact.coverage == "derivation" else artifact
    return Pending(
        lambda: resolve(_as_written(artifact.result(), content)), pending((artifact, content))
    )


def _key(artifact: Source) -> object:
    return artifact.id if isinstance(artifact, Artifact) else artifact


def _known(artifacts: Iterable[tuple[str, Source]]) -> dict[str, tuple[str, Artifact]]:
    """By id, and each but once: two that were pending may turn out to be one."""
    found: dict[str, tuple[str, Artifact]] = {}
    for role, source in artifacts:
        artifact = resolve(source)
        found.setdefault(artifact.id, (role, artifact))
    return found


def _remote(maker: Carrier) -> SpanContext:
    return SpanContext(
        trace_id=int(maker.trace_id, 16),
        span_id=int(maker.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


def _artifact(role: str, artifact: Artifact) -> dict[str, AttributeValue]:
    pairs: dict[str, AttributeValue | None] = {
        semconv.ARTIFACT_ROLE: role,
        semconv.ARTIFACT_KIND: artifact.kind,
        semconv.ARTIFACT_NAME: shorten(artifact.name, MAX_TEXT) if artifact.name else None,
        semconv.ARTIFACT_URI: shorten(artifact.uri, 1900) if artifact.uri else None,
        semconv.ARTIFACT_ROWS: artifact.rows,
        semconv.ARTIFACT_COLUMNS: artifact.columns,
        semconv.ARTIFACT_BYTES: artifact.bytes,
        semconv.ARTIFACT_COVERAGE: artifact.coverage,
        semconv.ARTIFACT_CONTENT_ID: artifact.content_id,
        semconv.ARTIFACT_ORIGIN: artifact.origin,
        semconv.ARTIFACT_REASON: shorten(redact(artifact.reason), MAX_TEXT)
        if artifact.reason
        else None,
    }
    return {name: value for name, value in pairs.items() if value is not None}


def _said(artifact: Artifact) -> dict[str, AttributeValue]:
    """Of what was used: who made it, and whether what it says of itself is true."""
    pairs = ((semconv.ARTIFACT_MAKER, artifact.maker), (semconv.ARTIFACT_CARRIER, artifact.carrier))
    return {name: value for name, value in pairs if value}


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a user's exception whose __str__ raises
        return f"<{type(error).__qualname__} whose text cannot be shown>"

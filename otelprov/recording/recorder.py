"""One operation: from its inputs, over the call, to its outputs, as one span.

A recorded call is opened before the user's function runs and closed after it. What it used and
generated is collected here and written on the span at the very end, because the SDK keeps 128
attributes and events and drops the oldest.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace
from types import FrameType, FunctionType

from blake3 import blake3
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
from otelprov.artifacts.registry import Identity, registry
from otelprov.model import Artifact, ArtifactKind, OperationKind
from otelprov.recording.code import caller_attributes, function_attributes
from otelprov.recording.policy import ELLIPSIS, parameter_value, redact, shorten
from otelprov.recording.run import now, run, tracer

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


@dataclass(frozen=True, slots=True)
class Producer:
    """The span that made a used artifact, as the artifact itself says."""

    artifact_id: str
    trace_id: str
    span_id: str


_current: ContextVar[OpenOperation | None] = ContextVar("otelprov_operation", default=None)


def current_operation() -> OpenOperation | None:
    """The innermost recorded operation that is running in this context."""
    return _current.get()


class OpenOperation:
    """An operation whose call is running."""

    __slots__ = (
        "_assigned",
        "_context_token",
        "_derivation",
        "_generated",
        "_operation_token",
        "_outputs",
        "_parameters",
        "_producers",
        "_used",
        "call",
        "content",
        "end_time",
        "ended",
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
        self.content: Artifact | None = None
        """The table that a write is writing, by its content, once that is known."""
        self._used: dict[str, tuple[str, Artifact]] = {}
        self._generated: dict[str, tuple[str, Artifact]] = {}
        self._producers: dict[Producer, None] = {}
        self._assigned: list[tuple[object, Identity | None]] = []
        self._outputs = 0
        self._parameters = parameters
        self._derivation = _start_derivation(call)
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
                self._derivation.update(digest_value(function) or os.urandom(32))
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
        for artifact in identity.sources:
            self.use_artifact(role, artifact)
        self._derivation.update(f"\0used {role}\0".encode("utf-8", "backslashreplace"))
        for artifact in identity.sources:
            self._derivation.update(artifact.id.encode() + b"\0")
        self._derivation.update(identity.path)

    def use_artifact(self, role: str, artifact: Artifact) -> None:
        """The call reads this artifact; it plays no part in the derivation id."""
        self._used.setdefault(artifact.id, (role, artifact))

    def use_content(self, role: str, artifact: Artifact) -> None:
        """The call reads this artifact, whose id is part of the derivation id."""
        self.use(role, Identity((artifact,)))

    def made_by(self, producer: Producer) -> None:
        """A used artifact says which span made it."""
        self._producers[producer] = None

    # --- after the call ---

    def wrote(self, artifact: Artifact) -> None:
        """This used artifact is, as a whole, what was written: its content is known from that."""
        used = self._used.get(artifact.id)
        if used is not None and artifact.coverage == "derivation":
            self._used[artifact.id] = (used[0], with_content(artifact, self.content))

    def generate(self, role: str, artifact: Artifact) -> None:
        """The call made this artifact."""
        self._generated.setdefault(artifact.id, (role, artifact))

    def generate_content(self, role: str, value: object) -> None:
        """The call made ``value``, which is known by its content: a text, a dict, a list."""
        artifact = identify(value)
        self.generate(role, artifact)
        if artifact.coverage == "full":
            registry.remember(replace(artifact, maker=self.id), value)

    def assign(self, value: object, artifact: Artifact) -> bool:
        """From now on ``value`` is this artifact, unless the operation fails."""
        before = registry.lookup(value)
        if not registry.assign(value, Identity((replace(artifact, maker=self.id),))):
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
    ) -> Artifact:
        """A new artifact known by how it was made: the next output of this operation."""
        digest = self._derivation.copy()
        digest.update(b"\0output " + str(self._outputs).encode())
        self._outputs += 1
        return Artifact(
            id=f"derived:{digest.hexdigest()}",
            kind=kind,
            name=name,
            rows=rows,
            columns=columns,
            coverage="derivation",
        )

    def end(self, error: BaseException | None = None) -> None:
        """Write down what is known and end the span. A failed operation generated nothing."""
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
        self._assigned.clear()
        if self.span.is_recording():
            if error is not None:
                self._fail(error, end_time)
            self._write_edges(end_time, failed=error is not None)
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
        for name in sorted(self._parameters):
            value = self._parameters[name]
            digest = digest_value(value)
            # A value without a canonical form makes the id unique: it must never say that two
            # operations were the same when nobody knows.
            self._derivation.update(b"\0parameter " + name.encode("utf-8", "backslashreplace"))
            self._derivation.update(os.urandom(32) if digest is None else digest)
            if isinstance(value, (dict, list, tuple, set, frozenset)) and value:
                self._use_container(name, value, digest, shown.get(semconv.PARAMETER_PREFIX + name))

    def _use_container(
        self, name: str, value: object, digest: bytes | None, text: AttributeValue | None
    ) -> None:
        """A dict or list may be data: what ``to_dict`` gave, or more than a parameter can show."""
        artifact = registry.container(value, digest)
        if artifact is None and isinstance(text, str) and ELLIPSIS in text:
            artifact = replace(identify(value), origin="unknown")
        if artifact is not None:
            self.use_artifact(name, artifact)

    def _write_edges(self, end_time: int, *, failed: bool) -> None:
        used = list(self._used.values())
        generated = [] if failed else list(self._generated.values())
        for number, limit, name in (
            (len(used), MAX_USED, semconv.DROPPED_USED),
            (len(generated), MAX_GENERATED, semconv.DROPPED_GENERATED),
        ):
            if number > limit:
                self.span.set_attribute(name, number - limit)
        own = self.span.get_span_context().trace_id
        for producer in list(self._producers)[:MAX_LINKS]:
            if int(producer.trace_id, 16) != own:
                self.span.add_link(
                    _remote(producer), attributes={semconv.USED_ID: producer.artifact_id}
                )
        for role, artifact in used[:MAX_USED]:
            self.span.add_event(
                semconv.USED,
                {semconv.USED_ID: artifact.id, **_artifact(role, artifact), **_maker(artifact)},
                end_time,
            )
        for role, artifact in generated[:MAX_GENERATED]:
            self.span.add_event(
                semconv.GENERATED,
                {semconv.GENERATED_ID: artifact.id, **_artifact(role, artifact)},
                end_time,
            )

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


def with_content(artifact: Artifact, content: Artifact | None) -> Artifact:
    """``artifact`` with the content id that goes with it, where that rests on all of it."""
    if content is None or content.coverage != "full":
        return artifact
    return replace(artifact, content_id=content.id)


def _start_derivation(call: Call) -> blake3:
    digest = blake3(b"otelprov derivation 1")
    for part in (call.library, call.name, call.version or ""):
        digest.update(b"\0" + part.encode("utf-8", "backslashreplace"))
    return digest


def _remote(producer: Producer) -> SpanContext:
    return SpanContext(
        trace_id=int(producer.trace_id, 16),
        span_id=int(producer.span_id, 16),
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


def _maker(artifact: Artifact) -> dict[str, AttributeValue]:
    return {semconv.ARTIFACT_MAKER: artifact.maker} if artifact.maker else {}


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a user's exception whose __str__ raises
        return f"<{type(error).__qualname__} whose text cannot be shown>"

"""Spans into operations and runs; one way for every source, so that all give the same graph."""

from __future__ import annotations

import json
import re
from typing import cast, get_args

from otelprov import semconv
from otelprov.journal.reader import Attributes, Span, Value
from otelprov.model import (
    Artifact,
    ArtifactKind,
    CarrierState,
    Code,
    Coverage,
    Link,
    Operation,
    OperationKind,
    ParameterValue,
    Run,
    Status,
    Usage,
    id_prefix,
)

_KINDS = frozenset(get_args(OperationKind)) - {"run"}
_ARTIFACT_KINDS = frozenset(get_args(ArtifactKind))
_COVERAGES = frozenset(get_args(Coverage))
_CARRIER_STATES = frozenset(get_args(CarrierState))
_RUN = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}|process-[0-9a-f]{32}")


def is_operation(span: Span) -> bool:
    """Whether otelprov recorded the span, as an operation and not as a run."""
    kind = span.attributes.get(semconv.OPERATION_KIND)
    return isinstance(kind, str) and kind in _KINDS


def is_run(span: Span) -> bool:
    """Whether the span is that of a run."""
    return span.attributes.get(semconv.OPERATION_KIND) == "run"


def operation(span: Span) -> Operation:
    """The operation that a span records."""
    attributes = span.attributes
    start, end = _times(span)
    run = _text(attributes, semconv.RUN_ID)
    return Operation(
        trace_id=span.trace_id,
        span_id=span.span_id,
        name=span.name,
        kind=cast(OperationKind, attributes.get(semconv.OPERATION_KIND, "transform")),
        status=_status(span),
        start=start,
        end=end,
        service=span.service,
        run=run if run and _RUN.fullmatch(run) else None,
        parent_span_id=span.parent_span_id,
        code=_code(attributes),
        parameters=_parameters(attributes),
        given=_texts(attributes, semconv.PARAMETERS_GIVEN),
        used=_usages(span, semconv.USED, semconv.USED_ID),
        generated=_usages(span, semconv.GENERATED, semconv.GENERATED_ID),
        links=tuple(
            # Jaeger keeps the linked span but not the link's attributes: there the id is empty.
            Link(_text(link.attributes, semconv.USED_ID) or "", link.trace_id, link.span_id)
            for link in span.links
        ),
        error=_error(span),
        dropped=(_number(attributes, semconv.DROPPED_USED) or 0)
        + (_number(attributes, semconv.DROPPED_GENERATED) or 0),
        calls=_number(attributes, semconv.REPEATED_COUNT) or 1,
        pending=span.pending or 0,
    )


def run(span: Span, operations: int) -> Run:
    """The run that a span records; ``operations`` is the number that it carried out."""
    start, end = _times(span)
    return Run(
        trace_id=span.trace_id,
        span_id=span.span_id,
        name=span.name,
        service=span.service,
        status=_status(span),
        start=start,
        end=end if span.end else None,
        command=_texts(span.attributes, semconv.PROCESS_ARGS),
        code=_code(span.attributes),
        operations=operations,
        said=_number(span.attributes, semconv.RUN_OPERATIONS),
        error=_error(span),
        replaced=_text(span.attributes, semconv.RUN_REPLACED),
    )


def _times(span: Span) -> tuple[int, int]:
    # Jaeger keeps start and duration, each cut to whole microseconds: the same is done here.
    start = span.start // 1000
    duration = max(span.end - span.start, 0) // 1000
    return start * 1000, (start + duration) * 1000


def _status(span: Span) -> Status:
    if span.failed:
        return "error"
    return "ok" if span.end else "unknown"


def _error(span: Span) -> str | None:
    if not span.failed:
        return None
    return span.message or _text(span.attributes, semconv.ERROR_TYPE) or "failed"


def _code(attributes: Attributes) -> Code:
    dirty = attributes.get(semconv.CODE_DIRTY)
    return Code(
        revision=_text(attributes, semconv.VCS_REVISION),
        branch=_text(attributes, semconv.VCS_BRANCH),
        repository=_text(attributes, semconv.VCS_REPOSITORY),
        dirty=dirty if isinstance(dirty, bool) else None,
        change=_text(attributes, semconv.CODE_CHANGE),
        function=_text(attributes, semconv.CODE_FUNCTION),
        file=_text(attributes, semconv.CODE_FILE),
        line=_number(attributes, semconv.CODE_LINE),
    )


def _parameters(attributes: Attributes) -> dict[str, ParameterValue]:
    prefix = semconv.PARAMETER_PREFIX
    return {
        key.removeprefix(prefix): _as_text(value) if isinstance(value, list) else value
        for key, value in sorted(attributes.items())
        if key.startswith(prefix)
    }


def _as_text(value: list[Value]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _usages(span: Span, event_name: str, id_key: str) -> tuple[Usage, ...]:
    found = []
    for event in span.events:
        id_ = _text(event.attributes, id_key)
        if event.name == event_name and id_:
            role = _text(event.attributes, semconv.ARTIFACT_ROLE) or ""
            found.append(Usage(role, _artifact(id_, event.attributes)))
    return tuple(found)


def _artifact(id_: str, attributes: Attributes) -> Artifact:
    kind = _text(attributes, semconv.ARTIFACT_KIND)
    if kind not in _ARTIFACT_KINDS:
        prefix = id_prefix(id_)
        kind = prefix if prefix in _ARTIFACT_KINDS else "object"
    coverage = _text(attributes, semconv.ARTIFACT_COVERAGE)
    if coverage not in _COVERAGES:
        # Of a version nobody knows by which evidence; the weakest is assumed.
        without = {"derived": "derivation", "version": "status", "resource": "none"}
        coverage = without.get(id_prefix(id_), "full")
    carrier = _text(attributes, semconv.ARTIFACT_CARRIER)
    return Artifact(
        id=id_,
        kind=cast(ArtifactKind, kind),
        name=_text(attributes, semconv.ARTIFACT_NAME),
        uri=_text(attributes, semconv.ARTIFACT_URI),
        rows=_number(attributes, semconv.ARTIFACT_ROWS),
        columns=_number(attributes, semconv.ARTIFACT_COLUMNS),
        bytes=_number(attributes, semconv.ARTIFACT_BYTES),
        coverage=cast(Coverage, coverage),
        content_id=_text(attributes, semconv.ARTIFACT_CONTENT_ID),
        reason=_text(attributes, semconv.ARTIFACT_REASON),
        maker=_text(attributes, semconv.ARTIFACT_MAKER),
        carrier=cast(CarrierState, carrier) if carrier in _CARRIER_STATES else None,
        origin="unknown" if attributes.get(semconv.ARTIFACT_ORIGIN) == "unknown" else None,
    )


def _text(attributes: Attributes, key: str) -> str | None:
    value = attributes.get(key)
    return value if isinstance(value, str) and value else None


def _number(attributes: Attributes, key: str) -> int | None:
    value = attributes.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _texts(attributes: Attributes, key: str) -> tuple[str, ...]:
    """A string[] attribute; Jaeger gives it as JSON text."""
    value = attributes.get(key)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return (cast(str, value),)
    return tuple(str(item) for item in value) if isinstance(value, list) else ()

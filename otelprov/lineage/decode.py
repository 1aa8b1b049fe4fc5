"""Spans into operations and runs; one way for every source, so that all give the same graph."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast, get_args

from otelprov import semconv
from otelprov.journal.reader import Attributes, Span, Value
from otelprov.model import (
    Artifact,
    ArtifactKind,
    CarrierState,
    Check,
    Code,
    Coverage,
    Link,
    Names,
    Operation,
    OperationKind,
    ParameterValue,
    Passage,
    Run,
    Status,
    Usage,
    id_prefix,
)

_KINDS = frozenset(get_args(OperationKind)) - {"run"}
_ARTIFACT_KINDS = frozenset(get_args(ArtifactKind))
_COVERAGES = frozenset(get_args(Coverage))
_CARRIER_STATES = frozenset(get_args(CarrierState))
_PARAMETER = semconv.PARAMETER_PREFIX
_RUN = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}|process-[0-9a-f]{32}")

# By attribute: the field that it becomes, and its type there. Another type counts as not said.
_CODE: Mapping[str, tuple[str, type]] = {
    semconv.VCS_REVISION: ("revision", str),
    semconv.VCS_BRANCH: ("branch", str),
    semconv.VCS_REPOSITORY: ("repository", str),
    semconv.CODE_DIRTY: ("dirty", bool),
    semconv.CODE_CHANGE: ("change", str),
    semconv.CODE_FUNCTION: ("function", str),
    semconv.CODE_FILE: ("file", str),
    semconv.CODE_LINE: ("line", int),
}
_ARTIFACT: Mapping[str, tuple[str, type]] = {
    semconv.ARTIFACT_KIND: ("kind", str),
    semconv.ARTIFACT_NAME: ("name", str),
    semconv.ARTIFACT_URI: ("uri", str),
    semconv.ARTIFACT_ROWS: ("rows", int),
    semconv.ARTIFACT_COLUMNS: ("columns", int),
    semconv.ARTIFACT_BYTES: ("bytes", int),
    semconv.ARTIFACT_COVERAGE: ("coverage", str),
    semconv.ARTIFACT_CONTENT_ID: ("content_id", str),
    semconv.ARTIFACT_SCHEMA: ("schema_id", str),
    semconv.ARTIFACT_VERSION: ("version", str),
    semconv.ARTIFACT_REASON: ("reason", str),
    semconv.ARTIFACT_MAKER: ("maker", str),
    semconv.ARTIFACT_CARRIER: ("carrier", str),
    semconv.ARTIFACT_ORIGIN: ("origin", str),
}


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
    used, generated = _usages(span)
    return Operation(  # by place: a walk makes thousands
        span.trace_id,
        span.span_id,
        span.name,
        cast(OperationKind, attributes.get(semconv.OPERATION_KIND, "transform")),
        _status(span),
        start,
        end,
        span.service,
        _run_id(_text(attributes, semconv.RUN_ID)),
        span.parent_span_id,
        _code(attributes),
        _parameters(attributes),
        _texts(attributes, semconv.PARAMETERS_GIVEN),
        used,
        generated,
        # Jaeger keeps the linked span but not the link's attributes: there the id is empty.
        tuple(
            [
                Link(_text(link.attributes, semconv.USED_ID) or "", link.trace_id, link.span_id)
                for link in span.links
            ]
        ),
        _error(span),
        (_number(attributes, semconv.DROPPED_USED) or 0)
        + (_number(attributes, semconv.DROPPED_GENERATED) or 0),
        _number(attributes, semconv.REPEATED_COUNT) or 1,
        span.pending or 0,
        "".join(_texts(attributes, semconv.QUERY_PIECES))
        or _text(attributes, semconv.DB_QUERY_TEXT),
        _views(attributes),
        _inputs(attributes),
        _check(attributes),
    )


def _views(attributes: Attributes) -> tuple[tuple[str, ...], ...]:
    said = _texts(attributes, semconv.QUERY_VIEWS)
    try:
        found = json.loads("".join(said)) if said else ()
        return tuple(tuple(map(str, one)) for one in found if len(one) > 1)
    except (ValueError, TypeError):
        return ()


def _check(attributes: Attributes) -> Check | None:
    outcome = _text(attributes, semconv.CHECK_OUTCOME)
    if outcome not in ("passed", "failed"):
        return None
    number = _number(attributes, semconv.CHECK_FAILURES) or 0
    return Check(outcome == "passed", number, _texts(attributes, semconv.CHECK_FAILED))


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


@lru_cache(maxsize=64)  # few runs carry out many operations
def _run_id(text: str | None) -> str | None:
    return text if text and _RUN.fullmatch(text) else None


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
    try:
        return _code_of(*map(attributes.get, _CODE))  # type: ignore[arg-type]
    except TypeError:  # a list is none of them, and cannot be looked up
        said = map(attributes.get, _CODE)
        return _code_of(*[None if isinstance(value, list) else value for value in said])


@lru_cache(maxsize=4096, typed=True)  # few lines of code make many operations
def _code_of(*said: str | float | None) -> Code:
    known = {
        name: value
        for (name, kind), value in zip(_CODE.values(), said, strict=True)
        if type(value) is kind and value != ""
    }
    return Code(**known)  # type: ignore[arg-type]


def _parameters(attributes: Attributes) -> dict[str, ParameterValue]:
    found: dict[str, ParameterValue] = {}
    for key in sorted([key for key in attributes if key.startswith(_PARAMETER)]):
        value = attributes[key]
        found[key[len(_PARAMETER) :]] = _as_text(value) if isinstance(value, list) else value
    return found


def _as_text(value: list[Value]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _usages(span: Span) -> tuple[tuple[Usage, ...], tuple[Usage, ...]]:
    """What was used, and what was generated."""
    used: list[Usage] = []
    generated: list[Usage] = []
    for name, attributes in span.events:
        if name == semconv.USED:
            found, id_ = used, attributes.get(semconv.USED_ID)
        elif name == semconv.GENERATED:
            found, id_ = generated, attributes.get(semconv.GENERATED_ID)
        else:
            continue
        if id_ and isinstance(id_, str):
            role = _text(attributes, semconv.ARTIFACT_ROLE) or ""
            found.append(Usage(role, _artifact(id_, attributes), _passage(attributes)))
    return tuple(used), tuple(generated)


def _artifact(id_: str, attributes: Attributes) -> Artifact:
    known: dict[str, Any] = {}
    for key, value in attributes.items():
        if key in _ARTIFACT:
            name, meaning = _ARTIFACT[key]
            if type(value) is meaning and value != "":
                known[name] = value
    get = known.get
    kind, coverage = cast(ArtifactKind, get("kind")), cast(Coverage, get("coverage"))
    carrier, origin = get("carrier"), get("origin")
    if kind not in _ARTIFACT_KINDS:
        prefix = id_prefix(id_)
        kind = cast(ArtifactKind, prefix if prefix in _ARTIFACT_KINDS else "object")
    if coverage not in _COVERAGES:
        # Of a version nobody knows by which evidence; the weakest is assumed.
        without: dict[str, Coverage]
        without = {"derived": "derivation", "version": "status", "resource": "none"}
        coverage = without.get(id_prefix(id_), "full")
    return Artifact(
        id_,
        kind,
        get("name"),
        get("uri"),
        get("rows"),
        get("columns"),
        get("bytes"),
        coverage,
        get("content_id"),
        get("reason"),
        "unknown" if origin == "unknown" else None,
        get("maker"),
        carrier if carrier in _CARRIER_STATES else None,
        schema_id=get("schema_id"),
        version=get("version"),
        names=_names(attributes) if semconv.ARTIFACT_COLUMN_NAMES in attributes else None,
    )


# --- columns -------------------------------------------------------------------------------------

_PASSAGE = frozenset(
    {semconv.ARTIFACT_UNCHANGED, semconv.ARTIFACT_COLUMN_SOURCES, semconv.ARTIFACT_NAMED}
)


def _passage(attributes: Attributes) -> Passage | None:
    """What is said of the columns of an artifact; None where nothing is: nearly always."""
    if _PASSAGE.isdisjoint(attributes):
        return None
    unchanged: dict[str, dict[str, str]] = {}
    said = _json(attributes, semconv.ARTIFACT_UNCHANGED)
    for id_, pairs in said.items() if isinstance(said, dict) else ():
        if isinstance(pairs, dict):
            unchanged[id_] = {here: there for here, there in pairs.items() if type(there) is str}
    named = _json(attributes, semconv.ARTIFACT_NAMED)
    return Passage(
        unchanged,
        _texts(attributes, semconv.ARTIFACT_COLUMN_SOURCES),
        tuple(one for one in named if type(one) is str) if isinstance(named, list) else (),
    )


def _names(attributes: Attributes) -> Names | None:
    columns = _json(attributes, semconv.ARTIFACT_COLUMN_NAMES)
    index = _json(attributes, semconv.ARTIFACT_INDEX_NAMES)
    if not isinstance(columns, list):
        return None
    complete = columns[-1:] != [None]
    return Names(
        tuple(one for one in columns if isinstance(one, str)),
        tuple(one if isinstance(one, str) else None for one in index)
        if isinstance(index, list)
        else (),
        complete,
    )


def _inputs(attributes: Attributes) -> dict[str, dict[str, tuple[str | None, ...] | None]]:
    said = _json(attributes, semconv.OPERATION_INPUTS)
    found: dict[str, dict[str, tuple[str | None, ...] | None]] = {}
    for role, taken in said.items() if isinstance(said, dict) else ():
        if isinstance(taken, dict):
            found[role] = {
                id_: tuple(one if isinstance(one, str) else None for one in columns)
                if isinstance(columns, list)
                else None
                for id_, columns in taken.items()
            }
    return found


def _json(attributes: Attributes, key: str) -> Any:
    """What a text says in JSON; None where it is none."""
    text = attributes.get(key)
    if not isinstance(text, str):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


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

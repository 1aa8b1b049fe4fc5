"""Jaeger as a source, over the API that its own page uses (``/api/traces``, seen in 1.76).

Jaeger finds a span by one exact scalar value, in the attributes of span, resource and events, and
only together with a service: every question is put to every service. It answers with whole traces.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from otelprov import semconv
from otelprov.journal.reader import Attributes, Event, Span, SpanLink, Value
from otelprov.lineage import decode
from otelprov.lineage.sources import ALL, SourceError, Wanted
from otelprov.lineage.sources.http import Refused, Server
from otelprov.model import Operation, Run

_LIMIT = 1000  # traces in one answer
_DAY = 86_400_000_000  # microseconds
_WORKERS = 8


class JaegerSource:
    """The operations in the Jaeger whose query service is at ``url``."""

    def __init__(self, url: str, *, timeout: float = 30) -> None:
        self._server = Server(url, "Jaeger", "jaeger+http://HOST:PORT", timeout=timeout)
        self.name = self._server.url
        self._services: list[str] | None = None
        self._spans: dict[str, dict[str, Span]] = {}
        self._limit = _LIMIT
        self._cut: set[str] = set()

    def producers(self, ids: Collection[str]) -> dict[str, list[Operation]]:
        """The operations that generated each artifact."""
        return self._by_artifact(semconv.GENERATED_ID, ids, lambda operation: operation.generated)

    def consumers(self, ids: Collection[str]) -> dict[str, list[Operation]]:
        """The operations that used each artifact."""
        return self._by_artifact(semconv.USED_ID, ids, lambda operation: operation.used)

    def operation(self, trace_id: str, span_id: str) -> Operation | None:
        """One operation, when Jaeger has it."""
        span = self._trace(trace_id).get(span_id)
        return decode.operation(span) if span and decode.is_operation(span) else None

    def trace(self, trace_id: str) -> list[Operation]:
        """The operations of a trace, oldest first."""
        return _operations(self._trace(trace_id).values())

    def run(self, trace_id: str, span_id: str) -> Run | None:
        """One run, when Jaeger has its run span."""
        span = self._trace(trace_id).get(span_id)
        return self._run(span) if span and decode.is_run(span) else None

    def runs(self, limit: int, wanted: Wanted = ALL) -> list[Run]:
        """The newest runs."""
        self._search([(semconv.OPERATION_KIND, "run")])
        spans = [span for trace in list(self._spans.values()) for span in trace.values()]
        runs = [
            self._run(span)
            for span in spans
            if decode.is_run(span)
            and span.start >= wanted.since
            and (wanted.name is None or wanted.name in span.name)
            and (wanted.operation is None or self._carried_out(span, wanted.operation))
        ]
        return sorted(runs, key=lambda run: (-run.start, run.id))[:limit]

    def complete(self, prefix: str) -> list[str]:
        """Only a whole id; Jaeger cannot search for a beginning.

        Raises:
            SourceError: the id is not whole.
        """
        kind, _, digits = prefix.rpartition(":")
        if not kind or len(digits) != 64:
            raise SourceError(
                f"Jaeger needs a whole id: the kind, a colon and 64 hex digits; "
                f"{prefix!r} is only its beginning"
            )
        known = self.producers([prefix])[prefix] or self.consumers([prefix])[prefix]
        return [prefix] if known or self.holding(prefix) else []

    def holding(self, content_id: str) -> list[str]:
        """The ids of derived artifacts whose content has this id, newest first."""
        return self._artifacts(semconv.ARTIFACT_CONTENT_ID, [content_id])

    def at(self, uris: Sequence[str]) -> list[str]:
        """The ids of artifacts read from or written to one of these places, newest first."""
        return self._artifacts(semconv.ARTIFACT_URI, uris)

    def tables_of(self, database: str) -> list[str]:
        """None: it is searched for whole values only."""
        return []

    def problems(self) -> list[str]:
        """Searches that had more answers than Jaeger was asked for."""
        return sorted(self._cut)

    # --- answers into operations ---------------------------------------------------------------

    def _by_artifact(
        self, key: str, ids: Collection[str], usages: Callable[[Operation], Iterable[Any]]
    ) -> dict[str, list[Operation]]:
        found: dict[str, list[Operation]] = {id_: [] for id_ in ids}
        traces = self._search([(key, id_) for id_ in found])
        for operation in _operations(span for id_ in traces for span in self._spans[id_].values()):
            for artifact_id in {usage.artifact.id for usage in usages(operation)}:
                if artifact_id in found:
                    found[artifact_id].append(operation)
        return found

    def _artifacts(self, key: str, values: Sequence[str]) -> list[str]:
        newest: dict[str, int] = {}
        for trace_id in self._search([(key, value) for value in values]):
            for span in self._spans[trace_id].values():
                for event in span.events:
                    id_ = event.attributes.get(semconv.GENERATED_ID) or event.attributes.get(
                        semconv.USED_ID
                    )
                    if event.attributes.get(key) in values and isinstance(id_, str):
                        newest[id_] = max(span.start, newest.get(id_, 0))
        return sorted(newest, key=lambda id_: (-newest[id_], id_))

    def absences(self, before: int | None) -> list[str]:
        """Jaeger does not say what it has deleted."""
        return []

    def _carried_out(self, run: Span, operation: str) -> bool:
        id_ = f"{run.trace_id}-{run.span_id}"
        return any(
            one.name == operation and one.attributes.get(semconv.RUN_ID) == id_
            for one in self._trace(run.trace_id).values()
        )

    def _run(self, span: Span) -> Run:
        id_ = f"{span.trace_id}-{span.span_id}"
        operations = self._trace(span.trace_id).values()
        count = sum(
            decode.is_operation(one) and one.attributes.get(semconv.RUN_ID) == id_
            for one in operations
        )
        return decode.run(span, count)

    # --- asking --------------------------------------------------------------------------------

    def _trace(self, trace_id: str) -> dict[str, Span]:
        if trace_id not in self._spans:
            try:
                answer = self._get(f"api/traces/{trace_id}")
            except Refused as error:
                if error.status != 404:
                    raise
                answer = []
            for trace in answer:
                self._keep(trace)
        return self._spans.get(trace_id, {})

    def _search(self, tags: Sequence[tuple[str, str]]) -> list[str]:
        """The ids of the traces with a span that has one of the tags; their spans are kept."""
        if self._services is None:
            self._services = sorted(self._get("api/services"))
        questions = [(service, *tag) for service in self._services for tag in tags]
        with ThreadPoolExecutor(_WORKERS) as pool:
            answers = list(pool.map(lambda question: self._ask(*question), questions))
        found = {}
        for answer in answers:
            for trace in answer:
                found[self._keep(trace)] = True
        return sorted(found)

    def _ask(self, service: str, key: str, value: str) -> Any:
        while True:
            limit = self._limit
            parameters = {
                "service": service,
                "tags": json.dumps({key: value}),
                # Without a start Jaeger looks two days back. The end allows for clocks that differ.
                "start": "0",
                "end": str(int(time.time() * 1_000_000) + _DAY),
                "limit": str(limit),
            }
            try:
                answer = self._get("api/traces", parameters)
            except Refused as error:
                # The memory storage refuses a limit above the traces it is set to hold.
                if "search depth" not in str(error) or limit <= 10:
                    raise
                self._limit = limit // 2
                continue
            if len(answer) >= limit:
                self._cut.add(
                    f"{self.name}: more than {limit} traces of {service} have {key}={value}; "
                    "the others were not looked at"
                )
            return answer

    def _get(self, path: str, parameters: dict[str, str] | None = None) -> Any:
        try:
            return self._server.get(path, parameters)["data"] or []
        except (KeyError, TypeError):
            raise SourceError(
                f"what answers at {self.name} is not Jaeger's query service "
                "(its port is 16686 by default)"
            ) from None

    def _keep(self, trace: dict[str, Any]) -> str:
        try:
            trace_id = str(trace["traceID"]).rjust(32, "0")
            if trace_id not in self._spans:
                spans = (_span(message, trace) for message in trace["spans"])
                self._spans[trace_id] = {span.span_id: span for span in spans}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SourceError(
                f"Jaeger at {self.name} gave a trace that is not understood "
                f"({type(error).__name__}: {error})"
            ) from None
        return trace_id


def _operations(spans: Iterable[Span]) -> list[Operation]:
    operations = [decode.operation(span) for span in spans if decode.is_operation(span)]
    return sorted(operations, key=lambda operation: (operation.end, operation.id))


def _span(message: dict[str, Any], trace: dict[str, Any]) -> Span:
    attributes = _attributes(message.get("tags"))
    trace_id = str(message["traceID"]).rjust(32, "0")
    process = (trace.get("processes") or {}).get(message.get("processID")) or {}
    parent = None
    links = []
    for reference in message.get("references") or ():
        target = (str(reference["traceID"]).rjust(32, "0"), str(reference["spanID"]).rjust(16, "0"))
        if reference.get("refType") == "CHILD_OF":
            parent = target[1]
        else:
            links.append(SpanLink(*target))
    start = int(message["startTime"]) * 1000
    description = attributes.get("otel.status_description")
    return Span(
        trace_id=trace_id,
        span_id=str(message["spanID"]).rjust(16, "0"),
        parent_span_id=parent,
        name=str(message["operationName"]),
        start=start,
        end=start + int(message["duration"]) * 1000,
        service=str(process.get("serviceName", "unknown_service")),
        attributes=attributes,
        events=tuple(_event(log) for log in message.get("logs") or ()),
        links=tuple(links),
        failed=attributes.get("error") is True or attributes.get("otel.status_code") == "ERROR",
        message=description if isinstance(description, str) else None,
    )


def _event(log: dict[str, Any]) -> Event:
    fields = dict(_attributes(log.get("fields")))
    name = fields.pop("event", "")
    return Event(str(name), fields)


def _attributes(tags: Any) -> Attributes:
    found: dict[str, Value] = {}
    for tag in tags or ():
        value = tag.get("value")
        if tag.get("type") == "float64":
            value = float(value)
        elif tag.get("type") == "int64":
            value = int(value)  # a number in the answers of 1.76, text in older ones
        if isinstance(value, str | bool | int | float):
            found[str(tag["key"])] = value
    return found

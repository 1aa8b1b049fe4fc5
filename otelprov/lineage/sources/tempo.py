"""Tempo as a source, over its HTTP API: a TraceQL search for the ids, then the traces whole.

Written from Tempo's documentation and the messages in its source (3.0), and tested against a server
that answers so; no real Tempo was at hand. What shapes it:

- ``{ event.NAME =~ "a|b|c" }`` asks for a whole level of a walk at once;
- a search without ``start`` and ``end`` sees only what is recent, and one over more than
  ``max_duration`` (168 h by default) is refused: it is put again in pieces that are allowed;
- the newest 30 seconds are not searched by default (``query_end_cutoff``); a trace that is asked
  for by its id is found at once;
- trace ids are printed without leading zeros, and in traces ids are base64;
- texts are cut at 2,048 bytes (``max_attribute_bytes``).
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from otelprov import semconv
from otelprov.journal import reader
from otelprov.journal.reader import DamagedLine, Span
from otelprov.lineage import decode
from otelprov.lineage.sources import ALL, AddressError, SourceError, Wanted
from otelprov.lineage.sources.http import Refused, Server
from otelprov.model import Operation, Run

DAYS = 15
"""How far back searches go, unless the address says so; Tempo keeps 14 days by default."""
CUT = 2048
"""Bytes at which Tempo cuts a text."""
UNSEARCHED = "the spans of the newest 30 seconds, which Tempo does not search by default"

_LIMIT = 1000  # traces in one answer
_TOGETHER = 64  # values in one question: below 8 kB of address, what proxies take
_HOUR = 3600
_SETTLED = 60  # seconds after which a search sees a span: the cutoff, and clocks that differ
_WORKERS = 8
_SINCE = re.compile(r"(\d{1,5})([hd])")


class TempoSource:
    """The operations in the Tempo at ``url``, which may end in ``?since=90d`` (or hours, ``h``)."""

    def __init__(self, url: str, *, timeout: float = 30) -> None:
        url, _, query = url.partition("?")
        self._back = DAYS * 24 * _HOUR
        if query:
            since = _SINCE.fullmatch(query.removeprefix("since="))
            if since is None or not query.startswith("since="):
                raise AddressError(f"{query!r} is not understood; expected since=90d or since=12h")
            self._back = int(since[1]) * (24 if since[2] == "d" else 1) * _HOUR
        self._server = Server(url, "Tempo", "tempo+http://HOST:PORT", timeout=timeout)
        self.name = self._server.url
        self._asked = time.time()
        self._limit = _LIMIT
        self._longest: int | None = None
        self._spans: dict[str, dict[str, Span]] = {}
        self._problems: set[str] = set()

    def producers(self, ids: Collection[str]) -> dict[str, list[Operation]]:
        """The operations that generated each artifact."""
        return self._by_artifact(semconv.GENERATED_ID, ids, lambda operation: operation.generated)

    def consumers(self, ids: Collection[str]) -> dict[str, list[Operation]]:
        """The operations that used each artifact."""
        return self._by_artifact(semconv.USED_ID, ids, lambda operation: operation.used)

    def operation(self, trace_id: str, span_id: str) -> Operation | None:
        """One operation, when Tempo has it."""
        span = self._trace(trace_id).get(span_id)
        return decode.operation(span) if span and decode.is_operation(span) else None

    def trace(self, trace_id: str) -> list[Operation]:
        """The operations of a trace, oldest first."""
        return _operations(self._trace(trace_id).values())

    def run(self, trace_id: str, span_id: str) -> Run | None:
        """One run, when Tempo has its run span."""
        span = self._trace(trace_id).get(span_id)
        return self._run(span) if span and decode.is_run(span) else None

    def runs(self, limit: int, wanted: Wanted = ALL) -> list[Run]:
        """The newest runs."""
        traces = self._search([f'span.{semconv.OPERATION_KIND} = "run"'])
        spans = [span for trace_id in traces for span in self._spans[trace_id].values()]
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
        """The artifact ids that begin with ``prefix``, at most 20."""
        pattern = re.escape(prefix) if ":" in prefix else f"[a-z.0-9]+:{re.escape(prefix)}"
        keys = (semconv.GENERATED_ID, semconv.USED_ID, semconv.ARTIFACT_CONTENT_ID)
        traces = self._search([f"event.{key} =~ {_quoted(pattern + '.*')}" for key in keys])
        begins = re.compile(pattern)
        found = {
            str(event.attributes[key])
            for trace_id in traces
            for span in self._spans[trace_id].values()
            for event in span.events
            for key in keys[:2]
            if begins.match(str(event.attributes.get(key, "")))
        }
        return sorted(found)[:20]

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
        """What was not looked at, and what Tempo has cut."""
        return sorted(self._problems)

    def absences(self, before: int | None) -> list[str]:
        """What is too new to be searched."""
        newest = (self._asked - _SETTLED) * 10**9
        return [UNSEARCHED] if before is None or before >= newest else []

    def _carried_out(self, run: Span, operation: str) -> bool:
        id_ = f"{run.trace_id}-{run.span_id}"
        return any(
            one.name == operation and one.attributes.get(semconv.RUN_ID) == id_
            for one in self._trace(run.trace_id).values()
        )

    # --- answers into operations ---------------------------------------------------------------

    def _by_artifact(
        self, key: str, ids: Collection[str], usages: Callable[[Operation], Iterable[Any]]
    ) -> dict[str, list[Operation]]:
        found: dict[str, list[Operation]] = {id_: [] for id_ in ids}
        traces = self._search(_one_of(key, sorted(found)))
        for operation in _operations(span for id_ in traces for span in self._spans[id_].values()):
            for artifact_id in {usage.artifact.id for usage in usages(operation)}:
                if artifact_id in found:
                    found[artifact_id].append(operation)
        return found

    def _artifacts(self, key: str, values: Sequence[str]) -> list[str]:
        newest: dict[str, int] = {}
        for trace_id in self._search(_one_of(key, values)):
            for span in self._spans[trace_id].values():
                for event in span.events:
                    id_ = event.attributes.get(semconv.GENERATED_ID) or event.attributes.get(
                        semconv.USED_ID
                    )
                    if event.attributes.get(key) in values and isinstance(id_, str):
                        newest[id_] = max(span.start, newest.get(id_, 0))
        return sorted(newest, key=lambda id_: (-newest[id_], id_))

    def _run(self, span: Span) -> Run:
        id_ = f"{span.trace_id}-{span.span_id}"
        operations = self._trace(span.trace_id).values()
        count = sum(
            decode.is_operation(one) and one.attributes.get(semconv.RUN_ID) == id_
            for one in operations
        )
        return decode.run(span, count)

    # --- asking --------------------------------------------------------------------------------

    def _search(self, conditions: Sequence[str]) -> list[str]:
        """The ids of the traces with a span that meets one of the conditions; spans are kept."""
        now = int(time.time())
        found: set[str] = set()
        for condition in conditions:
            end = now + _HOUR  # clocks differ
            while end > now - self._back:  # newest first, as far as one question may go
                start = max(now - self._back, end - (self._longest or end))
                answer = self._ask(f"{{ {condition} }}", start, end)
                if answer is not None:
                    found.update(answer)
                    end = start
        with ThreadPoolExecutor(_WORKERS) as pool:
            list(pool.map(self._trace, sorted(found)))
        return [trace_id for trace_id in sorted(found) if self._spans.get(trace_id)]

    def _ask(self, query: str, start: int, end: int) -> list[str] | None:
        """The ids of traces; None where the question has to be put again within other limits."""
        parameters = {
            "q": query,
            "start": str(start),
            "end": str(end),
            "limit": str(self._limit),
            "spss": "1",  # whole traces are fetched: which spans matched does not matter
        }
        try:
            answer = self._server.get("api/search", parameters)
        except Refused as error:
            if not self._is_adapted(str(error), end - start):
                raise
            return None
        traces = answer.get("traces") if isinstance(answer, dict) else None
        if not isinstance(answer, dict) or not isinstance(traces, list | None):
            raise SourceError(
                f"what answers at {self.name} is not Tempo (its port is 3200 by default)"
            )
        if traces and len(traces) >= self._limit:
            self._problems.add(
                f"{self.name}: {self._limit} traces and more match {query}; "
                "the others were not looked at"
            )
        return [str(one["traceID"]).rjust(32, "0") for one in traces or ()]

    def _is_adapted(self, refusal: str, asked: int) -> bool:
        """Whether the question can be put again, within the limits that a refusal names."""
        span = re.search(r"exceeds (?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?\. received start=", refusal)
        if span is not None:
            hours, minutes, seconds = (int(part or 0) for part in span.groups())
            longest = hours * _HOUR + minutes * 60 + seconds
            if 0 < longest < asked:
                self._longest = longest
                return True
        limit = re.search(r"limit \d+ exceeds max (?:allowed )?limit (\d+)", refusal)
        if limit is not None and 0 < int(limit[1]) < self._limit:
            self._limit = int(limit[1])
            return True
        return False

    def _trace(self, trace_id: str) -> dict[str, Span]:
        if trace_id not in self._spans:
            self._spans[trace_id] = self._read(trace_id)
        return self._spans[trace_id]

    def _read(self, trace_id: str) -> dict[str, Span]:
        answer: Any = None
        for path in (f"api/v2/traces/{trace_id}", f"api/traces/{trace_id}"):  # v2 since 2.7
            try:
                answer = self._server.get(path)
                break
            except Refused as error:
                if error.status != 404:
                    raise
        if not isinstance(answer, dict):
            return {}
        if answer.get("status") in ("PARTIAL", 1):
            why = answer.get("message") or "it is larger than Tempo's limit"
            self._problems.add(f"{self.name}: only a part of trace {trace_id} was given: {why}")
        trace = answer.get("trace") or answer
        groups = trace.get("resourceSpans") or trace.get("batches") or []
        try:
            _ids_in_hex(groups)
            spans = reader.spans(orjson.dumps({"resourceSpans": groups})) if groups else []
        except (AttributeError, KeyError, TypeError, ValueError, DamagedLine) as error:
            raise SourceError(
                f"Tempo at {self.name} gave a trace that is not understood "
                f"({type(error).__name__}: {error})"
            ) from None
        for span in spans:
            if any(_is_cut(value) for value in span.attributes.values()):
                self._problems.add(
                    f"{self.name}: a text of operation {span.trace_id}-{span.span_id} is cut at "
                    f"{CUT:,} bytes"
                )
        return {span.span_id: span for span in spans}


def _operations(spans: Iterable[Span]) -> list[Operation]:
    operations = [decode.operation(span) for span in spans if decode.is_operation(span)]
    return sorted(operations, key=lambda operation: (operation.end, operation.id))


def _one_of(key: str, values: Sequence[str]) -> list[str]:
    """Conditions that are met by an event with one of the values."""
    conditions = []
    for first in range(0, len(values), _TOGETHER):
        pattern = "|".join(re.escape(value) for value in values[first : first + _TOGETHER])
        # Whole values: before 2.7 Tempo looked for a pattern anywhere in a text.
        conditions.append(f"event.{key} =~ {_quoted(f'^(?:{pattern})$')}")
    return conditions


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _is_cut(value: object) -> bool:
    return isinstance(value, str) and len(value.encode("utf-8", "replace")) == CUT


def _ids_in_hex(groups: Iterable[dict[str, Any]]) -> None:
    for group in groups:
        for scope in group.get("scopeSpans") or group.get("instrumentationLibrarySpans") or ():
            for span in scope.get("spans") or ():
                for one in (span, *(span.get("links") or ())):
                    for key in ("traceId", "spanId", "parentSpanId"):
                        if one.get(key):
                            one[key] = _hex(one[key], 32 if key == "traceId" else 16)


def _hex(text: str, digits: int) -> str:
    """An id in hex; it may be base64, as protobuf's JSON has bytes."""
    if len(text) == digits:
        return text
    return base64.b64decode(text).hex().rjust(digits, "0")

"""Log lines: what a line says of where it was written, and the lines that go with a lineage."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from datetime import datetime, timezone
from typing import Final, Protocol

from otelprov import semconv
from otelprov._record import record
from otelprov.journal.reader import Value
from otelprov.lineage.graph import Lineage
from otelprov.lineage.sources import Source
from otelprov.model import Operation, is_id


@record
class LogLine:
    """A log record, as it was collected."""

    time: int
    """Nanoseconds since the epoch."""
    trace_id: str
    span_id: str
    body: str
    severity: str = ""
    logger: str = ""
    service: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    observed: int = 0
    """When it was collected; 0 where that is not known."""

    @property
    def run(self) -> str | None:
        """The run that wrote it, where the line says so."""
        for name in (semconv.RUN_ID, _underscored(semconv.RUN_ID)):
            value = self.attributes.get(name)
            if isinstance(value, str):
                return value
        return None


@record
class Written:
    """A line with the operation that was running when it was written, if one was."""

    line: LogLine
    run: str
    """Id of the run, or of its trace where it is not known."""
    operation: Operation | None


class LogSource(Protocol):
    """A place that has log lines. Every method may raise ``SourceError``."""

    @property
    def name(self) -> str:
        """What people call it."""

    def lines(self, spans: Mapping[str, tuple[int, int]]) -> list[LogLine]:
        """The lines of some traces, each with the time in which they were written (ns)."""

    def problems(self) -> list[str]:
        """What could not be read, one line each."""


MARGIN: Final = 3600 * 10**9
"""How much longer than its operations a trace is looked for in logs, at both ends."""


def around(source: Source, logs: LogSource, lineage: Lineage) -> list[Written]:
    """The lines that were written while what a lineage shows was made.

    Those of its operations; and of its runs what was written outside of any operation, from the
    beginning until the last of its operations in that run was over. The order is that of the data:
    runs as they follow one another in the lineage, whatever their clocks say; in a run, by time.
    """
    known: dict[str, dict[str, Operation]] = {}
    place: dict[str, int] = {}
    last: dict[str, int] = {}
    inside = {one.id for one in lineage.operations}
    for number, operation in enumerate(lineage.operations):
        if operation.trace_id not in known:
            whole = source.trace(operation.trace_id)
            known[operation.trace_id] = {one.span_id: one for one in whole}
        for key in (operation.run, operation.trace_id):
            if key:
                place.setdefault(key, number)
                last[key] = max(last.get(key, 0), operation.end)
    asked = {}
    for trace_id, operations in known.items():
        begins = [one.start for one in operations.values()]
        begins += [run.start for run in lineage.runs.values() if run.trace_id == trace_id]
        ends = [one.end for one in operations.values()]
        asked[trace_id] = (min(begins) - MARGIN, max(ends) + MARGIN)
    found = []
    for line in logs.lines(asked):
        during = known.get(line.trace_id, {}).get(line.span_id)
        if during is not None:
            if during.id in inside:
                found.append(Written(line, during.run or line.trace_id, during))
            continue
        run = line.run or line.trace_id
        if run in last and line.time <= last[run]:
            found.append(Written(line, run, None))
    return sorted(found, key=lambda one: (place.get(one.run, 0), one.run, one.line.time))


# --- one line ------------------------------------------------------------------------------------


@record
class Reference:
    """What the text of a log line says of where it was written."""

    trace_id: str
    span_id: str | None = None
    run: str | None = None
    artifacts: tuple[str, ...] = ()
    time: int | None = None
    """Nanoseconds since the epoch, where it has a time with a zone."""


# Between a name and its value stands what JSON, logfmt, Python and a console put there.
_BETWEEN = r"[\"']?\s*[=:]\s*[\"']?"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TRACE = re.compile(rf"\btrace_?id{_BETWEEN}([0-9a-f]{{32}})\b", re.IGNORECASE)
_SPAN = re.compile(rf"\bspan_?id{_BETWEEN}([0-9a-f]{{16}})\b", re.IGNORECASE)
_RUN = re.compile(rf"otelprov[._]run[._]id{_BETWEEN}([0-9a-z-]+)")
_ARTIFACTS = re.compile(rf"otelprov[._]artifact[._]id{_BETWEEN}([0-9a-z.:,]+)")
_TIMES = re.compile(
    r"(?<![0-9])(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s?(Z|UTC|[+-]\d\d:?\d\d)",
)
_SECONDS = re.compile(rf"\b(?:timestamp|time|ts){_BETWEEN}(\d{{10}}(?:\.\d+)?)\b")
_NANOSECONDS = re.compile(rf"\btimeUnixNano{_BETWEEN}(\d{{19}})\b")


def reference(text: str) -> Reference | None:
    """What a line says: JSON, logfmt, a line of a console or OTLP. None for one without a trace."""
    text = _COLOUR.sub("", text)
    trace = _TRACE.search(text)
    if trace is None:
        return None
    span, run, artifacts = _SPAN.search(text), _RUN.search(text), _ARTIFACTS.search(text)
    ids = tuple(id_ for id_ in (artifacts[1] if artifacts else "").split(",") if is_id(id_))
    return Reference(
        trace[1].lower(),
        span[1].lower() if span else None,
        run[1] if run else None,
        ids,
        _time(text),
    )


def _time(text: str) -> int | None:
    if nanoseconds := _NANOSECONDS.search(text):
        return int(nanoseconds[1])
    if found := _TIMES.search(text):
        moment, fraction, zone = found.groups()
        zone = (
            "+00:00" if zone in ("Z", "UTC") else zone if ":" in zone else zone[:3] + ":" + zone[3:]
        )
        try:
            parsed = datetime.fromisoformat(moment + zone).astimezone(timezone.utc)
        except ValueError:
            return None
        return int(parsed.timestamp()) * 10**9 + int((fraction or "0").ljust(9, "0"))
    if seconds := _SECONDS.search(text):
        whole, _, fraction = seconds[1].partition(".")
        return int(whole) * 10**9 + int((fraction or "0")[:9].ljust(9, "0"))
    return None


def until(operations: Iterable[Operation], line: Reference) -> list[Operation]:
    """Those that were over when a line was written outside of any operation, in its run."""
    of_run = [one for one in operations if line.run is None or one.run in (None, line.run)]
    if line.time is None:
        return of_run
    # Lines are often cut to milliseconds or microseconds: one of the same instant counts.
    return [one for one in of_run if one.end <= line.time + 10**6]


def _underscored(name: str) -> str:
    """As Loki writes names."""
    return name.replace(".", "_")


def names(attributes: Collection[str]) -> set[str]:
    """Attributes that say where a line was written and not what it says."""
    own = {
        semconv.RUN_ID, semconv.ARTIFACT_ID, semconv.DROPPED_ARTIFACTS,
    }  # fmt: skip
    return {one for one in attributes if one in own or one in {_underscored(name) for name in own}}

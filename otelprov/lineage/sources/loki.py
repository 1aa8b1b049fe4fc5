"""Log lines in Loki, over its HTTP API: one question for each trace.

Loki (3.7) takes OTLP log records at ``/otlp/v1/logs``. There the trace, the span and the attributes
of a record are structured metadata, dots as underscores, and a query gives them back among the
labels of a stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otelprov.lineage.logged import LogLine
from otelprov.lineage.sources import SourceError
from otelprov.lineage.sources.http import Server

LIMIT = 5000
"""Lines in one answer: what Loki gives at the most, as it is set by default."""
_OWN = "otelprov."
_LABELS = frozenset(
    {"trace_id", "span_id", "flags", "severity_text", "severity_number", "service_name",
     "scope_name", "detected_level", "observed_timestamp",
     # Of the resource, which Loki puts among the attributes of each line: what every SDK says.
     "service_instance_id", "service_namespace", "service_version", "telemetry_sdk_language",
     "telemetry_sdk_name", "telemetry_sdk_version", "telemetry_auto_version",
     "telemetry_distro_name", "telemetry_distro_version"}
)  # fmt: skip


class LokiLogs:
    """The log records in the Loki at ``url``."""

    def __init__(self, url: str, *, timeout: float = 30) -> None:
        self._server = Server(url, "Loki", "loki+http://HOST:PORT", timeout=timeout)
        self.name = self._server.url
        self._limit = LIMIT
        self._problems: list[str] = []

    def lines(self, spans: Mapping[str, tuple[int, int]]) -> list[LogLine]:
        """The lines of some traces."""
        return [
            line
            for trace_id, times in spans.items()
            for line in self._trace(trace_id, *times)
            if not line.logger.startswith(_OWN)  # about operations: not what the program logged
        ]

    def problems(self) -> list[str]:
        """Traces with more lines at one instant than Loki gives at once."""
        return self._problems

    def _trace(self, trace_id: str, start: int, end: int) -> list[LogLine]:
        found: dict[tuple[int, str, str], LogLine] = {}
        while True:
            got = self._ask(trace_id, start, end)
            before = len(found)
            found.update(((one.time, one.span_id, one.body), one) for one in got)
            if len(got) < self._limit:
                return list(found.values())
            # A page is full: go on from its last instant, of which there may be more.
            start = max(one.time for one in got)
            if len(found) == before:
                self._problems.append(
                    f"{self.name}: trace {trace_id} has {self._limit} lines and more at one "
                    "instant; the others were not read"
                )
                return list(found.values())

    def _ask(self, trace_id: str, start: int, end: int) -> list[LogLine]:
        answer = self._server.get(
            "loki/api/v1/query_range",
            {
                "query": f'{{service_name=~".+"}} | trace_id="{trace_id}"',
                "start": str(start),
                "end": str(end + 1),  # not itself in the answer
                "limit": str(self._limit),
                "direction": "forward",
            },
        )
        try:
            return [
                _line(int(moment), str(text), stream["stream"])
                for stream in answer["data"]["result"]
                for moment, text, *_ in stream["values"]
            ]
        except (AttributeError, KeyError, TypeError, ValueError):
            raise SourceError(
                f"what answers at {self.name} is not Loki (its port is 3100 by default)"
            ) from None


def _line(time: int, text: str, labels: Mapping[str, Any]) -> LogLine:
    return LogLine(
        time=time,
        trace_id=str(labels.get("trace_id", "")),
        span_id=str(labels.get("span_id", "")),
        body=text,
        severity=str(labels.get("severity_text", "")),
        logger=str(labels.get("scope_name", "")),
        service=str(labels.get("service_name", "")),
        attributes={name: value for name, value in labels.items() if name not in _LABELS},
    )

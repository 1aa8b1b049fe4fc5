"""What could not be written to the journal: counted, told, and written down when that is possible.

The record is an OTLP log record with the event name ``otelprov.journal.lost``, a line of the
journal like any other.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from otelprov import semconv
from otelprov.journal import otlp
from otelprov.version import __version__

_ERROR = 17  # SeverityNumber of ERROR, OpenTelemetry's data model for logs


class Losses(NamedTuple):
    """What a process could not write, or what was deleted while it was written."""

    lines: int = 0
    bytes: int = 0
    reason: str = ""
    """Of the last of them."""

    def plus(self, lines: int, size: int, reason: str) -> Losses:
        """With these lines more; ``size`` in bytes."""
        return Losses(self.lines + lines, self.bytes + size, reason)


def lost_line(losses: Losses, resource: dict[str, Any] | None = None) -> bytes:
    """The line that says so, newline included; ``resource`` is an OTLP ``Resource`` message."""
    now = str(time.time_ns() // 1000 * 1000)
    record = {
        "timeUnixNano": now,
        "observedTimeUnixNano": now,
        "severityNumber": _ERROR,
        "severityText": "ERROR",
        "eventName": semconv.JOURNAL_LOST,
        "body": {"stringValue": f"{losses.lines} lines of the journal were lost: {losses.reason}"},
        "attributes": [
            {"key": semconv.LOST_LINES, "value": {"intValue": str(losses.lines)}},
            {"key": semconv.LOST_BYTES, "value": {"intValue": str(losses.bytes)}},
            {"key": semconv.LOST_REASON, "value": {"stringValue": losses.reason}},
        ],
    }
    scope = {"name": "otelprov.journal", "version": __version__}
    group = {
        "resource": resource or {"attributes": []},
        "scopeLogs": [{"scope": scope, "logRecords": [record]}],
    }
    return otlp.line({"resourceLogs": [group]})

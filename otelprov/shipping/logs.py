"""``OTEL_LOGS_EXPORTER=otelprov``: log records go into the journal, and it is delivered.

The SDK's logs are still private (``_logs``), and their names have changed: this module is the only
one that knows them. It works with SDK 1.30 and with 1.45.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs import export

from otelprov import settings
from otelprov.journal import otlp
from otelprov.journal.otlp import Json
from otelprov.journal.writer import journal_writer
from otelprov.redaction import clean_message
from otelprov.shipping import worker

if TYPE_CHECKING:
    _Exporter = export.LogRecordExporter
else:
    _Exporter = getattr(export, "LogRecordExporter", None) or export.LogExporter
_Result: Any = getattr(export, "LogRecordExportResult", None) or export.LogExportResult


class JournalLogExporter(_Exporter):
    """Writes log records to the journal, and has the logs of the journal delivered."""

    def __init__(self) -> None:
        loaded = settings.load()
        self._writer = journal_writer(loaded)
        self._encoder = LogEncoder()
        worker.ship(loaded.journal, "logs", loaded.exit_timeout)

    def export(self, batch: Sequence[Any]) -> Any:
        """Append the records; one that could not be written makes it a failure."""
        if self._writer is None:
            return _Result.SUCCESS
        written = [self._writer.append(self._encoder.encode(record)) for record in batch]
        return _Result.SUCCESS if all(written) else _Result.FAILURE

    def shutdown(self) -> None:
        """Close the file. What is left is delivered at the exit."""
        if self._writer is not None:
            self._writer.close()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is buffered here."""
        return True


class LogEncoder:
    """Encodes log records of the SDK, each as one whole ``ExportLogsServiceRequest``."""

    def __init__(self) -> None:
        self._resource: tuple[Any, Json] | None = None

    def encode(self, data: Any) -> bytes:
        """One line, newline included; ``data`` is a ``ReadableLogRecord`` or a ``LogData``."""
        record = data.log_record
        resource = getattr(data, "resource", None) or record.resource
        if self._resource is None or self._resource[0] is not resource:
            plain = {"attributes": otlp._attributes(resource.attributes)}
            self._resource = (resource, clean_message(plain))
        scope = otlp.scope(data.instrumentation_scope)
        request = {
            "resourceLogs": [
                {
                    "resource": self._resource[1],
                    "scopeLogs": [
                        {"scope": scope, "logRecords": [clean_message(_record(data, record))]}
                    ],
                }
            ]
        }
        return otlp.line(request)


def _record(data: Any, record: Any) -> Json:
    """The ``LogRecord`` message."""
    observed = record.observed_timestamp or 0
    message: Json = {
        "timeUnixNano": str(record.timestamp or observed),
        "observedTimeUnixNano": str(observed),
        "attributes": otlp._attributes(record.attributes),
    }
    severity = getattr(record.severity_number, "value", record.severity_number)
    if severity:
        message["severityNumber"] = severity
    if record.severity_text:
        message["severityText"] = record.severity_text
    if record.body is not None:
        message["body"] = otlp._value(record.body)
    if record.trace_id:
        message["traceId"] = f"{record.trace_id:032x}"
    if record.span_id:
        message["spanId"] = f"{record.span_id:016x}"
        message["flags"] = int(record.trace_flags or 0)
    if getattr(record, "event_name", None):
        message["eventName"] = record.event_name
    if dropped := getattr(data, "dropped_attributes", 0):
        message["droppedAttributesCount"] = dropped
    return message

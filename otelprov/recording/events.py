"""``OTELPROV_EVENTS=on``: each finished operation, and each run, is one structured log event too.

It says what the span says, so that a place for logs alone gives lineage as it happens. It goes
through OpenTelemetry's log SDK, to wherever that is set to send (``OTEL_LOGS_EXPORTER``), and needs
its version 1.37 or newer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import NonRecordingSpan, StatusCode, set_span_in_context

from otelprov import semconv
from otelprov.journal import otlp
from otelprov.recording import faults
from otelprov.version import __version__

Attributes = Mapping[str, Any]


def tell(
    span: ReadableSpan, attributes: Attributes, events: Iterable[tuple[str, Attributes]]
) -> None:
    """Log that a span has ended: with its attributes, and its events by name."""
    # The API for logs is still private. It is loaded where somebody asks for these events.
    from opentelemetry._logs import SeverityNumber, get_logger

    context = span.get_span_context()
    if context is None or not context.trace_flags.sampled:
        return
    with faults.contained(f"{span.name} is no event in the logs"):
        edges: dict[str, list[Attributes]] = {semconv.USED: [], semconv.GENERATED: []}
        said: dict[str, Any] = {**attributes, **otlp.about(span)}
        for name, own in events:
            if name in edges:
                edges[name].append(dict(own))
            elif name == "exception":
                said.update(own)
        for name, key, id_key in (
            (semconv.USED, semconv.OPERATION_USED, semconv.USED_ID),
            (semconv.GENERATED, semconv.OPERATION_GENERATED, semconv.GENERATED_ID),
        ):
            if edges[name]:
                # The ids once more, as one text: that is what a place for logs can search.
                said[id_key] = ",".join(str(own[id_key]) for own in edges[name])
                said[key] = edges[name]
        failed = span.status.status_code is StatusCode.ERROR
        severity = SeverityNumber.ERROR if failed else SeverityNumber.INFO
        used, made = len(edges[semconv.USED]), len(edges[semconv.GENERATED])
        get_logger("otelprov.operation", __version__).emit(
            timestamp=span.end_time,
            context=set_span_in_context(NonRecordingSpan(context)),
            severity_number=severity,
            severity_text=severity.name,
            body=f"{span.name} {'failed' if failed else 'done'}: used {used}, generated {made}",
            attributes=said,
            event_name=semconv.FINISHED,
        )

"""What several tests need: recorded spans as small records, and runs of real programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import otelprov
from otelprov.artifacts.deferred import background

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


@dataclass
class Recorded:
    """One recorded span."""

    name: str
    span_id: str
    trace_id: str
    parent: str | None
    attributes: dict[str, Any]
    used: list[dict[str, Any]] = field(default_factory=list)
    generated: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    start: int = 0
    end: int = 0

    @property
    def used_ids(self) -> set[str]:
        return {event["otelprov.used.id"] for event in self.used}

    @property
    def generated_ids(self) -> set[str]:
        return {event["otelprov.generated.id"] for event in self.generated}

    @property
    def used_roles(self) -> set[str]:
        return {event["otelprov.artifact.role"] for event in self.used}

    def parameter(self, name: str) -> Any:
        return self.attributes.get(f"otelprov.parameter.{name}")


def _value(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    if kind == "intValue":
        return int(content)
    if kind == "arrayValue":
        return [_value(item) for item in content.get("values", [])]
    if kind == "kvlistValue":
        return attributes(content.get("values", []))
    return content


def attributes(pairs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: _value(pair["value"]) for pair in pairs}


def decode(line: str | bytes) -> list[Recorded]:
    spans: list[Recorded] = []
    request = json.loads(line)
    if "resourceLogs" in request:
        return spans
    for resource in request["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                recorded = Recorded(
                    name=span["name"],
                    span_id=span["spanId"],
                    trace_id=span["traceId"],
                    parent=span.get("parentSpanId"),
                    attributes=attributes(span["attributes"]),
                    links=[
                        {**link, "attributes": attributes(link["attributes"])}
                        for link in span.get("links", [])
                    ],
                    status=span["status"],
                    start=int(span["startTimeUnixNano"]),
                    end=int(span["endTimeUnixNano"]),
                )
                for event in span.get("events", []):
                    found = attributes(event["attributes"])
                    recorded.events.append((event["name"], found))
                    if event["name"] == "otelprov.used":
                        recorded.used.append(found)
                    elif event["name"] == "otelprov.generated":
                        recorded.generated.append(found)
                spans.append(recorded)
    return spans


def decode_started(line: str | bytes) -> list[Recorded]:
    """The start records of one line, as the spans that they announce."""
    found: list[Recorded] = []
    for resource in json.loads(line).get("resourceLogs", []):
        for scope in resource["scopeLogs"]:
            for record in scope["logRecords"]:
                if record["eventName"] != "otelprov.operation.started":
                    continue
                said = attributes(record["attributes"])
                found.append(
                    Recorded(
                        name=said["otelprov.operation.name"],
                        span_id=record["spanId"],
                        trace_id=record["traceId"],
                        parent=said.get("otelprov.operation.parent"),
                        attributes=said,
                        used=said.get("otelprov.operation.used", []),
                        start=said["otelprov.operation.start"],
                    )
                )
    return found


class Spans:
    """The spans of one test."""

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines

    def all(self) -> list[Recorded]:
        background.flush()
        spans = [span for line in self._lines for span in decode(line)]
        return sorted(spans, key=lambda span: (span.start, -span.end))

    def names(self) -> list[str]:
        return [span.name for span in self.all()]

    def one(self, name: str) -> Recorded:
        found = [span for span in self.all() if span.name == name]
        assert len(found) == 1, f"{len(found)} spans named {name} among {self.names()}"
        return found[0]

    def clear(self) -> None:
        self._lines.clear()


def journal(directory: Path) -> list[Recorded]:
    """Every span of a journal, in the order in which they started."""
    spans = [span for path in sorted(directory.glob("*.jsonl")) for span in journal_lines(path)]
    return sorted(spans, key=lambda span: (span.start, -span.end))


def journal_lines(path: Path) -> list[Recorded]:
    """Every span of one file of a journal, in the order in which they were written."""
    return [span for line in _lines(path) for span in decode(line)]


def _lines(path: Path) -> list[bytes]:
    """A last one without its end was being written when its process was killed: it is left out."""
    return path.read_bytes().rpartition(b"\n")[0].splitlines()


def started(directory: Path) -> list[Recorded]:
    """Every start record of a journal, in the order in which they were begun."""
    found: list[Recorded] = []
    for path in sorted(directory.glob("*.jsonl")):
        for line in _lines(path):
            found.extend(decode_started(line))
    return sorted(found, key=lambda one: one.start)


def upstream(spans: list[Recorded], artifact_id: str) -> tuple[set[str], set[str]]:
    """The artifacts that nothing generated and the span names on the way back from an artifact.

    A second, simple-minded walk, to hold the real one against.
    """
    roots: set[str] = set()
    names: set[str] = set()
    seen: set[str] = set()
    todo = [artifact_id]
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        makers = [span for span in spans if current in span.generated_ids]
        if not makers:
            roots.add(current)
        for maker in makers:
            names.add(maker.name)
            todo.extend(maker.used_ids)
    return roots, names


def is_ours(raised: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether the traceback that the program sees has lines of otelprov."""
    ours = Path(otelprov.__file__).parent
    return any(ours in Path(entry.path).parents for entry in raised.traceback)


def environment(journal_directory: Path | None = None, **extra: str) -> dict[str, str]:
    """The environment of a program that is started with the embedded default."""
    result = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL", "TRACE", "GITHUB_", "CI_", "GITLAB_"))
    }
    result.update(
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        OTELPROV_RAISE_FAULTS="on",
        PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}",
    )
    if journal_directory is not None:
        result["OTELPROV_JOURNAL"] = str(journal_directory)
    result.update(extra)
    return result


def instrumented(
    *command: str | Path,
    journal_directory: Path | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a Python program under ``opentelemetry-instrument``."""
    result = subprocess.run(
        ["opentelemetry-instrument", sys.executable, *map(str, command)],
        env={**environment(journal_directory), **(env or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if check and result.returncode:
        raise AssertionError(f"exit code {result.returncode}\n{result.stdout}\n{result.stderr}")
    return result

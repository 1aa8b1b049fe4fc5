"""Journals made by hand: operations as a test wants them, written as OTLP/JSON lines."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START = 1_770_000_000_000_000_000
"""2026-02-02T02:40:00Z in nanoseconds."""
MILLISECOND = 1_000_000


def digest(name: str, kind: str = "derived") -> str:
    """An artifact id, always the same for a name."""
    return f"{kind}:{hashlib.sha256(name.encode()).hexdigest()}"


def hex_id(name: str, digits: int) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:digits]


def art(name: str, kind: str = "derived", /, **known: Any) -> dict[str, Any]:
    """One artifact of an event: what its id stands for, and what is known of it."""
    known.setdefault("kind", "table" if kind == "derived" else kind)
    return {"id": digest(name, kind), **known}


def file(name: str, **known: Any) -> dict[str, Any]:
    return art(name, "file", uri=f"/data/{name}", bytes=1000, **known)


@dataclass
class Journal:
    """Writes one file for each run; time goes on by a millisecond for each operation."""

    directory: Path
    clock: int = START
    lines: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def run(self, name: str, *, trace: str | None = None, service: str = "flights") -> Recorder:
        recorder = Recorder(self, name, hex_id(trace or f"trace {name}", 32), service)
        self.lines[name] = []
        return recorder

    def write(self) -> Path:
        self.directory.mkdir(parents=True, exist_ok=True)
        for name, lines in self.lines.items():
            text = "".join(json.dumps(line) + "\n" for line in lines)
            self.file(name).write_text(text)
        return self.directory

    def file(self, run: str) -> Path:
        return self.directory / f"{run.replace('/', '_')}.jsonl"


@dataclass
class Recorder:
    """Records the operations of one run."""

    journal: Journal
    name: str
    trace_id: str
    service: str
    count: int = 0
    code: dict[str, Any] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        return f"{self.trace_id}-{hex_id(f'run {self.name}', 16)}"

    def span_id(self, key: str) -> str:
        return hex_id(f"{self.name} {key}", 16)

    def id(self, key: str) -> str:
        """The id of the operation that was recorded under ``key``."""
        return f"{self.trace_id}-{self.span_id(key)}"

    def op(
        self,
        name: str,
        used: list[dict[str, Any]] | None = None,
        generated: list[dict[str, Any]] | None = None,
        *,
        key: str | None = None,
        kind: str = "transform",
        given: dict[str, Any] | None = None,
        defaults: dict[str, Any] | None = None,
        links: list[tuple[str, str]] | None = None,
        error: str | None = None,
        start: int | None = None,
        end: int | None = None,
        **attributes: Any,
    ) -> str:
        """Record one operation; its id. ``links``: pairs of artifact id and operation id."""
        self.count += 1
        if start is None:
            self.journal.clock += MILLISECOND
            start = self.journal.clock
        if end is None:
            self.journal.clock = end = start + MILLISECOND // 2
        key = key or name
        parameters = {**(defaults or {}), **(given or {})}
        values: dict[str, Any] = {
            "otelprov.operation.kind": kind,
            "otelprov.run.id": self.run_id,
            "vcs.ref.head.revision": "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
            "vcs.ref.head.name": "main",
            "otelprov.code.dirty": True,
            "code.file.path": f"/home/somebody/pipeline/{self.name}",
            "code.line.number": 10 + self.count,
            "code.function.name": "main",
            **{f"otelprov.parameter.{name}": value for name, value in parameters.items()},
            "otelprov.parameters.given": list(given or {}),
            **{name.replace("__", "."): value for name, value in attributes.items()},
        }
        span: dict[str, Any] = {
            "traceId": self.trace_id,
            "spanId": self.span_id(key),
            "parentSpanId": self.run_id.partition("-")[2],
            "name": name,
            "kind": 1,
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(end),
            "attributes": attributes_of(values),
            "events": [
                *(event("used", one, f"in{n}") for n, one in enumerate(used or [])),
                *(event("generated", one, "return") for one in generated or []),
            ],
            "links": [
                {
                    "traceId": operation.partition("-")[0],
                    "spanId": operation.partition("-")[2],
                    "attributes": attributes_of({"otelprov.used.id": artifact}),
                }
                for artifact, operation in links or []
            ],
            "status": {"code": 2, "message": error} if error else {},
        }
        self.add(span, "otelprov.pandas")
        return self.id(key)

    def end(self, error: str | None = None, **attributes: Any) -> None:
        """Record the run span."""
        values = {
            "otelprov.operation.kind": "run",
            "otelprov.run.id": self.run_id,
            "process.command_args": ["python", self.name],
            "vcs.ref.head.revision": "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
            "otelprov.code.dirty": True,
            **attributes,
        }
        span = {
            "traceId": self.trace_id,
            "spanId": self.run_id.partition("-")[2],
            "name": f"run {self.name}",
            "kind": 1,
            "startTimeUnixNano": str(START),
            "endTimeUnixNano": str(self.journal.clock + MILLISECOND),
            "attributes": attributes_of(values),
            "status": {"code": 2, "message": error} if error else {},
        }
        self.add(span, "otelprov.run")

    def add(self, span: dict[str, Any], scope: str) -> None:
        resource = {"attributes": attributes_of({"service.name": self.service})}
        group = {"scope": {"name": scope, "version": "0.1.0"}, "spans": [span]}
        line = {"resourceSpans": [{"resource": resource, "scopeSpans": [group]}]}
        self.journal.lines[self.name].append(line)


def event(what: str, artifact: dict[str, Any], role: str) -> dict[str, Any]:
    values = {
        f"otelprov.{what}.id": artifact["id"],
        "otelprov.artifact.role": role,
        **{f"otelprov.artifact.{key}": value for key, value in artifact.items() if key != "id"},
    }
    return {
        "timeUnixNano": str(START),
        "name": f"otelprov.{what}",
        "attributes": attributes_of(values),
    }


def attributes_of(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value_of(value)} for key, value in values.items()]


def value_of(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [value_of(one) for one in value]}}
    return {"stringValue": value}


def flights(directory: Path) -> Journal:
    """Two runs: ingest reads two raw files and writes one, report reads that and writes another."""
    journal = Journal(directory)
    ingest = journal.run("ingest.py")
    ingest.op(
        "pandas.read_csv",
        [file("flights.csv")],
        [art("flights", "table", rows=336776, columns=19)],
        key="read flights",
        kind="read",
        given={"filepath_or_buffer": "/data/flights.csv"},
        defaults={"sep": ","},
    )
    ingest.op(
        "pandas.read_csv",
        [file("airlines.csv")],
        [art("airlines", "table", rows=16, columns=2)],
        key="read airlines",
        kind="read",
        given={"filepath_or_buffer": "/data/airlines.csv"},
    )
    ingest.op(
        "pandas.read_csv",
        [file("unrelated.csv")],
        [art("unrelated", "table", rows=3, columns=3)],
        key="read unrelated",
        kind="read",
    )
    ingest.op(
        "pandas.merge",
        [art("flights", "table"), art("airlines", "table")],
        [art("merged", rows=336776, columns=20)],
        given={"how": "left", "on": "carrier"},
        defaults={"validate": "None"},
    )
    ingest.op(
        "pandas.to_parquet",
        [art("merged", rows=336776, columns=20, content_id=digest("merged", "table"))],
        [file("clean.parquet"), art("merged", "table", rows=336776, columns=20)],
        kind="write",
    )
    ingest.end()
    report = journal.run("report.py")
    report.op(
        "pandas.read_parquet",
        [file("clean.parquet")],
        [art("merged", "table", rows=336776, columns=20)],
        kind="read",
        links=[(digest("clean.parquet", "file"), ingest.id("pandas.to_parquet"))],
    )
    report.op(
        "pandas.groupby.mean",
        [art("merged", "table")],
        [art("delays", rows=16, columns=2)],
        given={"by": "carrier"},
    )
    report.op(
        "pandas.to_csv",
        [art("delays", rows=16, columns=2)],
        [file("delays.csv")],
        kind="write",
        given={"index": False},
    )
    report.end()
    return journal

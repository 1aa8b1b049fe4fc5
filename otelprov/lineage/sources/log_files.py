"""Log lines in files of OTLP/JSON: the journal's own, and those that a Collector writes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from otelprov.journal import reader
from otelprov.journal.index import JournalIndex
from otelprov.lineage.logged import LogLine
from otelprov.lineage.sources import SourceError

_OWN = "otelprov."  # event names of records about operations: not what the program has logged
_SEGMENT = re.compile(r"\d{8}T\d{6}-(\d+)-[0-9a-f]{8}\.jsonl")


class LogFiles:
    """The log records in a file, or in all files of a directory.

    Raises:
        SourceError: there is no such file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(os.path.abspath(os.path.expanduser(path)))
        self.name = f"otlp-file:{self._path}"
        if not self._path.exists():
            raise SourceError(f"there is no file {self._path} with log records")
        self._problems: list[str] = []

    def lines(self, spans: Mapping[str, tuple[int, int]]) -> list[LogLine]:
        """The lines of some traces."""
        wanted = [trace_id.encode() for trace_id in spans]
        found: dict[object, LogLine] = {}  # what was sent again stands there twice
        for path in self._files(spans):
            for line in self._read(path):
                if b'"resourceLogs"' in line.data and any(one in line.data for one in wanted):
                    try:
                        records = log_lines(line.data)
                    except reader.DamagedLine as error:
                        self._problems.append(f"{path}:{line.number}: {error}")
                        continue
                    for one in records:
                        if one.trace_id in spans:
                            key = (one.time, one.observed, one.span_id, one.logger, one.body)
                            found.setdefault(key, one)
        return list(found.values())

    def problems(self) -> list[str]:
        """Lines and files that could not be read."""
        return self._problems

    def _files(self, spans: Mapping[str, tuple[int, int]]) -> list[Path]:
        if self._path.is_dir():
            return sorted(path for path in self._path.iterdir() if path.is_file())
        return [self._path]

    def _read(self, path: Path) -> Iterator[reader.Line]:
        try:
            yield from reader.lines(path)
        except OSError as error:
            self._problems.append(f"{path}: {error.strerror or error}")


class JournalLogs(LogFiles):
    """The log records in a journal: those of ``OTEL_LOGS_EXPORTER=otelprov``."""

    def __init__(self, index: JournalIndex, directory: str | os.PathLike[str]) -> None:
        super().__init__(directory)
        self._index = index
        self.name = f"journal:{self._path}"

    def _files(self, spans: Mapping[str, tuple[int, int]]) -> list[Path]:
        """The files of the processes that had a part in the traces."""
        names = {place.file for trace_id in spans for place in self._index.trace(trace_id)}
        processes = {_process(name) for name in names}
        return [path for path in reader.files(self._path) if _process(path.name) in processes]


def _process(name: str) -> str:
    matched = _SEGMENT.fullmatch(os.path.basename(name))
    return matched[1] if matched else name


def log_lines(data: bytes) -> list[LogLine]:
    """The program's log records in one line of OTLP/JSON.

    Raises:
        reader.DamagedLine: the line is not an ``ExportLogsServiceRequest``.
    """
    try:
        request = orjson.loads(data)
        groups = request.get("resourceLogs") or []
        return [line for group in groups for line in _of_resource(group)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise reader.DamagedLine(f"not a request with log records ({error})") from None


def _of_resource(group: dict[str, Any]) -> Iterator[LogLine]:
    resource = reader.attributes((group.get("resource") or {}).get("attributes"))
    service = str(resource.get("service.name", "unknown_service"))
    for scope in group.get("scopeLogs") or ():
        logger = str((scope.get("scope") or {}).get("name", ""))
        for record in scope.get("logRecords") or ():
            if str(record.get("eventName", "")).startswith(_OWN):
                continue
            body = reader.attributes([{"key": "body", "value": record.get("body") or {}}])
            observed = int(record.get("observedTimeUnixNano") or 0)
            yield LogLine(
                time=int(record.get("timeUnixNano") or 0) or observed,
                trace_id=str(record.get("traceId", "")).lower(),
                span_id=str(record.get("spanId", "")).lower(),
                body=str(body.get("body", "")),
                severity=str(record.get("severityText", "")),
                observed=observed,
                logger=logger,
                service=service,
                attributes=reader.attributes(record.get("attributes")),
            )

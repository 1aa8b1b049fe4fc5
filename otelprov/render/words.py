"""Records in a few words: short ids, sizes, times, places. Shared by everything that prints."""

# ruff: noqa: RUF001, RUF002 - the sign is the right one

from __future__ import annotations

import os
import re
from datetime import datetime, timezone
from urllib.parse import unquote

from otelprov.lineage.graph import RESTS_ON
from otelprov.model import Artifact, Check, Operation, ParameterValue, Run

IN_MEMORY = ("table", "array", "model", "object", "stream")
"""Kinds of artifacts that live in a process; the others have a place of their own."""

RUN_STATES = {
    "running": "still running",
    "replaced": "another program took its place",
    "died": "ended without saying so",
    "unknown": "end not recorded",
}
"""What is said of a run that has not said how it ended."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """The text with what would act on a terminal shown as an escape: recorded names are data."""
    return _CONTROL.sub(lambda match: ascii(match.group())[1:-1], text)


def short_id(artifact_id: str) -> str:
    """The kind and the first 12 digits: enough for ``otelprov show``."""
    prefix, _, digits = artifact_id.rpartition(":")
    return f"{clean(prefix)}:{clean(digits)[:12]}" if prefix else clean(digits)[:12]


def short_operation_id(operation_id: str) -> str:
    """The first digits of trace and span."""
    trace_id, _, span_id = operation_id.partition("-")
    return f"{trace_id[:8]}-{span_id[:8]}"


def place(uri: str) -> str:
    """A path relative to the current directory when it lies below it; other places as they are."""
    path = unquote(uri[7:]) if uri.startswith("file:///") else uri
    if os.path.isabs(path):
        below = os.path.relpath(path)
        path = path if below == ".." or below.startswith(".." + os.sep) else below
    return clean(path)


def label(artifact: Artifact) -> str:
    """What people call an artifact: its place, its name, or its short id."""
    if artifact.uri and artifact.version:
        return f"{place(artifact.uri)}@{clean(artifact.version)}"
    if artifact.uri and artifact.kind not in IN_MEMORY:
        return place(artifact.uri)
    if artifact.name:
        return clean(artifact.name)
    return place(artifact.uri) if artifact.uri else short_id(artifact.id)


def shape(artifact: Artifact) -> str:
    """``336,776 × 19``, or what is known of it."""
    if artifact.rows is not None and artifact.columns is not None:
        return f"{artifact.rows:,} × {artifact.columns:,}"
    if artifact.rows is not None:
        return f"{artifact.rows:,} row{'' if artifact.rows == 1 else 's'}"
    if artifact.columns is not None:
        return f"{artifact.columns:,} column{'' if artifact.columns == 1 else 's'}"
    return ""


def rests_on(artifact: Artifact) -> str:
    """What the id rests on, where that is not the content: ``identified by its footers``."""
    if artifact.coverage in ("full", "derivation"):
        return ""
    return f"identified by {RESTS_ON.get(artifact.coverage, 'its name only')}"


def outcome(check: Check) -> str:
    """``passed``, ``2 checks failed: amount: greater_than, …``."""
    if check.passed:
        return "passed"
    names = ", ".join(map(clean, check.failed))
    number = f"{check.failures} check{'' if check.failures == 1 else 's'} failed"
    return f"{number}: {names}" if names else number


def size(number: int) -> str:
    """Bytes in decimal units, three digits or so."""
    if number < 1000:
        return f"{number} B"
    units = ["B", "kB", "MB", "GB", "TB", "PB"]
    value = float(number)
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        del units[0]
    return f"{value:.3g} {units[0]}"


def moment(nanoseconds: int) -> str:
    """A time in UTC, to the second."""
    whole = datetime.fromtimestamp(nanoseconds // 1_000_000_000, timezone.utc)
    return whole.strftime("%Y-%m-%d %H:%M:%S")


def iso(nanoseconds: int) -> str:
    """A time in UTC, ISO 8601 with microseconds."""
    seconds, rest = divmod(nanoseconds // 1000, 1_000_000)
    whole = datetime.fromtimestamp(seconds, timezone.utc).replace(microsecond=rest)
    return whole.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def duration(nanoseconds: int) -> str:
    """A length of time with its unit."""
    seconds = nanoseconds / 1e9
    if seconds < 0.001:
        return f"{nanoseconds / 1000:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def revision(operation: Operation | Run) -> str:
    """The first 7 digits of the code's revision, with ``+`` when there were changes."""
    code = operation.code
    if not code.revision:
        return ""
    return clean(code.revision)[:7] + ("+" if code.dirty else "")


def location(operation: Operation) -> str:
    """``report.py:41``."""
    code = operation.code
    if not code.file:
        return ""
    name = clean(re.split(r"[/\\]", code.file)[-1])
    return f"{name}:{code.line}" if code.line else name


def run_name(run: Run | None, run_id: str) -> str:
    """``run report.py``."""
    if run is None or not run.name:
        return f"run {short_operation_id(run_id)}"
    name = clean(run.name)
    return name if name.startswith("run ") else f"run {name}"


def value(parameter: ParameterValue) -> str:
    """A parameter's value in one line; a path below the current directory as it is seen from it."""
    text = clean(str(parameter))
    return place(text) if os.path.isabs(text) else text

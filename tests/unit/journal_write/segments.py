"""Lines for the writer, and what is in its segments afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def line(number: int, size: int = 200) -> bytes:
    """A line that begins and ends like a span's, of about ``size`` bytes."""
    span = {"spanId": f"{number:016x}", "startTimeUnixNano": str(1_000_000 + number)}
    span["endTimeUnixNano"] = str(1_000_500 + number)
    span["name"] = "x" * max(size - 130, 0)
    group = {"scopeSpans": [{"spans": [span]}]}
    return json.dumps({"resourceSpans": [group]}, separators=(",", ":")).encode() + b"\n"


def requests(directory: Path) -> list[dict[str, Any]]:
    """Every line of every segment; each must be whole JSON."""
    found = []
    for path in sorted(directory.glob("*.jsonl")):
        data = path.read_bytes()
        assert data.endswith(b"\n") or not data, f"{path.name} has a torn end"
        found += [json.loads(one) for one in data.splitlines()]
    return found


def numbers(directory: Path) -> list[int]:
    """The numbers of the lines that are there."""
    return [
        int(one["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["spanId"], 16)
        for one in requests(directory)
        if "resourceSpans" in one
    ]


def losses(directory: Path) -> list[tuple[int, int, str]]:
    """Lines, bytes and reason of each record of lost lines."""
    found = []
    for one in requests(directory):
        for group in one.get("resourceLogs", ()):
            for record in group["scopeLogs"][0]["logRecords"]:
                values = {
                    pair["key"]: next(iter(pair["value"].values())) for pair in record["attributes"]
                }
                assert record["eventName"] == "otelprov.journal.lost"
                found.append(
                    (
                        int(values["otelprov.lost.lines"]),
                        int(values["otelprov.lost.bytes"]),
                        values["otelprov.lost.reason"],
                    )
                )
    return found

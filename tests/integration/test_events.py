"""``OTELPROV_EVENTS=on``: the log events of a run give the same lineage as its spans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import support

PROGRAM = """
import pandas as pd
import otelprov

orders = pd.read_csv("orders.csv")
orders[orders["amount"] > 100].to_csv("large.csv", index=False)

@otelprov.operation
def fails(table):
    raise ValueError("no")

try:
    fails(orders)
except ValueError:
    pass
"""


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("events")
    (directory / "orders.csv").write_text("country,amount\nNO,10\nSE,200\n")
    (directory / "shop.py").write_text(PROGRAM)
    support.instrumented(
        "shop.py",
        journal_directory=directory / "journal",
        cwd=directory,
        env={
            "OTELPROV_EVENTS": "on",
            "OTEL_LOGS_EXPORTER": "otelprov",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
            "OTELPROV_EXIT_TIMEOUT": "0",
        },
    )
    return directory / "journal"


def events(journal: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for path in journal.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            for group in json.loads(line).get("resourceLogs", ()):
                for scope in group["scopeLogs"]:
                    for record in scope["logRecords"]:
                        if record.get("eventName") == "otelprov.operation":
                            assert record["spanId"] not in found, "told twice"
                            found[record["spanId"]] = record
    return found


def value(content: dict[str, Any]) -> Any:
    ((kind, inner),) = content.items()
    if kind == "kvlistValue":
        return {pair["key"]: value(pair["value"]) for pair in inner["values"]}
    if kind == "arrayValue":
        return [value(item) for item in inner.get("values", [])]
    return int(inner) if kind == "intValue" else inner


def test_each_span_is_one_event_with_the_same_content(journal: Path) -> None:
    found = events(journal)
    spans = support.journal(journal)
    assert {span.span_id for span in spans} == found.keys()
    assert {span.name for span in spans} >= {"run shop.py", "pandas.read_csv", "pandas.to_csv"}
    for span in spans:
        record = found[span.span_id]
        said = {pair["key"]: value(pair["value"]) for pair in record["attributes"]}
        assert record["traceId"] == span.trace_id
        assert int(record["timeUnixNano"]) == span.end
        assert said["otelprov.operation.name"] == span.name
        assert said["otelprov.operation.start"] == span.start
        assert said["otelprov.operation.end"] == span.end
        assert said.get("otelprov.operation.parent") == span.parent
        assert span.attributes.items() <= said.items()
        for edges, key in ((span.used, "used"), (span.generated, "generated")):
            assert said.get(f"otelprov.operation.{key}", []) == edges
            ids = said.get(f"otelprov.{key}.id", "")
            assert [one for one in ids.split(",") if one] == [
                edge[f"otelprov.{key}.id"] for edge in edges
            ]


def test_a_failure_is_an_error_with_its_exception(journal: Path) -> None:
    span = next(one for one in support.journal(journal) if one.name == "fails")
    record = events(journal)[span.span_id]
    said = {pair["key"]: value(pair["value"]) for pair in record["attributes"]}
    assert record["severityText"] == "ERROR"
    assert record["body"]["stringValue"] == "fails failed: used 1, generated 0"
    assert said["exception.type"] == "ValueError"
    assert "raise ValueError" in said["exception.stacktrace"]
    others = [one for one in events(journal).values() if one is not record]
    assert {one["severityText"] for one in others if one["spanId"] != span.span_id} == {"INFO"}


def test_without_the_setting_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import otelprov\nwith otelprov.operation('work'): pass\n")
    support.instrumented(
        "shop.py",
        journal_directory=tmp_path / "journal",
        cwd=tmp_path,
        env={
            "OTEL_LOGS_EXPORTER": "otelprov",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
            "OTELPROV_EXIT_TIMEOUT": "0",
        },
    )
    assert events(tmp_path / "journal") == {}

"""From a log line to the data, and from the data to its log lines: real programs, real lines."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import support
from unit.lineage.fake_loki import FakeLoki, serving

INGEST = """
import structlog
import pandas as pd
import otelprov

structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.JSONRenderer(default=lambda value: "a table"),
    ]
)
log = structlog.get_logger("ingest")
log.info("begins")
orders = pd.read_csv("orders.csv")
log.info("read", rows=len(orders))

@otelprov.operation
def clean(table):
    log.warning("one row is empty", row=3)
    return table[table["amount"] > 100]

large = clean(orders)
log.info("cleaned", table=large)
large.to_parquet("large.parquet")

@otelprov.operation
def unrelated(table):
    log.info("not about it")
    return table[table["amount"] < 100]

unrelated(orders).to_parquet("small.parquet")
log.info("after all")
"""
REPORT = """
import structlog
import pandas as pd

structlog.configure(processors=[structlog.processors.LogfmtRenderer()])
log = structlog.get_logger()
table = pd.read_parquet("large.parquet")
log.info("summing", countries=2)
table.groupby("country")["amount"].sum().reset_index().to_csv("report.csv", index=False)
"""


@dataclass
class Recorded:
    directory: Path
    ingest: list[str]
    """The lines that ingest.py printed."""
    report: list[str]

    @property
    def journal(self) -> Path:
        return self.directory / "journal"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    directory = tmp_path_factory.mktemp("shop")
    (directory / "orders.csv").write_text("country,amount\nNO,10\nSE,200\nNO,300\n")
    printed = []
    for name, text in (("ingest.py", INGEST), ("report.py", REPORT)):
        (directory / name).write_text(text)
        result = support.instrumented(
            name,
            journal_directory=directory / "journal",
            cwd=directory,
            # The endpoint is none: what is asked for here is what the journal has.
            env={
                "OTEL_LOGS_EXPORTER": "otelprov",
                "OTEL_SERVICE_NAME": "shop",
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
                "OTELPROV_EXIT_TIMEOUT": "0",
            },
        )
        printed.append(result.stdout.splitlines())
    return Recorded(directory, *printed)


def otelprov(
    recorded: Recorded, *words: str, line: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "otelprov.cli", *words],
        input=line,
        env=support.environment(recorded.journal),
        cwd=recorded.directory,
        capture_output=True,
        text=True,
        check=False,
    )


def bodies(result: subprocess.CompletedProcess[str]) -> list[str]:
    assert result.returncode == 0, result.stderr
    return [line["body"] for line in json.loads(result.stdout)["lines"]]


EXPECTED = ["begins", "read", "one row is empty", "cleaned", "summing"]


def test_the_lines_of_a_result_are_those_of_all_its_runs_in_order(recorded: Recorded) -> None:
    result = otelprov(recorded, "logs", "report.csv", "--format", "json")
    assert bodies(result) == EXPECTED
    lines = json.loads(result.stdout)["lines"]
    assert [line["operation"] for line in lines] == [None, None, "clean", None, None]
    assert lines[1]["attributes"]["rows"] == 3
    assert {line["service"] for line in lines} == {"shop"}
    assert len({line["run"] for line in lines}) == 2
    assert bodies(otelprov(recorded, "logs", "large.parquet", "--format", "json")) == EXPECTED[:-1]


def test_lines_are_printed_for_people(recorded: Recorded) -> None:
    shown = otelprov(recorded, "logs", "report.csv").stdout.splitlines()
    assert [line.startswith("▶ run") for line in shown].count(True) == 2
    assert shown[0].startswith("▶ run ingest.py")
    (warning,) = [line for line in shown if "one row is empty" in line]
    assert warning.endswith("WARN  one row is empty  row=3  ● clean")


@pytest.mark.parametrize("way", ["file", "directory"])
def test_the_lines_may_be_in_a_file_of_a_collector(
    way: str, recorded: Recorded, tmp_path: Path
) -> None:
    collected = tmp_path / "collected"
    collected.mkdir()
    lines = [
        line
        for path in sorted(recorded.journal.glob("*.jsonl"))
        for line in path.read_bytes().splitlines(keepends=True)
        if b"resourceLogs" in line
    ]
    (collected / "logs.json").write_bytes(b"".join([*lines, *lines]))  # as if it was sent twice
    place = collected if way == "directory" else collected / "logs.json"
    result = otelprov(
        recorded, "logs", "report.csv", "--format", "json", "--source", f"otlp-file:{place}"
    )
    assert bodies(result) == EXPECTED


@pytest.fixture
def loki(recorded: Recorded) -> Iterator[FakeLoki]:
    made = FakeLoki()
    made.load(recorded.journal)
    with serving(made):
        yield made


def test_the_lines_may_be_in_a_loki(recorded: Recorded, loki: FakeLoki) -> None:
    words = ("logs", "report.csv", "--format", "json", "--source", f"loki+{loki.url}")
    assert bodies(otelprov(recorded, *words)) == EXPECTED


def test_loki_is_asked_page_by_page(
    recorded: Recorded, loki: FakeLoki, monkeypatch: pytest.MonkeyPatch
) -> None:
    from otelprov.lineage.sources.loki import LokiLogs

    trace = json.loads(recorded.ingest[0])["trace_id"]
    whole = LokiLogs(loki.url).lines({trace: (0, 2**62)})
    paged = LokiLogs(loki.url)
    monkeypatch.setattr(paged, "_limit", 2)
    assert [one.body for one in paged.lines({trace: (0, 2**62)})] == [one.body for one in whole]
    assert paged.problems() == []
    assert len(whole) == 6


def test_a_line_of_an_operation_leads_to_its_data(recorded: Recorded) -> None:
    line = next(one for one in recorded.ingest if "one row is empty" in one)
    result = otelprov(recorded, "lineage", "--log", "-", "--format", "json", line=line)
    assert result.returncode == 0, result.stderr
    assert "during clean" in result.stderr
    names = {one["name"] for one in json.loads(result.stdout)["operations"]}
    assert names == {"clean", "pandas.read_csv", "pandas.getitem"}


def test_a_line_that_names_a_table_leads_to_it(recorded: Recorded) -> None:
    line = next(one for one in recorded.ingest if '"cleaned"' in one)
    result = otelprov(recorded, "lineage", "--log", "-", "--format", "json", line=line)
    answer = json.loads(result.stdout)
    assert answer["target"] == json.loads(line)["otelprov.artifact.id"]
    assert "the line names" in result.stderr


def test_a_line_of_the_script_leads_to_what_was_done_until_then(recorded: Recorded) -> None:
    line = next(one for one in recorded.ingest if '"read"' in one)
    result = otelprov(recorded, "lineage", "--log", "-", "--format", "json", line="x\n" + line)
    assert "between operations" in result.stderr
    assert [one["name"] for one in json.loads(result.stdout)["operations"]] == ["pandas.read_csv"]
    # A logfmt line without a time: all of its run.
    result = otelprov(
        recorded, "lineage", "--log", "-", "--format", "json", line=recorded.report[0]
    )
    assert "no time with a zone" in result.stderr
    assert {one["name"] for one in json.loads(result.stdout)["operations"]} >= {"pandas.to_csv"}


def test_a_line_from_before_anything_was_done_is_told(recorded: Recorded) -> None:
    result = otelprov(recorded, "lineage", "--log", "-", line=recorded.ingest[0])
    assert result.returncode == 1
    assert "and was over at" in result.stderr


def test_wrong_usage_is_told(recorded: Recorded, tmp_path: Path) -> None:
    for words, message, code in (
        (["lineage"], "give a TARGET, or a log line", 2),
        (["lineage", "x", "--log", "-"], "give a TARGET, or a log line", 2),
        (["lineage", "--log", "-"], "no log line with a trace_id", 1),
        (["logs", "report.csv", "--source", "jaeger+http://x"], "has no log lines", 2),
        (["logs", "report.csv", "--source", f"otlp-file:{tmp_path / 'no'}"], "there is no file", 1),
        (["logs", "report.csv", "--source", f"otlp-file:{tmp_path}"], "has no log line of what", 1),
    ):
        result = otelprov(recorded, *words, line="a line without anything\n")
        assert (result.returncode, message in result.stderr) == (code, True), result.stderr


def test_a_damaged_line_of_a_file_is_told(recorded: Recorded, tmp_path: Path) -> None:
    shutil.copytree(recorded.journal, tmp_path / "copy")
    trace = json.loads(recorded.ingest[0])["trace_id"]
    (tmp_path / "copy" / "more.json").write_text(f'{{"resourceLogs": [{{"{trace}": 1}}, 7]}}\n')
    result = otelprov(recorded, "logs", "report.csv", "--source", f"otlp-file:{tmp_path / 'copy'}")
    assert result.returncode == 3
    assert "more.json:1: not a request with log records" in result.stderr

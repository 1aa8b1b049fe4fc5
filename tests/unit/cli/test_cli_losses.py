"""What the commands say of what is not there: deleted for the limit, lost, not finished."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from unit.cli.test_cli_commands import alone, call, journal
from unit.lineage.recorded import Journal, art, attributes_of, digest, file, hex_id

from otelprov.journal.losses import Losses, lost_line
from otelprov.journal.retention import sweep

__all__ = ["alone", "journal"]
REPORT = digest("delays.csv", "file")


def gaps(*words: str) -> list[str]:
    result = call("lineage", *words, "--format", "json")
    assert result.exit_code == 0, result.stderr
    return [gap["reason"] for gap in json.loads(result.stdout)["gaps"]]


def prune(journal: Journal, *names: str) -> None:
    """Delete the segments of these runs, as the bound on disk does."""
    sizes = [path.stat().st_size for path in journal.directory.glob("*.jsonl")]
    gone = [journal.file(name) for name in names]
    sweep(
        journal.directory,
        sum(sizes) - sum(path.stat().st_size for path in gone),
        delivered=lambda name, size: journal.directory / name in gone,
    )
    assert not any(path.exists() for path in gone)


def test_a_missing_maker_may_be_among_what_was_deleted_for_the_limit(journal: Journal) -> None:
    assert gaps(REPORT) == []
    prune(journal, "ingest.py")
    maker = f"{hex_id('trace ingest.py', 32)}-{hex_id('ingest.py pandas.to_parquet', 16)}"
    among = "it may be among 6 spans that were deleted to keep the journal within its limit"
    (reason,) = gaps(REPORT)
    assert reason.startswith(f"made by operation {maker}, which is not in journal:")
    assert reason.endswith(f"; {among}")


def test_what_counts_as_raw_data_is_doubted_once_when_something_is_missing(
    journal: Journal,
) -> None:
    other = journal.run("other.py")
    other.op("pandas.read_csv", [file("a.csv")], [art("a", "table")], kind="read")
    other.op("pandas.concat", [art("a", "table"), file("b.csv")], [art("both")])
    other.end()
    journal.write()
    assert gaps(digest("both")) == []
    prune(journal, "report.py")
    (reason,) = gaps(digest("both"))
    assert reason == (
        "2 artifacts count as raw data because no maker is known; it may be among "
        "4 spans that were deleted to keep the journal within its limit"
    )


def test_what_was_deleted_began_later_is_no_reason(journal: Journal) -> None:
    later = journal.run("later.py")
    journal.clock += 10**12
    later.op("pandas.read_csv", [file("x.csv")], [art("x", "table")], kind="read")
    journal.write()
    prune(journal, "later.py")
    assert gaps(REPORT) == []


def lose(journal: Journal, lines: int) -> None:
    with journal.file("report.py").open("ab") as segment:
        segment.write(lost_line(Losses(lines, 5000, "No space left on device")))


def test_lines_that_could_not_be_written_are_a_reason_too(journal: Journal) -> None:
    lose(journal, 3)
    (reason,) = gaps(REPORT)
    assert reason == (
        "1 artifact counts as raw data because no maker is known; it may be among "
        "3 lines that could not be written to the journal"
    ).replace("1 artifact counts", "2 artifacts count")


def test_doctor_tells_what_was_deleted_lost_and_damaged(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTELPROV_JOURNAL_LIMIT", "1GB")
    lose(journal, 3)
    prune(journal, "ingest.py")
    with journal.file("report.py").open("ab") as segment:
        segment.write(b"{torn")
    text = call("doctor").stdout
    assert ": 1 segments (0 being written), " in text
    assert " of 1 GB, 4 spans, from 2026-02-02 02:40:00 UTC on" in text
    assert "deleted to keep within the limit: 6 spans in 1 segments, " in text
    assert "lost: 3 lines, 5 kB (No space left on device)" in text
    assert "the line was not written to its end" in text
    found = json.loads(call("doctor", "--format", "json").stdout)["journal"]
    assert (found["lost_lines"], found["lost_bytes"], found["limit"]) == (3, 5000, 10**9)
    assert (found["pruned"]["spans"], found["pruned"]["undelivered"]) == (6, 0)
    assert (found["open"], len(found["damaged"])) == (0, 1)


def test_doctor_tells_what_was_cut(journal: Journal) -> None:
    assert json.loads(call("doctor", "--format", "json").stdout)["journal"]["cut"] == []
    run = journal.run("cut.py")
    dropped = {
        "otelprov.dropped.used": 1200,
        "otelprov.dropped.parameters": 1,
        "otelprov.dropped.digest_bytes": 5_000_000,
        "otelprov.repeated.count": 4000,
    }
    run.op("pandas.concat", [art("a")], [art("b")], **dropped)
    run.op("pandas.concat", [art("a")], [art("c")], key="2", **{"otelprov.dropped.used": 34})
    run.end(**{"otelprov.dropped.operations": 2, "otelprov.trace.continues": "a-b"})
    journal.write()
    result = call("doctor")
    for line in (
        "cut by a limit: 1,234 used artifacts left out, said by 2 spans",
        "cut by a limit: 1 parameter left out, said by 1 span",
        "cut by a limit: 5 MB not digested, said by 1 span",
        "summed up: 1 span stands for 4,000 calls",
        "not recorded by a rule of the policy: 2 calls of 1 run",
        "full traces: 1 time, what followed is in another trace",
    ):
        assert f"--  {line}\n" in result.stdout
    cut = json.loads(call("doctor", "--format", "json").stdout)["journal"]["cut"]
    assert {"attribute": "otelprov.dropped.used", "spans": 2, "number": 1234} in cut


def test_a_call_that_returned_before_its_ids_were_known_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    run = journal.run("a.py")
    values = {
        "otelprov.operation.kind": "read",
        "otelprov.run.id": run.run_id,
        "otelprov.operation.name": "pandas.read_csv",
        "otelprov.operation.start": 1_770_000_000_000_000_000,
        "otelprov.operation.end": 1_770_000_001_000_000_000,
        "otelprov.operation.pending": 2,
    }
    used = {"otelprov.used.id": digest("in.csv", "file"), "otelprov.artifact.role": "path"}
    attributes = attributes_of(values)
    attributes.append(
        {
            "key": "otelprov.operation.used",
            "value": {"arrayValue": {"values": [{"kvlistValue": {"values": attributes_of(used)}}]}},
        }
    )
    record = {
        "traceId": run.trace_id,
        "spanId": run.span_id("read"),
        "eventName": "otelprov.operation.returned",
        "attributes": attributes,
    }
    journal.lines["a.py"].append({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})
    journal.write()
    result = call("lineage", run.id("read"), "--format", "json")
    found = json.loads(result.stdout)
    (operation,) = found["operations"]
    assert (operation["status"], operation["end"]) == ("ok", "2026-02-02T02:40:01.000000Z")
    assert [one["id"] for one in found["artifacts"]] == [digest("in.csv", "file")]
    assert [gap["reason"] for gap in found["gaps"]] == [
        "the ids of 2 artifacts were still being computed when this was written"
    ]
    assert "not known  the ids of 2 artifacts" in " ".join(
        call("show", run.id("read")).stdout.split(" ")
    ).replace("not known    ", "not known  ")


@pytest.mark.parametrize(
    ("since", "names"),
    [
        ("2026-02-02T02:40:30Z", {"run later.py"}),
        ("2026-02-02", {"run later.py", "run report.py", "run ingest.py"}),
        ("10000w", {"run later.py", "run report.py", "run ingest.py"}),
        ("2026-02-02T03:40:30+01:00", {"run later.py"}),
    ],
)
def test_runs_since_a_time(journal: Journal, since: str, names: set[str]) -> None:
    later = journal.run("later.py")
    journal.clock += 60 * 10**9
    later.op("pandas.read_csv", [file("x.csv")], [art("x", "table")], kind="read")
    later.end()
    lines = journal.lines["later.py"][-1]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    lines["startTimeUnixNano"] = str(journal.clock - 10**9)
    journal.write()
    result = call("runs", "--since", since, "--format", "json")
    assert result.exit_code == 0, result.stderr
    assert {run["name"] for run in json.loads(result.stdout)} == names


def test_runs_by_name_and_by_operation(journal: Journal) -> None:
    def names(*words: str) -> list[str]:
        return [run["name"] for run in json.loads(call("runs", "--format", "json", *words).stdout)]

    assert names("--name", "inge") == ["run ingest.py"]
    assert names("--operation", "pandas.to_csv") == ["run report.py"]
    assert call("runs", "--operation", "pandas.melt").exit_code == 1
    bad = call("runs", "--since", "yesterday")
    assert (bad.exit_code, "'yesterday' is no time" in bad.stderr) == (2, True)

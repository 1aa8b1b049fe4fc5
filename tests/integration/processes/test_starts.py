"""Start records: what has begun is in the journal at once, and nowhere twice when it has ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from programs import compared

PROGRAM = """
    import glob, os
    import otelprov
    import pandas as pd

    def begun():
        lines = []
        for path in glob.glob(os.environ["OTELPROV_JOURNAL"] + "/*.jsonl"):
            lines += [line for line in open(path) if '"otelprov.operation.started"' in line]
        return len(lines)

    counts = [begun()]
    table = pd.read_csv("in.csv").assign(c=lambda d: d.a * 2)
    counts.append(begun())
    with otelprov.operation("fit", kind="train", parameters={"rate": 0.5}) as op:
        op.used(table)
        counts.append(begun())
    with otelprov.operation("ask", kind="query"):
        counts.append(begun())
    with otelprov.operation("guess", kind="predict"):
        counts.append(begun())
    table.to_csv("out.csv", index=False, mode="w")
    counts.append(begun())
    with open("counts", "w") as file:
        print(*counts, file=file)
"""


def test_a_start_is_in_the_journal_at_once_and_says_what_is_known(tmp_path: Path) -> None:
    outcome = compared(tmp_path, PROGRAM, files={"in.csv": "a,b\n1,2\n3,4\n"})
    assert (outcome.directory / "counts").read_text() == "1 1 2 3 3 4\n"
    assert [one.name for one in outcome.started] == [
        "run program.py",
        "fit",
        "ask",
        "pandas.to_csv",
    ]
    for start in outcome.started:
        span = outcome.one(start.name)
        same = ("span_id", "trace_id", "parent", "start")
        assert [getattr(start, name) for name in same] == [getattr(span, name) for name in same]
        # All that the span says that was known then, and with the same values.
        known = {
            name: value
            for name, value in start.attributes.items()
            if not name.startswith("otelprov.operation.") or name == "otelprov.operation.kind"
        }
        assert known.items() <= span.attributes.items()
        # What only the end can know.
        late = {"otelprov.dropped.used", "otelprov.run.operations"}
        assert set(span.attributes) - set(known) <= late
    write = next(one for one in outcome.started if one.name == "pandas.to_csv")
    assert write.parameter("mode") == "w"
    assert write.attributes["code.line.number"] == 22
    (used,) = write.used
    assert used["otelprov.used.id"] in outcome.one("pandas.assign").generated_ids
    assert used["otelprov.artifact.rows"] == 2
    # Once for every reader.
    (listed,) = outcome.runs()
    assert listed["operations"] == len(outcome.operations) == 6
    assert (listed["unfinished"], listed["status"]) == ([], "ok")
    found = json.loads(outcome.cli("lineage", "out.csv", "--format", "json"))
    names = [one["name"] for one in found["operations"]]
    assert sorted(names) == ["pandas.assign", "pandas.read_csv", "pandas.to_csv"]


@pytest.mark.parametrize("setting", ["OTEL_SDK_DISABLED", "OTELPROV_JOURNAL"])
def test_where_there_is_no_journal_nothing_is_written_down(tmp_path: Path, setting: str) -> None:
    value = {"OTEL_SDK_DISABLED": "true", "OTELPROV_JOURNAL": "off"}[setting]
    outcome = compared(
        tmp_path,
        """
        import otelprov
        with otelprov.operation("task"):
            print("done")
        """,
        env={setting: value},
    )
    assert (outcome.spans, outcome.started) == ([], [])
    assert not outcome.journal.exists()

"""A call that has returned is in the journal, also while the ids of its data are being computed."""

from __future__ import annotations

import signal
import textwrap
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import support

from otelprov import semconv
from otelprov.journal import reader

PROGRAM = """
    import os, signal, sys, threading
    import pyarrow.parquet as pq

    import otelprov
    from otelprov.artifacts import deferred

    # Every thread that digests is kept busy: nothing of what is large is known early.
    gate = threading.Event()
    started = [threading.Event() for _ in range(deferred._threads())]
    for event in started:
        deferred.background.then(lambda event=event: (event.set(), gate.wait(60)))
    for event in started:
        assert event.wait(60)

    table = pq.read_table("big.parquet")

    @otelprov.operation
    def largest(table):
        return table.slice(0, 10)

    @otelprov.operation
    def broken(table):
        raise ValueError("no")

    largest(table)
    try:
        broken(table)
    except ValueError:
        pass
    how = sys.argv[1]
    if how == "SIGKILL":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "os._exit":
        os._exit(0)
    gate.set()
"""


def run(folder: Path, how: str) -> tuple[int, list[reader.Span]]:
    """The exit code, and everything in the journal in its order."""
    pq.write_table(pa.table({"n": range(400_000)}), folder / "big.parquet")
    script = folder / "work.py"
    script.write_text(textwrap.dedent(PROGRAM))
    result = support.instrumented(
        script, how, journal_directory=folder / "journal", cwd=folder, check=False
    )
    assert result.stderr == ""
    spans: list[reader.Span] = []
    for path in reader.files(folder / "journal"):
        for line in path.read_bytes().splitlines():
            spans.extend(reader.spans(line))
    return result.returncode, spans


@pytest.mark.parametrize(("how", "code"), [("SIGKILL", -signal.SIGKILL), ("os._exit", 0)])
def test_what_had_returned_is_in_the_journal_of_a_process_that_is_gone(
    tmp_path: Path, how: str, code: int
) -> None:
    exit_code, spans = run(tmp_path, how)
    assert exit_code in (code, 128 - code)
    returned = {span.name: span for span in spans if span.pending is not None}
    assert set(returned) == {
        "pyarrow.parquet.read_table",
        "pyarrow.Table.slice",
        "largest",
        "broken",
    }
    read = returned["pyarrow.parquet.read_table"]
    assert read.end >= read.start > 0
    assert read.pending == 1
    (used,) = (event for event in read.events if event.name == semconv.USED)
    assert str(used.attributes[semconv.USED_ID]).startswith("file:")
    assert read.attributes[semconv.OPERATION_KIND] == "read"
    assert not any(span.end and span.pending is None for span in spans), "no span is complete"


def test_the_span_that_follows_counts_instead(tmp_path: Path) -> None:
    _, spans = run(tmp_path, "to its end")
    for name in ("pyarrow.parquet.read_table", "largest", "broken"):
        early = [span for span in spans if span.name == name and span.pending is not None]
        whole = [span for span in spans if span.name == name and span.end and span.pending is None]
        assert (len(early), len(whole)) == (1, 1), name
        assert (early[0].span_id, early[0].start, early[0].end) == (
            whole[0].span_id, whole[0].start, whole[0].end,
        )  # fmt: skip
        assert dict(early[0].attributes) == dict(whole[0].attributes)
        assert spans.index(early[0]) < spans.index(whole[0])


def test_a_call_that_failed_says_so_at_once(tmp_path: Path) -> None:
    _, spans = run(tmp_path, "os._exit")
    (broken,) = (span for span in spans if span.name == "broken" and span.pending is not None)
    assert broken.failed
    assert broken.message == "ValueError: no"
    assert broken.attributes[semconv.ERROR_TYPE] == "ValueError"


def test_what_is_known_at_once_has_no_such_record(tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text("import pandas as pd\npd.DataFrame({'a': [1]}).head(1).to_csv('a.csv')\n")
    support.instrumented(script, journal_directory=tmp_path / "journal", cwd=tmp_path)
    text = b"".join(path.read_bytes() for path in reader.files(tmp_path / "journal"))
    assert b"pandas.to_csv" in text
    assert semconv.RETURNED.encode() not in text

"""Kills at random moments: what had returned is in the journal, once, and every reader goes on.

``OTELPROV_KILLS`` says how many; ``make kills`` makes it 1,000.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import support

from otelprov.journal import reader
from otelprov.journal.index import JournalIndex
from otelprov.journal.segment import is_open

KILLS = int(os.environ.get("OTELPROV_KILLS", "100"))
PROGRAM = Path(__file__).parent / "victims.py"


def test_what_had_returned_when_a_process_was_killed_is_in_the_journal_once(
    tmp_path: Path,
) -> None:
    journal, receipts = tmp_path / "journal", tmp_path / "receipts"
    seed = random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}, {KILLS} kills")
    result = subprocess.run(
        [sys.executable, PROGRAM, receipts, str(KILLS), str(seed)],
        env=support.environment(journal, OTELPROV_JOURNAL_SEGMENT="64KiB"),
        capture_output=True, text=True, timeout=3000, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    returned = receipts.read_text().split()
    assert len(returned) == len(set(returned)) > KILLS

    ended: Counter[str] = Counter()
    spans: Counter[str] = Counter()
    for path in reader.files(journal):
        assert not is_open(path)
        for line in reader.lines(path):
            if not line.complete:
                continue  # it was killed in the middle of a write, before the call returned
            for span in reader.spans(line.data):
                if span.rank:
                    spans[f"{span.trace_id}-{span.span_id}"] += 1
                    ended[str(span.attributes.get("otelprov.parameter.receipt"))] += 1
    missing = [token for token in returned if not ended[token]]
    assert missing == [], f"{len(missing)} of {len(returned)}"
    assert max(spans.values()) == 1
    assert {token: ended[token] for token in returned if ended[token] != 1} == {}

    # No reader fails, and of every line nothing but an unfinished end is passed over.
    index = JournalIndex(journal)
    assert {one.reason for one in index.damage()} <= {reader.TORN}
    assert index.totals().lost_lines == 0
    listed = subprocess.run(
        ["otelprov", "runs", "--format", "json"],
        env=support.environment(journal), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert listed.returncode in (0, 3), listed.stderr
    assert [run["status"] for run in json.loads(listed.stdout)] == ["ok"]
    print(f"{len(returned)} operations had returned, {len(list(journal.glob('*.jsonl')))} segments")

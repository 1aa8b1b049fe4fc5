"""docs/journal.md: what it says of segments, locks and other tools is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import support

from otelprov.journal.retention import sweep
from otelprov.journal.writer import LIMIT, SEGMENT

PAGE = (support.ROOT / "docs" / "journal.md").read_text(encoding="utf-8")
PROGRAM = """
import otelprov
for number in range(3):
    with otelprov.operation("work"):
        pass
try:
    with otelprov.operation("fail"):
        raise ValueError("no")
except ValueError:
    pass
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a journal lies that a program wrote."""
    base = tmp_path_factory.mktemp("page")
    (base / "work.py").write_text(PROGRAM)
    support.instrumented(base / "work.py", journal_directory=base / "journal")
    return base


def command(begin: str) -> str:
    found = re.search(rf"^    ({begin} .*)$", PAGE, re.MULTILINE)
    assert found is not None
    return found[1]


def test_the_query_for_duckdb_answers(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (query,) = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(directory)
    rows = duckdb.connect().execute(query).fetchall()
    assert rows == [("work", 3), ("fail", 1), ("run work.py", 1)]


def test_the_command_for_jq_answers(directory: Path) -> None:
    if subprocess.run(["which", "jq"], capture_output=True, check=False).returncode:
        pytest.skip("there is no jq here")
    result = subprocess.run(
        command("jq"), shell=True, cwd=directory, capture_output=True, text=True, check=True
    )
    assert result.stdout == "fail: ValueError: no\n"


def test_the_command_for_locks_answers(directory: Path, tmp_path: Path) -> None:
    (closed,) = (directory / "journal").glob("*.jsonl")
    code = (
        "import sys; from pathlib import Path; from otelprov.journal.writer import JournalWriter;"
        "JournalWriter(Path(sys.argv[1])).append(b'{}\\n'); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        process.stdout.readline()
        (opened,) = tmp_path.glob("*.jsonl")
        for path, expected in ((closed, "closed\n"), (opened, "open\n")):
            result = subprocess.run(
                command("flock").replace("SEGMENT", str(path)),
                shell=True, capture_output=True, text=True, check=True,
            )  # fmt: skip
            assert result.stdout == expected
        process.stdin.close()


def test_lines_begin_and_end_as_the_page_says(directory: Path) -> None:
    (segment,) = (directory / "journal").glob("*.jsonl")
    for line in segment.read_bytes().splitlines(keepends=True):
        assert line.startswith((b'{"resourceSpans":[', b'{"resourceLogs":['))
        assert line.endswith(b"]}\n")
    assert re.fullmatch(r"\d{8}T\d{6}-\d+-[0-9a-f]{8}", segment.stem)


def test_the_files_of_the_page_are_those_that_are_made(directory: Path) -> None:
    listing = PAGE[PAGE.index("    journal/\n") :].split("\n\n")[0]
    named = set(re.findall(r"\b\w+\.(?:sqlite|lock|json)\b", listing))
    result = subprocess.run(
        ["otelprov", "runs"], env=support.environment(directory / "journal"), check=True,
        capture_output=True,
    )  # fmt: skip
    assert result.stdout
    sweep(directory / "journal", 1 << 40)
    made = {path.name for path in (directory / "journal").iterdir() if path.suffix != ".jsonl"}
    assert made <= named
    assert made >= {"index.sqlite", "index.lock", "pruned.lock"}


def test_the_sizes_of_the_page_are_those_in_force() -> None:
    assert f"`OTELPROV_JOURNAL_SEGMENT` ({SEGMENT >> 20} MiB" in PAGE
    assert f"`OTELPROV_JOURNAL_LIMIT` ({LIMIT >> 30} GiB)" in PAGE

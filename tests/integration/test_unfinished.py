"""What was running when a process died: told as such, and never as a success."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import support

PROGRAM = """
import sys
import otelprov
import pandas as pd

read = pd.read_csv("in.csv")
with otelprov.operation("fit", kind="train") as op:
    op.used(read)
    print("fitting", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def fitting(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program in the middle of its work."""
    (tmp_path / "fit.py").write_text(PROGRAM)
    (tmp_path / "in.csv").write_text("a,b\n1,2\n")
    process = subprocess.Popen(
        ["opentelemetry-instrument", sys.executable, "fit.py"],
        env=support.environment(tmp_path / "journal"),
        cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "fitting\n"
    yield process
    process.kill()
    process.communicate()


def cli(directory: Path, *words: str) -> str:
    result = subprocess.run(
        ["otelprov", *words],
        env=support.environment(directory / "journal"),
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


def the_run(directory: Path, *words: str) -> dict[str, object]:
    (run,) = json.loads(cli(directory, "runs", "--format", "json", *words))
    assert isinstance(run, dict)
    return run


def test_a_run_is_running_while_its_process_lives_and_died_when_it_was_killed(
    fitting: subprocess.Popen[str], tmp_path: Path
) -> None:
    run = the_run(tmp_path)
    assert (run["name"], run["status"], run["end"]) == ("run fit.py", "running", None)
    assert [one["name"] for one in run["unfinished"]] == ["fit"]  # type: ignore[attr-defined]
    assert "  is in fit (fit.py:7)" in cli(tmp_path, "runs")
    fitting.kill()
    fitting.wait()
    run = the_run(tmp_path)
    assert (run["status"], run["end"]) == ("died", None)
    table = cli(tmp_path, "runs")
    assert "  was in fit (fit.py:7)" in table
    assert max(map(len, table.splitlines())) <= 100
    shown = cli(tmp_path, "show", str(run["id"]))
    assert "died (ended without saying so)" in shown
    assert "began, end not recorded" in shown


def test_an_operation_that_did_not_end_is_a_gap_and_no_success(
    fitting: subprocess.Popen[str], tmp_path: Path
) -> None:
    fitting.kill()
    fitting.wait()
    unfinished = the_run(tmp_path)["unfinished"]
    id_ = unfinished[0]["id"]  # type: ignore[index]
    found = json.loads(cli(tmp_path, "lineage", id_, "--format", "json"))
    (operation,) = [one for one in found["operations"] if one["id"] == id_]
    assert (operation["status"], operation["end"]) == ("unknown", None)
    reasons = [gap["reason"] for gap in found["gaps"] if gap.get("operation") == id_]
    assert reasons == ["it began, and its end is not recorded: what it made is not known"]
    assert "began, end not recorded" in cli(tmp_path, "lineage", id_)
    shown = cli(tmp_path, "show", id_).splitlines()
    assert any(line.split()[:3] == ["end", "not", "recorded"] for line in shown)
    assert not any(line.startswith("duration") for line in shown)


def test_a_run_that_went_on_and_ended_leaves_nothing_unfinished(
    fitting: subprocess.Popen[str], tmp_path: Path
) -> None:
    fitting.communicate("\n")
    run = the_run(tmp_path, "--name", "fit.py", "--operation", "fit", "--since", "1h")
    assert (run["status"], run["unfinished"]) == ("ok", [])

"""A fault anywhere in otelprov is told once, and the program does not notice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import support

INJECTOR = Path(__file__).parent / "injector.py"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("error", "part"),
    [("RuntimeError", "0/3"), ("KeyboardInterrupt", "1/3"), ("TimeoutError@handler", "2/3")],
)
def test_every_function_may_raise_and_the_program_does_not_notice(
    tmp_path: Path, error: str, part: str
) -> None:
    options = ["--journal", str(tmp_path), "--errors", error, "--part", part]
    command = [sys.executable, str(INJECTOR), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 noticed" in done.stdout
    assert int(done.stdout.split()[0]) > 100, "faults were put in"


def test_an_exception_of_the_programs_signal_handler_reaches_the_program(tmp_path: Path) -> None:
    code = """
import signal
import pandas as pd
from otelprov.artifacts import identity, tables

class Late(Exception):
    pass

def handler(number, frame):
    raise Late

def digest(value):
    signal.raise_signal(signal.SIGALRM)

signal.signal(signal.SIGALRM, handler)
table = pd.DataFrame({"a": [1]})
tables.digest = digest
try:
    table.to_csv("out.csv")
except Late:
    print("late")
tables.digest = lambda value: 1 / 0
table.to_csv("out.csv")
print("told")
"""
    done = support.instrumented(
        "-c", code, journal_directory=tmp_path / "journal", cwd=tmp_path,
        env={"OTELPROV_RAISE_FAULTS": "off"},
    )  # fmt: skip
    assert done.stdout == "late\ntold\n"

"""A program that records for long holds no more memory than one that has just begun."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path

import pytest
from support import instrumented

DECLARED = """
    import otelprov

    def step(number):
        with otelprov.operation("merge", kind="transform", parameters={"n": number}) as op:
            op.used([number])
            op.generated([number, number])
"""
PANDAS = """
    import pandas

    frame = pandas.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})

    def step(number):
        made = frame.assign(c=number).merge(frame, on="a")
        made["d"] = made["c"] + number
        made.sort_values("a")["a"].to_numpy()
"""
MEASURED = """
    import gc, json, os

    def resident():
        gc.collect()
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    found = []
    for number in range(TURNS * EACH):
        step(number)
        if number % EACH == EACH - 1:
            found.append(resident())
    print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("step", "each"), [(DECLARED, 2000), (PANDAS, 100)], ids=["declared", "pandas"]
)
def test_the_memory_of_a_long_loop_is_bounded(step: str, each: int, tmp_path: Path) -> None:
    text = step + MEASURED.replace("EACH", str(each)).replace("TURNS", "4")
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(text))
    few = {"OTELPROV_REPEATS": "50"}
    result = instrumented(script, journal_directory=tmp_path / "j", env=few)
    found = json.loads(result.stdout.splitlines()[-1])
    # What is kept of the first calls (places, patterns, digests of columns) is there by now.
    assert found[-1] - found[1] < 2 << 20, found
    assert (tmp_path / "j").exists()

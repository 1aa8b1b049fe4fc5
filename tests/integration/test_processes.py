"""Lineage that crosses processes: tables that travel as pickles keep their story."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import support

PROGRAM = """
import sys
from concurrent.futures import ProcessPoolExecutor
import multiprocessing
import pandas as pd


def clean(table):
    return table.assign(total=table.a + table.b)


def load(path):
    return clean(pd.read_csv(path))


if __name__ == "__main__":
    method, *files = sys.argv[1:]
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        raw = pool.map(pd.read_csv, files)      # read there
        cleaned = pool.map(clean, raw)          # sent there and back
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        loaded = list(executor.map(load, files[:1]))
    everything = pd.concat([*cleaned, *loaded])
    everything["share"] = everything.total / everything.total.sum()
    everything.to_csv("out.csv", index=False)
    raw[0].to_json("first.json")
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_tables_that_went_through_a_pool_lead_back_to_their_files(
    tmp_path: Path, method: str
) -> None:
    files = []
    for number in range(3):
        path = tmp_path / f"{number}.csv"
        path.write_text(f"a,b\n{number},2\n3,{number}\n")
        files.append(path.name)
    (tmp_path / "program.py").write_text(PROGRAM)
    support.instrumented(
        "program.py", method, *files, journal_directory=tmp_path / "journal", cwd=tmp_path
    )

    def raw(target: str) -> tuple[set[str], list[str]]:
        result = subprocess.run(
            ["otelprov", "lineage", target, "--format", "json"],
            env=support.environment(tmp_path / "journal"),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(result.stdout)
        made = {edge["to"] for edge in found["edges"] if edge["relation"] == "generated"}
        roots = {one["name"] for one in found["artifacts"] if one["id"] not in made}
        return roots, [gap["reason"] for gap in found["gaps"]]

    assert raw("out.csv") == ({"0.csv", "1.csv", "2.csv"}, [])
    assert raw("first.json") == ({"0.csv"}, [])

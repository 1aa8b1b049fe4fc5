"""``doctor`` says what is recorded of each library, and loads none of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import support

pytest.importorskip("pandas")


def doctor(directory: Path, *arguments: str, **extra: str) -> dict[str, dict[str, Any]]:
    result = subprocess.run(
        ["otelprov", "doctor", "--format", "json", *arguments],
        env=support.environment(directory / "journal", **extra),
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode in (0, 1), result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return {one["library"]: one for one in found["libraries"]}


def test_each_installed_library_says_from_which_version_on_and_how_much(tmp_path: Path) -> None:
    import pandas as pd

    pandas = doctor(tmp_path)["pandas"]
    assert pandas["installed"] == pd.__version__
    assert (pandas["from"], pandas["active"], pandas["excluded"]) == ("2.2", True, [])
    assert pandas["number"] > 200
    assert "operations" not in pandas


def test_the_operations_in_full_are_those_of_the_tables(tmp_path: Path) -> None:
    from otelprov.instrumentation.pandas import TABLES

    found = doctor(tmp_path, "--libraries")
    every = (one for table in TABLES.values() for one in table())
    entries = [one for one in every if one.kind not in ("step", "plan")]
    assert {name for names in found["pandas"]["operations"].values() for name in names} == {
        one.name for one in entries
    }
    assert found["duckdb"]["words"]
    assert any("LazyFrame" in text for text in found["polars"]["oddities"])


def test_no_library_is_loaded_for_it(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from otelprov.cli import main\n"
        "try: main(['doctor', '--libraries'])\n"
        "except SystemExit: pass\n"
        "loaded = {'pandas', 'polars', 'duckdb', 'numpy', 'sklearn', 'pyarrow'} & {*sys.modules}\n"
        "print('LOADED', sorted(loaded))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=support.environment(tmp_path / "journal"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "LOADED []" in result.stdout
    assert "groupby.agg" in result.stdout


def test_what_the_policy_switches_off_is_said(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[tool.otelprov.rules]]\noperation = "pandas.head"\nexclude = true\n')
    found = doctor(tmp_path, OTELPROV_POLICY=str(policy))
    assert len(found["pandas"]["excluded"]) == 1
    assert found["polars"]["excluded"] == []


def test_a_library_that_could_not_be_patched_in_the_last_runs_is_said(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import otelprov.instrumentation.pandas as facts\nfacts.TABLES.clear()\nimport pandas\n"
    )
    support.instrumented(
        "program.py",
        journal_directory=tmp_path / "journal",
        cwd=tmp_path,
        env={"OTELPROV_RAISE_FAULTS": "off"},
    )
    found = doctor(tmp_path)
    assert found["pandas"]["left_out"] == ["pandas is not instrumented"]
    assert found["polars"]["left_out"] == []

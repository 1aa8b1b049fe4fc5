"""Real pipelines, run twice: what is not deterministic is found, and nothing else."""

from __future__ import annotations

import json
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
import support

PIPELINE = """
    import sys
    import time

    import numpy as np
    import pandas as pd

    SEEDED = "seeded" in sys.argv
    random = np.random.default_rng(7 if SEEDED else None)

    def noise(table):
        return table["amount"] + random.random(len(table))

    def now(table):
        return 0 if SEEDED else time.time_ns()

    def by_country(table):
        names = set(table["country"])
        order = sorted(names) if SEEDED else list(names)
        return table.set_index("country").loc[order].reset_index()

    orders = pd.DataFrame({"country": list("abcdefghij") * 20, "amount": range(200)})
    orders.to_parquet("orders.parquet")
    orders = pd.read_parquet("orders.parquet")

    large = orders[orders["amount"] > 20].assign(vat=lambda t: t["amount"] * 0.2)
    some = large.sample(30, random_state=7 if SEEDED else None)
    total = some.groupby("country")["amount"].sum().reset_index()
    noisy = large.assign(noise=noise)
    timed = large.assign(at=now)
    unordered = large.drop_duplicates("country").pipe(by_country)
    large.to_parquet("large.parquet")
    total.to_parquet(sys.argv[1])
"""


def record(directory: Path, *arguments: str, tier: str = "full", hashes: str = "random") -> None:
    (directory / "pipeline.py").write_text(textwrap.dedent(PIPELINE))
    support.instrumented(
        "pipeline.py",
        *arguments,
        journal_directory=directory / "journal",
        cwd=directory,
        env={"OTELPROV_TIER": tier, "PYTHONHASHSEED": hashes},
    )


def check(directory: Path, *words: str, code: int) -> dict[str, Any]:
    result = subprocess.run(
        ["otelprov", "check", "determinism", *words, "--format", "json"],
        env=support.environment(directory / "journal"),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == code, result.stdout + result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def steps(found: dict[str, Any], *, root: bool) -> list[tuple[str, str | None]]:
    """The findings as operation and line of code."""
    lines = textwrap.dedent(PIPELINE).splitlines()
    return sorted(
        (one["operation"]["name"], lines[one["operation"]["code"]["line"] - 1].split(" = ")[0])
        for one in found["findings"]
        if one["root"] == root
    )


@pytest.fixture(scope="module")
def chance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipeline as it is, twice, with different seeds for the order of sets."""
    directory = tmp_path_factory.mktemp("chance")
    record(directory, "first.parquet", hashes="1")
    record(directory, "second.parquet", hashes="2")
    return directory


def test_chance_clocks_and_the_order_of_sets_are_found_and_nothing_else(chance: Path) -> None:
    found = check(chance, code=1)
    assert steps(found, root=True) == [
        ("pandas.assign", "noisy"),
        ("pandas.assign", "timed"),
        ("pandas.pipe", "unordered"),
        ("pandas.sample", "some"),
    ]
    assert steps(found, root=False) == [
        ("pandas.groupby.sum", "total"),
        ("pandas.reset_index", "total"),
    ]
    (sample,) = [one for one in found["findings"] if one["operation"]["name"] == "pandas.sample"]
    assert sample["proven"]
    runs = [one["first"][0]["run"] for one in sample["contents"]]
    assert len(set(runs)) == 2
    assert found["checked"]["compared"] > found["checked"]["differing"]


def test_with_seeds_and_in_order_nothing_is_found(tmp_path: Path) -> None:
    record(tmp_path, "first.parquet", "seeded", hashes="1")
    record(tmp_path, "second.parquet", "seeded", hashes="2")
    found = check(tmp_path, code=0)
    assert found["verdict"] == "none found"
    assert found["checked"]["compared"] >= 9


def test_a_report_is_checked_by_the_steps_that_led_to_it(chance: Path) -> None:
    assert check(chance, "large.parquet", code=0)["checked"]["differing"] == 0
    found = check(chance, "second.parquet", code=1)
    assert steps(found, root=True) == [("pandas.sample", "some")]


def test_where_both_contents_are_still_on_disk_they_can_be_compared(chance: Path) -> None:
    found = check(chance, "second.parquet", code=1)
    (last,) = [o for o in found["findings"] if o["operation"]["name"] == "pandas.reset_index"]
    ids = [one["id"] for one in last["contents"]]
    result = subprocess.run(
        ["otelprov", "id", *ids, "--explain"],
        env=support.environment(chance / "journal"),
        cwd=chance,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert "first.parquet" in result.stdout
    assert "second.parquet" in result.stdout
    assert "amount" in result.stdout


def test_one_run_alone_says_nothing(tmp_path: Path) -> None:
    record(tmp_path, "first.parquet")
    assert check(tmp_path, code=2)["verdict"] == "nothing to compare"


def test_in_the_tier_essential_what_was_written_is_compared(tmp_path: Path) -> None:
    record(tmp_path, "first.parquet", tier="essential")
    record(tmp_path, "second.parquet", tier="essential")
    found = check(tmp_path, code=1)
    (last,) = found["findings"]
    assert (last["operation"]["name"], last["seen"]) == ("pandas.reset_index", "written")
    assert last["root"] and not last["proven"]
    assert last["unseen"] >= 2  # sample and the sum: either may be where it begins
    assert found["checked"]["unknown"] > 0
    files = sorted(one["file"] for one in last["contents"])
    assert [Path(one).name for one in files] == ["first.parquet", "second.parquet"]

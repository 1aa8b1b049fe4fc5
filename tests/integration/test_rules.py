"""The policy file: found, read, in force, and never in the way of a program."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
from pathlib import Path

import pytest
import support

from otelprov import settings

KEY = "a key of many bytes, not in the file"
PROGRAM = """
import pandas as pd, otelprov

pd.DataFrame({"n": [1, 2]}).to_csv("salaries.csv", index=False)
table = pd.read_csv("salaries.csv")
more = table.assign(m=1)

@otelprov.operation
def work(customer_id, region, note): ...

work("C-17", "north", note="x")
work("C-17", "south", note="y")

@otelprov.operation
def noise(): ...

noise()
try:
    pd.read_csv("none/salaries.csv")
except OSError:
    pass
print("done")
"""
POLICY = """
[tool.otelprov]
tier = "essential"
parameter_length = 100
hash_key_variable = "SHOP_KEY"

[[tool.otelprov.rules]]
parameter = "customer_*"
hash = true

[[tool.otelprov.rules]]
operation = "work"
parameter = "region"
mask = true

[[tool.otelprov.rules]]
parameter = "note"
drop = true

[[tool.otelprov.rules]]
artifact = "*/salaries*"
mask = true
sensitive = true

[[tool.otelprov.rules]]
operation = "pandas.assign"
tier = "full"

[[tool.otelprov.rules]]
operation = "noise"
exclude = true
"""


def shop(base: Path, policy: str, **env: str) -> tuple[list[support.Recorded], str]:
    (base / "src").mkdir()
    (base / "src" / "shop.py").write_text(PROGRAM)
    (base / "pyproject.toml").write_text(policy)
    env.setdefault("SHOP_KEY", KEY)
    result = support.instrumented(
        base / "src" / "shop.py", journal_directory=base / "journal", cwd=base, env=env
    )
    assert result.stdout == "done\n"
    return support.journal(base / "journal"), result.stderr


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[support.Recorded], Path]:
    base = tmp_path_factory.mktemp("policy")
    spans, error = shop(base, POLICY)
    assert error == ""
    return spans, base


def named(spans: list[support.Recorded], name: str) -> list[support.Recorded]:
    return [span for span in spans if span.name == name]


def test_a_hashed_value_is_its_hmac_and_equal_values_stay_equal(
    recorded: tuple[list[support.Recorded], Path],
) -> None:
    digest = hmac.new(KEY.encode(), b"C-17", hashlib.sha256).hexdigest()
    calls = named(recorded[0], "work")
    assert [one.parameter("customer_id") for one in calls] == [f"hmac-sha256:{digest}"] * 2


def test_masked_and_dropped_parameters_are_not_there(
    recorded: tuple[list[support.Recorded], Path],
) -> None:
    for one in named(recorded[0], "work"):
        assert one.parameter("region") == "[REDACTED]"
        assert one.parameter("note") is None
        assert one.attributes["otelprov.dropped.parameters"] == 1


def test_an_artifact_is_masked_wherever_it_is_named_and_marks_its_operations(
    recorded: tuple[list[support.Recorded], Path],
) -> None:
    spans, base = recorded
    data = b"".join(path.read_bytes() for path in (base / "journal").glob("*.jsonl"))
    assert b"salaries" not in data
    for name in ("pandas.to_csv", "pandas.read_csv"):
        one = named(spans, name)[0]
        assert one.attributes["otelprov.sensitive"] is True
        (event,) = [e for e in (*one.used, *one.generated) if "otelprov.artifact.uri" in e]
        assert event["otelprov.artifact.uri"] == event["otelprov.artifact.name"] == "[REDACTED]"
        assert event["otelprov.sensitive"] is True
    assert (
        named(spans, "pandas.to_csv")[0].generated_ids & named(spans, "pandas.read_csv")[0].used_ids
    )
    assert all("otelprov.sensitive" not in one.attributes for one in named(spans, "work"))


def test_a_tier_holds_for_the_operations_that_a_rule_names(
    recorded: tuple[list[support.Recorded], Path],
) -> None:
    (one,) = named(recorded[0], "pandas.assign")
    assert one.attributes["otelprov.tier"] == "full"
    assert "otelprov.artifact.content_id" in one.generated[0]


def test_excluded_operations_are_counted(recorded: tuple[list[support.Recorded], Path]) -> None:
    assert named(recorded[0], "noise") == []
    assert named(recorded[0], "run shop.py")[0].attributes["otelprov.dropped.operations"] == 1


def test_a_bad_rule_costs_one_line_and_the_rest_applies(tmp_path: Path) -> None:
    bad = '\n[[tool.otelprov.rules]]\noperation = "x"\nfoo = true\n'
    spans, error = shop(tmp_path, POLICY + bad, SHOP_KEY="short")
    assert error.count("\n") == 1
    assert "rule 7: 'foo' is neither a match nor an action" in error
    assert "SHOP_KEY holds 5 bytes" in error
    assert named(spans, "work")[0].parameter("customer_id") == "[REDACTED]", "no key, no hash"
    answer = subprocess.run(
        ["otelprov", "runs"],
        cwd=tmp_path, env=support.environment(tmp_path / "journal"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 2
    assert "is neither a match nor an action" in answer.stderr


def test_a_file_that_is_no_toml_stops_nothing(tmp_path: Path) -> None:
    spans, error = shop(tmp_path, "[tool.otelprov\nx")
    assert named(spans, "work")[0].parameter("region") == "north"
    assert error.startswith("otelprov: ")
    assert error.count("\n") == 1


def test_doctor_shows_the_policy_in_force(recorded: tuple[list[support.Recorded], Path]) -> None:
    base = recorded[1]
    env = {**support.environment(base / "journal"), "SHOP_KEY": KEY}
    answer = subprocess.run(
        ["otelprov", "doctor", "--format", "json"],
        cwd=base, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = json.loads(answer.stdout)
    assert said["policy"]["file"] == str(base / "pyproject.toml")
    assert len(said["policy"]["rules"]) == 6
    assert said["policy"]["hash_key"] is True
    assert said["settings"]["OTELPROV_PARAMETER_LENGTH"] == "100"
    assert KEY not in answer.stdout


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.otelprov]\ntier = "full"\nevents = true\n')
    loaded = settings.load({"OTELPROV_TIER": "essential"}, directory=str(tmp_path))
    assert (loaded.tier, loaded.events) == ("essential", True)
    assert settings.load({"OTELPROV_POLICY": "off"}, directory=str(tmp_path)).events is False


def test_a_pyproject_without_the_table_is_passed_over(tmp_path: Path) -> None:
    inner = tmp_path / "package"
    inner.mkdir()
    (tmp_path / "pyproject.toml").write_text('[tool.otelprov]\ntier = "full"\n')
    (inner / "pyproject.toml").write_text("[project]\nname = 'x'\n[broken")
    loaded = settings.load({}, directory=str(inner))
    assert (loaded.tier, loaded.policy) == ("full", tmp_path / "pyproject.toml")

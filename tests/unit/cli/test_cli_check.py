"""``otelprov check determinism``: what it says, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from unit.cli.test_cli_commands import alone, call
from unit.journal_read.test_derivations import of, once
from unit.lineage.recorded import START, Journal, art, digest

__all__ = ["alone"]  # a fixture for every test here too


@pytest.fixture
def journal() -> Journal:
    made = Journal(Path("journal"))
    once(made, "a.py", "one")
    once(made, "b.py", "other")
    made.write()
    return made


def test_a_step_that_is_not_deterministic_is_told_and_what_followed_below_it(
    journal: Journal,
) -> None:
    result = call("check", "determinism")
    assert (result.exit_code, result.stderr) == (1, "")
    assert "\x1b" not in result.stdout
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert max(map(len, lines)) <= 100
    one, other = (digest(name, "table")[:18] for name in ("one", "other"))
    assert lines == [
        "● pandas.sample" + " " * 69 + "a.py:12 1a2b3c4+",
        f"  2 contents of {digest('some')[:20]}, seen where it was made:",
        f"    {one}  5 rows  once                  2026-02-02 02:40:00 UTC  run a.py",
        f"    {other}  5 rows  once                  2026-02-02 02:40:00 UTC  run b.py",
        "  all that it used had the same contents each time: it is this step",
        "  1 step after it differed in consequence:",
        "    ● pandas.sort_values" + " " * 60 + "a.py:13 1a2b3c4+",
        "",
        "not deterministic in 1 place, and 1 step after",
        "compared   3 derivations made more than once",
    ]


def test_json_says_the_same(journal: Journal) -> None:
    result = call("check", "determinism", "--format", "json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["schema"] == "otelprov.check.determinism/1"
    assert found["verdict"] == "differing"
    assert found["checked"] == {
        "compared": 3, "differing": 2, "once": 0, "unclear": 0, "unknown": 0,
    }  # fmt: skip
    sample, ordered = found["findings"]
    assert (sample["derivation"], sample["root"], sample["causes"]) == (digest("some"), True, [])
    assert (ordered["root"], ordered["causes"]) == (False, [digest("some")])
    assert sample["operation"]["name"] == "pandas.sample"
    assert sample["operation"]["code"]["line"] == 12
    first = sample["contents"][0]
    assert (first["id"], first["times"], first["rows"]) == (digest("one", "table"), 1, 5)
    assert first["first"][0]["seen"].startswith("2026-02-02T02:40:00.")


def test_nothing_to_compare_is_told_and_is_not_success() -> None:
    journal = Journal(Path("journal"))
    once(journal, "a.py", "one")
    run = journal.run("b.py")
    run.op("pandas.merge", [art("raw", "table")], [of("merged")])
    journal.write()
    result = call("check", "determinism")
    assert result.exit_code == 2
    assert result.stdout.splitlines() == [
        "nothing to compare: that says nothing about whether the steps are deterministic",
        "compared   0 derivations made more than once",
        "once       3 derivations with one known making: nothing can be said; run it again",
        "unknown    1 derivation without content ids; OTELPROV_TIER=full records them",
    ]
    assert json.loads(call("check", "determinism", "--format", "json").stdout)["verdict"] == (
        "nothing to compare"
    )


def test_no_differences_are_told_with_how_much_was_compared() -> None:
    journal = Journal(Path("journal"))
    once(journal, "a.py", "one")
    once(journal, "b.py", "one")
    journal.write()
    result = call("check", "determinism")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "no differences among 3 derivations"
    with journal.file("a.py").open("a") as torn:
        torn.write("{")
    result = call("check", "determinism")
    assert result.exit_code == 3
    assert "was not written to its end" in result.stderr


def test_a_target_a_run_and_a_time_narrow_it(journal: Journal) -> None:
    assert call("check", "determinism", digest("large")).exit_code == 0
    assert call("check", "determinism", digest("sorted")).exit_code == 1
    trace = journal.lines["a.py"][0]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"]
    assert call("check", "determinism", "--run", trace[:8]).exit_code == 1
    assert call("check", "determinism", f"trace:{trace}").exit_code == 1
    assert call("check", "determinism", "--since", "2026-02-02").exit_code == 1
    assert call("check", "determinism", "--since", "2026-02-02T02:40:00Z").exit_code == 1
    assert START // 10**9 < 1_800_000_000
    assert call("check", "determinism", "--since", "2126-02-02").exit_code == 2
    assert call("check", "determinism", "--since", "1m").exit_code == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--since", "yesterday"], "--since yesterday is no time; expected"),
        (["--run", "xyz"], "xyz is no run"),
        (["--run", "0000"], "run 0000 is not in journal:"),
        (["no/such.csv"], "there is no file no/such.csv"),
        (["--source", "journal:nowhere"], "there is no journal at"),
        (["--source", "zipkin:x"], "is no source"),
        (["--source", "jaeger+http://localhost:1"], "needs a journal"),
    ],
)
def test_what_cannot_be_checked_is_exit_code_2(
    journal: Journal, words: list[str], message: str
) -> None:
    result = call("check", "determinism", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_it_teaches_with_examples() -> None:
    assert "otelprov check determinism" in call("check", "--help").stdout
    text = call("check", "determinism", "--help").stdout
    assert "OTELPROV_TIER=full otelprov run -- python pipeline.py" in text
    assert "Exit codes: 0 none found; 1 found;" in text

"""docs/settings.md is what the settings do."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import support
from click.testing import CliRunner

from otelprov import settings
from otelprov.cli import main
from otelprov.cli.run import complete

PAGE = (support.ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
NAMES = [one.name for one in settings.SETTINGS]
ALL_OF_OTELPROV = "otelprov"
BUILD_TIME = dict(pair.split("=") for pair in re.findall(r"^    ENV (.*)$", PAGE, re.M)[0].split())
EXAMPLES = re.findall(r"^    otelprov: (.*)$", PAGE, re.MULTILINE)


def test_every_variable_that_the_code_reads_is_a_setting() -> None:
    read = set()
    for path in (support.ROOT / "otelprov").rglob("*.py"):
        read.update(re.findall(r"\bOTELPROV_[A-Z_]+\b", path.read_text(encoding="utf-8")))
    assert read == {*NAMES, settings.RUN}


def test_every_setting_of_otelprov_on_the_page_exists() -> None:
    assert set(re.findall(r"OTELPROV_[A-Z]+(?:_[A-Z]+)*", PAGE)) - {"OTELPROV_CODE"} == set(NAMES)


def test_the_defaults_of_the_table_are_those_in_force() -> None:
    loaded = settings.load({"HOME": "/home/ada"})
    shown = {one.name: one.default for one in settings.SETTINGS}
    assert shown["OTELPROV_TIER"] == loaded.tier
    assert (shown["OTELPROV_CARRIER"] == "on") is loaded.carrier
    assert shown["OTELPROV_PARAMETER_LENGTH"] == str(loaded.parameter_length)
    assert (shown["OTELPROV_RAISE_FAULTS"] == "on") is loaded.raise_faults
    assert loaded.code_revision is loaded.code_branch is loaded.code_repository is None
    assert loaded.journal == Path("/home/ada/.local/state/otelprov/journal")
    assert shown["OTELPROV_EXCEPTIONS"] == loaded.exceptions
    # And what the policy file says, the key, and two lists of problems.
    assert len(loaded) == len(NAMES) + 4


def test_the_journal_follows_the_state_directory() -> None:
    loaded = settings.load({"HOME": "/home/ada", "XDG_STATE_HOME": "/state"})
    assert loaded.journal == Path("/state/otelprov/journal")
    assert settings.load({"OTELPROV_JOURNAL": "off"}).journal is None


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_value_counts_as_not_set(name: str) -> None:
    assert settings.load({"HOME": "/x", name: ""}) == settings.load({"HOME": "/x"})


def test_a_bad_value_is_told_in_the_words_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    settings.report(settings.load({"OTELPROV_TIER": "rich"}))
    assert capsys.readouterr().err == f"otelprov: {EXAMPLES[0]}\n"


def test_a_command_that_reads_stops_at_a_bad_value_with_exit_code_2(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTELPROV_TIER", "rich")
    result = CliRunner().invoke(main, ["runs"])
    assert (result.exit_code, result.stderr[:24]) == (2, "otelprov: OTELPROV_TIER ")


PROGRAM = """
import otelprov
with otelprov.operation("work"):
    print("worked")
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "work.py"
    path.write_text(PROGRAM)
    return path


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_a_journal_that_cannot_be_written_costs_one_line(program: Path) -> None:
    result = support.instrumented(program, env={"OTELPROV_JOURNAL": "/proc/journal"})
    assert (result.stdout, result.stderr) == ("worked\n", f"otelprov: {EXAMPLES[1]}\n")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a program in a git repository, with the exporter named otelprov."""
    base = tmp_path_factory.mktemp("settings")
    (base / "work.py").write_text(PROGRAM)
    subprocess.run(["git", "init", "--quiet", str(base)], check=True)
    env = {**BUILD_TIME, "OTEL_TRACES_EXPORTER": "otelprov"}
    journal = base / "deep" / "journal"
    assert support.instrumented(base / "work.py", journal_directory=journal, env=env).stderr == ""
    return journal


def test_the_journal_is_its_owners(recorded: Path) -> None:
    (file,) = recorded.glob("*.jsonl")
    assert recorded.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_exporter_named_otelprov_writes_each_span_once(recorded: Path) -> None:
    (file,) = recorded.glob("*.jsonl")
    assert len(file.read_bytes().splitlines()) == 4, "a start and an end for each"
    assert [span.name for span in support.journal(recorded)] == ["run work.py", "work"]


def test_a_revision_from_build_time_wins_over_git(recorded: Path) -> None:
    for span in support.journal(recorded):
        assert span.attributes["vcs.ref.head.revision"] == BUILD_TIME["OTELPROV_CODE_REVISION"]
        assert span.attributes["vcs.ref.head.name"] == BUILD_TIME["OTELPROV_CODE_BRANCH"]


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": ALL_OF_OTELPROV},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_what_switches_the_recording_off_leaves_no_journal(
    program: Path, variables: dict[str, str]
) -> None:
    directory = program.parent / "journal"
    result = support.instrumented(program, journal_directory=directory, env=variables)
    assert (result.stdout, result.stderr) == ("worked\n", "")
    assert not directory.exists()


def test_doctor_shows_every_variable_of_opentelemetry_on_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = re.findall(r"^\| (`O.*?) \|", PAGE[PAGE.index("## Variables of") :], re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)]
    assert len(names) == 9
    for name in names:
        monkeypatch.setenv(name, "some value")
    monkeypatch.setenv("OTELPROV_JOURNAL", str(tmp_path))
    result = CliRunner().invoke(main, ["doctor", "--format", "json"])
    assert set(json.loads(result.stdout)["environment"]) >= set(names)


def test_the_variables_that_run_fills_in_are_the_exporters() -> None:
    environ: dict[str, str] = {}
    complete(environ, ["python", "report.py"])
    filled = {name for name, value in environ.items() if value == "none"}
    assert filled == {f"OTEL_{signal}_EXPORTER" for signal in ("TRACES", "METRICS", "LOGS")}
    assert environ["OTEL_SERVICE_NAME"] == "report"

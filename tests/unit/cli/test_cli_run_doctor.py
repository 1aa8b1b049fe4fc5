"""``run`` becomes the program; ``doctor`` says what stops the recording."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from unit.lineage.recorded import flights

from otelprov.cli import main
from otelprov.cli.run import complete, service_name


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("OTEL"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OTELPROV_JOURNAL", str(tmp_path / "journal"))
    monkeypatch.chdir(tmp_path)


def call(*words: str) -> Result:
    return CliRunner().invoke(main, list(words), prog_name="otelprov")


# --- run -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("python report.py", "report"),
        ("/usr/bin/python3.11 -u -W error -X dev steps/report.py --month 3", "report"),
        ("python -m package.report", "package.report"),
        ("python -c pass", "python"),
        ("python", "python"),
        ("python -", "python"),
        ("./report.py x.py", "report"),
        ("pytest tests", "pytest"),
    ],
)
def test_the_service_is_named_after_the_script(command: str, name: str) -> None:
    assert service_name(command.split()) == name


def test_only_what_is_not_set_is_filled_in() -> None:
    environ: dict[str, str] = {}
    complete(environ, ["python", "report.py"])
    assert environ == {
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_SERVICE_NAME": "report",
    }
    chosen = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SERVICE_NAME": "mine"}
    environ = dict(chosen)
    complete(environ, ["python", "report.py"])
    assert {name: environ[name] for name in chosen} == chosen
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "a=b, service.name=mine"}
    complete(environ, ["python", "report.py"])
    assert "OTEL_SERVICE_NAME" not in environ


@pytest.fixture
def launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for opentelemetry-instrument: runs the command and says with which environment."""
    path = tmp_path / "bin" / "opentelemetry-instrument"
    path.parent.mkdir()
    path.write_text(
        "#!/bin/sh\n"
        'echo "$OTEL_TRACES_EXPORTER $OTEL_SERVICE_NAME $OTELPROV_JOURNAL" >&2\n'
        'test "$1" = -- && shift\n'
        'exec "$@"\n'
    )
    path.chmod(0o755)
    return path


def run(launcher: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # The launcher beside the interpreter comes first: an interpreter beside ours.
    python = launcher.parent / "python"
    if not python.exists():
        python.symlink_to(sys.executable)
    code = f"import sys; sys.executable = {str(python)!r}; from otelprov.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "run", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
        check=False,
    )


def test_run_becomes_the_command_with_its_output_and_exit_code(
    launcher: Path, tmp_path: Path
) -> None:
    Path("job.py").write_text("import sys; print(sys.argv[1:]); sys.exit(7)")
    done = run(launcher, "--journal", "here", "--", sys.executable, "job.py", "--journal", "-x")
    assert done.returncode == 7
    assert done.stdout == "['--journal', '-x']\n"
    assert done.stderr == f"none job {tmp_path / 'here'}\n"
    without_dashes = run(launcher, sys.executable, "job.py", "--help")
    assert without_dashes.stdout == "['--help']\n"


def test_an_option_of_the_command_is_not_taken_for_one_of_the_launchers() -> None:
    Path("train.py").write_text("import sys; print(sys.argv[1:])")
    words = ["--config", "a.json", "--log", "x", "--", "--journal"]
    program = [str(Path(sys.executable).with_name("otelprov")), "run", "--"]
    done = subprocess.run(
        [*program, sys.executable, "train.py", *words], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == (f"{words}\n", "")


def test_run_dies_of_the_commands_signal(launcher: Path) -> None:
    Path("job.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
    assert run(launcher, "--", sys.executable, "job.py").returncode == -signal.SIGTERM


def test_run_of_no_such_command_says_so(launcher: Path) -> None:
    done = run(launcher, "--", "no-such-command")
    assert (done.returncode, done.stderr) == (
        127,
        "otelprov: there is no command 'no-such-command'\n",
    )


def test_run_with_a_bad_setting_still_runs(launcher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTELPROV_TIER", "rich")
    Path("job.py").write_text("print('done')")
    assert run(launcher, "--", sys.executable, "job.py").stdout == "done\n"


# --- doctor --------------------------------------------------------------------------------------

DESCRIPTIONS = """
class Description:
    def __init__(self, *values):
        self.library, self.installed, self.supported, self.active, self.reason = values

class Good:
    @classmethod
    def describe(cls):
        return Description("goodlib", "1.2", ">=1", True, "recorded")

class Absent:
    @classmethod
    def describe(cls):
        return Description("absentlib", None, ">=1", False, "not installed")

class Old:
    @classmethod
    def describe(cls):
        return Description("oldlib", "0.1", ">=1", False, "too old")
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place on the path with a distribution whose entry points a test writes."""
    place = tmp_path / "site"
    (place / "fakes-1.dist-info").mkdir(parents=True)
    (place / "fakes-1.dist-info" / "METADATA").write_text("Name: fakes\nVersion: 1\n")
    (place / "fakes_described.py").write_text(DESCRIPTIONS)
    monkeypatch.syspath_prepend(str(place))
    entry(place, "good = fakes_described:Good")
    return place


def entry(place: Path, *lines: str) -> None:
    text = "[opentelemetry_instrumentor]\n" + "\n".join(f"otelprov_fake_{one}" for one in lines)
    (place / "fakes-1.dist-info" / "entry_points.txt").write_text(text + "\nother = nothing:X\n")


def report(*words: str) -> tuple[int, dict[str, object], list[str]]:
    result = call("doctor", "--format", "json")
    content = json.loads(result.stdout)
    problems = [one["text"] for one in content["findings"] if one["state"] == "problem"]
    assert content["fine"] == (result.exit_code == 0) == (not problems)
    return result.exit_code, content, problems


def test_when_all_is_fine_the_exit_code_is_0(installed: Path, tmp_path: Path) -> None:
    flights(tmp_path / "journal").write()
    code, content, problems = report()
    assert (code, problems) == (0, [])
    journal = content["journal"]
    assert isinstance(journal, dict)
    assert journal["directory"] == str(tmp_path / "journal")
    assert (journal["writable"], journal["files"], journal["spans"]) == (True, 2, 10)
    text = call("doctor").stdout
    assert "  ok  goodlib 1.2: recorded" in text
    assert f"  ok  {tmp_path / 'journal'}: 2 segments (0 being written)" in text


def test_what_is_not_recorded_is_told_with_its_reason(installed: Path) -> None:
    entry(
        installed,
        "absent = fakes_described:Absent",
        "old = fakes_described:Old",
        "broken = fakes_missing:X",
        "good = fakes_described:Good",
    )
    code, _, problems = report()
    assert code == 1
    assert problems == [
        "fake_broken: cannot be loaded (ModuleNotFoundError: No module named 'fakes_missing')",
        "oldlib 0.1: too old (supported: >=1)",
    ]
    assert "  --  absentlib: not installed (supported: >=1)" in call("doctor").stdout


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("OTEL_SDK_DISABLED", "true", "OTEL_SDK_DISABLED: nothing at all is recorded"),
        (
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
            "x, otelprov_fake_good",
            "goodlib 1.2: switched off by OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
        ),
        ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "*", "goodlib 1.2: switched off by"),
        ("OTELPROV_TIER", "rich", "OTELPROV_TIER is 'rich'; expected 'essential' or 'full'"),
        ("OTELPROV_JOURNAL", "off", "no exporter: nothing is kept"),
        ("OTELPROV_JOURNAL", "/dev/null/journal", "/dev/null/journal: cannot be written"),
    ],
)
def test_what_stops_the_recording_is_a_problem(
    installed: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(name, value)
    code, _, problems = report()
    assert code == 1
    assert any(problem in one for one in problems), problems


@pytest.mark.parametrize(
    ("sampler", "ratio", "share"),
    [
        ("always_off", "", "none"),
        ("parentbased_always_off", "", "none"),
        ("parentbased_always_on", "", "all"),
        ("traceidratio", "0.25", "25%"),
        ("traceidratio", "1", "all"),
        ("parentbased_traceidratio", "0", "none"),
        ("parentbased_traceidratio", "no number", "all"),
    ],
)
def test_it_says_which_sampler_is_in_force_and_what_that_means(
    installed: Path, monkeypatch: pytest.MonkeyPatch, sampler: str, ratio: str, share: str
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", ratio)
    assert (
        f"sampler {sampler}: exporters get {share} of the traces; "
        "the journal keeps every run and operation"
    ) in call("doctor").stdout
    assert report()[2] == []


def test_the_collector_is_asked_when_an_otlp_exporter_is_chosen(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://me:secret@127.0.0.1:{port}")
        code, content, problems = report()
        assert code == 1
        assert problems == [
            f"the Collector at http://127.0.0.1:{port} does not answer: Connection refused"
        ]
        assert "secret" not in json.dumps(content)
        server.listen()
        code, content, _ = report()
        assert code == 0
        assert content["collector"] == {
            "endpoint": f"http://127.0.0.1:{port}",
            "answers": True,
            "reason": None,
        }


def test_without_any_instrumentation_nothing_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: ())
    assert "no instrumentation is installed" in report()[2][0]


def test_a_directory_without_git_is_a_note(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    assert "no revision in this directory" in call("doctor").stdout
    monkeypatch.setenv("PATH", "")
    assert "there is no git" in call("doctor").stdout


def test_doctor_says_whether_metrics_are_sent_and_where(monkeypatch: pytest.MonkeyPatch) -> None:
    from otelprov.cli import measured

    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    assert [state for state, _ in measured.look({})] == ["ok"]
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"http://me:secret@{address}")
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", raising=False)
        found = list(measured.look({}))
        assert [state for state, _ in found] == ["problem", "note"]
        assert address in found[0][1] and "secret" not in str(found)
        bound.listen()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
        figures: dict[str, object] = {}
        assert [state for state, _ in measured.look(figures)] == ["ok"]
        assert (figures["address"], figures["temporality"]) == (address, "delta")

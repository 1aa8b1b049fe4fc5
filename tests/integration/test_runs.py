"""Whole processes: the run span, code versions, failures, threads, and bad surroundings."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import support


def program(directory: Path, text: str, name: str = "program.py") -> Path:
    path = directory / name
    path.write_text(textwrap.dedent(text))
    return path


SMALL = """
    import io, pandas as pd
    df = pd.read_csv(io.StringIO("a,b\\n1,2\\n"))
    df = df.assign(c=3)
"""


def git(directory: Path, *arguments: str) -> str:
    env = {
        **os.environ,
        **{
            f"GIT_{who}_{what}": "x@example.org"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    return subprocess.run(
        ["git", "-C", str(directory), *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=env,
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    directory = tmp_path / "repository"
    directory.mkdir()
    git(directory, "init", "-q", "-b", "trunk")
    git(directory, "remote", "add", "origin", "https://me:hunter2@example.org/team/repo.git")
    program(directory, SMALL)
    git(directory, "add", ".")
    git(directory, "commit", "-q", "-m", "first")
    return directory


def test_a_script_is_one_trace_under_its_run(tmp_path: Path) -> None:
    script = program(tmp_path, SMALL)
    support.instrumented(script, "--token", "hunter2", journal_directory=tmp_path / "j")
    run, read, assign = support.journal(tmp_path / "j")
    assert run.name == "run program.py"
    assert run.attributes["otelprov.operation.kind"] == "run"
    assert {read.parent, assign.parent} == {run.span_id}
    assert {read.trace_id, assign.trace_id} == {run.trace_id}
    assert read.attributes["otelprov.run.id"] == f"{run.trace_id}-{run.span_id}"
    assert run.attributes["process.command_args"][-2:] == ["--token", "[REDACTED]"]
    assert read.attributes["code.file.path"] == str(script)
    assert read.attributes["code.line.number"] == 3
    assert read.attributes["code.function.name"] == "<module>"


def test_the_parent_in_the_environment_is_honoured_and_handed_on(tmp_path: Path) -> None:
    parent = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
    script = program(
        tmp_path,
        """
        import subprocess, sys
        if len(sys.argv) == 1:
            subprocess.run([sys.executable, __file__, "child"], check=True)
        """,
    )
    support.instrumented(script, journal_directory=tmp_path / "j", env={"TRACEPARENT": parent})
    outer, inner = support.journal(tmp_path / "j")
    assert outer.trace_id == inner.trace_id == parent.split("-")[1]
    assert outer.parent == parent.split("-")[2]
    assert inner.parent == outer.span_id


def test_the_code_version_is_that_of_the_scripts_repository(
    repository: Path, tmp_path: Path
) -> None:
    support.instrumented(repository / "program.py", journal_directory=tmp_path / "j", cwd=Path("/"))
    for span in support.journal(tmp_path / "j"):
        assert span.attributes["vcs.ref.head.revision"] == git(repository, "rev-parse", "HEAD")
        assert span.attributes["vcs.ref.head.name"] == "trunk"
        assert span.attributes["vcs.repository.url.full"] == "https://example.org/team/repo.git"
        assert span.attributes["otelprov.code.dirty"] is False
        assert "otelprov.code.change" not in span.attributes


def test_an_uncommitted_change_is_said_and_digested(repository: Path, tmp_path: Path) -> None:
    changes = set()
    for number, text in enumerate((SMALL + "\n    x = 1\n", SMALL + "\n    x = 2\n")):
        program(repository, text)
        support.instrumented(repository / "program.py", journal_directory=tmp_path / str(number))
        run = support.journal(tmp_path / str(number))[0]
        assert run.attributes["otelprov.code.dirty"] is True
        changes.add(run.attributes["otelprov.code.change"])
    assert len(changes) == 2
    program(repository, "pass", name="untracked.py")
    git(repository, "checkout", "-q", "program.py")
    support.instrumented(repository / "program.py", journal_directory=tmp_path / "u")
    assert support.journal(tmp_path / "u")[0].attributes["otelprov.code.dirty"] is True


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        (
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_SHA": "a" * 40,
                "GITHUB_REF_NAME": "main",
                "GITHUB_SERVER_URL": "https://github.example",
                "GITHUB_REPOSITORY": "team/repo",
                "GITHUB_RUN_ID": "17",
                "GITHUB_WORKFLOW": "nightly",
            },
            {
                "vcs.ref.head.revision": "a" * 40,
                "vcs.ref.head.name": "main",
                "vcs.repository.url.full": "https://github.example/team/repo",
                "otelprov.code.source": "github",
                "cicd.pipeline.name": "nightly",
                "cicd.pipeline.run.id": "17",
                "cicd.pipeline.run.url.full": "https://github.example/team/repo/actions/runs/17",
            },
        ),
        (
            {
                "GITLAB_CI": "true",
                "CI_COMMIT_SHA": "b" * 40,
                "CI_COMMIT_REF_NAME": "dev",
                "CI_PROJECT_URL": "https://gitlab.example/team/repo",
                "CI_PIPELINE_ID": "5",
                "CI_PROJECT_PATH": "team/repo",
            },
            {
                "vcs.ref.head.revision": "b" * 40,
                "vcs.ref.head.name": "dev",
                "otelprov.code.source": "gitlab",
                "cicd.pipeline.run.id": "5",
            },
        ),
        (
            {
                "JENKINS_URL": "https://jenkins.example",
                "GIT_COMMIT": "c" * 40,
                "GIT_BRANCH": "origin/main",
                "GIT_URL": "https://me:hunter2@git.example/repo",
                "BUILD_ID": "9",
                "JOB_NAME": "etl",
            },
            {
                "vcs.ref.head.revision": "c" * 40,
                "vcs.repository.url.full": "https://git.example/repo",
                "otelprov.code.source": "jenkins",
                "cicd.pipeline.name": "etl",
            },
        ),
        (
            {"OTELPROV_CODE_REVISION": "v1.2.3", "OTELPROV_CODE_BRANCH": "release"},
            {
                "vcs.ref.head.revision": "v1.2.3",
                "vcs.ref.head.name": "release",
                "otelprov.code.source": "setting",
            },
        ),
    ],
    ids=["github", "gitlab", "jenkins", "setting"],
)
def test_without_git_the_code_version_comes_from_ci_or_the_build(
    tmp_path: Path, env: dict[str, str], expected: dict[str, str]
) -> None:
    script = program(tmp_path, SMALL)
    support.instrumented(script, journal_directory=tmp_path / "j", env=env)
    run, read, _ = support.journal(tmp_path / "j")
    assert expected.items() <= run.attributes.items()
    assert read.attributes["vcs.ref.head.revision"] == expected["vcs.ref.head.revision"]


def test_a_pipeline_that_fails_half_way_says_what_it_used(tmp_path: Path) -> None:
    script = program(
        tmp_path,
        """
        import io, pandas as pd
        df = pd.read_csv(io.StringIO("a,b\\n1,x\\n"))
        df.astype({"b": "int64"})
        """,
    )
    plain = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    recorded = support.instrumented(script, journal_directory=tmp_path / "j", check=False)
    assert recorded.returncode == plain.returncode == 1
    assert recorded.stdout == plain.stdout
    if sys.version_info >= (3, 11):
        assert recorded.stderr == plain.stderr
    run, read, failed = support.journal(tmp_path / "j")
    assert failed.name == "pandas.astype"
    assert failed.status["code"] == 2
    assert failed.attributes["error.type"] == "ValueError"
    assert failed.used_ids == read.generated_ids
    assert failed.generated == []
    ((_, event),) = [e for e in failed.events if e[0] == "exception"]
    assert event["exception.type"] == "ValueError"
    assert "invalid literal" in event["exception.message"]
    assert run.status["code"] == 2
    assert run.attributes["error.type"] == "ValueError"


def test_a_missing_file_is_a_failed_read(tmp_path: Path) -> None:
    script = program(tmp_path, "import pandas as pd; pd.read_csv('/nowhere/x.csv')")
    support.instrumented(script, journal_directory=tmp_path / "j", check=False)
    _, read = support.journal(tmp_path / "j")
    assert read.status["code"] == 2
    assert read.parameter("filepath_or_buffer") == "/nowhere/x.csv"
    assert read.used == read.generated == []


def test_threads_belong_to_the_run(tmp_path: Path) -> None:
    script = program(
        tmp_path,
        """
        import io, threading
        from concurrent.futures import ThreadPoolExecutor
        import pandas as pd
        def work(n):
            return pd.read_csv(io.StringIO("a\\n%d\\n" % n)).assign(b=n)
        with ThreadPoolExecutor(4) as pool:
            parts = list(pool.map(work, range(8)))
        pd.concat(parts).to_csv("out.csv")
        """,
    )
    support.instrumented(script, journal_directory=tmp_path / "j", cwd=tmp_path)
    spans = support.journal(tmp_path / "j")
    run = next(span for span in spans if span.name == "run program.py")
    assert {span.parent for span in spans if span is not run} == {run.span_id}
    concat = next(span for span in spans if span.name == "pandas.concat")
    assert len(concat.used) == 8


@pytest.mark.parametrize(
    ("command", "root"),
    [(["-m", "gunicorn"], False), (["-m", "timeit", "-n1", "pass"], True)],
)
def test_servers_get_no_root(tmp_path: Path, command: list[str], root: bool) -> None:
    module = tmp_path / "gunicorn.py"
    module.write_text("import io, pandas as pd\npd.read_csv(io.StringIO('a\\n1\\n'))\n")
    support.instrumented(*command, journal_directory=tmp_path / "j", cwd=tmp_path)
    names = [span.name for span in support.journal(tmp_path / "j")]
    assert any(name.startswith("run ") for name in names) is root


BAD: dict[str, dict[str, str]] = {
    "a directory that cannot be made": {"OTELPROV_JOURNAL": "/proc/nothing/journal"},
    "a setting that is not understood": {"OTELPROV_TIER": "rich"},
    "a file in place of the directory": {"OTELPROV_JOURNAL": __file__},
}


@pytest.mark.parametrize("name", BAD)
def test_bad_surroundings_cost_one_line_at_most(tmp_path: Path, name: str) -> None:
    script = program(tmp_path, SMALL + "    print(df.shape)\n")
    result = support.instrumented(
        script, journal_directory=tmp_path / "j", env=BAD[name], cwd=tmp_path
    )
    assert result.stdout == "(1, 3)\n"
    (line,) = result.stderr.splitlines()
    assert line.startswith("otelprov: ")
    doctor = subprocess.run(
        ["otelprov", "doctor"],
        env={**support.environment(tmp_path / "j"), **BAD[name]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert doctor.returncode != 0
    (value,) = BAD[name].values()
    assert value in doctor.stdout + doctor.stderr


def test_without_git_nothing_is_said(tmp_path: Path) -> None:
    script = program(tmp_path, SMALL)
    result = support.instrumented(
        script,
        journal_directory=tmp_path / "j",
        env={"PATH": str(support.BIN)},
    )
    assert result.stderr == ""
    for span in support.journal(tmp_path / "j"):
        assert not any(name.startswith("vcs.") for name in span.attributes)
        assert "otelprov.code.dirty" not in span.attributes


def test_the_sdk_can_be_switched_off(tmp_path: Path) -> None:
    script = program(tmp_path, SMALL)
    support.instrumented(
        script, journal_directory=tmp_path / "j", env={"OTEL_SDK_DISABLED": "true"}
    )
    assert not (tmp_path / "j").exists()


def test_the_otelprov_exporter_is_the_journal(tmp_path: Path) -> None:
    script = program(tmp_path, SMALL)
    support.instrumented(
        script, journal_directory=tmp_path / "j", env={"OTEL_TRACES_EXPORTER": "otelprov"}
    )
    assert len(support.journal(tmp_path / "j")) == 3, "each span once"


def test_the_journal_is_for_its_owner_only(tmp_path: Path) -> None:
    support.instrumented(program(tmp_path, SMALL), journal_directory=tmp_path / "j")
    (file,) = (tmp_path / "j").glob("*.jsonl")
    assert file.stat().st_mode & 0o077 == 0
    assert (tmp_path / "j").stat().st_mode & 0o077 == 0


def test_what_was_recorded_before_a_kill_is_in_the_journal(tmp_path: Path) -> None:
    script = program(
        tmp_path, SMALL + "    import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    support.instrumented(script, journal_directory=tmp_path / "j", check=False)
    assert [span.name for span in support.journal(tmp_path / "j")] == [
        "pandas.read_csv",
        "pandas.assign",
    ]


def test_the_full_tier_knows_every_content(tmp_path: Path) -> None:
    script = program(tmp_path, SMALL)
    support.instrumented(script, journal_directory=tmp_path / "j", env={"OTELPROV_TIER": "full"})
    assign = support.journal(tmp_path / "j")[-1]
    assert assign.generated[0]["otelprov.artifact.content_id"].startswith("table:")
    assert assign.attributes["otelprov.tier"] == "full"

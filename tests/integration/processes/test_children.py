"""Programs that start other programs, or become one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import support
from programs import compared, is_run

CHILD = """
    import sys
    import pandas as pd
    table = pd.read_csv(sys.argv[1])
    table.assign(step=sys.argv[2]).to_csv(sys.argv[2] + ".csv", index=False)
"""

STARTS = """
    import os, subprocess, sys
    import otelprov
    import pandas as pd

    python = sys.executable
    subprocess.run([python, "child.py", "in.csv", "run"], check=True)
    subprocess.run(f"{python} child.py run.csv shell", shell=True, check=True)
    subprocess.run(
        ["opentelemetry-instrument", python, "child.py", "shell.csv", "again"], check=True
    )
    spawned = os.posix_spawn(python, [python, "child.py", "again.csv", "spawned"], os.environ)
    print(os.waitstatus_to_exitcode(os.waitpid(spawned, 0)[1]))
    with otelprov.operation("outer"):
        subprocess.run([python, "-c", open("child.py").read(), "spawned.csv", "inside"], check=True)
    env = {name: os.environ[name] for name in ("PATH", "HOME", "OTELPROV_JOURNAL")}
    env.update(OTEL_TRACES_EXPORTER="none", OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none")
    subprocess.run([python, "child.py", "inside.csv", "bare"], env=env, check=True)
    with subprocess.Popen(
        ["opentelemetry-instrument", python, "child.py", "inside.csv", "apart"], env=env
    ) as child:
        print(child.wait())
    pd.read_csv("apart.csv").to_csv("out.csv", index=False)
"""


@pytest.mark.parametrize("launcher", ["opentelemetry-instrument", "otelprov run"])
def test_a_program_that_is_started_is_a_run_below_that_of_its_starter(
    tmp_path: Path, launcher: str
) -> None:
    outcome = compared(
        tmp_path,
        STARTS,
        files={"child.py": CHILD, "in.csv": "a,b\n1,2\n"},
        launcher=launcher,
    )
    runs = {
        " ".join(map(str, span.attributes["process.command_args"][-2:])): span
        for span in outcome.spans
        if is_run(span)
    }
    main = next(span for span in runs.values() if span.name == "run program.py")
    below = ["in.csv run", "run.csv shell", "shell.csv again", "again.csv spawned"]
    below.append("spawned.csv inside")
    for command in below:
        assert runs[command].trace_id == main.trace_id, command
        assert runs[command].parent == main.span_id, command
    # An environment of its own hands nothing on: no recording, or a trace of its own.
    apart = runs["inside.csv apart"]
    assert (apart.trace_id != main.trace_id, apart.parent) == (True, None)
    assert "inside.csv bare" not in runs
    assert len(runs) == 1 + len(below) + 1, [*runs]
    for span in outcome.operations:
        if span.name == "pandas.assign":
            (run,) = [one for one in runs.values() if one.span_id == span.parent]
            assert run.attributes["process.command_args"][-1] == span.parameter("step")
            assert "process.pid" not in span.attributes
    started = [one.span_id for one in outcome.started if is_run(one)]
    assert sorted(started) == sorted(span.span_id for span in runs.values())
    assert outcome.lineage("out.csv") == ({"in.csv"}, [])


SECOND = """
    import pandas as pd
    pd.read_csv("first.csv").sort_values("a").to_csv("out.csv", index=False)
    print("second")
"""


@pytest.mark.parametrize("how", ["execv", "execvpe", "launcher"])
def test_a_program_that_takes_the_place_of_another_says_so(tmp_path: Path, how: str) -> None:
    outcome = compared(
        tmp_path,
        """
        import os, sys
        import pandas as pd

        pd.read_csv("in.csv").assign(c=1).to_csv("first.csv", index=False)
        try:
            os.execv("/nowhere/python", ["python"])
        except FileNotFoundError:
            print("goes on", flush=True)
        command = [sys.executable, "second.py"]
        if sys.argv[1] == "execv":
            os.execv(command[0], command)
        if sys.argv[1] == "execvpe":
            os.execvpe(command[0], command, dict(os.environ))
        os.execvp("opentelemetry-instrument", ["opentelemetry-instrument", *command])
        """,
        how,
        files={"second.py": SECOND, "in.csv": "a,b\n1,2\n"},
    )
    first, second = (one for one in outcome.started if is_run(one))
    (ended,) = (span for span in outcome.spans if is_run(span))
    assert (ended.span_id, ended.name) == (second.span_id, "run second.py")
    assert ended.parent == first.span_id
    assert ended.attributes["otelprov.run.replaced"] == f"{first.trace_id}-{first.span_id}"
    assert ended.attributes["process.pid"] == first.attributes["process.pid"]
    assert outcome.lineage("out.csv") == ({"in.csv"}, [])
    newest, oldest = outcome.runs()
    assert (newest["name"], newest["status"]) == ("run second.py", "ok")
    assert (oldest["name"], oldest["status"]) == ("run program.py", "replaced")
    assert newest["replaced"] == oldest["id"]


def test_a_program_that_becomes_something_else_ends_as_that_does(tmp_path: Path) -> None:
    outcome = compared(
        tmp_path,
        """
        import os
        import otelprov

        with otelprov.operation("done"):
            pass
        with otelprov.operation("last"):
            os.execlp("sh", "sh", "-c", "echo $0; exit 7")
        """,
        status=7,
    )
    assert [span.name for span in outcome.spans] == ["done"]
    assert [one.name for one in outcome.started] == ["run program.py", "done", "last"]


def test_a_run_hands_on_its_own_span_and_takes_over_its_starters(tmp_path: Path) -> None:
    trace, span = "0123456789abcdef" * 2, "fedcba9876543210"
    outcome = compared(
        tmp_path,
        """
        import os, subprocess
        value = subprocess.check_output("echo $TRACEPARENT $TRACESTATE", shell=True, text=True)
        with open("handed", "w") as file:
            file.write(value)
        """,
        env={"TRACEPARENT": f"00-{trace}-{span}-01", "TRACESTATE": "vendor=1"},
    )
    assert (outcome.run.trace_id, outcome.run.parent) == (trace, span)
    handed = (outcome.directory / "handed").read_text().split()
    assert handed[0].split("-")[1:3] == [trace, outcome.run.span_id]
    assert handed[1] == "vendor=1"


def test_a_program_that_is_handed_an_operation_is_below_it(tmp_path: Path) -> None:
    page = (support.ROOT / "docs" / "processes.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"^    import os, subprocess$.*?^    subprocess.*?$", page, re.M | re.S)
    outcome = compared(
        tmp_path,
        f"""
import sys
import otelprov

command = [sys.executable, "-c", "pass"]
with otelprov.operation("outer"):
{lines}
""",
    )
    below = outcome.one("run -c")
    assert below.parent == outcome.one("outer").span_id
    assert below.trace_id == outcome.one("run program.py").trace_id

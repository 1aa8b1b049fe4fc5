"""The commands: what they print, their messages and their exit codes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from unit.lineage.fake_jaeger import FakeJaeger, serving
from unit.lineage.recorded import Journal, art, digest, file, flights, hex_id

from otelprov.artifacts import identify_path, table_in_file
from otelprov.cli import main

REPORT = digest("delays.csv", "file")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("OTEL", "COLUMNS", "NO_COLOR", "FORCE_COLOR")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OTELPROV_JOURNAL", str(tmp_path / "journal"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = flights(tmp_path / "journal")
    made.write()
    return made


def call(*words: str) -> Result:
    try:
        runner = CliRunner(mix_stderr=False)  # click 8.1; since 8.2 they are always apart
    except TypeError:
        runner = CliRunner()
    return runner.invoke(main, list(words), prog_name="otelprov")


def test_lineage_answers_from_the_journal_that_the_setting_names(journal: Journal) -> None:
    result = call("lineage", REPORT)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("◆ /data/delays.csv")
    assert "\x1b" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_a_unique_beginning_of_an_id_is_enough(journal: Journal) -> None:
    for target in (REPORT[:9], REPORT[5:9], REPORT[5:], REPORT.upper().replace("FILE", "file")):
        result = call("lineage", target, "--format", "json")
        assert result.exit_code == 0, target
        assert json.loads(result.stdout)["target"] == REPORT


def test_an_ambiguous_beginning_lists_what_it_can_mean(journal: Journal) -> None:
    digits = digest("merged").partition(":")[2]
    result = call("lineage", digits[:8])
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"otelprov: {digits[:8]} is ambiguous; it begins",
        f"  derived:{digits}",
        f"  table:{digits}",
    ]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("file:" + "0" * 64, "used or made file:0000"),
        ("0000", "used or made 0000"),
        ("abc", "give 4 to 64 hex digits"),
        ("a" * 65, "give 4 to 64 hex digits"),
        ("no/such.csv", "there is no file no/such.csv, and it is no id either"),
        ("trace:" + "0" * 32, "belongs to trace 0000"),
        (f"{'0' * 32}-{'0' * 16}", "operation 0000"),
    ],
)
def test_what_is_not_there_is_an_error_in_words(
    journal: Journal, target: str, message: str
) -> None:
    result = call("lineage", target)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("otelprov: ")
    assert message in result.stderr


def test_directions_depth_and_every_form(journal: Journal) -> None:
    raw = digest("flights.csv", "file")
    ahead = json.loads(call("lineage", raw, "--downstream", "--format", "json").stdout)
    assert ahead["artifacts"][-1]["id"] == REPORT
    back = json.loads(call("lineage", REPORT, "--depth", "1", "--format", "json").stdout)
    assert [one["name"] for one in back["operations"]] == ["pandas.to_csv"]
    assert back["gaps"][0]["reason"] == "not followed beyond --depth 1"
    assert call("lineage", REPORT, "--format", "dot").stdout.startswith("digraph")
    assert call("lineage", REPORT, "--format", "mermaid").stdout.startswith("flowchart")
    trace = "trace:" + hex_id("trace report.py", 32)
    assert json.loads(call("lineage", trace, "--format", "json").stdout)["target"] == trace
    operation = f"{hex_id('trace report.py', 32)}-{hex_id('report.py pandas.to_csv', 16)}"
    assert json.loads(call("lineage", operation, "--format", "json").stdout)["target"] == operation


@pytest.mark.parametrize(
    "words",
    [
        ["lineage"],
        ["lineage", REPORT, "--depth", "0"],
        ["lineage", REPORT, "--format", "png"],
        ["lineage", REPORT, "--source", "tempo:x"],
        ["lineage", "trace:" + "0" * 32, "--downstream"],
        ["nonsense"],
        ["run"],
    ],
)
def test_wrong_usage_is_exit_code_2(journal: Journal, words: list[str]) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith("otelprov: ")


@pytest.mark.parametrize("command", [["lineage", REPORT], ["show", REPORT], ["runs"], ["id", "x"]])
def test_a_bad_setting_is_exit_code_2(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("OTELPROV_TIER", "rich")
    result = call(*command)
    assert result.exit_code == 2
    assert result.stderr == ("otelprov: OTELPROV_TIER is 'rich'; expected 'essential' or 'full'\n")


def test_a_journal_that_is_off_asks_for_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTELPROV_JOURNAL", "off")
    result = call("runs")
    assert result.exit_code == 2
    assert "--source" in result.stderr


@pytest.mark.parametrize("command", [["lineage", REPORT], ["show", REPORT], ["runs"]])
def test_a_missing_or_empty_journal_says_where_and_what_to_do(
    tmp_path: Path, command: list[str]
) -> None:
    missing = call(*command)
    (tmp_path / "journal").mkdir()
    empty = call(*command)
    for result, what in ((missing, "there is no journal at"), (empty, "is empty")):
        assert result.exit_code == 1
        assert what in result.stderr
        assert str(tmp_path / "journal") in result.stderr
        assert "otelprov run" in result.stderr


@pytest.mark.parametrize("command", [["lineage", REPORT], ["show", REPORT], ["runs"]])
def test_damaged_lines_are_named_the_answer_is_printed_and_the_exit_code_is_3(
    journal: Journal, command: list[str]
) -> None:
    sound = call(*command)
    path = journal.file("ingest.py")
    with path.open("a") as more:
        more.write("damaged\n" + '{"resourceSpans":[')
    result = call(*command)
    assert result.exit_code == 3
    assert result.stdout == sound.stdout
    assert f"otelprov: {path}:7: not JSON" in result.stderr
    assert f"otelprov: {path}:8: the line was not written to its end" in result.stderr


def test_many_damaged_lines_are_not_all_told(journal: Journal) -> None:
    with journal.file("ingest.py").open("a") as more:
        more.write("damaged\n" * 50)
    stderr = call("runs").stderr.splitlines()
    assert len(stderr) == 11
    assert stderr[-1] == "otelprov: … and 40 more like this"


def test_show_prints_everything_about_an_operation(journal: Journal) -> None:
    trace = hex_id("trace report.py", 32)
    operation = f"{trace}-{hex_id('report.py pandas.read_parquet', 16)}"
    lines = call("show", operation).stdout.splitlines()
    writer = f"{hex_id('trace ingest.py', 32)}-{hex_id('ingest.py pandas.to_parquet', 16)}"
    clean = digest("clean.parquet", "file")
    for expected in (
        f"operation    {operation}",
        "name         pandas.read_parquet",
        "kind         read",
        "status       ok",
        f"run          {trace}-{hex_id('run report.py', 16)}  run report.py",
        "code         /home/somebody/pipeline/report.py:11",
        "branch       main",
        "uncommitted  yes",
        f"used         {clean}  as in0  /data/clean.parquet  1 kB",
        f"generated    {digest('merged', 'table')}  as return  336,776 × 20",
        f"link         {writer}  made {clean}",
    ):
        assert expected in lines
    merge = f"{hex_id('trace ingest.py', 32)}-{hex_id('ingest.py pandas.merge', 16)}"
    lines = call("show", merge).stdout.splitlines()
    assert "parameter    how = left" in lines
    assert "parameter    validate = None  (default)" in lines


def test_show_prints_everything_about_an_artifact_and_a_run(journal: Journal) -> None:
    lines = call("show", digest("clean.parquet", "file")).stdout.splitlines()
    assert "place     /data/clean.parquet" in lines
    assert "bytes     1,000 (1 kB)" in lines
    assert any(line.startswith("made by") and "pandas.to_parquet" in line for line in lines)
    assert any(line.startswith("used by") and "pandas.read_parquet" in line for line in lines)
    run = f"{hex_id('trace ingest.py', 32)}-{hex_id('run ingest.py', 16)}"
    lines = call("show", run).stdout.splitlines()
    assert "command      python ingest.py" in lines
    assert "operations   5" in lines
    assert call("lineage", run).exit_code == 1
    assert call("show", "trace:" + "0" * 32).exit_code == 1


def test_runs_are_listed_newest_first_also_those_that_were_killed(journal: Journal) -> None:
    killed = journal.run("killed.py")
    killed.op("read_csv", [file("flights.csv")], [art("flights", "table")])
    broken = journal.run("broken.py")
    journal.clock += 10**12
    broken.end(error="KeyError: 'x'")
    journal.write()
    table = call("runs").stdout
    assert max(map(len, table.splitlines())) <= 100
    assert hex_id("trace killed.py", 32) in table
    runs = json.loads(call("runs", "--format", "json").stdout)
    assert runs[0]["name"] == "(run span not recorded)"
    assert (runs[0]["status"], runs[0]["end"], runs[0]["operations"]) == ("unknown", None, 1)
    by_name = {run["name"]: run for run in runs}
    assert by_name["run broken.py"]["error"] == "KeyError: 'x'"
    assert by_name["run ingest.py"]["operations"] == 5
    assert len(json.loads(call("runs", "--format", "json", "--limit", "1").stdout)) == 1


def test_a_path_is_found_by_its_content_wherever_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "moved.csv"
    path.write_text("a,b\n1,2\n")
    known = {"id": identify_path(path).id, "kind": "file", "uri": "/elsewhere/out.csv"}
    journal = Journal(tmp_path / "journal")
    journal.run("a.py").op("to_csv", [file("raw.csv")], [known])
    journal.write()
    result = call("lineage", "moved.csv", "--format", "json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["target"] == known["id"]


def test_a_path_whose_content_is_unknown_says_what_is_known_of_the_place(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("changed")
    journal = Journal(tmp_path / "journal")
    made = {**file("out.csv"), "uri": path.as_uri()}
    journal.run("a.py").op("to_csv", [file("raw.csv")], [made])
    journal.write()
    result = call("lineage", "out.csv")
    assert result.exit_code == 1
    assert f"the content of out.csv ({identify_path(path).id}) is not in" in result.stderr
    assert digest("out.csv", "file") in result.stderr
    path.unlink()
    assert digest("out.csv", "file") in call("lineage", "out.csv").stderr


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    path = tmp_path / "out.parquet"
    pq.write_table(pa.table({"a": [1, 2, 3]}), path)
    return path


def test_a_rewritten_file_is_found_by_the_table_in_it(parquet: Path, tmp_path: Path) -> None:
    table = table_in_file(parquet)
    assert table is not None
    journal = Journal(tmp_path / "journal")
    written = {"id": table.id, "kind": "table"}
    journal.run("a.py").op("to_parquet", [file("raw.csv")], [file("first.parquet"), written])
    journal.write()
    answer = json.loads(call("lineage", "out.parquet", "--format", "json").stdout)
    assert answer["target"] == table.id
    assert "out.parquet itself is not in" in answer["gaps"][0]["reason"]
    assert answer["artifacts"][0]["uri"] == "/data/raw.csv"


def test_a_changed_file_is_found_by_the_trace_that_it_carries(
    parquet: Path, tmp_path: Path
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from otelprov.artifacts import carrier

    journal = Journal(tmp_path / "journal")
    run = journal.run("a.py")
    made = {**file("out.parquet"), "uri": parquet.as_uri()}
    run.op("to_parquet", [file("raw.csv")], [art("t", "table"), made])
    run.end()
    journal.write()
    carried = carrier.Carrier(digest("t", "table"), run.trace_id, run.span_id("to_parquet"))
    table = pa.table({"a": [9]}).replace_schema_metadata(carrier.arrow_metadata(carried))
    pq.write_table(table, parquet)
    result = call("lineage", "out.parquet", "--format", "json")
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["target"] == made["id"]
    assert [one["name"] for one in answer["operations"]] == ["to_parquet"]
    assert "its bytes are not those that were recorded" in answer["gaps"][0]["reason"]
    # And with that journal gone, the error still says where to look.
    journal.file("a.py").unlink()
    journal.run("b.py").op("x", [], [file("y")])
    del journal.lines["a.py"]
    journal.write()
    result = call("lineage", "out.parquet")
    assert result.exit_code == 1
    assert f"operation {run.id('to_parquet')} wrote it" in result.stderr


def test_id_prints_the_ids_of_files_and_of_the_tables_in_them(parquet: Path) -> None:
    text = Path("notes.txt")
    text.write_text("hello")
    table = table_in_file(parquet)
    assert table is not None
    result = call("id", "out.parquet", "notes.txt", "--schema")
    assert result.stdout.splitlines() == [
        f"{identify_path(parquet).id}  out.parquet",
        f"{table.id}  out.parquet",
        f"{table.schema_id}  out.parquet",
        f"{identify_path(text).id}  notes.txt",
    ]
    shown = call("id", "out.parquet", "notes.txt").stdout.splitlines()
    assert shown == [line for line in result.stdout.splitlines() if "schema:" not in line]
    first, second = json.loads(call("id", "out.parquet", "notes.txt", "--format", "json").stdout)
    expected = {"id": table.id, "rows": 3, "columns": 1, "schema": table.schema_id}
    assert first["table"] == expected
    assert (second["table"], second["carried"], second["bytes"]) == (None, None, 5)


def test_a_table_that_cannot_be_identified_is_told_and_gets_no_id(
    parquet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import otelprov.artifacts
    from otelprov.model import Artifact

    nothing = Artifact("object:" + "0" * 64, "table", coverage="none", reason="no pyarrow")
    monkeypatch.setattr(otelprov.artifacts, "table_in_file", lambda path: nothing)
    result = call("id", "out.parquet")
    assert result.stdout == f"{identify_path(parquet).id}  out.parquet\n"
    assert result.stderr == (
        "otelprov: the table in out.parquet could not be identified: no pyarrow\n"
    )


def test_id_of_a_missing_path_is_an_error_and_the_others_are_printed() -> None:
    Path("notes.txt").write_text("hello")
    result = call("id", "missing.csv", "notes.txt")
    assert result.exit_code == 1
    assert result.stderr == "otelprov: cannot read missing.csv: No such file or directory\n"
    assert "notes.txt" in result.stdout


@pytest.fixture
def jaeger(journal: Journal) -> Iterator[FakeJaeger]:
    made = FakeJaeger()
    made.load(journal.directory)
    with serving(made):
        yield made


def test_jaeger_gives_the_same_json_as_the_journal(journal: Journal, jaeger: FakeJaeger) -> None:
    words = ["lineage", REPORT, "--format", "json"]
    assert call(*words, "--source", f"jaeger+{jaeger.url}").stdout == call(*words).stdout
    assert call("lineage", "abcd", "--source", f"jaeger+{jaeger.url}").exit_code == 1
    assert call("runs", "--source", f"jaeger+{jaeger.url}").exit_code == 0


def test_an_unreachable_jaeger_is_an_error_in_words() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        result = call("lineage", REPORT, "--source", f"jaeger+{address}")
    assert result.exit_code == 1
    assert result.stderr == f"otelprov: cannot reach Jaeger at {address}: Connection refused\n"


def test_every_command_teaches_with_an_example() -> None:
    assert "otelprov lineage out/report.csv" in call().stdout
    for name in ("run", "lineage", "show", "runs", "id", "check", "doctor"):
        result = call(name, "--help")
        assert result.exit_code == 0
        assert f"  otelprov {name} " in result.stdout or f"  otelprov {name}\n" in result.stdout


def test_a_closed_pipe_is_quiet(journal: Journal) -> None:
    command = f"{sys.executable} -m otelprov.cli lineage {REPORT} | true"
    done = subprocess.run(
        ["sh", "-c", f"{command}; {command} --format json | head -c 1 >/dev/null"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_importing_the_command_line_imports_nothing_heavy() -> None:
    code = (
        "import sys, otelprov.cli;"
        "print([m for m in ('networkx', 'rich', 'pyarrow', 'pandas', 'sqlite3', 'numpy',"
        " 'opentelemetry.sdk', 'requests', 'otelprov.recording.run') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
        check=True,
    )
    assert done.stdout == "[]\n"

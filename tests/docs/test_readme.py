"""Every claim of README.md, exercised: its blocks are run, its tree compared, its limits shown."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import doc_tables
import pytest
import support
from click.testing import CliRunner, Result
from flights import Servers

from otelprov import settings
from otelprov.cli import main

README = (support.ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```([^\n]*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCKS if found == language]


def programs() -> dict[str, str]:
    """The Python blocks by the name in their first line."""
    return {text.split("\n", 1)[0].removeprefix("# "): text for text in blocks("python")}


def rows(head: str) -> list[str]:
    """The first cells of the tables with this head."""
    found = []
    for part in README.split(f"| {head} |")[1:]:
        lines = part.split("\n\n")[0].splitlines()[2:]
        found.extend(line.split("|")[1].strip().strip("`") for line in lines)
    return found


def shell(
    block: str, directory: Path, *, check: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a block as a person would who copies it."""
    environ = support.environment(directory / "journal", **variables)
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"):
        if name not in variables:
            del environ[name]
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        env=environ,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if check:
        assert result.returncode == 0, f"{block}\n{result.stdout}\n{result.stderr}"
    return result


def call(directory: Path, *words: str, code: int | tuple[int, ...] = 0) -> Result:
    """A command of otelprov, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        patch.setenv("OTELPROV_JOURNAL", str(directory / "journal"))
        patch.delenv("OTEL_TRACES_EXPORTER", raising=False)
        result = CliRunner().invoke(main, list(words), prog_name="otelprov")
    assert result.exit_code in (code if isinstance(code, tuple) else (code,)), (
        f"{words}\n{result.output}"
    )
    return result


def graph(target: str, directory: Path) -> dict[str, Any]:
    answer = call(directory, "lineage", target, "--format", "json")
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def raw(found: dict[str, Any]) -> set[str]:
    """The names of the artifacts that nothing made."""
    made = {edge["to"] for edge in found["edges"] if edge["relation"] == "generated"}
    return {one["name"] for one in found["artifacts"] if one["id"] not in made}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the programs of the README and the data that they read."""
    directory = tmp_path_factory.mktemp("readme")
    for name, text in programs().items():
        (directory / name).write_text(text)
    (directory / "orders.csv").write_text("country,amount\nFR,250\nFR,80\nJP,120\n")
    (directory / "rates.txt").write_text("FR,250\nJP,80\n")
    return directory


# --- the tree ------------------------------------------------------------------------------------

_RUN = re.compile(r"▶ (run \S+)  [-\d]+ [:\d]+ UTC · service flights")
_OPERATION = re.compile(
    r"● (?P<name>\S+)(?:  (?P<parameters>(?!→).*?))?(?:  (?P<result>→ .*?))?"
    r"\s+(?P<place>\S+\.py:\d+)(?: [0-9a-f]{7}\+?)?"
)
_ID = re.compile(r"\b([a-z]+):[0-9a-f]{12}\b")


def line_of(text: str) -> tuple[str, str]:
    """What of a line is the same in every run, and the parameters, which depend on the width."""
    gutter, sign, rest = re.fullmatch(r"([│├└╰┄─ ]*)([●◆▶↑↓])?(.*)", text).groups()  # type: ignore[union-attr]
    body = f"{sign or ''}{rest}"
    if sign == "▶":
        found = _RUN.fullmatch(body)
        assert found, text
        return f"{gutter}▶ {found[1]}", ""
    if sign == "●":
        operation = _OPERATION.fullmatch(body)
        assert operation, text
        result = _ID.sub(r"\1:ID", operation["result"] or "")
        line = f"{gutter}● {operation['name']} {result} {operation['place']}"
        return line, operation["parameters"] or ""
    if sign == "◆":
        return f"{gutter}◆ {os.path.basename(rest.split('  ')[0].strip())}", ""
    return gutter + _ID.sub(r"\1:ID", body), ""


@pytest.fixture(scope="module")
def tree() -> tuple[str, list[str]]:
    """The command and the lines of the tree in the README."""
    (block,) = [text for text in blocks("") if text.startswith("$ otelprov lineage examples")]
    command, *lines = block.splitlines()
    return command, lines


@pytest.fixture(scope="module")
def real_tree(flights: Any) -> list[str]:
    result = subprocess.run(
        ["otelprov", "lineage", flights.output / "delays_by_weather.parquet"],
        env=support.environment(flights.journal),
        cwd=support.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.splitlines()


def test_the_tree_is_what_the_program_prints(
    tree: tuple[str, list[str]], real_tree: list[str]
) -> None:
    real = [line_of(line)[0] for line in real_tree]
    at = 0
    skipping = False
    for text in tree[1]:
        if text == "⋮":
            skipping = True
            continue
        line = line_of(text)[0]
        place = real.index(line, at) if skipping and line in real[at:] else at
        assert at < len(real) and real[place] == line, f"{line!r} is {real[at : at + 1]}"
        at, skipping = place + 1, False
    assert at == len(real), f"the tree goes on: {real[at:]}"


def test_the_parameters_in_the_tree_are_those_of_the_calls(
    tree: tuple[str, list[str]], flights: Any
) -> None:
    known = {
        f"{name.removeprefix('otelprov.parameter.')}={value}"
        for span in flights.spans()
        for name, value in span.attributes.items()
        if name.startswith("otelprov.parameter.")
    }
    shown = [line_of(text)[1] for text in tree[1] if text != "⋮"]
    pairs = [pair for text in shown for pair in re.findall(r"\w+=(?:\[.*?\]|\S+)", text)]
    assert len(pairs) >= 6
    assert set(pairs) <= known


def test_the_tree_fits_a_terminal_of_100_columns(tree: tuple[str, list[str]]) -> None:
    assert max(map(len, tree[1])) <= 100


def test_the_scripts_do_not_know_otelprov() -> None:
    for name in ("ingest.py", "enrich.py", "report.py"):
        text = (support.ROOT / "examples" / "flights" / name).read_text(encoding="utf-8")
        assert "otelprov" not in text


# --- what it names exists ------------------------------------------------------------------------


def test_every_link_leads_to_a_file() -> None:
    pages = [support.ROOT / "README.md", support.ROOT / "CHANGELOG.md"]
    pages += [*(support.ROOT / "docs").rglob("*.md")]
    missing = []
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                missing.append(f"{page.name}: {target}")
    assert missing == []


def test_every_setting_it_names_exists() -> None:
    named = set(re.findall(r"\bOTELPROV_[A-Z_]+\b", README))
    assert named == {one.name for one in settings.SETTINGS}
    assert "settings" in doc_tables.names(README)


@pytest.mark.parametrize("command", [row for row in rows("command") if row.startswith("make ")])
def test_every_target_of_make_exists(command: str) -> None:
    result = subprocess.run(
        [*command.split(), "--dry-run"], cwd=support.ROOT, capture_output=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_the_make_targets_are_those_of_the_project() -> None:
    named = set(re.findall(r"`make ([a-z-]+)`", README))
    assert named == {
        "demo",
        "test",
        "torch",
        "stack",
        "stack-full",
        "demo-jaeger",
        "stack-down",
        "benchmark-overhead",
    }


def test_every_command_is_in_the_table_and_explains_itself(tmp_path: Path) -> None:
    listed = [row.split()[1] for row in rows("command") if row.startswith("otelprov ")]
    assert sorted(listed) == sorted(main.commands)
    for name in listed:
        assert f"Usage: otelprov {name}" in call(tmp_path, name, "--help").stdout


def test_every_option_it_names_exists(tmp_path: Path) -> None:
    text = call(tmp_path, "lineage", "--help").stdout
    for option in ("--downstream", "--format", "--depth", "--source", "jaeger+http", "trace:<id>"):
        assert option in README
        assert option in text


def test_the_versions_it_needs_are_those_of_the_code() -> None:
    from otelprov.instrumentation.libraries import LIBRARIES

    (python, pandas, pyarrow, polars) = re.findall(
        r"Python (\S+) or newer.*?pandas from (\S+), pyarrow from (\S+) and Polars from (\S+) are",
        README,
    )[0]
    project = (support.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'requires-python = ">={python}"' in project
    minimum = {one.name: one.minimum for one in LIBRARIES}
    assert minimum["pandas"] == tuple(map(int, pandas.split(".")))
    assert minimum["pyarrow"] == tuple(map(int, pyarrow.split(".")))
    assert f"{minimum['polars'][0]}.0" == polars
    assert f'tables = ["pyarrow >={pyarrow}"]' in project


def test_pandas_is_never_installed_and_pyarrow_only_on_demand() -> None:
    from importlib.metadata import requires

    needed = [one for one in requires("otelprov") or () if re.match("pandas|pyarrow", one)]
    assert [one.partition(";")[2].strip() for one in needed] == ["extra == 'tables'"]


def test_without_pyarrow_a_table_has_no_content_id(monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    from otelprov.artifacts import identify

    table = pd.DataFrame({"n": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    found = identify(table)
    assert (found.coverage, found.reason) == ("none", "pyarrow is not installed")


def test_the_default_journal_is_where_it_says() -> None:
    (place,) = re.findall(r"in your state directory\s+\(`~/([^`]+)`\)", README)
    assert settings.default_journal({"HOME": "/home/ada"}) == Path("/home/ada") / place


def test_every_reader_and_writer_of_pandas_is_recorded() -> None:
    import pandas as pd

    from otelprov.instrumentation.pandas import table as _table

    paths = {entry.path for entry in _table()}
    assert {name for name in dir(pd) if name.startswith("read_")} <= paths
    writers = {name for name in dir(pd.DataFrame) if name.startswith("to_")}
    assert {f"DataFrame.{name}" for name in writers} <= paths


# --- its blocks run ------------------------------------------------------------------------------


def test_it_installs_from_a_clone() -> None:
    (block,) = [text for text in blocks("sh") if "pip install" in text]
    assert block == 'python -m pip install ".[tables]"\n'
    offline = ["--dry-run", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    result = subprocess.run(
        [sys.executable, "-m", "pip", "install", ".[tables]", "--quiet", *offline],
        cwd=support.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "does not provide the extra" not in result.stderr


def test_every_block_is_run_here() -> None:
    """So that a new block is not forgotten."""
    assert list(programs()) == ["pipeline.py", "stamped.py", "publish.py", "cell.py"]
    first_lines = [text.splitlines()[0] for text in blocks("sh")]
    assert [line.split()[:2] for line in first_lines] == [
        ["python", "-m"],
        ["otelprov", "run"],
        ["export", "OTEL_TRACES_EXPORTER=none"],
        ["otelprov", "lineage"],
    ]
    assert len(blocks("sh servers")) == 1
    assert {language for language, _ in BLOCKS} == {"", "sh", "sh servers", "python"}


@pytest.fixture(scope="module")
def quick_start(work: Path) -> str:
    """What the quick start prints."""
    (block,) = [text for text in blocks("sh") if text.startswith("otelprov run")]
    return shell(block, work).stdout


def test_the_quick_start_leads_back_to_the_raw_file(quick_start: str, work: Path) -> None:
    lines = quick_start.splitlines()
    assert lines[0].startswith("◆ report.csv  file:")
    assert lines[-1].startswith("◆ orders.csv  file:")
    assert "service pipeline" in quick_start
    names = [line.split()[1] for line in lines if line.startswith("●")]
    assert names == [
        "pandas.to_csv",
        "pandas.reset_index",
        "pandas.groupby.sum",
        "pandas.getitem",
        "pandas.read_csv",
    ]
    assert "⚠" not in quick_start


def test_the_same_by_hand_records_the_same(quick_start: str, work: Path) -> None:
    (block,) = [text for text in blocks("sh") if text.startswith("export OTEL")]
    before = {span.span_id for span in support.journal(work / "journal")}
    assert shell(block, work).stderr == ""
    spans = support.journal(work / "journal")
    first = [span.name for span in spans if span.span_id in before]
    second = [span.name for span in spans if span.span_id not in before]
    assert first == second


def test_the_commands_answer(quick_start: str, work: Path) -> None:
    (block,) = [text for text in blocks("sh") if text.startswith("otelprov lineage orders")]
    commands = block.splitlines()
    used = {command.split()[1] for command in commands}
    assert used == set(main.commands) - {"run", "ship", "logs"}
    # A pipeline that ran once has nothing to compare.
    codes = {"otelprov check determinism report.csv": (0, 2)}
    answers = {
        command: call(work, *shlex.split(command)[1:], code=codes.get(command, 0)).stdout
        for command in commands
    }
    assert "compared" in answers["otelprov check determinism report.csv"]
    assert "report.csv" in answers["otelprov lineage orders.csv --downstream"]
    assert json.loads(answers["otelprov lineage report.csv --format json"])["operations"]
    assert answers["otelprov lineage report.csv --format mermaid"].startswith("flowchart")
    assert call(work, "lineage", "report.csv", "--format", "dot").stdout.startswith("digraph")
    assert answers["otelprov show report.csv"].startswith("artifact")
    printed = answers["otelprov id report.csv orders.csv"]
    assert len(re.findall(r"^file:[0-9a-f]{64}  ", printed, re.MULTILINE)) >= 2
    (shown,) = [text for text in blocks("") if "report.csv#amount" in text]
    ids = re.compile(r"file:[0-9a-f]{12}")
    told = ids.sub("file:", answers["otelprov lineage 'report.csv#amount'"])
    assert told == ids.sub("file:", shown).partition("\n")[2]
    assert "pipeline.py" in answers["otelprov runs --limit 5"]


@pytest.fixture(scope="module")
def stamped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which the program of the section on unequal results ran twice."""
    directory = tmp_path_factory.mktemp("stamped")
    (directory / "stamped.py").write_text(programs()["stamped.py"])
    (directory / "orders.csv").write_text("country,amount\nFR,250\nFR,80\nJP,120\n")
    for name in ("monday", "tuesday"):
        command = f"otelprov run -- python stamped.py {name}.parquet"
        shell(command, directory, OTELPROV_TIER="full")
    return directory


@pytest.mark.parametrize("command", ["id monday.parquet tuesday.parquet --explain", "check"])
def test_two_results_are_compared_as_it_shows(stamped: Path, command: str) -> None:
    (block,) = [text for text in blocks("") if text.startswith(f"$ otelprov {command}")]
    first, *shown = block.splitlines()
    printed = call(stamped, *first.split()[2:], code=1).stdout.splitlines()

    def same_each_time(line: str) -> str:
        line = _ID.sub(r"\1:ID", line.rstrip())
        return re.sub(r"[-\d]{10} [:\d]{8} UTC", "TIME", line)

    assert list(map(same_each_time, printed)) == list(map(same_each_time, shown))


def test_an_array_of_chance_is_another_step_each_time(tmp_path: Path) -> None:
    program = (
        "import numpy as np, pandas as pd\n"
        "pd.read_csv('n.csv').assign(x=np.random.rand(100)).to_parquet('x.parquet')\n"
    )
    (tmp_path / "chance.py").write_text(program)
    (tmp_path / "n.csv").write_text("n\n" + "1\n" * 100)
    for _ in range(2):
        shell("otelprov run -- python chance.py", tmp_path, OTELPROV_TIER="full")
    answer = call(tmp_path, "check", "determinism", code=2).stdout
    assert "once       2 derivations" in answer


def test_a_renamed_file_is_found(quick_start: str, work: Path) -> None:
    moved = work / "elsewhere"
    moved.mkdir()
    shutil.copyfile(work / "report.csv", moved / "renamed.bin")
    assert raw(graph("elsewhere/renamed.bin", work)) == {"orders.csv"}


@pytest.fixture(scope="module")
def published(work: Path) -> Iterator[subprocess.CompletedProcess[str]]:
    yield shell("otelprov run -- python publish.py", work)


def test_what_is_declared_is_part_of_the_lineage(
    published: subprocess.CompletedProcess[str], work: Path
) -> None:
    assert re.fullmatch(r"file:[0-9a-f]{64}\n", published.stdout)
    found = graph("page.html", work)
    assert found["target"] == published.stdout.strip()
    assert raw(found) == {"rates.txt"}
    kinds = {one["name"]: one["kind"] for one in found["operations"]}
    assert kinds == {
        "load": "read",
        "pandas.astype": "transform",
        "score": "task",
        "pandas.assign": "transform",
        "publish": "task",
    }
    publish = next(one for one in found["operations"] if one["name"] == "publish")
    assert publish["parameters"] == {"channel": "web"}
    spans = {span.name: span for span in support.journal(work / "journal")}
    assert spans["score"].parameter("limit") == 100
    assert {event.get("otelprov.artifact.uri") for event in spans["publish"].generated} == {
        (work / "page.html").as_uri(),
        "https://example.com/orders",
    }


def test_a_program_that_is_not_recorded_runs_all_the_same(
    published: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    (tmp_path / "publish.py").write_text(programs()["publish.py"])
    (tmp_path / "rates.txt").write_text("FR,250\nJP,80\n")
    result = shell("python publish.py", tmp_path)
    assert (result.stdout, result.stderr) == (published.stdout, "")
    assert not (tmp_path / "journal").exists()


def test_a_notebook_is_recorded_after_enable(work: Path) -> None:
    journal = work / "cell-journal"
    shell("python cell.py", work, OTELPROV_JOURNAL=str(journal))
    names = [span.name for span in support.journal(journal)]
    assert names == ["run cell.py", "pandas.read_csv", "pandas.nlargest", "pandas.to_json"]


def test_async_functions_and_generators_can_be_declared() -> None:
    import asyncio
    import inspect

    import otelprov

    @otelprov.operation
    async def soon(number: int) -> int:
        return number

    @otelprov.operation
    def several(number: int) -> Iterator[int]:
        yield from range(number)

    assert asyncio.run(soon(3)) == 3
    assert list(several(3)) == [0, 1, 2]
    assert inspect.isgeneratorfunction(several) and inspect.iscoroutinefunction(soon)


# --- what is not recorded ------------------------------------------------------------------------

UNSEEN = """
    import pandas
    early = [pandas.read_csv]
    import otelprov
    otelprov.enable()
    import numpy as np
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds
    import pyarrow.ipc
    import pyarrow.parquet as pq

    pd.DataFrame({"n": range(100), "k": "a"}).to_parquet("in.parquet", index=False)
    pd.DataFrame({"n": [7, 8, 9]}).to_csv("in.csv", index=False)
    table = pq.read_table("in.parquet")
    frame = pd.read_parquet("in.parquet")
    small = pd.read_csv("in.csv")

    pq.write_table(pa.table({"n": [7, 8, 9]}), "equal.parquet")
    with pa.OSFile("t.arrow", "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.slice(3))
    with pa.OSFile("t.arrow", "rb") as source:
        pq.write_table(pa.ipc.open_file(source).read_all(), "ipc.parquet")
    pq.write_table(table.take([5, 6]), "take.parquet")
    pq.write_table(table.sort_by([("n", "descending")]), "sort_by.parquet")
    pq.write_table(ds.dataset("in.parquet").to_table(columns=["k"]), "to_table.parquet")
    pq.write_table(pa.table({"n": pc.add(table["n"], 1)}), "compute.parquet")
    pq.write_table(pq.read_table(pa.memory_map("in.parquet")), "mapped.parquet")
    joined = table.join(table.rename_columns(["n", "other"]), "n")
    grouped = joined.filter(pc.field("n") > 1).group_by("k").aggregate([("n", "sum")])
    pq.write_table(grouped, "seen.parquet")

    frame["big"] = np.where(frame["n"].to_numpy() > 5, 1, 2)
    frame.to_csv("long.csv")
    small["few"] = np.where(small["n"].to_numpy() > 7, 1, 2)
    small.to_csv("short.csv")
    total = frame["n"].sum() * 2
    pd.DataFrame({"total": [total]}).to_csv("total.csv")
    early[0]("in.csv").assign(m=1).to_csv("early.csv")
    assert otelprov.artifact(pl.DataFrame({"n": [7, 8, 9]})).id == otelprov.artifact(
        pd.read_csv("in.csv")
    ).id
    try:
        pd.read_parquet("s3://bucket/key.parquet")
    except Exception:
        pass
"""


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("unseen")
    (directory / "unseen.py").write_text(textwrap.dedent(UNSEEN))
    shell("python unseen.py", directory)
    return directory


def test_what_an_object_of_c_reads_is_of_unknown_place(unseen: Path) -> None:
    found = graph("ipc.parquet", unseen)
    assert "in.parquet" not in {one["name"] for one in found["artifacts"]}
    assert found["gaps"]


@pytest.mark.parametrize("name", ["take", "sort_by", "to_table", "compute", "mapped"])
def test_what_a_method_in_c_made_comes_from_what_it_was_given(name: str, unseen: Path) -> None:
    found = graph(f"{name}.parquet", unseen)
    assert "in.parquet" in {one["name"] for one in found["artifacts"]}


def test_joins_filters_and_groups_of_pyarrow_are_recorded(unseen: Path) -> None:
    found = graph("seen.parquet", unseen)
    names = {one["name"] for one in found["operations"]}
    assert {f"pyarrow.Table.{name}" for name in ("join", "filter", "group_by")} <= names


def test_a_long_array_is_of_unknown_origin_and_marked_in_the_tree(unseen: Path) -> None:
    tree = call(unseen, "lineage", "long.csv").stdout
    assert re.search(r"◆ array:[0-9a-f]{12}  100 rows  800 B ⚠", tree)
    assert re.search(r"gaps?:\n(.*\n)*.*array:[0-9a-f]{12} 100 rows: made in memory", tree)
    assert "in.parquet" in tree


def test_a_short_array_is_of_unknown_origin_where_it_is_put_into_a_table(unseen: Path) -> None:
    found = graph("short.csv", unseen)
    assert [one["artifact"] for one in found["gaps"] if one["artifact"].startswith("array:")]
    assert "in.csv" in {one["name"] for one in found["artifacts"]}


def test_what_is_computed_of_a_number_does_not_name_its_table(unseen: Path) -> None:
    found = graph("total.csv", unseen)
    assert [one["name"] for one in found["operations"]] == ["pandas.to_csv"]
    assert len(found["gaps"]) == 1


def test_a_function_kept_before_enable_is_not_recorded(unseen: Path) -> None:
    spans = support.journal(unseen / "journal")
    line = UNSEEN[: UNSEEN.index('early[0]("in.csv")')].count("\n") + 1
    here = [span for span in spans if span.attributes.get("code.line.number") == line]
    assert [span.name for span in here] == ["pandas.assign", "pandas.to_csv"]


def test_data_of_unknown_origin_is_not_taken_for_equal_data(unseen: Path) -> None:
    """Not even for data of the same run: an edge is observed, never guessed."""
    found = graph("equal.parquet", unseen)
    assert {one["name"] for one in found["artifacts"]} == {"equal.parquet", None}
    assert [gap["reason"] for gap in found["gaps"]] == [
        "made in memory by code that was not recorded"
    ]


def test_a_remote_object_is_known_by_name_only(unseen: Path) -> None:
    spans = support.journal(unseen / "journal")
    (remote,) = [span for span in spans if span.status]
    (used,) = remote.used
    assert used["otelprov.artifact.uri"] == "s3://bucket/key.parquet"
    assert used["otelprov.artifact.coverage"] == "none"


# --- what a file carries -------------------------------------------------------------------------

CARRIED = """
    import pandas as pd
    df = pd.DataFrame({"n": [1, 2, 3]})
    df.to_parquet("a.parquet")
    df.to_parquet("b.parquet")
    df.to_feather("c.feather")
    df.to_csv("d.csv")
"""


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same program with the ids, without them, and not recorded at all."""
    base = tmp_path_factory.mktemp("carried")
    (base / "write.py").write_text(textwrap.dedent(CARRIED))

    def write(name: str, command: str, **variables: str) -> None:
        (base / name).mkdir()
        shell(f"{command} ../write.py", base / name, **variables)

    with ThreadPoolExecutor() as pool:
        for done in (
            pool.submit(write, "on", "otelprov run -- python"),
            pool.submit(write, "off", "otelprov run -- python", OTELPROV_CARRIER="off"),
            pool.submit(write, "plain", "python"),
        ):
            done.result()
    return base


def test_a_parquet_file_carries_the_table_and_the_trace(carried: Path) -> None:
    import pyarrow.feather
    import pyarrow.parquet

    from otelprov.artifacts import table_in_file

    spans = support.journal(carried / "on" / "journal")
    for name, schema in (
        ("a.parquet", pyarrow.parquet.read_schema(carried / "on" / "a.parquet")),
        ("c.feather", pyarrow.feather.read_table(carried / "on" / "c.feather").schema),
    ):
        table = table_in_file(carried / "on" / name)
        assert table is not None
        assert schema.metadata[b"otelprov.artifact.id"].decode() == table.id
        _, trace, span, _ = schema.metadata[b"traceparent"].decode().split("-")
        (writer,) = [one for one in spans if (one.trace_id, one.span_id) == (trace, span)]
        assert table.id in writer.generated_ids


def test_other_files_carry_it_in_extended_attributes(carried: Path) -> None:
    path = carried / "on" / "d.csv"
    try:
        names = os.listxattr(path)
        os.setxattr(carried / "write.py", "user.test", b"")
    except (OSError, AttributeError):
        pytest.skip("no extended attributes here")
    assert set(names) == {"user.otelprov.artifact.id", "user.traceparent"}
    assert os.listxattr(carried / "off" / "d.csv") == []


def test_the_bytes_differ_and_the_table_stays(carried: Path) -> None:
    from otelprov.artifacts import table_in_file

    first, second = (carried / "on" / name for name in ("a.parquet", "b.parquet"))
    assert first.read_bytes() != second.read_bytes()
    one, other = table_in_file(first), table_in_file(second)
    assert one is not None and other is not None
    assert one.id == other.id


def test_carrier_off_writes_the_files_as_they_are_without_otelprov(carried: Path) -> None:
    for name in ("a.parquet", "c.feather", "d.csv"):
        assert (carried / "off" / name).read_bytes() == (carried / "plain" / name).read_bytes()


def test_a_file_without_its_journal_still_names_its_trace(carried: Path, tmp_path: Path) -> None:
    shutil.copyfile(carried / "on" / "a.parquet", tmp_path / "a.parquet")
    answer = call(tmp_path, "id", "a.parquet")
    (writer,) = [
        span
        for span in support.journal(carried / "on" / "journal")
        if any(event.get("otelprov.artifact.name") == "a.parquet" for event in span.generated)
    ]
    assert f"traceparent 00-{writer.trace_id}-{writer.span_id}-01" in answer.stdout


# --- the promises --------------------------------------------------------------------------------


def test_a_fault_is_logged_once_and_passed_by(caplog: pytest.LogCaptureFixture) -> None:
    from otelprov.recording import faults

    for _ in range(2):
        with faults.contained("this was not recorded"):
            raise RuntimeError("a fault")
    assert len([one for one in caplog.records if "a fault" in one.message]) == 1


KILLED = """
    import os, signal
    import pandas as pd
    df = pd.read_csv("in.csv")
    df.assign(n=lambda d: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_what_ended_before_a_kill_is_in_the_journal_and_the_rest_is_not(tmp_path: Path) -> None:
    (tmp_path / "killed.py").write_text(textwrap.dedent(KILLED))
    (tmp_path / "in.csv").write_text("n\n1\n")
    result = shell("otelprov run -- python killed.py", tmp_path, check=False)
    assert result.returncode in (-9, 137)
    assert [span.name for span in support.journal(tmp_path / "journal")] == ["pandas.read_csv"]


# --- with servers --------------------------------------------------------------------------------


@pytest.mark.servers
def test_the_lineage_comes_from_jaeger(work: Path, servers: Servers) -> None:
    (block,) = blocks("sh servers")
    *lines, question = block.splitlines()
    assert "http://localhost:16686" in question
    question = question.replace("jaeger+http://localhost:16686", servers.source)
    answer = shell(
        # The Collector sends batches: what is not there yet is asked for again.
        "\n".join([*lines, f"for n in $(seq 60); do {question} && exit; sleep 0.5; done; exit 1"]),
        work,
        OTEL_EXPORTER_OTLP_ENDPOINT=servers.otlp_http,
    ).stdout
    assert "service orders" in answer
    # The journal is delivered whole, with the runs of the blocks before: they made it, too.
    files = [line for line in answer.splitlines() if line.startswith("◆")]
    assert files[-1].startswith("◆ orders.csv  file:")

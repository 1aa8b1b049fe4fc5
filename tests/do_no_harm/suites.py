"""The test suites that recorded libraries ship, run plain and recorded, and compared test by test.

``make harm`` runs the good part of them (GOOD); the tests of this folder run a small one (QUICK).

    python tests/do_no_harm/suites.py [--part quick|good] [--jobs N] [--tiers T...] [PATH...]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import support  # noqa: E402

Mode = str
"""``plain``, or the tier of a recorded run."""


def _pandas(text: str) -> tuple[str, ...]:
    return tuple(f"pandas/tests/{path}" for path in text.split())


def _pyarrow(text: str) -> tuple[str, ...]:
    return tuple(f"pyarrow/tests/{path}" for path in text.split())


def _numpy(text: str) -> tuple[str, ...]:
    return tuple(f"numpy/{path}" for path in text.split())


def _joblib(text: str) -> tuple[str, ...]:
    return tuple(f"joblib/test/{path}" for path in text.split())


def _sklearn(text: str) -> tuple[str, ...]:
    return tuple(f"sklearn/{path}" for path in text.split())


def _sqlalchemy(text: str) -> tuple[str, ...]:
    """The suite that SQLAlchemy ships for dialects: here it is run on its own of SQLite."""
    return tuple(f"sqlalchemy/testing/suite/test_{name}.py" for name in text.split())


def _standard(text: str) -> tuple[str, ...]:
    """CPython's own, where the interpreter comes with them."""
    return tuple(f"test/{path}" for path in text.split())


QUICK: tuple[tuple[str, ...], ...] = (
    _pandas(
        "io/test_parquet.py io/test_feather.py io/test_pickle.py io/json/test_readlines.py "
        "reshape/concat/test_concat.py reshape/merge/test_join.py copy_view/test_methods.py "
        "copy_view/test_chained_assignment_deprecation.py groupby/test_apply.py "
        "frame/test_query_eval.py frame/test_subclass.py indexing/test_chaining_and_caching.py"
    ),
    _pyarrow("test_csv.py test_feather.py test_dataset.py"),
    _numpy("lib/tests/test_io.py lib/tests/test_loadtxt.py _core/tests/test_memmap.py"),
    _sklearn("tests/test_base.py tests/test_pipeline.py compose/tests"),
    _standard("test_sqlite3"),
    _sqlalchemy("cte ddl dialect insert results rowcount select table_via_select update_delete"),
)
"""What one core does in three minutes, plain and recorded."""

# Each line is one process; what is patched most comes first.
GOOD: tuple[tuple[str, ...], ...] = (
    _pandas(
        "io/test_parquet.py io/test_feather.py io/test_orc.py io/test_pickle.py io/test_common.py "
        "io/test_compression.py io/test_fsspec.py io/test_html.py io/test_clipboard.py copy_view"
    ),
    _pyarrow("parquet test_csv.py test_feather.py test_json.py test_dataset.py test_acero.py"),
    _pandas("reshape"),
    _pandas("io/json io/test_sql.py io/excel io/xml io/test_stata.py"),
    _pyarrow("test_pandas.py test_orc.py test_table.py test_ipc.py test_fs.py test_exec_plan.py"),
    _pandas("indexing generic util/test_hashing.py test_downstream.py test_common.py"),
    _pandas("frame/methods"),
    _pandas("groupby"),
    _pandas("frame/indexing frame/constructors apply strings"),
    _pandas(
        "frame/test_query_eval.py frame/test_subclass.py frame/test_constructors.py "
        "frame/test_reductions.py frame/test_stack_unstack.py frame/test_repr.py frame/test_api.py "
        "frame/test_arithmetic.py frame/test_iteration.py frame/test_unary.py computation "
        "test_multilevel.py test_sorting.py test_take.py test_algos.py test_errors.py "
        "test_aggregation.py test_col.py test_flags.py test_register_accessor.py tools"
    ),
    _pandas("io/parser io/formats"),
    _pandas("series/methods series/indexing series/accessors resample interchange internals"),
    _pandas("io/pytables io/sas window extension/test_arrow.py"),
    _numpy(
        "lib/tests/test_io.py lib/tests/test_loadtxt.py lib/tests/test_format.py "
        "_core/tests/test_memmap.py _core/tests/test_overrides.py"
    ),
    _joblib("test_numpy_pickle.py test_hashing.py test_memory.py test_func_inspect.py"),
    _sklearn(
        "tests/test_base.py tests/test_pipeline.py tests/test_metadata_routing.py "
        "tests/test_metaestimators.py tests/test_calibration.py tests/test_multioutput.py "
        "tests/test_public_functions.py tests/test_docstring_parameters.py compose/tests "
        "utils/tests/test_set_output.py utils/tests/test_estimator_checks.py"
    ),
    _sklearn("model_selection/tests"),
    _sklearn("preprocessing/tests linear_model/tests/test_logistic.py"),
    _sklearn("metrics/tests/test_score_objects.py metrics/tests/test_classification.py"),
    _sklearn("ensemble/tests/test_voting.py ensemble/tests/test_stacking.py datasets/tests"),
    _sklearn("tests/test_metaestimators_metadata_routing.py tests/test_common.py"),
    _standard("test_sqlite3"),
    _sqlalchemy(
        "cte ddl dialect insert results rowcount select sequence table_via_select types "
        "unicode_ddl update_delete reflection"
    ),
)


CARRIED = "compares the bytes of two written files, which carry the spans that wrote them"
SUBCLASS = (
    "says that the type of a connection is sqlite3.Connection, and a recorded one is a subclass"
)
EXPECTED: dict[str, str] = {
    "test_sqlite3/test_dbapi.py::OpenTests::test_database_keyword": SUBCLASS,
    **{
        f"tests/io/test_common.py::TestCommonIOCapabilities::test_write_fspath_all[{name}]": CARRIED
        for name in (
            "CustomFSPath-to_feather-writer_kwargs2-pyarrow",
            "CustomFSPathReadWrite-to_feather-writer_kwargs2-pyarrow",
        )
    },
}
"""Tests that end otherwise when they are recorded, and why that is as it should be."""


@dataclass
class Session:
    """One run of pytest over a chunk of paths."""

    paths: tuple[str, ...]
    mode: Mode
    seconds: float = 0.0
    """Of the processor: how long it took says more of the neighbours."""
    outcomes: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    finished: bool = False
    faults: int = 0
    spans: int = 0
    output: str = ""


@dataclass(frozen=True)
class Difference:
    """A test that ends otherwise when it is recorded."""

    test: str
    mode: Mode
    plain: str
    recorded: str
    message: str

    def __str__(self) -> str:
        return f"{self.test} [{self.mode}]: {self.plain} -> {self.recorded}\n{self.message}"


def run(paths: tuple[str, ...], mode: Mode, python: Path = Path(sys.executable)) -> Session:
    """Run pytest over paths below site-packages, all of one library."""
    session = Session(paths, mode)
    library = paths[0].partition("/")[0]
    places = home(library, python)
    with tempfile.TemporaryDirectory(prefix="otelprov-suite-") as name:
        directory = Path(name)
        results, journal, log = (directory / part for part in ("outcomes", "journal", "log"))
        work = directory / "work"
        work.mkdir()
        configuration = places / library / "pyproject.toml"
        root, arguments = places / library, [str(places / path) for path in paths]
        if not configuration.exists():
            configuration = directory / "pytest.ini"
            configuration.write_text("[pytest]\n")
        if library == "pandas":
            arguments.append("--no-strict-data-files")
        elif library == "sqlalchemy":
            configuration, root = work / "setup.cfg", work
            arguments = _written_for_sqlalchemy(paths, work)
        else:
            arguments += ["-k", "not stress"]
        command = [
            *(str(python), "-m", "pytest", "-q", "-q", "-p", "outcomes", "-p", "no:cacheprovider"),
            *("-c", str(configuration), "--rootdir", str(root), "-o", "addopts="),
            *("--tb=short", "--hypothesis-seed=0", "--timeout=600", *arguments),
        ]
        if mode != "plain":
            command.insert(0, str(Path(python).parent / "opentelemetry-instrument"))
        with log.open("w") as output:
            done = subprocess.run(
                command,
                env={
                    **support.environment(journal),
                    "OUTCOMES": str(results),
                    "OTELPROV_TIER": mode if mode != "plain" else "essential",
                    "PYTHONPATH": f"{HERE}{os.pathsep}{support.ROOT}",
                    "PYTHONHASHSEED": "0",
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "HOME": name,
                    "TMPDIR": name,
                },
                cwd=work,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        session.output = log.read_text(errors="replace")[-6000:]
        _read(session, results)
        if session.finished and done.returncode not in (0, 1):
            session.finished = False
            session.output += f"\nexit status {done.returncode}"
        if journal.exists():
            session.spans = sum(
                line.count(b'"spanId"')
                for path in journal.glob("*.jsonl")
                for line in path.open("rb")
            )
    return session


def home(library: str, python: Path = Path(sys.executable)) -> Path:
    """The directory that a library's tests are in, with the library's name behind it."""
    path = "stdlib" if library == "test" else "purelib"
    asked = [str(python), "-c", f"import sysconfig; print(sysconfig.get_path('{path}'))"]
    return Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())


def _written_for_sqlalchemy(paths: tuple[str, ...], work: Path) -> list[str]:
    """The files around its suite (README.dialects.rst of SQLAlchemy)."""
    (work / "conftest.py").write_text(
        "import pytest\n"
        "pytest.register_assert_rewrite('sqlalchemy.testing.assertions')\n"
        "from sqlalchemy.testing.plugin.pytestplugin import *\n"
    )
    (work / "setup.cfg").write_text(
        "[tool:pytest]\n"
        "[sqla_testing]\n"
        "requirement_cls = sqlalchemy.testing.requirements:SuiteRequirements\n"
        "profile_file = profiles.txt\n"
        "[db]\n"
        "default = sqlite:///:memory:\n"
    )
    modules = (path.removesuffix(".py").replace("/", ".") for path in paths)
    (work / "test_suite.py").write_text("".join(f"from {one} import *\n" for one in modules))
    return ["--maxfail=10000", "test_suite.py"]


def _read(session: Session, results: Path) -> None:
    if not results.exists():
        return
    for line in results.read_text().splitlines():
        record: dict[str, Any] = json.loads(line)
        if "id" in record:
            session.outcomes[record["id"]] = record["outcome"]
            session.warnings[record["id"]] = record["warnings"]
            if "message" in record:
                session.messages[record["id"]] = record["message"]
        elif record.get("finished"):
            session.finished = True
            session.faults = record.get("faults", 0)
            session.seconds = record["seconds"]


def compare(plain: Session, recorded: Session) -> Iterator[Difference]:
    """Where a recorded run is not as the plain one."""
    mode = recorded.mode
    for session in (plain, recorded):
        if not session.finished:
            last = list(session.outcomes)[-1:] or ["(nothing)"]
            yield Difference(
                f"{' '.join(session.paths)} after {last[0]}", session.mode, "", "did not finish",
                session.output,
            )  # fmt: skip
    if recorded.faults:
        yield Difference(
            " ".join(recorded.paths), mode, "0 faults", f"{recorded.faults} faults", recorded.output
        )
    for test in plain.outcomes | recorded.outcomes:
        before = _said(plain, test)
        after = _said(recorded, test)
        if test in EXPECTED and (before, after) == ("passed", "failed"):
            continue
        if before != after or test in EXPECTED:
            message = recorded.messages.get(test) or plain.messages.get(test, "")
            yield Difference(test, mode, before, after, message)


def _said(session: Session, test: str) -> str:
    number = session.warnings.get(test, 0)
    told = session.outcomes.get(test, "missing")
    return f"{told}, {number} warnings" if number else told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--part", choices=("quick", "good"), default="good")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--tiers", nargs="+", default=["essential", "full"])
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    options = parser.parse_args()
    chunks = [(path,) for path in options.paths] or (QUICK if options.part == "quick" else GOOD)
    work = [(paths, mode) for paths in chunks for mode in ("plain", *options.tiers)]
    done: dict[tuple[tuple[str, ...], Mode], Session] = {}
    found: list[Difference] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for session in pool.map(lambda item: run(*item, python=options.python), work):
            done[session.paths, session.mode] = session
            counts = Counter(session.outcomes.values())
            told = " ".join(f"{number} {name}" for name, number in sorted(counts.items()))
            print(
                f"{session.seconds:6.1f} s  {session.mode:9} {session.spans:7} spans  "
                f"{' '.join(session.paths)[:60]}  {told}",
                flush=True,
            )
            if session.mode != "plain":
                new = list(compare(done[session.paths, "plain"], session))
                for difference in new:
                    print(difference, flush=True)
                found += new
    total = sum(len(session.outcomes) for session in done.values() if session.mode == "plain")
    seconds = {
        mode: sum(session.seconds for session in done.values() if session.mode == mode)
        for mode in ("plain", *options.tiers)
    }
    print(
        f"{total} tests, {len(found)} differences", *(f"{m} {s:.0f} s" for m, s in seconds.items())
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

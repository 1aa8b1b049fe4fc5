"""The examples in the documentation of Polars, run plain and recorded, and compared.

The wheel of Polars ships no tests, but its docstrings hold 1,300 examples. Each prints what the
library gives; one that differs between two plain runs (a time, a sample) is not compared.

    python tests/do_no_harm/examples.py [--tiers T...] [--part N]
"""

from __future__ import annotations

import argparse
import contextlib
import doctest
import importlib
import io
import json
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import support  # noqa: E402

LIBRARY = "polars"
VARYING = re.compile(r"0x[0-9a-fA-F]+|at [0-9A-F]{8,}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}")
Outcomes = dict[str, list[str]]


def collect() -> dict[str, list[str]]:
    """The statements of each example, by the name of what it is an example of."""
    doctest.register_optionflag("IGNORE_RESULT")  # an option of Polars' own
    package = importlib.import_module(LIBRARY)
    found: dict[str, list[str]] = {}
    finder = doctest.DocTestFinder(exclude_empty=True)
    names = [LIBRARY]
    for module in pkgutil.walk_packages(package.__path__, f"{LIBRARY}."):
        names.append(module.name)
    for name in names:
        try:
            module_ = importlib.import_module(name)
        except Exception:  # what needs a library that is not here
            continue
        for test in finder.find(module_):
            statements = [
                example.source for example in test.examples if not example.options.get(doctest.SKIP)
            ]
            if statements:
                found.setdefault(test.name, statements)
    return found


def run(examples: dict[str, list[str]]) -> Outcomes:
    """What each statement prints, warns of, gives or raises."""
    return {name: _outcome(statements) for name, statements in examples.items()}


def _outcome(statements: list[str]) -> list[str]:
    import polars as pl

    room: dict[str, Any] = {"pl": pl, "__name__": "__main__"}
    said = []
    for statement in statements:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                exec(compile(statement, "<example>", "single"), room)
                end = ""
            except Exception as error:
                frames = traceback.extract_tb(error.__traceback__)
                end = f"{type(error).__name__}: {error} {[frame.name for frame in frames]}"
        heard = [f"{one.category.__name__} {one.filename}:{one.lineno}" for one in warned]
        said.append(VARYING.sub("…", "\n".join([out.getvalue(), *heard, end])))
    return said


def outcomes(examples: Path, *, tier: str | None) -> Outcomes:
    """Of one run: recorded, where a tier is given."""
    with tempfile.TemporaryDirectory() as directory:
        into = Path(directory) / "outcomes.json"
        command = [sys.executable, str(Path(__file__).resolve()), "--run", str(examples), str(into)]
        env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL")}
        if tier is not None:
            command.insert(0, "opentelemetry-instrument")
            env = {**support.environment(Path(directory) / "journal"), "OTELPROV_TIER": tier}
        env |= {"POLARS_FMT_MAX_ROWS": "20", "PYTHONHASHSEED": "0"}
        work = Path(directory) / "work"
        work.mkdir()
        result = subprocess.run(command, cwd=work, env=env, text=True, capture_output=True)
        if result.returncode:
            raise AssertionError(f"exit code {result.returncode}\n{result.stderr[-4000:]}")
        faults = [line for line in result.stderr.splitlines() if "otelprov" in line]
        assert not faults, faults[:5]
        found: Outcomes = json.loads(into.read_text())
        return found


def compare(tier: str, part: int = 1) -> tuple[int, dict[str, tuple[list[str], list[str]]]]:
    """How many examples were compared (every ``part``-th), and those that differ."""
    with tempfile.TemporaryDirectory() as directory:
        examples = Path(directory) / "examples.json"
        subprocess.run(
            [sys.executable, str(Path(__file__).resolve()), "--collect", str(examples)], check=True
        )
        chosen = dict(list(json.loads(examples.read_text()).items())[::part])
        examples.write_text(json.dumps(chosen))
        first, second = (outcomes(examples, tier=None) for _ in range(2))
        recorded = outcomes(examples, tier=tier)
    same = [name for name in first if _plain(first[name]) == _plain(second[name])]
    return len(same), {
        name: (first[name], recorded[name])
        for name in same
        if _plain(first[name]) != _plain(recorded[name])
    }


def _plain(said: list[str]) -> list[list[str]]:
    """Without the order of lines: that of groups is not kept."""
    return [sorted(text.splitlines()) for text in said]


def main() -> int:
    """Compare, and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collect", type=Path)
    parser.add_argument("--run", type=Path, nargs=2)
    parser.add_argument("--tiers", nargs="+", default=["essential", "full"])
    parser.add_argument("--part", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.collect:
        arguments.collect.write_text(json.dumps(collect()))
        return 0
    if arguments.run:
        examples, into = arguments.run
        into.write_text(json.dumps(run(json.loads(examples.read_text()))))
        return 0
    wrong = 0
    for tier in arguments.tiers:
        number, different = compare(tier, arguments.part)
        print(f"{LIBRARY}, {tier}: {number} examples compared, {len(different)} differ")
        for name, (plain, recorded) in different.items():
            for one, other in zip(plain, recorded, strict=True):
                if _plain([one]) != _plain([other]):
                    print(f"  {name}\n    plain    {one!r}\n    recorded {other!r}")
                    break
        wrong += len(different)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

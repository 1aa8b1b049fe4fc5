"""Ten thousand examples of each family, in parts, which are remembered: ``make zoo``.

    python -m zoo.depth [--status] [--examples N] [FAMILY...]

A family is named in full or by the beginning of its name ("arrow: li", "pandas"). It is tried in
parts of ``PART`` examples; the number of a part is its seed. What passed is written to
``.zoo/record.jsonl``, one line for each part, with a digest of the code under test; what passed on
the present code is not tried again. Several processes may run at a time: one family is worked on
by one of them.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import inspect
import json
import os
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

PART = 1_000
os.environ["OTELPROV_EXAMPLES"] = str(PART)

from hypothesis import seed  # noqa: E402

from zoo import (  # noqa: E402, F401
    test_arrow_families,
    test_pandas_families,
    test_value_families,
)
from zoo.examples import TESTS  # noqa: E402
from zoo.processes import ROOT, Worker  # noqa: E402
from zoo.trips import Trips  # noqa: E402

PLACE = ROOT / ".zoo"
LIBRARIES = ("pandas", "pyarrow", "polars", "duckdb", "numpy", "hypothesis")


def main() -> int:
    code = _code()  # now: files may change while this runs
    parser = argparse.ArgumentParser(prog="zoo.depth", description="Ids of many examples.")
    parser.add_argument("families", nargs="*", metavar="FAMILY")
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--status", action="store_true", help="say what has been tried")
    options = parser.parse_args()
    chosen = [
        name
        for name in TESTS
        if not options.families or any(name.startswith(part) for part in options.families)
    ]
    if not chosen:
        parser.error(f"no such family; there are {', '.join(TESTS)}")
    PLACE.mkdir(exist_ok=True)
    if options.status:
        return _status(chosen, options.examples, code)
    warnings.simplefilter("ignore")
    worker = Worker()
    failed = 0
    for name in chosen:
        with _alone(name) as alone:
            if alone:
                failed += not _deepen(name, options.examples, worker, code)
    worker.close()
    return 1 if failed else 0


def _deepen(name: str, examples: int, worker: Worker, code: str) -> bool:
    """Try the parts of a family that have not been tried on this code; whether all passed."""
    passed = _passed(name, code)
    for part in range(-(-examples // PART)):
        if part in passed:
            continue
        _write(name, part, code, "started")
        begin = time.monotonic()
        error = _try(name, part, worker)
        outcome = "failed" if error else "passed"
        _write(name, part, code, outcome, seconds=round(time.monotonic() - begin, 1), error=error)
        print(f"{name}: part {part} {outcome}", flush=True)
        if error:
            print(error, file=sys.stderr, flush=True)
            return False
    return True


def _try(name: str, part: int, worker: Worker) -> str | None:
    """The traceback of what failed in a part."""
    test = TESTS[name]
    given: dict[str, Any] = {"worker": worker, "trips": Trips(worker)}
    wanted = inspect.signature(test).parameters
    try:
        seed(part)(test)(**{key: value for key, value in given.items() if key in wanted})
        given["trips"].settle()
        worker.settle()
    except Exception:
        return traceback.format_exc()[-6_000:]
    return None


@contextmanager
def _alone(name: str) -> Iterator[bool]:
    """Whether no other process works on a family, and none will meanwhile."""
    with (PLACE / f"{name.replace(': ', '-').replace(' ', '-')}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


# --- the record -----------------------------------------------------------------------------------


def _code() -> str:
    """A digest of all that an outcome rests on: the code, the tests, and the libraries."""
    here = Path(__file__).parent
    files = [
        *(ROOT / "otelprov" / "artifacts").rglob("*.py"),
        ROOT / "otelprov" / "model.py",
        *here.glob("*.py"),
        here.parents[1] / "artifacts" / "arrow_data.py",
    ]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    for library in LIBRARIES:
        digest.update(f"{library} {metadata.version(library)}\n".encode())
    return digest.hexdigest()[:16]


def _write(name: str, part: int, code: str, outcome: str, **more: object) -> None:
    line = {
        "family": name, "part": part, "examples": PART, "outcome": outcome, "code": code,
        "commit": _commit(), "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **{key: value for key, value in more.items() if value is not None},
    }  # fmt: skip
    with (PLACE / "record.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _lines() -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in (PLACE / "record.jsonl").open()]
    except FileNotFoundError:
        return []


def _passed(name: str, code: str) -> set[int]:
    return {
        line["part"]
        for line in _lines()
        if (line["family"], line["code"], line["outcome"]) == (name, code, "passed")
        and line["examples"] == PART
    }


def _status(names: list[str], examples: int, code: str) -> int:
    """What was tried of each family, on each code; 1 if something is missing on the present one."""
    lines = _lines()
    missing = 0
    for name in names:
        found: dict[str, dict[int, dict[str, Any]]] = {}
        for line in lines:
            if line["family"] == name:
                found.setdefault(line["code"], {})[line["part"]] = line
        missing += len(_passed(name, code)) * PART < examples
        for tried in [*(c for c in found if c != code), code]:
            parts = found.get(tried, {}).values()
            passed = sum(line["examples"] for line in parts if line["outcome"] == "passed")
            other = "".join(
                f", part {line['part']} {line['outcome']}"
                for line in parts
                if line["outcome"] != "passed"
            )
            commits = ", ".join(sorted({line["commit"] for line in parts})) or "-"
            mark = "this code" if tried == code else tried
            print(f"{name:28} {passed:6,} on {mark} ({commits}){other}")
    return 1 if missing else 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # DuckDB tells at the end of the interpreter what it has not freed (2.0.0)

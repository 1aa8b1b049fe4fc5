"""The journal at 1,000,000 operations: what an append costs, what the index costs, what it answers.

    make benchmark-journal ARGS='--operations 1000000 --keep /tmp/journal'

Lines are those of real operations in size and form: 15 attributes, 2 or 3 artifacts, 2.9 kB. A run
has 1,000 operations: every second one a chain of 1,000 steps, the others 30 inputs of 32 steps each
that are joined step by step. Appends are timed by runs, in turn with the same lines in a bare
``os.write`` to one file; the ratio of medians is what counts.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from otelprov.journal import retention
from otelprov.journal.index import JournalIndex
from otelprov.journal.writer import JournalWriter
from otelprov.lineage import walk
from otelprov.lineage.sources.journal import JournalSource

START = 1_770_000_000_000_000_000
STEPS = 1000
BRANCHES, LENGTH = 30, 32
NAMES = ("pandas.merge", "pandas.assign", "pandas.query", "pandas.groupby.agg", "pandas.concat")


def digest(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=32).hexdigest()


class Run:
    """One run: the lines of its operations, and the ids to ask for."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.deep = number % 2 == 0
        self.trace = digest("trace", number)[:32]
        self.root = digest("run", number)[:16]
        self.clock = START + number * 3_600_000_000_000
        self.last = ""

    def lines(self) -> Iterator[bytes]:
        yield from self._chain() if self.deep else self._joined()
        yield self._run()

    def _chain(self) -> Iterator[bytes]:
        current = f"file:{digest('raw', self.number)}"
        for step in range(STEPS):
            kind = "read" if step == 0 else "write" if step == STEPS - 1 else "transform"
            made = f"{'file' if kind == 'write' else 'derived'}:{digest(self.number, step)}"
            yield self._operation(step, kind, [current], made)
            current = made
        self.last = current

    def _joined(self) -> Iterator[bytes]:
        step, whole = 0, ""
        for branch in range(BRANCHES):
            current = f"file:{digest('raw', self.number, branch)}"
            for place in range(LENGTH):
                made = f"derived:{digest(self.number, branch, place)}"
                yield self._operation(step, "transform" if place else "read", [current], made)
                current, step = made, step + 1
            if whole:
                made = f"derived:{digest(self.number, 'joined', branch)}"
                yield self._operation(step, "transform", [whole, current], made)
                step += 1
                current = made
            whole = current
        while step < STEPS - 1:
            made = f"derived:{digest(self.number, 'end', step)}"
            yield self._operation(step, "transform", [whole], made)
            whole, step = made, step + 1
        self.last = f"file:{digest(self.number, 'out')}"
        yield self._operation(step, "write", [whole], self.last)

    def _operation(self, step: int, kind: str, used: list[str], made: str) -> bytes:
        self.clock += 1_000_000
        name = {"read": "pandas.read_parquet", "write": "pandas.to_parquet"}.get(
            kind, NAMES[step % len(NAMES)]
        )
        values: dict[str, object] = {
            "otelprov.parameter.how": "left",
            "otelprov.parameter.on": "['origin', 'time_hour']",
            "otelprov.parameter.validate": "None",
            "otelprov.parameters.given": ["how", "on"],
            "otelprov.operation.kind": kind,
            "otelprov.tier": "essential",
            "otelprov.library.version": "3.0.1",
            "code.function.name": "enrich",
            "code.file.path": "/home/ada/pipelines/flights/enrich.py",
            "code.line.number": 20 + step % 50,
            "vcs.ref.head.revision": "8f3c2e1a0b9d7c6e5f4a3b2c1d0e9f8a7b6c5d4e",
            "vcs.ref.head.name": "main",
            "vcs.repository.url.full": "https://example.com/ada/pipelines.git",
            "otelprov.code.dirty": False,
            "otelprov.run.id": f"{self.trace}-{self.root}",
        }
        events = [_event("used", one, "self", self.clock) for one in used]
        events.append(_event("generated", made, "return", self.clock))
        span = {
            "traceId": self.trace,
            "spanId": digest(self.number, "span", step)[:16],
            "flags": 257,
            "name": name,
            "kind": 1,
            "startTimeUnixNano": str(self.clock - 900_000),
            "endTimeUnixNano": str(self.clock),
            "attributes": _attributes(values),
            "status": {},
            "parentSpanId": self.root,
            "events": events,
        }
        return _line(span, "otelprov.pandas")

    def _run(self) -> bytes:
        values: dict[str, object] = {
            "otelprov.operation.kind": "run",
            "process.pid": 4711,
            "process.command_args": ["python", "enrich.py"],
            "otelprov.run.id": f"{self.trace}-{self.root}",
        }
        span = {
            "traceId": self.trace,
            "spanId": self.root,
            "name": "run enrich.py",
            "kind": 1,
            "startTimeUnixNano": str(START + self.number * 3_600_000_000_000),
            "endTimeUnixNano": str(self.clock + 1_000_000),
            "attributes": _attributes(values),
            "status": {},
        }
        return _line(span, "otelprov.run")


def _event(what: str, id_: str, role: str, moment: int) -> dict[str, object]:
    kind = "file" if id_.startswith("file") else "table"
    values: dict[str, object] = {
        f"otelprov.{what}.id": id_,
        "otelprov.artifact.role": role,
        "otelprov.artifact.kind": kind,
        "otelprov.artifact.rows": 328_063,
        "otelprov.artifact.columns": 22,
        "otelprov.artifact.coverage": "full" if kind == "file" else "derivation",
    }
    if kind == "file":
        values["otelprov.artifact.uri"] = f"file:///data/{id_[5:17]}.parquet"
    return {
        "timeUnixNano": str(moment),
        "name": f"otelprov.{what}",
        "attributes": _attributes(values),
    }


def _attributes(values: dict[str, object]) -> list[dict[str, object]]:
    found = []
    for key, value in values.items():
        if isinstance(value, bool):
            shown: dict[str, object] = {"boolValue": value}
        elif isinstance(value, int):
            shown = {"intValue": str(value)}
        elif isinstance(value, list):
            shown = {"arrayValue": {"values": [{"stringValue": one} for one in value]}}
        else:
            shown = {"stringValue": value}
        found.append({"key": key, "value": shown})
    return found


def _line(span: dict[str, object], scope: str) -> bytes:
    import orjson

    resource = {
        "attributes": _attributes(
            {
                "telemetry.sdk.language": "python",
                "telemetry.sdk.name": "opentelemetry",
                "telemetry.sdk.version": "1.45.1",
                "service.name": "flights",
            }
        )
    }
    group = {"scope": {"name": scope, "version": "0.1.0"}, "spans": [span]}
    return orjson.dumps(
        {"resourceSpans": [{"resource": resource, "scopeSpans": [group]}]},
        option=orjson.OPT_APPEND_NEWLINE,
    )


def timed(work: Callable[[], object], times: int = 1) -> list[float]:
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


def make(directory: Path, operations: int) -> list[Run]:
    """Write the journal, and say what an append cost."""
    writer = JournalWriter(directory, limit=None)
    bare_path = directory.parent / "bare"
    bare = os.open(bare_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
    ours: list[float] = []
    theirs: list[float] = []
    runs, lines, size = [], 0, 0
    for number in range(operations // STEPS):
        run = Run(number)
        batch = list(run.lines())
        runs.append(run)
        lines += len(batch)
        size += sum(map(len, batch))
        pairs: list[tuple[list[float], Callable[[bytes], object]]] = [
            (ours, writer.append),
            (theirs, lambda line: os.write(bare, line)),
        ]
        for found, write in pairs if number % 2 else reversed(pairs):
            start = time.perf_counter()
            for line in batch:
                write(line)
            found.append((time.perf_counter() - start) / len(batch))
        if number % 20 == 19:
            os.ftruncate(bare, 0)
    os.close(bare)
    bare_path.unlink()
    writer.close()
    append, write = statistics.median(ours), statistics.median(theirs)
    print(
        f"journal          {lines:,} lines, {size / 1e9:.2f} GB, {size / lines:,.0f} bytes a line"
    )
    print(
        f"append           {append * 1e6:.1f} us, a bare os.write {write * 1e6:.1f} us "
        f"({append / write:.2f}x); {1 / append:,.0f} a second"
    )
    return runs


def durable(directory: Path) -> None:
    """What fsync costs, on this disk."""
    lines = list(Run(100_000).lines())[:200]
    for name, fsync in (("os", False), ("fsync", True)):
        writer = JournalWriter(directory.parent / f"durable-{name}", fsync=fsync)
        found = [timed(partial(writer.append, line))[0] for line in lines]
        writer.close()
        shutil.rmtree(writer.directory)
        print(f"durability {name:5} {statistics.median(found) * 1e6:,.0f} us an append")


def many_files(directory: Path) -> None:
    """The first line of a writer, and a look at the size, beside 10,000 segments."""
    place = directory.parent / "many"
    place.mkdir()
    data = next(Run(100_000).lines())
    for number in range(10_000):
        (place / f"20260101T000000-1-{number:08x}.jsonl").write_bytes(data)
    first: list[float] = []
    empty: list[float] = []
    for number in range(30):
        for found, target in ((first, place), (empty, directory.parent / f"few-{number}")):
            target.mkdir(exist_ok=True)
            writer = JournalWriter(target, limit=None)
            found += timed(partial(writer.append, data))
            writer.close()
    print(
        f"first line       {statistics.median(first) * 1e6:.0f} us beside 10,000 files, "
        f"{statistics.median(empty) * 1e6:.0f} us in an empty directory"
    )
    swept = timed(lambda: retention.sweep(place, 1 << 40), 5)
    print(f"a look at size   {statistics.median(swept) * 1e3:.1f} ms with 10,000 files")
    indexed = timed(lambda: JournalIndex(place))[0]
    again = timed(lambda: JournalIndex(place), 3)
    print(
        f"index            {indexed:.1f} s for 10,000 files, "
        f"{statistics.median(again) * 1e3:.0f} ms when nothing is new"
    )
    shutil.rmtree(place)


def ask(directory: Path, runs: list[Run]) -> None:
    """What the index costs, and what it answers."""
    path = directory / "index.sqlite"
    if not path.exists():
        cpu = time.process_time()
        built = timed(lambda: JournalIndex(directory))[0]
        cpu = time.process_time() - cpu
        lines = len(runs) * (STEPS + 1)
        print(
            f"index            built in {built:.0f} s, {cpu:.0f} s of a processor, "
            f"{cpu / lines * 1e6:.0f} us a line"
        )
    size = sum(one.stat().st_size for one in directory.glob("*.jsonl"))
    print(
        f"                 {path.stat().st_size / 1e6:,.0f} MB, "
        f"{path.stat().st_size / size:.0%} of the journal; SQLite {sqlite3.sqlite_version}"
    )
    opened = statistics.median(timed(lambda: JournalIndex(directory), 5))
    print(f"opened           {opened * 1e3:.1f} ms when nothing is new")
    index = JournalIndex(directory)
    chosen = [runs[number % len(runs)] for number in range(0, 997 * 40, 997)]

    def median(question: Callable[[Run], object]) -> str:
        question(chosen[0])
        return (
            f"{statistics.median(timed(partial(question, one))[0] for one in chosen) * 1e3:.2f} ms"
        )

    print(f"by artifact      {median(lambda run: index.generating([run.last]))}")
    if hasattr(index, "named"):
        moment = START + len(runs) * 1_800_000_000_000
        print(
            "by name          "
            + median(lambda run: index.named("pandas.to_parquet", None, None, 20))
        )
        print(
            "by name and time "
            + median(lambda run: index.named("pandas.merge", moment, moment + 10**12, 20))
        )
    print(f"runs             {median(lambda run: index.runs(20))}")
    for name, deep in (("chain", True), ("joined", False)):
        found, cpu = [], []
        for run in (one for one in chosen if one.deep is deep):
            source = JournalSource(directory)
            walk.upstream(source, runs[3].last, depth=2)  # files and pages are open
            gc.collect()
            start, used = time.perf_counter(), time.process_time()
            answer = walk.upstream(source, run.last)
            found.append(time.perf_counter() - start)
            cpu.append(time.process_time() - used)
            assert len(answer.operations) == STEPS, len(answer.operations)
        print(
            f"closure {name:8} {statistics.median(found) * 1e3:.0f} ms for {STEPS:,} operations "
            f"(of {len(found)}: {min(found) * 1e3:.0f} to {max(found) * 1e3:.0f}), "
            f"{statistics.median(cpu) * 1e3:.0f} ms of a processor"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="where the journal is made, or was before")
    arguments = parser.parse_args()
    base = arguments.keep or Path(tempfile.mkdtemp(prefix="otelprov-journal-"))
    directory = base / "journal"
    try:
        if directory.exists():
            runs = [Run(number) for number in range(arguments.operations // STEPS)]
            for run in runs:
                run.last = json.loads((base / "last.json").read_text())[run.number]
        else:
            directory.mkdir(parents=True)
            runs = make(directory, arguments.operations)
            (base / "last.json").write_text(json.dumps([run.last for run in runs]))
            durable(directory)
            many_files(directory)
        ask(directory, runs)
    finally:
        if arguments.keep is None:
            shutil.rmtree(base)
    return 0


if __name__ == "__main__":
    sys.exit(main())

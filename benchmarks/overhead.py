"""What recording costs: one operation, a call that records nothing, the start, the memory, a whole
pipeline, and the exit when no Collector answers. Each beside its peer or its limit, in one run.

    make benchmark-overhead ARGS='operation idle'

Whatever is compared is measured in turns (A B A B …), and what counts is the median of the turns:
machines are noisy. "caller" is the time of the thread that makes the call; "CPU" is that of all
threads of the process, until everything is delivered.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
ALL = "otelprov"


@dataclass
class Figure:
    """One line of the table. Lower is better in all of them."""

    what: str
    measured: float
    unit: str
    target: float | None = None
    detail: str = ""

    def __str__(self) -> str:
        verdict = ""
        if self.target is not None:
            met = "met" if self.measured <= self.target else "MISSED"
            verdict = f"{self.target:8g}  {met}"
        return f"{self.what:52}{self.measured:10.2f} {self.unit:4}{verdict:18}{self.detail}"


# --- one operation --------------------------------------------------------------------------------


class Sink(BaseHTTPRequestHandler):
    """Takes everything, at once."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: object) -> None:
        pass


def serve() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    print(server.server_port, flush=True)
    server.serve_forever()


@contextmanager
def sink() -> Iterator[str]:
    """The address of a receiver that is another process."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


PARAMETERS = {"how": "inner", "sort": False, "rows": 1000}
"""With what every operation says of itself: 12 attributes."""


@dataclass
class Taken:
    """Seconds for one call."""

    caller: float
    cpu: float


def block(work: Callable[[], None], after: Callable[[], None], number: int) -> Taken:
    gc.collect()
    all_before, before = time.process_time(), time.thread_time()
    for _ in range(number):
        work()
    caller = time.thread_time() - before
    after()
    return Taken(caller / number, (time.process_time() - all_before) / number)


def operation(turns: int, number: int) -> list[Figure]:
    """A recorded operation, and a span of the SDK's written by hand with the same content."""
    with sink() as address, tempfile.TemporaryDirectory() as folder:
        os.environ["OTELPROV_JOURNAL"] = folder
        os.environ["OTELPROV_CODE_REVISION"] = "8f3c2e1d" * 5
        os.environ["OTELPROV_CODE_BRANCH"] = "main"
        # Else the calls after the first thousand are added up, and no spans are written for them.
        os.environ["OTELPROV_REPEATS"] = "off"
        return _operation(address, Path(folder), turns, number)


def _operation(address: str, folder: Path, turns: int, number: int) -> list[Figure]:
    import pyarrow as pa
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    import otelprov
    from otelprov.journal.reader import files
    from otelprov.recording.run import run
    from otelprov.shipping.endpoint import endpoint
    from otelprov.shipping.shipper import Shipper

    run.start()
    left, right, made = (pa.table({"key": [1, 2, 3], "n": [n, 2, 3]}) for n in range(3))
    with otelprov.operation("prepare", kind="transform") as op:
        op.generated(left)
        op.generated(right)

    def recorded() -> None:
        with otelprov.operation("merge", kind="transform", parameters=PARAMETERS) as op:
            op.used(left, role="left")
            op.used(right, role="right")
            op.generated(made.slice(0), role="return")

    def task() -> None:
        with otelprov.operation("merge", parameters=PARAMETERS) as op:
            op.used(left, role="left")
            op.used(right, role="right")
            op.generated(made.slice(0), role="return")

    recorded()
    last = json.loads(b"".join(path.read_bytes() for path in files(folder)).splitlines()[-1])
    (span,) = last["resourceSpans"][0]["scopeSpans"][0]["spans"]

    def plain(pairs: list[dict[str, Any]]) -> dict[str, Any]:
        kinds = {"stringValue": str, "intValue": int, "doubleValue": float, "boolValue": bool}
        found: dict[str, Any] = {}
        for pair in pairs:
            ((kind, value),) = pair["value"].items()
            found[pair["key"]] = (
                [item["stringValue"] for item in value["values"]]
                if kind == "arrayValue"
                else kinds[kind](value)
            )
        return found

    attributes = plain(span["attributes"])
    events = [(event["name"], plain(event["attributes"])) for event in span["events"]]
    assert (len(attributes), len(events)) == (12, 3), (attributes, events)

    provider = TracerProvider()
    exporter = OTLPSpanExporter(f"{address}/v1/traces")
    processor = BatchSpanProcessor(exporter, max_queue_size=2 * number)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("by hand")

    def by_hand() -> None:
        with tracer.start_as_current_span("merge") as span:
            span.set_attributes(attributes)
            for name, pairs in events:
                span.add_event(name, pairs)

    # Sent by a thread as the SDK's are, but by our own hand, so that it is over when we ask.
    shipper = Shipper(folder, endpoint("traces", {}, base=address))

    def shipped() -> None:
        def deliver() -> None:
            for path in shipper.segments():
                shipper.deliver(path, hold=True)
            assert shipper.trouble is None

        thread = threading.Thread(target=deliver)
        thread.start()
        thread.join()

    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    from otelprov import metrics
    from otelprov.recording.measures import measures

    meters = MeterProvider([InMemoryMetricReader()])

    def measured() -> None:
        measures.tell(metrics.prepare(meters))
        recorded()
        measures.stop()

    def flushed() -> None:
        assert processor.force_flush(60_000)

    variants: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "by hand": (by_hand, flushed),
        "journal": (recorded, lambda: None),
        "shipped": (recorded, shipped),
        "metrics": (measured, lambda: None),
        "task": (task, lambda: None),
    }
    taken: dict[str, list[Taken]] = {name: [] for name in variants}
    for turn in range(turns + 1):
        shipped()  # what the others left, outside of what is measured
        for name, (work, after) in variants.items():
            found = block(work, after, number)
            if name in ("journal", "metrics"):
                shipped()
            if turn:  # the first turn warms up
                taken[name].append(found)
    provider.shutdown()
    run.stop()
    caller = {k: statistics.median(one.caller for one in v) * 1e6 for k, v in taken.items()}
    cpu = {k: statistics.median(one.cpu for one in v) * 1e6 for k, v in taken.items()}

    def ratio(name: str, which: str) -> float:
        pairs = zip(taken[name], taken["by hand"], strict=True)
        return statistics.median(getattr(a, which) / getattr(b, which) for a, b in pairs)

    with_metrics = statistics.median(
        one.caller / other.caller
        for one, other in zip(taken["metrics"], taken["journal"], strict=True)
    )
    return [
        Figure("SDK span by hand, caller", caller["by hand"], "µs"),
        Figure("SDK span by hand, batch and OTLP protobuf, CPU", cpu["by hand"], "µs"),
        Figure("recorded operation, caller", caller["journal"], "µs"),
        Figure("recorded operation, journal, CPU", cpu["journal"], "µs"),
        Figure("recorded operation, journal and shipping, CPU", cpu["shipped"], "µs"),
        Figure("recorded task (with its start record), caller", caller["task"], "µs"),
        Figure("  caller, of the SDK's", ratio("journal", "caller"), "x", 0.75),
        Figure("  CPU, of the SDK's, journal", ratio("journal", "cpu"), "x", 0.5),
        Figure("  CPU, of the SDK's, journal and shipping", ratio("shipped", "cpu"), "x", 0.5),
        Figure("  with metrics that are read, caller, of the same without", with_metrics, "x"),
        Figure("  caller of a task, of the SDK's", ratio("task", "caller"), "x"),
    ]


# --- a call that records nothing ------------------------------------------------------------------


def idle(turns: int, number: int) -> list[Figure]:
    """What a patched function takes longer than the original, when nothing is recorded of it."""
    os.environ["OTELPROV_JOURNAL"] = "off"
    from otelprov.instrumentation._table import transform
    from otelprov.instrumentation._wrapping import install
    from otelprov.recording.run import run

    library = types.ModuleType("benchmarked")
    source = "def work(a, b=1): return a\ndef plain(a, b=1): return a\n"
    loop = (
        "def loop(work, number, now):\n"
        "    start = now()\n"
        "    for _ in range(number):\n"
        "        work(1, b=2)\n"
        "    return now() - start\n"
    )
    exec(source, vars(library))  # a module with a function, as a library's
    sys.modules["benchmarked"] = library
    plain = library.plain
    install(library, [transform("work")], version="1")
    inside: dict[str, Any] = {"__name__": "benchmarked.inner"}
    outside: dict[str, Any] = {"__name__": "__main__"}
    exec(loop, inside)
    exec(loop, outside)
    run.start(root=False)
    found: dict[str, list[float]] = {"inactive": [], "inside": []}
    for _ in range(turns):
        for name, active, caller in (("inactive", False, outside), ("inside", True, inside)):
            run.active = active
            wrapped = caller["loop"](library.work, number, time.thread_time)
            bare = caller["loop"](plain, number, time.thread_time)
            found[name].append((wrapped - bare) / number * 1e6)
    run.active = True
    run.stop()
    return [
        Figure(
            "a wrapped call, nothing recorded here", statistics.median(found["inactive"]), "µs", 1
        ),
        Figure("a wrapped call inside the library", statistics.median(found["inside"]), "µs", 1),
    ]


# --- processes ------------------------------------------------------------------------------------


@dataclass
class Life:
    """One process: seconds from start to exit, of CPU, and its highest resident size in MiB."""

    wall: float
    cpu: float
    mib: float


def life(command: list[str], environment: dict[str, str]) -> Life:
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return Life(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def environment(**more: str) -> dict[str, str]:
    # PYTHONDONTWRITEBYTECODE in the environment would have every start compile all of otelprov.
    names = ("OTEL", "TRACE", "PYTHONDONT")
    found = {k: v for k, v in os.environ.items() if not k.startswith(names)}
    found.update(
        OTEL_TRACES_EXPORTER="none", OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none"
    )
    found.update(more)
    return found


SDK = """
import opentelemetry.sdk.trace, opentelemetry.sdk.trace.export, opentelemetry.metrics
opentelemetry.sdk.trace.TracerProvider()
"""


def start(turns: int) -> list[Figure]:
    """``opentelemetry-instrument python -c pass`` with otelprov and without, and the same for a
    program that starts the SDK itself (as it is started where ``opentelemetry-distro`` is)."""
    with tempfile.TemporaryDirectory() as folder:
        variants = {
            "without": environment(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=ALL),
            "with": environment(OTELPROV_JOURNAL=folder),
            "no git": environment(OTELPROV_JOURNAL=folder, OTELPROV_CODE_REVISION="8f3c2e1d" * 5),
        }
        lives: dict[tuple[str, str], list[Life]] = {}
        for turn in range(turns + 1):
            for program in ("pass", SDK):
                command = [str(BIN / "opentelemetry-instrument"), sys.executable, "-c", program]
                for name, values in variants.items():
                    found = life(command, values)
                    if turn:
                        lives.setdefault((program, name), []).append(found)

    def more(which: str, name: str, program: str = "pass") -> float:
        pairs = zip(lives[program, name], lives[program, "without"], strict=True)
        return statistics.median(getattr(a, which) - getattr(b, which) for a, b in pairs)

    wall = statistics.median(one.wall for one in lives["pass", "without"]) * 1e3
    return [
        Figure("start and exit of python -c pass without otelprov", wall, "ms"),
        Figure("  added by otelprov and the SDK, wall", more("wall", "with") * 1e3, "ms"),
        Figure("  added by otelprov and the SDK, CPU", more("cpu", "with") * 1e3, "ms"),
        Figure("  added by otelprov and the SDK, memory", more("mib", "with"), "MiB"),
        Figure("added to a program with the SDK, wall", more("wall", "with", SDK) * 1e3, "ms", 30),
        Figure("  CPU, git's included", more("cpu", "with", SDK) * 1e3, "ms"),
        Figure("  CPU, git not called", more("cpu", "no git", SDK) * 1e3, "ms"),
    ]


MANY = """
import otelprov, sys
for number in range(int(sys.argv[1])):
    with otelprov.operation("merge", kind="transform", parameters={"n": number}) as op:
        op.used([number])
        op.generated([number, number])
"""


def memory(turns: int) -> list[Figure]:
    """The resident size of a program that records a few operations, and a hundred times as many."""
    found: dict[int, list[float]] = {100: [], 20_000: []}
    for _ in range(max(2, turns // 3)):
        for number in found:
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, "-c", MANY, str(number)]
                program = [str(BIN / "opentelemetry-instrument"), *command]
                found[number].append(life(program, environment(OTELPROV_JOURNAL=folder)).mib)
    few, many = (statistics.median(values) for values in found.values())
    return [
        Figure("resident size after 100 operations", few, "MiB"),
        Figure("  added by 19,900 more", many - few, "MiB"),
    ]


# --- a pipeline -----------------------------------------------------------------------------------


def tables(folder: Path, scale: float) -> Path:
    """The tables of TPC-H with the types that pandas users have: floats, timestamps, strings."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    made, plain = folder / f"scale-{scale:g}-all", folder / f"scale-{scale:g}-plain"
    if plain.exists():
        return plain
    command = [str(BIN / "tpchgen-cli"), "parquet", "-s", f"{scale:g}", "-q", "-o", str(made)]
    subprocess.run(command, check=True)
    part = plain.with_suffix(".part")
    part.mkdir(parents=True, exist_ok=True)

    def type_of(field: pa.Field) -> pa.Field:
        if pa.types.is_decimal(field.type):
            return field.with_type(pa.float64())
        if pa.types.is_date(field.type):
            return field.with_type(pa.timestamp("ms"))
        return field.with_type(pa.string()) if field.type == pa.string_view() else field

    for path in made.glob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.cast(pa.schema(map(type_of, table.schema))), part / path.name)
    part.rename(plain)
    shutil.rmtree(made)
    return plain


PIPELINES = {
    "pipeline": "tpch.py",
    "pipeline-polars": "tpch_polars.py",
    "pipeline-duckdb": "tpch_duckdb.py",
}


def pipeline(part: str, turns: int, folder: Path, scale: float) -> list[Figure]:
    """Queries of TPC-H as a process: without otelprov, and in both tiers."""
    data = tables(folder, scale)
    with tempfile.TemporaryDirectory() as answers:
        program = [sys.executable, str(HERE / PIPELINES[part]), str(data), answers]
        command = [str(BIN / "opentelemetry-instrument"), *program]
        journal = f"{answers}/journal"
        variants = {
            "plain": environment(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=ALL),
            "essential": environment(OTELPROV_JOURNAL=journal),
            "full": environment(OTELPROV_JOURNAL=journal, OTELPROV_TIER="full"),
        }
        lives: dict[str, list[Life]] = {name: [] for name in variants}
        for turn in range(turns + 1):
            names = list(variants)
            for name in names if turn % 2 else reversed(names):
                found = life(command, variants[name])
                if turn:
                    lives[name].append(found)
            print(f"turn {turn} of {turns}", file=sys.stderr)
    figures = []
    for which, unit in (("wall", "s"), ("cpu", "s"), ("mib", "MiB")):
        plain = statistics.median(getattr(one, which) for one in lives["plain"])
        figures.append(Figure(f"{part} without otelprov, {which}", plain, unit))
        for name, target in (("essential", 1.02), ("full", 1.05)):
            pairs = zip(lives[name], lives["plain"], strict=True)
            ratio = statistics.median(getattr(a, which) / getattr(b, which) for a, b in pairs)
            limit = target if which == "wall" else None
            figures.append(Figure(f"  {name}", ratio, "x", limit))
    return figures


# --- the exit -------------------------------------------------------------------------------------


@contextmanager
def black_hole() -> Iterator[str]:
    """An address that accepts connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def refused() -> Iterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


EXIT = MANY + "\nimport time; time.sleep(0.2)\n"


def leaving(turns: int) -> list[Figure]:
    """How much longer a program with 100 operations takes when no Collector answers."""
    command = [str(BIN / "opentelemetry-instrument"), sys.executable, "-c", EXIT, "100"]
    figures = []
    repeats = max(2, turns // 5)
    for place in (refused, black_hole):
        with place() as address, tempfile.TemporaryDirectory() as folder:
            variants = {
                name: environment(
                    OTEL_TRACES_EXPORTER=name,
                    OTEL_EXPORTER_OTLP_ENDPOINT=address,
                    OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
                    OTELPROV_JOURNAL=f"{folder}/{name}",
                )
                for name in ("none", "otlp", "otelprov")
            }
            walls: dict[str, list[float]] = {name: [] for name in variants}
            for _ in range(repeats):
                for name, values in variants.items():
                    with_stderr = subprocess.DEVNULL
                    begun = time.perf_counter()
                    subprocess.run(command, env=values, stderr=with_stderr, check=True)
                    walls[name].append(time.perf_counter() - begun)
        what = place.__name__.replace("_", " ")
        none = statistics.median(walls["none"])
        figures.append(Figure(f"Collector: {what}; exporter none", none, "s"))
        for name, target in (("otlp", None), ("otelprov", 2.0)):
            more = statistics.median(walls[name]) - none
            figures.append(Figure(f"  exporter {name}, longer by", more, "s", target))
    return figures


# --- the program ----------------------------------------------------------------------------------

PARTS = ("operation", "idle", "start", "memory", *PIPELINES, "leaving")


def measured(part: str, options: argparse.Namespace) -> list[Figure]:
    turns = options.turns
    if part == "operation":
        return operation(turns, options.number)
    if part == "idle":
        return idle(turns, 20 * options.number)
    if part == "start":
        return start(turns)
    if part == "memory":
        return memory(turns)
    if part == "leaving":
        return leaving(turns)
    return pipeline(part, max(3, turns // 2), options.data, options.scale)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (all)")
    parser.add_argument("--turns", type=int, default=15, help="of each comparison (default: 15)")
    parser.add_argument("--number", type=int, default=1000, help="operations in one turn")
    parser.add_argument("--scale", type=float, default=1.0, help="of TPC-H (default: 1)")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(tempfile.gettempdir()) / "otelprov-benchmarks",
        help="folder for the tables, which are made once",
    )
    parser.add_argument("--one", choices=PARTS, help=argparse.SUPPRESS)  # in a process of its own
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    if options.one:
        print(json.dumps([asdict(one) for one in measured(options.one, options)]))
        return
    unknown = {*options.parts} - {*PARTS}
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"python {platform.python_version()}  cores {os.cpu_count()}  load {load}")
    print(f"{'':52}{'measured':>10}     {'  target':18}")
    everything: dict[str, list[dict[str, Any]]] = {}
    for part in options.parts or PARTS:
        rest = [f"--turns={options.turns}", f"--number={options.number}"]
        rest += [f"--scale={options.scale}", f"--data={options.data}"]
        command = [sys.executable, __file__, "--one", part, *rest]
        result = subprocess.run(
            command, env=environment(), stdout=subprocess.PIPE, text=True, check=True
        )
        everything[part] = json.loads(result.stdout.splitlines()[-1])
        for figure in everything[part]:
            print(Figure(**figure))
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    main()

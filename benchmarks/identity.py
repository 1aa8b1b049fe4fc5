"""How fast data gets its id: TPC-H lineitem in every container, beside BLAKE3 and its peers.

Everything is measured in one run, turn by turn (A B C A B C …), since machines are noisy. GB/s are
canonical bytes (docs/artifact-identity.md, section 6) of the same rows a second, for the peers too.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from otelprov.artifacts import identify, tables

MIB = 1 << 20
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


# --- the containers -------------------------------------------------------------------------------


def arrow(path: Path) -> pa.Table:
    """As a reader gives it that knows no string views; decimal128 and date32 as they are."""
    table = pq.read_table(path)
    plain = [f.with_type(pa.string()) if f.type == pa.string_view() else f for f in table.schema]
    return table.cast(pa.schema(plain))


def numbers(path: Path) -> pa.Table:
    """With decimals as float64 and dates as timestamps, which NumPy has."""
    table = arrow(path)
    other = {"decimal128(15, 2)": pa.float64(), "date32[day]": pa.timestamp("ms")}
    return table.cast(
        pa.schema([f.with_type(other.get(str(f.type), f.type)) for f in table.schema])
    )


def objects(path: Path) -> pd.DataFrame:
    table = numbers(path)
    return table.to_pandas(strings_to_categorical=False).astype(
        {f.name: object for f in table.schema if f.type == pa.string()}
    )


def pandas_text(path: Path) -> pd.DataFrame:
    return numbers(path).to_pandas()


CONTAINERS: dict[str, Callable[[Path], Any]] = {
    "Arrow (string)": arrow,
    "Arrow (string_view)": pq.read_table,
    "Polars": pl.read_parquet,
    "pandas Arrow-backed": lambda path: arrow(path).to_pandas(types_mapper=pd.ArrowDtype),
    f"pandas NumPy, text is {'str' if pd.__version__ >= '3' else 'object'}": pandas_text,
    "pandas NumPy, text is object": objects,
}
"""The first four have equal types and so one id; the last two as well, and another."""

TEXT = next(name for name in CONTAINERS if "NumPy" in name)


# --- what is measured -----------------------------------------------------------------------------


def table_id(value: Any) -> str:
    artifact = identify(value)
    assert artifact.coverage == "full", artifact.reason
    return artifact.id


def joblib_hash(value: Any) -> str:
    import joblib

    return str(joblib.hash(value))


def mlflow_digest(value: Any) -> str:
    import mlflow.data

    return str(mlflow.data.from_pandas(value).digest)


def duckdb_hash(value: Any) -> Any:
    import duckdb

    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("lineitem", value)
        row = ", ".join(f'"{name}"' for name in value.column_names)
        return connection.execute(f"select bit_xor(hash({row})) from lineitem").fetchall()


PEERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "pandas.util.hash_pandas_object": (TEXT, pd.util.hash_pandas_object),
    "joblib.hash": (TEXT, joblib_hash),
    "mlflow.data digest (10,000 rows)": (TEXT, mlflow_digest),
    "DuckDB hash of all columns": ("Arrow (string)", duckdb_hash),
}
"""Each with the container that it is given."""


@dataclass
class Row:
    """One line of the table: GB/s by repeat, and MiB."""

    name: str
    speeds: list[float] = field(default_factory=list)
    ratio: float | None = None
    extra_mib: float | None = None
    two_threads: float | None = None
    id: str | None = None


def seconds(work: Callable[[], Any], clock: Callable[[], float]) -> float:
    start = clock()
    work()
    return clock() - start


def threads_factor(work: Callable[[], Any]) -> float:
    """How much more two threads get done than one, in wall time: 2 is perfect."""

    def both() -> None:
        pair = [threading.Thread(target=work) for _ in range(2)]
        for thread in pair:
            thread.start()
        for thread in pair:
            thread.join()

    ones: list[float] = []
    twos: list[float] = []
    while len(ones) < 3 and sum(ones) < 3:
        ones.append(seconds(work, time.perf_counter))
        twos.append(seconds(both, time.perf_counter))
    return 2 * min(ones) / min(twos)


def speeds(path: Path, repeats: int, peer_repeats: int, clock: Callable[[], float]) -> list[Row]:
    values = {name: load(path) for name, load in CONTAINERS.items()}
    sizes = {name: tables.digest(value).bytes for name, value in values.items()}
    buffer = np.random.default_rng(0).bytes(sizes["Arrow (string)"])
    work: dict[str, tuple[int, int, Callable[[], Any]]] = {
        "BLAKE3 of as many bytes": (len(buffer), repeats, lambda: blake3(buffer).digest())
    }
    for name, value in values.items():
        work[name] = sizes[name], repeats, lambda value=value: tables.digest(value)
    for name, (container, peer) in PEERS.items():
        value = values[container]
        work[name] = sizes[container], peer_repeats, lambda peer=peer, value=value: peer(value)
    rows = {name: Row(name) for name in work}
    for turn in range(repeats):
        for name, (size, turns, run) in work.items():
            if turn < turns:
                rows[name].speeds.append(size / seconds(run, clock) / 1e9)
        print(f"turn {turn + 1} of {repeats}", file=sys.stderr)
    limit = max(rows["BLAKE3 of as many bytes"].speeds)
    for name, row in rows.items():
        row.ratio = max(row.speeds) / limit
        if name in values:
            row.id = table_id(values[name])
        if name not in PEERS:
            row.two_threads = threads_factor(work[name][2])
    ids = [row.id for row in rows.values() if row.id]
    assert len(set(ids[:4])) == 1, "containers with the same values have different ids"
    assert len(set(ids[4:])) == 1, "containers with the same values have different ids"
    return list(rows.values())


# --- memory ---------------------------------------------------------------------------------------


def status(key: str) -> int:
    """Bytes, of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


def extra_memory(name: str, path: Path) -> float:
    """MiB: the highest resident size during the call, less the one before.

    In a process of its own, which has carried the same call out once on a few rows.
    """
    if name in CONTAINERS:
        load, work = CONTAINERS[name], tables.digest
    else:
        container, work = PEERS[name]
        load = CONTAINERS[container]
    value = load(path)
    work(value[:10])
    gc.collect()
    pa.default_memory_pool().release_unused()
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the highest size so far is the present one
    work(value)
    return (status("VmHWM") - before) / MIB


def memory(path: Path, rows: list[Row]) -> None:
    if not os.access("/proc/self/clear_refs", os.W_OK):
        print("no /proc/self/clear_refs: memory is not measured", file=sys.stderr)
        return
    for row in rows:
        if row.name not in CONTAINERS and row.name not in PEERS:
            continue
        command = [sys.executable, __file__, "--memory-of", row.name, "--data", str(path)]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        row.extra_mib = float(result.stdout.split()[-1])


# --- small frames ---------------------------------------------------------------------------------


def small_frames() -> dict[str, Any]:
    """10 rows of whole numbers, floats, bools, text and times."""
    table = pa.table(
        {
            "i": range(10),
            "f": [i / 7 for i in range(10)],
            "b": [i % 3 == 0 for i in range(10)],
            "s": [f"name {i}" for i in range(10)],
            "t": pa.array(range(10), pa.timestamp("us")),
        }
    )
    return {
        "Arrow": table,
        "Polars": pl.from_arrow(table),
        "pandas Arrow-backed": table.to_pandas(types_mapper=pd.ArrowDtype),
        "pandas NumPy": table.to_pandas(),
        "pandas NumPy, text is object": table.to_pandas().astype({"s": object}),
    }


def small(repeats: int, clock: Callable[[], float]) -> dict[str, tuple[float, float, float]]:
    """µs of ``identify``: median, and the tenth and ninetieth of a hundred."""
    frames = small_frames()
    assert len({table_id(value) for value in frames.values()}) == 1
    times: dict[str, list[float]] = {name: [] for name in frames}
    for _ in range(repeats):
        for name, value in frames.items():
            times[name].append(seconds(lambda value=value: identify(value), clock) * 1e6)
    result = {}
    for name, taken in times.items():
        cuts = statistics.quantiles(taken, n=10)
        result[name] = (statistics.median(taken), cuts[0], cuts[-1])
    return result


# --- the program ----------------------------------------------------------------------------------


def lineitem(folder: Path, scale: float) -> Path:
    path = folder / f"scale-{scale:g}" / "lineitem.parquet"
    if not path.exists():
        command = str(Path(sys.executable).with_name("tpchgen-cli"))
        options = ["-s", f"{scale:g}", "-T", "lineitem", "-q", "-o", str(path.parent)]
        subprocess.run([command, "parquet", *options], check=True)
    return path


def show(rows: list[Row], little: dict[str, tuple[float, float, float]]) -> None:
    print(f"{'':34}{'best':>7}{'median':>8}{'of BLAKE3':>11}{'extra MiB':>11}{'2 threads':>11}")
    for row in rows:
        extra = "" if row.extra_mib is None else f"{row.extra_mib:.0f}"
        two = "" if row.two_threads is None else f"{row.two_threads:.2f}x"
        middle = statistics.median(row.speeds)
        print(
            f"{row.name:34}{max(row.speeds):7.2f}{middle:8.2f}{row.ratio or 0:11.0%}"
            f"{extra:>11}{two:>11}"
        )
    print("(GB/s. MLflow's digest reads 10,000 rows, which is not the table.)\n")
    print(f"{'10 rows x 5 columns, µs':34}{'median':>7}{'10 %':>8}{'90 %':>8}")
    for name, (middle, low, high) in little.items():
        print(f"{name:34}{middle:7.0f}{low:8.0f}{high:8.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of TPC-H; 1 is 6 million rows")
    parser.add_argument("--repeats", type=int, default=7, help="turns (default: 7)")
    parser.add_argument(
        "--peer-repeats", type=int, default=2, help="of the slow peers (default: 2)"
    )
    parser.add_argument("--small-repeats", type=int, default=2000, help="of the small frames")
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="cpu: processor time, for a machine that does other things as well",
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(tempfile.gettempdir()) / "otelprov-benchmarks",
        help="folder for the table, which is made once",
    )
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)  # for the processes of their own
    options = parser.parse_args()
    if options.memory_of:
        print(extra_memory(options.memory_of, options.data))
        return
    path = lineitem(options.data, options.scale)
    clock = CLOCKS[options.clock]
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "python": platform.python_version(),
        "clock": options.clock,
        "scale": options.scale,
        **{
            name: importlib.metadata.version(name)
            for name in ("blake3", "numpy", "pandas", "polars", "pyarrow", "duckdb", "joblib")
        },
    }
    print("  ".join(f"{key} {value}" for key, value in machine.items()))
    little = small(options.small_repeats, clock)
    rows = speeds(path, options.repeats, min(options.peer_repeats, options.repeats), clock)
    memory(path, rows)
    show(rows, little)
    if options.json:
        figures = {"machine": machine, "lineitem": [asdict(row) for row in rows], "small": little}
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

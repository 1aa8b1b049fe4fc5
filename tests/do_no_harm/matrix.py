"""The crash matrix: every way to end, at every moment, in every kind of process, before a Collector
in every state. Each cell is run plain and recorded, and the two are held against each other.

``make harm`` runs all of it; the tests of this folder run a part in which each end meets each
moment, kind of process and state of the Collector.

    python tests/do_no_harm/matrix.py [--jobs N] [--sample]
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import support  # noqa: E402
from crashes import ENDS, MOMENTS, STARTS  # noqa: E402

STATES = ("none", "up", "refused", "black hole", "500", "slow", "429", "partial success")
CHAINED = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
PYTHON_TELLS = re.compile(r"0x[0-9a-f]+|\bpid=?\s*\d+|line \d+")


@dataclass(frozen=True)
class Cell:
    """One way for a program to end."""

    end: str
    moment: str
    start: str
    state: str

    def __str__(self) -> str:
        return f"{self.end} {self.moment}, {self.start}, Collector: {self.state}"

    @property
    def plain(self) -> Cell:
        """The same without a Collector, which a program that is not recorded has no use for."""
        return Cell(self.end, self.moment, self.start, "none")


@dataclass(frozen=True)
class Seen:
    """What came of it."""

    status: int | str
    out: str
    err: str
    seconds: float


def every() -> list[Cell]:
    return [
        Cell(*one)
        for one in product(ENDS, MOMENTS, STARTS, STATES)
        if one[0] != "nothing" or one[1] == "between"
    ]


def sample() -> list[Cell]:
    """Each end with each moment, and each of both with each kind of process and state."""
    chosen = []
    for cell in every():
        end, moment = ENDS.index(cell.end), MOMENTS.index(cell.moment)
        state = STATES.index(cell.state)
        if cell.start == "itself":
            wanted = cell.state == "none" or (end + state) % len(MOMENTS) == moment
        elif cell.start == "fork":
            wanted = cell.state == "none"
        else:  # a new interpreter takes its time
            wanted = cell.state == "none" and end % len(MOMENTS) == moment
        if wanted:
            chosen.append(cell)
    return chosen


# --- a Collector in every state ------------------------------------------------------------------


class _Answers(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        state = self.path.split("/")[1]
        if state == "slow":
            time.sleep(5)
        status = int(state) if state.isdigit() else 200
        body = b""
        if state == "partial":  # ExportTraceServiceResponse{partial_success{rejected_spans: 1}}
            body = b"\x0a\x02\x08\x01"
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "30")
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def handle(self) -> None:
        with suppress(OSError):  # whom it answers has ended
            super().handle()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def collectors() -> Iterator[dict[str, str]]:
    """By state: the endpoint."""
    with ExitStack() as stack:
        server = stack.enter_context(_Server(("127.0.0.1", 0), _Answers))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        base = f"http://127.0.0.1:{server.server_address[1]}"
        silent, closed = (stack.enter_context(socket.socket()) for _ in range(2))
        silent.bind(("127.0.0.1", 0))
        silent.listen(128)  # takes connections, and never a word of them
        closed.bind(("127.0.0.1", 0))  # bound and not listening: refused
        yield {
            "up": f"{base}/200",
            "500": f"{base}/500",
            "429": f"{base}/429",
            "slow": f"{base}/slow",
            "partial success": f"{base}/partial",
            "black hole": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "refused": f"http://127.0.0.1:{closed.getsockname()[1]}",
        }


# --- running -------------------------------------------------------------------------------------


def run(cells: list[Cell], directory: Path, *, recorded: bool, jobs: int) -> dict[Cell, Seen]:
    """Run the cells in children of one warm process."""
    begun = {str(cell): cell for cell in cells}
    with collectors() as endpoints:
        server = subprocess.Popen(
            [sys.executable, str(HERE / "crashes.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **_plain(support.environment()),
                "JOBS": str(jobs),
                "PYTHONPATH": str(support.ROOT),
                **({"RECORDED": "1"} if recorded else {}),
            },
            text=True,
        )
        assert server.stdin is not None and server.stdout is not None
        with server:
            requests = []
            for number, cell in enumerate(cells):
                where = directory / str(number)
                where.mkdir(parents=True)
                environment = {}
                if recorded:
                    environment = _environment(cell, where, endpoints)
                request = {
                    "name": str(cell),
                    "end": cell.end,
                    "moment": cell.moment,
                    "start": cell.start,
                    "directory": str(where),
                    "returned": str(where / "returned"),
                    "environment": json.dumps(environment),
                }
                requests.append(json.dumps(request) + "\n")
            threading.Thread(target=_send, args=(server.stdin, requests), daemon=True).start()
            found: dict[Cell, Seen] = {}
            places = {str(cell): directory / str(n) for n, cell in enumerate(cells)}
            for line in server.stdout:
                answer = json.loads(line)
                where = places[answer["cell"]]
                out, err = ((where / name).read_text() for name in ("stdout", "stderr"))
                cell = begun[answer["cell"]]
                found[cell] = Seen(answer["status"], out, err, answer["seconds"])
    return found


def _send(pipe: object, requests: list[str]) -> None:
    with pipe as file:  # type: ignore[attr-defined]
        file.writelines(requests)


def _plain(environment: dict[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith("OTEL") or name == "OTELPROV_RAISE_FAULTS"
    }


def _environment(cell: Cell, where: Path, endpoints: dict[str, str]) -> dict[str, str]:
    environment = {
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTELPROV_JOURNAL": str(where / "journal"),
        "OTELPROV_CODE_REVISION": "0",
        "OTELPROV_EXIT_TIMEOUT": "0.5",
    }
    if cell.state != "none":
        environment["OTEL_TRACES_EXPORTER"] = "otelprov"
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoints[cell.state]
        environment["OTEL_EXPORTER_OTLP_TIMEOUT"] = "2"
    return environment


# --- judging -------------------------------------------------------------------------------------


def complaints(cell: Cell, where: Path, plain: Seen, recorded: Seen) -> list[str]:
    """What is not as it is without us, or not in the journal."""
    found = []
    for name in ("status", "out"):
        before, after = getattr(plain, name), getattr(recorded, name)
        if before != after:
            found.append(f"{name}: {before!r} -> {after!r}")
    told = [line for line in recorded.err.splitlines(True) if line.startswith("otelprov: ")]
    rest = "".join(line for line in recorded.err.splitlines(True) if line not in told)
    if len(told) > 1:
        found.append(f"says too much: {told}")
    if _stable(rest, cell) != _stable(plain.err, cell):
        found.append(f"stderr: {plain.err!r} -> {recorded.err!r}")
    returned = (
        (where / "returned").read_text().splitlines() if (where / "returned").exists() else []
    )
    try:
        spans = support.journal(where / "journal")
    except Exception as error:
        return [*found, f"the journal cannot be read: {error!r}"]
    names = Counter(span.name for span in spans)
    lost = [name for name in returned if not names[name]]
    if lost:
        found.append(f"not in the journal: {lost[:5]}")
    twice = [key for key, n in Counter(span.span_id for span in spans).items() if n > 1]
    if twice:
        found.append(f"twice in the journal: {twice[:5]}")
    return found


def _stable(text: str, cell: Cell) -> str:
    """Without what differs from run to run: addresses, and where an end at any moment was met."""
    text = PYTHON_TELLS.sub("", text)
    if cell.moment != "anywhere":
        return text
    lines: list[str] = []
    for line in text.splitlines():
        if line in CHAINED:  # it was met where another exception was handled: that one is left out
            while lines and not lines.pop().startswith("Traceback "):
                pass
        elif line and not line.startswith(" "):
            lines.append(line)
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--sample", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="otelprov-crashes-") as name:
        number, found = judge(sample() if options.sample else every(), Path(name), options.jobs)
    print(*found, sep="\n")
    print(f"{number} cells, {len(found)} with a difference")
    return 1 if found else 0


def judge(cells: list[Cell], directory: Path, jobs: int) -> tuple[int, list[str]]:
    """Run all of them both ways; how many there were, and what is wrong."""
    begun = time.monotonic()
    plain = run(
        sorted({c.plain for c in cells}, key=str), directory / "p", recorded=False, jobs=jobs
    )
    recorded = run(cells, directory / "r", recorded=True, jobs=jobs)
    found = []
    for number, cell in enumerate(cells):
        if cell not in recorded:
            found.append(f"{cell}: no answer")
            continue
        for text in complaints(
            cell, directory / "r" / str(number), plain[cell.plain], recorded[cell]
        ):
            found.append(f"{cell}: {text}")
    slowest = max(recorded.items(), key=lambda item: item[1].seconds, default=None)
    print(
        f"{len(cells)} cells in {time.monotonic() - begun:.0f} s",
        f"the slowest: {slowest[0]}, {slowest[1].seconds} s" if slowest else "",
    )
    return len(cells), found


if __name__ == "__main__":
    sys.exit(main())

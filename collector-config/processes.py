"""Server processes: started, known again later, asked whether they answer, and ended by number.

`stack.py` runs its servers with this, and so do the tests that start Collectors of their own.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from servers import StackError, tail

READY_SECONDS = 60.0
"""How long a server may take until it answers. All of them take three seconds when idle."""

STOP_SECONDS = 10.0
"""How long a server may take to end after SIGTERM, before it gets SIGKILL."""


class PortTakenError(StackError):
    """Another program took a port between our choice of it and the server's start."""


@dataclass(frozen=True, slots=True)
class Process:
    """A server that was started: enough to find it again, and to know it from any other."""

    pid: int
    birth: str
    log: str

    def runs(self) -> bool:
        """Whether the process of this number is still the one that was started."""
        return birth(self.pid) == self.birth


def start(command: list[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start a server that lives on after this program, in a session of its own."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # None only if it died within the microseconds since; then nothing ever runs under "".
    return Process(pid=process.pid, birth=birth(process.pid) or "", log=str(log))


def stop(name: str, process: Process) -> None:
    """End a process, and no other: SIGTERM, and SIGKILL when that is not heard.

    Raises StackError when it outlives even that.
    """
    for signal_number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        if not process.runs():
            return
        with suppress(ProcessLookupError):  # it ended just now, by itself
            os.kill(process.pid, signal_number)
        deadline = time.monotonic() + seconds
        while process.runs() and time.monotonic() < deadline:
            time.sleep(0.02)
    if process.runs():
        raise StackError(f"{name}, process {process.pid}, does not end, not even by SIGKILL")


def wait_until_it_answers(name: str, process: Process, answers: Callable[[], bool]) -> None:
    """Come back when the server takes real requests.

    Raises StackError when it ends before, PortTakenError if for want of a port, or takes longer
    than READY_SECONDS.
    """
    deadline = time.monotonic() + READY_SECONDS
    while process.runs():
        if answers():
            return
        if time.monotonic() > deadline:
            why = f"did not answer within {READY_SECONDS:.0f} s"
            break
        time.sleep(0.05)
    else:
        why = "ended at its start"
    log = tail(Path(process.log))
    error = PortTakenError if "address already in use" in log else StackError
    raise error(f"{name} {why}; the end of {process.log}:\n{log}")


# An export of no spans at all is a valid OTLP request, and leaves nothing behind.
NO_SPANS = b"{}"


def answers_http(url: str, body: bytes | None = None) -> bool:
    """Whether a GET, or with a body a POST of JSON, is answered with 200 within 2 seconds."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    # A proxy from the environment has no business between two processes of one machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, http.client.HTTPException):  # URLError and HTTPError are OSErrors
        return False


def answers_tcp(port: int) -> bool:
    """Whether something accepts connections on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


def pick_free_ports(names: Iterable[str]) -> dict[str, int]:
    """A free port for each name, all different."""
    with ExitStack() as held:
        sockets = {name: held.enter_context(listening(0)) for name in names}
        return {name: int(taken.getsockname()[1]) for name, taken in sockets.items()}


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """Hold a port of 127.0.0.1, any free one for 0. Raises OSError when it cannot be had."""
    with socket.socket() as taken:
        # As Go does: a port is not taken because of connections that were closed lately.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        yield taken


def birth(pid: int) -> str | None:
    """What tells this process from every other that ever had its number; None when it is gone.

    On Linux the boot and the clock tick it was started in, elsewhere what `ps` says of its start
    and command. A zombie is gone: it has ended, and only its parent has not noticed yet. Not so
    while threads of it are still ending: until the last of them its ports are held and answer.
    """
    boot = Path("/proc/sys/kernel/random/boot_id")
    if boot.exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # proc(5): the second field is the name, in parentheses, and may hold anything; then
        # comes the state, field 3. Threads are counted in field 20, the start time is field 22.
        fields = stat.rpartition(")")[2].split()
        gone = fields[0] in "ZX" and int(fields[17]) <= 1
        return None if gone else f"{boot.read_text().strip()} {fields[19]}"
    told = subprocess.run(
        ["ps", "-o", "stat=,lstart=,command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    condition, _, rest = told.stdout.strip().partition(" ")
    return None if told.returncode != 0 or condition.startswith("Z") else rest

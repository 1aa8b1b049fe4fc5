"""One program that comes to its end in many ways, at many moments, in many kinds of process.

A warm server (``--serve``) forks a child for each cell of the matrix, so that a cell does not pay
for the start of an interpreter. The child starts the recording as ``opentelemetry-instrument``
does, comes to its end, and the server says how that was.
"""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import select
import signal
import sys
import threading
import time

import otelprov

ENDS = ("nothing", "SIGTERM", "SIGKILL", "SIGINT", "os._exit", "exception", "sys.exit")
MOMENTS = ("before", "inside", "between", "anywhere", "at exit")
STARTS = ("itself", "fork", "spawn", "forkserver")
LIMIT = 90
"""Seconds for one cell."""


def end(how: str) -> None:
    if how.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, how))
    elif how == "os._exit":
        os._exit(4)
    elif how == "exception":
        # Not a ValueError: the import system takes one for its own (FileFinder.find_spec).
        raise RuntimeError("the program's own")
    elif how == "sys.exit":
        sys.exit(3)


def work(how: str, moment: str, returned: str) -> None:
    """Operations, each of which is written down when it has returned, and the end."""
    log = os.open(returned, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def step(number: int) -> None:
        name = f"step {number} of {os.getpid()}"
        otelprov.operation(name)(lambda value: value)(number)
        os.write(log, f"{name}\n".encode())

    if moment == "at exit":
        atexit.register(end, how)
    if moment == "before":
        end(how)
    step(1)
    step(2)
    if moment == "between":
        end(how)
    with otelprov.operation("the last"):
        if moment == "inside":
            end(how)
    step(3)
    if moment == "anywhere" and how != "nothing":
        parent, begun = os.getppid(), time.monotonic()
        _end_anywhere(how)
        number = 3
        # Nobody goes on for good: neither when it is given up, nor when the end is swallowed.
        while os.getppid() == parent and time.monotonic() < begun + LIMIT:
            number += 1
            step(number)


def _end_anywhere(how: str) -> None:
    """In the middle of whatever is going on, soon."""
    delay = 0.001 + 0.02 * int.from_bytes(os.urandom(2), "big") / 65536
    if how in ("SIGTERM", "SIGKILL"):
        threading.Timer(delay, os.kill, (os.getpid(), getattr(signal, how))).start()
        return
    # In the main thread, between two of its instructions.
    signal.signal(signal.SIGALRM, lambda *_: end(how))
    signal.setitimer(signal.ITIMER_REAL, delay)


def play(cell: dict[str, str]) -> None:
    """One cell, in a process of its own."""
    print("begun", flush=True)
    arguments = (cell["end"], cell["moment"], cell["returned"])
    if cell["start"] == "itself":
        work(*arguments)
    else:
        process = multiprocessing.get_context(cell["start"]).Process(target=work, args=arguments)
        process.start()
        process.join()
        print("the child ended with", process.exitcode, flush=True)
    print("done", flush=True)


# --- the server ----------------------------------------------------------------------------------


def serve() -> dict[str, str] | None:
    """Answer requests until there are no more. In a child: the cell that it is to be."""
    running: dict[int, tuple[dict[str, str], float]] = {}
    wake, woken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    todo: list[dict[str, str]] = []
    asked = True
    buffer = b""
    while asked or todo or running:
        while todo and len(running) < int(os.environ["JOBS"]):
            cell = todo.pop(0)
            process = os.fork()
            if not process:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for descriptor in (wake, woken):
                    os.close(descriptor)
                return cell
            running[process] = (cell, time.monotonic())
        ready = select.select([wake, *([0] if asked else [])], [], [], 1.0)[0]
        if 0 in ready:
            data = os.read(0, 1 << 16)
            asked = bool(data)
            *lines, buffer = (buffer + data).split(b"\n")
            todo += [json.loads(line) for line in lines]
        if wake in ready:
            os.read(wake, 4096)
        for process, (cell, begun) in list(running.items()):
            found, status = os.waitpid(process, os.WNOHANG)
            seconds = time.monotonic() - begun
            if not found and seconds > LIMIT:
                os.killpg(process, signal.SIGKILL)  # and what it has started
                status = "hangs"
                os.waitpid(process, 0)
            elif not found:
                continue
            del running[process]
            answer = {"cell": cell["name"], "status": status, "seconds": round(seconds, 2)}
            print(json.dumps(answer), flush=True)
    return None


def become(cell: dict[str, str]) -> None:
    """Be the process of a cell: its directory, output, environment, and recording."""
    os.setsid()
    os.chdir(cell["directory"])
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(json.loads(cell["environment"]))
    if os.environ.get("RECORDED"):
        from opentelemetry.instrumentation import auto_instrumentation

        place = os.path.dirname(auto_instrumentation.__file__)
        before = os.environ.get("PYTHONPATH", "")
        os.environ["PYTHONPATH"] = f"{place}{os.pathsep}{before}"
        auto_instrumentation.initialize()


if __name__ == "__main__":
    if os.environ.get("RECORDED"):  # what is loaded by it is loaded once
        import otelprov.instrumentation.instrumentors
        import otelprov.recording.observation
        import otelprov.shipping.exporter
    mine = serve()
    if mine is not None:
        become(mine)
        play(mine)

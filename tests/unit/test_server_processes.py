"""When a server process counts as gone: `collector-config/processes.py`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import processes
import pytest
from collectors import eventually

# The first thread ends alone; /proc then calls the process a zombie, and the other still listens.
LISTENS = """
import ctypes, socket, sys, threading, time

server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only /proc tells of threads")
def test_a_process_is_not_gone_before_its_last_thread(tmp_path: Path) -> None:
    (port,) = processes.pick_free_ports(["server"]).values()
    command = [sys.executable, "-c", LISTENS, str(port)]
    process = processes.start(command, os.environ, tmp_path / "log")
    state = Path(f"/proc/{process.pid}/stat")
    try:
        eventually("a zombie", lambda: state.read_text().rpartition(")")[2].split()[0] == "Z")
        assert processes.answers_tcp(port)
        assert process.runs()
    finally:
        os.kill(process.pid, signal.SIGKILL)
    eventually("it is gone", lambda: not process.runs())
    assert not processes.answers_tcp(port)

"""A server that speaks Google Cloud Storage's protocol, for tests: fake-gcs-server, built with Go.

Its modules are locked beside this file, as those of the other servers are (collector-config). It
keeps what it is given in memory, listens on a free loopback port and is ended by its process id.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import processes
from collectors import servers

PACKAGE = "github.com/fsouza/fake-gcs-server"
_MODULES = Path(__file__).parent / "fake_gcs"


def _build(work: Path, log: Path) -> None:
    for file in ("go.mod", "go.sum"):
        shutil.copy(_MODULES / file, work)
    arguments = [*servers.GO_BUILD, "-o", str(work / FAKE_GCS.name), PACKAGE]
    servers.run_go(FAKE_GCS.name, arguments, work, log)


FAKE_GCS = servers.Server(
    "fake-gcs-server",
    tuple(f"../tests/fake_gcs/{name}" for name in ("go.mod", "go.sum")),
    _build,
)


@contextmanager
def running(log: Path) -> Iterator[str]:
    """Its address, with the bucket ``lake``, while it runs.

    Raises:
        servers.StackError: it is not built yet, and cannot be.
    """
    program = servers.built(FAKE_GCS)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    options = ["-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [program, *options, "-external-url", url], stdout=output, stderr=output
        )
        try:
            started = processes.Process(server.pid, processes.birth(server.pid) or "", str(log))
            processes.wait_until_it_answers(
                FAKE_GCS.name, started, lambda: processes.answers_tcp(port)
            )
            _create_bucket(url, "lake")
            yield url
        finally:
            server.terminate()
            server.wait(20)


def _create_bucket(url: str, name: str) -> None:
    request = urllib.request.Request(
        f"{url}/storage/v1/b?project=test",
        json.dumps({"name": name}).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=5).read()

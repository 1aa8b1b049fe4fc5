"""A real MariaDB for tests: an empty server on a free loopback port, ended by process id.

The program is that of Debian's package. It runs without its own tables of users and rights, so that
whoever asks may do anything, as long as a test takes.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import collectors
import debian
from collectors import servers

SECONDS = 60.0
"""How long it may take to end."""

MARIADB = debian.package("mariadbd", "mariadb-server-core", "usr/sbin/mariadbd")


@dataclass(frozen=True)
class MariaDB:
    """A running server."""

    port: int
    host: str = "127.0.0.1"

    def database(self) -> str:
        """The URL of a new, empty database, for SQLAlchemy."""
        import pymysql

        name = f"shop_{secrets.token_hex(4)}"
        with pymysql.connect(host=self.host, port=self.port, user="otelprov") as connection:
            connection.cursor().execute(f"CREATE DATABASE {name}")
        return f"mysql+pymysql://otelprov@{self.host}:{self.port}/{name}"


@contextmanager
def running() -> Iterator[MariaDB]:
    """Start a server, and end it."""
    binary = servers.built(MARIADB).resolve()
    directory = Path(tempfile.mkdtemp(prefix="otelprov-mariadb-"))
    try:
        (directory / "data").mkdir()
        port = collectors.free_ports("mariadb")["mariadb"]
        command = [
            str(binary), "--no-defaults", f"--basedir={binary.parents[1]}",
            f"--datadir={directory / 'data'}", f"--socket={directory / 'socket'}",
            f"--pid-file={directory / 'pid'}", "--bind-address=127.0.0.1", f"--port={port}",
            "--skip-grant-tables", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=16M", *(["--user=root"] if os.geteuid() == 0 else []),
        ]  # fmt: skip
        environment = {**debian.environment(binary, depth=2), "HOME": str(directory)}
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                command, env=environment, cwd=directory, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            ready = b"ready for connections"
            debian.wait_until_it_answers("MariaDB", process, port, directory / "log", ready)
            yield MariaDB(port)
        finally:
            process.terminate()
            process.wait(SECONDS)
    finally:
        shutil.rmtree(directory, ignore_errors=True)

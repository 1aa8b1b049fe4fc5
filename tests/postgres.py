"""A real PostgreSQL for tests: a temporary cluster on a free loopback port, ended by process id.

The programs are those of Debian's package. PostgreSQL refuses to run as root, so then it runs as
`nobody`, in a directory of its own.
"""

from __future__ import annotations

import os
import pwd
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


POSTGRES = debian.package("postgres", "postgresql", "usr/lib/postgresql/*/bin/postgres")


@dataclass(frozen=True)
class Postgres:
    """A running server, and who may ask it."""

    port: int
    password: str
    host: str = "127.0.0.1"
    user: str = "otelprov"

    def url(self, database: str, driver: str = "") -> str:
        """For SQLAlchemy with ``postgresql+psycopg``, for psycopg without a driver."""
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        return f"{scheme}://{self.user}:{self.password}@{self.host}:{self.port}/{database}"

    def database(self) -> str:
        """A new, empty database."""
        import psycopg

        name = f"shop_{secrets.token_hex(4)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return name


@contextmanager
def running() -> Iterator[Postgres]:
    """Make a cluster, start its server, and end it."""
    binary = servers.built(POSTGRES).resolve()
    directory = Path(tempfile.mkdtemp(prefix="otelprov-postgres-"))
    try:
        user = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            if not str(binary).startswith("/usr/"):  # a cache that only root can read
                shutil.copytree(binary.parents[5], directory / "package", symlinks=True)
                binary = directory / "package" / binary.relative_to(binary.parents[5])
            os.chown(directory, nobody.pw_uid, nobody.pw_gid)
        directory.chmod(0o755)
        environment = {**debian.environment(binary, depth=5), "HOME": str(directory)}
        password = secrets.token_hex(8)
        (directory / "password").write_text(password)
        data = directory / "data"
        command = [
            str(binary.with_name("initdb")), "--pgdata", str(data), "--username", "otelprov",
            "--pwfile", str(directory / "password"), "--auth", "scram-sha-256",
            "--encoding", "UTF8", "--no-locale", "--no-sync",
        ]  # fmt: skip
        made = subprocess.run(
            command, env=environment, cwd=directory, capture_output=True, text=True, check=False,
            **user,
        )  # fmt: skip
        if made.returncode:
            raise servers.StackError(f"initdb failed:\n{made.stdout}{made.stderr}")
        port = collectors.free_ports("postgres")["postgres"]
        log = (directory / "log").open("wb")
        with log:
            process = subprocess.Popen(
                [
                    str(binary), "-D", str(data), "-p", str(port), "-c", "fsync=off",
                    "-c", "listen_addresses=127.0.0.1",
                    "-c", f"unix_socket_directories={directory}",
                    "-c", "max_connections=50", "-c", "max_prepared_transactions=4",
                ],
                env=environment, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, **user,
            )  # fmt: skip
        try:
            ready = b"ready to accept connections"
            debian.wait_until_it_answers("PostgreSQL", process, port, directory / "log", ready)
            yield Postgres(port, password)
        finally:
            process.terminate()  # it waits for clients
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.send_signal(2)  # it ends their sessions
                process.wait(SECONDS)
    finally:
        shutil.rmtree(directory, ignore_errors=True)

"""The server programs: what each is made from, how, and where it goes.

The Collector, Jaeger and Loki are built with Go, from modules whose hashes are committed beside
this file; Prometheus is taken out of Debian's package. Each is made once, into the cache
directory: never into the repository, and nothing is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


class StackError(Exception):
    """What went wrong, in words for the person at the terminal: shown without a traceback."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server program: the files it is built from, and how."""

    name: str
    sources: tuple[str, ...]
    build: Callable[[Path, Path], None]
    """Build in the first directory, logging to the second: the result is <directory>/<name>."""
    companions: tuple[str, ...] = ()
    """Further programs that the build leaves in the same directory."""
    minutes: int = 5
    """About how long the build takes on two cores that do nothing else."""

    def key(self) -> str:
        """16 hex digits that stand for everything the binary is built from.

        Go's version is not part of it: then a cached binary could not be found, and run, on a
        machine without Go. The go.mod files say which version is the least.
        """
        digest = hashlib.sha256()
        inputs = [(name, (HERE / name).read_bytes()) for name in self.sources]
        inputs.append(("flags", json.dumps([GO_BUILD, GO_ENVIRONMENT]).encode()))
        inputs.append(("platform", f"{platform.system()} {platform.machine()}".encode()))
        for name, content in inputs:
            digest.update(f"{name} {len(content)}\n".encode() + content)
        return digest.hexdigest()[:16]

    def binary(self) -> Path:
        """Where the binary is, or will be once it is built."""
        if self.companions:
            # A package of the system's own, with all that belongs together, is as good.
            found = [shutil.which(name) for name in (self.name, *self.companions)]
            if found[0] and all(found):
                return Path(found[0])
        return cache_directory() / "servers" / f"{self.name}-{self.key()}" / self.name


GO_BUILD = ("build", "-v", "-mod=readonly", "-trimpath", "-ldflags=-s -w")

GO_ENVIRONMENT = {
    # No C compiler needed; the official builds of both servers are made so too.
    "CGO_ENABLED": "0",
    # In place of the user's own flags. A cache inside some git work tree must not be stamped
    # with that tree's revision.
    "GOFLAGS": "-buildvcs=false",
    # A go.work above the cache directory would replace our go.mod.
    "GOWORK": "off",
}
# Nothing is said about GOPROXY, GOSUMDB or GONOSUMDB: the committed go.sum files are complete, so
# a cold build asks the checksum database nothing (it does not serve every module of Jaeger 1.76).


def cache_directory() -> Path:
    """$OTELPROV_CACHE, else otelprov/ in $XDG_CACHE_HOME, else in ~/.cache."""
    if chosen := os.environ.get("OTELPROV_CACHE"):
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "otelprov"


def build_jaeger(work: Path, log: Path) -> None:
    """Jaeger is a Go program as it is: jaeger/go.mod names it as a tool."""
    copy_modules("jaeger", work)
    package = "github.com/jaegertracing/jaeger/cmd/jaeger"
    run_go("jaeger", [*GO_BUILD, "-o", str(work / "jaeger"), package], work, log)


def build_collector(work: Path, log: Path) -> None:
    """The builder writes the program from the manifest; the committed go.mod and go.sum lock it."""
    manifest = HERE / "collector-builder.yaml"
    modules = (HERE / "collector" / "go.mod").read_text()
    for component in re.findall(r"gomod:\s*(\S+ v\S+)", manifest.read_text()):
        # The Go program names modules without their versions, so nothing else would notice.
        if f"\t{component}\n" not in modules:
            raise StackError(
                f"collector-builder.yaml asks for {component}, which is not what "
                "collector/go.mod locks; README.md says how to bring them together"
            )
    copy_modules("builder", work / "builder")
    generate = ["tool", "builder", "--skip-get-modules", "--skip-compilation"]
    run_go("collector", [*generate, "--config", str(manifest)], work / "builder", log)
    program = work / "builder" / "build"
    copy_modules("collector", program)
    run_go("collector", [*GO_BUILD, "-o", str(work / "collector"), "."], program, log)


def build_loki(work: Path, log: Path) -> None:
    """Loki is a Go program as it is, like Jaeger."""
    copy_modules("loki", work)
    package = "github.com/grafana/loki/v3/cmd/loki"
    run_go("loki", [*GO_BUILD, "-o", str(work / "loki"), package], work, log)


def unpack_prometheus(work: Path, log: Path) -> None:
    """Prometheus and promtool out of Debian's package, which apt-get fetches and verifies.

    It is unpacked and not installed: installing it would start a service on port 9090 of every
    interface, and needs root. Both programs link to nothing but libc.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise StackError(
            "prometheus and promtool are not on PATH, and there is no apt-get here to fetch them "
            "with: install Prometheus 2.42 or later, or use compose.yaml with a container engine"
        )
    fetch = ["apt-get", "-qq", "download", "prometheus"]
    with log.open("wb") as output:
        if subprocess.run(fetch, cwd=work, stdout=output, stderr=output, check=False).returncode:
            # The list of packages is missing, or older than what the archive holds now.
            for command in (["apt-get", "-qq", "update"], fetch):
                subprocess.run(command, cwd=work, stdout=output, stderr=output, check=False)
        packages = list(work.glob("prometheus_*.deb"))
        if len(packages) != 1:
            raise StackError(f"apt-get cannot fetch Prometheus; the end of {log}:\n{tail(log)}")
        unpack = ["dpkg-deb", "--extract", str(packages[0]), str(work / "package")]
        subprocess.run(unpack, stdout=output, stderr=output, check=True)
    for name in ("prometheus", "promtool"):
        (work / "package" / "usr" / "bin" / name).rename(work / name)


def copy_modules(name: str, directory: Path) -> None:
    """Copy the go.mod and go.sum of one of the Go programs."""
    directory.mkdir(exist_ok=True)
    for file in ("go.mod", "go.sum"):
        shutil.copy(HERE / name / file, directory)


JAEGER = Server("jaeger", ("jaeger/go.mod", "jaeger/go.sum"), build_jaeger)
COLLECTOR = Server(
    "collector",
    (
        "collector-builder.yaml",
        "builder/go.mod",
        "builder/go.sum",
        "collector/go.mod",
        "collector/go.sum",
    ),
    build_collector,
)
LOKI = Server("loki", ("loki/go.mod", "loki/go.sum"), build_loki, minutes=10)
PROMETHEUS = Server("prometheus", (), unpack_prometheus, companions=("promtool",), minutes=1)

SERVERS = {server.name: server for server in (JAEGER, COLLECTOR, LOKI, PROMETHEUS)}


def built(server: Server) -> Path:
    """The server's binary, built first if the cache does not have it.

    Raises StackError when Go is missing or the build fails.
    """
    binary = server.binary()
    if binary.exists():
        return binary
    directory = binary.parent
    directory.parent.mkdir(parents=True, exist_ok=True)
    waiting = f"{server.name}: another process is building it; waiting for that"
    with locked(directory.with_name(f"{directory.name}.lock"), waiting):
        if binary.exists():
            return binary
        about = f"about {server.minutes} minute{'s' * (server.minutes > 1)}"
        say(f"{server.name}: building, once; {about} on two cores")
        started = time.monotonic()
        work = directory.with_name(f"{directory.name}.building")
        log = directory.with_name(f"{directory.name}.log")
        # Both may be left from a build that was killed.
        shutil.rmtree(work, ignore_errors=True)
        log.unlink(missing_ok=True)
        work.mkdir()
        try:
            server.build(work, log)
            finished = work / "finished"
            finished.mkdir()
            for name in (server.name, *server.companions):
                (work / name).rename(finished / name)
            # All or nothing: whoever sees the directory sees the whole binary.
            finished.rename(directory)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        log.unlink()
        say(f"{server.name}: built in {time.monotonic() - started:.0f} s: {binary}")
    return binary


def run_go(label: str, arguments: list[str], directory: Path, log: Path) -> None:
    """Run a go command, telling now and then how far it is.

    Raises StackError, with the end of its output, when it fails.
    """
    go = shutil.which("go")
    if go is None:
        raise StackError(
            f"{label} is not built yet, and building it needs Go 1.26 or later, which is not on "
            "PATH: install it from https://go.dev/dl/, or use compose.yaml with a container engine"
        )
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            # Two cores for minutes: whatever else runs on the machine goes first.
            [*(["nice"] if shutil.which("nice") else []), go, *arguments],
            cwd=directory,
            env={**os.environ, **GO_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while True:
                try:
                    code = process.wait(timeout=15)
                    break
                except subprocess.TimeoutExpired:
                    lines = log.read_text(errors="replace").splitlines()
                    modules = sum(line.startswith("go: downloading ") for line in lines)
                    say(
                        f"{label}: {time.monotonic() - started:.0f} s, {modules} modules "
                        f"downloaded, {len(lines) - modules} packages compiled"
                    )
        except BaseException:
            process.kill()
            process.wait()
            raise
    if code != 0:
        raise StackError(f"{label}: `go {arguments[0]}` failed; the end of {log}:\n{tail(log)}")


def say(message: str) -> None:
    """Show progress. It goes to stderr: stdout carries results only."""
    print(message, file=sys.stderr, flush=True)


@contextmanager
def locked(path: Path, waiting: str) -> Iterator[None]:
    """Hold the lock file; say so when another process has it, and wait."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(waiting)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def tail(path: Path, lines: int = 25) -> str:
    """The last lines of a log file."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) or "(empty)"

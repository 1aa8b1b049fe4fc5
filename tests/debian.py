"""Servers out of Debian's packages: installed, or, where they are not, fetched by apt-get and
unpacked into the cache. Nothing is installed, and no service is started."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import processes
from collectors import servers


@dataclass(frozen=True, slots=True)
class Package(servers.Server):
    """A server of Debian's, by the pattern of the path of its program below ``/``."""

    pattern: str = ""

    def binary(self) -> Path:
        """That of the newest version that is installed, or of the package in the cache."""
        installed = sorted(glob.glob(f"/{self.pattern}"), key=_version)
        if installed:
            return Path(installed[-1])
        directory = servers.cache_directory() / "servers" / f"{self.name}-{self.key()}"
        return directory / self.name


def package(program: str, name: str, pattern: str) -> Package:
    """The program of a package of this name.

    Args:
        program: what the binary is called.
        name: of the package.
        pattern: of the path of the binary, below ``/``.
    """
    build = partial(_unpack, program, name, pattern)
    return Package(program, (), build, companions=("package",), minutes=1, pattern=pattern)


def _version(path: str) -> list[int]:
    return list(map(int, re.findall(r"\d+", path)))


def _unpack(program: str, name: str, pattern: str, work: Path, log: Path) -> None:
    """A package and the libraries that this machine lacks."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise servers.StackError(
            f"there is no {program} here, and no apt-get to fetch it with: install {name}"
        )
    archives = work / "archives"
    (archives / "partial").mkdir(parents=True)
    fetch = [
        "apt-get", "-qq", "-y", "--no-install-recommends", "--download-only",
        "-o", f"Dir::Cache::Archives={archives}", "-o", "Debug::NoLocking=1",
        "-o", "APT::Sandbox::User=root", "install", name,
    ]  # fmt: skip
    with log.open("wb") as output:
        if subprocess.run(fetch, stdout=output, stderr=output, check=False).returncode:
            # The list of packages is missing, or older than what the archive holds now.
            for command in (["apt-get", "-qq", "update"], fetch):
                subprocess.run(command, stdout=output, stderr=output, check=False)
        for archive in sorted(archives.glob("*.deb")):
            extract = ["dpkg-deb", "--extract", str(archive), str(work / "package")]
            subprocess.run(extract, stdout=output, stderr=output, check=True)
    found = sorted((work / "package").glob(pattern))
    if not found:
        raise servers.StackError(
            f"apt-get cannot fetch {name}; the end of {log}:\n{servers.tail(log)}"
        )
    (work / program).symlink_to(found[-1].relative_to(work))


def environment(binary: Path, depth: int) -> dict[str, str]:
    """For a program of a package, ``depth`` directories below the root of it: with the libraries
    that were unpacked beside it."""
    made = {"LC_ALL": "C", "PATH": os.environ["PATH"]}
    root = binary.parents[depth]
    libraries = [str(one) for one in root.glob("usr/lib/*-linux-gnu")] if root.name else []
    if libraries:
        made["LD_LIBRARY_PATH"] = os.pathsep.join(libraries)
    return made


def wait_until_it_answers(
    name: str, process: subprocess.Popen[bytes], port: int, log: Path, ready: bytes
) -> None:
    """Come back when the server listens on ``port`` and has written ``ready`` to its log."""
    started = processes.Process(process.pid, processes.birth(process.pid) or "", str(log))
    processes.wait_until_it_answers(
        name, started, lambda: processes.answers_tcp(port) and ready in log.read_bytes()
    )

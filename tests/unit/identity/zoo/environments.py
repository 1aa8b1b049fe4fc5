"""Virtual environments made of a lock file, once, and kept outside the repository.

They lie in the cache directory of otelprov (as the servers of ``collector-config`` do),
under a name
that stands for all that they are made of.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path


class Unavailable(Exception):
    """The environment is not there and cannot be made now; says why."""


def python_of(lock: Path) -> Path:
    """The Python of an environment with what ``lock`` names, of this Python's version.

    Raises:
        Unavailable: when it is not in the cache, and the packages cannot be had.
    """
    directory = _cache() / "environments" / _key(lock)
    python = directory / "bin" / "python"
    finished = directory / ".finished"
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_name(f"{directory.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(directory, ignore_errors=True)  # left by one that was killed
            # Isolated: what PYTHONPATH names would count as installed.
            _run(sys.executable, "-I", "-m", "venv", str(directory))
            _run(
                *(str(python), "-I", "-m", "pip", "install", "--quiet", "--no-deps"),
                *("--disable-pip-version-check", "--only-binary", ":all:"),
                *("--require-hashes", "-r", str(lock)),
            )
            finished.touch()
    return python


def _cache() -> Path:
    """As collector-config/servers.py says."""
    if chosen := os.environ.get("OTELPROV_CACHE"):
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "otelprov"


def _key(lock: Path) -> str:
    digest = hashlib.sha256(lock.read_bytes())
    digest.update(f"{sys.version} {sys.base_prefix} {platform.platform()}".encode())
    return digest.hexdigest()[:16]


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"`{' '.join(command[2:5])}` failed: {done.stderr.strip()[-500:]}")

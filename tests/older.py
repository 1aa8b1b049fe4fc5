"""Older versions of libraries, from environments of their own.

They are put before the installed ones by ``PYTHONPATH``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import support
from zoo.environments import Unavailable, python_of


def packages(lock: str) -> Path:
    """Where what ``requirements/<lock>.lock`` names is installed.

    Skips the test where that cannot be had, but not where servers are required.
    """
    try:
        python = python_of(support.ROOT / "requirements" / f"{lock}.lock")
    except Unavailable as error:
        if os.environ.get("OTELPROV_REQUIRE_SERVERS") == "1":
            raise
        pytest.skip(f"no environment of {lock}: {error}")
    (found,) = (python.parent.parent / "lib").glob("python3*/site-packages")
    return found


def check(path: Path, versions: dict[str, str], *arguments: str) -> None:
    """Tests pass with what lies in ``path``: ``versions`` says how those of its libraries begin,
    the others are arguments for pytest, in tests/integration."""
    names = ", ".join(versions)
    said = f"import {names}; print(*[one.__version__ for one in ({names},)], sep='\\n')"
    found = _run(path, "-c", said)
    for library, beginning, version in zip(
        versions, versions.values(), found.stdout.splitlines(), strict=True
    ):
        assert version.startswith(beginning), f"{library} {version}"
    done = _run(path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE", *arguments)
    assert done.returncode == 0, done.stdout[-6000:]
    assert " passed" in done.stdout


def _run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(path), "GX_ANALYTICS_ENABLED": "false"},
        cwd=support.ROOT / "tests" / "integration",
        capture_output=True,
        text=True,
        check=False,
    )

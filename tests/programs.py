"""Whole programs, each run twice: plain, and recorded. The recorded one must not be told apart."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import support
from support import Recorded

LAUNCHERS: dict[str, list[str]] = {
    "opentelemetry-instrument": ["opentelemetry-instrument"],
    "otelprov run": ["otelprov", "run", "--"],
    "enable": [],
}
"""``enable``: the program calls ``otelprov.enable()``; what it is held against has the SDK off."""

# What a crash lists: structlog loads greenlet, where that is installed.
_EXTENSIONS = re.compile(r"\nExtension modules: [^\n]*\n")


@dataclass
class Outcome:
    """What a program did, the same in both, and what was recorded of it."""

    status: int
    out: str
    err: str
    directory: Path
    """The recorded program's working directory."""
    journal: Path
    spans: list[Recorded]
    started: list[Recorded]

    @property
    def run(self) -> Recorded:
        """The only run."""
        (found,) = [one for one in self.spans if is_run(one)]
        return found

    @property
    def operations(self) -> list[Recorded]:
        """The spans that are no runs."""
        return [one for one in self.spans if not is_run(one)]

    def one(self, name: str) -> Recorded:
        """The only span of this name."""
        found = [one for one in self.spans if one.name == name]
        assert len(found) == 1, f"{len(found)} of {name} in {[one.name for one in self.spans]}"
        return found[0]

    def lineage(self, target: str) -> tuple[set[str], list[str]]:
        """The raw files behind a file, and the gaps on the way."""
        found = json.loads(self.cli("lineage", target, "--format", "json"))
        made = {edge["to"] for edge in found["edges"] if edge["relation"] == "generated"}
        roots = {one["name"] for one in found["artifacts"] if one["id"] not in made}
        return roots, [gap["reason"] for gap in found["gaps"]]

    def runs(self) -> list[dict[str, Any]]:
        """What ``otelprov runs`` lists."""
        found: list[dict[str, Any]] = json.loads(self.cli("runs", "--format", "json"))
        return found

    def cli(self, *arguments: str) -> str:
        """What ``otelprov`` prints, where the program ran."""
        result = subprocess.run(
            ["otelprov", *arguments],
            env=support.environment(self.journal),
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


def is_run(span: Recorded) -> bool:
    return span.attributes.get("otelprov.operation.kind") == "run"


def compared(
    directory: Path,
    text: str = "",
    *arguments: str,
    command: Sequence[str] | None = None,
    files: Mapping[str, str] | None = None,
    launcher: str = "opentelemetry-instrument",
    env: Mapping[str, str] | None = None,
    status: int = 0,
    timeout: float = 120,
    tells: int = 0,
) -> Outcome:
    """Run a program plain and recorded, both in a fresh directory of the same name with ``files``,
    and hold exit status, stdout and stderr against each other.

    ``tells`` is the number of lines that otelprov may write on stderr.
    """
    journal = directory / "journal"
    results = []
    for recording, start in ((False, []), (True, LAUNCHERS[launcher])):
        where = directory / "work"
        if where.exists():
            where.rename(directory / "plain")
        where.mkdir()
        for name, content in {"program.py": text, **(files or {})}.items():
            (where / name).write_text(textwrap.dedent(content))
        environment = support.environment(journal, **(env or {}))
        if not recording:
            environment.update(OTELPROV_JOURNAL="off", OTEL_SDK_DISABLED="true")
        words = [*start, sys.executable, *(command or ["program.py", *arguments])]
        results.append(run(words, where, environment, timeout))
    plain, recorded = results
    told = [line for line in recorded.stderr.splitlines(True) if line.startswith("otelprov: ")]
    assert len(told) <= tells, "".join(told)
    for line in told:
        recorded.stderr = recorded.stderr.replace(line, "", 1)
    for what in ("returncode", "stdout", "stderr"):
        before, after = (
            re.sub(r"\b0x[0-9a-f]+", "0x…", _EXTENSIONS.sub("", str(getattr(result, what))))
            for result in (plain, recorded)
        )
        assert after == before, f"{what}, plain and recorded:\n{before}\n--\n{after}"
    assert plain.returncode == status, plain.stderr
    return Outcome(
        status,
        plain.stdout,
        plain.stderr,
        directory / "work",
        journal,
        support.journal(journal),
        support.started(journal),
    )


def run(
    command: list[str], where: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, and to the end of all that hold its output (daemons, too)."""
    with subprocess.Popen(
        command,
        cwd=where,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)  # its own session: nobody else's processes are in it
            out, err = process.communicate()
            raise AssertionError(f"{command} did not end\n{out}\n{err}") from None
    return subprocess.CompletedProcess(command, process.returncode, out, err)

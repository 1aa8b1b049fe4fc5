"""Every configuration file, checked by the very program that reads it.

The Collector and Jaeger have a `validate`, Loki a `-verify-config`, and promtool checks what is
for Prometheus, and runs the tests of its rules.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from servers import COLLECTOR, HERE, JAEGER, LOKI, PROMETHEUS, built, say


@dataclass(frozen=True, slots=True)
class Check:
    """Files that belong together, and the command that says whether they are right."""

    files: tuple[str, ...]
    command: list[str]

    def passes(self) -> bool:
        """Run it; print the verdict, and on stderr what was wrong."""
        told = subprocess.run(
            self.command,
            capture_output=True,
            text=True,
            check=False,
            cwd=HERE,
        )
        valid = told.returncode == 0
        print(f"{' + '.join(self.files)}: {'valid' if valid else 'NOT VALID'}", flush=True)
        if not valid:
            say((told.stderr + told.stdout).strip())
        return valid


def validate() -> bool:
    """Have each file checked. Starts no server. Returns whether all are valid."""
    verdicts = [check.passes() for check in checks()]
    return all(verdicts)


LIKE_A_COLLECTOR = (
    (COLLECTOR, ("local.yaml",)),
    (COLLECTOR, ("local.yaml", "local-full.yaml")),
    (COLLECTOR, ("agent.yaml",)),
    (COLLECTOR, ("gateway.yaml",)),
    (JAEGER, ("jaeger/config.yaml",)),
    (JAEGER, ("jaeger/config.yaml", "jaeger/config-badger.yaml")),
    (JAEGER, ("jaeger/kafka-in.yaml",)),
    (JAEGER, ("jaeger/config.yaml", "jaeger/kafka-out.yaml")),
)
"""What the Collector and Jaeger read; several files are laid one over the other."""

LOKI_FILE = "loki/loki.yaml"
PROMETHEUS_FILES = ("prometheus/prometheus.yml", "prometheus/rules.yml")
RULE_TESTS = "prometheus/rules.test.yml"

CHECKED = frozenset(
    {LOKI_FILE, *PROMETHEUS_FILES, RULE_TESTS, *(one for _, two in LIKE_A_COLLECTOR for one in two)}
)
"""Every file that `validate` has checked."""


def checks() -> list[Check]:
    """What there is to check."""
    promtool = str(built(PROMETHEUS).with_name("promtool"))
    loki = [str(built(LOKI)), "-verify-config", "-config.expand-env=true"]
    return [
        *(like_a_collector(built(server), *files) for server, files in LIKE_A_COLLECTOR),
        Check((LOKI_FILE,), [*loki, f"-config.file={LOKI_FILE}"]),
        Check(PROMETHEUS_FILES, [promtool, "check", "config", PROMETHEUS_FILES[0]]),
        Check((RULE_TESTS,), [promtool, "test", "rules", RULE_TESTS]),
    ]


def like_a_collector(binary: Path, *files: str) -> Check:
    """Jaeger is a Collector too."""
    options = [option for file in files for option in ("--config", str(HERE / file))]
    return Check(files, [str(binary), "validate", *options])

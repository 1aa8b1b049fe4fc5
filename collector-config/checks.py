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


def checks() -> list[Check]:
    """What there is to check."""
    promtool = str(built(PROMETHEUS).with_name("promtool"))
    loki = [str(built(LOKI)), "-verify-config", "-config.expand-env=true"]
    return [
        like_a_collector(built(COLLECTOR), "local.yaml"),
        like_a_collector(built(COLLECTOR), "local.yaml", "local-full.yaml"),
        like_a_collector(built(COLLECTOR), "agent.yaml"),
        like_a_collector(built(COLLECTOR), "gateway.yaml"),
        like_a_collector(built(JAEGER), "jaeger/config.yaml"),
        like_a_collector(built(JAEGER), "jaeger/config.yaml", "jaeger/config-badger.yaml"),
        like_a_collector(built(JAEGER), "jaeger/kafka-in.yaml"),
        like_a_collector(built(JAEGER), "jaeger/config.yaml", "jaeger/kafka-out.yaml"),
        Check(("loki/loki.yaml",), [*loki, "-config.file=loki/loki.yaml"]),
        Check(
            ("prometheus/prometheus.yml", "prometheus/rules.yml"),
            [promtool, "check", "config", "prometheus/prometheus.yml"],
        ),
        Check(
            ("prometheus/rules.test.yml",),
            [promtool, "test", "rules", "prometheus/rules.test.yml"],
        ),
    ]


def like_a_collector(binary: Path, *files: str) -> Check:
    """Jaeger is a Collector too; several files are laid one over the other."""
    options = [option for file in files for option in ("--config", str(HERE / file))]
    return Check(files, [str(binary), "validate", *options])

"""The metrics of a real program through agent and gateway, as Prometheus is given them."""

from __future__ import annotations

import re
from pathlib import Path

import collectors
import pytest
import support
from collectors import eventually, fetch

pytestmark = pytest.mark.servers

RULES = support.ROOT / "collector-config" / "prometheus" / "rules.yml"
PROGRAM = """
import sys, otelprov
import pandas as pd

frame = pd.DataFrame({"a": range(1000)})
frame.to_parquet(sys.argv[1] + "/a.parquet")
try:
    with otelprov.operation("fails"):
        raise ValueError("no")
except ValueError:
    pass
"""


def test_the_metrics_have_the_names_that_the_rules_use_and_add_up_over_processes(
    tmp_path: Path,
) -> None:
    keys = collectors.Secrets(tmp_path)
    keys.write()
    gateway = collectors.gateway(tmp_path, keys)
    agent = collectors.agent(tmp_path, keys, gateway.ports["otlp_grpc"])
    (tmp_path / "program.py").write_text(PROGRAM)
    with collectors.running(gateway, agent):
        for _ in range(2):
            support.instrumented(
                tmp_path / "program.py",
                tmp_path,
                journal_directory=tmp_path / "journal",
                env={
                    "OTEL_SERVICE_NAME": "orders",
                    "OTEL_TRACES_EXPORTER": "otelprov",
                    "OTEL_METRICS_EXPORTER": "otlp",
                    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                    "OTEL_EXPORTER_OTLP_ENDPOINT": agent.http,
                    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
                },
            )
        url = f"http://127.0.0.1:{gateway.ports['metrics']}/metrics"

        def figures(name: str, *labels: str) -> list[float]:
            lines = [line for line in fetch(url).splitlines() if line.startswith(name + "{")]
            return [
                float(line.rpartition(" ")[2])
                for line in lines
                if all(label in line for label in ('job="orders"', *labels))
            ]

        failures = "otelprov_operation_failures_total"
        eventually("both failures", lambda: figures(failures, 'error_type="ValueError"') == [2])
        count = "otelprov_operation_duration_seconds_count"
        eventually("both writes", lambda: figures(count, '"pandas.to_parquet"') == [2])
        text = RULES.read_text()
        used = {
            *re.findall(r"\botelprov_(?:artifact_(?!name)|journal|delivery|faults)[a-z_]+", text)
        }
        assert len(used) > 5
        for name in sorted(used):
            eventually(name, lambda name=name: figures(name))
        assert figures("otelprov_artifact_rows", '"a.parquet"') == [1000]
        assert figures("otelprov_delivery_refused_total") == [0]

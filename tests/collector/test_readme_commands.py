"""The commands of collector-config/README.md, as they stand there, but for ports and paths."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from pathlib import Path

import collectors
import processes
import pytest
import servers
import support
from collectors import eventually

pytestmark = pytest.mark.servers

README = (servers.HERE / "README.md").read_text()


def steps() -> list[str]:
    """The four blocks of commands under "Agent and gateway"."""
    section = README.split("\nSet up the gateway first")[1].split("\n### ")[0]
    blocks = re.findall(r"(?:^ {7}\S?.*\n|^\n(?= {7}))+", section, re.MULTILINE)
    return [textwrap.dedent(block).strip("\n") for block in blocks]


def test_agent_and_gateway_are_set_up_by_the_commands_of_the_readme(tmp_path: Path) -> None:
    certificates, gateway, agent, pipeline = steps()
    assert certificates.startswith("mkdir -p gw && cd gw\n")
    subprocess.run(
        ["bash", "-euc", certificates], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    directory = tmp_path / "gw"
    (tmp_path / "collector-config").symlink_to(servers.HERE)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "collector").symlink_to(servers.built(servers.COLLECTOR))
    ports = collectors.free_ports(
        "gateway", "gateway_http", "agent", "agent_http", "metrics", "telemetry", "health"
    )
    environment = {
        **support.environment(directory / "journal"),
        "OTELPROV_METRICS_PORT": str(ports["metrics"]),
        "OTELPROV_TELEMETRY_PORT": str(ports["telemetry"]),
        "OTELPROV_HEALTH_PORT": str(ports["health"]),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{ports['agent']}",
    }
    environment["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{environment['PATH']}"

    def started(name: str, command: str, **more: str) -> processes.Process:
        assert "5317" in command
        command = command.replace("5317", str(ports["gateway"]))
        command = command.replace("5318", str(ports["gateway_http"]))
        shell = ["bash", "-c", f"cd {directory} && exec env {command}"]
        return processes.start(shell, {**environment, **more}, tmp_path / f"{name}.log")

    running: dict[str, processes.Process] = {}
    try:
        running["gateway"] = started("gateway", gateway)
        own = {
            "OTELPROV_OTLP_GRPC_PORT": str(ports["agent"]),
            "OTELPROV_OTLP_HTTP_PORT": str(ports["agent_http"]),
        }
        running["agent"] = started("agent", agent, **own)
        for name, process in running.items():
            processes.wait_until_it_answers(
                name, process, lambda name=name: processes.answers_tcp(ports[name])
            )
        (directory / "pipeline.py").write_text(
            "import pandas as pd\n"
            "pd.DataFrame({'a': [1]}).to_csv('raw.csv', index=False)\n"
            "pd.read_csv('raw.csv').to_parquet('report.parquet')\n"
        )
        run, ask = pipeline.splitlines()
        subprocess.run(["bash", "-c", run], cwd=directory, env=environment, check=True)

        def lineage() -> str | None:
            told = subprocess.run(
                ["bash", "-c", ask],
                cwd=directory,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            return told.stdout if told.returncode == 0 else None

        eventually("it arrives", lambda: collectors.record(directory / "record").count("run pipe"))
        tree = eventually("the lineage out of the record", lineage)
        assert "pandas.read_csv" in tree
        assert "run pipeline.py" in tree
    finally:
        for name, process in reversed(running.items()):
            processes.stop(name, process)

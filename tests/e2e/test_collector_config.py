"""The configuration files: accepted by the programs they are for, and closed to the outside."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import support
from flights import STACK, Servers

from otelprov import semconv

CONFIG = support.ROOT / "collector-config"


@pytest.mark.servers
def test_the_servers_themselves_accept_their_configuration(servers: Servers) -> None:
    result = subprocess.run(
        [sys.executable, str(STACK), "validate"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.servers
def test_the_servers_listen_on_loopback_only(servers: Servers) -> None:
    ports = {urllib.parse.urlsplit(url).port for url in (servers.otlp_http, servers.otlp_grpc)}
    ports.add(urllib.parse.urlsplit(servers.jaeger).port)
    seen = set()
    for table, loopback in (("tcp", "0100007F"), ("tcp6", "0" * 24 + "01000000")):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, port = local.partition(":")
            if state == "0A" and int(port, 16) in ports:
                assert address == loopback, f"port {int(port, 16)} listens on {address}"
                seen.add(int(port, 16))
    assert seen == ports


@pytest.mark.servers
def test_what_logs_and_metrics_exporters_send_by_default_is_taken(servers: Servers) -> None:
    for signal, body in (("logs", {"resourceLogs": []}), ("metrics", {"resourceMetrics": []})):
        request = urllib.request.Request(
            f"{servers.otlp_http}/v1/{signal}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200


def test_the_links_of_the_jaeger_page_lead_from_one_side_of_an_artifact_to_the_other() -> None:
    interface = json.loads((CONFIG / "jaeger" / "ui.json").read_text())
    links = {pattern["key"]: pattern["url"] for pattern in interface["linkPatterns"]}
    assert semconv.GENERATED_ID in urllib.parse.unquote(links[semconv.USED_ID])
    assert semconv.USED_ID in urllib.parse.unquote(links[semconv.GENERATED_ID])


def test_the_stack_says_that_nothing_runs(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, str(STACK), "status", "--state", str(tmp_path), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 3
    assert json.loads(result.stdout)["running"] is False

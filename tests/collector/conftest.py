"""Collectors between agent and gateway, without the servers behind them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import collectors
import pytest


@dataclass(frozen=True)
class Pair:
    """An agent and its gateway, both running."""

    agent: collectors.Collector
    gateway: collectors.Collector
    secrets: collectors.Secrets

    @property
    def recorded(self) -> str:
        """The long-term record."""
        return collectors.record(self.gateway.state / "record")

    @property
    def restricted(self) -> str:
        """What only few may read."""
        return collectors.record(self.gateway.state / "restricted")

    def metrics(self) -> str:
        """What Prometheus would fetch."""
        text = collectors.fetch(f"http://127.0.0.1:{self.gateway.ports['metrics']}/metrics")
        assert isinstance(text, str)
        return text


@pytest.fixture(scope="session", autouse=True)
def buildable() -> None:
    """Tests of this directory need a Collector, and Go to build it, unless they say otherwise."""
    if os.environ.get("OTELPROV_REQUIRE_SERVERS") != "1" and shutil.which("go") is None:
        pytest.skip("no Go here to build the Collector with")


@pytest.fixture
def secrets(tmp_path: Path) -> collectors.Secrets:
    made = collectors.Secrets(tmp_path)
    made.write()
    return made


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One for a module: what its tests send they find by ids of their own."""
    state = tmp_path_factory.mktemp("pair")
    secrets = collectors.Secrets(state)
    secrets.write()
    gateway = collectors.gateway(state, secrets, OTELPROV_SAMPLING_PERCENTAGE="0")
    agent = collectors.agent(state, secrets, gateway.ports["otlp_grpc"])
    with collectors.running(gateway, agent):
        yield Pair(agent, gateway, secrets)

"""Collectors between agent and gateway, without the servers behind them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import collectors
import pytest


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
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[collectors.Pair]:
    """One for a module: what its tests send they find by ids of their own."""
    state = tmp_path_factory.mktemp("pair")
    secrets = collectors.Secrets(state)
    secrets.write()
    gateway = collectors.gateway(state, secrets, OTELPROV_SAMPLING_PERCENTAGE="0")
    agent = collectors.agent(state, secrets, gateway.ports["otlp_grpc"])
    with collectors.running(gateway, agent):
        yield collectors.Pair(agent, gateway, secrets)

"""Programs drawn at random, on real servers: what is read comes from what was committed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import collectors
import drawn_servers
import mariadb
import postgres
import pytest
from drawing import check


@pytest.fixture(scope="module")
def maria() -> Iterator[mariadb.MariaDB]:
    """A MariaDB of these tests' own."""
    collectors.build_or_skip(mariadb.MARIADB)
    with mariadb.running() as running:
        yield running


SEEDS = range(int(os.environ.get("OTELPROV_DRAWN", "3")))


@pytest.mark.parametrize("seed", SEEDS)
def test_on_postgresql(seed: int, server: postgres.Postgres, tmp_path: Path) -> None:
    url = server.url(server.database())
    check(drawn_servers.drawn(seed, "postgresql"), seed, tmp_path / "work", URL=url)


@pytest.mark.parametrize("seed", SEEDS)
def test_on_mariadb(seed: int, maria: mariadb.MariaDB, tmp_path: Path) -> None:
    url = maria.database().replace("mysql+pymysql:", "mysql:")
    check(drawn_servers.drawn(seed, "mysql"), seed, tmp_path / "work", URL=url)

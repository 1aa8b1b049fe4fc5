"""Programs drawn at random, on real servers: what is read comes from what was committed."""

from __future__ import annotations

from pathlib import Path

import drawn_servers
import mariadb
import postgres
import pytest
from drawing import SEEDS, check


@pytest.mark.parametrize("seed", SEEDS)
def test_on_postgresql(seed: int, server: postgres.Postgres, tmp_path: Path) -> None:
    url = server.url(server.database())
    check(drawn_servers.drawn(seed, "postgresql"), seed, tmp_path / "work", URL=url)


@pytest.mark.parametrize("seed", SEEDS)
def test_on_mariadb(seed: int, maria: mariadb.MariaDB, tmp_path: Path) -> None:
    url = maria.database().replace("mysql+pymysql:", "mysql:")
    check(drawn_servers.drawn(seed, "mysql"), seed, tmp_path / "work", URL=url)

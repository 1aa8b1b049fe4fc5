"""Programs drawn at random, on real servers: what is read comes from what was committed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import collectors
import drawing
import drawn_servers
import mariadb
import postgres
import pytest
from strangers import record


@pytest.fixture(scope="module")
def maria() -> Iterator[mariadb.MariaDB]:
    """A MariaDB of these tests' own."""
    collectors.build_or_skip(mariadb.MARIADB)
    with mariadb.running() as running:
        yield running


SEEDS = range(int(os.environ.get("OTELPROV_DRAWN", "3")))


def check(seed: int, dialect: str, url: str, directory: Path) -> None:
    program = drawn_servers.drawn(seed, dialect)
    recording = record(directory, program.text, modules=drawing.rows(seed), URL=url)
    found = {
        name: {one for one in recording.roots(name) if one.startswith("source")}
        for name in program.sources
    }
    assert found == {name: set(sources) for name, sources in program.sources.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_on_postgresql(seed: int, server: postgres.Postgres, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    check(seed, "postgresql", server.url(server.database()), tmp_path / "work")


@pytest.mark.parametrize("seed", SEEDS)
def test_on_mariadb(seed: int, maria: mariadb.MariaDB, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    url = maria.database().replace("mysql+pymysql:", "mysql:")
    check(seed, "mysql", url, tmp_path / "work")

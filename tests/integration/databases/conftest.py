"""A database to record: SQLite in a file, a real PostgreSQL and a real MariaDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import collectors
import mariadb
import postgres
import pytest


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Postgres]:
    """A PostgreSQL of the tests' own."""
    collectors.build_or_skip(postgres.POSTGRES)
    with postgres.running() as running:
        yield running


@pytest.fixture(scope="session")
def maria() -> Iterator[mariadb.MariaDB]:
    """A MariaDB of the tests' own."""
    collectors.build_or_skip(mariadb.MARIADB)
    with mariadb.running() as running:
        yield running


@pytest.fixture
def dsn(server: postgres.Postgres) -> str:
    """The URL of an empty database, for psycopg."""
    return server.url(server.database())


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, for SQLAlchemy."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shop.db'}"
    dsn: str = request.getfixturevalue("dsn")
    return dsn.replace("postgresql:", "postgresql+psycopg:")

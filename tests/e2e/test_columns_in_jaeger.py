"""The lineage of columns of a real report: from the journal, and the same from Jaeger."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import support
from collectors import eventually
from flights import Pipeline, Servers


def walked(target: str, journal: Path | None, *arguments: str) -> dict[str, Any]:
    result = subprocess.run(
        ["otelprov", "lineage", target, "--format", "json", *arguments],
        env=support.environment(journal or Path("/nowhere")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.servers
def test_jaeger_and_the_journal_have_the_same_columns(
    flights_in_jaeger: Pipeline, servers: Servers
) -> None:
    target = f"{flights_in_jaeger.output / 'enriched.parquet'}#age,late,airline"
    expected = walked(target, flights_in_jaeger.journal)
    assert expected["edges"]

    def in_jaeger() -> dict[str, Any] | None:
        found = walked(target, None, "--source", servers.source)
        same = all(found[key] == expected[key] for key in ("edges", "rows", "opaque"))
        return found if same else None

    found = eventually("Jaeger has the same columns", in_jaeger)
    for key in ("schema", "targets", "direction", "edges", "rows", "opaque"):
        assert found[key] == expected[key]

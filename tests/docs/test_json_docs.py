"""The pages on JSON: their tables name the keys that the programs print, all and no others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
import support
from unit.journal_read.test_derivations import once
from unit.lineage.recorded import Journal

from otelprov.artifacts import identify_path
from otelprov.cli import difference
from otelprov.cli.explain import explain
from otelprov.journal.derivations import Scope
from otelprov.lineage import determinism
from otelprov.lineage.column_walk import columns
from otelprov.lineage.sources.journal import JournalSource
from otelprov.lineage.walk import upstream
from otelprov.render import determinism as render
from otelprov.render.columns import to_dict


def page(name: str) -> tuple[str, dict[str, set[str]]]:
    """The text of a page, and the keys in the table of each of its sections."""
    text = (support.ROOT / "docs" / name).read_text(encoding="utf-8")
    tables = {}
    for section in text.split("\n## ")[1:]:
        rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
        if rows:
            tables[section.split("\n")[0]] = {
                key for row in rows for key in re.findall("`(.+?)`", row)
            }
    return text, tables


def test_the_page_on_comparisons_names_every_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for side, values in (("a", [1, 2]), ("b", [1, 3])):
        Path(side).mkdir()
        table = pa.table({"n": values, f"only_{side}": [side, side]})
        pyarrow.parquet.write_table(table, f"{side}/part-0.parquet")
    found: dict[str, Any] = difference.to_dict(explain("a", "b", values=True), values=True)
    text, tables = page("difference-json.md")
    assert f"`{found['schema']}`" in text
    assert set(found) == tables["The whole"]
    assert set(found["a"]) == set(found["b"]) == tables["The two"]
    assert set(found["table"]) == tables["Tables"]
    for key in (*found["table"]["only_in_a"][0], *found["table"]["first"][0]):
        assert f"`{key}`" in text
    assert set(found["table"]["columns"][0]) == tables["Columns"]
    assert set(found["files"][0]) == tables["Files"]


def test_the_page_on_checks_names_every_key(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    once(journal, "a.py", "one")
    once(journal, "b.py", "other")
    report = determinism.check(JournalSource(journal.write()), Scope())
    found: dict[str, Any] = render.to_dict(report, {}, [])
    text, tables = page("check-json.md")
    assert f"`{found['schema']}`" in text
    assert set(found) == tables["The whole"]
    assert set(found["checked"]) == tables["Checked"]
    assert set(found["findings"][0]) == tables["Findings"]
    content = found["findings"][0]["contents"][0]
    assert set(content) == tables["Contents"]
    assert all(f"`{key}`" in text for key in content["first"][0])


def test_the_page_on_columns_names_every_key(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "program.py").write_text(
        "import pandas as pd\n"
        "t = pd.read_csv('in.csv')\n"
        "t[t['b'] > 2].assign(c=lambda d: [*(d.a + d.b)]).to_csv('out.csv')\n"
    )
    journal = tmp_path / "journal"
    support.instrumented("program.py", journal_directory=journal, cwd=tmp_path)
    lineage = upstream(JournalSource(journal), identify_path(tmp_path / "out.csv").id)
    found: dict[str, Any] = to_dict(columns(lineage, ["c"]))
    text, tables = page("columns-json.md")
    assert f"`{found['schema']}`" in text
    assert set(found) == tables["The whole"]
    assert set(found["targets"][0]) == tables["Columns"]
    kinds = {"IDENTITY", "TRANSFORMATION", "AGGREGATION", "null"}
    assert {*found["edges"][0], *kinds} == tables["Edges"]
    assert set(found["rows"][0]) == tables["Rows"]
    assert set(found["opaque"][0]) == tables["Opaque"]

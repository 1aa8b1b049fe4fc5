"""A table with versions as the target of the commands: by its directory, and by a version of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyiceberg.catalog.sql import SqlCatalog
from support import BIN, instrumented

from otelprov.artifacts.lakes import lake_in

PROGRAM = """
import sys
import deltalake
import pandas as pd
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

raw = pd.read_csv("raw.csv")
raw["amount"] = raw["price"] * raw["pieces"]
deltalake.write_deltalake("orders", raw)
deltalake.write_deltalake("orders", raw.query("pieces > 1"), mode="append")
catalog = SqlCatalog("local", uri="sqlite:///catalog.db", warehouse="file://" + sys.argv[1])
catalog.create_namespace("shop")
rows = pa.Table.from_pandas(raw)
table = catalog.create_table("shop.orders", schema=rows.schema)
table.append(rows)
table.append(rows.slice(0, 1))
print(*(one.snapshot_id for one in table.snapshots()))
"""
ICEBERG = "house/shop/orders"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A directory with a journal, a Delta Lake table of two versions, and an Iceberg table."""
    place = tmp_path_factory.mktemp("lake")
    (place / "raw.csv").write_text("id,price,pieces\n1,2.5,3\n2,1.5,1\n")
    (place / "program.py").write_text(PROGRAM)
    ended = instrumented(
        "program.py", place / "house", journal_directory=place / "journal", cwd=place
    )
    return place, ended.stdout.split()


@pytest.fixture
def lake(recorded: tuple[Path, list[str]]) -> Path:
    """The same directory, which stays as it is."""
    return recorded[0]


@pytest.fixture
def orders(lake: Path, tmp_path: Path) -> Iterator[Path]:
    """The Delta Lake table, which a test may change: it is put back."""
    path = lake / "orders"
    shutil.copytree(path, tmp_path / "kept")
    yield path
    shutil.rmtree(path)
    shutil.move(tmp_path / "kept", path)


def otelprov(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OTELPROV_JOURNAL": str(place / "journal"), "PYTHONUTF8": "1"}
    return subprocess.run(
        [str(BIN / "otelprov"), *words], cwd=place, env=env, capture_output=True, text=True
    )


def target(place: Path, *words: str) -> dict[str, object]:
    answer = otelprov(place, "lineage", *words, "--format", "json")
    assert answer.returncode == 0, answer.stderr
    said = json.loads(answer.stdout)
    (found,) = [one for one in said["artifacts"] if one["id"] == said["target"]]
    return dict(found)


def test_a_directory_is_the_version_that_it_is_at(lake: Path) -> None:
    assert target(lake, "orders")["version"] == "1"
    assert target(lake, "orders/")["version"] == "1"
    assert target(lake, "orders@0")["version"] == "0"
    tree = otelprov(lake, "lineage", "orders").stdout
    assert "raw.csv" in tree and "orders@0" in tree
    assert "raw.csv" in otelprov(lake, "lineage", "orders#amount").stdout
    assert otelprov(lake, "show", "orders@0").returncode == 0


def test_a_snapshot_is_found_by_the_directory_of_its_table(
    recorded: tuple[Path, list[str]],
) -> None:
    place, snapshots = recorded
    assert target(place, ICEBERG)["version"] == snapshots[1]
    assert target(place, f"{ICEBERG}@{snapshots[0]}")["version"] == snapshots[0]
    assert "raw.csv" in otelprov(place, "lineage", f"{ICEBERG}#amount").stdout


def test_the_place_of_a_table_that_is_elsewhere_takes_a_version(lake: Path) -> None:
    uri = (lake / "orders").as_uri()
    answer = otelprov(lake, "lineage", uri, "--format", "json")
    said = json.loads(answer.stdout)
    assert "orders@1 is the last version that" in said["gaps"][0]["reason"]
    assert target(lake, f"{uri}@0")["version"] == "0"


def test_a_link_to_a_table_leads_to_it(lake: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(lake / "orders")
    assert target(lake, str(link))["version"] == "1"


def test_a_table_that_has_moved_on_is_not_taken_for_what_was_recorded(
    lake: Path, orders: Path
) -> None:
    more = pd.DataFrame({"id": [9], "price": [1.0], "pieces": [1], "amount": [1.0]})
    write_deltalake(orders, more, mode="append")
    answer = otelprov(lake, "lineage", "orders")
    assert answer.returncode == 1
    assert "orders is at version 2 (Delta Lake), which is not in" in answer.stderr
    assert "newest first: orders@1, orders@0" in answer.stderr
    assert target(lake, "orders@1")["version"] == "1"
    answer = otelprov(lake, "lineage", "orders@2")
    assert answer.returncode == 1 and "knows no version orders@2" in answer.stderr


def test_a_table_made_anew_at_the_same_place_is_another(lake: Path, orders: Path) -> None:
    shutil.rmtree(orders)
    write_deltalake(orders, pd.DataFrame({"id": [1]}))
    answer = otelprov(lake, "lineage", "orders")
    assert answer.returncode == 1
    assert "orders is at version 0 (Delta Lake), which is not in" in answer.stderr


def test_an_iceberg_table_that_has_moved_on_says_so(lake: Path, tmp_path: Path) -> None:
    copy = tmp_path / "lake"
    shutil.copytree(lake, copy, symlinks=True)
    newest = max((copy / ICEBERG / "metadata").glob("*.metadata.json"))
    said = json.loads(newest.read_text())
    said["current-snapshot-id"] = 7
    said["snapshots"].append({**said["snapshots"][-1], "snapshot-id": 7})
    (newest.parent / "00099-by-someone-else.metadata.json").write_text(json.dumps(said))
    answer = otelprov(copy, "lineage", ICEBERG)
    assert answer.returncode == 1
    assert f"{ICEBERG} is at version 7 (Apache Iceberg), which is not in" in answer.stderr


def test_id_prints_the_version_of_a_table(lake: Path) -> None:
    answer = otelprov(lake, "id", "orders", "orders@0", ICEBERG, "--format", "json")
    assert answer.returncode == 0, answer.stderr
    now, first, iceberg = json.loads(answer.stdout)
    assert (now["kind"], now["version"]["version"]) == ("directory", "1")
    assert now["version"]["id"] == target(lake, "orders")["id"]
    assert first["id"] == first["version"]["id"] == target(lake, "orders@0")["id"]
    assert iceberg["version"]["id"] == target(lake, ICEBERG)["id"]
    assert "(version 1 of Delta Lake)" in otelprov(lake, "id", "orders").stdout
    answer = otelprov(lake, "id", "orders@8")
    assert (answer.returncode, answer.stderr) == (
        1,
        "otelprov: cannot read orders@8: the table has no version 8\n",
    )


def test_the_files_of_a_table_with_versions_are_not_compared_as_one_table(lake: Path) -> None:
    answer = otelprov(lake, "id", "orders", ICEBERG, "--explain")
    assert answer.returncode == 2
    assert "its files are those of all its versions" in answer.stderr


def test_the_id_of_a_table_is_found_where_its_first_commits_are_gone(tmp_path: Path) -> None:
    for number in range(4):
        write_deltalake(tmp_path, pd.DataFrame({"id": [number]}), mode="append")
    lake = lake_in(tmp_path)
    assert lake is not None
    (before,) = lake.at()
    table = DeltaTable(tmp_path)
    table.create_checkpoint()
    for commit in (tmp_path / "_delta_log").glob("*.json"):
        commit.unlink()
    lake = lake_in(tmp_path)
    assert lake is not None
    assert lake.at() == [before]
    assert before.version == "3"


def test_an_empty_table_and_a_schema_that_was_changed_are_versions_too(tmp_path: Path) -> None:
    catalog = SqlCatalog(
        "local", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/house"
    )
    catalog.create_namespace("shop")
    schema = pa.schema([("id", pa.int64())])
    table = catalog.create_table("shop.orders", schema=schema)
    place = tmp_path / ICEBERG
    lake = lake_in(place)
    assert lake is not None and lake.version == "empty"
    table.append(pa.table({"id": [1]}, schema))
    lake = lake_in(place)
    assert lake is not None
    (first,) = lake.at()
    with table.update_schema() as update:
        update.rename_column("id", "number")
    lake = lake_in(place)
    assert lake is not None
    (renamed,) = lake.at()
    assert renamed.version == first.version and renamed.id != first.id
    assert {one.id for one in lake.at(first.version)} == {first.id, renamed.id}


def test_a_directory_without_a_log_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "notes.json").write_text("{}")
    assert lake_in(tmp_path) is None

"""The id of a schema: names and types of the columns in order, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3
from click.testing import CliRunner

from otelprov.artifacts import identify, table_in_file
from otelprov.cli import main

TABLE = pa.table({"order": pa.array([1, 2], pa.int64()), "country": ["CH", None]})


def test_a_schema_has_one_id_in_every_library_and_file(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "orders.parquet")
    held = table_in_file(tmp_path / "orders.parquet")
    assert held is not None
    ids = {
        identify(TABLE).schema_id,
        identify(TABLE.to_pandas()).schema_id,
        identify(pl.from_arrow(TABLE)).schema_id,
        identify(TABLE.slice(1)).schema_id,
        held.schema_id,
    }
    assert len(ids) == 1


def test_names_types_and_order_make_it() -> None:
    changed = [
        TABLE,
        TABLE.rename_columns(["order", "nation"]),
        TABLE.select(["country", "order"]),
        TABLE.select(["order"]),
        TABLE.set_column(0, "order", TABLE["order"].cast(pa.int32())),
        pa.table({"order": [1], "country": ["x"], "more": [True]}),
    ]
    assert len({identify(one).schema_id for one in changed}) == len(changed)


def test_it_is_what_the_specification_says() -> None:
    def text(value: str) -> bytes:
        return len(value).to_bytes(8, "little") + value.encode()

    written = (2).to_bytes(8, "little")
    for name, type_ in (("order", "int64"), ("country", "string")):
        written += text(name) + text(type_)
    digest = blake3(written, derive_key_context="otelprov artifact 1 schema").hexdigest()
    assert identify(TABLE).schema_id == f"schema:{digest}"


def test_arrays_and_files_have_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    assert identify(pd.Series([1]).to_numpy()).schema_id is None
    assert table_in_file(tmp_path / "a.csv") is None


def test_the_id_command_prints_it(tmp_path: Path) -> None:
    path = tmp_path / "orders.parquet"
    pq.write_table(TABLE, path)
    result = CliRunner().invoke(main, ["id", str(path), "--schema"])
    assert f"{identify(TABLE).schema_id}  {path}" in result.output
    result = CliRunner().invoke(main, ["id", str(path), "--format", "json"])
    assert json.loads(result.output)[0]["table"]["schema"] == identify(TABLE).schema_id

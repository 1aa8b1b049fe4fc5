"""``otelprov id A B --explain``: what it says of two files, and its exit codes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from unit.cli.test_cli_commands import alone, call
from unit.lineage.recorded import Journal

from otelprov.artifacts import identify, identify_path

__all__ = ["alone"]  # a fixture for every test here too

ORDERS = pa.table(
    {"country": ["FR", "JP", "DE"], "amount": [250, 80, 120], "vat": [0.2, 0.1, 0.19]}
)


def parquet(name: str, table: pa.Table = ORDERS, **options: Any) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, name, **options)
    return name


def lines(*words: str, code: int) -> list[str]:
    result = call("id", *words, "--explain")
    assert (result.exit_code, result.stderr) == (code, ""), result.output
    assert "\x1b" not in result.stdout
    found = [line.rstrip() for line in result.stdout.splitlines()]
    assert max(map(len, found)) <= 100
    return found


def record(*words: str, code: int) -> dict[str, Any]:
    result = call("id", *words, "--explain", "--format", "json")
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def with_column(name: str, values: list[Any]) -> pa.Table:
    return ORDERS.set_column(ORDERS.schema.get_field_index(name), name, pa.array(values))


def test_a_copy_is_equal_by_its_bytes() -> None:
    shutil.copyfile(parquet("a.parquet"), "b.parquet")
    assert lines("a.parquet", "b.parquet", code=0)[2] == "equal: the same bytes"


def test_the_same_table_in_other_bytes_is_equal_and_told_so() -> None:
    parquet("a.parquet", compression="none")
    pyarrow.feather.write_feather(ORDERS, "b.feather")
    assert lines("a.parquet", "b.feather", code=0)[2:] == [
        "equal: the same table, different bytes",
        "rows     3 in both",
        "columns  3 in both",
    ]


def test_a_changed_cell_is_told_by_column_and_row_but_not_by_value() -> None:
    parquet("a.parquet")
    parquet("b.parquet", with_column("amount", [250, 81, 120]))
    found = lines("a.parquet", "b.parquet", code=1)
    assert found[2:] == [
        "different tables",
        "rows      3 in both",
        "columns   3 in both",
        "differs   amount  1 of 3 cells, in rows 0–2",
        "the same  2 other columns",
        "1 row differs",
        "row  column",
        "  1  amount",
        "rows and columns are counted from 0",
    ]
    told = record("a.parquet", "b.parquet", code=1)
    assert "80" not in json.dumps(told["table"])
    assert "a" not in told["table"]["first"][0]


def test_values_are_shown_when_they_are_asked_for() -> None:
    parquet("a.parquet")
    parquet("b.parquet", with_column("amount", [250, 81, None]))
    found = lines("a.parquet", "b.parquet", "--values", code=1)
    assert found[-4:-1] == ["row  column  A    B", "  1  amount  80   81", "  2  amount  120  null"]
    told = record("a.parquet", "b.parquet", "--values", "--rows", "1", code=1)
    assert told["table"]["first"] == [
        {"row": 1, "a_column": "amount", "b_column": "amount", "a": 80, "b": 81}
    ]
    assert told["table"]["rows_differing"] == 2


def test_columns_that_came_went_moved_or_have_another_name_or_type_are_told() -> None:
    parquet("a.parquet")
    table = pa.table(
        {
            "rate": ORDERS["vat"],
            "amount": ORDERS["amount"].cast(pa.int32()),
            "region": ["EU", "AS", "EU"],
        }
    )
    parquet("b.parquet", table)
    assert lines("a.parquet", "b.parquet", code=1)[3:-1] == [
        "rows       3 in both",
        "columns    2 in both",
        "only in A  country  string",
        "only in B  region  string",
        "renamed    vat → rate, content the same",
        "moved      amount, now after rate",
        "differs    amount  type int64 → int32; all values are the same",
        "the same   1 other column",
    ]
    told = record("a.parquet", "b.parquet", code=1)["table"]
    vat = next(one for one in told["columns"] if one["a"]["name"] == "vat")
    assert vat == {
        "a": {"position": 2, "name": "vat", "type": "float64"},
        "b": {"position": 0, "name": "rate", "type": "float64"},
        "equal": True,
        "moved": False,
        "blocks": [],
        "cells_differing": 0,
        "reason": None,
    }
    assert told["only_in_b"] == [{"position": 2, "name": "region", "type": "string"}]


def test_rows_that_were_put_in_are_told_as_that_and_not_as_changed_cells() -> None:
    parquet("a.parquet")
    parquet("b.parquet", pa.concat_tables([ORDERS[:1], ORDERS[2:], ORDERS[1:]]))
    _, shift = lines("a.parquet", "b.parquet", code=1)[3:5]
    assert shift.strip() == (
        "row 1 of B: not in A; all rows before are the same, all rows after too, moved by 1"
    )
    assert record("b.parquet", "a.parquet", code=1)["table"]["shift"] == {"row": 1, "count": -1}


def test_names_and_values_cannot_act_on_the_terminal() -> None:
    parquet("a.parquet", pa.table({"\x1b[31mred": ["x"]}))
    parquet("b.parquet", pa.table({"\x1b[31mred": ["\x1b[2J"]}))
    assert "\\x1b[31mred" in "\n".join(lines("a.parquet", "b.parquet", "--values", code=1))


def test_a_long_list_of_columns_is_cut_for_people_and_whole_for_programs() -> None:
    parquet("a.parquet")
    parquet("b.parquet", pa.table({f"c{i}": [i, i, i] for i in range(50)}))
    assert any("and 30 more" in line for line in lines("a.parquet", "b.parquet", code=1))
    assert len(record("a.parquet", "b.parquet", code=1)["table"]["only_in_b"]) == 50


def test_a_csv_is_compared_by_its_bytes_and_it_says_how_to_do_better() -> None:
    Path("a.csv").write_text("country,amount\nFR,250\n")
    Path("b.csv").write_text("country,amount\nFR,251\n")
    found = " ".join(lines("a.csv", "b.csv", code=1))
    assert "different bytes" in found
    assert "the first that differs is byte 20" in found
    assert "write them to Parquet" in found
    Path("c.csv").write_text("country,amount\nFR,250\nJP,80\n")
    assert "the shorter is the beginning" in " ".join(lines("a.csv", "c.csv", code=1))
    Path("d.csv").write_text("country,amount\nFR,250\n")
    assert lines("a.csv", "d.csv", code=0)[2] == "equal: the same bytes"


def test_directories_of_parquet_files_are_compared_file_by_file_and_as_tables() -> None:
    for side, rows in (("a", slice(0, 2)), ("b", slice(0, 2))):
        parquet(
            f"{side}/year=2025/part-0.parquet",
            ORDERS[rows],
            compression="zstd" if side == "b" else "snappy",
        )
        parquet(f"{side}/year=2026/part-0.parquet", ORDERS)
    found = lines("a", "b", code=0)
    assert found[2] == "equal: the same table, different bytes"
    assert found[3].startswith("files ") and found[3].endswith("1 of 2 have the same bytes")
    assert any("year=2025/part-0.parquet" in line for line in found)
    parquet("b/year=2026/part-0.parquet", with_column("amount", [250, 80, 121]))
    told = record("a", "b", code=1)
    assert [(one["path"], one["state"]) for one in told["files"]] == [
        ("year=2025/part-0.parquet", "same table"),
        ("year=2026/part-0.parquet", "different"),
    ]
    amount = next(one for one in told["table"]["columns"] if one["a"]["name"] == "amount")
    assert amount["cells_differing"] == 1
    assert told["table"]["first"][0]["row"] == 4


def test_the_folder_of_a_partition_is_part_of_the_table() -> None:
    parquet("a/year=2025/part-0.parquet")
    parquet("b/year=2026/part-0.parquet")
    told = record("a", "b", code=1)
    assert [one["a"]["name"] for one in told["table"]["columns"] if not one["equal"]] == ["year"]
    assert told["files"] == [
        {
            "path": "year=2025/part-0.parquet",
            "state": "moved",
            "to": "year=2026/part-0.parquet",
        }
    ]


def test_a_data_set_of_several_files_can_equal_one_file() -> None:
    parquet("whole.parquet")
    parquet("parts/part-0.parquet", ORDERS[:1])
    parquet("parts/part-1.parquet", ORDERS[1:])
    assert lines("whole.parquet", "parts", code=0)[2] == "equal: the same table, different bytes"


def test_other_files_beside_equal_data_sets_are_not_passed_over() -> None:
    parquet("a/part-0.parquet")
    parquet("b/part-0.parquet")
    Path("a/notes.txt").write_text("one")
    Path("b/notes.txt").write_text("two")
    assert record("a", "b", code=1)["verdict"] == "different bytes"


def test_an_id_stands_for_the_file_that_it_was_written_to() -> None:
    parquet("a.parquet")
    parquet("b.parquet", with_column("amount", [1, 2, 3]))
    journal = Journal(Path("journal"))
    run = journal.run("a.py")
    path = Path("a.parquet").absolute()
    table = identify(ORDERS).id
    written = {"kind": "file", "uri": path.as_uri(), "content_id": table}
    derived = {"id": "derived:" + "1" * 64, "kind": "table"}
    run.op("pandas.merge", [], [{**derived, "content_id": table}])
    run.op(
        "pandas.to_parquet", [derived], [{"id": identify_path(path).id, **written}], kind="write"
    )
    lost = {"id": "file:" + "2" * 64, "kind": "file", "uri": Path("lost.csv").absolute().as_uri()}
    run.op("pandas.to_csv", [derived], [lost], kind="write")
    for content in "34":
        two = {"id": "derived:" + "5" * 64, "kind": "table", "content_id": f"table:{content * 64}"}
        run.op("pandas.sample", [derived], [two], key=content)
    run.end()
    journal.write()
    for target in (table, table[:14], "derived:1111", identify_path(path).id):
        told = record(target, "b.parquet", code=1)
        assert told["a"]["path"] == str(path)
        assert told["a"]["asked"] == target
        assert told["verdict"] == "different table"
    for target, message in (
        ("file:2222", "no file that still has this content was found (known places:"),
        ("derived:5555", "had 2 contents; name one of them:"),
        (run.id("pandas.merge"), "is no data; name an artifact"),
        ("table:6666", "used or made table:6666"),
    ):
        result = call("id", target, "b.parquet", "--explain")
        assert result.exit_code == 2, target
        assert message in result.stderr


def test_what_cannot_be_compared_is_exit_code_2() -> None:
    parquet("a.parquet")
    Path("broken.parquet").write_bytes(b"PAR1 and nothing more")
    os.mkfifo("pipe")
    for other, message in (
        ("missing.parquet", "there is no file missing.parquet, and it is no id either"),
        ("broken.parquet", "broken.parquet cannot be read"),
        ("pipe", "cannot read pipe: not a regular file"),
        ("0123456789", "there is no journal at"),
    ):
        result = call("id", "a.parquet", other, "--explain")
        assert (result.exit_code, result.stdout) == (2, ""), other
        assert message in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["id", "a", "--explain"],
        ["id", "a", "b", "c", "--explain"],
        ["id", "a", "--values"],
        ["id", "a", "b", "--rows", "3"],
        ["id", "a", "b", "--explain", "--rows", "-1"],
    ],
)
def test_wrong_usage_is_exit_code_2(words: list[str]) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith("otelprov: ")


def test_a_carried_id_is_told_with_whether_it_is_still_true() -> None:
    trace = {b"traceparent": f"00-{'1' * 32}-{'2' * 16}-01".encode()}
    for name, carried in (("true", identify(ORDERS).id), ("stale", "table:" + "0" * 64)):
        metadata = {b"otelprov.artifact.id": carried.encode(), **trace}
        parquet(f"{name}.parquet", ORDERS.replace_schema_metadata(metadata))
    one, other = json.loads(call("id", "true.parquet", "stale.parquet", "--format", "json").stdout)
    assert (one["carried"]["state"], other["carried"]["state"]) == ("verified", "stale")
    assert "(carried, stale, traceparent" in call("id", "stale.parquet").stdout

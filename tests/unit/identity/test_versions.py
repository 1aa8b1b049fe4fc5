"""Ids of a later version: ids like others, found, shown, and equal to none of version 1."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from unit.cli.test_cli_commands import call
from unit.lineage.fake_jaeger import FakeJaeger, serving
from unit.lineage.recorded import Journal, art, digest, file

from otelprov.artifacts import carrier, identify
from otelprov.artifacts.carrier import Carrier
from otelprov.model import id_beginning, id_prefix, is_id, is_later_version

DIGITS = digest("sales").partition(":")[2]
LATER = f"table.v2:{DIGITS}"
MADE = f"derived.v12:{DIGITS}"


def test_the_text_of_an_id_is_that_of_the_specification() -> None:
    for text in (f"table:{DIGITS}", LATER, MADE, f"anything.v10:{DIGITS}"):
        assert is_id(text), text
    for text in (
        DIGITS, f":{DIGITS}", f"table.v1:{DIGITS}", f"table.v0:{DIGITS}", f"table.v02:{DIGITS}",
        f"table.v:{DIGITS}", f"table.2:{DIGITS}", f"table:v2:{DIGITS}", f"Table:{DIGITS}",
        LATER[:-1], f"{LATER}0", LATER.upper(), f"{LATER}\n", f"{'a' * 33}:{DIGITS}", "",
    ):  # fmt: skip
        assert not is_id(text), text


def test_the_parts_of_an_id_are_its_kind_version_and_digits() -> None:
    assert id_beginning(LATER) == ("table.v2", DIGITS)
    assert id_beginning("table.v2:4f") == ("table.v2", "4f")
    assert id_beginning("table:4f") == ("table", "4f")
    assert id_beginning("4f") == (None, "4f")
    assert id_beginning("table.v1:4f") is id_beginning("other:4f") is id_beginning("4g") is None
    assert [id_prefix(text) for text in (LATER, MADE, "file:4f")] == ["table", "derived", "file"]
    assert is_later_version(LATER)
    assert not is_later_version(f"table:{DIGITS}")


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """A later otelprov has recorded the same digits under several ids."""
    monkeypatch.setenv("OTELPROV_JOURNAL", str(tmp_path / "journal"))
    made = Journal(tmp_path / "journal")
    run = made.run("later.py")
    run.op("pandas.read_csv", [file("sales.csv")], [_plain(LATER)], kind="read")
    run.op("pandas.merge", [_plain(LATER)], [_plain(MADE)])
    run.op("pandas.groupby.sum", [_plain(MADE)], [art("sales", "table", rows=2, columns=1)])
    run.end()
    made.write()
    return made


def _plain(artifact_id: str) -> dict[str, str]:
    """An artifact of which nothing is said but its id."""
    return {"id": artifact_id}


@pytest.mark.parametrize("target", [LATER, LATER[:20], MADE, MADE[:20]])
def test_the_command_line_finds_an_id_of_a_later_version(journal: Journal, target: str) -> None:
    result = call("lineage", target, "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert found["target"] == (LATER if target.startswith("table") else MADE)
    kinds = {one["id"]: (one["kind"], one["coverage"]) for one in found["artifacts"]}
    assert kinds[LATER] == ("table", "full")
    if found["target"] == MADE:
        assert kinds[MADE] == ("object", "derivation")


def test_lineage_and_show_print_an_id_of_a_later_version(journal: Journal) -> None:
    for target in (LATER, MADE):
        for words in (("lineage", target), ("show", target)):
            result = call(*words)
            assert (result.exit_code, result.stderr) == (0, ""), words
            assert f"{target[:20]}" in result.stdout


def test_digits_alone_may_mean_an_id_of_any_version(journal: Journal) -> None:
    result = call("lineage", DIGITS[:8])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1:] == [f"  {MADE}", f"  {LATER}", f"  table:{DIGITS}"]


def test_an_id_of_version_1_does_not_mean_one_of_another_version(journal: Journal) -> None:
    result = call("lineage", f"table:{DIGITS}", "--format", "json")
    assert json.loads(result.stdout)["target"] == f"table:{DIGITS}"
    assert call("lineage", f"derived:{DIGITS}").exit_code == 1
    assert call("lineage", f"table.v3:{DIGITS}").exit_code == 1


def test_jaeger_is_asked_for_an_id_of_a_later_version(journal: Journal, tmp_path: Path) -> None:
    with serving(FakeJaeger()) as jaeger:
        jaeger.load(tmp_path / "journal")
        result = call("lineage", LATER, "--source", f"jaeger+{jaeger.url}", "--format", "json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["target"] == LATER


TABLE = pa.table({"a": [1, 2]})
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_file_may_carry_an_id_of_a_later_version(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    found = Carrier(LATER, TRACE, SPAN)
    pq.write_table(TABLE.replace_schema_metadata(carrier.arrow_metadata(found)), path)
    assert carrier.read(path) == found
    printed = call("id", str(path))
    assert (printed.exit_code, printed.stderr) == (0, "")
    assert [line.split()[0] for line in printed.stdout.splitlines()][1:] == [
        identify(TABLE).id,
        LATER,
    ]


def test_an_attribute_with_an_id_that_nobody_here_can_check_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"a\n1\n")
    try:
        os.setxattr(path, b"user.otelprov.test", b"x")
    except OSError:
        pytest.skip("no extended attributes here")
    assert carrier.attach(path, Carrier(LATER, TRACE, SPAN))
    assert carrier.read(path) is None

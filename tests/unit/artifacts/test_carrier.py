"""Ids that travel inside the data."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from otelprov.artifacts import carrier, contents, formats, identify, identify_path
from otelprov.artifacts.carrier import Carrier

TABLE = pa.table({"a": [1, 2]})
CARRIER = Carrier(identify(TABLE).id, "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


def with_carrier(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata(carrier.arrow_metadata(CARRIER))


@pytest.fixture
def attributes(tmp_path: Path) -> Path:
    """A file on a file system that has extended attributes."""
    path = tmp_path / "data.csv"
    path.write_bytes(b"a\n1\n")
    try:
        os.setxattr(path, b"user.otelprov.test", b"x")
    except OSError:
        pytest.skip("no extended attributes here")
    return path


def test_the_metadata_is_a_w3c_traceparent_and_an_id() -> None:
    assert carrier.arrow_metadata(CARRIER) == {
        b"otelprov.artifact.id": CARRIER.artifact_id.encode(),
        b"traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }


@pytest.mark.parametrize("write", [pq.write_table, feather.write_feather])
def test_parquet_and_arrow_files_carry_it_and_keep_their_id(write: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "data")
    write(with_carrier(TABLE), path)
    assert carrier.read(path) == CARRIER
    artifact = formats.table_in_file(path)
    assert artifact is not None
    assert artifact.id == CARRIER.artifact_id


def test_only_the_footer_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.parquet"
    big = pa.table({"a": os.urandom(3_000_000).hex(" ").split()})
    pq.write_table(with_carrier(big), path)
    monkeypatch.setattr(pq.ParquetFile, "read", None)
    monkeypatch.setattr(contents, "_read", None)
    assert carrier.read(path) == CARRIER


def test_other_files_carry_it_in_their_attributes(attributes: Path) -> None:
    found = Carrier(identify_path(attributes).id, CARRIER.trace_id, CARRIER.span_id)
    assert carrier.read(attributes) is None
    assert carrier.attach(attributes, found)
    assert carrier.read(attributes) == found


def test_attributes_of_a_file_that_changed_since_are_stale(attributes: Path) -> None:
    carrier.attach(attributes, Carrier(identify_path(attributes).id, "1" * 32, "1" * 16))
    attributes.write_bytes(b"a\n2\n")
    assert os.getxattr(attributes, b"user.traceparent")
    assert carrier.read(attributes) is None


def test_attaching_does_not_make_a_file_be_read_again(
    attributes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(attributes, ns=(10**18 + 1, 10**18 + 1))
    found = Carrier(identify_path(attributes).id, "1" * 32, "1" * 16)
    monkeypatch.setattr(contents, "_read", None)
    assert carrier.attach(attributes, found)
    assert carrier.read(attributes) == found


def test_a_parquet_file_without_metadata_may_have_attributes(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(TABLE, path)
    if not carrier.attach(path, CARRIER):
        pytest.skip("no extended attributes here")
    assert carrier.read(path) == CARRIER  # the id is that of the table in it
    pq.write_table(pa.table({"a": [3]}), path)
    assert carrier.read(path) is None


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"traceparent": "00-" + "1" * 32 + "-" + "1" * 16 + "-01"},
        {"otelprov.artifact.id": "table:" + "0" * 64},
        {"otelprov.artifact.id": "table:" + "0" * 64, "traceparent": "nonsense"},
        {
            "otelprov.artifact.id": "table:" + "0" * 64,
            "traceparent": "00-" + "0" * 32 + "-" + "1" * 16 + "-01",
        },
        {
            "otelprov.artifact.id": "table:" + "0" * 63,
            "traceparent": "00-" + "1" * 32 + "-" + "1" * 16 + "-01",
        },
    ],
)
def test_a_carrier_that_is_not_whole_is_none(metadata: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(TABLE.replace_schema_metadata(metadata), path)
    assert carrier.read(path) is None


def test_whatever_the_file_is_there_is_no_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and nothing else PAR1")
    arrow = tmp_path / "broken.arrow"
    arrow.write_bytes(b"ARROW1\0\0")
    os.mkfifo(tmp_path / "pipe")
    for path in (broken, arrow, tmp_path / "pipe", tmp_path / "missing", tmp_path, "a\0b"):
        assert carrier.read(path) is None
    assert carrier.attach(tmp_path / "missing", CARRIER) is False
    assert formats.table_in_file(tmp_path / "pipe") is None
    assert formats.table_in_file(tmp_path / "missing") is None
    text = tmp_path / "text"
    text.write_bytes(b"PAR")
    assert formats.table_in_file(text) is None
    artifact = formats.table_in_file(broken)
    assert artifact is not None
    assert artifact.coverage == "none"
    assert artifact.reason


@pytest.mark.parametrize("write", [pq.write_table, feather.write_feather])
def test_metadata_that_was_copied_to_another_table_is_stale(write: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "data")
    write(with_carrier(TABLE), path)
    assert carrier.check(path) == "verified"
    copied = pa.table({"a": [1, 3]}).replace_schema_metadata(with_carrier(TABLE).schema.metadata)
    write(copied, path)
    assert carrier.check(path) == "stale"
    assert [claim.carrier for claim in carrier.claims(path)] == [CARRIER]


def test_what_a_file_says_is_read_once_and_anew_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(with_carrier(TABLE), path)
    looked: list[object] = []
    look = formats.head
    monkeypatch.setattr(formats, "head", lambda *asked: (looked.append(asked), look(*asked))[1])
    os.utime(path, (time.time() + 3600,) * 2)
    carrier.claims(path)
    carrier.claims(path)
    assert len(looked) == 2  # of a file that was written just now nothing is kept

    os.utime(path, (1_000_000_000,) * 2)
    deadline = time.monotonic() + 10
    while time.time_ns() - path.stat().st_ctime_ns < 2_000_000_000:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    known = carrier.claims(path)
    assert [claim.carrier for claim in known] == [CARRIER]
    assert carrier.claims(path) is known
    assert len(looked) == 3

    other = replace(CARRIER, span_id="1" * 16)
    if carrier.attach(path, other):  # which leaves the time of modification as it is
        assert [claim.carrier for claim in carrier.claims(path)] == [CARRIER, other]
    pq.write_table(TABLE, path)
    assert not any(claim.place == "metadata" for claim in carrier.claims(path))


def test_attributes_are_checked_against_the_content(attributes: Path) -> None:
    assert carrier.check(attributes) is None
    carrier.attach(attributes, Carrier(identify_path(attributes).id, "1" * 32, "1" * 16))
    assert carrier.check(attributes) == "verified"
    attributes.write_bytes(b"a\n2\n")
    assert carrier.check(attributes) == "stale"


def test_a_file_of_a_larger_data_set_is_never_called_stale(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    part = replace(CARRIER, part=True)
    pq.write_table(TABLE[:1].replace_schema_metadata(carrier.arrow_metadata(part)), path)
    assert carrier.read(path) == part
    assert carrier.check(path) == "unverified"
    pq.write_table(TABLE.replace_schema_metadata(carrier.arrow_metadata(part)), path)
    assert carrier.check(path) == "verified"


def test_one_true_claim_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(with_carrier(pa.table({"a": [3]})), path)
    assert carrier.check(path) == "stale"
    if not carrier.attach(path, Carrier(identify_path(path).id, "1" * 32, "1" * 16)):
        pytest.skip("no extended attributes here")
    assert carrier.check(path) == "verified"


def test_what_cannot_be_digested_is_neither_true_nor_stale(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(with_carrier(TABLE), path)
    content = bytearray(path.read_bytes())
    content[4:40] = bytes(36)  # the footer is whole, the data is not
    path.write_bytes(content)
    assert carrier.check(path) == "unverified"

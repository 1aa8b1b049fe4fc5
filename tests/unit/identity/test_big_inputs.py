"""What is known of data that was not read in full, and of what cannot be read."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from blake3 import blake3

from otelprov import settings
from otelprov.artifacts import contents, evidence, files, formats, identify, identify_path
from otelprov.artifacts.directories import OpenDirectory
from otelprov.artifacts.files import OpenFile
from otelprov.model import Artifact
from otelprov.recording.bounds import Budget


@pytest.fixture(autouse=True)
def _no_cache() -> None:
    contents._cache.clear()


def opened(path: Path) -> OpenFile | OpenDirectory:
    found = files.opened(path)
    assert not isinstance(found, Artifact)
    return found


def sized(data: bytes) -> bytes:
    return struct.pack("<Q", len(data)) + data


def version(uri: str, kind: str, found: bytes) -> str:
    """Section 12, read a second time."""
    digest = blake3(derive_key_context="otelprov artifact 1 version")
    digest.update(sized(uri.encode()) + sized(kind.encode()) + sized(found))
    return f"version:{digest.hexdigest()}"


def status(path: Path) -> bytes:
    found = path.stat()
    return struct.pack("<Qq", found.st_size, found.st_mtime_ns)


# --- the evidence --------------------------------------------------------------------------------


def test_a_file_by_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "a b.csv"
    path.write_bytes(b"content")
    os.utime(path, ns=(0, -1))  # before 1970
    found = opened(path).by_status("why")
    uri = f"file://{tmp_path}/a%20b.csv"
    assert found == Artifact(
        id=version(uri, "status", struct.pack("<Qq", 7, -1)),
        kind="file",
        name="a b.csv",
        uri=uri,
        bytes=7,
        coverage="status",
        reason="why",
    )


@pytest.mark.parametrize("format_", ["parquet", "arrow"])
def test_a_file_by_its_footer(tmp_path: Path, format_: str) -> None:
    path = tmp_path / "t"
    if format_ == "parquet":
        pq.write_table(pa.table({"a": [1, 2]}), path)
        data = path.read_bytes()
        footer = data[-8 - int.from_bytes(data[-8:-4], "little") :]
        assert footer.endswith(b"PAR1")
    else:
        feather.write_feather(pa.table({"a": [1, 2]}), str(path))
        data = path.read_bytes()
        footer = data[-10 - int.from_bytes(data[-10:-6], "little") :]
        assert footer.endswith(b"ARROW1")
    found = opened(path).by_footer("why")
    said = status(path) + blake3(footer).digest()
    assert (found.id, found.coverage) == (version(f"file://{path}", "footer", said), "footer")


def test_the_same_footer_with_other_values_is_another_version(tmp_path: Path) -> None:
    path = tmp_path / "t"
    footers, ids = set(), set()
    for value in (2, 3):  # between the least and the greatest: no statistics tell
        table = pa.table({"a": pa.array([1, value, 4])})
        pq.write_table(table, path, use_dictionary=False, compression="none")
        os.utime(path, ns=(value, value))
        data = path.read_bytes()
        footers.add(data[-8 - int.from_bytes(data[-8:-4], "little") :])
        ids.add(opened(path).by_footer("").id)
    assert (len(footers), len(ids)) == (1, 2)


def test_a_change_of_size_time_place_or_footer_is_another_version(tmp_path: Path) -> None:
    def by_footer(name: str, table: pa.Table, time: int) -> str:
        pq.write_table(table, tmp_path / name)
        os.utime(tmp_path / name, ns=(time, time))
        return opened(tmp_path / name).by_footer("").id

    one = pa.table({"a": [1, 2]})
    first = by_footer("x", one, 1)
    assert by_footer("x", one, 1) == first
    others = [
        by_footer("x", one, 2),
        by_footer("y", one, 1),
        by_footer("x", pa.table({"b": [1, 2]}), 1),
        by_footer("x", pa.table({"a": [1, 2, 3]}), 1),
    ]
    by_status = opened(tmp_path / "x").by_status("").id
    assert len({first, by_status, *others}) == 6


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PAR1",
        b"PAR1" + bytes(20) + b"PAR1",
        b"PAR1" + b"\xff" * 20 + b"PAR1",
        b"ARROW1\0\0" + b"\xff" * 20 + b"ARROW1",
        b"a,b\n" * 100,
    ],
)
def test_a_file_without_a_footer_is_known_by_its_status(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t"
    path.write_bytes(content)
    found = opened(path).by_footer("why")
    # A footer of length 0 is still a footer: the magic number and the length.
    expected = {"status", "footer"} if content == b"PAR1" + bytes(20) + b"PAR1" else {"status"}
    assert found.coverage in expected
    assert identify_path(path).id == identify(content).id


def test_a_directory_by_the_status_and_the_footers_of_its_files(tmp_path: Path) -> None:
    root = tmp_path / "d"
    (root / "k=1").mkdir(parents=True)
    (root / "empty").mkdir()
    pq.write_table(pa.table({"a": [1]}), root / "k=1" / "p.parquet")
    (root / "notes").write_bytes(b"x")
    (root / "up").symlink_to("..")
    parquet = root / "k=1" / "p.parquet"
    data = parquet.read_bytes()
    footer = data[-8 - int.from_bytes(data[-8:-4], "little") :]

    def entries(of_parquet: bytes) -> bytes:
        return b"".join(
            kind + sized(path) + sized(content)
            for path, kind, content in [
                (b"empty", b"d", b""),
                (b"k=1/p.parquet", b"f", of_parquet),
                (b"notes", b"f", status(root / "notes")),
                (b"up", b"l", b".."),
            ]
        )

    uri = f"file://{root}"
    found = opened(root)
    assert found.by_status("").id == version(uri, "status", entries(status(parquet)))
    said = entries(status(parquet) + blake3(footer).digest())
    by_footer = found.by_footer("why")
    assert by_footer.id == version(uri, "footer", said)
    assert (by_footer.kind, by_footer.bytes) == ("directory", found.bytes)
    assert found.artifact().id.startswith("directory:")


def test_what_a_store_says_is_sorted_by_name() -> None:
    said = evidence.of_version({"versionid": "7", "etag": '"ab"'})
    assert said == sized(b"etag") + sized(b'"ab"') + sized(b"versionid") + sized(b"7")
    found = evidence.versioned("s3://b/k", "version", said, "resource")
    assert found.id == version("s3://b/k", "version", said)


# --- how much a read takes -----------------------------------------------------------------------


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    path = tmp_path / "t.parquet"
    columns = {f"c{i}": pa.array(range(1000)) for i in range(10)}
    columns["l"] = pa.array([[i] for i in range(1000)])
    pq.write_table(pa.table(columns), path, row_group_size=100, use_dictionary=False)
    return path


def test_the_footer_says_how_much_a_read_takes(wide: Path) -> None:
    whole = formats.selected_bytes(wide, None)
    assert whole is not None
    assert 0 < whole < wide.stat().st_size
    one = formats.selected_bytes(wide, ["c1"])
    nested = formats.selected_bytes(wide, ["l"])
    assert one is not None
    assert nested is not None
    assert one < whole / 5
    assert nested > 0
    assert formats.selected_bytes(wide, []) == 0
    assert formats.selected_bytes(wide, ["none"]) == 0
    half = formats.selected_bytes(wide, None, row_groups=range(5))
    assert half is not None
    assert half == pytest.approx(whole / 2, rel=0.1)


def test_filters_leave_the_row_groups_that_they_may_match(wide: Path) -> None:
    import pyarrow.dataset  # noqa: F401

    some = formats.selected_bytes(wide, ["c0"], [("c0", "<", 250)])
    whole = formats.selected_bytes(wide, ["c0"])
    assert some is not None
    assert whole is not None
    assert some == pytest.approx(whole * 3 / 10, rel=0.1)
    assert formats.selected_bytes(wide, None, pa.compute.field("c0") < 0) == 0


def test_of_an_arrow_file_the_columns_share_counts(tmp_path: Path) -> None:
    path = tmp_path / "t"
    feather.write_feather(pa.table({"a": [1], "b": [2], "c": [3], "d": [4]}), str(path))
    assert formats.selected_bytes(path, ["a"]) == path.stat().st_size // 4


def test_of_very_many_column_chunks_the_first_stand_for_all(
    wide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = formats.selected_bytes(wide, None)
    assert whole is not None
    monkeypatch.setattr(formats, "_MAX_CHUNKS", 22)
    assert formats.selected_bytes(wide, None) == pytest.approx(whole, rel=0.1)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 nothing PAR1", b"ARROW1\0\0", b"a,b\n"])
def test_what_is_no_table_takes_nobody_knows_how_much(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t"
    path.write_bytes(content)
    assert formats.selected_bytes(path, ["a"]) is None
    assert formats.selected_bytes(tmp_path / "missing", ["a"]) is None


# --- the limit -----------------------------------------------------------------------------------


def test_a_budget_counts_what_it_refuses() -> None:
    budget = Budget(100)
    assert [budget.take(60), budget.take(41), budget.take(40), budget.take(1)] == [
        True,
        False,
        True,
        False,
    ]
    assert (budget.left, budget.cut) == (0, 42)
    endless = Budget(None)
    assert endless.take(1 << 60)
    assert endless.cut == 0


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("off", None),
        ("OFF", None),
        ("0", 0),
        ("1000", 1000),
        ("500MB", 500_000_000),
        ("1.5 GiB", 3 << 29),
        ("4gib", 4 << 30),
    ],
)
def test_the_limit_is_a_number_of_bytes(text: str, number: int | None) -> None:
    assert settings.load({"OTELPROV_DIGEST_LIMIT": text}, strict=True).digest_limit == number


@pytest.mark.parametrize("text", ["many", "-1", "4 apples", "GiB", "1e9"])
def test_a_limit_that_is_none_is_told_and_the_default_used(text: str) -> None:
    loaded = settings.load({"OTELPROV_DIGEST_LIMIT": text})
    assert loaded.digest_limit == 8 << 30
    assert "or 'off'" in loaded.problems[0]


# --- bad input -----------------------------------------------------------------------------------


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def unix_socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(path.parent)  # the name of a socket has at most 107 bytes
        listening.bind(path.name)
    return path


def loop(path: Path) -> Path:
    path.symlink_to(path.name)
    return path


def dangling(path: Path) -> Path:
    path.symlink_to("nowhere")
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (fifo, "not a regular file"),
        (unix_socket, "not a regular file"),
        (loop, "too many levels of symbolic links"),
        (dangling, "no such file"),
        (lambda _: Path("/dev/zero"), "not a regular file"),
        (lambda path: path / ("x" * 255), "no such file"),
        (lambda path: path.parent / "/".join(["x" * 200] * 21), "file name too long"),
        (lambda path: path.parent / ("x" * 4096), "file name too long"),
        (lambda path: Path("a\0b"), "not a path"),
    ],
)
def test_what_is_no_file_has_no_content_and_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Path], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = files.opened(make(tmp_path / "it"))
    assert isinstance(found, Artifact)
    assert (found.coverage, found.reason) == ("none", reason)


def test_a_fifo_is_not_opened_for_its_writer_would_go_on(tmp_path: Path) -> None:
    path = fifo(tmp_path / "pipe")
    identify_path(path)
    with pytest.raises(OSError, match="No such device or address"):  # nobody reads
        os.open(path, os.O_WRONLY | os.O_NONBLOCK)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_file_that_may_not_be_read_is_known_by_size_and_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"content")

    def refuse(*_: object) -> int:  # root, who runs tests in containers, may read everything
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(contents.os, "open", refuse)
        found = identify_path(path)
        below = identify_path(tmp_path)
    assert (found.coverage, found.reason, found.kind) == ("status", "permission denied", "file")
    assert (below.coverage, below.kind) == ("status", "directory")
    assert found.id == opened(path).by_status("").id


def test_names_that_are_not_utf8_and_names_with_anything_in_them(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path)
    for name in (b"\xff\xfe", b"new\nline", b"'\"%20 #?", "ä".encode()):
        with open(os.path.join(root, name), "wb") as file:
            file.write(b"x")
        found = identify_path(os.path.join(root, name))
        assert found.id == identify(b"x").id
        assert found.uri is not None
        assert found.uri.isascii()
        assert found.uri.isprintable()
    assert identify_path(tmp_path).coverage == "full"
    assert opened(tmp_path).by_status("").coverage == "status"


def test_a_directory_that_is_as_deep_as_paths_can_be(tmp_path: Path) -> None:
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(tmp_path)
        for _ in range(25):  # 5,000 characters
            os.mkdir("x" * 200)
            os.chdir("x" * 200)
    finally:
        os.chdir(before)
        os.close(before)
    found = identify_path(tmp_path)
    assert (found.coverage, found.reason) == ("none", "file name too long")


def test_a_truncated_parquet_file_is_a_file_whose_table_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": range(1000)}), path)
    path.write_bytes(path.read_bytes()[:-5])
    table = formats.table_in_file(path)
    assert table is not None
    assert (table.coverage, bool(table.reason)) == ("none", True)
    assert opened(path).by_footer("").coverage == "status"
    assert identify_path(path).coverage == "full"


def test_an_empty_file_and_an_empty_directory_have_ids(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    (tmp_path / "d").mkdir()
    assert identify_path(tmp_path / "f").id == f"file:{blake3().hexdigest()}"
    assert identify_path(tmp_path / "d").coverage == "full"
    assert opened(tmp_path / "d").by_footer("").bytes == 0


def test_a_file_that_shrinks_or_goes_while_its_footer_is_read_is_known_by_its_status(
    tmp_path: Path,
) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": range(1000)}), path)
    found = opened(path)
    directory = opened(tmp_path)
    path.write_bytes(b"PAR1")
    assert found.by_footer("").coverage == "status"
    path.unlink()
    assert directory.by_footer("").coverage == "status"
    assert directory.artifact().coverage == "none"


def test_a_thousand_files_are_listed_and_digested_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(1000):
        path = tmp_path / str(i)
        path.write_bytes(b"%d" % i)
        os.utime(path, ns=(10**18 + 1, 10**18 + 1))
    first = opened(tmp_path)
    assert first.unread == first.bytes == 2890
    known = first.artifact()
    monkeypatch.setattr(contents, "_read", None)
    again = opened(tmp_path)
    assert again.unread == 0
    assert again.artifact() == known

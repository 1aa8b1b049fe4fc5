"""Files, directories and locations."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from otelprov.artifacts import contents, files, identify, identify_location, identify_path


@pytest.fixture(autouse=True)
def _no_cache() -> None:
    contents._cache.clear()


def settle(path: Path) -> None:
    """Give a file a time that lies back, as files have that were not written just now."""
    os.utime(path, ns=(10**18 + 1, 10**18 + 1))


@pytest.mark.parametrize("size", [0, 1, 1023, 1 << 20, (1 << 20) + 1, 5_000_000])
def test_a_file_has_the_digest_that_b3sum_prints(size: int, tmp_path: Path) -> None:
    content = os.urandom(size)
    path = tmp_path / "data.bin"
    path.write_bytes(content)
    artifact = identify_path(path)
    assert artifact.id == f"file:{blake3(content).hexdigest()}" == identify(content).id
    assert (artifact.kind, artifact.name, artifact.bytes) == ("file", "data.bin", size)
    assert artifact.coverage == "full"


def test_the_uri_of_a_file_is_absolute_and_percent_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a b#ä?.csv").write_bytes(b"x")
    artifact = identify_path("a b#ä?.csv")
    assert artifact.uri == f"file://{tmp_path}/a%20b%23%C3%A4%3F.csv"
    raw = os.fsdecode(b"\xff.csv")
    Path(raw).write_bytes(b"x")
    artifact = identify_path(raw)
    assert artifact.uri == f"file://{tmp_path}/%FF.csv"
    assert artifact.name == "\N{REPLACEMENT CHARACTER}.csv"


def test_a_file_is_read_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    settle(path)
    reads = []
    read = contents._read
    monkeypatch.setattr(contents, "_read", lambda *file: reads.append(file) or read(*file))
    first = identify_path(path)
    assert identify_path(path) == first
    assert len(reads) == 1
    path.write_bytes(b"two")
    settle(path)  # same size and same time of modification
    assert identify_path(path).id == identify(b"two").id
    assert len(reads) == 2


def test_a_file_that_was_written_just_now_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for content in (b"one", b"two", b"six"):
        path.write_bytes(content)
        assert identify_path(path).id == identify(content).id


def test_the_digests_that_are_kept_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_cache", contents.Kept(3))
    for i in range(5):
        path = tmp_path / str(i)
        path.write_bytes(b"x")
        settle(path)
        identify_path(path)
    assert len(contents._cache) == 3


def test_an_open_file_is_digested_as_it_was(tmp_path: Path) -> None:
    other = tmp_path / "other"
    for change in (Path.unlink, other.replace):
        path = tmp_path / "a"
        path.write_bytes(b"before")
        other.write_bytes(b"after")
        found = files.opened(path)
        assert isinstance(found, files.OpenFile)
        change(path)
        assert found.artifact().id == identify(b"before").id
        assert found.artifact() is found.artifact()


def test_an_open_file_that_is_written_to_has_no_content_id(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for content in (b"longer", b"", b"two"):
        path.write_bytes(b"one")
        settle(path)
        found = files.opened(path)
        assert isinstance(found, files.OpenFile)
        path.write_bytes(content)
        assert found.artifact().reason == "the file changed while it was read"


def test_a_file_is_digested_in_another_thread_and_closed(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no list of descriptors here")
    path = tmp_path / "a"
    path.write_bytes(b"content")
    before = descriptors()
    found = files.opened(path)
    assert isinstance(found, files.OpenFile)
    assert (descriptors(), found.bytes) == (before + 1, 7)
    with ThreadPoolExecutor(2) as workers:
        first, second = (workers.submit(found.artifact) for _ in range(2))
    assert first.result() is second.result()
    assert first.result().id == identify(b"content").id
    assert descriptors() == before
    for use in (lambda _: None, files.OpenFile.close):
        path.write_bytes(b"content")  # of a file just written no digest is kept
        found = files.opened(path)
        assert isinstance(found, files.OpenFile)
        use(found)
        del found
        assert descriptors() == before


def test_a_directory_whose_files_change_after_it_was_listed_has_no_content_id(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").write_bytes(b"one")
    found = files.opened(tmp_path)
    assert isinstance(found, files.OpenDirectory)
    assert (found.bytes, len(found.files)) == (3, 1)
    (tmp_path / "a").write_bytes(b"more")
    assert found.artifact().reason == "a changed while it was read"
    found = files.opened(tmp_path)
    (tmp_path / "a").unlink()
    assert isinstance(found, files.OpenDirectory)
    assert found.artifact().reason == "no such file"


def test_a_file_that_changes_while_it_is_read_has_no_content_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    status = os.fstat

    def grow(descriptor: int) -> os.stat_result:
        result = status(descriptor)
        with path.open("ab") as file:
            file.write(b"more")
        return result

    monkeypatch.setattr(contents.os, "fstat", grow)
    artifact = identify_path(path)
    assert artifact.coverage == "none"
    assert artifact.kind == "resource"
    assert artifact.reason == "the file changed while it was read"


def test_what_cannot_be_read_is_named_with_a_reason(tmp_path: Path) -> None:
    missing = identify_path(tmp_path / "missing.csv")
    assert (missing.kind, missing.coverage, missing.reason) == ("resource", "none", "no such file")
    assert missing.id.startswith("resource:")
    assert missing.name == "missing.csv"
    assert missing.id == identify_path(tmp_path / "missing.csv").id
    os.mkfifo(tmp_path / "pipe")
    assert identify_path(tmp_path / "pipe").reason == "not a regular file"
    assert identify_path("/dev/null").reason == "not a regular file"
    assert identify_path("a\0b").coverage == "none"
    assert identify_path(5).coverage == "none"  # type: ignore[arg-type]


def test_a_directory_is_its_paths_and_their_contents(tmp_path: Path) -> None:
    def make(name: str, content: dict[str, bytes]) -> str:
        root = tmp_path / name
        root.mkdir()
        for path, data in content.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
        artifact = identify_path(root)
        assert artifact.kind == "directory"
        assert artifact.bytes == sum(map(len, content.values()))
        return artifact.id

    one = make("one", {"a": b"1", "b/c": b"2", ".hidden": b""})
    assert make("same", {".hidden": b"", "b/c": b"2", "a": b"1"}) == one
    others = [
        make("content", {"a": b"1", "b/c": b"3", ".hidden": b""}),
        make("name", {"a": b"1", "b/d": b"2", ".hidden": b""}),
        make("less", {"a": b"1", "b/c": b"2"}),
        make("swapped", {"a": b"2", "b/c": b"1", ".hidden": b""}),
        make("flat", {"a": b"1", "bc": b"2", ".hidden": b""}),
        make("empty", {}),
    ]
    assert len({one, *others}) == 7
    (tmp_path / "empty" / "d").mkdir()
    assert identify_path(tmp_path / "empty").id not in others


def test_links_in_a_directory_never_lead_in_circles(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "up").symlink_to("..")
    (tmp_path / "d" / "nowhere").symlink_to("nowhere")
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "d" / "file").symlink_to("../f")
    artifact = identify_path(tmp_path)
    assert artifact.coverage == "full"
    assert artifact.bytes == 2


def test_a_directory_with_something_unreadable_says_so(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    artifact = identify_path(tmp_path)
    assert artifact.coverage == "none"
    assert artifact.reason == "pipe is not a regular file"


# --- locations -----------------------------------------------------------------------------------

CLEAN = {
    "https://example.org/data/x.csv": "https://example.org/data/x.csv",
    "https://user:pass@example.org/x.csv": "https://example.org/x.csv",
    "https://token@example.org/x.csv": "https://example.org/x.csv",
    "https://example.org/x.csv?page=2&token=s3cret": "https://example.org/x.csv?page=2",
    "https://example.org/x.csv?token=s3cret": "https://example.org/x.csv",
    "https://example.org/x.csv?api_key=s3cret&a=1#top": "https://example.org/x.csv?a=1#top",
    "https://example.org/x#access_token=s3cret&a=1": "https://example.org/x#a=1",
    "https://b.s3.amazonaws.com/k?X-Amz-Signature=s3cret&X-Amz-Date=1&versionId=7": (
        "https://b.s3.amazonaws.com/k?versionId=7"
    ),
    "https://b.s3.amazonaws.com/k?AWSAccessKeyId=A&Signature=s3cret&Expires=1": (
        "https://b.s3.amazonaws.com/k"
    ),
    "https://a.blob.core.windows.net/c/f?sv=2020&se=1&sr=b&sp=r&sig=s3cret": (
        "https://a.blob.core.windows.net/c/f"
    ),
    "https://example.org/?sp=5&se=6": "https://example.org/?sp=5&se=6",
    "https://example.org/?PassWord=s3cret": "https://example.org/",
    "https://example.org/?a=1&%70assword=s3cret&b=2": "https://example.org/?a=1&b=2",
    "https://example.org/image@2x.png": "https://example.org/image@2x.png",
    "https://example.org:8080/image@2x.png": "https://example.org:8080/image@2x.png",
    "https://[::1]:80/a@b": "https://[::1]:80/a@b",
    "postgresql+psycopg2://u:p@ss@host:5432/db": "postgresql+psycopg2://host:5432/db",
    "postgresql://u:s3/cret@host/db": "postgresql://host/db",
    "postgresql://u:s3#cret@host/db": "postgresql://host/db",
    "postgresql://u:s3?cret@host/db": "postgresql://host/db",
    "jdbc:postgresql://host/db?user=a&password=s3cret": "jdbc:postgresql://host/db?user=a",
    "jdbc:sqlserver://host:1433;database=d;user=u;password=s3cret;x=1": (
        "jdbc:sqlserver://host:1433;database=d;user=u;x=1"
    ),
    "host=h dbname=d password=s3cret user=u": "host=h dbname=d user=u",
    "host=h password='s3 cret' user=u": "host=h user=u",
    "Server=h;Database=d;Uid=u;Pwd=s3cret;": "Server=h;Database=d;Uid=u;",
    "AccountName=a;AccountKey=s3cret==;EndpointSuffix=e": "AccountName=a;EndpointSuffix=e",
    "s3://bucket/key": "s3://bucket/key",
    "not a uri": "not a uri",
    "http://[bad": "http://[bad",
    "": None,
}


@pytest.mark.parametrize(("uri", "clean"), CLEAN.items())
def test_credentials_never_reach_the_uri(uri: str, clean: str | None) -> None:
    artifact = identify_location(uri)
    assert artifact.uri == clean
    assert (artifact.kind, artifact.coverage) == ("resource", "none")
    assert artifact.reason
    assert artifact.id == identify_location(clean or "").id


@given(st.text())
def test_a_location_is_never_an_error_and_cleaning_it_twice_changes_nothing(uri: str) -> None:
    artifact = identify_location(uri)
    assert identify_location(artifact.uri or "").uri == artifact.uri


def test_the_name_of_a_location_is_its_last_component() -> None:
    assert identify_location("https://e.org/a/b.csv?x=/1").name == "b.csv"
    assert identify_location("s3://bucket/key/").name == "key"
    assert identify_location("s3://bucket/a").id != identify_location("s3://bucket/b").id

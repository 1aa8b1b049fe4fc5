"""Paths, open files, file systems and URLs: what is known of them without asking anybody."""

from __future__ import annotations

import gzip
import io
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.fs
import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from otelprov.artifacts import identify
from otelprov.model import Artifact
from otelprov.recording.streams import resolve


def artifact(place: Any, filesystem: Any = None) -> Artifact:
    found = resolve(place, filesystem)
    assert isinstance(found, Artifact)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a b.csv"
    path.write_bytes(b"a\n1\n")
    return path


def test_everything_that_is_a_local_file_is_its_path(path: Path) -> None:
    with (
        path.open() as text,
        path.open("rb") as binary,
        path.open("rb", buffering=0) as raw,
        gzip.open(path) as packed,
        fsspec.open(str(path)) as by_fsspec,
        tempfile.NamedTemporaryFile(dir=path.parent) as temporary,
    ):
        for place in (text, binary, raw, packed, by_fsspec):
            assert resolve(place) == str(path)
        assert resolve(temporary) == temporary.name
    assert resolve(binary) == str(path), "a file that was closed since"
    for place in (path, str(path), bytes(path), f"file://{path}", path.as_uri()):
        assert resolve(place) == str(path)


@pytest.mark.parametrize(
    ("system", "name"),
    [
        (lambda _: pyarrow.fs.LocalFileSystem(), "{path}"),
        (lambda root: pyarrow.fs.SubTreeFileSystem(root, pyarrow.fs.LocalFileSystem()), "a b.csv"),
        (lambda _: fsspec.filesystem("file"), "{path}"),
        (lambda root: DirFileSystem(root, fsspec.filesystem("file")), "a b.csv"),
        (
            lambda root: pyarrow.fs.PyFileSystem(
                pyarrow.fs.FSSpecHandler(DirFileSystem(root, fsspec.filesystem("file")))
            ),
            "a b.csv",
        ),
    ],
    ids=["pyarrow", "below a directory", "fsspec", "below one in fsspec", "fsspec in pyarrow"],
)
def test_a_name_in_a_file_system_of_this_machine(path: Path, system: Any, name: str) -> None:
    assert resolve(name.format(path=path), system(str(path.parent))) == str(path)


def test_a_name_in_another_file_system_is_named() -> None:
    found = artifact("bucket/key", fsspec.filesystem("memory"))
    assert (found.uri, found.coverage) == ("memory://bucket/key", "none")
    inner = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(fsspec.filesystem("memory")))
    assert artifact("bucket/key", inner).id == found.id


def test_an_open_file_whose_path_is_another_file_by_now_is_known_by_its_bytes(path: Path) -> None:
    held = path.read_bytes()
    with path.open("rb") as file:
        path.rename(path.with_suffix(".old"))
        path.write_bytes(b"another")
        assert artifact(file).id == identify(held).id
        assert artifact(file).uri is None
    with tempfile.TemporaryFile() as nameless:
        nameless.write(b"something")
        nameless.flush()
        assert artifact(nameless).id == identify(b"something").id


def test_streams_without_a_name_are_never_equal() -> None:
    class Stream:
        def read(self) -> bytes:
            return b""

    stream = Stream()
    one, two = artifact(stream), artifact(stream)
    assert one.id != two.id
    assert (one.kind, one.coverage) == ("stream", "none")
    assert one.reason


def test_bytes_in_memory_are_known_by_content() -> None:
    known = identify(b"a\n1\n").id
    memory = fsspec.filesystem("memory")
    memory.pipe("/streams/t.csv", b"a\n1\n")
    try:
        places = [
            io.BytesIO(b"a\n1\n"),
            io.TextIOWrapper(io.BytesIO(b"a\n1\n")),
            "memory://streams/t.csv",
            memory.open("/streams/t.csv"),
            fsspec.open("memory://streams/t.csv"),
        ]
        assert [artifact(place).id for place in places] == [known] * 5
        found = artifact("streams/t.csv", memory)
        assert (found.id, found.uri, found.name) == (known, "memory://streams/t.csv", "t.csv")
    finally:
        memory.rm("/streams", recursive=True)
    assert artifact("memory://streams/t.csv").coverage == "none"


# --- what stores and servers say -----------------------------------------------------------------


class Store(AbstractFileSystem):  # type: ignore[misc]
    """A store of one object, which counts what it is asked."""

    protocol = "store"
    cachable = False

    def __init__(self, **details: Any) -> None:
        super().__init__()
        self.told = details
        self.asked = 0

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        self.asked += 1
        return {"name": path, "type": "file", "size": 4, **self.told}

    def _open(self, path: str, mode: str = "rb", **_: Any) -> AbstractBufferedFile:
        return AbstractBufferedFile(self, path, mode)


def test_the_version_of_an_open_object_is_what_its_store_told_when_it_was_opened() -> None:
    ids = set()
    for details in (
        {"ETag": '"a"'},
        {"ETag": '"b"'},
        {"ETag": '"a"', "VersionId": "7"},
        {"generation": 7},
    ):
        store = Store(**details)
        file = store.open("store://bucket/key")
        asked = store.asked
        found = artifact(file)
        assert store.asked == asked, "nothing more was asked"
        assert (found.coverage, found.kind, found.bytes) == ("version", "resource", 4)
        assert found.uri == "store://bucket/key"
        ids.add(found.id)
    assert len(ids) == 4
    assert artifact(Store(ETag='"a"').open("store://bucket/other")).id not in ids
    assert artifact(Store(ETag='"a"').open("store://bucket/key")).id in ids


def test_an_object_without_a_version_is_known_by_size_and_time_or_by_name() -> None:
    timed = artifact(Store(LastModified="2024-01-01").open("store://bucket/key"))
    assert timed.coverage == "status"
    weak = artifact(Store(ETag='W/"a"', mtime=5).open("store://bucket/key"))
    assert weak.coverage == "status"
    assert weak.id != timed.id
    assert artifact(Store().open("store://bucket/key")).coverage == "none"


def test_an_object_that_is_not_opened_yet_is_not_asked_for() -> None:
    store = Store(ETag='"a"')
    found = artifact(fsspec.core.OpenFile(store, "bucket/key"))
    assert (store.asked, found.coverage) == (0, "none")
    found = artifact("bucket/key", store)
    assert (store.asked, found.uri) == (0, "store://bucket/key")


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_response(200)
            self.send_header("ETag", '"v1"')
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"a\n1\n")

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}", requests
        serving.shutdown()
        thread.join()


def test_the_headers_of_an_open_response_say_its_version(server: tuple[str, list[str]]) -> None:
    address, requests = server
    with urllib.request.urlopen(f"{address}/t.csv?token=s3cret") as response:
        found = artifact(response)
        assert response.read() == b"a\n1\n", "nothing was taken from it"
    assert (found.coverage, found.bytes, found.uri) == ("version", 4, f"{address}/t.csv")
    assert len(requests) == 1
    assert artifact(f"{address}/t.csv").coverage == "none"
    assert len(requests) == 1

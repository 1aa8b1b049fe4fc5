"""Files that fsspec carries: between this machine, memory and S3, and those that it opens."""

from __future__ import annotations

import asyncio
import inspect
import io
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import edges
import fsspec
import fsspec.asyn
import pandas as pd
import pytest
import support
from support import Spans

import otelprov
from otelprov.artifacts import identify_location
from otelprov.instrumentation.instrumentors import libraries

CSV = b"k,v\n1,10\n2,20\n3,30\n"


@pytest.fixture
def memory(spans: Spans) -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture
def bucket(s3: Any, s3_environment: dict[str, str], spans: Spans) -> Any:
    import s3fs

    return s3fs.S3FileSystem(
        endpoint_url=s3_environment["AWS_ENDPOINT_URL"],
        key="testing",
        secret="testing",
        skip_instance_cache=True,
        use_listings_cache=False,
    )


def held(spans: Spans, names: dict[str, str], graph: str) -> None:
    assert edges.found(spans.all(), names) == edges.expected(graph)


def test_files_go_to_s3_and_come_back(spans: Spans, bucket: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    bucket.put(str(tmp_path / "a.csv"), "lake/in/a.csv")
    bucket.cp("s3://lake/in/a.csv", "s3://lake/in/b.csv")
    bucket.mv("lake/in/b.csv", "lake/in/c.csv")
    bucket.get("lake/in/c.csv", str(tmp_path / "c.csv"))
    bucket.get("lake/in/c.csv", f"{tmp_path}/sub/")
    assert bucket.cat("lake/in/c.csv") == CSV
    assert (tmp_path / "sub" / "c.csv").read_bytes() == CSV
    held(
        spans,
        {
            "file": edges.file_id(CSV),
            **{name: edges.object_id(f"s3://lake/in/{name}.csv", CSV) for name in "abc"},
        },
        """
        file -> fsspec.put -> file a
        a    -> fsspec.cp  -> b
        b    -> fsspec.mv  -> c
        c    -> fsspec.get -> file
        c    -> fsspec.get -> file
        c    -> fsspec.cat -> file
        """,
    )
    assert spans.one("fsspec.put").parameter("rpath") == "lake/in/a.csv"


def test_bytes_are_piped_and_read_back(spans: Spans, bucket: Any) -> None:
    bucket.pipe("lake/a.csv", CSV)
    bucket.pipe({"lake/b.csv": CSV, "lake/c.csv": b"x"})
    bucket.write_text("lake/d.txt", "grüße")
    assert bucket.read_text("lake/d.txt") == "grüße"
    assert bucket.cat(["lake/a.csv", "lake/c.csv"]) == {"lake/a.csv": CSV, "lake/c.csv": b"x"}
    text = "grüße".encode()
    held(
        spans,
        {
            "csv": edges.file_id(CSV),
            "x": edges.file_id(b"x"),
            "text": edges.file_id(text),
            "a": edges.object_id("s3://lake/a.csv", CSV),
            "b": edges.object_id("s3://lake/b.csv", CSV),
            "c": edges.object_id("s3://lake/c.csv", b"x"),
            "d": edges.object_id("s3://lake/d.txt", text),
        },
        """
        csv   -> fsspec.pipe       -> csv a
        csv x -> fsspec.pipe       -> csv x b c
        text  -> fsspec.write_text -> text d
        d     -> fsspec.read_text  -> text
        a c   -> fsspec.cat        -> csv x
        """,
    )


def test_a_table_in_parquet_has_one_id_on_both_sides(spans: Spans, bucket: Any) -> None:
    made = pd.DataFrame({"k": [1, 2, 3], "v": [0.5, 1.5, None]})
    made.to_parquet("s3://lake/t.parquet", filesystem=bucket, index=False)
    again = pd.read_parquet("s3://lake/t.parquet", filesystem=bucket)
    written, read = spans.all()
    table = otelprov.artifact(made).id
    assert otelprov.artifact(again).id == table
    assert written.used_ids == {table}
    (version,) = written.generated_ids - {table}
    assert version.startswith("version:")
    assert read.used_ids == {version}
    assert read.generated_ids == {table}


def test_a_partitioned_data_set_is_the_objects_that_were_read(spans: Spans, bucket: Any) -> None:
    made = pd.DataFrame({"k": [1, 1, 2], "v": [0.5, 1.5, 2.5]})
    made.to_parquet("lake/parts", filesystem=bucket, partition_cols=["k"])
    pd.read_parquet("lake/parts", filesystem=bucket)
    written, read = spans.all()
    made_of = {id_ for id_ in written.generated_ids if id_.startswith("version:")}
    assert len(made_of) == 2
    assert read.used_ids == made_of


def test_what_pandas_writes_into_an_open_file_is_stored_when_that_is_closed(
    spans: Spans, bucket: Any
) -> None:
    made = pd.DataFrame({"k": [1, 2, 3]})
    with bucket.open("lake/r.csv", "w") as file:
        made.to_csv(file, index=False)
    with bucket.open("lake/r.csv", "rb") as file:
        again = pd.read_csv(file)
    with bucket.open("lake/r.csv") as file:
        content = file.read()
    table = otelprov.artifact(again).id
    assert table == otelprov.artifact(made).id
    held(
        spans,
        {
            "table": table,
            "name": edges.name_id("s3://lake/r.csv"),
            "file": edges.file_id(content),
            "object": edges.object_id("s3://lake/r.csv", content),
        },
        """
        table  -> pandas.to_csv       -> name
        name   -> fsspec.S3File.write -> file object
        object -> pandas.read_csv     -> table
        object -> fsspec.S3File.read  -> file
        """,
    )


def test_what_the_program_reads_and_writes_itself_is_known_by_its_bytes(
    spans: Spans, bucket: Any
) -> None:
    with bucket.open("lake/a.txt", "wb") as file:
        for number in range(5):
            file.write(b"%d\n" % number)
    content = b"0\n1\n2\n3\n4\n"
    with bucket.open("lake/a.txt", "r") as file:
        lines = [line.strip() for line in file]
    assert lines == list("01234")
    with bucket.open("lake/a.txt") as file:
        file.read(3)  # in part
    with bucket.open("lake/a.txt") as file:
        file.seek(2)
        file.read()
    names = {"file": edges.file_id(content), "object": edges.object_id("s3://lake/a.txt", content)}
    held(
        spans,
        names,
        """
        file   -> fsspec.S3File.write -> file object
        object -> fsspec.S3File.read  -> file
        """,
    )


def test_files_in_memory_are_known_by_content(spans: Spans, memory: Any, tmp_path: Path) -> None:
    memory.pipe("/d/a.csv", CSV)
    memory.cp("/d/a.csv", "/d/b.csv")
    memory.mv("/d/b.csv", "/e/c.csv")
    memory.get("/e/c.csv", str(tmp_path / "c.csv"))
    memory.mkdir("/f")
    memory.put(str(tmp_path / "c.csv"), "/f/")
    frame = pd.read_csv("memory://f/c.csv")
    memory.get("/d", str(tmp_path / "d"), recursive=True)
    assert (tmp_path / "d" / "a.csv").read_bytes() == CSV
    held(
        spans,
        {"file": edges.file_id(CSV), "frame": otelprov.artifact(frame).id},
        """
        file -> fsspec.pipe     -> file
        file -> fsspec.cp       -> file
        file -> fsspec.mv       -> file
        file -> fsspec.get      -> file
        file -> fsspec.put      -> file
        file -> pandas.read_csv -> frame
        file -> fsspec.get      -> file
        """,
    )
    assert [event["otelprov.artifact.uri"] for event in spans.one("fsspec.mv").generated] == [
        "memory:///e/c.csv"
    ]


def test_local_files_keep_their_story(spans: Spans, tmp_path: Path) -> None:
    system = fsspec.filesystem("file")
    pd.DataFrame({"k": [1]}).to_csv(tmp_path / "a.csv")
    system.cp(str(tmp_path / "a.csv"), str(tmp_path / "b.csv"))
    system.mv(str(tmp_path / "b.csv"), str(tmp_path / "c.csv"))
    table, file = spans.all()[0].used_ids.pop(), edges.file_id(tmp_path / "a.csv")
    held(
        spans,
        {"table": table, "file": file},
        """
        table -> pandas.to_csv -> file
        file  -> fsspec.cp     -> file
        file  -> fsspec.mv     -> file
        """,
    )
    (moved,) = spans.one("fsspec.mv").generated
    assert moved["otelprov.artifact.uri"] == (tmp_path / "c.csv").as_uri()


def test_an_asynchronous_program_is_left_alone(spans: Spans, s3_environment: Any) -> None:
    import s3fs

    async def main() -> bytes:
        system = s3fs.S3FileSystem(
            endpoint_url=s3_environment["AWS_ENDPOINT_URL"],
            key="testing",
            secret="testing",
            asynchronous=True,
            skip_instance_cache=True,
        )
        session = await system.set_session()
        await system._pipe_file("lake/a.csv", CSV)
        found = await system._cat_file("lake/a.csv")
        await session.close()
        return bytes(found)

    assert asyncio.run(main()) == CSV


def test_what_fails_fails_as_it_does_without(spans: Spans, bucket: Any, memory: Any) -> None:
    for system in (bucket, memory):
        with pytest.raises(FileNotFoundError) as caught:
            system.cat("lake/nowhere")
        files = [str(frame.path) for frame in caught.traceback[1:]]
        assert not [file for file in files if "uncounted" in file or "instrumentation" in file]
    assert [span.status["code"] for span in spans.all()] == [2, 2]


def test_methods_look_and_pickle_as_they_did(bucket: Any, memory: Any) -> None:
    spec = fsspec.spec.AbstractFileSystem
    for name in ("get", "put", "cat", "pipe", "mv", "copy"):
        function = getattr(spec, name)
        assert pickle.loads(pickle.dumps(function)) is function
        assert cloudpickle.loads(cloudpickle.dumps(function)) is function
        assert "self" in inspect.signature(function).parameters
    assert list(inspect.signature(bucket.get_file).parameters)[:2] == ["rpath", "lpath"]
    assert bucket.get.__doc__
    again = pickle.loads(pickle.dumps(bucket))
    assert type(again) is type(bucket)


class Pages(fsspec.asyn.AsyncFileSystem):  # type: ignore[misc]
    """An asynchronous file system of a stranger's, with names and texts of its own, or none."""

    protocol = "pages"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pages: dict[str, bytes] = {}

    async def _cat_file(self, url: str, start: Any = None, end: Any = None) -> bytes:
        return self.pages[url]

    async def _pipe_file(self, path: str, data: bytes, **options: Any) -> None:
        """Put a page."""
        self.pages[path] = data


def test_methods_of_a_strangers_file_system_are_functions_as_ever(spans: Spans) -> None:
    system = Pages(skip_instance_cache=True)
    libraries["fsspec"].uninstrument()
    plain = Pages(skip_instance_cache=True)
    libraries["fsspec"].instrument()
    for name in ("cat_file", "pipe_file", "cp_file", "cat", "get"):
        one, other = getattr(system, name), getattr(plain, name)
        assert type(one) is type(other)
        assert (one.__doc__, one.__name__) == (other.__doc__, other.__name__)
        assert (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
        assert inspect.signature(one) == inspect.signature(other)
        assert vars(one).keys() == vars(other).keys()
    system.pipe_file("a.csv", data=CSV)
    assert system.cat_file(url="a.csv") == CSV
    with pytest.raises(KeyError) as caught:
        system.cat_file("nowhere")
    files = [str(frame.path) for frame in caught.traceback[1:]]
    assert not [file for file in files if "uncounted" in file or "instrumentation" in file]
    piped, read, failed = spans.all()
    assert (piped.name, read.name, failed.name) == (
        "fsspec.pipe_file", "fsspec.cat_file", "fsspec.cat_file",
    )  # fmt: skip
    assert piped.used_ids == {edges.file_id(CSV)} == read.generated_ids
    assert read.used_ids == piped.generated_ids - piped.used_ids
    assert read.attributes["code.function.name"] == failed.attributes["code.function.name"]
    assert str(read.attributes["code.file.path"]).endswith("test_fsspec.py")


class Shelf(Pages):
    """One that passes on whatever it is given, as adlfs does."""

    protocol = "shelf"

    async def _put_file(self, lpath: str, rpath: str, **options: Any) -> None:
        self.pages[rpath] = Path(lpath).read_bytes()

    async def _get_file(self, rpath: str, lpath: str, **options: Any) -> None:
        Path(lpath).write_bytes(self.pages[rpath])

    async def _cp_file(self, path1: str, path2: str, **options: Any) -> None:
        self.pages[path2] = self.pages[path1]

    async def _info(self, path: str, **options: Any) -> dict[str, Any]:
        if path not in self.pages:
            raise FileNotFoundError(path)
        return {"name": path, "type": "file", "size": len(self.pages[path])}

    async def _ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        return []

    async def _put(self, *args: Any, **options: Any) -> Any:
        return await super()._put(*args, **options)

    async def _get(self, *args: Any, **options: Any) -> Any:
        return await super()._get(*args, **options)


def test_what_a_store_does_not_say_is_where_the_program_said(spans: Spans, tmp_path: Path) -> None:
    system = Shelf(skip_instance_cache=True)
    (tmp_path / "a.csv").write_bytes(CSV)
    system.put(str(tmp_path / "a.csv"), "b.csv")
    system.copy("b.csv", "c.csv")
    system.put(str(tmp_path / "a.csv"), "to/")
    system.get("c.csv", str(tmp_path / "d.csv"))
    assert set(system.pages) == {"b.csv", "c.csv", "to/a.csv"}
    assert (tmp_path / "d.csv").read_bytes() == CSV
    names = {"b": "b.csv", "c": "c.csv", "to": "to/a.csv"}
    ids = {name: identify_location(f"shelf://{path}").id for name, path in names.items()}
    held(
        spans,
        {"file": edges.file_id(CSV), **ids},
        """
        file -> fsspec.put  -> b file
        b    -> fsspec.copy -> c
        file -> fsspec.put  -> to file
        c    -> fsspec.get  -> file
        """,
    )


def test_a_method_that_cloudpickle_takes_apart_needs_nothing_of_ours(
    spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = fsspec.filesystem("http", skip_instance_cache=True)
    pickled = cloudpickle.dumps(system.cat)
    assert pickle.loads(pickled).__name__ == "_cat"
    for name in list(sys.modules):
        if name.partition(".")[0] == "otelprov":
            monkeypatch.setitem(sys.modules, name, None)  # its import fails
    assert pickle.loads(pickled).__name__ == "_cat"


def test_uninstrument_puts_the_very_functions_back(spans: Spans) -> None:
    before = fsspec.spec.AbstractFileSystem.get, fsspec.asyn.sync_wrapper
    libraries["fsspec"].uninstrument()
    plain = fsspec.spec.AbstractFileSystem.get, fsspec.asyn.sync_wrapper
    libraries["fsspec"].instrument()
    assert plain == tuple(function.__wrapped__ for function in before)  # type: ignore[attr-defined]


def test_a_file_that_is_opened_twice_at_once_is_not_confused(spans: Spans, bucket: Any) -> None:
    bucket.pipe("lake/a.csv", CSV)
    spans.clear()
    with bucket.open("lake/a.csv") as one, bucket.open("lake/a.csv") as two:
        assert one.read(4) == two.read(4)
        assert io.BytesIO(one.read()).getvalue() == two.read()
    assert [span.generated_ids for span in spans.all()] == [{edges.file_id(CSV)}] * 2


def test_what_the_program_awaits_of_s3fs_is_recorded(
    spans: Spans, s3_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(CSV)
    url = s3_environment["AWS_ENDPOINT_URL"]
    import s3fs

    async def program() -> None:
        store = s3fs.S3FileSystem(asynchronous=True, client_kwargs={"endpoint_url": url})
        session = await store.set_session()
        await store._put_file(str(tmp_path / "a"), "lake/a")
        await store._pipe_file("lake/b", CSV)
        await asyncio.gather(
            store._cp_file("lake/a", "lake/c"), asyncio.create_task(store._cat_file("lake/b"))
        )
        await store._get_file("lake/c", str(tmp_path / "c"))
        found = await store._cat(["lake/a", "lake/b"])
        assert found == {"lake/a": CSV, "lake/b": CSV}
        with pytest.raises(FileNotFoundError) as raised:
            await store._cat_file("lake/nothing")
        assert not support.is_ours(raised)
        await session.close()

    asyncio.run(program())
    assert (tmp_path / "c").read_bytes() == CSV
    *recorded, failed = sorted(spans.all(), key=lambda one: one.status.get("code", 0))
    names = {
        "file": edges.file_id(CSV),
        **{name: edges.object_id(f"s3://lake/{name}", CSV) for name in "abc"},
    }
    assert edges.found(recorded, names) == edges.expected(
        """
        file -> fsspec.put_file  -> file a
        file -> fsspec.pipe_file -> file b
        a    -> fsspec.cp_file   -> c
        b    -> fsspec.cat_file  -> file
        c    -> fsspec.get_file  -> file
        a b  -> fsspec.cat       -> file
        """
    )
    assert failed.name == "fsspec.cat_file" and failed.status["code"] == 2


def test_asynchronous_methods_stay_what_they_are() -> None:
    import s3fs

    for name in ("_cat_file", "_put", "_pipe_file"):
        function = getattr(s3fs.S3FileSystem, name)
        assert inspect.iscoroutinefunction(function)
        assert pickle.loads(pickle.dumps(function)) is function

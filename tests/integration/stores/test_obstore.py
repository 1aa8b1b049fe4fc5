"""Objects that obstore puts, gets, copies and renames."""

from __future__ import annotations

import asyncio
import gc
import http.server
import io
import pickle
import threading
from pathlib import Path
from typing import Any

import edges
import obstore
import pytest
from obstore.store import HTTPStore, LocalStore, MemoryStore, S3Store
from support import Spans

from otelprov.instrumentation.instrumentors import libraries

CSV = b"k,v\n1,10\n2,20\n3,30\n"


def held(spans: Spans, names: dict[str, str], graph: str) -> None:
    assert edges.found(spans.all(), names) == edges.expected(graph)


@pytest.fixture
def store(s3_environment: dict[str, str], spans: Spans) -> Any:
    return S3Store(
        "lake",
        endpoint=s3_environment["AWS_ENDPOINT_URL"],
        access_key_id="testing",
        secret_access_key="testing",
        region="us-east-1",
        client_options={"allow_http": True},
        virtual_hosted_style_request=False,
    )


def test_what_obstore_puts_boto3_gets(spans: Spans, store: Any, s3: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    obstore.put(store, "a.csv", tmp_path / "a.csv")
    store.put("b.csv", CSV)
    obstore.put(store, "c.csv", io.BytesIO(CSV))
    s3.download_file("lake", "a.csv", str(tmp_path / "back.csv"))
    assert bytes(obstore.get(store, "b.csv").bytes()) == CSV
    assert bytes(store.get_range("c.csv", start=0, end=3)) == CSV[:3]
    held(
        spans,
        {
            "file": edges.file_id(CSV),
            "part": edges.file_id(CSV[:3]),
            **{name: edges.object_id(f"s3://lake/{name}.csv", CSV) for name in "abc"},
            "name-of-c": edges.name_id("s3://lake/c.csv"),
        },
        """
        file      -> obstore.put         -> file a
        file      -> obstore.put         -> file b
        file      -> obstore.put         -> file c
        a         -> boto3.download_file -> file
        b         -> obstore.get         ->
        name-of-c -> obstore.get_range   -> part
        """,
    )


def test_what_goes_on_at_once_is_recorded_as_it_ends(spans: Spans, store: Any) -> None:
    async def program() -> bytes:
        puts = [obstore.put_async(store, f"{name}.csv", CSV) for name in "ab"]
        assert all(isinstance(one, asyncio.Future) for one in puts)
        await asyncio.gather(*puts, store.put_async("c.csv", CSV))
        got = await asyncio.create_task(store.get_async("b.csv"))
        part = await obstore.get_range_async(store, "c.csv", start=0, end=3)
        await store.copy_async("a.csv", "d.csv")
        with pytest.raises(FileNotFoundError):
            await store.get_async("nowhere")
        assert bytes(await got.bytes_async()) == CSV
        return bytes(part)

    assert asyncio.run(program()) == CSV[:3]
    *spans_, failed = sorted(spans.all(), key=lambda one: one.status.get("code", 0))
    assert edges.found(
        spans_,
        {
            "file": edges.file_id(CSV),
            "part": edges.file_id(CSV[:3]),
            **{name: edges.object_id(f"s3://lake/{name}.csv", CSV) for name in "abc"},
            "name-of-a": edges.name_id("s3://lake/a.csv"),
            "name-of-c": edges.name_id("s3://lake/c.csv"),
            "name-of-d": edges.name_id("s3://lake/d.csv"),
        },
    ) == edges.expected(
        """
        file      -> obstore.put       -> file a
        file      -> obstore.put       -> file b
        file      -> obstore.put       -> file c
        b         -> obstore.get       ->
        name-of-c -> obstore.get_range -> part
        name-of-a -> obstore.copy      -> name-of-d
        """
    )
    assert failed.name == "obstore.get" and failed.status["code"] == 2
    assert {span.attributes["code.function.name"] for span in spans_} >= {
        f"{__name__}.test_what_goes_on_at_once_is_recorded_as_it_ends.<locals>.program"
    }


def test_a_future_that_nobody_looks_at_says_so_as_before(spans: Spans, store: Any) -> None:
    said: list[str] = []

    async def program() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: said.append(context["message"])
        )
        for _ in range(20):  # of obstore itself, unrecorded, one in a hundred says nothing
            future = obstore.get_async(store, "nowhere")
            while not future.done():
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.01)  # what is called when it is done holds it until then
            del future
            gc.collect()
            if said:
                break

    asyncio.run(program())
    assert set(said) == {"Future exception was never retrieved"}
    assert {one.status["code"] for one in spans.all() if one.name == "obstore.get"} == {2}


def test_files_of_this_machine_keep_their_story(spans: Spans, tmp_path: Path) -> None:
    local = LocalStore(tmp_path)
    obstore.put(local, "a.csv", CSV)
    local.copy("a.csv", "b.csv")
    obstore.rename(local, "b.csv", "c.csv")
    held(
        spans,
        {"file": edges.file_id(CSV)},
        """
        file -> obstore.put    -> file
        file -> obstore.copy   -> file
        file -> obstore.rename -> file
        """,
    )
    (moved,) = spans.one("obstore.rename").generated
    assert moved["otelprov.artifact.uri"] == (tmp_path / "c.csv").as_uri()


def test_what_is_copied_in_a_store_is_known_by_name(spans: Spans, store: Any) -> None:
    store.put("a.csv", CSV)
    store.copy("a.csv", "b.csv")
    assert spans.one("obstore.copy").generated_ids == {edges.name_id("s3://lake/b.csv")}


def test_an_object_in_memory_is_what_was_put_into_that_very_store(spans: Spans) -> None:
    class Mine(MemoryStore):
        """A program's own."""

    for store in (MemoryStore(), Mine()):
        store.put("a.csv", CSV)
        assert bytes(store.get("a.csv").bytes()) == CSV
        assert bytes(obstore.get_range(store, "a.csv", start=0, end=4)) == CSV[:4]
        store.copy("a.csv", "b.csv")
        del store  # the next may get its address
    puts = [one for one in spans.all() if one.name == "obstore.put"]
    gets = [one for one in spans.all() if one.name == "obstore.get"]
    assert [one.used_ids for one in puts] == [{edges.file_id(CSV)}] * 2
    assert [one.used_ids for one in gets] == [one.generated_ids - one.used_ids for one in puts]
    assert not gets[0].used_ids & gets[1].used_ids


def test_a_page_is_got_from_where_it_is(spans: Spans) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(CSV)))
            self.send_header("Last-Modified", "Thu, 26 Nov 2026 10:00:00 GMT")
            self.end_headers()
            self.wfile.write(CSV)

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/lake"
        store = HTTPStore(url, client_options={"allow_http": True})
        assert bytes(store.get("a.csv").bytes()) == CSV
        server.shutdown()
    (used,) = spans.one("obstore.get").used
    assert used["otelprov.artifact.uri"] == f"{url}/a.csv"


def test_what_fails_fails_as_it_does_without(spans: Spans, store: Any) -> None:
    with pytest.raises(FileNotFoundError):
        obstore.get(store, "nowhere")
    span = spans.one("obstore.get")
    assert span.status["code"] == 2
    assert not span.generated


def test_functions_pickle_and_are_put_back(spans: Spans) -> None:
    methods = obstore.store.S3Store.__mro__[1]  # whose name is not the same in every version
    patched = obstore.get, methods.put
    for function in patched:
        assert pickle.loads(pickle.dumps(function)) is function
    libraries["obstore"].uninstrument()
    plain = obstore.get, methods.put
    libraries["obstore"].instrument()
    assert plain == tuple(function.__wrapped__ for function in patched)  # type: ignore[attr-defined]

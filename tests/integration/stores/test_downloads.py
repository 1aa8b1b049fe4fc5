"""What programs download over HTTP: by URL and version, and the body by its bytes."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import pickle
import shutil
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import edges
import httpx
import pandas as pd
import pytest
import requests
from support import Spans

import otelprov
from otelprov.artifacts.locations import without_credentials
from otelprov.instrumentation.instrumentors import libraries
from otelprov.recording.streams import version_of

CSV = b"k,v\n1,10\n2,20\n3,30\n"
Web = tuple[str, Path]


def held(spans: Spans, names: dict[str, str], graph: str) -> None:
    assert edges.found(spans.all(), names) == edges.expected(graph)


def answer_id(url: str, path: Path) -> str:
    """What the server says of the version is the ETag that it makes of the time."""
    return version_of(url, {"ETag": f'"{path.stat().st_mtime_ns:x}"'}).id


@pytest.fixture
def names(web: Web) -> dict[str, str]:
    url, directory = web
    (directory / "a.csv").write_bytes(CSV)
    frame = pd.read_csv(io.BytesIO(CSV))
    return {
        "answer": answer_id(f"{url}/a.csv", directory / "a.csv"),
        "file": edges.file_id(CSV),
        "table": otelprov.artifact(frame).id,
    }


def read_bytes(content: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content))


def read_text(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


def with_session(url: str) -> pd.DataFrame:
    with requests.Session() as session:
        return read_bytes(session.get(url, params={"q": 1} if "?" in url else None).content)


def with_client(url: str) -> pd.DataFrame:
    with httpx.Client() as client:
        return read_bytes(client.get(url).content)


async def awaited(url: str) -> pd.DataFrame:
    async with httpx.AsyncClient() as client:
        return read_bytes((await client.get(url)).content)


WHOLE: dict[str, Any] = {
    "requests.get content": lambda url: read_bytes(requests.get(url).content),
    "requests.get text": lambda url: read_text(requests.get(url).text),
    "requests.get session": with_session,
    "httpx.get content": lambda url: read_bytes(httpx.get(url).content),
    "httpx.get text": lambda url: read_text(httpx.get(url).text),
    "httpx.get client": with_client,
    "httpx.get async": lambda url: asyncio.run(awaited(url)),
}


@pytest.mark.parametrize("way", WHOLE)
def test_a_download_that_pandas_reads(
    names: dict[str, str], spans: Spans, web: Web, way: str
) -> None:
    frame = WHOLE[way](f"{web[0]}/a.csv")
    assert len(frame) == 3
    operation = way.split()[0]
    held(
        spans,
        names,
        f"""
        answer -> {operation}      -> file
        file   -> pandas.read_csv  -> table
        """,
    )
    span = spans.one(operation)
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["otelprov.operation.kind"] == "read"
    assert span.attributes["code.file.path"] == __file__
    assert span.parameter("url") == f"{web[0]}/a.csv"
    assert span.used[0]["otelprov.artifact.uri"] == f"{web[0]}/a.csv"


INSIDE: dict[str, Any] = {
    "read_csv": lambda url: pd.read_csv(url),
    "read_table": lambda url: pd.read_table(url, sep=",", storage_options={"User-Agent": "test"}),
    "read_fwf": lambda url: pd.read_fwf(url),
    "read_json": lambda url: pd.read_json(url.replace(".csv", ".json")),
    "read_parquet": lambda url: pd.read_parquet(url.replace(".csv", ".parquet")),
    "read_pickle": lambda url: pd.read_pickle(url.replace(".csv", ".pkl")),
}


@pytest.mark.parametrize("name", INSIDE)
def test_a_url_that_pandas_reads_itself_is_known_by_its_version(
    spans: Spans, web: Web, name: str
) -> None:
    url, directory = web
    frame = pd.DataFrame({"k": [1, 2], "v": [10, 20]})
    frame.to_csv(directory / "a.csv", index=False)
    frame.to_json(directory / "a.json")
    frame.to_parquet(directory / "a.parquet")
    frame.to_pickle(directory / "a.pkl")
    spans.clear()
    assert len(INSIDE[name](f"{url}/a.csv")) == 2
    read = spans.one(f"pandas.{name}")
    (used,) = read.used
    path = directory / str(used["otelprov.artifact.uri"]).rpartition("/")[2]
    assert used["otelprov.used.id"] == answer_id(f"{url}/{path.name}", path)
    assert [one.name for one in spans.all()] == [f"pandas.{name}"]
    # The program's own download of it is the same artifact.
    spans.clear()
    urllib.request.urlopen(f"{url}/{path.name}").read()
    assert spans.one("urllib.urlopen").used_ids == read.used_ids


def written_by_requests(url: str, target: Path) -> None:
    with requests.get(url, stream=True) as answer, target.open("wb") as file:
        for chunk in answer.iter_content(chunk_size=5):
            file.write(chunk)


def written_by_httpx(url: str, target: Path) -> None:
    with httpx.stream("GET", url) as answer, target.open("wb") as file:
        for chunk in answer.iter_bytes():
            file.write(chunk)


def written_by_httpx_async(url: str, target: Path) -> None:
    async def main() -> None:
        async with httpx.AsyncClient() as client, client.stream("GET", url) as answer:
            with target.open("wb") as file:
                async for chunk in answer.aiter_bytes(7):
                    file.write(chunk)

    asyncio.run(main())


def written_by_urllib(url: str, target: Path) -> None:
    with urllib.request.urlopen(url) as answer:
        target.write_bytes(answer.read())


def written_by_urllib_in_pieces(url: str, target: Path) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "test"})
    with urllib.request.urlopen(request, timeout=20) as answer, target.open("wb") as file:
        while piece := answer.read(7):
            file.write(piece)


def written_by_urllib_by_lines(url: str, target: Path) -> None:
    with urllib.request.urlopen(url) as answer, target.open("wb") as file:
        for line in answer:
            file.write(line)


STREAMED: dict[str, tuple[Any, str, str]] = {
    "requests": (written_by_requests, "requests.get", "requests.Response.iter_content"),
    "httpx": (written_by_httpx, "httpx.get", "httpx.Response.iter_bytes"),
    "httpx async": (written_by_httpx_async, "httpx.get", "httpx.Response.aiter_bytes"),
    "urllib": (written_by_urllib, "urllib.urlopen", "urllib.HTTPResponse.read"),
    "urllib pieces": (written_by_urllib_in_pieces, "urllib.urlopen", "urllib.HTTPResponse.read"),
    "urllib lines": (written_by_urllib_by_lines, "urllib.urlopen", "urllib.HTTPResponse.read"),
}


@pytest.mark.parametrize("way", STREAMED)
def test_a_download_that_is_written_to_a_file_as_it_comes(
    names: dict[str, str], spans: Spans, web: Web, tmp_path: Path, way: str
) -> None:
    write, asked, read = STREAMED[way]
    write(f"{web[0]}/a.csv", tmp_path / "here.csv")
    assert (tmp_path / "here.csv").read_bytes() == CSV
    pd.read_csv(tmp_path / "here.csv")
    held(
        spans,
        names,
        f"""
        answer    -> {asked}         -> [{asked}]
        [{asked}] -> {read}          -> file
        file      -> pandas.read_csv -> table
        """,
    )


def test_the_raw_stream_is_poured_into_a_file(
    names: dict[str, str], spans: Spans, web: Web, tmp_path: Path
) -> None:
    here, too = tmp_path / "here.csv", tmp_path / "too.csv"
    with requests.get(f"{web[0]}/a.csv", stream=True) as answer, here.open("wb") as file:
        shutil.copyfileobj(answer.raw, file)
    with urllib.request.urlopen(f"{web[0]}/a.csv") as response, too.open("wb") as file:
        shutil.copyfileobj(response, file)
    assert too.read_bytes() == CSV
    spans_ = edges.found(spans.all(), names)
    assert spans_ == edges.expected(
        """
        answer           -> requests.get       -> [requests.get]
        [requests.get]   -> shutil.copyfileobj -> file
        answer           -> urllib.urlopen     -> [urllib.urlopen]
        [urllib.urlopen] -> shutil.copyfileobj -> file
        """
    ) + Counter(
        {
            ("urllib.HTTPResponse.read", "used", "[urllib.urlopen]"): 1,
            ("urllib.HTTPResponse.read", "generated", "file"): 1,
        }
    )


def test_pandas_reads_from_an_answer(names: dict[str, str], spans: Spans, web: Web) -> None:
    with urllib.request.urlopen(f"{web[0]}/a.csv") as answer:
        pd.read_csv(answer)
    with requests.get(f"{web[0]}/a.csv", stream=True) as answer:
        pd.read_csv(answer.raw)
    pd.read_csv(f"{web[0]}/a.csv")  # its own request is a part of the call
    held(
        spans,
        names,
        """
        answer           -> urllib.urlopen  -> [urllib.urlopen]
        [urllib.urlopen] -> pandas.read_csv -> table
        answer           -> requests.get    -> [requests.get]
        [requests.get]   -> pandas.read_csv -> table
        answer           -> pandas.read_csv -> table
        """,
    )


def test_a_file_that_urllib_retrieves(
    names: dict[str, str], spans: Spans, web: Web, tmp_path: Path
) -> None:
    urllib.request.urlretrieve(f"{web[0]}/a.csv", tmp_path / "here.csv")
    pd.read_csv(tmp_path / "here.csv")
    held(
        spans,
        names,
        """
        answer -> urllib.urlretrieve -> file
        file   -> pandas.read_csv    -> table
        """,
    )


ROWS = [{"k": 1, "v": 0.5}, {"k": 2, "v": 1.5}]
FROM_JSON: dict[str, Any] = {
    "DataFrame": (ROWS, lambda value: pd.DataFrame(value)),
    "of a key": ({"data": ROWS, "page": 1}, lambda value: pd.DataFrame(value["data"])),
    "deeper": ({"d": {"rows": ROWS}}, lambda value: pd.DataFrame(value["d"]["rows"])),
    "json_normalize": ({"data": ROWS}, lambda value: pd.json_normalize(value["data"])),
    "from_records": (ROWS, lambda value: pd.DataFrame.from_records(value)),
}


@pytest.mark.parametrize("way", FROM_JSON)
@pytest.mark.parametrize("get", [requests.get, httpx.get])
def test_a_table_of_json_comes_from_the_answer(
    spans: Spans, web: Web, tmp_path: Path, way: str, get: Any
) -> None:
    value, make = FROM_JSON[way]
    (web[1] / "a.json").write_text(json.dumps(value))
    made = make(get(f"{web[0]}/a.json").json())
    made.to_csv(tmp_path / "out.csv")
    body = edges.file_id(json.dumps(value).encode())
    assert spans.all()[0].generated_ids == {body}
    assert spans.all()[1].used_ids == {body}


def test_a_text_that_is_not_utf8_is_another_file(spans: Spans, web: Web) -> None:
    content = "name\ngrüße\n".encode("latin-1")
    (web[1] / "a.txt").write_bytes(content)
    answer = requests.get(f"{web[0]}/a.txt")
    answer.encoding = "latin-1"
    pd.read_csv(io.StringIO(answer.text))
    assert spans.names() == ["requests.get", "requests.Response.text", "pandas.read_csv"]
    get, text, read = spans.all()
    assert get.generated_ids == text.used_ids == {edges.file_id(content)}
    assert text.generated_ids == read.used_ids == {edges.file_id("name\ngrüße\n".encode())}


def test_an_answer_to_post_is_an_input_too(spans: Spans, web: Web) -> None:
    requests.post(f"{web[0]}/query", data=b"a\n1\n")
    httpx.post(f"{web[0]}/query", content=b"a\n1\n")
    urllib.request.urlopen(f"{web[0]}/query", data=b"a\n1\n").read()
    assert spans.names() == [
        "requests.post", "httpx.post", "urllib.urlopen", "urllib.HTTPResponse.read"
    ]  # fmt: skip
    assert spans.all()[0].generated_ids == {edges.file_id(b"a\n1\n")}
    requests.head(f"{web[0]}/query")
    assert len(spans.all()) == 4


def test_credentials_are_not_recorded(spans: Spans, web: Web, tmp_path: Path) -> None:
    (web[1] / "a.csv").write_bytes(CSV)
    url = f"{web[0]}/a.csv?token=s3cr3tv4lue&page=2"
    requests.get(url, headers={"Authorization": "Bearer s3cr3tv4lue"}, auth=("u", "s3cr3tv4lue"))
    httpx.get(url, headers={"Authorization": "Bearer s3cr3tv4lue"})
    urllib.request.urlopen(url).read()
    said = repr(spans.all())
    assert "s3cr3tv4lue" not in said
    assert "page=2" in said
    assert spans.all()[0].used[0]["otelprov.artifact.uri"] == without_credentials(url)


def test_what_fails_fails_as_it_does_without(spans: Spans, web: Web) -> None:
    gone = "http://127.0.0.1:9/a.csv"
    for act, error in (
        (lambda: requests.get(gone), requests.ConnectionError),
        (lambda: httpx.get(gone), httpx.ConnectError),
        (lambda: urllib.request.urlopen(gone), urllib.error.URLError),
        (lambda: urllib.request.urlopen(f"{web[0]}/none"), urllib.error.HTTPError),
    ):
        with pytest.raises(error) as caught:
            act()
        files = [str(frame.path) for frame in caught.traceback[1:]]
        assert not [file for file in files if "instrumentation" in file or "uncounted" in file]
    spans_ = spans.all()
    assert [span.status["code"] for span in spans_] == [2, 2, 2, 2]
    assert not any(span.generated for span in spans_)
    assert spans_[0].used_ids == {edges.name_id(gone)}


def test_an_error_page_is_no_version_of_what_was_asked_for(spans: Spans, web: Web) -> None:
    assert requests.get(f"{web[0]}/none").status_code == 404
    span = spans.one("requests.get")
    assert span.used_ids == {edges.name_id(f"{web[0]}/none")}
    assert span.attributes["http.response.status_code"] == 404


def test_no_header_is_added(spans: Spans, web: Web) -> None:
    sent = [
        requests.get(f"{web[0]}/none").request.headers,
        httpx.get(f"{web[0]}/none").request.headers,
    ]
    for headers in sent:
        assert "traceparent" not in {name.lower() for name in headers}


def test_requests_of_exporters_are_not_the_programs(spans: Spans, web: Web) -> None:
    from opentelemetry import context
    from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY

    token = context.attach(context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    requests.post(f"{web[0]}/v1/traces", data=b"x")
    context.detach(token)
    assert spans.names() == []


def test_an_answer_pickles_and_a_generator_stays_one(
    names: dict[str, str], spans: Spans, web: Web
) -> None:
    answer = requests.get(f"{web[0]}/a.csv")
    assert pickle.loads(pickle.dumps(answer)).content == CSV
    with requests.get(f"{web[0]}/a.csv", stream=True) as answer:
        assert inspect.isgenerator(answer.iter_content(3))
    assert inspect.iscoroutinefunction(httpx.AsyncClient.send)
    assert isinstance(inspect.getattr_static(requests.Response, "text"), property)
    for function in (
        requests.Session.send, requests.Response.json, httpx.Client.send, urllib.request.urlopen
    ):  # fmt: skip
        assert pickle.loads(pickle.dumps(function)) is function
        assert inspect.signature(function) == inspect.signature(inspect.unwrap(function))


def test_uninstrument_puts_the_very_functions_back(spans: Spans) -> None:
    found = []
    for name in ("requests", "httpx", "urllib"):
        libraries[name].uninstrument()
        found += [requests.Session.send, httpx.Client.send, urllib.request.urlopen]
        libraries[name].instrument()
    plain = found[0], found[4], found[8]
    patched = requests.Session.send, httpx.Client.send, urllib.request.urlopen
    assert plain == tuple(inspect.unwrap(one) for one in patched)
    assert all(one is not other for one, other in zip(plain, patched, strict=True))

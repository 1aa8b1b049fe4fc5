"""Which objects of S3 were read and written: exactly those, through boto3, pandas and s3fs."""

from __future__ import annotations

import gzip
import io
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import edges
import pandas as pd
import pytest
from support import Spans

import otelprov
from otelprov.instrumentation.instrumentors import libraries

CSV = b"k,v\n1,10\n2,20\n3,30\n"
OTHER = b"k,w\n1,0.5\n2,1.5\n"


def table(content: bytes) -> str:
    return otelprov.artifact(pd.read_csv(io.BytesIO(content))).id


def held(spans: Spans, names: dict[str, str], graph: str) -> None:
    assert edges.found(spans.all(), names) == edges.expected(graph)


def test_an_object_that_is_put_and_got_is_the_same_on_both_sides(spans: Spans, s3: Any) -> None:
    s3.put_object(Bucket="lake", Key="a.csv", Body=CSV)
    body = s3.get_object(Bucket="lake", Key="a.csv")["Body"].read()
    frame = pd.read_csv(io.BytesIO(body))
    names = {
        "bytes": edges.file_id(CSV),
        "object": edges.object_id("s3://lake/a.csv", CSV),
        "frame": otelprov.artifact(frame).id,
    }
    held(
        spans,
        names,
        """
        bytes                       -> botocore.put_object         -> bytes object
        object                      -> botocore.get_object         -> [botocore.get_object]
        [botocore.get_object]       -> botocore.StreamingBody.read -> bytes
        bytes                       -> pandas.read_csv             -> frame
        """,
    )
    put = spans.one("botocore.put_object")
    assert put.attributes["otelprov.operation.kind"] == "write"
    assert put.parameter("Bucket") == "lake"
    assert put.parameter("Body") is None
    assert {event["otelprov.artifact.uri"] for event in put.generated} == {"s3://lake/a.csv"}


READ_WHOLE: dict[str, Any] = {
    "read": lambda body: body.read(),
    "pieces": lambda body: b"".join(iter(lambda: body.read(7), b"")),
    "the exact number of bytes": lambda body: body.read(len(CSV)),
    "chunks": lambda body: b"".join(body.iter_chunks(4)),
    "iteration": lambda body: b"".join(body),
    "lines": lambda body: b"\n".join(body.iter_lines()) + b"\n",
    "a text wrapper": lambda body: io.TextIOWrapper(body).read().encode(),
    "a buffered reader": lambda body: io.BufferedReader(body).read(),
}


@pytest.mark.parametrize("way", READ_WHOLE)
def test_a_body_that_is_read_whole_is_known_by_its_bytes(spans: Spans, s3: Any, way: str) -> None:
    s3.put_object(Bucket="lake", Key="a.csv", Body=CSV)
    spans.clear()
    assert READ_WHOLE[way](s3.get_object(Bucket="lake", Key="a.csv")["Body"]) == CSV
    read = spans.one("botocore.StreamingBody.read")
    assert read.generated_ids == {edges.file_id(CSV)}
    assert read.used_ids == spans.one("botocore.get_object").generated_ids


READ_IN_PART: dict[str, Any] = {
    "nothing": lambda body: None,
    "the first bytes": lambda body: body.read(5),
    "behind its back": lambda body: (body.read(3), body._raw_stream.read(3), body.close()),
}


@pytest.mark.parametrize("way", READ_IN_PART)
def test_a_body_that_is_read_in_part_has_no_content(spans: Spans, s3: Any, way: str) -> None:
    s3.put_object(Bucket="lake", Key="a.csv", Body=CSV)
    spans.clear()
    READ_IN_PART[way](s3.get_object(Bucket="lake", Key="a.csv")["Body"])
    assert spans.names() == ["botocore.get_object"]


@pytest.mark.parametrize("wrapped", ["plain", "text", "gzip", "with"])
def test_pandas_reads_a_body(spans: Spans, s3: Any, wrapped: str) -> None:
    content = gzip.compress(CSV) if wrapped == "gzip" else CSV
    s3.put_object(Bucket="lake", Key="a.csv", Body=content)
    spans.clear()
    body = s3.get_object(Bucket="lake", Key="a.csv")["Body"]
    if wrapped == "text":
        frame = pd.read_csv(io.TextIOWrapper(body))
    elif wrapped == "gzip":
        frame = pd.read_csv(gzip.GzipFile(fileobj=body))
    elif wrapped == "with":
        with body as stream:
            frame = pd.read_csv(stream)
    else:
        frame = pd.read_csv(body)
    names = {
        "object": edges.object_id("s3://lake/a.csv", content),
        "frame": otelprov.artifact(frame).id,
    }
    held(
        spans,
        names,
        """
        object                -> botocore.get_object -> [botocore.get_object]
        [botocore.get_object] -> pandas.read_csv     -> frame
        """,
    )


def test_a_file_that_is_uploaded_and_downloaded_keeps_its_id(
    spans: Spans, s3: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    s3.upload_file(str(tmp_path / "a.csv"), "lake", "in/a.csv")
    s3.download_file("lake", "in/a.csv", str(tmp_path / "b.csv"))
    held(
        spans,
        {"file": edges.file_id(CSV), "object": edges.object_id("s3://lake/in/a.csv", CSV)},
        """
        file   -> boto3.upload_file   -> file object
        object -> boto3.download_file -> file
        """,
    )
    assert spans.one("boto3.download_file").parameter("Key") == "in/a.csv"
    assert spans.one("boto3.upload_file").attributes["otelprov.operation.kind"] == "write"


def test_an_upload_in_parts_is_the_version_that_came_of_it(
    spans: Spans, s3: Any, tmp_path: Path
) -> None:
    from boto3.s3.transfer import TransferConfig

    big = tmp_path / "big.bin"
    big.write_bytes(bytes(range(256)) * (11 << 12))
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    s3.upload_file(str(big), "lake", "big.bin", Config=config)
    s3.download_file("lake", "big.bin", str(tmp_path / "again.bin"), Config=config)
    up, down = spans.all()
    assert edges.file_id(big) in up.generated_ids & up.used_ids & down.generated_ids
    (version,) = down.used_ids
    assert version.startswith("version:")
    assert version in up.generated_ids


def test_streams_are_uploaded_from_where_they_stand(spans: Spans, s3: Any, tmp_path: Path) -> None:
    buffer = io.BytesIO(b"head" + CSV)
    buffer.seek(4)
    s3.upload_fileobj(buffer, "lake", "a.csv")
    (tmp_path / "o.csv").write_bytes(OTHER)
    with (tmp_path / "o.csv").open("rb") as file:
        s3.upload_fileobj(file, "lake", "o.csv")
    with (tmp_path / "o.csv").open("rb") as file:
        s3.put_object(Bucket="lake", Key="p.csv", Body=file)
    s3.put_object(Bucket="lake", Key="q.csv", Body=io.BytesIO(CSV))
    held(
        spans,
        {
            "csv": edges.file_id(CSV),
            "other": edges.file_id(OTHER),
            **{
                name: edges.object_id(f"s3://lake/{name}.csv", content)
                for name, content in {"a": CSV, "o": OTHER, "p": OTHER, "q": CSV}.items()
            },
        },
        """
        csv   -> boto3.upload_fileobj -> csv a
        other -> boto3.upload_fileobj -> other o
        other -> botocore.put_object  -> other p
        csv   -> botocore.put_object  -> csv q
        """,
    )


def test_streams_are_downloaded_to_where_they_stand(spans: Spans, s3: Any, tmp_path: Path) -> None:
    s3.put_object(Bucket="lake", Key="a.csv", Body=CSV)
    spans.clear()
    buffer = io.BytesIO()
    s3.download_fileobj("lake", "a.csv", buffer)
    buffer.seek(0)
    frame = pd.read_csv(buffer)
    with (tmp_path / "a.csv").open("wb") as file:
        s3.download_fileobj("lake", "a.csv", file)
    again = pd.read_csv(tmp_path / "a.csv")
    assert otelprov.artifact(frame).id == otelprov.artifact(again).id
    held(
        spans,
        {
            "csv": edges.file_id(CSV),
            "object": edges.object_id("s3://lake/a.csv", CSV),
            "frame": otelprov.artifact(frame).id,
        },
        """
        object -> boto3.download_fileobj -> csv
        csv    -> pandas.read_csv        -> frame
        object -> boto3.download_fileobj -> csv
        csv    -> pandas.read_csv        -> frame
        """,
    )


def test_a_copy_comes_from_the_version_that_was_copied(spans: Spans, s3: Any) -> None:
    s3.put_object(Bucket="lake", Key="a.csv", Body=CSV)
    s3.copy_object(Bucket="lake", Key="b.csv", CopySource={"Bucket": "lake", "Key": "a.csv"})
    s3.copy_object(Bucket="lake", Key="c.csv", CopySource="lake/b.csv")
    s3.copy({"Bucket": "lake", "Key": "c.csv"}, "lake", "d.csv")
    names = {name: edges.object_id(f"s3://lake/{name}.csv", CSV) for name in "abcd"}
    held(
        spans,
        {**names, "bytes": edges.file_id(CSV)},
        """
        bytes -> botocore.put_object  -> bytes a
        a     -> botocore.copy_object -> b
        b     -> botocore.copy_object -> c
        c     -> boto3.copy           -> d
        """,
    )


def test_a_copy_of_what_nobody_has_asked_about_is_of_a_name(spans: Spans, s3: Any) -> None:
    from otelprov.recording import stores

    s3.put_object(Bucket="lake", Key="a.csv", Body=CSV)
    stores.clear()
    spans.clear()
    s3.copy_object(Bucket="lake", Key="b.csv", CopySource={"Bucket": "lake", "Key": "a.csv"})
    assert spans.one("botocore.copy_object").used_ids == {edges.name_id("s3://lake/a.csv")}


def test_versions_of_a_bucket_that_keeps_them(spans: Spans, s3: Any) -> None:
    first = s3.put_object(Bucket="versions", Key="a.csv", Body=CSV)["VersionId"]
    second = s3.put_object(Bucket="versions", Key="a.csv", Body=CSV)["VersionId"]
    assert first != second
    s3.get_object(Bucket="versions", Key="a.csv", VersionId=first)
    one, two, got = spans.all()
    uri = "s3://versions/a.csv"
    plain = edges.object_id(uri, CSV)
    assert one.generated_ids == {
        edges.file_id(CSV), plain, edges.object_id(uri, CSV, first)
    }  # fmt: skip
    assert edges.object_id(uri, CSV, second) in two.generated_ids
    assert got.used_ids == {edges.object_id(uri, CSV, first)}


def test_resources_are_calls_of_their_client(spans: Spans, s3: Any, tmp_path: Path) -> None:
    import boto3

    (tmp_path / "a.csv").write_bytes(CSV)
    resource = boto3.session.Session().resource("s3")
    resource.Bucket("lake").upload_file(str(tmp_path / "a.csv"), "a.csv")
    resource.Object("lake", "b.csv").put(Body=OTHER)
    assert resource.Object("lake", "a.csv").get()["Body"].read() == CSV
    resource.Object("lake", "b.csv").download_file(str(tmp_path / "b.csv"))
    resource.Object("lake", "c.csv").copy({"Bucket": "lake", "Key": "b.csv"})
    held(
        spans,
        {
            "csv": edges.file_id(CSV),
            "other": edges.file_id(OTHER),
            "a": edges.object_id("s3://lake/a.csv", CSV),
            "b": edges.object_id("s3://lake/b.csv", OTHER),
            "c": edges.object_id("s3://lake/c.csv", OTHER),
        },
        """
        csv                   -> boto3.upload_file           -> csv a
        other                 -> botocore.put_object         -> other b
        a                     -> botocore.get_object         -> [botocore.get_object]
        [botocore.get_object] -> botocore.StreamingBody.read -> csv
        b                     -> boto3.download_file         -> other
        b                     -> boto3.copy                  -> c
        """,
    )


def test_uploads_at_once_are_not_confused(spans: Spans, s3: Any, tmp_path: Path) -> None:
    contents = {f"{number}.csv": f"n\n{number}\n".encode() for number in range(12)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: s3.upload_file(str(tmp_path / name), "lake", name), contents))
    uploads = {span.parameter("Key"): span for span in spans.all()}
    for name, content in contents.items():
        assert uploads[name].used_ids == {edges.file_id(content)}
        assert uploads[name].generated_ids == {
            edges.file_id(content), edges.object_id(f"s3://lake/{name}", content)
        }  # fmt: skip


def test_what_fails_is_said_and_made_nothing(spans: Spans, s3: Any, tmp_path: Path) -> None:
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket="lake", Key="nowhere")
    with pytest.raises(Exception, match="404"):
        s3.download_file("lake", "nowhere", str(tmp_path / "x"))
    with pytest.raises(FileNotFoundError):
        s3.upload_file(str(tmp_path / "missing"), "lake", "x")
    with pytest.raises(Exception, match="NoSuchBucket"):
        s3.put_object(Bucket="no-such-bucket", Key="x", Body=b"1")
    spans_ = spans.all()
    assert [span.name for span in spans_] == [
        "botocore.get_object", "boto3.download_file", "boto3.upload_file", "botocore.put_object"
    ]  # fmt: skip
    assert all(span.status["code"] == 2 and not span.generated for span in spans_)
    assert spans_[0].used_ids == {edges.name_id("s3://lake/nowhere")}


def test_metadata_is_the_programs_own_by_default(spans: Spans, s3: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    s3.upload_file(str(tmp_path / "a.csv"), "lake", "a.csv")
    s3.put_object(Bucket="lake", Key="b.csv", Body=CSV, Metadata={"owner": "ada"})
    assert s3.head_object(Bucket="lake", Key="a.csv")["Metadata"] == {}
    assert s3.head_object(Bucket="lake", Key="b.csv")["Metadata"] == {"owner": "ada"}


def test_objects_carry_their_id_where_that_is_asked_for(
    spans: Spans, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from otelprov.recording.run import run

    monkeypatch.setattr(run, "settings", run.settings._replace(object_metadata=True))
    (tmp_path / "a.csv").write_bytes(CSV)
    s3.upload_file(str(tmp_path / "a.csv"), "lake", "a.csv", ExtraArgs={"Metadata": {"by": "ada"}})
    s3.put_object(Bucket="lake", Key="b.csv", Body=CSV)
    s3.put_object(Bucket="lake", Key="c.csv", Body=CSV, Metadata={"traceparent": "mine"})
    s3.download_file("lake", "a.csv", str(tmp_path / "back.csv"))
    # The program sees what it gave.
    assert s3.head_object(Bucket="lake", Key="a.csv")["Metadata"] == {"by": "ada"}
    assert s3.get_object(Bucket="lake", Key="b.csv")["Metadata"] == {}
    assert s3.get_object(Bucket="lake", Key="c.csv")["Metadata"] == {"traceparent": "mine"}
    down = spans.one("boto3.download_file")
    assert down.used[0]["otelprov.artifact.carrier"] == "verified"
    run.active = False
    said = s3.head_object(Bucket="lake", Key="a.csv")["Metadata"]
    run.active = True
    assert said["otelprov-artifact-id"] == edges.file_id(CSV)
    up = spans.one("boto3.upload_file")
    assert said["traceparent"] == f"00-{up.trace_id}-{up.span_id}-01"
    assert said["by"] == "ada"


def test_an_answer_that_a_test_makes_up_is_the_one_it_gets(spans: Spans, s3: Any) -> None:
    from botocore.stub import Stubber

    body = io.BytesIO(CSV)
    with Stubber(s3) as stubber:
        stubber.add_response("get_object", {"Body": body})
        stubber.add_response("head_object", {})
        assert s3.get_object(Bucket="lake", Key="a.csv")["Body"] is body
        s3.head_object(Bucket="lake", Key="a.csv")
    frame = pd.read_csv(body)
    got, read = spans.one("botocore.get_object"), spans.one("pandas.read_csv")
    assert got.generated_ids <= read.used_ids
    assert read.generated_ids == {otelprov.artifact(frame).id}


def test_a_double_of_a_client_is_good_enough_for_a_test(
    spans: Spans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from boto3.s3 import inject

    moved: list[str] = []

    class Transfer:
        def __init__(self, *_: Any) -> None: ...

        def __enter__(self) -> Transfer:
            return self

        def __exit__(self, *_: Any) -> None: ...

        def upload_file(self, filename: str, **_: Any) -> None:
            moved.append(filename)

    monkeypatch.setattr(inject, "S3Transfer", Transfer)
    (tmp_path / "a.csv").write_bytes(CSV)
    inject.upload_file(object(), str(tmp_path / "a.csv"), "lake", "a.csv")
    assert moved == [str(tmp_path / "a.csv")]
    assert spans.one("boto3.upload_file").used_ids == {edges.file_id(CSV)}


def test_what_is_patched_pickles(s3: Any) -> None:
    import boto3.s3.inject
    import botocore.client
    import botocore.response

    for function in (
        boto3.s3.inject.upload_file,
        boto3.s3.inject.object_download_fileobj,
        botocore.client.BaseClient._make_api_call,
        botocore.response.StreamingBody.read,
    ):
        assert pickle.loads(pickle.dumps(function)) is function


def test_nothing_is_left_after_uninstrument(spans: Spans) -> None:
    import boto3.s3.inject
    import botocore.client

    patched = (boto3.s3.inject.upload_file, botocore.client.BaseClient._make_api_call)
    for name in ("boto3", "botocore"):
        libraries[name].uninstrument()
    plain = (boto3.s3.inject.upload_file, botocore.client.BaseClient._make_api_call)
    for name in ("boto3", "botocore"):
        libraries[name].instrument()
    assert plain[0] is not patched[0]
    assert plain == (patched[0].__wrapped__, patched[1].__wrapped__)  # type: ignore[attr-defined]

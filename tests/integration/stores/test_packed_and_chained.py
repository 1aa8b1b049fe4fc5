"""Objects that are read and written packed, through caches and inside archives."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pytest
import strangers

PROGRAM = """
    import gzip
    import fsspec, pandas as pd, s3fs
    orders = pd.read_csv("orders.csv")  # @orders
    with fsspec.open("s3://lake/z.csv.gz", "wt", compression="gzip") as file:  # @packed
        orders.to_csv(file, index=False)  # @pack
    with fsspec.open("s3://lake/z.csv.gz", "rt", compression="infer") as file:
        pd.read_csv(file).to_csv("gz.csv", index=False, sep=";")  # @unpack
    store = s3fs.S3FileSystem()
    with store.open("lake/z.csv.gz", "rb") as raw, gzip.open(raw) as file:
        pd.read_csv(file).to_csv("again.csv", index=False, sep="|")  # @again
    store.put("orders.zip", "lake/orders.zip")  # @put
    pd.read_csv("filecache::s3://lake/z.csv.gz", compression="gzip").to_csv("cached.csv", sep="!")  # @cached
    pd.read_csv("zip://orders.csv::s3://lake/orders.zip").to_csv("member.csv", sep="&")  # @member
    pd.read_csv("zip://orders.csv::orders.zip").to_csv("local.csv", sep="$")  # @local
"""  # noqa: E501
DRAWN = """
    pandas.read_csv@orders: orders.csv -> return
    pandas.to_csv@pack: pandas.read_csv@orders -> s3://lake/z.csv.gz
    fsspec.S3File.write@packed: s3://lake/z.csv.gz -> s3://lake/z.csv.gz
    pandas.read_csv@unpack: s3://lake/z.csv.gz -> return
    pandas.to_csv@unpack: pandas.read_csv@unpack -> gz.csv
    pandas.read_csv@again: s3://lake/z.csv.gz -> return
    pandas.to_csv@again: pandas.read_csv@again -> again.csv
    fsspec.put@put: orders.zip -> s3://lake/orders.zip
    pandas.read_csv@cached: s3://lake/z.csv.gz -> return
    pandas.to_csv@cached: pandas.read_csv@cached -> cached.csv
    pandas.read_csv@member: s3://lake/orders.zip -> return
    pandas.to_csv@member: pandas.read_csv@member -> member.csv
    pandas.read_csv@local: orders.zip -> return
    pandas.to_csv@local: pandas.read_csv@local -> local.csv
"""


@pytest.mark.skipif(pd.__version__ < "3", reason="pandas 2.2 reads no chained URLs")
def test_what_is_packed_or_behind_a_cache_or_in_an_archive_has_the_name_of_its_object(
    tmp_path: Path, s3_environment: dict[str, str]
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "orders.csv").write_text("id,amount\n1,2.5\n2,0.5\n")
    with zipfile.ZipFile(directory / "orders.zip", "w") as archive:
        archive.writestr("orders.csv", "id,amount\n3,2.5\n")
    recording = strangers.record(directory, PROGRAM, **s3_environment)
    assert recording.graph() == strangers.drawn(DRAWN)
    assert recording.roots("gz.csv") == recording.roots("again.csv") == {"orders.csv"}
    assert recording.roots("cached.csv") == {"orders.csv"}
    assert recording.roots("member.csv") == recording.roots("local.csv") == {"orders.zip"}


PARTS = """
    import boto3
    import pandas as pd
    client = boto3.client("s3")
    pd.read_csv("orders.csv").to_csv("sent.csv", sep=";")  # @made
    where = {"Bucket": "lake", "Key": "whole.csv"}
    where["UploadId"] = upload = client.create_multipart_upload(**where)["UploadId"]
    with open("sent.csv", "rb") as file:
        sent = client.upload_part(**where, PartNumber=1, Body=file)  # @part
    parts = [{"PartNumber": 1, "ETag": sent["ETag"]}]
    client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})  # @whole
    body = client.get_object(Bucket="lake", Key="whole.csv")["Body"]  # @get
    pd.read_csv(body, sep=";").to_json("read.json")  # @read
    print(upload)
"""
PARTS_DRAWN = """
    pandas.read_csv@made: orders.csv -> return
    pandas.to_csv@made: pandas.read_csv@made -> sent.csv
    botocore.upload_part@part: sent.csv -> PART
    botocore.complete_multipart_upload@whole: PART -> s3://lake/whole.csv
    botocore.get_object@get: s3://lake/whole.csv -> Body
    pandas.read_csv@read: botocore.get_object@get -> return
    pandas.to_json@read: pandas.read_csv@read -> read.json
"""


def test_parts_that_the_program_sends_itself_lead_from_the_object_to_their_file(
    tmp_path: Path, s3_environment: dict[str, str]
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "orders.csv").write_text("id,amount\n1,2.5\n2,0.5\n")
    recording = strangers.record(directory, PARTS, **s3_environment)
    part = f"s3://lake/whole.csv?partNumber=1&uploadId={recording.outputs[0].strip()}"
    assert recording.graph() == strangers.drawn(PARTS_DRAWN.replace("PART", part))
    assert recording.roots("read.json") == {"orders.csv"}


SMART = """
    import pandas as pd, smart_open
    orders = pd.read_csv("orders.csv")  # @orders
    with smart_open.open("s3://lake/many.csv", "w") as file:
        orders.to_csv(file)  # @many
    with smart_open.open("s3://lake/many.csv") as file:
        pd.read_csv(file).to_json("many.json")  # @many_read
    with smart_open.open("s3://lake/packed.csv.gz", "w") as file:
        orders.to_csv(file)  # @packed
    with smart_open.open("s3://lake/packed.csv.gz") as file:
        pd.read_csv(file).to_json("packed.json")  # @packed_read
    once = {"multipart_upload": False}
    with smart_open.open("s3://lake/once.parquet", "wb", transport_params=once) as file:
        orders.to_parquet(file)  # @once
    with smart_open.open("s3://lake/once.parquet", "rb") as file:
        pd.read_parquet(file).to_json("once.json")  # @once_read
    with smart_open.open("local.csv.gz", "w") as file:
        orders.to_csv(file)  # @local
    with smart_open.open("local.csv.gz") as file:
        pd.read_csv(file).to_json("local.json")  # @local_read
"""
SMART_DRAWN = """
    pandas.read_csv@orders: orders.csv -> return
    pandas.to_csv@many: pandas.read_csv@orders -> s3://lake/many.csv
    pandas.read_csv@many_read: s3://lake/many.csv -> return
    pandas.to_json@many_read: pandas.read_csv@many_read -> many.json
    pandas.to_csv@packed: pandas.read_csv@orders -> s3://lake/packed.csv.gz
    pandas.read_csv@packed_read: s3://lake/packed.csv.gz -> return
    pandas.to_json@packed_read: pandas.read_csv@packed_read -> packed.json
    pandas.to_parquet@once: pandas.read_csv@orders -> content, s3://lake/once.parquet
    pandas.read_parquet@once_read: s3://lake/once.parquet -> return
    pandas.to_json@once_read: pandas.read_parquet@once_read -> once.json
    pandas.to_csv@local: pandas.read_csv@orders -> local.csv.gz
    pandas.read_csv@local_read: local.csv.gz -> return
    pandas.to_json@local_read: pandas.read_csv@local_read -> local.json
"""


def test_streams_of_smart_open_are_the_objects_that_they_read_and_write(
    tmp_path: Path, s3_environment: dict[str, str]
) -> None:
    pytest.importorskip("smart_open")
    (tmp_path / "orders.csv").write_text("id,amount\n1,2.5\n2,0.5\n")
    # smart_open imports libraries of Google, which warn of older versions of Python.
    recording = strangers.record(tmp_path, SMART, PYTHONWARNINGS="ignore", **s3_environment)
    drawn, found = strangers.drawn(SMART_DRAWN), recording.graph()
    assert not drawn - found
    for line in found - drawn:  # what smart_open asks of botocore
        assert line.startswith(("botocore.", "boto3.")) and ": ?" not in line, line
    for name in ("many.json", "packed.json", "once.json", "local.json"):
        assert recording.roots(name) == {"orders.csv"}

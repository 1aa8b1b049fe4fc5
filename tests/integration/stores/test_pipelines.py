"""Pipelines in strangers' style, over several processes: exactly the edges that a person draws."""

from __future__ import annotations

import json
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import edges
import pandas as pd
import support

import otelprov
from otelprov.recording.streams import version_of

ORDERS = b"order,customer,amount\n1,ada,10\n2,bob,20\n3,ada,30\n4,cyd,5\n"
CUSTOMERS = [{"customer": "ada", "country": "UK"}, {"customer": "bob", "country": "FR"}]

INGEST = """
    import os
    import boto3
    import pandas as pd
    import requests

    BASE = os.environ["SOURCE"]

    def download(name):
        answer = requests.get(f"{BASE}/{name}", timeout=30)
        answer.raise_for_status()
        with open(name, "wb") as file:
            file.write(answer.content)
        return name

    orders = pd.read_csv(download("orders.csv"))
    customers = pd.json_normalize(requests.get(f"{BASE}/customers.json").json()["results"])
    big = orders[orders["amount"] >= 10]
    joined = big.merge(customers, on="customer", how="left")
    joined.to_parquet("joined.parquet.tmp", index=False)
    os.replace("joined.parquet.tmp", "joined.parquet")
    boto3.client("s3").upload_file("joined.parquet", "lake", "curated/joined.parquet")
"""

REPORT = """
    import shutil
    from pathlib import Path
    import boto3
    import pandas as pd

    s3 = boto3.resource("s3")
    Path("work").mkdir()
    s3.Bucket("lake").download_file("curated/joined.parquet", "work/joined.parquet")
    joined = pd.read_parquet("work/joined.parquet")
    report = joined.groupby("country", as_index=False)["amount"].sum()
    report.to_csv("work/report.csv", index=False)
    shutil.copytree("work", "published")
    s3.Object("lake", "reports/report.csv").put(Body=Path("work/report.csv").read_bytes())
"""


def recorded(tmp_path: Path, name: str, program: str, env: dict[str, str]) -> list[Any]:
    place = tmp_path / name
    place.mkdir()
    (place / "program.py").write_text(textwrap.dedent(program))
    support.instrumented("program.py", journal_directory=place / "journal", cwd=place, env=env)
    return support.journal(place / "journal")


def test_a_download_becomes_an_object_that_another_process_reports_on(
    tmp_path: Path, web: tuple[str, Path], s3: Any, s3_environment: dict[str, str]
) -> None:
    url, www = web
    (www / "orders.csv").write_bytes(ORDERS)
    (www / "customers.json").write_text(json.dumps({"results": CUSTOMERS}))
    first = recorded(tmp_path, "ingest", INGEST, {**s3_environment, "SOURCE": url})
    second = recorded(tmp_path, "report", REPORT, s3_environment)
    spans = first + second
    ingest, report = tmp_path / "ingest", tmp_path / "report"
    joined, result = ingest / "joined.parquet", report / "work" / "report.csv"
    assert result.read_text() == "country,amount\nFR,20\nUK,40\n"

    def served(name: str) -> str:
        tag = f'"{(www / name).stat().st_mtime_ns:x}"'
        return version_of(f"{url}/{name}", {"ETag": tag}).id

    known = {
        "orders@web": served("orders.csv"),
        "customers@web": served("customers.json"),
        "orders.csv": edges.file_id(ORDERS),
        "customers.json": edges.file_id(www / "customers.json"),
        "orders": otelprov.artifact(pd.read_csv(www / "orders.csv")).id,
        "joined": otelprov.artifact(pd.read_parquet(joined)).id,
        "joined.parquet": edges.file_id(joined),
        "joined@s3": edges.object_id("s3://lake/curated/joined.parquet", joined),
        "report": otelprov.artifact(pd.read_csv(result)).id,
        "report.csv": edges.file_id(result),
        "report@s3": edges.object_id("s3://lake/reports/report.csv", result),
        "work": otelprov.artifact(report / "work").id,
    }
    graph = """
        orders@web     -> requests.get    -> orders.csv
        orders.csv     -> pandas.read_csv -> orders
        customers@web  -> requests.get    -> customers.json
        customers.json -> pandas.json_normalize -> [pandas.json_normalize]
        orders         -> pandas.getitem  -> [pandas.getitem]
        [pandas.getitem] [pandas.json_normalize] -> pandas.merge -> [pandas.merge]
        [pandas.merge] -> pandas.to_parquet -> joined.parquet joined
        joined.parquet -> os.replace -> joined.parquet
        joined.parquet -> boto3.upload_file -> joined.parquet joined@s3
        joined@s3 -> boto3.download_file -> joined.parquet
        joined.parquet -> pandas.read_parquet -> joined
        joined -> pandas.groupby.sum -> [pandas.groupby.sum]
        [pandas.groupby.sum] -> pandas.to_csv -> report.csv
        work joined.parquet report.csv -> shutil.copytree -> work joined.parquet report.csv
        report.csv -> botocore.put_object -> report.csv report@s3
        """
    found, expected = edges.found(spans, known), edges.expected(graph)
    assert found == expected
    # And from the report's id alone, the way back to both downloads.
    roots, names = support.upstream(spans, known["report@s3"])
    assert roots == {known["orders@web"], known["customers@web"]}
    assert "boto3.upload_file" in names


def test_lineage_of_a_downloaded_object_leads_to_the_other_process(
    tmp_path: Path, web: tuple[str, Path], s3: Any, s3_environment: dict[str, str]
) -> None:
    url, www = web
    (www / "orders.csv").write_bytes(ORDERS)
    (www / "customers.json").write_text(json.dumps({"results": CUSTOMERS}))
    journal = tmp_path / "journal"
    for name, program in (("ingest", INGEST), ("report", REPORT)):
        place = tmp_path / name
        place.mkdir()
        (place / "program.py").write_text(textwrap.dedent(program))
        env = {**s3_environment, "SOURCE": url}
        support.instrumented("program.py", journal_directory=journal, cwd=place, env=env)
    result = subprocess.run(
        ["otelprov", "lineage", str(tmp_path / "report" / "work" / "report.csv")],
        env=support.environment(journal),
        capture_output=True,
        text=True,
        check=True,
    )
    # Uploads and copies made the same content again: the way leads to who made it first.
    for words in ("pandas.to_parquet", "orders.csv", "requests.get", url, "was also made by"):
        assert words in result.stdout


STREAMS = """
    import gzip, io, os
    import boto3, fsspec, pandas as pd, s3fs

    s3 = boto3.client("s3")
    raw = s3.get_object(Bucket="lake", Key="raw/orders.csv.gz")
    orders = pd.read_csv(io.BytesIO(gzip.decompress(raw["Body"].read())))
    fs = s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    with fs.open("lake/clean/orders.parquet", "wb") as file:
        orders.query("amount > 5").to_parquet(file, index=False)
    again = pd.read_parquet("lake/clean/orders.parquet", filesystem=fs)
    with fsspec.open("memory://scratch/orders.csv", "w") as file:
        again.to_csv(file, index=False)
    fsspec.filesystem("memory").get("/scratch/orders.csv", "orders.csv")
"""


def test_streams_and_file_systems_in_one_program(
    tmp_path: Path, s3: Any, s3_environment: dict[str, str]
) -> None:
    import gzip

    packed = gzip.compress(ORDERS, mtime=0)
    s3.put_object(Bucket="lake", Key="raw/orders.csv.gz", Body=packed)
    spans = recorded(tmp_path, "streams", STREAMS, s3_environment)
    place = tmp_path / "streams"
    clean = s3.get_object(Bucket="lake", Key="clean/orders.parquet")["Body"].read()
    (tmp_path / "clean.parquet").write_bytes(clean)
    known = {
        "raw@s3": edges.object_id("s3://lake/raw/orders.csv.gz", packed),
        "raw.gz": edges.file_id(packed),
        "raw.csv": edges.file_id(ORDERS),
        "orders": otelprov.artifact(pd.read_csv(place / "orders.csv").iloc[:0]).id,
        "name": edges.name_id("s3://lake/clean/orders.parquet"),
        "clean@s3": edges.object_id("s3://lake/clean/orders.parquet", clean),
        "clean.parquet": edges.file_id(clean),
        "clean": otelprov.artifact(pd.read_parquet(tmp_path / "clean.parquet")).id,
        "orders.csv": edges.file_id(place / "orders.csv"),
    }
    import io

    known["orders"] = otelprov.artifact(pd.read_csv(io.BytesIO(ORDERS))).id
    graph = """
        raw@s3 -> botocore.get_object -> [botocore.get_object]
        [botocore.get_object] -> botocore.StreamingBody.read -> raw.gz
        raw.csv -> pandas.read_csv -> orders
        orders -> pandas.query -> [pandas.query]
        [pandas.query] -> pandas.to_parquet -> name clean
        name -> fsspec.S3File.write -> clean.parquet clean@s3
        clean@s3 -> pandas.read_parquet -> clean
        clean -> pandas.to_csv -> orders.csv
        orders.csv -> fsspec.get -> orders.csv
        """
    assert edges.found(spans, known) == edges.expected(graph)

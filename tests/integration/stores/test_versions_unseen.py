"""Objects that Rust reads from S3: their versions are not seen, and nobody asks for them.

Those that pyarrow reads: test_arrow_filesystems.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path

import support

PROGRAM = """
import os
import polars as pl, pyarrow as pa
from deltalake import write_deltalake
url = os.environ["AWS_ENDPOINT_URL"]
options = {"aws_endpoint_url": url, "aws_allow_http": "true", "aws_region": "us-east-1"}
delta = {**options, "allow_http": "true", "aws_conditional_put": "etag"}
for number in range(2):
    table = pa.table({"a": [number]})
    pl.from_arrow(table).write_parquet("s3://versions/polars.parquet", storage_options=options)
    lazy = pl.scan_parquet("s3://versions/polars.parquet", storage_options=options)
    assert lazy.collect()["a"].to_list() == [number]
    write_deltalake("s3://versions/delta", table, mode="append", storage_options=delta)
    # Not by `to_pyarrow_table`: of 12 programs that end after that on S3, 4 end by abort().
    assert len(pl.read_delta("s3://versions/delta", storage_options=delta)) == number + 1
"""


def asked(url: str, path: str, method: str = "POST") -> bytes:
    request = urllib.request.Request(f"{url}/moto-api/{path}", method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: bytes = answer.read()
    return found


def requests_of(url: str) -> Counter[str]:
    """What the server was asked for the objects since the recording began, by method and name.

    A new Delta Lake table is opened once more, to know its id (instrumentation/deltalake.py).
    """
    lines = asked(url, "recorder/download-recording", "GET").decode().splitlines()
    found = [json.loads(line) for line in lines if line]
    return Counter(
        f"{one['method']} {one['url'].partition('?')[0].rpartition('/')[2]}"
        for one in found
        if one["url"].partition("?")[0].endswith(".parquet") and "/delta/" not in one["url"]
    )


def test_no_request_is_made_for_versions_that_are_not_seen(
    s3_environment: dict[str, str], tmp_path: Path
) -> None:
    url = s3_environment["AWS_ENDPOINT_URL"]
    (tmp_path / "program.py").write_text(PROGRAM)
    journal = tmp_path / "journal"
    counted = []
    for recorded in (False, True):
        asked(url, "reset")
        asked(url, "recorder/reset-recording")
        for bucket in ("versions",):
            urllib.request.urlopen(
                urllib.request.Request(f"{url}/{bucket}", method="PUT"), timeout=20
            ).close()
        asked(url, "recorder/start-recording")
        if recorded:
            support.instrumented("program.py", journal_directory=journal, cwd=tmp_path,
                                 env=s3_environment)  # fmt: skip
        else:
            subprocess.run([sys.executable, "program.py"], cwd=tmp_path, check=True, timeout=300,
                           env={**os.environ, **s3_environment})  # fmt: skip
        asked(url, "recorder/stop-recording")
        counted.append(requests_of(url))
    plain, seen = counted
    assert {one.partition(" ")[2] for one in plain} == {"polars.parquet"}
    assert seen == plain

    spans = support.journal(journal)
    reads = [one for one in spans if one.name == "polars.collect"]
    assert len(reads) == 2
    for (used,) in (one.used for one in reads):
        # By its location, and said to be known by no more.
        assert used["otelprov.artifact.coverage"] == "none"
        assert used["otelprov.artifact.reason"]
        assert "otelprov.artifact.version" not in used
    assert len({one.used[0]["otelprov.used.id"] for one in reads}) == 1
    # A Delta Lake table has versions of its own, and deltalake knows them.
    versions = [
        one.used[0].get("otelprov.artifact.version")
        for one in spans
        if one.name == "polars.read_delta"
    ]
    assert versions == ["0", "1"]

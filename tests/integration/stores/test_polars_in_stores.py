"""Polars reading objects of S3 by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import strangers

PROGRAM = """
    import faulthandler, os
    import polars as pl
    faulthandler.dump_traceback_later(60, exit=True)
    options = {"aws_endpoint_url": os.environ["AWS_ENDPOINT_URL"], "aws_allow_http": "true"}
    orders = pl.scan_FORM("s3://lake/orders.FORM", storage_options=options)  # @scan
    orders.filter(pl.col("amount") > 1).collect().write_csv("big.csv")  # @big
"""
DRAWN = """
    polars.collect@big: s3://lake/orders.FORM -> return
    polars.write_csv@big: polars.collect@big -> big.csv
"""


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_plan_that_asks_the_store_for_the_head_of_a_file_is_shown_and_does_not_hang(
    tmp_path: Path, s3: Any, s3_environment: dict[str, str], form: str
) -> None:
    body = b"id,amount\n1,2.5\n2,0.5\n" if form == "csv" else b'{"id": 1, "amount": 2.5}\n'
    s3.put_object(Bucket="lake", Key=f"orders.{form}", Body=body)
    directory = tmp_path / "work"
    directory.mkdir()
    recording = strangers.record(directory, PROGRAM.replace("FORM", form), **s3_environment)
    assert recording.graph() == strangers.drawn(DRAWN.replace("FORM", form))

"""What a write says of the content of the table that it wrote."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import support

from otelprov.artifacts import identify


def test_a_write_says_the_content_of_the_derivation_that_it_wrote(
    spans: support.Spans, tmp_path: Path
) -> None:
    made = pd.DataFrame({"a": [3, 1, 2]}).sort_values("a")
    made.to_csv(tmp_path / "a.csv")
    (used,) = spans.one("pandas.to_csv").used
    (generated,) = spans.one("pandas.sort_values").generated
    assert used["otelprov.used.id"] == generated["otelprov.generated.id"]
    assert used["otelprov.used.id"].startswith("derived:")
    assert used["otelprov.artifact.content_id"] == identify(made).id
    assert used["otelprov.artifact.maker"].endswith(spans.one("pandas.sort_values").span_id)


def test_a_write_of_a_part_says_nothing_of_the_content_of_the_whole(
    spans: support.Spans, tmp_path: Path
) -> None:
    made = pd.DataFrame({"a": [3, 1, 2], "b": [1, 2, 3]}).sort_values("a")
    made["b"].to_csv(tmp_path / "b.csv")
    (made + 1).to_csv(tmp_path / "more.csv")
    for span in spans.all():
        if span.name == "pandas.to_csv":
            (used,) = span.used
            assert used["otelprov.used.id"].startswith("derived:")
            assert "otelprov.artifact.content_id" not in used

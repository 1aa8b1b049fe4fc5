"""Much data is digested while the program goes on, and recorded as it was after the call."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import support
from support import Spans

import otelprov
from otelprov.artifacts import carrier, deferred, identify, snapshots
from otelprov.artifacts.deferred import background
from otelprov.recording import bounds
from otelprov.recording.run import run

ROWS = 200_000
COW = int(pd.__version__.partition(".")[0]) >= 3


@pytest.fixture
def held(spans: Spans, path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Every thread that digests is kept busy until the event is set: nothing is known early."""
    gate = threading.Event()
    monkeypatch.setattr(background, "limit", 1 << 30)
    background.flush()
    started = [threading.Event() for _ in range(deferred._threads())]
    for event in started:
        background.then(lambda event=event: (event.set(), gate.wait(60)))
    for event in started:
        assert event.wait(60)
    spans.clear()  # that the file was written
    yield gate
    gate.set()
    background.flush()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "big.parquet"
    table = pa.table(
        {
            "a": np.arange(ROWS),
            "b": np.linspace(0, 1, ROWS),
            "s": [f"text {i % 1000}" for i in range(ROWS)],
            "n": pa.array([None if i % 7 == 0 else i for i in range(ROWS)]),
        }
    )
    pq.write_table(table, place)
    return place


@pytest.mark.skipif(not COW, reason="pandas before version 3 is digested at once")
def test_a_frame_changed_right_after_the_call_is_recorded_as_it_was(
    spans: Spans, path: Path, held: threading.Event
) -> None:
    frame = pd.read_parquet(path)
    before = identify(frame.copy(deep=True)).id
    frame.loc[0, "a"] = 99
    frame.iloc[3, 1] = -1.0
    frame.at[5, "s"] = "changed"
    frame["n"] = frame["n"] + 1
    frame.columns = ["w", "x", "y", "z"]
    frame.drop(index=range(10), inplace=True)
    assert spans._lines == []  # nothing that rests on the frame is known yet
    held.set()
    read = spans.one("pandas.read_parquet")
    assert read.generated_ids == {before}
    assert identify(frame).id != before


@pytest.mark.skipif(not COW, reason="pandas before version 3 is digested at once")
def test_the_spans_of_what_follows_wait_with_their_true_times(
    spans: Spans, path: Path, held: threading.Event
) -> None:
    frame = pd.read_parquet(path)
    narrow = frame[["a", "b"]].assign(c=lambda f: f["a"] + 1)
    narrow.head(10).to_csv(path.with_suffix(".csv"))
    assert spans._lines == []
    held.set()
    names = spans.names()
    assert names == ["pandas.read_parquet", "pandas.assign", "pandas.head", "pandas.to_csv"]
    for earlier, later in itertools.pairwise(spans.all()):
        assert earlier.end <= later.start
    assert support.upstream(spans.all(), otelprov.artifact(path.with_suffix(".csv")).id)[0] == {
        otelprov.artifact(path).id
    }


@pytest.mark.skipif(not COW, reason="pandas before version 3 is digested at once")
def test_ids_are_the_same_late_and_early(
    spans: Spans, path: Path, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pipeline() -> list[set[str]]:
        spans.clear()
        frame = pd.read_parquet(path)
        other = frame.merge(frame[["a"]] * 2, on="a")
        # The same object twice, and steps upon steps.
        pd.concat([other, other, (frame + frame)[["a"]]]).drop_duplicates("a")
        return [span.generated_ids for span in spans.all()]

    late: list[set[str]] = []
    worker = threading.Thread(target=lambda: late.extend(pipeline()))
    worker.start()
    held.set()
    worker.join()
    monkeypatch.setattr(background, "limit", 0)
    assert pipeline() == late
    assert len(late) == 4


def test_an_artifact_that_is_asked_for_is_waited_for(
    spans: Spans, path: Path, held: threading.Event
) -> None:
    table = pq.read_table(path)
    assert otelprov.artifact(table).id == identify(table).id


@pytest.mark.skipif(not COW, reason="pandas before version 3 is digested at once")
def test_everything_of_the_full_tier_is_digested_behind_the_program(
    spans: Spans, path: Path, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "settings", run.settings._replace(tier="full"))
    made = pd.read_parquet(path).assign(c=1)
    content = identify(made.copy(deep=True)).id
    made["c"] = 2
    assert spans._lines == []
    held.set()
    (artifact,) = spans.one("pandas.assign").generated
    assert artifact["otelprov.artifact.content_id"] == content


@pytest.mark.skipif(not COW, reason="pandas before version 3 is digested at once")
def test_memory_that_pandas_lets_be_written_is_digested_before_it_is_given_out(
    spans: Spans, path: Path, held: threading.Event
) -> None:
    frame = pd.read_parquet(path)
    before = identify(frame.copy(deep=True)).id
    threading.Timer(0.2, held.set).start()
    frame["a"].array[0] = 12345  # not caught by copy on write
    assert int(frame["a"].iloc[0]) == 12345
    assert spans.one("pandas.read_parquet").generated_ids == {before}


@pytest.mark.parametrize(
    "make",
    [
        lambda: pd.DataFrame({"o": [[1]] * ROWS}),
        lambda: pd.DataFrame({"o": pd.Series([{"a": 1}] * ROWS, dtype=object)}),
        lambda: np.arange(ROWS),
        lambda: type("Mine", (pd.DataFrame,), {})({"a": range(ROWS)}),
    ],
    ids=["lists", "objects", "numpy", "subclass"],
)
def test_what_may_change_by_itself_is_digested_at_once(make: object) -> None:
    assert snapshots.snapshot(make()) is None  # type: ignore[operator]


def test_a_program_that_ends_at_once_has_recorded_all(path: Path, tmp_path: Path) -> None:
    script = tmp_path / "short.py"
    script.write_text(f"import pandas as pd\npd.read_parquet({str(path)!r}).assign(c=1)\n")
    support.instrumented(script, journal_directory=tmp_path / "journal")
    names = {span.name for span in support.journal(tmp_path / "journal")}
    assert {"pandas.read_parquet", "pandas.assign"} < names


def test_a_program_that_forks_at_once_has_recorded_all(path: Path, tmp_path: Path) -> None:
    script = tmp_path / "forks.py"
    script.write_text(
        "import multiprocessing, pandas as pd\n"
        "def work(n):\n"
        f"    return len(pd.read_parquet({str(path)!r}).head(n))\n"
        "if __name__ == '__main__':\n"
        f"    frame = pd.read_parquet({str(path)!r})\n"
        "    with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "        assert pool.map(work, [1, 2, 3]) == [1, 2, 3]\n"
    )
    support.instrumented(script, journal_directory=tmp_path / "journal")
    names = [span.name for span in support.journal(tmp_path / "journal")]
    assert names.count("pandas.read_parquet") == 4
    assert names.count("pandas.head") == 3


@pytest.mark.parametrize("columns", [None, ["a", "b", "s"]])
def test_a_file_is_digested_while_it_is_read(
    spans: Spans,
    path: Path,
    held: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    columns: list[str] | None,
) -> None:
    os.utime(path, (1_000_000_000, 1_000_000_000))  # a digest of a file just written is not kept
    submitted: list[int] = []
    submit = background.submit
    monkeypatch.setattr(
        background, "submit", lambda work, size: (submitted.append(size), submit(work, size))[1]
    )
    pq.read_table(path, columns=columns)
    assert submitted[0] == path.stat().st_size
    held.set()
    assert spans.one("pyarrow.parquet.read_table").used_ids == {otelprov.artifact(path).id}


def test_a_file_of_which_little_is_read_is_not_digested_ahead(
    spans: Spans, path: Path, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(path, (1_000_000_000, 1_000_000_000))
    monkeypatch.setattr(bounds, "SMALL", 100_000)
    submitted: list[int] = []
    submit = background.submit
    monkeypatch.setattr(
        background, "submit", lambda work, size: (submitted.append(size), submit(work, size))[1]
    )
    pq.read_table(path, columns=["s"])
    assert path.stat().st_size not in submitted
    held.set()
    (artifact,) = spans.one("pyarrow.parquet.read_table").used
    assert artifact["otelprov.artifact.coverage"] == "footer"


def test_a_table_over_the_limit_is_known_by_how_it_was_made(
    spans: Spans, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans.clear()
    monkeypatch.setattr(run, "settings", run.settings._replace(digest_limit=path.stat().st_size))
    pq.read_table(path)
    read = spans.one("pyarrow.parquet.read_table")
    (artifact,) = read.generated
    assert artifact["otelprov.artifact.coverage"] == "derivation"
    assert "bytes digested for an operation" in artifact["otelprov.artifact.reason"]
    assert read.attributes["otelprov.dropped.digest_bytes"] > 1 << 20
    assert read.used_ids == {otelprov.artifact(path).id}


def test_a_step_says_which_columns_it_passed_on(
    spans: Spans, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "settings", run.settings._replace(tier="full"))
    frame = pd.read_parquet(path)
    frame.assign(b=0).rename(columns={"a": "key"}).to_parquet(path.with_name("out.parquet"))

    def unchanged(name: str) -> dict[str, str]:
        span = spans.one(name)
        (used,) = [event["otelprov.used.id"] for event in span.used]
        return json.loads(span.generated[0]["otelprov.artifact.unchanged"])[used]  # type: ignore[no-any-return]

    assert unchanged("pandas.assign") == {"a": "a", "s": "s", "n": "n"}
    assert unchanged("pandas.rename") == {"key": "a", "b": "b", "s": "s", "n": "n"}
    assert unchanged("pandas.to_parquet") == {"key": "key", "b": "b", "s": "s", "n": "n"}


def test_a_large_file_carries_the_id_of_the_table_that_is_in_it(spans: Spans, path: Path) -> None:
    frame = pd.read_parquet(path).iloc[::2]  # with an index of its own
    frame.to_parquet(path.with_name("half.parquet"), index=False)
    assert carrier.check(path.with_name("half.parquet")) == "verified"
    half = pd.read_parquet(path.with_name("half.parquet"))
    assert (
        carrier.claims(path.with_name("half.parquet"))[0].carrier.artifact_id == identify(half).id
    )

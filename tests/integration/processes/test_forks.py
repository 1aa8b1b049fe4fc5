"""``os.fork``: what the child does belongs to the parent's trace, and nothing is told twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from programs import Outcome, compared, is_run

from otelprov.lineage.sources.journal import JournalSource

TWO = {"a.csv": "k,v\n1,2\n3,4\n", "b.csv": "k,w\n1,5\n3,6\n"}


def told_once(outcome: Outcome) -> None:
    counts = Counter((span.trace_id, span.span_id) for span in outcome.spans)
    assert set(counts.values()) == {1}, counts


CHILDREN = """
    import os, sys
    import pandas as pd

    read = pd.read_csv("a.csv")
    child = os.fork()
    if child == 0:
        read.merge(pd.read_csv("b.csv"), on="k").to_csv("joined.csv", index=False)
        if sys.argv[1] == "os._exit":
            os._exit(3)
        if sys.argv[1] == "exec":
            os.execvp("sh", ["sh", "-c", "exit 3"])
        if sys.argv[1] == "raise":
            raise ValueError("in the child")
        sys.exit(3) if sys.argv[1] == "sys.exit" else None
    else:
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
        pd.read_csv("joined.csv").sort_values("v").to_csv("out.csv", index=False)
"""


@pytest.mark.parametrize("end", ["returns", "os._exit", "exec", "raise", "sys.exit"])
def test_a_forked_child_belongs_to_the_run_however_it_ends(tmp_path: Path, end: str) -> None:
    outcome = compared(tmp_path, CHILDREN, end, files=TWO)
    told_once(outcome)
    run = outcome.run
    assert {span.trace_id for span in outcome.spans} == {run.trace_id}
    assert {span.parent for span in outcome.operations} == {run.span_id}
    run_ids = {span.attributes["otelprov.run.id"] for span in outcome.operations}
    assert run_ids == {run.attributes["otelprov.run.id"]}
    assert run.status == {}, "an exception of the child is not one of the run"
    (merge,) = [span for span in outcome.spans if span.name == "pandas.merge"]
    (sort,) = [span for span in outcome.spans if span.name == "pandas.sort_values"]
    assert merge.attributes["process.pid"] != run.attributes["process.pid"]
    assert "process.pid" not in sort.attributes
    assert outcome.lineage("out.csv") == ({"a.csv", "b.csv"}, [])
    (listed,) = outcome.runs()
    assert (listed["name"], listed["status"]) == ("run program.py", "ok")
    assert listed["operations"] == len(outcome.operations) == 7


def test_a_daemon_that_forked_twice_goes_on_in_the_trace(tmp_path: Path) -> None:
    outcome = compared(
        tmp_path,
        """
        import os, sys, time
        import pandas as pd

        read = pd.read_csv("a.csv")
        if os.fork():
            sys.exit(0)
        os.setsid()
        if os.fork():
            os._exit(0)
        read.assign(w=1).to_csv("out.csv", index=False)
        """,
        files=TWO,
    )
    told_once(outcome)
    write = outcome.one("pandas.to_csv")
    assert (write.trace_id, write.parent) == (outcome.run.trace_id, outcome.run.span_id)
    assert outcome.lineage("out.csv") == ({"a.csv"}, [])
    assert len(outcome.runs()) == 1


def test_a_child_forked_inside_an_operation_is_below_it_and_does_not_end_it(
    tmp_path: Path,
) -> None:
    outcome = compared(
        tmp_path,
        """
        import os
        import otelprov
        import pandas as pd

        with otelprov.operation("publish") as op:
            op.used("a.csv")
            child = os.fork()
            if child == 0:
                pd.read_csv("b.csv").to_csv("child.csv", index=False)
                op.generated("child.csv")
            else:
                os.waitpid(child, 0)
                pd.read_csv("a.csv").to_csv("parent.csv", index=False)
                op.generated("parent.csv")
        """,
        files=TWO,
    )
    told_once(outcome)
    run = outcome.run
    parent, child = sorted(
        (span for span in outcome.spans if span.name == "publish"), key=lambda one: one.start
    )
    assert (parent.parent, child.parent) == (run.span_id, parent.span_id)
    assert child.attributes["process.pid"] != run.attributes["process.pid"]
    named = [
        [event["otelprov.artifact.name"] for event in one.generated] for one in (parent, child)
    ]
    assert named == [["parent.csv"], ["child.csv"]]
    reads = {
        span.parameter("filepath_or_buffer"): span.parent
        for span in outcome.spans
        if span.name == "pandas.read_csv"
    }
    assert reads["a.csv"] == parent.span_id
    assert reads["b.csv"] in (parent.span_id, child.span_id)


def test_forks_while_other_threads_record_and_digest_lose_nothing(tmp_path: Path) -> None:
    # The threads do not read Parquet: Arrow's own threads hang a forked child, recorded or not.
    outcome = compared(
        tmp_path,
        """
        import os, threading
        import pandas as pd, pyarrow as pa, pyarrow.parquet as pq

        pq.write_table(pa.table({"x": range(400_000), "y": range(400_000)}), "big.parquet")
        stop, reads = threading.Event(), []

        def read():
            while not stop.wait(0.005):  # or a fast machine fills more than one trace
                reads.append(len(pd.read_csv("a.csv")))

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        codes = []
        for number in range(8):
            table = pq.read_table("big.parquet", use_threads=False)
            child = os.fork()
            if child == 0:
                pd.DataFrame({"n": [number]}).to_csv(f"{number}.csv")
                os._exit(number)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        stop.set()
        for reader in readers:
            reader.join()
        print(codes)
        open("count", "w").write(str(len(reads)))
        """,
        files=TWO,
    )
    told_once(outcome)
    run = outcome.run
    counted = Counter(span.name for span in outcome.spans)
    assert counted["pandas.to_csv"] == counted["pyarrow.parquet.read_table"] == 8
    assert counted["pandas.read_csv"] == int((outcome.directory / "count").read_text())
    assert {span.parent for span in outcome.operations} == {run.span_id}
    assert not [span for span in outcome.spans if span.status]


def test_after_a_fork_no_thread_of_ours_is_left(tmp_path: Path) -> None:
    outcome = compared(
        tmp_path,
        """
        import os, threading
        import pyarrow as pa, pyarrow.parquet as pq

        pq.write_table(pa.table({"x": range(400_000)}), "big.parquet")
        table = pq.read_table("big.parquet")
        child = os.fork()
        if child == 0:
            os._exit(threading.active_count())
        print(threading.active_count(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        table = pq.read_table("big.parquet")
        """,
    )
    assert outcome.out == "1 1\n"
    assert [span.name for span in outcome.operations if span.generated].count(
        "pyarrow.parquet.read_table"
    ) == 2


def test_children_that_seed_alike_have_ids_of_their_own(tmp_path: Path) -> None:
    outcome = compared(
        tmp_path,
        """
        import os, random
        import otelprov

        @otelprov.operation
        def work():
            return None

        random.seed(1)
        for _ in range(4):
            child = os.fork()
            if child == 0:
                random.seed(1)
                work()
                work()
                print(random.random(), flush=True)
                os._exit(0)
            os.waitpid(child, 0)
        work()
        print(random.random())
        """,
    )
    told_once(outcome)
    assert len([span for span in outcome.spans if span.name == "work"]) == 9


@pytest.mark.parametrize("how", ["os.fork", "multiprocessing"])
def test_children_of_a_server_are_processes_of_their_own_and_its_workers_are_not(
    tmp_path: Path, how: str
) -> None:
    outcome = compared(
        tmp_path,
        command=["-m", "gunicorn", how],
        files={
            "gunicorn.py": """
                import multiprocessing, os, sys
                import otelprov

                @otelprov.operation
                def work():
                    return None

                if sys.argv[1] == "os.fork":
                    for _ in range(2):
                        child = os.fork()
                        if child == 0:
                            work(), work()
                            os._exit(0)
                        os.waitpid(child, 0)
                else:
                    with multiprocessing.get_context("fork").Pool(2) as pool:
                        for _ in range(4):
                            pool.apply(work)
                work()
                """
        },
    )
    assert not any(map(is_run, outcome.spans))
    assert [span.parent for span in outcome.spans] == [None] * 5
    runs = Counter(span.attributes["otelprov.run.id"] for span in outcome.spans)
    assert sorted(runs.values()) == ([1, 2, 2] if how == "os.fork" else [5])
    assert all(run.startswith("process-") for run in runs)
    listed = JournalSource(tmp_path / "journal").runs(10)
    assert {(run.name, run.status) for run in listed} == {("(server or notebook)", "unknown")}

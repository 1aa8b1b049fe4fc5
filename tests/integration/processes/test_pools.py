"""Workers of multiprocessing, concurrent.futures and joblib: a part of their starter's run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from programs import Outcome, compared, is_run

PROGRAM = """
    import sys
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing.shared_memory import SharedMemory
    import numpy as np
    import pandas as pd


    def clean(table):
        return table.assign(total=table.a + table.b)


    def load(path):
        return clean(pd.read_csv(path))


    def put(queue, table):
        queue.put(clean(table))


    def send(pipe):
        pipe.send(load("2.csv"))


    def fill(name):
        memory = SharedMemory(name)
        np.ndarray((2,), "int64", buffer=memory.buf)[:] = pd.read_csv("1.csv")["a"].to_numpy()
        memory.close()


    def start(context, target, *arguments):
        process = context.Process(target=target, args=arguments)
        process.start()
        return process


    if __name__ == "__main__":
        method, *files = sys.argv[1:]
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            raw = pool.map(pd.read_csv, files)      # read there
            cleaned = pool.map(clean, raw)          # sent there and back
        with context.Pool(1, maxtasksperchild=1) as pool:
            cleaned += pool.map(load, files, chunksize=1)
        with ProcessPoolExecutor(2, mp_context=context) as executor:
            cleaned += executor.map(load, files[:1])
        queue = context.SimpleQueue()
        process = start(context, put, queue, raw[1])
        cleaned.append(queue.get())
        process.join()
        here, there = context.Pipe()
        process = start(context, send, there)
        cleaned.append(here.recv())
        process.join()
        everything = pd.concat(cleaned)
        everything["share"] = everything.total / everything.total.sum()
        everything.to_csv("out.csv", index=False)
        raw[0].to_json("first.json")
        memory = SharedMemory(create=True, size=16)
        process = start(context, fill, memory.name)
        process.join()
        shared = np.ndarray((2,), "int64", buffer=memory.buf).copy()
        pd.DataFrame({"a": np.tile(shared, 100)}).to_csv("shared.csv")
        memory.close()
        memory.unlink()
        print(len(everything), process.exitcode)
"""
FILES = {f"{number}.csv": f"a,b\n{number},2\n3,{number}\n" for number in range(3)}


def one_run(outcome: Outcome) -> None:
    """All that was recorded is one trace and one run, and the workers say which process it was."""
    run = outcome.run
    assert {span.trace_id for span in outcome.spans} == {run.trace_id}
    assert {span.parent for span in outcome.operations} == {run.span_id}
    ids = Counter((span.trace_id, span.span_id) for span in outcome.spans)
    assert set(ids.values()) == {1}
    runs = {span.attributes["otelprov.run.id"] for span in outcome.spans}
    assert runs == {f"{run.trace_id}-{run.span_id}"}
    (listed,) = outcome.runs()
    assert (listed["status"], listed["operations"]) == ("ok", len(outcome.operations))


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_tables_that_went_through_workers_lead_back_to_their_files(
    tmp_path: Path, method: str
) -> None:
    outcome = compared(tmp_path, PROGRAM, method, *FILES, files=FILES)
    one_run(outcome)
    assert outcome.lineage("out.csv") == ({"0.csv", "1.csv", "2.csv"}, [])
    assert outcome.lineage("first.json") == ({"0.csv"}, [])
    roots, gaps = outcome.lineage("shared.csv")
    assert "1.csv" not in roots, "nobody saw what went through shared memory"
    assert gaps
    workers = {span.attributes.get("process.pid") for span in outcome.operations} - {None}
    assert len(workers) >= 8, "two pools (one of them a process for each task), an executor, three"
    assert outcome.run.attributes["process.pid"] not in workers


TERMINATED = """
    import multiprocessing, os, sys, time
    import otelprov


    @otelprov.operation
    def quick(number):
        return None


    @otelprov.operation
    def slow(number):
        open(f"slow-{number}", "w").close()
        time.sleep(600)


    def both(number):
        quick(number)
        slow(number)


    if __name__ == "__main__":
        pool = multiprocessing.get_context(sys.argv[1]).Pool(2)
        pool.map_async(both, range(2), chunksize=1)
        while not (os.path.exists("slow-0") and os.path.exists("slow-1")):
            time.sleep(0.01)
        pool.terminate()
        pool.join()
        print("terminated")
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool_that_is_terminated_keeps_what_returned_and_shows_what_was_going_on(
    tmp_path: Path, method: str
) -> None:
    outcome = compared(tmp_path, TERMINATED, method)
    assert [span.name for span in outcome.operations] == ["quick", "quick"]
    slow = [one for one in outcome.started if one.name == "slow"]
    assert sorted(one.parameter("number") for one in slow) == [0, 1]
    assert {one.parent for one in slow} == {outcome.run.span_id}
    assert len({one.attributes["process.pid"] for one in slow}) == 2
    ended = {span.span_id for span in outcome.spans}
    assert [one.name for one in outcome.started if one.span_id not in ended] == ["slow", "slow"]


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_joblib_workers_are_a_part_of_the_run(tmp_path: Path, backend: str) -> None:
    outcome = compared(
        tmp_path,
        """
        import sys
        import pandas as pd
        from joblib import Parallel, delayed

        def load(path):
            table = pd.read_csv(path)
            return table.assign(total=table.a + table.b)

        backend, *files = sys.argv[1:]
        parts = Parallel(n_jobs=2, backend=backend)(delayed(load)(path) for path in files)
        pd.concat(parts).to_csv("out.csv")
        print(len(parts))
        """,
        backend,
        *FILES,
        files=FILES,
    )
    one_run(outcome)
    assert outcome.lineage("out.csv") == ({*FILES}, [])
    assert [span.name for span in outcome.started if is_run(span)] == ["run program.py"]


def test_a_pool_made_inside_an_operation_works_for_it(tmp_path: Path) -> None:
    outcome = compared(
        tmp_path,
        """
        import multiprocessing
        import otelprov


        @otelprov.operation
        def work(number):
            return None


        if __name__ == "__main__":
            with otelprov.operation("all"), multiprocessing.get_context("fork").Pool(2) as pool:
                pool.map(work, range(4))
        """,
    )
    outer = outcome.one("all")
    work = [span for span in outcome.spans if span.name == "work"]
    assert {span.parent for span in work} == {outer.span_id}
    assert outer.parent == outcome.run.span_id


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_workers_of_a_program_that_enables_the_recording_itself_are_a_part_of_its_run(
    tmp_path: Path, method: str
) -> None:
    outcome = compared(
        tmp_path,
        """
        import multiprocessing, sys
        import otelprov

        otelprov.enable()


        @otelprov.operation
        def work(number):
            return None


        if __name__ == "__main__":
            with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
                pool.map(work, range(4))
        """,
        method,
        launcher="enable",
    )
    one_run(outcome)
    assert [span.name for span in outcome.operations] == ["work"] * 4

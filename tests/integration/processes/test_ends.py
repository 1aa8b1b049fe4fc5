"""How programs end: as they do without us, and with all in the journal that had returned."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from programs import compared, is_run

PROGRAM = """
    import atexit, faulthandler, os, signal, sys, time
    import otelprov


    @otelprov.operation
    def done():
        return None


    class Late:
        def __del__(self):
            done()
            raise ValueError("late")


    def handled(number, frame):
        done()
        print("handled", number)
        sys.exit(5)


    def end(how):
        if how == "SIGTERM":
            os.kill(os.getpid(), signal.SIGTERM)
        elif how == "SIGTERM handled":
            signal.signal(signal.SIGTERM, handled)
            os.kill(os.getpid(), signal.SIGTERM)
        elif how == "SIGTERM ignored":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.kill(os.getpid(), signal.SIGTERM)
        elif how == "SIGINT":
            os.kill(os.getpid(), signal.SIGINT)
        elif how == "SIGINT default":
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        elif how == "SIGINT caught":
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(10)
            except KeyboardInterrupt:
                print("caught")
        elif how == "SIGKILL":
            os.kill(os.getpid(), signal.SIGKILL)
        elif how == "os._exit":
            os._exit(4)
        elif how == "sys.exit":
            sys.exit(3)
        elif how == "exception":
            raise ValueError("no")
        elif how == "exception at exit":
            atexit.register(lambda: (done(), 1 / 0))
        elif how == "exception in __del__ at exit":
            sys.kept = Late()
        elif how == "os.abort":
            os.abort()
        elif how == "segfault":
            faulthandler.enable()
            faulthandler._sigsegv()
        elif how == "recursion":
            end(how)
        elif how == "memory":
            bytearray(1 << 62)


    print([signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)])
    sys.stdout.flush()
    done()
    with otelprov.operation("last"):
        end(sys.argv[1])
"""

NORMAL, DIES = "ended", "died"
ENDS: dict[str, tuple[int, str, str | None]] = {
    "SIGTERM": (-15, DIES, None),
    "SIGTERM handled": (5, NORMAL, None),
    "SIGTERM ignored": (0, NORMAL, None),
    "SIGINT": (-2, NORMAL, "KeyboardInterrupt"),
    "SIGINT default": (-2, DIES, None),
    "SIGINT caught": (0, NORMAL, None),
    "SIGKILL": (-9, DIES, None),
    "os._exit": (4, DIES, None),
    "sys.exit": (3, NORMAL, None),
    "exception": (1, NORMAL, "ValueError"),
    "exception at exit": (0, NORMAL, None),
    "exception in __del__ at exit": (0, NORMAL, None),
    "os.abort": (-6, DIES, None),
    "segfault": (-11, DIES, None),
    "recursion": (1, NORMAL, "RecursionError"),
    "memory": (1, NORMAL, "MemoryError"),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_program_ends_as_it_does_unrecorded(tmp_path: Path, how: str) -> None:
    status, end, error = ENDS[how]
    outcome = compared(tmp_path, PROGRAM, how, status=status)
    names = [span.name for span in outcome.spans]
    assert "done" in names
    (started,) = (one for one in outcome.started if is_run(one))
    ended = {span.span_id for span in outcome.spans}
    open_ = [one.name for one in outcome.started if one.span_id not in ended]
    assert open_ == (["run program.py", "last"] if end == DIES else [])
    assert set(Counter((span.trace_id, span.span_id) for span in outcome.spans).values()) == {1}
    (listed,) = outcome.runs()
    assert listed["id"] == started.attributes["otelprov.run.id"]
    if end == NORMAL:
        assert outcome.run.attributes.get("error.type") == error
        assert listed["status"] == ("error" if error else "ok")
    else:
        assert listed["status"] == "died"
        assert [one["name"] for one in listed["unfinished"]] == ["last"]
    if how == "SIGTERM handled":
        assert names.count("done") == 2


def test_recursion_to_the_limit_fails_where_it_would_and_is_survived(tmp_path: Path) -> None:
    outcome = compared(
        tmp_path,
        """
        import sys
        import pandas as pd

        table = pd.DataFrame({"a": [2, 1]})

        def down(depth):
            if depth:
                return down(depth - 1)
            return table.sort_values("a").iloc[0, 0]

        # Through all depths at which the limit is met inside the recording of the call.
        failed = 0
        for depth in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit()):
            try:
                assert down(depth) == 1
            except RecursionError:
                failed += 1
        assert 0 < failed < 200, failed
        assert down(1) == 1
        table.to_csv("out.csv")
        """,
        env={"OTELPROV_RAISE_FAULTS": "off"},
        tells=1,
    )
    assert outcome.one("pandas.to_csv").parent == outcome.run.span_id
    assert len([span for span in outcome.spans if span.name == "pandas.sort_values"]) > 0


def test_a_signal_handler_may_record_whatever_it_interrupts(tmp_path: Path) -> None:
    outcome = compared(
        tmp_path,
        """
        import signal, time
        import pyarrow as pa, pyarrow.parquet as pq

        pq.write_table(pa.table({"x": range(300_000)}), "big.parquet")
        handled = 0

        def handler(number, frame):
            global handled
            handled += 1
            pq.read_table("big.parquet", use_threads=False)

        pq.read_table("big.parquet")  # pyarrow imports more of itself at the first
        signal.signal(signal.SIGALRM, handler)
        for number in range(300):
            # At another moment of the call each time, and never in the handler itself.
            signal.setitimer(signal.ITIMER_REAL, 0.00005 * (1 + number % 100))
            pq.read_table("big.parquet", use_threads=False)
            while handled <= number:
                time.sleep(0.001)
        print(handled)
        """,
        env={"OTELPROV_RAISE_FAULTS": "off"},
    )
    reads = [span for span in outcome.spans if span.name == "pyarrow.parquet.read_table"]
    assert len(reads) == 601


def test_a_seeded_program_draws_the_numbers_that_it_draws_unrecorded(tmp_path: Path) -> None:
    compared(
        tmp_path,
        """
        import io, random
        import numpy as np, pandas as pd
        import otelprov

        random.seed(1)
        np.random.seed(1)
        state = random.getstate()
        with otelprov.operation("block"):
            table = pd.read_csv(io.StringIO("a\\n1\\n2\\n3\\n"))
        table.sort_values("a").to_csv("out.csv")
        print(state == random.getstate(), random.random(), table.sample(2).a.tolist())
        """,
    )

"""What a loop costs: calls that repeat are summed up, nothing is left out in silence, and a trace
that is full goes on in another."""

from __future__ import annotations

import json
from pathlib import Path

import programs
from support import Recorded

COUNT = "otelprov.repeated.count"


def loops(directory: Path, text: str, **settings: str) -> programs.Outcome:
    return programs.compared(directory, text, env={"OTELPROV_REPEATS": "5", **settings})


def calls(spans: list[Recorded]) -> int:
    """How many calls the spans stand for."""
    return sum(span.attributes.get(COUNT, 1) for span in spans)


def named(outcome: programs.Outcome, name: str) -> list[Recorded]:
    return [span for span in outcome.spans if span.name == name]


def test_a_loop_of_thousands_makes_some_spans_that_stand_for_all_of_its_calls(
    tmp_path: Path,
) -> None:
    outcome = loops(
        tmp_path,
        """\
        import pandas as pd

        with open("raw.csv", "w") as raw:
            raw.write("a\\n1\\n2\\n3\\n")
        out = pd.read_csv("raw.csv")
        for number in range(3000):
            out = out.assign(b=number)
        out.to_parquet("out.parquet")
        """,
    )
    spans = named(outcome, "pandas.assign")
    assert calls(spans) == 3000
    assert len(spans) < 1000
    summed = [span for span in spans if COUNT in span.attributes]
    several = [span for span in summed if span.attributes[COUNT] > 1]
    assert all(span.attributes["otelprov.repeated.varying"] == ["b"] for span in several)
    for span in summed:
        shortest, longest, whole = (
            span.attributes[f"otelprov.repeated.duration.{one}"] for one in ("min", "max", "sum")
        )
        assert 0 < shortest <= longest <= whole
        assert len(span.generated) <= 60
    roots, gaps = outcome.lineage("out.parquet")
    assert roots == {"raw.csv"}
    assert all("left out of its record for a limit" in gap for gap in gaps)
    found = json.loads(outcome.cli("lineage", "out.parquet", "--format", "json"))
    assert sum(one.get("calls", 1) for one in found["operations"]) == 3000 + 2


def test_of_the_files_that_a_loop_reads_none_is_left_out(tmp_path: Path) -> None:
    outcome = loops(
        tmp_path,
        """\
        import pandas as pd

        for number in range(200):
            with open(f"{number}.csv", "w") as raw:
                raw.write(f"a\\n{number}\\n")
        parts = [pd.read_csv(f"{number}.csv") for number in range(200)]
        pd.concat(parts[:60]).to_parquet("first.parquet")
        pd.concat(parts[150:]).to_parquet("last.parquet")
        """,
    )
    reads = named(outcome, "pandas.read_csv")
    assert calls(reads) == 200
    assert len(reads) < 200
    assert len({id_ for span in reads for id_ in span.used_ids}) == 200
    assert not any("otelprov.dropped.used" in span.attributes for span in reads)
    for target, expected in (("first", range(60)), ("last", range(150, 200))):
        roots, gaps = outcome.lineage(f"{target}.parquet")
        # The span of many reads names the files of all of them: which became which is not known.
        assert roots >= {f"{number}.csv" for number in expected}
        assert gaps == []


def test_a_call_that_fails_among_many_has_a_span_with_its_error(tmp_path: Path) -> None:
    outcome = loops(
        tmp_path,
        """\
        import pandas as pd

        table = pd.DataFrame({"a": [1, 2, 3]})
        for number in range(50):
            try:
                table.drop(columns="b" if number % 10 == 9 else "a")
            except KeyError as error:
                print(error)
        """,
    )
    spans = named(outcome, "pandas.drop")
    failed = [span for span in spans if span.attributes.get("error.type") == "KeyError"]
    assert len(failed) == 5
    assert all(span.status["code"] == 2 and not span.generated for span in failed)
    summed = [span for span in spans if COUNT in span.attributes]
    assert calls(summed) + 5 == 50  # the first five had spans of their own
    assert sum(span.attributes.get("otelprov.repeated.failures", 0) for span in summed) == 5
    assert all(span.status.get("code", 0) == 0 for span in summed)


def test_what_a_repeated_task_does_is_summed_up_below_it(tmp_path: Path) -> None:
    outcome = loops(
        tmp_path,
        """\
        import otelprov
        import pandas as pd

        table = pd.DataFrame({"a": [1, 2, 3]})

        @otelprov.operation
        def step(table):
            return table.assign(b=1).rename(columns={"b": "c"})

        for number in range(400):
            step(table)
        """,
    )
    tasks, inner = named(outcome, "step"), named(outcome, "pandas.assign")
    assert calls(tasks) == calls(inner) == 400
    assert len(tasks) < 100
    assert len(inner) < 100
    assert {span.parent for span in inner} <= {span.span_id for span in tasks}


def test_children_sum_up_their_own_calls_and_say_so_before_they_end(tmp_path: Path) -> None:
    outcome = loops(
        tmp_path,
        """\
        import multiprocessing
        import os
        import pandas as pd

        table = pd.DataFrame({"a": [1, 2, 3]})

        def work(number):
            for number in range(100):
                table.assign(b=number)

        if __name__ == "__main__":
            multiprocessing.set_start_method("fork")
            for number in range(20):
                table.assign(b=number)
            children = [multiprocessing.Process(target=work, args=(one,)) for one in range(2)]
            for child in children:
                child.start()
            for child in children:
                child.join()
            for number in range(20):
                table.assign(b=number)
        """,
    )
    spans = named(outcome, "pandas.assign")
    assert calls(spans) == 240
    by_process: dict[object, int] = {}
    for span in spans:
        process = span.attributes.get("process.pid")
        by_process[process] = by_process.get(process, 0) + calls([span])
    assert sorted(by_process.values()) == [40, 100, 100]


def test_a_window_that_was_open_when_the_process_was_killed_is_known_to_have_begun(
    tmp_path: Path,
) -> None:
    outcome = programs.compared(
        tmp_path,
        """\
        import os, signal
        import pandas as pd

        table = pd.DataFrame({"a": [1, 2, 3]})
        for number in range(20):
            table.assign(b=number)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        env={"OTELPROV_REPEATS": "5"},
        status=-9,
    )
    ended = named(outcome, "pandas.assign")
    windows = [span for span in ended if "otelprov.repeated.count" in span.attributes]
    assert len(ended) - len(windows) == 5
    journal = b"".join(path.read_bytes() for path in outcome.journal.glob("*.jsonl"))
    begun = [
        line
        for line in journal.splitlines()
        if b"otelprov.operation.started" in line and b"pandas.assign" in line
    ]
    # On a busy machine the calls take longer than a window lasts, and there are several.
    assert len(begun) - len(windows) == (calls(ended) < 20) and begun


def test_a_trace_that_is_full_goes_on_in_another_that_is_linked(tmp_path: Path) -> None:
    outcome = programs.compared(
        tmp_path,
        """\
        import pandas as pd

        with open("raw.csv", "w") as raw:
            raw.write("a\\n1\\n2\\n3\\n")
        out = pd.read_csv("raw.csv")
        for number in range(60):
            out = out.assign(b=number)
        out.to_parquet("out.parquet")
        """,
        env={"OTELPROV_TRACE_LIMIT": "50KB"},
    )
    run = outcome.run
    written: dict[str, int] = {}
    for path in outcome.journal.glob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            if line.startswith(b'{"resourceSpans"'):
                trace = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"]
                written[trace] = written.get(trace, 0) + len(line)
    assert len(written) > 2
    assert max(written.values()) < 60_000
    borders = [span for span in outcome.spans if "otelprov.trace.continues" in span.attributes]
    assert {span.trace_id for span in borders} | {run.trace_id} == set(written)
    for border in borders:
        (link,) = border.links
        assert f"{link['traceId']}-{link['spanId']}" == f"{run.trace_id}-{run.span_id}"
    runs = outcome.runs()
    assert len(runs) == 1
    roots, gaps = outcome.lineage("out.parquet")
    assert (roots, gaps) == ({"raw.csv"}, [])


def test_a_sum_over_many_tables_does_not_carry_them_all_along(tmp_path: Path) -> None:
    outcome = programs.compared(
        tmp_path,
        """\
        import pandas as pd

        for number in range(120):
            with open(f"{number}.csv", "w") as raw:
                raw.write(f"a\\n{number}\\n")
        total = pd.read_csv("0.csv")["a"]
        for number in range(1, 120):
            total = total + pd.read_csv(f"{number}.csv")["a"]
        total.to_frame().to_parquet("total.parquet")
        print(total.sum())
        """,
    )
    assert max(len(span.used) for span in outcome.spans) <= 60
    assert not any("otelprov.dropped.used" in span.attributes for span in outcome.spans)
    roots, gaps = outcome.lineage("total.parquet")
    assert roots == {f"{number}.csv" for number in range(120)}
    assert gaps == []

"""A program with OTEL_TRACES_EXPORTER=otelprov: delivered while it runs, not held up at its end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import support
from receiver import Receiver, Say, receiving

BUSY = "import otelprov, sys, time, os\n"
WORK = """
for number in range(50):
    with otelprov.operation(f"step {number}"):
        pass
"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def environment(journal: Path, url: str, **extra: str) -> dict[str, str]:
    variables = {
        "OTEL_TRACES_EXPORTER": "otelprov",
        "OTEL_SERVICE_NAME": "shipped",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        **extra,
    }
    return support.environment(journal, **variables)


def start(journal: Path, url: str, code: str, **extra: str) -> subprocess.Popen[str]:
    program = journal.parent / f"program-{len(list(journal.parent.glob('program-*')))}.py"
    program.write_text(BUSY + textwrap.dedent(code))
    return subprocess.Popen(
        ["opentelemetry-instrument", sys.executable, str(program)],
        env=environment(journal, url, **extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(journal: Path, url: str, code: str, **extra: str) -> tuple[str, str]:
    process = start(journal, url, code, **extra)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output, errors


def names(receiver: Receiver) -> list[str]:
    return [name for request in receiver.requests for name in request.names()]


def in_journal(journal: Path) -> list[str]:
    return [span.span_id for span in support.journal(journal)]


# How long the exit takes is told by the program: from its last line to the end of its last exit
# handler, which is registered before all others (at the start of the interpreter).
TIMED = """
import atexit, time
_ended = None
def _tell():
    print(f"exit took {time.monotonic() - _ended:.3f}", flush=True)
atexit.register(_tell)
"""


@pytest.fixture
def timed(tmp_path: Path) -> dict[str, str]:
    """Variables with which a program says how long its exit took."""
    place = tmp_path / "timed"
    place.mkdir()
    (place / "usercustomize.py").write_text(TIMED)
    return {"PYTHONPATH": str(place), "PYTHONUSERBASE": str(place)}


ENDED = "\nimport usercustomize; usercustomize._ended = time.monotonic()\n"


def exit_time(output: str) -> float:
    return float(output.rpartition("exit took ")[2])


def test_everything_is_delivered_once_by_the_end(journal: Path) -> None:
    with receiving() as receiver:
        output, errors = run(journal, receiver.url, WORK)
        assert (output, errors) == ("", "")
        assert receiver.taken == dict.fromkeys(in_journal(journal), 1)
        assert len(receiver.taken) == 51


def test_it_is_delivered_while_the_program_runs(journal: Path) -> None:
    with receiving() as receiver:
        process = start(journal, receiver.url, WORK + "print(sys.stdin.readline())")
        assert receiver.arrived.wait(30)
        deadline = time.monotonic() + 30
        while len(receiver.taken) < 50 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(receiver.taken) >= 50
        process.communicate("", timeout=30)


def test_a_program_killed_by_sigterm_is_delivered_by_the_next(journal: Path) -> None:
    with receiving() as receiver:
        for signum in (signal.SIGTERM, signal.SIGKILL):
            code = WORK + f"os.kill(os.getpid(), {int(signum)}); time.sleep(60)"
            process = start(journal, receiver.url, code)
            process.communicate(timeout=60)
            assert process.returncode == -signum
        written = set(in_journal(journal))
        assert len(written) >= 100
        run(journal, receiver.url, "time.sleep(2.5)")
        deadline = time.monotonic() + 10
        while not written <= set(receiver.taken) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert written <= set(receiver.taken)
        assert max(receiver.taken.values()) == 1


# --- the exit -------------------------------------------------------------------------------------


def test_the_exit_is_not_delayed_when_everything_is_delivered(
    journal: Path, timed: dict[str, str]
) -> None:
    with receiving() as receiver:
        output, _ = run(journal, receiver.url, WORK + "time.sleep(3)" + ENDED, **timed)
    # The span of the run itself is left, which is one request.
    assert exit_time(output) < 1.0


def test_a_collector_that_refuses_does_not_delay_the_exit(
    journal: Path, timed: dict[str, str]
) -> None:
    output, errors = run(journal, "http://127.0.0.1:9", WORK + "time.sleep(3)" + ENDED, **timed)
    assert exit_time(output) < 1.0
    assert errors == "", "nothing is said of it on stderr; doctor tells"
    assert len(in_journal(journal)) == 51


@pytest.fixture
def black_hole() -> Iterator[str]:
    """Takes connections and never says anything."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("before", ["", "time.sleep(2.5)"], ids=["at once", "while it is asked"])
@pytest.mark.parametrize("limit", [0.0, 0.5, 2.0])
def test_a_collector_that_says_nothing_delays_the_exit_by_the_limit(
    journal: Path, timed: dict[str, str], black_hole: str, limit: float, before: str
) -> None:
    extra = {"OTELPROV_EXIT_TIMEOUT": str(limit), **timed}
    output, errors = run(journal, black_hole, WORK + before + ENDED, **extra)
    assert exit_time(output) < limit + 1.0
    assert errors == ""
    with receiving() as receiver:
        done = subprocess.run(
            ["otelprov", "ship", "--to", receiver.url, "--signal", "traces"],
            env=support.environment(journal),
            check=False,
        )
        assert done.returncode == 0
        assert receiver.taken == dict.fromkeys(in_journal(journal), 1)


def test_a_slow_collector_delays_the_exit_by_the_limit(
    journal: Path, timed: dict[str, str]
) -> None:
    slow = threading.Event()
    with receiving(rule=lambda request: Say(after=slow)) as receiver:
        output, _ = run(journal, receiver.url, WORK + ENDED, OTELPROV_EXIT_TIMEOUT="1", **timed)
        slow.set()
    assert exit_time(output) < 2.0


# --- other ways to run ----------------------------------------------------------------------------


# What is imported takes its time and evaluates a text, as a namedtuple does; and the exit goes on
# when otelprov has left it.
INTERRUPTED = """
import atexit, signal, sys, time
from opentelemetry.instrumentation.auto_instrumentation import initialize
atexit.register(time.sleep, 0.8)
initialize()
class Slow:
    def find_spec(name, path=None, target=None):
        if name == "urllib3.connection":
            time.sleep(0.4)
            exec("0")
sys.meta_path.insert(0, Slow)
import otelprov
with otelprov.operation("step"):
    signal.raise_signal(signal.SIGINT)
"""


def test_a_program_that_ctrl_c_ends_dies_of_it_though_its_delivery_has_only_begun(
    journal: Path,
) -> None:
    with receiving() as receiver:
        done = subprocess.run(
            [sys.executable, "-c", INTERRUPTED],
            env=environment(journal, receiver.url, OTELPROV_EXIT_TIMEOUT="0.05"),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
    assert done.returncode == -signal.SIGINT
    assert len(in_journal(journal)) == 2


def test_forked_children_are_delivered_too(journal: Path) -> None:
    code = """
    from multiprocessing import get_context

    def work(number):
        with otelprov.operation(f"child {number}"):
            pass

    if __name__ == "__main__":
        with otelprov.operation("parent"):
            pass
        time.sleep(1.5)  # so that the thread is at work when the children are forked
        with get_context("fork").Pool(3) as pool:
            pool.map(work, range(12))
        if os.fork() == 0:
            work(12)
            os._exit(0)
        os.wait()
    """
    with receiving() as receiver:
        _, errors = run(journal, receiver.url, code)
        assert errors == ""
        deadline = time.monotonic() + 5
        while len(receiver.taken) < 15 and time.monotonic() < deadline:
            time.sleep(0.05)
        found = names(receiver)
        assert sorted(found) == sorted({*found})
        assert {f"child {number}" for number in range(13)} <= {*found}
        assert receiver.taken == dict.fromkeys(in_journal(journal), 1)


def test_a_fork_in_the_moment_of_the_first_request_hangs_nothing(journal: Path) -> None:
    code = """
    with otelprov.operation("first"):
        pass
    ended = time.monotonic() + 2.5
    while time.monotonic() < ended:
        child = os.fork()
        if child == 0:
            import urllib3, requests  # the modules that the shipper imports in its thread
            os._exit(0)
        waited = time.monotonic() + 20
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            assert time.monotonic() < waited, "the child hangs"
            time.sleep(0.001)
    """
    with receiving() as receiver:
        _, errors = run(journal, receiver.url, code)
        assert errors == ""
        assert "first" in names(receiver)


def test_an_sdk_that_is_set_up_by_hand_is_delivered_too(journal: Path, tmp_path: Path) -> None:
    program = tmp_path / "by_hand.py"
    program.write_text(
        textwrap.dedent("""
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from otelprov.shipping.exporter import JournalExporter

        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(JournalExporter()))
        for number in range(700):
            with provider.get_tracer("mine").start_as_current_span(f"mine {number}"):
                pass
        """)
    )
    with receiving() as receiver:
        done = subprocess.run(
            [sys.executable, program],
            env=environment(journal, receiver.url),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert sorted(names(receiver)) == sorted(f"mine {number}" for number in range(700))


def test_recording_that_begins_later_takes_over_what_is_already_there(
    journal: Path, tmp_path: Path
) -> None:
    program = tmp_path / "later.py"
    program.write_text(
        textwrap.dedent("""
        import threading
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from otelprov.shipping.exporter import JournalExporter

        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(JournalExporter()))
        trace.set_tracer_provider(provider)
        tracer = trace.get_tracer("mine")
        for number in range(5):
            tracer.start_span(f"before {number}").end()
        import otelprov
        otelprov.enable()
        for number in range(5000):  # more than the SDK's queue holds
            tracer.start_span(f"after {number}").end()
        print(sorted(t.name for t in threading.enumerate() if "Otel" in t.name))
        """)
    )
    with receiving() as receiver:
        done = subprocess.run(
            [sys.executable, program],
            env=environment(journal, receiver.url),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
        found = [name for name in names(receiver) if name.startswith(("before", "after"))]
        assert len(found) == len({*found}) == 5005


def test_logs_of_the_sdk_go_into_the_journal_and_are_delivered(journal: Path) -> None:
    code = """
    import logging
    from opentelemetry._logs import SeverityNumber, get_logger
    try:
        from opentelemetry._logs import LogRecord
    except ImportError:
        from opentelemetry.sdk._logs import LogRecord
    with otelprov.operation("work"):
        get_logger("mine").emit(LogRecord(
            timestamp=1, severity_number=SeverityNumber.WARN, body={"a": [1, 2.5, None, True]},
            attributes={"otelprov.artifact.id": "file:1"}))
    """
    with receiving() as receiver:
        _, errors = run(journal, receiver.url, code, OTEL_LOGS_EXPORTER="otelprov")
        assert errors == ""
        bodies = [json.loads(r.body) for r in receiver.requests if r.path == "/v1/logs"]
    records = [
        (scope["scope"]["name"], one)
        for body in bodies
        for resource in body["resourceLogs"]
        for scope in resource["scopeLogs"]
        for one in scope["logRecords"]
    ]
    (record,) = [one for scope, one in records if scope == "mine"]
    (work,) = [span for span in support.journal(journal) if span.name == "work"]
    assert (record["traceId"], record["spanId"]) == (work.trace_id, work.span_id)
    assert record["severityNumber"] == 13
    assert record["attributes"] == [
        {"key": "otelprov.artifact.id", "value": {"stringValue": "file:1"}}
    ]
    values = record["body"]["kvlistValue"]["values"][0]["value"]["arrayValue"]["values"]
    assert values == [{"intValue": "1"}, {"doubleValue": 2.5}, {}, {"boolValue": True}]


def test_the_shipper_leaves_no_trace_in_the_programs_own_telemetry(journal: Path) -> None:
    code = """
    import logging
    logging.basicConfig(level=logging.DEBUG, format="%(name)s %(message)s", stream=sys.stdout)
    """
    with receiving() as receiver:
        output, errors = run(
            journal, receiver.url, WORK.strip() + textwrap.dedent(code) + "time.sleep(3)\n"
        )
        assert "urllib3" not in output + errors
        # One request for the steps, one for the run: none of them about requests.
        assert len(receiver.requests) <= 4
        assert set(names(receiver)) == {f"step {n}" for n in range(50)} | {"run program-0.py"}


def test_nothing_is_imported_for_a_program_that_delivers_nothing(journal: Path) -> None:
    code = "print([name for name in ('urllib3', 'http.client', 'requests') if name in sys.modules])"
    with receiving() as receiver:
        output, _ = run(journal, receiver.url, WORK + code)
    assert output == "[]\n"


def test_where_no_thread_can_be_started_the_exit_delivers_itself(journal: Path) -> None:
    code = """
    import threading
    start = threading.Thread.start
    def refuse(self):
        if not self.name.startswith("otelprov"):  # OpenTelemetry's log handler starts one at exit
            return start(self)
        raise RuntimeError("can't create new thread at interpreter shutdown")
    threading.Thread.start = refuse
    """
    with receiving() as receiver:
        _, errors = run(journal, receiver.url, textwrap.dedent(code) + WORK)
        assert errors == ""
        assert receiver.taken == dict.fromkeys(in_journal(journal), 1)


def test_an_address_that_is_none_costs_one_line_and_nothing_else(journal: Path) -> None:
    _, errors = run(journal, "collector:4317", WORK)
    (line,) = errors.splitlines()
    assert line.startswith("otelprov: 'collector:4317/v1/traces' is not an address of OTLP")
    assert len(in_journal(journal)) == 51


def test_a_journal_that_is_off_is_not_delivered_and_that_is_said(journal: Path) -> None:
    _, errors = run(journal, "http://127.0.0.1:9", WORK, OTELPROV_JOURNAL="off")
    assert errors == (
        "otelprov: OTEL_TRACES_EXPORTER=otelprov delivers the journal, which is off "
        "(OTELPROV_JOURNAL=off); nothing is sent\n"
    )


def test_doctor_says_what_was_delivered_and_what_waits(journal: Path) -> None:
    def doctor(url: str) -> dict[str, object]:
        done = subprocess.run(
            ["otelprov", "doctor", "--format", "json"],
            env=environment(journal, url),
            capture_output=True,
            text=True,
            check=False,
        )
        (found,) = json.loads(done.stdout)["delivery"]
        assert done.returncode == (0 if found["answers"] else 1)
        return dict(found)

    with receiving() as receiver:
        run(journal, receiver.url, WORK)
        found = doctor(receiver.url)
        assert (found["delivered"], found["answers"]) == (51, True)
        assert found["waiting"] == {"lines": 0, "bytes": 0, "oldest": None}
    found = doctor(receiver.url)
    assert (found["delivered"], found["answers"]) == (51, False)
    assert found["reason"] == "cannot be reached (Connection refused)"
    run(journal, receiver.url, WORK)
    found = doctor(receiver.url)
    waiting = found["waiting"]
    assert isinstance(waiting, dict) and waiting["lines"] == 51 and waiting["oldest"] > 0
    assert "Connection refused" in str(found["trouble"])

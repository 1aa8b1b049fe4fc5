"""Log lines of real programs name trace, run and data, and nothing else changes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import support

ORDERS = "country,amount\nNO,10\nSE,200\n"

# Each way in which programs set structlog up. `log` is the logger, `rendered` how a line looks.
WAYS = {
    "configure": """
structlog.configure(
    processors=[structlog.stdlib.add_log_level, structlog.processors.JSONRenderer()]
)
log = structlog.get_logger()
""",
    "configure_once": """
structlog.configure_once(processors=(structlog.processors.JSONRenderer(),))
log = structlog.get_logger(service="x")
""",
    "a logger made before configure": """
log = structlog.get_logger()
structlog.configure(processors=[structlog.processors.JSONRenderer()])
""",
    "wrap_logger": """
log = structlog.wrap_logger(
    structlog.PrintLogger(), processors=[structlog.processors.JSONRenderer(sort_keys=True)]
)
""",
    "cached loggers": """
structlog.configure(
    processors=[structlog.processors.JSONRenderer()], cache_logger_on_first_use=True
)
log = structlog.get_logger()
log.debug("warm", warm=True)
log = log.bind(bound=1)
""",
    "a custom renderer": """
structlog.configure(processors=[lambda logger, name, event: json.dumps(event)])
log = structlog.get_logger()
""",
    "a step after the renderer": """
structlog.configure(
    processors=[structlog.processors.JSONRenderer(), lambda logger, name, text: text.strip()]
)
log = structlog.get_logger()
""",
    "bytes": """
structlog.configure(
    processors=[structlog.processors.JSONRenderer(lambda v, **kw: json.dumps(v).encode())],
    logger_factory=structlog.BytesLoggerFactory(),
)
log = structlog.get_logger()
""",
    "the standard library, rendered before": """
logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stdout)
structlog.configure(
    processors=[structlog.stdlib.filter_by_level, structlog.processors.JSONRenderer()],
    wrapper_class=structlog.stdlib.BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
)
log = structlog.get_logger("shop")
""",
    "a formatter of the standard library": """
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(
    structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ]
    )
)
logging.basicConfig(handlers=[handler], level=logging.INFO)
structlog.configure(
    processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    wrapper_class=structlog.stdlib.BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
)
log = structlog.get_logger("shop")
""",
    "foreign records": """
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(
    structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer())
)
logging.basicConfig(handlers=[handler], level=logging.INFO)
class log:
    @staticmethod
    def info(event, **values):
        logging.getLogger("shop").info(event)
""",
    "foreign records behind a queue": """
import atexit, logging.handlers, queue
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(
    structlog.stdlib.ProcessorFormatter(
        processor=structlog.processors.JSONRenderer(),
        foreign_pre_chain=[structlog.stdlib.add_log_level],
    )
)
waiting = queue.SimpleQueue()
listener = logging.handlers.QueueListener(waiting, handler)
listener.start()
atexit.register(listener.stop)
logging.basicConfig(handlers=[logging.handlers.QueueHandler(waiting)], level=logging.INFO)
class log:
    @staticmethod
    def info(event, **values):
        logging.getLogger("shop").info(event)
""",
    "the standard library with extra": """
class Json(logging.Formatter):
    def format(self, record):
        known = vars(logging.makeLogRecord({}))
        extra = {name: v for name, v in vars(record).items() if name not in known}
        extra.pop("message", None)
        return json.dumps({"event": record.getMessage(), **extra})
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(Json())
logging.basicConfig(handlers=[handler], level=logging.INFO)
class log:
    @staticmethod
    def info(event, **values):
        logging.getLogger("shop").info(event, extra=values)
""",
}

HEAD = """
import json, logging, sys
import structlog
"""
BODY = """
import otelprov

log.info("begins", answer=42)

@otelprov.operation
def large():
    otelprov.used("orders.csv")
    log.info("working", answer=43)

large()
log.info("done", answer=44)
"""
# Each way in a child of its own, so that none sees the set-up of another.
DRIVER = """
import json, os, sys
for number, code in enumerate(json.load(open("ways.json"))):
    if not os.fork():
        for descriptor, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{name}-{number}", os.O_WRONLY | os.O_CREAT), descriptor)
        exec(code, {"__name__": "__main__"})
        sys.exit()
    assert os.wait()[1] == 0
"""
FIELDS = {
    "trace_id", "span_id", "trace_flags", "otelprov.run.id", "otelprov.artifact.id",
}  # fmt: skip


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "orders.csv").write_text(ORDERS)
    return tmp_path / "shop.py"


def lines(path: Path) -> dict[str, dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return {one["event"]: one for one in found}


@dataclass
class Both:
    """The outputs of each way, without and with recording."""

    plain: Path
    recorded: Path

    def spans(self) -> dict[str, list[support.Recorded]]:
        found: dict[str, list[support.Recorded]] = {}
        for span in support.journal(self.recorded / "journal"):
            found.setdefault(span.name, []).append(span)
        return found


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    made = Both(*(tmp_path_factory.mktemp(name) for name in ("plain", "recorded")))
    for directory in (made.plain, made.recorded):
        (directory / "orders.csv").write_text(ORDERS)
        (directory / "ways.json").write_text(
            json.dumps([HEAD + way + BODY for way in WAYS.values()])
        )
        (directory / "shop.py").write_text(DRIVER)
    subprocess.run([sys.executable, "shop.py"], cwd=made.plain, check=True)
    support.instrumented("shop.py", journal_directory=made.recorded / "journal", cwd=made.recorded)
    return made


@pytest.mark.parametrize("number", range(len(WAYS)), ids=list(WAYS))
def test_each_line_carries_its_ids_and_nothing_else_changes(number: int, both: Both) -> None:
    out, err = f"out-{number}", f"err-{number}"
    assert (both.recorded / err).read_text() == (both.plain / err).read_text() == ""
    before, now = lines(both.plain / out), lines(both.recorded / out)
    assert not FIELDS & {name for one in before.values() for name in one}
    stripped = {
        event: {name: value for name, value in one.items() if name not in FIELDS}
        for event, one in now.items()
    }
    assert stripped == before

    spans = both.spans()
    (run,), operations = spans["run shop.py"], {one.span_id: one for one in spans["large"]}
    # A handler behind a queue formats what another has formatted.
    now = {event.rpartition(":")[2]: one for event, one in now.items()}
    assert {"begins", "working", "done"} <= now.keys()
    for event, one in now.items():
        assert one["trace_id"] == run.trace_id
        assert re.fullmatch("[0-9a-f]{2}", one["trace_flags"])
        assert one["otelprov.run.id"] == f"{run.trace_id}-{run.span_id}"
        assert ("otelprov.artifact.id" in one) is (event == "working")
        if event != "working":
            assert one["span_id"] == run.span_id
    assert {now["working"]["otelprov.artifact.id"]} == operations[
        now["working"]["span_id"]
    ].used_ids


def test_every_renderer_shows_them(program: Path) -> None:
    program.write_text(
        HEAD
        + """
import otelprov
for renderer in (
    structlog.dev.ConsoleRenderer(colors=False),
    structlog.processors.LogfmtRenderer(),
    structlog.processors.KeyValueRenderer(),
):
    structlog.configure(processors=[renderer])
    with otelprov.operation("work") as work:
        work.used("orders.csv")
        structlog.get_logger().info("working")
"""
    )
    journal = program.parent / "journal"
    shown = support.instrumented(program, journal_directory=journal, cwd=program.parent).stdout
    operations = [span for span in support.journal(journal) if span.name == "work"]
    for line, operation in zip(shown.splitlines(), operations, strict=True):
        pairs = dict(word.split("=", 1) for word in shlex.split(line) if "=" in word)
        assert pairs["trace_id"] == operation.trace_id
        assert pairs["span_id"] == operation.span_id
        assert {pairs["otelprov.artifact.id"]} == operation.used_ids


def test_the_defaults_of_structlog_show_them(program: Path) -> None:
    program.write_text("import structlog\nstructlog.get_logger().info('hello', x=1)\n")
    journal = program.parent / "journal"
    shown = support.instrumented(program, journal_directory=journal).stdout
    (run,) = support.journal(journal)
    assert f"trace_id={run.trace_id}" in shown
    assert shown.count("trace_id=") == 1


def test_a_table_that_is_logged_is_named_by_its_id(program: Path) -> None:
    program.write_text(
        HEAD
        + """
import pandas as pd
structlog.configure(
    processors=[structlog.processors.JSONRenderer(default=lambda value: "a table")]
)
log = structlog.get_logger()
orders = pd.read_csv("orders.csv")
log.info("read", table=orders)
log.info("read", others=[orders])
"""
    )
    journal = program.parent / "journal"
    shown = support.instrumented(program, journal_directory=journal, cwd=program.parent).stdout
    read = next(span for span in support.journal(journal) if span.name == "pandas.read_csv")
    first, second = map(json.loads, shown.splitlines())
    assert {first["otelprov.artifact.id"]} == read.generated_ids
    assert first["table"] == "a table"
    assert "otelprov.artifact.id" not in second


def test_more_data_than_a_line_takes_is_counted(program: Path) -> None:
    program.write_text(
        HEAD
        + """
import pandas as pd, otelprov
structlog.configure(processors=[structlog.processors.JSONRenderer()])
tables = []
for number in range(11):
    pd.DataFrame({"n": [number]}).to_csv("n.csv")
    tables.append(pd.read_csv("n.csv"))
@otelprov.operation
def together(tables):
    structlog.get_logger().info("together")
together(tables)
"""
    )
    journal = program.parent / "journal"
    shown = support.instrumented(program, journal_directory=journal, cwd=program.parent).stdout
    line = json.loads(shown)
    together = next(span for span in support.journal(journal) if span.name == "together")
    ids = line["otelprov.artifact.id"].split(",")
    assert len(ids) == 8
    assert {*ids} <= together.used_ids
    assert line["otelprov.dropped.artifacts"] == 3


def test_a_trace_id_of_the_program_stays_what_it_is(program: Path) -> None:
    program.write_text(
        HEAD
        + """
structlog.configure(processors=[structlog.processors.JSONRenderer()])
structlog.get_logger().info("mine", trace_id="T-1")
logging.basicConfig(format="%(message)s %(trace_id)s", stream=sys.stdout, level=logging.INFO)
logging.getLogger("shop").info("mine", extra={"trace_id": "T-2"})
try:
    logging.getLogger("shop").info("refused", extra={"name": "x"})
except KeyError as error:
    import traceback
    print([frame.name for frame in traceback.extract_tb(error.__traceback__)])
"""
    )
    shown = support.instrumented(
        program, journal_directory=program.parent / "journal"
    ).stdout.splitlines()
    first = json.loads(shown[0])
    assert (first["trace_id"], "span_id" in first) == ("T-1", False)
    assert first["otelprov.run.id"].count("-") == 1
    assert shown[1] == "mine T-2"
    assert "make_record" not in shown[2]


def test_a_line_of_a_thread_belongs_to_the_run(program: Path) -> None:
    program.write_text(
        HEAD
        + """
import threading
structlog.configure(processors=[structlog.processors.JSONRenderer()])
thread = threading.Thread(target=lambda: structlog.get_logger().info("hello"))
thread.start()
thread.join()
"""
    )
    journal = program.parent / "journal"
    line = json.loads(support.instrumented(program, journal_directory=journal).stdout)
    (run,) = support.journal(journal)
    assert (line["trace_id"], line["span_id"]) == (run.trace_id, run.span_id)


def test_async_loggers_name_the_span_of_their_caller(program: Path) -> None:
    program.write_text(
        HEAD
        + """
import asyncio, otelprov
structlog.configure(processors=[structlog.processors.JSONRenderer()])
log = structlog.get_logger()
@otelprov.operation
async def work():
    await log.ainfo("working")
asyncio.run(work())
"""
    )
    journal = program.parent / "journal"
    line = json.loads(support.instrumented(program, journal_directory=journal).stdout)
    work = next(span for span in support.journal(journal) if span.name == "work")
    assert line["span_id"] == work.span_id


def test_captured_logs_and_pickled_loggers_are_as_they_were(program: Path) -> None:
    program.write_text(
        HEAD
        + """
import pickle
from structlog.testing import capture_logs
structlog.configure(
    processors=[structlog.processors.JSONRenderer()], cache_logger_on_first_use=True
)
configured = structlog.get_config()["processors"]
log = structlog.get_logger()
log.info("warm")
bound = log.bind(x=1)
with capture_logs() as captured:
    bound.info("hello", y=2)
print(captured)
print(structlog.get_config()["processors"] is configured, len(configured))
print(repr(bound).count("correlate"))
again = pickle.loads(pickle.dumps(structlog.get_logger().bind(z=3)))
again.info("pickled")
"""
    )
    shown = support.instrumented(
        program,
        journal_directory=program.parent / "journal",
        # The official instrumentation adds a processor of its own, that cannot be pickled.
        env={"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "structlog"},
    ).stdout.splitlines()
    assert shown[1] == "[{'x': 1, 'y': 2, 'event': 'hello', 'log_level': 'info'}]"
    assert shown[2:4] == ["True 1", "0"]
    assert "trace_id" in json.loads(shown[4])


def test_uninstrument_takes_it_out_of_cached_loggers_too(program: Path) -> None:
    program.write_text(
        HEAD
        + """
from otelprov.instrumentation.instrumentors import LogsInstrumentor
structlog.configure(
    processors=[structlog.processors.JSONRenderer()], cache_logger_on_first_use=True
)
log = structlog.get_logger()
bound = log.bind(x=1)
bound.info("with")
made = logging.Logger.makeRecord
LogsInstrumentor().uninstrument()
bound.info("without")
log.bind(y=1).info("without")
print("_processors" in vars(structlog.BoundLoggerBase), logging.Logger.makeRecord is made)
LogsInstrumentor().instrument()
bound.info("again")
"""
    )
    shown = support.instrumented(
        program, journal_directory=program.parent / "journal"
    ).stdout.splitlines()
    assert "trace_id" in json.loads(shown[0])
    assert json.loads(shown[1]) == {"x": 1, "event": "without"}
    assert json.loads(shown[2]) == {"y": 1, "event": "without"}
    assert shown[3] == "False False"
    assert json.loads(shown[4]).keys() == json.loads(shown[0]).keys()


def test_a_processor_that_a_program_puts_in_by_hand_counts_once(program: Path) -> None:
    program.write_text(
        HEAD
        + """
from otelprov.logs import Correlation, correlate
structlog.configure(processors=[correlate, structlog.processors.JSONRenderer()])
structlog.get_logger().info("hello")
handler = logging.StreamHandler(sys.stdout)
handler.addFilter(Correlation())
handler.setFormatter(logging.Formatter("%(trace_id)s %(otelprov.run.id)s"))
logging.getLogger("shop").addHandler(handler)
logging.getLogger("shop").warning("hello")
"""
    )
    journal = program.parent / "journal"
    for disabled in ("", "otelprov_logs"):
        shown = support.instrumented(
            program,
            journal_directory=journal,
            env={"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": disabled},
        ).stdout.splitlines()
        run = support.journal(journal)[-1]
        assert shown[0].count("trace_id") == 1
        assert json.loads(shown[0])["trace_id"] == run.trace_id
        assert shown[1] == f"{run.trace_id} {run.trace_id}-{run.span_id}"


def test_a_program_without_structlog_never_imports_it(program: Path) -> None:
    program.write_text("import sys; print('structlog' in sys.modules)\n")
    result = support.instrumented(
        program,
        journal_directory=program.parent / "journal",
        # The official instrumentation imports it at the start, whether it is used or not.
        env={"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "structlog"},
    )
    assert result.stdout == "False\n"

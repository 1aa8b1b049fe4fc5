"""Log records on the wire: what the official instrumentations send, and what was added to it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import support
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

PROGRAM = """
import datetime, logging, sys, threading
import structlog
import pandas as pd
import otelprov

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
plain = structlog.get_logger()
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="%H:%M"),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(default=str),
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
)
pd.DataFrame({"n": [1, 2]}).to_csv("n.csv", index=False)
table = pd.read_csv("n.csv")

log = structlog.get_logger("shop")
log.info("rendered by json")
logging.getLogger("shop").info("by logging itself")
log.debug("filtered")
logging.getLogger("shop").info("by logging again")

structlog.wrap_logger(
    structlog.PrintLogger(), processors=[structlog.processors.JSONRenderer(default=str)]
).info(
    "own processors", table=table, big=2**70, when=datetime.date(2026, 1, 2), inner={"x": [1, {2}]},
    timestamp=1_770_000_000_000, password="hunter2", nothing=None,
)

class Broken(ValueError):
    pass

try:
    raise Broken("no", 7)
except Broken as error:
    log.exception("rendered before")
    structlog.wrap_logger(
        structlog.PrintLogger(),
        processors=[
            structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer(default=str)
        ],
    ).exception("as a list")
    kept = error
structlog.wrap_logger(
    structlog.PrintLogger(),
    processors=[structlog.processors.JSONRenderer(default=str)],
).error("an instance", exc_info=kept)
logging.getLogger("shop").error("by logging", exc_info=kept)

handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(
    structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer(default=str))
)
logging.getLogger().handlers[0] = handler
structlog.configure(
    processors=[
        structlog.stdlib.add_log_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter
    ]
)
structlog.get_logger("shop").warning("rendered by a formatter")
structlog.configure(processors=[structlog.stdlib.render_to_log_kwargs])
structlog.get_logger("shop").info("rendered by logging", n=1)

@otelprov.operation
def work(table):
    structlog.get_logger("shop").info("inside")

work(table)
thread = threading.Thread(target=lambda: structlog.get_logger("shop").info("in a thread"))
thread.start()
thread.join()
"""


class Receiver:
    """A server that takes OTLP/HTTP and keeps the log records."""

    def __init__(self) -> None:
        self.records: list[tuple[str, Any]] = []
        kept = self.records

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                request = ExportLogsServiceRequest.FromString(body)
                for resource in request.resource_logs:
                    for scope in resource.scope_logs:
                        kept.extend((scope.scope.name, one) for one in scope.log_records)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/logs"


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Receiver, Path, str]]:
    directory = tmp_path_factory.mktemp("export")
    (directory / "shop.py").write_text(PROGRAM)
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever)
    thread.start()
    try:
        result = support.instrumented(
            "shop.py",
            journal_directory=directory / "journal",
            cwd=directory,
            env={
                "OTEL_LOGS_EXPORTER": "otlp",
                "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": receiver.url,
                "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf",
            },
        )
        yield receiver, directory / "journal", result.stdout
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()


@pytest.fixture
def found(sent: tuple[Receiver, Path, str]) -> dict[str, Any]:
    return {record.body.string_value: record for _, record in sent[0].records}


def attributes(record: Any) -> dict[str, Any]:
    return {pair.key: pair.value for pair in record.attributes}


def test_each_event_is_sent_exactly_once(sent: tuple[Receiver, Path, str]) -> None:
    bodies = [record.body.string_value for _, record in sent[0].records]
    assert sorted(bodies) == sorted(
        [
            "rendered by json", "by logging itself", "by logging again", "own processors",
            "rendered before", "as a list", "an instance", "by logging", "rendered by a formatter",
            "rendered by logging", "inside", "in a thread",
        ]
    )  # fmt: skip


def test_each_record_has_the_name_of_a_logger(sent: tuple[Receiver, Path, str]) -> None:
    names = {record.body.string_value: name for name, record in sent[0].records}
    assert names["rendered by json"] == names["by logging itself"] == "shop"
    assert names["own processors"] == "__main__"


def test_each_record_has_a_time_that_is_right(found: dict[str, Any]) -> None:
    for name, record in found.items():
        assert abs(record.time_unix_nano - record.observed_time_unix_nano) < 60e9, name


def test_values_have_the_forms_of_otlp(
    sent: tuple[Receiver, Path, str], found: dict[str, Any]
) -> None:
    values = attributes(found["own processors"])
    read = next(one for one in support.journal(sent[1]) if one.name == "pandas.read_csv")
    assert {values["table"].string_value} == read.generated_ids
    assert {values["otelprov.artifact.id"].string_value} == read.generated_ids
    assert values["big"].string_value == str(2**70)
    assert values["when"].string_value == "2026-01-02"
    assert values["inner"].kvlist_value.values[0].value.array_value.values[0].int_value == 1
    assert values["password"].string_value == "[REDACTED]"


@pytest.mark.parametrize("name", ["rendered before", "as a list", "an instance", "by logging"])
def test_an_exception_is_attributes(name: str, found: dict[str, Any]) -> None:
    values = attributes(found[name])
    assert values["exception.type"].string_value == "Broken"
    assert values["exception.message"].string_value == "('no', 7)"
    assert "Broken: ('no', 7)" in values["exception.stacktrace"].string_value


def test_each_record_names_its_span_and_run_and_data(
    sent: tuple[Receiver, Path, str], found: dict[str, Any]
) -> None:
    spans = {span.name: span for span in support.journal(sent[1])}
    run = spans["run shop.py"]
    for name, record in found.items():
        span = spans["work"] if name == "inside" else run
        assert record.trace_id.hex() == span.trace_id
        assert record.span_id.hex() == span.span_id, name
        values = attributes(record)
        assert values["otelprov.run.id"].string_value == f"{run.trace_id}-{run.span_id}", name
        assert not {"trace_id", "span_id", "trace_flags"} & {*values}
    inside = attributes(found["inside"])["otelprov.artifact.id"].string_value
    assert {*inside.split(",")} <= spans["work"].used_ids


def test_what_the_program_prints_has_its_ids(sent: tuple[Receiver, Path, str]) -> None:
    for line in sent[2].splitlines():
        if line.startswith("{"):
            assert '"trace_id"' in line

"""Each answer of a receiver has its outcome: nothing is lost, and nothing is held up for long."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import threading
import time
from email.utils import formatdate
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import pytest
from receiver import Request, Say, receiving, record

from otelprov.journal.delivery import Delivery
from otelprov.shipping.backoff import Backoff
from otelprov.shipping.endpoint import endpoint
from otelprov.shipping.sending import Answer
from otelprov.shipping.shipper import Shipper, waiting


def shipper(journal: Path, url: str, **variables: str) -> Shipper:
    environ = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in variables.items()}
    return Shipper(journal, endpoint("traces", environ, base=url))


def ship(shipper: Shipper) -> None:
    """One round over all segments."""
    shipper.trouble = None
    for segment in shipper.segments():
        if shipper.deliver(segment) == "stopped":
            break


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_what_was_accepted_is_not_sent_again(journal: Path) -> None:
    ids = record(journal, 20)
    with receiving() as receiver:
        for _ in range(2):  # another process, with its own state
            one = shipper(journal, receiver.url)
            ship(one)
            one.close()
        assert receiver.taken == dict.fromkeys(ids, 1)
        (request,) = receiver.requests
    assert request.path == "/v1/traces"
    assert request.headers["Content-Type"] == "application/json"
    assert one.delivery.counts().lines == 20
    assert waiting(journal, one.endpoint).lines == 0


def test_the_lines_of_a_process_go_as_one_resource(journal: Path) -> None:
    record(journal, 50)
    with receiving() as receiver:
        ship(shipper(journal, receiver.url))
    message = json.loads(receiver.requests[0].body)
    (resource,) = message["resourceSpans"]
    assert len(resource["scopeSpans"]) == 50


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_a_busy_receiver_is_tried_again(journal: Path, status: int) -> None:
    ids = record(journal, 3)
    with receiving(Say(status)) as receiver:
        one = shipper(journal, receiver.url)
        ship(one)
        assert one.trouble is not None and one.trouble.kind == "busy"
        assert waiting(journal, one.endpoint).lines == 3
        ship(one)
        assert one.trouble is None
        assert receiver.taken == dict.fromkeys(ids, 1)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_the_receiver_says_for_how_long_it_is_to_be_left_alone(journal: Path, form: str) -> None:
    record(journal, 1)
    value = "7" if form == "seconds" else formatdate(time.time() + 8, usegmt=True)
    with receiving(Say(429, headers={"Retry-After": value})) as receiver:
        one = shipper(journal, receiver.url)
        ship(one)
    assert one.trouble is not None
    assert 5 < one.trouble.wait <= 8
    assert all(Backoff().wait(one.trouble) >= one.trouble.wait for _ in range(100))


def test_the_wait_grows_with_jitter_and_has_an_end() -> None:
    away = Answer("away")
    waits = []
    for _ in range(200):
        backoff = Backoff(first=1, most=60)
        waits.append([backoff.wait(away) for _ in range(12)])
    for place, most in enumerate([1, 2, 4, 8, 16, 32, 60, 60]):
        found = [several[place] for several in waits]
        assert 0 <= min(found) < most / 10 and most * 0.8 < max(found) <= most


@pytest.mark.parametrize("status", [500, 501, 401, 403, 404, 405, 415, 302])
def test_an_answer_about_the_receiver_gives_nothing_up(journal: Path, status: int) -> None:
    ids = record(journal, 5)
    where = {"Location": "http://127.0.0.1:1/elsewhere"} if status == 302 else {}
    with receiving(Say(status, b"no", {"Content-Type": "text/plain", **where})) as receiver:
        one = shipper(journal, receiver.url)
        ship(one)
        assert one.trouble is not None and one.trouble.kind == "setup"
        assert str(status) in one.trouble.text
        assert len(receiver.requests) == 1, "a redirect is not followed"
        trouble = Delivery(journal, "traces", one.endpoint.address).last_trouble()
        assert trouble is not None and trouble.text == one.trouble.text
        assert waiting(journal, one.endpoint).lines == 5
        ship(one)
        assert receiver.taken == dict.fromkeys(ids, 1)
        assert one.delivery.last_trouble() is None


def test_a_partial_success_is_counted_and_not_sent_again(journal: Path) -> None:
    record(journal, 10)
    body = json.dumps({"partialSuccess": {"rejectedSpans": "4", "errorMessage": "too old"}})
    told = []
    with receiving(Say(body=body.encode())) as receiver:
        one = shipper(journal, receiver.url)
        one._watch = told.append
        ship(one)
        ship(shipper(journal, receiver.url))
        assert len(receiver.requests) == 1
    counts = one.delivery.counts()
    assert (counts.lines, counts.rejected) == (10, 4)
    assert told[0].text == "too old"
    assert len(list(journal.glob("*.jsonl"))) == 1, "it is still in the journal"


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("application/json", b""),
        ("application/json", b"{}"),
        ("application/json", b'{"partialSuccess":null}'),
        ("application/json", b"garbage \xff\x00"),
        ("application/json", b"[1, 2]"),
        ("application/x-protobuf", b""),
        ("application/x-protobuf", b"\xff\xff\xff"),
        ("text/plain", b"OK"),
        ("", b"OK"),
    ],
)
def test_an_accepted_request_is_accepted_whatever_its_body_says(
    journal: Path, form: str, body: bytes
) -> None:
    ids = record(journal, 2)
    with receiving(Say(200, body, {"Content-Type": form} if form else {})) as receiver:
        one = shipper(journal, receiver.url)
        ship(one)
        assert one.trouble is None
        assert receiver.taken == dict.fromkeys(ids, 1)
    assert one.delivery.counts().rejected == 0


def test_a_partial_success_in_protobuf_is_read(journal: Path) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTracePartialSuccess,
        ExportTraceServiceResponse,
    )

    record(journal, 3)
    partial = ExportTracePartialSuccess(rejected_spans=2, error_message="full")
    body = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
    with receiving(Say(200, body, {"Content-Type": "application/x-protobuf"})) as receiver:
        one = shipper(journal, receiver.url)
        ship(one)
    assert one.delivery.counts().rejected == 2


def test_a_page_for_people_is_no_receiver(journal: Path) -> None:
    record(journal, 3)
    with receiving(Say(200, b"<html>log in</html>", {"Content-Type": "text/html"})) as receiver:
        one = shipper(journal, receiver.url)
        ship(one)
    assert one.trouble is not None and one.trouble.kind == "setup"
    assert waiting(journal, one.endpoint).lines == 3


@pytest.mark.parametrize("status", [400, 413])
def test_of_a_refused_batch_only_the_bad_line_is_given_up(journal: Path, status: int) -> None:
    ids = record(journal, 100)
    (segment,) = journal.glob("*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b'"span 37"', b'"poison"'))

    def rule(request: Request) -> Say:
        return Say(status) if b'"poison"' in request.body else Say()

    with receiving(rule=rule) as receiver:
        one = shipper(journal, receiver.url)
        ship(one)
        assert one.trouble is None
        assert receiver.taken == {id_: 1 for number, id_ in enumerate(ids) if number != 37}
        assert len(receiver.requests) < 25
        ship(shipper(journal, receiver.url))
        assert sum(receiver.taken.values()) == 99
    counts = one.delivery.counts()
    assert (counts.lines, counts.refused) == (99, 1)


def test_a_receiver_that_understands_nothing_is_not_believed(journal: Path) -> None:
    record(journal, 8)
    with receiving(rule=lambda request: Say(400)) as receiver:
        one = shipper(journal, receiver.url)
        ship(one)
        assert one.trouble is not None and one.trouble.kind == "setup"
        assert receiver.requests[-1].spans() == []
    assert one.delivery.counts().refused == 0
    assert waiting(journal, one.endpoint).lines == 8


@pytest.mark.parametrize(
    "words",
    [
        "Client sent an HTTP request to an HTTPS server.\n",
        "<center>The plain HTTP request was sent to HTTPS port</center>",
        "You're speaking plain HTTP to an SSL-enabled server port.",
    ],
)
def test_a_receiver_that_wants_tls_is_understood(journal: Path, words: str) -> None:
    record(journal, 8)
    with receiving(rule=lambda request: Say(400, words.encode(), {})) as receiver:
        one = shipper(journal, receiver.url)
        ship(one)
        assert one.trouble is not None and one.trouble.kind == "setup"
        assert "HTTPS only" in one.trouble.text
        assert len(receiver.requests) == 1
    assert one.delivery.counts().refused == 0


HTTPS_ONLY = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
UNKNOWN = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 900\r\n\r\n"
HALF_OF_ANOTHER = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 900\r\n\r\nNot with"


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (HTTPS_ONLY, "setup", "HTTPS only"),
        (UNKNOWN, "setup", "who sends"),
        (HALF_OF_ANOTHER, "away", "cannot be reached"),
    ],
)
def test_a_refusal_is_read_up_to_where_its_connection_broke(
    journal: Path, answer: bytes, kind: str, text: str
) -> None:
    record(journal, 8)

    def refuse() -> None:
        connection, _ = server.accept()
        with connection:
            said = b""
            while b"\r\n\r\n" not in said:
                said += connection.recv(1 << 16)
            connection.sendall(answer)
            # To close now resets it, as where not all that was sent has been read.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=refuse, daemon=True).start()
        one = shipper(journal, f"http://127.0.0.1:{server.getsockname()[1]}")
        ship(one)
    assert one.trouble is not None and one.trouble.kind == kind
    assert text in one.trouble.text
    assert waiting(journal, one.endpoint).lines == 8


@pytest.mark.parametrize("way", ["drop", "half"])
def test_a_connection_that_breaks_is_tried_again(journal: Path, way: str) -> None:
    ids = record(journal, 5)
    with receiving(Say(**{way: True})) as receiver:  # type: ignore[arg-type]
        one = shipper(journal, receiver.url)
        ship(one)
        assert one.trouble is not None and one.trouble.kind == "away"
        ship(one)
        assert one.trouble is None
        # What was answered halfway may have been taken: once more at the most.
        assert set(receiver.taken) == set(ids)
        assert max(receiver.taken.values()) <= (1 if way == "drop" else 2)


def test_nobody_there_is_away(journal: Path) -> None:
    record(journal, 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one = shipper(journal, f"http://127.0.0.1:{port}")
    ship(one)
    assert one.trouble == Answer("away", "cannot be reached (Connection refused)")


def test_a_receiver_that_does_not_answer_is_away_after_the_timeout(journal: Path) -> None:
    record(journal, 1)
    never = threading.Event()
    with receiving(Say(after=never)) as receiver:
        one = shipper(journal, receiver.url, TIMEOUT="0.3")
        began = time.monotonic()
        ship(one)
        assert time.monotonic() - began < 5
        assert one.trouble == Answer("away", "does not answer in time")
        never.set()


def test_a_connection_that_was_closed_meanwhile_costs_nothing(journal: Path) -> None:
    with receiving() as receiver:
        one = shipper(journal, receiver.url)
        for _ in range(3):
            record(journal, 2)
            ship(one)
            assert one.trouble is None
    assert len(receiver.requests) == 3


# --- what is sent ---------------------------------------------------------------------------------


def test_a_batch_stays_below_4_mib_and_a_larger_line_goes_alone(journal: Path) -> None:
    ids = record(journal, 40, size=400_000)
    ids += record(journal, 1, size=5_000_000)
    with receiving() as receiver:
        one = shipper(journal, receiver.url)
        ship(one)
        sizes = [len(request.body) for request in receiver.requests]
        alone = [request for request in receiver.requests if len(request.body) >= 4 << 20]
        assert [len(request.spans()) for request in alone] == [1]
        assert max(size for size in sizes if size < 4 << 20) > 3 << 20
        assert receiver.taken == dict.fromkeys(ids, 1)


def test_torn_and_foreign_lines_are_passed_over_and_counted(journal: Path) -> None:
    ids = record(journal, 6)
    (segment,) = journal.glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    log = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[]}]}]}\n'
    odd = [lines[0], b"hello\n", lines[1], lines[2][:100] + b"\n", b"\n", b'{"a":1}\n', log]
    segment.write_bytes(b"".join([*odd, *lines[2:], lines[0][:50]]))
    with receiving() as receiver:
        one = shipper(journal, receiver.url)
        ship(one)
        assert one.trouble is None
        assert receiver.taken == dict.fromkeys(ids, 1)
    counts = one.delivery.counts()
    assert (counts.lines, counts.skipped, counts.refused) == (6, 4, 0)


def test_a_joined_request_holds_what_its_lines_hold(journal: Path) -> None:
    from google.protobuf import json_format
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    ids = record(journal, 4)
    record(journal, 3, name="other")
    two = b'{"resourceSpans":[{"resource":{},"scopeSpans":[]},{"resource":{},"scopeSpans":[]}]}'
    from otelprov.shipping.batches import join

    lines = [
        line for path in sorted(journal.glob("*.jsonl")) for line in path.read_bytes().split(b"\n")
    ]
    lines = [line for line in lines if line]
    mixed = [two, *lines[:2], two, two, *lines[2:], lines[0]]
    joined = json.loads(join(mixed, "traces"))
    spans = [
        (span["spanId"], json.dumps(group["resource"]))
        for group in joined["resourceSpans"]
        for scope in group["scopeSpans"]
        for span in scope["spans"]
    ]
    expected = [
        (span["spanId"], json.dumps(group["resource"]))
        for line in mixed
        for group in json.loads(line)["resourceSpans"]
        for scope in group["scopeSpans"]
        for span in scope["spans"]
    ]
    assert spans == expected and len(spans) == 8
    # The JSON mapping of protobuf, but for ids, which OTLP writes in hex.
    body = join(lines, "traces").decode()
    parsed = json_format.Parse(body, ExportTraceServiceRequest())
    assert sum(len(s.spans) for r in parsed.resource_spans for s in r.scope_spans) == 7
    assert ids[0] in body


def test_headers_and_gzip_come_from_the_variables(journal: Path) -> None:
    ids = record(journal, 50)
    with receiving() as receiver:
        one = shipper(journal, receiver.url, HEADERS="api-key=a%20b,x-tenant=7", COMPRESSION="gzip")
        ship(one)
        (request,) = receiver.requests
        assert receiver.taken == dict.fromkeys(ids, 1)
    assert request.headers["api-key"] == "a b"
    assert request.headers["x-tenant"] == "7"
    assert request.headers["Content-Encoding"] == "gzip"
    assert request.size < len(request.body) / 4


def test_the_addresses_are_put_together_as_the_specification_says() -> None:
    for environ, traces, logs in (
        ({}, "http://localhost:4318/v1/traces", "http://localhost:4318/v1/logs"),
        ({"ENDPOINT": "http://c:1"}, "http://c:1/v1/traces", "http://c:1/v1/logs"),
        ({"ENDPOINT": "http://c:1/in/"}, "http://c:1/in/v1/traces", "http://c:1/in/v1/logs"),
        (
            {"ENDPOINT": "http://c:1", "TRACES_ENDPOINT": "https://t/x"},
            "https://t/x",
            "http://c:1/v1/logs",
        ),
    ):
        variables = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in environ.items()}
        assert endpoint("traces", variables).url == traces
        assert endpoint("logs", variables).url == logs
    assert not endpoint("traces", {}).compressed, "on this machine"
    assert endpoint("traces", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://far"}).compressed
    assert endpoint("traces", {}, base="http://ada:secret@c").address == "http://c/v1/traces"


# --- TLS ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority of our own, and a certificate for 127.0.0.1 by it."""
    directory = tmp_path_factory.mktemp("tls")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)

    openssl(
        *("req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem".split()),
        *("-subj", "/CN=tests", "-addext", "basicConstraints=critical,CA:TRUE"),
        *("-addext", "keyUsage=critical,keyCertSign"),
    )
    for name in ("server", "client"):
        openssl(
            *f"req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr".split(),
            "-subj",
            f"/CN={name}",
        )
        (directory / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        openssl(
            *f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2".split(),
            *f"-out {name}.pem -extfile names".split(),
        )
    return directory


def test_a_receiver_with_tls_is_trusted_by_the_certificate_that_is_named(
    journal: Path, certificates: Path
) -> None:
    ids = record(journal, 5)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    with receiving(tls=context) as receiver:
        one = shipper(journal, receiver.url)
        ship(one)
        assert one.trouble is not None and one.trouble.kind == "setup"
        assert "certificate" in one.trouble.text
        assert waiting(journal, one.endpoint).lines == 5
        one = shipper(journal, receiver.url, CERTIFICATE=str(certificates / "ca.pem"))
        ship(one)
        assert receiver.taken == dict.fromkeys(ids, 1)
        missing = shipper(journal, receiver.url, CERTIFICATE="/no/such.pem")
        assert "/no/such.pem" in missing.client.understands().text


def test_a_client_certificate_is_shown(journal: Path, certificates: Path) -> None:
    import ssl

    ids = record(journal, 5)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    context.load_verify_locations(certificates / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with receiving(tls=context) as receiver:
        authority = str(certificates / "ca.pem")
        one = shipper(journal, receiver.url, CERTIFICATE=authority)
        ship(one)
        assert one.trouble is not None
        one = shipper(
            journal,
            receiver.url,
            CERTIFICATE=authority,
            CLIENT_CERTIFICATE=str(certificates / "client.pem"),
            CLIENT_KEY=str(certificates / "client.key"),
        )
        ship(one)
        assert one.trouble is None
        assert receiver.taken == dict.fromkeys(ids, 1)

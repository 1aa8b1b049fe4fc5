"""A small OTLP/HTTP receiver on a real socket, whose answers are written beforehand."""

from __future__ import annotations

import json
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import SSLContext
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from otelprov.journal.processor import JournalProcessor
from otelprov.journal.writer import JournalWriter


@dataclass
class Request:
    """What arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    """Decompressed."""
    size: int
    """Bytes on the wire."""

    def spans(self) -> list[str]:
        return [
            span["spanId"]
            for resource in json.loads(self.body).get("resourceSpans", [])
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]

    def names(self) -> list[str]:
        return [
            span["name"]
            for resource in json.loads(self.body).get("resourceSpans", [])
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]


@dataclass
class Say:
    """An answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    drop: bool = False
    """Close the connection instead."""
    half: bool = False
    """Close it in the middle of the body."""
    after: threading.Event | None = None
    """Answer only then."""
    kept: bool = True
    """Whether an answer of 200 means that the receiver has it."""


Rule = Callable[[Request], Say]


class Receiver:
    """Answers as it is told, in this order; then as ``rule`` says of each request, or 200."""

    def __init__(self, *answers: Say, rule: Rule | None = None) -> None:
        self.answers = list(answers)
        self.rule = rule
        self.requests: list[Request] = []
        self.taken: Counter[str] = Counter()
        """How often each span was accepted."""
        self.url = ""
        self.arrived = threading.Event()

    def answer(self, request: Request) -> Say:
        self.requests.append(request)
        self.arrived.set()
        if self.answers:
            return self.answers.pop(0)
        return self.rule(request) if self.rule else Say()

    def keep(self, request: Request, say: Say) -> None:
        if say.status == 200 and say.kept and not say.drop:
            self.taken.update(request.spans())


@contextmanager
def receiving(
    *answers: Say, rule: Rule | None = None, tls: SSLContext | None = None
) -> Iterator[Receiver]:
    receiver = Receiver(*answers, rule=rule)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            body = raw
            if self.headers.get("Content-Encoding") == "gzip":
                body = zlib.decompress(raw, 31)
            request = Request(self.path, dict(self.headers.items()), body, len(raw))
            say = receiver.answer(request)
            if say.after is not None:
                say.after.wait(30)
            if say.drop:
                self.close_connection = True
                return
            receiver.keep(request, say)
            self.send_response(say.status)
            for name, value in say.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(say.body) + (100 if say.half else 0)))
            self.end_headers()
            self.wfile.write(say.body)
            self.close_connection = self.close_connection or say.half

        def log_message(self, *arguments: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *arguments: Any) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def record(journal: Path, count: int, *, name: str = "span", size: int = 0) -> list[str]:
    """Write a closed segment with so many spans; their ids."""
    writer = JournalWriter(journal)
    provider = TracerProvider(resource=Resource({"service.name": "shipped"}))
    provider.add_span_processor(JournalProcessor(writer))
    tracer = provider.get_tracer("tests")
    ids = []
    for number in range(count):
        with tracer.start_as_current_span(
            f"{name} {number}", attributes={"pad": "x" * size}
        ) as span:
            ids.append(f"{span.get_span_context().span_id:016x}")
    provider.shutdown()
    return ids

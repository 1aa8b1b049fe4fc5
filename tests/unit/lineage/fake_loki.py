"""A server that answers ``query_range`` as Loki 3.7 does for OTLP log records."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from otelprov.lineage.logged import LogLine
from otelprov.lineage.sources.log_files import log_lines

_QUERY = re.compile(r'\{service_name=~"\.\+"\} \| trace_id="([0-9a-f]{32})"')


@dataclass
class FakeLoki:
    """What the server knows."""

    known: list[LogLine] = field(default_factory=list)
    url: str = ""

    def load(self, directory: Path) -> None:
        for path in sorted(directory.glob("*.jsonl")):
            for line in path.read_bytes().splitlines():
                if line.startswith(b'{"resourceLogs"'):
                    self.known.extend(log_lines(line))

    def query_range(self, query: dict[str, str]) -> dict[str, Any]:
        matched = _QUERY.fullmatch(query["query"])
        assert matched is not None
        start, end = int(query["start"]), int(query["end"])
        found = [
            one
            for one in sorted(self.known, key=lambda one: one.time)
            if one.trace_id == matched[1] and start <= one.time < end
        ][: int(query["limit"])]
        return {
            "status": "success",
            "data": {
                "resultType": "streams",
                "result": [
                    {"stream": _labels(one), "values": [[str(one.time), one.body]]} for one in found
                ],
            },
        }


def _labels(line: LogLine) -> dict[str, str]:
    return {
        "service_name": line.service,
        "scope_name": line.logger,
        "trace_id": line.trace_id,
        "span_id": line.span_id,
        "severity_text": line.severity,
        "detected_level": "info",
        **{name.replace(".", "_"): str(value) for name, value in line.attributes.items()},
    }


@contextmanager
def serving(loki: FakeLoki) -> Iterator[FakeLoki]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            assert parts.path == "/loki/api/v1/query_range"
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            data = json.dumps(loki.query_range(query)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    loki.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield loki
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

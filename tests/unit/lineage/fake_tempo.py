"""A server that answers as Tempo's documentation (3.0) says, from the lines of a journal.

Not a real Tempo: what is tested against it is whether we ask and read as documented.
"""

from __future__ import annotations

import base64
import copy
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
_QUERY = re.compile(r'\{ (event|span)\.([a-z_.]+) (=~|=) "((?:[^"\\]|\\.)*)" \}')


@dataclass
class FakeTempo:
    """What the server knows, how it is set, and what it was asked."""

    traces: dict[str, list[Json]] = field(default_factory=dict)
    """Resource spans, by trace id."""
    max_duration: int = 168 * 3600
    max_limit: int = 262_144
    cutoff: int = 30
    """Seconds that searches do not see."""
    has_v2: bool = True
    partial: bool = False
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def load(self, directory: Path) -> None:
        for path in sorted(directory.glob("*.jsonl")):
            for line in path.read_text().splitlines():
                for group in json.loads(line)["resourceSpans"]:
                    trace_id = group["scopeSpans"][0]["spans"][0]["traceId"]
                    self.traces.setdefault(trace_id, []).append(group)

    def move_to(self, now: int) -> None:
        """Move all that is known in time, so that the newest span ends at ``now`` (seconds)."""
        newest = max(int(span["endTimeUnixNano"]) for span in self.spans())
        by = now * 10**9 - newest
        for span in self.spans():
            for key in ("startTimeUnixNano", "endTimeUnixNano"):
                span[key] = str(int(span[key]) + by)

    def spans(self) -> Iterator[Json]:
        for groups in self.traces.values():
            yield from _spans(groups)

    def search(self, query: dict[str, str]) -> tuple[int, Json | str]:
        start, end, limit = (int(query.get(key, "0")) for key in ("start", "end", "limit"))
        if limit > self.max_limit:
            return 400, f"limit {limit} exceeds max limit {self.max_limit}"
        if end - start > self.max_duration:
            hours = f"{self.max_duration // 3600}h0m0s"
            message = f"range specified by start and end exceeds {hours}. received"
            return 400, f"{message} start={start} end={end}"
        matched = _QUERY.fullmatch(query["q"])
        if matched is None:
            return 400, f"invalid TraceQL query: {query['q']}"
        scope, name, operator, text = matched.groups()
        wanted = re.compile(
            text.replace('\\"', '"').replace("\\\\", "\\") if operator == "=~" else re.escape(text)
        )
        until = min(end, time.time() - self.cutoff) * 1e9
        found = []
        for trace_id, groups in self.traces.items():
            spans = list(_spans(groups))
            first = min(int(span["startTimeUnixNano"]) for span in spans)
            if not start * 1e9 <= first <= until:
                continue
            if any(
                wanted.fullmatch(value) for span in spans for value in _values(span, scope, name)
            ):
                found.append({"traceID": trace_id.lstrip("0"), "startTimeUnixNano": str(first)})
        return 200, {"traces": found[: limit or 20], "metrics": {}}

    def trace(self, trace_id: str, v2: bool) -> tuple[int, Json | str]:
        groups = self.traces.get(trace_id)
        if groups is None or (v2 and not self.has_v2):
            return 404, "trace not found" if groups is None else "404 page not found"
        groups = copy.deepcopy(groups)
        for span in _spans(groups):
            for one in (span, *span.get("links", ())):
                for key in ("traceId", "spanId", "parentSpanId"):
                    if one.get(key):
                        one[key] = base64.b64encode(bytes.fromhex(one[key])).decode()
            for pair in span["attributes"]:
                if len(pair["value"].get("stringValue", "")) > 2048:
                    pair["value"]["stringValue"] = pair["value"]["stringValue"][:2048]
            if span["status"].get("code") == 2:
                span["status"]["code"] = "STATUS_CODE_ERROR"
            span["kind"] = "SPAN_KIND_INTERNAL"
        if not v2:
            return 200, {"batches": groups}
        answer: Json = {"trace": {"resourceSpans": groups}, "metrics": {}}
        if self.partial:
            answer.update(status="PARTIAL", message="trace exceeds max size")
        return 200, answer


def _spans(groups: list[Json]) -> Iterator[Json]:
    for group in groups:
        for scope in group["scopeSpans"]:
            yield from scope["spans"]


def _values(span: Json, scope: str, name: str) -> Iterator[str]:
    places = [span] if scope == "span" else span.get("events", ())
    for place in places:
        for pair in place["attributes"]:
            if pair["key"] == name:
                yield pair["value"].get("stringValue", "")


@contextmanager
def serving(tempo: FakeTempo) -> Iterator[FakeTempo]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tempo.asked.append(self.path)
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            status, body = 404, "404 page not found"
            if parts.path == "/api/search":
                status, body = tempo.search(query)
            elif match := re.fullmatch(r"/api(/v2)?/traces/([0-9a-f]{32})", parts.path):
                status, body = tempo.trace(match[2], bool(match[1]))
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    tempo.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield tempo
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

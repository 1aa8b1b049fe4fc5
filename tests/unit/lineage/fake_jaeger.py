"""A server that answers like Jaeger 1.76, from the lines of a journal."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]


@dataclass
class FakeJaeger:
    """What the server knows and what it was asked."""

    traces: dict[str, Json] = field(default_factory=dict)
    max_traces: int = 100_000
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def load(self, directory: Path) -> None:
        for path in sorted(directory.glob("*.jsonl")):
            for line in path.read_text().splitlines():
                self.add(json.loads(line))

    def add(self, request: Json) -> None:
        for group in request["resourceSpans"]:
            tags = {tag["key"]: tag["value"] for tag in _tags(group["resource"]["attributes"])}
            service = tags["service.name"]
            for scope in group["scopeSpans"]:
                for span in scope["spans"]:
                    trace = self.traces.setdefault(
                        span["traceId"],
                        {"traceID": span["traceId"], "spans": [], "processes": {}},
                    )
                    trace["processes"][f"p-{service}"] = {"serviceName": service, "tags": []}
                    trace["spans"].append(_span(span, scope["scope"], f"p-{service}"))

    def services(self) -> list[str]:
        processes = [p for trace in self.traces.values() for p in trace["processes"].values()]
        return sorted({process["serviceName"] for process in processes})

    def find(self, service: str, wanted: dict[str, str]) -> list[Json]:
        return [trace for trace in self.traces.values() if _matches(trace, service, wanted)]


@contextmanager
def serving(jaeger: FakeJaeger) -> Iterator[FakeJaeger]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            jaeger.asked.append(self.path)
            status, body = _answer(jaeger, self.path)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    jaeger.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield jaeger
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(jaeger: FakeJaeger, path: str) -> tuple[int, Json]:
    parts = urlsplit(path)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    if parts.path == "/api/services":
        return 200, {"data": jaeger.services() or None, "errors": None}
    if parts.path == "/api/traces":
        if int(query["limit"]) > jaeger.max_traces:
            message = "search depth must be greater than 0 and less than max traces"
            return 500, {"data": None, "errors": [{"code": 500, "msg": message}]}
        found = jaeger.find(query["service"], json.loads(query["tags"]))
        return 200, {"data": found[: int(query["limit"])], "errors": None}
    if parts.path.startswith("/api/traces/"):
        trace = jaeger.traces.get(parts.path.rpartition("/")[2])
        if trace is None:
            return 404, {"data": None, "errors": [{"code": 404, "msg": "trace not found"}]}
        return 200, {"data": [trace], "errors": None}
    return 404, {"data": None, "errors": [{"code": 404, "msg": "no such page"}]}


def _matches(trace: Json, service: str, wanted: dict[str, str]) -> bool:
    for span in trace["spans"]:
        if trace["processes"][span["processID"]]["serviceName"] != service:
            continue
        places = [span["tags"], *(log["fields"] for log in span["logs"])]
        found = {(tag["key"], str(tag["value"])) for tags in places for tag in tags}
        if set(wanted.items()) <= found:
            return True
    return False


def _span(span: Json, scope: Json, process: str) -> Json:
    start = int(span["startTimeUnixNano"])
    references = [
        {"refType": "FOLLOWS_FROM", "traceID": link["traceId"], "spanID": link["spanId"]}
        for link in span.get("links", ())
    ]
    if span.get("parentSpanId"):
        parent = {"traceID": span["traceId"], "spanID": span["parentSpanId"]}
        references.insert(0, {"refType": "CHILD_OF", **parent})
    tags = [
        *_tags(span["attributes"]),
        {"key": "otel.scope.name", "type": "string", "value": scope["name"]},
        {"key": "span.kind", "type": "string", "value": "internal"},
    ]
    if span["status"].get("code") == 2:
        tags += [
            {"key": "otel.status_code", "type": "string", "value": "ERROR"},
            {"key": "error", "type": "bool", "value": True},
            {
                "key": "otel.status_description",
                "type": "string",
                "value": span["status"]["message"],
            },
        ]
    return {
        "traceID": span["traceId"],
        "spanID": span["spanId"],
        "operationName": span["name"],
        "references": references,
        "startTime": start // 1000,
        "duration": (int(span["endTimeUnixNano"]) - start) // 1000,
        "tags": tags,
        "logs": [
            {
                "timestamp": int(event["timeUnixNano"]) // 1000,
                "fields": [
                    {"key": "event", "type": "string", "value": event["name"]},
                    *_tags(event["attributes"]),
                ],
            }
            for event in span.get("events", ())
        ],
        "processID": process,
        "warnings": None,
    }


def _tags(attributes: list[Json]) -> list[Json]:
    tags = []
    for one in attributes:
        ((kind, value),) = one["value"].items()
        if kind == "arrayValue":
            items = [next(iter(item.values())) for item in value["values"]]
            value = json.dumps(items, separators=(",", ":"))
        if kind == "intValue":
            value = int(value)
        types = {"intValue": "int64", "doubleValue": "float64", "boolValue": "bool"}
        tags.append({"key": one["key"], "type": types.get(kind, "string"), "value": value})
    return tags

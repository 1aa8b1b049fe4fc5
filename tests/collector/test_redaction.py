"""Secrets that the agent is handed do not leave the host, whatever they are written into."""

from __future__ import annotations

import secrets

import collectors
import pytest
from collectors import Pair, eventually, post, span, traces

pytestmark = pytest.mark.servers

# Put together here, so that no scanner of repositories takes them for real ones.
KEY = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2"
TOKEN = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiJqb2UifQ" + ".c2lnbmF0dXJlMTIz"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEhunter2\nabc\n-----END RSA PRIVATE KEY-----"

ATTRIBUTES = {
    # By name.
    "otelprov.parameter.password": "hunter2",
    "otelprov.parameter.api_key": "hunter2",
    "otelprov.parameter.token": "hunter2",
    "otelprov.parameter.secret_access_key": "hunter2",
    "otelprov.parameter.connection_string": "hunter2",
    "otelprov.parameter.pwd": "hunter2",
    "http.request.header.authorization": "hunter2",
    "http.request.header.cookie": "session=hunter2",
    "db.credential": "hunter2",
    "otelprov.parameter.pin_secret": 4711471147,
    # By form.
    "otelprov.parameter.con": "postgresql://joe:hunter2@db.example.com/orders",
    "otelprov.parameter.path": "https://hunter2@example.com/orders.csv",
    "url.full": "https://example.com/orders.csv?token=hunter2&page=1",
    "otelprov.parameter.storage": '{"key": 1, "secret": "hunter2"}',
    "otelprov.parameter.dsn": "host=db user=joe password=hunter2 dbname=orders",
    "azure": "AccountName=joe;AccountKey=hunter2==;EndpointSuffix=core.windows.net",
    "header": "Authorization: Bearer hunter2hunter2",
    "basic": "basic aHVudGVyMjpodW50ZXIy",
    "aws": f"key {KEY} was used",
    "github": f"cloned with {GITHUB}",
    "jwt": f"got {TOKEN}",
    "stripe": "sk_live_" + "hunter2hunter2hunter2",
    "slack": "xoxb-" + "1234567890-hunter2",
    "google": "AIza" + "SyhunterA2hunterA2hunterA2hunterA2x",
    "gitlab": "glpat-" + "hunter2hunter2hunter",
    "pem": PEM,
    "process.command_args": ["load.py", "--password", "hunter2", "--api-key=hunter2"],
    "vcs.repository.url.full": "https://joe:hunter2@example.com/joe/flights.git",
    "sql": "CREATE USER joe WITH PASSWORD = 'hunter2'",
}
LEAKS = ("hunter2", "hunterA2", "4711471147", KEY, GITHUB, TOKEN, "aHVudGVyMjpodW50ZXIy", "MIIE")

ORDINARY = {
    "otelprov.operation.kind": "read",
    "otelprov.parameter.sep": ";",
    "otelprov.parameter.on": "['origin', 'time_hour']",
    "otelprov.parameter.max_tokens": 100,
    "otelprov.parameter.key": "amount",
    "otelprov.parameter.path": "s3://bucket/orders.parquet",
    "otelprov.parameters.given": ["path", "password"],
    "url.full": "https://example.com/orders.csv?page=1",
    "vcs.ref.head.revision": "ac0ffee1deadbeef" * 2,
    "code.file.path": "/srv/pipelines/tokens.py",
    "process.pid": 4711,
}


def leaks(text: str) -> list[str]:
    return [secret for secret in LEAKS if secret in text]


def test_no_planted_secret_is_in_what_the_gateway_gets(pair: Pair) -> None:
    kind = {"otelprov.operation.kind": "read"}
    exception = {
        "exception.message": "cannot connect to postgresql://joe:hunter2@db",
        "exception.stacktrace": "line 1\n  connect(password='hunter2')\nline 3",
    }
    spans = [span(f"one {name}", {**kind, name: value}) for name, value in ATTRIBUTES.items()]
    spans.append(span("in events", kind, events=(("exception", exception), ("e", ATTRIBUTES))))
    spans += [
        span(f"in status {name}", kind, error=f"failed: {value}")
        for name, value in ATTRIBUTES.items()
        if isinstance(value, str) and value != "hunter2"
    ]
    spans.append(span("GET https://joe:hunter2@example.com/", kind))
    body = traces(*spans)
    body["resourceSpans"][0]["resource"]["attributes"] += collectors.pairs(ATTRIBUTES)
    body["resourceSpans"][0]["scopeSpans"][0]["scope"]["attributes"] = collectors.pairs(ATTRIBUTES)
    assert leaks(str(body)) == list(LEAKS)
    assert post(pair.agent.http, body) == 200
    trace = secrets.token_hex(16)
    for name, value in ATTRIBUTES.items():
        text = value if isinstance(value, str) and value != "hunter2" else f"{name}={value}"
        assert post(pair.agent.http, collectors.logs(text, {name: value}, trace_id=trace)) == 200
    eventually("all spans arrive", lambda: pair.recorded.count('"kind":1') >= len(spans))
    eventually("all logs arrive", lambda: pair.recorded.count(trace) == len(ATTRIBUTES))
    assert leaks(pair.recorded) == []
    # Nor in what either of them kept on disk, or said.
    for file in pair.agent.state.rglob("*"):
        if file.is_file():
            assert leaks(file.read_bytes().decode("latin-1")) == [], file.name


def test_what_is_no_secret_is_left_as_it_is(pair: Pair) -> None:
    name = f"ordinary {secrets.token_hex(4)}"
    ids = {
        "otelprov.used.id": "file:" + "e" * 64,
        "otelprov.artifact.uri": "file:///data/token/orders.parquet",
        "otelprov.artifact.name": "orders.parquet",
    }
    assert (
        post(pair.agent.http, traces(span(name, ORDINARY, events=(("otelprov.used", ids),)))) == 200
    )
    eventually("it arrives", lambda: name in pair.recorded)
    (line,) = (line for line in pair.recorded.splitlines() if name in line)
    for pair_ in collectors.pairs({**ORDINARY, **ids}):
        text = collectors.json.dumps(pair_, separators=(",", ":"), ensure_ascii=False)
        assert text in line.replace("\\u0026", "&"), pair_
    assert "****" not in line

"""Real servers for the tests of files and stores: S3-compatible, and a plain web server."""

from __future__ import annotations

import http.client
import http.server
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import processes
import pytest

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(autouse=True)
def _patched(_recording: object) -> None:
    """Every test here is about functions that are stood in for."""


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of moto's server, with the bucket ``lake``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = tmp_path_factory.mktemp("moto") / "log"
    log = path.open("wb")
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=log,
        stderr=log,
        env={
            "PATH": "",
            "MOTO_RECORDER_FILEPATH": str(path.with_name("recording")),
            **CREDENTIALS,
        },
    )
    url = f"http://127.0.0.1:{port}"
    try:
        started = processes.Process(server.pid, processes.birth(server.pid) or "", str(path))
        processes.wait_until_it_answers(
            "moto's server", started, lambda: processes.answers_http(f"{url}/moto-api/")
        )
        yield url
    finally:
        server.terminate()
        server.wait(20)
        log.close()


@pytest.fixture(scope="session")
def _client(s3_server: str, _recording: object) -> Any:
    """Made once, and after boto3 was patched: to read its model of S3 takes half a second."""
    import boto3

    return boto3.session.Session(
        aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1"
    ).client("s3", endpoint_url=s3_server)


@pytest.fixture
def s3_environment(s3_server: str, _client: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Variables with which boto3 and s3fs talk to it; the buckets ``lake`` and ``versions``."""
    # Not with a library that is recorded.
    connection = http.client.HTTPConnection(s3_server.removeprefix("http://"), timeout=20)
    connection.request("POST", "/moto-api/reset")
    connection.getresponse().read()
    connection.close()
    found = {**CREDENTIALS, "AWS_ENDPOINT_URL": s3_server}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    _client.create_bucket(Bucket="lake")
    _client.create_bucket(Bucket="versions")
    _client.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    return found


@pytest.fixture
def s3(_client: Any, s3_environment: dict[str, str]) -> Any:
    """A client of boto3's."""
    return _client


class _Files(http.server.SimpleHTTPRequestHandler):
    def send_head(self) -> Any:
        path = Path(self.translate_path(self.path.partition("?")[0]))
        if path.is_file() and not self.path.endswith("plain"):
            self.etag = f'"{path.stat().st_mtime_ns:x}"'
        return super().send_head()

    def end_headers(self) -> None:
        if getattr(self, "etag", None):
            self.send_header("ETag", self.etag)
        super().end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a web server, and the directory that it serves."""
    directory = tmp_path / "www"
    directory.mkdir()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *arguments: _Files(*arguments, directory=str(directory))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", directory
    server.shutdown()
    server.server_close()
    thread.join(20)

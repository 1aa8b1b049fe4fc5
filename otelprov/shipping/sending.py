"""One request to a receiver, and what its answer means.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response says what receivers answer. We differ
in one thing: an answer that the specification calls final, but that is about the receiver and not
about the data (401, 404, 500…), gives nothing up. The journal keeps it, so it can wait.
"""

from __future__ import annotations

import os
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

from otelprov._record import record
from otelprov.journal.delivery import PREFIX, Signal
from otelprov.shipping import guest
from otelprov.shipping.endpoint import LOOPBACK, Endpoint
from otelprov.version import __version__

if TYPE_CHECKING:
    import ssl

    from urllib3 import BaseHTTPResponse
    from urllib3.poolmanager import PoolManager

Kind = Literal["accepted", "malformed", "busy", "away", "setup"]
"""``malformed``: not with this data. ``busy``: not now. ``away``: nobody there. ``setup``: not
until somebody changes something."""

_BUSY: Final = (408, 429, 502, 503, 504)
_MALFORMED: Final = (400, 413, 422)
_BODY: Final = 1 << 16  # bytes of an answer that are read
_SAID: Final = 1 << 11  # of a refusal, those that are read one by one
_LONGEST_WAIT: Final = 3600.0
_NAMES: Final = {
    301: "moved",
    302: "redirects",
    303: "redirects",
    307: "redirects",
    308: "moved",
    401: "does not know who sends: set OTEL_EXPORTER_OTLP_HEADERS",
    403: "does not allow it: see OTEL_EXPORTER_OTLP_HEADERS",
    404: "takes no {signal} there",
    405: "takes no {signal} there",
    407: "is behind a proxy that does not know who sends",
    415: "does not take OTLP as JSON",
}


# What Go (so every Collector), nginx and Apache say, with 400, to a request without TLS.
_WANTS_TLS: Final = (
    b"HTTP request to an HTTPS server",
    b"HTTP request was sent to HTTPS port",
    b"plain HTTP to an SSL-enabled",
)


@record
class Answer:
    """What became of one request."""

    kind: Kind
    text: str = ""
    """In words, where there is something to say."""
    rejected: int = 0
    """Spans or log records that were not taken, of those of an accepted request."""
    wait: float = 0.0
    """Seconds that the receiver asked to be left alone for."""


class Client:
    """Sends the requests of one signal; keeps its connection. For one thread."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._pool: PoolManager | None = None

    def post(self, body: bytes, *, timeout: float | None = None) -> Answer:
        """Send one request; ``timeout`` in seconds, when it is to be shorter than set.

        Whatever happens is an answer: this raises nothing.
        """
        seconds = min(timeout or self.endpoint.timeout, self.endpoint.timeout)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"otelprov/{__version__}",
            **self.endpoint.headers,
        }
        if self.endpoint.compressed:
            # In the format of gzip, at its fastest level.
            packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
            body = packer.compress(body) + packer.flush()
            headers["Content-Encoding"] = "gzip"
        try:
            pool = self._connected()
            response = pool.request(
                "POST",
                self.endpoint.url,
                body=body,
                headers=headers,
                timeout=seconds,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            content = b""
            try:
                content = _content(response)
            finally:
                # Of a longer answer the rest is not read, so this connection is not used again.
                if 0 < len(content) < _BODY or response.status == 204:
                    response.drain_conn()  # up to its end, or the connection is not used again
                    response.release_conn()
                else:
                    response.close()
        except Exception as error:  # urllib3's, ssl's and the operating system's own
            return failure(error)
        return meaning(self.endpoint.signal, response, content)

    def understands(self, *, timeout: float | None = None) -> Answer:
        """What the receiver says to a request without anything in it."""
        return self.post(PREFIX[self.endpoint.signal] + b"]}", timeout=timeout)

    def close(self) -> None:
        """Close the connection."""
        if self._pool is not None:
            self._pool.clear()
            self._pool = None

    def _connected(self) -> PoolManager:
        if self._pool is None:
            guest.load()
            guest.keep_out_of_the_log()
            self._pool = _pool(self.endpoint)
        return self._pool


def meaning(signal: Signal, response: BaseHTTPResponse, content: bytes) -> Answer:
    """What an answer means."""
    status = response.status
    form = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if 200 <= status < 300:
        if form == "text/html":
            # A page is what a proxy's login, and Jaeger's page at its own port, say to anything.
            return Answer("setup", "answers with a page for people: it is no OTLP receiver")
        rejected, text = _partial(signal, form, content)
        return Answer("accepted", text, rejected)
    if _wants_tls(status, content):
        # It is about how it was sent, not about the data.
        return Answer("setup", "answers 400: it takes HTTPS only, so the address needs https://")
    said = _status_message(form, content)
    text = f"answers {status}"
    if status in _NAMES:
        text += f": it {_NAMES[status].format(signal=signal)}"
    if 300 <= status < 400 and response.headers.get("Location"):
        text += f" to {response.headers['Location']}"
    if said:
        text += f" ({said})"
    if status in _BUSY:
        return Answer("busy", text, wait=_retry_after(response.headers.get("Retry-After", "")))
    if status in _MALFORMED:
        return Answer("malformed", text)
    return Answer("setup", text, wait=_retry_after(response.headers.get("Retry-After", "")))


def _content(response: BaseHTTPResponse) -> bytes:
    """What an answer says; of a refusal also what came before its connection broke.

    Who refuses early closes before the whole request is read, and that resets the connection: what
    he said has arrived, but a larger read that meets the reset throws it away.
    """
    if response.status < 400:
        return response.read(_BODY, decode_content=True)
    said = b""
    try:
        while len(said) < _SAID and (piece := response.read(1, decode_content=True)):
            said += piece
        said += response.read(_BODY - len(said), decode_content=True)
    except Exception:
        # Half of an answer about the data is not believed.
        if response.status in _MALFORMED and not _wants_tls(response.status, said):
            raise
    return said


def _wants_tls(status: int, content: bytes) -> bool:
    return status == 400 and any(words in content for words in _WANTS_TLS)


def failure(error: Exception) -> Answer:
    """What it means that there was no answer."""
    if isinstance(error, ImportError):
        return Answer("setup", f"cannot be asked: {error}")
    import ssl

    from urllib3 import exceptions

    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    for one in causes:
        if isinstance(one, ssl.SSLCertVerificationError):
            return Answer("setup", f"has a certificate that is not trusted ({one.verify_message})")
    # What cannot be connected to is a time-out too, by its class (urllib3 2).
    refused = isinstance(error, exceptions.NewConnectionError)
    if isinstance(error, exceptions.TimeoutError) and not refused:
        return Answer("away", "does not answer in time")
    for one in causes:
        if isinstance(one, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError)):
            return Answer("away", f"cannot be reached ({_reason(one)})")
    if any(isinstance(one, ssl.SSLError) for one in causes):
        return Answer("setup", f"cannot be talked to with TLS ({_reason(causes[-1])})")
    if isinstance(error, exceptions.HTTPError):
        return Answer("away", f"cannot be reached ({_reason(causes[-1])})")
    return Answer("setup", f"cannot be asked ({type(error).__name__}: {error})")


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error)


def _partial(signal: Signal, form: str, content: bytes) -> tuple[int, str]:
    """How many spans or records of an accepted request were not taken, and why.

    A body that says nothing of it, whatever it is, means that all were.
    """
    field = {"traces": "rejectedSpans", "logs": "rejectedLogRecords"}[signal]
    try:
        if form in ("application/x-protobuf", "application/protobuf"):
            # Not what a request in JSON should be answered with; seen all the same.
            return _partial_protobuf(signal, content)
        partial = (orjson.loads(content) if content.strip() else {}).get("partialSuccess") or {}
        # The protobuf JSON mapping writes an int64 as a string.
        return int(partial.get(field) or 0), str(partial.get("errorMessage") or "")[:500]
    except (ValueError, TypeError, AttributeError):
        return 0, ""


def _partial_protobuf(signal: Signal, content: bytes) -> tuple[int, str]:
    with guest.importing:
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    answer: Any
    if signal == "traces":
        answer = trace_service_pb2.ExportTraceServiceResponse()
    else:
        answer = logs_service_pb2.ExportLogsServiceResponse()
    try:
        answer.ParseFromString(content)
    except DecodeError:
        return 0, ""
    partial = answer.partial_success
    rejected = partial.rejected_spans if signal == "traces" else partial.rejected_log_records
    return rejected, partial.error_message[:500]


def _status_message(form: str, content: bytes) -> str:
    """What a refusal says: the message of a google.rpc.Status, or some plain text."""
    if form == "application/json":
        try:
            return str(orjson.loads(content).get("message") or "")[:300]
        except (ValueError, AttributeError):
            return ""
    if form == "text/plain":
        return " ".join(content[:300].decode("utf-8", "replace").split())
    return ""


def _retry_after(text: str) -> float:
    """Seconds of a ``Retry-After``, which may also be a date (RFC 9110, 10.2.3)."""
    text = text.strip()
    if not text:
        return 0.0
    if text.isdecimal():
        return min(float(text), _LONGEST_WAIT)
    from email.utils import parsedate_to_datetime

    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError):
        return 0.0
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _pool(endpoint: Endpoint) -> PoolManager:
    import urllib3

    settings: dict[str, Any] = {"num_pools": 1, "maxsize": 1}
    if endpoint.url.startswith("https:"):
        settings["ssl_context"] = _trust(endpoint)
    proxy = _proxy(endpoint.url)
    return urllib3.ProxyManager(proxy, **settings) if proxy else urllib3.PoolManager(**settings)


def _trust(endpoint: Endpoint) -> ssl.SSLContext:
    import ssl

    named = (endpoint.certificate, endpoint.client_certificate, endpoint.client_key)
    for path in named:
        if path and not os.access(path, os.R_OK):
            raise ValueError(f"{path}, named by OTEL_EXPORTER_OTLP_*, cannot be read")
    context = ssl.create_default_context(cafile=endpoint.certificate)
    if not endpoint.certificate:
        # A slim container has no authorities of its own; the SDK's exporter trusts certifi's.
        with suppress(ImportError), guest.importing:
            import certifi

            context.load_verify_locations(certifi.where())
    if endpoint.client_certificate:
        context.load_cert_chain(endpoint.client_certificate, endpoint.client_key)
    return context


def _proxy(url: str) -> str | None:
    """The proxy that the environment names, as for any other program; none on this machine."""
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in LOOPBACK or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)

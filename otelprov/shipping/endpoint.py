"""Where a signal goes, by OpenTelemetry's own variables.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/ says what they mean. Two things are as
in OpenTelemetry's Python SDK, which reads the same variables in the same process: a time-out is in
seconds, and header values need not be URL-encoded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from urllib.parse import urlsplit, urlunsplit

from otelprov._record import record
from otelprov.journal.delivery import Signal

_DEFAULT = "http://localhost:4318"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TIMEOUT = 10.0


class EndpointError(ValueError):
    """An address cannot be sent to; the message says why."""


@record
class Endpoint:
    """One destination of one signal."""

    signal: Signal
    url: str
    """The whole URL that requests go to."""
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = _TIMEOUT
    """Seconds for one request."""
    compressed: bool = False
    """Whether requests are compressed with gzip."""
    certificate: str | None = None
    """File of the authorities that the receiver's certificate is checked with."""
    client_key: str | None = None
    client_certificate: str | None = None

    @property
    def address(self) -> str:
        """The URL without user and password: what may be shown, and what a destination is."""
        scheme, host, path, query, _ = urlsplit(self.url)
        return urlunsplit((scheme, host.rpartition("@")[2], path, query, ""))


def endpoint(
    signal: Signal, environ: Mapping[str, str] = os.environ, *, base: str | None = None
) -> Endpoint:
    """Where the variables say that a signal goes; ``base`` is an OTLP address to use instead.

    Raises:
        EndpointError: the address is none for HTTP.
    """

    def get(name: str) -> str:
        of_signal = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", "").strip()
        return of_signal or environ.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip()

    exact = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
    if base is None and exact:
        url = exact
    else:
        start = base or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip() or _DEFAULT
        url = f"{start.rstrip('/')}/v1/{signal}"
    _check(url)
    # The specification's default is none. gzip's level 1 makes lines 13 times smaller and adds
    # 6 µs of CPU to the 15 that a span of 2.9 kB takes: worth it on a network, not on one machine.
    local = (urlsplit(url).hostname or "") in LOOPBACK
    compression = get("COMPRESSION").lower() or ("none" if local else "gzip")
    return Endpoint(
        signal=signal,
        url=url,
        headers=_headers(get("HEADERS")),
        timeout=_seconds(get("TIMEOUT")),
        compressed=compression in ("gzip", "deflate"),
        certificate=get("CERTIFICATE") or None,
        client_key=get("CLIENT_KEY") or None,
        client_certificate=get("CLIENT_CERTIFICATE") or None,
    )


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise EndpointError(
            f"{url!r} is not an address of OTLP over HTTP; expected one like {_DEFAULT}"
        )


def _headers(text: str) -> dict[str, str]:
    from opentelemetry.util.re import parse_env_headers

    return dict(parse_env_headers(text, liberal=True))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return _TIMEOUT
    return seconds if 0 < seconds < 3600 else _TIMEOUT

"""A server that answers questions with JSON over HTTP: Jaeger, Tempo, Loki."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from otelprov.lineage.sources import AddressError, SourceError


class Refused(SourceError):
    """The server answered, with an error."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """One server; ``what`` is what people call it, ``form`` how its address looks.

    Raises:
        AddressError: the address is not that of a server, or has a user or a query in it.
    """

    def __init__(self, url: str, what: str, form: str, *, timeout: float = 30) -> None:
        parts = urllib.parse.urlsplit(url)
        try:
            valid = bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            valid = False
        if not valid or parts.username or parts.query or parts.fragment:
            raise AddressError(f"{url!r} is not the address of a {what}; expected {form}")
        self.url = url.rstrip("/")
        self._what = what
        self._timeout = timeout
        handlers: list[urllib.request.BaseHandler] = []
        if parts.hostname in ("localhost", "127.0.0.1", "::1"):
            handlers.append(urllib.request.ProxyHandler({}))  # a proxy cannot reach our loopback
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        """The answer, out of JSON; None where it is empty or no JSON.

        Raises:
            Refused: the server answered with an error.
            SourceError: it cannot be reached.
        """
        question = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            f"{self.url}/{path}{question}", headers={"Accept": "application/json"}
        )
        what = f"{self._what} at {self.url}"
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                body = response.read()
        except urllib.error.HTTPError as error:
            with error:
                refusal = _refusal(error.read()) or f"HTTP {error.code} {error.reason}"
            raise Refused(f"{what} refused: {refusal}", error.code) from None
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", None) or error
            reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
            raise SourceError(f"cannot reach {what}: {reason}") from None
        try:
            return json.loads(body)
        except ValueError:
            return None


def _refusal(body: bytes) -> str | None:
    """What a server says of its error: Jaeger in JSON, Tempo and Loki in plain text."""
    try:
        return str(json.loads(body)["errors"][0]["msg"])
    except (ValueError, KeyError, IndexError, TypeError):
        text = body[:300].decode("utf-8", "replace").strip()
        return text if text and not text.startswith(("<", "{")) else None

"""httpx: what programs download with it, also asynchronously.

Every request ends in ``Client.send`` or ``AsyncClient.send``.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

from otelprov.artifacts.registry import registry
from otelprov.instrumentation._calls import add_library, outside
from otelprov.instrumentation._downloads import (
    DOWNLOAD,
    Fetch,
    begin,
    decoding,
    followed_pieces,
    parsing,
    passed,
)
from otelprov.instrumentation._table import Entry, step
from otelprov.recording import faults
from otelprov.recording.passing import Passing
from otelprov.recording.run import run

RECORDS: Final = DOWNLOAD
ODDITIES: Final = (
    "Answers to GET and POST are recorded. Of a streamed body the content is known when iter_bytes "
    "(or read, iter_text, iter_lines, and their asynchronous forms) have given all of it; "
    "iter_raw is not followed.",
)
OWN: Final = frozenset({"httpx", "opentelemetry", "wrapt"})
add_library("httpx")


def _client() -> Iterable[Entry]:
    yield step("Client.send", around=_sending)
    yield step("AsyncClient.send", around=_awaiting)
    yield step("Response.iter_bytes", around=_iterating)
    yield step("Response.aiter_bytes", around=_iterating_async)
    yield step("Response.text", around=decoding)
    yield step("Response.json", around=parsing)


def _begin(request: Any, frame: Any) -> Fetch | None:
    with faults.contained("a download is not recorded"):
        method = request.method
        name = method.lower()
        return begin("httpx", name, OWN, request.url, method, frame)
    return None


def _answered(fetch: Fetch, response: Any) -> None:
    with faults.contained("the end of a download was not recorded"):
        fetch.answered(
            response,
            url=str(response.url),
            status=response.status_code,
            headers=response.headers,
            body=vars(response).get("_content"),
        )


def _sending(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, request, **kwargs):  # type: ignore[no-untyped-def]
        fetch = _begin(request, sys._getframe().f_back) if run.active else None
        try:
            response = original(self, request, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if fetch is not None:
                fetch.failed(error)
            raise
        if fetch is not None:
            _answered(fetch, response)
        return response

    return wrapper


def _awaiting(original: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(self, request, **kwargs):  # type: ignore[no-untyped-def]
        fetch = _begin(request, sys._getframe().f_back) if run.active else None
        try:
            response = await original(self, request, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if fetch is not None:
                fetch.failed(error)
            raise
        if fetch is not None:
            _answered(fetch, response)
        return response

    return wrapper


def _is_stream(response: Any) -> bool:
    return registry.lookup(response) is not None and "_content" not in vars(response)


def _iterating(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, chunk_size=None):  # type: ignore[no-untyped-def]
        pieces = original(self, chunk_size)
        if run.active:
            with faults.contained("the content of a download is not known"):
                frame = sys._getframe().f_back
                place = outside(frame, OWN) if frame is not None else None
                if place is not None and _is_stream(self):
                    name = "Response.iter_bytes"
                    return followed_pieces(pieces, "httpx", name, self, place)
        return pieces

    return wrapper


def _iterating_async(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, chunk_size=None):  # type: ignore[no-untyped-def]
        pieces = original(self, chunk_size)
        if run.active:
            with faults.contained("the content of a download is not known"):
                frame = sys._getframe().f_back
                place = outside(frame, OWN) if frame is not None else None
                if place is not None and _is_stream(self):
                    return _followed(pieces, self, place)
        return pieces

    return wrapper


async def _followed(pieces: AsyncIterator[bytes], stream: Any, frame: Any) -> AsyncIterator[bytes]:
    passing = Passing()
    async for piece in pieces:
        passing.take(piece)
        yield piece
    with faults.contained("the content of a download is not known"):
        passed("httpx", "Response.aiter_bytes", stream, passing, frame)


TABLES = {"httpx": _client}

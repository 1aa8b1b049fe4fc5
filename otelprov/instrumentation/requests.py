"""requests: what programs download with it.

Every request ends in ``Session.send``; it counts where the program makes it, by whichever function,
or a package that is not recorded itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from otelprov.artifacts.registry import registry
from otelprov.instrumentation._calls import add_library, outside
from otelprov.instrumentation._downloads import (
    DOWNLOAD,
    begin,
    decoding,
    followed_pieces,
    parsing,
)
from otelprov.instrumentation._table import Entry, step
from otelprov.recording import faults
from otelprov.recording.run import run

RECORDS: Final = DOWNLOAD
ODDITIES: Final = (
    "Answers to GET and POST are recorded. With stream=True the body is known when iter_content, "
    "iter_lines or content have given all of it; what is read from Response.raw itself is known "
    "where pandas or shutil.copyfileobj reads it.",
    "Lists and dicts of Response.json() are known again where the body is not larger than 1 MiB.",
)
OWN: Final = frozenset({"requests", "opentelemetry", "wrapt"})
add_library("requests")


def _sessions() -> Iterable[Entry]:
    yield step("Session.send", around=_sending)


def _models() -> Iterable[Entry]:
    yield step("Response.iter_content", around=_iterating)
    yield step("Response.text", around=decoding)
    yield step("Response.json", around=parsing)


def _sending(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, request, **kwargs):  # type: ignore[no-untyped-def]
        fetch = None
        if run.active:
            with faults.contained("a download is not recorded"):
                method, url = request.method, request.url
                name = str(method).lower()
                frame = sys._getframe().f_back
                fetch = begin("requests", name, OWN, url, method, frame)
        try:
            response = original(self, request, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if fetch is not None:
                fetch.failed(error)
            raise
        if fetch is not None:
            with faults.contained("the end of a download was not recorded"):
                content = vars(response).get("_content")
                fetch.answered(
                    response,
                    url=str(response.url),
                    status=response.status_code,
                    headers=response.headers,
                    body=content if isinstance(content, bytes) else None,
                    raw=response.raw,
                )
        return response

    return wrapper


def _iterating(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, chunk_size=1, decode_unicode=False):  # type: ignore[no-untyped-def]
        try:
            pieces = original(self, chunk_size, decode_unicode)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if run.active and not decode_unicode:
            with faults.contained("the content of a download is not known"):
                identity = registry.lookup(self)
                frame = sys._getframe().f_back
                place = outside(frame, OWN) if frame is not None else None
                if identity is not None and self._content is False and place is not None:
                    name = "Response.iter_content"
                    return followed_pieces(pieces, "requests", name, self, place)
        return pieces

    return wrapper


TABLES = {"requests.sessions": _sessions, "requests.models": _models}

"""urllib of the standard library: what programs download with it."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable
from typing import Any, Final

from otelprov.artifacts.registry import registry
from otelprov.instrumentation._calls import add_library, outside
from otelprov.instrumentation._downloads import DOWNLOAD, Fetch, begin, passed
from otelprov.instrumentation._table import Entry, step
from otelprov.recording import faults, stores
from otelprov.recording.passing import Passing, Streams
from otelprov.recording.recorder import current_operation
from otelprov.recording.run import run

RECORDS: Final = DOWNLOAD
ODDITIES: Final = (
    "urlopen is recorded for GET and POST, and urlretrieve; the openers of urllib.request are not. "
    "A body is known when the program has read all of it.",
    "What a function of pandas reads of a URL by itself is one input of that function, known by "
    "what the server says of the version (ETag, else size and time).",
)
OWN: Final = frozenset({"urllib", "http", "opentelemetry", "wrapt"})
add_library("urllib")
add_library("http")

_answers: Final = Streams()
"""Answers of which all has passed until now."""


def _request() -> Iterable[Entry]:
    yield step("urlopen", around=_opening)
    yield step("urlretrieve", around=_retrieving)


def _client() -> Iterable[Entry]:
    for name in ("read", "read1", "readline"):
        yield step(f"HTTPResponse.{name}", around=_reading)
    yield step("HTTPResponse.readinto", around=_reading_into)


def _begin(name: str, request: Any, data: Any, frame: Any) -> Fetch | None:
    with faults.contained("a download is not recorded"):
        if isinstance(request, str):
            url, method = request, "GET" if data is None else "POST"
        else:
            url, method = _asked(request)
        return begin("urllib", name, OWN, url, method, frame)
    return None


def _opening(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(url, data=None, *args, **kwargs):  # type: ignore[no-untyped-def]
        frame = sys._getframe().f_back
        fetch = _begin("urlopen", url, data, frame) if run.active else None
        try:
            response = original(url, data, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if fetch is not None:
                fetch.failed(error)
            raise
        if fetch is None:
            if run.active:
                with faults.contained("the version of a download is not known"):
                    _read_inside(url, response)
        else:
            with faults.contained("the end of a download was not recorded"):
                fetch.answered(
                    response,
                    url=str(response.url),
                    status=response.status,
                    headers=response.headers or {},
                    body=None,
                )
                _answers.follow(response)
        return response

    return wrapper


def _read_inside(request: Any, response: Any) -> None:
    """Where a function of a library's reads a URL, as ``pandas.read_csv`` does, the answer says
    which version that was."""
    operation = current_operation()
    if operation is None or operation.call.library == "urllib":
        return
    url, method = (request, "GET") if isinstance(request, str) else _asked(request)
    if method == "GET" and url.startswith(("http:", "https:")):
        details = {str(name): value for name, value in (response.headers or {}).items()}
        stores.note(url, details, written=False)


def _asked(request: Any) -> tuple[str, str]:
    return request.full_url, request.get_method()


def _retrieving(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(url, filename=None, reporthook=None, data=None):  # type: ignore[no-untyped-def]
        frame = sys._getframe().f_back
        fetch = _begin("urlretrieve", url, data, frame) if run.active else None
        try:
            result = original(url, filename, reporthook, data)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if fetch is not None:
                fetch.failed(error)
            raise
        if fetch is not None:
            with faults.contained("the end of a download was not recorded"):
                fetch.retrieved(str(url), result[1] or {}, result[0])
        return result

    return wrapper


def _reading(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        passing = _answers.of(self) if _answers else None
        before = passing.bytes if passing is not None else 0
        try:
            piece = original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            _answers.forget(self)
            raise
        if passing is not None:
            with faults.contained("the content of a download is not known"):
                if passing.bytes == before:  # one of them may use another
                    passing.take(piece)
                _passed(self, passing, sys._getframe().f_back)
        return piece

    return wrapper


def _reading_into(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, b):  # type: ignore[no-untyped-def]
        passing = _answers.of(self) if _answers else None
        before = passing.bytes if passing is not None else 0
        try:
            count = original(self, b)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            _answers.forget(self)
            raise
        if passing is not None:
            with faults.contained("the content of a download is not known"):
                if passing.bytes == before:
                    passing.take(memoryview(b).cast("B")[:count])
                _passed(self, passing, sys._getframe().f_back)
        return count

    return wrapper


def _passed(response: Any, passing: Passing, frame: types.FrameType | None) -> None:
    place = outside(frame, OWN) if frame is not None else None
    if place is None:  # pandas reads it
        _answers.forget(response)
        return
    if not response.isclosed() and response.length != 0:
        return
    _answers.forget(response)
    if response.length in (0, None) and registry.lookup(response) is not None:
        passed("urllib", "HTTPResponse.read", response, passing, place)


TABLES = {"urllib.request": _request, "http.client": _client}

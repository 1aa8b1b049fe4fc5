"""What programs download over HTTP: the same for requests, httpx and urllib.

Nothing is added to a request, and nothing is read that the program does not read. What answers is
known by its URL and by what the server says of the version (ETag), the body by its bytes.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from opentelemetry.instrumentation.utils import (
    is_http_instrumentation_enabled,
    is_instrumentation_enabled,
)

from otelprov import semconv
from otelprov.artifacts import identify, identify_location
from otelprov.artifacts.locations import without_credentials
from otelprov.artifacts.registry import Identity, registry
from otelprov.instrumentation._calls import Function, is_internal, outside
from otelprov.instrumentation._wrapping import followed
from otelprov.model import Artifact
from otelprov.recording import faults, observation, places
from otelprov.recording.passing import Passing
from otelprov.recording.plain_values import parsed
from otelprov.recording.recorder import Call, OpenOperation, current_operation
from otelprov.recording.run import run
from otelprov.recording.streams import version_of

DOWNLOAD: Final = "**read**: a download, by URL, `ETag` and the bytes that the program took of it"
METHODS: Final = frozenset({"GET", "POST"})
"""Those whose answers are data."""


class Fetch:
    """One request of the program's, until its answer is there."""

    __slots__ = ("_url", "library", "operation")

    def __init__(
        self, library: str, name: str, url: str, method: str, frame: types.FrameType
    ) -> None:
        self.library = library
        self._url = url
        shown = {"url": without_credentials(url), "method": method}
        call = Call(library, name, "read", _version(library), client=True)
        self.operation = OpenOperation(call, frame, shown, ["url", "method"])
        self.operation.enter()

    def failed(self, error: BaseException) -> None:
        """There was no answer."""
        with faults.contained("the end of a download was not recorded"):
            self.operation.leave()
            self.operation.use_content("url", identify_location(self._url))
            self.operation.end(error)

    def answered(
        self,
        response: Any,
        *,
        url: str,
        status: int | None,
        headers: Mapping[str, str],
        body: bytes | None,
        raw: object = None,
    ) -> None:
        """The answer: with its body, or, where that is still to be read, as a stream.

        ``raw`` is the stream below.
        """
        operation = self.operation
        operation.leave()
        try:
            self._use(url, status, headers)
            if body is not None:
                known = content_of(operation, body, url)
                if known is not None:
                    operation.generate("body", known)
                    operation.assign(response, known)
            elif observation.adopt(operation, "body", response, "stream"):
                identity = registry.lookup(response)
                if raw is not None and identity is not None:
                    registry.assign(raw, identity)
        finally:
            operation.end()

    def retrieved(self, url: str, headers: Mapping[str, str], path: str) -> None:
        """What answered was put into a file."""
        operation = self.operation
        operation.leave()
        try:
            self._use(url, None, headers)
            places.written_to(operation, "filename", path)
        finally:
            operation.end()

    def _use(self, url: str, status: int | None, headers: Mapping[str, str]) -> None:
        operation = self.operation
        if status is not None:
            operation.state({semconv.HTTP_STATUS: status})
        if url.startswith("file:"):
            places.read_from(operation, "url", url)
        elif status is None or status < 400:
            details = {str(name): value for name, value in headers.items()}
            operation.use_content("url", version_of(url, details))
        else:  # what answers is no version of what stands there
            operation.use_content("url", identify_location(url))


def begin(
    library: str,
    name: str,
    own: frozenset[str],
    url: object,
    method: str,
    frame: types.FrameType | None,
) -> Fetch | None:
    """Begin to record a request; None where it is not the program's, or no download."""
    if method not in METHODS or frame is None:
        return None
    if not (is_instrumentation_enabled() and is_http_instrumentation_enabled()):
        return None  # exporters of OpenTelemetry
    current = current_operation()
    if current is not None and current.call.library == library:
        return None  # a redirection
    place = outside(frame, own)
    if place is None or run.excludes(f"{library}.{name}"):
        return None
    return Fetch(library, name, str(url), method, place)


def content_of(operation: OpenOperation, body: bytes, url: str) -> Artifact | None:
    """The file that a body is."""
    if not operation.budget.take(len(body)):
        return None
    return identify(body, name=identify_location(url).name)


def passed(
    library: str,
    name: str,
    stream: object,
    passing: Passing,
    frame: types.FrameType | None,
) -> None:
    """The program has read all of a stream: its content is known."""
    identity = registry.lookup(stream)
    if identity is None or frame is None:
        return
    operation = OpenOperation(Call(library, name, "read", _version(library)), frame, {}, ())
    operation.use("self", identity)
    content = passing.artifact()
    operation.generate("return", content)
    operation.assign(stream, content)
    operation.end()


def followed_pieces(
    pieces: Iterator[Any], library: str, name: str, stream: Any, frame: Any
) -> Iterator[Any]:
    """The pieces of a body as they pass."""
    passing = Passing()
    for piece in pieces:
        passing.take(piece)
        yield piece
    with faults.contained("the content of a download is not known"):
        passed(library, name, stream, passing, frame)


def decoding(original: Function) -> Function:
    """For ``Response.text``: of a body that was not in UTF-8 it makes other bytes, another file."""
    library = original.__module__.partition(".")[0]
    return followed(original, partial(_decoded, library), "the text of a download is not known")


def _decoded(library: str, frame: types.FrameType, text: object, response: Any) -> None:
    if is_internal(frame):
        return
    identity = registry.lookup(response)
    source = identity.artifact if identity is not None else None
    if not isinstance(source, Artifact) or source.kind != "file" or not isinstance(text, str):
        return
    content = identify(text)
    if content.id == source.id:
        return
    operation = OpenOperation(
        Call(library, "Response.text", "transform", _version(library)), frame, {}, ()
    )  # fmt: skip
    operation.use("self", Identity((source,)))
    operation.generate("return", content)
    operation.end()


def parsing(original: Function) -> Function:
    """For ``Response.json``: lists and dicts in what a body says come from there."""
    return followed(original, _parsed, "what a download says is not known")


def _parsed(_: types.FrameType, value: object, response: Any, **options: Any) -> None:
    identity = registry.lookup(response)
    source = identity.artifact if identity is not None else None
    if not isinstance(source, Artifact) or source.kind != "file":
        return
    parsed(value, source, source.bytes or 0)


def _version(library: str) -> str | None:
    return getattr(sys.modules.get(library), "__version__", None)

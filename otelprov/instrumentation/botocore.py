"""botocore: the objects that programs get from S3 and put there, and the versions that it names.

The methods of a client are made when it is made, so what they all end in is patched. A call counts
where it is the program's own: what boto3 and s3transfer do for an ``upload_file`` belongs to that,
in whichever thread. Of every answer, also of aiobotocore's, it is kept which version of an object
it speaks of: that is what ``pd.read_parquet("s3://…")`` has read.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from otelprov.artifacts import identify_location
from otelprov.artifacts.carrier import Carrier, from_object, object_metadata, without_own
from otelprov.artifacts.registry import registry
from otelprov.instrumentation._calls import add_library, outside
from otelprov.instrumentation._objects import object_uri, put_content, stored_as
from otelprov.instrumentation._table import Entry, step
from otelprov.model import Artifact
from otelprov.recording import faults, observation, places, stores
from otelprov.recording.passing import Passing, Streams
from otelprov.recording.recorder import Call, OpenOperation
from otelprov.recording.run import run

RECORDS: Final = (
    "**read**, **write**: `get_object`, `put_object`, `copy_object`, `upload_part` and "
    "`complete_multipart_upload` of an S3 client, in the version that S3 names"
)
ODDITIES: Final = (
    "get_object, put_object, copy_object, upload_part and complete_multipart_upload of the client "
    "are recorded, and what the resources of boto3 make of them; other requests are not.",
    "The body of an object gets its id when the program has read all of it.",
    "A part of an upload is known by its number and the id of the upload; one that "
    "upload_part_copy makes is not recorded.",
)

for _name in ("boto3", "botocore", "s3transfer", "aiobotocore"):
    add_library(_name)

_NAMES: Final = {
    "GetObject": "get_object", "PutObject": "put_object", "CopyObject": "copy_object",
    "UploadPart": "upload_part", "CompleteMultipartUpload": "complete_multipart_upload",
}  # fmt: skip
_WRITTEN: Final = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload"})
_ANSWERED: Final = frozenset({"GetObject", "HeadObject"}) | _WRITTEN
_MARKED: Final = frozenset({"PutObject", "CreateMultipartUpload"})
_OWN: Final = frozenset({"boto3", "botocore"})

uploads: dict[tuple[int, str, str], Carrier] = {}
"""What the object of an upload that is running shall carry, by client, bucket and key."""

_bodies: Final = Streams()
"""Bodies that nobody has read to the end."""


def _client() -> Iterable[Entry]:
    yield step("BaseClient._make_api_call", around=_calling)


def _aio_client() -> Iterable[Entry]:
    yield step("AioBaseClient._make_api_call", around=_awaiting)


def _response() -> Iterable[Entry]:
    yield step("StreamingBody.read", around=_reading)
    yield step("StreamingBody.readinto", around=_reading_into)
    yield step("StreamingBody.readlines", around=_reading_lines)


def _calling(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, operation_name, api_params):  # type: ignore[no-untyped-def]
        call: _Request | None = None
        if run.active and operation_name in _CONCERNED:
            try:
                call = _request(self, operation_name, api_params, sys._getframe().f_back)
                if call is not None:
                    api_params = call.parameters
            except Exception as fault:
                faults.tell(f"botocore.{operation_name} was not recorded", fault)
        try:
            result = original(self, operation_name, api_params)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if call is not None:
                with faults.contained(f"the end of {operation_name} was not recorded"):
                    call.failed(error)
            raise
        if call is not None:
            with faults.contained(f"the end of {operation_name} was not recorded"):
                call.returned(result)
        return result

    return wrapper


def _awaiting(original: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(self, operation_name, api_params):  # type: ignore[no-untyped-def]
        try:
            result = await original(self, operation_name, api_params)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if run.active and operation_name in _ANSWERED:
            with faults.contained(f"the version in an answer to {operation_name} is not known"):
                if _service(self) == "s3":
                    _note(operation_name, api_params, result)
        return result

    return wrapper


_CONCERNED: Final = _ANSWERED | _MARKED | {"UploadPart"}


def _service(client: Any) -> str:
    return str(client.meta.service_model.service_name)


def _request(
    client: Any, name: str, parameters: Any, frame: types.FrameType | None
) -> _Request | None:  # fmt: skip
    if _service(client) != "s3" or not isinstance(parameters, dict):
        return None
    found = _Request(name, parameters, None)
    call = _NAMES.get(name)
    if call is not None:
        place = outside(frame, _OWN) if frame is not None else None
        if place is not None and not run.excludes(f"botocore.{call}"):
            _open(found, client, call, place)
    if name in _MARKED and found.operation is None:
        key = (id(client), str(parameters.get("Bucket")), str(parameters.get("Key")))
        _mark(found, uploads.get(key))
    return found


@dataclass(slots=True)
class _Request:
    """One request to S3; it is an operation where it is the program's own."""

    name: str
    parameters: dict[str, Any]
    operation: OpenOperation | None
    content: Artifact | None = None
    """What is put, where that is known."""

    def failed(self, error: BaseException) -> None:
        operation = self.operation
        if operation is None:
            return
        operation.leave()
        try:
            for uri in self._read_uris():
                operation.use_artifact("Key", identify_location(uri))
        finally:
            operation.end(error)

    def _read_uris(self) -> list[str]:
        if self.name == "GetObject":
            return [object_uri(self.parameters)]
        if self.name == "CopyObject":
            return [source_of(self.parameters)[0]]
        return []

    def returned(self, result: Any) -> None:
        operation = self.operation
        if operation is not None:
            operation.leave()
        try:
            said = _carried(self.name, result)
            answer = _note(self.name, self.parameters, result, said)
            if operation is None:
                return
            uri = object_uri(self.parameters)
            if self.name == "GetObject":
                _got(operation, uri, answer, said, result)
            elif self.name == "UploadPart":
                operation.generate("Key", _part(self.parameters, self.parameters["PartNumber"]))
            else:
                for part in (self.parameters.get("MultipartUpload") or {}).get("Parts", ()):
                    operation.use_content("Parts", _part(self.parameters, part["PartNumber"]))
                if self.name == "CopyObject":
                    for artifact in _source(self.parameters, result):
                        operation.use_content("CopySource", artifact)
                stored_as(operation, "Key", uri, answer, self.content)
        finally:
            if operation is not None:
                operation.end()


def _part(parameters: Mapping[str, Any], number: object) -> Artifact:
    """A part of an upload."""
    name = f"?partNumber={number}&uploadId={parameters.get('UploadId')}"
    return identify_location(f"{object_uri(parameters)}{name}")


def _open(request: _Request, client: Any, call: str, frame: types.FrameType) -> None:
    shown: dict[str, object] = {
        name: request.parameters[name]
        for name in ("Bucket", "Key", "VersionId", "Range")
        if name in request.parameters
    }
    library = sys.modules["botocore"]
    operation = OpenOperation(
        Call(
            "botocore",
            call,
            "read" if request.name == "GetObject" else "write",
            getattr(library, "__version__", None),
            client=True,
        ),
        frame,
        shown,
        list(shown),
    )
    request.operation = operation
    if request.name in ("PutObject", "UploadPart"):
        content = put_content(operation, "Body", request.parameters.get("Body"))
        request.content = content
        marked = request.name in _MARKED and run.settings.object_metadata
        if content is not None and marked:
            _mark(request, places.carried(operation, content.id))
    operation.enter()


def _mark(request: _Request, carrier: Carrier | None) -> None:
    if carrier is not None:
        given = request.parameters.get("Metadata")
        request.parameters = {
            **request.parameters,
            "Metadata": object_metadata(carrier, given if isinstance(given, Mapping) else {}),
        }


def _carried(name: str, result: Any) -> Carrier | None:
    """What an object says of itself, which is taken out of what the program sees."""
    found = result.get("Metadata") if name in ("GetObject", "HeadObject") else None
    if not found:
        return None
    said = from_object(found)
    if said is not None:
        result["Metadata"] = without_own(found)
    return said


def _got(
    operation: OpenOperation,
    uri: str,
    answer: Mapping[str, Any] | None,
    said: Carrier | None,
    result: Any,
) -> None:
    found = stores.versions(uri, answer) if answer else [identify_location(uri)]
    for artifact in found:
        operation.use_content("Key", artifact)
        if said is not None:
            operation.claims = (*operation.claims, stores.Claimed(artifact, (said,)))
    body = result.get("Body")
    if body is None or not observation.adopt(operation, "Body", body, "stream"):
        return
    if not isinstance(body, sys.modules["botocore.response"].StreamingBody):
        return  # a stubbed answer has what the program's test put there
    identity = registry.lookup(body)
    if identity is not None:  # `with` gives the stream behind it
        registry.assign(body._raw_stream, identity)
    _bodies.follow(body)


def _source(parameters: Mapping[str, Any], result: Any) -> list[Any]:
    """Which version of its source a copy was made of, if the store says so, or has said it: a copy
    has the ETag of its source, unless it was made in another way."""
    uri, version = source_of(parameters)
    version = result.get("CopySourceVersionId") or version
    tag = (result.get("CopyObjectResult") or {}).get("ETag")
    known = stores.answered(uri, tag)
    if known is None and version and tag:
        known = {"ETag": tag, "VersionId": version}
    return stores.versions(uri, known) if known else [identify_location(uri)]


def source_of(parameters: Mapping[str, Any]) -> tuple[str, str | None]:
    """What a copy is made of, and in which version if the program says so."""
    source = parameters.get("CopySource")
    if isinstance(source, Mapping):
        return object_uri(source), source.get("VersionId")
    from urllib.parse import unquote

    path, _, version = str(source).partition("?versionId=")
    return f"s3://{unquote(path).lstrip('/')}", version or None


def _note(
    name: str, parameters: Any, result: Any, said: Carrier | None = None
) -> dict[str, Any] | None:
    """Keep which version of an object an answer is about."""
    facts = result.get("CopyObjectResult") or {} if name == "CopyObject" else result
    tag = facts.get("ETag")
    if name not in _ANSWERED or not tag or "Key" not in parameters:
        return None
    details: dict[str, Any] = {"ETag": tag}
    if result.get("VersionId"):
        details["VersionId"] = result["VersionId"]
    size = _size(name, parameters, result)
    if size is not None:
        details["size"] = size
    stores.note(object_uri(parameters), details, written=name in _WRITTEN, carrier=said)
    return details


def _size(name: str, parameters: Mapping[str, Any], result: Mapping[str, Any]) -> int | None:
    total = str(result.get("ContentRange") or "").rpartition("/")[2]
    if total.isdigit():
        return int(total)
    if name in _WRITTEN or "Range" in parameters or "PartNumber" in parameters:
        return None
    length = result.get("ContentLength")
    return length if isinstance(length, int) else None


def _reading(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, amt=None):  # type: ignore[no-untyped-def]
        try:
            chunk = original(self, amt)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            _bodies.forget(self)
            raise
        if _bodies:
            with faults.contained("what was read of an object is not known"):
                passing = _bodies.of(self)
                if passing is not None:
                    ended = amt is None or amt < 0 or (amt > 0 and not chunk)
                    _passed(self, passing, chunk, ended, sys._getframe().f_back)
        return chunk

    return wrapper


def _reading_into(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, b):  # type: ignore[no-untyped-def]
        try:
            count = original(self, b)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            _bodies.forget(self)
            raise
        if _bodies:
            with faults.contained("what was read of an object is not known"):
                passing = _bodies.of(self)
                if passing is not None:
                    piece = memoryview(b).cast("B")[:count]
                    _passed(self, passing, piece, not count, sys._getframe().f_back)
        return count

    return wrapper


def _reading_lines(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self):  # type: ignore[no-untyped-def]
        _bodies.forget(self)  # they are read from the stream behind
        return original(self)

    return wrapper


def _passed(
    body: Any, passing: Passing, piece: Any, ended: bool, frame: types.FrameType | None
) -> None:  # fmt: skip
    place = outside(frame, _OWN) if frame is not None else None
    if place is None:  # pandas reads it, which has a span of its own
        _bodies.forget(body)
        return
    passing.take(piece)
    if not ended and str(passing.bytes) != str(body._content_length):
        return
    _bodies.forget(body)
    identity = registry.lookup(body)
    if identity is None:
        return
    library = getattr(sys.modules["botocore"], "__version__", None)
    operation = OpenOperation(
        Call("botocore", "StreamingBody.read", "read", library), place, {}, ()
    )  # fmt: skip
    operation.use("self", identity)
    operation.generate("return", passing.artifact())
    operation.end()


TABLES = {
    "botocore.client": _client,
    "botocore.response": _response,
    "aiobotocore.client": _aio_client,
}
